//! Whether an answer's time tells known from unknown addresses: pairs of requests, one for each, in
//! a random order, on one connection to a real server, and Welch's t of the two. What a machine does
//! beside takes as long as a hundred of what is looked for, and hides it, so t is also taken of the
//! fastest answers alone; that they show one evaluation more is itself looked at.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use keybackup_protocol::B64;
use keybackup_protocol::api::{CodeRequest, LoginPurpose, LoginStart};
use keybackup_protocol::suite::Suite1;
use opaque_ke::ClientLogin;
use opaque_ke::rand::rngs::OsRng;

use crate::cheap::{self, CheapKsf};
use crate::server::Server;

/// Evaluations that an address has before it is refused, with some to spare.
const EVALUATIONS_AN_ADDRESS: u32 = 190;
/// Pairs that are asked first and not looked at.
const WARM_UP: u32 = 100;
/// Of all times together, so many of a hundred are looked at, the fastest ones.
pub const PERCENTS: [usize; 3] = [100, 90, 50];

/// What is asked about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// A login: one evaluation.
    Login,
    /// One that is to change the password: two.
    Change,
    /// A code for a reset, which is mailed to the known and to nobody else.
    ResetCode,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Login, Self::Change, Self::ResetCode];

    const fn evaluations(self) -> u32 {
        match self {
            Self::Login => 1,
            Self::Change => 2,
            // An address has one code in two minutes.
            Self::ResetCode => EVALUATIONS_AN_ADDRESS,
        }
    }

    /// Pairs that a server answers before it refuses all: codes are 2,000 an hour.
    fn most_pairs(self) -> u32 {
        match self {
            Self::Login | Self::Change => u32::MAX,
            Self::ResetCode => 1000 - WARM_UP,
        }
    }
}

/// What came of it. Times are in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Pairs that were asked.
    pub pairs: u32,
    /// Mean of the known, or of one question.
    pub known_us: f64,
    /// Mean of the unknown, or of the other.
    pub unknown_us: f64,
    /// Welch's t of each of [`PERCENTS`].
    pub t: [f64; 3],
}

impl Report {
    /// The largest t, whichever way it points.
    pub fn worst(&self) -> f64 {
        self.t.iter().copied().map(f64::abs).fold(0.0, f64::max)
    }
}

/// Asks so many times about known and unknown addresses, or as often as a server lets one ask.
///
/// # Panics
/// When answers differ in anything but their time, or are no answers.
pub fn compare(question: Question, pairs: u32) -> Report {
    watch([("known", question), ("other", question)], pairs.min(question.most_pairs()))
}

/// The same, two questions about unknown addresses: how far one evaluation more is seen.
///
/// # Panics
/// When they are not answered.
pub fn contrast(pairs: u32) -> Report {
    watch([("first", Question::Change), ("other", Question::Login)], pairs)
}

fn watch(sides: [(&str, Question); 2], pairs: u32) -> Report {
    // In memory, if there is room for it: a disk's waits are longer than what is looked for.
    let memory = Path::new("/dev/shm");
    let room = memory.is_dir().then(|| tempfile::tempdir_in(memory).ok()).flatten();
    let mail = tempfile::tempdir_in(if room.is_some() { memory } else { Path::new("/tmp") });
    let mail = mail.expect("a directory");
    let mail_dir = mail.path().join("out").display().to_string();
    // Each request comes from a network of its own: codes are few for one.
    let mut flags = vec!["--starts-per-hour", "1000000", "--trusted-proxies", "127.0.0.1"];
    if sides[0].1 == Question::ResetCode {
        let from = ["--mail-from", "backup@example.org"];
        flags.extend([&from[..], &["--mail-dir", &mail_dir, "--confirm-email", "off"]].concat());
    }
    let server = match &room {
        Some(room) => Server::on(&room.path().join("data"), &flags),
        None => Server::with(&flags),
    };
    let address: SocketAddr = server.address().parse().expect("an address and a port");
    let evaluations = sides.map(|(_, question)| question.evaluations());
    let addresses =
        (WARM_UP + pairs).div_ceil(EVALUATIONS_AN_ADDRESS / evaluations[0].max(evaluations[1]));
    for n in (0..addresses).filter(|_| sides[0].0 == "known") {
        drop(cheap::try_register(&server.url, &email("known", n)).expect("registers"));
    }
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("is set");
    stream.set_read_timeout(Some(crate::PATIENCE)).expect("is set");
    let mut times = [Vec::new(), Vec::new()];
    let mut shapes = [None, None];
    for pair in 0..WARM_UP + pairs {
        let n = pair % addresses;
        // Both messages are made before either is sent, and which is first is a coin's choice.
        let requests = sides.map(|(name, question)| request(&email(name, n), question, pair));
        let mut coin = [0];
        opaque_ke::rand::RngCore::fill_bytes(&mut OsRng, &mut coin);
        let first = usize::from(coin[0] & 1);
        for which in [first, 1 - first] {
            let began = Instant::now();
            let answer = ask(&mut stream, &requests[which]);
            let took = began.elapsed();
            let shape = &mut shapes[usize::from(sides[which].1 == Question::Change)];
            assert_eq!(shape.get_or_insert_with(|| answer.clone()), &answer, "they differ");
            // The first ones find nothing warm.
            if pair >= WARM_UP {
                times[which].push(took);
            }
        }
    }
    report(pairs, &times)
}

