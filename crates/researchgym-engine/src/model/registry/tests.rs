//! Names that become endpoints, and keys that go nowhere else. Longer than other files: all cases share one set of settings.

mod mistakes;

use std::path::Path;

use super::*;
use crate::model::endpoint::Auth;
use crate::model::settings;

fn registry_of(
    settings_text: &str,
    environment: &[(&str, &str)],
    options: Options,
) -> Result<Registry, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, settings_text).unwrap();
    let merged = settings::load(&[file]).unwrap();
    assert_eq!(merged.warnings, Vec::<String>::new());
    let variable = |name: &str| {
        environment.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
    };
    Registry::new(&merged, options, &Variables::new(&variable))
}

fn priced() -> Options {
    Options { price: Some(Price { input: 1, output: 2, ..Price::FREE }), ..Options::default() }
}

fn resolved(settings: &str, environment: &[(&str, &str)], name: &str) -> Endpoint {
    registry_of(settings, environment, priced()).unwrap().resolve(name).unwrap()
}

/// Name, wire, address of a stream, how the key is shown, the key.
fn check(environment: &[(&str, &str)], name: &str, expected: (&str, Wire, &str, Auth, Option<&str>)) {
    let endpoint = resolved("", environment, name);
    let key = endpoint.key.as_ref().map(Secret::expose);
    let url = endpoint.url(true);
    assert_eq!((endpoint.target.name.as_str(), endpoint.wire, url.as_str(), endpoint.auth, key), expected);
}

use crate::model::endpoint::Secret;

const BEARER: Auth = Auth::Bearer;

#[test]
fn every_provider_is_spoken_to_in_its_own_way() {
    use Wire::{Chat, Gemini, Messages, Responses};
    let key = |variable| [(variable, "sk-secret-1")];
    let some = Some("sk-secret-1");
    check(
        &key("OPENAI_API_KEY"),
        "openai/gpt-5",
        ("openai/gpt-5", Responses, "https://api.openai.com/v1/responses", BEARER, some),
    );
    check(
        &key("ANTHROPIC_API_KEY"),
        "anthropic/claude-sonnet-4-5",
        (
            "anthropic/claude-sonnet-4-5",
            Messages,
            "https://api.anthropic.com/v1/messages",
            Auth::Header("x-api-key"),
            some,
        ),
    );
    let gemini = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
    let google = ("google/gemini-2.5-pro", Gemini, gemini, Auth::Header("x-goog-api-key"), some);
    check(&key("GEMINI_API_KEY"), "google/gemini-2.5-pro", google);
    check(&key("GOOGLE_API_KEY"), "gemini/gemini-2.5-pro", google);
    let chat = |variable, name, url| check(&key(variable), name, (name, Chat, url, BEARER, some));
    chat("OPENROUTER_API_KEY", "openrouter/a/b:free", "https://openrouter.ai/api/v1/chat/completions");
    chat("DEEPSEEK_API_KEY", "deepseek/deepseek-chat", "https://api.deepseek.com/v1/chat/completions");
    chat("MISTRAL_API_KEY", "mistral/m", "https://api.mistral.ai/v1/chat/completions");
    chat("GROQ_API_KEY", "groq/openai/gpt-oss-20b", "https://api.groq.com/openai/v1/chat/completions");
    chat("TOGETHER_API_KEY", "together/a/b", "https://api.together.xyz/v1/chat/completions");
    chat("XAI_API_KEY", "xai/grok-4", "https://api.x.ai/v1/chat/completions");
    let local =
        |environment: &[(&str, &str)], name, url| check(environment, name, (name, Chat, url, BEARER, None));
    local(&[], "ollama/qwen3:8b", "http://localhost:11434/v1/chat/completions");
    local(&[], "vllm/Qwen/Qwen3-8B", "http://localhost:8000/v1/chat/completions");
    check(
        &key("VLLM_API_KEY"),
        "vllm/a",
        ("vllm/a", Chat, "http://localhost:8000/v1/chat/completions", BEARER, some),
    );
}

