//! Whether an answer's time tells known from unknown addresses: pairs of requests, one for each, in
//! a random order, on one connection to a real server, and Welch's t of the two.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use keybackup_protocol::B64;
use keybackup_protocol::api::{LoginPurpose, LoginStart};
use keybackup_protocol::suite::Suite1;
use opaque_ke::ClientLogin;
use opaque_ke::rand::rngs::OsRng;

use crate::cheap::{self, CheapKsf};
use crate::server::Server;

/// Attempts that an address has before it is refused, with some to spare.
const PAIRS_AN_ADDRESS: u32 = 190;
/// Pairs that are asked first and not looked at.
const WARM_UP: u32 = 100;
/// Of all times together, those above this share are left out: they are the machine's, and drown
/// what there is to see.
const KEPT: f64 = 0.9;

/// What came of it. Times are in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Pairs that were asked.
    pub pairs: u32,
    /// Mean of the known.
    pub known_us: f64,
    /// Mean of the unknown.
    pub unknown_us: f64,
    /// Welch's t of all times.
    pub t: f64,
    /// Welch's t of the times up to the 90th percentile of all.
    pub t_kept: f64,
}

impl Report {
    /// The larger of both, whichever way it points.
    pub fn worst(&self) -> f64 {
        self.t.abs().max(self.t_kept.abs())
    }
}

/// Asks `POST /login/start` so many times for each.
///
/// # Panics
/// When answers differ in anything but their time, or are no answers.
pub fn login_start(pairs: u32) -> Report {
    let server = Server::with(&["--starts-per-hour", "1000000"]);
    let address: SocketAddr = server.address().parse().expect("an address and a port");
    let addresses = (WARM_UP + pairs).div_ceil(PAIRS_AN_ADDRESS).max(1);
    for n in 0..addresses {
        drop(cheap::try_register(&server.url, &email("known", n)).expect("registers"));
    }
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("is set");
    stream.set_read_timeout(Some(crate::PATIENCE)).expect("is set");
    let mut times = [Vec::new(), Vec::new()];
    let mut shape = None;
    for pair in 0..WARM_UP + pairs {
        let n = pair % addresses;
        // Both messages are made before either is sent, and which is first is a coin's choice.
        let requests = [request(&email("known", n)), request(&email("other", n))];
        let mut coin = [0];
        opaque_ke::rand::RngCore::fill_bytes(&mut OsRng, &mut coin);
        let first = usize::from(coin[0] & 1);
        for which in [first, 1 - first] {
            let began = Instant::now();
            let answer = ask(&mut stream, &requests[which]);
            let took = began.elapsed();
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

fn request(email: &str) -> Vec<u8> {
    let started = ClientLogin::<Suite1<CheapKsf>>::start(&mut OsRng, b"guess");
    let start = LoginStart {
        email: email.to_owned(),
        ke1: B64(started.expect("any password will do").message.serialize().to_vec()),
        purpose: LoginPurpose::Session,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request: None,
    };
    let body = serde_json::to_vec(&start).expect("serialises");
    let head = format!(
        "POST /login/start HTTP/1.1\r\nHost: server\r\nKeybackup-Protocol: 1\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place among some 100,000"
    )]
    let limit = all[((all.len() - 1) as f64 * KEPT) as usize];
    let kept = |times: &[f64]| -> Vec<f64> {
        times.iter().copied().filter(|time| *time <= limit).collect()
    };
    Report {
        pairs,
        known_us: mean(&known),
        unknown_us: mean(&unknown),
        t: welch(&known, &unknown),
        t_kept: welch(&kept(&known), &kept(&unknown)),
    }
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
        assert!(report(2000, &same).t_kept.abs() < 4.5);
        let slower = same[1].iter().map(|time| *time + Duration::from_micros(5)).collect();
        let told = report(2000, &[same[0].clone(), slower]);
        assert!(told.t_kept < -4.5, "{told:?}");
    }

    #[test]
    fn t_is_the_difference_in_standard_errors() {
        // By hand: means 2 and 4, variances 1 and 4, three of each: -2 / sqrt(5 / 3).
        let t = welch(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]);
        assert!((t + 2.0 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{t}");
    }
}
