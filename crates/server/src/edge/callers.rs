//! Who may call, how often and how much at once; and whose certificate is not taken any more.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use access::{Caller, Code, Denial};
use deployment::certificate::CertifiedCaller;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::{base::clock::Clock, config::CallerLimits};

/// A refusal of one caller is on the record at most this often: a flood must not become a flood of durable writes.
const NOTED_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether a certificate has come to its end.
const LOOK: Duration = Duration::from_secs(1);
/// Callers remembered; those who do nothing are forgotten first.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(crate) struct Callers {
    limits: Mutex<CallerLimits>,
    known: Mutex<HashMap<Caller, Account>>,
    revoked: Mutex<HashSet<String>>,
    /// Authorities that were trusted and are not any more, as certificates name them.
    dropped: Mutex<HashSet<String>>,
    /// Counts revocations, so that whoever streams looks again.
    revocations: watch::Sender<u64>,
}

#[derive(Debug)]
struct Account {
    tokens: f64,
    filled: Instant,
    running: u32,
    noted: Throttle,
}

/// Why a call is not even looked at.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) denial: Denial,
    /// When to try again.
    pub(crate) after: Option<Duration>,
    /// Whether it goes on the record.
    pub(crate) noted: bool,
}

/// A call under way; ends with it.
#[derive(Debug)]
pub(crate) struct Running {
    callers: Arc<Callers>,
    caller: Arc<Caller>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(account) = lock(&self.callers.known).get_mut(&*self.caller) {
            account.running = account.running.saturating_sub(1);
        }
    }
}

impl Callers {
    pub(crate) fn new(limits: CallerLimits, revoked: impl IntoIterator<Item = String>) -> Self {
        let revoked = Mutex::new(revoked.into_iter().collect());
        Self {
            limits: Mutex::new(limits),
            known: Mutex::default(),
            revoked,
            dropped: Mutex::default(),
            revocations: watch::Sender::new(0),
        }
    }

    /// Holds for the next call. What is under way goes on.
    pub(crate) fn set_limits(&self, limits: CallerLimits) {
        *lock(&self.limits) = limits;
    }

    fn limits(&self) -> CallerLimits {
        *lock(&self.limits)
    }

    /// Holds at once, for what streams too.
    pub(crate) fn revoke(&self, serial: &str) {
        lock(&self.revoked).insert(serial.to_owned());
        self.revocations.send_modify(|n| *n += 1);
    }

    /// As [`Self::revoke`], for every certificate of the authorities that were trusted `before` and are not `now`.
    pub(crate) fn trust_authorities(&self, before: &HashSet<String>, now: &HashSet<String>) {
        let mut dropped = lock(&self.dropped);
        dropped.extend(before.difference(now).cloned());
        dropped.retain(|authority| !now.contains(authority));
        drop(dropped);
        self.revocations.send_modify(|n| *n += 1);
    }

    pub(crate) fn is_revoked(&self, serial: &str) -> bool {
        lock(&self.revoked).contains(serial)
    }

    /// Why the certificate stands no more, if it does not.
    pub(crate) fn over(&self, known: &CertifiedCaller, clock: &Clock) -> Option<Denial> {
        if self.is_revoked(&known.serial) {
            return Some(revoked(&known.caller));
        }
        if known.authority.as_ref().is_some_and(|authority| lock(&self.dropped).contains(authority)) {
            return Some(dropped(&known.caller));
        }
        (clock.now().as_micros() / 1_000_000 > known.ends).then(|| expired(&known.caller))
    }

    /// Returns once the certificate stands no more, with the reason.
    pub(crate) async fn until_over(&self, known: &CertifiedCaller, clock: &Clock) -> Denial {
        let mut changes = self.revocations.subscribe();
        loop {
            if let Some(denial) = self.over(known, clock) {
                return denial;
            }
            // The sender lives as long as `self`. The clock is one that may be set.
            tokio::select! { _ = changes.changed() => {}, () = tokio::time::sleep(LOOK) => {} }
        }
    }

    pub(crate) fn admit(self: &Arc<Self>, known: &CertifiedCaller, clock: &Clock, now: Instant) -> Result<Running, Refusal> {
        let (caller, limits) = (&known.caller, self.limits());
        if let Some(denial) = self.over(known, clock) {
            return Err(Refusal { denial, after: None, noted: self.is_worth_noting(caller, now) });
        }
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED && !known.contains_key(&**caller) {
            known.retain(|_, account| account.running > 0 || now.saturating_duration_since(account.filled) < NOTED_EVERY);
        }
        let account = known.entry((**caller).clone()).or_insert_with(|| Account::new(&limits, now));
        account.fill(&limits, now);
        let (code, after, reason) = if account.running >= limits.at_once {
            (Code::Streams, Duration::from_secs(1), format!("{} calls of yours are under way", account.running))
        } else if account.tokens < 1.0 {
            let after = Duration::from_secs_f64((1.0 - account.tokens) / limits.calls_per_second);
            (Code::Rate, after, format!("more than {} calls a second", limits.calls_per_second))
        } else {
            account.tokens -= 1.0;
            account.running += 1;
            return Ok(Running { callers: self.clone(), caller: caller.clone() });
        };
        let hint = format!("try again in {} ms", after.as_millis().max(1));
        Err(Refusal { denial: Denial::new(code, reason, hint), after: Some(after), noted: account.noted.note(now) })
    }

    pub(crate) fn is_worth_noting(&self, caller: &Caller, now: Instant) -> bool {
        let limits = self.limits();
        lock(&self.known).entry(caller.clone()).or_insert_with(|| Account::new(&limits, now)).noted.note(now)
    }
}

impl Account {
    fn new(limits: &CallerLimits, now: Instant) -> Self {
        Self { tokens: limits.burst.into(), filled: now, running: 0, noted: Throttle::default() }
    }

