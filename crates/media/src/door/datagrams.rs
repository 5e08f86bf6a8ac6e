//! A camera that sends datagrams: the door takes them, and GStreamer gets them inside its connection. So a decoder needs no
//! socket that could send anything anywhere.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    task::Poll,
};

use tokio::{io::ReadBuf, net::UdpSocket};

use super::message::Message;

/// Ports for the packets of one stream, and for the reports on them.
struct Pair {
    /// GStreamer's numbers for the two.
    channels: [u8; 2],
    sockets: [UdpSocket; 2],
    /// The same, to send: at once or not at all, as lossy as the way itself.
    out: [std::net::UdpSocket; 2],
    /// The camera's, once it said so.
    theirs: Option<[u16; 2]>,
}

#[derive(Default)]
pub(super) struct Datagrams {
    pairs: Vec<Pair>,
}

/// Streams that one camera is asked for.
const MOST_PAIRS: usize = 8;
/// Tries to find two free ports side by side.
const TRIES: usize = 50;
/// Taken at once, where so many have come.
const MOST_AT_ONCE: usize = 64;
/// The longest that there is.
const LONGEST: usize = 65_535;
/// They open the way through firewalls that let in what was asked for: an empty packet, and an empty report.
const OPENERS: [&[u8]; 2] = [&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x80, 201, 0, 1, 0, 0, 0, 0]];

impl Datagrams {
    /// GStreamer asks for a stream inside its connection; the camera is asked for datagrams.
    pub(super) fn ask(&mut self, setup: &mut Message, camera: IpAddr) -> io::Result<()> {
        let Some(channels) = setup.header("Transport").and_then(|transport| numbers::<u8>(transport, "interleaved=")) else {
            return Ok(());
        };
        if self.pairs.len() >= MOST_PAIRS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let out = side_by_side(camera)?;
        let ports = [out[0].local_addr()?.port(), out[1].local_addr()?.port()];
        let sockets = [UdpSocket::from_std(out[0].try_clone()?)?, UdpSocket::from_std(out[1].try_clone()?)?];
        setup.set("Transport", format!("RTP/AVP;unicast;client_port={}-{}", ports[0], ports[1]));
        self.pairs.push(Pair { channels, sockets, out, theirs: None });
        Ok(())
    }

