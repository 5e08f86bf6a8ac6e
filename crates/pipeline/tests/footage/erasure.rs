//! What is left of a face once a crop is stored: nothing of its pixels.

use media::{FrameReader, Sampling};
use redact::{FaceFinder, FaceFinderError, FoundFace, RedactedCrop, Subject, redact, stored_region, view_region};
use types::{Class, RawCrop, Rect, Size};
use vision::Vision;

use crate::{footage, haar::Cascade, task, vision};

/// With clear faces, and the frames a second to look at.
const FACES: [(&str, f64); 4] = [
    ("intel_ccby/face-demographics-walking.mp4", 2.0),
    ("intel_ccby/face-demographics-walking-and-pause.mp4", 2.0),
    ("intel_ccby/head-pose-face-detection-female-and-male.mp4", 2.0),
    ("intel_ccby/classroom.mp4", 2.0),
];

/// With small and half-hidden ones.
const FIGURES: [(&str, f64); 4] = [
    ("intel_ccby/people-detection.mp4", 1.0),
    ("intel_ccby/one-by-one-person-detection.mp4", 0.5),
    ("intel_ccby/store-aisle-detection.mp4", 1.0),
    ("intel_ccby/worker-zone-detection.mp4", 1.0),
];

/// Calls `look` with each person found in the clips: the raw crop and what redaction is told.
fn each_person(
    vision: &mut Vision,
    clips: &[(&str, f64)],
    mut look: impl FnMut(&mut Vision, &str, RawCrop, Subject),
) -> Option<()> {
    for &(clip, fps) in clips {
        let path = footage(clip)?;
        let start = task(&path).start;
        let sampling = Sampling { fps, ..Sampling::default() };
        let mut reader = FrameReader::open_file(&path, sampling, start).unwrap();
        while let Some(frame) = reader.next(std::time::Duration::from_secs(60)).unwrap() {
            let found = vision.detector.detect(&frame).unwrap();
            let people: Vec<Rect> = found.iter().filter(|d| d.class == Class::Person).map(|d| d.bbox).collect();
            for bbox in &people {
                let region = view_region(bbox);
                let Some(raw) = frame.crop(&region) else { continue };
                let (x, y) = raw.origin();
                let within = |r: &Rect| Rect::new(r.x - x as f32, r.y - y as f32, r.width, r.height);
                let near = people.iter().filter(|p| !p.intersect(&region).is_empty()).map(within).collect();
                let subject = Subject { class: Class::Person, bbox: within(bbox), people: near };
                look(vision, clip, raw, subject);
            }
        }
    }
    Some(())
}

/// A box of the raw crop in pixels of what is stored of it; empty where it is not.
fn small(r: &Rect, raw: Size, subject: &Subject, stored: &RedactedCrop) -> Rect {
    let (columns, rows) = stored_region(&subject.bbox).pixels(raw).unwrap();
    let (x, y) = (columns.start as f32, rows.start as f32);
    let sx = stored.size().width as f32 / columns.len() as f32;
    let sy = stored.size().height as f32 / rows.len() as f32;
    Rect::new((r.x - x) * sx, (r.y - y) * sy, r.width * sx, r.height * sy).clip(stored.size())
}

/// Leaves what is erased to the boxes of figures alone.
struct Nobody;

