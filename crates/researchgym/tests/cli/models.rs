//! `model` and `config` show what would be used, and never a key.

use serde_json::json;

use crate::support::{Finished, World};

const KEY: &str = "sk-very-secret-key";

fn with_key(world: &World, words: &[&str]) -> Finished {
    let output = world.command(words).env("OPENAI_API_KEY", KEY).output().expect("the binary starts");
    let finished = Finished::of(output);
    assert!(!format!("{finished:?}").contains(KEY), "{finished:?}");
    finished
}

#[test]
fn a_model_is_shown_as_it_would_be_asked() {
    let world = World::new();
    world.file(
        "researchgym.toml",
        "[models.\"openai/mine\"]\ninput = 0.15\noutput = \"0.6\"\ncontext_window = 1000\nmax_output = 100\n",
    );
    let finished = with_key(&world, &["model", "show", "openai/mine", "--output", "json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let expected = json!({
        "schema": 1, "model": "openai/mine", "name_at_provider": "mine", "wire": "responses",
        "base_url": "https://api.openai.com/v1", "base_url_source": "this program",
        "auth": "bearer", "headers": [], "query": [],
        "facts": {"price_micro_usd_per_million_tokens": {"input": 150000, "output": 600000}, "context_window": 1000, "max_output": 100},
        "price_source": format!("{}:2", world.path("researchgym.toml").display()),
        "key": {"needed": true, "source": "the environment variable OPENAI_API_KEY", "problem": null, "variables": ["OPENAI_API_KEY"]},
        "problem": null,
    });
    assert_eq!(finished.object(), expected);
    let text = with_key(&world, &["model", "show", "openai/mine"]).stdout;
    assert!(text.contains("0.15 prompt, 0.60 answer USD per million tokens"), "{text}");
    assert!(text.contains("set, from the environment variable OPENAI_API_KEY"), "{text}");
}

#[test]
fn what_a_model_lacks_is_told_with_what_mends_it() {
    let world = World::new();
    let lacking = world.finish(&["model", "show", "openai/gpt-4o"]);
    assert_eq!(lacking.code, 0, "{lacking:?}");
    assert!(lacking.stderr.contains("there is no key for the provider `openai`"), "{lacking:?}");
    assert!(
        lacking.stderr.contains("set OPENAI_API_KEY, put it into .env, or name a file with --key-file"),
        "{lacking:?}"
    );
    let unknown = world.finish(&["model", "show", "antropic/x"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean `anthropic`?"), "{unknown:?}");
}

#[test]
fn models_with_prices_are_listed() {
    let world = World::new();
    let listed = with_key(&world, &["model", "list", "--provider", "openai", "--output", "json"]).object();
    let models = listed["models"].as_array().expect("models");
    assert!(models.len() > 3 && models.iter().all(|model| model["key"] == true), "{listed}");
    let text = world.finish(&["model", "list"]).stdout;
    assert!(text.contains("anthropic/") && text.contains("the built-in list of"), "{text}");
    // By any of its names; without a known price; one that nobody knows.
    let other = world.finish(&["model", "list", "--provider", "gemini"]).stdout;
    assert!(other.contains("google/") && !other.contains("openai/"), "{other}");
    let priceless = world.finish(&["model", "list", "--provider", "groq"]);
    assert_eq!((priceless.code, priceless.stdout.as_str()), (0, ""), "{priceless:?}");
    let unknown = world.finish(&["model", "list", "--provider", "opanai"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean `openai`?"), "{unknown:?}");
}

#[test]
fn settings_are_shown_with_their_places_and_keys_only_as_set() {
    let world = World::new();
    let file = world.file(
        "researchgym.toml",
        "[providers.mine]\nbase_url = \"http://localhost:1/v1\"\nkeyenv = \"X\"\nheaders = { authorization = \"sk-header-secret\" }\n",
    );
    world.file(".env", "GEMINI_API_KEY=sk-gemini-secret\n");
    let shown = with_key(&world, &["config", "show"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(!format!("{shown:?}").contains("-secret\""), "{shown:?}");
    for expected in [
        format!("# {file}: read"),
        format!("# {file}:2"),
        "providers.mine.base_url = \"http://localhost:1/v1\"".to_owned(),
        "providers.mine.headers.authorization = (set)".to_owned(),
        "set, from the environment variable OPENAI_API_KEY".to_owned(),
        "set, from GEMINI_API_KEY in .env".to_owned(),
        "not set (ANTHROPIC_API_KEY)".to_owned(),
    ] {
        assert!(shown.stdout.contains(&expected), "{expected}: {}", shown.stdout);
    }
    let warning = format!(
        "warning: {file}:3: `keyenv` of [providers.mine] is not known and has no effect; did you mean `key_env`?"
    );
    assert!(shown.stderr.contains(&warning), "{}", shown.stderr);
    assert!(!shown.stdout.contains("sk-"), "{}", shown.stdout);
    let json = with_key(&world, &["config", "show", "--output", "json"]).object();
    assert_eq!(json["settings"][0]["key"], "providers.mine.base_url");
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let world = World::new();
    let file = world.file("researchgym.toml", "\n[providers.a]\nlocal = 3\n");
    let bad = world.finish(&["model", "list"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    assert!(bad.stderr.contains(&format!("{file}:3: invalid type")), "{bad:?}");
    world.file("researchgym.toml", "");
    world.file(".env", "sk-very-secret-key\n");
    let bad = world.finish(&["config", "show"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    assert!(
        bad.stderr.contains("line 1: is not of the form KEY=value") && !bad.stderr.contains("sk-"),
        "{bad:?}"
    );
}
