//! A disk that was full for a moment: what could not be written is told as such, and everything goes on once there is room.

use std::time::Duration;

use access::AuditLog as _;
use catalogue::{Catalogue, JobProgress, JobState, NewJob, TakenJob};
use sqlx::Connection as _;
use types::{JobId, ReceiveTime};

use crate::{small_disk::SmallDisk, support::*};

/// Every kind of write that a server makes.
const KINDS: [&str; 10] =
    ["entry", "notes", "sightings", "job added", "job taken", "job renewed", "job progress", "job done", "turn", "time"];

const LASTS: Duration = Duration::from_secs(60);

fn job(n: u64) -> NewJob {
    let footage = footage(u8::try_from(n % 256).unwrap());
    NewJob { camera: camera("gate"), footage, path: format!("/{n}"), start: time(START), settings: n.to_string() }
}

/// A job that is running, and its lease.
async fn taken(catalogue: &Catalogue, n: u64) -> TakenJob {
    let added = catalogue.add_job(&job(n)).await.unwrap().job().id.clone();
    let others: Vec<JobId> = Vec::new();
    loop {
        let taken = catalogue.take_job("one", LASTS, &others).await.unwrap().unwrap();
        if taken.job.id == added {
            return taken;
        }
        catalogue.finish_job(&taken.lease, &JobState::Cancelled).await.unwrap();
    }
}

async fn write(catalogue: &Catalogue, kind: &str, n: u64, running: &TakenJob) -> Result<(), Box<dyn std::error::Error>> {
    match kind {
        "entry" => _ = catalogue.append(entry()).await?,
        "notes" => {
            let sealed = access::Sealed { matter: access::Matter::Reason, salt: [7; 32], words: "why ".repeat(2_000) };
            let mut entry = entry();
            entry.detail = entry.detail.seal(sealed);
            _ = catalogue.append(entry).await?;
        }
        "sightings" => {
            let some: Vec<_> = (n * 40..n * 40 + 40).map(|n| record(n, n, 0)).collect();
            catalogue.put_sightings(&some, &running.lease.clone().into()).await?;
        }
        "job added" => drop(catalogue.add_job(&job(100_000 + n)).await?),
        "job taken" => drop(catalogue.take_job("two", LASTS, &[]).await?),
        "job renewed" => drop(catalogue.renew_jobs("one", LASTS).await?),
        "job progress" => {
            let progress = JobProgress { done: Duration::from_secs(n), total: None, sightings: n };
            assert!(catalogue.progress_job(&running.lease, progress).await?);
        }
        "job done" => {
            let state = JobState::Failed(n.to_string());
            drop(catalogue.finish_job(&running.lease, &state).await?);
        }
        "turn" => drop(catalogue.acquire_lease("t", "one", LASTS).await?),
        "time" => drop(catalogue.advance_clock(ReceiveTime::now()).await?),
        other => panic!("{other}"),
    }
    Ok(())
}

/// The error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn after_a_write_of_any_kind_found_no_room_the_next_one_works_once_there_is_some() {
    let name = "full_disk::after_a_write_of_any_kind_found_no_room_the_next_one_works_once_there_is_some";
    let Some(disk) = SmallDisk::or_again_on_one(name, 24 << 20) else { return };
    let catalogue = open(disk.path()).await;
    fill(&catalogue).await;
    let (mut refused, mut number) = (0, 0);
    for kind in KINDS {
        for but in [0, 1, 3, 6, 12, 24] {
            number += 1;
            let running = taken(&catalogue, number).await;
            // The log is begun anew, so that every write needs room.
            let mut raw = raw(disk.path()).await;
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut raw).await.unwrap();
            raw.close().await.unwrap();
            disk.fill(but);
            let mut done = false;
            match write(&catalogue, kind, number, &running).await {
                Ok(()) => done = true,
                Err(error) => {
                    let error = chain(&*error);
                    assert!(error.contains("the disk is full"), "{kind}, {but} blocks: {error}");
                    refused += 1;
                }
            }
            disk.free();
            // What was written is not written again.
            if done {
                number += 1;
            } else {
                write(&catalogue, kind, number, &running).await.unwrap_or_else(|error| {
                    panic!("{kind} does not go on after {but} blocks: {}", chain(&*error));
                });
            }
            for other in ["entry", "time", "job added"] {
                let went_on = write(&catalogue, other, 10_000 + number, &running).await;
                went_on.unwrap_or_else(|error| panic!("{other} after {kind}, {but} blocks: {}", chain(&*error)));
            }
            assert!(catalogue.audit_len().await.unwrap() > 0);
        }
    }
    assert!(refused > KINDS.len(), "the disk was hardly ever full: {refused}");
    let report = catalogue.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    catalogue.close().await;
}
