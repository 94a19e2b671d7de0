//! A connection that is kept, and sends bytes made before: a client that costs next to nothing,
//! since server and clients share the machine.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use keybackup_tests::Response;

use crate::failure::{Failure, Result};

/// A kept connection.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    what: &'static str,
}

impl Connection {
    /// To `address`, for requests that failures call `what`.
    pub(crate) fn open(address: &str, what: &'static str) -> Result<Self> {
        let broke = |source| Failure::Broke { what, source };
        let stream = TcpStream::connect(address).map_err(broke)?;
        stream.set_nodelay(true).map_err(broke)?;
        stream.set_read_timeout(Some(keybackup_tests::PATIENCE)).map_err(broke)?;
        Ok(Self { reader: BufReader::with_capacity(4 * 1024, stream), what })
    }

    /// Sends a request, and takes its answer, which must be 200.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Response> {
        let sent = self.reader.get_mut().write_all(request);
        let answer = sent.and_then(|()| Response::read(&mut self.reader, false));
        let answer = answer.map_err(|source| Failure::Broke { what: self.what, source })?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        Err(Failure::Refused { what: self.what, status: answer.status, said })
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{line} HTTP/1.1\r\nhost: bench\r\nkeybackup-protocol: 1\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !line.starts_with("GET ") {
        head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
