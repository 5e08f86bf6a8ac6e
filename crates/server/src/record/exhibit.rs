//! A possible sighting becomes a line of an export's manifest.

use access::seen::stature_digest;
use audit_log::export::{Committed, CommittedStature, Exhibit, Moment, Word, receipt_path};
use catalogue::SeenProof;
use search::{Hit, Matched};
use types::{Description, QueryPart, Rect, Sighting, SightingOrigin, TimeStamp};

/// `hit`: what a search made of it. Stature is left out where the case may not ask it.
pub(crate) fn exhibit(
    number: u32,
    sighting: &Sighting,
    place: String,
    hit: Option<&Hit>,
    stature: bool,
    proof: &SeenProof,
) -> Exhibit {
    Exhibit {
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
        committed: Some(committed(sighting, proof, stature)),
    }
}

fn committed(sighting: &Sighting, proof: &SeenProof, stature: bool) -> Committed {
    let Rect { x, y, width, height } = sighting.bbox;
    let withheld = || hex::encode(stature_digest(&proof.salts.stature, sighting.description.stature));
    Committed {
        entry: proof.entry,
        receipt: receipt_path(proof.entry),
        leaf: proof.leaf,
        count: proof.count,
        salt: hex::encode(proof.salts.leaf),
        stature: if stature {
            CommittedStature::Salt(hex::encode(proof.salts.stature))
        } else {
            CommittedStature::Withheld(withheld())
        },
        bbox: [x, y, width, height],
        frame: [sighting.frame.width, sighting.frame.height],
        vector_sha256: hex::encode(proof.vector),
        proof: proof.proof.iter().map(|hash| hex::encode(hash.0)).collect(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use access::{
        Seen,
        seen::{Digests, Salts, crop_digest, row_digest, vector_digest},
    };
    use types::{
        AgencyId, CameraId, CaptureTime, Carried, Class, ClockUncertainty, Colour, Described, FootageDigest, ModelDigest,
        SightingId, Size, Stature, TimeSource, VehicleKind,
    };

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
            let told_of = exhibit(1, &sighting, String::new(), None, told, &proof);
            // As it is read from a manifest.
            let text = serde_json::to_string(&told_of).unwrap();
            let mut read: Exhibit = serde_json::from_str(&text).unwrap();
            read.check_committed(crop, &seen).unwrap();
            assert_eq!(text.contains(Stature::ALL[0].as_str()), told, "{text}");
            // Whoever has the export alone can't try all statures: the salt is not in it.
            assert_eq!(text.contains(&hex::encode(salts.stature)), told);
            read.description.retain(|w| w.part != "stature");
            read.description.push(Word { part: "stature".into(), word: Stature::ALL[1].to_string(), confidence: 0.4 });
            assert!(read.check_committed(crop, &seen).is_err());
        }
    }
}
