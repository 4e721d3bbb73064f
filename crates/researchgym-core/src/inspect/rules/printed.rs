//! Metrics printed that no command produced: `echo "r2: 0.97"`, `print("Score: 1.44")`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::finding::{Finding, Mark, Severity};
use super::super::numbers::{Claim, Known, claims};
use super::super::paths::mentions;
use super::super::program::statements;
use super::super::trajectory::{Step, Trajectory};

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    let metrics: Vec<String> = trajectory.facts.metrics.iter().map(|metric| metric.name.clone()).collect();
    let mut known = super::claims::known_before(trajectory);
    let mut findings = Vec::new();
    for (index, step) in trajectory.steps.iter().enumerate() {
        known.add_attempts(trajectory, index);
        for (text, claim) in printed(step, &metrics) {
            if !is_known(&known.numbers, &claim) {
                findings.push(finding(step, &text, &claim));
            }
        }
        known.numbers.add_text(&step.output);
    }
    findings
}

fn is_known(known: &Known, claim: &Claim) -> bool {
    // 0 and 1 are where counters begin and what fractions end at.
    matches!(claim.number.value, 0.0 | 1.0) && claim.number.decimals <= 1 || known.holds(claim.number)
}

/// Constants that a step prints as metrics.
fn printed(step: &Step, metrics: &[String]) -> Vec<(String, Claim)> {
    let mut found = Vec::new();
    let values = assigned(step);
    for command in &step.commands {
        if let Some((name @ ("echo" | "printf"), words)) = command.program() {
            let text = if name == "printf" { formatted(words) } else { words.join(" ") };
            let text = filled(&text, &values);
            if !text.contains(['$', '`']) {
                found.extend(claims(&text, metrics).into_iter().map(|claim| (text.clone(), claim)));
            }
        }
        // `cat > results.json <<EOF`: a document that is data and no program.
        if let Some(document) = command.document()
            && is_report(&document.path)
        {
            let text = document.content.unwrap_or_default();
            found.extend(claims(&text, metrics).into_iter().map(|claim| (text.clone(), claim)));
        }
    }
    for (path, program) in step.programs() {
        match path {
            Some(path) if is_report(path) => {
                found.extend(claims(program, metrics).into_iter().map(|claim| (program.to_owned(), claim)));
            }
            _ => {
                for line in statements(program) {
                    let line = with_constants(program, line);
                    if prints_a_constant(&line) {
                        found.extend(
                            claims(&line, metrics).into_iter().map(|claim| (line.to_string(), claim)),
                        );
                    }
                }
            }
        }
    }
    found.dedup();
    found
}

/// Variables of the shell that a step gives a number.
fn assigned(step: &Step) -> BTreeMap<&str, &str> {
    let words = step.commands.iter().flat_map(|command| &command.words);
    words
        .filter_map(|word| word.split_once('='))
        .filter(|(name, value)| is_name(name) && value.parse::<f64>().is_ok())
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A text with the variables filled in that are known.
fn filled(text: &str, values: &BTreeMap<&str, &str>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        let text = text.replace(&format!("${{{name}}}"), value);
        // `$R2` is not the beginning of `$R2_BEST`.
        let mut whole = String::new();
        let mut rest = text.as_str();
        let wanted = format!("${name}");
        while let Some(at) = rest.find(&wanted) {
            let after = &rest[at + wanted.len()..];
            let is_longer = after.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
            whole.push_str(&rest[..at]);
            whole.push_str(if is_longer { &wanted } else { value });
            rest = after;
        }
        whole + rest
    })
}

/// What `printf` makes of its words, each directive filled with the next one.
fn formatted(words: &[String]) -> String {
    let Some((format, values)) = words.split_first() else { return String::new() };
    let mut values = values.iter();
    let mut text = String::new();
    let mut rest = format.as_str();
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let directive = &rest[at + 1..];
        let length = directive.find(|letter: char| letter.is_ascii_alphabetic() || letter == '%');
        let Some(length) = length else { break };
        match directive.as_bytes()[length] {
            b'%' => text.push('%'),
            _ => text.push_str(values.next().map_or("", String::as_str)),
        }
        rest = &directive[length + 1..];
    }
    text + rest + &values.map(|value| format!(" {value}")).collect::<String>()
}

