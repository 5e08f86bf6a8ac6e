use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use access::{Grant, sign_grant, signing_key_from_pem};
use deployment::{Home, InitOptions};
use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient, footage_service_client::FootageServiceClient,
    search_service_client::SearchServiceClient,
};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use server::{Clock, Config, Server};
use tempfile::TempDir;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// A deployment that serves until it is dropped.
pub(crate) struct Deployed {
    pub(crate) server: Option<Server>,
    pub(crate) home: Home,
    /// What the server takes the time to be.
    pub(crate) clock: Clock,
    _dir: Option<TempDir>,
}

impl Deployed {
    /// One whose folder is somebody else's to make and to remove.
    pub(crate) async fn in_home(home: Home) -> Self {
        let mut deployed = Self { server: None, home, clock: Clock::default(), _dir: None };
        deployed.again().await;
        deployed
    }

    /// Agency `local` with the cameras `gate` and `yard`.
    pub(crate) async fn with_cameras() -> Self {
        let deployed = Self::start().await;
        deployed.add_cameras().await;
        deployed
    }

    pub(crate) async fn add_cameras(&self) {
        let mut cameras = CameraServiceClient::new(self.channel("operator").await);
        cameras.add_agency(v1::AddAgencyRequest { id: "local".into(), title: "Local".into() }).await.unwrap();
        for id in ["gate", "yard"] {
            let request = v1::AddCameraRequest { id: id.into(), agency_id: "local".into(), ..Default::default() };
            cameras.add_camera(request).await.unwrap();
        }
    }

    pub(crate) async fn start() -> Self {
        Self::prepared(|_| {}).await
    }

    /// Started after `prepare` has changed the home folder.
    pub(crate) async fn prepared(prepare: impl FnOnce(&Home)) -> Self {
        Self::configured("", async |home: &Home| prepare(home)).await
    }

    /// As [`Self::prepared`], with more in the configuration.
    pub(crate) async fn configured(more: &str, prepare: impl AsyncFnOnce(&Home)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        deployment::init(&home, server::TEMPLATE, &InitOptions::default()).unwrap();
        if !more.is_empty() {
            fs::write(home.root().join("more.toml"), more).unwrap();
        }
        prepare(&home).await;
        let mut deployed = Self { server: None, home, clock: Clock::default(), _dir: Some(dir) };
        deployed.again().await;
        deployed
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await.unwrap();
    }

    pub(crate) async fn again(&mut self) {
        let config = config(&self.home);
        self.server = Some(Server::start_at(&self.home, config, self.clock.clone()).await.unwrap());
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    pub(crate) async fn channel(&self, identity: &str) -> Channel {
        let (certificate, key) = self.home.identity(identity);
        let identity = Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap());
        connect(self, Some(identity)).await.unwrap()
    }

    /// A connection that takes so many bytes of a stream before it is read.
    pub(crate) async fn channel_of_window(&self, identity: &str, bytes: u32) -> Channel {
        let (certificate, key) = self.home.identity(identity);
        let identity = Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap());
        let endpoint = endpoint(self, Some(identity)).initial_stream_window_size(bytes).initial_connection_window_size(bytes);
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn search(
        &self,
        identity: &str,
        request: v1::SearchRequest,
    ) -> Result<(Vec<v1::Hit>, v1::SearchSummary), Status> {
        let mut parts = SearchServiceClient::new(self.channel(identity).await).search(request).await?.into_inner();
        let (mut hits, mut summary) = (Vec::new(), None);
        while let Some(part) = parts.message().await? {
            match part.part.unwrap() {
                v1::search_response::Part::Hit(hit) => hits.push(hit),
                v1::search_response::Part::Summary(s) => summary = Some(s),
            }
        }
        Ok((hits, summary.unwrap()))
    }

    /// The record as the auditor reads it: action and outcome.
    pub(crate) async fn record(&self) -> Vec<(String, String)> {
        let mut admin = AdminServiceClient::new(self.channel("auditor").await);
        let (mut all, mut after_seq) = (Vec::new(), 0);
        loop {
            let page = admin
                .list_audit(v1::ListAuditRequest { after_seq, limit: 1000, ..Default::default() })
                .await
                .unwrap()
                .into_inner()
                .entries;
            let Some(last) = page.last() else { return all };
            after_seq = last.seq;
            let own = page.iter().all(|e| e.action == "audit.list");
            all.extend(page.into_iter().map(|e| (e.action, e.outcome)));
            // Reading the record writes to it.
            if own {
                return all;
            }
        }
    }

