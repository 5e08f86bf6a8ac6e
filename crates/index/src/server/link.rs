use std::{fmt, future::Future, sync::Arc, sync::mpsc, time::Duration};

use qdrant_client::{Qdrant, QdrantError};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep_until, timeout_at},
};

use super::{circuit::Circuit, settings::ServerSettings};
use crate::IndexError;

/// How often a call is made that may be made again.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The way to a Qdrant server: every call has a deadline, is made again only where that changes nothing, and is refused at
/// once while the server is known to be away. Connects with the first call.
pub(crate) struct Link {
    asker: Arc<Asker>,
    /// `None` only while it is dropped. Its own, so that calls can be made from any thread.
    runtime: Option<Runtime>,
}

struct Asker {
    client: Qdrant,
    settings: ServerSettings,
    circuit: Circuit,
}

/// Whether a call may be made a second time when nobody knows what became of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Reading, and putting or deleting points by their ids.
    Idempotent,
    /// What makes and deletes shards and collections.
    Never,
}

/// Why a call failed.
pub(crate) struct CallError {
    pub(crate) kind: Kind,
    pub(crate) error: IndexError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was named is not there: the server says so in two ways.
    Missing,
    Exists,
    Other,
}

impl From<CallError> for IndexError {
    fn from(error: CallError) -> Self {
        error.error
    }
}

impl From<IndexError> for CallError {
    fn from(error: IndexError) -> Self {
        Self { kind: Kind::Other, error }
    }
}

/// What an error of the client means for whoever goes on.
#[derive(Clone, Copy)]
enum ErrorClass {
    /// It may pass.
    Passing,
    Denied,
    Final(Kind),
}

impl Link {
    pub(crate) fn new(settings: ServerSettings) -> Result<Self, IndexError> {
        let mut config = Qdrant::from_url(&settings.url).skip_compatibility_check().timeout(settings.timeout * 4);
        config.set_connect_timeout(settings.timeout);
        if let Some(key) = &settings.api_key {
            config.set_api_key(key.reveal());
        }
        let unusable = |fault: String| IndexError::Unsuitable { url: settings.url.clone(), fault };
        let client = config.build().map_err(|e| unusable(format!("can't be reached by that address: {e}")))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("index-link").enable_all().build();
        let runtime = runtime.map_err(|e| unusable(format!("can't be asked, no thread could be started: {e}")))?;
        let circuit = Circuit::new(settings.rest);
        Ok(Self { asker: Arc::new(Asker { client, settings, circuit }), runtime: Some(runtime) })
    }

    pub(crate) fn settings(&self) -> &ServerSettings {
        &self.asker.settings
    }

    /// How long shards and collections may take to come and go.
    pub(crate) fn patience(&self) -> Duration {
        self.asker.settings.timeout * 4
    }

    /// Makes a call, again where it may be, and waits for the answer, from any thread.
    pub(crate) fn call<R, T, F>(
        &self,
        action: &'static str,
        again: Again,
        request: R,
        make: impl Fn(Qdrant, R) -> F + Send + Sync + 'static,
    ) -> Result<T, CallError>
    where
        R: Clone + Send + Sync + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send,
    {
        let (asker, (send, answer)) = (Arc::clone(&self.asker), mpsc::sync_channel(1));
        let ended = || self.asker.failed(action, "the call was cut off".to_owned(), Kind::Other);
        let Some(runtime) = &self.runtime else { return Err(ended()) };
        runtime.spawn(async move {
            // Nobody waits any more where this fails.
            let _ = send.send(asker.call(action, again, || make(asker.client.clone(), request.clone())).await);
        });
        answer.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl Asker {
    async fn call<T, F>(&self, action: &'static str, again: Again, make: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let (tries, allowed) = match again {
            Again::Idempotent => (TRIES, self.settings.timeout),
            Again::Never => (1, self.settings.timeout * 4),
        };
        let deadline = Instant::now() + allowed;
        let mut pause = FIRST_PAUSE;
        for left in (0..tries).rev() {
            self.circuit.admit().map_err(|rest| self.resting(rest))?;
            let reason = match timeout_at(deadline, make()).await {
                Ok(Ok(answer)) => {
                    self.circuit.succeeded();
                    return Ok(answer);
                }
                Ok(Err(error)) => match error_class(&error) {
                    ErrorClass::Passing => said(&error),
                    fate => {
                        // It answers.
                        self.circuit.succeeded();
                        return Err(self.refused(action, fate, &error));
                    }
                },
                Err(_) => format!("no answer within {} ms", allowed.as_millis()),
            };
            if self.circuit.failed() {
                tracing::error!(url = self.settings.url, reason, "the index server fails and is left alone for a while");
            }
            // Between half of it and all of it, so that those who failed together don't come back together.
            let next = Instant::now() + pause.mul_f64(rand::random_range(0.5..1.0));
            if left == 0 || next >= deadline {
                return Err(self.away(action, reason));
            }
            tracing::debug!(action, reason, "asking the index server again");
            sleep_until(next).await;
            pause *= 4;
        }
        Err(self.away(action, "it was not asked".to_owned()))
    }

    fn url(&self) -> String {
        self.settings.url.clone()
    }

    fn away(&self, action: &'static str, reason: String) -> CallError {
        CallError { kind: Kind::Other, error: IndexError::Away { action, url: self.url(), reason } }
    }

    fn resting(&self, rest: Duration) -> CallError {
        // Rounded up: 0 s would say that there is nothing to wait for.
        let seconds = rest.as_secs() + 1;
        CallError { kind: Kind::Other, error: IndexError::Resting { url: self.url(), seconds } }
    }

    fn failed(&self, action: &'static str, reason: String, kind: Kind) -> CallError {
        CallError { kind, error: IndexError::Server { action, url: self.url(), reason } }
    }

    fn refused(&self, action: &'static str, class: ErrorClass, error: &QdrantError) -> CallError {
        match class {
            ErrorClass::Denied => CallError { kind: Kind::Other, error: IndexError::Refused { url: self.url() } },
            ErrorClass::Final(kind) => self.failed(action, said(error), kind),
            ErrorClass::Passing => self.away(action, said(error)),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.asker.settings).finish()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last one may go on a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}

/// By gRPC code: 1 cancelled, 2 unknown, 3 invalid argument, 4 deadline, 5 not found, 6 exists, 7 permission, 8 exhausted,
/// 9 precondition (a shard that is not ready), 10 aborted, 13 internal (also a connection that can't be made), 14 unavailable,
/// 16 unauthenticated.
fn error_class(error: &QdrantError) -> ErrorClass {
    let code = match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => status.code() as i32,
        _ => return ErrorClass::Final(Kind::Other),
    };
    match code {
        1 | 2 | 4 | 8 | 9 | 10 | 13 | 14 => ErrorClass::Passing,
        7 | 16 => ErrorClass::Denied,
        3 | 5 => ErrorClass::Final(Kind::Missing),
        6 => ErrorClass::Final(Kind::Exists),
        _ => ErrorClass::Final(Kind::Other),
    }
}

/// Without headers, of which one is the key; the server's own text may have several lines.
fn said(error: &QdrantError) -> String {
    let text = match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => status.message().to_owned(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or("it gave no reason").chars().take(300).collect()
}
