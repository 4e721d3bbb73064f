//! What programs inside send to hosts that they may reach.

use researchgym_core::network::{Hello, read_hello};

use crate::choice;

/// A cut, and the first bytes of a tunnel: what is read of a part is read of the whole, unless the part was unfinished.
pub fn tls_greeting(data: &[u8]) -> bool {
    let (cut, bytes) = choice(data);
    let whole = read_hello(bytes);
    let part = read_hello(&bytes[..usize::from(cut).min(bytes.len())]);
    assert!(part == Hello::Unfinished || part == whole, "{part:?} of {whole:?}");
    matches!(whole, Hello::Greets { .. })
}
