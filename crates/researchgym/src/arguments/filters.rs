//! Which runs are meant: the filters that `list`, `report`, `leaderboard` and `export` share.

use clap::Args;
use researchgym_core::record::Query;

use super::run::tag;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filters {
    /// Only runs of this task; `*` at either end stands for anything; may be given several times
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Vec<String>,
    /// Only runs of this agent, likewise
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Vec<String>,
    /// Only runs with this model, likewise; `-` for runs without a model
    #[arg(long, value_name = "MODEL", allow_hyphen_values = true)]
    pub(crate) model: Vec<String>,
    /// Only runs with this tag; of several, all are needed
    #[arg(long, value_name = "TAG", value_parser = tag)]
    pub(crate) tag: Vec<String>,
    /// Only runs that began on this day (UTC) or later; runs of others often do not tell when they began, and do not pass
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) since: Option<String>,
    /// Only runs that began on this day (UTC) or earlier, likewise
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) until: Option<String>,
}

impl Filters {
    /// As the core asks.
    pub(crate) fn query(&self) -> Query {
        Query {
            tasks: self.task.clone(),
            agents: self.agent.clone(),
            models: self.model.clone(),
            tags: self.tag.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
        }
    }
}

fn day(text: &str) -> Result<String, String> {
    let is_like = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let number =
        |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    match is_like && (1..=12).contains(&number(5, 7)) && (1..=31).contains(&number(8, 10)) {
        true => Ok(text.to_owned()),
        false => Err("write a day such as 2026-11-25".to_owned()),
    }
}
