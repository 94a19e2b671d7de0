//! Epochs: the ways back to one, another phrase, and what is locked moved over. Nothing of one epoch
//! is lost by what happens in another.

use keybackup_protocol::B64;
use keybackup_protocol::api::{CommitIndex, Keyring, MovedLabel, Slot, SlotKind};

use super::fixtures::{NOW, User, assert_refused, mail, new_attempt, new_epoch, persona};
use super::resets::{
    current, displace, epoch, mailed, new_code, new_reset, reset, session_id, undo,
};
use crate::store::{
    Bucket, EpochChoice, EpochVerifier, NewAttempt, NewReset, ProvenLogin, RecoveryRotation, Reset,
    ResetWith, Store, StoreError, Undo, UndoWith, Unlocking,
};

pub(crate) async fn the_owner_goes_back_without_the_mailbox(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, b"content")).await;
    displace(store, 1, 100).await;
    let refused = async |attempt: Undo| {
        assert_refused!(store.undo_reset(attempt).await.map(drop), StoreError::ProofRefused);
    };
    refused(undo(1, 9, 60)).await;
    refused(undo(77, 1, 60)).await;
    assert_eq!(store.undo_reset(undo(1, 1, 60)).await.expect("undoes"), (epoch(1), true));
    assert_eq!(current(store, 1).await, Some(epoch(1)));
    assert_eq!(store.undo_reset(undo(1, 1, 61)).await.expect("is so"), (epoch(1), false));
    user.commit(user.push(persona(5), 1, 2, b"more")).await;

    // The thief's phrase takes nothing back, and the mailbox alone makes no new epoch for a month.
    refused(undo(1, 100, 62)).await;
    mailed(store, 1, 104).await;
    let barred = store.open_reset(new_reset(1, 104, None)).await.map(drop);
    assert_refused!(barred, StoreError::ResetBarred { retry_after_s: Some(_) });
    let of_thief = store.open_reset(new_reset(1, 104, Some(100))).await.map(drop);
    assert_refused!(of_thief, StoreError::ProofRefused);
    store.open_reset(new_reset(1, 104, Some(1))).await.map(drop).expect("the phrase opens");
}

/// Nor when the owner is in an epoch of his own making by then.
pub(crate) async fn an_epoch_that_was_undone_does_not_come_back(store: &dyn Store) {
    User::register(store, 1).await;
    displace(store, 1, 100).await;
    store.undo_reset(undo(1, 1, 60)).await.expect("undoes");
    let later = NOW + 31 * 86_400;
    mailed(store, 1, 101).await;
    let opened = NewReset { expires_at: later + 1800, ..new_reset(1, 101, Some(1)) };
    store.open_reset(opened).await.map(drop).expect("opens");
    // A month later the owner, who lost the phrase, makes one by mail.
    store.request_code(new_code(1, 102, later)).await.expect("mails");
    let opened = NewReset { now: later, expires_at: later + 1800, ..new_reset(1, 102, None) };
    store.open_reset(opened).await.map(drop).expect("no longer barred");
    let with = ResetWith::MailAlone(new_epoch(102));
    store.reset_password(Reset { now: later, ..reset(1, 102, with) }).await.expect("resets");
    let refused = store.undo_reset(undo(1, 100, 61)).await.map(drop);
    assert_refused!(refused, StoreError::ProofRefused);
    let previous =
        NewAttempt { epoch: EpochChoice::Previous, ..new_attempt(1, 120, Bucket::Strangers, NOW) };
    let found = store.open_attempt(previous).await.expect("opens").expect("is there");
    assert_eq!(found.epoch, epoch(1));
    assert_eq!(store.undo_reset(undo(1, 1, 62)).await.expect("undoes"), (epoch(1), true));
}

