//! The forms in which programs write a secret.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Characters besides letters and digits that are left as they are by RFC 3986 encoders, and by JavaScript's.
const UNRESERVED: [&[u8]; 2] = [b"-_.~", b"-_.~!*'()"];

/// Adds every form of the secret.
pub(super) fn add(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let bytes = secret.as_bytes();
    forms.insert(bytes.to_vec());
    forms.insert(hex::encode(bytes).into_bytes());
    forms.insert(hex::encode_upper(bytes).into_bytes());
    for shift in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.insert(base64_core(bytes, shift, engine));
        }
    }
    for kept in UNRESERVED {
        for space in ["%20", "+"] {
            forms.insert(percent(bytes, kept, space, false));
            forms.insert(percent(bytes, kept, space, true));
        }
    }
    let once = json_escaped(secret);
    let twice = once.iter().flat_map(|text| json_escaped(text));
    forms.extend(twice.map(String::into_bytes));
    forms.extend(once.into_iter().map(String::into_bytes));
}

/// The characters that depend on nothing but the secret where it stands behind `shift` bytes of a group of three.
fn base64_core(bytes: &[u8], shift: usize, engine: &base64::engine::GeneralPurpose) -> Vec<u8> {
    let mut whole = vec![0; shift];
    whole.extend_from_slice(bytes);
    let encoded = engine.encode(&whole).into_bytes();
    let first = (shift * 8).div_ceil(6);
    let end = whole.len() * 8 / 6;
    encoded[first..end].to_vec()
}

fn percent(bytes: &[u8], kept: &[u8], space: &str, upper: bool) -> Vec<u8> {
    let mut encoded = String::new();
    for &byte in bytes {
        // Writing to a string cannot fail.
        let _ = match byte {
            b' ' => encoded.write_str(space),
            _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => encoded.write_char(char::from(byte)),
            _ if upper => write!(encoded, "%{byte:02X}"),
            _ => write!(encoded, "%{byte:02x}"),
        };
    }
    encoded.into_bytes()
}

/// As JSON writers escape it: as little as they must, with `\/`, and with everything beyond ASCII as `\u` in either case.
fn json_escaped(text: &str) -> BTreeSet<String> {
    let quoted = serde_json::Value::from(text).to_string();
    let least = quoted[1..quoted.len() - 1].to_owned();
    let slashed = least.replace('/', "\\/");
    [least, slashed]
        .iter()
        .flat_map(|text| [text.clone(), ascii_only(text, false), ascii_only(text, true)])
        .collect()
}

fn ascii_only(text: &str, upper: bool) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(escaped, "\\u{unit:04X}") } else { write!(escaped, "\\u{unit:04x}") };
        }
    }
    escaped
}
