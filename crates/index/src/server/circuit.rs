use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many failures in a row open it.
pub(crate) const FAILURES: u32 = 5;

/// Keeps callers from waiting for a server that is away: after [`FAILURES`] failures in a row nobody asks it for a while, then
/// one does, and what comes of that decides for all.
#[derive(Debug)]
pub(crate) struct Circuit {
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nobody asks before.
    open_until: Option<Instant>,
}

impl Circuit {
    pub(crate) fn new(rest: Duration) -> Self {
        Self { rest, state: Mutex::default() }
    }

    /// # Errors
    /// How long it stays open.
    pub(crate) fn admit(&self) -> Result<(), Duration> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        match state.open_until {
            Some(until) if until > now => Err(until - now),
            Some(_) => {
                // This caller is the one that tries; the others wait for what it finds.
                state.open_until = Some(now + self.rest);
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn succeeded(&self) {
        *self.state.lock() = State::default();
    }

    /// Whether this failure opened it.
    pub(crate) fn failed(&self) -> bool {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        let opens = state.failures == FAILURES;
        if state.failures >= FAILURES {
            state.open_until = Some(Instant::now() + self.rest);
        }
        opens
    }
}
