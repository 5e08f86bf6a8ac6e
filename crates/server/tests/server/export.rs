//! What leaves for good: permitted like a search, whole or none, and sealed so that no byte of it can be another.

use std::fs;

use access::{AuditEntry, Phase, log::Trust};
use audit_log::export::{self, Files, MANIFEST, REPORT, SEAL, check};
use deployment::{Home, log_key};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use proto::v1::{
    self, camera_service_client::CameraServiceClient, case_service_client::CaseServiceClient, export_request::Selection,
    export_response::Part, export_service_client::ExportServiceClient,
};
use tonic::{Code, Status, transport::Channel};
use types::SightingId;

use crate::{
    harness::{Deployed, told, window},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";
const TRIES: usize = 10_000;

/// `each` cars in `gate` and in `yard` of the agency `local`, one in `quay` of another.
async fn deployed(each: u64) -> (Deployed, Vec<SightingId>) {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, each).await).await;
    (deployed, ids)
}

/// A case over the agency `local`, not authorised yet.
async fn open(deployed: &Deployed, id: &str, emergency: &str) -> v1::Case {
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "Act <12> & \"more\"".into(),
        reason: "REASON of the case".into(),
        scope: Some(v1::Scope { agency_ids: vec!["local".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        emergency: emergency.into(),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.open_case(request).await.unwrap().into_inner().case.unwrap()
}

async fn case(deployed: &Deployed, id: &str) {
    let case = open(deployed, id, "").await;
    deployed.authorise("authoriser", &case).await.unwrap();
}

fn found(limit: u32) -> Selection {
    let description =
        v1::DescriptionQuery { class: v1::Class::Car.into(), vehicle_colour: v1::Colour::Red.into(), ..Default::default() };
    Selection::Search(v1::SearchRequest { description: Some(description), limit, ..Default::default() })
}

fn named(ids: &[SightingId]) -> Selection {
    Selection::Sightings(v1::SightingSelection { sighting_ids: ids.iter().map(ToString::to_string).collect() })
}

fn request(case: &str, selection: Selection) -> v1::ExportRequest {
    v1::ExportRequest { case_id: case.into(), selection: Some(selection) }
}

async fn export(deployed: &Deployed, who: &str, request: v1::ExportRequest) -> Result<(Files, v1::ExportSummary), Status> {
    export_over(deployed.channel(who).await, request, async || {}).await
}

/// Calls `meanwhile` once the first piece is here.
async fn export_over(
    channel: Channel,
    request: v1::ExportRequest,
    meanwhile: impl AsyncFnOnce(),
) -> Result<(Files, v1::ExportSummary), Status> {
    let mut parts = ExportServiceClient::new(channel).export(request).await?.into_inner();
    let (mut files, mut summary, mut meanwhile) = (Files::new(), None, Some(meanwhile));
    while let Some(part) = parts.message().await? {
        match part.part.unwrap() {
            Part::Chunk(chunk) => files.entry(chunk.path).or_default().extend(chunk.data),
            Part::Summary(s) => summary = Some(s),
        }
        if let Some(meanwhile) = meanwhile.take() {
            meanwhile().await;
        }
    }
    Ok((files, summary.unwrap()))
}

fn trust(deployed: &Deployed) -> Trust {
    Trust::of(log_key(&deployed.home).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_what_a_search_finds_with_its_receipts_and_is_checked_with_the_logs_key_alone() {
    let (mut deployed, ids) = deployed(2).await;
    case(&deployed, "k").await;
    let search = v1::SearchRequest {
        case_id: "k".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    };
    let (_, searched) = deployed.search("investigator", search).await.unwrap();
    let (files, summary) = export(&deployed, "investigator", request("k", found(3))).await.unwrap();
    let trust = trust(&deployed);
    let record = deployed.entries().await;
    deployed.stop().await;

    let checked = check(&files, &trust).unwrap();
    let m = &checked.manifest;
    assert_eq!((summary.sightings, summary.files as usize), (3, files.len()));
    assert_eq!((summary.completed_audit_seq, summary.manifest_sha256), (checked.entry, hex(&checked.manifest_sha256)));
    assert!(!summary.unauthorised && !m.exported.unauthorised && m.case.authorisations.len() == 1);
    for (number, s) in (1..).zip(&m.sightings) {
        assert!(s.number == number && ids[..4].contains(&s.sighting) && s.agency == "local", "{s:?}");
        assert!(s.score.unwrap() > 0.5 && s.matched[0].word == "red" && s.first.source == "given", "{s:?}");
        assert!(files[&s.crop].starts_with(&[0xff, 0xd8]), "a JPEG");
    }
    assert_eq!(
        (m.selection.by_hand, m.selection.exact, m.selection.words.join(", ").as_str()),
        (false, Some(true), "class car, vehicle colour red")
    );

    // The search before it, who opened and who authorised, and the export's own permission.
    let entries: Vec<_> = m.record.iter().map(|l| (l.action.as_str(), l.outcome.as_str())).collect();
    for entry in
        [("case.open", "done"), ("case.authorise", "done"), ("search", "permitted"), ("search", "done"), ("export", "permitted")]
    {
        assert!(entries.contains(&entry), "{entry:?}: {entries:?}");
    }
    assert!(m.record.iter().any(|l| l.entry == searched.audit_seq) && m.record.iter().any(|l| l.entry == summary.audit_seq));

    // On the record with its counts and the digest of its manifest, and charged like a search.
    let ended = record.iter().find(|r| r.seq == checked.entry).unwrap();
    let ended = AuditEntry::from_bytes(&ended.entry).unwrap();
    assert_eq!(ended.detail.results, Some(3));
    assert_eq!(ended.detail.export_sha256, Some(hex(&checked.manifest_sha256)));
    let begun = record.iter().find(|r| r.seq == summary.audit_seq).unwrap();
    let begun = AuditEntry::from_bytes(&begun.entry).unwrap();
    assert!(begun.phase == Phase::Begin && begun.charge.is_some() && begun.detail.cameras.len() == 2, "{begun:?}");

    // Another log's key is not believed, nor is the seal of another export of the same case.
    let other = Deployed::start().await;
    assert!(check(&files, &self::trust(&other)).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_it_is_and_runs_and_fetches_nothing() {
    let (deployed, ids) = deployed(1).await;
    case(&deployed, "k").await;
    let (files, _) = export(&deployed, "investigator", request("k", named(&ids[..2]))).await.unwrap();
    let report = String::from_utf8(files[REPORT].clone()).unwrap();
    for said in [
        "Possible sightings, case k",
        "Nobody is identified",
        "Act &lt;12&gt; &amp; &quot;more&quot;",
        "REASON of the case",
        "authoriser of oversight (authoriser)",
        "named one by one",
        "2026-03-01T08:30:00Z \u{b1}",
        "the start time that somebody gave for the footage",
        "How faces were erased",
        "What is not claimed",
        "sightline verify",
    ] {
        assert!(report.contains(said), "{said:?} is not in the report");
    }
    let lower = report.to_lowercase();
    for bad in
        ["<script", "javascript:", "onload", "http://", "https://", "<link", "<iframe", "@import", "url(", "not authorised"]
    {
        assert!(!lower.contains(bad), "{bad}");
    }
    // Every picture is in the page itself, and the page's own policy allows no other source.
    assert_eq!(report.matches("<img ").count(), report.matches("src=\"data:image/jpeg;base64,").count());
    assert_eq!(report.matches("<img ").count(), 2);
    assert!(report.contains("default-src 'none'; img-src data:"));
    let manifest = String::from_utf8(files[MANIFEST].clone()).unwrap();
    assert!(manifest.contains("\"by_hand\": true") && !manifest.contains("\"score\""), "a named sighting has no score");
}

/// Random, and the same on every run.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_an_export_is_noticed() {
    let (deployed, ids) = deployed(1).await;
    case(&deployed, "k").await;
    let (files, _) = export(&deployed, "investigator", request("k", found(50))).await.unwrap();
    let (again, _) = export(&deployed, "investigator", request("k", named(&ids[..1]))).await.unwrap();
    let trust = trust(&deployed);
    assert!(check(&files, &trust).is_ok() && check(&again, &trust).is_ok());
    let paths: Vec<&String> = files.keys().collect();

    // Each byte of the files that hold it together.
    for path in [SEAL, export::RECEIPT] {
        for at in 0..files[path].len() {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            assert!(check(&changed, &trust).is_err(), "byte {at} of {path}");
        }
    }
    let mut dice = Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let mut tried = 0;
    while tried < TRIES {
        let mut changed = files.clone();
        let path = paths[dice.below(paths.len())].clone();
        let what = dice.below(9);
        let bytes = changed.get_mut(&path).unwrap();
        match what {
            0..=2 => {
                let bit = dice.below(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            3 => bytes.truncate(dice.below(files[&path].len())),
            4 => bytes.push(dice.below(256) as u8),
            5 => drop(changed.remove(&path)),
            6 => {
                let bytes = changed.remove(&path).unwrap();
                changed.insert(format!("{path}{}", dice.below(10)), bytes);
            }
            7 => drop(changed.insert(format!("crops/{}.jpg", dice.below(1000)), vec![1])),
            // Another file's content, or the same file of another export.
            _ => {
                let other = paths[dice.below(paths.len())];
                let theirs = again.get(&path).filter(|_| dice.below(2) == 0).unwrap_or(&files[other]).clone();
                changed.insert(path.clone(), theirs);
            }
        }
        if changed == files {
            continue;
        }
        tried += 1;
        assert!(check(&changed, &trust).is_err(), "change {what} of {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_no_further_than_a_search_and_takes_from_the_same_budget() {
    let (deployed, ids) = deployed(1).await;
    case(&deployed, "k").await;
    open(&deployed, "waiting", "").await;
    let refused = async |who: &str, request| told(&export(&deployed, who, request).await.unwrap_err());
    for who in ["authoriser", "camera-owner", "operator", "auditor"] {
        assert_eq!(refused(who, request("k", found(5))).await, (Code::PermissionDenied, "role".into()), "{who}");
    }
    let denied = |word: &str| (Code::PermissionDenied, word.to_owned());
    assert_eq!(refused("investigator", request("", found(5))).await, denied("no_case"));
    assert_eq!(refused("investigator", request("none", found(5))).await, denied("no_case"));
    assert_eq!(refused("investigator", request("waiting", found(5))).await, denied("not_authorised"));
    // The other agency's, one among others, and one that is not there.
    let nowhere: SightingId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
    for these in [&[ids[2]][..], &[ids[0], ids[2]], &[nowhere]] {
        assert_eq!(refused("investigator", request("k", named(these))).await, denied("outside"));
    }
    for bad in [named(&[]), named(&[ids[0], ids[0]])] {
        assert_eq!(refused("investigator", request("k", bad)).await, (Code::InvalidArgument, "nothing_selected".into()));
    }
    let nothing = v1::ExportRequest { case_id: "k".into(), selection: None };
    assert_eq!(refused("investigator", nothing).await.0, Code::InvalidArgument);
    let other = Selection::Search(v1::SearchRequest { case_id: "waiting".into(), ..Default::default() });
    assert_eq!(refused("investigator", request("k", other)).await.0, Code::InvalidArgument);
    let record = deployed.record().await;
    for word in ["role", "no_case", "not_authorised", "outside", "malformed"] {
        assert!(record.contains(&("export".into(), word.into())), "{word}: {record:?}");
    }

    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let accesses = v1::ListCameraAccessesRequest { camera_id: "gate".into(), limit: 0, ..Default::default() };
    owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    let (files, summary) = export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    assert_eq!((summary.sightings, summary.left_out_camera_ids.as_slice()), (1, &["gate".to_owned()][..]));
    assert_eq!(check(&files, &trust(&deployed)).unwrap().manifest.sightings[0].camera.as_str(), "yard");
    assert_eq!(refused("investigator", request("k", named(&ids[..1]))).await, denied("outside"));
    owner.resume_camera(v1::ResumeCameraRequest { camera_id: "gate".into() }).await.unwrap();
    export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    let seen = owner.list_camera_accesses(accesses).await.unwrap().into_inner().accesses;
    assert!(seen.iter().any(|a| a.action == "export"), "the owner sees it: {seen:?}");

    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    assert_eq!(refused("investigator", request("k", found(5))).await, denied("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exports_budget_runs_out() {
    let (deployed, ids) = deployed(2).await;
    let request = v1::OpenCaseRequest {
        id: "small".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope { agency_ids: vec!["local".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        budget: Some(v1::Budget { queries: 10, results: 5 }),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let case = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
    deployed.authorise("authoriser", &case).await.unwrap();
    export(&deployed, "investigator", self::request("small", named(&ids[..3]))).await.unwrap();
    let refused = export(&deployed, "investigator", self::request("small", named(&ids[..3]))).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "budget".into()));
    export(&deployed, "investigator", self::request("small", named(&ids[..2]))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_paused_in_mid_export_leaves_it_without_a_seal() {
    let (deployed, _) = deployed(60).await;
    case(&deployed, "k").await;
    // A reader with a small window: most of it is still with the server when the owner decides.
    let channel = deployed.channel_of_window("investigator", 65_535).await;
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let pause = async || drop(owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap());
    let refused = export_over(channel, request("k", found(120)), pause).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "camera_paused".into()));
    let entries = deployed.entries().await;
    let ended = entries.iter().rev().find(|e| e.action == "export" && e.outcome == "failed").unwrap();
    let detail = AuditEntry::from_bytes(&ended.entry).unwrap().detail;
    assert!(detail.results.unwrap() < 120 && detail.export_sha256.is_none(), "{detail:?}");
    assert!(entries.iter().any(|e| e.action == "export" && e.outcome == "camera_paused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_an_emergency_says_on_every_part_that_nobody_authorised_it() {
    let (deployed, _) = deployed(1).await;
    let case = open(&deployed, "k", "it is freezing outside").await;
    let (files, summary) = export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    assert!(summary.unauthorised);
    let checked = check(&files, &trust(&deployed)).unwrap();
    let exported = &checked.manifest.exported;
    assert!(exported.unauthorised && exported.authorise_by.is_some());
    let report = String::from_utf8(files[REPORT].clone()).unwrap();
    assert!(report.contains("NOT AUTHORISED") && report.contains("must be destroyed") && report.contains("nobody yet"));

    deployed.authorise("authoriser", &case).await.unwrap();
    let (files, summary) = export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    let checked = check(&files, &trust(&deployed)).unwrap();
    assert!(!summary.unauthorised && !checked.manifest.exported.unauthorised);
    assert!(!String::from_utf8(files[REPORT].clone()).unwrap().contains("NOT AUTHORISED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_nothing_of_an_export_but_its_entries() {
    let (mut deployed, _) = deployed(1).await;
    case(&deployed, "k").await;
    let (files, _) = export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    deployed.stop().await;
    let random = check(&files, &trust(&deployed)).unwrap().manifest.random;
    let mut folders = vec![deployed.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            let kept = bytes.windows(random.len()).any(|w| w == random.as_bytes());
            assert!(!kept && !entry.file_name().to_string_lossy().contains("report"), "{}", entry.path().display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_column_of_the_record_leaves_no_search_out_of_an_export() {
    let (mut deployed, _) = deployed(2).await;
    case(&deployed, "k").await;
    let Selection::Search(search) = found(3) else { unreachable!() };
    let request_of_search = v1::SearchRequest { case_id: "k".into(), ..search };
    let (_, searched) = deployed.search("investigator", request_of_search).await.unwrap();
    let seq = searched.audit_seq;
    let edit =
        format!("DROP TRIGGER audit_is_never_changed; UPDATE audit SET case_id = NULL, action = 'status' WHERE seq = {seq}");
    crate::damaged::tamper(&deployed.home, &edit).await;
    for _ in 0..2 {
        let (files, _) = export(&deployed, "investigator", request("k", found(3))).await.unwrap();
        let checked = check(&files, &trust(&deployed)).unwrap();
        assert!(checked.manifest.record.iter().any(|l| l.entry == seq && l.action == "search"), "{:?}", checked.manifest.record);
        assert_eq!(crate::damaged::named(&deployed).await, [format!("entry {seq}")]);
        deployed.stop().await;
        deployed.again().await;
    }
}

/// What an entry that commits to a sighting of an export says.
fn seen_of(files: &Files, exhibit: &export::Exhibit) -> access::Seen {
    let path = &exhibit.committed.as_ref().unwrap().receipt;
    let receipt: access::log::Receipt = String::from_utf8(files[path].clone()).unwrap().parse().unwrap();
    AuditEntry::from_bytes(&receipt.extra.unwrap()).unwrap().detail.seen.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_possible_sighting_of_an_export_is_proved_to_be_what_was_stored() {
    let (deployed, _) = deployed(2).await;
    case(&deployed, "k").await;
    let (files, _) = export(&deployed, "investigator", request("k", found(5))).await.unwrap();
    let checked = check(&files, &trust(&deployed)).unwrap();
    assert_eq!(checked.proofs, Some(export::Proofs { stored: checked.manifest.sightings.len() as u32, found: 0 }));
    let [first, second, ..] = checked.manifest.sightings.as_slice() else { panic!("{:?}", checked.manifest.sightings) };
    let (seen, crop) = (seen_of(&files, first), &files[&first.crop]);
    first.check_committed(crop, &seen).unwrap();
    type Change = fn(&mut export::Exhibit);
    let changes: [(&str, Change); 22] = [
        ("id", |e| e.sighting = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap()),
        ("camera", |e| e.camera = types::CameraId::new("quay").unwrap()),
        ("agency", |e| e.agency = "other".into()),
        ("class", |e| e.class = "person".into()),
        ("time", |e| e.time = e.time.plus_micros(1)),
        ("first", |e| e.first.time = e.first.time.plus_micros(-1)),
        ("last", |e| e.last.time = e.last.time.plus_micros(1)),
        ("uncertainty", |e| e.first.uncertainty_s += 0.001),
        ("clock", |e| e.last.source = "received".into()),
        ("word", |e| e.description[0].word = "blue".into()),
        ("confidence", |e| e.description[0].confidence = 0.91),
        ("no word", |e| e.description.clear()),
        ("a word more", |e| {
            e.description.push(export::Word { part: "upper".into(), word: "red".into(), confidence: 0.5 });
        }),
        ("detections", |e| e.detections += 1),
        ("score", |e| e.detector_score = 0.95),
        ("footage", |e| e.footage_sha256 = None),
        ("box", |e| e.committed.as_mut().unwrap().bbox[2] += 1.0),
        ("frame", |e| e.committed.as_mut().unwrap().frame[0] += 1),
        ("vector", |e| e.committed.as_mut().unwrap().vector_sha256 = "00".repeat(32)),
        ("salt", |e| e.committed.as_mut().unwrap().salt = "00".repeat(16)),
        ("leaf", |e| e.committed.as_mut().unwrap().leaf += 1),
        ("proof", |e| drop(e.committed.as_mut().unwrap().proof.pop())),
    ];
    for (what, change) in changes {
        let mut changed = first.clone();
        change(&mut changed);
        assert_ne!(changed, *first, "{what}");
        assert!(changed.check_committed(crop, &seen).is_err(), "{what}");
    }
    // Another's crop: theirs are the same picture, so one bit is turned.
    let mut other = crop.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(first.check_committed(&other, &seen).is_err());
    let mut exchanged = first.clone();
    exchanged.committed.clone_from(&second.committed);
    assert!(exchanged.check_committed(crop, &seen).is_err(), "another's proof");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sighting_that_is_not_as_it_was_stored_is_not_exported_and_health_says_so() {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
    let (mut deployed, ids) = deployed(1).await;
    case(&deployed, "k").await;
    let health = async |deployed: &Deployed| {
        let mut health = HealthClient::new(deployed.channel("operator").await);
        let request = HealthCheckRequest { service: "sightline.Record".into() };
        health.check(request).await.unwrap().into_inner().status()
    };
    assert_eq!(health(&deployed).await, ServingStatus::Serving);
    let hex = |id: &SightingId| id.0.as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let moved = |by: i64| {
        let moved = ["first_us", "last_us", "best_us"].map(|c| format!("{c} = {c} + {by}")).join(", ");
        format!("UPDATE sighting SET {moved} WHERE id = x'{}'", hex(&ids[0]))
    };
    crate::damaged::tamper(&deployed.home, &moved(-60_000_000)).await;
    let refused = export(&deployed, "investigator", request("k", named(&ids[..2]))).await.unwrap_err();
    assert_eq!(told(&refused), (Code::FailedPrecondition, "not_as_stored".into()));
    assert!(refused.message().contains(&ids[0].to_string()), "{refused:?}");
    assert_eq!(health(&deployed).await, ServingStatus::NotServing);
    export(&deployed, "investigator", request("k", named(&ids[1..2]))).await.unwrap();
    let found = deployed.check().await;
    let changed: Vec<_> = found.findings.iter().filter(|f| f.kind() == v1::FindingKind::SightingChanged).collect();
    assert!(changed.len() == 1 && changed[0].subject == ids[0].to_string(), "{found:?}");

    crate::damaged::tamper(&deployed.home, &moved(60_000_000)).await;
    let found = deployed.check().await;
    assert!(found.clean && found.committed == found.sightings && found.uncommitted == 0, "{found:?}");
    assert_eq!(health(&deployed).await, ServingStatus::Serving);

    // Also where the leaves and the entry beside them are made to fit: the log has the entry as it was.
    let fit = "UPDATE sighting SET detections = detections + 1; DROP TRIGGER audit_is_never_changed;
               UPDATE audit SET entry = CAST(replace(CAST(entry AS TEXT), '\"count\":', '\"count\": ') AS BLOB)
               WHERE action = 'sightings.commit'";
    crate::damaged::tamper(&deployed.home, fit).await;
    let refused = export(&deployed, "investigator", request("k", named(&ids[..1]))).await.unwrap_err();
    assert_eq!(told(&refused), (Code::FailedPrecondition, "not_as_stored".into()));
    deployed.stop().await;
}
