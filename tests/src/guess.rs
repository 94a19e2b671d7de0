//! A guesser who leaves the key stretching out, in many networks at once, against a real server
//! that is killed and started again in the middle; and the owner, who logs in meanwhile.
//!
//! Whether KE1 was made with a stretched password no server can tell, so each guess is a message
//! that costs the guesser nothing. An answer with KE2 is one password that could be tried, and so is
//! a registration response, since both come of the same OPRF key: guesses come in every way that has
//! a server evaluate it for a stranger.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use keybackup_protocol::B64;
use keybackup_protocol::api::{LoginPurpose, LoginStart, RegistrationStart};
use keybackup_protocol::routes::{ACCOUNTS_START, DEVICE_COOKIE_PREFIX, LOGIN_START};
use keybackup_protocol::suite::{SUITE, Suite1};
use opaque_ke::ClientLogin;
use opaque_ke::rand::rngs::OsRng;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::cheap::CheapKsf;
use crate::device::{Device, PASSWORD};
use crate::server::Server;

/// Whom everybody guesses at.
const EMAIL: &str = "alice@example.org";
/// Guessers at work at once.
const THREADS: u32 = 8;
/// Evaluations an hour for strangers together, as ADVERSARY's rule 25 has it.
pub const ALLOWED_AN_HOUR: u32 = 200;

/// How many, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Guesses, at least: they go on while the owner logs in.
    pub guesses: u32,
    /// Addresses of 127.0.0.0/8, each a network to the server.
    pub networks: u32,
    /// Picks the order of the networks.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Guesses that were answered.
    pub answered: u32,
    /// KE2 and registration responses among the answers: passwords that could be tried.
    pub evaluated: u32,
    /// Answers of 429.
    pub refused: u32,
    /// Registrations that were refused since the address is taken.
    pub taken: u32,
    /// Evaluations in the server's books, those whose answers the kill swallowed included.
    pub counted: u32,
    /// Guesses that no answer came to, since the server was being killed.
    pub lost: u32,
    /// How long it all took.
    pub took: Duration,
    /// How long each of the owner's logins took before, and after.
    pub without: Vec<Duration>,
    /// Those during the attack.
    pub during: Vec<Duration>,
    /// How the right password's login ended from a device that the account does not know.
    pub stranger_exit: i32,
}

impl Report {
    /// Evaluations that the time it took allows.
    pub fn allowed(&self) -> u32 {
        let hours = u32::try_from(self.took.as_secs() / 3600).expect("nobody waits that long");
        ALLOWED_AN_HOUR * (hours + 1)
    }

    /// How much slower a login was during the attack, by medians. What else a machine does comes and
    /// goes: so there are some of before and some of after.
    pub fn slower(&self) -> Duration {
        median(&self.during).saturating_sub(median(&self.without))
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[derive(Default)]
struct Tally {
    asked: Mutex<u32>,
    more: Condvar,
    evaluated: AtomicU32,
    refused: AtomicU32,
    taken: AtomicU32,
    lost: AtomicU32,
    owner_is_done: AtomicBool,
}

impl Tally {
    fn note(&self, outcome: &AtomicU32, count: u32) {
        outcome.fetch_add(count, Ordering::Relaxed);
        *self.asked.lock().expect("nobody panics while holding it") += 1;
        self.more.notify_all();
    }

    fn wait_for(&self, asked: u32) {
        let guard = self.asked.lock().expect("nobody panics while holding it");
        let waited = self.more.wait_timeout_while(guard, 15 * crate::PATIENCE, |now| *now < asked);
        assert!(!waited.expect("nobody panics while holding it").1.timed_out(), "too slow");
    }
}

/// Says that it is over when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs it.
///
/// # Panics
/// When the owner can't log in, or the server answers with what none of these can get.
pub fn run(plan: Plan) -> Report {
    let server = Server::start();
    let owner = Device::registered(&server.url, EMAIL);
    let mut without: Vec<_> = (0..3).map(|_| log_in(&owner)).collect();
    let address: SocketAddr = server.address().parse().expect("an address and a port");
    let tally = Tally::default();
    let began = Instant::now();
    let (during, stranger_exit) = std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let tally = &tally;
            scope.spawn(move || guess(plan, thread, address, tally));
        }
        // Also when this panics: else the others would guess for ever.
        let _over = Over(&tally.owner_is_done);
        tally.wait_for(plan.guesses / 4);
        let first = log_in(&owner);
        tally.wait_for(plan.guesses / 2);
        server.kill();
        server.restart();
        let after_restart = log_in(&owner);
        tally.wait_for(plan.guesses);
        let late = log_in(&owner);
        let stranger = Device::new(&server.url).login(EMAIL, PASSWORD);
        (vec![first, after_restart, late], stranger.code)
    });
    let took = began.elapsed();
    without.extend((0..2).map(|_| log_in(&owner)));
    // Logins of the owner's device count in a bucket of its own.
    let books = "SELECT COALESCE(SUM(evaluations), 0) FROM attempts WHERE LENGTH(bucket) = 0 \
                 AND finished_at IS NULL AND kind = 'login'";
    let counted = server.sql(books).trim().parse().expect("a number");
    let count = |number: &AtomicU32| number.load(Ordering::Relaxed);
    Report {
        answered: *tally.asked.lock().expect("nobody panics while holding it"),
        evaluated: count(&tally.evaluated),
        refused: count(&tally.refused),
        taken: count(&tally.taken),
        counted,
        lost: count(&tally.lost),
        took,
        without,
        during,
        stranger_exit,
    }
}

