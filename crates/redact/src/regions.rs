//! Where heads are. Rules of geometry only: nothing here looks at a pixel.

use types::{Rect, Size};

/// Found faces are grown by this share on each side before they are erased.
const GROW_FACE: f32 = 0.15;
/// How much larger than the box a stored picture is, a share on each side: room for a head that the box clips.
const STORED: f32 = 0.1;
/// How far around a box faces are looked for, as a share of its shorter side.
const AROUND: f32 = 0.25;

/// What is stored of the picture around a box.
pub fn stored_region(bbox: &Rect) -> Rect {
    bbox.grow(STORED, STORED)
}

/// What [`redact`](crate::redact()) wants to see for a box: more than is stored, since of a neighbour's face that the border of
/// the stored picture cuts in two a finder sees nothing.
pub fn view_region(bbox: &Rect) -> Rect {
    let around = AROUND * bbox.width.min(bbox.height);
    let wide = Rect::from_corners(bbox.x - around, bbox.y - around, bbox.right() + around, bbox.bottom() + around);
    stored_region(bbox).union(&wide)
}

/// A box of whole pixels, left and top inside, right and bottom outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) right: u32,
    pub(crate) bottom: u32,
}

impl Block {
    /// The part inside a picture of this size, rounded outwards to whole pixels; `None` if nothing is left.
    pub(crate) fn outward(rect: &Rect, size: Size) -> Option<Self> {
        let r = rect.clip(size);
        let block = Self {
            left: r.x.floor() as u32,
            top: r.y.floor() as u32,
            right: (r.right().ceil() as u32).min(size.width),
            bottom: (r.bottom().ceil() as u32).min(size.height),
        };
        (!r.is_empty() && block.left < block.right && block.top < block.bottom).then_some(block)
    }

    pub(crate) fn rect(self) -> Rect {
        Rect::from_corners(self.left as f32, self.top as f32, self.right as f32, self.bottom as f32)
    }
}

/// Lying or bent over, from its box alone; or sitting close to the camera.
pub(crate) fn is_lying(person: &Rect) -> bool {
    person.width > 1.1 * person.height
}

/// The head region of a figure, from its box alone. Generous on purpose: what it takes from a collar is lost, what it
/// misses of a face would be kept.
pub(crate) fn heads(person: &Rect) -> Vec<Rect> {
    let Rect { x, y, width: w, height: h } = *person;
    // A standing figure is 7 to 8 heads high and 2.5 times as high as wide; one cut at the waist or seated is wider for
    // its height and its head takes more of it. The shoulders' width stands in for the missing height.
    let depth = (0.2 * h).max((0.5 * w).min(0.4 * h));
    let above = 0.08 * h;
    let mut regions = vec![Rect::from_corners(x - 0.05 * w, y - above, x + 1.05 * w, y + depth)];
    // The head may be at either end.
    if is_lying(person) {
        let reach = (0.5 * h).max(0.25 * w).min(0.35 * w);
        regions.push(Rect::from_corners(x - 0.08 * w, y - above, x + reach, y + h));
        regions.push(Rect::from_corners(x + w - reach, y - above, x + 1.08 * w, y + h));
    }
    regions
}

/// The part of a figure's box in which its face is looked for.
pub(crate) fn head_part(person: &Rect) -> Rect {
    let Rect { x, y, width: w, height: h } = *person;
    Rect::from_corners(x - 0.1 * w, y - 0.08 * h, x + 1.1 * w, y + (0.5 * h).max(1.2 * w).min(1.05 * h))
}

/// What to erase for a found face besides the head regions, of which only what lies in `stored` matters. A face that, grown, lies in a head region adds nothing: what
/// is erased then depends on the boxes of figures alone, and not on the face. One that reaches out has its border moved
/// outwards to a coarse grid anchored at the figure it belongs to, so that two faces in the same place, found a few pixels
/// apart, mostly erase the same pixels.
pub(crate) fn face(found: &Rect, people: &[Rect], stored: &Rect) -> Option<Rect> {
    let grown = found.grow(GROW_FACE, GROW_FACE);
    let seen = grown.intersect(stored);
    if seen.is_empty() {
        return None;
    }
    if people
        .iter()
        .flat_map(heads)
        .any(|h| h.x <= seen.x && h.y <= seen.y && seen.right() <= h.right() && seen.bottom() <= h.bottom())
    {
        return None;
    }
    let (cx, cy) = found.centre();
    let owner = people
        .iter()
        .filter(|p| cx >= p.x && cx <= p.right() && cy >= p.y - 0.1 * p.height && cy <= p.bottom())
        .min_by(|a, b| a.area().total_cmp(&b.area()));
    let (x0, y0, step) = match owner {
        Some(p) => (p.x, p.y, (p.height / 16.0).max(4.0)),
        None => (stored.x, stored.y, (stored.width.max(stored.height) / 16.0).max(4.0)),
    };
    // A border that only just crosses a line of the grid would flicker between two fields: a face near the size of a field
    // always takes whole fields, so a small slack costs nothing and is on the safe side.
    let low = |v: f32, origin: f32| origin + ((v - origin) / step - 0.2).floor() * step;
    let high = |v: f32, origin: f32| origin + ((v - origin) / step + 0.2).ceil() * step;
    Some(Rect::from_corners(low(grown.x, x0), low(grown.y, y0), high(grown.right(), x0), high(grown.bottom(), y0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_head_of_a_standing_figure_is_its_top_and_its_legs_are_kept() {
        let region = heads(&Rect::new(10.0, 20.0, 40.0, 100.0))[0];
        assert!(region.y < 20.0 && region.bottom() >= 38.0 && region.bottom() <= 45.0, "{region:?}");
        assert!(region.x <= 10.0 && region.right() >= 50.0);
    }

    #[test]
    fn both_ends_of_a_lying_figure_are_heads() {
        let all = heads(&Rect::new(0.0, 0.0, 100.0, 40.0));
        let hit = |x, y| all.iter().any(|r| r.x <= x && x <= r.right() && r.y <= y && y <= r.bottom());
        assert!(hit(5.0, 35.0) && hit(95.0, 35.0) && hit(50.0, 2.0));
        assert!(!hit(50.0, 39.0));
    }

    proptest! {
        #[test]
        fn an_erased_face_covers_the_found_one_grown(
            x in 0f32..200.0, y in 0f32..200.0, w in 1f32..80.0, h in 1f32..80.0, px in 0f32..100.0, pw in 10f32..200.0,
        ) {
            let found = Rect::new(x, y, w, h);
            let (person, size) = (Rect::new(px, 0.0, pw, 2.5 * pw), Size { width: 300, height: 300 });
            let whole = Rect::new(0.0, 0.0, 300.0, 300.0);
            let erased = face(&found, &[person], &whole).unwrap_or(heads(&person)[0]);
            let grown = found.grow(GROW_FACE, GROW_FACE).clip(size);
            prop_assert!(grown.intersect(&erased).area() >= grown.area() * 0.999);
        }

        #[test]
        fn blocks_lie_inside_the_picture(x in -50f32..150.0, y in -50f32..150.0, w in 0f32..100.0, h in 0f32..100.0) {
            let size = Size { width: 90, height: 70 };
            if let Some(b) = Block::outward(&Rect::new(x, y, w, h), size) {
                prop_assert!(b.left < b.right && b.right <= 90 && b.top < b.bottom && b.bottom <= 70);
                let inside = Rect::new(x, y, w, h).clip(size);
                prop_assert!(inside.share_inside(&b.rect()) > 0.999);
            }
        }
    }
}
