//! What a home folder holds, opened: the catalogue and the index derived from it. Also without a server, for `check` and
//! `index rebuild`.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use catalogue::{Catalogue, CatalogueError, Cluster, IdDifference, UnusableRow, compare_ids, lease_names};
use deployment::{Home, HomeLock, LockError};
use index::IndexLocation;
use indexer::{
    FED, IndexSet, SyncError,
    reindex::{ConfiguredModel, ModelChange, ModelError},
};
use types::Chain;
use vision::{Manifest, ModelStore, VisionError};

use crate::{
    config::{ApiKeyError, Config},
    copies::upgrade::{self, UpgradeError},
    record::{
        health as record_health,
        log::{Log, RecordFault},
    },
};

/// What to do where a server that holds the index is not to be had.
pub(crate) const INDEX_AWAY: &str = "nothing is lost: sightings are stored and found once it answers; look after the server that `index.url` names, then try again";

/// How long `check` waits for another server's deletion.
const DELETING: Duration = Duration::from_secs(60);
/// Findings listed in an answer; all are counted.
const MAX_FINDINGS: usize = 1000;

/// Why a deployment can't be opened, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The home folder is in use, or open to others.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The log failed, or does not fit the catalogue.
    #[error(transparent)]
    Log(#[from] RecordFault),
    /// The index does not follow the catalogue.
    #[error(transparent)]
    Feed(#[from] SyncError),
    /// A move into the database was cut off.
    #[error("a deployment is being moved into this database, and is not whole yet")]
    HalfMoved,
    /// A model can't be used.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The index server's key can't be read.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The audit record does not take an entry.
    #[error(transparent)]
    Audit(#[from] access::AuditError),
    /// The catalogue can't be brought up to date.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
}

impl From<ModelError> for StoreError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Catalogue(error) => error.into(),
            ModelError::Feed(error) => error.into(),
            ModelError::Vision(error) => error.into(),
        }
    }
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::Lock(error) => return error.hint().into(),
            Self::Log(error) => error.hint(),
            Self::Upgrade(UpgradeError::NoRoom { .. }) => "nothing was changed; make room where data/ lies, then start again",
            Self::Upgrade(_) => "nothing was changed; `sightline upgrade --check` says more",
            Self::HalfMoved => "finish it first: `sightline migrate`",
            Self::Vision(error) => error.hint().unwrap_or("run `sightline models verify`"),
            Self::Catalogue(error) | Self::Feed(SyncError::Catalogue(error)) if error.hint().is_some() => {
                error.hint().unwrap_or_default()
            }
            Self::ApiKey(_) => "write the key into the file that `index.api_key_file` names, readable by the server alone",
            Self::Feed(error) if error.is_away() => INDEX_AWAY,
            Self::Catalogue(_) | Self::Feed(_) | Self::Audit(_) => "check the disk, then run `sightline check`",
        };
        hint.into()
    }
}

/// What a comparison of catalogue, crops, index and record found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Nothing is wrong.
    pub clean: bool,
    /// Sightings that were looked at.
    pub sightings: u64,
    /// Crops that were looked at.
    pub crops: u64,
    /// Vectors that were looked at.
    pub vectors: u64,
    /// At most a thousand.
    pub findings: Vec<CheckFinding>,
    /// Those that are not listed too.
    pub findings_total: u64,
    /// Sightings that the record commits to, and those that it does not.
    pub committed: u64,
    /// Sightings that the record does not commit to.
    pub uncommitted: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// What kind of thing is wrong.
    pub kind: FindingKind,
    /// What it is about: an id, a file's name.
    pub subject: String,
    /// What is wrong, for people.
    pub message: String,
    /// Whether it was put right.
    pub repaired: bool,
}

/// As the protocol names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The database says that it is damaged.
    Database,
    /// A sighting has no readable crop.
    CropMissing,
    /// A crop has no sighting.
    CropOrphaned,
    /// The index lacks a sighting.
    VectorMissing,
    /// The index has a sighting that is gone.
    VectorOrphaned,
    /// The index's files are damaged.
    VectorDamaged,
    /// A sighting's row can't be used.
    SightingUnusable,
    /// A sighting is not what the record commits to.
    SightingChanged,
    /// The record and what lies beside it differ.
    Audit,
}

