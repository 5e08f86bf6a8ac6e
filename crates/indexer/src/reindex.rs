//! Another model takes over the appearance vectors, from stored crops and with no decoding, while searches go on.
//!
//! ```text
//! (none) ─ start ─▶ embedding ─ all embedded and compared ─▶ ready ─ switch ─▶ switched ─ drop ─▶ (none)
//!                       └────────────── roll back ───────────────┴───── roll back ─┘
//! ```
//!
//! From the start until the drop every sighting gets vectors of both models: its own from whoever saw it, and the other's from
//! its stored crop, both found by following the catalogue's changes ([`IndexSet`]). A vector is kept with the number of the
//! change it belongs to, so a process killed anywhere goes on where it was. Which model is searched is one row in the
//! catalogue; cameras and footage go on with the old embedder until the drop, so that there is a way back.
//!
//! A sighting's own vector is the mean over several pictures of its track; from its crop it is made of the best one alone.

mod compare;
mod error;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use catalogue::{AppearanceModel, Catalogue, Cluster, ModelPlace};
use index::{IndexLocation, IndexSpec};
use tokio_util::sync::CancellationToken;
use types::{Chain, ModelDigest, ReceiveTime};
use vision::{Embedder, ModelStore, Projection, VisionError};

pub use compare::Comparison;
pub use error::{ModelError, ReindexError};

use super::{error::SyncError, index_set::IndexSet, leadership::Leadership, reembedder::Reembedder, sync::IndexSync};

/// Changes that the index beside takes at once: a stop waits for so many crops at most.
const BATCH: u32 = 64;
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Vectors that change places in one transaction.
const ADOPTED: u32 = 256;
/// How long searches that began before a drop may take to end.
const SEARCHES: Duration = Duration::from_secs(60);
/// How long other servers' searches may read the old vectors after a switch.
const OTHERS: Duration = Duration::from_secs(15);

/// How far a reindex is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is next.
    pub state: State,
    /// The one that is searched.
    pub current: AppearanceModel,
    /// The one on its way, or the one before.
    pub other: Option<AppearanceModel>,
    /// Changes that the index beside has not taken.
    pub left: u64,
    /// Crops embedded by this process, and how long one took.
    pub embedded: u64,
    /// See [`Self::embedded`].
    pub each: Duration,
    /// How the two compare, once they were compared.
    pub comparison: Option<Comparison>,
}

/// Where a reindex stands; see the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No other model.
    None,
    /// Its vectors are being made.
    Embedding,
    /// It has all of them and was compared.
    Ready,
    /// It is searched; the one before is still there.
    Switched,
}

/// Which models there are, and which the cameras and footage are looked at with.
#[derive(Debug, Clone)]
pub struct Models {
    pub(crate) current: AppearanceModel,
    pub(crate) other: Option<AppearanceModel>,
    /// Somebody chose the current one here and not in the configuration.
    pub(crate) chosen: bool,
}

impl Models {
    /// Those the catalogue names, else the configuration's.
    pub(crate) async fn read(catalogue: &Catalogue, configured: &AppearanceModel) -> Result<Self, ModelError> {
        let mut all = catalogue.appearance_models().await?;
        let mut take = |place| all.iter().position(|m| m.place == place).map(|i| all.swap_remove(i));
        let current = take(ModelPlace::Current);
        let other = take(ModelPlace::Next).or_else(|| take(ModelPlace::Previous));
        let chosen = current.is_some() || other.is_some();
        Ok(Self { current: current.unwrap_or_else(|| configured.clone()), other, chosen })
    }

    /// The model that sees: the one searched, or the one before until it is dropped.
    pub fn sees(&self) -> &AppearanceModel {
        self.other.as_ref().filter(|m| m.place == ModelPlace::Previous).unwrap_or(&self.current)
    }
}

/// Which model makes a vector: that of the index that is asked.
#[derive(Debug, Clone)]
pub struct MadeBy {
    /// What its vectors say of themselves.
    pub model: ModelDigest,
    /// Name of the backbone in the manifest; `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of the learned step; `None`: the one built in.
    pub appearance: Option<PathBuf>,
}

