//! A task with its folder: read, checked against the files that it names, and hashed.

use std::fs;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::task::{Task, parse};

use super::CatalogueError;
use super::contents::folder_digest;
use super::error::FileProblem;

/// A task that is ready to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedTask {
    /// What the file says.
    pub task: Task,
    /// Its folder, absolute and without links.
    pub folder: PathBuf,
    /// Names and contents of all files of the folder.
    pub digest: Digest,
}

impl LoadedTask {
    /// Reads the task in the folder and checks that every file that it names is there.
    pub fn open(folder: &Path) -> Result<LoadedTask, CatalogueError> {
        if !folder.is_dir() {
            return Err(CatalogueError::NoFolder(folder.to_owned()));
        }
        let file = folder.join("task.toml");
        if !file.is_file() {
            return Err(CatalogueError::NoTaskFile(folder.to_owned()));
        }
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogueError::Read { path, source }
        };
        let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
        let task = parse(&text, &file.display().to_string())?;
        let folder = folder.canonicalize().map_err(unreadable(folder))?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name != task.id {
            return Err(CatalogueError::OtherName { file, id: task.id, folder: name });
        }
        let problems = FileCheck::of(&task, &folder, &file);
        if !problems.is_empty() {
            return Err(CatalogueError::Files(problems));
        }
        let digest = folder_digest(&folder)?;
        Ok(LoadedTask { task, folder, digest })
    }

    /// Where a file that the task names is.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Names and contents of the grader's files alone: what prepared data depends on.
    pub fn grader_digest(&self) -> Result<Digest, CatalogueError> {
        folder_digest(&self.path(&self.task.grader.files))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
    Either,
}

/// Looks for each file that the task names.
struct FileCheck<'a> {
    folder: &'a Path,
    file: &'a Path,
    problems: Vec<FileProblem>,
}

impl FileCheck<'_> {
    fn of(task: &Task, folder: &Path, file: &Path) -> Vec<FileProblem> {
        let mut check = FileCheck { folder, file, problems: Vec::new() };
        check.expect("description", &task.description, Kind::File);
        check.expect("workspace.starter", &task.workspace.starter, Kind::Folder);
        for (index, protected) in task.workspace.protected.iter().enumerate() {
            let path = format!("{}/{protected}", task.workspace.starter);
            check.expect(&format!("workspace.protected[{index}]"), &path, Kind::Either);
        }
        check.expect("grader.files", &task.grader.files, Kind::Folder);
        for (index, player) in task.grader.players.iter().enumerate() {
            if let Some(files) = &player.files {
                check.expect(&format!("grader.players[{index}].files"), files, Kind::Folder);
            }
        }
        if let Some(environment) = &task.environment {
            check.expect("environment.requirements", &environment.requirements, Kind::File);
        }
        if let Some(dockerfile) = task.container.as_ref().and_then(|container| container.dockerfile.as_ref())
        {
            check.expect("container.dockerfile", dockerfile, Kind::File);
        }
        if let Some(tunable) = &task.tunable {
            check.expect("tunable.file", &format!("{}/{}", task.workspace.starter, tunable.file), Kind::File);
        }
        if let Some(solutions) = &task.solutions {
            check.expect("solutions.oracle", &solutions.oracle, Kind::Folder);
            if let Some(baseline) = &solutions.baseline {
                check.expect("solutions.baseline", baseline, Kind::Folder);
            }
            if let Some(cheats) = &solutions.cheats {
                check.expect("solutions.cheats", cheats, Kind::Folder);
            }
        }
        check.problems
    }

    fn expect(&mut self, key: &str, relative: &str, kind: Kind) {
        let path = self.folder.join(relative);
        let wrong = match (path.canonicalize(), kind) {
            (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound => match kind {
                Kind::Folder => format!("there is no folder `{relative}`"),
                Kind::File | Kind::Either => format!("there is no file `{relative}`"),
            },
            (Err(error), _) => format!("`{relative}` cannot be read: {error}"),
            (Ok(real), _) if !real.starts_with(self.folder) => {
                format!("`{relative}` is a link that leads out of the task's folder")
            }
            (Ok(real), Kind::File) if !real.is_file() => format!("`{relative}` is not a file"),
            (Ok(real), Kind::Folder) if !real.is_dir() => format!("`{relative}` is not a folder"),
            (Ok(_), Kind::File | Kind::Folder | Kind::Either) => return,
        };
        self.problems.push(FileProblem { file: self.file.to_owned(), key: key.to_owned(), wrong });
    }
}