impl CheckFinding {
    fn is_about_the_record(&self) -> bool {
        matches!(self.kind, FindingKind::Audit | FindingKind::SightingChanged)
    }
}

/// An index made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Vectors that it holds.
    pub vectors: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// An opened home folder; nobody else has it open.
#[derive(Debug)]
pub struct Store {
    pub(crate) catalogue: Catalogue,
    pub(crate) log: Arc<Log>,
    pub(crate) feed: Arc<IndexSet>,
    pub(crate) models: ModelStore,
    pub(crate) cluster: Arc<Cluster>,
    /// Held while sightings are deleted: what is half gone is no finding.
    pub(crate) deleting: tokio::sync::Mutex<()>,
    pub(crate) data: PathBuf,
    /// What is stored is not what the record says, as far as anybody looked.
    pub(crate) differs: AtomicBool,
    /// Which model is searched.
    pub(crate) reindex: Arc<ModelChange>,
    _lock: HomeLock,
}

impl Store {
    /// Opens everything, makes good what an unclean stop left undone, and verifies the models.
    ///
    /// # Errors
    /// [`StoreError`]. Nothing that was acknowledged is lost by it.
    pub async fn open(home: &Home, config: &Config) -> Result<Self, StoreError> {
        let lock = HomeLock::acquire(home.root())?;
        let models = models(config)?;
        let data = home.root().join(&config.data);
        verify_models(&models, config).await?;
        if config.database.is_none() {
            upgrade::copy_before(&data).await?;
        }
        let catalogue = Catalogue::open(&config.catalogue(home.root())?).await?;
        if catalogue.unfinished_migration().await?.is_some() {
            return Err(StoreError::HalfMoved);
        }
        let index_name = config.index_server.as_ref().map(|server| server.name.clone());
        let cluster = Arc::new(Cluster::join(catalogue.clone(), index_name).await?);
        // Before anything is changed: on an older copy nothing is.
        let log = Log::open(home, &config.log, catalogue.clone()).await?;
        // What the record says decides, also where somebody changed the rows.
        let differs = record_health::differs(&catalogue).await?;
        if !cluster.is_shared() {
            undo_cut_off_jobs(&catalogue, &cluster).await?;
            let swept = catalogue.sweep_orphans().await?;
            if swept > 0 {
                tracing::info!(crops = swept, "crops without a sighting removed");
            }
        }
        let place = match &config.index_server {
            Some(server) => IndexLocation::server(server.settings(home.root())?).map_err(SyncError::from)?,
            None => IndexLocation::folder(&data.join("index")),
        };
        let configured = ConfiguredModel { embedder: config.embedder.clone(), appearance: config.appearance.clone() };
        let reindex = ModelChange::open(cluster.clone(), models.clone(), configured, data.clone(), place).await?;
        Ok(Self {
            catalogue,
            log: Arc::new(log),
            feed: reindex.index_set().clone(),
            models,
            cluster,
            deleting: tokio::sync::Mutex::default(),
            data,
            differs: AtomicBool::new(differs),
            reindex: Arc::new(reindex),
            _lock: lock,
        })
    }

    /// Makes the index durable and closes the catalogue.
    ///
    /// # Errors
    /// [`StoreError`] where something could not be written; the next start makes it good.
    pub async fn close(self) -> Result<(), StoreError> {
        self.shut().await
    }

    pub(crate) async fn shut(&self) -> Result<(), StoreError> {
        match self.feed.flush().await {
            Err(error) if error.is_away() => {
                tracing::warn!(error = %Chain(&error), "index not written out; the next start feeds it what it lacks");
            }
            flushed => flushed?,
        }
        self.feed.retire().await;
        self.log.publish().await?;
        self.cluster.leave().await?;
        self.catalogue.close().await;
        Ok(())
    }

