//! What others are told about how the server does.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use prost::Message as _;
use proto::v1::{self, camera_service_client::CameraServiceClient};
use server::{Traces, WorkerMetrics};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Request, Response, Status};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::{
    harness::{Deployed, add_identity, clip},
    ingest::{Wire, car},
};

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Every label key there may be. None says anything about people.
const LABELS: [&str; 9] = ["camera", "le", "origin", "outcome", "queue", "reason", "state", "version", "which"];

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_told_what_happened_and_nothing_about_people() {
    let Some(clip) = clip() else { return };
    let deployed = Deployed::configured("[metrics]\nlisten = \"127.0.0.1:0\"\n", async |_| {}).await;
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    cameras.add_agency(v1::AddAgencyRequest { id: "local".into(), title: "Local".into() }).await.unwrap();
    let request = v1::AddCameraRequest { id: "gate".into(), agency_id: "local".into(), ..Default::default() };
    cameras.add_camera(request).await.unwrap();
    let job = deployed.add(&clip, "gate", "2026-03-01T09:00:00Z").await.unwrap().job.unwrap();
    let sightings = deployed.wait(&job.id).await.progress.unwrap().sightings;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    deployed.search("investigator", request.clone()).await.unwrap();
    deployed.search("auditor", request).await.unwrap_err();

    let address = deployed.server.as_ref().unwrap().metrics_address().unwrap();
    let text = get(address, "/metrics").await;
    let value = |series: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    };
    // The facade counts for the whole process: other tests of it may add to these.
    assert!(value("sightline_sightings_total{camera=\"gate\",origin=\"footage\"}") >= sightings as f64);
    assert!(value("sightline_search_seconds_count{outcome=\"done\"}") >= 1.0);
    assert!(value("sightline_search_seconds_count{outcome=\"refused\"}") >= 1.0);
    assert_eq!(value("sightline_sightings_stored"), sightings as f64);
    assert_eq!(value("sightline_jobs{state=\"done\"}"), 1.0);
    assert_eq!(value("sightline_index_lag_changes"), 0.0);
    let days = value("sightline_certificate_ends_seconds") / 86_400.0;
    assert!((395.0..=397.0).contains(&days), "{days}");
    for metric in ["sightline_audit_append_seconds_bucket", "sightline_log_entries", "sightline_footage_seconds_total"] {
        assert!(text.contains(metric), "{metric}");
    }
    let keys: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("sightline_"))
        .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0))
        .flat_map(|labels| labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)))
        .collect();
    assert!(keys.iter().all(|key| LABELS.contains(key)), "{keys:?}");
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_port_says_how_much_waits_on_its_spool_and_since_when() {
    let deployed = Deployed::with_cameras().await;
    add_identity(&deployed.home, "ingest", "sightline://local/ingest/ingest");
    let (wire, dir) = (Wire::new(), tempfile::tempdir().unwrap());
    let spool = pipeline::Spool::open(dir.path(), 0).unwrap();
    let seen = |ago: i64| types::CaptureTime::now().plus_micros(-ago * 1_000_000);
    let records: Vec<_> =
        [300, 200, 100].map(|ago| wire.message(0, 1, &car("gate", "local", ago as u64, seen(ago))).encode_to_vec()).into();
    spool.append(&records).unwrap();
    spool.acknowledge(1).unwrap();
    let bytes = spool.state().bytes;
    drop(spool);
    // Nobody is there to take them.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (certificate, key) = deployed.home.identity("ingest");
    let link =
        ingest::Link { server: closed.to_string(), authority: deployed.home.authority(), certificate: certificate.clone(), key };
    let worker = ingest::Worker::start(ingest::WorkerOptions {
        link,
        spool: dir.path().to_owned(),
        spool_limit: pipeline::Spool::MIN_LIMIT,
        secrets: pipeline::CameraSecrets::new(&dir.path().join("secrets")),
        networks: media::Networks::default(),
        models: vision::ModelStore::from_env().unwrap(),
        vision: vision::VisionOptions::default(),
        looks: 1,
        sample_fps: 5.0,
        patience: pipeline::Patience::default(),
        max_cameras: 1,
        shutdown: Duration::from_secs(1),
    });
    let worker = worker.await.unwrap();
    let metrics = WorkerMetrics::start("127.0.0.1:0".parse().unwrap(), &certificate, worker.reader()).await.unwrap();
    let text = get(metrics.address(), "/metrics").await;
    let value = |series: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    };
    assert_eq!(value("sightline_queue_depth{queue=\"spool\"}"), 2.0);
    assert_eq!(value("sightline_spool_bytes"), bytes as f64);
    assert_eq!(value("sightline_spool_limit_bytes"), pipeline::Spool::MIN_LIMIT as f64);
    // A car is seen for a second.
    assert!((199.0..260.0).contains(&value("sightline_spool_oldest_seconds")), "{text}");
    assert!(value("sightline_certificate_ends_seconds") > 0.0);
    assert_eq!((value("sightline_spool_refused_total"), value("sightline_sightings_refused_total")), (0.0, 0.0));
    metrics.stop().await;
    worker.stop().await;
}

static RECEIVED: Mutex<Vec<Span>> = Mutex::new(Vec::new());

struct Collector;

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|r| r.scope_spans);
        RECEIVED.lock().unwrap().extend(scopes.flat_map(|s| s.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

// One thread: the subscriber is this thread's, and the server's tasks are polled on it.
#[tokio::test]
async fn a_collector_is_sent_the_spans_of_calls_and_none_of_what_was_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector)).serve_with_incoming(incoming),
    );

    let traces = Traces::new(&format!("http://{address}")).unwrap();
    let told = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
    let deployed = Deployed::with_cameras().await;
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    let request = v1::AddAgencyRequest { id: "more".into(), title: "TITLEWORD".into() };
    cameras.add_agency(request).await.unwrap();
    drop(told);
    tokio::task::spawn_blocking(move || traces.shut()).await.unwrap();
    for _ in 0..100 {
        if RECEIVED.lock().unwrap().iter().any(|s| s.name == "call") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let spans = RECEIVED.lock().unwrap().clone();
    let calls: Vec<_> = spans.iter().filter(|s| s.name == "call").collect();
    let action = |span: &Span| span.attributes.iter().any(|a| a.key == "action" && format!("{a:?}").contains("agency.add"));
    assert!(calls.iter().any(|s| action(s)), "{spans:#?}");
    assert!(spans.iter().all(|s| s.events.is_empty()), "log lines are no part of it");
    assert!(!format!("{spans:?}").contains("TITLEWORD"));
}
