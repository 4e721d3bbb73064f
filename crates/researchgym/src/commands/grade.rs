//! `grade`: a run's attempts graded again. Exit code 0 if all scores are the same, 1 if not.

use std::path::Path;

use researchgym_engine::catalogue::{Catalogue, LoadedTask};
use researchgym_engine::dataset::Fetching;
use researchgym_engine::materials::{Materials, Place};
use researchgym_engine::progress::Progress;
use researchgym_engine::runner::regrade;
use researchgym_engine::sandbox::SandboxHost;
use researchgym_engine::store::RunFolder;
use researchgym_engine::workbench::Workbench;

use super::on_runtime;
use super::show::result_of;
use crate::arguments::GradeArguments;
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn grade(arguments: &GradeArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.run.places)?;
    let folder = RunFolder::find(&settings.runs, &arguments.run.run).map_err(input)?;
    let (_, state) = result_of(&folder)?;
    let spec = &state.started.spec;
    // A run that came from another machine names a place there: then it is the task of that name here.
    let loaded = match Path::new(&spec.task_dir).is_dir() {
        true => LoadedTask::open(Path::new(&spec.task_dir)).map_err(input)?,
        false => Catalogue::new(settings.tasks.clone()).find(&state.started.task.id).map_err(input)?,
    };
    let own = settings.data_dir(&arguments.data_dir)?;
    let data_dir = own.or_else(|| spec.data_dir.as_ref().map(Into::into));
    let regraded = on_runtime(async {
        let sandboxes = SandboxHost::new(&settings.home).map_err(researchgym_core::failure::Failure::from)?;
        let listener = |progress: Progress<'_>| printer.preparing(&progress);
        let fetching = Fetching { data_dir: data_dir.as_deref(), download: false, listener: &listener };
        let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
        let materials = Materials::gather(&settings.home, &loaded, place, fetching).await?;
        let workbench = Workbench::new(&settings.home, sandboxes, materials)?;
        regrade(&workbench, &folder, loaded.digest).await.map_err(CommandError::from)
    })?;
    let same = regraded.attempts.iter().all(|attempt| attempt.same);
    if printer.is_json() {
        printer.json(&regraded);
    } else {
        printer.regraded(&regraded);
    }
    Ok(u8::from(!same))
}
