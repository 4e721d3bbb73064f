//! Where keys and addresses are looked up: the environment, then a `.env` file, then files. Nothing is written into the
//! environment, and no message holds a value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use researchgym_core::model::keys::parse_dotenv;

use super::endpoint::Secret;
use super::registry::ModelError;

/// The longest file that may be a key or a `.env`.
const MAX_FILE: usize = 1 << 20;

/// What variables can be looked up.
pub struct Variables<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    dotenv: BTreeMap<String, String>,
}

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the environment.
    Environment(String),
    /// A variable in `.env`.
    Dotenv(String),
    /// A file.
    File(PathBuf),
    /// A settings file, with its line.
    Settings(String),
    /// This program.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment(name) => write!(formatter, "the environment variable {name}"),
            Origin::Dotenv(name) => write!(formatter, "{name} in .env"),
            Origin::File(path) => write!(formatter, "the file {}", path.display()),
            Origin::Settings(place) => formatter.write_str(place),
            Origin::BuiltIn => formatter.write_str("this program"),
        }
    }
}

/// A key and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The key.
    pub key: Secret,
    /// Where.
    pub origin: Origin,
}

/// Keeps the memory and the environment of this process, with the keys in both, from other processes of its user: its files
/// in `/proc` belong to root from here on, and nobody may trace it. Programs that it starts are not concerned.
///
/// # Errors
/// The kernel does not know how, which none does.
pub fn keep_private() -> std::io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

impl<'a> Variables<'a> {
    /// The environment alone.
    pub fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Variables<'a> {
        Variables { environment, dotenv: BTreeMap::new() }
    }

    /// The environment, and what a `.env` file in the folder adds to it, if there is one.
    ///
    /// # Errors
    /// The file cannot be read or is not what it must be.
    pub fn with_dotenv(
        environment: &'a dyn Fn(&str) -> Option<String>,
        folder: &Path,
    ) -> Result<Variables<'a>, ModelError> {
        let path = folder.join(".env");
        let wrong = |problem: String| ModelError::File { what: "file", path: path.clone(), problem };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Variables::new(environment));
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let dotenv = parse_dotenv(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Variables { environment, dotenv: dotenv.into_iter().collect() })
    }

    /// Looks one up; an empty one is as good as none.
    pub fn get(&self, name: &str) -> Option<(String, Origin)> {
        let given = |value: &String| !value.trim().is_empty();
        let from_environment = (self.environment)(name).filter(given);
        from_environment.map(|value| (value, Origin::Environment(name.to_owned()))).or_else(|| {
            Some((
                self.dotenv.get(name).filter(|value| given(value))?.clone(),
                Origin::Dotenv(name.to_owned()),
            ))
        })
    }

    /// The first of several that is set.
    pub(super) fn first<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<(String, Origin)> {
        names.into_iter().find_map(|name| self.get(name))
    }

    /// Values of `.env` whose names say that they are secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let is_secret = |name: &str| {
            ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|end| name.to_uppercase().ends_with(end))
        };
        self.dotenv.iter().filter(move |(name, _)| is_secret(name)).map(|(_, value)| value.as_str())
    }
}

/// Makes a key of a value.
///
/// # Errors
/// It is empty, or has characters that no header can carry.
pub(super) fn key(value: &str, origin: Origin) -> Result<FoundKey, ModelError> {
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ModelError::BadKey { origin: origin.to_string() });
    }
    Ok(FoundKey { key: Secret::new(value), origin })
}

/// Reads a file that holds a key alone.
///
/// # Errors
/// It cannot be read or holds none.
pub(super) fn key_file(path: &Path) -> Result<FoundKey, ModelError> {
    let wrong = |problem: String| ModelError::File { what: "key file", path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > MAX_FILE {
        return Err(wrong(format!("has more than {MAX_FILE} bytes")));
    }
    key(&String::from_utf8_lossy(&bytes), Origin::File(path.to_owned()))
}
