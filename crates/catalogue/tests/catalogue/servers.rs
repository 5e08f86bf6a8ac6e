//! Several servers on one catalogue: leases, turns, and what is refused from those that have lost theirs.

use std::{collections::BTreeSet, time::Duration};

use catalogue::{Catalogue, CatalogueError, FencingToken, JobLease, JobProgress, JobState, NewJob, ServerPosition};

use crate::{ENGINE, support::*};

const LONG: Duration = Duration::from_secs(600);
/// Over when it begins.
const OVER: Duration = Duration::ZERO;

#[expect(clippy::needless_pass_by_value, reason = "made for it")]
fn not_ours<T: std::fmt::Debug>(answer: Result<T, CatalogueError>) -> bool {
    matches!(answer, Err(CatalogueError::NotOurs { .. }))
}

async fn add_job(catalogue: &Catalogue, n: u8) {
    let path = format!("/footage/{n}.mp4");
    let job = NewJob { camera: camera("gate"), footage: footage(n), path, start: time(START), settings: String::new() };
    catalogue.add_job(&job).await.unwrap();
}

async fn take(catalogue: &Catalogue, holder: &str, lasts: Duration) -> Option<JobLease> {
    catalogue.take_job(holder, lasts, &[]).await.unwrap().map(|taken| taken.lease)
}

#[tokio::test]
async fn a_job_whose_server_is_not_heard_of_is_anothers_and_the_first_can_write_no_more() {
    let f = fixture().await;
    let (a, b) = (&f.catalogue, another(&f).await);
    add_job(a, 1).await;
    let first = take(a, "a", OVER).await.unwrap();
    let fence = FencingToken::from(first.clone());
    // Nobody else has it yet: that the lease ran out does no harm.
    a.put_sightings(&[record(1, 1, 0)], &fence).await.unwrap();
    let second = take(&b, "b", LONG).await.unwrap();
    assert_eq!((second.job(), second.epoch()), (first.job(), first.epoch() + 1));
    assert_eq!(take(a, "a", LONG).await, None);

    assert!(not_ours(a.put_sightings(&[record(4, 4, 0)], &fence).await));
    assert!(not_ours(a.discard_footage(&camera("gate"), footage(1), &fence).await));
    assert!(not_ours(a.progress_job(&first, JobProgress::default()).await));
    assert!(not_ours(a.finish_job(&first, &JobState::Done).await));
    assert!(a.renew_jobs("a", LONG).await.unwrap().is_empty());
    assert_eq!(a.sighting_count().await.unwrap(), 1);
    // The crop that was written before its row was refused is swept.
    a.sweep_orphans().await.unwrap();
    assert!(a.check().await.unwrap().is_clean());

    assert_eq!(b.renew_jobs("b", LONG).await.unwrap(), std::slice::from_ref(second.job()));
    b.put_sightings(&[record(4, 4, 0)], &second.clone().into()).await.unwrap();
    b.finish_job(&second, &JobState::Done).await.unwrap();
    assert!(not_ours(b.put_sightings(&[record(7, 7, 0)], &second.into()).await));
    assert_eq!(a.sighting_count().await.unwrap(), 2);
}

#[tokio::test]
async fn one_that_was_to_stop_when_its_server_died_is_taken_to_be_ended_and_some_can_be_left_out() {
    let f = fixture().await;
    for n in 1..=2 {
        add_job(&f.catalogue, n).await;
    }
    let dead = take(&f.catalogue, "a", OVER).await.unwrap();
    f.catalogue.cancel_job(dead.job()).await.unwrap();
    let taken = f.catalogue.take_job("b", LONG, &[]).await.unwrap().unwrap();
    assert!(taken.job.id == *dead.job() && taken.job.cancelling);
    let other = take(&f.catalogue, "b", LONG).await.unwrap();
    f.catalogue.put_back(&other).await.unwrap();
    assert_eq!(f.catalogue.take_job("b", LONG, std::slice::from_ref(other.job())).await.unwrap(), None);
    assert_eq!(take(&f.catalogue, "c", LONG).await.unwrap().job(), other.job());
    // Put back by somebody who has it no more, nothing happens.
    f.catalogue.put_back(&other).await.unwrap();
    assert_eq!(f.catalogue.job(other.job()).await.unwrap().state, JobState::Running);
}

