//! `inspect`: what speaks against the scores of runs. Exit code 0 PASS, 10 NEEDS_REVIEW, 11 SUSPICIOUS; of several runs the worst.

use std::path::{Path, PathBuf};

use researchgym_core::inspect::Report;
use researchgym_core::result::ResultError;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::import::trajectories;
use researchgym_engine::inspection::{InspectError, Judge, Metered, Target};
use researchgym_engine::store::{RunFolder, StoreError};
use serde_json::{Value, json};

use super::model::declared;
use super::run::budget;
use super::{models, on_runtime};
use crate::arguments::InspectArguments;
use crate::error::{CommandError, Kind, input};
use crate::output::{Outcome, Printer};
use crate::settings::{Settings, absolute};
use crate::signals;

pub(crate) fn inspect(arguments: &InspectArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let money = arguments.budget.as_deref().map(budget).transpose()?.flatten();
    let door = models::judge(
        arguments.model.as_deref(),
        &arguments.models,
        (&settings, &declared(&settings.here, printer)?),
        printer,
    )?;
    let mut metered = door.map(|door| Metered::new(door, money));
    let targets: Vec<(String, Result<Target, CommandError>)> =
        arguments.runs.iter().flat_map(|name| targets(name, &settings)).collect();
    on_runtime(async {
        let mut stopped = signals::watch_saying(printer, "Stopping: what was inspected is kept.")
            .map_err(|error| infrastructure(format!("signals cannot be watched: {error}")))?;
        let mut inspected = Inspected { printer, objects: Vec::new(), code: 0 };
        for (name, target) in targets {
            let outcome = match target {
                Ok(target) if arguments.dry_run => Ok(Done::Planned(plan(&target, arguments)?)),
                Ok(target) => {
                    let one = one(&target, arguments.force, metered.as_mut(), printer);
                    tokio::select! {
                        done = one => done,
                        // The sender lives as long as its task.
                        _ = stopped.wait_for(|stop| *stop) => Ok(Done::Stopped),
                    }
                }
                Err(error) => Err(error),
            };
            if !inspected.take(&name, outcome) {
                break;
            }
        }
        inspected.finish(metered.as_ref());
        Ok(inspected.code)
    })
}

/// What came of one target.
enum Done {
    Reported(Box<Report>),
    /// The report stands in the output, but not in the folder.
    Unwritten(Box<Report>, CommandError),
    Planned(Value),
    Stopped,
}

/// What came of all so far.
struct Inspected<'a> {
    printer: &'a Printer,
    objects: Vec<Value>,
    code: u8,
}

impl Inspected<'_> {
    /// Takes one outcome in and shows it to people; false if that was all.
    fn take(&mut self, name: &str, outcome: Result<Done, CommandError>) -> bool {
        let (object, code) = match outcome {
            Ok(Done::Reported(report)) => (self.report(&report), report.verdict.exit_code()),
            Ok(Done::Unwritten(report, error)) => {
                let object = self.report(&report);
                self.printer.warn(&error.message);
                (object, error.exit_code())
            }
            Ok(Done::Planned(plan)) => {
                if !self.printer.is_json() {
                    self.printer.data(&format!("{plan:#}"));
                }
                (plan, 0)
            }
            Ok(Done::Stopped) => {
                self.code = 130;
                return false;
            }
            Err(error) => {
                self.printer.talk(&format!("error: {}", error.message));
                if let Some(hint) = &error.hint {
                    self.printer.talk(&format!("\nhint: {hint}"));
                }
                (
                    json!({ "schema": SCHEMA, "run": name, "error": ResultError::from(&error) }),
                    error.exit_code(),
                )
            }
        };
        self.objects.push(object);
        self.code = worst(self.code, code);
        true
    }

    fn report(&self, report: &Report) -> Value {
        if !self.printer.is_json() {
            self.printer.inspected(report);
        }
        serde_json::to_value(report).unwrap_or_default()
    }

    fn finish(&self, metered: Option<&Metered>) {
        if self.printer.is_json() {
            match self.objects.as_slice() {
                [one] => self.printer.json(one),
                all => self.printer.json(&all),
            }
        }
        if let Some(metered) = metered {
            self.printer.talk(&format!("{} was paid {:.6} USD", metered.name(), metered.spent().as_usd()));
        }
    }
}

