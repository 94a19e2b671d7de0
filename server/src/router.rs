//! From a request to the handler that answers it: paths parsed into routes, one match on method
//! and route, and what every answer carries.

#[cfg(test)]
mod described;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use keybackup_protocol::routes::{H_EPOCH, H_KEYRING, H_PROTOCOL};
use keybackup_protocol::{DeviceId, EpochId, PersonaId, SessionId, UploadId, limits};

use crate::auth::session;
use crate::error::ApiError;
use crate::handlers::{
    account, account_email, accounts, blob, codes, commit, devices, epochs, keyring, labels, login,
    password, personas, purge, recovery, reset, reset_page, sessions, status, tus, uploads,
};
use crate::http::answer::{Answer, Tracked};
use crate::http::body::RequestBody;
use crate::http::cors;
use crate::http::pace::Holding;
use crate::http::peer::{Network, Owner};
use crate::log::RequestLog;
use crate::state::Server;
use crate::store::{Blob, NetworkTag, Session};

/// What a path names. Ids are parsed here, strictly; nothing below sees a raw path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Status,
    Healthz,
    AccountsStart,
    Accounts,
    LoginStart,
    LoginFinish,
    Session,
    Sessions,
    OneSession(SessionId),
    Account,
    AccountEmailStart,
    AccountEmail,
    AccountEmailUndo,
    Password,
    ResetStart,
    Reset,
    Recovery,
    Epochs,
    EpochsUndo,
    EpochPersonas(EpochId),
    EpochOpen(EpochId),
    EpochUnlock(EpochId),
    ResetByPath,
    ResetPage,
    AccountsConfirm,
    Keyring,
    Personas,
    Persona(PersonaId),
    Labels(PersonaId),
    Purge(PersonaId),
    Uploads,
    Upload(UploadId),
    Devices,
    Device(DeviceId),
}

impl Route {
    fn parse(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let (first, rest) = (segments.next()?, [segments.next(), segments.next()]);
        if segments.next().is_some() {
            return None;
        }
        Some(match (first, rest) {
            ("status", [None, _]) => Self::Status,
            ("healthz", [None, _]) => Self::Healthz,
            ("accounts", [None, _]) => Self::Accounts,
            ("accounts", [Some("start"), None]) => Self::AccountsStart,
            ("login", [Some("start"), None]) => Self::LoginStart,
            ("login", [Some("finish"), None]) => Self::LoginFinish,
            ("session", [None, _]) => Self::Session,
            ("sessions", [None, _]) => Self::Sessions,
            ("sessions", [Some(id), None]) => Self::OneSession(id.parse().ok()?),
            ("account", [None, _]) => Self::Account,
            ("account", [Some("email"), None]) => Self::AccountEmail,
            ("account", [Some("email"), Some("start")]) => Self::AccountEmailStart,
            ("account", [Some("email"), Some("undo")]) => Self::AccountEmailUndo,
            ("password", [None, _]) => Self::Password,
            ("password", [Some("reset"), None]) => Self::Reset,
            ("password", [Some("reset"), Some("start")]) => Self::ResetStart,
            ("recovery", [None, _]) => Self::Recovery,
            ("epochs", [None, _]) => Self::Epochs,
            ("epochs", [Some("undo"), None]) => Self::EpochsUndo,
            ("epochs", [Some(id), Some("personas")]) => Self::EpochPersonas(id.parse().ok()?),
            ("epochs", [Some(id), Some("open")]) => Self::EpochOpen(id.parse().ok()?),
            ("epochs", [Some(id), Some("unlock")]) => Self::EpochUnlock(id.parse().ok()?),
            ("accounts", [Some("confirm"), None]) => Self::AccountsConfirm,
            ("password", [Some("reset"), Some(email)]) if !email.is_empty() => Self::ResetByPath,
            ("password", [Some("reset.html"), None]) => Self::ResetPage,
            ("keyring", [None, _]) => Self::Keyring,
            ("personas", [None, _]) => Self::Personas,
            ("personas", [Some(id), None]) => Self::Persona(id.parse().ok()?),
            ("personas", [Some(id), Some("labels")]) => Self::Labels(id.parse().ok()?),
            ("personas", [Some(id), Some("purge")]) => Self::Purge(id.parse().ok()?),
            ("uploads", [None, _]) => Self::Uploads,
            ("uploads", [Some(id), None]) => Self::Upload(id.parse().ok()?),
            ("devices", [None, _]) => Self::Devices,
            ("devices", [Some(id), None]) => Self::Device(id.parse().ok()?),
            _ => return None,
        })
    }

