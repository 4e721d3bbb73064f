//! What the runtimes that isolate keep apart. Nothing here writes to a setting of the machine: opening must fail already.

use researchgym_core::isolation::{IsolationLevel, Runtime};

use crate::bench::Bench;

/// Commands that must fail, on one line each.
async fn must_fail(commands: &[&str]) {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        for command in commands {
            let shown = sandbox.exec(command).await;
            assert_ne!(shown.code, Some(0), "`{command}` worked: {shown:?}");
        }
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn settings_of_the_machine_are_out_of_reach() {
    must_fail(&[
        // Opens for writing, writes nothing.
        ": >> /proc/sys/kernel/core_pattern",
        ": >> /proc/sys/vm/drop_caches",
        ": >> /proc/sysrq-trigger",
        ": >> /sys/kernel/uevent_helper",
        ": >> /proc/sys/kernel/hostname",
        "hostname other",
        "date -s 2001-01-01",
        "dmesg",
        "mount -t tmpfs none /tmp",
        "mknod /tmp/d b 8 0 && head -c 1 /tmp/d",
        "renice -n -5 $$",
        "chroot / true",
        "unshare -U true",
        "unshare -n true",
        "nsenter -t 1 -m true",
    ])
    .await;
}

#[tokio::test]
async fn files_of_the_host_are_not_there() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let mut hidden = vec![
            "/var/run/docker.sock".to_owned(),
            "/run/docker.sock".to_owned(),
            "/dev/kmsg".to_owned(),
            "/dev/sda".to_owned(),
            "/dev/vda".to_owned(),
            env!("CARGO_MANIFEST_DIR").to_owned(),
            bench.folder.path().display().to_string(),
            bench.path("home").display().to_string(),
        ];
        if bench.runtime == Runtime::Local {
            // An image has its own of these.
            let own = ["/etc/shadow", "/etc/ssh", "/etc/hostname", "/root", "/home", "/sys/fs/cgroup"];
            hidden.extend(own.map(str::to_owned));
            hidden.extend(std::env::var("HOME"));
        }
        for path in hidden.iter().filter(|path| *path != "/") {
            let shown = sandbox.exec(&format!("ls -d '{path}'")).await;
            assert_ne!(shown.code, Some(0), "{path} is visible: {shown:?}");
        }
        assert_ne!(sandbox.exec("cat /etc/shadow").await.code, Some(0));
        let shown =
            sandbox.exec("ls -A / | tr '\\n' ' '; ls -A /etc | grep -c .; cut -d: -f1 /etc/passwd").await;
        assert!(shown.stdout.ends_with("\nroot\nresearcher\nnobody\n"), "{shown:?}");
        if bench.runtime == Runtime::Docker {
            sandbox.sandbox.stop().await;
            continue;
        }
        for name in shown.stdout.split_ascii_whitespace() {
            assert!(!["mnt", "opt", "srv", "media", "boot", "work"].contains(&name), "{shown:?}");
        }
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn only_the_workspace_and_sized_memory_can_be_written() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let shown = sandbox
        .exec("for d in / /usr /usr/bin /etc /dev /proc /researchgym /researchgym/bin /run /run/researchgym /var; do touch $d/x 2>/dev/null && echo $d; done; true")
        .await;
        // An ordinary user's sandbox has one user, who then owns the (small) memory file system of the socket.
        let writable: Vec<&str> = shown.stdout.lines().filter(|line| !line.starts_with("/run")).collect();
        assert_eq!(writable, Vec::<&str>::new());
        assert_eq!(sandbox.exec("touch /workspace/x /tmp/x /dev/shm/x /var/tmp/x").await.code, Some(0));
        assert_ne!(sandbox.exec("echo x >> /researchgym/bin/researchgym").await.code, Some(0));
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_hosts_environment_and_arguments_do_not_show() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let shown = sandbox.exec("cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'").await;
        assert!(!shown.stdout.contains("CARGO"), "{}", shown.stdout);
        assert!(!shown.stdout.contains(env!("CARGO_MANIFEST_DIR")), "{}", shown.stdout);
        assert!(!shown.stdout.contains(&bench.folder.path().display().to_string()), "{}", shown.stdout);
        let shown = sandbox.exec("cat /proc/self/mountinfo").await;
        assert!(!shown.stdout.contains("shadow"), "{}", shown.stdout);
        sandbox.sandbox.stop().await;
        must_fail(&["cat /proc/1/environ"]).await;
    }
}

/// What the kernel tells of mounts cannot be kept from whoever is in them: it names where on its disk each folder lies
/// that is mounted from the host. Nothing else of the host is named there.
#[tokio::test]
async fn the_list_of_mounts_names_where_what_is_mounted_lies_and_nothing_else() {
    let Some(bench) = Bench::local() else { return };
    let sandbox = bench.start().await;
    // Kind of file system, root on it, and target: outputs are kept shortened.
    let fields = r"s/^[0-9]* [0-9]* [0-9:]* \([^ ]*\) \([^ ]*\) .* - \([^ ]*\) .*/\3 \1 \2/p";
    let shown = sandbox.exec(&format!("sed -n '{fields}' /proc/self/mountinfo")).await;
    let ours = ["proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "mqueue"];
    let from_disks: Vec<(String, String)> = shown
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(kind, _)| !ours.contains(kind))
        .filter_map(|(_, rest)| rest.split_once(' '))
        .map(|(root, target)| (root.to_owned(), target.to_owned()))
        .collect();
    let is_system = |target: &str| {
        ["/usr", "/bin", "/sbin", "/lib", "/etc"].iter().any(|place| target.starts_with(place))
    };
    let mut rest: Vec<(&str, &str)> = from_disks
        .iter()
        .filter(|(_, target)| !is_system(target))
        .map(|(root, target)| (root.as_str(), target.as_str()))
        .collect();
    rest.sort_unstable_by_key(|(_, target)| *target);
    // A disk may be mounted below the host's root: then its paths begin there.
    let work = bench.path("work").display().to_string();
    let data = bench.path("data").display().to_string();
    let program = env!("CARGO_BIN_EXE_researchgym");
    let expected = [
        (program, "/researchgym/bin/researchgym"),
        (work.as_str(), "/workspace"),
        (data.as_str(), "/workspace/data"),
    ];
    assert_eq!(rest.len(), expected.len(), "{rest:?}");
    for ((root, target), (source, wanted)) in rest.iter().zip(expected) {
        assert!(*target == wanted && source.ends_with(root), "{root} at {target}");
    }
    // Links are followed before they are mounted: /etc/localtime is a file of /usr.
    for (root, target) in from_disks.iter().filter(|(_, target)| is_system(target)) {
        assert!(root == "/" || is_system(root), "{root} at {target}");
    }
    // The older lists name disks and targets alone.
    let shown = sandbox.exec(&format!("grep -cF '{work}' /proc/self/mounts /proc/self/mountstats")).await;
    assert_eq!(shown.stdout, "/proc/self/mounts:0\n/proc/self/mountstats:0\n");
    sandbox.sandbox.stop().await;
}

