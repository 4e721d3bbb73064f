//! Names of hosts in one spelling.

use std::fmt;

/// The longest name of the domain name system.
const LONGEST_NAME: usize = 253;
/// The longest part of one.
const LONGEST_LABEL: usize = 63;

/// A host's name: ASCII in lower case, without the root's dot, and no IP address in any spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// A text is not the name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// An IP address, in whatever spelling.
    #[error("is an IP address; hosts are reached by name")]
    Address,
    /// Anything else.
    #[error("is not the name of a host")]
    Malformed,
}

impl HostName {
    /// Reads a name.
    ///
    /// # Errors
    /// It is an IP address (what a browser would take for one, such as `0x7f.1`, is one), or no name.
    pub fn parse(text: &str) -> Result<HostName, NotAName> {
        if text.starts_with('[') || text.parse::<std::net::IpAddr>().is_ok() {
            return Err(NotAName::Address);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        let is_label = |label: &str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label.chars().all(is_plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(NotAName::Malformed);
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            return Err(NotAName::Address);
        }
        Ok(HostName(name.to_ascii_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `above` or a name below it.
    pub fn is_within(&self, above: &HostName) -> bool {
        self.0.strip_suffix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A last label that makes the whole an IPv4 address for resolvers of the old kind: digits, or `0x` with hexadecimal ones.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
