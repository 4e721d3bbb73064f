//! What `[search]` must mean: paths of the workspace, commands that start something, stages with names of their own.

use std::collections::BTreeSet;

use super::super::DEFAULT_VARIANT;
use super::{Checker, KeyPath};

/// The name of the evaluation that follows all stages.
const FULL: &str = "full";

impl Checker<'_> {
    pub(super) fn search(&mut self) {
        let Some(search) = &self.task.search else { return };
        let path = KeyPath::of("search");
        for (index, editable) in search.editable.iter().enumerate() {
            self.path(editable, &path.key("editable").index(index));
        }
        if let Some(run) = &search.run {
            self.command(run, &path.key("run"));
        }
        if let Some(timeout_s) = search.timeout_s {
            self.above_zero(timeout_s, &path.key("timeout_s"));
        }
        let mut seen = BTreeSet::from([FULL]);
        for (index, stage) in search.stages.iter().enumerate() {
            let path = path.key("stages").index(index);
            if stage.name.trim().is_empty() || !seen.insert(&stage.name) {
                let advice = "give each stage a name of its own; `full` is the evaluation after them";
                self.report(&path.key("name"), format!("{:?} cannot name this stage", stage.name), advice);
            }
            if let Some(run) = &stage.run {
                self.command(run, &path.key("run"));
            }
            self.above_zero(stage.timeout_s, &path.key("timeout_s"));
            let variant = stage.variant.as_ref().filter(|name| *name != DEFAULT_VARIANT);
            if let Some(name) = variant.filter(|name| !self.task.variants.contains_key(*name)) {
                let advice = "name one of `[variants]`, or `default`";
                self.report(&path.key("variant"), format!("{name:?} is no variant of this task"), advice);
            }
            match stage.promote {
                Some(_) if stage.variant.is_none() => {
                    let advice = "name the variant under which this stage is graded";
                    self.report(&path.key("promote"), "is a value of a stage that is not graded", advice);
                }
                Some(value) if !value.is_finite() => {
                    self.report(&path.key("promote"), "is not finite", "write a finite number");
                }
                _ => {}
            }
        }
        if let Some(genome) = &search.genome {
            let path = path.key("genome");
            self.path(&genome.file, &path.key("file"));
            if !(genome.low.is_finite() && genome.high.is_finite() && genome.low < genome.high) {
                let message = format!("goes from {} to {}", genome.low, genome.high);
                self.report(&path.key("low"), message, "write finite bounds with low < high");
            }
        }
    }
}
