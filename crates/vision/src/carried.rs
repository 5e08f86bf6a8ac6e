//! Which things a figure carries.

use std::ops::Range;

use types::{Carried, Class, Described, Detection, Rect};

/// The least score a thing is believed with. Measured with the default detector on clips without any: umbrellas and
/// suitcases appear out of shop fronts, coats and shadows with scores up to 0.34, backpacks and handbags hardly beyond 0.3.
const fn least(word: Carried) -> f32 {
    match word {
        Carried::Backpack | Carried::Handbag => 0.3,
        Carried::Suitcase | Carried::Umbrella => 0.35,
    }
}

/// Whose thing it is is decided by where it is: at the body for bags, over the head for umbrellas, beside the legs for
/// suitcases. The confidence is the detector's, less where the thing hangs out of that place.
pub fn carried_by(person: &Detection, things: &[Detection]) -> Vec<Described<Carried>> {
    if person.class != Class::Person || person.bbox.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Described<Carried>> = Vec::new();
    for thing in things {
        let Some(word) = thing.class.carried().filter(|word| thing.score >= least(*word)) else { continue };
        let place = place(word, &person.bbox);
        let inside = thing.bbox.share_inside(&place);
        // A thing near as large as its carrier is a mistake, unless it is an umbrella.
        let size = thing.bbox.area() / person.bbox.area();
        if inside < 0.5 || size > if word == Carried::Umbrella { 2.5 } else { 0.6 } {
            continue;
        }
        let confidence = (thing.score * inside).clamp(0.0, 1.0);
        match found.iter_mut().find(|d| d.word == word) {
            Some(best) => best.confidence = best.confidence.max(confidence),
            None => found.push(Described::new(word, confidence)),
        }
    }
    found
}

fn place(word: Carried, person: &Rect) -> Rect {
    let Rect { x, y, width: w, height: h } = *person;
    match word {
        Carried::Backpack => Rect::from_corners(x - 0.25 * w, y + 0.05 * h, x + 1.25 * w, y + 0.75 * h),
        Carried::Handbag => Rect::from_corners(x - 0.35 * w, y + 0.1 * h, x + 1.35 * w, y + 0.95 * h),
        Carried::Suitcase => Rect::from_corners(x - 0.8 * w, y + 0.3 * h, x + 1.8 * w, y + 1.1 * h),
        Carried::Umbrella => Rect::from_corners(x - 0.8 * w, y - 0.5 * h, x + 1.8 * w, y + 0.8 * h),
    }
}

/// What a figure carries by close pictures of it: of each its box and the things around it ([`crate::Detector::things`]). One picture
/// is too few: a fold is a bag from one side, and a bag is one from two. The thing that is surest for its kind and place.
pub fn carried_closely(looks: &[(Rect, Vec<Detection>)]) -> Option<Described<Carried>> {
    let two_best = |word: Carried, value: &dyn Fn(f32, f32) -> f32| {
        let best = |(person, things): &(Rect, Vec<Detection>)| {
            let here = things.iter().filter(|t| t.class.carried() == Some(word));
            here.filter_map(|t| Some(value(t.score, least_closely(word, &t.bbox, person)?))).fold(0.0, f32::max)
        };
        let mut values: Vec<f32> = looks.iter().map(best).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values.iter().take(2).sum::<f32>() / 2.0
    };
    let sure = |word: Carried| two_best(word, &|score, least| score / least);
    let told = Carried::ALL.iter().map(|word| (*word, sure(*word))).filter(|(_, sure)| *sure >= 1.0);
    let (word, _) = told.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Described::new(word, two_best(word, &|score, _| score).clamp(0.0, 1.0)))
}

/// So far from the middle of its carrier, as a share of the width, a thing shows beside the body.
const BESIDE: f32 = 0.2;
/// A larger thing at the middle of the body, as a share of the carrier's box, is no bag held before it: a skirt, or the hem of a jacket.
const BEFORE: f32 = 0.1;

