//! Replies of many shapes, with whole results.

use proptest::prelude::*;

use super::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn surface(editable: &[&str], protected: &[&str]) -> Surface {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Surface { editable: owned(editable), protected: owned(protected) }
}

fn made(before: &Tree, reply: &str, form: Form, surface: &Surface) -> Result<Applied, String> {
    let said = |error: EditError| {
        let text = error.to_string();
        assert!(text.chars().count() <= 2000, "{} characters", text.chars().count());
        text
    };
    let edits = parse(reply, form, &surface.files(before)).map_err(said)?;
    apply(before, &edits, surface).map_err(said)
}

/// A reply about one file.
fn check(before: &str, reply: &str, after: &str) {
    let applied = made(&tree(&[("solve.py", before)]), reply, Form::Any, &Surface::default());
    let applied = applied.map(|applied| applied.tree);
    assert_eq!(applied, Ok(tree(&[("solve.py", after)])), "{reply}");
}

/// A reply about several.
fn check_all(before: &[(&str, &str)], reply: &str, after: &[(&str, &str)]) {
    let applied = made(&tree(before), reply, Form::Any, &Surface::default()).map(|applied| applied.tree);
    assert_eq!(applied, Ok(tree(after)), "{reply}");
}

fn refused(before: &[(&str, &str)], reply: &str, expected: &str) {
    assert_eq!(
        made(&tree(before), reply, Form::Any, &Surface::default()),
        Err(expected.to_owned()),
        "{reply}"
    );
}

const BLOCK: &str = "<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE";

#[test]
fn blocks_are_found_in_any_reply() {
    check("a\nb\nc\n", BLOCK, "a\nB\nc\n");
    check(
        "a\nb\nc\n",
        &format!("<think>\n{BLOCK}\n</think>\nSo:\n```python\n{BLOCK}\n```\nDone."),
        "a\nB\nc\n",
    );
    check("a\nb\nc\n", &format!("I would write\n{BLOCK}\nno.\n</think>\n{BLOCK}"), "a\nB\nc\n");
    check("a\nb\nc\n", &BLOCK.replace('\n', "\r\n"), "a\nB\nc\n");
    check("a\nb\nc\n", &BLOCK.replace('\n', "  \n").replace("b  ", "b").replace("B  ", "B"), "a\nB\nc\n");
    check("a\nb\nc\n", "------- SEARCH\nb\n=======\n+++++++ REPLACE", "a\nc\n");
    check("a\nb\nc", "<<<<<<< search\nc\n=======\nc\nd\n>>>>>>> replace", "a\nb\nc\nd");
    check(
        "a\nb\n",
        "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nb\nb\n=======\nc\n>>>>>>> REPLACE",
        "c\n",
    );
    check("\n", "<<<<<<< SEARCH\n=======\nnew\n>>>>>>> REPLACE", "new\n");
    check("T\n=======\nx\n", "<<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>>> REPLACE", "T\n=======\ny\n");
    check(
        "T\n====\nx\n",
        "<<<<<<< SEARCH\nT\n=====\n=======\ny\n>>>>>>> REPLACE\n".replace("\n=====\n", "\n").as_str(),
        "y\n====\nx\n",
    );
}

#[test]
fn blocks_belong_to_the_file_that_is_named_above() {
    let before = [("lib/a.py", "a\nb\n"), ("solve.py", "b\n")];
    let after = [("lib/a.py", "a\nB\n"), ("solve.py", "b\n")];
    for above in [
        "lib/a.py",
        "### `lib/a.py`",
        "**lib/a.py**:",
        "File: ./lib/a.py",
        "In `lib/a.py`, the second line:",
        "lib/a.py\n```python",
        "lib/a.py\n\n```",
        "```python lib/a.py",
        "```lib/a.py\n",
        "// file: lib/a.py",
    ] {
        check_all(&before, &format!("Better:\n\n{above}\n{BLOCK}\n```"), &after);
    }
    check_all(&before, &BLOCK.replace("SEARCH", "SEARCH lib/a.py"), &after);
    // The next block, if nothing stands between.
    let second = "<<<<<<< SEARCH\na\n=======\n>>>>>>> REPLACE";
    check_all(
        &before,
        &format!("lib/a.py\n{BLOCK}\n\n{second}"),
        &[("lib/a.py", "B\n"), ("solve.py", "b\n")],
    );
    // A new file.
    check_all(
        &before[..1],
        "new.py\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE",
        &[before[0], ("new.py", "x\n")],
    );
    refused(
        &before,
        &format!("Better:\n{BLOCK}"),
        "block 1 does not say which file it belongs to; write the path on the line before it, one of: lib/a.py, \
         solve.py",
    );
    refused(
        &before,
        &format!("lib/b.py\n{BLOCK}"),
        "block 1: there is no file `lib/b.py`; `lib/a.py` is there; editable: everything that is not protected",
    );
}

