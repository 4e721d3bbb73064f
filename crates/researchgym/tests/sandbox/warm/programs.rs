//! What a program may count on: it is as if it had been started.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use researchgym_core::observation::ExecEnding;
use researchgym_engine::sandbox::{Capture, Sandbox};
use researchgym_engine::warm::WarmError;

use super::{LONG, Seen, Warm, benches, cold, said, spec, words};

/// Programs that end in every way there is.
const PROGRAMS: [&str; 34] = [
    "pass",
    "print('out'); import sys; print('err', file=sys.stderr)",
    "1/0",
    "def f():\n  raise KeyError('k')\ntry:\n  f()\nexcept KeyError as e:\n  raise ValueError('v') from e",
    "import sys; sys.exit('bye')",
    "import sys; sys.exit(300)",
    "import sys; sys.exit(-1)",
    "import sys; sys.exit(True)",
    "import sys; sys.exit(None)",
    "import sys; sys.exit((1, 2))",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "def",
    "x = '\u{ff}'; print(ascii(x))",
    "# -*- coding: no-such -*-",
    "import os; print('lost'); os._exit(3)",
    "import os; print('lost'); os.abort()",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "import os; os.close(1); print('x')",
    "import os; os.closerange(0, 100)",
    "class A:\n  def __del__(self): print('del')\na = A()\nprint('end')",
    "import atexit; atexit.register(print, 'at the end'); 1/0",
    "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.05), print('thread'))).start()",
    "import sys\ndef hook(*a): raise ValueError('hook')\nsys.excepthook = hook\n1/0",
    "import sys\nsys.excepthook = lambda *a: print(a[0])\n1/0",
    "import sys, os\nprint(sys.argv, sys.orig_argv, __file__, sys.path, __name__, os.getcwd(), sys.stdin.read())\n\
     print(__spec__, __package__, __doc__, __cached__, type(__loader__).__name__, sorted(globals()), __builtins__)\n\
     print(sys.stdin, sys.stdout, sys.stderr, sorted(os.listdir('/proc/self/fd')), hash('a'), os.umask(0))\n\
     print(sorted(os.environ.items()), os.getpid() == os.getsid(0), sys.executable)",
    "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
    "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n  print(m.Pool(2).map(f, [1, 2, 3]))",
    "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n\
     \x20 with m.get_context('spawn').Pool(1) as p: print(p.map(f, [1, 2, 3]))",
    "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout)",
    "import resource\nprint([resource.getrlimit(getattr(resource, 'RLIMIT_' + n)) for n in\n\
     \x20 ('CORE', 'FSIZE', 'NOFILE', 'AS', 'DATA', 'CPU', 'STACK')])",
    "import signal\nprint(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE), signal.pthread_sigmask(0, []))",
    "import logging\nlogging.getLogger().addHandler(logging.StreamHandler())\nlogging.warning('once')",
    "import warnings; warnings.warn('careful'); open('/usr/x', 'w')",
];

#[tokio::test]
async fn a_warm_start_cannot_be_told_from_a_cold_one() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let mut other = spec(&bench);
        other.name = "cold".to_owned();
        other.read_only.push(researchgym_engine::sandbox::ReadOnlyMount {
            source: researchgym_engine::grading::library(&bench.path("home")).unwrap(),
            target: "/researchgym/lib".to_owned(),
        });
        let sandbox = Sandbox::start(&bench.host, other, Vec::new()).await.unwrap();
        let mut check = async |command: &str, code: &str| {
            let seen = warm.command(command, LONG).await.unwrap().0;
            let expected = cold(&sandbox, command, &bench.path("blobs")).await;
            assert_eq!(seen, expected, "{}: {command}: {code}", bench.name());
        };
        for code in PROGRAMS {
            std::fs::write(bench.path("work/x.py"), code).unwrap();
            check("python3 x.py a -b", code).await;
        }
        let code = "import sys, os\nos.write(1, b'1')\nsys.stdout.write('2'); os.write(1, b'3')\n\
                    print(sys.path, sys.argv, sys.orig_argv, sys.dont_write_bytecode)";
        std::fs::create_dir_all(bench.path("work/sub")).unwrap();
        std::fs::write(bench.path("work/sub/y.py"), code).unwrap();
        for command in [
            "python3 sub/y.py",
            "python3 ./sub/y.py",
            "python3 /workspace/sub/y.py -u",
            "python3 -B -u sub/y.py",
            "python3 -I sub/y.py x",
            "python3 -E -s -q sub/y.py",
        ] {
            check(command, code).await;
        }
        for command in ["python3 no.py", "python3 sub/../no.py"] {
            check(command, "").await;
        }
        std::fs::write(bench.path("work/x.py"), b"x = '\xff'").unwrap();
        check("python3 x.py", "not UTF-8").await;
        sandbox.stop().await;
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn commands_that_cannot_be_forked_are_refused_and_nothing_is_lost() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        std::fs::create_dir_all(bench.path("work/folder")).unwrap();
        std::fs::write(bench.path("work/archive"), b"PK\x03\x04").unwrap();
        warm.write("x.pyc", "");
        for command in [
            "sh -c true",
            "python3 -c pass",
            "python3 -m this",
            "python3 folder",
            "python3 archive",
            "python3 x.pyc",
        ] {
            let refused = warm.command(command, LONG).await;
            assert!(matches!(refused, Err(WarmError::NotWarm { .. })), "{command}: {refused:?}");
        }
        assert_eq!(warm.run("print('on')").await, said(0, "on\n"));
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
        let missing =
            Warm::start_with(&bench, spec(&bench), &["json", "no_such_module"]).await.err().unwrap();
        assert_eq!(
            missing.message,
            "a module of `search.warm.preload` cannot be imported: `no_such_module`: ModuleNotFoundError: No module \
             named 'no_such_module'"
        );
    }
}

