//! Full and read-only disks: a small tmpfs in a mount namespace that ends with the test.

use std::fs;
use std::path::PathBuf;

use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_engine::snapshot::clear_folder;
use researchgym_engine::store::{EventLog, RunFolder, StoreError, read_log, verify};
use tempfile::TempDir;

use crate::support::*;

/// In it when the test runs inside its mount namespace: where to mount.
const INSIDE: &str = "RESEARCHGYM_TEST_SMALL_DISK";

fn inside(test: &str, options: &str) -> Option<PathBuf> {
    if let Some(place) = std::env::var_os(INSIDE) {
        return Some(place.into());
    }
    if is_root(test) {
        let place = TempDir::new().unwrap();
        let mount = format!("mount -t tmpfs -o {options} tmpfs \"${INSIDE}\" || exit 125; exec \"$@\"");
        again_under(&["unshare", "--mount", "sh", "-c", &mount, "sh"], test, INSIDE, place.path());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "the mount stayed in its namespace");
    }
    None
}

#[test]
fn a_full_disk_poisons_the_log_and_loses_nothing() {
    let Some(disk) = inside("disk::a_full_disk_poisons_the_log_and_loses_nothing", "size=256k") else {
        return;
    };
    let folder = create_run(&disk);
    let mut log = EventLog::create(&folder).unwrap();
    let mut written = vec![log.append(TIME, started()).unwrap()];
    let error = loop {
        // What was gathered goes the way of what it would have been written with.
        let gathered = log.gather(TIME, noted("gathered")).unwrap();
        match log.append(TIME, noted(&"x".repeat(3000))) {
            Ok(line) => written.extend([gathered, line]),
            Err(error) => break error,
        }
    };
    assert_eq!(log.next_seq(), written.len() as u64);
    let path = folder.events();
    assert!(error.to_string().starts_with(&format!("cannot append to `{}`: ", path.display())), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.boundary, Boundary::Store);
    assert!(failure.hint.unwrap().starts_with("the disk is full: free space"));
    assert!(matches!(log.append(TIME, noted("small")), Err(StoreError::Poisoned { .. })));
    assert!(folder.blobs().put(&[7; 9000]).is_err());
    assert!(RunFolder::open(folder.root()).unwrap().lock().is_ok(), "a lock needs no space");

    let reading = read_log(&folder).unwrap();
    assert!(written.len() > 10);
    assert_eq!((reading.lines, reading.torn), (written, None));
    assert!(verify(&folder).unwrap().is_whole());

    // With space again the run goes on where it was.
    let (mut log, lines, torn) = EventLog::reopen(&folder).unwrap();
    assert_eq!(torn, None);
    let mut shorter = fs::read(&path).unwrap();
    shorter.truncate(shorter.len() - 20_000);
    fs::write(&path, &shorter).unwrap();
    assert!(log.append(TIME, noted("by the old writer")).is_ok());
    assert!(lines.len() > 10 && EventLog::reopen(&folder).is_err(), "two writers at once are seen");
}

