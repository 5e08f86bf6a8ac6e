use serde::{Deserialize, Serialize};

use crate::{Carried, Class, Colour, Stature, VehicleKind};

/// A word with how sure we are of it, 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Described<T> {
    /// From the closed vocabulary.
    pub word: T,
    /// From 0, a guess, to 1.
    pub confidence: f32,
}

impl<T> Described<T> {
    /// A word and how sure we are of it, 0..1.
    pub const fn new(word: T, confidence: f32) -> Self {
        Self { word, confidence }
    }
}

/// What a figure wears and carries, or what a vehicle is. A part that is `None` is unknown: the picture can't tell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// Colour of what the upper half of the body wears.
    pub upper: Option<Described<Colour>>,
    /// Colour of what the lower half of the body wears.
    pub lower: Option<Described<Colour>>,
    /// What the figure carries; each thing once.
    pub carrying: Vec<Described<Carried>>,
    /// What kind of vehicle it is.
    pub vehicle: Option<Described<VehicleKind>>,
    /// Colour of the bodywork.
    pub vehicle_colour: Option<Described<Colour>>,
    /// Height relative to the others in its scene. Shown and searched in missing-person cases alone.
    pub stature: Option<Described<Stature>>,
}

/// The parts of a description that a query can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryPart {
    /// [`Description::upper`].
    Upper,
    /// [`Description::lower`].
    Lower,
    /// [`Description::carrying`].
    Carrying,
    /// [`Description::vehicle_colour`].
    VehicleColour,
    /// [`Description::stature`].
    Stature,
}

impl QueryPart {
    /// Every part, in the order in which they are listed to people.
    pub const ALL: [Self; 5] = [Self::Upper, Self::Lower, Self::Carrying, Self::VehicleColour, Self::Stature];

    /// The stable word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Lower => "lower",
            Self::Carrying => "carrying",
            Self::VehicleColour => "vehicle_colour",
            Self::Stature => "stature",
        }
    }

    /// The part with this word, as [`Self::as_str`] writes it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == word)
    }
}

/// What to look for, in the words of the vocabulary. Empty parts are not asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescriptionQuery {
    /// `None` looks at every class.
    pub class: Option<Class>,
    /// Colour of what the upper half of the body wears.
    pub upper: Option<Colour>,
    /// Colour of what the lower half of the body wears.
    pub lower: Option<Colour>,
    /// Things that the figure carries, each asked by itself.
    pub carrying: Vec<Carried>,
    /// Colour of the bodywork.
    pub vehicle_colour: Option<Colour>,
    /// Relative height. Refused outside missing-person cases.
    pub stature: Option<Stature>,
}

impl DescriptionQuery {
    /// The parts named, in a fixed order; `class` filters and is not a part.
    pub fn parts(&self) -> Vec<QueryPart> {
        [
            (self.upper.is_some(), QueryPart::Upper),
            (self.lower.is_some(), QueryPart::Lower),
            (!self.carrying.is_empty(), QueryPart::Carrying),
            (self.vehicle_colour.is_some(), QueryPart::VehicleColour),
            (self.stature.is_some(), QueryPart::Stature),
        ]
        .into_iter()
        .filter_map(|(named, part)| named.then_some(part))
        .collect()
    }
}

/// Layout of the dense description vector: one slot a word of each part, in this order.
mod slots {
    use super::{Carried, Colour, Stature};

    pub(super) const UPPER: usize = 0;
    pub(super) const LOWER: usize = UPPER + Colour::ALL.len();
    pub(super) const VEHICLE_COLOUR: usize = LOWER + Colour::ALL.len();
    pub(super) const CARRYING: usize = VEHICLE_COLOUR + Colour::ALL.len();
    pub(super) const STATURE: usize = CARRYING + Carried::ALL.len();
    pub(super) const LEN: usize = STATURE + Stature::ALL.len();
}

