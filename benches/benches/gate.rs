//! What the gate costs: one search over gRPC and mutual TLS, answered by the server as it ships (access check, two durable
//! audit entries, results looked at one by one) and by one that has no gate at all, in turn in one run.
//!
//! The one without exists here alone: it holds a single permit, which a gate with a record in memory minted before the first
//! request, and searches with it again and again. Nothing in the product can do that: a server's permits come of its own
//! gate, one a request.
//!
//! `cargo bench --workspace --bench gate` prints a table.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

mod deployed;

use std::{
    collections::BTreeSet,
    fmt, fs,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use access::{
    Budgets, Caller, Case, CasePermit, Gate, Grant, MemoryLog, Name, Policy, PublicKey, Purpose, Role, Scope, SigningKey,
    sign_grant,
};
use anyhow::{Result, ensure};
use catalogue::Catalogue;
use deployment::{Home, InitOptions};
use futures::{Stream, StreamExt, future::join_all, stream};
use index::VectorIndex;
use proto::v1::{
    self,
    search_service_client::SearchServiceClient,
    search_service_server::{SearchService, SearchServiceServer},
};
use search::{SearchQuery, Searcher};
use server::{Config, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Certificate, Channel, Identity, ServerTlsConfig},
};
use types::{AgencyId, CaseId, Class, Colour, DescriptionQuery, ReceiveTime, TimeWindow};

use deployed::{FROM, SIGHTINGS, Seen, TO, authorised_case, channel, see, spec};

/// No two in a row are of one camera.
const SEEN: Seen = Seen { side: 16, in_a_row: 1, colourless: 0 };
const ROUNDS: usize = 5;
/// Searches of a round, for each side.
const SEARCHES: usize = 200;
const AT_ONCE: [usize; 3] = [1, 4, 16];
const A_SECOND: [f64; 3] = [25.0, 50.0, 100.0];
const CONFIG: &str = "[server]\nlisten = \"127.0.0.1:0\"\n\
    [callers]\ncalls_per_second = 1000000.0\nburst = 1000000\nat_once = 1000000\n\
    [missing_person]\nqueries = 1000000\nresults = 1000000\n";

fn main() -> Result<()> {
    // Folders last longer than the runtime: an index writes as it is dropped.
    let (dir, bare_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&dir, &bare_dir))
}

async fn run(dir: &TempDir, bare_dir: &TempDir) -> Result<()> {
    let home = Home::new(dir.path().join("home"));
    deployment::init(&home, server::TEMPLATE, &InitOptions::default())?;
    let spec = spec()?;
    let (catalogue, _) = see(&home.root().join("data"), spec, SEEN).await?;
    catalogue.close().await;
    let server = Server::start(&home, Config::parse(CONFIG, &home.config())?).await?;
    let gated = channel(&home, server.address()).await?;
    authorised_case(&home, &gated, server.address()).await?;

    let (catalogue, index) = see(bare_dir.path(), spec, SEEN).await?;
    let bare = channel(&home, serve_bare(&home, catalogue, index).await?).await?;

    let durable = durable_write(dir.path())?;
    println!("{SIGHTINGS} sightings; one durable write of this disk: {durable:.2?} (median of 50)\n");
    println!("| searches | without the gate, p50 / p95 | with it, p50 / p95 | it adds, p50 / p95 |");
    println!("|---|---|---|---|");
    let at_once = AT_ONCE.map(Load::AtOnce);
    for load in at_once.into_iter().chain(A_SECOND.map(Load::ASecond)) {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        ask(&bare, load, 20).await?;
        ask(&gated, load, 20).await?;
        for _ in 0..ROUNDS {
            without.extend(ask(&bare, load, SEARCHES).await?);
            with.extend(ask(&gated, load, SEARCHES).await?);
        }
        without.sort_unstable();
        with.sort_unstable();
        let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let [a50, a95, b50, b95] = [at(&without, 0.5), at(&without, 0.95), at(&with, 0.5), at(&with, 0.95)];
        println!("| {load} | {a50:.2} / {a95:.2} ms | {b50:.2} / {b95:.2} ms | {:.2} / {:.2} ms |", b50 - a50, b95 - a95);
    }
    server.stop().await?;
    Ok(())
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// So many that each ask again as soon as they are answered.
    AtOnce(usize),
    /// Whoever comes, so many a second on average and by chance when (a Poisson process).
    ASecond(f64),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce(count) => write!(f, "{count} at once"),
            Self::ASecond(rate) => write!(f, "{rate} a second"),
        }
    }
}