    /// Its name in logs, and the methods that it has.
    const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Status => ("/status", "GET, HEAD, OPTIONS"),
            Self::Healthz => ("/healthz", "GET, HEAD, OPTIONS"),
            Self::AccountsStart => ("/accounts/start", "POST, OPTIONS"),
            Self::Accounts => ("/accounts", "POST, OPTIONS"),
            Self::LoginStart => ("/login/start", "POST, OPTIONS"),
            Self::LoginFinish => ("/login/finish", "POST, OPTIONS"),
            Self::Session => ("/session", "DELETE, OPTIONS"),
            Self::Sessions => ("/sessions", "GET, HEAD, DELETE, OPTIONS"),
            Self::OneSession(_) => ("/sessions/<id>", "DELETE, OPTIONS"),
            Self::Account => ("/account", "GET, HEAD, DELETE, OPTIONS"),
            Self::AccountEmailStart => ("/account/email/start", "POST, OPTIONS"),
            Self::AccountEmail => ("/account/email", "PUT, OPTIONS"),
            Self::AccountEmailUndo => ("/account/email/undo", "POST, OPTIONS"),
            Self::Password => ("/password", "PUT, OPTIONS"),
            Self::ResetStart => ("/password/reset/start", "POST, OPTIONS"),
            Self::Reset => ("/password/reset", "PUT, POST, OPTIONS"),
            Self::Recovery => ("/recovery", "PUT, OPTIONS"),
            Self::Epochs => ("/epochs", "GET, HEAD, OPTIONS"),
            Self::EpochsUndo => ("/epochs/undo", "POST, OPTIONS"),
            Self::EpochPersonas(_) => ("/epochs/<id>/personas", "GET, HEAD, OPTIONS"),
            Self::EpochOpen(_) => ("/epochs/<id>/open", "POST, OPTIONS"),
            Self::EpochUnlock(_) => ("/epochs/<id>/unlock", "POST, OPTIONS"),
            Self::AccountsConfirm => ("/accounts/confirm", "POST, OPTIONS"),
            Self::ResetByPath => ("/password/reset/<email>", "GET, OPTIONS"),
            Self::ResetPage => ("/password/reset.html", "GET, HEAD, OPTIONS"),
            Self::Keyring => ("/keyring", "GET, HEAD, OPTIONS"),
            Self::Personas => ("/personas", "GET, HEAD, OPTIONS"),
            Self::Persona(_) => ("/personas/<id>", "GET, HEAD, POST, DELETE, OPTIONS"),
            Self::Labels(_) => ("/personas/<id>/labels", "GET, HEAD, OPTIONS"),
            Self::Purge(_) => ("/personas/<id>/purge", "POST, OPTIONS"),
            Self::Uploads => ("/uploads", "POST, OPTIONS"),
            Self::Upload(_) => ("/uploads/<id>", "HEAD, PATCH, DELETE, OPTIONS"),
            Self::Devices => ("/devices", "GET, HEAD, OPTIONS"),
            Self::Device(_) => ("/devices/<id>", "PUT, OPTIONS"),
        }
    }

    /// Whether it reads bodies of who has not logged in: they must not use up the memory that
    /// those who have need.
    const fn is_for_strangers(self) -> bool {
        matches!(
            self,
            Self::AccountsStart
                | Self::AccountsConfirm
                | Self::Accounts
                | Self::LoginStart
                | Self::LoginFinish
                | Self::ResetStart
                | Self::Reset
                | Self::EpochsUndo
                | Self::Account
                | Self::AccountEmailUndo
        )
    }

    /// Whether its handler looks at the query.
    fn has_parameter(self, method: &Method) -> bool {
        method == Method::GET
            && matches!(self, Self::Persona(_) | Self::Labels(_) | Self::ResetPage)
    }

    /// Whether a client may ask without naming a protocol version: it must be able to find out, and
    /// a browser and the old service's clients know none.
    fn speaks_any_protocol(self, method: &Method) -> bool {
        matches!(self, Self::Status | Self::Healthz | Self::ResetPage | Self::ResetByPath)
            || (matches!(self, Self::Reset) && method == Method::PUT)
    }
}

