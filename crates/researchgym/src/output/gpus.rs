//! The GPUs of this machine and who holds them.

use researchgym_core::gpu::Gpu;
use researchgym_engine::gpu::{GpuReport, GpuState};

use super::Printer;
use super::words::table;

impl Printer {
    /// `doctor`
    pub(crate) fn gpus(&self, report: &GpuReport) {
        self.data(&match (&report.driver, &report.problem) {
            (Some(driver), _) => format!("\nGPUs: {}, driver {driver}", report.devices.len()),
            (None, None) => "\nGPUs: none".to_owned(),
            (None, Some(problem)) => format!("\nGPUs: none can be used: {problem}"),
        });
        let row = |state: &GpuState| {
            vec![
                format!("  {}", state.gpu.index),
                state.gpu.name.clone(),
                memory(&state.gpu),
                state.gpu.uuid.clone(),
                standing(state),
            ]
        };
        for line in table(&report.devices.iter().map(row).collect::<Vec<_>>()) {
            self.data(&line);
        }
        if let (Some(_), Some(problem)) = (&report.driver, &report.problem) {
            self.data(&format!("GPUs cannot be given out: {problem}"));
        }
        if let Some(hint) = &report.hint {
            self.data(&format!("GPUs: {hint}"));
        }
    }
}

fn memory(gpu: &Gpu) -> String {
    gpu.memory_mib.map_or_else(|| "shared memory".to_owned(), |memory_mib| format!("{memory_mib} MiB"))
}

fn standing(state: &GpuState) -> String {
    match (&state.holder, state.partitioned, state.offered) {
        (Some(holder), _, _) => format!("held by {holder}"),
        (None, true, _) => "partitioned: MIG mode is on, and only whole devices are given out".to_owned(),
        (None, false, false) => "not offered: CUDA_VISIBLE_DEVICES leaves it out".to_owned(),
        (None, false, true) => "free".to_owned(),
    }
}

/// A run's devices in a line.
pub(super) fn granted(gpus: &[Gpu]) -> String {
    let one = |gpu: &Gpu| format!("{} {} ({})", gpu.index, gpu.name, memory(gpu));
    gpus.iter().map(one).collect::<Vec<_>>().join(", ")
}
