//! The form of an image's name: `[REGISTRY/]NAME[:TAG][@DIGEST]`, as engines take it.
//!
//! Says nothing about whether there is such an image. An image's own identifier (`sha256:..`) has this form too.

/// What a name looks like, for whoever wrote another one.
pub const IMAGE_FORM: &str =
    "write [REGISTRY/]NAME[:TAG][@DIGEST] with NAME in small letters, such as python:3.12-slim-bookworm";

/// No image can have this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// Nothing is written.
    #[error("the name of the image is empty")]
    Empty,
    /// It has another form.
    #[error("`{name}` cannot be the name of an image")]
    Form {
        /// What is written.
        name: String,
    },
}

/// Checks a name's form.
///
/// # Errors
/// It is empty or has another form.
pub fn check_image_name(name: &str) -> Result<(), ImageNameError> {
    if name.is_empty() {
        return Err(ImageNameError::Empty);
    }
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    let (registry, rest) = match rest.split_once('/') {
        Some((first, rest)) if is_registry(first) => (Some(first), rest),
        _ => (None, rest),
    };
    // A registry's port is gone by now.
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    let is_right = name.len() <= 512
        && registry.is_none_or(has_port_of_digits)
        && path.split('/').all(is_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if is_right { Ok(()) } else { Err(ImageNameError::Form { name: name.to_owned() }) }
}

/// Whether what stands before the first slash is a host, not a part of the name.
fn is_registry(text: &str) -> bool {
    let is_host = text == "localhost"
        || text.contains(['.', ':'])
        || text.contains(|character: char| character.is_ascii_uppercase());
    is_host
        && text.chars().all(|character| character.is_ascii_alphanumeric() || ".-:[]".contains(character))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
}

fn has_port_of_digits(registry: &str) -> bool {
    let after_address = registry.rsplit_once(']').map_or(registry, |(_, after)| after);
    match after_address.split_once(':') {
        Some((_, port)) => !port.is_empty() && port.chars().all(|character| character.is_ascii_digit()),
        None => true,
    }
}

/// Words of small letters and digits with `.`, `_`, `__` or hyphens between them.
fn is_part(part: &str) -> bool {
    let is_word = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && part.split(is_word).all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.chars().all(|character| character == '-')
        })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    tag.len() <= 128
        && tag.starts_with(is_word)
        && tag.chars().all(|character| is_word(character) || ".-".contains(character))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hash)| {
        algorithm.starts_with(|first: char| first.is_ascii_alphabetic())
            && algorithm
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "+._-".contains(character))
            && hash.len() >= 32
            && hash.chars().all(|character| character.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_engines_take_are_taken() {
        let hash = "0123456789abcdef".repeat(4);
        for name in [
            "x",
            "mine:1",
            "python:3.12-slim-bookworm",
            "library/a__b/c-d--e.f:Tag_1",
            "localhost:5000/mine",
            "Registry.example/mine:1",
            "[::1]:5000/mine",
            "quay.io/a/b",
            "0123456789ab",
            &format!("sha256:{hash}"),
            &format!("mine:1@sha256:{hash}"),
        ] {
            assert_eq!(check_image_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        assert_eq!(check_image_name(""), Err(ImageNameError::Empty));
        for name in [
            " ",
            "Bad Name!!",
            "Mine",
            "mine:",
            "mine:a:b",
            "/mine",
            "mine/",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "mine:-a",
            "mine@sha256:12",
            "mine@",
            "host.example:port/mine",
            "https://a.example/mine",
            "mine\n",
        ] {
            assert_eq!(check_image_name(name), Err(ImageNameError::Form { name: name.to_owned() }), "{name}");
        }
    }
}
