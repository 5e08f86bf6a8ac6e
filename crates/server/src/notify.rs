//! Tells a configured address what happened to cases: each event of the catalogue, in order, once or more. A row is the change's
//! own, and the catalogue says how far the address was told, so that nothing is lost by a crash: at worst the last event is told
//! twice, with the same number.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use catalogue::{Catalogue, CatalogueError, Cluster, StoredEvent, lease_names};
use hyper::Uri;
use metrics::counter;
use serde::Serialize;
use tokio::sync::watch;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_util::sync::CancellationToken;

use deployment::Home;
use types::Chain;

use crate::{
    base::{
        clock::Clock,
        health::Health,
        http::{Post, tell, trusting},
    },
    config::NotifyConfig,
    record::log::Log,
    telemetry::metrics::names as n,
};

/// Not serving while the configured address was not told for too long.
pub(crate) const HEALTH: &str = "sightline.Notify";
/// An event that waits for longer is overdue.
const LATE: Duration = Duration::from_secs(300);
/// How long the address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before it is tried again: twice as long each time.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// How often it is looked what other servers have written.
const LOOK: Duration = Duration::from_secs(2);
/// Events read at once.
const PAGE: u32 = 64;

/// Why the configured address can't be told anything.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The file of authorities can't be read.
    #[error("read the authorities in {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file has no certificate in it. Holds its path.
    #[error("{} holds no certificate of an authority", .0.display())]
    Empty(PathBuf),
    /// TLS can't be prepared.
    #[error("prepare TLS")]
    Tls(#[source] tokio_rustls::rustls::Error),
}

/// How those are told who answer for cases.
pub(crate) struct Notify {
    /// Something was added to the events.
    changes: watch::Sender<()>,
    waiting: AtomicU64,
    /// Of the oldest event that waits, in microseconds; 0: none does.
    oldest_us: AtomicI64,
    health: Health,
}

impl Notify {
    pub(crate) fn new(health: Health) -> Self {
        Self { changes: watch::Sender::new(()), waiting: AtomicU64::new(0), oldest_us: AtomicI64::new(0), health }
    }

    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Events that wait to be told, for metrics.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// For how long the oldest of them waits.
    pub(crate) fn oldest(&self, now: types::ReceiveTime) -> Duration {
        match self.oldest_us.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            at => Duration::from_micros(now.as_micros().saturating_sub(at).max(0).unsigned_abs()),
        }
    }
}

/// Where events are told.
pub(crate) struct Hook {
    uri: Uri,
    tls: Option<Arc<ClientConfig>>,
}

impl Hook {
    pub(crate) fn new(home: &Home, config: &NotifyConfig) -> Result<Self, HookError> {
        let tls = match &config.ca_file {
            None => None,
            Some(file) => Some(trusting(authorities(home.root().join(file))?).map_err(HookError::Tls)?),
        };
        Ok(Self { uri: config.uri.clone(), tls })
    }
}

fn authorities(file: PathBuf) -> Result<RootCertStore, HookError> {
    let mut roots = RootCertStore::empty();
    let read = |source: Box<dyn std::error::Error + Send + Sync>| HookError::Read { file: file.clone(), source };
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|e| read(e.into()))? {
        roots.add(certificate.map_err(|e| read(e.into()))?).map_err(|e| read(e.into()))?;
    }
    if roots.is_empty() { Err(HookError::Empty(file)) } else { Ok(roots) }
}

/// What is told: the body, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    event: u64,
    kind: &'static str,
    case: &'a str,
    purpose: &'static str,
    time: String,
    deadline: Option<String>,
}

/// Why an event was not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("sign the event")]
    Sign(#[from] access::log::LogError),
    #[error("write the event as JSON")]
    Write(#[from] serde_json::Error),
    #[error("the address was not reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the address answered {0}")]
    Refused(u16),
}

/// What it takes to tell.
pub(crate) struct Teller {
    pub(crate) notify: Arc<Notify>,
    pub(crate) hook: Hook,
    pub(crate) catalogue: Catalogue,
    pub(crate) log: Arc<Log>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) clock: Clock,
}

/// Tells the address of what happens, and tries again as long as it takes.
pub(crate) async fn tell_regularly(teller: Teller, stop: CancellationToken) {
    let (mut changes, mut pause) = (teller.notify.watch(), FIRST);
    loop {
        changes.mark_unchanged();
        let done = tokio::select! { () = stop.cancelled() => return, done = teller.tell_all() => done };
        if let Err(error) = &done {
            counter!(n::NOTIFY_FAILURES).increment(1);
            tracing::warn!(error = %Chain(error), again_in = ?pause, "who answers for cases was not told");
        }
        if let Err(error) = teller.measure_untold().await {
            tracing::error!(error = %Chain(&error), "what waits to be told can't be read");
        }
        match done {
            Ok(()) => {
                pause = FIRST;
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            Err(_) => {
                tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(pause) => {} }
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

impl Teller {
    async fn untold(&self, limit: u32) -> Result<(u64, Vec<StoredEvent>), CatalogueError> {
        let told = self.catalogue.notified().await?.unwrap_or_default();
        Ok((told, self.catalogue.case_events_since(told, limit).await?))
    }

    async fn tell_all(&self) -> Result<(), Untold> {
        if self.untold(1).await?.1.is_empty() {
            return Ok(());
        }
        let Some(_held) = self.cluster.acquire(lease_names::NOTIFY).await? else { return Ok(()) };
        loop {
            let (mut told, events) = self.untold(PAGE).await?;
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                let lost = event.seq - told - 1;
                match &event.event {
                    Some(_) => self.tell(&event).await?,
                    None => tracing::error!(event = event.seq, "an event of a case can't be read, and is not told"),
                }
                let lost = lost + u64::from(event.event.is_none());
                if lost > 0 {
                    counter!(n::NOTIFY_LOST).increment(lost);
                    tracing::error!(
                        lost,
                        before = event.seq,
                        "events of cases were not told: too many waited, or they can't be read"
                    );
                }
                self.catalogue.set_notified(event.seq).await?;
                told = event.seq;
            }
        }
    }

    async fn tell(&self, stored: &StoredEvent) -> Result<(), Untold> {
        let Some(event) = &stored.event else { return Ok(()) };
        let body = serde_json::to_string(&Told {
            event: stored.seq,
            kind: event.kind.as_str(),
            case: event.case.as_str(),
            purpose: event.purpose.as_str(),
            time: event.at.to_string(),
            deadline: event.deadline.map(|t| t.to_string()),
        })?;
        let key = self.log.key();
        let headers = [
            ("sightline-key", format!("{}+{}", key.name(), hex::encode(key.id()))),
            ("sightline-signature", self.log.sign_event(&body)?),
        ];
        let post = Post { content: "application/json", headers: &headers, body, tls: self.hook.tls.clone() };
        let status = tell(&self.hook.uri, post, PATIENCE).await.map_err(Untold::Away)?;
        if status.is_success() { Ok(()) } else { Err(Untold::Refused(status.as_u16())) }
    }

    async fn measure_untold(&self) -> Result<(), CatalogueError> {
        let (told, events) = self.untold(1).await?;
        let waiting = self.catalogue.last_case_event().await?.saturating_sub(told);
        let oldest = events.first().and_then(|e| e.event.as_ref());
        self.notify.waiting.store(waiting, Ordering::Relaxed);
        self.notify.oldest_us.store(oldest.map_or(0, |e| e.at.as_micros()), Ordering::Relaxed);
        let late = self.notify.oldest(self.clock.now()) > LATE;
        self.notify.health.set(HEALTH, !late).await;
        Ok(())
    }
}
