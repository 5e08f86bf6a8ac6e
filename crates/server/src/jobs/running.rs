//! A job that is being worked on: which of its parts are left, and how far the others are.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use catalogue::{FencingToken, Job, JobLease, SegmentDone, TakenJob};
use media::FootageInfo;
use parking_lot::{Mutex, MutexGuard};
use pipeline::{FootageProgress, FootageTask, SceneStats, Segment};
use tokio_util::sync::CancellationToken;
use types::RecorderId;

use super::{ended::Ended, shortfall::Shortfall};
use crate::recorders::{Recorders, Session};

/// Shared by the workers that work on it.
pub(super) struct Running {
    pub(super) job: Job,
    pub(super) lease: JobLease,
    pub(super) task: FootageTask,
    pub(super) info: FootageInfo,
    pub(super) cancel: CancellationToken,
    /// Of a recording: its recorder, and how many may be played at once of it.
    from: Option<Origin>,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    todo: VecDeque<Segment>,
    /// Workers on it.
    working: usize,
    /// Done in this run and before it.
    done: Duration,
    before: Duration,
    stats: SceneStats,
    /// Of parts under way, by number.
    now: BTreeMap<u32, FootageProgress>,
    /// The leave of each to play a recording.
    played: BTreeMap<u32, Session>,
    /// How the first part that did not end well ended.
    ended: Option<Ended>,
    shortfall: Shortfall,
}

/// Where a recording is pulled from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) recorders: Arc<Recorders>,
    pub(super) recorder: RecorderId,
    pub(super) sessions: u32,
}

/// What the last worker to leave has to do.
pub(super) enum SegmentOutcome {
    /// Others are still on it, or there is more to do.
    Going,
    Over(Result<Shortfall, Ended>),
}

impl Running {
    pub(super) fn new(
        taken: TakenJob,
        task: FootageTask,
        info: FootageInfo,
        length: Option<Duration>,
        cancel: CancellationToken,
        from: Option<Origin>,
    ) -> Self {
        let todo = length.map_or_else(|| vec![Segment::WHOLE], |length| Segment::cut(&info, length)).into();
        let state = Mutex::new(State { todo, ..State::default() });
        let TakenJob { job, lease } = taken;
        Self { job, lease, task, info, cancel, from, began: Instant::now(), state }
    }

    /// What is stored of it is refused once it is another server's.
    pub(super) fn fence(&self) -> FencingToken {
        self.lease.clone().into()
    }

    pub(super) fn parts(&self) -> u32 {
        u32::try_from(self.lock().todo.len()).unwrap_or(u32::MAX)
    }

    /// These were done before a crash or a stop.
    pub(super) fn done_before(&self, done: &[SegmentDone]) {
        let mut state = self.lock();
        let State { todo, .. } = &mut *state;
        let gone: Vec<Segment> = todo.iter().filter(|p| done.iter().any(|d| d.number == p.number)).copied().collect();
        todo.retain(|p| !gone.contains(p));
        state.before = gone.iter().map(|p| self.length(p)).sum();
        state.done = state.before;
        for d in done {
            let more = SceneStats {
                frames: d.frames,
                detections: d.detections,
                sightings: d.sightings,
                crops_refused: d.crops_refused,
                ..SceneStats::default()
            };
            state.stats = state.stats.plus(more);
            state.shortfall.add(d.into());
        }
    }

    /// What the parts that are done did not look at.
    pub(super) fn shortfall(&self) -> Shortfall {
        self.lock().shortfall.clone()
    }

    /// A part for a worker that is free. Of a recorder that is asked for as much as may be: none.
    pub(super) fn take(&self) -> Option<Segment> {
        let mut state = self.lock();
        let number = state.todo.front()?.number;
        if let Some(Origin { recorders, recorder, sessions }) = &self.from {
            let session = recorders.session(recorder, *sessions)?;
            state.played.insert(number, session);
        }
        let part = state.todo.pop_front()?;
        state.working += 1;
        Some(part)
    }

    pub(super) fn progressed(&self, part: &Segment, progress: FootageProgress) {
        self.lock().now.insert(part.number, progress);
    }

    /// Of the whole job.
    pub(super) fn progress(&self) -> FootageProgress {
        let state = self.lock();
        let done = state.done + state.now.values().map(|p| p.done).sum::<Duration>();
        let stats = state.now.values().fold(state.stats, |all, p| all.plus(p.stats));
        FootageProgress { done, total: self.info.duration, before: state.before, elapsed: self.began.elapsed(), stats }
    }

    /// A worker is through with a part, one way or another.
    pub(super) fn finish(&self, part: &Segment, how: Result<(SceneStats, Duration, Shortfall), Ended>) -> SegmentOutcome {
        let mut state = self.lock();
        state.working -= 1;
        state.now.remove(&part.number);
        state.played.remove(&part.number);
        match how {
            Ok((stats, done, shortfall)) => {
                state.stats = state.stats.plus(stats);
                state.done += done;
                state.shortfall.add(shortfall);
            }
            Err(ended) => {
                state.todo.clear();
                // What stopped the others because of this one is not the reason.
                state.ended.get_or_insert(ended);
                self.cancel.cancel();
            }
        }
        if state.working > 0 || !state.todo.is_empty() {
            return SegmentOutcome::Going;
        }
        let shortfall = std::mem::take(&mut state.shortfall);
        SegmentOutcome::Over(state.ended.take().map_or(Ok(shortfall), Err))
    }

    /// Nothing is left to do and nobody is on it: all of it was done before.
    pub(super) fn is_done(&self) -> bool {
        let state = self.lock();
        state.working == 0 && state.todo.is_empty()
    }

    fn length(&self, part: &Segment) -> Duration {
        part.to.or(self.info.duration).unwrap_or(part.from).saturating_sub(part.from)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change to it is whole before anything can panic.
        self.state.lock()
    }
}
