//! The closed vocabulary: everything that can be said of a figure or a vehicle, and so everything that can be asked.
//! There is no word for skin, hair, age, sex, ethnicity or religion, and no free text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A word outside the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {kind}; the words are {words}")]
pub struct UnknownWord {
    /// What it should be one of, such as "colour".
    pub kind: &'static str,
    /// The word, cut to 40 characters.
    pub word: String,
    /// The words there are, with commas between.
    pub words: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $(#[doc = concat!("Written `", $word, "`.")] $(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is written in commands, messages and columns.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|w| w.as_str() == word).ok_or_else(|| UnknownWord {
                    kind: $kind,
                    word: word.chars().take(40).collect(),
                    words: [$($word),+].join(", "),
                })
            }
        }
    };
}

words!(
    /// What the detector looks for; every other class of its training set is masked before the best one is chosen.
    Class, "class", {
        Person = "person",
        Bicycle = "bicycle",
        Car = "car",
        Motorcycle = "motorcycle",
        Bus = "bus",
        Truck = "truck",
        Backpack = "backpack",
        Umbrella = "umbrella",
        Handbag = "handbag",
        Suitcase = "suitcase",
    }
);

words!(
    /// What classes have in common.
    Group, "group", { Person = "person", Vehicle = "vehicle", Carried = "carried" }
);

words!(
    /// The 11 basic colour terms (Berlin and Kay, 1969). "Unknown" is the absence of a colour.
    Colour, "colour", {
        Black = "black",
        White = "white",
        Grey = "grey",
        Red = "red",
        Orange = "orange",
        Yellow = "yellow",
        Green = "green",
        Blue = "blue",
        Purple = "purple",
        Pink = "pink",
        Brown = "brown",
    }
);

words!(
    /// A thing carried by a person.
    Carried, "carried thing", { Backpack = "backpack", Umbrella = "umbrella", Handbag = "handbag", Suitcase = "suitcase" }
);

words!(
    /// What kind of vehicle.
    VehicleKind, "vehicle kind", {
        Bicycle = "bicycle",
        Car = "car",
        Motorcycle = "motorcycle",
        Bus = "bus",
        Truck = "truck",
    }
);

words!(
    /// Height of a figure relative to the others in its scene. Searchable in missing-person cases alone.
    Stature, "stature", { Small = "small", Medium = "medium", Tall = "tall" }
);

impl Class {
    /// Whether it is a person, a vehicle or something carried.
    pub const fn group(self) -> Group {
        match self {
            Self::Person => Group::Person,
            Self::Bicycle | Self::Car | Self::Motorcycle | Self::Bus | Self::Truck => Group::Vehicle,
            Self::Backpack | Self::Umbrella | Self::Handbag | Self::Suitcase => Group::Carried,
        }
    }

    /// Index in the 80 classes of COCO, in the order detectors are trained with.
    pub const fn coco80(self) -> usize {
        match self {
            Self::Person => 0,
            Self::Bicycle => 1,
            Self::Car => 2,
            Self::Motorcycle => 3,
            Self::Bus => 5,
            Self::Truck => 7,
            Self::Backpack => 24,
            Self::Umbrella => 25,
            Self::Handbag => 26,
            Self::Suitcase => 28,
        }
    }

    /// The same as a thing that a person carries, if it is one.
    pub fn carried(self) -> Option<Carried> {
        self.as_str().parse().ok()
    }

    /// The same as a kind of vehicle, if it is one.
    pub fn vehicle(self) -> Option<VehicleKind> {
        self.as_str().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_answered_with_the_words_there_are() {
        let error = "mauve".parse::<Colour>().unwrap_err().to_string();
        assert!(error.contains("\"mauve\" is not a colour; the words are black, white, grey"), "{error}");
    }

    #[test]
    fn the_vocabulary_has_no_word_for_a_protected_trait() {
        let all: Vec<&str> = Class::ALL
            .iter()
            .map(|w| w.as_str())
            .chain(Group::ALL.iter().map(|w| w.as_str()))
            .chain(Colour::ALL.iter().map(|w| w.as_str()))
            .chain(Carried::ALL.iter().map(|w| w.as_str()))
            .chain(VehicleKind::ALL.iter().map(|w| w.as_str()))
            .chain(Stature::ALL.iter().map(|w| w.as_str()))
            .collect();
        // The whole vocabulary, spelled out: adding a word means changing this list in plain sight.
        assert_eq!(
            all.join(" "),
            "person bicycle car motorcycle bus truck backpack umbrella handbag suitcase \
            person vehicle carried \
            black white grey red orange yellow green blue purple pink brown \
            backpack umbrella handbag suitcase \
            bicycle car motorcycle bus truck \
            small medium tall"
        );
    }

    #[test]
    fn every_carried_thing_and_vehicle_is_a_class_of_its_group() {
        for class in Class::ALL {
            assert_eq!(class.carried().is_some(), class.group() == Group::Carried);
            assert_eq!(class.vehicle().is_some(), class.group() == Group::Vehicle);
        }
    }
}
