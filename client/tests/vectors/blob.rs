//! Blobs, read in both ways.

use std::io::{Cursor, Read as _};

use keybackup::keys;
use keybackup::seal::{BlobError, BlobReader, verify_blob};
use keybackup::secret::{DerivedKey, PersonaKey, VaultKey};

use crate::vector::{Vector, Verdict};

const HEADER_BYTES: usize = 121;
const SEALED_CHUNK_BYTES: usize = 65_552;

pub(crate) fn open(vector: &Vector) -> Verdict {
    let id = vector.text("key-id").parse().expect("an id");
    let secret = DerivedKey::from_slice(&vector.bytes("vault-key")).expect("32 bytes");
    let persona = vector.text("persona").parse().expect("an id");
    let key = keys::persona_key(&VaultKey::new(id, secret), persona);
    let header = vector.array::<HEADER_BYTES>("header");
    let blob = bytes(vector);

    let verified = verify_blob(&blob[..], &key, &header);
    let read = read(&blob, &key, &header);
    let Ok(sealed) = verified else {
        assert!(read.is_err(), "both ways of reading refuse");
        return Err(verified.map_err(|error| slug(&error).to_owned()).err().unwrap_or_default());
    };
    let zip = read.expect("both ways of reading take it");
    assert_eq!(zip.len() as u64, sealed.zip_bytes);
    assert_eq!(sealed.zip_bytes, vector.number("zip-bytes"));
    assert_eq!(sealed.blob_bytes, blob.len() as u64);
    assert_eq!(sealed.blake3, vector.array::<32>("blake3"));
    assert_eq!(*blake3::hash(&zip).as_bytes(), vector.array::<32>("zip-blake3"));
    Ok(())
}

/// The vector's body, or that of its base with what it says changed.
fn bytes(vector: &Vector) -> Vec<u8> {
    let Some(base) = vector.find("base") else { return vector.body().to_vec() };
    let mut blob = vector.body_of(base);
    if vector.find("flip").is_some() {
        blob[at(vector, "flip")] ^= 1;
    }
    if vector.find("cut").is_some() {
        blob.truncate(at(vector, "cut"));
    }
    if vector.find("append").is_some() {
        blob.extend_from_slice(&vector.bytes("append"));
    }
    if let Some(order) = vector.find("chunks") {
        let (header, payload) = blob.split_at(HEADER_BYTES);
        let chunks: Vec<&[u8]> = payload.chunks(SEALED_CHUNK_BYTES).collect();
        let order = order.split(' ').map(|index| index.parse::<usize>().expect("a number"));
        blob = [header]
            .into_iter()
            .chain(order.map(|index| chunks[index]))
            .collect::<Vec<_>>()
            .concat();
    }
    blob
}

fn at(vector: &Vector, field: &str) -> usize {
    usize::try_from(vector.number(field)).expect("it is short")
}

fn read(blob: &[u8], key: &PersonaKey, header: &[u8; HEADER_BYTES]) -> Result<Vec<u8>, BlobError> {
    let mut reader = BlobReader::open(Cursor::new(blob), key, header)?;
    let mut zip = Vec::new();
    match reader.read_to_end(&mut zip) {
        Ok(_) => Ok(zip),
        Err(error) => Err(error.downcast().expect("readers of memory fail only over the blob")),
    }
}

fn slug(error: &BlobError) -> &'static str {
    match error {
        BlobError::Header(_) => "header",
        BlobError::HeaderMismatch => "header-mismatch",
        BlobError::WrongKey => "wrong-key",
        BlobError::Commitment => "commitment",
        BlobError::Damaged { .. } => "damaged",
        BlobError::Padding => "padding",
        BlobError::Truncated => "truncated",
        other => panic!("no slug for {other:?}"),
    }
}
