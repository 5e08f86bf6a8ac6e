//! The generated code is committed; this regenerates it and compares. `UPDATE_PROTO=1 cargo test -p proto` rewrites it.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, path::Path};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compile() -> FileDescriptorSet {
    let proto = root().join("../../proto");
    let mut files: Vec<_> = fs::read_dir(proto.join("sightline/v1")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "proto"));
    files.sort();
    let mut compiler = protox::Compiler::new([proto]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    compiler.file_descriptor_set()
}

fn generate(into: &Path) {
    let descriptors = compile();
    tonic_prost_build::configure()
        .out_dir(into)
        .emit_rerun_if_changed(false)
        .codec_path("crate::bounds::BoundedCodec")
        .skip_debug([
            "sightline.v1.Hit",
            "sightline.v1.GetCropResponse",
            "sightline.v1.ExportChunk",
            "sightline.v1.PushRequest",
            "sightline.v1.SearchRequest",
            "sightline.v1.Example",
            "sightline.v1.AddRecorderRequest",
        ])
        .compile_fds(descriptors.clone())
        .unwrap();
    fs::write(into.join("sightline.v1.bin"), descriptors.encode_to_vec()).unwrap();
}

#[test]
fn the_committed_code_is_what_the_proto_files_generate() {
    let scratch = tempfile::tempdir().unwrap();
    generate(scratch.path());
    let committed = root().join("src/gen");
    for name in ["sightline.v1.rs", "sightline.v1.bin"] {
        let fresh = fs::read(scratch.path().join(name)).unwrap();
        if std::env::var_os("UPDATE_PROTO").is_some() {
            fs::create_dir_all(&committed).unwrap();
            fs::write(committed.join(name), fresh).unwrap();
        } else {
            assert!(
                fs::read(committed.join(name)).unwrap() == fresh,
                "{name} is out of date: run `UPDATE_PROTO=1 cargo test -p proto`"
            );
        }
    }
}

/// Every field there is, spelled out: a field for an identity, a plate, a face, a protected trait or free text about a
/// person can't come in without somebody adding it here in plain sight.
#[test]
fn no_field_can_hold_an_identity_a_plate_a_face_or_free_text_about_a_person() {
    let mut fields = BTreeSet::new();
    let own = |f: &prost_types::FileDescriptorProto| f.package() == "sightline.v1";
    for file in compile().file.iter().filter(|f| own(f)) {
        for message in &file.message_type {
            assert!(message.nested_type.is_empty(), "nested messages would escape this test: {}", message.name());
            fields.extend(message.field.iter().map(|f| format!("{}.{}", message.name(), f.name())));
        }
    }
    let allowed: BTreeSet<String> = include_str!("fields.txt").lines().map(str::to_owned).collect();
    if std::env::var_os("UPDATE_PROTO").is_some() {
        let text: String = fields.iter().map(|f| format!("{f}\n")).collect();
        fs::write(root().join("tests/fields.txt"), text).unwrap();
        return;
    }
    let new: Vec<_> = fields.difference(&allowed).collect();
    let gone: Vec<_> = allowed.difference(&fields).collect();
    assert!(new.is_empty() && gone.is_empty(), "not in tests/fields.txt: {new:?}; no longer there: {gone:?}");
    let banned = "face plate person identity skin hair age sex gender ethnicity religion gait text";
    for word in banned.split(' ') {
        let bad: Vec<_> = fields.iter().filter(|f| f.split(['.', '_']).any(|part| part == word)).collect();
        assert!(bad.is_empty(), "{word}: {bad:?}");
    }
}
