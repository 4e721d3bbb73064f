//! The page as Markdown (GitHub's): for a pull request, a mail, a terminal.

use std::fmt::Write as _;

use super::model::{Block, Note, Section, Table};
use crate::figure::plain;

/// A text that Markdown leaves as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in plain(text).chars() {
        if matches!(letter, '\\' | '|' | '<' | '>' | '*' | '_' | '[' | ']' | '`' | '#' | '&' | '~' | '!') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The whole page.
pub(super) fn page(
    title: &str,
    lead: &str,
    warnings: &[String],
    sections: &[Section],
    methods: &[Note],
    provenance: &[Note],
) -> String {
    let mut out = format!("# {}\n\n{}\n", escaped(title), escaped(lead));
    if !warnings.is_empty() {
        out.push_str("\n**To be known before reading**\n\n");
        list(&mut out, warnings);
    }
    for section in sections.iter().filter(|section| section.is_told()) {
        let _ = write!(out, "\n## {}\n", escaped(section.title));
        paragraph(&mut out, &section.words);
        for block in &section.blocks {
            write_block(&mut out, block);
        }
    }
    for (title, notes) in [("Methods", methods), ("Provenance", provenance)] {
        let _ = write!(out, "\n## {title}\n\n");
        for note in notes {
            let _ = writeln!(out, "- **{}**: {}", escaped(&note.name), escaped(&note.words));
        }
    }
    out
}

fn paragraph(out: &mut String, words: &str) {
    if !words.is_empty() {
        let _ = write!(out, "\n{}\n", escaped(words));
    }
}

fn list(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "- {}", escaped(line));
    }
}

fn write_block(out: &mut String, block: &Block) {
    if !block.title.is_empty() {
        let _ = write!(out, "\n### {}\n", escaped(&block.title));
    }
    paragraph(out, &block.words);
    if !block.list.is_empty() {
        out.push('\n');
        list(out, &block.list);
    }
    // What a page folds is in the report's JSON.
    if let Some(table) = block.table.as_ref().filter(|table| !table.rows.is_empty() && !block.is_folded) {
        write_table(out, table);
    }
    for figure in &block.figures {
        let _ = write!(
            out,
            "\n![{}](figures/{}.svg)\n\n**{}.** {} ([PDF](figures/{}.pdf), [CSV](figures/{}.csv))\n",
            escaped(&figure.title),
            figure.id,
            escaped(&figure.title),
            escaped(&figure.caption),
            figure.id,
            figure.id
        );
    }
}

fn write_table(out: &mut String, table: &Table) {
    let heads: Vec<String> = table.columns.iter().map(|column| escaped(column.name)).collect();
    let rules: Vec<&str> =
        table.columns.iter().map(|column| if column.is_number { "---:" } else { "---" }).collect();
    let _ = write!(out, "\n| {} |\n| {} |\n", heads.join(" | "), rules.join(" | "));
    for row in &table.rows {
        let entry = |entry: &super::model::Entry| match entry.more.as_str() {
            "" => escaped(&entry.text),
            more if more.starts_with(['[', '(']) => format!("{} {}", escaped(&entry.text), escaped(more)),
            more => format!("{} ({})", escaped(&entry.text), escaped(more)),
        };
        let entries: Vec<String> = row.iter().map(entry).collect();
        let _ = writeln!(out, "| {} |", entries.join(" | "));
    }
    if !table.note.is_empty() {
        let _ = write!(out, "\n{}\n", escaped(&table.note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_cell() {
        assert_eq!(escaped("a|b\n# <b>[x](y)"), "a\\|b \\# \\<b\\>\\[x\\](y)");
    }
}
