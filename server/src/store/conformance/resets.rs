//! Resets, with the phrase and without it: what they change, and that they remove nothing.

use keybackup_protocol::api::{NewEpoch, Slot, SlotKind};
use keybackup_protocol::{AccountId, B64, EpochId};

use super::fixtures::{
    NOW, User, address, assert_refused, mail, network, new_epoch, persona, session,
};
use crate::store::{
    Bucket, CodePurpose, CodeTag, EpochVerifier, NewCode, NewReset, OpenedReset, RecoveryRotation,
    Reset, ResetWith, Store, StoreError, TokenHash, Undo, UndoWith,
};

/// Code `n`.
pub(super) const fn code(n: u8) -> CodeTag {
    CodeTag([n; 32])
}

/// Has code `n` mailed to address `user`.
pub(super) async fn mailed(store: &dyn Store, user: u8, n: u8) {
    // Days ago, each on another: an address is mailed so many a day.
    let code = NewCode { expires_at: NOW + 900, ..new_code(user, n, NOW - 100_000 * i64::from(n)) };
    store.request_code(code).await.expect("mails");
}

pub(super) fn new_code(user: u8, n: u8, now: i64) -> NewCode {
    NewCode {
        id: [n; 16],
        address: address(user),
        sealed_address: vec![user; 40],
        purpose: CodePurpose::Reset,
        tag: code(n),
        mail: mail(n),
        otherwise: None,
        network: network(user),
        now,
        expires_at: now + 900,
    }
}

/// Reset `n` of user `user`, with code `n`.
pub(super) fn new_reset(user: u8, n: u8, phrase: Option<u8>) -> NewReset {
    NewReset {
        id: [n; 16],
        address: address(user),
        code: code(n),
        phrase: phrase.map(|byte| [byte; 32]),
        network: network(user),
        now: NOW,
        expires_at: NOW + 1800,
    }
}

pub(super) fn reset(user: u8, n: u8, with: ResetWith) -> Reset {
    Reset {
        attempt: [n; 16],
        digest: [n; 32],
        address: address(user),
        code: code(n),
        account: AccountId::from_bytes([user; 16]),
        setup_id: 9,
        with,
        session: session(n),
        mail: mail(n ^ 0x80),
        now: NOW,
    }
}

pub(super) fn with_phrase(epoch: u8, verifier: u8, generation: u64, n: u8) -> ResetWith {
    ResetWith::Phrase {
        epoch: EpochId::from_bytes([epoch; 16]),
        verifier: [verifier; 32],
        generation,
        record: B64(vec![n; 192]),
        slot: Slot {
            kind: SlotKind::Password,
            generation: generation + 1,
            sealed: B64(vec![n; 300]),
        },
    }
}

/// Resets user `user` without phrase: epoch `n` is the current one.
pub(crate) async fn displace(store: &dyn Store, user: u8, n: u8) {
    mailed(store, user, n).await;
    store.open_reset(new_reset(user, n, None)).await.map(drop).expect("opens");
    let with = ResetWith::MailAlone(new_epoch(n));
    store.reset_password(reset(user, n, with)).await.expect("resets");
}

pub(crate) fn undo(user: u8, verifier: u8, n: u8) -> Undo {
    Undo {
        with: UndoWith::Phrase {
            address: address(user),
            network: network(user),
            verifier: [verifier; 32],
        },
        mail: mail(n),
        now: NOW,
    }
}

pub(super) async fn current(store: &dyn Store, token: u8) -> Option<EpochId> {
    let session = store.session(&TokenHash([token; 32]), NOW).await.expect("answers")?;
    Some(session.current_epoch)
}

pub(super) const fn epoch(n: u8) -> EpochId {
    EpochId::from_bytes([n; 16])
}

pub(crate) async fn a_code_opens_a_reset_and_a_wrong_one_counts(store: &dyn Store) {
    User::register(store, 1).await;
    User::register(store, 2).await;
    let refused = async |reset: NewReset| {
        assert_refused!(store.open_reset(reset).await.map(drop), StoreError::CodeRefused);
    };
    refused(new_reset(1, 100, None)).await;
    mailed(store, 1, 100).await;
    refused(new_reset(2, 100, None)).await;
    refused(new_reset(77, 100, None)).await;
    for n in 1..=4 {
        refused(new_reset(1, n, None)).await;
    }
    let opened = store.open_reset(new_reset(1, 100, None)).await.expect("the fifth is right");
    assert_eq!(opened.account, AccountId::from_bytes([1; 16]));
    assert!(opened.proven.is_none());
    refused(new_reset(1, 5, None)).await;
    refused(new_reset(1, 100, None)).await;
}

