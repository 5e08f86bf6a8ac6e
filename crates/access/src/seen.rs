//! What commits to a sighting: one leaf over its row, its crop and its appearance vector, blinded by a salt.
//!
//! ```text
//! leaf  = SHA-256(0x00 | salt (16 bytes) | digest of the row | digest of the crop | digest of the vector)
//! ```
//!
//! An entry of the record holds the Merkle root over the leaves of a batch. The salt is random, used once and deleted with the
//! sighting: without it nobody can test against the leaf what a sighting may have been. Stature has a salt of its own, so that
//! an export that may not tell it can still prove the rest of the row.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{ClockUncertainty, Described, Description, ModelDigest, Rect, Sighting, SightingOrigin, Size, Stature, TimeStamp};

use crate::log::{Hash, entry_hash};

const ROW: &[u8] = b"sightline sighting v1\n";
const STATURE: &[u8] = b"sightline stature v1\n";
const VECTOR: &[u8] = b"sightline vector v1\n";

/// Sightings of which an entry tells: such as are there from then on, and such as are not any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seen {
    /// Over one leaf a sighting, in hexadecimal; nothing where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Sightings under the root: leaves of the tree.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u32,
    /// They were there before the record committed to sightings, and are as they were found then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
    /// From this entry on there is no sighting that no entry commits to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Leaves of earlier entries whose sightings are deleted, or another by now: the entry, the first and the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<(u64, u32, u32)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Seen {
    /// The root as a hash. `None` where there is none, or it is no hash.
    pub fn root(&self) -> Option<Hash> {
        let mut root = [0; 32];
        hex::decode_to_slice(self.root.as_deref()?, &mut root).ok()?;
        Some(Hash(root))
    }
}

/// What blinds one sighting's commitments. Random, used once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salts {
    /// Blinds the leaf.
    pub leaf: [u8; 16],
    /// Blinds the stature.
    pub stature: [u8; 16],
}

impl std::fmt::Debug for Salts {
    /// Without them: who has them can test what a sighting may have been.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salts")
    }
}

impl Salts {
    /// Both, the leaf's first: 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.leaf);
        bytes[16..].copy_from_slice(&self.stature);
        bytes
    }

    /// `None` where they are not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (leaf, rest) = bytes.split_first_chunk()?;
        Some(Self { leaf: *leaf, stature: rest.try_into().ok()? })
    }
}

/// The three digests that a leaf is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// What [`row_digest`] gives.
    pub row: [u8; 32],
    /// What [`crop_digest`] gives.
    pub crop: [u8; 32],
    /// What [`vector_digest`] gives.
    pub vector: [u8; 32],
}

impl Digests {
    /// The RFC 6962 leaf hash over salt, row, crop and vector.
    pub fn leaf(&self, salt: &[u8; 16]) -> Hash {
        let Self { row, crop, vector } = self;
        entry_hash(&[salt.as_slice(), row, crop, vector].concat())
    }

    /// Row, crop and vector, one after the other: 96 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { row, crop, vector } = self;
        [*row, *crop, *vector].concat()
    }

    /// `None` where they are not three digests.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (row, rest) = bytes.split_first_chunk()?;
        let (crop, rest) = rest.split_first_chunk()?;
        Some(Self { row: *row, crop: *crop, vector: rest.try_into().ok()? })
    }
}

/// Of a crop, byte for byte as it is stored.
pub fn crop_digest(jpeg: &[u8]) -> [u8; 32] {
    Sha256::digest(jpeg).into()
}

/// Of an appearance vector as it is stored (`f32`, little endian), with the model that made it.
pub fn vector_digest(model: &ModelDigest, bytes: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(VECTOR).chain_update(model.0).chain_update(bytes).finalize().into()
}

/// Of a stature, or of none.
pub fn stature_digest(salt: &[u8; 16], stature: Option<Described<Stature>>) -> [u8; 32] {
    let mut row = Row(Sha256::new_with_prefix(STATURE));
    row.0.update(salt);
    row.described(stature, Stature::as_str);
    row.0.finalize().into()
}

