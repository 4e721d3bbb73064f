//! What runs leave and what sandboxes send: event logs, graders' lines, guests' frames, and the records of others.

use researchgym_core::chain;
use researchgym_core::grading::Verdict;
use researchgym_core::import as foreign;
use researchgym_core::import::{mlgym, recorded, researchgym_seed};
use researchgym_core::inspect;
use researchgym_core::record::{Foreign, RunRecord};
use researchgym_core::score::Direction;
use researchgym_core::state::RunState;
use researchgym_core::task::Metric;
use researchgym_core::wire::{Decoder, Frame, FromGuest, ToGuest};

use crate::choice;

/// Lines of `events.jsonl`, folded whether or not they are chained. A line that is read is read again from how we write
/// it.
pub fn event_log(data: &[u8]) -> bool {
    let mut state: Option<RunState> = None;
    for bytes in data.split(|&byte| byte == b'\n') {
        let Ok(line) = chain::parse_line(bytes) else { continue };
        if let Ok((text, _)) = chain::encode_line(&line) {
            assert_eq!(chain::parse_line(&text).expect("we read what we write"), line);
        }
        match &mut state {
            None => state = RunState::start(&line).ok(),
            Some(state) => {
                if state.apply(&line).is_err() {
                    return false;
                }
                let _ = (state.used(), state.best(), state.integrity(), state.wall_ms(None));
            }
        }
    }
    state.is_some_and(|state| state.ended.is_some())
}

/// What a grader says on its control channel: a score has exactly the task's metrics, all finite.
pub fn grader_output(data: &[u8]) -> bool {
    let metric = |name: &str| Metric {
        name: name.to_owned(),
        direction: Direction::Maximize,
        primary: name == "score",
        description: None,
    };
    let mut verdict = Verdict::new(&[metric("score"), metric("rmse")]);
    for line in data.split(|&byte| byte == b'\n') {
        if verdict.line(line).is_err() {
            return false;
        }
    }
    let Ok(score) = verdict.finish() else { return false };
    if score.invalid.is_none() {
        let names: Vec<&str> = score.metrics.keys().map(String::as_str).collect();
        assert_eq!(names, ["rmse", "score"]);
        assert!(score.metrics.values().all(|value| value.is_finite()));
    }
    true
}

/// What a guest sends, and what it is sent: the frames do not depend on how the bytes were cut.
pub fn guest_frames(data: &[u8]) -> bool {
    let (cut, bytes) = choice(data);
    let whole = frames(bytes.chunks(bytes.len().max(1)));
    assert_eq!(frames(bytes.chunks(usize::from(cut).max(1))), whole);
    whole.1
}

/// The frames, and whether all of it was understood.
fn frames<'d>(chunks: impl Iterator<Item = &'d [u8]>) -> (Vec<String>, bool) {
    let (mut decoder, mut seen, mut all) = (Decoder::default(), Vec::new(), true);
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    all &= is_understood(&frame);
                    seen.push(format!("{frame:?}"));
                }
                Ok(None) => break,
                Err(_) => return (seen, false),
            }
        }
    }
    (seen, all)
}

fn is_understood(frame: &Frame<'_>) -> bool {
    match frame {
        Frame::Control(json) => {
            serde_json::from_slice::<FromGuest>(json).is_ok()
                || serde_json::from_slice::<ToGuest>(json).is_ok()
        }
        Frame::Raw { .. } => true,
    }
}

/// A trajectory of MLGym: what is read can be inspected, and a finding names events that exist.
pub fn mlgym_trajectory(data: &[u8]) -> bool {
    let Ok(trajectory) = mlgym::parse(data, "battleOfSexes") else { return false };
    for finding in inspect::inspect(&trajectory) {
        assert!(finding.events.iter().all(|event| *event <= trajectory.last_event), "{finding:?}");
        assert!((0.0..=1.0).contains(&finding.confidence), "{finding:?}");
    }
    true
}

/// A run folder of MLGym: what stands before a NUL byte is `results.json`, what stands behind it the trajectory; each may be empty.
/// A record is written and read again, its steps have their numbers, and the rules can look at them.
pub fn mlgym_record(data: &[u8]) -> bool {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (results, trajectory) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let given = |bytes| Some(bytes).filter(|bytes: &&[u8]| !bytes.is_empty());
    match mlgym::record(given(results), given(trajectory), "small__blotto__default__x_run_1") {
        Ok(run) => kept(run),
        Err(_) => false,
    }
}

