//! Whole openings of small searches, and what holds for all of them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Input, message_bound};
use crate::search::example::{Candidate, Example};
use crate::search::{Operator, Tag};

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
        })
    }

    /// System text and user text.
    fn texts(&self) -> [String; 2] {
        let told = self.told().expect("enough room");
        assert!(told.messages.iter().map(message_bound).sum::<u64>() <= self.context_tokens);
        assert_eq!(self.told(), Ok(told.clone()));
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

#[test]
fn print() {
    let example = example();
    for (operator, parents) in
        [(Operator::Improve, vec![1]), (Operator::Debug, vec![3]), (Operator::Crossover, vec![1, 2])]
    {
        let question = Question::new(&example, Plan::new(operator, parents));
        let [system, user] = question.texts();
        eprintln!("=====SYSTEM\n{system}\n=====USER\n{user}");
    }
}