#[test]
fn a_full_disk_ends_a_pack_and_loses_nothing_of_it() {
    let test = "disk::a_full_disk_ends_a_pack_and_loses_nothing_of_it";
    let Some(disk) = inside(test, "size=256k") else { return };
    let folder = create_run(&disk);
    let filler = disk.join("filler");
    fs::write(&filler, vec![1; 64 << 10]).unwrap();
    let blobs = folder.blobs().packing();
    let content = |number: usize| format!("{number}{}", "x".repeat(3000)).into_bytes();
    let mut kept = Vec::new();
    let error = loop {
        match blobs.put(&content(kept.len())) {
            Ok(digest) => kept.push(digest),
            Err(error) => break error,
        }
    };
    let pack = |number: u32| folder.blobs().folder().join(format!("pack-{number}"));
    assert!(error.to_string().contains(pack(1).to_str().unwrap()), "{error}");
    assert!(Failure::from(error).hint.unwrap().starts_with("the disk is full: free space"));
    assert!(kept.len() > 10 && blobs.sync_pending().is_ok());
    let are_there = |kept: &[Digest]| {
        let reader = RunFolder::open(folder.root()).unwrap().blobs();
        for (number, digest) in kept.iter().enumerate() {
            assert_eq!(reader.get(*digest).unwrap(), content(number));
        }
    };
    are_there(&kept);
    // With space again, what comes begins another one; nothing of the record that had no room is in the first.
    fs::remove_file(&filler).unwrap();
    kept.push(blobs.put(&content(kept.len())).unwrap());
    are_there(&kept);
    let records = |number: u32| fs::metadata(pack(number)).unwrap().len();
    let bytes: usize = (0..kept.len() - 1).map(|number| 36 + content(number).len()).sum();
    assert_eq!((records(1), records(2)), (bytes as u64, 36 + content(kept.len() - 1).len() as u64));
}

#[test]
fn a_torn_line_on_a_full_disk_stays_until_there_is_space() {
    let test = "disk::a_torn_line_on_a_full_disk_stays_until_there_is_space";
    let Some(disk) = inside(test, "size=256k") else { return };
    let folder = create_run(&disk);
    write_log(&folder, vec![noted("one")]);
    let mut bytes = fs::read(folder.events()).unwrap();
    bytes.extend_from_slice(&[b'{'; 6000]);
    fs::write(folder.events(), &bytes).unwrap();
    let filler = disk.join("filler");
    let full = (0..1000).scan(0, |size, _| {
        *size += 4096;
        Some(*size)
    });
    for size in full {
        if fs::write(&filler, vec![0; size]).is_err() {
            break;
        }
    }
    assert!(matches!(EventLog::reopen(&folder), Err(StoreError::Io { .. })));
    assert_eq!(fs::read(folder.events()).unwrap(), bytes);
    fs::remove_file(&filler).unwrap();
    let (_log, lines, torn) = EventLog::reopen(&folder).unwrap();
    assert_eq!((lines.len(), torn.unwrap().bytes), (2, 6000));
}

#[test]
fn a_read_only_disk_is_named_with_advice() {
    let Some(disk) = inside("disk::a_read_only_disk_is_named_with_advice", "size=1m") else { return };
    let folder = create_run(&disk);
    write_log(&folder, vec![noted("one")]);
    let remounted =
        std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap().success();
    assert!(remounted);
    assert_eq!(read_log(&folder).unwrap().lines.len(), 2);
    assert!(verify(&folder).unwrap().is_whole());
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let errors = [
        RunFolder::create(&disk, now).unwrap_err(),
        folder.lock().unwrap_err(),
        EventLog::reopen(&folder).unwrap_err(),
        folder.blobs().put(b"new").unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(disk.to_str().unwrap()), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("read-only file system") && hint.contains("--runs-dir"), "{hint}");
    }
}

#[test]
fn what_is_mounted_in_a_folder_is_not_cleared_with_it() {
    let Some(disk) = inside("disk::what_is_mounted_in_a_folder_is_not_cleared_with_it", "size=1m") else {
        return;
    };
    let (root, other) = (disk.join("root"), disk.join("other"));
    let inner = root.join("deep/inner");
    for folder in [&inner, &other] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(other.join("thesis"), b"mine").unwrap();
    let mount =
        |words: &[&str]| std::process::Command::new("mount").args(words).args([&other, &inner]).status();
    assert!(mount(&["--bind"]).unwrap().success());
    clear_folder(&root).unwrap_err();
    assert_eq!(fs::read(other.join("thesis")).unwrap(), b"mine");
    let unmounted = std::process::Command::new("umount").arg(&inner).status().unwrap();
    // A folder on the way there may have been moved up already, and its mount with it.
    assert!(unmounted.success() || !inner.exists());
}
