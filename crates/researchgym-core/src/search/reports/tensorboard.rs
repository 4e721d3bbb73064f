//! Scalars in TensorBoard's event files, as `SummaryWriter` of PyTorch and `tf.summary` write them.
//!
//! A file is a row of records: length (8 bytes, little-endian), masked CRC-32C of these, the data, masked CRC-32C of it
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>, `tensorflow/core/lib/io/record_writer.h`). The data is an `Event`
//! (`tensorflow/core/util/event.proto`): 1 `wall_time`, 2 `step`, 5 `summary`; a summary has values (1): 1 `tag`, 2 `simple_value`,
//! 8 `tensor` (`tensorflow/core/framework/summary.proto`, `tensor.proto`). Everything else is passed over.

use super::Reading;
use super::protobuf::{Field, Fields};

/// How long a record may be that is read; longer ones, such as graphs and pictures, are passed over.
pub const MOST_RECORD_BYTES: usize = 1 << 20;
/// Length and its checksum.
const HEAD: usize = 12;
/// The checksum behind the data.
const FOOT: usize = 4;

const CASTAGNOLI: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// Reads a file as it grows.
#[derive(Debug, Default)]
pub struct EventFile {
    /// What was not understood yet, from the begin of a record.
    pending: Vec<u8>,
    /// Bytes that are passed over.
    skip: u64,
    /// A length was wrong: nobody knows where the next record begins.
    is_lost: bool,
    /// Records that were too long or damaged.
    pub damaged: u64,
}

impl EventFile {
    /// Takes the next bytes, and tells the values in the records that they end.
    pub fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Reading<'_>)) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        if self.is_lost || skipped == bytes.len() {
            return;
        }
        self.pending.extend_from_slice(&bytes[skipped..]);
        let mut pending = std::mem::take(&mut self.pending);
        let mut begin = 0;
        while let Some(length) = self.record(&pending[begin..], tell) {
            begin += length;
        }
        pending.drain(..begin);
        self.pending = pending;
    }

    /// How many of the next bytes are of no interest: whoever reads a file need not read them. They count as taken.
    pub fn pass_over(&mut self) -> u64 {
        std::mem::take(&mut self.skip)
    }

    /// Whether nothing more can be read from it.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// One record at the head of some bytes: how many it has. Nothing if it is not whole yet.
    fn record(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Reading<'_>)) -> Option<usize> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let (length, checksum) = head.split_at(8);
        if masked(length) != number(checksum) {
            self.damaged += 1;
            self.is_lost = true;
            return None;
        }
        let length = u64::from_le_bytes(*length.first_chunk()?);
        let whole = length.saturating_add((HEAD + FOOT) as u64);
        if length > MOST_RECORD_BYTES as u64 {
            let here = usize::try_from(whole).unwrap_or(usize::MAX).min(bytes.len());
            self.skip = whole - here as u64;
            return Some(here);
        }
        let whole = usize::try_from(whole).ok()?;
        let record = bytes.get(HEAD..whole)?;
        let (data, checksum) = record.split_at(record.len() - FOOT);
        if masked(data) == number(checksum) {
            tell_event(data, tell);
        } else {
            self.damaged += 1;
        }
        Some(whole)
    }
}

/// CRC-32C, turned by 15 bits and moved: `record_writer.h` says why.
pub(super) fn masked(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn tell_event(event: &[u8], tell: &mut dyn FnMut(Reading<'_>)) {
    let (mut wall_time, mut step) = (None, 0);
    for field in Fields(event) {
        match field {
            (1, Field::Fixed64(bytes)) => wall_time = Some(f64::from_le_bytes(bytes)),
            (2, Field::Varint(value)) => step = value.cast_signed(),
            _ => {}
        }
    }
    let summaries = Fields(event).filter_map(|field| match field {
        (5, Field::Bytes(summary)) => Some(summary),
        _ => None,
    });
    for (number, field) in summaries.flat_map(Fields) {
        if let (1, Field::Bytes(value)) = (number, field)
            && let Some((name, value)) = scalar(value)
        {
            tell(Reading { name, step: Some(step), value, wall_time });
        }
    }
}

/// The tag and the number of a summary's value, if it is one number.
fn scalar(value: &[u8]) -> Option<(&str, f64)> {
    let (mut tag, mut number) = ("", None);
    for field in Fields(value) {
        match field {
            (1, Field::Bytes(name)) => tag = std::str::from_utf8(name).ok()?,
            (2, Field::Fixed32(bytes)) => number = Some(f64::from(f32::from_le_bytes(bytes))),
            (8, Field::Bytes(found)) => number = tensor(found),
            _ => {}
        }
    }
    number.map(|number| (tag, number))
}

/// The number in a tensor of one float, double or whole number.
fn tensor(tensor: &[u8]) -> Option<f64> {
    const FLOAT: u64 = 1;
    const DOUBLE: u64 = 2;
    const INT32: u64 = 3;
    const INT64: u64 = 9;
    let (mut kind, mut content, mut listed) = (0, None, None);
    for field in Fields(tensor) {
        match field {
            (1, Field::Varint(number)) => kind = number,
            (2, Field::Bytes(shape)) if !is_one(shape) => return None,
            (4, Field::Bytes(bytes)) if !bytes.is_empty() => content = Some(bytes),
            // Numbers may stand in a list, or each in a field of its own.
            (5 | 6 | 7 | 10, Field::Bytes(bytes)) => listed = Some(bytes),
            (5, Field::Fixed32(bytes)) => return Some(f64::from(f32::from_le_bytes(bytes))),
            (6, Field::Fixed64(bytes)) => return Some(f64::from_le_bytes(bytes)),
            (7 | 10, Field::Varint(number)) => return Some(number.cast_signed() as f64),
            _ => {}
        }
    }
    let bytes = content.or(listed)?;
    match kind {
        FLOAT => bytes.try_into().ok().map(|bytes| f64::from(f32::from_le_bytes(bytes))),
        DOUBLE => bytes.try_into().ok().map(f64::from_le_bytes),
        INT32 if content.is_some() => bytes.try_into().ok().map(|bytes| f64::from(i32::from_le_bytes(bytes))),
        INT64 if content.is_some() => bytes.try_into().ok().map(|bytes| i64::from_le_bytes(bytes) as f64),
        INT32 | INT64 => Fields(bytes).varint().map(|number| number.cast_signed() as f64),
        _ => None,
    }
}

/// Whether a shape has one element: no dimension, or only such of size 1.
fn is_one(shape: &[u8]) -> bool {
    Fields(shape).all(|field| match field {
        (2, Field::Bytes(dimension)) => Fields(dimension).any(|field| matches!(field, (1, Field::Varint(1)))),
        _ => true,
    })
}
