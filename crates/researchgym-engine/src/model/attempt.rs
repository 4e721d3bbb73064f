//! One attempt of our own agents to ask a model: encode, send, read, decode, and say what must be paid for.
//!
//! There is no loop here: whoever owns the log records each attempt, waits and asks again ([`next_step`] says whether and
//! when). Money is decided so that it is never booked too low where the provider tells nothing: an answer that nobody can
//! read was made all the same, and is paid for at what the provider reported or else at the bounds of the call.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use researchgym_core::model::bound::input_tokens_bound;
use researchgym_core::model::retry::{ProviderFailure, RetryPolicy, classify};
use researchgym_core::model::sse::Splitter;
use researchgym_core::model::wire::WireStream;
use researchgym_core::model::{FailureKind, ModelFailure, Reply, Request, Usage, WireError};
use serde_json::Value;

use super::client::{Answer, Client, NoAnswer};
use super::endpoint::{Backend, Endpoint};

/// The longest answer in one piece that is read.
pub(super) const MAX_ANSWER: usize = 64 << 20;
/// The longest answer of a failure that is read: its beginning says it all.
const MAX_ERROR: usize = 64 << 10;
/// The bound on an answer without any cap: longer than any model answers.
const UNCAPPED_OUTPUT: u64 = 1 << 20;
/// How long the end of a stream is waited for whose answer is whole.
const AFTER_END: Duration = Duration::from_secs(5);

/// One question to a model.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked; its cap on output is the one that was granted.
    pub request: &'a Request,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// For scripted models: how often the model has answered or failed before, in this run.
    pub position: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// The answer, or why there is none.
    pub result: Result<Reply, ProviderFailure>,
    /// The tokens that must be booked; `None` if the provider bills nothing.
    pub billed: Option<Usage>,
    /// Whether the provider reported them; if not, they are bounds.
    pub usage_reported: bool,
    /// Whether the provider reported the prompt at least; if not, any of it may have been written to a cache.
    pub prompt_reported: bool,
    /// From sending to the end.
    pub latency: Duration,
    /// From sending to the first byte of the answer.
    pub first_byte: Option<Duration>,
}

/// The most tokens that a call can be billed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    input: u64,
    output: u64,
    /// Whether the model may think without showing it.
    may_think: bool,
}

/// Asks once. `progress` hears how many bytes of output there are, each time that more have come.
pub async fn ask(
    client: &Client,
    endpoint: &Endpoint,
    question: Question<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Attempted {
    let sent = Instant::now();
    let mut attempt = match &endpoint.backend {
        Backend::Scripted(scripted) => {
            let Question { request, position, .. } = question;
            match scripted.script.ask(request, &endpoint.target, position, &scripted.secrets) {
                Ok(said) => {
                    super::scripted::pause(said.delay).await;
                    let billed = said.result.as_ref().ok().and_then(|reply| reply.usage);
                    Attempted::new(said.result, billed)
                }
                Err(refused) => {
                    let failure = ProviderFailure::new(FailureKind::BadRequest, refused.to_string());
                    Attempted::new(Err(ProviderFailure { status: Some(400), ..failure }), None)
                }
            }
        }
        Backend::Http | Backend::Cassette(_) => {
            Asking { client, endpoint, question, sent }.ask(progress).await
        }
    };
    if let (Err(failure), Some(key)) = (&mut attempt.result, &endpoint.key) {
        // Some repeat the key that they refuse.
        failure.message = failure.message.replace(key.expose(), "[redacted]");
    }
    attempt.latency = sent.elapsed();
    attempt
}

/// How long to wait before the same is asked again; `None` if it is of no use. `attempt` counts from 1, `random` is at
/// least 0 and below 1.
pub fn next_step(policy: &RetryPolicy, attempted: &Attempted, attempt: u32, random: f64) -> Option<Duration> {
    policy.next_wait(attempted.result.as_ref().err()?, attempt, random)
}

impl Attempted {
    fn new(result: Result<Reply, ProviderFailure>, billed: Option<Usage>) -> Attempted {
        let (usage_reported, prompt_reported) = (true, true);
        Attempted {
            result,
            billed,
            usage_reported,
            prompt_reported,
            latency: Duration::ZERO,
            first_byte: None,
        }
    }

    fn answered(reply: Reply, bounds: Bounds) -> Attempted {
        let usage = reply.reported_usage();
        let usage_reported = usage.is_some();
        let billed =
            usage.unwrap_or(Usage { input: bounds.input, output: bounds.output, ..Usage::default() });
        let prompt_reported = usage_reported;
        Attempted { usage_reported, prompt_reported, ..Attempted::new(Ok(reply), Some(billed)) }
    }

    /// An answer that broke off or that nobody can read. The prompt is paid for as reported or else at its bound, and no
    /// less output than has come: a token has at least one byte. What a model thought unseen is only bounded by the cap.
    fn spoilt(failure: ProviderFailure, seen: Option<Usage>, come: Option<u64>, bounds: Bounds) -> Attempted {
        let output = match come {
            Some(bytes) if !bounds.may_think => bytes.min(bounds.output),
            Some(_) | None => bounds.output,
        };
        let seen = seen.filter(|seen| seen.tells_prompt());
        let prompt_reported = seen.is_some();
        let billed = match seen {
            Some(seen) => Usage { output: seen.output.max(output), ..seen },
            None => Usage { input: bounds.input, output, ..Usage::default() },
        };
        Attempted { usage_reported: false, prompt_reported, ..Attempted::new(Err(failure), Some(billed)) }
    }
}

/// An attempt over HTTP.
struct Asking<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    question: Question<'a>,
    sent: Instant,
}

