//! The commands, one file each: what a person asks for, put to the layers below, and told in text
//! or JSON. Only here do errors become exit codes.

mod account;
mod address;
mod batch;
mod cat;
pub mod completions;
pub mod context;
mod diff;
pub mod doctor;
mod failure;
mod files;
mod find;
mod history;
mod import;
mod list;
mod local;
mod login;
mod logout;
pub mod man;
mod outgoing;
mod password;
mod persona;
mod pull;
mod purge;
mod push;
mod recovery;
mod register;
mod relabel;
mod repair;
mod reset;
mod restore;
mod scan;
mod sending;
mod sessions;
mod status;
mod verify;
mod whole_file;

use std::process::ExitCode;

use keybackup_protocol::Address;
use serde::Serialize;

use crate::cli::{self, Cli, Command};
use crate::config::{Environment, Rate, ServerUrl, Settings};
use crate::error::{Code, CommandResult, Failure};
use crate::records::Name;
use crate::ui::{self, Ui};
use crate::{harden, interrupt};
use context::Context;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(stop) => return ExitCode::from(stop.print().code()),
    };
    let environment = Environment::of_process();
    if let Some(options) = cli.global.selection() {
        crate::error::repeat_in_hints(options);
    }
    let ui = Ui::new(&cli.global, &environment);
    match harden_and_run(&cli, &ui, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            interrupt::give_way();
            ui.fail(&failure);
            ExitCode::from(failure.exit().code())
        }
    }
}

fn harden_and_run(cli: &Cli, ui: &Ui, environment: &Environment) -> CommandResult {
    harden::process()
        .map_err(|error| Failure::of(Code::Internal, &error).context("securing the process"))?;
    interrupt::install(ui.on_interrupt())
        .map_err(|error| Failure::io(&error, "installing the handler of interrupts"))?;
    run(cli, ui, environment)
}

fn run(cli: &Cli, ui: &Ui, environment: &Environment) -> CommandResult {
    let Cli { global, command } = cli;
    match command {
        Command::Completions(arguments) => return completions::run(ui, arguments),
        Command::Man(arguments) => return man::run(ui, arguments),
        Command::Doctor => return doctor::run(ui, global, environment, &probe),
        _ => {}
    }
    let context = &Context::new(ui, global, environment)?;
    match command {
        Command::Register(arguments) => register::run(context, arguments),
        Command::Login(arguments) => login::run(context, arguments),
        Command::Logout => logout::run(context),
        Command::Status => status::run(context),
        Command::Push(arguments) => push::run(context, arguments),
        Command::Pull(arguments) => pull::run(context, arguments),
        Command::List => list::run(context),
        Command::Files(arguments) => files::run(context, arguments),
        Command::Cat(arguments) => cat::run(context, arguments),
        Command::Diff(arguments) => diff::run(context, arguments),
        Command::History(arguments) => history::run(context, arguments),
        Command::Repair(arguments) => repair::run(context, arguments),
        Command::Restore(arguments) => restore::run(context, arguments),
        Command::Verify(arguments) => verify::run(context, arguments),
        Command::Rename(arguments) => relabel::rename(context, arguments),
        Command::Remove(arguments) => relabel::remove(context, arguments),
        Command::Import(arguments) => import::run(context, arguments),
        Command::Password(cli::Password::Change(arguments)) => password::change(context, arguments),
        Command::Password(cli::Password::Reset(arguments)) => reset::run(context, arguments),
        Command::Recovery(command) => recovery::run(context, command),
        Command::Session(cli::Session::List) => sessions::list(context),
        Command::Session(cli::Session::Revoke(arguments)) => sessions::revoke(context, arguments),
        Command::Account(cli::Account::Show) => account::show(context),
        Command::Account(cli::Account::Email(arguments)) => address::change(context, arguments),
        Command::Account(cli::Account::UndoEmail(arguments)) => address::undo(context, arguments),
        Command::Account(cli::Account::Delete(arguments)) => account::delete(context, arguments),
        Command::Doctor | Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}

/// What `doctor` asks a server.
fn probe(settings: &Settings, server: &ServerUrl) -> Result<doctor::ServerFacts, Failure> {
    let remote = crate::remote::Remote::new(&crate::remote::Endpoint {
        url: server.url().clone(),
        ca_file: settings.ca_file.clone(),
        idle: settings.timeout,
        limit: settings.limit_rate.map(Rate::bytes_per_s),
    })?;
    let status = remote.status()?;
    Ok(doctor::ServerFacts { version: status.version, protocols: status.protocols, date: None })
}

/// A device, as documents show it.
#[derive(Debug, Serialize)]
struct DeviceDocument {
    id: String,
    name: String,
}

/// Which password is asked for.
fn password_question(address: &Address, server: &ServerUrl) -> String {
    format!("Password of {} at {}", ui::escape(address.as_str()), ui::escape(server.as_str()))
}

/// A device's name, as it may be sealed.
fn device_name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|error| {
        Failure::of(Code::Usage, &error)
            .context("this can't be a device's name")
            .hint("another one: --device NAME")
    })
}
