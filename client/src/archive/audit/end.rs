//! Finds the end of a zip, and by it the table of contents (APPNOTE 4.3.14 to 4.3.16).

use std::io::{Read, Seek, SeekFrom};

use super::super::zip::headers::{END, END64, LOCATOR64, Style, end_records};
use super::super::zip::{Fields, read_at};
use super::{AuditError, Policy};

const END_BYTES: usize = 22;
const END64_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;
/// Shortest header of the table of contents.
const CENTRAL_BYTES: u64 = 46;

/// What the end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) count: u64,
    /// Position of the table of contents.
    pub(super) directory: u64,
    pub(super) directory_bytes: u64,
    /// Position of the first of the records that end the zip.
    position: u64,
}

pub(super) fn locate<R: Read + Seek>(reader: &mut R, policy: Policy) -> Result<End, AuditError> {
    let length = reader.seek(SeekFrom::End(0))?;
    let end = match policy {
        Policy::Ours => ours(reader, length)?,
        Policy::Foreign => foreign(reader, length)?,
    };
    let is_before = end.directory.checked_add(end.directory_bytes) == Some(end.position);
    if !is_before || end.count.saturating_mul(CENTRAL_BYTES) > end.directory_bytes {
        return Err(AuditError::Directory);
    }
    Ok(end)
}

/// Ours end in records of fixed length, without a comment.
fn ours<R: Read + Seek>(reader: &mut R, length: u64) -> Result<End, AuditError> {
    let ours_bytes = END64_BYTES + LOCATOR_BYTES + END_BYTES;
    let position = length.checked_sub(ours_bytes as u64).ok_or(AuditError::NoEnd)?;
    let bytes = read_at(reader, position, ours_bytes)?;
    let end = parse64(&bytes[..END64_BYTES], position).ok_or(AuditError::NoEnd)?;
    let End { count, directory, directory_bytes, .. } = end;
    let fits = directory.checked_add(directory_bytes).is_some_and(|sum| sum <= length);
    if !fits || end_records(Style::Sealed, count, directory, directory_bytes) != bytes {
        return Err(AuditError::NoEnd);
    }
    Ok(end)
}

/// Others may end in a comment. Exactly one place may look like an end with a comment that
/// reaches to the last byte: of two, other programs might take the other.
fn foreign<R: Read + Seek>(reader: &mut R, length: u64) -> Result<End, AuditError> {
    let tail_bytes = length.min((END_BYTES + usize::from(u16::MAX)) as u64);
    let tail_start = length - tail_bytes;
    let tail = read_at(reader, tail_start, usize::try_from(tail_bytes).unwrap_or(0))?;
    let mut candidates = (0..tail.len().saturating_sub(END_BYTES - 1)).filter(|&at| {
        let comment_bytes = u16::from_le_bytes([tail[at + 20], tail[at + 21]]);
        tail[at..].starts_with(&END.to_le_bytes())
            && at + END_BYTES + usize::from(comment_bytes) == tail.len()
    });
    let at = candidates.next().ok_or(AuditError::NoEnd)?;
    if candidates.next().is_some() {
        return Err(AuditError::Ambiguous);
    }
    let position = tail_start + at as u64;
    let old = parse(&tail[at..], position).ok_or(AuditError::Parts)?;
    let Some(before) = position.checked_sub(LOCATOR_BYTES as u64) else { return Ok(old) };
    let locator = read_at(reader, before, LOCATOR_BYTES)?;
    if !locator.starts_with(&LOCATOR64.to_le_bytes()) {
        return Ok(old);
    }
    let new = locate64(reader, &locator, before)?;
    let agree = |old: u64, saturated: u64, new| old == saturated || old == new;
    let both = agree(old.count, u16::MAX.into(), new.count)
        && agree(old.directory, u32::MAX.into(), new.directory)
        && agree(old.directory_bytes, u32::MAX.into(), new.directory_bytes);
    if both { Ok(new) } else { Err(AuditError::Ambiguous) }
}

fn locate64<R: Read + Seek>(
    reader: &mut R,
    locator: &[u8],
    before: u64,
) -> Result<End, AuditError> {
    let mut fields = Fields(&locator[4..]);
    let (disk, position, disks) = (fields.u32(), fields.u64(), fields.u32());
    if disk != Some(0) || disks.is_none_or(|disks| disks > 1) {
        return Err(AuditError::Parts);
    }
    let position = position
        .filter(|position| position.checked_add(END64_BYTES as u64) == Some(before))
        .ok_or(AuditError::Directory)?;
    parse64(&read_at(reader, position, END64_BYTES)?, position).ok_or(AuditError::Directory)
}

/// The old record; `None` if there are other disks.
fn parse(bytes: &[u8], position: u64) -> Option<End> {
    let mut fields = Fields(bytes.get(4..)?);
    let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
    let (count_here, count) = (fields.u16()?, fields.u16()?);
    let (directory_bytes, directory) = (fields.u32()?.into(), fields.u32()?.into());
    (disk == 0 && directory_disk == 0 && count_here == count).then_some(End {
        count: count.into(),
        directory,
        directory_bytes,
        position,
    })
}

/// Zip64's record, without extensible data.
fn parse64(bytes: &[u8], position: u64) -> Option<End> {
    let mut fields = Fields(bytes);
    let (signature, bytes_left) = (fields.u32()?, fields.u64()?);
    let _versions = fields.u32()?;
    let disks = fields.u64()?;
    let (count_here, count) = (fields.u64()?, fields.u64()?);
    let (directory_bytes, directory) = (fields.u64()?, fields.u64()?);
    (signature == END64 && bytes_left == 44 && disks == 0 && count_here == count).then_some(End {
        count,
        directory,
        directory_bytes,
        position,
    })
}
