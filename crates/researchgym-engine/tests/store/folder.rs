//! Run folders, locks, blobs and derived files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::support::*;
use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::{Manifest, ManifestEntry};
use researchgym_core::observation::{Captured, Observation};
use researchgym_engine::store::{
    Blobs, EventLog, LogAppender, LogFile, RunFolder, StoreError, verify, write_json, write_status,
};

#[test]
fn a_folder_is_found_by_path_id_and_prefix() {
    let (runs, folder) = new_run();
    let other = create_run(runs.path());
    assert_eq!(fs::metadata(folder.root()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(folder.root().parent().unwrap().ends_with("2026-11-21"));
    assert!(folder.workspace().is_dir() && folder.blobs_path().is_dir());
    fs::create_dir(runs.path().join("2026-11-21/not-a-run")).unwrap();
    let listed: Vec<RunFolder> = RunFolder::list(runs.path()).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&folder) && listed.contains(&other));
    assert_eq!(RunFolder::find(runs.path(), folder.id()).unwrap(), folder);
    assert_eq!(RunFolder::find(runs.path(), folder.root().to_str().unwrap()).unwrap(), folder);
    if folder.id()[..4] != other.id()[..4] {
        assert_eq!(RunFolder::find(runs.path(), &folder.id()[..4]).unwrap(), folder);
    }
    for name in ["zzzz", ""] {
        let error = RunFolder::find(runs.path(), name).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no run `{name}` below `{}`", runs.path().display()));
        assert!(error.hint().unwrap().contains("researchgym list"));
    }
    assert!(matches!(RunFolder::find(runs.path(), "./none"), Err(StoreError::Io { .. })));
    assert_eq!(RunFolder::list(&runs.path().join("none")).count(), 0);
}

#[test]
fn a_prefix_of_two_ids_is_ambiguous() {
    let (runs, _folder) = new_run();
    let day = runs.path().join("2026-11-20");
    for id in ["abcd0001", "abcd0002"] {
        fs::create_dir_all(day.join(id)).unwrap();
    }
    let error = RunFolder::find(runs.path(), "abcd").unwrap_err().to_string();
    assert_eq!(error, "`abcd` may be any of the runs abcd0001, abcd0002");
}

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let (_runs, folder) = new_run();
    let lock = folder.lock().unwrap();
    let error = folder.lock().unwrap_err();
    let expected =
        format!("the run `{}` is in use by process {}", folder.root().display(), std::process::id());
    assert_eq!(error.to_string(), expected);
    drop(lock);
    drop(folder.lock().unwrap());
}

