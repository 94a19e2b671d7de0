//! Another address: record, slot and address at once, and the way back while there is one.

use keybackup_protocol::B64;
use keybackup_protocol::api::{Slot, SlotKind};

use super::fixtures::{
    NOW, User, address, assert_refused, mail, network, new_account, new_attempt, new_registration,
    persona, session,
};
use super::resets::{displace, epoch};
use crate::store::{
    AccountDeletion, AddressChange, AddressUndo, Bucket, CodeTag, Credential, FinishedLogin,
    NewRegistration, ProvenLogin, RecoveryRotation, Store, StoreError, TokenHash,
    UNDO_ADDRESS_TTL_S,
};

/// User `user` moves from address `from` to `to`, after login attempt `id` and start `to`.
fn change(user: &User<'_>, id: u8, from: u8, to: u8) -> AddressChange {
    let generation = u64::from(id - 99);
    AddressChange {
        login: ProvenLogin { generation, ..user.proven(id) },
        session: user.session_id,
        attempt: [to; 16],
        former: address(from),
        address: address(to),
        sealed_address: vec![to; 40],
        confirmation: None,
        setup_id: 9,
        record: B64(vec![id; 192]),
        slot: Slot {
            kind: SlotKind::Password,
            generation: generation + 1,
            sealed: B64(vec![id; 300]),
        },
        undo: CodeTag([from; 32]),
        mail_to_former: mail(2 * id),
        mail: mail(2 * id + 1),
        now: NOW,
    }
}

fn undoing(to: u8, code: u8) -> AddressUndo {
    AddressUndo {
        address: address(to),
        code: CodeTag([code; 32]),
        network: network(to),
        mail: mail(20 + to),
        mail_to_former: mail(40 + to),
        now: NOW,
    }
}

/// Begins a change to address `to`; none has confirmed it.
async fn begin(store: &dyn Store, user: &User<'_>, to: u8) -> Result<(), StoreError> {
    let start = NewRegistration { holder: Some(user.account), ..new_registration(to) };
    store.open_registration(start).await
}

/// Begins a login at address `at`.
async fn attempt(store: &dyn Store, at: u8, id: u8) -> Option<Credential> {
    store.open_attempt(new_attempt(at, id, Bucket::Strangers, NOW)).await.expect("answers")
}

/// Moves user 1, whose change `id` is.
async fn moved(store: &dyn Store, user: &User<'_>, id: u8, from: u8, to: u8) {
    begin(store, user, to).await.expect("begins");
    attempt(store, from, id).await.expect("is registered");
    store.change_address(change(user, id, from, to)).await.expect("moves");
}

/// Whom the mails are to that wait, by the first byte of what their address is sealed as.
async fn mailed(store: &dyn Store) -> Vec<u8> {
    let mut to = Vec::new();
    while let Some(mail) = store.claim_mail(NOW, NOW + 100).await.expect("answers") {
        to.extend(mail.sealed_address.first());
        store.forget_mail(mail.id).await.expect("forgets");
    }
    to.sort_unstable();
    to
}

async fn holds(store: &dyn Store, token: u8) -> bool {
    store.session(&TokenHash([token; 32]), NOW).await.expect("answers").is_some()
}

pub(crate) async fn move_record_and_slot_and_end_sessions(store: &dyn Store) {
    let user = User::register(store, 1).await;
    attempt(store, 1, 90).await.expect("opens");
    user.finish(90, NOW).await.expect("logs another device in");
    moved(store, &user, 100, 1, 50).await;
    assert!(holds(store, 1).await, "who asked stays");
    assert!(!holds(store, 90).await, "the others don't");
    assert_eq!(mailed(store).await, [1, 50], "both addresses are told");

    assert!(attempt(store, 1, 101).await.is_none(), "unknown by now");
    let found = attempt(store, 50, 102).await.expect("known by now");
    assert_eq!((found.record, found.setup_id, found.generation), (vec![100; 192], 9, 2));
    let login = FinishedLogin {
        attempt: [102; 16],
        account: found.account,
        epoch: found.epoch,
        generation: found.generation,
        session: session(102),
        mail: None,
        now: NOW,
    };
    let slots = store.finish_login(login).await.expect("finishes").slots;
    let slot = slots.into_iter().find(|slot| slot.kind == SlotKind::Password).expect("one");
    assert_eq!((slot.generation, slot.sealed.0), (2, vec![100; 300]));

    // Whose answer was lost.
    store.change_address(change(&user, 100, 1, 50)).await.expect("the same again");
    assert_eq!(mailed(store).await, [0; 0]);
    let mut other = change(&user, 100, 1, 50);
    other.login.digest = [7; 32];
    assert_refused!(store.change_address(other).await, StoreError::AttemptRefused);
}

