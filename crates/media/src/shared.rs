//! What GStreamer's threads tell the reader.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use gstreamer as gst;
use parking_lot::{Mutex, MutexGuard};

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
    /// Decoded from damaged data, as far as the decoder says so: not delivered.
    pub corrupt: u64,
    /// Not looked at, because the key picture that they are made from is missing or damaged.
    pub without_key: u64,
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
    /// Set when the file could not be read any more.
    pub(crate) unreadable: Option<String>,
    /// Streams of pictures beside the one that is decoded, for people.
    pub(crate) left_out: Vec<String>,
}

#[derive(Debug, Default)]
struct Fed {
    times: VecDeque<u64>,
    one_has_come: bool,
}

/// More than wait between where a stream is taken apart and the decoder.
const MOST_FED: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Reading begins inside the file: times are the file's own, since jumping starts those of playing anew.
    pub(crate) from_inside: bool,
    /// A bare video stream: its timestamps are what its parser makes up.
    pub(crate) clockless: bool,
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
    /// Pictures that came to the decoder or left it, without the picture that they need.
    pub(crate) without_key: AtomicU64,
    /// Encoded pictures with something missing in them or before them, by their time; true: before them.
    lost: Mutex<BTreeMap<u64, bool>>,
    /// Encoded pictures of a transport or program stream, by their times, as long as none has come to the decoder.
    fed: Mutex<Fed>,
    /// From this running time on, in nanoseconds plus one, times are guesses; 0: none are.
    doubt: AtomicU64,
    /// How far the demuxer came, and how far with pictures, in nanoseconds of running time.
    demuxed: AtomicI64,
    demuxed_pictures: AtomicI64,
    /// The first picture's timestamp, and where it is on the container's own line of time.
    begins: Mutex<Option<(Duration, Duration)>>,
    /// Running time of the first frame of all, also of those that are not shown, in nanoseconds plus one; 0 before.
    first: AtomicU64,
    /// A frame was shown: no earlier one comes any more.
    shown: AtomicBool,
    /// How far the encoded video was read, in nanoseconds of running time.
    reached: AtomicI64,
}

impl Shared {
    pub(crate) fn new(from_inside: bool, clockless: bool) -> Self {
        Self { from_inside, clockless, ..Self::default() }
    }

    /// Of what follows in the same file: goes on where this one is.
    pub(crate) fn next(&self) -> Self {
        let get = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        let (reached, left_out) = (self.reached.load(Ordering::Relaxed), std::mem::take(&mut self.found().left_out));
        Self {
            from_inside: self.from_inside,
            found: Mutex::new(Found { left_out, ..Found::default() }),
            decoded: get(&self.decoded),
            sampled: get(&self.sampled),
            dropped_late: get(&self.dropped_late),
            not_key: get(&self.not_key),
            corrupt: get(&self.corrupt),
            decode_errors: get(&self.decode_errors),
            without_key: get(&self.without_key),
            doubt: get(&self.doubt),
            first: get(&self.first),
            shown: AtomicBool::new(self.shown.load(Ordering::Relaxed)),
            reached: AtomicI64::new(reached),
            ..Self::default()
        }
    }

    /// Notes that something is missing in the picture of this time, or before it.
    pub(crate) fn lose(&self, pts: gst::ClockTime, before: bool) {
        let mut lost = self.lost.lock();
        lost.insert(pts.nseconds(), before);
        // More than a decoder has under way.
        if lost.len() > 4096 {
            lost.pop_first();
        }
    }

    /// Whether something is missing before the picture of this time, or in it.
    pub(crate) fn lost(&self, pts: gst::ClockTime) -> Option<bool> {
        self.lost.lock().remove(&pts.nseconds())
    }

    /// A picture is on its way to a parser, which passes over those that it can't make sense of: where a file begins in the middle
    /// of a group. Time begins with the first of them all the same.
    pub(crate) fn feed(&self, pts: gst::ClockTime) {
        self.enter(pts.into());
        let mut fed = self.fed.lock();
        if fed.one_has_come {
            return;
        }
        fed.times.push_back(pts.nseconds());
        if fed.times.len() > MOST_FED {
            fed.times.pop_front();
            Self::count(&self.without_key);
        }
    }

    /// A picture has come to the decoder: those that were fed before the first one never will.
    pub(crate) fn come(&self, pts: Option<gst::ClockTime>) {
        let mut fed = self.fed.lock();
        if std::mem::replace(&mut fed.one_has_come, true) {
            return;
        }
        let times = std::mem::take(&mut fed.times);
        let before = pts.and_then(|pts| times.iter().position(|time| *time == pts.nseconds())).unwrap_or_default();
        self.without_key.fetch_add(before as u64, Ordering::Relaxed);
    }

