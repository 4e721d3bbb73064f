//! What calls cost: exact integers, no floats.
//!
//! A [`Price`] counts micro-dollars per million tokens, so a token of the dearest model and one of the cheapest are both
//! whole numbers. A call's cost is rounded up to a micro-dollar once, over all of its tokens: a run of a thousand calls
//! is overstated by at most a tenth of a cent. Prices come from a [`PriceTable`]; none is ever guessed.
//!
//! Not priced: batch, flex and priority tiers, storage of caches, searches and other tools on the provider's side,
//! audio tokens, discounts and taxes.

mod decimal;
mod litellm;
mod parse;
mod table;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::Usage;
use crate::spec::MicroUsd;

pub use self::decimal::DecimalError;
pub use self::parse::PriceError;
pub use self::table::{Listing, PriceTable};

/// The tokens that a price is for.
const PER_TOKENS: u128 = 1_000_000;

/// What a model's tokens cost, in micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A prompt token that no cache knows.
    pub input: u64,
    /// A token of the answer, thinking included.
    pub output: u64,
    /// A prompt token read from a cache; as `input` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// A prompt token written to a cache of five minutes or of no stated life; as `input` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// A prompt token written to a cache of an hour or more; as `cache_write_5m` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// What all tokens of a call cost when its prompt is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContext>,
}

/// Prices of calls whose whole prompt, cached or not, has more than so many tokens. They hold for every token of such a
/// call. Absent ones default within this tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongContext {
    /// The longest prompt that is not yet long.
    pub above_input_tokens: u64,
    /// A prompt token that no cache knows.
    pub input: u64,
    /// A token of the answer.
    pub output: u64,
    /// A prompt token read from a cache; as `input` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// A prompt token written to a short-lived cache; as `input` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// A prompt token written to a long-lived cache; as `cache_write_5m` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
}

/// What is known of a model beyond its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// What it costs; without one, a budget cannot be kept. It was called `price`, and is still read under that name.
    #[serde(
        rename = "price_micro_usd_per_million_tokens",
        alias = "price",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub price: Option<Price>,
    /// The most tokens that a prompt may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most tokens that an answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Whether it makes embeddings and answers no questions.
    #[serde(rename = "embedding", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_embedding: bool,
}

/// Reads US dollars per million tokens, such as `0.15`, as micro-dollars per million tokens.
///
/// # Errors
/// It is no decimal number, negative, too large, or finer than what is kept.
pub fn usd_per_million(text: &str) -> Result<u64, DecimalError> {
    decimal::scaled(text, 6, decimal::Excess::Refuse)
}

/// One tier with nothing left open.
#[derive(Clone, Copy)]
struct Rates {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
}

impl Price {
    /// The price of a model that costs nothing.
    pub const FREE: Price = Price {
        input: 0,
        output: 0,
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        long_context: None,
    };

    /// Whether no call can cost anything.
    pub fn is_free(&self) -> bool {
        self.bound(u64::MAX, u64::MAX) == MicroUsd(0)
    }

    /// What a call cost, rounded up to a micro-dollar.
    ///
    /// The tier is chosen by the whole prompt. If a provider counts more cached tokens than prompt, the cached ones are
    /// paid for.
    pub fn cost(&self, usage: Usage) -> MicroUsd {
        let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        let cached = usage.cache_read.saturating_add(written);
        let rates = self.rates(usage.input.max(cached));
        rounded_up(&[
            (usage.input.saturating_sub(cached), rates.input),
            (usage.cache_read, rates.cache_read),
            (usage.cache_write_5m, rates.cache_write_5m),
            (usage.cache_write_1h, rates.cache_write_1h),
            (usage.output, rates.output),
        ])
    }

    /// The most that a call can cost whose prompt and answer have at most so many tokens, whatever a cache does with
    /// them.
    pub fn bound(&self, input_tokens: u64, output_tokens: u64) -> MicroUsd {
        let at_most = |input: u64, rates: Rates| {
            rounded_up(&[(input, rates.dearest_input()), (output_tokens, rates.output)])
        };
        match self.long_context {
            Some(long) if input_tokens > long.above_input_tokens => {
                let short = at_most(long.above_input_tokens, self.rates(0));
                short.max(at_most(input_tokens, self.rates(input_tokens)))
            }
            Some(_) | None => at_most(input_tokens, self.rates(input_tokens)),
        }
    }

    fn rates(&self, input_tokens: u64) -> Rates {
        match self.long_context {
            Some(long) if input_tokens > long.above_input_tokens => {
                Rates::new(long.input, long.output, long.cache_read, long.cache_write_5m, long.cache_write_1h)
            }
            Some(_) | None => {
                Rates::new(self.input, self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h)
            }
        }
    }
}

impl Rates {
    fn new(
        input: u64,
        output: u64,
        read: Option<u64>,
        write_5m: Option<u64>,
        write_1h: Option<u64>,
    ) -> Rates {
        let cache_write_5m = write_5m.unwrap_or(input);
        let cache_write_1h = write_1h.unwrap_or(cache_write_5m);
        Rates { input, output, cache_read: read.unwrap_or(input), cache_write_5m, cache_write_1h }
    }

    fn dearest_input(self) -> u64 {
        self.input.max(self.cache_read).max(self.cache_write_5m).max(self.cache_write_1h)
    }
}

/// The sum of tokens times rate. A product of two 64-bit numbers has 128 bits, so five of them can exceed them.
fn rounded_up(parts: &[(u64, u64)]) -> MicroUsd {
    let sum = parts
        .iter()
        .map(|&(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .fold(0, u128::saturating_add);
    MicroUsd(u64::try_from(sum.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX))
}
