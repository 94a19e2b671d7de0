//! Uploads: how they begin, grow, end, and become blobs.

use keybackup_protocol::api::CommitBlob;
use keybackup_protocol::{B64, UploadId};

use super::LIMITS;
use super::fixtures::{DAY_S, NOW, User, assert_refused, persona};
use super::parts::{content, push_upload};
use crate::store::{Addition, Commit, NewUpload, Part, Store, StoreError, Upload};

const ONE: UploadId = UploadId::from_bytes([1; 16]);

/// A commit that names upload 1 by what it is in truth.
fn true_push(user: &User<'_>, bytes: &[u8]) -> Commit {
    let mut commit = push_upload(user, 0, 1, bytes.len() as u64, ONE);
    let blake3 = B64(blake3::hash(bytes).as_bytes().to_vec());
    let blob = commit.head.blob.take().expect("a blob");
    commit.head.blob = Some(CommitBlob { blake3, ..blob });
    commit
}

pub(crate) async fn are_committed_once(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let bytes = content(100_000);
    let id = UploadId::from_bytes([1; 16]);
    assert_refused!(store.commit(push_upload(&user, 0, 1, 100_000, id)).await, StoreError::Gone);
    user.upload(1, &bytes).await;
    assert_refused!(
        store.commit(push_upload(&user, 0, 1, 99_999, id)).await,
        StoreError::Invalid(_)
    );
    let mut other_hash = push_upload(&user, 0, 1, 100_000, id);
    other_hash.head.blob.as_mut().expect("a blob").blake3 = B64(vec![4; 32]);
    assert_refused!(store.commit(other_hash).await, StoreError::Invalid(_));
    let mut late = push_upload(&user, 0, 1, 100_000, id);
    late.now = NOW + DAY_S;
    assert_refused!(store.commit(late).await, StoreError::Gone);
    let thief = User::register(store, 2).await;
    assert_refused!(store.commit(push_upload(&thief, 0, 1, 100_000, id)).await, StoreError::Gone);

    user.commit(push_upload(&user, 0, 1, 100_000, id)).await;
    assert!(user.content(persona(1), None).await.expect("reads") == bytes);
    assert_refused!(store.commit(push_upload(&user, 1, 2, 100_000, id)).await, StoreError::Gone);
}

/// The parts come in whatever requests bring them, and are the blob in the end, as they lie.
pub(crate) async fn grow_part_by_part(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let bytes = content(300_000);
    store.create_upload(user.new_upload(1, Some(300_000))).await.expect("begins");
    for (offset, end) in [(0, 100_000), (100_000, 100_001), (100_001, 300_000)] {
        assert_refused!(store.hash_upload(user.account, ONE, NOW).await, StoreError::Invalid(_));
        assert_refused!(store.commit(true_push(&user, &bytes)).await, StoreError::Invalid(_));
        let addition = user.addition(1, offset as u64, &bytes[offset..end]).await.expect("kept");
        let later = Addition { now: NOW + 10, expires_at: NOW + 10 + DAY_S, ..addition };
        store.append(later).await.expect("appends");
        let upload = store.upload(user.account, ONE, NOW).await.expect("is there");
        let (bytes, announced_bytes) = (end as u64, Some(300_000));
        assert_eq!(upload, Upload { bytes, announced_bytes, expires_at: NOW + 10 + DAY_S });
    }
    assert_refused!(store.commit(true_push(&user, &bytes)).await, StoreError::Invalid(_));
    for _ in 0..2 {
        store.hash_upload(user.account, ONE, NOW).await.expect("hashes");
    }
    assert_refused!(
        store.commit(push_upload(&user, 0, 1, 300_000, ONE)).await,
        StoreError::Invalid(_)
    );
    user.commit(true_push(&user, &bytes)).await;
    assert!(user.content(persona(1), None).await.expect("reads") == bytes);
    assert_refused!(store.hash_upload(user.account, ONE, NOW).await, StoreError::Gone);
    assert_refused!(store.upload(user.account, ONE, NOW).await, StoreError::Gone);
}

