//! A camera's password goes to that camera and to nobody else, and nothing is connected to but where cameras may be.

use std::{
    io::Write,
    net::TcpListener,
    time::{Duration, Instant},
};

use media::{FrameReader, MediaError, RtspSource, Sampling};

use crate::{
    fake::{Fake, header, method, sdp},
    support::camera_at,
};

const BASIC: &str = "WWW-Authenticate: Basic realm=\"x\"\r\n";
const DIGEST: &str = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\r\n";

fn error_of(camera: &RtspSource) -> MediaError {
    let mut reader = FrameReader::open_rtsp(camera, Sampling::default()).unwrap();
    reader.next(Duration::from_secs(30)).unwrap_err()
}

/// Would take any password.
fn other() -> Fake {
    Fake::start(|request| match header(request, "Authorization") {
        None => format!("401 Unauthorized\r\n{BASIC}"),
        Some(_) => "404 Not Found\r\n".into(),
    })
}

fn shown(fake: &Fake) -> Vec<String> {
    fake.told().iter().filter_map(|told| header(told, "Authorization")).collect()
}

#[test]
fn a_password_never_follows_a_redirect_to_another_authority_and_the_fault_says_where_it_goes() {
    for challenge in [BASIC, DIGEST] {
        for at_once in [true, false] {
            let other = other();
            let to = other.port;
            let camera = Fake::start(move |request| {
                if !at_once && header(request, "Authorization").is_none() {
                    return format!("401 Unauthorized\r\n{challenge}");
                }
                match method(request) {
                    "OPTIONS" => "200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\n".into(),
                    _ => format!("302 Moved\r\nLocation: rtsp://operator:x@127.0.0.1:{to}/live?token=s3cret\r\n"),
                }
            });
            let error = error_of(&camera_at(&camera.url()).with_basic_without_tls(true));
            assert_eq!(other.came(), 0, "{:?}", other.told());
            let MediaError::Elsewhere { to: told, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*told, format!("127.0.0.1:{to}"));
            let text = error.to_string();
            assert!(text.contains("give the camera that address") && !text.contains("s3cret"), "{text}");
            assert_eq!(shown(&camera).is_empty(), at_once);
        }
    }
}

#[test]
fn a_redirect_to_the_same_authority_is_followed_and_one_that_never_ends_is_not() {
    for whole in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = if whole { format!("rtsp://127.0.0.1:{port}/there?x=1") } else { "/there?x=1".to_owned() };
        let camera = Fake::on(listener, move |request| match (method(request), request.contains("/there?x=1 ")) {
            ("OPTIONS", _) => "200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\n".into(),
            (_, false) => format!("301 Moved\r\nLocation: {to}\r\n"),
            _ if header(request, "Authorization").is_none() => format!("401 Unauthorized\r\n{DIGEST}"),
            _ => "404 Not Found\r\n".into(),
        });
        let error = error_of(&camera_at(&camera.url()));
        assert!(error.to_string().contains("nothing at this path"), "{error}");
        let uri = format!("uri=\"rtsp://127.0.0.1:{port}/there?x=1\"");
        assert!(shown(&camera).iter().all(|a| a.starts_with("Digest ") && a.contains(&uri)), "{:?}", camera.told());
        assert!(!shown(&camera).is_empty());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let camera = Fake::on(listener, move |_| format!("302 Moved\r\nLocation: rtsp://127.0.0.1:{port}/again\r\n"));
    let error = error_of(&camera_at(&camera.url()));
    assert!(error.to_string().contains("circles"), "{error}");
}

#[test]
fn no_address_in_an_answer_is_connected_to() {
    for place in 0..5 {
        let other = other();
        let to = other.port;
        let camera = Fake::start(move |request| {
            if header(request, "Authorization").is_none() {
                return format!("401 Unauthorized\r\n{DIGEST}");
            }
            let there = format!("rtsp://127.0.0.1:{to}");
            match method(request) {
                "OPTIONS" => "200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\n".into(),
                "DESCRIBE" => match place {
                    0 => sdp(&format!("Content-Base: {there}/\r\n"), "", "a=control:t\r\n"),
                    1 => sdp(&format!("Content-Location: {there}/\r\n"), "", "a=control:t\r\n"),
                    2 => sdp("", &format!("a=control:{there}/\r\n"), "a=control:t\r\n"),
                    3 => sdp("", "", &format!("a=control:{there}/t\r\n")),
                    _ => sdp("", &format!("a=control:{}/\r\n", there.to_uppercase()), &format!("a=control:{there}/t\r\n")),
                },
                // The connection is lost: it is made again, by what was said.
                _ => String::new(),
            }
        });
        let error = error_of(&camera_at(&camera.url()));
        assert_eq!(other.came(), 0, "{place}: {error} {:?}", other.told());
        let setups: Vec<_> = camera.told().into_iter().filter(|told| method(told) == "SETUP").collect();
        let own = format!("rtsp://127.0.0.1:{}/", camera.port);
        assert!(!setups.is_empty() && setups.iter().all(|told| told.contains(&own)), "{place}: {error} {:?}", camera.told());
    }
}

