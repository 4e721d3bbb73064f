//! An import while it goes on, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use researchgym_engine::import::{Summary, Told};
use serde_json::Value;

use super::Printer;
use super::words::{counted, one_line};

/// How many sources are named of what is broken for one reason.
const SHOWN_SOURCES: usize = 3;

/// Shows an import: at a terminal a line that counts, and one line for each file that is broken.
pub(crate) struct Importing {
    printer: Printer,
    bar: Option<ProgressBar>,
}

impl Importing {
    pub(crate) fn new(printer: &Printer) -> Importing {
        let bar = printer.is_live().then(|| {
            let bar = printer.bar.add(ProgressBar::new(0));
            bar.enable_steady_tick(Duration::from_millis(200));
            let style = ProgressStyle::with_template("{spinner} {pos} of {len} looked at, {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Importing { printer: printer.clone(), bar }
    }

    /// Shows what is told.
    pub(crate) fn told(&self, told: &Told) {
        match (told, &self.bar) {
            (Told::Broken(broken), _) => {
                self.printer.talk(&format!("broken: {}: {}", one_line(&broken.source), one_line(&broken.why)))
            }
            (Told::Found(units), Some(bar)) => bar.inc_length(*units),
            (Told::Done, Some(bar)) => bar.inc(1),
            (Told::Found(_) | Told::Done, None) => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Printer {
    /// What came of an import, for people. `object` has the same in numbers.
    pub(crate) fn imported(&self, summary: &Summary, object: &Value) {
        let runs = |count: usize| if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
        self.data(&format!("{} imported", runs(summary.imported.len())));
        for (key, title) in [("formats", "format"), ("models", "model"), ("tasks", "task")] {
            let counts = object[key].as_object().into_iter().flatten();
            let parts: Vec<String> =
                counts.map(|(name, count)| format!("{} {count}", one_line(name))).collect();
            if !parts.is_empty() {
                self.data(&format!("  by {title}: {}", parts.join(", ")));
            }
        }
        if !summary.duplicates.is_empty() {
            self.data(&format!("{} there already", runs(summary.duplicates.len())));
        }
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for broken in &summary.broken {
            reasons.entry(&broken.why).or_default().push(&broken.source);
        }
        for (why, sources) in reasons {
            let more = sources.len().saturating_sub(SHOWN_SOURCES);
            let shown = sources[..sources.len().min(SHOWN_SOURCES)].join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.data(&one_line(&format!("broken, {why}: {shown}{more}")));
        }
        if !summary.ours.is_empty() {
            self.data(&format!("{} of this program's own left alone", runs(summary.ours.len())));
        }
        if summary.left_alone > 0 {
            self.data(&format!("{} of no known form left alone", counted(summary.left_alone, "file")));
        }
        let left_out = object["left_out"].as_object().into_iter().flatten();
        for (sentence, count) in left_out {
            let times = counted(count.as_u64().unwrap_or_default(), "time");
            self.data(&format!("left out, {times}: {}", one_line(sentence)));
        }
        let is_nothing = summary.imported.is_empty() && summary.duplicates.is_empty();
        if is_nothing && summary.broken.is_empty() && !summary.was_stopped {
            self.talk("Nothing there is a run that can be imported: links are not followed, and docs/guide/import.md says what is known.");
        }
        if summary.was_stopped {
            self.data("stopped before the end: import the same again to go on");
        }
    }
}
