//! Run folders: the event log and the blobs are the run; everything else in a folder is derived and may be deleted.
//!
//! All of it is synchronous: asynchronous callers put whatever syncs or reads much on the blocking pool.

mod blobs;
mod derived;
mod error;
mod folder;
mod imported;
mod lock;
mod log;
mod packs;
mod read;
mod unfinished;
mod verify;

pub(crate) use blobs::hash_reader;
pub use blobs::{Blob, BlobWriter, Blobs};
pub use derived::{LogAppender, LogFile, write_json, write_metadata, write_plan, write_status};
pub use error::StoreError;
pub use folder::{RunFolder, event_time, now};
pub(crate) use folder::{is_day, is_id, sync_folder};
pub(crate) use imported::STAGING_PREFIX;
pub use imported::{IMPORTED, Importer, Written, read_record, read_steps};
pub(crate) use lock::LOCK;
pub use lock::RunLock;
pub use log::EventLog;
pub(crate) use packs::{check_pack, is_pack};
pub use read::{LogReader, LogReading, TornTail, read_log};
pub(crate) use unfinished::{is_unfinished, remove_unfinished, unfinished};
pub(crate) use verify::{CUT, told_head};
pub use verify::{Problem, Verification, verify};
