//! Which files belong together: names in, units out. Contents are looked at later, and nothing here touches a disk.
//!
//! A unit is what one parser reads at once: a run folder of MLGym, a run folder of ResearchGym, a log.

use std::collections::{BTreeMap, BTreeSet};

use researchgym_core::import::{ideas, researchgym_seed};

use super::Program;

/// Where a trial of Harbor's has its trajectory.
pub(super) const TRAJECTORY: &str = "agent/trajectory.json";

/// A file of a folder or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// From the folder or archive on, with `/` between the parts.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// Files that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Whose files they are, if their names tell; else their content does.
    pub program: Option<Program>,
    /// The folder or file that they are, from the folder or archive on; empty if it is the whole.
    pub root: String,
    /// What tells it from others: a run folder's name.
    pub name: String,
    /// Which files: the name that the parser knows them by, and their place in the list.
    pub files: Vec<(String, usize)>,
}

/// A list of files, grouped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Grouped {
    /// In the order of their roots.
    pub units: Vec<Unit>,
    /// Folders of runs of this program's own.
    pub ours: Vec<String>,
    /// Files that belong to no unit.
    pub left_alone: u64,
}

/// Groups files. `whole` is what the folder or archive is called; `only` the program that the user named.
pub(super) fn group(files: &[Named], whole: &str, only: Option<Program>) -> Grouped {
    let mut folders: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        folders.entry(folder).or_default().push((name, index));
    }
    let mut grouping = Grouping { files, whole, only, grouped: Grouped::default(), taken: BTreeSet::new() };
    grouping.ours(&folders);
    grouping.run_folders(&folders);
    grouping.checkpoints(&folders);
    grouping.trials();
    for (folder, names) in &folders {
        grouping.mlgym(folder, names);
    }
    grouping.ideas();
    grouping.single_files();
    let Grouping { mut grouped, taken, .. } = grouping;
    grouped.left_alone = (files.len() - taken.len()) as u64;
    grouped.units.sort_by(|one, other| one.root.cmp(&other.root));
    grouped
}

struct Grouping<'f> {
    files: &'f [Named],
    whole: &'f str,
    only: Option<Program>,
    grouped: Grouped,
    taken: BTreeSet<usize>,
}

