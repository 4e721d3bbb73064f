//! Commands and programs, the same on every runtime.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use researchgym_core::observation::ExecEnding;
use researchgym_engine::sandbox::Sandbox;

use crate::bench::{Bench, living};

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
        assert_eq!((shown.ending, shown.new_shell), (ExecEnding::Exited, false));
        assert_eq!(sandbox.exec("echo $?; true").await.stdout, "1\n");
        assert_eq!(sandbox.exec("if").await.code, Some(2));
        assert_eq!(sandbox.exec("kill -9 $BASHPID | true; (kill -9 $BASHPID)").await.code, Some(137));
        assert_eq!(sandbox.exec("cat <<'X'\na'b\"c$d\nX").await.stdout, "a'b\"c$d\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn shell_state_outlives_commands_even_killed_ones() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        sandbox.exec("mkdir -p sub; cd sub; export A=1; f() { echo f$A; }; declare -A m=([k]=v)").await;
        for command in [
            "sleep 100",
            "while :; do :; done",
            "(trap '' INT TERM; while :; do sleep 1; done)",
            "python3 -c 'import signal, time\nsignal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN)\ntime.sleep(100)'",
            "(setsid sleep 100 &); sleep 100 & wait",
            "yes",
        ] {
            let started = Instant::now();
            let shown = sandbox.exec_for(command, Duration::from_millis(150)).await;
            assert_eq!((shown.code, shown.ending), (None, ExecEnding::TimedOut), "{command}");
            assert!(started.elapsed() < Duration::from_secs(5), "{command}: {:?}", started.elapsed());
            let state = sandbox.exec("f; basename $PWD; echo ${m[k]}").await;
            assert!(!shown.new_shell, "{}: {command}", bench.name());
            assert_eq!(state.stdout, "f1\nsub\nv\n", "{}: {command}", bench.name());
        }
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn an_ended_shell_is_replaced_in_the_same_folder() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        sandbox.exec("mkdir -p sub; cd sub").await;
        let shown = sandbox.exec("echo bye; exit 7").await;
        assert_eq!((shown.code, shown.ending, shown.new_shell), (Some(7), ExecEnding::ShellEnded, true));
        assert_eq!(shown.stdout, "bye\n");
        assert_eq!(sandbox.exec("basename $PWD").await.stdout, "sub\n");
        assert_eq!(sandbox.exec("kill -9 $$").await.code, Some(137));
        assert_eq!(sandbox.exec("exec true").await.ending, ExecEnding::ShellEnded);
        assert_eq!(sandbox.exec("set -e; false").await.ending, ExecEnding::ShellEnded);
        assert_eq!(sandbox.exec("echo on").await.stdout, "on\n");
        // A shell that ignores interrupts cannot be kept.
        let stubborn = sandbox.exec_for("trap '' INT; while :; do :; done", Duration::from_millis(50)).await;
        assert_eq!((stubborn.ending, stubborn.new_shell), (ExecEnding::TimedOut, true));
        let deaf = sandbox.exec_for("exec 251>&-", Duration::from_secs(2)).await;
        assert!(deaf.new_shell, "{deaf:?}");
        assert_eq!(sandbox.exec("echo on").await.stdout, "on\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn standard_input_is_at_its_end() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        assert_eq!(sandbox.exec("cat; read x; echo $?").await.stdout, "1\n");
        assert_eq!(sandbox.spawn(&["cat"]).await.code, Some(0));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn long_output_is_shown_in_part_and_kept_whole() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let mut capture = sandbox.capture();
        let outcome = sandbox
            .sandbox
            .exec("seq 2000000; echo end", Duration::from_secs(60), &mut capture)
            .await
            .unwrap();
        assert_eq!(outcome.exit_code, Some(0));
        let (stdout, stderr) = capture.finish().unwrap();
        let expected: String =
            (1..=2_000_000).map(|n| format!("{n}\n")).chain(["end\n".to_owned()]).collect();
        assert_eq!(stdout.bytes, expected.len() as u64);
        assert!(stdout.text.len() < 13_000);
        assert!(
            stdout.text.starts_with("1\n2\n") && stdout.text.ends_with("2000000\nend\n"),
            "{}",
            stdout.text
        );
        let blob = bench.path("blobs").join(stdout.blob.unwrap().to_string());
        assert_eq!(std::fs::read_to_string(blob).unwrap(), expected);
        assert_eq!((stderr.bytes, stderr.blob), (0, None));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn gigabytes_of_output_are_counted() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let mut capture = sandbox.capture();
        let command = "head -c 1500000000 /dev/zero";
        sandbox.sandbox.exec(command, Duration::from_secs(60), &mut capture).await.unwrap();
        let (stdout, _) = capture.finish().unwrap();
        assert_eq!(stdout.bytes, 1_500_000_000);
        assert_eq!(stdout.dropped, 1_500_000_000 - (256 << 20));
        let blob = bench.path("blobs").join(stdout.blob.unwrap().to_string());
        assert_eq!(std::fs::metadata(blob).unwrap().len(), 256 << 20);
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn binary_output_is_kept_as_it_is() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let mut capture = sandbox.capture();
        let command = r"printf 'a\0b\xff\xfe'";
        sandbox.sandbox.exec(command, Duration::from_secs(9), &mut capture).await.unwrap();
        let (stdout, _) = capture.finish().unwrap();
        assert_eq!(stdout.bytes, 5);
        let blob = bench.path("blobs").join(stdout.blob.unwrap().to_string());
        assert_eq!(std::fs::read(blob).unwrap(), b"a\0b\xff\xfe");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn background_jobs_go_on_and_their_output_comes_with_the_next_command() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let shown = sandbox.exec("mkfifo go; (read x < go; echo late) & echo now").await;
        assert_eq!(shown.stdout, "now\n");
        // Ends after the job has written.
        let shown = sandbox.exec("echo > go; wait; jobs").await;
        assert_eq!(shown.stdout, "late\n", "{shown:?}");
        let shown = sandbox.exec("sleep 1000 & kill %1; wait %1; echo $?").await;
        assert!(shown.stdout.ends_with("143\n"), "{shown:?}");
        // A job outlives the time-out of a later command.
        sandbox.exec("sleep 1000 &").await;
        sandbox.exec_for("sleep 1000", Duration::from_millis(50)).await;
        assert!(sandbox.exec("jobs").await.stdout.contains("Running"));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn unusable_commands_are_refused() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        assert_eq!(sandbox.exec("echo a\0b").await.code, Some(2));
        assert_eq!(sandbox.exec(&"#".repeat((256 << 10) + 1)).await.code, Some(2));
        let long = format!("echo {}", "x".repeat(200_000));
        assert_eq!(sandbox.exec(&format!("{long} | wc -c")).await.stdout, "200001\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_environment_is_the_one_given() {
    for bench in Bench::all() {
        let mut spec = bench.spec();
        spec.environment.insert("GREETING".to_owned(), "hello".to_owned());
        let sandbox = bench.start_with(spec).await;
        let shown = sandbox.spawn(&["env"]).await;
        let names: Vec<&str> = shown
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .filter(|name| !name.starts_with("RESEARCHGYM"))
            .collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["GREETING", "HOME", "LANG", "PATH"], "{}", bench.name());
        assert_eq!(sandbox.exec("echo $GREETING").await.stdout, "hello\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_program_gets_the_inherited_descriptors_and_nobody_keeps_them() {
    for bench in Bench::all() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut spec = bench.spec();
        spec.name = "inherits".to_owned();
        let sandbox = Sandbox::start(&bench.host, spec, vec![OwnedFd::from(theirs)]).await.unwrap();
        let script = "import socket, os\ns = socket.socket(fileno=3)\ns.sendall(s.recv(100).upper())\n\
                      print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:5])";
        ours.write_all(b"hello").unwrap();
        let argv = ["/usr/bin/python3", "-c", script].map(str::to_owned);
        let mut capture = researchgym_engine::sandbox::Capture::new(&bench.path("blobs"));
        let outcome = sandbox.spawn(&argv, Duration::from_secs(30), &mut capture).await.unwrap();
        let (stdout, stderr) = capture.finish().unwrap();
        assert_eq!((outcome.exit_code, &*stderr.text), (Some(0), ""));
        assert_eq!(stdout.text, "[0, 1, 2, 3, 4]\n");
        let mut answer = String::new();
        // Ends because nobody else holds the other end.
        ours.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HELLO");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn programs_end_like_commands_and_run_beside_them() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let shown = sandbox.spawn(&["sh", "-c", "echo $0; exit 3", "x"]).await;
        assert_eq!((shown.code, &*shown.stdout), (Some(3), "x\n"));
        assert_eq!(sandbox.spawn(&["sh", "-c", "kill -9 $$"]).await.code, Some(137));
        assert_eq!(sandbox.spawn(&["/no/such/program"]).await.code, Some(127));
        let (program, command) = tokio::join!(
            sandbox.spawn(&["sh", "-c", "mkfifo meet; cat meet"]),
            sandbox.exec("until [ -p meet ]; do :; done; echo met > meet")
        );
        assert_eq!((program.stdout.as_str(), command.code), ("met\n", Some(0)));
        // A time-out of the one does not end the other.
        let (program, command) =
            tokio::join!(sandbox.spawn(&["sh", "-c", "mkfifo later; cat later"]), async {
                sandbox.exec("until [ -p later ]; do :; done").await;
                let command = sandbox.exec_for("sleep 100", Duration::from_millis(50)).await;
                sandbox.exec("echo still > later").await;
                command
            });
        assert_eq!((program.stdout.as_str(), command.ending), ("still\n", ExecEnding::TimedOut));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_dropped_command_is_killed() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let slow = sandbox.exec("echo started > mark; sleep 1000");
        tokio::select! {
            _ = slow => panic!("it cannot end"),
            () = async { while !bench.path("work/mark").exists() { tokio::task::yield_now().await } } => {}
        }
        let started = Instant::now();
        assert_eq!(sandbox.exec("echo next").await.stdout, "next\n");
        assert!(started.elapsed() < Duration::from_secs(5));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn nothing_outlives_the_sandbox() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let marker = format!("9{}.{}", std::process::id(), bench.name().len());
        let daemon =
            format!("(setsid nohup sh -c 'trap \"\" TERM HUP INT; sleep {marker}; :' >/dev/null 2>&1 &)");
        sandbox
            .exec(&format!(
                "{daemon}; sleep {marker} & until pgrep -f 'sleep {marker}' >/dev/null; do :; done"
            ))
            .await;
        assert!(!living(&format!("sleep\0{marker}")).is_empty());
        let usage = sandbox.sandbox.stop().await;
        assert_eq!(living(&format!("sleep\0{marker}")), Vec::<i32>::new(), "{}", bench.name());
        assert!(usage.cpu > Duration::ZERO);
    }
}

#[tokio::test]
async fn killing_the_guest_frees_nobody() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let marker = format!("5{}.{}", std::process::id(), bench.name().len());
        sandbox.exec(&format!("setsid sleep {marker} & until grep -q sleep /proc/$!/comm; do :; done")).await;
        let mut capture = sandbox.capture();
        // In `local` nothing happens; else, unless the guest is another user's, the sandbox is lost.
        let _ = sandbox.sandbox.exec("kill -9 $PPID", Duration::from_secs(5), &mut capture).await;
        sandbox.sandbox.stop().await;
        assert_eq!(living(&format!("sleep\0{marker}")), Vec::<i32>::new(), "{}", bench.name());
    }
}

