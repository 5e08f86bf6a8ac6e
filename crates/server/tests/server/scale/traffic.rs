//! Sightings that a worker hands in while others search.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::v1::{self, ingest_service_client::IngestServiceClient};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use types::CaptureTime;

use super::synthetic::{AGENCIES, CAMERAS, Synthetic, camera_id};
use crate::harness::Deployed;

pub(super) const LASTS: Duration = Duration::from_secs(25);
const WORKER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Sightings under way at once when there is no rate.
const AHEAD: usize = 64;

pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    taken: JoinHandle<u64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// How many were stored.
    pub(super) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let taken = self.taken.await.unwrap();
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        taken
    }
}

/// A worker of the first agency, with all of its cameras. `first` numbers the sightings.
pub(super) async fn start(deployed: &Deployed, synthetic: &Arc<Synthetic>, first: u64, rate: Option<f64>) -> Traffic {
    let channel = deployed.channel("worker").await;
    let (send, receive) = mpsc::channel(1);
    let mut held =
        IngestServiceClient::new(channel.clone()).lease_cameras(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let beat = v1::LeaseCamerasRequest {
        worker_id: WORKER.into(),
        camera_ids: (0..CAMERAS).step_by(AGENCIES).map(|n| camera_id(n).to_string()).collect(),
        max_cameras: CAMERAS as u32,
        ..Default::default()
    };
    send.send(beat.clone()).await.unwrap();
    let leases = held.message().await.unwrap().unwrap().leases;
    let epoch = |n: usize| leases.iter().find(|l| l.camera_id == camera_id(n).as_str()).unwrap().epoch;
    let cameras: Vec<_> = (0..CAMERAS).step_by(AGENCIES).map(|n| (n, epoch(n))).collect();
    let holding = tokio::spawn(async move {
        while send.send(beat.clone()).await.is_ok() && held.message().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    });

    let stop = Arc::new(AtomicBool::new(false));
    let (send, receive) = mpsc::channel(AHEAD);
    let (synthetic, stopping) = (synthetic.clone(), stop.clone());
    let pushing = tokio::spawn(async move {
        let began = Instant::now();
        for n in first.. {
            if stopping.load(Ordering::Relaxed) {
                return;
            }
            if let Some(rate) = rate {
                tokio::time::sleep_until(began + Duration::from_secs_f64((n - first) as f64 / rate)).await;
            }
            let (camera, epoch) = cameras[n as usize % cameras.len()];
            let record = synthetic.live(n, camera, CaptureTime::now());
            let message = v1::PushRequest {
                sequence: n + 1,
                worker_id: WORKER.into(),
                epoch,
                sighting: Some((&record.sighting).into()),
                crop: record.crop.encode(),
                model_sha256: record.embedding.model().to_string(),
                appearance: record.embedding.into_values(),
            };
            if send.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut answers = IngestServiceClient::new(channel).push(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let taken = tokio::spawn(async move {
        let mut last = first;
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(answer.refused.is_empty(), "{:?}", answer.refused);
            last = answer.acknowledged;
        }
        last - first
    });
    Traffic { stop, taken, tasks: vec![holding, pushing] }
}
