//! What a login may bring, given what the profile has seen.

use keybackup_protocol::{AccountId, B64, EpochId};
use rand08::rngs::OsRng;

use super::*;
use crate::account::Grant;

/// An epoch whose personas have moved.
const CLOSED: EpochId = EpochId::from_bytes([8; 16]);

fn slot(generation: u64, sealed: &[u8]) -> api::Slot {
    api::Slot { kind: api::SlotKind::Recovery, generation, sealed: B64(sealed.to_vec()) }
}

fn keyring(version: u64) -> api::Keyring {
    api::Keyring { version, sealed: B64(b"keyring".to_vec()) }
}

fn record() -> Record {
    Record {
        server: "https://keys.example.org".parse().expect("a server"),
        email: "alice@example.org".parse().expect("an address"),
        account_id: AccountId::from_bytes([1; 16]),
        epoch_id: EpochId::from_bytes([2; 16]),
        device_id: DeviceId::from_bytes([3; 16]),
        device_name: "laptop".into(),
        keyring: keyring(5),
        recovery_slot: slot(5, b"slot"),
        newer_recovery_slot: None,
        former: Vec::new(),
        closed: vec![CLOSED],
        stored: None,
    }
}

/// What comes of a login that brings what the record has, but for `change`.
fn refused(change: fn(&mut LoggedIn)) -> Option<Code> {
    let record = record();
    let mut logged_in = LoggedIn {
        account: record.account_id,
        epoch: record.epoch_id,
        root: RootKey::generate(&mut OsRng),
        keyring: Keyring::first(&mut OsRng),
        sealed_keyring: record.keyring.clone(),
        recovery_slot: record.recovery_slot.clone(),
        device_record: None,
        grant: Grant {
            token: Token::parse(format!("kb_{}", "a".repeat(43))).expect("a token"),
            expires_at: 0,
            device_cookie: DeviceCookie::parse(format!("kbd_{}", "b".repeat(22))).expect("one"),
        },
    };
    change(&mut logged_in);
    refuse_strange_account(&record, &logged_in)
        .and_then(|()| refuse_strange_keys(&record, &logged_in))
        .err()
        .map(|failure| failure.code())
}

#[test]
fn a_login_brings_the_account_that_was_seen_or_a_newer_state_of_it() {
    assert_eq!(refused(|_| ()), None);
    assert_eq!(refused(|login| login.sealed_keyring = keyring(6)), None);
    assert_eq!(refused(|login| login.recovery_slot = slot(6, b"of a new phrase")), None);
    let other_account: fn(&mut LoggedIn) = |login| login.account = AccountId::from_bytes([9; 16]);
    // One that was left for good; another one comes of a reset, whose password has opened it.
    let closed_epoch: fn(&mut LoggedIn) = |login| login.epoch = CLOSED;
    assert_eq!(refused(|login| login.epoch = EpochId::from_bytes([9; 16])), None);
    for change in [
        other_account,
        closed_epoch,
        |login| login.sealed_keyring = keyring(4),
        |login| login.recovery_slot = slot(4, b"slot"),
    ] {
        assert_eq!(refused(change), Some(Code::Rollback));
    }
    let other_slot = refused(|login| login.recovery_slot = slot(5, b"another"));
    assert_eq!(other_slot, Some(Code::Integrity));
}
