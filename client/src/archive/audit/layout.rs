//! Checks that entries lie side by side, from the first byte to the table of contents, and that
//! local headers (APPNOTE 4.3.7) and descriptors (4.3.9) say the same as that table.

use std::io::{Read, Seek};
use std::thread;

use super::super::entry::Kind;
use super::super::zip::headers::{DESCRIPTOR, EXTRA_ZIP64, FLAG_DESCRIPTOR, LOCAL, Style};
use super::super::zip::{Fields, Placed, read_at};
use super::{AuditError, EntryProblem, Record, local_header_bytes};

const LOCAL_BYTES: usize = 30;

/// Of ours: everything's length is known, so that positions can be checked, and set, without
/// reading.
pub(super) fn place(records: &mut [Record], directory: u64) -> Result<(), AuditError> {
    let mut position = 0;
    for record in records {
        check_position(record, position)?;
        record.data = position + local_header_bytes(record);
        let descriptor = descriptor_of(record).len() as u64;
        position = record
            .data
            .checked_add(record.placed.compressed)
            .and_then(|end| end.checked_add(descriptor))
            .filter(|end| *end <= directory)
            .ok_or_else(|| AuditError::entry(&record.path, EntryProblem::Overlap))?;
    }
    if position == directory { Ok(()) } else { Err(AuditError::Gap { before: directory }) }
}

/// Of ours: reads headers and descriptors and compares them with what we would write.
pub(super) fn compare<R: Read + Seek>(
    reader: &mut R,
    records: &[Record],
) -> Result<(), AuditError> {
    for record in records {
        let expected = record.meta().local_header(Style::Sealed);
        let mut same = read_at(reader, record.placed.header, expected.len())? == expected;
        let descriptor = descriptor_of(record);
        if same && !descriptor.is_empty() {
            let position = record.data + record.placed.compressed;
            same = read_at(reader, position, descriptor.len())? == descriptor;
        }
        if !same {
            return Err(AuditError::entry(&record.path, EntryProblem::LocalHeader));
        }
    }
    Ok(())
}

/// The same with several threads. Of several failures the first entry's is told.
pub(super) fn compare_side_by_side<R: Read + Seek + Send>(
    readers: &mut [R],
    records: &[Record],
) -> Result<(), AuditError> {
    let share = records.len().div_ceil(readers.len()).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> = readers
            .iter_mut()
            .zip(records.chunks(share))
            .map(|(reader, records)| scope.spawn(move || compare(reader, records)))
            .collect();
        let results = shares.into_iter().map(|share| match share.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Result<Vec<()>, _>>().map(drop)
    })
}

fn descriptor_of(record: &Record) -> Vec<u8> {
    let meta = record.meta();
    if meta.has_descriptor(Style::Sealed) { meta.descriptor(Style::Sealed) } else { Vec::new() }
}

/// Of others: follows the local headers from the front, whatever the order of the table.
pub(super) fn trace<R: Read + Seek>(
    reader: &mut R,
    mut records: Vec<Record>,
    directory: u64,
) -> Result<Vec<Record>, AuditError> {
    records.sort_by_key(|record| record.placed.header);
    let ends: Vec<u64> =
        records.iter().skip(1).map(|next| next.placed.header).chain([directory]).collect();
    let mut position = 0;
    for (record, end) in records.iter_mut().zip(ends) {
        check_position(record, position)?;
        let local = local(reader, record, end)?;
        record.data = local.data;
        let refuse = |problem| Err(AuditError::entry(&record.path, problem));
        let data_end = local.data.checked_add(record.placed.compressed);
        let Some(after) = data_end.and_then(|data_end| end.checked_sub(data_end)) else {
            return refuse(EntryProblem::Overlap);
        };
        if record.flags & FLAG_DESCRIPTOR == 0 {
            if !local.agrees(&record.placed) {
                return refuse(EntryProblem::LocalHeader);
            }
            if after != 0 {
                return Err(AuditError::Gap { before: end });
            }
        } else {
            let length = usize::try_from(after).ok().filter(|length| *length <= 24);
            let length = length.ok_or(AuditError::Gap { before: end })?;
            let descriptor = read_at(reader, end - after, length)?;
            if !describes(&descriptor, &record.placed) || !local.defers(&record.placed) {
                return refuse(EntryProblem::LocalHeader);
            }
        }
        position = end;
    }
    if position == directory { Ok(records) } else { Err(AuditError::Gap { before: directory }) }
}

