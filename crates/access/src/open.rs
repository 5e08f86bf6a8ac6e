use std::time::Duration;

use types::{QueryPart, ReceiveTime};

use crate::{Action, Caller, Case, CaseState, Code, Denial, Grant, Policy, PooledCamera, Role};

/// The longest legal basis, reason or emergency, in bytes.
const MAX_TEXT: usize = 2_000;

fn beyond(reason: String) -> Denial {
    Denial::new(Code::Limits, reason, "ask for less, and open a second case if one is not enough")
}

/// Whether a case may be opened: the caller asks in their own name, for something, within the limits of the purpose.
/// `cameras` are all that are pooled.
///
/// # Errors
/// A denial: [`Code::Role`] where the caller may not, or asks in another's name; [`Code::Limits`] and others where
/// the grant is empty or goes beyond what its purpose allows.
pub fn check_open(
    policy: &Policy,
    grant: &Grant,
    cameras: &[PooledCamera],
    caller: &Caller,
    now: ReceiveTime,
) -> Result<(), Denial> {
    Action::OpenCase.check_role(caller)?;
    if grant.requester != *caller {
        return Err(Denial::new(Code::Role, "a case is opened in one's own name", ""));
    }
    let empty = |what: &str| Err(Denial::new(Code::Limits, format!("the case has no {what}"), format!("state its {what}")));
    for (what, text) in
        [("legal basis", Some(&grant.legal_basis)), ("reason", Some(&grant.reason)), ("emergency", grant.emergency.as_ref())]
    {
        match text {
            Some(text) if text.trim().is_empty() => return empty(what),
            Some(text) if text.len() > MAX_TEXT => return Err(beyond(format!("the {what} is longer than {MAX_TEXT} bytes"))),
            _ => {}
        }
    }
    for id in &grant.scope.cameras {
        if !cameras.iter().any(|c| c.id == *id) {
            return Err(Denial::new(Code::Camera, format!("there is no camera {id}"), "list them with `sightline camera list`"));
        }
    }
    for id in &grant.scope.agencies {
        if !cameras.iter().any(|c| c.agency == *id) {
            let reason = format!("the agency {id} has no camera here");
            return Err(Denial::new(Code::Camera, reason, "list the cameras with `sightline camera list`"));
        }
    }
    if let Some(area) = grant.scope.area
        && !cameras.iter().any(|c| c.place.is_some_and(|p| area.contains(&p)))
    {
        let hint = "widen it, or name the cameras; `sightline camera list` shows where they are";
        return Err(Denial::new(Code::Camera, "no camera with a known position lies in the area", hint));
    }
    if now < grant.opened.plus_micros(-300_000_000) || now >= grant.expires {
        return Err(beyond("the case would not be valid now".to_owned()));
    }
    check_limits(policy, grant, cameras)
}

/// The bounds that hold for every case of a purpose, on opening and on every request.
pub(crate) fn check_limits(policy: &Policy, grant: &Grant, cameras: &[PooledCamera]) -> Result<(), Denial> {
    let limits = policy.limits(grant.purpose);
    let purpose = grant.purpose;
    let hours = |d: Duration| d.as_secs().div_ceil(3600);
    let window = grant.scope.window.duration();
    if window > limits.window {
        let (asked, most) = (hours(window), hours(limits.window));
        return Err(beyond(format!("the window is {asked} h long; a {purpose} case may cover at most {most} h")));
    }
    let duration = grant.expires.as_micros().saturating_sub(grant.opened.as_micros());
    if duration <= 0 || Duration::from_micros(duration.unsigned_abs()) > limits.duration {
        let most = hours(limits.duration);
        return Err(beyond(format!("a {purpose} case may be valid for at most {most} h and must end after it begins")));
    }
    let covered = cameras.iter().filter(|c| grant.scope.covers_camera(c)).count();
    if covered > limits.cameras {
        return Err(beyond(format!("the scope has {covered} cameras; a {purpose} case may cover at most {}", limits.cameras)));
    }
    if grant.scope.cameras.is_empty() && grant.scope.agencies.is_empty() && grant.scope.area.is_none() {
        return Err(beyond("the scope names no camera, no agency and no area".to_owned()));
    }
    if grant.scope.parts.contains(&QueryPart::Stature) && !purpose.allows_stature() {
        return Err(beyond(format!("a {purpose} case may not ask stature")));
    }
    let (asked, most) = (grant.budgets, limits.budgets);
    if asked.queries == 0 || asked.results == 0 || asked.queries > most.queries || asked.results > most.results {
        let reason = format!("a {purpose} case may have 1 to {} queries and 1 to {} results", most.queries, most.results);
        return Err(beyond(reason));
    }
    if grant.emergency.is_some() && purpose != crate::Purpose::MissingPerson {
        return Err(beyond("only a missing_person case can be an emergency".to_owned()));
    }
    Ok(())
}

/// How many cases a person may have waiting, and how many emergencies they may open in a day. `others` are the cases that
/// are there, anybody's.
///
/// # Errors
/// A refusal with [`Code::EmergencyQuota`] or [`Code::WaitingQuota`].
pub fn check_quotas<'a>(policy: &Policy, grant: &Grant, others: impl IntoIterator<Item = &'a Case>) -> Result<(), Denial> {
    let day_ago = grant.opened.plus_micros(-86_400_000_000);
    let (mut emergencies, mut waiting) = (0, 0);
    for case in others.into_iter().filter(|c| c.grant.requester.same_person(&grant.requester)) {
        emergencies += u32::from(case.grant.emergency.is_some() && case.grant.opened > day_ago);
        waiting += u32::from(case.state() == CaseState::Requested && case.grant.expires > grant.opened);
    }
    if grant.emergency.is_some() && emergencies >= policy.emergencies_a_day {
        let reason =
            format!("you opened {emergencies} emergencies in the last 24 hours, and may open {}", policy.emergencies_a_day);
        let hint = "open the case without --emergency and have it authorised, or ask a colleague";
        return Err(Denial::new(Code::EmergencyQuota, reason, hint));
    }
    if waiting >= policy.waiting_cases {
        let reason = format!("{waiting} cases of yours wait to be authorised, and {} may", policy.waiting_cases);
        return Err(Denial::new(Code::WaitingQuota, reason, "have one authorised, or close one: `sightline case close`"));
    }
    Ok(())
}

/// Whether the caller may know that the case exists.
pub fn may_see_case(case: &Case, caller: &Caller) -> bool {
    match caller.role {
        Role::Investigator => case.grant.requester.organisation == caller.organisation,
        Role::Authoriser | Role::Auditor => true,
        Role::CameraOwner | Role::Operator | Role::Ingest => false,
    }
}

/// Whether the caller is told what happens to the case: authorisers of every one, and owners of those that cover a camera of
/// theirs. `cameras` are all that are pooled.
pub fn may_watch_case(case: &Case, cameras: &[PooledCamera], caller: &Caller) -> bool {
    match caller.role {
        Role::Authoriser => true,
        Role::CameraOwner => cameras.iter().any(|c| caller.is_of(&c.agency) && case.grant.scope.covers_camera(c)),
        Role::Investigator | Role::Auditor | Role::Operator | Role::Ingest => false,
    }
}