/// The least score that a thing is believed with where it is, as the mean of two close pictures; `None` where no such thing is carried, or
/// of no such size. What shows beside the body is seen against what is behind it, so little is enough; before the body clothes look like
/// bags. Set on two rendered towns and held against real pictures (`benches/README.md`).
fn least_closely(word: Carried, thing: &Rect, person: &Rect) -> Option<f32> {
    let (x, y) = thing.centre();
    let (u, v) = ((x - person.x) / person.width, (y - person.y) / person.height);
    let size = thing.area() / person.area();
    let beside = (u - 0.5).abs() >= BESIDE;
    let at = |across: Range<f32>, down: Range<f32>, sizes: Range<f32>| {
        across.contains(&u) && down.contains(&v) && sizes.contains(&size)
    };
    match word {
        Carried::Backpack if beside && at(-0.2..1.2, 0.15..0.5, 0.03..0.3) => Some(0.17),
        Carried::Backpack => at(-0.15..1.15, 0.15..0.6, 0.03..0.5).then_some(0.26),
        Carried::Handbag if !at(-0.35..1.35, 0.3..0.85, 0.008..0.35) => None,
        Carried::Handbag if beside => Some(0.22),
        Carried::Handbag => Some(if size < BEFORE { 0.3 } else { 0.4 }),
        Carried::Suitcase => at(-0.8..1.8, 0.5..1.2, 0.04..0.6).then_some(0.25),
        Carried::Umbrella => at(-0.8..1.8, -0.6..0.45, 0.0..2.5).then_some(0.33),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(class: Class, x: f32, y: f32, w: f32, h: f32) -> Detection {
        Detection { class, score: 0.8, bbox: Rect::new(x, y, w, h) }
    }

    #[test]
    fn a_backpack_belongs_to_the_figure_that_wears_it() {
        let wearer = thing(Class::Person, 100.0, 100.0, 60.0, 160.0);
        let other = thing(Class::Person, 200.0, 100.0, 60.0, 160.0);
        let pack = [thing(Class::Backpack, 140.0, 130.0, 30.0, 45.0)];
        assert_eq!(carried_by(&wearer, &pack)[0].word, Carried::Backpack);
        assert!(carried_by(&other, &pack).is_empty());
    }

    #[test]
    fn a_doubtful_umbrella_is_none() {
        let person = thing(Class::Person, 100.0, 100.0, 60.0, 160.0);
        let seen = |class, score| carried_by(&person, &[Detection { score, ..thing(class, 110.0, 120.0, 30.0, 45.0) }]).len();
        assert_eq!((seen(Class::Umbrella, 0.34), seen(Class::Umbrella, 0.36)), (0, 1));
        assert_eq!((seen(Class::Handbag, 0.28), seen(Class::Handbag, 0.34)), (0, 1));
    }

    #[test]
    fn a_thing_is_told_by_two_close_pictures_and_not_by_one() {
        let person = Rect::new(80.0, 40.0, 90.0, 200.0);
        let bag = |score, class| vec![Detection { score, ..thing(class, 110.0, 80.0, 40.0, 50.0) }];
        let told = |looks: &[Vec<Detection>]| {
            carried_closely(&looks.iter().map(|l| (person, l.clone())).collect::<Vec<_>>()).map(|d| d.word)
        };
        let sure = bag(0.45, Class::Backpack);
        assert_eq!(told(&[sure.clone(), vec![], sure.clone()]), Some(Carried::Backpack));
        assert_eq!(told(&[sure.clone(), vec![], vec![]]), None);
        assert_eq!(told(&[sure]), None);
        assert_eq!(
            told(&[bag(0.45, Class::Umbrella), bag(0.45, Class::Umbrella), bag(0.6, Class::Suitcase)]),
            Some(Carried::Umbrella)
        );
        assert_eq!(told(&[bag(0.2, Class::Backpack), bag(0.2, Class::Backpack)]), None);
        let at_the_feet = vec![Detection { score: 0.9, ..thing(Class::Backpack, 110.0, 210.0, 40.0, 30.0) }];
        assert_eq!(told(&[at_the_feet.clone(), at_the_feet]), None);
    }

    #[test]
    fn beside_the_body_less_is_enough_and_a_skirt_is_no_handbag() {
        let person = Rect::new(80.0, 40.0, 90.0, 200.0);
        let told = |class, score, x, y, w, h| {
            let look = vec![Detection { score, ..thing(class, x, y, w, h) }];
            carried_closely(&[(person, look.clone()), (person, look)]).map(|d| (d.word, (d.confidence * 100.0).round()))
        };
        assert_eq!(told(Class::Backpack, 0.2, 75.0, 80.0, 30.0, 50.0), Some((Carried::Backpack, 20.0)));
        assert_eq!(told(Class::Backpack, 0.2, 110.0, 80.0, 30.0, 50.0), None, "before the body");
        assert_eq!(told(Class::Handbag, 0.25, 65.0, 150.0, 30.0, 30.0), Some((Carried::Handbag, 25.0)));
        assert_eq!(told(Class::Handbag, 0.35, 90.0, 130.0, 70.0, 50.0), None, "a skirt");
        assert_eq!(
            told(Class::Handbag, 0.35, 112.0, 140.0, 30.0, 30.0),
            Some((Carried::Handbag, 35.0)),
            "small, held before the body"
        );
    }

    #[test]
    fn a_thing_as_large_as_its_carrier_is_not_carried() {
        let person = thing(Class::Person, 0.0, 0.0, 60.0, 160.0);
        assert!(carried_by(&person, &[thing(Class::Handbag, 0.0, 5.0, 60.0, 140.0)]).is_empty());
        assert!(carried_by(&thing(Class::Car, 0.0, 0.0, 60.0, 160.0), &[thing(Class::Handbag, 10.0, 50.0, 9.0, 9.0)]).is_empty());
    }
}
