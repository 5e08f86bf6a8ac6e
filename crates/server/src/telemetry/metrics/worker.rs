//! What a worker at an agency answers Prometheus: its cameras, and the spool between it and the server.

use std::{net::SocketAddr, path::Path, sync::Arc};

use futures::FutureExt;
use ingest::{Reader, Readings};
use metrics::{counter, gauge};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use types::ReceiveTime;

use super::{
    Gather, MetricsError, answer,
    common::{cameras as tell_cameras, decoders, info},
    names as n,
};

/// Answers until it is stopped or dropped.
#[derive(Debug)]
pub struct WorkerMetrics {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl WorkerMetrics {
    /// Listens on an address of this machine; `certificate` is what the worker shows its server.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn start(address: SocketAddr, certificate: &Path, reader: Reader) -> Result<Self, MetricsError> {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let gather: Gather = Arc::new(move || {
            let reader = reader.clone();
            async move {
                // The oldest record is read from the disk. Without an answer the last one counts.
                if let Ok(readings) = tokio::task::spawn_blocking(move || reader.read()).await {
                    tell(readings);
                }
                Ok(())
            }
            .boxed()
        });
        let (address, serving) = answer(address, certificate, gather, &stop).await?;
        tasks.spawn(serving);
        Ok(Self { address, stop, tasks })
    }

    /// Where it answers, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers no more; returns once it has stopped.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn tell(readings: Readings) {
    let Readings { cameras, spool, oldest, refused } = readings;
    info();
    decoders();
    tell_cameras(cameras);
    gauge!(n::QUEUE_DEPTH, "queue" => "spool").set(spool.waiting as f64);
    gauge!(n::SPOOL_BYTES).set(spool.bytes as f64);
    gauge!(n::SPOOL_LIMIT).set(spool.limit as f64);
    counter!(n::SPOOL_REFUSED).absolute(spool.refused);
    let now = ReceiveTime::now().as_micros();
    gauge!(n::SPOOL_OLDEST).set(oldest.map_or(0.0, |seen| (now - seen.as_micros()).max(0) as f64 / 1e6));
    counter!(n::SIGHTINGS_REFUSED).absolute(refused);
}
