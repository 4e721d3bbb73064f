//! The image of a run's containers: `--image`, else the task's own, else the settings', else a common one.

use researchgym_core::failure::Failure;
use researchgym_core::image::{IMAGE_FORM, check_image_name};
use researchgym_core::isolation::{Image, Runtime};
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::model::settings::Merged;
use researchgym_engine::progress::Progress;
use researchgym_engine::sandbox::SandboxHost;

use crate::error::CommandError;
use crate::output::Printer;

/// The image of tasks that declare none, where the settings name none: bash, Python and glibc.
const DEFAULT: &str = "python:3.12-slim-bookworm";

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A name.
    Named(String),
    /// The task's Dockerfile.
    Built,
}

/// Which image a new run of a task is to have; none unless it runs in containers.
pub(crate) fn wanted(
    runtime: Runtime,
    given: Option<&str>,
    loaded: &LoadedTask,
    merged: &Merged,
) -> Result<Option<Wanted>, CommandError> {
    match (runtime, given) {
        (Runtime::Docker, Some(name)) => {
            check_image_name(name)
                .map_err(|error| CommandError::input(format!("--image: {error}")).hinted(IMAGE_FORM))?;
            return Ok(Some(Wanted::Named(name.to_owned())));
        }
        (Runtime::Docker, None) => {}
        (Runtime::Local | Runtime::Host, Some(_)) => {
            return Err(CommandError::input(format!(
                "--image has no meaning with --runtime {}",
                runtime.name()
            ))
            .hinted("add --runtime docker"));
        }
        (Runtime::Local | Runtime::Host, None) => return Ok(None),
    }
    if let Some(container) = &loaded.task.container {
        return Ok(Some(match &container.image {
            Some(name) => Wanted::Named(name.clone()),
            None => Wanted::Built,
        }));
    }
    let image = merged.settings.docker.image.clone();
    Ok(Some(Wanted::Named(image.unwrap_or_else(|| DEFAULT.to_owned()))))
}

impl Wanted {
    /// As a plan shows it.
    pub(crate) fn name(&self, loaded: &LoadedTask) -> String {
        match self {
            Wanted::Named(name) => name.clone(),
            Wanted::Built => format!("built from {}", dockerfile(loaded).display()),
        }
    }

    /// Finds, pulls or builds it.
    pub(crate) async fn get(
        &self,
        loaded: &LoadedTask,
        sandboxes: &SandboxHost,
        printer: &Printer,
    ) -> Result<Image, CommandError> {
        let listener = |progress: Progress<'_>| printer.preparing(&progress);
        let images = sandboxes.images();
        let image = match self {
            Wanted::Named(name) => images.find(name, &listener).await,
            Wanted::Built => images.build(&loaded.task.id, &dockerfile(loaded), &listener).await,
        };
        image.map_err(|error| Failure::from(error).into())
    }
}

/// Looks that the image with which a run began is still there.
pub(crate) async fn recorded(image: Option<&Image>, sandboxes: &SandboxHost) -> Result<(), CommandError> {
    match image {
        Some(image) => sandboxes.images().check(image).await.map_err(|error| Failure::from(error).into()),
        None => Ok(()),
    }
}

fn dockerfile(loaded: &LoadedTask) -> std::path::PathBuf {
    let container = loaded.task.container.as_ref();
    let file = container.and_then(|container| container.dockerfile.as_ref());
    loaded.path(file.map_or("", String::as_str))
}
