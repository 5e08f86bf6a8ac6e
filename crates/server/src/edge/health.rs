//! `grpc.health.v1`.

use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthService, HealthServer},
    server::HealthReporter,
};

use crate::base::health::Health;

/// Where the parts say how they do, and the service that answers with it.
pub(crate) fn health() -> (Health, HealthServer<impl HealthService>) {
    let (reporter, service) = tonic_health::server::health_reporter();
    (Health::new(move |part, serves| Box::pin(tell(reporter.clone(), part, serves))), service)
}

async fn tell(reporter: HealthReporter, part: &'static str, serves: bool) {
    let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status(part, status).await;
}
