//! Mailed codes, and the outbox: who gets what, how often, and that nothing is lost.

use super::fixtures::{
    NOW, User, address, assert_refused, mail, network, new_account, new_registration,
};
use crate::store::{
    CODE_TTL_S, CodePurpose, CodeTag, NewAccount, NewCode, Store, StoreError, WaitingMail,
};

const HOUR: i64 = 60 * 60;

/// A code for user `n`, request `id`.
fn code(n: u8, id: u8, purpose: CodePurpose, now: i64) -> NewCode {
    let otherwise = (purpose == CodePurpose::Confirm).then(|| mail(id + 100));
    NewCode {
        id: [id; 16],
        address: address(n),
        sealed_address: vec![n; 41],
        purpose,
        tag: CodeTag([id; 32]),
        mail: mail(id),
        otherwise,
        network: network(n),
        now,
        expires_at: now + CODE_TTL_S,
    }
}

async fn claim(store: &dyn Store, now: i64) -> Option<WaitingMail> {
    store.claim_mail(now, now + 100).await.expect("answers")
}

/// Asks for a code; whether a letter was queued.
async fn ask(store: &dyn Store, code: NewCode) -> bool {
    let now = code.now;
    store.request_code(code).await.expect("is as for all");
    let letter = claim(store, now).await;
    if let Some(letter) = &letter {
        store.forget_mail(letter.id).await.expect("forgets");
    }
    letter.is_some()
}

pub(crate) async fn goes_to_the_known_and_to_nobody(store: &dyn Store) {
    User::register(store, 1).await;
    for (n, id, purpose, letter, to) in [
        (1, 11, CodePurpose::Reset, 11, true),
        (2, 12, CodePurpose::Reset, 12, false),
        (3, 13, CodePurpose::Confirm, 13, true),
    ] {
        store.request_code(code(n, id, purpose, NOW)).await.expect("is as for all");
        let mail = claim(store, NOW).await.expect("a letter, to nobody at least");
        assert_eq!(mail.sealed_body, [letter]);
        assert_eq!(!mail.sealed_address.is_empty(), to, "{letter}");
        store.forget_mail(mail.id).await.expect("forgets");
    }
    // A registered address is told, and gets no code to register.
    store.request_code(code(1, 14, CodePurpose::Confirm, NOW + 200)).await.expect("as for all");
    let mail = claim(store, NOW + 200).await.expect("a letter");
    assert_eq!((mail.sealed_body, mail.sealed_address), (vec![114], vec![1; 41]));
    assert_eq!((mail.created_at, mail.tries), (NOW + 200, 1));
}

pub(crate) async fn is_limited_for_an_address(store: &dyn Store) {
    User::register(store, 1).await;
    for n in [1, 2] {
        let mut id = 100 * (n - 1);
        // Known or not, and for whatever the codes are.
        for (at, sent) in [
            (0, true),
            (119, false),
            (120, true),
            (239, false),
            (240, true),
            (400, false),
            (HOUR - 1, false),
            (HOUR, true),
            (HOUR + 120, true),
            (HOUR + 240, true),
            (3 * HOUR, false),
            (24 * HOUR - 1, false),
            (24 * HOUR, true),
        ] {
            id += 1;
            let purpose = if id % 2 == 0 { CodePurpose::Reset } else { CodePurpose::Confirm };
            assert_eq!(ask(store, code(n, id, purpose, NOW + at)).await, sent, "{n} {at}");
        }
    }
    // A clock that was set back keeps nobody out.
    assert!(ask(store, code(1, 90, CodePurpose::Reset, NOW - 1_000_000)).await);
}

pub(crate) async fn is_limited_for_a_network(store: &dyn Store) {
    let asked = |n: u8, from: u8| {
        let mut code = code(n, n, CodePurpose::Reset, NOW);
        code.network = network(from);
        code
    };
    for n in 1..=60 {
        assert!(ask(store, asked(n, 1)).await, "{n}");
    }
    assert!(!ask(store, asked(61, 1)).await);
    assert!(ask(store, asked(62, 2)).await, "another network");
}

