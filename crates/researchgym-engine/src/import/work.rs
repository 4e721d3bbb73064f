//! The import: one thread walks and reads archives, as many as there are processors read files, parse and write.
//!
//! A file that is broken is told and does not stop the rest. When it is stopped, runs that were begun are finished or not there.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use researchgym_core::digest::Digest;
use researchgym_core::record::{Foreign, Origin};

use super::budget::{InFlight, Permit};
use super::group::{Unit, group};
use super::parse::{Files, parse, recognise};
use super::place::{Listing, Place, read_bounded, read_file};
use super::waiting::Waiting;
use super::{MAX_BYTES, Program};
use crate::store::{Importer, StoreError, Written};

/// How to import.
#[derive(Debug)]
pub struct Options<'o> {
    /// Whose files they are; by name and content if it is not given.
    pub only: Option<Program>,
    /// Words for each run.
    pub tags: Vec<String>,
    /// Turns true to stop.
    pub stop: &'o AtomicBool,
    /// How many threads parse.
    pub workers: usize,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs that were taken, by source.
    pub imported: Vec<Taken>,
    /// Runs that were there already: source and id.
    pub duplicates: Vec<(String, String)>,
    /// What could not be taken, by source.
    pub broken: Vec<Broken>,
    /// Folders of runs of this program's own, which are no foreign runs.
    pub ours: Vec<String>,
    /// Files of no known form.
    pub left_alone: u64,
    /// Whether it was stopped before its end.
    pub was_stopped: bool,
}

/// A run that was taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// From where.
    pub source: String,
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub program: String,
    /// The model.
    pub model: Option<String>,
    /// The task.
    pub task: String,
    /// What of it could not be taken over.
    pub left_out: Vec<String>,
}

/// Something that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// From where.
    pub source: String,
    /// What is wrong.
    pub why: String,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Told<'t> {
    /// So many more units were found.
    Found(u64),
    /// A unit is done.
    Done,
    /// Something is broken.
    Broken(&'t Broken),
}

/// Somebody who is told.
pub type Observer<'o> = &'o (dyn Fn(Told) + Sync);

/// A unit on its way.
struct Job<'b> {
    program: Option<Program>,
    name: String,
    source: String,
    is_named: bool,
    content: Content<'b>,
}

enum Content<'b> {
    OnDisk(Vec<(String, PathBuf)>, u64),
    Loaded(Files, Permit<'b>),
}

/// Imports runs of others.
///
/// # Errors
/// The store cannot be written. What was written before stays.
pub fn import(
    paths: &[PathBuf],
    options: &Options,
    importer: &Importer,
    observer: Observer,
) -> Result<Summary, StoreError> {
    let budget = InFlight::default();
    let (sender, receiver) = sync_channel(options.workers * 2);
    let shared = Shared {
        options,
        importer,
        observer,
        budget: &budget,
        receiver: Mutex::new(receiver),
        summary: Mutex::default(),
        failure: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..options.workers.max(1) {
            scope.spawn(|| shared.work());
        }
        for path in paths {
            if shared.is_over() {
                break;
            }
            shared.offer(path, &sender);
        }
        drop(sender);
    });
    let failure = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = failure {
        return Err(error);
    }
    let mut summary = shared.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.imported.sort();
    summary.duplicates.sort();
    summary.broken.sort();
    summary.was_stopped = options.stop.load(Ordering::Relaxed);
    Ok(summary)
}

struct Shared<'s> {
    options: &'s Options<'s>,
    importer: &'s Importer,
    observer: Observer<'s>,
    budget: &'s InFlight,
    receiver: Mutex<Receiver<Job<'s>>>,
    summary: Mutex<Summary>,
    failure: Mutex<Option<StoreError>>,
}

impl<'s> Shared<'s> {
    /// Whether there is a reason to begin nothing more.
    fn is_over(&self) -> bool {
        let failed = self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        failed || self.options.stop.load(Ordering::Relaxed)
    }

