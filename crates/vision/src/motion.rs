//! Where something moves, from a small plane of mean luma: an adaptive background a cell, after the adaptive background
//! subtraction of Stauffer and Grimson (1999) with one mode a cell instead of several.
//!
//! A change of light over the whole picture is taken out before cells are compared (the median ratio to the background). A
//! cell that flickers for long, leaves, a shaken camera, noise at night, grows less sensitive, and a lasting change becomes
//! background: neither keeps the gate open for ever. Somebody who stands still becomes background too: whoever uses this looks
//! at the whole picture now and then.

use types::{Frame, Rect, Size};

/// Cells across the picture, at most; a cell is at least [`SMALLEST`] pixels wide.
const ACROSS: u32 = 96;
const SMALLEST: u32 = 4;
/// Pictures until the background is worth something.
const WARM_UP: u32 = 3;
/// In units of 8-bit luma: no difference below this is motion, whatever the noise; and a cell never grows less sensitive
/// than for this noise.
const LEAST: f32 = 4.0;
const LOUDEST: f32 = 12.0;
/// How many times its usual noise a cell has to differ by.
const NOISES: f32 = 3.5;
/// How fast a cell's background follows, a picture: where nothing moves, where something does, and where everything does. At
/// five pictures a second a change that lasts is background after a second or two: who stands still was looked at by then.
const FOLLOW: f32 = 0.1;
const FOLLOW_MOVING: f32 = 0.15;
const FOLLOW_ALL: f32 = 0.3;
/// More of the picture than this does not move by itself; the camera did, or the light in a way that no ratio explains.
const EVERYTHING: f32 = 0.45;

/// What moved in a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Motion {
    /// Too early to tell, or most of the picture changed at once.
    Unknown,
    /// Boxes around what changed, in pixels of the picture; none: nothing moved.
    Patches(Vec<Rect>),
}

/// The background of one camera.
#[derive(Debug, Default)]
pub struct MotionGate {
    size: Option<Size>,
    cell: u32,
    columns: usize,
    rows: usize,
    seen: u32,
    background: Vec<f32>,
    noise: Vec<f32>,
    now: Vec<f32>,
    ratios: Vec<f32>,
    moving: Vec<bool>,
}

