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

/// The least score of a thing in close pictures, the mean of the two best. Set on two rendered towns (`benches/README.md`).
const fn least_closely(word: Carried) -> f32 {
    match word {
        Carried::Backpack | Carried::Suitcase => 0.28,
        Carried::Handbag => 0.27,
        Carried::Umbrella => 0.33,
    }
}

/// What a figure carries by close pictures of it: of each its box and the things around it ([`crate::Detector::things`]). One picture
/// is too few: a fold is a bag from one side, and a bag is one from two. The thing that is surest for its kind.
pub fn carried_closely(looks: &[(Rect, Vec<Detection>)]) -> Option<Described<Carried>> {
    let sure = |word: &Carried| {
        let best = |(person, things): &(Rect, Vec<Detection>)| {
            let here = things.iter().filter(|t| t.class.carried() == Some(*word) && is_worn(*word, &t.bbox, person));
            here.map(|t| t.score).fold(0.0, f32::max)
        };
        let mut scores: Vec<f32> = looks.iter().map(best).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.iter().take(2).sum::<f32>() / 2.0
    };
    let told = Carried::ALL.iter().map(|word| (*word, sure(word))).filter(|(word, score)| *score >= least_closely(*word));
    let best = told.max_by(|a, b| (a.1 / least_closely(a.0)).total_cmp(&(b.1 / least_closely(b.0))))?;
    Some(Described::new(best.0, best.1.clamp(0.0, 1.0)))
}

/// Whether a thing is where such a thing is carried, and neither too large nor too small for it.
fn is_worn(word: Carried, thing: &Rect, person: &Rect) -> bool {
    let (x, y) = thing.centre();
    let (u, v) = ((x - person.x) / person.width, (y - person.y) / person.height);
    let size = thing.area() / person.area();
    let (across, down, sizes) = match word {
        Carried::Backpack => (-0.15..1.15, 0.15..0.6, 0.03..0.5),
        Carried::Handbag => (-0.35..1.35, 0.25..0.85, 0.008..0.35),
        Carried::Suitcase => (-0.8..1.8, 0.5..1.2, 0.04..0.6),
        Carried::Umbrella => (-0.8..1.8, -0.6..0.45, 0.0..2.5),
    };
    across.contains(&u) && down.contains(&v) && sizes.contains(&size)
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
        let at_the_feet = vec![Detection { score: 0.9, ..thing(Class::Backpack, 110.0, 210.0, 40.0, 30.0) }];
        assert_eq!(told(&[at_the_feet.clone(), at_the_feet]), None);
    }

    #[test]
    fn a_thing_as_large_as_its_carrier_is_not_carried() {
        let person = thing(Class::Person, 0.0, 0.0, 60.0, 160.0);
        assert!(carried_by(&person, &[thing(Class::Handbag, 0.0, 5.0, 60.0, 140.0)]).is_empty());
        assert!(carried_by(&thing(Class::Car, 0.0, 0.0, 60.0, 160.0), &[thing(Class::Handbag, 10.0, 50.0, 9.0, 9.0)]).is_empty());
    }
}
