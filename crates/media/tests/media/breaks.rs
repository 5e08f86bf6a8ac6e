//! However a line of time breaks, in every container: a picture's time is its time of presentation, nothing that can be read is
//! called damaged, and nothing that is left out is called done. `ffmpeg` is the second opinion, where it is there.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gstreamer as gst;
use gstreamer::prelude::*;
use media::{MediaError, Sampling, probe};

use crate::support::{Outcome, make, read, start};

const RATE: f64 = 10.0;
const HOUR: u64 = 3600;
const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 ! h264parse";
const MPEG2: &str = "mpeg2enc format=3 b-per-refframe=0 min-gop-size=20 max-gop-size=20 bitrate=1000 ! mpegvideoparse";

/// Frames at ten a second whose times `at` may change, encoded and put into a container.
fn made(dir: &Path, name: &str, frames: u32, encode: &str, at: fn(u64) -> gst::ClockTime) -> PathBuf {
    let path = dir.join(name);
    let rate = if encode.contains(MPEG2) { "25/1" } else { "10/1" };
    let caps = format!("video/x-raw,format=I420,width=160,height=120,framerate={rate}");
    let launch = format!(
        "videotestsrc pattern=ball num-buffers={frames} ! {caps} ! identity name=clock ! {encode} ! filesink location={}",
        path.display()
    );
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let pad = pipeline.by_name("clock").unwrap().static_pad("src").unwrap();
    let count = std::sync::atomic::AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        info.buffer_mut().unwrap().make_mut().set_pts(at(n));
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.expect("the test's own pipeline did not end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{name}: {end:?}");
    path
}

fn even(n: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(n * 100)
}

/// MPEG-2 knows a few rates only.
fn of_mpeg2(n: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(n * 40)
}

/// Begins two hours into its clock.
fn late(n: u64) -> gst::ClockTime {
    even(n) + gst::ClockTime::from_seconds(2 * HOUR)
}

/// Nothing for two hours after the fortieth picture, which is where a group begins.
fn gap(n: u64) -> gst::ClockTime {
    if n < 40 { even(n) } else { late(n) }
}

/// Moves every clock in a transport stream on by so many ticks, from packet `from` on.
fn moved(ts: &[u8], from: usize, ticks: u64) -> Vec<u8> {
    let mut ts = ts.to_vec();
    for packet in ts.chunks_exact_mut(188).skip(from) {
        let (begins, control) = (packet[1] & 0x40 != 0, packet[3]);
        let mut at = 4;
        if control & 0x20 != 0 {
            let length = usize::from(packet[4]);
            if length > 6 && packet[5] & 0x10 != 0 {
                let pcr = &mut packet[6..12];
                let base = u64::from(u32::from_be_bytes([pcr[0], pcr[1], pcr[2], pcr[3]])) << 1 | u64::from(pcr[4] >> 7);
                let base = (base + ticks) & ((1 << 33) - 1);
                pcr[..4].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
                pcr[4] = pcr[4] & 0x7F | ((base & 1) << 7) as u8;
            }
            at += 1 + length;
        }
        if begins && control & 0x10 != 0 && packet[at..].starts_with(&[0, 0, 1, 0xE0]) {
            move_stamps(&mut packet[at..], ticks);
        }
    }
    ts
}

/// As [`moved`], of a program stream whose packs hold no start code but their own.
fn moved_program(ps: &[u8], ticks: u64) -> Vec<u8> {
    let mut ps = ps.to_vec();
    let mut at = 0;
    while at + 14 < ps.len() {
        match &ps[at..at + 4] {
            [0, 0, 1, 0xBA] => at += 14 + usize::from(ps[at + 13] & 7),
            [0, 0, 1, 0xB9] => at += 4,
            [0, 0, 1, id] => {
                let length = 6 + usize::from(u16::from_be_bytes([ps[at + 4], ps[at + 5]]));
                if (0xE0..0xF0).contains(id) {
                    move_stamps(&mut ps[at..], ticks);
                }
                at += length;
            }
            other => panic!("{other:?} at {at}"),
        }
    }
    ps
}

