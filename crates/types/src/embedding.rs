use std::{fmt, str::FromStr};

/// SHA-256 of a model file: which model made a vector. Vectors of different digests are never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelDigest(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("digest {0:?} is not 64 hexadecimal digits")]
pub struct ParseDigestError(String);

impl ModelDigest {
    /// The first 12 hexadecimal digits: enough to name a folder or a collection.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model:{}", self.short())
    }
}

impl FromStr for ModelDigest {
    type Err = ParseDigestError;
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        parse_hex32(text).map(Self).ok_or_else(|| ParseDigestError(text.chars().take(80).collect()))
    }
}

pub(crate) fn parse_hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| (c as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(out)
}

/// How a figure looks, as a unit vector; only ever made from a redacted crop. Compared by dot product.
#[derive(Clone, PartialEq)]
pub struct Embedding {
    pub model: ModelDigest,
    /// L2-normalised, finite.
    pub values: Vec<f32>,
}

impl Embedding {
    /// Cosine similarity in -1..1; `None` between different models or lengths.
    pub fn similarity(&self, other: &Self) -> Option<f32> {
        (self.model == other.model && self.values.len() == other.values.len())
            .then(|| self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum())
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({:?}, {} values)", self.model, self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_a_round_trip_and_refuse_anything_else() {
        let digest = ModelDigest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "12", &"g".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<ModelDigest>().is_err());
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let e = Embedding { model: ModelDigest([1; 32]), values: vec![0.123_456; 4] };
        assert!(!format!("{e:?}").contains("0.12"));
        assert_eq!(e.similarity(&Embedding { model: ModelDigest([2; 32]), values: e.values.clone() }), None);
    }
}
