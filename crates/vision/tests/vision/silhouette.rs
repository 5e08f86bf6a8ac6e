//! What a figure's mask and points are for, and that nothing of them is kept.

use std::path::Path;

use redact::{Subject, redact};
use types::Class;

use crate::support::{cut, footage, frame, picture, vision};

/// Every message of the protocol and every column of the catalogue, by name. That a silhouette can't be written at all the compiler
/// proves (`silhouette.rs`).
#[test]
fn no_message_and_no_table_has_a_place_for_a_mask_a_point_or_a_gait() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut looked = vec![root.join("proto/tests/fields.txt")];
    for kind in ["sqlite", "postgres"] {
        let folder = root.join("catalogue/migrations").join(kind);
        looked.extend(std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()));
    }
    assert!(looked.len() > 20);
    for file in looked {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        let words = text.split(|c: char| !c.is_ascii_alphabetic());
        let wrong: Vec<_> = words
            .filter(|w| ["mask", "silhouette", "pose", "gait", "keypoint", "keypoints", "landmark", "landmarks"].contains(w))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
    }
}

/// The mask is made of the crop as it is stored, so a reindex sees what was seen before, but for the compression.
#[test]
fn a_vector_made_again_from_the_stored_crop_is_nearly_the_same() {
    let Some(root) = footage("coco_cc/images") else { return };
    let mut vision = vision();
    let mut compared = 0;
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().take(20) {
        let (pixels, size) = picture(path);
        let seen = frame(&pixels, size, 0, 0);
        let found = vision.detector.detect(&seen).unwrap();
        for one in found.iter().filter(|d| d.class == Class::Person && d.score > 0.5 && d.bbox.height > 80.0).take(2) {
            let Some((raw, bbox, people)) = cut(&seen, &one.bbox, &[one.bbox]) else { continue };
            let Ok(crop) = redact(raw, &Subject { class: Class::Person, bbox, people }, &mut vision.faces) else { continue };
            // Read back, as a reindex does.
            let again = redact::RedactedCrop::decode(&crop.encode()).unwrap();
            let (a, b) = (vision.embedder.embed(&crop).unwrap(), vision.embedder.embed(&again).unwrap());
            let alike: f32 = a.values().iter().zip(b.values()).map(|(x, y)| x * y).sum();
            assert!(alike > 0.9, "{alike} after it was stored");
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared}");
}
