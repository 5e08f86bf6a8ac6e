//! A camera that says anything.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, mpsc},
};

use super::{
    Behind, Talk, Waiting,
    message::{Message, Unit, first},
};
use crate::{Networks, RtspSource};

/// What comes to GStreamer of whatever a camera answers to the requests of a session: nothing in it names another address to
/// connect to than the door's.
pub(crate) fn camera_says(bytes: &[u8]) {
    let Ok(camera) = RtspSource::new("rtsp://op:secret@cam.example/live") else { return };
    let (open, _closed) = mpsc::channel();
    let behind = Behind {
        camera: camera.within(Networks::default()),
        here: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
        key: "key".into(),
        fault: Arc::default(),
        heard: Arc::default(),
        redirects: Default::default(),
        _open: open,
    };
    let mut talk = Talk::new(&behind);
    talk.at = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    talk.known = true;
    for (number, method) in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"].into_iter().enumerate() {
        let headers = vec![("Transport".to_owned(), "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned())];
        let request = Message { start: format!("{method} rtsp://cam.example/live RTSP/1.0"), headers, body: Vec::new() };
        talk.send(Waiting { ours: 0, theirs: Some(format!("{}", number + 10)), request, tries: 0 });
    }
    talk.to_camera.clear();
    // As it comes: in pieces.
    let mut heard = Vec::new();
    for piece in bytes.chunks(1_000) {
        heard.extend(piece);
        let before = heard.len();
        if talk.heard(&mut heard).is_err() {
            return;
        }
        assert!(heard.len() <= before);
        let _ = talk.alive.due();
        let _ = talk.alive.request();
    }
    let (shown, said) = (String::from_utf8_lossy(&talk.to_camera), String::from_utf8_lossy(bytes));
    assert!(!shown.contains("secret") || said.contains("secret"), "the password is shown: {shown}");
    let mut rest = &talk.to_gstreamer[..];
    while let Ok(Some(unit)) = first(rest) {
        let (Unit::Packet(length) | Unit::Blank(length) | Unit::Message(length, _)) = unit;
        if let Unit::Message(_, message) = unit
            && message.is_answer()
        {
            names_no_other(&message);
        }
        rest = &rest[length..];
    }
}

fn names_no_other(answer: &Message) {
    let own = |address: &str| {
        address.find("://").is_none_or(|at| {
            let after = &address[at + 3..];
            let authority = after.split(['/', '?', ';', ',']).next().unwrap_or_default();
            address[..at].eq_ignore_ascii_case("rtsp") && authority == "127.0.0.1:4000"
        })
    };
    for name in ["Location", "Content-Base", "Content-Location"] {
        assert!(answer.all(name).all(own), "{name}: {answer:?}");
    }
    // GStreamer takes either end of a line, and skips what is before its first letter.
    let text = String::from_utf8_lossy(&answer.body);
    for line in text.split(['\r', '\n']).map(str::trim_start) {
        let lower = line.to_ascii_lowercase();
        assert!(!lower.starts_with("a=x-gst-clock"), "{line}");
        assert!(!lower.starts_with("a=control:") || own(&line["a=control:".len()..]), "{line}");
    }
    assert!(answer.headers.iter().all(|(name, value)| !name.contains('\r') && !value.contains('\r')), "{answer:?}");
}
