use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use access::{CasePermit, Code, Denial};
use catalogue::{Catalogue, Outline};
use index::{IndexQuery, QueryVector, Scored, VectorIndex};
use types::{CameraId, CaptureTime, Class, Description, Embedding, Group, ModelDigest, QueryPart, Sighting, SightingId};

use crate::{
    Found, Hit, More, SearchError, SearchQuery, group,
    learned::{Example, Learned},
    page_end::PageEnd,
    rank::{Depth, count_after, settle},
    reach, score,
};

/// How deep a space is read at first; more where that does not settle it.
const FIRST_DEPTH: usize = 128;
/// Nor is it read deeper than this: the answer then says that it is not exact.
const MAX_DEPTH: usize = 32_768;
/// The most sightings a query that names a class alone may have.
const MAX_OF_CLASS: usize = 4_096;

/// Sightings without a colour are counted up to here.
pub const MOST_COUNTED: usize = 1_000;

/// At most so many more than are wanted are held against the catalogue to count them.
const MOST_MORE: usize = 1_000;
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

/// The best of a page, and what comes after them.
struct Ranked {
    hits: Vec<Hit>,
    exact: bool,
    more: More,
}

/// A query within its permit, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    filter: IndexQuery,
    learned: Learned,
    without_colour: bool,
    /// The sighting from which it is asked what can be reached.
    from: Option<Sighting>,
    limit: usize,
}

impl Searcher {
    /// Searches this index, and hands out only what this catalogue still has.
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
    /// - Examples, with or without words: the most alike; the examples themselves are left out.
    /// - A class alone, or what has no colour: the newest, if they are not too many to go through.
    ///
    /// # Errors
    /// [`SearchError::Denied`] for whatever lies outside the permit, the examples included.
    pub async fn search(&self, permit: &CasePermit, query: &SearchQuery) -> Result<Found, SearchError> {
        let plan = self.plan(permit, query).await?;
        let compares_colours = query.description.parts().iter().any(|part| is_colour(*part)) || !plan.learned.is_nothing();
        let counted = async { if compares_colours { self.count_without_colour(permit, &plan).await } else { Ok(None) } };
        let (found, without_colour) = tokio::try_join!(self.find(permit, query, &plan), counted)?;
        let Ranked { mut hits, exact, more } = found;
        self.number_groups(permit, &mut hits).await?;
        Ok(Found { hits, exact, without_colour, more })
    }

