//! `web_search` and `web_browser`.
//!
//! Offered only in runs that may use the web. The session asks, from outside the sandbox, and holds against the task's
//! blocked addresses; nothing is decided here.

use researchgym_core::action::Action;
use researchgym_core::observation::{Captured, Observation};
use researchgym_core::web::{DEFAULT_RESULTS, MOST_RESULTS};
use schemars::JsonSchema;
use serde::Deserialize;

use super::bench::unexpected;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Bytes of a page's text that are shown at a time.
const PAGE_BYTES: usize = 12 << 10;

/// Searches the web. Gives titles, addresses and excerpts; read a page with `web_browser`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSearch {
    /// What to search for.
    query: String,
    /// Results: 5 unless told, at most 10.
    max_results: Option<u32>,
}

impl Tool for WebSearch {
    const NAME: &'static str = "web_search";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let results = self.max_results.unwrap_or(DEFAULT_RESULTS).clamp(1, MOST_RESULTS);
        let observation = bench.session.step(Action::Search { query: self.query, results }).await?;
        let Observation::Found { results } = observation else { return Ok(unexpected(observation)) };
        if results.is_empty() {
            return Ok(Outcome::done("nothing was found"));
        }
        let shown = results.iter().enumerate().map(|(index, result)| {
            format!("{}. {}\n   {}\n   {}\n", index + 1, result.title, result.url, result.snippet)
        });
        Ok(Outcome::done(shown.collect::<String>()))
    }
}

/// Shows a page of the web as text, a part at a time. No scripts are run and no PDF is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebBrowser {
    /// The whole address, with https://.
    url: String,
    /// Which part of a long text: 1 unless told.
    page: Option<u64>,
}

/// A page that was read: its further parts are shown without reading it again.
#[derive(Clone, Debug)]
pub(in super::super) struct OpenPage {
    /// As it was asked for.
    asked: String,
    /// Where it was.
    url: String,
    status: u16,
    content: Captured,
}

impl Tool for WebBrowser {
    const NAME: &'static str = "web_browser";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let number = self.page.unwrap_or(1).max(1);
        let open = bench.page.clone().filter(|open| number > 1 && open.asked == self.url);
        let open = match open {
            Some(open) => open,
            None => match bench.session.step(Action::Fetch { url: self.url.clone() }).await? {
                Observation::Fetched { status, url, content } => {
                    OpenPage { asked: self.url, url, status, content }
                }
                other => return Ok(unexpected(other)),
            },
        };
        let text = match open.content.blob {
            Some(blob) => String::from_utf8_lossy(&bench.session.blob(blob)?).into_owned(),
            None => open.content.text.clone(),
        };
        let head = match open.status {
            200 => open.url.clone(),
            status => format!("{} (status {status})", open.url),
        };
        *bench.page = Some(open);
        let parts = parts(&text, PAGE_BYTES);
        let part = usize::try_from(number - 1).ok().and_then(|index| parts.get(index));
        Ok(match part {
            Some(part) if part.trim().is_empty() => Outcome::done(format!("{head}\n(no text)")),
            Some(part) => Outcome::done(format!("{head}\nPage {number} of {}\n\n{part}", parts.len())),
            None => Outcome::failed(format!("{head} has {} pages; there is no page {number}", parts.len())),
        })
    }
}

/// A text in parts of at most `longest` bytes, cut at line ends where one is near. At least one.
fn parts(text: &str, longest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > longest {
        let end = rest.floor_char_boundary(longest);
        let line_end = rest[..end].rfind('\n').map(|end| end + 1).filter(|line_end| *line_end > end / 4 * 3);
        let (part, after) = rest.split_at(line_end.unwrap_or(end));
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_are_cut_at_line_ends() {
        assert_eq!(parts("", 8), [""]);
        assert_eq!(parts("short", 8), ["short"]);
        assert_eq!(parts("1234567\n1234567\n12", 9), ["1234567\n", "1234567\n", "12"]);
        assert_eq!(parts("1\n34567890", 8), ["1\n345678", "90"]);
    }

    proptest! {
        #[test]
        fn parts_are_short_and_whole(text in "[a\u{e4}\u{1f600}\n]{0,80}", longest in 4usize..20) {
            let parts = parts(&text, longest);
            prop_assert!(parts.iter().all(|part| part.len() <= longest));
            prop_assert_eq!(parts.concat(), text);
        }
    }
}
