use std::path::{Path, PathBuf};

use types::{
    CaptureTime, ClockUncertainty, ColourMatrix, Frame, MediaTime, PixelFormat, RawCrop, Rect, Size, TimeSource, TimeStamp,
};
use vision::{ModelStore, Vision, VisionOptions};

pub(crate) fn store() -> ModelStore {
    ModelStore::from_env().unwrap()
}

pub(crate) fn vision() -> Vision {
    Vision::load(&store(), &VisionOptions::default()).expect("models are fetched by scripts/test before this runs")
}

/// The shared footage, or `None` with a word about it.
pub(crate) fn footage(what: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGHTLINE_FOOTAGE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage"), PathBuf::from)
        .join(what);
    if root.exists() {
        return Some(root);
    }
    eprintln!("SKIPPED: {} is not here (set SIGHTLINE_FOOTAGE)", root.display());
    None
}

pub(crate) fn picture(path: &Path) -> (Vec<u8>, Size) {
    let rgb = image::open(path).unwrap().into_rgb8();
    let size = Size { width: rgb.width(), height: rgb.height() };
    (rgb.into_raw(), size)
}

/// A frame as a decoder would deliver it, from a still picture.
pub(crate) fn frame(rgb: &[u8], size: Size, number: u64, millis: u64) -> Frame {
    let (w, h) = (size.width as usize, size.height as usize);
    let at = |x: usize, y: usize| {
        let i = (y.min(h - 1) * w + x.min(w - 1)) * 3;
        [f32::from(rgb[i]), f32::from(rgb[i + 1]), f32::from(rgb[i + 2])]
    };
    let luma = |[r, g, b]: [f32; 3]| (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() as u8;
    let mut bytes: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| luma(at(x, y))).collect();
    for [cr, cg, cb] in [[-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]] {
        for y in (0..h).step_by(2) {
            for x in (0..w).step_by(2) {
                let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                let mean = |i: usize| four.iter().map(|p| p[i]).sum::<f32>() / 4.0;
                bytes.push((128.0 + (cr * mean(0) + cg * mean(1) + cb * mean(2)) / 255.0).round() as u8);
            }
        }
    }
    let taken = TimeStamp {
        time: CaptureTime::from_micros(millis as i64 * 1000).unwrap(),
        uncertainty: ClockUncertainty::default(),
        source: TimeSource::Given,
    };
    let at = MediaTime::from_duration(std::time::Duration::from_millis(millis));
    Frame::packed(bytes, size, PixelFormat::I420, ColourMatrix { bt709: false, full_range: false }, at, taken, number).unwrap()
}

/// Cut as the pipeline does, with the boxes of people in pixels of the crop.
pub(crate) fn cut(frame: &Frame, bbox: &Rect, people: &[Rect]) -> Option<(RawCrop, Rect, Vec<Rect>)> {
    let region = bbox.grow(0.1, 0.1);
    let raw = frame.crop(&region)?;
    let (x, y) = (raw.origin().0 as f32, raw.origin().1 as f32);
    let within = |r: &Rect| Rect::new(r.x - x, r.y - y, r.width, r.height);
    let people = people.iter().filter(|p| !p.intersect(&region).is_empty()).map(within).collect();
    Some((raw, within(bbox), people))
}
