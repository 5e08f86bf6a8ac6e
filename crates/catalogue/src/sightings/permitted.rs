//! Sightings, crops and vectors as people get to see them: with a permit, within what its case covers. A sighting whose time has
//! come is there for the cases alone whose holds keep it. What is not there for the case is left out, and looks like what never
//! was. Reads for no case are in `maintenance`.

use std::collections::HashMap;

use access::{CasePermit, Magnitude, Preview, Reach, Undecided};
use sqlx::{AssertSqlSafe, Row};
use types::{CameraId, CaptureTime, CaseId, Class, Description, Embedding, ModelDigest, Sighting, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, in_lists},
    row::{capture, read_document},
    seen::OwnCrop,
    sightings::row::{COLUMNS, readable},
};

/// Leaves out what legal holds keep for other cases alone. `$1` is the case.
const OF_CASE: &str = "(NOT EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = sighting.id)
      OR EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = sighting.id AND h.case_id = $1))";

/// Which crops some sightings have, under the permit that they were read for.
#[derive(Debug, Default)]
pub struct KnownCrops(HashMap<SightingId, OwnCrop>);

impl KnownCrops {
    /// Whether it is known which crop this one has.
    pub fn has(&self, id: SightingId) -> bool {
        self.0.contains_key(&id)
    }
}

/// What little says whether a sighting counts.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Which saw it.
    pub camera: CameraId,
    /// What it is.
    pub class: Class,
    /// When it was first seen.
    pub first: CaptureTime,
    /// When it was last seen.
    pub last: CaptureTime,
    /// When its crop was taken.
    pub best: CaptureTime,
    /// Whether no colour was told of it.
    pub has_no_colour: bool,
}

impl Outline {
    const COLUMNS: &str = "camera, class, first_us, last_us, best_us, description";

    /// `None` where the row is damaged: `check` names it.
    fn of_row(row: &DbRow) -> Option<Self> {
        let time = |column: &str| capture(row.try_get(column).ok()?).ok();
        let description: Description = read_document(row.try_get("description").ok()?, String::new).ok()?;
        Some(Self {
            camera: CameraId::new(row.try_get("camera").ok()?).ok()?,
            class: row.try_get::<&str, _>("class").ok()?.parse().ok()?,
            first: time("first_us")?,
            last: time("last_us")?,
            best: time("best_us")?,
            has_no_colour: description.has_no_colour(),
        })
    }

    /// Whether it lies inside.
    pub fn is_in(&self, reach: &Reach) -> bool {
        reach.covers_moment(&self.camera, self.class, self.first, self.last, self.best)
    }
}