#[tokio::test]
async fn modules_are_loaded_already_and_each_program_has_its_own() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let loaded = "import sys; print('decimal' in sys.modules, 'fractions' in sys.modules)";
        assert_eq!(warm.run(loaded).await, said(0, "True False\n"));
        let patch = "import json, random, sys, os\njson.dumps = None\nsys.modules['decimal'] = None\nrandom.seed(7)\n\
                     os.environ['X'] = '1'\nsys.path.append('/x')\nsys.setrecursionlimit(50)";
        assert_eq!(warm.run(patch).await, said(0, ""));
        let look = "import json, decimal, sys, os\n\
                    print(json.dumps([decimal.Decimal(1) == 1]), os.environ.get('X'), '/x' in sys.path, sys.getrecursionlimit())";
        assert_eq!(warm.run(look).await, said(0, "[true] None False 1000\n"));
        let draw = "import random; print(random.random())";
        let (first, second) = (warm.run(draw).await, warm.run(draw).await);
        assert_ne!(first.stdout, second.stdout);
        // A module of the program's own comes before one that is loaded, as it would in a cold start.
        warm.write("decimal.py", "mine = True");
        assert_eq!(warm.run("import decimal; print(decimal.mine)").await, said(0, "True\n"));
        warm.python.clear().await.unwrap();
        assert_eq!(warm.run("import decimal; print(decimal.Decimal(2))").await, said(0, "2\n"));
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
        // One that `PYTHONPATH` leads to is the one that is loaded.
        let mut spec = spec(&bench);
        spec.environment.insert("PYTHONPATH".to_owned(), "/researchgym/lib".to_owned());
        let mut warm = Warm::start_with(&bench, spec, &["researchgym_channel"]).await.unwrap();
        let loaded = "import sys; print('researchgym_channel' in sys.modules)\nimport researchgym_channel";
        assert_eq!(warm.run(loaded).await, said(0, "True\n"));
        warm.python.stop().await;
    }
}

/// Environment, arguments, flags and the user's own packages are those of each program, not of the one before.
#[tokio::test]
async fn each_program_has_its_own_environment() {
    let look = "import os, site, sys\nprint(sorted(n for n in os.environ if n[0] in 'AOS'), os.environ.get('ONE'), \
                sys.argv, sys.orig_argv, site.ENABLE_USER_SITE, site.USER_SITE, '/workspace' in sys.path)\n\
                os.environ['ONE'] = 'changed'\nos.environ['SET'] = 'by a program'";
    let user_site = "import site, sys; print(site.USER_SITE in sys.path)";
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        warm.write("x.py", look);
        warm.write("y.py", user_site);
        let python = "import sys; print('%d.%d' % sys.version_info[:2])";
        warm.write("v.py", python);
        let version = warm.command("python3 v.py", LONG).await.unwrap().0.stdout.trim().to_owned();
        let site = |home: &str| format!("{home}/.local/lib/python{version}/site-packages");
        let base = format!("/workspace/base/lib/python{version}/site-packages");
        std::fs::create_dir_all(warm.work.join(base.trim_start_matches("/workspace/"))).unwrap();
        for (command, variables, expected) in [
            (
                "python3 x.py a",
                vec![("ONE", "1")],
                format!("['ONE'] 1 ['x.py', 'a'] ['python3', 'x.py', 'a'] True {} True\n", site("/tmp")),
            ),
            (
                "python3 x.py a",
                vec![("ONE", "2"), ("OTHER", "")],
                format!(
                    "['ONE', 'OTHER'] 2 ['x.py', 'a'] ['python3', 'x.py', 'a'] True {} True\n",
                    site("/tmp")
                ),
            ),
            (
                "python3 -s x.py",
                vec![("HOME", "/elsewhere")],
                format!("[] None ['x.py'] ['python3', '-s', 'x.py'] False {} True\n", site("/elsewhere")),
            ),
            (
                "python3 x.py",
                vec![("HOME", "/elsewhere"), ("A", "=")],
                format!("['A'] None ['x.py'] ['python3', 'x.py'] True {} True\n", site("/elsewhere")),
            ),
            ("python3 y.py", vec![], "False\n".to_owned()),
            ("python3 y.py", vec![("PYTHONUSERBASE", "/workspace/base")], "True\n".to_owned()),
            ("python3 y.py", vec![], "False\n".to_owned()),
        ] {
            let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            let mut capture = Capture::new(&warm.blobs);
            let (argv, environment) = (words(command), environment.collect());
            warm.python.run_with(&argv, environment, LONG, Vec::new(), &mut capture, None).await.unwrap();
            let (stdout, stderr) = capture.finish().unwrap();
            assert_eq!((stdout.text, stderr.text), (expected, String::new()), "{command} {variables:?}");
        }
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn passed_descriptors_are_the_programs_alone() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        warm.write("x.py", "import socket\ns = socket.socket(fileno=4)\ns.sendall(s.recv(9).upper() + open(3).read().encode())");
        for _ in 0..3 {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b" file").unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            ours.write_all(b"hello").unwrap();
            let passed = vec![OwnedFd::from(file), OwnedFd::from(theirs)];
            let mut capture = Capture::new(&bench.path("blobs"));
            let outcome = warm.python.run(&words("python3 x.py"), LONG, passed, &mut capture).await.unwrap();
            assert_eq!(capture.finish().unwrap().1.text, "");
            assert_eq!(outcome.ended.exit_code, Some(0));
            let mut answer = String::new();
            // Ends because nobody else holds the other end.
            ours.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "HELLO file");
        }
        warm.python.stop().await;
    }
}

