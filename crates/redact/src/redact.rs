use types::{Class, Group, RawCrop, Rect, Size};

use crate::{
    crop::{FILL, RedactedCrop},
    error::RedactError,
    face::FaceFinder,
    look::{cut, faces},
    regions::{Block, face, heads, stored_region},
};

/// Largest stored picture of a figure.
const PERSON: Size = Size { width: 128, height: 256 };
/// Largest side of any other stored picture: too small to read a number plate.
const OTHER: Size = Size { width: 128, height: 128 };

/// What a raw crop shows. It is cut by [`view_region`](crate::view_region) and what is stored of it is
/// [`stored_region`]; one that is smaller is looked at as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What the detector takes the subject for.
    pub class: Class,
    /// Of the subject, in pixels of the crop; may reach over its border.
    pub bbox: Rect,
    /// Boxes, in pixels of the crop, of every person detected that overlaps the crop, the subject included.
    pub people: Vec<Rect>,
}

/// Erases every face found and the head region of every person, then shrinks. Fails closed: an error means that the crop
/// must not be used, and the raw pixels are gone with it.
///
/// # Errors
/// [`RedactError`]: there is no crop then, and no raw one either.
#[expect(clippy::needless_pass_by_value, reason = "who has had a crop redacted has the raw one no more")]
pub fn redact(raw: RawCrop, subject: &Subject, finder: &mut dyn FaceFinder) -> Result<RedactedCrop, RedactError> {
    let view = raw.size();
    let mut people: Vec<Rect> = subject.people.clone();
    if subject.class == Class::Person && !people.contains(&subject.bbox) {
        people.push(subject.bbox);
    }
    if people.iter().chain([&subject.bbox]).any(|r| !finite(r)) {
        return Err(RedactError::SubjectBox);
    }
    let stored = Block::outward(&stored_region(&subject.bbox), view).ok_or(RedactError::NothingLeft)?;
    let mut regions: Vec<Rect> = people.iter().flat_map(heads).collect();
    regions.extend(faces(&raw, &people, &stored.rect(), finder)?.iter().filter_map(|f| face(f, &people, &stored.rect())));
    // From here on all is in pixels of the stored part, and the rest of the raw crop is gone.
    let raw = cut(&raw, stored);
    let size = raw.size();
    let inside = |r: &Rect| r.moved(-(stored.left as f32), -(stored.top as f32));
    let blocks: Vec<Block> = regions.iter().filter_map(|r| Block::outward(&inside(r), size)).collect();

    let mut rgb = raw.into_rgb();
    for block in &blocks {
        fill(&mut rgb, size, *block);
    }
    let bound = if subject.class.group() == Group::Person { PERSON } else { OTHER };
    let (rgb, small) = shrink(rgb, size, bound);
    let (sx, sy) = (small.width as f32 / size.width as f32, small.height as f32 / size.height as f32);
    let scaled = |r: &Rect| Rect::from_corners(r.x * sx, r.y * sy, r.right() * sx, r.bottom() * sy);
    let bbox = inside(&subject.bbox);
    let mut crop = RedactedCrop { size: small, rgb, erased: Vec::new(), subject: scaled(&bbox).clip(small) };
    // Shrinking mixes the border of a region with its neighbours: fill it again, rounded outwards.
    for block in simplify(blocks.iter().filter_map(|b| Block::outward(&scaled(&b.rect()), small)).collect()) {
        fill(&mut crop.rgb, small, block);
        crop.erased.push(block.rect());
    }
    if crop.subject.is_empty() || crop.erased.iter().any(|e| crop.subject.share_inside(e) > 0.95) {
        return Err(RedactError::NothingLeft);
    }
    Ok(crop)
}

fn finite(r: &Rect) -> bool {
    [r.x, r.y, r.width, r.height].iter().all(|v| v.is_finite())
}

fn fill(rgb: &mut [u8], size: Size, block: Block) {
    let stride = size.width as usize * 3;
    for y in block.top as usize..block.bottom as usize {
        rgb[y * stride + block.left as usize * 3..y * stride + block.right as usize * 3].fill(FILL);
    }
}

/// Averages down to fit `bound`; never enlarges.
fn shrink(rgb: Vec<u8>, size: Size, bound: Size) -> (Vec<u8>, Size) {
    let scale = (bound.width as f32 / size.width as f32).min(bound.height as f32 / size.height as f32);
    let side = |v: u32, most: u32| ((v as f32 * scale).round() as u32).clamp(1, most);
    let small = Size { width: side(size.width, bound.width), height: side(size.height, bound.height) };
    match image::RgbImage::from_raw(size.width, size.height, rgb) {
        Some(picture) if scale < 1.0 => (image::imageops::thumbnail(&picture, small.width, small.height).into_raw(), small),
        Some(picture) => (picture.into_raw(), size),
        None => unreachable!("a raw crop holds width * height * 3 bytes"),
    }
}