/// Verdicts are milder than failures: a run of which nothing is known is worse than one that is suspicious.
fn worst(one: u8, other: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        10 => 1,
        11 => 2,
        2 => 3,
        3 => 4,
        _ => 5,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// What a word of the command line means: a run, a foreign file, or all foreign files below a folder.
fn targets(name: &str, settings: &Settings) -> Vec<(String, Result<Target, CommandError>)> {
    let path = absolute(&settings.here, Path::new(name));
    if path.is_file() && path.extension().is_some_and(|extension| extension == "traj") {
        return vec![(name.to_owned(), Ok(Target::Mlgym(path)))];
    }
    if path.is_dir() && !path.join("events.jsonl").exists() {
        let found: Vec<PathBuf> = trajectories(&path);
        if !found.is_empty() {
            return found
                .into_iter()
                .map(|path| (path.display().to_string(), Ok(Target::Mlgym(path))))
                .collect();
        }
    }
    let found = RunFolder::find(&settings.runs, name).and_then(|folder| match folder.events().exists() {
        true => Ok(Target::Run(folder)),
        false => Err(StoreError::NoLog { path: folder.events() }),
    });
    vec![(name.to_owned(), found.map_err(input))]
}

fn plan(target: &Target, arguments: &InspectArguments) -> Result<Value, CommandError> {
    let (format, path) = match target {
        Target::Run(folder) => ("researchgym", folder.root()),
        Target::Mlgym(path) => ("mlgym", path.as_path()),
    };
    let report = target.report_path();
    Ok(json!({
        "schema": SCHEMA, "run": path.display().to_string(), "format": format, "report": report.display().to_string(),
        "report_exists": report.exists(), "would_inspect": target.may_report(arguments.force).is_ok(),
        "model": arguments.model, "budget": arguments.budget,
    }))
}

async fn one(
    target: &Target,
    force: bool,
    metered: Option<&mut Metered>,
    printer: &Printer,
) -> Result<Done, CommandError> {
    target.may_report(force).map_err(CommandError::from)?;
    let evidence = tokio::task::block_in_place(|| target.read())?;
    let judge = match metered {
        Some(metered) => {
            let findings = evidence.findings();
            printer.talk(&format!("{} looks at {} ...", metered.name(), target.path().display()));
            Some(Judge::ask(metered, &evidence, &findings).await.map_err(CommandError::from)?)
        }
        None => None,
    };
    if let Some(Err(problem)) = judge.as_ref().map(|judge| &judge.opinion) {
        printer.warn(&format!("{}: {problem}; the verdict is that of the rules", target.path().display()));
    }
    let report = Box::new(evidence.report(judge));
    match target.write(&report) {
        Ok(()) => Ok(Done::Reported(report)),
        Err(error) => Ok(Done::Unwritten(report, error.into())),
    }
}

fn infrastructure(message: String) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message, hint: None }
}

impl From<InspectError> for CommandError {
    fn from(error: InspectError) -> CommandError {
        match error {
            InspectError::Store(error) => input(error),
            InspectError::Import(_) => CommandError::input(error.to_string()),
            InspectError::Running { .. } => {
                CommandError::input(error.to_string()).hinted("wait until it has ended, or stop it")
            }
            InspectError::Exists { .. } => {
                CommandError::input(error.to_string()).hinted("--force inspects again and writes over it")
            }
            InspectError::Unwritten(_) => infrastructure(error.to_string()),
        }
    }
}
