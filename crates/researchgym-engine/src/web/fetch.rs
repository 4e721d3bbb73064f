//! Reading one page: redirects are followed by hand, and each step is looked at before it is taken.

use reqwest::header::{ACCEPT, CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response};
use researchgym_core::web::{Address, Blocklist};

use super::guard::{GuardedNames, NOT_PUBLIC, NotPublic};
use super::{Page, Refusal, TIMEOUT, Web, body, cause, page};

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;

/// A client that connects to public addresses alone: no proxy, which would resolve names itself.
pub(super) fn client(names: GuardedNames) -> Result<Client, reqwest::Error> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("researchgym/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .dns_resolver(std::sync::Arc::new(names))
        .build()
}

pub(super) async fn fetch(web: &Web, url: &str, blocklist: &Blocklist) -> Result<Page, Refusal> {
    let mut address = Address::parse(url).map_err(|error| Refusal::of(error.to_string()))?;
    let mut redirects = Vec::new();
    loop {
        admit(web, &address, blocklist).map_err(|refusal| noted(refusal, &redirects, &address))?;
        let response = send(web, &address).await.map_err(|refusal| noted(refusal, &redirects, &address))?;
        let Some(location) = location(&response) else {
            let text = text(response, &address, web)
                .await
                .map_err(|refusal| noted(refusal, &redirects, &address))?;
            return Ok(Page { redirects, url: address.to_string(), ..text });
        };
        redirects.push(address.to_string());
        if redirects.len() > MOST_REDIRECTS {
            let refusal = Refusal::of(format!("it was redirected more than {MOST_REDIRECTS} times"));
            return Err(noted(refusal, &redirects, &address));
        }
        address = match address.join(&location) {
            Ok(next) => next,
            Err(error) => {
                let refusal = Refusal::of(format!("it was redirected, but {error}"));
                return Err(noted(refusal, &redirects, &address));
            }
        };
    }
}

/// Looks at an address before anything is sent.
fn admit(web: &Web, address: &Address, blocklist: &Blocklist) -> Result<(), Refusal> {
    if blocklist.blocks(address) {
        return Err(Refusal::blocked());
    }
    match web.names.refusal(address) {
        Some(reason) => Err(Refusal::of(reason)),
        None => Ok(()),
    }
}

/// The log is told where redirects led.
fn noted(refusal: Refusal, redirects: &[String], address: &Address) -> Refusal {
    let note = (!redirects.is_empty()).then(|| format!("{} -> {address}", redirects.join(" -> ")));
    Refusal { note, ..refusal }
}

async fn send(web: &Web, address: &Address) -> Result<Response, Refusal> {
    let request = web.reader.get(address.url().clone()).header(ACCEPT, "text/html,text/*;q=0.9,*/*;q=0.5");
    request.send().await.map_err(|error| match is_not_public(&error) {
        true => Refusal::of(NOT_PUBLIC),
        false => Refusal::of(cause(&error)),
    })
}

fn is_not_public(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<NotPublic>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn location(response: &Response) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

async fn text(response: Response, address: &Address, web: &Web) -> Result<Page, Refusal> {
    let status = response.status().as_u16();
    let header = |name| {
        response.headers().get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok())
    };
    if let Some(encoding) =
        header(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(Refusal::of(format!("the answer is compressed ({})", super::shortened(encoding, 40))));
    }
    let kind = page::Kind::of(header(reqwest::header::CONTENT_TYPE)).map_err(Refusal::of)?;
    let bytes = body(response).await?;
    let base = address.clone();
    // Long pages take a while.
    let made = tokio::task::spawn_blocking(move || kind.text(&bytes, &base)).await;
    let text = made.map_err(|_| Refusal::of("the page cannot be made into text"))?.map_err(Refusal::of)?;
    let text = web.redactor.redact(&text).into_owned();
    Ok(Page { status, url: address.to_string(), text, redirects: Vec::new() })
}
