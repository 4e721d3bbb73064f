use proptest::prelude::*;

use super::answer::PlanProblem;
use super::*;
use crate::search::event::{EvaluationFailure, EvaluationOutcome, Gate};
use crate::search::policy::play::{begun, fate, operators, task};
use crate::search::policy::{Answer, PolicySpec};
use crate::search::simulation::{Fate, Simulation};
use crate::search::{Plan, default_spec};

const DOCUMENT: &str = include_str!("../../../../../../docs/reference/policy-protocol.md");

fn used() -> Repertoire {
    operators(&[Operator::Improve, Operator::Crossover, Operator::Replicate])
}

/// A baseline, two measured, one dropped, one failed, one under way.
fn search() -> Simulation {
    let policy = PolicySpec::named("hill-climb").expect("a policy");
    let mut search = begun(&policy, used(), Fate::scored("quality", 1.0));
    search.ask(5).expect("plans");
    let reason = "it ended with status 1".to_owned();
    let failed = EvaluationOutcome::Failed { kind: EvaluationFailure::Crash, reason };
    search.finish(1, Fate::scored("quality", 2.0)).expect("a fate");
    search.finish(2, Fate::scored("quality", 3.0)).expect("a fate");
    search.finish(3, Fate::Dropped(Gate::Surface)).expect("a fate");
    search.finish(4, Fate::Evaluated(failed)).expect("a fate");
    search
}

fn read(line: &str) -> Result<Answer, String> {
    read_answer(line.as_bytes(), &search().tree, &used(), 2).map_err(|error| error.to_string())
}

#[test]
fn answers_are_read() {
    let check = |line: &str, expected: Answer| assert_eq!(read(line), Ok(expected), "{line}");
    check(r#"{"type": "plans"}"#, Answer::default());
    check(r#"{"type": "plans", "plans": [], "over": true}"#, Answer { is_over: true, ..Answer::default() });
    let full = r#"{"type": "plans", "note": "n", "plans": [
        {"operator": "improve"},
        {"operator": "crossover", "parents": [2, 4], "shown": [5], "tag": {"kind": "bold"}, "hint": "h"}]}"#;
    let crossed = Plan {
        shown: vec![5],
        tag: Tag { kind: Some("bold".into()), ..Tag::default() },
        hint: Some("h".into()),
        ..Plan::new(Operator::Crossover, vec![2, 4])
    };
    let plans = vec![Plan::new(Operator::Improve, Vec::new()), crossed];
    check(full, Answer { plans, note: Some("n".into()), is_over: false });
}

