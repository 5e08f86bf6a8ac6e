//! The learned step of an appearance: a linear map of each part, kept in a file of its own.
//!
//! The file: the line [`MAGIC`]; the length of a description as a little-endian `u32`; the description, [`About`] as TOML;
//! then little-endian `f32`s: the backbone's matrix and then the colours', row by row, one row per value of the
//! result. It holds no crop, no vector of anybody and no identity.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::ModelDigest;

use super::{parts::AppearanceParts, recipe::Recipe, scale::scale_to};
use crate::error::VisionError;

const MAGIC: &str = "sightline appearance projection 1\n";
/// Most values of a vector: a million of them in bytes are then within 256 MiB.
pub(super) const MOST: usize = 256;
/// Longest part: a bound on what a file may make us allocate.
const LONGEST: usize = 4096;

/// Shares of the two parts: their similarities are weighed by the squares. Across cameras colour is worth far more, and a
/// backbone that was trained on objects ranks by pose and framing what colour has right; a little of it tells apart who is
/// dressed alike. See `benches/README.md`.
const BACKBONE: f32 = 0.25;
const COLOUR: f32 = 1.0;

/// Fitted on Intel's sample videos (CC BY 4.0): `About::attribution` of the file.
static DEFAULT: &[u8] = include_bytes!("../../../../models/appearance.projection");
/// The one that came with the builds of recipe 5. That of recipe 6 differs from today's in the recipe's name alone.
static DEFAULT_BEFORE: &[u8] = include_bytes!("../../../../models/appearance-5.projection");

/// What a projection was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Of the parts; a projection of another recipe is refused.
    pub recipe: String,
    /// Digests of the models that made the parts it was fitted on.
    pub backbone: String,
    /// Digest of the detector, in hexadecimal.
    pub detector: String,
    /// Digest of the face finder, in hexadecimal.
    pub face_finder: String,
    /// Values in and out, of each part.
    pub backbone_in: usize,
    /// Values of a vector that come from the backbone.
    pub backbone_out: usize,
    /// Values of colour in.
    pub colour_in: usize,
    /// Values of a vector that come from colour.
    pub colour_out: usize,
    /// How much it has seen.
    pub tracks: usize,
    /// Crops of those tracks.
    pub crops: usize,
    /// Whose footage, under which licence; may be empty.
    pub attribution: String,
}

/// The image of `x` under the matrix, of length `norm`, appended to `to`.
fn map(matrix: &[f32], x: &[f32], norm: f32, to: &mut Vec<f32>) {
    let start = to.len();
    to.extend(matrix.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum::<f32>()));
    scale_to(&mut to[start..], norm);
}

/// Makes a vector of the parts of a crop.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    pub(super) about: About,
    /// As `about` names it.
    pub(super) recipe: Recipe,
    /// `backbone_out` rows of `backbone_in` values.
    pub(super) backbone: Vec<f32>,
    pub(super) colour: Vec<f32>,
}

impl Projection {
    /// The one that comes with this build.
    ///
    /// # Errors
    /// [`VisionError::Projection`]: never of a build that passes its tests.
    pub fn embedded() -> Result<Self, VisionError> {
        Self::read("built in", DEFAULT)
    }

    /// Those that came with the builds of recipes before, the newest first.
    ///
    /// # Errors
    /// [`VisionError::Projection`]: never of a build that passes its tests.
    pub fn embedded_before() -> Result<Vec<Self>, VisionError> {
        let of = |recipe: Recipe| match recipe {
            Recipe::Five => Self::read("built in, of before", DEFAULT_BEFORE),
            Recipe::Six | Recipe::Seven => {
                let now = Self::embedded()?;
                let about = About { recipe: recipe.name().into(), ..now.about };
                Ok(Self { about, recipe, ..now })
            }
        };
        Recipe::BEFORE.into_iter().map(of).collect()
    }

    /// Which parts it is for.
    pub(super) fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// Reads a file, as [`Self::write`] makes it.
    ///
    /// # Errors
    /// [`VisionError::Read`] where the file can't be read; else as [`Self::read`].
    pub fn open(path: &Path) -> Result<Self, VisionError> {
        let bytes = std::fs::read(path).map_err(|source| VisionError::Read { file: path.into(), source })?;
        Self::read(&path.display().to_string(), &bytes)
    }

    /// What the file says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Values of a vector.
    pub fn len(&self) -> usize {
        self.about.backbone_out + self.about.colour_out
    }

    /// Never: one without values is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of the file's content.
    pub fn digest(&self) -> ModelDigest {
        ModelDigest(Sha256::digest(self.write()).into())
    }

