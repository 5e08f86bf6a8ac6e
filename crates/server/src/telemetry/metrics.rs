//! What is measured, for Prometheus on a port of this machine. Off unless `metrics.listen` is set: the facade then counts
//! into nothing.
//!
//! Events are counted where they happen, by `metrics::counter!` and `metrics::histogram!` under a name of [`names`]; what is
//! a state is read when somebody asks (`lifecycle/gather.rs`). A label is a camera's id or a word of a closed list: no caller, no case,
//! no sighting, no free text.

mod common;
mod listen;
pub(crate) mod names;
mod recorder;
mod worker;

use std::{net::SocketAddr, path::Path, sync::Arc};

use ::metrics::gauge;
use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use types::ReceiveTime;

pub use self::worker::WorkerMetrics;
pub(crate) use self::{
    common::{cameras, decoders, info},
    listen::Gather,
};
use deployment::certificate;

/// Why nothing is counted although it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address can't be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The counters can't be set up.
    #[error("count what happens")]
    Recorder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts to count; where it answers, and what answers there. `certificate` is what the process shows.
pub(crate) async fn answer(
    address: SocketAddr,
    certificate: &Path,
    gather: Gather,
    stop: &CancellationToken,
) -> Result<(SocketAddr, BoxFuture<'static, ()>), MetricsError> {
    let recorder = recorder::install().map_err(|e| MetricsError::Recorder(Box::new(e)))?;
    let listen = |source| MetricsError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let ends = certificate::end(certificate);
    let gather: Gather = Arc::new(move || {
        if let Some(ends) = ends {
            gauge!(names::CERTIFICATE_ENDS).set((ends - ReceiveTime::now().as_micros() / 1_000_000) as f64);
        }
        gather()
    });
    Ok((bound, listen::serve(listener, gather, recorder, stop.clone()).boxed()))
}
