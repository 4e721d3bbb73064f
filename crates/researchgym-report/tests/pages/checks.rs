//! What must hold for every report.

use researchgym_report::Report;

/// Checks the page, every figure and every file of a figure.
pub(crate) fn page(report: &Report) {
    let html = &report.html;
    for tag in tags(html) {
        for address in tag.split(" href=\"").skip(1) {
            assert!(address.starts_with('#') || address.starts_with("figures/"), "{tag}");
        }
        // What stands between quotes is words.
        let names: String = tag.split('"').step_by(2).collect();
        for bad in ["src=", "srcset=", "style=", "onload", "onerror", "onclick"] {
            assert!(!names.contains(bad), "{tag}");
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        for bad in
            ["link", "iframe", "object", "img", "image", "embed", "base", "form", "use", "foreignObject"]
        {
            assert_ne!(name, bad, "{tag}");
        }
    }
    for block in ["style", "script"] {
        let text = html
            .split(&format!("<{block}>"))
            .nth(1)
            .and_then(|rest| rest.split(&format!("</{block}>")).next())
            .unwrap();
        for bad in ["url(", "@import", "http", "fetch(", "import("] {
            assert!(!text.contains(bad), "{block}: {bad}");
        }
    }
    assert_eq!(html.matches("<script").count(), 1, "only the page's own script");
    assert!(html.contains("default-src 'none'"));
    let mut ids = std::collections::BTreeSet::new();
    for figure in &report.figures {
        assert!(ids.insert(&figure.id), "{} occurs twice", figure.id);
        assert!(
            figure.id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'),
            "{}",
            figure.id
        );
        svg(&figure.id, &figure.svg);
        csv(&figure.id, &figure.csv);
        pdf(&figure.id, &figure.pdf().unwrap());
        assert!(
            html.contains(&format!("href=\"figures/{}.pdf\"", figure.id)),
            "the page shows {}",
            figure.id
        );
    }
    let json: serde_json::Value = serde_json::from_str(&report.json).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["figures"].as_array().unwrap().len(), report.figures.len());
    assert!(report.markdown.starts_with("# "));
}

/// What stands between `<` and `>`, outside of styles and scripts.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag))
}

/// Well-formed, no numbers that are none, no reference to elsewhere.
fn svg(id: &str, text: &str) {
    for tag in tags(text) {
        let names: String = tag.split('"').step_by(2).collect();
        let values: String = tag.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
        assert!(!names.contains("href") && !names.contains("src"), "{id}: {tag}");
        let is_words = tag.contains("aria-label");
        assert!(
            is_words || !["NaN", "inf", "url(", "http"].iter().any(|bad| values.contains(bad)),
            "{id}: {tag}"
        );
    }
    well_formed(id, text);
}

/// Every element is closed in order and every attribute quoted: what XML asks of the little that figures use.
fn well_formed(id: &str, text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "{id}: a bare > in {:?}", &rest[..at]);
        let end = at + rest[at..].find('>').unwrap_or_else(|| panic!("{id}: a tag is not closed"));
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        assert!(!tag.contains('<'), "{id}: {tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{id}: {tag}");
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{id}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{id}: {open:?} stay open");
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{id}: &{name};");
    }
}

/// Every line has as many fields as the first.
fn csv(id: &str, text: &str) {
    let lines = fields(text);
    assert!(lines.len() > 1, "{id}: no data");
    for line in &lines {
        assert_eq!(line.len(), lines[0].len(), "{id}: {line:?}");
    }
}

/// The fields of a table in CSV (RFC 4180).
pub(crate) fn fields(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                line.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut line));
            }
            letter => field.push(letter),
        }
    }
    assert!(!quoted && field.is_empty() && line.is_empty(), "the table ends in the middle of a line");
    lines
}

/// One page, its fonts embedded as TrueType programs and no others.
fn pdf(id: &str, bytes: &[u8]) {
    assert!(bytes.starts_with(b"%PDF-1."), "{id}");
    assert!(bytes.ends_with(b"%%EOF") || bytes.ends_with(b"%%EOF\n"), "{id}");
    let count = |word: &str| bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count();
    assert_eq!(count("/Type /Page\n") + count("/Type/Page/"), 1, "{id}: one page");
    let (fonts, files) = (count("/FontDescriptor "), count("/FontFile2") + count("/FontFile3"));
    assert!(files >= 1 && fonts >= files, "{id}: {files} font files for {fonts} fonts");
}
