//! How two models compare on this deployment's own sightings, without anybody saying who is who.
//!
//! The queries are the same sightings each time: those with the smallest ids, which are digests and so a fair sample. Each is
//! an example among all sightings of its class, itself left out, once by each model. It says how far the answers change, not
//! which are better: that takes labelled footage and `sightline eval retrieval`.

use std::{collections::BTreeSet, sync::Arc};

use catalogue::{Catalogue, Reason};
use index::{IndexQuery, QueryVector, VectorIndex};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use types::{CameraId, CaptureTime, Sighting, SightingId, TimeWindow};

use super::error::ModelError;
use crate::error::SyncError;

const QUERIES: u32 = 200;
const TOP: usize = 10;

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many sightings were asked for.
    pub queries: u32,
    /// Mean share of the old ten best that are among the new ten best.
    pub agreement: f64,
    /// Share of queries whose old best hit is among the new ten best.
    pub best_kept: f64,
    /// The same, of the best hit on another camera than the query's.
    pub best_elsewhere_kept: f64,
}

pub(super) async fn compare(
    catalogue: &Catalogue,
    old: &Arc<VectorIndex>,
    new: &Arc<VectorIndex>,
) -> Result<Comparison, ModelError> {
    let cameras: Vec<CameraId> = catalogue.cameras().await?.into_iter().map(|c| c.id).collect();
    let (mut queries, mut agreement, mut best, mut elsewhere, mut with_elsewhere) = (0u32, 0.0, 0u32, 0u32, 0u32);
    let stored = catalogue.maintenance(Reason::Reindex);
    for sighting in stored.sightings(&catalogue.sample(QUERIES).await?).await? {
        let before = nearest(catalogue, old, &sighting, &cameras).await?;
        let after = nearest(catalogue, new, &sighting, &cameras).await?;
        let (Some(before), Some(after)) = (before, after) else { continue };
        let Some(first) = before.first() else { continue };
        let after: BTreeSet<SightingId> = after.iter().take(TOP).copied().collect();
        let top: Vec<_> = before.iter().take(TOP).collect();
        queries += 1;
        agreement += top.iter().filter(|id| after.contains(id)).count() as f64 / top.len() as f64;
        best += u32::from(after.contains(first));
        let others = stored.sightings(&before).await?;
        if let Some(other) = others.iter().find(|s| s.camera != sighting.camera) {
            with_elsewhere += 1;
            elsewhere += u32::from(after.contains(&other.id));
        }
    }
    // Nothing to compare is no difference.
    let share = |part: f64, of: u32| if of == 0 { 1.0 } else { part / f64::from(of) };
    Ok(Comparison {
        queries,
        agreement: share(agreement, queries),
        best_kept: share(best.into(), queries),
        best_elsewhere_kept: share(elsewhere.into(), with_elsewhere),
    })
}

/// The most alike by one model; `None` where it has no vector of the sighting.
async fn nearest(
    catalogue: &Catalogue,
    index: &Arc<VectorIndex>,
    sighting: &Sighting,
    cameras: &[CameraId],
) -> Result<Option<Vec<SightingId>>, ModelError> {
    let vector = catalogue.maintenance(Reason::Reindex).embedding_by(sighting.id, index.spec().model).await?;
    let Some(vector) = vector else { return Ok(None) };
    let ever = |micros| CaptureTime::from_micros(micros).ok();
    let Some(window) = ever(0).zip(ever(LAST_US)).and_then(|(from, to)| TimeWindow::new(from, to).ok()) else { return Ok(None) };
    let query = IndexQuery {
        window,
        cameras: cameras.to_vec(),
        classes: vec![sighting.class],
        vector: QueryVector::Appearance(vector),
        limit: 5 * TOP,
        exclude: vec![sighting.id],
    };
    let index = Arc::clone(index);
    let found = spawn_blocking(move || index.search(&query)).await.map_err(|_| SyncError::Thread)?;
    Ok(Some(found.map_err(SyncError::from)?.into_iter().map(|s| s.id).collect()))
}

/// Well after the last sighting there can be.
const LAST_US: i64 = 8_000_000_000_000_000;
