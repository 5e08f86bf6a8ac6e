//! What is a state and not an event, read when somebody asks.

use std::{net::SocketAddr, path::Path, sync::Arc};

use catalogue::CatalogueError;
use futures::FutureExt;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use super::supervise::Parts;
use crate::{
    edge::app::App,
    telemetry::metrics::{Gather, MetricsError, answer, cameras, decoders, info, names as n},
};

/// Starts to count and to answer whoever asks about a server; where.
pub(crate) async fn start(
    address: SocketAddr,
    certificate: &Path,
    app: &Arc<App>,
    stop: &CancellationToken,
    tasks: &mut Parts,
) -> Result<SocketAddr, MetricsError> {
    let app = app.clone();
    let read: Gather = Arc::new(move || {
        let app = app.clone();
        async move { gather(&app).await }.boxed()
    });
    let (bound, serving) = answer(address, certificate, read, stop).await?;
    tasks.spawn("the metrics port", serving);
    Ok(bound)
}

async fn gather(app: &App) -> Result<(), CatalogueError> {
    info();
    decoders();
    cameras(app.live.statuses());
    jobs(app).await?;
    log(app).await?;
    let feed = &app.store.feed;
    let behind = app.catalogue().last_change().await?.saturating_sub(feed.active().applied_seq());
    gauge!(n::INDEX_LAG).set(behind as f64);
    gauge!(n::REINDEX_LEFT).set(match feed.shadow() {
        Some(shadow) => app.catalogue().last_change().await?.saturating_sub(shadow.applied_seq()) as f64,
        None => 0.0,
    });
    gauge!(n::INDEX_OTHER_MODEL).set(feed.active().other_model() as f64);
    gauge!(n::INDEX_SET_ASIDE).set(feed.active().set_aside() as f64);
    let retention = app.retention.counts();
    gauge!(n::RETENTION_OVERDUE).set(retention.overdue as f64);
    counter!(n::RETENTION_DELETED).absolute(retention.deleted);
    gauge!(n::NOTIFY_WAITING).set(app.notify.waiting() as f64);
    gauge!(n::NOTIFY_OLDEST).set(app.notify.oldest(app.now()).as_secs_f64());
    gauge!(n::SIGHTINGS_STORED).set(app.catalogue().sighting_count().await? as f64);
    Ok(())
}

async fn jobs(app: &App) -> Result<(), CatalogueError> {
    let jobs = app.catalogue().job_counts(None).await?;
    let counted = [
        ("queued", jobs.queued),
        ("running", jobs.running),
        ("done", jobs.done),
        ("failed", jobs.failed),
        ("cancelled", jobs.cancelled),
    ];
    for (state, count) in counted {
        gauge!(n::JOBS, "state" => state).set(count as f64);
        if state == "queued" {
            gauge!(n::QUEUE_DEPTH, "queue" => "jobs").set(count as f64);
        }
    }
    let (mut left, mut speed) = (0.0, 0.0);
    for job in app.catalogue().running_jobs().await? {
        let Some(progress) = app.jobs.live(&job.id).and_then(|live| live.progress) else { continue };
        left += progress.total.unwrap_or_default().saturating_sub(progress.done).as_secs_f64();
        speed += progress.speed();
    }
    gauge!(n::FOOTAGE_LEFT).set(left);
    gauge!(n::FOOTAGE_SPEED).set(speed);
    Ok(())
}

async fn log(app: &App) -> Result<(), CatalogueError> {
    let measures = app.store.log.measures();
    let entries = app.catalogue().audit_len().await?;
    gauge!(n::LOG_ENTRIES).set(measures.entries as f64);
    gauge!(n::LOG_UNPUBLISHED).set(entries.saturating_sub(measures.entries) as f64);
    for (which, count) in [("configured", measures.configured), ("wanted", measures.quorum), ("signed", measures.cosigned)] {
        gauge!(n::WITNESSES, "which" => which).set(count as f64);
    }
    gauge!(n::WITNESS_MISSING).set(measures.missing.unwrap_or_default().as_secs_f64());
    gauge!(n::WITNESS_CONTRADICTED).set(f64::from(u8::from(measures.contradicted)));
    Ok(())
}
