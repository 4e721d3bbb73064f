//! What holds for all trees and replies.

use proptest::prelude::*;

use super::*;

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
