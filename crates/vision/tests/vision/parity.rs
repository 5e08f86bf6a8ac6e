//! The decoders against the numpy reference of the models, on pictures.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use types::{Class, Detection, Rect, Size};
use vision::{Detector, DetectorOptions, InputSize, Manifest, ModelStore, Rgb};

use crate::support::{footage, frame, picture, store};

/// Boxes of class, score, left, top, right, bottom that a reference found in each picture.
type Found = Vec<(String, Vec<(Class, f32, [f32; 4])>)>;

/// The numpy reference with the unwanted classes masked; writes the pictures as it decoded them. `None` with a word about
/// what is missing.
fn reference(family: &str, model: &Path, pictures: &[PathBuf], as_decoded: &Path) -> Option<Found> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/tools");
    let python = std::env::var("SIGHTLINE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = r#"
import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
import numpy as np, cv2, reference_decode as r
# Eight bits know 256 scores: which of two equal ones is the better box is the order they come in, here and there.
unstable = np.argsort; np.argsort = lambda x: unstable(x, kind='stable')
keep = set(r.KEEP); post = r.post
size = (288, 512)
if sys.argv[2] == 'nanodet':
    m = r.NanoDyn(sys.argv[3], *size); mask = lambda o: [o[0].copy(), o[1].copy(), o[2].copy(), *o[3:]]
    run = m.run
    def masked(x):
        o = list(run(x))
        for k in range(3):
            o[k] = o[k].copy(); o[k][..., [i for i in range(80) if i not in keep]] = 0
        return o
    m.run = masked
elif sys.argv[2] == 'yolox':
    m = r.YoloX(sys.argv[3], *size); run = m.run
    def masked(x):
        o = run(x)[0].copy(); o[..., [5 + i for i in range(80) if i not in keep]] = 0; return [o]
    m.run = masked
    r.post = lambda b, s, c, conf, n=.5: post(b, s, c, conf, .5)
else:
    m = r.SSDHeads2(sys.argv[3], *size); run = m.run
    wanted = {r.ID91[i] for i in keep}
    def masked(x):
        o = [a.copy() for a in run(x)]
        for a in o[1::2]:
            v = a.reshape(-1, 91); v[:, [i for i in range(91) if i not in wanted]] = -99
        return o
    m.run = masked
for i, p in enumerate(sys.argv[5:]):
    im = cv2.imread(p); p = f'{sys.argv[4]}/{i}.png'; cv2.imwrite(p, im); print('picture', p)
    for x1, y1, x2, y2, s, c in m(im, 0.3): print(int(c), s, x1, y1, x2, y2)
"#;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    let out = Command::new(&python).arg(file.path()).arg(&tools).arg(family).arg(model).arg(as_decoded).args(pictures).output();
    let out = match out {
        Ok(out) if out.status.success() => String::from_utf8(out.stdout).unwrap(),
        Ok(out) => {
            let why = String::from_utf8_lossy(&out.stderr).lines().last().unwrap_or("").to_owned();
            eprintln!(
                "SKIPPED: the numpy reference does not run with {python} (set SIGHTLINE_PYTHON to one with numpy, opencv and onnxruntime): {why}"
            );
            return None;
        }
        Err(error) => {
            eprintln!("SKIPPED: {python}: {error}");
            return None;
        }
    };
    let mut found = Found::new();
    for line in out.lines() {
        if let Some(name) = line.strip_prefix("picture ") {
            found.push((name.into(), Vec::new()));
            continue;
        }
        let v: Vec<f32> = line.split(' ').map(|v| v.parse().unwrap()).collect();
        let class = Class::ALL.iter().find(|c| c.coco80() == v[0] as usize).copied().unwrap();
        found.last_mut().unwrap().1.push((class, v[1], [v[2], v[3], v[4], v[5]]));
    }
    Some(found)
}

