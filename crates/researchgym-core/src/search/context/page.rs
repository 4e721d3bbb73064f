//! The opening of a conversation: sections in the order in which they are read, filled in the order of their importance.

use std::collections::BTreeMap;

use super::code::{self, Lines};
use super::history::{self, Entries};
use super::room::{cost, fenced, longest_ticks, number, one_line, shortened};
use super::template::{self, IDEAS, NOTES, SECTIONS, fill, part};
use super::{Asked, Step, Told, TooLittleRoom, examples, rules};
use crate::model::{Message, message_bound};
use crate::search::{EditForm, Inheritance, Node, NodeId, Operator, Status};

/// How many characters of a plan's hint are told.
const HINT: usize = 2000;

/// Sections in reading order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Description,
    Protected,
    Base,
    Feedback,
    Other,
    Lineage,
    Siblings,
    Failures,
    Examples,
    Pool,
    Epoch,
    Idea,
    Request,
}

/// A page that is being written.
struct Page {
    room: u64,
    sections: BTreeMap<Place, String>,
    shown: Vec<NodeId>,
}

const BETWEEN: &str = "\n\n";

impl Page {
    /// What a section may take that is given `share` of the room, in hundredths.
    fn allowance(&self, share: u64) -> u64 {
        (self.room.saturating_mul(share) / 100).saturating_sub(cost(BETWEEN))
    }

    fn put(&mut self, place: Place, text: String) {
        self.room = self.room.saturating_sub(cost(&text) + cost(BETWEEN));
        self.sections.insert(place, text);
    }

    /// Puts as many entries as there is room for, each in the longest of its forms that fits, and tells which.
    fn list(&mut self, place: Place, name: &str, entries: Entries, share: u64, between: &str) -> Vec<NodeId> {
        let frame = part(&SECTIONS, name);
        let room = self.allowance(share).saturating_sub(cost(&fill(frame, &[("items", "-")])));
        let mut spent = 0;
        let mut items: Vec<String> = Vec::new();
        let mut told = Vec::new();
        for (id, forms) in entries {
            let price = |form: &String| cost(form) + cost(between);
            let Some(form) = forms.into_iter().find(|form| spent + price(form) <= room) else { break };
            spent += price(&form);
            items.push(form);
            told.push(id);
        }
        if !items.is_empty() {
            self.put(place, fill(frame, &[("items", &items.join(between))]));
        }
        told
    }
}

/// What a model is told before its first answer: a system message and a user message. The same for the same question.
///
/// # Errors
/// The limit on tokens leaves no room for what must be said.
pub fn opening(asked: &Asked<'_>) -> Result<Told, TooLittleRoom> {
    let system = rules::system(asked);
    let request = request(asked);
    let base = asked.tree.get(base(asked));
    let least = base.map(|base| base_section(asked, base, code::least())).unwrap_or_default();
    let empty = [Message::System { text: String::new() }, Message::user("")];
    let around: u64 = empty.iter().map(message_bound).sum();
    let fixed = around + cost(&system) + cost(&request) + cost(&least) + 2 * cost(BETWEEN);
    let Some(room) = asked.context_tokens.checked_sub(fixed) else {
        return Err(TooLittleRoom { least: fixed, limit: asked.context_tokens });
    };
    let mut page = Page { room, sections: BTreeMap::from([(Place::Request, request)]), shown: Vec::new() };
    if let Step::Code { idea: Some(idea) } = asked.step {
        page.idea(idea);
    }
    page.core(asked, base, cost(&least));
    if let Some(base) = base {
        page.surroundings(asked, base);
    }
    let user = page.sections.into_values().collect::<Vec<_>>().join(BETWEEN);
    let messages = vec![Message::System { text: system }, Message::user(user)];
    Ok(Told { messages, shown: page.shown })
}

/// The node whose code the answer changes.
fn base(asked: &Asked<'_>) -> NodeId {
    let is_text = asked.plan.operator == Operator::Implement && asked.inheritance == Inheritance::Text;
    let parent = asked.plan.parents.first().copied();
    if is_text { 0 } else { parent.unwrap_or(0) }
}

fn lines(asked: &Asked<'_>) -> Lines {
    match (asked.step, asked.form) {
        (Step::Code { .. }, EditForm::UnifiedDiff) => Lines::Numbered,
        (Step::Ideas { .. }, _) | (Step::Code { .. }, EditForm::SearchReplace | EditForm::WholeFiles) => {
            Lines::Plain
        }
    }
}