#[tokio::test]
async fn dropping_a_sandbox_kills_it() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let marker = format!("8{}.{}", std::process::id(), bench.name().len());
        sandbox.exec(&format!("sleep {marker} & until grep -q sleep /proc/$!/comm; do :; done")).await;
        assert!(!living(&format!("sleep\0{marker}")).is_empty());
        drop(sandbox);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !living(&format!("sleep\0{marker}")).is_empty() {
            assert!(Instant::now() < deadline, "{}", bench.name());
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn cpu_time_grows_with_work_and_stands_still_when_frozen() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let work = "python3 -c 'import time\nwhile time.process_time() < 0.3: pass'";
        sandbox.exec(work).await;
        let used = sandbox.sandbox.cpu_time().await.unwrap();
        assert!((Duration::from_millis(290)..Duration::from_secs(3)).contains(&used), "{used:?}");
        sandbox.exec("while :; do :; done &").await;
        sandbox.sandbox.freeze().await.unwrap();
        let before = sandbox.sandbox.cpu_time().await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        let frozen = sandbox.sandbox.cpu_time().await.unwrap() - before;
        assert!(frozen < Duration::from_millis(100), "{}: {frozen:?}", bench.name());
        sandbox.sandbox.thaw().await.unwrap();
        assert_eq!(sandbox.exec("kill %1; echo on").await.stdout, "on\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn no_process_has_the_hosts_root() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let marker = format!("7{}.{}", std::process::id(), bench.name().len());
        sandbox.exec(&format!("sleep {marker} & until grep -q sleep /proc/$!/comm; do :; done")).await;
        let found = living(&format!("sleep\0{marker}"));
        assert!(!found.is_empty());
        for pid in found {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_ascii_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
            };
            assert!(!field("Uid:").contains(&"0".to_owned()), "{status}");
            assert!(!field("Gid:").contains(&"0".to_owned()), "{status}");
            assert!(!field("Groups:").contains(&"0".to_owned()), "{status}");
            for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
                assert_eq!(field(set), ["0000000000000000"], "{set}");
            }
            assert_eq!(field("NoNewPrivs:"), ["1"]);
            assert_eq!(field("SigBlk:"), ["0000000000000000"]);
        }
        sandbox.sandbox.stop().await;
    }
}
