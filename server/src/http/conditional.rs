//! Entity tags and the preconditions made of them (RFC 9110 sections 8.8.3 and 13).

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use crate::error::ApiError;
use crate::store::Base;

/// A strong entity tag of some content.
pub(crate) fn entity_tag(hash: &blake3::Hash) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", hash.to_hex())).expect("hexadecimal in quotes")
}

/// Whether `If-None-Match` names the tag, so that 304 answers. The weak comparison of RFC 9110
/// section 13.1.2: proxies that compress weaken tags.
pub(crate) fn not_modified(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').map(str::trim).any(|one| {
            one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes()
        })
    })
}

/// What a commit is based on: `If-Match: "N"` or `If-None-Match: *`, one of them.
pub(crate) fn commit_base(headers: &HeaderMap) -> Result<Base, ApiError> {
    let base = match (one(headers, &IF_MATCH)?, one(headers, &IF_NONE_MATCH)?) {
        (None, None) => return Err(ApiError::PreconditionRequired),
        (Some(_), Some(_)) => {
            return Err(ApiError::BadRequest("If-Match and If-None-Match exclude each other"));
        }
        (None, Some("*")) => Some(Base::Absent),
        (None, Some(_)) => None,
        (Some(tag), None) => version(tag).map(Base::Version),
    };
    base.ok_or(ApiError::BadRequest("give If-Match: \"N\" with a version, or If-None-Match: *"))
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| BAD),
        (Some(_), Some(_)) => Err(BAD),
    }
}

const BAD: ApiError = ApiError::BadRequest("a precondition is malformed");

/// The version in a quoted tag: decimal, without sign or leading zeros.
fn version(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok().filter(|&version| i64::try_from(version).is_ok()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(pairs: &[(&'static str, &'static str)]) -> Result<Base, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        commit_base(&headers).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn a_commit_names_its_base_once() {
        for (pairs, expected) in [
            (&[("if-none-match", "*")][..], Ok(Base::Absent)),
            (&[("if-match", "\"7\"")], Ok(Base::Version(7))),
            (&[("if-match", " \"9223372036854775807\" ")], Ok(Base::Version(i64::MAX as u64))),
            (&[], Err(428)),
            (&[("if-match", "\"7\""), ("if-none-match", "*")], Err(400)),
            (&[("if-match", "\"7\""), ("if-match", "\"8\"")], Err(400)),
            (&[("if-match", "*")], Err(400)),
            (&[("if-match", "7")], Err(400)),
            (&[("if-match", "W/\"7\"")], Err(400)),
            (&[("if-match", "\"7\", \"8\"")], Err(400)),
            (&[("if-match", "\"0\"")], Err(400)),
            (&[("if-match", "\"07\"")], Err(400)),
            (&[("if-match", "\"+7\"")], Err(400)),
            (&[("if-match", "\"9223372036854775808\"")], Err(400)),
            (&[("if-none-match", "\"7\"")], Err(400)),
        ] {
            assert_eq!(base(pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_known_tag_is_not_modified() {
        let tag = HeaderValue::from_static("\"abc\"");
        for (value, known) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"x\"", false),
            ("abc", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(not_modified(&headers, &tag), known, "{value}");
        }
    }
}
