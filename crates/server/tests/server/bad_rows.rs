//! One bad row never stops the whole: nothing that a worker says, and no row that somebody damaged, keeps the server from starting,
//! indexing, searching, checking, repairing and making its index again.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use types::{CaptureTime, SightingId};

use crate::{
    harness::Deployed,
    ingest::{LeaseClient, ONE, Wire, authorised, car, deployed, push},
};

/// What a damaged row may hold. Each is one statement on the row `$1`.
const DAMAGE: [&str; 14] = [
    "UPDATE sighting SET embedding = zeroblob(length(embedding)) WHERE id = $1",
    "UPDATE sighting SET embedding = x'0000c07f' WHERE id = $1",
    "UPDATE sighting SET embedding = substr(embedding, 1, 8) WHERE id = $1",
    "UPDATE sighting SET first_us = -55635120000000000, last_us = -55635120000000000 WHERE id = $1",
    "UPDATE sighting SET last_us = first_us - 1 WHERE id = $1",
    "UPDATE sighting SET last_us = first_us + 99999999999 WHERE id = $1",
    "UPDATE sighting SET day = day + 1 WHERE id = $1",
    "UPDATE sighting SET description = '{' WHERE id = $1",
    "UPDATE sighting SET class = 'ghost' WHERE id = $1",
    "UPDATE sighting SET camera = 'NOT AN ID' WHERE id = $1",
    "UPDATE sighting SET score = 9e999 WHERE id = $1",
    "UPDATE sighting SET model = x'00' WHERE id = $1",
    "UPDATE sighting SET best_us = first_us - 1 WHERE id = $1",
    "UPDATE sighting SET seq = 9000000000000 WHERE id = $1",
];

