//! The log's newest checkpoint, where several servers share a catalogue: one publishes at a time, and each builds upon what
//! the one before has signed.

use crate::{
    Catalogue, CatalogueError,
    engine::{Lock, Tx},
};

/// The right to publish, over all servers, for as long as it lives.
pub struct Publishing {
    /// Nothing where there is one server, which has its files.
    tx: Option<Tx>,
    note: Option<String>,
}

impl std::fmt::Debug for Publishing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publishing")
    }
}

impl Publishing {
    /// What was published last; nothing where that is for files to say.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Durable when it returns. Fails where the right was lost meanwhile: then nothing of it is published.
    pub async fn finish(self, note: &str) -> Result<(), CatalogueError> {
        let Some(mut tx) = self.tx else { return Ok(()) };
        if self.note.as_deref() != Some(note) {
            sqlx::query("INSERT INTO published (log, note) VALUES (1, $1) ON CONFLICT (log) DO UPDATE SET note = excluded.note")
                .bind(note)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Catalogue {
    /// Waits for its turn.
    ///
    /// # Errors
    /// [`CatalogueError::Busy`] if another server takes too long.
    pub async fn publish(&self) -> Result<Publishing, CatalogueError> {
        if !self.is_shared() {
            return Ok(Publishing { tx: None, note: None });
        }
        let mut tx = self.begin_alone(Lock::Published).await?;
        let note = sqlx::query_scalar("SELECT note FROM published").fetch_optional(&mut *tx).await?;
        Ok(Publishing { tx: Some(tx), note })
    }
}
