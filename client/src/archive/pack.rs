//! Packs a fingerprinted tree into the zip that is sealed, in one pass and bounded memory, and
//! notices what changed since.

use std::io::{self, Write};

use super::compress::{Compressor, SAMPLE_BYTES};
use super::dir::{Cursor, Dir};
use super::entry::{Item, Kind, Summary};
use super::fingerprint::Fingerprinted;
use super::paths::Paths;
use super::source::{PIECE_BYTES, Source};
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Meta, Method, Placed};

/// Files to this size are read whole before they are compressed.
const WHOLE_BYTES: usize = 1024 * 1024;

/// What to do with a file that is not what the fingerprint saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Stop: the caller starts over, once.
    Refuse,
    /// Pack what is there and report it.
    Accept,
}

/// What was packed.
#[derive(Debug)]
pub struct Packed {
    /// Length of the zip.
    pub zip_bytes: u64,
    /// Of what the zip holds; the fingerprint's unless something changed.
    pub summary: Summary,
    /// Files that changed, or are left out because they went, since the fingerprint.
    pub changed: Vec<String>,
}

/// Why a tree couldn't be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Files are not what the fingerprint saw ([`Changes::Refuse`]). Packing stops at the first.
    #[error("{0} changed while being read")]
    Changed(Paths),
    /// A file couldn't be read.
    #[error("can't read {path:?}")]
    Read {
        /// Its path below the root.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The zip couldn't be written, or what it is written into failed.
    #[error("can't write the archive")]
    Write(#[source] io::Error),
}

/// Packs `tree`, which was fingerprinted below `root`, into `out`, and calls `progress` with the
/// number of bytes read each time some were.
pub fn pack<W: Write>(
    root: &Dir,
    tree: Fingerprinted,
    on_change: Changes,
    out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed, PackError> {
    let Fingerprinted { mut items, summary, .. } = tree;
    let mut packer = Packer {
        cursor: Cursor::new(root),
        zip: Writer::new(out, Style::Sealed),
        compressor: Compressor::new().map_err(PackError::Write)?,
        buffer: Vec::new(),
        progress,
    };
    let mut all_placed = Vec::with_capacity(items.len());
    let mut changed = Vec::new();
    let mut failure = Ok(());
    items.retain_mut(|item| {
        if failure.is_err() {
            return true;
        }
        match packer.item(item) {
            Ok(Outcome { placed, is_same }) => {
                if !is_same {
                    changed.push(item.path.clone());
                    if on_change == Changes::Refuse {
                        failure = Err(PackError::Changed(Paths(std::mem::take(&mut changed))));
                    }
                }
                all_placed.extend(placed);
                placed.is_some()
            }
            Err(error) => {
                failure = Err(error);
                true
            }
        }
    });
    failure?;
    let mut zip = packer.zip;
    for (item, placed) in items.iter().zip(all_placed) {
        zip.list(&meta(item, placed)).map_err(PackError::Write)?;
    }
    let zip_bytes = zip.finish().map_err(PackError::Write)?;
    let summary = if changed.is_empty() { summary } else { Summary::of(&items) };
    Ok(Packed { zip_bytes, summary, changed })
}

struct Outcome {
    /// `None` if it went.
    placed: Option<Placed>,
    /// Whether it is what the fingerprint saw.
    is_same: bool,
}

struct Packer<'p, W> {
    cursor: Cursor<'p>,
    zip: Writer<W>,
    compressor: Compressor,
    buffer: Vec<u8>,
    progress: &'p mut dyn FnMut(u64),
}

impl<W: Write> Packer<'_, W> {
    /// Packs one entry, and brings `item` up to what was packed.
    fn item(&mut self, item: &mut Item) -> Result<Outcome, PackError> {
        if item.kind == Kind::Directory {
            let placed = self.zip.empty(meta(item, Placed::EMPTY)).map_err(PackError::Write)?;
            return Ok(Outcome { placed: Some(placed), is_same: true });
        }
        let unreadable = |path: &str| {
            let path = path.to_owned();
            move |source| PackError::Read { path, source }
        };
        let opened = Source::open(&mut self.cursor, &item.path).map_err(unreadable(&item.path))?;
        let Some(mut source) = opened else {
            return Ok(Outcome { placed: None, is_same: false });
        };
        let seen = item.clone();
        (item.mode, item.mtime) = (source.status.mode, source.status.mtime);
        let placed = if source.status.size <= WHOLE_BYTES as u64 {
            self.whole(item, &mut source)
        } else {
            self.pieces(item, &mut source)
        }?;
        let held_still = source.held_still().map_err(unreadable(&item.path))?;
        Ok(Outcome { placed: Some(placed), is_same: held_still && *item == seen })
    }

    /// Packs a file that fits into memory.
    fn whole(&mut self, item: &mut Item, source: &mut Source) -> Result<Placed, PackError> {
        self.buffer.resize(WHOLE_BYTES, 0);
        let read = fill(source, &mut self.buffer, item)?;
        let content = &self.buffer[..read];
        (self.progress)(read as u64);
        (item.size, item.content) = (read as u64, *blake3::hash(content).as_bytes());
        let compressed = self.compressor.compress(content).map_err(PackError::Write)?;
        let mut placed = Placed {
            method: if compressed.is_some() { Method::Zstd } else { Method::Stored },
            crc: crc32fast::hash(content),
            size: item.size,
            compressed: compressed.map_or(read, <[u8]>::len) as u64,
            header: 0,
        };
        let mut write = || {
            placed.header = self.zip.begin(&meta(item, placed))?;
            self.zip.content(compressed.unwrap_or(content))?;
            self.zip.end(&meta(item, placed))?;
            Ok(placed)
        };
        write().map_err(PackError::Write)
    }

    /// Packs a file piece by piece.
    fn pieces(&mut self, item: &mut Item, source: &mut Source) -> Result<Placed, PackError> {
        self.buffer.resize(WHOLE_BYTES, 0);
        let buffer = &mut self.buffer[..PIECE_BYTES];
        let mut read = fill(source, buffer, item)?;
        let sample = &buffer[..read.min(SAMPLE_BYTES)];
        let pays = self.compressor.pays(sample).map_err(PackError::Write)?;
        let method = if pays { Method::Zstd } else { Method::Stored };
        let mut placed = Placed { method, ..Placed::EMPTY };
        placed.header = self.zip.begin(&meta(item, placed)).map_err(PackError::Write)?;

        let (mut content, mut crc) = (blake3::Hasher::new(), crc32fast::Hasher::new());
        let zip = &mut self.zip;
        let mut put = |bytes: &[u8]| {
            placed.compressed += bytes.len() as u64;
            zip.content(bytes)
        };
        self.compressor.start().map_err(PackError::Write)?;
        while read > 0 {
            let piece = &buffer[..read];
            content.update(piece);
            crc.update(piece);
            placed.size += read as u64;
            (self.progress)(read as u64);
            if pays { self.compressor.feed(piece, &mut put) } else { put(piece) }
                .map_err(PackError::Write)?;
            read = fill(source, buffer, item)?;
        }
        if pays {
            self.compressor.end(&mut put).map_err(PackError::Write)?;
        }
        (item.size, item.content) = (placed.size, *content.finalize().as_bytes());
        placed.crc = crc.finalize();
        self.zip.end(&meta(item, placed)).map_err(PackError::Write)?;
        Ok(placed)
    }
}

