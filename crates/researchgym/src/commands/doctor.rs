//! `doctor`: what this machine offers. Exit code 0 if runs can be isolated, 3 if not.
//!
//! `doctor --audit` and `doctor --clean`: what runs have left on it. Exit code 0 if nothing belongs to nobody, else 1.

use researchgym_core::failure::Failure;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::audit::{self, Cleaned, Holder, Kind, Remains, Scope};
use researchgym_engine::executor::slurm::{self, ClusterReport};
use researchgym_engine::gpu::{self, GpuReport};
use researchgym_engine::sandbox::docker::Orphan;
use researchgym_engine::sandbox::{MachineReport, SandboxHost};
use serde::Serialize;
use serde_json::json;

use super::{gpus, on_runtime};
use crate::arguments::DoctorArguments;
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// What programs read.
#[derive(Serialize)]
struct Machine<'a> {
    #[serde(flatten)]
    report: &'a MachineReport,
    gpus: GpuReport,
    slurm: ClusterReport,
}

pub(crate) fn doctor(arguments: &DoctorArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let sandboxes = SandboxHost::new(&settings.home).map_err(Failure::from)?;
    if arguments.audit || arguments.clean {
        return remains(arguments, &settings, &sandboxes, printer);
    }
    let mut report = sandboxes.probe();
    let slurm = on_runtime(async {
        sandboxes.probe_engine(&mut report).await;
        Ok(slurm::report().await)
    })?;
    let gpus = gpu::report(&gpus::places());
    if printer.is_json() {
        printer.json(&Machine { report: &report, gpus, slurm });
    } else {
        printer.doctor(&report);
        printer.gpus(&gpus);
        printer.cluster(&slurm);
    }
    Ok(if report.isolation { 0 } else { 3 })
}

/// Looks at what is left, after removing what can be removed if that is wanted.
fn remains(
    arguments: &DoctorArguments,
    settings: &Settings,
    sandboxes: &SandboxHost,
    printer: &Printer,
) -> Outcome {
    let is_to_clean = arguments.clean;
    let scope = if arguments.this_home { Scope::Home } else { Scope::Machine };
    let places = audit::Places { scope, ..audit::Places::new(settings.home.clone(), settings.runs.clone()) };
    let of = arguments.this_home.then_some(settings.home.as_path());
    let mut cleaned = if is_to_clean { audit::clean(&places) } else { Cleaned::default() };
    let mut remains = audit::look(&places);
    on_runtime(async {
        if is_to_clean {
            for orphan in sandboxes.remove_orphans(of).await.unwrap_or_default() {
                cleaned.add(Kind::Container, described(&orphan), Ok(()));
            }
        }
        // Without an engine there are no containers.
        let mut orphans = sandboxes.orphans().await.unwrap_or_default();
        orphans.retain(|orphan| of.is_none_or(|home| orphan.home == home));
        remains.extend(orphans.iter().map(|orphan| Remains::left(Kind::Container, described(orphan))));
        Ok(())
    })?;
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
    Ok(u8::from(left > 0))
}

fn described(orphan: &Orphan) -> String {
    let id = &orphan.container[..orphan.container.len().min(12)];
    format!("{id} of {}", orphan.name)
}
