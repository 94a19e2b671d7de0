//! `keybackup-server account`: looks at accounts, disables, enables and deletes them, ends their
//! sessions.
//! What it prints is for scripts: a line each, fields between tabs, times in unix seconds, `-`
//! for what is not there; or JSON. Nothing of it is secret but who has an account.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use keybackup_protocol::AccountId;
use keybackup_protocol::api::Sessions;
use serde::Serialize;

use super::AdminError;
use crate::keyfile::ServerKey;
use crate::mail::Letter;
use crate::state::system_clock;
use crate::store::{AccountEntry, AccountName, Store};

/// What to do with accounts.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum AccountCommand {
    /// List all: address, id, creation, last login, personas, bytes, state
    List {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one
    Show {
        #[command(flatten)]
        which: Which,
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Let nobody log in to it, and end its sessions; deletes nothing
    Disable {
        #[command(flatten)]
        which: Which,
    },
    /// Let its owner log in again
    Enable {
        #[command(flatten)]
        which: Which,
    },
    /// Delete it, as its owner could: nobody logs in any more, its sealed bytes go after 30 days.
    /// What a reset has locked in it stays, and its address with that
    Delete {
        #[command(flatten)]
        which: Which,
        /// Delete everything at once, also what is locked; nothing brings it back
        #[arg(long)]
        purge: bool,
        /// Don't ask for the address to be typed
        #[arg(long)]
        yes: bool,
    },
    /// List its sessions: number, device, creation, last use, expiry
    Sessions {
        #[command(flatten)]
        which: Which,
        /// End them all instead, and print how many there were
        #[arg(long)]
        revoke: bool,
        /// As one JSON document
        #[arg(long, conflicts_with = "revoke")]
        json: bool,
    },
}

/// Names an account.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Which {
    /// Its e-mail address, or its id
    #[arg(value_name = "EMAIL")]
    account: String,
}

/// Does it; data goes to `out`.
pub(crate) async fn account(
    store: &dyn Store,
    key: &ServerKey,
    command: AccountCommand,
    out: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    match command {
        AccountCommand::List { json } => list(store, key, json, out).await,
        AccountCommand::Show { which, json } => {
            let entry = find(store, key, &which).await?;
            if json { document(&Row::of(&entry, key)?, out) } else { show(&entry, key, out) }
        }
        AccountCommand::Disable { which } => {
            let account = find_open(store, key, &which).await?.account;
            store.disable_account(account, system_clock()).await?;
            writeln!(out, "disabled")?;
            Ok(())
        }
        AccountCommand::Enable { which } => {
            let account = find_open(store, key, &which).await?.account;
            store.enable_account(account, system_clock()).await?;
            writeln!(out, "enabled")?;
            Ok(())
        }
        AccountCommand::Delete { which, purge, yes } => {
            let entry = find(store, key, &which).await?;
            if !yes {
                confirm(&address(&entry, key)?)?;
            }
            let mail = Letter::AccountDeleted.seal(key)?;
            if purge {
                return Ok(store.purge_account(entry.account, mail, system_clock()).await?);
            }
            let deleted = store.close_account(entry.account, mail, system_clock()).await?;
            writeln!(out, "{}\t{}", deleted.held_until, deleted.locked_personas)?;
            Ok(())
        }
        AccountCommand::Sessions { which, revoke, json } => {
            let account = find(store, key, &which).await?.account;
            if revoke {
                writeln!(out, "{}", store.end_sessions(account).await?)?;
                return Ok(());
            }
            sessions(store, account, json, out).await
        }
    }
}

async fn find(
    store: &dyn Store,
    key: &ServerKey,
    which: &Which,
) -> Result<AccountEntry, AdminError> {
    let name = match which.account.parse() {
        Ok(id) => AccountName::Id(id),
        Err(_) => AccountName::Address(key.address_tag(&which.account.parse()?)),
    };
    store.account_entry(name).await?.ok_or(AdminError::NoAccount)
}

/// An account, as documents show it.
#[derive(Serialize)]
struct Row {
    address: Option<String>,
    id: AccountId,
    state: &'static str,
    created_at: i64,
    last_login_at: Option<i64>,
    disabled_at: Option<i64>,
    deleted_at: Option<i64>,
    purge_at: Option<i64>,
    personas: u64,
    bytes: u64,
    locked_personas: u64,
    locked_bytes: u64,
}

