//! The environment of the process that is never a program's.
//!
//! When it starts again, the working folder holds what a program has left there. Nothing that Python, or the loader below
//! it, looks for when it starts may lead to that.

use std::collections::BTreeMap;

/// Variables in which a path that is relative, or empty, is one in the working folder.
const SEARCHED: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"];

/// Leaves out what leads into the folder that programs may write to, and what imports at the start.
pub(super) fn trusted(
    environment: &BTreeMap<String, String>,
    writable: Option<&str>,
) -> BTreeMap<String, String> {
    let leads_there = |name: &str, path: &str| {
        writable.is_some_and(|folder| {
            let below =
                path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            below || SEARCHED.contains(&name) && !path.starts_with('/')
        })
    };
    let mut trusted = BTreeMap::new();
    for (name, value) in environment {
        let kept: Vec<&str> = value.split(':').filter(|path| !leads_there(name, path)).collect();
        // The modules to be imported are found by the server itself, with what it knows of the folder.
        if !kept.is_empty() && name != "PYTHONPATH" {
            trusted.insert(name.clone(), kept.join(":"));
        }
    }
    trusted.insert("PYTHONNOUSERSITE".to_owned(), "1".to_owned());
    trusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn nothing_leads_into_a_writable_folder() {
        let given = environment(&[
            ("PATH", "/workspace/bin:/environment/bin:.::/usr/bin"),
            ("HOME", "/workspace"),
            ("LD_PRELOAD", "evil.so"),
            ("PYTHONPATH", "/researchgym/lib"),
            ("PYTHONHASHSEED", "0"),
            ("EMPTY", ""),
            ("OTHER", "/workspaces/a:b"),
        ]);
        let expected = environment(&[
            ("PATH", "/environment/bin:/usr/bin"),
            ("PYTHONHASHSEED", "0"),
            ("EMPTY", ""),
            ("OTHER", "/workspaces/a:b"),
            ("PYTHONNOUSERSITE", "1"),
        ]);
        assert_eq!(trusted(&given, Some("/workspace")), expected);
    }

    #[test]
    fn a_folder_that_nobody_writes_to_may_be_led_to() {
        let given = environment(&[("PATH", "/grader/bin:bin"), ("PYTHONPATH", "/grader")]);
        let expected = environment(&[("PATH", "/grader/bin:bin"), ("PYTHONNOUSERSITE", "1")]);
        assert_eq!(trusted(&given, None), expected);
    }
}