fn email(name: &str, n: u32) -> String {
    format!("{name}{n:06}@example.org")
}

fn request(email: &str, question: Question, pair: u32) -> Vec<u8> {
    let (method, path, body) = match question {
        Question::ResetCode => {
            let request = CodeRequest { email: email.to_owned() };
            ("PUT", "/password/reset", serde_json::to_vec(&request))
        }
        Question::Login | Question::Change => {
            ("POST", "/login/start", serde_json::to_vec(&login_start(email, question)))
        }
    };
    let body = body.expect("serialises");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: server\r\nKeybackup-Protocol: 1\r\n\
         X-Forwarded-For: 10.{}.{}.1\r\nContent-Length: {}\r\n\r\n",
        pair >> 8 & 0xff,
        pair & 0xff,
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

fn login_start(email: &str, question: Question) -> LoginStart {
    let started = ClientLogin::<Suite1<CheapKsf>>::start(&mut OsRng, b"guess");
    let ke1 = started.expect("any password will do").message.serialize().to_vec();
    // KE1 begins with the blinded password, which is what a registration request is.
    let blinded = B64(ke1[..32].to_vec());
    let (purpose, registration_request) = match question {
        Question::Change => (LoginPurpose::ChangePassword, Some(blinded)),
        _ => (LoginPurpose::Session, None),
    };
    LoginStart {
        email: email.to_owned(),
        ke1: B64(ke1),
        purpose,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request,
    }
}

/// One exchange; what the answer is but for its content: head without the time, length of the body.
fn ask(stream: &mut TcpStream, request: &[u8]) -> (String, usize) {
    stream.write_all(request).expect("writes");
    let mut answer = Vec::with_capacity(2048);
    let mut piece = [0; 2048];
    loop {
        let read = stream.read(&mut piece).expect("an answer");
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&piece[..read]);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|digits| digits.parse::<usize>().ok())
            .expect("a length");
        if answer.len() < end + 4 + length {
            continue;
        }
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let rest: Vec<_> = head.lines().filter(|line| !line.starts_with("date:")).collect();
        return (rest.join("\n"), length);
    }
}

fn report(pairs: u32, times: &[Vec<Duration>; 2]) -> Report {
    let us = |times: &[Duration]| -> Vec<f64> {
        times.iter().map(|time| time.as_secs_f64() * 1e6).collect()
    };
    let [known, unknown] = [us(&times[0]), us(&times[1])];
    let mut all = [known.as_slice(), &unknown].concat();
    all.sort_by(f64::total_cmp);
    let t = PERCENTS.map(|percent| {
        let limit = all[(all.len() * percent / 100).saturating_sub(1)];
        let kept = |times: &[f64]| -> Vec<f64> {
            times.iter().copied().filter(|time| *time <= limit).collect()
        };
        welch(&kept(&known), &kept(&unknown))
    });
    Report { pairs, known_us: mean(&known), unknown_us: mean(&unknown), t }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Welch's t: the difference of two means in units of its standard error.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let error = |values: &[f64], mean: f64| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    let (a, b) = (mean(one), mean(other));
    (a - b) / (error(one, a) + error(other, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test of times that could see nothing would be none.
    #[test]
    fn five_microseconds_are_seen_through_noise() {
        // Noise of some 50 µs, with an outlier now and then, as machines make it.
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let part = u32::try_from(state >> 40).expect("24 bits");
            let outlier = if part % 100 == 0 { 5000 } else { 0 };
            Duration::from_nanos(u64::from(part % 50_000 + outlier * 1000) + 300_000)
        };
        let same: [Vec<_>; 2] = [0; 2].map(|_| (0..2000).map(|_| noise()).collect());
        assert!(report(2000, &same).worst() < 4.5);
        let slower = same[1].iter().map(|time| *time + Duration::from_micros(5)).collect();
        let told = report(2000, &[same[0].clone(), slower]);
        assert!(told.t[1] < -4.5, "{told:?}");
    }

    #[test]
    fn t_is_the_difference_in_standard_errors() {
        // By hand: means 2 and 4, variances 1 and 4, three of each: -2 / sqrt(5 / 3).
        let t = welch(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]);
        assert!((t + 2.0 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{t}");
    }
}
