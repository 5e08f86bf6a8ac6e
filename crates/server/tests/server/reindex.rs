//! Another model takes over while searches go on: none fails, and none shows vectors of two models.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic::Code;
use vision::{Embedder, ModelStore, Projection};

use crate::harness::{Deployed, clip, told};

const START: &str = "2026-03-01T09:00:00Z";
const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

/// A learned step other than the one built in: the same numbers, another description, and so another recipe. Values are
/// turned round, so that a vector of the one says nothing to the other.
pub(crate) fn another(folder: &std::path::Path) -> String {
    let mut bytes = Projection::embedded().unwrap().write();
    let floats = bytes.len() - 4 * 64;
    // The last row of the colours' matrix with its sign changed.
    for value in bytes[floats..].chunks_exact_mut(4) {
        value[3] ^= 0x80;
    }
    let file = folder.join("other.projection");
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

fn like(case: &str, id: &str) -> v1::SearchRequest {
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    v1::SearchRequest { case_id: case.into(), description: Some(description), like_sighting_id: id.into(), ..Default::default() }
}

pub(crate) async fn admin(deployed: &Deployed) -> AdminServiceClient<tonic::transport::Channel> {
    AdminServiceClient::new(deployed.channel("operator").await)
}

async fn progress(deployed: &Deployed) -> v1::Reindex {
    admin(deployed).await.get_reindex(v1::GetReindexRequest {}).await.unwrap().into_inner().reindex.unwrap()
}

pub(crate) async fn until_ready(deployed: &Deployed) -> v1::Reindex {
    for _ in 0..600 {
        let now = progress(deployed).await;
        if now.state() == v1::ReindexState::Ready {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not ready: {:?}", progress(deployed).await);
}

/// Scores by sighting of a search by example; it must not fail.
async fn scores(deployed: &Deployed, case: &str, id: &str) -> Vec<(String, u64)> {
    let (hits, _) = deployed.search("investigator", like(case, id)).await.unwrap();
    let score = |hit: &v1::Hit| (f64::from(hit.appearance_score.unwrap()) * 1e6) as u64;
    let mut all: Vec<_> = hits.iter().map(|h| (h.sighting.as_ref().unwrap().id.clone(), score(h))).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_takes_over_under_constant_searches_and_none_fails_or_mixes_two() {
    let Some(clip) = clip() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    for (n, start) in ["2026-03-01T09:00:00Z", "2026-03-01T09:10:00Z", "2026-03-01T09:20:00Z"].iter().enumerate() {
        let file = dir.path().join(format!("{n}.mp4"));
        std::fs::write(&file, [&std::fs::read(&clip).unwrap()[..], &[n as u8; 4]].concat()).unwrap();
        let job = deployed.add(&file, "gate", start).await.unwrap().job.unwrap();
        assert_eq!(deployed.wait(&job.id).await.state(), v1::JobState::Done);
    }
    deployed.authorised_case("k", "gate", FROM, TO).await;
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let any = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    let (hits, _) = deployed.search("investigator", any).await.unwrap();
    let id = hits[0].sighting.as_ref().unwrap().id.clone();
    let old = scores(&deployed, "k", &id).await;
    assert!(old.len() >= 3, "{old:?}");

    // Another backbone needs another learned step.
    let wrong = v1::StartReindexRequest { embedder: "nanodet-g".into(), ..Default::default() };
    let wrong = admin(&deployed).await.start_reindex(wrong).await.unwrap_err();
    assert_eq!(told(&wrong), (Code::InvalidArgument, "no_model".into()));
    let file = another(dir.path());
    let start = v1::StartReindexRequest { embedder: String::new(), appearance_path: file.clone() };
    let started = admin(&deployed).await.start_reindex(start.clone()).await.unwrap().into_inner().reindex.unwrap();
    assert_ne!(started.other_sha256, started.current_sha256);
    let busy = admin(&deployed).await.start_reindex(start.clone()).await.unwrap_err();
    assert_eq!(told(&busy), (Code::FailedPrecondition, "reindex".into()));

    // Everything that constant searches saw, from before the switch until after the drop.
    let stop = Arc::new(AtomicBool::new(false));
    let deployed_ref = &deployed;
    let (stopping, example) = (stop.clone(), id.clone());
    let searching = async move {
        let (mut seen, mut case, mut count) = (Vec::new(), String::new(), 0);
        while !stopping.load(Ordering::Relaxed) {
            // A case has a budget of searches.
            if count % 100 == 0 {
                case = format!("case-{count}");
                deployed_ref.authorised_case(&case, "gate", FROM, TO).await;
                // An example is one that was handed out under the case.
                deployed_ref.search("investigator", like(&case, "")).await.unwrap();
            }
            count += 1;
            let now = scores(deployed_ref, &case, &example).await;
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        seen
    };
    let changing = async {
        let ready = until_ready(&deployed).await;
        let compared = ready.comparison.unwrap();
        assert!(compared.queries > 0 && (0.0..=1.0).contains(&compared.agreement), "{compared:?}");
        assert!(ready.embedded >= old.len() as u64, "{ready:?}");
        let early = admin(&deployed).await.drop_reindex(v1::DropReindexRequest {}).await.unwrap_err();
        assert_eq!(early.code(), Code::FailedPrecondition);
        let switched = admin(&deployed).await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap().into_inner();
        assert_eq!(switched.reindex.unwrap().state(), v1::ReindexState::Switched);
        tokio::time::sleep(Duration::from_millis(500)).await;
        admin(&deployed).await.roll_back_reindex(v1::RollBackReindexRequest {}).await.unwrap();
        assert_eq!(scores(&deployed, "k", &id).await, old, "rolled back");
        admin(&deployed).await.start_reindex(start.clone()).await.unwrap();
        until_ready(&deployed).await;
        admin(&deployed).await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap();
        // Seen by the old embedder, and in the new index all the same.
        let job = deployed.add(&clip, "yard", START).await.unwrap().job.unwrap();
        assert_eq!(deployed.wait(&job.id).await.state(), v1::JobState::Done);
        let dropped = admin(&deployed).await.drop_reindex(v1::DropReindexRequest {}).await.unwrap().into_inner();
        assert_eq!(dropped.reindex.unwrap().state(), v1::ReindexState::None);
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(searching, changing);
    // Old, new, old again, new: nothing in between.
    assert_eq!(seen.len(), 4, "{seen:#?}");
    assert_eq!((&seen[0], &seen[2]), (&old, &old));
    assert_ne!(seen[1], old);
    assert_eq!(seen[1], seen[3]);
    assert_eq!(seen[1].iter().map(|(id, _)| id).collect::<Vec<_>>(), old.iter().map(|(id, _)| id).collect::<Vec<_>>());

    let check = deployed.check().await;
    assert!(check.clean && check.sightings == check.vectors, "{check:?}");
    // The choice outlives the server, and the other model's index is gone.
    deployed.stop().await;
    deployed.again().await;
    assert_eq!(scores(&deployed, "k", &id).await, seen[3]);
    let folders = std::fs::read_dir(deployed.home.root().join("data/index")).unwrap().count();
    assert_eq!(folders, 1);
    let now = progress(&deployed).await;
    let models = ModelStore::from_env().unwrap();
    let made = Embedder::load(&models, None, Some(file.as_ref())).unwrap().digest().to_string();
    assert_eq!((now.state(), now.current_sha256), (v1::ReindexState::None, made));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_deployment_keeps_its_recipe_until_somebody_reindexes() {
    for before in Projection::embedded_before().unwrap() {
        upgraded_from(&before).await;
    }
}

async fn upgraded_from(of_before: &Projection) {
    let Some(clip) = clip() else { return };
    let dir = tempfile::tempdir().unwrap();
    // What the build before did: its recipe, and nothing in the configuration. (Here its learned step is named, once.)
    let file = dir.path().join("before.projection");
    std::fs::write(&file, of_before.write()).unwrap();
    let models = ModelStore::from_env().unwrap();
    let digest = |file| Embedder::load(&models, None, file).unwrap().digest().to_string();
    let (before, now) = (digest(Some(file.as_ref())), digest(None));
    assert_ne!(before, now);
    let more = format!("[models]\nappearance = {file:?}\n");
    let mut deployed = Deployed::configured(&more, async |_| {}).await;
    deployed.add_cameras().await;
    let job = deployed.add(&clip, "gate", START).await.unwrap().job.unwrap();
    assert_eq!(deployed.wait(&job.id).await.state(), v1::JobState::Done);
    deployed.authorised_case("k", "gate", FROM, TO).await;
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let any = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    let (hits, _) = deployed.search("investigator", any).await.unwrap();
    let id = hits[0].sighting.as_ref().unwrap().id.clone();
    let old = scores(&deployed, "k", &id).await;
    deployed.stop().await;
    std::fs::remove_file(deployed.home.root().join("more.toml")).unwrap();

    // This build: everything is found as it was, also after another start.
    for _ in 0..2 {
        deployed.again().await;
        assert_eq!(progress(&deployed).await.current_sha256, before);
        assert_eq!(scores(&deployed, "k", &id).await, old);
        deployed.stop().await;
    }
    // And goes over when it is asked to.
    deployed.again().await;
    admin(&deployed).await.start_reindex(v1::StartReindexRequest::default()).await.unwrap();
    until_ready(&deployed).await;
    admin(&deployed).await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap();
    admin(&deployed).await.drop_reindex(v1::DropReindexRequest {}).await.unwrap();
    assert_eq!(progress(&deployed).await.current_sha256, now);
    assert_eq!(scores(&deployed, "k", &id).await.len(), old.len());
    deployed.stop().await;
    deployed.again().await;
    assert_eq!(progress(&deployed).await.current_sha256, now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reindex_cut_off_goes_on_after_the_next_start_and_embeds_nothing_twice() {
    let Some(clip) = clip() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let job = deployed.add(&clip, "gate", START).await.unwrap().job.unwrap();
    let sightings = deployed.wait(&job.id).await.progress.unwrap().sightings;
    let start = v1::StartReindexRequest { embedder: String::new(), appearance_path: another(dir.path()) };
    admin(&deployed).await.start_reindex(start).await.unwrap();
    assert_eq!(until_ready(&deployed).await.embedded, sightings);
    deployed.stop().await;
    // As a kill does: what the other index had on disk is gone, what was embedded is not.
    let current = progress_of(&mut deployed).await;
    for folder in std::fs::read_dir(deployed.home.root().join("data/index")).unwrap() {
        let folder = folder.unwrap();
        if !current.current_sha256.starts_with(folder.file_name().to_str().unwrap()) {
            std::fs::remove_dir_all(folder.path()).unwrap();
        }
    }
    deployed.again().await;
    let ready = until_ready(&deployed).await;
    assert_eq!((ready.embedded, ready.left), (0, 0));
    admin(&deployed).await.roll_back_reindex(v1::RollBackReindexRequest {}).await.unwrap();
    assert_eq!(progress(&deployed).await.state(), v1::ReindexState::None);
}

/// Of a server that runs for just that long.
async fn progress_of(deployed: &mut Deployed) -> v1::Reindex {
    deployed.again().await;
    let now = progress(deployed).await;
    deployed.stop().await;
    now
}
