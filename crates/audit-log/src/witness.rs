//! A witness: signs that a log only ever grew, C2SP `tlog-witness`. It remembers one checkpoint a log, and nothing else.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use access::log::{Hash, Introductions, KeyKind, LogError, Note, NoteKey, NoteSigner, TreeHead, Trust, cosign};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use types::Chain;

use crate::{fault::LogFault, folder::read_note};

/// A checkpoint and a proof of 63 hashes.
const MAX_REQUEST: usize = 64 << 10;
/// Calls at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// Who signs, for which logs, and where what was signed last is kept.
#[derive(Debug)]
pub struct Witness {
    signer: NoteSigner,
    logs: BTreeMap<String, NoteKey>,
    folder: PathBuf,
    /// One at a time: a checkpoint is signed only after the one before is on disk.
    alone: Mutex<()>,
}

type Refused = (StatusCode, String);

impl Witness {
    /// `folder` keeps the last checkpoint of each log; losing it means vouching for nothing that was before.
    ///
    /// # Errors
    /// [`LogFault::Kinds`] where a key is of the wrong kind, or there is no log.
    pub fn new(signer: NoteSigner, logs: Vec<NoteKey>, folder: PathBuf) -> Result<Self, LogFault> {
        let kinds = signer.key().kind() == KeyKind::Witness && logs.iter().all(|l| l.kind() == KeyKind::Log);
        if !kinds || logs.is_empty() {
            return Err(LogFault::Kinds);
        }
        let logs = logs.into_iter().map(|key| (key.name().to_owned(), key)).collect();
        Ok(Self { signer, logs, folder, alone: Mutex::new(()) })
    }

    /// The public key that it signs with.
    pub fn key(&self) -> &NoteKey {
        self.signer.key()
    }

    fn file(&self, log: &NoteKey) -> PathBuf {
        self.folder.join(hex::encode(Sha256::digest(log.to_string())))
    }

    /// What it has signed last, and what it knows since then of the keys that the log has had.
    fn last(&self, log: &NoteKey) -> Result<(TreeHead, Introductions), LogFault> {
        let Some(note) = read_note(&self.file(log))? else { return Ok((TreeHead::EMPTY, Introductions::NONE)) };
        let checked = Trust::of(log.clone()).check(&note)?;
        Ok((checked.head, checked.keys))
    }

    /// Answers `add-checkpoint`: the cosignature, or a status and what is wrong. `time` in seconds of POSIX.
    ///
    /// # Errors
    /// A status of HTTP and what is wrong; nothing is signed then.
    pub fn add_checkpoint(&self, request: &str, time: u64) -> Result<String, (StatusCode, String)> {
        let bad = |what: &str| (StatusCode::BAD_REQUEST, what.to_owned());
        let (head, note) = request.split_once("\n\n").ok_or_else(|| bad("there is no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|l| l.strip_prefix("old ")).and_then(|n| n.parse::<u64>().ok());
        let old = old.ok_or_else(|| bad("the first line is not \"old SIZE\""))?;
        let proof = lines.map(hash).collect::<Option<Vec<_>>>().ok_or_else(|| bad("the proof is not made of hashes"))?;
        if proof.len() > 63 {
            return Err(bad("the proof is too long"));
        }
        let note: Note = note.parse().map_err(|e: access::log::NoteError| bad(&e.to_string()))?;
        let origin = note.text().lines().next().unwrap_or_default();
        let log = self.logs.get(origin).ok_or_else(|| (StatusCode::NOT_FOUND, "this log is not known here".to_owned()))?;

        let _alone = self.alone.lock();
        let ours = |fault: LogFault| {
            tracing::error!(error = %Chain(&fault), "checkpoint not signed");
            (StatusCode::INTERNAL_SERVER_ERROR, "the witness can't keep its state".to_owned())
        };
        let (last, known) = self.last(log).map_err(ours)?;
        let checked = Trust::knowing(log.clone(), known).check(&note).map_err(|e| refused(&e))?;
        let head = checked.head;
        if old > head.size {
            return Err(bad("the old size is larger than the checkpoint"));
        }
        if old != last.size || (head.size == last.size && head != last) {
            return Err((StatusCode::CONFLICT, format!("{}\n", last.size)));
        }
        let cosigned = cosign(&self.signer, &checked.signed_by, &last, &note, &proof, time).map_err(|e| refused(&e))?;
        let file = self.file(log);
        durable::write(&file, note.to_string().as_bytes())
            .map_err(|source| ours(LogFault::Io { action: "write", path: file, source }))?;
        let signature = cosigned.signature;
        let bytes = [signature.id.as_slice(), &signature.bytes].concat();
        Ok(format!("\u{2014} {} {}\n", signature.name, BASE64_STANDARD.encode(bytes)))
    }

    /// Answers HTTP until told to stop.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = async { (slots.clone().acquire_owned().await, listener.accept().await) };
            let (slot, accepted) = tokio::select! { () = stop.cancelled() => return, accepted = accepted => accepted };
            let (tcp, from): (_, SocketAddr) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (witness, stop) = (Arc::clone(&self), stop.clone());
            tasks::spawn("a witness's connection", async move {
                let _slot = slot;
                let service = service_fn(move |request| Arc::clone(&witness).answer(request));
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
                let served = http.serve_connection(TokioIo::new(tcp), service);
                tokio::select! {
                    () = stop.cancelled() => {}
                    served = tokio::time::timeout(PATIENCE * 2, served) => match served {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::info!(%from, %error, "connection ended"),
                        Err(_) => tracing::info!(%from, "connection cut: it took too long"),
                    }
                }
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let answer = match read(request).await {
            // Writes to disk.
            Ok(text) => tokio::task::spawn_blocking(move || self.add_checkpoint(&text, now()))
                .await
                .unwrap_or_else(|_| Err((StatusCode::INTERNAL_SERVER_ERROR, "the witness failed".to_owned()))),
            Err(refused) => Err(refused),
        };
        let (status, kind, body) = match answer {
            Ok(signature) => (StatusCode::OK, "text/plain; charset=utf-8", signature),
            Err((status @ StatusCode::CONFLICT, size)) => (status, "text/x.tlog.size", size),
            Err((status, what)) => (status, "text/plain; charset=utf-8", format!("{what}\n")),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        Ok(response)
    }
}

async fn read(request: Request<Incoming>) -> Result<String, Refused> {
    if !request.uri().path().ends_with("/add-checkpoint") {
        return Err((StatusCode::NOT_FOUND, "a witness answers add-checkpoint alone".to_owned()));
    }
    if request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "send it with POST".to_owned()));
    }
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect().await;
    let body = body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "that is too long".to_owned()))?.to_bytes();
    String::from_utf8(body.to_vec()).map_err(|_| (StatusCode::BAD_REQUEST, "that is not text".to_owned()))
}

fn refused(error: &LogError) -> Refused {
    let status = match error {
        LogError::NotTheLog(_) | LogError::OutOfTime(_) | LogError::Introduction(_) => StatusCode::FORBIDDEN,
        LogError::Proof => StatusCode::UNPROCESSABLE_ENTITY,
        LogError::Note(access::log::NoteError::Signature(_)) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, error.to_string())
}

fn hash(line: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(line).ok()?.try_into().ok().map(Hash)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