/// A login by the real client, whose device the account knows.
fn log_in(owner: &Device) -> Duration {
    let began = Instant::now();
    owner.login(EMAIL, PASSWORD).expect(0);
    began.elapsed()
}

fn guess(plan: Plan, thread: u32, server: SocketAddr, tally: &Tally) {
    // They stand for other machines, and must not take this one's time from the owner's client.
    let _ = rustix::process::nice(19);
    let mut state = plan.seed ^ u64::from(thread).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while !tally.owner_is_done.load(Ordering::Relaxed) {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let network = u32::try_from(state >> 33).expect("31 bits") % plan.networks;
        match ask(server, network, state) {
            Ok((200, evaluations)) => tally.note(&tally.evaluated, evaluations),
            Ok((429, _)) => tally.note(&tally.refused, 1),
            Ok((409, _)) => tally.note(&tally.taken, 1),
            Ok((status, _)) => panic!("a guess was answered with {status}"),
            // Nobody listens while the server is started again.
            Err(_) => {
                tally.lost.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
        }
    }
}

/// A guess, and where to: in eight, three plain logins, two with a cookie that is made up, one in
/// another spelling, one to change the password, which is evaluated twice, and one registration.
fn request(n: u64) -> (&'static str, serde_json::Result<Vec<u8>>) {
    let password = format!("guess {n}");
    let started = ClientLogin::<Suite1<CheapKsf>>::start(&mut OsRng, password.as_bytes());
    let ke1 = started.expect("any password will do").message.serialize().to_vec();
    // KE1 begins with the blinded password, which is what a registration request is.
    let blinded = B64(ke1[..32].to_vec());
    let mut start = LoginStart {
        email: EMAIL.to_owned(),
        ke1: B64(ke1),
        purpose: LoginPurpose::Session,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request: None,
    };
    match n >> 61 {
        0 => start.email = format!(" {} ", EMAIL.to_uppercase()),
        1 | 2 => {
            let cookie = B64([n.to_be_bytes(); 2].concat()).to_text();
            start.device_cookie = Some(format!("{DEVICE_COOKIE_PREFIX}{cookie}"));
        }
        3 => {
            start.purpose = LoginPurpose::ChangePassword;
            start.registration_request = Some(blinded);
        }
        4 => {
            let registration = RegistrationStart {
                email: EMAIL.to_owned(),
                suite: SUITE,
                registration_request: blinded,
                invite: None,
                confirmation: None,
            };
            return (ACCOUNTS_START, serde_json::to_vec(&registration));
        }
        _ => {}
    }
    (LOGIN_START, serde_json::to_vec(&start))
}

/// One guess from one network; the status of the answer, and how many evaluations it holds.
fn ask(server: SocketAddr, network: u32, n: u64) -> io::Result<(u16, u32)> {
    let (path, body) = request(n);
    let body = body?;
    let mut stream = connect_from(network, server)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: server\r\nKeybackup-Protocol: 1\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let text = String::from_utf8_lossy(&answer);
    let named = ["\"ke2\":", "\"registration_response\":"];
    let evaluations = named.iter().map(|name| u32::from(text.contains(name))).sum();
    Ok((status, evaluations))
}

/// A connection whose own end is an address of 127.0.0.0/8 that is one network's.
fn connect_from(network: u32, server: SocketAddr) -> io::Result<TcpStream> {
    // From 127.1.0.1 on: below are the addresses that a server may listen on.
    let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + network);
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((own, 0)))?;
    connect(&socket, &server)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(crate::PATIENCE))?;
    Ok(stream)
}
