//! Attacks on the door: what another page, another user of the machine or another name for the machine may try.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use console::{Console, Links, Local, Refusal};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::{
    Status,
    body::Body,
    codegen::{
        Service,
        http::{Request, Response},
    },
    server::NamedService,
    transport::Endpoint,
};

/// Keys that sign by prefixing, so that a test sees what was signed.
#[derive(Debug)]
struct Fake;

impl Local for Fake {
    fn identity(&self) -> &str {
        "ines"
    }

    fn log_key(&self) -> Option<String> {
        None
    }

    fn read_grant(&self, case: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal> {
        if grant.starts_with(case.as_bytes()) { Ok(b"says".to_vec()) } else { Err(no("bad_grant")) }
    }

    fn sign_grant(&self, _: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal> {
        Ok([b"signed ", grant].concat())
    }

    fn check_export(&self, _: &[u8]) -> Result<Value, Refusal> {
        Ok(json!({}))
    }

    fn turned_away(&self) -> Pin<Box<dyn Future<Output = Option<Refusal>> + Send + '_>> {
        Box::pin(async { None })
    }
}

fn no(reason: &str) -> Refusal {
    Refusal { reason: reason.into(), message: "no".into(), hint: "none".into() }
}

struct Door {
    links: Links,
    host: String,
}

impl Door {
    /// With nobody behind it: what reaches the server is answered "unavailable".
    async fn open() -> Self {
        Self::before("http://127.0.0.1:9".into()).await
    }

    async fn before(server: String) -> Self {
        let channel = Endpoint::from_shared(server).unwrap().connect_lazy();
        let console = Console::bind(0, channel, Arc::new(Fake)).await.unwrap();
        let links = console.links();
        let host = links.make().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        tokio::spawn(console.serve());
        Self { links, host }
    }

    fn port(&self) -> u16 {
        self.host.rsplit(':').next().unwrap().parse().unwrap()
    }

    fn secret(&self) -> String {
        self.links.make().rsplit('#').next().unwrap().to_owned()
    }

    fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// What a page of this origin sends.
    fn ours(&self) -> Vec<(&'static str, String)> {
        vec![("host", self.host.clone()), ("origin", self.origin()), ("sec-fetch-site", "same-origin".into())]
    }

