//! A Qdrant server as far as the index uses one, in this process and in memory: one node in cluster mode, with faults on
//! demand. It answers as version 1.18 does, errors included; what it was not taught it refuses. The server's tests use it too.
#![allow(dead_code, reason = "each of the two uses another part")]

#[path = "fake/calls.rs"]
mod calls;
#[path = "fake/stored.rs"]
mod stored;

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use qdrant_client::qdrant::{collections_server::CollectionsServer, points_server::PointsServer};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

use stored::Stored;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done.
    Refused(Code),
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// Nothing is done and nothing answered.
    Silence,
}

#[derive(Debug, Default)]
struct Inner {
    key: Option<String>,
    alone: bool,
    stored: Stored,
    /// By name of the call, the next ones first.
    faults: VecDeque<(&'static str, Fault)>,
    /// Every call that came, with what it was about.
    log: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Service(Arc<Mutex<Inner>>);

/// Answers until it is stopped or dropped; keeps what it holds over a stop.
#[derive(Debug)]
pub(crate) struct Fake {
    service: Service,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let mut fake = Self { service: Service::default(), address: ([127, 0, 0, 1], 0).into(), runtime: None };
        fake.start_again();
        fake
    }

    /// Asks for a key.
    pub(crate) fn with_key(key: &str) -> Self {
        let fake = Self::start();
        fake.inner().key = Some(key.to_owned());
        fake
    }

    /// Not in cluster mode.
    pub(crate) fn alone() -> Self {
        let fake = Self::start();
        fake.inner().alone = true;
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every connection is cut.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// At the same address.
    pub(crate) fn start_again(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = (0..100).find_map(|_| {
            let bound = TcpListener::bind(self.address);
            // The port may be held for a moment by what was cut.
            bound.map_err(|_| std::thread::sleep(std::time::Duration::from_millis(50))).ok()
        });
        let listener = listener.expect("the port is free again");
        self.address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let service = self.service.clone();
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
            tonic::transport::Server::builder()
                .add_service(CollectionsServer::new(service.clone()))
                .add_service(PointsServer::new(service).max_decoding_message_size(usize::MAX))
                .serve_with_incoming(incoming)
                .await
        });
        self.runtime = Some(runtime);
    }

    /// The next `times` calls of this name go wrong.
    pub(crate) fn fail(&self, call: &'static str, times: usize, fault: Fault) {
        self.inner().faults.extend(std::iter::repeat_n((call, fault), times));
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.inner().faults.len()
    }

    pub(crate) fn heal(&self) {
        self.inner().faults.clear();
    }

    /// Every call that came so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// How many calls of this name came.
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.inner().log.iter().filter(|line| line.split(' ').next() == Some(name)).count()
    }

    /// Writes that came to a shard before it took any.
    pub(crate) fn early_writes(&self) -> usize {
        self.inner().stored.early_writes
    }

    /// Names of the collections, and what the aliases stand for.
    pub(crate) fn names(&self) -> (Vec<String>, Vec<(String, String)>) {
        let inner = self.inner();
        let aliases = inner.stored.aliases.iter().map(|(a, c)| (a.clone(), c.clone())).collect();
        (inner.stored.collections.keys().cloned().collect(), aliases)
    }

    /// Keys of the shards of what an alias stands for.
    pub(crate) fn shards(&self, alias: &str) -> Vec<String> {
        let inner = self.inner();
        inner.stored.collection(alias).map(|c| c.shards.keys().cloned().collect()).unwrap_or_default()
    }

    /// How a collection was asked for.
    pub(crate) fn made(&self, name: &str) -> qdrant_client::qdrant::CreateCollection {
        self.inner().stored.collection(name).unwrap().made.clone()
    }

    /// So many of the other machines that have each shard are dead.
    pub(crate) fn others_die(&self, dead: u32) {
        self.inner().stored.dead = dead;
    }

    /// Somebody deletes a collection by hand.
    pub(crate) fn lose(&self, collection: &str) {
        self.inner().stored.drop_collection(collection);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.service.inner()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Service {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: who asks is checked, faults have their turn, and only then it is done.
    async fn answer<Q, A>(
        &self,
        name: &'static str,
        request: Request<Q>,
        about: impl FnOnce(&Q) -> String,
        work: impl FnOnce(&mut Stored, Q) -> Result<A, Status>,
    ) -> Result<Response<A>, Status> {
        let shown = request.metadata().get("api-key").and_then(|k| k.to_str().ok()).map(str::to_owned);
        let request = request.into_inner();
        let fault = {
            let mut inner = self.inner();
            inner.log.push(format!("{name} {}", about(&request)));
            if inner.key.is_some() && inner.key != shown {
                return Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token"));
            }
            let next = inner.faults.iter().position(|(of, _)| *of == name);
            next.and_then(|i| inner.faults.remove(i)).map(|(_, fault)| fault)
        };
        match fault {
            Some(Fault::Silence) => std::future::pending::<()>().await,
            Some(Fault::Refused(code)) => return Err(Status::new(code, "a fault on demand")),
            Some(Fault::AnswerLost) | None => {}
        }
        let done = {
            let mut inner = self.inner();
            if inner.alone && name.ends_with("_shard_key") {
                return Err(Status::invalid_argument("Bad request: Distributed mode disabled"));
            }
            work(&mut inner.stored, request)
        };
        if fault == Some(Fault::AnswerLost) {
            return Err(Status::unavailable("the answer got lost"));
        }
        done.map(Response::new)
    }
}
