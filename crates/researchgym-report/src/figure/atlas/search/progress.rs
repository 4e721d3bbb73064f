//! How the best candidate grows with evaluations, money and time.

use researchgym_core::record::RunRecord;
use researchgym_core::search::Moment;
use researchgym_core::statistics::sample::{median, quantile, sorted};

use super::super::super::csv::{Csv, Value};
use super::super::super::frame::Axis;
use super::super::super::scale::{self, Scale};
use super::super::super::{Figure, curves};
use super::super::{Drawn, font, metric};
use super::{Run, Searches};
use crate::search::contender;

/// What is spent.
#[derive(Clone, Copy)]
struct Spending {
    /// Its name in titles and files.
    name: &'static str,
    /// The title of the axis.
    across: &'static str,
    /// How much had been spent at a moment.
    at: fn(&Moment) -> f64,
    /// How much was spent in all.
    end: fn(&Run<'_>) -> Option<f64>,
}

/// The part of what was spent that counts as the first steps.
const EARLY: f64 = 0.03;

const SPENDINGS: [Spending; 3] = [
    Spending {
        name: "evaluations",
        across: "evaluations",
        at: |moment| moment.evaluations as f64,
        end: |run| Some(run.search.evaluations as f64),
    },
    Spending {
        name: "money",
        across: "dollars spent by a run",
        at: |moment| moment.cost.as_usd(),
        end: |run| run.record.usage.cost.map(|cost| cost.as_usd()),
    },
    Spending {
        name: "time",
        across: "minutes of working time",
        at: |moment| moment.working_ms as f64 / 60_000.0,
        end: |run| run.record.usage.working_ms.map(|ms| ms as f64 / 60_000.0),
    },
];

pub(super) fn figures(searches: &Searches<'_>) -> Vec<Drawn> {
    SPENDINGS.iter().map(|spending| figure(searches, spending)).collect()
}

/// The curve of a contender on a task.
struct Course {
    name: String,
    runs: usize,
    points: Vec<(f64, f64)>,
    /// Place, lower and upper quartile; empty for fewer than three runs.
    band: Vec<(f64, f64, f64)>,
}

fn figure(searches: &Searches<'_>, spending: &Spending) -> Drawn {
    let Spending { name, across, .. } = spending;
    let has_spent = searches.runs().any(|run| (spending.end)(run).is_some_and(|end| end > 0.0));
    if !has_spent {
        return Err(format!("best candidate so far against {name}: none was spent"));
    }
    let mut csv =
        Csv::new(&["task", "contender", "runs", "spent", "best", "lower_quartile", "upper_quartile"]);
    let mut panels = Vec::new();
    for (task, runs) in &searches.tasks {
        // Where nothing was spent there is nothing to draw against.
        let is_spent = |run: &Run<'_>| (spending.end)(run).is_some_and(|end| end > 0.0);
        let runs: Vec<Run<'_>> = runs.iter().copied().filter(is_spent).collect();
        let runs = runs.as_slice();
        let courses = courses(searches, runs, spending);
        for course in &courses {
            for (number, (spent, best)) in course.points.iter().enumerate() {
                let band = course.band.get(number);
                csv.line([
                    Value::Text(task),
                    Value::Text(&course.name),
                    Value::Count(course.runs as u64),
                    Value::Number(Some(*spent)),
                    Value::Number(Some(*best)),
                    Value::Number(band.map(|band| band.1)),
                    Value::Number(band.map(|band| band.2)),
                ]);
            }
        }
        panels.extend(panel(searches, task, runs, courses, across));
    }
    let scene = match panels.as_slice() {
        [] => return Err(format!("best candidate so far against {name}: none was measured")),
        [panel] => {
            let panel = curves::Panel { title: String::new(), ..panel.clone() };
            curves::single(&panel, (panel.curves.len() as f64 * 10.0 + 90.0).max(230.0))
        }
        several if several.len() > 6 => curves::grid(several, 4, 78.0),
        several => curves::grid(several, 2, 120.0),
    };
    let caption = "The value of the best candidate after so much, by the primary metric: the mean of its measurements, so that a line may fall where a \
                   candidate was measured again. Several runs of one policy: their median, from where all of them had a value, and between their quartiles \
                   a band if there are three or more. Runs that ended keep their value. Where the first steps brought most, they lie beyond the axis. Dashed: \
                   the baseline.";
    Ok(Figure::new(
        &format!("search-best-{name}"),
        &format!("Best candidate so far against {name}"),
        caption,
        scene,
        csv.text(),
    ))
}

fn courses(searches: &Searches<'_>, runs: &[Run<'_>], spending: &Spending) -> Vec<Course> {
    let end = runs.iter().filter_map(|run| (spending.end)(run)).fold(0.0, f64::max);
    let of = |name: &String| {
        let own: Vec<Vec<(f64, f64)>> = runs
            .iter()
            .filter(|run| contender(run.record, run.search) == **name)
            .map(|run| {
                run.search.moments.iter().map(|moment| ((spending.at)(moment), moment.value)).collect()
            })
            .filter(|points: &Vec<(f64, f64)>| !points.is_empty())
            .collect();
        let bounds = bounds(&own, end);
        let points = bounds.iter().map(|bound| (bound.0, bound.2)).collect::<Vec<_>>();
        let band = match own.len() {
            0..3 => Vec::new(),
            _ => bounds.iter().map(|bound| (bound.0, bound.1, bound.3)).collect(),
        };
        (!points.is_empty()).then(|| Course { name: name.clone(), runs: own.len(), points, band })
    };
    searches.names.iter().filter_map(of).collect()
}

