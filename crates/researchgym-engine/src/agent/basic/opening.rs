//! What a conversation begins with: the system message, and the task with everything that is known of the run.

use researchgym_core::action::Action;
use researchgym_core::event::RunStarted;
use researchgym_core::failure::Failure;
use researchgym_core::gpu::Gpu;
use researchgym_core::model::{Input, Message};
use researchgym_core::network::NetworkPolicy;
use researchgym_core::observation::Observation;
use researchgym_core::score::Metrics;
use researchgym_core::spec::{BasicMode, BasicSpec};
use researchgym_core::task::{Task, ValidateOn};
use serde_json::{Value, json};

use super::notices::{dollars, time};
use super::output::clip;
use super::prompts::{Prompt, Prompts};
use crate::session::{Session, Stop};

/// Where the task is described, in the workspace.
const DESCRIPTION: &str = "task_description.md";
/// A description is told up to this length; more of it can be read in its file.
const MOST_DESCRIPTION: usize = 64 << 10;

/// The first messages of a run's conversations.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Opening {
    system: String,
    task: String,
}

impl Opening {
    /// Reads the description in the workspace: one step.
    pub(super) async fn read(
        session: &mut Session,
        spec: &BasicSpec,
        prompts: &Prompts,
    ) -> Result<Opening, Stop> {
        let description = description(session).await?;
        let idea_hint = match &spec.idea_hint {
            Some(hint) => Some(String::from_utf8_lossy(&session.body(hint)?).into_owned()),
            None => None,
        };
        let mut facts = facts(&session.state().started.task, spec.may_end);
        let limits = session.limits();
        let or_unlimited = |text: Option<String>| text.unwrap_or_else(|| "unlimited".to_owned());
        let more = json!({
            "description": description,
            "web": session.state().started.spec.web,
            "network": network(&session.state().started),
            "gpus": session.state().gpus.iter().map(gpu).collect::<Vec<_>>().join(", "),
            "idea_hint": idea_hint,
            "time": or_unlimited(limits.working_ms.map(time)),
            "budget": or_unlimited(limits.budget.map(dollars)),
            "tokens": or_unlimited(limits.tokens.map(|tokens| tokens.to_string())),
            "steps": or_unlimited(limits.steps.map(|steps| steps.to_string())),
        });
        if let (Value::Object(facts), Value::Object(more)) = (&mut facts, more) {
            facts.extend(more);
        }
        let mode = match spec.mode {
            BasicMode::Plus => "plus",
            BasicMode::Iterative => "iterative",
        };
        Ok(Opening {
            system: prompts.text(Prompt::System, json!({ "mode": mode }))?,
            task: prompts.text(Prompt::Task, facts)?,
        })
    }

    /// The messages, with the notes of earlier conversations if there are any.
    pub(super) fn messages(&self, bridge: Option<String>) -> Vec<Message> {
        let mut content = vec![Input::Text { text: self.task.clone() }];
        content.extend(bridge.map(|text| Input::Text { text }));
        vec![Message::System { text: self.system.clone() }, Message::User { content }]
    }
}

/// Asked for twice at most: the first time may have been interrupted, of which nothing but that is known.
async fn description(session: &mut Session) -> Result<String, Stop> {
    let mut refusal = String::new();
    for _ in 0..2 {
        match session.step(Action::Read { path: DESCRIPTION.to_owned() }).await? {
            Observation::Read { content } => {
                let bytes = match content.blob {
                    Some(blob) => session.blob(blob)?,
                    None => content.text.into_bytes(),
                };
                let text = String::from_utf8_lossy(&bytes);
                return Ok(clip(&text, MOST_DESCRIPTION, &format!("; read {DESCRIPTION}")));
            }
            Observation::Refused { reason } => refusal = reason,
            _ => {}
        }
    }
    Err(Failure::new(researchgym_core::failure::Boundary::Sandbox, format!("{DESCRIPTION}: {refusal}"))
        .into())
}

/// What the task's file says, for the template.
fn facts(task: &Task, may_end: bool) -> Value {
    let primary = task.primary();
    let others = task.metrics.iter().filter(|metric| metric.name != primary.name);
    let baseline = task.baseline.as_ref().map(|baseline| metrics(baseline.shown(&primary)));
    let baseline = baseline.filter(|text| !text.is_empty());
    let noise_floor =
        task.baseline.as_ref().map(|baseline| baseline.noise_floor).filter(|floor| *floor > 0.0);
    let validate_on = match task.grader.validate_on {
        ValidateOn::Validation => "They are scored on data that the final score does not use.",
        ValidateOn::Test => "They are scored on the data of the final score: do not choose by luck.",
        ValidateOn::Fresh => "Each is scored with new random numbers.",
    };
    let python = match &task.environment {
        Some(environment) => {
            format!("`python3` has the packages of the task's environment ({}).", environment.requirements)
        }
        None => "`python3`, with its standard library and what the task says.".to_owned(),
    };
    json!({
        "artefacts": task.submission.artefacts,
        "primary": primary,
        "other_metrics": others.map(|metric| &metric.name).collect::<Vec<_>>(),
        "baseline": baseline,
        "noise_floor": noise_floor,
        "validations": task.grader.validations,
        "validate_on": validate_on,
        "may_end": may_end,
        "cpus": task.resources.cpus,
        "memory_mib": task.resources.memory_mib,
        "workspace_mib": task.resources.workspace_mib,
        "tmp_mib": task.resources.tmp_mib,
        "pids": task.resources.pids,
        "command_minutes": task.limits.command_timeout_s.div_ceil(60),
        "python": python,
        "data": task.datasets.iter().flat_map(|dataset| &dataset.visible).collect::<Vec<_>>(),
        "protected": task.workspace.protected,
    })
}

