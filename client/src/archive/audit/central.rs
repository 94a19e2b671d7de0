//! Reads the table of contents, the central directory (APPNOTE 4.3.12), and checks each entry by
//! itself.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::super::entry::{Kind, MODE_MASK};
use super::super::names::validate;
use super::super::time::Ticks;
use super::super::zip::headers::{
    CENTRAL, DOS_DIRECTORY, EXTRA_NTFS, EXTRA_UNIX_TIME, EXTRA_ZIP64, FLAG_DESCRIPTOR, FLAG_UTF8,
    Style, TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK,
};
use super::super::zip::{Fields, Method, Placed};
use super::end::End;
use super::{AuditError, EntryProblem, Policy, Record};

const FIXED_BYTES: usize = 46;
/// Bits 0, 6 and 13 mean encryption (4.4.4).
const FLAGS_ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Bits 1 and 2 tell how hard the compressor tried.
const FLAGS_KNOWN: u16 = 0b110 | FLAG_DESCRIPTOR | FLAG_UTF8;
/// Systems (upper byte of "made by") whose modes are Unix's.
const UNIX_SYSTEMS: [u16; 2] = [3, 19];

pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    end: &End,
    policy: Policy,
) -> Result<Vec<Record>, AuditError> {
    reader.seek(SeekFrom::Start(end.directory))?;
    let mut left = end.directory_bytes;
    let mut reader = BufReader::with_capacity(64 * 1024, reader.take(left));
    let mut records = Vec::new();
    let mut header = Vec::new();
    while left > 0 {
        if records.len() as u64 == end.count {
            // More follows: either a header too many, or garbage.
            let listed = end.count + 1;
            return Err(AuditError::Count { declared: end.count, listed });
        }
        header.resize(FIXED_BYTES, 0);
        take(&mut reader, &mut left, &mut header)?;
        let lengths = [28, 30, 32].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
        if !header.starts_with(&CENTRAL.to_le_bytes()) {
            return Err(AuditError::Directory);
        }
        let [name, extra, comment] = lengths.map(usize::from);
        header.resize(FIXED_BYTES + name + extra + comment, 0);
        take(&mut reader, &mut left, &mut header[FIXED_BYTES..])?;
        let (name, rest) = header[FIXED_BYTES..].split_at(name);
        let raw = Raw::parse(&header, name, &rest[..extra]).ok_or(AuditError::Directory)?;
        records.push(raw.record(policy, &header)?);
    }
    let listed = records.len() as u64;
    if listed != end.count {
        return Err(AuditError::Count { declared: end.count, listed });
    }
    Ok(records)
}

/// Fills `buffer` from what is `left` of the table.
fn take(reader: &mut impl Read, left: &mut u64, buffer: &mut [u8]) -> Result<(), AuditError> {
    *left = left.checked_sub(buffer.len() as u64).ok_or(AuditError::Directory)?;
    Ok(reader.read_exact(buffer)?)
}

