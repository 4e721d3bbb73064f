//! `shoot-out`: which policies, on what, and with how much.

use std::path::PathBuf;

use clap::Args;
use researchgym_core::search::Operator;

use super::run::{ExecutorName, RuntimeName};
use super::search::{finite, weighted};
use super::{FormName, InheritName, ModelArguments, Places};

#[derive(Debug, Args)]
pub(crate) struct ShootOutArguments {
    /// A task's name (see `researchgym task list`) or folder
    pub(crate) task: String,
    /// The policies: names, or paths of programs of your own [default: all that are built in]
    #[arg(long, value_name = "P,...", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// A constant of one policy, as POLICY.KEY=VALUE; may be given several times
    #[arg(long, value_name = "POLICY.KEY=VALUE", value_parser = constant)]
    pub(crate) policy_set: Vec<Constant>,
    /// How candidates are made, with weights: `draft,improve=3,debug` [default: as for `run TASK search`]
    #[arg(long, value_name = "O,...", value_delimiter = ',', value_parser = weighted)]
    pub(crate) operators: Vec<(Operator, f64)>,
    /// Candidates of each search
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: u64,
    /// Searches of each policy, with the seeds from 1 on; fewer than 5 tell next to nothing
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Evaluations are counted until the primary metric reaches this value; no search ends by it
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) target: Option<f64>,
    /// A variant that the task declares
    #[arg(long, value_name = "V")]
    pub(crate) variant: Option<String>,
    /// Working time of each search in hours, or `unlimited` [default: the task's]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    pub(crate) hours: Option<String>,
    /// Candidates that a search makes and evaluates at once: with one, a seed decides everything
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) slots: u32,
    /// Searches at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) parallel: u64,
    /// The language model, as provider/model, for operators that need one
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// US dollars for model calls of the whole shoot-out, or `unlimited`: each search may spend an equal share [default: 10]
    #[arg(long, value_name = "USD", requires = "model", allow_negative_numbers = true)]
    pub(crate) budget: Option<String>,
    /// Sampling temperature [default: the provider's]
    #[arg(long, value_name = "T", requires = "model")]
    pub(crate) temperature: Option<f64>,
    /// The form in which models write changes [default: search-replace]
    #[arg(long, value_enum, requires = "model")]
    pub(crate) form: Option<FormName>,
    /// What `implement` derives from: a parent's code, or the baseline with the parents' ideas in words
    #[arg(long, value_enum)]
    pub(crate) inherit: Option<InheritName>,
    #[command(flatten)]
    pub(crate) models: ModelArguments,
    /// Where the evaluations are carried out: `local` (this machine) or `slurm` (jobs of a cluster) [default: local]
    #[arg(long, value_enum)]
    pub(crate) executor: Option<ExecutorName>,
    /// Where commands run: `local`, `docker` or `host` [default: local]
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<RuntimeName>,
    /// The containers' image, with `--runtime docker`
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    /// Your own copies of the task's datasets
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Resamples of the bootstrap over the seeds; 0 leaves intervals out
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) resamples: u32,
    /// Write table, figures and data into this folder; what an earlier shoot-out wrote there is replaced
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Say which searches there are and which are to come, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// A constant of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constant {
    pub(crate) policy: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

fn constant(text: &str) -> Result<Constant, String> {
    let parsed = text.split_once('=').and_then(|(name, value)| {
        // A program's path may have points in it, a constant's name has none.
        let (policy, key) = name.rsplit_once('.')?;
        let parts = [policy, key, value].map(|part| part.trim().to_owned());
        parts.iter().all(|part| !part.is_empty()).then_some(parts)
    });
    let [policy, key, value] = parsed.ok_or("write POLICY.KEY=VALUE, such as hill-climb.restart_after=10")?;
    Ok(Constant { policy, key, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_belong_to_a_policy() {
        let check = |text: &str, expected: Option<[&str; 3]>| {
            let expected = expected.map(|[policy, key, value]| Constant {
                policy: policy.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            });
            assert_eq!(constant(text).ok(), expected, "{text}");
        };
        check("hill-climb.restart_after=10", Some(["hill-climb", "restart_after", "10"]));
        check("./own.py.depth=0.5", Some(["./own.py", "depth", "0.5"]));
        for wrong in ["restart_after=10", "mcts.c", ".c=1", "mcts.=1", "mcts.c="] {
            check(wrong, None);
        }
    }
}
