//! Spans to a collector, by OTLP over gRPC. Off unless `traces.otlp` is set.
//!
//! A span says which call or job ran, for how long, on which camera. Log lines are no part of it: they may quote a path or a
//! reason. Whatever the collector does, nothing waits for it; spans that it does not take in time are lost.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// Why there are no spans although they were asked for.
#[derive(Debug, thiserror::Error)]
#[error("make spans for the collector")]
pub struct TraceError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Whose spans are told; those of the libraries speak of addresses and would never end telling of themselves.
const OURS: [&str; 6] = ["server", "pipeline", "search", "catalogue", "index", "media"];

/// Sends spans until it is shut.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Within a Tokio runtime. Connects when there is something to send, and again whenever the collector comes back.
    ///
    /// # Errors
    /// [`TraceError`] where the address is none.
    pub fn new(otlp: &str) -> Result<Self, TraceError> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(otlp).build();
        let exporter = exporter.map_err(|e| TraceError(Box::new(e)))?;
        let resource = Resource::builder().with_service_name("sightline").build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// What a subscriber needs to tell of its spans.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        // The span of a task lasts as long as the server and would never be told.
        let told = |m: &Metadata<'_>| m.is_span() && m.name() != tasks::SPAN && *m.level() <= Level::INFO && ours(m.target());
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("sightline")).with_filter(filter_fn(told))
    }

    /// Sends what is left; blocks for some seconds at most. Not on a thread of the runtime: the sending needs it.
    pub fn shut(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(std::time::Duration::from_secs(3)) {
            tracing::warn!(%error, "spans not sent");
        }
    }
}

fn ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or_default())
}
