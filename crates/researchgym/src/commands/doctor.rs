//! `doctor`: what this machine offers. Exit code 0 if runs can be isolated, 3 if not.
//!
//! `doctor --audit` and `doctor --clean`: what runs have left on it. Exit code 0 if nothing belongs to nobody, else 1.

use researchgym_core::failure::Failure;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::audit::{self, Cleaned, Holder, Remains};
use researchgym_engine::sandbox::SandboxHost;
use serde_json::json;

use crate::arguments::DoctorArguments;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn doctor(arguments: &DoctorArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    if arguments.audit || arguments.clean {
        return Ok(remains(arguments.clean, &settings, printer));
    }
    let report = SandboxHost::new(&settings.home).map_err(Failure::from)?.probe();
    if printer.is_json() {
        printer.json(&report);
    } else {
        printer.doctor(&report);
    }
    Ok(if report.isolation { 0 } else { 3 })
}

/// Looks at what is left, after removing what can be removed if that is wanted.
fn remains(is_to_clean: bool, settings: &Settings, printer: &Printer) -> u8 {
    let places = audit::Places::new(settings.home.clone(), settings.runs.clone());
    let cleaned = if is_to_clean { audit::clean(&places) } else { Cleaned::default() };
    let remains = audit::look(&places);
    let left = remains.iter().filter(|one| one.is_left()).count();
    if printer.is_json() {
        let live = remains.iter().filter(|one| matches!(one.holder, Holder::Live { .. })).count();
        let failed: Vec<_> = cleaned
            .failed
            .iter()
            .map(|failed| json!({ "kind": failed.remains.kind, "what": failed.remains.what, "reason": failed.reason }))
            .collect();
        let removed: &[Remains] = &cleaned.removed;
        let mut object = json!({ "schema": SCHEMA, "left": left, "live": live, "remains": remains });
        if is_to_clean {
            object["removed"] = json!(removed);
            object["failed"] = json!(failed);
        }
        printer.json(&object);
    } else {
        printer.cleaned(&cleaned);
        printer.audit(&remains);
    }
    u8::from(left > 0)
}