/// Which model's vectors are searched, and the change to another's.
#[derive(Debug)]
pub struct ModelChange {
    catalogue: Catalogue,
    feed: Arc<IndexSet>,
    models: ModelStore,
    cluster: Arc<Cluster>,
    /// The model that the configuration names.
    configured: AppearanceModel,
    data: PathBuf,
    /// Where the indexes are.
    place: IndexLocation,
    /// An index of a model that nobody uses is left behind where it was.
    untidy: AtomicBool,
    /// Held by whoever changes which model is searched: two that switch at once must see each other.
    exclusive: tokio::sync::Mutex<()>,
}

impl ModelChange {
    /// Opens the index that is searched and, where another model takes over, the one beside it. `data` is the folder that learned
    /// steps lie in, and `place` where the indexes are.
    ///
    /// # Errors
    /// [`ModelError`]. A server that holds the index and does not answer is no error.
    pub async fn open(
        cluster: Arc<Cluster>,
        models: ModelStore,
        configured: ConfiguredModel,
        data: PathBuf,
        place: IndexLocation,
    ) -> Result<Self, ModelError> {
        let catalogue = cluster.catalogue().clone();
        let configured = configured.known(&models, &data).await?;
        let chosen = Models::read(&catalogue, &configured).await?;
        let chosen = keep_recipe(&catalogue, &models, &data, chosen).await?;
        share_learned(&catalogue, &data, &chosen.current).await?;
        let spec = spec_of(&models, &chosen.current, &data).await?;
        // Only where somebody chose the model by a reindex: a configuration that was changed by mistake embeds nothing.
        let reembedder = chosen.chosen.then(|| reembedder(&models, &data, &chosen.current));
        let feed = Arc::new(IndexSet::open_with(cluster.clone(), &place, spec, reembedder).await?);
        let (untidy, exclusive) = (AtomicBool::new(false), tokio::sync::Mutex::default());
        let change = Self { catalogue, feed, models, cluster, configured, data, place, untidy, exclusive };
        change.open_side().await?;
        change.tidy_models().await?;
        Ok(change)
    }

    /// The indexes that it changes.
    pub fn index_set(&self) -> &Arc<IndexSet> {
        &self.feed
    }

    /// Which models there are.
    ///
    /// # Errors
    /// [`ModelError`] where the catalogue does not answer.
    pub async fn appearance(&self) -> Result<Models, ModelError> {
        Models::read(&self.catalogue, &self.configured).await
    }

    /// File of a model's learned step.
    pub fn learned(&self, model: &AppearanceModel) -> Option<PathBuf> {
        learned(&self.data, model)
    }

    /// How the vectors of an index are made, for one more.
    ///
    /// # Errors
    /// [`ReindexError::State`] where it is on its way out.
    pub async fn made_by(&self, model: ModelDigest) -> Result<MadeBy, ReindexError> {
        let Models { current, other, .. } = self.appearance().await?;
        let found = std::iter::once(current).chain(other).find(|known| known.model == model);
        // Rolled back just now.
        let found = found.ok_or_else(|| ReindexError::state("another model takes over just now", "ask again"))?;
        let appearance = self.learned(&found);
        Ok(MadeBy { model, embedder: found.embedder, appearance })
    }

    /// Opens the index beside, if there is to be one.
    async fn open_side(&self) -> Result<(), ModelError> {
        let Some(other) = self.appearance().await?.other else { return Ok(()) };
        self.feed.set_shadow(Some(Arc::new(self.open_feed(&other).await?)));
        Ok(())
    }

    async fn open_feed(&self, model: &AppearanceModel) -> Result<IndexSync, ModelError> {
        share_learned(&self.catalogue, &self.data, model).await?;
        let spec = spec_of(&self.models, model, &self.data).await?;
        let (leadership, again) = (Leadership::of(&self.cluster, spec.model), Some(reembedder(&self.models, &self.data, model)));
        Ok(IndexSync::open(self.catalogue.clone(), &self.place, leadership, spec, again, false).await?)
    }

