//! Errors of the layers below become what a person reads: a slug, an exit code, and the next
//! command to type. This is the only place that decides which is which.

use std::error::Error;
use std::io;

use keybackup_protocol::api::code;

use crate::account::AccountError;
use crate::error::{Code, Failure};
use crate::keys::opaque::OpaqueError;
use crate::marks::{ContradictionKind, ListingError};
use crate::records::IndexError;
use crate::remote::RemoteError;
use crate::seal::BlobError;
use crate::spool::SpoolError;
use crate::ui;
use crate::vault::VaultError;

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Self::from(&error)
    }
}

impl From<&RemoteError> for Failure {
    fn from(error: &RemoteError) -> Self {
        match error {
            RemoteError::Unreachable { source, .. } if is_tls(source) => {
                Self::of(Code::Tls, error).hint("a certificate of your own: --ca-file FILE")
            }
            RemoteError::Unreachable { source, .. } => {
                // Between our words and the system's the HTTP client has three of its own.
                Self::new(Code::Network, error.to_string())
                    .caused_by(root_cause(source))
                    .hint("is the server running, and --server right? keybackup doctor")
            }
            RemoteError::TimedOut { .. } => {
                Self::of(Code::Network, error).hint("a slow network: --timeout SECONDS")
            }
            RemoteError::Broken { .. } => {
                Self::of(Code::Network, error).hint("the same command again is safe")
            }
            RemoteError::NotKeybackup { .. } => {
                Self::of(Code::NotKeybackup, error).hint(WHERE_IS_IT)
            }
            RemoteError::Protocol { .. } => {
                Self::of(Code::Protocol, error).hint("update the older of the two")
            }
            RemoteError::Refused { status, code, message, retry_after_s } => {
                refused(*status, code, message, *retry_after_s)
            }
            RemoteError::Local(source) => Self::io(source, "keeping a transfer's bytes"),
            RemoteError::Setup { .. } => Self::of(Code::Config, error),
        }
    }
}

fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root
}

/// The failure of the network or of a local disk that the error of a reader hides: bytes that
/// could not be had are no damaged ones.
pub(super) fn outage_behind(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(remote) = error.downcast_ref::<RemoteError>() {
            return Some(remote.into());
        }
        let io = error.downcast_ref::<io::Error>();
        // Only the system's own errors have a number; no bytes of a server's make one.
        if let Some(io) = io.filter(|io| io.raw_os_error().is_some()) {
            return Some(Failure::io(io, "reading or writing local files"));
        }
        // The source of an I/O error is that of what it wraps, not what it wraps.
        let wrapped = io.and_then(io::Error::get_ref);
        cause = wrapped.map(|error| error as _).or_else(|| error.source());
    }
    None
}

/// An archive of ours that is refused: whoever sealed it had the key, so it is damage or malice.
pub(super) fn archive_failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    if let Some(failure) = outage_behind(error) {
        return failure;
    }
    Failure::of(Code::Integrity, error)
        .context("the archive inside the backup is refused")
        .hint("nothing was written")
}

/// The hint about what does not answer as our server does.
const WHERE_IS_IT: &str = "is --server right, the path of a reverse proxy included?";
/// Characters of a server's own words that are shown.
const MAX_SAID_CHARS: usize = 300;
/// Longest wait that a server is believed to want, in seconds.
const MAX_RETRY_AFTER_S: u64 = 86_400;

fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("certificate") || text.contains("tls") || text.contains("TLS") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn refused(status: u16, slug: &str, message: &str, retry_after_s: Option<u64>) -> Failure {
    let message: String = message.chars().take(MAX_SAID_CHARS).collect();
    let said = format!("the server said: {}", ui::escape(&message));
    match slug {
        code::UNAUTHENTICATED => {
            Failure::new(Code::LoginNeeded, "the session at the server is over")
                .hint("keybackup login")
        }
        code::FORBIDDEN => {
            Failure::new(Code::Forbidden, said).hint("another login: keybackup login")
        }
        code::STALE => {
            Failure::new(Code::Conflict, "the account's keys or epoch are others by now")
                .hint("the same command again; if it stays so: keybackup status")
        }
        code::CONFLICT => {
            Failure::new(Code::Conflict, "another device changed the account meanwhile")
                .hint("the same command again")
        }
        code::GONE => Failure::new(Code::NotFound, "the server no longer has these bytes")
            .hint("what there is: keybackup list"),
        code::TOO_LARGE => Failure::new(Code::TooLarge, said)
            .hint("what need not be backed up is left out with --exclude GLOB"),
        code::QUOTA => Failure::new(Code::Quota, "the account's space at the server is used up")
            .hint("what is there is safe; remove a persona, or ask the server's operator"),
        code::FULL => Failure::new(Code::Quota, "the server's disk is full")
            .hint("what is there is safe; tell the server's operator"),
        code::TOO_MANY => {
            let wait = retry_after_s
                .map_or_else(String::new, |s| format!(" in {} s", s.min(MAX_RETRY_AFTER_S)));
            Failure::new(Code::TooMany, "too many attempts").hint(format!("try again{wait}"))
        }
        code::UNDO_OPEN => Failure::new(
            Code::Barred,
            "the address was changed, and for 7 days that can be undone: until then the phrase stays, \
             what is locked stays locked, and the account can't be deleted",
        )
        .hint("after the 7 days the same command again; not by you? keybackup account undo-email FORMER --code CODE"),
        code::PROTOCOL_UNSUPPORTED => {
            Failure::new(Code::Protocol, said).hint("update the older of the two")
        }
        _ => Failure::new(Code::Server, format!("{said} (status {status})"))
            .hint("later the same command again; if it stays so, tell the server's operator"),
    }
}

