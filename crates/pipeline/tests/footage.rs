//! Real footage through the real models.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "helpers of tests")]

#[path = "footage/attention.rs"]
mod attention;
#[path = "footage/erasure.rs"]
mod erasure;
#[path = "footage/haar.rs"]
mod haar;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use media::{FrameReader, Sampling};
use pipeline::{
    FootageError, FootageSummary, FootageTask, NewSighting, Scene, SceneOptions, SceneOrigin, Segment, run_footage, run_segment,
};
use tokio_util::sync::CancellationToken;
use types::{
    AgencyId, CameraId, CaptureTime, Class, ClockUncertainty, FootageDigest, Frame, MediaTime, PixelFormat, Sighting, Size,
    Stature, TimeSource, TimeStamp,
};
use vision::{ModelStore, Vision, VisionOptions};

/// `SIGHTLINE_FOOTAGE`, else the shared folder beside the checkout; says so when a test can't run.
fn footage(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let path = std::env::var_os("SIGHTLINE_FOOTAGE").map_or(beside, PathBuf::from).join(name);
    if !path.exists() {
        eprintln!("SKIPPED: no footage at {}; set SIGHTLINE_FOOTAGE", path.display());
        return None;
    }
    Some(path)
}

fn vision() -> Vision {
    Vision::load(&ModelStore::from_env().unwrap(), &VisionOptions::default()).expect("models; scripts/test fetches them")
}

fn task(path: &Path) -> FootageTask {
    let time: CaptureTime = "2026-03-01T23:59:59Z".parse().unwrap();
    FootageTask {
        footage: media::Footage::open(path).unwrap().into(),
        camera: CameraId::new("gate").unwrap(),
        agency: AgencyId::new("transit").unwrap(),
        digest: FootageDigest([7; 32]),
        start: TimeStamp { time, uncertainty: ClockUncertainty::default(), source: TimeSource::Given },
        sampling: Sampling::default(),
        keep_readable: false,
        scene: SceneOptions::default(),
    }
}

fn run(task: &FootageTask, vision: &mut Vision) -> Result<(Vec<NewSighting>, FootageSummary), FootageError> {
    let mut sink = Vec::new();
    let done = run_footage(task, vision, &mut sink, &mut |_| (), &CancellationToken::new())?;
    Ok((sink, done))
}

#[test]
fn two_actors_become_sightings_with_the_same_ids_in_every_run() {
    let Some(path) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let (mut vision, task) = (vision(), task(&path));
    let (first, done) = run(&task, &mut vision).unwrap();
    let people: Vec<&Sighting> = first.iter().map(|n| &n.sighting).filter(|s| s.class == Class::Person).collect();
    assert!((2..=4).contains(&people.len()), "{people:#?}");
    for s in &people {
        assert!(s.first.time <= s.best && s.best <= s.last.time && s.first.time >= task.start.time);
        assert!(s.detections >= 2 && s.score > 0.3);
    }
    for new in &first {
        assert!(new.sighting.class != Class::Person || !new.crop.erased().is_empty(), "a figure's head is always erased");
        let norm: f32 = new.embedding.values().iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-3, "{norm}");
    }
    assert_eq!(done.progress.stats.sightings as usize, first.len());
    assert!((done.progress.done.as_secs_f64() - 100.0 / 60.0).abs() < 0.1, "{:?}", done.progress);

    let (second, _) = run(&task, &mut vision).unwrap();
    let ids = |all: &[NewSighting]| all.iter().map(|n| n.sighting.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&second));
}

/// Every sighting of the parts of a clip, each looked at on its own.
fn in_parts(task: &FootageTask, seconds: u64, vision: &mut Vision) -> Vec<NewSighting> {
    let info = task.footage.info().unwrap();
    let mut all = Vec::new();
    for part in Segment::cut(&info, Duration::from_secs(seconds)) {
        let mut sink: Vec<NewSighting> = Vec::new();
        run_segment(task, &part, &info, vision, &mut sink, &mut |_| (), &CancellationToken::new()).unwrap();
        all.extend(sink);
    }
    all
}

#[test]
fn footage_looked_at_in_parts_shows_every_figure_once() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let (mut vision, task) = (vision(), task(&path));
    let (whole, _) = run(&task, &mut vision).unwrap();
    let parts = in_parts(&task, 20, &mut vision);
    assert_eq!(media::probe(&path).map(|i| Segment::cut(&i, Duration::from_secs(20)).len()).unwrap(), 4);

    let ids: std::collections::BTreeSet<_> = parts.iter().map(|n| n.sighting.id).collect();
    assert_eq!(ids.len(), parts.len(), "an id is there twice");
    // The time in which somebody is in view, as sightings tell it: at each tenth of a second, how many.
    let views = |all: &[NewSighting]| -> Vec<usize> {
        let within = |s: &Sighting, t: i64| {
            let at = task.start.time.plus_micros(t * 100_000);
            s.class == Class::Person && s.first.time <= at && at <= s.last.time
        };
        (0..795).map(|t| all.iter().filter(|n| within(&n.sighting, t)).count()).collect()
    };
    let (a, b) = (views(&whole), views(&parts));
    let seen: usize = a.iter().sum();
    let (missing, twice) = a.iter().zip(&b).fold((0, 0), |(m, t), (a, b)| (m + a.saturating_sub(*b), t + b.saturating_sub(*a)));
    // Who was there before a border and still is a while after it is told in two pieces, as the documentation says.
    let seconds = |t: CaptureTime| (t.as_micros() - task.start.time.as_micros()) as f64 / 1e6;
    let pieces = |s: &Sighting| {
        1 + (1..4)
            .filter(|k| seconds(s.first.time) < 20.0 * f64::from(*k) && seconds(s.last.time) >= 20.0 * f64::from(k + 1))
            .count()
    };
    let wanted: usize = whole.iter().map(|n| pieces(&n.sighting)).sum();
    eprintln!(
        "{} sightings, {wanted} pieces, {} told; of {seen} tenths of a second {missing} missing, {twice} more",
        whole.len(),
        parts.len()
    );
    assert!(
        missing * 20 <= seen && twice * 20 <= seen,
        "of {seen} tenths of a second {missing} are missing and {twice} told twice"
    );
    assert!(parts.len().abs_diff(wanted) * 8 <= wanted, "{} instead of {wanted}", parts.len());

    let again = in_parts(&task, 20, &mut vision);
    let told =
        |all: &[NewSighting]| all.iter().map(|n| (n.sighting.clone(), n.crop.encode(), n.embedding.clone())).collect::<Vec<_>>();
    assert_eq!(told(&again), told(&parts), "every run gives the same");
}