    /// Takes over what other servers of the catalogue did: models they chose, days they purged. Where they took this one for gone
    /// meanwhile, its index is made again or, where it is shared, validated. Does nothing where there are no others.
    ///
    /// # Errors
    /// [`ModelError`]; whoever calls it again goes on where it was.
    pub async fn follow_others(&self) -> Result<(), ModelError> {
        let Some(state) = self.cluster.state() else { return Ok(()) };
        let shared = self.cluster.shares_index();
        if state.was_away.load(Ordering::Relaxed) {
            if shared {
                // As far as it may have missed something, and feeds the index.
                self.feed.invalidate();
            } else {
                self.feed.rebuild_all().await?;
            }
            state.was_away.store(false, Ordering::Relaxed);
        }
        if shared {
            self.follow_models().await?;
        }
        self.feed.catch_up().await?;
        let announced = self.catalogue.purges_since(state.purged.load(Ordering::Relaxed)).await?;
        let done = self.feed.carry_out(&announced).await;
        state.purged.fetch_max(self.feed.purged(), Ordering::Relaxed);
        Ok(done?)
    }

    /// Has the models searched, and made beside, that another server chose.
    async fn follow_models(&self) -> Result<(), ModelError> {
        // Else this server is at it itself.
        let Ok(_one) = self.exclusive.try_lock() else { return Ok(()) };
        let Models { current, other, .. } = self.appearance().await?;
        let of = |feed: &IndexSync| feed.index().spec().model;
        if of(&self.feed.active()) != current.model {
            if self.feed.shadow().is_some_and(|shadow| of(&shadow) == current.model) {
                self.feed.exchange();
            } else {
                self.feed.set_active(self.open_feed(&current).await?).retire().await;
            }
            tracing::info!(model = %current.model.short(), "another model's vectors are searched from now on");
        }
        if self.feed.shadow().as_deref().map(of) != other.map(|m| m.model) {
            self.close_side().await;
            self.open_side().await?;
        }
        Ok(())
    }

    /// Begins to make vectors of another model: its name in the manifest and the file of its learned step, of which a copy is
    /// kept.
    ///
    /// # Errors
    /// [`ReindexError`]. Nothing has begun then.
    pub async fn start(&self, embedder: Option<String>, file: Option<PathBuf>) -> Result<Progress, ReindexError> {
        let _one = self.alone().await?;
        let appearance = match file {
            Some(file) => Some(self.keep_learned(&file).await?),
            None => None,
        };
        let mut next = AppearanceModel {
            place: ModelPlace::Next,
            model: self.configured.model,
            embedder,
            appearance,
            since: ReceiveTime::now(),
            comparison: None,
        };
        next.model = match spec_of(&self.models, &next, &self.data).await {
            Ok(spec) => spec.model,
            Err(ModelError::Vision(error)) => return Err(ReindexError::NoModel(error)),
            Err(error) => return Err(error.into()),
        };
        if next.model == self.feed.index().spec().model {
            return Err(ReindexError::SameModel);
        }
        // Before the others hear of it.
        share_learned(&self.catalogue, &self.data, &next).await?;
        if !self.catalogue.begin_reindex(&next).await? {
            return Err(ReindexError::state(
                "another model is on its way or kept already",
                "switch and drop, or roll back, first",
            ));
        }
        self.open_side().await?;
        Ok(self.progress().await?)
    }

    async fn keep_learned(&self, file: &Path) -> Result<String, ReindexError> {
        let (file, folder) = (file.to_owned(), self.data.join("appearance"));
        let keep = move || -> Result<String, VisionError> {
            let learned = Projection::open(&file)?;
            let name = format!("{}.projection", learned.digest());
            put_learned(&folder, &name, &learned.write())?;
            Ok(name)
        };
        let kept = tokio::task::spawn_blocking(keep).await.map_err(|_| SyncError::Thread)?;
        kept.map_err(ReindexError::NotLearned)
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`ReindexError`].
    pub async fn status(&self) -> Result<Progress, ReindexError> {
        let _one = self.alone().await?;
        Ok(self.progress().await?)
    }

