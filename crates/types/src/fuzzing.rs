//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use std::{fmt::Display, str::FromStr};

use crate::{AgencyId, CameraId, CaptureTime, CaseId, Day, FootageDigest, ModelDigest, ReceiveTime, SightingId, StreamUrl};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("stream_url", stream_url), ("words", words)];

/// An address of a camera: what it is taken apart into means the same when it is put together, and what is shown of it holds no
/// login.
fn stream_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(url) = StreamUrl::parse(text) else { return };
    assert!(!url.host().is_empty() && url.port() != 0);
    let shown = url.shown();
    assert!(!shown.contains('@') && !shown.chars().any(char::is_control), "{shown}");
    let whole = format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path_and_query());
    match StreamUrl::parse(&whole) {
        Ok(again) => {
            assert_eq!((again.host(), again.port(), again.path_and_query()), (url.host(), url.port(), url.path_and_query()));
            assert_eq!((again.login(), again.shown()), (None, shown));
        }
        Err(error) => panic!("{whole}: {error}"),
    }
    if let Some((user, password)) = url.login() {
        assert!(!user.chars().chain(password.chars()).any(char::is_control));
    }
}

/// Names, numbers and times as they come in requests, rows and files: whatever is read is written as it is read again.
fn words(bytes: &[u8]) {
    fn one<T: FromStr + Display + PartialEq>(text: &str) {
        if let Ok(read) = text.parse::<T>() {
            let again = read.to_string().parse::<T>();
            assert!(again.is_ok_and(|again| again == read), "{text:?} is written as {read}");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    one::<CameraId>(text);
    one::<AgencyId>(text);
    one::<CaseId>(text);
    one::<SightingId>(text);
    one::<FootageDigest>(text);
    one::<ModelDigest>(text);
    one::<CaptureTime>(text);
    one::<ReceiveTime>(text);
    one::<Day>(text);
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let seed = |target, name, text: &str| (target, name, text.as_bytes().to_vec());
        super::corpora::hold(
            super::TARGETS,
            &[
                seed("stream_url", "plain", "rtsp://camera.example/live"),
                seed("stream_url", "login", "rtsps://op:p%40ss%20word@[2001:db8::1]:322/live/1?channel=1&subtype=0"),
                seed("stream_url", "parameters", "rtspu://192.0.2.7:8554/user=admin&password=x&channel=1.sdp?a&b="),
                seed("stream_url", "encoded", "RTSP://a:100%@Cam_1.example:554/a//b/../c|{d}?e=%41%zz"),
                seed("words", "name", "quay-2"),
                seed("words", "uuid", "018f3c1e-7d2a-7b44-9a4e-0c5a1d2e3f40"),
                seed("words", "digest", "07070707070707070707070707070707070707070707070707070707070707ff"),
                seed("words", "time", "2026-03-01T08:30:00.123456+01:00"),
                seed("words", "leap", "2016-12-31T23:59:60Z"),
                seed("words", "day", "2026-03-01"),
            ],
        );
    }
}
