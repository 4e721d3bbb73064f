//! `stages`: the four stages of an experiment, one after the other: a first working candidate, its tuning, creative
//! research, and ablations of what came of it. AI-Scientist-v2 (`agent_manager.py`, `parallel_agent.py`,
//! `bfts_config.yaml`).
//!
//! Each stage grows trees of its own like `best-first`, from the best candidate of the stage before, which is
//! measured again with other seeds when its stage is over. A stage ends when nothing of it is under way any more.
//! The first is over as soon as something works, and the search with it if nothing does. Where the original asks a
//! model whether tuning or research is done, [`Stages::patience`] can end it early; its sub-stages, whose goals a
//! model writes, are not here. The best of a stage is the best by the metric, where the original asks a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forest::{Choice, Chosen, Forest, Means};
use super::line::{DEBUG, DRAFT, IMPROVE, best_others, newest_children, plan, start};
use super::{Answer, Policy, View};
use crate::search::{Change, NodeId, Operator, Plan, Repertoire, Role, Status, Stream, Tag, Tree};

/// How many stages there are.
const STAGES: usize = 4;

/// What each is, for notes.
const NAMES: [&str; STAGES] =
    ["initial implementation", "baseline tuning", "creative research", "ablation studies"];

/// What the operators are told in each.
const HINTS: [&str; STAGES] = [
    "Stage 1 of 4: get a simple version to work from end to end. Correct and measurable comes before good.",
    "Stage 2 of 4: change one setting, such as a rate, a size or a length, and leave the method as it is.",
    "Stage 3 of 4: try a new idea about the method itself, one that could make a clear difference.",
    "Stage 4 of 4: take out or replace one part, so that the measurement tells what this part is worth.",
];

/// The mark of one more measurement.
const REPLICATE: &str = "replicate";

/// Its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stages {
    /// Candidates of each stage at most: first implementation, tuning, research, ablation. AI-Scientist-v2 20, 12,
    /// 12, 18. Without any for the first the baseline takes its place. The candidate that a stage begins from does
    /// not count.
    pub iterations: [u32; STAGES],
    /// Drafts of the first stage; later ones have none. AI-Scientist-v2 3.
    pub num_drafts: usize,
    /// The probability that a failure is mended. AI-Scientist-v2 0.5.
    pub debug_prob: f64,
    /// Failed ancestors that a failure may have and still be mended. AI-Scientist-v2 3.
    pub max_debug_depth: u32,
    /// Measurements with other seeds of the best candidate of a stage. AI-Scientist-v2 3. A candidate that was the
    /// best of an earlier stage is not measured again.
    pub num_seeds: u32,
    /// Tuning and research end once so many candidates in a row have brought nothing better, provided that something
    /// better than their begin was found. None here: AI-Scientist-v2 asks a model.
    pub patience: Option<u32>,
    /// How many others are shown to who makes a candidate: the best, and in tuning and ablation those tried before.
    /// Ours.
    pub others_shown: usize,
}

impl Default for Stages {
    fn default() -> Stages {
        Stages {
            iterations: [20, 12, 12, 18],
            num_drafts: 3,
            debug_prob: 0.5,
            max_debug_depth: 3,
            num_seeds: 3,
            patience: None,
            others_shown: 5,
        }
    }
}

impl Stages {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Manager { constants: self.clone(), stages: vec![Stage::new(self, None)], has_ended: false }
    }
}

/// Stages so far; the last is the current one.
struct Manager {
    constants: Stages,
    stages: Vec<Stage>,
    has_ended: bool,
}

/// One stage.
struct Stage {
    /// What it began from.
    seed: Option<NodeId>,
    forest: Forest,
    /// Its candidates, but for those that the machine lost.
    planned: u32,
    under_way: u32,
    /// Settled candidates since the best one.
    since_best: u32,
    /// What it ended with.
    best: Option<NodeId>,
    /// Measurements of that with other seeds, but for those that the machine lost.
    replicates: u32,
}

