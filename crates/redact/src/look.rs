//! Where faces are looked for in a raw crop.

use types::{RawCrop, Rect, Size};

use crate::{
    error::RedactError,
    face::FaceFinder,
    regions::{Block, head_part, is_lying},
};

/// Below this score a face counts only in the head part of a figure: elsewhere it is a fold of cloth more often than a
/// face, and erasing it takes the clothing that a search is about.
const SURE_ANYWHERE: f32 = 0.35;

/// So little of a neighbour's head part reaches into many crops; no face is to be seen in it.
const SLIVER: u32 = 6;

/// In a crowd so many head parts are looked at closely, those of which most is stored; every head region is erased in any case.
const MOST: usize = 12;

/// Looks in the head part of each figure that reaches into what is stored, enlarged by the finder, and once in the whole crop for
/// anybody without a box; where somebody may be lying, turned to either side as well, since a finder knows upright faces.
pub(crate) fn faces(
    raw: &RawCrop,
    people: &[Rect],
    stored: &Rect,
    finder: &mut dyn FaceFinder,
) -> Result<Vec<Rect>, RedactError> {
    let mut found = Vec::new();
    let mut parts: Vec<Rect> = people.iter().map(head_part).filter(|part| !part.intersect(stored).is_empty()).collect();
    parts.sort_by(|a, b| b.intersect(stored).area().total_cmp(&a.intersect(stored).area()));
    for part in parts.into_iter().take(MOST) {
        let Some(block) = Block::outward(&part, raw.size()) else { continue };
        let picture = cut(raw, block);
        // The whole crop is looked at in any case.
        if picture.size().width.min(picture.size().height) < SLIVER && picture.size() != raw.size() {
            continue;
        }
        let from = |r: Rect| r.moved(block.left as f32, block.top as f32);
        found.extend(find(&picture, 0.0, finder)?.into_iter().map(from));
    }
    found.extend(find(raw, SURE_ANYWHERE, finder)?);
    if people.iter().any(is_lying) {
        for turn in [Turn::Left, Turn::Right] {
            if let Some(turned) = turn.picture(raw) {
                found.extend(find(&turned, SURE_ANYWHERE, finder)?.iter().map(|r| turn.back(r, raw.size())));
            }
        }
    }
    Ok(found)
}

fn find(picture: &RawCrop, least: f32, finder: &mut dyn FaceFinder) -> Result<Vec<Rect>, RedactError> {
    let faces = finder.find(picture)?;
    if faces.iter().any(|f| [f.bbox.x, f.bbox.y, f.bbox.width, f.bbox.height].iter().any(|v| !v.is_finite())) {
        return Err(RedactError::FinderBox);
    }
    Ok(faces.iter().filter(|f| f.score >= least).map(|f| f.bbox).collect())
}

/// The pixels of a block, which lies inside.
pub(crate) fn cut(raw: &RawCrop, block: Block) -> RawCrop {
    let Block { left, top, right, bottom } = block;
    let size = Size { width: right - left, height: bottom - top };
    if size == raw.size() {
        return raw.clone();
    }
    let stride = raw.size().width as usize * 3;
    let (from, to) = (left as usize * 3, right as usize * 3);
    let rgb = (top as usize..bottom as usize).flat_map(|y| &raw.rgb()[y * stride + from..y * stride + to]).copied().collect();
    match RawCrop::new(rgb, size, (raw.origin().0 + left, raw.origin().1 + top)) {
        Some(picture) => picture,
        None => unreachable!("a block holds whole pixels of its picture"),
    }
}

/// A quarter of a turn.
#[derive(Clone, Copy)]
enum Turn {
    Left,
    Right,
}

impl Turn {
    fn picture(self, raw: &RawCrop) -> Option<RawCrop> {
        let Size { width: w, height: h } = raw.size();
        // Where the pixel in column x and row y of the turned picture comes from.
        let at = |x: u32, y: u32| match self {
            Self::Left => (w - 1 - y, x),
            Self::Right => (y, h - 1 - x),
        };
        let pixel = |(x, y): (u32, u32)| raw.rgb()[(y as usize * w as usize + x as usize) * 3..][..3].iter().copied();
        let rgb = (0..w).flat_map(|y| (0..h).map(move |x| (x, y))).flat_map(|(x, y)| pixel(at(x, y))).collect();
        RawCrop::new(rgb, Size { width: h, height: w }, raw.origin())
    }

