use proptest::prelude::*;

use super::*;

/// Written by tensorboardX 2.6: scalars, a NaN, a histogram and a text.
const TENSORBOARDX: &[u8] = include_bytes!("fixtures/tensorboardx.tfevents");
/// Written by TensorBoard 2.21 with the messages of `tf.summary.scalar`, and tensors in all forms.
const TENSORFLOW: &[u8] = include_bytes!("fixtures/tensorflow.tfevents");

type Owned = (String, Option<i64>, f64, Option<f64>);

fn owned(reading: Reading<'_>) -> Owned {
    (reading.name.to_owned(), reading.step, reading.value, reading.wall_time)
}

fn printed(pieces: &[&[u8]]) -> (Vec<Owned>, u64) {
    let (mut lines, mut told) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.push(piece, &mut |reading| told.push(owned(reading)));
    }
    lines.finish(&mut |reading| told.push(owned(reading)));
    (told, lines.overlong)
}

fn written(pieces: &[&[u8]]) -> (Vec<Owned>, u64) {
    let (mut file, mut told) = (EventFile::default(), Vec::new());
    for piece in pieces {
        file.push(piece, &mut |reading| told.push(owned(reading)));
    }
    (told, file.damaged)
}

fn check(text: &str, expected: &[(&str, Option<i64>, f64)]) {
    let told = printed(&[text.as_bytes()]).0;
    let told: Vec<_> = told.iter().map(|(name, step, value, _)| (name.as_str(), *step, *value)).collect();
    assert_eq!(told, expected, "{text}");
}

