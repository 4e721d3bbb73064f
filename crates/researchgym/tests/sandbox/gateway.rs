//! The model gateway's socket, from inside: as a file everywhere, and behind a port of the sandbox's loopback where
//! there is one.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use researchgym_engine::sandbox::{GATEWAY_PORT, GATEWAY_SOCKET, Sandbox, SandboxError, SandboxSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::bench::{Bench, Shown, Tested};

/// What every script below begins with.
const CLIENT: &str = r#"
import hashlib, os, socket, sys, threading
def tcp(receive=None):
    s = socket.socket()
    if receive: s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    s.connect(("127.0.0.1", 8787))
    return s
def unix():
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["RESEARCHGYM_GATEWAY"])
    return s
def rest(s):
    return b"".join(iter(lambda: s.recv(65536), b""))
def ask(s, text):
    s.sendall(text); s.shutdown(socket.SHUT_WR)
    return rest(s)
"#;

/// The host's end. The first byte of a connection says what it does with it.
struct Gateway {
    flooded: AtomicU64,
    hung_up: AtomicU64,
}

impl Gateway {
    fn serve(listener: UnixListener) -> Arc<Gateway> {
        let gateway = Arc::new(Gateway { flooded: AtomicU64::new(0), hung_up: AtomicU64::new(0) });
        let answering = gateway.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gateway = answering.clone();
                tokio::spawn(async move { gateway.answer(stream).await });
            }
        });
        gateway
    }

    async fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        match stream.read_u8().await? {
            b'e' => {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await?;
                to.shutdown().await
            }
            b'c' => {
                let mut body = Vec::new();
                stream.read_to_end(&mut body).await?;
                stream.write_all(format!("{} bytes\n\n", body.len()).as_bytes()).await?;
                for number in 0..20_000 {
                    stream.write_all(format!("data: {number}\n\n").as_bytes()).await?;
                }
                stream.shutdown().await
            }
            // Says something and hangs up, whatever comes.
            b'r' => stream.write_all(b"refused").await,
            // Says as much as is taken, and hangs up.
            b'f' => {
                let part = [b'x'; 1000];
                while let Ok(written) =
                    tokio::time::timeout(Duration::from_millis(200), stream.write(&part)).await
                {
                    self.flooded.fetch_add(written? as u64, Ordering::Relaxed);
                }
                Ok(())
            }
            // Speaks until nobody listens.
            b'l' => {
                while stream.write_all(&[b'x'; 1000]).await.is_ok() {}
                self.hung_up.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // Says nothing, hears nothing.
            b's' => std::future::pending().await,
            // The same, and has said so.
            b'h' => {
                stream.shutdown().await?;
                std::future::pending().await
            }
            other => panic!("nobody asks for {other}"),
        }
    }
}

/// A listener in a folder as the specification asks for.
fn listen(bench: &Bench, backlog: u32) -> (UnixListener, PathBuf) {
    let folder = bench.path("gateway");
    std::fs::create_dir(&folder).unwrap();
    let mode = if bench.runtime.is_isolated() { 0o700 } else { 0o711 };
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
    let path = folder.join("gateway.sock");
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    (socket.listen(backlog).unwrap(), path)
}

fn spec(bench: &Bench, socket: PathBuf) -> SandboxSpec {
    let mut spec = bench.spec();
    spec.gateway = Some(socket);
    spec.environment.insert("RESEARCHGYM_GATEWAY".to_owned(), GATEWAY_SOCKET.to_owned());
    spec
}

async fn start(bench: &Bench) -> (Tested, Arc<Gateway>) {
    let (listener, socket) = listen(bench, 1024);
    (bench.start_with(spec(bench, socket)).await, Gateway::serve(listener))
}

async fn python(sandbox: &Tested, script: &str) -> Shown {
    let script = format!("{CLIENT}{script}");
    sandbox.sandbox.write_file("client.py", script.as_bytes(), 0o644).await.unwrap().unwrap();
    sandbox.exec("python3 client.py").await
}

