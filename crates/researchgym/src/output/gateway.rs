//! What `gateway` prints: where it listens, how clients are pointed at it, and what was spent at the end.

use std::path::PathBuf;

use researchgym_engine::gateway::Summary;
use serde_json::{Map, Value, json};

use super::Printer;
use super::words::counted;

/// Where clients come in.
pub(crate) enum Door {
    /// The address without a path.
    Url(String),
    /// The socket.
    Socket(PathBuf),
}

impl Printer {
    /// The gateway is open. `token` is what clients show, if this program drew it.
    pub(crate) fn gateway_opened(&self, door: &Door, token: Option<&str>, models: &[String]) {
        let environment = environment(door, token);
        if self.is_json() {
            let place = match door {
                Door::Url(url) => json!({"url": url}),
                Door::Socket(path) => json!({"socket": path}),
            };
            self.json(&json!({"listening": place, "models": models, "environment": environment}));
            return;
        }
        match door {
            Door::Url(url) => self.talk(&format!("The gateway listens on {url}")),
            Door::Socket(path) => self.talk(&format!("The gateway listens on unix:{}", path.display())),
        }
        self.talk(&format!("It serves {}: {}", counted(models.len() as u64, "model"), listed(models)));
        self.talk("Clients find it by these variables; other clients take the same addresses and key:\n");
        for (name, value) in &environment {
            self.data(&format!("export {name}={}", value.as_str().unwrap_or_default()));
        }
        self.talk("\nCtrl-C ends it when the calls under way are over.");
    }

    /// The gateway is closed.
    pub(crate) fn gateway_closed(&self, summary: &Summary) {
        let Summary { calls, failed, usage, spent, held, .. } = summary;
        if self.is_json() {
            self.json(&json!({
                "calls": calls,
                "failed": failed,
                "usage": usage,
                "spent_micro_usd": spent,
                "held_micro_usd": held.cost,
            }));
            return;
        }
        self.talk(&format!(
            "{} ({failed} failed), {} tokens in, {} tokens out, {:.6} USD spent, {:.6} USD set aside",
            counted(*calls, "call"),
            usage.input,
            usage.output,
            spent.as_usd(),
            held.cost.as_usd()
        ));
    }
}

/// The variables that point the usual clients at the gateway.
fn environment(door: &Door, token: Option<&str>) -> Map<String, Value> {
    let mut environment = Map::new();
    let mut put = |name: &str, value: String| environment.insert(name.to_owned(), value.into());
    match door {
        Door::Url(url) => {
            put("OPENAI_BASE_URL", format!("{url}/v1"));
            put("ANTHROPIC_BASE_URL", url.clone());
            put("GOOGLE_GEMINI_BASE_URL", url.clone());
        }
        Door::Socket(path) => {
            put("ANTHROPIC_BASE_URL", "http://localhost".to_owned());
            put("ANTHROPIC_UNIX_SOCKET", path.display().to_string());
        }
    }
    if let Some(token) = token {
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            put(name, token.to_owned());
        }
    }
    environment
}

fn listed(models: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = models.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if models.len() > SHOWN { format!("{shown}, ...") } else { shown }
}