/// As [`moved`], of a fragmented MP4: when each fragment begins. Its tracks count milliseconds.
fn moved_fragments(mp4: &[u8], ms: u32) -> Vec<u8> {
    let mut mp4 = mp4.to_vec();
    let starts: Vec<usize> = mp4.windows(4).enumerate().filter(|(_, kind)| kind == b"tfdt").map(|(at, _)| at).collect();
    assert!(starts.len() > 3, "{starts:?}");
    for at in starts {
        assert_eq!(mp4[at + 4], 0, "of four bytes");
        let field: &mut [u8; 4] = (&mut mp4[at + 8..at + 12]).try_into().unwrap();
        *field = (u32::from_be_bytes(*field) + ms).to_be_bytes();
    }
    mp4
}

/// As [`moved`], of a Flash file.
fn moved_tags(flv: &[u8], ms: u32) -> Vec<u8> {
    let mut flv = flv.to_vec();
    let mut at = 13;
    while at + 11 < flv.len() {
        let [kind, a, b, c, t2, t1, t0, t3] = flv[at..at + 8].try_into().unwrap();
        if kind == 9 {
            let [t3, t2, t1, t0] = (u32::from_be_bytes([t3, t2, t1, t0]) + ms).to_be_bytes();
            flv[at + 4..at + 8].copy_from_slice(&[t2, t1, t0, t3]);
        }
        at += 15 + u32::from_be_bytes([0, a, b, c]) as usize;
    }
    flv
}

fn move_stamps(pes: &mut [u8], ticks: u64) {
    let stamps = match pes[7] >> 6 {
        2 => 1,
        3 => 2,
        _ => 0,
    };
    for n in 0..stamps {
        let f = &mut pes[9 + 5 * n..14 + 5 * n];
        let b = |n: usize| u64::from(f[n]);
        let time = (b(0) >> 1 & 7) << 30 | b(1) << 22 | b(2) >> 1 << 15 | b(3) << 7 | b(4) >> 1;
        let time = time + ticks;
        f[0] = f[0] & 0xF1 | ((time >> 30 & 7) << 1) as u8;
        f[1] = (time >> 22) as u8;
        f[2] = ((time >> 15) << 1) as u8 | 1;
        f[3] = (time >> 7) as u8;
        f[4] = (time << 1) as u8 | 1;
    }
}

/// A hundredth of the packets is lost, the same ones every time.
fn lossy(ts: &[u8]) -> Vec<u8> {
    let mut dice = 7u64;
    let mut kept = |n: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        n < 8 || !(dice >> 33).is_multiple_of(100)
    };
    ts.chunks_exact(188).enumerate().filter(|(n, _)| kept(*n)).flat_map(|(_, packet)| packet).copied().collect()
}

/// What should come of a file.
struct Case {
    name: &'static str,
    path: PathBuf,
    /// When each picture of the recording was shown, since the first that can be looked at.
    times: Vec<f64>,
    /// Whether all of them can be looked at, or how many of a hundred must.
    share: usize,
    /// From here on times are guesses.
    guessed: Option<f64>,
    /// Whether the file says how long it is.
    announced: bool,
}

impl Case {
    /// Nothing is missing or guessed: others show the same pictures.
    fn is_whole(&self) -> bool {
        self.guessed.is_none() && self.share == 100 && self.times.first() == Some(&0.0)
    }
}

fn ten_a_second(frames: u64) -> Vec<f64> {
    (0..frames).map(|n| n as f64 / RATE).collect()
}

