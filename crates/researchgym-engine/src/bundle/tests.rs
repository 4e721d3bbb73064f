use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tar::EntryType;

use super::*;
use crate::store::RunFolder;

const ID: &str = "0123abcd";

fn never() -> bool {
    false
}

/// A runs folder with an imported run in it: the smallest there is.
fn store() -> (tempfile::TempDir, RunFolder) {
    use researchgym_core::record::{Category, RunRecord, StepRecord, TaskRecord};
    let parent = tempfile::tempdir().expect("a folder");
    let root = parent.path().join("runs/2026-11-01").join(ID);
    std::fs::create_dir_all(root.join("workspace/input")).expect("a folder");
    let mut record = RunRecord::foreign("mlgym", TaskRecord::named("fit"), "agent");
    record.run_id = ID.to_owned();
    let step = StepRecord::new(1, Category::Bash, "bash", "ls");
    let lines =
        [serde_json::to_string(&record), serde_json::to_string(&step)].map(|line| line.expect("JSON"));
    std::fs::write(root.join("imported.jsonl"), lines.join("\n") + "\n").expect("a file");
    std::fs::write(root.join("lock"), "1").expect("a file");
    std::fs::write(root.join(".new-half"), "1").expect("a file");
    std::fs::write(root.join("workspace/input/x"), "1").expect("a file");
    std::os::unix::fs::symlink("/etc/passwd", root.join("link")).expect("a link");
    std::fs::create_dir(root.join("logs")).expect("a folder");
    std::fs::write(root.join("logs/agent.log"), "told\n").expect("a file");
    let run = RunFolder::open(&root).expect("a folder");
    (parent, run)
}

fn packed(run: &RunFolder) -> Vec<u8> {
    let mut out = Vec::new();
    pack(run, &mut out, &never).expect("it can be packed");
    out
}

fn written(parent: &Path, bytes: &[u8]) -> PathBuf {
    let path = parent.join("run.tar.zst");
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn problems(parent: &Path, bytes: &[u8]) -> Vec<String> {
    check(&written(parent, bytes), &parent.join("scratch"), &never).expect("it can be looked at").problems
}

/// All that is in a folder, with the contents of files.
fn tree(root: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path.clone());
            }
            let name = path.strip_prefix(root).expect("it is below").display().to_string();
            found.push((name, std::fs::read(&path).ok()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_is_the_same_after_its_journey_and_its_bundle_each_time() {
    let (parent, run) = store();
    let bytes = packed(&run);
    assert_eq!(bytes, packed(&run));
    assert_eq!(problems(parent.path(), &bytes), Vec::<String>::new());
    let bundle = written(parent.path(), &bytes);
    assert!(is_bundle(&bundle));
    let there = parent.path().join("there");
    let unpacked = unpack(&bundle, &there, &never).expect("it can be unpacked");
    assert_eq!((unpacked.folder.id(), unpacked.was_there), (ID, false));
    let held: Vec<&str> = unpacked.manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(held, ["imported.jsonl", "logs/agent.log"]);
    let root = there.join("2026-11-01").join(ID);
    for file in held {
        assert_eq!(std::fs::read(root.join(file)).ok(), std::fs::read(run.root().join(file)).ok(), "{file}");
    }
    assert!(!root.join("workspace/input/x").exists() && !root.join("link").exists());
    let again = unpack(&bundle, &there, &never).expect("it is there");
    assert!(again.was_there);
    std::fs::write(root.join("imported.jsonl"), "other").expect("a file");
    assert!(matches!(unpack(&bundle, &there, &never), Err(BundleError::Taken { .. })));
    assert_eq!(std::fs::read_to_string(root.join("imported.jsonl")).ok().as_deref(), Some("other"));
    let left: Vec<_> =
        std::fs::read_dir(&there).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["2026-11-01"]);
}

#[test]
fn packs_travel_whole_or_not_at_all() {
    let (parent, run) = store();
    std::fs::create_dir(run.blobs_path()).expect("a folder");
    let blobs = run.blobs().packing();
    let digests = ["one", "two"].map(|text| blobs.put(text.as_bytes()).expect("it can be put"));
    let bytes = packed(&run);
    assert_eq!(problems(parent.path(), &bytes), [""; 0]);
    let target = parent.path().join("elsewhere");
    let unpacked = unpack(&written(parent.path(), &bytes), &target, &never).expect("it can be unpacked");
    let there = unpacked.folder.blobs();
    assert_eq!(digests.map(|digest| there.get(digest).expect("it is there")), [b"one", b"two"]);
    // What is torn off at the end is nobody's; what is in a record is.
    let path = run.blobs_path().join("pack-1");
    let whole = std::fs::read(&path).expect("a pack");
    std::fs::write(&path, &whole[..whole.len() - 1]).expect("a pack");
    packed(&run);
    std::fs::write(&path, [&whole[..36], b"0ne", &whole[39..]].concat()).expect("a pack");
    let refused = pack(&run, &mut Vec::new(), &never).expect_err("it is altered").to_string();
    assert_eq!(refused, format!("the content {} in `{}` was altered", digests[0], path.display()));
}

#[test]
fn a_run_in_use_is_not_packed() {
    let (_parent, run) = store();
    let _lock = run.lock().expect("it is free");
    assert!(matches!(pack(&run, std::io::sink(), &never), Err(BundleError::Running { .. })));
}

#[test]
fn who_stops_it_leaves_nothing() {
    let (parent, run) = store();
    let bundle = written(parent.path(), &packed(&run));
    let there = parent.path().join("there");
    assert!(matches!(unpack(&bundle, &there, &|| true), Err(BundleError::Stopped)));
    assert_eq!(tree(&there), []);
    assert!(matches!(pack(&run, std::io::sink(), &|| true), Err(BundleError::Stopped)));
}

/// One entry of an archive that is made by hand.
struct Entry {
    path: &'static str,
    kind: EntryType,
    link: &'static str,
    content: &'static [u8],
}

fn file(path: &'static str, content: &'static [u8]) -> Entry {
    Entry { path, kind: EntryType::Regular, link: "", content }
}

/// A bundle whose manifest names the first paths, and that holds the entries.
fn made(manifest: &str, entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("an encoder"));
    let mut put = |path: &str, kind: EntryType, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        // As a stranger's program writes it, without the checks of ours.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        archive.append(&header, content).expect("memory takes it");
    };
    put("0123abcd/bundle.json", EntryType::Regular, "", manifest.as_bytes());
    for entry in entries {
        put(entry.path, entry.kind, entry.link, entry.content);
    }
    archive.into_inner().and_then(zstd::Encoder::finish).expect("memory takes it")
}

