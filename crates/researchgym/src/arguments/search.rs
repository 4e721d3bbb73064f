//! The agent `search` and its presets: what plans, how candidates are made, and when it ends.

use clap::{Args, ValueEnum};
use researchgym_core::search::{EditForm, Inheritance, Operator, Selection};

/// What belongs to the agent `search` alone.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SearchArguments {
    /// search: what to try next: a policy's name, or the path of a program of your own
    /// [default: islands]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<String>,
    /// search: a constant of the policy, as KEY=VALUE; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) policy_set: Vec<(String, String)>,
    /// search: how candidates are made, with weights: `draft,improve=3,debug`
    /// [default: with a model draft, improve, debug and some crossover; without one tune, or mutate, and some crossover;
    /// for the policy stages tune, ablate and replicate too]
    #[arg(long, value_name = "O,...", value_delimiter = ',', value_parser = weighted)]
    pub(crate) operators: Vec<(Operator, f64)>,
    /// search: how many candidates are made and evaluated at once [default: as many as this machine has CPUs and memory for, 16 on a cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) slots: Option<u32>,
    /// search: how many of them are evaluated at once at most, where making them takes longer than the machine has room for
    /// [default: as many as --slots; without it as many as this machine has CPUs and memory for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) evaluation_slots: Option<u32>,
    /// search: ends when the primary metric of the best candidate reaches this value
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) target: Option<f64>,
    /// search: ends after so many candidates without a better one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) patience: Option<u64>,
    /// search: how often the best candidate must have been measured before it counts [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) measurements: Option<u32>,
    /// search: one more model, as provider/model or provider/model=WEIGHT; may be given several times
    #[arg(long, value_name = "MODEL[=W]", value_parser = share_of_model)]
    pub(crate) ensemble: Vec<(String, f64)>,
    /// search: the model that has the ideas of `implement`, if it is another than those that write its code
    #[arg(long, value_name = "MODEL")]
    pub(crate) idea_model: Option<String>,
    /// search: the weight of --model among the models of --ensemble [default: 1]
    #[arg(long, value_name = "W", value_parser = weight)]
    pub(crate) model_weight: Option<f64>,
    /// search: how a model of several is chosen [default: weights]
    #[arg(long, value_enum)]
    pub(crate) select: Option<SelectName>,
    /// search: US dollars that a stage (or epoch) may spend on models, as STAGE=USD; may be given several times
    #[arg(long, value_name = "STAGE=USD", value_parser = stage_dollars)]
    pub(crate) stage_budget: Vec<(u32, u64)>,
    /// search: tokens that a stage (or epoch) may use, as STAGE=N; may be given several times
    #[arg(long, value_name = "STAGE=N", value_parser = stage_number)]
    pub(crate) stage_tokens: Vec<(u32, u64)>,
    /// search: the form in which models write changes [default: search-replace]
    #[arg(long, value_enum)]
    pub(crate) form: Option<FormName>,
    /// search: how often a change that cannot be applied goes back to the model with the error [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(crate) repairs: Option<u32>,
    /// search: how often another candidate is asked for instead of one that was made before [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) resamples: Option<u32>,
    /// search: candidates of a model that are this similar to an earlier one are refused, from 0 to 1 [default: 0.98]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) similarity: Option<f64>,
    /// search: the model whose embeddings speak against candidates and ideas that mean what earlier ones mean, as provider/model
    #[arg(long, value_name = "MODEL")]
    pub(crate) embedding_model: Option<String>,
    /// search: a model's candidates whose embedding has this cosine with an earlier one's are refused; 1 embeds none
    /// [default: 0.99]
    #[arg(long, value_name = "COSINE", value_parser = share)]
    pub(crate) embedding_similarity: Option<f64>,
    /// search: ideas whose embedding has this cosine with an earlier one's are refused before code is asked for; 1 embeds none
    /// [default: 0.9]
    #[arg(long, value_name = "COSINE", value_parser = share)]
    pub(crate) idea_similarity: Option<f64>,
    /// search: tokens that the first message to a model may have at most, by the bound on which money is set
    /// aside: 3 to 4 times the real ones [default: 120000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) context_tokens: Option<u64>,
    /// search: what `implement` derives from: a parent's code, or the baseline with the parents' ideas in words
    #[arg(long, value_enum)]
    pub(crate) inherit: Option<InheritName>,
}

