//! Which pictures may be looked at. A picture that is made from others shows smeared differences where those are missing: after
//! joining a stream in mid-group, and after a loss, until the next picture that needs no other. Where a decoder mends what is
//! missing inside a picture, it says itself whether that is worth looking at.

use std::collections::VecDeque;

use gstreamer as gst;
use parking_lot::{Mutex, MutexGuard};

/// Of one stream, from where its pictures enter the decoder to where they leave it.
#[derive(Debug)]
pub(crate) struct Keyed(Mutex<State>);

#[derive(Debug)]
struct State {
    /// For a key picture.
    waiting: bool,
    /// Pictures that came in vain since then.
    missed: u32,
    /// The latest time of presentation that went into the decoder.
    latest: Option<gst::ClockTime>,
    /// From what was whole to the key picture after it: what comes in between lacks others.
    holes: VecDeque<(Option<gst::ClockTime>, gst::ClockTime)>,
    /// Key pictures since the last hole, and whether the decoder has called anything whole since then.
    keys: u32,
    whole: bool,
}

/// What a picture is, as it goes into the decoder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entering {
    pub(crate) pts: Option<gst::ClockTime>,
    /// Needs no other.
    pub(crate) key: bool,
    /// Others are missing before it.
    pub(crate) gap: bool,
    /// Some of it is missing.
    pub(crate) damaged: bool,
}

/// No group is longer: a stream with so many pictures and no key picture has none. Some cameras renew each picture bit by bit
/// instead, and after so many all of it is new.
const LONGEST: u32 = 1000;
/// More holes than a decoder has pictures under way.
const HOLES: usize = 64;
/// A decoder that still calls everything broken after so many key pictures knows nothing about this stream.
const KEYS: u32 = 3;

impl Keyed {
    pub(crate) fn new() -> Self {
        let state = State { waiting: true, missed: 0, latest: None, holes: VecDeque::new(), keys: 0, whole: false };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Whether it is worth decoding.
    pub(crate) fn enter(&self, picture: Entering) -> bool {
        let mut state = self.state();
        let Entering { pts, key, gap, damaged } = picture;
        if gap || (key && damaged) {
            state.waiting = true;
        }
        if state.waiting {
            let refreshed = state.missed >= LONGEST;
            if damaged || !(key || refreshed) {
                state.missed += 1;
                return false;
            }
            (state.waiting, state.missed) = (false, 0);
            // Where there are no key pictures a decoder misses them all along.
            (state.keys, state.whole) = (if key { 0 } else { KEYS }, false);
            if let Some(pts) = pts {
                let since = state.latest;
                state.holes.push_back((since, pts));
                if state.holes.len() > HOLES {
                    state.holes.pop_front();
                }
            }
        }
        state.keys += u32::from(key);
        state.latest = state.latest.max(pts);
        true
    }

    /// Whether what the decoder made is worth looking at. `corrupt`: it says that something was missing.
    pub(crate) fn leave(&self, pts: Option<gst::ClockTime>, corrupt: bool) -> bool {
        let mut state = self.state();
        if corrupt && (state.whole || state.keys < KEYS) {
            return false;
        }
        state.whole |= !corrupt;
        let Some(pts) = pts else { return true };
        !state.holes.iter().any(|(since, key)| since.is_none_or(|since| pts > since) && pts < *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> Option<gst::ClockTime> {
        Some(gst::ClockTime::from_mseconds(n * 100))
    }

    fn enter(keyed: &Keyed, n: u64, key: bool) -> bool {
        keyed.enter(Entering { pts: at(n), key, ..Entering::default() })
    }

    #[test]
    fn after_joining_in_mid_group_nothing_is_shown_that_lacks_its_key_picture() {
        let keyed = Keyed::new();
        assert!(!enter(&keyed, 5, false) && !enter(&keyed, 6, false));
        // An open group: the pictures shown before its key picture come after it and need the group before.
        assert!(enter(&keyed, 9, true) && enter(&keyed, 7, false) && enter(&keyed, 8, false) && enter(&keyed, 10, false));
        let shown: Vec<u64> = (5..=10).filter(|n| keyed.leave(at(*n), false)).collect();
        assert_eq!(shown, [9, 10]);
    }

    #[test]
    fn after_a_loss_what_was_whole_is_still_shown_and_the_rest_waits_for_a_key_picture() {
        let keyed = Keyed::new();
        assert!(enter(&keyed, 0, true) && enter(&keyed, 1, false) && enter(&keyed, 2, false));
        assert!(!keyed.enter(Entering { pts: at(4), gap: true, ..Entering::default() }));
        assert!(!keyed.enter(Entering { pts: at(5), key: true, damaged: true, ..Entering::default() }));
        assert!(!enter(&keyed, 6, false) && enter(&keyed, 9, true) && enter(&keyed, 8, false));
        // The decoder still had some.
        let shown: Vec<u64> = [1, 2, 8, 9, 10].into_iter().filter(|n| keyed.leave(at(*n), false)).collect();
        assert_eq!(shown, [1, 2, 9, 10]);
    }

    #[test]
    fn a_stream_that_has_no_key_pictures_is_looked_at_once_all_of_it_was_renewed() {
        let keyed = Keyed::new();
        let first = (0..2000).find(|n| enter(&keyed, *n, false));
        assert_eq!(first, Some(u64::from(LONGEST)));
        // Its decoder knows of no picture that is whole.
        assert!(enter(&keyed, 1001, false) && !keyed.leave(at(999), true) && keyed.leave(at(1001), true));
        // After a loss it takes as long again.
        assert!(!keyed.enter(Entering { pts: at(1002), gap: true, ..Entering::default() }));
        assert_eq!((1003..4000).find(|n| enter(&keyed, *n, false)), Some(1002 + u64::from(LONGEST)));
    }

    #[test]
    fn what_a_decoder_calls_broken_is_not_shown_unless_it_calls_everything_broken() {
        let keyed = Keyed::new();
        enter(&keyed, 0, true);
        assert!(!keyed.leave(at(0), true) && keyed.leave(at(1), false) && !keyed.leave(at(2), true));
        let keyed = Keyed::new();
        for n in 0..4 {
            enter(&keyed, n, true);
        }
        assert!(keyed.leave(at(0), true));
    }
}
