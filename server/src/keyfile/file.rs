//! The file itself: made once, whole and durable, and read with suspicion.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use opaque_ke::ServerSetup;
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::secret::{
    AddressAeadKey, AddressHmacKey, AkeKey, CodeKey, DummyKey, OprfSeed, TicketKey, random,
};
use super::{KeyFileError, OpaqueSetup, ServerKey, Setup};

const VERSION: u64 = 1;
/// Far more than a key file with every key pair that a server will ever have.
const MAX_BYTES: u64 = 64 * 1024;

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Deserialize)]
struct Contents {
    oprf_seed: OprfSeed,
    setups: Vec<KeyPair>,
    address_hmac: AddressHmacKey,
    address_aead: AddressAeadKey,
    ticket: TicketKey,
    code: CodeKey,
}

#[derive(Deserialize)]
struct KeyPair {
    id: u32,
    private_key: AkeKey,
    dummy_key: DummyKey,
}

/// Reads a key file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<ServerKey>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let malformed = || KeyFileError::Malformed(path.to_owned());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_file() || mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
    }
    // One allocation: growing would leave copies behind.
    let length = usize::try_from(metadata.len().min(MAX_BYTES)).map_err(|_| malformed())?;
    let mut text = Zeroizing::new(String::with_capacity(length + 1));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(io)?;
    let head: Head = serde_json::from_str(&text).map_err(|_| malformed())?;
    if head.version != VERSION {
        return Err(KeyFileError::Version { path: path.to_owned(), version: head.version });
    }
    let contents = serde_json::from_str(&text).map_err(|_| malformed())?;
    assemble(contents).ok_or_else(malformed).map(Some)
}

fn assemble(contents: Contents) -> Option<ServerKey> {
    let Contents { oprf_seed, setups, address_hmac, address_aead, ticket, code } = contents;
    let in_order = setups.windows(2).all(|pair| pair[0].id < pair[1].id);
    if setups.is_empty() || !in_order {
        return None;
    }
    let setups = setups
        .iter()
        .map(|pair| Some(Setup { id: pair.id, opaque: opaque_setup(&oprf_seed, pair)? }))
        .collect::<Option<_>>()?;
    Some(ServerKey { oprf_seed, setups, address_hmac, address_aead, ticket, code })
}

/// opaque-ke serialises its setup as OPRF seed ‖ AKE private key ‖ dummy public key, in all 128
/// bytes; the seed is kept once for all key pairs.
fn opaque_setup(seed: &OprfSeed, pair: &KeyPair) -> Option<OpaqueSetup> {
    let mut bytes = Zeroizing::new([0; 128]);
    bytes[..64].copy_from_slice(seed.bytes());
    bytes[64..96].copy_from_slice(pair.private_key.bytes());
    bytes[96..].copy_from_slice(pair.dummy_key.bytes());
    ServerSetup::deserialize(bytes.as_slice()).ok()
}

/// Makes a key file with fresh keys; leaves one that is there already alone.
pub(super) fn create(path: &Path) -> Result<(), KeyFileError> {
    let contents = fresh().map_err(|_| KeyFileError::Random)?;
    publish(path, text(&contents).as_bytes())
        .map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

fn fresh() -> Result<Contents, rand08::Error> {
    Ok(Contents {
        oprf_seed: random()?,
        setups: vec![fresh_pair(1)],
        address_hmac: random()?,
        address_aead: random()?,
        ticket: random()?,
        code: random()?,
    })
}

/// The file's text. Written by hand, so that no secret is serialisable.
fn text(contents: &Contents) -> Zeroizing<String> {
    let mut setups = Zeroizing::new(String::with_capacity(256 * contents.setups.len()));
    for pair in &contents.setups {
        let comma = if setups.is_empty() { "" } else { "," };
        let (private, dummy) = (pair.private_key.to_text(), pair.dummy_key.to_text());
        setups.push_str(&Zeroizing::new(format!(
            "{comma}\n    {{ \"id\": {}, \"private_key\": \"{}\", \"dummy_key\": \"{}\" }}",
            pair.id, *private, *dummy,
        )));
    }
    Zeroizing::new(format!(
        "{{\n  \"version\": {VERSION},\n  \"oprf_seed\": \"{}\",\n  \"setups\": [{}\n  ],\n  \
         \"address_hmac\": \"{}\",\n  \"address_aead\": \"{}\",\n  \"ticket\": \"{}\",\n  \
         \"code\": \"{}\"\n}}\n",
        *contents.oprf_seed.to_text(),
        *setups,
        *contents.address_hmac.to_text(),
        *contents.address_aead.to_text(),
        *contents.ticket.to_text(),
        *contents.code.to_text(),
    ))
}

/// A fresh key pair, taken from a setup that opaque-ke makes.
fn fresh_pair(id: u32) -> KeyPair {
    let bytes = Zeroizing::new(OpaqueSetup::new(&mut OsRng).serialize());
    let field = |range| <&[u8; 32]>::try_from(&bytes[range]).expect("the range has 32 bytes");
    KeyPair { id, private_key: field(64..96).into(), dummy_key: field(96..128).into() }
}

/// Writes a file that appears under its name whole, durable and only if none is there.
fn publish(path: &Path, contents: &[u8]) -> io::Result<()> {
    let staging = staging(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staging)?;
    let published = file
        .write_all(contents)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&staging, path));
    fs::remove_file(&staging)?;
    match published {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(directory(path))?.sync_all(),
    }
}

