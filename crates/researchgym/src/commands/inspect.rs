//! `inspect`: what speaks against the scores of runs. Exit code 0 PASS, 10 NEEDS_REVIEW, 11 SUSPICIOUS; of several runs the worst.

use std::path::{Path, PathBuf};

use researchgym_core::inspect::Report;
use researchgym_core::result::ResultError;
use researchgym_core::spec::SCHEMA;
use researchgym_engine::import::trajectories;
use researchgym_engine::inspection::{InspectError, Judge, Metered, Stored, Target};
use researchgym_engine::store::{IMPORTED, RunFolder, StoreError};
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
                Ok(target) if arguments.dry_run => plan(&target, arguments),
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
    /// The report was there already.
    Stored(Box<Report>),
    /// The report stands in the output, but not in the folder.
    Unwritten(Box<Report>, CommandError),
    /// What would be done, for scripts and in words.
    Planned(Value, String),
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
            Ok(Done::Stored(report)) => {
                let object = self.report(&report);
                self.printer.talk(&format!(
                    "\n{name}: the stored report of {}; --force inspects anew",
                    report.timestamp
                ));
                (object, report.verdict.exit_code())
            }
            Ok(Done::Unwritten(report, error)) => {
                let object = self.report(&report);
                self.printer.warn(&error.message);
                (object, error.exit_code())
            }
            Ok(Done::Planned(plan, words)) => {
                if !self.printer.is_json() {
                    self.printer.data(&words);
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
        if let Some(metered) = metered.filter(|metered| metered.was_asked()) {
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
    if name.is_empty() {
        let error = CommandError::input("an empty name is no run")
            .hinted("name a run by its id or folder, or a .traj file or a folder with such");
        return vec![(name.to_owned(), Err(error))];
    }
    let path = absolute(&settings.here, Path::new(name));
    if path.is_file() && path.extension().is_some_and(|extension| extension == "traj") {
        return vec![(name.to_owned(), Ok(Target::Mlgym(path)))];
    }
    if path.is_dir() && !path.join("events.jsonl").exists() && !path.join(IMPORTED).exists() {
        let found: Vec<PathBuf> = trajectories(&path);
        if !found.is_empty() {
            return found
                .into_iter()
                .map(|path| (path.display().to_string(), Ok(Target::Mlgym(path))))
                .collect();
        }
    }
    let found = RunFolder::find(&settings.runs, name).and_then(|folder| {
        match folder.events().exists() || folder.is_imported() {
            true => Ok(Target::Run(folder)),
            false => Err(StoreError::NoLog { path: folder.events() }),
        }
    });
    let found = found.map_err(|error| match error {
        // Something is there, but nothing that can be inspected.
        StoreError::NoRun { .. } | StoreError::NotAFolder { .. } | StoreError::NoLog { .. }
            if path.exists() =>
        {
            CommandError::input(format!("`{name}`: no events.jsonl and no .traj there"))
        }
        error => input(error),
    });
    vec![(name.to_owned(), found)]
}

fn plan(target: &Target, arguments: &InspectArguments) -> Result<Done, CommandError> {
    let (format, path) = match target {
        Target::Run(folder) => ("researchgym", folder.root()),
        Target::Mlgym(path) => ("mlgym", path.as_path()),
    };
    let report = target.report_path();
    let is_current = !arguments.force && matches!(target.stored()?, Stored::Current(_));
    let judge = match (&arguments.model, &arguments.budget) {
        (Some(model), Some(budget)) if budget == "unlimited" => format!(", {model} judges without a budget"),
        (Some(model), Some(budget)) => format!(", {model} judges within {budget} USD"),
        _ => String::new(),
    };
    let words = match (is_current, report.exists()) {
        (true, _) => format!("would print the stored report on {}; --force inspects anew", path.display()),
        (false, true) => {
            format!("would inspect {}{judge}, and write over {}", path.display(), report.display())
        }
        (false, false) => {
            format!("would inspect {}{judge}, and write {}", path.display(), report.display())
        }
    };
    let plan = json!({
        "schema": SCHEMA, "run": path.display().to_string(), "format": format, "report": report.display().to_string(),
        "report_exists": report.exists(), "would_inspect": !is_current,
        "model": arguments.model, "budget": arguments.budget,
    });
    Ok(Done::Planned(plan, words))
}

async fn one(
    target: &Target,
    force: bool,
    metered: Option<&mut Metered>,
    printer: &Printer,
) -> Result<Done, CommandError> {
    if !force {
        match tokio::task::block_in_place(|| target.stored())? {
            Stored::Nothing => {}
            Stored::Current(report) => {
                if let Some(metered) = metered {
                    let path = target.path().display();
                    printer.warn(&format!("{path}: {} is not asked, as there is a report", metered.name()));
                }
                return Ok(Done::Stored(report));
            }
            Stored::Stale => printer.talk(&format!(
                "{}: the stored report is stale: the log is not the one that it is about; inspecting anew",
                target.path().display()
            )),
        }
    }
    let read = target.clone();
    let report = match metered {
        None => apart(move || Ok::<_, InspectError>(Box::new(read.read()?.report(None)))).await??,
        Some(metered) => {
            let (evidence, findings) = apart(move || {
                let evidence = read.read()?;
                let findings = evidence.findings();
                Ok::<_, InspectError>((evidence, findings))
            })
            .await??;
            printer.talk(&format!("{} looks at {} ...", metered.name(), target.path().display()));
            let judge = Judge::ask(metered, &evidence, &findings).await.map_err(CommandError::from)?;
            if let Err(problem) = &judge.opinion {
                let path = target.path().display();
                printer.warn(&format!("{path}: {problem}; the verdict is that of the rules"));
            }
            apart(move || Box::new(evidence.report(Some(judge)))).await?
        }
    };
    match target.write(&report) {
        Ok(()) => Ok(Done::Reported(report)),
        Err(error) => Ok(Done::Unwritten(report, error.into())),
    }
}

/// Works in a thread of its own, so that Ctrl-C does not wait for a long trajectory. What is left then ends with the process.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CommandError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let begun = std::thread::Builder::new().name("inspection".to_owned()).spawn(move || {
        // Nobody listens any more after Ctrl-C.
        let _ = sender.send(work());
    });
    begun.map_err(|error| infrastructure(format!("no thread for the inspection: {error}")))?;
    receiver.await.map_err(|_| infrastructure("the inspection broke off".to_owned()))
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
            InspectError::Report { .. } => {
                CommandError::input(error.to_string()).hinted("--force inspects anew and writes over it")
            }
            InspectError::Unwritten(_) => infrastructure(error.to_string()),
        }
    }
}
