//! The only module that speaks the API: one method an endpoint. What comes back is parsed,
//! bounded, and **not yet trusted**; the layers above authenticate it.

mod downloads;
mod error;
mod pace;
mod pauses;
mod uploads;
mod wire;

use bytes::Bytes;
use keybackup_protocol::api::{
    AccountAnswer, AccountDeleted, AccountDeletion, AddressChange, AddressChangeStart,
    AddressChangeStarted, AddressUndo, CodeRequest, CodeSent, CommitHead, Committed, DeviceRecord,
    Devices, Done, Ended, EpochOpen, Epochs, KeyringAnswer, Labels, Listing, LoggedIn, LoginFinish,
    LoginStart, LoginStarted, OpenedEpoch, PasswordChange, Purge, RecoveryRotation, Registered,
    RegistrationFinish, RegistrationStart, RegistrationStarted, ResetDone, ResetFinish, ResetStart,
    ResetStarted, Sessions, Status, Undo, Undone, Unlock,
};
use keybackup_protocol::{B64, EpochId, PersonaId, SessionId, limits, put_lp, routes};
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::RemoteError;
pub use wire::Endpoint;
use wire::{Body, Wire};

use crate::secret::Token;

/// A server, and the session to speak with.
pub struct Remote {
    wire: Wire,
    token: Option<Token>,
}

/// A listing, or word that the cached one stands.
pub enum Fetched {
    /// The listing with this `ETag` has not changed.
    Unchanged,
    /// A new listing: its bytes, to be cached as they are, and its `ETag`.
    Fresh {
        /// The parsed listing.
        listing: Box<Listing>,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its `ETag`, if the server gave one.
        etag: Option<String>,
    },
}

/// What a commit is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The persona is new: `If-None-Match: *`.
    Absent,
    /// This is its newest version: `If-Match: "N"`.
    Version(u64),
}

/// Told of bytes as they move.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

impl Remote {
    /// A client of the server at `endpoint`. Nothing is sent yet.
    pub fn new(endpoint: &Endpoint) -> Result<Self, RemoteError> {
        Ok(Self { wire: Wire::new(endpoint)?, token: None })
    }

    /// The session that later requests are made in.
    pub fn authenticate(&mut self, token: Token) {
        self.token = Some(token);
    }

    /// The server's URL, for messages.
    pub fn server(&self) -> String {
        self.wire.server()
    }

    /// `GET /status`; refuses what is no keybackup server, or speaks another protocol.
    pub fn status(&self) -> Result<Status, RemoteError> {
        let status: Status = match self.get(routes::STATUS, limits::MAX_JSON_BYTES) {
            Err(RemoteError::Refused { status: 400..500, .. }) => {
                return Err(self.wire.odd("it has no /status"));
            }
            other => other?,
        };
        if status.service != "keybackup" {
            return Err(self.wire.odd("its /status names another service"));
        }
        if !status.protocols.contains(&limits::PROTOCOL) {
            return Err(RemoteError::Protocol { server: self.server(), theirs: status.protocols });
        }
        Ok(status)
    }

    /// `POST /accounts/confirm`: has a code mailed, to whom it is of use.
    pub fn request_confirmation(&self, email: &str) -> Result<(), RemoteError> {
        let request = CodeRequest { email: email.to_owned() };
        let _: CodeSent = self.post(routes::ACCOUNTS_CONFIRM, &request)?;
        Ok(())
    }

    /// `POST /accounts/start`.
    pub fn start_registration(
        &self,
        start: &RegistrationStart,
    ) -> Result<RegistrationStarted, RemoteError> {
        self.post(routes::ACCOUNTS_START, start)
    }

    /// `POST /accounts`.
    pub fn finish_registration(
        &self,
        finish: &RegistrationFinish,
    ) -> Result<Registered, RemoteError> {
        self.post(routes::ACCOUNTS, finish)
    }

    /// `POST /login/start`.
    pub fn start_login(&self, start: &LoginStart) -> Result<LoginStarted, RemoteError> {
        self.post(routes::LOGIN_START, start)
    }

    /// `POST /login/finish`.
    pub fn finish_login(&self, finish: &LoginFinish) -> Result<LoggedIn, RemoteError> {
        self.post(routes::LOGIN_FINISH, finish)
    }

    /// `DELETE /session`.
    pub fn end_session(&self) -> Result<Done, RemoteError> {
        self.delete(routes::SESSION)
    }