    /// The camera's answer, as GStreamer expects it.
    pub(super) fn answer(&mut self, answer: &mut Message, camera: IpAddr) {
        let Some(transport) = answer.header("Transport").map(str::to_owned) else { return };
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.theirs.is_none()) else { return };
        // It sends inside the connection all the same.
        if transport.contains("interleaved=") {
            return;
        }
        let [first, second] = pair.channels;
        let mut told = vec!["RTP/AVP/TCP".to_owned(), "unicast".to_owned(), format!("interleaved={first}-{second}")];
        let kept = |part: &&str| ["ssrc=", "mode="].iter().any(|key| part.trim().to_ascii_lowercase().starts_with(key));
        told.extend(transport.split(';').filter(kept).map(str::to_owned));
        answer.set("Transport", told.join(";"));
        let theirs = numbers::<u16>(&transport, "server_port=");
        pair.theirs = Some(theirs.unwrap_or_default());
        for ((socket, port), opener) in pair.out.iter().zip(theirs.unwrap_or_default()).zip(OPENERS) {
            if port != 0 {
                let _ = socket.send_to(opener, (camera, port));
            }
        }
    }

    /// A packet of GStreamer's, as it stands inside its connection. False where it is none of ours.
    pub(super) fn send(&self, packet: &[u8], camera: IpAddr) -> bool {
        let [_, channel, _, _, content @ ..] = packet else { return false };
        for pair in &self.pairs {
            let Some(which) = pair.channels.iter().position(|c| c == channel) else { continue };
            let Some(port) = pair.theirs.map(|theirs| theirs[which]) else { return false };
            if port != 0 {
                let _ = pair.out[which].send_to(content, (camera, port));
            }
            return true;
        }
        false
    }

    /// Waits for packets of the camera and of nobody else, and writes them as they stand inside a connection; how many came.
    pub(super) async fn receive(&self, camera: IpAddr, out: &mut Vec<u8>, space: &mut Vec<u8>) -> io::Result<u64> {
        space.resize(LONGEST, 0);
        let mut count = 0;
        poll_fn(|context| {
            for pair in &self.pairs {
                for (socket, channel) in pair.sockets.iter().zip(pair.channels) {
                    for _ in 0..MOST_AT_ONCE {
                        let mut buffer = ReadBuf::new(space);
                        let Poll::Ready(came) = socket.poll_recv_from(context, &mut buffer) else { break };
                        // An answer that nobody listens there any more is no reason to end.
                        let Ok(from) = came else { continue };
                        if from.ip().to_canonical() == camera {
                            push(out, channel, buffer.filled());
                            count += 1;
                        }
                    }
                }
            }
            if out.is_empty() { Poll::Pending } else { Poll::Ready(Ok(count)) }
        })
        .await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

fn push(out: &mut Vec<u8>, channel: u8, content: &[u8]) {
    if let Ok(length) = u16::try_from(content.len()) {
        out.extend([b'$', channel]);
        out.extend(length.to_be_bytes());
        out.extend(content);
    }
}

/// The two numbers behind a key: `client_port=4000-4001`.
fn numbers<T: std::str::FromStr>(transport: &str, key: &str) -> Option<[T; 2]> {
    let value = transport.split(';').find_map(|part| part.trim().strip_prefix(key))?;
    let (first, second) = value.split_once('-')?;
    Some([first.trim().parse().ok()?, second.trim().parse().ok()?])
}

/// An even port and the next.
fn side_by_side(camera: IpAddr) -> io::Result<[std::net::UdpSocket; 2]> {
    let here: IpAddr = if camera.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bind = |port: u16| std::net::UdpSocket::bind(SocketAddr::new(here, port));
    for _ in 0..TRIES {
        let one = bind(0)?;
        let port = one.local_addr()?.port();
        let Ok(other) = bind(port ^ 1) else { continue };
        let pair = if port % 2 == 0 { [one, other] } else { [other, one] };
        for socket in &pair {
            socket.set_nonblocking(true)?;
        }
        return Ok(pair);
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(transport: &str) -> Message {
        Message {
            start: "SETUP rtsp://cam/live RTSP/1.0".into(),
            headers: vec![("Transport".into(), transport.into())],
            body: vec![],
        }
    }

    #[tokio::test]
    async fn datagrams_of_the_camera_come_through_inside_the_connection_and_those_of_others_do_not() {
        let camera = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let reports = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
        let at: IpAddr = "127.0.0.1".parse().unwrap();
        let mut datagrams = Datagrams::default();
        let mut asked = setup("RTP/AVP/TCP;unicast;interleaved=2-3");
        datagrams.ask(&mut asked, at).unwrap();
        let [first, second] = numbers::<u16>(asked.header("Transport").unwrap(), "client_port=").unwrap();
        assert!(first % 2 == 0 && second == first + 1 && !asked.header("Transport").unwrap().contains("TCP"));

        let ports = [camera.local_addr().unwrap().port(), reports.local_addr().unwrap().port()];
        let mut answer = setup(&format!(
            "RTP/AVP;unicast;client_port={first}-{second};server_port={}-{};ssrc=AB;source=127.0.0.1",
            ports[0], ports[1]
        ));
        datagrams.answer(&mut answer, at);
        assert_eq!(answer.header("Transport"), Some("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=AB"));
        let mut heard = [0; 100];
        assert_eq!(camera.recv(&mut heard).unwrap(), 12);
        assert_eq!(reports.recv(&mut heard).unwrap(), 8);

        stranger.send_to(b"not ours", ("127.0.0.1", first)).unwrap();
        camera.send_to(b"packet", ("127.0.0.1", first)).unwrap();
        reports.send_to(b"report", ("127.0.0.1", second)).unwrap();
        let (mut out, mut space, mut count) = (vec![], vec![], 0);
        while out.len() < 20 {
            let mut more = vec![];
            count += datagrams.receive(at, &mut more, &mut space).await.unwrap();
            out.extend(more);
        }
        assert_eq!(count, 2);
        assert_eq!(out, b"$\x02\0\x06packet$\x03\0\x06report");
        assert!(datagrams.send(b"$\x03\0\x02me", at) && !datagrams.send(b"$\x05\0\x02me", at));
        assert_eq!(reports.recv(&mut heard).unwrap(), 2);
    }

    #[tokio::test]
    async fn a_camera_that_sends_inside_the_connection_all_the_same_is_let() {
        let mut datagrams = Datagrams::default();
        let at = "127.0.0.1".parse().unwrap();
        datagrams.ask(&mut setup("RTP/AVP/TCP;unicast;interleaved=0-1"), at).unwrap();
        let mut answer = setup("RTP/AVP/TCP;unicast;interleaved=0-1");
        datagrams.answer(&mut answer, at);
        assert_eq!(answer.header("Transport"), Some("RTP/AVP/TCP;unicast;interleaved=0-1"));
    }
}
