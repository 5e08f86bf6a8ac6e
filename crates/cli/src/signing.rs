//! The authoriser's signature, made on this machine: the key never leaves it.
//!
//! What is shown is read from the very bytes that are signed, so a server can't have one thing read and another signed.

use access::{Grant, sign_grant, signing_key_from_pem};
use proto::v1;
use types::CaseId;

use crate::{
    failure::{Failure, Outcome, library},
    home::Home,
};

/// The grant the server asks a signature for; refused unless it is whole and of this case.
pub(crate) fn grant_of(id: &CaseId, case: &v1::Case) -> Outcome<Grant> {
    let hint = "do not sign it; is this the server you meant, and of this version?";
    let grant = Grant::from_bytes(&case.grant).map_err(|e| library("bad_grant", &e).hint(hint))?;
    if grant.case == *id {
        return Ok(grant);
    }
    Err(Failure::new("bad_grant", format!("the server asks you to sign case {} in place of {id}", grant.case)).hint(hint))
}

/// Ed25519 over the grant's bytes with the key of `identity`, 64 bytes.
pub(crate) fn sign(home: &Home, identity: &str, grant: &Grant) -> Outcome<Vec<u8>> {
    let key = signing_key_from_pem(&home.grant_key(identity)?).map_err(|e| library("no_grant_key", &e))?;
    Ok(sign_grant(&key, grant).0.to_vec())
}

/// What the grant says, in the shape that is shown.
pub(crate) fn as_case(grant: &Grant) -> v1::Case {
    let receive = |t: types::ReceiveTime| prost_types::Timestamp {
        seconds: t.as_micros().div_euclid(1_000_000),
        nanos: (t.as_micros().rem_euclid(1_000_000) * 1000) as i32,
    };
    let role = match grant.requester.role {
        access::Role::Investigator => v1::Role::Investigator,
        access::Role::Authoriser => v1::Role::Authoriser,
        access::Role::CameraOwner => v1::Role::CameraOwner,
        access::Role::Operator => v1::Role::Operator,
        access::Role::Auditor => v1::Role::Auditor,
        access::Role::Ingest => v1::Role::Ingest,
    };
    let purpose = match grant.purpose {
        access::Purpose::MissingPerson => v1::Purpose::MissingPerson,
        access::Purpose::SeriousIncident => v1::Purpose::SeriousIncident,
        access::Purpose::Disaster => v1::Purpose::Disaster,
    };
    v1::Case {
        id: grant.case.to_string(),
        purpose: purpose.into(),
        legal_basis: grant.legal_basis.clone(),
        reason: grant.reason.clone(),
        requester: Some(v1::Party {
            name: grant.requester.name.to_string(),
            organisation: grant.requester.organisation.to_string(),
            role: role.into(),
        }),
        scope: Some(v1::Scope {
            camera_ids: grant.scope.cameras.iter().map(ToString::to_string).collect(),
            agency_ids: grant.scope.agencies.iter().map(ToString::to_string).collect(),
            window: Some(grant.scope.window.into()),
            classes: grant.scope.classes.iter().map(|c| v1::Class::from(*c).into()).collect(),
            area: grant.scope.area.map(|area| {
                let (latitude, longitude) = area.centre.degrees();
                v1::Area { centre: Some(v1::Place { latitude, longitude }), radius_metres: area.radius_m }
            }),
            parts: grant.scope.parts.iter().map(|p| v1::DescriptionPart::from(*p).into()).collect(),
        }),
        budget: Some(v1::Budget { queries: grant.budgets.queries, results: grant.budgets.results }),
        created: Some(receive(grant.opened)),
        expires: Some(receive(grant.expires)),
        emergency: grant.emergency.clone().unwrap_or_default(),
        ..v1::Case::default()
    }
}

#[cfg(test)]
mod tests {
    use access::{Area, Budgets, Caller, Place, Purpose, Scope};
    use types::{CameraId, CaptureTime, Class, ReceiveTime, TimeWindow};

    use super::*;
    use crate::view::CaseView;

    fn grant() -> Grant {
        let at = |text: &str| text.parse::<CaptureTime>().unwrap();
        let now = |text: &str| text.parse::<ReceiveTime>().unwrap();
        Grant {
            case: CaseId::new("child-7").unwrap(),
            purpose: Purpose::MissingPerson,
            legal_basis: "Police Act 12".into(),
            reason: "a child went missing\nat the fair".into(),
            requester: Caller::from_uri("sightline://city-police/investigator/ines").unwrap(),
            scope: Scope {
                cameras: ["gate", "hall"].map(|c| CameraId::new(c).unwrap()).into(),
                agencies: [types::AgencyId::new("transit").unwrap()].into(),
                area: Some(Area { centre: Place::new(51.5, -0.125).unwrap(), radius_m: 800 }),
                window: TimeWindow::new(at("2026-03-01T08:00:00Z"), at("2026-03-01T20:00:00Z")).unwrap(),
                classes: [Class::Person].into(),
                parts: [types::QueryPart::Upper, types::QueryPart::Stature].into(),
            },
            budgets: Budgets { queries: 10, results: 500 },
            opened: now("2026-03-01T21:00:00Z"),
            expires: now("2026-03-08T21:00:00Z"),
            emergency: None,
        }
    }

    #[test]
    fn an_authoriser_reads_every_bound_of_what_the_bytes_say() {
        let grant = Grant::from_bytes(&grant().to_bytes()).unwrap();
        insta::assert_snapshot!(format!("shown:\n{}", CaseView::from(as_case(&grant)).scope_in_words()), @r#"
        shown:
          case         child-7
          asked by     ines (investigator, city-police)
          purpose      missing person
          legal basis  Police Act 12
          because      a child went missing at the fair
          may look at  gate, hall, all of transit, all within 800 m of 51.500000, -0.125000
          for          person
          by           upper, stature
          seen         2026-03-01T08:00:00Z to 2026-03-01T20:00:00Z
          may ask      at most 10 searches and at most 500 results
          until        2026-03-08T21:00:00Z
        "#);
    }

    #[test]
    fn a_grant_of_another_case_or_with_a_bit_flipped_is_not_signed() {
        let id = CaseId::new("child-7").unwrap();
        let case = |bytes| v1::Case { grant: bytes, ..v1::Case::default() };
        assert_eq!(grant_of(&id, &case(grant().to_bytes())).unwrap(), grant());
        let mut flipped = grant().to_bytes();
        flipped[3] ^= 1;
        for (id, bytes) in [(CaseId::new("other").unwrap(), grant().to_bytes()), (id.clone(), flipped), (id, vec![])] {
            assert_eq!(grant_of(&id, &case(bytes)).unwrap_err().reason, "bad_grant");
        }
    }
}
