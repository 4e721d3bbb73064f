//! Models and settings as tables.

use std::path::PathBuf;

use researchgym_core::model::{ModelFacts, Price};
use researchgym_engine::model::Auth;
use researchgym_engine::model::registry::{Description, KeyOf, Known};
use researchgym_engine::model::settings::Entry;

use super::Printer;
use super::words::table;

impl Printer {
    /// `model list`
    pub(crate) fn models(&self, known: &[Known]) {
        let head = ["model", "input", "output", "prompt tokens", "answer tokens", "key", "price from"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for model in known {
            let price = |rate: fn(&Price) -> u64| {
                model.facts.price.as_ref().map_or_else(dash, |price| usd(rate(price)))
            };
            rows.push(vec![
                model.name.clone(),
                price(|price| price.input),
                price(|price| price.output),
                count(model.facts.context_window),
                answers(model.facts),
                if model.has_key { "yes" } else { "no" }.to_owned(),
                model.source.clone(),
            ]);
        }
        if rows.len() == 1 {
            self.talk("No such model has a known price. It can be used all the same: with --price, or with its price in researchgym.toml.");
            return;
        }
        for line in table(&rows) {
            self.data(&line);
        }
        self.talk("\nPrices are US dollars per million tokens. Every other model of a provider can be used too, with --price.");
    }

    /// `model show`
    pub(crate) fn model(&self, description: &Description) {
        let Description { endpoint, base_url_origin, key, key_variables, needs_key } = description;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("model", endpoint.target.name.clone()),
            row("name there", endpoint.target.model.clone()),
        ];
        if !endpoint.base_url.is_empty() {
            rows.push(row("wire", endpoint.wire.name().to_owned()));
            rows.push(row("address", format!("{} (from {base_url_origin})", endpoint.base_url)));
            let auth = match endpoint.auth {
                Auth::Bearer => "authorization: Bearer",
                Auth::Header(name) => name,
            };
            let state = match (key, needs_key) {
                (Some(Ok(origin)), _) => format!("set, from {origin}, shown as {auth}"),
                (Some(Err(problem)), _) => problem.clone(),
                (None, true) => format!("not set ({})", key_variables.join(", ")),
                (None, false) => "none is needed".to_owned(),
            };
            rows.push(row("key", state));
        }
        for (name, pairs) in [("headers", &endpoint.headers), ("query", &endpoint.query)] {
            if !pairs.is_empty() {
                let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
                rows.push(row(name, names.join(", ")));
            }
        }
        match &endpoint.facts.price {
            None => rows.push(row("price", "not known".to_owned())),
            Some(price) => {
                rows.push(row("price", format!("{} (from {})", rates(price), endpoint.price_source)));
                if let Some(long) = price.long_context {
                    let long_price = Price {
                        input: long.input,
                        output: long.output,
                        cache_read: long.cache_read,
                        cache_write_5m: long.cache_write_5m,
                        cache_write_1h: long.cache_write_1h,
                        long_context: None,
                    };
                    rows.push(row(&format!("above {} tokens", long.above_input_tokens), rates(&long_price)));
                }
            }
        }
        rows.push(row("prompt tokens", count(endpoint.facts.context_window)));
        rows.push(row("answer tokens", answers(endpoint.facts)));
        for line in table(&rows) {
            self.data(&line);
        }
    }

    /// `config show`
    pub(crate) fn config(&self, files: &[PathBuf], entries: &[Entry], keys: &[KeyOf]) {
        for file in files {
            let state = if file.is_file() { "read" } else { "not there" };
            self.data(&format!("# {}: {state}", file.display()));
        }
        let rows: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| {
                vec![
                    format!("{} = {}", entry.key, entry.value),
                    format!("# {}:{}", entry.file.display(), entry.line),
                ]
            })
            .collect();
        if !rows.is_empty() {
            self.data("");
            for line in table(&rows) {
                self.data(&line);
            }
        }
        let rows: Vec<Vec<String>> = keys
            .iter()
            .map(|(provider, state, variables)| {
                let state = match state {
                    Some(Ok(origin)) => format!("set, from {origin}"),
                    Some(Err(problem)) => problem.clone(),
                    None if variables.is_empty() => "not set".to_owned(),
                    None => format!("not set ({})", variables.join(", ")),
                };
                vec![format!("# key of {provider}"), state]
            })
            .collect();
        self.data("");
        for line in table(&rows) {
            self.data(&line);
        }
    }
}

/// The most tokens of an answer, if there are answers.
fn answers(facts: ModelFacts) -> String {
    match facts.is_embedding {
        true => "none: embeddings".to_owned(),
        false => count(facts.max_output),
    }
}

fn rates(price: &Price) -> String {
    let optional = [
        ("from a cache", price.cache_read),
        ("to a cache of 5 minutes", price.cache_write_5m),
        ("to a cache of an hour", price.cache_write_1h),
    ];
    let mut words = vec![format!("{} prompt", usd(price.input)), format!("{} answer", usd(price.output))];
    words.extend(optional.into_iter().filter_map(|(name, rate)| Some(format!("{} {name}", usd(rate?)))));
    format!("{} USD per million tokens", words.join(", "))
}

/// Micro-dollars as dollars, without needless zeros.
pub(super) fn usd(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    let short = text.trim_end_matches('0');
    let decimals = short.len() - short.find('.').unwrap_or(0) - 1;
    if decimals < 2 { format!("{short}{}", "0".repeat(2 - decimals)) } else { short.to_owned() }
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(dash, |number| number.to_string())
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::usd;

    #[test]
    fn prices_have_two_decimals_or_as_many_as_they_need() {
        let check = |micro, expected: &str| assert_eq!(usd(micro), expected);
        check(0, "0.00");
        check(15_000_000, "15.00");
        check(150_000, "0.15");
        check(75_000, "0.075");
        check(1, "0.000001");
    }
}