#[test]
fn addresses_come_from_variables() {
    let check = |variable: &str, value: &str, name: &str, expected: &str| {
        let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"].map(|key| (key, "sk-secret-1"));
        let environment = [keys[0], keys[1], keys[2], (variable, value)];
        assert_eq!(resolved("", &environment, name).url(false), expected, "{variable}={value}");
    };
    check(
        "OPENAI_BASE_URL",
        "http://localhost:1234/v1/",
        "openai/m",
        "http://localhost:1234/v1/chat/completions",
    );
    check(
        "OPENAI_API_BASE",
        "http://localhost:1234/v1",
        "openai/m",
        "http://localhost:1234/v1/chat/completions",
    );
    check("OPENAI_BASE_URL", "https://api.openai.com/v1", "openai/m", "https://api.openai.com/v1/responses");
    check("OPENAI_BASE_URL", " ", "openai/m", "https://api.openai.com/v1/responses");
    check("ANTHROPIC_BASE_URL", "http://localhost:1", "anthropic/m", "http://localhost:1/v1/messages");
    check("ANTHROPIC_BASE_URL", "http://localhost:1/v1/", "anthropic/m", "http://localhost:1/v1/messages");
    check("GOOGLE_GEMINI_BASE_URL", "http://h:1", "google/m", "http://h:1/v1beta/models/m:generateContent");
    check("GOOGLE_GEMINI_BASE_URL", "http://h:1/v1", "google/m", "http://h:1/v1/models/m:generateContent");
    check("VLLM_BASE_URL", "http://h:1/v1", "vllm/m", "http://h:1/v1/chat/completions");
    check("OLLAMA_HOST", "0.0.0.0", "ollama/m", "http://127.0.0.1:11434/v1/chat/completions");
    check("OLLAMA_HOST", "0.0.0.0:99", "ollama/m", "http://127.0.0.1:99/v1/chat/completions");
    check("OLLAMA_HOST", "box", "ollama/m", "http://box:11434/v1/chat/completions");
    check("OLLAMA_HOST", "https://box/", "ollama/m", "https://box/v1/chat/completions");
    check("OLLAMA_HOST", "http://box:1/v1", "ollama/m", "http://box:1/v1/chat/completions");
}

#[test]
fn azure_has_deployments_with_a_version_and_responses_without() {
    let key = ("AZURE_OPENAI_API_KEY", "sk-secret-1");
    let endpoint = ("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/");
    let new = (
        "azure/gpt-5",
        Wire::Responses,
        "https://me.openai.azure.com/openai/v1/responses",
        Auth::Header("api-key"),
        Some("sk-secret-1"),
    );
    check(&[key, endpoint], "azure/gpt-5", new);
    check(&[key, endpoint], "openai/azure/gpt-5", new);
    check(
        &[key, endpoint, ("AZURE_OPENAI_API_VERSION", "2024-10-21")],
        "azure/gpt-5",
        (
            "azure/gpt-5",
            Wire::Chat,
            "https://me.openai.azure.com/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21",
            Auth::Header("api-key"),
            Some("sk-secret-1"),
        ),
    );
}

