//! Reads the price file that LiteLLM publishes: JSON, prices in US dollars per token.
//!
//! That file grows new keys all the time, so unknown ones are skipped. What is read must be a number. Prices there are
//! floats; the shortest text that gives the float is taken for what was meant, and what is finer than a micro-dollar per
//! million tokens is rounded up.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::decimal::{Excess, scaled};
use super::parse::PriceError;
use super::table::{Listing, PriceTable};
use super::{LongContext, ModelFacts, Price};

/// Documentation within the file, in the place of a model.
const SAMPLE: &str = "sample_spec";

/// The mode of models that make embeddings.
const EMBEDDING: &str = "embedding";

const INPUT: &str = "input_cost_per_token";
const OUTPUT: &str = "output_cost_per_token";
/// What a model thinks may be billed otherwise than what it says; both count as output here, so the dearer one does.
const REASONING: &str = "output_cost_per_reasoning_token";
const CACHE_READ: &str = "cache_read_input_token_cost";
const CACHE_WRITE: &str = "cache_creation_input_token_cost";
/// Writes to caches that live longer; both are a [`Price::cache_write_1h`], the dearer one if a model has both.
const LONG_CACHE_WRITES: [&str; 2] =
    ["cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_12hr"];

pub(super) fn parse(text: &str) -> Result<PriceTable, PriceError> {
    let root: Value = serde_json::from_str(text).map_err(|error| PriceError {
        line: Some(error.line()),
        model: None,
        key: None,
        message: format!("not valid JSON: {error}"),
    })?;
    let Value::Object(root) = root else {
        return Err(problem("", "", "must be an object with one key per model, each an object"));
    };
    let mut models = BTreeMap::new();
    let mut plain = Vec::new();
    for (key, value) in &root {
        let Value::Object(entry) = value else {
            return Err(problem(key, "", "must be an object with the model's prices"));
        };
        let entry = aliased(&root, entry);
        let Some(provider) = provider(key, entry)? else { continue };
        let listing = listing(key, entry)?;
        match key.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')) {
            Some(model) => {
                models.insert(named(provider, model), listing);
            }
            None => plain.push((named(provider, key), listing)),
        }
    }
    // A name with its provider says more than one without.
    for (name, listing) in plain {
        models.entry(name).or_insert(listing);
    }
    Ok(PriceTable { date: None, models })
}

/// The entry that another name stands for.
fn aliased<'v>(root: &'v Map<String, Value>, entry: &'v Map<String, Value>) -> &'v Map<String, Value> {
    let target = entry.get("alias_of").and_then(Value::as_str).and_then(|name| root.get(name));
    target.and_then(Value::as_object).unwrap_or(entry)
}

/// Whether a model makes embeddings.
fn is_embedding(entry: &Map<String, Value>) -> bool {
    entry.get("mode").and_then(Value::as_str) == Some(EMBEDDING)
}

/// Who offers the model; none if it is none that can be asked here.
fn provider<'v>(key: &str, entry: &'v Map<String, Value>) -> Result<Option<&'v str>, PriceError> {
    let text = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(problem(key, name, "must be text")),
    };
    if key == SAMPLE || !matches!(text("mode")?, Some("chat" | "responses" | EMBEDDING)) {
        return Ok(None);
    }
    Ok(text("litellm_provider")?
        .filter(|provider| !provider.is_empty() && !provider.starts_with("vertex_ai")))
}

fn named(provider: &str, model: &str) -> String {
    let provider = if provider == "gemini" { "google" } else { provider };
    format!("{provider}/{model}")
}

fn listing(key: &str, entry: &Map<String, Value>) -> Result<Listing, PriceError> {
    let facts = ModelFacts {
        price: price(key, entry)?,
        context_window: tokens(key, entry, "max_input_tokens")?,
        max_output: tokens(key, entry, "max_output_tokens")?,
        is_embedding: is_embedding(entry),
    };
    let source = entry.get("source").and_then(Value::as_str).map(str::to_owned);
    Ok(Listing { facts, source, date: None })
}

