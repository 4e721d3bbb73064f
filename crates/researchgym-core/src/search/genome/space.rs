//! Where the numbers of a task stand and what values they may take; reading and writing their file.

use serde_json::{Map, Number, Value};

use super::{Coordinate, DEEPEST, Genome, GenomeError, MOST_BYTES, MOST_NUMBERS, Shape};
use crate::task::{self, Parameter, Range, Task};

/// A task declares no numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "task {task} declares no numbers to change: write `[search.genome]` (file, low, high) for a JSON array of numbers, or \
     `[tunable]` with `[tunable.parameters]` for named ones, into its task.toml"
)]
pub struct NoNumbers {
    /// The task.
    pub task: String,
}

/// The numbers of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    file: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// All numbers of an array alike.
    Array(Coordinate),
    /// Each parameter by itself, in the order of their names.
    Object(Vec<Named>),
}

#[derive(Clone, Debug, PartialEq)]
struct Named {
    name: String,
    coordinate: Coordinate,
    choices: Vec<Parameter>,
}

impl Space {
    /// The numbers of a task: its genome, or else its tunable parameters.
    ///
    /// # Errors
    /// It declares neither.
    pub fn of(task: &Task) -> Result<Space, NoNumbers> {
        let genome = task.search.as_ref().and_then(|search| search.genome.as_ref());
        match (genome, &task.tunable) {
            (Some(genome), _) => Ok(Space::array(genome)),
            (None, Some(tunable)) if !tunable.parameters.is_empty() => Ok(Space::object(tunable)),
            (None, _) => Err(NoNumbers { task: task.id.clone() }),
        }
    }

    /// The numbers of a `[search.genome]`.
    pub fn array(spec: &task::Genome) -> Space {
        let (low, high) = (spec.low, spec.high);
        let number = match spec.integer {
            true => Coordinate::Whole { low: low.ceil(), high: high.floor() },
            false => Coordinate::Linear { low, high },
        };
        Space { file: spec.file.clone(), form: Form::Array(number) }
    }

    /// The parameters of a `[tunable]`.
    pub fn object(tunable: &task::Tunable) -> Space {
        let named = |(name, range): (&String, &Range)| Named {
            name: name.clone(),
            coordinate: Coordinate::of(range),
            choices: match range {
                Range::Choice { choices } => choices.clone(),
                Range::Float { .. } | Range::Int { .. } => Vec::new(),
            },
        };
        let parameters = tunable.parameters.iter().map(named).collect();
        Space { file: tunable.file.clone(), form: Form::Object(parameters) }
    }

    /// The file that holds the numbers.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What values the number at a position may take.
    pub fn coordinate(&self, at: usize) -> &Coordinate {
        match &self.form {
            Form::Array(number) => number,
            Form::Object(named) => &named[at].coordinate,
        }
    }

    /// Whether all numbers take the same values, so that they can change places.
    pub fn is_uniform(&self) -> bool {
        matches!(self.form, Form::Array(_))
    }

    /// Where a genome's numbers stand on scales from 0 to 1.
    pub fn units(&self, genome: &Genome) -> Vec<f64> {
        genome.values.iter().enumerate().map(|(at, value)| self.coordinate(at).unit(*value)).collect()
    }

    /// The genome of the same arrangement whose numbers stand there.
    pub fn genome_at(&self, arrangement: &Genome, units: &[f64]) -> Genome {
        arrangement
            .with(units.iter().enumerate().map(|(at, unit)| self.coordinate(at).value(*unit)).collect())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It does not hold such numbers.
    pub fn parse(&self, bytes: &[u8]) -> Result<Genome, GenomeError> {
        if bytes.len() > MOST_BYTES {
            return Err(GenomeError::TooLong { file: self.file.clone(), bytes: bytes.len() });
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            let told = error.to_string();
            let problem = told.rsplit_once(" at line ").map_or(told.as_str(), |(problem, _)| problem);
            let (line, column) = (error.line(), error.column());
            GenomeError::Syntax { file: self.file.clone(), line, column, problem: problem.to_owned() }
        })?;
        match &self.form {
            Form::Array(number) => {
                let mut values = Vec::new();
                let shape = self.array_of(&value, number, "", 1, &mut values)?;
                if values.is_empty() {
                    return Err(self.wrong("", "holds no numbers"));
                }
                Ok(Genome { values, shape })
            }
            Form::Object(named) => self.object_of(value, named),
        }
    }

    fn array_of(
        &self,
        value: &Value,
        number: &Coordinate,
        place: &str,
        depth: usize,
        values: &mut Vec<f64>,
    ) -> Result<Shape, GenomeError> {
        let Value::Array(items) = value else {
            return Err(self.wrong(place, &format!("is {}, no array", kind(value))));
        };
        if depth > DEEPEST {
            return Err(self.wrong(place, &format!("is nested deeper than {DEEPEST} arrays")));
        }
        let inner = |at: usize| format!("{place}[{at}]");
        if items.iter().any(Value::is_array) {
            let arrays = items.iter().enumerate();
            let shapes = arrays.map(|(at, item)| self.array_of(item, number, &inner(at), depth + 1, values));
            return Ok(Shape::Arrays(shapes.collect::<Result<_, _>>()?));
        }
        if values.len() + items.len() > MOST_NUMBERS {
            return Err(self.wrong("", &format!("holds more than {MOST_NUMBERS} numbers")));
        }
        for (at, item) in items.iter().enumerate() {
            let Some(value) = item.as_f64() else {
                return Err(self.wrong(&inner(at), &format!("is {}, no number", kind(item))));
            };
            values.push(within(number, value).map_err(|problem| self.wrong(&inner(at), &problem))?);
        }
        Ok(Shape::Numbers(items.len()))
    }

