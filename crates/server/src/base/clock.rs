//! What time it is, as far as this machine's clock is believed. Three rules, in one place:
//!
//! - Time never goes back: it is never earlier than the record or any sweep has had it, and goes on by the steady clock of the
//!   machine where the other one was set back.
//! - A leap ahead that is larger than the deployment believes counts for what it refuses, and for nothing that stays.
//! - What can't be undone goes by [`Settled`] time: a leap ahead while the server runs moves it only once it has stood for as
//!   long as it was.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use types::ReceiveTime;

/// So much is no leap: a clock is set right by it every now and then.
const SLACK_US: i64 = 10 * 60 * 1_000_000;

/// What time it is for decisions. Tests set it forward and back; a deployment has the system's.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    made: Instant,
    state: Mutex<State>,
}

/// All in microseconds; "steady" counts from when the clock was made.
#[derive(Debug)]
struct State {
    /// A test's: how far ahead of the system's clock this one is, and how much of that is time that went by.
    ahead: i64,
    passed: i64,
    /// The largest leap that is believed.
    leap: i64,
    /// The latest time that was believed, and the steady clock then; `None`: any time is the first.
    latest: Option<(i64, i64)>,
    /// As `latest`, of what can't be undone.
    settled: Option<(i64, i64)>,
    /// A leap ahead that is not settled: since when, and how far.
    pending: Option<(i64, i64)>,
}

/// What time it is for deleting and for ending what nobody can begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled(pub(crate) ReceiveTime);

/// How the clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Believed {
    Time {
        settled: Settled,
        /// How far the machine's clock is ahead of that.
        ahead: Option<Duration>,
    },
    /// Not at all: it is so far ahead of the latest time that was believed.
    Leapt(Duration),
}

impl Default for Clock {
    fn default() -> Self {
        let state = State { ahead: 0, passed: 0, leap: i64::MAX, latest: None, settled: None, pending: None };
        Self(Arc::new(Inner { made: Instant::now(), state: Mutex::new(state) }))
    }
}

impl Clock {
    /// For whatever is refused or allowed and can be asked again. Never earlier than before.
    pub fn now(&self) -> ReceiveTime {
        let mut state = self.state();
        let (raw, steady) = (self.raw_us(&state), self.steady_us(&state));
        time(state.now(raw, steady).0)
    }

    /// What the machine says, whatever was said before.
    pub(crate) fn raw(&self) -> ReceiveTime {
        time(self.raw_us(&self.state()))
    }

    /// For what can't be undone.
    pub(crate) fn believed(&self) -> Believed {
        let mut state = self.state();
        let (raw, steady) = (self.raw_us(&state), self.steady_us(&state));
        state.believed(raw, steady)
    }

    /// A server begins: `latest` is what the sweeps of those before had, `recorded` what the record's last entries say. Of those
    /// a leap that is larger than is believed leaves the others as they are.
    pub(crate) fn begin(&self, leap: Duration, latest: Option<ReceiveTime>, recorded: &[ReceiveTime]) {
        let mut state = self.state();
        state.leap = i64::try_from(leap.as_micros()).unwrap_or(i64::MAX);
        let mut recorded: Vec<i64> = recorded.iter().map(|at| at.as_micros()).collect();
        recorded.sort_unstable();
        let mut floor = latest.map(|at| at.as_micros()).or(recorded.first().copied());
        for at in recorded {
            floor = floor.map(|floor| if at > floor && at.saturating_sub(floor) <= state.leap { at } else { floor });
        }
        let steady = self.steady_us(&state);
        state.latest = floor.map(|floor| (floor, steady));
        (state.settled, state.pending) = (None, None);
    }

    /// Somebody has looked: the machine's clock is right, whatever was before. Says what it shows.
    pub(crate) fn is_right(&self) -> ReceiveTime {
        let mut state = self.state();
        let now = (self.raw_us(&state), self.steady_us(&state));
        (state.latest, state.settled, state.pending) = (Some(now), Some(now), None);
        time(now.0)
    }

    /// From now on this far ahead of the system's clock: what is added went by, what is taken away is a clock that is set back.
    /// All clones go along.
    pub fn set_ahead(&self, by: Duration) {
        let mut state = self.state();
        state.ahead = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        state.passed = state.passed.max(state.ahead);
    }

    /// As [`Self::set_ahead`], of a clock that is wrong: no time went by.
    pub fn set_wrong(&self, by_seconds: i64) {
        self.state().ahead = by_seconds.saturating_mul(1_000_000);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    fn raw_us(&self, state: &State) -> i64 {
        ReceiveTime::now().plus_micros(state.ahead).as_micros()
    }

    fn steady_us(&self, state: &State) -> i64 {
        i64::try_from(self.0.made.elapsed().as_micros()).unwrap_or(i64::MAX).saturating_add(state.passed)
    }
}

impl State {
    /// The time for decisions, and by how much the machine's clock leapt where that is not believed.
    fn now(&mut self, raw: i64, steady: i64) -> (i64, Option<i64>) {
        let goes_on = self.latest.map_or(raw, |(at, then)| at.saturating_add(steady - then));
        let ahead = raw.saturating_sub(goes_on);
        if ahead > self.leap {
            return (raw, Some(ahead));
        }
        if ahead >= 0 {
            self.latest = Some((raw, steady));
        }
        (raw.max(goes_on), None)
    }

