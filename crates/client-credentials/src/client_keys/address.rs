//! Which addresses keys are fetched from: public ones, and those an operator adds. A client chooses the URL, so that
//! without this it would choose whom our network talks to (T-SSRF-01).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Public addresses and the operator's networks. By default no networks.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<Network>,
}

/// The addresses that share a prefix, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Network {
    Network { address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix }
}

/// Never, whatever the operator allows: nobody, everybody, and link-local addresses, where clouds hand out the
/// credentials of the machine.
const NEVER: [Network; 7] = [
    v4(0, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(224, 0, 0, 0, 3),
    v6(0, 0, 0, 0, 128),
    v6(0xfd00, 0xec2, 0, 0, 32),
    v6(0xfe80, 0, 0, 0, 10),
    v6(0xff00, 0, 0, 0, 8),
];

/// Not public (the special-purpose registries of RFC 6890).
const NOT_PUBLIC_V4: [Network; 12] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(240, 0, 0, 0, 4),
];

/// All that is public of IPv6, and what is not within it: protocols (Teredo among them), documentation, 6to4.
const GLOBAL_V6: Network = v6(0x2000, 0, 0, 0, 3);
const NOT_PUBLIC_V6: [Network; 4] =
    [v6(0x2001, 0, 0, 0, 23), v6(0x2001, 0xdb8, 0, 0, 32), v6(0x2002, 0, 0, 0, 16), v6(0x3fff, 0, 0, 0, 20)];

/// Stands for an IPv4 address in its last four bytes (RFC 6052): as good as that one.
const NAT64: Network = v6(0x64, 0xff9b, 0, 0, 96);

impl AddressPolicy {
    /// Allows these networks beside the public addresses.
    #[must_use]
    pub const fn new(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Whether an operator allowed networks that are not public, so that names of the inside make sense.
    pub(super) const fn reaches_inside(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether keys may be fetched from this address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = plain(address);
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let public = match address {
            IpAddr::V4(_) => !within(&NOT_PUBLIC_V4),
            IpAddr::V6(_) => GLOBAL_V6.contains(address) && !within(&NOT_PUBLIC_V6),
        };
        !within(&NEVER) && (public || within(&self.allowed))
    }
}

/// An IPv4 address that is dressed up as one of IPv6, undressed.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if NAT64.contains(address) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        canonical => canonical,
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_start(u128::from(network.to_bits()), u128::from(address.to_bits()), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_start(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

/// Whether the first `prefix` of `width` bits are the same.
fn same_start(one: u128, other: u128, width: u32, prefix: u8) -> bool {
    let rest = width.saturating_sub(u32::from(prefix));
    (one ^ other).checked_shr(rest).is_none_or(|difference| difference == 0)
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "must be networks such as 10.1.0.0/16 or fd12::/16, separated by commas";
        let (address, prefix) = text.split_once('/').ok_or(EXPECTED)?;
        let address: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or(EXPECTED)?;
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(policy: &AddressPolicy, address: &str) -> bool {
        policy.permits(address.parse().unwrap())
    }

    #[test]
    fn t_ssrf_01_only_public_addresses() {
        let policy = AddressPolicy::default();
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "169.253.255.255",
            "11.0.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(permitted(&policy, public), "{public}");
        }
        for inside in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:101:101::",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!permitted(&policy, inside), "{inside}");
        }
    }

    #[test]
    fn an_operator_may_allow_networks_but_never_link_local_ones() {
        let all = ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap());
        let policy = AddressPolicy::new(all.into());
        for inside in ["127.0.0.1", "10.0.0.1", "::1", "fd12::1", "::ffff:127.0.0.1"] {
            assert!(permitted(&policy, inside), "{inside}");
        }
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!permitted(&policy, never), "{never}");
        }
        let one = AddressPolicy::new(vec!["10.1.0.0/16".parse().unwrap()]);
        assert!(permitted(&one, "10.1.255.255") && permitted(&one, "1.1.1.1"));
        assert!(!permitted(&one, "10.2.0.0") && !permitted(&one, "127.0.0.1"));
    }

    #[test]
    fn networks_are_an_address_and_a_prefix() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "example.com/8",
            "10.0.0.0/8/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!("10.0.0.0/8".parse(), Ok(v4(10, 0, 0, 0, 8)));
    }
}