/// A request apart from its body.
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Server,
    pub(crate) parts: &'a Parts,
    /// Where it came from.
    pub(crate) peer: Network,
    /// Unix seconds when it came.
    pub(crate) now: i64,
    session: OnceLock<Session>,
}

impl Call<'_> {
    /// What its network is known by in the store.
    pub(crate) fn network(&self) -> NetworkTag {
        self.server.key.network_tag(&self.peer.to_bytes())
    }

    /// Its headers.
    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// Whose share its answer takes.
    pub(crate) fn owner(&self) -> Owner {
        let account = self.session.get().map(|session| Owner::Account(session.account));
        account.unwrap_or(Owner::Network(self.peer))
    }

    /// The session that it shows, which the answer's headers then tell about.
    pub(crate) async fn session(&self) -> Result<&Session, ApiError> {
        let session = session::authenticate(self.server, self.headers()).await?;
        Ok(self.session.get_or_init(|| session))
    }

    /// The same, where only the account's current epoch will do.
    pub(crate) async fn current_session(&self) -> Result<&Session, ApiError> {
        let session = self.session().await?;
        if session.epoch == session.current_epoch { Ok(session) } else { Err(ApiError::Stale) }
    }

    /// The same, and a blob of its account.
    pub(crate) async fn current_session_and_blob(
        &self,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<(&Session, Blob), ApiError> {
        let (server, headers) = (self.server, self.headers());
        let (session, blob) =
            session::authenticate_for_blob(server, headers, persona, version).await?;
        let session = self.session.get_or_init(|| session);
        if session.epoch == session.current_epoch {
            Ok((session, blob?))
        } else {
            Err(ApiError::Stale)
        }
    }

    /// Refuses any parameter, where there is none to know.
    fn refuse_query(&self) -> Result<(), ApiError> {
        match self.parts.uri.query() {
            None | Some("") => Ok(()),
            Some(_) => Err(BAD_QUERY),
        }
    }

    /// The one parameter that the query may have. Another is an error, so that a misspelt one
    /// is not silently ignored.
    pub(crate) fn query(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(query) = self.parts.uri.query().filter(|query| !query.is_empty()) else {
            return Ok(None);
        };
        let value = query.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        let digits = value.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .and_then(|digits| digits.parse().ok())
            .filter(|&number| i64::try_from(number).is_ok())
            .map(Some)
            .ok_or(BAD_QUERY)
    }
}

const BAD_QUERY: ApiError = ApiError::BadRequest("the query is malformed");