#[test]
fn white_space_is_forgiven_where_one_place_fits() {
    check("  a  \n  b\n", "<<<<<<< SEARCH\n  a\n=======\n  x\n>>>>>>> REPLACE", "  x\n  b\n");
    check(
        "def f():\n    if x:\n        y\n\n    z\n",
        "<<<<<<< SEARCH\nif x:\n    y\n\nz\n=======\nif z:\n\n    x\n>>>>>>> REPLACE",
        "def f():\n    if z:\n\n        x\n",
    );
    check(
        "if x:\n    y\n",
        "<<<<<<< SEARCH\n\tif x:\n\t    y\n=======\n\tif z:\n\t    y\n>>>>>>> REPLACE",
        "if z:\n    y\n",
    );
    check("a\r\nb\r\n", "<<<<<<< SEARCH\na\n=======\nx\ny\n>>>>>>> REPLACE", "x\r\ny\r\nb\r\n");
    let notes = |before: &str, reply: &str| {
        made(&tree(&[("solve.py", before)]), reply, Form::Any, &Surface::default())
            .map(|applied| applied.notes)
    };
    assert_eq!(
        notes("    a\n", "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE"),
        Ok(vec!["block 1 of solve.py fits but for indentation, which was adjusted".into()])
    );
    assert_eq!(notes("a\r\n", "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE"), Ok(vec![]));
    // An exact place goes before one that only resembles.
    check("  a\na\n", "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE", "  a\nb\n");
}

#[test]
fn a_block_that_does_not_fit_is_told_where_it_nearly_does() {
    refused(
        &[("solve.py", "import math\n\nRATE = 0.1\nSTEPS = 30\n\nprint(RATE)\n")],
        "<<<<<<< SEARCH\nRATE = 0.2\nSTEPS = 30\n=======\nRATE = 0.3\n>>>>>>> REPLACE",
        "block 1 of `solve.py`: its lines to be found are not in the file. The first of them that is not in it: \
         `RATE = 0.2`. The nearest lines of the file:\n    2 | \n    3 | RATE = 0.1\n    4 | STEPS = 30\n    5 | \n    \
         6 | print(RATE)\ncopy the SEARCH lines exactly from the file as it is now, with the earlier blocks made",
    );
    refused(
        &[("solve.py", "a\nx\nb\na\n")],
        "<<<<<<< SEARCH\na\n=======\nc\n>>>>>>> REPLACE",
        "block 1 of `solve.py`: its lines fit at lines 1, 4 of the file; add the lines above or below that tell which \
         place is meant. The first two places:\n    1 | a\n    2 | x\n    3 | b\n    4 | a\n  ...\n    2 | x\n    3 | \
         b\n    4 | a",
    );
    refused(
        &[("solve.py", "a\nb\n")],
        "<<<<<<< SEARCH\nb\na\n=======\nc\n>>>>>>> REPLACE",
        "block 1 of `solve.py`: its lines to be found are not in the file. Each of them is in it, but not together in \
         this order. The nearest lines of the file:\n    1 | a\n    2 | b\ncopy the SEARCH lines exactly from the file \
         as it is now, with the earlier blocks made",
    );
    refused(
        &[("solve.py", "a\n")],
        "<<<<<<< SEARCH\n=======\nc\n>>>>>>> REPLACE",
        "block 1 of `solve.py`: its lines to be found are not in the file. Its SEARCH side is empty, and the file is \
         not.\nput the lines that are to be replaced into the SEARCH side",
    );
    refused(
        &[("solve.py", "a\n")],
        "<<<<<<< SEARCH\na\n=======\na\n>>>>>>> REPLACE",
        "block 1 of `solve.py` changes nothing: both its sides are equal; leave it out, or write what changes",
    );
    refused(
        &[("solve.py", "a\n")],
        "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nb\n=======\na\n>>>>>>> REPLACE",
        "the edits change nothing: every file is as it was before",
    );
}

