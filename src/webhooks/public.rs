//! Which addresses are public: everything else is somebody's own network, perhaps ours.

use crate::base::error::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that the administrator lets webhooks reach although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Private {
    /// Reads networks with commas between: `10.1.0.0/16, 127.0.0.1, fd00::/8`.
    ///
    /// # Errors
    /// `Invalid` for what is no network.
    pub fn parse(text: &str) -> Result<Self> {
        text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Network::parse).collect::<Result<_>>().map(Self)
    }
    /// May a message go there?
    pub fn may_reach(&self, to: IpAddr) -> bool {
        let to = unmapped(to);
        is_public(to) || self.0.iter().any(|network| network.holds(to))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(format!("{text:?} is not a network")).hint("write it like 10.1.0.0/16, or as one address");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        if bits > all { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
    fn holds(&self, other: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| self.bits == 0 || (a ^ b) >> (width - self.bits) == 0;
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// An IPv4 address that is written as an IPv6 one is what it stands for.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        four => four,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => is_public_v4(four),
        IpAddr::V6(six) => is_public_v6(six),
    }
}

/// By the registries of special-purpose addresses (RFC 6890 and its updates).
fn is_public_v4(four: Ipv4Addr) -> bool {
    const SPECIAL: [(&str, u32); 16] = [
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("169.254.0.0", 16),
        ("172.16.0.0", 12),
        ("192.0.0.0", 24),
        ("192.0.2.0", 24),
        ("192.31.196.0", 24),
        ("192.88.99.0", 24),
        ("192.168.0.0", 16),
        ("198.18.0.0", 15),
        ("198.51.100.0", 24),
        ("203.0.113.0", 24),
        ("224.0.0.0", 4),
        ("240.0.0.0", 4),
    ];
    let special = |(network, bits): &(&str, u32)| {
        let network = Network { address: network.parse().expect("it is in the table"), bits: *bits };
        network.holds(IpAddr::V4(four))
    };
    !SPECIAL.iter().any(special)
}

/// Only what is given out for the open network, 2000::/3, and in it nothing that stands for another address (Teredo, 6to4)
/// or is for documentation.
fn is_public_v6(six: Ipv6Addr) -> bool {
    let s = six.segments();
    let open = s[0] & 0xe000 == 0x2000;
    let special = match s[0] {
        0x2001 => s[1] < 0x0200 || s[1] == 0x0db8,
        0x2002 => true,
        0x3fff => s[1] < 0x1000,
        _ => false,
    };
    open && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(text: &str) -> bool {
        Private::default().may_reach(text.parse().unwrap())
    }

    #[test]
    fn only_what_is_public_may_be_reached() {
        for public in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(may(public), "{public}");
        }
        let own = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "3fff::1",
            "5f00::1",
            "fec0::1",
        ];
        for own in own {
            assert!(!may(own), "{own}");
        }
    }

    #[test]
    fn what_the_administrator_names_may_be_reached_and_nothing_beside_it() {
        let private = Private::parse("10.1.0.0/16, 127.0.0.1,fd00::/8").unwrap();
        for (address, may) in [
            ("10.1.255.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fc00::1", false),
            ("::ffff:10.1.0.1", true),
        ] {
            assert_eq!(private.may_reach(address.parse().unwrap()), may, "{address}");
        }
        assert!(Private::parse("0.0.0.0/0").unwrap().may_reach("10.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "localhost", "10.0.0.0/x", "::/129"] {
            assert!(Private::parse(wrong).is_err(), "{wrong}");
        }
    }
}