    /// Compares catalogue, crops and index; with `repair`, puts right what can be.
    ///
    /// # Errors
    /// [`StoreError`] where the check itself could not be made. What it finds is no error.
    pub async fn check(&self, repair: bool) -> Result<CheckReport, StoreError> {
        let _turn = self.deleting.lock().await;
        let held = self.cluster.wait_for_lease(lease_names::RETENTION, DELETING).await?;
        let mut findings = self.findings().await?;
        let found = std::mem::take(&mut findings.list);
        self.differs.store(found.iter().any(CheckFinding::is_about_the_record), Ordering::Relaxed);
        if !repair || found.is_empty() {
            return Ok(findings.answer(found));
        }
        self.catalogue.repair_record().await?;
        self.catalogue.repair(&held.fence()).await?;
        self.feed.await_current(FED).await?;
        let vector = |f: &CheckFinding| {
            let kinds = [FindingKind::VectorMissing, FindingKind::VectorOrphaned, FindingKind::VectorDamaged];
            kinds.contains(&f.kind)
        };
        if found.iter().any(vector) {
            self.feed.rebuild().await?;
        }
        let left = self.findings().await?;
        self.differs.store(left.list.iter().any(CheckFinding::is_about_the_record), Ordering::Relaxed);
        let is_left = |f: &CheckFinding| left.list.iter().any(|l| l.kind == f.kind && l.subject == f.subject);
        let list = found.into_iter().map(|f| CheckFinding { repaired: !is_left(&f), ..f }).collect();
        let clean = left.list.is_empty();
        Ok(CheckReport { clean, ..left.answer(list) })
    }

    /// Makes the index again from the catalogue.
    ///
    /// # Errors
    /// [`StoreError`]. The old index may be gone then; the next start makes it again.
    pub async fn rebuild_index(&self) -> Result<Rebuilt, StoreError> {
        let began = Instant::now();
        let vectors = self.feed.rebuild().await?;
        Ok(Rebuilt { vectors, elapsed: began.elapsed() })
    }

    async fn findings(&self) -> Result<Findings, StoreError> {
        let report = self.catalogue.check().await?;
        let (mut difference, mut vectors) = self.compare().await?;
        if !difference.is_empty() {
            // What was in flight is no finding: it is another the second time.
            let (again, now) = self.compare().await?;
            difference.missing.retain(|id| again.missing.contains(id));
            difference.surplus.retain(|id| again.surplus.contains(id));
            vectors = now;
        }
        // Those that the index has set aside are named as such, and not as missing.
        let mut aside = self.catalogue.sightings_set_aside(self.feed.active().index().spec().model).await?;
        let named: BTreeSet<_> = report.unusable.iter().chain(aside.iter().map(|a| &a.row)).filter_map(UnusableRow::id).collect();
        difference.missing.retain(|(_, id)| !named.contains(id));
        aside.retain(|a| !report.unusable.iter().any(|row| row.key == a.row.key));
        let mut list = Vec::new();
        let mut add = |kind: FindingKind, subject: String, message: &str| {
            list.push(CheckFinding { kind, subject, message: message.to_owned(), repaired: false });
        };
        for line in &report.database {
            add(FindingKind::Database, "catalogue.db".to_owned(), line);
        }
        for id in &report.without_crop {
            add(FindingKind::CropMissing, id.to_string(), "the sighting has no crop");
        }
        for id in &report.unreadable_crop {
            add(FindingKind::CropMissing, id.to_string(), "the sighting's crop is damaged");
        }
        for row in &report.unusable {
            let message = format!("the sighting is in no search: {}", row.fault);
            add(FindingKind::SightingUnusable, row.subject(), &message);
        }
        for aside in &aside {
            let message = format!("the sighting is in no search: {}", aside.row.fault);
            add(FindingKind::SightingUnusable, aside.row.subject(), &message);
        }
        if let Err(fault) = self.feed.verify().await {
            add(FindingKind::VectorDamaged, "index".to_owned(), &Chain(&fault).to_string());
        }
        for changed in &report.changed {
            add(FindingKind::SightingChanged, changed.subject.clone(), &changed.message);
        }
        for name in &report.orphan_crops {
            add(FindingKind::CropOrphaned, name.clone(), "the crop belongs to no sighting");
        }
        for (_, id) in &difference.missing {
            add(FindingKind::VectorMissing, id.to_string(), "the index does not know the sighting");
        }
        for (_, id) in &difference.surplus {
            add(FindingKind::VectorOrphaned, id.to_string(), "the index knows a sighting that is not there");
        }
        for found in self.catalogue.check_record().await? {
            add(FindingKind::Audit, found.subject, &found.message);
        }
        if let Some(path) = self.log.missing_mark() {
            let message = format!(
                "{} was missing at the start: whether this is the newest copy of the log can't be told by it. It was made anew",
                path.display()
            );
            add(FindingKind::Audit, "high-water mark".to_owned(), &message);
        }
        match self.log.verify().await {
            Ok(_) => {}
            Err(RecordFault::Catalogue(error)) if !matches!(error, CatalogueError::BrokenRecord { .. }) => {
                return Err(error.into());
            }
            Err(fault) => add(FindingKind::Audit, "log".to_owned(), &fault.to_string()),
        }
        let count = |n: usize| n as u64;
        Ok(Findings {
            sightings: report.sightings,
            crops: report.crops,
            vectors: count(vectors),
            committed: report.committed,
            uncommitted: report.uncommitted,
            list,
        })
    }

