//! Why a task cannot be found, used or made.

use std::fmt;
use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::task::TaskError;

/// Why a task cannot be found, used or made.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No folder of tasks has it.
    #[error("there is no task `{name}` in {}", Listed(.searched))]
    Unknown {
        /// What was asked for.
        name: String,
        /// A task that exists and has a similar name.
        near: Option<String>,
        /// Where it was looked for, in this order.
        searched: Vec<PathBuf>,
    },
    /// A path was given, and nothing is there.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// The folder is there, but not its file.
    #[error("folder {} has no task.toml", .0.display())]
    NoTaskFile(PathBuf),
    /// The file, or a file that it names, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong.
    #[error(transparent)]
    Wrong(#[from] TaskError),
    /// The folder and the task in it have different names.
    #[error("{}: key `id`: is `{id}`, but the folder is named `{folder}`", file.display())]
    OtherName {
        /// The task file.
        file: PathBuf,
        /// The id in it.
        id: String,
        /// The name of the folder.
        folder: String,
    },
    /// Files that the task file names are missing or not what they must be.
    #[error("{}", joined(.0))]
    Files(Vec<FileProblem>),
    /// A name that no task may have.
    #[error("`{name}` cannot name a task: it {wrong}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// A new task would overwrite something.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A new task cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A file that a task file names and that is not there, or not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The task file.
    pub file: PathBuf,
    /// The key in it.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: key `{}`: {}", self.file.display(), self.key, self.wrong)
    }
}

fn joined(problems: &[FileProblem]) -> String {
    problems.iter().map(FileProblem::to_string).collect::<Vec<_>>().join("\n")
}

struct Listed<'a>(&'a [PathBuf]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("any folder of tasks: none is known");
        }
        let shown: Vec<String> = self.0.iter().map(|path| path.display().to_string()).collect();
        formatter.write_str(&shown.join(", "))
    }
}

impl CatalogueError {
    /// Whether there is no such task, rather than one that is wrong.
    pub fn is_unknown(&self) -> bool {
        matches!(self, CatalogueError::Unknown { .. } | CatalogueError::NoFolder(_))
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            CatalogueError::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            CatalogueError::Unknown { near: None, .. } => Some(
                "`researchgym task list` shows all tasks; `--tasks-dir` names another folder of tasks"
                    .to_owned(),
            ),
            CatalogueError::NoFolder(_) => Some("`researchgym task list` shows all tasks".to_owned()),
            CatalogueError::NoTaskFile(_) => {
                Some("a task is a folder with a task.toml; `researchgym task new NAME` writes one".to_owned())
            }
            CatalogueError::OtherName { .. } => Some("rename the folder or change `id`".to_owned()),
            CatalogueError::Exists(_) => Some("choose another name or remove it first".to_owned()),
            CatalogueError::Files(_) => Some("add the files or correct the keys".to_owned()),
            CatalogueError::Wrong(_)
            | CatalogueError::Name { .. }
            | CatalogueError::Read { .. }
            | CatalogueError::Write { .. } => None,
        }
    }
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Failure {
        let hint = error.hint();
        Failure { boundary: Boundary::Task, message: error.to_string(), hint }
    }
}