pub(crate) async fn are_nobody_elses_while_there_is_a_way_back(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    moved(store, &user, 100, 1, 50).await;
    let again = || NewRegistration { id: [60; 16], ..new_registration(1) };
    assert_refused!(store.open_registration(again()).await, StoreError::Taken);
    let start = NewRegistration { holder: Some(other.account), ..again() };
    assert_refused!(store.open_registration(start).await, StoreError::Taken);
    assert_refused!(begin(store, &other, 50).await, StoreError::Taken);

    let later = NOW + UNDO_ADDRESS_TTL_S;
    let undo = AddressUndo { now: later, ..undoing(1, 1) };
    assert_refused!(store.undo_address(undo).await, StoreError::CodeRefused);
    let free = NewRegistration { now: later, expires_at: later + 1800, ..again() };
    store.open_registration(free).await.expect("it is free");
    store.sweep(later).await.expect("sweeps");
    let mut account = new_account(60);
    (account.address, account.now) = (address(1), later);
    store.register(account).await.expect("registers");
}

pub(crate) async fn come_back_with_record_and_slot(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    moved(store, &user, 101, 50, 51).await;
    mailed(store).await;
    for wrong in [undoing(1, 9), undoing(51, 51), undoing(77, 77)] {
        assert_refused!(store.undo_address(wrong).await, StoreError::CodeRefused);
    }
    assert!(store.undo_address(undoing(1, 1)).await.expect("goes back"));
    assert_eq!(mailed(store).await, [1, 51]);
    assert!(!holds(store, 1).await, "all sessions are over");
    let found = attempt(store, 1, 110).await.expect("is known again");
    assert_eq!((found.record, found.setup_id, found.generation), (vec![1; 192], 7, 1));
    user.finish(110, NOW).await.expect("the old password holds");
    for gone in [50, 51] {
        assert!(attempt(store, gone, 111 + gone).await.is_none());
    }
    assert!(!store.undo_address(undoing(1, 1)).await.expect("it is done"));
    assert_refused!(store.undo_address(undoing(50, 50)).await, StoreError::CodeRefused);
    // What was reserved on the way is free.
    let free = NewRegistration { id: [61; 16], ..new_registration(50) };
    store.open_registration(free).await.expect("is free");
}

pub(crate) async fn can_be_taken_back_by_their_own_account(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    let start = NewRegistration { holder: Some(user.account), id: [62; 16], ..new_registration(1) };
    store.open_registration(start).await.expect("it is its own");
    attempt(store, 50, 101).await.expect("opens");
    let back = AddressChange { attempt: [62; 16], ..change(&user, 101, 50, 1) };
    store.change_address(back).await.expect("goes back");
    let found = attempt(store, 1, 102).await.expect("is known");
    assert_eq!((found.generation, found.record), (3, vec![101; 192]));
    assert!(!store.undo_address(undoing(1, 1)).await.expect("it has it"));
    assert!(store.undo_address(undoing(50, 50)).await.expect("that way is open, too"));
}

pub(crate) async fn stay_while_something_is_locked(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, b"content")).await;
    displace(store, 1, 99).await;
    let session = store.session(&TokenHash([99; 32]), NOW).await.expect("answers").expect("holds");
    let thief = User { session_id: session.id, epoch: epoch(99), ..user };
    begin(store, &thief, 50).await.expect("begins");
    attempt(store, 1, 100).await.expect("opens");
    let held = store.change_address(change(&thief, 100, 1, 50)).await;
    assert_refused!(held, StoreError::AddressHeld);
    assert!(attempt(store, 1, 101).await.is_some());
    assert!(attempt(store, 50, 102).await.is_none());
}

/// Who had the password moves the account, and resets it from the mailbox there.
pub(crate) async fn come_back_over_a_reset(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(5), 0, 1, b"content")).await;
    moved(store, &user, 100, 1, 50).await;
    super::resets::mailed(store, 50, 98).await;
    let with = crate::store::ResetWith::MailAlone(super::fixtures::new_epoch(98));
    let start = super::resets::new_reset(50, 98, None);
    store.open_reset(start).await.map(drop).expect("opens");
    let mut reset = super::resets::reset(50, 98, with);
    reset.account = user.account;
    store.reset_password(reset).await.expect("resets");

    assert!(store.undo_address(undoing(1, 1)).await.expect("goes back"));
    let found = attempt(store, 1, 110).await.expect("is known again");
    assert!(found.epoch == user.epoch, "the owner's epoch");
    user.finish(110, NOW).await.expect("the old password holds");
    assert_eq!(user.content(persona(5), None).await.expect("reads"), b"content");
}

