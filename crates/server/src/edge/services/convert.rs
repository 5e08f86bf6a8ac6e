//! Between messages and the words of `access` and `catalogue`.

use std::{collections::BTreeSet, time::Duration};

use access::{
    Area, Authorisation, Budgets, Caller, CameraPolicy, CaseState, Ending, Hours, Limits, Place, Policy, Proof, Purpose, Role,
    Scope,
};
use catalogue::{Agency, AuditRecord, Camera, Position, RevokedIdentity, StoredCase};
use proto::{BadMessage, v1};
use types::{AgencyId, CameraId, CaptureTime, Class, QueryPart, ReceiveTime};

use crate::{
    edge::status::Fault,
    store::{CheckFinding, CheckReport, FindingKind},
};

pub(super) fn moment(time: ReceiveTime) -> Option<prost_types::Timestamp> {
    CaptureTime::from_micros(time.as_micros()).ok().map(proto::timestamp)
}

pub(super) fn receive_time(field: &'static str, time: Option<prost_types::Timestamp>) -> Result<Option<ReceiveTime>, BadMessage> {
    let Some(time) = time else { return Ok(None) };
    let us = proto::capture_time(field, Some(time))?.as_micros();
    ReceiveTime::from_micros(us).map(Some).map_err(|_| BadMessage::Time { field })
}

pub(super) fn agency_message(a: Agency) -> v1::Agency {
    v1::Agency { id: a.id.to_string(), title: a.name, created: moment(a.created) }
}

pub(super) fn camera_message(c: Camera) -> v1::Camera {
    let policy = v1::CameraPolicy {
        purposes: c.policy.purposes.iter().map(|p| purpose_message(*p).into()).collect(),
        paused: c.policy.paused,
        sensitive: c.policy.sensitive,
        retention: c.policy.retention_seconds.map(|s| proto::duration(Duration::from_secs(s))),
        revoked: c.policy.revoked,
        hours: c.policy.hours.map(|h| v1::Hours { from_minute: h.from_minute.into(), to_minute: h.to_minute.into() }),
    };
    v1::Camera {
        id: c.id.to_string(),
        agency_id: c.agency.to_string(),
        title: c.place.unwrap_or_default(),
        policy: Some(policy),
        created: moment(c.created),
        position: c.position.map(|p| v1::Place { latitude: p.latitude, longitude: p.longitude }),
        zone: c.zone.unwrap_or_default(),
    }
}

/// An IANA name of a time zone, or none.
pub(super) fn zone_from(name: &str) -> Result<Option<String>, Fault> {
    if name.is_empty() {
        return Ok(None);
    }
    let hint = "write the name of a zone such as Europe/Berlin, America/New_York or UTC";
    let zone = name.parse::<chrono_tz::Tz>();
    zone.map(|zone| Some(zone.name().to_owned())).map_err(|_| Fault::invalid("zone", format!("{name:?} is no time zone"), hint))
}

pub(super) fn policy_from(policy: Option<v1::CameraPolicy>) -> Result<CameraPolicy, Fault> {
    let Some(policy) = policy else { return Ok(CameraPolicy::default()) };
    let purposes = purposes_from(&policy.purposes)?;
    let hours = hours_from(policy.hours)?;
    Ok(CameraPolicy {
        purposes: if purposes.is_empty() { Purpose::ALL.into() } else { purposes },
        hours,
        paused: policy.paused,
        revoked: policy.revoked,
        sensitive: policy.sensitive,
        retention_seconds: proto::duration_from("policy.retention", policy.retention)?.map(|d| d.as_secs()),
    })
}

pub(super) fn purposes_from(purposes: &[i32]) -> Result<BTreeSet<Purpose>, BadMessage> {
    purposes.iter().map(|p| purpose_from("policy.purposes", *p)).collect()
}

pub(super) fn hours_from(hours: Option<v1::Hours>) -> Result<Option<Hours>, BadMessage> {
    let minute = |m: u32| u16::try_from(m).ok().filter(|m| *m <= 24 * 60).ok_or(BadMessage::Number { field: "policy.hours" });
    hours.map(|h| Ok(Hours { from_minute: minute(h.from_minute)?, to_minute: minute(h.to_minute)? })).transpose()
}

pub(super) fn position_from(place: Option<v1::Place>) -> Option<Position> {
    place.map(|p| Position { latitude: p.latitude, longitude: p.longitude })
}

pub(super) fn purpose_message(purpose: Purpose) -> v1::Purpose {
    match purpose {
        Purpose::MissingPerson => v1::Purpose::MissingPerson,
        Purpose::SeriousIncident => v1::Purpose::SeriousIncident,
        Purpose::Disaster => v1::Purpose::Disaster,
    }
}

