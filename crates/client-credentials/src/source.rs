//! Where a request comes from, for the limits: the peer of the connection, or, behind a gateway that the operator named,
//! who the gateway says it was. What a caller writes into `X-Forwarded-For` by itself never counts (T-BRU-04).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;
use service_kit::CommaList;

/// An address. Of IPv6 the first half: a network gives each of its hosts the second half to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

/// Gateways whose word about the caller's address is taken.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "CommaList")]
pub struct TrustedProxies(Vec<IpNet>);

impl TryFrom<CommaList> for TrustedProxies {
    type Error = &'static str;

    fn try_from(list: CommaList) -> Result<Self, &'static str> {
        let network =
            |text: &String| text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let networks = list.0.iter().map(network).collect::<Result<Vec<_>, _>>();
        networks
            .map(Self)
            .map_err(|_| "must be addresses or networks such as 10.0.0.0/8, separated by commas")
    }
}

impl TrustedProxies {
    /// The source of a request from `peer` with these values of `X-Forwarded-For`, in their order. Each gateway adds
    /// whom it got the request from at the end: read from there, the first one that is no gateway of ours is the source.
    pub fn source<'request>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl DoubleEndedIterator<Item = &'request str>,
    ) -> Source {
        let mut source = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).to_canonical();
        let mut claims = forwarded_for.rev().flat_map(|value| value.rsplit(','));
        while self.contains(source) {
            // What is no address was not written by a gateway of ours: the last one that was, stands for it.
            let Some(address) = claims.next().and_then(address) else { break };
            source = address;
        }
        Source::from(source)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An address as gateways write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.split(']').next()?.parse().ok();
    let with_port = || text.parse().map(|address: std::net::SocketAddr| address.ip()).ok();
    text.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(list: &str) -> TrustedProxies {
        let list = list.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
        TrustedProxies::try_from(CommaList(list)).unwrap()
    }

    #[test]
    fn t_bru_04_only_trusted_hops_are_believed() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for (trusted, peer, forwarded_for, source) in [
            ("", "10.0.0.1", &["1.1.1.1"][..], "10.0.0.1"),
            ("10.0.0.0/8", "9.0.0.1", &["1.1.1.1"], "9.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            ("10.0.0.0/8", "10.0.0.1", &["6.6.6.6", "1.1.1.1,10.2.2.2"], "1.1.1.1"),
            ("10.0.0.0/8", "10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.0/8", "10.0.0.1", &["1.1.1.1, "], "10.0.0.1"),
            ("10.0.0.1", "::ffff:10.0.0.1", &["1.1.1.1:4711"], "1.1.1.1"),
            ("fd00::/8,10.0.0.1", "fd00::1", &["[2001:db8::7]:80, 10.0.0.1"], "2001:db8::"),
            ("fd00::/8", "fd00::1", &["2001:db8::7"], "2001:db8::"),
        ] {
            let found = proxies(trusted).source(ip(peer), forwarded_for.iter().copied());
            assert_eq!(found, Source(source.parse().unwrap()), "{trusted} {peer} {forwarded_for:?}");
        }
    }

    #[test]
    fn neighbours_of_one_ipv6_network_are_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_ne!(source("1.1.1.1"), source("1.1.1.2"));
        assert_eq!(source("::ffff:1.1.1.1"), source("1.1.1.1"));
    }

    #[test]
    fn mistakes_in_the_list_are_refused() {
        for list in ["10.0.0.0/33", "gateway", "10.0.0"] {
            assert!(TrustedProxies::try_from(CommaList(vec![list.to_owned()])).is_err(), "{list}");
        }
    }
}
