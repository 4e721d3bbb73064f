//! What a cluster says of itself, and what of it matters to jobs that come from here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::commands::{Commands, Trouble};

/// A cluster's settings, by `scontrol show config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    values: BTreeMap<String, String>,
}

impl Facts {
    /// Asks the controller.
    pub(super) async fn ask(commands: &Commands) -> Result<Facts, Trouble> {
        let text = commands.run("scontrol", &["show", "config"].map(str::to_owned)).await?;
        Ok(Facts::read(&text))
    }

    fn read(text: &str) -> Facts {
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.trim().to_lowercase(), value.trim().to_owned()))
        };
        Facts { values: text.lines().filter_map(pair).collect() }
    }

    fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Jobs that one array may have; 1 where there are no arrays.
    pub(super) fn longest_array(&self) -> usize {
        self.get("maxarraysize").parse().unwrap_or(1001).max(1)
    }

    /// Whether the cluster remembers jobs that have ended long ago.
    pub(super) fn has_accounting(&self) -> bool {
        let kind = self.get("accountingstoragetype");
        kind.ends_with("slurmdbd") || kind.ends_with("mysql")
    }

    /// How processes of a job are found.
    pub(super) fn tracking(&self) -> &str {
        self.get("proctracktype")
    }

    /// Whether a job that takes more memory than it asked for is killed.
    pub(super) fn limits_memory(&self) -> bool {
        self.get("taskplugin").contains("cgroup") && self.get("constrainramspace") == "yes"
    }

    /// For how long the controller remembers a job that has ended.
    fn memory_s(&self) -> u64 {
        self.get("minjobage").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(300)
    }
}

/// A cluster as `doctor` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterReport {
    /// Whether Slurm's commands are here.
    pub installed: bool,
    /// Whether its controller answers.
    pub reachable: bool,
    /// Its version; empty if it does not answer.
    pub version: String,
    /// Its name.
    pub cluster: String,
    /// Its partitions, the default one first.
    pub partitions: Vec<String>,
    /// What to know before jobs are given to it.
    pub warnings: Vec<ClusterWarning>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Something about a cluster that makes it worse than it could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterWarning {
    /// The setting and its value.
    pub setting: String,
    /// What follows from it, and what would help.
    pub meaning: String,
}

/// Looks at the cluster that this machine belongs to.
pub async fn report() -> ClusterReport {
    examined(&Commands::default()).await
}

pub(super) async fn examined(commands: &Commands) -> ClusterReport {
    let facts = match Facts::ask(commands).await {
        Ok(facts) => facts,
        Err(Trouble::Missing(_)) => return ClusterReport::default(),
        Err(trouble) => {
            return ClusterReport {
                installed: true,
                problem: Some(trouble.to_string()),
                ..ClusterReport::default()
            };
        }
    };
    let listed =
        commands.run("sinfo", &["--noheader", "--format=%P"].map(str::to_owned)).await.unwrap_or_default();
    // The default partition bears a star.
    let mut names: Vec<(bool, String)> = listed
        .lines()
        .map(|line| (!line.trim().ends_with('*'), line.trim().trim_end_matches('*').to_owned()))
        .collect();
    names.sort();
    names.dedup();
    ClusterReport {
        installed: true,
        reachable: true,
        version: facts.get("slurm_version").to_owned(),
        cluster: facts.get("clustername").to_owned(),
        partitions: names.into_iter().map(|(_, name)| name).collect(),
        warnings: warnings(&facts),
        problem: None,
    }
}

fn warnings(facts: &Facts) -> Vec<ClusterWarning> {
    let mut warnings = Vec::new();
    let mut warn = |setting: String, meaning: &str| {
        warnings.push(ClusterWarning { setting, meaning: meaning.to_owned() })
    };
    let tracking = facts.tracking();
    if !tracking.ends_with("/cgroup") {
        warn(
            format!("ProctrackType={tracking}"),
            "processes that leave their parent outlive their job; our sandboxes end with it all the same, `--runtime host` does \
             not. The cluster's administrator can set `proctrack/cgroup`",
        );
    }
    if !facts.limits_memory() {
        warn(
            format!("TaskPlugin={} without ConstrainRAMSpace=yes", facts.get("taskplugin")),
            "a job may take more memory than it asked for, and a node without memory kills whom it likes; our sandboxes' own \
             limits hold where the node lets them. The administrator can set `task/cgroup` and `ConstrainRAMSpace=yes`",
        );
    }
    let memory = facts.memory_s();
    if !facts.has_accounting() {
        warn(
            "AccountingStorageType without a database".to_owned(),
            "what became of a job that left no result is known only as long as the controller remembers it; after that it is \
             `vanished`",
        );
    }
    if memory < 60 {
        warn(
            format!("MinJobAge={memory} s"),
            "the controller forgets jobs almost at once: causes of failure are often unknown. 300 is Slurm's default",
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRONG: &str = "Configuration data as of 2026-11-25T22:51:58\nAccountingStorageType   = accounting_storage/slurmdbd\n\
        ClusterName             = lab\nMaxArraySize            = 501\nMinJobAge               = 300 sec\n\
        ProctrackType           = proctrack/cgroup\nSLURM_VERSION           = 22.05.8\nTaskPlugin              = task/affinity,task/cgroup\n\n\
        Cgroup Support Configuration:\nConstrainRAMSpace       = yes\n\nSlurmctld(primary) at vm is UP\n";

    #[test]
    fn a_good_cluster_is_not_warned_of() {
        let facts = Facts::read(STRONG);
        assert_eq!((facts.longest_array(), facts.has_accounting(), facts.memory_s()), (501, true, 300));
        assert_eq!(warnings(&facts), []);
    }

    #[test]
    fn each_weakness_is_named() {
        let table = [
            ("proctrack/cgroup", "proctrack/linuxproc", "ProctrackType=proctrack/linuxproc"),
            ("proctrack/cgroup", "proctrack/pgid", "ProctrackType=proctrack/pgid"),
            ("task/affinity,task/cgroup", "task/none", "TaskPlugin=task/none without ConstrainRAMSpace=yes"),
            ("= yes", "= no", "TaskPlugin=task/affinity,task/cgroup without ConstrainRAMSpace=yes"),
            ("storage/slurmdbd", "storage/none", "AccountingStorageType without a database"),
            ("300 sec", "10 sec", "MinJobAge=10 s"),
        ];
        for (from, to, expected) in table {
            let found: Vec<String> = warnings(&Facts::read(&STRONG.replace(from, to)))
                .into_iter()
                .map(|warning| warning.setting)
                .collect();
            assert_eq!(found, [expected]);
        }
    }
}