pub(crate) async fn the_owner_goes_back_with_password_and_root(store: &dyn Store) {
    let user = User::register(store, 1).await;
    displace(store, 1, 100).await;
    let open = async |id: u8, choice| {
        let attempt = NewAttempt { epoch: choice, ..new_attempt(1, id, Bucket::Strangers, NOW) };
        store.open_attempt(attempt).await.expect("opens").map(|found| found.epoch)
    };
    assert_eq!(open(110, EpochChoice::Current).await, Some(epoch(100)));
    assert_eq!(open(111, EpochChoice::Named(epoch(1))).await, Some(epoch(1)));
    assert_eq!(open(112, EpochChoice::Previous).await, Some(epoch(1)));
    let undo = |id: u8, of: u8, root: u8| Undo {
        with: UndoWith::Password {
            login: ProvenLogin { epoch: epoch(of), ..user.proven(id) },
            root: [root; 32],
        },
        mail: mail(id),
        now: NOW,
    };
    assert_refused!(store.undo_reset(undo(111, 1, 9)).await, StoreError::ProofRefused);
    assert_refused!(store.undo_reset(undo(99, 1, 1)).await, StoreError::AttemptRefused);
    assert_eq!(store.undo_reset(undo(112, 1, 1)).await.expect("undoes"), (epoch(1), true));
    assert_eq!(store.undo_reset(undo(112, 1, 1)).await.expect("the same"), (epoch(1), false));
    assert_refused!(store.undo_reset(undo(110, 100, 100)).await, StoreError::ProofRefused);
}

pub(crate) async fn a_new_phrase_replaces_the_old_one(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let rotation = |id: u8, generation: u64| RecoveryRotation {
        login: user.proven(id),
        session: user.session_id,
        slot: Slot { kind: SlotKind::Recovery, generation, sealed: B64(vec![id; 300]) },
        phrase_verifier: B64(vec![id; 32]),
        mail: mail(id),
        now: NOW,
    };
    assert_refused!(store.rotate_recovery(rotation(100, 2)).await, StoreError::AttemptRefused);
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    assert_refused!(store.rotate_recovery(rotation(100, 3)).await, StoreError::Conflict);
    assert_refused!(store.rotate_recovery(rotation(100, 1)).await, StoreError::Invalid(_));
    let password = RecoveryRotation {
        slot: Slot { kind: SlotKind::Password, ..rotation(100, 2).slot },
        ..rotation(100, 2)
    };
    assert_refused!(store.rotate_recovery(password).await, StoreError::Invalid(_));
    store.rotate_recovery(rotation(100, 2)).await.expect("rotates");
    store.rotate_recovery(rotation(100, 2)).await.expect("the answer was lost");
    let facts = store.account(user.account, user.epoch).await.expect("answers");
    assert_eq!((facts.recovery_generation, facts.password.generation), (2, 1));
    let open = |byte| store.open_epoch(user.account, user.epoch, EpochVerifier::Phrase([byte; 32]));
    assert_refused!(open(1).await.map(drop), StoreError::ProofRefused);
    assert_eq!(open(100).await.expect("opens").recovery_slot.generation, 2);
    // A reset that was proven with the old one comes too late.
    mailed(store, 1, 101).await;
    assert_refused!(
        store.open_reset(new_reset(1, 101, Some(1))).await.map(drop),
        StoreError::ProofRefused
    );
}

/// User 1 pushes a persona, is reset to epoch 100, and pushes another there.
async fn two_epochs(store: &dyn Store) -> User<'_> {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, &[5; 1000])).await;
    user.commit(user.push(persona(5), 1, 2, &[6; 1000])).await;
    displace(store, 1, 100).await;
    let user = User { session_id: session_id(store, 100).await, epoch: epoch(100), ..user };
    user.commit(user.push(persona(6), 0, 1, &[7; 1000])).await;
    user
}

fn unlocking(user: &User<'_>) -> Unlocking {
    Unlocking {
        session: user.session_id,
        account: user.account,
        device: user.device(),
        epoch: user.epoch,
        locked: epoch(1),
        proof: EpochVerifier::Phrase([1; 32]),
        keyring: Keyring { version: 2, sealed: B64(vec![9; 1000]) },
        index: CommitIndex { base: 2, counter: 3, sealed: B64(b"index 3".to_vec()) },
        locked_counter: 3,
        labels: vec![MovedLabel {
            persona: persona(5),
            base: 2,
            version: 3,
            label: B64(b"label 3".to_vec()),
            content_version: 2,
        }],
        now: NOW,
    }
}

