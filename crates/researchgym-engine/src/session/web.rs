//! Searches and pages of the web: asked for by this program, held against what the task blocks, and all in the log.

use std::sync::Arc;

use researchgym_core::event::Event;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::observation::Observation;
use researchgym_core::web::Blocklist;

use super::{Session, Stop, kept};
use crate::sandbox::Capture;
use crate::web::{Found, Page, Refusal, Web};

/// The way to the web, and what of it is blocked.
struct Access {
    web: Arc<Web>,
    blocklist: Blocklist,
}

impl Session {
    pub(super) async fn search(
        &mut self,
        action_id: u64,
        query: &str,
        results: u32,
    ) -> Result<Observation, Stop> {
        let Access { web, blocklist } = match self.web_access()? {
            Ok(access) => access,
            Err(reason) => return Ok(Observation::Refused { reason: reason.to_owned() }),
        };
        let found = self.attend_until(web.search(query, results, &blocklist)).await;
        let Found { results, blocked } = match self.answered(action_id, found)? {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        if blocked > 0 {
            let text =
                format!("action {action_id}: {blocked} results were left out, as the task blocks them");
            self.recorder.append(Event::Noted { text })?;
        }
        Ok(Observation::Found { results })
    }

    pub(super) async fn fetch(&mut self, action_id: u64, url: &str) -> Result<Observation, Stop> {
        let Access { web, blocklist } = match self.web_access()? {
            Ok(access) => access,
            Err(reason) => return Ok(Observation::Refused { reason: reason.to_owned() }),
        };
        let page = self.attend_until(web.fetch(url, &blocklist)).await;
        let Page { status, url, text, redirects } = match self.answered(action_id, page)? {
            Ok(page) => page,
            Err(refused) => return Ok(refused),
        };
        if !redirects.is_empty() {
            let text = format!("action {action_id} was redirected: {} -> {url}", redirects.join(" -> "));
            self.recorder.append(Event::Noted { text })?;
        }
        let mut capture = Capture::new(self.recorder.blobs.folder());
        capture.stdout.push(text.as_bytes());
        Ok(Observation::Fetched { status, url, content: kept(capture)?.0 })
    }

    /// The way to the web, or why this run has none. What the log says decides, not what is set up today.
    fn web_access(&self) -> Result<Result<Access, &'static str>, Failure> {
        let started = &self.recorder.state.started;
        if !started.task.network.web {
            return Ok(Err("this task does not allow the web"));
        }
        if !started.spec.web {
            return Ok(Err("the web cannot be used in this run: no search key was set when it began"));
        }
        let Some(web) = self.web.clone() else {
            return Ok(Err("the web cannot be used now: no search key is set"));
        };
        let blocklist = Blocklist::parse(&started.task.network.blocked_urls).map_err(|(index, error)| {
            Failure::new(Boundary::Task, format!("network.blocked_urls, entry {}: {error}", index + 1))
        })?;
        Ok(Ok(Access { web, blocklist }))
    }

    /// What came of it, or what the agent is told instead.
    fn answered<T>(
        &mut self,
        action_id: u64,
        outcome: Result<Result<T, Refusal>, Stop>,
    ) -> Result<Result<T, Observation>, Stop> {
        let Refusal { reason, note } = match outcome {
            Ok(Ok(answer)) => return Ok(Ok(answer)),
            Ok(Err(refusal)) => refusal,
            Err(Stop::Ended(_)) => {
                Refusal { reason: "the run ended while this was under way".to_owned(), note: None }
            }
            Err(failed) => return Err(failed),
        };
        if let Some(note) = note {
            self.recorder
                .append(Event::Noted { text: format!("action {action_id} was redirected: {note}") })?;
        }
        Ok(Err(Observation::Refused { reason }))
    }
}