#[test]
fn unfinished_blocks_are_named() {
    let check = |reply: &str, expected: &str| refused(&[("solve.py", "a\n")], reply, expected);
    check(
        "x\n<<<<<<< SEARCH\na\n",
        "block 1, line 2 of the reply: the reply ends before the block does; `=======` and `>>>>>>> REPLACE` is missing",
    );
    check(
        "<<<<<<< SEARCH\na\n=======\nb",
        "block 1, line 1 of the reply: the reply ends before the block does; `>>>>>>> REPLACE` is missing",
    );
    check(
        "<<<<<<< SEARCH\na\n>>>>>>> REPLACE",
        "block 1, line 3 of the reply: the block ends without a line `=======` between its sides",
    );
    check(
        "<<<<<<< SEARCH\na\n=======\nb\n<<<<<<< SEARCH\n",
        "block 1, line 5 of the reply: a new block begins before this one ended with `>>>>>>> REPLACE`",
    );
    check(
        "<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE",
        "block 1, line 5 of the reply: the block has several lines `=======`, so its sides cannot be told apart; write \
         the whole file, or leave such lines out of the block",
    );
}

const FOUR: &str = "one\ntwo\nthree\nfour\n";

#[test]
fn diffs_are_read_in_many_shapes() {
    let headers = "--- a/solve.py\n+++ b/solve.py\n";
    let body = " one\n-two\n+TWO\n three\n";
    let after = "one\nTWO\nthree\nfour\n";
    for reply in [
        format!("{headers}@@ -1,3 +1,3 @@\n{body}"),
        // Wrong counts, wrong lines, no numbers.
        format!("{headers}@@ -1,9 +1,2 @@\n{body}"),
        format!("{headers}@@ -1,1 +1,1 @@\n{body}"),
        format!("{headers}@@ -70,3 +80,3 @@ def f():\n{body}"),
        format!("{headers}@@ ... @@\n{body}"),
        format!("{headers}@@\n{body}"),
        // Fences, prose, thoughts, Windows line ends.
        format!("Here:\n```diff\n{headers}@@ -1,3 +1,3 @@\n{body}```\nIt is better:\n- faster\n"),
        format!("<think>\n--- a\n+++ b\n</think>\n```\n{headers}@@ -1,9 +1,9 @@\n{body}```"),
        format!("{headers}@@ -1,3 +1,3 @@\n{body}\n- this makes it faster\n"),
        format!("{headers}@@ -1,3 +1,3 @@\n{body}\nThis makes it faster.\n"),
        format!("{headers}@@ -1,3 +1,3 @@\n{body}").replace('\n', "\r\n"),
        // Headers.
        format!(
            "diff --git a/solve.py b/solve.py\nindex 0123456..789abcd 100644\n{headers}@@ -1,3 +1,3 @@\n{body}"
        ),
        format!("--- solve.py\n+++ solve.py\n@@ -1,3 +1,3 @@\n{body}"),
        format!(
            "--- solve.py\t2024-01-01 10:00:00\n+++ solve.py\t2024-01-01 10:00:01\n@@ -1,3 +1,3 @@\n{body}"
        ),
        format!("--- solve.py 2024-01-01 10:00\n+++ solve.py 2024-01-01 10:01\n@@ -1,3 +1,3 @@\n{body}"),
        format!("--- \"a/solve.py\"\n+++ \"b/solve.py\"\n@@ -1,3 +1,3 @@\n{body}"),
        format!("--- original\n+++ modified\n@@ -1,3 +1,3 @@\n{body}"),
        format!("Index: solve.py\n=======\n{headers}@@ -1,3 +1,3 @@\n{body}"),
        format!("diff --git a/solve.py b/solve.py\n@@ -1,3 +1,3 @@\n{body}"),
        format!("--- a/solve.py\n@@ -1,3 +1,3 @@\n{body}"),
        format!("@@ -1,3 +1,3 @@\n{body}"),
        format!(
            "From 0123 Mon\nSubject: x\n---\n solve.py | 2 +-\n\n{headers}@@ -1,3 +1,3 @@\n{body}-- \n2.40.1\n"
        ),
        // Leading blanks lost.
        format!("```diff\n{headers}@@ -1,3 +1,3 @@\none\n-two\n+TWO\nthree\n```"),
    ] {
        check(FOUR, &reply, after);
    }
    check("a\n\nb\nc\n", &format!("{headers}@@ -1,4 +1,4 @@\n a\n\n-b\n+B\n c"), "a\n\nB\nc\n");
    check("a\n\nb\nc\n", &format!("{headers}@@ -1,7 +1,4 @@\n a\n\n-b\n+B\n\n"), "a\n\nB\nc\n");
}

