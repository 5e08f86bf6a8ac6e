//! WS-Discovery: who is there. Multicast reaches the machine's own link alone; a subnet is asked address by address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use crate::xml;

/// IPv4 addresses to ask one by one: `192.0.2.0/24`. At most 4,096 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    first: u32,
    bits: u32,
}

/// Why a text is no [`Subnet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is not a subnet such as 192.168.7.0/24, of /20 (4,096 addresses) at most")]
pub struct BadSubnet;

const WIDEST: u32 = 20;

impl FromStr for Subnet {
    type Err = BadSubnet;

    fn from_str(text: &str) -> Result<Self, BadSubnet> {
        let (base, bits) = text.split_once('/').unwrap_or((text, "32"));
        let base: Ipv4Addr = base.parse().map_err(|_| BadSubnet)?;
        let bits = if bits.bytes().all(|b| b.is_ascii_digit()) { bits.parse().map_err(|_| BadSubnet)? } else { 33 };
        let inside = u32::MAX.checked_shr(bits).unwrap_or(0);
        if !(WIDEST..=32).contains(&bits) || base.to_bits() & inside != 0 {
            return Err(BadSubnet);
        }
        Ok(Self { first: base.to_bits(), bits })
    }
}

impl Subnet {
    /// Those that machines have: without the first and the last of a network.
    fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let count = 1u64 << (32 - self.bits);
        let ends = u64::from(count > 2);
        (ends..count - ends).map(move |n| Ipv4Addr::from_bits(self.first + n as u32))
    }
}

/// How to look.
pub struct Probing<'a> {
    /// Addresses of this machine to multicast from; none: the system's choice.
    pub interfaces: Vec<Ipv4Addr>,
    /// Also each address of these.
    pub subnets: Vec<Subnet>,
    /// Where cameras listen: 3702.
    pub port: u16,
    /// Whether to multicast.
    pub multicast: bool,
    /// How long answers are waited for.
    pub wait: Duration,
    /// Whether a camera may be at this address: no other is asked.
    pub allowed: &'a (dyn Fn(IpAddr) -> bool + Sync),
}

impl std::fmt::Debug for Probing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probing({:?}, {:?})", self.interfaces, self.subnets)
    }
}

impl Probing<'_> {
    /// Where cameras listen.
    pub const PORT: u16 = 3702;
}

/// A device that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its answer came from: the one thing that is not only said.
    pub address: IpAddr,
    /// What `survey` takes: its own address, with the port it names.
    pub host: String,
    /// As it says of itself; empty: it does not.
    pub name: String,
    /// Its model, as it says of itself; empty: it does not.
    pub hardware: String,
    /// Whether a camera may be there.
    pub allowed: bool,
}

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const LONGEST: usize = 64 << 10;
const MOST: usize = 4096;
/// Between two packets to a subnet.
const PACE: Duration = Duration::from_millis(2);

/// Who answers until `wait` is over, by address.
///
/// # Errors
/// No socket could be opened, or nothing could be sent at all.
pub async fn discover(how: &Probing<'_>) -> std::io::Result<Vec<Found>> {
    let mut sockets = Vec::new();
    let interfaces = if how.interfaces.is_empty() { vec![Ipv4Addr::UNSPECIFIED] } else { how.interfaces.clone() };
    for interface in interfaces {
        // Linux multicasts by the interface whose address a socket is bound to.
        sockets.push(UdpSocket::bind((interface, 0)).await?);
    }
    let deadline = Instant::now() + how.wait;
    let mut found = BTreeMap::new();
    let (sending, listening) = (send(how, &sockets), listen(how, &sockets, deadline, &mut found));
    let (sent, ()) = tokio::join!(sending, listening);
    match sent {
        Err(error) if found.is_empty() => Err(error),
        _ => Ok(found.into_values().collect()),
    }
}

async fn send(how: &Probing<'_>, sockets: &[UdpSocket]) -> std::io::Result<()> {
    let mut sent = Ok(());
    if how.multicast {
        for socket in sockets {
            // UDP loses some.
            for _ in 0..2 {
                for kind in KINDS {
                    sent = socket.send_to(probe(kind).as_bytes(), (GROUP, how.port)).await.map(drop);
                }
                sleep(PACE * 20).await;
            }
        }
    }
    let Some(socket) = sockets.first() else { return sent };
    for address in how.subnets.iter().flat_map(|subnet| subnet.addresses()).filter(|a| (how.allowed)((*a).into())) {
        for kind in KINDS {
            // An address that can't be reached is none that a camera has.
            let _ = socket.send_to(probe(kind).as_bytes(), (address, how.port)).await;
        }
        sleep(PACE).await;
    }
    sent
}

/// Some answer to the one, some to the other.
const KINDS: [(&str, &str); 2] = [
    ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
    ("http://www.onvif.org/ver10/device/wsdl", "Device"),
];

fn probe((namespace, kind): (&str, &str)) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
         <a:MessageID>uuid:{}</a:MessageID><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:To s:mustUnderstand=\"1\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body>\
         <d:Probe xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><d:Types xmlns:k=\"{namespace}\">k:{kind}</d:Types></d:Probe>\
         </s:Body></s:Envelope>",
        uuid::Uuid::new_v4()
    )
}

