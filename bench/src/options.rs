//! The command line: a measurement's name and `--key value` pairs.

use std::collections::BTreeMap;

/// All measurements.
pub(crate) const NAMES: &str = "step, start, concurrent, docker, grading, cold, cheats, gateway, network, agent, chaos, audit, snapshot, inspect, import, store, search, search-scale, shoot-out, problems, patches, slurm";

pub(crate) const USAGE: &str = "\
usage: cargo run --release -p researchgym-bench -- NAME [--key value ..]
  step        [--steps 10000]
  start       [--starts 200] [--open 200,1000] [--at-a-time 4]
  concurrent  [--runs 256] [--steps 20] [--think-ms 200] [--at-a-time 8]
  docker      --image NAME [--starts 20] [--steps 500]
  grading     [--repeats 5] [--tasks blotto,three-sat,..] [--data-dir DIR]
  cold        [--starts 50] [--build yes]
  cheats      [--results DIR]
  gateway     [--connections 1,32,500] [--seconds 2] [--rounds 3] [--litellm COMMAND]
  network     [--requests 200] [--mib 256] [--rounds 5] [--tinyproxy COMMAND]
  agent       [--turns 1000] [--agents 256] [--agents-turns 20] [--delay-ms 200] [--at-a-time 8]
  chaos       [--cycles 100] [--seed 1] [--tasks blotto,..] [--runtimes local,host] [--faults kill-guest,..] [--program FILE]
  audit       [--repeats 20] [--leftovers 1000] [--runs 1000]
  snapshot    [--files 100000] [--megabytes 1000] [--repeats 5]
  inspect     [--mlgym DIR | --runs DIR]
  import      [--program FILE]
  store       [--runs 10000] [--events 200] [--long 300000]
  search      [--candidates 2000] [--isolated 500] [--slots 1,4] [--policies islands,..] [--openevolve PYTHON]
  search-scale [--nodes 100000] [--policies islands,..] [--resume yes|no]
  shoot-out   --out DIR [--seeds 5] [--parallel 1] [--only NAME,..] [--program FILE]
  problems    [--quick yes] [--only NAME,..] [--tasks-dir DIR]
  patches     [--quick yes] [--repeats 20]
  slurm       [--trials 48] [--slots 8] [--queued 1000] [--again 200] [--program FILE]";

/// What is to be measured and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) name: String,
    values: BTreeMap<String, String>,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut words = words;
        let name = words.next().filter(|word| !word.starts_with('-')).ok_or("what is to be measured?")?;
        let known: &[&str] = match name.as_str() {
            "step" => &["steps"],
            "start" => &["starts", "open", "at-a-time"],
            "concurrent" => &["runs", "steps", "think-ms", "at-a-time"],
            "docker" => &["image", "starts", "steps"],
            "grading" => &["repeats", "tasks", "data-dir"],
            "cold" => &["starts", "build"],
            "cheats" => &["results"],
            "gateway" => &["connections", "seconds", "rounds", "litellm"],
            "network" => &["requests", "mib", "rounds", "tinyproxy"],
            "agent" => &["turns", "agents", "agents-turns", "delay-ms", "at-a-time"],
            "chaos" => &["cycles", "seed", "tasks", "runtimes", "faults", "program"],
            "audit" => &["repeats", "leftovers", "runs"],
            "snapshot" => &["files", "megabytes", "repeats"],
            "inspect" => &["mlgym", "runs"],
            "import" => &["program"],
            "store" => &["runs", "events", "long"],
            "search" => &["candidates", "isolated", "slots", "policies", "openevolve"],
            "search-scale" => &["nodes", "policies", "resume"],
            "search-again" => &["folder", "what"],
            "shoot-out" => &["out", "seeds", "parallel", "only", "program"],
            "problems" => &["quick", "only", "tasks-dir"],
            "slurm" => &["trials", "slots", "queued", "again", "program"],
            "patches" => &["quick", "repeats"],
            "mock" => &["turns", "delay-ms"],
            _ => return Err(format!("there is no measurement `{name}`; known are {NAMES}")),
        };
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let key = word.strip_prefix("--").filter(|key| known.contains(key));
            let key = key.ok_or_else(|| format!("{name} has no option `{word}`"))?;
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            values.insert(key.to_owned(), value);
        }
        Ok(Options { name, values })
    }

    /// A text, if it was given.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &str, default: usize) -> Result<usize, String> {
        match self.text(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{key} {text}: not a whole number")),
        }
    }

    /// Texts with commas between them, if they were given.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        self.text(key).map(|text| text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect())
    }

    /// Whether something is asked for.
    pub(crate) fn is_on(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.text(key) {
            None => Ok(default),
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            Some(other) => Err(format!("--{key} {other}: yes or no")),
        }
    }

    /// Whole numbers with commas between them.
    pub(crate) fn numbers(&self, key: &str, default: &[usize]) -> Result<Vec<usize>, String> {
        match self.text(key) {
            None => Ok(default.to_vec()),
            Some(text) => text
                .split(',')
                .map(|number| {
                    number.parse().map_err(|_| format!("--{key} {text}: `{number}` is not a whole number"))
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_given_is_used_and_the_rest_has_defaults() {
        let options = read("start --open 5,6 --starts 7").expect("all known");
        assert_eq!(options.name, "start");
        assert_eq!(options.numbers("open", &[1]), Ok(vec![5, 6]));
        assert_eq!(options.number("starts", 200), Ok(7));
        assert_eq!(options.number("at-a-time", 4), Ok(4));
        let options = read("shoot-out --out here --only cap-set,climb").expect("all known");
        assert_eq!((options.text("out"), options.text("program")), (Some("here"), None));
        assert_eq!(options.texts("only"), Some(vec!["cap-set", "climb"]));
        assert_eq!(read("problems --quick yes").map(|options| options.is_on("quick", false)), Ok(Ok(true)));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let problem = |line: &str| read(line).err();
        assert_eq!(problem("step --runs 5").as_deref(), Some("step has no option `--runs`"));
        assert_eq!(problem("step --steps").as_deref(), Some("`--steps` needs a value"));
        assert_eq!(problem("stop"), Some(format!("there is no measurement `stop`; known are {NAMES}")));
        assert_eq!(
            read("step --steps x").map(|options| options.number("steps", 1)).ok(),
            Some(Err("--steps x: not a whole number".into()))
        );
    }
}
