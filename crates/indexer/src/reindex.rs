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
mod follow;
mod models;
mod progress;
mod side;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use catalogue::{AppearanceModel, Catalogue, Cluster, ModelPlace};
use index::IndexLocation;
use types::{ModelDigest, ReceiveTime};
use vision::{ModelStore, Projection, VisionError};

pub use compare::Comparison;
pub use error::{ModelError, ReindexError};
pub use models::{ConfiguredModel, MadeBy, Models};
use models::{keep_recipe, learned, put_learned, reembedder, share_learned, spec_of};
pub use progress::{Progress, State};

use super::{error::SyncError, index_set::IndexSet};

/// How long searches that began before a drop may take to end.
const SEARCHES: Duration = Duration::from_secs(60);
/// How long other servers' searches may read the old vectors after a switch.
const OTHERS: Duration = Duration::from_secs(15);

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

    /// For whoever changes which model is searched, while nobody else does. Where each server has an index of its own, it makes the
    /// next one itself when it starts: they change models one at a time.
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
}