impl Description {
    /// Length of [`Self::to_vector`] and [`DescriptionQuery::to_vector`].
    pub const VECTOR_LEN: usize = slots::LEN;

    /// Whether every colour is unknown.
    pub fn has_no_colour(&self) -> bool {
        self.upper.is_none() && self.lower.is_none() && self.vehicle_colour.is_none()
    }

    /// A vector with this in the slot of every colour, 0 for the rest.
    pub fn every_colour(value: f32) -> Vec<f32> {
        let colours = slots::UPPER..slots::CARRYING;
        (0..slots::LEN).map(|slot| if colours.contains(&slot) { value } else { 0.0 }).collect()
    }

    /// The confidence of every word in its slot, 0 for the rest. The dot product with a query's vector is the share of
    /// the named words that match, weighed by confidence.
    pub fn to_vector(&self) -> Vec<f32> {
        let mut v = vec![0.0; slots::LEN];
        let mut set = |base: usize, index: usize, confidence: f32| v[base + index] = confidence.clamp(0.0, 1.0);
        for (base, part) in [(slots::UPPER, self.upper), (slots::LOWER, self.lower), (slots::VEHICLE_COLOUR, self.vehicle_colour)]
        {
            if let Some(d) = part {
                set(base, d.word.index(), d.confidence);
            }
        }
        for d in &self.carrying {
            set(slots::CARRYING, d.word.index(), d.confidence);
        }
        if let Some(d) = self.stature {
            set(slots::STATURE, d.word.index(), d.confidence);
        }
        v
    }
}

impl DescriptionQuery {
    /// Each named word weighs the same and the weights add to 1, so that a score is a share; all 0 if no part is named.
    pub fn to_vector(&self) -> Vec<f32> {
        let mut v = vec![0.0; slots::LEN];
        let mut named = Vec::new();
        for (base, word) in [(slots::UPPER, self.upper), (slots::LOWER, self.lower), (slots::VEHICLE_COLOUR, self.vehicle_colour)]
        {
            named.extend(word.map(|w| base + w.index()));
        }
        named.extend(self.carrying.iter().map(|w| slots::CARRYING + w.index()));
        named.extend(self.stature.map(|w| slots::STATURE + w.index()));
        named.sort_unstable();
        named.dedup();
        for &slot in &named {
            v[slot] = 1.0 / named.len() as f32;
        }
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_share_of_named_words_that_match() {
        let seen = Description {
            upper: Some(Described::new(Colour::White, 1.0)),
            lower: Some(Described::new(Colour::Blue, 0.5)),
            carrying: vec![Described::new(Carried::Backpack, 1.0)],
            ..Description::default()
        };
        let asked = DescriptionQuery {
            upper: Some(Colour::White),
            lower: Some(Colour::Blue),
            carrying: vec![Carried::Backpack, Carried::Umbrella],
            ..DescriptionQuery::default()
        };
        let score: f32 = seen.to_vector().iter().zip(asked.to_vector()).map(|(a, b)| a * b).sum();
        assert!((score - 2.5 / 4.0).abs() < 1e-6, "{score}");
    }

    #[test]
    fn no_two_words_share_a_slot() {
        let mut used = std::collections::HashSet::new();
        let one = |d: Description| d.to_vector().iter().position(|&v| v > 0.0).unwrap();
        for &c in Colour::ALL {
            let word = Some(Described::new(c, 1.0));
            assert!(used.insert(one(Description { upper: word, ..Description::default() })));
            assert!(used.insert(one(Description { lower: word, ..Description::default() })));
            assert!(used.insert(one(Description { vehicle_colour: word, ..Description::default() })));
        }
        for &c in Carried::ALL {
            assert!(used.insert(one(Description { carrying: vec![Described::new(c, 1.0)], ..Description::default() })));
        }
        for &s in Stature::ALL {
            assert!(used.insert(one(Description { stature: Some(Described::new(s, 1.0)), ..Description::default() })));
        }
        assert_eq!(used.len(), Description::VECTOR_LEN);
    }
}
