//! Clients that hang up and providers that break off: everything is booked.

use std::sync::Arc;

use bytes::Bytes;
use researchgym_core::model::{FailureKind, Usage, Wire};
use tokio::sync::Notify;

use crate::provider::{Provider, Step, Told};
use crate::support::{Gateway, endpoint, unlimited};
use crate::wires::{TALKS, talk};

/// The stream up to the end of its second event (of its first where there are only two), and the rest.
fn halves(stream: &'static str) -> (&'static str, &'static str) {
    let ends: Vec<usize> = stream.match_indices("\n\n").map(|(at, end)| at + end.len()).collect();
    let first = stream.find("\r\n\r\n").map(|at| at + 4);
    stream.split_at(ends.get(1).copied().or(first).unwrap())
}

#[tokio::test]
async fn when_a_client_hangs_up_the_answer_is_read_to_its_end_for_the_books() {
    for talk in &TALKS {
        let go_on = Arc::new(Notify::new());
        let (first, rest) = halves(talk.answers[1]);
        let waits = go_on.clone();
        let provider = Provider::start(move |_, _| {
            let told = Told::events(first, 100_000).with(Step::Wait(waits.clone()));
            told.with(Step::Bytes(Bytes::from_static(rest.as_bytes())))
        })
        .await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let mut answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
        answer.chunk().await.unwrap().unwrap();
        drop(answer);
        go_on.notify_one();
        let books = gateway.finish().await;
        assert_eq!(books.only(), (true, talk.usage, true, 27), "{}", talk.wire.name());
    }
}

#[tokio::test]
async fn when_a_client_that_waits_hangs_up_the_answer_is_booked_too() {
    let talk = talk(Wire::Chat);
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (asked.clone(), go_on.clone());
    let provider = Provider::start(move |_, _| {
        let mut told = Told::json(200, talk.answers[0]);
        told.steps.insert(0, Step::Wait(waits.clone()));
        told.steps.insert(0, Step::Tell(tells.clone()));
        told
    })
    .await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let waiting = tokio::spawn(gateway.post(talk.paths[0], talk.questions[0]).send());
    asked.notified().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    assert_eq!(gateway.finish().await.only(), (true, talk.usage, true, 27));
}

#[tokio::test]
async fn a_stream_that_breaks_is_booked_by_what_has_come_and_the_client_is_cut_off() {
    for talk in &TALKS {
        let (first, _) = halves(talk.answers[1]);
        let provider = Provider::start(move |_, _| Told::events(first, 100_000).with(Step::Cut)).await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let mut answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
        let mut come = Vec::new();
        let end = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => come.extend_from_slice(&chunk),
                end => break end,
            }
        };
        assert!(end.is_err(), "an end would look as if the answer were whole");
        assert_eq!(come, first.as_bytes());
        assert_eq!(provider.received().len(), 1, "it is not asked again");
        let books = gateway.finish().await;
        let hold = books.asked()[0].hold;
        let bound = Usage { input: hold.tokens - 20, ..Usage::default() };
        // Messages and Gemini tell the prompt at once; output is what was reported or came, if that is more.
        let (usage, cost) = match talk.wire {
            Wire::Chat => (Usage { output: 3, ..bound }, bound.input + 9),
            Wire::Responses => (Usage { output: 6, ..bound }, bound.input + 18),
            Wire::Messages => (Usage { input: 12, output: 1, ..Usage::default() }, 15),
            Wire::Gemini => (Usage { input: 12, output: 3, ..Usage::default() }, 21),
        };
        let wire = talk.wire.name();
        assert_eq!(books.only(), (false, usage, false, cost), "{wire}");
        let failed = &books.called()[0].outcome;
        let researchgym_core::event::CallOutcome::Failed { failure } = failed else { panic!("{failed:?}") };
        assert_eq!(failure.kind, FailureKind::BrokenStream, "{failure:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_an_answer_is_booked_at_the_bounds_and_not_sent_again() {
    for talk in &TALKS {
        let provider = Provider::start(|_, _| Told::json(200, "")).await;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut hangs_up = endpoint(&provider, talk.wire);
        let there = provider.address.to_string();
        hangs_up.base_url = hangs_up.base_url.replace(&there, &listener.local_addr().unwrap().to_string());
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                // Something of the request has come.
                tokio::io::AsyncReadExt::read_u8(&mut connection).await.unwrap();
            }
        });
        let gateway = Gateway::start(hangs_up, unlimited()).await;
        let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
        assert_eq!(answer.status(), 502);
        let books = gateway.finish().await;
        let hold = books.asked()[0].hold;
        let usage = Usage { input: hold.tokens - 20, output: 20, ..Usage::default() };
        assert_eq!(books.only(), (false, usage, false, hold.cost.0), "{}", talk.wire.name());
        let researchgym_core::event::CallOutcome::Failed { failure } = &books.called()[0].outcome else {
            panic!("{:?}", books.called()[0].outcome)
        };
        assert_eq!(failure.kind, FailureKind::BrokenStream);
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn an_error_in_place_of_a_stream_costs_nothing_and_passes() {
    let talk = talk(Wire::Messages);
    let stream = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let provider = Provider::start(move |_, _| Told::events(stream, 10)).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), stream);
    assert_eq!(gateway.finish().await.only(), (false, Usage::default(), true, 0));
}

#[tokio::test]
async fn a_gateway_that_ends_finishes_what_is_under_way() {
    let talk = talk(Wire::Chat);
    let go_on = Arc::new(Notify::new());
    let (first, rest) = halves(talk.answers[1]);
    let waits = go_on.clone();
    let provider = Provider::start(move |_, _| {
        let told = Told::events(first, 100_000).with(Step::Wait(waits.clone()));
        told.with(Step::Bytes(Bytes::from_static(rest.as_bytes())))
    })
    .await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let url = gateway.url.clone();
    let mut answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), first);
    let finishing = tokio::spawn(gateway.finish());
    // It takes no new connection from now on.
    while tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert_eq!(answer.text().await.unwrap(), rest);
    assert_eq!(finishing.await.unwrap().only(), (true, talk.usage, true, 27));
}
