//! Where cameras may be.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

/// The networks that cameras may be in. Without any: everywhere but on this machine (loopback) and on its link alone
/// (link-local). Those two are reached only by a network that lies in them, so that `0.0.0.0/0` does not open them by accident;
/// addresses that are nobody's (unspecified, multicast, broadcast) by none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Arc<[Network]>);

/// Such as `192.168.7.0/24`, or one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// What is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a network such as 192.168.7.0/24 or fd00:7::/64")]
pub struct BadNetwork;

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| BadNetwork)?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => longest,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| BadNetwork)?,
            Some(_) => return Err(BadNetwork),
        };
        let network = Self { base, bits };
        // 192.168.7.5/24 may mean one camera or all of them.
        let mapped = base.to_canonical() != base;
        if bits > longest || mapped || number(base) & !mask(base, bits) != 0 { Err(BadNetwork) } else { Ok(network) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let same = self.base.is_ipv4() == address.is_ipv4();
        same && number(address) & mask(address, self.bits) == number(self.base) & mask(self.base, self.bits)
    }
}

impl Networks {
    /// Those alone, if there are any.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether a camera may be at this address. An IPv4 address is the same one where it is written as IPv6.
    pub fn allow(&self, address: IpAddr) -> bool {
        if address.to_canonical().is_unspecified() {
            return false;
        }
        let all = [Some(address.to_canonical()), behind(address)];
        all.into_iter().flatten().all(|address| match Place::of(address) {
            Place::Nobodys => false,
            Place::Elsewhere if self.0.is_empty() => true,
            place => self.0.iter().any(|network| network.holds(address) && Place::of(network.base) == place),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Loopback,
    LinkLocal,
    Nobodys,
}

impl Place {
    fn of(address: IpAddr) -> Self {
        match address {
            // All of 0.0.0.0/8 is "this machine"; its first as a network's base begins all there are.
            IpAddr::V4(v4) if v4.is_broadcast() || v4.is_multicast() || (v4.octets()[0] == 0 && !v4.is_unspecified()) => {
                Self::Nobodys
            }
            IpAddr::V4(v4) if v4.is_loopback() => Self::Loopback,
            IpAddr::V4(v4) if v4.is_link_local() => Self::LinkLocal,
            IpAddr::V6(v6) if v6.is_multicast() => Self::Nobodys,
            IpAddr::V6(v6) if v6.is_loopback() => Self::Loopback,
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Self::LinkLocal,
            _ => Self::Elsewhere,
        }
    }
}

/// The IPv4 address that a translator would send it on to, or that it was once written for.
fn behind(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address.to_canonical() else { return None };
    let translated = v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let compatible = v6.segments()[..6] == [0; 6] && !v6.is_loopback() && !v6.is_unspecified();
    let [.., a, b, c, d] = v6.octets();
    (translated || compatible).then_some(IpAddr::from([a, b, c, d]))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(address: IpAddr, bits: u8) -> u128 {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let all = u128::MAX >> (128 - longest);
    all & !all.checked_shr(u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(of: &[&str]) -> Networks {
        Networks::new(of.iter().map(|n| n.parse::<Network>().unwrap()))
    }

    fn allowed(networks: &Networks, address: &str) -> bool {
        networks.allow(address.parse().unwrap())
    }

    #[test]
    fn without_a_list_every_address_is_allowed_that_is_not_this_machines_its_links_or_nobodys() {
        let any = Networks::default();
        for good in ["192.0.2.7", "10.0.0.1", "192.168.1.2", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"] {
            assert!(allowed(&any, good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert!(!allowed(&any, bad), "{bad}");
        }
    }

    #[test]
    fn with_a_list_only_its_networks_are_and_this_machine_only_by_name() {
        let some = networks(&["192.168.7.0/24", "fd00:7::/64", "10.0.0.9"]);
        for (address, is) in [
            ("192.168.7.1", true),
            ("::ffff:192.168.7.1", true),
            ("192.168.8.1", false),
            ("fd00:7::9", true),
            ("fd00:8::9", false),
            ("10.0.0.9", true),
            ("10.0.0.8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(allowed(&some, address), is, "{address}");
        }
        let all = networks(&["0.0.0.0/0", "::/0"]);
        for (address, is) in [
            ("192.0.2.7", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
        ] {
            assert_eq!(allowed(&all, address), is, "{address}");
        }
        let here = networks(&["127.0.0.0/8", "::1"]);
        for (address, is) in
            [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("::1", true), ("192.0.2.7", false), ("0.0.0.0", false)]
        {
            assert_eq!(allowed(&here, address), is, "{address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "cam",
            "192.168.7.0/33",
            "192.168.7.5/24",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_network_holds_what_shares_its_first_bits(a in any::<u32>(), b in any::<u32>(), bits in 0u8..=32) {
            let all = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
            let text = format!("{}/{bits}", std::net::Ipv4Addr::from(a & all));
            let network = text.parse::<Network>().unwrap();
            prop_assert_eq!(network.holds(IpAddr::from(b.to_be_bytes())), a & all == b & all);
        }
    }
}
