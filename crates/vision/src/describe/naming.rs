//! Pixels to the 11 basic colour terms, by regions of CIE LCh with soft borders.

use types::Colour;

use crate::lab::Lab;

/// What one pixel can be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Name {
    /// Up to two words and their shares, which add to 1.
    Colours([(Colour, f32); 2]),
    /// Bare skin of any tone, wood, sand: no word for clothing.
    Skin,
}

/// Chroma up to which a pixel has no hue worth a name. Lamps and walls tint cloth yellow and green far more often than
/// blue or red, and most of all in the dark; jeans and navy have little chroma and are blue all the same.
fn grey_chroma(l: f32, h: f32) -> f32 {
    let tinted = (45.0..200.0).contains(&h);
    let dark = ((40.0 - l) / 40.0).clamp(0.0, 1.0);
    if tinted {
        14.0 + 4.0 * dark
    } else if (200.0..310.0).contains(&h) {
        6.5
    } else {
        9.0
    }
}

pub(super) fn name(pixel: Lab) -> Name {
    let (c, h, l) = (pixel.chroma(), pixel.hue(), pixel.l);
    if skin(l, c, h) {
        return Name::Skin;
    }
    let neutral = neutral(l);
    let edge = grey_chroma(l, h);
    // From half the edge to one and a half a pixel is a bit of both.
    let colourful = ((c - 0.6 * edge) / (0.8 * edge)).clamp(0.0, 1.0);
    if colourful == 0.0 {
        return Name::Colours([neutral, (Colour::Grey, 1.0 - neutral.1)]);
    }
    let hue = chromatic(l, c, h);
    Name::Colours([(hue, colourful), (neutral.0, 1.0 - colourful)])
}

/// Black, grey or white, with the share that is not grey.
fn neutral(l: f32) -> (Colour, f32) {
    if l < 50.0 {
        (Colour::Black, ((30.0 - l) / 12.0).clamp(0.0, 1.0))
    } else {
        (Colour::White, ((l - 66.0) / 12.0).clamp(0.0, 1.0))
    }
}

fn skin(l: f32, c: f32, h: f32) -> bool {
    (28.0..88.0).contains(&l) && (12.0..42.0).contains(&c) && (28.0..82.0).contains(&h)
}

fn chromatic(l: f32, c: f32, h: f32) -> Colour {
    match h {
        h if !(20.0..345.0).contains(&h) => {
            if l > 62.0 || (c < 32.0 && l > 45.0) {
                Colour::Pink
            } else {
                Colour::Red
            }
        }
        h if h < 45.0 => {
            if l > 68.0 && c < 45.0 {
                Colour::Pink
            } else if l < 32.0 && c < 35.0 {
                Colour::Brown
            } else {
                Colour::Red
            }
        }
        h if h < 72.0 => {
            if l < 48.0 || c < 38.0 {
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
            if l > 60.0 {
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
    use crate::lab::{lab, linear};

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
    fn skin_of_any_tone_has_no_word() {
        for rgb in [[225, 175, 150], [190, 135, 105], [140, 95, 70], [105, 70, 50]] {
            assert_eq!(word(rgb), None, "{rgb:?} {:?}", lab(linear(rgb)));
        }
    }
}
