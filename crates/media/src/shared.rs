//! What GStreamer's threads tell the reader.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use gstreamer as gst;

use crate::chain::WAITING;

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
    /// Wanted, but displaced by a newer one while the reader was slow. Cameras only: a file waits. Up to 4 too few, the
    /// frames that may be waiting.
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
    found: Mutex<Found>,
    pub(crate) decoded: AtomicU64,
    pub(crate) sampled: AtomicU64,
    pub(crate) not_key: AtomicU64,
    pub(crate) corrupt: AtomicU64,
    pub(crate) decode_errors: AtomicU64,
    /// Running time of the first decoded frame in nanoseconds plus one; 0 before.
    first: AtomicU64,
    /// How far the encoded video was read, in nanoseconds of running time.
    reached: AtomicI64,
}

impl Shared {
    pub(crate) fn new(from_inside: bool) -> Self {
        Self { from_inside, ..Self::default() }
    }

    pub(crate) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
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
            dropped_late: if live { sampled.saturating_sub(delivered + u64::from(WAITING)) } else { 0 },
            corrupt: get(&self.corrupt),
            decode_errors: get(&self.decode_errors),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1)
}
