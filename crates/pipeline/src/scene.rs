//! One stream of frames and the tracks in it.

use std::{collections::BTreeMap, time::Duration};

use redact::{RedactedCrop, Subject, redact, stored_region, view_region};
use types::{
    AgencyId, CameraId, Carried, Class, Described, Description, Detection, Embedding, FootageDigest, Frame, Group, MediaTime,
    Rect, Sighting, SightingId, SightingOrigin, Size, Stature, TimeStamp, TrackId,
};
use vision::{Rgb, Tracker, TrackerOptions, Vision, VisionError, carried_by, carried_closely, describe};

use crate::{
    candidate::{Around, Candidate, Candidates, Keep, promise, sharpness},
    detection_scheduler::{AttentionOptions, DetectionScheduler, ScanCounts},
    segment::Segment,
    sink::NewSighting,
    surroundings::{Stances, Surroundings},
};

/// A model failed on a frame. Bad frames are no error: they simply show nothing.
#[derive(Debug, thiserror::Error)]
#[error("detect in frame {frame}")]
pub struct SceneError {
    /// The frame's number, from 0.
    pub frame: u64,
    /// What the model says.
    #[source]
    pub source: VisionError,
}

/// How tracks become sightings.
#[derive(Debug, Clone)]
pub struct SceneOptions {
    /// When a frame is looked at whole, in parts or closer.
    pub attention: AttentionOptions,
    /// How detections become tracks.
    pub tracker: TrackerOptions,
    /// Pictures of a track that are kept until it ends; its appearance is their mean.
    pub crops: usize,
    /// How far apart in time they are taken at least.
    pub crops_apart: Duration,
    /// A confirmed track is published at once and again, under the same id, when it ends.
    pub publish_on_confirm: bool,
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            attention: AttentionOptions::default(),
            tracker: TrackerOptions::default(),
            crops: 3,
            crops_apart: Duration::from_millis(700),
            publish_on_confirm: false,
        }
    }
}

/// What the frames come from; sighting ids derive from it, so that the same footage makes the same ids.
#[derive(Debug, Clone)]
pub enum SceneOrigin {
    /// A file or a recording.
    Footage {
        /// A digest of what is in it.
        digest: FootageDigest,
        /// Capture time of its first frame.
        start: TimeStamp,
    },
    /// A camera that is being watched.
    Live {
        /// Unique to one connection with the camera.
        session: u128,
    },
}

impl SceneOrigin {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Footage { digest, start } => [&digest.0[..], &start.time.as_micros().to_be_bytes()].concat(),
            Self::Live { session } => session.to_be_bytes().to_vec(),
        }
    }

    fn kind(&self) -> SightingOrigin {
        match self {
            Self::Footage { digest, .. } => SightingOrigin::Footage(*digest),
            Self::Live { .. } => SightingOrigin::Live,
        }
    }
}

/// What happened in a scene so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SceneStats {
    /// Frames that were shown to it.
    pub frames: u64,
    /// How they were looked at.
    pub scans: ScanCounts,
    /// Detections, each frame anew.
    pub detections: u64,
    /// Sightings handed on.
    pub sightings: u64,
    /// Crops whose faces could not be erased for sure.
    pub crops_refused: u64,
    /// Sightings lost because every crop of theirs was refused.
    pub sightings_refused: u64,
}

impl SceneStats {
    /// Those of two scenes together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            scans: self.scans.plus(other.scans),
            detections: self.detections + other.detections,
            sightings: self.sightings + other.sightings,
            crops_refused: self.crops_refused + other.crops_refused,
            sightings_refused: self.sightings_refused + other.sightings_refused,
        }
    }
}

/// The state of one stream: its tracker and the tracks that have not ended.
pub struct Scene {
    camera: CameraId,
    agency: AgencyId,
    origin: SceneOrigin,
    options: SceneOptions,
    part: Segment,
    attention: DetectionScheduler,
    tracker: Tracker,
    open: BTreeMap<TrackId, OpenTrack>,
    surroundings: Surroundings,
    numbered: u64,
    stats: SceneStats,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scene({:?}, {} open tracks, {:?})", self.camera, self.open.len(), self.stats)
    }
}

