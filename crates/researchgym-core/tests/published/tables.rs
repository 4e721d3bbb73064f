//! The published tables.

use std::collections::BTreeMap;
use std::path::Path;

use researchgym_core::record::RunRecord;
use researchgym_core::statistics::across::{BASELINE, ProfileRow};
use researchgym_core::statistics::published::Areas;
use researchgym_core::statistics::rank::Ranks;
use researchgym_core::statistics::sample::rounded;
use researchgym_core::statistics::{Analysis, Kind};

use super::{MODELS, analysed, archive};

/// What the tables call the tasks.
const TASKS: [(&str, &str); 13] = [
    ("House Price", "regressionKaggleHousePrice"),
    ("3-SAT", "3SATTime"),
    ("CIFAR-10", "imageClassificationCifar10"),
    ("Fashion MNIST", "imageClassificationFMnist"),
    ("MS-COCO", "imageCaptioningCOCO"),
    ("Language Modeling", "languageModelingFineWeb"),
    ("MNLI", "naturalLanguageInferenceMNLI"),
    ("Battle of Sexes", "battleOfSexes"),
    ("Prisoners Dilemma", "prisonersDilemma"),
    ("Blotto", "blotto"),
    ("Breakout", "rlBreakoutMinAtar"),
    ("Meta Maze", "rlMetaMazeMisc"),
    ("Mountain Car Continuous", "rlMountainCarContinuous"),
];

#[test]
fn published_tables_come_out_equal() {
    let Some(data) = archive::data() else { return };
    let all = archive::records(&archive::unpacked(&data), false);
    assert_eq!(all.len(), 676);
    let published =
        |record: &&RunRecord| record.model.as_deref().is_some_and(|model| MODELS.contains(&model));
    let records: Vec<RunRecord> = all.iter().filter(published).cloned().collect();
    let analysis = analysed(&records, 0);
    assert_eq!((records.len(), analysis.contenders.len(), analysis.tasks.len()), (624, 12, 13));
    assert_eq!(areas(&analysis), table(&data, "aup_scores_aggregate_results.csv"));
    for (kind, name) in [(Kind::Best, "best"), (Kind::Submission, "last")] {
        let expected = table(&data, &format!("{name}_scores_aggregate_results.csv"));
        assert_eq!(expected.len(), 13 * 13);
        let differing: Vec<_> =
            scores(&analysis, kind).into_iter().filter(|(at, value)| expected[at] != *value).collect();
        assert_eq!(differing, [], "{name}");
        ranks(&analysis, kind, &data.join(format!("tables/{name}_ranks_aggregate_results.csv")));
    }
    assert_eq!(analysis.published.left_out, [""; 0]);
    let warning = "20 of 48 runs on rlMountainCarContinuous have no baseline with Reward Mean: 33.79";
    assert!(analysis.warnings.iter().any(|told| told.starts_with(warning)), "{:#?}", analysis.warnings);
    independent_of_order(&records, &analysis);
}

/// Cells of a table by row and column; empty ones are `None`.
fn table(data: &Path, name: &str) -> BTreeMap<(String, String), Option<f64>> {
    let text = std::fs::read_to_string(data.join("tables").join(name)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<&str>>());
    let heads = lines.next().unwrap();
    let cells = lines.flat_map(|line| {
        let row = line[0].to_owned();
        let cells = heads[1..].iter().zip(line[1..].to_vec()).map(move |(head, cell)| {
            let value = (!cell.is_empty()).then(|| cell.parse::<f64>().unwrap());
            ((row.clone(), (*head).to_owned()), value)
        });
        cells.collect::<Vec<((String, String), Option<f64>)>>()
    });
    cells.collect()
}

fn areas(analysis: &Analysis) -> BTreeMap<(String, String), Option<f64>> {
    let rows = |rows: &[ProfileRow], column: &str| -> Vec<((String, String), Option<f64>)> {
        let cell =
            |row: &ProfileRow| ((row.contender.clone(), column.to_owned()), row.area.map(Areas::shown));
        rows.iter().map(cell).collect()
    };
    let (best, last) =
        (rows(&analysis.published.best, "Best AUP"), rows(&analysis.published.submission, "Last AUP"));
    best.into_iter().chain(last).collect()
}

fn scores(analysis: &Analysis, kind: Kind) -> BTreeMap<(String, String), Option<f64>> {
    let mut scores = BTreeMap::new();
    for (name, id) in TASKS {
        let task = analysis.tasks.iter().find(|task| task.label == id).unwrap();
        // Scores of models are NumPy's numbers there and round as such, those of the baseline Python's: 0.7835 becomes 0.783.
        let in_python = |value: f64| format!("{value:.3}").parse::<f64>().unwrap();
        scores.insert((name.to_owned(), BASELINE.to_owned()), task.baseline.map(in_python));
    }
    for cell in &analysis.cells {
        let (name, _) = TASKS.iter().find(|(_, id)| *id == cell.task).unwrap();
        let value = match kind {
            Kind::Best => cell.best.at_k,
            Kind::Submission => cell.submission.at_k,
        };
        scores.insert(((*name).to_owned(), cell.contender.clone()), value.map(|value| rounded(value, 3)));
    }
    scores
}

/// The scored part of each row is equal; behind it the published order is arbitrary, and only who is there is compared. The
/// points of those with a score on every task do not depend on it.
fn ranks(analysis: &Analysis, kind: Kind, file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let ranks: &Ranks = analysis.ranks.get(kind);
    let mut compared = 0;
    for line in text.lines().skip(1) {
        let (name, order) = line.split_once(',').unwrap();
        let order: Vec<&str> = order.split(',').collect();
        let Some((_, id)) = TASKS.iter().find(|(task, _)| *task == name) else { continue };
        let ours = ranks.tasks.iter().find(|task| task.task == *id).unwrap();
        let (scored, rest) = order.split_at(ours.scored.len());
        assert_eq!(scored, ours.scored, "{name}");
        let sorted = |names: &mut Vec<String>| names.sort();
        let (mut theirs, mut unscored): (Vec<String>, Vec<String>) =
            (rest.iter().map(|name| (*name).to_owned()).collect(), ours.unscored.clone());
        sorted(&mut theirs);
        sorted(&mut unscored);
        assert_eq!(theirs, unscored, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 13);
}

fn independent_of_order(records: &[RunRecord], analysis: &Analysis) {
    let mut reversed = records.to_vec();
    reversed.reverse();
    assert_eq!(&analysed(&reversed, 0), analysis);
}
