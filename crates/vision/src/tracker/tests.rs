use std::time::Duration;

use proptest::prelude::*;
use types::{CaptureTime, Class, ClockUncertainty, ColourMatrix, PixelFormat, TimeSource, TimeStamp};

use super::*;

const SIZE: Size = Size { width: 640, height: 480 };

fn at(frame: u64) -> MediaTime {
    MediaTime::from_duration(Duration::from_millis(frame * 200))
}

fn person(x: f32, y: f32, score: f32) -> Detection {
    Detection { class: Class::Person, score, bbox: Rect::new(x, y, 40.0, 100.0) }
}

#[test]
fn a_figure_that_walks_out_of_its_own_box_keeps_its_track_at_five_frames_a_second() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut ids = std::collections::BTreeSet::new();
    for i in 0..15 {
        // From standing to 36 pixels a frame, nearly its own width.
        let x = (0..i).map(|k| (k as f32 * 6.0).min(36.0)).sum::<f32>();
        ids.extend(tracker.update(at(i), SIZE, &[person(x, 50.0, 0.8)]).seen.iter().map(|(id, _)| *id));
    }
    assert_eq!(ids.len(), 1);
}

#[test]
fn two_figures_that_cross_keep_their_tracks() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut last = Vec::new();
    for i in 0..25 {
        let (a, b) = (person(i as f32 * 20.0, 50.0, 0.8), person(480.0 - i as f32 * 20.0, 62.0, 0.8));
        let step = tracker.update(at(i), SIZE, &[a, b]);
        last = step.seen;
        assert_eq!(last.len(), 2, "frame {i}");
    }
    let right_most = last.iter().max_by(|a, b| a.1.bbox.x.total_cmp(&b.1.bbox.x)).unwrap();
    assert_eq!(right_most.0, TrackId(1));
}

#[test]
fn weak_detections_keep_a_track_but_start_none() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    assert!(tracker.update(at(0), SIZE, &[person(0.0, 0.0, 0.3)]).seen.is_empty());
    tracker.update(at(1), SIZE, &[person(0.0, 0.0, 0.8)]);
    for i in 2..9 {
        assert_eq!(tracker.update(at(i), SIZE, &[person(0.0, 0.0, 0.25)]).seen.len(), 1);
    }
}

#[test]
fn a_track_bridges_a_gap_and_ends_after_a_longer_one() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut confirmed = Vec::new();
    for i in 0..5 {
        confirmed.extend(tracker.update(at(i), SIZE, &[person(i as f32 * 4.0, 0.0, 0.8)]).confirmed);
    }
    assert_eq!(confirmed, [TrackId(1)]);
    for i in 5..10 {
        assert!(tracker.update(at(i), SIZE, &[]).ended.is_empty());
    }
    assert_eq!(tracker.update(at(10), SIZE, &[person(40.0, 0.0, 0.8)]).seen[0].0, TrackId(1));
    let ended: Vec<_> = (11..30).flat_map(|i| tracker.update(at(i), SIZE, &[]).ended).collect();
    assert_eq!(ended, [TrackId(1)]);
}

#[test]
fn a_figure_and_a_vehicle_never_share_a_track() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    tracker.update(at(0), SIZE, &[person(0.0, 0.0, 0.8)]);
    let step = tracker.update(at(1), SIZE, &[Detection { class: Class::Car, ..person(0.0, 0.0, 0.8) }]);
    assert_eq!(step.seen[0].0, TrackId(2));
}

fn weak_post(score: f32) -> Detection {
    Detection { class: Class::Person, score, bbox: Rect::new(500.0, 50.0, 12.0, 30.0) }
}

