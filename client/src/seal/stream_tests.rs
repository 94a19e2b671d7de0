//! Blobs, written and read: sizes around the borders of chunks, every way to damage one.

use std::cell::Cell;
use std::io::{self, Cursor, Read as _, Seek as _, SeekFrom, Write as _};

use keybackup_protocol::{AccountId, KeyId, PersonaId};
use proptest::prelude::*;
use rand08::RngCore as _;
use rand08::rngs::OsRng;

use super::chunk::{CHUNK_BYTES, ChunkCipher, SEALED_CHUNK_BYTES};
use super::padding::{blob_bytes, blob_plaintext_bytes};
use super::{BlobError, BlobReader, BlobType, BlobWriter, Header, SealedBlob, verify_blob};
use crate::secret::{DerivedKey, PersonaKey};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

fn key(byte: u8) -> PersonaKey {
    let secret = DerivedKey::init_with(|key| key.fill(byte));
    PersonaKey::new(KeyId::from_bytes([2; 8]), PersonaId::from_bytes([3; 16]), secret)
}

fn seal(zip: &[u8]) -> (Vec<u8>, SealedBlob) {
    let mut writer =
        BlobWriter::create(&mut OsRng, &key(7), BlobType::Directory, ACCOUNT, 5, Vec::new())
            .expect("memory takes it");
    writer.write_all(zip).expect("memory takes it");
    writer.finish().expect("memory takes it")
}

fn open(blob: &[u8], header: &Header) -> Result<Vec<u8>, BlobError> {
    let mut reader = BlobReader::open(Cursor::new(blob), &key(7), &header.to_bytes())?;
    let mut zip = Vec::new();
    reader.read_to_end(&mut zip).map_err(inner)?;
    Ok(zip)
}

fn inner(error: io::Error) -> BlobError {
    error.downcast().expect("readers of memory fail only over the blob")
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// Seals a plaintext that need not follow the format, in chunks of any size.
fn seal_raw(chunks: &[&[u8]]) -> (Vec<u8>, Header) {
    let (cipher, header) =
        ChunkCipher::generate(&mut OsRng, &key(7), BlobType::Directory, ACCOUNT, 5);
    let mut blob = header.to_bytes().to_vec();
    for (counter, chunk) in (0..).zip(chunks) {
        let mut chunk = chunk.to_vec();
        let tag = cipher.seal(counter, counter as usize + 1 == chunks.len(), &mut chunk);
        blob.extend_from_slice(&chunk);
        blob.extend_from_slice(&tag);
    }
    (blob, header)
}

/// Sizes of zips at and around the borders of chunks and of padding.
fn borders() -> Vec<usize> {
    let mut sizes = vec![0, 1];
    for border in [16 * 1024, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES] {
        sizes.extend([border - 9, border - 8, border - 7, border - 1, border, border + 1]);
    }
    sizes
}

#[test]
fn sizes_around_the_borders_round_trip() {
    for size in borders() {
        let zip = random(size);
        let (blob, sealed) = seal(&zip);
        assert_eq!(sealed.zip_bytes, size as u64);
        assert_eq!(sealed.blob_bytes, blob.len() as u64);
        assert_eq!(sealed.blob_bytes, blob_bytes(size as u64));
        assert_eq!(sealed.blake3, *blake3::hash(&blob).as_bytes());
        assert_eq!(sealed.header.to_bytes()[..], blob[..Header::LEN]);
        assert_eq!(open(&blob, &sealed.header).expect("it opens"), zip, "{size}");
        let verified = verify_blob(&blob[..], &key(7), &sealed.header.to_bytes());
        assert_eq!(verified.expect("it verifies"), sealed, "{size}");
    }
}

#[test]
fn one_salt_each() {
    let ((one, _), (two, _)) = (seal(b"zip"), seal(b"zip"));
    assert_ne!(one[57..89], two[57..89], "the salt");
    assert_ne!(one[121..], two[121..]);
}

/// Holds rules 11 and 12.
#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let (blob, sealed) = seal(b"a small zip");
    let expected = sealed.header.to_bytes();
    let refused = |blob: &[u8], what: &str| {
        assert!(open(blob, &sealed.header).is_err(), "{what}");
        assert!(verify_blob(blob, &key(7), &expected).is_err(), "{what}");
    };
    let mut changed = blob.clone();
    for bit in 0..blob.len() * 8 {
        // Every bit of the header and of both ends; of the middle, which is one chunk, one a byte.
        let (byte, end) = (bit / 8, blob.len() - 64);
        if (256..end).contains(&byte) && bit % 8 != byte % 8 {
            continue;
        }
        changed[byte] ^= 1 << (bit % 8);
        refused(&changed, &format!("bit {bit}"));
        changed[byte] ^= 1 << (bit % 8);
    }
    for length in 0..blob.len() {
        refused(&blob[..length], &format!("{length} bytes"));
    }
    for more in [1, 15, 16, 17, 512, SEALED_CHUNK_BYTES] {
        refused(&[&blob[..], &vec![0; more]].concat(), &format!("{more} bytes more"));
    }
}

