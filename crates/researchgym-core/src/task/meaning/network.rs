//! What `[network]` must mean: policies that have what they need, hosts and addresses that can be read.

use super::{Checker, KeyPath, quoted};
use crate::network::{AllowError, AllowList, HostName, NetworkPolicy, sources};
use crate::web::Blocklist;

impl Checker<'_> {
    pub(super) fn network(&mut self) {
        let path = KeyPath::of("network.blocked_urls");
        // One at a time: a list's own error names only its first.
        for (index, entry) in self.task.network.blocked_urls.iter().enumerate() {
            if let Err((_, error)) = Blocklist::parse(std::slice::from_ref(entry)) {
                let advice = "write a host, `*.host`, the beginning of an address, or a text of addresses";
                self.report(&path.index(index), error.to_string(), advice);
            }
        }
        self.policies();
        self.allowed_hosts();
    }

    fn policies(&mut self) {
        let network = &self.task.network;
        if network.grader == NetworkPolicy::Gateway {
            let advice = "write \"none\", \"allow-list\" or \"open\": a grader has no model gateway";
            self.report(&KeyPath::of("network.grader"), "is \"gateway\"", advice);
        }
        let policies = [("network.agent", network.agent_at_most()), ("network.grader", network.grader)];
        let listed = policies.into_iter().find(|(_, policy)| *policy == NetworkPolicy::AllowList);
        match listed {
            Some((key, _)) if network.allow.is_empty() => {
                let advice = "name the hosts or package sources in `network.allow`";
                self.report(&KeyPath::of(key), "is \"allow-list\", and there is no list", advice);
            }
            // A run may ask for less than `open`: `--network allow-list`.
            None if !network.allow.is_empty() && network.agent_at_most() != NetworkPolicy::Open => {
                let advice = "write `agent = \"allow-list\"` or `grader = \"allow-list\"`, or remove it";
                self.report(&KeyPath::of("network.allow"), "is used by no policy", advice);
            }
            _ => {}
        }
        self.above_zero(network.traffic_mib, &KeyPath::of("network.traffic_mib"));
    }

    fn allowed_hosts(&mut self) {
        let path = KeyPath::of("network.allow");
        for (index, entry) in self.task.network.allow.iter().enumerate() {
            let Err((_, error)) = AllowList::parse(std::slice::from_ref(entry)) else { continue };
            let advice = match &error {
                AllowError::UnknownSource { near: Some(near) } => format!("did you mean `{near}`?"),
                AllowError::UnknownSource { near: None } => {
                    let names: Vec<&str> = sources().iter().map(|source| source.name).collect();
                    format!("the sources are {}; a host has a dot or a port", quoted(&names))
                }
                AllowError::SourcePort { source_name } => format!("write `{source_name}`"),
                AllowError::Public { suffix } => format!("name the hosts, such as `example.{suffix}`"),
                AllowError::Host(_) | AllowError::Wide | AllowError::Path | AllowError::Port => {
                    "write a host, `host:port`, `*.host`, or the name of a package source".to_owned()
                }
            };
            self.report(&path.index(index), error.to_string(), advice);
        }
        let path = KeyPath::of("network.unchecked_paths");
        for (index, entry) in self.task.network.unchecked_paths.iter().enumerate() {
            if let Err(error) = HostName::parse(entry) {
                self.report(&path.index(index), error.to_string(), "write the name of a host");
            }
        }
    }
}
