//! `model list | show`, and the registry of models that all commands use.

use std::path::Path;

use researchgym_core::spec::SCHEMA;
use researchgym_engine::model::registry::{Description, Options};
use researchgym_engine::model::settings::{self, Merged};
use researchgym_engine::model::{Auth, ModelError, Registry, Variables};
use serde_json::json;

use crate::arguments::ModelCommand;
use crate::error::CommandError;
use crate::output::{Outcome, Printer};
use crate::settings::here;

pub(crate) fn model(command: ModelCommand, printer: &Printer) -> Outcome {
    let here = here()?;
    let merged = declared(&here, printer)?;
    let registry = registry(&merged, Options { here, ..Options::default() })?;
    match command {
        ModelCommand::List { provider } => {
            let provider = provider.as_deref().map(|name| registry.provider_name(name)).transpose()?;
            list(&registry, provider, printer);
            Ok(0)
        }
        ModelCommand::Show { model } => show(&registry, &model, printer),
    }
}

/// Reads the settings' files, and tells what in them has no effect.
pub(super) fn declared(here: &Path, printer: &Printer) -> Result<Merged, CommandError> {
    let merged = settings::load(&settings::files(&variable, here))
        .map_err(|error| CommandError::input(error.to_string()).hinted("see docs/reference/settings.md"))?;
    for warning in &merged.warnings {
        printer.warn(warning);
    }
    Ok(merged)
}

/// Reads `.env` and price lists.
pub(super) fn registry(merged: &Merged, options: Options) -> Result<Registry, CommandError> {
    let variables = Variables::with_dotenv(&variable, &options.here)?;
    Ok(Registry::new(merged, options, &variables)?)
}

/// One variable of the environment.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn list(registry: &Registry, provider: Option<&str>, printer: &Printer) {
    let mut known = registry.known();
    if let Some(provider) = provider {
        known.retain(|model| model.name.split('/').next() == Some(provider));
    }
    if printer.is_json() {
        let models: Vec<_> = known
            .iter()
            .map(|model| json!({ "model": model.name, "facts": model.facts, "price_source": model.source, "key": model.has_key }))
            .collect();
        printer.json(&json!({ "schema": SCHEMA, "models": models }));
    } else {
        printer.models(&known);
    }
}

fn show(registry: &Registry, name: &str, printer: &Printer) -> Outcome {
    let description = registry.describe(name)?;
    let resolved = match description.endpoint.facts.is_embedding {
        true => registry.resolve_embedding(name, name),
        false => registry.resolve(name),
    };
    let missing = resolved.err();
    if printer.is_json() {
        let Description { endpoint, base_url_origin, key, key_variables, needs_key } = &description;
        let auth = match endpoint.auth {
            Auth::Bearer => "bearer",
            Auth::Header(name) => name,
        };
        let names =
            |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let (found, wrong) = match key {
            Some(Ok(origin)) => (Some(origin), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        printer.json(&json!({
            "schema": SCHEMA, "model": endpoint.target.name, "name_at_provider": endpoint.target.model,
            "wire": endpoint.wire, "base_url": endpoint.base_url, "base_url_source": base_url_origin,
            "auth": auth, "headers": names(&endpoint.headers), "query": names(&endpoint.query),
            "facts": endpoint.facts, "price_source": endpoint.price_source,
            "key": { "needed": needs_key, "source": found, "problem": wrong, "variables": key_variables },
            "problem": missing.as_ref().map(ToString::to_string),
        }));
    } else {
        printer.model(&description);
    }
    if let Some(error) = missing {
        printer.warn(&error.to_string());
        if let Some(advice) = error.advice() {
            printer.talk(&format!("\nhint: {advice}"));
        }
    }
    Ok(0)
}

impl From<ModelError> for CommandError {
    fn from(error: ModelError) -> CommandError {
        let failure = CommandError::input(error.to_string());
        match error.advice() {
            Some(advice) => failure.hinted(advice),
            None => failure,
        }
    }
}
