//! A small account whose server tells every lie that marks are there for.

use keybackup_protocol::api::{self, ListedLabel, ListedPersona, Listing};
use keybackup_protocol::{AccountId, B64, EpochId};
use rand08::rngs::OsRng;
use rand08::{CryptoRng, RngCore};

use super::*;
use crate::marks::{ContradictionKind, ListingError};
use crate::records::{
    Content, Digest, Index, Keyring, Kind, Label, RecordError, SealedRecord, Superseded,
};
use crate::seal::{BlobType, Header, padding};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const EPOCH: EpochId = EpochId::from_bytes([2; 16]);
const WORK: PersonaId = PersonaId::from_bytes([3; 16]);

/// Seals one index always to the same bytes, as a server that keeps it would answer.
struct SameNonce;

impl RngCore for SameNonce {
    fn next_u32(&mut self) -> u32 {
        unreachable!("nonces are filled")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("nonces are filled")
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        out.fill(0);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand08::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for SameNonce {}

/// An honest server's memory, and the one keyring of its only client.
#[derive(Default)]
struct Account {
    labels: Vec<(Label, SealedRecord)>,
    index: Option<Index>,
}

fn label(version: u64, previous: Option<Digest>) -> Label {
    let header = Header {
        blob_type: BlobType::Directory,
        key_id: keybackup_protocol::KeyId::from_bytes([4; 8]),
        account: ACCOUNT,
        persona: WORK,
        version,
        salt: [5; 32],
        commitment: [6; 32],
    };
    let content = Content {
        header: header.into(),
        blake3: Digest::of(b"blob"),
        blob_bytes: padding::blob_bytes(7),
        zip_bytes: 7,
        fingerprint: Digest::of(b"tree"),
        files: 1,
        directories: 0,
        bytes: 7,
    };
    Label {
        kind: Kind::Directory,
        name: "work".parse().expect("a name"),
        nickname: None,
        version,
        content_version: Some(version),
        removed: false,
        content: Some(content),
        device: keybackup_protocol::DeviceId::from_bytes([7; 16]),
        time: 0,
        previous,
        keyring_version: 1,
        supersedes: Vec::new(),
    }
}

impl Account {
    /// Adds a label; a session's push raises the floor too, a token's does not.
    fn push(&mut self, keyring: &Keyring, label: Label, with_index: bool) {
        let sealed = label.seal(&mut OsRng, keyring, ACCOUNT, WORK).expect("sound");
        if with_index {
            let index = self.index.get_or_insert_with(|| Index::new(1));
            index.put(WORK, &label, sealed.hash).expect("it fits");
            index.next(keyring.version());
        }
        self.labels.push((label, sealed));
    }

    /// The next version, chained to the newest.
    fn advance(&mut self, keyring: &Keyring, with_index: bool) {
        let newest = self.labels.last();
        let version = newest.map_or(1, |(label, _)| label.version + 1);
        self.push(keyring, label(version, newest.map(|(_, sealed)| sealed.hash)), with_index);
    }

    fn listing(&self, keyring: &Keyring) -> Listing {
        let index = self.index.clone().unwrap_or_else(|| Index::new(1));
        let sealed = index.seal(&mut SameNonce, keyring, ACCOUNT, EPOCH).expect("sealed");
        let persona = |(label, sealed): &(Label, SealedRecord)| ListedPersona {
            id: WORK,
            version: label.version,
            label: B64(sealed.bytes.clone()),
            stored_at: 0,
            trashed: false,
        };
        Listing {
            account_id: ACCOUNT,
            epoch: EPOCH,
            keyring_version: keyring.version(),
            index: api::Index { counter: index.counter(), sealed: B64(sealed.bytes) },
            personas: self.labels.last().map(persona).into_iter().collect(),
        }
    }

    fn open(&self, keyring: &Keyring, state: &LocalState) -> Opened {
        let mut opened = Opened::open(&self.listing(keyring), keyring, ACCOUNT).expect("it opens");
        for ChainNeeded { persona, from } in chains_needed(state, &opened) {
            let labels = self.labels.iter().filter(|(label, _)| label.version >= from);
            let labels: Vec<_> = labels
                .map(|(label, sealed)| ListedLabel {
                    version: label.version,
                    label: B64(sealed.bytes.clone()),
                    stored_at: 0,
                    bytes_held: true,
                })
                .collect();
            opened.add_chain(persona, &labels, keyring).expect("they open");
        }
        opened
    }

    fn check(&self, keyring: &Keyring, state: &LocalState) -> Result<(), Contradiction> {
        check(state, &self.open(keyring, state))
    }
}

/// An account with `versions` pushes of sessions, and a device that has seen the first `seen`.
fn account(versions: u64, seen: u64) -> (Keyring, Account, LocalState) {
    let keyring = Keyring::first(&mut OsRng);
    let (mut account, mut state) = (Account::default(), LocalState::new(EPOCH));
    for version in 1..=versions {
        account.advance(&keyring, true);
        if version == seen {
            state.absorb(&account.open(&keyring, &state), 1000);
        }
    }
    (keyring, account, state)
}

#[test]
fn honest_listings_pass_and_are_absorbed_once() {
    let (keyring, mut account, mut state) = account(3, 0);
    assert_eq!(account.check(&keyring, &state), Ok(()), "a fresh device");
    let opened = account.open(&keyring, &state);
    assert!(state.absorb(&opened, 5) && !state.absorb(&opened, 6));
    let mark = &state.personas[&WORK];
    assert_eq!((mark.version, mark.seen_at, state.index_counter), (3, 5, 4));
    assert_eq!(check(&state, &opened), Ok(()), "the same again");
    account.index.as_mut().expect("there is one").next(1);
    assert!(state.absorb(&account.open(&keyring, &state), 6), "an index alone is news");
    assert_eq!((state.index_counter, state.seen_at), (5, 6));
    state.keyring_version = 0;
    assert!(state.absorb(&account.open(&keyring, &state), 6), "a keyring alone is news");
    assert_eq!(state.keyring_version, 1);
    account.advance(&keyring, true);
    assert_eq!(account.check(&keyring, &state), Ok(()), "one more");
    for _ in 0..3 {
        account.advance(&keyring, false);
    }
    assert_eq!(account.check(&keyring, &state), Ok(()), "and three by a token");
    let needed = chains_needed(&state, &account.open(&keyring, &state));
    assert_eq!(needed, [ChainNeeded { persona: WORK, from: 5 }]);
    state.absorb(&account.open(&keyring, &state), 7);
    assert_eq!(chains_needed(&state, &account.open(&keyring, &state)), []);
}

/// Holds rules 13 and 14.
#[test]
fn going_back_is_seen() {
    let (keyring, mut account, state) = account(5, 5);
    account.labels.pop();
    let error = account.check(&keyring, &state).expect_err("version 4");
    let expected =
        matches!(error, Contradiction::RolledBack { seen: 5, listed: 4, seen_at: 1000, .. });
    assert!(expected, "{error:?}");
    assert_eq!((error.kind(), error.seen_at()), (ContradictionKind::Rollback, Some(1000)));
    let fresh = LocalState::new(EPOCH);
    let error = account.check(&keyring, &fresh).err();
    let floor = matches!(error, Some(Contradiction::BelowFloor { floor: 5, listed: 4, .. }));
    assert!(floor, "even a fresh device sees it: {error:?}");

    account.labels.clear();
    let error = account.check(&keyring, &state).expect_err("none");
    assert_eq!((error.kind(), error.seen_at()), (ContradictionKind::Rollback, Some(1000)));
    let text = "persona work is missing, and this device has seen its version 5";
    assert_eq!(error.to_string(), text);
    let error = account.check(&keyring, &fresh).expect_err("none");
    assert_eq!((error.kind(), error.seen_at()), (ContradictionKind::Rollback, None));
    let text = "persona work is missing, and the index has it at version 5";
    assert_eq!(error.to_string(), text);
    account.index = Some(Index::new(1));
    let error = account.check(&keyring, &state).err();
    let back = matches!(error, Some(Contradiction::IndexRolledBack { seen: 6, listed: 1, .. }));
    assert!(back, "{error:?}");
}

/// Holds rule 15.
#[test]
fn two_indexes_with_one_counter_are_seen() {
    let (keyring, mut account, state) = account(2, 2);
    let work = account.index.take().expect("there is one");
    let mut other = Index::new(1);
    other.put(WORK, &account.labels[1].0, account.labels[0].1.hash).expect("it fits");
    while other.counter() < work.counter() {
        other.next(1);
    }
    account.index = Some(other);
    let error = account.check(&keyring, &state).expect_err("not what was seen");
    assert_eq!(error, Contradiction::IndexForked { counter: 3, seen_at: 1000 });
    assert_eq!((error.kind(), error.seen_at()), (ContradictionKind::Forgery, Some(1000)));
}

/// Holds rule 14.
#[test]
fn epochs_and_keyrings_do_not_go_back() {
    let (keyring, account, mut state) = account(1, 1);
    let opened = account.open(&keyring, &state);
    state.keyring_version = 2;
    let error = check(&state, &opened).err();
    assert_eq!(error, Some(Contradiction::KeyringRolledBack { seen: 2, listed: 1 }));
    state.epoch = EpochId::from_bytes([9; 16]);
    let error = check(&state, &opened).err();
    assert_eq!(error, Some(Contradiction::Epoch { seen: state.epoch, listed: EPOCH }));
    let before = state.clone();
    assert!(!state.absorb(&opened, 9) && state == before, "nor is anything of it remembered");

    let mut listing = account.listing(&keyring);
    listing.keyring_version = 2;
    let old = Opened::open(&listing, &keyring, ACCOUNT).err();
    assert!(matches!(old, Some(ListingError::StaleKeyring { held: 1, listed: 2 })));
    listing.keyring_version = 0;
    let back = Opened::open(&listing, &keyring, ACCOUNT).err();
    assert!(matches!(back, Some(ListingError::KeyringRolledBack { held: 1, listed: 0 })));
    let other = Opened::open(&listing, &keyring, AccountId::from_bytes([9; 16])).err();
    assert!(matches!(other, Some(ListingError::OtherAccount(ACCOUNT))));
}

/// Holds rule 14.
#[test]
fn a_label_or_index_that_knows_a_newer_keyring_is_seen() {
    let keyring = Keyring::first(&mut OsRng);
    let mut account = Account::default();
    let newer = Label { keyring_version: 2, ..label(1, None) };
    account.push(&keyring, newer, true);
    let behind = Err(Contradiction::KeyringBehind { known: 2, listed: 1 });
    assert_eq!(account.check(&keyring, &LocalState::new(EPOCH)), behind);
    account.index.as_mut().expect("there is one").next(2);
    assert_eq!(account.check(&keyring, &LocalState::new(EPOCH)), behind);
}

/// Holds rule 15.
#[test]
fn two_labels_for_one_version_are_seen() {
    let (keyring, mut account, state) = account(2, 2);
    let previous = account.labels[0].1.hash;
    account.labels.pop();
    let index = account.index.as_mut().expect("there is one");
    index.next(1);
    // The server has another client's version 2: under the index that was seen, ...
    account.push(&keyring, label(2, Some(previous)), false);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::Forked { version: 2, .. })), "{error:?}");
    let error = account.check(&keyring, &LocalState::new(EPOCH)).err();
    assert!(matches!(error, Some(Contradiction::NotAsIndexed { version: 2, .. })), "{error:?}");
    // ... and under an index that names it.
    account.index = None;
    let other = account.labels.pop().expect("version 2").0;
    account.push(&keyring, other, true);
    for _ in 0..3 {
        account.index.as_mut().expect("there is one").next(1);
    }
    account.advance(&keyring, false);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::Forked { version: 2, .. })), "{error:?}");
}

