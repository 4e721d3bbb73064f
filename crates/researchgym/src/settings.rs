//! Where things are: flags over environment variables over defaults. Nothing outside these places is written.

use std::path::{Path, PathBuf};

use crate::arguments::Places;
use crate::error::CommandError;

/// The places, resolved and absolute.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Cache: support library, environments, datasets, scratch.
    pub(crate) home: PathBuf,
    /// Runs.
    pub(crate) runs: PathBuf,
    /// Folders of tasks in order of precedence.
    pub(crate) tasks: Vec<PathBuf>,
    /// Where `task new` puts a task.
    pub(crate) new_tasks: PathBuf,
    /// The current folder.
    pub(crate) here: PathBuf,
}

impl Settings {
    /// Resolves the places.
    pub(crate) fn resolve(places: &Places) -> Result<Settings, CommandError> {
        let here = here()?;
        let home = match given(&places.home) {
            Some(home) => absolute(&here, home),
            None => default_home().ok_or_else(|| {
                CommandError::input("there is no home folder for the cache")
                    .hinted("set RESEARCHGYM_HOME to a folder that you may write")
            })?,
        };
        let runs = absolute(&here, given(&places.runs_dir).unwrap_or(Path::new("runs")));
        must_be_folder("the runs folder", &runs)?;
        let own = given(&places.tasks_dir).map(|tasks| absolute(&here, tasks));
        let new_tasks = own.clone().unwrap_or_else(|| here.join("tasks"));
        let tasks = own.into_iter().chain([here.join("tasks"), home.join("tasks")]).collect();
        Ok(Settings { home, runs, tasks, new_tasks, here })
    }

    /// The folder of `--data-dir`, which must be there.
    pub(crate) fn data_dir(&self, given: &Option<PathBuf>) -> Result<Option<PathBuf>, CommandError> {
        let Some(folder) = given.as_ref().map(|path| absolute(&self.here, path)) else { return Ok(None) };
        match std::fs::read_dir(&folder) {
            Ok(_) => Ok(Some(folder)),
            Err(error) => Err(CommandError::input(format!("--data-dir {}: {error}", folder.display()))),
        }
    }
}

/// Refuses a place that is, or lies below, something else than a folder. What is not there may still be made.
fn must_be_folder(what: &str, path: &Path) -> Result<(), CommandError> {
    let found = std::fs::metadata(path);
    let is_other = match &found {
        Ok(metadata) => !metadata.is_dir(),
        Err(error) => error.kind() == std::io::ErrorKind::NotADirectory,
    };
    match is_other {
        true => Err(CommandError::input(format!("{what} {} is not a folder", path.display()))
            .hinted("name another with --runs-dir or RESEARCHGYM_RUNS")),
        false => Ok(()),
    }
}

/// The current folder.
pub(crate) fn here() -> Result<PathBuf, CommandError> {
    std::env::current_dir()
        .map_err(|error| CommandError::input(format!("the current folder cannot be read: {error}")))
}

/// A place that is given; an empty variable names none.
pub(crate) fn given(place: &Option<PathBuf>) -> Option<&Path> {
    place.as_deref().filter(|place| !place.as_os_str().is_empty())
}

/// Makes a path absolute without asking the file system.
pub(crate) fn absolute(here: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_path_buf() } else { here.join(path) }
}

fn default_home() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache.or_else(|| variable("HOME").map(|home| home.join(".cache"))).map(|cache| cache.join("researchgym"))
}
