//! The constants of policies, as a user sees and sets them.

use serde_json::{Map, Value};

use super::PolicySpec;

/// A constant cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstantError {
    /// The policy has no such constant.
    #[error("`{policy}` has no constant `{key}`; {constants}")]
    Unknown {
        /// Which policy.
        policy: &'static str,
        /// What was to be set.
        key: String,
        /// Its constants, with their values.
        constants: String,
    },
    /// The value is of another kind.
    #[error("`{key}` takes {takes}, not `{text}`: {reason}")]
    Value {
        /// Which constant.
        key: String,
        /// What kind of values it takes.
        takes: &'static str,
        /// What was given.
        text: String,
        /// Why that does not do.
        reason: String,
    },
    /// The values do not go together, or one of them makes no sense.
    #[error("`{policy}` cannot work so: {reason}")]
    Contradiction {
        /// Which policy.
        policy: &'static str,
        /// Which constants, and why.
        reason: String,
    },
}

impl PolicySpec {
    /// Its constants with their values.
    pub fn constants(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut constants)) = serde_json::to_value(self) else { return Map::new() };
        constants.remove("name");
        constants
    }

    /// The same policy with some constants set: to a JSON value, to a text, or to a list of texts with commas in between.
    ///
    /// # Errors
    /// There is no such constant, it takes other values, or the values make no sense together.
    pub fn with(self, settings: &[(String, String)]) -> Result<PolicySpec, ConstantError> {
        let set = settings.iter().try_fold(self, |policy, (key, text)| policy.set(key, text))?;
        match set.contradiction() {
            Some(reason) => Err(ConstantError::Contradiction { policy: set.name(), reason }),
            None => Ok(set),
        }
    }

    /// Why no search can work with these constants, if none can.
    fn contradiction(&self) -> Option<String> {
        if let Some(key) =
            self.constants().into_iter().find_map(|(key, value)| below_zero(&value).then_some(key))
        {
            return Some(format!("`{key}` is less than 0"));
        }
        match self {
            PolicySpec::Mcts(constants) => constants.decay.contradiction(),
            _ => None,
        }
    }

    fn set(&self, key: &str, text: &str) -> Result<PolicySpec, ConstantError> {
        let mut constants = self.constants();
        let Some(now) = constants.get(key).cloned() else { return Err(self.unknown(key)) };
        constants.insert("name".to_owned(), self.name().into());
        let list = || Value::from(text.split(',').map(str::trim).collect::<Vec<_>>());
        let of_shape = || serde_json::json!({ "shape": text });
        let readings = [
            serde_json::from_str(text).ok(),
            now.is_array().then(list),
            now.get("shape").map(|_| of_shape()),
            Some(Value::String(text.to_owned())),
        ];
        if let Some(reason) = senseless(key, &serde_json::from_str(text).unwrap_or(Value::Null)) {
            let (key, text) = (key.to_owned(), text.to_owned());
            return Err(ConstantError::Value { key, takes: "another value", text, reason });
        }
        let mut reason = None;
        for reading in readings.into_iter().flatten() {
            constants.insert(key.to_owned(), reading);
            match serde_json::from_value(Value::Object(constants.clone())) {
                Ok(policy) => return Ok(policy),
                Err(error) => reason = reason.or(Some(error.to_string())),
            }
        }
        let takes = match now {
            Value::Null => "a value",
            Value::Bool(_) => "true or false",
            Value::Number(number) if number.is_f64() => "a number",
            Value::Number(_) => "a whole number",
            Value::String(_) => "a word",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let (key, text) = (key.to_owned(), text.to_owned());
        Err(ConstantError::Value { key, takes, text, reason: reason.unwrap_or_default() })
    }

    fn unknown(&self, key: &str) -> ConstantError {
        let constants: Vec<String> =
            self.constants().iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let constants = match constants.as_slice() {
            [] => "it has none".to_owned(),
            constants => format!("it has {}", constants.join(", ")),
        };
        ConstantError::Unknown { policy: self.name(), key: key.to_owned(), constants }
    }
}

/// Whether a number in it is less than 0: no constant has such a value.
fn below_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number < 0.0),
        Value::Array(items) => items.iter().any(below_zero),
        Value::Object(parts) => parts.values().any(below_zero),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Why no search can work with a value, if none can: shares lie between 0 and 1, and what is counted has an end.