/// Holds rules 13 and 15.
#[test]
fn what_runs_ahead_of_the_floor_must_chain() {
    let (keyring, mut account, state) = account(2, 2);
    for _ in 0..3 {
        account.advance(&keyring, false);
    }
    assert_eq!(account.check(&keyring, &state), Ok(()));
    let full = account.labels.len();
    // One is held back.
    let hidden = account.labels.remove(3);
    let error = account.check(&keyring, &state).err();
    let broken = matches!(error, Some(Contradiction::ChainBroken { version: 5, after: 3, .. }));
    assert!(broken, "{error:?}");
    account.labels.insert(3, hidden);
    // Two change places.
    account.labels.swap(2, 3);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::ChainBroken { .. })), "{error:?}");
    account.labels.swap(2, 3);
    assert_eq!((account.labels.len(), account.check(&keyring, &state)), (full, Ok(())));
    // More labels than were asked for, those below the mark, are no harm.
    let mut opened = account.open(&keyring, &state);
    let chain = &mut opened.personas.get_mut(&WORK).expect("it is listed").chain;
    for (number, (label, sealed)) in account.labels[..2].iter().enumerate() {
        let known = Label::open(&keyring, ACCOUNT, WORK, label.version, &sealed.bytes);
        chain.insert(number, known.expect("it opens"));
    }
    assert_eq!(check(&state, &opened), Ok(()));
    // A version that leads elsewhere.
    account.push(&keyring, label(6, Some(Digest::of(b"elsewhere"))), false);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::ChainBroken { version: 6, .. })), "{error:?}");
}

