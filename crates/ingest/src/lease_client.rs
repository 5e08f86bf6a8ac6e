//! Renews the worker's leases, and says which cameras are to be watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use media::{Backoff, Networks};
use parking_lot::{Mutex, MutexGuard};
use pipeline::{CameraSecrets, KeptAddress, Watch, Watchers};
use proto::v1::{self, ingest_service_client::IngestServiceClient};
use tokio::sync::{Notify, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use types::{AgencyId, CameraId};

use crate::{Link, error::chain, kept::KeptLeases, link::LinkError, status::camera_status};

/// A few times in the lease that the server gives.
const BEAT: Duration = Duration::from_secs(2);
/// The server answers at once; longer, and the link is made anew.
const ANSWER: Duration = Duration::from_secs(6);

/// What to watch, as the last answer of the server says.
pub(crate) type Wanted = BTreeMap<CameraId, Watch>;

pub(crate) struct LeaseClient {
    pub(crate) link: Link,
    pub(crate) worker_id: String,
    pub(crate) secrets: CameraSecrets,
    pub(crate) networks: Networks,
    pub(crate) max_cameras: u32,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) wanted: watch::Sender<Wanted>,
    pub(crate) released: Arc<Released>,
    pub(crate) kept: KeptLeases,
    pub(crate) stop: CancellationToken,
}

/// Cameras that were watched and are no more, to be told to the server.
#[derive(Debug, Default)]
pub(crate) struct Released {
    cameras: Mutex<BTreeSet<CameraId>>,
    pub(crate) some: Notify,
}

impl Released {
    pub(crate) fn add(&self, cameras: impl IntoIterator<Item = CameraId>) {
        self.lock().extend(cameras);
        self.some.notify_one();
    }

    fn forget(&self, told: &BTreeSet<CameraId>) {
        self.lock().retain(|camera| !told.contains(camera));
    }

    fn all(&self) -> BTreeSet<CameraId> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<CameraId>> {
        self.cameras.lock()
    }
}

#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    #[error("the server does not answer")]
    Silent,
    #[error("the server ended the stream")]
    Ended,
}

impl From<Status> for LeaseError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl LeaseClient {
    /// Until `stop`. What was watched goes on being watched while the server is away.
    pub(crate) async fn run(self) {
        let before = self.watches(self.kept.read());
        if !before.is_empty() {
            tracing::info!(cameras = before.len(), "going on with the cameras of before");
            self.wanted.send_replace(before);
        }
        let (mut backoff, mut told, mut leases) = (Backoff::new(Duration::from_millis(250), BEAT), None, self.kept.read());
        while !self.stop.is_cancelled() {
            let Err(error) = self.session(&mut backoff, &mut leases).await else { return };
            let hint = match &error {
                LeaseError::Refused(status) => proto::hint(status).unwrap_or_default().to_owned(),
                _ => String::new(),
            };
            let (error, cameras) = (chain(&error), self.wanted.borrow().len());
            if backoff.attempts() == 0 {
                told = None;
            }
            // Once, not at every try.
            if told.as_ref() != Some(&error) {
                tracing::warn!(error, hint, cameras, "no lease of more cameras for now; what is watched goes on");
                told = Some(error);
            }
            tokio::select! { () = self.stop.cancelled() => {}, () = tokio::time::sleep(backoff.wait()) => {} }
        }
    }

    /// Tells the server, if it is there, that nothing is watched any more, so that others need not wait for the leases to end.
    pub(crate) async fn give_back(link: &Link, worker_id: &str, cameras: BTreeSet<CameraId>) {
        let last = v1::LeaseCamerasRequest {
            worker_id: worker_id.to_owned(),
            released_ids: cameras.iter().map(ToString::to_string).collect(),
            ..v1::LeaseCamerasRequest::default()
        };
        let tell = async {
            let mut client = IngestServiceClient::new(link.connect().await?);
            client.lease_cameras(tokio_stream::once(last)).await?.into_inner().message().await?;
            Ok::<_, LeaseError>(())
        };
        match tokio::time::timeout(BEAT, tell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the leases are not given back: they end by themselves"),
            Err(_) => tracing::warn!("the leases are not given back: they end by themselves"),
        }
    }

    async fn session(&self, backoff: &mut Backoff, leases: &mut v1::LeaseCamerasResponse) -> Result<(), LeaseError> {
        let mut client = IngestServiceClient::new(self.link.connect().await?);
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let mut answers = client.lease_cameras(ReceiverStream::new(receive)).await?.into_inner();
        loop {
            let released = self.released.all();
            send.send(self.request(&released)).await.map_err(|_| LeaseError::Ended)?;
            let answer = tokio::select! {
                answer = tokio::time::timeout(ANSWER, answers.message()) => answer.map_err(|_| LeaseError::Silent)??,
                () = self.stop.cancelled() => return Ok(()),
            };
            let answer = answer.ok_or(LeaseError::Ended)?;
            if *leases != answer {
                self.kept.keep(&answer);
                leases.clone_from(&answer);
            }
            let wanted = self.watches(answer);
            self.released.forget(&released);
            backoff.reset();
            self.wanted.send_if_modified(|before| {
                let changed = *before != wanted;
                *before = wanted;
                changed
            });
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(BEAT) => {}
                () = self.released.some.notified() => {}
            }
        }
    }

    fn request(&self, released: &BTreeSet<CameraId>) -> v1::LeaseCamerasRequest {
        let ids = |cameras: &mut dyn Iterator<Item = &CameraId>| cameras.map(ToString::to_string).collect();
        let statuses = self.watchers.statuses();
        v1::LeaseCamerasRequest {
            worker_id: self.worker_id.clone(),
            camera_ids: ids(&mut self.secrets.cameras().iter()),
            max_cameras: self.max_cameras,
            released_ids: ids(&mut released.iter()),
            cameras: statuses.into_iter().map(|(id, (agency, now))| camera_status(&id, &agency, now)).collect(),
        }
    }

    fn watches(&self, answer: v1::LeaseCamerasResponse) -> Wanted {
        let watch = |lease: v1::Lease| {
            let (camera, agency) = (CameraId::new(&lease.camera_id).ok()?, AgencyId::new(&lease.agency_id).ok()?);
            let address = match self.secrets.address(&camera) {
                Ok(own) => own.unwrap_or(KeptAddress::open(&lease.url)),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the camera's address can't be read");
                    return None;
                }
            };
            let source = address
                .source(&self.networks)
                .inspect_err(|error| tracing::error!(%camera, %error, "the camera's address can't be used"))
                .ok()?;
            let given = self.secrets.given(&camera);
            let named = Some(address).filter(|address| address.device.is_some());
            Some((camera, Watch { agency, source, named, epoch: lease.epoch, given, kept: None }))
        };
        answer.leases.into_iter().filter_map(watch).collect()
    }
}