/// Answers one request. Never fails: what goes wrong is an answer, too.
pub(crate) async fn answer(
    server: Arc<Server>,
    peer: IpAddr,
    holding: Holding,
    request: Request<Incoming>,
) -> Result<Response<Tracked>, Infallible> {
    let (parts, incoming) = request.into_parts();
    let peer: Network = server.settings.trusted_proxies.client(peer, &parts.headers).into();
    let length = body_length(&parts.headers);
    let path = parts.uri.path();
    let route = path.strip_prefix(&*server.settings.path_prefix).and_then(Route::parse);
    let pattern = route.map_or("(none)", |route| route.describe().0);
    let log = RequestLog::new(parts.method.clone(), pattern, length);
    let idle = server.settings.timeouts.body;
    let memory = match route {
        Some(route) if route.is_for_strangers() => &server.strangers_memory,
        _ => &server.members_memory,
    };
    let mut body =
        RequestBody::new(incoming, length, idle, Owner::Network(peer), Arc::clone(memory))
            .hashed(&parts.headers);
    let (now, session) = (server.now(), OnceLock::new());
    let call = Call { server: &server, parts: &parts, peer, now, session };
    let origins = &server.settings.cors_origins;
    let mut answer = match cors::preflight(origins, &parts.method, &parts.headers) {
        Some(answer) => answer,
        None => match dispatch(&call, route, &mut body).await {
            Ok(answer) => answer.within(&server.answers, call.owner()).await,
            Err(error) => Err(error),
        }
        .unwrap_or_else(ApiError::into_answer),
    };
    if matches!(route, Some(Route::Uploads | Route::Upload(_))) {
        answer.headers.insert(tus::H_RESUMABLE, tus::VERSION);
    }
    if let Some(session) = call.session.get() {
        tell_session(session, &mut answer.headers);
    }
    cors::allow(origins, &parts.headers, &mut answer.headers);
    // Asking for what a client holds back, to throw it away, would be no gain.
    if (parts.headers.contains_key(EXPECT) && body.left() > 0) || !body.finish().await {
        answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer.paced(&holding).into_response(log))
}

/// The one match.
async fn dispatch(
    call: &Call<'_>,
    route: Option<Route>,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let route = route.ok_or(ApiError::NotFound)?;
    let allow = route.describe().1;
    let method = match route {
        // tus: who can't send a method may name it.
        Route::Upload(_) => tus::method(call.headers()).unwrap_or(call.parts.method.clone()),
        _ => call.parts.method.clone(),
    };
    let is_head = method == Method::HEAD;
    if method != Method::OPTIONS && !route.speaks_any_protocol(&method) {
        check_protocol(call.headers())?;
    }
    // hyper sends no body in answer to HEAD.
    let method = if is_head { &Method::GET } else { &method };
    if !route.has_parameter(method) {
        call.refuse_query()?;
    }
    match (method, route) {
        (&Method::GET, Route::Status) => Ok(status::status(call)),
        (&Method::GET, Route::Healthz) => status::healthz(call).await,
        (&Method::POST, Route::AccountsStart) => accounts::start(call, body).await,
        (&Method::POST, Route::Accounts) => accounts::finish(call, body).await,
        (&Method::POST, Route::LoginStart) => login::start(call, body).await,
        (&Method::POST, Route::LoginFinish) => login::finish(call, body).await,
        (&Method::DELETE, Route::Session) => sessions::end(call).await,
        (&Method::GET, Route::Sessions) => sessions::list(call).await,
        (&Method::DELETE, Route::Sessions) => sessions::revoke_others(call).await,
        (&Method::DELETE, Route::OneSession(id)) => sessions::revoke(call, id).await,
        (&Method::GET, Route::Account) => account::show(call).await,
        (&Method::DELETE, Route::Account) => account::delete(call, body).await,
        (&Method::POST, Route::AccountEmailStart) => account_email::start(call, body).await,
        (&Method::PUT, Route::AccountEmail) => account_email::change(call, body).await,
        (&Method::POST, Route::AccountEmailUndo) => account_email::undo(call, body).await,
        (&Method::POST, Route::Purge(id)) => purge::purge(call, id, body).await,
        (&Method::PUT, Route::Password) => password::change(call, body).await,
        (&Method::POST, Route::ResetStart) => reset::start(call, body).await,
        (&Method::POST, Route::Reset) => reset::finish(call, body).await,
        (&Method::PUT, Route::Recovery) => recovery::rotate(call, body).await,
        (&Method::GET, Route::Epochs) => epochs::list(call).await,
        (&Method::POST, Route::EpochsUndo) => epochs::undo(call, body).await,
        (&Method::GET, Route::EpochPersonas(id)) => epochs::personas(call, id).await,
        (&Method::POST, Route::EpochOpen(id)) => epochs::open(call, id, body).await,
        (&Method::POST, Route::EpochUnlock(id)) => epochs::unlock(call, id, body).await,
        (&Method::POST, Route::AccountsConfirm) => codes::confirm(call, body).await,
        (&Method::PUT, Route::Reset) => codes::reset(call, body).await,
        // A HEAD, such as what looks whether a link works sends, asks for nothing.
        (&Method::GET, Route::ResetByPath) if !is_head => codes::reset_by_path(call).await,
        (&Method::GET, Route::ResetPage) => Ok(reset_page::show(call)),
        (&Method::GET, Route::Keyring) => keyring::newest(call).await,
        (&Method::GET, Route::Personas) => personas::list(call).await,
        (&Method::POST, Route::Persona(id)) => commit::commit(call, id, body).await,
        (&Method::GET, Route::Persona(id)) => blob::read(call, id).await,
        (&Method::DELETE, Route::Persona(id)) => personas::trash(call, id).await,
        (&Method::GET, Route::Labels(id)) => labels::list(call, id).await,
        (&Method::POST, Route::Uploads) => uploads::create(call, body).await,
        (&Method::GET, Route::Upload(id)) if is_head => uploads::look(call, id).await,
        (&Method::PATCH, Route::Upload(id)) => uploads::go_on(call, id, body).await,
        (&Method::DELETE, Route::Upload(id)) => uploads::end(call, id).await,
        (&Method::OPTIONS, Route::Uploads | Route::Upload(_)) => Ok(uploads::discover(call, allow)),
        (&Method::GET, Route::Devices) => devices::list(call).await,
        (&Method::PUT, Route::Device(id)) => devices::put(call, id, body).await,
        (&Method::OPTIONS, _) => Ok(options(allow)),
        _ => Err(ApiError::MethodNotAllowed { allow }),
    }
}

