//! The server's own URL, the only source of links in mails: what a request calls the server by is
//! whatever a stranger wrote there.

use super::ConfigError;
use crate::http::percent;

/// Where the server is reached from outside: `http` or `https`, host, and path, without a slash at
/// the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Parses one.
    ///
    /// # Errors
    /// [`ConfigError::PublicUrl`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let mut segments = rest.ok_or(ConfigError::PublicUrl)?.split('/');
        let fits = segments.next().is_some_and(|host| plain(host, b"-.:[]"))
            && segments.all(|segment| plain(segment, b"-_"));
        if fits { Ok(Self(text.to_owned())) } else { Err(ConfigError::PublicUrl) }
    }

    /// The page that shows a code.
    pub(crate) fn reset_page(&self, email: &str, code: &str) -> String {
        let (email, code) = (percent::encode(email), percent::encode(code));
        format!("{}/password/reset.html?email={email}&code={code}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_page() {
        for (text, base) in [
            ("https://backup.example.org", "https://backup.example.org"),
            ("https://backup.example.org/", "https://backup.example.org"),
            ("http://[::1]:7117/a/b_c/", "http://[::1]:7117/a/b_c"),
        ] {
            assert_eq!(
                PublicUrl::parse(text).expect("a URL").reset_page("a+b@example.org", "01234-56789"),
                format!("{base}/password/reset.html?email=a%2Bb%40example.org&code=01234-56789")
            );
        }
        for bad in [
            "",
            "https://",
            "backup.example.org",
            "ftp://a",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "https://a//b",
            "https://u@a",
            "https://a/\"b",
            "https://a/..",
            "https://a//",
        ] {
            assert!(matches!(PublicUrl::parse(bad), Err(ConfigError::PublicUrl)), "{bad}");
        }
    }
}
