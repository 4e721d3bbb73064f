//! Finding, loading and scaffolding, on folders made by the scaffold itself.

use std::fs;
use std::path::Path;

use researchgym_core::failure::{Boundary, Failure};
use tempfile::TempDir;

use super::*;

/// A folder with the tasks `curve` and `circle`.
fn tasks() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    scaffold("curve", folder.path()).unwrap();
    scaffold("circle", folder.path()).unwrap();
    folder
}

fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` stands in {file}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Message and advice of a failed `find`, with the folder named `TASKS`.
#[track_caller]
fn check_refused(folder: &Path, name: &str, expected: &str) {
    let error = Catalogue::new(vec![folder.to_owned()]).find(name).expect_err("it cannot be used");
    let failure = Failure::from(error);
    assert_eq!(failure.boundary, Boundary::Task);
    let hint = failure.hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let text = format!("{}{hint}", failure.message).replace(&folder.display().to_string(), "TASKS");
    assert_eq!(text, expected);
}

#[test]
fn a_new_task_is_found_by_name_by_folder_and_by_file() {
    let folder = tasks();
    let catalogue = Catalogue::new(vec![folder.path().join("absent"), folder.path().to_owned()]);
    let found = catalogue.find("curve").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.task.id, "curve");
    assert_eq!(found.folder, folder.path().canonicalize().unwrap().join("curve"));
    for path in ["curve", "curve/", "curve/task.toml", "../{}/curve"] {
        let name = folder.path().file_name().unwrap().to_string_lossy();
        let path = folder.path().join(path.replace("{}", &name));
        assert_eq!(catalogue.find(&path.display().to_string()).unwrap(), found, "{}", path.display());
    }
}

#[test]
fn the_first_folder_wins() {
    let (first, second) = (tasks(), tasks());
    let catalogue = Catalogue::new(vec![first.path().to_owned(), second.path().to_owned()]);
    assert!(catalogue.find("curve").unwrap().folder.starts_with(first.path().canonicalize().unwrap()));
    assert_eq!(catalogue.list().len(), 2);
}

#[test]
fn what_is_not_there_is_said_with_what_is_meant() {
    let folder = tasks();
    fs::create_dir(folder.path().join("empty")).unwrap();
    check_refused(folder.path(), "curv", "there is no task `curv` in TASKS\nhint: did you mean `curve`?");
    check_refused(
        folder.path(),
        "quantum-gravity",
        "there is no task `quantum-gravity` in TASKS\nhint: `researchgym task list` shows all tasks; `--tasks-dir` names another folder of tasks",
    );
    check_refused(
        folder.path(),
        "empty",
        "folder TASKS/empty has no task.toml\nhint: a task is a folder with a task.toml; `researchgym task new NAME` writes one",
    );
    let absent = folder.path().join("no/such").display().to_string();
    check_refused(
        folder.path(),
        &absent,
        "there is no folder TASKS/no/such\nhint: `researchgym task list` shows all tasks",
    );
}

#[test]
fn a_broken_task_is_listed_and_hides_no_other() {
    let folder = tasks();
    replace(&folder.path().join("curve"), "task.toml", "[grader]", "[greater]");
    let list = Catalogue::new(vec![folder.path().to_owned()]).list();
    let names: Vec<(&str, bool)> =
        list.iter().map(|entry| (entry.name.as_str(), entry.loaded.is_ok())).collect();
    assert_eq!(names, [("circle", true), ("curve", false)]);
    let error = list[1].loaded.as_ref().expect_err("it is broken").to_string();
    assert!(
        error.contains("curve/task.toml:36:2: key `greater`: is not known here; did you mean `grader`?"),
        "{error}"
    );
    assert!(error.contains("key `grader`: is missing; add the section `[grader]`"), "{error}");
}

#[test]
fn every_missing_file_is_named() {
    let folder = tasks();
    let curve = folder.path().join("curve");
    fs::remove_file(curve.join("description.md")).unwrap();
    fs::remove_file(curve.join("starter/points.csv")).unwrap();
    std::os::unix::fs::symlink("/usr/share/dict/words", curve.join("starter/points.csv")).unwrap();
    fs::remove_dir_all(curve.join("grader")).unwrap();
    fs::write(curve.join("grader"), "").unwrap();
    fs::remove_dir_all(curve.join("solutions")).unwrap();
    fs::remove_file(curve.join("starter/points.csv")).unwrap();
    std::os::unix::fs::symlink("/usr", curve.join("starter/points.csv")).unwrap();
    check_refused(
        folder.path(),
        "curve",
        "TASKS/curve/task.toml: key `description`: there is no file `description.md`\n\
         TASKS/curve/task.toml: key `workspace.protected[0]`: `starter/points.csv` is a link that leads out of the task's folder\n\
         TASKS/curve/task.toml: key `grader.files`: `grader` is not a folder\n\
         TASKS/curve/task.toml: key `solutions.oracle`: there is no folder `solutions/oracle`\n\
         TASKS/curve/task.toml: key `solutions.cheats`: there is no folder `solutions/cheats`\n\
         hint: add the files or correct the keys",
    );
}

#[test]
fn the_folder_has_the_name_of_its_task() {
    let folder = tasks();
    fs::rename(folder.path().join("curve"), folder.path().join("line")).unwrap();
    check_refused(
        folder.path(),
        "line",
        "TASKS/line/task.toml: key `id`: is `curve`, but the folder is named `line`\nhint: rename the folder or change `id`",
    );
}

#[test]
fn the_digest_follows_contents_and_nothing_else() {
    let (one, other) = (tasks(), tasks());
    let open = |folder: &TempDir| LoadedTask::open(&folder.path().join("curve")).unwrap();
    let before = open(&one);
    assert_eq!(before.digest, open(&other).digest);
    fs::create_dir(one.path().join("curve/grader/__pycache__")).unwrap();
    fs::write(one.path().join("curve/grader/__pycache__/grade.pyc"), "compiled").unwrap();
    assert_eq!(before.digest, open(&one).digest);

    let grader = before.grader_digest().unwrap();
    fs::write(one.path().join("curve/starter/more.txt"), "").unwrap();
    assert_ne!(before.digest, open(&one).digest);
    assert_eq!(grader, open(&one).grader_digest().unwrap());
    replace(&one.path().join("curve"), "grader/grade.py", "1e9", "1e8");
    assert_ne!(grader, open(&one).grader_digest().unwrap());
}

#[test]
fn a_new_task_overwrites_nothing_and_has_a_usable_name() {
    let folder = tasks();
    fs::write(folder.path().join("curve/description.md"), "mine").unwrap();
    let error = scaffold("curve", folder.path()).expect_err("it exists").to_string();
    assert_eq!(error, format!("{} exists already", folder.path().join("curve").display()));
    assert_eq!(fs::read_to_string(folder.path().join("curve/description.md")).unwrap(), "mine");
    for (name, wrong) in [
        ("", "has 0 characters; write 1 to 64"),
        ("My task", "has the character 'M'; write lower-case letters, digits and hyphens only"),
        ("../up", "has the character '.'; write lower-case letters, digits and hyphens only"),
        ("-task", "has a hyphen at its end; begin and end with a letter or digit"),
    ] {
        let error = scaffold(name, folder.path()).expect_err("no task may have it").to_string();
        assert_eq!(error, format!("`{name}` cannot name a task: it {wrong}"));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
