use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{CameraId, Day, ReceiveTime, SightingId};

/// What of a day was deleted because its time had come. The entry of the record that holds one is signed with the log and
/// has a receipt; which sightings they were it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// The day of capture, in UTC.
    pub day: Day,
    /// Nothing of the day is left: its bucket went as a whole.
    pub whole: bool,
    /// By camera, what was stored before this had come to its end.
    pub stored_before: BTreeMap<CameraId, ReceiveTime>,
    /// Sightings deleted, by camera; empty in the entry that begins it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cameras: BTreeMap<CameraId, u64>,
    /// Sightings whose time has come and that a legal hold keeps.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u64,
    /// Commits to what was deleted, in order.
    #[serde(default)]
    pub ids: IdDigest,
    /// What searching for it afterwards gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Deletion {
    /// How many sightings were deleted, over all cameras.
    pub fn sightings(&self) -> u64 {
        self.cameras.values().sum()
    }
}

/// A search for what was deleted, once it should be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Sightings looked for by id: in the catalogue, among the crops and in the index.
    pub ids: u64,
    /// Of these, looked for by their vectors as well.
    pub vectors: u64,
    /// How often something was found that should be gone. Anything but 0 is a failure.
    pub found: u64,
}

/// Commits to ids in the order they were deleted: `SHA-256(digest before || id)` for each, from 32 zero bytes on. Whoever
/// has the ids can check it; nobody learns an id from it that they can't guess.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdDigest([u8; 32]);

impl IdDigest {
    /// Adds an id. The order in which ids are added counts.
    pub fn add(&mut self, id: SightingId) {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(id.0.as_bytes());
        self.0 = hash.finalize().into();
    }
}

impl fmt::Display for IdDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for IdDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdDigest({})", hex::encode(&self.0[..6]))
    }
}

impl TryFrom<String> for IdDigest {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
    }
}

impl From<IdDigest> for String {
    fn from(digest: IdDigest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_ids_depends_on_each_of_them_and_on_their_order() {
        let camera = CameraId::new("gate").unwrap();
        let ids: Vec<_> = (0..3).map(|n| SightingId::derive(&camera, b"x", n)).collect();
        let of = |order: &[usize]| {
            let mut digest = IdDigest::default();
            order.iter().for_each(|i| digest.add(ids[*i]));
            digest
        };
        assert_eq!(of(&[0, 1, 2]), of(&[0, 1, 2]));
        for other in [&[0, 2, 1][..], &[0, 1], &[1, 2], &[0, 1, 2, 2], &[]] {
            assert_ne!(of(&[0, 1, 2]), of(other));
        }
        let text = serde_json::to_string(&of(&[0, 1])).unwrap();
        assert_eq!(serde_json::from_str::<IdDigest>(&text).unwrap(), of(&[0, 1]));
    }
}