#[test]
fn settings_declare_and_change_providers() {
    let text = r#"
        [providers.mine]
        base_url = "https://models.example.com/v1/"
        key_env = "MINE_KEY"
        auth = "x-api-key"
        wire = "messages"
        headers = { X-Team = "a" }
        query = { version = "7" }
        [providers.gemini]
        base_url = "http://localhost:7/v1beta"
        [providers.openai]
        wire = "chat"
        [providers.box]
        base_url = "http://box:1/v1"
        local = true
    "#;
    let environment =
        [("MINE_KEY", "sk-secret-1"), ("GEMINI_API_KEY", "sk-secret-2"), ("OPENAI_API_KEY", "sk-secret-3")];
    let mine = resolved(text, &environment, "mine/large");
    assert_eq!(mine.url(true), "https://models.example.com/v1/messages?version=7");
    assert_eq!(
        (mine.auth, mine.headers),
        (Auth::Header("x-api-key"), vec![("x-team".to_owned(), "a".to_owned())])
    );
    assert_eq!(resolved(text, &environment, "google/m").base_url, "http://localhost:7/v1beta");
    assert_eq!(
        resolved(text, &environment, "openai/m").url(false),
        "https://api.openai.com/v1/chat/completions"
    );
    let local = registry_of(text, &[], Options::default()).unwrap().resolve("box/m").unwrap();
    assert_eq!(
        (local.key, local.facts.price, local.price_source.as_str()),
        (None, Some(Price::FREE), "local")
    );
}

#[test]
fn what_is_missing_is_named_with_what_mends_it() {
    let check = |settings: &str, environment: &[(&str, &str)], name: &str, message: &str, advice: &str| {
        let error =
            registry_of(settings, environment, Options::default()).unwrap().resolve(name).unwrap_err();
        assert_eq!(error.to_string(), message);
        let given = error.advice().unwrap_or_default();
        assert!(given.contains(advice), "{given}");
    };
    let openai = [("OPENAI_API_KEY", "sk-secret-1")];
    let no_provider = "names no provider: a model is named `provider/model`";
    check("", &[], "gpt-4o", &format!("`gpt-4o` {no_provider}"), "did you mean `openai/gpt-4o`?");
    check("", &[], "openai/", &format!("`openai/` {no_provider}"), "researchgym model list");
    check("", &[], "antropic/x", "there is no provider `antropic`", "did you mean `anthropic`?");
    check("", &[], "quux/x", "there is no provider `quux`", "[providers.NAME]");
    let no_key = "there is no key for the provider `openai`";
    check(
        "",
        &[],
        "openai/gpt-4o",
        no_key,
        "set OPENAI_API_KEY, put it into .env, or name a file with --key-file",
    );
    check("", &[("OPENAI_API_KEY", " ")], "openai/gpt-4o", no_key, "OPENAI_API_KEY");
    check(
        "",
        &[],
        "google/gemini-2.5-pro",
        "there is no key for the provider `google`",
        "GEMINI_API_KEY or GOOGLE_API_KEY",
    );
    let bad = "the environment variable OPENAI_API_KEY does not hold a key: it is empty, or has characters that no key has";
    check("", &[("OPENAI_API_KEY", "sk secret")], "openai/gpt-4o", bad, "");
    check(
        "",
        &[],
        "azure/m",
        "there is no address for the provider `azure`: it has no `base_url`",
        "set AZURE_OPENAI_ENDPOINT",
    );
    check(
        "[providers.a]\nkey_env = \"A\"",
        &[],
        "a/m",
        "there is no address for the provider `a`: it has no `base_url`",
        "`base_url` in [providers.a]",
    );
    check(
        "",
        &openai,
        "openai/gpt-4oo",
        "nobody knows what `openai/gpt-4oo` costs",
        "did you mean `openai/gpt-4o`?",
    );
    check(
        "",
        &openai,
        "openai/zzz",
        "nobody knows what `openai/zzz` costs",
        "--price INPUT,OUTPUT in US dollars per million tokens",
    );
    let base = |url: &str, problem: &str| {
        let environment = [("OPENAI_API_KEY", "sk-secret-1"), ("OPENAI_BASE_URL", url)];
        let message = format!(
            "the address of the provider `openai`, from the environment variable OPENAI_BASE_URL, {problem}"
        );
        check("", &environment, "openai/gpt-4o", &message, "write it with its version");
    };
    base("https://a.example/v1/responses/", "ends with `/responses`, which this program adds itself");
    base("localhost:80", "begins with `localhost:`, not with http: or https:");
    base("nonsense", "is not an address");
    base("https://me:secret@h/v1", "holds a user's name or password");
    base("https://h/v1?key=secret", "has something behind a `?` or `#`");
}