    fn object_of(&self, value: Value, named: &[Named]) -> Result<Genome, GenomeError> {
        let Value::Object(mut object) = value else {
            return Err(self.wrong("", &format!("is {}, no object of parameters", kind(&value))));
        };
        let mut values = Vec::with_capacity(named.len());
        for Named { name, coordinate, choices } in named {
            let Some(value) = object.remove(name) else { return Err(self.wrong(name, "is missing")) };
            let value = match (coordinate, value.as_f64()) {
                (Coordinate::Choice { .. }, _) => {
                    let position = choices.iter().position(|choice| is_same(choice, &value));
                    position.map(|at| at as f64).ok_or_else(|| format!("is {value}, none of its choices"))
                }
                (_, Some(value)) => within(coordinate, value),
                (_, None) => Err(format!("is {}, no number", kind(&value))),
            };
            values.push(value.map_err(|problem| self.wrong(name, &problem))?);
        }
        Ok(Genome { values, shape: Shape::Object(object) })
    }

    fn wrong(&self, place: &str, problem: &str) -> GenomeError {
        let place = if place.is_empty() { "the whole" } else { place };
        GenomeError::Value { file: self.file.clone(), place: place.to_owned(), problem: problem.to_owned() }
    }

    /// The file of a genome: arranged as it was read, the shortest numbers that are read back as the same, one row a
    /// line.
    pub fn write(&self, genome: &Genome) -> Vec<u8> {
        let mut text = String::new();
        match (&genome.shape, &self.form) {
            (Shape::Object(rest), Form::Object(named)) => {
                let mut object: Map<String, Value> = rest.clone();
                for (named, value) in named.iter().zip(&genome.values) {
                    object.insert(named.name.clone(), json(named, *value));
                }
                text = serde_json::to_string_pretty(&object).unwrap_or_default();
            }
            (shape, _) => self.write_array(shape, 0, &mut genome.values.iter(), &mut text),
        }
        text.push('\n');
        text.into_bytes()
    }

    fn write_array(
        &self,
        shape: &Shape,
        depth: usize,
        values: &mut std::slice::Iter<'_, f64>,
        text: &mut String,
    ) {
        let number = |value: &f64| written(self.coordinate(0), *value).to_string();
        let line = |text: &mut String, at: usize| {
            text.push_str(if at == 0 { "\n" } else { ",\n" });
            text.push_str(&" ".repeat(depth + 1));
        };
        text.push('[');
        match shape {
            Shape::Numbers(count) if depth > 0 => {
                let row: Vec<String> = values.take(*count).map(number).collect();
                text.push_str(&row.join(", "));
            }
            Shape::Numbers(count) => {
                for (at, value) in values.take(*count).enumerate() {
                    line(text, at);
                    text.push_str(&number(value));
                }
                text.push('\n');
            }
            Shape::Arrays(arrays) => {
                for (at, inner) in arrays.iter().enumerate() {
                    line(text, at);
                    self.write_array(inner, depth + 1, values, text);
                }
                text.push('\n');
                text.push_str(&" ".repeat(depth));
            }
            Shape::Object(_) => {}
        }
        text.push(']');
    }
}

/// The value, if it is one of those that are possible.
fn within(coordinate: &Coordinate, value: f64) -> Result<f64, String> {
    let (low, high) = coordinate.bounds();
    match coordinate {
        _ if value < low => Err(format!("is {value}, below the lowest value {low}")),
        _ if value > high => Err(format!("is {value}, above the highest value {high}")),
        Coordinate::Whole { .. } if value.fract() != 0.0 => Err(format!("is {value}, no whole number")),
        _ => Ok(value),
    }
}

fn json(named: &Named, value: f64) -> Value {
    match named.choices.get(value as usize) {
        Some(Parameter::Integer(value)) => Value::from(*value),
        Some(Parameter::Number(value)) => Value::from(*value),
        Some(Parameter::Switch(value)) => Value::from(*value),
        Some(Parameter::Text(value)) => Value::from(value.clone()),
        None => Value::Number(written(&named.coordinate, value)),
    }
}

fn written(coordinate: &Coordinate, value: f64) -> Number {
    match coordinate {
        Coordinate::Whole { .. } | Coordinate::Choice { .. } => Number::from(value as i64),
        Coordinate::Linear { .. } | Coordinate::Logarithmic { .. } => {
            Number::from_f64(value).unwrap_or_else(|| Number::from(0))
        }
    }
}

fn is_same(choice: &Parameter, value: &Value) -> bool {
    match choice {
        Parameter::Integer(choice) => value.as_f64() == Some(*choice as f64),
        Parameter::Number(choice) => value.as_f64() == Some(*choice),
        Parameter::Switch(choice) => value.as_bool() == Some(*choice),
        Parameter::Text(choice) => value.as_str() == Some(choice),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
