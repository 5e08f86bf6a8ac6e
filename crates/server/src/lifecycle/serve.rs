//! A running server, from its start to its last flush.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use access::{Gate, Policy};
use pipeline::CameraSecrets;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use types::{Chain, ReceiveTime};
use vision::VisionOptions;

use super::{
    follower, gather, index_health,
    reload::{self, Reloadable},
    service,
    supervise::Parts,
};
use deployment::{
    Home, address_file,
    grant_keys::{self, GrantKeyError},
};

use crate::{
    base::{clock::Clock, health::Health, rules::Rules},
    config::{Config, ConfigError},
    credentials::{
        grant_keys::GrantKeys,
        known::{KnownCertificates, follow_lists},
    },
    edge::{
        app::App,
        callers::{Callers, Throttle},
        health::health,
        listen::{self, ListenError},
        marking::Marking,
        places::{PlaceLimits, Places},
        services::live::encoded,
        tls::{self, Door, Handshakes, Refused, TlsError},
    },
    janitor::{
        crops,
        purge::{self, CaseSweep},
        retention::{self, Deleter, RetentionCounts},
        settled::SettledTime,
    },
    jobs::{Jobs, Workers, footage_files::FootageRoots, keep_leases},
    live::{Addresses, LiveCameras, LiveSettings},
    notify::{self, Hook, HookError, Notify, Teller},
    query::{handed_out::HandedOut, picture::PictureReader},
    record::{health as record_health, health::RecordHealth},
    recorders::Recorders,
    store::{Store, StoreError},
    telemetry::metrics::MetricsError,
};