fn check_position(record: &Record, position: u64) -> Result<(), AuditError> {
    match record.placed.header.cmp(&position) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(AuditError::entry(&record.path, EntryProblem::Overlap)),
        std::cmp::Ordering::Greater => Err(AuditError::Gap { before: record.placed.header }),
    }
}

/// What a local header says that needs comparing later.
struct Local {
    crc: u32,
    size: u64,
    compressed: u64,
    data: u64,
}

impl Local {
    fn agrees(&self, placed: &Placed) -> bool {
        (self.crc, self.size, self.compressed) == (placed.crc, placed.size, placed.compressed)
    }

    /// Whether it leaves to a descriptor what it doesn't say. Info-ZIP, writing into a pipe,
    /// leaves all but the size.
    fn defers(&self, placed: &Placed) -> bool {
        (self.crc == 0 || self.crc == placed.crc)
            && (self.size == 0 || self.size == placed.size)
            && (self.compressed == 0 || self.compressed == placed.compressed)
    }
}

/// Reads a local header that ends before `end`, and compares name, flags and method.
fn local<R: Read + Seek>(reader: &mut R, record: &Record, end: u64) -> Result<Local, AuditError> {
    let refuse = |problem| AuditError::entry(&record.path, problem);
    let start = record.placed.header;
    if end.saturating_sub(start) < LOCAL_BYTES as u64 {
        return Err(refuse(EntryProblem::Overlap));
    }
    let fixed = read_at(reader, start, LOCAL_BYTES)?;
    let [name_bytes, extra_bytes] =
        [26, 28].map(|at| u16::from_le_bytes([fixed[at], fixed[at + 1]]));
    let variable_bytes = usize::from(name_bytes) + usize::from(extra_bytes);
    let data = start + (LOCAL_BYTES + variable_bytes) as u64;
    if data > end {
        return Err(refuse(EntryProblem::Overlap));
    }
    let variable = read_at(reader, start + LOCAL_BYTES as u64, variable_bytes)?;
    let (name, extra) = variable.split_at(name_bytes.into());
    let slash: &[u8] = if record.kind == Kind::Directory { b"/" } else { b"" };
    let has_name = name.strip_suffix(slash) == Some(record.path.as_bytes());

    let mut fields = Fields(&fixed);
    let parsed = (|| {
        let (signature, _version) = (fields.u32()?, fields.u16()?);
        let (flags, method) = (fields.u16()?, fields.u16()?);
        let _time_and_date = fields.u32()?;
        let (crc, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (size, compressed) = widen(extra, size, compressed)?;
        let same =
            signature == LOCAL && flags == record.flags && method == record.placed.method.code();
        same.then_some(Local { crc, size, compressed, data })
    })();
    parsed.filter(|_| has_name).ok_or_else(|| refuse(EntryProblem::LocalHeader))
}

/// Sizes with zip64's extra field, which in local headers holds both.
fn widen(extra: &[u8], size: u32, compressed: u32) -> Option<(u64, u64)> {
    let (mut wide, mut wide_compressed) = (u64::from(size), u64::from(compressed));
    let mut fields = Fields(extra);
    while !fields.0.is_empty() {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let mut body = Fields(fields.take(length.into())?);
        if id == EXTRA_ZIP64 {
            for field in [&mut wide, &mut wide_compressed] {
                if *field == u64::from(u32::MAX) {
                    *field = body.u64()?;
                }
            }
        }
    }
    Some((wide, wide_compressed))
}

/// Whether `bytes` are a descriptor of `placed`: with or without signature, for zip64 or not.
fn describes(bytes: &[u8], placed: &Placed) -> bool {
    let bytes = match bytes.len() {
        16 | 24 if bytes.starts_with(&DESCRIPTOR.to_le_bytes()) => &bytes[4..],
        12 | 20 => bytes,
        _ => return false,
    };
    let mut fields = Fields(bytes);
    let crc = fields.u32();
    let sizes = if bytes.len() == 12 {
        (fields.u32().map(u64::from), fields.u32().map(u64::from))
    } else {
        (fields.u64(), fields.u64())
    };
    crc == Some(placed.crc) && sizes == (Some(placed.compressed), Some(placed.size))
}
