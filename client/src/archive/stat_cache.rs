//! Remembers the hashes of files, so that what has not changed need not be read again.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use keybackup_protocol::{DecodeError, Reader, put_lp};

use super::dir::Stamp;

/// Version byte of the encoding.
const VERSION: u8 = 1;
/// File systems stamp by a clock that may tick this slowly: what was written so shortly before
/// it was read may be written again under the same time.
const DISTRUST: Duration = Duration::from_secs(2);

/// Hashes of file contents by path, each good while size, mtime, ctime and inode stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatCache(BTreeMap<String, Cached>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cached {
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    ino: u64,
    content: [u8; 32],
}

impl StatCache {
    /// The hash of the file's content, if it has not changed since it was remembered.
    pub(super) fn content(
        &self,
        path: &str,
        size: u64,
        stamp: &Stamp,
        started: SystemTime,
    ) -> Option<[u8; 32]> {
        let cached = self.0.get(path)?;
        (*cached == Cached::new(size, stamp, cached.content) && is_settled(stamp, started))
            .then_some(cached.content)
    }

    /// Remembers a hash, unless the file was touched too shortly before `started`, when the walk
    /// began, to tell whether it will change again.
    pub(super) fn remember(
        &mut self,
        path: &str,
        size: u64,
        stamp: &Stamp,
        content: [u8; 32],
        started: SystemTime,
    ) {
        if is_settled(stamp, started) {
            self.0.insert(path.to_owned(), Cached::new(size, stamp, content));
        }
    }

    /// Number of files remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoding: version byte ‖ for each file lp(path) ‖ u64 size ‖ i64 mtime ‖ i64 ctime
    /// (nanoseconds since 1970) ‖ u64 inode ‖ hash, big endian. It tells names: seal it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for (path, cached) in &self.0 {
            put_lp(&mut out, path.as_bytes());
            out.extend_from_slice(&cached.size.to_be_bytes());
            out.extend_from_slice(&cached.mtime_ns.to_be_bytes());
            out.extend_from_slice(&cached.ctime_ns.to_be_bytes());
            out.extend_from_slice(&cached.ino.to_be_bytes());
            out.extend_from_slice(&cached.content);
        }
        out
    }

    /// Reads the encoding. Of another version it is empty: everything is read again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<1>()? != [VERSION] {
            return Ok(Self::default());
        }
        let mut cache = BTreeMap::new();
        while !reader.clone().rest().is_empty() {
            let path = String::from_utf8_lossy(reader.lp()?).into_owned();
            let cached = Cached {
                size: reader.u64()?,
                mtime_ns: reader.u64()?.cast_signed(),
                ctime_ns: reader.u64()?.cast_signed(),
                ino: reader.u64()?,
                content: reader.array()?,
            };
            cache.insert(path, cached);
        }
        Ok(Self(cache))
    }
}

impl Cached {
    const fn new(size: u64, stamp: &Stamp, content: [u8; 32]) -> Self {
        let Stamp { mtime_ns, ctime_ns, ino, .. } = *stamp;
        Self { size, mtime_ns, ctime_ns, ino, content }
    }
}

/// Whether the file was last touched long enough before `started`.
fn is_settled(stamp: &Stamp, started: SystemTime) -> bool {
    let limit = started
        .checked_sub(DISTRUST)
        .and_then(|limit| limit.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
    stamp.mtime_ns < limit && stamp.ctime_ns < limit
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { dev: 1, ino: 2, mtime_ns: 1_000_000_000, ctime_ns: 3_000_000_000 };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn cache() -> StatCache {
        let mut cache = StatCache::default();
        cache.remember("a", 5, &STAMP, [7; 32], at(100));
        cache
    }

    #[test]
    fn any_change_of_the_stamp_is_a_miss() {
        let hit = |size, stamp| cache().content("a", size, &stamp, at(200));
        assert_eq!(hit(5, STAMP), Some([7; 32]));
        assert_eq!(hit(6, STAMP), None);
        assert_eq!(hit(5, Stamp { ino: 3, ..STAMP }), None);
        assert_eq!(hit(5, Stamp { mtime_ns: 4, ..STAMP }), None);
        assert_eq!(hit(5, Stamp { ctime_ns: 4, ..STAMP }), None);
        assert_eq!(cache().content("b", 5, &STAMP, at(200)), None);
    }

    #[test]
    fn the_last_two_seconds_are_distrusted() {
        assert_eq!(cache().content("a", 5, &STAMP, at(5)), None);
        let mut young = StatCache::default();
        young.remember("a", 5, &STAMP, [7; 32], at(5));
        assert!(young.is_empty());
        young.remember("a", 5, &STAMP, [7; 32], at(6));
        assert_eq!(young.len(), 1);
    }

    #[test]
    fn bytes_there_and_back() {
        let mut cache = cache();
        cache.remember("é/x", 0, &Stamp { mtime_ns: -1, ..STAMP }, [9; 32], at(100));
        let bytes = cache.to_bytes();
        assert_eq!(StatCache::from_bytes(&bytes), Ok(cache));
        assert!(StatCache::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(StatCache::from_bytes(&[2, 3]), Ok(StatCache::default()));
    }
}
