//! Keys and seeds of a run, all derived from one secret that never enters a sandbox.
//!
//! Each derivation is a SHA-256 over labelled parts, so that knowing one output tells nothing about another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::score::AttemptKind;

/// The secret from which all grading streams of a run are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GradingSecret(Digest);

impl std::fmt::Debug for GradingSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("GradingSecret(..)")
    }
}

impl GradingSecret {
    /// From 32 random bytes: a run without `--seed`.
    pub fn from_random(bytes: [u8; 32]) -> GradingSecret {
        GradingSecret(Digest::from_bytes(bytes))
    }

    /// From the user's seed: the same artefact then gets the same score.
    pub fn from_seed(seed: u64) -> GradingSecret {
        GradingSecret(Digest::of_parts(&[b"researchgym grading secret", &seed.to_le_bytes()]))
    }

    /// The secret of one attempt. Validations are numbered from 0; every submission is number 0, so that what
    /// was validated before does not change the final score.
    pub fn attempt(&self, kind: AttemptKind, index: u64) -> AttemptKeys {
        let (label, index): (&[u8], u64) = match kind {
            AttemptKind::Validate => (b"validate", index),
            AttemptKind::Submit | AttemptKind::Auto => (b"submit", 0),
        };
        let secret = Digest::of_parts(&[b"attempt", self.0.as_bytes(), label, &index.to_le_bytes()]);
        AttemptKeys { secret, player_seed: first_u64(&Digest::of_parts(&[b"player", secret.as_bytes()])) }
    }
}

/// What one grading runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptKeys {
    /// For the grader alone.
    pub secret: Digest,
    /// For the player; tells nothing about `secret`. Below 2^53, so that every JSON reader keeps it.
    pub player_seed: u64,
}

/// The seed of run `index` of a repeated run.
pub fn repeat_seed(seed: u64, index: u64) -> u64 {
    first_u64(&Digest::of_parts(&[b"repeat", &seed.to_le_bytes(), &index.to_le_bytes()]))
}

/// The seed that agents get for their own randomness. Not the run's seed: with `--seed`, that is what the grading secret
/// is made of.
pub fn agent_seed(seed: u64) -> u64 {
    first_u64(&Digest::of_parts(&[b"agent", &seed.to_le_bytes()]))
}

fn first_u64(digest: &Digest) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(bytes) >> 11
}