    fn note(&self, write: impl FnOnce(&mut Summary)) {
        write(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn broken(&self, source: &str, why: impl Into<String>) {
        let broken = Broken { source: source.to_owned(), why: why.into() };
        (self.observer)(Told::Broken(&broken));
        self.note(|summary| summary.broken.push(broken));
    }

    /// Sends the units of a path to the workers.
    fn offer(&self, path: &Path, sender: &SyncSender<Job<'s>>) {
        let shown = path.display().to_string();
        let listed = Place::find(path).and_then(|place| place.list().map(|listing| (place, listing)));
        let (place, listing) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.broken(&shown, format!("it cannot be read: {error}")),
        };
        if let Some(problem) = &listing.problem {
            self.broken(&shown, problem);
        }
        let grouped = group(&listing.files, &place.name(), self.options.only);
        let is_named = matches!(place, Place::File(_));
        if is_named && grouped.units.is_empty() && grouped.ours.is_empty() {
            self.broken(&shown, "its name is none of a known form");
        }
        (self.observer)(Told::Found(grouped.units.len() as u64));
        self.note(|summary| {
            summary.ours.extend(grouped.ours.iter().map(|root| join(&shown, root)));
            summary.left_alone += grouped.left_alone;
        });
        let source = |unit: &Unit| match is_named {
            true => shown.clone(),
            false => join(&shown, &unit.root),
        };
        match &place {
            Place::Folder(_) | Place::File(_) => {
                for unit in grouped.units {
                    let bytes = unit.files.iter().map(|(_, index)| listing.files[*index].bytes).sum();
                    let on_disk = |(name, index): &(String, usize)| {
                        (name.clone(), place.base().join(&listing.files[*index].path))
                    };
                    let content = Content::OnDisk(unit.files.iter().map(on_disk).collect(), bytes);
                    let source = source(&unit);
                    let job = Job { program: unit.program, name: unit.name, source, is_named, content };
                    if self.is_over() || sender.send(job).is_err() {
                        return;
                    }
                }
            }
            Place::Tar(..) | Place::Zip(_) => {
                self.offer_archive(&place, listing, grouped.units, &shown, sender)
            }
        }
    }

    /// The same for an archive: each unit goes when its last file was read.
    fn offer_archive(
        &self,
        place: &Place,
        listing: Listing,
        units: Vec<Unit>,
        shown: &str,
        sender: &SyncSender<Job<'s>>,
    ) {
        let mut waiting = Waiting::new(&units);
        if listing.problem.is_some() {
            // What would have followed it in its folder is behind the cut.
            waiting.distrust(listing.files.len() - 1);
        }
        let source = |unit: &Unit| join(shown, &unit.root);
        let streamed = place.stream(&mut |number, named, reader| {
            let Some((unit, name)) = waiting.place(number) else { return Ok(!self.is_over()) };
            let finished = match read_bounded(reader, named.bytes)? {
                Some(bytes) if bytes.len() as u64 == named.bytes => waiting.add(unit, name, bytes),
                Some(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => waiting.fail(unit, format!("`{}` has more than {} MiB", named.path, MAX_BYTES >> 20)),
            };
            for (unit, files) in finished {
                let unit = &units[unit];
                let files = match files {
                    Ok(files) => files,
                    Err(why) => {
                        self.broken(&source(unit), why);
                        (self.observer)(Told::Done);
                        continue;
                    }
                };
                let bytes = files.values().map(|bytes| bytes.len() as u64).sum();
                let job = Job {
                    program: unit.program,
                    name: unit.name.clone(),
                    source: source(unit),
                    is_named: false,
                    content: Content::Loaded(files, self.budget.take(bytes)),
                };
                if sender.send(job).is_err() {
                    return Ok(false);
                }
            }
            Ok(!self.is_over())
        });
        if self.is_over() {
            return;
        }
        if let (Err(error), None) = (&streamed, &listing.problem) {
            self.broken(shown, format!("the archive cannot be read to its end: {error}"));
        }
        for unit in waiting.unfinished() {
            self.broken(&source(&units[unit]), "its files are not whole in the archive");
            (self.observer)(Told::Done);
        }
    }

    fn work(&self) {
        loop {
            let job = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if !self.is_over() {
                let source = job.source.clone();
                // A parser that breaks is a mistake of ours, and the file is told as broken all the same.
                if catch_unwind(AssertUnwindSafe(|| self.take(job))).is_err() {
                    self.broken(&source, "it breaks the parser");
                }
                (self.observer)(Told::Done);
            }
        }
    }

    fn take(&self, job: Job) {
        let Job { program, name, source, is_named, content } = job;
        let (files, _permit) = match content {
            Content::Loaded(files, permit) => (files, permit),
            Content::OnDisk(paths, bytes) => {
                let permit = self.budget.take(bytes);
                let mut files = Files::new();
                for (name, path) in paths {
                    match read_file(&path) {
                        Ok(bytes) => drop(files.insert(name, bytes)),
                        Err(error) => {
                            return self.broken(&source, format!("`{name}` cannot be read: {error}"));
                        }
                    }
                }
                (files, permit)
            }
        };
        let found = program.or_else(|| files.values().next().and_then(|bytes| recognise(bytes)));
        let program = match found {
            Some(program) if self.options.only.is_none_or(|only| only == program) => program,
            _ if is_named => return self.broken(&source, "its content is of no known form"),
            _ => return self.note(|summary| summary.left_alone += 1),
        };
        let digest = digest(&files);
        let mut each = |read: Result<(Foreign, String), String>| match read {
            Ok((foreign, sample)) if !self.is_over() => {
                // A unit of one run is its own name; of several, each is told by its sample.
                let source = if sample == name { source.clone() } else { format!("{source} ({sample})") };
                self.keep(foreign, &sample, source, digest);
            }
            Ok(_) => {}
            Err(why) => self.broken(&source, why),
        };
        if let Err(why) = parse(program, &name, &files, &mut each) {
            self.broken(&source, why);
        }
    }

    fn keep(&self, mut foreign: Foreign, sample: &str, from: String, content: Digest) {
        if let Origin::Foreign { source, digest, .. } = &mut foreign.record.origin {
            source.clone_from(&from);
            *digest = content;
        }
        foreign.record.tags.clone_from(&self.options.tags);
        match self.importer.write(&mut foreign, sample) {
            Ok(Written::New(_)) => {
                let record = foreign.record;
                let program = match record.origin {
                    Origin::Foreign { program, .. } => program,
                    Origin::Researchgym { .. } => String::new(),
                };
                let taken = Taken {
                    source: from,
                    id: record.run_id,
                    program,
                    model: record.model,
                    task: record.task.id,
                    left_out: record.left_out,
                };
                self.note(|summary| summary.imported.push(taken));
            }
            Ok(Written::Duplicate(id)) => self.note(|summary| summary.duplicates.push((from, id))),
            Err(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
        }
    }
}

/// The hash of a unit: of its file, or of all with their names.
fn digest(files: &Files) -> Digest {
    match files.values().next() {
        Some(bytes) if files.len() == 1 => Digest::of(bytes),
        _ => {
            let parts = files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]);
            Digest::of_parts(&parts.collect::<Vec<_>>())
        }
    }
}

fn join(shown: &str, root: &str) -> String {
    match root {
        "" => shown.to_owned(),
        root => format!("{}/{root}", shown.trim_end_matches('/')),
    }
}
