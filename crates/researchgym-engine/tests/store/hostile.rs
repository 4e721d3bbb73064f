//! Trees that an agent made to lead the host astray.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use researchgym_core::digest::Digest;
use researchgym_engine::snapshot::{Caps, Snapshotter, check_out, clear_folder};
use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};
use tempfile::TempDir;

use crate::snapshot::CAPS;
use crate::support::*;

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
}

/// Folders in folders, deeper than any path can say.
fn deep(root: &Path, depth: usize) {
    let open =
        |folder: &OwnedFd| openat(folder, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut folder: OwnedFd = File::open(root).unwrap().into();
    for _ in 0..depth {
        mkdirat(&folder, "d", Mode::from_raw_mode(0o755)).unwrap();
        folder = open(&folder);
    }
}

#[test]
fn only_regular_files_are_taken_and_the_rest_is_named() {
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    fs::write(root.join("good"), b"good").unwrap();
    fs::hard_link(root.join("good"), root.join("hard")).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("/etc", root.join("linked-folder")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("..", root.join("up")).unwrap();
    fifo(&root.join("fifo"));
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"n\xffme")), b"x").unwrap();
    fs::write(root.join("line\nbreak"), b"y").unwrap();
    File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let (_, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    let names: Vec<&String> = manifest.files.keys().collect();
    assert_eq!(names, ["good", "hard", "line\nbreak"]);
    let link = "is a symbolic link or lies behind one: only regular files are taken";
    assert_eq!(
        manifest.left_out,
        [
            "`fifo` is a FIFO: only regular files are taken".to_owned(),
            format!("`link` {link}"),
            format!("`linked-folder` {link}"),
            format!("`loop` {link}"),
            "`n\\xffme` has a name that is not UTF-8".to_owned(),
            "`socket` is a socket: only regular files are taken".to_owned(),
            "`sparse` has 1099511627776 bytes; all files together may have 1048576".to_owned(),
            format!("`up` {link}"),
        ]
    );
    assert_eq!(manifest.left_out_count, 8);
}

#[test]
fn a_device_is_not_opened() {
    if !is_root("a_device_is_not_opened") {
        return;
    }
    let (_runs, folder) = new_run();
    let root = folder.workspace();
    let zero = rustix::fs::makedev(1, 5);
    if let Err(error) =
        mknodat(CWD, root.join("zero"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), zero)
    {
        eprintln!("SKIPPED a_device_is_not_opened: mknod: {error}");
        return;
    }
    let (_, manifest) = Snapshotter::new().take(&root, CAPS, &folder.blobs()).unwrap();
    assert_eq!(manifest.left_out, ["`zero` is a device: only regular files are taken"]);
}

#[test]
fn an_artefact_that_cannot_be_taken_is_an_error_for_the_agent() {
    let (_runs, folder) = new_run();
    let root = folder.workspace();
    let check = |path: &str, reason: &str| {
        let error =
            Snapshotter::new().take_paths(&root, &[path.to_owned()], CAPS, &folder.blobs()).unwrap_err();
        assert_eq!(error.agent_reason().as_deref(), Some(reason));
    };
    let link = "is a symbolic link or lies behind one: only regular files are taken";
    fs::create_dir_all(root.join("folder/inner")).unwrap();
    fs::write(root.join("plain"), vec![0; 2 << 20]).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    fifo(&root.join("folder/inner/fifo"));
    check("absent.py", "`absent.py` does not exist");
    check("absent/file.py", "`absent/file.py` does not exist");
    check("plain/file.py", "`plain/file.py` does not exist");
    check("link", &format!("`link` {link}"));
    check("etc/passwd", &format!("`etc/passwd` {link}"));
    check("folder", "`folder/inner/fifo` is a FIFO: only regular files are taken");
    check("plain", "`plain` has 2097152 bytes; all files together may have 1048576");
    for path in ["../outside", "/etc/passwd", "", "a/./b"] {
        let error =
            Snapshotter::new().take_paths(&root, &[path.to_owned()], CAPS, &folder.blobs()).unwrap_err();
        assert_eq!(error.agent_reason(), None);
        assert_eq!(error.to_string(), format!("the artefact `{path}` is not a path inside the workspace"));
    }
}

