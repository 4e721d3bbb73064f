//! A warm grader scores like a cold one.

use std::path::Path;

use researchgym_core::keys::GradingSecret;
use researchgym_core::score::{AttemptKind, Split};
use researchgym_core::task::Task;
use researchgym_engine::catalogue::{LoadedTask, scaffold};
use researchgym_engine::grading::{Grading, grade, grade_warm, library, start_warm_grader};
use researchgym_engine::materials::Materials;
use researchgym_engine::network::Names;

use super::benches;
use crate::bench::Bench;

/// A task as `task new` writes it, with a grader of its own if one is given.
struct Case {
    loaded: LoadedTask,
    materials: Materials,
    library: std::path::PathBuf,
    names: Names,
}

impl Case {
    fn new(bench: &Bench, name: &str, grader: Option<&str>) -> Case {
        let folder = scaffold(name, &bench.path("data")).unwrap();
        if let Some(grader) = grader {
            std::fs::write(folder.join("grader/grade.py"), grader).unwrap();
        }
        let materials = Materials { image: bench.image.clone(), ..Materials::default() };
        let library = library(&bench.path("home")).unwrap();
        Case { loaded: LoadedTask::open(&folder).unwrap(), materials, library, names: Names::default() }
    }

    fn grading<'a>(
        &'a self,
        task: &'a Task,
        name: &str,
        submission: &'a Path,
        scratch: &'a Path,
    ) -> Grading<'a> {
        Grading {
            name: name.to_owned(),
            task,
            task_folder: &self.loaded.folder,
            materials: &self.materials,
            library: &self.library,
            submission,
            scratch,
            kind: AttemptKind::Submit,
            split: Split::Test,
            keys: GradingSecret::from_seed(1).attempt(AttemptKind::Submit, 0),
            variant: "default",
            names: &self.names,
        }
    }
}

#[tokio::test]
async fn a_warm_grader_gives_the_score_of_a_cold_one() {
    for bench in benches().await {
        let case = Case::new(&bench, "curve", None);
        let task = &case.loaded.task;
        let (shown, blobs) = (bench.path("shown"), bench.path("blobs"));
        std::fs::create_dir(&shown).unwrap();
        let template = case.grading(task, "warm", &shown, &blobs);
        let preload = vec!["csv".to_owned()];
        let mut grader = start_warm_grader(&bench.host, &template, preload).await.unwrap();
        for (number, content) in [
            "{\"coefficients\": [0.42288000000000003]}",
            "{\"coefficients\": [0.1, 0.5, -0.25]}",
            "{\"coefficients\": [true]}",
            "nothing",
            "{\"coefficients\": [0.42288000000000003]}",
        ]
        .iter()
        .enumerate()
        {
            let submission = bench.path(&format!("submission-{number}"));
            std::fs::create_dir(&submission).unwrap();
            std::fs::write(submission.join("curve.json"), content).unwrap();
            let grading = case.grading(task, &format!("cold-{number}"), &submission, &blobs);
            let warm = grade_warm(&mut grader, &grading).await.unwrap();
            let cold = grade(&bench.host, &grading, &mut Vec::new()).await.unwrap();
            assert_eq!(warm, cold, "{content}");
            assert_eq!(warm.invalid.is_some(), matches!(number, 2 | 3), "{warm:?}");
        }
        // What the host itself changes in the folder that is shown read-only is seen too.
        std::fs::write(shown.join("curve.json"), "{\"coefficients\": [0]}").unwrap();
        let in_place = grade_warm(&mut grader, &template).await.unwrap();
        let cold = case.grading(task, "cold", &shown, &blobs);
        assert_eq!(in_place, grade(&bench.host, &cold, &mut Vec::new()).await.unwrap());
        assert_eq!(grader.starts(), 1);
        grader.stop().await;
    }
}