/// Place, lower quartile, median and upper quartile of lines that keep each value until the next, from where all have one.
fn bounds(lines: &[Vec<(f64, f64)>], end: f64) -> Vec<(f64, f64, f64, f64)> {
    let mut places: Vec<f64> = lines.iter().flatten().map(|point| point.0).chain([end]).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let mut next = vec![0; lines.len()];
    let mut bounds = Vec::new();
    for place in places {
        for (line, next) in lines.iter().zip(&mut next) {
            while line.get(*next).is_some_and(|point| point.0 <= place) {
                *next += 1;
            }
        }
        let values =
            lines.iter().zip(&next).filter_map(|(line, next)| Some(line.get(next.checked_sub(1)?)?.1));
        let values = sorted(values);
        if values.len() < lines.len() {
            continue;
        }
        if let (Some(lower), Some(middle), Some(upper)) =
            (quantile(&values, 0.25), median(&values), quantile(&values, 0.75))
        {
            bounds.push((place, lower, middle, upper));
        }
    }
    bounds
}

fn panel(
    searches: &Searches<'_>,
    task: &str,
    runs: &[Run<'_>],
    courses: Vec<Course>,
    across: &str,
) -> Option<curves::Panel> {
    let record: &RunRecord = runs.first()?.record;
    let baseline = record.baseline_value().or_else(|| runs.iter().find_map(|run| run.search.baseline));
    let most =
        courses.iter().filter_map(|course| course.points.last()).map(|point| point.0).fold(0.0, f64::max);
    if courses.is_empty() {
        return None;
    }
    let (low, high) = range(&courses, baseline, most);
    let curves = courses
        .into_iter()
        .map(|course| curves::Curve {
            shown: searches.shown(&course.name),
            points: course.points,
            band: course.band,
        })
        .collect();
    Some(curves::Panel {
        title: font::plain(task),
        across: Axis::new(across, Scale::between(0.0, most), 6),
        up: Axis::new(metric(record.task.primary.as_ref()), Scale::linear([low, high], 0.06), 4),
        curves,
        reference: baseline.map(|baseline| (baseline, "baseline".to_owned())),
    })
}

/// The range that is drawn. Where the first steps brought most, differences between what came after them are what a reader
/// wants to compare: then those steps may lie below it.
fn range(courses: &[Course], baseline: Option<f64>, most: f64) -> (f64, f64) {
    let all = courses.iter().flat_map(|course| {
        let bounds = course.band.iter().flat_map(|bound| [bound.1, bound.2]);
        course.points.iter().map(|point| point.1).chain(bounds)
    });
    let whole = scale::usual(&all.chain(baseline).collect::<Vec<_>>()).unwrap_or((0.0, 1.0));
    let begin = most * EARLY;
    let late = courses.iter().flat_map(|course| {
        let first = course.points.iter().rposition(|point| point.0 <= begin).unwrap_or(0);
        course.points[first..].iter().map(|point| point.1)
    });
    match scale::usual(&late.collect::<Vec<_>>()) {
        Some((low, high)) if high > low && (high - low) * 4.0 < whole.1 - whole.0 => (low, high),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_steps_brought_may_lie_outside() {
        let course = |points: &[(f64, f64)]| Course {
            name: "islands".into(),
            runs: 1,
            points: points.to_vec(),
            band: Vec::new(),
        };
        let steep = [course(&[(1.0, 0.5), (2.0, 2.61), (60.0, 2.63), (100.0, 2.63)])];
        assert_eq!(range(&steep, Some(0.5), 100.0), (2.61, 2.63));
        let even = [course(&[(1.0, 0.5), (2.0, 1.0), (60.0, 2.0), (100.0, 2.0)])];
        assert_eq!(range(&even, Some(0.5), 100.0), (0.5, 2.0));
        let flat = [course(&[(1.0, 0.5), (2.0, 2.0), (100.0, 2.0)])];
        assert_eq!(range(&flat, Some(0.5), 100.0), (0.5, 2.0));
    }

    #[test]
    fn lines_are_joined_from_where_all_have_a_value() {
        let lines = vec![vec![(1.0, 5.0), (4.0, 1.0)], vec![(2.0, 7.0)], vec![(1.0, 9.0), (3.0, 3.0)]];
        assert_eq!(
            bounds(&lines, 10.0),
            [(2.0, 6.0, 7.0, 8.0), (3.0, 4.0, 5.0, 6.0), (4.0, 2.0, 3.0, 5.0), (10.0, 2.0, 3.0, 5.0)]
        );
        assert_eq!(bounds(&[], 10.0), []);
    }
}
