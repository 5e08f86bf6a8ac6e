//! Where to look in a frame, so that the detector sees less than every pixel of every frame.

use std::time::Duration;

use types::{Detection, Frame, MediaTime, Rect};
use vision::{Detector, Motion, MotionGate, VisionError};

use crate::closer::{Closer, touch};

/// When the detector looks, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionOptions {
    /// Look only where something moves, between looks at the whole frame. Off: at every frame, whole.
    pub gate: bool,
    /// The whole frame is looked at this often at least while somebody is there, so that who stands still is not forgotten...
    pub whole_every: Duration,
    /// ...and this often while nobody was.
    pub idle_every: Duration,
    /// Part of the frame above which it is looked at whole.
    pub most: f32,
    /// What looking again, closer, at small figures and who is beside them may take, as a share of looking at a whole frame;
    /// on average over frames. 0: never.
    pub closer: f32,
}

impl Default for AttentionOptions {
    fn default() -> Self {
        Self { gate: true, whole_every: Duration::from_secs(1), idle_every: Duration::from_secs(5), most: 0.6, closer: 0.12 }
    }
}

/// How frames were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanCounts {
    pub whole: u64,
    pub part: u64,
    /// Looks closer, at a few figures; beside those above.
    pub closer: u64,
    /// Nothing moved: what was there before is there still.
    pub none: u64,
}

impl ScanCounts {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            whole: self.whole + other.whole,
            part: self.part + other.part,
            closer: self.closer + other.closer,
            none: self.none + other.none,
        }
    }
}

/// The gate of one camera and what was last seen.
#[derive(Debug)]
pub struct DetectionScheduler {
    options: AttentionOptions,
    gate: MotionGate,
    last_whole: Option<MediaTime>,
    before: Vec<Detection>,
    closer: Closer,
    scans: ScanCounts,
}

impl DetectionScheduler {
    pub fn new(options: AttentionOptions) -> Self {
        let closer = Closer::new(options.closer);
        Self { options, gate: MotionGate::default(), last_whole: None, before: Vec::new(), closer, scans: ScanCounts::default() }
    }

    pub fn scans(&self) -> ScanCounts {
        self.scans
    }

    /// What is in the frame: found now where something moves, taken over from the frame before where nothing does.
    pub fn look(&mut self, frame: &Frame, detector: &mut Detector) -> Result<Vec<Detection>, VisionError> {
        let part = self.part(frame);
        let mut found = match &part {
            Region::Whole => {
                self.last_whole = Some(frame.at);
                self.scans.whole += 1;
                detector.detect(frame)?
            }
            Region::None => {
                self.scans.none += 1;
                return Ok(self.before.clone());
            }
            Region::Of { parts, patches } => {
                self.scans.part += 1;
                let mut found: Vec<_> =
                    self.before.iter().filter(|d| !parts.iter().any(|part| touch(&d.bbox, part))).copied().collect();
                for part in parts {
                    found.extend(detector.detect_in(frame, part)?);
                }
                // Where nothing moved, what was there is there still, though a part may show it too poorly to find it.
                let moved = |d: &Detection| patches.iter().any(|patch| touch(&d.bbox, patch));
                let again = |d: &Detection| found.iter().any(|f| f.class == d.class && f.bbox.iou(&d.bbox) > SAME);
                let still: Vec<_> = self.before.iter().filter(|d| !moved(d) && !again(d)).copied().collect();
                found.extend(still);
                found
            }
        };
        let looked_at = |d: &Detection| match &part {
            Region::Of { parts, .. } => parts.iter().any(|part| touch(&d.bbox, part)),
            Region::Whole | Region::None => true,
        };
        self.scans.closer += self.closer.look(frame, detector, &mut found, looked_at)?;
        self.before.clone_from(&found);
        Ok(found)
    }

    fn part(&mut self, frame: &Frame) -> Region {
        if !self.options.gate {
            return Region::Whole;
        }
        let motion = self.gate.look(frame);
        let every = if self.before.is_empty() { self.options.idle_every } else { self.options.whole_every };
        let since = self.last_whole.map(|last| frame.at.as_duration().saturating_sub(last.as_duration()));
        let patches = match motion {
            Motion::Patches(patches) if since.is_some_and(|since| since < every) => patches,
            _ => return Region::Whole,
        };
        if patches.is_empty() {
            return Region::None;
        }
        // Room for what the moving patches are part of, and everybody who was there, whole.
        let mut parts: Vec<Rect> = patches.iter().map(with_room).collect();
        loop {
            merge(&mut parts);
            let mut grew = false;
            for part in &mut parts {
                for d in self.before.iter().filter(|d| d.score >= SURE) {
                    let grown = part.union(&with_room(&d.bbox));
                    if grown != *part && touch(&d.bbox, part) {
                        (*part, grew) = (grown, true);
                    }
                }
            }
            if !grew {
                break;
            }
        }
        let size = frame.size();
        parts.iter_mut().for_each(|part| *part = part.clip(size));
        parts.retain(|part| !part.is_empty());
        let area: f32 = parts.iter().map(|part| part.area() + OVERHEAD * size.width as f32 * size.height as f32).sum();
        if area > self.options.most * size.width as f32 * size.height as f32 {
            Region::Whole
        } else {
            Region::Of { parts, patches }
        }
    }
}

/// A part costs so much of a whole frame besides its own area: rounding up to the model's strides, and a run.
const OVERHEAD: f32 = 0.06;
/// A box below this is not worth looking at more for.
const SURE: f32 = 0.3;
/// Boxes of one class that overlap more are one object.
const SAME: f32 = 0.5;

/// Joins parts that overlap, or that are hardly smaller apart than together.
fn merge(parts: &mut Vec<Rect>) {
    let mut i = 0;
    while i < parts.len() {
        let joins = |a: &Rect, b: &Rect| touch(a, b) || a.union(b).area() < 1.15 * (a.area() + b.area());
        match (i + 1..parts.len()).find(|j| joins(&parts[i], &parts[*j])) {
            Some(j) => {
                let other = parts.swap_remove(j);
                parts[i] = parts[i].union(&other);
                // It may now reach those that were passed over.
                i = 0;
            }
            None => i += 1,
        }
    }
}

enum Region {
    Whole,
    /// Where to look, and what moved there.
    Of {
        parts: Vec<Rect>,
        patches: Vec<Rect>,
    },
    None,
}

/// Figures are taller than the cells that moved in them.
fn with_room(rect: &Rect) -> Rect {
    const LEAST: f32 = 16.0;
    let (x, y) = ((rect.width * 0.2).max(LEAST), (rect.height * 0.2).max(LEAST));
    Rect::new(rect.x - x, rect.y - y, rect.width + 2.0 * x, rect.height + 2.0 * y)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect() -> impl Strategy<Value = Rect> {
        (0f32..500.0, 0f32..400.0, 1f32..200.0, 1f32..200.0).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
    }

    proptest! {
        #[test]
        fn merged_parts_cover_what_they_were_made_of_and_never_overlap(rects in prop::collection::vec(rect(), 0..30)) {
            let mut parts = rects.clone();
            merge(&mut parts);
            for rect in &rects {
                prop_assert!(parts.iter().any(|p| rect.share_inside(p) > 0.999), "{rect:?} is in none of {parts:?}");
            }
            for (i, a) in parts.iter().enumerate() {
                prop_assert!(parts[i + 1..].iter().all(|b| !touch(a, b)), "{parts:?}");
            }
        }
    }
}
