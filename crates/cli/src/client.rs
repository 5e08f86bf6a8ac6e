//! The connection to the server: TLS 1.3 with certificates on both sides, and errors that say what to start or fix.

use std::{error::Error, io, time::Duration};

use proto::v1::{
    admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient, case_service_client::CaseServiceClient,
    export_service_client::ExportServiceClient, footage_service_client::FootageServiceClient,
    live_service_client::LiveServiceClient, log_service_client::LogServiceClient, recorder_service_client::RecorderServiceClient,
    retention_service_client::RetentionServiceClient, search_service_client::SearchServiceClient,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::health_client::HealthClient;

use crate::{
    failure::{Failure, Outcome, library, sources},
    home::Home,
};

const CONNECT: Duration = Duration::from_secs(5);

/// One connection; its services share it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    /// `server` is `host:port`.
    pub(crate) async fn connect(home: &Home, server: &str, identity: &str) -> Outcome<Self> {
        let (certificate, key) = home.identity(identity)?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(home.authority()?))
            .identity(Identity::from_pem(certificate, key));
        let bad = |e: &(dyn Error + 'static)| {
            library("bad_address", e).hint(format!("{server:?} must be host:port, such as 127.0.0.1:7443"))
        };
        let endpoint = Endpoint::from_shared(format!("https://{server}")).map_err(|e| bad(&e))?;
        let endpoint = endpoint.connect_timeout(CONNECT).tcp_nodelay(true).tls_config(tls).map_err(|e| {
            library("bad_identity", &e).hint(format!("is the identity {identity:?} whole? `sightline init` made it"))
        })?;
        let channel = endpoint.connect().await.map_err(|e| unreachable(server, &e))?;
        Ok(Self { channel })
    }

    /// For what forwards calls without knowing them.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn cameras(&self) -> CameraServiceClient<Channel> {
        CameraServiceClient::new(self.channel.clone())
    }

    pub(crate) fn cases(&self) -> CaseServiceClient<Channel> {
        CaseServiceClient::new(self.channel.clone())
    }

    pub(crate) fn footage(&self) -> FootageServiceClient<Channel> {
        FootageServiceClient::new(self.channel.clone())
    }

    pub(crate) fn search(&self) -> SearchServiceClient<Channel> {
        SearchServiceClient::new(self.channel.clone())
    }

    pub(crate) fn export(&self) -> ExportServiceClient<Channel> {
        ExportServiceClient::new(self.channel.clone())
    }

    pub(crate) fn recorders(&self) -> RecorderServiceClient<Channel> {
        RecorderServiceClient::new(self.channel.clone())
    }

    pub(crate) fn live(&self) -> LiveServiceClient<Channel> {
        LiveServiceClient::new(self.channel.clone())
    }

    pub(crate) fn log(&self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel.clone())
    }

    pub(crate) fn retention(&self) -> RetentionServiceClient<Channel> {
        RetentionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    pub(crate) fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }
}

/// Says which of the usual things it is: nobody listens, nobody answers, or the certificates don't match.
fn unreachable(server: &str, error: &(dyn Error + 'static)) -> Failure {
    let kind = sources(error).find_map(|e| e.downcast_ref::<io::Error>().map(io::Error::kind));
    let text = sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let certificate = ["certificate", "UnknownIssuer", "invalid peer", "BadSignature", "alert"].iter().any(|w| text.contains(w));
    if certificate {
        return library("untrusted", error)
            .message(format!("the server at {server} is not of this deployment, or refuses this identity"))
            .hint("name the home folder that `sightline serve` runs on: `--home DIR`");
    }
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            Failure::new("no_server", format!("no server at {server}")).hint("start it with `sightline serve`")
        }
        _ if text.contains("timed out") || text.contains("deadline") || kind == Some(io::ErrorKind::TimedOut) => {
            Failure::new("no_server", format!("the server at {server} does not answer"))
                .hint("is the address right? `--server ADDR` names another")
        }
        _ => library("no_server", error)
            .message(format!("could not reach the server at {server}"))
            .hint("is the address right, and is it a `sightline serve`? `--server ADDR` names another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_says_how_to_start_the_server() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let failure = unreachable("127.0.0.1:1", &refused);
        assert_eq!(failure.message, "no server at 127.0.0.1:1");
        assert_eq!(failure.hint.as_deref(), Some("start it with `sightline serve`"));
    }

    #[test]
    fn a_server_of_another_deployment_is_named_as_such() {
        let failure = unreachable("h:1", &io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer"));
        assert_eq!(failure.reason, "untrusted");
        assert_eq!(failure.causes, ["invalid peer certificate: UnknownIssuer"]);
    }
}