#[tokio::test]
async fn of_many_servers_that_take_jobs_at_once_each_job_has_one() {
    let f = fixture().await;
    for n in 0..24 {
        add_job(&f.catalogue, n).await;
    }
    let mut servers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let catalogue = another(&f).await;
        servers.spawn(async move {
            let mut all = Vec::new();
            while let Some(lease) = take(&catalogue, &format!("s{n}"), LONG).await {
                all.push(lease.job().clone());
            }
            all
        });
    }
    let all: Vec<_> = servers.join_all().await.into_iter().flatten().collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (24, 24));
}

#[tokio::test]
async fn a_turn_is_one_servers_until_it_runs_out_and_its_number_says_who_came_later() {
    let f = fixture().await;
    let (a, b) = (&f.catalogue, another(&f).await);
    let first = a.acquire_lease("sweep", "a", LONG).await.unwrap().unwrap();
    assert_eq!(b.acquire_lease("sweep", "b", LONG).await.unwrap(), None);
    assert!(a.renew_lease(&first, OVER).await.unwrap());
    assert!(b.acquire_lease("watch", "b", LONG).await.unwrap().is_some());
    // Run out, but nobody's: still its own.
    assert!(a.renew_lease(&first, OVER).await.unwrap());
    let fence = FencingToken::from(first.clone());
    a.put_sightings(&[record(1, 1, 0)], &fence).await.unwrap();
    let second = b.acquire_lease("sweep", "b", LONG).await.unwrap().unwrap();
    assert_eq!(second.epoch(), first.epoch() + 1);
    assert!(not_ours(a.put_sightings(&[record(2, 2, 0)], &fence).await));
    assert!(!a.renew_lease(&first, LONG).await.unwrap());
    a.release_lease(&first).await.unwrap();
    assert_eq!(a.acquire_lease("sweep", "a", LONG).await.unwrap(), None);
    assert!(b.publish_progress(&second, b"busy").await.unwrap());
    assert!(!a.publish_progress(&first, b"mine").await.unwrap());
    assert_eq!(a.read_progress("sweep").await.unwrap().as_deref(), Some(&b"busy"[..]));
    b.release_lease(&second).await.unwrap();
    assert_eq!(a.read_progress("sweep").await.unwrap(), None);
    let third = a.acquire_lease("sweep", "a", LONG).await.unwrap().unwrap();
    assert_eq!(third.epoch(), first.epoch() + 2);
    // Taken again by the same, and what comes late of the time before changes nothing.
    let fourth = a.acquire_lease("sweep", "a", LONG).await.unwrap().unwrap();
    a.release_lease(&third).await.unwrap();
    assert!(!a.renew_lease(&third, LONG).await.unwrap() && a.renew_lease(&fourth, LONG).await.unwrap());
    assert_eq!(b.acquire_lease("sweep", "b", LONG).await.unwrap(), None);
}