/// Of two that go on from one place one does, and what is refused leaves nothing.
pub(crate) async fn go_on_where_they_are(store: &dyn Store) {
    let user = User::register(store, 1).await;
    store.create_upload(user.new_upload(1, Some(100_000))).await.expect("begins");
    let first = user.addition(1, 0, &content(50_000)).await.expect("kept");
    let second = user.addition(1, 0, &content(50_000)).await.expect("kept");
    let again = Addition { part: second.part.clone(), ..first };
    let part = first.part.clone();
    let (one, other) = tokio::join!(
        store.append(Addition { part, ..again }),
        store.append(Addition { part: second.part.clone(), ..second })
    );
    let (_, refused) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_refused!(refused, StoreError::Offset);
    for offset in [0, 49_999, 50_001, 100_000] {
        let addition = user.addition(1, offset, b"more").await.expect("kept");
        assert_refused!(store.append(addition).await, StoreError::Offset);
    }
    let long = user.addition(1, 50_000, &content(50_004)).await.expect("kept");
    assert_refused!(store.append(long).await, StoreError::Invalid(_));
    let ended = user.addition(1, 50_000, b"more").await.expect("kept");
    let ended = Addition { session: user.session_id + 1_000_000, ..ended };
    assert_refused!(store.append(ended).await, StoreError::SessionEnded);
    let late = user.addition(1, 50_000, b"more").await.expect("kept");
    assert_refused!(store.append(Addition { now: NOW + DAY_S, ..late }).await, StoreError::Gone);
    let nowhere = Part { name: "../../etc/passwd".into(), bytes: 4 };
    let nowhere =
        Addition { part: nowhere, ..user.addition(1, 50_000, b"more").await.expect("kept") };
    assert_refused!(store.append(nowhere).await, StoreError::Gone);
    let thief = User::register(store, 2).await;
    assert_refused!(store.upload(thief.account, ONE, NOW).await, StoreError::Gone);
    let theirs = user.addition(1, 50_000, b"more").await.expect("kept");
    let (session, account) = (thief.session_id, thief.account);
    assert_refused!(store.append(Addition { session, account, ..theirs }).await, StoreError::Gone);
    assert_refused!(
        store.end_upload(thief.session_id, thief.account, ONE, NOW).await,
        StoreError::Gone
    );
    let upload = store.upload(user.account, ONE, NOW).await.expect("is there");
    assert_eq!(upload.bytes, 50_000);
}

pub(crate) async fn may_say_their_length_later(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let bytes = content(200_000);
    store.create_upload(user.new_upload(1, None)).await.expect("begins");
    let announce = async |bytes| store.announce_upload(user.account, ONE, bytes, NOW).await;
    let addition = user.addition(1, 0, &bytes[..150_000]).await.expect("kept");
    store.append(addition).await.expect("appends");
    assert_refused!(store.hash_upload(user.account, ONE, NOW).await, StoreError::Invalid(_));
    assert_refused!(announce(149_999).await, StoreError::Invalid(_));
    assert_refused!(announce(LIMITS.quota_bytes).await, StoreError::Quota);
    announce(200_000).await.expect("is said");
    announce(200_000).await.expect("is the same");
    assert_refused!(announce(200_001).await, StoreError::Invalid(_));
    let addition = user.addition(1, 150_000, &bytes[150_000..]).await.expect("kept");
    store.append(addition).await.expect("appends");
    store.hash_upload(user.account, ONE, NOW).await.expect("hashes");
    user.commit(true_push(&user, &bytes)).await;
    assert!(user.content(persona(1), None).await.expect("reads") == bytes);
}

/// What is announced counts from the beginning, and all of it is given back when it ends.
pub(crate) async fn reserve_what_they_announce(store: &dyn Store) {
    let user = User::register(store, 1).await;
    // Besides, index and device record of the registration, and 256 for each file.
    let rest = LIMITS.quota_bytes - 4096 - 1 - 256;
    let too_large = user.new_upload(1, Some(rest + 1));
    assert_refused!(store.create_upload(too_large).await, StoreError::Quota);
    store.create_upload(user.new_upload(1, Some(600_000))).await.expect("begins");
    assert_refused!(
        store.create_upload(user.new_upload(2, Some(600_000))).await,
        StoreError::Quota
    );
    assert_refused!(user.room(rest - 600_256 + 1).await, StoreError::Quota);
    user.room(rest - 600_256).await.expect("is free");
    // What is on its way elsewhere has been promised its room, too.
    let part = store.begin_part(user.account, 300_000).await.expect("begins");
    assert_refused!(
        store.create_upload(user.new_upload(2, Some(100_000))).await,
        StoreError::Quota
    );
    part.abort().await;
    let addition = user.addition(1, 0, &content(400_000)).await.expect("kept");
    store.append(addition).await.expect("appends");
    // Two files now: the one that is there, and the one that is to come.
    assert_refused!(user.room(rest - 600_512 + 1).await, StoreError::Quota);
    user.room(rest - 600_512).await.expect("is free");
    let end = async || store.end_upload(user.session_id, user.account, ONE, NOW).await;
    end().await.expect("ends");
    assert_refused!(end().await, StoreError::Gone);
    user.room(rest).await.expect("all of it is free again");
    // Without a length it is what comes that counts.
    store.create_upload(user.new_upload(1, None)).await.expect("begins");
    assert_refused!(user.addition(1, 0, &content(1_000_000)).await, StoreError::Quota);
    let addition = user.addition(1, 0, &content(400_000)).await.expect("kept");
    store.append(addition).await.expect("appends");
    user.room(rest - 400_256).await.expect("is free");
    assert_refused!(user.room(rest - 400_256 + 1).await, StoreError::Quota);
    store.sweep(NOW + DAY_S).await.expect("sweeps");
    user.room(rest).await.expect("and after it has expired");
    let ended = NewUpload { session: user.session_id + 1_000_000, ..user.new_upload(1, None) };
    assert_refused!(store.create_upload(ended).await, StoreError::SessionEnded);
}
