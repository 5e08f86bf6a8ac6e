//! Real footage, every codec we promise.

use std::time::Duration;

use media::{FrameReader, Sampling, probe};
use proptest::prelude::*;
use types::{Frame, TimeSource};

use crate::support::{footage, read, start};

struct Clip {
    path: &'static str,
    codec: &'static str,
    frames: u64,
    fps: f64,
    size: (u32, u32),
    announces_duration: bool,
}

const CLIPS: [Clip; 5] = [
    Clip { path: "opencv_vtest/vtest.avi", codec: "MPEG-4", frames: 795, fps: 10.0, size: (768, 576), announces_duration: true },
    Clip {
        path: "caviar_oneleaveshop1/OneLeaveShop1cor.mpg",
        codec: "MPEG-1",
        frames: 295,
        fps: 25.0,
        size: (384, 288),
        announces_duration: false,
    },
    Clip {
        path: "intel_ccby/car-detection.mp4",
        codec: "H.264",
        frames: 377,
        fps: 12.5,
        size: (768, 432),
        announces_duration: true,
    },
    Clip {
        path: "pose2sim_4cam/MultiPerson/cam01.mp4",
        codec: "H.264",
        frames: 100,
        fps: 60.0,
        size: (1088, 1920),
        announces_duration: true,
    },
    Clip {
        path: "pose2sim_4cam/single_cam02_vp9.mp4",
        codec: "VP9",
        frames: 100,
        fps: 60.0,
        size: (1080, 1920),
        announces_duration: true,
    },
];

impl Clip {
    fn seconds(&self) -> f64 {
        self.frames as f64 / self.fps
    }
}

#[test]
fn every_codec_is_probed_as_what_it_is() {
    for clip in CLIPS {
        let Some(path) = footage(clip.path) else { continue };
        let info = probe(&path).unwrap();
        assert!(info.codec.contains(clip.codec), "{info:?}");
        assert_eq!((info.size.width, info.size.height), clip.size, "{info:?}");
        assert!((info.frame_rate.unwrap() - clip.fps).abs() < 0.01, "{info:?}");
        assert_eq!(info.duration.is_some(), clip.announces_duration, "{info:?}");
        if let Some(duration) = info.duration {
            assert!((duration.as_secs_f64() - clip.seconds()).abs() < 0.1, "{info:?}");
        }
    }
}

#[test]
fn five_frames_a_second_come_out_of_every_codec_in_order() {
    for clip in CLIPS {
        let Some(path) = footage(clip.path) else { continue };
        let got = read(&path, Sampling::default());
        got.end.clone().unwrap();
        assert_eq!(got.stats.decoded, clip.frames, "{}", clip.path);
        assert_eq!(got.frames.len(), (clip.seconds() * 5.0).ceil() as usize, "{} {:?}", clip.path, got.seconds());
        assert_eq!(got.size(), clip.size);
        for (number, frame) in got.frames.iter().enumerate() {
            assert_eq!(frame.number, number as u64);
            assert_eq!(frame.taken.time.as_micros() - start().time.as_micros(), frame.at.as_micros());
            assert_eq!((frame.taken.source, frame.taken.uncertainty), (TimeSource::Given, start().uncertainty));
        }
        assert!(got.seconds()[0] == 0.0 && got.seconds().windows(2).all(|w| w[0] < w[1]), "{:?}", got.seconds());
    }
}

#[test]
fn keyframes_alone_are_few_and_at_the_times_they_have_among_all() {
    let Some(path) = footage("intel_ccby/car-detection.mp4") else { return };
    let (all, keys) = (read(&path, Sampling::all()), read(&path, Sampling { keyframes_only: true, ..Sampling::all() }));
    keys.end.clone().unwrap();
    assert!((1..60).contains(&keys.frames.len()), "{}", keys.frames.len());
    assert_eq!(keys.stats.dropped_not_key + keys.stats.decoded, 377);
    let all = all.seconds();
    assert!(keys.seconds().iter().all(|t| all.contains(t)), "{:?}", keys.seconds());
}

