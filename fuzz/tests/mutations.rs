//! Every target under its seeds, and under thousands of damaged ones: what CI can do without a coverage-guided fuzzer.

use std::path::Path;

use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use researchgym_fuzz::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a parser may hold beside a multiple of its input.
const SMALL_BYTES: usize = 1 << 20;
/// How many bytes of memory a byte of input may lead to: JSON values are wide.
const WIDTH: usize = 400;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let entries = std::fs::read_dir(folder).expect("every target has a folder of seeds");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no seeds");
    files.iter().map(|file| std::fs::read(file).expect("a seed can be read")).collect()
}

/// One thing done to a seed.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Overwrite(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
}

/// Bytes that mean something to the parsers.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "\n",
        "\r",
        "\0",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        "NaN",
        "18446744073709551616",
        "data: ",
        "data: [DONE]\n\n",
        "*** End Patch\n",
        "<<<<<<< SEARCH\n",
        "=======\n",
        "```\n",
        "--- a/lib/net.py\n+++ b/lib/net.py\n",
        "<think>",
        "@@\n",
        "\u{202e}",
        "\u{fffd}",
    ]);
    prop_oneof![
        4 => known.prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..9)
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        4 => (any::<Index>(), words()).prop_map(|(at, word)| Damage::Insert(at, word)),
        4 => (any::<Index>(), 1usize..40).prop_map(|(at, length)| Damage::Remove(at, length)),
        2 => (any::<Index>(), 1usize..80, 2usize..50)
            .prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match damage {
            Damage::Cut(at) => bytes.truncate(place(at)),
            Damage::Overwrite(at, byte) => {
                let at = place(at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Damage::Insert(at, word) => {
                let at = place(at);
                bytes.splice(at..at, word.iter().copied());
            }
            Damage::Remove(at, length) => {
                let at = place(at);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Damage::Repeat(at, length, times) => {
                let at = place(at);
                let piece = bytes[at..(at + length).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Runs one target, and looks at the most memory that was in use meanwhile.
fn bounded(target: Target, bytes: &[u8]) -> bool {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let is_understood = target(bytes);
    let used = MEMORY.peak_usage().saturating_sub(before);
    let allowed = SMALL_BYTES + WIDTH * bytes.len();
    assert!(used <= allowed, "{used} bytes of memory for {} bytes of input", bytes.len());
    is_understood
}

fn check(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("the macro lists targets");
    let seeds = seeds(name);
    assert!(seeds.iter().all(|seed| bounded(target, seed)), "a seed of {name} is not understood any more");
    let cases = (select(seeds), proptest::collection::vec(damage(), 0..8));
    let result = TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() }).run(
        &cases,
        |(seed, damages)| {
            bounded(target, &damaged(seed, &damages));
            Ok(())
        },
    );
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_target_is_tried() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
        }
    };
}

targets!(
    task_toml,
    event_log,
    grader_output,
    guest_frames,
    provider_stream,
    provider_answer,
    client_request,
    patch,
    edits,
    script,
    dotenv,
    mlgym_trajectory,
    mlgym_record,
    researchgym_seed,
    inspect_log,
    atif_trajectory,
    openevolve_programs,
    idea_search,
    tls_greeting,
    printed_metrics,
    tensorboard_file
);
