//! Several servers on one PostgreSQL; they, it and the workers that push are killed at random while somebody searches and
//! footage is looked at: `SIGHTLINE_KILLS=50` for the long version.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use audit_log::{FileTiles, read_key, read_note, verify_growth};
use proto::v1::{self, ingest_service_client::IngestServiceClient, search_service_client::SearchServiceClient};
use redact::{FaceFinder, FaceFinderError, FoundFace, Subject};
use tokio::sync::{Notify, mpsc};
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use types::*;

use crate::{
    cluster,
    database::Database,
    deployment::{Deployment, footage},
    index_server::IndexServer,
};

const CAMERAS: [&str; 4] = ["c0", "c1", "c2", "c3"];
const CASE: &str = "k";
/// Sightings that a worker sends before it waits for their acknowledgement.
const TOGETHER: usize = 8;
/// Logged by a server that takes over the index that several have.
const FEEDS: &str = "this server feeds the index from now on";

/// What all of the load shares.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Where the servers listen, as far as they are up.
    addresses: Mutex<Vec<String>>,
    sent: Mutex<BTreeSet<SightingId>>,
    acknowledged: Mutex<BTreeSet<SightingId>>,
    /// Begin and end of searches that were answered.
    answered: Mutex<Vec<(u64, u64)>>,
    /// By which a worker dies, and comes again with what it had not heard of.
    dies: [Notify; 2],
    /// What no client should be told, whatever is killed.
    wrong: Mutex<Vec<String>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn address(&self, n: usize) -> Option<String> {
        let addresses = self.addresses.lock().unwrap();
        (!addresses.is_empty()).then(|| addresses[n % addresses.len()].clone())
    }

    /// A server that is gone or goes is what this is about; anything else is not.
    fn told(&self, whom: &str, status: &Status) {
        use tonic::Code;
        let expected =
            [Code::Unavailable, Code::Cancelled, Code::Unknown, Code::Internal, Code::Aborted, Code::ResourceExhausted];
        if !expected.contains(&status.code()) {
            self.wrong.lock().unwrap().push(format!("{whom}: {status}"));
        }
    }
}

/// By which somebody is known to every server.
#[derive(Clone)]
struct Known {
    authority: String,
    certificate: String,
    key: String,
}

impl Known {
    fn read(pki: &Path, name: &str) -> Self {
        let read = |file: PathBuf| fs::read_to_string(file).unwrap();
        let identity = |end: &str| read(pki.join(format!("identities/{name}.{end}")));
        Self { authority: read(pki.join("ca.pem")), certificate: identity("pem"), key: identity("key") }
    }

    async fn connect(&self, address: &str) -> Option<Channel> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority))
            .domain_name("localhost")
            .identity(Identity::from_pem(&self.certificate, &self.key));
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap();
        endpoint.connect_timeout(Duration::from_secs(2)).timeout(Duration::from_secs(20)).connect().await.ok()
    }
}

struct NoFaces;