/// Holds rule 12.
#[test]
fn chunks_do_not_move() {
    let (blob, sealed) = seal(&random(4 * CHUNK_BYTES));
    let (header, payload) = blob.split_at(Header::LEN);
    let chunks: Vec<&[u8]> = payload.chunks(SEALED_CHUNK_BYTES).collect();
    assert_eq!(chunks.len(), 5);
    let refused = |order: &[usize]| {
        let payload = order.iter().map(|index| chunks[*index]).collect::<Vec<_>>().concat();
        let blob = [header, &payload].concat();
        assert!(open(&blob, &sealed.header).is_err(), "{order:?}");
        let verified = verify_blob(&blob[..], &key(7), &sealed.header.to_bytes());
        assert!(verified.is_err(), "{order:?}");
    };
    for order in [
        &[1, 0, 2, 3, 4][..],
        &[0, 0, 1, 2, 3, 4],
        &[0, 1, 2, 3],
        &[0, 1, 2, 4],
        &[0, 2, 3, 4],
        &[4],
        &[4, 0, 1, 2, 3],
        &[0, 1, 2, 3, 4, 4],
        &[0, 1, 2, 3, 4, 0],
        &[],
    ] {
        refused(order);
    }
    // Chunks of another blob under the same key.
    let (other, _) = seal(&random(4 * CHUNK_BYTES));
    let mixed =
        [&blob[..Header::LEN + SEALED_CHUNK_BYTES], &other[Header::LEN + SEALED_CHUNK_BYTES..]];
    assert!(open(&mixed.concat(), &sealed.header).is_err());
}

/// Holds rules 9 and 11.
#[test]
fn key_and_header_must_be_the_labels() {
    let (blob, sealed) = seal(b"zip");
    let (_, other) = seal(b"zip");
    let open = |key: &PersonaKey, expected: &Header| {
        let opened = BlobReader::open(Cursor::new(&blob), key, &expected.to_bytes()).err();
        let verified = verify_blob(&blob[..], key, &expected.to_bytes()).err();
        assert_eq!(opened.is_some(), verified.is_some());
        opened
    };
    assert!(open(&key(7), &sealed.header).is_none());
    assert!(matches!(open(&key(7), &other.header), Some(BlobError::HeaderMismatch)));
    assert!(matches!(open(&key(8), &sealed.header), Some(BlobError::Commitment)));
    let secret = || DerivedKey::init_with(|key| key.fill(7));
    let (key_id, persona) = (key(7).key_id(), key(7).persona());
    for key in [
        PersonaKey::new(KeyId::from_bytes([9; 8]), persona, secret()),
        PersonaKey::new(key_id, PersonaId::from_bytes([9; 16]), secret()),
    ] {
        assert!(matches!(open(&key, &sealed.header), Some(BlobError::WrongKey)));
    }
    // Whoever changes header and label alike still meets the commitment.
    for (change, at) in [("type", 8), ("account", 17), ("version", 56), ("salt", 57)] {
        let mut blob = blob.clone();
        blob[at] ^= 1;
        let header: [u8; Header::LEN] = blob[..Header::LEN].try_into().expect("121 bytes");
        let error = BlobReader::open(Cursor::new(&blob), &key(7), &header).err();
        assert!(matches!(error, Some(BlobError::Commitment)), "{change}: {error:?}");
    }
}

