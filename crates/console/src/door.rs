//! Who may come in, and where they are sent.

use std::{collections::VecDeque, fmt, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use parking_lot::Mutex;
use proto::status;
use tonic::{Code, body::Body, codegen::Service, transport::Channel};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower_layer::Layer;

use crate::{
    Local, Refusal,
    forward::Upstream,
    pages::{guarded, page},
};

/// The page sends the key in this header: a page of another origin can't send one without asking first, and is told no.
const KEY: &str = "x-console-key";
const MOST_LINK: usize = 256;
/// A grant that names every camera of a city.
const MOST_GRANT: usize = 4 << 20;
/// More than any export has.
const MOST_EXPORT: usize = 1 << 30;
/// Grants that were shown last; only these are signed.
const SHOWN: usize = 64;

/// Answers requests; one for each console.
pub(crate) struct Door {
    rpc: GrpcWebService<Upstream>,
    local: Arc<dyn Local>,
    host: String,
    origin: String,
    /// The secret of the newest link, until it is used.
    link: Mutex<Option<String>>,
    /// What it is traded for, as long as this process lives.
    key: String,
    shown: Mutex<VecDeque<Bytes>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.origin)
    }
}

impl Door {
    pub(crate) fn new(port: u16, channel: Channel, local: Arc<dyn Local>) -> Self {
        let host = format!("localhost:{port}");
        let upstream = Upstream { channel, local: Arc::clone(&local) };
        Self {
            rpc: GrpcWebLayer::new().layer(upstream),
            local,
            origin: format!("http://{host}"),
            host,
            link: Mutex::default(),
            key: secret(),
            shown: Mutex::default(),
        }
    }

    pub(crate) fn link(&self) -> String {
        let secret = secret();
        let link = format!("{}/#{secret}", self.origin);
        *self.link.lock() = Some(secret);
        link
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        guarded(self.decide(request).await)
    }

    async fn decide(&self, request: Request<Incoming>) -> Response<Body> {
        let headers = request.headers();
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|v| v == value);
        if !is("host", &self.host) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "this is not the console's name; open the link as it was printed");
        }
        let ours = is("origin", &self.origin) && headers.get("sec-fetch-site").is_none_or(|v| v == "same-origin");
        let known = headers.get(KEY).is_some_and(|v| same(v.as_bytes(), self.key.as_bytes()));
        let rpc = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc-web"));
        let path = request.uri().path().to_owned();
        match *request.method() {
            Method::GET => page(&path, headers),
            Method::POST if !ours => plain(StatusCode::FORBIDDEN, "this did not come from the console's page"),
            Method::POST if path == "/session" => self.trade(request).await,
            Method::POST if !known && rpc => no_key().into_http(),
            Method::POST if !known => plain(StatusCode::UNAUTHORIZED, "open the console again"),
            Method::POST if rpc => match self.rpc.clone().call(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            },
            Method::POST if path.starts_with("/local/") => match self.local(&path, request).await {
                Ok(answer) => answer,
                Err(refusal) => json(StatusCode::UNPROCESSABLE_ENTITY, &refusal.json()),
            },
            _ => plain(StatusCode::METHOD_NOT_ALLOWED, "there is no such call"),
        }
    }

    /// The link's secret, once, for the key.
    async fn trade(&self, request: Request<Incoming>) -> Response<Body> {
        let used = || plain(StatusCode::UNAUTHORIZED, "this link was used already, or is of another console");
        let Ok(given) = body(request, MOST_LINK).await else { return used() };
        let mut link = self.link.lock();
        if link.as_ref().is_some_and(|secret| same(secret.as_bytes(), &given)) {
            *link = None;
            return octets(self.key.clone().into());
        }
        used()
    }

    async fn local(&self, path: &str, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let query = request.uri().query().unwrap_or_default();
        let case = query.strip_prefix("case=").unwrap_or_default().to_owned();
        match path {
            "/local/who" => {
                let who = serde_json::json!({ "identity": self.local.identity(), "log_key": self.local.log_key() });
                Ok(json(StatusCode::OK, &who))
            }
            "/local/grant" => {
                let grant = body(request, MOST_GRANT).await?;
                let says = self.local.read_grant(&case, &grant)?;
                let mut shown = self.shown.lock();
                shown.retain(|known| *known != grant);
                shown.push_back(grant);
                while shown.len() > SHOWN {
                    shown.pop_front();
                }
                Ok(octets(says))
            }
            "/local/sign" => {
                let grant = body(request, MOST_GRANT).await?;
                if !self.shown.lock().contains(&grant) {
                    return Err(Refusal {
                        reason: "not_shown".into(),
                        message: "these bytes were not shown by this console".into(),
                        hint: "open the case again, read what it says, then sign".into(),
                    });
                }
                Ok(octets(self.local.sign_grant(&case, &grant)?))
            }
            "/local/export" => {
                let zip = body(request, MOST_EXPORT).await?;
                Ok(json(StatusCode::OK, &self.local.check_export(&zip)?))
            }
            _ => Ok(plain(StatusCode::NOT_FOUND, "there is no such call")),
        }
    }
}

fn no_key() -> tonic::Status {
    let hint = "press Enter where `sightline console` runs, and open the link it prints";
    status(Code::Unauthenticated, "this page has no key any more", "no_console_key", hint)
}

/// 256 random bits.
fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Takes as long whatever the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

async fn body(request: Request<Incoming>, most: usize) -> Result<Bytes, Refusal> {
    let read = Limited::new(request.into_body(), most).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|e| Refusal {
        reason: "bad_message".into(),
        message: format!("the page's message did not arrive whole: {e}"),
        hint: "try again; reload the page if it stays so".into(),
    })
}

fn plain(code: StatusCode, text: &'static str) -> Response<Body> {
    made(code, "text/plain; charset=utf-8", format!("{text}\n").into())
}

fn json(code: StatusCode, value: &serde_json::Value) -> Response<Body> {
    made(code, "application/json", value.to_string().into())
}

fn octets(bytes: Vec<u8>) -> Response<Body> {
    made(StatusCode::OK, "application/octet-stream", bytes.into())
}

fn made(code: StatusCode, kind: &'static str, bytes: Bytes) -> Response<Body> {
    let mut answer = Response::new(Body::new(http_body_util::Full::new(bytes)));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
