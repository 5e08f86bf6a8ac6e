//! A running server, from its start to its last flush.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use access::{Gate, Policy};
use pipeline::CameraSecrets;
use proto::v1::{
    admin_service_server::AdminServiceServer, camera_service_server::CameraServiceServer, case_service_server::CaseServiceServer,
    export_service_server::ExportServiceServer, footage_service_server::FootageServiceServer,
    ingest_service_server::IngestServiceServer, live_service_server::LiveServiceServer, log_service_server::LogServiceServer,
    retention_service_server::RetentionServiceServer, search_service_server::SearchServiceServer,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic_health::{ServingStatus, server::HealthReporter};
use types::ReceiveTime;
use vision::VisionOptions;

use crate::{
    address_file,
    app::App,
    callers::{Callers, Seldom},
    clock::Clock,
    config::{Config, ConfigError},
    deployment::Home,
    feed, fleet,
    footage_files::FootageRoots,
    grant_keys::{FoundKeys, GrantKeyError},
    guard::GuardLayer,
    handed_out::HandedOut,
    jobs::{Jobs, Workers},
    known::follow_lists,
    live::{LiveCameras, LiveSettings},
    metrics::{self, MetricsError},
    notify::{self, Hook, HookError, Notify},
    picture::PictureReader,
    places::{PlaceLimits, Places},
    purge::{SealedWords, sweep_regularly},
    record_health::{self, RecordHealth},
    reindex,
    reload::{self, Reloadable},
    retention::{self, RetentionCounts, RetentionState},
    service,
    services::Api,
    status::chain,
    store::{Store, StoreError},
    supervise::Parts,
    tls::{self, Door, Handshakes, Refused, TlsError},
    upgrade::OldCopies,
};

/// Entries of the record that are asked for the latest time.
const LAST_ENTRIES: u32 = 1_000;
/// Checkpoints are signed at most this often, but for receipts.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Witnesses that were silent are asked this often.
const ASK_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    GrantKeys(#[from] GrantKeyError),
    #[error("listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("start decoders")]
    Media(#[from] media::MediaError),
    #[error("describe the services for reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("start {0}")]
    Start(&'static str, #[source] std::io::Error),
    #[error("{0} ended unexpectedly, and with it the server")]
    Part(&'static str),
    #[error("the service ended unexpectedly")]
    Ended(#[source] tonic::transport::Error),
}

impl ServeError {
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Store(error) => error.hint().into_owned(),
            Self::Tls(_) | Self::GrantKeys(_) => {
                "the files under pki/ were made by `sightline init`; put back what is missing".to_owned()
            }
            Self::Listen { .. } => "is another server running? set server.listen in sightline.toml to another address".to_owned(),
            Self::Media(media::MediaError::NoCell { .. }) => "docs/operations.md, \"Decoders\", says what they need".to_owned(),
            Self::Media(_) => "install GStreamer and its plugins; docs say which".to_owned(),
            Self::Hook(_) => "look at notify.ca_file in sightline.toml".to_owned(),
            Self::Metrics(_) => "set metrics.listen in sightline.toml to another address".to_owned(),
            Self::Reflection(_) | Self::Start(..) | Self::Part(_) | Self::Ended(_) => "look at the log".to_owned(),
        }
    }
}

/// A server that answers. Stop it with [`Server::stop`]: dropping it leaves what is under way to the next start.
pub struct Server {
    address: SocketAddr,
    health_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    app: Arc<App>,
    health: HealthReporter,
    workers: Workers,
    /// `None` once it has ended.
    watching: Option<JoinHandle<()>>,
    /// `None` once it has ended.
    grpc: Option<JoinHandle<Result<(), tonic::transport::Error>>>,
    tasks: Parts,
    shutdown: Duration,
    home: Home,
    pub(crate) reloadable: Reloadable,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// Serves a home folder by its configuration until SIGTERM or SIGINT, and takes its files anew at SIGHUP. `ready` is told the address
/// once calls are answered; `log` is told what to log once that changes, `None` being what the environment says.
pub async fn serve(home: &Home, ready: impl FnOnce(SocketAddr), log: impl Fn(Option<&str>)) -> Result<(), ServeError> {
    let config = Config::load(&home.config())?;
    let mut again = hang_up().map_err(|e| ServeError::Start("listening to signals", e))?;
    let signal = signal().map_err(|e| ServeError::Start("listening to signals", e))?;
    let mut server = Server::start(home, config).await?;
    server.note_certificates();
    reload::begin(home).map_err(|e| ServeError::Start("the file that says what a reload did", e))?;
    ready(server.address());
    service::ready();
    tokio::pin!(signal);
    let alive = service::live();
    tokio::pin!(alive);
    let ended = loop {
        tokio::select! {
            () = &mut signal => break None,
            part = server.ended() => break Some(part),
            () = &mut alive => break None,
            _ = again.recv() => reload::at_signal(&server, &log),
        }
    };
    service::stopping();
    tracing::info!("stopping");
    let stopped = server.stop().await;
    match ended {
        None => stopped,
        Some(part) => {
            if let Err(error) = stopped {
                tracing::error!(error = %chain(&error), "not stopped as it should be");
            }
            Err(ServeError::Part(part))
        }
    }
}

fn hang_up() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
}

fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

impl Server {
    /// Opens the home folder, makes good an unclean stop, and answers calls when this returns.
    pub async fn start(home: &Home, config: Config) -> Result<Self, ServeError> {
        Self::start_at(home, config, Clock::default()).await
    }

    /// As [`Server::start`], with another clock for what cases permit.
    pub async fn start_at(home: &Home, config: Config, clock: Clock) -> Result<Self, ServeError> {
        if !config.sandbox {
            media::sandbox_off();
        }
        tokio::task::spawn_blocking(media::init).await.map_err(|e| ServeError::Start("decoders", std::io::Error::other(e)))??;
        let (callers, (refused, strangers)) = (Arc::new(Callers::new(config.callers, [])), mpsc::channel(1));
        let door = Door { callers: callers.clone(), clock: clock.clone(), refused };
        let tls = tls::server_config(&home.authority(), &home.server_certificate(), &home.server_key(), door.clone())?;
        let keys = FoundKeys::load(&home.pki().join("grant-keys"))?;
        let hook = config.notify.as_ref().map(|notify| Hook::new(home, notify)).transpose()?;
        let store = Arc::new(Store::open(home, &config).await?);
        store.log.introduce().await.map_err(StoreError::from)?;
        let keys = keys.trust(&store.catalogue, &store.log, clock.now()).await?;
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { address: config.listen, source })?;

        let stop = CancellationToken::new();
        // Until a reindex is dropped cameras and footage are looked at with the old embedder.
        let sees = store.appearance().await?;
        let vision = VisionOptions {
            embedder: sees.sees().embedder.clone(),
            appearance: store.learned(sees.sees()),
            ..vision_options(&config)
        };
        let roots = FootageRoots::new(config.footage_roots.clone());
        let jobs =
            Arc::new(Jobs::new(store.catalogue.clone(), store.feed.clone(), store.fleet.clone(), config.max_queued, roots));
        let workers = Workers::start(config.workers, &jobs, &store.models, &vision.clone(), stop.clone())
            .map_err(|e| ServeError::Start("the footage workers", e))?;
        let live = Arc::new(LiveCameras::new(
            store.catalogue.clone(),
            store.feed.clone(),
            store.fleet.clone(),
            store.models.clone(),
            vision.clone(),
            CameraSecrets::new(&home.root().join("secrets/cameras")),
            LiveSettings::of(&config),
        ));
        let policy = Policy { authoriser_keys: Some(keys.all()), ..config.policy.clone() };
        for revoked in store.catalogue.revoked_identities().await.map_err(StoreError::from)? {
            callers.revoke(&revoked.serial);
        }
        let latest = store.catalogue.last_time().await.map_err(StoreError::from)?;
        clock.begin(config.clock_leap, latest, &store.catalogue.last_recorded(LAST_ENTRIES).await.map_err(StoreError::from)?);
        let (health, health_service) = tonic_health::server::health_reporter();
        let app = Arc::new(App {
            gate: Gate::new(policy, store.log.clone()),
            keys,
            knowing: tokio::sync::Mutex::default(),
            home: home.clone(),
            pictures: PictureReader::new(store.models.clone(), vision_options(&config)),
            handed_out: HandedOut::default(),
            jobs,
            live: live.clone(),
            callers,
            strangers: Seldom::default(),
            clock,
            notify: Notify::new(health.clone()),
            rules: AtomicU64::new(0),
            purges: vec![Arc::new(SealedWords(store.catalogue.clone())), Arc::new(OldCopies(store.data.clone()))],
            retention: RetentionState::new(health.clone()),
            record_health: RecordHealth::new(health.clone()),
            started: ReceiveTime::now(),
            stop: stop.clone(),
            detached: TaskTracker::new(),
            config: config.clone(),
            store,
        });

        for serial in app.catalogue().revoked_on_record().await.map_err(StoreError::from)? {
            app.callers.revoke(&serial);
        }
        // Where that fails it is tried again, and nobody is answered before.
        if let Err(error) = app.know_issued().await {
            tracing::error!(error = %chain(&error), "what was issued is not on the record yet");
        }
        set_health(&health, ServingStatus::Serving).await;
        app.record_health.tell(&app.store).await;
        if !media::sandboxed() {
            health.set_service_status(MEDIA_HEALTH, ServingStatus::NotServing).await;
        }
        let mut tasks = Parts::default();
        let (send, connections) = mpsc::channel(16);
        let (handshakes, places) = (Handshakes::new(tls), Places::new(PlaceLimits::of(&config)));
        let reloadable = Reloadable::new(&config, handshakes.clone(), places.clone(), door.clone());
        tasks.spawn("the door", tls::accept(listener, handshakes, places, door, send, stop.clone()));
        tasks.spawn("the notes of who was turned away", note_strangers(app.clone(), strangers));
        tasks.spawn("the record of who was issued a certificate", follow_lists(app.clone(), stop.clone()));
        if let Some(hook) = hook {
            app.catalogue().begin_notifying().await.map_err(StoreError::from)?;
            tasks.spawn("telling who answers for cases", notify::tell_regularly(app.clone(), hook, stop.clone()));
        }
        tasks.spawn("the sweep of overdue cases", sweep_regularly(app.clone(), stop.clone()));
        tasks.spawn("retention", retention::sweep_regularly(app.clone(), stop.clone()));
        tasks.spawn("the health of the index", feed::health::tell_regularly(app.clone(), health.clone(), stop.clone()));
        tasks.spawn("the writing of the index", flush_regularly(app.clone(), stop.clone()));
        tasks.spawn("reindexing", reindex::follow(app.clone(), stop.clone()));
        if app.store.fleet.is_shared() {
            tasks.spawn("following the other servers", fleet::follow(app.clone(), stop.clone()));
            tasks.spawn("the leases of jobs", fleet::keep_jobs(app.clone(), stop.clone()));
        }
        tasks.spawn_once("the sweep of crops", fleet::sweep_crops(app.clone()));
        tasks.spawn_once("committing to what was found", record_health::commit_found(app.clone(), stop.clone()));
        let watching = Some(tokio::spawn(live.run(stop.clone())));
        tasks.spawn("publishing", publish_regularly(app.clone(), stop.clone()));
        let health_address = match config.health_listen {
            Some(address) => {
                let listener = listen(address).await?;
                let bound = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
                let only_health = tonic::transport::Server::builder().add_service(health_service.clone());
                let stop = stop.clone();
                tasks.spawn("the health port", async move {
                    let served = only_health.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled());
                    if let Err(error) = served.await {
                        tracing::error!(error = %chain(&error), "health port ended");
                    }
                });
                Some(bound)
            }
            None => None,
        };

        let metrics_address = match config.metrics_listen {
            Some(address) => Some(metrics::start(address, &home.server_certificate(), &app, &stop, &mut tasks).await?),
            None => None,
        };

        let (api, limit) = (Api(app.clone()), config.max_request_bytes);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let router = tonic::transport::Server::builder()
            .layer(GuardLayer(app.clone()))
            .max_concurrent_streams(config.max_streams)
            .timeout(config.request_timeout)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .add_service(SearchServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(CameraServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(CaseServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(FootageServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(LiveServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(IngestServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(AdminServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(RetentionServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(ExportServiceServer::new(api.clone()).max_decoding_message_size(limit))
            .add_service(LogServiceServer::new(api).max_decoding_message_size(limit))
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        let until = stop.clone();
        let grpc = Some(tokio::spawn(async move {
            router.serve_with_incoming_shutdown(ReceiverStream::new(connections), until.cancelled_owned()).await
        }));
        address_file::write(home, address).map_err(|e| ServeError::Start("the address file", e))?;
        tracing::info!(%address, workers = config.workers, "serving");
        let (shutdown, home) = (config.shutdown, home.clone());
        Ok(Self {
            address,
            health_address,
            metrics_address,
            app,
            health,
            workers,
            watching,
            grpc,
            tasks,
            shutdown,
            home,
            reloadable,
        })
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn live(&self) -> &LiveCameras {
        &self.app.live
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.app.callers
    }

    /// Where it answers; the port that was free where the configuration says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health_address
    }

    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Looks after overdue cases now, as the server does by itself every half minute.
    pub async fn sweep(&self) {
        if let Err(error) = self.app.sweep_cases().await {
            tracing::error!(error = %chain(&error), "overdue cases are not swept");
        }
    }

    /// How deletion stands, for metrics.
    pub fn retention(&self) -> RetentionCounts {
        self.app.retention.counts()
    }

    /// Deletes now what is due, as the server does by itself every so often.
    pub async fn sweep_retention(&self) {
        if let Err(error) = self.app.sweep_retention().await {
            tracing::error!(error = %chain(&error), "not everything whose time has come was deleted");
        }
    }

    /// Waits until a part of the server has ended that should not have, and says which; health says it too. Stop the server then:
    /// it would do half of its work.
    pub async fn ended(&mut self) -> &'static str {
        let part = tokio::select! {
            part = self.tasks.ended() => part,
            () = finished(&mut self.watching) => "the live cameras",
            () = finished(&mut self.grpc) => "the gRPC service",
        };
        set_health(&self.health, ServingStatus::NotServing).await;
        part
    }

    /// Takes no more calls, lets those under way finish for as long as the configuration says, puts jobs down, and makes
    /// everything durable.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        set_health(&self.health, ServingStatus::NotServing).await;
        self.app.stop.cancel();
        address_file::remove(&self.home);
        reload::end(&self.home);
        let workers = self.workers;
        // A thread of its own: the runtime would wait for one of its threads however long a worker takes.
        let (joined, all_joined) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            workers.join();
            let _ = joined.send(());
        });
        let deadline = tokio::time::Instant::now() + self.shutdown;
        let mut ended = Ok(());
        if let Some(mut grpc) = self.grpc {
            match tokio::time::timeout_at(deadline, &mut grpc).await {
                Ok(Ok(how)) => ended = how,
                Ok(Err(_)) => {}
                Err(_) => {
                    tracing::warn!("calls cut: they took too long to finish");
                    grpc.abort();
                }
            }
        }
        if tokio::time::timeout_at(deadline, all_joined).await.is_err() {
            tracing::warn!("a footage worker did not stop in time; the next server goes on with its job");
        }
        // Each camera publishes what it was following first.
        if let Some(watching) = self.watching
            && tokio::time::timeout_at(deadline, watching).await.is_err()
        {
            tracing::warn!("a live camera did not stop in time");
        }
        // What they put on the record is on it before the store is shut.
        self.app.detached.close();
        if tokio::time::timeout_at(deadline, self.app.detached.wait()).await.is_err() {
            tracing::warn!("streams did not end in time");
        }
        self.tasks.shutdown().await;
        self.app.store.shut().await?;
        ended.map_err(ServeError::Ended)
    }
}

/// Waits for the end of a task, and notes it.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) {
    match task {
        Some(running) => {
            if let Err(error) = running.await {
                tracing::error!(%error, "a part of the server panicked");
            }
            *task = None;
        }
        None => std::future::pending().await,
    }
}

/// Who was turned away at the door goes on the record, though not each time.
async fn note_strangers(app: Arc<App>, mut strangers: mpsc::Receiver<Refused>) {
    while let Some(Refused { caller, code }) = strangers.recv().await {
        match caller {
            Some(caller) => app.note_turned_away(&caller, code).await,
            None => app.note_stranger(code).await,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Not serving while decoders are not confined: `media.sandbox`.
const MEDIA_HEALTH: &str = "sightline.Media";

/// What `grpc.health.v1` knows by name. The empty one is the server as a whole.
pub fn health_services() -> Vec<&'static str> {
    let services = [
        "",
        "sightline.v1.SearchService",
        "sightline.v1.ExportService",
        "sightline.v1.CameraService",
        "sightline.v1.CaseService",
        "sightline.v1.FootageService",
        "sightline.v1.LiveService",
        "sightline.v1.IngestService",
        "sightline.v1.AdminService",
        "sightline.v1.LogService",
        "sightline.v1.RetentionService",
        retention::HEALTH,
        record_health::HEALTH,
        notify::HEALTH,
        feed::health::HEALTH,
        MEDIA_HEALTH,
    ];
    services.to_vec()
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in health_services() {
        health.set_service_status(name, status).await;
    }
}

/// Which models look, and how, by the configuration.
pub fn vision_options(config: &Config) -> VisionOptions {
    let mut options = VisionOptions {
        detector: config.detector.clone(),
        faces: config.face_finder.clone(),
        embedder: config.embedder.clone(),
        appearance: config.appearance.clone(),
        device: config.device,
        ..VisionOptions::default()
    };
    if let Some(threshold) = config.detector_threshold {
        options.detector_options.threshold = threshold;
    }
    options
}

/// Shows the log to the world soon after it has grown; asks witnesses again that did not answer.
async fn publish_regularly(app: Arc<App>, stop: CancellationToken) {
    let log = &app.store.log;
    loop {
        let again = async {
            tokio::time::sleep(ASK_AGAIN).await;
            while !log.lacks_witnesses() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        tokio::select! { () = stop.cancelled() => return, () = log.grown() => {}, () = again => {} }
        if let Err(error) = log.publish().await {
            tracing::error!(error = %chain(&error), "the log's files lag behind the record");
            // Also where nothing new comes: there may be room for it by then.
            log.has_grown();
        }
        if let Err(error) = app.catalogue().note_accesses().await {
            tracing::error!(error = %chain(&error), "the lists of who looked at a camera lag behind the record");
        }
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(PUBLISH_EVERY) => {} }
    }
}

/// Brings the index up to date and to disk every so often; also after a write to it failed.
async fn flush_regularly(app: Arc<App>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(app.config.index_flush);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        let done = async {
            app.store.feed.catch_up().await?;
            app.store.flush_index().await
        };
        if let Err(error) = done.await {
            tracing::error!(error = %chain(&error), "index lags behind the catalogue");
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus as Told, health_client::HealthClient};

    use super::*;
    use crate::{Deployment, InitOptions};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_one_of_whose_parts_panics_says_so_and_is_not_healthy() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        Deployment::init(&home, &InitOptions::default()).unwrap();
        let text = "[server]\nlisten = \"127.0.0.1:0\"\n[health]\nlisten = \"127.0.0.1:0\"\n[jobs]\nworkers = 1\n";
        let mut server = Server::start(&home, Config::parse(text, &home.config()).unwrap()).await.unwrap();
        let port = format!("http://{}", server.health_address().unwrap());
        let channel = tonic::transport::Endpoint::from_shared(port).unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel);
        let mut told = async || health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status();
        assert_eq!(told().await, Told::Serving);
        server.tasks.spawn("retention", async { panic!("on purpose") });
        assert_eq!(server.ended().await, "retention");
        assert_eq!(told().await, Told::NotServing);
        server.stop().await.unwrap();
    }
}
