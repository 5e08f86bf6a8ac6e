//! What evaluations read: pictures, YOLO labels, tables of boxes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use media::{FrameReader, Sampling};
use redact::{RedactedCrop, Subject, redact};
use types::{CaptureTime, Class, ClockUncertainty, Frame, RawCrop, Rect, Size, TimeSource, TimeStamp};
use vision::{Rgb, SceneLight, Vision};

use super::error::{Cause, EvalError, Outcome, footage};

/// Where a remark for people goes while an evaluation runs.
pub type Note<'a> = &'a dyn Fn(&str);

/// A still picture, RGB.
pub(super) struct Picture {
    pub(super) size: Size,
    rgb: Vec<u8>,
}

impl Picture {
    pub(super) fn open(path: &Path) -> Outcome<Self> {
        let bad = |cause: Cause| {
            EvalError::because("picture", format!("read the picture {}", path.display()), cause)
                .with_hint("JPEG and PNG are read")
        };
        let picture =
            image::ImageReader::open(path).map_err(|e| bad(e.into()))?.with_guessed_format().map_err(|e| bad(e.into()))?;
        let rgb = picture.decode().map_err(|e| bad(e.into()))?.into_rgb8();
        Ok(Self { size: Size { width: rgb.width(), height: rgb.height() }, rgb: rgb.into_raw() })
    }

    pub(super) fn rgb(&self) -> Outcome<Rgb<'_>> {
        Rgb::new(&self.rgb, self.size).ok_or_else(|| EvalError::new("picture", "the picture has no pixels"))
    }

    pub(super) fn light(&self) -> Option<SceneLight> {
        SceneLight::of(self.rgb.chunks_exact(3).step_by(31).map(|p| [p[0], p[1], p[2]]))
    }

    /// The pixels of a box, clipped and rounded outwards, as [`Frame::crop`] cuts them.
    pub(super) fn crop(&self, bbox: &Rect) -> Option<RawCrop> {
        let (columns, rows) = bbox.pixels(self.size)?;
        let stride = self.size.width as usize * 3;
        let row = |y: usize| &self.rgb[y * stride + columns.start * 3..y * stride + columns.end * 3];
        let rgb = rows.clone().flat_map(row).copied().collect();
        let size = Size { width: columns.len() as u32, height: rows.len() as u32 };
        RawCrop::new(rgb, size, (columns.start as u32, rows.start as u32))
    }
}

/// The pictures of a folder, by file stem, sorted.
pub(super) fn pictures(folder: &Path) -> Outcome<BTreeMap<String, PathBuf>> {
    let bad = |e: std::io::Error| EvalError::because("folder", format!("read the folder {}", folder.display()), e);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(bad)? {
        let path = entry.map_err(bad)?.path();
        let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if let ("jpg" | "jpeg" | "png", Some(stem)) = (kind.as_str(), path.file_stem().and_then(|s| s.to_str())) {
            found.insert(stem.to_owned(), path.clone());
        }
    }
    if found.is_empty() {
        return Err(EvalError::new("folder", format!("no pictures in {}", folder.display()))
            .with_hint("it should hold .jpg or .png files"));
    }
    Ok(found)
}

/// `class cx cy width height`, normalised, COCO-80 classes; those outside the vocabulary are left out. A picture without
/// a label file shows nothing.
pub(super) fn yolo_labels(path: &Path, size: Size) -> Outcome<Vec<(Class, Rect)>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(EvalError::because("labels", format!("read {}", path.display()), e)),
    };
    let mut labels = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let words: Vec<f32> = line.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let [class, cx, cy, w, h] = words[..] else {
            return Err(EvalError::new("labels", format!("{}, line {}: {line:?} is not a label", path.display(), number + 1))
                .with_hint("each line holds `class cx cy width height`, the last four as shares of the picture"));
        };
        if let Some(class) = Class::ALL.iter().find(|c| c.coco80() == class as usize) {
            let (pw, ph) = (size.width as f32, size.height as f32);
            labels.push((*class, Rect::new((cx - w / 2.0) * pw, (cy - h / 2.0) * ph, w * pw, h * ph)));
        }
    }
    Ok(labels)
}

/// A row of a table of boxes.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct BoxRow {
    pub(super) image: Option<PathBuf>,
    pub(super) video: Option<PathBuf>,
    /// From 1, as MOTChallenge and OpenCV's users count.
    pub(super) frame: Option<u64>,
    x: f32,
    y: f32,
    w: f32,
    h: f32,
    #[serde(default)]
    pub(super) identity: String,
    #[serde(default)]
    pub(super) camera: String,
    pub(super) upper: Option<String>,
    pub(super) lower: Option<String>,
}

impl BoxRow {
    pub(super) fn bbox(&self) -> Rect {
        Rect::from_corners(self.x, self.y, self.x + self.w, self.y + self.h)
    }
}

/// Reads a table of boxes; pictures and videos are named relative to the table's folder.
pub(super) fn box_rows(path: &Path) -> Outcome<Vec<BoxRow>> {
    let columns = "the columns are image,x,y,w,h,identity,camera (or video,frame,... in place of image), pixel boxes";
    let bad = |e: csv::Error| EvalError::because("boxes", format!("read {}", path.display()), e).with_hint(columns);
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut rows, mut checked) = (Vec::new(), BTreeSet::new());
    for row in csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(bad)?.deserialize::<BoxRow>() {
        let mut row = row.map_err(bad)?;
        let number = rows.len() + 1;
        for file in [&mut row.image, &mut row.video].into_iter().flatten() {
            *file = folder.join(&*file);
            if checked.insert(file.clone()) && !file.is_file() {
                return Err(EvalError::new("boxes", format!("row {number} names {}, which is not there", file.display()))
                    .with_hint("pictures and videos are named relative to the table's folder"));
            }
        }
        if row.image.is_none() && (row.video.is_none() || row.frame.is_none_or(|f| f == 0)) {
            return Err(
                EvalError::new("boxes", format!("row {number} names no picture and no frame of a video")).with_hint(columns)
            );
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(EvalError::new("boxes", format!("no rows in {}", path.display())).with_hint(columns));
    }
    Ok(rows)
}

