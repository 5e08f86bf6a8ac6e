//! One live camera, watched until somebody says stop.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use media::{Backoff, CameraClock, CameraEvent, CameraState, FrameReader, MediaError, ReaderStats, RtspSource, Sampling};
use parking_lot::{Condvar, Mutex};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, Frame, MediaTime, ReceiveTime, Size};
use vision::Vision;

use crate::{
    anew::{AddressAsked, Anew, Asking},
    clock_trend::{ClockDrift, ClockTrend},
    scene::{Scene, SceneError, SceneOptions, SceneOrigin, SceneStats},
    sink::{NewSighting, SightingSink, SinkError},
};

/// A camera to watch.
#[derive(Debug, Clone)]
pub struct LiveTask {
    /// The camera.
    pub camera: CameraId,
    /// Who owns it.
    pub agency: AgencyId,
    /// Where its stream is.
    pub source: RtspSource,
    /// Which frames are looked at.
    pub sampling: Sampling,
    /// A confirmed track is published at once whatever this says of it.
    pub scene: SceneOptions,
    /// How long it may be silent, and show no picture.
    pub patience: Patience,
    /// How its address is asked for anew; `None`: a person gave it.
    pub anew: Option<Anew>,
}

/// How long a connected camera may show nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without a picture; then it counts as stalled.
    pub stalled: Duration,
    /// Without a packet or an answer; then the connection is given up and made again.
    pub silent: Duration,
    /// Without a picture, the first one too, though packets come; then the connection is given up and made again.
    pub picture: Duration,
}

impl Default for Patience {
    /// 3 s, 20 s and 60 s.
    fn default() -> Self {
        Self { stalled: Duration::from_secs(3), silent: Duration::from_secs(20), picture: Duration::from_secs(60) }
    }
}

/// What a camera is doing and has done since it is being watched.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveStatus {
    /// Whether it is connected, and what it waits for.
    pub state: CameraState,
    /// Since when it is in this state.
    pub since: ReceiveTime,
    /// When the last frame was looked at.
    pub last_frame: Option<ReceiveTime>,
    /// Frames a second that were looked at over the last [`LiveStatus::SPAN`]; the sampling rate unless the camera is slower
    /// or the machine is.
    pub fps: f64,
    /// Frames a second that left the decoder over the same time.
    pub fps_decoded: f64,
    /// How far its clock is from ours. `None`: not known yet.
    pub clock: Option<CameraClock>,
    /// How the clock drifts, once it was followed for an hour.
    pub clock_drift: Option<ClockDrift>,
    /// Connections lost.
    pub losses: u64,
    /// When its device was asked last where the stream is, since it is being watched.
    pub address_asked: Option<AddressAsked>,
    /// Of all connections.
    pub frames: FrameCounts,
    /// What was found.
    pub scene: SceneStats,
}

/// Frames of one camera since it is being watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameCounts {
    /// Frames that left the decoder.
    pub decoded: u64,
    /// Not wanted by the sampling rate.
    pub dropped_by_rate: u64,
    /// Displaced by a newer one while the machine was busy.
    pub dropped_late: u64,
    /// Frames that the detector was shown.
    pub looked_at: u64,
    /// Not looked at, because the key picture that they are made from is missing or damaged.
    pub without_key: u64,
}

impl FrameCounts {
    fn plus(self, of_session: ReaderStats) -> Self {
        Self {
            decoded: self.decoded + of_session.decoded,
            dropped_by_rate: self.dropped_by_rate + of_session.dropped_by_rate,
            dropped_late: self.dropped_late + of_session.dropped_late,
            looked_at: self.looked_at + of_session.delivered,
            without_key: self.without_key + of_session.without_key,
        }
    }
}

impl LiveStatus {
    /// Over how long rates are taken.
    pub const SPAN: Duration = Duration::from_secs(10);

    /// Of a camera that is about to be watched.
    pub fn new() -> Self {
        Self {
            state: CameraState::Connecting,
            since: ReceiveTime::now(),
            last_frame: None,
            fps: 0.0,
            fps_decoded: 0.0,
            clock: None,
            clock_drift: None,
            losses: 0,
            address_asked: None,
            frames: FrameCounts::default(),
            scene: SceneStats::default(),
        }
    }

