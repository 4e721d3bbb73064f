//! What a container keeps apart, said from what the engine says it can do.

use researchgym_core::isolation::{Isolation, IsolationLevel};

use super::engine::Facts;
use crate::sandbox::enforced::kept_everywhere;

/// What is in force and what this engine cannot enforce.
pub(super) fn isolation(facts: &Facts) -> Isolation {
    let mut enforced = kept_everywhere("unprivileged_user");
    if facts.rootless {
        enforced.push("user_namespace".to_owned());
    }
    let mut missing = Vec::new();
    let by_engine = [
        (facts.seccomp, "engine_seccomp"),
        (facts.memory, "memory"),
        (facts.pids, "pids"),
        (facts.cpu, "cpu"),
    ];
    for (has, name) in by_engine {
        let list = if has { &mut enforced } else { &mut missing };
        list.push(name.to_owned());
    }
    if facts.selinux {
        missing.push("selinux".to_owned());
    }
    let level = if missing.is_empty() { IsolationLevel::Full } else { IsolationLevel::Partial };
    Isolation { level, enforced, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_cannot_limit_is_missing() {
        let whole = Facts { memory: true, pids: true, cpu: true, seccomp: true, ..Facts::default() };
        assert_eq!(isolation(&whole).level, IsolationLevel::Full);
        let rootless = isolation(&Facts { rootless: true, memory: false, selinux: true, ..whole });
        assert_eq!(rootless.level, IsolationLevel::Partial);
        assert_eq!(rootless.missing, ["memory", "selinux"]);
        assert!(rootless.enforced.contains(&"user_namespace".to_owned()));
    }
}
