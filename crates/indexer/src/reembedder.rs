//! Makes an appearance vector from a sighting's stored crop, for an index of another model than the sighting's own.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use catalogue::{Catalogue, Reason};
use parking_lot::Mutex;
use redact::RedactedCrop;
use types::{Chain, Embedding, ModelDigest, SightingId};
use vision::{Embedder, ModelStore, VisionError};

use super::error::SyncError;

/// Vectors stored in one transaction.
const BATCH: usize = 32;

/// An embedder, loaded when the first crop comes.
#[derive(Debug)]
pub(crate) struct Reembedder {
    models: ModelStore,
    embedder: Option<String>,
    appearance: Option<PathBuf>,
    loaded: Mutex<Option<Embedder>>,
    embedded: AtomicU64,
    micros: AtomicU64,
}

impl Reembedder {
    pub(crate) fn new(models: ModelStore, embedder: Option<String>, appearance: Option<PathBuf>) -> Self {
        Self { models, embedder, appearance, loaded: Mutex::default(), embedded: AtomicU64::new(0), micros: AtomicU64::new(0) }
    }

    /// Crops embedded so far, and how long one took, from its reading until its vector was kept.
    pub(crate) fn measured(&self) -> (u64, Duration) {
        let embedded = self.embedded.load(Ordering::Relaxed);
        (embedded, Duration::from_micros(self.micros.load(Ordering::Relaxed) / embedded.max(1)))
    }

    /// Vectors by `model` of sightings as of a change each: those that are kept, else from their crops, and then kept too. A
    /// sighting whose crop is gone or damaged has none.
    pub(crate) async fn vectors(
        self: &Arc<Self>,
        catalogue: &Catalogue,
        model: ModelDigest,
        wanted: &[(SightingId, u64)],
    ) -> Result<Vec<(SightingId, Embedding)>, SyncError> {
        let ids: Vec<SightingId> = wanted.iter().map(|(id, _)| *id).collect();
        let mut kept = catalogue.maintenance(Reason::Reindex).kept_embeddings(model, &ids).await?;
        let (mut all, mut missing) = (Vec::with_capacity(wanted.len()), Vec::new());
        for &(id, seq) in wanted {
            match kept.remove(&id).filter(|(as_of, _)| *as_of == seq) {
                Some((_, embedding)) => all.push((id, embedding)),
                None => missing.push((id, seq)),
            }
        }
        for some in missing.chunks(BATCH) {
            let began = Instant::now();
            let mut crops = Vec::with_capacity(some.len());
            for &(id, seq) in some {
                // Gone meanwhile: its removal is the next change.
                crops.extend(catalogue.maintenance(Reason::Reindex).crop(id).await?.map(|jpeg| (id, seq, jpeg)));
            }
            let this = self.clone();
            let made = tokio::task::spawn_blocking(move || this.embed(&crops)).await.map_err(|_| SyncError::Thread)??;
            if made.iter().any(|(_, _, e)| e.model() != model) {
                return Err(SyncError::Thread);
            }
            catalogue.put_embeddings(&made).await?;
            self.embedded.fetch_add(made.len() as u64, Ordering::Relaxed);
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.micros.fetch_add(micros, Ordering::Relaxed);
            all.extend(made.into_iter().map(|(id, _, embedding)| (id, embedding)));
        }
        Ok(all)
    }

    fn embed(&self, crops: &[(SightingId, u64, Vec<u8>)]) -> Result<Vec<(SightingId, u64, Embedding)>, VisionError> {
        let mut loaded = self.loaded.lock();
        let embedder = match &mut *loaded {
            Some(embedder) => embedder,
            none => none.insert(Embedder::load(&self.models, self.embedder.as_deref(), self.appearance.as_deref())?),
        };
        let (mut made, mut failed, mut last) = (Vec::with_capacity(crops.len()), 0, None);
        for (id, seq, jpeg) in crops {
            match RedactedCrop::decode(jpeg) {
                Ok(crop) => match embedder.embed(&crop) {
                    Ok(embedding) => made.push((*id, *seq, embedding)),
                    Err(error) => {
                        tracing::warn!(%id, error = %Chain(&error), "not embedded");
                        (failed, last) = (failed + 1, Some(error));
                    }
                },
                Err(error) => tracing::warn!(%id, error = %Chain(&error), "crop damaged: not embedded"),
            }
        }
        // One picture that the model can make nothing of keeps nothing else back; a model that fails at all of several does.
        match last {
            Some(error) if made.is_empty() && failed > 1 => Err(error),
            _ => Ok(made),
        }
    }
}