#[test]
fn without_tls_the_password_itself_is_sent_only_to_a_camera_that_may_have_it_and_asks_for_nothing_better() {
    for (offers, may, want) in [
        (BASIC.to_owned(), false, None),
        (BASIC.to_owned(), true, Some("Basic b3BlcmF0b3I6aG9yc2U=")),
        (format!("{BASIC}{DIGEST}"), false, Some("Digest ")),
        (format!("{DIGEST}{BASIC}"), true, Some("Digest ")),
        (format!("{}, Digest realm=\"x\", nonce=\"n\"\r\n", BASIC.trim()), true, Some("Digest ")),
    ] {
        let asks = offers.clone();
        let camera = Fake::start(move |request| match header(request, "Authorization") {
            None => format!("401 Unauthorized\r\n{asks}"),
            Some(_) => "404 Not Found\r\n".into(),
        });
        let error = error_of(&camera_at(&camera.url()).with_basic_without_tls(may));
        match want {
            None => {
                assert!(matches!(error, MediaError::BasicInClear { .. }), "{error:?}");
                assert!(error.to_string().contains("--basic-without-tls"), "{error}");
                assert_eq!(shown(&camera), Vec::<String>::new());
            }
            Some(want) => {
                assert!(matches!(error, MediaError::Unreachable { .. }), "{offers}: {error:?}");
                assert!(!shown(&camera).is_empty() && shown(&camera).iter().all(|a| a.starts_with(want)), "{:?}", shown(&camera));
            }
        }
    }
}

#[test]
fn a_wrong_password_is_shown_once_a_request_and_an_old_nonce_is_exchanged() {
    let camera = Fake::start(|_| format!("401 Unauthorized\r\n{DIGEST}"));
    let error = error_of(&camera_at(&camera.url()));
    assert!(matches!(error, MediaError::Unauthorised { .. }), "{error:?}");
    assert!(shown(&camera).len() <= 2, "{:?}", camera.told());
    let camera = Fake::start(|request| match header(request, "Authorization") {
        None => format!("401 Unauthorized\r\n{DIGEST}"),
        Some(shown) if shown.contains("nonce=\"n\"") => {
            "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"next\", stale=true\r\n".into()
        }
        Some(_) => "404 Not Found\r\n".into(),
    });
    let error = error_of(&camera_at(&camera.url()));
    assert!(error.to_string().contains("nothing at this path"), "{error}");
}

#[test]
fn over_tls_basic_is_sent_to_the_camera_that_the_certificate_names_and_to_no_other() {
    const CHILD: &str = "SIGHTLINE_TEST_AUTHORITY";
    let name = "authority::over_tls_basic_is_sent_to_the_camera_that_the_certificate_names_and_to_no_other";
    let Some(folder) = std::env::var_os(CHILD).map(std::path::PathBuf::from) else {
        // In a process that trusts this authority alone.
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("cert.der"), made.cert.der()).unwrap();
        std::fs::write(folder.path().join("key.der"), made.signing_key.serialize_der()).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, folder.path());
        child.env("SSL_CERT_FILE", folder.path().join("cert.pem")).env_remove("SSL_CERT_DIR");
        assert!(child.status().unwrap().success());
        return;
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let fake = Fake::over_tls(read("cert.der").into(), read("key.der"), |request| match header(request, "Authorization") {
        None => format!("401 Unauthorized\r\n{BASIC}"),
        Some(_) => "404 Not Found\r\n".into(),
    });
    for (host, trusted) in [("127.0.0.1", false), ("localhost", true)] {
        let error = error_of(&camera_at(&format!("rtsps://operator:horse@{host}:{}/live", fake.port)));
        let told = fake.told();
        assert_eq!(error.to_string().contains("nothing at this path"), trusted, "{host}: {error}");
        assert_eq!(told.iter().any(|told| told.contains("Authorization: Basic b3BlcmF0b3I6aG9yc2U=")), trusted, "{told:?}");
    }
}

#[test]
fn a_camera_outside_the_networks_is_not_connected_to_whatever_its_name() {
    let camera = other();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let error = error_of(&RtspSource::new(&format!("rtsp://operator:horse@{host}:{}/live", camera.port)).unwrap());
        assert!(matches!(error, MediaError::OutsideNetworks { .. }), "{host}: {error:?}");
        assert!(error.to_string().contains("[live] networks"), "{error}");
    }
    assert_eq!(camera.came(), 0);
}

#[test]
fn a_closed_port_a_silent_one_and_another_service_read_the_same_and_as_late() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let speaking = |text: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().for_each(|stream| drop(stream.unwrap().write_all(text))));
        port
    };
    let ports = [
        closed,
        mute.local_addr().unwrap().port(),
        speaking(b""),
        speaking(b"SSH-2.0-x\r\n"),
        speaking(b"HTTP/1.1 400 Bad\r\n\r\n"),
    ];
    let mut told = Vec::new();
    for port in ports {
        let mut camera = camera_at(&format!("rtsp://operator:horse@127.0.0.1:{port}/live"));
        camera.connect_timeout = Duration::from_secs(1);
        let began = Instant::now();
        let MediaError::Unreachable { what, .. } = error_of(&camera) else { panic!("{port}") };
        assert!(began.elapsed() >= camera.connect_timeout, "{:?}", began.elapsed());
        told.push(what);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
}
