//! What a redacted crop shows, in the words of the vocabulary. A part the picture can't tell is left unknown.

mod naming;

use redact::RedactedCrop;
use types::{Carried, Class, Colour, Described, Description, Group};

use crate::{
    figure::{Figure, Pixel, pixels},
    lab::{Light, for_each_kept},
    linear::has_colour,
    scene_light::SceneLight,
    silhouette::Silhouette,
};

use naming::{Name, name};

/// How much of the light's colour is taken out before colours are named.
const DISCOUNT: f32 = 0.5;
/// The same, where the light was estimated from whole frames, which is surer.
const SCENE_DISCOUNT: f32 = 0.65;
/// A region with fewer pixels (weighed by how central they are) tells nothing.
const LEAST_PIXELS: f32 = 25.0;
/// Nor does one whose pixels all have the colours of what is around the figure.
const LEAST_FIGURE: f32 = 1.0;
/// Darker than this mean lightness it is night or shadow, and every cat is grey.
const NIGHT: f32 = 12.0;
/// The best word needs this share of the region.
const LEAST_SHARE: f32 = 0.36;
const LEAST_CONFIDENCE: f32 = 0.1;
/// Hips of which more than this has the colour of skin are in cloth of that colour; paler than this no word fits it.
const CLOTH: f32 = 0.6;
const PALE: f32 = 62.0;

