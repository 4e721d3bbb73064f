//! A report on the published runs of MLGym, which `RESEARCHGYM_GALLERY=DIR` writes to be looked at.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use researchgym_core::import::mlgym;
use researchgym_core::record::RunRecord;
use researchgym_core::statistics::{Analysis, Flagged, Options};
use researchgym_report::{Given, PageFacts, Report, report};

use crate::checks;

fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let archive = std::env::var_os("RESEARCHGYM_TEST_DATA")
        .map_or(beside, PathBuf::from)
        .join("mlgym/mlgym_bench_v0.tar.zst");
    if !archive.exists() {
        eprintln!("SKIPPED: no published runs of MLGym at {} (RESEARCHGYM_TEST_DATA)", archive.display());
        return None;
    }
    Some(archive)
}

fn records(archive: &Path) -> Vec<RunRecord> {
    let packed = std::fs::File::open(archive).unwrap();
    let tar = zstd::decode_all(packed).unwrap();
    let mut folders: BTreeMap<String, [Option<Vec<u8>>; 2]> = BTreeMap::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let place = match path.file_name().and_then(|name| name.to_str()) {
            Some("results.json") => 0,
            Some(name) if name.ends_with(".traj") => 1,
            Some(_) | None => continue,
        };
        let folder = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap().to_owned();
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

fn write(report: &Report, folder: &Path) {
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).unwrap();
    std::fs::write(folder.join("report.html"), &report.html).unwrap();
    std::fs::write(folder.join("report.md"), &report.markdown).unwrap();
    std::fs::write(folder.join("report.json"), &report.json).unwrap();
    for figure in &report.figures {
        std::fs::write(figures.join(format!("{}.svg", figure.id)), &figure.svg).unwrap();
        std::fs::write(figures.join(format!("{}.csv", figure.id)), &figure.csv).unwrap();
        std::fs::write(figures.join(format!("{}.pdf", figure.id)), figure.pdf().unwrap()).unwrap();
    }
}

#[test]
fn published_runs_make_a_report() {
    let Some(archive) = data() else { return };
    let records = records(&archive);
    assert_eq!(records.len(), 676);
    let options = Options { resamples: 200, ..Options::default() };
    let analysis = Analysis::of(&records, &options);
    let without = Analysis::of(&records, &Options { flagged: Flagged::LeftOut, ..options });
    let facts = PageFacts {
        version: "0.1.0".to_owned(),
        made_at: "2026-11-25T17:00:00Z".to_owned(),
        title: "MLGym's published runs".to_owned(),
    };
    let given = Given { analysis: &analysis, without_flagged: Some(&without), records: &records, trees: &[] };
    let report = report(&given, &facts).unwrap();
    if let Some(folder) = std::env::var_os("RESEARCHGYM_GALLERY") {
        write(&report, &PathBuf::from(folder).join("published"));
    }
    checks::page(&report);
    let ids: Vec<&str> = report.figures.iter().map(|figure| figure.id.as_str()).collect();
    for id in [
        "profiles-best",
        "profiles-submission",
        "scores",
        "failed-by-contender",
        "failed-by-task",
        "actions-by-step",
    ] {
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }
    assert_eq!(ids.iter().filter(|id| id.starts_with("score-")).count(), 13);
}
