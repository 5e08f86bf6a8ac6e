//! Loading models, and what they may be fed.

use std::sync::{Arc, Mutex};

use redact::{FaceFinder, Subject, redact};
use types::{Class, Rect};
use vision::{
    Detector, DetectorOptions, Device, Embedder, InputSize, ModelState, ModelStore, Projection, Vision, VisionError,
    VisionOptions,
};

use crate::support::{cut, footage, frame, picture, store, vision};

#[test]
fn a_model_file_with_one_flipped_byte_makes_no_session() {
    let good = store();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("models")).unwrap();
    let bad = ModelStore::new(dir.path(), good.manifest().clone());
    assert!(matches!(Detector::load(&bad, None, DetectorOptions::default()), Err(VisionError::Missing { .. })));
    let name = &good.manifest().default(vision::Role::Detector).unwrap().name;
    let mut bytes = std::fs::read(good.path(name)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(bad.path(name), bytes).unwrap();
    assert!(matches!(bad.state(name).unwrap(), ModelState::Corrupt { .. }));
    let error = Detector::load(&bad, None, DetectorOptions::default()).unwrap_err();
    assert!(matches!(error, VisionError::Digest { .. }) && error.hint().unwrap().contains("models fetch"), "{error}");
}

#[test]
fn an_input_size_the_model_cannot_take_is_refused() {
    let input = InputSize::Fixed { height: 300, width: 512 };
    let error = Detector::load(&store(), None, DetectorOptions { input, ..DetectorOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("512x300"), "{error}");
}

#[test]
fn the_appearance_is_a_unit_vector_that_does_not_change_when_the_head_is_swapped() {
    let Some(root) = footage("coco_cc/images") else { return };
    let mut vision = vision();
    let mut compared = 0;
    for entry in std::fs::read_dir(root).unwrap().take(30) {
        let (pixels, size) = picture(&entry.unwrap().path());
        let seen = frame(&pixels, size, 0, 0);
        let people: Vec<Rect> = vision
            .detector
            .detect(&seen)
            .unwrap()
            .iter()
            .filter(|d| d.class == Class::Person && d.score > 0.5)
            .map(|d| d.bbox)
            .collect();
        // Alone and upright: the head region is then known from the box.
        let [one] = people[..] else { continue };
        if one.height < 1.8 * one.width || one.height < 80.0 {
            continue;
        }
        // Another head: the middle of the top ninth of the box, painted over.
        let mut other = pixels.clone();
        for y in (one.y + 0.02 * one.height) as usize..(one.y + 0.11 * one.height) as usize {
            for x in (one.x + 0.35 * one.width) as usize..(one.x + 0.65 * one.width) as usize {
                other[(y * size.width as usize + x) * 3..][..3].copy_from_slice(&[
                    ((x * 37 + y * 11) % 256) as u8,
                    90,
                    (y % 256) as u8,
                ]);
            }
        }
        let mut crop = |pixels: &[u8]| {
            let (raw, bbox, people) = cut(&frame(pixels, size, 0, 0), &one, &people).unwrap();
            let faces = vision.faces.find(&raw).unwrap().len();
            (redact(raw, &Subject { class: Class::Person, bbox, people }, &mut vision.faces).unwrap(), faces)
        };
        let ((a, _), (b, _)) = (crop(&pixels), crop(&other));
        if a.erased() != b.erased() {
            // A face that reaches out of the head region erases more: allowed, and rare.
            eprintln!("a face reached out of its head region");
            continue;
        }
        assert!(a.encode() == b.encode());
        let (ea, eb) = (vision.embedder.embed(&a).unwrap(), vision.embedder.embed(&b).unwrap());
        assert!(ea == eb);
        assert_eq!(ea.values().len(), vision.embedder.len());
        assert_eq!(ea.model(), vision.embedder.digest());
        assert!((ea.values().iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4);
        compared += 1;
    }
    eprintln!("{compared} figures compared");
    assert!(compared > 0);
}

#[test]
fn another_projection_is_another_model_and_one_of_another_backbone_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let built_in = Embedder::load(&store(), None, None).unwrap();
    let good = Projection::embedded().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    };
    let load = |path: std::path::PathBuf| Embedder::load(&store(), None, Some(&path));
    assert_eq!(load(file("same", &good.write())).unwrap().digest(), built_in.digest());

    let mut bytes = good.write();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&0.5f32.to_le_bytes());
    let other = load(file("other", &bytes)).unwrap();
    assert!(other.digest() != built_in.digest() && other.len() == built_in.len());

    let backbone = good.about().backbone.as_bytes();
    let mut bytes = good.write();
    let at = bytes.windows(backbone.len()).position(|w| w == backbone).unwrap();
    bytes[at..at + backbone.len()].fill(b'0');
    let error = load(file("foreign", &bytes)).unwrap_err();
    assert!(error.to_string().contains("another backbone than mobilenetv2"), "{error}");
    assert!(error.hint().unwrap().contains("appearance learn"));
    assert!(matches!(load(dir.path().join("none")), Err(VisionError::Read { .. })));
}