#[test]
fn diffs_change_several_files() {
    let before = [("lib/deep/a.txt", FOUR), ("old.py", "x\ny\n"), ("solve.py", FOUR)];
    let hunk = "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
    let after = "one\nTWO\nthree\nfour\n";
    // What the published patcher of execution-grounded search fails on: git's headers between files, a new file, a
    // file in a folder. Wrong counts at the end of each.
    check_all(
        &before,
        &format!(
            "diff --git a/lib/deep/a.txt b/lib/deep/a.txt\nindex 1..2 100644\n--- a/lib/deep/a.txt\n\
             +++ b/lib/deep/a.txt\n{hunk}diff --git a/solve.py b/solve.py\nindex 1..2 100644\n--- a/solve.py\n\
             +++ b/solve.py\n@@ -1,8 +1,7 @@\n one\n-two\n+TWO\n three\ndiff --git a/new.py b/new.py\n\
             new file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,9 @@\n+n\n+m\n\
             diff --git a/old.py b/old.py\ndeleted file mode 100644\n--- a/old.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n"
        ),
        &[("lib/deep/a.txt", after), ("new.py", "n\nm\n"), ("solve.py", after)],
    );
    // Plain, with counts that would take the next header for two lines.
    check_all(
        &before,
        &format!(
            "--- lib/deep/a.txt\n+++ lib/deep/a.txt\n@@ -1,4 +1,4 @@\n one\n-two\n+TWO\n three\n\
             --- solve.py\n+++ solve.py\n{hunk}--- /dev/null\n+++ new.py\n@@ -0,0 +1 @@\n+n\n--- old.py\n+++ /dev/null\n"
        ),
        &[("lib/deep/a.txt", after), ("new.py", "n\n"), ("solve.py", after)],
    );
    // Renames, with and without changes.
    check_all(
        &before,
        "diff --git a/old.py b/lib/new.py\nsimilarity index 100%\nrename from old.py\nrename to lib/new.py\n\
         diff --git a/solve.py b/s.py\nsimilarity index 60%\nrename from solve.py\nrename to s.py\n--- a/solve.py\n\
         +++ b/s.py\n@@ -4 +4 @@\n-four\n+FOUR\n",
        &[("lib/deep/a.txt", FOUR), ("lib/new.py", "x\ny\n"), ("s.py", "one\ntwo\nthree\nFOUR\n")],
    );
    // Two fences, a new file that only its lines tell, an empty one, one whose path must be quoted.
    check_all(
        &before[1..],
        &format!(
            "First\n```diff\n--- a/solve.py\n+++ b/solve.py\n{hunk}```\nthen\n```diff\n--- a/n.py\n+++ b/n.py\n\
             @@ -0,0 +1,2 @@\n+n\n```\n```diff\ndiff --git a/empty b/empty\nnew file mode 100644\n\
             diff --git \"a/t\\303\\244 \\\"q\\\"\" \"b/t\\303\\244 \\\"q\\\"\"\nnew file mode 100644\n--- /dev/null\n\
             +++ \"b/t\\303\\244 \\\"q\\\"\"\n@@ -0,0 +1 @@\n+q\n```"
        ),
        &[("empty", ""), ("n.py", "n\n"), ("old.py", "x\ny\n"), ("solve.py", after), ("tä \"q\"", "q\n")],
    );
}

