//! What a redacted crop shows, in the words of the vocabulary. A part the picture can't tell is left unknown.

mod naming;

use redact::RedactedCrop;
use types::{Carried, Class, Colour, Described, Description, Group, Rect};

use crate::{
    lab::{Light, for_each_kept},
    scene_light::SceneLight,
};

use naming::{Name, name};

/// How much of the light's colour is taken out before colours are named.
const DISCOUNT: f32 = 0.5;
/// The same, where the light was estimated from whole frames, which is surer.
const SCENE_DISCOUNT: f32 = 0.8;
/// A region with fewer pixels (weighed by how central they are) tells nothing.
const LEAST_PIXELS: f32 = 25.0;
/// Darker than this mean lightness it is night or shadow, and every cat is grey.
const NIGHT: f32 = 12.0;
/// The best word needs this share of the region.
const LEAST_SHARE: f32 = 0.4;

/// Colours of the upper and lower clothing and the things carried, for a figure; kind and colour, for a vehicle.
///
/// `light`: of the camera; without it, of a picture that came alone, the crop's own surroundings must do.
pub fn describe(crop: &RedactedCrop, class: Class, carried: &[Described<Carried>], light: Option<&SceneLight>) -> Description {
    let light = match light {
        Some(scene) => Light::of_scene(scene, crop, SCENE_DISCOUNT),
        None => Light::and_exposure(crop, DISCOUNT),
    };
    let r = crop.subject();
    let part = |left: f32, top: f32, right: f32, bottom: f32| {
        Rect::from_corners(r.x + left * r.width, r.y + top * r.height, r.x + right * r.width, r.y + bottom * r.height)
    };
    match class.group() {
        Group::Person => {
            // A figure much wider than upright ones is seated, bent or cut: what is at which height is anybody's guess.
            let upright = r.height > 1.4 * r.width;
            Description {
                upper: colour(crop, light, &part(0.22, 0.2, 0.78, 0.48), true).filter(|_| r.height > 1.1 * r.width),
                lower: colour(crop, light, &part(0.25, 0.56, 0.75, 0.85), true).filter(|_| upright),
                carrying: carried.to_vec(),
                ..Description::default()
            }
        }
        Group::Vehicle => Description {
            vehicle: class.vehicle().map(|kind| Described::new(kind, 1.0)),
            vehicle_colour: colour(crop, light, &part(0.12, 0.2, 0.88, 0.8), false).filter(|_| !matches!(class, Class::Bicycle)),
            ..Description::default()
        },
        Group::Carried => Description::default(),
    }
}

/// The colour most of the region has. With `skin`, bare skin is no colour of clothing, and a region that is mostly skin is
/// unknown.
fn colour(crop: &RedactedCrop, light: Light, region: &Rect, skin: bool) -> Option<Described<Colour>> {
    let mut votes = [0.0f32; Colour::ALL.len()];
    let (mut all, mut bare, mut lightness) = (0.0f32, 0.0f32, 0.0f32);
    let (cx, _) = region.centre();
    for_each_kept(crop, |x, y, rgb| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        if x < region.x || x >= region.right() || y < region.y || y >= region.bottom() {
            return;
        }
        let weight = (-((x - cx) / (0.35 * region.width)).powi(2) / 2.0).exp();
        let pixel = light.apply(rgb);
        all += weight;
        lightness += weight * pixel.l;
        match name(pixel) {
            Name::Skin if skin => bare += weight,
            Name::Skin => votes[Colour::Brown.index()] += weight,
            Name::Colours(some) => some.iter().for_each(|(c, share)| votes[c.index()] += weight * share),
        }
    });
    if all < LEAST_PIXELS || lightness / all < NIGHT && picture_is_dark(crop) || bare > 0.5 * all {
        return None;
    }
    let best = Colour::ALL.iter().copied().max_by(|a, b| votes[a.index()].total_cmp(&votes[b.index()]))?;
    let share = votes[best.index()] / all;
    // From just enough to nearly all of the region; small regions are less sure.
    let sure = ((share - 0.25) / 0.55).clamp(0.0, 1.0) * (all / (4.0 * LEAST_PIXELS)).min(1.0).sqrt();
    (share >= LEAST_SHARE && sure > 0.15).then_some(Described::new(best, sure))
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
