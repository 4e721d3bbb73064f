//! Searches that go by the name of a published system: its policy with the published constants, the operators that stand
//! for its prompts, and how its models were asked. All of it can be set otherwise afterwards.

use super::policy::PolicySpec;
use super::{EditForm, Inheritance, Novelty, Operator, Repertoire, SearchSpec, Selection, StageLimits};

/// A published system as a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The name that a user gives.
    pub name: &'static str,
    /// What it is, in half a sentence.
    pub what: &'static str,
    /// Where its numbers are published.
    pub source: &'static str,
    /// The name of its policy.
    pub policy: &'static str,
    /// Its operators with their weights.
    pub operators: &'static [(Operator, f64)],
    /// How many candidates at once.
    pub parallel: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// The form in which models write their changes.
    pub form: EditForm,
    /// How often a change that cannot be applied is sent back.
    pub repairs: u32,
    /// What `implement` derives from.
    pub inheritance: Inheritance,
}

/// All presets. None of the systems compares candidates but for being equal, or by embeddings that are off unless set up.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "ml-master",
        what: "Monte Carlo tree search over drafts, debugging and improvements",
        source: "ML-Master, configuration as vendored by ResearchGym: parallel_search_num 3, temperature 0.5, one \
                 code block per answer, asked for up to 3 times",
        policy: "mcts",
        operators: &[(Operator::Draft, 1.0), (Operator::Improve, 1.0), (Operator::Debug, 1.0)],
        parallel: 3,
        temperature: 0.5,
        form: EditForm::WholeFiles,
        repairs: 2,
        inheritance: Inheritance::Code,
    },
    Preset {
        name: "ai-scientist",
        what: "best first in four stages: a draft that works, tuning, improvements, ablations",
        source: "AI-Scientist-v2 (defddb8), bfts_config.yaml: num_workers 4, code temperature 1.0, num_seeds 3 by \
                 replicates, prompts for whole programs",
        policy: "stages",
        operators: &[
            (Operator::Draft, 1.0),
            (Operator::Improve, 1.0),
            (Operator::Debug, 1.0),
            (Operator::Tune, 1.0),
            (Operator::Ablate, 1.0),
            (Operator::Replicate, 1.0),
        ],
        parallel: 4,
        temperature: 1.0,
        form: EditForm::WholeFiles,
        repairs: 2,
        inheritance: Inheritance::Code,
    },
    Preset {
        name: "openevolve",
        what: "islands with a grid of niches each (MAP-Elites), and migrants",
        source: "OpenEvolve (75bc298): temperature 0.7, SEARCH / REPLACE blocks, parallel_evaluations 4 as in its \
                 sample configuration; ours: a block that matches nothing is sent back instead of being passed over",
        policy: "islands",
        operators: &[(Operator::Improve, 1.0)],
        parallel: 4,
        temperature: 0.7,
        form: EditForm::SearchReplace,
        repairs: 2,
        inheritance: Inheritance::Code,
    },
    Preset {
        name: "evolutionary-search",
        what: "epochs of ideas in words, each implemented on the untouched baseline",
        source: "arXiv 2601.14525, sections 3 and 4, with NoviScl/Automated-AI-Researcher (4e33561): temperature 1.0, \
                 unified diffs, at most 2 self-revisions; ours: 4 at once, where published is a cluster",
        policy: "epochs",
        operators: &[(Operator::Implement, 1.0)],
        parallel: 4,
        temperature: 1.0,
        form: EditForm::UnifiedDiff,
        repairs: 2,
        inheritance: Inheritance::Text,
    },
];

impl Preset {
    /// The search that it stands for; `None` if this program lacks its policy.
    pub fn spec(&self) -> Option<SearchSpec> {
        Some(SearchSpec {
            preset: Some(self.name.to_owned()),
            policy: PolicySpec::named(self.policy)?,
            operators: Repertoire(self.operators.iter().copied().collect()),
            parallel: self.parallel,
            novelty: Novelty { similarity: 1.0, ..Novelty::default() },
            form: self.form,
            repairs: self.repairs,
            inheritance: self.inheritance,
            temperature: Some(self.temperature),
            ..default_spec()
        })
    }
}

/// The search of a preset; `None` if there is no preset of that name, or this program lacks its policy.
pub fn preset(name: &str) -> Option<SearchSpec> {
    PRESETS.iter().find(|preset| preset.name == name)?.spec()
}

/// The search without a name: islands, and the operators that need a model.
pub fn default_spec() -> SearchSpec {
    SearchSpec {
        preset: None,
        policy: PolicySpec::Islands(Default::default()),
        operators: operators_with_model(),
        parallel: 1,
        evaluation_slots: None,
        target: None,
        patience: None,
        measurements: 1,
        novelty: Novelty::default(),
        form: EditForm::SearchReplace,
        repairs: 2,
        context_tokens: 120_000,
        inheritance: Inheritance::Code,
        temperature: None,
        models: Vec::new(),
        idea_model: None,
        model_weight: 1.0,
        selection: Selection::Weights,
        stage_limits: StageLimits::default(),
    }
}

/// The operators of a run with a model, unless the user names others. Policies that never draft, debug or cross leave
/// those out.
pub fn operators_with_model() -> Repertoire {
    let weights = [
        (Operator::Draft, 1.0),
        (Operator::Improve, 1.0),
        (Operator::Debug, 1.0),
        (Operator::Crossover, 0.2),
    ];
    Repertoire(weights.into())
}

/// The operators of a run without a model, unless the user names others; those that find nothing to work on in the task
/// have to be left out by who knows the task.
pub fn operators_without_model() -> Repertoire {
    Repertoire([(Operator::Tune, 1.0), (Operator::Mutate, 1.0), (Operator::Crossover, 0.5)].into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::policy::{Epochs, Islands};

    #[test]
    fn presets_are_searches_with_published_constants() {
        let policy = |name| preset(name).map(|spec| spec.policy);
        assert_eq!(policy("openevolve"), Some(PolicySpec::Islands(Islands::default())));
        assert_eq!(policy("evolutionary-search"), Some(PolicySpec::Epochs(Epochs::default())));
        assert_eq!(policy("hill-climb"), None);
        for listed in PRESETS {
            let spec = listed.spec();
            assert_eq!(spec.is_some(), PolicySpec::named(listed.policy).is_some(), "{}", listed.name);
            assert_eq!(spec, preset(listed.name));
            assert!(spec.is_none_or(|spec| spec.operators.needs_model()));
        }
    }

    #[test]
    fn a_preset_is_written_out_in_full() {
        let spec = serde_json::to_value(preset("evolutionary-search")).expect("JSON");
        let expected = serde_json::json!({
            "preset": "evolutionary-search",
            "policy": {
                "name": "epochs",
                "epochs": 10,
                "batch": 50,
                "per_call": 10,
                "exploit_start": 0.5,
                "exploit_step": 0.1,
                "exploit_every": 2,
                "exploit_most": 0.8,
                "min_explore": 0.2,
                "top_k": 100,
                "sample_k": 100,
                "quorum": 0.3,
            },
            "operators": { "implement": 1.0 },
            "parallel": 4,
            "measurements": 1,
            "novelty": { "similarity": 1.0, "resamples": 3 },
            "form": "unified-diff",
            "repairs": 2,
            "context_tokens": 120_000,
            "inheritance": "text",
            "temperature": 1.0,
            "model_weight": 1.0,
            "selection": "weights",
        });
        assert_eq!(spec, expected);
    }

    #[test]
    fn operators_without_a_model_need_none() {
        assert!(operators_with_model().needs_model() && !operators_without_model().needs_model());
    }
}
