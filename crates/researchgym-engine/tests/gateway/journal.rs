//! The folder of a gateway by itself, across its deaths.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::task::{Context, Waker};

use researchgym_core::event::Event;
use researchgym_core::ledger::Hold;
use researchgym_core::model::{Usage, Wire};
use researchgym_core::spec::MicroUsd;
use researchgym_engine::gateway::{Asked, Booked, JournalError, Settled, Standalone, teller};

use crate::provider::{Provider, Told};
use crate::support::{budget, endpoint, events, unlimited};

async fn asked(body: &str) -> Asked {
    let provider = Provider::start(|_, _| Told::json(200, "")).await;
    Asked {
        endpoint: Arc::new(endpoint(&provider, Wire::Chat)),
        named: "m".to_owned(),
        dialect: Wire::Chat,
        body: body.to_owned().into(),
        input_bound: 100,
        output_wanted: Some(300),
        retry_of: None,
    }
}

fn settled(call: u64, body: &str) -> Settled {
    let bytes = body.to_owned().into();
    Settled {
        call,
        outcome: Booked::Answered { bytes, stop: researchgym_core::model::Stop::EndTurn },
        cost: MicroUsd(130),
        usage: Usage { input: 100, output: 10, ..Usage::default() },
        usage_reported: true,
        attempts: 1,
        waited_ms: 0,
        latency_ms: 7,
        first_byte_ms: Some(3),
    }
}

#[tokio::test]
async fn calls_that_were_under_way_are_booked_at_their_hold_and_the_totals_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(10_000);
    let (teller, entries) = teller();
    let standalone = Standalone::open(budget(5000), Some(folder.path())).unwrap();
    let books = tokio::task::spawn_blocking(move || standalone.run(entries));
    assert_eq!(teller.ask(asked(&long).await).await.unwrap().call, 1);
    assert_eq!(teller.ask(asked("short").await).await.unwrap().call, 2);
    teller.settle(settled(1, &long)).await;
    // As if it died here: nothing more is written, and a half-written line is left.
    drop(teller);
    let summary = books.await.unwrap();
    assert_eq!((summary.spent, summary.held), (MicroUsd(130), Hold { cost: MicroUsd(1000), tokens: 400 }));
    let log = folder.path().join("calls.jsonl");
    let whole = fs::read(&log).unwrap();
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"{\"time\":\"2026-01").unwrap();

    let standalone = Standalone::open(budget(5000), Some(folder.path())).unwrap();
    assert!(matches!(Standalone::open(unlimited(), Some(folder.path())), Err(JournalError::InUse(_))));
    let summary = standalone.summary();
    assert_eq!((summary.calls, summary.failed, summary.spent), (2, 1, MicroUsd(1130)));
    assert_eq!(summary.held, Hold::default());
    drop(standalone);
    assert_eq!(fs::read(folder.path().join("calls.torn")).unwrap(), b"{\"time\":\"2026-01\n");
    assert!(fs::read(&log).unwrap().starts_with(&whole));
    assert_eq!(events(folder.path()).last(), Some(&Event::ModelLost { call: 2 }));
    let blobs: Vec<_> = fs::read_dir(folder.path().join("blobs")).unwrap().collect();
    assert_eq!(blobs.len(), 1, "the same bytes are kept once");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_log_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls.jsonl");
    for text in ["no event\n", "{\"time\":\"t\",\"event\":{\"type\":\"model_lost\",\"call\":1}}\n"] {
        fs::write(&log, text).unwrap();
        let refused = Standalone::open(unlimited(), Some(folder.path())).err().unwrap();
        assert!(refused.to_string().contains("calls.jsonl:1: "), "{refused}");
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
    }
}

#[tokio::test]
async fn nothing_is_set_aside_for_somebody_who_is_gone() {
    let (teller, entries) = teller();
    let standalone = Standalone::open(budget(1000), None).unwrap();
    let abandoned = asked("one").await;
    let mut asking = Box::pin(teller.ask(abandoned));
    // The question is on its way, and whoever asked is gone before there is an answer.
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(asking);
    let books = tokio::task::spawn_blocking(move || standalone.run(entries));
    assert_eq!(teller.ask(asked("two").await).await.map(|granted| granted.call), Ok(1));
    drop(teller);
    assert_eq!(books.await.unwrap().held.cost, MicroUsd(1000));
}