fn cases(dir: &Path) -> Vec<Case> {
    let (ts, ps) = (format!("{H264} ! mpegtsmux"), format!("{MPEG2} ! mpegpsmux"));
    let of = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let write = |name: &'static str, bytes: &[u8]| {
        std::fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    };
    let plain = |name: &'static str, path: PathBuf, times: Vec<f64>| Case {
        name,
        path,
        times,
        share: 100,
        guessed: None,
        announced: true,
    };
    let hole: Vec<f64> = (0..80).map(|n| n as f64 / RATE + if n < 40 { 0.0 } else { 7200.0 }).collect();
    let mut cases = Vec::new();
    for (name, late_name, gap_name, encode) in [
        ("a.ts", "late.ts", "gap.ts", ts.clone()),
        ("a.mp4", "late.mp4", "gap.mp4", format!("{H264} ! mp4mux")),
        ("f.mp4", "latef.mp4", "gapf.mp4", format!("{H264} ! mp4mux fragment-duration=1000")),
        ("a.mkv", "late.mkv", "gap.mkv", format!("{H264} ! matroskamux")),
        ("a.flv", "late.flv", "gap.flv", format!("{H264} ! flvmux")),
    ] {
        cases.push(plain(name, made(dir, name, 80, &encode, even), ten_a_second(80)));
        // GStreamer's muxers announce what lies before it too, and begin with zero all the same.
        let late = match late_name {
            "latef.mp4" => write(late_name, &moved_fragments(&of(name), 2 * 3_600_000)),
            "late.flv" => write(late_name, &moved_tags(&of(name), 2 * 3_600_000)),
            _ => made(dir, late_name, 80, &encode, late),
        };
        cases.push(plain(late_name, late, ten_a_second(80)));
        cases.push(plain(gap_name, made(dir, gap_name, 80, &encode, gap), hole.clone()));
    }
    let mpeg2_times = |frames: u32| (0..frames).map(|n| f64::from(n) / 25.0).collect::<Vec<_>>();
    cases.push(plain("a.mpg", made(dir, "a.mpg", 160, &ps, of_mpeg2), mpeg2_times(160)));
    let (a, program) = (of("a.ts"), of("a.mpg"));
    let near_the_end = (1 << 33) - 90_000 * HOUR - 4 * 90_000;
    // GStreamer's muxer begins its clock an hour in.
    cases.push(plain("wrap.ts", write("wrap.ts", &moved(&a, 0, near_the_end)), ten_a_second(80)));
    let wrapped = moved_program(&program, (1 << 33) - 4 * 90_000 - first_stamp(&program));
    cases.push(plain("wrap.mpg", write("wrap.mpg", &wrapped), mpeg2_times(160)));
    let restart = plain("restart.ts", write("restart.ts", &[&a[..], &a].concat()), ten_a_second(160));
    cases.push(Case { guessed: Some(8.0), ..restart });
    let restart = plain("restart.mpg", write("restart.mpg", &[&program[..], &program].concat()), mpeg2_times(320));
    cases.push(Case { guessed: Some(6.4), ..restart });
    // From the middle of the second group on: what is left of it can't be looked at.
    let groups: Vec<usize> = group_starts(&a);
    let middle = (groups[1] + groups[2]) / 2;
    // It begins with the first picture that is in it, whether that can be looked at or not.
    let before = pictures(&a[..middle * 188]);
    let left = (40..80).map(|n| (n - before) as f64 / RATE).collect();
    cases.push(plain("mid.ts", write("mid.ts", &a[middle * 188..]), left));
    let long = made(dir, "long.ts", 600, &ts, even);
    let lost = lossy(&std::fs::read(long).unwrap());
    cases.push(Case { share: 30, ..plain("lost.ts", write("lost.ts", &lost), ten_a_second(600)) });
    let h265 = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=20 ! h265parse ! mpegtsmux";
    let other = std::fs::read(made(dir, "h265.ts", 80, h265, even)).unwrap();
    let both = plain("codec.ts", write("codec.ts", &[&a[..], &other].concat()), ten_a_second(160));
    cases.push(Case { guessed: Some(8.0), ..both });
    let open =
        "x264enc bframes=2 b-adapt=false option-string=open-gop=1 speed-preset=ultrafast key-int-max=20 ! h264parse ! mpegtsmux";
    cases.push(plain("reordered.ts", made(dir, "reordered.ts", 80, open, even), ten_a_second(80)));
    cases
}

/// How many pictures begin.
fn pictures(ts: &[u8]) -> usize {
    let payload = |p: &[u8]| if p[3] & 0x20 != 0 { 5 + usize::from(p[4]) } else { 4 };
    let begins = |p: &&[u8]| p[1] & 0x40 != 0 && p[payload(p).min(188)..].starts_with(&[0, 0, 1, 0xE0]);
    ts.chunks_exact(188).filter(begins).count()
}

