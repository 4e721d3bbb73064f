//! The addresses that a task blocks.
//!
//! Blocking too much is better than too little: a blocked place is also found inside the path or the query of another
//! address, as archives and proxies have it. Mirrors under other names are for the task's author to list.

use super::address::{Address, compared_host, folded, parse_url};

/// Fewer characters would block nearly everything.
const LEAST_CHARACTERS: usize = 3;

/// What a task blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocklist {
    entries: Vec<Entry>,
}

/// What is blocked of a host of which nothing but the name is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostBlock {
    /// Nothing by its name. Texts that are blocked wherever they stand may still be.
    Free,
    /// Some of its addresses.
    Paths,
    /// All of it.
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A host, and what its paths begin with.
    Place {
        host: String,
        /// Hosts below it too.
        below: bool,
        /// Empty for all of the host; else it begins with a slash.
        path: String,
        /// The path ends where a word ends.
        whole: bool,
    },
    /// Any text of the compared spelling.
    Text(String),
}

/// An entry that blocks nothing sensible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Nothing but blanks.
    #[error("is empty")]
    Empty,
    /// Too few characters.
    #[error("has fewer than {LEAST_CHARACTERS} characters and would block nearly everything")]
    Short,
    /// A star that is not at the beginning of a host.
    #[error("has a `*` that does not stand for the beginning of a host, as in `*.example.org`")]
    Star,
}

impl Blocklist {
    /// Reads a task's entries.
    ///
    /// # Errors
    /// The first entry that is wrong, with its index.
    pub fn parse(entries: &[String]) -> Result<Blocklist, (usize, EntryError)> {
        let read = |(index, text): (usize, &String)| Entry::parse(text).map_err(|error| (index, error));
        Ok(Blocklist { entries: entries.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// Whether the address must not be fetched or shown.
    pub fn blocks(&self, address: &Address) -> bool {
        self.entries.iter().any(|entry| entry.blocks(address))
    }

    /// What is blocked of the address's host.
    pub fn on_host(&self, address: &Address) -> HostBlock {
        let of = |entry: &Entry| match entry {
            Entry::Place { host, below, path, .. } if is_host(address, host, *below) => match path.is_empty()
            {
                true => HostBlock::Whole,
                false => HostBlock::Paths,
            },
            Entry::Text(text) if address.host().contains(text.as_str()) => HostBlock::Whole,
            Entry::Place { .. } | Entry::Text(_) => HostBlock::Free,
        };
        let blocks: Vec<HostBlock> = self.entries.iter().map(of).collect();
        let strictest = [HostBlock::Whole, HostBlock::Paths].into_iter().find(|block| blocks.contains(block));
        strictest.unwrap_or(HostBlock::Free)
    }

    /// Whether texts are blocked that may stand in addresses of any host.
    pub fn has_texts(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Text(_)))
    }

    /// Whether a text, such as a query for a search, names something that is blocked.
    pub fn is_named_in(&self, text: &str) -> bool {
        let folded = folded(text);
        let words =
            text.split(|character: char| character.is_whitespace() || "\"'<>()[],;".contains(character));
        let mut addresses = words
            .flat_map(|word| [Address::parse(word), Address::parse(&format!("https://{word}"))])
            .flatten();
        self.entries.iter().any(|entry| entry.is_in(&folded))
            || addresses.any(|address| self.blocks(&address))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Entry, EntryError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EntryError::Empty);
        }
        let address = text.split_once("://").map_or(text, |(_, address)| address);
        let (host, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        let (host, below) = host.strip_prefix("*.").map_or((host, false), |host| (host, true));
        if host.contains('*') || path.contains('*') {
            return Err(EntryError::Star);
        }
        let has_scheme = address.len() < text.len();
        if let Some(host) = host_of(host, has_scheme || below) {
            let path = folded(path.split('#').next().unwrap_or_default());
            let path = if path.starts_with('?') { format!("/{path}") } else { path };
            let whole = path.is_empty() || path.ends_with('/');
            return Ok(Entry::Place { host, below, path: path.trim_end_matches('/').to_owned(), whole });
        }
        if below {
            return Err(EntryError::Star);
        }
        let text = folded(address);
        match text.trim().chars().count() {
            0..LEAST_CHARACTERS => Err(EntryError::Short),
            _ => Ok(Entry::Text(text)),
        }
    }

    fn blocks(&self, address: &Address) -> bool {
        match self {
            Entry::Place { host, below, path, whole } => {
                let begins = |rest: &String| {
                    rest.strip_prefix(path.as_str())
                        .is_some_and(|after| !whole || ends_word(after.chars().next()))
                };
                (is_host(address, host, *below) && (path.is_empty() || address.rests().iter().any(begins)))
                    || address.rests().iter().any(|rest| self.is_in(rest))
            }
            Entry::Text(text) => {
                address.rests().iter().any(|rest| format!("{}{rest}", address.host()).contains(text.as_str()))
            }
        }
    }

    /// Whether a text in the compared spelling names it.
    fn is_in(&self, folded: &str) -> bool {
        match self {
            Entry::Place { host, path, whole, .. } => {
                let place = format!("{host}{path}");
                folded.match_indices(&place).any(|(start, _)| {
                    ends_word(folded[..start].chars().next_back())
                        && (!whole || ends_word(folded[start + place.len()..].chars().next()))
                })
            }
            Entry::Text(text) => folded.contains(text.as_str()),
        }
    }
}

fn is_host(address: &Address, host: &str, below: bool) -> bool {
    let above = address.host().strip_suffix(host);
    above.is_some_and(|above| above.is_empty() || below && above.ends_with('.'))
}

/// The host in its compared spelling, if the text is one. A word needs a dot and a letter after the last one, so that
/// `2301.12345` is a text; a named scheme or star is enough to make any word a host.
fn host_of(text: &str, is_named: bool) -> Option<String> {
    if text.contains('@') {
        return None;
    }
    let url = parse_url(&format!("https://{text}/"))?;
    let host = compared_host(&url)?;
    let last = host.rsplit_once('.').map(|(_, last)| last);
    let is_name = last.is_some_and(|last| last.contains(|character: char| character.is_ascii_alphabetic()));
    let is_number = matches!(url.host(), Some(url::Host::Ipv4(_))) && text.starts_with(&host);
    (is_named || is_name || is_number || host.starts_with('[')).then_some(host)
}

/// Whether no word goes on with the character beside a match.
fn ends_word(beside: Option<char>) -> bool {
    beside.is_none_or(|character| !(character.is_alphanumeric() || matches!(character, '-' | '_')))
}
