//! Attacks on cases, each over mutual TLS against a real server: refused with the right code, and on the record.

use std::{collections::BTreeMap, fs, time::Duration};

use access::{Grant, sign_grant, signing_key_from_pem};
use deployment::Home;
use proto::v1::{self, case_service_client::CaseServiceClient, search_service_client::SearchServiceClient};
use tonic::Code;

use crate::{
    harness::{Deployed, add_identity, told, window},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

fn ask(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    }
}

/// Refusals on the record so far, by action and stable word.
async fn refusals(deployed: &Deployed) -> BTreeMap<(String, String), usize> {
    let mut all = BTreeMap::new();
    for (action, outcome) in deployed.record().await {
        if !["permitted", "done", "failed", "cancelled"].contains(&outcome.as_str()) {
            *all.entry((action, outcome)).or_default() += 1;
        }
    }
    all
}

fn count(refusals: &BTreeMap<(String, String), usize>, action: &str, code: &str) -> usize {
    refusals.get(&(action.into(), code.into())).copied().unwrap_or_default()
}

async fn refused(deployed: &Deployed, identity: &str, request: v1::SearchRequest) -> String {
    let (code, reason) = told(&deployed.search(identity, request).await.unwrap_err());
    assert_eq!(code, Code::PermissionDenied, "{reason}");
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_others_another_role_a_wider_window_or_a_camera_outside_is_refused_and_recorded() {
    let deployed = Deployed::configured("", async |home: &Home| {
        seen::cars(home, 2).await;
        add_identity(home, "neighbour", "sightline://other/investigator/neighbour");
        add_identity(home, "namesake", "sightline://other/investigator/investigator");
        add_identity(home, "colleague", "sightline://local/investigator/colleague");
    })
    .await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    assert_eq!(deployed.search("investigator", ask("k")).await.unwrap().0.len(), 2);

    for other in ["neighbour", "namesake", "colleague"] {
        assert_eq!(refused(&deployed, other, ask("k")).await, "no_case");
    }
    for role in ["authoriser", "operator", "auditor", "camera-owner"] {
        assert_eq!(refused(&deployed, role, ask("k")).await, "role");
    }
    for (from, to) in [("2026-03-01T07:59:59Z", TO), (FROM, "2026-03-01T10:00:01Z")] {
        let wider = v1::SearchRequest { window: Some(window(from, to)), ..ask("k") };
        assert_eq!(refused(&deployed, "investigator", wider).await, "window");
    }
    for camera in ["yard", "quay"] {
        let outside = v1::SearchRequest { camera_ids: vec![camera.into()], ..ask("k") };
        assert_eq!(refused(&deployed, "investigator", outside).await, "camera");
    }
    let refusals = refusals(&deployed).await;
    for (code, times) in [("no_case", 3), ("role", 4), ("window", 2), ("camera", 2)] {
        assert_eq!(count(&refusals, "search", code), times, "{code}: {refusals:?}");
    }
    // Another organisation's case can't be read or closed either.
    let mut theirs = CaseServiceClient::new(deployed.channel("neighbour").await);
    let status = theirs.get_case(v1::GetCaseRequest { case_id: "k".into() }).await.unwrap_err();
    assert_eq!(told(&status), (Code::NotFound, "no_case".into()));
    let status = theirs.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: String::new() }).await.unwrap_err();
    assert_eq!(told(&status), (Code::NotFound, "no_case".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_its_time_and_after_it_a_case_permits_nothing() {
    let deployed = Deployed::with_cameras().await;
    let day = Duration::from_secs(86_400);
    deployed.clock.set_ahead(2 * day);
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.search("investigator", ask("k")).await.unwrap();
    // The clock is set back to before it began: that is not what time it is.
    deployed.clock.set_ahead(Duration::ZERO);
    deployed.search("investigator", ask("k")).await.unwrap();
    deployed.clock.set_ahead(17 * day);
    assert_eq!(refused(&deployed, "investigator", ask("k")).await, "expired");
    let refusals = refusals(&deployed).await;
    assert_eq!(count(&refusals, "search", "expired"), 1);
}

/// Every single bit of the grant and of the signature. What was signed is not what stands, so none of them authorises.
#[tokio::test(flavor = "multi_thread")]
async fn no_bit_of_a_grant_or_of_its_signature_can_be_another() {
    let deployed = Deployed::with_cameras().await;
    let case = deployed.open_case("k", "gate", FROM, TO).await;
    let key = signing_key_from_pem(&fs::read_to_string(deployed.home.grant_key("authoriser")).unwrap()).unwrap();
    let grant = Grant::from_bytes(&case.grant).unwrap();
    assert_eq!(grant.to_bytes(), case.grant);

    let mut cases = CaseServiceClient::new(deployed.channel("authoriser").await);
    let mut sent = 0;
    let mut refuse = async |signature: Vec<u8>| {
        let request = v1::AuthoriseCaseRequest { case_id: "k".into(), signature, passkey: None };
        let status = cases.authorise_case(request).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, "bad_signature".into()));
        sent += 1;
    };
    let good = sign_grant(&key, &grant).0.to_vec();
    for bit in 0..good.len() * 8 {
        let mut signature = good.clone();
        signature[bit / 8] ^= 1 << (bit % 8);
        refuse(signature).await;
    }
    // A signature over the grant with one bit of it flipped, made with the authoriser's own key.
    use ed25519_dalek::Signer as _;
    let bits = case.grant.len() * 8;
    for bit in 0..bits {
        let mut altered = case.grant.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(access::GrantSignature(key.sign(&altered).to_bytes()) != sign_grant(&key, &grant));
        // Over RPC a sample; the server verifies against what it has, whatever was signed.
        if bit % 16 == 0 {
            refuse(key.sign(&altered).to_bytes().to_vec()).await;
        }
        // What still reads as a grant is another one, and the signature of this one does not fit it.
        if let Ok(other) = Grant::from_bytes(&altered) {
            assert_ne!(other, grant);
            let public = access::PublicKey::from(&key);
            assert!(access::verify_grant(&public, &other, &access::GrantSignature(good.clone().try_into().unwrap())).is_err());
        }
    }
    assert_eq!(refused(&deployed, "investigator", ask("k")).await, "not_authorised");
    assert_eq!(count(&refusals(&deployed).await, "case.authorise", "bad_signature"), sent);
    assert_eq!(deployed.authorise_with("authoriser", &case, good).await.unwrap().state(), v1::CaseState::Authorised);
}

