//! Finds figures, vehicles and carried things in a frame.

mod decode;
mod nms;

use std::time::{Duration, Instant};

use types::{Class, Detection, Frame, Rect, Size};

use crate::{
    error::VisionError,
    letterbox::{Layout, Letterbox, Region, Rgb, Scale},
    manifest::{Decode, Role},
    session::{Device, Model, Runner, Shared},
    store::ModelStore,
};

use decode::{Candidate, Family, Least};

/// How large the model's input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputSize {
    /// As many pixels as the model's default, shaped like the frame.
    #[default]
    Fitted,
    /// Multiples of 32.
    Fixed {
        /// Rows, in pixels.
        height: u32,
        /// Columns, in pixels.
        width: u32,
    },
}

/// What counts as found.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorOptions {
    /// Detections below this score are not returned. Lower than what should start a track: a tracker uses weak ones to
    /// keep the tracks it has.
    pub threshold: f32,
    /// The size at which a frame is shown to the model.
    pub input: InputSize,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { threshold: 0.2, input: InputSize::Fitted }
    }
}

/// A box that ends so few pixels from where the detector stopped looking may go on beyond.
const CUT: f32 = 3.0;

/// Side of the square that [`Detector::things`] looks at, and the least score it tells.
const THINGS_SIDE: usize = 256;
const THINGS_SCORE: f32 = 0.1;

/// What the last frame took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DetectorTimes {
    /// Scaling, colour conversion, normalisation.
    pub prepare: Duration,
    /// The model itself.
    pub model: Duration,
    /// Reading boxes and suppressing doubles.
    pub decode: Duration,
}

/// A detector model with its buffers.
pub struct Detector {
    model: Runner,
    family: Family,
    budget: (u32, u32),
    options: DetectorOptions,
    boxed: Letterbox,
    candidates: Vec<Candidate>,
    times: DetectorTimes,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detector({:?}, {:?})", self.model, self.options)
    }
}

impl Detector {
    /// The named model, or the manifest's default, on the CPU.
    ///
    /// # Errors
    /// [`VisionError`] where the model is not in the manifest, missing, not what the manifest says, or can't be made
    /// a session; [`VisionError::InputSize`] for a size that the options may not name.
    pub fn load(store: &ModelStore, name: Option<&str>, options: DetectorOptions) -> Result<Self, VisionError> {
        Self::load_on(store, name, options, Device::Cpu)
    }

