//! Blobs. What changes one that is sound names it by `base` and says what is changed, so that the
//! 16 KiB need not be written out each time.

use std::io::Write as _;

use keybackup::seal::{BlobType, BlobWriter, padding};
use rand08::RngCore as _;

use super::world::{self, ACCOUNT, KEY_ID, PERSONA};
use crate::case::{Case, VectorRng};
use crate::raw::{self, BlobOf};

const HEADER_BYTES: usize = 121;
const SEALED_CHUNK_BYTES: usize = 65_552;
const VERSION: u64 = 5;

pub(crate) fn cases() -> Vec<Case> {
    let zip: Vec<u8> = b"PK not really a zip".to_vec();
    let long: Vec<u8> = (0_u8..=250).cycle().take(70_000).collect();
    let small = sealed("small", &zip);
    let two_chunks = sealed("two-chunks", &long);
    let mut cases = vec![
        sound("small", &zip, &small),
        sound("empty-zip", b"", &sealed("empty-zip", b"")),
        sound("two-chunks", &long, &two_chunks),
    ];
    cases.extend(changed(&small));
    cases.extend(moved(&two_chunks));
    cases.extend(padded());
    cases
}

/// As the program seals it, which must be as the format says.
fn sealed(name: &str, zip: &[u8]) -> Vec<u8> {
    let key = world::persona_key();
    let rng = &mut VectorRng::of(name);
    let mut writer =
        BlobWriter::create(rng, &key, BlobType::Directory, ACCOUNT, VERSION, Vec::new())
            .expect("memory takes it");
    writer.write_all(zip).expect("memory takes it");
    let (blob, _) = writer.finish().expect("memory takes it");
    let length = padding::blob_plaintext_bytes(zip.len() as u64);
    let plaintext = plaintext(zip, zip.len() as u64, usize::try_from(length).expect("short"));
    assert_eq!(blob, by_hand(name, &plaintext.chunks(65_536).collect::<Vec<_>>()));
    blob
}

fn by_hand(name: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut salt = [0; 32];
    VectorRng::of(name).fill_bytes(&mut salt);
    let key = world::persona_key();
    let of = BlobOf {
        key_id: KEY_ID,
        account: ACCOUNT,
        persona: PERSONA,
        persona_key: key.expose(),
        version: VERSION,
        salt,
    };
    raw::blob(of, chunks)
}

/// Zip ‖ zeros ‖ its length, `length` bytes in all.
fn plaintext(zip: &[u8], zip_bytes: u64, length: usize) -> Vec<u8> {
    let mut plaintext = zip.to_vec();
    plaintext.resize(length - 8, 0);
    plaintext.extend_from_slice(&zip_bytes.to_be_bytes());
    plaintext
}

/// How a blob is to be opened.
fn case(name: &str, expect: &str, header: &[u8]) -> Case {
    Case::new("blob", name, expect)
        .text("key-id", KEY_ID)
        .bytes("vault-key", world::vault().expose())
        .text("persona", PERSONA)
        .bytes("header", header)
}

fn sound(name: &str, zip: &[u8], blob: &[u8]) -> Case {
    case(name, "success", &blob[..HEADER_BYTES])
        .text("zip-bytes", zip.len())
        .bytes("zip-blake3", blake3::hash(zip).as_bytes())
        .bytes("blake3", blake3::hash(blob).as_bytes())
        .body(blob)
}

/// One byte of a sound blob changed, or its length.
fn changed(small: &[u8]) -> Vec<Case> {
    let header = &small[..HEADER_BYTES];
    let flip = |name: &str, expect: &str, at: usize| {
        case(name, expect, header).text("base", "small").text("flip", at)
    };
    // Header and label changed alike: only the commitment tells.
    let both = |name: &str, at: usize| {
        let mut header = header.to_vec();
        header[at] ^= 1;
        case(name, "commitment", &header).text("base", "small").text("flip", at)
    };
    vec![
        flip("magic", "header", 0),
        flip("format-version", "header", 7),
        flip("persona-in-header", "header-mismatch", 33),
        flip("salt", "header-mismatch", 57),
        flip("commitment-only", "header-mismatch", 89),
        both("account-in-both", 17),
        both("version-in-both", 56),
        both("type-in-both", 8),
        both("salt-in-both", 57),
        both("commitment-in-both", 120),
        flip("first-byte", "damaged", HEADER_BYTES),
        flip("last-byte", "damaged", small.len() - 1),
        case("cut-in-header", "truncated", header).text("base", "small").text("cut", 120),
        case("cut-behind-header", "damaged", header).text("base", "small").text("cut", 121),
        case("cut-last-byte", "damaged", header).text("base", "small").text("cut", small.len() - 1),
        case("trailing-byte", "damaged", header).text("base", "small").text("append", "00"),
    ]
}

/// Chunks of a sound blob moved: the body says which, in order.
fn moved(two_chunks: &[u8]) -> Vec<Case> {
    let header = &two_chunks[..HEADER_BYTES];
    assert!(two_chunks.len() > HEADER_BYTES + SEALED_CHUNK_BYTES);
    [
        ("swapped", "1 0"),
        ("first-only", "0"),
        ("last-only", "1"),
        ("twice", "0 0 1"),
        ("more", "0 1 1"),
    ]
    .map(|(name, order)| {
        case(&format!("chunks-{name}"), "damaged", header)
            .text("base", "two-chunks")
            .text("chunks", order)
    })
    .into()
}

/// Authentic, but padded in other ways.
fn padded() -> Vec<Case> {
    let zip = b"PK";
    let mut dirty = plaintext(zip, 2, 16_384);
    dirty[16_375] = 1;
    let faults = [
        ("padding-dirty", "a byte before the trailer is 1", dirty),
        ("padding-short", "less than 16 KiB", plaintext(zip, 2, 8192)),
        ("padding-not-padme", "a length that Padmé does not give", plaintext(zip, 2, 16_385)),
        ("padding-too-much", "a length that this zip does not have", plaintext(zip, 2, 17_408)),
        (
            "trailer-beyond",
            "the zip is said to reach into the trailer",
            plaintext(zip, 16_377, 16_384),
        ),
        (
            "trailer-huge",
            "the zip is said to have 2^64 - 1 bytes",
            plaintext(zip, u64::MAX, 16_384),
        ),
    ];
    let one = faults.map(|(name, comment, plaintext)| {
        let blob = by_hand(name, &[&plaintext]);
        case(name, "padding", &blob[..HEADER_BYTES]).comment(comment).body(blob)
    });
    let plaintext = plaintext(zip, 2, 16_384);
    let (front, back) = plaintext.split_at(10_000);
    let halves = by_hand("short-chunk", &[front, back]);
    let empty_last = by_hand("empty-last-chunk", &[&plaintext, b""]);
    one.into_iter()
        .chain([
            case("short-chunk", "damaged", &halves[..HEADER_BYTES])
                .comment("two chunks, the first shorter than 64 KiB")
                .body(halves),
            case("empty-last-chunk", "damaged", &empty_last[..HEADER_BYTES])
                .comment("an empty chunk ends it")
                .body(empty_last),
        ])
        .collect()
}