/// Holds rule 20.
#[test]
fn padding_has_one_form() {
    let plaintext = |zip_bytes: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).expect("small")];
        let trailer = bytes.len() - 8;
        bytes[trailer..].copy_from_slice(&zip_bytes.to_be_bytes());
        bytes
    };
    let padding = |chunks: &[&[u8]]| {
        let (blob, header) = seal_raw(chunks);
        let opened = open(&blob, &header).map(|zip| zip.len());
        let verified = verify_blob(&blob[..], &key(7), &header.to_bytes());
        (opened, verified.map(|sealed| sealed.zip_bytes))
    };
    let good = padding(&[&plaintext(9, 16_384)]);
    assert!(matches!(good, (Ok(9), Ok(9))));
    let mut dirty = plaintext(9, 16_384);
    dirty[9] = 1;
    let mut dirty_before_trailer = plaintext(9, 16_384);
    dirty_before_trailer[16_384 - 9] = 1;
    let mut bad = vec![
        dirty,
        dirty_before_trailer,
        plaintext(16_377, 16_384),
        plaintext(u64::MAX, 16_384),
        plaintext(9, 17_408),
        plaintext(9, 8_192),
        plaintext(9, 16_385),
        plaintext(16_390, 16_400),
    ];
    for plaintext in bad.drain(..) {
        let (opened, verified) = padding(&[&plaintext]);
        assert!(opened.is_err() && verified.is_err(), "{}", plaintext.len());
    }
    // Padding that begins in one chunk and is dirty there, the last chunk being clean.
    let length = blob_plaintext_bytes(CHUNK_BYTES as u64 - 7);
    let mut long = plaintext(CHUNK_BYTES as u64 - 7, length);
    let (first, last) = long.split_at_mut(CHUNK_BYTES);
    assert!(matches!(padding(&[first, last]), (Ok(_), Ok(_))));
    first[CHUNK_BYTES - 1] = 1;
    let (opened, verified) = padding(&[first, last]);
    assert!(matches!(opened, Err(BlobError::Padding)));
    assert!(matches!(verified, Err(BlobError::Padding)));
    // A reader far away leaves that to who fetches all, and says so.
    let (blob, header) = seal_raw(&[first, last]);
    let sparse = BlobReader::open_sparse(Cursor::new(&blob), &key(7), &header.to_bytes());
    assert_eq!(sparse.expect("its last chunk is clean").zip_bytes(), CHUNK_BYTES as u64 - 7);
    last[0] = 1;
    let (blob, header) = seal_raw(&[first, last]);
    let sparse = BlobReader::open_sparse(Cursor::new(&blob), &key(7), &header.to_bytes());
    assert!(matches!(sparse.err(), Some(BlobError::Padding)));
    first[CHUNK_BYTES - 1] = 0;
    let refused = |chunks: &[&[u8]]| {
        let (opened, verified) = padding(chunks);
        let padding = matches!(opened, Err(BlobError::Padding));
        padding && matches!(verified, Err(BlobError::Padding))
    };
    assert!(refused(&[first, last]), "the second chunk alone is dirty");
    // The very first byte of the padding, where the eight bytes lie that end a chunk.
    (first[CHUNK_BYTES - 7], last[0]) = (1, 0);
    assert!(refused(&[first, last]), "the first byte of the padding is dirty");
    // A last chunk that is full.
    let mut full = plaintext(2 * CHUNK_BYTES as u64 - 108, 2 * CHUNK_BYTES as u64);
    full[2 * CHUNK_BYTES - 9] = 1;
    let (first, last) = full.split_at(CHUNK_BYTES);
    assert!(refused(&[first, last]), "the last byte of the padding is dirty");
    let (blob, header) = seal_raw(&[first, last]);
    let sparse = BlobReader::open_sparse(Cursor::new(&blob), &key(7), &header.to_bytes());
    assert!(matches!(sparse.err(), Some(BlobError::Padding)));
}

