//! The example picture of a search: decoded within limits, its faces and heads erased, made a vector, and gone.
//!
//! What it refuses: a picture in which it is not clear who is meant, one that can't be redacted, and more of them at once
//! than it can read soon. Nothing of a picture is stored or logged; the record commits to it before it is decoded.

use std::{collections::HashSet, io::Cursor, sync::Arc};

use access::Caller;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use indexer::reindex::MadeBy;
use parking_lot::Mutex;
use redact::{RedactError, Subject, redact};
use tokio::sync::Semaphore;
use types::{Chain, Class, Detection, Embedding, Group, RawCrop, Rect, Size};
use vision::{Embedder, ModelStore, Rgb, Vision, VisionError, VisionOptions};

use crate::base::problem::{Kind, Problem};

/// Pictures read or waiting to be; of one caller, one.
const AT_ONCE: usize = 4;
/// Of a side, before it is made smaller.
const MAX_SIDE: u32 = 8_192;
/// For decoding: 8192 x 4096 at 4 bytes, and some.
const MAX_BYTES: u64 = 160 << 20;
/// The detector looks at far less.
const SIDE: u32 = 1_280;
/// A figure that has so much of the largest one's area is as likely the one meant.
const AS_LARGE: f32 = 0.6;

/// Reads pictures, one at a time, with models of its own that are loaded with the first.
pub(crate) struct PictureReader {
    models: ModelStore,
    options: VisionOptions,
    vision: Arc<Mutex<Option<Vision>>>,
    room: Arc<Semaphore>,
    /// Whose pictures have a place.
    callers: Callers,
}

type Callers = Arc<Mutex<HashSet<Caller>>>;

/// A caller's own place; given back when it is dropped.
struct OwnPlace(Callers, Caller);

impl OwnPlace {
    fn take(callers: &Callers, caller: &Caller) -> Option<Self> {
        let taken = callers.lock().insert(caller.clone());
        taken.then(|| Self(Arc::clone(callers), caller.clone()))
    }
}

impl Drop for OwnPlace {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl PictureReader {
    pub(crate) fn new(models: ModelStore, options: VisionOptions) -> Self {
        Self { models, options, vision: Arc::default(), room: Arc::new(Semaphore::new(AT_ONCE)), callers: Callers::default() }
    }

    /// The vector of the one figure or vehicle (of that class, if named) in a JPEG or PNG.
    pub(crate) async fn embed(
        &self,
        caller: &Caller,
        picture: Vec<u8>,
        class: Option<Class>,
        made_by: MadeBy,
    ) -> Result<Embedding, Problem> {
        let busy = |message: &str| Problem::new(Kind::TooMany, "busy", message, "try again in a moment");
        // One's own first: nobody holds the places of all.
        let own = OwnPlace::take(&self.callers, caller).ok_or_else(|| busy("a picture of yours is being read"))?;
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy("too many pictures are being read"))?;
        let (vision, models, options) = (Arc::clone(&self.vision), self.models.clone(), self.options.clone());
        let read = tokio::task::spawn_blocking(move || {
            // Also where nobody waits for the answer any more.
            let _places = (room, own);
            let picture = decode(&picture)?;
            let mut vision = vision.lock();
            look(picture, class, loaded(&mut vision, &models, options, made_by).map_err(|e| unable(&e))?)
        });
        let stopped = |_| Problem::new(Kind::Internal, "picture", "the picture was not read to its end", "try another picture");
        read.await.map_err(stopped)?
    }
}

/// The models, with the embedder that is asked for: another takes over while a server runs.
fn loaded<'a>(
    vision: &'a mut Option<Vision>,
    models: &ModelStore,
    options: VisionOptions,
    made_by: MadeBy,
) -> Result<&'a mut Vision, VisionError> {
    let MadeBy { model, embedder, appearance } = made_by;
    match vision {
        Some(vision) => {
            if vision.embedder.digest() != model {
                vision.embedder = Embedder::load(models, embedder.as_deref(), appearance.as_deref())?;
            }
            Ok(vision)
        }
        none => Ok(none.insert(Vision::load(models, &VisionOptions { embedder, appearance, ..options })?)),
    }
}

fn unable(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error = %Chain(error), "a query picture can't be looked at");
    let (message, hint) = ("the models could not look at the picture", "run `sightline models verify`");
    Problem::new(Kind::Internal, "models", message, hint)
}

/// Upright, and no larger than is looked at.
fn decode(bytes: &[u8]) -> Result<RgbImage, Problem> {
    let none = |_| Problem::invalid("bad_picture", "that is not a picture that can be read", "send a whole JPEG or PNG");
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| none(e.into()))?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(Problem::invalid("bad_picture", "that is neither JPEG nor PNG", "send a JPEG or PNG"));
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(none)?;
    // Heads are where they are in an upright picture.
    let orientation = decoder.orientation().map_err(none)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(none)?;
    picture.apply_orientation(orientation);
    if picture.width().max(picture.height()) > SIDE {
        picture = picture.thumbnail(SIDE, SIDE);
    }
    Ok(picture.into_rgb8())
}