impl Row {
    fn of(entry: &AccountEntry, key: &ServerKey) -> Result<Self, AdminError> {
        Ok(Self {
            address: if entry.is_nameless() { None } else { Some(address(entry, key)?) },
            id: entry.account,
            state: state(entry),
            created_at: entry.created_at,
            last_login_at: entry.last_login_at,
            disabled_at: entry.disabled_at,
            deleted_at: entry.closed_at,
            purge_at: entry.purge_at,
            personas: entry.held.personas,
            bytes: entry.held.bytes,
            locked_personas: entry.locked.personas,
            locked_bytes: entry.locked.bytes,
        })
    }
}

/// A document as `docs/json.md` has them.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

fn document(body: &impl Serialize, out: &mut (dyn Write + Send)) -> Result<(), AdminError> {
    serde_json::to_writer(&mut *out, &Document { schema: 1, body }).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

#[derive(Serialize)]
struct Accounts {
    accounts: Vec<Row>,
}

/// The same, unless it was deleted: nobody is let in to that any more.
async fn find_open(
    store: &dyn Store,
    key: &ServerKey,
    which: &Which,
) -> Result<AccountEntry, AdminError> {
    let entry = find(store, key, which).await?;
    if state(&entry) == "deleted" { Err(AdminError::Deleted) } else { Ok(entry) }
}

async fn list(
    store: &dyn Store,
    key: &ServerKey,
    json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    let (mut after, mut accounts) = (None, Vec::new());
    loop {
        let entries = store.account_entries(after).await?;
        let Some(last) = entries.last() else { break };
        after = Some(last.account);
        for entry in &entries {
            if json {
                accounts.push(Row::of(entry, key)?);
                continue;
            }
            let personas = entry.held.personas + entry.locked.personas;
            let bytes = entry.held.bytes + entry.locked.bytes;
            writeln!(
                out,
                "{}\t{}\t{}\t{}\t{personas}\t{bytes}\t{}",
                address(entry, key)?,
                entry.account,
                entry.created_at,
                time(entry.last_login_at),
                state(entry),
            )?;
        }
    }
    if json { document(&Accounts { accounts }, out) } else { Ok(()) }
}

fn show(
    entry: &AccountEntry,
    key: &ServerKey,
    out: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    writeln!(out, "address\t{}", address(entry, key)?)?;
    writeln!(out, "id\t{}", entry.account)?;
    writeln!(out, "state\t{}", state(entry))?;
    writeln!(out, "created\t{}", entry.created_at)?;
    writeln!(out, "last login\t{}", time(entry.last_login_at))?;
    writeln!(out, "disabled\t{}", time(entry.disabled_at))?;
    writeln!(out, "deleted\t{}", time(entry.closed_at))?;
    writeln!(out, "purged at\t{}", time(entry.purge_at))?;
    writeln!(out, "personas\t{}", entry.held.personas)?;
    writeln!(out, "bytes\t{}", entry.held.bytes)?;
    writeln!(out, "locked personas\t{}", entry.locked.personas)?;
    writeln!(out, "locked bytes\t{}", entry.locked.bytes)?;
    Ok(())
}

async fn sessions(
    store: &dyn Store,
    account: AccountId,
    json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    // No session has this number: it is nobody's who asks.
    let sessions = store.sessions(account, -1, system_clock()).await?;
    if json {
        return document(&Sessions { sessions }, out);
    }
    for session in sessions {
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}",
            session.id,
            session.device_id,
            session.created_at,
            session.last_used_at,
            session.expires_at
        )?;
    }
    Ok(())
}

fn address(entry: &AccountEntry, key: &ServerKey) -> Result<String, AdminError> {
    if entry.is_nameless() {
        return Ok("-".to_owned());
    }
    let account = entry.account;
    let opened = key.open_address(account, &entry.sealed_address);
    let address = opened.map_err(|source| AdminError::Sealed { account, source })?;
    Ok(address.as_str().to_owned())
}

const fn state(entry: &AccountEntry) -> &'static str {
    if entry.is_nameless() || entry.closed_at.is_some() {
        "deleted"
    } else if entry.disabled_at.is_some() {
        "disabled"
    } else {
        "enabled"
    }
}

/// Asks for the name of what is to be deleted.
fn confirm(name: &str) -> Result<(), AdminError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(AdminError::Unconfirmed);
    }
    write!(io::stderr(), "type {name} to delete the account: ")?;
    let mut typed = String::new();
    stdin.lock().read_line(&mut typed)?;
    if typed.trim() == name { Ok(()) } else { Err(AdminError::Declined) }
}

fn time(time: Option<i64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}
