use std::collections::BTreeSet;

use access::{
    Budgets, Caller, CameraPolicy, Case, Grant, Name, Place, Policy, PooledCamera, Proof, PublicKey, Purpose, Role, Scope,
    SearchRequest, SigningKey, sign_grant,
};
use types::{AgencyId, CameraId, CaptureTime, CaseId, Class, ReceiveTime, TimeWindow};

pub(crate) const HOUR: i64 = 3_600_000_000;

pub(crate) fn caller(name: &str, organisation: &str, role: Role) -> Caller {
    Caller { name: Name::new(name).unwrap(), organisation: Name::new(organisation).unwrap(), role }
}

pub(crate) fn investigator() -> Caller {
    caller("ida", "police", Role::Investigator)
}

pub(crate) fn authoriser() -> Caller {
    caller("otto", "court", Role::Authoriser)
}

pub(crate) fn second() -> Caller {
    caller("vera", "commissioner", Role::Authoriser)
}

pub(crate) fn key(of: &Caller) -> SigningKey {
    let mut seed = [0; 32];
    for (i, byte) in of.uri().bytes().enumerate() {
        seed[i % 32] ^= byte.rotate_left(i as u32 / 32);
    }
    SigningKey::from_bytes(&seed)
}

/// Hours after 2026-03-01.
pub(crate) fn seen(hours: i64) -> CaptureTime {
    "2026-03-01T00:00:00Z".parse::<CaptureTime>().unwrap().plus_micros(hours * HOUR)
}

pub(crate) fn at(hours: i64) -> ReceiveTime {
    "2026-03-01T00:00:00Z".parse::<ReceiveTime>().unwrap().plus_micros(hours * HOUR)
}

pub(crate) fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(seen(from), seen(to)).unwrap()
}

pub(crate) fn camera_id(index: usize) -> CameraId {
    CameraId::new(["north", "south", "quay", "market"][index]).unwrap()
}

/// Two of the city, two of transit.
pub(crate) fn cameras() -> Vec<PooledCamera> {
    let agency = |i| AgencyId::new(if i < 2 { "city" } else { "transit" }).unwrap();
    // The market's hangs nobody knows where.
    let place = |i: usize| [(50.0, 8.0), (50.001, 8.0), (50.01, 8.0)].get(i).and_then(|(lat, lon)| Place::new(*lat, *lon));
    let camera = |i| PooledCamera { id: camera_id(i), agency: agency(i), place: place(i), policy: CameraPolicy::default() };
    (0..4).map(camera).collect()
}

pub(crate) fn grant() -> Grant {
    Grant {
        case: CaseId::new("lost-child-7").unwrap(),
        purpose: Purpose::MissingPerson,
        legal_basis: "Act 12, section 3".to_owned(),
        reason: "a child of six was last seen at the quay".to_owned(),
        requester: investigator(),
        scope: Scope {
            cameras: BTreeSet::from([camera_id(0)]),
            agencies: BTreeSet::from([AgencyId::new("transit").unwrap()]),
            area: None,
            window: window(0, 24),
            classes: BTreeSet::from([Class::Person]),
            parts: BTreeSet::new(),
        },
        budgets: Budgets { queries: 10, results: 200 },
        opened: at(24),
        expires: at(72),
        emergency: None,
    }
}

pub(crate) fn authorised(grant: Grant) -> Case {
    let mut case = Case::requested(grant);
    sign(&mut case, &authoriser());
    case
}

/// Signs as it stands, without asking whether that is allowed.
pub(crate) fn sign(case: &mut Case, by: &Caller) {
    let signature = sign_grant(&key(by), &case.grant);
    let authorisation = access::Authorisation {
        by: by.clone(),
        at: case.grant.opened,
        proof: Proof::Key { key: PublicKey::from(&key(by)), signature },
        revoked: None,
    };
    case.authorisations.push(authorisation);
}

pub(crate) fn request() -> SearchRequest {
    SearchRequest { limit: 50, ..SearchRequest::default() }
}

pub(crate) fn now() -> ReceiveTime {
    at(30)
}

pub(crate) fn policy() -> Policy {
    Policy::default()
}
