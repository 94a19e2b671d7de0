//! The command line: `serve`, `health`, `invite`, `account`, `mail`.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use keybackup_protocol::Address;
use keybackup_protocol::api::Registration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, AccountCommand, AdminError, InviteCommand};
use crate::config::{
    AddressLayer, Config, ConfigError, Layers, MailLayer, PlaceLayer, ServeLayer, check_environment,
};
use crate::harden::Weakness;
use crate::health::{self, HealthError};
use crate::keyfile::{KeyFileError, ServerKey};
use crate::mail::{self, MailSettings, MailTestError, TransportError};
use crate::state::Server;
use crate::store::{DataDir, OpenError, SqlStore};
use crate::{harden, log, serve};

/// Keeps sealed backups that only their owners can read.
#[derive(Debug, Parser)]
#[command(name = "keybackup-server", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    place: PlaceLayer,
    /// Settings that flags and variables leave open (TOML)
    #[arg(long, global = true, env = "KEYBACKUP_SERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (SIGTERM or Ctrl-C)
    Serve {
        #[command(flatten)]
        address: AddressLayer,
        #[command(flatten)]
        serve: Box<ServeLayer>,
        #[command(flatten)]
        mail: Box<MailLayer>,
    },
    /// Ask the running server whether it can serve; exit 0 if so, else 1
    Health {
        #[command(flatten)]
        address: AddressLayer,
    },
    /// Invitations to register
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Look at accounts, disable, enable and delete them, end their sessions
    #[command(subcommand)]
    Account(AccountCommand),
    /// Mail
    #[command(subcommand)]
    Mail(MailCommand),
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Send a mail at once, and tell what the mail server said
    Test {
        /// Whom to send it to
        address: Address,
        #[command(flatten)]
        mail: Box<MailLayer>,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("can't use the data directory")]
    Open(#[from] OpenError),
    #[error("can't use the server's keys")]
    KeyFile(#[from] KeyFileError),
    #[error("can't listen on {address}")]
    Listen { address: std::net::SocketAddr, source: io::Error },
    #[error("can't start")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("no mail is sent without --mail-host or --mail-dir, or [mail] in the file")]
    NoMail,
    #[error("can't send mail")]
    Transport(#[from] TransportError),
    #[error(transparent)]
    MailTest(#[from] MailTestError),
}

/// Parses the arguments and runs the command. Exit 0 on success, 1 on failure, 2 on wrong usage
/// or configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            announce(&format!("error: {error}\n"));
            let mut cause = error.source();
            while let Some(error) = cause {
                announce(&format!("  cause: {error}\n"));
                cause = error.source();
            }
            let usage =
                matches!(error, CliError::Config(_) | CliError::Admin(AdminError::Unconfirmed));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    check_environment(std::env::vars_os().map(|(name, _)| name))?;
    let weaknesses = harden::harden();
    let mut layers = Layers { place: cli.place, ..Layers::default() };
    match cli.command {
        Command::Serve { address, serve, mail } => {
            layers.address = address;
            layers.serve = *serve;
            layers.mail = *mail;
            let layers = layers.with_file(cli.config.as_deref()).map_err(ConfigError::from)?;
            run_serve(Config::resolve(layers)?, &weaknesses)
        }
        Command::Health { address } => {
            warn(&weaknesses);
            layers.address = address;
            let layers = layers.with_file(cli.config.as_deref()).map_err(ConfigError::from)?;
            Ok(health::check(layers.address.listen(), &layers.address.path_prefix()?)?)
        }
        Command::Invite(command) => {
            let admin = administration(layers, cli.config.as_deref(), &weaknesses)?;
            let mut out = io::stdout();
            let invited = admin::invite(&admin.store, &admin.key, command, &mut out);
            Ok(runtime()?.block_on(invited)?)
        }
        Command::Account(command) => {
            let admin = administration(layers, cli.config.as_deref(), &weaknesses)?;
            let mut out = io::stdout();
            let done = admin::account(&admin.store, &admin.key, command, &mut out);
            Ok(runtime()?.block_on(done)?)
        }
        Command::Mail(MailCommand::Test { address, mail }) => {
            warn(&weaknesses);
            layers.mail = *mail;
            let layers = layers.with_file(cli.config.as_deref()).map_err(ConfigError::from)?;
            let settings = MailSettings::resolve(layers.mail)?.ok_or(CliError::NoMail)?;
            let said = runtime()?.block_on(mail::test(&settings, &address))?;
            writeln!(io::stdout(), "{said}").map_err(|error| AdminError::from(error).into())
        }
    }
}

/// What the operator's commands work on.
struct Administration {
    key: ServerKey,
    store: SqlStore,
}

/// Opens it as it is: a misspelt directory must not become another server's.
fn administration(
    layers: Layers,
    config: Option<&Path>,
    weaknesses: &[Weakness],
) -> Result<Administration, CliError> {
    warn(weaknesses);
    let layers = layers.with_file(config).map_err(ConfigError::from)?;
    // Who may register, and where, is of no concern here; the limits are.
    let serve = ServeLayer {
        registration: layers.serve.registration.or(Some(Registration::Closed)),
        ..layers.serve
    };
    let config = Config::resolve(Layers { serve, ..layers })?;
    let data = DataDir::open_existing(&config.data)?;
    let key = ServerKey::open_existing(data.path(), config.key_file.as_deref())?;
    let store = SqlStore::open_existing(&data, &key.fingerprint(), config.store_limits)?;
    Ok(Administration { key, store })
}

/// Tells of them where nothing is logged.
fn warn(weaknesses: &[Weakness]) {
    for weakness in weaknesses {
        announce(&format!("warning: {weakness}\n"));
    }
}

/// Tells who started us, in one write: scripts wait for the address, and must not see half of it.
fn announce(lines: &str) {
    // Who has closed standard error does not wait for anything.
    let _ = io::stderr().write_all(lines.as_bytes());
}

fn run_serve(mut config: Config, weaknesses: &[Weakness]) -> Result<(), CliError> {
    log::start(config.log_format, config.log_level);
    for weakness in weaknesses {
        tracing::warn!(error = weakness as &dyn Error, "not hardened");
    }
    let room = harden::room_for_connections();
    if config.settings.max_connections > room {
        tracing::warn!(room, "the limit of open files allows fewer connections than configured");
        config.settings.max_connections = room;
    }
    let data = DataDir::open(&config.data)?;
    let lock = data.lock_for_serve()?;
    let key = ServerKey::open_or_create(data.path(), config.key_file.as_deref())?;
    let store = SqlStore::open(&data, &key.fingerprint(), config.store_limits)?;
    let registration = match config.settings.registration {
        Registration::Closed => "closed",
        Registration::Invite => "for who has an invitation",
        Registration::Open => "open to everybody who reaches this address, also through a proxy",
    };
    let mail = match (&config.settings.mail, config.settings.confirm_email) {
        (None, _) => "mail is not sent: there are no codes for resets or registration",
        (Some(_), true) => "mail is sent, and registering needs a code from it",
        (Some(_), false) => "mail is sent",
    };
    let server = Server::new(Arc::new(store), Arc::new(key), config.settings).with_mail()?;
    let server = Arc::new(server);
    let runtime = runtime()?;
    let outcome: Result<(), CliError> = runtime.block_on(async {
        // Before the line that says "listening": who waits for it may stop us at once.
        let stop = stop_signal().map_err(CliError::Start)?;
        let listening = TcpListener::bind(config.listen).await;
        let local = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) =
            local.map_err(|source| CliError::Listen { address: config.listen, source })?;
        // Behind a proxy loopback is the internet: it is said who may come.
        announce(&format!(
            "registration is {registration}\n{mail}\nkeybackup-server listening on http://{address}\n"
        ));
        serve::serve(listener, server, stop).await;
        Ok(())
    });
    drop(runtime);
    drop(lock);
    outcome
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Start)
}

/// Completes at SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Lists the invitations of a directory, and looks whether it is there afterwards.
    fn invite(data: &std::path::Path) -> (Result<(), CliError>, bool) {
        let data = data.as_os_str();
        let arguments = ["keybackup-server".as_ref(), "--data".as_ref(), data];
        let arguments = arguments.into_iter().chain(["invite", "list"].map(AsRef::as_ref));
        let result = run(Cli::try_parse_from(arguments).expect("parses"));
        (result, std::path::Path::new(data).exists())
    }

    #[test]
    fn invitations_need_a_server_that_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let (refused, made) = invite(&dir.path().join("typo"));
        assert!(matches!(refused, Err(CliError::Open(OpenError::NoDatabase(_)))), "{refused:?}");
        assert!(!made, "nothing is made");
        let (refused, _) = invite(dir.path());
        assert!(matches!(refused, Err(CliError::Open(OpenError::NoDatabase(_)))), "{refused:?}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("reads").count(), 0, "nothing is made");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
