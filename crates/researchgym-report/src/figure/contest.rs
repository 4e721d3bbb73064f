//! Lines of contenders with bands, for who has data of their own and no records of runs.

use super::csv::{Csv, Value};
use super::font;
use super::frame::{Axis, Shown};
use super::scale::{self, Scale};
use super::{Figure, curves};
use crate::palette::Style;

/// How a contender fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Its name.
    pub name: String,
    /// Place and value; a value holds until the next.
    pub points: Vec<(f64, f64)>,
    /// Place, lower and upper bound; empty: none is known.
    pub band: Vec<(f64, f64, f64)>,
}

/// What a figure of courses says in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContestWords<'a> {
    /// The name of its files.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// How it was made.
    pub caption: &'a str,
    /// What places are.
    pub across: &'a str,
    /// What values are.
    pub up: &'a str,
}

/// The figure of several courses, and the value that they begin with; `None` if there is no point at all.
pub fn contest(words: ContestWords<'_>, courses: &[Course], reference: Option<f64>) -> Option<Figure> {
    let mut csv = Csv::new(&["contender", "place", "value", "lower", "upper"]);
    let mut values: Vec<f64> = reference.into_iter().collect();
    let mut most: Option<f64> = None;
    let mut drawn = Vec::new();
    for (number, course) in courses.iter().enumerate() {
        for (index, (place, value)) in course.points.iter().enumerate() {
            let bounds = course.band.get(index).map(|bound| (bound.1, bound.2));
            csv.line([
                Value::Text(&course.name),
                Value::Number(Some(*place)),
                Value::Number(Some(*value)),
                Value::Number(bounds.map(|bounds| bounds.0)),
                Value::Number(bounds.map(|bounds| bounds.1)),
            ]);
            values.push(*value);
            values.extend(bounds.into_iter().flat_map(|bounds| [bounds.0, bounds.1]));
            most = Some(most.map_or(*place, |most| most.max(*place)));
        }
        let shown = Shown { name: font::plain(&course.name), style: Style::of(number) };
        drawn.push(curves::Curve { shown, points: course.points.clone(), band: course.band.clone() });
    }
    let (low, high) = scale::usual(&values)?;
    let panel = curves::Panel {
        title: String::new(),
        across: Axis::new(words.across, Scale::between(0.0, most?), 6),
        up: Axis::new(words.up, Scale::linear([low, high], 0.06), 4),
        curves: drawn,
        reference: reference.map(|value| (value, "baseline".to_owned())),
    };
    let height = (courses.len() as f64 * 10.0 + 90.0).max(230.0);
    let scene = curves::single(&panel, height);
    Some(Figure::new(words.id, words.title, words.caption, scene, csv.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: ContestWords<'_> =
        ContestWords { id: "c", title: "A contest", caption: "Made up.", across: "evaluations", up: "score" };

    #[test]
    fn every_course_is_drawn_and_listed() {
        let courses = [
            Course {
                name: "one".to_owned(),
                points: vec![(1.0, 2.0), (5.0, 3.5)],
                band: vec![(1.0, 1.5, 2.5), (5.0, 3.0, 4.0)],
            },
            Course { name: "two".to_owned(), points: vec![(2.0, 1.0)], band: Vec::new() },
        ];
        let figure = contest(WORDS, &courses, Some(1.0)).expect("there are points");
        assert_eq!(
            figure.csv,
            "contender,place,value,lower,upper\none,1,2,1.5,2.5\none,5,3.5,3,4\ntwo,2,1,,\n"
        );
        for words in ["one", "two", "evaluations", "score", "baseline"] {
            assert!(figure.svg.contains(words), "{words}");
        }
    }

    #[test]
    fn without_points_there_is_no_figure() {
        let empty = Course { name: "one".to_owned(), points: Vec::new(), band: Vec::new() };
        assert_eq!(contest(WORDS, &[empty], Some(1.0)), None);
        assert_eq!(contest(WORDS, &[], None), None);
    }
}