/// Whoever can write to the database can still not authorise: the signature is checked on every search.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_altered_where_it_is_stored_permits_nothing() {
    let mut deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.search("investigator", ask("k")).await.unwrap();
    deployed.stop().await;
    let data = deployed.home.root().join("data");
    let catalogue = catalogue::Catalogue::open(&catalogue::CatalogueConfig::in_folder(&data)).await.unwrap();
    // Another case with the same authorisation and one more camera: a grant signed for one does not fit the other.
    let stored = catalogue.case(&"k".parse().unwrap()).await.unwrap().unwrap();
    let mut forged = stored.case.clone();
    forged.grant.case = "forged".parse().unwrap();
    forged.grant.scope.cameras.insert("yard".parse().unwrap());
    catalogue.add_case(&forged).await.unwrap();
    catalogue.close().await;
    deployed.again().await;
    assert_eq!(refused(&deployed, "investigator", ask("forged")).await, "bad_signature");
    assert_eq!(count(&refusals(&deployed).await, "search", "bad_signature"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_fits_one_case_and_once() {
    let deployed = Deployed::with_cameras().await;
    let first = deployed.authorised_case("first", "gate", FROM, TO).await;
    let second = deployed.open_case("second", "gate", FROM, TO).await;
    let status = deployed.authorise_with("authoriser", &second, first.signature.clone()).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "bad_signature".into()));
    let status = deployed.authorise_with("authoriser", &first, first.signature.clone()).await.unwrap_err();
    assert_eq!(told(&status), (Code::FailedPrecondition, "already_authorised".into()));
    // Nor can the id be used again, so that an old signature would come to fit.
    let request = v1::OpenCaseRequest {
        id: "first".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: first.scope,
        ..Default::default()
    };
    let status = CaseServiceClient::new(deployed.channel("investigator").await).open_case(request).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let refusals = refusals(&deployed).await;
    assert_eq!(count(&refusals, "case.authorise", "bad_signature"), 1);
    assert_eq!(count(&refusals, "case.authorise", "already_authorised"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_searches_at_once_under_a_budget_of_five_exactly_five_pass() {
    let deployed = Deployed::with_cameras().await;
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope { camera_ids: vec!["gate".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        budget: Some(v1::Budget { queries: 5, results: 1000 }),
        ..Default::default()
    };
    let case = CaseServiceClient::new(deployed.channel("investigator").await).open_case(request).await.unwrap();
    deployed.authorise("authoriser", &case.into_inner().case.unwrap()).await.unwrap();
    let channel = deployed.channel("investigator").await;
    let searches = (0..20).map(|_| {
        let mut service = SearchServiceClient::new(channel.clone());
        tokio::spawn(async move { service.search(ask("k")).await.map(drop).map_err(|s| told(&s)) })
    });
    let (mut passed, mut over) = (0, 0);
    for search in searches.collect::<Vec<_>>() {
        match search.await.unwrap() {
            Ok(()) => passed += 1,
            Err(refusal) => {
                assert_eq!(refusal, (Code::PermissionDenied, "budget".into()));
                over += 1;
            }
        }
    }
    assert_eq!((passed, over), (5, 15));
    assert_eq!(count(&refusals(&deployed).await, "search", "budget"), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crop_is_looked_at_only_under_a_case_that_covers_it() {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| {
        ids = seen::cars(home, 1).await;
        add_identity(home, "colleague", "sightline://local/investigator/colleague");
    })
    .await;
    let [gate, yard, quay] = [0, 1, 2].map(|i| ids[i].to_string());
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.authorised_case("early", "gate", FROM, "2026-03-01T08:30:00Z").await;
    deployed.open_case("asked", "gate", FROM, TO).await;
    let crop = async |identity: &str, case: &str, id: &str| {
        let request = v1::GetCropRequest { case_id: case.into(), sighting_id: id.into() };
        SearchServiceClient::new(deployed.channel(identity).await).get_crop(request).await.map_err(|s| told(&s))
    };
    assert!(!crop("investigator", "k", &gate).await.unwrap().into_inner().crop.is_empty());
    let outside = (Code::PermissionDenied, "outside".to_owned());
    for (case, id) in [("k", &yard), ("k", &quay), ("early", &gate)] {
        assert_eq!(crop("investigator", case, id).await.unwrap_err(), outside, "{case} {id}");
    }
    assert_eq!(crop("investigator", "asked", &gate).await.unwrap_err().1, "not_authorised");
    assert_eq!(crop("investigator", "", &gate).await.unwrap_err().1, "no_case");
    assert_eq!(crop("colleague", "k", &gate).await.unwrap_err().1, "no_case");
    assert_eq!(crop("auditor", "k", &gate).await.unwrap_err().1, "role");
    let refusals = refusals(&deployed).await;
    for (code, times) in [("outside", 3), ("not_authorised", 1), ("no_case", 2), ("role", 1)] {
        assert_eq!(count(&refusals, "crop", code), times, "{code}: {refusals:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_and_malformed_requests_are_refused_and_on_the_record() {
    let deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    // As long as a message may be, and still too many.
    let camera_ids: Vec<String> = (0..60_000).map(|n| format!("c-{n}")).collect();
    let mut search = SearchServiceClient::new(deployed.channel("investigator").await);
    let status = search.search(v1::SearchRequest { camera_ids, ..ask("k") }).await.unwrap_err();
    assert_eq!(told(&status), (Code::InvalidArgument, "too_large".into()));
    assert!(status.message().contains("camera_ids"), "{status:?}");
    let huge = v1::OpenCaseRequest { reason: "x".repeat(2 << 20), ..Default::default() };
    let status = cases.open_case(huge).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    let status = cases.get_case(v1::GetCaseRequest { case_id: "../x".into() }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let mut search = SearchServiceClient::new(deployed.channel("investigator").await);
    let bad = v1::SearchRequest { like_sighting_id: "not-a-uuid".into(), ..ask("k") };
    assert_eq!(search.search(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let bad = v1::SearchRequest { window: Some(window(TO, FROM)), ..ask("k") };
    assert_eq!(search.search(bad).await.unwrap_err().code(), Code::InvalidArgument);

    // Bytes that are no message at all.
    let channel = deployed.channel("investigator").await;
    let mut raw = tonic::client::Grpc::new(channel);
    raw.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<prost_types::Any, v1::GetCaseResponse>::default();
    let path = "/sightline.v1.CaseService/GetCase".parse().unwrap();
    let nonsense = prost_types::Any { type_url: "\u{1f980}".into(), value: vec![0xff; 64] };
    let answer = raw.unary(tonic::Request::new(nonsense), path, codec).await;
    assert!(matches!(answer.unwrap_err().code(), Code::InvalidArgument | Code::Internal | Code::NotFound));

    let refusals = refusals(&deployed).await;
    assert_eq!(count(&refusals, "search", "too_large"), 1, "{refusals:?}");
    assert_eq!(count(&refusals, "case.open", "too_large"), 1, "{refusals:?}");
    assert_eq!(count(&refusals, "case.get", "malformed"), 2, "{refusals:?}");
    assert_eq!(count(&refusals, "search", "malformed"), 2, "{refusals:?}");
    assert!(deployed.check().await.clean);
}
