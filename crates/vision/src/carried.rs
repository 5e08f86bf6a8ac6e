//! Which things a figure carries.

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
    fn a_thing_as_large_as_its_carrier_is_not_carried() {
        let person = thing(Class::Person, 0.0, 0.0, 60.0, 160.0);
        assert!(carried_by(&person, &[thing(Class::Handbag, 0.0, 5.0, 60.0, 140.0)]).is_empty());
        assert!(carried_by(&thing(Class::Car, 0.0, 0.0, 60.0, 160.0), &[thing(Class::Handbag, 10.0, 50.0, 9.0, 9.0)]).is_empty());
    }
}
