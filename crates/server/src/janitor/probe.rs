//! The search that follows a deletion: what is gone must not be found, by whatever way somebody would look for it.

use std::collections::BTreeSet;

use access::{Deletion, Probe};
use catalogue::Reason;
use index::{IndexQuery, QueryVector};
use indexer::SyncError;
use types::{CameraId, Day, Embedding, SightingId, TimeWindow};

use super::error::JanitorError;
use crate::store::Store;

/// Of each run so many are looked for by their vectors as well.
pub(super) const SAMPLE: usize = 64;
/// Ids looked for at once.
const PAGE: usize = 1_000;

/// Looks for what was deleted as somebody would who wants to find it.
pub(super) async fn probe(
    store: &Store,
    deletion: &Deletion,
    gone: &[SightingId],
    sample: Vec<Embedding>,
) -> Result<Probe, JanitorError> {
    let catalogue = &store.catalogue;
    let mut found = catalogue.stray_crops(deletion.day).await?;
    for page in gone.chunks(PAGE) {
        found += catalogue.maintenance(Reason::Deletion).sightings(page).await?.len() as u64;
    }
    let index = store.feed.index().clone();
    let spec = index.spec();
    let sample: Vec<_> = sample.into_iter().filter(|e| e.model() == spec.model).collect();
    let (vectors, ids) = (sample.len() as u64, gone.len() as u64);
    let gone: BTreeSet<SightingId> = gone.iter().copied().collect();
    let (day, cameras) = (deletion.day, deletion.cameras.keys().cloned().collect::<Vec<_>>());
    let in_index = move || -> Result<(u64, Vec<SightingId>), index::IndexError> {
        let mut found = 0;
        for embedding in sample {
            let listed = index.search(&looking_for(day, cameras.clone(), embedding))?;
            found += listed.iter().filter(|s| gone.contains(&s.id)).count() as u64;
        }
        let ids = index.ids(day)?;
        found += ids.iter().filter(|id| gone.contains(id)).count() as u64;
        Ok((found, ids))
    };
    let (listed, ids_left) =
        tokio::task::spawn_blocking(in_index).await.map_err(|_| SyncError::Thread)?.map_err(SyncError::from)?;
    // Read after the index was: what it has must have a row.
    let rows: BTreeSet<_> = catalogue.ids(deletion.day).await?.into_iter().collect();
    found += listed + ids_left.iter().filter(|id| !rows.contains(id)).count() as u64;
    Ok(Probe { ids, vectors, found })
}

/// Everything of a day that looks like it, as far as a search reads.
fn looking_for(day: Day, cameras: Vec<CameraId>, embedding: Embedding) -> IndexQuery {
    let (from, to) = (day.start(), Day(day.0 + 1).start());
    let window = TimeWindow::new(from, to).unwrap_or_else(|_| unreachable!("a day has a length"));
    IndexQuery {
        window,
        cameras,
        classes: Vec::new(),
        vector: QueryVector::Appearance(embedding),
        limit: SAMPLE,
        exclude: Vec::new(),
    }
}
