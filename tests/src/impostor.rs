//! Something on a port that is no keybackup server.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::http::Request;

/// It says the same to everybody.
pub struct Impostor {
    /// `http://ADDR`.
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Impostor {
    /// Answers every request with these bytes, and ends the connection; with `without_end` the
    /// last kilobyte goes on for as long as the client listens.
    pub fn saying(bytes: Vec<u8>, without_end: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(reading) = stream.try_clone() else { continue };
                let _ = Request::read(&mut BufReader::new(reading));
                let mut result = stream.write_all(&bytes);
                let tail = vec![b' '; 64 * 1024];
                while without_end && result.is_ok() {
                    result = stream.write_all(&tail);
                }
            }
        });
        Self { url, asked }
    }

    /// How many connections came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
