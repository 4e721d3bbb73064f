//! The cheat suite: every script of `tests/cheats/scripts` is the agent of a real run, and none may gain.
//!
//! One test for each family of hacks and each runtime. A runtime that this machine does not have is skipped, visibly. What
//! came out is written as JSON lines below `cheats/` of the target's temporary folder; what must come out is the table
//! `docs/reference/cheats.md`, made from the heads of the scripts and held to them by a test (`UPDATE_REFERENCE=1`
//! writes it again).

#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "a part of what the other tests share")]
mod support;

mod honest;
mod list;
mod place;
mod report;
mod script;
mod suite;
mod table;

use suite::family;

macro_rules! families {
    ($runtime:ident: $($family:ident)*) => {
        mod $runtime {
            $(#[test]
            fn $family() {
                super::family(stringify!($family), stringify!($runtime));
            })*
        }
    };
}

families!(local: a b c d e f);
families!(host: a b c d e f);
families!(docker: a b c d e f);
