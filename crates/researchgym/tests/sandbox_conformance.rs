//! What every runtime must do, and what only `local` keeps apart.

mod sandbox;

use std::time::Duration;

use researchgym_core::isolation::Runtime;
use researchgym_core::observation::ExecEnding;

use sandbox::Bench;

#[tokio::test]
async fn a_command_has_a_status_and_two_streams() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let shown = sandbox.exec("echo out; echo err >&2; false").await;
        assert_eq!(
            (shown.code, &*shown.stdout, &*shown.stderr),
            (Some(1), "out\n", "err\n"),
            "{}",
            bench.name()
        );
        assert_eq!(shown.ending, ExecEnding::Exited);
    }
}
