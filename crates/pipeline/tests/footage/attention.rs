//! Looking less, and what it may not cost.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use media::{FrameReader, Sampling};
use pipeline::{AttentionOptions, DetectionScheduler, Scene, SceneOptions, SceneOrigin, VisionPool};
use types::{Class, Frame, MediaTime};
use vision::{Tracker, TrackerOptions};

use crate::{footage, task, vision};

/// The first frame of a street with people in it, for as long as wanted.
fn frozen() -> Option<impl FnMut(u64) -> Frame> {
    let path = footage("opencv_vtest/vtest.avi")?;
    let mut reader = FrameReader::open_file(&path, Sampling::default(), task(&path).start).unwrap();
    let first = reader.next(Duration::from_secs(60)).unwrap().unwrap();
    Some(move |number| at(&first, number))
}

/// The same picture as another frame, five a second.
fn at(frame: &Frame, number: u64) -> Frame {
    let mut frame = frame.clone();
    (frame.at, frame.number) = (MediaTime::from_duration(Duration::from_millis(200 * number)), number);
    frame
}

#[test]
fn who_stands_still_for_minutes_is_not_forgotten_though_nothing_moves() {
    let Some(mut frozen) = frozen() else { return };
    let mut vision = vision();
    let (mut attention, mut tracker) =
        (DetectionScheduler::new(AttentionOptions::default()), Tracker::new(TrackerOptions::default()));
    let (mut people, mut ended) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let frame = frozen(number);
        let found = attention.look(&frame, &mut vision.detector).unwrap();
        let step = tracker.follow(&frame, &found);
        ended.extend(step.ended);
        let seen = |s: &[(types::TrackId, types::Detection)]| -> BTreeSet<_> {
            s.iter().filter(|(_, d)| d.class == Class::Person && d.score > 0.5).map(|(id, _)| *id).collect()
        };
        people.push(seen(&step.seen));
    }
    assert!(people[10].len() >= 2, "{:?}", people[10]);
    assert_eq!(people[10], people[599], "{ended:?} ended");
    let looks = attention.scans();
    assert!(looks.none >= 450, "{looks:?}");
}

#[test]
fn an_empty_street_costs_a_look_every_few_seconds_and_leaves_nothing_behind() {
    let Some(mut frozen) = frozen() else { return };
    let mut vision = vision();
    let task = task(&std::env::current_exe().unwrap());
    let origin = SceneOrigin::Footage { digest: task.digest, start: task.start };
    let mut scene = Scene::new(task.camera, task.agency, origin, SceneOptions::default());
    let black = crate::black(types::Size { width: 320, height: 240 }, &frozen(0));
    let frames = 10 * 60 * 5;
    for number in 0..frames {
        assert!(scene.frame(&at(&black, number), &mut vision).unwrap().is_empty());
    }
    let looks = scene.stats().scans;
    assert!(looks.whole < frames / 20 && looks.part == 0, "{looks:?}");
}

/// One worker, as the server makes it: a bundle of models that four cameras share.
#[test]
#[ignore = "a measurement: the peak is the whole process's, so it runs alone"]
fn four_streams_on_one_bundle_of_models_stay_under_400_mib() {
    let Some(path) = footage("opencv_vtest/vtest.avi") else { return };
    let pool = Arc::new(VisionPool::new(vec![vision()]));
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let (pool, task) = (pool.clone(), task(&path));
            std::thread::spawn(move || {
                let origin = SceneOrigin::Footage { digest: task.digest, start: task.start };
                let mut scene = Scene::new(task.camera, task.agency, origin, SceneOptions::default());
                let pipeline::Archived::File(file) = &task.footage else { panic!("the task is of a file") };
                let mut reader = FrameReader::open_footage(file, Sampling::default(), task.start).unwrap();
                let mut ready = 0;
                while let Some(frame) = reader.next(Duration::from_secs(120)).unwrap() {
                    ready += pool.with(|vision| scene.frame(&frame, vision)).unwrap().len();
                }
                ready
            })
        })
        .collect();
    let sightings: Vec<_> = streams.into_iter().map(|s| s.join().unwrap()).collect();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    let mib = peak.trim().parse::<f64>().unwrap() / 1024.0;
    eprintln!("{sightings:?} sightings, at most {mib:.0} MiB");
    assert!(sightings.iter().all(|s| *s >= 10) && mib < 400.0, "{sightings:?}, {mib:.0} MiB");
}