#[test]
fn a_post_that_the_detector_doubts_is_never_confirmed_and_a_sure_still_figure_stays_one_track() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let (mut confirmed, mut ids) = (Vec::new(), std::collections::BTreeSet::new());
    for i in 0..150 {
        let doubt = if i % 3 == 0 { 0.5 } else { 0.33 };
        let step = tracker.update(at(i), SIZE, &[weak_post(doubt), person(50.0, 50.0, 0.6)]);
        confirmed.extend(step.confirmed);
        ids.extend(step.seen.iter().filter(|(_, d)| d.bbox.x < 100.0).map(|(id, _)| *id));
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(confirmed, ids.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_track_that_was_believed_too_early_is_dismissed_and_one_that_walked_is_only_cut() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let (mut confirmed, mut dismissed) = (0, 0);
    for i in 0..40 {
        let step = tracker.update(at(i), SIZE, &[weak_post(if i < 3 { 0.6 } else { 0.3 })]);
        confirmed += step.confirmed.len();
        dismissed += step.dismissed.len();
    }
    assert_eq!((confirmed, dismissed), (1, 1));

    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut steps = Vec::new();
    for i in 0..60 {
        let walk = person(i.min(20) as f32 * 15.0, 50.0, if i < 20 { 0.8 } else { 0.3 });
        steps.push(tracker.update(at(i), SIZE, &[walk]));
    }
    assert!(steps.iter().all(|s| s.dismissed.is_empty()));
    assert_eq!(steps.iter().flat_map(|s| &s.ended).collect::<Vec<_>>(), [&TrackId(1)]);
}

#[test]
fn who_was_seen_well_for_a_while_and_then_hidden_is_not_dismissed() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let scores = [0.47, 0.62, 0.68, 0.56, 0.46, 0.48, 0.42, 0.38, 0.27, 0.28, 0.25];
    let mut confirmed = 0;
    for (i, score) in (0..).zip(scores) {
        confirmed += tracker.update(at(i), SIZE, &[person(50.0, 50.0, score)]).confirmed.len();
    }
    assert_eq!(confirmed, 1);
    assert!(tracker.finish().dismissed.is_empty());
}

#[test]
fn who_enters_where_somebody_left_is_somebody_else() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let leaving = |i: u64| person(480.0 + 20.0 * i as f32, 50.0, 0.8);
    for i in 0..8 {
        tracker.update(at(i), SIZE, &[leaving(i)]);
    }
    let ended: Vec<_> = (8..11).flat_map(|i| tracker.update(at(i), SIZE, &[]).ended).collect();
    assert_eq!(ended, [TrackId(1)]);
    assert_eq!(tracker.update(at(11), SIZE, &[person(600.0, 50.0, 0.8)]).seen[0].0, TrackId(2));
}

#[test]
fn a_hundred_figures_keep_their_tracks_and_hours_of_nothing_leave_none() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let size = Size { width: 4000, height: 1200 };
    let crowd = |i: u64| -> Vec<_> {
        (0..100).map(|k| person((k % 20) as f32 * 150.0 + i as f32 * 3.0, (k / 20) as f32 * 200.0, 0.7)).collect()
    };
    for i in 0..25 {
        assert_eq!(tracker.update(at(i), size, &crowd(i)).seen.len(), 100);
    }
    assert_eq!(tracker.next, 101);
    for i in 25..25 + 3 * 3600 * 5 {
        tracker.update(at(i), size, &[]);
    }
    assert!(tracker.tracks.is_empty());
}

#[test]
fn no_flood_of_detections_makes_more_tracks_than_the_limit() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let flood: Vec<_> = (0..5000).map(|k| person((k % 100) as f32 * 90.0, (k / 100) as f32 * 220.0, 0.9)).collect();
    for i in 0..3 {
        assert!(tracker.update(at(i), Size { width: 9000, height: 11_000 }, &flood).seen.len() <= MOST_DETECTIONS);
    }
    assert!(tracker.tracks.len() <= MOST_TRACKS);
}