    /// The named model, or the manifest's default, on `device`, else on the CPU.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_on(
        store: &ModelStore,
        name: Option<&str>,
        options: DetectorOptions,
        device: Device,
    ) -> Result<Self, VisionError> {
        Self::load_as(store, name, options, device, |model| Ok(Runner::Own(model)))
    }

    /// So many detectors, each for a thread of its own, that share one session: what they are asked at the same time goes
    /// through the model together.
    ///
    /// # Errors
    /// As [`Self::load`], and [`VisionError::Thread`].
    pub fn load_shared(
        store: &ModelStore,
        name: Option<&str>,
        options: &DetectorOptions,
        device: Device,
        count: usize,
    ) -> Result<Vec<Self>, VisionError> {
        let mut shared = None;
        let share = |model| Ok(Runner::Shared(shared.insert(Shared::new(model)?).clone()));
        let first = Self::load_as(store, name, options.clone(), device, share)?;
        let (family, budget) = (first.family, first.budget);
        let mut all = vec![first];
        while let Some(shared) = shared.as_ref().filter(|_| all.len() < count) {
            all.push(Self::new(Runner::Shared(shared.clone()), family, budget, options.clone()));
        }
        Ok(all)
    }

    fn load_as(
        store: &ModelStore,
        name: Option<&str>,
        options: DetectorOptions,
        device: Device,
        run: impl FnOnce(Model) -> Result<Runner, VisionError>,
    ) -> Result<Self, VisionError> {
        if let InputSize::Fixed { height, width } = options.input
            && [height, width].iter().any(|side| side % 32 != 0 || !(32..=2048).contains(side))
        {
            return Err(VisionError::InputSize { width, height });
        }
        let entry = store.choose(name, Role::Detector)?;
        let family = match entry.decode {
            Decode::Ssd => Family::Ssd,
            Decode::Yolox => Family::Yolox,
            _ => Family::Nanodet,
        };
        let budget = (entry.input.height.unwrap_or(288).clamp(32, 2048), entry.input.width.unwrap_or(512).clamp(32, 2048));
        Ok(Self::new(run(Model::load(store, entry, device)?)?, family, budget, options))
    }

    fn new(model: Runner, family: Family, budget: (u32, u32), options: DetectorOptions) -> Self {
        Self {
            model,
            family,
            budget,
            options,
            boxed: Letterbox::default(),
            candidates: Vec::new(),
            times: DetectorTimes::default(),
        }
    }

    /// Of the model's file.
    pub fn digest(&self) -> types::ModelDigest {
        self.model.digest()
    }

    /// Everything of the vocabulary in the frame, best first within a class, clipped to the frame.
    ///
    /// # Errors
    /// [`VisionError::Run`] where the model fails; [`VisionError::Output`] where its answer does not fit.
    pub fn detect(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        let layout = self.layout(frame.size());
        let began = Instant::now();
        let scale = self.boxed.frame(frame, Region::whole(frame.size()), &layout);
        self.times.prepare = began.elapsed();
        self.look(frame.size(), &layout, scale, self.least())
    }

    /// Everything in a part of the frame, as large as [`Self::detect`] would show it, in pixels of the frame. What is cut by
    /// a border of the part that is no border of the frame is left out: it was not seen whole. Costs as much less as the part
    /// is smaller.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_in(&mut self, frame: &Frame, part: &Rect) -> Result<Vec<Detection>, VisionError> {
        let whole = self.layout(frame.size());
        let Some((region, layout)) = part_of(frame.size(), part, &whole, self.family, 1.0) else { return Ok(Vec::new()) };
        if layout.width * layout.height >= whole.width * whole.height {
            return self.detect(frame);
        }
        self.look_in(frame, region, &layout)
    }

    /// The same, shown larger by so many times, and what that cost as a share of looking at the whole frame. Nothing, for nothing,
    /// of a part that costs more than a whole frame.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_closer(&mut self, frame: &Frame, part: &Rect, zoom: f32) -> Result<(Vec<Detection>, f32), VisionError> {
        let whole = self.layout(frame.size());
        let pixels = |layout: &Layout| (layout.width * layout.height) as f32;
        match part_of(frame.size(), part, &whole, self.family, zoom) {
            Some((region, layout)) if pixels(&layout) <= pixels(&whole) => {
                Ok((self.look_in(frame, region, &layout)?, pixels(&layout) / pixels(&whole)))
            }
            _ => Ok((Vec::new(), 0.0)),
        }
    }

    /// How large a pixel of a frame of this size is shown when the frame is looked at whole.
    pub fn scale(&self, size: Size) -> f32 {
        shown_at(size, &self.layout(size))
    }

    fn look_in(&mut self, frame: &Frame, region: Region, layout: &Layout) -> Result<Vec<Detection>, VisionError> {
        let began = Instant::now();
        let scale = self.boxed.frame(frame, region, layout);
        self.times.prepare = began.elapsed();
        let mut found = self.look(region.size, layout, scale, self.least())?;
        let (x, y) = (region.x as f32, region.y as f32);
        let (right, bottom) = ((region.x + region.size.width) as f32, (region.y + region.size.height) as f32);
        let (width, height) = (frame.size().width as f32, frame.size().height as f32);
        found.retain_mut(|d| {
            d.bbox = d.bbox.moved(x, y);
            let inside = |at: f32, border: f32, frames: bool| frames || (at - border).abs() > CUT;
            inside(d.bbox.x, x, region.x == 0)
                && inside(d.bbox.y, y, region.y == 0)
                && inside(d.bbox.right(), right, right >= width)
                && inside(d.bbox.bottom(), bottom, bottom >= height)
        });
        Ok(found)
    }

    /// The same for a still picture in memory.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_rgb(&mut self, picture: Rgb<'_>) -> Result<Vec<Detection>, VisionError> {
        let layout = self.layout(picture.size);
        let began = Instant::now();
        let scale = self.boxed.rgb(picture, &layout);
        self.times.prepare = began.elapsed();
        self.look(picture.size, &layout, scale, self.least())
    }

    /// Things to carry in a picture of what is around one figure, enlarged, and without regard to the figure: whoever wears a
    /// backpack is more of a person than of a backpack, and hides it from [`Self::detect`].
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn things(&mut self, picture: Rgb<'_>) -> Result<Vec<Detection>, VisionError> {
        const THINGS: [Class; 4] = [Class::Backpack, Class::Umbrella, Class::Handbag, Class::Suitcase];
        let layout = self.family.layout(THINGS_SIDE, THINGS_SIDE);
        let scale = self.boxed.rgb(picture, &layout);
        self.look(picture.size, &layout, scale, Least { score: THINGS_SCORE, of: &THINGS })
    }

    fn least(&self) -> Least {
        Least::of_all(self.options.threshold)
    }

    /// Of the last frame.
    pub fn times(&self) -> DetectorTimes {
        self.times
    }

    /// Where it runs, which need not be where it was wished for.
    pub fn device(&self) -> Device {
        self.model.device()
    }

    /// The model's name in the manifest.
    pub fn model_name(&self) -> &str {
        self.model.name()
    }

    fn layout(&self, size: Size) -> Layout {
        let (height, width) = match self.options.input {
            InputSize::Fixed { height, width } => (height, width),
            InputSize::Fitted => fitted(size, self.budget),
        };
        self.family.layout(height as usize, width as usize)
    }

    fn look(&mut self, size: Size, layout: &Layout, scale: Scale, least: Least) -> Result<Vec<Detection>, VisionError> {
        let began = Instant::now();
        let answers = self.model.run(&self.boxed.tensor, layout.height, layout.width)?;
        self.times.model = began.elapsed();
        let began = Instant::now();
        self.candidates.clear();
        self.family.decode(&answers, layout, least, &mut self.candidates)?;
        drop(answers);
        let kept = nms::suppress(&mut self.candidates);
        let back = |c: &Candidate| {
            let [left, top, right, bottom] = c.corners;
            let bbox = Rect::from_corners(left / scale.x, top / scale.y, right / scale.x, bottom / scale.y).clip(size);
            (!bbox.is_empty()).then_some(Detection { class: c.class, score: c.score, bbox })
        };
        let found = self.candidates[..kept].iter().filter_map(back).collect();
        self.times.decode = began.elapsed();
        Ok(found)
    }
}

