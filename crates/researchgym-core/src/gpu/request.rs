//! The value of `--gpus`, and which devices may answer it.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Installed;

/// A shorter beginning of an identity names no device.
const SHORTEST_UUID: usize = "GPU-".len() + 4;

/// What a run asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GpuRequest {
    /// So many, whichever are free.
    Count(u64),
    /// All that are offered.
    All,
    /// These: indices, or identities or unique beginnings of them.
    Devices(Vec<String>),
}

/// A request cannot be understood, or not be met on this machine whoever holds what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is none of the forms.
    #[error("`{text}` is neither a number of GPUs, `all`, nor a list such as 0,1 or GPU-1a2b3c4d")]
    Form {
        /// What was written.
        text: String,
    },
    /// More are asked for than there are.
    #[error("{wanted} GPU(s) are asked for at once, and {offered} are offered{}", more(*.partitioned))]
    TooMany {
        /// So many.
        wanted: u64,
        /// So many could be given.
        offered: u64,
        /// So many more are there but partitioned.
        partitioned: u64,
    },
    /// A name fits no device.
    #[error("no GPU `{id}` is offered; there are: {offered}")]
    Unknown {
        /// The name.
        id: String,
        /// Those that are.
        offered: String,
    },
    /// A beginning fits several.
    #[error("`{id}` is the beginning of more than one GPU's identity")]
    Ambiguous {
        /// The beginning.
        id: String,
    },
    /// A device is named twice.
    #[error("`{id}` names a GPU that is named already")]
    Twice {
        /// The second name.
        id: String,
    },
    /// A named device is partitioned.
    #[error("GPU {index} is partitioned (MIG mode is on), and only whole devices are given out")]
    Partitioned {
        /// Its number.
        index: u32,
    },
}

fn more(number: u64) -> String {
    match number {
        0 => String::new(),
        _ => {
            format!(" ({number} more are partitioned: MIG mode is on, and only whole devices are given out)")
        }
    }
}

/// Devices that may answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// So many of them are needed.
    pub count: usize,
    /// In the order of preference.
    pub candidates: Vec<&'a Installed>,
}

impl FromStr for GpuRequest {
    type Err = RequestError;

    /// Understands `N`, `all`, and a list of indices or identities; `device=0` and `0,` are lists of one index.
    fn from_str(text: &str) -> Result<GpuRequest, RequestError> {
        let wrong = || RequestError::Form { text: text.to_owned() };
        if text == "all" {
            return Ok(GpuRequest::All);
        }
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number(text) {
            return text.parse().map(GpuRequest::Count).map_err(|_| wrong());
        }
        let list = text.strip_prefix("device=").unwrap_or(text);
        let list = list.strip_suffix(',').unwrap_or(list);
        let ids: Vec<String> = list.split(',').map(|id| id.trim().to_owned()).collect();
        match ids.iter().all(|id| is_number(id) || is_identity(id)) {
            true => Ok(GpuRequest::Devices(ids)),
            false => Err(wrong()),
        }
    }
}

/// Whether a word can be (the beginning of) a device's identity. It becomes part of file names and variables.
pub(super) fn is_identity(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    word.starts_with("GPU-") && (SHORTEST_UUID..=64).contains(&word.len()) && word.bytes().all(plain)
}

impl GpuRequest {
    /// How many devices of `offered` it takes.
    fn size(&self, offered: u64) -> u64 {
        match self {
            GpuRequest::Count(count) => *count,
            GpuRequest::All => offered,
            GpuRequest::Devices(ids) => ids.len() as u64,
        }
    }

    /// Says which of the offered devices may answer it.
    ///
    /// # Errors
    /// They cannot, whoever holds what.
    pub fn choose<'a>(&self, offered: &'a [Installed]) -> Result<Choice<'a>, RequestError> {
        let whole: Vec<&Installed> = offered.iter().filter(|device| !device.is_partitioned).collect();
        let candidates = match self {
            GpuRequest::Count(_) | GpuRequest::All => whole,
            GpuRequest::Devices(ids) => named(ids, offered)?,
        };
        let count = self.size(candidates.len() as u64);
        if count == 0 || count > candidates.len() as u64 {
            return Err(RequestError::TooMany {
                wanted: count.max(1),
                offered: candidates.len() as u64,
                partitioned: offered.iter().filter(|device| device.is_partitioned).count() as u64,
            });
        }
        Ok(Choice { count: count as usize, candidates })
    }

    /// Says whether `at_once` runs can each have what is asked for.
    ///
    /// # Errors
    /// They cannot, whoever holds what.
    pub fn check(&self, offered: &[Installed], at_once: u64) -> Result<(), RequestError> {
        let Choice { count, candidates } = self.choose(offered)?;
        let wanted = (count as u64).saturating_mul(at_once);
        if wanted > candidates.len() as u64 {
            let partitioned = 0;
            return Err(RequestError::TooMany { wanted, offered: candidates.len() as u64, partitioned });
        }
        Ok(())
    }
}

