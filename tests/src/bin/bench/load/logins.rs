//! Login starts, and whole logins.

use std::sync::atomic::{AtomicUsize, Ordering};

use keybackup::account;
use keybackup_protocol::{DeviceId, routes};
use keybackup_tests::cheap::{self, CheapKsf};

use super::accounts::{Account, library, password};
use super::connection::{Connection, request};
use super::drive::{Drive, Load};
use crate::failure::Result;

pub(crate) const STARTS: &str = "login starts";
pub(crate) const LOGINS: &str = "whole logins";

/// A server counts 200 tries an hour against an account by strangers, and as many by a device that
/// it knows; no setting allows more.
pub(crate) const TRIES: usize = 190;
/// Enough to keep two cores busy.
const CLIENTS: usize = 16;
const DEVICE: DeviceId = DeviceId::from_bytes([8; 16]);

/// KE1 of strangers, at all accounts in turn. Each client sends messages made before, which a
/// server can't know.
pub(crate) fn starts(drive: Drive<'_>, address: &str, accounts: &[Account]) -> Result<Load> {
    let requests: Vec<_> = accounts
        .iter()
        .map(|account| {
            let start = cheap::login_start(account.address.as_str());
            let json = serde_json::to_vec(&start).expect("a message is JSON");
            let headers = [("content-type", "application/json")];
            request(&format!("POST {}", routes::LOGIN_START), &headers, &json)
        })
        .collect();
    let connect = |_| Connection::open(address, STARTS);
    let mut clients = (0..CLIENTS).map(connect).collect::<Result<Vec<_>>>()?;
    let turns = Turns::new(accounts.len());
    drive.run(STARTS, &mut clients, |connection| {
        let Some(n) = turns.next() else { return Ok(false) };
        connection.exchange(&requests[n]).map(|_| true)
    })
}

/// All of a login as the client's library does it: `/status`, start, finish; slots and keyring are
/// opened.
pub(crate) fn logins(drive: Drive<'_>, url: &str, accounts: &[Account]) -> Result<Load> {
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| cheap::remote(url)).collect();
    let turns = Turns::new(accounts.len());
    drive.run(LOGINS, &mut clients, |remote| {
        let Some(n) = turns.next() else { return Ok(false) };
        let Account { address, cookie, .. } = &accounts[n];
        account::login::<CheapKsf>(remote, address, &password(), DEVICE, Some(cookie))
            .map(|_| true)
            .map_err(library)
    })
}

/// Whose turn it is, while an account has tries left.
struct Turns {
    accounts: usize,
    taken: AtomicUsize,
}

impl Turns {
    const fn new(accounts: usize) -> Self {
        Self { accounts, taken: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<usize> {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        (turn < self.accounts * TRIES).then_some(turn % self.accounts)
    }
}