#[tokio::test]
async fn a_grader_that_fails_says_the_same_warm_and_cold() {
    for bench in benches().await {
        let (shown, blobs) = (bench.path("shown"), bench.path("blobs"));
        std::fs::create_dir(&shown).unwrap();
        std::fs::write(shown.join("curve.json"), "{}").unwrap();
        for (number, (grader, timeout_s)) in [
            ("import sys\nprint('oh', file=sys.stderr)\nsys.exit(3)", 60),
            ("1 / 0", 60),
            ("pass", 60),
            ("import os\nos.write(3, b'no JSON\\n')", 60),
            ("import os, time\nos.write(2, b'slow\\n')\nos.close(2)\ntime.sleep(100)", 1),
            ("import researchgym_grading as g\ng.main(lambda start: {'other': 1.0})", 60),
            ("import os\nopen('/submission/x', 'w')", 60),
        ]
        .into_iter()
        .enumerate()
        {
            let case = Case::new(&bench, &format!("broken-{number}"), Some(grader));
            let mut task = case.loaded.task.clone();
            task.grader.timeout_s = timeout_s;
            let grading = case.grading(&task, &format!("broken-{number}"), &shown, &blobs);
            let mut warm = start_warm_grader(&bench.host, &grading, Vec::new()).await.unwrap();
            let said = grade_warm(&mut warm, &grading).await.unwrap_err();
            warm.stop().await;
            let cold = grade(&bench.host, &grading, &mut Vec::new()).await.unwrap_err();
            assert_eq!(said, cold, "{grader}");
        }
    }
}

/// A warm grader's file is compiled once, and again when it is another; what compiling it says is said each time.
#[tokio::test]
async fn a_grader_that_is_changed_counts_at_once() {
    let grader = |score: &str| {
        format!(
            "import researchgym_grading as g\nif __name__ == '__main__':\n    g.main(lambda start: {{'mse': {score}}})\n"
        )
    };
    for bench in benches().await {
        let (shown, blobs) = (bench.path("shown"), bench.path("blobs"));
        std::fs::create_dir(&shown).unwrap();
        std::fs::write(shown.join("curve.json"), "{}").unwrap();
        let case = Case::new(&bench, "changed", Some(&grader("1.0")));
        let grading = case.grading(&case.loaded.task, "changed", &shown, &blobs);
        let metric = case.loaded.task.primary().name.clone();
        let file = case.loaded.folder.join("grader/grade.py");
        let mut warm = start_warm_grader(&bench.host, &grading, Vec::new()).await.unwrap();
        for score in ["1.0", "1.0", "2.0", "1.0 is 1 and 3.0 or 3.0", "3.5", "3.5"] {
            std::fs::write(&file, grader(score).replace("mse", &metric)).unwrap();
            let said = grade_warm(&mut warm, &grading).await.unwrap();
            let cold = grade(&bench.host, &grading, &mut Vec::new()).await.unwrap();
            assert_eq!(said, cold, "{score}");
        }
        std::fs::write(&file, "1 / 0").unwrap();
        let said = grade_warm(&mut warm, &grading).await.unwrap_err();
        assert_eq!(said, grade(&bench.host, &grading, &mut Vec::new()).await.unwrap_err());
        assert_eq!(warm.starts(), 1);
        warm.stop().await;
    }
}

