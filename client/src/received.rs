//! Ciphertext that came: to 8 MiB in memory, beyond that in nameless 0600 files that the kernel
//! drops with the process, however it ends. It is read by several threads at once, and given up
//! piece by piece behind them: a large persona then takes its room in the page cache once, and not
//! twice, while it is unpacked. No plaintext comes here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use keybackup_protocol::limits::MAX_INLINE_BLOB_BYTES;

use crate::spool::{SpoolError, check_space};

/// Room that is left free on the file system.
const HEADROOM_BYTES: u64 = 16 * 1024 * 1024;
/// Least bytes of a piece.
const PIECE_BYTES: u64 = 16 * 1024 * 1024;
/// Most pieces, each of which is an open file.
const MOST_PIECES: u64 = 64;

/// Bytes on their way in.
#[derive(Debug)]
pub struct Receiving {
    directory: PathBuf,
    piece_bytes: u64,
    pieces: Vec<Piece>,
    length: u64,
}

#[derive(Debug)]
enum Piece {
    Memory(Vec<u8>),
    File(File),
}

/// Bytes that have come. Its clones read the same ones, each from where it stands.
#[derive(Debug, Clone)]
pub struct Received {
    shared: Arc<Shared>,
    position: u64,
}

#[derive(Debug)]
struct Shared {
    piece_bytes: u64,
    length: u64,
    /// `None` where they were given up.
    pieces: Vec<RwLock<Option<Piece>>>,
}

impl Receiving {
    /// Room for `bytes` to come, beyond 8 MiB in `directory`: refused at once when there is none.
    pub fn for_bytes(directory: &Path, bytes: u64) -> Result<Self, SpoolError> {
        if bytes > MAX_INLINE_BLOB_BYTES {
            check_space(directory, bytes.saturating_add(HEADROOM_BYTES))?;
        }
        Ok(Self::in_pieces(directory, bytes, bytes.div_ceil(MOST_PIECES).max(PIECE_BYTES)))
    }

    fn in_pieces(directory: &Path, bytes: u64, piece_bytes: u64) -> Self {
        let in_memory = bytes <= MAX_INLINE_BLOB_BYTES.min(piece_bytes);
        let first = in_memory.then(|| Piece::Memory(Vec::new()));
        let pieces = first.into_iter().collect();
        Self { directory: directory.to_owned(), piece_bytes, pieces, length: 0 }
    }

    /// What has come is all.
    pub fn finish(self) -> Received {
        let Self { piece_bytes, pieces, length, .. } = self;
        let pieces = pieces.into_iter().map(|piece| RwLock::new(Some(piece))).collect();
        Received { shared: Arc::new(Shared { piece_bytes, length, pieces }), position: 0 }
    }
}

impl Write for Receiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let begun = self.pieces.len() as u64 * self.piece_bytes;
        if self.length == begun {
            let file = tempfile::tempfile_in(&self.directory).map_err(|source| {
                io::Error::other(SpoolError::Create { directory: self.directory.clone(), source })
            })?;
            self.pieces.push(Piece::File(file));
        }
        let begun = self.pieces.len() as u64 * self.piece_bytes;
        let room = usize::try_from(begun - self.length).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(room)];
        let written = match self.pieces.last_mut() {
            Some(Piece::Memory(memory)) => memory.write(bytes)?,
            Some(Piece::File(file)) => file.write(bytes)?,
            None => 0,
        };
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Received {
    /// Gives up what lies before `position`, as far as that makes whole pieces: no clone reads it
    /// again.
    pub fn give_up_before(&self, position: u64) {
        let whole = usize::try_from(position / self.shared.piece_bytes).unwrap_or(usize::MAX);
        for piece in self.shared.pieces.iter().take(whole) {
            // Mostly the first of them are gone already.
            drop(piece.write().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Shared { piece_bytes, length, pieces } = &*self.shared;
        if self.position >= *length || buffer.is_empty() {
            return Ok(0);
        }
        let (number, offset) = (self.position / piece_bytes, self.position % piece_bytes);
        let left = usize::try_from(piece_bytes - offset).unwrap_or(usize::MAX);
        let end = buffer.len().min(left);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let piece = pieces.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
        let count = match &*piece.read().unwrap_or_else(PoisonError::into_inner) {
            Some(Piece::Memory(memory)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                memory.get(start..).unwrap_or_default().read(&mut buffer[..end])?
            }
            Some(Piece::File(file)) => file.read_at(&mut buffer[..end], offset)?,
            None => return Err(io::Error::other("read again after it was given up")),
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Received {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.shared.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn reads_across_pieces_and_gives_up_behind() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let bytes = noise(9 << 20);
        let mut receiving = Receiving::in_pieces(directory.path(), bytes.len() as u64, 1_000_003);
        for piece in bytes.chunks(70_001) {
            receiving.write_all(piece).expect("room");
        }
        assert_eq!(receiving.pieces.len(), 10);
        assert_eq!(std::fs::read_dir(directory.path()).expect("listable").count(), 0);
        let mut received = receiving.finish();
        let other = received.clone();
        let mut back = Vec::new();
        received.read_to_end(&mut back).expect("readable");
        assert!(back == bytes);

        other.give_up_before(2_000_005);
        received.seek(SeekFrom::Start(2_000_006)).expect("seekable");
        let mut some = vec![0; 1_500_000];
        received.read_exact(&mut some).expect("it is kept");
        assert!(some[..] == bytes[2_000_006..3_500_006]);
        assert!(received.seek(SeekFrom::Start(1)).and_then(|_| received.read(&mut some)).is_err());
    }

    #[test]
    fn what_is_small_stays_in_memory() {
        let nowhere = Path::new("/nonexistent");
        let mut receiving = Receiving::for_bytes(nowhere, 8 << 20).expect("no room is needed");
        let bytes = noise(8 << 20);
        receiving.write_all(&bytes).expect("memory takes it");
        let mut received = receiving.finish();
        let mut back = Vec::new();
        received.read_to_end(&mut back).expect("readable");
        assert!(back == bytes);
        assert_eq!(received.seek(SeekFrom::End(-3)).expect("seekable"), (8 << 20) - 3);
    }

    #[test]
    fn refuses_what_can_not_fit() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let refused = Receiving::for_bytes(directory.path(), u64::MAX / 2);
        assert!(matches!(refused, Err(SpoolError::NoSpace { .. })));
    }
}
