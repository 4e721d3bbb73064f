//! Making edits: all of them, or none.

use std::collections::BTreeMap;

use super::error::{EditError, Part, shown_path};
use super::indentation;
use super::near::{nearest, shown};
use super::page::{Fit, Lost, Page, Place, Step};
use super::surface::normalised;
use super::{Edit, Hunk, MAX_FILE_BYTES, Surface, Tree, check_count};
use crate::patch::HunkLine;

/// What edits made of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The new tree.
    pub tree: Tree,
    /// Files that are there before and after, and differ.
    pub changed: Vec<String>,
    /// New files.
    pub added: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Where an edit was not made to the letter: moved hunks, forgiven white space.
    pub notes: Vec<String>,
}

/// A tree with edits made, in their order: each sees what the earlier ones did.
///
/// # Errors
/// The first edit that does not fit, or what is wrong with the result. The tree is not changed then.
pub fn apply(tree: &Tree, edits: &[Edit], surface: &Surface) -> Result<Applied, EditError> {
    check_count(edits)?;
    let mut desk = Desk { tree, surface, files: BTreeMap::new(), notes: Vec::new(), compared: 0 };
    for edit in edits {
        desk.make(edit)?;
    }
    desk.finish()
}

/// A file that an edit has touched.
enum File<'a> {
    Absent,
    Bytes(&'a [u8]),
    Page(Box<Page<'a>>),
}

struct Desk<'a> {
    tree: &'a Tree,
    surface: &'a Surface,
    files: BTreeMap<String, File<'a>>,
    notes: Vec<String>,
    compared: usize,
}

const BLOCK_ADVICE: &str =
    "copy the SEARCH lines exactly from the file as it is now, with the earlier blocks made";
const HUNK_ADVICE: &str = "copy the lines that stay (` `) and go (`-`) exactly from the file as it is now";

impl<'a> Desk<'a> {
    fn make(&mut self, edit: &'a Edit) -> Result<(), EditError> {
        match edit {
            Edit::Replace { part, path, search, replace } => {
                self.replace(*part, &self.allowed(path)?, search, replace)
            }
            Edit::Patch { part, path, renamed_to, hunks } => {
                let path = self.allowed(path)?;
                let target = renamed_to.as_deref().map(|target| self.allowed(target)).transpose()?;
                self.patch(*part, path, target, hunks)
            }
            Edit::Create { part, path, content } => {
                let path = self.allowed(path)?;
                if !matches!(self.file(&path), File::Absent) {
                    return Err(EditError::Exists { part: *part, path: shown_path(&path) });
                }
                self.files.insert(path, File::Bytes(content.as_bytes()));
                Ok(())
            }
            Edit::Delete { part, path } => {
                let path = self.allowed(path)?;
                self.check_present(*part, &path)?;
                self.files.insert(path, File::Absent);
                Ok(())
            }
            Edit::Write { path, content, .. } => {
                self.files.insert(self.allowed(path)?, File::Bytes(content.as_bytes()));
                Ok(())
            }
        }
    }

    fn allowed(&self, path: &str) -> Result<String, EditError> {
        let path = normalised(path)?;
        self.surface.check(&path)?;
        Ok(path)
    }

