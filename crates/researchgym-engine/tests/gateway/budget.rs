//! Many callers and little money: the limit holds at every moment, and the books are the provider's bill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use researchgym_core::event::Event;
use researchgym_core::ledger::Ledger;
use researchgym_core::model::Wire;
use researchgym_core::spec::MicroUsd;
use serde_json::json;

use crate::provider::{Provider, Told};
use crate::support::{Gateway, budget, endpoint};

const LIMIT: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_never_spend_more_than_there_is() {
    let bill = Arc::new(AtomicU64::new(0));
    let billed = bill.clone();
    let provider = Provider::start(move |received, before| {
        let cap = received.json()["max_tokens"].as_u64().unwrap();
        // Every third answer takes all that it may, some fail.
        let output = if before % 3 == 0 { cap } else { cap / 4 };
        if before % 7 == 3 {
            return Told::json(400, r#"{"error":{"message":"no"}}"#);
        }
        billed.fetch_add(100 + 3 * output, Ordering::Relaxed);
        let answer = json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "real-model",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": output, "total_tokens": 100 + output},
        });
        Told::json(200, answer.to_string())
    })
    .await;
    let gateway = Arc::new(Gateway::start(endpoint(&provider, Wire::Chat), budget(LIMIT)).await);
    let callers = (0..64).map(|_| {
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let question = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":500}"#;
            let mut answered = 0;
            for _ in 0..5 {
                let answer = gateway.post("/v1/chat/completions", question).send().await.unwrap();
                let status = answer.status().as_u16();
                assert!([200, 400, 402].contains(&status), "{status}");
                answered += u64::from(status == 200);
                answer.bytes().await.unwrap();
            }
            answered
        })
    });
    let mut answered = 0;
    for caller in callers.collect::<Vec<_>>() {
        answered += caller.await.unwrap();
    }
    let books = Arc::into_inner(gateway).unwrap().finish().await;
    let bill = bill.load(Ordering::Relaxed);
    assert!(answered > 5 && bill > 0);
    assert_eq!((books.summary.spent.0, books.summary.held.cost.0), (bill, 0));
    let mut ledger = Ledger::default();
    for event in &books.events {
        match event {
            Event::ModelAsked(asked) => assert!(ledger.reserve(asked.call, asked.hold)),
            Event::ModelCalled(called) => {
                assert!(ledger.settle(called.call, called.cost, called.usage.total()));
            }
            other => panic!("{other:?}"),
        }
        assert!(ledger.spent().0 + ledger.held().cost.0 <= LIMIT);
    }
    assert_eq!(ledger.spent(), MicroUsd(bill));
}
