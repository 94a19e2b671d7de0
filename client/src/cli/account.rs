//! The commands about the account itself: password, sessions, what the server knows.

use clap::{Args, Subcommand};

use super::global::NewPasswordFlags;

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
}
