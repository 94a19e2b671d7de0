//! Whose share a request takes from what all requests share.

use std::net::{IpAddr, Ipv4Addr};

use keybackup_protocol::AccountId;

/// Whom the server's memory and answers are shared out among.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Who has shown a session.
    Account(AccountId),
    /// Everybody else.
    Network(Network),
}

/// The part of a peer's address that it can't change at will: a whole IPv4 address, the first 64
/// bits of an IPv6 one. Behind a proxy that is not trusted it is the proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// IPv4, also when it came as an IPv4-mapped IPv6 address.
    V4(Ipv4Addr),
    /// The prefix of an IPv6 /64.
    V6([u16; 4]),
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Network {
    /// All of it, for a keyed hash.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::V4(ip) => ip.octets().to_vec(),
            Self::V6(prefix) => prefix.iter().flat_map(|part| part.to_be_bytes()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 25.
    #[test]
    fn an_ipv6_network_is_a_64() {
        let network =
            |text: &str| Network::from(text.parse::<IpAddr>().expect("an address of a test"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.2"), network("192.0.2.1"));
    }
}