impl Stage {
    fn new(constants: &Stages, seed: Option<NodeId>) -> Stage {
        let forest = Forest::new(constants.max_debug_depth);
        Stage { seed, forest, planned: 0, under_way: 0, since_best: 0, best: None, replicates: 0 }
    }
}

impl Policy for Manager {
    fn observe(&mut self, tree: &Tree, change: Change) {
        match change {
            Change::Planned(first, end) => (first..end).for_each(|id| self.planned(tree, id)),
            Change::Built(_) => {}
            Change::Settled(id) => self.settled(tree, id),
            Change::Remeasured(id) => {
                self.stages.iter_mut().for_each(|stage| stage.forest.remeasured(tree, id))
            }
        }
    }

    /// What a policy without stages has found is the outcome of the first.
    fn take_over(&mut self, tree: &Tree, _operators: &Repertoire) {
        let has_stages = tree.nodes().iter().any(|node| node.tag.stage.is_some());
        let Some(best) = tree.best().filter(|best| !has_stages && *best != 0) else { return };
        let first = Stage { best: Some(best), ..Stage::new(&self.constants, None) };
        let mut next = Stage::new(&self.constants, Some(best));
        next.forest.plant(tree, best);
        (self.stages, self.has_ended) = (vec![first, next], false);
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let mut plans = self.replicates(view, random);
        let mut note = None;
        let current = self.stages.len() - 1;
        let stage = &self.stages[current];
        if self.has_ended {
            note = stage.best.is_none().then(|| "nothing works after the first stage".to_owned());
        } else if !self.is_early(current) {
            let left = self.constants.iterations[current].saturating_sub(stage.planned) as usize;
            let free = left.min(view.free - plans.len());
            let mut chosen = Chosen::default();
            let next = (0..free).map_while(|_| self.next(view, random, &mut chosen));
            let before = plans.len();
            plans.extend(next);
            if stage.planned == 0 && plans.len() > before {
                note = Some(match stage.seed {
                    None => format!("stage {}, {}, begins", current + 1, NAMES[current]),
                    Some(seed) => {
                        format!("stage {}, {}, begins with node {seed}", current + 1, NAMES[current])
                    }
                });
            }
        }
        Answer { is_over: plans.is_empty() && view.tree.unsettled() == 0, plans, note }
    }
}

impl Manager {
    fn planned(&mut self, tree: &Tree, id: NodeId) {
        let Some(node) = tree.get(id) else { return };
        if node.operator == Operator::Baseline && self.constants.iterations[0] == 0 {
            self.stages[0].forest.planned(tree, id);
        }
        let Some(stage) = self.stage_of(node.tag.stage) else { return };
        if node.is_candidate() {
            stage.planned += 1;
            stage.under_way += 1;
            stage.forest.planned(tree, id);
        } else {
            stage.replicates += 1;
        }
    }

    fn settled(&mut self, tree: &Tree, id: NodeId) {
        let Some(node) = tree.get(id) else { return };
        if node.operator == Operator::Baseline {
            self.stages[0].forest.settled(tree, id);
        } else if let Some(stage) = self.stage_of(node.tag.stage) {
            let lost = u32::from(node.status == Status::Lost);
            if node.is_candidate() {
                stage.forest.settled(tree, id);
                // After other constants the stage may have begun later than the candidate.
                stage.under_way = stage.under_way.saturating_sub(1);
                stage.planned = stage.planned.saturating_sub(lost);
                stage.since_best =
                    if stage.forest.best() == Some(id) { 0 } else { stage.since_best + 1 - lost };
            } else {
                stage.replicates = stage.replicates.saturating_sub(lost);
            }
        }
        self.advance(tree);
    }

    fn stage_of(&mut self, number: Option<u32>) -> Option<&mut Stage> {
        self.stages.get_mut((number? as usize).checked_sub(1)?)
    }