    async fn progress(&self) -> Result<Progress, ModelError> {
        let Models { current, other, .. } = self.appearance().await?;
        let shadow = self.feed.shadow();
        let left = match &shadow {
            Some(shadow) => self.catalogue.last_change().await?.saturating_sub(shadow.applied_seq()),
            None => 0,
        };
        let place = other.as_ref().map(|m| m.place);
        let measured = if place == Some(ModelPlace::Next) {
            &other.as_ref().and_then(|m| m.comparison.clone())
        } else {
            &current.comparison
        };
        let comparison = measured.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let state = match place {
            None => State::None,
            Some(ModelPlace::Next) if left == 0 && comparison.is_some() => State::Ready,
            Some(ModelPlace::Next) => State::Embedding,
            Some(_) => State::Switched,
        };
        let (embedded, each) = shadow.map(|s| s.embedded()).unwrap_or_default();
        Ok(Progress { state, current, other, left, embedded, each, comparison })
    }

    /// From now on the new model's vectors are searched.
    ///
    /// # Errors
    /// [`ReindexError`]. The old model is searched then.
    pub async fn switch(&self) -> Result<Progress, ReindexError> {
        let _one = self.alone().await?;
        let progress = self.progress().await?;
        let embedded = progress.other.as_ref().is_some_and(|m| m.place == ModelPlace::Next) && progress.comparison.is_some();
        if !embedded {
            return Err(ReindexError::state("not every sighting is embedded and compared yet", "see `sightline reindex status`"));
        }
        let before = progress.current;
        self.feed.swap(async || self.catalogue.switch_model(&before).await).await?;
        Ok(self.progress().await?)
    }

    /// Back to the model before the start.
    ///
    /// # Errors
    /// [`ReindexError`].
    pub async fn roll_back(&self) -> Result<Progress, ReindexError> {
        let _one = self.alone().await?;
        match self.progress().await?.state {
            State::None => {
                return Err(ReindexError::state("no other model is on its way or kept", "there is nothing to roll back"));
            }
            State::Switched => self.feed.swap(async || self.catalogue.roll_back_model().await).await?,
            State::Embedding | State::Ready => self.catalogue.roll_back_model().await?,
        }
        self.forget_side().await?;
        Ok(self.progress().await?)
    }

    /// No way back from here: the old model's vectors go.
    ///
    /// # Errors
    /// [`ReindexError`]. The old vectors are there then, or the next start removes them.
    pub async fn drop_previous(&self) -> Result<Progress, ReindexError> {
        let _one = self.alone().await?;
        if self.progress().await?.state != State::Switched {
            return Err(ReindexError::state(
                "the new model is not searched yet",
                "switch to it first: `sightline reindex switch`",
            ));
        }
        // Searches that began before the switch still read the old vectors.
        self.wait_for_searches().await?;
        if self.cluster.shares_index() {
            self.wait_for_others(self.appearance().await?.current.since).await;
        }
        self.catalogue.drop_previous_model().await?;
        self.forget_side().await?;
        Ok(self.progress().await?)
    }

