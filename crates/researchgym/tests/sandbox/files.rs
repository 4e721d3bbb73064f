//! Files of the workspace, read and written from outside.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use researchgym_engine::sandbox::FileRefusal;

use crate::bench::{Bench, Tested};

async fn read(sandbox: &Tested, path: &str) -> Result<String, FileRefusal> {
    let mut capture = sandbox.capture();
    sandbox.sandbox.read_file(path, &mut capture).await.unwrap()?;
    Ok(capture.finish().unwrap().0.text)
}

async fn write(sandbox: &Tested, path: &str, content: &[u8]) -> Result<u64, FileRefusal> {
    sandbox.sandbox.write_file(path, content, 0o644).await.unwrap()
}

#[tokio::test]
async fn files_go_in_and_out() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        assert_eq!(write(&sandbox, "a/b/c.txt", b"hello").await, Ok(5));
        assert_eq!(read(&sandbox, "a/b/c.txt").await.as_deref(), Ok("hello"));
        assert_eq!(
            sandbox.exec("cat a/b/c.txt; echo more >> a/b/c.txt; stat -c %a a/b/c.txt").await.stdout,
            "hello644\n"
        );
        assert_eq!(read(&sandbox, "a/b/c.txt").await.as_deref(), Ok("hellomore\n"));
        assert_eq!(write(&sandbox, "a/b/c.txt", b"").await, Ok(0));
        assert_eq!(read(&sandbox, "a/b/c.txt").await.as_deref(), Ok(""));
        assert_eq!(
            sandbox.sandbox.write_file("run.sh", b"#!/bin/sh\necho ran\n", 0o4755).await.unwrap(),
            Ok(19)
        );
        assert_eq!(sandbox.exec("./run.sh; stat -c %a run.sh").await.stdout, "ran\n755\n");
        let large: Vec<u8> = (0..9_000_000u32).map(|n| (n % 251) as u8).collect();
        assert_eq!(write(&sandbox, "large", &large).await, Ok(9_000_000));
        let mut capture = sandbox.capture();
        sandbox.sandbox.read_file("large", &mut capture).await.unwrap().unwrap();
        let (content, _) = capture.finish().unwrap();
        assert_eq!((content.bytes, content.dropped), (9_000_000, 0));
        let blob = bench.path("blobs").join(content.blob.unwrap().to_string());
        assert!(std::fs::read(blob).unwrap() == large);
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_file_of_the_workspace_is_refused() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        std::fs::write(bench.path("secret"), "secret").unwrap();
        sandbox
            .exec("ln -s ../secret up; ln -s /etc/hostname absolute; ln -s . here; mkfifo pipe; mkdir folder; ln -s loop loop; echo x > mine; chmod 0 mine; mkdir closed; echo y > closed/y; chmod 0 closed")
            .await;
        let path = |path: &str| path.to_owned();
        for outside in ["../secret", "/etc/hostname", "up", "absolute", "here/../../secret"] {
            assert_eq!(read(&sandbox, outside).await, Err(FileRefusal::Outside { path: path(outside) }));
            assert_eq!(
                write(&sandbox, outside, b"x").await,
                Err(FileRefusal::Outside { path: path(outside) })
            );
        }
        assert_eq!(read(&sandbox, "none").await, Err(FileRefusal::NotFound { path: path("none") }));
        for odd in ["pipe", "folder", ""] {
            let refused = write(&sandbox, odd, b"x").await;
            assert_eq!(refused, Err(FileRefusal::NotRegular { path: path(odd) }));
        }
        for odd in ["pipe", "folder", "mine/x"] {
            assert!(read(&sandbox, odd).await.is_err(), "{odd}");
        }
        assert_eq!(read(&sandbox, "here/mine").await, Err(FileRefusal::Denied { path: path("here/mine") }));
        assert_eq!(read(&sandbox, "closed/y").await, Err(FileRefusal::Denied { path: path("closed/y") }));
        let large = vec![0; (64 << 20) + 1];
        let refused = write(&sandbox, "large", &large).await;
        assert!(matches!(refused, Err(FileRefusal::TooLarge { .. })), "{refused:?}");
        assert_eq!(std::fs::read_to_string(bench.path("secret")).unwrap(), "secret");
        sandbox.exec("chmod 755 closed").await;
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn read_only_mounts_cannot_be_changed_from_inside() {
    for bench in Bench::isolated() {
        std::fs::write(bench.path("data/points.csv"), "1,2\n").unwrap();
        let sandbox = bench.start().await;
        assert_eq!(read(&sandbox, "data/points.csv").await.as_deref(), Ok("1,2\n"));
        let refused = FileRefusal::Denied { path: "data/points.csv".to_owned() };
        assert_eq!(write(&sandbox, "data/points.csv", b"x").await, Err(refused));
        for attack in
            ["echo x > data/points.csv", "rm -rf data", "mv data other", "rmdir data", "touch data/new"]
        {
            assert_ne!(sandbox.exec(attack).await.code, Some(0), "{attack}");
        }
        assert_eq!(std::fs::read_to_string(bench.path("data/points.csv")).unwrap(), "1,2\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn links_planted_at_mount_points_lead_nowhere() {
    for bench in Bench::isolated() {
        let victim = bench.path("victim");
        std::fs::create_dir(&victim).unwrap();
        symlink(&victim, bench.path("work/data")).unwrap();
        let mut spec = bench.spec();
        std::fs::write(bench.path("rules.py"), "rules").unwrap();
        symlink(bench.path("victim/made"), bench.path("work/target.py")).unwrap();
        spec.read_only.push(researchgym_engine::sandbox::ReadOnlyMount {
            source: bench.path("rules.py"),
            target: "/workspace/target.py".to_owned(),
        });
        let sandbox = bench.start_with(spec).await;
        assert_eq!(sandbox.exec("cat target.py").await.stdout, "rules");
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn many_odd_entries_hang_nothing() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        let make = "mkdir many; cd many; seq 5000 | xargs touch; mkfifo f1 f2; ln -s f1 l; cd ..; \
                    python3 -c 'import os\nfor i in range(400): os.mkdir(\"d\"); os.chdir(\"d\")'";
        assert_eq!(sandbox.exec(make).await.code, Some(0));
        sandbox.sandbox.stop().await;
        // Started again on what is there, which is handed over again.
        let sandbox = bench.start().await;
        assert_eq!(sandbox.exec("ls many | wc -l").await.stdout, "5003\n");
        sandbox.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_setuid_file_made_inside_belongs_to_nobody_of_importance() {
    for bench in Bench::all() {
        let sandbox = bench.start().await;
        sandbox.exec("cp /bin/true t; chmod 4755 t").await;
        let metadata = std::fs::metadata(bench.path("work/t")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o4755);
        assert_ne!(std::os::unix::fs::MetadataExt::uid(&metadata), 0);
        sandbox.sandbox.stop().await;
    }
}
