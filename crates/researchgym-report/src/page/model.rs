//! What a page holds, before it is HTML or Markdown: sections of words, tables and figures.

use serde::Serialize;

use crate::figure::{Figure, plain};

/// A part of a page.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) words: String,
    pub(super) blocks: Vec<Block>,
}

impl Section {
    /// Whether Markdown, which leaves folded tables out, has anything of it to tell.
    pub(super) fn is_told(&self) -> bool {
        !self.words.is_empty() || self.blocks.iter().any(|block| !block.is_folded)
    }
}

/// A part of a section: any of a title, words, a list, a table and figures, in this order.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Block {
    pub(super) title: String,
    pub(super) words: String,
    pub(super) list: Vec<String>,
    pub(super) table: Option<Table>,
    /// Whether the table is long, so that a page shows it only when asked.
    pub(super) is_folded: bool,
    pub(super) figures: Vec<Picture>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Table {
    pub(super) id: String,
    pub(super) note: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Entry>>,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_number: bool,
}

/// What stands where a row and a column meet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) text: String,
    /// Words of less weight behind it: an interval.
    pub(super) more: String,
    /// What the column is sorted by; empty if it is not known.
    pub(super) number: String,
}

/// A figure as an element.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Picture {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) picture: String,
}

/// A term with its words.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Note {
    pub(super) name: String,
    pub(super) words: String,
}

impl Note {
    pub(super) fn new(name: &str, words: impl AsRef<str>) -> Note {
        Note { name: plain(name), words: plain(words.as_ref()) }
    }
}

impl Picture {
    pub(super) fn of(figure: &Figure) -> Picture {
        Picture {
            id: figure.id.clone(),
            title: plain(&figure.title),
            caption: plain(&figure.caption),
            picture: figure.inline(),
        }
    }
}

impl Table {
    /// A table whose column names begin with `#` where they are numbers.
    pub(super) fn new(id: impl Into<String>, columns: &[&'static str]) -> Table {
        let column = |name: &&'static str| match name.strip_prefix('#') {
            Some(name) => Column { name, is_number: true },
            None => Column { name, is_number: false },
        };
        Table {
            id: id.into(),
            note: String::new(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Table {
        self.note = note.into();
        self
    }
}

impl Entry {
    /// Words.
    pub(super) fn words(text: &str) -> Entry {
        Entry { text: plain(text), ..Entry::default() }
    }

    /// A number as it is shown.
    pub(super) fn number(value: f64, text: String) -> Entry {
        Entry {
            text,
            more: String::new(),
            number: if value.is_finite() { format!("{value}") } else { String::new() },
        }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Entry {
        Entry::number(count as f64, crate::figure::number::decimals(count as f64, 0))
    }

    /// Something that may not be known.
    pub(super) fn maybe<T>(value: Option<T>, entry: impl FnOnce(T) -> Entry) -> Entry {
        value.map_or_else(|| Entry { text: "–".to_owned(), ..Entry::default() }, entry)
    }

    pub(super) fn more(mut self, more: impl Into<String>) -> Entry {
        self.more = plain(&more.into());
        self
    }
}