/// Holds rule 15.
#[test]
fn a_retired_key_seals_nothing_above_the_floor() {
    let (old, mut account, state) = account(1, 1);
    account.advance(&old, false);
    let rotated = |old: Keyring| Keyring::first(&mut OsRng).merge(old).expect("one epoch");
    let state = LocalState { index_counter: 0, index: None, ..state };
    let keyring = rotated(old);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::RetiredKey { version: 2, .. })), "{error:?}");
    // At the floor it may stand: rotation raises the floor to what it found.
    let newest = &account.labels[1];
    let index = account.index.as_mut().expect("there is one");
    index.put(WORK, &newest.0, newest.1.hash).expect("higher");
    index.next(keyring.version());
    assert_eq!(account.check(&keyring, &state), Ok(()));
}

/// Holds rule 13.
#[test]
fn the_index_names_what_there_is_and_removals_stay() {
    let (keyring, mut account, state) = account(1, 1);
    let opened = account.open(&keyring, &state);
    let mut unindexed = opened.clone();
    unindexed.personas.insert(PersonaId::from_bytes([9; 16]), opened.personas[&WORK].clone());
    let error = check(&state, &unindexed).err();
    assert!(matches!(error, Some(Contradiction::NotIndexed { .. })), "{error:?}");

    let previous = Some(account.labels[0].1.hash);
    let renamed = Label { name: "home".parse().expect("a name"), ..label(2, previous) };
    account.push(&keyring, renamed, false);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::NotAsIndexed { version: 2, .. })), "{error:?}");
    account.labels.pop();

    let removed =
        Label { removed: true, content: None, content_version: None, ..label(2, previous) };
    account.push(&keyring, removed, true);
    assert_eq!(account.check(&keyring, &state), Ok(()), "a removal is a version");
    account.advance(&keyring, false);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::Resurrected { version: 3, .. })), "{error:?}");
    account.labels.pop();
    account.advance(&keyring, true);
    assert_eq!(account.check(&keyring, &state), Ok(()), "restoring is for who writes the index");
}