fn price(key: &str, entry: &Map<String, Value>) -> Result<Option<Price>, PriceError> {
    let mut base = tier(key, entry, "")?;
    if is_embedding(entry) {
        // There is no answer that could cost something.
        base.output = base.output.or(Some(0));
    }
    let mut long: Option<(u64, Tier)> = None;
    for (threshold, suffix) in thresholds(entry) {
        let tier = tier(key, entry, &suffix)?;
        // Several tiers become one, from the first threshold on and as dear as the dearest: it never says too little.
        long = Some(match long {
            None => (threshold, tier),
            Some((first, so_far)) => (first, so_far.dearest(tier)),
        });
    }
    let (Some(input), Some(output)) = (base.input, base.output) else { return Ok(None) };
    let long_context = long.map(|(above_input_tokens, tier)| LongContext {
        above_input_tokens,
        input: tier.input.unwrap_or_else(|| grown(input, tier.output, output)),
        output: tier.output.unwrap_or_else(|| grown(output, tier.input, input)),
        cache_read: tier.cache_read,
        cache_write_5m: tier.cache_write_5m,
        cache_write_1h: tier.cache_write_1h,
    });
    Ok(Some(Price {
        input,
        output,
        cache_read: base.cache_read,
        cache_write_5m: base.cache_write_5m,
        cache_write_1h: base.cache_write_1h,
        long_context,
    }))
}

/// A rate of long prompts that an entry does not give: it grows as the other one does, and never falls, so that what is
/// missing is not taken for cheap.
fn grown(rate: u64, other_long: Option<u64>, other: u64) -> u64 {
    let Some(other_long) = other_long.filter(|&long| long > other) else { return rate };
    match other {
        0 => rate.max(other_long),
        _ => u128::from(rate)
            .saturating_mul(u128::from(other_long))
            .div_ceil(u128::from(other))
            .try_into()
            .unwrap_or(u64::MAX),
    }
}

/// The rates that an entry gives for one length of prompt.
#[derive(Clone, Copy)]
struct Tier {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
}

impl Tier {
    fn dearest(self, other: Tier) -> Tier {
        // An absent cache rate is the input's.
        let both = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (None, None) => None,
            (one, two) => one.or(self.input).max(two.or(other.input)),
        };
        Tier {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: both(self.cache_read, other.cache_read),
            cache_write_5m: both(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: both(self.cache_write_1h, other.cache_write_1h),
        }
    }
}

fn tier(key: &str, entry: &Map<String, Value>, suffix: &str) -> Result<Tier, PriceError> {
    let rate = |name: &str| dollars(key, entry, &format!("{name}{suffix}"));
    // Zero stands there for "writing costs nothing on top", which is the rate of ordinary input.
    let write = |name: &str| Ok(rate(name)?.filter(|&rate| rate > 0));
    let [one_hour, longer] = LONG_CACHE_WRITES;
    Ok(Tier {
        input: rate(INPUT)?,
        output: rate(OUTPUT)?
            .map(|output| Ok(output.max(rate(REASONING)?.unwrap_or_default())))
            .transpose()?,
        cache_read: rate(CACHE_READ)?,
        cache_write_5m: write(CACHE_WRITE)?,
        cache_write_1h: write(one_hour)?.max(write(longer)?),
    })
}

/// The lengths of prompt from which on an entry has other rates, and the ends of their keys; shortest first.
fn thresholds(entry: &Map<String, Value>) -> BTreeMap<u64, String> {
    let read = |name: &String| {
        let base = [INPUT, OUTPUT].into_iter().find(|base| name.starts_with(base))?;
        let suffix = &name[base.len()..];
        let thousands: u64 = suffix.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()?;
        Some((thousands.checked_mul(1000)?, suffix.to_owned()))
    };
    entry.keys().filter_map(read).collect()
}

/// Micro-dollars per million tokens.
fn dollars(key: &str, entry: &Map<String, Value>, name: &str) -> Result<Option<u64>, PriceError> {
    match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match scaled(&number.to_string(), 12, Excess::RoundUp) {
            Ok(rate) => Ok(Some(rate)),
            Err(error) => Err(problem(key, name, &format!("is {error}"))),
        },
        Some(_) => Err(problem(key, name, "must be a number of US dollars per token")),
    }
}

fn tokens(key: &str, entry: &Map<String, Value>, name: &str) -> Result<Option<u64>, PriceError> {
    let wrong = || problem(key, name, "must be a whole number of tokens");
    match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            scaled(&number.to_string(), 0, Excess::Refuse).map(Some).map_err(|_| wrong())
        }
        Some(_) => Err(wrong()),
    }
}

fn problem(model: &str, key: &str, message: &str) -> PriceError {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    PriceError { line: None, model: given(model), key: given(key), message: message.to_owned() }
}