#[test]
fn prices_come_from_the_flag_then_settings_then_lists() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.json");
    std::fs::write(&list, r#"{"mymodel": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 1000}}"#).unwrap();
    let text = format!(
        "prices = [{list:?}]\n[models.\"openai/mymodel\"]\ninput = 0.15\noutput = \"0.6\"\nmax_output = 77\n[models.\"openai/gpt-4o\"]\noutput = 11\n"
    );
    let registry = registry_of(&text, &[("OPENAI_API_KEY", "sk-secret-1")], Options::default()).unwrap();
    let facts = registry.resolve("openai/mymodel").unwrap();
    let expected = ModelFacts {
        price: Some(Price { input: 150_000, output: 600_000, ..Price::FREE }),
        context_window: Some(1000),
        max_output: Some(77),
        is_embedding: false,
    };
    assert_eq!(facts.facts, expected);
    assert!(facts.price_source.ends_with("settings.toml:3"), "{}", facts.price_source);
    let half = registry.resolve("openai/gpt-4o").unwrap().facts.price.unwrap();
    assert_eq!((half.input, half.output), (2_500_000, 11_000_000));
    let built_in = registry.resolve("openai/gpt-4o-mini").unwrap();
    assert!(built_in.price_source.starts_with("the built-in list of 20"), "{}", built_in.price_source);
    let flag = registry_of(&text, &[("OPENAI_API_KEY", "sk-secret-1")], priced()).unwrap();
    let flag = flag.resolve("openai/mymodel").unwrap();
    assert_eq!((flag.facts.price, flag.price_source.as_str()), (priced().price, "--price"));
}

#[test]
fn the_price_flag_is_read_exactly() {
    let check = |text: &str, expected: Result<(u64, u64, Option<u64>), &str>| {
        let read = price_flag(text).map(|price| (price.input, price.output, price.cache_read));
        assert_eq!(read.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    };
    let form = "write INPUT,OUTPUT or INPUT,OUTPUT,CACHE_READ in US dollars per million tokens";
    check("0.15,0.6", Ok((150_000, 600_000, None)));
    check("3, 15, 0.3", Ok((3_000_000, 15_000_000, Some(300_000))));
    check("3", Err(form));
    check("1,2,3,4", Err(form));
    check("a,1", Err("`a` is not a decimal number; write US dollars per million tokens, such as 0.15"));
    check("1,-1", Err("`-1` is negative; write US dollars per million tokens, such as 0.15"));
}

#[test]
fn keys_are_found_in_order_and_taken_out_of_texts() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(
        here.join(".env"),
        "OPENAI_API_KEY=sk-from-dotenv\nXAI_API_KEY=sk-xai-dotenv\nHF_TOKEN=hf-token-1\nNAME=harmless-1\n",
    )
    .unwrap();
    std::fs::write(here.join("key"), "sk-from-file\n").unwrap();
    let text = "[providers.xai]\nkey_file = \"key\"\n[providers.groq]\nkey_file = \"key\"\n[providers.mistral]\nkey_file = \"no\"\n";
    let file = here.join("researchgym.toml");
    std::fs::write(&file, text).unwrap();
    let merged = settings::load(&[file]).unwrap();
    let environment = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-from-environment".to_owned());
    let registry = |options: Options| {
        Registry::new(&merged, options, &Variables::with_dotenv(&environment, here).unwrap()).unwrap()
    };
    let options = || Options { here: here.to_owned(), ..priced() };
    let plain = registry(options());
    let key =
        |registry: &Registry, name: &str| registry.resolve(name).unwrap().key.unwrap().expose().to_owned();
    assert_eq!(key(&plain, "openai/m"), "sk-from-environment");
    assert_eq!(key(&plain, "xai/m"), "sk-xai-dotenv");
    assert_eq!(key(&plain, "groq/m"), "sk-from-file");
    assert_eq!(
        plain.describe("groq/m").unwrap().key,
        Some(Ok(format!("the file {}", here.join("key").display())))
    );
    assert!(plain.resolve("mistral/m").unwrap_err().to_string().starts_with("key file "));
    let text = "sk-from-environment sk-xai-dotenv sk-from-file hf-token-1 harmless-1";
    assert_eq!(plain.redactor().redact(text), "[redacted] [redacted] [redacted] [redacted] harmless-1");
    std::fs::write(here.join("other"), "sk-from-flag").unwrap();
    let flagged = registry(Options { key_file: Some("other".into()), ..options() });
    assert_eq!(key(&flagged, "openai/m"), "sk-from-flag");
    assert_eq!(format!("{:?}", flagged).matches("sk-").count(), 0);
}