fn shown_at(size: Size, whole: &Layout) -> f32 {
    (whole.width as f32 / size.width as f32).min(whole.height as f32 / size.height as f32)
}

/// The even pixels of a part, and an input that shows them at the scale of the whole frame, or larger by so many times.
fn part_of(size: Size, part: &Rect, whole: &Layout, family: Family, zoom: f32) -> Option<(Region, Layout)> {
    let (columns, rows) = part.pixels(size)?;
    let even = |v: usize| (v as u32) & !1;
    let (x, y) = (even(columns.start), even(rows.start));
    let region = Region { x, y, size: Size { width: columns.end as u32 - x, height: rows.end as u32 - y } };
    let scale = shown_at(size, whole) * zoom;
    let side = |pixels: u32| ((pixels as f32 * scale / 32.0).ceil().max(3.0) * 32.0) as usize;
    Some((region, family.layout(side(region.size.height), side(region.size.width))))
}

/// The multiples of 32 in which a picture of this shape is shown largest with at most 5 % more pixels than the budget.
fn fitted(size: Size, (height, width): (u32, u32)) -> (u32, u32) {
    let most = u64::from(height) * u64::from(width) * 105 / 100;
    let scale = |h: u32, w: u32| (f64::from(h) / f64::from(size.height)).min(f64::from(w) / f64::from(size.width));
    let mut best = (height, width);
    for h in (32..=2048).step_by(32) {
        // The widest that fits the budget, or what the picture needs at this height if that is less.
        let needs = (f64::from(size.width) * f64::from(h) / f64::from(size.height) / 32.0).ceil().min(64.0) as u32 * 32;
        let w = needs.min((most / u64::from(h) / 32 * 32).min(2048) as u32);
        let better = |a: f64, b: f64| a > b * 1.000_001 || (a > b * 0.999_999 && h * w < best.0 * best.1);
        if w >= 32 && better(scale(h, w), scale(best.0, best.1)) {
            best = (h, w);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_input_takes_the_shape_of_the_frame() {
        let at = |width, height| fitted(Size { width, height }, (288, 512));
        assert_eq!(at(1920, 1080), (288, 512));
        assert_eq!(at(1088, 1920), (512, 288));
        assert_eq!(at(768, 576), (320, 448));
        assert_eq!(at(384, 288), (320, 448));
    }

    #[test]
    fn a_part_is_cut_at_even_pixels_inside_its_frame_and_shown_at_the_scale_of_the_whole() {
        let size = Size { width: 767, height: 575 };
        let whole = Family::Nanodet.layout(320, 448);
        let layout = |h, w| Family::Nanodet.layout(h, w);
        for (part, region, input) in [
            (Rect::new(101.0, 51.0, 99.0, 149.0), (100, 50, 100, 150), layout(96, 96)),
            (Rect::new(-50.0, -50.0, 250.0, 350.0), (0, 0, 200, 300), layout(192, 128)),
            (Rect::new(700.0, 500.0, 500.0, 500.0), (700, 500, 67, 75), layout(96, 96)),
        ] {
            let (x, y, width, height) = region;
            let wanted = Region { x, y, size: Size { width, height } };
            assert_eq!(part_of(size, &part, &whole, Family::Nanodet, 1.0), Some((wanted, input)), "{part:?}");
        }
        assert_eq!(part_of(size, &Rect::new(800.0, 0.0, 50.0, 50.0), &whole, Family::Nanodet, 1.0), None);
    }

    proptest! {
        #[test]
        fn the_input_stays_within_its_budget_whatever_the_frame(width in 1u32..16_384, height in 1u32..16_384) {
            let (h, w) = fitted(Size { width, height }, (288, 512));
            prop_assert!(h % 32 == 0 && w % 32 == 0 && h >= 32 && w >= 32 && h <= 2048 && w <= 2048);
            prop_assert!(h * w <= 288 * 512 * 105 / 100);
        }
    }
}
