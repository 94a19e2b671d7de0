//! Where a login goes, that it comes back, and what logging out leaves.

use std::cell::RefCell;
use std::collections::HashMap;

use super::super::keychain::KeychainError;
use super::super::tests::{locked, record};
use super::*;

/// Long, so that nothing else looks like it.
const TOKEN: &str = "kb_token-that-is-searched-for-in-every-file";
const COOKIE: &str = "kbd_cookie";

fn login() -> Login {
    Login::new(TOKEN, &[9; 32], 1_700_000_000, COOKIE)
}

/// A keyring in memory, or none.
struct Fake(Option<RefCell<HashMap<String, Vec<u8>>>>);

impl Fake {
    fn working() -> Self {
        Self(Some(RefCell::default()))
    }

    fn entries(&self) -> Result<&RefCell<HashMap<String, Vec<u8>>>, KeychainError> {
        self.0.as_ref().ok_or(KeychainError::Absent)
    }
}

impl Keychain for Fake {
    fn load(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        Ok(self.entries()?.borrow().get(name).cloned().map(Zeroizing::new))
    }

    fn save(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
        self.entries()?.borrow_mut().insert(name.to_owned(), secret.to_vec());
        Ok(())
    }

    fn erase(&self, name: &str) -> Result<(), KeychainError> {
        self.entries()?.borrow_mut().remove(name);
        Ok(())
    }
}

/// Saves as a command does: the record is there before, and says where afterwards.
fn save(
    profile: &LockedProfile,
    record: &mut Record,
    choice: Option<StoreKind>,
    keychain: &Fake,
) -> (Result<StoreKind, ProfileError>, Vec<String>) {
    profile.save_record(record).expect("saved");
    let mut said = Vec::new();
    let kind = profile.save_login(&login(), choice, keychain, |text| said.push(text.to_owned()));
    if let Ok(kind) = kind {
        record.stored = Some(kind);
    }
    (kind, said)
}

fn never(said: &str) {
    panic!("{said}");
}

fn assert_is_back(found: Option<Login>) {
    let found = found.expect("there");
    let session = found.session.expect("a session");
    assert_eq!((session.token.as_str(), session.expires_at), (TOKEN, 1_700_000_000));
    assert_eq!(*session.root, [9; 32]);
    assert_eq!(found.device_cookie.expect("a cookie").as_str(), COOKIE);
}

#[test]
fn a_keyring_that_answers_keeps_it_and_nothing_is_said() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake::working());
    let (kind, said) = save(&profile, &mut record, None, &keychain);
    assert_eq!((kind.expect("saved"), said.len()), (StoreKind::Keyring, 0));
    assert_is_back(profile.login_in(&record, &keychain).expect("readable"));
    assert_eq!(profile.login_file_mode(), None, "no file has it too");
}

#[test]
fn without_a_keyring_a_private_file_keeps_it_and_that_is_said_once() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake(None));
    let (kind, said) = save(&profile, &mut record, None, &keychain);
    assert_eq!((kind.expect("saved"), said.len()), (StoreKind::File, 1));
    assert!(said[0].contains("login.json"));
    assert_eq!(profile.login_file_mode(), Some(0o600));
    assert_is_back(profile.login_in(&record, &keychain).expect("readable"));
    let (kind, said) = save(&profile, &mut record, None, &keychain);
    assert_eq!((kind.expect("saved"), said.len()), (StoreKind::File, 0), "the second time");
}

#[test]
fn a_keyring_that_was_asked_for_and_fails_is_an_error_and_no_file() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record) = (locked(data.path()), record());
    let (kind, said) = save(&profile, &mut record, Some(StoreKind::Keyring), &Fake(None));
    assert!(matches!(kind, Err(ProfileError::Keychain(KeychainError::Absent))));
    assert_eq!((said.len(), profile.login_file_mode()), (0, None));
}

#[test]
fn what_an_earlier_login_left_elsewhere_is_erased() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake::working());
    let entries = |keychain: &Fake| keychain.entries().expect("works").borrow().len();
    for (choice, in_keyring, in_file) in [
        (StoreKind::File, 0, true),
        (StoreKind::Keyring, 1, false),
        (StoreKind::File, 0, true),
        (StoreKind::None, 0, false),
        (StoreKind::Keyring, 1, false),
        (StoreKind::None, 0, false),
    ] {
        let (kind, _) = save(&profile, &mut record, Some(choice), &keychain);
        assert_eq!(kind.expect("saved"), choice);
        assert_eq!(entries(&keychain), in_keyring, "{choice:?}");
        assert_eq!(profile.login_file_mode().is_some(), in_file, "{choice:?}");
    }
    assert!(profile.login_in(&record, &keychain).expect("readable").is_none());
}