    /// A unit vector, or zeros where both parts are.
    pub(super) fn apply(&self, parts: &AppearanceParts) -> Option<Vec<f32>> {
        if parts.backbone.len() != self.about.backbone_in || parts.colour.len() != self.about.colour_in {
            return None;
        }
        let mut values = Vec::with_capacity(self.len());
        map(&self.backbone, &parts.backbone, BACKBONE, &mut values);
        map(&self.colour, &parts.colour, COLOUR, &mut values);
        scale_to(&mut values, 1.0);
        Some(values)
    }

    /// The content of its file.
    pub fn write(&self) -> Vec<u8> {
        let about = toml::to_string(&self.about).unwrap_or_default();
        let mut out = MAGIC.as_bytes().to_vec();
        out.extend((about.len() as u32).to_le_bytes());
        out.extend(about.as_bytes());
        out.extend(self.backbone.iter().chain(&self.colour).flat_map(|v| v.to_le_bytes()));
        out
    }

    /// `name` is for the error.
    ///
    /// # Errors
    /// [`VisionError::Projection`] where the bytes are no projection, or one of another recipe.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, VisionError> {
        let refuse = |what: &str| VisionError::Projection { name: name.into(), what: what.into() };
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| refuse("does not begin like one of this version"))?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(|| refuse("is cut short"))?;
        let (about, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(|| refuse("is cut short"))?;
        let about: About = std::str::from_utf8(about)
            .ok()
            .and_then(|text| toml::from_str(text).ok())
            .ok_or_else(|| refuse("has a description that cannot be read"))?;
        let Some(recipe) = Recipe::named(&about.recipe) else {
            return Err(refuse(&format!("is for the recipe {:?}, this build has {:?}", about.recipe, Recipe::NOW.name())));
        };
        let (b, c) = ((about.backbone_in, about.backbone_out), (about.colour_in, about.colour_out));
        let sane = |(i, o): (usize, usize)| (1..=LONGEST).contains(&i) && (1..=MOST).contains(&o);
        if !sane(b) || !sane(c) || b.1 + c.1 > MOST {
            return Err(refuse(&format!("makes {} values of {}; at most {MOST} are allowed", b.1 + c.1, b.0 + c.0)));
        }
        if rest.len() != (b.0 * b.1 + c.0 * c.1) * 4 {
            return Err(refuse("does not hold as many numbers as it says"));
        }
        let mut backbone: Vec<f32> = rest.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect();
        if backbone.iter().any(|v| !v.is_finite()) {
            return Err(refuse("holds values that are not numbers"));
        }
        let colour = backbone.split_off(b.0 * b.1);
        Ok(Self { about, recipe, backbone, colour })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(bytes: &[u8]) -> String {
        Projection::read("x", bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_one_built_in_is_small_enough_for_a_million_vectors_and_says_where_it_is_from() {
        let projection = Projection::embedded().unwrap();
        assert!(projection.len() <= MOST && DEFAULT.len() < 1 << 20);
        assert!(projection.about().attribution.contains("CC BY 4.0"));
        assert_eq!(projection.write(), DEFAULT);
    }

    #[test]
    fn those_of_before_are_to_the_bit_what_their_builds_had() {
        let before = Projection::embedded_before().unwrap();
        let digests: Vec<String> = before.iter().map(|p| p.digest().to_string()).collect();
        let builds_had = [
            "a0d8650a5ea9399df366ffb901271433b131bce83b4b41c564fa448697ccba1b",
            "41d8a1e4e28d5d1359545862cf7d29605d9bbbd64bad9dc95e7c025fbdfa46c4",
        ];
        assert_eq!(digests, builds_had);
    }

    #[test]
    fn a_file_that_is_not_one_of_this_build_is_refused_with_the_reason() {
        assert!(reason(b"PNG").contains("does not begin"));
        assert!(reason(&DEFAULT[..MAGIC.len() + 2]).contains("cut short"));
        assert!(reason(&DEFAULT[..DEFAULT.len() - 1]).contains("as many numbers"));
        let mut other = Projection::embedded().unwrap();
        other.about.recipe = "another".into();
        assert!(reason(&other.write()).contains(Recipe::NOW.name()));
        let mut long = Projection::embedded().unwrap();
        long.about.colour_out = 1_000_000;
        assert!(reason(&long.write()).contains("at most 256"));
        let mut mad = Projection::embedded().unwrap();
        mad.colour[7] = f32::NAN;
        assert!(reason(&mad.write()).contains("not numbers"));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..600, byte in any::<u8>(), cut in 0usize..600) {
            let mut bytes = DEFAULT.to_vec();
            bytes[at] = byte;
            let _ = Projection::read("x", &bytes);
            let _ = Projection::read("x", &bytes[..cut]);
        }
    }
}