/// A batch of searches; how long each took until its last message.
async fn ask(channel: &Channel, load: Load, searches: usize) -> Result<Vec<Duration>> {
    let at_once = match load {
        Load::AtOnce(at_once) => at_once,
        Load::ASecond(rate) => return arrive(channel, rate, searches).await,
    };
    let one = async || -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..searches / at_once {
            times.push(search(channel.clone()).await?);
        }
        Ok(times)
    };
    let all = join_all((0..at_once).map(|_| one())).await;
    Ok(all.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// The same moments for both sides; nobody waits for those before them.
async fn arrive(channel: &Channel, rate: f64, searches: usize) -> Result<Vec<Duration>> {
    let (mut asked, mut at, mut chance) = (Vec::new(), tokio::time::Instant::now(), 1u64);
    for _ in 0..searches {
        // Knuth's linear congruential generator, its upper half.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let even = (chance >> 32) as f64 / f64::from(u32::MAX);
        at += Duration::from_secs_f64(-(even.max(1e-9)).ln() / rate);
        tokio::time::sleep_until(at).await;
        asked.push(tokio::spawn(search(channel.clone())));
    }
    join_all(asked).await.into_iter().map(|search| search?).collect()
}

async fn search(channel: Channel) -> Result<Duration> {
    let began = Instant::now();
    let mut parts = SearchServiceClient::new(channel).search(question()).await?.into_inner();
    let mut hits = 0;
    while let Some(part) = parts.message().await? {
        hits += usize::from(matches!(part.part, Some(v1::search_response::Part::Hit(_))));
    }
    ensure!(hits == 10, "{hits} hits");
    Ok(began.elapsed())
}

fn question() -> v1::SearchRequest {
    let description = DescriptionQuery { class: Some(Class::Car), vehicle_colour: Some(Colour::Red), ..Default::default() };
    v1::SearchRequest { case_id: "k".into(), description: Some((&description).into()), limit: 10, ..Default::default() }
}

/// The median of writing and syncing a few bytes.
fn durable_write(dir: &std::path::Path) -> Result<Duration> {
    use std::io::Write;
    let mut file = fs::File::create(dir.join("probe"))?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[25])
}

/// The same search with no gate before it and no record behind it.
struct Bare {
    searcher: Searcher,
    permit: CasePermit,
}

#[tonic::async_trait]
impl SearchService for Bare {
    type SearchStream = Pin<Box<dyn Stream<Item = Result<v1::SearchResponse, Status>> + Send>>;

    async fn search(&self, request: Request<v1::SearchRequest>) -> Result<Response<Self::SearchStream>, Status> {
        let request = request.into_inner();
        let description = request.description.unwrap_or_default().try_into().map_err(|_| Status::invalid_argument("words"))?;
        let query = SearchQuery { description, limit: Some(request.limit as usize), ..SearchQuery::default() };
        let found = self.searcher.search(&self.permit, &query).await.map_err(|e| Status::internal(e.to_string()))?;
        let hits: Vec<_> = found
            .hits
            .iter()
            .map(|hit| v1::Hit { sighting: Some((&hit.sighting).into()), score: hit.score, ..Default::default() })
            .map(|hit| Ok(v1::SearchResponse { part: Some(v1::search_response::Part::Hit(hit)) }))
            .collect();
        Ok(Response::new(stream::iter(hits).boxed()))
    }

    type KeepLookingStream = Pin<Box<dyn Stream<Item = Result<v1::KeepLookingResponse, Status>> + Send>>;

    async fn keep_looking(&self, _: Request<v1::KeepLookingRequest>) -> Result<Response<Self::KeepLookingStream>, Status> {
        Err(Status::unimplemented("the bench asks for none"))
    }

    async fn get_crop(&self, _: Request<v1::GetCropRequest>) -> Result<Response<v1::GetCropResponse>, Status> {
        Err(Status::unimplemented("the bench asks for none"))
    }
}

async fn serve_bare(home: &Home, catalogue: Catalogue, index: Arc<VectorIndex>) -> Result<std::net::SocketAddr> {
    let permit = permit(&catalogue).await?;
    let service = Bare { searcher: Searcher::new(index, catalogue), permit };
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(fs::read(home.server_certificate())?, fs::read(home.server_key())?))
        .client_ca_root(Certificate::from_pem(fs::read(home.authority())?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = tonic::transport::Server::builder().tls_config(tls)?.add_service(SearchServiceServer::new(service));
    // As the server does; without, each answer would wait for the client's delayed acknowledgement.
    let incoming = TcpListenerStream::new(listener).inspect(|tcp| {
        if let Ok(tcp) = tcp {
            let _ = tcp.set_nodelay(true);
        }
    });
    tokio::spawn(router.serve_with_incoming(incoming));
    Ok(address)
}

/// One for all searches, of a gate whose record dies with this program.
async fn permit(catalogue: &Catalogue) -> Result<CasePermit> {
    let party = |name, organisation, role| {
        Ok::<_, anyhow::Error>(Caller { name: Name::new(name)?, organisation: Name::new(organisation)?, role })
    };
    let (caller, by) = (party("ida", "police", Role::Investigator)?, party("otto", "court", Role::Authoriser)?);
    let now = ReceiveTime::now();
    let grant = Grant {
        case: CaseId::new("k")?,
        purpose: Purpose::MissingPerson,
        legal_basis: "a bench".to_owned(),
        reason: "a bench".to_owned(),
        requester: caller.clone(),
        scope: Scope {
            cameras: BTreeSet::new(),
            agencies: BTreeSet::from([AgencyId::new("local")?]),
            area: None,
            window: TimeWindow::new(FROM.parse()?, TO.parse()?)?,
            classes: BTreeSet::new(),
            parts: BTreeSet::new(),
        },
        budgets: Budgets { queries: 1, results: 100 },
        opened: now,
        expires: now.plus_micros(3_600_000_000),
        emergency: None,
    };
    let mut case = Case::requested(grant);
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = sign_grant(&key, &case.grant);
    case.authorise(&Policy::default(), &by, access::Proof::Key { key: PublicKey::from(&key), signature }, now)?;
    let request = access::SearchRequest { limit: 100, ..Default::default() };
    let cameras = catalogue.pooled_cameras().await?;
    Ok(Gate::new(Policy::default(), MemoryLog::new())
        .permit(access::Searching::Once, case.id(), Some(&case), &cameras, &request, None, &caller, now)
        .await?)
}
