//! `keybackup-server health`: asks a running server whether it can serve; for containers.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use keybackup_protocol::routes::HEALTHZ;

/// Limit of time for connecting, and for each step after it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server is not healthy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HealthError {
    /// Nobody answers there.
    #[error("no answer from {address}")]
    NoAnswer {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Something else than 200 was answered.
    #[error("{address} answered: {status}")]
    Unhealthy {
        /// Who.
        address: SocketAddr,
        /// The status line.
        status: String,
    },
}

/// Asks the server that listens on `listen`.
pub(crate) fn check(listen: SocketAddr, path_prefix: &str) -> Result<(), HealthError> {
    let address = reachable(listen);
    let answer =
        ask(address, path_prefix).map_err(|source| HealthError::NoAnswer { address, source })?;
    let line = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if line.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        let status = String::from_utf8_lossy(line).escape_debug().to_string();
        Err(HealthError::Unhealthy { address, status })
    }
}

/// A server that listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path_prefix: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path_prefix}{HEALTHZ} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(answer)
}