pub(crate) async fn a_phrase_gives_everything_back(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, b"content")).await;
    mailed(store, 1, 100).await;
    let wrong = store.open_reset(new_reset(1, 100, Some(9))).await.map(drop);
    assert_refused!(wrong, StoreError::ProofRefused);
    let OpenedReset { proven, would_lock, .. } = store
        .open_reset(NewReset { id: [101; 16], ..new_reset(1, 100, Some(1)) })
        .await
        .expect("opens");
    let proven = proven.expect("the phrase is right");
    assert!(proven.current && proven.epoch == epoch(1) && would_lock == 1);
    assert_eq!((proven.password_generation, proven.keyring.version), (1, 1));
    assert_eq!(proven.recovery_slot.kind, SlotKind::Recovery);

    let done = || Reset { attempt: [101; 16], ..reset(1, 100, with_phrase(1, 1, 1, 50)) };
    store.reset_password(done()).await.expect("resets");
    assert_eq!(current(store, 1).await, None, "all sessions end");
    assert_eq!(current(store, 100).await, Some(epoch(1)), "but the one that it opens");
    let found = user.attempt(110, Bucket::Device([1; 32]), NOW).await.expect("opens");
    assert_eq!((found.record, found.setup_id, found.generation), (vec![50; 192], 9, 2));
    assert_eq!(user.content(persona(5), None).await.expect("is there"), b"content");

    // The answer was lost: the same again opens its session again, and no second one.
    let again = Reset { session: session(102), ..done() };
    store.reset_password(again).await.expect("the same");
    let other = Reset { digest: [9; 32], ..done() };
    assert_refused!(store.reset_password(other).await, StoreError::AttemptRefused);
    let late = Reset { now: NOW + 1800, ..done() };
    assert_refused!(store.reset_password(late).await, StoreError::AttemptRefused);
}

/// Holds what DESIGN says of a mailbox thief: nothing is removed, nor can he do it later.
pub(crate) async fn mail_alone_appends_an_epoch_and_removes_nothing(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, b"content")).await;
    displace(store, 1, 100).await;
    assert_eq!(current(store, 1).await, Some(epoch(100)), "the old session lives, and sees it");
    let epochs = store.epochs(user.account).await.expect("lists");
    let seen: Vec<_> =
        epochs.iter().map(|it| (it.id, it.current, it.closed, it.personas)).collect();
    assert_eq!(seen, [(epoch(1), false, false, 1), (epoch(100), true, false, 0)]);
    assert_eq!(store.listing(user.account, epoch(100)).await.expect("lists").personas.len(), 0);
    assert_eq!(store.listing(user.account, epoch(1)).await.expect("lists").personas.len(), 1);
    assert_eq!(user.content(persona(5), None).await.expect("is there"), b"content");

    // Neither session changes what is locked.
    let thief = User { session_id: session_id(store, 100).await, epoch: epoch(100), ..user };
    assert_refused!(store.commit(user.removal(persona(5), 1, 2)).await, StoreError::Stale);
    assert_refused!(store.commit(thief.removal(persona(5), 1, 1)).await, StoreError::Stale);
    assert_refused!(
        store.commit(thief.push(persona(5), 0, 1, b"other")).await,
        StoreError::Conflict | StoreError::Stale
    );
    assert!(!store.trash(user.account, persona(5), NOW).await.expect("answers"));
    store.sweep(NOW + 10 * 365 * 86_400).await.expect("sweeps");
    assert_eq!(user.content(persona(5), None).await.expect("never by time"), b"content");
    // And his epoch is no way into the other.
    let root = EpochVerifier::Root([100; 32]);
    let opened = store.open_epoch(user.account, epoch(1), root).await.map(drop);
    assert_refused!(opened, StoreError::ProofRefused);
}