/// The last section: what to do, with the plan's hint.
fn request(asked: &Asked<'_>) -> String {
    let hint: String = asked.plan.hint.as_deref().unwrap_or_default().trim().chars().take(HINT).collect();
    let count = match asked.step {
        Step::Ideas { count: 0 | 1, .. } => "one idea".to_owned(),
        Step::Ideas { count, .. } => format!("{count} ideas, each different from the others,"),
        Step::Code { .. } => String::new(),
    };
    let template = match asked.step {
        Step::Ideas { .. } => match asked.plan.tag.kind.as_deref() {
            Some("exploit") => part(&IDEAS, "exploit"),
            Some("explore") => part(&IDEAS, "explore"),
            _ => part(&IDEAS, "begin"),
        },
        Step::Code { idea: Some(_) } => template::IMPLEMENT,
        Step::Code { idea: None } => match asked.plan.operator {
            Operator::Draft => template::DRAFT,
            Operator::Debug => template::DEBUG,
            Operator::Crossover => template::CROSSOVER,
            Operator::Ablate => template::ABLATE,
            Operator::Simplify => template::SIMPLIFY,
            Operator::Improve
            | Operator::Implement
            | Operator::Baseline
            | Operator::Tune
            | Operator::CmaEs
            | Operator::Mutate
            | Operator::Replicate => template::IMPROVE,
        },
    };
    let hint = if hint.is_empty() { hint } else { format!("\n{hint}") };
    let words = fill(template, &[("count", &count), ("hint", &hint)]);
    match asked.step {
        Step::Ideas { .. } => format!("{words}{BETWEEN}{}", part(&IDEAS, "format")),
        Step::Code { .. } => words,
    }
}

/// Where a candidate stands, in a sentence or two.
fn standing(asked: &Asked<'_>, node: &Node) -> String {
    let metric = one_line(&asked.tree.primary().name, 100);
    match node.status {
        Status::Measured => format!("Its {metric} is {}.", history::value(node).unwrap_or_default()),
        Status::Proposed
        | Status::Built
        | Status::Dropped { .. }
        | Status::Failed { .. }
        | Status::Lost
        | Status::Screened { .. }
        | Status::Quarantined { .. } => format!("State: {}.", history::outcome(asked.tree, node)),
    }
}

/// How far the search has come, where that is not the candidate itself.
fn best(asked: &Asked<'_>, node: &Node) -> String {
    let best = asked.tree.best().filter(|best| *best != node.id && asked.reach != super::Reach::PLAN);
    let best = best.and_then(|best| asked.tree.get(best)?.aggregate());
    best.map(|best| format!(" The best candidate so far has {}.", number(best.mean))).unwrap_or_default()
}

fn base_section(asked: &Asked<'_>, base: &Node, code: &str) -> String {
    let name = history::name(base.id);
    let standing = format!("{}{}", standing(asked, base), best(asked, base));
    fill(part(&SECTIONS, "base"), &[("name", &name), ("standing", &standing), ("code", code)])
}

impl Page {
    fn idea(&mut self, idea: &str) {
        let frame = part(&SECTIONS, "idea");
        let around = cost(&fill(frame, &[("idea", &fenced("text", "-"))]));
        // Fences longer than those of `around` belong to ideas with such fences within.
        let fences = 2 * cost(&fenced("", idea).chars().take_while(|mark| *mark == '`').collect::<String>());
        let room = self.allowance(60).saturating_sub(around + fences);
        if let Some(idea) = shortened(idea.trim(), room, cost) {
            self.put(Place::Idea, fill(frame, &[("idea", &fenced("text", &idea))]));
        }
    }

    /// Description and code of the base. `least` is what the base's section has been given already.
    fn core(&mut self, asked: &Asked<'_>, base: Option<&Node>, least: u64) {
        let frame = part(&SECTIONS, "description");
        let around = cost(&fill(frame, &[("description", "-")])) + cost(BETWEEN);
        let description = asked.description.trim();
        let wish = (cost(description) + around).min(self.room / 2);
        if let Some(base) = base {
            let share = match asked.step {
                Step::Ideas { .. } => 60,
                Step::Code { .. } => 100,
            };
            let room = (self.room - wish) * share / 100 + cost(code::least());
            let first = if base.id == 0 { None } else { (asked.files)(0) };
            let code = match (asked.files)(base.id) {
                Some(files) => code::shown(&files, first.as_deref(), lines(asked), room),
                None => part(&NOTES, "not-at-hand").to_owned(),
            };
            let section = base_section(asked, base, &code);
            self.room = (self.room + least).saturating_sub(cost(&section));
            self.sections.insert(Place::Base, section);
        }
        if let Some(text) = shortened(description, self.room.saturating_sub(around), cost)
            && !text.is_empty()
        {
            self.put(Place::Description, fill(frame, &[("description", &text)]));
        }
    }

