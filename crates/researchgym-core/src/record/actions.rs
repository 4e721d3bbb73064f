//! What a run did, in brief: one letter a step, and sums.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a step is for. The first seven are MLGym's (its paper's figures on actions; spec in the guide of reports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A file is written or changed with a tool for that.
    Edit,
    /// A file is read with a tool for that.
    View,
    /// A score is asked for.
    Validate,
    /// The end is asked for.
    Submit,
    /// Files are searched with a tool for that.
    Search,
    /// A Python program is run.
    Python,
    /// Any other command.
    Bash,
    /// The web or the literature is searched or read.
    Web,
    /// Words without an action.
    Talk,
    /// Anything else.
    Other,
}

impl Category {
    /// All, in the order of tables and figures.
    pub const ALL: [Category; 10] = [
        Category::Edit,
        Category::View,
        Category::Validate,
        Category::Submit,
        Category::Search,
        Category::Python,
        Category::Bash,
        Category::Web,
        Category::Talk,
        Category::Other,
    ];

    /// The name in tables and figures.
    pub fn name(self) -> &'static str {
        match self {
            Category::Edit => "Edit",
            Category::View => "View",
            Category::Validate => "Validate",
            Category::Submit => "Submit",
            Category::Search => "Search",
            Category::Python => "Python",
            Category::Bash => "Bash",
            Category::Web => "Web",
            Category::Talk => "Talk",
            Category::Other => "Other",
        }
    }

    /// The letter in [`ActionsRecord::steps`].
    pub fn letter(self) -> char {
        match self {
            Category::Edit => 'e',
            Category::View => 'v',
            Category::Validate => 't',
            Category::Submit => 's',
            Category::Search => 'f',
            Category::Python => 'p',
            Category::Bash => 'b',
            Category::Web => 'w',
            Category::Talk => 'k',
            Category::Other => 'o',
        }
    }

    /// The category of a letter.
    pub fn of_letter(letter: char) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.letter() == letter)
    }

    /// The category of shell text, whatever prepares its first real command: `cd x && A=1 timeout 60 python y` is
    /// [`Category::Python`].
    pub fn of_shell(text: &str) -> Category {
        let commands = text.split(['\n', ';']).flat_map(|part| part.split("&&"));
        for command in commands {
            let mut words = command.split_whitespace().peekable();
            while let Some(word) = words.peek() {
                let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                });
                let is_number = word.starts_with(|first: char| first.is_ascii_digit());
                let is_wrapper =
                    matches!(*word, "timeout" | "time" | "nohup" | "env" | "exec" | "nice" | "stdbuf");
                if !(is_assignment || is_number || is_wrapper || word.starts_with('-')) {
                    break;
                }
                words.next();
            }
            match words.next() {
                None | Some("cd" | "export" | "set" | "source" | "." | "mkdir" | "echo" | "pip") => {}
                Some(word) if word.starts_with('#') => {}
                Some(word) => return Category::of_command(word),
            }
        }
        Category::Bash
    }

    /// The category of shell text by its first word, as MLGym counts.
    pub fn of_command(text: &str) -> Category {
        const PYTHON: [&str; 5] = ["torchrun", "python", "python3", "accelerate", "deepspeed"];
        let first = text.split_whitespace().next().unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or_default();
        let is_versioned = name.strip_prefix("python3.").is_some_and(|rest| rest.parse::<u32>().is_ok());
        if PYTHON.contains(&name) || is_versioned { Category::Python } else { Category::Bash }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsRecord {
    /// One letter a step, in order ([`Category::letter`]); empty if the source has no steps.
    pub steps: String,
    /// How many steps count against a limit, if that is known apart from the letters.
    pub count: Option<u64>,
    /// Milliseconds spent, by category, as far as the source tells.
    pub took_ms: BTreeMap<Category, u64>,
    /// Edits tried.
    pub edits: u64,
    /// Of these, refused: they changed nothing.
    pub edits_rejected: u64,
}

impl ActionsRecord {
    /// Adds a step.
    pub fn push(&mut self, category: Category, took_ms: Option<u64>) {
        self.steps.push(category.letter());
        if let Some(took) = took_ms {
            let sum = self.took_ms.entry(category).or_default();
            *sum = sum.saturating_add(took);
        }
    }

    /// The categories in order.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        self.steps.chars().filter_map(Category::of_letter)
    }

    /// How many steps there were, if that is known.
    pub fn count(&self) -> Option<u64> {
        self.count.or((!self.steps.is_empty()).then_some(self.steps.len() as u64))
    }

    /// Steps by category.
    pub fn by_category(&self) -> BTreeMap<Category, u64> {
        let mut counts = BTreeMap::new();
        for category in self.categories() {
            *counts.entry(category).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_name_categories() {
        for category in Category::ALL {
            assert_eq!(Category::of_letter(category.letter()), Some(category));
        }
    }

    #[test]
    fn commands_have_categories() {
        for text in ["python train.py", "python3 -c 'x'", "/usr/bin/python3.11 a.py", "torchrun x"] {
            assert_eq!(Category::of_command(text), Category::Python, "{text}");
        }
        for text in ["ls", "cd x && python y", "pythonic", "", "python3.x a"] {
            assert_eq!(Category::of_command(text), Category::Bash, "{text}");
        }
        for text in [
            "cd x && python y",
            "A=1 timeout -k 5 60 python3 a.py",
            "# look\nset -e\npython a.py",
            "export B=2; python c",
        ] {
            assert_eq!(Category::of_shell(text), Category::Python, "{text}");
        }
        for text in ["cd x && ls", "", "cd x", "grep python a.txt", "echo python"] {
            assert_eq!(Category::of_shell(text), Category::Bash, "{text}");
        }
    }
}
