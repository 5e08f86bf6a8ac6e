//! Which model makes the appearance vectors that are searched, and vectors by another while one takes over from the other.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};
use types::{Embedding, ModelDigest, ReceiveTime, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Lock, Tx, in_lists},
    row::{digest, embedding, embedding_bytes, id, time},
};

/// Part that a model has while another takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelPlace {
    /// Its vectors are searched.
    Current,
    /// Its vectors are being made.
    Next,
    /// Its vectors were searched until the switch and are kept until they are dropped.
    Previous,
}

impl ModelPlace {
    const ALL: [Self; 3] = [Self::Current, Self::Next, Self::Previous];

    /// The word in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
        }
    }
}

/// A recipe of appearance vectors and the part it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppearanceModel {
    /// Whether it is searched, on its way, or kept to go back to.
    pub place: ModelPlace,
    /// Of the whole recipe.
    pub model: ModelDigest,
    /// Its name in the manifest; `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of its learned step, in the data folder; `None`: the one built in.
    pub appearance: Option<String>,
    /// When it was chosen; of the current one, when it took its place.
    pub since: ReceiveTime,
    /// How it compares with the one before, as whoever measured it wrote it down.
    pub comparison: Option<String>,
}

impl Catalogue {
    /// Those that anybody chose here; none before the first reindex.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn appearance_models(&self) -> Result<Vec<AppearanceModel>, CatalogueError> {
        let rows = sqlx::query("SELECT * FROM appearance_model ORDER BY place").fetch_all(self.reader()).await?;
        rows.iter().map(model).collect()
    }

    /// Begins to make the vectors of another model. `false` and nothing changed while one is on its way, or kept, already.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn begin_reindex(&self, next: &AppearanceModel) -> Result<bool, CatalogueError> {
        let mut tx = self.begin().await?;
        let busy: i64 =
            sqlx::query_scalar("SELECT count(*) FROM appearance_model WHERE place <> 'current'").fetch_one(&mut *tx).await?;
        if busy > 0 {
            return Ok(false);
        }
        insert(&mut tx, &AppearanceModel { place: ModelPlace::Next, ..next.clone() }).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The model is the current one from now on, as if a reindex had made it so.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn choose_model(&self, model: &AppearanceModel) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM appearance_model WHERE place = 'current'").execute(&mut *tx).await?;
        insert(&mut tx, &AppearanceModel { place: ModelPlace::Current, ..model.clone() }).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The model of the vector that was stored last; `None` where nothing is.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn last_seen_by(&self) -> Result<Option<ModelDigest>, CatalogueError> {
        let query = "SELECT model FROM sighting ORDER BY seq DESC LIMIT 1";
        let found: Option<Vec<u8>> = sqlx::query_scalar(query).fetch_optional(self.reader()).await?;
        Ok(found.and_then(|bytes| bytes.try_into().ok()).map(ModelDigest))
    }

    /// Notes how the next model compares with the current one.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn note_comparison(&self, comparison: &str) -> Result<(), CatalogueError> {
        let query = sqlx::query("UPDATE appearance_model SET comparison = $1 WHERE place = 'next'").bind(comparison);
        query.execute(self.writer()).await?;
        Ok(())
    }

    /// The next model becomes the current one in one step; what was current, `before`, is kept as the previous one.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn switch_model(&self, before: &AppearanceModel) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM appearance_model WHERE place = 'current'").execute(&mut *tx).await?;
        insert(&mut tx, &AppearanceModel { place: ModelPlace::Previous, ..before.clone() }).await?;
        sqlx::query("UPDATE appearance_model SET place = 'current', since = $1 WHERE place = 'next'")
            .bind(ReceiveTime::now().as_micros())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives the other model up: the next one, or, after the switch, the current one, whose place the previous one takes
    /// again. What is left of its vectors, [`Self::delete_embeddings`] takes away.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn roll_back_model(&self) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM appearance_model WHERE place = 'next'").execute(&mut *tx).await?;
        let kept: i64 =
            sqlx::query_scalar("SELECT count(*) FROM appearance_model WHERE place = 'previous'").fetch_one(&mut *tx).await?;
        if kept > 0 {
            sqlx::query("DELETE FROM appearance_model WHERE place = 'current'").execute(&mut *tx).await?;
            sqlx::query("UPDATE appearance_model SET place = 'current' WHERE place = 'previous'").execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Keeps the file of a model's learned step for every server; its name is made from what is in it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn keep_learned(&self, name: &str, file: &[u8]) -> Result<(), CatalogueError> {
        let query = sqlx::query("INSERT INTO learned (name, file) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
        query.bind(name).bind(file).execute(self.writer()).await?;
        Ok(())
    }

    /// What [`Self::keep_learned`] was given.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn learned(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        Ok(sqlx::query_scalar("SELECT file FROM learned WHERE name = $1").bind(name).fetch_optional(self.reader()).await?)
    }

    /// From here on there is no way back to the previous model.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn drop_previous_model(&self) -> Result<(), CatalogueError> {
        sqlx::query("DELETE FROM appearance_model WHERE place = 'previous'").execute(self.writer()).await?;
        Ok(())
    }

    /// Keeps vectors of another model than the sightings' own, each for a sighting as of a change; one that is gone is no
    /// error.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn put_embeddings(&self, vectors: &[(SightingId, u64, Embedding)]) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        for (sighting, seq, embedding) in vectors {
            sqlx::query(
                "INSERT INTO embedding (model, sighting, seq, vector) SELECT $1, id, $3, $4 FROM sighting WHERE id = $2
                 ON CONFLICT (model, sighting) DO UPDATE SET seq = excluded.seq, vector = excluded.vector",
            )
            .bind(embedding.model().0.as_slice())
            .bind(sighting.0.as_bytes().as_slice())
            .bind(seq.cast_signed())
            .bind(embedding_bytes(embedding))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Vectors of `model` that are kept for these sightings, each with the change as of which it was made.
    pub(crate) async fn kept_embeddings(
        &self,
        model: ModelDigest,
        sightings: &[SightingId],
    ) -> Result<HashMap<SightingId, (u64, Embedding)>, CatalogueError> {
        let mut tx = self.snapshot().await?;
        let kept = kept(&mut tx, model, sightings).await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// The sightings' vectors by this model, their own or kept; never another model's. Of those that have one.
    pub(crate) async fn embeddings_by(
        &self,
        sightings: &[SightingId],
        model: ModelDigest,
    ) -> Result<HashMap<SightingId, Embedding>, CatalogueError> {
        let mut found = HashMap::with_capacity(sightings.len());
        for (list, some) in in_lists(sightings, 2) {
            // One statement for both: a vector that is kept may become the sighting's own in between.
            let sql = format!(
                "SELECT 1 AS own, id, embedding FROM sighting WHERE model = $1 AND id IN ({list})
                 UNION ALL SELECT 0, sighting, vector FROM embedding WHERE model = $1 AND sighting IN ({list})"
            );
            let query = sqlx::query_as(AssertSqlSafe(sql)).bind(model.0.as_slice());
            let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
            let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = query.fetch_all(self.reader()).await?;
            for (own, of, vector) in rows {
                // One that is damaged is as good as none.
                let Ok(vector) = embedding(&model.0, &vector) else { continue };
                let place = found.entry(id(&of)?);
                if own == 1 {
                    place.insert_entry(vector);
                } else {
                    place.or_insert(vector);
                }
            }
        }
        Ok(found)
    }

    /// Makes vectors of `model` that are kept the sightings' own, some at a time; how many there were. One that is older than
    /// its sighting is thrown away.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn adopt_embeddings(&self, model: ModelDigest, limit: u32) -> Result<u64, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        let rows: Vec<(Vec<u8>, i64, Vec<u8>)> =
            sqlx::query_as("SELECT sighting, seq, vector FROM embedding WHERE model = $1 ORDER BY sighting LIMIT $2")
                .bind(model.0.as_slice())
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await?;
        let mut adopted = Vec::with_capacity(rows.len());
        for (sighting, seq, vector) in &rows {
            let done = sqlx::query("UPDATE sighting SET model = $1, embedding = $2 WHERE id = $3 AND seq = $4")
                .bind(model.0.as_slice())
                .bind(vector.as_slice())
                .bind(sighting.as_slice())
                .bind(*seq)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() > 0 {
                adopted.push(sighting.clone());
            }
            sqlx::query("DELETE FROM embedding WHERE model = $1 AND sighting = $2")
                .bind(model.0.as_slice())
                .bind(sighting.as_slice())
                .execute(&mut *tx)
                .await?;
        }
        let committed = self.commit_adopted(&mut tx, &adopted).await?;
        tx.commit().await?;
        self.committed(committed).await;
        Ok(rows.len() as u64)
    }

    /// Takes away every vector that is kept and not of one of these models.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn delete_embeddings(&self, but: &[ModelDigest]) -> Result<u64, CatalogueError> {
        let models: Vec<Vec<u8>> = sqlx::query_scalar("SELECT DISTINCT model FROM embedding").fetch_all(self.reader()).await?;
        let mut gone = 0;
        for model in models {
            if but.contains(&ModelDigest(digest(&model)?)) {
                continue;
            }
            gone +=
                sqlx::query("DELETE FROM embedding WHERE model = $1").bind(model).execute(self.writer()).await?.rows_affected();
        }
        Ok(gone)
    }

    /// Takes away vectors that are kept for sightings that are gone.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn forget_embeddings(&self) -> Result<u64, CatalogueError> {
        let gone =
            sqlx::query("DELETE FROM embedding WHERE NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.id = embedding.sighting)");
        Ok(gone.execute(self.writer()).await?.rows_affected())
    }

    /// As many sightings as asked, the same ones whenever it is asked while they are there: ids are digests, so that the
    /// smallest are a fair sample.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn sample(&self, count: u32) -> Result<Vec<SightingId>, CatalogueError> {
        let query = sqlx::query_scalar("SELECT id FROM sighting ORDER BY id LIMIT $1").bind(i64::from(count));
        let rows: Vec<Vec<u8>> = query.fetch_all(self.reader()).await?;
        Ok(rows.iter().filter_map(|bytes| id(bytes).ok()).collect())
    }
}

