//! What one search and one stored sighting cost a whole server: processor time and statements of SQL, client and TLS included.
//!
//! A search names a colour, has ten hits with their crops, and counts what has no colour. A worker hands in sixteen at once.
//!
//! `cargo bench --workspace --bench cost --profile dev`; with `search N` or `push N` that many of one alone, for a profiler.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

mod deployed;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use access::Caller;
use anyhow::{Context, Result, ensure};
use deployment::{Home, InitOptions};
use futures::StreamExt;
use proto::v1::{self, ingest_service_client::IngestServiceClient, search_service_client::SearchServiceClient};
use server::{Config, Server};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use types::{AgencyId, CameraId, CaptureTime, Class, Colour, DescriptionQuery, Sighting, SightingId, SightingOrigin, TimeStamp};

use deployed::{Seen, authorised_case, channel, channel_as, crop, see, sighting, spec};

/// Three pass each camera in turn; one in ten has no colour.
const SEEN: Seen = Seen { side: 128, in_a_row: 3, colourless: 10 };
const CONFIG: &str = "[server]\nlisten = \"127.0.0.1:0\"\n\
    [callers]\ncalls_per_second = 1000000.0\nburst = 1000000\nat_once = 1000000\n\
    [missing_person]\nqueries = 1000000\nresults = 1000000\n";
const WORKER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TOGETHER: u64 = 16;
const ROUNDS: usize = 7;
/// Of a round.
const SEARCHES: usize = 40;
const BATCHES: usize = 20;

fn main() -> Result<()> {
    let counter = Statements::default();
    tracing::subscriber::set_global_default(counter.clone())?;
    // Lasts longer than the runtime: an index writes as it is dropped.
    let dir = tempfile::tempdir()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(dir.path(), &counter))
}

async fn run(dir: &std::path::Path, counter: &Statements) -> Result<()> {
    let home = Home::new(dir.join("home"));
    deployment::init(&home, server::TEMPLATE, &InitOptions::default())?;
    deployment::issue(&home, &Caller::from_uri("sightline://local/ingest/worker")?, 1, None)?;
    let spec = spec()?;
    let (catalogue, _) = see(&home.root().join("data"), spec, SEEN).await?;
    catalogue.close().await;
    let server = Server::start(&home, Config::parse(CONFIG, &home.config())?).await?;
    let investigator = channel(&home, server.address()).await?;
    authorised_case(&home, &investigator, server.address()).await?;
    let mut worker = Worker::come(channel_as(&home, server.address(), "worker").await?, spec).await?;

    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    if let (Some(what), Some(count)) = (args.next(), args.next()) {
        println!("ready");
        for _ in 0..count.parse()? {
            if what == "search" { search(&investigator).await? } else { worker.push().await? }
        }
        return Ok(server.stop().await?);
    }
    search(&investigator).await?;
    worker.push().await?;
    let (mut searches, mut pushes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = (cpu()?, Instant::now());
        for _ in 0..SEARCHES {
            search(&investigator).await?;
        }
        searches.push((cpu()? - before.0) / SEARCHES as f64);
        let before = cpu()?;
        for _ in 0..BATCHES {
            worker.push().await?;
        }
        pushes.push((cpu()? - before) / (BATCHES as u64 * TOGETHER) as f64);
    }
    let statements = counter.during(async || search(&investigator).await).await?;
    let stored = counter.during(async || worker.push().await).await?;
    println!("| | processor, ms: median (least) | statements |\n|---|---|---|");
    let line = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        format!("{:.2} ({:.2})", times[times.len() / 2], times[0])
    };
    println!("| a search | {} | {statements} |", line(&mut searches));
    println!("| a stored sighting, of {TOGETHER} together | {} | {:.2} |", line(&mut pushes), stored as f64 / TOGETHER as f64);
    Ok(server.stop().await?)
}

async fn search(channel: &Channel) -> Result<()> {
    let description = DescriptionQuery { class: Some(Class::Car), vehicle_colour: Some(Colour::Red), ..Default::default() };
    let description = Some((&description).into());
    let request = v1::SearchRequest { case_id: "k".into(), description, limit: 10, include_crops: true, ..Default::default() };
    let mut parts = SearchServiceClient::new(channel.clone()).search(request).await?.into_inner();
    let (mut crops, mut colourless) = (0, None);
    while let Some(part) = parts.message().await? {
        match part.part {
            Some(v1::search_response::Part::Hit(hit)) => crops += usize::from(!hit.crop.is_empty()),
            Some(v1::search_response::Part::Summary(summary)) => colourless = summary.without_colour,
            None => {}
        }
    }
    ensure!(crops == 10 && colourless == Some(500), "{crops} crops, {colourless:?} without a colour");
    Ok(())
}

