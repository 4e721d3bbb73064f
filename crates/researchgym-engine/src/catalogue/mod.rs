//! Where tasks are found, loaded and started anew.

mod error;
mod find;
mod load;
mod scaffold;

pub use error::CatalogueError;
pub use find::{Catalogue, Entry};
pub use load::LoadedTask;
pub use scaffold::scaffold;