/// Of everything that a sighting's row says. Of its stature it says what `stature` commits to.
pub fn row_digest(sighting: &Sighting, stature: &[u8; 32]) -> [u8; 32] {
    let mut row = Row(Sha256::new_with_prefix(ROW));
    // Named one by one, so that a new field does not compile until it is in here.
    let Sighting { id, camera, agency, class, first, last, best, bbox, frame, score, detections, description, origin } = sighting;
    row.0.update(id.0.as_bytes());
    row.text(camera.as_str());
    row.text(agency.as_str());
    row.text(class.as_str());
    row.stamp(first);
    row.stamp(last);
    row.whole(best.as_micros());
    let Rect { x, y, width, height } = bbox;
    [x, y, width, height].into_iter().for_each(|v| row.real(*v));
    let Size { width, height } = frame;
    row.whole(i64::from(*width));
    row.whole(i64::from(*height));
    row.real(*score);
    row.whole(i64::from(*detections));
    let Description { upper, lower, carrying, vehicle, vehicle_colour, stature: _ } = description;
    row.described(*upper, |w| w.as_str());
    row.described(*lower, |w| w.as_str());
    row.whole(carrying.len() as i64);
    carrying.iter().for_each(|d| row.described(Some(*d), |w| w.as_str()));
    row.described(*vehicle, |w| w.as_str());
    row.described(*vehicle_colour, |w| w.as_str());
    row.0.update(stature);
    match origin {
        SightingOrigin::Live => row.text("live"),
        SightingOrigin::Footage(digest) => {
            row.text("footage");
            row.0.update(digest.0);
        }
    }
    row.0.finalize().into()
}

/// Each value has a length of its own or says it: nothing can run into its neighbour.
struct Row(Sha256);

impl Row {
    fn text(&mut self, text: &str) {
        self.whole(text.len() as i64);
        self.0.update(text);
    }

    fn whole(&mut self, n: i64) {
        self.0.update(n.to_be_bytes());
    }

    fn real(&mut self, v: f32) {
        // A database does not keep the sign of nothing.
        self.0.update((v + 0.0).to_bits().to_be_bytes());
    }

    fn stamp(&mut self, stamp: &TimeStamp) {
        let TimeStamp { time, uncertainty, source } = stamp;
        self.whole(time.as_micros());
        self.whole(ClockUncertainty::as_micros(*uncertainty));
        self.text(source.as_str());
    }