/// A run folder of the first ResearchGym. The first byte says which file the rest is.
pub fn researchgym_seed(data: &[u8]) -> bool {
    const NAMES: [&str; 5] = [
        "transcript.json",
        "logs/transcript.json",
        "logs/codex_output.jsonl",
        "logs/cost_summary.json",
        "metadata.json",
    ];
    let (first, rest) = choice(data);
    let mut files = researchgym_seed::Files::from([("metadata.json".to_owned(), b"{}".to_vec())]);
    files.insert(NAMES[usize::from(first) % NAMES.len()].to_owned(), rest.to_vec());
    match researchgym_seed::record("0123abcd", &files) {
        Ok(run) => kept(run),
        Err(_) => false,
    }
}

/// A record is the same when it is written and read again, and the rules find nothing outside its steps.
fn kept(run: Foreign) -> bool {
    whole(&run);
    let Foreign { record, steps } = run;
    let written = serde_json::to_string(&record).expect("a record can be written");
    assert_eq!(serde_json::from_str::<RunRecord>(&written).expect("it can be read again"), record);
    let trajectory = recorded(&record, steps.into_iter());
    let findings = inspect::inspect(&trajectory);
    assert!(findings.iter().flat_map(|finding| &finding.events).all(|event| *event <= trajectory.last_event));
    true
}

/// A log of Inspect in one piece, or a sample of one: attempts and steps count from 1, and metrics are finite.
pub fn inspect_log(data: &[u8]) -> bool {
    let mut all = true;
    let end = foreign::inspect::log(data, &mut |run| match run {
        Ok(run) => whole(&run),
        Err(_) => all = false,
    });
    end.is_ok() && all
}

/// A trajectory of Harbor, with the trial's result behind a line of its own if there is one.
pub fn atif_trajectory(data: &[u8]) -> bool {
    let mut parts = data.splitn(2, |&byte| byte == b'\n');
    let trial = foreign::atif::Trial {
        trajectory: parts.next().unwrap_or_default(),
        result: parts.next().filter(|result| !result.is_empty()),
        ..foreign::atif::Trial::default()
    };
    let Ok(run) = foreign::atif::read(trial, "task") else { return false };
    whole(&run);
    true
}

/// Programs of an OpenEvolve checkpoint, one a line.
pub fn openevolve_programs(data: &[u8]) -> bool {
    let mut checkpoint = foreign::openevolve::Checkpoint::default();
    let mut all = true;
    for line in data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        all &= checkpoint.program(line).is_ok();
        all &= checkpoint.metadata(line).is_ok();
    }
    whole(&checkpoint.finish("task"));
    all
}

/// Files of a search over ideas: the first byte says which, the rest is read as that and as rows.
pub fn idea_search(data: &[u8]) -> bool {
    use foreign::ideas::{File, Ideas};
    let (which, bytes) = choice(data);
    let file = match which {
        b'i' => File::Ideas { epoch: 0 },
        b'd' => File::Database,
        b'r' => File::Ranked { epoch: 0 },
        b'm' => File::Metrics { epoch: 0, idea: 0 },
        _ => File::Diff { epoch: 0, idea: 0 },
    };
    let mut search = Ideas::default();
    let is_read = search.file(file, bytes).is_ok();
    let _ = search.rows(bytes);
    whole(&search.finish("task"));
    is_read
}

/// What every imported run keeps to.
fn whole(run: &Foreign) {
    let numbers = run.steps.iter().map(|step| step.number);
    assert!(numbers.eq(1..=run.steps.len() as u64));
    assert_eq!(run.record.actions.steps.chars().count(), run.steps.len());
    for attempt in &run.record.attempts {
        assert!(attempt.metrics.values().all(|value| value.is_finite()), "{attempt:?}");
        assert!(attempt.invalid.is_none() || attempt.metrics.is_empty(), "{attempt:?}");
    }
    let submission = run.record.submission;
    assert!(
        submission.is_none_or(|number| run.record.attempts.iter().any(|attempt| attempt.number == number))
    );
}
