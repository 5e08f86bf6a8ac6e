use std::time::Duration;

use catalogue::{CatalogueError, JobLease, JobState, NewJob, Plan, SegmentDone};

use crate::support::*;

async fn take(f: &Fixture) -> JobLease {
    f.catalogue.take_job("a", Duration::from_secs(600), &[]).await.unwrap().unwrap().lease
}

async fn running(f: &Fixture) -> JobLease {
    let job = NewJob {
        camera: camera("gate"),
        footage: footage(1),
        path: "/footage/1.mp4".to_owned(),
        start: time(START),
        settings: "fps=5".to_owned(),
    };
    f.catalogue.add_job(&job).await.unwrap();
    take(f).await
}

fn done(number: u32) -> SegmentDone {
    SegmentDone { number, frames: 100, detections: 30, sightings: 3, crops_refused: 1 }
}

#[tokio::test]
async fn parts_that_are_done_count_for_the_same_recipe_and_cut_alone() {
    let f = fixture().await;
    let lease = running(&f).await;
    assert_eq!(f.catalogue.plan_job(&lease, "a", 4).await.unwrap(), Plan::Anew);
    assert_eq!(f.catalogue.plan_job(&lease, "a", 4).await.unwrap(), Plan::GoesOn(vec![]));
    for number in [2, 0, 2] {
        f.catalogue.finish_segment(&lease, done(number)).await.unwrap();
    }
    f.catalogue.requeue_running(None).await.unwrap();
    // What still comes of the run before counts for nothing.
    let late = lease;
    let lease = take(&f).await;
    assert!(matches!(f.catalogue.finish_segment(&late, done(3)).await, Err(CatalogueError::NotOurs { .. })));
    assert!(matches!(f.catalogue.plan_job(&late, "b", 9).await, Err(CatalogueError::NotOurs { .. })));
    assert_eq!(f.catalogue.plan_job(&lease, "a", 4).await.unwrap(), Plan::GoesOn(vec![done(0), done(2)]));
    assert_eq!(f.catalogue.plan_job(&lease, "b", 4).await.unwrap(), Plan::Anew);
    assert_eq!(f.catalogue.plan_job(&lease, "b", 4).await.unwrap(), Plan::GoesOn(vec![]));
    f.catalogue.finish_segment(&lease, done(1)).await.unwrap();
    assert_eq!(f.catalogue.plan_job(&lease, "b", 5).await.unwrap(), Plan::Anew);
}

#[tokio::test]
async fn a_job_is_removed_when_it_has_ended_and_not_before() {
    let f = fixture().await;
    let lease = running(&f).await;
    let id = lease.job().clone();
    f.catalogue.plan_job(&lease, "a", 2).await.unwrap();
    f.catalogue.finish_segment(&lease, done(0)).await.unwrap();
    assert!(matches!(f.catalogue.remove_job(&id).await, Err(CatalogueError::JobState { wanted: "removed", .. })));
    f.catalogue.finish_job(&lease, &JobState::Done).await.unwrap();
    f.catalogue.remove_job(&id).await.unwrap();
    assert!(matches!(f.catalogue.job(&id).await, Err(CatalogueError::UnknownJob(_))));
}
