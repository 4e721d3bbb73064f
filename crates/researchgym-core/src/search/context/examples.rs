//! Other candidates that a model is shown: those of the plan, else the best and some unlike them; and pools of ideas.

use std::collections::HashSet;
use std::sync::Arc;

use super::code::{Lines, shown};
use super::history::{Entries, about, brought, name, value};
use super::room::{fenced, listed, one_line};
use super::template::{NOTES, fill, part};
use super::{Asked, Files};
use crate::action::Body;
use crate::search::{Inheritance, Node, NodeId, Operator};

/// How many of the best candidates are looked through for ones that are unlike the others.
const DIVERSE_POOL: usize = 12;
/// How many ideas of an epoch are told.
const EPOCH_IDEAS: usize = 100;
/// How many nodes are looked through for them.
const LOOKED_AT: usize = 2000;
/// How many characters of an idea are told where it is shortened.
const SHORT_IDEA: usize = 300;

/// Candidates with the files in which they differ from the base. In the short form without files.
pub(super) fn examples(asked: &Asked<'_>, base: &Node, room: u64) -> Entries {
    let base_files = (asked.files)(base.id);
    let entries = chosen(asked, base).into_iter().filter_map(|id| {
        let node = asked.tree.get(id)?;
        let value = value(node).unwrap_or_else(|| brought(node));
        let short = format!("## {}: {value}\n\nWhat it is: {}", capital(&name(id)), about(asked, node));
        let files = (asked.files)(id)?;
        let (differing, absent) = difference(base_files.as_deref(), &files);
        let code = shown(&differing, None, Lines::Plain, room);
        let code = if differing.is_empty() { String::new() } else { code };
        let pieces = [short.as_str(), &code, &absent].into_iter().filter(|piece| !piece.is_empty());
        let long = pieces.collect::<Vec<_>>().join("\n\n");
        let is_whole = differing.values().map(Vec::len).sum::<usize>() as u64 <= room;
        Some((id, is_whole.then_some(long).into_iter().chain([short]).collect()))
    });
    entries.collect()
}

/// The files that another candidate has otherwise than the base, and a note on those that it does not have.
pub(super) fn difference(base: Option<&Files>, other: &Files) -> (Files, String) {
    let Some(base) = base else { return (other.clone(), String::new()) };
    let files = other.iter().filter(|(path, content)| base.get(*path) != Some(content));
    let differing = files.map(|(path, content)| (path.clone(), content.clone())).collect();
    let mut absent = base.keys().filter(|path| !other.contains_key(*path)).map(String::as_str).peekable();
    let note = match absent.peek() {
        Some(_) => fill(part(&NOTES, "absent"), &[("files", &listed(absent))]),
        None => String::new(),
    };
    (differing, note)
}

pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// The plan's own in its order; if it names none, of an improvement: the best, then the most diverse.
fn chosen(asked: &Asked<'_>, base: &Node) -> Vec<NodeId> {
    let is_other = |id: &NodeId| *id != base.id && *id != asked.node && !asked.plan.parents.contains(id);
    let mut chosen: Vec<NodeId> = Vec::new();
    if !asked.plan.shown.is_empty() || asked.plan.operator != Operator::Improve {
        let mut seen = HashSet::new();
        chosen.extend(asked.plan.shown.iter().copied().filter(|id| is_other(id) && seen.insert(*id)));
        return chosen;
    }
    let mut ranked = asked.tree.ranked().filter(|id| is_other(id) && *id != 0);
    chosen.extend(ranked.by_ref().take(asked.reach.top));
    if asked.reach.diverse == 0 {
        return chosen;
    }
    let mut pool: Vec<(NodeId, Lineset)> =
        ranked.take(DIVERSE_POOL).filter_map(|id| Some((id, Lineset::of((asked.files)(id)?)))).collect();
    let near: Vec<NodeId> = chosen.iter().copied().chain([base.id]).collect();
    let mut reference: Vec<Lineset> =
        near.into_iter().filter_map(|id| Some(Lineset::of((asked.files)(id)?))).collect();
    for _ in 0..asked.reach.diverse {
        let distance = |candidate: &Lineset| {
            reference.iter().map(|other| candidate.distance(other)).fold(f64::INFINITY, f64::min)
        };
        // Of equals the better one.
        let farthest = (0..pool.len())
            .rev()
            .max_by(|left, right| distance(&pool[*left].1).total_cmp(&distance(&pool[*right].1)));
        let Some(farthest) = farthest else { break };
        let (id, lines) = pool.remove(farthest);
        chosen.push(id);
        reference.push(lines);
    }
    chosen
}

/// Hashes of the lines of a candidate.
struct Lineset(HashSet<u64>);

impl Lineset {
    fn of(files: Arc<Files>) -> Lineset {
        let lines = files.values().flat_map(|content| content.split(|byte| *byte == b'\n'));
        Lineset(lines.map(hash).collect())
    }

    /// Jaccard distance.
    fn distance(&self, other: &Lineset) -> f64 {
        let common = self.0.intersection(&other.0).count();
        let all = self.0.len() + other.0.len() - common;
        if all == 0 { 0.0 } else { 1.0 - common as f64 / all as f64 }
    }
}

/// FNV-1a (Fowler, Noll, Vo): the same on every machine.
fn hash(line: &[u8]) -> u64 {
    line.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The ideas of the plan's pool in its order, with what they brought; before them those of the parents, where words are
/// all that is inherited.
pub(super) fn pool(asked: &Asked<'_>) -> Entries {
    let mut seen = HashSet::new();
    let parents = match asked.inheritance {
        Inheritance::Text => asked.plan.parents.as_slice(),
        Inheritance::Code => &[],
    };
    let ids = parents.iter().chain(&asked.plan.shown).copied();
    let ids = ids.filter(|id| *id != asked.node && seen.insert(*id));
    let entries = ids.filter_map(|id| {
        let node = asked.tree.get(id)?;
        let idea = (asked.body)(node.idea.as_ref()?)?;
        let head = format!("{}: {}", capital(&name(id)), brought(node));
        let long = format!("{head}\n{}", fenced("text", &idea));
        let short = format!("{head}\n{}", fenced("text", &one_line(&idea, SHORT_IDEA)));
        Some((id, vec![long, short]))
    });
    entries.collect()
}

/// The ideas of the plan's epoch so far that are not in its pool, the newest first; `earlier` are not nodes yet.
pub(super) fn epoch(asked: &Asked<'_>, earlier: &[String]) -> Entries {
    let entry = |idea: &str| vec![format!("- {}", one_line(idea, SHORT_IDEA))];
    let mut entries: Entries = earlier.iter().rev().map(|idea| (asked.node, entry(idea))).collect();
    if let Some(epoch) = asked.plan.tag.epoch {
        let had: Vec<&Body> = asked.tree.ideas_in(epoch).flat_map(|had| &had.ideas).collect();
        let had = had.into_iter().rev().filter_map(|idea| Some((asked.node, entry(&(asked.body)(idea)?))));
        entries.extend(had.take(EPOCH_IDEAS));
        let nodes = asked.tree.nodes().iter().rev().take(LOOKED_AT);
        let of_epoch = nodes.filter(|node| {
            node.tag.epoch == Some(epoch)
                && node.id != asked.node
                && asked.tree.ideas_of(&node.tag).is_none()
                && !asked.plan.shown.contains(&node.id)
        });
        let ideas = of_epoch.filter_map(|node| Some((node.id, entry(&(asked.body)(node.idea.as_ref()?)?))));
        entries.extend(ideas.take(EPOCH_IDEAS));
    }
    entries
}