    /// `GET /sessions`.
    pub fn sessions(&self) -> Result<Sessions, RemoteError> {
        self.get(routes::SESSIONS, limits::MAX_JSON_BYTES)
    }

    /// `DELETE /sessions/<id>`.
    pub fn revoke_session(&self, id: &SessionId) -> Result<Done, RemoteError> {
        self.delete(&format!("{}/{id}", routes::SESSIONS))
    }

    /// `DELETE /sessions`: all but this one.
    pub fn revoke_others(&self) -> Result<Ended, RemoteError> {
        self.delete(routes::SESSIONS)
    }

    /// `GET /account`.
    pub fn account(&self) -> Result<AccountAnswer, RemoteError> {
        self.get(routes::ACCOUNT, limits::MAX_JSON_BYTES)
    }

    /// `POST /account/email/start`.
    pub fn start_address_change(
        &self,
        start: &AddressChangeStart,
    ) -> Result<AddressChangeStarted, RemoteError> {
        self.post(routes::ACCOUNT_EMAIL_START, start)
    }

    /// `PUT /account/email`.
    pub fn change_address(&self, change: &AddressChange) -> Result<Done, RemoteError> {
        self.send_json(Method::PUT, routes::ACCOUNT_EMAIL, change)
    }

    /// `POST /account/email/undo`.
    pub fn undo_address(&self, undo: &AddressUndo) -> Result<Done, RemoteError> {
        self.post(routes::ACCOUNT_EMAIL_UNDO, undo)
    }

    /// `PUT /password`.
    pub fn change_password(&self, change: &PasswordChange) -> Result<Done, RemoteError> {
        self.send_json(Method::PUT, routes::PASSWORD, change)
    }

    /// `PUT /password/reset`: has a code mailed, if the address has an account.
    pub fn request_reset(&self, email: &str) -> Result<(), RemoteError> {
        let request = CodeRequest { email: email.to_owned() };
        self.send_json::<CodeSent>(Method::PUT, routes::PASSWORD_RESET, &request).map(drop)
    }

    /// `POST /password/reset/start`.
    pub fn start_reset(&self, start: &ResetStart) -> Result<ResetStarted, RemoteError> {
        self.post(routes::PASSWORD_RESET_START, start)
    }

    /// `POST /password/reset`.
    pub fn finish_reset(&self, finish: &ResetFinish) -> Result<ResetDone, RemoteError> {
        self.post(routes::PASSWORD_RESET, finish)
    }

    /// `PUT /recovery`.
    pub fn rotate_recovery(&self, rotation: &RecoveryRotation) -> Result<Done, RemoteError> {
        self.send_json(Method::PUT, routes::RECOVERY, rotation)
    }

    /// `GET /epochs`.
    pub fn epochs(&self) -> Result<Epochs, RemoteError> {
        self.get(routes::EPOCHS, limits::MAX_JSON_BYTES)
    }

    /// `GET /epochs/<id>/personas`.
    pub fn epoch_listing(&self, epoch: &EpochId) -> Result<Listing, RemoteError> {
        self.get(&format!("{}/{epoch}/personas", routes::EPOCHS), limits::MAX_ANSWER_BYTES)
    }

    /// `POST /epochs/<id>/open`.
    pub fn open_epoch(
        &self,
        epoch: &EpochId,
        open: &EpochOpen,
    ) -> Result<OpenedEpoch, RemoteError> {
        self.post(&format!("{}/{epoch}/open", routes::EPOCHS), open)
    }

    /// `POST /epochs/<id>/unlock`.
    pub fn unlock(&self, epoch: &EpochId, unlock: &Unlock) -> Result<Done, RemoteError> {
        self.post(&format!("{}/{epoch}/unlock", routes::EPOCHS), unlock)
    }

    /// `POST /epochs/undo`.
    pub fn undo_reset(&self, undo: &Undo) -> Result<Undone, RemoteError> {
        self.post(routes::EPOCHS_UNDO, undo)
    }

    /// The account's current epoch, by the last answer that named it.
    pub fn current_epoch(&self) -> Option<EpochId> {
        self.wire.current_epoch()
    }

    /// `DELETE /account`.
    pub fn delete_account(
        &self,
        deletion: &AccountDeletion,
    ) -> Result<AccountDeleted, RemoteError> {
        self.send_json(Method::DELETE, routes::ACCOUNT, deletion)
    }

