//! Linear light.

use std::sync::LazyLock;

pub(crate) static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let v = i as f32 / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
});

/// Linear light of an sRGB pixel.
pub(crate) fn linear(rgb: [u8; 3]) -> [f32; 3] {
    rgb.map(|v| LINEAR[v as usize])
}