/// Holds rule 34.
#[test]
fn logging_out_erases_token_and_root_and_leaves_the_cookie_and_all_else() {
    for (choice, keychain) in [(StoreKind::File, Fake(None)), (StoreKind::Keyring, Fake::working())]
    {
        let data = tempfile::tempdir().expect("a directory");
        let (profile, mut record) = (locked(data.path()), record());
        profile.save_state(b"sealed").expect("saved");
        let (kind, _) = save(&profile, &mut record, Some(choice), &keychain);
        kind.expect("saved");
        profile.end_session_in(&record, &keychain, never).expect("erased");
        profile.end_session_in(&record, &keychain, never).expect("erased already");
        let left = profile.login_in(&record, &keychain).expect("readable").expect("there");
        assert!(left.session.is_none());
        assert_eq!(left.device_cookie.expect("a cookie").as_str(), COOKIE);
        assert!(profile.state(&EpochId::from_bytes([2; 16])).expect("readable").is_some());
        assert!(profile.record().expect("readable").is_some());
        for entry in std::fs::read_dir(profile.directory()).expect("listable") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
            assert!(!bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()));
        }
    }
}

/// Holds rule 34.
#[test]
fn a_login_file_that_others_could_read_is_tightened() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake(None));
    save(&profile, &mut record, Some(StoreKind::File), &keychain).0.expect("saved");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(profile.path("login.json"), open).expect("set");
    assert_is_back(profile.login_in(&record, &keychain).expect("readable"));
    assert_eq!(profile.login_file_mode(), Some(0o600));
}

/// Holds rule 34.
#[test]
fn a_damaged_login_is_an_error_that_never_shows_it() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake(None));
    save(&profile, &mut record, Some(StoreKind::File), &keychain).0.expect("saved");
    for text in [
        "",
        "{}",
        "{\"schema\":2}",
        "{\"schema\":1,\"session\":{\"token\":\"kb_token\",\"root\":\"AAAA\",\"expires_at\":1}}",
        "{\"schema\":1,\"session\":{\"token\":\"kb_token\"}}",
    ] {
        std::fs::write(profile.path("login.json"), text).expect("written");
        let error = profile.login_in(&record, &keychain).err().expect(text);
        assert!(matches!(error, ProfileError::DamagedLogin), "{text}");
        assert!(!format!("{error:?} {error}").contains("kb_token"));
        profile.end_session_in(&record, &keychain, never).expect("erased all the same");
        assert_eq!(profile.login_file_mode(), None);
    }
}

#[test]
fn a_login_that_can_not_be_read_is_none_and_a_new_one_takes_its_place() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, gone) = (locked(data.path()), record(), Fake(None));
    record.stored = Some(StoreKind::Keyring);
    let mut said = Vec::new();
    let found = profile.login_or_none_in(&record, &gone, |text| said.push(text.to_owned()));
    assert!(found.is_none());
    assert!(said[0].contains("there is no keyring here"), "{said:?}");

    let (kind, said) = save(&profile, &mut record, Some(StoreKind::File), &gone);
    assert_eq!((kind.expect("saved"), said.len()), (StoreKind::File, 1), "{said:?}");
    assert!(said[0].contains(&record.device_id.to_string()), "{said:?}");
    assert_is_back(profile.login_or_none_in(&record, &gone, never));
}

#[test]
fn logging_out_erases_the_file_whatever_the_keyring_answers() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, gone) = (locked(data.path()), record(), Fake(None));
    save(&profile, &mut record, Some(StoreKind::File), &gone).0.expect("saved");
    record.stored = Some(StoreKind::Keyring);
    let mut said = 0;
    profile.end_session_in(&record, &gone, |_| said += 1).expect("erased");
    assert_eq!((profile.login_file_mode(), said), (None, 1));
}

#[test]
fn logging_out_needs_no_room_on_the_disk() {
    let data = tempfile::tempdir().expect("a directory");
    let (profile, mut record, keychain) = (locked(data.path()), record(), Fake(None));
    save(&profile, &mut record, Some(StoreKind::File), &keychain).0.expect("saved");
    // Nothing can be written in its place, as on a full disk.
    std::fs::create_dir(profile.path("login.json.new")).expect("made");
    assert!(profile.save("login.json", b"").is_err());
    profile.end_session_in(&record, &keychain, never).expect("erased");
    assert_eq!(profile.login_file_mode(), None);
}
