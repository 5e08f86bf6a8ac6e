//! What answers on a connection: every service of the contract, health and reflection.

use std::{sync::Arc, time::Duration};

use proto::v1::{
    admin_service_server::AdminServiceServer, camera_service_server::CameraServiceServer, case_service_server::CaseServiceServer,
    export_service_server::ExportServiceServer, footage_service_server::FootageServiceServer,
    ingest_service_server::IngestServiceServer, live_service_server::LiveServiceServer, log_service_server::LogServiceServer,
    recorder_service_server::RecorderServiceServer, retention_service_server::RetentionServiceServer,
    search_service_server::SearchServiceServer,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use types::Chain;

use super::{
    app::App,
    front::FrontLayer,
    guard::GuardLayer,
    services::Api,
    tls::{Handshakes, PeerStream},
};

/// Why nothing answers, or nothing does any more.
pub(crate) type ListenError = Box<dyn std::error::Error + Send + Sync>;

/// Serves on the connections that come, until the server stops; calls under way end first.
///
/// # Errors
/// The services can't be described for reflection.
pub(crate) fn serve(
    app: &Arc<App>,
    handshakes: Arc<Handshakes>,
    health: HealthServer<impl HealthService>,
    connections: mpsc::Receiver<std::io::Result<PeerStream>>,
) -> Result<impl Future<Output = Result<(), ListenError>> + Send + 'static, ListenError> {
    let (api, limit) = (Api(app.clone()), app.config.max_request_bytes);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = tonic::transport::Server::builder()
        .layer(FrontLayer::new(app.clone(), handshakes))
        .layer(GuardLayer(app.clone()))
        .max_concurrent_streams(app.config.max_streams)
        .timeout(app.config.request_timeout)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(SearchServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(CameraServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(CaseServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(FootageServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(RecorderServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(LiveServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(IngestServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(AdminServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(RetentionServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(ExportServiceServer::new(api.clone()).max_decoding_message_size(limit))
        .add_service(LogServiceServer::new(api).max_decoding_message_size(limit))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    let until = app.stop.clone();
    Ok(async move {
        router.serve_with_incoming_shutdown(ReceiverStream::new(connections), until.cancelled_owned()).await.map_err(Into::into)
    })
}

/// Answers `grpc.health.v1` alone, without TLS, until `stop`.
pub(crate) async fn serve_health(listener: TcpListener, health: HealthServer<impl HealthService>, stop: CancellationToken) {
    let only_health = tonic::transport::Server::builder().add_service(health);
    let served = only_health.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled());
    if let Err(error) = served.await {
        tracing::error!(error = %Chain(&error), "health port ended");
    }
}
