//! Replies of many shapes, with whole results.

use super::*;

mod diffs;
mod properties;

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
        "In place of `solve.py`, look at `solve.py` and\n`lib/a.py`\n```",
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
fn commands_below_a_sentence_are_no_files() {
    let program = "```python\nx = 1\n```\n\nThen `solve.py` runs with:\n\n```bash\npython solve.py\n```\n";
    check("b\n", program, "x = 1\n");
    check_all(
        &[("lib/a.py", "a\n"), ("solve.py", "b\n")],
        &format!("solve.py\n{program}"),
        &[("lib/a.py", "a\n"), ("solve.py", "x = 1\n")],
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
        whole("```diff\n- b\n+ c\n```\n", Form::WholeFiles),
        Err("the reply holds no edits: no fenced block holds a file".into())
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