impl FaceFinder for Nobody {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

/// The crop with other pixels in a rectangle; `pixel` is given its place in the rectangle and what is there.
fn painted(raw: &RawCrop, within: &Rect, pixel: impl Fn(usize, usize, [u8; 3]) -> [u8; 3]) -> RawCrop {
    let (mut rgb, width) = (raw.rgb().to_vec(), raw.size().width as usize);
    let (columns, rows) = within.pixels(raw.size()).unwrap();
    for y in rows.clone() {
        for x in columns.clone() {
            let at = &mut rgb[(y * width + x) * 3..][..3];
            at.copy_from_slice(&pixel(x - columns.start, y - rows.start, [at[0], at[1], at[2]]));
        }
    }
    RawCrop::new(rgb, raw.size(), raw.origin()).unwrap()
}

/// A face that, grown by the 15 % that erasure adds, lies in the head region that follows from the figure's box is gone
/// whatever it looks like. The finder may take the old or the new pixels for a larger face that reaches out of the region,
/// and what is erased besides the region then differs: in one pair of five here, where faces become noise, a checkerboard,
/// one flat colour or half dark. Where the same is erased, the stored bytes and the vector are equal.
#[test]
fn what_is_stored_does_not_depend_on_whose_face_it_was() {
    let mut vision = vision();
    let (mut compared, mut equal, mut outside) = (0, 0, 0);
    let done = each_person(&mut vision, &FACES, |vision, clip, raw, subject| {
        let faces = vision.faces.find(&raw).unwrap();
        let Ok(plain) = redact(raw.clone(), &subject, &mut Nobody) else { return };
        for face in faces.iter().filter(|f| f.score > 0.5 && f.bbox.height >= 12.0) {
            let small = small(&face.bbox.grow(0.15, 0.15), raw.size(), &subject, &plain);
            if !plain.erased().iter().any(|r| small.intersect(r).area() >= small.area() * 0.999) {
                outside += 1;
                continue;
            }
            let noise = |x: usize, y: usize| (x * 7919 + y * 104_729 + x * y * 31) as u8;
            let others = [
                painted(&raw, &face.bbox, |x, y, _| [noise(x, y), noise(y, x + 3), noise(x + 5, y)]),
                painted(&raw, &face.bbox, |_, _, _| [181, 140, 120]),
                painted(
                    &raw,
                    &face.bbox,
                    |x, y, [r, g, b]| if (x / 4 + y / 4) % 2 == 0 { [b, r, g] } else { [r / 2, g, 255 - b] },
                ),
                painted(&raw, &face.bbox, |x, _, p| if x < face.bbox.width as usize / 2 { [40, 30, 25] } else { p }),
            ];
            let stored = redact(raw.clone(), &subject, &mut vision.faces).unwrap();
            let (bytes, vector) = (stored.encode(), vision.embedder.embed(&stored).unwrap());
            for (which, other) in others.into_iter().enumerate() {
                let other = redact(other, &subject, &mut vision.faces).unwrap();
                compared += 1;
                // What the boxes of figures alone erase is erased in any case.
                let gone = |r: &Rect| other.erased().iter().any(|e| r.share_inside(e) > 0.999);
                assert!(plain.erased().iter().all(gone), "{clip} {which}: {:?}", other.erased());
                if other.erased() == stored.erased() {
                    equal += 1;
                    assert!(other.encode() == bytes, "{clip} {which}: the stored pictures differ");
                    assert_eq!(vision.embedder.embed(&other).unwrap(), vector, "{clip} {which}");
                }
            }
        }
    });
    if done.is_none() {
        return;
    }
    eprintln!(
        "{equal} of {compared} pairs bit-equal, the others differ in what else is erased; {outside} faces reach out of the region"
    );
    assert!(compared >= 60 && equal * 4 >= compared * 3, "{equal} of {compared}");
}

fn grey(rgb: &[u8]) -> Vec<u8> {
    rgb.chunks_exact(3).map(|p| ((77 * u32::from(p[0]) + 150 * u32::from(p[1]) + 29 * u32::from(p[2])) >> 8) as u8).collect()
}

/// What a cascade takes for faces in a picture, and how many of its windows agree; a small picture is doubled, so that its faces
/// fill the cascade's window.
fn haar(cascade: &Cascade, rgb: &[u8], size: Size) -> Vec<(Rect, usize)> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (pixels, times) = (grey(rgb), if width.min(height) < 100 { 2 } else { 1 });
    let row = |y: usize| (0..width * times).map(move |x| (x, y));
    let large: Vec<u8> = (0..height * times).flat_map(row).map(|(x, y)| pixels[y / times * width + x / times]).collect();
    let rect = |(square, votes): ([f32; 3], usize)| {
        let [x, y, side] = square.map(|v| v / times as f32);
        (Rect::new(x, y, side, side), votes)
    };
    cascade.find(&large, width * times, height * times).into_iter().map(rect).collect()
}

