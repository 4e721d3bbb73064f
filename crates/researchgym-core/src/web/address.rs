//! A web address, as it is fetched and in the one spelling in which it is compared.
//!
//! The parser is the one of browsers: it takes back `\`, tabs, upper case, odd numbers of IPv4 addresses, percent-encoded
//! hosts and dot segments. On top of that a comparison passes over scheme, port, fragment, `www.`, the root's dot, upper
//! and lower case of the path, percent-encoding of any depth, and repeated slashes. Host names are ASCII (`xn--`).

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Longer addresses are refused.
pub const MAX_ADDRESS_BYTES: usize = 2000;

/// An address that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    url: Url,
    host: String,
    /// Path and query as they are compared: with and without their decoded dot segments.
    rests: Vec<String>,
}

/// A text is not an address that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No address at all.
    #[error("this is not a web address; write the whole of it, with https://")]
    NotAnAddress,
    /// Another scheme.
    #[error("only http and https addresses can be read")]
    Scheme,
    /// `user:password@`.
    #[error("an address with a user name or a password is not read")]
    Credentials,
    /// More than [`MAX_ADDRESS_BYTES`].
    #[error("the address is longer than {MAX_ADDRESS_BYTES} bytes")]
    Long,
}

impl Address {
    /// Reads a whole address.
    ///
    /// # Errors
    /// It is none, is too long, has another scheme than http and https, or holds credentials.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        check_length(text)?;
        Address::of(parse_url(text).ok_or(AddressError::NotAnAddress)?)
    }

    /// The address that a redirect from this one names.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn join(&self, location: &str) -> Result<Address, AddressError> {
        check_length(location)?;
        if !has_plain_host(location) {
            return Err(AddressError::NotAnAddress);
        }
        Address::of(self.url.join(location.trim()).map_err(|_| AddressError::NotAnAddress)?)
    }

    fn of(mut url: Url) -> Result<Address, AddressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        check_length(url.as_str())?;
        url.set_fragment(None);
        let host = compared_host(&url).ok_or(AddressError::NotAnAddress)?;
        let mut rest = url.path().to_owned();
        if let Some(query) = url.query() {
            rest = format!("{rest}?{query}");
        }
        let folded = folded(&rest);
        let resolved = without_dot_segments(&folded);
        let rests = if resolved == folded { vec![folded] } else { vec![folded, resolved] };
        Ok(Address { url, host, rests })
    }

    /// The address as it is fetched, without a fragment.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The IP address, if the host is one in any spelling.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        let default = if self.url.scheme() == "http" { 80 } else { 443 };
        self.url.port().unwrap_or(default)
    }

    /// The host as it is compared.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Path and query as they are compared.
    pub(super) fn rests(&self) -> &[String] {
        &self.rests
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.url.as_str())
    }
}

/// What the parser makes of a text whose host is ASCII.
pub(super) fn parse_url(text: &str) -> Option<Url> {
    if has_plain_host(text) { Url::parse(text.trim()).ok() } else { None }
}

/// Whether the host, if the text has one, is ASCII after decoding. The parser is built without the tables of Unicode
/// (see `docs/decisions/0008-dependencies.md`) and must not be asked about other hosts.
pub fn has_plain_host(text: &str) -> bool {
    let text: String = text
        .trim_matches(|character: char| character <= ' ' || character.is_whitespace())
        .chars()
        .filter(|character| !matches!(character, '\t' | '\n' | '\r'))
        .collect();
    let is_slash = |character: char| matches!(character, '/' | '\\');
    let scheme =
        text.find(|character: char| !(character.is_ascii_alphanumeric() || "+-.".contains(character)));
    let after = match scheme {
        Some(end) if text[end..].starts_with(':') => &text[end + 1..],
        _ if text.chars().take(2).filter(|character| is_slash(*character)).count() == 2 => &text,
        _ => return true,
    };
    let authority =
        after.trim_start_matches(is_slash).split(['/', '\\', '?', '#']).next().unwrap_or_default();
    folded(authority).is_ascii()
}

fn check_length(text: &str) -> Result<(), AddressError> {
    if text.len() > MAX_ADDRESS_BYTES { Err(AddressError::Long) } else { Ok(()) }
}

/// The host in one spelling; `None` if there is none.
pub(super) fn compared_host(url: &Url) -> Option<String> {
    let host = match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            without_www(&name).to_owned()
        }
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("[{address}]"),
        },
    };
    Some(host).filter(|host| !host.is_empty())
}

fn without_www(name: &str) -> &str {
    match name.strip_prefix("www.") {
        Some(rest) if rest.contains('.') => without_www(rest),
        _ => name,
    }
}

/// A text as it is compared: decoded until nothing is left to decode, in lower case, with single slashes and blanks.
pub(super) fn folded(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        bytes.push(byte);
        // What was decoded may be the end of another code.
        while let [.., b'%', high, low] = bytes.as_slice()
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            let length = bytes.len();
            bytes.truncate(length - 3);
            bytes.push(high * 16 + low);
        }
    }
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(&bytes).chars().flat_map(char::to_lowercase) {
        let character = match character {
            '\\' => '/',
            '+' => ' ',
            other if other.is_whitespace() || other.is_control() => ' ',
            other => other,
        };
        if !(matches!(character, '/' | ' ') && text.ends_with(character)) {
            text.push(character);
        }
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                // The first is what stands before the first slash.
                if kept.len() > 1 {
                    kept.pop();
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}
