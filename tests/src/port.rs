//! A port that stays ours while nobody listens on it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use rustix::fd::OwnedFd;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A port of loopback, bound and not listened on: who connects is refused, the system gives it to
/// nobody else, and a server that is told to can listen on it, as often as it likes.
#[derive(Debug)]
pub struct Port {
    _socket: OwnedFd,
    address: SocketAddr,
}

impl Port {
    /// A free one.
    pub fn reserve() -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .expect("a socket");
        // With this on both, a second socket may be bound to it and listen; ours never does.
        set_socket_reuseaddr(&socket, true).expect("it is a socket");
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = getsockname(&socket).expect("it is bound");
        Self { _socket: socket, address: address.try_into().expect("an address of IPv4") }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_refuses_is_nobody_elses_and_can_be_listened_on_again_and_again() {
        let port = Port::reserve();
        for _ in 0..3 {
            assert!(TcpStream::connect(port.address()).is_err(), "nobody listens");
            let listener = TcpListener::bind(port.address()).expect("it is ours");
            let client = TcpStream::connect(port.address()).expect("somebody listens");
            drop((listener.accept().expect("it came"), client));
        }
        let others: Vec<_> = (0..500).map(|_| Port::reserve()).collect();
        assert!(others.iter().all(|other| other.address != port.address));
    }
}