    async fn key(&self) -> String {
        let answer = self.ask("POST", "/session", &self.ours(), self.secret().as_bytes()).await;
        assert_eq!(answer.code, 200);
        answer.body
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        ask(("127.0.0.1", self.port()), method, path, headers, body).await
    }
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

async fn ask(to: (&str, u16), method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    text.push_str("\r\n");
    stream.write_all(&[text.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

const SEARCH: &str = "/sightline.v1.SearchService/Search";

fn with(mut headers: Vec<(&'static str, String)>, name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    headers.retain(|(n, _)| *n != name);
    headers.push((name, value.to_owned()));
    headers
}

fn without(mut headers: Vec<(&'static str, String)>, name: &'static str) -> Vec<(&'static str, String)> {
    headers.retain(|(n, _)| *n != name);
    headers
}

/// A call of the API that lacks nothing.
async fn call(door: &Door) -> Vec<(&'static str, String)> {
    let key = door.key().await;
    with(with(door.ours(), "content-type", "application/grpc-web+proto"), "x-console-key", &key)
}

#[tokio::test]
async fn a_call_that_lacks_nothing_is_forwarded() {
    let door = Door::open().await;
    let answer = door.ask("POST", SEARCH, &call(&door).await, &[0; 5]).await;
    assert_eq!(answer.code, 200);
    assert!(answer.head.contains("grpc-status: 14") && answer.head.contains("sightline-reason: no_server"), "{}", answer.head);
}

/// A server that notes the headers of what it is asked, and answers nothing.
#[derive(Debug, Clone, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Service<Request<Body>> for Noting {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.lock().unwrap().extend(request.headers().keys().map(ToString::to_string));
        std::future::ready(Ok(Status::ok("").into_http()))
    }
}

impl NamedService for Noting {
    const NAME: &'static str = "sightline.v1.SearchService";
}

#[tokio::test]
async fn nothing_of_the_pages_choosing_reaches_the_server() {
    let (noting, listener) = (Noting::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let server = format!("http://{}", listener.local_addr().unwrap());
    let serve = tonic::transport::Server::builder().add_service(noting.clone());
    tokio::spawn(serve.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)));
    let door = Door::before(server).await;
    let mut headers = call(&door).await;
    for name in ["cookie", "authorization", "x-sightline-anything", "forwarded", "grpc-timeout"] {
        headers.push((name, "1S".into()));
    }
    let answer = door.ask("POST", SEARCH, &headers, &[0; 5]).await;
    assert!(answer.head.contains("grpc-status: 0"), "{}", answer.head);
    let mut crossed = noting.0.lock().unwrap().clone();
    crossed.sort();
    // The door's own HTTP/2 says how long the body is; `te` and the `user-agent` are the door's as well.
    assert_eq!(crossed, ["content-length", "content-type", "grpc-timeout", "te", "user-agent"]);
}

#[tokio::test]
async fn no_name_but_its_own_is_answered() {
    let door = Door::open().await;
    let whole = call(&door).await;
    let port = door.port();
    for host in [
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "localhost".into(),
        format!("localhost.evil.test:{port}"),
        "evil.test".into(),
    ] {
        for (method, path) in [("GET", "/"), ("POST", SEARCH), ("POST", "/session"), ("POST", "/local/who")] {
            let answer = door.ask(method, path, &with(whole.clone(), "host", &host), &[0; 5]).await;
            assert_eq!(answer.code, 421, "{method} {path} as {host}");
        }
    }
    assert!([400, 421].contains(&door.ask("GET", "/", &without(whole, "host"), b"").await.code));
}

#[tokio::test]
async fn no_page_of_another_origin_calls_anything() {
    let door = Door::open().await;
    let whole = call(&door).await;
    let port = door.port();
    let foreign = [
        "null".into(),
        format!("https://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        "http://localhost".into(),
        "http://localhost:1".into(),
        "https://evil.test".into(),
    ];
    let mut tries: Vec<_> = foreign.iter().map(|origin| with(whole.clone(), "origin", origin)).collect();
    tries.push(without(whole.clone(), "origin"));
    tries.extend(["same-site", "cross-site", "none"].map(|site| with(whole.clone(), "sec-fetch-site", site)));
    for headers in &tries {
        for path in [SEARCH, "/session", "/local/who", "/local/sign?case=c1"] {
            let answer = door.ask("POST", path, headers, &[0; 5]).await;
            assert_eq!(answer.code, 403, "{path} {headers:?}");
        }
    }
    // A page that asks whether it may is told nothing that lets it; native gRPC has no business here.
    let preflight = with(whole.clone(), "access-control-request-method", "POST");
    let answer = door.ask("OPTIONS", SEARCH, &preflight, b"").await;
    assert!(answer.code == 405 && !answer.head.contains("access-control"), "{}", answer.head);
    let native = with(whole, "content-type", "application/grpc");
    assert_eq!(door.ask("POST", SEARCH, &native, &[0; 5]).await.code, 405);
}

#[tokio::test]
async fn a_link_is_traded_once_and_only_the_newest() {
    let door = Door::open().await;
    let (old, new) = (door.secret(), door.secret());
    let trade = async |secret: &str| door.ask("POST", "/session", &door.ours(), secret.as_bytes()).await.code;
    for bad in ["", "0", &old, &new[1..], &new.to_uppercase(), &format!("{new} "), &"a".repeat(1000)] {
        assert_eq!(trade(bad).await, 401, "{bad:?}");
    }
    assert_eq!(trade(&new).await, 200);
    assert_eq!(trade(&new).await, 401, "the same link twice");
}

#[tokio::test]
async fn without_the_key_nothing_is_called() {
    let door = Door::open().await;
    let whole = call(&door).await;
    let key = whole.iter().find(|(name, _)| *name == "x-console-key").unwrap().1.clone();
    let mut keys: Vec<Option<String>> = vec![
        None,
        Some(String::new()),
        Some("0".repeat(64)),
        Some(key[1..].into()),
        Some(format!("{key}0")),
        Some(door.secret()),
    ];
    for at in 0..key.len() {
        let mut other = key.clone().into_bytes();
        other[at] ^= 1;
        keys.push(Some(String::from_utf8(other).unwrap()));
    }
    for given in keys {
        let headers = match &given {
            Some(key) => with(whole.clone(), "x-console-key", key),
            None => without(whole.clone(), "x-console-key"),
        };
        let answer = door.ask("POST", SEARCH, &headers, &[0; 5]).await;
        assert!(answer.head.contains("grpc-status: 16") && answer.head.contains("no_console_key"), "{given:?} {}", answer.head);
        let plain = without(headers, "content-type");
        assert_eq!(door.ask("POST", "/local/who", &plain, b"").await.code, 401, "{given:?}");
    }
}

#[tokio::test]
async fn only_bytes_that_were_shown_are_signed() {
    let door = Door::open().await;
    let page = without(call(&door).await, "content-type");
    let local = async |path: &str, body: &[u8]| door.ask("POST", path, &page, body).await;
    let early = local("/local/sign?case=c1", b"c1 grant").await;
    assert!(early.code == 422 && early.body.contains("not_shown"), "{}", early.body);
    assert_eq!(local("/local/grant?case=c1", b"c2 grant").await.code, 422, "bytes of another case");
    assert_eq!(local("/local/sign?case=c1", b"c2 grant").await.code, 422);
    let shown = local("/local/grant?case=c1", b"c1 grant").await;
    assert_eq!((shown.code, shown.body.as_str()), (200, "says"));
    assert_eq!(local("/local/sign?case=c1", b"c1 grant").await.body, "signed c1 grant");
    let mut altered = b"c1 grant".to_vec();
    for at in 0..altered.len() {
        altered[at] ^= 1;
        assert_eq!(local("/local/sign?case=c1", &altered).await.code, 422, "byte {at}");
        altered[at] ^= 1;
    }
}

#[tokio::test]
async fn it_listens_on_both_loopback_addresses_or_not_at_all() {
    let Ok(taken) = std::net::TcpListener::bind("[::1]:0") else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let channel = || Endpoint::from_static("http://127.0.0.1:9").connect_lazy();
    let port = taken.local_addr().unwrap().port();
    let refused = Console::bind(port, channel(), Arc::new(Fake)).await.unwrap_err();
    assert!(refused.to_string().contains("[::1]"), "{refused}");

    let door = Door::open().await;
    for address in ["127.0.0.1", "::1"] {
        let answer = ask((address, door.port()), "GET", "/", &[("host", door.host.clone())], b"").await;
        assert_eq!(answer.code, 200, "{address}");
        assert!(std::net::TcpListener::bind((address, door.port())).is_err(), "somebody else holds {address} as well");
    }
}

#[tokio::test]
async fn every_answer_is_guarded_and_no_address_leads_out_of_the_page() {
    let door = Door::open().await;
    let host = vec![("host", door.host.clone())];
    for (method, path, code) in [
        ("GET", "/", 200),
        ("GET", "/case/child-7?word=class.1", 200),
        ("GET", "/../Cargo.toml", 404),
        ("GET", "/..%2fCargo.toml", 404),
        ("GET", "/index.html.br", 404),
        ("GET", "//etc/passwd.txt", 404),
        ("POST", "/", 403),
        ("PUT", "/", 405),
    ] {
        let answer = door.ask(method, path, &host, b"").await;
        assert_eq!(answer.code, code, "{method} {path}");
        for header in [
            "content-security-policy: default-src 'none'",
            "require-trusted-types-for 'script'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.head.contains(header), "{method} {path} lacks {header}");
        }
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
    }
    let page = door.ask("GET", "/", &host, b"").await;
    assert!(page.body.contains("Sightline"), "{}", page.body);
    // What was fetched already is not sent again, where the page was built.
    if let Some(etag) = page.head.lines().find_map(|l| l.strip_prefix("etag: ")) {
        let again = door.ask("GET", "/", &with(host, "if-none-match", etag), b"").await;
        assert_eq!((again.code, again.body.as_str()), (304, ""));
    }
}