#[test]
fn a_bad_dotenv_is_named_without_its_values() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "A=1\nsk-very-secret\n").unwrap();
    let error = Variables::with_dotenv(&|_| None, folder.path()).err().unwrap();
    let expected =
        format!("file {}: line 2: is not of the form KEY=value", folder.path().join(".env").display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_resumed_run_keeps_its_facts_and_finds_its_key_and_its_address_anew() {
    let key = ("AZURE_OPENAI_API_KEY", "sk-secret-1");
    let environment =
        [key, ("AZURE_OPENAI_ENDPOINT", "https://old"), ("AZURE_OPENAI_API_VERSION", "2024-10-21")];
    let first = resolved("", &environment, "azure/gpt-5");
    let spec = Registry::spec_of(&first);
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("sk-secret"), "{text}");
    let spec: ModelSpec = serde_json::from_str(&text).unwrap();
    let again = |environment: &[(&str, &str)]| {
        registry_of("", environment, Options::default()).unwrap().endpoint_of(&spec)
    };
    let later = [("AZURE_OPENAI_API_KEY", "sk-secret-2"), environment[1], environment[2]];
    let same = again(&later).unwrap();
    assert_eq!((same.url(true), same.facts, same.auth), (first.url(true), first.facts, first.auth));
    assert_eq!(same.key.unwrap().expose(), "sk-secret-2");
    let moved = again(&[later[0], ("AZURE_OPENAI_ENDPOINT", "https://new"), environment[2]]).unwrap();
    assert_eq!(moved.url(true), first.url(true).replace("https://old", "https://new"));
    assert_eq!((moved.facts, moved.target), (first.facts, first.target));
    assert!(matches!(again(&later[..1]), Err(ModelError::MissingBaseUrl { .. })));
    assert!(matches!(again(&later[1..]), Err(ModelError::MissingKey { .. })));
}

#[test]
fn a_script_is_part_of_the_record() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.jsonl"), "{\"script\": 1, \"price\": {\"input\": 1, \"output\": \"2.5\"}, \"context_window\": 9}\n{\"text\": \"hi\"}\n").unwrap();
    let options = || Options { here: folder.path().to_owned(), ..Options::default() };
    let registry = registry_of("", &[], options()).unwrap();
    let endpoint = registry.resolve("scripted/s.jsonl").unwrap();
    let price = Some(Price { input: 1_000_000, output: 2_500_000, ..Price::FREE });
    assert_eq!(endpoint.facts, ModelFacts { price, context_window: Some(9), ..ModelFacts::default() });
    let spec = Registry::spec_of(&endpoint);
    std::fs::remove_file(folder.path().join("s.jsonl")).unwrap();
    let again = registry.endpoint_of(&spec).unwrap();
    assert_eq!(Registry::spec_of(&again), spec);
    let missing = registry.resolve("scripted/s.jsonl").unwrap_err().to_string();
    assert!(missing.starts_with(&format!("script {}", folder.path().join("s.jsonl").display())), "{missing}");
}