pub(super) fn purpose_from(field: &'static str, value: i32) -> Result<Purpose, BadMessage> {
    match v1::Purpose::try_from(value) {
        Ok(v1::Purpose::MissingPerson) => Ok(Purpose::MissingPerson),
        Ok(v1::Purpose::SeriousIncident) => Ok(Purpose::SeriousIncident),
        Ok(v1::Purpose::Disaster) => Ok(Purpose::Disaster),
        Ok(v1::Purpose::Unspecified) => Err(BadMessage::Missing { field }),
        Err(_) => Err(BadMessage::Word { field, kind: "purpose", value }),
    }
}

pub(super) fn party(c: &Caller) -> v1::Party {
    let role = match c.role {
        Role::Investigator => v1::Role::Investigator,
        Role::Authoriser => v1::Role::Authoriser,
        Role::CameraOwner => v1::Role::CameraOwner,
        Role::Operator => v1::Role::Operator,
        Role::Auditor => v1::Role::Auditor,
        Role::Ingest => v1::Role::Ingest,
    };
    v1::Party { name: c.name.to_string(), organisation: c.organisation.to_string(), role: role.into() }
}

pub(super) fn state_message(state: CaseState) -> v1::CaseState {
    match state {
        CaseState::Requested => v1::CaseState::Requested,
        CaseState::Authorised => v1::CaseState::Authorised,
        CaseState::Closed => v1::CaseState::Closed,
    }
}

pub(super) fn state_from(value: i32) -> Result<Option<CaseState>, BadMessage> {
    match v1::CaseState::try_from(value) {
        Ok(v1::CaseState::Unspecified) => Ok(None),
        Ok(v1::CaseState::Requested) => Ok(Some(CaseState::Requested)),
        Ok(v1::CaseState::Authorised) => Ok(Some(CaseState::Authorised)),
        Ok(v1::CaseState::Closed) => Ok(Some(CaseState::Closed)),
        Err(_) => Err(BadMessage::Word { field: "state", kind: "case state", value }),
    }
}

fn authorisation(a: &Authorisation) -> v1::Authorisation {
    let said = v1::Authorisation { party: Some(party(&a.by)), time: moment(a.at), ..v1::Authorisation::default() };
    match &a.proof {
        Proof::Key { key, signature } => {
            v1::Authorisation { public_key: key.0.to_vec(), signature: signature.0.to_vec(), ..said }
        }
        Proof::Passkey { passkey, assertion } => v1::Authorisation {
            passkey: Some(v1::PasskeySignature {
                server: passkey.server.clone(),
                public_key: passkey.key.clone(),
                assertion: Some(v1::PasskeyAssertion {
                    authenticator_data: assertion.authenticator_data.clone(),
                    client_data: assertion.client_data.clone(),
                    signature: assertion.signature.clone(),
                }),
            }),
            ..said
        },
    }
}

pub(super) fn case_message(policy: &Policy, StoredCase { case, spent, .. }: &StoredCase) -> v1::Case {
    let grant = &case.grant;
    let first = case.authorisations.first();
    let scope = v1::Scope {
        camera_ids: grant.scope.cameras.iter().map(ToString::to_string).collect(),
        agency_ids: grant.scope.agencies.iter().map(ToString::to_string).collect(),
        window: Some(grant.scope.window.into()),
        classes: grant.scope.classes.iter().map(|c| v1::Class::from(*c).into()).collect(),
        area: grant.scope.area.map(|area| {
            let (latitude, longitude) = area.centre.degrees();
            v1::Area { centre: Some(v1::Place { latitude, longitude }), radius_metres: area.radius_m }
        }),
        parts: grant.scope.parts.iter().map(|p| v1::DescriptionPart::from(*p).into()).collect(),
    };
    let ending = |ending| match ending {
        Ending::Closed => v1::CaseEnding::Closed,
        Ending::Refused => v1::CaseEnding::Refused,
        Ending::Unauthorised => v1::CaseEnding::Unauthorised,
    };
    let waits = case.state() == CaseState::Requested;
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (queries, results) = (number(spent.queries), number(spent.results));
    v1::Case {
        id: grant.case.to_string(),
        purpose: purpose_message(grant.purpose).into(),
        legal_basis: grant.legal_basis.clone(),
        reason: grant.reason.clone(),
        requester: Some(party(&grant.requester)),
        scope: Some(scope),
        budget: Some(v1::Budget { queries: grant.budgets.queries, results: grant.budgets.results }),
        created: moment(grant.opened),
        expires: moment(grant.expires),
        state: state_message(case.state()).into(),
        authoriser: first.map(|a| party(&a.by)),
        authorised: first.and_then(|a| moment(a.at)),
        closed: case.closed.as_ref().and_then(|c| moment(c.at)),
        grant: grant.to_bytes(),
        signature: first.map(|a| authorisation(a).signature).unwrap_or_default(),
        authorisations: case.authorisations.iter().map(authorisation).collect(),
        emergency: grant.emergency.clone().unwrap_or_default(),
        closed_reason: case.closed.as_ref().map(|c| c.reason.clone()).unwrap_or_default(),
        ending: case.closed.as_ref().map(|c| ending(c.ending).into()).unwrap_or_default(),
        emergency_until: case.emergency_until(policy).filter(|_| waits).and_then(moment),
        used: Some(v1::Budget { queries, results }),
        left: Some(v1::Budget {
            queries: grant.budgets.queries.saturating_sub(queries),
            results: grant.budgets.results.saturating_sub(results),
        }),
    }
}

