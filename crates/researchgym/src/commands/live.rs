//! `pause`, `unpause`, `limit` and `note`: asked of the process that works on a run.

use std::io::ErrorKind;

use researchgym_core::event::Ending;
use researchgym_core::spec::Limits;
use researchgym_core::state::RunState;
use researchgym_engine::session::{Change, Control, LimitChanges, control};
use researchgym_engine::store::{RunFolder, StoreError, read_log};

use crate::arguments::{LimitArguments, NoteArguments, OneRun};
use crate::error::{CommandError, Kind, input};
use crate::output::{Outcome, Printer, limits_in_words};
use crate::settings::Settings;

pub(crate) fn pause(run: &OneRun, printer: &Printer) -> Outcome {
    ask(run, &Control::Pause {}, printer)
}

pub(crate) fn unpause(run: &OneRun, printer: &Printer) -> Outcome {
    ask(run, &Control::Unpause {}, printer)
}

pub(crate) fn note(arguments: &NoteArguments, printer: &Printer) -> Outcome {
    if arguments.text.len() > 64 << 10 {
        return Err(CommandError::input("a note has at most 64 KiB"));
    }
    ask(&arguments.run, &Control::Note { text: arguments.text.clone() }, printer)
}

pub(crate) fn limit(arguments: &LimitArguments, printer: &Printer) -> Outcome {
    let changes = LimitChanges {
        working_ms: change("--hours", &arguments.hours, 3.6e6)?,
        steps: change("--steps", &arguments.steps, 1.0)?,
        budget: change("--budget", &arguments.budget, 1e6)?,
        tokens: change("--tokens", &arguments.tokens, 1.0)?,
    };
    if changes == LimitChanges::default() {
        return Err(CommandError::input("no limit is named")
            .hinted("for example: researchgym limit RUN --budget +5 --hours +1"));
    }
    ask(&arguments.run, &Control::Limit { changes }, printer)
}

/// `5`, `+5`, `-5` or `unlimited`, in units of which `scale` are one of the log's.
fn change(flag: &str, text: &Option<String>, scale: f64) -> Result<Option<Change>, CommandError> {
    let Some(text) = text else { return Ok(None) };
    if text == "unlimited" {
        return Ok(Some(Change::Unlimited));
    }
    let number = text.trim_start_matches(['+', '-']).parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    let whole = number.map(|number| (number * scale).round());
    let Some(number) = whole.filter(|whole| scale > 1.0 || Some(*whole) == number) else {
        return Err(CommandError::input(format!(
            "{flag} {text}: must be a total, +N, -N or `unlimited`, in whole units for steps and tokens"
        )));
    };
    Ok(Some(match text.as_bytes().first() {
        Some(b'+') => Change::Add(number as u64),
        Some(b'-') => Change::Subtract(number as u64),
        _ => Change::To(number as u64),
    }))
}

fn ask(run: &OneRun, wish: &Control, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&run.places)?;
    let folder = RunFolder::find(&settings.runs, &run.run).map_err(input)?;
    let id = folder.id().to_owned();
    if !folder.is_locked() {
        return Err(not_at_work(&folder, wish));
    }
    let answer = control(folder.root(), wish).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => CommandError::input(format!(
            "run {id} does not listen: it is just starting or ending, or works where it cannot listen"
        )),
        // It ended before it came to this.
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            not_at_work(&folder, wish)
        }
        _ => CommandError {
            kind: Kind::Infrastructure,
            message: format!("run {id} did not answer: {error}"),
            hint: None,
        },
    })?;
    if printer.is_json() {
        printer.json(&answer);
    } else if answer["ok"] == true {
        printer.talk(&match wish {
            Control::Pause {} => format!("Run {id} stands still. Go on with it: researchgym unpause {id}"),
            Control::Unpause {} => format!("Run {id} goes on"),
            Control::Note { .. } => {
                format!("The agent of run {id} is told before its next question to the model")
            }
            Control::Limit { .. } => match serde_json::from_value::<Limits>(answer["result"].clone()) {
                Ok(limits) => format!("Run {id} has new limits: {}", limits_in_words(&limits)),
                Err(_) => format!("Run {id} has new limits"),
            },
        });
    } else {
        printer.talk(&format!("error: {}", answer["error"].as_str().unwrap_or("the run gave no reason")));
    }
    Ok(if answer["ok"] == true { 0 } else { 2 })
}

/// Nobody listens: the run is over, or waits for somebody to go on with it.
fn not_at_work(folder: &RunFolder, wish: &Control) -> CommandError {
    let id = folder.id();
    let reading = match read_log(folder) {
        Err(error @ StoreError::Imported { .. }) => return input(error),
        reading => reading.ok(),
    };
    let state = reading.and_then(|reading| RunState::fold(&reading.lines).ok());
    let ending = state.and_then(|state| state.ended).map(|ended| ended.ending);
    match (ending, wish) {
        (Some(Ending::Submitted | Ending::GaveUp), _) => {
            CommandError::input(format!("run {id} is over: nothing can be changed any more"))
                .hinted(format!("look at it: researchgym show {id}"))
        }
        (_, Control::Limit { .. }) => CommandError::input(format!("nobody works on run {id} at the moment"))
            .hinted(format!(
                "give the new totals when it goes on: researchgym run --resume {id} --budget USD --hours H"
            )),
        (_, Control::Pause {} | Control::Unpause {} | Control::Note { .. }) => {
            CommandError::input(format!("nobody works on run {id} at the moment"))
                .hinted(format!("it can be asked when it goes on: researchgym run --resume {id}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_totals_or_differences() {
        let check = |text: &str, scale: f64, expected: Option<Change>| {
            assert_eq!(change("--x", &Some(text.to_owned()), scale).ok().flatten(), expected, "{text}");
        };
        check("5", 1e6, Some(Change::To(5_000_000)));
        check("+0.5", 3.6e6, Some(Change::Add(1_800_000)));
        check("-2", 1.0, Some(Change::Subtract(2)));
        check("unlimited", 1.0, Some(Change::Unlimited));
        for wrong in ["", "+", "x", "nan", "1.5", "--2x"] {
            check(wrong, 1.0, None);
        }
    }
}
