//! `doctor`: the container engine of this machine.

use researchgym_core::isolation::Isolation;

use super::EngineError;
use super::engine::{Engine, Facts};
use crate::sandbox::Finding;

/// Looks, and says what containers keep apart if there is an engine. An engine is never required: `--runtime local` works without.
pub(in crate::sandbox) fn probe(engine: Result<&Engine, &EngineError>) -> (Vec<Finding>, Option<Isolation>) {
    let name = "container engine";
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => return (vec![finding(name, false, error.to_string(), error.hint())], None),
    };
    let Facts { product, version, api, storage, rootless, .. } = &engine.facts;
    let who = if *rootless { "as an ordinary user" } else { "as root" };
    let detail =
        format!("{product} {version} (API {api}) {who} at {}, storage {storage}", engine.socket.display());
    let mut findings = vec![finding(name, true, detail, None)];
    let isolation = super::isolation::isolation(&engine.facts);
    if !isolation.missing.is_empty() {
        let hint = "--runtime docker works with weaker limits here; an engine without root needs control groups of version 2 that systemd hands to the user (Delegate=yes)";
        let detail = format!("not enforced in containers: {}", isolation.missing.join(", "));
        findings.push(finding("container limits", false, detail, Some(hint.to_owned())));
    }
    (findings, Some(isolation))
}

fn finding(name: &str, ok: bool, detail: String, hint: Option<String>) -> Finding {
    Finding { name: name.to_owned(), ok, required: false, detail, hint }
}