/// Entries of the record that are asked for the latest time.
const LAST_ENTRIES: u32 = 1_000;
/// Checkpoints are signed at most this often, but for receipts.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Witnesses that were silent are asked this often.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Why a server did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The deployment can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The authorisers' keys can't be used.
    #[error(transparent)]
    GrantKeys(#[from] GrantKeyError),
    /// The address can't be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Decoders can't be started or confined.
    #[error("start decoders")]
    Media(#[from] media::MediaError),
    /// The description of the services is damaged: never of a build that passes its tests.
    #[error("describe the services for reflection")]
    Reflection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What happens can't be counted.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The address that is told of cases can't be used.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A part could not be started. Holds what it is.
    #[error("start {0}")]
    Start(&'static str, #[source] std::io::Error),
    /// A part ended that should not. Holds what it is.
    #[error("{0} ended unexpectedly, and with it the server")]
    Part(&'static str),
    /// The gRPC service ended that should not.
    #[error("the service ended unexpectedly")]
    Ended(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Store(error) => error.hint().into_owned(),
            Self::GrantKeys(GrantKeyError::Passkey { .. }) => {
                "take the file away, or have its owner make the passkey anew on the console's page".to_owned()
            }
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
    health: Health,
    workers: Workers,
    /// `None` once it has ended.
    watching: Option<JoinHandle<()>>,
    /// `None` once it has ended.
    grpc: Option<JoinHandle<Result<(), ListenError>>>,
    tasks: Parts,
    shutdown: Duration,
    home: Home,
    reloadable: Reloadable,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// Serves a home folder by its configuration until SIGTERM or SIGINT, and takes its files anew at SIGHUP. `ready` is told the address
/// once calls are answered; `log` is told what to log once that changes, `None` being what the environment says.
///
/// # Errors
/// [`ServeError`]. What was acknowledged is durable all the same.
pub async fn serve(home: &Home, ready: impl FnOnce(SocketAddr), log: impl Fn(Option<&str>)) -> Result<(), ServeError> {
    let config = Config::load(&home.config())?;
    let mut again = hang_up().map_err(|e| ServeError::Start("listening to signals", e))?;
    let signal = signal().map_err(|e| ServeError::Start("listening to signals", e))?;
    let mut server = Server::start(home, config).await?;
    server.reloadable.note_certificates();
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
            _ = again.recv() => reload::at_signal(&server.reloadable, &log).await,
        }
    };
    service::stopping();
    tracing::info!("stopping");
    let stopped = server.stop().await;
    match ended {
        None => stopped,
        Some(part) => {
            if let Err(error) = stopped {
                tracing::error!(error = %Chain(&error), "not stopped as it should be");
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
    ///
    /// # Errors
    /// [`ServeError`]. What was acknowledged before is as it was.
    pub async fn start(home: &Home, config: Config) -> Result<Self, ServeError> {
        Self::start_at(home, config, Clock::default()).await
    }

    /// As [`Server::start`], with another clock for what cases permit.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_at(home: &Home, config: Config, clock: Clock) -> Result<Self, ServeError> {
        if !config.sandbox {
            media::sandbox_off();
        }
        tokio::task::spawn_blocking(media::init).await.map_err(|e| ServeError::Start("decoders", std::io::Error::other(e)))??;
        let (callers, (refused, unauthenticated)) = (Arc::new(Callers::new(config.callers, [])), mpsc::channel(1));
        let door = Door { callers: callers.clone(), clock: clock.clone(), refused };
        deployment::finish_exchanges(home).map_err(|e| ServeError::Start("the keys that were to be exchanged", e))?;
        let tls = tls::server_config(&home.authority(), &home.server_certificate(), &home.server_key(), door.clone())?;
        let keys = grant_keys::load(&home.grant_keys())?;
        let hook = config.notify.as_ref().map(|notify| Hook::new(home, notify)).transpose()?;
        let store = Arc::new(Store::open(home, &config).await?);
        store.log.introduce().await.map_err(StoreError::from)?;
        match reload::trust_authorities(home, &store, clock.now()).await {
            Ok(()) => {}
            Err(reload::Refused::Record(error)) => return Err(error.into()),
            Err(reload::Refused::Tls(error)) => return Err(error.into()),
            Err(error) => return Err(ServeError::Start("the authorities", std::io::Error::other(error))),
        }
        let keys = GrantKeys::trust(keys, &store.catalogue, &store.log, clock.now()).await?;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { address: config.listen, source })?;

        let stop = CancellationToken::new();
        // Until a reindex is dropped cameras and footage are looked at with the old embedder.
        let sees = store.reindex.appearance().await.map_err(StoreError::from)?;
        let vision = VisionOptions {
            embedder: sees.sees().embedder.clone(),
            appearance: store.reindex.learned(sees.sees()),
            ..vision_options(&config)
        };
        let roots = FootageRoots::new(config.footage_roots.clone());
        let dated = clock.clone();
        let addresses = Addresses::new(
            store.catalogue.clone(),
            CameraSecrets::new(&home.camera_secrets()),
            store.log.clone(),
            Box::new(move || dated.now()),
        );
        let live = Arc::new(LiveCameras::new(
            store.catalogue.clone(),
            store.feed.clone(),
            store.cluster.clone(),
            store.models.clone(),
            vision.clone(),
            Arc::new(addresses),
            encoded,
            LiveSettings::of(&config),
        ));
        let watched = live.clone();
        let recorders =
            Arc::new(Recorders::new(store.catalogue.clone(), &home.recorder_secrets(), Box::new(move || watched.networks())));
        let jobs = Arc::new(Jobs::new(
            store.catalogue.clone(),
            store.feed.clone(),
            store.cluster.clone(),
            config.max_queued,
            roots,
            recorders.clone(),
        ));
        let workers = Workers::start(config.workers, &jobs, &store.models, &vision.clone(), stop.clone())
            .map_err(|e| ServeError::Start("the footage workers", e))?;
        let policy =
            Policy { authoriser_keys: Some(keys.all()), authoriser_passkeys: Some(keys.all_passkeys()), ..config.policy.clone() };
        for revoked in store.catalogue.revoked_identities().await.map_err(StoreError::from)? {
            callers.revoke(&revoked.serial);
        }
        let latest = store.catalogue.last_time().await.map_err(StoreError::from)?;
        clock.begin(config.clock_leap, latest, &store.catalogue.last_recorded(LAST_ENTRIES).await.map_err(StoreError::from)?);
        let (health, health_service) = health();
        let (notify, rules) = (Arc::new(Notify::new(health.clone())), Arc::new(Rules::default()));
        let time = Arc::new(SettledTime::new(store.catalogue.clone(), clock.clone(), config.clock_leap));
        let certificates = KnownCertificates::new(store.catalogue.clone(), store.log.clone(), clock.clone(), home.clone());
        let cases = CaseSweep::new(store.clone(), policy.clone(), time.clone(), clock.clone(), notify.clone(), rules.clone());
        let deleter = Deleter::new(store.clone(), config.retention, time.clone(), clock.clone(), health.clone());
        let app = Arc::new(App {
            gate: Gate::new(policy, Marking(store.log.clone())),
            keys,
            certificates: Arc::new(certificates),
            home: home.clone(),
            pictures: PictureReader::new(store.models.clone(), vision_options(&config)),
            handed_out: HandedOut::default(),
            jobs,
            live: live.clone(),
            recorders,
            callers,
            unauthenticated: Throttle::default(),
            clock,
            notify,
            rules,
            time,
            cases: Arc::new(cases),
            retention: Arc::new(deleter),
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
        if let Err(error) = app.certificates.know_issued().await {
            tracing::error!(error = %Chain(&error), "what was issued is not on the record yet");
        }
        app.certificates.know_own().await.map_err(StoreError::from)?;
        set_health(&health, true).await;
        app.tell_record_health().await;
        if !media::sandboxed() {
            health.set(MEDIA_HEALTH, false).await;
        }
        let mut tasks = Parts::default();
        let (send, connections) = mpsc::channel(16);
        let (handshakes, places) = (Handshakes::new(tls), Places::new(PlaceLimits::of(&config)));
        let reloadable = Reloadable::new(&app, handshakes.clone(), places.clone(), door.clone());
        tasks.spawn("the door", tls::accept(listener, handshakes.clone(), places, door, send, stop.clone()));
        tasks.spawn("the notes of who was turned away", note_strangers(app.clone(), unauthenticated));
        tasks.spawn("the record of who was issued a certificate", follow_lists(app.certificates.clone(), stop.clone()));
        if let Some(hook) = hook {
            app.catalogue().begin_notifying().await.map_err(StoreError::from)?;
            let teller = Teller {
                notify: app.notify.clone(),
                hook,
                catalogue: app.catalogue().clone(),
                log: app.store.log.clone(),
                cluster: app.store.cluster.clone(),
                clock: app.clock.clone(),
            };
            tasks.spawn("telling who answers for cases", notify::tell_regularly(teller, stop.clone()));
        }
        tasks.spawn("the sweep of overdue cases", purge::sweep_regularly(app.cases.clone(), stop.clone()));
        let deleting = retention::sweep_regularly(app.retention.clone(), config.retention_sweep, stop.clone());
        tasks.spawn("retention", deleting);
        tasks
            .spawn("the health of the index", index_health::tell_regularly(app.store.feed.clone(), health.clone(), stop.clone()));
        tasks.spawn("the writing of the index", flush_regularly(app.store.clone(), config.index_flush, stop.clone()));
        tasks.spawn("reindexing", app.store.reindex.clone().follow(stop.clone()));
        if app.store.cluster.is_shared() {
            tasks.spawn("following the other servers", follower::follow(app.store.clone(), app.callers.clone(), stop.clone()));
            tasks.spawn("the leases of jobs", keep_leases(app.jobs.clone(), stop.clone()));
        }
        tasks.spawn_once("the sweep of crops", crops::sweep_crops(app.store.cluster.clone()));
        tasks.spawn_once("committing to what was found", record_health::commit_found(app.catalogue().clone(), stop.clone()));
        let watching = Some(tasks::spawn("live cameras", live.run(stop.clone())));
        tasks.spawn("publishing", publish_regularly(app.store.clone(), stop.clone()));
        let health_address = match config.health_listen {
            Some(address) => {
                let listener = bind(address).await?;
                let bound = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
                tasks.spawn("the health port", listen::serve_health(listener, health_service.clone(), stop.clone()));
                Some(bound)
            }
            None => None,
        };

        let metrics_address = match config.metrics_listen {
            Some(address) => Some(gather::start(address, &home.server_certificate(), &app, &stop, &mut tasks).await?),
            None => None,
        };

        let serving = listen::serve(&app, handshakes, health_service, connections).map_err(ServeError::Reflection)?;
        let grpc = Some(tasks::spawn("calls", serving));
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

    /// Where it answers; the port that was free where the configuration says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where load balancers ask for health. `None`: not configured.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health_address
    }

    /// Where Prometheus asks. `None`: not configured.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Looks after overdue cases now, as the server does by itself every half minute.
    pub async fn sweep(&self) {
        if let Err(error) = self.app.cases.sweep().await {
            tracing::error!(error = %Chain(&error), "overdue cases are not swept");
        }
    }

    /// How deletion stands, for metrics.
    pub fn retention(&self) -> RetentionCounts {
        self.app.retention.counts()
    }

    /// Deletes now what is due, as the server does by itself every so often.
    pub async fn sweep_retention(&self) {
        if let Err(error) = self.app.retention.sweep().await {
            tracing::error!(error = %Chain(&error), "not everything whose time has come was deleted");
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
        set_health(&self.health, false).await;
        part
    }

    /// Takes no more calls, lets those under way finish for as long as the configuration says, puts jobs down, and makes
    /// everything durable.
    ///
    /// # Errors
    /// [`ServeError`] where the end was not clean; the next start makes it good.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        set_health(&self.health, false).await;
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
async fn note_strangers(app: Arc<App>, mut unauthenticated: mpsc::Receiver<Refused>) {
    while let Some(Refused { caller, code }) = unauthenticated.recv().await {
        match caller {
            Some(caller) => app.note_turned_away(&caller, code).await,
            None => app.note_stranger(code).await,
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
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
        "sightline.v1.RecorderService",
        "sightline.v1.LiveService",
        "sightline.v1.IngestService",
        "sightline.v1.AdminService",
        "sightline.v1.LogService",
        "sightline.v1.RetentionService",
        retention::HEALTH,
        record_health::HEALTH,
        notify::HEALTH,
        index_health::HEALTH,
        MEDIA_HEALTH,
    ];
    services.to_vec()
}

async fn set_health(health: &Health, serves: bool) {
    for name in health_services() {
        health.set(name, serves).await;
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
async fn publish_regularly(store: Arc<Store>, stop: CancellationToken) {
    let log = &store.log;
    loop {
        let again = async {
            tokio::time::sleep(ASK_AGAIN).await;
            while !log.lacks_witnesses() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        tokio::select! { () = stop.cancelled() => return, () = log.grown() => {}, () = again => {} }
        if let Err(error) = log.publish().await {
            tracing::error!(error = %Chain(&error), "the log's files lag behind the record");
            // Also where nothing new comes: there may be room for it by then.
            log.has_grown();
        }
        if let Err(error) = store.catalogue.note_accesses().await {
            tracing::error!(error = %Chain(&error), "the lists of who looked at a camera lag behind the record");
        }
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(PUBLISH_EVERY) => {} }
    }
}

/// Brings the index up to date and to disk every so often; also after a write to it failed.
async fn flush_regularly(store: Arc<Store>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        let done = async {
            store.feed.catch_up().await?;
            store.feed.flush().await
        };
        if let Err(error) = done.await {
            tracing::error!(error = %Chain(&error), "index lags behind the catalogue");
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus as Told, health_client::HealthClient};

    use super::*;
    use deployment::{InitOptions, init};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_one_of_whose_parts_panics_says_so_and_is_not_healthy() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        init(&home, "", &InitOptions::default()).unwrap();
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
