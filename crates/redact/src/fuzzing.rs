//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use crate::RedactedCrop;

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("crop", crop)];

/// A crop that somebody else sent or stored: what is read is ours, no larger than ours, and is written as it is read again.
fn crop(bytes: &[u8]) {
    let ours = RedactedCrop::is_ours(bytes);
    let Ok(crop) = RedactedCrop::decode(bytes) else { return };
    assert!(ours, "only what looks like ours is read");
    let size = crop.size();
    assert!(size.width <= 256 && size.height <= 256 && crop.rgb().len() == size.width as usize * size.height as usize * 3);
    let written = crop.encode();
    assert!(RedactedCrop::is_ours(&written), "what is written is ours");
    match RedactedCrop::decode(&written) {
        Ok(again) => assert_eq!((again.size(), again.erased()), (size, crop.erased())),
        Err(error) => panic!("what was written is not read: {error}"),
    }
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use types::{Rect, Size};

    use super::*;

    fn written(size: Size, erased: Vec<Rect>) -> Vec<u8> {
        let rgb = (0..size.width * size.height * 3).map(|n| (n * 7 % 251) as u8).collect();
        let subject = Rect::new(1.0, 2.5, 4.0, 4.0).clip(size);
        RedactedCrop { size, rgb, erased, subject }.encode()
    }

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let small = written(Size { width: 16, height: 24 }, vec![Rect::new(2.0, 2.0, 8.0, 8.0)]);
        let fractions =
            written(Size { width: 9, height: 7 }, vec![Rect::new(0.25, 0.5, 3.125, 3.0), Rect::new(4.0, 4.0, 5.0, 3.0)]);
        let none = written(Size { width: 1, height: 1 }, vec![]);
        let mut twice = small.clone();
        twice.extend(&none);
        super::corpora::hold(
            TARGETS,
            &[
                ("crop", "small", small),
                ("crop", "fractions", fractions),
                ("crop", "one-pixel", none),
                ("crop", "two-pictures", twice),
            ],
        );
    }
}
