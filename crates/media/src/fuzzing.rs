//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use std::{io::Write, os::fd::AsRawFd, path::Path};

use crate::{
    Network,
    cell::{decoder_says, sys},
    completeness::look,
    created::created,
    door::camera_says,
};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] =
    &[("container", container), ("rtsp", camera_says), ("decoder_message", decoder_says), ("network", network)];

/// What the containers say of their own end and beginning, without GStreamer.
fn container(bytes: &[u8]) {
    let Ok(mut file) = sys::memory("fuzzed") else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let looked = look(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())));
    assert!(looked.is_ok(), "{looked:?}");
    let _ = created(&file);
}

/// Networks in the configuration: what is read holds its own base.
fn network(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(network) = text.parse::<Network>() {
        let shown = format!("{network:?}");
        assert!(shown.parse::<Network>() == Ok(network), "{text:?} is shown as {shown}");
    }
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&u32::try_from(inside.len() + 8).unwrap().to_be_bytes()[..], kind, inside].concat()
    }

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let mvhd = [&[0; 4][..], &3_855_198_600u32.to_be_bytes(), &[0; 92]].concat();
        let moov = boxed(b"moov", &[boxed(b"free", b"x"), boxed(b"mvhd", &mvhd)].concat());
        let mp4 = [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"mdat", &[7; 40]), moov].concat();
        let large = [&[0, 0, 0, 1][..], b"mdat", &24u64.to_be_bytes(), &[0; 8]].concat();
        let date = [&[0x44, 0x61, 0x88][..], &794_046_600_000_000_000i64.to_be_bytes()].concat();
        let info = [&[0x15, 0x49, 0xa9, 0x66, 0x8b][..], &date].concat();
        let matroska =
            [&[0x1a, 0x45, 0xdf, 0xa3, 0x84, 0x42, 0x86, 0x81, 1, 0x18, 0x53, 0x80, 0x67, 0x94, 0xec, 0x82, 0, 0][..], &info]
                .concat();
        let pack = [0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0, 1];
        let packet = [&[0, 0, 1, 0xE0, 0, 10][..], &[9; 10]].concat();
        let session = [
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://10.0.0.1/live/\r\nContent-Type: application/sdp\r\nContent-Length: 63\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\na=control:rtsp://10.0.0.1/live/track1\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 12;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;source=10.0.0.1\r\n\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: 4\r\nRTP-Info: url=rtsp://10.0.0.1/live/track1;seq=1\r\n\r\n$\0\0\x04abcd",
        ];
        let seed = |target, name, text: &str| (target, name, text.as_bytes().to_vec());
        let counts =
            r#"{"decoded":3,"sampled":2,"not_key":0,"late":0,"corrupt":0,"errors":0,"reached":{"secs":1,"nanos":0},"read":99}"#;
        let picture = format!(
            r#"{{"Picture":{{"bytes":1536,"width":32,"height":32,"format":"I420","bt709":false,"full_range":false,"planes":[[0,32],[1024,16],[1280,16]],"running":{{"secs":2,"nanos":5}},"first":{{"secs":1,"nanos":0}},"now":[1772323200000000,{{"secs":2,"nanos":0}}],"ntp":3981312000000000000,"counts":{counts}}}}}"#
        );
        super::corpora::hold(
            TARGETS,
            &[
                ("container", "mp4", mp4),
                ("container", "mp4-large-box", [boxed(b"ftyp", b"isom"), large].concat()),
                ("container", "matroska", matroska),
                (
                    "container",
                    "matroska-of-no-size",
                    vec![0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ),
                ("container", "avi", [b"RIFF", &4u32.to_le_bytes()[..], b"AVI "].concat()),
                ("container", "program-stream", [&pack[..], &packet, &pack, &packet, &[0, 0, 1, 0xB9]].concat()),
                ("container", "video-sequence", vec![0, 0, 1, 0xB3, 1, 2, 3, 0, 0, 1, 0xB7, 0, 0]),
                seed("rtsp", "session", &session.concat()),
                seed(
                    "rtsp",
                    "a-session-without-end",
                    &[
                        session[0],
                        session[1],
                        "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 12;timeout=18446744073709551615\r\n\r\n",
                        session[3],
                    ]
                    .concat(),
                ),
                seed(
                    "rtsp",
                    "login",
                    "RTSP/1.0 401 No\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"a, b\", nonce=\"c\", qop=\"auth\", algorithm=SHA-256\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
                ),
                seed(
                    "rtsp",
                    "redirect",
                    "RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://cam.example/other\r\n\r\nRTSP/1.0 301 Moved\r\nCSeq: 2\r\nLocation: /live2\r\n\r\n",
                ),
                seed("rtsp", "asked-by-the-camera", "RTSP/1.0 200 OK\r\n\r\nSET_PARAMETER * RTSP/1.0\nCSeq: 1\n\n"),
                seed("decoder_message", "opened", "\"Opened\"\n{\"Room\":{\"bytes\":1536}}\n"),
                (
                    "decoder_message",
                    "picture",
                    format!("{{\"Room\":{{\"bytes\":1536}}}}\n{picture}\n{picture}\n{{\"End\":{counts}}}").into_bytes(),
                ),
                ("decoder_message", "beat", format!("{{\"Beat\":{counts}}}").into_bytes()),
                (
                    "decoder_message",
                    "failed",
                    format!("{{\"Failed\":[{{\"Damaged\":{{\"at\":{{\"secs\":1,\"nanos\":2}},\"what\":\"x\\ny\"}}}},{counts}]}}")
                        .into_bytes(),
                ),
                seed(
                    "decoder_message",
                    "info",
                    r#"{"Info":{"duration":{"secs":9,"nanos":0},"width":32,"height":32,"frame_rate":25.0,"seekable":true,"codec":"H.264","container":"MP4"}}"#,
                ),
                seed("decoder_message", "installed", r#"{"Installed":{"version":[1,22,0],"found":[[1,"x"],null]}}"#),
                seed("network", "v4", "192.168.7.0/24"),
                seed("network", "v6", "fd00:7::/64"),
                seed("network", "one", "192.0.2.7"),
            ],
        );
    }
}