#[tokio::test]
async fn tombstones_and_purges_stay_until_every_server_that_is_there_has_them() {
    let f = fixture().await;
    let c = &f.catalogue;
    assert!(!c.heartbeat("a", ServerPosition::default(), LONG).await.unwrap());
    assert!(c.heartbeat("a", ServerPosition::default(), LONG).await.unwrap());
    assert!(!c.heartbeat("b", ServerPosition::default(), LONG).await.unwrap());
    put(c, &[record(1, 1, 0)]).await.unwrap();
    discard(c, &[id(1)]).await.unwrap();
    let day = record(1, 1, 0).sighting.day();
    let purge = c.announce_purge(day).await.unwrap();
    assert_eq!(c.tombstone_horizon().await.unwrap(), purge);
    let last = c.last_change().await.unwrap();
    assert!(c.heartbeat("a", ServerPosition { synced: last, purged: purge }, LONG).await.unwrap());
    assert_eq!(c.forget_tombstones(last).await.unwrap(), 0, "b has not heard of it");
    c.forget_purges(purge).await.unwrap();
    assert_eq!(c.purges_since(0).await.unwrap(), [(purge, day)]);
    // One that is not heard of any more is not waited for, and is told so when it comes back.
    c.heartbeat("b", ServerPosition::default(), OVER).await.unwrap();
    assert_eq!(c.live_servers().await.unwrap().len(), 1);
    assert_eq!(c.forget_tombstones(last).await.unwrap(), 1);
    c.forget_purges(purge).await.unwrap();
    assert!(c.purges_since(0).await.unwrap().is_empty());
    assert!(!c.heartbeat("b", ServerPosition::default(), LONG).await.unwrap());
    c.deregister_server("b").await.unwrap();
    assert_eq!(c.live_servers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_published_is_one_servers_to_change_at_a_time() {
    let f = fixture().await;
    let (a, b) = (&f.catalogue, another(&f).await);
    let mine = a.publish().await.unwrap();
    if ENGINE == Engine::Sqlite {
        // There is one server, which has its files.
        mine.finish("first").await.unwrap();
        assert_eq!(a.publish().await.unwrap().note(), None);
        return;
    }
    assert_eq!(mine.note(), None);
    let waits = tokio::spawn(async move { b.publish().await.unwrap().note().map(str::to_owned) });
    tokio::task::yield_now().await;
    mine.finish("first").await.unwrap();
    assert_eq!(waits.await.unwrap().as_deref(), Some("first"));
    // Given up, nothing is changed.
    drop(a.publish().await.unwrap());
    assert_eq!(a.publish().await.unwrap().note(), Some("first"));
}

/// Takes the names of migration 0020 back.
const OLD_NAMES: &str = "ALTER TABLE cluster_lease RENAME COLUMN progress TO said;
     ALTER TABLE cluster_lease RENAME TO turn;
     ALTER TABLE held_sighting RENAME TO held;
     DELETE FROM _sqlx_migrations WHERE version = 20;";
/// PostgreSQL has names of keys and checks as well.
const OLD_CONSTRAINTS: &str = "ALTER TABLE turn RENAME CONSTRAINT cluster_lease_pkey TO turn_pkey;
     ALTER TABLE turn RENAME CONSTRAINT cluster_lease_epoch_check TO turn_epoch_check;
     ALTER TABLE held RENAME CONSTRAINT held_sighting_pkey TO held_pkey;
     ALTER TABLE held RENAME CONSTRAINT held_sighting_id_check TO held_id_check;";

#[tokio::test]
async fn leases_and_held_sightings_of_an_older_version_are_found_under_their_new_names() {
    let f = fixture().await;
    let lease = f.catalogue.acquire_lease("sweep", "a", LONG).await.unwrap().unwrap();
    assert!(f.catalogue.publish_progress(&lease, b"7").await.unwrap());
    put(&f.catalogue, &[record(1, 1, 0)]).await.unwrap();
    f.catalogue.close().await;
    let mut raw = raw(f.dir.path()).await;
    sqlx::raw_sql("INSERT INTO held_sighting (id, case_id) SELECT id, 'c-1' FROM sighting").execute(&mut raw).await.unwrap();
    sqlx::raw_sql(OLD_NAMES).execute(&mut raw).await.unwrap();
    if ENGINE == Engine::Postgres {
        sqlx::raw_sql(OLD_CONSTRAINTS).execute(&mut raw).await.unwrap();
    }
    sqlx::Connection::close(raw).await.unwrap();

    let catalogue = open(f.dir.path()).await;
    assert_eq!(catalogue.read_progress("sweep").await.unwrap().as_deref(), Some(&b"7"[..]));
    assert_eq!(catalogue.acquire_lease("sweep", "b", LONG).await.unwrap(), None);
    assert!(catalogue.renew_lease(&lease, LONG).await.unwrap());
    assert_eq!(catalogue.held_count().await.unwrap(), 1);
    catalogue.close().await;
}
