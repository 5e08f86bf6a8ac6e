//! What names addresses is no footage, and none of them is opened.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use media::{MediaError, probe, recorded};

/// Counts who connects.
fn listener() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (port, count)
}

#[test]
fn a_playlist_under_any_name_is_no_footage_and_connects_to_nobody() {
    let (port, count) = listener();
    let hls =
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n");
    let master = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nhttp://127.0.0.1:{port}/a.m3u8\n");
    let dash = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT8S\" \
         minBufferTime=\"PT1S\" profiles=\"urn:mpeg:dash:profile:isoff-main:2011\"><BaseURL>http://127.0.0.1:{port}/</BaseURL><Period>\
         <AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1000\" codecs=\"avc1\" width=\"64\" height=\"64\">\
         <SegmentTemplate media=\"$Number$.m4s\" initialization=\"i.mp4\" duration=\"4\"/></Representation></AdaptationSet></Period></MPD>"
    );
    let smooth = format!(
        "<?xml version=\"1.0\"?><SmoothStreamingMedia MajorVersion=\"2\" MinorVersion=\"0\" Duration=\"80000000\"><StreamIndex Type=\"video\" \
         Chunks=\"1\" Url=\"http://127.0.0.1:{port}/{{bitrate}}/{{start time}}\"><QualityLevel Index=\"0\" Bitrate=\"1000\" FourCC=\"H264\" \
         MaxWidth=\"64\" MaxHeight=\"64\" CodecPrivateData=\"00\"/><c d=\"80000000\"/></StreamIndex></SmoothStreamingMedia>"
    );
    let sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=control:rtsp://127.0.0.1:{port}/\r\nm=video {port} RTP/AVP 26\r\n"
    );
    let list = format!("http://127.0.0.1:{port}/a.mp4\n");
    let dir = tempfile::tempdir().unwrap();
    for (kind, text) in [("hls", hls), ("master", master), ("dash", dash), ("smooth", smooth), ("sdp", sdp), ("list", list)] {
        for ending in ["mp4", "m3u8", "mpd", "ism", "avi", "sdp", "mkv", "ts"] {
            let path = dir.path().join(format!("{kind}.{ending}"));
            std::fs::write(&path, &text).unwrap();
            let end = probe(&path).unwrap_err();
            assert!(matches!(end, MediaError::NotMedia { .. }), "{kind}.{ending}: {end:?}");
            assert!(recorded(&path).is_err(), "{kind}.{ending}");
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_file_says_when_it_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let now = || types::CaptureTime::now().as_micros();
    let before = now();
    // The muxer writes when it began, in whole seconds.
    let path = super::support::make(dir.path(), "now.mov", "videotestsrc num-buffers=30 ! jpegenc ! qtmux ! {}");
    let time = recorded(&path).unwrap().unwrap().as_micros();
    assert!((before - 1_000_000..=now()).contains(&time), "{time}");
}
