//! What a job is told to do: everything that its node needs and cannot find out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::worker::evaluation::EvaluationOrder;
use super::worker::run::RunOrder;

/// The version of orders and results: jobs are carried out by a program of the same version.
pub const SCHEMA: u32 = 1;

/// `order.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Version of this object.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// The run's folder.
    pub run: PathBuf,
    /// The cache folder as the node finds it.
    pub home: PathBuf,
    /// What is to be done.
    pub work: Work,
}

/// See [`Order`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// One stage of the evaluation of a search's candidate.
    Evaluation(Box<EvaluationOrder>),
    /// A whole run.
    Run(Box<RunOrder>),
}
