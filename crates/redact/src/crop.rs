use std::fmt;

use types::{Rect, Size};

/// Erased pixels have this colour, in all three channels.
pub(crate) const FILL: u8 = 127;

/// A picture of a figure or vehicle from which faces and heads are gone: RGB, 8 bits, rows without padding. Only
/// [`redact`](fn@crate::redact) makes one, and [`Self::decode`] reads one back.
#[derive(Clone, PartialEq)]
pub struct RedactedCrop {
    pub(crate) size: Size,
    pub(crate) rgb: Vec<u8>,
    /// Whole pixels, inside the picture; everything in them has one colour.
    pub(crate) erased: Vec<Rect>,
    pub(crate) subject: Rect,
}

impl fmt::Debug for RedactedCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedactedCrop({}x{}, {} erased)", self.size.width, self.size.height, self.erased.len())
    }
}

impl RedactedCrop {
    /// At most 128x256 for a figure and 128x128 for anything else.
    pub fn size(&self) -> Size {
        self.size
    }

    /// `width * height * 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Regions filled with one colour, in pixels of this picture; they say nothing about the subject.
    pub fn erased(&self) -> &[Rect] {
        &self.erased
    }

    /// Where the subject is, in pixels of this picture, clipped to it; the rest is its surroundings.
    pub fn subject(&self) -> Rect {
        self.subject
    }
}