    /// A box of the turned picture in a picture of this size.
    fn back(self, r: &Rect, size: Size) -> Rect {
        match self {
            Self::Left => Rect::new(size.width as f32 - r.bottom(), r.x, r.height, r.width),
            Self::Right => Rect::new(r.y, size.height as f32 - r.right(), r.height, r.width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Subject,
        face::{FaceFinderError, FoundFace},
        redact, view_region,
    };
    use types::Class;

    /// Finds what is bright, as one face, where it is seen whole and twice as high as wide; counts how often it is asked.
    struct Tall(usize);

    impl FaceFinder for Tall {
        fn find(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            self.0 += 1;
            let width = picture.size().width as usize;
            let bright = picture.rgb().chunks(3).enumerate().filter(|(_, p)| p[0] > 230).map(|(i, _)| (i % width, i / width));
            let all = bright.fold(None, |all: Option<Rect>, (x, y)| {
                let this = Rect::new(x as f32, y as f32, 1.0, 1.0);
                Some(all.map_or(this, |a| a.union(&this)))
            });
            let faces = all.filter(|r| r.height == 2.0 * r.width).map(|bbox| FoundFace { bbox, score: 0.9 });
            Ok(faces.into_iter().collect())
        }
    }

    /// The crop of a figure in a grey picture of 400x400 with one bright patch, and whether a bright pixel is stored.
    #[expect(clippy::needless_pass_by_value, reason = "made for it")]
    fn shows_the_patch(bbox: Rect, people: Vec<Rect>, patch: Rect, finder: &mut Tall) -> bool {
        let (columns, rows) = view_region(&bbox).pixels(Size { width: 400, height: 400 }).unwrap();
        let (left, top) = (columns.start as f32, rows.start as f32);
        let pixel = |x: usize, y: usize| {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            if patch.x < x && x < patch.right() && patch.y < y && y < patch.bottom() { 255 } else { 60 }
        };
        let rgb = rows.clone().flat_map(|y| columns.clone().flat_map(move |x| [pixel(x, y); 3])).collect();
        let size = Size { width: columns.len() as u32, height: rows.len() as u32 };
        let raw = RawCrop::new(rgb, size, (left as u32, top as u32)).unwrap();
        let inside = |r: &Rect| r.moved(-left, -top);
        let people = people.iter().map(inside).collect();
        let crop = redact(raw, &Subject { class: Class::Person, bbox: inside(&bbox), people }, finder).unwrap();
        crop.rgb().iter().any(|v| *v > 200)
    }

    #[test]
    fn a_neighbours_face_that_the_border_of_the_crop_cuts_in_two_is_erased() {
        let bbox = Rect::new(100.0, 100.0, 100.0, 250.0);
        // Of 20 columns 8 are stored.
        let patch = Rect::new(202.0, 180.0, 20.0, 40.0);
        assert!(!shows_the_patch(bbox, vec![], patch, &mut Tall(0)));
        // What is so far away that its whole can't be seen is not found: the finder needs the whole patch.
        assert!(shows_the_patch(bbox, vec![], Rect::new(208.0, 180.0, 20.0, 40.0), &mut Tall(0)));
    }

    #[test]
    fn the_face_of_somebody_lying_is_found_turned() {
        for patch in [Rect::new(180.0, 180.0, 40.0, 20.0), Rect::new(150.0, 190.0, 20.0, 10.0)] {
            assert!(!shows_the_patch(Rect::new(100.0, 150.0, 200.0, 80.0), vec![], patch, &mut Tall(0)), "{patch:?}");
        }
        assert!(shows_the_patch(
            Rect::new(150.0, 100.0, 100.0, 250.0),
            vec![],
            Rect::new(180.0, 230.0, 40.0, 20.0),
            &mut Tall(0)
        ));
    }

    #[test]
    fn in_a_crowd_every_head_is_erased_and_the_finder_is_not_asked_a_hundred_times() {
        let bbox = Rect::new(100.0, 20.0, 150.0, 350.0);
        let crowd = |i: u32| Rect::new(100.0 + (i % 10) as f32 * 14.0, 150.0 + (i / 10) as f32 * 16.0, 12.0, 30.0);
        let people: Vec<Rect> = (0..100).map(crowd).collect();
        for i in [0, 37, 99] {
            let mut finder = Tall(0);
            let head = Rect::new(crowd(i).x + 3.0, crowd(i).y + 1.0, 3.0, 3.0);
            assert!(!shows_the_patch(bbox, people.clone(), head, &mut finder));
            assert!(finder.0 <= MOST + 1, "{}", finder.0);
        }
    }

    #[test]
    fn a_box_of_a_turned_picture_is_where_its_pixels_were() {
        let size = Size { width: 7, height: 4 };
        for (x, y) in [(0, 0), (6, 3), (2, 1)] {
            let mut rgb = vec![0; 7 * 4 * 3];
            rgb[(y * 7 + x) * 3] = 255;
            let raw = RawCrop::new(rgb, size, (0, 0)).unwrap();
            for turn in [Turn::Left, Turn::Right] {
                let turned = turn.picture(&raw).unwrap();
                assert_eq!(turned.size(), Size { width: 4, height: 7 });
                let at = turned.rgb().chunks(3).position(|p| p[0] == 255).unwrap();
                let back = turn.back(&Rect::new((at % 4) as f32, (at / 4) as f32, 1.0, 1.0), size);
                assert_eq!(back, Rect::new(x as f32, y as f32, 1.0, 1.0));
            }
        }
    }
}
