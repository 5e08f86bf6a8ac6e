//! A running server takes its configuration and its certificates anew, all of it or nothing. What can't be taken without a restart
//! is named. Who asks sends SIGHUP and reads in a file of the home folder what came of it: both take the server's own account.

use std::{
    collections::HashSet,
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use deployment::{Home, HomeLock, LockError, certificate::authority_ids};
use types::{Chain, ReceiveTime};

use crate::{
    config::{Config, ConfigError, Keys},
    credentials::{authorities::FoundAuthorities, known::KnownCertificates},
    edge::{
        app::App,
        callers::Callers,
        places::{PlaceLimits, Places},
        tls::{self, Door, Handshakes, TlsError},
    },
    live::{LiveCameras, LiveSettings},
    store::{Store, StoreError},
};

/// What the last reload did, in the home folder while a server runs.
const SAID: &str = "reload.json";
/// How long whoever asks waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// What of a server can be exchanged while it runs.
pub(crate) struct Reloadable {
    home: Home,
    callers: Arc<Callers>,
    live: Arc<LiveCameras>,
    handshakes: Arc<Handshakes>,
    places: Arc<Places>,
    door: Door,
    store: Arc<Store>,
    certificates: Arc<KnownCertificates>,
    /// What counts now.
    now: Mutex<Now>,
}

struct Now {
    keys: Keys,
    /// Of the certificate files.
    certificates: Option<[u8; 32]>,
    /// Of the folder of grant keys, as it was at the start.
    grant_keys: [u8; 32],
    authorities: HashSet<String>,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys that count from now on, and `certificates`.
    pub changed: Vec<String>,
    /// Keys that are other in the file, and count from the next start on.
    pub needs_restart: Vec<String>,
}

/// As it lies in the home folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Said {
    process: u32,
    /// Counts reloads.
    number: u64,
    done: Option<Reloaded>,
    error: Option<String>,
    hint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("put a certificate and its key in place")]
    Place(#[source] io::Error),
    #[error(transparent)]
    Record(#[from] StoreError),
}

impl Refused {
    fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Tls(_) => "put certificate and key in place again, both, then reload".to_owned(),
            Self::Place(_) => "check the permissions of pki/ in the home folder, then reload".to_owned(),
            Self::Record(error) => error.hint().into_owned(),
        }
    }
}

impl Reloadable {
    pub(crate) fn new(app: &App, handshakes: Arc<Handshakes>, places: Arc<Places>, door: Door) -> Self {
        let home = app.home.clone();
        let authorities = authority_ids(&home.authority());
        let now = Now { keys: app.config.keys.clone(), certificates: None, grant_keys: grant_keys(&home), authorities };
        let (callers, now) = (door.callers.clone(), Mutex::new(now));
        let (live, store, certificates) = (app.live.clone(), app.store.clone(), app.certificates.clone());
        Self { home, callers, live, handshakes, places, door, store, certificates, now }
    }

    /// Takes configuration and certificates anew. `log` is told what to log from now on where that changes.
    async fn reload(&self, log: &impl Fn(Option<&str>)) -> Result<Reloaded, Refused> {
        let home = &self.home;
        deployment::finish_exchanges(home).map_err(Refused::Place)?;
        // All of it is read and found good before anything is exchanged.
        let config = Config::load(&home.config())?;
        let certificates = fingerprint(home);
        let tls = tls::server_config(&home.authority(), &home.server_certificate(), &home.server_key(), self.door.clone())?;
        let authorities = authority_ids(&home.authority());
        // On the record before it counts.
        trust_authorities(home, &self.store, self.door.clock.now()).await?;
        self.certificates.know_own().await.map_err(StoreError::from)?;

        let mut now = self.now.lock();
        let changes = now.keys.changes(&config.keys);
        let mut changed = changes.at_once;
        let touches = |section: &str, changed: &[String]| changed.iter().any(|key| key.starts_with(section));
        self.places.set_limits(PlaceLimits::of(&config));
        self.callers.set_limits(config.callers);
        if touches("live.", &changed) {
            self.live.set(LiveSettings::of(&config));
        }
        if touches("server.log", &changed) {
            log(config.log_filter.as_deref());
        }
        if now.certificates.is_none_or(|before| before != certificates) {
            changed.push("certificates".to_owned());
        }
        self.handshakes.replace(tls);
        self.callers.trust_authorities(&now.authorities, &authorities);
        let mut needs_restart = changes.needs_restart;
        if now.grant_keys != grant_keys(home) {
            needs_restart.push("grant keys".to_owned());
        }
        *now = Now {
            keys: now.keys.taking(&config.keys),
            certificates: Some(certificates),
            grant_keys: now.grant_keys,
            authorities,
        };
        Ok(Reloaded { changed, needs_restart })
    }

    /// Notes the certificates that it started with, so that a reload can tell whether they are others.
    pub(crate) fn note_certificates(&self) {
        let mut now = self.now.lock();
        now.certificates = Some(fingerprint(&self.home));
    }
}