pub(super) fn scope_from(scope: Option<v1::Scope>) -> Result<Scope, BadMessage> {
    let scope = scope.ok_or(BadMessage::Missing { field: "scope" })?;
    let class = |c: &i32| match v1::Class::try_from(*c) {
        Ok(class) => Class::try_from(class),
        Err(_) => Err(BadMessage::Word { field: "scope.classes", kind: "class", value: *c }),
    };
    let part = |p: &i32| match v1::DescriptionPart::try_from(*p) {
        Ok(part) => QueryPart::try_from(part),
        Err(_) => Err(BadMessage::Word { field: "scope.parts", kind: "part of a description", value: *p }),
    };
    Ok(Scope {
        cameras: camera_ids(&scope.camera_ids)?,
        agencies: scope.agency_ids.iter().map(|id| AgencyId::new(id)).collect::<Result<_, _>>()?,
        window: proto::window(scope.window)?,
        classes: scope.classes.iter().map(class).collect::<Result<_, _>>()?,
        area: scope.area.map(area_from).transpose()?,
        parts: scope.parts.iter().map(part).collect::<Result<_, _>>()?,
    })
}

fn area_from(area: v1::Area) -> Result<Area, BadMessage> {
    let centre = area.centre.ok_or(BadMessage::Missing { field: "scope.area.centre" })?;
    let centre = Place::new(centre.latitude, centre.longitude).ok_or(BadMessage::Number { field: "scope.area.centre" })?;
    Ok(Area { centre, radius_m: area.radius_metres })
}

pub(super) fn revocation(revoked: &RevokedIdentity) -> v1::Revocation {
    v1::Revocation {
        serial: revoked.serial.clone(),
        party: Some(party(&revoked.caller)),
        time: moment(revoked.at),
        revoked_by: revoked.by.as_ref().map(party),
    }
}

pub(super) fn camera_ids(ids: &[String]) -> Result<BTreeSet<CameraId>, BadMessage> {
    Ok(ids.iter().map(|id| CameraId::new(id)).collect::<Result<_, _>>()?)
}

/// What was not named is the most the purpose allows.
pub(super) fn budgets_from(budget: Option<v1::Budget>, limits: &Limits) -> Budgets {
    let budget = budget.unwrap_or_default();
    let or = |asked, most| if asked == 0 { most } else { asked };
    Budgets { queries: or(budget.queries, limits.budgets.queries), results: or(budget.results, limits.budgets.results) }
}

pub(super) fn audit_message(record: AuditRecord) -> v1::AuditRecord {
    let AuditRecord { entry, receipt, bytes } = record;
    v1::AuditRecord {
        seq: receipt.seq,
        time: moment(entry.at),
        caller: entry.caller.as_ref().map(party),
        action: entry.action.as_str().to_owned(),
        outcome: entry.phase.as_str().to_owned(),
        case_id: entry.case.map(|c| c.to_string()).unwrap_or_default(),
        leaf_sha256: hex::encode(receipt.leaf),
        entry: bytes,
    }
}
impl From<CheckReport> for v1::CheckResponse {
    fn from(report: CheckReport) -> Self {
        Self {
            clean: report.clean,
            sightings: report.sightings,
            crops: report.crops,
            vectors: report.vectors,
            findings: report.findings.into_iter().map(finding_message).collect(),
            findings_total: report.findings_total,
            committed: report.committed,
            uncommitted: report.uncommitted,
        }
    }
}

fn finding_message(found: CheckFinding) -> v1::Finding {
    let kind = match found.kind {
        FindingKind::CropMissing => v1::FindingKind::CropMissing,
        FindingKind::CropOrphaned => v1::FindingKind::CropOrphaned,
        FindingKind::VectorMissing => v1::FindingKind::VectorMissing,
        FindingKind::VectorOrphaned => v1::FindingKind::VectorOrphaned,
        FindingKind::VectorDamaged => v1::FindingKind::VectorDamaged,
        FindingKind::Database => v1::FindingKind::Database,
        FindingKind::Audit => v1::FindingKind::Audit,
        FindingKind::SightingUnusable => v1::FindingKind::SightingUnusable,
        FindingKind::SightingChanged => v1::FindingKind::SightingChanged,
    };
    v1::Finding { kind: kind.into(), subject: found.subject, message: found.message, repaired: found.repaired }
}
