//! A list of models, and how a name is looked up in it.

use std::collections::BTreeMap;

use super::parse::{self, PriceError};
use super::{ModelFacts, Price, litellm};
use crate::nearest::nearest;

/// Providers whose models run on the user's own machine.
const LOCAL: [&str; 2] = ["ollama", "vllm"];

/// What is known of models, by `provider/model`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    /// The day on which the table was made, as its maker says.
    pub date: Option<String>,
    pub(super) models: BTreeMap<String, Listing>,
}

/// One model of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What is known.
    pub facts: ModelFacts,
    /// Where the price is from: the provider's own page.
    pub source: Option<String>,
    /// The day on which it was there.
    pub date: Option<String>,
}

impl PriceTable {
    /// Reads a table in our own form, TOML.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, model and key.
    pub fn parse(text: &str) -> Result<PriceTable, PriceError> {
        parse::parse(text)
    }

    /// Reads a table in the form of LiteLLM's `model_prices_and_context_window.json`.
    ///
    /// # Errors
    /// The text is no JSON object of objects, or a key that is read holds something else than a number.
    pub fn from_litellm(text: &str) -> Result<PriceTable, PriceError> {
        litellm::parse(text)
    }

    /// The table that comes with this program.
    pub fn builtin() -> PriceTable {
        parse::parse(include_str!("../../../prices.toml")).expect("a test reads the file that is compiled in")
    }

    /// Puts another table over this one: each model that it lists replaces this table's entry whole.
    pub fn overlay(&mut self, other: PriceTable) {
        self.date = other.date.or(self.date.take());
        self.models.extend(other.models);
    }

    /// Puts one model into this table, in place of its entry if there is one.
    pub fn insert(&mut self, name: &str, listing: Listing) {
        self.models.insert(name.to_owned(), listing);
    }

    /// What is known of a model, after [`PriceTable::listing`]; local models that are not listed cost nothing.
    pub fn get(&self, name: &str) -> Option<ModelFacts> {
        match self.listing(name) {
            Some((_, listing)) => Some(listing.facts),
            None => is_local(name).then(|| ModelFacts { price: Some(Price::FREE), ..ModelFacts::default() }),
        }
    }

    /// The entry that a name means, and the name under which it is listed.
    ///
    /// The name itself comes first, then the name without its date, then the same of the model behind a reseller.
    pub fn listing(&self, name: &str) -> Option<(&str, &Listing)> {
        candidates(name).into_iter().find_map(|candidate| {
            self.models.get_key_value(&candidate).map(|(listed, listing)| (listed.as_str(), listing))
        })
    }

    /// The listed name that a misspelt one most likely means.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let bare = |listed: &'_ &str| listed.split_once('/').is_some_and(|(_, model)| model == name);
        let names = || self.models.keys().map(String::as_str);
        names().find(bare).or_else(|| nearest(name, names()))
    }

    /// All listed models in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Listing)> {
        self.models.iter().map(|(name, listing)| (name.as_str(), listing))
    }
}

fn is_local(name: &str) -> bool {
    name.split_once('/').is_some_and(|(provider, model)| LOCAL.contains(&provider) && !model.is_empty())
}

/// The names under which a model may be listed, best first.
fn candidates(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    names.extend(undated(name).map(str::to_owned));
    if let Some(model) = name.strip_prefix("azure/") {
        names.extend(candidates(&format!("openai/{model}")));
    }
    // A variant such as `:free` or `:nitro` has another price than the model itself.
    if let Some(model) =
        name.strip_prefix("openrouter/").filter(|model| model.contains('/') && !model.contains(':'))
    {
        names.extend(candidates(model));
        if let Some(model) = model.strip_prefix("anthropic/") {
            names.extend(candidates(&format!("anthropic/{}", model.replace('.', "-"))));
        }
    }
    names
}