    /// As others are told it now: where nothing was looked at for longer than a camera may show nothing, though pictures came
    /// last, its thread waits for whoever takes its sightings (a full spool, a store that takes nothing).
    #[must_use]
    pub fn as_of(mut self, now: ReceiveTime, patience: Patience) -> Self {
        // It is told every second.
        let silent = patience.stalled + REPORT_EVERY;
        let long = i64::try_from(silent.as_micros()).unwrap_or(i64::MAX);
        if let Some(last) = self.last_frame.filter(|last| now.as_micros() - last.as_micros() > long)
            && self.state == CameraState::Live
        {
            self.tell(CameraEvent::Stall);
            self.since = last;
            (self.fps, self.fps_decoded) = (0.0, 0.0);
        }
        self
    }

    /// Moves to the state after the event.
    pub fn tell(&mut self, event: CameraEvent) {
        let after = self.state.clone().after(event);
        if after != self.state {
            self.state = after;
            self.since = ReceiveTime::now();
        }
    }
}

impl Default for LiveStatus {
    fn default() -> Self {
        Self::new()
    }
}

/// Models shared by many cameras: as many looks at once as there are bundles.
#[derive(Debug)]
pub struct VisionPool {
    free: Mutex<Vec<Vision>>,
    returned: Condvar,
}

impl VisionPool {
    /// # Panics
    /// If there is no bundle: nobody would ever get one.
    pub fn new(bundles: Vec<Vision>) -> Self {
        assert!(!bundles.is_empty(), "a pool of models needs at least one bundle");
        Self { free: Mutex::new(bundles), returned: Condvar::new() }
    }

    /// Waits for a free bundle and lends it to `look`.
    pub fn with<T>(&self, look: impl FnOnce(&mut Vision) -> T) -> T {
        let mut free = self.free.lock();
        self.returned.wait_while(&mut free, |free| free.is_empty());
        let mut lent = Lent { pool: self, vision: free.pop() };
        drop(free);
        // `wait_while` returns only when there is one.
        lent.vision.as_mut().map(look).unwrap_or_else(|| unreachable!("an empty pool lent a bundle"))
    }
}

/// Gives its bundle back even where the look panicked.
struct Lent<'a> {
    pool: &'a VisionPool,
    vision: Option<Vision>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.free.lock().extend(self.vision.take());
        self.pool.returned.notify_one();
    }
}

/// Why a session with a camera ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("the stream ended")]
    Stream,
    #[error("look at the picture")]
    Scene(#[from] SceneError),
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Ended {
    /// Whether another address may be the cure. A login or a certificate that is refused is no such thing: there is somebody.
    fn may_be_elsewhere(&self) -> bool {
        match self {
            Self::Stream => true,
            Self::Media(error) => matches!(
                error,
                MediaError::Unreachable { .. }
                    | MediaError::NoPictures { .. }
                    | MediaError::Elsewhere { .. }
                    | MediaError::Stalled { .. }
                    | MediaError::NoPicture { .. }
            ),
            Self::Scene(_) | Self::Sink(_) => false,
        }
    }
}

/// How often a camera's status is told at least.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often a quiet camera's watcher looks whether it should stop.
const TICK: Duration = Duration::from_millis(250);
/// Cameras lock the account of whoever shows a wrong password some five times.
const REFUSALS: u32 = 2;
/// How long a camera that refused the password so often is left alone, unless somebody gives its address again.
pub const LEFT_ALONE: Duration = Duration::from_secs(3600);
/// A camera that was live for so long is trusted again: the next loss is retried soon.
const TRUSTED: Duration = Duration::from_secs(30);

/// Watches a camera until `cancel`: connects, looks at every sampled frame, hands on what it saw, and connects again with
/// jittered backoff whenever the stream ends, fails or stays silent. Blocks; every open track is published before it returns.
///
/// `report` is told after every change of state and at least every second.
pub fn watch_camera(
    task: &LiveTask,
    visions: &VisionPool,
    sink: &mut dyn SightingSink,
    report: &mut dyn FnMut(&LiveStatus),
    cancel: &CancellationToken,
) {
    let mut backoff = Backoff::default();
    let mut refusals = 0;
    let mut watch = Watch {
        task,
        visions,
        sink,
        report,
        cancel,
        status: LiveStatus::new(),
        scene_before: SceneStats::default(),
        began: Instant::now(),
        clock_trend: ClockTrend::default(),
        asking: task.anew.clone().map(|anew| Asking::new(&task.camera, anew, &task.source)),
        pictured: false,
    };
    while !cancel.is_cancelled() {
        watch.tell(CameraEvent::Connect);
        let began = Instant::now();
        let Err(ended) = watch.session() else { return };
        if watch.status.state == CameraState::Live && began.elapsed() > TRUSTED {
            backoff.reset();
        }
        let mut retry_in = backoff.wait();
        let mut reason = with_causes(&ended);
        refusals = if matches!(ended, Ended::Media(MediaError::Unauthorised { .. })) { refusals + 1 } else { 0 };
        if refusals >= REFUSALS {
            retry_in = LEFT_ALONE;
            reason = format!(
                "{reason}; it refused {refusals} times and is left alone for an hour, since cameras lock accounts; give its address \
                 again (the same one, too) and it is tried at once"
            );
        }
        tracing::warn!(camera = %task.camera, reason, retry_s = retry_in.as_secs_f64(), "camera lost");
        watch.status.losses += 1;
        watch.tell(CameraEvent::Lost { reason, retry_in });
        if !watch.ask_anew(&ended) {
            sleep(retry_in, cancel);
        }
    }
}

struct Watch<'a> {
    task: &'a LiveTask,
    visions: &'a VisionPool,
    sink: &'a mut dyn SightingSink,
    report: &'a mut dyn FnMut(&LiveStatus),
    cancel: &'a CancellationToken,
    status: LiveStatus,
    /// Of earlier sessions.
    scene_before: SceneStats,
    began: Instant,
    clock_trend: ClockTrend,
    asking: Option<Asking>,
    /// A picture came over this connection.
    pictured: bool,
}