    /// Ends the current stage, if that is due, and begins the next.
    fn advance(&mut self, tree: &Tree) {
        while !self.has_ended {
            let current = self.stages.len() - 1;
            let stage = &self.stages[current];
            let is_used_up = stage.planned >= self.constants.iterations[current];
            if stage.under_way > 0 || !(is_used_up || self.is_early(current)) {
                return;
            }
            let best = stage.forest.best();
            self.stages[current].best = best;
            match best {
                Some(best) if current + 1 < STAGES => {
                    let mut next = Stage::new(&self.constants, Some(best));
                    next.forest.plant(tree, best);
                    self.stages.push(next);
                }
                _ => self.has_ended = true,
            }
        }
    }

    /// Whether a stage is done before its candidates are used up.
    fn is_early(&self, number: usize) -> bool {
        let stage = &self.stages[number];
        match number {
            0 => stage.forest.best().is_some(),
            1 | 2 => {
                let is_tired = self.constants.patience.is_some_and(|patience| stage.since_best >= patience);
                is_tired && stage.forest.best() != stage.seed
            }
            _ => false,
        }
    }

    /// Measurements that stages owe their best candidates.
    fn replicates(&self, view: &View<'_>, random: &mut Stream) -> Vec<Plan> {
        let owing = self.stages.iter().zip(1_u32..).filter(|(stage, _)| stage.best != stage.seed);
        let owed = owing.filter_map(|(stage, number)| Some((stage.best?, number, stage.replicates)));
        let all = owed
            .flat_map(|(best, number, done)| (done..self.constants.num_seeds).map(move |_| (best, number)));
        let plans = all.take(view.free).map_while(|(best, number)| {
            let plan = plan(view, random, (Role::Replicate, best), REPLICATE, Vec::new())?;
            Some(Plan { tag: Tag { stage: Some(number), ..plan.tag.clone() }, ..plan })
        });
        plans.collect()
    }

    /// The next candidate of the current stage.
    fn next(&self, view: &View<'_>, random: &mut Stream, chosen: &mut Chosen) -> Option<Plan> {
        let Stages { num_drafts, debug_prob, others_shown, .. } = self.constants;
        let current = self.stages.len() - 1;
        let stage = &self.stages[current];
        let start = if current == 0 { start(view) } else { None };
        let own = [Role::Improve, Role::Tune, Role::Improve, Role::Ablate][current];
        let role = if view.operators.has(own) { own } else { Role::Improve };
        let main = main_operators(view.operators);
        let by = |role: Role| if main.has(role) { View { operators: &main, ..*view } } else { *view };
        let means = Means {
            drafts: start.map(|_| num_drafts),
            debug: view.operators.has(Role::Debug).then_some(debug_prob),
            improve: view.operators.has(role),
        };
        let made = match (stage.forest.choose(means, chosen, random)?, stage.seed) {
            (Choice::Draft, _) => {
                let start = start?;
                plan(&by(start), random, (start, 0), DRAFT, best_others(view, 0, others_shown))
            }
            (Choice::Debug(id), _) => plan(view, random, (Role::Debug, id), DEBUG, Vec::new()),
            // Tuning and ablation are about one candidate, and what is learned of it must not be learned twice.
            (Choice::Improve(_), Some(seed)) if matches!(own, Role::Tune | Role::Ablate) => {
                plan(&by(role), random, (role, seed), IMPROVE, newest_children(view, seed, others_shown))
            }
            (Choice::Improve(id), _) => {
                plan(&by(role), random, (role, id), IMPROVE, best_others(view, id, others_shown))
            }
        }?;
        let tag = Tag { stage: Some(current as u32 + 1), ..made.tag.clone() };
        Some(Plan { tag, hint: Some(HINTS[current].to_owned()), ..made })
    }
}

/// The operators that draft and improve where others do. Tuning and ablation have stages of their own: as a draft or as
/// research they are taken only if nothing else can do it.
fn main_operators(operators: &Repertoire) -> Repertoire {
    let has_its_stage = |operator| matches!(operator, Operator::Tune | Operator::CmaEs | Operator::Ablate);
    let others = operators.0.iter().filter(|(operator, _)| !has_its_stage(**operator));
    Repertoire(others.map(|(operator, weight)| (*operator, *weight)).collect())
}