fn senseless(key: &str, value: &Value) -> Option<String> {
    const SHARES: [&str; 8] = [
        "_ratio",
        "_rate",
        "_prob",
        "quorum",
        "min_explore",
        "exploit_start",
        "exploit_step",
        "exploit_most",
    ];
    const MOST: f64 = 1e6;
    let number = value.as_f64()?;
    if SHARES.iter().any(|end| key.ends_with(end)) && !(0.0..=1.0).contains(&number) {
        return Some("it is a share, from 0 to 1".to_owned());
    }
    (number.abs() > MOST).then(|| format!("it is more than {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::policy::islands::Parents;
    use crate::search::policy::{HillClimb, Islands};

    fn set(policy: &str, settings: &[(&str, &str)]) -> Result<PolicySpec, String> {
        let settings: Vec<_> =
            settings.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        PolicySpec::named(policy).expect("a policy").with(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn constants_are_set_by_value_or_text() {
        let expected = Islands {
            parents: Parents::Shinka,
            feature_dimensions: vec!["complexity".into(), "loss".into()],
            exploration_ratio: 1.0,
            num_top_programs: 7,
            ..Islands::default()
        };
        let settings = [
            ("parents", "shinka"),
            ("feature_dimensions", "complexity, loss"),
            ("exploration_ratio", "1"),
            ("num_top_programs", "7"),
        ];
        assert_eq!(set("islands", &settings), Ok(PolicySpec::Islands(expected.clone())));
        let settings = [
            ("parents", "\"shinka\""),
            ("feature_dimensions", r#"["complexity", "loss"]"#),
            settings[2],
            settings[3],
        ];
        assert_eq!(set("islands", &settings), Ok(PolicySpec::Islands(expected)));
        assert_eq!(set("hill-climb", &[]), Ok(PolicySpec::HillClimb(HillClimb::default())));
    }

    #[test]
    fn others_are_refused_with_what_there_is() {
        let check = |policy: &str, key: &str, text: &str, expected: &str| {
            assert_eq!(set(policy, &[(key, text)]), Err(expected.to_owned()));
        };
        check(
            "hill-climb",
            "x",
            "1",
            "`hill-climb` has no constant `x`; it has drafts = 5, failures_shown = 2, restart_after = 0",
        );
        check(
            "hill-climb",
            "name",
            "islands",
            "`hill-climb` has no constant `name`; it has drafts = 5, failures_shown = 2, restart_after = 0",
        );
        check("best-of-n", "x", "1", "`best-of-n` has no constant `x`; it has none");
        check(
            "hill-climb",
            "failures_shown",
            "-1",
            "`failures_shown` takes a whole number, not `-1`: invalid value: integer `-1`, expected usize",
        );
        check(
            "epochs",
            "quorum",
            "half",
            "`quorum` takes a number, not `half`: invalid type: string \"half\", expected f64",
        );
        check(
            "epochs",
            "batch",
            "0",
            "`batch` takes a whole number, not `0`: invalid value: integer `0`, expected a nonzero u32",
        );
        check(
            "islands",
            "parents",
            "best",
            "`parents` takes a word, not `best`: unknown variant `best`, expected `openevolve` or `shinka`",
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |policy: &str, settings: &[(&str, &str)], expected: &str| {
            assert_eq!(set(policy, settings), Err(expected.to_owned()), "{settings:?}");
        };
        check("mcts", &[("exploration", "-1")], "`mcts` cannot work so: `exploration` is less than 0");
        let decay = r#"{"shape":"linear","alpha":-0.1}"#;
        check("mcts", &[("decay", decay)], "`mcts` cannot work so: `decay` is less than 0");
        for phases in ["[0.7,0.3]", "[0.1,1.5]"] {
            let decay = format!(r#"{{"shape":"dynamic","phases":{phases}}}"#);
            let expected =
                "`mcts` cannot work so: the `phases` of `decay` are no shares of the search that rise";
            check("mcts", &[("decay", &decay)], expected);
        }
        check(
            "mcts",
            &[("decay", r#"{"shape":"exponential","gamma":1.5}"#)],
            "`mcts` cannot work so: the `gamma` of `decay` is more than 1",
        );
        check(
            "epochs",
            &[("exploit_most", "1.5")],
            "`exploit_most` takes another value, not `1.5`: it is a share, from 0 to 1",
        );
        check(
            "mcts",
            &[("exploration", "NaN")],
            "`exploration` takes a number, not `NaN`: invalid type: string \"NaN\", expected f64",
        );
    }

    #[test]
    fn a_schedule_may_be_named_by_its_shape() {
        let shape = |text| set("mcts", &[("decay", text)]).map(|policy| policy.constants()["decay"].clone());
        let linear = serde_json::json!({ "shape": "linear", "alpha": 0.01, "lower": 0.5 });
        assert_eq!(shape("linear"), Ok(linear));
        let refused = "`decay` takes an object, not `steep`: unknown variant `steep`, expected one of `constant`, \
                       `linear`, `exponential`, `piecewise`, `dynamic`";
        assert_eq!(shape("steep"), Err(refused.to_owned()));
    }

    #[test]
    fn a_constant_without_a_value_can_be_given_one() {
        let policy = set("stages", &[("patience", "5")]).expect("a policy");
        assert_eq!(policy.constants().get("patience"), Some(&Value::from(5)));
        let policy = policy.with(&[("patience".to_owned(), "null".to_owned())]);
        assert_eq!(policy, Ok(PolicySpec::named("stages").expect("a policy")));
    }

    #[test]
    fn every_policy_shows_all_its_constants() {
        for (name, _) in PolicySpec::NAMES {
            let policy = PolicySpec::named(name).expect("a policy");
            assert_eq!(policy.name(), name);
            let settings: Vec<(String, String)> =
                policy.constants().into_iter().map(|(key, value)| (key, value.to_string())).collect();
            assert_eq!(policy.clone().with(&settings), Ok(policy));
        }
    }
}