pub(crate) async fn what_is_locked_moves_at_once(store: &dyn Store) {
    let user = two_epochs(store).await;
    let held = async |of| store.account(user.account, of).await.expect("answers").held_bytes;
    let (before, locked) = (held(epoch(100)).await, held(epoch(1)).await);
    store.unlock(unlocking(&user)).await.expect("unlocks");
    let listing = store.listing(user.account, epoch(100)).await.expect("lists");
    assert_eq!((listing.keyring_version, listing.index.counter), (2, 3));
    let listed: Vec<_> = listing.personas.iter().map(|it| (it.id, it.version)).collect();
    assert_eq!(listed, [(persona(5), 3), (persona(6), 1)]);
    assert_eq!(user.content(persona(5), None).await.expect("is there"), [6; 1000]);
    assert_eq!(user.content(persona(5), Some(1)).await.expect("is there"), [5; 1000]);
    let epochs = store.epochs(user.account).await.expect("lists");
    assert_eq!((epochs[0].closed, epochs[0].personas, epochs[1].personas), (true, 0, 2));
    // Every byte is counted once: what left the one came to the other, and the new label.
    let (left, now) = (held(epoch(1)).await, held(epoch(100)).await);
    assert_eq!(left, 7 + 1, "its index, and the record of the device that registered");
    assert_eq!(now, before + (locked - left) + b"label 3".len() as u64 + 256);

    assert_eq!(current(store, 1).await, None, "sessions of the old epoch are over");
    assert_refused!(store.unlock(unlocking(&user)).await, StoreError::Gone);
    assert_refused!(store.undo_reset(undo(1, 1, 60)).await, StoreError::ProofRefused);
    mailed(store, 1, 105).await;
    let closed = store.open_reset(new_reset(1, 105, Some(1))).await.map(drop);
    assert_refused!(closed, StoreError::ProofRefused);
    let named = NewAttempt {
        epoch: EpochChoice::Named(epoch(1)),
        ..new_attempt(1, 120, Bucket::Strangers, NOW)
    };
    assert!(store.open_attempt(named).await.expect("opens").is_none(), "no way in");
    // And pushes go on.
    let mut next = user.push(persona(5), 3, 3, b"next");
    next.head.keyring_version = 2;
    user.commit(next).await;
}

type Spoil = fn(&mut Unlocking);

pub(crate) async fn an_unlocking_that_is_refused_changes_nothing(store: &dyn Store) {
    let user = two_epochs(store).await;
    let before = store.listing(user.account, epoch(100)).await.expect("lists");
    let invalid = async |bad: Spoil| {
        let mut unlocking = unlocking(&user);
        bad(&mut unlocking);
        store.unlock(unlocking).await.map_err(|error| error.to_string())
    };
    let cases: [(Spoil, StoreError); 13] = [
        (|it| it.proof = EpochVerifier::Phrase([2; 32]), StoreError::ProofRefused),
        (|it| it.proof = EpochVerifier::Root([2; 32]), StoreError::ProofRefused),
        (|it| it.locked = epoch(77), StoreError::Gone),
        (|it| it.epoch = epoch(1), StoreError::Stale),
        (|it| it.session = 1, StoreError::SessionEnded),
        (|it| it.keyring.version = 1, StoreError::Stale),
        (|it| it.index.base = 1, StoreError::Conflict),
        (|it| it.locked_counter = 2, StoreError::Conflict),
        (|it| it.labels[0].base = 1, StoreError::Conflict),
        (|it| it.labels[0].persona = persona(6), StoreError::Gone),
        (|it| it.labels[0].content_version = 9, StoreError::Gone),
        (|it| it.index.sealed.0.clear(), StoreError::Invalid("the index is empty or too large")),
        (|it| it.labels[0].label.0.clear(), StoreError::Invalid("a label is empty or too large")),
    ];
    for (case, (bad, expected)) in cases.into_iter().enumerate() {
        assert_eq!(invalid(bad).await, Err(expected.to_string()), "case {case}");
    }
    let after = store.listing(user.account, epoch(100)).await.expect("lists");
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(store.listing(user.account, epoch(1)).await.expect("lists").personas.len(), 1);
    store
        .unlock(Unlocking { proof: EpochVerifier::Root([1; 32]), ..unlocking(&user) })
        .await
        .expect("the root is as good");
}
