//! The options that every command has.
#![expect(clippy::doc_markdown, reason = "comments on options are help texts, shown as they are")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::config::Environment;
use crate::ui::shell_word;

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the command line, independent of the others"
)]
pub struct Global {
    /// Which server and account, for who has several [env: KEYBACKUP_PROFILE] [default: default]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The server [env: KEYBACKUP_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// The account's e-mail address [env: KEYBACKUP_EMAIL]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Never ask; fail and name what would have answered
    #[arg(long, global = true)]
    pub no_input: bool,
    /// When to use colours; NO_COLOR and TERM=dumb count for auto
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,
    /// How to show progress, on standard error
    #[arg(long, global = true, value_name = "HOW", value_enum, default_value_t)]
    pub progress: ProgressMode,
    /// Trust the certificates in this PEM file too [env: KEYBACKUP_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// How long to wait for the server or another keybackup [env: KEYBACKUP_TIMEOUT]
    /// [default: 30]
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub timeout: Option<u32>,
    /// Send and receive at most so much a second: a number of bytes, or one with K, M or G (1024)
    /// [env: KEYBACKUP_LIMIT_RATE]
    #[arg(long, global = true, value_name = "RATE")]
    pub limit_rate: Option<String>,
    /// Where what is large lies on its way, sealed [env: KEYBACKUP_SPOOL_DIR] [default: the profile]
    #[arg(long, global = true, value_name = "DIR")]
    pub spool_dir: Option<PathBuf>,
    /// Allow http: to other machines than this one: who listens sees when and how much you push
    #[arg(long, global = true)]
    pub insecure_http: bool,
    /// Where to keep the login [env: KEYBACKUP_STORE] [default: the keyring if one answers, else
    /// a file]
    #[arg(long, global = true, value_name = "WHERE", value_enum)]
    pub store: Option<StoreKind>,
    /// Configuration file [env: KEYBACKUP_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the password comes from.
    #[command(flatten)]
    pub passwords: PasswordFlags,
}

impl Global {
    /// The options that choose profile and configuration, for a command line that means the same.
    pub fn selection(&self) -> Option<String> {
        let profile = self.profile.as_ref().map(|name| format!("--profile {}", shell_word(name)));
        let config = self
            .config
            .as_ref()
            .map(|file| format!("--config {}", shell_word(&file.display().to_string())));
        let options: Vec<_> = profile.into_iter().chain(config).collect();
        (!options.is_empty()).then(|| options.join(" "))
    }
}

/// Where the password comes from: the first of these that is given, then `KEYBACKUP_PASSWORD`,
/// then a prompt.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Password (else KEYBACKUP_PASSWORD, else a prompt)")]
pub struct PasswordFlags {
    /// Read the password from this file
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long, global = true)]
    pub password_stdin: bool,
    /// Take the password from what this command prints (run by sh -c)
    #[arg(long, global = true, value_name = "COMMAND")]
    pub password_command: Option<String>,
}

impl PasswordFlags {
    /// Whether a password comes from somewhere else than a prompt.
    pub fn given(&self, environment: &Environment) -> bool {
        self.password_file.is_some()
            || self.password_stdin
            || self.password_command.is_some()
            || environment.secret("KEYBACKUP_PASSWORD").is_some()
    }
}

/// Where a new password comes from: the first of these that is given, then
/// `KEYBACKUP_NEW_PASSWORD`, then a prompt.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "New password (else KEYBACKUP_NEW_PASSWORD, else a prompt)")]
pub struct NewPasswordFlags {
    /// Read the new password from this file
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,
    /// Read the new password from standard input
    #[arg(long)]
    pub new_password_stdin: bool,
    /// Take the new password from what this command prints (run by sh -c)
    #[arg(long, value_name = "COMMAND")]
    pub new_password_command: Option<String>,
    /// Take a password that is guessed easily
    #[arg(long)]
    pub allow_weak_password: bool,
}

/// Where a recovery phrase comes from, but for a prompt.
#[derive(Debug, Clone, Default, Args)]
pub struct PhraseFlags {
    /// Read the recovery phrase from this file
    #[arg(long, value_name = "FILE", group = "phrase_source")]
    pub phrase_file: Option<PathBuf>,
    /// Read the recovery phrase from standard input
    #[arg(long, group = "phrase_source")]
    pub phrase_stdin: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal.
    #[default]
    Auto,
    /// Also into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressMode {
    /// A bar, if standard error is a terminal.
    #[default]
    Auto,
    /// Lines of JSON.
    Json,
    /// Not at all.
    None,
}

/// Where a login is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// The keyring of the operating system.
    Keyring,
    /// A file that only the owner can read.
    File,
    /// Nowhere: every command logs in.
    None,
}

impl StoreKind {
    /// Its name in options, files and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::File => "file",
            Self::None => "none",
        }
    }
}
