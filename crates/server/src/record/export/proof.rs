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

#[cfg(test)]
mod tests {
    use access::seen::{Salts, vector_digest};
    use catalogue::SeenProof;
    use types::{CameraId, CaptureTime, Carried, Class, Colour, ModelDigest, SightingId, VehicleKind};

    use super::*;

    fn sighting() -> Sighting {
        let camera = CameraId::new("gate").unwrap();
        let stamp = |s: i64| TimeStamp {
            time: CaptureTime::from_micros(1_772_323_200_000_000 + s).unwrap(),
            uncertainty: ClockUncertainty(Duration::from_micros(1_234_567)),
            source: TimeSource::SenderReport,
        };
        Sighting {
            id: SightingId::derive(&camera, b"test", 1),
            camera,
            agency: AgencyId::new("north").unwrap(),
            class: Class::Person,
            first: stamp(0),
            last: stamp(7),
            best: stamp(3).time,
            bbox: Rect::new(1.1, 2.2, 3.3, 4.4),
            frame: Size { width: 640, height: 480 },
            score: 0.77,
            detections: 7,
            description: Description {
                upper: Some(Described::new(Colour::Red, 0.3)),
                lower: Some(Described::new(Colour::Blue, 0.1)),
                carrying: Carried::ALL.iter().map(|c| Described::new(*c, 0.7)).collect(),
                vehicle: Some(Described::new(VehicleKind::ALL[0], 0.2)),
                vehicle_colour: Some(Described::new(Colour::Black, 0.6)),
                stature: Some(Described::new(Stature::ALL[0], 0.4)),
            },
            origin: SightingOrigin::Footage(FootageDigest([7; 32])),
        }
    }

    #[test]
    fn a_stature_that_a_case_may_not_ask_is_withheld_and_the_rest_is_proved() {
        let (sighting, crop) = (sighting(), b"a crop");
        let salts = Salts { leaf: [1; 16], stature: [2; 16] };
        let stature = stature_digest(&salts.stature, sighting.description.stature);
        let vector = vector_digest(&ModelDigest([3; 32]), b"abcd");
        let digests = Digests { row: row_digest(&sighting, &stature), crop: crop_digest(crop), vector };
        let root = digests.leaf(&salts.leaf);
        let proof = SeenProof { entry: 5, leaf: 0, count: 1, salts, vector, proof: Vec::new() };
        let seen = Seen { root: Some(hex::encode(root.0)), count: 1, ..Seen::default() };
        for told in [true, false] {
            let exhibit = Exhibit::new(1, &sighting, String::new(), None, told, &proof);
            // As it is read from a manifest.
            let text = serde_json::to_string(&exhibit).unwrap();
            let mut exhibit: Exhibit = serde_json::from_str(&text).unwrap();
            exhibit.check_committed(crop, &seen).unwrap();
            assert_eq!(text.contains(Stature::ALL[0].as_str()), told, "{text}");
            // Whoever has the export alone can't try all statures: the salt is not in it.
            assert_eq!(text.contains(&hex::encode(salts.stature)), told);
            exhibit.description.retain(|w| w.part != "stature");
            exhibit.description.push(Word { part: "stature".into(), word: Stature::ALL[1].to_string(), confidence: 0.4 });
            assert!(exhibit.check_committed(crop, &seen).is_err());
        }
    }
}
