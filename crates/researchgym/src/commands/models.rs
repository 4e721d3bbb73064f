//! The model of a run: named by a flag, or as its log has it.

use std::sync::Arc;

use researchgym_core::action::Body;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::model::RetryPolicy;
use researchgym_core::search::EmbeddingNovelty;
use researchgym_core::spec::{AgentSpec, ModelSpec, RunSpec};
use researchgym_engine::model::registry::{Options, price_flag};
use researchgym_engine::model::settings::Merged;
use researchgym_engine::model::{Client, Door, Endpoint, Registry};
use researchgym_engine::search::Ways;
use researchgym_engine::store::RunFolder;

use super::model::registry;
use crate::arguments::{ModelArguments, RunArguments};
use crate::error::{CommandError, input};
use crate::output::Printer;
use crate::settings::Settings;

/// The way to the model that `--model` names.
pub(super) fn named(
    arguments: &RunArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Option<Arc<Door>>, CommandError> {
    let Some(name) = &arguments.model else {
        let ModelArguments { price, prices, key_file, cassette, trust_project_settings: _ } =
            &arguments.models;
        let given = price.is_some() || prices.is_some() || key_file.is_some() || cassette.is_some();
        return match given && arguments.resume.is_empty() && arguments.fork.is_none() {
            true => {
                Err(CommandError::input("--price, --prices, --key-file and --cassette belong to a --model"))
            }
            false => Ok(None),
        };
    };
    let registry = with_options(&arguments.models, (settings, merged), printer)?;
    door(registry.resolve(name)?, &registry).map(Some)
}

/// The models of a search beside the run's own.
pub(super) struct Further {
    /// With their weights.
    pub(super) ensemble: Vec<(Arc<Door>, f64)>,
    /// The one that has the ideas.
    pub(super) ideas: Option<Arc<Door>>,
    /// The one that makes embeddings, with the cosines of candidates and of ideas.
    pub(super) embeddings: Option<(Arc<Door>, f64, f64)>,
}

impl Further {
    pub(super) fn ways(&self) -> Ways {
        Ways {
            ensemble: self.ensemble.iter().map(|(door, _)| door.clone()).collect(),
            ideas: self.ideas.clone(),
            embeddings: self.embeddings.as_ref().map(|(door, ..)| door.clone()),
        }
    }
}

/// What a search's specification holds of a model for embeddings with its two cosines.
pub(super) fn embedding_novelty(
    (door, similarity, idea_similarity): &(Arc<Door>, f64, f64),
) -> Box<EmbeddingNovelty> {
    let (similarity, idea_similarity) = (*similarity, *idea_similarity);
    Box::new(EmbeddingNovelty { model: Registry::spec_of(&door.endpoint), similarity, idea_similarity })
}

/// The ways to the further models of a search.
pub(super) fn further(
    arguments: &RunArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Further, CommandError> {
    let search = &arguments.search;
    let (ensemble, ideas, embeddings) = (&search.ensemble, &search.idea_model, &search.embedding_model);
    if embeddings.is_none() && arguments.fork.is_none() {
        let needing = [
            ("--embedding-similarity", search.embedding_similarity.is_some()),
            ("--idea-similarity", search.idea_similarity.is_some()),
        ];
        if let Some((flag, _)) = needing.into_iter().find(|(_, given)| *given) {
            return Err(CommandError::input(format!("{flag} belongs to an --embedding-model")));
        }
    }
    let flags = [
        ("--ensemble", !ensemble.is_empty()),
        ("--idea-model", ideas.is_some()),
        ("--embedding-model", embeddings.is_some()),
    ];
    let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) else {
        return Ok(Further { ensemble: Vec::new(), ideas: None, embeddings: None });
    };
    if arguments.model.is_none() && arguments.fork.is_none() {
        return Err(CommandError::input(format!(
            "{flag} adds to the model that --model names; name that one first"
        )));
    }
    let model = arguments.model.as_deref().unwrap_or_default();
    let similarity = search.embedding_similarity.unwrap_or(EmbeddingNovelty::SIMILARITY);
    let idea_similarity = search.idea_similarity.unwrap_or(EmbeddingNovelty::IDEA_SIMILARITY);
    if similarity >= 1.0 && idea_similarity >= 1.0 {
        return Err(CommandError::input(
            "with --embedding-similarity 1 and --idea-similarity 1 nothing is embedded; leave --embedding-model out",
        ));
    }
    let registry = with_options(&arguments.models, (settings, merged), printer)?;
    let way = |name: &str| door(registry.resolve(name)?, &registry);
    let doors = ensemble.iter().map(|(name, weight)| Ok((way(name)?, *weight)));
    Ok(Further {
        ensemble: doors.collect::<Result<_, CommandError>>()?,
        ideas: ideas.as_deref().map(way).transpose()?,
        embeddings: match embeddings {
            Some(name) => {
                let door = door(registry.resolve_embedding(name, model)?, &registry)?;
                Some((door, similarity, idea_similarity))
            }
            None => None,
        },
    })
}

/// The ways to the further models of a search that goes on.
pub(super) fn recorded_further(
    spec: &RunSpec,
    folder: &RunFolder,
    arguments: &RunArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Ways, CommandError> {
    let AgentSpec::Search(search) = &spec.agent else { return Ok(Ways::default()) };
    let embeddings = search.novelty.embedding.as_deref();
    if search.models.is_empty() && search.idea_model.is_none() && embeddings.is_none() {
        return Ok(Ways::default());
    }
    let registry = with_options(&arguments.models, (settings, merged), printer)?;
    let way = |model: &ModelSpec| {
        let model = with_script(model, folder)?;
        door(registry.endpoint_of(&model)?, &registry)
    };
    Ok(Ways {
        ensemble: search.models.iter().map(|share| way(&share.model)).collect::<Result<_, _>>()?,
        ideas: search.idea_model.as_deref().map(way).transpose()?,
        embeddings: match embeddings {
            Some(embeddings) => {
                let model = with_script(&embeddings.model, folder)?;
                let beside = spec.model.as_deref().unwrap_or_default();
                Some(door(registry.embedding_endpoint_of(&model, beside)?, &registry)?)
            }
            None => None,
        },
    })
}

/// The way to the model that judges runs.
pub(super) fn judge(
    name: Option<&str>,
    models: &ModelArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Option<Arc<Door>>, CommandError> {
    let Some(name) = name else {
        let ModelArguments { price, prices, key_file, cassette, trust_project_settings: _ } = models;
        return match price.is_some() || prices.is_some() || key_file.is_some() || cassette.is_some() {
            true => {
                Err(CommandError::input("--price, --prices, --key-file and --cassette belong to a --model"))
            }
            false => Ok(None),
        };
    };
    let registry = with_options(models, (settings, merged), printer)?;
    door(registry.resolve(name)?, &registry).map(Some)
}

/// The way to the model of a run that goes on: as it was, but where it is and the key are looked up anew.
pub(super) fn recorded(
    spec: &RunSpec,
    folder: &RunFolder,
    arguments: &RunArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Option<Arc<Door>>, CommandError> {
    let Some(model) = &spec.model_spec else { return Ok(None) };
    let registry = with_options(&arguments.models, (settings, merged), printer)?;
    let model = with_script(model, folder)?;
    let endpoint = registry.endpoint_of(&model)?;
    if endpoint.base_url != model.base_url {
        printer.warn(&format!(
            "the run asked `{}` at {}; as the settings are now, it goes on at {}",
            model.name, model.base_url, endpoint.base_url
        ));
    }
    door(endpoint, &registry).map(Some)
}

/// A long script is kept as a blob.
fn with_script(model: &ModelSpec, folder: &RunFolder) -> Result<ModelSpec, CommandError> {
    let script = match &model.script {
        Some(script) => {
            let bytes = folder.blobs().resolve(script).map_err(input)?;
            Some(Body::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        None => None,
    };
    Ok(ModelSpec { script, ..model.clone() })
}

fn with_options(
    models: &ModelArguments,
    (settings, merged): (&Settings, &Merged),
    printer: &Printer,
) -> Result<Registry, CommandError> {
    let price = models.price.as_deref().map(price_flag).transpose();
    let price = price.map_err(|error| CommandError::input(format!("--price: {error}")))?;
    let options = Options {
        here: settings.here.clone(),
        price,
        prices: models.prices.clone(),
        key_file: models.key_file.clone(),
        cassette: models.cassette.clone(),
        trusts_project: models.trust_project_settings,
    };
    let registry = registry(merged, options)?;
    printer.hide(registry.redactor().clone());
    Ok(registry)
}

fn door(endpoint: Endpoint, registry: &Registry) -> Result<Arc<Door>, CommandError> {
    let client = Client::new().map_err(|error| {
        CommandError::from(Failure::new(Boundary::Model, format!("no HTTP client can be made: {error}")))
    })?;
    Ok(Arc::new(Door {
        client,
        endpoint: Arc::new(endpoint),
        policy: RetryPolicy::default(),
        redactor: registry.redactor().clone(),
    }))
}
