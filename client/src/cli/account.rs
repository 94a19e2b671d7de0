//! The commands about the account itself: password, recovery phrase, sessions, what the server
//! knows.
#![expect(clippy::doc_markdown, reason = "comments on options are help texts, shown as they are")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::code::TypedCode;
use super::global::{NewPasswordFlags, PhraseFlags};

/// `password`.
#[derive(Debug, Subcommand)]
pub enum Password {
    /// Take another password
    ///
    /// The recovery phrase and everything that is backed up stay as they are. Other devices are
    /// logged out.
    #[command(after_help = "Examples:\n  keybackup password change\n  keybackup password change \
                            --password-file old --new-password-file new --no-input")]
    Change(ChangePassword),
    /// Take another password when the old one is forgotten
    ///
    /// Without --code a code is mailed to the address. With it and the recovery phrase everything
    /// comes back. With the code alone there is a new, empty account under the address: what was
    /// backed up stays at the server, locked, until `keybackup recovery unlock` opens it with the
    /// old phrase, or on a device that was logged in.
    #[command(after_help = "Examples:\n  keybackup password reset alice@example.org\n  keybackup \
                            password reset alice@example.org --code 7K2MX-9QF4T\n  keybackup \
                            password reset alice@example.org --code 7K2MX-9QF4T --phrase-file \
                            phrase.txt --new-password-file pw --no-input")]
    Reset(ResetPassword),
}

/// `password reset`.
#[derive(Debug, Args)]
pub struct ResetPassword {
    /// The account's e-mail address [default: --email, KEYBACKUP_EMAIL, the configuration]
    #[arg(value_name = "EMAIL")]
    pub address: Option<String>,
    /// The mailed code, with or without dashes
    #[arg(long, value_name = "CODE")]
    pub code: Option<TypedCode>,
    /// Where the recovery phrase comes from.
    #[command(flatten)]
    pub phrase: PhraseFlags,
    /// Go on without the recovery phrase: what is backed up will be locked
    #[arg(long, requires = "code", conflicts_with_all = ["phrase_file", "phrase_stdin"])]
    pub without_phrase: bool,
    /// Do not ask whether to go on without the phrase
    #[arg(long, short)]
    pub yes: bool,
    /// Write the new recovery phrase of a reset without the old one to this new file
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
    /// What to call this device [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Where the new password comes from.
    #[command(flatten)]
    pub new: NewPasswordFlags,
}

/// `recovery`.
#[derive(Debug, Subcommand)]
pub enum Recovery {
    /// Check that a recovery phrase is this account's
    ///
    /// It is tried on this device's copy of what the phrase opens: nothing is sent, and no server
    /// is needed.
    #[command(after_help = "Example:\n  keybackup recovery check --phrase-file phrase.txt")]
    Check(PhraseFlags),
    /// Take a new recovery phrase; the old one opens nothing any more
    #[command(after_help = "Examples:\n  keybackup recovery rotate\n  keybackup recovery rotate \
                            --recovery-file phrase.txt --password-file pw --no-input")]
    Rotate(RotateRecovery),
    /// Get back what a reset without the phrase has locked
    ///
    /// With the phrase of that time; or without one on a device that was logged in then. Everything
    /// comes back at once; where two names are equal, both stay.
    #[command(after_help = "Example:\n  keybackup recovery unlock --phrase-file old-phrase.txt")]
    Unlock(PhraseFlags),
    /// Take back a reset that was not yours: no mailbox is needed
    ///
    /// With the recovery phrase, or else with the password of before, on any device. The account is
    /// as it was before the reset; resets without the phrase are barred for 30 days.
    #[command(after_help = "Examples:\n  keybackup recovery undo-reset\n  keybackup recovery \
                            undo-reset alice@example.org --server https://keys.example.org \
                            --phrase-file phrase.txt")]
    UndoReset(UndoReset),
}

/// `recovery rotate`.
#[derive(Debug, Args)]
pub struct RotateRecovery {
    /// Write the new phrase to this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
}

/// `recovery undo-reset`.
#[derive(Debug, Args)]
pub struct UndoReset {
    /// The account's e-mail address [default: the profile's, --email, KEYBACKUP_EMAIL]
    #[arg(value_name = "EMAIL")]
    pub address: Option<String>,
    /// Where the recovery phrase comes from.
    #[command(flatten)]
    pub phrase: PhraseFlags,
}

/// `password change`.
#[derive(Debug, Args)]
pub struct ChangePassword {
    /// Where the new one comes from.
    #[command(flatten)]
    pub new: NewPasswordFlags,
}

/// `session`.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// List the logins of all devices
    List,
    /// End a login, or all but this device's own
    #[command(after_help = "Examples:\n  keybackup session revoke 3f2a\n  keybackup session \
                            revoke --others")]
    Revoke(Revoke),
}

/// `session revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Which one: its id, or the start of it, as `keybackup session list` shows it
    #[arg(value_name = "ID", required_unless_present = "others")]
    pub id: Option<String>,
    /// All but the one that this device uses
    #[arg(long, conflicts_with = "id")]
    pub others: bool,
}

/// `account`.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Tell what the server knows of the account
    Show,
    /// Give the account another e-mail address
    ///
    /// Asks for the password, and for the code that the new address is mailed, where the server mails
    /// any. Password, recovery phrase and backups stay as they are; other devices are logged out. For 7
    /// days a code that is mailed to the former address undoes it.
    #[command(after_help = "Examples:\n  keybackup account email bob@example.org\n  keybackup \
                            account email bob@example.org --confirm 7K2MX-9QF4T --password-file pw \
                            --no-input")]
    Email(ChangeAddress),
    /// Take back a change of the address: with the code that was mailed to the former one
    ///
    /// The account has its former address again, and the password of then. All devices are logged out.
    #[command(after_help = "Example:\n  keybackup account undo-email alice@example.org --code \
                            7K2MX-9QF4T")]
    UndoEmail(UndoAddress),
    /// Delete the account and its backups at the server
    ///
    /// Asks for the e-mail address to be typed, and then for the password. All devices are logged out, and
    /// the address is free. The server keeps the sealed bytes for 30 days more, which nobody can fetch;
    /// nothing brings them back. Directories on this device stay as they are.
    #[command(
        after_help = "Examples:\n  keybackup account delete\n  keybackup account delete --yes \
                            --password-file FILE --no-input"
    )]
    Delete(DeleteAccount),
}

/// `account email`.
#[derive(Debug, Args)]
pub struct ChangeAddress {
    /// The new address
    #[arg(value_name = "NEW")]
    pub address: String,
    /// The code mailed to the new address, with or without dashes
    #[arg(long, value_name = "CODE")]
    pub confirm: Option<TypedCode>,
}

/// `account undo-email`.
#[derive(Debug, Args)]
pub struct UndoAddress {
    /// The address that the account had
    #[arg(value_name = "FORMER")]
    pub address: String,
    /// The code that was mailed there, with or without dashes
    #[arg(long, value_name = "CODE")]
    pub code: TypedCode,
}

/// `account delete`.
#[derive(Debug, Args)]
pub struct DeleteAccount {
    /// Don't ask for the address to be typed
    #[arg(long)]
    pub yes: bool,
}
