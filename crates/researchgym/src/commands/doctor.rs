//! `doctor`: what this machine offers. Exit code 0 if runs can be isolated, 3 if not.

use researchgym_core::failure::Failure;
use researchgym_engine::gpu::{self, GpuReport};
use researchgym_engine::sandbox::{MachineReport, SandboxHost};
use serde::Serialize;

use super::{gpus, on_runtime};
use crate::arguments::Places;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// What programs read.
#[derive(Serialize)]
struct Machine<'a> {
    #[serde(flatten)]
    report: &'a MachineReport,
    gpus: GpuReport,
}

pub(crate) fn doctor(places: &Places, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(places)?;
    let sandboxes = SandboxHost::new(&settings.home).map_err(Failure::from)?;
    let mut report = sandboxes.probe();
    report.findings.extend(on_runtime(async { Ok(sandboxes.probe_engine().await) })?);
    let gpus = gpu::report(&gpus::places());
    if printer.is_json() {
        printer.json(&Machine { report: &report, gpus });
    } else {
        printer.doctor(&report);
        printer.gpus(&gpus);
    }
    Ok(if report.isolation { 0 } else { 3 })
}
