//! Writes the headers of a zip, in the two styles that this program makes.

use super::super::entry::Kind;
use super::Meta;

pub(in super::super) const LOCAL: u32 = 0x0403_4b50;
pub(in super::super) const CENTRAL: u32 = 0x0201_4b50;
pub(in super::super) const DESCRIPTOR: u32 = 0x0807_4b50;
pub(in super::super) const END: u32 = 0x0605_4b50;
pub(in super::super) const END64: u32 = 0x0606_4b50;
pub(in super::super) const LOCATOR64: u32 = 0x0706_4b50;

/// Sizes and CRC follow the content, since they are not known before (4.4.4, bit 3).
pub(in super::super) const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8 (4.4.4, bit 11).
pub(in super::super) const FLAG_UTF8: u16 = 1 << 11;

pub(in super::super) const EXTRA_ZIP64: u16 = 0x0001;
pub(in super::super) const EXTRA_NTFS: u16 = 0x000a;
pub(in super::super) const EXTRA_UNIX_TIME: u16 = 0x5455;

pub(in super::super) const TYPE_MASK: u32 = 0o170_000;
pub(in super::super) const TYPE_FILE: u32 = 0o100_000;
pub(in super::super) const TYPE_DIRECTORY: u32 = 0o040_000;
/// MS-DOS's attribute of a directory, in the low byte of the external attributes.
pub(in super::super) const DOS_DIRECTORY: u32 = 0x10;

/// "Made by" Unix (3), by this version of the specification (6.3).
const MADE_BY: u16 = 3 << 8 | 63;

/// Which of the two zips is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Style {
    /// The zip inside a sealed blob: zip64 everywhere, so that each header has one form, and
    /// NTFS times.
    Sealed,
    /// What any unzip reads: zip64 where it must be, Unix and NTFS times.
    Plain,
}

/// From this size on a plain entry is written for zip64: below it, even content that deflate
/// expands stays under 4 GiB.
const PLAIN_ZIP64_FROM: u64 = 0xf000_0000;

impl Style {
    fn is_wide(self, meta: &Meta<'_>) -> bool {
        self == Self::Sealed || meta.placed.size >= PLAIN_ZIP64_FROM
    }
}

impl Meta<'_> {
    /// Whether a descriptor follows the content. What has none has no need of it.
    pub(in super::super) fn has_descriptor(&self, style: Style) -> bool {
        self.kind == Kind::File && (style == Style::Sealed || self.placed.size > 0)
    }

    /// The local header (4.3.7). Only its fields that are known before the content is
    /// compressed count: method, and for plain ones the size.
    pub(in super::super) fn local_header(&self, style: Style) -> Vec<u8> {
        let wide = style.is_wide(self);
        let mut extra = Vec::new();
        if wide {
            put_extra(&mut extra, EXTRA_ZIP64, &[0; 16]);
        }
        self.put_times(&mut extra, style);
        let size = if wide { u32::MAX } else { 0 };
        let mut out = LOCAL.to_le_bytes().to_vec();
        self.put_common(&mut out, style);
        put_u32s(&mut out, [0, size, size]);
        self.put_name_and_extra_length(&mut out, &extra);
        self.put_name(&mut out);
        out.extend_from_slice(&extra);
        out
    }

    /// The data descriptor (4.3.9).
    pub(in super::super) fn descriptor(&self, style: Style) -> Vec<u8> {
        let mut out = DESCRIPTOR.to_le_bytes().to_vec();
        out.extend_from_slice(&self.placed.crc.to_le_bytes());
        for size in [self.placed.compressed, self.placed.size] {
            match u32::try_from(size) {
                Ok(size) if !style.is_wide(self) => out.extend_from_slice(&size.to_le_bytes()),
                _ => out.extend_from_slice(&size.to_le_bytes()),
            }
        }
        out
    }

    /// The central directory's header (4.3.12).
    pub(in super::super) fn central_header(&self, style: Style) -> Vec<u8> {
        let wide = style.is_wide(self);
        let mut wide_fields = Vec::new();
        let size = narrow(self.placed.size, wide, &mut wide_fields);
        let compressed = narrow(self.placed.compressed, wide, &mut wide_fields);
        let header = narrow(self.placed.header, style == Style::Sealed, &mut wide_fields);
        let mut extra = Vec::new();
        if !wide_fields.is_empty() {
            put_extra(&mut extra, EXTRA_ZIP64, &wide_fields);
        }
        self.put_times(&mut extra, style);

        let mut out = CENTRAL.to_le_bytes().to_vec();
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        self.put_common(&mut out, style);
        put_u32s(&mut out, [self.placed.crc, compressed, size]);
        self.put_name_and_extra_length(&mut out, &extra);
        out.extend_from_slice(&[0; 6]); // no comment, disk 0, internal attributes 0
        let type_bits = match self.kind {
            Kind::File => TYPE_FILE << 16,
            Kind::Directory => TYPE_DIRECTORY << 16 | DOS_DIRECTORY,
        };
        put_u32s(&mut out, [self.mode << 16 | type_bits, header]);
        self.put_name(&mut out);
        out.extend_from_slice(&extra);
        out
    }

    /// Version needed, flags, method, time and date: the same in both headers.
    fn put_common(&self, out: &mut Vec<u8>, style: Style) {
        let version: u16 = match self.placed.method {
            super::Method::Zstd => 63,
            _ if style.is_wide(self) => 45,
            _ => 20,
        };
        let flags = FLAG_UTF8 | if self.has_descriptor(style) { FLAG_DESCRIPTOR } else { 0 };
        let (time, date) = self.mtime.dos();
        for field in [version, flags, self.placed.method.code(), time, date] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }

    fn put_name_and_extra_length(&self, out: &mut Vec<u8>, extra: &[u8]) {
        let name = self.path.len() + usize::from(self.kind == Kind::Directory);
        for length in [name, extra.len()] {
            let length = u16::try_from(length).expect("paths end at 4096 bytes, extras at 100");
            out.extend_from_slice(&length.to_le_bytes());
        }
    }

    fn put_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.path.as_bytes());
        if self.kind == Kind::Directory {
            out.push(b'/');
        }
    }

    /// NTFS times (4.5.5), the last modification's for all three so that equal trees make equal
    /// bytes; before them, in plain zips, Info-ZIP's universal time where its 32 bits hold it.
    fn put_times(&self, out: &mut Vec<u8>, style: Style) {
        if style == Style::Plain
            && let Ok(seconds) = i32::try_from(self.mtime.to_unix().0)
        {
            let mut body = vec![1];
            body.extend_from_slice(&seconds.to_le_bytes());
            put_extra(out, EXTRA_UNIX_TIME, &body);
        }
        let mut body = vec![0; 4];
        body.extend_from_slice(&1_u16.to_le_bytes());
        body.extend_from_slice(&24_u16.to_le_bytes());
        for _ in 0..3 {
            body.extend_from_slice(&self.mtime.0.to_le_bytes());
        }
        put_extra(out, EXTRA_NTFS, &body);
    }
}