    /// All that helps and need not be there, the most important first.
    fn surroundings(&mut self, asked: &Asked<'_>, base: &Node) {
        match asked.step {
            Step::Code { idea: Some(_) } => self.protected(asked),
            Step::Ideas { earlier, .. } => {
                let pool = self.list(Place::Pool, "pool", examples::pool(asked), 70, "\n\n");
                self.shown.extend(pool);
                self.list(Place::Epoch, "epoch", examples::epoch(asked, earlier), 70, "\n");
                // The baseline's children are what the pool is about.
                if base.id != 0 {
                    self.feedback(asked, base);
                    self.list(Place::Lineage, "lineage", history::lineage(asked, base), 30, "\n");
                    self.list(Place::Siblings, "siblings", history::siblings(asked, base), 40, "\n");
                }
                self.protected(asked);
            }
            Step::Code { idea: None } => {
                self.feedback(asked, base);
                self.other(asked, base);
                self.list(Place::Lineage, "lineage", history::lineage(asked, base), 30, "\n");
                self.list(Place::Siblings, "siblings", history::siblings(asked, base), 40, "\n");
                let room = self.allowance(80);
                let entries = examples::examples(asked, base, room);
                let examples = self.list(Place::Examples, "examples", entries, 80, "\n\n");
                self.shown.extend(examples);
                self.list(Place::Failures, "failures", history::failures(asked, base), 60, "\n");
                self.protected(asked);
            }
        }
    }

    /// What the last evaluation of the base said: nearly all of the room where that is what it is about.
    fn feedback(&mut self, asked: &Asked<'_>, base: &Node) {
        let Some(text) = base.feedback.as_ref().and_then(|feedback| (asked.body)(feedback)) else { return };
        let frame = part(&SECTIONS, "feedback");
        let name = history::name(base.id);
        let filled =
            |text: &str| fill(frame, &[("name", name.as_str()), ("feedback", &fenced("text", text))]);
        let share = if asked.plan.operator == Operator::Debug { 90 } else { 40 };
        let longest = longest_ticks(&text) as u64;
        let room = self.allowance(share).saturating_sub(cost(&filled("-\n")) + 2 * longest);
        if let Some(text) = shortened(&text, room, cost)
            && !text.trim().is_empty()
        {
            self.put(Place::Feedback, filled(&text));
        }
    }

    /// The second parent of a crossover.
    fn other(&mut self, asked: &Asked<'_>, base: &Node) {
        let others = asked.plan.parents.iter().skip(1).filter_map(|id| asked.tree.get(*id));
        let is_crossed = asked.plan.operator == Operator::Crossover;
        let Some(other) = others.into_iter().find(|other| is_crossed && other.id != base.id) else { return };
        let Some(files) = (asked.files)(other.id) else { return };
        let (differing, absent) = examples::difference((asked.files)(base.id).as_deref(), &files);
        let frame = part(&SECTIONS, "other");
        let (name, standing) = (history::name(other.id), standing(asked, other));
        let filled = |code: &str| {
            let values =
                [("name", name.as_str()), ("standing", &standing), ("code", code), ("absent", &absent)];
            fill(frame, &values)
        };
        let room = self.allowance(80).saturating_sub(cost(&filled("")));
        if room >= cost(code::least()) {
            self.put(Place::Other, filled(&code::shown(&differing, None, Lines::Plain, room)));
        }
    }

    fn protected(&mut self, asked: &Asked<'_>) {
        let frame = part(&SECTIONS, "protected");
        let room = self.allowance(100).saturating_sub(cost(&fill(frame, &[("code", "-")])));
        if room >= cost(code::least()) && !asked.protected.is_empty() {
            let code = code::shown(asked.protected, None, Lines::Plain, room);
            if code != part(&NOTES, "nothing-shown") {
                self.put(Place::Protected, fill(frame, &[("code", &code)]));
            }
        }
    }
}