    /// What rows and vectors differ in, and how many vectors there are.
    async fn compare(&self) -> Result<(IdDifference, usize), StoreError> {
        self.feed.await_current(FED).await?;
        let rows = self.catalogue.ids_by_day().await?;
        let vectors = self.feed.ids_by_day().await?;
        Ok((compare_ids(&rows, &vectors), vectors.values().map(Vec::len).sum()))
    }
}

struct Findings {
    sightings: u64,
    crops: u64,
    vectors: u64,
    committed: u64,
    uncommitted: u64,
    list: Vec<CheckFinding>,
}

impl Findings {
    fn answer(&self, mut list: Vec<CheckFinding>) -> CheckReport {
        let findings_total = list.len() as u64;
        list.truncate(MAX_FINDINGS);
        CheckReport {
            clean: findings_total == 0,
            sightings: self.sightings,
            crops: self.crops,
            vectors: self.vectors,
            findings: list,
            findings_total,
            committed: self.committed,
            uncommitted: self.uncommitted,
        }
    }
}

/// The models the configuration names.
///
/// # Errors
/// [`VisionError::Manifest`]: never of a build that passes its tests.
pub fn models(config: &Config) -> Result<ModelStore, VisionError> {
    match &config.model_cache {
        Some(cache) => Ok(ModelStore::new(cache.clone(), Manifest::embedded()?)),
        None => ModelStore::from_env(),
    }
}

/// Loads the embedder that the configuration names once to learn what its vectors are, and verifies the other models, so
/// that a missing one stops the start and not the first job.
async fn verify_models(models: &ModelStore, config: &Config) -> Result<(), StoreError> {
    let (store, names) = (models.clone(), [config.detector.clone(), config.face_finder.clone()]);
    let verify = move || -> Result<(), VisionError> {
        for (name, role) in names.iter().zip([vision::Role::Detector, vision::Role::FaceFinder]) {
            let manifest = store.manifest();
            let entry = name.as_ref().map_or_else(|| manifest.default(role), |n| manifest.entry(n))?;
            store.verify(&entry.name)?;
        }
        Ok(())
    };
    Ok(tokio::task::spawn_blocking(verify).await.map_err(|_| SyncError::Thread)??)
}

/// A job that was running when the process died goes on; one that somebody wanted stopped leaves nothing.
async fn undo_cut_off_jobs(catalogue: &Catalogue, cluster: &Cluster) -> Result<(), CatalogueError> {
    for job in catalogue.running_jobs().await? {
        if job.cancelling {
            let held = cluster.wait_for_lease(lease_names::FOOTAGE, DELETING).await?;
            catalogue.discard_footage(&job.spec.camera, job.spec.footage, &held.fence()).await?;
        }
        tracing::info!(job = %job.id, cancelled = job.cancelling, "job was cut off");
    }
    catalogue.requeue_running(None).await?;
    Ok(())
}
