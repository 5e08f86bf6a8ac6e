//! Legal holds: two people of two organisations, within the case, for a while.

use std::{collections::BTreeSet, time::Duration};

use access::{Action, Caller, Case, Code, Denial, Hold, HoldState, Permission, Role};
use types::{CameraId, HoldId, TimeWindow};

use super::fixture::{
    at, authorised, authoriser, caller, camera_id, cameras, grant, investigator, now, second, seen, sign, window,
};

const LONGEST: Duration = Duration::from_secs(90 * 86_400);

fn auditor() -> Caller {
    caller("ada", "ombudsman", Role::Auditor)
}

fn place(case: &Case, on: &[CameraId], within: Option<TimeWindow>, hours: i64, by: &Caller) -> Result<Hold, Denial> {
    let id = HoldId::new("h").unwrap();
    let on: BTreeSet<_> = on.iter().cloned().collect();
    Hold::place(id, case, &cameras(), on, within, now().plus_micros(hours * 3_600_000_000), LONGEST, by, now())
}

fn placed() -> Hold {
    place(&authorised(grant()), &[], None, 24, &authoriser()).unwrap()
}

#[test]
fn a_hold_takes_two_people_of_two_organisations_to_begin_and_two_to_end() {
    let mut hold = placed();
    // The city's north camera and transit's two.
    assert_eq!(hold.cameras, [0, 2, 3].map(camera_id).into());
    assert_eq!((hold.state(), hold.holds(now())), (HoldState::Asked, false));
    let colleague = caller("olga", "court", Role::Auditor);
    for (by, code) in
        [(authoriser(), Code::SamePerson), (colleague.clone(), Code::SameOrganisation), (investigator(), Code::Role)]
    {
        assert_eq!(hold.confirm(&cameras(), &by, now()).unwrap_err().code, code, "{by}");
        assert!(!hold.holds(now()));
    }
    hold.confirm(&cameras(), &auditor(), now()).unwrap();
    assert!(hold.holds(now()) && !hold.holds(hold.expires));
    assert_eq!(hold.confirm(&cameras(), &second(), now()).unwrap_err().code, Code::HoldState);

    hold.release(&cameras(), &authoriser(), now()).unwrap();
    assert_eq!((hold.state(), hold.holds(now())), (HoldState::ReleaseAsked, true));
    for (by, code) in [(authoriser(), Code::SamePerson), (colleague, Code::SameOrganisation), (investigator(), Code::Role)] {
        assert_eq!(hold.release(&cameras(), &by, now()).unwrap_err().code, code, "{by}");
        assert!(hold.holds(now()));
    }
    hold.release(&cameras(), &second(), now()).unwrap();
    assert!(!hold.holds(now()));
    assert_eq!(hold.release(&cameras(), &auditor(), now()).unwrap_err().code, Code::HoldState);
}

#[test]
fn a_hold_stays_within_an_authorised_case_and_ends() {
    let case = authorised(grant());
    for (code, refused) in [
        (Code::Role, place(&case, &[], None, 24, &investigator())),
        (Code::Role, place(&case, &[], None, 24, &caller("op", "police", Role::Operator))),
        (Code::NotAuthorised, place(&Case::requested(grant()), &[], None, 24, &authoriser())),
        (Code::Camera, place(&case, &[camera_id(1)], None, 24, &authoriser())),
        (Code::Window, place(&case, &[], Some(window(0, 25)), 24, &authoriser())),
        (Code::Limits, place(&case, &[], None, 0, &authoriser())),
        (Code::Limits, place(&case, &[], None, 91 * 24, &authoriser())),
        (Code::NotYours, place(&case, &[], None, 24, &caller("tom", "transit", Role::CameraOwner))),
    ] {
        assert_eq!(refused.unwrap_err().code, code);
    }
    let owner = caller("tom", "transit", Role::CameraOwner);
    let mut own = place(&case, &[camera_id(2)], Some(window(1, 2)), 24, &owner).unwrap();
    assert_eq!(own.confirm(&cameras(), &caller("kim", "city", Role::CameraOwner), now()).unwrap_err().code, Code::NotYours);
    own.confirm(&cameras(), &authoriser(), now()).unwrap();
    let covers = |camera, from, to| own.covers(&camera_id(camera), seen(from), seen(to));
    assert!(covers(2, 0, 1) && covers(2, 1, 5) && !covers(2, 2, 3) && !covers(2, 0, 0) && !covers(3, 1, 2));
    let mut late = placed();
    assert_eq!(late.confirm(&cameras(), &auditor(), at(1000)).unwrap_err().code, Code::HoldState);
}

#[test]
fn a_hold_of_a_case_that_was_refused_is_none() {
    let mut case = Case::requested(grant());
    case.refuse(&access::Policy::default(), &authoriser(), "no", now()).unwrap();
    sign(&mut case, &second());
    assert_eq!(place(&case, &[], None, 24, &authoriser()).unwrap_err().code, Code::NotAuthorised);
}

#[test]
fn whoever_may_search_can_not_keep_anything_longer() {
    for action in [Action::PlaceHold, Action::ConfirmHold, Action::ReleaseHold] {
        assert_eq!(action.permission(Role::Investigator), Permission::No);
    }
}
