//! Real footage through the real models.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use media::Sampling;
use pipeline::{FootageError, FootageSummary, FootageTask, NewSighting, SceneOptions, run_footage};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, CaptureTime, Class, ClockUncertainty, FootageDigest, Sighting, TimeSource, TimeStamp};
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
        path: path.to_owned(),
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
        let norm: f32 = new.embedding.values.iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-3, "{norm}");
    }
    assert_eq!(done.progress.stats.sightings as usize, first.len());
    assert!((done.progress.done.as_secs_f64() - 100.0 / 60.0).abs() < 0.1, "{:?}", done.progress);

    let (second, _) = run(&task, &mut vision).unwrap();
    let ids = |all: &[NewSighting]| all.iter().map(|n| n.sighting.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&second));
}

#[test]
fn a_cancelled_file_stops_and_a_missing_one_is_an_error() {
    let Some(path) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let mut vision = vision();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let stopped = run_footage(&task(&path), &mut vision, &mut Vec::new(), &mut |_| (), &cancel);
    assert!(matches!(stopped, Err(FootageError::Cancelled)));
    assert!(matches!(run(&task(Path::new("no-such-file.mp4")), &mut vision), Err(FootageError::Media(_))));
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
