//! Whole openings of small searches, and what holds for all of them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::edit::{self, Form};
use crate::event::Event;
use crate::model::{Input, message_bound};
use crate::search::event::{IdeasHad, Planned, Spent};
use crate::search::example::{Candidate, Example};
use crate::search::{IdeaCall, Operator, Tag};

/// Tells an opening of the example.
struct Question<'a> {
    example: &'a Example,
    plan: Plan,
    step: Step<'a>,
    form: EditForm,
    inheritance: Inheritance,
    context_tokens: u64,
    reach: Reach,
    protected: Files,
    description: &'a str,
}

impl<'a> Question<'a> {
    fn new(example: &'a Example, plan: Plan) -> Question<'a> {
        Question {
            example,
            plan,
            step: Step::Code { idea: None },
            form: EditForm::default(),
            inheritance: Inheritance::default(),
            context_tokens: 20_000,
            reach: Reach::default(),
            protected: Files::new(),
            description: "Pack 26 circles into the unit square.\n",
        }
    }

    fn told(&self) -> Result<Told, TooLittleRoom> {
        self.told_from(&Memory::default())
    }

    fn told_from(&self, memory: &Memory) -> Result<Told, TooLittleRoom> {
        opening(&Asked {
            task: &self.example.task,
            description: self.description,
            tree: &self.example.tree,
            node: self.example.tree.nodes().len() as NodeId,
            plan: &self.plan,
            step: self.step,
            form: self.form,
            inheritance: self.inheritance,
            context_tokens: self.context_tokens,
            reach: self.reach,
            protected: &self.protected,
            files: &|id| self.example.files.get(&id).map(Arc::clone),
            body: &|body| match body {
                Body::Text(text) => Some(text.clone()),
                Body::Base64(_) | Body::Blob { .. } => None,
            },
            memory,
        })
    }

    /// System text and user text.
    fn texts(&self) -> [String; 2] {
        let memory = Memory::default();
        let told = self.told_from(&memory).expect("enough room");
        assert!(told.messages.iter().map(message_bound).sum::<u64>() <= self.context_tokens);
        assert_eq!([self.told(), self.told_from(&memory)], [Ok(told.clone()), Ok(told.clone())]);
        let text = |message: &Message| match message {
            Message::System { text } => text.clone(),
            Message::User { content } => match content.as_slice() {
                [Input::Text { text }] => text.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        match told.messages.as_slice() {
            [system, user] => [text(system), text(user)],
            other => panic!("{other:?}"),
        }
    }
}

/// A baseline of 1, two improvements of it (one of them improved further, and failed), and a failure elsewhere.
fn example() -> Example {
    let mut example = Example::begin();
    let improve = |parents: Vec<NodeId>, idea, files, value| Candidate {
        parents,
        idea,
        files,
        outcome: Some(Example::graded(value)),
        ..Candidate::default()
    };
    example.make(improve(
        vec![0],
        Some("Smaller steps."),
        vec![("pack.py", "step = 0.1\nprint(step)\n")],
        2.5,
    ));
    let files = vec![("pack.py", "step = 0.5\nprint(step)\n"), ("shapes/hex.py", "ROWS = 5\n")];
    example.make(improve(vec![0], None, files, 0.25));
    example.make(Candidate {
        parents: vec![1],
        idea: Some("No step\nat all."),
        feedback: Some("failed (crash): status 1\n\nstderr:\nNameError: step\n"),
        files: vec![("pack.py", "print(step)\n")],
        outcome: Some(Example::crashed("status 1")),
        ..Candidate::default()
    });
    example
}

/// All that an improvement of candidate 1 is told.
fn improvement(example: &Example) -> Question<'_> {
    Question::new(example, Plan::new(Operator::Improve, vec![1]))
}

#[test]
fn an_improvement_is_told_all_that_helps() {
    let example = example();
    let mut question = improvement(&example);
    question.plan.hint = Some("Beat 2.6.".to_owned());
    assert_eq!(question.texts(), [include_str!("tests/system.txt"), include_str!("tests/improve.txt")]);
    assert_eq!(question.told().unwrap().shown, [2]);
}

#[test]
fn a_mended_version_is_told_what_went_wrong_and_a_crossover_both_programs() {
    let example = example();
    let [_, user] = Question::new(&example, Plan::new(Operator::Debug, vec![3])).texts();
    assert_eq!(user, include_str!("tests/debug.txt"));
    let [_, user] = Question::new(&example, Plan::new(Operator::Crossover, vec![2, 1])).texts();
    assert_eq!(user, include_str!("tests/crossover.txt"));
}

#[test]
fn an_idea_is_asked_for_with_its_pool_and_then_implemented_on_the_baseline() {
    let example = example();
    let question = ideas(&example);
    let [_, user] = question.texts();
    assert_eq!(user, include_str!("tests/ideas.txt"));
    assert_eq!(question.told().unwrap().shown, [3, 1]);
    let implement = Question {
        step: Step::Code { idea: Some("[Experiment] Rows.\n[Code Changes] ```x```") },
        form: EditForm::UnifiedDiff,
        inheritance: Inheritance::Text,
        ..Question::new(&example, Plan::new(Operator::Implement, vec![1]))
    };
    let [_, user] = implement.texts();
    assert_eq!(user, include_str!("tests/implement.txt"));
}

/// The question for ideas of a second epoch.
fn ideas(example: &Example) -> Question<'_> {
    let mut plan = Plan::new(Operator::Implement, Vec::new());
    plan.shown = vec![3, 1, 3];
    plan.tag = Tag { epoch: Some(1), kind: Some("exploit".to_owned()), ..Tag::default() };
    let step = Step::Ideas { count: 2, earlier: &[] };
    Question { step, description: "", ..Question::new(example, plan) }
}

#[test]
fn every_form_and_operator_has_words_of_its_own() {
    let example = example();
    let mut seen = std::collections::BTreeSet::new();
    for operator in [
        Operator::Draft,
        Operator::Improve,
        Operator::Debug,
        Operator::Crossover,
        Operator::Ablate,
        Operator::Simplify,
    ] {
        let [_, user] = Question::new(&example, Plan::new(operator, vec![1])).texts();
        let request = user.rsplit_once("# What to do\n\n").expect("a request").1.to_owned();
        assert!(seen.insert(request), "{operator}");
    }
    for form in [EditForm::SearchReplace, EditForm::UnifiedDiff, EditForm::WholeFiles] {
        let [system, user] = Question { form, ..improvement(&example) }.texts();
        assert!(system.ends_with(rules::format_words(form)));
        let is_numbered = user.contains("1|step = 0.1\n2|print(step)\n");
        assert_eq!(is_numbered, form == EditForm::UnifiedDiff);
    }
    for kind in [None, Some("explore"), Some("exploit")] {
        let mut question = ideas(&example);
        question.plan.tag.kind = kind.map(str::to_owned);
        let [system, user] = question.texts();
        assert!(
            user.ends_with(template::part(&template::IDEAS, "format")) && !system.contains("How a change")
        );
        assert!(seen.insert(user), "{kind:?}");
    }
}

#[test]
fn the_examples_of_all_forms_are_read_and_say_the_same() {
    let file = |body: &str| {
        let text = format!("import math\n\n\ndef area(radius):\n    return {body} * radius * radius\n");
        Files::from([("shapes/area.py".to_owned(), text.into_bytes())])
    };
    for (form, name) in [
        (Form::SearchReplace, EditForm::SearchReplace),
        (Form::UnifiedDiff, EditForm::UnifiedDiff),
        (Form::WholeFiles, EditForm::WholeFiles),
    ] {
        let words = rules::format_words(name);
        let (_, rest) = words.split_once(":\n\n").expect("an introduction");
        let (example, _) = rest.rsplit_once("\n\n").expect("rules at the end");
        let reply = format!("The circle is no hexagon.\n\n{example}\n");
        let edits =
            edit::parse(&reply, form, &["shapes/area.py", "pack.py"]).expect("an example that is read");
        let applied = edit::apply(&file("3"), &edits, &edit::Surface::default()).expect("one that fits");
        assert_eq!((applied.tree, applied.notes), (file("math.pi"), Vec::new()), "{example}");
        assert_eq!(rationale(&reply).as_deref(), Some("The circle is no hexagon."));
    }
}

#[test]
fn where_words_are_inherited_the_parents_ideas_come_first() {
    let example = example();
    let mut question = ideas(&example);
    question.plan.parents = vec![1];
    question.inheritance = Inheritance::Text;
    let [_, user] = question.texts();
    assert!(user.starts_with("# The program: the baseline\n"));
    assert_eq!(question.told().unwrap().shown, [1, 3]);
    question.inheritance = Inheritance::Code;
    let [_, user] = question.texts();
    assert!(user.starts_with("# The program: candidate 1\n") && user.contains("# How it came about"));
}

#[test]
fn later_questions_of_an_epoch_are_told_the_ideas_of_earlier_ones_once() {
    let mut tree = Example::begin().tree;
    let tag = |number, position| Tag {
        epoch: Some(0),
        call: Some(IdeaCall { number, position, ideas: 2 }),
        ..Tag::default()
    };
    let plan = |tag| Plan { tag, ..Plan::new(Operator::Implement, vec![0]) };
    let plans = vec![plan(tag(0, 0)), plan(tag(0, 1)), plan(tag(1, 0))];
    let planned = Planned { ask: 1, free: 3, first: 1, plans, note: None, working_ms: 0 };
    tree.apply(&Event::Planned(Box::new(planned))).expect("plans");
    let idea = |words: &str| Body::Text(format!("[Experiment] {words}\n[Code Changes] x"));
    let had = IdeasHad {
        node: 1,
        ideas: vec![idea("Warm up."), idea("Cool down.")],
        refused: Vec::new(),
        reason: None,
        model: "m".into(),
        spent: Spent::default(),
        working_ms: 0,
    };
    let event = Event::IdeasHad(Box::new(had.clone()));
    assert_eq!(tree.ideas_of(&tag(0, 1)), None);
    tree.apply(&event).expect("ideas");
    assert_eq!((tree.ideas_of(&tag(0, 1)), tree.ideas_of(&tag(1, 0))), (Some(&had), None));
    assert_eq!(tree.apply(&event).unwrap_err().to_string(), "ideas of a question that was answered before");

    let example = Example { tree, ..Example::begin() };
    let question =
        Question { step: Step::Ideas { count: 2, earlier: &[] }, ..Question::new(&example, plan(tag(1, 0))) };
    let [_, told] = question.texts();
    for words in ["Warm up.", "Cool down."] {
        assert_eq!(told.matches(words).count(), 1, "{told}");
    }
    assert!(told.contains("Think of 2 ideas, each different from the others,"), "{told}");
}

#[test]
fn a_control_is_told_nothing_but_its_plan() {
    let example = example();
    let question = Question { reach: Reach::PLAN, ..improvement(&example) };
    let [_, user] = question.texts();
    let headings: Vec<&str> = user.lines().filter(|line| line.starts_with("# ")).collect();
    assert_eq!(headings, ["# The task", "# The program: candidate 1", "# What to do"]);
    assert!(!user.contains("best candidate so far"));
}

#[test]
fn what_does_not_fit_is_named_or_left_out_and_too_little_is_an_error() {
    let mut example = Example::begin();
    let long: &'static str = Box::leak("x = 1\n".repeat(2000).into_boxed_str());
    let files = vec![("a.py", long), ("pack.py", "import a\n")];
    let parent = example.make(Candidate {
        files,
        idea: Some("Long."),
        outcome: Some(Example::graded(2.0)),
        ..Candidate::default()
    });
    let plan = Plan::new(Operator::Improve, vec![parent]);
    let description: &'static str = Box::leak("Much is said.\n".repeat(1000).into_boxed_str());
    let question = Question { context_tokens: 9000, description, ..Question::new(&example, plan) };
    let [_, user] = question.texts();
    assert!(
        user.contains("File: pack.py\n```python\nimport a\n```\n\nLeft out for lack of room: `a.py`. Do not")
    );
    assert!(user.contains(" bytes left out ...]\nMuch is said.\n"));
    let error = Question { context_tokens: 100, ..question }.told().unwrap_err();
    assert_eq!(error.limit, 100);
    let plan = Plan::new(Operator::Improve, vec![parent]);
    let least = Question { context_tokens: error.least, ..Question::new(&example, plan) };
    let [_, user] = least.texts();
    let expected = "# The program: candidate 1\n\nIts radii is 2.\n\nNone of its files is shown, for lack of room.\n\n\
                    # What to do";
    assert!(user.starts_with(expected), "{user}");
}

#[test]
fn what_is_said_after_an_answer_is_exact() {
    let text = |message: Message| match message {
        Message::User { content } => match content.as_slice() {
            [Input::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let error = "block 1: `{attempt}` does not stand in `pack.py`\n";
    assert_eq!(
        text(repair(error, 1)),
        "That answer could not be used:\n\nblock 1: `{attempt}` does not stand in `pack.py`\n\nNothing of it was \
         applied. Give the whole change once more, in the same form and against the files as they were shown."
    );
    assert!(
        text(repair(error, 2))
            .starts_with("That answer could not be used either (attempt 2):\n\nblock 1: `{a")
    );
    assert_eq!(
        text(again("it equals candidate 12.")),
        "That candidate is not taken: it equals candidate 12.\n\nMake a different one: another approach, not the same \
         with other names or values. The files are still as they were shown, and so is the form."
    );
}

/// Texts that try to break out of wherever they stand.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("```"),
        Just("\n```\n"),
        Just("````python\n"),
        Just("~~~"),
        Just("<<<<<<< SEARCH\n"),
        Just("=======\n"),
        Just(">>>>>>> REPLACE\n"),
        Just("# What to do\n"),
        Just("{code}"),
        Just("{items}"),
        Just("== base ==\n"),
        Just("\r\n"),
        Just("\u{2028}"),
        Just("\0"),
        Just("\u{1b}[31m"),
        Just("é"),
        Just("\"\\"),
        Just("[End]"),
        Just("word "),
        Just("\n"),
        Just("a fairly long line of text that takes room on the page\n"),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// The lines of a text that no fence holds; every fence must be closed.
fn outside(text: &str) -> Vec<&str> {
    let mut outside = Vec::new();
    let mut open: Option<&str> = None;
    for line in text.split('\n') {
        let marks = &line[..line.len() - line.trim_start_matches('`').len()];
        match open {
            Some(fence) if line == fence => open = None,
            None if marks.len() >= 3 => open = Some(marks),
            Some(_) => {}
            None => outside.push(line),
        }
    }
    assert_eq!(open, None, "{text}");
    outside
}

fn leaked(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_content_breaks_the_page_or_the_limit(
        texts in proptest::collection::vec(hostile(), 6),
        operator in 0_usize..7,
        context_tokens in 3000_u64..9000,
    ) {
        let texts: Vec<&'static str> = texts.iter().map(|text| leaked(text)).collect();
        let mut example = Example::begin();
        for index in 0..4 {
            let outcome = match index {
                0 | 1 => Example::graded(f64::from(index)),
                _ => Example::crashed(texts[2]),
            };
            example.make(Candidate {
                parents: vec![index / 2],
                idea: (index != 1).then_some(texts[0]),
                feedback: Some(texts[1]),
                files: vec![("pack.py", texts[3]), ("shapes/`x\n`.py", texts[4])],
                tag: Tag { epoch: Some(0), ..Tag::default() },
                outcome: Some(outcome),
                ..Candidate::default()
            });
        }
        let operators = [
            Operator::Draft, Operator::Improve, Operator::Debug, Operator::Crossover, Operator::Ablate,
            Operator::Implement, Operator::Implement,
        ];
        let mut plan = Plan::new(operators[operator], vec![1, 2]);
        plan.shown = vec![4, 3, 2];
        plan.tag.epoch = Some(0);
        let earlier = [texts[5].to_owned()];
        let step = match operator {
            5 => Step::Ideas { count: 3, earlier: &earlier },
            6 => Step::Code { idea: Some(texts[5]) },
            _ => Step::Code { idea: None },
        };
        let protected = Files::from([("check.py".to_owned(), texts[5].as_bytes().to_vec())]);
        let question = Question { step, protected, context_tokens, ..Question::new(&example, plan) };
        if question.told().is_ok() {
            let [_, user] = question.texts();
            let outside = outside(&user);
            prop_assert_eq!(outside.iter().filter(|line| **line == "# What to do").count(), 1);
            for line in outside {
                let is_block = line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>") || line.starts_with("=====");
                prop_assert!(!is_block, "{}", user);
            }
        } else {
            prop_assert!(context_tokens < 5000);
        }
    }
}