/// So many windows agree on a third of the faces here, and on no fold of cloth.
const SURE: usize = 16;

/// Of every figure found, whether or not its crop would be the one kept. What few windows agree on where nobody knows of a face was
/// looked at: a dress, a vest, a floor beside a leg. There may be no more of it, and nothing that the cascades are sure of.
#[test]
fn another_face_finder_sees_faces_before_erasure_and_none_after() {
    let cascade = |name| Cascade::load(&format!("haarcascade_{name}.xml"));
    let (Some(front), Some(side)) = (cascade("frontalface_default"), cascade("profileface")) else { return };
    let (mut crops, mut faces, mut seen, mut sure, mut cloth) = (0, 0, 0, 0, 0);
    let clips = [FACES, FIGURES].concat();
    let done = each_person(&mut vision(), &clips, |vision, clip, raw, subject| {
        // Below this the finder takes cloth for faces itself.
        let known: Vec<Rect> = vision.faces.find(&raw).unwrap().iter().filter(|f| f.score >= 0.35).map(|f| f.bbox).collect();
        let before = if known.is_empty() { Vec::new() } else { haar(&front, raw.rgb(), raw.size()) };
        let before = before.into_iter().filter(|(hit, _)| known.iter().any(|k| k.share_inside(hit) > 0.5));
        let size = raw.size();
        let Ok(stored) = redact(raw, &subject, &mut vision.faces) else { return };
        let small = |r: &Rect| small(r, size, &subject, &stored);
        // What is looked at is more than what is stored.
        let known: Vec<Rect> = known.iter().filter(|r| !small(r).is_empty()).copied().collect();
        let before: Vec<_> = before.filter(|(hit, _)| !small(hit).is_empty()).collect();
        crops += 1;
        faces += known.iter().filter(|k| k.height >= 12.0).count();
        seen += before.len();
        sure += before.iter().filter(|(_, votes)| *votes >= SURE).count();
        // The square that a cascade is trained on has a margin of a fifth around the face.
        for face in before.iter().map(|(r, _)| r.grow(-0.2, -0.2)).chain(known.iter().filter(|k| k.height >= 12.0).copied()) {
            let face = small(&face);
            if face.is_empty() {
                continue;
            }
            assert!(is_gone(&face, stored.erased()), "{clip}: {face:?} of {:?} is to be seen: {:?}", subject, stored.erased());
        }
        for cascade in [&front, &side] {
            for (hit, votes) in haar(cascade, stored.rgb(), stored.size()) {
                let face = votes >= SURE || known.iter().any(|k| small(k).iou(&hit) > 0.1);
                assert!(!face, "{clip}: {hit:?} ({votes}) looks like a face in a stored crop: {:?}", stored.erased());
                eprintln!("{clip}, crop {crops}: {hit:?} ({votes}) is no face");
                cloth += 1;
            }
        }
    });
    if done.is_none() {
        return;
    }
    eprintln!(
        "{crops} crops, {faces} faces known, {seen} of them seen by the cascade before, {sure} for sure; {cloth} hits without a face after"
    );
    assert!(seen >= 40 && sure >= 15 && faces > seen, "{sure} and {seen} of {faces}");
    assert!(cloth <= 3, "{cloth} of {crops} crops");
}

/// Whether every pixel of a box lies in an erased region.
fn is_gone(face: &Rect, erased: &[Rect]) -> bool {
    let steps = |from: f32, length: f32| (0..=16).map(move |i| from + length * (0.02 + 0.96 * i as f32 / 16.0));
    steps(face.y, face.height).all(|y| {
        steps(face.x, face.width).all(|x| erased.iter().any(|e| e.x <= x && x < e.right() && e.y <= y && y < e.bottom()))
    })
}
