//! Sightings from a worker: looked at one by one, stored together.

use std::collections::{BTreeMap, BTreeSet};

use access::Caller;
use catalogue::{CameraLease, CatalogueError, LeaseFault, SightingRecord};
use indexer::store_good;
use proto::v1;
use redact::RedactedCrop;
use types::{AgencyId, CameraId, Embedding, Sighting, SightingOrigin};

use super::holder;
use crate::edge::{services::Api, status::Fault};

/// The reason where a camera was not the worker's.
const STALE: &str = "stale_lease";

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) taken: u64,
    pub(super) cameras: BTreeSet<CameraId>,
    pub(super) refused: Vec<v1::RefusedSighting>,
}

/// What the catalogue said for one batch. What decides is looked at again in the transaction that stores.
#[derive(Debug, Default)]
struct Known {
    /// `None`: there is no such camera.
    owners: BTreeMap<CameraId, Option<AgencyId>>,
    /// By camera, epoch and worker; `None`: never held.
    leases: BTreeMap<(CameraId, u64, String), Option<CameraLease>>,
}

/// Why a sighting will never be stored. What may be stored later is a [`Fault`].
struct Refusal {
    reason: &'static str,
    message: String,
}

#[expect(clippy::needless_pass_by_value, reason = "texts and errors, made for it")]
fn refuse<T>(reason: &'static str, message: impl ToString) -> Result<T, Refusal> {
    Err(Refusal { reason, message: message.to_string() })
}

impl Api {
    /// Stores what is good of a batch; returns when that is durable.
    pub(super) async fn take(&self, caller: &Caller, agency: &AgencyId, batch: Vec<v1::PushRequest>) -> Result<Done, Fault> {
        let (mut done, mut known) = (Done::default(), Known::default());
        let mut good = Vec::with_capacity(batch.len());
        for message in batch {
            let (sequence, id) = (message.sequence, message.sighting.as_ref().map(|s| s.id.clone()).unwrap_or_default());
            match self.look_at(caller, agency, message, &mut known).await? {
                Ok((record, lease)) => good.push((sequence, record, lease)),
                Err(refusal) => done.refuse(sequence, id, refusal),
            }
        }
        // An id says where a sighting is from; one that is there already is replaced only by a later state of itself.
        let seen: Vec<_> = good.iter().map(|(_, record, _)| &record.sighting).collect();
        let anothers = self.0.catalogue().anothers(&seen).await?;
        let (mut sequences, mut records, mut leases) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (sequence, record, lease)) in good.into_iter().enumerate() {
            if anothers.contains(&n) {
                let refusal = Refusal { reason: "not_yours", message: "the id is another sighting's".to_owned() };
                done.refuse(sequence, record.sighting.id.to_string(), refusal);
                continue;
            }
            leases.push((record.sighting.id, lease));
            sequences.push(sequence);
            records.push(record);
        }
        let fence = leases.into_iter().collect();
        let mut refused: BTreeMap<usize, CatalogueError> =
            store_good(self.0.catalogue(), &self.0.store.feed, &records, &fence).await?.into_iter().collect();
        for (n, (sequence, record)) in sequences.iter().zip(&records).enumerate() {
            match refused.remove(&n) {
                None => done.take(record),
                Some(error) => {
                    let reason = if matches!(error, CatalogueError::Lease { .. }) { STALE } else { "invalid" };
                    let refusal = Refusal { reason, message: error.to_string() };
                    done.refuse(*sequence, record.sighting.id.to_string(), refusal);
                }
            }
        }
        Ok(done)
    }

    async fn look_at(
        &self,
        caller: &Caller,
        agency: &AgencyId,
        message: v1::PushRequest,
        known: &mut Known,
    ) -> Result<Result<(SightingRecord, CameraLease), Refusal>, Fault> {
        let (worker, epoch) = (holder(caller, &message.worker_id)?, message.epoch);
        let record = match read(message) {
            Ok(record) if record.sighting.agency == *agency => record,
            Ok(_) => return Ok(refuse("not_yours", "the sighting is another agency's")),
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Of other models the length is not known; they are searched by nobody until they are.
        let spec = self.0.store.feed.active().index().spec();
        if record.embedding.model() == spec.model && record.embedding.values().len() != spec.appearance_len {
            let (got, want) = (record.embedding.values().len(), spec.appearance_len);
            return Ok(refuse("bad_vector", format!("the appearance vector has {got} values, its model makes {want}")));
        }
        let sighting = &record.sighting;
        match self.owner(&sighting.camera, known).await? {
            Some(owner) if owner == *agency => {}
            Some(_) => return Ok(refuse("not_yours", "the camera is another agency's")),
            None => return Ok(refuse("unknown_camera", CatalogueError::UnknownCamera(sighting.camera.clone()))),
        }
        let Some(lease) = self.lease(&sighting.camera, epoch, worker, known).await? else {
            return Ok(refuse(STALE, LeaseFault::NotHeld));
        };
        // Looked at again when it is stored; what is refused by then has no crop on the disk yet.
        if let Some(fault) = lease.fault(sighting.first.time) {
            return Ok(refuse(STALE, fault));
        }
        Ok(Ok((record, lease)))
    }

    /// Whose camera it is; `None` where there is no such camera.
    async fn owner(&self, camera: &CameraId, known: &mut Known) -> Result<Option<AgencyId>, Fault> {
        if let Some(owner) = known.owners.get(camera) {
            return Ok(owner.clone());
        }
        let owner = match self.0.catalogue().camera(camera).await {
            Ok(camera) => Some(camera.agency),
            Err(CatalogueError::UnknownCamera(_)) => None,
            Err(error) => return Err(error.into()),
        };
        known.owners.insert(camera.clone(), owner.clone());
        Ok(owner)
    }

    async fn lease(
        &self,
        camera: &CameraId,
        epoch: u64,
        worker: String,
        known: &mut Known,
    ) -> Result<Option<CameraLease>, Fault> {
        let key = (camera.clone(), epoch, worker);
        if let Some(lease) = known.leases.get(&key) {
            return Ok(lease.clone());
        }
        let lease = self.0.catalogue().camera_lease(camera, epoch, &key.2).await?;
        known.leases.insert(key, lease.clone());
        Ok(lease)
    }
}

impl Done {
    fn take(&mut self, record: &SightingRecord) {
        self.taken += 1;
        self.cameras.insert(record.sighting.camera.clone());
    }

    fn refuse(&mut self, sequence: u64, sighting_id: String, refusal: Refusal) {
        let Refusal { reason, message } = refusal;
        tracing::warn!(sequence, sighting_id, reason, message, "a worker's sighting is refused");
        self.refused.push(v1::RefusedSighting { sequence, reason: reason.to_owned(), message, sighting_id });
    }
}

fn read(message: v1::PushRequest) -> Result<SightingRecord, Refusal> {
    let Some(sighting) = message.sighting else { return refuse("bad_message", "sighting is missing") };
    let sighting = Sighting::try_from(sighting).or_else(|e| refuse("bad_message", e))?;
    if sighting.origin != SightingOrigin::Live {
        return refuse("bad_message", "a worker hands in what live cameras saw, not footage");
    }
    // The one way a picture comes in: redact reads only what redact wrote.
    let crop = RedactedCrop::decode(&message.crop).or_else(|e| refuse("not_redacted", e))?;
    let model = message.model_sha256.parse().or_else(|e| refuse("bad_message", e))?;
    let embedding = Embedding::new(model, message.appearance).or_else(|e| refuse("bad_vector", e))?;
    Ok(SightingRecord { sighting, crop, embedding })
}
