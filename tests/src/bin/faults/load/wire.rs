//! A kept connection to the server, whose end is an answer like any other: nobody knows.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keybackup_tests::Response;

/// No answer takes longer from a server that lives.
const LIMIT: Duration = Duration::from_secs(30);

/// Whether the power is being cut. What is answered then is no acknowledgement: with a real cut
/// nobody would hear it, and a file system that is being shut down may say "synced" of what is not.
pub(crate) type Cut = Arc<AtomicBool>;

/// A connection.
pub(crate) struct Wire {
    address: String,
    authorization: String,
    cut: Cut,
    reader: Option<BufReader<TcpStream>>,
    /// How often it was told that there is no room.
    pub(crate) full: u64,
}

impl Wire {
    /// Of a session, to `address`.
    pub(crate) fn new(address: &str, token: &str, cut: Cut) -> Self {
        let authorization = format!("Bearer {token}");
        Self { address: address.to_owned(), authorization, cut, reader: None, full: 0 }
    }

    /// The same session at another address.
    pub(crate) fn to(&self, address: &str) -> Self {
        let (authorization, cut) = (self.authorization.clone(), Arc::clone(&self.cut));
        Self { address: address.to_owned(), authorization, cut, reader: None, full: 0 }
    }

    /// Asks once. `None` when no answer came: whether it was done is in doubt.
    pub(crate) fn ask(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Response> {
        let request = self.request(line, headers, body);
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.connect()?,
        };
        // A server may refuse, answer and close before it has read all of a body.
        let _ = reader.get_mut().write_all(&request);
        let answer = Response::read(&mut reader, line.starts_with("HEAD ")).ok()?;
        if self.cut.load(Ordering::SeqCst) {
            return None;
        }
        self.full += u64::from(answer.status == 507);
        if answer.get("connection") != Some("close") {
            self.reader = Some(reader);
        }
        Some(answer)
    }

    /// Ends the connection: a server that was started again does not know it.
    pub(crate) fn hang_up(&mut self) {
        self.reader = None;
    }

    fn connect(&self) -> Option<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        stream.set_write_timeout(Some(LIMIT)).ok()?;
        Some(BufReader::with_capacity(16 * 1024, stream))
    }

    fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{line} HTTP/1.1\r\nhost: faults\r\nkeybackup-protocol: 1\r\n");
        for (name, value) in headers.iter().chain([&("authorization", &*self.authorization)]) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !line.starts_with("GET ") && !line.starts_with("HEAD ") {
            head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}