/// What a server refuses in registration and login alone; elsewhere these slugs mean nothing.
fn account_refused(error: &RemoteError) -> Option<Failure> {
    let RemoteError::Refused { code, .. } = error else { return None };
    Some(match code.as_str() {
        code::LOGIN_FAILED => wrong_password(),
        code::REGISTRATION_REFUSED => Failure::new(
            Code::RegistrationRefused,
            "the server takes no registration, or not with this invitation",
        )
        .hint("an invitation of the server's operator: --invite CODE"),
        code::TAKEN => Failure::new(Code::Taken, "the e-mail address has an account already")
            .hint("keybackup login EMAIL"),
        code::CODE_REFUSED => {
            Failure::new(Code::WrongCode, "the mailed code is wrong, used, over, or not the newest")
                .hint("the same command without the code has a new one mailed")
        }
        code::ADDRESS_HELD => Failure::new(
            Code::Locked,
            "the address stays while personas are locked by a reset: they open under it alone",
        )
        .hint("keybackup recovery unlock, then the same command again"),
        code::PROOF_REFUSED => Failure::new(
            Code::WrongPhrase,
            "neither this phrase nor what this device has is of an epoch of the account that it could open",
        )
        .hint("the same command again with another phrase; a mailed code holds on"),
        code::RESET_BARRED => {
            Failure::new(Code::Barred, "resets without the recovery phrase are barred for this account")
                .hint("after one was undone for 30 days, and after three in 30 days; with the phrase a reset works")
        }
        code::TICKET_REFUSED => {
            Failure::new(Code::Network, "it took too long: the server forgot the attempt")
                .hint("the same command again")
        }
        _ => return None,
    })
}

/// Two devices changed one persona: both contents survive whichever way is taken.
pub(super) fn with_three_ways_out(failure: Failure, name: &str) -> Failure {
    let name = ui::shell_word(name);
    failure
        .hint(format!("see what differs: keybackup diff {name}"))
        .hint(format!("keep theirs, and yours aside: keybackup pull --force {name}"))
        .hint(format!("keep yours, and theirs as an older version: keybackup push --force {name}"))
}

fn wrong_password() -> Failure {
    Failure::new(Code::WrongPassword, "wrong e-mail address or password")
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Remote(error) => account_refused(&error).unwrap_or_else(|| error.into()),
            AccountError::Password(ref cause) => {
                Self::of(Code::Usage, cause).context("this can't be a password")
            }
            AccountError::Opaque(OpaqueError::WrongPassword) => wrong_password(),
            AccountError::Opaque(OpaqueError::OutOfMemory) => Self::new(
                Code::Memory,
                "the password's key derivation needs 256 MiB of memory, which are not to be had",
            )
            .hint("free some memory, or log in on a larger machine"),
            AccountError::Opaque(_) | AccountError::BadAnswer => {
                Self::of(Code::NotKeybackup, &error).hint(WHERE_IS_IT)
            }
            AccountError::Suite { .. } => {
                Self::of(Code::Protocol, &error).hint("update the older of the two")
            }
            AccountError::MissingSlot { .. } | AccountError::Damaged(_) => {
                Self::of(Code::Integrity, &error)
                    .hint("nothing was changed here; tell the server's operator")
            }
            AccountError::Seal(_) => Self::of(Code::Internal, &error),
            AccountError::WrongPhrase => Self::of(Code::WrongPhrase, &error)
                .hint("was it replaced by keybackup recovery rotate? then the newer one is right"),
            AccountError::ResetInDoubt(_) => Self::of(Code::Network, &error).hint(
                "find out: keybackup login EMAIL with the new password; keep a new recovery phrase until you know",
            ),
            AccountError::PhraseInDoubt(_) => Self::of(Code::Network, &error)
                .hint("keep both phrases until you know: keybackup login, then keybackup recovery check"),
            AccountError::UndoInDoubt(_) => Self::of(Code::Network, &error)
                .hint("the same command again is safe"),
            AccountError::PasswordInDoubt(_) => Self::of(Code::Network, &error).hint(
                "find out: keybackup login with the new password, and if that is wrong, with the old one",
            ),
            AccountError::AddressInDoubt(_) => Self::of(Code::Network, &error).hint(
                "find out: keybackup login NEW --moved; if that is refused, the old address holds",
            ),
            AccountError::DeletionInDoubt(_) => Self::of(Code::Network, &error)
                .hint("the same command again is safe; if it says that the session is over, it was deleted"),
            AccountError::InDoubt(_) => Self::of(Code::Network, &error)
                .hint("find out: keybackup login EMAIL; keep the recovery phrase until you know"),
        }
    }
}