    fn fill(&mut self, limits: &CallerLimits, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * limits.calls_per_second).min(limits.burst.into());
        self.filled = now;
    }
}

/// Lets something happen seldom.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    pub(crate) fn note(&self, now: Instant) -> bool {
        let mut last = lock(&self.0);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= NOTED_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// What the holder of a revoked certificate is told.
fn revoked(caller: &Caller) -> Denial {
    let reason = format!("the certificate of {caller} was revoked");
    Denial::new(Code::IdentityRevoked, reason, "ask an operator for another one: `sightline identity add`")
}

/// What the holder of a certificate is told whose authority is not trusted any more.
fn dropped(caller: &Caller) -> Denial {
    let reason = format!("the authority that issued the certificate of {caller} is not trusted any more");
    Denial::new(Code::Untrusted, reason, "ask an operator for another one: `sightline identity add`")
}

/// What the holder of a certificate that is over is told.
fn expired(caller: &Caller) -> Denial {
    let reason = format!("the certificate of {caller} has expired");
    Denial::new(Code::IdentityExpired, reason, "ask an operator for another one: `sightline identity add`")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers() -> Arc<Callers> {
        Arc::new(Callers::new(CallerLimits { calls_per_second: 2.0, burst: 3, at_once: 2, connections: 1 }, []))
    }

    fn clock() -> Clock {
        Clock::default()
    }

    fn caller(name: &str) -> Arc<CertifiedCaller> {
        let caller = Arc::new(Caller::from_uri(&format!("sightline://a/operator/{name}")).unwrap());
        Arc::new(CertifiedCaller {
            caller,
            serial: "7f".to_owned(),
            key_sha256: "00".to_owned(),
            ends: clock().now().as_micros() / 1_000_000 + 3600,
            authority: Some("a1".to_owned()),
        })
    }

    fn refused(answer: Result<Running, Refusal>) -> (Code, bool) {
        let refusal = answer.unwrap_err();
        assert!(refusal.denial.hint.starts_with("try again in"), "{refusal:?}");
        (refusal.denial.code, refusal.noted)
    }

    #[test]
    fn a_burst_then_a_rate_each_caller_on_their_own_and_one_note_for_many_refusals() {
        let (callers, ada, start) = (callers(), caller("ada"), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for _ in 0..3 {
            drop(callers.admit(&ada, &clock(), at(0)).unwrap());
        }
        assert_eq!(refused(callers.admit(&ada, &clock(), at(0))), (Code::Rate, true));
        assert_eq!(refused(callers.admit(&ada, &clock(), at(400))), (Code::Rate, false));
        assert!(callers.admit(&caller("bob"), &clock(), at(400)).is_ok());
        // Two a second: one after half of it, however often was asked meanwhile.
        assert!(callers.admit(&ada, &clock(), at(500)).is_ok());
        assert_eq!(refused(callers.admit(&ada, &clock(), at(501))), (Code::Rate, false));
        assert_eq!(refused(callers.admit(&ada, &clock(), at(900))), (Code::Rate, false));
    }

    #[test]
    fn calls_under_way_are_bounded_until_they_end() {
        let (callers, ada, now) = (callers(), caller("ada"), Instant::now());
        let (first, _second) = (callers.admit(&ada, &clock(), now).unwrap(), callers.admit(&ada, &clock(), now).unwrap());
        assert_eq!(refused(callers.admit(&ada, &clock(), now)).0, Code::Streams);
        drop(first);
        assert!(callers.admit(&ada, &clock(), now).is_ok());
    }

    #[tokio::test]
    async fn a_revocation_holds_at_once_and_wakes_who_streams() {
        let (callers, ada) = (callers(), caller("ada"));
        let (callers_too, ada_too) = (callers.clone(), ada.clone());
        let streams = tasks::spawn("a stream", async move { callers_too.until_over(&ada_too, &clock()).await });
        callers.revoke("80");
        assert!(callers.admit(&ada, &clock(), Instant::now()).is_ok());
        callers.revoke("7f");
        assert_eq!(streams.await.unwrap().code, Code::IdentityRevoked);
        assert_eq!(callers.admit(&ada, &clock(), Instant::now()).unwrap_err().denial.code, Code::IdentityRevoked);
    }

    #[tokio::test]
    async fn who_streams_by_an_authority_that_is_dropped_is_cut_and_nobody_else() {
        let (callers, ada) = (callers(), caller("ada"));
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
        let (callers_too, ada_too) = (callers.clone(), ada.clone());
        let streams = tasks::spawn("a stream", async move { callers_too.until_over(&ada_too, &clock()).await });
        callers.trust_authorities(&ids(&["a1"]), &ids(&["a2", "a1"]));
        assert!(callers.admit(&ada, &clock(), Instant::now()).is_ok());
        callers.trust_authorities(&ids(&["a2", "a1"]), &ids(&["a2"]));
        assert_eq!(streams.await.unwrap().code, Code::Untrusted);
        // Trusted again.
        callers.trust_authorities(&ids(&["a2"]), &ids(&["a1"]));
        assert!(callers.admit(&ada, &clock(), Instant::now()).is_ok());
    }

    #[tokio::test]
    async fn a_certificate_that_came_to_its_end_is_over_for_calls_and_for_who_streams() {
        let (callers, ada, clock) = (callers(), caller("ada"), clock());
        assert!(callers.admit(&ada, &clock, Instant::now()).is_ok());
        clock.set_ahead(Duration::from_secs(3602));
        assert_eq!(callers.admit(&ada, &clock, Instant::now()).unwrap_err().denial.code, Code::IdentityExpired);
        assert_eq!(callers.until_over(&ada, &clock).await.code, Code::IdentityExpired);
    }
}
