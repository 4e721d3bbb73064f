//! Snapshots of ordinary folders: taken, checked out, copied, hashed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use researchgym_core::digest::Digest;
use researchgym_core::manifest::ManifestError;
use researchgym_engine::snapshot::{
    Caps, Manifest, ManifestEntry, SnapshotError, Snapshotter, check_out, clear_folder, copy_in, hash_folder,
};
use tempfile::TempDir;

use crate::support::*;

pub(crate) const CAPS: Caps = Caps { max_bytes: 1 << 20, max_files: 1000 };

fn file(path: &Path, content: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn entry(content: &[u8], mode: u32) -> ManifestEntry {
    ManifestEntry { sha256: Digest::of(content), bytes: content.len() as u64, mode }
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let (runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    let big = vec![b'x'; 400_000];
    file(&root.join("run.sh"), b"echo", 0o755);
    file(&root.join("a/b/private"), b"secret", 0o600);
    file(&root.join("a/big"), &big, 0o4755);
    file(&root.join("a/empty"), b"", 0o644);
    fs::create_dir_all(root.join("results/today")).unwrap();
    let (snapshot, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    let expected = Manifest {
        files: [
            ("run.sh".to_owned(), entry(b"echo", 0o755)),
            ("a/b/private".to_owned(), entry(b"secret", 0o600)),
            ("a/big".to_owned(), entry(&big, 0o755)),
            ("a/empty".to_owned(), entry(b"", 0o644)),
        ]
        .into(),
        empty_folders: ["results/today".to_owned()].into(),
        ..Manifest::default()
    };
    assert_eq!(manifest, expected);
    assert_eq!(blobs.manifest(snapshot).unwrap(), expected);
    let target = runs.path().join("restored");
    check_out(&manifest, &blobs, &target, None).unwrap();
    let again = Snapshotter::new().take(&target, CAPS, &blobs).unwrap();
    assert_eq!(again.0, snapshot);
    let error = check_out(&manifest, &blobs, &target, None).unwrap_err().to_string();
    assert_eq!(error, format!("`{}` is not empty", target.display()));
    clear_folder(&target).unwrap();
    check_out(&manifest, &blobs, &target, None).unwrap();
    assert_eq!(Snapshotter::new().take(&target, CAPS, &blobs).unwrap().0, snapshot);
}

#[test]
fn a_second_snapshot_sees_a_change_whose_time_was_set_back() {
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    file(&root.join("same"), b"same", 0o644);
    file(&root.join("other"), b"1111", 0o644);
    let mut snapshotter = Snapshotter::new();
    let first = snapshotter.take(&root, CAPS, &blobs).unwrap();
    assert_eq!(snapshotter.take(&root, CAPS, &blobs).unwrap(), first);
    let before = fs::metadata(root.join("other")).unwrap();
    fs::write(root.join("other"), b"2222").unwrap();
    let at = format!("@{}.{:09}", before.mtime(), before.mtime_nsec());
    assert!(Command::new("touch").args(["-d", &at]).arg(root.join("other")).status().unwrap().success());
    assert_eq!(fs::metadata(root.join("other")).unwrap().modified().unwrap(), before.modified().unwrap());
    let second = snapshotter.take(&root, CAPS, &blobs).unwrap().1;
    assert_eq!(second.files["other"], entry(b"2222", 0o644));
    assert_eq!(second.files["same"], first.1.files["same"]);
}

#[test]
fn artefacts_are_taken_alone_and_made_readable() {
    let (_runs, folder) = new_run();
    let (root, blobs) = (folder.workspace(), folder.blobs());
    file(&root.join("strategy.py"), b"play", 0o600);
    file(&root.join("model/w.bin"), b"w", 0o700);
    file(&root.join("model/deep/er"), b"e", 0o444);
    file(&root.join("notes"), b"not submitted", 0o644);
    let paths = ["strategy.py".to_owned(), "model/".to_owned()];
    let (_, manifest) = Snapshotter::new().take_paths(&root, &paths, CAPS, &blobs).unwrap();
    let expected = Manifest {
        files: [
            ("strategy.py".to_owned(), entry(b"play", 0o644)),
            ("model/w.bin".to_owned(), entry(b"w", 0o755)),
            ("model/deep/er".to_owned(), entry(b"e", 0o644)),
        ]
        .into(),
        ..Manifest::default()
    };
    assert_eq!(manifest, expected);
}

#[test]
fn a_manifest_cannot_lead_out_of_its_target() {
    let (runs, folder) = new_run();
    let blobs = folder.blobs();
    let content = blobs.put(b"x").unwrap();
    let too_deep = vec!["d"; 300].join("/");
    let paths = ["../out", "/etc/out", "a/../../out", "", "a//b", ".", "a/.", "nul\0", too_deep.as_str()];
    for path in paths {
        let entry = ManifestEntry { sha256: content, bytes: 1, mode: 0o644 };
        let manifest = Manifest { files: [(path.to_owned(), entry)].into(), ..Manifest::default() };
        let shown: String = path.chars().take(200).collect();
        let target = runs.path().join("target");
        let error = check_out(&manifest, &blobs, &target, None).unwrap_err();
        assert!(
            matches!(&error, SnapshotError::Manifest(ManifestError::Path(found)) if *found == shown),
            "{error}"
        );
        assert!(!target.exists());
    }
    let both = Manifest {
        files: ["a", "a/b"]
            .map(|path| (path.to_owned(), ManifestEntry { sha256: content, bytes: 1, mode: 0o644 }))
            .into(),
        ..Manifest::default()
    };
    assert!(check_out(&both, &blobs, &runs.path().join("target"), None).is_err());
    assert!(!runs.path().join("out").exists());
}

#[test]
fn an_altered_blob_is_not_checked_out() {
    let (runs, folder) = new_run();
    let blobs = folder.blobs();
    let content = blobs.put(b"right").unwrap();
    fs::write(blobs.path(content), b"wrong").unwrap();
    let manifest = Manifest {
        files: [("a".to_owned(), ManifestEntry { sha256: content, bytes: 5, mode: 0o644 })].into(),
        ..Manifest::default()
    };
    let error = check_out(&manifest, &blobs, &runs.path().join("target"), None).unwrap_err().to_string();
    assert!(error.contains("was altered"), "{error}");
}

#[test]
fn a_starter_is_copied_and_a_solution_laid_over_it() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    file(&at("starter/main.py"), b"starter", 0o640);
    file(&at("starter/bin/tool"), b"tool", 0o700);
    fs::create_dir_all(at("starter/empty")).unwrap();
    file(&at("solution/main.py"), b"solution", 0o644);
    copy_in(&at("starter"), &at("workspace"), None).unwrap();
    let mode = |path: &str| fs::metadata(at(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("workspace/main.py"), mode("workspace/bin/tool"), mode("workspace/bin")),
        (0o644, 0o755, 0o755)
    );
    assert!(at("workspace/empty").is_dir());
    file(&at("outside"), b"outside", 0o644);
    fs::remove_file(at("workspace/main.py")).unwrap();
    symlink(at("outside"), at("workspace/main.py")).unwrap();
    copy_in(&at("solution"), &at("workspace"), None).unwrap();
    assert_eq!(fs::read(at("workspace/main.py")).unwrap(), b"solution");
    assert_eq!(
        fs::read(at("outside")).unwrap(),
        b"outside",
        "a link in the target is replaced, not followed"
    );
    symlink("main.py", at("solution/link")).unwrap();
    let error = copy_in(&at("solution"), &at("workspace"), None).unwrap_err().to_string();
    assert_eq!(error, format!("`{}` is not a regular file or folder", at("solution/link").display()));
}

#[test]
fn owners_are_set() {
    if !is_root("owners_are_set") {
        return;
    }
    let (_runs, folder) = new_run();
    let (starter, root, blobs) = (TempDir::new().unwrap(), folder.workspace(), folder.blobs());
    file(&starter.path().join("d/f"), b"x", 0o600);
    copy_in(starter.path(), &root, Some((1000, 1001))).unwrap();
    let (_, manifest) = Snapshotter::new().take(&root, CAPS, &blobs).unwrap();
    clear_folder(&root).unwrap();
    check_out(&manifest, &blobs, &root, Some((1000, 1001))).unwrap();
    for path in ["", "d", "d/f"] {
        let metadata = fs::metadata(root.join(path)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1000, 1001), "{path}");
    }
}

#[test]
fn a_folders_hash_tells_names_contents_and_executable_bits() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let mut seen = vec![hash_folder(root).unwrap()];
    let mut check_changed = |what: &str| {
        let hash = hash_folder(root).unwrap();
        assert!(!seen.contains(&hash), "{what}");
        assert_eq!(hash_folder(root).unwrap(), hash);
        seen.push(hash);
    };
    file(&root.join("d/a"), b"1", 0o644);
    check_changed("a new file");
    file(&root.join("d/a"), b"2", 0o644);
    check_changed("another content");
    file(&root.join("d/a"), b"2", 0o755);
    check_changed("executable");
    fs::rename(root.join("d/a"), root.join("d/b")).unwrap();
    check_changed("another name");
    symlink("b", root.join("d/a")).unwrap();
    check_changed("a link");
    let before = hash_folder(root).unwrap();
    file(&root.join("d/b"), b"2", 0o711);
    fs::create_dir(root.join("empty")).unwrap();
    assert_eq!(hash_folder(root).unwrap(), before);
    assert!(hash_folder(&root.join("none")).is_err());
}
