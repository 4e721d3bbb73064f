//! A text file while it is edited: its lines as a linked list with an index, so that a place is found without reading
//! the whole file again, and later edits see what earlier ones did.

use std::borrow::Cow;
use std::collections::HashMap;

/// How many lines may be compared for the edits of one reply. Only files that repeat themselves come near it.
pub(super) const MAX_COMPARED: usize = 10_000_000;

struct Node<'a> {
    text: Cow<'a, str>,
    /// Lines that differ in nothing but white space have the same.
    class: u32,
    previous: u32,
    next: u32,
    is_alive: bool,
}

/// A file's lines. The node 0 stands before the first and after the last; the file's own lines are 1, 2, ....
pub(super) struct Page<'a> {
    nodes: Vec<Node<'a>>,
    originals: u32,
    classes: HashMap<Cow<'a, str>, u32>,
    members: Vec<Vec<u32>>,
    pub(super) ends_with_newline: bool,
}

/// How far a place agrees with the lines that were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Exact,
    TrailingBlanks,
    /// All lines that are not blank have the same more, or less, of indentation in the file.
    Indented {
        more: String,
        less: String,
    },
    Blanks,
}

/// A place that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) fit: Fit,
    /// Whether the file's lines end with CR LF and the wanted ones do not.
    pub(super) adds_return: bool,
}

/// No place was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Nowhere,
    /// Their first lines.
    Several(Vec<u32>),
    TooRepetitive,
}

/// What one line of a place becomes.
pub(super) enum Step<'a> {
    Keep,
    Remove,
    Insert(&'a str),
}

