//! The command line: every command and option, with the help that people read. It decides
//! nothing; what may also come from the environment or the configuration is decided in
//! [`crate::config`]. Secrets are never arguments.
#![expect(clippy::doc_markdown, reason = "comments on options are help texts, shown as they are")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod account;
mod code;
mod global;
mod parse;
mod target;

pub use account::{
    Account, ChangeAddress, ChangePassword, DeleteAccount, Password, Recovery, ResetPassword,
    Revoke, RotateRecovery, Session, UndoAddress, UndoReset,
};
pub use code::TypedCode;
pub use global::{
    ColorWhen, Global, NewPasswordFlags, PasswordFlags, PhraseFlags, ProgressMode, StoreKind,
};
pub use parse::{Stop, command, parse};
pub use target::Target;

/// Back up persona directories, sealed on this device: the server can't read them.
#[derive(Debug, Parser)]
#[command(
    name = "keybackup",
    bin_name = "keybackup",
    version,
    max_term_width = 100,
    propagate_version = false,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = parse::AFTER_HELP
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account, and its recovery phrase
    ///
    /// The twelve words of the phrase open everything when the password is lost. They are shown
    /// once and two of them asked back, or written to --recovery-file, before the account exists.
    Register(Register),
    /// Log this device in to an account
    Login(Login),
    /// End this device's login
    ///
    /// What this device has seen of the account is kept, so that it still notices a server that
    /// goes back in time.
    Logout,
    /// Tell server, account, device, and what is where
    Status,
    /// Back up a persona, if it changed
    ///
    /// Without an argument: the only persona there is, or the one that is chosen. Symbolic links,
    /// sockets and devices stop a push unless they are excluded, by --exclude or a file
    /// .keybackupignore in the directory, or skipped. --all leaves out directories whose names
    /// begin with a dot; each of them can be named.
    Push(Push),
    /// Get a persona back
    ///
    /// Without a directory it goes where it belongs in the personas directory. It appears whole or
    /// not at all. Different data that are there already are never overwritten: with --force they
    /// are kept aside.
    Pull(Pull),
    /// List the personas that are backed up
    List,
    /// List the files in the backup of a persona
    Files(Files),
    /// Write one file of a backup to standard output
    Cat(Cat),
    /// Tell how the local directory differs from the backup
    Diff(Diff),
    /// Download and authenticate a backup without writing it: proof that a pull would work
    Verify(Verify),
    /// Give a persona another name
    Rename(Rename),
    /// Remove a persona from the server
    ///
    /// The local directory stays. The server keeps the bytes in its trash for 30 days.
    Remove(Remove),
    /// List the versions of a persona
    ///
    /// The server keeps the bytes of the newest 20, and of those that were replaced less than 30 days
    /// ago. `pull`, `files`, `cat` and `diff` take one of them with --version.
    History(History),
    /// Get a removed persona back, or go back to an older version
    ///
    /// At the server alone, and at once: a new version with the old content. `keybackup pull` gets it
    /// here.
    Restore(Restore),
    /// Compare what this device has seen with what the server shows, and bring them together
    ///
    /// For when a command ends with 14: the server went back, lost something, or lies. Shows both
    /// sides. Where you agree, persona by persona, what the server has is taken, and what this device has
    /// and the server lacks is pushed above it; nothing is overwritten, on either side.
    Repair(Repair),
    /// Back up a persona from a zip of the old Key Backup Service
    Import(Import),
    /// Change the password, or reset a forgotten one
    #[command(subcommand)]
    Password(Password),
    /// Check or replace the recovery phrase; unlock, or take back, what a reset has done
    #[command(subcommand)]
    Recovery(Recovery),
    /// Look at the logins of all devices, and end some
    #[command(subcommand)]
    Session(Session),
    /// Look at the account, give it another address, or delete it
    #[command(subcommand)]
    Account(Account),
    /// Check this device's set-up
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  keybackup completions bash > \
                            ~/.local/share/bash-completion/completions/keybackup")]
    Completions(Completions),
    /// Write the manual pages into a directory
    #[command(after_help = "Example:\n  keybackup man ~/.local/share/man/man1")]
    Man(Man),
}

/// `register`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keybackup register alice@example.org --server \
                  https://keys.example.org\n  keybackup register alice@example.org \
                  --password-file pw --recovery-file phrase.txt --no-input")]
pub struct Register {
    /// The account's e-mail address [default: --email, KEYBACKUP_EMAIL, the configuration]
    #[arg(value_name = "EMAIL")]
    pub address: Option<String>,
    /// What to call this device [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Invitation code, where the server asks for one
    #[arg(long, value_name = "CODE")]
    pub invite: Option<TypedCode>,
    /// Mailed code, where the server asks for one; without it one is mailed
    #[arg(long, value_name = "CODE")]
    pub confirm: Option<TypedCode>,
    /// Write the recovery phrase to this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
    /// Take a password that is guessed easily
    #[arg(long)]
    pub allow_weak_password: bool,
}

/// `login`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keybackup login alice@example.org --server \
                        https://keys.example.org\n  pass show keybackup | keybackup login \
                        alice@example.org --password-stdin")]