/// Vectors that are kept, each with the change as of which it was made. One that is damaged is as good as none: it is made again.
async fn kept(
    tx: &mut Tx,
    model: ModelDigest,
    sightings: &[SightingId],
) -> Result<HashMap<SightingId, (u64, Embedding)>, CatalogueError> {
    let mut kept = HashMap::new();
    for sighting in sightings {
        let row: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT seq, vector FROM embedding WHERE model = $1 AND sighting = $2")
            .bind(model.0.as_slice())
            .bind(sighting.0.as_bytes().as_slice())
            .fetch_optional(&mut **tx)
            .await?;
        if let Some((seq, vector)) = row
            && let Ok(vector) = embedding(&model.0, &vector)
        {
            kept.insert(*sighting, (seq.unsigned_abs(), vector));
        }
    }
    Ok(kept)
}

async fn insert(tx: &mut Tx, model: &AppearanceModel) -> Result<(), CatalogueError> {
    sqlx::query(
        "INSERT INTO appearance_model (place, model, embedder, appearance, since, comparison) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(model.place.as_str())
    .bind(model.model.0.as_slice())
    .bind(model.embedder.as_deref())
    .bind(model.appearance.as_deref())
    .bind(model.since.as_micros())
    .bind(model.comparison.as_deref())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn model(row: &DbRow) -> Result<AppearanceModel, CatalogueError> {
    let word: &str = row.try_get("place")?;
    let place = ModelPlace::ALL.into_iter().find(|p| p.as_str() == word);
    Ok(AppearanceModel {
        place: place.ok_or_else(|| CatalogueError::unreadable("place of a model"))?,
        model: ModelDigest(digest(row.try_get("model")?)?),
        embedder: row.try_get("embedder")?,
        appearance: row.try_get("appearance")?,
        since: time(row.try_get("since")?)?,
        comparison: row.try_get("comparison")?,
    })
}