    fn described<T>(&mut self, described: Option<Described<T>>, word: impl FnOnce(T) -> &'static str) {
        match described {
            None => self.text(""),
            Some(Described { word: said, confidence }) => {
                self.text(word(said));
                self.real(confidence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::{AgencyId, CameraId, CaptureTime, Carried, Class, Colour, FootageDigest, SightingId, TimeSource, VehicleKind};

    use super::*;

    fn sighting() -> Sighting {
        let camera = CameraId::new("gate").unwrap();
        let stamp = |s: i64| TimeStamp {
            time: CaptureTime::from_micros(1_772_323_200_000_000 + s).unwrap(),
            uncertainty: ClockUncertainty(Duration::from_micros(20_000)),
            source: TimeSource::Given,
        };
        Sighting {
            id: SightingId::derive(&camera, b"test", 1),
            camera,
            agency: AgencyId::new("north").unwrap(),
            class: Class::Person,
            first: stamp(0),
            last: stamp(7),
            best: stamp(3).time,
            bbox: Rect::new(1.0, 2.0, 3.0, 4.0),
            frame: Size { width: 640, height: 480 },
            score: 0.5,
            detections: 7,
            description: Description {
                upper: Some(Described::new(Colour::Red, 0.5)),
                carrying: vec![Described::new(Carried::Backpack, 0.25)],
                ..Description::default()
            },
            origin: SightingOrigin::Footage(FootageDigest([1; 32])),
        }
    }

    #[test]
    fn every_field_of_a_sighting_changes_the_digest_of_its_row() {
        let blind = stature_digest(&[7; 16], None);
        let digest = |change: &dyn Fn(&mut Sighting)| {
            let mut changed = sighting();
            change(&mut changed);
            row_digest(&changed, &blind)
        };
        let changes: [&dyn Fn(&mut Sighting); 27] = [
            &|_| {},
            &|s| s.id = SightingId::derive(&s.camera, b"test", 2),
            &|s| s.camera = CameraId::new("yard").unwrap(),
            &|s| s.agency = AgencyId::new("south").unwrap(),
            &|s| s.class = Class::Car,
            &|s| s.first.time = s.first.time.plus_micros(1),
            &|s| s.first.uncertainty = ClockUncertainty::default(),
            &|s| s.first.source = TimeSource::Received,
            &|s| s.last.time = s.last.time.plus_micros(1),
            &|s| s.last.uncertainty = ClockUncertainty::default(),
            &|s| s.last.source = TimeSource::Received,
            &|s| s.best = s.best.plus_micros(1),
            &|s| s.bbox.x += 1.0,
            &|s| s.bbox.y += 1.0,
            &|s| s.bbox.width += 1.0,
            &|s| s.bbox.height += 1.0,
            &|s| s.frame.width += 1,
            &|s| s.frame.height += 1,
            &|s| s.score += 0.01,
            &|s| s.detections += 1,
            &|s| s.description.upper = Some(Described::new(Colour::Red, 0.51)),
            &|s| s.description.lower = s.description.upper.take(),
            &|s| s.description.carrying.clear(),
            &|s| s.description.vehicle = Some(Described::new(VehicleKind::ALL[0], 0.5)),
            &|s| s.description.vehicle_colour = Some(Described::new(Colour::Red, 0.5)),
            &|s| s.origin = SightingOrigin::Live,
            &|s| s.origin = SightingOrigin::Footage(FootageDigest([2; 32])),
        ];
        let digests: std::collections::BTreeSet<_> = changes.iter().map(|change| digest(change)).collect();
        assert_eq!(digests.len(), changes.len());
        let tall = stature_digest(&[7; 16], Some(Described::new(Stature::ALL[0], 0.5)));
        assert_ne!(row_digest(&sighting(), &tall), row_digest(&sighting(), &blind));
        assert_ne!(stature_digest(&[8; 16], None), blind);
        // Zero has no sign in a database.
        assert_eq!(digest(&|s| s.bbox.x = 0.0), digest(&|s| s.bbox.x = -0.0));
    }

    #[test]
    fn a_leaf_fits_its_salt_its_row_its_crop_and_its_vector_alone() {
        let digests = Digests { row: [1; 32], crop: [2; 32], vector: vector_digest(&ModelDigest([3; 32]), b"abcd") };
        let leaf = digests.leaf(&[9; 16]);
        assert_eq!(Digests::from_bytes(&digests.to_bytes()), Some(digests));
        assert_eq!(Digests::from_bytes(&digests.to_bytes()[1..]), None);
        for other in [
            Digests { row: [0; 32], ..digests },
            Digests { crop: [0; 32], ..digests },
            Digests { vector: vector_digest(&ModelDigest([4; 32]), b"abcd"), ..digests },
            Digests { vector: vector_digest(&ModelDigest([3; 32]), b"abce"), ..digests },
            Digests { row: [2; 32], crop: [1; 32], ..digests },
        ] {
            assert_ne!(other.leaf(&[9; 16]), leaf);
        }
        assert_ne!(digests.leaf(&[8; 16]), leaf);
        // RFC 6962: a leaf is hashed with 0x00 before it.
        let bare = Sha256::new_with_prefix([0]).chain_update([9; 16]).chain_update(digests.to_bytes()).finalize();
        assert_eq!(leaf.0, <[u8; 32]>::from(bare));
        let salts = Salts { leaf: [1; 16], stature: [2; 16] };
        assert!(Salts::from_bytes(&salts.to_bytes()) == Some(salts) && Salts::from_bytes(&[0; 31]).is_none());
    }
}