/// Changes the row behind the server's back, and numbers it as a change, so that the index hears of it.
async fn damage(deployed: &Deployed, statement: &str, id: SightingId) {
    let url = format!("sqlite:{}", deployed.home.root().join("data/catalogue.db").display());
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    for pragma in ["PRAGMA ignore_check_constraints = ON", "PRAGMA foreign_keys = OFF", "PRAGMA busy_timeout = 10000"] {
        sqlx::query(pragma).execute(&mut db).await.unwrap();
    }
    let key = id.0.as_bytes().as_slice();
    sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key).execute(&mut db).await.unwrap();
    sqlx::query("UPDATE sequence SET value = value + 1 WHERE name = 'change'").execute(&mut db).await.unwrap();
    let seq = "UPDATE sighting SET seq = (SELECT value FROM sequence WHERE name = 'change') WHERE id = $1";
    if !statement.contains(" seq = ") {
        sqlx::query(seq).bind(key).execute(&mut db).await.unwrap();
    }
    sqlx::Connection::close(db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_row_makes_start_indexing_check_repair_or_rebuild_fail() {
    let mut deployed = deployed().await;
    let wire = Wire::new();
    let epoch = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await[0].1;
    let now = CaptureTime::now();
    let cars: Vec<_> = (0..DAMAGE.len() as u64).map(|n| car("gate", "local", n, now)).collect();
    let messages = cars.iter().zip(1..).map(|(car, n)| wire.message(n, epoch, car)).collect();
    assert_eq!(push(&deployed, "ingest", messages).await, []);
    authorised(&deployed, "k", "gate").await;
    deployed.stop().await;
    for (car, statement) in cars.iter().zip(DAMAGE) {
        damage(&deployed, statement, car.id).await;
    }

    deployed.again().await;
    let epoch = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await[0].1;
    let good = car("gate", "local", 1_000, now);
    assert_eq!(push(&deployed, "ingest", vec![wire.message(1, epoch, &good)]).await, []);
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    for repair in [false, true] {
        let report = admin.check(v1::CheckRequest { repair }).await.unwrap().into_inner();
        assert!(!report.clean);
        for car in &cars {
            let named = |f: &v1::Finding| f.subject == car.id.to_string();
            assert!(report.findings.iter().any(named), "{}: {:?}", car.id, report.findings);
        }
        assert!(!report.findings.iter().any(|f| f.subject == good.id.to_string()), "{:?}", report.findings);
    }
    admin.rebuild_index(v1::RebuildIndexRequest {}).await.unwrap();
    deployed.stop().await;
    deployed.again().await;
    let (ids, exact) = search(&deployed).await;
    assert_eq!(ids, [good.id.to_string()]);
    assert!(!exact, "not every sighting was compared, and the answer says so");
    // So does the server's health, whether or not anything is due to be deleted.
    let mut health = HealthClient::new(deployed.channel("operator").await);
    let began = std::time::Instant::now();
    let index = || HealthCheckRequest { service: "sightline.Index".into() };
    while health.check(index()).await.unwrap().into_inner().status() == ServingStatus::Serving {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the health says nothing of what the index lacks");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The ids of what a search finds, and whether every sighting was compared.
async fn search(deployed: &Deployed) -> (Vec<String>, bool) {
    let request = v1::SearchRequest {
        case_id: "k".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit: 1_000,
        ..Default::default()
    };
    let (hits, summary) = deployed.search("investigator", request).await.unwrap();
    (hits.into_iter().map(|h| h.sighting.unwrap().id).collect(), summary.exact)
}

/// What a worker may say: one part of a good message is something else.
fn lie(kind: u8, number: f32, time: i64, bytes: &[u8], mut message: v1::PushRequest) -> v1::PushRequest {
    let sighting = message.sighting.as_mut().unwrap();
    let at = Some(prost_types::Timestamp { seconds: time, nanos: 0 });
    match kind % 12 {
        0 => message.appearance.iter_mut().for_each(|v| *v = number),
        1 => message.appearance.truncate(bytes.len()),
        2 => message.appearance.extend(bytes.iter().map(|_| 0.0)),
        3 => message.appearance[0] = number,
        4 => (sighting.first.as_mut().unwrap().time, sighting.last.as_mut().unwrap().time) = (at, at),
        5 => sighting.last.as_mut().unwrap().time = at,
        6 => sighting.score = number,
        7 => sighting.r#box.as_mut().unwrap().x = number,
        8 => message.crop.extend_from_slice(bytes),
        9 => message.crop = bytes.to_vec(),
        10 => sighting.detections = time as u32,
        _ => message.model_sha256 = String::from_utf8_lossy(bytes).chars().take(16).collect(),
    }
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_a_worker_makes_indexing_check_rebuild_or_start_fail() {
    let mut deployed = deployed().await;
    let wire = Wire::new();
    let epoch = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await[0].1;
    authorised(&deployed, "k", "gate").await;
    let strategy = {
        let numbers = prop_oneof![Just(0.0f32), Just(f32::NAN), Just(f32::INFINITY), Just(1e30), any::<f32>()];
        let times = prop_oneof![Just(-55_635_120_000i64), Just(4_070_908_800), Just(36_000_000), any::<i64>()];
        (any::<u8>(), numbers, times, prop::collection::vec(any::<u8>(), 0..600))
    };
    let mut runner = TestRunner::deterministic();
    let mut messages = Vec::new();
    for n in 1..=120u64 {
        let (kind, number, time, bytes) = strategy.new_tree(&mut runner).unwrap().current();
        let good = wire.message(n, epoch, &car("gate", "local", n, CaptureTime::now()));
        messages.push(lie(kind, number, time, &bytes, good));
    }
    let good = car("gate", "local", 9_999, CaptureTime::now());
    messages.push(wire.message(121, epoch, &good));
    let refused = push(&deployed, "ingest", messages).await;
    assert!(refused.iter().all(|(n, _)| *n != 121) && refused.len() > 30, "{refused:?}");
    assert!(search(&deployed).await.0.contains(&good.id.to_string()));
    let report = deployed.check().await;
    assert!(report.clean, "{:?}", report.findings);
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    admin.rebuild_index(v1::RebuildIndexRequest {}).await.unwrap();
    deployed.stop().await;
    deployed.again().await;
    assert!(search(&deployed).await.0.contains(&good.id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_dates_its_sightings_between_the_beginning_of_its_lease_and_now() {
    let deployed = deployed().await;
    let wire = Wire::new();
    let epoch = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await[0].1;
    let day = 86_400_000_000;
    let now = CaptureTime::now();
    let times = ["2099-01-01T00:00:00Z", "1971-01-01T00:00:00Z", "0206-03-01T00:00:00Z"].map(|t| t.parse().unwrap());
    let bad = times.into_iter().chain([now.plus_micros(-day), now.plus_micros(day)]);
    let mut messages: Vec<_> = bad.zip(1..).map(|(at, n)| wire.message(n, epoch, &car("gate", "local", n, at))).collect();
    // However uncertain the worker says it is.
    let uncertain = messages[0].sighting.as_mut().unwrap().last.as_mut().unwrap();
    uncertain.uncertainty = Some(prost_types::Duration { seconds: 4_000_000_000, nanos: 0 });
    messages.push(wire.message(6, epoch, &car("gate", "local", 6, now)));
    let refused = push(&deployed, "ingest", messages).await;
    assert_eq!(refused.iter().map(|(n, _)| *n).collect::<std::collections::BTreeSet<_>>(), (1..=5).collect());
    assert_eq!(deployed.check().await.sightings, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_workers_picture_does_not_survive() {
    let deployed = deployed().await;
    let wire = Wire::new();
    let epoch = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await[0].1;
    let one = car("gate", "local", 1, CaptureTime::now());
    let mut message = wire.message(1, epoch, &one);
    message.crop.extend_from_slice("<html><script>alert(1)</script>".repeat(3_200).as_bytes());
    let refused = push(&deployed, "ingest", vec![message]).await;
    assert_eq!(refused, [(1, "not_redacted".to_owned())]);
    let crops = deployed.home.root().join("data");
    let mut bytes = Vec::new();
    crate::retention::bytes_of(&crops, &mut bytes);
    assert!(!bytes.windows(8).any(|w| w == b"<script>"));

    // Nor does what somebody adds to the stored file reach anybody.
    assert_eq!(push(&deployed, "ingest", vec![wire.message(2, epoch, &one)]).await, []);
    authorised(&deployed, "k", "gate").await;
    let mut files = vec![crops.join("crops")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "jpg") {
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, [&whole[..], b"<html><script>"].concat()).unwrap();
        }
    }
    let mut search = v1::search_service_client::SearchServiceClient::new(deployed.channel("investigator").await);
    let request = v1::GetCropRequest { case_id: "k".into(), sighting_id: one.id.to_string() };
    let crop = search.get_crop(request).await;
    assert!(crop.is_err(), "a crop that is not ours is shown to nobody");
    assert!(!deployed.check().await.clean);
}
