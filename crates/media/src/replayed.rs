//! What a recorder plays, on its way to pictures: which of them are wanted, and when each was taken.

pub(crate) mod feeder;
pub(crate) mod packet;
pub(crate) mod sdp;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::replay::LEAD;

/// How a decoder comes to a recorder, and what of its pictures is wanted, by media time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) door: SocketAddr,
    pub(crate) key: String,
    pub(crate) from: Duration,
    /// What is not after this was seen before.
    pub(crate) after: Option<Duration>,
    pub(crate) until: Duration,
}

/// What of a recorder's pictures is wanted.
#[derive(Debug, Default)]
pub(crate) struct Span {
    from: Duration,
    after: Option<Duration>,
    until: Duration,
    /// It stopped before all of it had come.
    cut: AtomicBool,
    /// What comes out now was not followed by what belongs before it.
    closed: AtomicBool,
    /// It is over, and there was not one packet.
    nothing: AtomicBool,
}

impl Line {
    pub(crate) fn span(&self) -> Span {
        Span { from: self.from, after: self.after, until: self.until, ..Span::default() }
    }
}

impl Span {
    /// Of a time on the decoder's timeline: whether a picture of then is wanted. One without a time is none that anybody can use.
    pub(crate) fn wants(&self, running: Option<Duration>) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let Some(at) = running.and_then(|running| running.checked_sub(LEAD)) else { return false };
        at >= self.from && at < self.until && self.after.is_none_or(|after| at > after)
    }

    /// By media time: the last picture that was seen before.
    pub(crate) fn after(&self) -> Option<Duration> {
        self.after
    }

    /// The decoder was given all that came. Where that is not all there is, the pictures that it still holds may follow some that it
    /// never got: they come again with those.
    pub(crate) fn ends(&self) {
        if self.is_cut() {
            self.closed.store(true, Ordering::Release);
        }
    }

    fn nothing(&self) {
        self.nothing.store(true, Ordering::Release);
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.nothing.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_and_not_seen_before_is_wanted() {
        let at = Duration::from_secs;
        let line = |after| Line { door: "127.0.0.1:1".parse().unwrap(), key: String::new(), from: at(10), after, until: at(20) };
        let wanted = |after, seconds| line(after).span().wants(Some(LEAD + at(seconds)));
        assert_eq!([9, 10, 19, 20].map(|s| wanted(None, s)), [false, true, true, false]);
        assert_eq!([14, 15, 16].map(|s| wanted(Some(at(15)), s)), [false, false, true]);
        assert!(!line(None).span().wants(None) && !line(None).span().wants(Some(at(1))));
    }
}
