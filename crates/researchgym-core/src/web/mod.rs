//! The web as an agent may use it: addresses in one spelling, and which of them a task blocks.
//!
//! Pure: nothing is resolved or fetched here. What a name resolves to is looked at by who fetches.

mod address;
mod blocklist;

#[cfg(test)]
mod tests;

pub use self::address::{Address, AddressError, MAX_ADDRESS_BYTES, has_plain_host};
pub use self::blocklist::{Blocklist, EntryError, HostBlock};

/// Results of a search unless told.
pub const DEFAULT_RESULTS: u32 = 5;
/// Results of a search at most.
pub const MOST_RESULTS: u32 = 10;
