//! Attacks with certificates, and by asking too much.

use std::{fs, sync::Arc, time::Duration};

use access::Caller;
use deployment::{Home, InitOptions, issue};
use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    search_service_client::SearchServiceClient,
};
use server::{Config, OfflineIdentities, TurnedAway, turned_away};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};
use tonic::{Code, transport::Identity};

use crate::{
    harness::{Deployed, connect, told},
    seen,
};

/// Whether a handshake with this version and identity comes to the first answer.
async fn handshake(deployed: &Deployed, version: &'static SupportedProtocolVersion, identity: bool) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(deployed.home.authority()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if identity {
        let (certificate, key) = deployed.home.identity("operator");
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(deployed.address()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let Ok(mut tls) = TlsConnector::from(Arc::new(config)).connect(name, tcp).await else { return false };
    // In TLS 1.3 the client learns only with the first bytes that its certificate was not taken.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let _ = tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    tls.read_u8().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_tls_1_3_with_a_certificate_comes_to_an_answer() {
    let deployed = Deployed::start().await;
    assert!(handshake(&deployed, &TLS13, true).await);
    assert!(!handshake(&deployed, &TLS12, true).await);
    assert!(!handshake(&deployed, &TLS13, false).await);
    // Plain text.
    let plain = tonic::transport::Endpoint::from_shared(format!("http://{}", deployed.address())).unwrap();
    let called = match plain.connect().await {
        Ok(channel) => AdminServiceClient::new(channel).status(v1::StatusRequest {}).await.map(drop).map_err(drop),
        Err(_) => Err(()),
    };
    assert!(called.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_turned_away_and_that_is_on_the_record() {
    let deployed = Deployed::start().await;
    let dir = tempfile::tempdir().unwrap();
    let other = Home::new(dir.path().join("other"));
    deployment::init(&other, server::TEMPLATE, &InitOptions::default()).unwrap();
    let (certificate, key) = other.identity("operator");
    let identity = Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap());
    if let Ok(channel) = connect(&deployed, Some(identity)).await {
        assert!(AdminServiceClient::new(channel).status(v1::StatusRequest {}).await.is_err());
    }
    // The entry is made by a task of its own.
    let noted = async {
        while !deployed.record().await.contains(&("connect".into(), "untrusted".into())) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noted).await.unwrap();
}

fn serial(home: &Home, name: &str) -> v1::RevokeCertificateRequest {
    let issued = home.issued_to(name).unwrap();
    v1::RevokeCertificateRequest { serial: issued.serial, uri: issued.uri }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_on_a_connection_that_is_open_and_after_a_restart() {
    let mut deployed = Deployed::with_cameras().await;
    let mut open = CameraServiceClient::new(deployed.channel("investigator").await);
    open.list_cameras(v1::ListCamerasRequest::default()).await.unwrap();

    let request = serial(&deployed.home, "investigator");
    let status = AdminServiceClient::new(deployed.channel("investigator").await).revoke_certificate(request.clone()).await;
    assert_eq!(told(&status.unwrap_err()), (Code::PermissionDenied, "role".into()));
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    // One that nobody has, and somebody's under another name.
    let auditor = serial(&deployed.home, "auditor");
    let unknown = v1::RevokeCertificateRequest { serial: "7f".into(), ..request.clone() };
    let other = v1::RevokeCertificateRequest { uri: auditor.uri, ..request.clone() };
    for wrong in [unknown, other] {
        let status = admin.revoke_certificate(wrong).await.unwrap_err();
        assert_eq!(told(&status), (Code::NotFound, "unknown_serial".into()));
    }
    admin.revoke_certificate(request.clone()).await.unwrap();

    let status = open.list_cameras(v1::ListCamerasRequest::default()).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unauthenticated, "identity_revoked".into()));
    let listed = admin.list_revocations(v1::ListRevocationsRequest {}).await.unwrap().into_inner().revocations;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].serial, listed[0].revoked_by.as_ref().unwrap().name.as_str()), (&request.serial, "operator"));

    deployed.stop().await;
    deployed.again().await;
    let address = format!("localhost:{}", deployed.address().port());
    assert_eq!(turned_away(&deployed.home, &address, "investigator").await, Some(TurnedAway::Revoked));
    assert_eq!(turned_away(&deployed.home, &address, "operator").await, None);
    let record = deployed.record().await;
    for entry in [
        ("identity.revoke", "role"),
        ("identity.revoke", "unknown_serial"),
        ("identity.revoke", "done"),
        ("camera.list", "identity_revoked"),
    ] {
        assert!(record.contains(&(entry.0.into(), entry.1.into())), "{entry:?}: {record:?}");
    }

    // Another certificate for the same person is another certificate.
    deployed.home.put_aside("investigator").unwrap();
    let caller = Caller::from_uri(&request.uri).unwrap();
    issue(&deployed.home, &caller, 1, None).unwrap();
    let mut anew = CameraServiceClient::new(deployed.channel("investigator").await);
    anew.list_cameras(v1::ListCamerasRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_revoked_at_the_home_folder_while_no_server_runs_and_that_is_on_the_record() {
    let mut deployed = Deployed::with_cameras().await;
    let config = Config::load(&deployed.home.config()).unwrap();
    assert!(OfflineIdentities::open(&deployed.home, &config).await.is_err(), "a server has the folder open");
    deployed.stop().await;
    let issued = deployed.home.issued_to("investigator").unwrap();
    let offline = OfflineIdentities::open(&deployed.home, &config).await.unwrap();
    offline.revoke(&issued.serial, &issued.caller().unwrap()).await.unwrap();
    offline.close().await.unwrap();
    deployed.again().await;
    let address = format!("localhost:{}", deployed.address().port());
    assert_eq!(turned_away(&deployed.home, &address, "investigator").await, Some(TurnedAway::Revoked));
    assert_eq!(turned_away(&deployed.home, &address, "operator").await, None);
    assert!(deployed.record().await.contains(&("identity.revoke".into(), "done".into())));
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_stream_ends_when_the_certificate_of_its_reader_is_revoked() {
    let deployed = Deployed::configured("", async |home: &Home| drop(seen::cars(home, 100).await)).await;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let request = v1::SearchRequest {
        case_id: "k".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit: 1000,
        include_crops: true,
        ..Default::default()
    };
    let mut results = SearchServiceClient::new(deployed.channel_of_window("investigator", 65_535).await)
        .search(request)
        .await
        .unwrap()
        .into_inner();
    results.message().await.unwrap().unwrap();
    let request = serial(&deployed.home, "investigator");
    AdminServiceClient::new(deployed.channel("operator").await).revoke_certificate(request).await.unwrap();
    let mut read = 1;
    let status = loop {
        match results.message().await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("the stream went on to its end"),
            Err(status) => break status,
        }
    };
    assert!(read < 100, "{read}");
    assert_eq!(told(&status), (Code::Unauthenticated, "identity_revoked".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up() {
    let few = "[callers]\ncalls_per_second = 0.5\nburst = 5\n";
    let deployed = Deployed::configured(few, async |_: &Home| {}).await;
    let mut flood = CameraServiceClient::new(deployed.channel("investigator").await);
    let mut refused = 0;
    for _ in 0..20 {
        if let Err(status) = flood.list_cameras(v1::ListCamerasRequest::default()).await {
            assert_eq!(told(&status), (Code::ResourceExhausted, "rate".into()));
            let wait: u64 = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
            assert!((1..=2000).contains(&wait), "{wait}");
            refused += 1;
        }
    }
    // Five at once, and one more every two seconds, however slow this machine is.
    assert!(refused > 0, "nobody was refused");
    let mut other = CameraServiceClient::new(deployed.channel("operator").await);
    other.list_cameras(v1::ListCamerasRequest::default()).await.unwrap();
    // Once for many: a flood of calls is not a flood of entries.
    let noted = deployed.record().await.iter().filter(|e| **e == ("camera.list".into(), "rate".into())).count();
    assert!((1..=refused).contains(&noted), "{noted}");
}