#[tokio::test]
async fn the_guest_is_out_of_reach() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        for command in [
            "ls /proc/1/fd/",
            "ls /proc/1/root/",
            "ls -l /proc/1/exe",
            "cat /proc/1/maps",
            ": >> /proc/1/fd/1",
            "head -c 1 /proc/1/mem",
            "python3 -c 'open(\"/proc/1/mem\", \"r+b\")'",
            "gdb -p 1 -batch",
        ] {
            let shown = sandbox.exec(command).await;
            assert_ne!(shown.code, Some(0), "`{command}` worked: {shown:?}");
        }
        sandbox.exec("kill -9 1; kill -STOP 1; kill -TERM 1").await;
        assert_eq!(sandbox.exec("echo alive").await.stdout, "alive\n");
        // No descriptor but the standard ones and the shell's two.
        let shown = sandbox.exec("ls /proc/$$/fd > /tmp/l; cat /tmp/l").await;
        let odd: Vec<&str> = shown
            .stdout
            .split_ascii_whitespace()
            .filter(|name| !["0", "1", "2", "10", "11", "251", "252", "255"].contains(name))
            .collect();
        assert_eq!(odd, Vec::<&str>::new());
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn there_is_no_network() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let shown = sandbox.exec("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await;
        assert_eq!(shown.stdout, "lo\n");
        let connect = "import socket\nfor family, to in [(socket.AF_INET, ('192.0.2.1', 80)), (socket.AF_INET6, ('2001:db8::1', 80))]:\n\
                   \x20try: socket.socket(family).connect(to); print('connected')\n except OSError as e: print(type(e).__name__)\n\
                   try: socket.socket(40, socket.SOCK_STREAM); print('vsock')\nexcept OSError as e: print(e.errno)";
        let shown = sandbox.exec(&format!("python3 -c \"{connect}\"")).await;
        assert!(!shown.stdout.contains("connected") && !shown.stdout.contains("vsock"), "{shown:?}");
        assert_eq!(shown.stdout.lines().count(), 3, "{shown:?}");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_filter_is_in_force_and_ordinary_work_is_not_hindered() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let shown =
            sandbox.exec("grep -E '^(Seccomp|CapBnd|NoNewPrivs):' /proc/self/status | tr -d '\\t'").await;
        assert_eq!(shown.stdout, "CapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n");
        let work = "import multiprocessing as m, threading\n\
                def f(x): return x * x\n\
                p = m.Pool(2); print(sum(p.map(f, range(10)))); p.close()\n\
                t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n\
                from multiprocessing import shared_memory as s\n\
                b = s.SharedMemory(create=True, size=10); b.close(); b.unlink()";
        let shown = sandbox.exec(&format!("cat > w.py <<'X'\n{work}\nX\npython3 w.py")).await;
        assert_eq!((shown.code, &*shown.stdout), (Some(0), "285\nthread\n"), "{shown:?}");
        let shown = sandbox.exec("whoami; hostname; pwd; cd /tmp && pwd").await;
        assert_eq!(shown.stderr, "");
        assert_eq!(shown.stdout, "researcher\nsandbox\n/workspace\n/tmp\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn sandboxes_do_not_see_each_other() {
    for bench in Bench::isolated() {
        let first = bench.start().await;
        let mut spec = bench.spec();
        std::fs::create_dir(bench.path("other")).unwrap();
        spec.working_folder =
            researchgym_engine::sandbox::WorkingFolder::Writable { source: bench.path("other") };
        let second = bench.start_with(spec).await;
        first.exec("echo secret > /tmp/s; echo secret > /dev/shm/s; sleep 1234 &").await;
        let shown = second.exec("ls /tmp /dev/shm; cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
        assert!(!shown.stdout.contains("1234") && !shown.stdout.contains("secret"), "{shown:?}");
        first.sandbox.stop().await;
        second.sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_is_in_force_is_said() {
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let isolation = sandbox.sandbox.isolation().clone();
        for name in ["pid_namespace", "no_network", "seccomp", "file_system"] {
            assert!(isolation.enforced.iter().any(|enforced| enforced == name), "{isolation:?}");
        }
        let limits = ["memory", "pids", "cpu"];
        let whole = limits.iter().all(|limit| isolation.enforced.iter().any(|enforced| enforced == limit));
        let expected = if whole { IsolationLevel::Full } else { IsolationLevel::Partial };
        assert_eq!(isolation.level, expected);
        sandbox.sandbox.stop().await;
    }
}
