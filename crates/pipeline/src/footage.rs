//! One archived file from its first frame to its last.

use std::time::{Duration, Instant};

use media::{FootageInfo, MediaError, Sampling};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, FootageDigest, TimeStamp};
use vision::Vision;

use crate::{
    archived::{Archived, Gaps},
    scene::{Scene, SceneError, SceneOptions, SceneOrigin, SceneStats},
    segment::Segment,
    sink::{SightingSink, SinkError},
};

/// A file to index.
#[derive(Debug, Clone)]
pub struct FootageTask {
    pub footage: Archived,
    pub camera: CameraId,
    pub agency: AgencyId,
    pub digest: FootageDigest,
    /// Capture time of the first frame.
    pub start: TimeStamp,
    pub sampling: Sampling,
    /// Keep the sightings of the readable part when the file turns out to be truncated or damaged.
    pub keep_readable: bool,
    pub scene: SceneOptions,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FootageProgress {
    /// Footage seconds done, and in all where the file says so.
    pub done: Duration,
    pub total: Option<Duration>,
    /// Done before this work began, by an earlier one that was cut off.
    pub before: Duration,
    /// Since the work began.
    pub elapsed: Duration,
    pub stats: SceneStats,
}

impl FootageProgress {
    /// Footage seconds a second; 0 at the start.
    pub fn speed(&self) -> f64 {
        let elapsed = self.elapsed.as_secs_f64();
        let done = self.done.saturating_sub(self.before);
        if elapsed > 0.0 { done.as_secs_f64() / elapsed } else { 0.0 }
    }

    /// At the speed so far.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.done)?;
        (self.speed() > 0.0).then(|| left.div_f64(self.speed()))
    }
}

/// What came out.
#[derive(Debug)]
pub struct FootageSummary {
    pub progress: FootageProgress,
    /// Why the file ended early, if it did and its readable part was kept.
    pub damage: Option<MediaError>,
    /// Where a recorder has nothing, by media time.
    pub gaps: Vec<(Duration, Duration)>,
}

#[derive(Debug, thiserror::Error)]
pub enum FootageError {
    #[error("read footage")]
    Media(#[from] MediaError),
    #[error("look at the footage")]
    Scene(#[from] SceneError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("cancelled")]
    Cancelled,
}

/// Sightings are handed on when so many are ready, or after so long, whichever is first.
const BATCH: usize = 32;
const BATCH_AFTER: Duration = Duration::from_secs(2);
/// A file that yields no frame for so long is broken or on a dead disk.
const STALL: Duration = Duration::from_secs(60);

/// Indexes a file; blocks until it is done, failed or cancelled. On an error sightings may already have been accepted:
/// the caller decides whether they stay.
pub fn run_footage(
    task: &FootageTask,
    vision: &mut Vision,
    sink: &mut dyn SightingSink,
    progress: &mut dyn FnMut(FootageProgress),
    cancel: &CancellationToken,
) -> Result<FootageSummary, FootageError> {
    let info = task.footage.info()?;
    run_segment(task, &Segment::WHOLE, &info, vision, sink, progress, cancel)
}

/// As [`run_footage`], of one part; progress is of the part alone. The same part of the same footage gives the same sightings
/// under the same ids, whether or not the others were looked at.
pub fn run_segment(
    task: &FootageTask,
    part: &Segment,
    info: &FootageInfo,
    vision: &mut Vision,
    sink: &mut dyn SightingSink,
    progress: &mut dyn FnMut(FootageProgress),
    cancel: &CancellationToken,
) -> Result<FootageSummary, FootageError> {
    let began = Instant::now();
    let mut reader = task.footage.open(&task.sampling, task.start, part)?;
    let mut gaps = Gaps::of(&task.footage, &task.sampling, part);
    let total = part.to.or(info.duration).map(|to| part.done(to));
    let origin = SceneOrigin::Footage { digest: task.digest, start: task.start };
    let mut scene = Scene::of_segment(task.camera.clone(), task.agency.clone(), origin, task.scene.clone(), *part);
    let mut batch = Vec::new();
    let mut handed_on = Instant::now();
    let mut done = Duration::ZERO;
    let damage = loop {
        if cancel.is_cancelled() {
            return Err(FootageError::Cancelled);
        }
        match reader.next(STALL) {
            Ok(Some(frame)) if scene.is_over(frame.at) => break None,
            Ok(Some(frame)) => {
                gaps.saw(frame.at);
                batch.extend(scene.frame(&frame, vision)?);
                done = part.done(frame.at.as_duration());
            }
            Ok(None) => break None,
            Err(error) if task.keep_readable && scene.stats().frames > 0 => break Some(error),
            Err(error) => return Err(error.into()),
        }
        if batch.len() >= BATCH || handed_on.elapsed() >= BATCH_AFTER {
            if !batch.is_empty() {
                sink.accept(std::mem::take(&mut batch))?;
            }
            handed_on = Instant::now();
            progress(FootageProgress { done, total, before: Duration::ZERO, elapsed: began.elapsed(), stats: scene.stats() });
        }
    };
    batch.extend(scene.finish(vision)?);
    if !batch.is_empty() {
        sink.accept(batch)?;
    }
    if damage.is_none() {
        done = total.unwrap_or(done);
    }
    let progress_now = FootageProgress { done, total, before: Duration::ZERO, elapsed: began.elapsed(), stats: scene.stats() };
    progress(progress_now);
    Ok(FootageSummary { progress: progress_now, damage, gaps: gaps.found() })
}
