//! `run --dry-run`: what would be done, as the object that the run would record or in words.

use researchgym_core::executor::Executor;
use researchgym_core::gpu::GpuRequest;
use researchgym_core::isolation::Runtime;
use researchgym_core::score::Direction;
use researchgym_core::search::{EmbeddingNovelty, SearchSpec};
use researchgym_core::spec::{AgentSpec, BasicMode, BasicSpec, ModelSpec, RunSpec, SCHEMA};
use researchgym_core::task::Task;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::executor::Needs;
use researchgym_engine::executor::slurm::Rehearsal;
use serde_json::{Value, json};

use super::Printer;
use super::models::usd;
use super::words::{counted, dollars, duration, metrics, table};
use crate::settings::Settings;

/// A run, or several, as they would be started.
pub(crate) struct Plan<'p> {
    pub(crate) spec: &'p RunSpec,
    /// With the variant applied.
    pub(crate) task: &'p Task,
    pub(crate) loaded: &'p LoadedTask,
    pub(crate) repeat: u64,
    pub(crate) parallel: u64,
    pub(crate) settings: &'p Settings,
    /// The containers' image, where there are containers.
    pub(crate) image: Option<String>,
    /// What the job of a run needs, if it is one of a cluster.
    pub(crate) needs: Option<Needs>,
    /// What the cluster says of these jobs, if there are any.
    pub(crate) rehearsal: Option<Rehearsal>,
}

impl Printer {
    /// `run --dry-run`
    pub(crate) fn plan(&self, plan: &Plan<'_>) {
        if self.is_json() {
            self.json(&plan.object());
            return;
        }
        for line in table(&plan.rows()) {
            self.data(&line);
        }
        self.talk("\nNothing was started. All of it, for programs: --output json");
    }
}

impl Plan<'_> {
    fn object(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "dry_run": true,
            "spec": self.spec,
            "task_digest": self.loaded.digest,
            "repeat": self.repeat,
            "parallel": self.parallel,
            "runs_dir": self.settings.runs,
            "home": self.settings.home,
            "primary": self.task.primary(),
            "baseline": self.task.baseline.as_ref().map(|baseline| baseline.shown(&self.task.primary())),
            "image": self.image,
            "needs": self.needs.as_ref().map(|needs| json!({
                "cpus": needs.cpus,
                "memory_mib": needs.memory_mib,
                "gpus": needs.gpus,
                "minutes": needs.time.map(|time| time.as_secs().div_ceil(60)),
            })),
            "cluster": self.rehearsal,
            "validations": self.task.grader.validations,
            "network": { "agent": self.spec.agent_network(&self.task.network), "grader": self.task.network.grader },
        })
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let Plan { spec, task, .. } = self;
        let row = |name: &str, text: String| vec![name.to_owned(), text];
        let mut rows = vec![
            row("task", format!("{} ({})", spec.task, spec.variant)),
            row("folder", spec.task_dir.clone()),
            row("agent", agent(&spec.agent)),
        ];
        if let Some(model) = &spec.model {
            rows.push(row("model", model.clone()));
        }
        if let Some(model) = &spec.model_spec {
            rows.push(row("price", price(model)));
        }
        if let AgentSpec::Search(search) = &spec.agent
            && let Some(embedding) = &search.novelty.embedding
        {
            rows.push(row("embeddings", embeddings(embedding)));
        }
        rows.extend(limits(spec));
        let primary = task.primary();
        let arrow = match primary.direction {
            Direction::Maximize => "higher is better",
            Direction::Minimize => "lower is better",
        };
        rows.push(row("metric", format!("{} ({arrow})", primary.name)));
        if let Some(baseline) = &task.baseline {
            rows.push(row("baseline", metrics(baseline.shown(&self.task.primary()))));
        }
        rows.push(row("validations", task.grader.validations.to_string()));
        let origin = if spec.seed_given { "given" } else { "drawn: another one each time" };
        rows.push(row("seed", format!("{} ({origin})", spec.seed)));
        let runtime = match spec.runtime {
            Runtime::Local => "local: isolated",
            Runtime::Docker => "docker: isolated",
            Runtime::Host => "host: nothing is isolated",
        };
        rows.push(row("runtime", runtime.to_owned()));
        rows.push(row("executor", executor(&spec.executor)));
        if let Some(needs) = &self.needs {
            rows.push(row("a job needs", needed(needs)));
        }
        if let Some(rehearsal) = &self.rehearsal {
            rows.extend(cluster(rehearsal, matches!(spec.agent, AgentSpec::Search(_))));
        }
        if let Some(image) = &self.image {
            rows.push(row("image", image.clone()));
        }
        if let Some(gpus) = &spec.gpus {
            rows.push(row("GPUs", wanted(gpus)));
        }
        let (agent, grader) = (spec.agent_network(&task.network), task.network.grader);
        rows.push(row("network", format!("{agent} for the agent, {grader} for the grader")));
        rows.push(row("web", if spec.web { "may be searched and read" } else { "none" }.to_owned()));
        rows.push(row("runs", format!("{}, {} at a time", self.repeat, self.parallel.min(self.repeat))));
        rows.push(row("runs folder", self.settings.runs.display().to_string()));
        if let Some(data) = &spec.data_dir {
            rows.push(row("data", data.clone()));
        }
        rows
    }
}

