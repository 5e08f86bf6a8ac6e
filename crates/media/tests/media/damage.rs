//! Files that are not what they should be.

use std::{path::Path, time::Duration};

use media::{MediaError, Sampling, probe};
use proptest::prelude::*;

use crate::support::{footage, make, read};

fn cut(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    std::fs::write(to, &bytes[..bytes.len() * 6 / 10]).unwrap();
}

/// Reads footage cut at 60 %; the share of the whole that was readable, and what was announced.
fn truncated(path: &Path, seconds: f64) -> (f64, Option<Duration>) {
    let dir = tempfile::tempdir().unwrap();
    let short = dir.path().join(format!("cut-{}", path.file_name().unwrap().to_string_lossy()));
    cut(path, &short);
    let got = read(&short, Sampling::default());
    let Err(MediaError::Truncated { at, of, input, what }) = got.end.clone() else { panic!("{path:?}: {:?}", got.end) };
    assert!(input.contains("cut-") && !what.is_empty());
    let last = got.seconds().last().copied().unwrap_or_default();
    assert!((at.as_secs_f64() - last).abs() < 0.5, "{at:?} {last}");
    let text = got.end.unwrap_err().to_string();
    assert!(text.contains("cut off") && text.contains("copy it again"), "{text}");
    (at.as_secs_f64() / seconds, of)
}

#[test]
fn footage_cut_at_sixty_percent_is_read_so_far_and_then_called_truncated() {
    for (name, seconds, announced) in [
        ("opencv_vtest/vtest.avi", 79.5, true),
        ("caviar_oneleaveshop1/OneLeaveShop1cor.mpg", 11.8, false),
        ("intel_ccby/car-detection.mp4", 30.16, true),
        ("pose2sim_4cam/single_cam02_vp9.mp4", 1.667, true),
    ] {
        let Some(path) = footage(name) else { continue };
        let (share, of) = truncated(&path, seconds);
        assert!((0.3..0.8).contains(&share), "{name}: {share}");
        assert_eq!(of.is_some(), announced, "{name}: {of:?}");
    }
}

#[test]
fn an_mp4_cut_before_its_index_is_truncated_with_nothing_readable() {
    let Some(path) = footage("intel_ccby/classroom.mp4") else { return };
    assert_eq!(truncated(&path, 3.0), (0.0, None));
    let dir = tempfile::tempdir().unwrap();
    let short = dir.path().join("short.mp4");
    cut(&path, &short);
    assert!(matches!(probe(&short), Err(MediaError::Truncated { .. })));
}

#[test]
fn made_containers_cut_at_sixty_percent_are_called_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let source = "videotestsrc pattern=ball num-buffers=250 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1";
    for (name, encode) in [
        ("fast.mp4", "x264enc speed-preset=ultrafast key-int-max=25 ! h264parse ! mp4mux faststart=true"),
        ("pieces.mp4", "x264enc speed-preset=ultrafast key-int-max=25 ! h264parse ! mp4mux fragment-duration=1000"),
        ("ps.mpg", "mpeg2enc bitrate=2000 ! mpegpsmux"),
        ("a.mkv", "x264enc speed-preset=ultrafast key-int-max=25 ! h264parse ! matroskamux"),
        ("a.avi", "jpegenc ! avimux"),
    ] {
        let path = make(dir.path(), name, &format!("{source} ! {encode} ! {{}}"));
        assert_eq!(read(&path, Sampling::default()).end, Ok(()), "{name} whole");
        let (share, _) = truncated(&path, 10.0);
        assert!((0.3..0.9).contains(&share), "{name}: {share}");
    }
}

#[test]
fn what_is_missing_empty_or_no_file_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.mp4");
    std::fs::write(&empty, []).unwrap();
    let missing = dir.path().join("missing.mp4");
    for (path, want) in [
        (missing.as_path(), "missing.mp4: there is no such file"),
        (&empty, "empty.mp4: the file is empty"),
        (dir.path(), "can't be opened (not a file)"),
    ] {
        let error = probe(path).unwrap_err().to_string();
        assert!(error.contains(want) && error.contains("; "), "{error}");
    }
}

#[test]
fn what_is_no_footage_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    let noise: Vec<u8> =
        (0..200_000u64).map(|i| (i.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17) >> 40) as u8).collect();
    for (name, bytes) in [
        ("noise.mp4", noise),
        ("zeros.avi", vec![0; 100_000]),
        ("text.mp4", b"Dear sir, please find attached the footage.\n".repeat(500)),
        ("short.mpg", b"x".to_vec()),
        ("page.mp4", b"<!doctype html><html><body>404</body></html>".to_vec()),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let end = probe(&path).unwrap_err();
        assert!(matches!(&end, MediaError::NotMedia { input, .. } if input.ends_with(name)), "{name}: {end:?}");
    }
}

#[test]
fn a_still_picture_is_no_footage() {
    let dir = tempfile::tempdir().unwrap();
    let path = make(dir.path(), "a.png", "videotestsrc num-buffers=1 ! pngenc ! {}");
    assert!(matches!(probe(&path), Err(MediaError::Unsupported { what, .. }) if what.contains("still")));
}

#[test]
fn a_codec_without_a_decoder_is_called_unsupported() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    // The codec's four letters, in the stream header and in the format.
    let head = bytes.len().min(4096);
    let mut changed = 0;
    for at in 0..head - 4 {
        if [&b"DIV3"[..], b"MP43", b"div3", b"DX50", b"XVID"].contains(&&bytes[at..at + 4]) {
            bytes[at..at + 4].copy_from_slice(b"QZQZ");
            changed += 1;
        }
    }
    assert!(changed > 0, "{:?}", String::from_utf8_lossy(&bytes[..300]));
    let unknown = dir.path().join("unknown.avi");
    std::fs::write(&unknown, bytes).unwrap();
    let error = probe(&unknown).unwrap_err();
    assert!(matches!(error, MediaError::Unsupported { .. }), "{error:?}");
}

#[test]
fn an_mp4_whose_pictures_are_zeroes_is_called_damaged() {
    let Some(path) = footage("intel_ccby/car-detection.mp4") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[30_000..].fill(0);
    let zeroed = dir.path().join("zeroed.mp4");
    std::fs::write(&zeroed, bytes).unwrap();
    let got = read(&zeroed, Sampling::default());
    assert!(matches!(got.end, Err(MediaError::Damaged { .. })), "{:?} {:?}", got.end, got.stats);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the file, reading ends in time with frames, an error or both.
    #[test]
    fn flipped_and_cut_bytes_never_hang_or_panic(
        name in prop::sample::select(vec!["intel_ccby/people-detection.mp4", "misc_mit/test_video.mp4", "caviar_oneleaveshop1/OneLeaveShop1cor.mpg"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
        keep in 0.05f64..1.0,
    ) {
        let Some(path) = footage(name) else { return Ok(()) };
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken");
        std::fs::write(&broken, bytes).unwrap();
        let got = read(&broken, Sampling { fps: 1.0, ..Sampling::default() });
        prop_assert!(!matches!(got.end, Err(MediaError::Stalled { .. } | MediaError::Internal { .. })), "{:?}", got.end);
        prop_assert!(got.seconds().windows(2).all(|w| w[0] < w[1]));
    }
}
