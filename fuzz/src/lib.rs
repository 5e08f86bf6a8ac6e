//! Every parser of outside bytes, by name. The tables are the crates' own; their tests run the same functions over `corpus/`.

#[cfg(feature = "index")]
#[path = "../../crates/index/tests/index/opened.rs"]
mod index_opened;

/// A parser, and all that must hold of whatever it is given.
pub type Target = (&'static str, fn(&[u8]));

/// Those of the crates that this was built with.
pub fn targets() -> Vec<Target> {
    let tables: &[&[Target]] = &[
        #[cfg(feature = "access")]
        access::fuzzing::TARGETS,
        #[cfg(feature = "index")]
        index_opened::TARGETS,
        #[cfg(feature = "media")]
        media::fuzzing::TARGETS,
        #[cfg(feature = "onvif")]
        onvif::fuzzing::TARGETS,
        #[cfg(feature = "pipeline")]
        pipeline::fuzzing::TARGETS,
        #[cfg(feature = "proto")]
        proto::fuzzing::TARGETS,
        #[cfg(feature = "redact")]
        redact::fuzzing::TARGETS,
        #[cfg(feature = "types")]
        types::fuzzing::TARGETS,
        #[cfg(feature = "vision")]
        vision::fuzzing::TARGETS,
    ];
    tables.concat()
}