fn executor(executor: &Executor) -> String {
    match executor {
        Executor::Local => "local: processes of this machine".to_owned(),
        Executor::Slurm(slurm) => match &slurm.partition {
            Some(partition) => format!("slurm: jobs in partition {partition}"),
            None => "slurm: jobs in the cluster's usual partition".to_owned(),
        },
    }
}

fn cluster(rehearsal: &Rehearsal, is_search: bool) -> Vec<Vec<String>> {
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let report = &rehearsal.report;
    let answers = match &report.problem {
        Some(problem) => problem.clone(),
        None => format!("Slurm {}, cluster {}, would take them", report.version, report.cluster),
    };
    let partition = match (&rehearsal.partition, report.partitions.first()) {
        (Some(partition), _) => partition.clone(),
        (None, Some(usual)) => format!("{usual}, the cluster's default"),
        (None, None) => "the cluster's default".to_owned(),
    };
    let jobs: usize = rehearsal.arrays.iter().sum();
    let jobs = match (is_search, rehearsal.arrays.as_slice()) {
        (true, _) => format!("one for each evaluation, {jobs} at once at most"),
        (false, [_] | []) => counted(jobs as u64, "job"),
        (false, arrays) => format!("{} in {} arrays", counted(jobs as u64, "job"), arrays.len()),
    };
    vec![
        row("cluster", answers),
        row("partition", partition),
        row("jobs", jobs),
        row("handed over by", format!("sbatch {}", rehearsal.options.join(" "))),
    ]
}

fn needed(needs: &Needs) -> String {
    let gpus = if needs.gpus > 0 { format!(", {}", counted(needs.gpus, "GPU")) } else { String::new() };
    let time = match needs.time {
        Some(time) => format!("{} at most", duration(time.as_secs_f64())),
        None => "no time limit of ours".to_owned(),
    };
    format!("{}, {} MiB{gpus}, {time}", counted(u64::from(needs.cpus), "CPU"), needs.memory_mib)
}

fn agent(agent: &AgentSpec) -> String {
    let more = match agent {
        AgentSpec::Basic(basic) => with_flags(basic),
        AgentSpec::Tuner { trials, .. } => counted(*trials, "trial"),
        AgentSpec::Search(search) => searching(search),
        AgentSpec::Replay { source, .. } => format!("the actions of run {source}"),
        AgentSpec::Scripted { .. } | AgentSpec::Human | AgentSpec::External { .. } => String::new(),
    };
    if more.is_empty() { agent.name().to_owned() } else { format!("{} ({more})", agent.name()) }
}

fn searching(search: &SearchSpec) -> String {
    let operators: Vec<&str> = search.operators.0.keys().map(|operator| operator.name()).collect();
    let ideas = search.idea_model.as_ref().map(|model| format!(", ideas by {}", model.name));
    let evaluated = search.evaluation_slots.map(|slots| format!(", {slots} of them evaluated"));
    format!(
        "{} with {}, {} at once{}{}",
        search.policy.name(),
        operators.join(", "),
        counted(u64::from(search.parallel), "candidate"),
        evaluated.unwrap_or_default(),
        ideas.unwrap_or_default()
    )
}

/// What speaks against candidates and ideas, and what it costs.
fn embeddings(embedding: &EmbeddingNovelty) -> String {
    let from = |what: &str, cosine: f64| match cosine < 1.0 {
        true => format!("{what} are refused from cosine {cosine} on"),
        false => format!("{what} are not embedded"),
    };
    let price = match &embedding.model.facts.price {
        Some(price) => {
            format!("${} per million tokens (from {})", usd(price.input), embedding.model.price_source)
        }
        None => "price not known".to_owned(),
    };
    let (candidates, ideas) =
        (from("candidates", embedding.similarity), from("ideas", embedding.idea_similarity));
    format!("{}, {price}; {candidates}, {ideas}", embedding.model.name)
}

fn wanted(gpus: &GpuRequest) -> String {
    match gpus {
        GpuRequest::Count(count) => format!("{count}, for each run"),
        GpuRequest::All => "all".to_owned(),
        GpuRequest::Devices(devices) => devices.join(", "),
    }
}

fn with_flags(basic: &BasicSpec) -> String {
    let flags = [
        ("iterative", basic.mode == BasicMode::Iterative),
        ("until a limit", !basic.may_end),
        ("with the task's hint", basic.idea_hint.is_some()),
    ];
    flags.into_iter().filter(|(_, holds)| *holds).map(|(words, _)| words).collect::<Vec<_>>().join(", ")
}

fn price(model: &ModelSpec) -> String {
    match &model.facts.price {
        None => "not known".to_owned(),
        Some(price) => format!(
            "${} prompt, ${} answer per million tokens (from {})",
            usd(price.input),
            usd(price.output),
            model.price_source
        ),
    }
}

fn limits(spec: &RunSpec) -> Vec<Vec<String>> {
    let limits = &spec.limits;
    let rows = [
        ("time", limits.working_ms.map(|time| duration(time as f64 / 1e3))),
        ("steps", limits.steps.map(|steps| steps.to_string())),
        ("budget", limits.budget.map(|budget| format!("{} for model calls", dollars(budget.as_usd())))),
        ("tokens", limits.tokens.map(|tokens| tokens.to_string())),
    ];
    let row = |(name, limit): (&str, Option<String>)| {
        vec![name.to_owned(), limit.unwrap_or_else(|| "unlimited".to_owned())]
    };
    rows.into_iter().map(row).collect()
}
