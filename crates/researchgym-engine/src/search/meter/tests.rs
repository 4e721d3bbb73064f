use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, mknodat};
use tokio::sync::mpsc;

use super::*;

/// Written by tensorboardX: `train/loss` at 1000 to 1002 s, `accuracy` at 1003.5 s, and a NaN.
const TENSORBOARDX: &[u8] =
    include_bytes!("../../../../researchgym-core/src/search/reports/fixtures/tensorboardx.tfevents");

fn workspace() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn put(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Name, step and value of each point.
fn values(points: &[MetricPoint]) -> Vec<(&str, Option<i64>, f64)> {
    points.iter().map(|point| (point.name.as_str(), point.step, point.value)).collect()
}

#[tokio::test]
async fn a_program_that_says_nothing_leaves_nothing() {
    let workspace = workspace();
    let mut meter = Meter::begin(workspace.path());
    let mut tap = meter.tap();
    let teller = ProgressTeller::new(|progress| panic!("{progress:?}"));
    let ended = meter.follow(&teller, async {
        tap(b"epoch 1\nloss 0.5\n");
        7
    });
    assert_eq!(ended.await, 7);
    assert_eq!(meter.finish().await, Metered::default());
}

#[tokio::test]
async fn what_is_printed_and_written_is_told_while_it_comes() {
    let workspace = workspace();
    let mut meter = Meter { every: Duration::from_millis(1), ..Meter::begin(workspace.path()) };
    let mut tap = meter.tap();
    let (told, mut tellings) = mpsc::unbounded_channel();
    let teller = ProgressTeller::new(move |progress| told.send(progress).unwrap());
    let path = workspace.path().join("logs/events.out.tfevents.1");
    let program = async {
        let mut next = async || match tellings.recv().await {
            Some(Progress::Reported(points)) => points,
            other => panic!("{other:?}"),
        };
        tap(b"{\"step\": 1, \"a\": 0.5}\n{\"step\": 2, \"a\"");
        assert_eq!(values(&next().await), [("a", Some(1), 0.5)]);
        tap(b": 0.25}\n{\"step\": 3, \"a\": 0.125}\n");
        assert_eq!(values(&next().await), [("a", Some(3), 0.125)]);
        // Cut within the second record with a value.
        put(workspace.path(), "logs/events.out.tfevents.1", &TENSORBOARDX[..130]);
        assert_eq!(values(&next().await), [("train/loss", Some(0), 2.0)]);
        std::fs::write(&path, TENSORBOARDX).unwrap();
        let points = next().await;
        let loss = f64::from(2.0f32 / 3.0);
        assert_eq!(values(&points), [("train/loss", Some(20), loss), ("accuracy", Some(20), 0.25)]);
        // Long ago, says the file; not before the program began.
        assert!(points.iter().all(|point| point.at_ms == 0));
        tap(b"{\"b\": 1}");
    };
    meter.follow(&teller, program).await;
    let Metered { points, unread } = meter.finish().await;
    assert_eq!(unread, Unread { not_finite: 1, ..Unread::default() });
    let names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
    let losses = ["train/loss"; 3];
    assert_eq!(names, [&["a"; 3][..], &losses, &["accuracy", "b"]].concat());
}

#[tokio::test]
async fn files_of_several_folders_are_kept_apart() {
    let workspace = workspace();
    for name in ["runs/events.out.tfevents.1.vm", "runs/test/events.out.tfevents.2", "zz/other/x.tfevents.v2"]
    {
        put(workspace.path(), name, TENSORBOARDX);
    }
    put(workspace.path(), "runs/notes.txt", TENSORBOARDX);
    let points = Meter::begin(workspace.path()).finish().await.points;
    let names: std::collections::BTreeSet<&str> = points.iter().map(|point| point.name.as_str()).collect();
    let expected =
        ["accuracy", "other/accuracy", "other/train/loss", "test/accuracy", "test/train/loss", "train/loss"];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(points.len(), 12);
}

#[tokio::test]
async fn hostile_workspaces_lead_nowhere() {
    let folder = workspace();
    let outside = workspace();
    put(outside.path(), "events.out.tfevents.1", TENSORBOARDX);
    let path = |name: &str| folder.path().join(name);
    symlink(outside.path().join("events.out.tfevents.1"), path("a.tfevents")).unwrap();
    symlink("/etc/passwd", path("b.tfevents")).unwrap();
    symlink(outside.path(), path("folder")).unwrap();
    mknodat(CWD, path("c.tfevents"), FileType::Fifo, 0o600.into(), 0).unwrap();
    std::fs::create_dir(path("d.tfevents")).unwrap();
    std::fs::File::create(path("e.tfevents")).unwrap().set_len(10 << 30).unwrap();
    put(folder.path(), "f.tfevents", &[&TENSORBOARDX[..200], &[0xff; 5000]].concat());
    for number in 0..300 {
        put(folder.path(), &format!("many/{number:03}.tfevents"), b"");
    }
    let meter = Meter::begin(folder.path());
    let mut tap = meter.tap();
    for piece in vec![b'{'; 10 << 20].chunks(8192) {
        tap(piece);
    }
    let Metered { points, unread } = meter.finish().await;
    assert_eq!(values(&points)[..1], [("train/loss", Some(0), 2.0)]);
    // A file of zeros, a record that is damaged and a length that is none behind it, and one line without an end.
    assert_eq!(unread, Unread { damaged: 4, ..Unread::default() });
}

#[test]
fn a_file_that_is_replaced_by_a_link_is_not_followed() {
    let folder = workspace();
    put(folder.path(), "x.tfevents", &TENSORBOARDX[..130]);
    let readings = Mutex::default();
    let mut files = Files::of(folder.path(), SystemTime::now());
    assert!(files.find());
    files.read(&readings, Duration::from_secs(1));
    std::fs::remove_file(folder.path().join("x.tfevents")).unwrap();
    let outside = workspace();
    put(outside.path(), "y", TENSORBOARDX);
    symlink(outside.path().join("y"), folder.path().join("x.tfevents")).unwrap();
    files.read(&readings, Duration::from_secs(2));
    let points = readings.into_inner().unwrap().reports.into_points();
    assert_eq!(values(&points), [("train/loss", Some(0), 2.0)]);
}

#[test]
fn times_are_the_programs_within_what_was_seen() {
    let seen = Duration::from_secs(9);
    let at = |wall_time| at_ms(wall_time, 1000.0, seen);
    assert_eq!(at(Some(1002.5)), 2500);
    assert_eq!([at(Some(1.0)), at(Some(f64::MAX)), at(Some(f64::NAN)), at(None)], [0, 9000, 9000, 9000]);
}