impl FaceFinder for NoFaces {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

fn crop() -> Vec<u8> {
    let raw = RawCrop::new(vec![90; 48 * 48 * 3], Size { width: 48, height: 48 }, (0, 0)).unwrap();
    let subject = Subject { class: Class::Car, bbox: Rect::new(0.0, 0.0, 48.0, 48.0), people: Vec::new() };
    redact::redact(raw, &subject, &mut NoFaces).unwrap().encode()
}

fn car(worker: &str, camera: &str, n: u64) -> Sighting {
    let camera = CameraId::new(camera).unwrap();
    let now = CaptureTime::now();
    let stamp = TimeStamp { time: now, uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
    Sighting {
        id: SightingId::derive(&camera, worker.as_bytes(), n),
        agency: AgencyId::new("local").unwrap(),
        camera,
        class: Class::Car,
        first: stamp,
        last: stamp,
        best: now,
        bbox: Rect::new(0.0, 0.0, 48.0, 48.0),
        frame: Size { width: 640, height: 480 },
        score: 0.9,
        detections: 5,
        description: Description { vehicle_colour: Some(Described::new(Colour::Red, 0.9)), ..Description::default() },
        origin: SightingOrigin::Live,
    }
}

/// Holds cameras and pushes what it saw, each sighting until it is acknowledged, on whichever server answers.
struct Worker {
    name: &'static str,
    id: String,
    cameras: [&'static str; 2],
    known: Known,
    crop: Vec<u8>,
    model: String,
    vector: Vec<f32>,
    seen: u64,
    sequence: u64,
    waiting: VecDeque<(u64, Sighting)>,
}

impl Worker {
    async fn run(mut self, shared: Arc<Shared>) {
        let mut turn = 0;
        while !shared.stopped() {
            turn += 1;
            if let Some(address) = shared.address(turn)
                && let Some(channel) = self.known.connect(&address).await
            {
                let dies = &shared.dies[usize::from(self.name == "w2")];
                let pushed = tokio::select! {
                    pushed = self.push_to(channel, &shared) => pushed,
                    () = dies.notified() => Ok(()),
                };
                if let Err(status) = pushed {
                    shared.told(self.name, &status);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Until the server is gone.
    async fn push_to(&mut self, channel: Channel, shared: &Shared) -> Result<(), Status> {
        let mut client = IngestServiceClient::new(channel);
        let (holding, requests) = mpsc::channel(1);
        let mut held = client.lease_cameras(stream(requests)).await?.into_inner();
        let (pushing, requests) = mpsc::channel(TOGETHER);
        let mut answers = client.push(stream(requests)).await?.into_inner();
        while !shared.stopped() {
            let hold = v1::LeaseCamerasRequest {
                worker_id: self.id.clone(),
                camera_ids: self.cameras.map(str::to_owned).into(),
                max_cameras: 10,
                ..Default::default()
            };
            if holding.send(hold).await.is_err() {
                return Ok(());
            }
            let Some(leases) = held.message().await? else { return Ok(()) };
            let epochs: BTreeMap<_, _> = leases.leases.into_iter().map(|l| (l.camera_id, l.epoch)).collect();
            while self.waiting.len() < TOGETHER {
                let camera = self.cameras[self.seen as usize % 2];
                let Some(epoch) = epochs.get(camera) else { break };
                self.seen += 1;
                let car = car(self.name, camera, self.seen);
                shared.sent.lock().unwrap().insert(car.id);
                self.waiting.push_back((*epoch, car));
            }
            let first = self.sequence + 1;
            for (epoch, car) in &self.waiting {
                self.sequence += 1;
                let message = v1::PushRequest {
                    sequence: self.sequence,
                    worker_id: self.id.clone(),
                    epoch: *epoch,
                    sighting: Some(car.into()),
                    crop: self.crop.clone(),
                    model_sha256: self.model.clone(),
                    appearance: self.vector.clone(),
                };
                if pushing.send(message).await.is_err() {
                    return Ok(());
                }
            }
            let mut told = first - 1;
            while told < self.sequence {
                let Some(answer) = answers.message().await? else { return Ok(()) };
                for refused in answer.refused {
                    // The camera was another's while no server could be told: answered, and not lost.
                    if refused.reason != "stale_lease" {
                        shared.wrong.lock().unwrap().push(format!("{}: {refused:?}", self.name));
                    }
                    shared.sent.lock().unwrap().remove(&self.waiting[(refused.sequence - first) as usize].1.id);
                }
                told = answer.acknowledged;
            }
            let sent = shared.sent.lock().unwrap();
            shared
                .acknowledged
                .lock()
                .unwrap()
                .extend(self.waiting.drain(..).map(|(_, car)| car.id).filter(|id| sent.contains(id)));
        }
        Ok(())
    }
}

fn stream<T: Send + 'static>(mut from: mpsc::Receiver<T>) -> impl futures::Stream<Item = T> + Send + 'static {
    futures::stream::poll_fn(move |cx| from.poll_recv(cx))
}

async fn search(known: Known, shared: Arc<Shared>) {
    let mut turn = 0;
    while !shared.stopped() {
        turn += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Some(address) = shared.address(turn) else { continue };
        let Some(channel) = known.connect(&address).await else { continue };
        match search_once(channel).await {
            Ok(Some(ends)) => shared.answered.lock().unwrap().push(ends),
            Ok(None) => {}
            Err(status) => shared.told("search", &status),
        }
    }
}

async fn search_once(channel: Channel) -> Result<Option<(u64, u64)>, Status> {
    // By a word: of a class alone there are soon more than a search may name.
    let red = DescriptionQuery { class: Some(Class::Car), vehicle_colour: Some(Colour::Red), ..Default::default() };
    let request = v1::SearchRequest { case_id: CASE.into(), description: Some((&red).into()), limit: 3, ..Default::default() };
    let mut parts = SearchServiceClient::new(channel).search(request).await?.into_inner();
    let mut ends = None;
    while let Some(part) = parts.message().await? {
        if let Some(v1::search_response::Part::Summary(s)) = part.part {
            ends = Some((s.audit_seq, s.completed_audit_seq));
        }
    }
    Ok(ends)
}

/// Numbers that look random; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Either server, either worker, or the database.
fn kill_while_under_load(
    servers: &mut [Deployment; 2],
    (database, url): (&mut Database, &str),
    shared: &Shared,
    kills: u32,
    dice: &mut Dice,
    checkpoints: &mut BTreeSet<String>,
) {
    let up = |servers: &[Deployment; 2]| {
        *shared.addresses.lock().unwrap() = servers.iter().filter(|s| s.is_up()).map(|s| s.address().to_owned()).collect();
    };
    up(servers);
    let mut killed = [0; 5];
    for _ in 0..kills {
        let until = dice.below(1_500) + 300;
        for _ in 0..until / 100 {
            std::thread::sleep(Duration::from_millis(100));
            for server in servers.iter_mut() {
                server.must_run();
                checkpoints.extend(fs::read_to_string(server.home().join("log/checkpoint")).ok());
            }
        }
        let which = dice.below(5) as usize;
        killed[which] += 1;
        let pause = Duration::from_millis(dice.below(1_500));
        match which {
            0 | 1 => {
                servers[which].kill();
                up(servers);
                std::thread::sleep(pause);
                servers[1 - which].must_run();
                servers[which].serve();
                up(servers);
            }
            2 | 3 => shared.dies[which - 2].notify_one(),
            _ => {
                database.kill();
                std::thread::sleep(pause);
                database.again();
                database.wait(url);
            }
        }
    }
    eprintln!(
        "killed: servers {} and {}, workers {} and {}, the database {}",
        killed[0], killed[1], killed[2], killed[3], killed[4]
    );
    std::thread::sleep(Duration::from_secs(2));
    servers.iter_mut().for_each(Deployment::must_run);
}

/// Two servers of one deployment, an agency with cameras of which the owner is there too, a case over all of it, and a worker
/// for each half of the cameras. Each server has an index of its own, or all have the one that is given.
fn two_servers(database: &str, index: Option<&IndexServer>) -> ([Deployment; 2], [Worker; 2]) {
    let first = Deployment::new();
    let index = index.map(IndexServer::configuration).unwrap_or_default();
    first.configure(&format!(
        "{index}[database]\nurl = \"{database}\"\n[crops]\nurl = \"file://{}\"\n[callers]\ncalls_per_second = 100000.0\nburst = 100000\n
         [missing_person]\nqueries = 1000000\nresults = 1000000\n[jobs]\nworkers = 1\n",
        first.path("crops").display()
    ));
    let known = ["w1", "w2"].map(|name| {
        let out = first.path(name);
        first.json(&["identity", "add", name, "--role", "ingest", "--agency", "local", "--out", out.to_str().unwrap()]);
        Known::read(&out.join("pki"), name)
    });
    let second = first.beside();
    let mut servers = [first, second];
    servers.iter_mut().for_each(Deployment::serve);
    servers[0].json(&["agency", "add", "local", "--title", "Local"]);
    for camera in CAMERAS {
        servers[1].json(&["camera", "add", camera, "--agency", "local"]);
    }
    let at = |minutes| (chrono::Utc::now() + chrono::Duration::minutes(minutes)).to_rfc3339();
    servers[0].open_case(CASE, &["--agency", "local", "--class", "car", "--from", &at(-60), "--to", &at(600)]);
    servers[1].authorise(CASE);
    let embedder = vision::Embedder::load(&vision::ModelStore::from_env().unwrap(), None, None).unwrap();
    let mut vector = vec![0.0; embedder.len()];
    vector[0] = 1.0;
    let mut number = 0;
    let workers = known.map(|known| {
        number += 1;
        Worker {
            name: ["w1", "w2"][number - 1],
            id: format!("01890a5d-ac96-774b-bcce-b302099a805{number}"),
            cameras: [["c0", "c1"], ["c2", "c3"]][number - 1],
            known,
            crop: crop(),
            model: embedder.digest().to_string(),
            vector: vector.clone(),
            seen: 0,
            sequence: 0,
            waiting: VecDeque::new(),
        }
    });
    (servers, workers)
}

fn database(name: &str) -> Option<String> {
    let database = cluster::database(&format!("{name}_{}", std::process::id()));
    if database.is_none() {
        eprintln!("SKIPPED: several servers: PostgreSQL is not installed (apt-get install postgresql)");
    }
    database
}

#[test]
fn what_one_server_is_told_the_others_know() {
    told("told", None);
}

#[test]
fn what_one_server_is_told_the_others_know_by_the_index_that_all_of_them_have() {
    let index = IndexServer::start();
    told("told_shared", Some(&index));
    assert_eq!(index.collections().len(), 2, "one, and its notes");
}

fn told(name: &str, index: Option<&IndexServer>) {
    let Some(database) = database(name) else { return };
    let (mut servers, [worker, _]) = two_servers(&database, index);
    // Pushed to the first alone.
    let shared = push(worker, &servers[..1], 16, || {});
    let pushed: BTreeSet<String> = shared.sent.lock().unwrap().iter().map(ToString::to_string).collect();
    let found = |server: &Deployment| -> BTreeMap<String, String> {
        let answer = server.json(&["search", "--case", CASE, "--class", "car", "--limit", "1000"]);
        let hits = answer["hits"].as_array().unwrap();
        hits.iter().map(|h| (h["sighting"].as_str().unwrap().to_owned(), h["camera"].as_str().unwrap().to_owned())).collect()
    };
    // Found on the other.
    servers[1].wait_for("the other's index", || found(&servers[1]).into_keys().collect::<BTreeSet<_>>() == pushed);

    // A pause holds with the next search anywhere, and so does its end.
    servers[0].json(&["camera", "pause", "c0"]);
    assert!(found(&servers[1]).values().all(|camera| camera == "c1"));
    servers[1].json(&["camera", "resume", "c0"]);
    assert_eq!(found(&servers[0]).len(), pushed.len());

    // What one deletes is in no index, and the record says so once that is so.
    servers[1].json(&["camera", "policy", "c0", "--retention", "1s"]);
    std::thread::sleep(Duration::from_secs(2));
    servers[0].wait_for("the deletion", || {
        servers[0].json(&["retention", "run"]);
        servers[1].json(&["retention", "list"])["deletions"].as_array().unwrap().iter().any(|d| !d["finished"].is_null())
    });
    for server in &servers {
        assert!(found(server).values().all(|camera| camera == "c1"));
        assert_clean(server);
        server.json(&["log", "verify"]);
    }

    // Who is out is out everywhere.
    servers[0].json(&["identity", "revoke", "investigator"]);
    servers[1].wait_for("the revocation", || {
        !servers[1].command(&["search", "--case", CASE, "--class", "car"]).output().unwrap().status.success()
    });
    assert_eq!(servers[1].refused(&["search", "--case", CASE, "--class", "car"])["reason"], "identity_revoked");
    servers.iter_mut().for_each(Deployment::terminate);
    cluster::drop_database(&database);
}

#[test]
fn servers_killed_at_random_lose_nothing_acknowledged_and_the_log_does_not_fork() {
    killed(None);
}

#[test]
fn servers_with_one_index_killed_at_random_lose_nothing_acknowledged() {
    killed(Some(&IndexServer::start()));
}

/// Nothing of the footage is wrong, so the job must not end as failed.
#[test]
fn footage_is_looked_at_to_its_end_although_the_database_was_away_meanwhile() {
    let Some(mut own) = Database::start(&["-A", "trust"], |_| Vec::new()) else {
        eprintln!("SKIPPED: several servers: PostgreSQL is not installed (apt-get install postgresql)");
        return;
    };
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let database = format!("postgres://sightline@127.0.0.1:{}/postgres", own.port);
    own.wait(&database);
    let (mut servers, _) = two_servers(&database, None);
    let clip = clip.canonicalize().unwrap();
    servers[0].json(&["archive", "add", clip.to_str().unwrap(), "--camera", "c3", "--start", "2026-03-01T09:30:00Z"]);
    let state = || servers[0].json(&["archive", "list"])["jobs"][0]["state"].clone();
    servers[0].wait_for("a worker", || state() != "queued");
    // Away for longer than a call waits for it, and for so short a time that only what was under way is refused.
    for away in [3000, 0, 0, 0, 0, 0, 0].map(Duration::from_millis) {
        own.kill();
        std::thread::sleep(away);
        own.again();
        own.wait(&database);
    }
    servers[0].wait_for("the footage's end", || {
        let state = state();
        assert_ne!(state, "failed", "{}", servers[0].json(&["archive", "list"]));
        state == "done"
    });
    servers.iter_mut().for_each(Deployment::terminate);
}

/// The one that feeds the index hangs, as with a disk that does not answer, until another has taken over and what it was about to
/// put is deleted; then it goes on.
#[test]
fn a_server_that_hung_does_not_bring_back_what_was_deleted_meanwhile() {
    let index = IndexServer::start();
    let Some(database) = database("hung") else { return };
    let (mut servers, [worker, _]) = two_servers(&database, Some(&index));
    let shared = Arc::new(Shared::default());
    // What is pushed comes to the one that does not hang.
    let feeds = |server: &Deployment| server.log().matches(FEEDS).count();
    servers[0].wait_for("somebody to feed the index", || feeds(&servers[0]) + feeds(&servers[1]) == 1);
    let hangs = usize::from(feeds(&servers[1]) == 1);
    shared.addresses.lock().unwrap().push(servers[1 - hangs].address().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let load = runtime.spawn(worker.run(shared.clone()));
    servers[0].wait_for("sightings", || shared.acknowledged.lock().unwrap().len() >= 64);
    let signal = |name: &str| {
        let process = servers[hangs].process().to_string();
        assert!(std::process::Command::new("kill").args([name, &process]).status().unwrap().success());
    };
    signal("-STOP");
    let other = &servers[1 - hangs];
    other.wait_for("the other to take over", || feeds(other) == 1);
    let many = shared.acknowledged.lock().unwrap().len();
    other.wait_for("sightings", || shared.acknowledged.lock().unwrap().len() >= many + 64);
    // All of one camera's.
    other.json(&["camera", "policy", "c0", "--retention", "1s"]);
    std::thread::sleep(Duration::from_secs(2));
    shared.stop.store(true, Ordering::Relaxed);
    runtime.block_on(load).unwrap();
    other.wait_for("the deletion", || {
        other.json(&["retention", "run"]);
        other.json(&["retention", "list"])["deletions"].as_array().unwrap().iter().any(|d| !d["finished"].is_null())
    });
    signal("-CONT");
    // It has heard of the turn's end, and of what there is.
    std::thread::sleep(Duration::from_secs(3));
    servers.iter().for_each(assert_clean);
    let hits =
        |server: &Deployment| server.json(&["search", "--case", CASE, "--class", "car", "--limit", "1000"])["hits"].clone();
    assert_eq!(hits(&servers[0]), hits(&servers[1]));
    assert_ne!(hits(&servers[0]).as_array().unwrap().len(), 0);
    // A repair is the business of whoever is asked.
    let rebuilt = servers[hangs].json(&["index", "rebuild"]);
    assert_eq!(rebuilt["vectors"], servers[hangs].json(&["check"])["sightings"], "{rebuilt}");
    assert_eq!(hits(&servers[0]), hits(&servers[1]));
    servers.iter_mut().for_each(Deployment::terminate);
    cluster::drop_database(&database);
}

/// Pushes until so many more are acknowledged, on whichever of these answers.
fn push(worker: Worker, servers: &[Deployment], many: usize, meanwhile: impl FnOnce()) -> Arc<Shared> {
    let shared = Arc::new(Shared::default());
    shared.addresses.lock().unwrap().extend(servers.iter().map(|s| s.address().to_owned()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let load = runtime.spawn(worker.run(shared.clone()));
    meanwhile();
    servers[0].wait_for("sightings", || shared.acknowledged.lock().unwrap().len() >= many);
    shared.stop.store(true, Ordering::Relaxed);
    runtime.block_on(load).unwrap();
    assert_eq!(*shared.wrong.lock().unwrap(), Vec::<String>::new());
    shared
}

/// Catalogue, crops and index agree.
fn assert_clean(server: &Deployment) {
    let check = server.json(&["check"]);
    assert_eq!((&check["clean"], &check["vectors"]), (&true.into(), &check["sightings"]), "{check}");
}

#[test]
fn another_model_takes_over_on_every_server_that_has_the_index() {
    let index = IndexServer::start();
    let Some(database) = database("models") else { return };
    let (mut servers, [first, second]) = two_servers(&database, Some(&index));
    push(first, &servers, 48, || {});
    // A learned step that only one of them has been given.
    let learned = servers[1].path("other.projection");
    let mut bytes = vision::Projection::embedded().unwrap().write();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x80;
    fs::write(&learned, bytes).unwrap();
    let status = |n: usize| servers[n].json(&["reindex", "status"]);
    let before = status(0)["current_sha256"].clone();
    servers[1].json(&["reindex", "start", "--appearance", learned.to_str().unwrap()]);
    servers[0].wait_for("the other model's vectors", || status(0)["state"] == "ready");
    assert_eq!(index.collections().len(), 3, "two models beside each other");

    // Switched by the one that was not asked to start, while sightings come to both.
    push(second, &servers, 48, || drop(servers[0].json(&["reindex", "switch"])));
    servers[0].wait_for("the other server's switch", || {
        [0, 1].iter().all(|n| status(*n)["state"] == "switched" && status(*n)["left"] == 0)
    });
    assert_eq!(status(0)["current_sha256"], status(1)["current_sha256"]);
    assert_ne!(status(0)["current_sha256"], before);
    let found = |server: &Deployment, words: &[&str]| {
        let ask = [&["search", "--case", CASE, "--class", "car", "--limit", "1000"], words].concat();
        server.json(&ask)["hits"].as_array().unwrap().clone()
    };
    let check = |servers: &[Deployment; 2]| {
        servers.iter().for_each(assert_clean);
        let hits = found(&servers[0], &[]);
        assert!(hits.len() >= 96, "{}", hits.len());
        assert_eq!(hits, found(&servers[1], &[]));
        let like = ["--like", hits[0]["sighting"].as_str().unwrap()];
        let alike = found(&servers[0], &like);
        assert!(!alike.is_empty());
        assert_eq!(alike, found(&servers[1], &like));
    };
    check(&servers);

    servers[1].json(&["reindex", "drop"]);
    servers[0].wait_for("the other server's drop", || [0, 1].iter().all(|n| status(*n)["state"] == "none"));
    assert_eq!(index.collections().len(), 2, "one, and its notes");
    check(&servers);
    // One that has the file of the learned step gives it to those that have not.
    cluster::ask(&database, "DELETE FROM learned").unwrap();
    servers.iter_mut().for_each(Deployment::terminate);
    fs::remove_dir_all(servers[0].home().join("data/appearance")).unwrap();
    servers[1].serve();
    servers[0].serve();
    check(&servers);
    servers.iter_mut().for_each(Deployment::terminate);
    cluster::drop_database(&database);
}

fn killed(index: Option<&IndexServer>) {
    let Some(mut own) = Database::start(&["-A", "trust"], |_| Vec::new()) else {
        eprintln!("SKIPPED: several servers: PostgreSQL is not installed (apt-get install postgresql)");
        return;
    };
    let database = format!("postgres://sightline@127.0.0.1:{}/postgres", own.port);
    own.wait(&database);
    let kills = std::env::var("SIGHTLINE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let seed = std::env::var("SIGHTLINE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("{kills} kills, SIGHTLINE_SEED={seed}");

    let (mut servers, workers) = two_servers(&database, index);
    let clip = footage("pose2sim_4cam/MultiPerson/cam01.mp4");
    if let Some(clip) = &clip {
        let clip = clip.canonicalize().unwrap();
        servers[0].json(&["archive", "add", clip.to_str().unwrap(), "--camera", "c3", "--start", "2026-03-01T09:30:00Z"]);
    }
    let shared = Arc::new(Shared::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut load: Vec<_> = workers.into_iter().map(|worker| runtime.spawn(worker.run(shared.clone()))).collect();
    load.push(runtime.spawn(search(Known::read(&servers[0].home().join("pki"), "investigator"), shared.clone())));

    let mut checkpoints = BTreeSet::new();
    kill_while_under_load(&mut servers, (&mut own, &database), &shared, kills, &mut Dice(seed), &mut checkpoints);
    shared.stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for task in load {
            task.await.unwrap();
        }
    });
    assert_eq!(*shared.wrong.lock().unwrap(), Vec::<String>::new());
    if clip.is_some() {
        servers[0].wait_for("the footage's end", || servers[0].json(&["archive", "list"])["jobs"][0]["state"] == "done");
    }

    // Nothing that was acknowledged is lost, nothing is there twice or was never sent.
    let stored = cluster::ask(&database, "SELECT encode(id, 'hex') FROM sighting WHERE footage IS NULL").unwrap();
    let rows: Vec<&str> = stored.lines().collect();
    let stored: BTreeSet<String> = rows.iter().map(|id| (*id).to_owned()).collect();
    let hex = |ids: &Mutex<BTreeSet<SightingId>>| {
        ids.lock().unwrap().iter().map(|id| hex::encode(id.0.as_bytes())).collect::<BTreeSet<_>>()
    };
    let (acknowledged, sent) = (hex(&shared.acknowledged), hex(&shared.sent));
    eprintln!("{} sightings acknowledged, {} searches answered", acknowledged.len(), shared.answered.lock().unwrap().len());
    assert_eq!(rows.len(), stored.len(), "a sighting is there twice");
    assert_eq!(acknowledged.difference(&stored).collect::<Vec<_>>(), Vec::<&String>::new(), "acknowledged and lost");
    assert_eq!(stored.difference(&sent).collect::<Vec<_>>(), Vec::<&String>::new(), "never sent");
    assert!(!acknowledged.is_empty());

    // No permit without an entry, and no gap.
    let searches = cluster::ask(&database, "SELECT seq FROM audit WHERE action = 'search' ORDER BY seq").unwrap();
    let searches: BTreeSet<u64> = searches.lines().map(|seq| seq.parse().unwrap()).collect();
    for (begun, ended) in shared.answered.lock().unwrap().iter() {
        assert!(searches.contains(begun) && searches.contains(ended), "a search of {begun} to {ended} is not on the record");
    }
    assert_eq!(cluster::ask(&database, "SELECT count(*) = max(seq) FROM audit").unwrap(), "t");

    // Each server's own copies are whole, and every checkpoint that anybody could have seen is the beginning of both logs.
    for server in &servers {
        // The crops that a killed server had no row for yet are swept in the background.
        server.wait_for("a clean check", || server.command(&["check"]).output().unwrap().status.success());
        server.json(&["log", "verify"]);
        let log = server.home().join("log");
        let key = read_key(&server.home().join("pki/log.pub")).unwrap();
        let trust = access::log::Trust::of(key);
        let now = read_note(&log.join("checkpoint")).unwrap().unwrap();
        checkpoints.insert(now.to_string());
        for seen in &checkpoints {
            let seen = seen.parse().unwrap();
            let size = trust.check(&seen).unwrap().head.size;
            if size <= trust.check(&now).unwrap().head.size {
                verify_growth(&FileTiles::new(&log), &trust, &seen, &now).unwrap_or_else(|e| panic!("a fork at {size}: {e}"));
            }
        }
    }
    servers.iter_mut().for_each(Deployment::terminate);
}
