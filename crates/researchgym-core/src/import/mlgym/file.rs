//! What is read of MLGym's two files for a record, as far as it goes: a file that is cut keeps what stands before the cut.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A `.traj` file.
#[derive(Debug, Default)]
pub(super) struct File<'a> {
    /// Whether it has the list that makes it one.
    pub has_trajectory: bool,
    /// The steps that were taken.
    pub steps: Vec<Taken<'a>>,
    /// What the model said, demonstrations left out.
    pub said: Vec<Said<'a>>,
    /// How it ended.
    pub info: Option<Info>,
}

/// `results.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Results {
    /// Scores in order.
    pub agent: Vec<Scores>,
    /// The numbers to beat.
    #[serde(default)]
    pub baseline: Option<Scores>,
}

/// Numbers by name.
pub(super) type Scores = BTreeMap<String, Measured>;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Taken<'a> {
    #[serde(borrow, default)]
    pub action: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub observation: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub state: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub thought: Option<Text<'a>>,
    #[serde(default)]
    pub execution_time: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub action: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub thought: Option<Text<'a>>,
    #[serde(default)]
    is_demo: Option<bool>,
}

/// How a run ended and what it used.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    #[serde(default)]
    pub model_stats: Option<ModelStats>,
    #[serde(default)]
    pub exit_status: Option<String>,
    #[serde(default)]
    pub score: Option<Vec<Scores>>,
}

/// Sums over the model's calls.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelStats {
    #[serde(default)]
    pub total_cost: Option<f64>,
    #[serde(default)]
    pub task_cost: Option<f64>,
    #[serde(default)]
    pub tokens_sent: Option<f64>,
    #[serde(default)]
    pub tokens_received: Option<f64>,
    #[serde(default)]
    pub api_calls: Option<f64>,
}

impl<'a> File<'a> {
    /// Reads a file into this. On an error, what stands before it is kept.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        (&mut reader).deserialize_map(Whole(self))?;
        reader.end()
    }
}

struct Whole<'f, 'a>(&'f mut File<'a>);

impl<'a> Visitor<'a> for Whole<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object with `trajectory`")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text>()? {
            match key.as_str() {
                "trajectory" => {
                    self.0.has_trajectory = true;
                    map.next_value_seed(items(|taken| self.0.steps.push(taken)))?;
                }
                "history" => map.next_value_seed(items(|said: Said<'a>| {
                    let is_model = said.role.as_ref().is_some_and(|role| role.as_str() == "assistant");
                    if is_model && said.is_demo != Some(true) {
                        self.0.said.push(said);
                    }
                }))?,
                "info" => self.0.info = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A list that is handed over item by item, so that what was read before an error is not lost.
struct Items<T, F: FnMut(T)>(F, PhantomData<T>);

fn items<T, F: FnMut(T)>(each: F) -> Items<T, F> {
    Items(each, PhantomData)
}

impl<'a, T: Deserialize<'a>, F: FnMut(T)> DeserializeSeed<'a> for Items<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a, T: Deserialize<'a>, F: FnMut(T)> Visitor<'a> for Items<T, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

/// A text, borrowed where it holds no escape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Words)
    }
}

/// A number, if it is one and finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured(pub Option<f64>);

impl<'de> Deserialize<'de> for Measured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Measured;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Measured, E> {
                Ok(Measured(number.is_finite().then_some(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Measured, E> {
                Ok(Measured(Some(number as f64)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Measured, E> {
                Ok(Measured(Some(number as f64)))
            }

            fn visit_unit<E>(self) -> Result<Measured, E> {
                Ok(Measured(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Measured, E> {
                Ok(Measured(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Measured, E> {
                Ok(Measured(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Measured, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Measured(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Measured, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Measured(None))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}
