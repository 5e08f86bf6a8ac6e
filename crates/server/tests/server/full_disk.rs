//! A disk that was full for a moment, under a server.

use deployment::{Home, InitOptions};
use proto::v1::{self, case_service_client::CaseServiceClient, log_service_client::LogServiceClient};
use sqlx::Connection as _;
use tonic::{Code, Status};

use crate::{
    harness::{Deployed, add_identity, window},
    ingest::{LeaseClient, ONE, Wire, authorised, car, push},
    small_disk::SmallDisk,
};

async fn open(deployed: &Deployed, id: &str) -> Result<v1::Case, Status> {
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "why ".repeat(200),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let opened = CaseServiceClient::new(deployed.channel("investigator").await).open_case(request).await?;
    Ok(opened.into_inner().case.unwrap())
}

/// Empties the write-ahead log, so that every write needs room.
async fn begin_log_anew(home: &Home) {
    let url = format!("sqlite://{}", home.root().join("data/catalogue.db").display());
    let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_work_again_without_a_restart_once_a_full_disk_has_room() {
    let name = "full_disk::calls_work_again_without_a_restart_once_a_full_disk_has_room";
    let Some(disk) = SmallDisk::or_again_on_one(name, 64 << 20) else { return };
    let home = Home::new(disk.path().join("home"));
    deployment::init(&home, server::TEMPLATE, &InitOptions::default()).unwrap();
    let mut deployed = Deployed::in_home(home).await;
    deployed.add_cameras().await;
    add_identity(&deployed.home, "ingest", "sightline://local/ingest/ingest");
    let mut worker = LeaseClient::come(&deployed, "ingest", ONE).await;
    let epoch = worker.beat(&[]).await.into_iter().find(|(camera, _)| camera == "gate").unwrap().1;
    let (wire, mut sequence) = (Wire::new(), 0);
    authorised(&deployed, "now", "gate").await;
    for (round, but) in [0, 2, 6, 40].into_iter().enumerate() {
        begin_log_anew(&deployed.home).await;
        disk.fill(but);
        let mut refusal = None;
        for n in 0..200 {
            if let Err(status) = open(&deployed, &format!("full-{round}-{n}")).await {
                refusal = Some(status);
                break;
            }
        }
        let refusal = refusal.expect("the disk was never full");
        assert!(matches!(refusal.code(), Code::Unavailable | Code::ResourceExhausted), "{refusal:?}");
        assert!(proto::hint(&refusal).is_some_and(|hint| !hint.is_empty()), "{refusal:?}");
        disk.free();

        // Record, notes and cases; the log's files; sightings with crops; searches of them.
        let case = open(&deployed, &format!("free-{round}")).await.unwrap();
        deployed.authorise("authoriser", &case).await.unwrap();
        let mut log = LogServiceClient::new(deployed.channel("auditor").await);
        let last = deployed.entries().await.last().unwrap().seq;
        log.get_receipt(v1::GetReceiptRequest { audit_seq: last }).await.unwrap();
        sequence += 1;
        let seen = types::CaptureTime::from_micros(types::ReceiveTime::now().as_micros()).unwrap();
        let sighting = car("gate", "local", sequence, seen);
        assert_eq!(push(&deployed, "ingest", vec![wire.message(sequence, epoch, &sighting)]).await, []);
        let request = v1::SearchRequest {
            case_id: "now".into(),
            description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
            ..Default::default()
        };
        let (hits, _) = deployed.search("investigator", request).await.unwrap();
        assert_eq!(hits.len() as u64, sequence);
    }
    let check = deployed.check().await;
    assert!(check.clean, "{check:?}");
    deployed.stop().await;
    deployed.again().await;
    assert!(deployed.check().await.clean);
}