#[test]
fn objects_on_lines_of_their_own_are_metrics() {
    check(
        r#"{"step": 10, "val_loss": 3.25, "lr": 1e-1}"#,
        &[("lr", Some(10), 0.1), ("val_loss", Some(10), 3.25)],
    );
    check("epoch 1\n  {\"a\": 1}\t\nloss {\"a\": 2}\n[{\"a\": 3}]\n{\"a\": 4} done\n", &[("a", None, 1.0)]);
    check("50%\r{\"a\": 1}\r\n{\"a\": 2}", &[("a", None, 1.0), ("a", None, 2.0)]);
    check(
        r#"{"a": {"b": {"c": {"d": 1, "e": {"f": 2}}}, "g": -3}, "h": [4]}"#,
        &[("a/b/c/d", None, 1.0), ("a/g", None, -3.0)],
    );
    check(r#"{"a": true, "b": "1", "c": null, "": 1}"#, &[("", None, 1.0)]);
    check("{}\n{\"step\": 1}\n", &[]);
    check("{\"a\": 1e999}\n{\"a\": 1", &[]);
}

#[test]
fn the_first_whole_step_is_the_step() {
    check(r#"{"epoch": 1, "iteration": 2, "global_step": 3, "step": 4, "a": 0}"#, &[("a", Some(4), 0.0)]);
    check(r#"{"epoch": 1, "iteration": 2, "global_step": 3, "a": 0}"#, &[("a", Some(3), 0.0)]);
    check(r#"{"epoch": 1, "iteration": 2.0, "a": 0}"#, &[("a", Some(2), 0.0)]);
    check(r#"{"epoch": 1, "step": 2.5, "a": 0}"#, &[("a", Some(1), 0.0)]);
    check(r#"{"epoch": 0.5, "step": "2", "a": 0}"#, &[("a", None, 0.0)]);
    check(r#"{"train": {"step": 5, "a": 0}}"#, &[("train/a", None, 0.0), ("train/step", None, 5.0)]);
}

#[test]
fn numbers_that_are_none_are_counted() {
    let mut reports = Reports::default();
    let mut lines = Lines::default();
    let text = b"{\"loss\": NaN, \"lr\": 0.5}\n{\"loss\": -Infinity, \"note\": \"a NaN in a text\"}\n";
    lines.push(text, &mut |reading| reports.add(Source::Printed, reading, 7));
    assert_eq!(reports.unread, Unread { not_finite: 2, ..Unread::default() });
    assert_eq!(
        reports.into_points(),
        [MetricPoint { name: "lr".to_owned(), step: None, value: 0.5, at_ms: 7 }]
    );
}

#[test]
fn long_lines_are_left_out_and_forgotten() {
    let braces = vec![b'{'; 10 << 20];
    let mut lines = Lines::default();
    braces.chunks(4096).for_each(|piece| lines.push(piece, &mut |reading| panic!("{reading:?}")));
    assert_eq!(lines.overlong, 1);
    let mut told = Vec::new();
    lines.push(b"\n{\"a\": 1}\n", &mut |reading| told.push(owned(reading)));
    assert_eq!(told, [("a".to_owned(), None, 1.0, None)]);
    let deep = "{\"a\":".repeat(10_000);
    assert_eq!(printed(&[deep.as_bytes(), b"\n"]), (Vec::new(), 0));
}

#[test]
fn files_of_both_writers_are_read() {
    let of = |name: &str, step: i64, value: f64, at: f64| (name.to_owned(), Some(step), value, Some(at));
    let (mut told, damaged) = written(&[TENSORBOARDX]);
    // NaN is like nothing.
    let nan = told.remove(4);
    assert!(nan.0 == "diverged" && nan.2.is_nan(), "{nan:?}");
    let expected = [
        of("train/loss", 0, 2.0, 1000.0),
        of("train/loss", 10, 1.0, 1001.0),
        of("train/loss", 20, f64::from(2.0f32 / 3.0), 1002.0),
        of("accuracy", 20, 0.25, 1003.5),
    ];
    assert_eq!((told, damaged), (expected.to_vec(), 0));
    let expected = [
        of("epoch_loss", 0, 0.5, 2000.0),
        of("epoch_loss", 1, 0.25, 2001.0),
        of("content", -1, 1.5, 2002.0),
        of("double", -1, 2.5, 2002.0),
        of("double_content", -1, 3.5, 2002.0),
        of("whole", -1, -7.0, 2002.0),
    ];
    assert_eq!(written(&[TENSORFLOW]), (expected.to_vec(), 0));
}

/// The length of a record's data at some place of a file.
fn length_at(file: &[u8], at: usize) -> usize {
    u64::from_le_bytes(*file[at..].first_chunk().unwrap()) as usize
}

#[test]
fn a_damaged_record_is_left_out_and_a_damaged_length_ends_the_file() {
    let second = 16 + length_at(TENSORFLOW, 0);
    let mut file = TENSORFLOW.to_vec();
    file[second + HEAD_AND_A_BIT] ^= 1;
    let (told, damaged) = written(&[&file]);
    assert_eq!((told.len(), damaged), (5, 1));
    let mut file = TENSORFLOW.to_vec();
    file[second] ^= 1;
    assert_eq!(written(&[&file]), (Vec::new(), 1));
    assert_eq!(written(&[&vec![0; 1 << 20]]), (Vec::new(), 1));
    let mut lost = EventFile::default();
    lost.push(&[0; 12], &mut |_| {});
    assert!(lost.is_lost());
}

const HEAD_AND_A_BIT: usize = 14;

/// A record, as TensorFlow writes it.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let masked = |bytes: &[u8]| tensorboard::masked(bytes).to_le_bytes();
    [&length, &masked(&length)[..], data, &masked(data)].concat()
}

#[test]
fn records_of_any_length_are_passed_over() {
    let long = record(&vec![7; MOST_RECORD_BYTES + 1]);
    let all = written(&[TENSORFLOW]);
    assert_eq!(written(&[&long, TENSORFLOW]), all);
    // A reader of a file does not read them at all.
    let head = u64::MAX.to_le_bytes();
    let mut file = EventFile::default();
    file.push(&head, &mut |_| {});
    file.push(&tensorboard::masked(&head).to_le_bytes(), &mut |_| {});
    assert_eq!(file.pass_over(), u64::MAX - 12);
    let mut file = EventFile::default();
    let mut told = 0;
    let length = (3u64 << 30).to_le_bytes();
    file.push(&[&length[..], &tensorboard::masked(&length).to_le_bytes(), b"begin"].concat(), &mut |_| {});
    assert_eq!(file.pass_over(), (3 << 30) + 4 - 5);
    file.push(TENSORFLOW, &mut |_| told += 1);
    assert_eq!((told, file.damaged), (all.0.len(), 0));
}

fn reading(name: &str, value: f64) -> Reading<'_> {
    Reading { name, step: None, value, wall_time: None }
}

#[test]
fn the_longest_series_are_thinned_and_keep_their_ends() {
    let mut reports = Reports::default();
    for number in 0..1_000_000u64 {
        reports.add(Source::Printed, reading("long", number as f64), number);
        if number % 1000 == 0 {
            reports.add(Source::Printed, reading("short", number as f64), number);
        }
    }
    assert_eq!(reports.unread, Unread::default());
    let points = reports.into_points();
    assert!((MOST_POINTS / 2 - MOST_METRICS..=MOST_POINTS).contains(&points.len()), "{}", points.len());
    assert!(points.is_sorted_by_key(|point| point.at_ms));
    let of = |name: &str| {
        points.iter().filter(|point| point.name == name).map(|point| point.value).collect::<Vec<_>>()
    };
    let (long, short) = (of("long"), of("short"));
    assert_eq!(short, (0..1000).map(|number| f64::from(number) * 1000.0).collect::<Vec<_>>());
    assert_eq!((long[0], long.last().copied()), (0.0, Some(999_999.0)));
    let steps: std::collections::BTreeSet<i64> =
        long[..long.len() - 1].windows(2).map(|pair| (pair[1] - pair[0]) as i64).collect();
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), [16]);
}

#[test]
fn metrics_and_their_names_are_bounded() {
    let mut reports = Reports::default();
    for name in ["", " ", "a\nb", "\u{1b}[2J", &"n".repeat(MOST_NAME_BYTES + 1)] {
        reports.add(Source::Printed, reading(name, 1.0), 0);
    }
    assert_eq!((reports.is_empty(), reports.unread.refused), (true, 5));
    for number in 0..100_000u32 {
        reports.add(Source::Written, reading(&format!("m{}", number % 2000), 1.0), 0);
    }
    assert_eq!(reports.unread.refused, 5 + 50_000);
    let points = reports.into_points();
    assert_eq!(points.len(), 50_000);
}

#[test]
fn news_are_the_newest_value_of_each_metric_that_has_one() {
    let mut reports = Reports::default();
    let told = |reports: &mut Reports| {
        reports.news().into_iter().map(|point| (point.name, point.value)).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut reports), []);
    for (name, value) in [("b", 1.0), ("a", 2.0), ("b", 3.0)] {
        reports.add(Source::Printed, reading(name, value), 0);
    }
    // What is printed already counts as printed.
    reports.add(Source::Written, reading("b", 9.0), 0);
    assert_eq!(told(&mut reports), [("b".to_owned(), 3.0), ("a".to_owned(), 2.0)]);
    assert_eq!(told(&mut reports), []);
    reports.add(Source::Printed, reading("a", 4.0), 0);
    assert_eq!(told(&mut reports), [("a".to_owned(), 4.0)]);
    for number in 0..100 {
        reports.add(Source::Printed, reading(&format!("c{number}"), 0.0), 0);
    }
    assert_eq!(told(&mut reports).len(), MOST_TOLD - 2);
}

/// Bytes cut at some places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// Pieces of lines, some of them whole objects.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "\n",
        "\r",
        " ",
        "\"a\"",
        ":",
        ",",
        "1",
        "-0.5",
        "NaN",
        "Infinity",
        "\"step\": 3",
        "{\"b\": 2}\n",
        "é",
        "{\"step\": 1, \"x\": {\"y\": 1e300}}",
        "null",
        "[",
        "\\",
        "\"",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn lines_are_the_same_however_they_are_cut(bytes in output(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        // Written down, since NaN is like nothing.
        prop_assert_eq!(format!("{:?}", printed(&cut(&bytes, &places))), format!("{:?}", printed(&[&bytes])));
    }

    #[test]
    fn files_are_the_same_however_they_are_cut_and_damaged(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        for file in [TENSORBOARDX, TENSORFLOW] {
            let mut file = file.to_vec();
            for (at, byte) in &damage {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            file.truncate(length.index(file.len() + 1));
            prop_assert_eq!(format!("{:?}", written(&cut(&file, &places))), format!("{:?}", written(&[&file])));
        }
    }

    #[test]
    fn whatever_is_in_a_record_is_read_without_a_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, damaged) = written(&[&record(&data)]);
        prop_assert_eq!(damaged, 0);
        // As a summary, a value and a tensor.
        let within = |key: u8, data: &[u8]| [&[key, data.len() as u8 & 0x7f], data].concat();
        let short = &data[..data.len().min(100)];
        let value = within(0x0a, &within(0x42, short));
        written(&[&record(&within(0x2a, &value))]);
    }
}
