//! Replies as models write them, one change in many shapes, in `tests/edits/replies`: which of them give exactly the
//! tree that is meant, and what the others are told.
//!
//! `one-*` mean `after/train.py` alone, `all-*` mean all of `after/`, `bad-*` must be refused.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests: a panic is a failure, and the count is said"
)]
#![expect(clippy::disallowed_methods, reason = "tests: the replies lie in files")]

use std::path::{Path, PathBuf};

use researchgym_core::edit::{Form, Surface, Tree, apply, parse};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edits").join(name)
}

fn tree(name: &str, paths: &[&str]) -> Tree {
    paths.iter().map(|path| ((*path).to_owned(), std::fs::read(folder(name).join(path)).unwrap())).collect()
}

#[test]
fn recorded_replies_give_the_tree_that_is_meant() {
    let before = tree("before", &["lib/optimizer.py", "train.py"]);
    let all = tree("after", &["lib/clip.py", "lib/optimizer.py", "train.py"]);
    let mut one = before.clone();
    one.insert("train.py".into(), all["train.py"].clone());
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder("replies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut exact = 0;
    let mut refused = Vec::new();
    for file in &names {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let reply = std::fs::read_to_string(file).unwrap();
        let is_one = !name.starts_with("all-");
        let editable = if is_one { vec!["train.py".into()] } else { Vec::new() };
        let surface = Surface { editable, protected: Vec::new() };
        let edits = parse(&reply, Form::Any, &surface.files(&before));
        match edits.and_then(|edits| apply(&before, &edits, &surface)) {
            Ok(applied) => {
                assert!(applied.tree == *if is_one { &one } else { &all }, "{name}: {:?}", applied.tree);
                exact += 1;
            }
            Err(error) => {
                refused.push((name.to_owned(), error.to_string().lines().next().unwrap().to_owned()));
            }
        }
    }
    eprintln!("{exact} of {} recorded replies give exactly the tree that is meant", names.len());
    let expected = [
        (
            "bad-block-cut-off",
            "block 2, line 6 of the reply: the reply ends before the block does; `>>>>>>> REPLACE` is missing",
        ),
        (
            "bad-block-stale",
            "block 1 of `train.py`: its lines to be found are not in the file. The first of them that is not in it: \
             `RATE = 0.03`. The nearest lines of the file:",
        ),
        (
            "bad-diff-invented-context",
            "hunk 1 of `train.py`: its lines to be found are not in the file. The first of them that is not in it: \
             `STEPS = 50`. The nearest lines of the file:",
        ),
        ("bad-outside", "`grade.py` may not be changed; editable: train.py"),
        (
            "bad-prose",
            "the reply holds no edits: there is no SEARCH/REPLACE block, no unified diff and no fenced block with a \
             file",
        ),
    ];
    assert_eq!(refused, expected.map(|(name, said)| (name.to_owned(), said.to_owned())));
    assert_eq!(exact, names.len() - expected.len());
}
