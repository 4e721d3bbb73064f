//! What a page is, and its text. Only text is shown.

use researchgym_core::web::Address;

use super::{html, shortened};

/// What is to be made of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    is_html: bool,
    /// Else UTF-8, whatever it says: most pages are.
    is_latin: bool,
    /// Nothing is known of it but its bytes.
    is_unnamed: bool,
}

impl Kind {
    /// Reads a `Content-Type`. Fails with what the agent is told if it is no text.
    pub(super) fn of(content_type: Option<&str>) -> Result<Kind, String> {
        let Some(content_type) = content_type.filter(|text| !text.trim().is_empty()) else {
            return Ok(Kind { is_html: false, is_latin: false, is_unnamed: true });
        };
        let lower = content_type.to_ascii_lowercase();
        let (name, parameters) = lower.split_once(';').unwrap_or((&lower, ""));
        let name = name.trim();
        let is_html = matches!(name, "text/html" | "application/xhtml+xml");
        let is_text = name.starts_with("text/")
            || name.ends_with("+json")
            || name.ends_with("+xml")
            || TEXTS.iter().any(|text| name.strip_prefix("application/") == Some(*text));
        if name == "application/pdf" || name == "application/x-pdf" {
            return Err("it is a PDF, which cannot be shown; look for a page in HTML".to_owned());
        }
        if !(is_text || is_html) {
            return Err(format!("it is not text but {}", shortened(name, 80)));
        }
        let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
        let charset = charset.map(|charset| charset.trim_matches(['"', '\'']));
        let is_latin = matches!(charset, Some("iso-8859-1" | "latin1" | "windows-1252" | "us-ascii"));
        Ok(Kind { is_html, is_latin, is_unnamed: false })
    }

    /// The text. Fails with what the agent is told if it is none.
    pub(super) fn text(self, bytes: &[u8], base: &Address) -> Result<String, String> {
        if bytes.starts_with(b"%PDF-") {
            return Err("it is a PDF, which cannot be shown; look for a page in HTML".to_owned());
        }
        if self.is_unnamed && (bytes.contains(&0) || std::str::from_utf8(bytes).is_err()) {
            return Err("it is not text".to_owned());
        }
        let text: String = match self.is_latin {
            true => bytes.iter().map(|byte| char::from(*byte)).collect(),
            false => String::from_utf8_lossy(bytes).into_owned(),
        };
        Ok(if self.is_html { html::text(&text, base) } else { text })
    }
}

/// Subtypes of `application/` that are text.
const TEXTS: [&str; 11] = [
    "json",
    "xml",
    "javascript",
    "x-javascript",
    "x-tex",
    "x-latex",
    "yaml",
    "x-yaml",
    "toml",
    "x-sh",
    "x-ndjson",
];
