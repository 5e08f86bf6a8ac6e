//! Workers at the agencies: leave to watch cameras, and what they saw.

mod take;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    time::Duration,
};

use access::{Action, AuditDetail, Begun, Caller, Code as Why, Denial, Outcome};
use catalogue::{CatalogueError, Lease, LeaseRequest};
use futures::{FutureExt, Stream};
use prost::Message as _;
use proto::v1::{self, ingest_service_server::IngestService};
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};
use types::{AgencyId, CameraId};

use super::Api;
use crate::edge::{
    identity::caller,
    status::{Fault, status},
};

/// A camera whose worker was not heard of for so long may be another's.
pub(crate) const LEASE: Duration = Duration::from_secs(8);
/// A worker is not answered more often.
const ANSWER_EVERY: Duration = Duration::from_millis(200);
/// Sightings that are committed together; they wait for the disk once.
const TOGETHER: usize = 32;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl IngestService for Api {
    type LeaseCamerasStream = Answers<v1::LeaseCamerasResponse>;

    async fn lease_cameras(
        &self,
        request: Request<Streaming<v1::LeaseCamerasRequest>>,
    ) -> Result<Response<Self::LeaseCamerasStream>, Status> {
        let caller = caller(&request)?;
        let (agency, begun) = self.come_in(&caller, Action::LeaseCameras).await?;
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let api = self.clone();
        self.0.detach(async move {
            let mut held = BTreeSet::new();
            let ended = api.renew_leases(&caller, &agency, request.into_inner(), &send, &mut held).await;
            let detail = AuditDetail { cameras: held, ..AuditDetail::default() };
            api.leave(&caller, Action::LeaseCameras, begun, ended, detail, &send).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    type PushStream = Answers<v1::PushResponse>;

    async fn push(&self, request: Request<Streaming<v1::PushRequest>>) -> Result<Response<Self::PushStream>, Status> {
        let caller = caller(&request)?;
        let (agency, begun) = self.come_in(&caller, Action::PushSightings).await?;
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let api = self.clone();
        self.0.detach(async move {
            let (mut cameras, mut taken) = (BTreeSet::new(), 0);
            let ended = api.take_all(&caller, &agency, request.into_inner(), &send, &mut cameras, &mut taken).await;
            let detail = AuditDetail { cameras, taken: Some(taken), ..AuditDetail::default() };
            api.leave(&caller, Action::PushSightings, begun, ended, detail, &send).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }
}

/// How a stream ended, if not by the worker's closing it.
enum Ended {
    /// The worker is not there any more, or its certificate was revoked.
    Gone,
    Stopping,
    /// A message, or a field of it, holds more than it may; as the decoder says.
    TooLarge(String),
    Failed(Fault),
}

impl Ended {
    /// By what came instead of a message.
    fn by(status: &Status) -> Self {
        let too_large = proto::reason(status) == Some(proto::bounds::TOO_LARGE) || status.code() == Code::OutOfRange;
        if too_large { Self::TooLarge(status.message().to_owned()) } else { Self::Gone }
    }
}

impl From<CatalogueError> for Ended {
    fn from(error: CatalogueError) -> Self {
        Self::Failed(error.into())
    }
}

impl Api {
    /// Begins a stream on the record; the agency is the worker's own organisation.
    async fn come_in(&self, caller: &Caller, action: Action) -> Result<(AgencyId, Begun), Status> {
        let told = |fault| status(action, fault);
        let agency = AgencyId::new(caller.organisation.as_str());
        let detail = AuditDetail { agency: agency.clone().ok(), ..AuditDetail::default() };
        let begun = self.0.gate.begin(action, None, detail, caller, self.0.now()).await;
        let begun = begun.map_err(|e| told(e.into()))?;
        let known = async {
            let agency = agency.map_err(proto::BadMessage::from)?;
            let all = self.0.catalogue().agencies().await?;
            if all.iter().any(|a| a.id == agency) { Ok(agency) } else { Err(CatalogueError::UnknownAgency(agency).into()) }
        };
        match known.await {
            Ok(agency) => Ok((agency, begun)),
            Err(fault) => {
                let end = self.0.gate.complete(begun, Outcome::Failed, AuditDetail::default(), self.0.now()).await;
                end.map_err(|e| told(e.into()))?;
                Err(told(fault))
            }
        }
    }

    /// Ends a stream on the record, and tells the worker why unless it ended it itself.
    async fn leave<T>(
        &self,
        caller: &Caller,
        action: Action,
        begun: Begun,
        ended: Result<(), Ended>,
        detail: AuditDetail,
        send: &Sender<Result<T, Status>>,
    ) {
        let (outcome, told) = match ended {
            Ok(()) => (Outcome::Done, None),
            Err(Ended::Gone) => (Outcome::Cancelled, None),
            Err(Ended::Stopping) => {
                let stopping = proto::status(Code::Unavailable, "the server stops", "stopping", "try again");
                (Outcome::Cancelled, Some(stopping))
            }
            Err(Ended::TooLarge(reason)) => {
                let denial = Denial::new(Why::TooLarge, reason, "send less, or in several parts");
                let refused = self.0.gate.deny(action, None, AuditDetail::default(), caller, denial, self.0.now()).await;
                (Outcome::Failed, Some(status(action, refused.into())))
            }
            Err(Ended::Failed(fault)) => (Outcome::Failed, Some(status(action, fault))),
        };
        let end = self.0.gate.complete(begun, outcome, detail, self.0.now()).await;
        let told = told.or_else(|| end.err().map(|e| status(action, e.into())));
        if let Some(told) = told {
            let _ = send.send(Err(told)).await;
        }
    }

    /// The next message; `None` when the worker closed its side.
    async fn next<M, T>(&self, from: &mut Streaming<M>, send: &Sender<Result<T, Status>>) -> Result<Option<M>, Ended> {
        tokio::select! {
            message = from.message() => message.map_err(|status| Ended::by(&status)),
            () = send.closed() => Err(Ended::Gone),
            () = self.0.stop.cancelled() => Err(Ended::Stopping),
        }
    }

    async fn renew_leases(
        &self,
        caller: &Caller,
        agency: &AgencyId,
        mut requests: Streaming<v1::LeaseCamerasRequest>,
        send: &Sender<Result<v1::LeaseCamerasResponse, Status>>,
        ever: &mut BTreeSet<CameraId>,
    ) -> Result<(), Ended> {
        while let Some(message) = self.next(&mut requests, send).await? {
            let request = self.lease_request(caller, agency, message).await.map_err(Ended::Failed)?;
            let leases = self.0.catalogue().lease_cameras(&request).await?;
            ever.extend(leases.iter().map(|l| l.camera.clone()));
            // The server's own threads keep off what is leased, and take up what is not.
            self.0.live.changed();
            let leases = self.lease_messages(agency, leases).await?;
            if send.send(Ok(v1::LeaseCamerasResponse { leases })).await.is_err() {
                return Err(Ended::Gone);
            }
            tokio::time::sleep(ANSWER_EVERY).await;
        }
        Ok(())
    }

    async fn lease_request(
        &self,
        caller: &Caller,
        agency: &AgencyId,
        message: v1::LeaseCamerasRequest,
    ) -> Result<LeaseRequest, Fault> {
        let mut able = super::convert::camera_ids(&message.camera_ids)?;
        for camera in self.0.catalogue().cameras().await?.into_iter().filter(|c| c.agency == *agency) {
            // What needs a password that only the server has is the server's own.
            if camera.source.is_some() && self.0.live.secrets().address(&camera.id)?.is_none() {
                able.insert(camera.id);
            }
        }
        let mut status = BTreeMap::new();
        for told in message.cameras {
            let camera = CameraId::new(&told.camera_id).map_err(proto::BadMessage::from)?;
            let told = v1::CameraStatus { agency_id: agency.to_string(), worker: caller.name.to_string(), ..told };
            status.insert(camera, told.encode_to_vec());
        }
        Ok(LeaseRequest {
            holder: holder(caller, &message.worker_id)?,
            agency: agency.clone(),
            able,
            most: message.max_cameras,
            released: super::convert::camera_ids(&message.released_ids)?,
            status,
            lasts: LEASE,
        })
    }

    async fn lease_messages(&self, agency: &AgencyId, leases: Vec<Lease>) -> Result<Vec<v1::Lease>, CatalogueError> {
        let mut messages = Vec::with_capacity(leases.len());
        for lease in leases {
            let source = self.0.catalogue().camera(&lease.camera).await?.source;
            messages.push(v1::Lease {
                camera_id: lease.camera.to_string(),
                agency_id: agency.to_string(),
                epoch: lease.epoch,
                lasts: Some(proto::duration(LEASE)),
                url: source.map(|s| s.as_str().to_owned()).unwrap_or_default(),
            });
        }
        Ok(messages)
    }

    async fn take_all(
        &self,
        caller: &Caller,
        agency: &AgencyId,
        mut requests: Streaming<v1::PushRequest>,
        send: &Sender<Result<v1::PushResponse, Status>>,
        cameras: &mut BTreeSet<CameraId>,
        taken: &mut u64,
    ) -> Result<(), Ended> {
        while let Some(first) = self.next(&mut requests, send).await? {
            let (mut batch, mut ended) = (vec![first], None);
            // What has arrived already goes with it.
            while batch.len() < TOGETHER {
                match requests.message().now_or_never() {
                    Some(Ok(Some(more))) => batch.push(more),
                    Some(Err(status)) => {
                        ended = Some(Ended::by(&status));
                        break;
                    }
                    Some(Ok(None)) | None => break,
                }
            }
            let Some(acknowledged) = batch.last().map(|m| m.sequence) else { continue };
            let done = self.take(caller, agency, batch).await.map_err(Ended::Failed)?;
            *taken += done.taken;
            cameras.extend(done.cameras);
            if send.send(Ok(v1::PushResponse { acknowledged, refused: done.refused })).await.is_err() {
                return Err(Ended::Gone);
            }
            if let Some(ended) = ended {
                return Err(ended);
            }
        }
        Ok(())
    }
}

/// One worker of one certificate: who holds a lease.
fn holder(caller: &Caller, worker: &str) -> Result<String, Fault> {
    if uuid::Uuid::try_parse(worker).is_err() {
        return Err(Fault::invalid("worker_id", "worker_id is not a UUID", "send the same one with every message"));
    }
    Ok(format!("{}#{worker}", caller.uri()))
}
