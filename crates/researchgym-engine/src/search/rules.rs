//! Operators that ask nobody: other numbers, combinations of two candidates, another measurement.

use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::search::event::Gate;
use researchgym_core::search::genome::cma::{CmaEs, Settings};
use researchgym_core::search::genome::tune::Mix;
use researchgym_core::search::genome::{self, Genome, Nothing, Space, StepSizes, replaced, sampled};
use researchgym_core::search::{Change, Node, NodeId, Operator, Stream, Tree};
use researchgym_core::task::Task;

use super::contents::Contents;
use super::evaluator::Files;
use super::making::{Made, Unmade};
use super::{Search, tree};
use crate::session::Session;

/// The step size, in parts of the range, for numbers that programs refine themselves.
const LEARNED_STEP: f64 = 0.1;
/// How many of the best candidates `tune` may take differences from.
const OTHERS: usize = 8;

/// What operators on numbers keep of the search.
pub(super) struct Numbers {
    space: Option<Space>,
    steps: Option<StepSizes>,
    cma: Option<CmaEs>,
}

impl Numbers {
    /// Before anything has happened.
    pub(super) fn begin(task: &Task, baseline: &Files, has_cma: bool, seed: u64) -> Numbers {
        let space = Space::of(task).ok();
        let numbers = space.as_ref().and_then(|space| sampled(space, baseline).ok());
        let steps = numbers.map(|genome| StepSizes::new(genome.values().len()));
        let cma = space.clone().filter(|_| has_cma);
        let cma = cma.map(|space| CmaEs::new(space, Settings::default(), seed));
        Numbers { space, steps, cma }
    }

    /// Takes a change of the tree in.
    pub(super) fn observe(&mut self, tree: &Tree, change: Change, contents: &mut Contents) {
        if let Some(steps) = &mut self.steps {
            steps.observe(tree, change);
        }
        let (Some(cma), Some(space)) = (&mut self.cma, &self.space) else { return };
        cma.observe(tree, change, &mut |node| {
            let files = contents.of(tree, node).ok()?;
            sampled(space, &files).ok()
        });
    }
}

impl Search {
    /// What an operator makes that needs nobody.
    pub(super) fn by_rule(
        &mut self,
        session: &Session,
        id: NodeId,
        attempt: u64,
    ) -> Result<Result<Made, Unmade>, Failure> {
        let tree = tree(session);
        let Some(node) = tree.get(id) else { return Ok(Err(nothing("there is no such node"))) };
        let shown = node.shown.clone();
        let mut random = Stream::new(self.seed, node.operator.name(), u64::from(id) << 8 | attempt);
        let made = match node.operator {
            Operator::Baseline => Ok((**self.contents.baseline()).clone()),
            Operator::Replicate => {
                let original = node.base().unwrap_or(0);
                Ok((*self.contents.of(tree, original)?).clone())
            }
            Operator::Tune => self.tuned(tree, node, &mut random)?,
            Operator::CmaEs => self.drawn(tree, node, &mut random)?,
            Operator::Crossover => self.crossed(tree, node, &mut random)?,
            operator => Err(format!("the operator `{operator}` has nothing to work on")),
        };
        Ok(made.map(|files| Made::by_rule(files, shown)).map_err(nothing))
    }

    /// Other numbers in the place of a parent's; of a draft, all of them anew.
    fn tuned(
        &mut self,
        tree: &Tree,
        node: &Node,
        random: &mut Stream,
    ) -> Result<Result<Files, String>, Failure> {
        let Some(space) = self.numbers.space.clone() else { return Ok(Err(no_numbers(&self.task))) };
        let base = node.base().unwrap_or(0);
        let parent = self.contents.inherited(tree, base)?;
        if base == 0 && matches!(node.tag.kind.as_deref(), Some("draft" | "explore")) {
            return Ok(said(genome::draft(&space, &parent, random)));
        }
        let others = self.others(tree, node)?;
        let others: Vec<&Files> = others.iter().map(Arc::as_ref).collect();
        // Where programs refine their numbers themselves, success says nothing about the length of a step.
        let is_learned = self.task.search.as_ref().and_then(|search| search.genome.as_ref());
        let is_learned = is_learned.is_some_and(|genome| genome.learned);
        let mix = if is_learned { Mix::refined() } else { Mix::default() };
        let steps = self.numbers.steps.as_ref().filter(|_| !is_learned);
        let sigma = steps.map_or(LEARNED_STEP, |steps| steps.of(base));
        Ok(said(genome::tuned(&space, &parent, &others, (sigma, &mix), random)))
    }

    /// Measured candidates beside the parents: those that the policy shows, else the best.
    fn others(&mut self, tree: &Tree, node: &Node) -> Result<Vec<Arc<Files>>, Failure> {
        let shown = node.shown.iter().copied().filter(|shown| tree.fitness(*shown).is_some());
        let best = tree.ranked().take(OTHERS);
        let mut chosen: Vec<NodeId> = shown.chain(best).filter(|other| Some(*other) != node.base()).collect();
        chosen.truncate(OTHERS);
        chosen.into_iter().map(|other| self.contents.inherited(tree, other)).collect()
    }

    fn drawn(
        &mut self,
        tree: &Tree,
        node: &Node,
        random: &mut Stream,
    ) -> Result<Result<Files, String>, Failure> {
        let (Some(space), Some(cma)) = (&self.numbers.space, &self.numbers.cma) else {
            return Ok(Err(no_numbers(&self.task)));
        };
        let genome: Option<Genome> = cma.sample(random);
        let base = self.contents.inherited(tree, node.base().unwrap_or(0))?;
        Ok(genome
            .map(|genome| replaced(space, &base, &genome))
            .ok_or_else(|| format!("{} holds no numbers that can be read", space.file())))
    }

    /// A candidate out of two: of the second parent, or of the best one that is not the first.
    fn crossed(
        &mut self,
        tree: &Tree,
        node: &Node,
        random: &mut Stream,
    ) -> Result<Result<Files, String>, Failure> {
        let base = node.base().unwrap_or(0);
        let named = node.parents.get(1).copied();
        let second = named.or_else(|| tree.ranked().find(|other| *other != base));
        let Some(second) = second else { return Ok(Err("there is no second candidate".to_owned())) };
        let first = self.contents.inherited(tree, base)?;
        let second = self.contents.inherited(tree, second)?;
        Ok(said(genome::crossover(self.numbers.space.as_ref(), &first, &second, random)))
    }
}

fn said(made: Result<genome::Made, Nothing>) -> Result<Files, String> {
    made.map(|made| made.files).map_err(|nothing| nothing.to_string())
}

fn nothing(reason: impl Into<String>) -> Unmade {
    Unmade::by_rule(Gate::NothingToDo, reason)
}

fn no_numbers(task: &Task) -> String {
    Space::of(task).err().map_or_else(String::new, |none| none.to_string())
}