type Folders<'f> = BTreeMap<&'f str, Vec<(&'f str, usize)>>;

impl Grouping<'_> {
    fn wants(&self, program: Program) -> bool {
        self.only.is_none_or(|only| only == program)
    }

    /// The last part of a folder's path.
    fn name(&self, root: &str) -> String {
        match root.rsplit('/').next() {
            Some("") | None => self.whole.to_owned(),
            Some(name) => name.to_owned(),
        }
    }

    /// Files below a folder that nobody has taken, by their names from it on.
    fn below(&self, root: &str) -> Vec<(String, usize)> {
        let inside = |path: &str| match root {
            "" => Some(path.to_owned()),
            root => path.strip_prefix(root)?.strip_prefix('/').map(str::to_owned),
        };
        let free = self.files.iter().enumerate().filter(|(index, _)| !self.taken.contains(index));
        free.filter_map(|(index, file)| Some((inside(&file.path)?, index))).collect()
    }

    fn take(&mut self, program: Option<Program>, root: &str, files: Vec<(String, usize)>) {
        self.taken.extend(files.iter().map(|(_, index)| *index));
        let name = self.name(root);
        self.grouped.units.push(Unit { program, root: root.to_owned(), name, files });
    }

    fn ours(&mut self, folders: &Folders) {
        for (folder, names) in folders {
            let is_ours = names.iter().any(|(name, _)| matches!(*name, "events.jsonl" | "imported.jsonl"));
            if is_ours {
                let inside = self.below(folder);
                self.taken.extend(inside.iter().map(|(_, index)| *index));
                self.grouped.ours.push((*folder).to_owned());
            }
        }
    }

    /// Run folders of ResearchGym: files that its parser knows are kept, the workspace is not.
    fn run_folders(&mut self, folders: &Folders) {
        if !self.wants(Program::ResearchgymSeed) {
            return;
        }
        for (folder, names) in folders {
            let has = |wanted: &str| names.iter().any(|(name, _)| *name == wanted);
            let logs = if folder.is_empty() { "logs".to_owned() } else { format!("{folder}/logs") };
            let has_logs = folders.get(logs.as_str()).is_some_and(|names| {
                names.iter().any(|(name, _)| {
                    matches!(*name, "transcript.json" | "codex_output.jsonl" | "cost_summary.json")
                })
            });
            let is_run = (has("metadata.json") && has("status.json"))
                || has_logs
                || (has("metadata.json") || self.only.is_some()) && has("transcript.json");
            if !is_run {
                continue;
            }
            let inside = self.below(folder);
            let (kept, rest): (Vec<_>, Vec<_>) =
                inside.into_iter().partition(|(name, _)| researchgym_seed::is_read(name));
            self.taken.extend(rest.iter().map(|(_, index)| *index));
            if !kept.is_empty() {
                self.take(Some(Program::ResearchgymSeed), folder, kept);
            }
        }
    }

    /// The last checkpoint of each search of OpenEvolve.
    fn checkpoints(&mut self, folders: &Folders) {
        if !self.wants(Program::Openevolve) {
            return;
        }
        let mut last: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
        for (folder, names) in folders {
            let (parent, name) = folder.rsplit_once('/').unwrap_or(("", folder));
            let has_programs = folders.keys().any(|other| other.strip_prefix(folder) == Some("/programs"));
            let number = name.rsplit('_').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            if has_programs && names.iter().any(|(name, _)| *name == "metadata.json") {
                let newest = last.entry(parent).or_insert((number, folder));
                if number >= newest.0 {
                    *newest = (number, folder);
                }
            }
        }
        for (_, folder) in last.into_values() {
            let mut inside = self.below(folder);
            inside.retain(|(name, _)| name.ends_with(".json"));
            self.take(Some(Program::Openevolve), folder, inside);
            // A checkpoint's own name tells nothing.
            let is_telling = |part: &&str| !part.starts_with("checkpoint") && !part.ends_with("output");
            let name = folder.rsplit('/').find(is_telling).filter(|part| !part.is_empty());
            if let (Some(unit), Some(name)) = (self.grouped.units.last_mut(), name) {
                name.clone_into(&mut unit.name);
            }
        }
    }

    /// `results.json` and the `.traj` beside it; several `.traj` in a folder are a unit each.
    fn mlgym(&mut self, folder: &str, names: &[(&str, usize)]) {
        if !self.wants(Program::Mlgym) {
            return;
        }
        let free = |index: &usize| !self.taken.contains(index);
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<(String, usize)> {
            names
                .iter()
                .filter(|(name, index)| wanted(name) && free(index))
                .map(|(name, index)| ((*name).to_owned(), *index))
                .collect()
        };
        let results = of(&|name| name == "results.json");
        let trajectories = of(&|name| name.ends_with(".traj"));
        if trajectories.len() <= 1 {
            let both: Vec<_> = results.into_iter().chain(trajectories).collect();
            if !both.is_empty() {
                self.take(Some(Program::Mlgym), folder, both);
            }
            return;
        }
        for (name, index) in trajectories {
            let root = self.files[index].path.clone();
            self.take(Some(Program::Mlgym), &root, vec![(name, index)]);
        }
    }

    /// Trials of Harbor's: a trajectory and the results beside it.
    fn trials(&mut self) {
        if !self.wants(Program::Atif) {
            return;
        }
        let root = |path: &str| match path.strip_suffix(TRAJECTORY)? {
            "" => Some(String::new()),
            root => root.strip_suffix('/').map(str::to_owned),
        };
        let roots: Vec<String> = self.files.iter().filter_map(|file| root(&file.path)).collect();
        for root in roots {
            let mut files = self.below(&root);
            files.retain(|(name, _)| {
                matches!(
                    name.as_str(),
                    TRAJECTORY | "result.json" | "verifier/reward.json" | "verifier/reward.txt"
                )
            });
            if files.iter().any(|(name, _)| name == TRAJECTORY) {
                self.take(Some(Program::Atif), &root, files);
            }
        }
    }

    /// Searches over ideas: files whose names tell what they are, by the folder above those of epochs and ideas. Whatever else
    /// there is may be rows, if the user says that they are ideas.
    fn ideas(&mut self) {
        if !self.wants(Program::Ideas) {
            return;
        }
        let is_inner = |folder: &str| folder.contains("epoch") || folder.starts_with("idea_");
        let mut searches: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, file) in self.files.iter().enumerate().filter(|(index, _)| !self.taken.contains(index)) {
            let is_row = |path: &str| path.ends_with(".json") || path.ends_with(".jsonl");
            let mut root = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            match ideas::File::of(&file.path) {
                Some(_) => {
                    while is_inner(root.rsplit('/').next().unwrap_or_default()) {
                        root = root.rsplit_once('/').map_or("", |(folder, _)| folder);
                    }
                    searches.entry(root.to_owned()).or_default().push(index);
                }
                None if self.only == Some(Program::Ideas) && is_row(&file.path) => {
                    searches.entry(file.path.clone()).or_default().push(index);
                }
                None => {}
            }
        }
        for (root, indices) in searches {
            // Diffs and metrics alone are anybody's.
            let is_search = self.only.is_some()
                || indices.iter().any(|index| {
                    !matches!(
                        ideas::File::of(&self.files[*index].path),
                        Some(ideas::File::Diff { .. } | ideas::File::Metrics { .. })
                    )
                });
            if is_search {
                let inside =
                    |path: &str| path.strip_prefix(&root).unwrap_or(path).trim_start_matches('/').to_owned();
                let files =
                    indices.into_iter().map(|index| (inside(&self.files[index].path), index)).collect();
                self.take(Some(Program::Ideas), &root, files);
            }
        }
    }

    /// Logs that are one file. What a `.json` is, its content tells.
    fn single_files(&mut self) {
        for index in 0..self.files.len() {
            let path = self.files[index].path.clone();
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let extension = name.rsplit_once('.').map(|(_, extension)| extension);
            let program = match extension {
                Some("eval") => Some(Program::Inspect),
                Some("json") => self.only,
                _ => continue,
            };
            let is_wanted = match program {
                Some(program @ (Program::Inspect | Program::Atif)) => self.wants(program),
                Some(_) => false,
                None => true,
            };
            if is_wanted && !self.taken.contains(&index) {
                self.take(program, &path, vec![(name, index)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Program, root, name and files of a unit.
    type Flat = (Option<Program>, String, String, Vec<String>);

    fn grouped(paths: &[&str], only: Option<Program>) -> (Vec<Flat>, Vec<String>, u64) {
        let files: Vec<Named> =
            paths.iter().map(|path| Named { path: (*path).to_owned(), bytes: 1 }).collect();
        let Grouped { units, ours, left_alone } = group(&files, "whole", only);
        let units = units
            .into_iter()
            .map(|unit| {
                (unit.program, unit.root, unit.name, unit.files.into_iter().map(|(name, _)| name).collect())
            })
            .collect();
        (units, ours, left_alone)
    }

    fn unit(
        program: Option<Program>,
        root: &str,
        name: &str,
        files: &[&str],
    ) -> (Option<Program>, String, String, Vec<String>) {
        (program, root.to_owned(), name.to_owned(), files.iter().map(|file| (*file).to_owned()).collect())
    }

    #[test]
    fn folders_of_mlgym_are_units() {
        let paths = [
            "b/x__t__d/t.traj",
            "b/x__t__d/results.json",
            "b/x__t__d/args.yaml",
            "c/one.traj",
            "c/two.traj",
            "results.json",
        ];
        let (units, ours, left) = grouped(&paths, None);
        assert_eq!(
            units,
            [
                unit(Some(Program::Mlgym), "", "whole", &["results.json"]),
                unit(Some(Program::Mlgym), "b/x__t__d", "x__t__d", &["results.json", "t.traj"]),
                unit(Some(Program::Mlgym), "c/one.traj", "one.traj", &["one.traj"]),
                unit(Some(Program::Mlgym), "c/two.traj", "two.traj", &["two.traj"]),
            ]
        );
        assert_eq!((ours.len(), left), (0, 1));
    }

    #[test]
    fn run_folders_are_told_from_our_own() {
        let paths = [
            "r/1/metadata.json",
            "r/1/status.json",
            "r/1/logs/codex_output.jsonl",
            "r/1/workspace/input/results.json",
            "r/2/metadata.json",
            "r/2/status.json",
            "r/2/events.jsonl",
            "r/3/imported.jsonl",
        ];
        let (units, ours, left) = grouped(&paths, None);
        assert_eq!(
            units,
            [unit(
                Some(Program::ResearchgymSeed),
                "r/1",
                "1",
                &["metadata.json", "status.json", "logs/codex_output.jsonl"]
            )]
        );
        assert_eq!((ours, left), (vec!["r/2".to_owned(), "r/3".to_owned()], 0));
    }

    #[test]
    fn logs_are_files_and_the_last_checkpoint_counts() {
        let paths = [
            "a.eval",
            "b.json",
            "o/checkpoint_9/metadata.json",
            "o/checkpoint_9/programs/x.json",
            "o/checkpoint_10/metadata.json",
            "o/checkpoint_10/programs/y.json",
            "readme.md",
        ];
        let (units, _, left) = grouped(&paths, None);
        assert_eq!(units[0], unit(Some(Program::Inspect), "a.eval", "a.eval", &["a.eval"]));
        assert_eq!(units[1], unit(None, "b.json", "b.json", &["b.json"]));
        assert!(units.contains(&unit(
            Some(Program::Openevolve),
            "o/checkpoint_10",
            "o",
            &["metadata.json", "programs/y.json"]
        )));
        assert!(left >= 1);
        assert_eq!(grouped(&paths, Some(Program::Mlgym)).0, []);
        assert_eq!(grouped(&["b.json"], Some(Program::Atif)).0[0].0, Some(Program::Atif));
    }
}
