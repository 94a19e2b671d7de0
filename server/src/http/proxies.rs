//! Who a request comes from when a proxy hands it on: `X-Forwarded-For`, as far as those who wrote
//! it are trusted.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Proxies whose word on where a request came from is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses addresses and networks (CIDR, RFC 4632); `None` when one is neither.
    pub(crate) fn parse(texts: &[String]) -> Option<Self> {
        let network = |text: &String| {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| ip.into()))
        };
        texts.iter().map(network).collect::<Option<_>>().map(Self)
    }

    /// Where a request of `peer` comes from: the last address that no trusted proxy has. Each proxy
    /// appends whom it heard from, so what stands before that is anybody's word.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        let mut named = lines.into_iter().rev().flat_map(|line| {
            let text = line.to_str().unwrap_or_default();
            text.split(',').rev()
        });
        while self.trusts(client) {
            // One that is no address hides who is behind this proxy.
            match named.next().and_then(address) {
                Some(ip) => client = ip.to_canonical(),
                None => break,
            }
        }
        client
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// An address, which some proxies write with its port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<_> =
            trusted.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect();
        let proxies = TrustedProxies::parse(&trusted).expect("networks of a test");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("printable"));
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    /// Holds rule 25.
    #[test]
    fn only_what_trusted_proxies_say_is_believed() {
        let one = "10.0.0.1";
        // By default nobody is.
        assert_eq!(client("", one, &["1.2.3.4"]), one);
        assert_eq!(client("10.0.0.2", one, &["1.2.3.4"]), one, "another one is");
        assert_eq!(client(one, one, &["1.2.3.4"]), "1.2.3.4");
        // What the client itself wrote comes first, and counts for nothing.
        assert_eq!(client(one, one, &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(client(one, one, &["6.6.6.6", "1.2.3.4"]), "1.2.3.4");
        // A chain of them.
        let chain = ["1.2.3.4, 10.0.0.7", "10.0.0.9"];
        assert_eq!(client("10.0.0.0/8", one, &chain), "1.2.3.4");
        assert_eq!(client("10.0.0.1,10.0.0.9", one, &chain), "10.0.0.7");
        assert_eq!(client("10.0.0.0/8", one, &["10.0.0.7"]), "10.0.0.7", "all of them are");
        // None, nonsense, ports, IPv6, and IPv4 in it.
        assert_eq!(client(one, one, &[]), one);
        for nonsense in ["unknown", "", ",", "1.2.3.4,", "_hidden"] {
            assert_eq!(client(one, one, &[nonsense]), one, "{nonsense}");
        }
        assert_eq!(client(one, one, &["1.2.3.4:5678"]), "1.2.3.4");
        assert_eq!(client("::1", "::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("10.0.0.0/8", "::ffff:10.0.0.1", &["::ffff:1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "::/129", "*"] {
            assert!(TrustedProxies::parse(&[text.to_owned()]).is_none(), "{text}");
        }
    }
}
