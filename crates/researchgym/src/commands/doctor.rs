//! `doctor`: what this machine offers. Exit code 0 if runs can be isolated, 3 if not.

use researchgym_core::failure::Failure;
use researchgym_engine::sandbox::SandboxHost;

use super::on_runtime;
use crate::arguments::Places;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn doctor(places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let sandboxes = SandboxHost::new(&settings.home).map_err(Failure::from)?;
    let mut report = sandboxes.probe();
    report.findings.extend(on_runtime(async { Ok(sandboxes.probe_engine().await) })?);
    if printer.is_json() {
        printer.json(&report);
    } else {
        printer.doctor(&report);
    }
    Ok(if report.isolation { 0 } else { 3 })
}
