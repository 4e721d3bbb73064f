//! Whether a key may go where the folder that one works in says.
//!
//! A project's settings file comes with a checkout, and so may a `.env`. Either could send the user's key to anybody, so
//! the user must have said that the folder is trusted: by a flag, or in their own settings file. Addresses of this machine
//! need no consent, and neither does a `.env` that holds address and key.

use std::path::Path;

use super::error::ModelError;
use super::provider::Provider;
use crate::model::endpoint::Endpoint;
use crate::model::is_loopback;
use crate::model::keys::{FoundKey, Origin};

/// Whether this key may go to this endpoint without the user's consent, in the folder `here`.
///
/// # Errors
/// It may not; names who says where it goes.
pub(super) fn needed(
    provider: &Provider,
    endpoint: &Endpoint,
    found: &FoundKey,
    here: &Path,
) -> Result<(), ModelError> {
    if is_loopback(&endpoint.base_url) {
        return Ok(());
    }
    let is_named_on_the_line = !matches!(&provider.key, Some(Ok(own)) if own == found);
    let in_project = &provider.in_project;
    let key_place = match &found.origin {
        _ if is_named_on_the_line => None,
        Origin::Environment(_) => in_project.key_env.clone(),
        Origin::File(path) if !is_within(here, path) => in_project.key_file.clone(),
        // What lies in the project is the project's own.
        Origin::File(_) | Origin::Dotenv(_) | Origin::Settings(_) | Origin::BuiltIn => None,
    };
    let base_place = match &found.origin {
        Origin::Dotenv(_) => in_project.base_url.clone(),
        _ => in_project.base_url.clone().or_else(|| in_project.base_in_dotenv.clone()),
    };
    let Some(place) = base_place.or(key_place) else { return Ok(()) };
    let url = reqwest::Url::parse(&endpoint.base_url).ok();
    let host = url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let provider = endpoint.target.name.split('/').next().unwrap_or_default().to_owned();
    Err(ModelError::Unconsented { place, provider, key: found.origin.to_string(), host })
}

fn is_within(here: &Path, path: &Path) -> bool {
    match (here.canonicalize(), path.canonicalize()) {
        (Ok(here), Ok(path)) => path.starts_with(here),
        _ => false,
    }
}
