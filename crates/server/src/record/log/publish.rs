//! From durable rows to tiles, to a signed checkpoint, to one that witnesses have cosigned.

use std::{sync::Arc, time::Instant};

use access::log::{Note, TreeHead};
use audit_log::{LogFault, check_beginning};
use catalogue::CatalogueError;
use futures::future::join_all;

use super::{
    Log, RecordFault,
    ask::{Answer, Witness as Asked},
    grow::grow,
};

/// How often a server that starts waits for others that publish, some seconds each.
const TRIES: u32 = 6;

impl Log {
    /// Brings the files up to the catalogue and asks the witnesses. What they say decides whether sightings may be read, not
    /// whether this succeeds.
    pub(crate) async fn publish(self: &Arc<Self>) -> Result<(), RecordFault> {
        for contradiction in self.publish_to_the_end(false).await? {
            tracing::error!(error = %contradiction, "a witness contradicts this log");
        }
        Ok(())
    }

    /// At the start: a witness that has seen more, or something else, means that this is not the log it was.
    pub(crate) async fn introduce(self: &Arc<Self>) -> Result<(), RecordFault> {
        let mut tries = 0;
        let contradictions = loop {
            match self.publish_to_the_end(true).await {
                // Another server publishes, and its witnesses take their time.
                Err(RecordFault::Catalogue(CatalogueError::Busy(_))) if tries < TRIES => tries += 1,
                done => break done?,
            }
        };
        contradictions.into_iter().next().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Whether it is worth asking again although nothing is new.
    pub(crate) fn lacks_witnesses(&self) -> bool {
        !self.witnesses.is_empty() && self.state().cosigned < self.witnesses.len()
    }

    /// A task of its own: whoever stops waiting must not leave half of it to run beside the next.
    async fn publish_to_the_end(self: &Arc<Self>, ask_all: bool) -> Result<Vec<LogFault>, RecordFault> {
        let log = Arc::clone(self);
        tasks::spawn("publishing the log", async move { log.publish_and_ask(ask_all).await })
            .await
            .map_err(|_| RecordFault::Thread)?
    }

    async fn publish_and_ask(&self, ask_all: bool) -> Result<Vec<LogFault>, RecordFault> {
        let _alone = self.publishing.lock().await;
        // Of several servers one publishes at a time, upon what the one before has signed.
        let right = self.catalogue.publish().await?;
        let before = self.state().clone();
        let head = grow(&self.catalogue, &self.tiles, before.head).await?;
        let others = right.note().map(|note| self.check_published(note, &head)).transpose()?;
        let known = others.as_ref().is_none_or(|(_, seen)| *seen == head);
        let all = self.witnesses.len();
        if !ask_all && known && head == before.head && before.cosigned == all && before.missing.is_none() {
            return Ok(Vec::new());
        }
        let mut note = match others {
            Some((note, seen)) if seen == head => note,
            _ if head == before.head => before.note,
            _ => self.sign(&head)?,
        };
        // Durable before a witness hears of it, so that none can ever know more than we do.
        self.write_checkpoint(&note).await?;
        let mut contradictions = Vec::new();
        let asked = note.clone();
        // Who has signed it for another server need not do so again.
        let shared = right.note().is_some();
        let has_signed = |w: &&Asked| shared && asked.verify([&w.key]).is_ok_and(|by| !by.is_empty());
        let (signed, to_ask): (Vec<_>, Vec<_>) = self.witnesses.iter().partition(|w| !ask_all && has_signed(w));
        let mut cosigned = signed.len();
        for (witness, answer) in join_all(to_ask.into_iter().map(async |w| (w, w.ask(&self.tiles, &head, &asked).await))).await {
            match answer {
                Answer::Cosigned(signature) => {
                    if !has_signed(&witness) {
                        note.add(signature);
                    }
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
        right.finish(&note.to_string()).await?;
        let mut state = self.state();
        (state.head, state.note, state.cosigned) = (head, note, cosigned);
        state.contradicted = !contradictions.is_empty();
        state.missing = if cosigned >= self.quorum { None } else { state.missing.or_else(|| Some(Instant::now())) };
        Ok(contradictions)
    }

    /// What another server published must be the beginning of this log.
    pub(super) fn check_published(&self, text: &str, head: &TreeHead) -> Result<(Note, TreeHead), RecordFault> {
        let by = || "another server's checkpoint in the catalogue".to_owned();
        let note: Note = text.parse().map_err(access::log::LogError::from)?;
        let checked = self.trust().check(&note)?;
        if checked.keys != self.keys {
            return Err(RecordFault::Replaced { path: self.key_file.clone() });
        }
        let seen = checked.head;
        if seen.size > head.size {
            return Err(LogFault::Older { have: head.size, seen: seen.size, by: by() }.into());
        }
        check_beginning(&self.tiles, &seen, head, by)?;
        Ok((note, seen))
    }

    /// The log's checkpoint, then the high-water mark.
    pub(super) async fn write_checkpoint(&self, note: &Note) -> Result<(), RecordFault> {
        let (text, files) = (note.to_string(), [self.tiles.checkpoint(), self.high_water.clone()]);
        let written = tokio::task::spawn_blocking(move || {
            for path in files {
                durable::write(&path, text.as_bytes()).map_err(|source| LogFault::Io { action: "write", path, source })?;
            }
            Ok(())
        });
        written.await.map_err(|_| RecordFault::Thread)?
    }
}