fn look(picture: RgbImage, class: Option<Class>, vision: &mut Vision) -> Result<Embedding, Problem> {
    let size = Size { width: picture.width(), height: picture.height() };
    let nobody = || {
        let hint = "show one figure or vehicle, whole and not too small";
        Problem::invalid("nobody_in_picture", "nothing in the picture can be looked for", hint)
    };
    let seen = vision.detector.detect_rgb(Rgb::new(&picture, size).ok_or_else(nobody)?).map_err(|e| unable(&e))?;
    let subject = subject(&seen, class)?.ok_or_else(nobody)?;
    let (raw, left, top) = cut(&picture, size, &redact::view_region(&subject.bbox)).ok_or_else(nobody)?;
    drop(picture);
    let inside = |b: &Rect| b.moved(-left, -top);
    let whole = Rect::new(0.0, 0.0, raw.size().width as f32, raw.size().height as f32);
    let people = seen.iter().filter(|d| d.class.group() == Group::Person).map(|d| inside(&d.bbox));
    let people = people.filter(|b| !b.intersect(&whole).is_empty()).collect();
    let shown = Subject { class: subject.class, bbox: inside(&subject.bbox), people };
    let crop = redact(raw, &shown, &mut vision.faces).map_err(|error| match error {
        RedactError::NothingLeft => {
            let hint = "show the whole figure: a face is erased, and what is worn is looked for";
            Problem::invalid("nothing_left", "nothing is left of the picture once the head is erased", hint)
        }
        error => unable(&error),
    })?;
    vision.embedder.embed(&crop).map_err(|e| unable(&e))
}

/// The largest, if no other is nearly as large. People before vehicles, vehicles before things.
fn subject(seen: &[Detection], class: Option<Class>) -> Result<Option<Detection>, Problem> {
    let group = match class {
        Some(_) => None,
        None => [Group::Person, Group::Vehicle].into_iter().find(|g| seen.iter().any(|d| d.class.group() == *g)),
    };
    let meant = |d: &&Detection| match (class, group) {
        (Some(class), _) => d.class == class,
        (None, Some(group)) => d.class.group() == group,
        (None, None) => true,
    };
    let mut figures: Vec<&Detection> = seen.iter().filter(meant).collect();
    figures.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
    match figures.as_slice() {
        [first, second, ..] if second.bbox.area() > AS_LARGE * first.bbox.area() => Err(Problem::invalid(
            "several_in_picture",
            "several in the picture are about as large, so it is not clear which is meant",
            "cut the picture to one of them",
        )),
        [first, ..] => Ok(Some(**first)),
        [] => Ok(None),
    }
}

/// The region, and where its corner lies in the picture.
fn cut(picture: &RgbImage, size: Size, region: &Rect) -> Option<(RawCrop, f32, f32)> {
    let (columns, rows) = region.pixels(size)?;
    let (left, top) = (u32::try_from(columns.start).ok()?, u32::try_from(rows.start).ok()?);
    let part = Size { width: u32::try_from(columns.len()).ok()?, height: u32::try_from(rows.len()).ok()? };
    let pixels = image::imageops::crop_imm(picture, left, top, part.width, part.height).to_image().into_raw();
    Some((RawCrop::new(pixels, part, (left, top))?, left as f32, top as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(class: Class, width: f32) -> Detection {
        Detection { class, score: 0.9, bbox: Rect::new(0.0, 0.0, width, 100.0) }
    }

    fn reason(result: Result<impl std::fmt::Debug, Problem>) -> &'static str {
        match result {
            Err(Problem { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_caller_has_one_place_until_it_is_given_back_and_others_have_theirs() {
        let caller = |name: &str| Caller::from_uri(&format!("sightline://local/investigator/{name}")).unwrap();
        let callers = Callers::default();
        let held = OwnPlace::take(&callers, &caller("ines")).unwrap();
        assert!(OwnPlace::take(&callers, &caller("ines")).is_none());
        assert!(OwnPlace::take(&callers, &caller("otto")).is_some());
        drop(held);
        assert!(OwnPlace::take(&callers, &caller("ines")).is_some());
    }

    #[test]
    fn the_one_meant_is_the_largest_and_never_guessed() {
        let (large, small, car) = (seen(Class::Person, 60.0), seen(Class::Person, 20.0), seen(Class::Car, 200.0));
        assert_eq!(subject(&[small, car, large], None).unwrap(), Some(large));
        assert_eq!(subject(&[small, car, large], Some(Class::Car)).unwrap(), Some(car));
        assert_eq!(subject(&[car], Some(Class::Person)).unwrap(), None);
        assert_eq!(subject(&[], None).unwrap(), None);
        assert_eq!(reason(subject(&[large, seen(Class::Person, 40.0)], None)), "several_in_picture");
    }

    #[test]
    fn what_is_no_picture_is_refused_and_one_that_would_fill_the_memory_too() {
        let mut png = Cursor::new(Vec::new());
        RgbImage::new(8, 8).write_to(&mut png, ImageFormat::Png).unwrap();
        let png = png.into_inner();
        assert_eq!(decode(&png).unwrap().dimensions(), (8, 8));
        for bad in [&b""[..], b"GIF89a\x01\0\x01\0", b"<svg/>", &png[..30]] {
            assert_eq!(reason(decode(bad)), "bad_picture");
        }
        // The header says 60,000 x 60,000.
        let mut bomb = png;
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let step = |c: u32, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 };
        let crc = !bomb[12..29].iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(reason(decode(&bomb)), "bad_picture");
    }
}
