//! Planning: when the policy is asked, and when nothing more is planned.

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::Failure;
use researchgym_core::search::event::Planned;
use researchgym_core::search::policy::View;
use researchgym_core::search::{Inheritance, NodeId, Operator, Plan, Status, Stream, Tree};

use super::mind::Mind;
use super::{Search, Why, tree};
use crate::session::{Session, Stop};

/// After so many plans in a row that came to nothing there is nothing more to be had.
const MOST_NOTHING: u64 = 100;

impl Search {
    /// Node 0.
    pub(super) fn plan_baseline(&mut self, session: &mut Session) -> Result<(), Failure> {
        let plans = vec![Plan::new(Operator::Baseline, Vec::new())];
        self.take_plans(session, 0, 1, plans, None)
    }

    /// Fills the free slots with what the policy wants.
    pub(super) async fn plan(&mut self, session: &mut Session) -> Result<(), Stop> {
        loop {
            meanwhile(&mut self.making, session.may_plan()).await?;
            if self.winding.is_some() || self.is_waiting || !self.has_baseline(session) {
                return Ok(());
            }
            let asks = tree(session).asks();
            let slots = self.slots(session);
            if let Some(best) = self.unconfirmed(session).filter(|_| slots > 0) {
                self.take_plans(
                    session,
                    asks,
                    slots,
                    vec![Plan::new(Operator::Replicate, vec![best])],
                    None,
                )?;
                continue;
            }
            self.winding = self.why_end(session);
            let free = self.free(session);
            if self.winding.is_some() || free == 0 {
                return Ok(());
            }
            let ask = asks + 1;
            let mut random = Stream::new(self.seed, "policy", ask);
            let candidates = session.limits().steps;
            let tree = tree(session);
            let view = View { tree, free, operators: &self.spec.operators, candidates };
            let answer = match &mut self.mind {
                Mind::Ours(policy) => policy.ask(&view, &mut random),
                Mind::Theirs(program) => {
                    let told = program.told(&view);
                    let answer = session.wait_for(program.exchange(told));
                    let line = meanwhile(&mut self.making, answer).await??;
                    let tree = super::tree(session);
                    program.read(&line, tree, &self.spec.operators, free).await?
                }
            };
            let mut plans = answer.plans;
            plans.truncate(free);
            for plan in &mut plans {
                self.inherit(plan);
            }
            self.is_waiting = plans.is_empty();
            let is_over = answer.is_over;
            if !plans.is_empty() || answer.note.is_some() {
                self.take_plans(session, ask, free, plans, answer.note)?;
            }
            if is_over {
                self.winding = Some(Why::Done("the policy has nothing more to try".to_owned()));
            }
        }
    }

    /// The baseline is measured alone: everything is compared with it.
    fn has_baseline(&self, session: &Session) -> bool {
        tree(session).nodes().first().is_some_and(|node| node.status.is_settled())
    }

    /// How many evaluations can be begun now.
    fn slots(&self, session: &Session) -> usize {
        let under_way = tree(session).unsettled();
        let validations = self.validations_left(session).saturating_sub(under_way as u64);
        let slots = (self.spec.parallel as usize).saturating_sub(under_way);
        slots.min(usize::try_from(validations).unwrap_or(usize::MAX))
    }

    /// How many candidates can be begun now.
    fn free(&self, session: &Session) -> usize {
        let left = session.limits().steps.map(|limit| limit.saturating_sub(session.state().steps));
        let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        self.slots(session).min(left)
    }

    fn validations_left(&self, session: &Session) -> u64 {
        self.task.grader.validations.saturating_sub(tree(session).graded())
    }

