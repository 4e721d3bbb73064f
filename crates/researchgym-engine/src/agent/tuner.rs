//! `tuner`: searches the task's declared parameters without any language model.
//!
//! The control that tells whether a language model added anything. Candidates come from the `optimizer` crate
//! (random search, or TPE: Bergstra et al. 2011); the first is the starter as it is. Deterministic for a seed, so that
//! a resumed run draws the same candidates and is answered from the record.

use std::collections::BTreeMap;

use optimizer::parameter::{CategoricalParam, FloatParam, IntParam, Parameter as _};
use optimizer::sampler::{RandomSampler, TpeSampler};
use optimizer::{Study, Trial};
use researchgym_core::action::{Action, Body};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::observation::Observation;
use researchgym_core::score::{Direction, Primary};
use researchgym_core::spec::Sampler;
use researchgym_core::task::{Parameter, Range, Tunable};

use super::GivesUp;
use crate::session::{Session, Stop};

/// A candidate: parameter name -> value.
type Candidate = BTreeMap<String, Parameter>;

pub(super) async fn drive(session: &mut Session, sampler: Sampler, trials: u64) -> Result<GivesUp, Stop> {
    let task = session.state().started.task.clone();
    let Some(tunable) = task.tunable.clone() else {
        return Err(Failure::new(
            Boundary::Agent,
            format!("task {} declares no tunable parameters", task.id),
        )
        .hinted("add a [tunable] section to its task.toml, or choose another agent")
        .into());
    };
    let primary = task.primary();
    let search = Search::new(&tunable, sampler, &primary, session.state().started.spec.seed);
    // Every candidate needs a validation.
    let trials = trials.min(task.grader.validations);
    let mut best: Option<(Option<Candidate>, f64)> = None;
    let mut in_place: Option<Candidate> = None;
    for number in 0..trials {
        let (trial, candidate) = match number {
            0 => (None, None),
            _ => search.ask().map(|(trial, candidate)| (Some(trial), Some(candidate)))?,
        };
        let value = evaluate(session, &tunable, candidate.as_ref(), &primary).await?;
        in_place.clone_from(&candidate);
        if let Some(trial) = trial {
            search.study.tell(trial, value.ok_or("no valid score"));
        }
        let Some(value) = value else { continue };
        if best.as_ref().is_none_or(|(_, best)| primary.direction.gain(value, *best) > 0.0) {
            best = Some((candidate, value));
        }
    }
    let Some((best, value)) = best else { return Ok(GivesUp) };
    say(session, format!("best of {trials} candidates: {} = {value}", primary.name)).await?;
    if best != in_place {
        match &best {
            Some(candidate) => write(session, &tunable, candidate).await?,
            // The starter's own values were the best: put them back.
            None => restore(session, &tunable).await?,
        }
        apply(session, &tunable).await?;
    }
    session.step(Action::Submit).await?;
    Ok(GivesUp)
}

/// Makes the submission from a candidate (`None`: the starter's own values) and validates it.
async fn evaluate(
    session: &mut Session,
    tunable: &Tunable,
    candidate: Option<&Candidate>,
    primary: &Primary,
) -> Result<Option<f64>, Stop> {
    match candidate {
        Some(candidate) => write(session, tunable, candidate).await?,
        None => keep(session, tunable).await?,
    }
    if !apply(session, tunable).await? {
        return Ok(None);
    }
    match session.step(Action::Validate).await? {
        Observation::Graded { score, .. } => Ok(score.value(primary)),
        _ => Ok(None),
    }
}

async fn write(session: &mut Session, tunable: &Tunable, candidate: &Candidate) -> Result<(), Stop> {
    let text = serde_json::to_string_pretty(candidate)
        .map_err(|error| Failure::new(Boundary::Agent, format!("parameters cannot be written: {error}")))?;
    let action = Action::Write { path: tunable.file.clone(), content: Body::Text(text + "\n"), mode: None };
    match session.step(action).await? {
        Observation::Refused { reason } => {
            Err(Failure::new(Boundary::Task, format!("{}: {reason}", tunable.file)).into())
        }
        _ => Ok(()),
    }
}

/// Keeps a copy of the starter's values beside the file, so that they can be put back.
async fn keep(session: &mut Session, tunable: &Tunable) -> Result<(), Stop> {
    shell(session, format!("cp -- '{0}' '{0}.starter'", tunable.file)).await.map(|_| ())
}

async fn restore(session: &mut Session, tunable: &Tunable) -> Result<(), Stop> {
    shell(session, format!("cp -- '{0}.starter' '{0}'", tunable.file)).await.map(|_| ())
}