impl Catalogue {
    /// A sighting, where the permit covers it. `None` where it does not, or there is none: the two are not told
    /// apart.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn sighting_for(&self, permit: &CasePermit, id: SightingId) -> Result<Option<Sighting>, CatalogueError> {
        Ok(self.sightings_for(permit, &[id]).await?.pop())
    }

    /// As [`Self::sighting_for`], in any order.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn sightings_for(&self, permit: &CasePermit, ids: &[SightingId]) -> Result<Vec<Sighting>, CatalogueError> {
        let mut found = self.of_case(permit.case(), ids).await?;
        found.retain(|sighting| permit.covers_example(sighting));
        Ok(found)
    }

    /// What decides whether sightings count, of those that the case covers: a quarter of a row, for many that nobody gets to see.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database can't be read.
    pub async fn outlines_for(&self, permit: &CasePermit, ids: &[SightingId]) -> Result<Vec<Outline>, CatalogueError> {
        let rows = self.rows_of_case(permit.case(), ids, Outline::COLUMNS).await?;
        let mut found: Vec<_> = rows.iter().filter_map(Outline::of_row).collect();
        found.retain(|outline| outline.is_in(&permit.granted().whole));
        Ok(found)
    }

    /// As [`Self::sightings_for`]; of those that are `wanted` also the vector by this model, its own or one that is kept. Never
    /// another model's.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn with_vectors_for(
        &self,
        permit: &CasePermit,
        ids: &[SightingId],
        model: ModelDigest,
        wanted: impl Fn(&Sighting) -> bool,
    ) -> Result<Vec<(Sighting, Option<Embedding>)>, CatalogueError> {
        let found = self.sightings_for(permit, ids).await?;
        self.with_vectors(found, model, wanted).await
    }

    async fn with_vectors(
        &self,
        found: Vec<Sighting>,
        model: ModelDigest,
        wanted: impl Fn(&Sighting) -> bool,
    ) -> Result<Vec<(Sighting, Option<Embedding>)>, CatalogueError> {
        let wanted: Vec<_> = found.iter().filter(|sighting| wanted(sighting)).map(|sighting| sighting.id).collect();
        let mut vectors = if wanted.is_empty() { HashMap::new() } else { self.embeddings_by(&wanted, model).await? };
        let with_vector = |sighting: Sighting| {
            let vector = vectors.remove(&sighting.id);
            (sighting, vector)
        };
        Ok(found.into_iter().map(with_vector).collect())
    }

    /// What was stored after a change, in its order, of at most `limit` changes: as [`Self::sightings_for`], with vectors by this
    /// model. And the last change that was looked at; `None`: there is none after it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn new_for(
        &self,
        permit: &CasePermit,
        after: u64,
        limit: u32,
        model: ModelDigest,
    ) -> Result<(Vec<(Sighting, Option<Embedding>)>, Option<u64>), CatalogueError> {
        let sql = format!(
            "SELECT seq, {COLUMNS} FROM sighting WHERE seq > $2
             AND {OF_CASE} ORDER BY seq LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(permit.case().as_str()).bind(after.cast_signed()).bind(i64::from(limit));
        let rows = query.fetch_all(self.reader()).await?;
        let Some(last) = rows.last() else { return Ok((Vec::new(), None)) };
        let last = last.try_get::<i64, _>("seq")?.unsigned_abs();
        let found: Vec<_> = readable(&rows).filter(|sighting| permit.covers_example(sighting)).collect();
        Ok((self.with_vectors(found, model, |_| true).await?, Some(last)))
    }

    /// The redacted crop as JPEG, as [`redact::RedactedCrop::decode`] reads it; `None` also where what is stored is not a crop of
    /// ours.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database or the crop can't be read.
    pub async fn crop_for(&self, permit: &CasePermit, id: SightingId) -> Result<Option<Vec<u8>>, CatalogueError> {
        let known = self.crops_for(permit, &[id]).await?;
        self.known_crop(&known, id).await
    }

    /// Which crops the sightings have that the case covers: read at once, for [`Self::known_crop`] to read one after the other.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database or the store of crops can't be read.
    pub async fn crops_for(&self, permit: &CasePermit, ids: &[SightingId]) -> Result<KnownCrops, CatalogueError> {
        // One read of the rows says both whether the case covers a sighting and which crop is its own.
        let rows = self.rows_of_case(permit.case(), ids, &format!("{COLUMNS}, {}", OwnCrop::COLUMNS)).await?;
        let mut known = HashMap::with_capacity(rows.len());
        for row in &rows {
            if let Some(sighting) = readable(std::slice::from_ref(row)).next().filter(|s| permit.covers_example(s)) {
                known.insert(sighting.id, OwnCrop::of_row(row)?);
            }
        }
        Ok(KnownCrops(known))
    }

    /// As [`Self::crop_for`], of one of those that were read. A crop that was deleted or replaced since is `None`.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database or the store of crops can't be read.
    pub async fn known_crop(&self, known: &KnownCrops, id: SightingId) -> Result<Option<Vec<u8>>, CatalogueError> {
        match known.0.get(&id) {
            Some(own) => self.crop_of_row(id, *own).await,
            None => Ok(None),
        }
    }

    /// The vectors by this model of sightings that the case covers. One that has none is left out.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database can't be read.
    pub async fn vectors_for(
        &self,
        permit: &CasePermit,
        sightings: &[&Sighting],
        model: ModelDigest,
    ) -> Result<HashMap<SightingId, Embedding>, CatalogueError> {
        let covered: Vec<_> = sightings.iter().filter(|sighting| permit.covers_example(sighting)).map(|s| s.id).collect();
        if covered.is_empty() { Ok(HashMap::new()) } else { self.embeddings_by(&covered, model).await }
    }

    /// What somebody asked to look at under a case, for the gate to decide about: there is no permit yet.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn sighting_to_decide(&self, case: &CaseId, id: SightingId) -> Result<Option<Undecided>, CatalogueError> {
        Ok(self.of_case(case, &[id]).await?.pop().map(Undecided::new))
    }

    /// About how many sightings a case would open. Nothing is read of any of them, and nobody learns the number itself.
    ///
    /// # Errors
    /// The database is away.
    pub async fn magnitude(&self, preview: &Preview) -> Result<Magnitude, CatalogueError> {
        let window = preview.window();
        // What began on the day before may reach into the window.
        let (first, last) = (window.from().day().0.saturating_sub(1), window.to().day().0);
        // Words of ours.
        let classes: Vec<_> = preview.classes().iter().map(|class| format!("'{}'", class.as_str())).collect();
        let cameras: Vec<_> = preview.cameras().iter().collect();
        let mut count = 0;
        for (list, some) in in_lists(&cameras, 7) {
            let sql = format!(
                "SELECT COUNT(*) FROM (SELECT 1 AS one FROM sighting WHERE camera IN ({list}) AND day BETWEEN $2 AND $3
                 AND first_us < $4 AND last_us >= $5 AND class IN ({}) AND {OF_CASE} LIMIT $6) AS counted",
                classes.join(", ")
            );
            let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(preview.case().as_str()).bind(first).bind(last);
            let query = query.bind(window.to().as_micros()).bind(window.from().as_micros());
            let query = query.bind(i64::from(Magnitude::MOST.saturating_sub(count)));
            let query = some.fold(query, |query, camera| query.bind(camera.as_str()));
            count = count.saturating_add(u32::try_from(query.fetch_one(self.reader()).await?).unwrap_or(Magnitude::MOST));
        }
        Ok(Magnitude::of(count))
    }

    async fn of_case(&self, case: &CaseId, ids: &[SightingId]) -> Result<Vec<Sighting>, CatalogueError> {
        Ok(readable(&self.rows_of_case(case, ids, COLUMNS).await?).collect())
    }

    async fn rows_of_case(&self, case: &CaseId, ids: &[SightingId], columns: &str) -> Result<Vec<DbRow>, CatalogueError> {
        let mut found = Vec::with_capacity(ids.len());
        for (list, some) in in_lists(ids, 2) {
            let sql = format!("SELECT {columns} FROM sighting WHERE id IN ({list}) AND {OF_CASE}");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(case.as_str());
            let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
            found.extend(query.fetch_all(self.reader()).await?);
        }
        Ok(found)
    }
}