impl Watch<'_> {
    fn tell(&mut self, event: CameraEvent) {
        self.status.tell(event);
        (self.report)(&self.status);
    }

    /// After a loss: its device is asked where the stream is, if it is time for that. `true`: it names another address, which is tried
    /// at once.
    fn ask_anew(&mut self, ended: &Ended) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        let tried = asking.lost(!self.pictured && ended.may_be_elsewhere());
        let due = asking.is_due();
        self.note_asked(tried);
        if !due {
            return false;
        }
        let asked = self.asking.as_mut().and_then(|asking| asking.ask(self.cancel));
        self.note_asked(asked);
        self.asking.as_ref().is_some_and(Asking::tries)
    }

    fn note_asked(&mut self, asked: Option<AddressAsked>) {
        if asked.is_some() {
            self.status.address_asked = asked;
            (self.report)(&self.status);
        }
    }

    /// One connection; `Ok` when told to stop. What was being followed is published either way.
    fn session(&mut self) -> Result<(), Ended> {
        let origin = SceneOrigin::Live { session: uuid::Uuid::now_v7().as_u128() };
        let options = SceneOptions { publish_on_confirm: true, ..self.task.scene.clone() };
        let mut scene = Scene::new(self.task.camera.clone(), self.task.agency.clone(), origin, options);
        let ended = self.follow(&mut scene);
        let left = self.visions.with(|vision| scene.finish(vision));
        self.scene_before = self.scene_before.plus(scene.stats());
        self.status.scene = self.scene_before;
        self.status.fps = 0.0;
        self.status.fps_decoded = 0.0;
        self.hand_on(left?)?;
        ended
    }

    fn follow(&mut self, scene: &mut Scene) -> Result<(), Ended> {
        self.pictured = false;
        let source = self.asking.as_ref().and_then(Asking::source).unwrap_or(&self.task.source);
        let mut reader = FrameReader::open_rtsp(source, self.task.sampling.clone())?;
        let frames_before = self.status.frames;
        let (mut quiet_since, mut reported, mut rate) = (Instant::now(), Instant::now(), Rate::default());
        let (mut heard, mut silent_since) = (0, Instant::now());
        let mut last: Option<(MediaTime, Size, u64)> = None;
        loop {
            if self.cancel.is_cancelled() {
                return Ok(());
            }
            match reader.next(TICK) {
                Ok(Some(frame)) => {
                    quiet_since = Instant::now();
                    let dropped = reader.stats().dropped_late;
                    if let Some((at, size, dropped_then)) = last.replace((frame.at, frame.size(), dropped)) {
                        self.tell_gap(frame.at.as_duration() - at.as_duration(), dropped - dropped_then);
                        if size != frame.size() {
                            tracing::info!(camera = %self.task.camera, from = ?size, to = ?frame.size(), "the picture changed its size");
                        }
                    }
                    self.look(scene, &frame)?;
                }
                Ok(None) => return Err(Ended::Stream),
                Err(MediaError::Stalled { input, .. }) => {
                    let after = quiet_since.elapsed();
                    let heard_now = reader.heard();
                    if heard_now != heard {
                        (heard, silent_since) = (heard_now, Instant::now());
                    }
                    if silent_since.elapsed().min(after) >= self.task.patience.silent {
                        return Err(MediaError::Stalled { input, after }.into());
                    }
                    if after >= self.task.patience.picture {
                        return Err(MediaError::NoPicture { input, after }.into());
                    }
                    if after >= self.task.patience.stalled {
                        self.tell(CameraEvent::Stall);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            let stats = reader.stats();
            self.status.frames = frames_before.plus(stats);
            self.status.scene = self.scene_before.plus(scene.stats());
            self.status.clock = reader.clock();
            if let Some(clock) = &self.status.clock {
                self.clock_trend.note(self.began.elapsed(), clock.offset_micros);
                self.status.clock_drift = self.clock_trend.drift();
            }
            (self.status.fps, self.status.fps_decoded) = rate.over(Instant::now(), stats);
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                (self.report)(&self.status);
            }
        }
    }

    /// For those who look for lost frames. A camera that is slower than the sampling rate has nothing but gaps.
    fn tell_gap(&self, gap: Duration, dropped_late: u64) {
        if gap.as_secs_f64() * self.task.sampling.fps > 1.5 {
            tracing::trace!(camera = %self.task.camera, gap_s = gap.as_secs_f64(), dropped_late, "no frame was looked at meanwhile");
        }
    }

    fn look(&mut self, scene: &mut Scene, frame: &Frame) -> Result<(), Ended> {
        let seen = self.visions.with(|vision| scene.frame(frame, vision))?;
        self.status.last_frame = Some(ReceiveTime::now());
        if !self.pictured {
            self.pictured = true;
            let taken = self.asking.as_mut().and_then(Asking::pictured);
            self.note_asked(taken);
        }
        if self.status.state != CameraState::Live {
            self.tell(CameraEvent::Frame);
        }
        self.hand_on(seen)
    }

    fn hand_on(&mut self, seen: Vec<NewSighting>) -> Result<(), Ended> {
        if !seen.is_empty() {
            self.sink.accept(seen)?;
        }
        Ok(())
    }
}

/// Frames a second over the last [`LiveStatus::SPAN`].
#[derive(Default)]
struct Rate(VecDeque<(Instant, ReaderStats)>);

impl Rate {
    /// Looked at, and decoded.
    fn over(&mut self, now: Instant, stats: ReaderStats) -> (f64, f64) {
        // One reading in ten of the span is enough to go by.
        if self.0.back().is_none_or(|(at, _)| now - *at >= LiveStatus::SPAN / 10) {
            self.0.push_back((now, stats));
        }
        while self.0.len() > 2 && self.0.front().is_some_and(|(at, _)| now - *at > LiveStatus::SPAN) {
            self.0.pop_front();
        }
        let Some((since, then)) = self.0.front() else { return (0.0, 0.0) };
        let seconds = (now - *since).as_secs_f64().max(1.0);
        ((stats.delivered - then.delivered) as f64 / seconds, (stats.decoded - then.decoded) as f64 / seconds)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn sleep(duration: Duration, cancel: &CancellationToken) {
    let until = Instant::now() + duration;
    while !cancel.is_cancelled() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(TICK / 5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_whose_thread_is_held_up_is_told_as_stalled_and_one_that_is_offline_as_offline() {
        let now = ReceiveTime::now();
        let ago = |seconds: i64| now.plus_micros(-seconds * 1_000_000);
        let with = |state, last| LiveStatus { state, last_frame: Some(last), fps: 5.0, ..LiveStatus::new() };
        let told = |state, seconds| with(state, ago(seconds)).as_of(now, Patience::default());
        assert_eq!(told(CameraState::Live, 3).state, CameraState::Live);
        let held_up = told(CameraState::Live, 60);
        assert_eq!((held_up.state, held_up.since, held_up.fps), (CameraState::Stalled, ago(60), 0.0));
        assert_eq!(told(CameraState::Connecting, 60).state, CameraState::Connecting);
    }
}