pub(crate) async fn change_nothing_when_refused(store: &dyn Store) {
    let user = User::register(store, 1).await;
    User::register(store, 2).await;
    attempt(store, 1, 100).await.expect("opens");
    let refused = async |change: AddressChange| {
        assert_refused!(store.change_address(change).await, StoreError::AttemptRefused);
    };
    refused(change(&user, 100, 1, 50)).await;
    begin(store, &user, 50).await.expect("begins");
    refused(AddressChange { address: address(51), ..change(&user, 100, 1, 50) }).await;
    refused(AddressChange { now: NOW + 120, ..change(&user, 100, 1, 50) }).await;
    refused(change(&user, 101, 1, 50)).await;
    let invalid = async |bad: AddressChange| {
        assert_refused!(store.change_address(bad).await, StoreError::Invalid(_));
    };
    invalid(AddressChange { former: address(2), ..change(&user, 100, 1, 50) }).await;
    invalid(AddressChange { record: B64(vec![1; 191]), ..change(&user, 100, 1, 50) }).await;
    // Somebody registers it in between.
    let start = NewRegistration { id: [63; 16], ..new_registration(50) };
    store.open_registration(start).await.expect("nobody has it yet");
    let mut faster = new_account(63);
    faster.address = address(50);
    store.register(faster).await.expect("registers");
    let taken = store.change_address(change(&user, 100, 1, 50)).await;
    assert_refused!(taken, StoreError::Taken);

    let found = attempt(store, 1, 103).await.expect("is known");
    assert_eq!((found.generation, found.record), (1, vec![1; 192]));
    assert_eq!(mailed(store).await, [0; 0], "nobody is told what did not happen");
}

pub(crate) async fn are_few(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let mut at = 1;
    for (id, to) in (100..).zip(50..55) {
        moved(store, &user, id, at, to).await;
        at = to;
    }
    begin(store, &user, 55).await.expect("begins");
    attempt(store, at, 105).await.expect("opens");
    let more = store.change_address(change(&user, 105, at, 55)).await;
    assert_refused!(more, StoreError::TooMany { .. });
    assert!(store.undo_address(undoing(1, 1)).await.expect("the first way back is still open"));
}

/// What an undoing could not bring back waits until there is none; the operator alone need not.
pub(crate) async fn keep_what_can_be_undone_as_it_is(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    attempt(store, 50, 101).await.expect("opens");
    let login = ProvenLogin { generation: 2, ..user.proven(101) };
    let rotation = |now| RecoveryRotation {
        login,
        session: user.session_id,
        slot: Slot { kind: SlotKind::Recovery, generation: 2, sealed: B64(vec![2; 300]) },
        phrase_verifier: B64(vec![2; 32]),
        mail: mail(3),
        now,
    };
    let refused = store.rotate_recovery(rotation(NOW)).await;
    assert_refused!(refused, StoreError::UndoOpen { .. });
    let deletion = AccountDeletion { login, ..super::deletion::deletion(&user, 101) };
    let refused = store.delete_account(deletion).await.map(drop);
    assert_refused!(refused, StoreError::UndoOpen { .. });
    assert!(store.undo_address(undoing(1, 1)).await.expect("the way is open"));
}

/// The code is mailed once, so nobody may end it by guessing; guesses count for their network.
pub(crate) async fn come_back_whatever_was_guessed(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    let stranger = |_| AddressUndo { network: network(77), ..undoing(1, 9) };
    for n in 0..super::STARTS {
        let wrong = store.undo_address(stranger(n)).await;
        assert_refused!(wrong, StoreError::CodeRefused);
    }
    assert_refused!(store.undo_address(stranger(0)).await, StoreError::TooMany { .. });
    assert!(store.undo_address(undoing(1, 1)).await.expect("from another network"));
}

/// What was answered with a session before is not answered so again.
pub(crate) async fn end_what_was_finished_before(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    super::resets::mailed(store, 50, 98).await;
    let start = super::resets::new_reset(50, 98, Some(1));
    store.open_reset(start).await.map(drop).expect("opens");
    let reset = || {
        let with = super::resets::with_phrase(1, 1, 2, 98);
        let mut reset = super::resets::reset(50, 98, with);
        reset.account = user.account;
        reset
    };
    store.reset_password(reset()).await.expect("resets");
    store.reset_password(reset()).await.expect("the answer was lost");
    assert!(store.undo_address(undoing(1, 1)).await.expect("goes back"));
    assert_refused!(store.reset_password(reset()).await, StoreError::AttemptRefused);
}

pub(crate) async fn wait_while_the_account_is_disabled(store: &dyn Store) {
    let user = User::register(store, 1).await;
    moved(store, &user, 100, 1, 50).await;
    store.disable_account(user.account, NOW).await.expect("disables");
    assert_refused!(store.undo_address(undoing(1, 1)).await, StoreError::CodeRefused);
    let late = NOW + UNDO_ADDRESS_TTL_S + 100;
    store.enable_account(user.account, late).await.expect("enables");
    let undo = AddressUndo { now: late + 100, ..undoing(1, 1) };
    assert!(store.undo_address(undo).await.expect("the days began anew"));
}

/// An epoch that was undone holds nobody's address: no password leads back to it.
pub(crate) async fn move_although_something_was_undone(store: &dyn Store) {
    let user = User::register(store, 1).await;
    displace(store, 1, 99).await;
    let session = store.session(&TokenHash([99; 32]), NOW).await.expect("answers").expect("holds");
    let thief = User { session_id: session.id, epoch: epoch(99), n: 99, ..user };
    thief.commit(thief.push(persona(9), 0, 1, b"junk")).await;
    let user = User::again(store, 1).await;
    store.undo_reset(super::resets::undo(1, 1, 9)).await.expect("goes back");
    moved(store, &user, 100, 1, 50).await;
}