struct OpenTrack {
    /// When it began, for this scene's part of the footage.
    born: MediaTime,
    /// Of this part; what is not is followed and not told.
    owned: bool,
    confirmed: bool,
    /// Position among the confirmed tracks of the scene's own; `None` until confirmed.
    number: Option<u64>,
    /// A sighting of it was handed on already; the next replaces that.
    published: bool,
    first: TimeStamp,
    last: TimeStamp,
    frame: Size,
    detections: u32,
    /// Sum of scores by class: a truck that is a car in two frames stays a truck.
    classes: BTreeMap<Class, f32>,
    carried: BTreeMap<Carried, (u32, f32)>,
    candidates: Candidates,
    stances: Stances,
}

impl Scene {
    /// Of a whole file, or of a live camera.
    pub fn new(camera: CameraId, agency: AgencyId, origin: SceneOrigin, options: SceneOptions) -> Self {
        Self::of_segment(camera, agency, origin, options, Segment::WHOLE)
    }

    /// Of a part of footage: what other parts own is followed and not told.
    pub fn of_segment(camera: CameraId, agency: AgencyId, origin: SceneOrigin, options: SceneOptions, part: Segment) -> Self {
        let (attention, tracker) = (DetectionScheduler::new(options.attention.clone()), Tracker::new(options.tracker.clone()));
        Self {
            camera,
            agency,
            origin,
            options,
            part,
            attention,
            tracker,
            open: BTreeMap::new(),
            surroundings: Surroundings::default(),
            numbered: part.numbering(),
            stats: SceneStats::default(),
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> SceneStats {
        self.stats
    }

    /// Nothing that this scene has to tell is still open, and nothing new will be.
    pub fn is_over(&self, at: MediaTime) -> bool {
        self.part.hands_over(at) || (self.part.is_past(at) && !self.open.values().any(|t| t.owned))
    }

    /// Looks at the next frame; returns the sightings that are ready because of it.
    ///
    /// # Errors
    /// [`SceneError`] where a model fails. What was ready in this frame is lost.
    pub fn frame(&mut self, frame: &Frame, vision: &mut Vision) -> Result<Vec<NewSighting>, SceneError> {
        let detections =
            self.attention.look(frame, &mut vision.detector).map_err(|source| SceneError { frame: frame.number, source })?;
        self.stats.frames += 1;
        self.stats.scans = self.attention.scans();
        self.surroundings.look(frame);
        self.stats.detections += detections.len() as u64;
        let step = self.tracker.follow(frame, &detections);
        let (things, subjects): (Vec<_>, Vec<_>) = detections.into_iter().partition(|d| d.class.group() == Group::Carried);
        let people: Vec<Rect> = subjects.iter().filter(|d| d.class == Class::Person).map(|d| d.bbox).collect();

        if self.part.takes_over(frame.at) {
            self.take_over(frame);
        }
        for (id, detection) in &step.seen {
            self.observe(*id, detection, frame, &people, &things);
        }
        let mut ready = Vec::new();
        for id in step.confirmed {
            if let Some(track) = self.open.get_mut(&id) {
                track.confirmed = true;
                if !track.owned {
                    continue;
                }
                track.number = Some(self.numbered);
                self.numbered += 1;
                if self.options.publish_on_confirm {
                    ready.extend(self.publish(id, vision)?);
                }
            }
        }
        for id in step.ended {
            if !step.dismissed.contains(&id) {
                ready.extend(self.publish_last(id, vision)?);
            }
            self.open.remove(&id);
        }
        ready.extend(self.cut_long_tracks(frame, vision)?);
        Ok(ready)
    }

    /// Ends every track; the scene can go on with new ones.
    ///
    /// # Errors
    /// [`SceneError`] where a model fails.
    pub fn finish(&mut self, vision: &mut Vision) -> Result<Vec<NewSighting>, SceneError> {
        let step = self.tracker.finish();
        let mut ready = Vec::new();
        for id in self.open.keys().copied().filter(|id| !step.dismissed.contains(id)).collect::<Vec<_>>() {
            ready.extend(self.publish_last(id, vision)?);
        }
        self.open.clear();
        Ok(ready)
    }

    fn observe(&mut self, id: TrackId, detection: &Detection, frame: &Frame, people: &[Rect], things: &[Detection]) {
        let part = self.part;
        let track = self.open.entry(id).or_insert_with(|| OpenTrack::new(frame, part.owns(frame.at)));
        // A camera's clock may be set back while the track is followed; its sighting never ends before it began.
        if frame.taken.time >= track.last.time {
            track.last = frame.taken;
        }
        track.detections += 1;
        *track.classes.entry(detection.class).or_default() += detection.score;
        if detection.class == Class::Person {
            for thing in carried_by(detection, things) {
                let (count, sum) = track.carried.entry(thing.word).or_default();
                *count += 1;
                *sum += thing.confidence;
            }
        }
        let others: Vec<Rect> = people.iter().filter(|p| **p != detection.bbox).copied().collect();
        track.stances.observe(detection, &others, frame);
        let promise = promise(detection, &others, frame);
        let keep = keep(&self.options);
        if !track.candidates.wants(promise, frame.at, &keep) {
            return;
        }
        let region = view_region(&detection.bbox);
        if let Some(raw) = frame.crop(&region) {
            let (x, y) = raw.origin();
            let quality = promise * sharpness(&raw, &stored_region(&detection.bbox).moved(-(x as f32), -(y as f32)));
            let people = people.iter().filter(|p| !p.intersect(&region).is_empty()).copied().collect();
            let around = (detection.class == Class::Person).then(|| Around::of(frame, &detection.bbox)).flatten();
            let candidate = Candidate { raw, detection: *detection, people, at: frame.at, taken: frame.taken, quality, around };
            track.candidates.offer(candidate, &keep);
        }
    }

    /// What began in an earlier part and is still there is this part's from this frame on; the earlier one ends it here.
    fn take_over(&mut self, frame: &Frame) {
        for track in self.open.values_mut().filter(|t| !t.owned && t.born.as_duration() < self.part.from) {
            let confirmed = track.confirmed;
            *track = OpenTrack { confirmed, ..OpenTrack::new(frame, true) };
            if confirmed {
                track.number = Some(self.numbered);
                self.numbered += 1;
            }
        }
    }

    fn cut_long_tracks(&mut self, frame: &Frame, vision: &mut Vision) -> Result<Vec<NewSighting>, SceneError> {
        let limit = i64::try_from(Sighting::MAX_DURATION.as_micros()).unwrap_or(i64::MAX);
        let long = |t: &OpenTrack| t.owned && t.last.time.as_micros() - t.first.time.as_micros() >= limit;
        let ids: Vec<_> = self.open.iter().filter(|(_, t)| long(t)).map(|(id, _)| *id).collect();
        let mut ready = Vec::new();
        for id in ids {
            ready.extend(self.publish_last(id, vision)?);
            let mut next = OpenTrack { confirmed: true, ..OpenTrack::new(frame, true) };
            next.number = Some(self.numbered);
            self.numbered += 1;
            self.open.insert(id, next);
        }
        Ok(ready)
    }

    fn stature(&self, id: TrackId, track: &OpenTrack) -> Option<Described<Stature>> {
        let others = self.open.iter().filter(|(other, t)| **other != id && t.confirmed).map(|(_, t)| &t.stances);
        self.surroundings.stature(&track.stances, others)
    }

    /// The sighting of a track that has ended.
    fn publish_last(&mut self, id: TrackId, vision: &mut Vision) -> Result<Option<NewSighting>, SceneError> {
        if let Some(track) = self.open.get(&id).filter(|t| t.confirmed) {
            self.surroundings.learn(&track.stances);
        }
        self.publish(id, vision)
    }

    /// The sighting of a confirmed track as it is known now; `None` for an unconfirmed one, or where no crop could be
    /// redacted: without erasure there is no sighting.
    fn publish(&mut self, id: TrackId, vision: &mut Vision) -> Result<Option<NewSighting>, SceneError> {
        let frame = self.stats.frames;
        let Some((track, number)) = self.open.get(&id).and_then(|t| Some((t, t.number?))) else { return Ok(None) };
        if track.detections == 0 {
            // Taken over and not seen since: the part before told all of it.
            return Ok(None);
        }
        let Some(class) = track.class() else { return Ok(None) };
        let closely = closely(track, vision).map_err(|source| SceneError { frame, source })?;
        let carried = with_closely(track.carried(), closely);
        let mut shown: Option<(RedactedCrop, &Candidate)> = None;
        let (mut embeddings, mut descriptions) = (Vec::new(), Vec::new());
        for candidate in track.candidates.best_first() {
            match candidate.redact(class, vision) {
                Ok(crop) => {
                    let failed = |source| SceneError { frame, source };
                    let seen = vision.embedder.see(&crop).map_err(failed)?;
                    embeddings.push(vision.embedder.embed_seen(&crop, &seen).map_err(failed)?);
                    descriptions.push(describe(&crop, &seen, class, &carried, self.surroundings.light()));
                    shown.get_or_insert((crop, candidate));
                }
                Err(error) => {
                    self.stats.crops_refused += 1;
                    tracing::warn!(camera = %self.camera, %error, "crop dropped: not redacted");
                }
            }
        }
        let (Some((crop, best)), Some(embedding)) = (shown, mean(embeddings)) else {
            self.stats.sightings_refused += 1;
            return Ok(None);
        };
        self.stats.sightings += u64::from(!track.published);
        let sighting = Sighting {
            id: SightingId::derive(&self.camera, &self.origin.bytes(), number),
            camera: self.camera.clone(),
            agency: self.agency.clone(),
            class,
            first: track.first,
            last: track.last,
            best: best.taken.time,
            bbox: best.detection.bbox,
            frame: track.frame,
            score: best.detection.score,
            detections: track.detections,
            description: Description { stature: self.stature(id, track), ..agree(&descriptions) },
            origin: self.origin.kind(),
        };
        if let Some(track) = self.open.get_mut(&id) {
            track.published = true;
        }
        Ok(Some(NewSighting { sighting, crop, embedding }))
    }
}

impl Candidate {
    fn redact(&self, class: Class, vision: &mut Vision) -> Result<RedactedCrop, redact::RedactError> {
        let (x, y) = self.raw.origin();
        let within = |r: &Rect| r.moved(-(x as f32), -(y as f32));
        let subject = Subject { class, bbox: within(&self.detection.bbox), people: self.people.iter().map(within).collect() };
        redact(self.raw.clone(), &subject, &mut vision.faces)
    }
}

impl OpenTrack {
    fn new(frame: &Frame, owned: bool) -> Self {
        Self {
            born: frame.at,
            owned,
            confirmed: false,
            number: None,
            published: false,
            first: frame.taken,
            last: frame.taken,
            frame: frame.size(),
            detections: 0,
            classes: BTreeMap::new(),
            carried: BTreeMap::new(),
            candidates: Candidates::default(),
            stances: Stances::default(),
        }
    }

    fn class(&self) -> Option<Class> {
        self.classes.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| *class)
    }

    /// Things seen on the figure in several frames. A thing shows from some sides only, so a quarter of the frames is
    /// enough for full confidence; in fewer than an eighth it is a fold or a shadow.
    fn carried(&self) -> Vec<Described<Carried>> {
        let enough = (self.detections as f32 / 4.0).max(1.0);
        let seen_often = |count: u32| (count >= 2 || self.detections < 4) && count.saturating_mul(8) >= self.detections;
        self.carried
            .iter()
            .filter(|(_, (count, _))| seen_often(*count))
            .map(|(thing, (count, sum))| Described::new(*thing, sum / *count as f32 * (*count as f32 / enough).min(1.0)))
            .collect()
    }
}

/// What a person carries by the close pictures of their track.
fn closely(track: &OpenTrack, vision: &mut Vision) -> Result<Option<Described<Carried>>, VisionError> {
    if track.class() != Some(Class::Person) {
        return Ok(None);
    }
    let mut looks = Vec::new();
    for around in track.candidates.best_first().iter().filter_map(|c| c.around.as_ref()) {
        if let Some(picture) = Rgb::new(around.picture.rgb(), around.picture.size()) {
            looks.push((around.bbox, vision.detector.things(picture)?));
        }
    }
    Ok(carried_closely(&looks))
}

/// Things told in whole frames, which are surer, and where there are none the one told closely.
fn with_closely(mut carried: Vec<Described<Carried>>, closely: Option<Described<Carried>>) -> Vec<Described<Carried>> {
    if carried.is_empty() {
        return closely.into_iter().collect();
    }
    for told in &mut carried {
        let same = closely.filter(|close| close.word == told.word);
        told.confidence = same.map_or(told.confidence, |close| told.confidence.max(close.confidence));
    }
    carried
}

fn keep(options: &SceneOptions) -> Keep {
    Keep { crops: options.crops.max(1), apart_micros: MediaTime::from_duration(options.crops_apart).as_micros() }
}

/// The mean direction of several appearances of one figure.
fn mean(embeddings: Vec<Embedding>) -> Option<Embedding> {
    let mut all = embeddings.into_iter();
    let first = all.next()?;
    let (model, mut sum) = (first.model(), first.into_values());
    for next in all {
        sum.iter_mut().zip(next.values()).for_each(|(a, b)| *a += b);
    }
    Embedding::normalised(model, sum).ok()
}

/// What several pictures of one figure say together: of each part the word with the most confidence behind it, with the
/// mean confidence over all pictures, so that a word seen once in three counts a third.
fn agree(descriptions: &[Description]) -> Description {
    let part = |get: &dyn Fn(&Description) -> Option<Described<types::Colour>>| vote(descriptions.iter().map(get));
    Description {
        upper: part(&|d| d.upper),
        lower: part(&|d| d.lower),
        vehicle_colour: part(&|d| d.vehicle_colour),
        vehicle: vote(descriptions.iter().map(|d| d.vehicle)),
        stature: None,
        carrying: descriptions.first().map(|d| d.carrying.clone()).unwrap_or_default(),
    }
}

fn vote<T: Copy + Ord>(votes: impl ExactSizeIterator<Item = Option<Described<T>>>) -> Option<Described<T>> {
    let all = votes.len() as f32;
    let mut sums: BTreeMap<T, f32> = BTreeMap::new();
    for vote in votes.flatten() {
        *sums.entry(vote.word).or_default() += vote.confidence;
    }
    let (word, sum) = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Described::new(word, sum / all))
}

