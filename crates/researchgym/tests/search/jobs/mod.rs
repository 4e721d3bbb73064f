//! Searches whose evaluations are jobs: what clusters do to them, and breaks of the search.

pub(crate) mod bench;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use researchgym_core::event::Ending;
use researchgym_engine::executor::fake::Fault;
use researchgym_engine::executor::{Cause, Cluster as _};
use serde_json::{Value, json};

use self::bench::Bench;
use crate::support::{can_isolate, events, eventually, of_type};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// What became of each evaluation, by its number.
fn outcomes(run: &Path) -> BTreeMap<u64, Value> {
    let events = events(run);
    let evaluated = of_type(&events, "evaluated").into_iter().map(|event| {
        let outcome = &event["outcome"];
        let told = match outcome["type"].as_str().expect("a type") {
            "failed" => outcome["kind"].clone(),
            "broke" => outcome["failure"]["message"].clone(),
            other => json!(other),
        };
        (event["evaluation"].as_u64().expect("a number"), told)
    });
    let evaluated: Vec<(u64, Value)> = evaluated.collect();
    let count = evaluated.len();
    let by_number: BTreeMap<u64, Value> = evaluated.into_iter().collect();
    assert_eq!(by_number.len(), count, "an evaluation ended twice");
    by_number
}

fn folder(run: &Path, evaluation: u64) -> PathBuf {
    run.join(format!("jobs/e{evaluation}"))
}

/// The only run of a world, once there is one.
fn run_of(bench: &Bench) -> PathBuf {
    eventually("a run", || bench.world.runs().into_iter().next())
}

#[test]
fn lost_jobs_are_nobodys_fault_and_their_candidates_are_evaluated_again() {
    if !can_isolate() {
        return;
    }
    let causes = [
        Cause::Cancelled,
        Cause::Preempted,
        Cause::NodeFailed,
        Cause::OutOfMemory,
        Cause::TimeOut,
        Cause::Failed,
        Cause::Vanished,
    ];
    let bench = Bench::new(causes.len() as u64);
    let runtime = runtime();
    let cluster = bench.cluster(1);
    let result = runtime.block_on(async {
        // The baseline has 1 and 2; of each candidate the first is lost, then come its two stages.
        for (index, cause) in causes.into_iter().enumerate() {
            cluster.order(&format!("e{}", 3 + 3 * index), Fault::NeverBegun(cause));
        }
        bench.run(cluster).await
    });
    let run = run_of(&bench);
    let found = outcomes(&run);
    let words = [
        "was cancelled, and not by this program",
        "was preempted and not put back into the queue",
        "was lost with its node",
        "was out of memory before or after the candidate's program worked",
        "met the cluster's time limit",
        "ended without a result",
        "is not known to the cluster any more",
    ];
    assert_eq!(found.len(), 2 + 3 * words.len(), "{found:#?}");
    for (index, words) in (0_u64..).zip(words) {
        let lost = 3 + 3 * index;
        let message = found[&lost].as_str().expect("a message");
        assert!(message.starts_with(&format!("the job of evaluation {lost} {words}: ")), "{message}");
        assert_eq!((&found[&(lost + 1)], &found[&(lost + 2)]), (&json!("passed"), &json!("graded")));
    }
    assert_eq!(result.search.expect("a search").measured, words.len() as u64);
    assert!(!run.join("jobs").exists(), "folders of jobs are left");
}

#[test]
fn what_a_cluster_does_with_a_job_while_it_works_changes_no_outcome() {
    if !can_isolate() {
        return;
    }
    let bench = Bench::new(2).slowed(0.5);
    let runtime = runtime();
    let cluster = bench.cluster(1);
    runtime.block_on(async {
        let running = bench.run(cluster.clone());
        let orders = async {
            let run = tokio::task::block_in_place(|| run_of(&bench));
            let began = |evaluation| folder(&run, evaluation).join("started.0");
            let program = |evaluation| folder(&run, evaluation).join("program");
            // e2 and e4 are the full stages of the baseline and of the first candidate.
            cluster.order("e2", Fault::Requeued(program(2)));
            cluster.order("e3", Fault::Twice);
            cluster.order("e3", Fault::Twice);
            cluster.order("e4", Fault::Lost(Cause::NodeFailed, began(4)));
            cluster.order("e5", Fault::LateResult(Duration::from_millis(300)));
            cluster.order("e6", Fault::Delayed(Duration::from_millis(100)));
            // Of the next candidate, while its program works: its own fault.
            cluster.order("e7", Fault::Lost(Cause::OutOfMemory, program(7)));
        };
        tokio::join!(running, orders)
    });
    let run = run_of(&bench);
    let found = outcomes(&run);
    let lost = found.get(&4).and_then(Value::as_str).unwrap_or_default();
    assert!(lost.starts_with("the job of evaluation 4 was lost with its node: job "), "{found:#?}");
    let fates: Vec<&Value> = found.values().filter(|fate| fate.as_str() != Some(lost)).collect();
    assert_eq!(fates, ["passed", "graded", "passed", "graded", "passed", "out_of_memory"], "{found:#?}");
    let starts = |name: &str| bench.started().iter().filter(|started| *started == name).count();
    let counts: Vec<usize> = ["e1", "e2", "e3", "e4", "e5", "e6", "e7"].map(starts).into();
    assert_eq!(counts, [1, 2, 2, 1, 1, 1, 1]);
    assert!(!run.join("jobs").exists(), "folders of jobs are left");
    bench.world.wait_until_nothing_is_left();
}