/// A name that nothing has: a process id comes again after a crash.
fn staging(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    OsRng.try_fill_bytes(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.new", u64::from_be_bytes(random)));
    Ok(name.into())
}

/// Removes what a process that was stopped while it made the file has left: a copy of secrets.
pub(super) fn remove_staged(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let before = [name.as_encoded_bytes(), b"."].concat();
    // A directory that can't be listed is somebody else's, who put the key there.
    let Ok(entries) = fs::read_dir(directory(path)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let middle = found.as_encoded_bytes().strip_prefix(before.as_slice());
        if middle
            .and_then(|rest| rest.strip_suffix(b".new"))
            .is_some_and(|middle| middle.iter().all(u8::is_ascii_hexdigit))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("server.key");
        create(&path).expect("makes a key");
        (dir, path)
    }

    fn rewrite(path: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(path).expect("reads");
        assert!(text.contains(from));
        fs::write(path, text.replacen(from, to, 1)).expect("writes");
    }

    /// Holds rule 34.
    #[test]
    fn is_private_and_the_same_when_read_again() {
        let (dir, path) = made();
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = read(&path).expect("reads").expect("is there");
        create(&path).expect("changes nothing");
        let again = read(&path).expect("reads").expect("is there");
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert!(first.current_setup().opaque() == again.current_setup().opaque());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "no staging file stays");
    }

    /// A crash while the first key was made must neither keep its copy nor be in the way.
    #[test]
    fn what_a_crash_left_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let left = [format!("server.key.{}.new", std::process::id()), "server.key.0af.new".into()];
        for name in &left {
            fs::write(dir.path().join(name), b"secret").expect("writes");
        }
        for name in ["server.key.new", "server.key.old.new", "my.server.key.1.new"] {
            fs::write(dir.path().join(name), b"").expect("writes");
        }
        ServerKey::open_or_create(dir.path(), None).expect("makes a key");
        for name in &left {
            assert!(!dir.path().join(name).exists(), "{name}");
        }
        // The key, the mark of a beginning, and what is not ours.
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 2 + 3);
    }

    /// Holds rule 34.
    #[test]
    fn refuses_a_file_that_others_may_read() {
        let (_dir, path) = made();
        for mode in [0o640, 0o604, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
            assert!(
                matches!(read(&path), Err(KeyFileError::Permissions { mode: m, .. }) if m == mode)
            );
        }
    }

    #[test]
    fn refuses_the_future_and_damage() {
        let (_dir, path) = made();
        rewrite(&path, "\"version\": 1", "\"version\": 2");
        assert!(matches!(read(&path), Err(KeyFileError::Version { version: 2, .. })));
        rewrite(&path, "\"version\": 2", "\"version\": 1");
        rewrite(&path, "\"dummy_key\": \"", "\"dummy_key\": \"____");
        assert!(matches!(read(&path), Err(KeyFileError::Malformed(_))));
        fs::write(&path, b"").expect("writes");
        assert!(matches!(read(&path), Err(KeyFileError::Malformed(_))));
    }

    #[test]
    fn older_key_pairs_stay_beside_the_newest() {
        let (_dir, path) = made();
        let first = read(&path).expect("reads").expect("is there");
        let text = fs::read_to_string(&path).expect("reads");
        let mut contents: Contents = serde_json::from_str(&text).expect("parses");
        contents.setups.push(fresh_pair(2));
        fs::write(&path, super::text(&contents).as_bytes()).expect("writes");
        let both = read(&path).expect("reads").expect("is there");
        assert_eq!(both.current_setup().id(), 2);
        assert!(both.setup(1).is_some_and(|old| old.opaque() == first.current_setup().opaque()));
        assert!(both.setup(3).is_none());
        assert_eq!(both.fingerprint(), first.fingerprint(), "rotation leaves it alone");
    }

    #[test]
    fn a_database_without_its_key_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(crate::store::DATABASE), b"").expect("writes");
        assert!(matches!(
            ServerKey::open_or_create(dir.path(), None),
            Err(KeyFileError::Missing(_))
        ));
        let elsewhere = tempfile::tempdir().expect("a directory");
        let path = elsewhere.path().join("key");
        create(&path).expect("makes a key");
        assert!(ServerKey::open_or_create(dir.path(), Some(&path)).is_ok());
    }
}
