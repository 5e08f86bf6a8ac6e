//! Those who answer for cases are told what happens to them: who watches, and a configured address.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use access::log::verify_event;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use deployment::{Home, log_key};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proto::v1::{self, CaseEventKind as Kind, admin_service_client::AdminServiceClient, case_service_client::CaseServiceClient};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use server::{ServeError, Server};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};
use tonic::{Code, Streaming};

use crate::harness::{Deployed, add_identity, config, told, window};

const HOUR: Duration = Duration::from_secs(3600);
/// The home folder of a server in a process of its own; see [`the_server_that_is_killed`].
const CHILD: &str = "SIGHTLINE_TEST_NOTIFY_HOME";

/// What the receiver does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Status(u16),
    /// Closes the connection and says nothing.
    Cut,
    /// Says nothing, for good.
    Hold,
}

#[derive(Debug)]
struct Got {
    key: String,
    signature: String,
    body: String,
    taken: bool,
}

impl Got {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Receiving {
    got: Mutex<Vec<Got>>,
    /// What comes next; 200 once there is none.
    answers: Mutex<VecDeque<Answer>>,
}

/// A real HTTPS server with an authority of its own.
struct Receiver {
    address: SocketAddr,
    authority: String,
    state: Arc<Receiving>,
}

impl Receiver {
    async fn start(answers: &[Answer]) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Receiving::default());
        state.answers.lock().unwrap().extend(answers);
        let (acceptor, shared) = (TlsAcceptor::from(Arc::new(tls)), state.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request| take(state.clone(), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        Self { address, authority, state }
    }

    /// The section of the configuration, and the file beside it.
    fn configure(&self, home: &Home) {
        fs::write(home.root().join("hook.pem"), &self.authority).unwrap();
        let text =
            format!("[notify]\nurl = \"https://localhost:{}/hooks?token=s3cret\"\nca_file = \"hook.pem\"\n", self.address.port());
        fs::write(home.root().join("more.toml"), text).unwrap();
    }

    /// What it has taken, once that is so many: number and kind. A server that stops right after an event was taken tells it again
    /// with the same number, so each number counts once.
    async fn taken(&self, count: usize) -> Vec<(u64, String)> {
        loop {
            let mut taken: Vec<_> = {
                let got = self.state.got.lock().unwrap();
                let json = got.iter().filter(|g| g.taken).map(Got::json);
                json.map(|j| (j["event"].as_u64().unwrap(), j["kind"].as_str().unwrap().to_owned())).collect()
            };
            let mut seen = std::collections::BTreeSet::new();
            taken.retain(|(number, _): &(u64, String)| seen.insert(*number));
            if taken.len() >= count {
                return taken;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn take(state: Arc<Receiving>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = state.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "/hooks?token=s3cret"));
    assert_eq!(request.headers()["content-type"], "application/json");
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    let (key, signature) = (header("sightline-key"), header("sightline-signature"));
    let body = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let taken = matches!(answer, Answer::Status(200));
    state.got.lock().unwrap().push(Got { key, signature, body, taken });
    match answer {
        Answer::Status(status) => Ok(Response::builder().status(status).body(Full::default()).unwrap()),
        Answer::Cut => panic!("cut on purpose"),
        Answer::Hold => std::future::pending().await,
    }
}

async fn deployed(receiver: &Receiver) -> Deployed {
    let deployed = Deployed::configured("", async |home: &Home| receiver.configure(home)).await;
    deployed.add_cameras().await;
    deployed
}

async fn emergency(deployed: &Deployed, id: &str) -> v1::Case {
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "Polizeigesetz".into(),
        reason: "Erika is missing".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        emergency: "it is freezing".into(),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.open_case(request).await.unwrap().into_inner().case.unwrap()
}

async fn close(deployed: &Deployed, id: &str) {
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: id.into(), reason: "Erika was found".into() }).await.unwrap();
}

fn kinds(of: &[(u64, String)]) -> Vec<&str> {
    of.iter().map(|(_, kind)| kind.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_told_in_order_and_signed_though_it_fails_twice_and_learns_nothing_about_people() {
    let receiver = Receiver::start(&[Answer::Status(503), Answer::Cut, Answer::Status(200)]).await;
    let deployed = deployed(&receiver).await;
    let case = emergency(&deployed, "k").await;
    close(&deployed, "k").await;
    let taken = receiver.taken(3).await;
    assert_eq!(kinds(&taken), ["emergency", "closed", "review_due"]);
    assert!(taken.windows(2).all(|w| w[0].0 + 1 == w[1].0), "{taken:?}");
    let key = log_key(&deployed.home).unwrap();
    let got = receiver.state.got.lock().unwrap();
    // The first one three times, before any other.
    assert_eq!((got.len(), got[0].body == got[1].body, got[1].body == got[2].body), (5, true, true));
    for got in &*got {
        assert_eq!(got.key, format!("{}+{}", key.name(), hex(&key.id())));
        let signature = BASE64_STANDARD.decode(&got.signature).unwrap();
        verify_event(&key, &got.body, &signature).unwrap();
        assert!(verify_event(&key, &got.body.replace('k', "l"), &signature).is_err());
        let keys: Vec<_> = got.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["case", "deadline", "event", "kind", "purpose", "time"]);
        for word in ["Erika", "freezing", "Polizei", "investigator", "gate"] {
            assert!(!got.body.contains(word), "{}", got.body);
        }
    }
    let until = proto::capture_time("until", case.emergency_until).unwrap().to_string();
    assert_eq!((got[0].json()["case"].as_str(), got[0].json()["deadline"].as_str()), (Some("k"), Some(until.as_str())));
    assert_eq!(got[0].json()["purpose"], "missing_person");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Not a test: a server of its own, that is killed by [`a_server_that_is_killed_while_it_tells_loses_no_event`].
#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_is_killed() {
    let Some(home) = std::env::var_os(CHILD) else { return };
    let deployed = Deployed::in_home(Home::new(home)).await;
    emergency(&deployed, "k").await;
    deployed.open_case("l", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    close(&deployed, "k").await;
    // Before it has done anything more.
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    unreachable!("it was killed");
}

fn killed(home: &Path) {
    let test = "notify::the_server_that_is_killed";
    let status = Command::new(std::env::current_exe().unwrap()).args(["--exact", test]).env(CHILD, home).status().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_tells_loses_no_event() {
    let receiver = Receiver::start(&[Answer::Hold]).await;
    let mut deployed = deployed(&receiver).await;
    deployed.stop().await;
    let home = deployed.home.root().to_owned();
    tokio::task::spawn_blocking(move || killed(&home)).await.unwrap();
    assert_eq!(receiver.state.got.lock().unwrap().iter().filter(|g| g.taken).count(), 0);
    deployed.again().await;
    let taken = receiver.taken(4).await;
    assert_eq!(kinds(&taken), ["emergency", "opened", "closed", "review_due"]);
    assert!(taken.windows(2).all(|w| w[0].0 + 1 == w[1].0), "{taken:?}");
    // Once it was taken it is not told again.
    deployed.stop().await;
    deployed.again().await;
    deployed.open_case("m", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    assert_eq!(kinds(&receiver.taken(5).await)[4..], ["opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_authority_is_told_nothing_and_health_says_that_it_is_late() {
    let (receiver, other) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
    let mut deployed = Deployed::configured("", async |home: &Home| {
        receiver.configure(home);
        fs::write(home.root().join("hook.pem"), &other.authority).unwrap();
    })
    .await;
    deployed.add_cameras().await;
    let channel = deployed.channel("operator").await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let mut healthy = async || {
        let asked = tonic_health::pb::HealthCheckRequest { service: "sightline.Notify".into() };
        health.check(asked).await.unwrap().into_inner().status == 1
    };
    assert!(healthy().await);
    deployed.open_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    deployed.clock.set_ahead(HOUR);
    while healthy().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(receiver.state.got.lock().unwrap().is_empty());

    // A file without an authority is refused at the start.
    deployed.stop().await;
    fs::write(deployed.home.root().join("hook.pem"), "").unwrap();
    assert!(matches!(Server::start(&deployed.home, config(&deployed.home)).await, Err(ServeError::Hook(_))));
}

struct Watching(Streaming<v1::WatchCasesResponse>);

impl Watching {
    async fn start(deployed: &Deployed, who: &str, after: u64) -> Result<Self, tonic::Status> {
        let mut cases = CaseServiceClient::new(deployed.channel(who).await);
        Ok(Self(cases.watch_cases(v1::WatchCasesRequest { after }).await?.into_inner()))
    }

    async fn next(&mut self) -> Result<(u64, String, Kind), tonic::Status> {
        let event = self.0.message().await?.unwrap().event.unwrap();
        assert!(event.time.is_some() && event.purpose() == v1::Purpose::MissingPerson);
        Ok((event.number, event.case_id.clone(), event.kind()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorisers_and_owners_see_what_happens_to_cases_that_are_theirs_and_nobody_else_does() {
    let mut deployed = Deployed::with_cameras().await;
    add_identity(&deployed.home, "far-owner", "sightline://far/camera_owner/owner");
    for who in ["investigator", "operator", "auditor"] {
        let status = Watching::start(&deployed, who, 0).await.err().unwrap();
        assert_eq!(told(&status), (Code::PermissionDenied, "role".into()), "{who}");
    }
    let (from, to) = ("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z");
    deployed.open_case("before", "gate", from, to).await;
    let mut authoriser = Watching::start(&deployed, "authoriser", 0).await.unwrap();
    let mut owner = Watching::start(&deployed, "camera-owner", 0).await.unwrap();
    let mut far = Watching::start(&deployed, "far-owner", 0).await.unwrap();

    emergency(&deployed, "k").await;
    close(&deployed, "k").await;
    let case = deployed.open_case("l", "gate", from, to).await;
    deployed.authorise("authoriser", &case).await.unwrap();
    let mut cases = CaseServiceClient::new(deployed.channel("authoriser").await);
    cases.refuse_case(v1::RefuseCaseRequest { case_id: "k".into(), reason: "no".into() }).await.unwrap();
    // The reminders: one of the case that waits, one of the case that ends soon. Once each.
    deployed.clock.set_ahead(13 * 24 * HOUR + HOUR);
    for _ in 0..2 {
        deployed.server.as_ref().unwrap().sweep().await;
    }
    let expected = [
        ("k", Kind::Emergency),
        ("k", Kind::Closed),
        ("k", Kind::ReviewDue),
        ("l", Kind::Opened),
        ("l", Kind::Authorised),
        ("k", Kind::Refused),
        ("before", Kind::Waiting),
        ("l", Kind::Expiring),
    ];
    let mut second = 0;
    for (n, (case, kind)) in expected.iter().enumerate() {
        for watching in [&mut authoriser, &mut owner] {
            let (number, id, told) = watching.next().await.unwrap();
            assert_eq!((id.as_str(), told), (*case, *kind), "event {number}");
            if n == 1 {
                second = number;
            }
        }
    }
    // Again from the second on.
    let mut again = Watching::start(&deployed, "authoriser", second).await.unwrap();
    assert_eq!(again.next().await.unwrap(), (second + 1, "k".into(), Kind::ReviewDue));
    let status = Watching::start(&deployed, "authoriser", 1000).await.err().unwrap();
    assert_eq!(told(&status), (Code::InvalidArgument, "after".into()));
    let record = deployed.record().await;
    for outcome in ["role", "permitted", "failed"] {
        assert!(record.contains(&("case.watch".into(), outcome.into())), "{outcome}");
    }
    // None of them covers a camera of theirs: the first thing they are told is that the server stops.
    let (stopped, status) = tokio::join!(deployed.stop(), far.next());
    assert_eq!((stopped, told(&status.unwrap_err())), ((), (Code::Unavailable, "stopping".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_whose_certificate_is_revoked_is_told_nothing_more() {
    let deployed = Deployed::with_cameras().await;
    let mut watching = Watching::start(&deployed, "authoriser", 0).await.unwrap();
    deployed.open_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    assert_eq!(watching.next().await.unwrap().2, Kind::Opened);
    let issued = deployed.home.issued_to("authoriser").unwrap();
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    let request = v1::RevokeCertificateRequest { serial: issued.serial, uri: issued.uri };
    admin.revoke_certificate(request).await.unwrap();
    let status = watching.next().await.unwrap_err();
    assert_eq!(told(&status), (Code::Unauthenticated, "identity_revoked".into()));
    assert!(deployed.record().await.contains(&("case.watch".into(), "identity_revoked".into())));
}