/// The fields of one header.
struct Raw<'a> {
    system: u16,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    compressed: u32,
    size: u32,
    disk: u16,
    attributes: u32,
    header: u32,
    name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Raw<'a> {
    fn parse(header: &[u8], name: &'a [u8], extra: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(header.get(4..)?);
        let system = fields.u16()? >> 8;
        let _version_needed = fields.u16()?;
        let (flags, method, time, date) =
            (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
        let (crc, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let _lengths = fields.take(6)?;
        let disk = fields.u16()?;
        let _internal = fields.u16()?;
        let (attributes, header) = (fields.u32()?, fields.u32()?);
        Some(Self {
            system,
            flags,
            method,
            time,
            date,
            crc,
            compressed,
            size,
            disk,
            attributes,
            header,
            name,
            extra,
        })
    }

    /// Checks the entry by itself. Of ours, `bytes`, the whole header, must be what we would
    /// write for such an entry.
    fn record(&self, policy: Policy, bytes: &[u8]) -> Result<Record, AuditError> {
        let (name, kind) = match self.name.strip_suffix(b"/") {
            Some(name) => (name, Kind::Directory),
            None => (self.name, Kind::File),
        };
        let path = validate(name)?;
        let refuse = |problem| AuditError::entry(path, problem);
        if self.flags & FLAGS_ENCRYPTED != 0 {
            return Err(refuse(EntryProblem::Encrypted));
        }
        if self.flags & !FLAGS_KNOWN != 0 {
            return Err(refuse(EntryProblem::Flags(self.flags)));
        }
        if self.disk != 0 {
            return Err(AuditError::Parts);
        }
        let method = Method::from_code(self.method)
            .filter(|method| policy == Policy::Foreign || *method != Method::Deflate)
            .ok_or_else(|| refuse(EntryProblem::Method(self.method)))?;
        let mode = self.mode(policy, kind, path).map_err(refuse)?;
        let extra = Extra::parse(self).ok_or_else(|| refuse(EntryProblem::Extra))?;
        let Extra { size, compressed, header, .. } = extra;
        let placed = Placed { method, crc: self.crc, size, compressed, header };
        if !are_possible(kind, &placed) {
            return Err(refuse(EntryProblem::Sizes));
        }
        let mtime = extra.mtime(self);
        let path = path.to_owned();
        let record = Record { path, kind, mode, mtime, placed, data: 0, flags: self.flags };
        if policy == Policy::Ours && record.meta().central_header(Style::Sealed) != bytes {
            return Err(AuditError::entry(&record.path, EntryProblem::NotOurs));
        }
        Ok(record)
    }

    /// The permission bits, after a look at those that say what the entry is.
    fn mode(&self, policy: Policy, kind: Kind, path: &str) -> Result<u32, EntryProblem> {
        let bits = self.attributes >> 16;
        let (expected, default) = match kind {
            Kind::File => (TYPE_FILE, 0o600),
            Kind::Directory => (TYPE_DIRECTORY, 0o700),
        };
        let is_unix = UNIX_SYSTEMS.contains(&self.system);
        let type_bits = bits & TYPE_MASK;
        let is_odd = type_bits != expected && (policy == Policy::Ours || type_bits != 0);
        // Where systems separate names by backslashes, this may mean a path.
        let is_ambiguous = !is_unix && path.contains('\\');
        let claims_directory = kind == Kind::File && self.attributes & DOS_DIRECTORY != 0;
        if is_odd || is_ambiguous || claims_directory {
            return Err(EntryProblem::Kind(bits));
        }
        if bits & 0o7000 != 0 {
            return Err(EntryProblem::SpecialBits(bits & 0o7777));
        }
        let has_mode = policy == Policy::Ours || (is_unix && bits != 0);
        Ok(if has_mode { bits & MODE_MASK } else { default })
    }
}

/// Directories and stored contents leave no choice of sizes. A directory that was deflated has
/// two bytes.
fn are_possible(kind: Kind, placed: &Placed) -> bool {
    let Placed { method, crc, size, compressed, .. } = *placed;
    match kind {
        Kind::Directory if method == Method::Deflate => (crc, size) == (0, 0) && compressed <= 2,
        Kind::Directory => (crc, size, compressed) == (0, 0, 0),
        Kind::File => method != Method::Stored || size == compressed,
    }
}

/// What the extra fields (4.5) add to a header.
struct Extra {
    size: u64,
    compressed: u64,
    header: u64,
    ntfs: Option<Ticks>,
    unix: Option<Ticks>,
}

impl Extra {
    fn parse(raw: &Raw<'_>) -> Option<Self> {
        let mut this = Self {
            size: raw.size.into(),
            compressed: raw.compressed.into(),
            header: raw.header.into(),
            ntfs: None,
            unix: None,
        };
        let mut fields = Fields(raw.extra);
        let mut has_zip64 = false;
        while !fields.0.is_empty() {
            let (id, length) = (fields.u16()?, fields.u16()?);
            let body = Fields(fields.take(length.into())?);
            match id {
                EXTRA_ZIP64 if has_zip64 => return None,
                EXTRA_ZIP64 => {
                    has_zip64 = true;
                    this.widen(body)?;
                }
                EXTRA_NTFS => this.ntfs = ntfs_mtime(body),
                EXTRA_UNIX_TIME => this.unix = unix_mtime(body),
                _ => {}
            }
        }
        Some(this)
    }

    /// Zip64 (4.5.3) has, in this order, the fields that are saturated in the header.
    fn widen(&mut self, mut body: Fields<'_>) -> Option<()> {
        for field in [&mut self.size, &mut self.compressed, &mut self.header] {
            if *field == u64::from(u32::MAX) {
                *field = body.u64()?;
            }
        }
        Some(())
    }

    /// The best time there is; MS-DOS's is taken for UTC.
    fn mtime(&self, raw: &Raw<'_>) -> Ticks {
        let dos = || Ticks::from_dos(raw.time, raw.date);
        self.ntfs.or(self.unix).or_else(dos).unwrap_or(Ticks::from_unix(0, 0))
    }
}

/// The modification's time of attribute 1 (4.5.5).
fn ntfs_mtime(mut body: Fields<'_>) -> Option<Ticks> {
    body.u32()?;
    let (tag, length) = (body.u16()?, body.u16()?);
    let ticks = body.u64()?;
    (tag == 1 && length == 24 && i64::try_from(ticks).is_ok()).then_some(Ticks(ticks))
}

/// The modification's time of Info-ZIP's universal time.
fn unix_mtime(mut body: Fields<'_>) -> Option<Ticks> {
    let has_mtime = body.take(1)?[0] & 1 != 0;
    let seconds = body.u32()?.cast_signed();
    has_mtime.then(|| Ticks::from_unix(seconds.into(), 0))
}
