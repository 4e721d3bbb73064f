//! The web for agents: searches and pages, asked for by this program and never from a sandbox.
//!
//! A task's blocked addresses are held against every query, every result, every address and every redirect. Pages come
//! only from public addresses, which are looked at when the connection is made. Nothing here decides whether a run may
//! use the web: that is in its log. Searches and pages are not paid from a run's budget.

mod fetch;
mod guard;
mod html;
mod page;
mod search;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Response};
use researchgym_core::model::redact::Redactor;
use researchgym_core::observation::WebResult;
use researchgym_core::web::Blocklist;

use self::guard::GuardedNames;
pub(crate) use self::guard::is_public;
use self::search::Service;
use crate::model::Variables;

/// Variables that hold keys of search services.
pub(crate) const SEARCH_KEYS: [&str; 2] = ["EXA_API_KEY", "GOOGLE_CSE_API_KEY"];

/// The one address that is read although it is not public, as `127.0.0.1:PORT`: for tests of this program.
pub const TEST_ADDRESS: &str = "RESEARCHGYM_TEST_WEB_ADDRESS";

/// A search or a page may take so long, redirects included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer answers are refused.
const MAX_BYTES: usize = 5 << 20;

/// What is said of a blocked address. No word of which entry it was.
const BLOCKED: &str = "this address is blocked for this task";

/// The way to the web. Shared by all runs of a process.
#[derive(Debug)]
pub struct Web {
    service: Service,
    /// Asks the search service.
    searcher: Client,
    /// Reads pages, from public addresses.
    reader: Client,
    names: GuardedNames,
    redactor: Redactor,
}

/// The web cannot be used as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A variable holds something else than it must.
    #[error("{name}: {problem}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// No client can be made.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// A search or a page that the agent does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the agent is told.
    pub(crate) reason: String,
    /// What only the log is told.
    pub(crate) note: Option<String>,
}

impl Refusal {
    fn of(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), note: None }
    }

    fn blocked() -> Refusal {
        Refusal::of(BLOCKED)
    }
}

/// Results of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) results: Vec<WebResult>,
    /// How many were left out because they are blocked.
    pub(crate) blocked: usize,
}

/// A page as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it was read.
    pub(crate) url: String,
    pub(crate) text: String,
    /// The addresses that led there.
    pub(crate) redirects: Vec<String>,
}

impl Web {
    /// The way to the web, if a search key is set.
    ///
    /// # Errors
    /// Half of what a search service needs is set, or TLS cannot be set up.
    pub fn new(variables: &Variables<'_>) -> Result<Option<Web>, WebError> {
        let Some(service) = Service::of(variables)? else { return Ok(None) };
        let exempt = match variables.get(TEST_ADDRESS) {
            None => None,
            Some((text, _)) => Some(text.parse::<SocketAddr>().map_err(|_| WebError::Variable {
                name: TEST_ADDRESS,
                problem: "is not an address with a port",
            })?),
        };
        let names = GuardedNames { exempt };
        let keys: Vec<String> = keys(variables).collect();
        let redactor = Redactor::new(keys.iter().map(String::as_str).chain(variables.secrets()));
        let searcher = search::client(&service)?;
        let reader = fetch::client(names)?;
        Ok(Some(Web { service, searcher, reader, names, redactor }))
    }

    /// Takes the keys out of texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Searches the web.
    pub(crate) async fn search(
        &self,
        query: &str,
        results: u32,
        blocklist: &Blocklist,
    ) -> Result<Found, Refusal> {
        in_time(search::search(self, query, results, blocklist)).await
    }

    /// Reads a page.
    pub(crate) async fn fetch(&self, url: &str, blocklist: &Blocklist) -> Result<Page, Refusal> {
        in_time(fetch::fetch(self, url, blocklist)).await
    }
}

/// The search keys that are set.
pub(crate) fn keys(variables: &Variables<'_>) -> impl Iterator<Item = String> {
    SEARCH_KEYS.iter().filter_map(|name| variables.get(name)).map(|(key, _)| key.trim().to_owned())
}

async fn in_time<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = |_| Refusal::of(format!("there was no whole answer within {} seconds", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, work).await.map_err(late)?
}

/// The whole answer, if it is not too long.
async fn body(mut response: Response) -> Result<Bytes, Refusal> {
    let long = || Refusal::of(format!("the answer is longer than {} MiB", MAX_BYTES >> 20));
    if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(long());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Refusal::of(cause(&error)))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(long());
        }
    }
    Ok(bytes.into())
}

/// Why a request failed, without its address: there may be a key in it.
fn cause(error: &reqwest::Error) -> String {
    let mut causes = vec!["the connection failed".to_owned()];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let text = error.to_string();
        if !text.contains("://") && !causes.contains(&text) {
            causes.push(text);
        }
        source = error.source();
    }
    shortened(&causes.join(": "), 300)
}

/// The first characters of a text of others, without control characters and on one line.
fn shortened(text: &str, longest: usize) -> String {
    let words: Vec<&str> =
        text.split(|character: char| character.is_whitespace() || character.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
