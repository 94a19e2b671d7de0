//! How a message leaves: to an SMTP server, or into a file.
//!
//! What an SMTP server says may repeat the address, so it is shown to who asks for a test, and
//! never logged: [`SendError::kind`] is what logs and rows get.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters, TlsVersion};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::settings::{MailSettings, Security, Smtp, Way};

/// A way out.
pub(crate) enum Transport {
    /// An SMTP server, and the time for one mail.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>, Duration),
    /// A directory of files.
    Directory(PathBuf),
}

/// Why mail can't be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The password or the certificates can't be read, or the directory not be made.
    #[error("can't use {}", path.display())]
    Io {
        /// What can't be used.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could read the mails.
    #[error("{} must be a directory of mode 0700, and has {mode:o}: chmod 700, or let it be made", path.display())]
    Permissions {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The password is none.
    #[error("{} holds no password", .0.display())]
    Password(PathBuf),
    /// TLS can't be set up.
    #[error("can't set up TLS for mail")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Why one mail was not sent. It prints what the server said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SendError {
    /// The SMTP server refused, or could not be spoken to.
    #[error("the mail server did not take the mail")]
    Smtp(#[source] lettre::transport::smtp::Error),
    /// It took too long.
    #[error("the mail server took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    /// The file could not be written.
    #[error("can't write the mail to a file")]
    File(#[source] io::Error),
}

impl SendError {
    /// What kind of failure it is, without a word of what the server said.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Timeout(_) => "timeout".to_owned(),
            Self::File(error) => format!("file: {:?}", error.kind()),
            Self::Smtp(error) => match error.status() {
                Some(code) => format!("refused: {code}"),
                None if error.is_timeout() => "timeout".to_owned(),
                None if error.is_tls() => "tls".to_owned(),
                None if error.is_response() => "not understood".to_owned(),
                None if error.is_client() => "client".to_owned(),
                None => "no connection".to_owned(),
            },
        }
    }
}

impl SendError {
    /// Whether the mail server has refused for good (5xx).
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Smtp(error) if error.is_permanent())
    }
}

impl Transport {
    /// Makes ready what the settings name. Opens no connection.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub(crate) fn open(settings: &MailSettings) -> Result<Self, TransportError> {
        match &settings.way {
            Way::Smtp(smtp) => Ok(Self::Smtp(Box::new(connector(smtp)?), smtp.timeout)),
            Way::Directory(path) => {
                private_directory(path)?;
                Ok(Self::Directory(path.clone()))
            }
        }
    }

    /// How long one mail may take.
    pub(crate) const fn time(&self) -> Duration {
        match self {
            Self::Smtp(_, time) => *time,
            Self::Directory(_) => Duration::from_mins(1),
        }
    }

    /// Sends one mail; returns what the server said.
    ///
    /// # Errors
    /// See [`SendError`]. Then it may have been sent all the same.
    pub(crate) async fn send(&self, message: Message) -> Result<String, SendError> {
        match self {
            Self::Smtp(smtp, time) => {
                let sent = timeout(*time, smtp.send(message)).await;
                let response =
                    sent.map_err(|_| SendError::Timeout(*time))?.map_err(SendError::Smtp)?;
                let lines: Vec<_> = response.message().collect();
                Ok(format!("{} {}", response.code(), lines.join(" ")))
            }
            Self::Directory(path) => {
                let path = path.clone();
                let bytes = message.formatted();
                let written = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
                let written = written.map_err(io::Error::other).and_then(|written| written);
                let path = written.map_err(SendError::File)?;
                Ok(format!("written to {}", path.display()))
            }
        }
    }
}

fn connector(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, TransportError> {
    let tls = || -> Result<TlsParameters, TransportError> {
        let mut tls =
            TlsParameters::builder(smtp.host.clone()).set_min_tls_version(TlsVersion::Tlsv12);
        if let Some(path) = &smtp.ca_file {
            let pem = fs::read(path).map_err(|source| io_error(path, source))?;
            tls =
                tls.add_root_certificate(Certificate::from_pem(&pem).map_err(TransportError::Tls)?);
        }
        tls.build_rustls().map_err(TransportError::Tls)
    };
    let tls = match smtp.security {
        Security::Starttls => Tls::Required(tls()?),
        Security::Tls => Tls::Wrapper(tls()?),
        Security::None | Security::Cleartext => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*smtp.host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(smtp.timeout));
    if let Some((user, path)) = &smtp.login {
        let password = password(path)?;
        builder = builder.credentials(Credentials::new(user.clone(), (*password).clone()));
    }
    Ok(builder.build())
}

/// The password in a file, without the line end behind it.
fn password(path: &Path) -> Result<Zeroizing<String>, TransportError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| io_error(path, source))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(TransportError::Password(path.to_owned()));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn io_error(path: &Path, source: io::Error) -> TransportError {
    TransportError::Io { path: path.to_owned(), source }
}

/// A directory of mode 0700, made if absent.
fn private_directory(path: &Path) -> Result<(), TransportError> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
    let metadata = made.and_then(|()| fs::metadata(path));
    let mode = metadata.map_err(|source| io_error(path, source))?.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        Ok(()) // nothing for group and others
    } else {
        Err(TransportError::Permissions { path: path.to_owned(), mode })
    }
}

/// Writes a file that has its name only once it is whole. Names sort by time.
fn write(directory: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos();
    let id = OsRng.next_u32();
    let staged = directory.join(format!(".{now:020}-{id:08x}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let path = directory.join(format!("{now:020}-{id:08x}.eml"));
    fs::rename(&staged, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &Path) -> MailSettings {
        let from = "backup@example.org".parse().expect("a mailbox");
        MailSettings { from, way: Way::Directory(path.to_owned()) }
    }

    fn message() -> Message {
        let from = "a@example.org".parse().expect("a mailbox");
        let to = "b@example.org".parse().expect("a mailbox");
        Message::builder().from(from).to(to).body("body".to_owned()).expect("a message")
    }

    /// Holds rule 34.
    #[tokio::test]
    async fn files_are_for_their_owner() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("made/mail");
        let transport = Transport::open(&directory(&path)).expect("opens");
        transport.send(message()).await.expect("sends");
        transport.send(message()).await.expect("sends");
        let files: Vec<_> =
            fs::read_dir(&path).expect("lists").map(|e| e.expect("is").path()).collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(file.extension().and_then(|e| e.to_str()), Some("eml"));
            let metadata = fs::metadata(&file).expect("is");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            assert!(fs::read_to_string(&file).expect("reads").ends_with("body"));
        }
        assert_eq!(fs::metadata(&path).expect("is").permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("changes");
        assert!(matches!(
            Transport::open(&directory(&path)),
            Err(TransportError::Permissions { mode: 0o750, .. })
        ));
    }

    #[test]
    fn a_password_is_a_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        for (text, read) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), (" a ", " a ")] {
            fs::write(&path, text).expect("writes");
            assert_eq!(*password(&path).expect("reads"), read);
        }
        for text in ["", "\n", "a\n\n", "a\nb", "a\0"] {
            fs::write(&path, text).expect("writes");
            assert!(matches!(password(&path), Err(TransportError::Password(_))), "{text:?}");
        }
        let absent = dir.path().join("absent");
        assert!(matches!(password(&absent), Err(TransportError::Io { .. })));
    }

    #[test]
    fn what_is_logged_does_not_repeat_what_was_said() {
        let kind = SendError::Timeout(Duration::from_secs(3)).kind();
        assert_eq!(kind, "timeout");
        let kind = SendError::File(io::Error::other("alice@example.org")).kind();
        assert_eq!(kind, "file: Other");
    }
}