fn options(allow: &'static str) -> Answer {
    Answer::empty(StatusCode::NO_CONTENT).with(ALLOW, HeaderValue::from_static(allow))
}

fn check_protocol(headers: &HeaderMap) -> Result<(), ApiError> {
    let named = headers.get(H_PROTOCOL).and_then(|value| value.to_str().ok());
    // Digits only: `parse` would also take a plus sign.
    let digits = named.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if digits.and_then(|text| text.parse().ok()) == Some(limits::PROTOCOL) {
        Ok(())
    } else {
        Err(ApiError::ProtocolUnsupported)
    }
}

/// The guard has let only one through, and only digits.
fn body_length(headers: &HeaderMap) -> u64 {
    let value = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn tell_session(session: &Session, headers: &mut HeaderMap) {
    let epoch = HeaderValue::from_str(&session.current_epoch.to_string());
    headers.insert(H_EPOCH, epoch.expect("hexadecimal digits"));
    headers.insert(H_KEYRING, HeaderValue::from(session.keyring_version));
}

#[cfg(test)]
pub(crate) use described::described;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_version_is_digits() {
        let spoken = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(H_PROTOCOL, HeaderValue::from_static(text));
            check_protocol(&headers).is_ok()
        };
        assert!(spoken("1"));
        for other in ["+1", "-1", "", "2", "1.0", "1, 1", " 1 2", "99999999999"] {
            assert!(!spoken(other), "{other}");
        }
    }

    /// Holds rule 36.
    #[test]
    fn paths_parse_strictly() {
        let id = "30313233343536373839616263646566";
        let persona = PersonaId::from_bytes(*b"0123456789abcdef");
        for (path, route) in [
            ("/status".to_owned(), Some(Route::Status)),
            (format!("/personas/{id}"), Some(Route::Persona(persona))),
            (format!("/personas/{id}/labels"), Some(Route::Labels(persona))),
            ("/status/".to_owned(), None),
            ("status".to_owned(), None),
            ("/STATUS".to_owned(), None),
            (String::new(), None),
            ("/".to_owned(), None),
            ("/personas/".to_owned(), None),
            (format!("/personas/{id}/"), None),
            (format!("/personas/{id}/labels/"), None),
            (format!("/personas/{id}/labels/1"), None),
            (format!("/personas/{}", id.to_uppercase().replace('3', "A")), None),
            ("/personas/%33".to_owned(), None),
            ("/uploads/".to_owned(), None),
        ] {
            assert_eq!(Route::parse(&path), route, "{path}");
        }
    }
}
