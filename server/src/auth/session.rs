//! From an `Authorization` header to a session, and the session that a login or registration
//! opens.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use keybackup_protocol::api::SessionGrant;
use keybackup_protocol::{DeviceId, PersonaId};

use super::token::{DeviceCookie, Token};
use crate::error::ApiError;
use crate::state::Server;
use crate::store::{Blob, NewSession, Session, StoreError};

/// The session whose token the request shows. One answer for none, malformed, unknown, expired
/// and ended ones.
pub(crate) async fn authenticate(
    server: &Server,
    headers: &HeaderMap,
) -> Result<Session, ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthenticated)?;
    server.store.session(&token.hash(), server.now()).await?.ok_or(ApiError::Unauthenticated)
}

/// The same, and what there is of a blob of its account.
pub(crate) async fn authenticate_for_blob(
    server: &Server,
    headers: &HeaderMap,
    persona: PersonaId,
    version: Option<u64>,
) -> Result<(Session, Result<Blob, StoreError>), ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthenticated)?.hash();
    let found = server.store.session_and_blob(&token, server.now(), persona, version);
    found.await?.ok_or(ApiError::Unauthenticated)
}

/// RFC 6750 section 2.1; never a query parameter, which logs would keep.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { Token::from_text(token.trim()) } else { None }
}

/// A session about to be opened: the row, and what the client is told once.
pub(crate) fn grant(server: &Server, device: DeviceId, now: i64) -> (NewSession, SessionGrant) {
    let (token, cookie) = (Token::new(), DeviceCookie::new());
    let expires_at = now.saturating_add(server.settings.session_ttl_s);
    let idle_ttl_s = server.settings.session_idle_s;
    let row = NewSession {
        token: token.hash(),
        device,
        device_cookie: cookie.hash(),
        expires_at,
        idle_ttl_s,
    };
    let grant = SessionGrant {
        token: token.to_text(),
        expires_at,
        idle_ttl_s,
        device_cookie: cookie.to_text(),
    };
    (row, grant)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Holds rule 33.
    #[test]
    fn only_one_bearer_token_is_one() {
        let text = Token::new().to_text();
        let found = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("ASCII"));
            }
            bearer(&headers).is_some()
        };
        assert!(found(&[format!("Bearer {text}")]));
        assert!(found(&[format!("bearer {text}")]));
        assert!(!found(&[]));
        assert!(!found(std::slice::from_ref(&text)));
        assert!(!found(&[format!("Basic {text}")]));
        assert!(!found(&[format!("Bearer {text}x")]));
        assert!(!found(&[format!("Bearer {text}"), format!("Bearer {text}")]));
    }
}