impl MotionGate {
    /// Compares the next picture with the background, which it then becomes part of. A picture of another size starts anew.
    pub fn look(&mut self, frame: &Frame) -> Motion {
        if self.size != Some(frame.size()) {
            self.start(frame.size());
        }
        self.shrink(frame);
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            self.background.clone_from(&self.now);
            return Motion::Unknown;
        }
        let light = self.light();
        let mut count = 0usize;
        for (((moving, now), background), noise) in self.moving.iter_mut().zip(&self.now).zip(&self.background).zip(&self.noise) {
            *moving = (now - background * light).abs() > LEAST.max(NOISES * noise);
            count += usize::from(*moving);
        }
        let everything = count as f32 > EVERYTHING * self.now.len() as f32;
        self.learn(light, everything);
        if everything || self.seen <= WARM_UP { Motion::Unknown } else { Motion::Patches(self.patches()) }
    }

    fn start(&mut self, size: Size) {
        self.cell = size.width.max(size.height).div_ceil(ACROSS).max(SMALLEST);
        self.columns = size.width.div_ceil(self.cell) as usize;
        self.rows = size.height.div_ceil(self.cell) as usize;
        let cells = self.columns * self.rows;
        (self.size, self.seen) = (Some(size), 0);
        self.background = vec![0.0; cells];
        self.noise = vec![1.0; cells];
        self.now = vec![0.0; cells];
        self.moving = vec![false; cells];
    }

    /// Mean luma of every cell, from every other pixel of every other row.
    fn shrink(&mut self, frame: &Frame) {
        let cell = self.cell as usize;
        for (row, out) in self.now.chunks_exact_mut(self.columns).enumerate() {
            out.fill(0.0);
            let lines = (row * cell..((row + 1) * cell).min(frame.size().height as usize)).step_by(2);
            let mut count = 0u32;
            for y in lines {
                count += 1;
                for (mean, pixels) in out.iter_mut().zip(frame.row(0, y).chunks(cell)) {
                    let sum: u32 = pixels.iter().step_by(2).map(|p| u32::from(*p)).sum();
                    *mean += sum as f32 / pixels.len().div_ceil(2) as f32;
                }
            }
            out.iter_mut().for_each(|mean| *mean /= count as f32);
        }
    }

    /// How much brighter the whole picture is than the background: the median over the cells.
    fn light(&mut self) -> f32 {
        self.ratios.clear();
        self.ratios.extend(self.now.iter().zip(&self.background).map(|(now, before)| (now + 1.0) / (before + 1.0)));
        let middle = self.ratios.len() / 2;
        *self.ratios.select_nth_unstable_by(middle, f32::total_cmp).1
    }

    fn learn(&mut self, light: f32, everything: bool) {
        for (((moving, now), background), noise) in
            self.moving.iter().zip(&self.now).zip(&mut self.background).zip(&mut self.noise)
        {
            let follow = match (everything, moving) {
                (true, _) => FOLLOW_ALL,
                (false, true) => FOLLOW_MOVING,
                (false, false) => FOLLOW,
            };
            let lit = *background * light;
            let off = now - lit;
            *background = lit + off * follow;
            // Slowly, so that somebody who passes does not make a cell deaf.
            *noise = (*noise + (off.abs() - *noise) * 0.01).min(LOUDEST);
        }
    }

    /// The boxes around cells that move together, neighbours also across corners. Single cells are noise.
    fn patches(&mut self) -> Vec<Rect> {
        let mut patches = Vec::new();
        let mut open = Vec::new();
        for start in 0..self.moving.len() {
            if !std::mem::take(&mut self.moving[start]) {
                continue;
            }
            open.push(start);
            let (mut left, mut top, mut right, mut bottom, mut count) = (usize::MAX, usize::MAX, 0, 0, 0);
            while let Some(cell) = open.pop() {
                let (x, y) = (cell % self.columns, cell / self.columns);
                (left, top, right, bottom, count) = (left.min(x), top.min(y), right.max(x), bottom.max(y), count + 1);
                for v in y.saturating_sub(1)..=(y + 1).min(self.rows - 1) {
                    for u in x.saturating_sub(1)..=(x + 1).min(self.columns - 1) {
                        let next = v * self.columns + u;
                        if std::mem::take(&mut self.moving[next]) {
                            open.push(next);
                        }
                    }
                }
            }
            if count > 1 {
                let edge = |cells: usize| (cells as u32 * self.cell) as f32;
                patches.push(Rect::from_corners(edge(left), edge(top), edge(right + 1), edge(bottom + 1)));
            }
        }
        patches
    }
}

#[cfg(test)]
mod tests {
    use types::{CaptureTime, ClockUncertainty, ColourMatrix, MediaTime, PixelFormat, TimeSource, TimeStamp};

    use super::*;