    /// The record as the auditor reads it, whole.
    pub(crate) async fn entries(&self) -> Vec<v1::AuditRecord> {
        let mut admin = AdminServiceClient::new(self.channel("auditor").await);
        let (mut all, mut after_seq) = (Vec::new(), 0);
        loop {
            let page = admin
                .list_audit(v1::ListAuditRequest { after_seq, limit: 1000, ..Default::default() })
                .await
                .unwrap()
                .into_inner()
                .entries;
            let full = page.len() == 1000;
            after_seq += page.len() as u64;
            all.extend(page);
            if !full {
                return all;
            }
        }
    }

    pub(crate) async fn check(&self) -> v1::CheckResponse {
        let mut admin = AdminServiceClient::new(self.channel("operator").await);
        admin.check(v1::CheckRequest { repair: false }).await.unwrap().into_inner()
    }

    pub(crate) async fn add(&self, path: &Path, camera: &str, start: &str) -> Result<v1::AddFootageResponse, Status> {
        self.add_with(path, camera, start, false).await
    }

    pub(crate) async fn add_with(
        &self,
        path: &Path,
        camera: &str,
        start: &str,
        keep_readable: bool,
    ) -> Result<v1::AddFootageResponse, Status> {
        let settings = v1::FootageSettings { sample_fps: 2.0, keep_readable, ..Default::default() };
        self.add_set(path, camera, start, settings).await
    }

    pub(crate) async fn add_set(
        &self,
        path: &Path,
        camera: &str,
        start: &str,
        settings: v1::FootageSettings,
    ) -> Result<v1::AddFootageResponse, Status> {
        let request = v1::AddFootageRequest {
            path: path.to_str().unwrap().to_owned(),
            camera_id: camera.into(),
            start: Some(time(start)),
            start_uncertainty: None,
            settings: Some(settings),
        };
        Ok(FootageServiceClient::new(self.channel("operator").await).add_footage(request).await?.into_inner())
    }

    /// Follows a job to its end.
    pub(crate) async fn wait(&self, job: &str) -> v1::Job {
        let mut footage = FootageServiceClient::new(self.channel("operator").await);
        let mut watch = footage.watch_job(v1::WatchJobRequest { job_id: job.into() }).await.unwrap().into_inner();
        let mut last = None;
        while let Some(update) = watch.message().await.unwrap() {
            last = update.job;
        }
        last.unwrap()
    }

    pub(crate) async fn open_case(&self, id: &str, camera: &str, from: &str, to: &str) -> v1::Case {
        let request = v1::OpenCaseRequest {
            id: id.into(),
            purpose: v1::Purpose::MissingPerson.into(),
            legal_basis: "test".into(),
            reason: "test".into(),
            scope: Some(v1::Scope { camera_ids: vec![camera.into()], window: Some(window(from, to)), ..Default::default() }),
            ..Default::default()
        };
        CaseServiceClient::new(self.channel("investigator").await).open_case(request).await.unwrap().into_inner().case.unwrap()
    }

    /// A case over all of an agency, now: its id.
    pub(crate) async fn agency_case(&self, id: &str, agency: &str) -> String {
        let at = |minutes| (chrono::Utc::now() + chrono::Duration::minutes(minutes)).to_rfc3339();
        let request = v1::OpenCaseRequest {
            id: id.into(),
            purpose: v1::Purpose::MissingPerson.into(),
            legal_basis: "test".into(),
            reason: "test".into(),
            scope: Some(v1::Scope {
                agency_ids: vec![agency.into()],
                window: Some(window(&at(-60), &at(60))),
                ..Default::default()
            }),
            ..Default::default()
        };
        let opened = CaseServiceClient::new(self.channel("investigator").await).open_case(request).await.unwrap();
        self.authorise("authoriser", &opened.into_inner().case.unwrap()).await.unwrap().id
    }

    pub(crate) async fn authorise(&self, identity: &str, case: &v1::Case) -> Result<v1::Case, Status> {
        let key = signing_key_from_pem(&fs::read_to_string(self.home.grant_key("authoriser")).unwrap()).unwrap();
        let signature = sign_grant(&key, &Grant::from_bytes(&case.grant).unwrap()).0.to_vec();
        self.authorise_with(identity, case, signature).await
    }

