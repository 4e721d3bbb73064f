//! Images: what a name means, and what an image brings to the containers made from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::task::Resources;
use serde::{Deserialize, Serialize};

use super::EngineError;
use super::engine::Engine;
use super::error::{is_not_found, words};
use crate::progress::{Listener, Progress};
use crate::sandbox::{
    Capture, ReadOnlyMount, Sandbox, SandboxError, SandboxHost, SandboxSpec, WorkingFolder,
};

/// How long a program of an image may take to say what it is.
const PROBE_TIME: Duration = Duration::from_secs(60);

/// What an image brings along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The engine's identifier.
    pub id: String,
    /// Environment variables of its configuration.
    pub environment: BTreeMap<String, String>,
    /// Folders that it wants to be volumes.
    pub volumes: Vec<String>,
}

impl ImageFacts {
    /// Asks the engine.
    pub(super) async fn of_id(engine: &Engine, image: &Image) -> Result<ImageFacts, EngineError> {
        match engine.client.inspect_image(&image.id).await {
            Ok(found) => Ok(ImageFacts::of(found)),
            Err(error) if is_not_found(&error) => {
                Err(EngineError::ImageGone { name: image.name.clone(), id: image.id.clone() })
            }
            Err(error) => Err(EngineError::refused("looking at an image")(error)),
        }
    }

    fn of(found: ImageInspect) -> ImageFacts {
        let config = found.config.unwrap_or_default();
        let environment = config.env.unwrap_or_default().into_iter().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        });
        ImageFacts {
            id: found.id.unwrap_or_default(),
            environment: environment.collect(),
            volumes: config.volumes.unwrap_or_default(),
        }
    }

    /// The environment of commands: the image's, over it the given one, and in `PATH` the given folders that the image does
    /// not have itself before those that it has.
    pub(super) fn environment_of(&self, given: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let mut all = self.environment.clone();
        all.extend(given.clone());
        if let (Some(own), Some(first)) = (self.environment.get("PATH"), given.get("PATH")) {
            let has = |folder: &&str| !own.split(':').any(|other| other == *folder);
            let mut folders: Vec<&str> = first.split(':').filter(has).collect();
            folders.push(own);
            all.insert("PATH".to_owned(), folders.join(":"));
        }
        all.into_iter().collect()
    }
}

/// What the programs of an image are, found out by running them once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePrograms {
    /// Whether there is a bash.
    pub bash: bool,
    /// What its `python3` says of itself, if there is one.
    pub python: Option<String>,
}

/// Images for the runs of this process.
#[derive(Clone)]
pub struct Images<'a> {
    host: &'a SandboxHost,
    folder: PathBuf,
}

impl SandboxHost {
    /// The images of this machine's container engine.
    pub fn images(&self) -> Images<'_> {
        Images { host: self, folder: self.inner.home().join("images") }
    }
}

