//! Where tasks are found, loaded and started anew.

mod contents;
mod error;
mod find;
mod load;
mod scaffold;

#[cfg(test)]
mod tests;

pub(crate) use contents::file_digest;
pub use error::{CatalogueError, FileProblem};
pub use find::{Catalogue, Entry};
pub use load::LoadedTask;
pub use scaffold::scaffold;