#[cfg(test)]
mod tests {
    use types::{Colour, ModelDigest};

    use super::*;

    #[test]
    fn pictures_agree_on_the_word_with_the_most_confidence() {
        let seen = |word, confidence| Description { upper: Some(Described::new(word, confidence)), ..Description::default() };
        let all = [seen(Colour::Red, 0.9), seen(Colour::Pink, 0.5), seen(Colour::Pink, 0.7), Description::default()];
        let upper = agree(&all).upper.unwrap();
        assert_eq!(upper.word, Colour::Pink);
        assert!((upper.confidence - 1.2 / 4.0).abs() < 1e-6);
    }

    #[test]
    fn a_thing_in_two_frames_of_many_is_not_told() {
        let frame = {
            let taken = TimeStamp {
                time: types::CaptureTime::from_micros(0).unwrap(),
                uncertainty: types::ClockUncertainty::default(),
                source: types::TimeSource::Given,
            };
            let size = Size { width: 8, height: 8 };
            let matrix = types::ColourMatrix { bt709: false, full_range: true };
            let at = MediaTime::from_duration(Duration::ZERO);
            Frame::packed(vec![90; 64], size, types::PixelFormat::Gray8, matrix, at, taken, 0).unwrap()
        };
        let told = |count: u32, detections| {
            let carried = BTreeMap::from([(Carried::Suitcase, (count, count as f32 * 0.4))]);
            OpenTrack { detections, carried, ..OpenTrack::new(&frame, true) }.carried()
        };
        assert!(told(2, 44).is_empty());
        assert_eq!(told(6, 44).len(), 1);
        assert_eq!((told(1, 3).len(), told(1, 8).len()), (1, 0));
    }