async fn apply(session: &mut Session, tunable: &Tunable) -> Result<bool, Stop> {
    shell(session, tunable.apply.clone()).await
}

async fn shell(session: &mut Session, command: String) -> Result<bool, Stop> {
    let action = Action::Exec { command: Body::Text(command), timeout_s: None };
    Ok(matches!(session.step(action).await?, Observation::Exec { exit_code: Some(0), .. }))
}

async fn say(session: &mut Session, text: String) -> Result<(), Stop> {
    session.step(Action::Say { text: Body::Text(text) }).await.map(|_| ())
}

/// The library's study over the task's parameters, always asked in the same order.
struct Search {
    study: Study<f64>,
    parameters: Vec<(String, Asked)>,
}

enum Asked {
    Float(FloatParam),
    Int(IntParam),
    /// A choice is asked for by its position.
    Choice(CategoricalParam<usize>, Vec<Parameter>),
}

impl Search {
    fn new(tunable: &Tunable, sampler: Sampler, primary: &Primary, seed: u64) -> Search {
        let direction = match primary.direction {
            Direction::Maximize => optimizer::Direction::Maximize,
            Direction::Minimize => optimizer::Direction::Minimize,
        };
        let study = match sampler {
            Sampler::Random => Study::with_sampler(direction, RandomSampler::with_seed(seed)),
            Sampler::Tpe => {
                let tpe = TpeSampler::builder().seed(seed).n_startup_trials(4).build();
                Study::with_sampler(direction, tpe.unwrap_or_default())
            }
        };
        let parameters = tunable
            .parameters
            .iter()
            .map(|(name, range)| {
                let asked = match range {
                    Range::Float { low, high, log: false } => Asked::Float(FloatParam::new(*low, *high)),
                    Range::Float { low, high, log: true } => {
                        Asked::Float(FloatParam::new(*low, *high).log_scale())
                    }
                    Range::Int { low, high } => Asked::Int(IntParam::new(*low, *high)),
                    Range::Choice { choices } => {
                        Asked::Choice(CategoricalParam::new((0..choices.len()).collect()), choices.clone())
                    }
                };
                (name.clone(), asked)
            })
            .collect();
        Search { study, parameters }
    }

    fn ask(&self) -> Result<(Trial, Candidate), Failure> {
        let mut trial = self.study.ask();
        let mut candidate = Candidate::new();
        for (name, asked) in &self.parameters {
            let value = match asked {
                Asked::Float(float) => float.suggest(&mut trial).map(Parameter::Number),
                Asked::Int(int) => int.suggest(&mut trial).map(Parameter::Integer),
                Asked::Choice(choice, choices) => {
                    choice.suggest(&mut trial).map(|position| choices[position].clone())
                }
            };
            let value = value.map_err(|error| {
                Failure::new(Boundary::Task, format!("tunable parameter `{name}`: {error}"))
            })?;
            candidate.insert(name.clone(), value);
        }
        Ok((trial, candidate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunable() -> Tunable {
        Tunable {
            file: "parameters.json".into(),
            apply: "true".into(),
            trials: 10,
            parameters: BTreeMap::from([
                ("a".into(), Range::Float { low: 0.0, high: 1.0, log: false }),
                ("b".into(), Range::Int { low: 1, high: 9 }),
                (
                    "c".into(),
                    Range::Choice { choices: vec![Parameter::Text("x".into()), Parameter::Switch(true)] },
                ),
            ]),
        }
    }

    fn candidates(sampler: Sampler, seed: u64) -> Vec<Candidate> {
        let primary = Primary { name: "m".into(), direction: Direction::Minimize };
        let search = Search::new(&tunable(), sampler, &primary, seed);
        (0..20)
            .map(|_| {
                let (trial, candidate) = search.ask().expect("a candidate");
                let Parameter::Number(a) = candidate["a"] else { panic!("a is a number") };
                search.study.tell(trial, Ok::<_, String>((a - 0.3).abs()));
                candidate
            })
            .collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_candidates_within_their_ranges() {
        for sampler in [Sampler::Random, Sampler::Tpe] {
            let drawn = candidates(sampler, 7);
            assert_eq!(drawn, candidates(sampler, 7));
            assert_ne!(drawn, candidates(sampler, 8));
            for candidate in drawn {
                assert!(matches!(candidate["a"], Parameter::Number(a) if (0.0..=1.0).contains(&a)));
                assert!(matches!(candidate["b"], Parameter::Integer(b) if (1..=9).contains(&b)));
            }
        }
    }
}
