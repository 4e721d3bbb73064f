//! The figure of a shoot-out: how the median best of each policy grows with the gradings.

use researchgym_engine::catalogue::LoadedTask;
use researchgym_report::{ContestWords, Course, Figure, contest};

use super::{Contender, median_of};
use crate::searching::Wanted;

const CAPTION: &str = "The best value so far, by the number of gradings: the median over the seeds from where all of them had a value, and a band \
                       with the 95 % percentile bootstrap interval of that median. Dashed: the baseline.";

/// `None` if nothing was measured.
pub(super) fn figure(task: &LoadedTask, contenders: &[Contender], wanted: &Wanted) -> Option<Figure> {
    let gradings = |contender: &Contender| contender.entries.iter().map(|entry| entry.gradings).max();
    let end = contenders.iter().filter_map(gradings).max().unwrap_or_default();
    let courses: Vec<Course> = contenders.iter().map(|contender| course(contender, end)).collect();
    let baseline = contenders.iter().flat_map(|contender| &contender.entries).next();
    let baseline = baseline.and_then(|entry| entry.moments.first()).map(|moment| moment.1);
    let task_name = match wanted.variant.as_str() {
        "default" => task.task.id.clone(),
        variant => format!("{} ({variant})", task.task.id),
    };
    let title = format!("Policies on {task_name}");
    let primary = task.task.primary().name;
    let words =
        ContestWords { id: "shoot-out", title: &title, caption: CAPTION, across: "gradings", up: &primary };
    contest(words, &courses, baseline)
}

fn course(contender: &Contender, end: u64) -> Course {
    let lines: Vec<&[(u64, f64)]> = contender.entries.iter().map(|entry| entry.moments.as_slice()).collect();
    let mut places: Vec<u64> = lines.iter().copied().flatten().map(|moment| moment.0).chain([end]).collect();
    places.sort_unstable();
    places.dedup();
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for place in places {
        let at =
            |line: &&[(u64, f64)]| line.iter().rev().find(|moment| moment.0 <= place).map(|moment| moment.1);
        let values: Vec<f64> = lines.iter().filter_map(at).collect();
        if values.len() < lines.len() {
            continue;
        }
        let (Some(middle), interval) = median_of(&values) else { continue };
        points.push((place as f64, middle));
        band.extend(interval.map(|interval| (place as f64, interval.low, interval.high)));
    }
    Course { name: contender.policy.clone(), points, band }
}

#[cfg(test)]
mod tests {
    use super::super::{Diversity, Entry};
    use super::*;

    #[test]
    fn a_course_begins_where_all_searches_have_a_value() {
        let entry = |moments: &[(u64, f64)]| Entry {
            seed: 1,
            moments: moments.to_vec(),
            gradings: 10,
            to_target: None,
            fates: Default::default(),
            diversity: Diversity { distinct: 0, similarity: None },
            cost_usd: 0.0,
            tokens: 0,
            wall_s: 0.0,
            cpu_s: 0.0,
        };
        let entries = vec![entry(&[(1, 1.0), (4, 5.0)]), entry(&[(2, 3.0)]), entry(&[(1, 2.0), (3, 4.0)])];
        let course = course(&Contender { policy: "p".to_owned(), entries }, 10);
        assert_eq!(course.points, [(2.0, 2.0), (3.0, 3.0), (4.0, 4.0), (10.0, 4.0)]);
        assert_eq!(course.band.first(), Some(&(2.0, 1.0, 3.0)));
    }
}