#[test]
fn a_gpu_that_is_not_there_is_warned_of_and_the_cpu_used() {
    let warnings = Warnings::default();
    let detector = tracing::subscriber::with_default(warnings.clone(), || {
        Detector::load_on(&store(), None, DetectorOptions::default(), Device::Cuda(77)).unwrap()
    });
    assert_eq!(detector.device(), Device::Cpu);
    let told = warnings.0.lock().unwrap().clone();
    assert!(told.iter().any(|w| w.contains("no CUDA: the model runs on the CPU")), "{told:?}");
    let options = VisionOptions { device: Device::Cuda(77), ..VisionOptions::default() };
    assert_eq!(Vision::load_many(&store(), &options, 2).unwrap().len(), 2);
}

/// The messages of warnings.
#[derive(Default, Clone)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, about: &tracing::Metadata<'_>) -> bool {
        *about.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().unwrap().push(words.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn detectors_that_share_a_session_find_together_what_one_finds_alone() {
    let Some(root) = footage("coco_cc/images") else { return };
    let mut pictures: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    pictures.sort();
    // Of several shapes, so that some can't go together.
    let frames: Vec<_> = pictures.iter().take(12).map(|p| picture(p)).map(|(p, s)| frame(&p, s, 0, 0)).collect();
    let options = DetectorOptions::default();
    let mut alone = Detector::load(&store(), None, options.clone()).unwrap();
    let wanted: Vec<_> = frames.iter().map(|f| alone.detect(f).unwrap()).collect();
    assert!(wanted.iter().map(Vec::len).sum::<usize>() > 20);
    let sharing = Detector::load_shared(&store(), None, &options, Device::Cpu, 4).unwrap();
    assert_eq!(sharing.len(), 4);
    std::thread::scope(|scope| {
        for mut detector in sharing {
            let (frames, wanted) = (&frames, &wanted);
            scope.spawn(move || {
                for (frame, wanted) in frames.iter().zip(wanted) {
                    let found = detector.detect(frame).unwrap();
                    assert_eq!(found.len(), wanted.len());
                    for (a, b) in found.iter().zip(wanted) {
                        assert!(
                            a.class == b.class && (a.score - b.score).abs() < 1e-4 && a.bbox.iou(&b.bbox) > 0.999,
                            "{a:?} {b:?}"
                        );
                    }
                }
            });
        }
    });
}

#[test]
fn a_runtime_that_would_call_its_maker_is_not_loaded() {
    let (name, value) = vision::QUIET;
    if std::env::var_os(name).is_none_or(|v| v != value) {
        let error = vision::Runtime::load(&store()).unwrap_err();
        assert!(matches!(error, vision::RuntimeError::WouldTell) && error.hint().contains(name), "{error}");
        let loaded = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!loaded.contains("libonnxruntime"), "the library is loaded all the same");
        return;
    }
    // In a process of its own, without the variable.
    for telling in [None, Some("0"), Some("")] {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "models::a_runtime_that_would_call_its_maker_is_not_loaded", "--nocapture"]).env_remove(name);
        if let Some(telling) = telling {
            again.env(name, telling);
        }
        let out = again.output().unwrap();
        assert!(out.status.success(), "{out:?}");
    }
}