/// One of an agency that has leased a camera.
struct Worker {
    send: tokio::sync::mpsc::Sender<v1::PushRequest>,
    answers: Streaming<v1::PushResponse>,
    /// Says every second that it is there.
    _leases: tokio::task::JoinHandle<()>,
    camera: CameraId,
    epoch: u64,
    crop: Vec<u8>,
    model: String,
    looks: Vec<f32>,
    sent: u64,
}

impl Worker {
    async fn come(channel: Channel, spec: index::IndexSpec) -> Result<Self> {
        let camera = CameraId::new("camera-0")?;
        let mut client = IngestServiceClient::new(channel);
        let beat = v1::LeaseCamerasRequest {
            worker_id: WORKER.into(),
            camera_ids: vec![camera.to_string()],
            max_cameras: 1,
            ..Default::default()
        };
        let (say, said) = tokio::sync::mpsc::channel(1);
        say.send(beat.clone()).await?;
        let mut leases = client.lease_cameras(ReceiverStream::new(said)).await?.into_inner();
        let epoch = leases.message().await?.context("leases")?.leases.first().context("a lease")?.epoch;
        let _leases = tokio::spawn(async move {
            while say.send(beat.clone()).await.is_ok() && leases.next().await.is_some() {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
        let (send, receive) = tokio::sync::mpsc::channel(TOGETHER as usize);
        let answers = client.push(ReceiverStream::new(receive)).await?.into_inner();
        let mut looks = vec![0.0; spec.appearance_len];
        looks[0] = 1.0;
        let (crop, model) = (crop(SEEN.side)?.encode(), spec.model.to_string());
        Ok(Self { send, answers, _leases, camera, epoch, crop, model, looks, sent: 0 })
    }

    /// Hands in a batch, and waits until it is durable.
    async fn push(&mut self) -> Result<()> {
        for _ in 0..TOGETHER {
            self.sent += 1;
            let message = v1::PushRequest {
                sequence: self.sent,
                worker_id: WORKER.into(),
                epoch: self.epoch,
                sighting: Some((&self.sighting()?).into()),
                crop: self.crop.clone(),
                model_sha256: self.model.clone(),
                appearance: self.looks.clone(),
            };
            self.send.send(message).await?;
        }
        loop {
            let answer = self.answers.message().await?.context("an answer")?;
            ensure!(answer.refused.is_empty(), "refused: {:?}", answer.refused);
            if answer.acknowledged == self.sent {
                return Ok(());
            }
        }
    }

    fn sighting(&self) -> Result<Sighting> {
        let like = sighting(self.sent, std::slice::from_ref(&self.camera), &AgencyId::new("local")?, SEEN)?;
        let now = CaptureTime::now();
        let at = |time| TimeStamp { time, ..like.first };
        Ok(Sighting {
            id: SightingId::derive(&self.camera, b"pushed", self.sent),
            first: at(now),
            last: at(now),
            best: now,
            origin: SightingOrigin::Live,
            ..like
        })
    }
}

/// Milliseconds that this process has had a processor.
fn cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().context("fields")?.split_whitespace().collect();
    // Hundredths of a second, of the program's own and of the system for it.
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) * 10.0)
}

/// Counts what SQLx says that it has asked the database, when somebody wants to know.
#[derive(Clone, Default)]
struct Statements(Arc<(AtomicBool, AtomicU64)>);

impl Statements {
    async fn during(&self, what: impl AsyncFnOnce() -> Result<()>) -> Result<u64> {
        self.0.1.store(0, Ordering::Relaxed);
        self.0.0.store(true, Ordering::Relaxed);
        what().await?;
        self.0.0.store(false, Ordering::Relaxed);
        Ok(self.0.1.load(Ordering::Relaxed))
    }
}

impl tracing::Subscriber for Statements {
    fn register_callsite(&self, of: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        if of.target() == "sqlx::query" {
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        of.target() == "sqlx::query" && self.0.0.load(Ordering::Relaxed)
    }

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