pub(crate) async fn is_claimed_until_it_is_forgotten(store: &dyn Store) {
    User::register(store, 1).await;
    assert_eq!(store.next_mail_at().await.expect("answers"), None);
    store.request_code(code(1, 1, CodePurpose::Reset, NOW)).await.expect("asks");
    assert_eq!(store.next_mail_at().await.expect("answers"), Some(NOW));
    assert!(claim(store, NOW - 1).await.is_none());
    let first = claim(store, NOW).await.expect("is due");
    assert!(claim(store, NOW + 99).await.is_none(), "somebody sends it");
    let second = claim(store, NOW + 100).await.expect("who sent it did not come back");
    assert_eq!((second.id, second.tries), (first.id, 2));
    store.put_off_mail(first.id, NOW + 500, "timeout".to_owned()).await.expect("puts off");
    assert_eq!(store.next_mail_at().await.expect("answers"), Some(NOW + 500));
    assert!(claim(store, NOW + 499).await.is_none());
    let third = claim(store, NOW + 500).await.expect("is due");
    assert_eq!(third.tries, 3);
    store.forget_mail(third.id).await.expect("forgets");
    assert_eq!(store.next_mail_at().await.expect("answers"), None);
}

pub(crate) async fn tells_of_a_changed_password(store: &dyn Store) {
    super::passwords::replace_record_and_slot_and_end_sessions(store).await;
    let mail = claim(store, NOW).await.expect("the owner is told");
    assert!(mail.sealed_address == vec![1; 40], "at the account's address");
    assert!(mail.account == new_account(1).account);
}

pub(crate) async fn confirms_an_address(store: &dyn Store) {
    store.request_code(code(1, 1, CodePurpose::Confirm, NOW)).await.expect("asks");
    let mut registration = new_registration(1);
    registration.confirmation = Some(CodeTag([1; 32]));
    store.open_registration(registration).await.expect("the code holds");
    let mut account = new_account(1);
    account.confirmation = Some(CodeTag([1; 32]));
    // The code's time runs out while the phrase is written down; the sweep leaves it alone.
    store.sweep(NOW + CODE_TTL_S + 60).await.expect("sweeps");
    account.now = NOW + CODE_TTL_S + 60;
    store.register(account).await.expect("the code is used up");
    let mut again = new_account(1);
    again.confirmation = Some(CodeTag([1; 32]));
    store.register(again).await.expect("the same bytes are the same registration");
}

pub(crate) async fn confirmation_is_counted_and_used_once(store: &dyn Store) {
    User::register(store, 2).await;
    for n in [1, 2] {
        store.request_code(code(n, n, CodePurpose::Confirm, NOW)).await.expect("asks");
        // The same for who has an account and who has none.
        for _ in 0..5 {
            let mut wrong = new_registration(n);
            wrong.id = [200; 16];
            wrong.confirmation = Some(CodeTag([77; 32]));
            assert_refused!(store.open_registration(wrong).await, StoreError::CodeRefused);
        }
        let mut right = new_registration(n);
        right.id = [201; 16];
        right.confirmation = Some(CodeTag([n; 32]));
        assert_refused!(store.open_registration(right).await, StoreError::CodeRefused);
    }
    // Two begun with one code; the first to finish has used it.
    store.request_code(code(3, 3, CodePurpose::Confirm, NOW)).await.expect("asks");
    for id in [3, 30] {
        let mut registration = new_registration(3);
        registration.id = [id; 16];
        registration.confirmation = Some(CodeTag([3; 32]));
        store.open_registration(registration).await.expect("the code holds");
    }
    // A newer code, which anybody can have mailed, takes nothing from who began; and of two that
    // began one registers.
    store.request_code(code(3, 4, CodePurpose::Confirm, NOW + 120)).await.expect("asks");
    let mut account = new_account(3);
    account.confirmation = Some(CodeTag([3; 32]));
    store.register(account).await.expect("registers");
    let mut other = NewAccount { attempt: [30; 16], address: address(3), ..new_account(30) };
    other.confirmation = Some(CodeTag([3; 32]));
    assert_refused!(store.register(other).await, StoreError::Taken);
}