#[test]
fn a_dead_owner_leaves_no_lock() {
    let (_runs, folder) = new_run();
    let lock = folder.root().join("lock");
    // `flock` locks the file and becomes `cat`, which ends when its input does.
    let mut owner = match Command::new("flock")
        .arg("--no-fork")
        .arg(&lock)
        .args(["sh", "-c", "echo locked; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    {
        Ok(owner) => owner,
        Err(error) => {
            eprintln!("SKIPPED a_dead_owner_leaves_no_lock: needs `flock` of util-linux: {error}");
            return;
        }
    };
    let mut said = [0; 7];
    std::io::Read::read_exact(owner.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(matches!(folder.lock(), Err(StoreError::Locked { pid: None, .. })));
    owner.kill().unwrap();
    owner.wait().unwrap();
    folder.lock().unwrap();
}

#[test]
fn short_bodies_stand_in_the_event_and_long_ones_are_blobs() {
    let (_runs, folder) = new_run();
    let blobs = folder.blobs();
    let long = "x".repeat(4097).into_bytes();
    let cases: [(&[u8], Body); 4] = [
        (b"", Body::Text(String::new())),
        ("gr\u{fc}n".as_bytes(), Body::Text("gr\u{fc}n".to_owned())),
        (&[0xff, 0x00], Body::Base64("/wA=".to_owned())),
        (&long, Body::Blob { sha256: Digest::of(&long), bytes: 4097 }),
    ];
    for (bytes, expected) in cases {
        let body = blobs.body(bytes).unwrap();
        assert_eq!(body, expected);
        assert_eq!(blobs.resolve(&body).unwrap(), bytes);
    }
    blobs.sync_pending().unwrap();
}

#[test]
fn blobs_are_written_once_and_adopted() {
    let (runs, folder) = new_run();
    let blobs = folder.blobs();
    let digest = blobs.put(b"content").unwrap();
    let inode = |digest| std::os::unix::fs::MetadataExt::ino(&fs::metadata(blobs.path(digest)).unwrap());
    let first = inode(digest);
    assert_eq!(blobs.put(b"content").unwrap(), digest);
    assert_eq!(inode(digest), first);
    // A power cut left it empty: putting it again mends it.
    fs::write(blobs.path(digest), b"").unwrap();
    assert!(matches!(blobs.get(digest), Err(StoreError::BlobAltered { .. })));
    blobs.put(b"content").unwrap();
    assert_eq!(blobs.get(digest).unwrap(), b"content");

    let captured = runs.path().join("captured");
    fs::write(&captured, b"output").unwrap();
    assert_eq!(blobs.adopt(&captured).unwrap(), (Digest::of(b"output"), 6));
    assert!(!captured.exists());
    fs::write(&captured, b"output").unwrap();
    blobs.adopt(&captured).unwrap();
    assert!(!captured.exists());

    let mut writer = blobs.writer().unwrap();
    std::io::Write::write_all(&mut writer, b"piece by piece").unwrap();
    assert_eq!(writer.finish().unwrap(), (Digest::of(b"piece by piece"), 14));
    drop(blobs.writer().unwrap());
    for number in 0..300u32 {
        blobs.put(&number.to_le_bytes()).unwrap();
    }
    blobs.sync_pending().unwrap();
    blobs.sync_pending().unwrap();
    assert_eq!(fs::read_dir(folder.blobs_path()).unwrap().count(), 303);
    assert!(matches!(blobs.get(Digest::ZERO), Err(StoreError::BlobMissing { .. })));
}

/// Names in the folder of the blobs, in order.
fn names(folder: &RunFolder) -> Vec<String> {
    let entries = fs::read_dir(folder.blobs_path()).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn small_blobs_of_a_search_share_a_file() {
    let (_runs, folder) = new_run();
    let (first, reader) = (folder.blobs().packing(), folder.blobs());
    let large = vec![7; 100_000];
    let contents: Vec<Vec<u8>> =
        (0..300_u32).map(|number| format!("{number} ").repeat(number as usize * 10).into_bytes()).collect();
    let put = |blobs: &Blobs, content: &Vec<u8>| blobs.put(content).unwrap();
    let digests: Vec<Digest> = contents.iter().map(|content| put(&first, content)).collect();
    let length = fs::metadata(folder.blobs_path().join("pack-1")).unwrap().len();
    // A reader sees what has come since it has last looked, and nothing is written twice.
    for (content, digest) in contents.iter().zip(&digests) {
        assert_eq!((reader.get(*digest).unwrap(), put(&first, content)), (content.clone(), *digest));
        assert_eq!(reader.check(*digest).unwrap(), content.len() as u64);
    }
    first.sync_pending().unwrap();
    let big = put(&first, &large);
    assert_eq!(names(&folder), [big.to_string(), "pack-1".to_owned()]);
    assert_eq!(reader.get(big).unwrap(), large);
    assert_eq!(fs::metadata(folder.blobs_path().join("pack-1")).unwrap().len(), length);
    assert_eq!(reader.ends(digests[299], 6, 4).unwrap(), (b"299 29".to_vec(), b"299 ".to_vec()));
    assert_eq!(reader.ends(digests[1], 7, 40).unwrap(), (b"1 1 1 1".to_vec(), b" 1 1 1 1 1 1 ".to_vec()));
    // Who goes on with the run has a pack of its own.
    let second = folder.blobs().packing();
    let later = second.put(b"later").unwrap();
    assert_eq!(second.put(&contents[5]).unwrap(), digests[5]);
    assert_eq!(names(&folder), [big.to_string(), "pack-1".to_owned(), "pack-2".to_owned()]);
    assert_eq!(fs::metadata(folder.blobs_path().join("pack-2")).unwrap().len(), 36 + 5);
    assert_eq!(first.get(later).unwrap(), b"later");
    assert!(matches!(reader.get(Digest::of(b"never")), Err(StoreError::BlobMissing { .. })));
}

#[test]
fn a_pack_with_a_torn_or_altered_record_says_so() {
    let (_runs, folder) = new_run();
    let blobs = folder.blobs().packing();
    let [one, two, three] = ["one", "two", "three"].map(|text| blobs.put(text.as_bytes()).unwrap());
    let path = folder.blobs_path().join("pack-1");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let reader = folder.blobs();
        let is_there = [one, two, three].map(|digest| reader.get(digest).is_ok());
        assert_eq!(is_there, [cut >= 39, cut >= 78, false], "{cut}");
        // Zeros are what a power cut leaves.
        fs::write(&path, [&whole[..cut], &[0; 500]].concat()).unwrap();
        let reader = folder.blobs();
        assert!(reader.get(one).is_ok() || cut < 39);
        assert!(reader.get(three).is_err() || cut == whole.len(), "{cut}");
    }
    let mut altered = whole.clone();
    altered[40 + 39] ^= 1;
    fs::write(&path, &altered).unwrap();
    let reader = folder.blobs();
    assert_eq!(reader.get(one).unwrap(), b"one");
    let mut spoilt = whole;
    spoilt[36] ^= 1;
    fs::write(&path, &spoilt).unwrap();
    let reader = folder.blobs();
    let said = [reader.get(one).unwrap_err(), reader.check(one).unwrap_err()].map(|error| error.to_string());
    let expected = format!("the content {one} in `{}` was altered", path.display());
    assert_eq!(said, [expected.clone(), expected]);
    // Whoever goes on begins another.
    let next = folder.blobs().packing();
    assert!(next.get(two).is_ok());
    next.put(b"two").unwrap();
    assert_eq!(names(&folder), ["pack-1"]);
    // What is spoilt is mended by putting it again.
    next.put(b"one").unwrap();
    assert_eq!(names(&folder), ["pack-1", "pack-2"]);
    assert_eq!(
        (next.get(one).unwrap(), folder.blobs().get(one).unwrap()),
        (b"one".to_vec(), b"one".to_vec())
    );
}

#[test]
fn what_a_killed_writer_left_is_removed_when_the_run_goes_on() {
    let (_runs, folder) = new_run();
    write_log(&folder, Vec::new());
    let left = folder.blobs_path().join(".new-abc");
    fs::write(&left, b"half").unwrap();
    EventLog::reopen(&folder).unwrap();
    assert!(!left.exists());
}

#[test]
fn verify_finds_missing_and_altered_blobs_wherever_they_are_named() {
    let (_runs, folder) = new_run();
    let blobs = folder.blobs();
    let put = |text: &str| blobs.put(text.repeat(5000).as_bytes()).unwrap();
    let names = ["said", "out", "file a", "file b", "altered"].map(put);
    let entry = |digest: Digest, text: &str| ManifestEntry {
        sha256: digest,
        bytes: text.len() as u64 * 5000,
        mode: 0o644,
    };
    let manifest = Manifest {
        files: [("a".to_owned(), entry(names[2], "file a")), ("d/b".to_owned(), entry(names[3], "file b"))]
            .into(),
        ..Manifest::default()
    };
    let snapshot = blobs.put(&serde_json::to_vec(&manifest).unwrap()).unwrap();
    let out = Captured { text: "shown".to_owned(), bytes: 15_000, blob: Some(names[1]), dropped: 0 };
    let altered = Captured { text: "shown".to_owned(), bytes: 35_000, blob: Some(names[4]), dropped: 0 };
    let read = |action_id, content| Event::Observed {
        action_id,
        observation: Observation::Read { content },
        took_ms: 1,
        working_ms: 1,
    };
    write_log(
        &folder,
        vec![
            said(1, Body::Blob { sha256: names[0], bytes: 20_000 }),
            read(1, out),
            said(2, Body::Text("more".to_owned())),
            Event::SnapshotTaken { snapshot, files: 2, bytes: 60_000, left_out: None },
            read(2, altered),
            Event::SnapshotTaken { snapshot: Digest::of(b"gone"), files: 0, bytes: 0, left_out: None },
        ],
    );
    fs::write(blobs.path(names[4]), "x".repeat(35_000)).unwrap();
    let found = verify(&folder).unwrap();
    assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
    let missing = blobs.path(Digest::of(b"gone"));
    assert_eq!(
        found.problems[0].to_string(),
        format!(
            "events.jsonl:6: the blob `{}` was altered: its content does not have the hash that is its name",
            blobs.path(names[4]).display()
        )
    );
    assert_eq!(
        found.problems[1].to_string(),
        format!("events.jsonl:7: snapshot: the blob `{}` is missing", missing.display())
    );
    for digest in [names[0], names[1], names[2], names[3]] {
        fs::remove_file(blobs.path(digest)).unwrap();
    }
    let lines: Vec<u64> = verify(&folder).unwrap().problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 5, 5, 6, 7]);
}

#[test]
fn derived_files_are_replaced_whole_and_logs_warn_once() {
    let (_runs, folder) = new_run();
    write_status(&folder, &serde_json::json!({"steps": 1})).unwrap();
    write_status(&folder, &serde_json::json!({"steps": 2})).unwrap();
    assert_eq!(fs::read_to_string(folder.status()).unwrap(), "{\n  \"steps\": 2\n}\n");
    let failure = Failure::from(write_json(&folder.root().join("none/x.json"), &1).unwrap_err());
    assert_eq!(failure.boundary, Boundary::Store);
    let mut log = LogAppender::new(&folder, LogFile::Agent);
    assert_eq!(log.append(b"one\n"), None);
    assert_eq!(log.append(b"two\n"), None);
    assert_eq!(fs::read(folder.logs().join("agent.log")).unwrap(), b"one\ntwo\n");
    fs::remove_dir_all(folder.logs()).unwrap();
    let mut log = LogAppender::new(&folder, LogFile::Adapter);
    let warning = log.append(b"three\n").unwrap();
    assert!(warning.contains("adapter.log") && warning.ends_with("the run goes on"), "{warning}");
    assert_eq!(log.append(b"four\n"), None);
}
