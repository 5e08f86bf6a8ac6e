//! What an open case loses when a camera's owner changes what others may do with it.

use std::{collections::BTreeSet, time::Duration};

use types::{CaptureTime, ReceiveTime, TimeWindow};

use crate::{CameraPolicy, Case, Hours, Policy, PooledCamera, decide::standing};

/// What of a camera a case loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// All of it.
    Camera,
    /// Sightings of some hours.
    Hours,
    /// The oldest sightings: they are deleted before the case would have ended.
    Oldest,
}

const MINUTE_US: i64 = 60_000_000;
const MINUTES_A_DAY: i64 = 24 * 60;

/// What a case can find of this camera now and could not after the change; empty: nothing, also where the case is over or does not
/// cover it. A case that waits counts as one that gets every signature. `cameras` are all that are pooled, `usual` is how long
/// sightings live where the owner does not say.
pub fn losses(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    camera: &PooledCamera,
    after: &CameraPolicy,
    usual: Duration,
    now: ReceiveTime,
) -> BTreeSet<Loss> {
    let grant = &case.grant;
    let (before, scope) = (&camera.policy, &grant.scope);
    if case.check_open_at(now).is_err() || !scope.covers_camera(camera) {
        return BTreeSet::new();
    }
    // Nobody signs more than twice, and two signatures open what one does not.
    let authorisers = match standing(policy, case, cameras, &grant.requester, now) {
        Ok(standing) if !case.authorisations.is_empty() => standing.authorisers,
        _ => 2,
    };
    let allows = |policy: &CameraPolicy| policy.check(&camera.id, grant.purpose, authorisers).is_ok();
    if !allows(before) || !minutes(&scope.window).any(|at| allowed(before.hours, at)) {
        return BTreeSet::new();
    }
    if !allows(after) {
        return BTreeSet::from([Loss::Camera]);
    }
    let mut lost = BTreeSet::new();
    if after.hours != before.hours && minutes(&scope.window).any(|at| allowed(before.hours, at) && !allowed(after.hours, at)) {
        lost.insert(Loss::Hours);
    }
    let lives = |policy: &CameraPolicy| policy.retention_seconds.map_or(usual, Duration::from_secs);
    if lives(after) < lives(before) {
        let lives = i64::try_from(lives(after).as_micros()).unwrap_or(i64::MAX);
        if scope.window.from().as_micros().saturating_add(lives) < grant.expires.as_micros() {
            lost.insert(Loss::Oldest);
        }
    }
    lost
}

fn allowed(hours: Option<Hours>, at: CaptureTime) -> bool {
    hours.is_none_or(|hours| hours.contains(at))
}

/// A time in each minute of the day that the window has.
fn minutes(window: &TimeWindow) -> impl Iterator<Item = CaptureTime> {
    let (from, to) = (window.from().as_micros(), window.to().as_micros());
    (0..MINUTES_A_DAY)
        .map(move |minute| from.saturating_add(minute * MINUTE_US))
        .take_while(move |at| *at < to)
        .filter_map(|at| CaptureTime::from_micros(at).ok())
}