#[test]
fn line_ends_at_the_end_of_a_file_are_kept_or_changed_as_said() {
    let headers = "--- a/solve.py\n+++ b/solve.py\n";
    let none = "\\ No newline at end of file\n";
    check("a\nb", &format!("{headers}@@ -2 +2 @@\n-b\n{none}+b\n"), "a\nb\n");
    check("a\nb\n", &format!("{headers}@@ -2 +2 @@\n-b\n+c\n{none}"), "a\nc");
    check("a\nb", &format!("{headers}@@ -1,2 +1,2 @@\n-a\n+c\n b\n{none}"), "c\nb");
    check("a\nb", &format!("{headers}@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "a\nc");
    check("a\r\nb\r\n", &format!("{headers}@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "a\r\nc\r\n");
    check("-- a\nb\n", &format!("{headers}@@ -1,2 +1,2 @@\n--- a\n+++ c\n b\n"), "++ c\nb\n");
}

#[test]
fn hunks_drift_to_the_one_place_that_fits() {
    let before = "a\nx\nb\nc\nx\nd\n";
    let headers = "--- solve.py\n+++ solve.py\n";
    let notes = |hunks: &str| {
        let reply = format!("{headers}{hunks}");
        made(&tree(&[("solve.py", before)]), &reply, Form::UnifiedDiff, &Surface::default())
            .map(|applied| (String::from_utf8(applied.tree["solve.py"].clone()).unwrap(), applied.notes))
    };
    let found = |text: &str, notes: &[&str]| {
        Ok((text.to_owned(), notes.iter().map(|note| (*note).to_owned()).collect::<Vec<_>>()))
    };
    // Two places fit, and one is where the header says.
    assert_eq!(notes("@@ -5 +5 @@\n-x\n+y\n"), found("a\nx\nb\nc\ny\nd\n", &[]));
    // The second hunk stands above the first.
    assert_eq!(
        notes("@@ -1,2 +1,2 @@\n c\n-x\n+y\n@@ -9,2 +9 @@\n a\n-x\n"),
        found(
            "a\nb\nc\ny\nd\n",
            &[
                "hunk 1 of solve.py applied 3 lines below where it said",
                "hunk 2 of solve.py applied 8 lines above where it said"
            ]
        )
    );
    assert_eq!(
        notes("@@ -3,2 +3,2 @@\n   b\n-c\n+C\n@@ -1 +1 @@\n a\n"),
        found(
            "a\nx\nb\nC\nx\nd\n",
            &[
                "hunk 1 of solve.py fits but for white space",
                "hunk 2 of solve.py changes nothing: it has no `-` and no `+` line"
            ]
        )
    );
    assert_eq!(notes("@@ -6,0 +7 @@\n+e\n"), found("a\nx\nb\nc\nx\nd\ne\n", &[]));
    assert_eq!(
        notes("@@ -9 +9 @@\n-x\n+y\n"),
        Err("hunk 1 of `solve.py`: its lines fit at lines 2, 5 of the file; add the lines above or below that tell \
             which place is meant. The first two places:\n    1 | a\n    2 | x\n    3 | b\n  ...\n    3 | b\n    4 | \
             c\n    5 | x\n    6 | d"
            .replace("    3 | b\n  ...", "    3 | b\n    4 | c\n  ..."))
    );
    assert_eq!(
        notes("@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-bb\n+y\n"),
        Err("hunk 2 of `solve.py`: its lines to be found are not in the file. The first of them that is not in it: \
             `bb`. It begins:\n    1 | A\n    2 | x\n    3 | b\n    4 | c\ncopy the lines that stay (` `) and go (`-`) \
             exactly from the file as it is now"
            .into())
    );
    assert_eq!(
        notes("@@ -3,7 +3,8 @@\n+y\n"),
        Err("hunk 1 of `solve.py`: its lines to be found are not in the file. It has only lines that come, and its \
             header does not say below which line.\nadd the lines above and below the place as context, each with a \
             leading blank"
            .into())
    );
}

#[test]
fn diffs_that_cannot_be_made_are_refused() {
    let before = [("a.py", "a\n"), ("b.py", "b\n")];
    let check = |reply: &str, expected: &str| refused(&before, reply, expected);
    check(
        "@@ -1 +1 @@\n-a\n+b\n",
        "file 1 of the diff does not say which file it belongs to; write the path on the line before it, one of: a.py, \
         b.py",
    );
    check(
        "--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+x\n",
        "file 1 of the diff: `a.py` exists already; change it, or delete it first",
    );
    check(
        "--- a/a.py\n+++ b/c.py\n@@ -1 +1 @@\n-a\n+x\n",
        "file 1 of the diff, line 1 of the reply: its headers name two files, `a.py` and `c.py`; name one, or write \
         `rename from` and `rename to` lines",
    );
    check(
        "diff --git a/a.py b/a.py\nBinary files a/a.py and b/a.py differ\n",
        "file 1 of the diff, line 2 of the reply: binary content cannot be patched; leave the file out",
    );
    check(
        "diff --git a/a.py b/c.py\ncopy from a.py\ncopy to c.py\n",
        "file 1 of the diff, line 2 of the reply: copies are not made; write the new file with all its lines",
    );
    check(
        "diff --git a/a.py b/b.py\nrename from a.py\nrename to b.py\n",
        "file 1 of the diff: `b.py` exists already; change it, or delete it first",
    );
    check(
        "diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n",
        "the reply holds no edits: no line begins a hunk (`@@ -1,2 +1,3 @@`) or a file of a diff",
    );
    check(
        "--- a.py\n+++ a.py\n@@ -1 +0,0 @@\n-a\n",
        "`a.py` would be empty; write its content, or delete the file if that is meant",
    );
    check(
        "```diff\n--- a.py\n+++ a.py\n@@ -1 +1 @@\n-a\n",
        "file 1 of the diff, line 1 of the reply: the reply ends inside the block of the diff; it was cut off, or the \
         closing fence is missing",
    );
}

#[test]
fn whole_files_are_found_by_their_paths() {
    let before = [("lib/a.py", "a\n"), ("solve.py", "b\n")];
    let after = [("lib/a.py", "x = 1\n"), ("solve.py", "b\n")];
    for opening in [
        "```python lib/a.py",
        "```python path=lib/a.py",
        "```python title=\"lib/a.py\"",
        "```python:lib/a.py",
        "```lib/a.py",
        "File: lib/a.py\n```python",
        "### lib/a.py\n\n```python",
        "`lib/a.py`\n```",
        "**`lib/a.py`**:\n~~~~",
        "1. The new `lib/a.py`:\n   ```python",
    ] {
        let close = if opening.contains("~~~~") { "~~~~" } else { "```" };
        check_all(&before, &format!("Here.\n\n{opening}\nx = 1\n{close}\n```bash\nrun it\n```\n"), &after);
    }
    // Several, and a new one that holds fences.
    check_all(
        &before,
        "`lib/a.py`\n```python\nx = 1\n```\nREADME.md\n```markdown\nRun\n```sh\nx\n```\n\nEnd\n```\n",
        &[("README.md", "Run\n```sh\nx\n```\n\nEnd\n"), after[0], after[1]],
    );
    refused(
        &before,
        "```python\nx = 1\n```",
        "fenced block 1 does not say which file it belongs to; write the path on the line before it, one of: lib/a.py, \
         solve.py",
    );
    refused(
        &before,
        "`solve.py`\n```\na\n```\n`solve.py`\n```\nb\n```",
        "fenced block 2, line 6 of the reply: `solve.py` is written twice; write one block for it",
    );
}

#[test]
fn the_only_file_needs_no_path() {
    check("b\n", "Text\n```bash\nls\n```\n```python\nx = 1\ny = 2\n```\n", "x = 1\ny = 2\n");
    check("b\n", "  ```python\n  if x:\n      y\n  ```\n", "if x:\n    y\n");
    let before = tree(&[("solve.py", "b\n"), ("grade.py", "g\n")]);
    let limits = surface(&["solve.py"], &[]);
    let whole = |reply: &str, form: Form| {
        made(&before, reply, form, &limits)
            .map(|applied| String::from_utf8(applied.tree["solve.py"].clone()).unwrap())
    };
    assert_eq!(whole("<think>hm</think>\n\nx = 1\n\n", Form::WholeFiles), Ok("x = 1\n".into()));
    assert_eq!(
        whole("x = 1\n", Form::Any),
        Err("the reply holds no edits: there is no SEARCH/REPLACE block, no unified diff and no fenced block with a file"
            .into())
    );
    assert_eq!(
        whole("<think>\n```\nx\n```\n", Form::Any),
        Err("the reply holds no edits: there is no SEARCH/REPLACE block, no unified diff and no fenced block with a \
             file; all of it is thinking, or its thinking never ends"
            .into())
    );
    assert_eq!(
        whole("```python\nx = 1\n", Form::Any),
        Err("fenced block 1, line 1 of the reply: the reply ends inside the block of `solve.py`; it was cut off, or the \
             closing fence is missing"
            .into())
    );
    assert_eq!(
        whole("x\n", Form::SearchReplace),
        Err("the reply holds no edits: no line is `<<<<<<< SEARCH`".into())
    );
    assert_eq!(
        whole("```\nb\n```", Form::Any),
        Err("the edits change nothing: every file is as it was before".into())
    );
    assert_eq!(
        whole("```\n\n```", Form::Any),
        Err("`solve.py` would be empty; write its content, or delete the file if that is meant".into())
    );
}

#[test]
fn a_program_that_does_not_exist_yet_can_be_the_only_file() {
    let applied =
        made(&tree(&[("data/x", "1")]), "```python\nx = 1\n```", Form::Any, &surface(&["solve.py"], &[]))
            .unwrap();
    assert_eq!(
        applied,
        Applied {
            tree: tree(&[("data/x", "1"), ("solve.py", "x = 1\n")]),
            added: vec!["solve.py".into()],
            ..Applied::default()
        }
    );
}

#[test]
fn only_the_surface_changes() {
    let before = tree(&[("src/a.py", "a\n"), ("src/fixed.py", "f\n"), ("top.py", "t\n")]);
    let limits = surface(&["src"], &["src/fixed.py"]);
    let write =
        |path: &str| made(&before, &format!("File: {path}\n```\nnew\n```\n"), Form::WholeFiles, &limits);
    assert_eq!(
        write("src/b/c.py").map(|applied| (applied.added, applied.changed)),
        Ok((vec!["src/b/c.py".to_owned()], vec![]))
    );
    let refused = |path: &str, expected: &str| assert_eq!(write(path), Err(expected.to_owned()));
    refused("top.py", "`top.py` may not be changed; editable: src");
    refused("src/fixed.py", "`src/fixed.py` is protected and may not be changed; editable: src");
    refused(
        "src/../top.py",
        "`src/../top.py` cannot be edited: the path must stay inside the tree, without `..`",
    );
    refused("/src/a.py", "`/src/a.py` cannot be edited: the path must be relative to the root of the tree");
    refused(
        "src/a.py/b.py",
        "`src/a.py/b.py` cannot be a file: `src/a.py` is one, and a path is either a file or a folder",
    );
    let gone = made(&before, "--- a/src/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", Form::Any, &limits);
    assert_eq!(gone.map(|applied| applied.removed), Ok(vec!["src/a.py".to_owned()]));
    let moved = "diff --git a/src/a.py b/a.py\nrename from src/a.py\nrename to a.py\n";
    assert_eq!(
        made(&before, moved, Form::Any, &limits),
        Err("`a.py` may not be changed; editable: src".to_owned())
    );
}

#[test]
fn other_bytes_are_replaced_whole_and_not_patched() {
    let before = Tree::from([("x.bin".to_owned(), vec![0xff, 0xfe])]);
    let limits = Surface::default();
    assert_eq!(
        made(&before, BLOCK, Form::Any, &limits),
        Err("block 1: `x.bin` is not UTF-8 text, so it can be deleted or written whole, but not patched"
            .to_owned())
    );
    assert_eq!(
        made(&before, "```\nx\n```", Form::Any, &limits).map(|applied| applied.changed),
        Ok(vec!["x.bin".to_owned()])
    );
    assert_eq!(
        unified(&before, &Tree::new(), 3),
        "diff --git a/x.bin b/x.bin\ndeleted file mode 100644\nBinary files a/x.bin and /dev/null differ\n"
    );
}

#[test]
fn sizes_are_bounded() {
    let before = tree(&[("solve.py", "a\n")]);
    let refused = |reply: &str, expected: &str| {
        assert_eq!(made(&before, reply, Form::Any, &Surface::default()), Err(expected.to_owned()));
    };
    refused(
        &"x".repeat(10_000_000),
        "the reply has 10000000 bytes, and at most 4194304 are read; write only what changes",
    );
    refused(
        &format!("```\n{}\n```", "x".repeat(1 << 20)),
        "`solve.py` would have 1048577 bytes, and a file may have at most 1048576",
    );
    refused(
        &BLOCK.repeat(1001).replace("REPLACE<", "REPLACE\n<"),
        "the reply has 1001 edits, and at most 1000 are made at once; join or leave out some",
    );
    let long = tree(&[("solve.py", &"a\n".repeat(600_000))]);
    assert_eq!(
        made(&long, BLOCK, Form::Any, &Surface::default()),
        Err("`solve.py` would have 1200000 bytes, and a file may have at most 1048576".to_owned())
    );
}

#[test]
fn many_blocks_in_a_long_file_are_placed_without_reading_it_for_each() {
    let lines: Vec<String> = (0..100_000).map(|number| format!("{number:x}\n")).collect();
    let before = lines.concat();
    let mut expected = lines;
    let mut reply = String::new();
    for number in (0..100_000).step_by(100) {
        reply.push_str(&format!(
            "<<<<<<< SEARCH\n{number:x}\n{:x}\n=======\nnew {number}\n>>>>>>> REPLACE\n",
            number + 1
        ));
        expected[number] = format!("new {number}\n");
        expected[number + 1] = String::new();
    }
    let edits = parse(&reply, Form::Any, &["solve.py"]).unwrap();
    let applied = apply(&tree(&[("solve.py", &before)]), &edits, &Surface::default()).unwrap();
    assert!(applied.tree == tree(&[("solve.py", &expected.concat())]), "the result differs");
    // Lines that repeat: nearly every place nearly fits, for every block.
    let repeats = ("a\n".repeat(1000) + "b\n").repeat(90) + &"a\n".repeat(1001);
    let block = format!("<<<<<<< SEARCH\n{0}=======\n{0}c\n>>>>>>> REPLACE\n", "a\n".repeat(1001));
    let edits = parse(&block.repeat(400), Form::Any, &["solve.py"]).unwrap();
    let found = apply(&tree(&[("solve.py", &repeats)]), &edits, &Surface::default()).unwrap_err();
    assert_eq!(
        found.to_string(),
        "block 1 of `solve.py`: the file repeats these lines too often to look at every place; write the whole file"
    );
}

#[test]
fn messages_stay_short() {
    let long = "é word ".repeat(4000);
    let path = format!("{}.py", "d/".repeat(100) + &"x".repeat(200));
    let before = tree(&[(&path, &format!("{long}\n{long}\n").repeat(8))]);
    let editable: Vec<String> =
        (0..2000).map(|number| format!("folder{number}/{}", "y".repeat(150))).collect();
    let limits = Surface { editable: [vec![path.clone()], editable].concat(), protected: Vec::new() };
    for reply in [
        format!("{path}\n<<<<<<< SEARCH\n{long}\n=======\nB\n>>>>>>> REPLACE"),
        format!("{path}\n<<<<<<< SEARCH\n{long}x\n=======\nB\n>>>>>>> REPLACE"),
        BLOCK.to_owned(),
        format!("{}x.py\n{BLOCK}", "\u{1}".repeat(300)),
        format!("File: {}x.py\n```\nx\n```", "\u{1}".repeat(240)),
    ] {
        let error = made(&before, &reply, Form::Any, &limits).expect_err("must be refused");
        assert!(error.chars().count() <= 2000, "{error}");
    }
}

fn texts() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("a".to_owned()),
        Just("b".into()),
        Just(String::new()),
        Just("- c".into()),
        Just("-- solve".into()),
        Just("++ solve".into()),
        Just("@@ -1 +1 @@".into()),
        Just("\\ No newline at end of file".into()),
        Just("diff --git a/x b/x".into()),
        Just("\t x  ".into()),
        Just("r\r".into()),
        Just("```".into()),
        Just("<think>".into()),
        Just("</think>".into()),
        Just("<<<<<<< SEARCH".into()),
        Just("=======".into()),
        Just("é".into()),
        Just("-".into()),
        "[a-c ]{0,3}",
    ];
    (proptest::collection::vec(line, 0..14), any::<bool>()).prop_map(|(lines, ends)| {
        let mut text = lines.join("\n");
        if ends && !text.is_empty() {
            text.push('\n');
        }
        text
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let paths = prop_oneof![
        Just("x".to_owned()),
        Just("solve".into()),
        Just("d/solve.py".into()),
        Just("a/b/c".into()),
        Just("b/solve".into()),
        Just("my file 2024-01-01 x".into()),
        Just(" é\"\\\t ".into()),
        Just("z (new)".into()),
    ];
    proptest::collection::btree_map(paths, texts().prop_map(String::into_bytes), 0..5)
}

proptest! {
    #[test]
    fn what_is_shown_as_a_diff_is_read_back(before in trees(), after in trees(), context in 0usize..5) {
        let mut after = after;
        // A changed file with nothing in it is refused.
        after.retain(|path, text| !before.contains_key(path) || text.iter().any(|byte| !byte.is_ascii_whitespace()));
        prop_assume!(before != after);
        let shown = unified(&before, &after, context);
        let surface = Surface::default();
        for form in [Form::Any, Form::UnifiedDiff] {
            let edits = parse(&shown, form, &surface.files(&before));
            let applied = edits.and_then(|edits| apply(&before, &edits, &surface)).map(|applied| applied.tree);
            prop_assert_eq!(applied.as_ref(), Ok(&after), "{}", shown);
        }
    }

    #[test]
    fn a_block_for_a_unique_line_changes_that_line(count in 1usize..40, at in any::<proptest::sample::Index>(), end in "\n?") {
        let lines: Vec<String> = (0..count).map(|number| format!("  line {number}")).collect();
        let at = at.index(count);
        let mut expected = lines.clone();
        expected[at] = "  new".into();
        let reply = format!("<<<<<<< SEARCH\nline {at}\n=======\nnew\n>>>>>>> REPLACE");
        check(&(lines.join("\n") + &end), &reply, &(expected.join("\n") + &end));
    }

    #[test]
    fn arbitrary_lines_never_panic(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("<<<<<<< SEARCH"), Just("======="), Just(">>>>>>> REPLACE"), Just("--- a/x"), Just("+++ b/x"),
                Just("+++ /dev/null"), Just("@@ -1,2 +1 @@"), Just("@@ -0,0 +1 @@"), Just("@@"), Just(" a"), Just("-a"),
                Just("+b"), Just("a"), Just(""), Just("```"), Just("```python x"), Just("diff --git a/x b/x"),
                Just("new file mode 1"), Just("rename from x"), Just("rename to y"), Just("<think>"), Just("</think>"),
                Just("\\ No newline at end of file"), Just("x"), Just("é"), Just("File: y.py"),
            ],
            0..24,
        ),
        file in "[ab\n ]{0,12}",
    ) {
        let before = tree(&[("x", &file)]);
        for form in [Form::Any, Form::SearchReplace, Form::UnifiedDiff, Form::WholeFiles] {
            let _ = made(&before, &lines.join("\n"), form, &Surface::default());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        for form in [Form::Any, Form::SearchReplace, Form::UnifiedDiff, Form::WholeFiles] {
            let _ = made(&tree(&[("x", "a\n")]), &text, form, &Surface::default());
        }
    }
}
