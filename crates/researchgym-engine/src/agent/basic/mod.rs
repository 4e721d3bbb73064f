//! `basic-agent`: a language model with tools, in a loop.
//!
//! Deterministic: everything it decides follows from what the session's actions and answers gave, so a resumed run is
//! answered from its record up to where it broke off. It uses no clock, no randomness and no file of the host.

mod context;
mod notices;
mod opening;
mod output;
mod patience;
mod prompts;
mod tools;

use researchgym_core::action::Action;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::{
    Conversation, Input, Message, Reply, RequestSettings, Stop as ReplyStop, ToolChoice, ToolResult,
};
use researchgym_core::spec::{BasicMode, BasicSpec};
use serde_json::json;

use self::notices::{Alarms, Level, STATUS_EVERY, Standing};
use self::opening::Opening;
use self::patience::{MOST_REPEATED_CALLS, Patience, Verdict};
use self::prompts::{Prompt, Prompts};
pub(crate) use self::tools::tool_schema;
use self::tools::{Bench, Handled, OpenPage};
use super::GivesUp;
use crate::session::{Answer, Notice, Session, Stop};

/// A full context is pruned so often for one question; then long messages are clipped.
const MOST_PRUNINGS: u32 = 5;
/// What long messages are clipped to, one after the other.
const CLIPPED_TO: [usize; 3] = [16 << 10, 4 << 10, 1 << 10];
/// A conversation is not handed over before so many answers: its opening alone may be long.
const LEAST_ANSWERS: usize = 4;

/// So many characters of what is wrong with a call are told to who watches.
const GIST: usize = 160;

pub(super) async fn drive(session: &mut Session, spec: &BasicSpec) -> Result<GivesUp, Stop> {
    let mut work = Work::begin(session, spec).await?;
    loop {
        work.hand_off_if_long().await?;
        work.tell_news()?;
        let reply = work.ask().await?;
        work.attend(reply).await?;
    }
}

/// A run of the agent.
struct Work<'a> {
    session: &'a mut Session,
    spec: &'a BasicSpec,
    prompts: Prompts,
    settings: RequestSettings,
    opening: Opening,
    conversation: Conversation,
    mementos: Vec<String>,
    /// What the model is told before its next answer.
    news: Vec<String>,
    alarms: Alarms,
    patience: Patience,
    jobs: u64,
    /// The page of the web that was read last.
    page: Option<OpenPage>,
    turns: u64,
}

