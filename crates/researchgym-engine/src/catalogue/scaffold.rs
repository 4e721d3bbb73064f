//! Writes a new task: small, complete and commented, so that its author changes a thing that works.

use std::fs;
use std::path::{Path, PathBuf};

use researchgym_core::task::check_id;

use super::CatalogueError;

/// Stands for the task's name in the template.
const NAME: &str = "{{name}}";

/// The files of a new task. They are an example for everyone: nothing of a real task is in the binary.
const TEMPLATE: [(&str, &str); 13] = [
    ("task.toml", include_str!("template/task.toml")),
    ("description.md", include_str!("template/description.md")),
    ("starter/points.csv", include_str!("template/starter/points.csv")),
    ("starter/fit.py", include_str!("template/starter/fit.py")),
    ("starter/settings.json", include_str!("template/starter/settings.json")),
    ("starter/curve.json", include_str!("template/starter/curve.json")),
    ("grader/grade.py", include_str!("template/grader/grade.py")),
    ("grader/validation.csv", include_str!("template/grader/validation.csv")),
    ("grader/test.csv", include_str!("template/grader/test.csv")),
    ("solutions/oracle/settings.json", include_str!("template/solutions/oracle/settings.json")),
    ("solutions/oracle/run.sh", include_str!("template/solutions/oracle/run.sh")),
    (
        "solutions/cheats/not-a-number/curve.json",
        include_str!("template/solutions/cheats/not-a-number/curve.json"),
    ),
    (
        "solutions/cheats/read-the-answers/run.sh",
        include_str!("template/solutions/cheats/read-the-answers/run.sh"),
    ),
];

/// Writes a new task into `folder/name`, which must not exist, and returns that folder.
pub fn scaffold(name: &str, folder: &Path) -> Result<PathBuf, CatalogueError> {
    check_id(name).map_err(|wrong| CatalogueError::Name { name: name.to_owned(), wrong })?;
    let target = folder.join(name);
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogueError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    match fs::create_dir(&target) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(CatalogueError::Exists(target));
        }
        made => made.map_err(unwritable(&target))?,
    }
    for (relative, content) in TEMPLATE {
        let path = target.join(relative);
        let parent = path.parent().unwrap_or(&target);
        fs::create_dir_all(parent).map_err(unwritable(parent))?;
        fs::write(&path, content.replace(NAME, name)).map_err(unwritable(&path))?;
    }
    Ok(target)
}