#[test]
fn a_search_that_dies_finds_its_jobs_again_and_nothing_runs_twice() {
    if !can_isolate() {
        return;
    }
    let mut bench = Bench::new(6).slowed(0.3);
    bench.search.parallel = 4;
    let runtime = runtime();
    let cluster = bench.cluster(2);
    let (run, before) = runtime.block_on(async {
        let killed = tokio::select! {
            result = bench.run(cluster.clone()) => panic!("it ended before it was killed: {result:?}"),
            killed = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let Some(run) = bench.world.runs().into_iter().next() else { continue };
                    let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
                    let began = log.matches("\"type\":\"evaluation_began\"").count();
                    let works = (3..20).any(|number| folder(&run, number).join("program").exists());
                    if began >= 6 && works {
                        cluster.leave();
                        break run;
                    }
                }
            } => killed,
        };
        let before = of_type(&events(&killed), "evaluation_began").len() as u64;
        (killed, before)
    });
    // One result comes while nobody waits for it.
    eventually("a job that ends alone", || {
        (3..=before).any(|number| folder(&run, number).join("result.json").exists()).then_some(())
    });
    let result = runtime.block_on(bench.resume(&run, bench.cluster(2)));
    assert_eq!(result.ending, Some(Ending::StepLimit), "{result:?}");
    let found = outcomes(&run);
    let numbers: Vec<u64> = found.keys().copied().collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<u64>>());
    assert!(found.values().all(|fate| fate == "passed" || fate == "graded"), "{found:#?}");
    let mut started = bench.started();
    let count = started.len();
    started.sort();
    started.dedup();
    assert_eq!((count, started.len()), (14, 14), "a job was started twice");
    assert!(!run.join("jobs").exists(), "folders of jobs are left");
    bench.world.wait_until_nothing_is_left();
}

#[test]
fn the_queue_is_no_working_time() {
    if !can_isolate() {
        return;
    }
    const HELD: Duration = Duration::from_secs(2);
    let bench = Bench::new(1);
    let runtime = runtime();
    let cluster = bench.cluster(1);
    cluster.open(false);
    let began = Instant::now();
    runtime.block_on(async {
        let opening = async {
            let run = tokio::task::block_in_place(|| run_of(&bench));
            while !folder(&run, 1).join("order.json").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(HELD).await;
            cluster.open(true);
        };
        tokio::join!(bench.run(cluster.clone()), opening)
    });
    let took = began.elapsed();
    let events = events(&run_of(&bench));
    let evaluated = of_type(&events, "evaluated");
    let queued = evaluated[0]["queued_ms"].as_u64().expect("milliseconds");
    assert!(queued >= HELD.as_millis() as u64, "{evaluated:#?}");
    assert!(evaluated[0]["wall_ms"].as_u64().expect("milliseconds") < took.as_millis() as u64 - queued);
    let working = of_type(&events, "run_ended")[0]["working_ms"].as_u64().expect("milliseconds");
    assert!(working <= (took - HELD).as_millis() as u64, "{working} ms of {took:?}");
}

#[test]
fn a_search_that_is_stopped_leaves_no_job() {
    if !can_isolate() {
        return;
    }
    let mut bench = Bench::new(6).slowed(600.0);
    bench.search.parallel = 3;
    let runtime = runtime();
    let cluster = bench.cluster(1);
    let (result, ()) = runtime.block_on(async {
        let stopping = async {
            let run = tokio::task::block_in_place(|| run_of(&bench));
            while !folder(&run, 2).join("program").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bench.cancel.send_replace(true);
        };
        tokio::join!(bench.run(cluster.clone()), stopping)
    });
    let run = run_of(&bench);
    assert_eq!(result.ending, Some(Ending::Cancelled));
    assert_eq!(outcomes(&run), BTreeMap::from([(1, json!("passed")), (2, json!("stopped"))]));
    assert!(!run.join("jobs").exists(), "folders of jobs are left");
    bench.world.wait_until_nothing_is_left();
}
