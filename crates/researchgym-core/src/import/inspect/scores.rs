//! Scores of Inspect as metrics: one score may be a number, a word or an object of them.

use serde_json::Value;

use super::super::json::number;
use crate::score::Metrics;

/// The scores of one moment as metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scores {
    pub(super) metrics: Metrics,
    /// What is said of them, if it is said of one.
    pub(super) explanation: Option<String>,
    /// Names of what is there and is no number.
    pub(super) unscored: Vec<String>,
    /// Whether all are words such as `C` and `I`, of which it is known that more is better.
    pub(super) are_words: bool,
}

impl Scores {
    /// Reads `{scorer: {value: ...}}`. Parts of a score go under their own names where these are the only such parts, else under
    /// `scorer/part`: Inspect names its results so.
    pub(super) fn read(scores: &[(&str, &Value)]) -> Scores {
        let mut all = Scores { are_words: true, ..Scores::default() };
        let parts = scores.iter().filter_map(|(_, score)| score.get("value")?.as_object());
        let names: Vec<&String> = parts.flat_map(serde_json::Map::keys).collect();
        let scorers: Vec<&str> = scores.iter().map(|(scorer, _)| *scorer).collect();
        let is_own = |name: &String| {
            names.iter().filter(|other| **other == name).count() == 1 && !scorers.contains(&name.as_str())
        };
        for &(scorer, score) in scores {
            let said = score.get("explanation").and_then(Value::as_str);
            all.explanation = all.explanation.or_else(|| said.map(str::to_owned));
            match score.get("value") {
                Some(Value::Object(parts)) => {
                    for (name, value) in parts {
                        let name = if is_own(name) { name.clone() } else { format!("{scorer}/{name}") };
                        all.take(name, value);
                    }
                }
                Some(Value::Array(parts)) => {
                    for (index, value) in parts.iter().enumerate() {
                        all.take(format!("{scorer}/{index}"), value);
                    }
                }
                value => all.take(scorer.to_owned(), value.unwrap_or(&Value::Null)),
            }
        }
        all
    }

    fn take(&mut self, name: String, value: &Value) {
        self.are_words &= value.is_string() || value.is_boolean();
        match of(value) {
            Some(value) => {
                self.metrics.insert(name, value);
            }
            None => self.unscored.push(name),
        }
    }
}

/// A value as a number, as Inspect's own `value_to_float` does it; none where that gives zero for want of anything better.
fn of(value: &Value) -> Option<f64> {
    let Value::String(word) = value else { return number(value) };
    match word.as_str() {
        "C" => return Some(1.0),
        "P" => return Some(0.5),
        "I" | "N" => return Some(0.0),
        _ => {}
    }
    match word.to_lowercase().as_str() {
        "yes" | "true" => Some(1.0),
        "no" | "false" => Some(0.0),
        word => word.trim().parse::<f64>().ok().filter(|number| number.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_numbers_as_inspect_has_them() {
        for (value, expected) in [
            (json!("C"), Some(1.0)),
            (json!("P"), Some(0.5)),
            (json!("I"), Some(0.0)),
            (json!("N"), Some(0.0)),
            (json!("Yes"), Some(1.0)),
            (json!(true), Some(1.0)),
            (json!("0.25"), Some(0.25)),
            (json!(3), Some(3.0)),
            (json!("NaN"), None),
            (json!("good"), None),
            (json!(null), None),
        ] {
            assert_eq!(of(&value), expected, "{value}");
        }
    }

    #[test]
    fn parts_have_their_own_names_where_these_are_clear() {
        let (first, second) =
            (json!({ "value": { "loss": 1, "acc": 2 } }), json!({ "value": { "acc": 3, "n": null } }));
        let (list, word) = (json!({ "value": [1, "x"] }), json!({ "value": "C" }));
        let scores = Scores::read(&[("a", &first), ("b", &second), ("c", &list), ("d", &word)]);
        let metrics = [("loss", 1.0), ("a/acc", 2.0), ("b/acc", 3.0), ("c/0", 1.0), ("d", 1.0)];
        assert_eq!(scores.metrics, metrics.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!(scores.unscored, ["n", "c/1"]);
        assert!(!scores.are_words);
    }
}