    fn frame(size: Size, luma: impl Fn(u32, u32) -> u8) -> Frame {
        let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))).map(|(x, y)| luma(x, y)).collect();
        let taken = TimeStamp {
            time: CaptureTime::from_micros(0).unwrap(),
            uncertainty: ClockUncertainty::default(),
            source: TimeSource::Given,
        };
        Frame::packed(
            pixels,
            size,
            PixelFormat::Gray8,
            ColourMatrix { bt709: false, full_range: true },
            MediaTime::default(),
            taken,
            0,
        )
        .unwrap()
    }

    const SIZE: Size = Size { width: 320, height: 240 };

    /// A picture with structure: a grid of dark and light.
    fn street(x: u32, y: u32) -> u8 {
        if (x / 20 + y / 20).is_multiple_of(2) { 60 } else { 140 }
    }

    /// Noise of +-3, other in every picture.
    fn noise(x: u32, y: u32, picture: u32) -> i32 {
        let mixed = (x ^ y.rotate_left(9) ^ picture.rotate_left(19)).wrapping_mul(0x9e37_79b9);
        (mixed >> 16) as i32 % 7 - 3
    }

    fn with(base: u8, add: i32) -> u8 {
        (i32::from(base) + add).clamp(0, 255) as u8
    }

    fn warmed(gate: &mut MotionGate) {
        for picture in 0..20 {
            gate.look(&frame(SIZE, |x, y| with(street(x, y), noise(x, y, picture))));
        }
    }

    fn covered(motion: &Motion, x: f32, y: f32) -> bool {
        matches!(motion, Motion::Patches(patches) if patches.iter().any(|c| c.x <= x && x < c.right() && c.y <= y && y < c.bottom()))
    }

    #[test]
    fn an_empty_street_is_still_and_a_figure_in_it_moves() {
        let mut gate = MotionGate::default();
        warmed(&mut gate);
        let empty = gate.look(&frame(SIZE, |x, y| with(street(x, y), noise(x, y, 99))));
        assert_eq!(empty, Motion::Patches(vec![]));
        let figure = |x: u32, y: u32| (100..110).contains(&x) && (80..104).contains(&y);
        let moved = gate.look(&frame(SIZE, |x, y| if figure(x, y) { 200 } else { with(street(x, y), noise(x, y, 100)) }));
        assert!(covered(&moved, 105.0, 90.0) && !covered(&moved, 250.0, 200.0), "{moved:?}");
    }

    #[test]
    fn a_cloud_over_the_whole_picture_is_no_motion() {
        let mut gate = MotionGate::default();
        warmed(&mut gate);
        for picture in 0..10 {
            let darker = 1.0 - 0.03 * picture as f32;
            let motion = gate.look(&frame(SIZE, |x, y| with((f32::from(street(x, y)) * darker) as u8, noise(x, y, picture))));
            assert_eq!(motion, Motion::Patches(vec![]), "picture {picture}");
        }
    }

    #[test]
    fn a_moved_camera_is_unknown_for_a_moment_and_then_still() {
        let mut gate = MotionGate::default();
        warmed(&mut gate);
        // Dark becomes light everywhere: no single ratio explains it.
        let moved = |picture| frame(SIZE, move |x, y| with(street(x + 20, y), noise(x, y, picture)));
        assert_eq!(gate.look(&moved(1)), Motion::Unknown);
        let after: Vec<_> = (2..60).map(|picture| gate.look(&moved(picture))).collect();
        assert_eq!(after.last(), Some(&Motion::Patches(vec![])));
    }

    #[test]
    fn a_shaking_camera_does_not_keep_the_gate_open_for_ever() {
        let mut gate = MotionGate::default();
        let shaken = |picture: u32| frame(SIZE, move |x, y| with(street(x + picture % 3, y), noise(x, y, picture)));
        let open = (0..1500).filter(|p| !matches!(gate.look(&shaken(*p)), Motion::Patches(c) if c.is_empty())).count();
        let late = (1500..1600).filter(|p| !matches!(gate.look(&shaken(*p)), Motion::Patches(c) if c.is_empty())).count();
        assert!(late <= 10, "{late} of the last 100, {open} before");
    }

    #[test]
    fn what_stays_becomes_background() {
        let mut gate = MotionGate::default();
        warmed(&mut gate);
        let parked = |x: u32, y: u32| (100..140).contains(&x) && (80..104).contains(&y);
        let with_car =
            |picture: u32| frame(SIZE, move |x, y| if parked(x, y) { 220 } else { with(street(x, y), noise(x, y, picture)) });
        assert!(covered(&gate.look(&with_car(0)), 120.0, 90.0));
        let last = (1..600).map(|p| gate.look(&with_car(p))).last().unwrap();
        assert_eq!(last, Motion::Patches(vec![]));
    }

    #[test]
    fn pictures_of_any_size_and_a_change_of_size_are_taken() {
        let mut gate = MotionGate::default();
        for (width, height) in [(1, 1), (3, 200), (4097, 2), (33, 31), (1, 1)] {
            for _ in 0..5 {
                gate.look(&frame(Size { width, height }, |x, y| (x * 7 + y) as u8));
            }
        }
    }
}
