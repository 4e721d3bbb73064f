//! The session offered to programs inside.

use std::time::Duration;

use researchgym_core::observation::ExecEnding;

use crate::bench::Bench;

const CLIENT: &str = r#"
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["RESEARCHGYM_SESSION"])
f = s.makefile("rw")
for line in sys.argv[1:]:
    f.write(line + "\n"); f.flush()
    print(f.readline().strip())
"#;

#[tokio::test]
async fn a_program_asks_while_a_command_runs() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        sandbox.sandbox.write_file("client.py", CLIENT.as_bytes(), 0o644).await.unwrap().unwrap();
        let host = async {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let request = sandbox.sandbox.next_request().await.unwrap();
                // As a validation does.
                sandbox.sandbox.freeze().await.unwrap();
                sandbox.sandbox.thaw().await.unwrap();
                sandbox.sandbox.answer(request.id, &format!("got {}", request.line)).await.unwrap();
                seen.push(request.line);
            }
            seen
        };
        let (shown, seen) = tokio::join!(sandbox.exec("python3 client.py one '{\"type\":\"two\"}'"), host);
        assert_eq!(shown.stdout, "got one\ngot {\"type\":\"two\"}\n", "{shown:?}");
        assert_eq!(seen, ["one", "{\"type\":\"two\"}"]);
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_or_no_text_is_answered_with_an_error() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        sandbox.sandbox.write_file("client.py", CLIENT.as_bytes(), 0o644).await.unwrap().unwrap();
        let shown = sandbox.exec("python3 client.py $(head -c 70000 /dev/zero | tr '\\0' x)").await;
        assert!(shown.stdout.contains("longer than 64 KiB"), "{shown:?}");
        let shown = sandbox.exec("sed -i 's/makefile(\"rw\")/makefile(\"rw\", errors=\"surrogateescape\")/' client.py; python3 client.py $'\\xff'").await;
        assert!(shown.stdout.contains("not UTF-8"), "{shown:?}");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn clients_that_leave_do_no_harm() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let leave = "python3 -c 'import os, socket\n\
                     for n in range(100):\n s = socket.socket(socket.AF_UNIX); s.connect(os.environ[\"RESEARCHGYM_SESSION\"])\n \
                     if n % 2: s.sendall(b\"x\\n\")\n'";
        assert_eq!(sandbox.exec(leave).await.code, Some(0));
        let request = sandbox.sandbox.next_request().await.unwrap();
        sandbox.sandbox.answer(request.id, "nobody hears").await.unwrap();
        assert_eq!(sandbox.exec("echo on").await.stdout, "on\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn time_outs_stand_still_while_frozen() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let command = sandbox.exec_for("touch started; read x < never", Duration::from_millis(400));
        let freeze = async {
            while !bench.path("work/started").exists() {
                tokio::task::yield_now().await;
            }
            sandbox.sandbox.freeze().await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            sandbox.sandbox.thaw().await.unwrap();
        };
        sandbox.exec("mkfifo never").await;
        let started = std::time::Instant::now();
        let (shown, ()) = tokio::join!(command, freeze);
        assert_eq!(shown.ending, ExecEnding::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
        sandbox.sandbox.stop().await;
    }
}