pub struct Login {
    /// The account's e-mail address [default: --email, KEYBACKUP_EMAIL, the configuration]
    #[arg(value_name = "EMAIL")]
    pub address: Option<String>,
    /// What to call this device [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// The account's address was changed to EMAIL since this device last logged in
    #[arg(long, requires = "address")]
    pub moved: bool,
}

/// `push`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keybackup push work\n  keybackup push ./somewhere --name work\n  \
                  keybackup push --all"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the command line, independent of the others"
)]
pub struct Push {
    /// A persona (name, nickname, id, or the start of one), or a directory: with a separator,
    /// `.` or `..` it is a path
    #[arg(value_name = "PERSONA|DIR", value_parser = target::parser())]
    pub target: Option<Target>,
    /// Name of the persona [default: the directory's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Every persona in the personas directory
    #[arg(long, conflicts_with_all = ["target", "name"])]
    pub all: bool,
    /// Push over a newer version, or under a name last pushed from another directory
    #[arg(long)]
    pub force: bool,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Read every file, also those whose size and times did not change
    #[arg(long)]
    pub rehash: bool,
    /// Leave out what matches (as in .gitignore); may be given again
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Leave out symbolic links, sockets and devices, name them, and exit with 3
    #[arg(long)]
    pub skip_special: bool,
}

/// `pull`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keybackup pull work\n  keybackup pull work ./elsewhere\n  \
                  keybackup pull --all\n  keybackup pull work --zip work.zip")]
pub struct Pull {
    /// A persona (name, nickname, id, or the start of one); a path alone (with a separator, `.` or
    /// `..`) is where to put the persona that was last there, or the only one
    #[arg(value_name = "PERSONA", value_parser = target::parser())]
    pub persona: Option<Target>,
    /// Where to put it [default: its place in the personas directory]
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Every persona of the account
    #[arg(long, conflicts_with_all = ["persona", "directory", "zip"])]
    pub all: bool,
    /// Replace different data, and keep the old directory aside
    #[arg(long)]
    pub force: bool,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Write an ordinary zip instead of a directory; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "directory")]
    pub zip: Option<PathBuf>,
    /// As an older version was: `keybackup history` lists them
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

/// `files`.
#[derive(Debug, Args)]
pub struct Files {
    /// A persona (name, nickname, id, or the start of one)
    #[arg(value_name = "PERSONA")]
    pub persona: String,
    /// As an older version was: `keybackup history` lists them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

/// `cat`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keybackup cat work persona.json")]
pub struct Cat {
    /// A persona (name, nickname, id, or the start of one)
    #[arg(value_name = "PERSONA")]
    pub persona: String,
    /// The file, as `keybackup files` lists it
    #[arg(value_name = "PATH")]
    pub path: String,
    /// As an older version was: `keybackup history` lists them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A persona, or a directory: with a separator, `.` or `..` it is a path
    #[arg(value_name = "PERSONA", value_parser = target::parser())]
    pub persona: Option<Target>,
    /// As an older version was: `keybackup history` lists them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A persona (name, nickname, id, or the start of one)
    #[arg(value_name = "PERSONA")]
    pub persona: Option<String>,
    /// Every persona of the account
    #[arg(long, conflicts_with = "persona")]
    pub all: bool,
}

/// `rename`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keybackup rename work old-work")]
pub struct Rename {
    /// A persona, by its whole name or id
    #[arg(value_name = "PERSONA")]
    pub persona: String,
    /// Its new name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// A persona, by its whole name or id
    #[arg(value_name = "PERSONA")]
    pub persona: String,
    /// Have the server drop the bytes of all versions at once, for good; asks for the password
    #[arg(long)]
    pub purge: bool,
    /// Drop those of this version alone, and remove nothing
    #[arg(long, value_name = "N", requires = "purge",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `history`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keybackup history work")]
pub struct History {
    /// A persona, also a removed one (name, nickname, id, or the start of one)
    #[arg(value_name = "PERSONA")]
    pub persona: String,
}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keybackup restore work\n  keybackup restore work --version 3")]
pub struct Restore {
    /// A persona, by its whole name or id
    #[arg(value_name = "PERSONA")]
    pub persona: String,
    /// Which version [default: the last one before the removal]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
}

/// `repair`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keybackup repair\n  keybackup repair --persona work --mark \
                        5-fOuTprG-KK7G9Brr --yes")]
pub struct Repair {
    /// The persona to bring together: its name or id
    #[arg(long, value_name = "P", requires = "mark")]
    pub persona: Option<String>,
    /// What the server shows of it, as `keybackup repair` lists it: for this, and nothing that it
    /// shows later, the consent is
    #[arg(long, value_name = "M")]
    pub mark: Option<String>,
    /// Do not ask: only for the persona and mark named
    #[arg(long, short, requires = "mark")]
    pub yes: bool,
}

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keybackup import persona.zip --name work")]
pub struct Import {
    /// The zip
    #[arg(value_name = "ZIP")]
    pub zip: PathBuf,
    /// Name of the persona [default: the persona id in the zip, else the zip's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Where to; made if absent
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}
