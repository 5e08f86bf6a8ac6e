use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use access::{CasePermit, Code, Denial};
use catalogue::Catalogue;
use index::{IndexQuery, QueryVector, Scored, VectorIndex};
use types::{Class, Description, Embedding, Sighting, SightingId};

use crate::{
    Found, Hit, SearchError, SearchQuery,
    rank::{Depth, settle},
    score,
};

/// How deep a space is read at first; more where that does not settle it.
const FIRST_DEPTH: usize = 128;
/// Nor is it read deeper than this: the answer then says that it is not exact.
const MAX_DEPTH: usize = 32_768;
/// The most sightings a query that names a class alone may have.
const MAX_OF_CLASS: usize = 4_096;

/// Searches one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Searcher {
    index: Arc<VectorIndex>,
    catalogue: Catalogue,
}

/// A query within its permit, ready to be asked.
struct Plan {
    filter: IndexQuery,
    example: Option<Embedding>,
    limit: usize,
}

impl Searcher {
    pub fn new(index: Arc<VectorIndex>, catalogue: Catalogue) -> Self {
        Self { index, catalogue }
    }

    /// Everything the permit covers that fits, the best first.
    ///
    /// - Words alone: at least one must fit.
    /// - An example, with or without words: the most alike; the example itself is left out.
    /// - A class alone: its newest, if they are not too many to go through.
    ///
    /// # Errors
    /// [`SearchError::Denied`] for whatever lies outside the permit, the example included.
    pub async fn search(&self, permit: &CasePermit, query: &SearchQuery) -> Result<Found, SearchError> {
        let plan = self.plan(permit, query).await?;
        if plan.limit == 0 {
            return Ok(Found { hits: Vec::new(), exact: true });
        }
        let words = !query.description.parts().is_empty();
        if !words && plan.example.is_none() {
            return self.of_class(permit, query, plan).await;
        }
        // What the catalogue said of the candidates so far; `None`: not there any more, or not covered.
        let mut known: HashMap<SightingId, Option<Hit>> = HashMap::new();
        let mut depth = FIRST_DEPTH.max(plan.limit.saturating_mul(2)).min(MAX_DEPTH);
        loop {
            let by_words = if words {
                Some(self.list(&plan, QueryVector::Description(query.description.to_vector()), depth).await?)
            } else {
                None
            };
            let by_likeness = match &plan.example {
                Some(example) => Some(self.list(&plan, QueryVector::Appearance(example.clone()), depth).await?),
                None => None,
            };
            let cosines: HashMap<_, _> = by_likeness.iter().flatten().map(|s| (s.id, s.score)).collect();
            // Collected: an iterator held across an await would keep this future from being `Send`.
            let candidates: Vec<_> = by_words.iter().chain(&by_likeness).flatten().map(|s| s.id).collect();
            for id in candidates {
                if let Entry::Vacant(new) = known.entry(id) {
                    let hit = self.weigh(permit, query, &plan, id, cosines.get(&id).copied()).await?;
                    new.insert(hit);
                }
            }
            let lists: Vec<_> = [&by_words, &by_likeness].into_iter().flatten().map(|list| Depth::of(list, depth)).collect();
            let unseen = if lists.iter().any(|d| d.exhausted) {
                None
            } else {
                let last = |list: &Option<Vec<Scored>>| list.as_ref().and_then(|l| Depth::of(l, depth).last);
                Some(score::fuse(last(&by_words), last(&by_likeness).map(score::likeness)))
            };
            let mut hits: Vec<_> = known.values().flatten().cloned().collect();
            // What fits none of the words is no answer to them; below that there is only more of it.
            let unseen = unseen.filter(|u| *u > 0.0);
            let exact = settle(&mut hits, plan.limit, unseen);
            if exact || depth >= MAX_DEPTH {
                return Ok(Found { hits, exact: exact && self.index.is_exact() });
            }
            depth = depth.saturating_mul(4).min(MAX_DEPTH);
        }
    }