    async fn find(&self, permit: &CasePermit, query: &SearchQuery, plan: &Plan) -> Result<Ranked, SearchError> {
        if plan.limit == 0 {
            return Ok(Ranked { hits: Vec::new(), exact: true, more: More::default() });
        }
        // As far as the pages before went, and this one.
        let after = query.after.as_ref();
        let wanted = plan.limit.saturating_add(after.map_or(0, |after| after.rank as usize));
        let words = !query.description.parts().is_empty();
        let examples = !plan.learned.is_nothing();
        if !words && !examples {
            return self.newest(permit, query, plan).await;
        }
        let mut known = Known::new();
        let mut depth = FIRST_DEPTH.max(wanted.saturating_mul(2)).min(MAX_DEPTH);
        loop {
            let by_words = if words {
                Some(self.list(&plan.filter, QueryVector::Description(query.description.to_vector()), depth).await?)
            } else {
                None
            };
            let by_likeness = if examples { Some(self.alike(plan, depth).await?) } else { None };
            let cosines: HashMap<_, _> = by_likeness.iter().flatten().map(|s| (s.id, s.score)).collect();
            if let (Some(list), None) | (None, Some(list)) = (&by_words, &by_likeness) {
                // Read from its best on, it mostly settles long before it ends.
                let (mut rest, mut count) = (list.as_slice(), wanted.saturating_add(BEYOND));
                while !rest.is_empty() {
                    let (some, others) = rest.split_at(count.min(rest.len()));
                    (rest, count) = (others, count.saturating_mul(2));
                    self.weigh_new(&mut known, permit, query, plan, &ids(some), &cosines).await?;
                    let unseen = some.last().map(|s| if words { s.score } else { score::likeness(s.score) });
                    let mut hits: Vec<_> = known.values().flatten().cloned().collect();
                    if settle(&mut hits, after, plan.limit, unseen.filter(|u| *u > 0.0)) {
                        // What was read anyway says how many more there are.
                        let (counted, others) = rest.split_at(MOST_MORE.min(rest.len()));
                        self.weigh_new(&mut known, permit, query, plan, &ids(counted), &cosines).await?;
                        let last = list.last().map(|s| if words { s.score } else { score::likeness(s.score) });
                        let all = others.is_empty() && (list.len() < depth || last.is_none_or(|last| last <= 0.0));
                        let more = self.more(&known, after, hits.len(), all);
                        return Ok(Ranked { hits, exact: true, more });
                    }
                }
            } else {
                let all: Vec<_> = [&by_words, &by_likeness].into_iter().flatten().flat_map(|list| ids(list)).collect();
                self.weigh_new(&mut known, permit, query, plan, &all, &cosines).await?;
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
            let exact = settle(&mut hits, after, plan.limit, unseen);
            if exact || depth >= MAX_DEPTH {
                let more = self.more(&known, after, hits.len(), unseen.is_none());
                return Ok(Ranked { hits, exact: exact && self.index.is_exact(), more });
            }
            depth = depth.saturating_mul(4).min(MAX_DEPTH);
        }
    }

    /// Holds the query against the permit, whatever was decided before.
    pub(crate) async fn plan(&self, permit: &CasePermit, query: &SearchQuery) -> Result<Plan, SearchError> {
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
        let has_example = !query.like.is_empty() || !query.like_pictures.is_empty();
        let asks = !query.description.parts().is_empty() || query.description.class.is_some();
        if !asks && !has_example && !query.without_colour {
            return Err(SearchError::Nothing);
        }
        let pictures = |some: &[Embedding]| some.iter().map(Example::of_picture).collect();
        let mut learned = Learned { like: pictures(&query.like_pictures), unlike: pictures(&query.unlike_pictures) };
        learned.like.extend(self.examples(permit, &query.like).await?);
        learned.unlike.extend(self.examples(permit, &query.unlike).await?);
        let from = match &query.reach {
            Some(reach) => {
                let found = self.catalogue.sighting_for(permit, reach.from).await?;
                Some(found.ok_or_else(|| SearchError::Denied(Denial::outside(permit.case())))?)
            }
            None => None,
        };
        let cameras = if query.cameras.is_empty() { permit.cameras().iter().cloned().collect() } else { query.cameras.clone() };
        let vector = QueryVector::Description(vec![0.0; Description::VECTOR_LEN]);
        let exclude = query.like.iter().chain(&query.unlike).copied().collect();
        let filter = IndexQuery { window, cameras, classes, vector, limit, exclude };
        Ok(Plan { filter, learned, without_colour: query.without_colour, from, limit })
    }

    /// What is known of examples; one that is not there is refused like one outside the case.
    async fn examples(&self, permit: &CasePermit, ids: &[SightingId]) -> Result<Vec<Example>, SearchError> {
        let found = self.catalogue.with_vectors_for(permit, ids, self.index.spec().model, |_| true).await?;
        let known = |(sighting, vector): (Sighting, Option<Embedding>)| {
            let carrying = Some(sighting.description.carrying);
            Some((sighting.id, Example { vector: vector?, carrying }))
        };
        let mut examples: HashMap<_, _> = found.into_iter().filter_map(known).collect();
        let example = |id| examples.remove(id).ok_or_else(|| SearchError::Denied(Denial::outside(permit.case())));
        ids.iter().map(example).collect()
    }

    /// The newest of a class, or of what has no colour. The index keeps no order of time, so all of them are looked at.
    async fn newest(&self, permit: &CasePermit, query: &SearchQuery, plan: &Plan) -> Result<Ranked, SearchError> {
        let list = if plan.without_colour {
            self.colourless(&plan.filter, MAX_OF_CLASS + 1).await?
        } else {
            self.list(&plan.filter, plan.filter.vector.clone(), MAX_OF_CLASS + 1).await?
        };
        if list.len() > MAX_OF_CLASS {
            return Err(SearchError::TooMany { most: MAX_OF_CLASS });
        }
        let mut known = HashMap::new();
        self.weigh_new(&mut known, permit, query, plan, &ids(&list), &HashMap::new()).await?;
        let mut hits: Vec<_> = known.values().flatten().cloned().collect();
        settle(&mut hits, query.after.as_ref(), plan.limit, None);
        let more = self.more(&known, query.after.as_ref(), hits.len(), true);
        Ok(Ranked { hits, exact: self.index.is_exact(), more })
    }

    /// What is known to fit and is not among so many hits after a page's end. `all`: nothing else can fit, by an index that is exact.
    fn more(&self, known: &Known, after: Option<&PageEnd>, hits: usize, all: bool) -> More {
        let seen = count_after(known.values().flatten(), after).saturating_sub(hits);
        More { seen: u32::try_from(seen).unwrap_or(u32::MAX), perhaps_others: !(all && self.index.is_exact()) }
    }

    /// At most so many of those whose every colour is unknown: no word of a colour takes anything from their score.
    async fn colourless(&self, filter: &IndexQuery, limit: usize) -> Result<Vec<Scored>, SearchError> {
        let mut list = self.list(filter, QueryVector::Description(Description::every_colour(-1.0)), limit).await?;
        list.retain(|s| s.score > -1e-6);
        Ok(list)
    }

    /// How many figures and vehicles have no colour to compare, up to [`MOST_COUNTED`]; `None` where none of the classes has one.
    async fn count_without_colour(&self, permit: &CasePermit, plan: &Plan) -> Result<Option<u32>, SearchError> {
        // An example is no hit, and is in scope all the same.
        let mut filter = IndexQuery { exclude: Vec::new(), ..plan.filter.clone() };
        filter.classes.retain(|class| has_colours(*class));
        if filter.classes.is_empty() {
            return Ok(None);
        }
        let list = self.colourless(&filter, MOST_COUNTED).await?;
        let there = self.catalogue.outlines_for(permit, &ids(&list)).await?;
        let counts = |s: &Outline| {
            s.has_no_colour && s.is_in(&permit.granted().asked) && within(&filter, &s.camera, s.class, s.first, s.last)
        };
        let count = there.iter().filter(|s| counts(s)).count();
        Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    /// Numbers what may be one pass of one figure.
    async fn number_groups(&self, permit: &CasePermit, hits: &mut [Hit]) -> Result<(), SearchError> {
        let vectors = self.catalogue.vectors_for(permit, &group::candidates(hits), self.index.spec().model).await?;
        group::number(hits, &vectors);
        Ok(())
    }

    /// The most alike to the nearest of the examples, with the cosine to it.
    async fn alike(&self, plan: &Plan, depth: usize) -> Result<Vec<Scored>, SearchError> {
        let mut best: HashMap<SightingId, f32> = HashMap::new();
        for example in &plan.learned.like {
            // Whatever is among the best by the nearest example is among the best by that one.
            for scored in self.list(&plan.filter, QueryVector::Appearance(example.vector.clone()), depth).await? {
                best.entry(scored.id).and_modify(|b| *b = b.max(scored.score)).or_insert(scored.score);
            }
        }
        let mut list: Vec<_> = best.into_iter().map(|(id, score)| Scored { id, score }).collect();
        list.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        list.truncate(depth);
        Ok(list)
    }

    async fn list(&self, filter: &IndexQuery, vector: QueryVector, depth: usize) -> Result<Vec<Scored>, SearchError> {
        let query = IndexQuery { vector, limit: depth, ..filter.clone() };
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
        // Found by their words, too unlike the examples to be on that list yet; or the list says too little.
        let learned = &plan.learned;
        let unlisted =
            |s: &Sighting| !learned.is_nothing() && answers(s) && (learned.needs_vectors() || !cosines.contains_key(&s.id));
        let mut sightings = self.catalogue.with_vectors_for(permit, &new, self.index.spec().model, unlisted).await?;
        if sightings.len() < new.len() {
            tracing::debug!(of = new.len(), found = sightings.len(), "the index has more than the catalogue has for this case");
        }
        sightings.retain(|(s, _)| answers(s));
        for (sighting, vector) in sightings {
            let carrying = &sighting.description.carrying;
            let likeness = (!learned.is_nothing()).then(|| match (&vector, cosines.get(&sighting.id)) {
                (Some(vector), _) => learned.likeness(vector, carrying),
                (None, listed) => listed.map_or(0.0, |cosine| learned.listed(*cosine, carrying)),
            });
            known.insert(sighting.id, weigh(permit, query, plan, sighting, likeness));
        }
        Ok(())
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// What a candidate is worth, by the catalogue and not by the index; `None` if it is no answer.
pub(crate) fn weigh(
    permit: &CasePermit,
    query: &SearchQuery,
    plan: &Plan,
    sighting: Sighting,
    likeness: Option<f32>,
) -> Option<Hit> {
    let words = score::words(&query.description, &sighting.description);
    let score = score::fuse(words, likeness);
    if score <= 0.0 {
        return None;
    }
    let reach = query.reach.as_ref().zip(plan.from.as_ref()).and_then(|(reach, from)| reach::reached(reach, from, &sighting));
    if query.reach.as_ref().is_some_and(|asked| asked.only) && reach.is_some_and(|reach| !reach.reachable) {
        return None;
    }
    let why = score::why(&query.description, &sighting.description);
    let sighting = shown(sighting, permit);
    Some(Hit { sighting, score, description_score: words, appearance_score: likeness, why, group: 0, reach })
}

fn ids(list: &[Scored]) -> Vec<SightingId> {
    list.iter().map(|s| s.id).collect()
}

/// The query may be narrower than the permit.
pub(crate) fn inside(plan: &Plan, sighting: &Sighting) -> bool {
    let Sighting { id, camera, class, first, last, description, .. } = sighting;
    (!plan.without_colour || description.has_no_colour())
        && within(&plan.filter, camera, *class, first.time, last.time)
        && !plan.filter.exclude.contains(id)
}

fn within(filter: &IndexQuery, camera: &CameraId, class: Class, first: CaptureTime, last: CaptureTime) -> bool {
    filter.cameras.contains(camera)
        && filter.classes.contains(&class)
        && first < filter.window.to()
        && last >= filter.window.from()
}

/// What may not be asked is not shown either.
fn shown(mut sighting: Sighting, permit: &CasePermit) -> Sighting {
    if !permit.allows_stature() {
        sighting.description.stature = None;
    }
    sighting
}

fn is_colour(part: QueryPart) -> bool {
    matches!(part, QueryPart::Upper | QueryPart::Lower | QueryPart::VehicleColour)
}

/// Whether a description of the class can have a colour.
fn has_colours(class: Class) -> bool {
    class.group() != Group::Carried && class != Class::Bicycle
}

impl Plan {
    pub(crate) fn learned(&self) -> &Learned {
        &self.learned
    }
}
