//! Operators: the ways in which one candidate is made from others, and what a policy may ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Stream;

/// A way to make a candidate. `draft`, `improve`, `debug`, `crossover`, `implement`, `ablate` and `simplify` ask a model;
/// `crossover` combines numbers and files itself in a run without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// The starter as it is. Always node 0, never asked for by a policy.
    Baseline,
    /// A first solution from the task's description.
    Draft,
    /// A better version of a candidate that works.
    Improve,
    /// A version of a failed candidate without its failure.
    Debug,
    /// One candidate out of two.
    Crossover,
    /// An idea in words, then its implementation on the baseline or on a parent.
    Implement,
    /// A candidate without one of its parts, to learn what the part is worth.
    Ablate,
    /// A shorter candidate that does the same.
    Simplify,
    /// Other numbers: in the genome, or in the task's parameters.
    Tune,
    /// Other numbers by the covariance matrix adaptation evolution strategy (Hansen 2016).
    CmaEs,
    /// A program with a few seeded changes of its syntax tree.
    Mutate,
    /// The same candidate measured once more, with other seeds.
    Replicate,
}

/// What a policy wants of a new candidate; which operator does it is a matter of the run's repertoire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A start of a line of its own.
    Draft,
    /// A better version of one candidate.
    Improve,
    /// A mended version of one that failed.
    Debug,
    /// A combination of two.
    Cross,
    /// A version without a part.
    Ablate,
    /// Other numbers.
    Tune,
    /// Another measurement.
    Replicate,
}

impl Operator {
    /// All operators that a user may name.
    pub const NAMED: [Operator; 11] = [
        Operator::Draft,
        Operator::Improve,
        Operator::Debug,
        Operator::Crossover,
        Operator::Implement,
        Operator::Ablate,
        Operator::Simplify,
        Operator::Tune,
        Operator::CmaEs,
        Operator::Mutate,
        Operator::Replicate,
    ];

    /// The name in commands, logs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Operator::Baseline => "baseline",
            Operator::Draft => "draft",
            Operator::Improve => "improve",
            Operator::Debug => "debug",
            Operator::Crossover => "crossover",
            Operator::Implement => "implement",
            Operator::Ablate => "ablate",
            Operator::Simplify => "simplify",
            Operator::Tune => "tune",
            Operator::CmaEs => "cma-es",
            Operator::Mutate => "mutate",
            Operator::Replicate => "replicate",
        }
    }

    /// Whether it cannot work without a model.
    pub fn needs_model(self) -> bool {
        match self {
            Operator::Draft
            | Operator::Improve
            | Operator::Debug
            | Operator::Implement
            | Operator::Ablate
            | Operator::Simplify => true,
            Operator::Baseline
            | Operator::Crossover
            | Operator::Tune
            | Operator::CmaEs
            | Operator::Mutate
            | Operator::Replicate => false,
        }
    }

    /// What it can do for a policy.
    fn serves(self, role: Role) -> bool {
        let roles: &[Role] = match self {
            Operator::Baseline => &[],
            Operator::Draft => &[Role::Draft],
            Operator::Improve => &[Role::Improve],
            Operator::Debug => &[Role::Debug],
            Operator::Crossover => &[Role::Cross],
            Operator::Implement => &[Role::Draft, Role::Improve],
            Operator::Ablate => &[Role::Ablate, Role::Improve],
            Operator::Simplify => &[Role::Improve],
            Operator::Tune | Operator::CmaEs => &[Role::Draft, Role::Improve, Role::Tune],
            Operator::Mutate => &[Role::Draft, Role::Improve],
            Operator::Replicate => &[Role::Replicate],
        };
        roles.contains(&role)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// There is no operator of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no operator `{name}`; there are {}", Operator::NAMED.map(Operator::name).join(", "))]
pub struct UnknownOperator {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Operator {
    type Err = UnknownOperator;

    fn from_str(name: &str) -> Result<Operator, UnknownOperator> {
        let found = Operator::NAMED.into_iter().find(|operator| operator.name() == name);
        found.ok_or_else(|| UnknownOperator { name: name.to_owned() })
    }
}

/// The operators of a run with their weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Repertoire(pub BTreeMap<Operator, f64>);

impl Repertoire {
    /// Whether an operator can do this.
    pub fn has(&self, role: Role) -> bool {
        self.0.iter().any(|(operator, weight)| *weight > 0.0 && operator.serves(role))
    }

    /// One of the operators that can do this, by their weights; `None` if none can.
    pub fn pick(&self, role: Role, random: &mut Stream) -> Option<Operator> {
        let able: Vec<(Operator, f64)> =
            self.0.iter().filter(|(operator, _)| operator.serves(role)).map(|(&o, &w)| (o, w)).collect();
        let weights: Vec<f64> = able.iter().map(|(_, weight)| *weight).collect();
        random.weighted(&weights).map(|position| able[position].0)
    }

    /// One of the operators that can do one of these, by their weights, with the first of the roles that it can do;
    /// `None` if none can.
    pub fn pick_any(&self, roles: &[Role], random: &mut Stream) -> Option<(Role, Operator)> {
        let role_of = |operator: Operator| roles.iter().copied().find(|role| operator.serves(*role));
        let able: Vec<(Role, Operator, f64)> = self
            .0
            .iter()
            .filter_map(|(&operator, &weight)| Some((role_of(operator)?, operator, weight)))
            .collect();
        let weights: Vec<f64> = able.iter().map(|(.., weight)| *weight).collect();
        random.weighted(&weights).map(|position| (able[position].0, able[position].1))
    }

    /// Whether one of the operators cannot work without a model.
    pub fn needs_model(&self) -> bool {
        self.0.iter().any(|(operator, weight)| *weight > 0.0 && operator.needs_model())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_others_are_refused_with_the_list() {
        for operator in Operator::NAMED {
            assert_eq!(operator.name().parse(), Ok(operator));
            let json = serde_json::to_value(operator).unwrap();
            assert_eq!(json, operator.name());
        }
        let error = "baseline".parse::<Operator>().unwrap_err().to_string();
        assert!(error.starts_with("there is no operator `baseline`; there are draft, improve,"), "{error}");
    }

    #[test]
    fn a_repertoire_serves_roles_with_what_it_has() {
        let repertoire = Repertoire(BTreeMap::from([(Operator::Tune, 1.0), (Operator::Crossover, 0.5)]));
        let mut random = Stream::new(1, "test", 0);
        assert_eq!(repertoire.pick(Role::Improve, &mut random), Some(Operator::Tune));
        assert_eq!(repertoire.pick(Role::Cross, &mut random), Some(Operator::Crossover));
        assert_eq!(repertoire.pick(Role::Debug, &mut random), None);
        let picked = (0..20).filter_map(|_| repertoire.pick_any(&[Role::Improve, Role::Cross], &mut random));
        let both = [(Role::Improve, Operator::Tune), (Role::Cross, Operator::Crossover)];
        assert_eq!(picked.collect::<std::collections::BTreeSet<_>>(), both.into());
        assert_eq!(repertoire.pick_any(&[Role::Debug, Role::Ablate], &mut random), None);
        assert!(!repertoire.has(Role::Replicate) && !repertoire.needs_model());
    }
}
