//! Logs that are written and read again by our own reader. What Inspect itself reads of them is tested with it, in `tests/foreign.rs`.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use researchgym_core::import::inspect as import;
use researchgym_core::record::{Cause, Foreign};

use super::*;
use crate::story::samples::{counted, foreign, invalid, rich};

fn head() -> Head {
    Head {
        id: "log1".to_owned(),
        created: "2026-11-25T16:00:00.000Z".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn written(stories: &[Story]) -> Vec<u8> {
    let mut log = LogWriter::new(Cursor::new(Vec::new()), head());
    stories.iter().for_each(|story| log.add(story).unwrap());
    log.finish().unwrap().into_inner()
}

fn members(bytes: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = archive.len();
    let read = |index| {
        let mut member = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (member.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(read).collect()
}

fn read_again(stories: &[Story]) -> Vec<Foreign> {
    let members = members(written(stories));
    let (_, header) = members.iter().find(|(name, _)| name == import::HEADER).unwrap();
    let header = import::header(header).unwrap();
    let samples = members.iter().filter(|(name, _)| import::is_sample(name));
    samples.map(|(_, bytes)| import::sample(&header, bytes).unwrap()).collect()
}

#[test]
fn a_log_has_the_members_of_inspect() {
    let names: Vec<String> =
        members(written(&[rich(), invalid()])).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "_journal/start.json",
        "samples/blotto_epoch_1.json",
        "samples/blotto_epoch_2.json",
        "summaries.json",
        "reductions.json",
        "header.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_written_is_read_again() {
    for (number, story) in [rich(), invalid(), foreign()].into_iter().enumerate() {
        let run = read_again(std::slice::from_ref(&story)).remove(0);
        let (record, expected) = (&run.record, &story.record);
        assert_eq!(record.task, expected.task, "{number}");
        assert_eq!((&record.agent, &record.model), (&expected.agent, &expected.model), "{number}");
        assert_eq!(record.ending.cause, expected.ending.cause, "{number}");
        let attempts = |record: &RunRecord| {
            let attempts = record.attempts.iter();
            attempts
                .map(|attempt| (attempt.metrics.clone(), attempt.invalid.clone(), attempt.after_steps))
                .collect::<Vec<_>>()
        };
        assert_eq!(attempts(record), attempts(expected), "{number}");
        assert_eq!(record.submission, expected.submission, "{number}");
        assert_eq!(
            (record.usage.cost, record.usage.working_ms),
            (expected.usage.cost, expected.usage.working_ms)
        );
        assert_eq!(record.actions.steps, expected.actions.steps, "{number}");
        let steps = |steps: &[researchgym_core::record::StepRecord]| {
            steps
                .iter()
                .map(|step| {
                    (step.tool.clone(), step.thought.clone(), step.observation.clone(), step.is_refused)
                })
                .collect::<Vec<_>>()
        };
        if story.messages.is_none() {
            let told: Vec<_> = steps(&run.steps)
                .into_iter()
                .map(|(tool, thought, seen, is_refused)| {
                    (tool, thought, seen.replace("\nthe call failed", ""), is_refused)
                })
                .collect();
            assert_eq!(told, steps(&story.steps), "{number}");
        }
    }
}

#[test]
fn models_and_their_calls_are_kept() {
    let run = read_again(&[rich()]).remove(0);
    let used = run.record.usage.models["p/m"];
    assert_eq!((used.calls, used.usage), (3, rich().record.usage.models["p/m"].usage));
}

#[test]
fn runs_of_other_tasks_are_refused_and_none_are_no_log() {
    let mut log = LogWriter::new(Cursor::new(Vec::new()), head());
    log.add(&rich()).unwrap();
    let error = log.add(&foreign()).unwrap_err();
    assert_eq!(error.to_string(), "run f1 is of another task, agent or model than the log");
    let empty = LogWriter::new(Cursor::new(Vec::new()), head()).finish();
    assert!(matches!(empty, Err(NotWritten::Empty)));
}

#[test]
fn endings_are_limits_errors_or_neither() {
    for (cause, limit, has_error) in [
        (Cause::Submitted, None, false),
        (Cause::TimeLimit, Some(("working", 12.5)), false),
        (Cause::StepLimit, Some(("turn", 3.0)), false),
        (Cause::Budget, Some(("cost", 0.02)), false),
        (Cause::Failed, None, true),
    ] {
        let mut story = counted(cause);
        story.record.ending.failure = None;
        let told = sample::limit(&story);
        let told =
            told.as_ref().map(|limit| (limit["type"].as_str().unwrap(), limit["limit"].as_f64().unwrap()));
        assert_eq!((told, sample::error(&story.record).is_some()), (limit, has_error), "{cause:?}");
    }
}

#[test]
fn names_are_plain() {
    let common = Common::of(&rich().record);
    assert_eq!(file_name(&common, &head()), "2026-11-25T16-00-00-000Z_blotto_log1.eval");
}
