//! As much of an HTTP client as asking a witness and telling a receiver take: one POST, one short answer. It follows no redirect.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// An answer is a line or two.
const MAX_ANSWER: usize = 64 << 10;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The answer's status and text.
pub(crate) async fn post(uri: &Uri, body: String, limit: Duration) -> Result<(StatusCode, String), Failed> {
    let post = Post { content: "text/plain; charset=utf-8", headers: &[], body, tls: None };
    let (status, body) = sent(uri, post, limit).await?;
    Ok((status, String::from_utf8(body.to_vec())?))
}

/// What is posted.
pub(crate) struct Post<'a> {
    pub(crate) content: &'static str,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: String,
    /// Whom to believe over https; `None`: the public authorities.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// The answer's status alone.
pub(crate) async fn tell(uri: &Uri, post: Post<'_>, limit: Duration) -> Result<StatusCode, Failed> {
    Ok(sent(uri, post, limit).await?.0)
}

/// Believes these authorities.
pub(crate) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, tokio_rustls::rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn sent(uri: &Uri, post: Post<'_>, limit: Duration) -> Result<(StatusCode, Bytes), Failed> {
    tokio::time::timeout(limit, send(uri, post)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn send(uri: &Uri, post: Post<'_>) -> Result<(StatusCode, Bytes), Failed> {
    let host = uri.host().ok_or("the address names no host")?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((bare, port)).await?;
    let mut request = Request::post(uri.path_and_query().map_or("/", |p| p.as_str()))
        .header(header::HOST, uri.authority().map_or(host, |a| a.as_str()))
        .header(header::CONTENT_TYPE, post.content);
    for (name, value) in post.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(post.body)))?;
    if tls {
        let config = match post.tls {
            Some(config) => config,
            None => trusting(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())?,
        };
        let name = ServerName::try_from(bare.to_owned())?;
        exchange(TlsConnector::from(config).connect(name, tcp).await?, request).await
    } else {
        exchange(tcp, request).await
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tasks::spawn("an http connection", connection);
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        Ok((status, body))
    };
    let answer = answer.await;
    connection.abort();
    answer
}
