//! Which pictures of a track are worth keeping.

use types::{Detection, Frame, MediaTime, RawCrop, Rect, Size, TimeStamp};

/// A raw crop of one track with what redaction needs to know. Stays in memory, in the scene, until the track ends.
pub(crate) struct Candidate {
    pub(crate) raw: RawCrop,
    pub(crate) detection: Detection,
    /// Boxes of every person that overlaps the crop, in frame pixels.
    pub(crate) people: Vec<Rect>,
    pub(crate) at: MediaTime,
    pub(crate) taken: TimeStamp,
    pub(crate) quality: f32,
    /// A person, with what is around them, for things they carry.
    pub(crate) around: Option<Around>,
}

/// A figure and what is around it, raw and no larger than things need to be told.
pub(crate) struct Around {
    pub(crate) picture: RawCrop,
    /// The figure's box, in pixels of the picture.
    pub(crate) bbox: Rect,
}

impl Around {
    /// The longer side of a picture is at most this.
    const MOST: u32 = 384;

    pub(crate) fn of(frame: &Frame, bbox: &Rect) -> Option<Self> {
        let side = 1.05 * (1.5 * bbox.width).max(1.25 * bbox.height);
        let (x, y) = bbox.centre();
        let raw = frame.crop(&Rect::new(x - side / 2.0, y - side / 2.0, side, side))?;
        let (left, top) = raw.origin();
        let each = raw.size().width.max(raw.size().height).div_ceil(Self::MOST).max(1);
        let scale = 1.0 / each as f32;
        let bbox = bbox.moved(-(left as f32), -(top as f32));
        let bbox = Rect::new(bbox.x * scale, bbox.y * scale, bbox.width * scale, bbox.height * scale);
        Some(Self { picture: smaller(raw, each)?, bbox })
    }
}

/// Each square of so many pixels as one.
fn smaller(raw: RawCrop, each: u32) -> Option<RawCrop> {
    if each == 1 {
        return Some(raw);
    }
    let size = Size { width: raw.size().width / each, height: raw.size().height / each };
    let (each, stride) = (each as usize, raw.size().width as usize * 3);
    let mut rgb = Vec::with_capacity(size.width as usize * size.height as usize * 3);
    for y in 0..size.height as usize {
        for x in 0..size.width as usize {
            for c in 0..3 {
                let row = |dy: usize| (y * each + dy) * stride + x * each * 3 + c;
                let sum: usize = (0..each)
                    .flat_map(|dy| (0..each).map(move |dx| (dy, dx)))
                    .map(|(dy, dx)| usize::from(raw.rgb()[row(dy) + dx * 3]))
                    .sum();
                rgb.push((sum / (each * each)) as u8);
            }
        }
    }
    RawCrop::new(rgb, size, raw.origin())
}

/// How good a picture of its subject a box promises to be, before its pixels are read: sure, large, whole, and neither covered by
/// somebody else's box nor with somebody behind who shows beside it. 0 for a box with no area.
pub(crate) fn promise(detection: &Detection, others: &[Rect], frame: &Frame) -> f32 {
    let bbox = detection.bbox;
    let size = frame.size();
    let edge = 2.0;
    let cut =
        [bbox.x <= edge, bbox.y <= edge, bbox.right() >= size.width as f32 - edge, bbox.bottom() >= size.height as f32 - edge];
    let whole = 0.6f32.powi(cut.into_iter().filter(|c| *c).count() as i32);
    // Boxes whose foot is lower stand in front and hide this one; the others only mix their colours with it.
    let (front, behind): (Vec<&Rect>, Vec<&Rect>) = others.iter().partition(|o| o.bottom() > bbox.bottom());
    let share = |some: &[&Rect]| some.iter().map(|o| bbox.share_inside(o)).sum::<f32>();
    let clear = (1.0 - share(&front).min(0.9)).powi(2) * (1.0 - 0.6 * share(&behind).min(1.0));
    detection.score * bbox.area().sqrt().min(300.0) * whole * clear
}