/// A part of a box, in shares of its sides.
struct Region {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

/// Trunk and thighs, the parts that clothes cover most often: sleeves and trouser legs may be short.
const UPPER: Region = Region { left: 0.22, top: 0.2, right: 0.78, bottom: 0.48 };
const LOWER: Region = Region { left: 0.25, top: 0.54, right: 0.75, bottom: 0.82 };
const HIPS: Region = Region { left: 0.3, top: 0.47, right: 0.7, bottom: 0.56 };
/// What a long coat leaves free.
const SHINS: Region = Region { left: 0.25, top: 0.68, right: 0.75, bottom: 0.86 };
const BODYWORK: Region = Region { left: 0.12, top: 0.2, right: 0.88, bottom: 0.8 };

/// Colours of the upper and lower clothing and the things carried, for a figure; kind and colour, for a vehicle.
///
/// `seen`: what of this crop is its figure. `light`: of the camera; without it, of a picture that came alone, the crop's own
/// surroundings must do.
pub fn describe(
    crop: &RedactedCrop,
    seen: &Silhouette,
    class: Class,
    carried: &[Described<Carried>],
    light: Option<&SceneLight>,
) -> Description {
    let colourless = light.is_none_or(|scene| scene.colourless) && crop_is_grey(crop);
    let light = match light {
        Some(scene) => Light::of_scene(scene, crop, SCENE_DISCOUNT),
        None => Light::and_exposure(crop, DISCOUNT),
    };
    let (pixels, dark) = (pixels(crop, light, seen), picture_is_dark(crop));
    let colour = |region: &Region, covered: Option<&Region>, figure: &Told| {
        if colourless { None } else { colour(&pixels, region, covered, figure, dark) }
    };
    match class.group() {
        Group::Person => {
            let r = crop.subject();
            // A figure much wider than upright ones is seated, bent or cut: what is at which height is anybody's guess.
            let upright = r.height > 1.4 * r.width;
            let figure = if seen.cover().is_some() { Told::Mask } else { Told::Colours(Figure::new(&pixels)) };
            let upper = colour(&UPPER, None, &figure).filter(|_| r.height > 1.1 * r.width);
            let thighs = colour(&LOWER, Some(&HIPS), &figure).filter(|_| upright);
            Description {
                upper,
                lower: below_a_coat(upper, thighs, || colour(&SHINS, None, &figure)),
                carrying: carried.to_vec(),
                ..Description::default()
            }
        }
        Group::Vehicle => Description {
            vehicle: class.vehicle().map(|kind| Described::new(kind, 1.0)),
            vehicle_colour: colour(&BODYWORK, None, &Told::Not).filter(|_| !matches!(class, Class::Bicycle)),
            ..Description::default()
        },
        Group::Carried => Description::default(),
    }
}

/// A long coat hides the thighs. Where they have its word and the shins another, the lower clothing is what the shins show. Bare
/// shins have no word, so a dress keeps its own.
fn below_a_coat(
    upper: Option<Described<Colour>>,
    thighs: Option<Described<Colour>>,
    shins: impl FnOnce() -> Option<Described<Colour>>,
) -> Option<Described<Colour>> {
    let alike = |other: &Described<Colour>| thighs.is_some_and(|thighs| thighs.word == other.word);
    upper.filter(alike).and_then(|_| shins()).filter(|shins| !alike(shins)).or(thighs)
}

/// How a figure is told from its surroundings.
enum Told {
    /// By its mask.
    Mask,
    /// By colours that the surroundings lack.
    Colours(Figure),
    /// Not at all: of a vehicle.
    Not,
}

/// Less of the mask than this is none of it.
const SURE: f32 = 0.3;

/// The colour most of the region has. Of a figure, bare skin is no colour of clothing, and a region that is mostly skin is unknown,
/// unless what lies in `covered`, a part that is never bare, has that colour too.
fn colour(pixels: &[Pixel], region: &Region, covered: Option<&Region>, figure: &Told, dark: bool) -> Option<Described<Colour>> {
    let mut votes = [0.0f32; Colour::ALL.len()];
    let (mut seen, mut all, mut bare, mut lightness) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for (p, central, weight) in weighed(pixels, region, figure) {
        seen += if matches!(figure, Told::Mask) { weight } else { central };
        all += weight;
        lightness += weight * p.colour.l;
        match name(p.colour) {
            Name::Skin if !matches!(figure, Told::Not) => bare += weight,
            Name::Skin => votes[Colour::Brown.index()] += weight,
            Name::Colours(some) => some.iter().for_each(|(c, share)| votes[c.index()] += weight * share),
        }
    }
    if seen < LEAST_PIXELS || all < LEAST_FIGURE || lightness / all < NIGHT && dark {
        return None;
    }
    // Hips are never bare: cloth there with the colour of skin makes the legs cloth as well.
    if covered.is_some_and(|hips| lightness / all < PALE && skin_share(pixels, hips, figure) > CLOTH) {
        votes[Colour::Brown.index()] += bare;
        bare = 0.0;
    }
    if bare > 0.5 * all {
        return None;
    }
    let best = Colour::ALL.iter().copied().max_by(|a, b| votes[a.index()].total_cmp(&votes[b.index()]))?;
    let share = votes[best.index()] / all;
    // From just enough to nearly all of the region; small regions are less sure.
    let sure = ((share - 0.25) / 0.55).clamp(0.0, 1.0) * (seen / (4.0 * LEAST_PIXELS)).min(1.0).sqrt();
    (share >= LEAST_SHARE && sure > LEAST_CONFIDENCE).then_some(Described::new(best, sure))
}

/// The pixels of a region that are of the figure; how central each is, and how much it counts.
fn weighed<'a>(pixels: &'a [Pixel], region: &'a Region, figure: &'a Told) -> impl Iterator<Item = (&'a Pixel, f32, f32)> {
    let (middle, spread) = ((region.left + region.right) / 2.0, 0.35 * (region.right - region.left));
    let inside = |p: &&Pixel| (region.left..region.right).contains(&p.u) && (region.top..region.bottom).contains(&p.v);
    pixels.iter().filter(inside).filter_map(move |p| {
        let central = (-((p.u - middle) / spread).powi(2) / 2.0).exp();
        let weight = match figure {
            Told::Mask => Some(p.cover).filter(|c| *c >= SURE)?,
            Told::Colours(figure) => central * figure.share(p.colour),
            Told::Not => central,
        };
        Some((p, central, weight))
    })
}