/// Whoever waits is told that a program has closed its outputs while it still is there.
#[tokio::test]
async fn it_is_told_when_nobody_can_write_any_more() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let close = "import os, socket\nprint('all', flush=True)\nos.close(1)\nos.close(2)\n\
                     assert socket.socket(fileno=3).recv(2) == b'go'";
        for (code, wanted) in
            [(close, said(0, "all\n")), ("import os\nos.close(2)\nos._exit(3)", said(3, ""))]
        {
            warm.write("x.py", code);
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let (told, quiet) = tokio::sync::oneshot::channel();
            let mut capture = Capture::new(&bench.path("blobs"));
            let argv = words("python3 x.py");
            let passed = vec![OwnedFd::from(theirs)];
            let environment = std::collections::BTreeMap::new();
            let program = warm.python.run_with(&argv, environment, LONG, passed, &mut capture, Some(told));
            let answer = async {
                // The second one ends without: it is told at the end, or never.
                if quiet.await.is_ok() && code == close {
                    ours.write_all(b"go").unwrap();
                }
            };
            let (outcome, ()) = tokio::join!(program, answer);
            let (stdout, stderr) = capture.finish().unwrap();
            let code = outcome.unwrap().ended.exit_code;
            assert_eq!(Seen { code, stdout: stdout.text, stderr: stderr.text }, wanted);
        }
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn gigabytes_of_output_are_counted() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        warm.write(
            "x.py",
            "import os\nb = bytes(1 << 20)\nfor _ in range(1500): os.write(1, b)\nos.write(2, b'end')",
        );
        let mut capture = Capture::new(&bench.path("blobs"));
        let outcome = warm.python.run(&words("python3 x.py"), LONG, Vec::new(), &mut capture).await.unwrap();
        let (stdout, stderr) = capture.finish().unwrap();
        assert_eq!((outcome.ended.exit_code, &*stderr.text), (Some(0), "end"));
        assert_eq!((stdout.bytes, stdout.dropped), (1500 << 20, (1500 << 20) - (256 << 20)));
        let endless = "import os\nb = bytes(1 << 16)\nwhile True: os.write(2, b)";
        let (seen, outcome) = warm.run_for(endless, Duration::from_millis(300)).await;
        assert_eq!((seen.code, outcome.ended.ending), (None, ExecEnding::TimedOut));
        assert_eq!(warm.run("print('on')").await, said(0, "on\n"));
        assert_eq!(warm.python.starts(), 1);
        warm.python.stop().await;
    }
}

#[tokio::test]
async fn time_and_memory_are_measured() {
    for bench in benches().await {
        let mut warm = Warm::start(&bench).await;
        let work = "import os, time\ndef work():\n  while time.process_time() < 0.2: pass\nwork()\n\
                    if os.fork() == 0:\n  work()\n  os._exit(0)\nos.wait()\nx = b'x' * (64 << 20)";
        let (seen, outcome) = warm.run_for(work, LONG).await;
        assert_eq!(seen, said(0, ""));
        assert!((400..5_000).contains(&outcome.cpu.as_millis()), "{outcome:?}");
        assert!((64 << 20..160 << 20).contains(&outcome.peak_memory_bytes.unwrap()), "{outcome:?}");
        let (seen, outcome) = warm.run_for("while True: pass", Duration::from_millis(200)).await;
        let where_it_was = "Traceback (most recent call last):\n  File \"/workspace/x.py\", line 1, in <module>\n    \
                            while True: pass\nKeyboardInterrupt\n";
        assert_eq!(seen, Seen { code: None, stdout: String::new(), stderr: where_it_was.to_owned() });
        assert_eq!((outcome.ended.ending, outcome.left_behind), (ExecEnding::TimedOut, 0));
        warm.python.stop().await;
    }
}
