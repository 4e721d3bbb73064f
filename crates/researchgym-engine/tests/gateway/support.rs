//! A gateway in front of a test's provider, and its books.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::event::{CallOutcome, Event, ModelAsked, ModelCalled};
use researchgym_core::model::retry::RetryPolicy;
use researchgym_core::model::{ModelFacts, Price, Target, Usage, Wire};
use researchgym_core::spec::{Limits, MicroUsd};
use researchgym_engine::gateway::{
    Counting, Listener, Patience, Served, Service, Standalone, Summary, Token, serve, teller,
};
use researchgym_engine::model::{Auth, Backend, Client, Endpoint, Secret};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::provider::Provider;

/// The provider's key, which no client may ever see.
pub(crate) const KEY: &str = "sk-provider-secret-0123456789";
/// The client's key, which no provider may ever see.
pub(crate) const CLIENT_KEY: &str = "client-token-9876543210";

/// One micro-dollar a token of the prompt, three a token of the answer.
pub(crate) const PRICE: Price = Price { input: 1_000_000, output: 3_000_000, ..Price::FREE };

pub(crate) fn unlimited() -> Limits {
    Limits { working_ms: None, steps: None, budget: None, tokens: None }
}

pub(crate) fn budget(micro_usd: u64) -> Limits {
    Limits { budget: Some(MicroUsd(micro_usd)), ..unlimited() }
}

pub(crate) fn endpoint(provider: &Provider, wire: Wire) -> Endpoint {
    let version = if wire == Wire::Gemini { "v1beta" } else { "v1" };
    let auth = match wire {
        Wire::Chat | Wire::Responses => Auth::Bearer,
        Wire::Messages => Auth::Header("x-api-key"),
        Wire::Gemini => Auth::Header("x-goog-api-key"),
    };
    Endpoint {
        target: Target { name: "vllm/real-model".to_owned(), model: "real-model".to_owned() },
        wire,
        base_url: format!("http://{}/{version}", provider.address),
        key: Some(Secret::new(KEY)),
        auth,
        headers: Vec::new(),
        query: Vec::new(),
        facts: ModelFacts { price: Some(PRICE), max_output: Some(1000), ..ModelFacts::default() },
        price_source: "the test".to_owned(),
        request: Default::default(),
        backend: Backend::Http,
    }
}

/// A gateway at work.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    books: JoinHandle<Summary>,
}

/// What a gateway leaves behind.
pub(crate) struct Books {
    pub(crate) summary: Summary,
    pub(crate) events: Vec<Event>,
}

impl Gateway {
    /// One model under every name.
    pub(crate) async fn start(endpoint: Endpoint, limits: Limits) -> Gateway {
        Gateway::serving(Served::one(Arc::new(endpoint)), limits, None).await
    }

    /// Models under their names.
    pub(crate) async fn named(endpoints: &[(&str, &Endpoint)]) -> Gateway {
        let models = endpoints.iter().map(|(name, endpoint)| {
            let mut endpoint = (*endpoint).clone();
            endpoint.target.name = (*name).to_owned();
            ((*name).to_owned(), Arc::new(endpoint))
        });
        let served = Served { models: BTreeMap::from_iter(models), all: None };
        Gateway::serving(served, unlimited(), None).await
    }

    pub(crate) async fn serving(served: Served, limits: Limits, token: Option<Token>) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let (stop, serving, books) = begin(listener, served, limits, token, folder.path(), Patience::USUAL);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Gateway { url, http, folder, stop, serving, books }
    }

    /// One model under every name, before clients that are waited for so long.
    pub(crate) async fn patient(endpoint: Endpoint, patience: Patience) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let served = Served::one(Arc::new(endpoint));
        let (stop, serving, books) = begin(listener, served, unlimited(), None, folder.path(), patience);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Gateway { url, http, folder, stop, serving, books }
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).await.unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.url)).body(body);
        request.header("content-type", "application/json").bearer_auth(CLIENT_KEY)
    }

    /// Ends it when the calls under way are booked.
    pub(crate) async fn finish(self) -> Books {
        self.stop.send(()).unwrap();
        drop(self.http);
        self.serving.await.unwrap();
        let summary = self.books.await.unwrap();
        Books { summary, events: events(self.folder.path()) }
    }
}

pub(crate) fn begin(
    listener: Listener,
    served: Served,
    limits: Limits,
    token: Option<Token>,
    folder: &Path,
    patience: Patience,
) -> (oneshot::Sender<()>, JoinHandle<()>, JoinHandle<Summary>) {
    let (teller, entries) = teller();
    let standalone = Standalone::open(limits, Some(folder)).unwrap();
    let books = tokio::task::spawn_blocking(move || standalone.run(entries));
    let (stop, stopped) = oneshot::channel::<()>();
    // What a client must never be made to wait for in a test.
    let wait = Duration::from_millis(1);
    let retry = RetryPolicy { first_wait: wait, longest_wait: wait, ..RetryPolicy::default() };
    let keep_alive = Duration::from_millis(20);
    let client = Client::new().unwrap();
    let counting = Counting { time: Duration::from_millis(200), in_a_minute: 3 };
    let service =
        Service { served, teller, client, retry, token, keep_alive, may_fetch: false, patience, counting };
    let serving = tokio::spawn(serve(listener, service, async move { drop(stopped.await) }));
    (stop, serving, books)
}

/// The events of a log.
pub(crate) fn events(folder: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(folder.join("calls.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_value(serde_json::from_str::<Value>(line).unwrap()["event"].clone()))
        .collect::<Result<_, _>>()
        .unwrap()
}

impl Books {
    pub(crate) fn asked(&self) -> Vec<&ModelAsked> {
        let asked = self.events.iter().filter_map(|event| match event {
            Event::ModelAsked(asked) => Some(&**asked),
            _ => None,
        });
        asked.collect()
    }

    pub(crate) fn called(&self) -> Vec<&ModelCalled> {
        let called = self.events.iter().filter_map(|event| match event {
            Event::ModelCalled(called) => Some(&**called),
            _ => None,
        });
        called.collect()
    }

    /// The only call: whether it was answered, its usage, whether that was reported, its cost.
    pub(crate) fn only(&self) -> (bool, Usage, bool, u64) {
        let called = self.called();
        assert_eq!(called.len(), 1);
        let called = called[0];
        let is_answered = matches!(called.outcome, CallOutcome::Answered { .. });
        (is_answered, called.usage, called.usage_reported, called.cost.0)
    }
}
