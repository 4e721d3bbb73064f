//! The loop's side of embeddings: grants, records and books, and keeps the vectors of candidates and ideas. A text of which a
//! vector is recorded is never sent again, whichever segment of the run had it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::event::{AskedRequest, CallOutcome, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::search::embedding::{Index, Unit, from_bytes};
use researchgym_core::search::event::Gate;
use researchgym_core::search::{EmbeddingNovelty, NodeId, Operator, Tree};
use tokio::sync::oneshot;

use super::making::Unmade;
use super::meaning::{
    Admission, Entry, Judge, Judged, Owner, Permission, Refusal, Wish, idea_text, limit, near,
};
use super::{Search, tree};
use crate::model::Door;
use crate::session::{EmbeddingBooked, EmbeddingGranted, EmbeddingSent, Session, Stop, Vector};
use crate::store::Blobs;

/// What is known of embeddings.
pub(super) struct Embeddings {
    door: Arc<Door>,
    similarity: f64,
    idea_similarity: f64,
    /// Of all vectors, once there is one.
    dimensions: Option<usize>,
    /// Vectors by the hash of their texts.
    known: HashMap<Digest, Digest>,
    /// Texts whose call was lost when the program died.
    lost: HashMap<Digest, u64>,
    candidates: Index<NodeId>,
    ideas: Index<Owner>,
    /// Calls under way, with the hashes of their texts.
    calls: BTreeMap<u64, (EmbeddingGranted, Vec<Digest>)>,
    is_failing: Arc<AtomicBool>,
    /// What passed without a vector in this segment.
    unjudged: u64,
    is_tried: bool,
}

/// What the log says of embeddings.
pub(super) struct EmbeddedPast {
    limit: usize,
    dimensions: Option<usize>,
    asked: BTreeMap<u64, Vec<Digest>>,
    known: HashMap<Digest, Digest>,
    lost: HashMap<Digest, u64>,
    candidates: Vec<(NodeId, Digest)>,
    /// Ideas by the hash of what of them is embedded.
    ideas: Vec<(Owner, Digest)>,
}

impl EmbeddedPast {
    /// Before anything has happened.
    pub(super) fn begin(spec: &EmbeddingNovelty) -> EmbeddedPast {
        EmbeddedPast {
            limit: limit(spec.model.facts.context_window),
            dimensions: None,
            asked: BTreeMap::new(),
            known: HashMap::new(),
            lost: HashMap::new(),
            candidates: Vec::new(),
            ideas: Vec::new(),
        }
    }

