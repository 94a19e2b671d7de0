//! Random access to a blob at the server: what `files`, `cat` and `diff` read through, so that one
//! small file of a large persona costs a few blocks.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use keybackup_protocol::PersonaId;

use super::fetch::named_content;
use super::{Vault, VaultError};
use crate::records::Label;
use crate::remote::Remote;
use crate::seal::BlobReader;

/// Bytes of one request.
const BLOCK_BYTES: u64 = 512 * 1024;
/// Blocks kept in memory.
const KEPT_BLOCKS: usize = 8;

/// The ciphertext of one version, fetched in blocks as it is read.
pub struct RangedBlob<'a> {
    remote: &'a Remote,
    persona: PersonaId,
    version: u64,
    length: u64,
    position: u64,
    /// Block number and bytes, the latest used at the back.
    blocks: VecDeque<(u64, Vec<u8>)>,
}

impl Vault {
    /// Opens the blob that `label` names for random access. Each chunk is authenticated as it is
    /// read, and the header is the label's; the hash of the whole is not checked.
    pub fn open_ranged(
        &self,
        persona: PersonaId,
        label: &Label,
    ) -> Result<BlobReader<RangedBlob<'_>>, VaultError> {
        let (content, version) = named_content(label)?;
        let ranged = RangedBlob {
            remote: &self.remote,
            persona,
            version,
            length: content.blob_bytes,
            position: 0,
            blocks: VecDeque::new(),
        };
        let key = self.content_key(persona, content)?;
        Ok(BlobReader::open_sparse(ranged, &key, content.header.as_bytes())?)
    }
}

impl RangedBlob<'_> {
    /// The block with this number, fetched unless it is held.
    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        if let Some(held) = self.blocks.iter().position(|(held, _)| *held == number) {
            let block = self.blocks.remove(held).expect("its position was just found");
            self.blocks.push_back(block);
        } else {
            let start = number * BLOCK_BYTES;
            let end = (start + BLOCK_BYTES).min(self.length);
            let mut bytes = Vec::new();
            self.remote
                .blob_range(&self.persona, self.version, start..end, &mut |piece| {
                    bytes.extend_from_slice(&piece);
                    Ok(())
                })
                .map_err(io::Error::other)?;
            if self.blocks.len() == KEPT_BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back((number, bytes));
        }
        Ok(self.blocks.back().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    }
}

impl Read for RangedBlob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let (number, offset) = (self.position / BLOCK_BYTES, self.position % BLOCK_BYTES);
        let block = self.block(number)?;
        let offset = usize::try_from(offset).expect("an offset in a block fits");
        let available = block.get(offset..).unwrap_or_default();
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for RangedBlob<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