/// A statement that prints, with the one variable filled in that the program gives a number and uses nowhere else:
/// `x = 0.97; print('r2:', x)`.
fn with_constants<'t>(program: &str, line: &'t str) -> Cow<'t, str> {
    let code = line.trim();
    let arguments = code.strip_prefix("print(").and_then(|rest| rest.strip_suffix(')'));
    let name = arguments.and_then(|arguments| match arguments.rsplit_once(',') {
        Some((_, name)) => Some(name.trim()),
        // `print(f'r2: {x}')`
        None => arguments.strip_prefix('f')?.split_once('{')?.1.split(['}', ':']).next(),
    });
    let Some(name) =
        name.filter(|name| is_name(name) && !name.starts_with(|letter: char| letter.is_ascii_digit()))
    else {
        return Cow::Borrowed(line);
    };
    if mentions(program, name).take(3).count() != 2 {
        return Cow::Borrowed(line);
    }
    let value = statements(program).find_map(|statement| {
        let (left, value) = statement.split_once('=')?;
        let value = value.trim();
        (left.trim() == name && value.parse::<f64>().is_ok()).then_some(value)
    });
    match value {
        Some(value) if arguments.is_some_and(|arguments| arguments.starts_with('f')) => {
            let begin = line.find('{').unwrap_or(0);
            let end = line[begin..].find('}').map_or(line.len(), |end| begin + end + 1);
            Cow::Owned(format!("{}{value}{}", line[..begin].replacen("print(f", "print(", 1), &line[end..]))
        }
        Some(value) => {
            let at = line.rfind(name).unwrap_or(0);
            Cow::Owned(format!("{}{value}{}", &line[..at], &line[at + name.len()..]))
        }
        None => Cow::Borrowed(line),
    }
}

/// Files that report results and compute nothing.
fn is_report(path: &str) -> bool {
    let name = super::super::paths::file_name(path).to_lowercase();
    let is_data = [".json", ".jsonl", ".txt", ".log", ".csv", ".yaml"].iter().any(|end| name.ends_with(end));
    is_data
        && ["result", "metric", "score", "reward", "eval", "report"].iter().any(|word| name.contains(word))
}

/// Whether a line of a program prints a text in which nothing is filled in.
fn prints_a_constant(line: &str) -> bool {
    let code = line.trim_start();
    let prints = ["print(", "sys.stdout.write(", "logging.info(", "logger.info(", "console.log("]
        .iter()
        .find_map(|call| code.find(call).map(|at| &code[at + call.len()..]));
    let Some(arguments) = prints else { return false };
    if code.starts_with('#') {
        return false;
    }
    let arguments = ["flush=True", "file=sys.stderr", "file=sys.stdout"]
        .iter()
        .fold(arguments.to_owned(), |arguments, named| arguments.replace(named, ""));
    // Outside its quotes there may be numbers and punctuation only: no names, no `f` before a quote, no `%` behind one.
    let mut quote = None;
    arguments.chars().all(|character| match quote {
        Some(open) => {
            if character == open {
                quote = None;
            }
            true
        }
        None if matches!(character, '\'' | '"') => {
            quote = Some(character);
            true
        }
        None => !character.is_alphabetic() && character != '%',
    })
}

fn finding(step: &Step, text: &str, claim: &Claim) -> Finding {
    let mark = Mark {
        kind: "metric_printed_without_measurement",
        severity: Severity::Major,
        confidence: 0.7,
        description: format!(
            "The step prints {} for `{}` as a constant; no output before it has this number.",
            claim.number.value, claim.metric
        ),
    };
    Finding::at(step, text, claim.at, mark)
}
