//! Reports as readers get them.

mod checks;
mod hostile;
mod published;
