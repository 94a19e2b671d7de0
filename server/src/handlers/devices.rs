//! `GET /devices` and `PUT /devices/<id>`: the sealed records of devices.

use http::StatusCode;
use keybackup_protocol::DeviceId;
use keybackup_protocol::api::{DeviceRecord, Devices, Done};
use keybackup_protocol::limits::MAX_LABEL_BYTES;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::http::peer::Owner;
use crate::router::Call;

/// Largest body of a put, in bytes: the record in base64, and the rest.
const MAX_PUT_BYTES: usize = MAX_LABEL_BYTES / 3 * 4 + 4096;

/// Sends all of the account.
pub(crate) async fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let (store, account) = (&call.server.store, session.account);
    let bytes = store.devices_bytes(account).await?;
    let room = call.server.answers.take_twice(call.owner(), bytes).await?;
    let devices = Devices { devices: store.devices(account).await? };
    Ok(Answer::held_json(&devices, bytes, room))
}

/// Stores a record of a higher revision.
pub(crate) async fn put(
    call: &Call<'_>,
    device: DeviceId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let record: DeviceRecord = body.json(MAX_PUT_BYTES).await?;
    if record.id != device {
        return Err(ApiError::BadRequest("the record is of another device"));
    }
    if record.revision == 0 || record.sealed.0.is_empty() || record.sealed.0.len() > MAX_LABEL_BYTES
    {
        return Err(ApiError::BadRequest("the device record is malformed"));
    }
    call.server.store.put_device(session.account, session.id, record, call.now).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed: true }))
}
