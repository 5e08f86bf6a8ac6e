use std::fmt;

use types::{Class, Group, RawCrop, Rect, Size};

use crate::{
    codec::{self, DecodeError},
    face::{FaceFinder, FaceFinderError},
    regions::{Block, face, head_part, heads},
};

/// Erased pixels have this colour, in all three channels.
pub(crate) const FILL: u8 = 127;

/// Largest stored picture of a figure.
const PERSON: Size = Size { width: 128, height: 256 };
/// Largest side of any other stored picture: too small to read a number plate.
const OTHER: Size = Size { width: 128, height: 128 };

/// What a raw crop shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub class: Class,
    /// Of the subject, in pixels of the crop; may reach over its border.
    pub bbox: Rect,
    /// Boxes, in pixels of the crop, of every person detected that overlaps the crop, the subject included.
    pub people: Vec<Rect>,
}

/// Why a crop was dropped.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("faces could not be looked for, so the crop is not used")]
    Finder(#[from] FaceFinderError),
    #[error("the face finder answered with a box that is not finite, so the crop is not used")]
    FinderBox,
    #[error("the box of the subject or of a person is not finite, so the crop is not used")]
    SubjectBox,
    #[error("nothing of the subject is left once heads are erased")]
    NothingLeft,
}

/// A picture of a figure or vehicle from which faces and heads are gone: RGB, 8 bits, rows without padding. Only
/// [`redact`] makes one, and [`Self::decode`] reads one back.
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

    /// A JPEG of quality 90 that carries a mark, so that [`Self::decode`] knows its own.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Self::encode`] wrote; a picture without the mark was not redacted here and is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }
}

/// Erases every face found and the head region of every person, then shrinks. Fails closed: an error means that the crop
/// must not be used, and the raw pixels are gone with it.
pub fn redact(raw: RawCrop, subject: &Subject, finder: &mut dyn FaceFinder) -> Result<RedactedCrop, RedactError> {
    let size = raw.size();
    let mut people: Vec<Rect> = subject.people.clone();
    if subject.class == Class::Person && !people.contains(&subject.bbox) {
        people.push(subject.bbox);
    }
    if people.iter().chain([&subject.bbox]).any(|r| !finite(r)) {
        return Err(RedactError::SubjectBox);
    }
    let mut regions: Vec<Rect> = people.iter().flat_map(heads).collect();
    regions.extend(find_faces(&raw, &people, finder)?.iter().map(|f| face(f, &people, size)));
    let blocks: Vec<Block> = regions.iter().filter_map(|r| Block::outward(r, size)).collect();

    let mut rgb = raw.into_rgb();
    for block in &blocks {
        fill(&mut rgb, size, *block);
    }
    let bound = if subject.class.group() == Group::Person { PERSON } else { OTHER };
    let (rgb, small) = shrink(rgb, size, bound);
    let (sx, sy) = (small.width as f32 / size.width as f32, small.height as f32 / size.height as f32);
    let scaled = |r: &Rect| Rect::from_corners(r.x * sx, r.y * sy, r.right() * sx, r.bottom() * sy);
    let mut crop = RedactedCrop { size: small, rgb, erased: Vec::new(), subject: scaled(&subject.bbox).clip(small) };
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

/// Looks in the head part of each figure, enlarged by the finder, and once in the whole crop for anybody without a box.
fn find_faces(raw: &RawCrop, people: &[Rect], finder: &mut dyn FaceFinder) -> Result<Vec<Rect>, RedactError> {
    let mut found = Vec::new();
    let whole = Rect::new(0.0, 0.0, raw.size().width as f32, raw.size().height as f32);
    for part in people.iter().map(head_part).chain([whole]) {
        let Some((picture, x, y)) = cut(raw, &part) else { continue };
        for face in finder.find(&picture)? {
            if !finite(&face.bbox) {
                return Err(RedactError::FinderBox);
            }
            found.push(Rect::new(face.bbox.x + x as f32, face.bbox.y + y as f32, face.bbox.width, face.bbox.height));
        }
    }
    Ok(found)
}

fn cut(raw: &RawCrop, part: &Rect) -> Option<(RawCrop, u32, u32)> {
    let Block { left, top, right, bottom } = Block::outward(part, raw.size())?;
    let size = Size { width: right - left, height: bottom - top };
    if size == raw.size() {
        return Some((raw.clone(), 0, 0));
    }
    let stride = raw.size().width as usize * 3;
    let (from, to) = (left as usize * 3, right as usize * 3);
    let rgb = (top as usize..bottom as usize).flat_map(|y| &raw.rgb()[y * stride + from..y * stride + to]).copied().collect();
    RawCrop::new(rgb, size, (raw.origin().0 + left, raw.origin().1 + top)).map(|picture| (picture, left, top))
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
