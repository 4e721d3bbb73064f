//! The network policy of a run: what the task says, what the user may change, and what log and result say of it.

use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, of_type, submit};
use crate::web::task;

const REQUESTS: &str = "echo $RESEARCHGYM_NETWORK $RESEARCHGYM_NETWORK_ALLOW; curl -s -o /dev/null -w '%{http_code}\\n' http://other.example/a?key=secret; \
                        curl -s -o /dev/null -w '%{http_connect}\\n' https://pypi.org/; \
                        curl -s -o /dev/null -w '%{http_connect}\\n' https://127.0.0.1:443/ --noproxy ''";

fn run(world: &World, folder: &str, command: &str, more: &[&str]) -> Finished {
    let script = world.script(&[exec(command), answer(3), submit()]);
    world.finish(&[&["run", folder, "scripted", "--script", &script], more].concat())
}

fn requested(finished: &Finished) -> Vec<Value> {
    let mut events =
        of_type(&finished.events(), "network_requested").into_iter().cloned().collect::<Vec<_>>();
    for event in &mut events {
        event["took_ms"] = json!(0);
    }
    events
}

fn refused(method: &str, host: &str, port: u16, reason: &str, url: Option<&str>) -> Value {
    let mut event = json!({
        "type": "network_requested", "phase": "agent", "method": method, "host": host, "port": port,
        "verdict": {"type": "refused", "reason": reason}, "bytes_up": 0, "bytes_down": 0, "took_ms": 0, "times": 1,
    });
    if let Some(url) = url {
        event["url"] = json!(url);
    }
    event
}

#[test]
fn requests_are_in_the_log_before_the_outcome_and_in_the_result() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let network = "agent = \"allow-list\"\nallow = [\"pypi\"]\nblocked_urls = [\"pypi.org/project/secret\"]";
    let finished = run(&world, &task(&world, network), REQUESTS, &[]);
    assert_eq!(finished.printed(), ["allow-list pypi\n403\n403\n403\n"], "{finished:?}");
    let expected = [
        refused("GET", "other.example", 80, "not_allowed", Some("http://other.example/a?...")),
        refused("CONNECT", "pypi.org", 443, "blocked_paths", None),
        refused("CONNECT", "127.0.0.1", 443, "ip_address", None),
    ];
    assert_eq!(requested(&finished), expected);
    let events = finished.events();
    let position = |kind: &str| events.iter().position(|event| event["type"] == kind).expect("it is there");
    assert!(position("network_requested") < position("observed"));
    let object = finished.object();
    let expected = json!({
        "agent": "allow-list", "grader": "none",
        "requests": {"allowed": 0, "refused": 3, "bytes_up": 0, "bytes_down": 0,
            "reasons": {"not_allowed": 1, "ip_address": 1, "blocked_paths": 1}},
    });
    assert_eq!(object["network"], expected);
    let enforced = object["isolation"]["enforced"].as_array().expect("a list");
    assert!(
        enforced.contains(&json!("network_allow_list")) && !enforced.contains(&json!("no_network")),
        "{object}"
    );
    let shown = world.finish(&["show", object["run_id"].as_str().expect("an id")]);
    let line = "allow-list; 0 requests allowed, 3 refused";
    assert!(
        shown.stdout.contains(line) && shown.stdout.contains("1: this task does not allow this host"),
        "{shown:?}"
    );
    assert_eq!(world.finish(&["verify", object["run_id"].as_str().expect("an id")]).code, 0);
    let log = std::fs::read_to_string(finished.run().join("events.jsonl")).expect("a log");
    assert_eq!(log.matches("key=secret").count(), 2, "in the script and in its action, and in no request");
}

#[test]
fn a_task_that_says_nothing_has_no_proxy_and_none_takes_the_gateway_away() {
    if !can_isolate() {
        return;
    }
    let probe = "echo ${HTTPS_PROXY:-none} ${OPENAI_BASE_URL:-none}; ls /run/researchgym";
    let silent = World::new();
    let finished = run(&silent, &task(&silent, ""), probe, &[]);
    assert_eq!(finished.printed(), ["none none\nsession.sock\n"]);
    assert_eq!(finished.object()["network"]["agent"], "none");
    silent.file("model.jsonl", "{\"text\": \"hello\"}\n");
    let model = ["--model", "scripted/model.jsonl"];
    let finished = run(&silent, &task(&silent, ""), probe, &model);
    assert_eq!(finished.printed(), ["none http://127.0.0.1:8787/v1\ngateway.sock\nsession.sock\n"]);
    assert_eq!(finished.object()["network"]["agent"], "gateway");
    let strict = World::new();
    strict.file("model.jsonl", "{\"text\": \"hello\"}\n");
    let finished = run(&strict, &task(&strict, "agent = \"none\""), probe, &model);
    assert_eq!(finished.printed(), ["none none\nsession.sock\n"]);
    let finished = run(&silent, &task(&silent, ""), probe, &[&model[..], &["--network", "none"]].concat());
    assert_eq!(finished.printed(), ["none none\nsession.sock\n"]);
}