/// Puts on the record which authorities are trusted from now on, and which no more.
pub(crate) async fn trust_authorities(home: &Home, store: &Store, now: ReceiveTime) -> Result<(), Refused> {
    let file = home.authority();
    let found = FoundAuthorities::load(&file).map_err(|e| TlsError::Authority { file, source: Box::new(e) })?;
    Ok(found.trust(&store.catalogue, &store.log, now).await?)
}

fn fingerprint(home: &Home) -> [u8; 32] {
    fingerprint_of([home.authority(), home.server_certificate(), home.server_key()])
}

fn grant_keys(home: &Home) -> [u8; 32] {
    let entries = fs::read_dir(home.grant_keys()).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    fingerprint_of(files)
}

fn fingerprint_of(files: impl IntoIterator<Item = PathBuf>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(file).unwrap_or_default();
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

fn place(home: &Home) -> PathBuf {
    home.root().join(SAID)
}

fn read(home: &Home) -> Option<Said> {
    serde_json::from_slice(&fs::read(place(home)).ok()?).ok()
}

fn write(home: &Home, said: &Said) -> io::Result<()> {
    durable::write(&place(home), &serde_json::to_vec(said)?)
}

/// This server takes SIGHUP; one that does not would end at it.
pub(crate) fn begin(home: &Home) -> io::Result<()> {
    write(home, &Said { process: std::process::id(), number: 0, done: None, error: None, hint: None })
}

pub(crate) fn end(home: &Home) {
    let _ = fs::remove_file(place(home));
}

/// Somebody sent SIGHUP.
pub(crate) async fn at_signal(parts: &Reloadable, log: &impl Fn(Option<&str>)) {
    let home = &parts.home;
    let number = read(home).map_or(1, |said| said.number + 1);
    let mut said = Said { process: std::process::id(), number, done: None, error: None, hint: None };
    match parts.reload(log).await {
        Ok(done) => {
            let (changed, needs_restart) = (done.changed.join(", "), done.needs_restart.join(", "));
            tracing::info!(changed, needs_restart, "configuration and certificates taken anew");
            said.done = Some(done);
        }
        Err(refused) => {
            tracing::error!(error = %Chain(&refused), "configuration and certificates stay as they were");
            (said.error, said.hint) = (Some(Chain(&refused).to_string()), Some(refused.hint()));
        }
    }
    if let Err(error) = write(home, &said) {
        tracing::error!(%error, "nobody can be told what the reload did");
    }
}

/// Why a server did not take its files anew.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The home folder can't be looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is nobody to tell. Holds the home folder.
    #[error("no server runs in {} that can be told to", .0.display())]
    NoServer(PathBuf),
    /// The server's process can't be told. Holds its id.
    #[error("tell the server (process {0})")]
    Signal(u32, #[source] io::Error),
    /// The server did not answer in time. It may do it yet.
    #[error("the server did not say within {} s what came of it", PATIENCE.as_secs())]
    Silent,
    /// The server went on with what it had.
    #[error("nothing was changed: {message}")]
    Refused {
        /// Why, for people.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

impl ReloadError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Lock(_) => "check that the home folder exists and that you may write there".to_owned(),
            Self::NoServer(_) => "start it: `sightline serve`; it reads its files as it starts".to_owned(),
            Self::Signal(..) => "run it as the server's account: `sudo -u sightline sightline reload`".to_owned(),
            Self::Silent => "look at the server's log".to_owned(),
            Self::Refused { hint, .. } => hint.clone(),
        }
    }
}

/// Tells the server of a home folder to take its files anew, and waits until it has.
///
/// # Errors
/// [`ReloadError`]. Unless it is [`ReloadError::Silent`] the server goes on with what it had.
pub async fn reload(home: &Home) -> Result<Reloaded, ReloadError> {
    let no_server = || ReloadError::NoServer(home.root().to_owned());
    let process = match HomeLock::acquire(home.root()) {
        Err(LockError::InUse { pid: Some(pid), .. }) => pid,
        Ok(_) | Err(LockError::InUse { pid: None, .. }) => return Err(no_server()),
        Err(error) => return Err(error.into()),
    };
    let before = read(home).filter(|said| said.process == process).ok_or_else(no_server)?;
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or_else(no_server)?;
    kill_process(pid, Signal::HUP).map_err(|e| ReloadError::Signal(process, e.into()))?;
    let asked = Instant::now();
    loop {
        match read(home).filter(|said| said.number > before.number) {
            Some(Said { done: Some(done), .. }) => return Ok(done),
            Some(said) => {
                let message = said.error.unwrap_or_default();
                return Err(ReloadError::Refused { message, hint: said.hint.unwrap_or_default() });
            }
            None if asked.elapsed() > PATIENCE => return Err(ReloadError::Silent),
            None => tokio::time::sleep(LOOK).await,
        }
    }
}
