//! Objects as Python's `repr` prints dataclasses: `ToolUseBlock(id='x', name='Bash', input={'command': "ls"})`.
//!
//! Names with arguments, texts with escapes, numbers, lists, tuples, dictionaries, `None`, `True` and `False`. What is something
//! else makes the whole unreadable.

use serde_json::{Map, Number, Value};

/// How deep values may lie in one another.
const MAX_DEPTH: usize = 64;

/// A dataclass that was printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// The class.
    pub name: String,
    arguments: Map<String, Value>,
}

impl Object {
    /// What was said without being a block.
    pub(super) fn said(text: &str) -> Object {
        let arguments = Map::from_iter([("text".to_owned(), Value::from(text))]);
        Object { name: "TextBlock".to_owned(), arguments }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

/// Reads an object, all of the text.
pub(super) fn object(text: &str) -> Option<Object> {
    let mut parser = Parser { rest: text.trim() };
    let name = parser.name()?.to_owned();
    let arguments = parser.arguments(0)?;
    parser.rest.trim().is_empty().then_some(Object { name, arguments })
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, token: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn name(&mut self) -> Option<&'t str> {
        let text = self.rest.trim_start();
        let end = text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    /// `(name=value, ...)`.
    fn arguments(&mut self, depth: usize) -> Option<Map<String, Value>> {
        self.eat('(')?;
        let mut arguments = Map::new();
        while self.eat(')').is_none() {
            let name = self.name()?.to_owned();
            self.eat('=')?;
            arguments.insert(name, self.value(depth + 1)?);
            if self.eat(',').is_none() {
                return self.eat(')').map(|()| arguments);
            }
        }
        Some(arguments)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '\'' | '"' => self.text().map(Value::from),
            '[' => self.list('[', ']', depth),
            '(' => self.list('(', ')', depth),
            '{' => self.dictionary(depth),
            '-' | '0'..='9' => self.number(),
            _ => match self.name()? {
                "None" => Some(Value::Null),
                "True" => Some(Value::Bool(true)),
                "False" => Some(Value::Bool(false)),
                _ => self.arguments(depth).map(Value::Object),
            },
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Option<Value> {
        self.eat(open)?;
        let mut items = Vec::new();
        while self.eat(close).is_none() {
            items.push(self.value(depth + 1)?);
            if self.eat(',').is_none() {
                self.eat(close)?;
                break;
            }
        }
        Some(Value::Array(items))
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.eat('{')?;
        let mut entries = Map::new();
        while self.eat('}').is_none() {
            let key = match self.value(depth + 1)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            self.eat(':')?;
            entries.insert(key, self.value(depth + 1)?);
            if self.eat(',').is_none() {
                self.eat('}')?;
                break;
            }
        }
        Some(Value::Object(entries))
    }

    fn number(&mut self) -> Option<Value> {
        let is_part = |next: char| next.is_ascii_digit() || matches!(next, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|next| !is_part(next)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        let whole = number.parse::<i64>().ok().map(Number::from);
        whole.or_else(|| Number::from_f64(number.parse().ok()?)).map(Value::Number)
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut letters = self.rest[1..].char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = &self.rest[1 + at + 1..];
                return Some(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let digits = match letters.next()?.1 {
                'n' => {
                    text.push('\n');
                    continue;
                }
                't' => {
                    text.push('\t');
                    continue;
                }
                'r' => {
                    text.push('\r');
                    continue;
                }
                'x' => 2,
                'u' => 4,
                'U' => 8,
                other => {
                    text.push(other);
                    continue;
                }
            };
            let mut code: u32 = 0;
            for _ in 0..digits {
                code = code.checked_mul(16)?.checked_add(letters.next()?.1.to_digit(16)?)?;
            }
            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn printed_objects_are_read() {
        let text = r#"ToolUseBlock(id='t1', name="it's", input={'command': 'a\nb \'c\' \x41 \u00e4', 'n': [1, -2.5e3, None, True], 'nested': Part(type='x')}, empty=(), open=False)"#;
        let read = object(text).unwrap();
        assert_eq!(read.name, "ToolUseBlock");
        let expected = json!({
            "id": "t1", "name": "it's",
            "input": { "command": "a\nb 'c' A ä", "n": [1, -2500.0, null, true], "nested": { "type": "x" } },
            "empty": [], "open": false,
        });
        assert_eq!(Value::Object(read.arguments), expected);
        for text in
            ["", "Text", "Text(", "Text(a)", "Text(a='b", "Text(a='b') more", "Text(a=<object at 0x1>)"]
        {
            assert_eq!(object(text), None, "{text}");
        }
        let deep = format!("T(a={}", "[".repeat(100_000));
        assert_eq!(object(&deep), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "[A-Z][a-z]{0,3}\\((a=)?[\\['\"{(\\\\x0-9uU,:=)\\]}e. -]{0,30}") {
            let _ = object(&text);
        }
    }
}
