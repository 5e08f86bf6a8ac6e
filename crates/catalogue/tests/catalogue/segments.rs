use std::time::Duration;

use catalogue::{CatalogueError, JobLease, JobState, NewJob, NewRecorder, Plan, RecorderMap, SegmentDone};
use types::{RecorderId, TimeWindow};

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
    let (guessed, damage) = (Some(Duration::from_micros(1_500_001)), Some("it ends after 8 s\ncopy it again".to_owned()));
    let (guessed, damage) = if number == 2 { (guessed, damage) } else { (None, None) };
    SegmentDone {
        number,
        frames: 100,
        detections: 30,
        sightings: 3,
        crops_refused: 1,
        unseen: u64::from(number),
        guessed,
        damage,
    }
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

#[tokio::test]
async fn where_a_recorder_had_nothing_is_known_once_and_goes_with_its_job() {
    let f = fixture().await;
    let lease = running(&f).await;
    let id = lease.job().clone();
    f.catalogue.plan_job(&lease, "a", 2).await.unwrap();
    let gap = |from: i64, to: i64| {
        let at = |seconds: i64| time(START).plus_micros(seconds * 1_000_000);
        TimeWindow::new(at(from), at(to)).unwrap()
    };
    // Those on both sides of a border are one; the same part may be looked at twice.
    for gaps in [vec![gap(50, 60)], vec![gap(10, 20), gap(30, 50)], vec![gap(10, 20), gap(30, 50)]] {
        f.catalogue.note_gaps(&lease, &gaps).await.unwrap();
    }
    assert_eq!(f.catalogue.gaps(&id).await.unwrap(), [gap(10, 20), gap(30, 60)]);
    f.catalogue.finish_job(&lease, &JobState::Done).await.unwrap();
    assert_eq!(f.catalogue.gaps(&id).await.unwrap().len(), 2);
    assert!(matches!(f.catalogue.note_gaps(&lease, &[gap(70, 80)]).await, Err(CatalogueError::NotOurs { .. })));
    f.catalogue.remove_job(&id).await.unwrap();
    assert_eq!(f.catalogue.gaps(&id).await.unwrap(), []);
}

#[tokio::test]
async fn a_recorder_is_known_with_its_recordings_until_it_is_removed() {
    let f = fixture().await;
    let new = NewRecorder {
        id: RecorderId::new("nvr-1").unwrap(),
        agency: agency("north"),
        title: "machine room".to_owned(),
        host: "http://192.0.2.9:80/onvif/device_service".to_owned(),
        sessions: 2,
        bits_per_second: Some(32_000_000),
    };
    let added = f.catalogue.add_recorder(&new).await.unwrap();
    assert_eq!((&added.spec, &f.catalogue.recorders().await.unwrap()[..]), (&new, std::slice::from_ref(&added)));
    assert!(matches!(f.catalogue.add_recorder(&new).await, Err(CatalogueError::Exists { .. })));
    let secret =
        NewRecorder { id: RecorderId::new("nvr-2").unwrap(), host: "http://u:s3cret@192.0.2.9".to_owned(), ..new.clone() };
    assert!(!format!("{:?}", f.catalogue.add_recorder(&secret).await.unwrap_err()).contains("s3cret"));
    let gate = camera("gate");
    for recording in ["a", "b", "a"] {
        f.catalogue.map_recording(&new.id, recording, Some(&gate)).await.unwrap();
    }
    f.catalogue.map_recording(&new.id, "b", None).await.unwrap();
    let map = RecorderMap { recording: "a".to_owned(), camera: gate.clone() };
    assert_eq!(f.catalogue.mapped_recordings(&new.id).await.unwrap(), [map]);
    let job = NewJob {
        camera: gate.clone(),
        footage: footage(1),
        path: "onvif-replay:nvr-1/a".to_owned(),
        start: time(START),
        settings: "fps=5".to_owned(),
    };
    f.catalogue.add_job(&job).await.unwrap();
    assert_eq!(f.catalogue.jobs_at(&gate, &job.path).await.unwrap().len(), 1);
    for (path, there) in [("onvif-replay:nvr-1/", true), ("onvif-replay:nvr/", false)] {
        assert_eq!(f.catalogue.has_jobs_under(path).await.unwrap(), there, "{path}");
    }
    f.catalogue.remove_recorder(&new.id).await.unwrap();
    assert!(matches!(f.catalogue.remove_recorder(&new.id).await, Err(CatalogueError::UnknownRecorder(_))));
    assert_eq!(f.catalogue.recorders().await.unwrap(), []);
}