    /// From here on times are guesses.
    pub(crate) fn doubt(&self, running: Duration) {
        let at = nanos(running) + 1;
        // The first one stays.
        let _ = self.doubt.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether a time is a guess.
    pub(crate) fn doubts(&self, running: Duration) -> bool {
        self.doubt.load(Ordering::Relaxed).checked_sub(1).is_some_and(|from| nanos(running) >= from)
    }

    pub(crate) fn demux(&self, running: gst::ClockTime, pictures: bool) {
        let running = i64::try_from(running.nseconds()).unwrap_or(i64::MAX);
        self.demuxed.fetch_max(running, Ordering::Relaxed);
        if pictures {
            self.demuxed_pictures.fetch_max(running, Ordering::Relaxed);
        }
    }

    /// How far the demuxer came, since the first picture; and how far with pictures.
    pub(crate) fn demuxed(&self) -> (Duration, Duration) {
        let since = |reached: &AtomicI64| {
            let reached = Duration::from_nanos(reached.load(Ordering::Relaxed).unsigned_abs());
            reached.saturating_sub(self.first().unwrap_or_default())
        };
        (since(&self.demuxed), since(&self.demuxed_pictures))
    }

    /// Remembers the first picture's timestamp, and where it is on the container's line of time.
    pub(crate) fn begin(&self, stamp: Duration, position: Duration) {
        self.begins.lock().get_or_insert((stamp, position));
    }

    pub(crate) fn begins(&self) -> (Duration, Duration) {
        self.begins.lock().unwrap_or_default()
    }

    /// Of a recorder: media time begins where it was asked to, whenever the first picture comes.
    pub(crate) fn of_span(span: Span) -> Self {
        let shared = Self { span: Some(span), ..Self::default() };
        shared.first_or(LEAD);
        shared
    }

    pub(crate) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock()
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame is wanted, and on its way to the reader.
    pub(crate) fn sample(&self, running: Duration) {
        Self::count(&self.sampled);
        let mut on_their_way = self.on_their_way.lock();
        on_their_way.push_back(running);
        // The reader is far behind: what is this old does not wait any more.
        if on_their_way.len() > 4 * WAITING as usize {
            on_their_way.pop_front();
            Self::count(&self.dropped_late);
        }
    }

    /// A frame is returned: those before it never will be.
    pub(crate) fn deliver(&self, running: Duration) {
        let mut on_their_way = self.on_their_way.lock();
        let until_it = on_their_way.partition_point(|at| *at <= running);
        on_their_way.drain(..until_it);
        self.dropped_late.fetch_add(until_it.saturating_sub(1) as u64, Ordering::Relaxed);
    }

    /// An encoded frame, in the order of decoding: the earliest of those before the first that is shown is where time begins.
    pub(crate) fn enter(&self, running: Duration) {
        if !self.shown.load(Ordering::Relaxed) {
            let nanos = nanos(running) + 1;
            let earlier = |first: u64| (first == 0 || nanos < first).then_some(nanos);
            let _ = self.first.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
        }
    }

    /// Remembers the first frame's running time, unless there is one; later calls return it.
    pub(crate) fn first_or(&self, running: Duration) -> Duration {
        self.shown.store(true, Ordering::Relaxed);
        let nanos = nanos(running) + 1;
        match self.first.compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => running,
            Err(first) => Duration::from_nanos(first - 1),
        }
    }

    /// Pictures that were there and not looked at.
    pub(crate) fn unseen(&self) -> u64 {
        let fed = self.fed.lock().times.len() as u64;
        fed + [&self.not_key, &self.without_key, &self.corrupt].into_iter().map(|n| n.load(Ordering::Relaxed)).sum::<u64>()
    }

    /// Whether any frame was worth showing.
    pub(crate) fn shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
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
            without_key: get(&self.without_key),
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

    #[test]
    fn pictures_that_never_come_to_the_decoder_are_counted_and_time_begins_with_them() {
        let at = gst::ClockTime::from_seconds;
        let shared = Shared::default();
        (100..110).for_each(|n| shared.feed(at(n)));
        assert_eq!((shared.unseen(), shared.first()), (10, Some(Duration::from_secs(100))));
        shared.come(Some(at(107)));
        shared.feed(at(110));
        shared.come(Some(at(110)));
        assert_eq!((shared.unseen(), shared.first()), (7, Some(Duration::from_secs(100))));
        let shared = shared.next();
        (200..200 + MOST_FED as u64 + 5).for_each(|n| shared.feed(at(n)));
        assert_eq!(shared.without_key.load(Ordering::Relaxed), 7 + 5);
    }

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
