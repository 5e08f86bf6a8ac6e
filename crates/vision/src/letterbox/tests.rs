use proptest::prelude::*;
use types::{CaptureTime, ClockUncertainty, MediaTime, PixelFormat, Rect, TimeSource, TimeStamp};

use super::*;

const PLAIN: Layout = Layout { height: 32, width: 64, bgr: false, mean: [0.0; 3], std: [1.0; 3], pad: -7.0, stretch: false };

fn frame(bytes: Vec<u8>, width: u32, height: u32, format: PixelFormat) -> Frame {
    let taken = TimeStamp {
        time: CaptureTime::from_micros(0).unwrap(),
        uncertainty: ClockUncertainty::default(),
        source: TimeSource::Given,
    };
    let matrix = ColourMatrix { bt709: false, full_range: true };
    Frame::packed(bytes, Size { width, height }, format, matrix, MediaTime::default(), taken, 0).unwrap()
}

#[test]
fn at_the_same_size_the_tensor_holds_the_pixels_of_the_crop() {
    let grey: Vec<u8> = (0..64 * 32).map(|i| (i * 7 % 251) as u8).collect();
    let frame = frame(grey, 64, 32, PixelFormat::Gray8);
    let mut boxed = Letterbox::default();
    boxed.frame(&frame, Region::whole(frame.size()), &PLAIN);
    let crop = frame.crop(&Rect::new(0.0, 0.0, 64.0, 32.0)).unwrap();
    for (i, rgb) in crop.rgb().chunks(3).enumerate() {
        assert!((boxed.tensor[i] - f32::from(rgb[0])).abs() < 0.51);
    }
}

#[test]
fn channels_are_swapped_normalised_and_padded() {
    let layout = Layout { bgr: true, mean: [10.0, 20.0, 30.0], std: [2.0, 4.0, 5.0], pad: 0.0, ..PLAIN };
    let mut boxed = Letterbox::default();
    boxed.rgb(Rgb::new(&[50, 100, 200].repeat(32 * 32), Size { width: 32, height: 32 }).unwrap(), &layout);
    let at = |c: usize, x: usize| boxed.tensor[c * 64 * 32 + x];
    assert_eq!([at(0, 0), at(1, 0), at(2, 0)], [95.0, 20.0, 4.0]);
    assert_eq!([at(0, 40), at(1, 40), at(2, 40)], [-5.0, -5.0, -6.0]);
}

proptest! {
    #[test]
    fn any_size_of_frame_fills_the_tensor_with_finite_values(
        w in 1u32..200, h in 1u32..200, nv12 in any::<bool>(), stretch in any::<bool>(), fill in any::<u8>(),
    ) {
        let chroma = (w.div_ceil(2) * h.div_ceil(2)) as usize;
        let format = if nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
        let frame = frame(vec![fill; (w * h) as usize + 2 * chroma], w, h, format);
        let mut boxed = Letterbox::default();
        let layout = Layout { stretch, ..PLAIN };
        let scale = boxed.frame(&frame, Region::whole(frame.size()), &layout);
        prop_assert_eq!(boxed.tensor.len(), 3 * 32 * 64);
        prop_assert!(boxed.tensor.iter().all(|v| v.is_finite() && (-7.0..=255.0).contains(v)));
        prop_assert!(scale.x > 0.0 && scale.y > 0.0);
        // The whole picture lies inside the tensor.
        prop_assert!(w as f32 * scale.x <= 64.01 && h as f32 * scale.y <= 32.01);
    }
}
