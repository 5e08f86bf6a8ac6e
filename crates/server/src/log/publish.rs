//! From durable rows to tiles, to a signed checkpoint, to one that witnesses have cosigned.

use std::{sync::Arc, time::Instant};

use access::log::{Note, TreeHead, append, sign_head};
use catalogue::Catalogue;
use futures::future::join_all;

use super::{
    Log, LogFault,
    ask::Answer,
    files::{FileTiles, write_durably},
};

/// Entries added to the tree at once.
const BATCH: u32 = 4096;

impl Log {
    /// Brings the files up to the catalogue and asks the witnesses. What they say decides whether sightings may be read, not
    /// whether this succeeds.
    pub(crate) async fn publish(self: &Arc<Self>) -> Result<(), LogFault> {
        for contradiction in self.publish_to_the_end().await? {
            tracing::error!(error = %contradiction, "a witness contradicts this log");
        }
        Ok(())
    }

    /// At the start: a witness that has seen more, or something else, means that this is not the log it was.
    pub(crate) async fn introduce(self: &Arc<Self>) -> Result<(), LogFault> {
        self.publish_to_the_end().await?.into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether it is worth asking again although nothing is new.
    pub(crate) fn lacks_witnesses(&self) -> bool {
        !self.witnesses.is_empty() && self.state().cosigned < self.witnesses.len()
    }

    /// A task of its own: whoever stops waiting must not leave half of it to run beside the next.
    async fn publish_to_the_end(self: &Arc<Self>) -> Result<Vec<LogFault>, LogFault> {
        let log = Arc::clone(self);
        tokio::spawn(async move { log.publish_and_ask().await }).await.map_err(|_| LogFault::Thread)?
    }

    async fn publish_and_ask(&self) -> Result<Vec<LogFault>, LogFault> {
        let _alone = self.publishing.lock().await;
        let before = self.state().clone();
        let head = grow(&self.catalogue, &self.tiles, before.head).await?;
        if head == before.head && before.cosigned == self.witnesses.len() && before.missing.is_none() {
            return Ok(Vec::new());
        }
        let mut note = if head == before.head { before.note } else { sign_head(&self.signer, &head)? };
        // Durable before a witness hears of it, so that none can ever know more than we do.
        self.write_checkpoint(&note).await?;
        let mut contradictions = Vec::new();
        let mut cosigned = 0;
        let asked = note.clone();
        for (witness, answer) in join_all(self.witnesses.iter().map(async |w| (w, w.ask(&self.tiles, &head, &asked).await))).await
        {
            match answer {
                Answer::Cosigned(signature) => {
                    note.add(signature);
                    cosigned += 1;
                }
                Answer::Contradicts(fault) => contradictions.push(fault),
                Answer::Silent(why) => {
                    tracing::warn!(witness = witness.key.name(), why, "checkpoint not cosigned");
                }
            }
        }
        if cosigned > 0 {
            self.write_checkpoint(&note).await?;
        }
        let mut state = self.state();
        (state.head, state.note, state.cosigned) = (head, note, cosigned);
        state.contradicted = !contradictions.is_empty();
        state.missing = if cosigned >= self.quorum { None } else { state.missing.or_else(|| Some(Instant::now())) };
        Ok(contradictions)
    }

    /// The log's checkpoint, then the high-water mark.
    pub(super) async fn write_checkpoint(&self, note: &Note) -> Result<(), LogFault> {
        let (text, files) = (note.to_string(), [self.tiles.checkpoint(), self.high_water.clone()]);
        let written = tokio::task::spawn_blocking(move || {
            for path in files {
                write_durably(&path, text.as_bytes()).map_err(|source| LogFault::Io { action: "write", path, source })?;
            }
            Ok(())
        });
        written.await.map_err(|_| LogFault::Thread)?
    }
}

/// Adds to the tiles what the catalogue has more than `head`.
pub(super) async fn grow(catalogue: &Catalogue, tiles: &FileTiles, mut head: TreeHead) -> Result<TreeHead, LogFault> {
    loop {
        let rows = catalogue.audit_bytes_since(head.size, BATCH).await?;
        if rows.is_empty() {
            return Ok(head);
        }
        let mut tiles = tiles.clone();
        let grown =
            tokio::task::spawn_blocking(move || append(&mut tiles, &head, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        head = grown.await.map_err(|_| LogFault::Thread)??;
    }
}