impl SearchArguments {
    /// The first flag of a search that was given, for agents to whom none belongs.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--policy", self.policy.is_some()),
            ("--policy-set", !self.policy_set.is_empty()),
            ("--operators", !self.operators.is_empty()),
            ("--slots", self.slots.is_some()),
            ("--evaluation-slots", self.evaluation_slots.is_some()),
            ("--target", self.target.is_some()),
            ("--patience", self.patience.is_some()),
            ("--measurements", self.measurements.is_some()),
            ("--ensemble", !self.ensemble.is_empty()),
            ("--idea-model", self.idea_model.is_some()),
            ("--model-weight", self.model_weight.is_some()),
            ("--select", self.select.is_some()),
            ("--stage-budget", !self.stage_budget.is_empty()),
            ("--stage-tokens", !self.stage_tokens.is_empty()),
            ("--form", self.form.is_some()),
            ("--repairs", self.repairs.is_some()),
            ("--resamples", self.resamples.is_some()),
            ("--similarity", self.similarity.is_some()),
            ("--embedding-model", self.embedding_model.is_some()),
            ("--embedding-similarity", self.embedding_similarity.is_some()),
            ("--idea-similarity", self.idea_similarity.is_some()),
            ("--context-tokens", self.context_tokens.is_some()),
            ("--inherit", self.inherit.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormName {
    /// SEARCH / REPLACE blocks
    SearchReplace,
    /// Unified diffs
    UnifiedDiff,
    /// Whole files
    WholeFiles,
}

impl FormName {
    pub(crate) fn form(self) -> EditForm {
        match self {
            FormName::SearchReplace => EditForm::SearchReplace,
            FormName::UnifiedDiff => EditForm::UnifiedDiff,
            FormName::WholeFiles => EditForm::WholeFiles,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InheritName {
    /// The code of the first parent
    Code,
    /// The untouched baseline: only the words of ideas are inherited
    Text,
}

impl InheritName {
    pub(crate) fn inheritance(self) -> Inheritance {
        match self {
            InheritName::Code => Inheritance::Code,
            InheritName::Text => Inheritance::Text,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SelectName {
    /// By the models' weights
    Weights,
    /// By what they have achieved
    Bandit,
}

impl SelectName {
    pub(crate) fn selection(self) -> Selection {
        match self {
            SelectName::Weights => Selection::Weights,
            SelectName::Bandit => Selection::Bandit,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

pub(super) fn weighted(text: &str) -> Result<(Operator, f64), String> {
    let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
    let operator = name.trim().parse::<Operator>().map_err(|error| error.to_string())?;
    Ok((operator, self::weight(weight)?))
}

fn share_of_model(text: &str) -> Result<(String, f64), String> {
    let (name, weight) = text.rsplit_once('=').unwrap_or((text, "1"));
    Ok((name.to_owned(), self::weight(weight)?))
}

fn weight(text: &str) -> Result<f64, String> {
    let weight = text.trim().parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight > 0.0);
    weight.ok_or_else(|| "write a weight above 0".to_owned())
}

fn stage_dollars(text: &str) -> Result<(u32, u64), String> {
    let dollars = |text: &str| {
        let dollars = text.parse::<f64>().ok().filter(|dollars| dollars.is_finite() && *dollars >= 0.0);
        dollars.map(|dollars| (dollars * 1e6).round() as u64)
    };
    staged(text, dollars, "write STAGE=USD, such as 2=1.50")
}

fn stage_number(text: &str) -> Result<(u32, u64), String> {
    staged(text, |text| text.parse().ok(), "write STAGE=N, such as 2=100000")
}

fn staged(text: &str, read: impl Fn(&str) -> Option<u64>, advice: &str) -> Result<(u32, u64), String> {
    let parsed = text.split_once('=').and_then(|(stage, amount)| Some((stage.parse().ok()?, read(amount)?)));
    parsed.ok_or_else(|| advice.to_owned())
}

pub(super) fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "write a finite number".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "write a number from 0 to 1".to_owned())
}