    /// `GET /keyring`.
    pub fn keyring(&self) -> Result<KeyringAnswer, RemoteError> {
        self.get(routes::KEYRING, limits::MAX_JSON_BYTES)
    }

    /// `GET /personas`, unless the listing with this `ETag` still stands.
    pub fn listing(&self, etag: Option<&str>) -> Result<Fetched, RemoteError> {
        let mut request = self.wire.request(Method::GET, routes::PERSONAS, self.token.as_ref());
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return if etag.is_some() {
                Ok(Fetched::Unchanged)
            } else {
                Err(self.wire.odd("it says 304 to a request without a condition"))
            };
        }
        let etag = response.headers().get(ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let bytes = self.wire.read(response, limits::MAX_ANSWER_BYTES)?;
        let listing = serde_json::from_slice(&bytes)
            .map_err(|_| self.wire.odd("its listing is not what the API says"))?;
        Ok(Fetched::Fresh { listing, bytes, etag })
    }

    /// `GET /personas/<id>/labels?from=N`: one page.
    pub fn labels(&self, persona: &PersonaId, from: u64) -> Result<Labels, RemoteError> {
        let path = format!("{}/{persona}/labels?from={from}", routes::PERSONAS);
        let page: Labels = self.get(&path, limits::MAX_LABELS_ANSWER_BYTES)?;
        if page.labels.len() > limits::MAX_LABELS_PER_ANSWER {
            return Err(self.wire.odd("it lists more labels at once than the API says"));
        }
        Ok(page)
    }

    /// `POST /personas/<id>/purge`.
    pub fn purge(&self, persona: &PersonaId, purge: &Purge) -> Result<Done, RemoteError> {
        self.post(&format!("{}/{persona}/purge", routes::PERSONAS), purge)
    }

    /// `POST /personas/<id>`, with the blob in the body when it is given.
    pub fn commit(
        &self,
        persona: &PersonaId,
        base: Base,
        head: &CommitHead,
        blob: Option<&[u8]>,
        progress: Progress<'_>,
    ) -> Result<Committed, RemoteError> {
        let mut body = Vec::new();
        let head = json(head);
        put_lp(&mut body, &head);
        body.extend_from_slice(blob.unwrap_or_default());
        let request = self
            .wire
            .request(Method::POST, &format!("{}/{persona}", routes::PERSONAS), self.token.as_ref())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(routes::H_JSON_HASH, hash(&head, &persona.to_string()));
        let request = match base {
            Base::Absent => request.header(IF_NONE_MATCH, "*"),
            Base::Version(version) => request.header(IF_MATCH, format!("\"{version}\"")),
        };
        let response = self.wire.send(request, Body::Memory(Bytes::from(body)), progress)?;
        self.wire.json(response, limits::MAX_JSON_BYTES)
    }

    /// `GET /devices`.
    pub fn devices(&self) -> Result<Devices, RemoteError> {
        self.get(routes::DEVICES, limits::MAX_ANSWER_BYTES)
    }

    /// `PUT /devices/<id>`.
    pub fn put_device(&self, record: &DeviceRecord) -> Result<(), RemoteError> {
        let path = format!("{}/{}", routes::DEVICES, record.id);
        self.send_json::<Done>(Method::PUT, &path, record).map(drop)
    }

    fn get<T: DeserializeOwned>(&self, path: &str, max_bytes: usize) -> Result<T, RemoteError> {
        let request = self.wire.request(Method::GET, path, self.token.as_ref());
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        self.wire.json(response, max_bytes)
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        let request = self.wire.request(Method::DELETE, path, self.token.as_ref());
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        self.wire.json(response, limits::MAX_JSON_BYTES)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.send_json(Method::POST, path, body)
    }

    fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RemoteError> {
        let json = json(body);
        let request = self
            .wire
            .request(method, path, self.token.as_ref())
            .header(CONTENT_TYPE, "application/json")
            .header(routes::H_JSON_HASH, hash(&json, ""));
        let body = Body::Memory(Bytes::from(json));
        let response = self.wire.send(request, body, &mut |_| {})?;
        self.wire.json(response, limits::MAX_JSON_BYTES)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the API's types have string keys and no failing serialiser")
}

/// What tells a server of a bit that changed on the way.
fn hash(json: &[u8], behind: &str) -> String {
    let hash = blake3::Hasher::new().update(json).update(behind.as_bytes()).finalize();
    B64::from(&hash.as_bytes()[..]).to_text()
}
