//! Models for agents and searches, found as `--model` finds them: a script, and the mock over HTTP.

use std::path::Path;
use std::sync::Arc;

use researchgym_core::model::{RetryPolicy, Wire};
use researchgym_engine::model::registry::Options;
use researchgym_engine::model::settings::{Merged, ProviderSettings, Settings};
use researchgym_engine::model::{Client, Door, Registry, Variables};
use serde_json::json;

use crate::Outcome;

/// Longer than any measurement takes.
const SILENCE_MS: u64 = 86_400_000;

/// A script that calls `bash` so many times, each time with another text, and then is silent.
pub(crate) fn scripted(folder: &Path, turns: usize) -> Outcome<Arc<Door>> {
    // A stated usage: otherwise the script counts the whole prompt each time, which no agent's model does in this process.
    let usage = json!({"input": 300, "output": 50});
    let mut lines = vec![json!({"script": 1}).to_string()];
    lines.extend((0..turns).map(|turn| {
        let call = json!({"name": "bash", "arguments": {"cmd": format!("true # {turn}")}});
        json!({"calls": [call], "usage": usage}).to_string()
    }));
    lines.push(json!({"text": "over", "usage": usage, "delay_ms": SILENCE_MS}).to_string());
    std::fs::write(folder.join("script.jsonl"), lines.join("\n"))?;
    door(folder, Settings::default(), "scripted/script.jsonl")
}

/// A script that says these texts, one after the other.
pub(crate) fn saying(folder: &Path, texts: &[String]) -> Outcome<Arc<Door>> {
    let usage = json!({"input": 3000, "output": 50});
    let mut lines = vec![json!({"script": 1}).to_string()];
    lines.extend(texts.iter().map(|text| json!({"text": text, "usage": usage}).to_string()));
    std::fs::write(folder.join("script.jsonl"), lines.join("\n"))?;
    door(folder, Settings::default(), "scripted/script.jsonl")
}

/// The mock at this address.
pub(crate) fn over_http(folder: &Path, address: &str) -> Outcome<Arc<Door>> {
    let provider = ProviderSettings {
        base_url: Some(format!("http://{address}/v1")),
        wire: Some(Wire::Chat),
        local: Some(true),
        ..ProviderSettings::default()
    };
    let providers = [("bench".to_owned(), provider)].into();
    door(folder, Settings { providers, ..Settings::default() }, "bench/mock")
}

fn door(folder: &Path, settings: Settings, name: &str) -> Outcome<Arc<Door>> {
    let options = Options { here: folder.to_owned(), ..Options::default() };
    let settings = Merged { settings, ..Merged::default() };
    let registry = Registry::new(&settings, options, &Variables::new(&|_| None))?;
    Ok(Arc::new(Door {
        client: Client::new()?,
        endpoint: Arc::new(registry.resolve(name)?),
        policy: RetryPolicy::default(),
        redactor: registry.redactor().clone(),
    }))
}
