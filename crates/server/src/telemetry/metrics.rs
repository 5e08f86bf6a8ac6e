//! What is measured, for Prometheus on a port of this machine. Off unless `metrics.listen` is set: the facade then counts
//! into nothing.
//!
//! Events are counted where they happen, by `metrics::counter!` and `metrics::histogram!` under a name of [`names`]; what is
//! a state is read when somebody asks (`gather.rs`). A label is a camera's id or a word of a closed list: no caller, no case,
//! no sighting, no free text.

mod gather;
mod listen;
pub(crate) mod names;
mod recorder;
mod worker;

use std::{net::SocketAddr, path::Path, sync::Arc};

use ::metrics::gauge;
use catalogue::CatalogueError;
use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use types::ReceiveTime;

pub use self::worker::WorkerMetrics;
use crate::{
    edge::{app::App, tls},
    lifecycle::supervise::Parts,
};

/// Why nothing is counted although it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("count what happens")]
    Recorder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads what is a state and not an event.
type Gather = Arc<dyn Fn() -> BoxFuture<'static, Result<(), CatalogueError>> + Send + Sync>;

/// Starts to count and to answer whoever asks about a server; where.
pub(crate) async fn start(
    address: SocketAddr,
    certificate: &Path,
    app: &Arc<App>,
    stop: &CancellationToken,
    tasks: &mut Parts,
) -> Result<SocketAddr, MetricsError> {
    let app = app.clone();
    let gather: Gather = Arc::new(move || {
        let app = app.clone();
        async move { gather::gather(&app).await }.boxed()
    });
    let (bound, serving) = answer(address, certificate, gather, stop).await?;
    tasks.spawn("the metrics port", serving);
    Ok(bound)
}

/// Where it answers, and what answers there. `certificate` is what the process shows.
async fn answer(
    address: SocketAddr,
    certificate: &Path,
    gather: Gather,
    stop: &CancellationToken,
) -> Result<(SocketAddr, BoxFuture<'static, ()>), MetricsError> {
    let recorder = recorder::install().map_err(|e| MetricsError::Recorder(Box::new(e)))?;
    let listen = |source| MetricsError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let ends = tls::end(certificate);
    let gather: Gather = Arc::new(move || {
        if let Some(ends) = ends {
            gauge!(names::CERTIFICATE_ENDS).set((ends - ReceiveTime::now().as_micros() / 1_000_000) as f64);
        }
        gather()
    });
    Ok((bound, listen::serve(listener, gather, recorder, stop.clone()).boxed()))
}