#[test]
fn bad_answers_are_refused_with_the_reason() {
    let check = |line: &str, expected: &str| {
        let error = read(line).expect_err(line);
        assert!(error.ends_with(expected), "{error}");
    };
    let plan = |plan: &str, expected: &str| {
        check(&format!(r#"{{"type": "plans", "plans": [{{"operator": "improve"}}, {plan}]}}"#), expected);
    };
    check("", "on one line: EOF while parsing a value at line 1 column 0");
    check("plans", "on one line: expected value at line 1 column 1");
    check(r#"{"type": "plan"}"#, "unknown variant `plan`, expected `plans` at line 1 column 15");
    check(
        r#"{"type": "plans", "plan": []}"#,
        "unknown field `plan`, expected one of `plans`, `note`, `over`",
    );
    check(
        r#"{"type": "plans", "plans": [{"operator": "improve"}, {"operator": "improve"}, {"operator": "improve"}]}"#,
        "the answer has 3 plans for 2 free slots",
    );
    plan(
        r#"{"operator": "wish"}"#,
        "plan 2 of the answer asks for the operator `wish`; this run has improve, crossover, replicate",
    );
    plan(r#"{"operator": "draft"}"#, "`draft`; this run has improve, crossover, replicate");
    plan(r#"{"operator": "improve", "parents": [6]}"#, "plan 2 of the answer names node 6; there are 0 to 5");
    plan(r#"{"operator": "improve", "shown": [9]}"#, "names node 9; there are 0 to 5");
    plan(r#"{"operator": "improve", "parents": [5]}"#, "has node 5 for a parent, which is proposed");
    plan(r#"{"operator": "improve", "parents": [3]}"#, "has node 3 for a parent, which is dropped");
    plan(r#"{"operator": "replicate", "parents": [4]}"#, "has node 4 for a parent, which is failed");
    plan(r#"{"operator": "crossover", "parents": [1]}"#, "gives `crossover` 1 parents; it takes two or more");
    plan(
        r#"{"operator": "improve", "parents": [1, 2]}"#,
        "2 parents; it takes one, or none for the baseline",
    );
    plan(r#"{"operator": "replicate"}"#, "gives `replicate` 0 parents; it takes one");
    let mut idle = search();
    idle.finish(5, Fate::scored("quality", 3.0)).expect("a fate");
    let read = |line: &[u8]| read_answer(line, &idle.tree, &used(), 1);
    assert_eq!(read(br#"{"type": "plans"}"#), Err(AnswerError::Idle));
    assert_eq!(read(&vec![b' '; MOST_LINE_BYTES + 1]), Err(AnswerError::TooLong));
    let unknown = PlanProblem::NoNode { node: 7, last: 5 };
    assert_eq!(
        read(br#"{"type": "plans", "plans": [{"operator": "improve", "parents": [7]}]}"#),
        Err(AnswerError::Plan { number: 1, problem: unknown })
    );
}

/// The lines between both sides, `>` to the program and `<` from it.
fn transcript() -> Vec<String> {
    let spec = SearchSpec { operators: used(), parallel: 2, ..default_spec() };
    let policy = PolicySpec::named("hill-climb").expect("a policy");
    let mut search = begun(&policy, used(), Fate::scored("quality", 1.0));
    let answers = [
        r#"{"type": "plans", "plans": [{"operator": "improve"}, {"operator": "improve", "tag": {"kind": "bold"}}]}"#,
        r#"{"type": "plans", "plans": [{"operator": "replicate", "parents": [2]}], "note": "is it true?"}"#,
        r#"{"type": "plans", "over": true}"#,
    ];
    let mut asked = Vec::new();
    let mut answer = |search: &mut Simulation, free: usize| {
        let line = answers[asked.len()];
        asked.push(Message::ask(&search.tree, free).line());
        let answer = read_answer(line.as_bytes(), &search.tree, &used(), free).expect("a good answer");
        search.take(answer.plans, free, answer.note).expect("plans");
    };
    answer(&mut search, 2);
    search.finish(1, Fate::Dropped(Gate::NotImplemented)).expect("a fate");
    search.finish(2, Fate::scored("quality", 3.0)).expect("a fate");
    answer(&mut search, 2);
    search.finish(3, Fate::scored("quality", 2.0)).expect("a fate");
    answer(&mut search, 2);
    let mut tree = Tree::new(&task());
    let mut lines = vec![format!("> {}", Message::begin(&task(), &spec, 7, Some(100)).line())];
    let mut questions = asked.iter().zip(answers);
    for event in search.events() {
        tree.apply(event).expect("the same events");
        if let (crate::event::Event::Planned(planned), true) = (event, tree.nodes().len() > 1)
            && planned.ask > 0
            && let Some((question, answer)) = questions.next()
        {
            lines.extend([format!("> {question}"), format!("< {answer}\n")]);
        }
        let changes = tree.changed().iter();
        let messages = changes.flat_map(|change| Message::changed(&tree, *change));
        lines.extend(messages.map(|message| format!("> {}", message.line())));
    }
    let standing: Vec<Message> = Message::standing(&tree).collect();
    assert_eq!(standing.len(), tree.nodes().len());
    lines
}

#[test]
fn the_transcript_of_the_reference_is_true() {
    let shown = DOCUMENT.split("```").find_map(|block| block.strip_prefix("text\n")).expect("a transcript");
    let lines = transcript();
    assert_eq!(shown, lines.concat(), "docs/reference/policy-protocol.md");
    for line in lines.iter().filter_map(|line| line.strip_prefix("> ")) {
        let message: Message = serde_json::from_str(line).expect("a message");
        assert_eq!(message.line(), *line);
    }
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in ".{0,80}", fates in proptest::collection::vec(fate(), 1..4)) {
        let policy = PolicySpec::named("hill-climb").expect("a policy");
        let mut search = begun(&policy, used(), fates[0].clone());
        for fate in &fates[1..] {
            if search.ask(1).expect("plans").plans.is_empty() {
                break;
            }
            let node = search.waiting()[0];
            search.finish(node, fate.clone()).expect("a fate");
        }
        prop_assert!(read_answer(line.as_bytes(), &search.tree, &used(), 1).is_err());
        for message in Message::standing(&search.tree) {
            prop_assert_eq!(serde_json::from_str::<Message>(&message.line()).expect("JSON"), message);
        }
    }
}