/// Holds rule 12.
#[test]
fn chunks_have_one_size_and_the_last_is_not_empty() {
    let zip_bytes = 2 * CHUNK_BYTES as u64 - 8;
    let mut plaintext = vec![0; 2 * CHUNK_BYTES];
    plaintext[2 * CHUNK_BYTES - 8..].copy_from_slice(&zip_bytes.to_be_bytes());
    let (one, two) = plaintext.split_at(CHUNK_BYTES);
    let refused = |chunks: &[&[u8]]| {
        let (blob, header) = seal_raw(chunks);
        assert!(open(&blob, &header).is_err());
        assert!(verify_blob(&blob[..], &key(7), &header.to_bytes()).is_err());
    };
    let (blob, header) = seal_raw(&[one, two]);
    assert!(open(&blob, &header).is_ok());
    refused(&[one, two, b""]);
    refused(&[one, &two[..100], &two[100..]]);
    refused(&[&one[..100], &one[100..], two]);
    refused(&[&plaintext]);
    refused(&[b""]);
    refused(&[]);
}

/// Holds rule 12.
#[test]
fn nothing_unauthenticated_is_read() {
    let zip = random(3 * CHUNK_BYTES);
    let (mut blob, sealed) = seal(&zip);
    blob[Header::LEN + SEALED_CHUNK_BYTES] ^= 1;
    let mut reader = BlobReader::open(Cursor::new(&blob), &key(7), &sealed.header.to_bytes())
        .expect("header and padding are whole");
    let mut first = vec![0; CHUNK_BYTES];
    reader.read_exact(&mut first).expect("the first chunk is whole");
    assert_eq!(first, zip[..CHUNK_BYTES]);
    for _ in 0..2 {
        let mut second = [0; 16];
        let error = inner(reader.read(&mut second).expect_err("the second is not"));
        assert!(matches!(error, BlobError::Damaged { chunk: 1 }));
        assert_eq!(second, [0; 16]);
    }
    reader.seek(SeekFrom::Start(2 * CHUNK_BYTES as u64)).expect("it seeks");
    let mut third = Vec::new();
    reader.read_to_end(&mut third).expect("the third is whole");
    assert_eq!(third, zip[2 * CHUNK_BYTES..]);
}

#[test]
fn a_failing_disk_is_not_a_damaged_blob() {
    struct Failing(usize);
    impl io::Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = BlobWriter::create(
        &mut OsRng,
        &key(7),
        BlobType::Directory,
        ACCOUNT,
        5,
        Failing(Header::LEN + SEALED_CHUNK_BYTES),
    )
    .expect("there is room for the header");
    let error = writer.write_all(&random(3 * CHUNK_BYTES)).expect_err("and for one chunk");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

/// Bytes whose seeks are counted.
struct Far<'a> {
    bytes: Cursor<Vec<u8>>,
    seeks: &'a Cell<usize>,
}

impl io::Read for Far<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(out)
    }
}

impl io::Seek for Far<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seeks.set(self.seeks.get() + 1);
        self.bytes.seek(to)
    }
}

#[test]
fn reading_on_costs_no_seek() {
    let (blob, sealed) = seal(&random(4 * CHUNK_BYTES));
    let seeks = Cell::new(0);
    let far = Far { bytes: Cursor::new(blob), seeks: &seeks };
    let mut reader = BlobReader::open(far, &key(7), &sealed.header.to_bytes()).expect("it opens");
    seeks.set(0);
    assert_eq!(io::copy(&mut reader, &mut io::sink()).expect("it reads"), sealed.zip_bytes);
    assert_eq!(seeks.get(), 1, "back to the first chunk");
}

#[test]
fn a_failing_source_is_not_a_damaged_blob() {
    /// Fails once, behind the header, and then goes on.
    struct Once<'a> {
        bytes: &'a [u8],
        error: Option<io::ErrorKind>,
    }
    impl io::Read for Once<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.error.take_if(|_| !self.bytes.starts_with(b"KEYBKUP")) {
                Some(error) => Err(error.into()),
                None => self.bytes.read(out),
            }
        }
    }
    let (blob, sealed) = seal(b"a small zip");
    let verify = |error| {
        let once = Once { bytes: &blob, error: Some(error) };
        verify_blob(once, &key(7), &sealed.header.to_bytes())
    };
    assert_eq!(verify(io::ErrorKind::Interrupted).expect("it is read again"), sealed);
    let error = verify(io::ErrorKind::TimedOut).expect_err("it is not read again");
    assert!(matches!(error, BlobError::Io(io) if io.kind() == io::ErrorKind::TimedOut));
}