    #[test]
    fn a_close_look_tells_only_who_is_not_seen_to_carry_anything() {
        let told = |word, confidence| Described::new(word, confidence);
        let umbrella = vec![told(Carried::Umbrella, 0.4)];
        assert_eq!(with_closely(umbrella.clone(), Some(told(Carried::Umbrella, 0.5))), [told(Carried::Umbrella, 0.5)]);
        assert_eq!(with_closely(umbrella.clone(), Some(told(Carried::Backpack, 0.3))), umbrella);
        assert_eq!(with_closely(umbrella.clone(), None), umbrella);
        assert_eq!(with_closely(vec![], Some(told(Carried::Backpack, 0.3))), [told(Carried::Backpack, 0.3)]);
    }

    #[test]
    fn the_mean_of_appearances_is_a_unit_vector_between_them() {
        let e = |x: f32, y: f32| Embedding::new(ModelDigest([0; 32]), vec![x, y]).unwrap();
        let m = mean(vec![e(1.0, 0.0), e(0.0, 1.0)]).unwrap();
        let m = m.values();
        assert!((m[0] - m[1]).abs() < 1e-6 && (m[0].hypot(m[1]) - 1.0).abs() < 1e-6);
        assert!(mean(vec![e(1.0, 0.0), e(-1.0, 0.0)]).is_none());
    }
}
