use std::{fs, path::PathBuf, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::WorkerError;

/// A link that carries nothing for so long is asked whether it lives, and given up when it does not answer.
const SILENT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);

/// Where the server is and who calls. The files are read for each connection, so that a renewed certificate is taken up.
#[derive(Debug, Clone)]
pub struct Link {
    /// `host:port`.
    pub server: String,
    /// The certificate that the server's own is signed with, PEM.
    pub authority: PathBuf,
    /// The worker's own certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why there is no connection now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Files(#[from] WorkerError),
    #[error("reach the server")]
    Transport(#[from] tonic::transport::Error),
}

impl Link {
    pub(crate) fn endpoint(&self) -> Result<Endpoint, LinkError> {
        let read = |file: &PathBuf| fs::read(file).map_err(|source| WorkerError::Read { file: file.clone(), source });
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(&self.authority)?))
            .identity(Identity::from_pem(read(&self.certificate)?, read(&self.key)?));
        let endpoint = Endpoint::from_shared(format!("https://{}", self.server))
            .map_err(|_| WorkerError::Address(self.server.clone()))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(SILENT)
            .keep_alive_timeout(SILENT)
            .keep_alive_while_idle(true);
        Ok(endpoint.tls_config(tls)?)
    }

    pub(crate) async fn connect(&self) -> Result<Channel, LinkError> {
        Ok(self.endpoint()?.connect().await?)
    }
}