impl Images<'_> {
    pub(super) async fn engine(&self) -> Result<std::sync::Arc<Engine>, SandboxError> {
        self.host.inner.engine().await
    }

    /// The image that a name means now: one that is there, else it is pulled.
    ///
    /// # Errors
    /// No engine, or no such image to be had.
    pub async fn find(&self, name: &str, listener: Listener<'_>) -> Result<Image, SandboxError> {
        let engine = self.engine().await?;
        let found = match engine.client.inspect_image(name).await {
            Ok(found) => found,
            Err(error) if is_not_found(&error) => {
                listener(Progress::Stage("pulling the image"));
                pull(&engine, name).await?;
                let gone = |error| EngineError::NoImage { image: name.to_owned(), reason: words(&error) };
                engine.client.inspect_image(name).await.map_err(gone)?
            }
            Err(error) => return Err(EngineError::refused("looking for an image")(error).into()),
        };
        Ok(Image { name: name.to_owned(), id: ImageFacts::of(found).id })
    }

    /// Looks that the image of a run is still there.
    ///
    /// # Errors
    /// No engine, or the image is gone.
    pub async fn check(&self, image: &Image) -> Result<(), SandboxError> {
        let engine = self.engine().await?;
        ImageFacts::of_id(&engine, image).await?;
        Ok(())
    }

    /// What an image's programs are. Runs a container once for each image; then it is known.
    ///
    /// # Errors
    /// No container can be started, or it has no bash, without which nothing works.
    pub async fn programs(&self, image: &Image) -> Result<ImagePrograms, SandboxError> {
        let path = self.folder.join(format!("{}.json", image.id.replace(':', "-")));
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let programs = match known {
            Some(programs) => programs,
            None => {
                let programs = self.ask(image).await?;
                let text = serde_json::to_vec(&programs).expect("a bool and a text are always JSON");
                let kept = std::fs::create_dir_all(&self.folder).and_then(|()| std::fs::write(&path, text));
                kept.map_err(|source| SandboxError::Path { doing: "writing", path, source })?;
                programs
            }
        };
        if !programs.bash {
            let lacks = "it has no bash, in which commands run".to_owned();
            return Err(EngineError::Unusable { image: image.name.clone(), lacks }.into());
        }
        Ok(programs)
    }

    async fn ask(&self, image: &Image) -> Result<ImagePrograms, SandboxError> {
        // Programs of the container, which are another user's, look at it.
        let folder =
            crate::scratch::named(&self.host.inner.home().join("scratch"), "researchgym-image-", 0o755)
                .map_err(|source| SandboxError::System { doing: "making a folder", source })?;
        let specification = SandboxSpec {
            runtime: Runtime::Docker,
            image: Some(image.clone()),
            name: "image".to_owned(),
            working_folder: WorkingFolder::ReadOnly { target: "/researchgym/probe".to_owned() },
            read_only: vec![ReadOnlyMount {
                source: folder.path().to_owned(),
                target: "/researchgym/probe".to_owned(),
            }],
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            resources: Resources::default(),
            gpus: None,
            session: false,
            gateway: None,
            proxy: None,
        };
        let sandbox = Sandbox::start(self.host, specification, Vec::new()).await?;
        let asked = async {
            let mut answers = Vec::new();
            for argv in [&["bash", "-c", "true"][..], &["python3", "-I", "-c", crate::environment::DESCRIBE]]
            {
                let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
                let mut capture = Capture::new(folder.path());
                let outcome = sandbox.spawn(&argv, PROBE_TIME, &mut capture).await?;
                let (stdout, _) = capture.finish().map_err(|source| SandboxError::System {
                    doing: "reading what a program said",
                    source,
                })?;
                answers.push((outcome.exit_code == Some(0)).then(|| stdout.text.trim().to_owned()));
            }
            Ok(answers)
        };
        let answers: Result<Vec<Option<String>>, SandboxError> = asked.await;
        sandbox.stop().await;
        let mut answers = answers?.into_iter();
        let bash = answers.next().flatten().is_some();
        Ok(ImagePrograms { bash, python: answers.next().flatten() })
    }
}

async fn pull(engine: &Engine, name: &str) -> Result<(), EngineError> {
    // Without a tag all tags would be meant.
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = (!last.contains([':', '@'])).then(|| "latest".to_owned());
    let options = CreateImageOptions { from_image: Some(name.to_owned()), tag, ..Default::default() };
    let mut progress = std::pin::pin!(engine.client.create_image(Some(options), None, None));
    while let Some(step) = progress.next().await {
        let failed = |reason| EngineError::NoImage { image: name.to_owned(), reason };
        let step = step.map_err(|error| failed(words(&error)))?;
        if let Some(error) = step.error_detail {
            return Err(failed(error.message.unwrap_or_default()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: Option<&str>, given: &str, expected: &str) {
        let own = own.map(|path| ("PATH".to_owned(), path.to_owned()));
        let facts = ImageFacts { environment: own.into_iter().collect(), ..ImageFacts::default() };
        let given = BTreeMap::from([("PATH".to_owned(), given.to_owned())]);
        assert_eq!(facts.environment_of(&given), [("PATH".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn programs_of_the_image_are_found_after_ours() {
        check(None, "/researchgym/bin:/usr/bin", "/researchgym/bin:/usr/bin");
        check(
            Some("/opt/conda/bin:/usr/bin:/bin"),
            "/researchgym/bin:/usr/bin:/bin",
            "/researchgym/bin:/opt/conda/bin:/usr/bin:/bin",
        );
    }

    #[test]
    fn what_a_run_sets_wins_over_the_image() {
        let text = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let facts =
            ImageFacts { environment: text(&[("HOME", "/root"), ("CUDA", "12")]), ..ImageFacts::default() };
        let expected: Vec<_> = text(&[("CUDA", "12"), ("HOME", "/tmp")]).into_iter().collect();
        assert_eq!(facts.environment_of(&text(&[("HOME", "/tmp")])), expected);
    }
}
