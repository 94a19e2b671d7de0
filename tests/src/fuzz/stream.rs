//! Takes bytes as a blob, as changes to a sealed one, or as chunks sealed by hand whose plaintext
//! may break the format. A blob that opens is the one and only sealing of its zip under its salt;
//! whatever a reader hands out is a piece of what was sealed, also from a blob that is damaged.

use std::io::{Cursor, Read as _, Seek as _, SeekFrom, Write as _};

use keybackup::seal::{BlobReader, BlobType, BlobWriter, Header, padding, verify_blob};

use super::input::Input;
use super::raw::{self, BlobOf};
use super::world::{ACCOUNT, Fixed, KEY_ID, PERSONA, persona_key};

/// Length of a full chunk.
const CHUNK: usize = 65_536;
/// Longest zip in a blob that is sealed here: three chunks. Most are shorter.
const MOST_ZIP_BYTES: usize = 150_000;
const FEW_ZIP_BYTES: usize = 3_000;

/// Runs one input. Its first byte says what the others are.
pub fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => any(input.rest()),
        1 => changed(input),
        _ => by_hand(input),
    }
}

/// Whether these bytes are a blob; they are the label's, too.
fn any(blob: &[u8]) -> bool {
    let Some(expected) = blob.first_chunk::<{ Header::LEN }>() else {
        assert!(verify_blob(blob, &persona_key(), &[0; Header::LEN]).is_err());
        return false;
    };
    let opened = opened(blob, expected);
    if let Some(zip) = &opened {
        let header = Header::parse(expected).expect("it was parsed before");
        assert!(sealed(zip, &header) == blob, "not the sealing of its zip");
    }
    opened.is_some()
}

/// The zip in a blob, if that opens; verifying and reading agree about it.
fn opened(blob: &[u8], expected: &[u8; Header::LEN]) -> Option<Vec<u8>> {
    let key = persona_key();
    let verified = verify_blob(blob, &key, expected);
    let read = BlobReader::open(Cursor::new(blob), &key, expected).ok().and_then(|mut reader| {
        let mut zip = Vec::new();
        reader.read_to_end(&mut zip).is_ok().then_some(zip)
    });
    assert_eq!(verified.is_ok(), read.is_some(), "{verified:?}");
    let (verified, zip) = (verified.ok()?, read?);
    assert_eq!(verified.header.to_bytes(), *expected);
    assert_eq!(verified.blake3, *blake3::hash(blob).as_bytes());
    assert_eq!((verified.blob_bytes, verified.zip_bytes), (blob.len() as u64, zip.len() as u64));
    assert_eq!(padding::blob_bytes(verified.zip_bytes), verified.blob_bytes);
    Some(zip)
}

/// The sealing of a zip that this header stands before; its commitment follows from the rest.
fn sealed(zip: &[u8], header: &Header) -> Vec<u8> {
    let Header { blob_type, account, version, salt, .. } = header;
    let (mut rng, key) = (Fixed::beginning(salt), persona_key());
    let mut writer = BlobWriter::create(&mut rng, &key, *blob_type, *account, *version, Vec::new())
        .expect("memory");
    writer.write_all(zip).expect("memory");
    let (blob, sealed) = writer.finish().expect("memory");
    assert_eq!(sealed.blake3, *blake3::hash(&blob).as_bytes());
    blob
}

fn some_zip(input: &mut Input<'_>) -> Vec<u8> {
    let is_long = input.byte() % 8 == 1;
    input.repeated(if is_long { MOST_ZIP_BYTES } else { FEW_ZIP_BYTES })
}

/// A sealed blob, changed: it opens only if the changes have cancelled each other out.
fn changed(mut input: Input<'_>) -> bool {
    let zip = some_zip(&mut input);
    let header = Header {
        blob_type: BlobType::Directory,
        key_id: KEY_ID,
        account: ACCOUNT,
        persona: PERSONA,
        version: 1,
        salt: [5; 32],
        commitment: [0; 32],
    };
    let original = sealed(&zip, &header);
    let expected = *original.first_chunk().expect("every blob has a header");
    let mut reads = [0; 3].map(|_| (input.below(zip.len() + 1), usize::from(input.u16())));
    reads[0].0 = 0;
    let mut blob = original.clone();
    match input.byte() % 4 {
        0 => swap_chunks(&mut blob, &mut input),
        1 => drop(blob.drain(chunk_range(blob.len(), &mut input))),
        2 => {
            let range = chunk_range(blob.len(), &mut input);
            blob.extend_from_within(range);
        }
        _ => {}
    }
    input.mutate(&mut blob);

    let key = persona_key();
    let openers = [BlobReader::open, BlobReader::open_sparse];
    for mut reader in openers
        .into_iter()
        .filter_map(|open| open(Cursor::new(blob.as_slice()), &key, &expected).ok())
    {
        for (at, length) in reads {
            let mut out = vec![0; length];
            let end = zip.len().min(at + length);
            reader.seek(SeekFrom::Start(at as u64)).expect("a seek does not fail");
            if reader.read_exact(&mut out[..end - at]).is_ok() {
                assert!(out[..end - at] == zip[at..end], "not what was sealed");
            }
        }
    }
    let taken = opened(&blob, &expected);
    assert_eq!(taken.is_some(), blob == original, "a changed blob opens, or a sound one doesn't");
    assert!(taken.is_none_or(|taken| taken == zip));
    any(&blob)
}

/// Where one of the sealed chunks lies.
fn chunk_range(blob_bytes: usize, input: &mut Input<'_>) -> std::ops::Range<usize> {
    let chunks = (blob_bytes - Header::LEN).div_ceil(CHUNK + 16);
    let start = Header::LEN + input.below(chunks) * (CHUNK + 16);
    start..blob_bytes.min(start + CHUNK + 16)
}

fn swap_chunks(blob: &mut [u8], input: &mut Input<'_>) {
    let (one, other) = (chunk_range(blob.len(), input), chunk_range(blob.len(), input));
    let length = one.len().min(other.len());
    if one.start != other.start {
        let moved = blob[one.start..one.start + length].to_vec();
        blob.copy_within(other.start..other.start + length, one.start);
        blob[other.start..other.start + length].copy_from_slice(&moved);
    }
}

/// Chunks with right tags, of a plaintext that was right before it was changed, or of lengths that
/// no writer makes: it opens only if it is what the writer makes.
fn by_hand(mut input: Input<'_>) -> bool {
    let zip = some_zip(&mut input);
    let length = usize::try_from(padding::blob_plaintext_bytes(zip.len() as u64));
    let mut plaintext = zip.clone();
    plaintext.resize(length.expect("it is short") - 8, 0);
    plaintext.extend_from_slice(&(zip.len() as u64).to_be_bytes());
    let chunk_bytes =
        if input.byte().is_multiple_of(4) { 1 + input.below(2 * CHUNK) } else { CHUNK };
    let has_empty_end = input.byte() % 8 == 7;
    input.mutate(&mut plaintext);
    // A few thousand chunks say no more than a few.
    let chunk_bytes = chunk_bytes.max(plaintext.len() / 16 + 1);
    let mut chunks: Vec<&[u8]> = plaintext.chunks(chunk_bytes).collect();
    if has_empty_end {
        chunks.push(b"");
    }
    let key = persona_key();
    let of = BlobOf {
        key_id: KEY_ID,
        account: ACCOUNT,
        persona: PERSONA,
        persona_key: key.expose(),
        version: 1,
        salt: [7; 32],
    };
    any(&raw::blob(of, &chunks))
}