/// Mean absolute difference of neighbouring green samples of a part of a crop, squashed to 0.5..1: a blurred one scores low.
pub(crate) fn sharpness(raw: &RawCrop, part: &Rect) -> f32 {
    let width = raw.size().width as usize;
    let (columns, rows) = part.pixels(raw.size()).unwrap_or_default();
    let (mut sum, mut count) = (0u64, 0u64);
    for row in raw.rgb().chunks_exact(width * 3).take(rows.end).skip(rows.start).step_by(2) {
        let green = row[columns.start * 3..columns.end * 3].iter().skip(1).step_by(3);
        for (left, right) in green.clone().zip(green.skip(1)) {
            sum += u64::from(left.abs_diff(*right));
            count += 1;
        }
    }
    let mean = if count == 0 { 0.0 } else { sum as f32 / count as f32 };
    0.5 + 0.5 * (mean / 8.0).min(1.0)
}

/// The best pictures of one track, best first, spread in time so that they show different moments.
#[derive(Default)]
pub(crate) struct Candidates(Vec<Candidate>);

impl Candidates {
    /// Whether a picture of this promise taken now would be kept; asked before the pixels are cut.
    pub(crate) fn wants(&self, promise: f32, at: MediaTime, options: &Keep) -> bool {
        match self.0.iter().find(|c| near(c.at, at, options)) {
            Some(same_moment) => promise > same_moment.quality,
            None => self.0.len() < options.crops || self.0.last().is_none_or(|worst| promise > worst.quality),
        }
    }

    pub(crate) fn offer(&mut self, candidate: Candidate, options: &Keep) {
        match self.0.iter_mut().find(|c| near(c.at, candidate.at, options)) {
            Some(same_moment) if candidate.quality > same_moment.quality => *same_moment = candidate,
            Some(_) => return,
            None => self.0.push(candidate),
        }
        self.0.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        self.0.truncate(options.crops);
    }

    pub(crate) fn best_first(&self) -> &[Candidate] {
        &self.0
    }
}

/// How many pictures a track keeps, and how far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) crops: usize,
    pub(crate) apart_micros: i64,
}