    /// The best candidate, if it has fewer measurements than it must have.
    fn unconfirmed(&self, session: &Session) -> Option<NodeId> {
        let tree = tree(session);
        let best = tree.get(tree.best()?)?;
        let waits = |child: &&NodeId| {
            tree.get(**child)
                .is_some_and(|child| child.operator == Operator::Replicate && !child.status.is_settled())
        };
        let coming = best.children.iter().filter(waits).count();
        let lost = |child: &&NodeId| {
            let child = tree.get(**child).filter(|child| child.operator == Operator::Replicate);
            child.is_some_and(|child| child.status.is_settled() && child.status != Status::Measured)
        };
        // A candidate that fails when it is measured again is not measured for ever.
        let failed = best.children.iter().filter(lost).count();
        let enough = best.measurements.len() + coming + failed >= self.spec.measurements as usize;
        (!enough).then_some(best.id)
    }

    fn why_end(&self, session: &Session) -> Option<Why> {
        let tree = tree(session);
        let steps = session.state().steps;
        if session.limits().steps.is_some_and(|limit| steps >= limit) {
            return Some(Why::Limit(Ending::StepLimit));
        }
        let (count, last) = &self.nothing;
        if *count >= MOST_NOTHING.max(u64::from(self.spec.parallel) * 10) {
            return Some(Why::Done(format!("{count} plans in a row came to nothing, the last one: {last}")));
        }
        if self.validations_left(session) == 0 {
            let allowed = self.task.grader.validations;
            return Some(Why::Done(format!("all {allowed} validations that the task allows are used")));
        }
        if let (Some(target), Some(best)) = (self.spec.target, tree.best()) {
            let reached = tree.fitness(best).is_some_and(|fitness| fitness >= tree.turned(target));
            if reached && self.unconfirmed(session).is_none() {
                return Some(Why::Done(format!("node {best} reaches the target of {target}")));
            }
        }
        let patience = self.spec.patience?;
        let since = since_best(tree);
        (since >= patience).then(|| Why::Done(format!("{since} candidates brought nothing better")))
    }

    /// Where only the words of an idea are inherited, its implementation begins with the baseline.
    fn inherit(&self, plan: &mut Plan) {
        if plan.operator == Operator::Implement && self.spec.inheritance == Inheritance::Text {
            let parents = std::mem::replace(&mut plan.parents, vec![0]);
            let shown = std::mem::take(&mut plan.shown);
            plan.shown = parents.into_iter().filter(|parent| *parent != 0).collect();
            for id in shown {
                if !plan.shown.contains(&id) {
                    plan.shown.push(id);
                }
            }
        }
    }

    /// Records plans and begins with them.
    fn take_plans(
        &mut self,
        session: &mut Session,
        ask: u64,
        free: usize,
        plans: Vec<Plan>,
        note: Option<String>,
    ) -> Result<(), Failure> {
        let first = tree(session).nodes().len() as NodeId;
        let count = plans.len() as NodeId;
        let working_ms = session.working_ms();
        let planned = Planned { ask, free: free as u32, first, plans, note, working_ms };
        self.gather(session, Event::Planned(Box::new(planned)))?;
        for node in first..first + count {
            self.make(session, node)?;
        }
        Ok(())
    }
}

/// How many candidates were settled since the best one was planned, those that nobody could judge left aside.
fn since_best(tree: &Tree) -> u64 {
    let best = tree.records().last().copied().unwrap_or(0) as usize;
    let later = tree.nodes().get(best + 1..).unwrap_or_default();
    let judged = later
        .iter()
        .filter(|node| node.is_candidate() && node.status.is_settled() && node.status != Status::Lost);
    judged.count() as u64
}

/// Waits for something while those who make candidates go on: whoever else waits on the loop's thread holds them up, and their
/// calls to models with them.
async fn meanwhile<T>(
    making: &mut FuturesUnordered<BoxFuture<'static, ()>>,
    something: impl Future<Output = T>,
) -> T {
    let mut something = std::pin::pin!(something);
    loop {
        tokio::select! {
            biased;
            came = &mut something => return came,
            Some(()) = making.next() => {}
        }
    }
}
