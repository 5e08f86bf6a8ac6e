//! Whose certificate and whose signature counts is on the record before it does.

use std::{collections::BTreeSet, fs, time::Duration};

use access::{Action, AuditDetail, AuditEntry, Caller, Grant, Name, Phase, sign_grant, signing_key_from_pem};
use proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic::Code;

use crate::harness::{Deployed, add_identity, told};

/// Who was issued a certificate and which grant keys came and went, in order, with the entry's number.
async fn known(deployed: &Deployed) -> Vec<(u64, Action, AuditDetail)> {
    let mut known = Vec::new();
    for record in deployed.entries().await {
        let entry = AuditEntry::from_bytes(&record.entry).unwrap();
        let ours = matches!(entry.action, Action::IssueIdentity | Action::TrustGrantKey | Action::DropGrantKey);
        if ours && entry.phase == Phase::Begin {
            assert!(entry.caller.is_none() && entry.case.is_none());
            assert_eq!(entry.detail.key_sha256.as_ref().map(String::len), Some(64));
            known.push((record.seq, entry.action, entry.detail));
        }
    }
    known
}

async fn keys(deployed: &Deployed) -> Vec<(Action, String)> {
    let of = |(_, action, detail): (u64, Action, AuditDetail)| Some((action, detail.key_owner?));
    known(deployed).await.into_iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_init_issued_is_on_the_record_once() {
    let mut deployed = Deployed::start().await;
    let first = known(&deployed).await;
    let issued: BTreeSet<_> = first.iter().filter_map(|(_, _, d)| Some((d.identity.clone()?.uri(), d.serial.clone()?))).collect();
    let listed: BTreeSet<_> = deployed.home.issued().unwrap().into_iter().map(|i| (i.uri, i.serial)).collect();
    assert_eq!((issued, listed.len()), (listed.clone(), 5));
    let service = first.iter().find_map(|(_, _, d)| Some((d.service.clone()?, d.hosts.clone()))).unwrap();
    assert_eq!(service, (Name::new("server").unwrap(), ["127.0.0.1", "::1", "localhost"].map(str::to_owned).into()));
    assert_eq!(keys(&deployed).await, [(Action::TrustGrantKey, "oversight.authoriser".to_owned())]);
    deployed.stop().await;
    deployed.again().await;
    assert_eq!(known(&deployed).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_issued_elsewhere_is_on_the_record_before_its_first_call() {
    let deployed = Deployed::start().await;
    // On no list here, as where the authority is on another machine.
    add_identity(&deployed.home, "stranger", "sightline://far/operator/stranger");
    let channel = deployed.channel("stranger").await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let mut admin = AdminServiceClient::new(channel.clone());
            tokio::spawn(async move { admin.status(v1::StatusRequest {}).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let whom = Caller::from_uri("sightline://far/operator/stranger").unwrap();
    let found: Vec<_> = known(&deployed).await.into_iter().filter(|(_, _, d)| d.identity.as_ref() == Some(&whom)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let entries = deployed.entries().await;
    let called = entries.iter().find(|e| e.caller.as_ref().is_some_and(|c| c.name == "stranger")).unwrap();
    assert!(found[0].0 < called.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_issued_while_the_server_runs_is_on_the_record_though_nobody_used_it() {
    let deployed = Deployed::start().await;
    let whom = Caller::from_uri("sightline://transit/ingest/worker-1").unwrap();
    deployment::issue(&deployed.home, &whom, 1, None).unwrap();
    deployment::issue_to_service(&deployed.home, None, &Name::new("postgres").unwrap(), &["10.0.0.7".to_owned()], 1, None)
        .unwrap();
    loop {
        let known = known(&deployed).await;
        let worker = known.iter().any(|(_, _, d)| d.identity.as_ref() == Some(&whom));
        let service = known.iter().any(|(_, _, d)| d.service.as_ref().is_some_and(|s| s.as_str() == "postgres"));
        if worker && service {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_key_counts_from_the_entry_that_says_so_on_and_its_removal_is_one() {
    let mut deployed = Deployed::with_cameras().await;
    let (from, to) = ("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z");
    let case = deployed.open_case("k", "gate", from, to).await;
    let new =
        deployment::issue(&deployed.home, &Caller::from_uri("sightline://oversight/authoriser/nora").unwrap(), 1, None).unwrap();
    assert!(new.needs_restart);
    let private = fs::read_to_string(deployed.home.grant_key("nora")).unwrap();
    let sign = |case: &v1::Case| {
        sign_grant(&signing_key_from_pem(&private).unwrap(), &Grant::from_bytes(&case.grant).unwrap()).0.to_vec()
    };
    // It lies in the folder, and the record does not know it.
    let status = deployed.authorise_with("nora", &case, sign(&case)).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "bad_signature".into()));
    deployed.stop().await;
    deployed.again().await;
    let nora = || "oversight.nora".to_owned();
    assert_eq!(keys(&deployed).await[1..], [(Action::TrustGrantKey, nora())]);
    deployed.authorise_with("nora", &case, sign(&case)).await.unwrap();

    deployed.stop().await;
    fs::remove_file(deployed.home.grant_public_key("oversight", "nora")).unwrap();
    // Not called as a key is.
    fs::copy(deployed.home.grant_public_key("oversight", "authoriser"), deployed.home.pki().join("grant-keys/No Body.pem"))
        .unwrap();
    deployed.again().await;
    assert_eq!(keys(&deployed).await[1..], [(Action::TrustGrantKey, nora()), (Action::DropGrantKey, nora())]);
    let other = deployed.open_case("l", "gate", from, to).await;
    let status = deployed.authorise_with("nora", &other, sign(&other)).await.unwrap_err();
    assert_eq!(told(&status).1, "bad_signature");
}
