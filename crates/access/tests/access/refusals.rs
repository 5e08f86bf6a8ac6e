//! One refusal each: the code that programs rely on, and a case that stays as it was.

use std::collections::BTreeSet;

use access::{
    AuthoriserKey, Case, Code, Grant, Policy, Proof, PublicKey, Role, check_open, check_see_marks, check_set_marks, decide,
    decide_keep_looking, decide_preview, decide_view, may_see_case, sign_grant,
};
use types::*;

use super::fixture::*;

fn code(case: &Case, request: &access::SearchRequest) -> Code {
    decide(&policy(), case, &cameras(), request, &investigator(), now()).unwrap_err().code
}

fn sighting(camera: usize, hour: i64) -> Sighting {
    let stamp = |t| TimeStamp { time: t, uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
    Sighting {
        id: SightingId(uuid::Uuid::nil()),
        camera: camera_id(camera),
        agency: cameras()[camera].agency.clone(),
        class: Class::Person,
        first: stamp(seen(hour)),
        last: stamp(seen(hour).plus_micros(1_000_000)),
        best: seen(hour),
        bbox: Rect::new(0.0, 0.0, 1.0, 1.0),
        frame: Size { width: 1, height: 1 },
        score: 1.0,
        detections: 1,
        description: Description::default(),
        origin: SightingOrigin::Live,
    }
}

#[test]
fn a_search_within_the_grant_is_permitted_on_the_cameras_of_the_scope() {
    let granted = decide(&policy(), &authorised(grant()), &cameras(), &request(), &investigator(), now()).unwrap();
    assert_eq!(granted.asked.cameras, [0, 2, 3].map(camera_id).into());
    assert_eq!(granted.asked.classes, BTreeSet::from([Class::Person]));
    assert_eq!(granted.asked.window, window(0, 24));
}

#[test]
fn every_way_out_of_the_scope_has_its_code() {
    let case = authorised(grant());
    let with = |f: &dyn Fn(&mut access::SearchRequest)| {
        let mut r = request();
        f(&mut r);
        code(&case, &r)
    };
    assert_eq!(with(&|r| r.cameras = BTreeSet::from([camera_id(1)])), Code::Camera);
    assert_eq!(with(&|r| r.window = TimeWindow::new(seen(0), seen(24).plus_micros(1_000_000)).ok()), Code::Window);
    assert_eq!(with(&|r| r.classes = BTreeSet::from([Class::Car])), Code::Class);
    assert_eq!(with(&|r| r.limit = 0), Code::Results);
    assert_eq!(with(&|r| r.limit = 201), Code::Results);
}

#[test]
fn stature_is_for_missing_persons_alone() {
    let asking = request().asking(&DescriptionQuery { stature: Some(Stature::Small), ..Default::default() });
    let missing = decide(&policy(), &authorised(grant()), &cameras(), &asking, &investigator(), now());
    assert!(missing.unwrap().stature);
    for purpose in [access::Purpose::SeriousIncident, access::Purpose::Disaster] {
        assert_eq!(code(&authorised(Grant { purpose, ..grant() }), &asking), Code::Part);
    }
}

#[test]
fn only_missing_persons_are_looked_for_for_as_long_as_somebody_listens() {
    let look = |case: &Case| decide_keep_looking(&policy(), case, &cameras(), &request(), &investigator(), now());
    assert_eq!(
        look(&authorised(grant())),
        decide(&policy(), &authorised(grant()), &cameras(), &request(), &investigator(), now())
    );
    for purpose in [access::Purpose::SeriousIncident, access::Purpose::Disaster] {
        let denial = look(&authorised(Grant { purpose, ..grant() })).unwrap_err();
        assert_eq!(denial.code, Code::Purpose);
        assert!(!denial.hint.is_empty());
    }
    // What a search may not do, it may not do either.
    assert_eq!(look(&Case::requested(grant())).unwrap_err().code, Code::NotAuthorised);
}

#[test]
fn marks_are_their_requesters_and_change_only_while_the_case_is_open() {
    let mut case = authorised(grant());
    assert_eq!(check_set_marks(&case, &investigator(), now()), Ok(()));
    for other in [caller("ina", "police", Role::Investigator), caller("ida", "police", Role::Auditor), authoriser()] {
        assert_eq!(check_see_marks(&case, &other).unwrap_err().code, Code::NoCase);
        assert_eq!(check_set_marks(&case, &other, now()).unwrap_err().code, Code::NoCase);
    }
    assert_eq!(check_set_marks(&case, &investigator(), grant().expires).unwrap_err().code, Code::Expired);
    case.close(&investigator(), "found", now()).unwrap();
    assert_eq!(check_set_marks(&case, &investigator(), now()).unwrap_err().code, Code::Closed);
    assert_eq!(check_see_marks(&case, &investigator()), Ok(()));
}

#[test]
fn a_case_that_is_not_in_force_permits_nothing() {
    assert_eq!(code(&Case::requested(grant()), &request()), Code::NotAuthorised);
    let mut closed = authorised(grant());
    closed.close(&investigator(), "found", now()).unwrap();
    assert_eq!(code(&closed, &request()), Code::Closed);
    assert_eq!(closed.close(&investigator(), "again", now()).unwrap_err().code, Code::Closed);
    let case = authorised(grant());
    for (hour, wanted) in [(23, Code::NotYetValid), (72, Code::Expired)] {
        let denial = decide(&policy(), &case, &cameras(), &request(), &investigator(), at(hour)).unwrap_err();
        assert_eq!(denial.code, wanted);
    }
}

#[test]
fn nobody_else_searches_under_the_case_and_it_is_not_admitted_that_it_exists() {
    let case = authorised(grant());
    for other in [caller("ivo", "police", Role::Investigator), caller("ida", "transit", Role::Investigator)] {
        let denial = decide(&policy(), &case, &cameras(), &request(), &other, now()).unwrap_err();
        assert_eq!(denial, access::Denial::no_case(case.id()));
    }
    assert!(!may_see_case(&case, &caller("x", "transit", Role::Investigator)));
    assert!(may_see_case(&case, &caller("x", "transit", Role::Auditor)));
}

#[test]
fn an_owner_keeps_a_camera_out_and_a_search_that_names_it_is_told_so() {
    let case = authorised(grant());
    type Change = fn(&mut access::CameraPolicy);
    let changes: [(Code, Change); 4] = [
        (Code::CameraPaused, |p| p.paused = true),
        (Code::CameraRevoked, |p| p.revoked = true),
        (Code::CameraPurpose, |p| p.purposes = BTreeSet::from([access::Purpose::Disaster])),
        (Code::SecondAuthoriser, |p| p.sensitive = true),
    ];
    for (wanted, change) in changes {
        let mut pool = cameras();
        change(&mut pool[2].policy);
        let named = access::SearchRequest { cameras: BTreeSet::from([camera_id(2)]), ..request() };
        assert_eq!(decide(&policy(), &case, &pool, &named, &investigator(), now()).unwrap_err().code, wanted);
        let granted = decide(&policy(), &case, &pool, &request(), &investigator(), now()).unwrap();
        assert_eq!(granted.asked.cameras, [0, 3].map(camera_id).into());
        assert_eq!(granted.left_out, [access::LeftOut { camera: camera_id(2), code: wanted }]);
        let denied = decide_view(&policy(), &case, &pool, &sighting(2, 3), &investigator(), now()).unwrap_err();
        assert_eq!(denied.code, wanted, "its crops are kept back too");
    }
}

#[test]
fn a_second_authoriser_opens_sensitive_cameras_and_must_be_another_person() {
    let mut pool = cameras();
    pool.iter_mut().for_each(|c| c.policy.sensitive = true);
    let mut case = authorised(grant());
    let again = (PublicKey::from(&key(&authoriser())), sign_grant(&key(&authoriser()), &case.grant));
    let denial = case.authorise(&policy(), &authoriser(), Proof::Key { key: again.0, signature: again.1 }, now()).unwrap_err();
    assert_eq!(denial.code, Code::AlreadyAuthorised);
    assert!(decide(&policy(), &case, &pool, &request(), &investigator(), now()).is_err());
    // The same key under another name is no second opinion either.
    let mut two_names = case.clone();
    two_names.authorise(&policy(), &second(), Proof::Key { key: again.0, signature: again.1 }, now()).unwrap();
    assert_eq!(
        decide(&policy(), &two_names, &pool, &request(), &investigator(), now()).unwrap_err().code,
        Code::SecondAuthoriser
    );
    sign(&mut case, &second());
    assert_eq!(decide(&policy(), &case, &pool, &request(), &investigator(), now()).unwrap().asked.cameras.len(), 3);
}

#[test]
fn authorising_is_refused_to_the_wrong_person_and_changes_nothing() {
    let sign_as = |by: &access::Caller, policy: &Policy, hour| {
        let mut case = Case::requested(grant());
        let signature = sign_grant(&key(by), &case.grant);
        let result = case.authorise(policy, by, Proof::Key { key: PublicKey::from(&key(by)), signature }, at(hour));
        assert_eq!(result.is_err(), case.authorisations.is_empty());
        result.map_err(|d| d.code)
    };
    let colleague = caller("karl", "police", Role::Authoriser);
    assert_eq!(sign_as(&authoriser(), &policy(), 30), Ok(()));
    assert_eq!(sign_as(&investigator(), &policy(), 30), Err(Code::Role));
    assert_eq!(sign_as(&caller("ida", "police", Role::Authoriser), &policy(), 30), Err(Code::SamePerson));
    assert_eq!(sign_as(&colleague, &policy(), 30), Err(Code::SameOrganisation));
    assert_eq!(sign_as(&colleague, &Policy { same_organisation: true, ..policy() }, 30), Ok(()));
    assert_eq!(sign_as(&authoriser(), &policy(), 72), Err(Code::Expired));
    let known = Policy { authoriser_keys: Some(vec![AuthoriserKey::from(PublicKey::from(&key(&second())))]), ..policy() };
    assert_eq!(sign_as(&authoriser(), &known, 30), Err(Code::BadSignature));
    assert_eq!(sign_as(&second(), &known, 30), Ok(()));
    // It counts from one time on, and until another.
    let of = AuthoriserKey { from: Some(at(28)), until: Some(at(40)), ..AuthoriserKey::from(PublicKey::from(&key(&second()))) };
    let timed = Policy { authoriser_keys: Some(vec![of]), ..policy() };
    let outcomes = [27, 28, 39, 40].map(|hour| sign_as(&second(), &timed, hour));
    assert_eq!(outcomes, [Err(Code::BadSignature), Ok(()), Ok(()), Err(Code::BadSignature)]);
    // What it signed in its time goes on counting; a grant that was opened after its end does not, whatever a row says.
    let ended = Policy { authoriser_keys: Some(vec![AuthoriserKey { from: None, until: Some(at(1)), ..of }]), ..policy() };
    let mut case = Case::requested(grant());
    let signature = sign_grant(&key(&second()), &case.grant);
    case.authorise(&timed, &second(), Proof::Key { key: PublicKey::from(&key(&second())), signature }, at(30)).unwrap();
    let ask = |policy: &Policy, case: &Case| decide(policy, case, &cameras(), &request(), &investigator(), at(47));
    assert!(ask(&timed, &case).is_ok());
    case.authorisations[0].at = at(0);
    assert_eq!(ask(&ended, &case).unwrap_err().code, Code::BadSignature);
}

#[test]
fn only_who_could_sign_a_case_is_told_how_much_it_would_open_and_only_a_power_of_ten() {
    let waiting = || Case::requested(grant());
    let ask = |case: &Case, by: &access::Caller, hour| {
        decide_preview(&policy(), case, &cameras(), by, at(hour)).map_err(|denial| denial.code)
    };
    let told = ask(&waiting(), &authoriser(), 30).unwrap();
    // No camera that the grant does not cover, and the classes of the grant alone.
    assert!(!told.cameras().is_empty());
    assert!(cameras().iter().filter(|c| told.cameras().contains(&c.id)).all(|c| grant().scope.covers_camera(c)));
    assert!(told.classes().iter().all(|class| grant().scope.covers_class(*class)));
    assert_eq!(told.window(), grant().scope.window);
    // Nor one that its owner keeps shut now.
    let mut shut = cameras();
    shut.iter_mut().for_each(|camera| camera.policy.paused = true);
    assert!(decide_preview(&policy(), &waiting(), &shut, &authoriser(), at(30)).unwrap().cameras().is_empty());

    for role in Role::ALL.into_iter().filter(|role| *role != Role::Authoriser) {
        let by = access::Caller { role, ..authoriser() };
        assert_eq!(ask(&waiting(), &by, 30).unwrap_err(), Code::Role, "{role}");
    }
    let itself = access::Caller { role: Role::Authoriser, ..investigator() };
    assert_eq!(ask(&waiting(), &itself, 30).unwrap_err(), Code::SamePerson);
    let colleague = access::Caller { organisation: investigator().organisation, ..authoriser() };
    assert_eq!(ask(&waiting(), &colleague, 30).unwrap_err(), Code::SameOrganisation);
    assert_eq!(ask(&waiting(), &authoriser(), 72).unwrap_err(), Code::Expired);
    let mut closed = waiting();
    closed.close(&investigator(), "done", at(30)).unwrap();
    assert_eq!(ask(&closed, &authoriser(), 30).unwrap_err(), Code::Closed);
    let mut signed = waiting();
    sign(&mut signed, &authoriser());
    assert_eq!(ask(&signed, &authoriser(), 30).unwrap_err(), Code::AlreadyAuthorised);
    assert!(ask(&signed, &second(), 30).is_ok());

    let shown = [0, 9, 10, 99, 100, 9_999, 10_000, u32::MAX].map(|count| access::Magnitude::of(count).fewer_than());
    assert_eq!(shown, [Some(10), Some(10), Some(100), Some(100), Some(1_000), Some(10_000), None, None]);
}

#[test]
fn a_preview_counts_the_cameras_that_a_search_opens_once_that_person_has_signed() {
    let mut pooled = cameras();
    pooled[0].policy.sensitive = true;
    pooled[3].policy.paused = true;
    let mut case = Case::requested(grant());
    for (by, opens) in [(authoriser(), 1), (second(), 2)] {
        let told = decide_preview(&policy(), &case, &pooled, &by, at(30)).unwrap().cameras().clone();
        sign(&mut case, &by);
        let granted = decide(&policy(), &case, &pooled, &request(), &investigator(), at(30)).unwrap();
        assert_eq!((told.len(), &told), (opens, &granted.whole.cameras), "{by}");
    }
    // Two names with one key are one word.
    let mut twice = Case::requested(grant());
    sign(&mut twice, &authoriser());
    let same_key = twice.authorisations[0].proof.clone();
    twice.authorisations.push(access::Authorisation { by: second(), proof: same_key, ..twice.authorisations[0].clone() });
    let refused = decide(&policy(), &twice, &pooled, &request(), &investigator(), at(30));
    assert!(refused.is_err() || refused.unwrap().whole.cameras.len() == 1);
}

#[test]
fn an_emergency_is_searched_at_once_only_where_a_deployment_says_so_and_only_for_a_while() {
    let case = Case::requested(Grant { emergency: Some("it is freezing".to_owned()), ..grant() });
    assert_eq!(code(&case, &request()), Code::NotAuthorised, "not by default");
    let policy = Policy { emergency: Some(std::time::Duration::from_secs(24 * 3600)), ..policy() };
    let ask = |case: &Case, hour| decide(&policy, case, &cameras(), &request(), &investigator(), at(hour));
    assert!(ask(&case, 47).unwrap().emergency);
    assert_eq!(ask(&case, 48).unwrap_err().code, Code::NotAuthorised);
    assert_eq!(ask(&Case::requested(grant()), 30).unwrap_err().code, Code::NotAuthorised, "no reason was stated");
    assert!(!ask(&authorised(case.grant), 48).unwrap().emergency);
}

fn emergency() -> (Policy, Case) {
    let case = Case::requested(Grant { emergency: Some("it is freezing".to_owned()), ..grant() });
    (Policy { emergency: Some(std::time::Duration::from_secs(24 * 3600)), ..policy() }, case)
}

#[test]
fn closing_an_emergency_leaves_its_purge_and_its_review_due() {
    let (policy, mut case) = emergency();
    case.close(&investigator(), "found", at(30)).unwrap();
    assert!(case.is_review_due() && !case.is_purge_due(&policy, at(47)) && case.is_purge_due(&policy, at(48)));
    // A deployment that no longer allows emergencies purges it too.
    assert!(case.is_purge_due(&Policy::default(), at(72)));

    let agree = |case: &mut Case, hour| {
        let (key, signature) = (key(&authoriser()), access::sign_grant(&key(&authoriser()), &case.grant));
        case.authorise(&policy, &authoriser(), Proof::Key { key: PublicKey::from(&key), signature }, at(hour)).map_err(|d| d.code)
    };
    let mut agreed = case.clone();
    agree(&mut agreed, 47).unwrap();
    assert!(!agreed.is_review_due() && !agreed.is_purge_due(&policy, at(500)));
    assert_eq!(code(&agreed, &request()), Code::Closed, "it stays closed");
    assert_eq!(agree(&mut case, 48), Err(Code::NotAuthorised));
    let mut refused = case.clone();
    refused.refuse(&policy, &authoriser(), "no ground", at(400)).unwrap();
    assert!(!refused.is_review_due() && refused.is_purge_due(&policy, at(400)));
    assert_eq!(refused.refuse(&policy, &authoriser(), "again", at(400)).unwrap_err().code, Code::Closed);

    // What was authorised, and what is no emergency, ends as it always did.
    for mut case in [authorised(case.grant.clone()), Case::requested(grant())] {
        case.close(&investigator(), "found", at(30)).unwrap();
        assert!(!case.is_review_due() && !case.is_purge_due(&policy, at(500)));
    }
}

#[test]
fn a_person_opens_so_many_emergencies_a_day_and_has_so_many_cases_waiting() {
    let (_, emergency) = emergency();
    let policy = Policy { emergencies_a_day: 2, waiting_cases: 3, ..policy() };
    let mut closed = emergency.clone();
    closed.close(&investigator(), "found", at(24)).unwrap();
    let ask = |grant: Grant, others: &[&Case]| access::check_quotas(&policy, &grant, others.iter().copied()).map_err(|d| d.code);
    let again = |hour| Grant { opened: at(hour), ..emergency.grant.clone() };
    assert_eq!(ask(again(30), &[&closed]), Ok(()));
    assert_eq!(ask(again(30), &[&closed, &closed]), Err(Code::EmergencyQuota), "closing them gives none back");
    assert_eq!(ask(again(48), &[&closed, &closed]), Ok(()), "a day later");
    assert_eq!(ask(again(2), &[&closed, &closed]), Err(Code::EmergencyQuota), "a clock that is put back gives none back");
    assert_eq!(ask(grant(), &[&closed, &closed]), Ok(()), "what waits for an authoriser is no emergency");
    let (waits, done) = (Case::requested(grant()), authorised(grant()));
    assert_eq!(ask(grant(), &[&waits, &waits, &done, &closed]), Ok(()));
    assert_eq!(ask(grant(), &[&waits, &waits, &waits]), Err(Code::WaitingQuota));
    let other = Grant { requester: caller("ivo", "police", Role::Investigator), ..grant() };
    assert_eq!(ask(other, &[&waits, &waits, &waits]), Ok(()));
}

#[test]
fn an_emergency_ends_also_where_emergencies_are_no_longer_allowed() {
    let (_, case) = emergency();
    assert!(!case.clone().lapse(&policy(), at(71)));
    let mut lapsed = case;
    assert!(lapsed.lapse(&policy(), at(72)));
}

#[test]
fn a_refusal_comes_from_another_organisation_than_the_requester_s() {
    let refuse =
        |by: &access::Caller, policy: &Policy| Case::requested(grant()).refuse(policy, by, "no", now()).map_err(|d| d.code);
    for organisation in ["police", "po1ice", "police."] {
        let colleague = caller("otto", organisation, Role::Authoriser);
        assert_eq!(refuse(&colleague, &policy()), Err(Code::SameOrganisation), "{organisation}");
        assert_eq!(refuse(&colleague, &Policy { same_organisation: true, ..policy() }), Ok(()));
        let same = caller("ida", organisation, Role::Authoriser);
        assert_eq!(refuse(&same, &Policy { same_organisation: true, ..policy() }), Err(Code::SamePerson));
    }
    assert_eq!(refuse(&authoriser(), &policy()), Ok(()));
}

#[test]
fn an_organisation_that_looks_like_the_requester_s_does_not_authorise() {
    for organisation in ["po1ice", "police."] {
        let mut case = Case::requested(grant());
        sign(&mut case, &caller("otto", organisation, Role::Authoriser));
        assert_eq!(code(&case, &request()), Code::SameOrganisation);
    }
}

#[test]
fn what_a_revoked_authoriser_granted_permits_nothing() {
    let mut case = authorised(grant());
    sign(&mut case, &second());
    case.authorisations[0].revoked = Some(at(29));
    assert_eq!(code(&case, &request()), Code::AuthoriserRevoked);
}

#[test]
fn a_crop_is_shown_only_where_a_search_would_have_found_it() {
    let case = authorised(grant());
    let view = |s: &Sighting| decide_view(&policy(), &case, &cameras(), s, &investigator(), now()).map(drop).map_err(|d| d.code);
    assert_eq!(view(&sighting(2, 3)), Ok(()));
    assert_eq!(view(&sighting(1, 3)), Err(Code::Outside), "which camera it belongs to is not told");
    assert_eq!(view(&sighting(2, 24)), Err(Code::Outside), "the window is half-open");
    assert_eq!(view(&sighting(2, -1)), Err(Code::Outside));
    assert_eq!(view(&Sighting { class: Class::Car, ..sighting(2, 3) }), Err(Code::Outside));
    let mut night = cameras();
    night[2].policy.hours = Some(access::Hours { from_minute: 20 * 60, to_minute: 4 * 60 });
    let at_night = |hour| decide_view(&policy(), &case, &night, &sighting(2, hour), &investigator(), now()).is_ok();
    assert!(at_night(3) && !at_night(4) && !at_night(12));
}

#[test]
fn a_case_is_opened_in_ones_own_name_with_a_reason_and_within_the_limits() {
    let open = |f: &dyn Fn(&mut Grant)| {
        let mut g = grant();
        f(&mut g);
        check_open(&policy(), &g, &cameras(), &investigator(), now()).map_err(|d| d.code)
    };
    assert_eq!(open(&|_| {}), Ok(()));
    assert_eq!(open(&|g| g.requester = second()), Err(Code::Role));
    assert_eq!(open(&|g| g.reason = "  ".to_owned()), Err(Code::Limits));
    assert_eq!(open(&|g| g.legal_basis = "x".repeat(2_001)), Err(Code::Limits));
    assert_eq!(open(&|g| g.scope.window = window(0, 72)), Ok(()));
    assert_eq!(open(&|g| g.scope.window = TimeWindow::new(seen(0), seen(72).plus_micros(1)).unwrap()), Err(Code::Limits));
    assert_eq!(open(&|g| g.expires = at(24 + 14 * 24)), Ok(()));
    assert_eq!(open(&|g| g.expires = at(25 + 14 * 24)), Err(Code::Limits));
    assert_eq!(open(&|g| g.expires = now()), Err(Code::Limits));
    assert_eq!(open(&|g| g.budgets.queries = 0), Err(Code::Limits));
    assert_eq!(open(&|g| g.budgets.results = 10_001), Err(Code::Limits));
    assert_eq!(open(&|g| g.scope.cameras = BTreeSet::from([CameraId::new("gone").unwrap()])), Err(Code::Camera));
    assert_eq!(open(&|g| g.scope.agencies = BTreeSet::from([AgencyId::new("gone").unwrap()])), Err(Code::Camera));
    assert_eq!(open(&|g| (g.scope.cameras, g.scope.agencies) = Default::default()), Err(Code::Limits));
    let urgent = Some("urgent".to_owned());
    assert_eq!(open(&|g| (g.purpose, g.emergency) = (access::Purpose::Disaster, urgent.clone())), Err(Code::Limits));
}
