//! Limits: an attack ends the command, not the machine, and the next command works.

use std::time::{Duration, Instant};

use crate::bench::{Bench, Tested};

async fn goes_on(sandbox: &Tested) {
    let started = Instant::now();
    assert_eq!(sandbox.exec("echo on; /bin/true; echo $?").await.stdout, "on\n0\n");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_command() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        for bomb in [
            "b() { b | b & }; b; sleep 100",
            "python3 -c 'import os\nwhile True:\n try: os.fork()\n except OSError: pass'",
        ] {
            let shown = sandbox.exec_for(bomb, Duration::from_millis(700)).await;
            assert_ne!(shown.code, Some(0), "{shown:?}");
            goes_on(&sandbox).await;
            let shown = sandbox.exec("ls -d /proc/[0-9]* | wc -l").await;
            assert!(shown.stdout.trim().parse::<u32>().unwrap() < 8, "{shown:?}");
        }
        let usage = sandbox.sandbox.stop().await;
        assert!(usage.cpu > Duration::ZERO);
    }
}

#[tokio::test]
async fn a_memory_balloon_ends_with_its_command() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let balloon = "python3 -c 'import time\nb = []\nfor i in range(64): b.append(bytearray(b\"x\" * (16 << 20)))\ntime.sleep(5)\nprint(\"fits\")'";
        let shown = sandbox.exec(balloon).await;
        assert!(shown.code != Some(0) && !shown.stdout.contains("fits"), "{shown:?}");
        goes_on(&sandbox).await;
        // Many small ones together.
        let many = "for i in 1 2 3 4 5 6 7 8; do python3 -c 'import time; b = bytearray(b\"x\" * (60 << 20)); time.sleep(3)' & done; wait; true";
        let shown = sandbox.exec(many).await;
        assert!(
            shown.code == Some(137) || shown.stderr.contains("illed") || !shown.notes.is_empty(),
            "{shown:?}"
        );
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn memory_file_systems_are_sized() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        for folder in ["/tmp", "/dev/shm", "/var/tmp"] {
            let shown = sandbox.exec(&format!("head -c 60M /dev/zero > {folder}/x")).await;
            assert_ne!(shown.code, Some(0), "{folder}");
            assert!(
                shown.stderr.contains("No space left") || shown.stderr.contains("too large"),
                "{shown:?}"
            );
            sandbox.exec(&format!("rm {folder}/x")).await;
        }
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_file_cannot_be_larger_than_the_workspace() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let shown = sandbox.exec("head -c 70M /dev/zero > x").await;
        assert_ne!(shown.code, Some(0), "{shown:?}");
        assert_eq!(std::fs::metadata(bench.path("work/x")).unwrap().len(), 64 << 20);
        sandbox.exec("rm x").await;
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_flood_of_the_workspace_is_stopped_and_can_be_cleaned_up() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let flood = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); head -c 4M /dev/zero > f$i; sleep 0.02; done";
        let shown = sandbox.exec_for(flood, Duration::from_secs(60)).await;
        assert_eq!(shown.code, Some(137), "{shown:?}");
        assert!(shown.notes.iter().any(|note| note.contains("larger than 64 MiB")), "{shown:?}");
        assert_eq!(sandbox.exec("rm f*; sleep 0.6; ls").await.code, Some(0));
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn an_endless_writer_of_output_neither_fills_memory_nor_outlives_its_time() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let started = Instant::now();
        sandbox.exec_for("yes >&2 & yes", Duration::from_millis(1500)).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        sandbox.exec("kill %1 2>/dev/null; true").await;
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_time_out_before_the_command_has_begun_loses_nothing() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let mut replaced = 0;
        for milliseconds in 0..20 {
            for command in ["yes", "while :; do :; done", "sleep 9"] {
                let shown = sandbox.exec_for(command, Duration::from_millis(milliseconds)).await;
                replaced += u32::from(shown.new_shell);
            }
        }
        assert!(replaced < 10, "{}: {replaced} of 60 shells replaced", bench.name());
        goes_on(&sandbox).await;
        sandbox.sandbox.stop().await;
    }
}