/// Every box of the reference is found, with the same class, a score within 1e-3 and sides within half a pixel. The
/// reference does not clip to the picture. Boxes at the threshold and doubles at the limit of overlap may differ.
fn compare(family: &str, name: &str, store: &ModelStore, model: &Path) {
    let Some(root) = footage("coco_cc/images") else { return };
    let mut pictures: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    pictures.sort();
    // JPEG decoders differ by a level here and there: both sides get the pixels that the reference decoded.
    let decoded = tempfile::tempdir().unwrap();
    let Some(reference) = reference(family, model, &pictures, decoded.path()) else { return };
    let options = DetectorOptions { threshold: 0.295, input: InputSize::Fixed { height: 288, width: 512 } };
    let mut detector = Detector::load(store, Some(name), options).unwrap();
    let (mut all, mut matched, mut worst) = (0, 0, (0f32, 0f32));
    for (path, boxes) in reference {
        let (pixels, size) = picture(Path::new(&path));
        let found = detector.detect_rgb(Rgb::new(&pixels, size).unwrap()).unwrap();
        for (class, score, [l, t, r, b]) in boxes {
            let want = Rect::from_corners(l, t, r, b).clip(size);
            let off = |d: &Detection| {
                let sides =
                    [d.bbox.x - want.x, d.bbox.y - want.y, d.bbox.right() - want.right(), d.bbox.bottom() - want.bottom()];
                sides.iter().fold(0f32, |m, s| m.max(s.abs()))
            };
            all += 1;
            let nearest = found.iter().filter(|d| d.class == class).min_by(|a, b| off(a).total_cmp(&off(b)));
            match nearest.map(|d| (off(d), (d.score - score).abs())) {
                Some((pixels, points)) if pixels < 0.5 && points < 1e-3 => {
                    matched += 1;
                    worst = (worst.0.max(pixels), worst.1.max(points));
                }
                other => eprintln!("{path}: {class} {score:.4} off by {other:?}"),
            }
        }
    }
    eprintln!("{family}: {matched} of {all} boxes match the reference, worst {:.3} px and {:.1e}", worst.0, worst.1);
    assert!(all > 50 && matched == all, "{family}: {matched} of {all}");
}

#[test]
fn nanodet_finds_what_the_numpy_reference_finds() {
    let store = store();
    compare("nanodet", "nanodet-g-int8", &store, &store.path("nanodet-g-int8"));
}

#[test]
fn nanodet_in_floats_finds_what_the_numpy_reference_finds() {
    let store = store();
    if !store.path("nanodet-g").exists() {
        eprintln!("SKIPPED: nanodet-g is not in the cache (`sightline models fetch nanodet-g`)");
        return;
    }
    compare("nanodet", "nanodet-g", &store, &store.path("nanodet-g"));
}

#[test]
fn ssd_finds_what_the_numpy_reference_finds() {
    let store = store();
    if !store.path("coco-ssd").exists() {
        eprintln!("SKIPPED: coco-ssd is not in the cache (`sightline models fetch coco-ssd`)");
        return;
    }
    compare("ssd", "coco-ssd", &store, &store.path("coco-ssd"));
}

#[test]
fn yolox_finds_what_the_numpy_reference_finds() {
    use sha2::Digest as _;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/yardstick/yolox_nano.onnx");
    let Ok(bytes) = std::fs::read(&file) else {
        eprintln!("SKIPPED: {} is not here", file.display());
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("models")).unwrap();
    std::fs::copy(&file, dir.path().join("models/yolox-nano.onnx")).unwrap();
    let manifest = Manifest::parse(&format!(
        "[runtime]\nversion = \"{}\"\n[[model]]\nname = \"yolox-nano\"\nrole = \"detector\"\ndecode = \"yolox\"\nlicence = \"Apache-2.0\"\nsha256 = \"{}\"",
        store().manifest().runtime().version,
        hex::encode(sha2::Sha256::digest(&bytes))
    ));
    vision::Runtime::load(&store()).unwrap();
    compare("yolox", "yolox-nano", &ModelStore::new(dir.path(), manifest.unwrap()), &file);
}

#[test]
fn a_frame_as_decoded_shows_what_the_picture_shows() {
    let Some(root) = footage("coco_cc/images") else { return };
    // What is sure in one may be a little less so in the other, and is there all the same.
    let options = DetectorOptions { threshold: 0.25, ..DetectorOptions::default() };
    let mut detector = Detector::load(&store(), None, options).unwrap();
    let (mut all, mut same) = (0, 0);
    for entry in std::fs::read_dir(root).unwrap() {
        let (pixels, size) = picture(&entry.unwrap().path());
        let mut still = detector.detect_rgb(Rgb::new(&pixels, size).unwrap()).unwrap();
        still.retain(|d| d.score >= 0.4);
        let decoded = detector.detect(&frame(&pixels, size, 0, 0)).unwrap();
        all += still.len();
        same += still.iter().filter(|a| decoded.iter().any(|b| a.class == b.class && a.bbox.iou(&b.bbox) > 0.85)).count();
    }
    // Half the chroma is gone, so a few weak detections differ.
    assert!(all > 20 && same * 10 >= all * 9, "{same} of {all}");
}

#[test]
fn frames_of_any_size_are_looked_at_without_a_panic() {
    let mut detector = Detector::load(&store(), None, DetectorOptions::default()).unwrap();
    for (width, height) in [(1, 1), (1, 700), (3, 2), (31, 33), (2000, 3), (7680, 4320), (1088, 1920)] {
        let pixels = vec![90; width as usize * height as usize * 3];
        let size = Size { width, height };
        let found = detector.detect_rgb(Rgb::new(&pixels, size).unwrap()).unwrap();
        assert!(found.iter().all(|d| d.bbox.right() <= width as f32 + 0.01 && d.bbox.bottom() <= height as f32 + 0.01));
    }
}
