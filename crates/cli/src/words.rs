//! The words of the vocabulary, as arguments.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use types::{Carried, Class, Colour, Stature};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $word:ident) => {
        $(#[$doc])*
        pub(crate) fn $name() -> impl TypedValueParser<Value = $word> {
            PossibleValuesParser::new($word::ALL.iter().map(|w| w.as_str())).try_map(|word| word.parse::<$word>())
        }
    };
}

words!(class, Class);
words!(colour, Colour);
words!(carried, Carried);
words!(stature, Stature);
