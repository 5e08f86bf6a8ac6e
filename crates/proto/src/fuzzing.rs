//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use prost::Message;
use types::{Description, DescriptionQuery, Sighting, TimeStamp, TimeWindow};

use crate::{bounds, v1};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("request", request), ("sighting", sighting)];

/// A request on the wire: what the bounds let through holds no more than they say once it is decoded, whatever way it is written
/// in. The first byte says which request it is.
fn request(bytes: &[u8]) {
    fn one<T: Message + Default>(name: &str, bytes: &[u8]) {
        if bounds::check(name, bytes).is_ok()
            && let Ok(decoded) = T::decode(bytes)
        {
            let held = bounds::check(name, &decoded.encode_to_vec());
            assert!(held.is_ok(), "{name} was let through and holds too much: {held:?}");
        }
    }
    macro_rules! by_number {
        ($which:expr, $bytes:expr; $($name:ident)*) => {{
            let all: &[fn(&[u8])] = &[$(|bytes: &[u8]| one::<v1::$name>(stringify!($name), bytes)),*];
            all[usize::from($which) % all.len()]($bytes)
        }};
    }
    let Some((which, bytes)) = bytes.split_first() else { return };
    by_number!(*which, bytes;
        PushRequest OpenCaseRequest SearchRequest ImportCamerasRequest SetMarksRequest SetCameraPolicyRequest AddFootageRequest
        KeepLookingRequest PlaceHoldRequest AuthoriseCaseRequest ListAuditRequest ExportRequest StartReindexRequest);
}

/// What a worker says that it saw, and what is asked: what is read is the same on the wire and back.
fn sighting(bytes: &[u8]) {
    if let Ok(message) = v1::PushRequest::decode(bytes)
        && let Some(Ok(sighting)) = message.sighting.map(Sighting::try_from)
    {
        let again = Sighting::try_from(v1::Sighting::from(&sighting));
        assert_eq!(again.as_ref(), Ok(&sighting));
        let _ = sighting.fault(None);
    }
    if let Ok(message) = v1::Description::decode(bytes)
        && let Ok(read) = Description::try_from(message)
    {
        assert_eq!(Description::try_from(v1::Description::from(&read)), Ok(read));
    }
    if let Ok(message) = v1::DescriptionQuery::decode(bytes)
        && let Ok(read) = DescriptionQuery::try_from(message)
    {
        let again = DescriptionQuery::try_from(v1::DescriptionQuery::from(&read));
        assert_eq!(again, Ok(read.clone()));
        assert!(read.to_vector().iter().all(|value| value.is_finite()));
    }
    if let Ok(message) = v1::TimeWindow::decode(bytes)
        && let Ok(read) = TimeWindow::try_from(message)
    {
        assert_eq!(TimeWindow::try_from(v1::TimeWindow::from(read)), Ok(read));
    }
    if let Ok(message) = v1::CaptureTime::decode(bytes)
        && let Ok(read) = TimeStamp::try_from(message)
    {
        assert!(TimeStamp::try_from(v1::CaptureTime::from(read)).is_ok_and(|again| again.time == read.time));
    }
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let time = |seconds: i64| Some(prost_types::Timestamp { seconds: 1_772_323_200 + seconds, nanos: 1_000 });
        let at = |seconds: i64| {
            Some(v1::CaptureTime {
                time: time(seconds),
                uncertainty: Some(prost_types::Duration { seconds: 0, nanos: 250_000_000 }),
                source: 1,
            })
        };
        let description = v1::Description {
            upper: Some(v1::DescribedColour { word: 1, confidence: 0.9 }),
            carrying: vec![v1::DescribedCarried { word: 1, confidence: 0.4 }],
            stature: Some(v1::DescribedStature { word: 1, confidence: 0.2 }),
            ..v1::Description::default()
        };
        let push = v1::PushRequest {
            sequence: 7,
            worker_id: "quay".into(),
            epoch: 3,
            sighting: Some(v1::Sighting {
                id: "018f3c1e-7d2a-7b44-9a4e-0c5a1d2e3f40".into(),
                camera_id: "quay-2".into(),
                agency_id: "harbour".into(),
                class: 1,
                first: at(0),
                last: at(7),
                best: time(3),
                r#box: Some(v1::Box { x: 1.0, y: 2.0, width: 3.0, height: 4.0 }),
                frame: Some(v1::FrameSize { width: 640, height: 480 }),
                score: 0.5,
                detections: 7,
                description: Some(description.clone()),
                footage_sha256: String::new(),
            }),
            crop: vec![0xff, 0xd8],
            model_sha256: "07".repeat(32),
            appearance: vec![0.6, 0.8],
        };
        let scope = v1::Scope { camera_ids: vec!["quay-2".into(), "quay-3".into()], classes: vec![1], ..v1::Scope::default() };
        let open = v1::OpenCaseRequest { scope: Some(scope), ..v1::OpenCaseRequest::default() };
        let as_request = |which: u8, message: Vec<u8>| [vec![which], message].concat();
        // A message in two pieces, which a decoder puts together; a group, which it skips, before more cameras than may be asked.
        let twice = [open.encode_to_vec(), open.encode_to_vec()].concat();
        let many = v1::SearchRequest { camera_ids: vec!["quay".into(); 1_001], ..v1::SearchRequest::default() };
        let behind_a_group = [vec![0xfb, 0x7f, 0xfc, 0x7f], many.encode_to_vec()].concat();
        let query = v1::DescriptionQuery { class: 1, upper: 2, carrying: vec![1, 2], ..v1::DescriptionQuery::default() };
        let window = v1::TimeWindow { from: time(0), to: time(60) };
        super::corpora::hold(
            TARGETS,
            &[
                ("request", "push", as_request(0, push.encode_to_vec())),
                ("request", "open", as_request(1, open.encode_to_vec())),
                ("request", "open-in-two-pieces", as_request(1, twice)),
                ("request", "behind-a-group", as_request(2, behind_a_group)),
                ("sighting", "push", push.encode_to_vec()),
                ("sighting", "description", description.encode_to_vec()),
                ("sighting", "query", query.encode_to_vec()),
                ("sighting", "window", window.encode_to_vec()),
                ("sighting", "time", at(0).unwrap_or_default().encode_to_vec()),
            ],
        );
    }
}