/// The records that end a zip (4.3.14 to 4.3.16). Sealed ones always have those of zip64, and
/// the old one then says nothing of its own.
pub(in super::super) fn end_records(
    style: Style,
    count: u64,
    directory: u64,
    directory_bytes: u64,
) -> Vec<u8> {
    let wide = style == Style::Sealed
        || count >= u64::from(u16::MAX)
        || directory.max(directory_bytes) >= u64::from(u32::MAX);
    let mut out = Vec::new();
    if wide {
        out.extend_from_slice(&END64.to_le_bytes());
        out.extend_from_slice(&44_u64.to_le_bytes());
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        out.extend_from_slice(&45_u16.to_le_bytes());
        put_u32s(&mut out, [0, 0]);
        for field in [count, count, directory_bytes, directory] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_u32s(&mut out, [LOCATOR64, 0]);
        out.extend_from_slice(&(directory + directory_bytes).to_le_bytes());
        put_u32s(&mut out, [1]);
    }
    let short = u16::try_from(count).ok().filter(|_| !wide).unwrap_or(u16::MAX);
    let long = |value| u32::try_from(value).ok().filter(|_| !wide).unwrap_or(u32::MAX);
    put_u32s(&mut out, [END, 0]);
    out.extend_from_slice(&short.to_le_bytes());
    out.extend_from_slice(&short.to_le_bytes());
    put_u32s(&mut out, [long(directory_bytes), long(directory)]);
    out.extend_from_slice(&[0; 2]); // no comment
    out
}

/// The 32-bit field for `value`; where it is `wide` or doesn't fit, the value goes to zip64's
/// extra field.
fn narrow(value: u64, wide: bool, extra: &mut Vec<u8>) -> u32 {
    match u32::try_from(value) {
        Ok(short) if !wide && short != u32::MAX => short,
        _ => {
            extra.extend_from_slice(&value.to_le_bytes());
            u32::MAX
        }
    }
}

fn put_extra(out: &mut Vec<u8>, id: u16, body: &[u8]) {
    let length = u16::try_from(body.len()).expect("extra fields written here end at 36 bytes");
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(body);
}

fn put_u32s<const N: usize>(out: &mut Vec<u8>, fields: [u32; N]) {
    for field in fields {
        out.extend_from_slice(&field.to_le_bytes());
    }
}
