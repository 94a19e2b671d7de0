//! Writing zips once more, from the text of FORMAT.md section 5.1 and with nothing of the program:
//! to check what it reads, and to write what it would not.

/// 2020-02-29 12:34:56.1234567 UTC, in ticks of 100 ns since 1601.
pub(crate) const TICKS: u64 = (1_582_979_696 + 11_644_473_600) * 10_000_000 + 1_234_567;

/// A day as MS-DOS has it.
pub(crate) const fn dos_date(year: u16, month: u16, day: u16) -> u16 {
    (year - 1980) * 512 + month * 32 + day
}

/// A time of day as MS-DOS has it.
pub(crate) const fn dos_time(hour: u16, minute: u16, second: u16) -> u16 {
    hour * 2048 + minute * 32 + second / 2
}

/// One of the two headers of an entry, field by field.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) made_by: u16,
    pub(crate) needed: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u16,
    pub(crate) date: u16,
    pub(crate) crc: u32,
    pub(crate) compressed: u32,
    pub(crate) size: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) zip64: Vec<u8>,
    pub(crate) ntfs: Vec<u8>,
    pub(crate) more_extra: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) disk: u16,
    pub(crate) internal: u16,
    pub(crate) external: u32,
    pub(crate) position: u32,
}

/// One entry: both headers, and what lies between.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) local: Header,
    pub(crate) central: Header,
    /// As it lies in the zip.
    pub(crate) content: Vec<u8>,
    /// What it says of itself behind the content; empty for directories.
    pub(crate) descriptor: Vec<u8>,
    /// Whether it has a local header and content, or only a place in the table of contents.
    pub(crate) is_written: bool,
    /// Where the table of contents says that it lies, if not where it does.
    pub(crate) claimed_position: Option<u64>,
}

impl Entry {
    /// A file whose content lies in the zip as it is.
    pub(crate) fn file(path: &str, mode: u32, content: &[u8]) -> Self {
        Self::new(path, 0o100_000 | mode, 0, content, content)
    }

    /// A file whose content lies in the zip as one frame of Zstandard.
    pub(crate) fn zstd(path: &str, content: &[u8], frame: &[u8]) -> Self {
        Self::new(path, 0o100_600, 93, content, frame)
    }

    /// A directory.
    pub(crate) fn directory(path: &str, mode: u32) -> Self {
        Self::new(&format!("{path}/"), 0o040_000 | mode, 0, b"", b"")
    }

    fn new(name: &str, mode: u32, method: u16, content: &[u8], placed: &[u8]) -> Self {
        let is_file = mode & 0o100_000 != 0;
        let crc = crc32fast::hash(content);
        let lengths = [placed.len() as u64, content.len() as u64];
        let mut ntfs = vec![0; 4];
        ntfs.extend_from_slice(&[1, 0, 24, 0]);
        ntfs.extend_from_slice(&TICKS.to_le_bytes().repeat(3));
        let local = Header {
            made_by: 3 << 8 | 63,
            needed: if method == 93 { 63 } else { 45 },
            flags: 1 << 11 | if is_file { 1 << 3 } else { 0 },
            method,
            time: dos_time(12, 34, 56),
            date: dos_date(2020, 2, 29),
            crc: 0,
            compressed: u32::MAX,
            size: u32::MAX,
            name: name.into(),
            zip64: vec![0; 16],
            ntfs,
            more_extra: Vec::new(),
            comment: Vec::new(),
            disk: 0,
            internal: 0,
            external: mode << 16 | if is_file { 0 } else { 0x10 },
            position: u32::MAX,
        };
        let zip64 = [lengths[1].to_le_bytes(), lengths[0].to_le_bytes()].concat();
        let mut descriptor = Vec::new();
        if is_file {
            descriptor.extend_from_slice(&0x0807_4b50_u32.to_le_bytes());
            descriptor.extend_from_slice(&crc.to_le_bytes());
            descriptor.extend(lengths.map(u64::to_le_bytes).concat());
        }
        Self {
            central: Header { crc, zip64, ..local.clone() },
            local,
            content: placed.into(),
            descriptor,
            is_written: true,
            claimed_position: None,
        }
    }

    /// Another name in both headers.
    pub(crate) fn named(mut self, name: &[u8]) -> Self {
        self.local.name = name.into();
        self.central.name = name.into();
        self
    }

