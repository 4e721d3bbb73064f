//! The terminal of the `human` agent: questions on standard error, answers from standard input.

use std::io::{BufRead as _, Write as _};
use std::pin::Pin;

use researchgym_core::observation::Observation;
use researchgym_engine::agent::Terminal;

use super::Printer;
use super::words::{ended, metrics, printable};

/// A person at this process's terminal.
pub(crate) struct Person {
    printer: Printer,
    lines: tokio::sync::mpsc::Receiver<std::io::Result<String>>,
}

impl Person {
    /// Begins to read standard input.
    pub(crate) fn new(printer: &Printer) -> Person {
        let (sender, lines) = tokio::sync::mpsc::channel(1);
        // A thread of its own: a read from a terminal cannot be cancelled, and the run must be able to end meanwhile.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Person { printer: printer.clone(), lines }
    }
}

impl Terminal for Person {
    fn welcome(&mut self, status: &serde_json::Value, help: &str) {
        let names: Vec<&str> =
            status["artefacts"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        self.printer.talk(&format!(
            "\nThe task is described in task_description.md. What is graded: {}",
            names.join(", ")
        ));
        self.printer.talk(help);
    }

    fn ask(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<String>>> + Send + '_>> {
        let _ = write!(std::io::stderr(), "> ");
        let _ = std::io::stderr().flush();
        Box::pin(async { self.lines.recv().await.transpose() })
    }

    fn show(&mut self, observation: &Observation) {
        match observation {
            Observation::Exec { stdout, stderr, exit_code, ending, .. } => {
                for text in [&stdout.text, &stderr.text] {
                    if !text.is_empty() {
                        self.printer.talk(printable(text).trim_end());
                    }
                }
                if *exit_code != Some(0) {
                    self.printer.talk(&format!("({})", ended(*ending, *exit_code)));
                }
            }
            Observation::Read { content } => self.printer.talk(&printable(&content.text)),
            Observation::Graded { score, .. } => self.printer.talk(&match &score.invalid {
                None => metrics(&score.metrics),
                Some(reason) => format!("no valid score: {reason}"),
            }),
            Observation::Found { results } => {
                for result in results {
                    self.printer.talk(&printable(&format!(
                        "{}\n  {}\n  {}",
                        result.title, result.url, result.snippet
                    )));
                }
            }
            Observation::Fetched { url, content, .. } => {
                self.printer.talk(&printable(&format!("{url}\n{}", content.text)));
            }
            Observation::Refused { reason } => self.printer.talk(reason),
            Observation::Wrote { .. } | Observation::Said | Observation::Ended => {}
        }
    }

    fn advise(&mut self, text: &str) {
        self.printer.talk(text);
    }
}
