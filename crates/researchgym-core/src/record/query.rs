//! Which runs are meant: filters on records. A filter that names several values takes runs with any of them; a run must pass
//! all filters.

use super::RunRecord;

/// Filters; an empty one lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Ids of tasks; `*` at either end stands for anything.
    pub tasks: Vec<String>,
    /// Names of agents, likewise.
    pub agents: Vec<String>,
    /// Names of models, likewise; `-` is no model.
    pub models: Vec<String>,
    /// Words given to runs. Here a run needs all of them.
    pub tags: Vec<String>,
    /// The first day that counts, `YYYY-MM-DD`, or moment, RFC 3339 in UTC.
    pub since: Option<String>,
    /// The last day or moment that counts.
    pub until: Option<String>,
}

impl Query {
    /// Whether anything is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Query::default()
    }

    /// Whether a run passes. Runs of unknown date pass no filter of dates.
    pub fn matches(&self, record: &RunRecord) -> bool {
        let any = |patterns: &[String], value: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern, value))
        };
        let started = record.started_at.as_deref();
        any(&self.tasks, &record.task.id)
            && any(&self.agents, &record.agent)
            && any(&self.models, record.model.as_deref().unwrap_or("-"))
            && self.tags.iter().all(|tag| record.tags.contains(tag))
            && self.since.as_deref().is_none_or(|since| started.is_some_and(|started| started >= since))
            && self.until.as_deref().is_none_or(|until| {
                started.is_some_and(|started| started <= until || started.starts_with(until))
            })
    }
}

/// `*` at the beginning, the end or both stands for anything.
fn is_like(pattern: &str, value: &str) -> bool {
    let rest = pattern.strip_prefix('*');
    let body = rest.unwrap_or(pattern);
    match (rest.is_some(), body.strip_suffix('*')) {
        (false, None) => value == pattern,
        (false, Some(body)) => value.starts_with(body),
        (true, None) => value.ends_with(body),
        (true, Some(body)) => value.contains(body),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RunRecord, TaskRecord};
    use super::*;

    #[test]
    fn filters_take_what_they_name() {
        let mut record = RunRecord::foreign("mlgym", TaskRecord::named("blotto"), "mlgym");
        record.model = Some("openai/gpt-5".to_owned());
        record.tags = vec!["a".to_owned(), "b".to_owned()];
        record.started_at = Some("2026-11-25T10:00:00.000Z".to_owned());
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let query = |task: &[&str], model: &[&str], tags: &[&str], since: &str, until: &str| Query {
            tasks: texts(task),
            models: texts(model),
            tags: texts(tags),
            since: (!since.is_empty()).then(|| since.to_owned()),
            until: (!until.is_empty()).then(|| until.to_owned()),
            ..Query::default()
        };
        for (query, passes) in [
            (query(&[], &[], &[], "", ""), true),
            (query(&["blotto"], &[], &[], "", ""), true),
            (query(&["x", "blot*"], &["*gpt*"], &["b"], "2026-11-25", "2026-11-25"), true),
            (query(&["*tto"], &["openai/*"], &["a", "b"], "2026-01-01", ""), true),
            (query(&["blot"], &[], &[], "", ""), false),
            (query(&[], &["-"], &[], "", ""), false),
            (query(&[], &[], &["a", "c"], "", ""), false),
            (query(&[], &[], &[], "2026-11-26", ""), false),
            (query(&[], &[], &[], "", "2026-11-24"), false),
            (query(&[], &[], &[], "2026-11-25T10:00:01Z", ""), false),
        ] {
            assert_eq!(query.matches(&record), passes, "{query:?}");
        }
        record.model = None;
        assert!(query(&[], &["-"], &[], "", "").matches(&record));
    }
}
