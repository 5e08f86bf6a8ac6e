//! What is wrong with a camera is told in the words of its protocol, with the way out; and what is not wrong is not taken for it.

use std::time::{Duration, Instant};

use media::{FrameReader, MediaError, Pin, RtspSource, Sampling};

use crate::{
    fake::{Fake, header, method, sdp},
    support::camera_at,
};

fn error_of(camera: &RtspSource) -> MediaError {
    let mut reader = FrameReader::open_rtsp(camera, Sampling::default()).unwrap();
    reader.next(Duration::from_secs(30)).unwrap_err()
}

const SETUP: &str = "200 OK\r\nSession: 7;timeout=2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const PUBLIC: &str = "200 OK\r\nPublic: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n";

/// One stream, played without a packet.
fn usual(request: &str) -> String {
    match method(request) {
        "DESCRIBE" => sdp("", "", "a=control:track1\r\n"),
        "SETUP" => SETUP.into(),
        _ => PUBLIC.into(),
    }
}

#[test]
fn a_refusal_is_told_with_its_status_and_what_to_do() {
    for (of, status, want) in [
        ("SETUP", "461 Unsupported Transport", "rtspu://"),
        ("SETUP", "453 Not Enough Bandwidth", "close other viewers"),
        ("DESCRIBE", "403 Forbidden", "right to watch"),
        ("DESCRIBE", "404 Not Found", "sightline camera probe"),
        ("DESCRIBE", "500 Internal", "a fault of its own"),
        ("PLAY", "503 Unavailable", "busy"),
        ("PLAY", "418 Teapot", "418"),
    ] {
        let camera = Fake::start(move |request| if method(request) == of { format!("{status}\r\n") } else { usual(request) });
        let error = error_of(&camera_at(&camera.url()));
        let text = error.to_string();
        assert!(matches!(error, MediaError::Unreachable { .. }) && text.contains(want), "{status}: {text}");
        assert!(text.contains(&status[..3]), "{text}");
    }
}

#[test]
fn a_stream_without_pictures_a_missing_password_and_an_unknown_login_are_told_as_that() {
    let sound = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:t\r\n";
    let camera = Fake::start(move |request| match method(request) {
        "DESCRIBE" => format!("200 OK\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sound}", sound.len()),
        _ => usual(request),
    });
    assert!(matches!(error_of(&camera_at(&camera.url())), MediaError::NoPictures { .. }));
    for (challenge, want) in [
        ("Bearer realm=\"x\"", "Bearer"),
        ("Digest realm=\"x\", nonce=\"n\", algorithm=NEW", "Digest with the algorithm NEW"),
        ("Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"", "Digest with qop=auth-int"),
    ] {
        let camera = Fake::start(move |_| format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n"));
        let error = error_of(&camera_at(&camera.url()));
        assert!(matches!(&error, MediaError::UnknownLogin { offered, .. } if offered == want), "{error:?}");
        assert!(camera.told().iter().all(|told| header(told, "Authorization").is_none()));
        let error = error_of(&camera_at(&format!("rtsp://127.0.0.1:{}/live", camera.port)));
        assert!(matches!(error, MediaError::NoPassword { .. }), "{error:?}");
    }
}

#[test]
fn every_digest_of_rfc_7616_is_shown() {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"] {
        let camera = Fake::start(move |request| match header(request, "Authorization") {
            None => format!(
                "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", qop=\"auth\", algorithm={algorithm}\r\n"
            ),
            Some(shown) if shown.contains(&format!("algorithm={algorithm}")) => "404 Not Found\r\n".into(),
            Some(_) => "500 Wrong\r\n".into(),
        });
        let error = error_of(&camera_at(&camera.url()));
        assert!(error.to_string().contains("nothing at this path"), "{algorithm}: {error}");
    }
}

#[test]
fn a_session_over_tcp_is_kept_alive_in_a_way_that_the_camera_knows() {
    for knows in ["GET_PARAMETER", "OPTIONS"] {
        let camera = Fake::start(move |request| match method(request) {
            "GET_PARAMETER" if knows != "GET_PARAMETER" => "501 Not Implemented\r\n".into(),
            _ => usual(request),
        });
        let mut reader = FrameReader::open_rtsp(&camera_at(&camera.url()), Sampling::default()).unwrap();
        let kept = || {
            let told = camera.told();
            let played = told.iter().position(|told| method(told) == "PLAY").unwrap_or(told.len());
            let alive =
                told[played..].iter().filter(|told| method(told) == knows && header(told, "Session").as_deref() == Some("7"));
            alive.count()
        };
        let until = Instant::now() + Duration::from_secs(600);
        while kept() < 3 {
            let next = reader.next(Duration::from_millis(500));
            assert!(matches!(next, Err(MediaError::Stalled { .. })), "{next:?}");
            assert!(Instant::now() < until, "{knows}: {:?}", camera.told());
        }
        // Answers count as life, though no picture comes.
        assert!(reader.heard() >= 6, "{}", reader.heard());
    }
}

#[test]
fn packets_without_a_picture_are_not_silence() {
    let camera = Fake::start(|request| match method(request) {
        "PLAY" => format!("{PUBLIC}\r\n{}", "$\0\0\u{4}abcd".repeat(40)),
        _ => usual(request),
    });
    let mut reader = FrameReader::open_rtsp(&camera_at(&camera.url()), Sampling::default()).unwrap();
    let until = Instant::now() + Duration::from_secs(600);
    while reader.heard() < 40 {
        let _ = reader.next(Duration::from_millis(200));
        assert!(Instant::now() < until, "{}", reader.heard());
    }
}

#[test]
fn a_cameras_own_certificate_is_told_and_trusted_by_its_digest_and_the_password_is_sent_to_no_other() {
    let made = rcgen::generate_simple_self_signed(["camera.invalid".to_owned()]).unwrap();
    let pin = Pin::of(made.cert.der());
    let fake = Fake::over_tls(made.cert.der().clone(), made.signing_key.serialize_der(), |request| {
        match header(request, "Authorization") {
            None => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n".to_owned(),
            Some(_) => "404 Not Found\r\n".into(),
        }
    });
    let camera = camera_at(&format!("rtsps://operator:horse@127.0.0.1:{}/live", fake.port));
    let untrusted = error_of(&camera);
    assert!(matches!(&untrusted, MediaError::Untrusted { pin: told, .. } if *told == pin.to_string()), "{untrusted:?}");
    assert!(untrusted.to_string().contains(&format!("--trust {pin}")), "{untrusted}");
    let other = error_of(&camera.clone().with_trust(Some(Pin::of(b"another"))));
    assert!(matches!(other, MediaError::OtherCertificate { .. }), "{other:?}");
    assert_eq!(fake.told().len(), 0);
    let trusted = error_of(&camera.with_trust(Some(pin)));
    assert!(trusted.to_string().contains("nothing at this path"), "{trusted}");
    assert!(fake.told().iter().any(|told| told.contains("Authorization: Basic ")));
}