pub(crate) async fn of_two_resets_with_one_code_one_is_made(store: &dyn Store) {
    let user = User::register(store, 1).await;
    mailed(store, 1, 100).await;
    for id in [101, 102] {
        let reset = NewReset { id: [id; 16], ..new_reset(1, 100, None) };
        store.open_reset(reset).await.map(drop).expect("opens");
    }
    let made = |id: u8| {
        let with = ResetWith::MailAlone(new_epoch(id));
        Reset { attempt: [id; 16], digest: [id; 32], ..reset(1, 100, with) }
    };
    store.reset_password(made(101)).await.expect("resets");
    assert_refused!(store.reset_password(made(102)).await, StoreError::CodeRefused);
    assert_eq!(store.epochs(user.account).await.expect("lists").len(), 2);
    // Nor does an epoch id come twice.
    mailed(store, 1, 103).await;
    store.open_reset(new_reset(1, 103, None)).await.map(drop).expect("opens");
    let taken = ResetWith::MailAlone(new_epoch(101));
    assert_refused!(store.reset_password(reset(1, 103, taken)).await, StoreError::Conflict);
    let broken = ResetWith::MailAlone(NewEpoch { slots: Vec::new(), ..new_epoch(103) });
    assert_refused!(store.reset_password(reset(1, 103, broken)).await, StoreError::Invalid(_));
}

/// Who began with the right code has the time of the ticket: neither the code's own, nor a stranger
/// who guesses at it or has another mailed, takes that away.
pub(crate) async fn a_reset_that_began_can_be_finished(store: &dyn Store) {
    User::register(store, 1).await;
    mailed(store, 1, 100).await;
    store.open_reset(new_reset(1, 100, None)).await.map(drop).expect("opens");
    for n in 1..=5 {
        assert_refused!(
            store.open_reset(new_reset(1, n, None)).await.map(drop),
            StoreError::CodeRefused
        );
    }
    mailed(store, 1, 101).await;
    store.sweep(NOW + 1000).await.expect("sweeps");
    let with = ResetWith::MailAlone(new_epoch(100));
    let late = Reset { now: NOW + 1799, ..reset(1, 100, with) };
    store.reset_password(late).await.expect("resets");
}

pub(crate) async fn three_by_mail_alone_in_a_month(store: &dyn Store) {
    User::register(store, 1).await;
    for n in 100..103 {
        displace(store, 1, n).await;
    }
    mailed(store, 1, 103).await;
    let fourth = store.open_reset(new_reset(1, 103, None)).await.map(drop);
    assert_refused!(fourth, StoreError::ResetBarred { retry_after_s: Some(2_592_000) });
    store.open_reset(new_reset(1, 103, Some(1))).await.map(drop).expect("a phrase is no matter");
    let later = NewReset { now: NOW + 2_592_000, ..new_reset(1, 103, None) };
    assert_refused!(store.open_reset(later).await.map(drop), StoreError::CodeRefused);
}

pub(crate) async fn an_older_phrase_is_undo_and_new_password(store: &dyn Store) {
    let user = User::register(store, 1).await;
    displace(store, 1, 100).await;
    mailed(store, 1, 101).await;
    let opened = store.open_reset(new_reset(1, 101, Some(1))).await.expect("opens");
    assert!(!opened.proven.expect("is right").current);
    store.reset_password(reset(1, 101, with_phrase(1, 1, 1, 50))).await.expect("resets");
    assert_eq!(current(store, 101).await, Some(epoch(1)));
    assert_eq!(current(store, 100).await, None, "the thief's session ends");
    let epochs = store.epochs(user.account).await.expect("lists");
    assert!(epochs.iter().all(|it| it.current == (it.id == epoch(1))));
}

pub(crate) async fn a_phrase_replaced_meanwhile_resets_nothing(store: &dyn Store) {
    let user = User::register(store, 1).await;
    mailed(store, 1, 101).await;
    store.open_reset(new_reset(1, 101, Some(1))).await.map(drop).expect("opens");
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    let rotation = RecoveryRotation {
        login: user.proven(100),
        session: user.session_id,
        slot: Slot { kind: SlotKind::Recovery, generation: 2, sealed: B64(vec![2; 300]) },
        phrase_verifier: B64(vec![2; 32]),
        mail: mail(100),
        now: NOW,
    };
    store.rotate_recovery(rotation).await.expect("rotates");
    let late = store.reset_password(reset(1, 101, with_phrase(1, 1, 1, 50))).await;
    assert_refused!(late, StoreError::ProofRefused);
    assert_eq!(current(store, 1).await, Some(epoch(1)), "no session ended");
}

pub(super) async fn session_id(store: &dyn Store, token: u8) -> i64 {
    let session = store.session(&TokenHash([token; 32]), NOW).await.expect("answers");
    session.expect("it holds").id
}
