//! Unified diffs of many shapes.

use super::*;

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
        format!("1. Change:\n\n```diff\n{headers}@@ -1,3 +1,3 @@\n{body}```").replace('\n', "\n   "),
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
             which place is meant. The first two places:\n    1 | a\n    2 | x\n    3 | b\n    4 | c\n  ...\n    3 | \
             b\n    4 | c\n    5 | x\n    6 | d"
            .into())
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
fn new_lines_are_moved_with_the_context_only_if_all_of_the_hunk_was() {
    let before = "def f():\n    if x:\n        a()\n        b()\n    return y\n";
    let headers = "--- solve.py\n+++ solve.py\n";
    let made = |hunk: &str| {
        let reply = format!("{headers}@@ -2,4 +2,5 @@\n{hunk}");
        made(&tree(&[("solve.py", before)]), &reply, Form::UnifiedDiff, &Surface::default())
            .map(|applied| String::from_utf8(applied.tree["solve.py"].clone()).unwrap())
    };
    let with = |at: usize, line: &str| {
        let mut lines: Vec<&str> = before.split_inclusive('\n').collect();
        lines.insert(at, line);
        Ok(lines.concat())
    };
    // All of it stands four blanks to the left; the leading blanks of the context are lost; the context has half of its own.
    assert_eq!(made("     a()\n+    c()\n     b()\n"), with(3, "        c()\n"));
    assert_eq!(made("        a()\n+        c()\n        b()\n"), with(3, "        c()\n"));
    assert_eq!(made("     a()\n+        c()\n     b()\n"), with(3, "        c()\n"));
    // A blank line below tells nothing, and a line that goes tells that all was moved.
    assert_eq!(made("     a()\n+\n+    c()\n     b()\n"), with(3, "\n        c()\n"));
    assert_eq!(made("     a()\n-    b()\n+    c()\n"), Ok(before.replace("b()", "c()")));
    // Neither reading is beside a line that is indented so, or both are.
    let unclear = "hunk 1 of `solve.py`: its lines to be found are not in the file. Its lines that stay are indented \
                   otherwise in the file, and nothing tells whether those that come are to be.\ncopy the lines that \
                   stay (` `) and go (`-`) exactly from the file as it is now";
    assert_eq!(made("     a()\n+  c()\n     b()\n"), Err(unclear.to_owned()));
    assert_eq!(made("     b()\n+    c()\n return y\n"), Err(unclear.to_owned()));
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