fn manifest(paths: &[(&str, &[u8])]) -> String {
    let files: Vec<_> = paths
        .iter()
        .map(|(path, content)| {
            let sha256 = researchgym_core::digest::Digest::of(content);
            serde_json::json!({ "path": path, "bytes": content.len(), "sha256": sha256 })
        })
        .collect();
    serde_json::json!({ "bundle": 1, "run_id": ID, "day": "2026-11-01", "holds": [], "files": files })
        .to_string()
}

#[test]
fn hostile_bundles_are_refused_and_write_nothing_outside() {
    let log = file("0123abcd/imported.jsonl", b"x");
    let good = manifest(&[("imported.jsonl", b"x")]);
    let link = |kind, link| Entry { path: "0123abcd/imported.jsonl", kind, link, content: b"" };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a link", made(&good, &[link(EntryType::Symlink, "/etc/passwd")]), "is not a regular file"),
        ("a hard link", made(&good, &[link(EntryType::Link, "/etc/passwd")]), "is not a regular file"),
        ("a device", made(&good, &[link(EntryType::Char, "")]), "is not a regular file"),
        ("a folder", made(&good, &[link(EntryType::Directory, "")]), "is not a regular file"),
        ("a sparse file", made(&good, &[link(EntryType::GNUSparse, "")]), "is not a regular file"),
        ("an absolute path", made(&good, &[file("/tmp/evil", b"x")]), "where `imported.jsonl` should be"),
        ("a way up", made(&good, &[file("0123abcd/../evil", b"x")]), "where `imported.jsonl` should be"),
        (
            "a long name",
            made(
                &good,
                &[Entry {
                    path: "././@LongLink",
                    kind: EntryType::GNULongName,
                    link: "",
                    content: b"../evil\0",
                }],
            ),
            "where `imported.jsonl` should be",
        ),
        (
            "a file twice",
            made(&good, &[log, file("0123abcd/imported.jsonl", b"x")]),
            "more than its manifest names",
        ),
        ("nothing", made(&good, &[]), "ends before"),
        ("another length", made(&good, &[file("0123abcd/imported.jsonl", b"xy")]), "not as long"),
        ("another run", made(&good.replace(ID, "ffffffff"), &[]), "of another run"),
        ("a bad id", made(&good.replace(ID, "../../ab"), &[]), "id is not one"),
        ("a bad day", made(&good.replace("2026-11-01", "../../../x"), &[]), "day is not one"),
        ("a newer one", made(&good.replace("\"bundle\":1", "\"bundle\":2"), &[]), "update researchgym"),
        ("no log", made(&manifest(&[("plan.json", b"x")]), &[]), "not one log"),
        (
            "a way up in the manifest",
            made(&manifest(&[("../x", b"x"), ("imported.jsonl", b"x")]), &[]),
            "folder that no bundle has",
        ),
        (
            "a lock",
            made(&manifest(&[("imported.jsonl", b"x"), ("lock", b"x")]), &[]),
            "name of something else",
        ),
        (
            "twice",
            made(&manifest(&[("imported.jsonl", b"x"), ("imported.jsonl", b"x")]), &[]),
            "twice or out of order",
        ),
        (
            "a blob of another name",
            made(&manifest(&[("blobs/aa", b"x"), ("imported.jsonl", b"x")]), &[]),
            "another hash",
        ),
        ("no archive", b"hello".to_vec(), ""),
        ("nothing at all", Vec::new(), ""),
    ];
    for (name, bytes, expected) in cases {
        let parent = tempfile::tempdir().expect("a folder");
        let found = problems(parent.path(), &bytes);
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
        let bundle = written(parent.path(), &bytes);
        let there = parent.path().join("a/b/there");
        let refused = unpack(&bundle, &there, &never);
        assert!(matches!(refused, Err(BundleError::Form(_))), "{name}: {refused:?}");
        assert_eq!(tree(&there), [], "{name}");
        let around: Vec<String> = tree(parent.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(around, ["a", "a/b", "a/b/there", "run.tar.zst", "scratch"], "{name}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let files = |bytes: u64| {
        let sha256 = researchgym_core::digest::Digest::of(b"");
        let file = serde_json::json!({ "path": "imported.jsonl", "bytes": bytes, "sha256": sha256 });
        serde_json::json!({ "bundle": 1, "run_id": ID, "day": "2026-11-01", "holds": [], "files": [file] })
            .to_string()
    };
    let parent = tempfile::tempdir().expect("a folder");
    let found = problems(parent.path(), &made(&files(1 << 40), &[]));
    assert!(found.len() == 1 && found[0].contains("taken for a trap"), "{found:?}");
    let found = problems(parent.path(), &made(&files(u64::MAX), &[]));
    assert!(found.len() == 1 && found[0].contains("taken for a trap"), "{found:?}");
    // One that is honest about its length and follows itself with more.
    let mut bytes = made(&manifest(&[("imported.jsonl", b"x")]), &[file("0123abcd/imported.jsonl", b"x")]);
    let mut more = zstd::Encoder::new(&mut bytes, 1).expect("an encoder");
    for _ in 0..64 {
        more.write_all(&vec![0; 1 << 20]).expect("memory takes it");
    }
    more.finish().expect("memory takes it");
    let found = problems(parent.path(), &bytes);
    assert!(found.len() == 1 && found[0].contains("something follows its end"), "{found:?}");
}

#[test]
fn what_differs_is_named() {
    let (parent, run) = store();
    let bytes = packed(&run);
    let altered = {
        let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).expect("a decoder"));
        let mut text = Vec::new();
        let mut copy = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("an encoder"));
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            text.clear();
            std::io::Read::read_to_end(&mut entry, &mut text).expect("its content");
            if entry.path_bytes().ends_with(b"agent.log") {
                text[0] = b'T';
            }
            copy.append(entry.header(), text.as_slice()).expect("memory takes it");
        }
        copy.into_inner().and_then(zstd::Encoder::finish).expect("memory takes it")
    };
    let expected = ["`logs/agent.log` does not have the hash that its manifest names"];
    assert_eq!(problems(parent.path(), &altered), expected);
    let there = parent.path().join("there");
    let refused = unpack(&written(parent.path(), &altered), &there, &never);
    assert!(matches!(refused, Err(BundleError::Differs { .. })) && tree(&there).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_bundle_is_told_and_leaves_nothing(at in any::<prop::sample::Index>(), byte in 1u8.., cut in any::<bool>()) {
        let (parent, run) = store();
        let mut bytes = packed(&run);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= byte }
        let bundle = written(parent.path(), &bytes);
        let there = parent.path().join("there");
        match unpack(&bundle, &there, &never) {
            // Some bits of a frame mean nothing.
            Ok(unpacked) => {
                let same = std::fs::read(unpacked.folder.imported()).ok() == std::fs::read(run.imported()).ok();
                prop_assert!(same && !cut);
            }
            Err(_) => prop_assert_eq!(tree(&there), []),
        }
    }
}
