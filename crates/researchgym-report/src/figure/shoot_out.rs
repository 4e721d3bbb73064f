//! Figures of a shoot-out: how policies came on, how far each seed came, and what became of candidates.

use researchgym_core::statistics::shoot_out::{Searched, ShootOut};

use super::csv::{Csv, Value};
use super::frame::{Axis, Shown};
use super::scale::{self, Scale};
use super::{Figure, bars, curves, font, intervals, metric, number};
use crate::palette::{Ink, PART_COUNT, Style};

/// The figures; those that there are no values for are left out.
pub fn figures(shoot_out: &ShootOut) -> Vec<Figure> {
    let courses = courses(shoot_out);
    let drawn = [course(shoot_out, &courses), bands(shoot_out, &courses), seeds(shoot_out), fates(shoot_out)];
    drawn.into_iter().flatten().collect()
}

/// The curve of a policy.
struct Course {
    policy: String,
    shown: Shown,
    /// Evaluations and median.
    points: Vec<(f64, f64)>,
    /// Evaluations, lower and upper bound.
    band: Vec<(f64, f64, f64)>,
}

fn courses(shoot_out: &ShootOut) -> Vec<Course> {
    let end = shoot_out.searches.iter().map(|search| search.evaluations).max().unwrap_or(0);
    let of = |(number, policy): (usize, &String)| {
        let own: Vec<&Searched> = shoot_out.searches_of(policy).collect();
        let mut places: Vec<u64> = own
            .iter()
            .flat_map(|search| &search.course)
            .map(|moment| moment.evaluations)
            .chain([end])
            .collect();
        places.sort_unstable();
        places.dedup();
        let (mut points, mut band) = (Vec::new(), Vec::new());
        for place in places {
            let at = |search: &&Searched| {
                let moment = search.course.iter().rev().find(|moment| moment.evaluations <= place);
                moment.map(|moment| moment.value)
            };
            let values: Vec<f64> = own.iter().filter_map(at).collect();
            if values.len() < own.len() {
                continue;
            }
            let Some(middle) = shoot_out.resampling.median(&values) else { continue };
            points.push((place as f64, middle.value));
            band.extend(middle.interval.map(|interval| (place as f64, interval.low, interval.high)));
        }
        Course { policy: policy.clone(), shown: shown(policy, number), points, band }
    };
    shoot_out.policies.iter().map(|contender| &contender.policy).enumerate().map(of).collect()
}

fn shown(policy: &str, number: usize) -> Shown {
    Shown { name: font::plain(policy), style: Style::of(number) }
}

/// The panel of some courses on the scales of all. A baseline or target that lies far off is not shown.
fn panel(shoot_out: &ShootOut, all: &[Course], curves: Vec<curves::Curve>) -> Option<curves::Panel> {
    let points = all.iter().flat_map(|course| &course.points);
    let bounds = all.iter().flat_map(|course| &course.band).flat_map(|bound| [bound.1, bound.2]);
    let values: Vec<f64> = points.clone().map(|point| point.1).chain(bounds).collect();
    let (low, high) = scale::usual(&values)?;
    let end = points.map(|point| point.0).fold(1.0, f64::max);
    let near = |value: &f64| (low - (high - low)..=high + (high - low)).contains(value);
    let beside = [shoot_out.setting.baseline, shoot_out.setting.target].into_iter().flatten().filter(near);
    let up = Scale::linear([low, high].into_iter().chain(beside), 0.06);
    let baseline = shoot_out.setting.baseline.filter(|value| up.holds(*value));
    let mut curves = curves;
    if let Some(target) = shoot_out.setting.target.filter(|value| up.holds(*value)) {
        let style = Style { ink: Ink::Muted, ..Style::baseline() };
        curves.push(curves::Curve {
            shown: Shown { name: "target".to_owned(), style },
            points: vec![(0.0, target), (end, target)],
            band: Vec::new(),
        });
    }
    let mut across = Axis::new("evaluations", Scale::between(0.0, end), 6);
    across.ticks.retain(|tick| tick.value.fract() == 0.0);
    for tick in &mut across.ticks {
        tick.label = number::decimals(tick.value, 0);
    }
    Some(curves::Panel {
        title: String::new(),
        across,
        up: Axis::new(metric(Some(&shoot_out.setting.primary)), up, 4),
        curves,
        reference: baseline.map(|value| (value, "baseline".to_owned())),
    })
}

fn course(shoot_out: &ShootOut, courses: &[Course]) -> Option<Figure> {
    let lines = courses.iter().map(|course| curves::Curve {
        shown: course.shown.clone(),
        points: course.points.clone(),
        band: Vec::new(),
    });
    let panel = panel(shoot_out, courses, lines.collect())?;
    let height = (panel.curves.len() as f64 * 10.0 + 90.0).max(230.0);
    Some(Figure::new(
        "shoot-out-course",
        &format!("Policies on {}", task(shoot_out)),
        "The best value so far by the number of evaluations: the median over the seeds, from where all of them had a value. How far these medians can be trusted is \
         shown by the bands beside.",
        curves::single(&panel, height),
        course_csv(courses),
    ))
}

