//! The data of a figure as CSV (RFC 4180), with all digits.

/// A table that is written line by line.
#[derive(Clone, Debug)]
pub(crate) struct Csv(String);

/// A value of a line.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(Option<f64>),
    Count(u64),
}

impl Csv {
    pub(crate) fn new(head: &[&str]) -> Csv {
        Csv(format!("{}\n", head.join(",")))
    }

    pub(crate) fn line<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        let fields: Vec<String> = values.into_iter().map(Value::field).collect();
        self.0.push_str(&fields.join(","));
        self.0.push('\n');
    }

    pub(crate) fn text(self) -> String {
        self.0
    }
}

impl Value<'_> {
    fn field(self) -> String {
        match self {
            Value::Text(text) => quoted(text),
            Value::Number(Some(number)) if number.is_finite() => format!("{number}"),
            Value::Number(_) => String::new(),
            Value::Count(count) => count.to_string(),
        }
    }
}

/// A text in quotes if it needs them. What a spreadsheet would run as a formula is kept from that by an apostrophe.
fn quoted(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_complete() {
        let mut csv = Csv::new(&["name", "value"]);
        csv.line([Value::Text("a,\"b\""), Value::Number(Some(0.1))]);
        csv.line([Value::Text("=1+1"), Value::Number(Some(f64::NAN))]);
        csv.line([Value::Text("plain"), Value::Count(3)]);
        assert_eq!(csv.text(), "name,value\n\"a,\"\"b\"\"\",0.1\n'=1+1,\nplain,3\n");
    }
}