/// The packets in which a picture that needs no other begins, by the flag that muxers set.
fn group_starts(ts: &[u8]) -> Vec<usize> {
    let key = |packet: &[u8]| packet[1] & 0x40 != 0 && packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x40 != 0;
    ts.chunks_exact(188).enumerate().filter(|(_, packet)| key(packet)).map(|(n, _)| n).collect()
}

fn first_stamp(ps: &[u8]) -> u64 {
    let at = ps.windows(4).position(|bytes| bytes == [0, 0, 1, 0xE0]).unwrap();
    let b = |n: usize| u64::from(ps[at + 9 + n]);
    (b(0) >> 1 & 7) << 30 | b(1) << 22 | b(2) >> 1 << 15 | b(3) << 7 | b(4) >> 1
}

#[test]
fn a_pictures_time_is_its_time_of_presentation_in_every_container_however_its_clock_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    for case in cases(dir.path()) {
        let got = read(&case.path, Sampling::all());
        let info = probe(&case.path).unwrap();
        let mut check = |fine: bool, what: String| {
            if !fine {
                faults.push(format!("{}: {what}", case.name));
            }
        };
        check(got.end == Ok(()), format!("ends with {:?}", got.end));
        check(
            got.frames.len() * 100 >= case.times.len() * case.share && got.frames.len() <= case.times.len(),
            format!("{} of {} pictures, {:?}", got.frames.len(), case.times.len(), got.stats),
        );
        let near = |t: f64| case.times.iter().any(|want| (want - t).abs() < 0.005);
        let wrong: Vec<f64> = got.seconds().into_iter().filter(|t| !near(*t)).collect();
        check(wrong.is_empty(), format!("{} wrong times: {:?}", wrong.len(), &wrong[..wrong.len().min(6)]));
        let guessed = got.frames.iter().find(|f| f.taken.uncertainty > start().uncertainty);
        let guessed = guessed.map(|f| f.at.as_duration().as_secs_f64());
        let as_told = match (guessed, case.guessed) {
            (Some(got), Some(want)) => (got - want).abs() < 0.2,
            (got, want) => got.is_none() && want.is_none(),
        };
        check(as_told, format!("guessed from {guessed:?} on"));
        let lasts = case.times.last().unwrap() + 1.0 / RATE;
        let duration = info.duration.map(|d| d.as_secs_f64());
        let known = duration.map_or(!case.announced, |got| (got - lasts).abs() < 0.15);
        check(known, format!("lasts {duration:?}, not {lasts}"));
        if let Some(decoded) = by_ffmpeg(&case.path).filter(|_| case.is_whole()) {
            let pairs = decoded.iter().zip(got.seconds());
            let off = pairs.clone().filter(|(theirs, ours)| (*theirs - ours).abs() > 0.04).count();
            check(off == 0, format!("{off} of {} pictures have another time by ffmpeg", pairs.count()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// When each picture is shown, since the first, by ffmpeg; `None`, loudly, where it is not there.
fn by_ffmpeg(path: &Path) -> Option<Vec<f64>> {
    let program = std::env::var_os("SIGHTLINE_TEST_FFMPEG").unwrap_or_else(|| "ffmpeg".into());
    let mut command = Command::new(&program);
    command.args(["-hide_banner", "-nostats", "-copyts", "-flags", "-output_corrupt", "-i"]).arg(path);
    command.args(["-map", "0:v:0", "-vf", "showinfo", "-fps_mode", "passthrough", "-f", "null", "-"]);
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: ffmpeg is not there; set SIGHTLINE_TEST_FFMPEG to have times compared with it");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let time = |line: &str| line.split("pts_time:").nth(1)?.split_whitespace().next()?.parse::<f64>().ok();
    let times: Vec<f64> = text.lines().filter(|line| line.contains("showinfo")).filter_map(time).collect();
    let first = *times.first()?;
    Some(times.iter().map(|t| t - first).collect())
}

#[test]
fn a_stream_without_a_clock_goes_by_the_rate_that_is_stated_and_without_one_is_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    for (name, encode) in [("a.mjpeg", "jpegenc"), ("a.h264", H264), ("a.h265", "x265enc key-int-max=20 ! h265parse")] {
        let encode = if name == "a.mjpeg" {
            encode.to_owned()
        } else {
            format!("{encode} ! video/x-{},stream-format=byte-stream", &name[2..])
        };
        let path = made(dir.path(), name, 40, &encode, even);
        assert!(probe(&path).unwrap().clockless, "{name}");
        let stated = read(&path, Sampling { stated_fps: Some(4.0), ..Sampling::all() });
        let want: Vec<f64> = (0..40).map(|n| f64::from(n) / 4.0).collect();
        assert_eq!((stated.end.clone(), stated.seconds()), (Ok(()), want), "{name}");
        assert!(stated.frames.iter().all(|f| f.taken.uncertainty == start().uncertainty));
        let guessed = read(&path, Sampling::all());
        assert!(guessed.frames.iter().all(|f| f.taken.uncertainty.0 >= Duration::from_secs(HOUR)), "{name}");
    }
    // What has a clock goes by it, whatever is stated.
    let path = made(dir.path(), "a.mp4", 40, &format!("{H264} ! mp4mux"), even);
    assert_eq!(read(&path, Sampling { stated_fps: Some(4.0), ..Sampling::all() }).seconds(), ten_a_second(40));
    assert!(!probe(&path).unwrap().clockless);
}

#[test]
fn pixels_that_are_not_square_come_out_square_and_nonsense_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size, shape, want) in [
        ("half.mp4", (96, 108), "2/1", (192, 108)),
        ("half.mkv", (96, 108), "2/1", (192, 108)),
        ("half.ts", (96, 108), "2/1", (192, 108)),
        ("half.mpg", (96, 108), "2/1", (192, 108)),
        ("pal.mp4", (720, 576), "16/15", (768, 576)),
        ("nonsense.mp4", (96, 108), "1/1000", (96, 108)),
    ] {
        let mux = format!("{H264} ! {}", muxer(name));
        let caps =
            format!("video/x-raw,format=I420,width={},height={},framerate=10/1,pixel-aspect-ratio={shape}", size.0, size.1);
        let path = make(dir.path(), name, &format!("videotestsrc num-buffers=10 ! {caps} ! {mux} ! {{}}"));
        let got = read(&path, Sampling::all());
        assert_eq!(got.end, Ok(()), "{name}");
        let (width, height) = got.size();
        assert!(width.abs_diff(want.0) <= 2 && height.abs_diff(want.1) <= 2, "{name}: {:?}", got.size());
    }
}

fn muxer(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("mkv") => "matroskamux",
        Some("ts") => "mpegtsmux",
        Some("mpg") => "mpegpsmux",
        _ => "mp4mux",
    }
}

