//! How well a sighting fits, as numbers between 0 and 1.
//!
//! - **Words**: the share of the named words that the sighting bears, each weighed by how sure the description is of it.
//!   Asked "white above, blue below" and seen white (0.9) above and black below: 0.45.
//! - **Likeness**: the cosine similarity to the example, which means little by itself (two strangers may have 0.6), on a
//!   scale where a stranger rarely reaches 0.5: a logistic curve, see [`likeness`]. Other things carried take a little away, see
//!   [`with_things`].
//! - **Both asked**: their mean. Neither can drown the other: words that do not fit at all cap a hit at 0.5, and so does an
//!   example it does not resemble.
//!
//! All three grow with what they are made of, which is what lets [`crate::Searcher`] stop early and still be exact.
//! No score is a probability that it is the same person.

use types::{Carried, Described, Description, DescriptionQuery};

use crate::Matched;

/// The middle of the scale. Set from what pairs of different figures on different cameras get with embedder recipe 7 (passes of
/// two rendered towns: medians 0.65 and 0.61, one in twenty above 0.89 and 0.87; pairs of one figure: medians 0.95 and
/// 0.94), so that a stranger rarely reaches 0.5 and who is dressed alike may. To be set anew with another embedder; the order of
/// hits does not depend on it where an example is asked alone.
const EVEN: f32 = 0.87;
/// How fast the likeness goes from one end to the other.
const WIDTH: f32 = 0.05;

/// The cosine similarity of two appearance vectors as a likeness: 0.5 at 0.87, 0.005 at 0.6, 0.93 at 1. Not a number:
/// no likeness.
pub fn likeness(cosine: f32) -> f32 {
    if cosine.is_nan() { 0.0 } else { 1.0 / (1.0 + ((EVEN - cosine) / WIDTH).exp()) }
}

/// What it takes away, as a cosine, where one carries a thing and the other carries none such. Who is dressed alike differs by
/// what is carried, and by little else that is seen; a bag can be put down and is often not told, so it takes little away.
const OTHER_THINGS: f32 = 0.02;

/// The cosine of somebody to an example, a little less where they carry other things; never more.
pub fn with_things(cosine: f32, example: &[Described<Carried>], seen: &[Described<Carried>]) -> f32 {
    let some = !example.is_empty() || !seen.is_empty();
    let shared = example.iter().any(|d| seen.iter().any(|s| s.word == d.word));
    if some && !shared { cosine - OTHER_THINGS } else { cosine }
}

/// The share of the words of `query` that `seen` bears, weighed by confidence; `None` if it names none.
pub fn words(query: &DescriptionQuery, seen: &Description) -> Option<f32> {
    if query.parts().is_empty() {
        return None;
    }
    Some(query.to_vector().iter().zip(seen.to_vector()).map(|(q, s)| q * s).sum())
}

/// What the ranking goes by. A query that names a class alone is fully met by every sighting of that class.
pub fn fuse(words: Option<f32>, likeness: Option<f32>) -> f32 {
    match (words, likeness) {
        (Some(w), Some(l)) => (w + l) / 2.0,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 1.0,
    }
}

/// The words of `query` that `seen` bears.
pub fn why(query: &DescriptionQuery, seen: &Description) -> Vec<Matched> {
    let mut why = Vec::new();
    why.extend(seen.upper.filter(|d| query.upper == Some(d.word)).map(Matched::Upper));
    why.extend(seen.lower.filter(|d| query.lower == Some(d.word)).map(Matched::Lower));
    why.extend(seen.carrying.iter().filter(|d| query.carrying.contains(&d.word)).copied().map(Matched::Carrying));
    why.extend(seen.vehicle_colour.filter(|d| query.vehicle_colour == Some(d.word)).map(Matched::VehicleColour));
    why.extend(seen.stature.filter(|d| query.stature == Some(d.word)).map(Matched::Stature));
    why
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Colour;

    use super::*;

    #[test]
    fn words_are_a_share_weighed_by_confidence_and_say_why() {
        let query = DescriptionQuery { upper: Some(Colour::White), lower: Some(Colour::Blue), ..Default::default() };
        let seen = Description {
            upper: Some(Described::new(Colour::White, 0.9)),
            lower: Some(Described::new(Colour::Black, 1.0)),
            carrying: vec![Described::new(Carried::Backpack, 1.0)],
            ..Default::default()
        };
        assert!((words(&query, &seen).unwrap() - 0.45).abs() < 1e-6);
        assert_eq!(why(&query, &seen), [Matched::Upper(Described::new(Colour::White, 0.9))]);
        assert_eq!(words(&DescriptionQuery::default(), &seen), None);
    }

    #[test]
    fn the_likeness_has_the_documented_values() {
        for (cosine, wanted) in [(0.87, 0.5), (0.6, 0.005), (1.0, 0.931), (-1.0, 0.0), (f32::NAN, 0.0)] {
            assert!((likeness(cosine) - wanted).abs() < 0.005, "{cosine}: {}", likeness(cosine));
        }
    }

    #[test]
    fn other_things_carried_take_a_little_away_and_the_same_or_none_nothing() {
        let bags = |words: &[Carried]| words.iter().map(|w| Described::new(*w, 0.4)).collect::<Vec<_>>();
        let (pack, both) = (bags(&[Carried::Backpack]), bags(&[Carried::Umbrella, Carried::Backpack]));
        for (example, seen, less) in
            [(&pack, &both, false), (&bags(&[]), &bags(&[]), false), (&pack, &bags(&[]), true), (&bags(&[]), &pack, true)]
        {
            let told = with_things(0.9, example, seen);
            assert!(if less { told < 0.9 && told > 0.85 } else { told >= 0.9 }, "{example:?} {seen:?} {told}");
        }
    }

    proptest! {
        /// Stopping early rests on this.
        #[test]
        fn a_better_part_never_makes_a_worse_whole(w in 0f32..1.0, c in -1f32..1.0, more in 0f32..1.0) {
            prop_assert!(likeness((c + more).min(1.0)) >= likeness(c));
            let l = Some(likeness(c));
            prop_assert!(fuse(Some(w + more), l) >= fuse(Some(w), l));
            prop_assert!(fuse(Some(w), Some(likeness(c + more))) >= fuse(Some(w), l));
            prop_assert!((0.0..=1.0).contains(&fuse(Some(w), l)));
        }
    }
}
