//! Looks again, closer, at small figures: a child beside a grown-up is one box, or none, at the size in which a whole frame is
//! looked at.
//!
//! Figures that are near others are looked at in every frame, those that walk alone now and then, for somebody small may be beside
//! them. What it may take is bounded, whatever the scene: looks are paid from a share of what looking at a whole frame costs.

use std::time::Duration;

use types::{Class, Detection, Frame, MediaTime, Rect};
use vision::{Detector, VisionError};

/// Figures up to this height, in pixels of the detector's input, are small.
const SMALL: f32 = 100.0;
/// No figure is shown taller than this, and none by more than twice: the detector knows figures of middling size best.
const TALLEST: f32 = 130.0;
const MOST_ZOOM: f32 = 2.0;
/// Less is not worth a look.
const LEAST_ZOOM: f32 = 1.2;
/// A group is looked at together up to this share of a whole frame's cost.
const MOST_TOGETHER: f32 = 0.5;
/// How often a figure alone is looked at.
const ALONE_EVERY: Duration = Duration::from_millis(550);
/// For so long it is known that somebody was beside a figure.
const REMEMBERED: Duration = Duration::from_secs(1);
/// So many frames' share may be saved up.
const SAVED: f32 = 3.0;
/// A new box has to be this sure; an old one that is found again is as sure as the surer look.
const LEAST_SCORE: f32 = 0.25;
/// Boxes of persons that overlap more are one.
const SAME: f32 = 0.5;

/// A look that was taken.
#[derive(Debug, Clone, Copy)]
struct Taken {
    part: Rect,
    at: MediaTime,
    /// It showed somebody that the first look did not.
    found: bool,
}

/// Small figures that stand together, with room for who is beside them.
#[derive(Debug, Clone, Copy)]
struct GroupOf {
    part: Rect,
    tallest: f32,
    figures: usize,
}

#[derive(Debug)]
pub(crate) struct Closer {
    share: f32,
    credit: f32,
    taken: Vec<Taken>,
}

impl Closer {
    /// `share`: what it may take a frame, as a share of looking at it whole.
    pub(crate) fn new(share: f32) -> Self {
        Self { share, credit: 0.0, taken: Vec::new() }
    }

    /// Adds what a closer look shows to what was found in a frame; of figures that were looked at now. Says how many looks it took.
    pub(crate) fn look(
        &mut self,
        frame: &Frame,
        detector: &mut Detector,
        found: &mut Vec<Detection>,
        looked_at: impl Fn(&Detection) -> bool,
    ) -> Result<u64, VisionError> {
        if self.share <= 0.0 {
            return Ok(0);
        }
        self.credit = (self.credit + self.share).min(self.share * SAVED);
        let long_ago = |t: &Taken| frame.at.as_duration().saturating_sub(t.at.as_duration()) > REMEMBERED;
        self.taken.retain(|t| !long_ago(t));
        let scale = detector.scale(frame.size());
        let small = |d: &&Detection| d.class == Class::Person && d.bbox.height * scale < SMALL && looked_at(d);
        let figures: Vec<Rect> = found.iter().filter(small).map(|d| d.bbox).collect();
        // A whole frame at this scale is as many pixels as the detector's input holds, near enough.
        let whole = frame.size().width as f32 * frame.size().height as f32 * scale * scale;
        let mut looks = 0;
        for group in self.due(groups(&figures, scale, whole), frame.at) {
            if self.credit <= 0.0 {
                break;
            }
            let (seen, cost) = detector.detect_closer(frame, &group.part, zoom(group.tallest, scale))?;
            self.credit -= cost;
            looks += 1;
            let more = add(found, seen);
            self.taken.push(Taken { part: group.part, at: frame.at, found: more });
        }
        Ok(looks)
    }

    /// Those that are to be looked at now, the most wanted first.
    fn due(&self, groups: Vec<GroupOf>, now: MediaTime) -> Vec<GroupOf> {
        let ago = |t: &Taken| now.as_duration().saturating_sub(t.at.as_duration());
        let here = |group: &GroupOf| {
            let (x, y) = group.part.centre();
            let middle = Rect::new(x, y, 1.0, 1.0);
            self.taken.iter().filter(move |t| touch(&t.part, &middle))
        };
        let together = |group: &GroupOf| group.figures > 1 || here(group).any(|t| t.found);
        let since = |group: &GroupOf| here(group).map(ago).min().unwrap_or(Duration::MAX);
        let mut due: Vec<(bool, Duration, GroupOf)> = groups
            .into_iter()
            .map(|group| (together(&group), since(&group), group))
            .filter(|(together, since, _)| *together || *since >= ALONE_EVERY)
            .collect();
        due.sort_by_key(|(together, since, _)| (!together, std::cmp::Reverse(*since)));
        due.into_iter().map(|(_, _, group)| group).collect()
    }
}

fn zoom(tallest: f32, scale: f32) -> f32 {
    (1.0 / scale).min(MOST_ZOOM).min(TALLEST / (tallest * scale).max(1.0))
}

