//! How mail is sent: the settings, parsed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;

use crate::config::{ConfigError, MailLayer, Period};

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Whom it comes from.
    pub(crate) from: Mailbox,
    /// Where it goes first.
    pub(crate) way: Way,
}

/// Where mail goes first.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// To an SMTP server.
    Smtp(Smtp),
    /// Into files, for development.
    Directory(PathBuf),
}

/// An SMTP server.
#[derive(Debug, Clone)]
pub(crate) struct Smtp {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// Who logs in, and the file that holds the password.
    pub(crate) login: Option<(String, PathBuf)>,
    /// Certificates that are trusted beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// For one mail, all of it.
    pub(crate) timeout: Duration,
}

/// How the connection to the SMTP server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS after STARTTLS, or no mail
    Starttls,
    /// TLS from the first byte
    Tls,
    /// No TLS; only to a server on this machine
    None,
    /// No TLS, to any server: codes and password can be read on the way
    Cleartext,
}

impl Security {
    const fn default_port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None | Self::Cleartext => 25,
        }
    }
}

/// Time for one mail, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

impl MailSettings {
    /// The settings of the layer; `None` when it has nothing to send mail by.
    ///
    /// # Errors
    /// [`ConfigError::Mail`] says what does not fit.
    pub(crate) fn resolve(layer: MailLayer) -> Result<Option<Self>, ConfigError> {
        let from = layer.mail_from.as_deref().map(parse_from).transpose()?;
        let smtp_only = layer.mail_port.is_some()
            || layer.mail_security.is_some()
            || layer.mail_user.is_some()
            || layer.mail_password_file.is_some()
            || layer.mail_ca_file.is_some()
            || layer.mail_timeout.is_some();
        let way = match (layer.mail_host, layer.mail_dir) {
            (Some(_), Some(_)) => return bad("mail_host and mail_dir are two ways: name one"),
            (None, Some(dir)) if !smtp_only => Way::Directory(dir),
            (None, None) if !smtp_only && from.is_none() => return Ok(None),
            (None, _) => return bad("mail settings without mail_host send no mail"),
            (Some(host), None) => {
                let security = layer.mail_security.unwrap_or(Security::Starttls);
                if security == Security::None && !is_loopback(&host) {
                    return bad(
                        "mail_security none is for a server on this machine; say cleartext if \
                         others on the way may read codes and password",
                    );
                }
                if !is_host(&host) {
                    return bad("mail_host must be a host name or an IP address");
                }
                let login = match (layer.mail_user, layer.mail_password_file) {
                    (Some(user), Some(file)) => Some((user, file)),
                    (None, None) => None,
                    _ => return bad("mail_user and mail_password_file go together"),
                };
                Way::Smtp(Smtp {
                    host,
                    port: layer.mail_port.unwrap_or(security.default_port()),
                    security,
                    login,
                    ca_file: layer.mail_ca_file,
                    timeout: layer.mail_timeout.map_or(DEFAULT_TIMEOUT, Period::duration),
                })
            }
        };
        match from {
            Some(from) => Ok(Some(Self { from, way })),
            None => bad(
                "mail needs a sender, an address such as backup@example.org: --mail-from, or from in [mail]",
            ),
        }
    }
}

const fn bad<T>(why: &'static str) -> Result<T, ConfigError> {
    Err(ConfigError::Mail(why))
}

/// An address with or without a name. Controls would be a second header to some.
fn parse_from(text: &str) -> Result<Mailbox, ConfigError> {
    let parsed = (!text.contains(char::is_control)).then(|| text.parse::<Mailbox>().ok()).flatten();
    parsed.map_or_else(|| bad("mail_from must be like Backups <backup@example.org>"), Ok)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.parse::<IpAddr>().is_ok() || host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> MailLayer {
        MailLayer {
            mail_host: Some("mail.example.org".to_owned()),
            mail_from: Some("Backups <backup@example.org>".to_owned()),
            ..MailLayer::default()
        }
    }

    fn smtp(layer: MailLayer) -> Smtp {
        match MailSettings::resolve(layer).expect("resolves").expect("sends").way {
            Way::Smtp(smtp) => smtp,
            Way::Directory(_) => panic!("a directory"),
        }
    }

    fn why(layer: MailLayer) -> &'static str {
        match MailSettings::resolve(layer) {
            Err(ConfigError::Mail(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mail_goes_through_tls_unless_told_otherwise() {
        assert!(MailSettings::resolve(MailLayer::default()).expect("resolves").is_none());
        let default = smtp(layer());
        assert_eq!((default.port, default.security), (587, Security::Starttls));
        let tls = smtp(MailLayer { mail_security: Some(Security::Tls), ..layer() });
        assert_eq!(tls.port, 465);
        let none = |host: &str| MailLayer {
            mail_host: Some(host.to_owned()),
            mail_security: Some(Security::None),
            ..layer()
        };
        for here in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(smtp(none(here)).port, 25);
        }
        for elsewhere in ["mail.example.org", "192.0.2.1", "localhost.example.org"] {
            assert!(why(none(elsewhere)).contains("on this machine"), "{elsewhere}");
            let said = MailLayer { mail_security: Some(Security::Cleartext), ..none(elsewhere) };
            assert_eq!(smtp(said).security, Security::Cleartext);
        }
    }

    #[test]
    fn halves_are_refused() {
        let file = || Some(PathBuf::from("file"));
        for (layer, part) in [
            (MailLayer { mail_from: None, ..layer() }, "needs a sender"),
            (MailLayer { mail_host: None, ..layer() }, "without mail_host"),
            (MailLayer { mail_dir: file(), ..layer() }, "two ways"),
            (MailLayer { mail_user: Some("user".to_owned()), ..layer() }, "go together"),
            (MailLayer { mail_password_file: file(), ..layer() }, "go together"),
            (
                MailLayer { mail_host: None, mail_dir: file(), mail_port: Some(1), ..layer() },
                "without mail_host",
            ),
            (MailLayer { mail_host: Some("a b".to_owned()), ..layer() }, "host name"),
            (MailLayer { mail_host: Some(String::new()), ..layer() }, "host name"),
        ] {
            assert!(why(layer).contains(part), "{part}");
        }
    }

    /// Holds rule 32.
    #[test]
    fn a_sender_is_one_address() {
        for from in
            ["backup", "a@b.c\r\nBcc: x@y.z", "\"a\r\nBcc: x@y.z\" <a@b.c>", "a\0 <a@b.c>", ""]
        {
            let layer = MailLayer { mail_from: Some(from.to_owned()), ..layer() };
            assert!(why(layer).contains("mail_from"), "{from:?}");
        }
    }
}