/// A grey picture with figures in it: a box, and the Y, U and V above and below its middle.
pub(super) fn dressed(size: Size, figures: &[(Rect, [u8; 3], [u8; 3])]) -> Frame {
    let (w, h) = (size.width as usize, size.height as usize);
    let colour = |x: usize, y: usize, plane: usize| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let here = |r: &Rect| r.x <= x && x < r.right() && r.y <= y && y < r.bottom();
        let ground = [110, 128, 128];
        figures.iter().rev().find(|f| here(&f.0)).map_or(ground, |f| if y < f.0.centre().1 { f.1 } else { f.2 })[plane]
    };
    let mut bytes: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| colour(x, y, 0)).collect();
    for plane in [1, 2] {
        let chroma = (0..h.div_ceil(2)).flat_map(|y| (0..w.div_ceil(2)).map(move |x| (2 * x, 2 * y)));
        bytes.extend(chroma.map(|(x, y)| colour(x, y, plane)));
    }
    let taken = TimeStamp {
        time: CaptureTime::from_micros(0).unwrap(),
        uncertainty: ClockUncertainty::default(),
        source: TimeSource::Given,
    };
    let matrix = ColourMatrix { bt709: false, full_range: false };
    Frame::packed(bytes, size, PixelFormat::I420, matrix, MediaTime::default(), taken, 0).unwrap()
}

const RED: [[u8; 3]; 2] = [[80, 110, 170], [60, 128, 128]];
const BLUE: [[u8; 3]; 2] = [[90, 160, 110], [150, 120, 134]];

/// A figure in clothes.
type Dressed = (Rect, [[u8; 3]; 2]);

/// Feeds frames of figures, all of which are seen; the track that has each, by frame.
fn followed(frames: impl Iterator<Item = Vec<Dressed>>) -> Vec<Vec<(TrackId, Rect)>> {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let follow = |(i, figures): (u64, Vec<Dressed>)| {
        let drawn: Vec<_> = figures.iter().map(|(r, [above, below])| (*r, *above, *below)).collect();
        let mut frame = dressed(SIZE, &drawn);
        frame.at = at(i);
        let seen: Vec<_> = figures.iter().map(|f| Detection { class: Class::Person, score: 0.8, bbox: f.0.clip(SIZE) }).collect();
        tracker.follow(&frame, &seen).seen.into_iter().map(|(id, d)| (id, d.bbox)).collect()
    };
    (0..).zip(frames).map(follow).collect()
}

fn standing(x: f32, y: f32) -> Rect {
    Rect::new(x, y, 40.0, 100.0)
}

#[test]
fn a_track_ends_rather_than_go_on_with_who_comes_the_other_way() {
    // One walks to the right until hidden; from there another walks back, half a second later.
    let frames = (0..24).map(|i| {
        let x = i as f32 * 12.0;
        match i {
            0..=9 => vec![(standing(100.0 + x, 100.0), RED)],
            10 | 11 => vec![],
            _ => vec![(standing(360.0 - x, 104.0), BLUE)],
        }
    });
    let steps = followed(frames);
    let of =
        |range: std::ops::Range<usize>| steps[range].iter().flatten().map(|s| s.0).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(of(0..10).len(), 1);
    assert!(of(0..10).is_disjoint(&of(12..24)), "{steps:?}");
}

#[test]
fn a_child_beside_a_grown_up_has_a_track_of_its_own_though_the_detector_sees_them_in_turn() {
    let frames = (0..30).map(|i| {
        let x = 60.0 + i as f32 * 10.0;
        let (tall, small) = ((standing(x, 100.0), RED), (Rect::new(x + 26.0, 142.0, 26.0, 58.0), BLUE));
        match i {
            0..=5 => vec![tall, small],
            _ if i % 2 == 0 => vec![tall],
            _ => vec![small],
        }
    });
    let steps = followed(frames);
    let heights = |id: u64| steps.iter().flatten().filter(|s| s.0 == TrackId(id)).map(|s| s.1.height).collect::<Vec<_>>();
    assert_eq!((heights(1), heights(2)), (vec![100.0; 18], vec![58.0; 18]));
}

#[test]
fn who_enters_at_the_border_where_another_leaves_is_somebody_else_in_whatever_clothes() {
    let frames = (0..30).map(|i| {
        let x = i as f32 * 15.0;
        if i < 14 { vec![(standing(420.0 + x, 100.0), RED)] } else { vec![(standing(830.0 - x, 110.0), RED)] }
    });
    let steps = followed(frames);
    let first = steps[5][0].0;
    assert!(steps[..13].iter().flatten().all(|s| s.0 == first), "{steps:?}");
    assert!(steps[20..].iter().all(|s| s.len() == 1 && s[0].0 != first), "{steps:?}");
}