#[test]
fn a_cassette_that_is_played_needs_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    let options = || Options { here: folder.path().to_owned(), cassette: Some("c.jsonl".into()), ..priced() };
    let keyless = || registry_of("", &[], options()).unwrap().resolve("openai/m");
    assert!(matches!(keyless(), Err(ModelError::MissingKey { .. })));
    assert!(!path.exists());
    let line = r#"{"cassette":1,"request":"0000000000000000000000000000000000000000000000000000000000000000","wire":"chat","shape":{},"status":200,"headers":{},"body":{"text":""}}"#;
    std::fs::write(&path, format!("{line}\n")).unwrap();
    let endpoint = keyless().unwrap();
    assert_eq!(Registry::spec_of(&endpoint).cassette.as_deref(), Some(path.to_str().unwrap()));
    std::fs::write(&path, format!("{line}\nnonsense\n")).unwrap();
    let error = keyless().unwrap_err().to_string();
    assert!(error.starts_with(&format!("cassette {}, line 2: ", path.display())), "{error}");
    assert_eq!(Path::new(&path).file_name().unwrap(), "c.jsonl");
}

/// Resolves in a project's folder with a settings file and a `.env`, and the user's own key in the environment.
fn in_project(settings: &str, dotenv: &str, trusting: &str, options: Options) -> Result<Endpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("project");
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("researchgym.toml"), settings).unwrap();
    std::fs::write(here.join(".env"), dotenv).unwrap();
    std::fs::write(folder.path().join("secret"), "sk-in-a-file").unwrap();
    std::fs::write(here.join("own"), "sk-of-the-project").unwrap();
    let own = folder.path().join("settings.toml");
    std::fs::write(&own, trusting).unwrap();
    let merged = settings::load(&[own, here.join("researchgym.toml")]).unwrap();
    let environment =
        |name: &str| ["OPENAI_API_KEY", "OTHER"].contains(&name).then(|| "sk-secret".to_owned());
    let variables = Variables::with_dotenv(&environment, &here).unwrap();
    let options = Options { here: here.clone(), ..options };
    let resolved = Registry::new(&merged, options, &variables).unwrap().resolve("openai/m");
    resolved.map_err(|error| error.to_string().replace(&format!("{}/", here.display()), ""))
}

#[test]
fn a_project_sends_no_key_anywhere_without_consent() {
    let elsewhere = "[providers.openai]\nbase_url = \"https://evil.example/v1\"\n";
    let here = "[providers.openai]\nbase_url = \"http://127.0.0.1:1/v1\"\nkey_env = \"OTHER\"\n";
    let other_key = "[providers.openai]\nkey_env = \"OTHER\"\n";
    let key_file = "[providers.openai]\nkey_env = \"MISSING\"\nkey_file = \"../secret\"\n";
    let own_key_file = "[providers.openai]\nkey_env = \"MISSING\"\nkey_file = \"own\"\n";
    let base_alone = "OPENAI_BASE_URL=https://evil.example/v1\n";
    let usual = "the environment variable OPENAI_API_KEY";
    let base_and_key = "OPENAI_BASE_URL=https://mine.example/v1\nXAI_API_KEY=sk-xai\n";
    let refused = |place: &str, key: &str, host: &str| {
        let text = "says where a key goes: that of `openai`, from";
        Some(format!("{place} {text} {key}, would be sent to {host}"))
    };
    for (settings, dotenv, expected) in [
        ("", "", None),
        (here, "", None),
        (elsewhere, "", refused("researchgym.toml:2", usual, "evil.example")),
        (other_key, "", refused("researchgym.toml:2", "the environment variable OTHER", "api.openai.com")),
        (key_file, "", refused("researchgym.toml:3", "the file ../secret", "api.openai.com")),
        (own_key_file, "", None),
        ("[providers.openai]\nkey_env = \"OPENAI_API_KEY\"\n", "", None),
        ("", base_alone, refused("OPENAI_BASE_URL in .env", usual, "evil.example")),
        ("", base_and_key, refused("OPENAI_BASE_URL in .env", usual, "mine.example")),
    ] {
        let error = in_project(settings, dotenv, "", priced()).err();
        assert_eq!(error, expected, "{settings}{dotenv}");
        let consent = Options { trusts_project: true, ..priced() };
        assert_eq!(in_project(settings, dotenv, "", consent).err(), None);
        assert_eq!(in_project(settings, dotenv, "trusted_projects = [\"project\"]", priced()).err(), None);
        assert_eq!(in_project(settings, dotenv, "trusted_projects = [\"other\"]", priced()).err(), expected);
    }
}

