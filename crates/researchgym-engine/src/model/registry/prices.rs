//! What models cost: the list that comes with the program, under the user's lists, under the settings, under `--price`.

use std::collections::BTreeMap;
use std::path::Path;

use researchgym_core::model::price::{DecimalError, Listing, PriceTable, usd_per_million};
use researchgym_core::model::{ModelFacts, Price};

use super::error::ModelError;
use crate::model::settings::{Merged, ModelSettings};

/// The keys of a model's settings that are prices.
const PRICE_KEYS: [&str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];

/// All lists over one another.
#[derive(Debug)]
pub(super) struct Prices {
    table: PriceTable,
    /// Where each listed name comes from.
    sources: BTreeMap<String, String>,
}

/// `--price` is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceFlagError {
    /// Not two or three numbers.
    #[error("write INPUT,OUTPUT or INPUT,OUTPUT,CACHE_READ in US dollars per million tokens")]
    Form,
    /// One of them is none.
    #[error("`{text}` is {error}; write US dollars per million tokens, such as 0.15")]
    Number {
        /// What was written.
        text: String,
        /// What is wrong with it.
        error: DecimalError,
    },
}

/// Reads the value of `--price`: `INPUT,OUTPUT`, or with the price of prompt tokens from a cache behind them.
///
/// # Errors
/// It is not two or three decimal numbers.
pub fn price_flag(text: &str) -> Result<Price, PriceFlagError> {
    let number = |text: &str| {
        usd_per_million(text).map_err(|error| PriceFlagError::Number { text: text.to_owned(), error })
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (input, output, cache_read) = match parts[..] {
        [input, output] => (input, output, None),
        [input, output, cache_read] => (input, output, Some(cache_read)),
        _ => return Err(PriceFlagError::Form),
    };
    let cache_read = cache_read.map(number).transpose()?;
    Ok(Price { input: number(input)?, output: number(output)?, cache_read, ..Price::FREE })
}

impl Prices {
    /// Reads all lists.
    pub(super) fn gather(settings: &Merged, given: Option<&Path>) -> Result<Prices, ModelError> {
        let mut prices = Prices { table: PriceTable::default(), sources: BTreeMap::new() };
        let builtin = PriceTable::builtin();
        let label = match &builtin.date {
            Some(date) => format!("the built-in list of {date}"),
            None => "the built-in list".to_owned(),
        };
        prices.lay(builtin, &label);
        for path in &settings.settings.prices {
            prices.lay(read_prices(path)?, &format!("the list {}", path.display()));
        }
        for (name, model) in &settings.settings.models {
            prices.set(name, model, settings)?;
        }
        if let Some(path) = given {
            prices.lay(read_prices(path)?, &format!("the list {}", path.display()));
        }
        Ok(prices)
    }

    /// What is known of a model and where its price comes from. Models of one's own machine cost nothing unless a list
    /// says so.
    pub(super) fn get(&self, name: &str, is_local: bool) -> (ModelFacts, String) {
        let listed = self
            .table
            .listing(name)
            .map(|(listed, listing)| (listing.facts, self.sources.get(listed).cloned().unwrap_or_default()));
        match listed {
            Some((facts, source)) if facts.price.is_some() || !is_local => (facts, source),
            other if is_local => {
                let facts = other.map(|(facts, _)| facts).unwrap_or_default();
                (ModelFacts { price: Some(Price::FREE), ..facts }, "local".to_owned())
            }
            Some((facts, source)) => (facts, source),
            None => (ModelFacts::default(), String::new()),
        }
    }

    /// The listed name that a misspelt one most likely means.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        self.table.nearest(name).map(str::to_owned)
    }

    /// All listed models with facts and source.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, ModelFacts, &str)> {
        self.table.iter().map(|(name, listing)| {
            (name, listing.facts, self.sources.get(name).map(String::as_str).unwrap_or_default())
        })
    }

    fn lay(&mut self, table: PriceTable, label: &str) {
        for (name, _) in table.iter() {
            self.sources.insert(name.to_owned(), label.to_owned());
        }
        self.table.overlay(table);
    }

    /// Puts what the settings say of one model over what the lists say.
    fn set(&mut self, name: &str, model: &ModelSettings, settings: &Merged) -> Result<(), ModelError> {
        let mut facts = self.table.listing(name).map(|(_, listing)| listing.facts).unwrap_or_default();
        let usd = |given: Option<crate::model::settings::UsdPerMillion>| given.map(|usd| usd.0);
        facts.is_embedding = model.embedding.unwrap_or(facts.is_embedding);
        let free_answers = facts.is_embedding && model.input.is_some() && facts.price.is_none();
        let output = usd(model.output).or(free_answers.then_some(0));
        facts.price = match (facts.price, usd(model.input), output) {
            // A tier for long prompts is part of the price that is replaced.
            (_, Some(input), Some(output)) => Some(Price { input, output, ..Price::FREE }),
            (Some(listed), input, output) => Some(Price {
                input: input.unwrap_or(listed.input),
                output: output.unwrap_or(listed.output),
                ..listed
            }),
            (None, input, output) => {
                let place_of = |key: &str| settings.source_of(&format!("models.{name:?}.{key}"));
                let given = PRICE_KEYS.iter().find_map(|key| Some((*key, place_of(key)?)));
                if let Some((given, place)) = given {
                    let missing = match (input, output) {
                        (Some(_), _) => "`output`",
                        (None, Some(_)) => "`input`",
                        (None, None) => "`input` and `output`",
                    };
                    return Err(ModelError::HalfAPrice { model: name.to_owned(), place, given, missing });
                }
                None
            }
        };
        if let Some(price) = &mut facts.price {
            price.cache_read = usd(model.cache_read).or(price.cache_read);
            price.cache_write_5m = usd(model.cache_write_5m).or(price.cache_write_5m);
            price.cache_write_1h = usd(model.cache_write_1h).or(price.cache_write_1h);
        }
        facts.context_window = model.context_window.or(facts.context_window);
        facts.max_output = model.max_output.or(facts.max_output);
        // What the settings leave to a list is still from there.
        let place = PRICE_KEYS.iter().find_map(|key| settings.source_of(&format!("models.{name:?}.{key}")));
        let listed = self.table.listing(name).and_then(|(listed, _)| self.sources.get(listed).cloned());
        self.sources.insert(name.to_owned(), place.or(listed).unwrap_or_default());
        self.table.insert(name, Listing { facts, source: None, date: None });
        Ok(())
    }
}

/// Reads a list of prices: `.json` in LiteLLM's form, else TOML in our own.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_prices(path: &Path) -> Result<PriceTable, ModelError> {
    let wrong = |problem: String| ModelError::File { what: "price list", path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let table = if is_json { PriceTable::from_litellm(&text) } else { PriceTable::parse(&text) };
    table.map_err(|error| wrong(error.to_string()))
}
