//! That a possible sighting is the one that was stored: its row, its crop and its appearance vector against the entry of the record
//! that commits to it. Also without a server.

use std::{collections::BTreeMap, time::Duration};

use access::{
    Seen,
    log::{Hash, check_in_batch},
    seen::{Digests, crop_digest, row_digest, stature_digest},
};
use types::{
    AgencyId, ClockUncertainty, Described, Description, FootageDigest, QueryPart, Rect, Sighting, SightingOrigin, Size, Stature,
    TimeSource, TimeStamp,
};

use super::{
    committed::{Committed, CommittedStature},
    manifest::{Exhibit, Moment, Word},
};

/// No clock is a century off.
const MOST_UNCERTAIN_S: f64 = 3.2e9;

impl Exhibit {
    /// Whether this, with this crop, is what `seen` commits to. What is wrong, if not.
    ///
    /// # Errors
    /// What does not fit, as the end of a sentence.
    pub fn check_committed(&self, crop: &[u8], seen: &Seen) -> Result<(), &'static str> {
        let committed = self.committed.as_ref().ok_or("it carries no proof")?;
        let sighting = self.sighting(committed).ok_or("what is said of it can't be read")?;
        let salt = bytes::<16>(&committed.salt).ok_or("its salt is none")?;
        let stature = match &committed.stature {
            CommittedStature::Salt(salt) => stature_digest(&bytes(salt).ok_or("its salt is none")?, sighting.description.stature),
            CommittedStature::Withheld(_) if sighting.description.stature.is_some() => {
                return Err("it tells a stature that is withheld");
            }
            CommittedStature::Withheld(digest) => bytes(digest).ok_or("its digest is none")?,
        };
        let vector = bytes(&committed.vector_sha256).ok_or("the digest of its appearance vector is none")?;
        let digests = Digests { row: row_digest(&sighting, &stature), crop: crop_digest(crop), vector };
        let hash = |text: &String| bytes(text).map(Hash);
        let proof = committed.proof.iter().map(hash).collect::<Option<Vec<_>>>().ok_or("its proof is none")?;
        let root = seen.root().filter(|_| u64::from(seen.count) == committed.count);
        let root = root.ok_or("the entry of the record commits to others")?;
        check_in_batch(&proof, committed.count, root, committed.leaf, digests.leaf(&salt))
            .map_err(|_| "what is said of it, its crop or its appearance vector is not what the record commits to")
    }

    /// What was stored, as far as it is exported. `None` where a word is none of ours.
    fn sighting(&self, committed: &Committed) -> Option<Sighting> {
        let [x, y, width, height] = committed.bbox;
        let [frame_width, frame_height] = committed.frame;
        Some(Sighting {
            id: self.sighting,
            camera: self.camera.clone(),
            agency: AgencyId::new(&self.agency).ok()?,
            class: self.class.parse().ok()?,
            first: stamp(&self.first)?,
            last: stamp(&self.last)?,
            best: self.time,
            bbox: Rect::new(x, y, width, height),
            frame: Size { width: frame_width, height: frame_height },
            score: self.detector_score,
            detections: self.detections,
            description: description(&self.description)?,
            origin: match &self.footage_sha256 {
                None => SightingOrigin::Live,
                Some(digest) => SightingOrigin::Footage(FootageDigest(bytes(digest)?)),
            },
        })
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    // There is one way to write them.
    (hex::encode(bytes) == text).then_some(bytes)
}

fn stamp(moment: &Moment) -> Option<TimeStamp> {
    let seconds = Some(moment.uncertainty_s).filter(|s| (0.0..MOST_UNCERTAIN_S).contains(s))?;
    let uncertainty = ClockUncertainty(Duration::from_micros((seconds * 1e6).round() as u64));
    Some(TimeStamp { time: moment.time, uncertainty, source: TimeSource::parse(&moment.source)? })
}

/// The words back in their places; each but what is carried is there once.
fn description(words: &[Word]) -> Option<Description> {
    fn one<T: std::str::FromStr>(words: &mut BTreeMap<&str, Vec<&Word>>, part: &str) -> Option<Option<Described<T>>> {
        match words.remove(part).as_deref() {
            None => Some(None),
            Some([word]) => Some(Some(Described::new(word.word.parse().ok()?, word.confidence))),
            Some(_) => None,
        }
    }
    let mut by_part: BTreeMap<&str, Vec<&Word>> = BTreeMap::new();
    for word in words {
        by_part.entry(word.part.as_str()).or_default().push(word);
    }
    let carried = by_part.remove(QueryPart::Carrying.as_str()).unwrap_or_default();
    let found = Description {
        upper: one(&mut by_part, QueryPart::Upper.as_str())?,
        lower: one(&mut by_part, QueryPart::Lower.as_str())?,
        carrying: carried.into_iter().map(|w| Some(Described::new(w.word.parse().ok()?, w.confidence))).collect::<Option<_>>()?,
        vehicle: one(&mut by_part, "vehicle")?,
        vehicle_colour: one(&mut by_part, QueryPart::VehicleColour.as_str())?,
        stature: one::<Stature>(&mut by_part, QueryPart::Stature.as_str())?,
    };
    by_part.is_empty().then_some(found)
}
