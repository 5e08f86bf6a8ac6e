//! Linear light.

use std::sync::LazyLock;

pub(crate) static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let v = i as f32 / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
});

/// Channels of a grey pixel differ by no more than this.
const GREY: u8 = 12;

/// Whether a pixel is anything but grey.
pub(crate) fn has_colour(rgb: [u8; 3]) -> bool {
    let [most, least] = [rgb.iter().max(), rgb.iter().min()];
    most.zip(least).is_some_and(|(a, b)| a - b > GREY)
}

/// Linear light of an sRGB pixel.
pub(crate) fn linear(rgb: [u8; 3]) -> [f32; 3] {
    rgb.map(|v| LINEAR[v as usize])
}
