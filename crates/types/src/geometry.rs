use std::ops::Range;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// An axis-aligned box in pixels of its frame; x grows to the right, y downwards. May reach over the frame's border
/// until it is clipped; always finite with `width` and `height` at least 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Of the left side.
    pub x: f32,
    /// Of the upper side.
    pub y: f32,
    /// At least 0.
    pub width: f32,
    /// At least 0.
    pub height: f32,
}

impl Rect {
    /// From the upper left corner; `width` and `height` must be at least 0, see [`Self::from_corners`].
    pub const fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self { x, y, width, height }
    }

    /// From two corners; an inverted or non-finite box becomes empty rather than negative.
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        if [left, top, right, bottom].iter().all(|v| v.is_finite()) {
            Self::new(left, top, (right - left).max(0.0), (bottom - top).max(0.0))
        } else {
            Self::default()
        }
    }

    /// The x of the right side.
    pub fn right(&self) -> f32 {
        self.x + self.width
    }

    /// The y of the lower side.
    pub fn bottom(&self) -> f32 {
        self.y + self.height
    }

    /// x and y of the middle.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// In square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Whether it has no area.
    pub fn is_empty(&self) -> bool {
        self.width <= 0.0 || self.height <= 0.0
    }

    /// What both have in common; empty where they do not touch.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self::from_corners(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
    }

    /// The smallest box around both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_corners(
            self.x.min(other.x),
            self.y.min(other.y),
            self.right().max(other.right()),
            self.bottom().max(other.bottom()),
        )
    }

    /// The part inside a frame of this size; nothing of a box that is not finite.
    #[must_use]
    pub fn clip(&self, size: Size) -> Self {
        Self::from_corners(self.x, self.y, self.right(), self.bottom()).intersect(&Self::new(
            0.0,
            0.0,
            size.width as f32,
            size.height as f32,
        ))
    }

    /// The whole pixels of a frame of this size that it touches, as columns and rows; `None` if it touches none.
    pub fn pixels(&self, size: Size) -> Option<(Range<usize>, Range<usize>)> {
        let r = self.clip(size);
        let columns = r.x.floor() as usize..(r.right().ceil() as usize).min(size.width as usize);
        let rows = r.y.floor() as usize..(r.bottom().ceil() as usize).min(size.height as usize);
        (!r.is_empty()).then_some((columns, rows))
    }

    /// Grown on each side by this share of the width and of the height.
    #[must_use]
    pub fn grow(&self, share_x: f32, share_y: f32) -> Self {
        let (dx, dy) = (self.width * share_x, self.height * share_y);
        Self::from_corners(self.x - dx, self.y - dy, self.right() + dx, self.bottom() + dy)
    }

    /// The same box so much further to the right and down: into the pixels of a part of the picture with the part's origin
    /// negated, and back with it as it is.
    #[must_use]
    pub fn moved(&self, dx: f32, dy: f32) -> Self {
        Self::new(self.x + dx, self.y + dy, self.width, self.height)
    }

    /// Intersection over union, 0..1; 0 where either is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersect(other).area();
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The share of this box that lies inside `other`, 0..1.
    pub fn share_inside(&self, other: &Self) -> f32 {
        if self.area() > 0.0 { self.intersect(other).area() / self.area() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect() -> impl Strategy<Value = Rect> {
        let any = prop_oneof![-1e4f32..1e4, Just(f32::NAN), Just(f32::INFINITY)];
        (any.clone(), any.clone(), any.clone(), any).prop_map(|(a, b, c, d)| Rect::from_corners(a, b, c, d))
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_between_nothing_and_all(a in rect(), b in rect()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.001).contains(&iou));
            prop_assert_eq!(iou, b.iou(&a));
        }

        #[test]
        fn a_clipped_box_lies_inside_the_frame(a in rect(), width in 1u32..9000, height in 1u32..9000) {
            let c = a.clip(Size { width, height });
            if let Some((columns, rows)) = a.pixels(Size { width, height }) {
                prop_assert!(columns.start < columns.end && columns.end <= width as usize);
                prop_assert!(rows.start < rows.end && rows.end <= height as usize);
            }
            prop_assert!(c.is_empty() || (c.x >= 0.0 && c.y >= 0.0 && c.right() <= width as f32 + 0.01 && c.bottom() <= height as f32 + 0.01));
        }
    }
}
