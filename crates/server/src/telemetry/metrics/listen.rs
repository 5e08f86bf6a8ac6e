//! The port that Prometheus asks: plain HTTP/1.1, `GET /metrics` and nothing else, on a loopback address alone.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use catalogue::CatalogueError;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use types::Chain;

/// Durations are sorted into their buckets this often, whether anybody asks or not.
const UPKEEP: Duration = Duration::from_secs(5);
/// Connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads what is a state and not an event.
pub(crate) type Gather = Arc<dyn Fn() -> BoxFuture<'static, Result<(), CatalogueError>> + Send + Sync>;

/// Answers until `stop`.
pub(super) async fn serve(listener: TcpListener, gather: Gather, handle: PrometheusHandle, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            _ = upkeep.tick() => { handle.run_upkeep(); continue }
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (gather, handle) = (gather.clone(), handle.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(request, gather.clone(), handle.clone()));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), answer).await {
                tracing::debug!(%error, "metrics connection ended");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    gather: Gather,
    handle: PrometheusHandle,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => match gather().await {
            Ok(()) => (StatusCode::OK, handle.render()),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "metrics not gathered");
                (StatusCode::INTERNAL_SERVER_ERROR, "the catalogue does not answer\n".to_owned())
            }
        },
        _ => (StatusCode::NOT_FOUND, "GET /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(response)
}