fn named<'a>(ids: &[String], offered: &'a [Installed]) -> Result<Vec<&'a Installed>, RequestError> {
    let mut chosen: Vec<&Installed> = Vec::new();
    for id in ids {
        let fits = |device: &&Installed| device.is_called(id);
        let mut found = offered.iter().filter(fits);
        let device = found.next().ok_or_else(|| RequestError::Unknown {
            id: id.clone(),
            offered: match offered {
                [] => "none".to_owned(),
                _ => offered.iter().map(Installed::title).collect::<Vec<_>>().join(", "),
            },
        })?;
        if found.next().is_some() {
            return Err(RequestError::Ambiguous { id: id.clone() });
        }
        if device.is_partitioned {
            return Err(RequestError::Partitioned { index: device.gpu.index });
        }
        if chosen.contains(&device) {
            return Err(RequestError::Twice { id: id.clone() });
        }
        chosen.push(device);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::installed::tests::installed;
    use super::*;

    fn devices(ids: &[&str]) -> GpuRequest {
        GpuRequest::Devices(ids.iter().map(|&id| id.to_owned()).collect())
    }

    #[test]
    fn a_number_all_or_a_list() {
        let check =
            |text: &str, expected: Option<GpuRequest>| assert_eq!(text.parse().ok(), expected, "{text}");
        check("0", Some(GpuRequest::Count(0)));
        check("2", Some(GpuRequest::Count(2)));
        check("all", Some(GpuRequest::All));
        check("0,1", Some(devices(&["0", "1"])));
        check("1,", Some(devices(&["1"])));
        check("device=1", Some(devices(&["1"])));
        check("GPU-1a2b3c4d, 0", Some(devices(&["GPU-1a2b3c4d", "0"])));
        for wrong in [
            "",
            ",",
            "-1",
            "1.5",
            "none",
            "0,,1",
            "GPU-",
            "GPU-1/../2",
            "MIG-1a2b3c4d",
            "99999999999999999999",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn only_what_is_offered_and_whole_can_be_had() {
        let offered = [installed(0, "GPU-aaaa1111"), installed(3, "GPU-aaaa2222")];
        let check = |text: &str, expected: Result<(usize, &[u32]), &str>| {
            let request: GpuRequest = text.parse().unwrap();
            let chosen = request.choose(&offered).map_err(|error| error.to_string());
            let chosen = chosen.map(|choice| {
                let indices: Vec<u32> = choice.candidates.iter().map(|device| device.gpu.index).collect();
                (choice.count, indices)
            });
            assert_eq!(
                chosen,
                expected.map(|(count, all)| (count, all.to_vec())).map_err(str::to_owned),
                "{text}"
            );
        };
        check("1", Ok((1, &[0, 3])));
        check("all", Ok((2, &[0, 3])));
        check("3,0", Ok((2, &[3, 0])));
        check("GPU-aaaa2", Ok((1, &[3])));
        check("3", Err("3 GPU(s) are asked for at once, and 2 are offered"));
        let there = "GPU 0 (GPU-aaaa1111, A), GPU 3 (GPU-aaaa2222, A)";
        check("1,", Err(&format!("no GPU `1` is offered; there are: {there}")));
        check("GPU-aaaa", Err("`GPU-aaaa` is the beginning of more than one GPU's identity"));
        check("0,GPU-aaaa1111", Err("`GPU-aaaa1111` names a GPU that is named already"));
    }

    #[test]
    fn partitioned_devices_are_not_given_out() {
        let offered = [
            Installed { is_partitioned: true, ..installed(0, "GPU-aaaa1111") },
            installed(1, "GPU-bbbb1111"),
        ];
        let said = |request: GpuRequest| request.choose(&offered).map_err(|error| error.to_string());
        assert_eq!(said(GpuRequest::All).unwrap().candidates, [&offered[1]]);
        let partitioned = "GPU 0 is partitioned (MIG mode is on), and only whole devices are given out";
        assert_eq!(said(devices(&["0"])), Err(partitioned.to_owned()));
        let too_many = "2 GPU(s) are asked for at once, and 1 are offered (1 more are partitioned: MIG mode is on, and only whole devices are given out)";
        assert_eq!(said(GpuRequest::Count(2)), Err(too_many.to_owned()));
    }

    #[test]
    fn runs_at_once_need_as_many_devices() {
        let offered = [installed(0, "GPU-aaaa1111"), installed(1, "GPU-bbbb1111")];
        assert_eq!(GpuRequest::Count(1).check(&offered, 2), Ok(()));
        let too_many = |wanted| Err(RequestError::TooMany { wanted, offered: 2, partitioned: 0 });
        assert_eq!(GpuRequest::Count(1).check(&offered, 3), too_many(3));
        assert_eq!(GpuRequest::All.check(&offered, 2), too_many(4));
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in "\\PC{0,40}") {
            if let Ok(GpuRequest::Devices(ids)) = text.parse::<GpuRequest>() {
                prop_assert!(ids.iter().all(|id| !id.is_empty() && !id.contains(['/', '.', '\0'])));
            }
        }

        #[test]
        fn what_is_chosen_is_enough_and_without_repetition(count in 0_u64..5, all in 0_u32..4) {
            let offered: Vec<Installed> = (0..all).map(|index| installed(index, &format!("GPU-{index}{index}{index}{index}"))).collect();
            match GpuRequest::Count(count).choose(&offered) {
                Ok(choice) => prop_assert!(choice.count as u64 == count && choice.candidates.len() >= choice.count),
                Err(_) => prop_assert!(count == 0 || count > u64::from(all)),
            }
        }
    }
}
