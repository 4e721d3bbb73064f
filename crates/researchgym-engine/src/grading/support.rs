//! The Python support library for graders and players, embedded here and written to the cache once per content.
//!
//! It is public: it holds no labels, no opponents and no seeds. Task authors import it; see `docs/guide/tasks.md`.

use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;

use crate::scratch;

/// What the names of unfinished copies begin with.
pub(crate) const UNFINISHED: &str = ".writing-";

const FILES: [(&str, &str); 12] = [
    ("researchgym_channel.py", include_str!("../../support/researchgym_channel.py")),
    ("researchgym_grading.py", include_str!("../../support/researchgym_grading.py")),
    ("researchgym_player.py", include_str!("../../support/researchgym_player.py")),
    ("researchgym_games.py", include_str!("../../support/researchgym_games.py")),
    ("researchgym_objects.py", include_str!("../../support/researchgym_objects.py")),
    ("researchgym_warm.py", include_str!("../../support/researchgym_warm.py")),
    ("researchgym_warm_scout.py", include_str!("../../support/researchgym_warm_scout.py")),
    ("researchgym_warm_clearing.py", include_str!("../../support/researchgym_warm_clearing.py")),
    ("researchgym_warm_messages.py", include_str!("../../support/researchgym_warm_messages.py")),
    ("researchgym_warm_confinement.py", include_str!("../../support/researchgym_warm_confinement.py")),
    ("researchgym_warm_program.py", include_str!("../../support/researchgym_warm_program.py")),
    // Makes candidates of searches; it needs nothing of the others.
    ("researchgym_mutate.py", include_str!("../../support/researchgym_mutate.py")),
];

/// Makes sure that the library is in the cache and returns its folder.
///
/// # Errors
/// The cache cannot be written.
pub fn library(home: &Path) -> Result<PathBuf, std::io::Error> {
    let parts: Vec<&[u8]> =
        FILES.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]).collect();
    let parent = home.join("support");
    let folder = parent.join(&Digest::of_parts(&parts).to_string()[..16]);
    if folder.is_dir() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&parent)?;
    let scratch = scratch::named(&parent, UNFINISHED, 0o700)?;
    for (name, text) in FILES {
        std::fs::write(scratch.path().join(name), text)?;
    }
    make_readable(scratch.path())?;
    match std::fs::rename(scratch.path(), &folder) {
        Ok(()) => {
            let _ = scratch.keep();
            Ok(folder)
        }
        Err(_) if folder.is_dir() => Ok(folder),
        Err(error) => Err(error),
    }
}

/// Graders and players read it under an unprivileged user of their own.
fn make_readable(folder: &Path) -> Result<(), std::io::Error> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}
