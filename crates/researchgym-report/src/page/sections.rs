//! The sections of a page, in the order in which a reader needs them.

use researchgym_core::record::RunRecord;
use researchgym_core::statistics::Analysis;

use super::model::{Block, Picture, Section, Table};
use super::{ideas, searches, tables, words};
use crate::figure::{Atlas, Cast, Figure, plain};
use crate::search::SearchTree;

/// The most ideas that a page shows without being asked.
const MOST_OPEN: usize = 60;

/// What sections are made of.
pub(super) struct Matter<'a> {
    pub(super) analysis: &'a Analysis,
    /// The same without flagged runs, if there are any.
    pub(super) without_flagged: Option<&'a Analysis>,
    pub(super) records: &'a [RunRecord],
    /// Searches node by node.
    pub(super) trees: &'a [SearchTree],
    pub(super) atlas: &'a Atlas,
}

impl Matter<'_> {
    /// All sections.
    pub(super) fn sections(&self) -> Vec<Section> {
        let cast = Cast::of(self.analysis);
        let name = |contender: &str| cast.name(contender);
        let mut sections =
            vec![self.leaderboard(), self.compared(), self.results(), self.cost(), self.progress()];
        sections.extend(self.searches());
        sections.extend([self.tasks(&name), self.conduct(), self.integrity(&name), self.runs(&name)]);
        sections
    }

    /// What searches were, if there are any.
    fn searches(&self) -> Option<Section> {
        let table = searches::searches(self.analysis, self.records);
        if table.rows.is_empty() {
            return None;
        }
        let of = |prefix: &str| {
            let is_own = |figure: &&Figure| figure.id.starts_with(prefix);
            self.atlas.figures.iter().filter(is_own).map(Picture::of).collect::<Vec<_>>()
        };
        let progress = Block { figures: of("search-best-"), ..Block::default() };
        let conduct = self.figures(&["search-operators", "search-failures"]);
        let trees = Block {
            words: "Of each policy on each task, the run with the best candidate.".to_owned(),
            figures: ["search-tree-", "search-niches-", "search-islands-"].into_iter().flat_map(of).collect(),
            ..Block::default()
        };
        let trials = Block {
            words: "What programs told of themselves while they were evaluated.".to_owned(),
            figures: of("search-trials-"),
            ..Block::default()
        };
        let mut blocks = vec![tabled(table), progress, conduct];
        if !trees.figures.is_empty() {
            blocks.push(trees);
        }
        if !trials.figures.is_empty() {
            blocks.push(trials);
        }
        for tree in self.trees.iter().filter(|tree| !tree.ideas.is_empty()) {
            let run = format!("Run {}", tree.run_id);
            let epochs = Block { title: format!("{run}: epochs"), ..tabled(ideas::epochs(tree)) };
            let became =
                Block { title: format!("{run}: what became of each idea"), ..tabled(ideas::ideas(tree)) };
            blocks.extend([epochs, Block { is_folded: tree.ideas.len() > MOST_OPEN, ..became }]);
        }
        Some(Section { id: "searches", title: "Searches", blocks, ..Section::default() })
    }

    fn figure(&self, id: &str) -> Option<Picture> {
        self.atlas.figures.iter().find(|figure| figure.id == id).map(Picture::of)
    }

    fn figures(&self, ids: &[&str]) -> Block {
        Block { figures: ids.iter().filter_map(|id| self.figure(id)).collect(), ..Block::default() }
    }

    /// The first section, which also stands alone.
    pub(super) fn leaderboard(&self) -> Section {
        let mut table = tables::leaderboard(self.analysis);
        table.note = format!(
            "Average score: 0 is the baseline, 1 ten times better, −1 ten times worse or no score. In brackets: {} intervals. Runtime and cost: the mean of a run.",
            tables::confidence(self.analysis)
        );
        Section {
            id: "leaderboard",
            title: "Leaderboard",
            blocks: vec![tabled(table), self.figures(&["average-improvement"])],
            ..Section::default()
        }
    }

    fn compared(&self) -> Section {
        let mut blocks = vec![tabled(tables::tasks(self.analysis))];
        let mut left_out = tabled(tables::left_out(self.analysis));
        left_out.title = "What was left out".to_owned();
        left_out.words = words::left_out(self.analysis);
        left_out.is_folded = true;
        blocks.push(left_out);
        let untaken: Vec<String> =
            words::not_taken_over(self.records).iter().map(|line| plain(line)).collect();
        if !untaken.is_empty() {
            blocks.push(Block {
                words: "Of sources, this could not be taken over:".to_owned(),
                list: untaken,
                ..Block::default()
            });
        }
        let profiles: Vec<String> = self
            .analysis
            .published
            .left_out
            .iter()
            .chain(&self.analysis.comparable.left_out)
            .map(|line| plain(line))
            .collect();
        if !profiles.is_empty() {
            blocks.push(Block {
                words: "Tasks that do not count in profiles:".to_owned(),
                list: profiles,
                ..Block::default()
            });
        }
        if !self.atlas.absent.is_empty() {
            let list = self.atlas.absent.iter().map(|line| plain(line)).collect();
            blocks.push(Block {
                words: "Figures that there is no data for:".to_owned(),
                list,
                ..Block::default()
            });
        }
        Section { id: "compared", title: "What was compared", blocks, ..Section::default() }
    }

    fn results(&self) -> Section {
        let ids = [
            "profiles-best",
            "profiles-submission",
            "profiles-comparable",
            "mean-ranks",
            "improvement-pairs",
            "scores",
        ];
        Section {
            id: "results",
            title: "Results across tasks",
            blocks: vec![self.figures(&ids)],
            ..Section::default()
        }
    }

    fn cost(&self) -> Section {
        let block = self.figures(&["area-cost", "improvement-cost", "area-time"]);
        Section { id: "cost", title: "Cost and time", words: self.or_none(&block), blocks: vec![block] }
    }

    fn progress(&self) -> Section {
        let block = self.figures(&[
            "best-so-far-steps",
            "best-so-far-time",
            "best-so-far-money",
            "best-so-far-tasks",
        ]);
        Section {
            id: "progress",
            title: "Progress within runs",
            words: self.or_none(&block),
            blocks: vec![block],
        }
    }

    fn or_none(&self, block: &Block) -> String {
        if block.figures.is_empty() {
            "Nothing of this is known of these runs.".to_owned()
        } else {
            String::new()
        }
    }

    fn tasks(&self, name: &dyn Fn(&str) -> String) -> Section {
        let of_task = |(number, task): (usize, &researchgym_core::statistics::tasks::Task)| {
            let prefix = format!("score-{:02}", number + 1);
            let is_own = |figure: &&Figure| figure.id.starts_with(&prefix);
            Block {
                title: format!("{} · {}", plain(&task.label), crate::figure::metric(task.primary.as_ref())),
                table: Some(tables::task(self.analysis, number + 1, task, name)),
                figures: self.atlas.figures.iter().filter(is_own).map(Picture::of).collect(),
                ..Block::default()
            }
        };
        let blocks = self.analysis.tasks.iter().enumerate().map(of_task).collect();
        Section { id: "tasks", title: "Task by task", blocks, ..Section::default() }
    }

    fn conduct(&self) -> Section {
        let ids = [
            "endings-by-contender",
            "endings-by-task",
            "exit-categories",
            "failed-by-contender",
            "failed-by-task",
            "actions",
            "actions-by-contender",
            "actions-by-task",
            "actions-by-step",
            "time-by-contender",
            "edits",
        ];
        Section {
            id: "conduct",
            title: "What runs did and how they ended",
            blocks: vec![self.figures(&ids)],
            ..Section::default()
        }
    }

    fn integrity(&self, name: &dyn Fn(&str) -> String) -> Section {
        let integrity = &self.analysis.integrity;
        let mut blocks = Vec::new();
        let words = match (integrity.flagged.len(), integrity.findings.len()) {
            (0, 0) => "Nothing was found that speaks against a score. Foreign runs are checked only as far as their sources tell what was done.".to_owned(),
            (0, _) => "No run is flagged: what was found does not make a score unusable.".to_owned(),
            (1, _) => format!("Of {} runs, one is flagged: something was found that makes its scores unusable.", self.analysis.runs.len()),
            (count, _) => format!("Of {} runs, {count} are flagged: something was found that makes their scores unusable.", self.analysis.runs.len()),
        };
        blocks.push(tabled(tables::findings(self.analysis)));
        if let Some(without) = self.without_flagged {
            let mut block = tabled(tables::with_and_without(self.analysis, without, name));
            block.title = "With and without the flagged runs".to_owned();
            blocks.push(block);
        }
        blocks.push(self.figures(&["flagged"]));
        if !integrity.flagged.is_empty() {
            let mut block = tabled(tables::flagged(self.analysis, name));
            block.title = "Flagged runs".to_owned();
            block.is_folded = integrity.flagged.len() > 30;
            blocks.push(block);
        }
        let mut hangs_on = tabled(tables::influence(self.analysis, name));
        hangs_on.title = "What AUP hangs on".to_owned();
        hangs_on.words =
            "Single runs without which some contender's AUP would be another, the largest change first."
                .to_owned();
        hangs_on.figures = self.figure("influence-tasks").into_iter().collect();
        if hangs_on.table.as_ref().is_some_and(|table| !table.rows.is_empty()) || !hangs_on.figures.is_empty()
        {
            blocks.push(hangs_on);
        }
        Section { id: "integrity", title: "Integrity", words, blocks }
    }

    fn runs(&self, name: &dyn Fn(&str) -> String) -> Section {
        let mut block = tabled(tables::runs(self.analysis, name));
        block.is_folded = true;
        Section { id: "runs", title: "All runs", blocks: vec![block], ..Section::default() }
    }
}

fn tabled(table: Table) -> Block {
    let table = (!table.rows.is_empty()).then_some(table);
    Block { table, ..Block::default() }
}
