//! Inspection: what a trajectory shows that speaks against trusting its score, and the verdict that follows.
//!
//! Pure. A [`Trajectory`] says what somebody did, whoever recorded it: the rules do not know whether it is one of our runs.
//! Rules look for traces, not for intent, and a trace is no proof: see [`verdict`] for what follows from which.

pub mod effects;
pub mod evidence;
pub mod excerpt;
pub mod finding;
pub mod judge;
pub mod nested;
pub mod numbers;
pub mod paths;
pub mod program;
pub mod report;
pub mod rules;
pub mod shell;
pub mod trajectory;
pub mod verdict;
pub mod words;

pub use finding::{Finding, Severity, Source};
pub use report::Report;
pub use rules::inspect;
pub use trajectory::{Attempt, Facts, FileWrite, Outcome, Protection, Standing, Step, StepKind, Trajectory};
pub use verdict::{Judgement, Verdict, judged};