#[test]
fn a_cancelled_file_stops_and_a_missing_one_is_an_error() {
    let Some(path) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let mut vision = vision();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let stopped = run_footage(&task(&path), &mut vision, &mut Vec::new(), &mut |_| (), &cancel);
    assert!(matches!(stopped, Err(FootageError::Cancelled)));
    assert!(matches!(media::Footage::open(Path::new("no-such-file.mp4")), Err(media::MediaError::Missing { .. })));
}

#[test]
fn a_file_cut_at_sixty_percent_fails_unless_its_readable_part_is_wanted() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let bytes = std::fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.avi");
    // The first tenth of the file is enough work; an AVI cut anywhere lacks its index.
    std::fs::write(&cut, &bytes[..bytes.len() / 10]).unwrap();
    let mut vision = vision();
    assert!(matches!(run(&task(&cut), &mut vision), Err(FootageError::Media(_))));
    let (kept, done) = run(&FootageTask { keep_readable: true, ..task(&cut) }, &mut vision).unwrap();
    assert!(done.damage.is_some() && !kept.is_empty());
}

/// The same picture as luma alone, and its left part, so that odd and narrow sizes show real figures.
fn grey(frame: &Frame, size: Size) -> Frame {
    let (w, h) = (size.width.min(frame.size().width), size.height.min(frame.size().height));
    let bytes = (0..h as usize).flat_map(|y| frame.row(0, y)[..w as usize].to_vec()).collect();
    let size = Size { width: w, height: h };
    Frame::packed(bytes, size, PixelFormat::Gray8, frame.matrix(), frame.at, frame.taken, frame.number).unwrap()
}

fn black(size: Size, like: &Frame) -> Frame {
    let bytes = vec![16; (size.width * size.height) as usize];
    Frame::packed(bytes, size, PixelFormat::Gray8, like.matrix(), like.at, like.taken, like.number).unwrap()
}

#[test]
fn a_stream_that_changes_size_shape_and_colour_from_frame_to_frame_is_looked_at_to_its_end() {
    let (Some(wide), Some(tall)) = (footage("opencv_vtest/vtest.avi"), footage("pose2sim_4cam/MultiPerson/cam01.mp4")) else {
        return;
    };
    let mut vision = vision();
    let task = task(&wide);
    let origin = SceneOrigin::Footage { digest: task.digest, start: task.start };
    let mut scene = Scene::new(task.camera.clone(), task.agency.clone(), origin, SceneOptions::default());
    let mut frames = Vec::new();
    for path in [&wide, &tall, &wide] {
        let mut reader = FrameReader::open_file(path, Sampling::default(), task.start).unwrap();
        for _ in 0..8 {
            frames.extend(reader.next(Duration::from_secs(30)).unwrap());
        }
    }
    let last = frames.last().unwrap().clone();
    frames.push(grey(&last, Size { width: 767, height: 575 }));
    frames.push(grey(&last, Size { width: 301, height: 576 }));
    for (width, height) in [(1, 1), (1, 577), (7, 3), (7680, 4320)] {
        frames.push(black(Size { width, height }, &last));
    }
    let mut ready = Vec::new();
    for (i, frame) in frames.iter_mut().enumerate() {
        frame.at = MediaTime::from_duration(Duration::from_millis(200 * i as u64));
        ready.extend(scene.frame(frame, &mut vision).unwrap());
    }
    ready.extend(scene.finish(&mut vision).unwrap());
    assert!(ready.iter().filter(|n| n.sighting.class == Class::Person).count() >= 3, "{ready:#?}");
    for NewSighting { sighting: s, crop, .. } in &ready {
        assert!(!s.bbox.clip(s.frame).is_empty() || s.frame.width < 10, "{s:?}");
        assert!(crop.size().width <= 128 && crop.size().height <= 256);
    }
    assert_eq!(scene.stats().frames, frames.len() as u64);
}

#[test]
fn statures_of_walkers_are_known_once_enough_have_passed() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let (all, _) = run(&task(&path), &mut vision()).unwrap();
    let people: Vec<_> = all.iter().map(|n| &n.sighting).filter(|s| s.class == Class::Person).collect();
    let judged: Vec<_> = people.iter().filter_map(|s| s.description.stature.map(|d| d.word)).collect();
    let medium = judged.iter().filter(|s| **s == Stature::Medium).count();
    assert!(judged.len() >= 6 && judged.len() < people.len(), "{} of {}", judged.len(), people.len());
    assert!(medium * 4 >= judged.len() * 3, "grown people alone walk here: {judged:?}");
}
