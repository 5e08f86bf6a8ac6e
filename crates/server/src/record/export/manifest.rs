use access::{Caller, Case};
use catalogue::SeenProof;
use search::{Hit, Matched};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{CameraId, CaptureTime, Description, QueryPart, ReceiveTime, Sighting, SightingId, SightingOrigin, TimeStamp};

use super::committed::Committed;

/// What this version writes.
const FORMAT: &str = "sightline-export/2";
/// What earlier ones wrote: without proofs of what was seen.
const WITHOUT_PROOFS: &str = "sightline-export/1";

/// What an export is of and what is in it, for programs; the report says the same to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: String,
    /// With the grant and the signatures under it.
    pub case: Case,
    pub exported: Exported,
    pub selection: Selection,
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    pub at: ReceiveTime,
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
    pub from: CaptureTime,
    pub to: CaptureTime,
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
    pub sighting: SightingId,
    pub camera: CameraId,
    /// What the camera's owner calls it.
    pub place: String,
    pub agency: String,
    pub class: String,
    pub crop: String,
    /// When the crop was seen; its clock is that of `first`.
    pub time: CaptureTime,
    pub first: Moment,
    pub last: Moment,
    /// What the ranking went by, 0..1; nothing where no search was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_score: Option<f32>,
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
    pub part: String,
    pub word: String,
    pub confidence: f32,
}

/// An entry of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    pub entry: u64,
    pub at: ReceiveTime,
    /// Nothing: the server by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    pub action: String,
    pub outcome: String,
    pub receipt: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl ListedFile {
    pub(crate) fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), bytes: bytes.len() as u64, sha256: hex::encode(digest(bytes)) }
    }
}

impl Manifest {
    /// With no files listed yet.
    pub(crate) fn new(
        case: Case,
        exported: Exported,
        selection: Selection,
        sightings: Vec<Exhibit>,
        record: Vec<RecordLine>,
    ) -> Self {
        let not_claimed = NOT_CLAIMED.map(str::to_owned).into();
        let random = hex::encode(rand::random::<[u8; 32]>());
        let files = Vec::new();
        Self { format: FORMAT.to_owned(), case, exported, selection, sightings, record, not_claimed, files, random }
    }

    /// For people as well: one value a line.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
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

impl Exhibit {
    /// `hit`: what a search made of it. Stature is left out where the case may not ask it.
    pub(crate) fn new(
        number: u32,
        sighting: &Sighting,
        place: String,
        hit: Option<&Hit>,
        stature: bool,
        proof: &SeenProof,
    ) -> Self {
        Self {
            number,
            sighting: sighting.id,
            camera: sighting.camera.clone(),
            place,
            agency: sighting.agency.to_string(),
            class: sighting.class.to_string(),
            crop: format!("crops/{number:04}-{}.jpg", sighting.id),
            time: sighting.best,
            first: moment(&sighting.first),
            last: moment(&sighting.last),
            score: hit.map(|h| h.score),
            description_score: hit.and_then(|h| h.description_score),
            appearance_score: hit.and_then(|h| h.appearance_score),
            matched: hit.map(|h| h.why.iter().map(matched).collect()).unwrap_or_default(),
            description: words(&sighting.description, stature),
            detections: sighting.detections,
            detector_score: sighting.score,
            footage_sha256: match sighting.origin {
                SightingOrigin::Live => None,
                SightingOrigin::Footage(digest) => Some(digest.to_string()),
            },
            committed: Some(Committed::new(sighting, proof, stature)),
        }
    }
}

fn moment(stamp: &TimeStamp) -> Moment {
    Moment { time: stamp.time, uncertainty_s: stamp.uncertainty.0.as_secs_f64(), source: stamp.source.as_str().to_owned() }
}

#[expect(clippy::needless_pass_by_value, reason = "words are `Copy`")]
fn word(part: &str, word: impl ToString, confidence: f32) -> Word {
    Word { part: part.to_owned(), word: word.to_string(), confidence }
}

fn matched(why: &Matched) -> Word {
    let part = why.part().as_str();
    match why {
        Matched::Upper(d) | Matched::Lower(d) | Matched::VehicleColour(d) => word(part, d.word, d.confidence),
        Matched::Carrying(d) => word(part, d.word, d.confidence),
        Matched::Stature(d) => word(part, d.word, d.confidence),
    }
}

fn words(d: &Description, stature: bool) -> Vec<Word> {
    let colour =
        |part: QueryPart, d: Option<types::Described<types::Colour>>| d.map(|d| word(part.as_str(), d.word, d.confidence));
    let mut words: Vec<Word> = Vec::new();
    words.extend(colour(QueryPart::Upper, d.upper));
    words.extend(colour(QueryPart::Lower, d.lower));
    words.extend(d.carrying.iter().map(|d| word(QueryPart::Carrying.as_str(), d.word, d.confidence)));
    words.extend(d.vehicle.map(|d| word("vehicle", d.word, d.confidence)));
    words.extend(colour(QueryPart::VehicleColour, d.vehicle_colour));
    words.extend(d.stature.filter(|_| stature).map(|d| word(QueryPart::Stature.as_str(), d.word, d.confidence)));
    words
}