/// Figures whose surroundings touch, unless that makes too large a part; none that a closer look hardly enlarges.
fn groups(figures: &[Rect], scale: f32, whole: f32) -> Vec<GroupOf> {
    let around = |b: &Rect| {
        let (x, above, below) = (0.35 * b.height, 0.25 * b.height, 0.3 * b.height);
        Rect::from_corners(b.x - x, b.y - above, b.right() + x, b.bottom() + below)
    };
    let mut groups: Vec<GroupOf> = figures.iter().map(|b| GroupOf { part: around(b), tallest: b.height, figures: 1 }).collect();
    let cost = |part: &Rect, tallest: f32| part.area() * (scale * zoom(tallest, scale)).powi(2) / whole;
    let mut i = 0;
    while i < groups.len() {
        let a = groups[i];
        let joined = |b: &GroupOf| GroupOf {
            part: a.part.union(&b.part),
            tallest: a.tallest.max(b.tallest),
            figures: a.figures + b.figures,
        };
        let joins = |b: &GroupOf| touch(&a.part, &b.part) && cost(&joined(b).part, joined(b).tallest) <= MOST_TOGETHER;
        match (i + 1..groups.len()).find(|j| joins(&groups[*j])) {
            Some(j) => {
                groups[i] = joined(&groups[j]);
                groups.swap_remove(j);
                // It may now reach those that were passed over.
                i = 0;
            }
            None => i += 1,
        }
    }
    groups.retain(|g| zoom(g.tallest, scale) >= LEAST_ZOOM && cost(&g.part, g.tallest) <= MOST_TOGETHER);
    groups
}

/// Adds persons that are not among those found; whether there were any. Suitcases come along: the tracker holds small figures
/// against them.
fn add(found: &mut Vec<Detection>, seen: Vec<Detection>) -> bool {
    let suitcases =
        |some: &[Detection]| -> Vec<Detection> { some.iter().filter(|d| d.class == Class::Suitcase).copied().collect() };
    let known = suitcases(found);
    let new_one = |d: &Detection| !known.iter().any(|k| k.bbox.iou(&d.bbox) > SAME);
    found.extend(suitcases(&seen).into_iter().filter(new_one));
    let before = found.len();
    for new in seen.into_iter().filter(|d| d.class == Class::Person) {
        let mut persons = found.iter_mut().filter(|d| d.class == Class::Person);
        if let Some(same) = persons.find(|d| d.bbox.iou(&new.bbox) > SAME) {
            same.score = same.score.max(new.score);
            continue;
        }
        // Half a figure inside a whole one is a part of it.
        let part_of = |d: &Detection| new.bbox.share_inside(&d.bbox) > 0.75 && new.bbox.height < 0.5 * d.bbox.height;
        let part = found.iter().any(|d| d.class == Class::Person && part_of(d));
        if new.score >= LEAST_SCORE && !part {
            found.push(new);
        }
    }
    found.len() > before
}

pub(crate) fn touch(a: &Rect, b: &Rect) -> bool {
    !a.intersect(b).is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(bbox: Rect, score: f32) -> Detection {
        Detection { class: Class::Person, score, bbox }
    }

    #[test]
    fn a_closer_look_adds_a_child_and_no_second_box_of_anybody_and_no_part_of_a_body() {
        let tall = person(Rect::new(100.0, 100.0, 40.0, 100.0), 0.5);
        let child = person(Rect::new(130.0, 140.0, 24.0, 60.0), 0.4);
        let again = person(Rect::new(102.0, 101.0, 40.0, 98.0), 0.7);
        let legs = person(Rect::new(105.0, 155.0, 30.0, 44.0), 0.6);
        let doubtful = person(Rect::new(300.0, 100.0, 20.0, 60.0), 0.21);
        let mut found = vec![tall];
        assert!(!add(&mut found, vec![again, legs, doubtful]));
        assert_eq!(found, [Detection { score: 0.7, ..tall }]);
        assert!(add(&mut found, vec![child]));
        assert_eq!(found.len(), 2);
        let suitcase = Detection { class: Class::Suitcase, ..doubtful };
        assert!(!add(&mut found, vec![suitcase]) && !add(&mut found, vec![suitcase]));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn figures_together_are_looked_at_in_every_frame_and_one_alone_now_and_then() {
        let at = |millis| MediaTime::from_duration(Duration::from_millis(millis));
        let alone = groups(&[Rect::new(50.0, 50.0, 30.0, 80.0)], 0.6, 1e5);
        let pair = groups(&[Rect::new(300.0, 50.0, 30.0, 80.0), Rect::new(320.0, 70.0, 20.0, 50.0)], 0.6, 1e5);
        assert_eq!((alone.len(), pair.len(), pair[0].figures), (1, 1, 2));
        let mut closer = Closer::new(0.1);
        for group in [alone[0], pair[0]] {
            closer.taken.push(Taken { part: group.part, at: at(1000), found: false });
        }
        let due = |closer: &Closer, millis| closer.due([alone.clone(), pair.clone()].concat(), at(millis)).len();
        assert_eq!((due(&closer, 1200), due(&closer, 1600)), (1, 2));
        closer.taken[0].found = true;
        assert_eq!(due(&closer, 1200), 2, "somebody was beside");
    }

    proptest! {
        #[test]
        fn no_group_is_larger_than_allowed_and_none_is_made_smaller(
            figures in prop::collection::vec((0f32..700.0, 0f32..400.0, 2f32..120.0, 4f32..160.0), 0..30), scale in 0.05f32..3.0,
        ) {
            let figures: Vec<Rect> = figures.into_iter().map(|(x, y, w, h)| Rect::new(x, y, w, h)).collect();
            let whole = 768.0 * 432.0 * scale * scale;
            for group in groups(&figures, scale, whole) {
                let zoom = zoom(group.tallest, scale);
                prop_assert!((LEAST_ZOOM..=MOST_ZOOM).contains(&zoom));
                prop_assert!(group.part.area() * (scale * zoom).powi(2) <= MOST_TOGETHER * whole * 1.01);
                prop_assert!(group.tallest * scale * zoom <= TALLEST * 1.01);
            }
        }
    }
}