/// Holds rule 14.
#[test]
fn a_repair_jumps_over_marks_once_the_floor_has_reached_it() {
    // The server fell back to version 2; this device has seen 4; another one repairs to 6.
    let (keyring, mut account, state) = account(4, 4);
    let lost = account.labels.split_off(2);
    let superseded = Superseded { version: 4, label: lost[1].1.hash };
    let previous = Some(account.labels[1].1.hash);
    let repair = Label { supersedes: vec![superseded], ..label(6, previous) };
    account.push(&keyring, repair.clone(), false);
    account.index.as_mut().expect("there is one").next(1);
    let error = account.check(&keyring, &state).err();
    assert!(matches!(error, Some(Contradiction::ChainBroken { version: 6, after: 4, .. })));
    account.labels.pop();
    account.push(&keyring, repair, true);
    assert_eq!(account.check(&keyring, &state), Ok(()));
}

/// Holds rule 7.
#[test]
fn listings_that_do_not_open_are_errors_and_not_contradictions() {
    let (keyring, account, _) = account(1, 1);
    let listing = account.listing(&keyring);
    let open = |change: fn(&mut Listing)| {
        let mut listing = listing.clone();
        change(&mut listing);
        Opened::open(&listing, &keyring, ACCOUNT).err()
    };
    let twice = open(|listing| listing.personas.push(listing.personas[0].clone()));
    assert!(matches!(twice, Some(ListingError::Duplicate(WORK))));
    let moved = open(|listing| listing.personas[0].version = 2);
    assert!(matches!(moved, Some(ListingError::Label { source: RecordError::Open(_), .. })));
    let index = open(|listing| listing.index.counter += 1);
    assert!(matches!(index, Some(ListingError::Index(RecordError::Open(_)))));
}
