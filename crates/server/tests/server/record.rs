//! Every call there is, held against the record.

use access::{AuditEntry, Outcome, Phase};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient, export_service_client::ExportServiceClient,
    footage_service_client::FootageServiceClient, ingest_service_client::IngestServiceClient,
    live_service_client::LiveServiceClient, log_service_client::LogServiceClient, recorder_service_client::RecorderServiceClient,
    retention_service_client::RetentionServiceClient, search_service_client::SearchServiceClient,
};

use crate::harness::{Deployed, add_identity, clip, time, window};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

/// `Service/Method` of everything in our own package. Health and reflection are other packages' and tell nothing.
fn rpcs() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = descriptors.file.iter().filter(|f| f.package() == "sightline.v1");
    let of = |s: &prost_types::ServiceDescriptorProto| {
        s.method.iter().map(|m| format!("{}/{}", s.name(), m.name())).collect::<Vec<_>>()
    };
    ours.flat_map(|f| f.service.iter().flat_map(of)).collect()
}

/// Calls it, somehow, as somebody who may, and says under which action it must be on the record. What the call answers is for
/// other tests.
async fn call(deployed: &Deployed, rpc: &str) -> &'static str {
    let admin = async |who| AdminServiceClient::new(deployed.channel(who).await);
    let cameras = async || CameraServiceClient::new(deployed.channel("operator").await);
    let owner = async || CameraServiceClient::new(deployed.channel("camera-owner").await);
    let cases = async |who| CaseServiceClient::new(deployed.channel(who).await);
    let footage = async || FootageServiceClient::new(deployed.channel("operator").await);
    let retention = async |who| RetentionServiceClient::new(deployed.channel(who).await);
    let live = async || LiveServiceClient::new(deployed.channel("operator").await);
    let recorders = async || RecorderServiceClient::new(deployed.channel("operator").await);
    let job_id = "no-such-job".to_owned();
    match rpc {
        "AdminService/Status" => drop(admin("operator").await.status(v1::StatusRequest {}).await.unwrap()),
        "AdminService/Check" => drop(admin("operator").await.check(v1::CheckRequest { repair: false }).await.unwrap()),
        "AdminService/RebuildIndex" => {
            admin("operator").await.rebuild_index(v1::RebuildIndexRequest {}).await.unwrap();
        }
        "AdminService/ListAudit" => drop(admin("auditor").await.list_audit(v1::ListAuditRequest::default()).await.unwrap()),
        "CameraService/AddAgency" => {
            let request = v1::AddAgencyRequest { id: "more".into(), title: "More".into() };
            cameras().await.add_agency(request).await.unwrap();
        }
        "CameraService/ListAgencies" => drop(cameras().await.list_agencies(v1::ListAgenciesRequest {}).await.unwrap()),
        "CameraService/AddCamera" => {
            let request = v1::AddCameraRequest { id: "quay".into(), agency_id: "local".into(), ..Default::default() };
            cameras().await.add_camera(request).await.unwrap();
        }
        "CameraService/ImportCameras" => {
            let row = v1::CameraRow { id: "pier".into(), agency_id: "local".into(), ..Default::default() };
            cameras().await.import_cameras(v1::ImportCamerasRequest { cameras: vec![row], dry_run: false }).await.unwrap();
        }
        "CameraService/ExportCameras" => drop(cameras().await.export_cameras(v1::ExportCamerasRequest::default()).await.unwrap()),
        "CameraService/ListCameras" => drop(cameras().await.list_cameras(v1::ListCamerasRequest::default()).await.unwrap()),
        "CaseService/OpenCase" => drop(deployed.open_case("opened", "gate", FROM, TO).await),
        "CaseService/AuthoriseCase" => {
            let case = deployed.open_case("authorised", "gate", FROM, TO).await;
            deployed.authorise("authoriser", &case).await.unwrap();
        }
        "CaseService/PreviewCase" => {
            deployed.open_case("waiting", "gate", FROM, TO).await;
            let request = v1::PreviewCaseRequest { case_id: "waiting".into() };
            cases("authoriser").await.preview_case(request).await.unwrap();
        }
        "CaseService/GetCase" => {
            cases("auditor").await.get_case(v1::GetCaseRequest { case_id: "k".into() }).await.unwrap();
        }
        "CaseService/ListCases" => drop(cases("auditor").await.list_cases(v1::ListCasesRequest::default()).await.unwrap()),
        "CaseService/WatchCases" => {
            // One that ends by itself: there is no such event.
            let request = v1::WatchCasesRequest { after: 1_000_000 };
            drop(cases("authoriser").await.watch_cases(request).await.err().unwrap());
        }
        "CaseService/CloseCase" => {
            deployed.open_case("closed", "gate", FROM, TO).await;
            let request = v1::CloseCaseRequest { case_id: "closed".into(), reason: "done".into() };
            cases("investigator").await.close_case(request).await.unwrap();
        }
        "CaseService/RefuseCase" => {
            deployed.open_case("refused", "gate", FROM, TO).await;
            let request = v1::RefuseCaseRequest { case_id: "refused".into(), reason: "no".into() };
            cases("authoriser").await.refuse_case(request).await.unwrap();
        }
        "CaseService/SetMarks" => {
            let change = v1::MarkChange { sighting_id: uuid::Uuid::nil().to_string(), in_tray: Some(true), ..Default::default() };
            let request = v1::SetMarksRequest { case_id: "k".into(), changes: vec![change] };
            cases("investigator").await.set_marks(request).await.unwrap_err();
        }
        "CaseService/ListCaseCalls" => {
            let request = v1::ListCaseCallsRequest { case_id: "k".into(), ..Default::default() };
            cases("investigator").await.list_case_calls(request).await.unwrap();
        }
        "CaseService/ListMarks" => {
            let request = v1::ListMarksRequest { case_id: "k".into(), ..Default::default() };
            cases("investigator").await.list_marks(request).await.unwrap();
        }
        "CameraService/SetCameraPolicy" => {
            let request = v1::SetCameraPolicyRequest { camera_id: "yard".into(), all_hours: true, ..Default::default() };
            owner().await.set_camera_policy(request).await.unwrap();
        }
        "CameraService/PreviewCameraPolicy" => {
            let revoke = v1::RevokeCameraRequest { camera_id: "yard".into() };
            let change = Some(v1::preview_camera_policy_request::Change::Revoke(revoke));
            owner().await.preview_camera_policy(v1::PreviewCameraPolicyRequest { change }).await.unwrap();
        }
        "CameraService/PauseCamera" => {
            owner().await.pause_camera(v1::PauseCameraRequest { camera_id: "yard".into() }).await.unwrap();
        }
        "CameraService/ResumeCamera" => {
            owner().await.resume_camera(v1::ResumeCameraRequest { camera_id: "yard".into() }).await.unwrap();
        }
        "CameraService/RevokeCamera" => {
            owner().await.revoke_camera(v1::RevokeCameraRequest { camera_id: "yard".into() }).await.unwrap();
        }
        "CameraService/ListCameraAccesses" => {
            let request = v1::ListCameraAccessesRequest { camera_id: "gate".into(), limit: 0, ..Default::default() };
            owner().await.list_camera_accesses(request).await.unwrap();
        }
        "AdminService/RevokeCertificate" => {
            let nobody = access::Caller::from_uri("sightline://local/auditor/nobody").unwrap();
            let issued = deployment::issue(&deployed.home, &nobody, 1, None).unwrap().issued;
            let request = v1::RevokeCertificateRequest { serial: issued.serial, uri: issued.uri };
            admin("operator").await.revoke_certificate(request).await.unwrap();
        }
        "AdminService/ListRevocations" => {
            admin("auditor").await.list_revocations(v1::ListRevocationsRequest {}).await.unwrap();
        }
        "SearchService/Search" => {
            let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
            let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
            deployed.search("investigator", request).await.unwrap();
        }
        "SearchService/KeepLooking" => {
            let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
            let search = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
            let lasts = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
            let request = v1::KeepLookingRequest { search: Some(search), lasts, ..Default::default() };
            let mut client = SearchServiceClient::new(deployed.channel("investigator").await);
            let mut parts = client.keep_looking(request).await.unwrap().into_inner();
            while parts.message().await.unwrap().is_some() {}
        }
        "SearchService/GetCrop" => match stored(deployed).await {
            Some(sighting_id) => {
                let mut search = SearchServiceClient::new(deployed.channel("investigator").await);
                search.get_crop(v1::GetCropRequest { case_id: "k".into(), sighting_id }).await.unwrap();
            }
            // Without footage there is nothing to look at.
            None => return "",
        },
        "ExportService/Export" => {
            let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
            let search = v1::SearchRequest { description: Some(description), ..Default::default() };
            let selection = Some(v1::export_request::Selection::Search(search));
            let mut export = ExportServiceClient::new(deployed.channel("investigator").await);
            let request = v1::ExportRequest { case_id: "k".into(), selection };
            let mut parts = export.export(request).await.unwrap().into_inner();
            while parts.message().await.unwrap().is_some() {}
        }
        "FootageService/AddFootage" => {
            deployed.add(std::path::Path::new("/nowhere/a.mp4"), "gate", FROM).await.unwrap_err();
        }
        "RecorderService/AddRecorder" => {
            let request = v1::AddRecorderRequest {
                id: "nvr-1".into(),
                agency_id: "local".into(),
                title: "TITLEWORD".into(),
                host: "127.0.0.1:1".into(),
                password: "SECRETWORD".into(),
                ..Default::default()
            };
            recorders().await.add_recorder(request).await.unwrap_err();
        }
        "RecorderService/ListRecorders" => {
            recorders().await.list_recorders(v1::ListRecordersRequest {}).await.unwrap();
        }
        "RecorderService/ListRecordings" => {
            let request = v1::ListRecordingsRequest { recorder_id: "nvr-1".into(), ..Default::default() };
            recorders().await.list_recordings(request).await.unwrap_err();
        }
        "RecorderService/MapRecording" => {
            let request =
                v1::MapRecordingRequest { recorder_id: "nvr-1".into(), recording: "a".into(), camera_id: "gate".into() };
            recorders().await.map_recording(request).await.unwrap_err();
        }
        "RecorderService/RemoveRecorder" => {
            let request = v1::RemoveRecorderRequest { recorder_id: "nvr-1".into() };
            recorders().await.remove_recorder(request).await.unwrap_err();
        }
        "RecorderService/AddRecordings" => {
            let request = v1::AddRecordingsRequest { recorder_id: "nvr-1".into(), ..Default::default() };
            recorders().await.add_recordings(request).await.unwrap_err();
        }
        "FootageService/GetJob" => drop(footage().await.get_job(v1::GetJobRequest { job_id }).await.unwrap_err()),
        "FootageService/ListJobs" => drop(footage().await.list_jobs(v1::ListJobsRequest::default()).await.unwrap()),
        "FootageService/WatchJob" => match job(deployed).await {
            Some(job) => drop(deployed.wait(&job).await),
            None => drop(footage().await.watch_job(v1::WatchJobRequest { job_id }).await.unwrap_err()),
        },
        "FootageService/CancelJob" => drop(footage().await.cancel_job(v1::CancelJobRequest { job_id }).await.unwrap_err()),
        "AdminService/StartReindex" => {
            let request = v1::StartReindexRequest { embedder: "no-such-model".into(), ..Default::default() };
            admin("operator").await.start_reindex(request).await.unwrap_err();
        }
        "AdminService/GetReindex" => drop(admin("operator").await.get_reindex(v1::GetReindexRequest {}).await.unwrap()),
        "AdminService/SwitchReindex" => {
            admin("operator").await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap_err();
        }
        "AdminService/RollBackReindex" => {
            admin("operator").await.roll_back_reindex(v1::RollBackReindexRequest {}).await.unwrap_err();
        }
        "AdminService/DropReindex" => drop(admin("operator").await.drop_reindex(v1::DropReindexRequest {}).await.unwrap_err()),
        "FootageService/RetryJob" => drop(footage().await.retry_job(v1::RetryJobRequest { job_id }).await.unwrap_err()),
        "FootageService/RemoveFootage" => {
            footage().await.remove_footage(v1::RemoveFootageRequest { job_id }).await.unwrap_err();
        }
        "LiveService/SetCameraSource" => {
            let request = v1::SetCameraSourceRequest { camera_id: "yard".into(), url: String::new(), ..Default::default() };
            live().await.set_camera_source(request).await.unwrap();
        }
        "LiveService/CameraStatus" => drop(live().await.camera_status(v1::CameraStatusRequest::default()).await.unwrap()),
        "LogService/GetReceipt" => {
            let mut log = LogServiceClient::new(deployed.channel("auditor").await);
            log.get_receipt(v1::GetReceiptRequest { audit_seq: 1 }).await.unwrap();
        }
        "RetentionService/RetentionStatus" => {
            retention("auditor").await.retention_status(v1::RetentionStatusRequest {}).await.unwrap();
        }
        "RetentionService/ListDeletions" => {
            retention("auditor").await.list_deletions(v1::ListDeletionsRequest::default()).await.unwrap();
        }
        "RetentionService/RunRetention" => {
            retention("operator").await.run_retention(v1::RunRetentionRequest::default()).await.unwrap();
        }
        "RetentionService/PlaceHold" => {
            let expires = Some(proto::timestamp(types::CaptureTime::now().plus_micros(3_600_000_000)));
            let request = v1::PlaceHoldRequest { id: "h".into(), case_id: "k".into(), expires, ..Default::default() };
            retention("authoriser").await.place_hold(request).await.unwrap();
        }
        "RetentionService/ConfirmHold" => {
            retention("camera-owner").await.confirm_hold(v1::ConfirmHoldRequest { hold_id: "h".into() }).await.unwrap();
        }
        "RetentionService/ReleaseHold" => {
            let request = v1::ReleaseHoldRequest { hold_id: "h".into(), reason: "done".into() };
            retention("auditor").await.release_hold(request).await.unwrap();
        }
        "RetentionService/ListHolds" => {
            retention("auditor").await.list_holds(v1::ListHoldsRequest::default()).await.unwrap();
        }
        "IngestService/LeaseCameras" => {
            add_identity(&deployed.home, "ingest", "sightline://local/ingest/ingest");
            let mut ingest = IngestServiceClient::new(deployed.channel("ingest").await);
            let mut answers = ingest.lease_cameras(tokio_stream::empty()).await.unwrap().into_inner();
            assert!(answers.message().await.unwrap().is_none());
        }
        "IngestService/Push" => {
            add_identity(&deployed.home, "ingest", "sightline://local/ingest/ingest");
            let mut ingest = IngestServiceClient::new(deployed.channel("ingest").await);
            let mut answers = ingest.push(tokio_stream::empty()).await.unwrap().into_inner();
            assert!(answers.message().await.unwrap().is_none());
        }
        new => panic!("{new} is new: say here how it is called, and under which action it is on the record"),
    }
    match rpc {
        "AdminService/Status" => "status",
        "AdminService/Check" => "check",
        "AdminService/RebuildIndex" => "index.rebuild",
        "AdminService/ListAudit" => "audit.list",
        "CameraService/AddAgency" => "agency.add",
        "CameraService/ListAgencies" => "agency.list",
        "CameraService/AddCamera" => "camera.add",
        "CameraService/ImportCameras" => "camera.import",
        "CameraService/ExportCameras" => "camera.export",
        "CameraService/ListCameras" => "camera.list",
        "CaseService/OpenCase" => "case.open",
        "CaseService/AuthoriseCase" => "case.authorise",
        "CaseService/PreviewCase" => "case.preview",
        "CaseService/GetCase" => "case.get",
        "CaseService/ListCases" => "case.list",
        "CaseService/WatchCases" => "case.watch",
        "CaseService/CloseCase" => "case.close",
        "CaseService/RefuseCase" => "case.refuse",
        "CaseService/SetMarks" => "mark.set",
        "CaseService/ListMarks" => "mark.list",
        "CaseService/ListCaseCalls" => "case.calls",
        "CameraService/SetCameraPolicy" => "camera.policy",
        "CameraService/PreviewCameraPolicy" => "camera.preview",
        "CameraService/PauseCamera" => "camera.pause",
        "CameraService/ResumeCamera" => "camera.resume",
        "CameraService/RevokeCamera" => "camera.revoke",
        "CameraService/ListCameraAccesses" => "camera.accesses",
        "AdminService/RevokeCertificate" => "identity.revoke",
        "AdminService/ListRevocations" => "identity.list",
        "SearchService/Search" => "search",
        "SearchService/KeepLooking" => "keep_looking",
        "SearchService/GetCrop" => "crop",
        "ExportService/Export" => "export",
        "FootageService/AddFootage" => "footage.add",
        "RecorderService/AddRecorder" => "recorder.add",
        "RecorderService/ListRecorders" => "recorder.list",
        "RecorderService/ListRecordings" => "recorder.recordings",
        "RecorderService/MapRecording" => "recorder.map",
        "RecorderService/RemoveRecorder" => "recorder.remove",
        "RecorderService/AddRecordings" => "footage.pull",
        "FootageService/GetJob" => "job.get",
        "FootageService/ListJobs" => "job.list",
        "FootageService/WatchJob" => "job.watch",
        "FootageService/CancelJob" => "job.cancel",
        "FootageService/RetryJob" => "job.retry",
        "FootageService/RemoveFootage" => "footage.remove",
        "AdminService/StartReindex" => "reindex.start",
        "AdminService/GetReindex" => "reindex.get",
        "AdminService/SwitchReindex" => "reindex.switch",
        "AdminService/RollBackReindex" => "reindex.rollback",
        "AdminService/DropReindex" => "reindex.drop",
        "LiveService/SetCameraSource" => "camera.source",
        "LiveService/CameraStatus" => "camera.status",
        "LogService/GetReceipt" => "audit.receipt",
        "RetentionService/RetentionStatus" => "retention.status",
        "RetentionService/ListDeletions" => "retention.list",
        "RetentionService/RunRetention" => "retention.run",
        "RetentionService/PlaceHold" => "hold.place",
        "RetentionService/ConfirmHold" => "hold.confirm",
        "RetentionService/ReleaseHold" => "hold.release",
        "RetentionService/ListHolds" => "hold.list",
        "IngestService/LeaseCameras" => "ingest.hold",
        "IngestService/Push" => "ingest.push",
        new => panic!("under which action is {new} on the record?"),
    }
}