impl From<SpoolError> for Failure {
    fn from(error: SpoolError) -> Self {
        match &error {
            SpoolError::NoSpace { .. } => Self::of(Code::DiskFull, &error),
            SpoolError::Create { source, .. } => Self::io(source, error.to_string()),
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        if let VaultError::Blob(_) = error
            && let Some(failure) = outage_behind(&error)
        {
            return failure;
        }
        match error {
            VaultError::Remote(error) => error.into(),
            VaultError::Spool(error) => error.into(),
            VaultError::Io(ref source) => Self::io(source, "reading or writing local files"),
            VaultError::Contradiction(contradiction) => {
                let code = match contradiction.kind() {
                    ContradictionKind::Rollback => Code::Rollback,
                    ContradictionKind::Forgery => Code::Integrity,
                };
                let failure = Self::of(code, &*contradiction);
                let failure = match contradiction.seen_at() {
                    Some(at) => {
                        failure.hint(format!("seen by this device on {}", ui::timestamp(at)))
                    }
                    None => failure,
                };
                failure
                    .hint("nothing was changed, here or there; compare with another device: keybackup status")
                    .hint("if the operator says that an old copy was put back: keybackup repair")
            }
            VaultError::WrongPhrase => Self::of(Code::WrongPhrase, &error),
            VaultError::OtherEpoch { .. } => Self::of(Code::Rollback, &error).hint(
                "was the account reset without its phrase? what this device has seen is kept",
            ),
            VaultError::Moved { ref name, .. } => {
                with_three_ways_out(Self::of(Code::Conflict, &error), name.as_str())
            }
            VaultError::Index(IndexError::NameTaken { .. }) => {
                Self::of(Code::Taken, &error).hint("another name: --name NAME")
            }
            VaultError::Listing(ListingError::KeyringRolledBack { .. }) => Self::of(
                Code::Rollback,
                &error,
            )
            .hint(
                "nothing was changed, here or there; compare with another device: keybackup status",
            ),
            VaultError::Blob(BlobError::Truncated) => Self::of(Code::Truncated, &error),
            VaultError::Busy => Self::of(Code::Conflict, &error).hint("the same command again"),
            VaultError::Blob(_)
            | VaultError::Index(_)
            | VaultError::Record(_)
            | VaultError::Listing(_)
            | VaultError::Keyrings(_)
            | VaultError::KeyringShrank => Self::of(Code::Integrity, &error)
                .hint("nothing was changed here; tell the server's operator"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    /// What the disk refuses is no damage: 1, and not 14.
    #[test]
    fn a_failing_disk_is_told_from_damage() {
        let of_disk = || io::Error::from_raw_os_error(5);
        let exit = |failure: Failure| failure.exit();
        assert_eq!(exit(VaultError::from(BlobError::Io(of_disk())).into()), Exit::Other);
        assert_eq!(
            exit(archive_failure(&crate::archive::AuditError::Read(of_disk()))),
            Exit::Other
        );

        let of_bytes = || io::Error::new(io::ErrorKind::InvalidData, BlobError::Padding);
        assert_eq!(exit(VaultError::from(BlobError::Padding).into()), Exit::Integrity);
        let refused = crate::archive::AuditError::Read(of_bytes());
        assert_eq!(exit(archive_failure(&refused)), Exit::Integrity);
    }
}