/// How much of a region has the colour of skin.
fn skin_share(pixels: &[Pixel], region: &Region, figure: &Told) -> f32 {
    let (mut skin, mut all) = (0.0f32, 0.0f32);
    for (p, _, weight) in weighed(pixels, region, figure) {
        all += weight;
        skin += if name(p.colour) == Name::Skin { weight } else { 0.0 };
    }
    if matches!(figure, Told::Mask) && all > LEAST_FIGURE { skin / all } else { 0.0 }
}

/// A crop of which less than this share has a colour is grey.
const COLOURED: f32 = 0.01;

/// Whether nothing in the crop has a colour. Black and grey clothes in a grey street are grey too; that the camera sees colours says
/// its light.
fn crop_is_grey(crop: &RedactedCrop) -> bool {
    let (mut coloured, mut count) = (0u32, 0u32);
    for_each_kept(crop, |_, _, rgb| {
        coloured += u32::from(has_colour(rgb));
        count += 1;
    });
    (coloured as f32) < COLOURED * count as f32
}

/// Whether the whole crop is dark, not only the clothes: black trousers by day are black.
fn picture_is_dark(crop: &RedactedCrop) -> bool {
    let (mut sum, mut count) = (0u64, 0u64);
    for_each_kept(crop, |_, _, [r, g, b]| {
        sum += u64::from(r) + u64::from(g) + u64::from(b);
        count += 3;
    });
    count == 0 || sum / count < 30
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redact::{FaceFinder, FaceFinderError, FoundFace, Subject, redact};
    use types::{RawCrop, Rect, Size};

    use super::*;

    struct NoFaces;

    impl FaceFinder for NoFaces {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Ok(Vec::new())
        }
    }

    const SIZE: Size = Size { width: 72, height: 168 };
    const WALL: [u8; 3] = [150, 148, 140];

    /// Somebody before a wall, in one light, shaded from left to right.
    fn figure(upper: [u8; 3], lower: [u8; 3], light: [f32; 3]) -> RedactedCrop {
        dressed(upper, 84, lower, light)
    }

    /// The same, with the upper clothing down to this row.
    fn dressed(upper: [u8; 3], hem: i32, lower: [u8; 3], light: [f32; 3]) -> RedactedCrop {
        let mut rgb = Vec::new();
        for y in 0..SIZE.height as i32 {
            for x in 0..SIZE.width as i32 {
                let cloth = (x - 36).abs() < 17 && (14..154).contains(&y);
                let of = if !cloth {
                    WALL
                } else if y < hem {
                    upper
                } else {
                    lower
                };
                let shade = if cloth { 0.8 + 0.2 * (x - 19) as f32 / 34.0 } else { 1.0 };
                rgb.extend((0..3).map(|i| (f32::from(of[i]) * shade * light[i]).min(255.0) as u8));
            }
        }
        let raw = RawCrop::new(rgb, SIZE, (0, 0)).unwrap();
        let subject = Subject { class: Class::Person, bbox: Rect::new(6.0, 14.0, 60.0, 140.0), people: Vec::new() };
        redact(raw, &subject, &mut NoFaces).unwrap()
    }

    /// What a camera in this light would say of grey walls.
    fn scene(light: [f32; 3]) -> Option<SceneLight> {
        SceneLight::of((0..4000).map(|i| light.map(|t| (t * (60 + i % 120) as f32) as u8)))
    }

    fn words(crop: &RedactedCrop, light: [f32; 3]) -> (Option<Colour>, Option<Colour>) {
        let said = describe(crop, &Silhouette::unknown(), Class::Person, &[], scene(light).as_ref());
        (said.upper.map(|d| d.word), said.lower.map(|d| d.word))
    }

    #[test]
    fn clothes_keep_their_words_in_the_light_of_lamps_and_of_the_sky() {
        for light in [[1.0, 1.0, 1.0], [1.15, 1.0, 0.78], [0.9, 1.0, 1.15], [0.7, 0.7, 0.7]] {
            for (upper, lower, said) in [
                ([200, 25, 35], [20, 20, 22], (Colour::Red, Colour::Black)),
                ([235, 235, 232], [55, 75, 120], (Colour::White, Colour::Blue)),
                ([45, 120, 60], [20, 20, 22], (Colour::Green, Colour::Black)),
            ] {
                let seen = words(&figure(upper, lower, light), light);
                assert_eq!(seen, (Some(said.0), Some(said.1)), "{upper:?} {lower:?} in {light:?}");
            }
        }
    }

    #[test]
    fn below_a_long_coat_the_shins_tell_the_lower_clothing_and_a_dress_over_bare_legs_keeps_its_word() {
        let day = [1.0; 3];
        let told = |lower| words(&dressed([220, 190, 60], 114, lower, day), day);
        assert_eq!(told([235, 235, 232]), (Some(Colour::Yellow), Some(Colour::White)));
        assert_eq!(told([20, 20, 22]), (Some(Colour::Yellow), Some(Colour::Black)));
        assert_eq!(told([190, 135, 105]), (Some(Colour::Yellow), Some(Colour::Yellow)));
    }

    #[test]
    fn bare_skin_and_darkness_are_unknown() {
        for skin in [[225, 180, 155], [190, 135, 105], [140, 95, 70]] {
            assert_eq!(words(&figure(skin, skin, [1.0; 3]), [1.0; 3]), (None, None), "{skin:?}");
        }
        assert_eq!(words(&figure([12, 14, 12], [14, 12, 12], [0.12; 3]), [0.12; 3]), (None, None));
    }

    #[test]
    fn a_picture_without_colour_has_no_colours_and_grey_clothes_before_a_camera_that_sees_colours_have() {
        let crop = figure([20, 20, 22], [120, 120, 122], [1.0; 3]);
        let told = |light: Option<SceneLight>| {
            let said = describe(&crop, &Silhouette::unknown(), Class::Person, &[], light.as_ref());
            (said.upper.map(|d| d.word), said.lower.map(|d| d.word))
        };
        let grey = SceneLight::of((0..4000).map(|i| [(60 + i % 120) as u8; 3]));
        assert_eq!(told(grey), (None, None));
        assert_eq!(told(None), (None, None), "alone");
        assert_eq!(told(scene([1.2, 1.0, 0.9])).0, Some(Colour::Black));
        let vehicle = describe(&crop, &Silhouette::unknown(), Class::Car, &[], grey.as_ref());
        assert!(vehicle.vehicle_colour.is_none() && vehicle.vehicle.is_some());
    }

    #[test]
    fn who_is_bent_or_cut_has_no_lower_clothing() {
        let raw = RawCrop::new([200, 25, 35].repeat(100 * 90), Size { width: 100, height: 90 }, (0, 0)).unwrap();
        let subject = Subject { class: Class::Person, bbox: Rect::new(5.0, 5.0, 90.0, 80.0), people: Vec::new() };
        let said = describe(&redact(raw, &subject, &mut NoFaces).unwrap(), &Silhouette::unknown(), Class::Person, &[], None);
        assert_eq!((said.upper, said.lower), (None, None));
    }

    proptest! {
        #[test]
        fn a_confidence_is_a_share_whatever_is_seen(
            upper in any::<[u8; 3]>(), lower in any::<[u8; 3]>(), light in [0f32..2.0, 0f32..2.0, 0f32..2.0],
        ) {
            let crop = figure(upper, lower, light);
            for class in [Class::Person, Class::Car, Class::Backpack] {
                let said = describe(&crop, &Silhouette::unknown(), class, &[], scene(light).as_ref());
                for d in [said.upper, said.lower, said.vehicle_colour].into_iter().flatten() {
                    prop_assert!((0.0..=1.0).contains(&d.confidence));
                }
            }
        }
    }
}