/// A grader's score counts when it says that it ends; what it leaves is gone before the next one begins.
#[tokio::test]
async fn what_a_grader_leaves_is_gone_before_the_next_one() {
    let grader = |before: &str| {
        format!(
            "import ctypes, os, time\nimport researchgym_grading as g\n\
             others = [name for name in os.listdir('/proc') if name.isdigit()]\n\
             score = float(len(others) + os.path.exists('/tmp/left'))\n{before}\n\
             print('a word')\ng.main(lambda start: {{'mse': score}})\n"
        )
    };
    let daemon = "if os.fork() == 0:\n    os.setsid()\n    open('/tmp/left', 'w').close()\n    \
                  os.closerange(0, 2000)\n    time.sleep(600)\n    os._exit(0)";
    let holds = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n    os._exit(0)";
    // What it does when Python has ended takes longer than anybody waits.
    let lingers = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nlibc = ctypes.CDLL(None)\n\
                   getattr(libc, '__cxa_atexit')(ctypes.cast(libc.sleep, ctypes.c_void_p), ctypes.c_void_p(600), None)";
    // It takes the pipe for something else.
    let closes = "os.closerange(100, 2000)\nfor _ in range(600): os.dup(2)";
    for bench in benches().await {
        let (shown, blobs) = (bench.path("shown"), bench.path("blobs"));
        std::fs::create_dir(&shown).unwrap();
        std::fs::write(shown.join("curve.json"), "{}").unwrap();
        let case = Case::new(&bench, "leaves", Some(&grader("")));
        let grading = case.grading(&case.loaded.task, "leaves", &shown, &blobs);
        let metric = case.loaded.task.primary().name.clone();
        let file = case.loaded.folder.join("grader/grade.py");
        let mut warm = start_warm_grader(&bench.host, &grading, Vec::new()).await.unwrap();
        let mut scores = Vec::new();
        for before in ["", daemon, "", holds, "", lingers, "", closes, ""] {
            std::fs::write(&file, grader(before).replace("mse", &metric)).unwrap();
            scores.push(grade_warm(&mut warm, &grading).await.unwrap().metrics[&metric]);
        }
        assert!(scores.iter().all(|score| score == &scores[0]), "{}: {scores:?}", bench.name());
        // Whatever had to be killed at its end has another sandbox after it.
        assert_eq!(warm.starts(), 2);
        warm.stop().await;
    }
}

#[tokio::test]
async fn a_grader_that_cannot_be_forked_is_named_and_harms_no_later_grading() {
    let grader = "import researchgym_grading as g\ng.main(lambda start: {'mse': 1.0})\n";
    for bench in benches().await {
        let (shown, blobs) = (bench.path("shown"), bench.path("blobs"));
        std::fs::create_dir(&shown).unwrap();
        std::fs::write(shown.join("curve.json"), "{}").unwrap();
        let case = Case::new(&bench, "archive", None);
        let grading = case.grading(&case.loaded.task, "archive", &shown, &blobs);
        let grader = grader.replace("mse", &case.loaded.task.primary().name);
        let file = case.loaded.folder.join("grader/grade.py");
        let mut warm = start_warm_grader(&bench.host, &grading, Vec::new()).await.unwrap();
        for content in ["PK\u{3}\u{4}", grader.as_str()] {
            std::fs::write(&file, content).unwrap();
            let graded = grade_warm(&mut warm, &grading).await;
            assert_eq!(graded.is_ok(), content == grader, "{graded:?}");
            if let Err(failure) = graded {
                assert!(failure.message.contains("it is an archive"), "{}", failure.message);
            }
        }
        assert_eq!(warm.starts(), 1);
        warm.stop().await;
    }
}

#[tokio::test]
async fn some_graders_are_never_warm() {
    for bench in benches().await {
        let case = Case::new(&bench, "curve", None);
        let refusal = async |task: &Task| {
            let submission = bench.path("data");
            let grading = case.grading(task, "refused", &submission, &submission);
            start_warm_grader(&bench.host, &grading, Vec::new()).await.err().unwrap().message
        };
        let mut task = case.loaded.task.clone();
        task.grader.command = vec!["sh".to_owned(), "grade.sh".to_owned()];
        assert_eq!(
            refusal(&task).await,
            "task curve: its grader has another command than `python3 FILE`: it cannot be forked from a warm \
             Python: the command begins with `sh`, not with `python3`"
        );
        let player = serde_json::json!({"name": "submission", "command": ["python3", "program.py"]});
        task.grader.players = vec![serde_json::from_value(player).unwrap()];
        assert_eq!(
            refusal(&task).await,
            "task curve: its grader cannot be forked from a warm Python, because it has players"
        );
    }
}
