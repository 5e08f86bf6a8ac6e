//! Laws of `decide`, over cases, policies and requests drawn at random, most of them near a border.

use std::collections::BTreeSet;

use access::{
    Area, Budgets, Caller, CameraPolicy, Case, Grant, Hours, Place, Policy, PooledCamera, Proof, Purpose, Role, Scope,
    SearchRequest, decide,
};
use proptest::{collection::btree_set, option, prelude::*, sample::select};
use types::{AgencyId, CameraId, Class, QueryPart, TimeWindow};

use super::fixture::*;

fn some_cameras() -> impl Strategy<Value = BTreeSet<CameraId>> {
    btree_set((0usize..4).prop_map(camera_id), 0..4)
}

/// Mostly nothing, which asks for all there is: each bound is tried alone as well as together with others.
fn mostly_none<T: std::fmt::Debug + Default>(some: impl Strategy<Value = T>) -> impl Strategy<Value = T> {
    option::weighted(0.25, some).prop_map(Option::unwrap_or_default)
}

fn some_agencies() -> impl Strategy<Value = BTreeSet<AgencyId>> {
    btree_set(select(vec!["city", "transit", "nobody"]).prop_map(|a| AgencyId::new(a).unwrap()), 0..3)
}

/// Around the first camera: the first alone, the first two, the first three.
fn some_area() -> impl Strategy<Value = Option<Area>> {
    let centre = Place::new(50.0, 8.0).unwrap();
    option::weighted(0.3, select(vec![50u32, 500, 5_000]).prop_map(move |radius_m| Area { centre, radius_m }))
}

/// The same, told without arithmetic.
fn in_area(scope: &Scope, id: &CameraId) -> bool {
    let within = match scope.area.map(|a| a.radius_m) {
        None => 0,
        Some(50) => 1,
        Some(500) => 2,
        Some(_) => 3,
    };
    (0..within).any(|i| camera_id(i) == *id)
}

fn some_classes() -> impl Strategy<Value = BTreeSet<Class>> {
    btree_set(select(vec![Class::Person, Class::Car, Class::Bus]), 0..3)
}

fn some_window(most: i64) -> impl Strategy<Value = TimeWindow> {
    (0i64..8, 1i64..=most).prop_map(|(from, len)| window(from, from + len))
}

fn some_purpose() -> impl Strategy<Value = Purpose> {
    select(Purpose::ALL.to_vec())
}

fn some_grant(most: i64) -> impl Strategy<Value = Grant> {
    let parts = mostly_none(btree_set(select(QueryPart::ALL.to_vec()), 1..4));
    let scope = (some_cameras(), some_agencies(), some_area(), some_window(most), some_classes(), parts)
        .prop_map(|(cameras, agencies, area, window, classes, parts)| Scope { cameras, agencies, area, window, classes, parts });
    (scope, some_purpose(), 1u32..4, 40u32..60, 22i64..30, 4i64..20, any::<bool>()).prop_map(
        |(scope, purpose, queries, results, opened, lasts, urgent)| Grant {
            purpose,
            scope,
            budgets: Budgets { queries, results },
            opened: at(opened),
            expires: at(opened + lasts),
            emergency: (urgent && purpose == Purpose::MissingPerson).then(|| "urgent".to_owned()),
            ..grant()
        },
    )
}

fn some_camera_policy() -> impl Strategy<Value = CameraPolicy> {
    let flag = || prop::bool::weighted(0.1);
    let hours = option::weighted(0.2, (0u16..1440, 0u16..1440));
    (prop_oneof![2 => Just(Purpose::ALL.into()), 1 => btree_set(some_purpose(), 1..=3)], hours, flag(), flag(), flag()).prop_map(
        |(purposes, hours, paused, revoked, sensitive)| {
            let hours = hours.map(|(from_minute, to_minute)| Hours { from_minute, to_minute });
            CameraPolicy { purposes, hours, paused, revoked, sensitive, retention_seconds: None }
        },
    )
}

fn some_pool() -> impl Strategy<Value = Vec<PooledCamera>> {
    prop::collection::vec(some_camera_policy(), 4).prop_map(|policies| {
        cameras().into_iter().zip(policies).map(|(camera, policy)| PooledCamera { policy, ..camera }).collect()
    })
}

/// People of whom some may authorise a case of the investigator, and some may not.
fn somebody() -> impl Strategy<Value = Caller> {
    prop_oneof![
        8 => Just(authoriser()),
        4 => Just(second()),
        1 => Just(caller("karl", "police", Role::Authoriser)),
        1 => Just(caller("ida", "police", Role::Authoriser)),
        1 => Just(caller("otto", "court", Role::Investigator)),
    ]
}

fn some_case(most: i64) -> impl Strategy<Value = Case> {
    (some_grant(most), prop::collection::vec(somebody(), 0..3), prop::bool::weighted(0.05)).prop_map(
        |(grant, signers, closed)| {
            let mut case = Case::requested(grant);
            signers.iter().for_each(|by| sign(&mut case, by));
            if closed {
                case.closed = Some(access::Closed { by: None, at: now(), reason: String::new(), ending: access::Ending::Closed });
            }
            case
        },
    )
}