    fn believed(&mut self, raw: i64, steady: i64) -> Believed {
        let now = match self.now(raw, steady) {
            (_, Some(leapt)) => return Believed::Leapt(micros(leapt)),
            (now, None) => now,
        };
        let (at, then) = *self.settled.get_or_insert((now, steady));
        let goes_on = at.saturating_add(steady - then);
        let ahead = now.saturating_sub(goes_on);
        if ahead <= SLACK_US {
            self.pending = None;
            return Believed::Time { settled: Settled(time(now)), ahead: None };
        }
        let (since, far) = *self.pending.get_or_insert((steady, ahead));
        if ahead > far.saturating_add(SLACK_US) {
            self.pending = Some((steady, ahead));
        } else if steady - since >= far {
            (self.settled, self.pending) = (Some((now, steady)), None);
            return Believed::Time { settled: Settled(time(now)), ahead: None };
        }
        Believed::Time { settled: Settled(time(goes_on)), ahead: Some(micros(ahead)) }
    }
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(us.unsigned_abs())
}

fn time(us: i64) -> ReceiveTime {
    ReceiveTime::from_micros(us).unwrap_or_else(|_| ReceiveTime::now())
}

/// A length of time as differences of times have it.
pub(crate) fn as_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    /// Somewhen.
    const T: i64 = 1_772_323_200_000_000;

    fn begun() -> State {
        State { ahead: 0, passed: 0, leap: 7 * DAY, latest: Some((T, 0)), settled: None, pending: None }
    }

    fn settled(state: &mut State, raw: i64, steady: i64) -> Result<i64, i64> {
        match state.believed(raw, steady) {
            Believed::Time { settled, .. } => Ok(settled.0.as_micros() - T),
            Believed::Leapt(by) => Err(by.as_micros() as i64),
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_take_time_back_and_time_goes_on() {
        for back in [MINUTE, 31 * MINUTE, 2 * DAY] {
            let mut state = begun();
            assert_eq!(state.now(T + HOUR, HOUR), (T + HOUR, None));
            assert_eq!(state.now(T + HOUR - back, HOUR), (T + HOUR, None));
            assert_eq!(state.now(T + 2 * HOUR - back, 2 * HOUR), (T + 2 * HOUR, None));
            assert_eq!(settled(&mut state, T + 2 * HOUR - back, 2 * HOUR), Ok(2 * HOUR));
        }
    }

    #[test]
    fn a_leap_that_is_not_believed_refuses_and_leaves_nothing_behind() {
        let mut state = begun();
        assert_eq!(state.now(T + 40 * DAY, 0), (T + 40 * DAY, Some(40 * DAY)));
        assert_eq!(settled(&mut state, T + 40 * DAY, 0), Err(40 * DAY));
        assert_eq!(state.now(T + MINUTE, MINUTE), (T + MINUTE, None));
        assert_eq!(settled(&mut state, T + MINUTE, MINUTE), Ok(MINUTE));
    }

    #[test]
    fn a_leap_that_is_believed_ends_nothing_before_it_has_stood_as_long_as_it_was() {
        for leap in [HOUR, 6 * DAY] {
            let mut state = begun();
            assert_eq!(settled(&mut state, T, 0), Ok(0));
            let leapt = |steady: i64| T + leap + steady;
            assert_eq!(settled(&mut state, leapt(1), 1), Ok(1));
            assert_eq!(state.now(leapt(1), 1), (leapt(1), None), "what is refused goes by it at once");
            assert_eq!(settled(&mut state, leapt(leap / 2), leap / 2), Ok(leap / 2));
            assert_eq!(settled(&mut state, leapt(leap + 1), leap + 1), Ok(2 * leap + 1));
        }
        // Small steps are no leap, however often, and many of them add up to one.
        let mut state = begun();
        for n in 0..100 {
            let told = settled(&mut state, T + n * MINUTE, 0).unwrap();
            assert_eq!(told, if n <= 10 { n * MINUTE } else { 0 }, "{n}");
        }
    }

    #[test]
    fn the_latest_time_that_is_believed_is_read_from_the_record() {
        let at = |us: i64| ReceiveTime::from_micros(T + us).unwrap();
        let begin = |latest: Option<i64>, recorded: &[i64]| {
            let clock = Clock::default();
            let recorded: Vec<_> = recorded.iter().map(|us| at(*us)).collect();
            clock.begin(Duration::from_secs(7 * 86_400), latest.map(at), &recorded);
            clock.state().latest.map(|(floor, _)| floor - T)
        };
        assert_eq!(begin(None, &[]), None);
        assert_eq!(begin(Some(5), &[]), Some(5));
        assert_eq!(begin(Some(0), &[HOUR, 3 * DAY, 2 * HOUR]), Some(3 * DAY));
        // Day after day, and one that leapt.
        assert_eq!(begin(Some(0), &[40 * DAY, 6 * DAY, 12 * DAY]), Some(12 * DAY));
        assert_eq!(begin(None, &[DAY, 40 * DAY]), Some(DAY));
    }
}
