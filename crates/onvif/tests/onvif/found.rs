use std::{net::UdpSocket, time::Duration};

use onvif::{Probing, discover};

fn here(ip: std::net::IpAddr) -> bool {
    ip.is_loopback()
}

/// Answers probes on a loopback address as devices do, and remembers how often it was asked.
fn device(address: &str, port: u16, xaddrs: String) -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let socket = UdpSocket::bind((address, port)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut block) {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let text = String::from_utf8_lossy(&block[..length]).into_owned();
            let probe = text.contains("discovery/Probe") && text.contains("NetworkVideoTransmitter");
            // Rubbish, and then an answer.
            socket.send_to(b"<a><b>", from).unwrap();
            let answer = format!(
                "<E:Envelope><E:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types>\
                 <d:Scopes>onvif://www.onvif.org/name/Gate</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></E:Body></E:Envelope>"
            );
            if probe {
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
        }
    });
    (port, asked)
}

#[tokio::test]
async fn a_subnet_is_asked_address_by_address_and_nothing_outside_of_what_is_allowed() {
    let (port, asked) = device("127.0.9.2", 0, "http://10.0.0.1/onvif http://127.0.9.2:8080/onvif".into());
    let (_, other) = device("127.0.9.5", port, "http://10.0.0.1/onvif".into());
    let look = async |allowed: &(dyn Fn(std::net::IpAddr) -> bool + Sync)| {
        let how = Probing {
            interfaces: vec!["127.0.0.1".parse().unwrap()],
            subnets: vec!["127.0.9.0/29".parse().unwrap()],
            port,
            multicast: false,
            wait: Duration::from_secs(3),
            allowed,
        };
        discover(&how).await.unwrap()
    };
    let found = look(&here).await;
    let hosts: Vec<_> = found.iter().map(|f| (f.host.as_str(), f.name.as_str(), f.allowed)).collect();
    assert_eq!(hosts, [("127.0.9.2:8080", "Gate", true), ("127.0.9.5", "Gate", true)]);
    let before = (asked.load(std::sync::atomic::Ordering::SeqCst), other.load(std::sync::atomic::Ordering::SeqCst));
    assert!(before.0 > 0 && before.1 > 0);
    assert!(look(&|ip| here(ip) && ip.to_string() != "127.0.9.5").await.len() == 1);
    assert_eq!(other.load(std::sync::atomic::Ordering::SeqCst), before.1, "what is not allowed is not asked");
}
