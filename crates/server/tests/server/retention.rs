//! Sightings end, and that can be shown: in every file, in the record, and by what a crash in the middle leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use access::{AuditEntry, Deletion, IdDigest};
use catalogue::{Catalogue, CatalogueConfig};
use deployment::Home;
use proto::v1::{
    self, camera_service_client::CameraServiceClient, log_service_client::LogServiceClient,
    retention_service_client::RetentionServiceClient, search_service_client::SearchServiceClient,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use types::{CameraId, ReceiveTime, SightingId};

use crate::{
    harness::{Deployed, told},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";
const DAY: Duration = Duration::from_secs(86_400);

fn ask(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn found(deployed: &Deployed, case: &str) -> usize {
    deployed.search("investigator", ask(case)).await.unwrap().0.len()
}

async fn service(deployed: &Deployed, who: &str) -> RetentionServiceClient<Channel> {
    RetentionServiceClient::new(deployed.channel(who).await)
}

async fn sweep(deployed: &Deployed) {
    deployed.server.as_ref().unwrap().sweep_retention().await;
}

async fn keep_for(deployed: &Deployed, camera: &str, time: Duration) {
    let request =
        v1::SetCameraPolicyRequest { camera_id: camera.into(), retention: Some(proto::duration(time)), ..Default::default() };
    CameraServiceClient::new(deployed.channel("camera-owner").await).set_camera_policy(request).await.unwrap();
}

async fn deletions(deployed: &Deployed) -> Vec<v1::Deletion> {
    let mut service = service(deployed, "auditor").await;
    service.list_deletions(v1::ListDeletionsRequest::default()).await.unwrap().into_inner().deletions
}

async fn health(deployed: &Deployed) -> i32 {
    let mut health = HealthClient::new(deployed.channel("operator").await);
    health.check(HealthCheckRequest { service: "sightline.Retention".into() }).await.unwrap().into_inner().status
}

/// Two cars in `gate`, two in `yard`, one in `quay`, and a case on each of the first two.
async fn deployed() -> (Deployed, Vec<SightingId>) {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, 2).await).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.authorised_case("y", "yard", FROM, TO).await;
    (deployed, ids)
}

async fn catalogue(home: &Home) -> Catalogue {
    Catalogue::open(&CatalogueConfig::in_folder(&home.root().join("data"))).await.unwrap()
}

/// Every byte under a folder, but for empty pages, with the names of the files.
pub(crate) fn bytes_of(folder: &Path, into: &mut Vec<u8>) {
    for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        into.extend(path.to_str().unwrap().bytes());
        if path.is_dir() {
            bytes_of(&path, into);
        } else {
            let bytes = fs::read(&path).unwrap();
            bytes.chunks(4096).filter(|page| page.iter().any(|b| *b != 0)).for_each(|page| into.extend(page));
        }
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

fn traces(id: SightingId) -> Vec<Vec<u8>> {
    let bytes = id.0.as_bytes().to_vec();
    vec![bytes.iter().rev().copied().collect(), bytes, id.to_string().into_bytes()]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_to_its_end_is_in_no_file_any_more_and_the_record_says_so() {
    let (mut deployed, ids) = deployed().await;
    let data = deployed.home.root().join("data");
    let read = || {
        let mut bytes = Vec::new();
        bytes_of(&data, &mut bytes);
        bytes
    };
    assert!(traces(ids[0]).iter().any(|t| holds(&read(), t)));
    keep_for(&deployed, "gate", DAY).await;
    sweep(&deployed).await;
    assert_eq!((found(&deployed, "k").await, deletions(&deployed).await.len()), (2, 0), "not before its time");

    deployed.clock.set_ahead(3 * DAY);
    sweep(&deployed).await;
    assert_eq!((found(&deployed, "k").await, found(&deployed, "y").await), (0, 2));
    let now = read();
    for (n, id) in ids.iter().enumerate() {
        // gate, yard, gate, yard, quay.
        let there = traces(*id).iter().any(|t| holds(&now, t));
        assert_eq!(there, ![0, 2].contains(&n), "sighting {n}");
    }
    assert!(deployed.check().await.clean);
    assert_eq!(deployed.server.as_ref().unwrap().retention().deleted, 2);

    let listed = deletions(&deployed).await;
    assert_eq!(listed.len(), 1);
    let d = &listed[0];
    assert_eq!((d.day.as_str(), d.whole, d.sightings, d.shares[0].camera_id.as_str()), ("2026-03-01", false, 2, "gate"));
    let probe = d.probe.unwrap();
    assert_eq!((probe.ids, probe.vectors, probe.found), (2, 2, 0));
    // In the order of their storing, which was one transaction: by id.
    let mut digest = IdDigest::default();
    let mut gone = [ids[0], ids[2]];
    gone.sort_unstable();
    gone.iter().for_each(|id| digest.add(*id));
    assert_eq!(d.ids_sha256, digest.to_string());
    // An auditor checks it with the log's key alone.
    let mut log = LogServiceClient::new(deployed.channel("auditor").await);
    let receipt = log.get_receipt(v1::GetReceiptRequest { audit_seq: d.audit_seq }).await.unwrap().into_inner().receipt;
    let receipt: access::log::Receipt = receipt.parse().unwrap();
    let entry = AuditEntry::from_bytes(receipt.extra.as_ref().unwrap()).unwrap();
    let signed: Deletion = entry.detail.deletion.unwrap();
    assert_eq!((signed.ids, signed.sightings(), signed.probe.unwrap().found), (digest, 2, 0));

    // Longer from now on brings nothing back.
    keep_for(&deployed, "gate", 300 * DAY).await;
    sweep(&deployed).await;
    assert_eq!(found(&deployed, "k").await, 0);
    // The rest goes as a whole, and a server that starts again has nothing to do.
    deployed.clock.set_ahead(40 * DAY);
    deployed.stop().await;
    deployed.again().await;
    sweep(&deployed).await;
    let listed = deletions(&deployed).await;
    assert_eq!((listed.len(), listed[0].whole, listed[0].sightings), (2, true, 3));
    let now = read();
    assert!(ids.iter().all(|id| traces(*id).iter().all(|t| !holds(&now, t))));
    assert!(!holds(&now, b"index/2026-03-01") && !data.join("crops/2026-03-01").exists());
    assert!(deployed.check().await.clean);
    let record = deployed.record().await;
    let times = |outcome: &str| record.iter().filter(|e| e.0 == "retention.delete" && e.1 == outcome).count();
    assert_eq!((times("permitted"), times("done"), times("failed")), (2, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_cut_off_is_gone_on_with_and_nothing_of_it_is_seen_meanwhile() {
    for crops_too in [false, true] {
        let (mut deployed, ids) = deployed().await;
        deployed.stop().await;
        // As a process leaves it that is killed after the rows, or after the crops.
        let catalogue = catalogue(&deployed.home).await;
        let gate = CameraId::new("gate").unwrap();
        let at = ReceiveTime::now();
        let deletion = Deletion {
            day: "2026-03-01".parse().unwrap(),
            whole: false,
            stored_before: [(gate.clone(), at)].into(),
            cameras: Default::default(),
            held: 0,
            ids: IdDigest::default(),
            probe: None,
        };
        let mut run = catalogue.begin_deletion(&deletion, at).await.unwrap();
        let leave = seen::leave(&catalogue).await;
        assert_eq!(catalogue.delete_due(&mut run, &[], at, &leave).await.unwrap().len(), 2);
        if crops_too {
            catalogue.delete_crops(deletion.day).await.unwrap();
        }
        catalogue.close().await;

        deployed.again().await;
        assert_eq!((found(&deployed, "k").await, found(&deployed, "y").await), (0, 2));
        sweep(&deployed).await;
        let listed = deletions(&deployed).await;
        assert_eq!((listed.len(), listed[0].sightings), (1, 2));
        assert!(listed[0].audit_seq > 0 && listed[0].probe.unwrap().found == 0);
        let mut bytes = Vec::new();
        bytes_of(&deployed.home.root().join("data"), &mut bytes);
        assert!(traces(ids[0]).iter().all(|t| !holds(&bytes, t)));
        assert!(deployed.check().await.clean);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_for_too_long_fails_the_health_check_and_is_seen() {
    let (deployed, _) = deployed().await;
    assert_eq!(health(&deployed).await, 1);
    keep_for(&deployed, "gate", DAY).await;
    // Where the index would write the day anew there is a folder in the way.
    let index = deployed.home.root().join("data/index");
    let model = fs::read_dir(&index).unwrap().next().unwrap().unwrap().path();
    let obstacle = model.join("2026-03-01.2.bucket");
    fs::create_dir(&obstacle).unwrap();
    deployed.clock.set_ahead(3 * DAY);
    sweep(&deployed).await;
    assert_eq!(health(&deployed).await, 1, "late, but not too late");
    assert_eq!((found(&deployed, "k").await, found(&deployed, "y").await), (0, 2), "gone from every answer");

    deployed.clock.set_ahead(5 * DAY);
    sweep(&deployed).await;
    assert_eq!(health(&deployed).await, 2);
    assert_eq!(deployed.server.as_ref().unwrap().retention().overdue, 1);
    let mut retention = service(&deployed, "auditor").await;
    let status = retention.retention_status(v1::RetentionStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.overdue, 1);
    assert!(deployed.record().await.contains(&("retention.delete".into(), "failed".into())));

    fs::remove_dir(obstacle).unwrap();
    let ran = service(&deployed, "operator").await.run_retention(v1::RunRetentionRequest::default()).await.unwrap().into_inner();
    assert_eq!((ran.sightings, ran.overdue, health(&deployed).await), (2, 0, 1));
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_two_people_keeps_sightings_for_its_case_alone_until_two_people_release_it() {
    let (deployed, ids) = deployed().await;
    deployed.authorised_case("other", "gate", FROM, TO).await;
    keep_for(&deployed, "gate", DAY).await;
    let expires = Some(proto::timestamp(types::CaptureTime::now().plus_micros(10 * 86_400_000_000)));
    let place = v1::PlaceHoldRequest {
        id: "h".into(),
        case_id: "k".into(),
        expires,
        reason: "a court asked".into(),
        ..Default::default()
    };
    for (who, word) in [("investigator", "role"), ("operator", "role")] {
        let status = service(&deployed, who).await.place_hold(place.clone()).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, word.into()));
    }
    let beyond = v1::PlaceHoldRequest { camera_ids: vec!["yard".into()], ..place.clone() };
    let status = service(&deployed, "authoriser").await.place_hold(beyond).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "camera".into()));
    let hold = service(&deployed, "authoriser").await.place_hold(place).await.unwrap().into_inner().hold.unwrap();
    assert_eq!((hold.state(), hold.holds), (v1::HoldState::Asked, false));
    let confirm = v1::ConfirmHoldRequest { hold_id: "h".into() };
    for (who, word) in [("authoriser", "same_person"), ("auditor", "same_organisation"), ("investigator", "role")] {
        let status = service(&deployed, who).await.confirm_hold(confirm.clone()).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, word.into()));
    }
    let hold = service(&deployed, "camera-owner").await.confirm_hold(confirm).await.unwrap().into_inner().hold.unwrap();
    assert!(hold.holds);

    deployed.clock.set_ahead(3 * DAY);
    sweep(&deployed).await;
    assert_eq!((found(&deployed, "k").await, found(&deployed, "other").await), (2, 0));
    let crop = async |case: &str| {
        let request = v1::GetCropRequest { case_id: case.into(), sighting_id: ids[0].to_string() };
        let mut search = SearchServiceClient::new(deployed.channel("investigator").await);
        search.get_crop(request).await.map(drop).map_err(|s| told(&s))
    };
    crop("k").await.unwrap();
    assert_eq!(crop("other").await.unwrap_err(), (Code::PermissionDenied, "outside".into()));
    let like = v1::SearchRequest { like_sighting_id: ids[0].to_string(), ..ask("other") };
    assert_eq!(told(&deployed.search("investigator", like).await.unwrap_err()).1, "outside");
    // Nor is it taken out under another case.
    let export = async |case: &str| {
        let selection = v1::SightingSelection { sighting_ids: vec![ids[0].to_string()] };
        let selection = Some(v1::export_request::Selection::Sightings(selection));
        let mut exports = v1::export_service_client::ExportServiceClient::new(deployed.channel("investigator").await);
        let request = v1::ExportRequest { case_id: case.into(), selection };
        exports.export(request).await.map(drop).map_err(|s| told(&s))
    };
    export("k").await.unwrap();
    assert_eq!(export("other").await.unwrap_err(), (Code::PermissionDenied, "outside".into()));
    assert_eq!(deletions(&deployed).await[0].held, 2);
    let noted = async || deployed.record().await.iter().filter(|e| e.0 == "retention.delete").count();
    let before = noted().await;
    sweep(&deployed).await;
    assert_eq!(noted().await, before, "a sweep with nothing to do is no entry");

    let release = v1::ReleaseHoldRequest { hold_id: "h".into(), reason: "the court is done".into() };
    let hold = service(&deployed, "authoriser").await.release_hold(release.clone()).await.unwrap().into_inner().hold.unwrap();
    assert!(hold.holds, "one person does not release it");
    sweep(&deployed).await;
    assert_eq!(found(&deployed, "k").await, 2);
    let status = service(&deployed, "auditor").await.release_hold(release.clone()).await.unwrap_err();
    assert_eq!(told(&status).1, "same_organisation");
    service(&deployed, "camera-owner").await.release_hold(release).await.unwrap();
    sweep(&deployed).await;
    assert_eq!(found(&deployed, "k").await, 0);
    assert_eq!(deletions(&deployed).await[0].sightings, 2);
    assert!(deployed.check().await.clean);
    let record = deployed.record().await;
    for entry in [
        ("hold.place", "role"),
        ("hold.place", "camera"),
        ("hold.place", "done"),
        ("hold.confirm", "same_person"),
        ("hold.confirm", "same_organisation"),
        ("hold.confirm", "done"),
        ("hold.release", "same_organisation"),
        ("hold.release", "done"),
    ] {
        assert!(record.contains(&(entry.0.into(), entry.1.into())), "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_leapt_deletes_nothing_until_somebody_says_that_it_is_right() {
    let deployed = Deployed::configured("[retention]\nclock_leap_days = 7\n", async |home: &Home| {
        seen::cars(home, 2).await;
    })
    .await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    keep_for(&deployed, "gate", DAY).await;
    sweep(&deployed).await;
    deployed.clock.set_wrong(40 * 86_400);
    sweep(&deployed).await;
    assert_eq!(health(&deployed).await, 2, "somebody has to look at it");
    assert!(deletions(&deployed).await.is_empty());
    let status = async || {
        let mut retention = service(&deployed, "auditor").await;
        retention.retention_status(v1::RetentionStatusRequest {}).await.unwrap().into_inner()
    };
    // Within an hour: it is held against the time that really went by.
    assert_eq!((status().await.clock_ahead.unwrap().seconds + 3_600) / 86_400, 40);
    let mut operator = service(&deployed, "operator").await;
    let refused = operator.run_retention(v1::RunRetentionRequest::default()).await.unwrap_err();
    assert_eq!(told(&refused), (Code::FailedPrecondition, "clock_leapt".into()));

    // Mended: nothing has come of it, and what is stored meanwhile gets no older.
    deployed.clock.set_wrong(0);
    sweep(&deployed).await;
    assert_eq!((health(&deployed).await, status().await.clock_ahead), (1, None));
    assert_eq!(found(&deployed, "k").await, 2);

    // It is right: forty days went by.
    deployed.clock.set_ahead(40 * DAY);
    let ran = operator.run_retention(v1::RunRetentionRequest { clock_is_right: true }).await.unwrap().into_inner();
    assert_eq!((ran.sightings, ran.overdue, health(&deployed).await), (5, 0, 1));
    let entries = deployed.entries().await;
    let said = |e: &v1::AuditRecord| AuditEntry::from_bytes(&e.entry).unwrap().detail.clock_is_right;
    assert!(entries.iter().any(|e| e.action == "retention.run" && said(e)));
    // And back again, by somebody's word alone.
    deployed.clock.set_ahead(Duration::ZERO);
    assert!(status().await.clock_behind.is_some());
    operator.run_retention(v1::RunRetentionRequest { clock_is_right: true }).await.unwrap();
    assert_eq!(status().await.clock_behind, None);
}

/// Wherever the disk is full: the rows, the crops, the index written anew, the database written anew, the record of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_a_full_disk_cuts_off_shows_nothing_by_halves_and_is_gone_on_with() {
    let mut mounted = None;
    let mut ids = Vec::new();
    let prepare = async |home: &Home| {
        let data = home.root().join("data");
        fs::create_dir_all(&data).unwrap();
        if Command::new("mount").args(["-t", "tmpfs", "-o", "size=1g", "tmpfs"]).arg(&data).status().is_ok_and(|s| s.success()) {
            mounted = Some(Unmount(data));
            ids = seen::cars(home, 2).await;
        }
    };
    let mut deployed = Deployed::configured("", prepare).await;
    let Some(Unmount(data)) = &mounted else {
        eprintln!("SKIPPED: a_deletion_that_a_full_disk_cuts_off: can't mount a tmpfs (needs root)");
        return;
    };
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.authorised_case("y", "yard", FROM, TO).await;
    keep_for(&deployed, "gate", DAY).await;
    deployed.clock.set_ahead(3 * DAY);
    let filler = data.join("filler");
    let mut cut_off = 0;
    for free in [0, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 32 << 20, 90 << 20] {
        fill(data, &filler, free);
        sweep(&deployed).await;
        cut_off += u32::from(deployed.server.as_ref().unwrap().retention().deleted == 0);
        // Where no entry can be written, nothing is answered.
        if let Ok((hits, _)) = deployed.search("investigator", ask("k")).await {
            assert!([0, 2].contains(&hits.len()), "{} of it with {free} bytes free", hits.len());
        }
        if let Ok((hits, _)) = deployed.search("investigator", ask("y")).await {
            assert_eq!(hits.len(), 2, "with {free} bytes free");
        }
    }
    assert!(cut_off > 1, "the disk was never in the way");
    fs::remove_file(&filler).unwrap();
    deployed.stop().await;
    deployed.again().await;
    sweep(&deployed).await;
    assert_eq!((found(&deployed, "k").await, found(&deployed, "y").await, health(&deployed).await), (0, 2, 1));
    let mut bytes = Vec::new();
    bytes_of(data, &mut bytes);
    assert!([ids[0], ids[2]].iter().all(|id| traces(*id).iter().all(|t| !holds(&bytes, t))));
    assert!(traces(ids[1]).iter().any(|t| holds(&bytes, t)));
    let listed = deletions(&deployed).await;
    assert_eq!(listed.iter().map(|d| d.sightings).sum::<u64>(), 2);
    assert!(listed.iter().all(|d| d.audit_seq > 0 && d.probe.is_some_and(|p| p.found == 0)));
    assert!(deployed.check().await.clean);
    deployed.stop().await;
}

/// Leaves so many bytes free. The server may write something between the look and the file: then once more.
fn fill(disk: &std::path::Path, filler: &std::path::Path, free: u64) {
    for _ in 0..50 {
        let _ = fs::remove_file(filler);
        let there = rustix::fs::statvfs(disk).unwrap();
        let size = (there.f_bavail * there.f_frsize).saturating_sub(free);
        if Command::new("fallocate").arg("-l").arg(size.to_string()).arg(filler).status().unwrap().success() {
            return;
        }
    }
    panic!("the disk can't be filled");
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// The words of a case that was refused, and the salts with which somebody could show that they were written.
#[tokio::test(flavor = "multi_thread")]
async fn the_sealed_words_of_a_case_that_was_refused_are_in_no_file_any_more() {
    let (deployed, _) = deployed().await;
    let request = v1::OpenCaseRequest {
        id: "asked".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "a statute".into(),
        reason: "a reason".into(),
        emergency: "it is cold".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(crate::harness::window(FROM, TO)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut cases = v1::case_service_client::CaseServiceClient::new(deployed.channel("investigator").await);
    cases.open_case(request).await.unwrap();
    assert_eq!(found(&deployed, "asked").await, 2);
    let beside = catalogue(&deployed.home).await;
    let entries = deployed.entries().await;
    let of_case: Vec<u64> = entries.iter().filter(|e| e.case_id == "asked").map(|e| e.seq).collect();
    let mut salts = Vec::new();
    for seq in &of_case {
        salts.extend(beside.sealed(*seq).await.unwrap().into_iter().map(|s| s.salt));
    }
    assert!(salts.len() >= 3, "{} are sealed", salts.len());
    beside.close().await;
    let read = || {
        let mut bytes = Vec::new();
        bytes_of(&deployed.home.root().join("data"), &mut bytes);
        bytes
    };
    let before = read();
    assert!(salts.iter().all(|salt| holds(&before, salt)));

    let mut cases = v1::case_service_client::CaseServiceClient::new(deployed.channel("authoriser").await);
    cases.refuse_case(v1::RefuseCaseRequest { case_id: "asked".into(), reason: "no ground".into() }).await.unwrap();
    let after = read();
    assert!(salts.iter().all(|salt| !holds(&after, salt)));
    let beside = catalogue(&deployed.home).await;
    for seq in of_case {
        assert!(beside.sealed(seq).await.unwrap().is_empty());
    }
    beside.close().await;
    assert!(deployed.check().await.clean, "the record is whole without them");
}

/// An older copy of the index is not told any more of what was deleted since: it is made again.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_index_brings_nothing_back() {
    let (mut deployed, ids) = deployed().await;
    deployed.stop().await;
    let (index, aside) = (deployed.home.root().join("data/index"), deployed.home.root().join("older"));
    crate::log::copy_folder(&index, &aside);
    deployed.again().await;
    keep_for(&deployed, "gate", DAY).await;
    deployed.clock.set_ahead(3 * DAY);
    sweep(&deployed).await;
    deployed.stop().await;
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&aside, &index).unwrap();
    deployed.again().await;
    assert_eq!((found(&deployed, "k").await, found(&deployed, "y").await), (0, 2));
    let mut bytes = Vec::new();
    bytes_of(&index, &mut bytes);
    assert!(traces(ids[0]).iter().all(|t| !holds(&bytes, t)));
    assert!(deployed.check().await.clean);
}
