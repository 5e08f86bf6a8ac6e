use std::time::Duration;

use catalogue::{AddedJob, Catalogue, CatalogueError, JobProgress, JobState, NewJob, TakenJob};

use crate::support::*;

fn job(n: u8) -> NewJob {
    NewJob {
        camera: camera("gate"),
        footage: footage(n),
        path: format!("/footage/{n}.mp4"),
        start: time(START),
        settings: "fps=5".to_owned(),
    }
}

const LONG: Duration = Duration::from_secs(600);

async fn take(catalogue: &Catalogue) -> Option<TakenJob> {
    catalogue.take_job("a", LONG, &[]).await.unwrap()
}

#[tokio::test]
async fn the_same_footage_added_twice_is_one_job() {
    let f = fixture().await;
    let added = f.catalogue.add_job(&job(1)).await.unwrap();
    assert!(matches!(added, AddedJob::New(_)));
    let elsewhere = NewJob { path: "/other/name.mp4".to_owned(), ..job(1) };
    let again = f.catalogue.add_job(&elsewhere).await.unwrap();
    assert!(matches!(&again, AddedJob::Existing(j) if j.id == added.job().id && j.spec.path == "/footage/1.mp4"));
    for other in [
        NewJob { camera: camera("hall"), ..job(1) },
        NewJob { footage: footage(2), ..job(1) },
        NewJob { start: time(START + 1), ..job(1) },
        NewJob { settings: "fps=2".to_owned(), ..job(1) },
    ] {
        assert!(matches!(f.catalogue.add_job(&other).await.unwrap(), AddedJob::New(_)), "{other:?}");
    }
    assert_eq!(f.catalogue.jobs_page(None, None, None, 100).await.unwrap().len(), 5);
    let unknown = NewJob { camera: camera("nowhere"), ..job(1) };
    assert!(matches!(f.catalogue.add_job(&unknown).await, Err(CatalogueError::UnknownCamera(_))));
}

#[tokio::test]
async fn a_job_runs_once_reports_and_ends() {
    let f = fixture().await;
    let id = f.catalogue.add_job(&job(1)).await.unwrap().job().id.clone();
    let progress = JobProgress { done: Duration::from_micros(1_234_567), total: Some(Duration::from_secs(9)), sightings: 3 };
    let TakenJob { job: taken, lease } = take(&f.catalogue).await.unwrap();
    assert_eq!((&taken.id, &taken.state, lease.job(), lease.epoch()), (&id, &JobState::Running, &id, 1));
    assert_eq!(take(&f.catalogue).await, None);
    assert!(f.catalogue.progress_job(&lease, progress).await.unwrap());
    assert_eq!(f.catalogue.job(&id).await.unwrap().progress, progress);
    assert!(f.catalogue.finish_job(&lease, &JobState::Running).await.is_err());
    let failed = JobState::Failed("cut off at 60 %".to_owned());
    assert_eq!(f.catalogue.finish_job(&lease, &failed).await.unwrap().state, failed);
    assert!(matches!(f.catalogue.finish_job(&lease, &JobState::Done).await, Err(CatalogueError::NotOurs { .. })));
    // Adding it again is how a failed job is tried again, from another place if need be.
    let again = f.catalogue.add_job(&NewJob { path: "/repaired.mp4".to_owned(), ..job(1) }).await.unwrap();
    let AddedJob::Again(again) = again else { panic!("{again:?}") };
    assert_eq!((again.id.clone(), again.state, again.progress.done), (id.clone(), JobState::Queued, Duration::ZERO));
    assert_eq!(again.spec.path, "/repaired.mp4");
    let lease = take(&f.catalogue).await.unwrap().lease;
    f.catalogue.finish_job(&lease, &JobState::Done).await.unwrap();
    assert!(matches!(f.catalogue.add_job(&job(1)).await.unwrap(), AddedJob::Existing(_)));
}

#[tokio::test]
async fn a_job_waits_or_runs_until_it_is_told_to_stop() {
    let f = fixture().await;
    let first = f.catalogue.add_job(&job(1)).await.unwrap().job().id.clone();
    let second = f.catalogue.add_job(&job(2)).await.unwrap().job().id.clone();
    let lease = take(&f.catalogue).await.unwrap().lease;
    assert_eq!(*lease.job(), first);
    assert_eq!(f.catalogue.cancel_job(&second).await.unwrap().state, JobState::Cancelled);
    let asked = f.catalogue.cancel_job(&first).await.unwrap();
    assert!(asked.cancelling && asked.state == JobState::Running);
    assert!(!f.catalogue.progress_job(&lease, JobProgress::default()).await.unwrap());
    f.catalogue.finish_job(&lease, &JobState::Cancelled).await.unwrap();
    assert_eq!(f.catalogue.cancel_job(&first).await.unwrap().state, JobState::Cancelled);
    assert_eq!(take(&f.catalogue).await, None);
}

#[tokio::test]
async fn what_was_running_when_the_process_died_runs_again() {
    let f = fixture().await;
    for n in 1..=4 {
        f.catalogue.add_job(&job(n)).await.unwrap();
    }
    let running = take(&f.catalogue).await.unwrap().job;
    let stopping = take(&f.catalogue).await.unwrap().job;
    let anothers = f.catalogue.take_job("b", LONG, &[]).await.unwrap().unwrap().job;
    f.catalogue.cancel_job(&stopping.id).await.unwrap();
    assert_eq!(f.catalogue.requeue_running(Some("a")).await.unwrap(), 1);
    assert_eq!(f.catalogue.job(&running.id).await.unwrap().state, JobState::Queued);
    assert_eq!(f.catalogue.job(&stopping.id).await.unwrap().state, JobState::Cancelled);
    assert_eq!(f.catalogue.job(&anothers.id).await.unwrap().state, JobState::Running);
    assert_eq!(f.catalogue.requeue_running(None).await.unwrap(), 1);
    assert_eq!(f.catalogue.job(&anothers.id).await.unwrap().state, JobState::Queued);
    assert_eq!(f.catalogue.requeue_running(None).await.unwrap(), 0);
}

#[tokio::test]
async fn no_job_is_taken_by_two() {
    let f = fixture().await;
    for n in 0..20 {
        f.catalogue.add_job(&job(n)).await.unwrap();
    }
    let takers = (0..8).map(|_| {
        let catalogue = f.catalogue.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(taken_now) = take(&catalogue).await {
                taken.push(taken_now.job.id);
            }
            taken
        })
    });
    let mut all = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        all.extend(taker.await.unwrap());
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}