#[test]
fn every_track_of_pictures_is_looked_at_or_named_as_left_out() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["two.mkv", "two.mp4", "two.ts"] {
        let path = dir.path().join(name);
        let source = |size: u32| {
            format!(
                "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width={size},height=120,framerate=10/1 ! {H264} ! queue ! mux."
            )
        };
        let launch = format!("{} name=mux ! filesink location={} {} {}", muxer(name), path.display(), source(160), source(240));
        let path = make(dir.path(), name, &launch.replace("{}", ""));
        let got = read(&path, Sampling::all());
        assert_eq!((got.end.clone(), got.frames.len()), (Ok(()), 30), "{name}");
        let info = probe(&path).unwrap();
        assert!(info.left_out.len() == 1 && info.left_out[0].contains("H.264"), "{name}: {:?}", info.left_out);
    }
}

#[test]
fn sound_that_goes_on_after_the_pictures_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["long.mp4", "long.mkv"] {
        let path = dir.path().join(name);
        let launch = format!(
            "{} name=mux ! filesink location={} videotestsrc num-buffers=60 ! \
             video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! {H264} ! queue ! mux. \
             audiotestsrc samplesperbuffer=4410 num-buffers=150 ! audio/x-raw,rate=44100,channels=1 ! audioconvert ! avenc_aac ! aacparse \
             ! queue max-size-time=0 max-size-buffers=0 max-size-bytes=0 ! mux.",
            muxer(name),
            path.display()
        );
        let path = make(dir.path(), name, &launch);
        let got = read(&path, Sampling::all());
        assert_eq!((got.end.clone(), got.frames.len()), (Ok(()), 60), "{name} {:?}", probe(&path));
    }
}