    /// For whoever changes which model is searched, while nobody else does. Where each server has an index of its own, it makes the next one itself when it starts:
    /// they change models one at a time.
    async fn alone(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ReindexError> {
        let one = self.exclusive.lock().await;
        if self.cluster.is_shared() && !self.cluster.shares_index() && self.catalogue.live_servers().await?.len() > 1 {
            return Err(ReindexError::state(
                "other servers are running",
                "stop all servers but this one for the reindex, then start them again",
            ));
        }
        Ok(one)
    }

    /// Of the other servers', which learn of a switch in a moment.
    async fn wait_for_others(&self, switched: ReceiveTime) {
        let since = ReceiveTime::now().as_micros() - switched.as_micros();
        let left = OTHERS.saturating_sub(Duration::from_micros(since.max(0).unsigned_abs()));
        tokio::time::sleep(left).await;
    }

    async fn wait_for_searches(&self) -> Result<(), ReindexError> {
        let Some(shadow) = self.feed.shadow() else { return Ok(()) };
        let deadline = tokio::time::Instant::now() + SEARCHES;
        while Arc::strong_count(shadow.index()) > 1 {
            if tokio::time::Instant::now() > deadline {
                return Err(ReindexError::state("a search that began before the switch still runs", "try again in a minute"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn close_side(&self) {
        if let Some(shadow) = self.feed.shadow() {
            self.feed.set_shadow(None);
            shadow.retire().await;
        }
    }

    async fn forget_side(&self) -> Result<(), ModelError> {
        self.close_side().await;
        self.tidy_models().await
    }

    /// Leaves no vector of a model that has no part any more, and makes those of the current one the sightings' own. Cut short,
    /// the next start does it.
    async fn tidy_models(&self) -> Result<(), ModelError> {
        let models = self.appearance().await?;
        if models.other.is_none() && models.chosen {
            while self.catalogue.adopt_embeddings(models.current.model, ADOPTED).await? > 0 {}
        }
        let kept: Vec<_> = std::iter::once(models.current.model).chain(models.other.map(|m| m.model)).collect();
        self.catalogue.delete_embeddings(&kept).await?;
        self.catalogue.forget_embeddings().await?;
        if !models.chosen {
            return Ok(());
        }
        let place = self.place.clone();
        let removed = tokio::task::spawn_blocking(move || place.keep_only(&kept)).await.map_err(|_| SyncError::Thread)?;
        if let Err(error) = &removed {
            tracing::warn!(error = %Chain(error), "an index of another model is left behind: trying again");
        }
        self.untidy.store(removed.is_err(), Ordering::Relaxed);
        Ok(())
    }

    /// Compares the models where that was not done; the search of it is this process's own and reads no crop.
    async fn compare_when_ready(&self) -> Result<(), ModelError> {
        let progress = self.progress().await?;
        let next = progress.other.filter(|m| m.place == ModelPlace::Next);
        let (Some(_), None, 0) = (next, progress.comparison, progress.left) else { return Ok(()) };
        // By whoever feeds it.
        let Some(shadow) = self.feed.shadow().filter(|shadow| shadow.is_leader()) else { return Ok(()) };
        let comparison = compare::compare(&self.catalogue, &self.feed.index(), shadow.index()).await?;
        tracing::info!(?comparison, "models compared");
        let text = serde_json::to_string(&comparison).unwrap_or_default();
        Ok(self.catalogue.note_comparison(&text).await?)
    }
}

fn reembedder(models: &ModelStore, data: &Path, model: &AppearanceModel) -> Arc<Reembedder> {
    Arc::new(Reembedder::new(models.clone(), model.embedder.clone(), learned(data, model)))
}

fn learned(data: &Path, model: &AppearanceModel) -> Option<PathBuf> {
    // Absolute where the configuration names it.
    model.appearance.as_ref().map(|name| data.join("appearance").join(name))
}

/// Sees to it that the file of a model's learned step is here and in the catalogue: one server alone may have been given it, at a
/// time when it was not kept there.
async fn share_learned(catalogue: &Catalogue, data: &Path, model: &AppearanceModel) -> Result<(), ModelError> {
    let Some(name) = model.appearance.as_deref().filter(|name| !Path::new(name).is_absolute()) else { return Ok(()) };
    let (file, kept) = (data.join("appearance").join(name), catalogue.learned(name).await?);
    let kept = match (file.exists(), kept) {
        (false, Some(kept)) => kept,
        (true, None) => {
            let here = tokio::fs::read(&file).await.map_err(|source| VisionError::Read { file, source })?;
            return Ok(catalogue.keep_learned(name, &here).await?);
        }
        _ => return Ok(()),
    };
    let (folder, name) = (data.join("appearance"), name.to_owned());
    Ok(tokio::task::spawn_blocking(move || put_learned(&folder, &name, &kept)).await.map_err(|_| SyncError::Thread)??)
}

/// There whole, or not at all, also after a power cut.
fn put_learned(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), VisionError> {
    let file = folder.join(name);
    durable::write(&file, bytes).map_err(|source| VisionError::Read { file, source })
}

/// After an upgrade to a build of another recipe: what was stored is searched by the recipe that made it, and new sightings get its
/// vectors, until somebody reindexes. Looks at what saw last, and notes the choice as a reindex does.
async fn keep_recipe(catalogue: &Catalogue, models: &ModelStore, data: &Path, found: Models) -> Result<Models, ModelError> {
    // A file of its own says which recipe it is of.
    if found.current.appearance.is_some() {
        return Ok(found);
    }
    let made_by = if found.chosen { Some(found.current.model) } else { catalogue.last_seen_by().await? };
    let Some(made_by) = made_by else { return Ok(found) };
    if spec_of(models, &found.current, data).await?.model == made_by {
        return Ok(found);
    }
    let folder = data.join("appearance");
    let keep = move || -> Result<Vec<String>, VisionError> {
        let put = |before: Projection| {
            let name = format!("{}.projection", before.digest());
            put_learned(&folder, &name, &before.write()).map(|()| name)
        };
        Projection::embedded_before()?.into_iter().map(put).collect()
    };
    for name in tokio::task::spawn_blocking(keep).await.map_err(|_| SyncError::Thread)?? {
        let before =
            AppearanceModel { place: ModelPlace::Current, model: made_by, appearance: Some(name), ..found.current.clone() };
        if spec_of(models, &before, data).await?.model == made_by {
            catalogue.choose_model(&before).await?;
            tracing::warn!(
                "this build has a better recipe for appearances; the one of before is searched until `sightline reindex start`"
            );
            return Models::read(catalogue, &before).await;
        }
    }
    // Another embedder, or a configuration that was changed: as it ever was.
    Ok(found)
}

/// The model that the configuration names.
#[derive(Debug, Clone)]
pub struct ConfiguredModel {
    /// Name of the backbone in the manifest; `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of the learned step; `None`: the one built in.
    pub appearance: Option<PathBuf>,
}

impl ConfiguredModel {
    /// Loads it to learn what its vectors are.
    async fn known(self, models: &ModelStore, data: &Path) -> Result<AppearanceModel, ModelError> {
        let named = AppearanceModel {
            place: ModelPlace::Current,
            model: ModelDigest([0; 32]),
            embedder: self.embedder,
            // As given, whatever the folder is that names of kept files are in.
            appearance: self.appearance.map(|p| std::path::absolute(&p).unwrap_or(p).display().to_string()),
            since: ReceiveTime::now(),
            comparison: None,
        };
        let model = spec_of(models, &named, data).await?.model;
        Ok(AppearanceModel { model, ..named })
    }
}

/// Loads the model to learn what its vectors are.
async fn spec_of(models: &ModelStore, model: &AppearanceModel, data: &Path) -> Result<IndexSpec, ModelError> {
    let (models, embedder, learned) = (models.clone(), model.embedder.clone(), learned(data, model));
    let load = move || {
        let embedder = Embedder::load(&models, embedder.as_deref(), learned.as_deref())?;
        Ok::<_, VisionError>(IndexSpec { model: embedder.digest(), appearance_len: embedder.len() })
    };
    Ok(tokio::task::spawn_blocking(load).await.map_err(|_| SyncError::Thread)??)
}

/// Feeds the index beside until `stop`, and compares the models once it has everything.
pub async fn follow(change: Arc<ModelChange>, stop: CancellationToken) {
    loop {
        tokio::select! { () = stop.cancelled() => return, () = change.feed.grown() => {}, () = tokio::time::sleep(LOOK_AGAIN) => {} }
        if change.untidy.load(Ordering::Relaxed)
            && let Err(error) = change.tidy_models().await
        {
            tracing::error!(error = %Chain(&error), "models not tidied: trying again");
        }
        let Some(shadow) = change.feed.shadow() else { continue };
        loop {
            if stop.is_cancelled() {
                return;
            }
            match shadow.catch_up_some(BATCH).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "reindex: trying again");
                    break;
                }
            }
        }
        drop(shadow);
        // What was deleted meanwhile leaves nothing behind.
        if let Err(error) = change.catalogue.forget_embeddings().await {
            tracing::error!(error = %Chain(&error), "vectors of what is gone not deleted: trying again");
        }
        if let Err(error) = change.compare_when_ready().await {
            tracing::error!(error = %Chain(&error), "models not compared: trying again");
        }
    }
}