/// The job of a real clip on the camera `gate`; `None` without footage.
async fn job(deployed: &Deployed) -> Option<String> {
    Some(deployed.add(&clip()?, "gate", "2026-03-01T09:00:00Z").await.unwrap().job.unwrap().id)
}

async fn stored(deployed: &Deployed) -> Option<String> {
    let job = job(deployed).await?;
    deployed.wait(&job).await;
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    let (hits, _) = deployed.search("investigator", request).await.unwrap();
    Some(hits[0].sighting.as_ref().unwrap().id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_protocol_is_on_the_record_before_and_after_its_work() {
    let deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    let rpcs = rpcs();
    assert!(rpcs.len() >= 21, "{rpcs:?}");
    for rpc in rpcs {
        let before = deployed.entries().await.len();
        let action = call(&deployed, &rpc).await;
        if action.is_empty() {
            continue;
        }
        // A stream ends on the record when its last message is out, which its reader may see a little earlier.
        let mut tries = 0;
        let pairs = loop {
            let new: Vec<_> = deployed.entries().await.into_iter().skip(before).collect();
            let parsed = |r: &v1::AuditRecord| AuditEntry::from_bytes(&r.entry).unwrap();
            let begun = new.iter().filter(|r| r.action == action && parsed(r).phase == Phase::Begin).map(|r| r.seq);
            let begun: Vec<u64> = begun.collect();
            let ended = |begin: u64| {
                new.iter().any(|r| {
                    let ended = |o| Phase::Complete { begin, outcome: o };
                    let phase = parsed(r).phase;
                    r.seq > begin && r.action == action && [Outcome::Done, Outcome::Failed].map(ended).contains(&phase)
                })
            };
            if begun.iter().any(|b| ended(*b)) || tries == 100 {
                break begun;
            }
            tries += 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert!(!pairs.is_empty() && tries < 100, "{rpc} is not on the record as {action}, begun and ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_is_in_no_entry_and_on_no_tile_but_committed_to() {
    let deployed = Deployed::with_cameras().await;
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "STATUTEWORD".into(),
        reason: "REASONWORD".into(),
        emergency: "EMERGENCYWORD".into(),
        scope: Some(v1::Scope { camera_ids: vec!["gate".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        expires: None,
        ..Default::default()
    };
    cases.open_case(request).await.unwrap();
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "CLOSEDWORD".into() }).await.unwrap();
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    let request =
        v1::AddCameraRequest { id: "quay".into(), agency_id: "local".into(), title: "TITLEWORD".into(), ..Default::default() };
    cameras.add_camera(request).await.unwrap();
    let request = v1::AddFootageRequest {
        path: "/PATHWORD.mp4".into(),
        camera_id: "quay".into(),
        start: Some(time(FROM)),
        ..Default::default()
    };
    FootageServiceClient::new(deployed.channel("operator").await).add_footage(request).await.unwrap_err();

    let entries = deployed.entries().await;
    let text: String = entries.iter().map(|e| String::from_utf8_lossy(&e.entry).into_owned()).collect();
    for word in ["STATUTE", "REASON", "EMERGENCY", "CLOSED", "TITLE", "PATH"] {
        assert!(!text.contains(&format!("{word}WORD")), "{word}");
    }
    let committed = |action: &str, matter: access::Matter| {
        entries
            .iter()
            .filter(|e| e.action == action)
            .any(|e| AuditEntry::from_bytes(&e.entry).unwrap().detail.commitments.contains_key(&matter))
    };
    use access::Matter as M;
    for (action, matter) in [
        ("case.open", M::LegalBasis),
        ("case.open", M::Reason),
        ("case.open", M::Emergency),
        ("case.open", M::Grant),
        ("case.close", M::Reason),
        ("camera.add", M::Title),
        ("footage.add", M::Path),
    ] {
        assert!(committed(action, matter), "{action} {matter:?}");
    }
}
