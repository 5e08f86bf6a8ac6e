//! Which hits of one answer may be one pass of one figure, so that its fragments can be shown as one.
//!
//! A track breaks where a figure is hidden for a moment, and begins anew. Two such fragments are on one camera, one soon after
//! the other, where a figure could have gone in the meantime, and look alike. Measured on both seeds of the synthetic town: of
//! 20 pairs of fragments 4 are put together, and of 444 pairs of different figures that were near in time 2. It is strict on
//! purpose: a fragment that stands alone costs a line, and a figure behind another one may be missed.
//!
//! A group is of one camera, means nothing beyond its answer, and is kept nowhere.

use std::collections::HashMap;

use types::{CameraId, Embedding, Group, Sighting, SightingId};

use crate::Hit;

/// One begins at most so long after the other ends.
const GAP_US: i64 = 3_000_000;
/// Nor are they seen together for longer: two at once are two figures. A tracker follows what it lost for a while.
const OVERLAP_US: i64 = 4_000_000;
/// Less alike are two figures. Set from embedder recipe 5, as [`crate::score::likeness`] is.
const ALIKE: f32 = 0.9;
/// A figure goes so many of its own heights a second, and a box is off by some.
const HEIGHTS_A_SECOND: f32 = 0.8;
const HEIGHTS_OFF: f32 = 0.5;
/// Nor does it become taller than this in a moment.
const TALLER: f32 = 1.6;

/// Numbers the groups, from 1, in the order of the best hit of each. `vectors`: of the hits, by one model; a hit without one
/// stands alone.
pub(crate) fn number(hits: &mut [Hit], vectors: &HashMap<SightingId, Embedding>) {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_camera: HashMap<CameraId, Vec<usize>> = HashMap::new();
    for n in 0..hits.len() {
        let known = of_camera.entry(hits[n].sighting.camera.clone()).or_default();
        let fits = |group: &&usize| {
            let members = groups[**group].iter().map(|m| &hits[*m].sighting);
            belongs(&hits[n].sighting, members, vectors)
        };
        let group = known.iter().find(fits).copied().unwrap_or_else(|| {
            known.push(groups.len());
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(n);
        hits[n].group = group as u32 + 1;
    }
}

/// Whether there is a pair among the hits whose vectors decide about it.
pub(crate) fn candidates(hits: &[Hit]) -> Vec<&Sighting> {
    let mut of_camera: HashMap<&CameraId, Vec<&Sighting>> = HashMap::new();
    hits.iter().for_each(|hit| of_camera.entry(&hit.sighting.camera).or_default().push(&hit.sighting));
    let mut found = Vec::new();
    for sightings in of_camera.values_mut() {
        sightings.sort_by_key(|s| s.first.time);
        for (n, one) in sightings.iter().enumerate() {
            let after = sightings[n + 1..].iter().take_while(|s| gap(one, s) <= GAP_US);
            for other in after.filter(|s| may_follow(one, s)) {
                found.extend([*one, *other]);
            }
        }
    }
    found.sort_unstable_by_key(|sighting| sighting.id);
    found.dedup_by_key(|sighting| sighting.id);
    found
}

fn belongs<'a>(new: &Sighting, members: impl Iterator<Item = &'a Sighting>, vectors: &HashMap<SightingId, Embedding>) -> bool {
    let alike = |member: &Sighting| {
        let vectors = vectors.get(&new.id).zip(vectors.get(&member.id));
        vectors.and_then(|(a, b)| a.similarity(b)).is_some_and(|cosine| cosine >= ALIKE)
    };
    let mut follows = false;
    for member in members {
        if gap(member, new) < -OVERLAP_US {
            return false;
        }
        follows = follows || may_follow(member, new) && alike(member);
    }
    follows
}

/// By class, time and place in the picture.
fn may_follow(a: &Sighting, b: &Sighting) -> bool {
    let in_time = (-OVERLAP_US..=GAP_US).contains(&gap(a, b));
    // A vehicle goes as fast as it likes.
    a.class == b.class && in_time && (a.class.group() != Group::Person || could_go(a, b))
}

/// From the end of the one to the beginning of the other; below 0, how long both were seen.
fn gap(a: &Sighting, b: &Sighting) -> i64 {
    a.first.time.max(b.first.time).as_micros() - a.last.time.min(b.last.time).as_micros()
}

/// Whether a figure could have been in the one box and then in the other.
fn could_go(a: &Sighting, b: &Sighting) -> bool {
    let (tall, short) = (a.bbox.height.max(b.bbox.height), a.bbox.height.min(b.bbox.height));
    if short <= 0.0 || tall > TALLER * short || a.frame != b.frame {
        return false;
    }
    let feet = |s: &Sighting| (s.bbox.x + s.bbox.width / 2.0, s.bbox.y + s.bbox.height);
    let ((ax, ay), (bx, by)) = (feet(a), feet(b));
    let heights = (ax - bx).hypot(ay - by) / (tall * short).sqrt();
    let seconds = a.best.as_micros().abs_diff(b.best.as_micros()) as f32 / 1e6;
    heights <= HEIGHTS_OFF + HEIGHTS_A_SECOND * seconds
}
