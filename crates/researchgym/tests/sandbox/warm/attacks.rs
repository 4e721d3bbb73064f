//! What a program cannot do: outlive its end, reach the process that it was forked from, or leave something for the next.

use std::path::Path;
use std::time::{Duration, Instant};

use researchgym_core::observation::{ExecEnding, ReachedLimit};

use super::{LONG, Warm, benches, said, spec};

const SHORT: Duration = Duration::from_millis(400);

/// Whether signals of programs are kept from the process that they were forked from: kernels from 6.12 on.
async fn has_scoped_signals(warm: &mut Warm) -> bool {
    let ask = "import ctypes\nprint(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 6)";
    let scoped = warm.run(ask).await.stdout == "True\n";
    if !scoped {
        eprintln!(
            "skipped: that a program cannot kill its server: signals are not scoped by this kernel's Landlock"
        );
    }
    scoped
}

#[tokio::test]
async fn attacks_end_with_their_program() {
    let attacks = [
        // Every way to run on.
        "while True: pass",
        "import signal\nsignal.signal(2, signal.SIG_IGN)\nsignal.pthread_sigmask(0, range(1, 64))\nwhile True: pass",
        "import os\nwhile True:\n  if os.fork() == 0: os.setsid()",
        "import os, signal\nsignal.signal(17, signal.SIG_IGN)\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(1000)\n  time.sleep(1000)",
        "import os\nwhile True:\n  if os.fork(): os._exit(0)",
        "import subprocess\nsubprocess.Popen(['setsid', 'nohup', 'sh', '-c', 'while :; do sleep 1; done'])",
        // Every way to be gone.
        "import os\nos._exit(3)",
        "import os\nos.closerange(0, 1 << 16)\nwhile True: pass",
        "import os\nos.kill(0, 9)",
        "import os\nos.kill(-1, 9)",
        "import ctypes\nctypes.string_at(0)",
        // What is left.
        "for f in ('/tmp', '/dev/shm', '/var/tmp', '.'): open(f + '/left', 'w').write('x')",
        "import os\nos.makedirs('/tmp/a/b/c')\nos.chmod('/tmp/a/b', 0)\nos.chmod('/tmp/a', 0)\nos.mkfifo('/dev/shm/f')",
        "import os, socket\nsocket.socket(socket.AF_UNIX).bind('/tmp/s')\nos.symlink('/', '/tmp/l')",
        "from multiprocessing import shared_memory as m\nm.SharedMemory('left', True, 100)",
    ];
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        if !has_scoped_signals(&mut warm).await {
            continue;
        }
        let look = "import os\nprint([os.listdir(f) for f in ('/tmp', '/dev/shm', '/var/tmp')])\n\
                    pids = [p for p in os.listdir('/proc') if p.isdigit()]\nprint(len(pids))";
        let (fresh, _) = warm.run_for(look, LONG).await;
        let mut killed = 0;
        for code in attacks {
            let started = Instant::now();
            let (_, outcome) = warm.run_for(code, SHORT).await;
            // Where no control group counts memory, the guest ends everything that uses too much together.
            killed += u64::from(outcome.ended.limits.contains(&ReachedLimit::Memory));
            assert!(started.elapsed() < Duration::from_secs(20), "{code}: {:?}", started.elapsed());
            assert_eq!(warm.run(look).await, fresh, "{}: {code}", bench.name());
        }
        // Nothing else of all that has harmed the server.
        assert!(warm.python.starts() <= 1 + killed, "{killed}");
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn the_server_is_out_of_reach() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let scoped = has_scoped_signals(&mut warm).await;
        let mut codes = vec![
            "open(f'/proc/{server}/mem', 'rb+')",
            "open(f'/proc/{server}/mem', 'rb')",
            "open(f'/proc/{server}/maps')",
            "open(f'/proc/{server}/environ')",
            "os.listdir(f'/proc/{server}/fd')",
            "open(f'/proc/{server}/fd/3')",
            "open(f'/proc/{server}/oom_score_adj', 'w')",
            "os.readlink(f'/proc/{server}/cwd')",
            "check(libc.ptrace(16, server, 0, 0))",
            "check(libc.syscall(438, os.pidfd_open(server), 3, 0))",
            "check(libc.syscall(310, server, 0, 0, 0, 0, 0))",
            "resource.prlimit(server, resource.RLIMIT_CPU, (1, 1))",
            "open('/proc/1/mem', 'rb')",
            // Nor what the next program will find.
            "open('/run/x', 'w')",
            "open('/researchgym/lib/x', 'w')",
            "check(libc.syscall(240, b'queue', 0o102, 0o600, None))",
        ];
        if scoped {
            codes.extend([
                "os.kill(server, 9)",
                "os.kill(server, 0)",
                "signal.pidfd_send_signal(os.pidfd_open(server), 19)",
            ]);
        }
        for code in codes {
            let code = format!(
                "import ctypes, os, resource, signal\nserver = os.getppid()\nlibc = ctypes.CDLL(None, use_errno=True)\n\
                 def check(result):\n  if result < 0: raise OSError(ctypes.get_errno(), '')\n\
                 try: {code}\nexcept OSError as e: print(e.errno)\nelse: print('worked')"
            );
            let seen = warm.run(&code).await;
            let refused = ["1\n", "13\n", "24\n", "30\n", "38\n"].contains(&&*seen.stdout);
            assert!(refused && seen.code == Some(0), "{code}: {seen:?}");
        }
        // Programs of one session do reach each other.
        let own =
            "import os, signal\np = os.fork()\nif p == 0: signal.pause()\nos.kill(p, 9)\nprint(os.wait()[1])";
        assert_eq!(warm.run(own).await, said(0, "9\n"));
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_cleared_is_left_behind_with_the_sandbox() {
    let channels = [
        // Segments of System V, which no file shows.
        (
            "import ctypes\nassert ctypes.CDLL(None).shmget(7, 4096, 0o1600) >= 0",
            "import ctypes\nprint(ctypes.CDLL(None).shmget(7, 4096, 0o600))",
        ),
        // More files than are worth removing one by one, and deeper ones than a path can name.
        (
            "import os\nfor n in range(10100): os.mkdir(f'/dev/shm/{n}')",
            "import os\nprint(os.listdir('/dev/shm'))",
        ),
        (
            "import os\nos.chdir('/tmp')\nfor _ in range(300):\n  os.mkdir('d' * 200); os.chdir('d' * 200)",
            "import os\nprint(os.listdir('/tmp'))",
        ),
        // The kernel lets processes of one user schedule each other, and children inherit it.
        (
            "import os\nos.setpriority(os.PRIO_PROCESS, os.getppid(), 7)\nos.sched_setaffinity(os.getppid(), {0})",
            "import os\nprint(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0))",
        ),
    ];
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        for (leave, look) in channels {
            let (before, fresh) = (warm.python.starts(), warm.run(look).await);
            assert_eq!(warm.run(leave).await, said(0, ""), "{leave}");
            assert_eq!(warm.run(look).await, fresh, "{leave}");
            assert_eq!(warm.python.starts(), before + 1, "{leave}");
        }
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn memory_and_workspace_have_limits() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        // Whether it is killed or refused depends on what limits memory here.
        let (seen, outcome) = warm.run_for("x = b'x' * (3 << 30)", LONG).await;
        match seen.code {
            Some(137) => assert_eq!(outcome.ended.limits, [ReachedLimit::Memory], "{outcome:?}"),
            _ => assert!(seen.code == Some(1) && seen.stderr.contains("MemoryError"), "{seen:?}"),
        }
        let flood = "for n in range(100):\n  with open(f'f{n}', 'wb') as f: f.write(bytes(1 << 20))\nwhile True: pass";
        let (seen, outcome) = warm.run_for(flood, LONG).await;
        assert_eq!((seen.code, outcome.ended.limits), (Some(137), vec![ReachedLimit::Workspace]));
        warm.python.clear().await.unwrap();
        assert_eq!(warm.run("print('on')").await, said(0, "on\n"));
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn a_killed_server_is_that_programs_failure_and_the_next_has_another() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
        // From outside, as if the kernel's memory killer had chosen it. The program says when.
        let marker = bench.path("work/begun");
        let work = bench.path("work");
        let killer = std::thread::spawn(move || {
            while !marker.exists() {
                std::thread::yield_now();
            }
            let servers = crate::bench::living("researchgym_warm.py");
            let mine = servers.into_iter().filter(|pid| {
                let arguments = std::fs::read(format!("/proc/{pid}/root/workspace/begun"));
                arguments.is_ok() && same_file(&work, Path::new(&format!("/proc/{pid}/root/workspace")))
            });
            // The oldest is the server, the others its children.
            let pid = mine.min().unwrap();
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(pid).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        });
        let code = "import os, time\nif os.fork() == 0: os.setsid()\nopen('begun', 'w')\ntime.sleep(1000)";
        let (seen, outcome) = warm.run_for(code, LONG).await;
        killer.join().unwrap();
        assert_eq!((seen.code, outcome.ended.ending), (Some(137), ExecEnding::Exited));
        assert_eq!(outcome.ended.notes, ["the Python that it was forked from was killed with it"]);
        warm.python.clear().await.unwrap();
        assert_eq!(warm.run("print('on')").await, said(0, "on\n"));
        assert_eq!(warm.python.starts(), 2);
        assert_eq!(std::fs::read_dir("/proc/self/fd").unwrap().count(), before);
        warm.python.stop().await;
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    identity(one) == identity(other)
}

#[tokio::test]
async fn nothing_that_a_program_wrote_is_imported_by_a_server() {
    for bench in benches().await {
        let mut spec = spec(&bench);
        for (name, value) in [
            ("HOME", "/workspace"),
            ("PYTHONPATH", "/workspace/lib:."),
            ("PATH", "/workspace/bin:/usr/local/bin:/usr/bin:/bin"),
        ] {
            spec.environment.insert(name.to_owned(), value.to_owned());
        }
        let mut warm = Warm::start_with(&bench, spec, &["json"]).await.unwrap();
        std::fs::create_dir_all(bench.path("work/bin")).unwrap();
        std::fs::create_dir_all(bench.path("work/lib")).unwrap();
        let evil = "open('/workspace/imported', 'w')";
        for name in [
            "json.py",
            "lib/json.py",
            "lib/sitecustomize.py",
            "lib/usercustomize.py",
            "researchgym_warm_program.py",
            "researchgym_warm_clearing.py",
            "researchgym_warm_scout.py",
        ] {
            warm.write(name, evil);
        }
        let path = bench.path("work/bin/python3");
        std::fs::write(&path, "#!/bin/sh\ntouch /workspace/imported\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        // Makes the next program need another server.
        assert_eq!(
            warm.run("import ctypes\nassert ctypes.CDLL(None).shmget(7, 4096, 0o1600) >= 0").await,
            said(0, "")
        );
        let seen = warm.run("import os\nprint(os.path.exists('imported'), os.environ['HOME'])").await;
        assert_eq!((seen, warm.python.starts()), (said(0, "False /workspace\n"), 2));
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn the_folder_is_cleared_whatever_is_in_it() {
    for bench in benches().await {
        std::fs::write(bench.path("data/points.csv"), "1,2\n").unwrap();
        let mut warm = Warm::start(&bench).await;
        let litter = "import os\nos.makedirs('a/b'); os.chmod('a/b', 0); os.chmod('a', 0)\nos.symlink('/etc', 'l')\n\
                      os.mkfifo('f'); open('x', 'w'); os.chmod('x', 0)\nos.setxattr('.', 'user.note', b'1')\n\
                      os.chmod('.', 0)";
        assert_eq!(warm.run(litter).await.code, Some(0));
        warm.python.clear().await.unwrap();
        let look = "import os\nprint(sorted(os.listdir()), open('data/points.csv').read(), os.listxattr('.'),\n\
                    oct(os.stat('.').st_mode), os.access('.', os.W_OK))";
        assert_eq!(warm.run(look).await, said(0, "['data', 'x.py'] 1,2\n [] 0o40755 True\n"));
        assert_eq!(warm.python.starts(), 1);
        // A mount that has gone with its folder comes again.
        let (_, cleared) = (std::fs::remove_dir(bench.path("work/data")), warm.python.clear().await);
        cleared.unwrap();
        assert_eq!(warm.run(look).await, said(0, "['data', 'x.py'] 1,2\n [] 0o40755 True\n"));
        assert_eq!(warm.python.starts(), 2);
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn a_cancelled_program_is_killed() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let code = "import os, time\nif os.fork() == 0: os.setsid()\nwhile True: open('alive', 'w'); time.sleep(0.001)";
        assert!(tokio::time::timeout(SHORT, warm.run_for(code, LONG)).await.is_err());
        warm.python.clear().await.unwrap();
        let look =
            "import os\nprint(sorted(os.listdir()), len([p for p in os.listdir('/proc') if p.isdigit()]))";
        assert_eq!(warm.run(look).await, said(0, "['data', 'x.py'] 3\n"));
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn three_hundred_programs_leave_nothing() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let code = "import os, random\nprint(len([p for p in os.listdir('/proc') if p.isdigit()]), len(os.listdir('/proc/self/fd')),\n\
                    \x20 os.listdir('/tmp'))\nopen('/tmp/left', 'w')\nif os.fork() == 0:\n  os.setsid()\n  import time; time.sleep(100)";
        let expected = said(0, "3 4 []\n");
        let (seen, _) = warm.run_for(code, LONG).await;
        assert_eq!(seen, expected);
        let before = count();
        for _ in 0..300 {
            let (seen, outcome) = warm.run_for(code, LONG).await;
            assert_eq!((seen, outcome.left_behind), (expected.clone(), 1));
        }
        assert_eq!((count(), warm.python.starts()), (before, 1));
        warm.python.stop().await;
        assert_eq!(std::fs::read_dir(bench.path("home/scratch")).unwrap().count(), 0);
    }
}