    /// Another time in both headers, as MS-DOS and as NTFS have it.
    pub(crate) fn at(mut self, ticks: u64, date: u16, time: u16) -> Self {
        for header in [&mut self.local, &mut self.central] {
            header.ntfs.truncate(8);
            header.ntfs.extend_from_slice(&ticks.to_le_bytes().repeat(3));
            (header.date, header.time) = (date, time);
        }
        self
    }

    fn put_local(&self, out: &mut Vec<u8>) {
        let header = &self.local;
        put32(out, 0x0403_4b50);
        header.put_common(out);
        header.put_lengths(out);
        out.extend_from_slice(&header.name);
        header.put_extra(out, &header.zip64);
        out.extend_from_slice(&self.content);
        out.extend_from_slice(&self.descriptor);
    }

    fn put_central(&self, out: &mut Vec<u8>, position: u64) {
        let header = &self.central;
        let position = self.claimed_position.unwrap_or(position);
        let zip64 = [&header.zip64[..], &position.to_le_bytes()].concat();
        let header = Header { zip64, ..header.clone() };
        put32(out, 0x0201_4b50);
        put16(out, header.made_by);
        header.put_common(out);
        header.put_lengths(out);
        put16(out, u16::try_from(header.comment.len()).expect("short"));
        put16(out, header.disk);
        put16(out, header.internal);
        put32(out, header.external);
        put32(out, header.position);
        out.extend_from_slice(&header.name);
        header.put_extra(out, &header.zip64);
        out.extend_from_slice(&header.comment);
    }
}

impl Header {
    fn put_common(&self, out: &mut Vec<u8>) {
        for field in [self.needed, self.flags, self.method, self.time, self.date] {
            put16(out, field);
        }
        for field in [self.crc, self.compressed, self.size] {
            put32(out, field);
        }
    }

    fn put_lengths(&self, out: &mut Vec<u8>) {
        let extra = 8 + self.zip64.len() + self.ntfs.len() + self.more_extra.len();
        for length in [self.name.len(), extra] {
            put16(out, u16::try_from(length).expect("short"));
        }
    }

    fn put_extra(&self, out: &mut Vec<u8>, zip64: &[u8]) {
        for (id, body) in [(0x0001, zip64), (0x000a, &self.ntfs[..])] {
            put16(out, id);
            put16(out, u16::try_from(body.len()).expect("short"));
            out.extend_from_slice(body);
        }
        out.extend_from_slice(&self.more_extra);
    }
}

/// How a zip ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct End {
    /// The number of entries that it tells, if not the true one.
    pub(crate) entries: Option<u64>,
    /// Only the old record, with the numbers in it.
    pub(crate) is_old: bool,
    /// Bytes of comment.
    pub(crate) comment: u16,
}

/// Entries, the table of contents, and the end.
pub(crate) fn zip(entries: &[Entry], end: End) -> Vec<u8> {
    let mut out = Vec::new();
    let mut positions = Vec::new();
    for entry in entries {
        positions.push(out.len() as u64);
        if entry.is_written {
            entry.put_local(&mut out);
        }
    }
    let directory = out.len() as u64;
    for (entry, position) in entries.iter().zip(positions) {
        entry.put_central(&mut out, position);
    }
    let directory_bytes = out.len() as u64 - directory;
    let count = end.entries.unwrap_or(entries.len() as u64);
    if !end.is_old {
        let end64 = out.len() as u64;
        put32(&mut out, 0x0606_4b50);
        out.extend_from_slice(&44_u64.to_le_bytes());
        put16(&mut out, 3 << 8 | 63);
        put16(&mut out, 45);
        out.extend_from_slice(&[0; 8]);
        for field in [count, count, directory_bytes, directory] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put32(&mut out, 0x0706_4b50);
        put32(&mut out, 0);
        out.extend_from_slice(&end64.to_le_bytes());
        put32(&mut out, 1);
    }
    let short = |value: u64| u16::try_from(value).ok().filter(|_| end.is_old).unwrap_or(u16::MAX);
    let long = |value: u64| u32::try_from(value).ok().filter(|_| end.is_old).unwrap_or(u32::MAX);
    put32(&mut out, 0x0605_4b50);
    put32(&mut out, 0);
    put16(&mut out, short(count));
    put16(&mut out, short(count));
    put32(&mut out, long(directory_bytes));
    put32(&mut out, long(directory));
    put16(&mut out, end.comment);
    out.resize(out.len() + usize::from(end.comment), b'c');
    out
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}
