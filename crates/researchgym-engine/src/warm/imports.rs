//! What a warm Python imports before it forks.
//!
//! What programs import for themselves is paid for by each of them: a module of the standard library costs as much as
//! many a program. So what the files that candidates begin from import is looked for in their text. The text is not run, and
//! what is found is only a guess: of it, nothing but the standard library and our support library is imported.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Python files of a folder that are looked at.
const MOST_FILES: usize = 64;
/// The largest of them, in bytes.
const LARGEST: u64 = 1 << 20;

/// The modules that a warm Python imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// These; if one cannot be imported, nothing is warm.
    pub preload: Vec<String>,
    /// Of these, what is of the standard library or our own; if one cannot be imported, whoever imports it is told.
    pub likely: BTreeSet<String>,
}

impl Imports {
    /// Adds what the Python files at the top of a folder import, as far as they can be read.
    #[must_use]
    pub fn and_those_of(mut self, folder: &Path) -> Imports {
        let Ok(entries) = fs::read_dir(folder) else { return self };
        let files = entries.filter_map(Result::ok).filter(|entry| {
            entry.path().extension().is_some_and(|extension| extension == "py")
                && entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST)
        });
        for entry in files.take(MOST_FILES) {
            if let Ok(text) = fs::read_to_string(entry.path()) {
                self.likely.extend(imported_by(&text));
            }
        }
        self
    }
}

/// The modules named by lines that look like imports. Relative ones are left out.
fn imported_by(text: &str) -> impl Iterator<Item = String> {
    let of_line = |line: &str| -> Vec<String> {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("from") => words.next().into_iter().map(str::to_owned).collect(),
            Some("import") => {
                let listed = line.trim_start().trim_start_matches("import").split(['#', ';']).next();
                let names = listed.unwrap_or_default().split(',');
                names.filter_map(|name| Some(name.split_ascii_whitespace().next()?.to_owned())).collect()
            }
            _ => Vec::new(),
        }
    };
    text.lines().flat_map(of_line).filter(|name| is_dotted(name)).collect::<BTreeSet<_>>().into_iter()
}

/// Whether it can be the absolute name of a module.
fn is_dotted(name: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|character| character.is_alphanumeric() || character == '_')
    };
    name.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_by_their_lines() {
        let text = "import json, math as m , os.path  # import re\nfrom random import Random\n\tfrom . import here\nimport\n\
                    from .there import x\nimport 3d\nimportant = 1\nprint('import sys')\nimport time; import csv\n";
        let found: Vec<String> = imported_by(text).collect();
        assert_eq!(found, ["json", "math", "os.path", "random", "time"]);
    }

    #[test]
    fn the_python_files_of_a_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.py"), "import json\n").unwrap();
        fs::write(folder.path().join("b.py"), b"import csv\n\xff").unwrap();
        fs::write(folder.path().join("c.txt"), "import re\n").unwrap();
        fs::create_dir(folder.path().join("d.py")).unwrap();
        let imports = Imports { preload: vec!["numpy".into()], ..Imports::default() };
        let expected = Imports { preload: vec!["numpy".into()], likely: BTreeSet::from(["json".into()]) };
        assert_eq!(imports.clone().and_those_of(folder.path()), expected);
        assert_eq!(imports.clone().and_those_of(&folder.path().join("none")), imports);
    }
}
