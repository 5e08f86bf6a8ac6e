use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A name that is no slug.
    #[error("{kind} id {text:?} is not 1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit")]
    Slug {
        /// What it should name, such as "camera".
        kind: &'static str,
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The text, cut to 80 characters.
    #[error("sighting id {0:?} is not a UUID")]
    Sighting(String),
    /// The text, cut to 80 characters.
    #[error("footage digest {0:?} is not 64 hexadecimal digits")]
    Digest(String),
}

/// A short name that people choose, type and read: lower case, safe in a path and a URL.
macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// From 1 to 63 characters of `a-z`, `0-9`, `-` and `_`, of which the first is a letter or a digit.
            ///
            /// # Errors
            /// [`IdError::Slug`] where the text is anything else.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let bytes = text.as_bytes();
                let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                let fits = (1..=63).contains(&bytes.len())
                    && word(&bytes[0])
                    && bytes.iter().all(|b| word(b) || matches!(b, b'-' | b'_'));
                if fits { Ok(Self(text.into())) } else { Err(IdError::Slug { kind: $kind, text: text.chars().take(80).collect() }) }
            }

            /// As it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, ":{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

slug!(
    /// An agency that pools cameras.
    AgencyId, "agency"
);
slug!(
    /// A camera; unique over all agencies.
    CameraId, "camera"
);
slug!(
    /// A recorder whose recordings are looked at; unique over all agencies.
    RecorderId, "recorder"
);
slug!(
    /// A case: the only thing under which anybody may search.
    CaseId, "case"
);
slug!(
    /// A footage job.
    JobId, "job"
);
slug!(
    /// A legal hold: sightings of a case that are kept although their time has come.
    HoldId, "hold"
);

/// SHA-256 of a footage file, so that the same footage added twice is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FootageDigest(pub [u8; 32]);

impl FootageDigest {
    /// What one begins with that is of a recording on a recorder and of no file: "onvifrec". Of a file one in 2^64 does.
    const RECORDING: [u8; 8] = *b"onvifrec";

    /// Of what names a recording and its times, and not of a file: the pictures are nowhere as one.
    pub fn of_recording(mut sha256: [u8; 32]) -> Self {
        sha256[..Self::RECORDING.len()].copy_from_slice(&Self::RECORDING);
        Self(sha256)
    }

    /// Whether it names a recorder's recording and not the bytes of a file.
    pub fn is_of_recording(&self) -> bool {
        self.0.starts_with(&Self::RECORDING)
    }
}

impl fmt::Display for FootageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for FootageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "footage:{self}")
    }
}

impl FromStr for FootageDigest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        crate::embedding::parse_hex32(text).map(Self).ok_or_else(|| IdError::Digest(text.chars().take(80).collect()))
    }
}

/// A sighting. Derived from where it was seen, not drawn at random, so that indexing the same footage again makes the
/// same identifiers and adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SightingId(pub Uuid);

impl SightingId {
    /// `origin` names the footage or the stream session; `track` counts the tracks within it, in order of confirmation.
    pub fn derive(camera: &CameraId, origin: &[u8], track: u64) -> Self {
        let mut name = Vec::with_capacity(origin.len() + 80);
        for part in [camera.as_str().as_bytes(), origin, &track.to_be_bytes()] {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part);
        }
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
    }
}

impl fmt::Display for SightingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SightingId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Sighting(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_is_unsafe_in_a_path() {
        for bad in ["", "../x", "A", "-a", "a b", "a/b", "ü", &"a".repeat(64)] {
            assert!(CameraId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(CameraId::new("gate-2_north").unwrap().to_string(), "gate-2_north");
    }

    #[test]
    fn a_sighting_id_depends_on_every_part_of_its_origin() {
        let camera = |name| CameraId::new(name).unwrap();
        let base = SightingId::derive(&camera("a"), b"x", 1);
        assert_eq!(base, SightingId::derive(&camera("a"), b"x", 1));
        for other in [
            SightingId::derive(&camera("b"), b"x", 1),
            SightingId::derive(&camera("a"), b"y", 1),
            SightingId::derive(&camera("a"), b"x", 2),
            SightingId::derive(&camera("ax"), b"", 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
