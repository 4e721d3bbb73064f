//! Shoot-outs for people: what is to come, and the table.

use std::path::Path;

use researchgym_core::spec::Limits;
use researchgym_core::statistics::shoot_out::ShootOut;
use researchgym_report::{SHOOT_OUT_WORDS, shoot_out_lead, shoot_out_table};
use serde::Serialize;

use super::Printer;
use super::words::{counted, duration, money, table};

/// What there is of a shoot-out, and what is to come.
#[derive(Serialize)]
pub(crate) struct ShootOutPlan {
    pub(crate) task: String,
    pub(crate) tag: String,
    pub(crate) policies: Vec<String>,
    pub(crate) searches: u64,
    pub(crate) over: u64,
    pub(crate) going_on: u64,
    pub(crate) limits: Limits,
    pub(crate) has_model: bool,
}

impl Printer {
    /// `shoot-out`, before it begins; alone it is what was asked for.
    pub(crate) fn shoot_out_plan(&self, plan: &ShootOutPlan, alone: bool) {
        let fresh = plan.searches - plan.over - plan.going_on;
        let state = format!("{} over, {} to go on, {fresh} new", plan.over, plan.going_on);
        let searches = if plan.searches == 1 { "search" } else { "searches" };
        let policies = plan.policies.join(", ");
        self.talk(&format!("{} {searches} on {}, {policies}: {state}", plan.searches, plan.task));
        let Limits { working_ms, steps, budget, .. } = &plan.limits;
        let mut each = vec![steps.map_or_else(String::new, |steps| counted(steps, "candidate"))];
        each.extend(working_ms.map(|time| format!("{} of work", duration(time as f64 / 1e3))));
        if plan.has_model {
            each.push(budget.map_or_else(|| "unlimited money".to_owned(), |budget| money(budget.as_usd())));
        }
        self.talk(&format!("Each search: {} at most", each.join(", ")));
        if alone && self.is_json() {
            self.json(plan);
        }
    }

    /// `shoot-out`
    pub(crate) fn shoot_out(&self, shoot_out: &ShootOut, out: Option<&Path>) {
        if self.is_json() {
            self.json(shoot_out);
            return;
        }
        self.talk(&format!("\n{}\n", shoot_out_lead(shoot_out)));
        if shoot_out.policies.is_empty() {
            self.talk("No search is over yet: there is nothing to compare.");
        } else {
            for line in table(&shoot_out_table(shoot_out)) {
                self.data(&line);
            }
        }
        self.talk("");
        for note in &shoot_out.notes {
            self.talk(note);
        }
        self.talk(SHOOT_OUT_WORDS);
        let tag = &shoot_out.setting.tag;
        self.talk(&format!("All that is known of the runs: researchgym report --tag {tag}"));
        if let Some(out) = out {
            self.talk(&format!("Table, figures and data: {}", out.display()));
        }
    }
}
