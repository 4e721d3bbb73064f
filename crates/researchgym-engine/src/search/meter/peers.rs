//! Files of a writer that is not ours. `RESEARCHGYM_TENSORBOARD_PYTHON` names a Python with `peers/requirements-tensorboard.txt`;
//! `.ci/test` installs it. Without it this test is skipped.

use std::process::Command;

use super::*;

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn all_scalars_of_tensorboardx_are_read() {
    let variable = "RESEARCHGYM_TENSORBOARD_PYTHON";
    let Some(python) = std::env::var_os(variable).filter(|python| !python.is_empty()) else {
        eprintln!("SKIPPED: {variable} names no Python with tensorboardX");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let meter = Meter::begin(folder.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../peers/tensorboard_files.py");
    let run = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut expected: Vec<(String, Option<i64>, f64)> = serde_json::from_slice(&run.stdout).unwrap();
    let Metered { points, unread } = meter.finish().await;
    assert_eq!(unread, Unread::default());
    assert!(points.is_sorted_by_key(|point| point.at_ms), "it was written in this order");
    let mut told: Vec<_> = points.into_iter().map(|point| (point.name, point.step, point.value)).collect();
    let order = |one: &(String, Option<i64>, f64), other: &(String, Option<i64>, f64)| {
        (&one.0, one.1).cmp(&(&other.0, other.1))
    };
    told.sort_by(order);
    expected.sort_by(order);
    assert_eq!(told, expected);
}
