//! Costs, bounds and both forms of table.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SONNET: Price = Price {
    input: 3_000_000,
    output: 15_000_000,
    cache_read: Some(300_000),
    cache_write_5m: Some(3_750_000),
    cache_write_1h: Some(6_000_000),
    long_context: Some(LongContext {
        above_input_tokens: 200_000,
        input: 6_000_000,
        output: 22_500_000,
        cache_read: Some(600_000),
        cache_write_5m: Some(7_500_000),
        cache_write_1h: Some(12_000_000),
    }),
};

fn check_cost(usage: Usage, expected: u64) {
    assert_eq!(SONNET.cost(usage), MicroUsd(expected), "{usage:?}");
}

#[test]
fn each_class_of_token_has_its_price() {
    check_cost(Usage::default(), 0);
    check_cost(Usage { input: 1000, output: 100, ..Usage::default() }, 4500);
    check_cost(Usage { input: 1000, cache_read: 1000, ..Usage::default() }, 300);
    check_cost(
        Usage { input: 1000, cache_read: 400, cache_write_5m: 300, cache_write_1h: 200, ..Usage::default() },
        2745,
    );
    check_cost(Usage { output: 100, reasoning: 90, ..Usage::default() }, 1500);
}

#[test]
fn the_whole_prompt_chooses_the_tier() {
    check_cost(Usage { input: 200_000, ..Usage::default() }, 600_000);
    check_cost(Usage { input: 200_001, ..Usage::default() }, 1_200_006);
    check_cost(Usage { input: 200_001, cache_read: 200_001, output: 1000, ..Usage::default() }, 142_501);
}

#[test]
fn a_call_is_rounded_up_once() {
    let price = Price { input: 1, output: 1, ..Price::FREE };
    assert_eq!(price.cost(Usage { input: 1, output: 1, ..Usage::default() }), MicroUsd(1));
    assert_eq!(price.cost(Usage { input: 500_000, output: 500_000, ..Usage::default() }), MicroUsd(1));
    assert_eq!(price.cost(Usage { input: 500_000, output: 500_001, ..Usage::default() }), MicroUsd(2));
}

#[test]
fn more_cached_tokens_than_prompt_are_paid_for() {
    check_cost(Usage { input: 10, cache_read: 1000, ..Usage::default() }, 300);
    check_cost(Usage { cache_read: 200_001, ..Usage::default() }, 120_001);
}

#[test]
fn sums_that_do_not_fit_are_the_largest_amount() {
    let price = Price { input: u64::MAX, output: u64::MAX, ..Price::FREE };
    let usage = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    assert_eq!(
        (price.cost(usage), price.bound(u64::MAX, u64::MAX)),
        (MicroUsd(u64::MAX), MicroUsd(u64::MAX))
    );
}

#[test]
fn the_bound_takes_the_dearest_class_and_tier() {
    assert_eq!(SONNET.bound(1000, 100), MicroUsd(7500));
    assert_eq!(SONNET.bound(200_000, 0), MicroUsd(1_200_000));
    assert_eq!(SONNET.bound(200_001, 1000), MicroUsd(2_422_512));
    // A discount for long prompts must not hide what a shorter one costs.
    let odd = Price {
        long_context: Some(LongContext { above_input_tokens: 100, ..LongContext::default() }),
        ..SONNET
    };
    assert_eq!(odd.bound(1_000_000, 0), MicroUsd(600));
}

#[test]
fn free_is_free_in_every_tier_and_class() {
    assert!(Price::FREE.is_free());
    assert!(!Price { output: 1, ..Price::FREE }.is_free());
    assert!(!Price { cache_write_1h: Some(1), ..Price::FREE }.is_free());
    let long = LongContext { above_input_tokens: u64::MAX - 1, input: 1, ..LongContext::default() };
    assert!(!Price { long_context: Some(long), ..Price::FREE }.is_free());
}

#[test]
fn prices_are_written_without_what_is_absent() {
    let facts =
        ModelFacts { price: Some(Price { input: 1, output: 2, ..Price::FREE }), ..ModelFacts::default() };
    let written = json!({"price_micro_usd_per_million_tokens": {"input": 1, "output": 2}});
    assert_eq!(serde_json::to_value(facts).unwrap(), written);
    assert_eq!(serde_json::from_value::<ModelFacts>(written).unwrap(), facts);
    assert!(serde_json::from_value::<Price>(json!({"input": 1, "output": 2, "cach_read": 3})).is_err());
}