fn bands(shoot_out: &ShootOut, courses: &[Course]) -> Option<Figure> {
    if courses.iter().all(|course| course.band.is_empty()) {
        return None;
    }
    let of = |course: &Course| {
        let Course { policy, shown, points, band } = course;
        let curve = curves::Curve { shown: shown.clone(), points: points.clone(), band: band.clone() };
        let panel = panel(shoot_out, courses, vec![curve])?;
        Some(curves::Panel { title: policy.clone(), ..panel })
    };
    let panels: Vec<curves::Panel> = courses.iter().filter_map(of).collect();
    let columns = panels.len().clamp(1, 4);
    Some(Figure::new(
        "shoot-out-bands",
        &format!("Policies on {} one by one", task(shoot_out)),
        &format!(
            "The median of each policy as in the figure with all of them, on the same scales, with the {:.0} % percentile bootstrap interval of that median as a band. With few seeds \
             the band is the range of the seeds.",
            shoot_out.resampling.confidence * 100.0
        ),
        curves::grid(&panels, columns, 92.0),
        course_csv(courses),
    ))
}

fn course_csv(courses: &[Course]) -> String {
    let mut csv = Csv::new(&["policy", "evaluations", "median", "low", "high"]);
    for Course { policy, points, band, .. } in courses {
        for (number, (place, value)) in points.iter().enumerate() {
            let bounds = band.get(number);
            csv.line([
                Value::Text(policy),
                Value::Number(Some(*place)),
                Value::Number(Some(*value)),
                Value::Number(bounds.map(|bound| bound.1)),
                Value::Number(bounds.map(|bound| bound.2)),
            ]);
        }
    }
    csv.text()
}

fn seeds(shoot_out: &ShootOut) -> Option<Figure> {
    let mut csv = Csv::new(&["policy", "seed", "best", "evaluations_to_target"]);
    let mut rows = Vec::new();
    for (number, contender) in shoot_out.policies.iter().enumerate() {
        for search in shoot_out.searches_of(&contender.policy) {
            csv.line([
                Value::Text(&search.policy),
                Value::Count(search.seed),
                Value::Number(search.best),
                Value::Number(search.to_target.map(|count| count as f64)),
            ]);
        }
        let interval = contender.best.and_then(|best| best.interval);
        rows.push(intervals::Row {
            shown: shown(&contender.policy, number),
            value: contender.best.map(|best| best.value),
            interval: interval.map(|interval| (interval.low, interval.high)),
            best: None,
            each: shoot_out.searches_of(&contender.policy).filter_map(|search| search.best).collect(),
        });
    }
    if rows.iter().all(|row| row.value.is_none()) {
        return None;
    }
    let setting = &shoot_out.setting;
    let target = setting.target.map(|target| (target, "target".to_owned()));
    // Noise is about the baseline.
    let noise = if target.is_some() { 0.0 } else { setting.noise_floor };
    let panel = intervals::Panel {
        title: String::new(),
        unit: metric(Some(&setting.primary)),
        rows,
        reference: target.or_else(|| setting.baseline.map(|value| (value, "baseline".to_owned()))),
        noise,
    };
    Some(Figure::new(
        "shoot-out-seeds",
        &format!("How far each seed came on {}", task(shoot_out)),
        "Small dots: the best value of each seed. Large: their median, with its percentile bootstrap interval. Policies whose dots lie among each other's are not told apart by them.",
        intervals::single(&panel),
        csv.text(),
    ))
}

fn fates(shoot_out: &ShootOut) -> Option<Figure> {
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for (kind, count) in shoot_out.policies.iter().flat_map(|contender| &contender.fates) {
        match kinds.iter_mut().find(|known| known.0 == kind) {
            Some(known) => known.1 += count,
            None => kinds.push((kind, *count)),
        }
    }
    kinds.retain(|(_, count)| *count > 0);
    kinds.sort_by_key(|(kind, count)| (*kind != "measured", std::cmp::Reverse(*count)));
    if kinds.is_empty() {
        return None;
    }
    let mut csv = Csv::new(&["policy", "fate", "candidates"]);
    let mut rows = Vec::new();
    for contender in &shoot_out.policies {
        let counts: Vec<u64> =
            kinds.iter().map(|(kind, _)| contender.fates.get(*kind).copied().unwrap_or(0)).collect();
        for ((kind, _), count) in kinds.iter().zip(&counts) {
            csv.line([Value::Text(&contender.policy), Value::Text(kind), Value::Count(*count)]);
        }
        rows.push(bars::Row { name: font::plain(&contender.policy), counts, of: None });
    }
    let ink = |number: usize, kind: &str| match kind {
        "measured" => Ink::Part(1),
        "duplicate" => Ink::Part(8),
        _ => Ink::Part([3, 2, 5, 7, 4, 0, 6, 11, 12, 9, 10][number % (PART_COUNT - 2)]),
    };
    let parts =
        kinds.iter().enumerate().map(|(number, (kind, _))| (ink(number, kind), kind.replace('_', " ")));
    let chart = bars::Chart {
        parts: parts.collect(),
        rows,
        measure: bars::Measure::Share,
        unit: "candidates".to_owned(),
    };
    Some(Figure::new(
        "shoot-out-fates",
        &format!("What became of candidates on {}", task(shoot_out)),
        "All candidates of all seeds: measured, screened out early, or stopped by a gate or a failure.",
        bars::draw(&chart),
        csv.text(),
    ))
}

fn task(shoot_out: &ShootOut) -> String {
    match shoot_out.setting.variant.as_str() {
        "default" => shoot_out.setting.task.clone(),
        variant => format!("{} ({variant})", shoot_out.setting.task),
    }
}
