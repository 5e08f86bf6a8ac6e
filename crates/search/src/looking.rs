//! A search that goes on: what is stored from a moment on, and fits.
//!
//! It reads what the catalogue stored, in its order, and not the index: a change is there for everybody once its number is, and
//! none is passed over. Nothing of it is kept but the number of the last change that was looked at.

use std::collections::HashSet;

use access::CasePermit;
use types::SightingId;

use crate::{
    Hit, SearchError, SearchQuery, Searcher,
    searcher::{Plan, inside, weigh},
};

/// Sightings looked at together.
const AT_ONCE: u32 = 256;

/// Where a search that goes on is.
#[derive(Debug)]
pub struct Looking {
    query: SearchQuery,
    plan: Plan,
    /// The last change that was looked at.
    after: u64,
    /// A live sighting is stored again when its track ends; it is one hit.
    told: HashSet<SightingId>,
    least: f32,
}

impl Searcher {
    /// Begins after the last change that is stored now.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn look_from_now(&self, permit: &CasePermit, query: SearchQuery, least: f32) -> Result<Looking, SearchError> {
        let plan = self.plan(permit, &query).await?;
        let after = self.catalogue().last_change().await?;
        Ok(Looking { query, plan, after, told: HashSet::new(), least })
    }

    /// What was stored since it was looked last and scores enough, in the order it was stored.
    ///
    /// # Errors
    /// Where the catalogue can't be read: asked again, it goes on where it was.
    pub async fn look_again(&self, permit: &CasePermit, looking: &mut Looking) -> Result<Vec<Hit>, SearchError> {
        let mut found = Vec::new();
        loop {
            let (new, last) = match self.catalogue().new_for(permit, looking.after, AT_ONCE, self.model()).await {
                Ok(page) => page,
                // What was found is handed out first.
                Err(_) if !found.is_empty() => return Ok(found),
                Err(error) => return Err(error.into()),
            };
            let Looking { query, plan, told, least, .. } = &mut *looking;
            for (sighting, vector) in new {
                if !permit.covers(&sighting) || !inside(plan, &sighting) || told.contains(&sighting.id) {
                    continue;
                }
                let learned = plan.learned();
                let likeness = (!learned.is_nothing())
                    .then(|| vector.as_ref().map_or(0.0, |v| learned.likeness(v, &sighting.description.carrying)));
                if let Some(hit) = weigh(permit, query, plan, sighting, likeness).filter(|hit| hit.score >= *least) {
                    told.insert(hit.sighting.id);
                    found.push(hit);
                }
            }
            match last {
                Some(last) => looking.after = last,
                None => return Ok(found),
            }
        }
    }
}
