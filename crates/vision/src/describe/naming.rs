//! Pixels to the 11 basic colour terms, by regions of CIE LCh with soft borders.

use types::Colour;

use crate::lab::Lab;

/// What one pixel can be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Name {
    /// A hue, an end of the greys, and grey, with shares that add to 1.
    Colours([(Colour, f32); 3]),
    /// Bare skin of any tone, wood, sand: no word for clothing.
    Skin,
}

pub(super) fn name(pixel: Lab) -> Name {
    let (c, h, l) = (pixel.chroma(), pixel.hue(), pixel.l);
    if skin(l, c, h) {
        return Name::Skin;
    }
    let (end, share) = neutral(l);
    let edge = grey_chroma(l, h);
    // From three fifths of the edge to one and two fifths a pixel is a bit of both.
    let colourful = ((c - 0.6 * edge) / (0.8 * edge)).clamp(0.0, 1.0);
    let grey = 1.0 - colourful;
    Name::Colours([(hue(l, c, h), colourful), (end, grey * share), (Colour::Grey, grey * (1.0 - share))])
}

/// Chroma up to which a pixel has no hue worth a name. Lamps and walls tint cloth yellow and green far more often than red,
/// and most of all in the dark; the sky tints what is pale blue, while jeans and navy are dark. Dark brown has little chroma, but
/// more of it for its lightness than black in a lamp's light.
fn grey_chroma(l: f32, h: f32) -> f32 {
    if (30.0..85.0).contains(&h) && (14.0..45.0).contains(&l) {
        (0.3 * l).max(5.0)
    } else if (45.0..200.0).contains(&h) {
        14.0 + 4.0 * ((40.0 - l) / 40.0).clamp(0.0, 1.0)
    } else if (200.0..310.0).contains(&h) {
        9.0 + 4.0 * ((l - 45.0) / 25.0).clamp(0.0, 1.0)
    } else {
        9.0
    }
}

/// Black or white, with the share that is not grey.
fn neutral(l: f32) -> (Colour, f32) {
    if l < 50.0 {
        (Colour::Black, ((30.0 - l) / 12.0).clamp(0.0, 1.0))
    } else {
        (Colour::White, ((l - 62.0) / 12.0).clamp(0.0, 1.0))
    }
}

/// Pale skin in warm light is as yellow as sand; dark skin is never.
fn skin(l: f32, c: f32, h: f32) -> bool {
    (28.0..88.0).contains(&l) && (12.0..42.0).contains(&c) && (28.0..if l < 55.0 { 74.0 } else { 82.0 }).contains(&h)
}

/// The word for a hue. What tells pink from red and brown from orange in the shade as in the sun is saturation, chroma over
/// lightness: less light takes from both alike.
fn hue(l: f32, c: f32, h: f32) -> Colour {
    let saturation = c / l.max(1.0);
    match h {
        h if !(20.0..345.0).contains(&h) => {
            if saturation < 1.12 || l > 70.0 {
                Colour::Pink
            } else {
                Colour::Red
            }
        }
        h if h < 45.0 => {
            if l > 50.0 && saturation < 0.75 {
                Colour::Pink
            } else if l < 40.0 && saturation < 1.0 {
                Colour::Brown
            } else {
                Colour::Red
            }
        }
        h if h < 72.0 => {
            if l < 42.0 || saturation < 0.8 {
                Colour::Brown
            } else {
                Colour::Orange
            }
        }
        h if h < 105.0 => {
            if l < 45.0 && c < 45.0 {
                Colour::Brown
            } else {
                Colour::Yellow
            }
        }
        h if h < 185.0 => Colour::Green,
        h if h < 307.0 => Colour::Blue,
        h if h < 328.0 => Colour::Purple,
        _ => {
            if l > 60.0 || l > 50.0 && saturation < 0.7 {
                Colour::Pink
            } else {
                Colour::Purple
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lab::lab, linear::linear};

    fn word(rgb: [u8; 3]) -> Option<Colour> {
        match name(lab(linear(rgb))) {
            Name::Skin => None,
            Name::Colours(some) => some.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|s| s.0),
        }
    }

    #[test]
    fn clear_examples_of_each_colour_get_their_word() {
        for (rgb, want) in [
            ([15, 15, 15], Colour::Black),
            ([240, 240, 240], Colour::White),
            ([128, 128, 128], Colour::Grey),
            ([200, 20, 30], Colour::Red),
            ([240, 130, 20], Colour::Orange),
            ([240, 220, 40], Colour::Yellow),
            ([30, 140, 50], Colour::Green),
            ([30, 60, 180], Colour::Blue),
            ([110, 40, 150], Colour::Purple),
            ([245, 150, 190], Colour::Pink),
            ([90, 55, 30], Colour::Brown),
            ([30, 35, 70], Colour::Blue),
        ] {
            assert_eq!(word(rgb), Some(want), "{rgb:?} {:?}", lab(linear(rgb)));
        }
    }

    #[test]
    fn a_colour_keeps_its_word_in_the_shade() {
        for (rgb, want) in [([230, 120, 160], Colour::Pink), ([210, 30, 40], Colour::Red), ([235, 120, 40], Colour::Orange)] {
            for shade in [1.0, 0.85, 0.75] {
                let dimmed = rgb.map(|v: u8| (f32::from(v) * shade) as u8);
                assert_eq!(word(dimmed), Some(want), "{dimmed:?} {:?}", lab(linear(dimmed)));
            }
        }
    }

    #[test]
    fn the_sky_on_a_pale_shirt_is_not_blue_and_navy_is() {
        assert_eq!(word([205, 212, 226]), Some(Colour::White));
        assert_eq!(word([130, 136, 146]), Some(Colour::Grey));
        assert_eq!(word([32, 38, 62]), Some(Colour::Blue));
    }

    #[test]
    fn skin_of_any_tone_has_no_word() {
        for rgb in [[225, 175, 150], [190, 135, 105], [140, 95, 70], [105, 70, 50]] {
            assert_eq!(word(rgb), None, "{rgb:?} {:?}", lab(linear(rgb)));
        }
    }
}
