//! What runs have left on this machine, as a table.

use researchgym_engine::audit::{Cleaned, Holder, Remains};

use super::Printer;
use super::words::{counted, table};

impl Printer {
    /// `doctor --audit`
    pub(crate) fn audit(&self, remains: &[Remains]) {
        let rows: Vec<Vec<String>> = remains.iter().map(row).collect();
        for line in table(&rows) {
            self.data(&line);
        }
        let left = remains.iter().filter(|one| one.is_left()).count() as u64;
        let removable = remains.iter().filter(|one| one.is_left() && one.removable).count();
        match (left, removable) {
            (0, _) => self.talk("Nothing is left on this machine that belongs to nobody."),
            (_, 0) => self.talk(&format!("{} left by nobody living.", counted(left, "thing"))),
            _ => self.talk(&format!(
                "{} left by nobody living; `researchgym doctor --clean` removes {removable} of them.",
                counted(left, "thing")
            )),
        }
    }

    /// What `doctor --clean` removed, and what it could not.
    pub(crate) fn cleaned(&self, cleaned: &Cleaned) {
        for removed in &cleaned.removed {
            self.talk(&format!("removed: {} {}", removed.kind.name(), removed.what));
        }
        for failed in &cleaned.failed {
            let Remains { kind, what, .. } = &failed.remains;
            self.warn(&format!("{} {what} cannot be removed: {}", kind.name(), failed.reason));
        }
    }
}

fn row(remains: &Remains) -> Vec<String> {
    let holder = match &remains.holder {
        Holder::Live { pid: Some(pid) } => format!("live, process {pid}"),
        Holder::Live { pid: None } => "live".to_owned(),
        Holder::User => "yours".to_owned(),
        Holder::Nobody => "LEFT".to_owned(),
    };
    let what = match &remains.detail {
        Some(detail) => format!("{}: {detail}", remains.what),
        None => remains.what.clone(),
    };
    vec![holder, remains.kind.name().to_owned(), what]
}