#[test]
fn a_height_limit_keeps_the_shape() {
    let Some(path) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let scaled = read(&path, Sampling { max_height: Some(480), ..Sampling::default() });
    assert_eq!(scaled.size(), (272, 480));
    let Some(path) = footage("caviar_oneleaveshop1/OneLeaveShop1cor.mpg") else { return };
    assert_eq!(read(&path, Sampling { max_height: Some(480), ..Sampling::default() }).size(), (384, 288));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Moonfire shipped timestamp drift because nothing tied durations to wall time.
    #[test]
    fn the_durations_of_the_frames_add_up_to_the_file(clip in 1usize..3, fps in prop_oneof![0.5f64..30.0, Just(f64::INFINITY)]) {
        let clip = &CLIPS[clip];
        let Some(path) = footage(clip.path) else { return Ok(()) };
        let got = read(&path, Sampling { fps, ..Sampling::default() });
        prop_assert!(got.end.is_ok());
        let seconds = got.seconds();
        let step = 1.0 / fps.min(clip.fps);
        let sum: f64 = seconds.windows(2).map(|w| w[1] - w[0]).sum::<f64>() + step;
        prop_assert!((sum - clip.seconds()).abs() <= step + 1.0 / clip.fps, "{sum} of {}", clip.seconds());
        prop_assert!(seconds.windows(2).all(|w| w[1] - w[0] <= step + 1.0 / clip.fps + 0.002), "{seconds:?}");
    }
}

#[test]
fn frames_outlive_their_reader() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let mut reader = media::FrameReader::open_file(&path, Sampling::default(), start()).unwrap();
    let frames: Vec<_> = (0..20).map(|_| reader.next(Duration::from_secs(10)).unwrap().unwrap()).collect();
    let before: Vec<_> = frames.iter().map(crate::support::mean_luma).collect();
    drop(reader);
    assert_eq!(frames.iter().map(crate::support::mean_luma).collect::<Vec<_>>(), before);
}

#[test]
fn reading_from_inside_a_file_gives_the_frames_and_times_of_reading_it_whole() {
    for (path, from) in [
        ("opencv_vtest/vtest.avi", 31.0),
        ("intel_ccby/car-detection.mp4", 17.3),
        ("pose2sim_4cam/MultiPerson/cam01.mp4", 0.9),
        ("pose2sim_4cam/single_cam02_vp9.mp4", 0.7),
    ] {
        let Some(file) = footage(path) else { return };
        assert!(probe(&file).unwrap().seekable, "{path}");
        let whole = read(&file, Sampling::default());
        let mut reader = FrameReader::open_file_from(&file, Sampling::default(), start(), Duration::from_secs_f64(from)).unwrap();
        let mut inside = Vec::new();
        while let Some(frame) = reader.next(Duration::from_secs(60)).unwrap() {
            inside.push((frame.at, frame.taken.time, checksum(&frame)));
        }
        let first = inside[0].0.as_duration().as_secs_f64();
        assert!((from..from + 0.25).contains(&first), "{path} begins at {first}");
        // The first may be another frame of its interval of the sampling rate; from the second on they are the same.
        let rest: Vec<_> = inside[1..].to_vec();
        let mut reader = FrameReader::open_file(&file, Sampling::default(), start()).unwrap();
        let mut all = Vec::new();
        while let Some(frame) = reader.next(Duration::from_secs(60)).unwrap() {
            all.push((frame.at, frame.taken.time, checksum(&frame)));
        }
        assert_eq!(all.len(), whole.frames.len());
        let same = all.iter().skip_while(|(at, ..)| *at < rest[0].0).copied().collect::<Vec<_>>();
        assert_eq!(rest, same, "{path}");
        assert!(rest.len() >= 3, "{path}: {} frames", rest.len());
    }
}

#[test]
fn where_a_jump_would_land_who_knows_where_reading_begins_at_the_beginning_alone() {
    let Some(file) = footage("caviar_oneleaveshop1/OneLeaveShop1cor.mpg") else { return };
    assert!(!probe(&file).unwrap().seekable);
}

/// Of every plane as it is shown.
fn checksum(frame: &Frame) -> u64 {
    let size = frame.size();
    let rows = (0..size.height as usize).flat_map(|y| &frame.row(0, y)[..size.width as usize]);
    rows.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
