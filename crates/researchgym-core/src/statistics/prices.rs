//! Costs computed later from a table of prices and the tokens that runs recorded.
//!
//! Recorded costs are not comparable where prices changed or a provider told none. Tokens are known by model, not by call, so
//! the dearer price of long prompts cannot be told: the ordinary price is taken, and a warning says so.

use std::collections::BTreeSet;

use super::corpus::Corpus;
use super::options::Options;
use crate::model::price::{Price, PriceTable};
use crate::record::UsageRecord;
use crate::spec::MicroUsd;

/// What runs cost.
pub(super) struct Priced {
    /// Of each entry of the corpus.
    pub costs: Vec<Option<MicroUsd>>,
    pub warnings: Vec<String>,
}

/// Why a cost could not be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// The run tells no tokens.
    #[error("no tokens are recorded")]
    NoTokens,
    /// The table has no price for a model that was asked.
    #[error("the price table does not list {0}")]
    Unlisted(String),
}

/// What the recorded tokens cost by these prices, each model's sum rounded up to a micro-dollar.
///
/// # Errors
/// No tokens are recorded, or a model has no price.
pub fn cost(usage: &UsageRecord, prices: &PriceTable) -> Result<MicroUsd, Unpriced> {
    if usage.models.is_empty() {
        return Err(Unpriced::NoTokens);
    }
    let mut sum = MicroUsd(0);
    for (model, used) in &usage.models {
        let price = price(model, prices).ok_or_else(|| Unpriced::Unlisted(model.clone()))?;
        let part = Price { long_context: None, ..price }.cost(used.usage);
        sum = MicroUsd(sum.0.saturating_add(part.0));
    }
    Ok(sum)
}

/// The price of a model by its name, or by the one listed name that ends with it behind a provider's.
fn price(model: &str, prices: &PriceTable) -> Option<Price> {
    if let Some(facts) = prices.get(model) {
        return facts.price;
    }
    let mut behind =
        prices.iter().filter(|(name, _)| name.split_once('/').is_some_and(|(_, bare)| bare == model));
    let (_, listing) = behind.next()?;
    behind.next().is_none().then_some(listing.facts.price)?
}

impl Priced {
    pub(super) fn of(corpus: &Corpus<'_>, options: &Options) -> Priced {
        let Some(prices) = &options.prices else {
            let costs: Vec<Option<MicroUsd>> =
                corpus.entries.iter().map(|entry| entry.record.usage.cost).collect();
            let unknown = costs.iter().filter(|cost| cost.is_none()).count();
            let mut warnings = Vec::new();
            if unknown > 0 {
                warnings.push(format!("the cost of {unknown} of {} runs is not known", costs.len()));
            }
            return Priced { costs, warnings };
        };
        let mut unlisted: BTreeSet<String> = BTreeSet::new();
        let (mut without_tokens, mut without_price, mut long) = (0_u64, 0_u64, BTreeSet::new());
        let costs = corpus.entries.iter().map(|entry| {
            let usage = &entry.record.usage;
            let tiered =
                |model: &&String| price(model, prices).is_some_and(|price| price.long_context.is_some());
            long.extend(usage.models.keys().filter(tiered).cloned());
            match cost(usage, prices) {
                Ok(cost) => Some(cost),
                Err(Unpriced::NoTokens) => {
                    without_tokens += 1;
                    None
                }
                Err(Unpriced::Unlisted(model)) => {
                    without_price += 1;
                    unlisted.insert(model);
                    None
                }
            }
        });
        let costs = costs.collect();
        let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<String>>().join(", ");
        let mut warnings = Vec::new();
        if without_tokens > 0 {
            warnings.push(format!(
                "prices cannot tell what runs cost that tell no tokens: {without_tokens} of {}",
                corpus.entries.len()
            ));
        }
        if !unlisted.is_empty() {
            let list = joined(unlisted);
            warnings.push(format!(
                "the price table does not list {list}: the cost of {without_price} runs is not known"
            ));
        }
        if !long.is_empty() {
            let list = joined(long);
            warnings.push(format!("long prompts cost more with {list}, but calls are not known one by one: the ordinary price is taken"));
        }
        Priced { costs, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Usage;
    use crate::model::price::{Listing, ModelFacts};
    use crate::record::ModelUse;

    #[test]
    fn costs_follow_from_tokens() {
        let mut prices = PriceTable::default();
        let price = Price { input: 2_000_000, output: 8_000_000, ..Price::FREE };
        let facts = ModelFacts { price: Some(price), ..ModelFacts::default() };
        prices.insert("maker/model", Listing { facts, ..Listing::default() });
        let usage = |models: &[&str]| {
            let tokens = Usage { input: 1_000, output: 100, ..Usage::default() };
            let used = ModelUse { calls: 3, usage: tokens };
            let models = models.iter().map(|model| ((*model).to_owned(), used)).collect();
            UsageRecord { models, ..UsageRecord::default() }
        };
        assert_eq!(cost(&usage(&["maker/model"]), &prices), Ok(MicroUsd(2_800)));
        assert_eq!(cost(&usage(&["model"]), &prices), Ok(MicroUsd(2_800)));
        assert_eq!(cost(&usage(&[]), &prices), Err(Unpriced::NoTokens));
        assert_eq!(cost(&usage(&["model", "other"]), &prices), Err(Unpriced::Unlisted("other".to_owned())));
    }
}
