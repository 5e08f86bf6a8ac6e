//! Sends what is on the spool, the oldest first, and takes off it what the server has stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media::Backoff;
use pipeline::{Spool, SpoolError};
use prost::Message as _;
use proto::v1::{self, ingest_service_client::IngestServiceClient};
use tokio::sync::Notify;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{Link, error::chain, link::LinkError};

/// Sent and not acknowledged yet, at most.
const IN_FLIGHT: u64 = 128;
/// How often the spool is looked at when nobody says that there is more.
const LOOK: Duration = Duration::from_millis(500);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

pub(crate) struct Pusher {
    pub(crate) link: Link,
    pub(crate) worker_id: String,
    pub(crate) spool: Arc<Spool>,
    pub(crate) more: Arc<Notify>,
    /// By the server, for good.
    pub(crate) refused: Arc<AtomicU64>,
    /// Nothing is added any more: ends once all is sent.
    pub(crate) drain: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the server ended the stream")]
    Ended,
}

impl From<Status> for PushError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Pusher {
    /// Until everything is sent after `drain`.
    pub(crate) async fn run(self) {
        let (mut backoff, mut told) = (Backoff::new(FIRST_RETRY, LONGEST_RETRY), None);
        while !self.is_done() {
            if self.spool.state().waiting == 0 {
                self.wait().await;
                continue;
            }
            let before = self.spool.state().waiting;
            let Err(error) = self.session().await else { return };
            let waiting = self.spool.state().waiting;
            if waiting < before {
                backoff.reset();
                told = None;
            }
            let error = chain(&error);
            if told.as_ref() != Some(&error) {
                tracing::warn!(error, waiting, "sightings wait: they are sent when the server takes them again");
                told = Some(error);
            }
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    fn is_done(&self) -> bool {
        self.drain.is_cancelled() && self.spool.state().waiting == 0
    }

    async fn wait(&self) {
        tokio::select! { () = self.more.notified() => {}, () = tokio::time::sleep(LOOK) => {} }
    }

    /// One stream; `Ok` when there is nothing left to send and never will be.
    async fn session(&self) -> Result<(), PushError> {
        let mut client = IngestServiceClient::new(self.link.connect().await?);
        let (send, receive) = tokio::sync::mpsc::channel(IN_FLIGHT as usize);
        let mut answers = client.push(ReceiverStream::new(receive)).await?.into_inner();
        // The first that is not sent yet, and how far the server has acknowledged.
        let mut next = self.spool.first();
        let mut acknowledged = next - 1;
        let mut in_flight = 0;
        while !self.is_done() {
            for (number, record) in self.read(&mut next, IN_FLIGHT - in_flight).await? {
                let message = match v1::PushRequest::decode(&*record) {
                    Ok(message) => v1::PushRequest { sequence: number, worker_id: self.worker_id.clone(), ..message },
                    Err(error) => {
                        tracing::error!(%error, number, "a sighting on the spool can't be read and is lost");
                        continue;
                    }
                };
                in_flight += 1;
                // It holds as many as may be in flight.
                if send.send(message).await.is_err() {
                    return Err(PushError::Ended);
                }
            }
            if in_flight == 0 && next > acknowledged + 1 {
                // What is left could not be read: there is nothing to wait for.
                acknowledged = next - 1;
                self.acknowledge(acknowledged).await?;
                continue;
            }
            tokio::select! {
                answer = answers.message() => {
                    let answer = answer?.ok_or(PushError::Ended)?;
                    for refused in &answer.refused {
                        let (id, reason, message) = (&refused.sighting_id, &refused.reason, &refused.message);
                        tracing::error!(id, reason, message, "a sighting is refused for good");
                    }
                    self.refused.fetch_add(answer.refused.len() as u64, Ordering::Relaxed);
                    // Never more than was sent.
                    acknowledged = answer.acknowledged.min(next - 1);
                    in_flight = next.saturating_sub(acknowledged + 1).min(in_flight);
                    self.acknowledge(acknowledged).await?;
                }
                () = self.wait() => {}
            }
        }
        Ok(())
    }

    /// The next records; `next` is moved past them, and past one that the disk has damaged.
    async fn read(&self, next: &mut u64, most: u64) -> Result<Vec<(u64, Vec<u8>)>, PushError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let (spool, from) = (self.spool.clone(), *next);
        let read = tokio::task::spawn_blocking(move || spool.read(from, most as usize)).await.map_err(|_| PushError::Ended)?;
        match read {
            Ok(records) => {
                if let Some((last, _)) = records.last() {
                    *next = last + 1;
                }
                Ok(records)
            }
            Err(SpoolError::Damaged(number)) if number > from => {
                // Those before it first.
                let spool = self.spool.clone();
                let until = (number - from) as usize;
                let read = tokio::task::spawn_blocking(move || spool.read(from, until)).await.map_err(|_| PushError::Ended)??;
                *next = number;
                Ok(read)
            }
            Err(SpoolError::Damaged(number)) => {
                tracing::error!(number, "a sighting on the spool is damaged and lost: check the disk");
                *next = number + 1;
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn acknowledge(&self, through: u64) -> Result<(), PushError> {
        let spool = self.spool.clone();
        Ok(tokio::task::spawn_blocking(move || spool.acknowledge(through)).await.map_err(|_| PushError::Ended)??)
    }
}
