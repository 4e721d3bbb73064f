//! The way to the web of a run whose task allows it.

use std::sync::Arc;

use researchgym_core::event::RunStarted;
use researchgym_core::task::Task;
use researchgym_engine::model::Variables;
use researchgym_engine::web::Web;

use crate::commands::model::variable;
use crate::error::CommandError;
use crate::output::Printer;
use crate::settings::Settings;

/// The way of a new run: only if the task allows it and a search key is set.
pub(super) fn way(
    task: &Task,
    settings: &Settings,
    printer: &Printer,
) -> Result<Option<Arc<Web>>, CommandError> {
    if !task.network.web {
        return Ok(None);
    }
    let variables = Variables::with_dotenv(&variable, &settings.here)?;
    let web = Web::new(&variables).map_err(|error| CommandError::input(error.to_string()))?;
    if let Some(web) = &web {
        // A run with a model has hidden these and more already.
        printer.hide(web.redactor().clone());
    }
    Ok(web.map(Arc::new))
}

/// The way of a run that goes on: only if it had one. Without a key of today its searches and pages are refused.
pub(super) fn recorded(
    started: &RunStarted,
    settings: &Settings,
    printer: &Printer,
) -> Result<Option<Arc<Web>>, CommandError> {
    if !started.spec.web {
        return Ok(None);
    }
    let web = way(&started.task, settings, printer)?;
    if web.is_none() {
        printer.warn(
            "the run could use the web, but no search key is set now: searches and pages will be refused",
        );
    }
    Ok(web)
}
