//! Nobody holds a place before it is known who they are, and then only so many.

use std::{sync::Arc, time::Duration};

use proto::v1::{self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::TLS13,
    },
};

use tonic::Code;

use crate::harness::Deployed;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Far more than any wait that the server makes; only a server that is held up for good runs into it.
const LONG: Duration = Duration::from_secs(120);

fn config(deployed: &Deployed, identity: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(deployed.home.authority()).unwrap()).unwrap();
    let (certificate, key) = deployed.home.identity(identity);
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A connection whose client side of the handshake is done.
async fn tls(deployed: &Deployed, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(deployed.address()).await.unwrap();
    TlsConnector::from(config.clone()).connect("localhost".try_into().unwrap(), tcp).await.unwrap()
}

/// As [`tls`], with HTTP/2 begun and the server's first word read.
async fn begun(deployed: &Deployed, config: &Arc<ClientConfig>) -> (TlsStream<TcpStream>, [u8; 9]) {
    let mut open = tls(deployed, config).await;
    open.write_all(PREFACE).await.unwrap();
    let mut first = [0; 9];
    open.read_exact(&mut first).await.unwrap();
    (open, first)
}

/// What comes until the other end closes, and how it closes.
async fn rest(open: &mut TlsStream<TcpStream>) -> (String, String) {
    let mut read = Vec::new();
    let ended = tokio::time::timeout(LONG, open.read_to_end(&mut read)).await.expect("the connection stays open");
    (String::from_utf8_lossy(&read).into_owned(), ended.map_or_else(|e| e.to_string(), |_| "closed".to_owned()))
}

/// That somebody is served, while whatever else is open stays open.
async fn is_served(deployed: &Deployed, identity: &str) {
    let call = async {
        let mut cameras = CameraServiceClient::new(deployed.channel(identity).await);
        cameras.list_cameras(v1::ListCamerasRequest::default()).await.unwrap();
    };
    tokio::time::timeout(LONG, call).await.expect("nobody else is served");
}

async fn revoke(deployed: &Deployed, name: &str) {
    let issued = deployed.home.issued_to(name).unwrap();
    let request = v1::RevokeCertificateRequest { serial: issued.serial, uri: issued.uri };
    AdminServiceClient::new(deployed.channel("operator").await).revoke_certificate(request).await.unwrap();
}

async fn until_on_record(deployed: &Deployed, entry: (&str, &str)) {
    let noted = async {
        while !deployed.record().await.contains(&(entry.0.into(), entry.1.into())) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, noted).await.expect("it is not on the record");
}

async fn server(more: &str) -> Deployed {
    Deployed::configured(more, async |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_silent_connections_keep_nobody_waiting() {
    // With two places each of them would have had its own for seconds.
    let deployed = server("[server]\nmax_connections = 2\n").await;
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(TcpStream::connect(deployed.address()).await.unwrap());
    }
    is_served(&deployed, "operator").await;
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_after_its_handshake_holds_no_place_and_is_cut() {
    let deployed = server("[server]\nmax_connections = 2\n").await;
    let config = config(&deployed, "investigator");
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tls(&deployed, &config).await);
    }
    is_served(&deployed, "operator").await;
    for open in &mut silent {
        assert_eq!(rest(open).await.0, "");
    }
    // Nor one that speaks something else.
    let mut other = tls(&deployed, &config).await;
    other.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut other).await.0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_in_the_handshake_and_its_open_connections_end() {
    let deployed = server("[server]\nmax_connections = 4\n").await;
    let config = config(&deployed, "investigator");
    let mut before = vec![begun(&deployed, &config).await.0, begun(&deployed, &config).await.0];
    revoke(&deployed, "investigator").await;
    let mut after = Vec::new();
    for _ in 0..20 {
        let mut open = tls(&deployed, &config).await;
        let _ = open.write_all(PREFACE).await;
        after.push(open);
    }
    is_served(&deployed, "operator").await;
    for open in &mut after {
        let (said, how) = rest(open).await;
        assert!(said.is_empty() && how.contains("CertificateRevoked"), "{said} {how}");
    }
    // One that was open then gives its place back.
    for open in &mut before {
        rest(open).await;
    }
    until_on_record(&deployed, ("connect", "identity_revoked")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_cut_off_on_an_open_connection_and_refused_in_the_handshake() {
    let deployed = server("[retention]\nclock_leap_days = 7\n").await;
    let mut open = CameraServiceClient::new(deployed.channel("investigator").await);
    open.list_cameras(v1::ListCamerasRequest::default()).await.unwrap();
    let config = config(&deployed, "investigator");
    let mut idle = begun(&deployed, &config).await.0;
    deployed.clock.set_wrong(92 * 86_400);
    let status = open.list_cameras(v1::ListCamerasRequest::default()).await.unwrap_err();
    // The connection is cut a little later: on a slow machine that may be first.
    let over = status.code() == Code::Cancelled || status.code() == Code::Unavailable || status.code() == Code::Unknown;
    assert!(proto::reason(&status) == Some("identity_expired") || over, "{status:?}");
    rest(&mut idle).await;
    let mut anew = tls(&deployed, &config).await;
    let _ = anew.write_all(PREFACE).await;
    let (said, how) = rest(&mut anew).await;
    assert!(said.is_empty() && how.contains("CertificateExpired"), "{said} {how}");
    deployed.clock.set_wrong(0);
    is_served(&deployed, "investigator").await;
    until_on_record(&deployed, ("connect", "identity_expired")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_resumed_without_a_look_at_the_certificate() {
    let deployed = server("").await;
    let config = config(&deployed, "investigator");
    for _ in 0..3 {
        let (open, _) = begun(&deployed, &config).await;
        assert_eq!(open.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_and_an_address_have_only_so_many_connections_and_are_told_so() {
    let few = "[server]\nmax_connections_per_address = 3\n[callers]\nconnections = 2\n";
    let deployed = server(few).await;
    let (ada, bob) = (config(&deployed, "investigator"), config(&deployed, "auditor"));
    let first = begun(&deployed, &ada).await;
    let _second = begun(&deployed, &ada).await;
    let mut third = begun(&deployed, &ada).await.0;
    let (said, _) = rest(&mut third).await;
    assert!(said.contains("too many connections of this caller"), "{said:?}");
    let _another = begun(&deployed, &bob).await;
    let mut fourth = begun(&deployed, &config(&deployed, "operator")).await.0;
    let (said, _) = rest(&mut fourth).await;
    assert!(said.contains("too many connections from this address"), "{said:?}");
    // A place that is given back is free, as soon as the server has seen it.
    drop(first);
    let served = async {
        loop {
            let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
            if cameras.list_cameras(v1::ListCamerasRequest::default()).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, served).await.expect("the place was not given back");
}
