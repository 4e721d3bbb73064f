//! The search services, and what is let through of their results.
//!
//! Exa: `POST BASE/search` with the key in `x-api-key`. Google Programmable Search: `GET BASE` with `key`, `cx`, `q` and
//! `num`. What a task blocks is never told to a service.

use std::sync::Arc;

use reqwest::{Client, RequestBuilder, Url};
use researchgym_core::observation::WebResult;
use researchgym_core::web::{Address, Blocklist, MOST_RESULTS};
use serde::Deserialize;
use serde_json::json;

use super::{Found, Refusal, TIMEOUT, Web, WebError, body, cause, shortened};
use crate::dataset::SystemNames;
use crate::model::{Secret, Variables, is_loopback};

const EXA: &str = "https://api.exa.ai";
const GOOGLE: &str = "https://www.googleapis.com/customsearch/v1";

const LONGEST_QUERY: usize = 2000;
/// Characters of a result that are shown.
const LONGEST_TITLE: usize = 150;
/// See [`LONGEST_TITLE`].
const LONGEST_SNIPPET: usize = 400;

/// Whom a search is asked of.
#[derive(Clone, Debug)]
pub(super) enum Service {
    Exa { base: Url, key: Secret },
    Google { base: Url, key: Secret, engine: String },
}

impl Service {
    /// The first one whose key is set.
    pub(super) fn of(variables: &Variables<'_>) -> Result<Option<Service>, WebError> {
        if let Some((key, _)) = variables.get("EXA_API_KEY") {
            let base = base(variables, "EXA_BASE_URL", EXA)?;
            return Ok(Some(Service::Exa { base, key: secret("EXA_API_KEY", &key)? }));
        }
        let Some((key, _)) = variables.get("GOOGLE_CSE_API_KEY") else { return Ok(None) };
        let Some((engine, _)) = variables.get("GOOGLE_CSE_ID") else {
            let problem = "is not set, but GOOGLE_CSE_API_KEY is; both are needed";
            return Err(WebError::Variable { name: "GOOGLE_CSE_ID", problem });
        };
        let base = base(variables, "GOOGLE_CSE_BASE_URL", GOOGLE)?;
        let engine = engine.trim().to_owned();
        Ok(Some(Service::Google { base, key: secret("GOOGLE_CSE_API_KEY", &key)?, engine }))
    }

    fn base(&self) -> &Url {
        match self {
            Service::Exa { base, .. } | Service::Google { base, .. } => base,
        }
    }

    fn request(&self, client: &Client, query: &str, results: u32) -> RequestBuilder {
        match self {
            Service::Exa { base, key } => {
                let question = json!({
                    "query": query,
                    "numResults": results,
                    "contents": { "text": { "maxCharacters": LONGEST_SNIPPET } },
                });
                let url = format!("{}/search", base.as_str().trim_end_matches('/'));
                client
                    .post(url)
                    .header("x-api-key", key.expose())
                    .header(reqwest::header::CONTENT_TYPE, "application/json")
                    .body(question.to_string())
            }
            Service::Google { base, key, engine } => {
                let mut url = base.clone();
                url.query_pairs_mut()
                    .append_pair("key", key.expose())
                    .append_pair("cx", engine)
                    .append_pair("q", query)
                    .append_pair("num", &results.to_string());
                client.get(url)
            }
        }
    }

    /// The results of an answer, in order.
    fn results(&self, answer: &[u8]) -> Result<Vec<WebResult>, serde_json::Error> {
        Ok(match self {
            Service::Exa { .. } => {
                let answer: ExaAnswer = serde_json::from_slice(answer)?;
                let result = |found: ExaResult| WebResult {
                    title: found.title.unwrap_or_default(),
                    url: found.url,
                    snippet: found.text.unwrap_or_default(),
                };
                answer.results.into_iter().map(result).collect()
            }
            Service::Google { .. } => {
                let answer: GoogleAnswer = serde_json::from_slice(answer)?;
                let result = |found: GoogleItem| WebResult {
                    title: found.title,
                    url: found.link,
                    snippet: found.snippet,
                };
                answer.items.into_iter().map(result).collect()
            }
        })
    }
}

#[derive(Deserialize)]
struct ExaAnswer {
    results: Vec<ExaResult>,
}

#[derive(Deserialize)]
struct ExaResult {
    title: Option<String>,
    url: String,
    text: Option<String>,
}

/// Without `items` if nothing was found.
#[derive(Deserialize)]
struct GoogleAnswer {
    #[serde(default)]
    items: Vec<GoogleItem>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct GoogleItem {
    title: String,
    link: String,
    snippet: String,
}

/// A client for the service. Proxy settings of the environment are followed, except for loopback addresses.
pub(super) fn client(service: &Service) -> Result<Client, reqwest::Error> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("researchgym/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(SystemNames));
    if is_loopback(service.base().as_str()) { builder.no_proxy() } else { builder }.build()
}

pub(super) async fn search(
    web: &Web,
    query: &str,
    results: u32,
    blocklist: &Blocklist,
) -> Result<Found, Refusal> {
    if query.trim().is_empty() || query.len() > LONGEST_QUERY {
        return Err(Refusal::of(format!("a query must not be empty or longer than {LONGEST_QUERY} bytes")));
    }
    if blocklist.is_named_in(query) {
        return Err(Refusal::blocked());
    }
    let results = results.clamp(1, MOST_RESULTS);
    let sent = web.service.request(&web.searcher, query, results).send().await;
    let response = sent.map_err(|error| Refusal::of(format!("the search service: {}", cause(&error))))?;
    let status = response.status();
    if !status.is_success() {
        // What it says beyond that may hold our key.
        return Err(Refusal::of(format!("the search service answered with status {}", status.as_u16())));
    }
    let answer = body(response).await?;
    let found = web.service.results(&answer);
    let found = found.map_err(|_| Refusal::of("the search service's answer cannot be understood"))?;
    let mut blocked = 0;
    let mut shown = Vec::new();
    for result in found {
        // One that could not be read is of no use either.
        let Ok(address) = Address::parse(&result.url) else { continue };
        if blocklist.blocks(&address) {
            blocked += 1;
            continue;
        }
        let text = |text: &str, longest| shortened(&web.redactor.redact(text), longest);
        shown.push(WebResult {
            title: text(&result.title, LONGEST_TITLE),
            url: web.redactor.redact(&address.to_string()).into_owned(),
            snippet: text(&result.snippet, LONGEST_SNIPPET),
        });
    }
    shown.truncate(results as usize);
    Ok(Found { results: shown, blocked })
}

fn base(variables: &Variables<'_>, name: &'static str, default: &str) -> Result<Url, WebError> {
    let text = variables.get(name).map_or_else(|| default.to_owned(), |(text, _)| text);
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or(WebError::Variable { name, problem: "is not an http or https address" })
}

fn secret(name: &'static str, key: &str) -> Result<Secret, WebError> {
    let key = key.trim();
    match key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(key)),
        false => Err(WebError::Variable { name, problem: "holds characters that no key has" }),
    }
}
