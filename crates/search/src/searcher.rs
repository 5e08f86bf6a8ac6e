use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use access::{CasePermit, Code, Denial};
use catalogue::Catalogue;
use index::{IndexQuery, QueryVector, Scored, VectorIndex};
use types::{Class, Description, Embedding, ModelDigest, Sighting, SightingId};

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

/// How many more than are wanted are looked up in the catalogue at first: some are not there any more, or equal the last.
const BEYOND: usize = 14;

/// What the catalogue said of the candidates so far; `None`: not there any more, or not covered.
type Known = HashMap<SightingId, Option<Hit>>;

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

    /// Whose vectors are compared: an example picture's is made by the same.
    pub fn model(&self) -> ModelDigest {
        self.index.spec().model
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
        let mut known = Known::new();
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
            if let (Some(list), None) | (None, Some(list)) = (&by_words, &by_likeness) {
                // Read from its best on, it mostly settles long before it ends.
                let (mut rest, mut count) = (list.as_slice(), plan.limit + BEYOND);
                while !rest.is_empty() {
                    let (some, others) = rest.split_at(count.min(rest.len()));
                    (rest, count) = (others, count * 2);
                    self.weigh_new(&mut known, permit, query, &plan, &ids(some), &cosines).await?;
                    let unseen = some.last().map(|s| if words { s.score } else { score::likeness(s.score) });
                    let mut hits: Vec<_> = known.values().flatten().cloned().collect();
                    if settle(&mut hits, plan.limit, unseen.filter(|u| *u > 0.0)) {
                        return Ok(Found { hits, exact: true });
                    }
                }
            } else {
                let all: Vec<_> = [&by_words, &by_likeness].into_iter().flatten().flat_map(|list| ids(list)).collect();
                self.weigh_new(&mut known, permit, query, &plan, &all, &cosines).await?;
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
        let found = self.catalogue.with_vectors_for(permit, &[id], self.index.spec().model, |_| true).await?.pop();
        found.and_then(|(_, vector)| vector).ok_or_else(outside)
    }

    /// The newest of a class. The index keeps no order of time, so all of them are looked at.
    async fn of_class(&self, permit: &CasePermit, query: &SearchQuery, plan: Plan) -> Result<Found, SearchError> {
        let list = self.list(&plan, plan.filter.vector.clone(), MAX_OF_CLASS + 1).await?;
        if list.len() > MAX_OF_CLASS {
            return Err(SearchError::TooMany { most: MAX_OF_CLASS });
        }
        let mut known = HashMap::new();
        self.weigh_new(&mut known, permit, query, &plan, &ids(&list), &HashMap::new()).await?;
        let mut hits: Vec<_> = known.into_values().flatten().collect();
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

    /// Weighs those of the candidates that are not known yet, with what the catalogue says of them.
    async fn weigh_new(
        &self,
        known: &mut Known,
        permit: &CasePermit,
        query: &SearchQuery,
        plan: &Plan,
        candidates: &[SightingId],
        cosines: &HashMap<SightingId, f32>,
    ) -> Result<(), SearchError> {
        let mut new = Vec::new();
        for &id in candidates {
            if let Entry::Vacant(place) = known.entry(id) {
                // Not there any more, or not for this case, unless it is found.
                place.insert(None);
                new.push(id);
            }
        }
        let answers = |s: &Sighting| permit.covers(s) && inside(plan, s);
        // Found by their words, too unlike the example to be on that list yet.
        let unlisted = |s: &Sighting| plan.example.is_some() && answers(s) && !cosines.contains_key(&s.id);
        let mut sightings = self.catalogue.with_vectors_for(permit, &new, self.index.spec().model, unlisted).await?;
        if sightings.len() < new.len() {
            tracing::debug!(of = new.len(), found = sightings.len(), "the index has more than the catalogue has for this case");
        }
        sightings.retain(|(s, _)| answers(s));
        for (sighting, vector) in sightings {
            let likeness = plan.example.as_ref().map(|example| {
                let listed = cosines.get(&sighting.id).copied();
                let cosine = listed.or_else(|| example.similarity(vector.as_ref()?));
                cosine.map_or(0.0, score::likeness)
            });
            known.insert(sighting.id, weigh(permit, query, sighting, likeness));
        }
        Ok(())
    }
}

/// What a candidate is worth, by the catalogue and not by the index; `None` if it is no answer.
fn weigh(permit: &CasePermit, query: &SearchQuery, sighting: Sighting, likeness: Option<f32>) -> Option<Hit> {
    let words = score::words(&query.description, &sighting.description);
    let score = score::fuse(words, likeness);
    if score <= 0.0 {
        return None;
    }
    let why = score::why(&query.description, &sighting.description);
    Some(Hit { sighting: shown(sighting, permit), score, description_score: words, appearance_score: likeness, why })
}

fn ids(list: &[Scored]) -> Vec<SightingId> {
    list.iter().map(|s| s.id).collect()
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