/// GStreamer takes a track that is less than a fifth of the movie for a preview.
#[test]
fn pictures_that_are_a_small_part_of_a_movie_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    for (name, begins, sound) in [("sound.mp4", 0, 600), ("empty.mp4", HOUR, 10)] {
        let path = dir.path().join(name);
        let launch = format!(
            "mp4mux name=mux ! filesink location={} videotestsrc num-buffers=60 timestamp-offset={} ! \
             video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! {H264} ! queue ! mux. \
             audiotestsrc samplesperbuffer=4410 num-buffers={sound} ! audio/x-raw,rate=44100,channels=1 ! audioconvert ! avenc_aac ! aacparse \
             ! queue max-size-time=0 max-size-buffers=0 max-size-bytes=0 ! mux.",
            path.display(),
            begins * 1_000_000_000
        );
        let path = make(dir.path(), name, &launch);
        let got = read(&path, Sampling::all());
        assert_eq!((got.end.clone(), got.seconds()), (Ok(()), ten_a_second(60)), "{name} {:?}", got.stats);
        let info = probe(&path).unwrap();
        let lasts = if begins > 0 { 6.0 } else { 60.0 };
        assert!((info.duration.unwrap().as_secs_f64() - lasts).abs() < 0.2, "{name}: {info:?}");
    }
}

/// Grey at first; then a picture that differs from the one before alone.
#[test]
fn nothing_is_shown_of_a_group_whose_key_picture_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path(), "a.ts", 80, &format!("{H264} ! mpegtsmux"), even);
    let whole = read(&path, Sampling::all());
    let bytes = std::fs::read(&path).unwrap();
    let groups = group_starts(&bytes);
    // Some packets of the second key picture, and of no other.
    let lost: Vec<u8> = [&bytes[..(groups[1] + 1) * 188], &bytes[(groups[1] + 3) * 188..]].concat();
    let lossy = dir.path().join("lossy.ts");
    std::fs::write(&lossy, lost).unwrap();
    let got = read(&lossy, Sampling::all());
    let shown = |got: &Outcome| got.frames.iter().map(|f| (f.at, crate::support::mean_luma(f))).collect::<Vec<_>>();
    let want: Vec<_> = shown(&whole).into_iter().enumerate().filter(|(n, _)| !(20..40).contains(n)).map(|(_, f)| f).collect();
    assert_eq!((got.end.clone(), shown(&got)), (Ok(()), want));
    assert_eq!((got.stats.without_key, got.stats.delivered), (20, 60), "{:?}", got.stats);
    // A file without one has no picture to look at, and is not done.
    let (first, second) = (groups[0], groups[1]);
    let none = dir.path().join("none.ts");
    let keyless = [&bytes[..(first + 1) * 188], &bytes[(first + 3) * 188..second * 188]].concat();
    std::fs::write(&none, keyless).unwrap();
    let got = read(&none, Sampling::all());
    assert!(matches!(got.end, Err(MediaError::Damaged { .. })) && got.frames.is_empty(), "{:?} {:?}", got.end, got.stats);
    // One that begins in the middle of a group: what is left of that is counted.
    let middle = (groups[1] + groups[2]) / 2 * 188;
    let cut = dir.path().join("cut.ts");
    std::fs::write(&cut, &bytes[middle..]).unwrap();
    let got = read(&cut, Sampling::all());
    let left = 40 - pictures(&bytes[..middle]) as u64;
    assert_eq!((got.end.clone(), got.stats.without_key, got.stats.delivered), (Ok(()), left, 40), "{:?}", got.stats);
}