/// Drops blocks that lie inside another and repeats.
fn simplify(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_by_key(|b| (b.top, b.left, b.bottom, b.right));
    blocks.dedup();
    let inside =
        |a: &Block, b: &Block| a != b && a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
    blocks.iter().filter(|a| !blocks.iter().any(|b| inside(a, b))).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        codec::DecodeError,
        face::{FaceFinderError, FoundFace},
    };

    /// Finds the same boxes whatever the picture shows.
    struct Fixed(Vec<FoundFace>);

    impl FaceFinder for Fixed {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Ok(self.0.clone())
        }
    }

    struct Broken;

    impl FaceFinder for Broken {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Err(FaceFinderError("no answer".into()))
        }
    }

    /// Finds what is much brighter than the rest, as a stand-in for a model that looks at pixels.
    struct Bright;

    impl FaceFinder for Bright {
        fn find(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            let width = picture.size().width as usize;
            let bright = picture.rgb().chunks(3).enumerate().filter(|(_, p)| p[0] > 230).map(|(i, _)| (i % width, i / width));
            let all = bright.fold(None, |all: Option<Rect>, (x, y)| {
                let this = Rect::new(x as f32, y as f32, 1.0, 1.0);
                Some(all.map_or(this, |a| a.union(&this)))
            });
            Ok(all.map(|bbox| FoundFace { bbox, score: 0.9 }).into_iter().collect())
        }
    }

    fn person(width: u32, height: u32, pixel: impl Fn(u32, u32) -> u8) -> (RawCrop, Subject) {
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| [pixel(x, y); 3]).collect();
        let (w, h) = (width as f32, height as f32);
        let bbox = Rect::new(w / 12.0, h / 12.0, w * 10.0 / 12.0, h * 10.0 / 12.0);
        let raw = RawCrop::new(rgb, Size { width, height }, (0, 0)).unwrap();
        (raw, Subject { class: Class::Person, bbox, people: vec![bbox] })
    }

    #[test]
    fn without_an_answer_from_the_face_finder_there_is_no_crop() {
        let (raw, subject) = person(60, 150, |_, _| 90);
        assert!(matches!(redact(raw.clone(), &subject, &mut Broken), Err(RedactError::Finder(_))));
        let nowhere = FoundFace { bbox: Rect::new(f32::NAN, 0.0, 1.0, 1.0), score: 0.9 };
        assert!(matches!(redact(raw.clone(), &subject, &mut Fixed(vec![nowhere])), Err(RedactError::FinderBox)));
        let lost = Subject { people: vec![Rect::new(f32::INFINITY, 0.0, 1.0, 1.0)], ..subject };
        assert!(matches!(redact(raw, &lost, &mut Fixed(vec![])), Err(RedactError::SubjectBox)));
    }

    #[test]
    fn the_head_is_erased_where_no_face_is_found_and_for_everybody_in_the_picture() {
        let (raw, mut subject) = person(120, 240, |_, _| 90);
        subject.people.push(Rect::new(70.0, 100.0, 50.0, 120.0));
        let crop = redact(raw, &subject, &mut Fixed(vec![])).unwrap();
        let at = |x: usize, y: usize| crop.rgb()[(y * crop.size().width as usize + x) * 3];
        assert_eq!((at(60, 40), at(95, 110), at(40, 120)), (FILL, FILL, 90));
    }

    #[test]
    fn stored_pictures_are_small() {
        for (class, most) in [(Class::Person, PERSON), (Class::Car, OTHER)] {
            let (raw, subject) = person(700, 500, |_, _| 90);
            let crop = redact(raw, &Subject { class, people: vec![], ..subject }, &mut Fixed(vec![])).unwrap();
            assert!(crop.size().width <= most.width && crop.size().height <= most.height, "{crop:?}");
        }
    }

    #[test]
    fn a_picture_that_was_not_redacted_here_is_refused() {
        let (raw, subject) = person(60, 150, |x, y| (x + y) as u8);
        let crop = redact(raw, &subject, &mut Fixed(vec![])).unwrap();
        let bytes = crop.encode();
        let back = RedactedCrop::decode(&bytes).unwrap();
        assert_eq!((back.size(), back.erased(), back.subject()), (crop.size(), crop.erased(), crop.subject()));
        let mut plain = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut plain).encode(&[9; 300], 10, 10, image::ExtendedColorType::Rgb8).unwrap();
        assert!(matches!(RedactedCrop::decode(&plain), Err(DecodeError::NoMark)));
        assert!(RedactedCrop::decode(&bytes[..bytes.len() / 3]).is_err());
        for more in [b"<html>".to_vec(), vec![0], vec![0xff, 0xd9]] {
            assert!(matches!(RedactedCrop::decode(&[&bytes[..], &more].concat()), Err(DecodeError::More)));
        }
        // A segment of somebody's, before the picture.
        let at = bytes.windows(2).position(|w| w == [0xff, 0xdb]).unwrap();
        let html = b"\xff\xe1\x00\x08<html>";
        assert!(matches!(RedactedCrop::decode(&[&bytes[..at], html, &bytes[at..]].concat()), Err(DecodeError::More)));
        assert!(RedactedCrop::decode(b"").is_err());
    }

    proptest! {
        /// Invariant 2 of the design: the picture does not change when the face is swapped.
        #[test]
        fn two_pictures_that_differ_only_inside_the_face_give_equal_bytes(
            width in 40u32..160, ratio in 2u32..4, other in any::<u8>(), background in 0u8..200,
            left in 0.2f32..0.4, top in 0.09f32..0.11, size in 0.2f32..0.45, bright in any::<bool>(),
        ) {
            let height = width * ratio;
            let face = Rect::new(left * width as f32, top * height as f32, size * width as f32, 0.08 * height as f32);
            let inside = |x: u32, y: u32| {
                let (x, y) = (x as f32, y as f32);
                x >= face.x && x < face.right() && y >= face.y && y < face.bottom()
            };
            // One face is found at its true place, the other a little off, or not at all.
            let scene = |x: u32, y: u32| ((x * 3 + y) % 40) as u8 + background / 2;
            let (a, subject) = person(width, height, |x, y| if inside(x, y) { 255 } else { scene(x, y) });
            let (b, _) = person(width, height, |x, y| if inside(x, y) { other } else { scene(x, y) });
            let mut off = Fixed(vec![FoundFace { bbox: face.grow(0.06, 0.06), score: 0.5 }]);
            let (a, b) = if bright {
                (redact(a, &subject, &mut Bright), redact(b, &subject, &mut Bright))
            } else {
                (redact(a, &subject, &mut Bright), redact(b, &subject, &mut off))
            };
            let (a, b) = (a.unwrap(), b.unwrap());
            prop_assert!(a == b && a.encode() == b.encode());
        }

        #[test]
        fn no_crop_whatever_its_boxes_makes_it_panic(
            width in 1u32..90, height in 1u32..90,
            boxes in prop::collection::vec((-200f32..200.0, -200f32..200.0, 0f32..300.0, 0f32..300.0), 0..6),
            class in prop_oneof![Just(Class::Person), Just(Class::Car), Just(Class::Handbag)],
        ) {
            let raw = RawCrop::new(vec![9; (width * height * 3) as usize], Size { width, height }, (3, 4)).unwrap();
            let rect = |b: &(f32, f32, f32, f32)| Rect::new(b.0, b.1, b.2, b.3);
            let people: Vec<Rect> = boxes.iter().map(rect).collect();
            let bbox = people.first().copied().unwrap_or_default();
            let found = people.iter().map(|&bbox| FoundFace { bbox, score: 0.4 }).collect();
            if let Ok(crop) = redact(raw, &Subject { class, bbox, people }, &mut Fixed(found)) {
                let size = crop.size();
                prop_assert_eq!(crop.rgb().len(), (size.width * size.height * 3) as usize);
                for r in crop.erased() {
                    prop_assert!(r.x >= 0.0 && r.y >= 0.0 && r.right() <= size.width as f32 && r.bottom() <= size.height as f32);
                }
                let back = RedactedCrop::decode(&crop.encode()).unwrap();
                prop_assert_eq!(back.erased(), crop.erased());
            }
        }

        #[test]
        fn damaged_bytes_are_an_error_never_a_panic(at in 0usize..2000, value in any::<u8>()) {
            let (raw, subject) = person(30, 70, |x, y| (x * y) as u8);
            let mut bytes = redact(raw, &subject, &mut Fixed(vec![])).unwrap().encode();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = RedactedCrop::decode(&bytes);
        }
    }
}