    pub(crate) async fn authorise_with(&self, identity: &str, case: &v1::Case, signature: Vec<u8>) -> Result<v1::Case, Status> {
        let mut cases = CaseServiceClient::new(self.channel(identity).await);
        let request = v1::AuthoriseCaseRequest { case_id: case.id.clone(), signature, passkey: None };
        Ok(cases.authorise_case(request).await?.into_inner().case.unwrap())
    }

    pub(crate) async fn authorised_case(&self, id: &str, camera: &str, from: &str, to: &str) -> v1::Case {
        let case = self.open_case(id, camera, from, to).await;
        self.authorise("authoriser", &case).await.unwrap()
    }
}

/// For tests that are about something else.
const MANY_CALLS: &str = "[callers]\ncalls_per_second = 1000000.0\nburst = 1000000\nat_once = 1000000\nconnections = 1000000\n";

/// With what a test has put into `more.toml` of the home folder.
pub(crate) fn config(home: &Home) -> Config {
    let mut more = fs::read_to_string(home.root().join("more.toml")).unwrap_or_default();
    if !more.contains("[callers]") {
        more.push_str(MANY_CALLS);
    }
    // The tests' clock leaps; one that is about that says otherwise.
    if !more.contains("[retention]") {
        more.push_str("[retention]\nclock_leap_days = 3660\n");
    }
    // The tests' cameras are on this machine.
    if !more.contains("[live]") {
        more.push_str("[live]\nnetworks = [\"127.0.0.0/8\"]\n");
    }
    if !more.contains("[server]") {
        more.push_str("[server]\n");
    }
    let more = more.replacen("[server]\n", "[server]\nlisten = \"127.0.0.1:0\"\n", 1);
    let text = format!("[jobs]\nworkers = 1\n{more}");
    Config::parse(&text, &home.config()).unwrap()
}

pub(crate) async fn connect(deployed: &Deployed, identity: Option<Identity>) -> Result<Channel, tonic::transport::Error> {
    endpoint(deployed, identity).connect().await
}

fn endpoint(deployed: &Deployed, identity: Option<Identity>) -> Endpoint {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(deployed.home.authority()).unwrap()))
        .domain_name("localhost");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", deployed.address())).unwrap();
    endpoint.connect_timeout(Duration::from_secs(10)).tls_config(tls).unwrap()
}

/// A certificate of the deployment's own authority for whatever URI.
pub(crate) fn issue(home: &Home, uri: Option<&str>) -> (String, String) {
    let ca_key = KeyPair::from_pem(&fs::read_to_string(home.pki().join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(home.authority()).unwrap(), ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = match uri {
        Some(uri) => vec![SanType::URI(uri.try_into().unwrap())],
        None => vec![SanType::DnsName("somebody".try_into().unwrap())],
    };
    (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

/// Puts an identity beside those that `init` made.
pub(crate) fn add_identity(home: &Home, name: &str, uri: &str) {
    let (certificate, key) = issue(home, Some(uri));
    let (certificate_file, key_file) = home.identity(name);
    fs::write(certificate_file, certificate).unwrap();
    fs::write(key_file, key).unwrap();
}

pub(crate) fn time(text: &str) -> prost_types::Timestamp {
    proto::timestamp(text.parse().unwrap())
}

pub(crate) fn window(from: &str, to: &str) -> v1::TimeWindow {
    v1::TimeWindow { from: Some(time(from)), to: Some(time(to)) }
}

/// Code and stable word of a refusal; it must say something and what to do.
pub(crate) fn told(status: &Status) -> (Code, String) {
    assert!(!status.message().is_empty());
    (status.code(), proto::reason(status).unwrap_or_default().to_owned())
}

/// Four synchronised clips of `pose2sim`, or `None`, said loudly.
pub(crate) fn clip() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let cache = vision::ModelStore::default_cache().join("footage");
    let roots = std::env::var_os("SIGHTLINE_FOOTAGE").map(PathBuf::from).into_iter().chain([shared, cache]);
    let clip = roots
        .flat_map(|r| [r.join("pose2sim_4cam/MultiPerson/cam01.mp4"), r.join("pose2sim_4cam/cam01.mp4")])
        .find(|p| p.is_file());
    if clip.is_none() {
        eprintln!("SKIPPED: no footage; set SIGHTLINE_FOOTAGE or run ./scripts/test, which fetches it");
    }
    clip.map(|c| c.canonicalize().unwrap())
}