/// A redacted crop and the light of the picture it was cut from.
pub(super) struct Cut {
    pub(super) crop: RedactedCrop,
    pub(super) light: Option<SceneLight>,
}

/// The redacted crop of every row as the pipeline would store it, with the light of its picture, in the table's order;
/// `None` where nothing could be cut or redacted. Each picture is opened once, each video read once.
pub(super) fn redacted_crops(rows: &[BoxRow], vision: &mut Vision, class: Class) -> Outcome<Vec<Option<Cut>>> {
    let mut crops: Vec<Option<Cut>> = rows.iter().map(|_| None).collect();
    let mut of_image: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    let mut of_video: BTreeMap<&Path, BTreeMap<u64, Vec<usize>>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        match (&row.image, &row.video, row.frame) {
            (Some(image), _, _) => of_image.entry(image).or_default().push(i),
            (None, Some(video), Some(frame)) => of_video.entry(video).or_default().entry(frame).or_default().push(i),
            _ => {}
        }
    }
    for (path, members) in of_image {
        let picture = Picture::open(path)?;
        redact_boxes(rows, &members, &|r| picture.crop(r), picture.light(), vision, class, &mut crops);
    }
    for (path, frames) in of_video {
        let last = *frames.keys().next_back().unwrap_or(&0);
        each_frame(path, Sampling::all(), |frame| {
            if let Some(members) = frames.get(&(frame.number + 1)) {
                let light = SceneLight::of_frame(frame);
                redact_boxes(rows, members, &|r| frame.crop(r), light, vision, class, &mut crops);
            }
            Ok(frame.number + 1 < last)
        })?;
    }
    Ok(crops)
}

/// What is to be said of boxes that gave no crop: they count against the result.
pub(super) fn note_missing(crops: &[Option<Cut>], note: Note<'_>) {
    let missing = crops.iter().filter(|c| c.is_none()).count();
    if missing > 0 {
        note(&format!(
            "note: {missing} of the {} boxes show nothing (outside the picture, after the video's end, or erased whole); they count as wrong",
            crops.len()
        ));
    }
}

fn redact_boxes(
    rows: &[BoxRow],
    members: &[usize],
    cut: &dyn Fn(&Rect) -> Option<RawCrop>,
    light: Option<SceneLight>,
    vision: &mut Vision,
    class: Class,
    crops: &mut [Option<Cut>],
) {
    for &i in members {
        let bbox = rows[i].bbox();
        crops[i] = cut(&redact::view_region(&bbox)).and_then(|raw| {
            let (x, y) = raw.origin();
            let subject = Subject { class, bbox: shift(&bbox, x, y), people: Vec::new() };
            redact(raw, &subject, &mut vision.faces).ok().map(|crop| Cut { crop, light })
        });
    }
}

/// From pixels of the frame to pixels of a crop that begins at (x, y).
pub(crate) fn shift(r: &Rect, x: u32, y: u32) -> Rect {
    r.moved(-(x as f32), -(y as f32))
}

/// Calls `look` with every sampled frame until it says `false`.
pub(crate) fn each_frame(path: &Path, sampling: Sampling, mut look: impl FnMut(&Frame) -> Outcome<bool>) -> Outcome {
    let mut reader = FrameReader::open_file(path, sampling, no_time()).map_err(footage)?;
    while let Some(frame) = reader.next(Duration::from_secs(60)).map_err(footage)? {
        if !look(&frame)? {
            break;
        }
    }
    Ok(())
}

/// A stand-in for the capture time where only the position in the file matters.
pub(super) fn no_time() -> TimeStamp {
    let time = CaptureTime::now();
    TimeStamp { time, uncertainty: ClockUncertainty::default(), source: TimeSource::Given }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(table: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.csv");
        fs::write(dir.path().join("there.png"), b"").unwrap();
        fs::write(&path, table).unwrap();
        box_rows(&path).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_table_that_cannot_be_used_is_refused_with_its_row() {
        let columns = "image,video,frame,x,y,w,h,identity,camera\n";
        assert!(refused(columns).contains("no rows"));
        let row = |text: &str| refused(&format!("{columns}there.png,,,1,2,3,4,a,1\n{text}\n"));
        assert!(row("gone.png,,,1,2,3,4,a,1").contains("row 2 names"));
        assert!(row(",,,1,2,3,4,a,1").contains("row 2 names no picture"));
        assert!(row(",there.png,0,1,2,3,4,a,1").contains("row 2 names no picture"));
    }

    #[test]
    fn pictures_are_named_relative_to_the_table_and_other_columns_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), b"").unwrap();
        let path = dir.path().join("boxes.csv");
        fs::write(&path, "image , x,y,w,h,occlusion,identity,camera\na.png, 1.5,2,-3,4,0.7,7,c1\n").unwrap();
        let rows = box_rows(&path).unwrap();
        assert_eq!(
            (rows[0].image.clone(), rows[0].identity.as_str(), rows[0].camera.as_str()),
            (Some(dir.path().join("a.png")), "7", "c1")
        );
    }
}
