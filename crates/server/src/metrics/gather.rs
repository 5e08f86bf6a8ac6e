//! What is a state and not an event, read when somebody asks.

use std::collections::BTreeMap;

use catalogue::CatalogueError;
use media::CameraState;
use metrics::{counter, gauge};
use pipeline::LiveStatus;
use types::{AgencyId, CameraId, ReceiveTime};

use super::names as n;
use crate::app::App;

/// In the words of [`CameraState::as_str`].
const CAMERA_STATES: [&str; 6] = ["connecting", "live", "stalled", "offline", "paused", "revoked"];

pub(super) async fn gather(app: &App) -> Result<(), CatalogueError> {
    info();
    decoders();
    cameras(app.live.statuses());
    jobs(app).await?;
    log(app).await?;
    let feed = &app.store.feed;
    let behind = app.catalogue().last_change().await?.saturating_sub(feed.main().taken());
    gauge!(n::INDEX_LAG).set(behind as f64);
    gauge!(n::REINDEX_LEFT).set(match feed.side() {
        Some(side) => app.catalogue().last_change().await?.saturating_sub(side.taken()) as f64,
        None => 0.0,
    });
    gauge!(n::INDEX_OTHER_MODEL).set(feed.main().other_model() as f64);
    gauge!(n::INDEX_SET_ASIDE).set(feed.main().set_aside() as f64);
    let retention = app.retention.counts();
    gauge!(n::RETENTION_OVERDUE).set(retention.overdue as f64);
    counter!(n::RETENTION_DELETED).absolute(retention.deleted);
    gauge!(n::NOTIFY_WAITING).set(app.notify.waiting() as f64);
    gauge!(n::NOTIFY_OLDEST).set(app.notify.oldest(app.now()).as_secs_f64());
    gauge!(n::SIGHTINGS_STORED).set(app.catalogue().sighting_count().await? as f64);
    Ok(())
}

pub(super) fn info() {
    gauge!(n::INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

pub(super) fn decoders() {
    let media::Decoders { started, running, died } = media::decoders();
    gauge!(n::DECODERS).set(running as f64);
    counter!(n::DECODERS_STARTED).absolute(started);
    for (reason, count) in died {
        counter!(n::DECODER_DEATHS, "reason" => reason).absolute(count);
    }
    gauge!(n::DECODERS_CONFINED).set(f64::from(u8::from(media::sandboxed())));
}

pub(super) fn cameras(all: BTreeMap<CameraId, (AgencyId, LiveStatus)>) {
    let now = ReceiveTime::now().as_micros();
    for (id, (_, status)) in all {
        let camera = id.to_string();
        let count = |name: &'static str, value: u64| counter!(name, "camera" => camera.clone()).absolute(value);
        count(n::FRAMES_IN, status.frames.decoded);
        count(n::FRAMES_DETECTED, status.frames.looked_at);
        count(n::CAMERA_LOSSES, status.losses);
        for (reason, value) in [("rate", status.frames.dropped_by_rate), ("late", status.frames.dropped_late)] {
            counter!(n::FRAMES_DROPPED, "camera" => camera.clone(), "reason" => reason).absolute(value);
        }
        for (name, value) in [(n::SIGHTINGS, status.scene.sightings), (n::CROPS_REFUSED, status.scene.crops_refused)] {
            counter!(name, "camera" => camera.clone(), "origin" => "live").absolute(value);
        }
        for state in CAMERA_STATES {
            let is = f64::from(u8::from(status.state.as_str() == state));
            gauge!(n::CAMERA_STATE, "camera" => camera.clone(), "state" => state).set(is);
        }
        if let Some(last) = status.last_frame.filter(|_| status.state != CameraState::Paused) {
            let age = (now - last.as_micros()) as f64 / 1e6;
            gauge!(n::CAMERA_FRAME_AGE, "camera" => camera.clone()).set(age);
        }
        if let Some(clock) = status.clock {
            gauge!(n::CAMERA_CLOCK_OFFSET, "camera" => camera.clone()).set(clock.offset_micros as f64 / 1e6);
        }
    }
}

async fn jobs(app: &App) -> Result<(), CatalogueError> {
    let jobs = app.catalogue().job_counts().await?;
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
