//! A deployment whose index is on a Qdrant server: it comes and goes, and nothing is lost; what is deleted is deleted there.

use std::time::Duration;

use catalogue::{Catalogue, CatalogueConfig, SightingRecord};
use proto::v1::{self, camera_service_client::CameraServiceClient};
use tonic::Code;
use types::Embedding;

use crate::{
    harness::{Deployed, told},
    qdrant::Fake,
    reindex::{admin, another, until_ready},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";
const DAY: Duration = Duration::from_secs(86_400);

fn on(fake: &Fake) -> String {
    format!("[storage]\nindex_flush_seconds = 1\n[index]\nurl = \"{}\"\ntimeout_ms = 20000\n", fake.url())
}

/// Two cars each in `gate` and `yard`, and a case on each.
async fn deployed(fake: &Fake) -> Deployed {
    let deployed = Deployed::configured(&on(fake), async |home| drop(seen::cars(home, 2).await)).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.authorised_case("y", "yard", FROM, TO).await;
    deployed
}

fn ask(case: &str) -> v1::SearchRequest {
    let description = v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() };
    v1::SearchRequest { case_id: case.into(), description: Some(description), ..Default::default() }
}

/// Hits in the case once as many are found; a search that is refused meanwhile must say why.
async fn until_found(deployed: &Deployed, case: &str, many: usize) {
    let mut last = None;
    for _ in 0..100 {
        match deployed.search("investigator", ask(case)).await {
            Ok((hits, _)) if hits.len() == many => return,
            Ok((hits, _)) => last = Some(hits.len()),
            Err(status) => assert_eq!(told(&status), (Code::Unavailable, "index_away".into())),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{many} are never found, but {last:?}");
}

async fn assert_clean(deployed: &Deployed, sightings: u64) {
    let check = deployed.check().await;
    assert!(check.clean && (check.sightings, check.vectors) == (sightings, sightings), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_server_that_is_away_at_the_start_and_in_the_middle_costs_searches_and_no_sighting() {
    let mut fake = Fake::start();
    fake.stop();
    let deployed = deployed(&fake).await;
    let refused = deployed.search("investigator", ask("k")).await.unwrap_err();
    assert_eq!(told(&refused), (Code::Unavailable, "index_away".into()));
    assert!(proto::hint(&refused).unwrap_or_default().contains("index.url"), "{refused:?}");
    fake.start_again();
    until_found(&deployed, "k", 2).await;
    assert_clean(&deployed, 5).await;

    fake.stop();
    let refused = deployed.search("investigator", ask("k")).await.unwrap_err();
    assert_eq!(told(&refused), (Code::Unavailable, "index_away".into()));
    // Seen meanwhile.
    let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&deployed.home.root().join("data"))).await.unwrap();
    let embedder = vision::Embedder::load(&vision::ModelStore::from_env().unwrap(), None, None).unwrap();
    let mut values = vec![0.0; embedder.len()];
    values[0] = 1.0;
    let embedding = Embedding::new(embedder.digest(), values).unwrap();
    let record = SightingRecord { sighting: seen::car("gate", "local", 50), crop: seen::crop(), embedding };
    catalogue.put_sightings(&[record], &seen::leave(&catalogue).await).await.unwrap();
    catalogue.close().await;
    fake.start_again();
    until_found(&deployed, "k", 3).await;
    assert_clean(&deployed, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_stops_while_its_index_server_is_away_goes_on_with_the_next_start() {
    let mut fake = Fake::start();
    let mut deployed = deployed(&fake).await;
    until_found(&deployed, "k", 2).await;
    fake.stop();
    deployed.stop().await;
    deployed.again().await;
    fake.start_again();
    until_found(&deployed, "y", 2).await;
    assert_clean(&deployed, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_to_its_end_goes_from_the_server_with_the_shard_it_was_in() {
    let fake = Fake::start();
    let deployed = deployed(&fake).await;
    let alias = fake.names().1[0].0.clone();
    assert_eq!(fake.shards(&alias), ["2026-03-01"]);
    let keep_for = async |camera: &str, time| {
        let retention = Some(proto::duration(time));
        let request = v1::SetCameraPolicyRequest { camera_id: camera.into(), retention, ..Default::default() };
        CameraServiceClient::new(deployed.channel("camera-owner").await).set_camera_policy(request).await.unwrap();
    };
    keep_for("gate", DAY).await;
    deployed.clock.set_ahead(3 * DAY);
    deployed.server.as_ref().unwrap().sweep_retention().await;
    assert_eq!(fake.shards(&alias), ["2026-03-01.1"], "written anew");
    until_found(&deployed, "k", 0).await;
    until_found(&deployed, "y", 2).await;
    assert_clean(&deployed, 3).await;
    // All of it.
    deployed.clock.set_ahead(60 * DAY);
    deployed.server.as_ref().unwrap().sweep_retention().await;
    assert_eq!(fake.shards(&alias), [""; 0]);
    assert_eq!(deployed.server.as_ref().unwrap().retention().overdue, 0);
    assert_clean(&deployed, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_and_another_model_leave_one_collection_on_the_server() {
    let fake = Fake::start();
    let deployed = deployed(&fake).await;
    let (_, aliases) = fake.names();
    let rebuilt = admin(&deployed).await.rebuild_index(v1::RebuildIndexRequest {}).await.unwrap().into_inner();
    assert_eq!(rebuilt.vectors, 5);
    let (collections, again) = fake.names();
    assert_eq!((again.len(), &again[0].0, collections.len()), (1, &aliases[0].0, 2));
    assert_ne!(again[0].1, aliases[0].1, "another collection has taken its place");

    let dir = tempfile::tempdir().unwrap();
    let start = v1::StartReindexRequest { embedder: String::new(), appearance_path: another(dir.path()) };
    admin(&deployed).await.start_reindex(start).await.unwrap();
    until_ready(&deployed).await;
    assert_eq!(fake.names().1.len(), 2, "two models beside each other");
    admin(&deployed).await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap();
    until_found(&deployed, "k", 2).await;
    admin(&deployed).await.drop_reindex(v1::DropReindexRequest {}).await.unwrap();
    let (collections, left) = fake.names();
    assert!(left.len() == 1 && left[0].0 != aliases[0].0, "{left:?}");
    assert_eq!(collections.len(), 2, "and the notes: {collections:?}");
    assert_clean(&deployed, 5).await;
}