#[test]
fn the_user_may_be_stricter_and_wider_only_when_said_so() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let folder = task(&world, "agent = \"none\"");
    let finished = run(&world, &folder, "true", &["--network", "open"]);
    assert_eq!(finished.code, 2, "{finished:?}");
    assert!(finished.stderr.contains("allows its agent `none` at most"), "{finished:?}");
    assert!(finished.stderr.contains("--widen-network"), "{finished:?}");
    let finished = run(&world, &folder, "true", &["--network", "allow-list", "--widen-network"]);
    assert!(finished.code == 2 && finished.stderr.contains("has no list of allowed hosts"), "{finished:?}");
    let probe = "curl -s -o /dev/null -w '%{http_connect}\\n' https://localhost:443/ --noproxy ''";
    let finished = run(&world, &folder, probe, &["--network", "open", "--widen-network"]);
    assert_eq!(finished.printed(), ["403\n"], "{finished:?}");
    assert_eq!(requested(&finished), [refused("CONNECT", "localhost", 443, "not_public", None)]);
    let isolation = finished.object()["isolation"].clone();
    let missing = isolation["missing"].as_array().expect("a list");
    assert!(
        missing.contains(&json!("network")) && missing.contains(&json!("task_network_policy")),
        "{isolation}"
    );
    assert_ne!(isolation["level"], "full");
}

#[test]
fn without_isolation_the_proxy_is_offered_and_not_enforced() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let network = "agent = \"allow-list\"\nallow = [\"pypi\"]";
    let command = "curl -s -o /dev/null -w '%{http_connect}\\n' https://other.example/";
    let finished = run(&world, &task(&world, network), command, &["--runtime", "host"]);
    assert_eq!(finished.printed(), ["403\n"], "{finished:?}");
    assert_eq!(requested(&finished), [refused("CONNECT", "other.example", 443, "not_allowed", None)]);
    let missing = finished.object()["isolation"]["missing"].clone();
    assert!(missing.as_array().expect("a list").contains(&json!("network")), "{missing}");
}

#[test]
fn a_grader_has_its_own_policy_and_its_requests_are_told_apart() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let folder = task(&world, "grader = \"allow-list\"\nallow = [\"pypi\"]");
    let grader = std::path::Path::new(&folder).join("grader/grade.py");
    let text = std::fs::read_to_string(&grader).expect("a grader");
    let asks = "import urllib.request, urllib.error\n\
                try: urllib.request.urlopen('http://labels.example/')\n\
                except urllib.error.HTTPError: pass\n";
    std::fs::write(&grader, format!("{asks}{text}")).expect("a grader");
    let finished = run(&world, &folder, "echo ${HTTPS_PROXY:-none}", &[]);
    assert_eq!(finished.printed(), ["none\n"], "{finished:?}");
    assert_eq!(finished.code, 0, "{finished:?}");
    let mut expected = refused("GET", "labels.example", 80, "not_allowed", Some("http://labels.example/"));
    expected["phase"] = json!("grader");
    assert_eq!(requested(&finished), [expected]);
    assert_eq!(finished.object()["network"]["grader"], "allow-list");
}

#[test]
fn a_policy_that_means_nothing_is_refused_where_it_stands() {
    let cases = [
        (
            "agent = \"closed\"",
            "network.agent",
            "write \"none\" or \"gateway\" or \"allow-list\" or \"open\"",
        ),
        ("agent = \"allow-list\"", "network.agent", "name the hosts or package sources"),
        ("grader = \"gateway\"", "network.grader", "a grader has no model gateway"),
        ("agent = \"allow-list\"\nallow = [\"pypy\"]", "network.allow[0]", "did you mean `pypi`?"),
        ("agent = \"gateway\"\nallow = [\"pypi\"]", "network.allow", "is used by no policy"),
        ("agent = \"allow-list\"\nallow = [\"10.0.0.1\"]", "network.allow[0]", "is an IP address"),
        ("agent = \"open\"\ntraffic_mib = 0", "network.traffic_mib", "write a number above 0"),
        (
            "agent = \"open\"\nunchecked_paths = [\"a/b\"]",
            "network.unchecked_paths[0]",
            "is not the name of a host",
        ),
    ];
    for (network, key, words) in cases {
        let world = World::new();
        let finished = run(&world, &task(&world, network), "true", &[]);
        assert_eq!(finished.code, 2, "{network}: {finished:?}");
        let said = &finished.stderr;
        let has_place =
            said.lines().any(|line| line.contains("task.toml:") && line.contains(&format!("key `{key}`")));
        assert!(has_place && said.contains(words), "{network}: {said}");
    }
}

#[test]
fn an_open_task_can_be_run_with_its_list_alone() {
    let world = World::new();
    let plan = |network: &str| {
        let folder = task(&world, network);
        let script = world.script(&[submit()]);
        let more = ["--network", "allow-list", "--dry-run", "--output", "json"];
        world.finish(&world.scripted_words(&folder, &script, &more))
    };
    let without = plan("agent = \"open\"");
    assert!(without.code == 2 && without.stderr.contains("add `allow`"), "{without:?}");
    let with = plan("agent = \"open\"\nallow = [\"pypi\"]");
    assert_eq!((with.code, &with.object()["spec"]["network"]), (0, &json!("allow-list")), "{with:?}");
}