fn near(a: MediaTime, b: MediaTime, options: &Keep) -> bool {
    a.as_micros().abs_diff(b.as_micros()) < options.apart_micros.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use types::{Class, ClockUncertainty, ColourMatrix, PixelFormat, TimeSource};

    use super::*;

    fn candidate(seconds: u64, quality: f32) -> Candidate {
        Candidate {
            raw: RawCrop::new(vec![0; 3], Size { width: 1, height: 1 }, (0, 0)).unwrap(),
            detection: Detection { class: Class::Person, score: 1.0, bbox: Rect::new(0.0, 0.0, 1.0, 1.0) },
            people: vec![],
            at: MediaTime::from_duration(Duration::from_secs(seconds)),
            taken: TimeStamp {
                time: types::CaptureTime::from_micros(0).unwrap(),
                uncertainty: ClockUncertainty::default(),
                source: TimeSource::Given,
            },
            quality,
            around: None,
        }
    }

    #[test]
    fn the_best_pictures_of_different_moments_are_kept() {
        let keep = Keep { crops: 2, apart_micros: 1_500_000 };
        let mut kept = Candidates::default();
        for (seconds, quality) in [(0, 1.0), (1, 3.0), (5, 2.0), (9, 0.5), (6, 1.9)] {
            kept.offer(candidate(seconds, quality), &keep);
        }
        let got: Vec<_> = kept.best_first().iter().map(|c| (c.at.as_duration().as_secs(), c.quality)).collect();
        assert_eq!(got, [(1, 3.0), (5, 2.0)]);
    }

    #[test]
    fn a_flat_crop_is_less_sharp_than_a_striped_one() {
        let crop =
            |f: fn(usize) -> u8| RawCrop::new((0..64 * 64 * 3).map(f).collect(), Size { width: 64, height: 64 }, (0, 0)).unwrap();
        let whole = Rect::new(0.0, 0.0, 64.0, 64.0);
        let striped = crop(|i| if i / 3 % 4 < 2 { 0 } else { 255 });
        assert!(sharpness(&crop(|_| 90), &whole) < sharpness(&striped, &whole));
        assert_eq!(sharpness(&striped, &Rect::new(70.0, 0.0, 9.0, 9.0)), 0.5, "outside the crop");
    }

    fn frame(width: u32, height: u32) -> Frame {
        let size = Size { width, height };
        let taken = candidate(0, 0.0).taken;
        let matrix = ColourMatrix { bt709: false, full_range: true };
        let bytes = vec![90; (width * height) as usize];
        Frame::packed(bytes, size, PixelFormat::Gray8, matrix, MediaTime::from_duration(Duration::ZERO), taken, 0).unwrap()
    }

    #[test]
    fn whole_large_sure_and_uncovered_boxes_promise_more() {
        let frame = frame(640, 480);
        let seen = |score, bbox| Detection { class: Class::Person, score, bbox };
        let bbox = Rect::new(200.0, 100.0, 60.0, 160.0);
        let good = promise(&seen(0.8, bbox), &[], &frame);
        let behind = Rect::new(230.0, 80.0, 60.0, 160.0);
        let in_front = Rect::new(230.0, 120.0, 60.0, 160.0);
        let with = |other| promise(&seen(0.8, bbox), &[other], &frame);
        assert!(with(in_front) < 0.75 * with(behind), "{} and {}", with(in_front), with(behind));
        for (worse, why) in [
            (promise(&seen(0.5, bbox), &[], &frame), "doubtful"),
            (promise(&seen(0.8, Rect::new(200.0, 100.0, 30.0, 80.0)), &[], &frame), "small"),
            (promise(&seen(0.8, Rect::new(0.0, 100.0, 60.0, 160.0)), &[], &frame), "cut at the left"),
            (promise(&seen(0.8, Rect::new(200.0, 320.0, 60.0, 160.0)), &[], &frame), "cut at the bottom"),
            (with(in_front), "covered"),
            (with(behind), "with somebody behind"),
        ] {
            assert!(worse < 0.85 * good, "{why}: {worse} of {good}");
        }
    }

    #[test]
    fn what_is_around_a_large_figure_is_kept_small_with_its_box() {
        let around = Around::of(&frame(1600, 1200), &Rect::new(700.0, 200.0, 300.0, 800.0)).unwrap();
        let size = around.picture.size();
        assert!(size.width.max(size.height) <= Around::MOST && size.width > 300, "{size:?}");
        assert!((around.bbox.height / 200.0 - 1.333).abs() < 0.01, "{:?}", around.bbox);
        let small = Around::of(&frame(640, 480), &Rect::new(300.0, 200.0, 30.0, 80.0)).unwrap();
        assert_eq!(small.bbox.height, 80.0);
        assert!(Around::of(&frame(64, 48), &Rect::new(300.0, 200.0, 30.0, 80.0)).is_none());
    }

    proptest! {
        #[test]
        fn any_box_in_any_frame_is_cut_inside_it_or_not_at_all(
            x in any::<f32>(), y in any::<f32>(), w in 0f32..1e9, h in 0f32..1e9,
            width in 1u32..70, height in 1u32..70, near in any::<bool>(),
        ) {
            let fold = |v: f32| if near && v.is_finite() { v % 100.0 } else { v };
            let frame = frame(width, height);
            let bbox = Rect::new(fold(x), fold(y), fold(w), fold(h));
            if let Some(raw) = frame.crop(&redact::view_region(&bbox)) {
                let ((left, top), size) = (raw.origin(), raw.size());
                prop_assert!(left + size.width <= width && top + size.height <= height);
                prop_assert!((0.5..=1.0).contains(&sharpness(&raw, &bbox)));
            }
            let detection = Detection { class: Class::Person, score: 0.5, bbox };
            let promise = promise(&detection, &[bbox], &frame);
            prop_assert!(promise >= 0.0 || !bbox.area().is_finite());
        }
    }
}
