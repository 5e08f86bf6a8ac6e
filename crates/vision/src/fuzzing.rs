//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use crate::{Manifest, Projection};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("projection", projection), ("manifest", manifest)];

/// The file of a projection: what is read is written as it is read again, and has the shape that it says.
fn projection(bytes: &[u8]) {
    let Ok(read) = Projection::read("fuzzed", bytes) else { return };
    assert!(!read.is_empty() && read.len() <= 256);
    let again = Projection::read("written", &read.write());
    assert!(
        again.is_ok_and(|again| again == read && again.digest() == read.digest()),
        "a projection is another when it is written"
    );
}

/// The list of models.
fn manifest(bytes: &[u8]) {
    let _ = std::str::from_utf8(bytes).map(Manifest::parse);
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        // As the one that is built in, with one and two values of two in its two parts.
        let about = crate::About {
            backbone_in: 2,
            backbone_out: 1,
            colour_in: 2,
            colour_out: 2,
            ..Projection::embedded().unwrap().about().clone()
        };
        let about = toml::to_string(&about).unwrap();
        let values = [0.5f32, -0.5, 1.0, 0.0, 0.0, 1.0].map(f32::to_le_bytes).concat();
        let length = u32::try_from(about.len()).unwrap().to_le_bytes();
        let small = [b"sightline appearance projection 1\n", &length[..], about.as_bytes(), &values].concat();
        assert!(Projection::read("small", &small).is_ok());
        let manifest = include_str!("../../../models/manifest.toml").as_bytes();
        let cut = manifest.len().min(2_000);
        super::corpora::hold(TARGETS, &[("projection", "small", small), ("manifest", "begin-of-ours", manifest[..cut].to_vec())]);
    }
}
