//! Real environments, with the real `uv` and the package index that it is set up to use.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use researchgym_core::failure::Failure;

use super::*;
use crate::progress::Progress;

/// A package of one wheel, without dependencies, with a script.
const COWSAY: &str =
    "cowsay==6.1 --hash=sha256:274b1e6fc1b966d53976333eb90ac94cb07a450a700b455af9fbdf882244b30a\n";

/// Whether `uv` and the package index can be used; says so if not.
fn available(home: &Path) -> bool {
    let probe = home.join("probe");
    let lock = home.join("probe.txt");
    fs::write(&lock, COWSAY).unwrap();
    let run = |arguments: &[&str]| {
        let status = Command::new("uv").args(arguments).arg(&probe).output();
        status.is_ok_and(|output| output.status.success())
    };
    let made = run(&["venv", "--python", "/usr/bin/python3", "--no-project"])
        && Command::new("uv")
            .args(["pip", "install", "--dry-run", "--require-hashes", "-r"])
            .arg(&lock)
            .arg("--python")
            .arg(&probe)
            .output()
            .is_ok_and(|output| output.status.success());
    if !made {
        skip("`uv`, /usr/bin/python3 or the package index is not usable here");
    }
    made
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

#[tokio::test]
async fn an_environment_is_made_once_and_works_where_it_is_mounted() {
    let home = tempfile::tempdir().unwrap();
    if !available(home.path()) {
        return;
    }
    let lock = home.path().join("requirements.txt");
    fs::write(&lock, COWSAY).unwrap();
    let told = Mutex::new(Vec::new());
    let listener = |progress: Progress<'_>| {
        if let Progress::Stage(stage) = progress {
            told.lock().unwrap().push(stage.to_owned());
        }
    };
    let environments = Environments::new(home.path());
    let (first, second) =
        tokio::join!(environments.ensure(&lock, &listener), environments.ensure(&lock, &listener));
    let folder = first.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(second.unwrap(), folder);
    assert_eq!(environments.ensure(&lock, &|progress| panic!("{progress:?}")).await.unwrap(), folder);
    let kept: Vec<_> =
        fs::read_dir(home.path().join("environments")).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(kept.len(), 2, "the environment and its lock: {kept:?}");

    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-user", "--unshare-pid", "--unshare-net", "--uid", "1000", "--clearenv"]);
    bwrap.args(["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--tmpfs", "/tmp"]);
    for link in ["bin", "lib", "lib64"] {
        bwrap.args(["--symlink", &format!("usr/{link}"), &format!("/{link}")]);
    }
    bwrap.arg("--ro-bind").arg(&folder).args([
        "/environment",
        "--setenv",
        "PATH",
        "/environment/bin:/usr/bin",
    ]);
    let script = "import sys, cowsay; print(sys.prefix, cowsay.__file__); print(cowsay.get_output_string('cow', 'moo'))";
    let check = format!("python3 -c \"{script}\" && cowsay -t moo");
    let output = match bwrap.args(["sh", "-c", &check]).output() {
        Ok(output) => output,
        Err(error) => return skip(&format!("bwrap: {error}")),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("namespace") {
        return skip(&format!("bwrap: {stderr}"));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.starts_with("/environment /environment/lib/python3"), "{stdout}");
    assert_eq!(stdout.matches("| moo |").count(), 2, "{stdout}");
}

#[tokio::test]
async fn a_wrong_hash_is_refused_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    if !available(home.path()) {
        return;
    }
    let lock = home.path().join("requirements.txt");
    fs::write(&lock, COWSAY.replace("274b", "274c")).unwrap();
    let error = Environments::new(home.path()).ensure(&lock, &|_| {}).await.expect_err("the hash is wrong");
    let failure = Failure::from(error);
    let start = format!("`uv pip install` failed for {}:\n", lock.display());
    assert!(failure.message.starts_with(&start), "{}", failure.message);
    assert!(failure.message.to_lowercase().contains("hash"), "{}", failure.message);
    let kept: Vec<_> =
        fs::read_dir(home.path().join("environments")).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(kept.len(), 1, "the lock alone: {kept:?}");
}

#[tokio::test]
async fn what_is_missing_is_said_with_what_to_install() {
    let home = tempfile::tempdir().unwrap();
    let lock = home.path().join("requirements.txt");
    fs::write(&lock, "").unwrap();
    let environments = Environments::new(home.path());

    let error = environments.clone().with_python("/no/python3".into()).ensure(&lock, &|_| {}).await;
    let failure = Failure::from(error.expect_err("there is no such interpreter"));
    assert!(
        failure.message.starts_with("cannot use the Python interpreter /no/python3: No such file"),
        "{failure}"
    );
    assert_eq!(failure.hint.as_deref(), Some("`apt install python3`"));

    if !Path::new("/usr/bin/python3").exists() {
        return skip("there is no /usr/bin/python3");
    }
    let error = environments.with_uv("/no/uv".into()).ensure(&lock, &|_| {}).await;
    let failure = Failure::from(error.expect_err("there is no such program"));
    assert!(
        failure.message.starts_with("cannot start `/no/uv`, which makes Python environments: No such"),
        "{failure}"
    );
    assert!(failure.hint.is_some_and(|hint| hint.starts_with("install uv: `pip install uv`")));
}

#[tokio::test]
async fn an_environment_for_another_interpreter_needs_none_here() {
    let home = tempfile::tempdir().unwrap();
    if !available(home.path()) {
        return;
    }
    let lock = home.path().join("requirements.txt");
    fs::write(&lock, COWSAY).unwrap();
    let environments = Environments::new(home.path());
    let described = "/opt/other/bin/python3 | 3.12.4 (main) [GCC 12.2.0] | linux-x86_64 | glibc | 2.36";
    let finished = Mutex::new(0);
    let finish = |folder: std::path::PathBuf| {
        *finished.lock().unwrap() += 1;
        assert!(folder.join("pyvenv.cfg").is_file());
        Box::pin(async { Ok(()) }) as futures_util::future::BoxFuture<'_, _>
    };
    let folder = environments
        .ensure_for(described, &lock, &finish, &|_| {})
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(environments.ensure_for(described, &lock, &finish, &|_| {}).await.unwrap(), folder);
    assert_eq!(*finished.lock().unwrap(), 1);
    assert_eq!(fs::read_link(folder.join("bin/python3")).unwrap(), Path::new("/opt/other/bin/python3"));
    assert!(folder.join("lib/python3.12/site-packages/cowsay/__init__.py").is_file());
    let script = fs::read_to_string(folder.join("bin/cowsay")).unwrap();
    assert!(script.starts_with("#!/environment/bin/python3\n"), "{script}");
    let settings = fs::read_to_string(folder.join("pyvenv.cfg")).unwrap();
    assert_eq!(settings, "home = /opt/other/bin\ninclude-system-site-packages = false\nversion = 3.12.4\n");
}
