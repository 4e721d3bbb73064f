//! A unit's files into runs: one line for each program.

use std::collections::BTreeMap;
use std::io::Cursor;

use researchgym_core::import::atif::{self, Trial};
use researchgym_core::import::ideas::{self, Ideas};
use researchgym_core::import::openevolve::Checkpoint;
use researchgym_core::import::{inspect, mlgym, researchgym_seed};
use researchgym_core::record::Foreign;

use super::place::read_bounded;
use super::{MAX_BYTES, Program};

/// A unit's files by the names that its parser knows.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Takes a run with what tells it from others of its unit, or what is wrong with one of them.
pub(super) type Each<'e> = dyn FnMut(Result<(Foreign, String), String>) + 'e;

/// Reads the runs of a unit.
///
/// # Errors
/// A sentence: the unit as a whole, or what is left of it, cannot be read.
pub(super) fn parse(program: Program, name: &str, files: &Files, each: &mut Each) -> Result<(), String> {
    match program {
        Program::Mlgym => one(mlgym(name, files), name, each),
        Program::ResearchgymSeed => one(researchgym_seed::record(name, files), name, each),
        Program::Inspect => inspect(files, each),
        Program::Atif => one(atif::read(trial(files), stem(name)), name, each),
        Program::Openevolve => one(openevolve(name, files), name, each),
        Program::Ideas => one(ideas(name, files), name, each),
    }
}

fn one<E: std::fmt::Display>(read: Result<Foreign, E>, name: &str, each: &mut Each) -> Result<(), String> {
    each(Ok((read.map_err(|error| error.to_string())?, name.to_owned())));
    Ok(())
}

fn stem(name: &str) -> &str {
    name.strip_suffix(".json").unwrap_or(name)
}

/// A folder whose name is not MLGym's tells nothing; then the trajectory's name is the task's.
fn mlgym(name: &str, files: &Files) -> Result<Foreign, mlgym::NotMlgym> {
    let trajectory = files.iter().find(|(name, _)| name.ends_with(".traj"));
    let stem = trajectory.and_then(|(name, _)| name.strip_suffix(".traj"));
    let name = match stem {
        Some(stem) if !name.contains("__") => stem,
        _ => name,
    };
    let results = files.get("results.json").map(Vec::as_slice);
    mlgym::record(results, trajectory.map(|(_, bytes)| bytes.as_slice()), name)
}

/// Every sample is a run.
fn inspect(files: &Files, each: &mut Each) -> Result<(), String> {
    let Some((file, bytes)) = files.first_key_value() else { return Ok(()) };
    if file.ends_with(".eval") {
        return eval(bytes, each);
    }
    let mut number: u64 = 0;
    let read = inspect::log(bytes, &mut |run| {
        number += 1;
        each(match run {
            Ok(run) => Ok((run, format!("sample {number}"))),
            Err(error) => Err(format!("sample {number}: {error}")),
        });
    });
    match read {
        Ok(()) if number == 0 => Err("the log holds no sample".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

/// A zip archive, one member after the other. Of two members with one name the last counts, as the archive's own list has it.
fn eval(bytes: &[u8], each: &mut Each) -> Result<(), String> {
    let broken = |error: zip::result::ZipError| format!("the archive cannot be read: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    names.sort();
    let mut member = |name: &str| {
        let mut entry = archive.by_name(name).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        let length = entry.size();
        let read =
            read_bounded(&mut entry, length).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        read.ok_or_else(|| format!("`{name}` has more than {} MiB", MAX_BYTES >> 20))
    };
    let head =
        [inspect::HEADER, inspect::START].into_iter().find(|head| names.iter().any(|name| name == head));
    let Some(head) = head else { return Err("the log has no header".to_owned()) };
    let header = inspect::header(&member(head)?).map_err(|error| format!("`{head}`: {error}"))?;
    let pieces = names.iter().filter(|name| inspect::is_piece(name)).count();
    let samples: Vec<&String> = names.iter().filter(|name| inspect::is_sample(name)).collect();
    for name in &samples {
        each(member(name).and_then(|bytes| match inspect::sample(&header, &bytes) {
            Ok(run) => Ok((run, stem(name.rsplit('/').next().unwrap_or(name)).to_owned())),
            Err(error) => Err(format!("`{name}`: {error}")),
        }));
    }
    match (samples.is_empty(), pieces) {
        (_, 1..) => Err(format!("{pieces} files of samples in many pieces are not read")),
        (true, 0) => Err("the log holds no sample".to_owned()),
        (false, 0) => Ok(()),
    }
}

/// A trajectory alone, or with what the trial says beside it.
fn trial(files: &Files) -> Trial<'_> {
    let file = |name: &str| files.get(name).map(Vec::as_slice);
    let alone = files.values().next().map(Vec::as_slice);
    Trial {
        trajectory: file(super::group::TRAJECTORY).or(alone).unwrap_or_default(),
        result: file("result.json"),
        reward_json: file("verifier/reward.json"),
        reward_text: file("verifier/reward.txt"),
    }
}

fn openevolve(name: &str, files: &Files) -> Result<Foreign, String> {
    let mut checkpoint = Checkpoint::default();
    let mut unread: Vec<String> = Vec::new();
    for (file, bytes) in files {
        let read = match file.as_str() {
            "metadata.json" => checkpoint.metadata(bytes),
            "best_program_info.json" => checkpoint.best(bytes),
            program if program.starts_with("programs/") && program.ends_with(".json") => {
                checkpoint.program(bytes)
            }
            _ => Ok(()),
        };
        unread.extend(read.err().map(|error| format!("`{file}`: {error}")));
    }
    finished(checkpoint.programs(), unread, || checkpoint.finish(name))
}

fn ideas(name: &str, files: &Files) -> Result<Foreign, String> {
    let mut ideas = Ideas::default();
    let mut unread: Vec<String> = Vec::new();
    for (file, bytes) in files {
        let read = match ideas::File::of(file) {
            Some(kind) => ideas.file(kind, bytes),
            None => ideas.rows(bytes),
        };
        unread.extend(read.err().map(|error| format!("`{file}`: {error}")));
    }
    finished(ideas.count(), unread, || ideas.finish(name))
}

/// A run of many files: those that cannot be read are told in it, unless there is nothing else.
fn finished(count: usize, unread: Vec<String>, finish: impl FnOnce() -> Foreign) -> Result<Foreign, String> {
    if count == 0 {
        return Err(unread.into_iter().next().unwrap_or_else(|| "there is nothing to import".to_owned()));
    }
    let mut run = finish();
    run.record.left_out.extend(unread);
    Ok(run)
}

/// Whose a JSON file is, by how it begins.
pub(super) fn recognise(bytes: &[u8]) -> Option<Program> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]);
    match () {
        () if head.contains("\"ATIF-") => Some(Program::Atif),
        () if head.contains("\"eval\"") && head.contains("\"version\"") => Some(Program::Inspect),
        () => None,
    }
}