    /// Takes in an event that `tree` has taken in just before.
    ///
    /// # Errors
    /// A blob that it names is missing.
    pub(super) fn see(&mut self, event: &Event, tree: Option<&Tree>, blobs: &Blobs) -> Result<(), Failure> {
        match event {
            Event::ModelAsked(asked) => {
                if let AskedRequest::Embedding { texts } = &asked.request {
                    self.asked.insert(asked.call, texts.iter().map(digest).collect());
                }
            }
            Event::ModelCalled(called) => {
                let texts = self.asked.remove(&called.call);
                if let (Some(texts), CallOutcome::Embedded { vectors, dimensions }) = (texts, &called.outcome)
                {
                    self.dimensions = Some(*dimensions as usize);
                    self.known.extend(texts.into_iter().zip(vectors.iter().copied()));
                }
            }
            Event::ModelLost { call } => {
                let texts = self.asked.remove(call).unwrap_or_default();
                self.lost.extend(texts.into_iter().map(|text| (text, *call)));
            }
            Event::IdeasHad(had) => {
                let tag = tree.and_then(|tree| tree.get(had.node)).map(|node| &node.tag);
                let Some(tag) = tag else { return Ok(()) };
                let owner = Owner::of(had.node, tag.epoch, tag.call);
                for (position, idea) in (0..).zip(&had.ideas) {
                    self.ideas.push((owner.at(position), self.digest_of_idea(idea, blobs)?));
                }
            }
            Event::NodeBuilt(built) => {
                if let Some(vector) = built.embedding {
                    self.candidates.push((built.node, vector));
                }
                self.own_idea(built.node, built.idea.as_ref(), tree, blobs)?;
            }
            // It was never taken in.
            Event::NodeDropped(dropped) if dropped.idea_refused => {}
            Event::NodeDropped(dropped) => match counts_on(dropped.gate) {
                true => self.own_idea(dropped.node, dropped.idea.as_ref(), tree, blobs)?,
                false => {
                    let owner = tree.and_then(|tree| owner_of(tree, dropped.node));
                    self.ideas.retain(|(other, _)| Some(*other) != owner);
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// An idea that was had for one candidate alone.
    fn own_idea(
        &mut self,
        node: NodeId,
        idea: Option<&Body>,
        tree: Option<&Tree>,
        blobs: &Blobs,
    ) -> Result<(), Failure> {
        let owner = tree.and_then(|tree| owner_of(tree, node));
        if let (Some(owner @ Owner::Node(_)), Some(idea)) = (owner, idea) {
            let digest = self.digest_of_idea(idea, blobs)?;
            self.ideas.push((owner, digest));
        }
        Ok(())
    }

    fn digest_of_idea(&self, idea: &Body, blobs: &Blobs) -> Result<Digest, Failure> {
        let text = blobs.resolve(idea)?;
        Ok(Digest::of(idea_text(&String::from_utf8_lossy(&text), self.limit).as_bytes()))
    }

    /// What is known, with the vectors at hand.
    ///
    /// # Errors
    /// A blob is missing or is no vector of this run.
    pub(super) fn at_work(
        self,
        spec: &EmbeddingNovelty,
        door: Arc<Door>,
        blobs: &Blobs,
    ) -> Result<Embeddings, Failure> {
        let EmbeddedPast { dimensions, asked, known, mut lost, candidates: built, ideas: had, .. } = self;
        // Calls without an end were under way when the program died.
        lost.extend(
            asked.into_iter().flat_map(|(call, texts)| texts.into_iter().map(move |text| (text, call))),
        );
        let (mut candidates, mut ideas) =
            (Index::new(dimensions.unwrap_or_default()), Index::new(dimensions.unwrap_or_default()));
        for (node, kept) in built {
            let vector = load(blobs, kept)?;
            fits(candidates.insert(node, &vector.unit))?;
        }
        for (owner, text) in had {
            if let Some(kept) = known.get(&text) {
                fits(ideas.insert(owner, &load(blobs, *kept)?.unit))?;
            }
        }
        Ok(Embeddings {
            door,
            similarity: spec.similarity,
            idea_similarity: spec.idea_similarity,
            dimensions,
            known,
            lost,
            candidates,
            ideas,
            calls: BTreeMap::new(),
            is_failing: Arc::default(),
            unjudged: 0,
            is_tried: dimensions.is_some(),
        })
    }
}

impl Embeddings {
    /// Whether no call is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Search {
    /// Who says whether what is made is new, if embeddings do.
    pub(super) fn judge(&self) -> Option<Judge> {
        let embeddings = self.embeddings.as_ref()?;
        Some(Judge {
            door: embeddings.door.clone(),
            teller: self.teller.clone(),
            similarity: embeddings.similarity,
            idea_similarity: embeddings.idea_similarity,
            is_failing: embeddings.is_failing.clone(),
        })
    }

    /// Tries the model before anything else is paid for: one that cannot be used ends the search here.
    pub(super) async fn try_embeddings(&mut self, session: &mut Session) -> Result<(), Stop> {
        if let Some(judge) = self.judge().filter(|_| self.embeddings.as_ref().is_some_and(|e| !e.is_tried)) {
            self.beside.spawn(judge.try_out(self.task.title.clone()));
        }
        while self.embeddings.as_ref().is_some_and(|embeddings| !embeddings.is_tried) {
            self.take_in(session).await?;
        }
        Ok(())
    }

    pub(super) fn on_embedding(&mut self, session: &mut Session, entry: Entry) -> Result<(), Failure> {
        let Some(embeddings) = &mut self.embeddings else { return Ok(()) };
        match entry {
            Entry::Ask(wish) => embeddings.on_wish(session, *wish)?,
            Entry::Retried { call, failure, wait } => {
                if embeddings.calls.contains_key(&call) {
                    session.call_retried(call, failure, wait)?;
                }
            }
            Entry::Over { call, sent, booked } => {
                embeddings.on_over(session, call, *sent, booked)?;
                // What it held and did not use is free for others.
                self.grant_parked(session)?;
            }
            Entry::Candidates(answer) => drop(answer.send(embeddings.candidates.clone())),
            Entry::Ideas(answer) => drop(answer.send(embeddings.ideas.clone())),
            Entry::Admit(admission) => embeddings.admit(tree(session), *admission),
            Entry::Unjudged { node, reason } => {
                embeddings.unjudged += 1;
                let count = embeddings.unjudged;
                if 10_u64.checked_pow(count.ilog10()) == Some(count) {
                    let so_far = if count > 1 { format!(" ({count} so far)") } else { String::new() };
                    session
                        .remark(&format!("node {node} is not judged by its embedding{so_far}: {reason}"))?;
                }
            }
            Entry::Tried(tried) => {
                embeddings.is_tried = true;
                tried?;
            }
        }
        Ok(())
    }

    /// Books what is over and gives up the rest, at the end.
    pub(super) fn wind_up_embeddings(&mut self, session: &mut Session) -> Result<(), Failure> {
        let Some(embeddings) = &mut self.embeddings else { return Ok(()) };
        while let Ok(message) = self.messages.try_recv() {
            if let super::Message::Embedding(Entry::Over { call, sent, .. }) = message
                && let Some((granted, _)) = embeddings.calls.remove(&call)
            {
                session.book_embedding(&embeddings.door, granted, *sent, embeddings.dimensions)?;
            }
        }
        for (granted, _) in std::mem::take(&mut embeddings.calls).into_values() {
            session.abandon_embedding(&embeddings.door, granted)?;
        }
        Ok(())
    }

    /// Whether none that has been built since it was judged is nearly the same.
    pub(super) fn is_new_in_meaning(&self, id: NodeId, judged: Option<&Judged>) -> Result<(), Unmade> {
        let (Some(embeddings), Some(judged)) = (&self.embeddings, judged) else { return Ok(()) };
        let counts = |other| other != id && !judged.spared.contains(&other);
        let nearest = embeddings.candidates.nearest(&judged.vector.unit, judged.seen, counts);
        match nearest.filter(|(_, cosine)| f64::from(*cosine) >= embeddings.similarity) {
            Some((of, cosine)) => Err(near(of, cosine)),
            None => Ok(()),
        }
    }

    /// Takes in a candidate that is built, and gives the blob of its vector.
    pub(super) fn meaning_built(&mut self, id: NodeId, judged: Option<Judged>) -> Option<Digest> {
        let embeddings = self.embeddings.as_mut()?;
        let vector = judged?.vector;
        embeddings.candidates.insert(id, &vector.unit).then_some(vector.kept)
    }

    /// The idea of a candidate that came to nothing may be had again, if nothing was learned of it.
    pub(super) fn meaning_dropped(&mut self, session: &Session, id: NodeId, gate: Gate) {
        let Some(embeddings) = self.embeddings.as_mut().filter(|_| !counts_on(gate)) else { return };
        if let Some(owner) = owner_of(tree(session), id) {
            embeddings.ideas.forget(owner);
        }
    }
}

impl Embeddings {
    fn on_wish(&mut self, session: &mut Session, wish: Wish) -> Result<(), Failure> {
        let Wish { texts, retry_of, answer } = wish;
        let digests: Vec<Digest> = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        let recorded = digests.iter().map(|digest| {
            let kept = self.known.get(digest).map(|kept| load(session.blobs(), *kept));
            kept.transpose()
        });
        let recorded = recorded.collect::<Result<Vec<Option<Vector>>, Failure>>()?;
        let missing =
            || digests.iter().zip(&recorded).filter(|(_, known)| known.is_none()).map(|(text, _)| *text);
        let missing_digests: Vec<Digest> = missing().collect();
        if missing_digests.is_empty() {
            // Who has gone has ended the search.
            let _ = answer.send(Permission::Known(recorded.into_iter().flatten().collect()));
            return Ok(());
        }
        let to_send: Vec<String> = texts
            .into_iter()
            .zip(&recorded)
            .filter(|(_, known)| known.is_none())
            .map(|(text, _)| text)
            .collect();
        let repeats = retry_of.or_else(|| missing_digests.iter().find_map(|text| self.lost.remove(text)));
        let permission = match session.begin_embedding(&self.door, &to_send, repeats)? {
            Ok(granted) => {
                self.calls.insert(granted.call, (granted, missing_digests));
                Permission::Granted(granted, recorded)
            }
            Err(shortage) => Permission::Short(format!("{shortage}")),
        };
        let _ = answer.send(permission);
        Ok(())
    }

    fn on_over(
        &mut self,
        session: &mut Session,
        call: u64,
        sent: EmbeddingSent,
        answer: oneshot::Sender<EmbeddingBooked>,
    ) -> Result<(), Failure> {
        let Some((granted, texts)) = self.calls.remove(&call) else { return Ok(()) };
        let booked = session.book_embedding(&self.door, granted, sent, self.dimensions)?;
        session.sync_nodes_beside()?;
        if let Ok(vectors) = &booked.result {
            self.learn(vectors.first());
            self.known.extend(texts.into_iter().zip(vectors.iter().map(|vector| vector.kept)));
        }
        // Who has gone has ended the search.
        let _ = answer.send(booked);
        Ok(())
    }

    /// The first vector says how long all others are.
    fn learn(&mut self, vector: Option<&Vector>) {
        if let (None, Some(vector)) = (self.dimensions, vector) {
            let dimensions = vector.unit.dimensions();
            self.dimensions = Some(dimensions);
            (self.candidates, self.ideas) = (Index::new(dimensions), Index::new(dimensions));
        }
    }

    fn admit(&mut self, tree: &Tree, admission: Admission) {
        let Admission { owner, mut taken, ideas, seen, answer } = admission;
        let mut refusals = Vec::with_capacity(ideas.len());
        for (vector, before) in ideas {
            let since = self.ideas.nearest(&vector.unit, seen, |_| true);
            let nearest = before
                .into_iter()
                .chain(since)
                .reduce(|one, other| if other.1 > one.1 { other } else { one });
            refusals.push(match nearest.filter(|(_, cosine)| f64::from(*cosine) >= self.idea_similarity) {
                Some((of, cosine)) => Some(refusal(tree, of, cosine)),
                None => {
                    // Vectors of another length are refused when they are booked.
                    let _ = self.ideas.insert(owner.at(taken), &vector.unit);
                    taken += 1;
                    None
                }
            });
        }
        // Who has gone has ended the search.
        let _ = answer.send(refusals);
    }
}

/// Which earlier candidates do not speak against one by their vectors, because it is to be near them: a mended program is near
/// the failed one and other attempts at mending it, one without a part is near the whole.
pub(super) fn spared(tree: &Tree, id: NodeId) -> Vec<NodeId> {
    let Some(node) = tree.get(id) else { return Vec::new() };
    match node.operator {
        Operator::Debug => {
            let mut spared = Vec::new();
            for failed in tree.lineage(id).take_while(|ancestor| ancestor.is_buggy()) {
                spared.push(failed.id);
                let is_mended = |child: &&NodeId| {
                    tree.get(**child).is_some_and(|child| child.operator == Operator::Debug)
                };
                spared.extend(failed.children.iter().filter(is_mended));
            }
            spared
        }
        Operator::Ablate | Operator::Simplify => node.parents.clone(),
        _ => Vec::new(),
    }
}

/// Why an idea is not taken.
fn refusal(tree: &Tree, of: Owner, cosine: f32) -> Refusal {
    let node = match of {
        Owner::Node(node) => Some(node),
        Owner::Shared { .. } => {
            let nodes = tree.nodes().iter().rev();
            nodes.map(|node| node.id).find(|id| owner_of(tree, *id) == Some(of))
        }
    };
    let whose = match (node, of) {
        (Some(node), _) => format!("the idea of node {node}"),
        (None, Owner::Shared { position, .. }) => format!("idea {} of this epoch", position + 1),
        (None, Owner::Node(node)) => format!("the idea of node {node}"),
    };
    let reason = format!("it is nearly the same by its embedding, cosine {cosine:.3} with {whose}");
    Refusal { reason, of: node }
}

/// Whose the idea of a node is, if it has one that is had before its code.
fn owner_of(tree: &Tree, id: NodeId) -> Option<Owner> {
    let node = tree.get(id).filter(|node| node.operator == Operator::Implement)?;
    Some(Owner::of(id, node.tag.epoch, node.tag.call))
}

/// Whether the idea of a candidate that was dropped by this gate still speaks against others: something was learned of it.
fn counts_on(gate: Gate) -> bool {
    match gate {
        Gate::Duplicate | Gate::NearDuplicate | Gate::Surface | Gate::Leakage => true,
        Gate::NotImplemented | Gate::NothingToDo => false,
    }
}

fn load(blobs: &Blobs, kept: Digest) -> Result<Vector, Failure> {
    let unit = from_bytes(&blobs.get(kept)?).and_then(|vector| Unit::of(&vector));
    let broken = || Failure::new(Boundary::Store, format!("the blob {kept} is no vector"));
    Ok(Vector { kept, unit: unit.ok_or_else(broken)? })
}

fn fits(fits: bool) -> Result<(), Failure> {
    let broken = || Failure::new(Boundary::Store, "the run has embeddings of different lengths");
    fits.then_some(()).ok_or_else(broken)
}

fn digest(body: &Body) -> Digest {
    match body {
        Body::Text(text) => Digest::of(text.as_bytes()),
        Body::Blob { sha256, .. } => *sha256,
        // Texts are never kept like this.
        Body::Base64(text) => Digest::of(text.as_bytes()),
    }
}
