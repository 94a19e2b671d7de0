//! `/uploads`: bytes that a later commit names, by tus 1.0.0. They may come in one request or in
//! many, each going on where the last durable byte of the one before is.

use http::StatusCode;
use http::header::{ALLOW, HeaderName, HeaderValue, LOCATION};
use keybackup_protocol::api::Uploaded;
use keybackup_protocol::routes::UPLOADS;
use keybackup_protocol::{AccountId, UploadId};

use super::append::{self, OnCut, To};
use super::tus::{self, Checksum};
use super::{random_id, receive};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::http::peer::Owner;
use crate::router::Call;
use crate::store::{NewUpload, StoreError, Upload};

/// Begins an upload, with what the request has of it.
pub(crate) async fn create(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    tus::check_version(call.headers())?;
    let session = call.current_session().await?;
    let announced_bytes = tus::announced(call.headers())?;
    let checksum = Checksum::announced(call.headers())?;
    if body.length() > 0 {
        tus::check_media(call.headers())?;
    }
    let most_bytes = call.server.settings.blob_bytes;
    if announced_bytes.is_some_and(|bytes| bytes > most_bytes)
        || body.length() > announced_bytes.unwrap_or(most_bytes)
    {
        return Err(ApiError::TooLarge);
    }
    let id = UploadId::from_bytes(random_id());
    let claim = call.server.uploading.claim(id)?;
    let mut expires_at = call.now.saturating_add(call.server.settings.upload_ttl_s);
    let (now, account) = (call.now, session.account);
    let new = NewUpload { session: session.id, account, id, announced_bytes, now, expires_at };
    call.server.store.create_upload(new).await?;
    let mut offset = 0;
    if body.length() > 0 {
        let upload = Upload { bytes: 0, announced_bytes, expires_at };
        // Whoever leaves without an answer has never heard of it.
        let on_cut = OnCut::End;
        let to = To { server: call.server, session, id, upload, claim, on_cut };
        offset = append::body(to, body, checksum).await?;
        expires_at = call.server.now().saturating_add(call.server.settings.upload_ttl_s);
    }
    let location = format!("{}{UPLOADS}/{id}", call.server.settings.path_prefix);
    let location = HeaderValue::from_str(&location).expect("ASCII without controls");
    Ok(Answer::json(StatusCode::CREATED, &Uploaded { upload: id, expires_at })
        .with(LOCATION, location)
        .with(tus::H_OFFSET, HeaderValue::from(offset))
        .with(tus::H_EXPIRES, tus::http_date(expires_at)))
}

/// Tells how far an upload is. Whatever adds to it is told to stop, and what came of that counts:
/// who asks has lost that connection, and wants to go on.
pub(crate) async fn look(call: &Call<'_>, id: UploadId) -> Result<Answer, ApiError> {
    tus::check_version(call.headers())?;
    let session = call.current_session().await?;
    let (store, account) = (&call.server.store, session.account);
    // First whether it is theirs: others' are left alone.
    store.upload(account, id, call.now).await?;
    let _claim = call.server.uploading.take_over(id).await?;
    let upload = store.upload(account, id, call.now).await?;
    let answer = Answer::empty(StatusCode::OK)
        .with(tus::H_OFFSET, HeaderValue::from(upload.bytes))
        .with(tus::H_EXPIRES, tus::http_date(upload.expires_at));
    Ok(match upload.announced_bytes {
        Some(bytes) => answer.with(tus::H_LENGTH, HeaderValue::from(bytes)),
        None => answer.with(tus::H_DEFER, HeaderValue::from_static("1")),
    })
}

/// Goes on with an upload.
pub(crate) async fn go_on(
    call: &Call<'_>,
    id: UploadId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    tus::check_version(call.headers())?;
    let session = call.current_session().await?;
    let (server, account) = (call.server, session.account);
    server.store.upload(account, id, call.now).await?;
    tus::check_media(call.headers())?;
    let offset = tus::offset(call.headers())?;
    let checksum = Checksum::announced(call.headers())?;
    let most_bytes = server.settings.blob_bytes;
    let claim = server.uploading.claim(id)?;
    if let Some(bytes) = tus::length(call.headers())? {
        if bytes > most_bytes {
            return Err(ApiError::TooLarge);
        }
        server.store.announce_upload(account, id, bytes, call.now).await?;
    }
    // Looked at again, now that nobody else adds to it.
    let upload = server.store.upload(account, id, call.now).await?;
    if upload.bytes != offset {
        return Err(ApiError::Offset);
    }
    let most_bytes = upload.announced_bytes.unwrap_or(most_bytes);
    if body.length() > most_bytes.saturating_sub(offset) {
        return Err(ApiError::TooLarge);
    }
    let (mut now_has, mut expires_at) = (offset, upload.expires_at);
    if body.length() > 0 {
        let on_cut = if checksum.is_some() { OnCut::Drop } else { OnCut::Keep };
        let to = To { server, session, id, upload, claim, on_cut };
        now_has = append::body(to, body, checksum).await?;
        expires_at = server.now().saturating_add(server.settings.upload_ttl_s);
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT)
        .with(tus::H_OFFSET, HeaderValue::from(now_has))
        .with(tus::H_EXPIRES, tus::http_date(expires_at)))
}

/// Drops an upload.
pub(crate) async fn end(call: &Call<'_>, id: UploadId) -> Result<Answer, ApiError> {
    tus::check_version(call.headers())?;
    let session = call.current_session().await?;
    let (store, account) = (&call.server.store, session.account);
    store.upload(account, id, call.now).await?;
    let _claim = call.server.uploading.take_over(id).await?;
    store.end_upload(session.id, account, id, call.now).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Has the hash of a whole upload made, where it is not known, for the commit that names it.
pub(super) async fn hash(
    call: &Call<'_>,
    account: AccountId,
    id: UploadId,
) -> Result<(), ApiError> {
    let store = &call.server.store;
    match store.upload(account, id, call.now).await {
        // The commit decides: it may have been made before, and its answer lost.
        Err(StoreError::Gone) => return Ok(()),
        looked => drop(looked?),
    }
    // One at a time: of many commits that name it each would read all of it.
    let _claim = call.server.uploading.claim(id)?;
    let owner = Owner::Account(account);
    let _memory = call.server.uploads.take(owner, receive::memory_kib(u64::MAX)).await?;
    Ok(store.hash_upload(account, id, call.now).await?)
}

/// What tus clients ask first.
pub(crate) fn discover(call: &Call<'_>, allow: &'static str) -> Answer {
    let most_bytes = HeaderValue::from(call.server.settings.blob_bytes);
    Answer::empty(StatusCode::NO_CONTENT)
        .with(HeaderName::from_static("tus-version"), tus::VERSION)
        .with(HeaderName::from_static("tus-extension"), tus::EXTENSIONS)
        .with(HeaderName::from_static("tus-checksum-algorithm"), tus::ALGORITHMS)
        .with(HeaderName::from_static("tus-max-size"), most_bytes)
        .with(ALLOW, HeaderValue::from_static(allow))
}