impl<'a> Work<'a> {
    async fn begin(session: &'a mut Session, spec: &'a BasicSpec) -> Result<Work<'a>, Stop> {
        let prompts = Prompts::new()?;
        let opening = Opening::read(session, spec, &prompts).await?;
        let settings = RequestSettings {
            tools: tools::offered(spec, session.state().started.spec.web),
            temperature: spec.temperature,
            reasoning: spec.reasoning.clone(),
            cache: true,
            ..RequestSettings::default()
        };
        let mut conversation = Conversation::new(0);
        conversation.replace(opening.messages(None));
        Ok(Work {
            session,
            spec,
            prompts,
            settings,
            opening,
            conversation,
            mementos: Vec::new(),
            news: Vec::new(),
            alarms: Alarms::default(),
            patience: Patience::default(),
            jobs: 0,
            page: None,
            turns: 0,
        })
    }

    /// Lets the model write notes and begins a new conversation with them, if this one is long.
    async fn hand_off_if_long(&mut self) -> Result<(), Stop> {
        let answers =
            self.conversation.messages().iter().filter(|message| matches!(message, Message::Assistant(_)));
        let window = self
            .session
            .state()
            .started
            .spec
            .model_spec
            .as_ref()
            .and_then(|model| model.facts.context_window);
        let tokens = self.conversation.tokens_bound(context::estimated_tokens);
        if self.spec.mode != BasicMode::Plus
            || answers.count() < LEAST_ANSWERS
            || !context::is_long(tokens, window)
        {
            return Ok(());
        }
        self.conversation.push(Message::user(self.prompts.text(Prompt::Memento, json!({}))?));
        let settings = RequestSettings { tool_choice: ToolChoice::None, ..self.settings.clone() };
        let text = self.answer(&settings).await?.turn.text();
        self.mementos.push(match text.trim() {
            "" => "(No notes were written. Look at the workspace for what was done.)".to_owned(),
            notes => notes.to_owned(),
        });
        let values = json!({ "mementos": context::mementos(&self.mementos) });
        let bridge = self.prompts.text(Prompt::Bridge, values)?;
        self.conversation = Conversation::new(self.conversation.id + 1);
        self.conversation.replace(self.opening.messages(Some(bridge)));
        Ok(())
    }

    /// Adds what the user said, what was interrupted, how the run stands and which limit is near.
    fn tell_news(&mut self) -> Result<(), Failure> {
        for notice in self.session.inbox()? {
            self.news.push(match notice {
                Notice::Note(text) => self.prompts.text(Prompt::Note, json!({ "text": text }))?,
                Notice::Resumed => self.prompts.text(Prompt::Resumed, json!({}))?,
            });
        }
        let used = self.session.used();
        let state = self.session.state();
        if self.spec.mode == BasicMode::Plus && self.turns > 0 && self.turns.is_multiple_of(STATUS_EVERY) {
            // The state holds more than the agent may know when it is answered from the record; the recorded words hold then.
            let standing = Standing::of(state, used);
            let values = json!({
                "turn": self.turns,
                "used": standing.used,
                "validations_left": standing.validations_left,
                "best": standing.best,
            });
            self.news.push(self.prompts.text(Prompt::Status, values)?);
        }
        let next = self.session.least_hold(&self.conversation, &self.settings);
        for alarm in self.alarms.due(self.session.limits(), used, next) {
            let prompt = match alarm.level {
                Level::Warning => Prompt::Warning,
                Level::WrapUp => Prompt::WrapUp,
            };
            let values = json!({
                "what": alarm.what,
                "used": alarm.used,
                "limit": alarm.limit,
                "left": alarm.left,
                "may_end": self.spec.may_end,
                "artefacts": state.started.task.submission.artefacts,
            });
            self.news.push(self.prompts.text(prompt, values)?);
        }
        if !self.news.is_empty() {
            self.conversation.push(Message::user(std::mem::take(&mut self.news).join("\n\n")));
        }
        Ok(())
    }

    /// One answer of the model. The iterative loop's sentence is asked with and not kept.
    async fn ask(&mut self) -> Result<Reply, Stop> {
        self.turns += 1;
        let settings = self.settings.clone();
        if self.spec.mode == BasicMode::Plus {
            return self.answer(&settings).await;
        }
        self.conversation.push(Message::user(self.prompts.text(Prompt::NextStep, json!({}))?));
        let reply = self.answer(&settings).await?;
        let mut messages = self.conversation.messages().to_vec();
        // The answer is the last message, the sentence the one before.
        if let Some(sentence) = messages.len().checked_sub(2) {
            messages.remove(sentence);
        }
        self.conversation.replace(messages);
        Ok(reply)
    }

    async fn answer(&mut self, settings: &RequestSettings) -> Result<Reply, Stop> {
        let mut shortened = 0;
        loop {
            match self.session.ask(&mut self.conversation, settings).await? {
                Answer::Reply(reply) => return Ok(*reply),
                Answer::ContextFull(problem) => {
                    shortened += 1;
                    let shorter = self.shorter(shortened)?.ok_or_else(|| {
                        let text = format!("the task does not fit into the model's context: {problem}");
                        Failure::new(Boundary::Model, text)
                            .hinted("choose a model with a longer context window")
                    })?;
                    self.conversation.replace(shorter);
                }
            }
        }
    }

    /// The conversation made shorter: without its oldest blocks, then with its long messages clipped.
    fn shorter(&self, times: u32) -> Result<Option<Vec<Message>>, Failure> {
        let note = self.prompts.text(Prompt::LeftOut, json!({}))?;
        let messages = self.conversation.messages();
        let pruned = if times <= MOST_PRUNINGS { context::pruned(messages, &note) } else { None };
        Ok(pruned.or_else(|| CLIPPED_TO.iter().find_map(|longest| context::clipped(messages, *longest))))
    }

    /// Does what the model asks for, and tells it what came of it.
    async fn attend(&mut self, reply: Reply) -> Result<(), Stop> {
        let refusal = self.patience.refusal(reply.stop == ReplyStop::Refusal);
        if self.goes_on(refusal).await? {
            self.news.push(self.prompts.text(Prompt::Refused, json!({}))?);
        }
        let calls: Vec<_> = reply
            .turn
            .calls()
            .map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()))
            .collect();
        if calls.is_empty() {
            self.attend_words(&reply).await?;
        } else {
            self.attend_calls(calls, &reply.stop).await?;
        }
        if reply.stop == ReplyStop::ContextLength
            && let Some(shorter) = self.shorter(1)?
        {
            self.conversation.replace(shorter);
        }
        Ok(())
    }

    async fn attend_words(&mut self, reply: &Reply) -> Result<(), Stop> {
        let verdict = self.patience.said_nothing_to_do();
        self.goes_on(verdict).await?;
        if context::is_empty(&reply.turn) {
            let mut messages = self.conversation.messages().to_vec();
            messages.pop();
            self.conversation.replace(messages);
        }
        match reply.stop {
            // The provider goes on with its own turn when it is sent back as it is.
            ReplyStop::Pause | ReplyStop::Refusal => {}
            ReplyStop::MaxTokens => self.news.push(self.prompts.text(Prompt::CutOff, json!({}))?),
            ReplyStop::EndTurn
            | ReplyStop::ToolCalls
            | ReplyStop::StopSequence
            | ReplyStop::ContextLength
            | ReplyStop::Other(_) => {
                let values = json!({ "may_end": self.spec.may_end });
                self.news.push(self.prompts.text(Prompt::Continue, values)?);
            }
        }
        Ok(())
    }

    /// Calls are done one after the other; one that ends the run leaves this function with the run's end.
    async fn attend_calls(
        &mut self,
        calls: Vec<(String, String, String)>,
        stop: &ReplyStop,
    ) -> Result<(), Stop> {
        let mut results = Vec::new();
        let mut any_usable = false;
        let last = calls.len() - 1;
        for (index, (id, name, arguments)) in calls.into_iter().enumerate() {
            let repetition = match tools::waits(&name, &arguments) {
                true => {
                    self.patience.waited();
                    Verdict::GoOn
                }
                false => self.patience.call(&name, &arguments),
            };
            let remark = self.remark(repetition).await?;
            let mut bench = Bench { session: &mut *self.session, jobs: &mut self.jobs, page: &mut self.page };
            let handled = tools::call(&name, &arguments, &self.settings.tools, &mut bench).await?;
            if let Handled::Unusable(problem) = &handled {
                self.session.remark(&format!("a tool call of the model was not done: {}", gist(problem)))?;
            }
            let (mut text, is_error) = match handled {
                Handled::Used(outcome) => {
                    any_usable = true;
                    (outcome.text, outcome.is_error)
                }
                Handled::Unusable(problem) if index == last && *stop == ReplyStop::MaxTokens => {
                    (format!("{problem}\n\n{}", self.prompts.text(Prompt::CutOff, json!({}))?), true)
                }
                Handled::Unusable(problem) => (problem, true),
            };
            if let Some(remark) = remark {
                text = format!("{text}\n\n{remark}");
            }
            results.push(ToolResult { call_id: id, name, content: vec![Input::Text { text }], is_error });
        }
        self.conversation.push(Message::Tool { results });
        let verdict = self.patience.called(any_usable);
        self.goes_on(verdict).await.map(|_| ())
    }

    async fn remark(&mut self, verdict: Verdict) -> Result<Option<String>, Stop> {
        let Verdict::Remark(times) = verdict else {
            self.goes_on(verdict).await?;
            return Ok(None);
        };
        let values = json!({ "times": times, "most": MOST_REPEATED_CALLS });
        Ok(Some(self.prompts.text(Prompt::Repeated, values)?))
    }

    /// Ends the run if there is no use in going on; else whether there is something to be told.
    async fn goes_on(&mut self, verdict: Verdict) -> Result<bool, Stop> {
        match verdict {
            Verdict::GoOn => Ok(false),
            Verdict::Remark(_) => Ok(true),
            Verdict::GiveUp(reason) => {
                self.session.step(Action::GiveUp { reason }).await?;
                Err(Stop::Ended(researchgym_core::event::Ending::GaveUp))
            }
        }
    }
}

/// The beginning of what is wrong with a call: without the tools and schemas that the model is shown.
fn gist(problem: &str) -> String {
    let first = problem.split(". Its arguments: ").next().unwrap_or_default();
    let first = first.split("; the tools are ").next().unwrap_or_default();
    let line = first.lines().next().unwrap_or_default();
    let short: String = line.chars().take(GIST).collect();
    if short.len() < line.len() { format!("{short} ...") } else { short }
}
