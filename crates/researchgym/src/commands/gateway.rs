//! `gateway`: a local server through which other programs call models within a budget. Ends at Ctrl-C with exit code 0.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::model::retry::RetryPolicy;
use researchgym_core::spec::Limits;
use researchgym_engine::gateway::{
    Counting, JournalError, ListenError, Listener, Patience, Served, Service, Standalone, Summary, Token,
    serve, teller,
};
use researchgym_engine::model::registry::Options;
use researchgym_engine::model::{Client, Endpoint, ModelError, Registry, Variables, settings};

use super::on_runtime;
use super::run::budget;
use crate::arguments::{GatewayArguments, Listen};
use crate::error::{CommandError, Kind};
use crate::output::{Door, Outcome, Printer};
use crate::settings::absolute;
use crate::signals;

/// How often a client that waits for a translated stream gets a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(crate) fn gateway(arguments: &GatewayArguments, printer: &Printer) -> Outcome {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::input(format!("the current folder cannot be read: {error}")))?;
    let limits = Limits {
        working_ms: None,
        steps: None,
        budget: arguments.budget.as_deref().map(budget).transpose()?.flatten(),
        tokens: arguments.tokens,
    };
    let served = served(arguments, &here, printer)?;
    let (token, drawn) = token(arguments, &here)?;
    let log = arguments.log.as_ref().map(|folder| absolute(&here, folder));
    let standalone = Standalone::open(limits, log.as_deref()).map_err(|error| unusable_log(&error))?;
    let summary = on_runtime(async {
        let listener = match &arguments.listen {
            Listen::Tcp(address) => Listener::tcp(*address).await,
            Listen::Unix(path) => Listener::unix(&absolute(&here, path)).await,
        };
        let listener = listener.map_err(|error| unusable_place(&error))?;
        let door = match &arguments.listen {
            Listen::Tcp(given) => Door::Url(format!("http://{}", listener.address().unwrap_or(*given))),
            Listen::Unix(path) => Door::Socket(absolute(&here, path)),
        };
        let models = served.names();
        let (teller, entries) = teller();
        let client = Client::new().map_err(|error| infrastructure(format!("no HTTP client: {error}")))?;
        let books = tokio::task::spawn_blocking(move || standalone.run(entries));
        let retry = RetryPolicy::default();
        let service = Service {
            served,
            teller,
            client,
            retry,
            token,
            keep_alive: KEEP_ALIVE,
            may_fetch: true,
            patience: Patience::USUAL,
            counting: Counting::USUAL,
        };
        let mut stopped = signals::watch_saying(printer, "Stopping when the calls under way are over.")
            .map_err(|error| infrastructure(format!("signals cannot be watched: {error}")))?;
        printer.gateway_opened(&door, drawn.as_ref().map(Token::expose), &models);
        // The sender lives as long as its task: an error would mean that nobody can stop the gateway any more.
        serve(listener, service, async move { drop(stopped.wait_for(|stop| *stop).await) }).await;
        books.await.map_err(|error| infrastructure(format!("the ledger broke: {error}")))
    })?;
    printer.gateway_closed(&summary);
    ended(summary)
}

fn ended(summary: Summary) -> Outcome {
    match summary.broken {
        None => Ok(0),
        Some(message) => Err(infrastructure(format!("calls could not be recorded any more: {message}"))),
    }
}

/// The models that were asked for, or all that can be asked.
fn served(arguments: &GatewayArguments, here: &Path, printer: &Printer) -> Result<Served, CommandError> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut settings = settings::load(&settings::files(&environment, here))
        .map_err(|error| CommandError::input(error.to_string()))?;
    settings.warnings.iter().for_each(|warning| printer.warn(warning));
    settings.settings.prices.extend(arguments.prices.iter().map(|path| absolute(here, path)));
    let variables = Variables::with_dotenv(&environment, here).map_err(unusable_model)?;
    let trusts_project = arguments.trust_project_settings;
    let options = Options { here: here.to_owned(), trusts_project, ..Options::default() };
    let registry = Registry::new(&settings, options, &variables).map_err(unusable_model)?;
    let mut models: BTreeMap<String, Arc<Endpoint>> = BTreeMap::new();
    let mut add = |name: &str, endpoint: Endpoint| {
        let endpoint = models.entry(endpoint.target.name.clone()).or_insert_with(|| Arc::new(endpoint));
        let endpoint = Arc::clone(endpoint);
        models.insert(name.to_owned(), endpoint);
    };
    for name in &arguments.models {
        add(name, registry.resolve(name).map_err(unusable_model)?);
    }
    if arguments.models.is_empty() {
        let mut unconsented = BTreeSet::new();
        for known in registry.known().into_iter().filter(|known| known.has_key) {
            // A provider that is half set up is no failure of the others.
            match registry.resolve(&known.name) {
                Ok(endpoint) => add(&known.name, endpoint),
                Err(error @ ModelError::Unconsented { .. }) => {
                    unconsented.insert(error.to_string());
                }
                Err(_) => {}
            }
        }
        for error in unconsented {
            printer.warn(&format!("{error}: its models are not served without --trust-project-settings"));
        }
    }
    for (alias, name) in &arguments.aliases {
        add(alias, registry.resolve(name).map_err(unusable_model)?);
    }
    if models.is_empty() {
        return Err(CommandError::input("there is no model to serve: no provider's key was found")
            .hinted("name one with --model provider/model, or set a provider's key"));
    }
    Ok(Served { models, all: None })
}

/// The token that clients must show, and the same again if it must be told.
fn token(arguments: &GatewayArguments, here: &Path) -> Result<(Option<Token>, Option<Token>), CommandError> {
    if let Some(file) = &arguments.token_file {
        let path = absolute(here, file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CommandError::input(format!("--token-file {}: {error}", path.display())))?;
        let token = Token::new(&text).ok_or_else(|| {
            CommandError::input(format!("--token-file {}: there is no token in it", path.display()))
        })?;
        return Ok((Some(token), None));
    }
    match &arguments.listen {
        Listen::Tcp(_) if !arguments.no_token => {
            let token = Token::random()
                .map_err(|error| infrastructure(format!("no random numbers for a token: {error}")))?;
            Ok((Some(token.clone()), Some(token)))
        }
        Listen::Tcp(_) | Listen::Unix(_) => Ok((None, None)),
    }
}

fn unusable_model(error: ModelError) -> CommandError {
    let hint = match &error {
        ModelError::UnknownPrice { model, .. } => Some(format!(
            "a budget can only be kept with a price: name a table with --prices, or set `input` and `output` in \
             [models.\"{model}\"] of researchgym.toml"
        )),
        // There is no --key-file here: a gateway may serve models of several providers.
        ModelError::MissingKey { provider, variables } => Some(match variables.as_slice() {
            [] => format!(
                "name a variable with `key_env`, or a file with `key_file`, in [providers.{provider}] of researchgym.toml"
            ),
            variables => format!("set {}, or put it into .env", variables.join(" or ")),
        }),
        error => error.advice(),
    };
    CommandError { kind: Kind::Input, message: error.to_string(), hint }
}

fn unusable_place(error: &ListenError) -> CommandError {
    CommandError::input(error.to_string()).hinted("name another place with --listen")
}

fn unusable_log(error: &JournalError) -> CommandError {
    CommandError::input(error.to_string()).hinted("name another folder with --log")
}

fn infrastructure(message: String) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message, hint: None }
}
