//! Cache.
use super::EnvironmentError;
use crate::progress::Listener;
use std::path::{Path, PathBuf};
/// Environments
#[derive(Clone, Debug)]
pub struct Environments {
    folder: PathBuf,
    uv: PathBuf,
    python: PathBuf,
}
impl Environments {
    /// new
    pub fn new(home: &Path) -> Environments {
        Environments { folder: home.join("environments"), uv: "uv".into(), python: "/usr/bin/python3".into() }
    }
    /// uv
    pub fn with_uv(self, program: PathBuf) -> Environments {
        Environments { uv: program, ..self }
    }
    /// python
    pub fn with_python(self, python: PathBuf) -> Environments {
        Environments { python, ..self }
    }
    /// ensure
    pub async fn ensure(
        &self,
        requirements: &Path,
        listener: Listener<'_>,
    ) -> Result<PathBuf, EnvironmentError> {
        let _ = (&self.uv, &self.python, requirements, listener);
        Err(EnvironmentError::Missing(self.folder.clone()))
    }
}
