//! HTML as readable text: headings, paragraphs, lists, table rows, and where links lead.
//!
//! Built on a tokenizer without a tree: linear in time and memory whatever is nested in what. Style sheets are not read,
//! so hidden text is shown and layout is not.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use researchgym_core::web::Address;

/// Links that are told of one page.
const MOST_LINKS: usize = 200;
/// Longer link addresses are left out.
const LONGEST_LINK: usize = 500;

/// Elements whose content is not for readers.
const SKIPPED: [&str; 6] = ["script", "style", "template", "svg", "iframe", "object"];
/// Elements that stand on lines of their own.
const BLOCKS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
    "caption",
];

/// The text of a document that was read at `base`.
pub(super) fn text(document: &str, base: &Address) -> String {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut writer = Writer::new(base);
    for Ok(token) in Tokenizer::new_with_emitter(document, emitter) {
        match token {
            Token::StartTag(tag) => writer.start(&tag),
            Token::EndTag(tag) => writer.end(&lossy(&tag.name)),
            Token::String(text) => writer.words(&lossy(&text.value)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    writer.finish()
}

struct Writer<'a> {
    base: &'a Address,
    text: String,
    /// Line breaks that come before the next word.
    breaks: usize,
    /// A blank comes before the next word.
    blank: bool,
    /// The element that is skipped, and how many of it are open.
    skipping: Option<(String, usize)>,
    preformatted: usize,
    /// The number of the link that is open.
    link: Option<usize>,
    links: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl<'a> Writer<'a> {
    fn new(base: &'a Address) -> Writer<'a> {
        Writer {
            base,
            text: String::new(),
            breaks: 0,
            blank: false,
            skipping: None,
            preformatted: 0,
            link: None,
            links: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = lossy(&tag.name);
        let name = name.as_str();
        if let Some((skipped, depth)) = &mut self.skipping {
            if skipped == name && !tag.self_closing {
                *depth += 1;
            }
            return;
        }
        if SKIPPED.contains(&name) && !tag.self_closing {
            self.skipping = Some((name.to_owned(), 1));
            return;
        }
        match name {
            "br" => self.breaks = (self.breaks + 1).min(2),
            "p" | "table" | "ul" | "ol" | "dl" | "blockquote" => self.line(2),
            "pre" => {
                self.line(2);
                self.preformatted += 1;
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.line(2);
                let level = name[1..].parse().unwrap_or(1);
                self.put(&format!("{} ", "#".repeat(level)));
            }
            "li" => {
                self.line(1);
                self.put("* ");
            }
            "tr" => self.line(1),
            "td" | "th" if !self.text.ends_with('\n') && self.breaks == 0 && !self.text.is_empty() => {
                self.blank = false;
                self.put(" | ");
            }
            "img" => {
                if let Some(description) = attribute(tag, "alt").filter(|text| !text.trim().is_empty()) {
                    self.words(&format!("[image: {}]", description.trim()));
                }
            }
            "a" => self.link = attribute(tag, "href").and_then(|target| self.number(&target)),
            name if BLOCKS.contains(&name) => self.line(1),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((skipped, depth)) = &mut self.skipping {
            if skipped == name {
                *depth -= 1;
                if *depth == 0 {
                    self.skipping = None;
                }
            }
            return;
        }
        match name {
            "title" | "p" | "table" | "ul" | "ol" | "dl" | "blockquote" | "h1" | "h2" | "h3" | "h4"
            | "h5" | "h6" => self.line(2),
            "pre" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                self.line(2);
            }
            "a" => {
                if let Some(number) = self.link.take() {
                    self.put(&format!("[{number}]"));
                }
            }
            "li" | "tr" => self.line(1),
            name if BLOCKS.contains(&name) => self.line(1),
            _ => {}
        }
    }

    fn words(&mut self, text: &str) {
        if self.skipping.is_some() {
            return;
        }
        if self.preformatted > 0 {
            return self.put(text);
        }
        for (index, word) in text.split(|character: char| character.is_ascii_whitespace()).enumerate() {
            self.blank |= index > 0;
            if !word.is_empty() {
                self.put(word);
            }
        }
    }

    /// Puts text after the breaks or the blank that are due.
    fn put(&mut self, text: &str) {
        if self.breaks > 0 && !self.text.is_empty() {
            self.text.extend(std::iter::repeat_n('\n', self.breaks));
        } else if self.blank && !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
        (self.breaks, self.blank) = (0, false);
        self.text.push_str(text);
    }

    fn line(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
    }

    /// The number of a link's address.
    fn number(&mut self, target: &str) -> Option<usize> {
        if target.trim_start().starts_with('#') || target.len() > LONGEST_LINK {
            return None;
        }
        let url = self.base.join(target).ok()?.to_string();
        if let Some(number) = self.numbers.get(&url) {
            return Some(*number);
        }
        if self.links.len() >= MOST_LINKS {
            return None;
        }
        self.links.push(url.clone());
        self.numbers.insert(url, self.links.len());
        Some(self.links.len())
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        if !self.links.is_empty() {
            self.text.push_str("\n\nLinks:\n");
            for (index, link) in self.links.iter().enumerate() {
                self.text.push_str(&format!("[{}] {link}\n", index + 1));
            }
        }
        self.text
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes
        .iter()
        .find(|(key, _)| key.as_slice() == name.as_bytes())
        .map(|(_, value)| lossy(&value.value))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(document: &str, expected: &str) {
        let base = Address::parse("https://example.org/a/b").unwrap();
        assert_eq!(text(document, &base), expected);
    }

    #[test]
    fn blocks_stand_apart() {
        check(
            "<!doctype html><html><head><meta charset=utf-8><title>A &amp; B</title><style>p { x }</style></head>\
             <body>\n <h2>One\n two</h2>\n<p>Some <b>bold</b>\n words.<p>More<br>lines</body></html>",
            "A & B\n\n## One two\n\nSome bold words.\n\nMore\nlines",
        );
        check("<ul><li>a</li>\n<li>b<ul><li>c</ul></ul>end", "* a\n* b\n\n* c\n\nend");
        check("<table><tr><th>n</th><th>m</th></tr><tr><td>1</td>\n<td>2</td></tr></table>", "n | m\n1 | 2");
        check("x<pre>a\n  b\n</pre>y", "x\n\na\n  b\n\n\ny");
        check("plain words", "plain words");
        check("", "");
    }

    #[test]
    fn what_is_not_for_readers_is_left_out() {
        check(
            "a<script>if (a < b) { '<p>' }</script><svg><svg></svg><title>t</title></svg><template>x</template>\
             <noscript> b</noscript><!-- c --><img src=x alt='a cat'><img src=y>",
            "a b[image: a cat]",
        );
        check("<title>t<body>a", "t<body>a");
    }

    #[test]
    fn links_are_numbered() {
        check(
            "<a href='../c?d'>one</a>, <a href=//other.example/>two</a>, <a href=#top>three</a>, \
             <a href='javascript:x()'>four</a>, <a href='https://example.org/c?d#e'>five</a> <a name=f>six</a> \
             <a href='https://B\u{fc}cher.example/'>seven</a>",
            "one[1], two[2], three, four, five[1] six seven\n\n\
             Links:\n[1] https://example.org/c?d\n[2] https://other.example/\n",
        );
    }

    #[test]
    fn deep_nesting_is_nothing_special() {
        for tag in ["div", "b", "blockquote", "ul><li", "table><tr><td", "a href=x", "svg", "pre"] {
            let document = format!("<{tag}>").repeat(50_000) + "end";
            let base = Address::parse("https://example.org/").unwrap();
            assert!(text(&document, &base).len() < 250_000, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn any_document_has_a_text(document in "(<[a-z]{1,4}( href=.{0,8})?>|</[a-z]{1,4}>|[^<]{0,9}|<){0,20}") {
            let base = Address::parse("https://example.org/").unwrap();
            text(&document, &base);
        }
    }
}
