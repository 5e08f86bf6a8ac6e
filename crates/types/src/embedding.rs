use std::{fmt, str::FromStr};

/// SHA-256 of a model file: which model made a vector. Vectors of different digests are never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelDigest(pub [u8; 32]);

/// A text that is not a SHA-256 in hexadecimal.
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

/// Why numbers are not an appearance vector.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbeddingError {
    /// It has no values.
    #[error("the appearance vector is empty")]
    Empty,
    /// A value is infinite or not a number.
    #[error("the appearance vector has a value that is not finite")]
    NotFinite,
    /// Its Euclidean length, which is too far from 1.
    #[error("the appearance vector has length {0}, not 1")]
    NotUnit(f32),
}

/// How a figure looks, as a unit vector; only ever made from a redacted crop. Compared by dot product. It is finite and of length
/// one, whoever made it: there is no other way to have one.
#[derive(Clone, PartialEq)]
pub struct Embedding {
    model: ModelDigest,
    values: Vec<f32>,
}

impl Embedding {
    /// How far from 1 the length may be: half precision and a decoder's rounding stay well inside.
    pub const TOLERANCE: f32 = 0.01;

    /// Takes a unit vector. Its number of values is the model's; whoever knows the model checks it.
    ///
    /// # Errors
    /// Where it has no values, one that is not finite, or a length that is not 1.
    pub fn new(model: ModelDigest, values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if values.is_empty() {
            return Err(EmbeddingError::Empty);
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(EmbeddingError::NotFinite);
        }
        let length = length(&values);
        if (length - 1.0).abs() <= Self::TOLERANCE { Ok(Self { model, values }) } else { Err(EmbeddingError::NotUnit(length)) }
    }

    /// Brings a vector to length 1.
    ///
    /// # Errors
    /// Where that can't be done: no values, one that is not finite, or all of them 0.
    pub fn normalised(model: ModelDigest, mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        let length = length(&values);
        if length > 1e-6 {
            values.iter_mut().for_each(|v| *v /= length);
        }
        Self::new(model, values)
    }

    /// The model that made it.
    pub fn model(&self) -> ModelDigest {
        self.model
    }

    /// Finite, of length 1.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, without the model that made them.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Cosine similarity in -1..1; `None` between different models or lengths.
    pub fn similarity(&self, other: &Self) -> Option<f32> {
        (self.model == other.model && self.values.len() == other.values.len())
            .then(|| self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum())
    }
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
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
        let e = Embedding::normalised(ModelDigest([1; 32]), vec![0.123_456; 4]).unwrap();
        assert!(!format!("{e:?}").contains("0.5"));
        assert_eq!(e.similarity(&Embedding::new(ModelDigest([2; 32]), e.values.clone()).unwrap()), None);
    }

    #[test]
    fn nothing_but_a_finite_unit_vector_is_an_embedding() {
        let new = |values: &[f32]| Embedding::new(ModelDigest([1; 32]), values.to_vec());
        assert_eq!(new(&[]), Err(EmbeddingError::Empty));
        assert_eq!(new(&[0.0, 0.0]), Err(EmbeddingError::NotUnit(0.0)));
        assert_eq!(new(&[1.0, 1.0]).map_err(|e| matches!(e, EmbeddingError::NotUnit(_))), Err(true));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(new(&[bad, 0.0]), Err(EmbeddingError::NotFinite));
        }
        assert!(new(&[0.6, 0.8]).is_ok());
        assert_eq!(Embedding::normalised(ModelDigest([1; 32]), vec![3.0, 4.0]), new(&[0.6, 0.8]));
        assert!(Embedding::normalised(ModelDigest([1; 32]), vec![0.0; 3]).is_err());
    }
}