async fn listen(how: &Probing<'_>, sockets: &[UdpSocket], deadline: Instant, found: &mut BTreeMap<IpAddr, Found>) {
    let mut block = vec![0; LONGEST];
    loop {
        let ready = futures_of(sockets);
        let Ok(Ok(n)) = timeout_at(deadline, ready).await else { return };
        while let Ok((length, from)) = sockets[n].try_recv_from(&mut block) {
            if found.len() < MOST
                && let Some(device) = answer(&block[..length], from, how.allowed)
            {
                found.entry(from.ip()).or_insert(device);
            }
        }
    }
}

/// The first that has something to read.
async fn futures_of(sockets: &[UdpSocket]) -> std::io::Result<usize> {
    let mut ready: Vec<_> = sockets.iter().map(|socket| Box::pin(socket.readable())).collect();
    std::future::poll_fn(move |context| {
        for (n, ready) in ready.iter_mut().enumerate() {
            if let std::task::Poll::Ready(is) = ready.as_mut().poll(context) {
                return std::task::Poll::Ready(is.map(|()| n));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

pub(crate) fn answer(bytes: &[u8], from: SocketAddr, allowed: &(dyn Fn(IpAddr) -> bool + Sync)) -> Option<Found> {
    let node = xml::read(bytes).ok()?;
    let matched = node.find("ProbeMatch")?;
    let address = from.ip();
    let named = matched.value("XAddrs").unwrap_or_default().split_whitespace().filter_map(|text| Url::parse(text).ok());
    let named: Vec<Url> = named.collect();
    let is_ours = |url: &&Url| url.host_str().is_some_and(|host| host.trim_matches(['[', ']']).parse() == Ok(address));
    // One behind a router, or with several addresses, names another address of its own, and the same port.
    let ours = named.iter().find(is_ours).or(named.first());
    let shown = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let host = match ours {
        Some(url) => {
            let port = url.port().filter(|port| *port != 0).map_or_else(String::new, |port| format!(":{port}"));
            let scheme = if url.scheme() == "https" { "https://" } else { "" };
            format!("{scheme}{shown}{port}")
        }
        None => shown,
    };
    let scope = |key: &str| {
        let scopes = matched.value("Scopes").unwrap_or_default().split_whitespace();
        let value = scopes.filter_map(|scope| scope.split_once(&format!("onvif.org/{key}/"))).map(|(_, value)| value).next();
        value.map(unescaped).unwrap_or_default()
    };
    Some(Found { address, host, name: scope("name"), hardware: scope("hardware"), allowed: allowed(address) })
}

/// `North%20Gate` as it is meant, in one line.
fn unescaped(text: &str) -> String {
    let pairs = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let url = Url::parse(&format!("http://x/?{pairs}")).ok();
    let value = url.and_then(|url| url.query_pairs().next().map(|(_, value)| value.into_owned())).unwrap_or_default();
    value.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_the_addresses_that_machines_have() {
        let all = |text: &str| text.parse::<Subnet>().unwrap().addresses().map(|a| a.to_string()).collect::<Vec<_>>();
        assert_eq!(all("192.0.2.4/30"), ["192.0.2.5", "192.0.2.6"]);
        assert_eq!(all("192.0.2.7"), ["192.0.2.7"]);
        assert_eq!(all("192.0.2.0/24").len(), 254);
        for bad in ["", "192.0.2.1/24", "10.0.0.0/8", "10.0.0.0/33", "::1", "x/24", "192.0.2.0/"] {
            assert_eq!(bad.parse::<Subnet>(), Err(BadSubnet), "{bad}");
        }
    }

    #[test]
    fn of_an_answer_the_address_it_came_from_counts_and_its_names_are_read() {
        let text = "<E><B><d:ProbeMatches><d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/North%20Gate onvif://www.onvif.org/hardware/X+1</d:Scopes>\
                    <d:XAddrs>http://10.0.0.1/onvif http://192.0.2.7:8000/onvif</d:XAddrs></d:ProbeMatch></d:ProbeMatches></B></E>";
        let found = answer(text.as_bytes(), "192.0.2.7:3702".parse().unwrap(), &|_| true).unwrap();
        assert_eq!((found.host.as_str(), found.name.as_str(), found.hardware.as_str()), ("192.0.2.7:8000", "North Gate", "X+1"));
        let behind = answer(text.as_bytes(), "192.0.2.9:3702".parse().unwrap(), &|_| false).unwrap();
        assert_eq!((behind.host.as_str(), behind.allowed), ("192.0.2.9", false));
        let text = text.replace("http://10.0.0.1/onvif", "http://10.0.0.1:8899/onvif");
        let behind = answer(text.as_bytes(), "192.0.2.9:3702".parse().unwrap(), &|_| true).unwrap();
        assert_eq!(behind.host, "192.0.2.9:8899", "the address it came from, with the port that it names");
        assert_eq!(answer(b"<x/>", "192.0.2.9:3702".parse().unwrap(), &|_| true), None);
    }
}
