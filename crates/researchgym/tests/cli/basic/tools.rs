//! What each tool does, and that the shell is the same afterwards.

use serde_json::json;

use super::{answered, bash, call, run, submitted};
use crate::support::{World, can_isolate};

#[test]
fn every_tool_does_what_it_says() {
    if !can_isolate() {
        return;
    }
    let patch = "*** Begin Patch\n*** Add File: new dir/added.txt\n+one\n*** Update File: it's.py\n@@ b = 2\n-c = 3\n+c = 30\n\
                 *** Delete File: settings.json\n*** End Patch";
    let lines = [
        bash(
            &["# The task", "largest number", "Baseline to beat: score = 1"],
            "cd /tmp; x=5; echo out; echo err >&2; false",
        ),
        bash(&["exit code 1\nout\n[stderr]\nerr\n"], "echo $x in $PWD"),
        call(
            &["exit code 0\n5 in /tmp\n"],
            "python",
            json!({ "code": "import sys\nprint('END', sys.version_info[0])\nsys.exit(4)" }),
        ),
        call(
            &["exit code 4\nEND 3\n"],
            "write_file",
            json!({ "file_path": "/workspace/it's.py", "content": "a = 1\nb = 2\nc = 3\n" }),
        ),
        bash(&["wrote 18 bytes to it's.py"], "chmod 750 /workspace/it\\'s.py"),
        call(&[], "read_file_chunk", json!({ "file": "it's.py", "start_line": 2, "max_lines": 1 })),
        call(
            &["     2\tb = 2\nFile has 3 lines.\n"],
            "search_file",
            json!({ "file": "/workspace/it's.py", "query": "C =", "context_lines": 0 }),
        ),
        call(&[">>>      3\tc = 3\n1 lines match"], "read_file_chunk", json!({ "file": "missing" })),
        call(
            &["[stderr]\nmissing does not exist"],
            "replace",
            json!({ "file_path": "it's.py", "old_string": "a = 1", "new_string": "a = 10" }),
        ),
        call(
            &["it's.py: 1 replaced"],
            "replace",
            json!({ "file_path": "rules.txt", "old_string": "", "new_string": "x" }),
        ),
        call(&["rules.txt was not changed: `old_string` is empty"], "apply_patch", json!({ "patch": patch })),
        call(
            &["added new dir/added.txt\nchanged it's.py\ndeleted settings.json"],
            "apply_patch",
            json!({ "patch": "*** Begin Patch\n*** Update File: it's.py\n@@\n-nothing\n+x\n*** End Patch" }),
        ),
        bash(
            &["nothing was changed: it's.py, hunk 1: these lines are not together in the file:\nnothing"],
            "cd /workspace; stat -c %a it\\'s.py; cat it\\'s.py 'new dir/added.txt'; ls settings.json",
        ),
        call(
            &["750\na = 10\nb = 2\nc = 30\none\n[stderr]\n"],
            "start_async",
            json!({ "cmd": "echo \"it's\" done; exit 3" }),
        ),
        bash(&["job-1 is running as process "], "until [ -e async_jobs/job-1/exit ]; do sleep 0.01; done"),
        call(&[], "check_async", json!({ "job_id": "job-1", "sleep_minutes": 0.0001 })),
        call(
            &["job-1: ended with exit code 3\n", "\nit's done\n"],
            "start_async",
            json!({ "cmd": "sleep 600", "workdir": "input" }),
        ),
        call(
            &["not started: input is no folder"],
            "start_async",
            json!({ "cmd": "sleep 600", "workdir": "new dir" }),
        ),
        call(&["job-2 is running"], "cancel_async", json!({ "job_id": "job-2" })),
        call(&["job-2 is cancelled"], "check_async", json!({ "job_id": "job-7" })),
        answered(&["there is no job `job-7`; jobs are job-1, job-2"], 7),
        call(&[], "validate", json!({})),
        json!({
            "calls": [{ "name": "submit", "arguments": "" }, { "name": "bash", "arguments": { "cmd": "touch never" } }],
            "expect": { "contains": ["attempt 1 is valid\nscore = 7 (baseline 1)\n2 validations left"]  },
        }),
    ];
    let world = World::new();
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(7.0)), "{finished:?}");
    assert!(!finished.run().join("workspace/input/never").exists());
    world.wait_until_nothing_is_left();
}

#[test]
fn long_output_is_shown_as_its_ends_and_kept_in_a_file() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        bash(&[], "echo begin; seq 1 200000; echo end; printf '\\377' >&2"),
        bash(
            &[
                "exit code 0\nbegin\n1\n2\n",
                "bytes left out; everything is in .outputs/2.txt ...]",
                "\nend\n[stderr]\n\u{fffd}",
            ],
            "wc -l < .outputs/2.txt; sed -n 100001p .outputs/2.txt",
        ),
        submitted(&["exit code 0\n200003\n100000\n"]),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
}

#[test]
fn files_and_jobs_work_without_isolation_too() {
    let world = World::new();
    let lines = [
        call(&[], "read_file_chunk", json!({ "file": "rules.txt" })),
        call(&["File has 1 lines."], "start_async", json!({ "cmd": "echo done > made" })),
        bash(&["job-1 is running"], "until [ -e async_jobs/job-1/exit ]; do sleep 0.01; done; cd /"),
        call(&[], "replace", json!({ "file_path": "made", "old_string": "done", "new_string": "made" })),
        call(&["made: 1 replaced"], "python", json!({ "code": "print(open('made').read())" })),
        submitted(&["exit code 0\nmade\n"]),
    ];
    let finished = run(&world, &lines, &["--runtime", "host"]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
}

#[test]
fn the_shell_survives_the_tools_and_the_model_is_told_when_it_ends() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        bash(&[], "set -eu; cd /tmp; y=kept"),
        call(&[], "read_file_chunk", json!({ "file": "missing" })),
        call(&["missing does not exist"], "python", json!({ "code": "raise SystemExit(9)" })),
        call(&["exit code 9"], "write_file", json!({ "file_path": "/etc/x", "content": "" })),
        bash(&["`/etc/x` is outside of the workspace"], "echo $y in $PWD with $-"),
        call(&["kept in /tmp with "], "bash", json!({ "cmd": "sleep 600", "timeout_minutes": 0.002 })),
        bash(&["timed out: all that the command had started was stopped"], "echo $y; exit 3"),
        bash(&["the shell ended with code 3; a new shell was started"], "echo ${y-unset}"),
        submitted(&["exit code 0\nunset\n"]),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
}
