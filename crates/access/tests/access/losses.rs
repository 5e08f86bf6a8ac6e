use std::{collections::BTreeSet, time::Duration};

use access::{CameraPolicy, Case, Hours, Loss, PooledCamera, Purpose, decide, losses};

use super::fixture::{HOUR, at, authorised, camera_id, cameras, grant, investigator, now, policy, request, second, sign, window};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn lost(case: &Case, before: &CameraPolicy, after: &CameraPolicy) -> BTreeSet<Loss> {
    let pooled = with(before);
    losses(&policy(), case, &pooled, &pooled[0], after, YEAR, now())
}

fn with(camera: &CameraPolicy) -> Vec<PooledCamera> {
    let mut pooled = cameras();
    pooled[0].policy = camera.clone();
    pooled
}

/// Which minutes of the case's first day can be found of the first camera, as `decide` says it.
fn found(case: &Case, camera: &CameraPolicy) -> BTreeSet<i64> {
    let Ok(granted) = decide(&policy(), case, &with(camera), &request(), &investigator(), now()) else { return BTreeSet::new() };
    if !granted.asked.cameras.contains(&camera_id(0)) {
        return BTreeSet::new();
    }
    let window = granted.asked.window;
    let hours = granted.asked.hours.get(&camera_id(0));
    let minutes = (0..24 * 60).filter(|minute| {
        let at = window.from().plus_micros(minute * HOUR / 60);
        at < window.to() && hours.is_none_or(|hours| hours.contains(at))
    });
    minutes.collect()
}

fn policies() -> Vec<CameraPolicy> {
    let mut all = Vec::new();
    for purposes in [Purpose::ALL.into(), BTreeSet::from([Purpose::Disaster])] {
        for hours in [None, Some((22 * 60, 6 * 60)), Some((0, 12 * 60)), Some((0, 24 * 60))] {
            for (paused, revoked, sensitive) in
                [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
            {
                let hours = hours.map(|(from_minute, to_minute)| Hours { from_minute, to_minute });
                all.push(CameraPolicy {
                    purposes: purposes.clone(),
                    hours,
                    paused,
                    revoked,
                    sensitive,
                    ..CameraPolicy::default()
                });
            }
        }
    }
    all
}

#[test]
fn what_a_case_is_said_to_lose_is_what_decide_takes_from_it() {
    let one = authorised(grant());
    let mut two = one.clone();
    sign(&mut two, &second());
    let mut short = grant();
    short.scope.window = window(10, 11);
    for case in [one, two, authorised(short)] {
        for before in policies() {
            for after in policies() {
                let (had, has) = (found(&case, &before), found(&case, &after));
                let expected = if had.is_subset(&has) {
                    BTreeSet::new()
                } else if decide_leaves_out(&case, &after) {
                    BTreeSet::from([Loss::Camera])
                } else {
                    BTreeSet::from([Loss::Hours])
                };
                assert_eq!(lost(&case, &before, &after), expected, "{before:?} to {after:?}");
            }
        }
    }
}

fn decide_leaves_out(case: &Case, camera: &CameraPolicy) -> bool {
    let granted = decide(&policy(), case, &with(camera), &request(), &investigator(), now());
    granted.is_ok_and(|granted| !granted.asked.cameras.contains(&camera_id(0)))
}

#[test]
fn a_case_that_is_over_or_elsewhere_loses_nothing_and_one_that_waits_counts_as_signed() {
    let (open, shut) = (CameraPolicy::default(), CameraPolicy { paused: true, ..CameraPolicy::default() });
    let camera = BTreeSet::from([Loss::Camera]);
    assert_eq!(lost(&authorised(grant()), &open, &shut), camera);
    assert_eq!(lost(&Case::requested(grant()), &open, &shut), camera);
    let sensitive = CameraPolicy { sensitive: true, ..CameraPolicy::default() };
    assert_eq!(lost(&Case::requested(grant()), &open, &sensitive), BTreeSet::new(), "two may still sign it");
    let mut over = grant();
    over.expires = now();
    assert_eq!(lost(&authorised(over), &open, &shut), BTreeSet::new());
    let mut elsewhere = grant();
    elsewhere.scope.cameras = BTreeSet::from([camera_id(1)]);
    assert_eq!(lost(&authorised(elsewhere), &open, &shut), BTreeSet::new());
    let mut closed = authorised(grant());
    closed.close(&investigator(), "found", now()).unwrap();
    assert_eq!(lost(&closed, &open, &shut), BTreeSet::new());
}

#[test]
fn a_shorter_life_takes_from_a_case_that_outlives_its_oldest_sightings() {
    let open = CameraPolicy::default();
    let lives = |hours: u64| CameraPolicy { retention_seconds: Some(hours * 3600), ..CameraPolicy::default() };
    // Its window begins with hour 0, and it ends with hour 72.
    assert_eq!(grant().expires, at(72));
    assert_eq!(lost(&authorised(grant()), &open, &lives(71)), BTreeSet::from([Loss::Oldest]));
    assert_eq!(lost(&authorised(grant()), &open, &lives(72)), BTreeSet::new());
    assert_eq!(lost(&authorised(grant()), &lives(10), &lives(20)), BTreeSet::new(), "they live longer");
}