fn price_strategy() -> impl Strategy<Value = Price> {
    let rate = || 0u64..100_000_000;
    let some = || proptest::option::of(rate());
    let long = (0u64..5_000, rate(), rate(), some(), some(), some()).prop_map(
        |(above_input_tokens, input, output, cache_read, cache_write_5m, cache_write_1h)| LongContext {
            above_input_tokens,
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
        },
    );
    (rate(), rate(), some(), some(), some(), proptest::option::of(long)).prop_map(
        |(input, output, cache_read, cache_write_5m, cache_write_1h, long_context)| Price {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            long_context,
        },
    )
}

/// A usage whose classes fit into its prompt.
fn usage_strategy() -> impl Strategy<Value = Usage> {
    let class = || 0u64..3_000;
    (class(), class(), class(), class(), class()).prop_map(
        |(plain, cache_read, cache_write_5m, cache_write_1h, output)| {
            let input = plain + cache_read + cache_write_5m + cache_write_1h;
            Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning: 0 }
        },
    )
}

/// The same price with a tier that is nowhere cheaper than the base.
fn rising(price: Price) -> Price {
    let long_context = price.long_context.map(|long| {
        let base = price.rates(0);
        let own = price.rates(u64::MAX);
        LongContext {
            above_input_tokens: long.above_input_tokens,
            input: base.input.max(own.input),
            output: base.output.max(own.output),
            cache_read: Some(base.cache_read.max(own.cache_read)),
            cache_write_5m: Some(base.cache_write_5m.max(own.cache_write_5m)),
            cache_write_1h: Some(base.cache_write_1h.max(own.cache_write_1h)),
        }
    });
    Price { long_context, ..price }
}

proptest! {
    #[test]
    fn no_call_exceeds_its_bound(price in price_strategy(), usage in usage_strategy(), more in 0u64..5_000) {
        prop_assert!(price.cost(usage) <= price.bound(usage.input + more, usage.output + more));
    }

    #[test]
    fn more_tokens_never_cost_less(
        price in price_strategy(),
        usage in usage_strategy(),
        class in 0usize..5,
        more in 0u64..5_000,
    ) {
        let mut larger = usage;
        match class {
            0 => {}
            1 => larger.cache_read += more,
            2 => larger.cache_write_5m += more,
            3 => larger.cache_write_1h += more,
            _ => larger.output += more,
        }
        if class < 4 {
            larger.input += more;
        }
        let price = rising(price);
        prop_assert!(price.cost(usage) <= price.cost(larger));
    }

    #[test]
    fn a_larger_bound_is_never_cheaper(price in price_strategy(), input in 0u64..9_000, output in 0u64..9_000, more in 0u64..9_000) {
        prop_assert!(price.bound(input, output) <= price.bound(input + more, output));
        prop_assert!(price.bound(input, output) <= price.bound(input, output + more));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = PriceTable::parse(&text);
        let _ = PriceTable::from_litellm(&text);
    }
}

const TABLE: &str = r#"schema = 1
date = "2026-11-25"

[models."anthropic/claude-sonnet-4"]
input = 3
output = "15.00"
cache_read = 0.30
cache_write_5m = 3.75
cache_write_1h = 6.0
context_window = 200_000
max_output = 64000
source = "https://example.org/prices"
date = 2026-11-20
long_context = { above_input_tokens = 200000, input = 6, output = 22.5, cache_read = 0.6, cache_write_5m = 7.5, cache_write_1h = 12 }

[models."vllm/mine"]
context_window = 32768
"#;

#[test]
fn a_table_is_read_whole() {
    let table = PriceTable::parse(TABLE).unwrap();
    let read: Vec<(&str, Listing)> = table.iter().map(|(name, listing)| (name, listing.clone())).collect();
    let sonnet = Listing {
        facts: ModelFacts {
            price: Some(SONNET),
            context_window: Some(200_000),
            max_output: Some(64_000),
            is_embedding: false,
        },
        source: Some("https://example.org/prices".into()),
        date: Some("2026-11-20".into()),
    };
    let mine = Listing {
        facts: ModelFacts {
            price: None,
            context_window: Some(32_768),
            max_output: None,
            is_embedding: false,
        },
        ..Listing::default()
    };
    assert_eq!(read, [("anthropic/claude-sonnet-4", sonnet), ("vllm/mine", mine)]);
    assert_eq!(table.date.as_deref(), Some("2026-11-25"));
}

