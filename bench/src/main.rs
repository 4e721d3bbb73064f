//! What ResearchGym costs, measured: one command per question, each beside a floor taken in the same run.
//!
//! `cargo run --release -p researchgym-bench -- NAME [options]`, see `bench/README.md`. This executable is also the guest
//! of the sandboxes that it starts, as `researchgym` itself is.

mod agent;
mod audit;
mod chaos;
mod cheats;
mod cold;
mod concurrent;
mod docker;
mod floor;
mod gateway;
mod grading;
mod http;
mod import;
mod inspect;
mod load;
mod mock;
mod network;
mod openevolve;
mod options;
mod patches;
mod place;
mod problems;
mod process;
mod program;
mod provider;
mod report;
mod sample;
mod search;
mod search_scale;
mod searching;
mod server;
mod shoot_out;
mod slurm;
mod snapshot;
mod start;
mod step;
mod store;

use std::process::ExitCode;

use crate::options::Options;
use crate::report::Report;

/// A measurement that cannot be made says why; nobody handles it otherwise.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    if let Some(code) = researchgym_engine::internal::main(std::env::args_os()) {
        return ExitCode::from(u8::try_from(code).unwrap_or(70));
    }
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            report::talk(&problem);
            report::talk(options::USAGE);
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::talk(&format!("{}: {error}", options.name));
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Outcome<()> {
    let report = Report::new(&options.name);
    process::raise_open_files();
    // These have runtimes of their own, with one thread.
    match options.name.as_str() {
        "mock" => return mock::answer(options),
        "chaos" => return chaos::measure(options),
        "audit" => return audit::measure(options, &report),
        "snapshot" => return snapshot::measure(options, &report),
        "gateway" => return gateway::measure(options, &report),
        "import" => return import::measure(options, &report),
        "inspect" => return inspect::measure(options, &report),
        "patches" => return patches::measure(options, &report),
        "store" => return store::measure(options, &report),
        "shoot-out" => return shoot_out::measure(options, &report),
        _ => {}
    }
    // The same kind of runtime as the program's own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match options.name.as_str() {
            "step" => step::measure(options, &report).await,
            "start" => start::measure(options, &report).await,
            "concurrent" => concurrent::measure(options, &report).await,
            "docker" => docker::measure(options, &report).await,
            "grading" => grading::measure(options, &report).await,
            "network" => network::measure(options, &report).await,
            "agent" => agent::measure(options, &report).await,
            "search" => search::measure(options, &report).await,
            "search-scale" => search_scale::measure(options, &report).await,
            "search-again" => search_scale::again(options).await,
            "slurm" => slurm::measure(options, &report).await,
            "problems" => problems::measure(options, &report).await,

            "cold" => cold::measure(options, &report),
            "cheats" => cheats::measure(options, &report),
            unknown => {
                Err(format!("there is no such measurement; known are {}, not {unknown}", options::NAMES)
                    .into())
            }
        }
    })
}
