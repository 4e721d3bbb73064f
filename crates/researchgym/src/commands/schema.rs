//! `schema`: the JSON Schemas of what is read and written, as `docs/reference/` keeps them.

use researchgym_core::event::Line;
use researchgym_core::inspect::Report;
use researchgym_core::record::{RunRecord, StepRecord};
use researchgym_core::result::RunResult;
use researchgym_core::spec::RunSpec;
use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::shoot_out::ShootOut;
use researchgym_core::task::Task;
use researchgym_engine::agent::Declaration;
use researchgym_engine::model::settings::Settings;
use schemars::schema_for;
use serde_json::{Map, Value};

use crate::arguments::SchemaRoot;
use crate::output::{Outcome, Printer};

pub(crate) fn schema(root: Option<SchemaRoot>, printer: &Printer) -> Outcome {
    let value = match root {
        Some(root) => of(root),
        None => {
            let all = [
                ("task", SchemaRoot::Task),
                ("event", SchemaRoot::Event),
                ("result", SchemaRoot::Result),
                ("plan", SchemaRoot::Plan),
                ("agent", SchemaRoot::Agent),
                ("settings", SchemaRoot::Settings),
                ("inspection", SchemaRoot::Inspection),
                ("record", SchemaRoot::Record),
                ("step", SchemaRoot::Step),
                ("analysis", SchemaRoot::Analysis),
                ("shoot-out", SchemaRoot::ShootOut),
            ];
            Value::Object(
                all.into_iter().map(|(name, root)| (name.to_owned(), of(root))).collect::<Map<_, _>>(),
            )
        }
    };
    printer.data(&format!("{value:#}"));
    Ok(0)
}

fn of(root: SchemaRoot) -> Value {
    match root {
        SchemaRoot::Task => schema_for!(Task),
        SchemaRoot::Event => schema_for!(Line),
        SchemaRoot::Result => schema_for!(RunResult),
        SchemaRoot::Plan => schema_for!(RunSpec),
        SchemaRoot::Agent => schema_for!(Declaration),
        SchemaRoot::Settings => schema_for!(Settings),
        SchemaRoot::Inspection => schema_for!(Report),
        SchemaRoot::Record => schema_for!(RunRecord),
        SchemaRoot::Step => schema_for!(StepRecord),
        SchemaRoot::Analysis => schema_for!(Analysis),
        SchemaRoot::ShootOut => schema_for!(ShootOut),
    }
    .to_value()
}
