//! Words on the wire to words of [`types`] and back. Unspecified is no word: `TryFrom` refuses it, [`optional`] makes
//! it `None`.

use types::{Carried, Class, Colour, QueryPart as DescriptionPart, Stature, VehicleKind};

use crate::{BadMessage, v1};

macro_rules! words {
    ($name:ident, $kind:literal, [$($word:ident),+ $(,)?]) => {
        impl From<$name> for v1::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),+ }
            }
        }

        impl TryFrom<v1::$name> for $name {
            type Error = BadMessage;
            fn try_from(word: v1::$name) -> Result<Self, BadMessage> {
                match word {
                    v1::$name::Unspecified => Err(BadMessage::Missing { field: $kind }),
                    $(v1::$name::$word => Ok(Self::$word)),+
                }
            }
        }

        impl WireWord for $name {
            fn read(field: &'static str, value: i32) -> Result<Option<Self>, BadMessage> {
                match v1::$name::try_from(value) {
                    Ok(v1::$name::Unspecified) => Ok(None),
                    Ok(word) => word.try_into().map(Some),
                    Err(_) => Err(BadMessage::Word { field, kind: $kind, value }),
                }
            }
        }
    };
}

/// A word that travels as the number of an enum value.
pub(crate) trait WireWord: Sized {
    /// `None` for the unspecified word.
    fn read(field: &'static str, value: i32) -> Result<Option<Self>, BadMessage>;
}

words!(Class, "class", [Person, Bicycle, Car, Motorcycle, Bus, Truck, Backpack, Umbrella, Handbag, Suitcase]);
words!(Colour, "colour", [Black, White, Grey, Red, Orange, Yellow, Green, Blue, Purple, Pink, Brown]);
words!(Carried, "carried thing", [Backpack, Umbrella, Handbag, Suitcase]);
words!(VehicleKind, "vehicle kind", [Bicycle, Car, Motorcycle, Bus, Truck]);
words!(Stature, "stature", [Small, Medium, Tall]);
words!(DescriptionPart, "part of a description", [Upper, Lower, Carrying, VehicleColour, Stature]);

pub(crate) fn optional<T: WireWord>(field: &'static str, value: i32) -> Result<Option<T>, BadMessage> {
    T::read(field, value)
}

pub(crate) fn required<T: WireWord>(field: &'static str, value: i32) -> Result<T, BadMessage> {
    optional(field, value)?.ok_or(BadMessage::Missing { field })
}
