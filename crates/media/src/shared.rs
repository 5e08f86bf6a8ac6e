//! What GStreamer's threads tell the reader.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use gstreamer as gst;

use crate::{replay::LEAD, replayed::Span};

/// Frames that may wait for the reader.
pub(crate) const WAITING: u32 = 4;

/// Counts since the reader was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReaderStats {
    /// Pictures that left the decoder.
    pub decoded: u64,
    /// Of those, how many the sampling rate wanted.
    pub sampled: u64,
    /// Of those, how many [`crate::FrameReader::next`] has returned.
    pub delivered: u64,
    /// Decoded, not wanted by the sampling rate.
    pub dropped_by_rate: u64,
    /// Not decoded, because only keyframes were asked for.
    pub dropped_not_key: u64,
    /// Wanted, but displaced by a newer one while the reader was slow. Cameras only: a file waits. Those before the last frame
    /// that was returned; what a reader that returns none loses meanwhile counts when it does.
    pub dropped_late: u64,
    /// Decoded from damaged data, as far as the decoder says so; delivered nevertheless.
    pub corrupt: u64,
    /// Times a decoder complained.
    pub decode_errors: u64,
}

/// What the source turned out to contain.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Caps of the video stream that is decoded.
    pub(crate) video: Option<gst::Caps>,
    /// The pad that takes it.
    pub(crate) decoder: gst::glib::WeakRef<gst::Pad>,
    pub(crate) sound: bool,
    /// Set when a video stream has no decoder.
    pub(crate) unsupported: Option<String>,
    /// Set when a link that can't fail failed.
    pub(crate) broken: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Reading begins inside the file: times are the file's own, since jumping starts those of playing anew.
    pub(crate) from_inside: bool,
    /// Of a recorder: what of its pictures is wanted.
    pub(crate) span: Option<Span>,
    found: Mutex<Found>,
    pub(crate) decoded: AtomicU64,
    sampled: AtomicU64,
    /// Running times of those that were sampled and not returned: waiting, or displaced.
    on_their_way: Mutex<VecDeque<Duration>>,
    dropped_late: AtomicU64,
    pub(crate) not_key: AtomicU64,
    pub(crate) corrupt: AtomicU64,
    pub(crate) decode_errors: AtomicU64,
    /// The encoded video's end has come to the decoder, which still has pictures to give.
    pub(crate) ending: AtomicBool,
    /// Running time of the first decoded frame in nanoseconds plus one; 0 before.
    first: AtomicU64,
    /// How far the encoded video was read, in nanoseconds of running time.
    reached: AtomicI64,
}

impl Shared {
    pub(crate) fn new(from_inside: bool) -> Self {
        Self { from_inside, ..Self::default() }
    }

    /// Of a recorder: media time begins where it was asked to, whenever the first picture comes.
    pub(crate) fn of_span(span: Span) -> Self {
        let shared = Self { span: Some(span), ..Self::default() };
        shared.first_or(LEAD);
        shared
    }

    pub(crate) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame is wanted, and on its way to the reader.
    pub(crate) fn sample(&self, running: Duration) {
        Self::count(&self.sampled);
        let mut on_their_way = self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner);
        on_their_way.push_back(running);
        // The reader is far behind: what is this old does not wait any more.
        if on_their_way.len() > 4 * WAITING as usize {
            on_their_way.pop_front();
            Self::count(&self.dropped_late);
        }
    }

    /// A frame is returned: those before it never will be.
    pub(crate) fn deliver(&self, running: Duration) {
        let mut on_their_way = self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner);
        let until_it = on_their_way.partition_point(|at| *at <= running);
        on_their_way.drain(..until_it);
        self.dropped_late.fetch_add(until_it.saturating_sub(1) as u64, Ordering::Relaxed);
    }

    /// Remembers the first frame's running time; later calls return it.
    pub(crate) fn first_or(&self, running: Duration) -> Duration {
        let nanos = nanos(running) + 1;
        match self.first.compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => running,
            Err(first) => Duration::from_nanos(first - 1),
        }
    }

    pub(crate) fn first(&self) -> Option<Duration> {
        self.first.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_nanos)
    }

    pub(crate) fn reach(&self, running: Duration) {
        self.reached.fetch_max(i64::try_from(nanos(running)).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// How far the video was read, since its first frame.
    pub(crate) fn reached(&self) -> Duration {
        let reached = Duration::from_nanos(self.reached.load(Ordering::Relaxed).unsigned_abs());
        reached.saturating_sub(self.first().unwrap_or_default())
    }

    pub(crate) fn stats(&self, delivered: u64, live: bool) -> ReaderStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Read in the order of the flow, so that no difference goes below zero by more than what moves meanwhile.
        let (sampled, decoded) = (get(&self.sampled), get(&self.decoded));
        ReaderStats {
            decoded,
            sampled,
            delivered,
            dropped_by_rate: decoded.saturating_sub(sampled),
            dropped_not_key: get(&self.not_key),
            dropped_late: if live { get(&self.dropped_late) } else { 0 },
            corrupt: get(&self.corrupt),
            decode_errors: get(&self.decode_errors),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the reader's pace: what it did not get is counted, once, and the count never falls.
        #[test]
        fn every_sampled_frame_is_returned_or_waits_or_is_counted_as_dropped(pace in prop::collection::vec(0usize..40, 1..30)) {
            let (shared, mut queue, mut now, mut delivered, mut before) = (Shared::default(), VecDeque::new(), 0, 0, 0);
            for frames in pace {
                for _ in 0..frames {
                    now += 200;
                    shared.sample(Duration::from_millis(now));
                    queue.push_back(now);
                    if queue.len() > WAITING as usize {
                        queue.pop_front();
                    }
                }
                if let Some(at) = queue.pop_front() {
                    shared.deliver(Duration::from_millis(at));
                    delivered += 1;
                    let stats = shared.stats(delivered, true);
                    prop_assert_eq!(stats.sampled, delivered + queue.len() as u64 + stats.dropped_late);
                }
                let stats = shared.stats(delivered, true);
                prop_assert!(stats.dropped_late >= before);
                before = stats.dropped_late;
            }
        }
    }
}