#[test]
fn the_key_of_a_dotenv_goes_where_the_same_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = "OPENAI_BASE_URL=https://mine.example/v1\nOPENAI_API_KEY=sk-mine\n";
    std::fs::write(folder.path().join(".env"), text).unwrap();
    let environment = |_: &str| None;
    let variables = Variables::with_dotenv(&environment, folder.path()).unwrap();
    let registry = Registry::new(&Merged::default(), priced(), &variables).unwrap();
    let endpoint = registry.resolve("openai/m").unwrap();
    assert_eq!(endpoint.base_url, "https://mine.example/v1");
}

#[test]
fn embeddings_have_a_key_and_a_price_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("given"), "sk-given-1").unwrap();
    let options = || Options {
        here: folder.path().to_owned(),
        key_file: Some("given".into()),
        trusts_project: true,
        ..priced()
    };
    let environment = [("OPENAI_API_KEY", "sk-openai-1"), ("ANTHROPIC_API_KEY", "sk-anthropic-1")];
    let own = "[models.\"openai/mine\"]\ninput = 0.5\nembedding = true\n";
    let registry = registry_of(own, &environment, options()).unwrap();
    let small = "openai/text-embedding-3-small";
    let key = |beside: &str| {
        let endpoint = registry.resolve_embedding(small, beside).unwrap();
        endpoint.key.as_ref().map(|key| key.expose().to_owned())
    };
    // The key of --key-file is that of --model's provider.
    assert_eq!(key("anthropic/claude-sonnet-4-5").as_deref(), Some("sk-openai-1"));
    assert_eq!(key("openai/gpt-5").as_deref(), Some("sk-given-1"));
    let endpoint = registry.resolve_embedding(small, "anthropic/claude-sonnet-4-5").unwrap();
    // --price is that of --model.
    assert_eq!(endpoint.facts.price, Some(Price { input: 20_000, ..Price::FREE }));
    assert_eq!(endpoint.embedding_url().as_deref(), Some("https://api.openai.com/v1/embeddings"));
    let again = registry.embedding_endpoint_of(&Registry::spec_of(&endpoint), "anthropic/x").unwrap();
    assert_eq!(again.key, endpoint.key);
    let mine = registry.resolve_embedding("openai/mine", "openai/gpt-5").unwrap();
    let price = Some(Price { input: 500_000, ..Price::FREE });
    assert_eq!(mine.facts, ModelFacts { price, is_embedding: true, ..ModelFacts::default() });
    let error = |name: &str| registry.resolve_embedding(name, "openai/gpt-5").unwrap_err().to_string();
    assert_eq!(error("groq/m"), "`groq/m` makes no embeddings: its provider makes none");
    assert_eq!(error("openai/unheard-of"), "nobody knows what `openai/unheard-of` costs");
    let asked = registry.resolve(small).unwrap_err();
    assert_eq!(asked.to_string(), format!("`{small}` makes embeddings and answers no questions"));
    assert_eq!(asked.advice().as_deref(), Some("a search uses it with --embedding-model"));
}