impl<'a> Page<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let sentinel =
            Node { text: Cow::Borrowed(""), class: u32::MAX, previous: 0, next: 0, is_alive: true };
        let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
        let mut nodes = Vec::with_capacity(lines + 1);
        nodes.push(sentinel);
        let mut page = Self {
            nodes,
            originals: 0,
            classes: HashMap::with_capacity(lines),
            members: Vec::with_capacity(lines),
            ends_with_newline: text.is_empty() || text.ends_with('\n'),
        };
        if !text.is_empty() {
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                let last = page.nodes[0].previous;
                page.insert(last, Cow::Borrowed(line));
            }
        }
        page.originals = page.index(page.nodes.len() - 1);
        page
    }

    /// Nodes are fewer than the bytes of a file and a reply together, and those are bounded.
    fn index(&self, index: usize) -> u32 {
        u32::try_from(index).expect("files and replies have less than 2^32 lines")
    }

    fn insert(&mut self, after: u32, text: Cow<'a, str>) -> u32 {
        let key = match &text {
            Cow::Borrowed(text) => key(text),
            Cow::Owned(text) => Cow::Owned(key(text).into_owned()),
        };
        let class = match self.classes.get(&*key) {
            Some(class) => *class,
            None => {
                let class = self.index(self.members.len());
                self.members.push(Vec::new());
                self.classes.insert(key, class);
                class
            }
        };
        let node = self.index(self.nodes.len());
        let next = self.nodes[after as usize].next;
        self.nodes.push(Node { text, class, previous: after, next, is_alive: true });
        self.nodes[after as usize].next = node;
        self.nodes[next as usize].previous = node;
        self.members[class as usize].push(node);
        node
    }

    fn remove(&mut self, node: u32) {
        let Node { previous, next, .. } = self.nodes[node as usize];
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        self.nodes[node as usize].is_alive = false;
    }

    /// Whether no line has anything but white space.
    pub(super) fn is_blank(&self) -> bool {
        self.lines().all(|line| line.trim().is_empty())
    }

    fn nodes(&self) -> impl Iterator<Item = u32> {
        self.nodes_from(self.nodes[0].next)
    }

    fn nodes_from(&self, start: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(start), |node| Some(self.nodes[*node as usize].next))
            .take_while(|node| *node != 0)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.nodes().map(|node| self.nodes[node as usize].text.as_ref())
    }

    /// The lines of a place, and those below it.
    pub(super) fn lines_from(&self, place: &Place) -> impl Iterator<Item = &str> {
        self.nodes_from(place.start).map(|node| self.nodes[node as usize].text.as_ref())
    }

    /// The numbers that lines have now, from 1, in order.
    pub(super) fn numbers(&self, nodes: &[u32]) -> Vec<usize> {
        let wanted: std::collections::HashSet<u32> = nodes.iter().copied().collect();
        let numbered = self.nodes().enumerate().filter(|(_, node)| wanted.contains(node));
        numbered.map(|(index, _)| index + 1).collect()
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.lines().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            text.push_str(line);
        }
        if self.ends_with_newline && self.nodes[0].next != 0 {
            text.push('\n');
        }
        text
    }

    /// The one place of some lines, of which there is at least one. `hint` is the file's own line at which they are
    /// said to be; it decides between several places. With `hunk`, all white space may differ, and the file's own
    /// lines go before those of earlier edits.
    pub(super) fn locate(
        &self,
        wanted: &[&str],
        hint: Option<usize>,
        is_hunk: bool,
        compared: &mut usize,
    ) -> Result<Place, Lost> {
        let places = self.places(wanted, compared)?;
        let hint = hint.and_then(|line| u32::try_from(line).ok());
        let mut fits: [Vec<(u32, Fit)>; 4] = Default::default();
        for start in places {
            *compared += wanted.len() * 2;
            if *compared > MAX_COMPARED {
                return Err(Lost::TooRepetitive);
            }
            let fit = self.fit(start, wanted);
            let degree = match fit {
                Fit::Exact => 0,
                Fit::TrailingBlanks => 1,
                Fit::Indented { .. } => 2,
                Fit::Blanks if is_hunk => 3,
                Fit::Blanks => continue,
            };
            fits[degree].push((start, fit));
        }
        for mut fitting in fits {
            if is_hunk && fitting.len() > 1 {
                if let Some(index) = fitting.iter().position(|(start, _)| Some(*start) == hint) {
                    fitting = vec![fitting.swap_remove(index)];
                } else if fitting.iter().any(|(start, _)| *start <= self.originals) {
                    fitting.retain(|(start, _)| *start <= self.originals);
                }
            }
            match fitting.as_slice() {
                [] => {}
                [(start, fit)] => {
                    let adds_return = *fit != Fit::Exact && self.adds_return(*start, wanted);
                    return Ok(Place { start: *start, fit: fit.clone(), adds_return });
                }
                several => return Err(Lost::Several(several.iter().map(|(start, _)| *start).collect())),
            }
        }
        Err(Lost::Nowhere)
    }

    /// Every place whose lines differ from the wanted in white space at most.
    fn places(&self, wanted: &[&str], compared: &mut usize) -> Result<Vec<u32>, Lost> {
        let classes: Option<Vec<u32>> =
            wanted.iter().map(|line| self.classes.get(&*key(line)).copied()).collect();
        let Some(classes) = classes else { return Ok(Vec::new()) };
        let rarest = (0..classes.len()).min_by_key(|at| self.members[classes[*at] as usize].len());
        let Some(rarest) = rarest else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        for member in &self.members[classes[rarest] as usize] {
            *compared += 1;
            if !self.nodes[*member as usize].is_alive {
                continue;
            }
            let mut start = *member;
            let mut agrees = |node: u32, class: u32| {
                *compared += 1;
                self.nodes[node as usize].class == class
            };
            let above = classes[..rarest].iter().rev().all(|class| {
                start = self.nodes[start as usize].previous;
                agrees(start, *class)
            });
            let mut last = *member;
            let below = above
                && classes[rarest + 1..].iter().all(|class| {
                    last = self.nodes[last as usize].next;
                    agrees(last, *class)
                });
            if *compared > MAX_COMPARED {
                return Err(Lost::TooRepetitive);
            }
            if below {
                places.push(start);
            }
        }
        Ok(places)
    }

    /// How a place agrees, given that it differs in white space at most.
    fn fit(&self, start: u32, wanted: &[&str]) -> Fit {
        let texts = || self.nodes_from(start).map(|node| self.nodes[node as usize].text.as_ref()).zip(wanted);
        if texts().all(|(line, wanted)| line == *wanted) {
            return Fit::Exact;
        }
        if texts().all(|(line, wanted)| line.trim_end() == wanted.trim_end()) {
            return Fit::TrailingBlanks;
        }
        let indentation = |line: &str| line.len() - line.trim_start().len();
        let mut change: Option<(&str, &str)> = None;
        for (line, wanted) in texts().filter(|(line, _)| !line.trim().is_empty()) {
            let (line, wanted) = (line.trim_end(), wanted.trim_end());
            let (has, says) = (indentation(line), indentation(wanted));
            if line[has..] != wanted[says..] {
                return Fit::Blanks;
            }
            let (has, says) = (&line[..has], &wanted[..says]);
            let this = match (has.strip_suffix(says), says.strip_suffix(has)) {
                (Some(more), _) => (more, ""),
                (None, Some(less)) => ("", less),
                (None, None) => return Fit::Blanks,
            };
            if *change.get_or_insert(this) != this {
                return Fit::Blanks;
            }
        }
        let (more, less) = change.unwrap_or_default();
        Fit::Indented { more: more.to_owned(), less: less.to_owned() }
    }

    fn adds_return(&self, start: u32, wanted: &[&str]) -> bool {
        let mut nodes = self.nodes_from(start).take(wanted.len());
        // The last line of a file may have no end.
        let has_return = |node: u32| {
            let node = &self.nodes[node as usize];
            node.text.ends_with('\r') || (node.next == 0 && !self.ends_with_newline)
        };
        nodes.all(has_return)
            && self.nodes[start as usize].text.ends_with('\r')
            && wanted.iter().all(|line| !line.ends_with('\r'))
    }

    /// Goes through a place step by step; gives whether it reaches the end of the file.
    pub(super) fn change(&mut self, place: &Place, steps: impl Iterator<Item = Step<'a>>) -> bool {
        let mut next = place.start;
        let mut last = self.nodes[next as usize].previous;
        for step in steps {
            match step {
                Step::Keep => {
                    last = next;
                    next = self.nodes[next as usize].next;
                }
                Step::Remove => {
                    let removed = next;
                    next = self.nodes[next as usize].next;
                    self.remove(removed);
                }
                Step::Insert(text) => last = self.insert(last, fitted(text, place)),
            }
        }
        next == 0
    }

    /// The place below one of the file's own lines, 0 for the top; `None` if the file never had it.
    pub(super) fn below(&self, line: usize) -> Option<Place> {
        let line = u32::try_from(line).ok().filter(|line| *line <= self.originals)?;
        // If the line is gone, the place is where it was: above the next one that is still there.
        let mut next = line + 1;
        if self.nodes[line as usize].is_alive {
            next = self.nodes[line as usize].next;
        } else {
            while next <= self.originals && !self.nodes[next as usize].is_alive {
                next += 1;
            }
            if next > self.originals {
                next = 0;
            }
        }
        Some(Place { start: next, fit: Fit::Exact, adds_return: false })
    }

    /// The number that a line of the file had before all edits.
    pub(super) fn original_number(&self, node: u32) -> Option<usize> {
        (node <= self.originals).then_some(node as usize)
    }
}

/// A new line, as the place needs it.
fn fitted<'a>(text: &'a str, place: &Place) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    if let Fit::Indented { more, less } = &place.fit
        && !text.trim().is_empty()
    {
        text = if more.is_empty() {
            let common = text.bytes().zip(less.bytes()).take_while(|(one, other)| one == other).count();
            Cow::Owned(text.get(common..).unwrap_or(&text).to_owned())
        } else {
            Cow::Owned(format!("{more}{text}"))
        };
    }
    if place.adds_return && !text.ends_with('\r') { Cow::Owned(format!("{text}\r")) } else { text }
}

/// A line with its white space reduced: none at the ends, one blank between words.
fn key(line: &str) -> Cow<'_, str> {
    let line = line.trim();
    let is_reduced = |pair: &[u8]| pair != b"  ";
    if line.bytes().all(|byte| matches!(byte, b' '..=b'~')) && line.as_bytes().windows(2).all(is_reduced) {
        return Cow::Borrowed(line);
    }
    let mut key = String::with_capacity(line.len());
    for word in line.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    Cow::Owned(key)
}
