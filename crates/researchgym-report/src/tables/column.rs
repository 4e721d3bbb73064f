//! Columns: name, type, unit and meaning in one place, from which schema, cells and documentation come.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use serde::Serialize;

use super::Table;

/// What a table consists of.
pub trait Schema: 'static {
    /// Which table it is.
    const TABLE: Table;
    /// One row.
    type Row<'a>;
    /// Its columns in order.
    const COLUMNS: &'static [Column<Self>];
}

/// One column of a table.
pub struct Column<S: Schema + ?Sized> {
    /// Its name.
    pub name: &'static str,
    /// What its cells are.
    pub kind: Kind,
    /// The unit, or nothing.
    pub unit: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// The cell of a row.
    pub cell: for<'a, 'b> fn(&'b S::Row<'a>) -> Cell<'b>,
}

/// What the cells of a column are, if they are not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text in UTF-8.
    Text,
    /// A whole number with a sign: counts, durations, money.
    Integer,
    /// A whole number from 0, of which all 64 bits may be used.
    Natural,
    /// A number in double precision.
    Number,
    /// True or false.
    Truth,
    /// A moment in UTC, in milliseconds.
    Time,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Not known, or nothing.
    Null,
    /// See [`Kind::Text`].
    Text(Cow<'a, str>),
    /// See [`Kind::Integer`].
    Integer(i64),
    /// See [`Kind::Natural`].
    Natural(u64),
    /// See [`Kind::Number`].
    Number(f64),
    /// See [`Kind::Truth`].
    Truth(bool),
    /// See [`Kind::Time`]: milliseconds since 1970.
    Time(i64),
}

impl Kind {
    /// The name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Natural => "unsigned",
            Kind::Number => "number",
            Kind::Truth => "boolean",
            Kind::Time => "time",
        }
    }

    /// The type in Arrow.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Natural => DataType::UInt64,
            Kind::Number => DataType::Float64,
            Kind::Truth => DataType::Boolean,
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(Arc::from(UTC))),
        }
    }
}

/// The time zone of all times.
pub(super) const UTC: &str = "UTC";

impl<S: Schema> Column<S> {
    /// The field of an Arrow schema, with what it means.
    pub(super) fn field(&self) -> Field {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" [{}]", self.unit) };
        let description = ("description".to_owned(), format!("{}{unit}", self.meaning));
        Field::new(self.name, self.kind.data_type(), true).with_metadata([description])
    }
}

impl<'a> Cell<'a> {
    /// A text.
    pub(super) fn text(text: &'a str) -> Cell<'a> {
        Cell::Text(Cow::Borrowed(text))
    }

    /// A text, if there is one.
    pub(super) fn maybe_text(text: Option<&'a str>) -> Cell<'a> {
        text.map_or(Cell::Null, Cell::text)
    }

    /// A value that is written as one word, such as a variant without fields.
    pub(super) fn word(value: Option<&impl Serialize>) -> Cell<'a> {
        match value.and_then(|value| serde_json::to_value(value).ok()) {
            Some(serde_json::Value::String(word)) => Cell::Text(Cow::Owned(word)),
            Some(_) | None => Cell::Null,
        }
    }

    /// A list as JSON; null if it is empty.
    pub(super) fn list(values: &[impl Serialize]) -> Cell<'a> {
        match values {
            [] => Cell::Null,
            values => serde_json::to_string(values).map_or(Cell::Null, |text| Cell::Text(Cow::Owned(text))),
        }
    }

    /// A count; one that no signed number holds is the largest of them.
    pub(super) fn count(count: Option<u64>) -> Cell<'a> {
        count.map_or(Cell::Null, |count| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// A number, if there is one.
    pub(super) fn number(number: Option<f64>) -> Cell<'a> {
        number.map_or(Cell::Null, Cell::Number)
    }

    /// A moment in RFC 3339; what is not one is null.
    pub(super) fn time(time: Option<&str>) -> Cell<'a> {
        let parsed = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
        parsed.map_or(Cell::Null, |time| Cell::Time(time.as_millisecond()))
    }
}
