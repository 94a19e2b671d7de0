//! Who registers accounts, and gives some another password: what was acknowledged must log in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keybackup_tests::PASSWORD;
use keybackup_tests::cheap::remote;
use keybackup_tests::rng::Rng;

use super::member::Member;
use super::wire::Cut;

/// An account, as far as anybody knows.
#[derive(Debug, Clone)]
struct Account {
    email: String,
    /// None while nobody knows whether it was registered.
    member: Option<Member>,
    password: String,
    /// What may have become its password.
    doubt: Option<String>,
}

/// Who registers.
pub(crate) struct Joiner {
    url: String,
    mail: Option<PathBuf>,
    cut: Cut,
    rng: Rng,
    accounts: Vec<Account>,
    /// Accounts before this were looked at when all was quiet.
    settled: usize,
    pub(crate) acknowledged: u64,
    pub(crate) in_doubt: u64,
    /// Resets that were acknowledged.
    pub(crate) resets: u64,
}

impl Joiner {
    /// At the server at `url`, which mails into a directory, or not at all.
    pub(crate) fn new(url: &str, mail: Option<PathBuf>, cut: Cut, rng: Rng) -> Self {
        Self {
            url: url.to_owned(),
            mail,
            cut,
            rng,
            accounts: Vec::new(),
            settled: 0,
            acknowledged: 0,
            in_doubt: 0,
            resets: 0,
        }
    }

    /// Registers until something is lost or it is told to stop; resets one password meanwhile.
    pub(crate) fn run(&mut self, stop: &AtomicBool) {
        let mut may_reset = self.mail.is_some();
        while !stop.load(Ordering::Relaxed) {
            let email = format!("joiner{}@example.org", self.accounts.len());
            let member = Member::register(&self.url, &email).ok();
            let member = member.filter(|_| !self.cut.load(Ordering::SeqCst));
            let lost = member.is_none();
            self.note(lost);
            self.accounts.push(Account {
                email,
                member,
                password: PASSWORD.to_owned(),
                doubt: None,
            });
            if lost {
                return;
            }
            if may_reset && self.rng.below(2) == 0 {
                may_reset = false;
                if !self.reset(stop) {
                    return;
                }
            }
        }
    }

    fn note(&mut self, lost: bool) {
        self.in_doubt += u64::from(lost);
        self.acknowledged += u64::from(!lost);
    }

    /// Another password for the newest account; false when that is in doubt.
    fn reset(&mut self, stop: &AtomicBool) -> bool {
        let (Some(mail), Some(account)) = (&self.mail, self.accounts.last_mut()) else {
            return true;
        };
        let Some(member) = &account.member else { return true };
        if remote(&self.url).request_reset(&account.email).is_err() {
            return false;
        }
        let Some(code) = code(mail, &account.email, stop) else { return false };
        let new = format!("another passphrase of {}", account.email);
        let made = member.reset(&self.url, &code, &new).is_ok();
        let lost = !made || self.cut.load(Ordering::SeqCst);
        if lost {
            account.doubt = Some(new);
        } else {
            account.password = new;
            self.resets += 1;
        }
        self.note(lost);
        !lost
    }

    /// Looks what became of the accounts since the last time, and at an older one.
    pub(crate) fn settle(&mut self) {
        let older = (self.settled > 0).then(|| self.rng.below(self.settled));
        let new = self.settled..self.accounts.len();
        for n in older.into_iter().chain(new.clone()) {
            let account = &mut self.accounts[n];
            if account.member.is_none() {
                // It may have come to be; then it is whole.
                continue;
            }
            let holds = Member::is_password(&self.url, &account.email, &account.password);
            let Some(doubt) = account.doubt.take() else {
                assert!(holds, "{}: the password that was acknowledged is refused", account.email);
                continue;
            };
            if !holds {
                let made = Member::is_password(&self.url, &account.email, &doubt);
                assert!(made, "{}: neither the old nor the new password", account.email);
                account.password = doubt;
            }
        }
        self.settled = new.end;
    }
}

/// The code that was mailed to an address; `None` when it doesn't come any more.
fn code(directory: &Path, email: &str, stop: &AtomicBool) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let to = format!("To: {email}");
    while !stop.load(Ordering::Relaxed) && Instant::now() < deadline {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            if text.lines().any(|line| line == to) {
                let code = text
                    .lines()
                    .map(str::trim)
                    .find(|line| line.len() == 11 && line.split('-').all(|group| group.len() == 5));
                if let Some(code) = code {
                    return Some(code.to_owned());
                }
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
