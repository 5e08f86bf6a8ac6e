//! How every sighting is stored, whoever saw it: the catalogue first, then the index.

use catalogue::{Catalogue, CatalogueError, FencingToken, SightingRecord};
use types::Chain;

use super::index_set::IndexSet;

/// As [`store_sightings`], but that no sighting keeps the others out: those that can never be stored are left out, by their place
/// among the records, with the reason.
///
/// # Errors
/// [`CatalogueError`] that is about none of them: nothing is known to be stored.
pub async fn store_good(
    catalogue: &Catalogue,
    feed: &IndexSet,
    records: &[SightingRecord],
    fence: &FencingToken,
) -> Result<Vec<(usize, CatalogueError)>, CatalogueError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    match store_sightings(catalogue, feed, records, fence).await {
        Err(error) if error.is_about_a_sighting() => {}
        stored => return stored.map(|()| Vec::new()),
    }
    let mut refused = Vec::new();
    for (n, record) in records.iter().enumerate() {
        match store_sightings(catalogue, feed, std::slice::from_ref(record), fence).await {
            Err(error) if error.is_about_a_sighting() => refused.push((n, error)),
            stored => stored?,
        }
    }
    Ok(refused)
}

/// Returns when the catalogue has them for good; refused where the leave they are stored by is another server's. An index that
/// can't take them now catches up later, and searches say so meanwhile.
///
/// # Errors
/// [`CatalogueError`]; then none of them is stored.
pub async fn store_sightings(
    catalogue: &Catalogue,
    feed: &IndexSet,
    records: &[SightingRecord],
    fence: &FencingToken,
) -> Result<(), CatalogueError> {
    catalogue.put_sightings(records, fence).await?;
    if let Err(error) = feed.take_new().await {
        tracing::error!(error = %Chain(&error), "index lags behind the catalogue");
    }
    Ok(())
}