fn some_request() -> impl Strategy<Value = SearchRequest> {
    let parts = mostly_none(btree_set(select(vec![QueryPart::Upper, QueryPart::Stature]), 0..2));
    let window = option::weighted(0.25, some_window(12));
    (window, mostly_none(some_cameras()), mostly_none(some_classes()), parts, prop_oneof![5 => 1u32..42, 1 => 0u32..70]).prop_map(
        |(window, cameras, classes, parts, limit)| SearchRequest { cameras, window, classes, parts, limit, reach_from: None },
    )
}

fn some_policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), option::of(1u64..5)).prop_map(|(same_organisation, grace)| Policy {
        same_organisation,
        emergency: grace.map(|h| std::time::Duration::from_secs(h * 3600)),
        ..Policy::default()
    })
}

fn asker() -> impl Strategy<Value = Caller> {
    prop_oneof![
        20 => Just(investigator()),
        1 => Just(caller("ida", "police", Role::Auditor)),
        1 => Just(caller("ida", "transit", Role::Investigator)),
        1 => Just(caller("ivo", "police", Role::Investigator)),
    ]
}

/// The rules once more, as a lawyer would list them, each on its own.
fn violations(
    policy: &Policy,
    case: &Case,
    pool: &[PooledCamera],
    request: &SearchRequest,
    asks: &Caller,
    hour: i64,
) -> Vec<&'static str> {
    let grant = &case.grant;
    let by = &case.authorisations;
    let mut people: Vec<_> = by.iter().map(|a| (a.by.organisation.clone(), a.by.name.clone())).collect();
    people.sort();
    people.dedup();
    let in_scope = |c: &PooledCamera| {
        grant.scope.cameras.contains(&c.id) || grant.scope.agencies.contains(&c.agency) || in_area(&grant.scope, &c.id)
    };
    let allowed = |c: &PooledCamera| {
        in_scope(c)
            && !c.policy.paused
            && !c.policy.revoked
            && c.policy.purposes.contains(&grant.purpose)
            && (!c.policy.sensitive || people.len() >= 2)
    };
    let emergency = by.is_empty()
        && grant.purpose == Purpose::MissingPerson
        && grant.emergency.is_some()
        && policy.emergency.is_some_and(|grace| at(hour) < grant.opened.plus_micros(grace.as_micros() as i64));
    let inside = |w: TimeWindow| w.from() >= grant.scope.window.from() && w.to() <= grant.scope.window.to();
    [
        ("asker is not the requester", *asks != investigator()),
        ("closed", case.closed.is_some()),
        ("before its time", at(hour) < grant.opened),
        ("expired", at(hour) >= grant.expires),
        ("nobody authorised it", by.is_empty() && !emergency),
        ("authorised by the requester", by.iter().any(|a| a.by.name.as_str() == "ida" && a.by.organisation.as_str() == "police")),
        (
            "authorised by the same organisation",
            !policy.same_organisation && by.iter().any(|a| a.by.organisation.as_str() == "police"),
        ),
        ("authorised by no authoriser", by.iter().any(|a| a.by.role != Role::Authoriser)),
        ("scope window too long", grant.scope.window.duration().as_secs() > 72 * 3600),
        ("scope names nothing", grant.scope.cameras.is_empty() && grant.scope.agencies.is_empty() && grant.scope.area.is_none()),
        ("part outside", request.parts.iter().any(|p| !grant.scope.parts.is_empty() && !grant.scope.parts.contains(p))),
        ("the case asks stature", grant.scope.parts.contains(&QueryPart::Stature) && grant.purpose != Purpose::MissingPerson),
        ("window outside", request.window.is_some_and(|w| !inside(w))),
        ("class outside", request.classes.iter().any(|c| !grant.scope.classes.is_empty() && !grant.scope.classes.contains(c))),
        ("stature", request.parts.contains(&QueryPart::Stature) && grant.purpose != Purpose::MissingPerson),
        ("too many results", request.limit == 0 || request.limit > grant.budgets.results),
        ("named camera not allowed", request.cameras.iter().any(|id| !pool.iter().any(|c| c.id == *id && allowed(c)))),
        ("no camera left", !pool.iter().any(allowed)),
    ]
    .into_iter()
    .filter_map(|(what, violated)| violated.then_some(what))
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_request_outside_any_bound_is_ever_permitted_and_none_inside_all_is_refused(
        policy in some_policy(), case in some_case(75), pool in some_pool(), request in some_request(),
        asks in asker(), hour in 21i64..36,
    ) {
        let violated = violations(&policy, &case, &pool, &request, &asks, hour);
        match decide(&policy, &case, &pool, &request, &asks, at(hour)) {
            Ok(granted) => {
                prop_assert!(violated.is_empty(), "permitted although: {violated:?}");
                let scope = &case.grant.scope;
                let asked = &granted.asked;
                prop_assert!(scope.window.covers(&asked.window));
                prop_assert!(request.window.is_none_or(|w| w == asked.window));
                prop_assert!(!asked.cameras.is_empty() && !asked.classes.is_empty());
                for id in &granted.asked.cameras {
                    let camera = pool.iter().find(|c| c.id == *id).unwrap();
                    prop_assert!(scope.cameras.contains(id) || scope.agencies.contains(&camera.agency) || in_area(scope, id));
                    prop_assert!(!camera.policy.paused && !camera.policy.revoked);
                    prop_assert_eq!(asked.hours.get(id), camera.policy.hours.as_ref());
                    prop_assert!(request.cameras.is_empty() || request.cameras.contains(id));
                }
                prop_assert!(asked.classes.iter().all(|c| scope.classes.is_empty() || scope.classes.contains(c)));
                prop_assert_eq!(granted.limit, request.limit);
                prop_assert!(granted.expires <= case.grant.expires && granted.expires > at(hour));
                prop_assert!(asked.cameras.is_subset(&granted.whole.cameras));
                let parts = &case.grant.scope.parts;
                let asks = parts.is_empty() || parts.contains(&QueryPart::Stature);
                prop_assert!(granted.stature == (case.grant.purpose == Purpose::MissingPerson && asks));
            }
            Err(denial) => {
                prop_assert!(!violated.is_empty(), "refused within all bounds: {denial:?}");
                prop_assert!(!denial.reason.is_empty());
            }
        }
    }

    #[test]
    fn narrowing_a_grant_never_permits_more(
        policy in some_policy(), case in some_case(72), pool in some_pool(), request in some_request(),
        hour in 21i64..36, way in 0usize..13, pick in any::<prop::sample::Index>(),
    ) {
        let mut narrow = case.clone();
        let g = &mut narrow.grant;
        match way {
            0 if !g.scope.cameras.is_empty() => { let c = pick.get(&g.scope.cameras.iter().cloned().collect::<Vec<_>>()).clone(); g.scope.cameras.remove(&c); }
            1 if !g.scope.agencies.is_empty() => { let a = pick.get(&g.scope.agencies.iter().cloned().collect::<Vec<_>>()).clone(); g.scope.agencies.remove(&a); }
            2 if g.scope.classes.len() > 1 => { g.scope.classes.pop_first(); }
            3 if g.scope.classes.is_empty() => { g.scope.classes.insert(Class::Person); }
            4 => { let w = g.scope.window; if let Ok(w) = TimeWindow::new(w.from().plus_micros(HOUR), w.to()) { g.scope.window = w; } }
            5 => { let w = g.scope.window; if let Ok(w) = TimeWindow::new(w.from(), w.to().plus_micros(-HOUR)) { g.scope.window = w; } }
            6 => g.budgets.results = (g.budgets.results / 2).max(1),
            8 => g.scope.area = None,
            9 => if let Some(area) = &mut g.scope.area { area.radius_m /= 10; },
            10 if g.scope.parts.is_empty() => { g.scope.parts.insert(*pick.get(&QueryPart::ALL)); }
            11 if g.scope.parts.len() > 1 => { g.scope.parts.pop_first(); }
            7 => g.expires = g.opened.plus_micros((g.expires.as_micros() - g.opened.as_micros()) / 2),
            _ => { g.emergency = None; }
        }
        // Signed anew by the same people: only the grant differs.
        let signers: Vec<_> = narrow.authorisations.drain(..).map(|a| a.by).collect();
        signers.iter().for_each(|by| sign(&mut narrow, by));

        let after = decide(&policy, &narrow, &pool, &request, &investigator(), at(hour));
        if let Ok(after) = after {
            let before = decide(&policy, &case, &pool, &request, &investigator(), at(hour));
            prop_assert!(before.is_ok(), "{before:?}");
            let before = before.unwrap();
            for (after, before) in [(&after.asked, &before.asked), (&after.whole, &before.whole)] {
                prop_assert!(after.cameras.is_subset(&before.cameras));
                prop_assert!(after.classes.is_subset(&before.classes));
                prop_assert!(before.window.covers(&after.window));
            }
            prop_assert!(after.limit <= before.limit && after.expires <= before.expires);
            prop_assert!(before.stature || !after.stature);
        }
    }

    #[test]
    fn a_requester_never_authorises_their_own_case(
        grant in some_grant(72), by in somebody(), same_organisation in any::<bool>(), hour in 21i64..36,
    ) {
        let policy = Policy { same_organisation, ..Policy::default() };
        let mut case = Case::requested(grant);
        let (public, signature) = ((&key(&by)).into(), access::sign_grant(&key(&by), &case.grant));
        if case.authorise(&policy, &by, Proof::Key { key: public, signature }, at(hour)).is_ok() {
            prop_assert!(!by.same_person(&case.grant.requester));
            prop_assert!(same_organisation || by.organisation != case.grant.requester.organisation);
            prop_assert_eq!(by.role, Role::Authoriser);
        } else {
            prop_assert!(case.authorisations.is_empty());
        }
    }
}