/// What commands may reach.
fn network(started: &RunStarted) -> String {
    let network = &started.task.network;
    match started.spec.agent_network(network) {
        NetworkPolicy::None | NetworkPolicy::Gateway => {
            "Expect no network in the sandbox: use what is installed.".to_owned()
        }
        NetworkPolicy::AllowList => format!(
            "Commands reach these hosts or package sources and no others, by HTTP and HTTPS through the proxy that `HTTPS_PROXY` \
             names: {}. Requests are recorded.",
            network.allow.join(", ")
        ),
        NetworkPolicy::Open => {
            "Commands reach public hosts through the proxy that `HTTPS_PROXY` names. Requests are recorded."
                .to_owned()
        }
    }
}

fn gpu(gpu: &Gpu) -> String {
    match gpu.memory_mib {
        Some(memory_mib) => format!("{} ({memory_mib} MiB)", gpu.name),
        None => gpu.name.clone(),
    }
}

fn metrics(metrics: &Metrics) -> String {
    let shown: Vec<String> = metrics.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"
        schema = 1
        id = "rings"
        title = "Rings"
        domain = "geometry"
        description = "description.md"
        metrics = [
            { name = "r2", direction = "maximize", primary = true },
            { name = "rmse", direction = "minimize" },
        ]
        baseline = { measured = { r2 = 0.5 }, noise_floor = 0.01 }
        workspace = { starter = "starter", protected = ["target.py"] }
        submission = { artefacts = ["a.csv", "model"] }
        grader = { files = "grader", command = ["python3", "grader.py"], validate_on = "test" }
    "#;

    #[test]
    fn the_task_message_says_what_counts_and_what_there_is() {
        let task = researchgym_core::task::parse(TASK, "rings").unwrap();
        let mut values = facts(&task, true);
        let more = json!({
            "description": "Bend rings.", "idea_hint": null, "time": "30 min", "budget": "$2.00", "tokens": "unlimited",
            "steps": "100", "web": false, "gpus": "", "network": "Expect no network in the sandbox: use what is installed.",
        });
        values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = Prompts::new().unwrap().text(Prompt::Task, &values).unwrap();
        let expected = "# The task

Bend rings.

# What counts

* Graded: `a.csv`, `model` (relative to `/workspace`). All must exist.
* Score: `r2`, higher is better.
* Also reported: `rmse`.
* Baseline to beat: r2 = 0.5. Differences below 0.01 are noise.
* `validate` scores what is in place and changes nothing; you have 20 of them. They are scored on the data of the final score: do not choose by luck.
* `submit` scores what is in place for good and ends the run. At a limit, what is in place is graded once.

# What you have

* Working time: 30 min. Commands that run count, also in the background while you wait; grading does not.
* Money for model calls: $2.00. Tokens: unlimited. Steps (uses of the workspace by tools): 100.
* 2.0 CPU(s), 2048 MiB of memory, 1024 MiB for the workspace, 512 MiB in `/tmp`, 256 processes.
* A command is stopped after 30 minutes unless you say otherwise.
* Python: `python3`, with its standard library and what the task says.
* Read-only files: `target.py`.
* Expect no network in the sandbox: use what is installed.

# Tools
";
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains("An idea"), "{text}");
        values["web"] = json!(true);
        let reached = "use what is installed.\n* `web_search` and `web_browser` reach the web from outside the sandbox. Some addresses are blocked.\n\n# Tools";
        let text = Prompts::new().unwrap().text(Prompt::Task, &values).unwrap();
        assert!(text.contains(reached), "{text}");
        values["gpus"] = json!("NVIDIA A100 (40960 MiB)");
        let text = Prompts::new().unwrap().text(Prompt::Task, &values).unwrap();
        assert!(
            text.contains("256 processes.\n* GPUs, for you alone: NVIDIA A100 (40960 MiB).\n* A command"),
            "{text}"
        );
        values["idea_hint"] = json!("Bend them twice.");
        let text = Prompts::new().unwrap().text(Prompt::Task, &values).unwrap();
        assert!(text.ends_with("improve on it:\n\nBend them twice."), "{text}");
    }
}
