//! One function for each parser that reads what agents, graders, programs inside, providers and strangers write. Each
//! takes any bytes, and panics if a promise is broken: that is how `cargo fuzz` and the tests here find out.
//!
//! The promises: no panic in the parser, no answer that depends on how a stream was cut, nothing that does not survive
//! being written and read again. That memory stays in proportion to the input is for the caller to watch. Where the
//! first bytes choose something (a wire, a cut), the seeds in `seeds/` show how.

mod logs;
mod metrics;
mod models;
mod network;
mod texts;

pub use self::logs::{
    atif_trajectory, event_log, grader_output, guest_frames, idea_search, inspect_log, mlgym_record,
    mlgym_trajectory, openevolve_programs, researchgym_seed,
};
pub use self::metrics::{printed_metrics, tensorboard_file};
pub use self::models::{client_request, provider_answer, provider_stream};
pub use self::network::tls_greeting;
pub use self::texts::{dotenv, edits, patch, script, task_toml};

/// A parser under test: whether it understood the bytes.
pub type Target = fn(&[u8]) -> bool;

/// All of them by name: the names of the programs in `targets/` and of the folders in `seeds/`.
pub const TARGETS: [(&str, Target); 21] = [
    ("task_toml", task_toml),
    ("event_log", event_log),
    ("grader_output", grader_output),
    ("guest_frames", guest_frames),
    ("provider_stream", provider_stream),
    ("provider_answer", provider_answer),
    ("client_request", client_request),
    ("patch", patch),
    ("edits", edits),
    ("script", script),
    ("dotenv", dotenv),
    ("mlgym_trajectory", mlgym_trajectory),
    ("mlgym_record", mlgym_record),
    ("researchgym_seed", researchgym_seed),
    ("inspect_log", inspect_log),
    ("atif_trajectory", atif_trajectory),
    ("openevolve_programs", openevolve_programs),
    ("idea_search", idea_search),
    ("tls_greeting", tls_greeting),
    ("printed_metrics", printed_metrics),
    ("tensorboard_file", tensorboard_file),
];

/// The first byte, and what follows it.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
