//! A server's address, which may have a path in front of its routes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};

/// A server's address: `https:` or `http:`, host, port, a path without trailing slash, and
/// nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    url: Url,
}

/// A text that is no server's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerUrlError {
    /// No URL at all.
    #[error("it is not a URL like https://keys.example.org")]
    Form(#[source] url::ParseError),
    /// Neither `https:` nor `http:`, or no host.
    #[error("a server's address begins with https:// and a host")]
    Scheme,
    /// User name, password, query or fragment.
    #[error("a server's address has no user name, password, ? or #")]
    Parts,
}

impl ServerUrl {
    /// The normalised text, without trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URL.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is `http:`.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether it is this machine: 127.0.0.0/8, `::1`, `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let url = Url::parse(text.trim()).map_err(ServerUrlError::Form)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(ServerUrlError::Scheme);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query().is_some() || url.fragment().is_some() {
            return Err(ServerUrlError::Parts);
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { text, url })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_text() {
        for (text, normal) in [
            ("https://Keys.Example.org", "https://keys.example.org"),
            ("https://keys.example.org:443/", "https://keys.example.org"),
            ("http://127.0.0.1:7117/", "http://127.0.0.1:7117"),
            (" https://example.org/kb/v1// ", "https://example.org/kb/v1"),
            ("https://[::1]:7117", "https://[::1]:7117"),
        ] {
            let server: ServerUrl = text.parse().expect(text);
            assert_eq!(server.as_str(), normal);
            assert_eq!(normal.parse::<ServerUrl>().expect(normal).as_str(), normal);
        }
    }

    #[test]
    fn what_is_more_or_other_than_an_address_is_refused() {
        for text in ["keys.example.org", "", "/path", "https://"] {
            assert!(matches!(text.parse::<ServerUrl>(), Err(ServerUrlError::Form(_))), "{text}");
        }
        for text in ["ftp://a", "file:///etc", "localhost:7117", "data:x"] {
            assert_eq!(text.parse::<ServerUrl>(), Err(ServerUrlError::Scheme), "{text}");
        }
        for text in ["https://a@b", "https://a:b@c", "https://a/?q", "https://a/#f"] {
            assert_eq!(text.parse::<ServerUrl>(), Err(ServerUrlError::Parts), "{text}");
        }
    }

    /// Holds rule 17.
    #[test]
    fn loopback_is_told_by_address_and_never_by_likeness() {
        for text in [
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://[::1]",
            "http://localhost",
            "http://LOCALHOST",
            "http://0x7f000001",
        ] {
            assert!(text.parse::<ServerUrl>().expect(text).is_loopback(), "{text}");
        }
        for text in [
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://0.0.0.0",
            "http://128.0.0.1",
            "http://[::2]",
            "http://localhost.",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(!text.parse::<ServerUrl>().expect(text).is_loopback(), "{text}");
        }
    }
}