fn check_refused(text: &str, expected: &str) {
    assert_eq!(PriceTable::parse(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_place() {
    let model = |keys: &str| format!("schema = 1\n[models.\"a/b\"]\n{keys}\n");
    check_refused("", "line 1: key `schema`: must be 1");
    check_refused(
        "schema = 2\nnovel = 3",
        "line 1: key `schema`: is 2: this table was written for a newer researchgym, this one reads schema 1",
    );
    check_refused("schema = 1\n\nmodel = 3", "line 3: key `model`: not known; did you mean `models`?");
    check_refused("schema = 1\n[models]\nx = 3", "line 3: key `x`: must be a table of prices");
    check_refused("schema = 1\n[models.x]", "line 2: model `x`: is not of the form \"provider/model\"");
    check_refused(
        &model("imput = 1\noutput = 1"),
        "line 3: model `a/b`: key `imput`: not known; did you mean `input`?",
    );
    check_refused(&model("input = 1"), "line 2: model `a/b`: needs the key `output`");
    check_refused(&model("cache_read = 1"), "line 2: model `a/b`: needs the key `input`");
    check_refused(
        &model("input = 1\noutput = \"$2\""),
        "line 4: model `a/b`: key `output`: is not a decimal number",
    );
    check_refused(&model("input = -1\noutput = 2"), "line 3: model `a/b`: key `input`: is negative");
    check_refused(
        &model("input = nan\noutput = 2"),
        "line 3: model `a/b`: key `input`: is not a decimal number",
    );
    check_refused(
        &model("input = 0.0000001\noutput = 2"),
        "line 3: model `a/b`: key `input`: is finer than a millionth of a dollar per million tokens",
    );
    check_refused(
        &model("input = true\noutput = 2"),
        "line 3: model `a/b`: key `input`: must be US dollars per million tokens, such as 1.25 or \"1.25\"",
    );
    check_refused(
        &model("context_window = 1.5"),
        "line 3: model `a/b`: key `context_window`: must be a whole number",
    );
    check_refused(
        &model("date = \"today\""),
        "line 3: model `a/b`: key `date`: must be a day, such as \"2026-11-25\"",
    );
    check_refused(
        &model("input = 1\noutput = 2\n[models.\"a/b\".long_context]\nunit = 1"),
        "line 6: model `a/b`: key `long_context.unit`: not known; the keys here are above_input_tokens, input, output, \
         cache_read, cache_write_5m, cache_write_1h",
    );
    check_refused(
        &model("input = 1\noutput = 2\n[models.\"a/b\".long_context]\ninput = 1"),
        "line 5: model `a/b`: needs the key `long_context.above_input_tokens`",
    );
    let syntax = PriceTable::parse("schema = 1\nmodels = [").unwrap_err();
    assert_eq!((syntax.line, syntax.message.starts_with("not valid TOML: ")), (Some(2), true), "{syntax}");
}

const LITELLM: &str = r#"{
  "sample_spec": {"input_cost_per_token": "what it costs", "mode": "one of: chat, ..."},
  "gpt-5": {
    "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 272000, "max_output_tokens": 128000,
    "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07,
    "input_cost_per_token_priority": 2.5e-06, "supports_vision": true, "source": "https://example.org"
  },
  "openai/gpt-5": {
    "litellm_provider": "openai", "mode": "responses", "input_cost_per_token": 2e-06, "output_cost_per_token": 3e-06
  },
  "gemini/gemini-2.5-pro": {
    "litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
    "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
    "cache_read_input_token_cost_above_200k_tokens": 2.5e-07
  },
  "claude-haiku-4-5": {
    "litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06,
    "cache_creation_input_token_cost": 1.25e-06, "cache_creation_input_token_cost_above_1hr": 2e-06,
    "cache_read_input_token_cost": 1e-07
  },
  "deepseek/deepseek-chat": {
    "litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 2.8e-07, "output_cost_per_token": 4.2e-07,
    "cache_creation_input_token_cost": 0.0
  },
  "azure/gpt-5-eu": {
    "litellm_provider": "azure", "mode": "chat", "input_cost_per_token": 2.9999900000000002e-06, "output_cost_per_token": 0
  },
  "azure/gpt-latest": {"alias_of": "azure/gpt-5-eu"},
  "many/tiers": {
    "litellm_provider": "many", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06,
    "input_cost_per_token_above_256k_tokens": 3e-06, "input_cost_per_token_above_32k_tokens": 2e-06,
    "output_cost_per_token_above_32k_tokens": 4e-06, "cache_read_input_token_cost_above_32k_tokens": 1e-07
  },
  "openrouter/openai/gpt-oss-120b": {"litellm_provider": "openrouter", "mode": "chat"},
  "vertex_ai/gemini-2.5-pro": {"litellm_provider": "vertex_ai-language-models", "mode": "chat"},
  "text-embedding-3-small": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08}
}"#;

#[test]
fn litellms_file_is_read() {
    let table = PriceTable::from_litellm(LITELLM).unwrap();
    let read: Vec<(&str, Option<Price>)> =
        table.iter().map(|(name, listing)| (name, listing.facts.price)).collect();
    let eu = Price { input: 2_999_991, ..Price::FREE };
    let long = LongContext {
        above_input_tokens: 200_000,
        input: 2_500_000,
        output: 15_000_000,
        cache_read: Some(250_000),
        ..LongContext::default()
    };
    let pro = Price { input: 1_250_000, output: 10_000_000, long_context: Some(long), ..Price::FREE };
    let haiku = Price {
        input: 1_000_000,
        output: 5_000_000,
        cache_read: Some(100_000),
        cache_write_5m: Some(1_250_000),
        cache_write_1h: Some(2_000_000),
        long_context: None,
    };
    let tiers = LongContext {
        above_input_tokens: 32_000,
        input: 3_000_000,
        output: 4_000_000,
        cache_read: Some(3_000_000),
        ..LongContext::default()
    };
    let expected = [
        ("anthropic/claude-haiku-4-5", Some(haiku)),
        ("azure/gpt-5-eu", Some(eu)),
        ("azure/gpt-latest", Some(eu)),
        ("deepseek/deepseek-chat", Some(Price { input: 280_000, output: 420_000, ..Price::FREE })),
        ("google/gemini-2.5-pro", Some(pro)),
        (
            "many/tiers",
            Some(Price { input: 1_000_000, output: 1_000_000, long_context: Some(tiers), ..Price::FREE }),
        ),
        ("openai/gpt-5", Some(Price { input: 2_000_000, output: 3_000_000, ..Price::FREE })),
        ("openai/text-embedding-3-small", Some(Price { input: 20_000, ..Price::FREE })),
        ("openrouter/openai/gpt-oss-120b", None),
    ];
    assert_eq!(read, expected);
    let embeds: Vec<&str> =
        table.iter().filter(|(_, listing)| listing.facts.is_embedding).map(|(name, _)| name).collect();
    assert_eq!(embeds, ["openai/text-embedding-3-small"]);
}

#[test]
fn half_a_price_of_litellms_file_is_bounded_or_none() {
    let price = |keys: &str| {
        let text = format!("{{\"a/m\": {{\"litellm_provider\": \"a\", \"mode\": \"chat\", {keys}}}}}");
        PriceTable::from_litellm(&text).unwrap().listing("a/m").and_then(|(_, listing)| listing.facts.price)
    };
    let both = "\"input_cost_per_token\": 1e-06, \"output_cost_per_token\": 4e-06";
    assert_eq!(price("\"input_cost_per_token\": 1e-06"), None);
    assert_eq!(price("\"output_cost_per_token\": 4e-06"), None);
    let long = |keys: &str| {
        let long = price(&format!("{both}, {keys}")).unwrap().long_context.unwrap();
        (long.input, long.output)
    };
    assert_eq!(long("\"input_cost_per_token_above_200k_tokens\": 2e-06"), (2_000_000, 8_000_000));
    assert_eq!(long("\"output_cost_per_token_above_200k_tokens\": 6e-06"), (1_500_000, 6_000_000));
    assert_eq!(long("\"input_cost_per_token_above_200k_tokens\": 5e-07"), (500_000, 4_000_000));
    let thinking = price(&format!("{both}, \"output_cost_per_reasoning_token\": 9e-06")).unwrap();
    assert_eq!((thinking.input, thinking.output), (1_000_000, 9_000_000));
}

#[test]
fn what_litellms_file_knows_beside_prices_is_kept() {
    let text = LITELLM.replace("\"openai/gpt-5\"", "\"azure/other\"");
    let table = PriceTable::from_litellm(&text).unwrap();
    let price = Price { input: 1_250_000, output: 10_000_000, cache_read: Some(125_000), ..Price::FREE };
    let facts = ModelFacts {
        price: Some(price),
        context_window: Some(272_000),
        max_output: Some(128_000),
        is_embedding: false,
    };
    let listing = Listing { facts, source: Some("https://example.org".into()), date: None };
    assert_eq!(table.listing("openai/gpt-5-2025-08-07"), Some(("openai/gpt-5", &listing)));
}

fn check_litellm_refused(text: &str, expected: &str) {
    assert_eq!(PriceTable::from_litellm(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn what_is_wrong_with_litellms_file_is_said() {
    let entry =
        |keys: &str| format!("{{\"m\": {{\"litellm_provider\": \"openai\", \"mode\": \"chat\", {keys}}}}}");
    check_litellm_refused("[]", "must be an object with one key per model, each an object");
    check_litellm_refused("{\"m\": 3}", "model `m`: must be an object with the model's prices");
    check_litellm_refused(
        &entry("\"input_cost_per_token\": \"1e-6\""),
        "model `m`: key `input_cost_per_token`: must be a number of US dollars per token",
    );
    check_litellm_refused(
        &entry("\"output_cost_per_token\": -1e-6"),
        "model `m`: key `output_cost_per_token`: is negative",
    );
    check_litellm_refused(
        &entry("\"max_input_tokens\": \"many\""),
        "model `m`: key `max_input_tokens`: must be a whole number of tokens",
    );
    check_litellm_refused("{\"m\": {\"mode\": 3}}", "model `m`: key `mode`: must be text");
    let syntax = PriceTable::from_litellm("{\n\"m\": }").unwrap_err();
    assert_eq!((syntax.line, syntax.message.starts_with("not valid JSON: ")), (Some(2), true), "{syntax}");
}

#[test]
fn the_built_in_table_is_sourced_and_plausible() {
    let table = PriceTable::builtin();
    assert!(table.date.is_some());
    for (name, listing) in table.iter() {
        let price = listing.facts.price.unwrap_or_else(|| panic!("{name} has no price"));
        assert!(listing.source.as_deref().is_some_and(|source| source.starts_with("https://")), "{name}");
        assert!(listing.date.is_some(), "{name}");
        assert!((10_000..=200_000_000).contains(&price.input), "{name}");
        match listing.facts.is_embedding {
            true => assert_eq!(price.output, 0, "{name}"),
            false => assert!((price.input..=700_000_000).contains(&price.output), "{name}"),
        }
        assert!(price.cache_read.is_none_or(|read| read < price.input), "{name}");
        assert!(
            price.long_context.is_none_or(|long| long.input > price.input && long.output > price.output),
            "{name}"
        );
    }
}

fn check_builtin(name: &str, million_in_and_out: u64) {
    let facts = PriceTable::builtin().get(name).unwrap_or_else(|| panic!("{name} is not known"));
    let usage = Usage { input: 100_000, output: 100_000, ..Usage::default() };
    assert_eq!(facts.price.unwrap().cost(usage), MicroUsd(million_in_and_out / 10), "{name}");
}

#[test]
fn well_known_models_have_their_price() {
    check_builtin("openai/gpt-5", 11_250_000);
    check_builtin("openai/gpt-5-2025-08-07", 11_250_000);
    check_builtin("openai/gpt-4o-mini-2024-07-18", 750_000);
    check_builtin("openai/o4-mini", 5_500_000);
    check_builtin("azure/gpt-4.1", 10_000_000);
    check_builtin("anthropic/claude-sonnet-4-20250514", 18_000_000);
    check_builtin("anthropic/claude-opus-4-1-20250805", 90_000_000);
    check_builtin("anthropic/claude-3-haiku-20240307", 1_500_000);
    check_builtin("google/gemini-2.5-pro", 11_250_000);
    check_builtin("google/gemini-2.5-flash-lite-preview-09-2025", 500_000);
    check_builtin("deepseek/deepseek-chat", 700_000);
    check_builtin("openrouter/anthropic/claude-sonnet-4.5", 18_000_000);
    check_builtin("openrouter/openai/gpt-oss-120b", 229_000);
    check_builtin("openai/text-embedding-3-small", 20_000);
    check_builtin("ollama/qwen3:8b", 0);
}