    /// Holds the query against the permit, whatever was decided before.
    async fn plan(&self, permit: &CasePermit, query: &SearchQuery) -> Result<Plan, SearchError> {
        let refuse =
            |code, what: String| Err(SearchError::Denied(Denial::new(code, what, "ask within the permit of this request")));
        if query.description.stature.is_some() && !permit.allows_stature() {
            return refuse(Code::Part, "stature may be asked in missing_person cases alone".to_owned());
        }
        if let Some(camera) = query.cameras.iter().find(|c| !permit.cameras().contains(*c)) {
            return refuse(Code::Camera, format!("the permit does not cover the camera {camera}"));
        }
        let window = query.window.unwrap_or(permit.window());
        if !permit.window().covers(&window) {
            return refuse(Code::Window, format!("the permit does not cover {} to {}", window.from(), window.to()));
        }
        let classes: Vec<Class> = match query.description.class {
            Some(class) if !permit.classes().contains(&class) => {
                return refuse(Code::Class, format!("the permit does not cover the class {class}"));
            }
            Some(class) => vec![class],
            None => permit.classes().iter().copied().collect(),
        };
        let limit = query.limit.unwrap_or(permit.limit());
        if limit > permit.limit() {
            return refuse(Code::Results, format!("the permit allows {} results, not {limit}", permit.limit()));
        }
        let has_example = query.like.is_some() || query.picture.is_some();
        if query.description.parts().is_empty() && !has_example && query.description.class.is_none() {
            return Err(SearchError::Nothing);
        }
        let example = match query.like {
            Some(id) => Some(self.example(permit, id).await?),
            None => query.picture.clone(),
        };
        let cameras = if query.cameras.is_empty() { permit.cameras().iter().cloned().collect() } else { query.cameras.clone() };
        let vector = QueryVector::Description(vec![0.0; Description::VECTOR_LEN]);
        let exclude = query.like.into_iter().collect();
        Ok(Plan { filter: IndexQuery { window, cameras, classes, vector, limit, exclude }, example, limit })
    }

    /// The vector of the example; one that is not there is refused like one outside the case.
    async fn example(&self, permit: &CasePermit, id: SightingId) -> Result<Embedding, SearchError> {
        let outside = || SearchError::Denied(Denial::outside(permit.case()));
        let sighting =
            self.catalogue.sighting_for(permit.case(), id).await?.filter(|s| permit.covers_example(s)).ok_or_else(outside)?;
        self.catalogue.embedding_by(sighting.id, self.index.spec().model).await?.ok_or_else(outside)
    }

    /// The newest of a class. The index keeps no order of time, so all of them are looked at.
    async fn of_class(&self, permit: &CasePermit, query: &SearchQuery, plan: Plan) -> Result<Found, SearchError> {
        let list = self.list(&plan, plan.filter.vector.clone(), MAX_OF_CLASS + 1).await?;
        if list.len() > MAX_OF_CLASS {
            return Err(SearchError::TooMany { most: MAX_OF_CLASS });
        }
        let mut hits = Vec::new();
        for scored in list {
            hits.extend(self.weigh(permit, query, &plan, scored.id, None).await?);
        }
        settle(&mut hits, plan.limit, None);
        Ok(Found { hits, exact: self.index.is_exact() })
    }

    async fn list(&self, plan: &Plan, vector: QueryVector, depth: usize) -> Result<Vec<Scored>, SearchError> {
        let query = IndexQuery { vector, limit: depth, ..plan.filter.clone() };
        let index = Arc::clone(&self.index);
        // The index blocks; a panic in it is caught there, so a failed join means that the runtime goes down.
        let list = tokio::task::spawn_blocking(move || index.search(&query)).await.map_err(|_| SearchError::Stopped)?;
        Ok(list?)
    }

    /// What a candidate is worth, by the catalogue and not by the index; `None` if it is no answer.
    async fn weigh(
        &self,
        permit: &CasePermit,
        query: &SearchQuery,
        plan: &Plan,
        id: SightingId,
        cosine: Option<f32>,
    ) -> Result<Option<Hit>, SearchError> {
        let Some(sighting) = self.catalogue.sighting_for(permit.case(), id).await? else {
            tracing::debug!(%id, "the index has a sighting that the catalogue has not, or not for this case");
            return Ok(None);
        };
        if !permit.covers(&sighting) || !inside(plan, &sighting) {
            return Ok(None);
        }
        let words = score::words(&query.description, &sighting.description);
        let likeness = match (&plan.example, cosine) {
            (None, _) => None,
            (Some(_), Some(cosine)) => Some(score::likeness(cosine)),
            // Found by its words, too unlike the example to be on that list yet.
            (Some(example), None) => {
                let embedding = self.catalogue.embedding_by(id, self.index.spec().model).await?;
                Some(embedding.and_then(|e| example.similarity(&e)).map_or(0.0, score::likeness))
            }
        };
        let score = score::fuse(words, likeness);
        if score <= 0.0 {
            return Ok(None);
        }
        let why = score::why(&query.description, &sighting.description);
        Ok(Some(Hit { sighting: shown(sighting, permit), score, description_score: words, appearance_score: likeness, why }))
    }
}

/// The query may be narrower than the permit.
fn inside(plan: &Plan, sighting: &Sighting) -> bool {
    let filter = &plan.filter;
    filter.cameras.contains(&sighting.camera)
        && filter.classes.contains(&sighting.class)
        && sighting.first.time < filter.window.to()
        && sighting.last.time >= filter.window.from()
        && !filter.exclude.contains(&sighting.id)
}

/// What may not be asked is not shown either.
fn shown(mut sighting: Sighting, permit: &CasePermit) -> Sighting {
    if !permit.allows_stature() {
        sighting.description.stature = None;
    }
    sighting
}
