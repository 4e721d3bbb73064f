//! Mutated programs as candidates: which file, with what donors, and again if it was made before.

use std::path::Path;
use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::search::event::Gate;
use researchgym_core::search::{NodeId, Stream};
use tokio::sync::{mpsc, oneshot};

use super::evaluator::Files;
use super::making::{Made, Unmade};
use super::mutator::{Mutated, Mutator, Request};
use super::{Message, Search, tree};
use crate::session::Session;

/// Candidates whose expressions may be taken.
const DONORS: usize = 3;

/// All that mutating one candidate needs.
struct Order {
    node: NodeId,
    mutator: Arc<Mutator>,
    teller: mpsc::UnboundedSender<Message>,
    base: Arc<Files>,
    donors: Vec<Arc<Files>>,
    shown: Vec<NodeId>,
    random: Stream,
    resamples: u32,
}

impl Search {
    /// Has a program mutated beside the loop.
    pub(super) fn mutate_beside(&mut self, session: &Session, id: NodeId) -> Result<(), Failure> {
        let tree = tree(session);
        let Some(node) = tree.get(id) else { return Ok(()) };
        let base = self.contents.inherited(tree, node.base().unwrap_or(0))?;
        let shown = node.shown.iter().copied().filter(|shown| tree.fitness(*shown).is_some());
        let others = shown.chain(tree.ranked().take(DONORS)).filter(|other| Some(*other) != node.base());
        let donors: Vec<NodeId> = others.take(DONORS).collect();
        let donors =
            donors.into_iter().map(|donor| self.contents.of(tree, donor)).collect::<Result<_, _>>()?;
        let order = Order {
            node: id,
            mutator: self.mutator.clone(),
            teller: self.teller.clone(),
            base,
            donors,
            shown: node.shown.clone(),
            random: Stream::new(self.seed, "mutate", u64::from(id)),
            resamples: self.spec.novelty.resamples,
        };
        self.beside.spawn(mutate(order));
        Ok(())
    }
}

async fn mutate(mut order: Order) {
    let made = match made(&mut order).await {
        Ok(made) => made,
        Err(Some(failure)) => {
            let _ = order.teller.send(Message::MakingEnds(failure));
            return;
        }
        Err(None) => return,
    };
    // Who has gone has ended the search.
    let _ = order.teller.send(Message::Made { node: order.node, made });
}

/// A candidate that passes the gates, if there is one. `None`: the search has ended.
async fn made(order: &mut Order) -> Result<Result<Made, Unmade>, Option<Failure>> {
    let programs: Vec<&String> =
        order.base.keys().filter(|path| Path::new(path).extension().is_some_and(|end| end == "py")).collect();
    let Some(path) = order.random.pick(&programs).map(|path| (*path).clone()) else {
        return Ok(Err(Unmade::by_rule(Gate::NothingToDo, "the candidate has no Python program")));
    };
    let text = |files: &Files| files.get(&path).and_then(|content| String::from_utf8(content.clone()).ok());
    let Some(source) = text(&order.base) else {
        return Ok(Err(Unmade::by_rule(Gate::NothingToDo, format!("{path} is no text"))));
    };
    let donors: Vec<String> = order.donors.iter().filter_map(|files| text(files)).collect();
    let mut attempts = 0;
    loop {
        attempts += 1;
        // One change mostly, sometimes several.
        let count = 1 + order.random.weighted(&[0.6, 0.25, 0.1, 0.05]).unwrap_or(0) as u32;
        let seed = order.random.bits() >> 11;
        let request = Request { source: source.clone(), donors: donors.clone(), seed, count };
        let (program, description) = match order.mutator.mutate(&request).await.map_err(Some)? {
            Mutated::Program { source, description } => (source, description),
            Mutated::Unusable { error } => {
                return Ok(Err(Unmade::by_rule(Gate::NothingToDo, format!("{path}: {error}"))));
            }
        };
        let mut files = (*order.base).clone();
        files.insert(path.clone(), program.into_bytes());
        let files = Arc::new(files);
        let (answer, passed) = oneshot::channel();
        let proposed = Message::Proposed { node: order.node, files: files.clone(), answer };
        order.teller.send(proposed).map_err(|_| None)?;
        match passed.await.map_err(|_| None)? {
            Ok(()) => {
                let shown = std::mem::take(&mut order.shown);
                let made = Made { attempts, idea: Some(description), ..Made::by_rule(Files::new(), shown) };
                return Ok(Ok(Made { files, ..made }));
            }
            Err(refused) if attempts > order.resamples => return Ok(Err(Unmade { attempts, ..refused })),
            Err(_) => {}
        }
    }
}