impl Asking<'_> {
    async fn ask(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Attempted {
        let Question { request, stream, .. } = self.question;
        let Endpoint { wire, target, facts, .. } = self.endpoint;
        if let Some(lost) = request.settings.lost_at(*wire) {
            let message = format!("`{lost}` has no form in the dialect of the model, {}", wire.name());
            return Attempted::new(Err(ProviderFailure::new(FailureKind::BadRequest, message)), None);
        }
        let body = wire.encode(request, target, stream);
        let bounds = Bounds {
            input: input_tokens_bound(&body),
            output: request.settings.max_output_tokens.or(facts.max_output).unwrap_or(UNCAPPED_OUTPUT),
            may_think: request.settings.reasoning.is_some(),
        };
        let url = self.endpoint.url(stream);
        // Straight to bytes, without a formatter in between: conversations are long.
        let body = Bytes::from(serde_json::to_vec(&body).expect("a value is always JSON"));
        let answer = match self.client.send(self.endpoint, &url, &HeaderMap::new(), body).await {
            Ok(answer) => answer,
            // The provider may have worked on it all the while.
            Err(NoAnswer::Lost(failure)) => {
                return Attempted::spoilt(as_it_is(failure), None, None, bounds);
            }
            Err(NoAnswer::Unsent(failure)) => return Attempted::new(Err(as_it_is(failure)), None),
        };
        if !(200..300).contains(&answer.status) {
            return self.refused(answer).await;
        }
        let is_stream = stream
            && !answer
                .headers
                .get(CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        if is_stream {
            self.read_stream(answer, bounds, progress).await
        } else {
            self.read_whole(answer, bounds).await
        }
    }

    /// Reads an answer that is none: nothing is billed.
    async fn refused(&self, answer: Answer) -> Attempted {
        let failure = refusal(answer).await;
        Attempted { first_byte: Some(self.sent.elapsed()), ..Attempted::new(Err(failure), None) }
    }

    async fn read_whole(&self, mut answer: Answer, bounds: Bounds) -> Attempted {
        let Endpoint { wire, target, .. } = self.endpoint;
        let mut bytes = Vec::new();
        let mut first_byte = None;
        let attempted = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    first_byte.get_or_insert_with(|| self.sent.elapsed());
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > MAX_ANSWER {
                        let failure = malformed(format!("the answer has more than {MAX_ANSWER} bytes"));
                        break Attempted::spoilt(failure, None, None, bounds);
                    }
                }
                Ok(None) => {
                    let value = match serde_json::from_slice::<Value>(&bytes) {
                        Ok(value) => value,
                        Err(error) => {
                            let failure = malformed(format!("the answer is not JSON: {error}"));
                            break Attempted::spoilt(failure, None, None, bounds);
                        }
                    };
                    let usage = wire.usage_of(&value);
                    break match wire.decode(&value, target) {
                        Ok(reply) => Attempted::answered(reply, bounds),
                        Err(error) => self.unreadable(error, usage, None, bounds),
                    };
                }
                Err(failure) => break Attempted::spoilt(broken(failure), None, None, bounds),
            }
        };
        Attempted { first_byte, ..attempted }
    }

    async fn read_stream(
        &self,
        mut answer: Answer,
        bounds: Bounds,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Attempted {
        let mut splitter = Splitter::default();
        let mut stream = WireStream::new(self.endpoint.wire, &self.endpoint.target);
        let mut first_byte = None;
        let mut heard = 0;
        let ended = loop {
            let chunk = if stream.is_complete() {
                // Connections are kept open by some; what they may still say changes nothing.
                match tokio::time::timeout(AFTER_END, answer.chunk()).await {
                    Ok(Ok(chunk)) => chunk,
                    Ok(Err(_)) | Err(_) => None,
                }
            } else {
                match answer.chunk().await {
                    Ok(chunk) => chunk,
                    Err(failure) => break Err(Spoilt::Connection(broken(failure))),
                }
            };
            let Some(chunk) = chunk else {
                answer.end();
                break Ok(());
            };
            first_byte.get_or_insert_with(|| self.sent.elapsed());
            let mut pushed = Ok(());
            let split = splitter.push(&chunk, |event| {
                if pushed.is_ok() {
                    pushed = stream.push(&event);
                }
            });
            if let Err(error) = pushed {
                break Err(Spoilt::Event(error));
            }
            if let Err(error) = split {
                break Err(Spoilt::Event(WireError::Malformed(error.to_string())));
            }
            if stream.output_bytes() > heard {
                heard = stream.output_bytes();
                progress(heard);
            }
        };
        let (usage, come) = (stream.usage(), stream.output_bytes());
        let attempted = match ended {
            Ok(()) => match stream.finish() {
                Ok(reply) => Attempted::answered(reply, bounds),
                Err(error) => self.unreadable(error, usage, Some(come), bounds),
            },
            Err(Spoilt::Event(error)) => self.unreadable(error, usage, Some(come), bounds),
            Err(Spoilt::Connection(failure)) => Attempted::spoilt(failure, usage, Some(come), bounds),
        };
        Attempted { first_byte, ..attempted }
    }

    /// An answer that is not what the wire says, or an error in its place.
    fn unreadable(
        &self,
        error: WireError,
        usage: Option<Usage>,
        come: Option<u64>,
        bounds: Bounds,
    ) -> Attempted {
        let failure = ProviderFailure::from_wire(&error);
        match error {
            // An error in place of an answer: nothing was made that could be billed.
            WireError::Provider { .. } if usage.is_none() && come.unwrap_or(0) == 0 => {
                Attempted::new(Err(failure), None)
            }
            WireError::Provider { .. } | WireError::CutOff => Attempted::spoilt(failure, usage, come, bounds),
            // Nobody knows how much was in what nobody can read.
            WireError::Malformed(_) => Attempted::spoilt(failure, usage, None, bounds),
        }
    }
}

/// What an answer says that is none.
pub(super) async fn refusal(mut answer: Answer) -> ProviderFailure {
    let mut bytes = Vec::new();
    // A failure whose explanation breaks off is the same failure.
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ERROR {
            bytes.truncate(MAX_ERROR);
            break;
        }
    }
    let header = |name: &str| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    classify(answer.status, header, &String::from_utf8_lossy(&bytes), now.as_secs())
}

/// Why a stream was not read to its end.
enum Spoilt {
    Connection(ProviderFailure),
    Event(WireError),
}

pub(super) fn as_it_is(failure: ModelFailure) -> ProviderFailure {
    ProviderFailure { status: failure.status, ..ProviderFailure::new(failure.kind, failure.message) }
}

pub(super) fn broken(failure: ModelFailure) -> ProviderFailure {
    ProviderFailure::new(FailureKind::BrokenStream, failure.message)
}

pub(super) fn malformed(message: String) -> ProviderFailure {
    ProviderFailure::new(FailureKind::Malformed, message)
}

#[cfg(test)]
mod tests;