#[test]
fn who_walks_alone_into_the_shade_keeps_the_track() {
    let shade = [[40, 118, 150], [30, 128, 128]];
    let frames = (0..30).map(|i| vec![(standing(50.0 + i as f32 * 10.0, 100.0), if i < 15 { RED } else { shade })]);
    assert!(followed(frames).iter().flatten().all(|s| s.0 == TrackId(1)));
}

#[test]
fn a_suitcase_that_somebody_drags_along_is_no_figure_and_a_child_is() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut seen = std::collections::BTreeMap::new();
    for i in 0..20 {
        let x = 20.0 + i as f32 * 12.0;
        let small = Rect::new(x + 30.0, 118.0, 20.0, 36.0);
        let suitcase = Detection { class: Class::Suitcase, score: 0.25, bbox: small };
        let child = Detection { bbox: Rect::new(x - 30.0, 90.0, 24.0, 64.0), ..person(0.0, 0.0, 0.6) };
        let mut all = vec![person(x, 50.0, 0.8), child, Detection { bbox: small, ..person(0.0, 0.0, 0.55) }];
        // The thing is recognised in most frames, not in all.
        if i % 3 != 0 {
            all.push(suitcase);
        }
        let step = tracker.update(at(i), SIZE, &all);
        step.confirmed.iter().for_each(|id| _ = seen.insert(*id, true));
        step.dismissed.iter().for_each(|id| _ = seen.remove(id));
    }
    tracker.finish().dismissed.iter().for_each(|id| _ = seen.remove(id));
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_track_does_not_go_on_with_who_comes_from_behind_a_small_figure() {
    let frames = (0..24).map(|i| {
        let small = Rect::new(300.0, 200.0 - i as f32, 24.0, 60.0);
        let tall = Rect::new(296.0 + (i as f32 - 10.0) * 14.0, 150.0, 34.0, 100.0);
        if i < 10 { vec![(small, BLUE)] } else { vec![(tall, RED)] }
    });
    let steps = followed(frames);
    assert!(steps[10..].iter().flatten().all(|s| s.0 != TrackId(1)), "{steps:?}");
}

proptest! {
    #[test]
    fn whatever_comes_every_track_ends_once_and_no_detection_is_used_twice(
        frames in prop::collection::vec(prop::collection::vec((0f32..300.0, 0f32..200.0, 0f32..1.0), 0..8), 1..30),
        gap in 0u64..20,
    ) {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let (mut begun, mut ended) = (std::collections::BTreeSet::new(), Vec::new());
        for (i, frame) in frames.iter().enumerate() {
            let detections: Vec<_> = frame.iter().map(|(x, y, s)| person(*x, *y, *s)).collect();
            // Time may jump, and even run backwards.
            let step = tracker.update(at((i as u64 * 7) % (gap + 1) + i as u64), SIZE, &detections);
            prop_assert!(step.seen.len() <= detections.len());
            let mut ids: Vec<_> = step.seen.iter().map(|(id, _)| *id).collect();
            begun.extend(ids.iter().copied());
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), step.seen.len());
            ended.extend(step.ended);
        }
        ended.extend(tracker.finish().ended);
        ended.sort();
        prop_assert_eq!(ended, begun.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn boxes_far_outside_any_frame_or_of_any_size_end_no_worse_than_unseen(
        boxes in prop::collection::vec((any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>()), 1..12),
        width in 1u32..16_385, height in 1u32..16_385,
    ) {
        let (mut tracker, size) = (Tracker::new(TrackerOptions::default()), Size { width, height });
        for i in 0..6 {
            let all: Vec<_> = boxes
                .iter()
                .map(|&(x, y, w, h, s)| Detection { class: Class::Person, score: s, bbox: Rect::new(x, y, w, h) })
                .collect();
            let seen = tracker.update(at(i), size, &all).seen.len();
            prop_assert!(seen <= boxes.len());
        }
        tracker.update(at(1000), size, &[]);
        prop_assert!(tracker.tracks.is_empty());
    }
}