    fn file(&mut self, path: &str) -> &mut File<'a> {
        self.files
            .entry(path.to_owned())
            .or_insert_with(|| self.tree.get(path).map_or(File::Absent, |bytes| File::Bytes(bytes)))
    }

    fn check_present(&mut self, part: Part, path: &str) -> Result<(), EditError> {
        if !matches!(self.file(path), File::Absent) {
            return Ok(());
        }
        let known = self.surface.files(self.tree);
        let name = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let same_name = known.iter().find(|other| name(other) == name(path)).copied();
        let meant = same_name.or_else(|| crate::nearest::nearest(path, known.iter().copied()));
        let hint = meant.map(|meant| format!("; `{}` is there", shown_path(meant))).unwrap_or_default();
        let path = shown_path(path);
        Err(EditError::Missing { part, path, hint, editable: self.surface.listing() })
    }

    /// The lines of a file that is there.
    fn page(&mut self, part: Part, path: &str) -> Result<&mut Page<'a>, EditError> {
        self.check_present(part, path)?;
        let not_text = || EditError::NotText { part, path: shown_path(path) };
        let file = self.file(path);
        if let File::Bytes(bytes) = *file {
            if bytes.len() > MAX_FILE_BYTES {
                return Err(EditError::FileTooLong { path: shown_path(path), bytes: bytes.len() });
            }
            let text = std::str::from_utf8(bytes).map_err(|_| not_text())?;
            *file = File::Page(Box::new(Page::new(text)));
        }
        match file {
            File::Page(page) => Ok(page),
            // It is there, and was made a page.
            File::Absent | File::Bytes(_) => Err(not_text()),
        }
    }

    fn replace(
        &mut self,
        part: Part,
        path: &str,
        search: &'a [String],
        replace: &'a [String],
    ) -> Result<(), EditError> {
        if search == replace {
            return Err(EditError::Unchanged { part, path: shown_path(path) });
        }
        let is_absent = matches!(self.file(path), File::Absent);
        if search.is_empty() {
            if is_absent {
                self.files.insert(path.to_owned(), File::Bytes(b""));
            }
            let page = self.page(part, path)?;
            if !page.is_blank() {
                return Err(EditError::NotFound {
                    part,
                    path: shown_path(path),
                    found: "Its SEARCH side is empty, and the file is not.".into(),
                    advice: "put the lines that are to be replaced into the SEARCH side",
                });
            }
            *page = Page::new("");
            let place = Place { start: 0, fit: Fit::Exact, adds_return: false };
            page.change(&place, replace.iter().map(|line| Step::Insert(line)));
            return Ok(());
        }
        let wanted: Vec<&str> = search.iter().map(String::as_str).collect();
        let place = self.locate(part, path, &wanted, None)?;
        self.note_fit(part, path, &place);
        let steps = search.iter().map(|_| Step::Remove);
        let steps = steps.chain(replace.iter().map(|line| Step::Insert(line)));
        self.page(part, path)?.change(&place, steps);
        Ok(())
    }

    fn patch(
        &mut self,
        part: Part,
        path: String,
        target: Option<String>,
        hunks: &'a [Hunk],
    ) -> Result<(), EditError> {
        let adds_only = || {
            let mut lines = hunks.iter().flat_map(|hunk| &hunk.lines);
            !hunks.is_empty() && lines.all(|line| matches!(line, HunkLine::Added(_)))
        };
        // A diff of a new file whose header does not say so.
        if matches!(self.file(&path), File::Absent) && target.is_none() && adds_only() {
            self.files.insert(path.clone(), File::Bytes(b""));
        }
        self.check_present(part, &path)?;
        for (index, hunk) in hunks.iter().enumerate() {
            self.hunk(Part::Hunk(index + 1), &path, hunk)?;
        }
        if let Some(target) = target.filter(|target| *target != path) {
            if !matches!(self.file(&target), File::Absent) {
                return Err(EditError::Exists { part, path: shown_path(&target) });
            }
            let file = self.files.insert(path, File::Absent).unwrap_or(File::Absent);
            self.files.insert(target, file);
        }
        Ok(())
    }

    fn hunk(&mut self, part: Part, path: &str, hunk: &'a Hunk) -> Result<(), EditError> {
        let changes = hunk.lines.iter().any(|line| !matches!(line, HunkLine::Context(_)));
        if !changes && hunk.old_lacks_newline == hunk.new_lacks_newline {
            self.page(part, path)?;
            self.notes.push(format!(
                "{part} of {} changes nothing: it has no `-` and no `+` line",
                shown_path(path)
            ));
            return Ok(());
        }
        let wanted: Vec<&str> = hunk
            .lines
            .iter()
            .filter_map(|line| match line {
                HunkLine::Context(text) | HunkLine::Removed(text) => Some(text.as_str()),
                HunkLine::Added(_) => None,
            })
            .collect();
        let place = if wanted.is_empty() {
            self.bare_place(part, path, hunk)?
        } else {
            let mut place = self.locate(part, path, &wanted, hunk.line)?;
            self.settle_indentation(part, path, hunk, &mut place)?;
            self.note_fit(part, path, &place);
            self.note_drift(part, path, hunk, &place)?;
            place
        };
        let steps = hunk.lines.iter().map(|line| match line {
            HunkLine::Context(_) => Step::Keep,
            HunkLine::Removed(_) => Step::Remove,
            HunkLine::Added(text) => Step::Insert(text),
        });
        let page = self.page(part, path)?;
        if page.change(&place, steps) {
            if hunk.new_lacks_newline {
                page.ends_with_newline = false;
            } else if hunk.old_lacks_newline {
                page.ends_with_newline = true;
            }
        }
        Ok(())
    }

    /// Says of a place that is indented otherwise whether the lines that come are moved with it.
    fn settle_indentation(
        &mut self,
        part: Part,
        path: &str,
        hunk: &Hunk,
        place: &mut Place,
    ) -> Result<(), EditError> {
        if !matches!(place.fit, Fit::Indented { .. }) {
            return Ok(());
        }
        let page = self.page(part, path)?;
        let count = hunk.lines.iter().filter(|line| !matches!(line, HunkLine::Added(_))).count();
        let beside: Vec<&str> = page.lines_from(place).take(count).collect();
        match indentation::is_shared(&beside, &hunk.lines, &place.fit) {
            Some(true) => {}
            Some(false) => place.fit = Fit::Blanks,
            None => {
                let found = "Its lines that stay are indented otherwise in the file, and nothing tells whether those \
                             that come are to be."
                    .to_owned();
                return Err(EditError::NotFound { part, path: shown_path(path), found, advice: HUNK_ADVICE });
            }
        }
        Ok(())
    }

    /// The place of a hunk that only adds: it has nothing but its line number to say where.
    fn bare_place(&mut self, part: Part, path: &str, hunk: &Hunk) -> Result<Place, EditError> {
        let page = self.page(part, path)?;
        let place = if page.lines().next().is_none() {
            page.below(0)
        } else {
            hunk.line.and_then(|line| page.below(line))
        };
        place.ok_or_else(|| {
            let count = page.lines().count();
            let found = match hunk.line {
                Some(line) => format!("It only adds, below line {line}, and the file has {count} lines."),
                None => "It has only lines that come, and its header does not say below which line.".into(),
            };
            let advice = "add the lines above and below the place as context, each with a leading blank";
            EditError::NotFound { part, path: shown_path(path), found, advice }
        })
    }

    fn locate(
        &mut self,
        part: Part,
        path: &str,
        wanted: &[&str],
        hint: Option<usize>,
    ) -> Result<Place, EditError> {
        let is_hunk = matches!(part, Part::Hunk(_));
        let mut compared = self.compared;
        let page = self.page(part, path)?;
        let found = page.locate(wanted, hint, is_hunk, &mut compared);
        let path = shown_path(path);
        let error = match found {
            Ok(place) => {
                self.compared = compared;
                return Ok(place);
            }
            Err(Lost::TooRepetitive) => EditError::TooRepetitive { part, path },
            Err(Lost::Nowhere) => {
                let lines: Vec<&str> = page.lines().collect();
                let advice = if is_hunk { HUNK_ADVICE } else { BLOCK_ADVICE };
                EditError::NotFound { part, path, found: nearest(&lines, wanted), advice }
            }
            Err(Lost::Several(starts)) => {
                let lines: Vec<&str> = page.lines().collect();
                let numbers = page.numbers(&starts);
                let mut listed: Vec<String> = numbers.iter().take(10).map(usize::to_string).collect();
                if numbers.len() > 10 {
                    listed.push("...".into());
                }
                let places: Vec<String> =
                    numbers.iter().take(2).map(|number| shown(&lines, number.saturating_sub(3), 4)).collect();
                EditError::Ambiguous { part, path, lines: listed.join(", "), shown: places.join("\n  ...\n") }
            }
        };
        Err(error)
    }

    fn note_fit(&mut self, part: Part, path: &str, place: &Place) {
        let difference = match &place.fit {
            Fit::Exact => return,
            // Windows line ends are no news.
            Fit::TrailingBlanks if place.adds_return => return,
            Fit::TrailingBlanks => "white space at the ends of lines",
            Fit::Indented { .. } => "indentation, which was adjusted",
            Fit::Blanks => "white space",
        };
        self.notes.push(format!("{part} of {} fits but for {difference}", shown_path(path)));
    }

    fn note_drift(&mut self, part: Part, path: &str, hunk: &Hunk, place: &Place) -> Result<(), EditError> {
        let found = self.page(part, path)?.original_number(place.start);
        if let (Some(said), Some(found)) = (hunk.line, found)
            && said != found
        {
            let side = if found > said { "below" } else { "above" };
            let count = found.abs_diff(said);
            let lines = if count == 1 { "line" } else { "lines" };
            self.notes
                .push(format!("{part} of {} applied {count} {lines} {side} where it said", shown_path(path)));
        }
        Ok(())
    }

    fn finish(self) -> Result<Applied, EditError> {
        let mut applied = Applied { tree: self.tree.clone(), notes: self.notes, ..Applied::default() };
        for (path, file) in self.files {
            let before = self.tree.get(&path);
            let after = match file {
                File::Absent => None,
                File::Bytes(bytes) => Some(bytes.to_vec()),
                File::Page(page) => Some(page.render().into_bytes()),
            };
            if before == after.as_ref() {
                continue;
            }
            let Some(after) = after else {
                applied.tree.remove(&path);
                applied.removed.push(path);
                continue;
            };
            if after.len() > MAX_FILE_BYTES {
                return Err(EditError::FileTooLong { path: shown_path(&path), bytes: after.len() });
            }
            if before.is_some() && std::str::from_utf8(&after).is_ok_and(|text| text.trim().is_empty()) {
                return Err(EditError::Empty { path: shown_path(&path) });
            }
            let kind = if before.is_some() { &mut applied.changed } else { &mut applied.added };
            kind.push(path.clone());
            applied.tree.insert(path, after);
        }
        for path in &applied.added {
            let above = path.match_indices('/').map(|(end, _)| &path[..end]);
            let mut above = above.filter(|folder| applied.tree.contains_key(*folder));
            let folder = format!("{path}/");
            let below =
                applied.tree.range(folder.clone()..).next().filter(|(other, _)| other.starts_with(&folder));
            if let Some(other) = above.next().or(below.map(|(other, _)| other.as_str())) {
                return Err(EditError::BelowFile { path: shown_path(path), other: shown_path(other) });
            }
        }
        if applied.changed.is_empty() && applied.added.is_empty() && applied.removed.is_empty() {
            return Err(EditError::NothingChanged);
        }
        Ok(applied)
    }
}
