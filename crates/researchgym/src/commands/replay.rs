//! `replay`: a run's events once more through the door that showed them live.

use researchgym_core::state::RunState;
use researchgym_engine::store::{RunFolder, read_log};

use super::show::result_of;
use crate::arguments::OneRun;
use crate::error::{CommandError, input};
use crate::output::{Console, Outcome, Printer};
use crate::settings::Settings;

pub(crate) fn replay(arguments: &OneRun, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let folder = RunFolder::find(&settings.runs, &arguments.run).map_err(input)?;
    let lines = read_log(&folder).map_err(input)?.lines;
    let wrong = |error| CommandError::input(format!("{}: {error}", folder.events().display()));
    let console = Console::new(printer, 1, false);
    let mut state: Option<RunState> = None;
    for line in &lines {
        let state = match &mut state {
            None => state.insert(RunState::start(line).map_err(wrong)?),
            Some(state) => {
                state.apply(line).map_err(wrong)?;
                state
            }
        };
        console.show(line, state);
    }
    let (result, _) = result_of(&folder)?;
    printer.concluded(&result, || printer.summary(&result));
    Ok(0)
}
