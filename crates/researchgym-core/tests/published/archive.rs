//! The archive of published runs, read as its importer reads it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use researchgym_core::import::mlgym;
use researchgym_core::record::RunRecord;

/// The folder of MLGym's data; says that the test is skipped if it is not there.
pub(crate) fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var_os("RESEARCHGYM_TEST_DATA").map_or(beside, PathBuf::from).join("mlgym");
    if !folder.join("mlgym_bench_v0.tar.zst").exists() {
        eprintln!("SKIPPED: no published runs of MLGym in {} (RESEARCHGYM_TEST_DATA)", folder.display());
        return None;
    }
    Some(folder)
}

/// The archive, unpacked.
pub(crate) fn unpacked(data: &std::path::Path) -> Vec<u8> {
    let packed = std::fs::File::open(data.join("mlgym_bench_v0.tar.zst")).unwrap();
    zstd::decode_all(packed).unwrap()
}

/// The runs, by the names of their folders; with their trajectories if asked for.
pub(crate) fn records(tar: &[u8], with_trajectories: bool) -> Vec<RunRecord> {
    let mut folders: BTreeMap<String, [Option<Vec<u8>>; 2]> = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let place = match path.file_name().and_then(|name| name.to_str()) {
            Some("results.json") => 0,
            Some(name) if name.ends_with(".traj") && with_trajectories => 1,
            Some(_) | None => continue,
        };
        let folder =
            path.parent().and_then(|folder| folder.file_name()).unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        folders.entry(folder).or_default()[place] = Some(bytes);
    }
    let record = |(folder, [results, trajectory]): (String, [Option<Vec<u8>>; 2])| {
        let foreign = mlgym::record(results.as_deref(), trajectory.as_deref(), &folder).unwrap();
        RunRecord { run_id: folder, ..foreign.record }
    };
    folders.into_iter().map(record).collect()
}
