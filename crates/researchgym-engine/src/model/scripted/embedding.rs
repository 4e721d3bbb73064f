//! The vectors of a scripted model: made of the words of a text, so that texts with the same words are near each other.
//!
//! A word is a run of letters, digits and `_`, in lower case. Its hash (Fowler, Noll and Vo, 64 bits, 1a) says at which of the
//! dimensions it counts, and its highest bit whether 1 is added or taken away. A text without words, or whose words cancel out, has 1 in the first place alone.

use std::time::Duration;

use researchgym_core::model::embedding::{Embedded, MOST_DIMENSIONS, MOST_TEXTS};
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::retry::ProviderFailure;
use researchgym_core::model::{FailureKind, Usage};

use super::{Refused, Script, tokens};

/// What the model does with one request for embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidVectors {
    /// The vectors or the failure.
    pub result: Result<Embedded, ProviderFailure>,
    /// How long it takes to come.
    pub delay: Duration,
}

impl Script {
    /// Whether it is the script of a model that makes embeddings.
    pub fn makes_embeddings(&self) -> bool {
        self.header.dimensions.is_some()
    }

    /// Embeds texts. `position` is how often this model has answered or failed before, in this run: the line at that place
    /// may have it fail.
    ///
    /// # Errors
    /// The script makes no embeddings, or the request breaks an invariant or is not what the script expects.
    pub fn embed(&self, texts: &[String], position: u64, secrets: &Redactor) -> Result<SaidVectors, Refused> {
        let Some(dimensions) = self.header.dimensions else {
            let what = "the script makes no embeddings: its first line has no `embedding`".to_owned();
            return Err(Refused::Invariant(what));
        };
        if let Some(broken) = broken(texts, secrets) {
            return Err(Refused::Invariant(broken));
        }
        let line = usize::try_from(position).ok().and_then(|position| self.lines.get(position));
        let expect = line.and_then(|line| Some((line.number, line.expect.as_ref()?)));
        if let Some((line, unmet)) =
            expect.and_then(|(line, expect)| Some((line, expect.unmet(&texts.join("\n"))?)))
        {
            return Err(Refused::Unexpected { line, unmet });
        }
        let delay = Duration::from_millis(line.map_or(0, |line| line.delay_ms));
        let said = |result| Ok(SaidVectors { result, delay });
        if let Some(error) = line.and_then(|line| line.error.as_ref()) {
            return said(Err(error.failure()));
        }
        let counts = texts.iter().map(|text| tokens(text));
        let window = self.header.facts.context_window.unwrap_or(u64::MAX);
        if let Some(long) = counts.clone().find(|count| *count > window) {
            let message = format!("a text of {long} tokens does not fit into a window of {window}");
            let failure = ProviderFailure::new(FailureKind::ContextLength, message);
            return said(Err(ProviderFailure { status: Some(400), ..failure }));
        }
        let usage = Usage { input: counts.sum(), ..Usage::default() };
        let vectors = texts.iter().map(|text| vector(text, dimensions)).collect();
        said(Ok(Embedded { vectors, usage: Some(usage) }))
    }
}

/// What every request for embeddings must keep.
fn broken(texts: &[String], secrets: &Redactor) -> Option<String> {
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Some(format!("{} texts are to be embedded; 1 to {MOST_TEXTS} can be", texts.len()));
    }
    for (position, text) in texts.iter().enumerate() {
        if text.is_empty() {
            return Some(format!("texts[{position}] is empty"));
        }
        if secrets.contains(text.as_bytes()) {
            return Some(format!("texts[{position}] holds a key"));
        }
    }
    None
}

/// See the module.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    for word in words.filter(|word| !word.is_empty()) {
        let hash = word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let place = (hash % dimensions as u64) as usize;
        vector[place] += if hash >> 63 == 0 { 1.0 } else { -1.0 };
    }
    if vector.iter().all(|number| *number == 0.0) {
        vector[0] = 1.0;
    }
    vector
}

/// What a script's first line says of embeddings.
pub(super) fn dimensions(written: u64) -> Result<usize, String> {
    let dimensions = usize::try_from(written).unwrap_or(usize::MAX);
    match dimensions {
        1..=MOST_DIMENSIONS => Ok(dimensions),
        _ => Err(format!("`embedding.dimensions` is {written}; vectors have 1 to {MOST_DIMENSIONS} numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(lines: &str) -> Script {
        Script::parse(lines).expect("a script")
    }

    fn said(script: &Script, texts: &[&str], position: u64) -> Result<SaidVectors, Refused> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        script.embed(&texts, position, &Redactor::new(["sk-0123456789abcdef"]))
    }

    #[test]
    fn the_same_words_have_the_same_vector_and_others_another() {
        let script = script(r#"{"script": 1, "embedding": {"dimensions": 8}}"#);
        let vectors = said(&script, &["Say four, x_1!", "x_1 four\n# say", "say five", "+"], 0).unwrap();
        let embedded = vectors.result.unwrap();
        let [one, two, three, none] = &embedded.vectors[..] else { panic!("{embedded:?}") };
        assert_eq!(one, two);
        assert_ne!(one, three);
        assert_eq!(none, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(one.iter().map(|number| number.abs()).sum::<f32>(), 3.0);
        assert_eq!(embedded.usage.map(|usage| usage.input), Some(4 + 4 + 2 + 1));
    }

    #[test]
    fn lines_have_it_fail_and_requests_keep_invariants() {
        let header = r#"{"script": 1, "context_window": 2, "embedding": {"dimensions": 2}}"#;
        let error = r#"{"error": {"status": 503, "message": "busy"}}"#;
        let script =
            script(&format!("{header}\n{error}\n{{\"delay_ms\": 3, \"expect\": {{\"contains\": \"b\"}}}}"));
        let failure = said(&script, &["a"], 0).unwrap().result.unwrap_err();
        assert_eq!((failure.status, failure.message.as_str()), (Some(503), "busy"));
        assert_eq!(said(&script, &["b"], 1).unwrap().delay, Duration::from_millis(3));
        assert!(said(&script, &["a"], 1).unwrap_err().to_string().starts_with("line 3 of the script: "));
        let failure = said(&script, &["b", "more than two tokens"], 2).unwrap().result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContextLength);
        for (texts, expected) in [
            (&[][..], "0 texts are to be embedded; 1 to 2048 can be"),
            (&["a", ""], "texts[1] is empty"),
            (&["sk-0123456789abcdef"], "texts[0] holds a key"),
        ] {
            let refused = said(&script, texts, 2).unwrap_err().to_string();
            assert_eq!(refused, format!("the request breaks an invariant: {expected}"));
        }
    }

    #[test]
    fn a_script_answers_or_embeds() {
        let refused = |text: &str| Script::parse(text).unwrap_err().to_string();
        let header = r#"{"script": 1, "embedding": {"dimensions": 0}}"#;
        assert_eq!(refused(header), "line 1: `embedding.dimensions` is 0; vectors have 1 to 65536 numbers");
        let header = r#"{"script": 1, "embedding": {"dimensions": 4}}"#;
        assert_eq!(
            refused(&format!("{header}\n{{\"text\": \"a\"}}")),
            "line 2: a script with `embedding` says nothing: its lines hold `error`, `delay_ms` and `expect`"
        );
        let answers = script("{\"text\": \"a\"}");
        assert!(!answers.makes_embeddings());
        assert!(said(&answers, &["a"], 0).unwrap_err().to_string().contains("makes no embeddings"));
    }
}
