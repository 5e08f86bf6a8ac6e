use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pipeline::{NewSighting, SightingSink, SinkError, Spool};
use prost::Message as _;
use proto::v1;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::chain;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A camera that is let go, because it changes hands or the worker stops, still waits so long: where the server is back the spool
/// has room in a moment.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Puts sightings on the spool. While that is full it holds on to them: the camera loses frames meanwhile, never a sighting.
/// Only a worker that stops with a full spool gives up, and says how many were lost.
pub(crate) struct SpoolSink {
    pub(crate) spool: Arc<Spool>,
    /// Something is there to be sent.
    pub(crate) more: Arc<Notify>,
    pub(crate) epoch: u64,
    pub(crate) cancel: CancellationToken,
}

impl SightingSink for SpoolSink {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        let records: Vec<Vec<u8>> = batch.iter().map(|new| record(new, self.epoch)).collect();
        let (mut wait, mut last_wait) = (FIRST_WAIT, None);
        loop {
            let Err(error) = self.spool.append(&records) else {
                self.more.notify_one();
                batch.iter().for_each(|new| tracing::debug!(id = %new.sighting.id, epoch = self.epoch, "taken"));
                return Ok(());
            };
            if self.cancel.is_cancelled() && last_wait.get_or_insert_with(Instant::now).elapsed() >= LAST_WAIT {
                tracing::error!(sightings = records.len(), "sightings lost: stopped while the spool did not take them");
                return Err(SinkError(Box::new(error)));
            }
            if wait == FIRST_WAIT {
                tracing::error!(error = %chain(&error), sightings = records.len(), "sightings wait: the spool does not take them");
            }
            thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// As it lies on the spool: what is sent, but for its number and the worker's.
pub(crate) fn record(new: &NewSighting, epoch: u64) -> Vec<u8> {
    v1::PushRequest {
        sequence: 0,
        worker_id: String::new(),
        epoch,
        sighting: Some((&new.sighting).into()),
        crop: new.crop.encode(),
        model_sha256: new.embedding.model().to_string(),
        appearance: new.embedding.values().to_vec(),
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use redact::{FaceFinder, FaceFinderError, FoundFace, Subject};
    use types::{
        AgencyId, CameraId, CaptureTime, Class, ClockUncertainty, Description, Embedding, ModelDigest, RawCrop, Rect, Sighting,
        SightingId, SightingOrigin, Size, TimeSource, TimeStamp,
    };

    use super::*;

    struct NoFaces;

    impl FaceFinder for NoFaces {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Ok(Vec::new())
        }
    }

    fn seen(number: u64) -> NewSighting {
        let camera = CameraId::new("gate").unwrap();
        let time = CaptureTime::from_micros(1_790_000_000_000_000).unwrap();
        let at = TimeStamp { time, uncertainty: ClockUncertainty::default(), source: TimeSource::Received };
        let raw = RawCrop::new(vec![90; 60 * 60 * 3], Size { width: 60, height: 60 }, (0, 0)).unwrap();
        let bbox = Rect::new(5.0, 5.0, 50.0, 50.0);
        let subject = Subject { class: Class::Car, bbox, people: Vec::new() };
        NewSighting {
            sighting: Sighting {
                id: SightingId::derive(&camera, b"test", number),
                camera,
                agency: AgencyId::new("local").unwrap(),
                class: Class::Car,
                first: at,
                last: at,
                best: time,
                bbox,
                frame: Size { width: 60, height: 60 },
                score: 0.5,
                detections: 3,
                description: Description::default(),
                origin: SightingOrigin::Live,
            },
            crop: redact::redact(raw, &subject, &mut NoFaces).unwrap(),
            embedding: Embedding::new(ModelDigest([1; 32]), vec![0.125; 64]).unwrap(),
        }
    }

    #[test]
    fn a_full_spool_holds_up_the_camera_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap());
        let filler = vec![0; 64 << 10];
        while spool.append(std::slice::from_ref(&filler)).is_ok() {}
        let full = spool.state().waiting;
        while spool.append(&[vec![0; 512]]).is_ok() {}
        let mut sink = SpoolSink { spool: spool.clone(), more: Arc::default(), epoch: 7, cancel: CancellationToken::new() };
        let camera = thread::spawn(move || sink.accept(vec![seen(1), seen(2)]));
        thread::sleep(Duration::from_millis(300));
        assert!(!camera.is_finished());
        // The link is back: the oldest goes.
        spool.acknowledge(full).unwrap();
        camera.join().unwrap().unwrap();
        let all = spool.read(0, usize::MAX).unwrap();
        let sightings: Vec<_> = all.iter().rev().take(2).rev().map(|(_, r)| v1::PushRequest::decode(&**r).unwrap()).collect();
        for (message, number) in sightings.iter().zip(1..) {
            let sighting = Sighting::try_from(message.sighting.clone().unwrap()).unwrap();
            assert_eq!((sighting, message.epoch), (seen(number).sighting, 7));
            redact::RedactedCrop::decode(&message.crop).unwrap();
        }
    }

    #[test]
    fn a_worker_that_stops_with_a_full_spool_says_what_it_could_not_take() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap());
        while spool.append(&[vec![0; 512]]).is_ok() {}
        let cancel = CancellationToken::new();
        cancel.cancel();
        let mut sink = SpoolSink { spool, more: Arc::default(), epoch: 1, cancel };
        let error = sink.accept(vec![seen(1)]).unwrap_err();
        assert!(chain(&error).contains("full"), "{error:?}");
    }
}