fn fill(source: &mut Source, buffer: &mut [u8], item: &Item) -> Result<usize, PackError> {
    source.fill(buffer).map_err(|source| PackError::Read { path: item.path.clone(), source })
}

fn meta(item: &Item, placed: Placed) -> Meta<'_> {
    let Item { path, kind, mode, mtime, .. } = item;
    Meta { path, kind: *kind, mode: *mode, mtime: *mtime, placed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::testing::{Tree, fingerprinted};

    fn run(tree: &Tree, plan: Fingerprinted, changes: Changes) -> Result<Packed, PackError> {
        pack(&tree.root(), plan, changes, io::sink(), &mut |_| ())
    }

    #[test]
    fn what_changed_since_the_fingerprint_stops_it_by_name() {
        type Change = fn(&Tree);
        let changes: [Change; 4] = [
            |tree| std::fs::write(tree.path("d/a"), "two").expect("written"),
            |tree| std::fs::remove_file(tree.path("d/a")).expect("removed"),
            |tree| {
                std::fs::remove_dir_all(tree.path("d")).expect("removed");
                std::os::unix::fs::symlink("e", tree.path("d")).expect("linked");
            },
            |tree| {
                let file = std::fs::File::open(tree.path("d/a")).expect("open");
                crate::archive::dir::set_mode(&file, 0o604).expect("set");
            },
        ];
        for change in changes {
            let tree = Tree::new().file("d/a", "one").file("e/a", "one");
            let plan = fingerprinted(&tree);
            change(&tree);
            let error = run(&tree, plan, Changes::Refuse).expect_err("it changed");
            assert!(matches!(error, PackError::Changed(paths) if paths.0 == ["d/a"]));
        }
    }

    #[test]
    fn accepted_changes_are_packed_reported_and_in_the_summary() {
        let tree = Tree::new().file("a", "one").file("b", "two").file("c", "three");
        let plan = fingerprinted(&tree);
        std::fs::write(tree.path("a"), "other").expect("written");
        std::fs::remove_file(tree.path("b")).expect("removed");
        let packed = run(&tree, plan, Changes::Accept).expect("packed");
        assert_eq!(packed.changed, ["a", "b"]);
        assert_eq!(packed.summary, fingerprinted(&tree).summary);
    }

    #[test]
    fn progress_counts_every_byte() {
        let tree = Tree::new().file("a", "one").file("b", "x".repeat(WHOLE_BYTES + 9));
        let mut total = 0;
        let plan = fingerprinted(&tree);
        let mut progress = |bytes| total += bytes;
        pack(&tree.root(), plan, Changes::Refuse, io::sink(), &mut progress).expect("packed");
        assert_eq!(total, WHOLE_BYTES as u64 + 12);
    }

    #[test]
    fn a_failing_destination_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let tree = Tree::new().file("a", "one");
        let result = pack(&tree.root(), fingerprinted(&tree), Changes::Refuse, Full, &mut |_| ());
        assert!(matches!(result, Err(PackError::Write(_))));
    }
}