fn check(shown: &Shown, expected: &str) {
    assert_eq!((shown.code, &*shown.stdout, &*shown.stderr), (Some(0), expected, ""));
}

#[tokio::test]
async fn programs_connect_to_the_socket_in_every_runtime() {
    for bench in Bench::all() {
        let (sandbox, _gateway) = start(&bench).await;
        let shown = python(&sandbox, "print(ask(unix(), b'ehello'))").await;
        check(&shown, "b'hello'\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn bytes_survive_both_ways_on_many_connections_at_once() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        let script = r#"
def exchange(s, seed):
    content = hashlib.shake_128(seed).digest(8 << 20)
    def send(): s.sendall(b"e" + content); s.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send); sender.start()
    same.append(rest(s) == content); sender.join()
same = []
threads = [threading.Thread(target=exchange, args=(connect(), b"%d" % n)) for n, connect in enumerate([tcp, unix] * 3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(same)
"#;
        check(&python(&sandbox, script).await, "[True, True, True, True, True, True]\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_large_body_and_a_long_stream_to_a_reluctant_reader_arrive_whole() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        let script = r#"
s = tcp(receive=4096)
s.sendall(b"c")
for part in range(50): s.sendall(b"x" * 1000000)
s.shutdown(socket.SHUT_WR)
answer = b"".join(iter(lambda: s.recv(100), b""))
events = b"".join(b"data: %d\n\n" % n for n in range(20000))
print(answer == b"50000000 bytes\n\n" + events)
"#;
        check(&python(&sandbox, script).await, "True\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn either_side_may_hang_up_at_any_time() {
    for bench in Bench::isolated() {
        let (sandbox, gateway) = start(&bench).await;
        // The gateway learns that nobody listens any more.
        let leave =
            "for n in range(20):\n s = tcp(); s.sendall(b'l'); s.recv(10 * n + 1)\n if n % 2: s.close()\n";
        check(&python(&sandbox, leave).await, "");
        while gateway.hung_up.load(Ordering::Relaxed) < 20 {
            tokio::task::yield_now().await;
        }
        // What it said before it hung up is heard, though nobody read the rest of the question.
        let early = "s = tcp(); s.sendall(b'r' + b'x' * 100000); print(rest(s))";
        check(&python(&sandbox, early).await, "b'refused'\n");
        check(&python(&sandbox, "print(ask(tcp(), b'eon'))").await, "b'on'\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn three_hundred_connections_are_served_in_turn_and_commands_go_on() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        let script = r#"
clients = [tcp() for n in range(300)]
for n, s in enumerate(clients): s.sendall(b"e%d" % n)
def hear(numbers): return all(clients[n].recv(9) == b"%d" % n for n in numbers)
print(hear(range(256)))
open("held", "w").close()
open("go").read()
for s in clients[:256]: s.close()
print(hear(range(256, 300)))
"#;
        let script = format!("{CLIENT}{script}");
        sandbox.sandbox.write_file("client.py", script.as_bytes(), 0o644).await.unwrap().unwrap();
        sandbox.exec("mkfifo go").await;
        let (program, ()) = tokio::join!(sandbox.spawn(&["python3", "client.py"]), async {
            check(&sandbox.exec("until [ -e held ]; do :; done; echo on").await, "on\n");
            assert_eq!(sandbox.exec("exit 7").await.code, Some(7));
            check(&sandbox.exec("ls -l /proc/$$/fd | grep socket; echo new; echo > go").await, "new\n");
        });
        check(&program, "True\nTrue\n");
        sandbox.sandbox.stop().await;
    }
}

/// A shell has descriptors of fixed numbers, near which the guest's own are when the connections, two each, are so many.
#[tokio::test]
async fn a_shell_can_be_started_however_many_connections_there_are() {
    for bench in Bench::isolated() {
        let (listener, socket) = listen(&bench, 1024);
        let _gateway = Gateway::serve(listener);
        for (count, session) in (115..125).flat_map(|count| [(count, false), (count, true)]) {
            let mut spec = spec(&bench, socket.clone());
            // One descriptor more or less.
            spec.session = session;
            let sandbox = bench.start_with(spec).await;
            let script = format!(
                r#"{CLIENT}
os.mkfifo("go")
held = [tcp() for n in range({count})]
for s in held: s.sendall(b"ex"); s.recv(1)
os.mkdir("held")
open("go").read()
"#
            );
            sandbox.sandbox.write_file("client.py", script.as_bytes(), 0o644).await.unwrap().unwrap();
            let (program, ()) = tokio::join!(sandbox.spawn(&["python3", "client.py"]), async {
                while !bench.path("work/held").exists() {
                    tokio::task::yield_now().await;
                }
                let shown =
                    sandbox.exec_for("echo on; echo > go; rm -r held go", Duration::from_secs(5)).await;
                assert_eq!((shown.code, &*shown.stdout), (Some(0), "on\n"), "{count} {session}: {shown:?}");
            });
            check(&program, "");
            sandbox.sandbox.stop().await;
        }
    }
}

#[tokio::test]
async fn clients_wait_while_the_gateway_takes_no_connections() {
    for bench in Bench::isolated() {
        let (listener, socket) = listen(&bench, 1);
        let sandbox = bench.start_with(spec(&bench, socket)).await;
        let script = r#"
clients = [tcp() for n in range(30)]
for s in clients: s.sendall(b"eon"); s.shutdown(socket.SHUT_WR)
open("asked", "w").close()
print({rest(s) for s in clients})
"#;
        let (shown, _gateway) = tokio::join!(python(&sandbox, script), async {
            while !bench.path("work/asked").exists() {
                tokio::task::yield_now().await;
            }
            Gateway::serve(listener)
        });
        check(&shown, "{b'on'}\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn connections_that_nobody_moves_cost_no_time() {
    for bench in Bench::isolated() {
        let (sandbox, gateway) = start(&bench).await;
        let script = r#"
import select, time
def used(): return sum(map(int, open("/proc/1/stat").read().rsplit(")", 1)[1].split()[11:13]))
def begin(letter, receive=None): s = tcp(receive); s.sendall(letter); return s
def push(s):
    s.setblocking(False)
    while select.select([], [s], [], 0.2)[1]: s.send(b"x" * 1000)
    s.setblocking(True)
    return s
flood = begin(b"f", 4096)
held = [flood, begin(b"s"), begin(b"h"), push(begin(b"s")), push(begin(b"h"))]
for letter in (b"s", b"h"):
    for s in (begin(letter), push(begin(letter))): s.shutdown(socket.SHUT_WR); held.append(s)
reset = push(begin(b"h")); reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"); reset.close()
time.sleep(0.5)
before = used(); time.sleep(0.6); ticks = used() - before
print(ticks * 10 if ticks > 6 else "idle")
print(len(rest(flood)))
"#;
        let shown = python(&sandbox, script).await;
        check(&shown, &format!("idle\n{}\n", gateway.flooded.load(Ordering::Relaxed)));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_transfer_outlives_a_freeze() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        let script = r#"
s = tcp(); s.sendall(b"e" + b"x" * 100000)
open("begun", "w").close()
s.sendall(b"y" * 100000); s.shutdown(socket.SHUT_WR)
print(rest(s) == b"x" * 100000 + b"y" * 100000)
"#;
        let (shown, ()) = tokio::join!(python(&sandbox, script), async {
            while !bench.path("work/begun").exists() {
                tokio::task::yield_now().await;
            }
            sandbox.sandbox.freeze().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            sandbox.sandbox.thaw().await.unwrap();
        });
        check(&shown, "True\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_gateway_that_has_gone_is_an_end_and_no_more() {
    for bench in Bench::isolated() {
        let (listener, socket) = listen(&bench, 16);
        let sandbox = bench.start_with(spec(&bench, socket)).await;
        drop(listener);
        check(&python(&sandbox, "print(rest(tcp()), rest(tcp()))").await, "b'' b''\n");
        sandbox.sandbox.stop().await;
    }
}

const LISTENING: &str =
    "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | awk '$1 ~ /:$/ {print $2, $4}'";

#[tokio::test]
async fn without_a_gateway_there_is_no_port_and_no_socket() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        check(&sandbox.exec(LISTENING).await, "");
        check(&sandbox.exec("ls /run/researchgym").await, "session.sock\n");
        let shown = python(&sandbox, "try: tcp()\nexcept ConnectionRefusedError: print('refused')").await;
        check(&shown, "refused\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_gateway_is_all_that_is_reachable() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        check(&sandbox.exec(LISTENING).await, &format!("0100007F:{GATEWAY_PORT:04X} 0A\n"));
        check(
            &sandbox.exec("ls /run/researchgym; tail -n +2 /proc/net/route").await,
            "gateway.sock\nsession.sock\n",
        );
        // Listens on every address of the host.
        let other = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let script = format!(
            r#"
for address in [("127.0.0.1", {port}), ("127.0.0.2", 8787), ("192.0.2.1", 80), ("0.0.0.0", {port})]:
    try: socket.create_connection(address); print("connected", address)
    except OSError as error: print(type(error).__name__)
"#
        );
        let shown = python(&sandbox, &script).await;
        check(&shown, "ConnectionRefusedError\nConnectionRefusedError\nOSError\nConnectionRefusedError\n");
        sandbox.sandbox.stop().await;
    }
}

/// An ordinary user's sandbox has one user, who owns the folder of the sockets and may rename it.
#[tokio::test]
async fn the_port_leads_to_the_gateway_whatever_is_put_in_the_sockets_place() {
    for bench in Bench::isolated() {
        let (sandbox, _gateway) = start(&bench).await;
        sandbox.exec("mv /run/researchgym /run/aside; mkdir /run/researchgym").await;
        let script = r#"
try:
    own = socket.socket(socket.AF_UNIX); own.bind("/run/researchgym/gateway.sock"); own.listen()
except OSError: pass
print(ask(tcp(), b"etrue"))
"#;
        check(&python(&sandbox, script).await, "b'true'\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_socket_is_refused() {
    for bench in Bench::all() {
        let file = bench.path("file");
        std::fs::write(&file, "").unwrap();
        let refused = Sandbox::start(&bench.host, spec(&bench, file), Vec::new()).await.map(drop);
        assert!(matches!(refused, Err(SandboxError::Specification { .. })), "{refused:?}");
        let missing =
            Sandbox::start(&bench.host, spec(&bench, bench.path("none")), Vec::new()).await.map(drop);
        assert!(matches!(missing, Err(SandboxError::Path { .. })), "{missing:?}");
    }
}

#[test]
fn all_of_this_works_for_an_ordinary_user_too() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = tempfile::Builder::new().prefix("rg-test-").tempdir().unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let me = std::env::current_exe().unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&me)
        .args(["gateway::", "--skip", "ordinary_user", "--test-threads", "2", "--nocapture"])
        .env("TMPDIR", place.path())
        // The engine of the tests is root's.
        .env_remove("RESEARCHGYM_TEST_IMAGE")
        .output();
    match output {
        Ok(output) if matches!(output.status.code(), Some(126 | 127)) => {
            println!("SKIPPED: an ordinary user cannot run {}", me.display());
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains(" 0 passed"), "{said}");
            said.lines().filter(|line| line.starts_with("skipped")).for_each(|line| println!("{line}"));
        }
        Err(error) => println!("SKIPPED: needs `setpriv`: {error}"),
    }
}