/// The name without the part that tells a snapshot: `-20250929`, `-2025-08-07`, `-latest`, `-preview-05-06` and
/// `-preview-09-2025`.
fn undated(name: &str) -> Option<&str> {
    const ENDINGS: [&str; 5] = ["-preview-00-0000", "-preview-00-00", "-0000-00-00", "-00000000", "-latest"];
    ENDINGS.into_iter().find_map(|ending| {
        let (start, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
        let same =
            |(shown, wanted): (u8, u8)| if wanted == b'0' { shown.is_ascii_digit() } else { shown == wanted };
        (!start.ends_with('/') && end.bytes().zip(ending.bytes()).all(same)).then_some(start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> PriceTable {
        let listing = |index: usize| {
            let price = Price { input: index as u64 + 1, ..Price::FREE };
            Listing {
                facts: ModelFacts { price: Some(price), ..ModelFacts::default() },
                ..Listing::default()
            }
        };
        let models = names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), listing(index)));
        PriceTable { date: None, models: models.collect() }
    }

    fn check(name: &str, expected: Option<&str>) {
        let table = table(&[
            "openai/gpt-4o",
            "openai/gpt-4o-2024-05-13",
            "openai/gpt-5",
            "anthropic/claude-sonnet-4-5",
            "google/gemini-2.5-pro",
            "google/gemini-2.5-flash",
            "openrouter/qwen/qwen3-coder",
            "azure/gpt-5-eu",
        ]);
        assert_eq!(table.listing(name).map(|(listed, _)| listed), expected, "{name}");
    }

    #[test]
    fn names_are_found_as_they_are_or_without_their_date() {
        check("openai/gpt-4o", Some("openai/gpt-4o"));
        check("openai/gpt-4o-2024-05-13", Some("openai/gpt-4o-2024-05-13"));
        check("openai/gpt-4o-2024-11-20", Some("openai/gpt-4o"));
        check("openai/gpt-4o-latest", Some("openai/gpt-4o"));
        check("anthropic/claude-sonnet-4-5-20250929", Some("anthropic/claude-sonnet-4-5"));
        check("google/gemini-2.5-pro-preview-05-06", Some("google/gemini-2.5-pro"));
        check("google/gemini-2.5-flash-preview-09-2025", Some("google/gemini-2.5-flash"));
    }

    #[test]
    fn resellers_fall_back_to_the_maker() {
        check("azure/gpt-5-eu", Some("azure/gpt-5-eu"));
        check("azure/gpt-5", Some("openai/gpt-5"));
        check("azure/gpt-5-2025-08-07", Some("openai/gpt-5"));
        check("openrouter/qwen/qwen3-coder", Some("openrouter/qwen/qwen3-coder"));
        check("openrouter/openai/gpt-5", Some("openai/gpt-5"));
        check("openrouter/anthropic/claude-sonnet-4.5", Some("anthropic/claude-sonnet-4-5"));
        check("openrouter/openai/gpt-5:nitro", None);
    }

    #[test]
    fn nothing_else_is_guessed() {
        for name in [
            "",
            "/",
            "gpt-4o",
            "openai/",
            "openai/gpt-4",
            "openai/gpt-4o-mini",
            "openai/gpt-4o-2024",
            "azure/",
            "é",
        ] {
            check(name, None);
        }
        check("openai/gpt-4o-20240513x", None);
        check("openai/-latest", None);
    }

    #[test]
    fn local_models_are_free_unless_they_are_listed() {
        let free = Some(ModelFacts { price: Some(Price::FREE), ..ModelFacts::default() });
        let listed = table(&["vllm/big"]);
        assert_eq!(listed.get("ollama/qwen3:8b"), free);
        assert_eq!(listed.get("vllm/Qwen/Qwen3-8B"), free);
        assert_eq!(listed.get("vllm/big").and_then(|facts| facts.price).map(|price| price.input), Some(1));
        assert_eq!(listed.get("ollama/"), None);
        assert_eq!(listed.get("other/model"), None);
    }

    #[test]
    fn a_later_table_wins_model_by_model() {
        let mut below = table(&["a/one", "a/two"]);
        below.date = Some("2026-01-01".into());
        let mut above = table(&["x/y", "a/two", "a/three"]);
        above.models.remove("x/y");
        below.overlay(above);
        let inputs: Vec<(&str, u64)> =
            below.iter().map(|(name, listing)| (name, listing.facts.price.unwrap().input)).collect();
        assert_eq!(inputs, [("a/one", 1), ("a/three", 3), ("a/two", 2)]);
        assert_eq!(below.date.as_deref(), Some("2026-01-01"));
    }

    #[test]
    fn misspelt_names_are_mended() {
        let table = table(&["openai/gpt-5", "anthropic/claude-sonnet-4-5"]);
        assert_eq!(table.nearest("openai/gtp-5"), Some("openai/gpt-5"));
        assert_eq!(table.nearest("claude-sonnet-4-5"), Some("anthropic/claude-sonnet-4-5"));
        assert_eq!(table.nearest("quantum"), None);
    }
}
