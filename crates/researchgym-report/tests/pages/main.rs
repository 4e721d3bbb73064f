//! Reports as readers get them.

mod checks;
mod published;