#[test]
fn seeking_is_that_of_a_file() {
    let zip = random(2 * CHUNK_BYTES + 100);
    let (blob, sealed) = seal(&zip);
    let mut reader =
        BlobReader::open(Cursor::new(&blob), &key(7), &sealed.header.to_bytes()).expect("it opens");
    assert_eq!(reader.seek(SeekFrom::End(-10)).expect("it seeks"), zip.len() as u64 - 10);
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail).expect("it reads");
    assert_eq!(tail, zip[zip.len() - 10..]);
    assert_eq!(reader.seek(SeekFrom::End(50)).expect("beyond the end"), zip.len() as u64 + 50);
    assert_eq!(reader.read(&mut [0; 8]).expect("the end"), 0);
    assert_eq!(reader.seek(SeekFrom::Start(1 << 50)).expect("far beyond"), 1 << 50);
    assert_eq!(reader.read(&mut [0; 8]).expect("the end"), 0);
    reader.seek(SeekFrom::End(50)).expect("back");
    let error = reader.seek(SeekFrom::Current(-200_000)).expect_err("before it");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(reader.stream_position().expect("it stands"), zip.len() as u64 + 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_make_one_zip(
        pieces in proptest::collection::vec(0_usize..CHUNK_BYTES + 2, 0..6),
        border in -20_isize..20,
    ) {
        // Total lengths gather around the borders of chunks.
        let total = pieces.iter().sum::<usize>() / CHUNK_BYTES * CHUNK_BYTES;
        let total = total.saturating_add_signed(border);
        let zip = random(total);
        let mut writer =
            BlobWriter::create(&mut OsRng, &key(7), BlobType::Directory, ACCOUNT, 5, Vec::new())?;
        let mut rest = &zip[..];
        for piece in pieces {
            let (head, tail) = rest.split_at(piece.min(rest.len()));
            writer.write_all(head)?;
            rest = tail;
        }
        writer.write_all(rest)?;
        let (blob, sealed) = writer.finish()?;
        prop_assert_eq!(open(&blob, &sealed.header).expect("it opens"), zip);
        let verified = verify_blob(&blob[..], &key(7), &sealed.header.to_bytes());
        prop_assert_eq!(verified.expect("it verifies"), sealed);
    }

    #[test]
    fn random_access_reads_what_is_there(reads in proptest::collection::vec(
        (0_u64..4 * CHUNK_BYTES as u64, 0_usize..2 * CHUNK_BYTES), 1..12,
    )) {
        let zip: Vec<u8> = (0..=250).cycle().take(3 * CHUNK_BYTES + 777).collect();
        let (blob, sealed) = seal(&zip);
        let expected = sealed.header.to_bytes();
        let mut reader = BlobReader::open_sparse(Cursor::new(&blob), &key(7), &expected)
            .expect("it opens");
        let mut file = Cursor::new(&zip);
        for (at, length) in reads {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            reader.seek(SeekFrom::Start(at))?;
            file.seek(SeekFrom::Start(at))?;
            reader.by_ref().take(length as u64).read_to_end(&mut ours)?;
            file.by_ref().take(length as u64).read_to_end(&mut theirs)?;
            prop_assert_eq!(ours, theirs);
        }
    }

    /// Holds rule 12.
    #[test]
    fn any_change_of_a_long_blob_is_refused(at in 0_usize..200_000, byte in 1_u8..) {
        let (mut blob, sealed) = seal(&vec![9; 150_000]);
        let at = at % blob.len();
        blob[at] ^= byte;
        prop_assert!(open(&blob, &sealed.header).is_err());
        prop_assert!(verify_blob(&blob[..], &key(7), &sealed.header.to_bytes()).is_err());
    }
}