#[test]
fn many_entries_stop_the_walk() {
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    fs::create_dir(root.join("many")).unwrap();
    for number in 0..5000 {
        fs::hard_link(folder.root().join("one"), root.join(format!("many/{number}")))
            .or_else(|_| fs::write(folder.root().join("one"), b"1"))
            .unwrap();
    }
    let caps = Caps { max_bytes: 1 << 20, max_files: 100 };
    let (_, manifest) = Snapshotter::new().take(&root, caps, &blobs).unwrap();
    assert_eq!((manifest.files.len(), manifest.left_out_count), (99, 1));
    assert_eq!(manifest.left_out, ["`many` and what follows is more than the 100 entries that are taken"]);
    let error = Snapshotter::new().take_paths(&root, &["many".to_owned()], caps, &blobs).unwrap_err();
    assert_eq!(
        error.agent_reason().as_deref(),
        Some("`many` and what follows is more than the 100 entries that are taken")
    );
    for number in 0..50 {
        symlink("x", root.join(format!("link{number}"))).unwrap();
    }
    let (_, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    assert_eq!((manifest.left_out.len(), manifest.left_out_count), (20, 51));
    assert_eq!(
        manifest.left_out_summary().unwrap(),
        "51 entries, the first: `link0` is a symbolic link or lies behind one: only regular files are taken"
    );
}

#[test]
fn great_depth_is_left_out_and_cleared() {
    let (runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    deep(&root, 5000);
    fs::create_dir_all(root.join("locked/inner")).unwrap();
    fs::write(root.join("locked/inner/file"), b"x").unwrap();
    symlink(runs.path(), root.join("locked/link")).unwrap();
    fs::set_permissions(root.join("locked/inner"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let caps = Caps { max_bytes: 1 << 20, max_files: 1_000_000 };
    let (_, manifest) = Snapshotter::new().take(&root, caps, &blobs).unwrap();
    let note = manifest.left_out.iter().find(|note| note.contains("folders or 4000 bytes deep")).unwrap();
    assert!(note.len() < 300, "{note}");
    clear_folder(&root).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert!(folder.blobs_path().is_dir(), "links are removed, not followed");
}

#[test]
fn a_depth_that_is_taken_can_be_checked_out() {
    let (runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    let inner: PathBuf = std::iter::repeat_n("d", 255).collect();
    fs::create_dir_all(root.join(&inner)).unwrap();
    fs::write(root.join(&inner).join("file"), b"deep").unwrap();
    let (digest, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    assert_eq!((manifest.files.len(), manifest.left_out_count), (1, 0));
    let target = runs.path().join("target");
    check_out(&blobs.manifest(digest).unwrap(), &blobs, &target, None).unwrap();
    assert_eq!(fs::read(target.join(&inner).join("file")).unwrap(), b"deep");
}

#[test]
fn a_folder_swapped_for_a_link_never_leads_out() {
    let (runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    let outside = runs.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/secret"), b"mine").unwrap();
    symlink(&outside, root.join("link")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, root.join("d"), CWD, root.join("link"), flags).unwrap();
            }
        });
        for _ in 0..500 {
            let (_, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
            assert!(manifest.files.values().all(|entry| entry.sha256 == Digest::of(b"mine")), "{manifest:?}");
            let taken = Snapshotter::new().take_paths(&root, &["d/secret".to_owned()], CAPS, &blobs);
            if let Ok((_, manifest)) = taken {
                assert_eq!(manifest.files["d/secret"].sha256, Digest::of(b"mine"));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_file_that_grows_and_shrinks_is_recorded_as_it_was_read() {
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::create(root.join("grows")).unwrap();
            let mut size = 0;
            while !stop.load(Ordering::Relaxed) {
                file.write_all(&[b'x'; 4096]).unwrap();
                size += 4096;
                if size > 600_000 {
                    file = File::create(root.join("grows")).unwrap();
                    size = 0;
                }
            }
        });
        let mut snapshotter = Snapshotter::new();
        for _ in 0..100 {
            let (_, manifest) = snapshotter.take(&root, CAPS, &blobs).unwrap();
            if let Some(entry) = manifest.files.get("grows") {
                let content = blobs.get(entry.sha256).unwrap();
                assert_eq!(content.len() as u64, entry.bytes);
                assert!(content.iter().all(|byte| *byte == b'x'));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_this_user_may_not_read_is_left_out() {
    let variable = "RESEARCHGYM_TEST_AS_NOBODY";
    if rustix::process::geteuid().is_root() {
        let place = TempDir::new_in("/tmp").unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
        let test = "hostile::what_this_user_may_not_read_is_left_out";
        return again_under(&nobody, test, variable, place.path());
    }
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    fs::write(root.join("file"), b"x").unwrap();
    fs::create_dir_all(root.join("folder/inner")).unwrap();
    for path in ["file", "folder/inner", "folder"] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let (_, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    assert_eq!(
        manifest.left_out,
        [
            "`file` cannot be read: Permission denied (os error 13)",
            "`folder` cannot be read: Permission denied (os error 13)",
        ]
    );
    clear_folder(&root).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}
