use access::{Caller, Case};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{CameraId, CaptureTime, ReceiveTime, SightingId};

use super::committed::Committed;

/// What this version writes.
const FORMAT: &str = "sightline-export/2";
/// What earlier ones wrote: without proofs of what was seen.
const WITHOUT_PROOFS: &str = "sightline-export/1";

/// What an export is of and what is in it, for programs; the report says the same to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which way the manifest is written.
    pub format: String,
    /// With the grant and the signatures under it.
    pub case: Case,
    /// When, by whom, and under which entry.
    pub exported: Exported,
    /// What was asked for.
    pub selection: Selection,
    /// The sightings, in the order of their numbers.
    pub sightings: Vec<Exhibit>,
    /// The entries whose receipts are here, in their order.
    pub record: Vec<RecordLine>,
    /// What none of this says.
    pub not_claimed: Vec<String>,
    /// Every file but the seal, the receipt of the export and this one, by path.
    pub files: Vec<ListedFile>,
    /// Random, so that the digest on the record gives nothing away to whoever would guess what was exported.
    pub random: String,
}

/// How an export came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// When it was made, by the server's clock.
    pub at: ReceiveTime,
    /// Who asked for it.
    pub by: Caller,
    /// The entry that permitted it.
    pub entry: u64,
    /// The log's verifier key, name+id+key. Whoever checks should have it from elsewhere.
    pub log: String,
    /// Nobody has authorised the case yet: it is an emergency.
    pub unauthorised: bool,
    /// Until when somebody must, or the export is to be destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorise_by: Option<ReceiveTime>,
}

/// How the sightings were chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Named one by one, not found by a search of this export.
    pub by_hand: bool,
    /// What was asked: `class person`, `upper white`.
    pub words: Vec<String>,
    /// The example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<SightingId>,
    /// The examples, where there was more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub like_these: Vec<SightingId>,
    /// What it was not to be like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlike: Vec<SightingId>,
    /// The example, or one of them, was a picture. It is not here: it was not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub like_picture: bool,
    /// The first capture time that was asked for.
    pub from: CaptureTime,
    /// The first capture time that was not asked for any more.
    pub to: CaptureTime,
    /// The cameras that were searched.
    pub cameras: Vec<CameraId>,
    /// Of the case, but kept out by their owners.
    pub left_out_cameras: Vec<CameraId>,
    /// Whether every sighting in scope was compared; nothing where they were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// At most so many were asked for.
    pub limit: u32,
}

/// A possible sighting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// From 1; of a search, the best first.
    pub number: u32,
    /// Its id in the deployment it comes from.
    pub sighting: SightingId,
    /// The camera that saw it.
    pub camera: CameraId,
    /// What the camera's owner calls it.
    pub place: String,
    /// Who owns the camera.
    pub agency: String,
    /// The class, as a word of the closed vocabulary.
    pub class: String,
    /// Path of the redacted crop in the export.
    pub crop: String,
    /// When the crop was seen; its clock is that of `first`.
    pub time: CaptureTime,
    /// When it was seen first.
    pub first: Moment,
    /// When it was seen last.
    pub last: Moment,
    /// What the ranking went by, 0..1; nothing where no search was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The share of the words asked for that it bears, 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_score: Option<f32>,
    /// How like the examples it looks, 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appearance_score: Option<f32>,
    /// The words of the search that it bears.
    pub matched: Vec<Word>,
    /// All words that it bears.
    pub description: Vec<Word>,
    /// Frames in which the detector saw it.
    pub detections: u32,
    /// Of the detection behind the crop, 0..1.
    pub detector_score: f32,
    /// Of the file; of a recording on a recorder, which is no file, one that begins with 6f6e766966726563.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footage_sha256: Option<String>,
    /// What the record commits to; nothing in exports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Committed>,
}

/// When, how well that is known, and by which clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The time of capture.
    pub time: CaptureTime,
    /// The true time lies within so many seconds of it.
    pub uncertainty_s: f64,
    /// `given`, `sender_report`, `received` or `recorder`.
    pub source: String,
}

/// A word of the closed vocabulary, with how sure the description is of it, 0..1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The part of the description.
    pub part: String,
    /// The word.
    pub word: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// An entry of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    /// The entry's number, from 1.
    pub entry: u64,
    /// When it was written, by the server's clock.
    pub at: ReceiveTime,
    /// Nothing: the server by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// The word of what was asked for.
    pub action: String,
    /// Whether it began, was refused or how it ended.
    pub outcome: String,
    /// Path of its receipt in the export.
    pub receipt: String,
}

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Its path in the export.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The SHA-256 of a file of an export.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl ListedFile {
    /// The line for a file.
    pub fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), bytes: bytes.len() as u64, sha256: hex::encode(digest(bytes)) }
    }
}

impl Manifest {
    /// With no files listed yet.
    pub fn new(case: Case, exported: Exported, selection: Selection, sightings: Vec<Exhibit>, record: Vec<RecordLine>) -> Self {
        let not_claimed = NOT_CLAIMED.map(str::to_owned).into();
        let random = hex::encode(rand::random::<[u8; 32]>());
        let files = Vec::new();
        Self { format: FORMAT.to_owned(), case, exported, selection, sightings, record, not_claimed, files, random }
    }

    /// For people as well: one value a line.
    ///
    /// # Errors
    /// A value that JSON can't hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn is_known(&self) -> bool {
        self.has_proofs() || self.format == WITHOUT_PROOFS
    }

    /// Whether each possible sighting comes with what commits to it.
    pub fn has_proofs(&self) -> bool {
        self.format == FORMAT
    }
}

/// Said in every export, to people and to programs.
pub(super) const NOT_CLAIMED: [&str; 6] = [
    "That any of these is a particular person or vehicle. Each is a possible sighting: what was asked for fits what was seen, \
     and nothing more. Nobody is identified.",
    "That two of them show the same person or vehicle.",
    "That a score is a probability. Scores order the results of one search; they compare with nothing else.",
    "That what was asked for was not elsewhere. Cameras miss, descriptions err, owners keep cameras out, and footage that \
     was never read was never searched.",
    "That a time is exact. Each has an uncertainty and the clock it came from beside it.",
    "That the colours and things named are right. They are a program's description of a small picture, with its own doubts \
     beside them.",
];
