//! The console's second door: the server's own port, as browsers and others knock at it.

use std::collections::BTreeSet;

use http_body_util::BodyExt as _;
use prost::Message as _;
use proto::v1::{self, case_service_client::CaseServiceClient};
use tonic::{
    body::Body,
    codegen::{
        Service as _,
        http::{HeaderMap, Request, StatusCode},
    },
    transport::Channel,
};

use crate::harness::Deployed;

const SERVE: &str = "[console]\nserve = true\n";
const WEB: (&str, &str) = ("content-type", "application/grpc-web+proto");
/// An empty message, in the frame that gRPC puts around it.
const NOTHING: [u8; 5] = [0; 5];

struct Knocker {
    channel: Channel,
    origin: String,
}

impl Knocker {
    async fn at(deployed: &Deployed) -> Self {
        let origin = format!("https://{}", deployed.address());
        Self { channel: deployed.channel("authoriser").await, origin }
    }

    async fn knock(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        self.send(method, path, headers, NOTHING.to_vec()).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], sent: Vec<u8>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if method == "POST" { Body::new(http_body_util::Full::from(sent)) } else { Body::empty() };
        let mut channel = self.channel.clone();
        std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
        let (parts, body) = channel.call(request.body(body).unwrap()).await.unwrap().into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }
}

/// A message in gRPC's frame: a flag and its length.
fn framed(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&[0][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes].concat()
}

fn every_call() -> Vec<String> {
    let described = prost_types::FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = described.file.iter().filter(|f| f.package() == "sightline.v1");
    let services = ours.flat_map(|f| &f.service);
    services.flat_map(|s| s.method.iter().map(|m| format!("/sightline.v1.{}/{}", s.name(), m.name()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_its_policy_and_calls_as_any_program_does() {
    let deployed = Deployed::configured(SERVE, async |_| {}).await;
    let knocker = Knocker::at(&deployed).await;
    let (status, headers, page) = knocker.knock("GET", "/inbox", &[("sec-fetch-site", "none")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(String::from_utf8(page).unwrap().contains("Sightline"));
    assert!(headers["content-security-policy"].to_str().unwrap().contains("require-trusted-types-for 'script'"));
    assert!(!headers.keys().any(|name| name == "set-cookie" || name.as_str().starts_with("access-control-")));

    let ours = [WEB, ("origin", knocker.origin.as_str()), ("sec-fetch-site", "same-origin")];
    let (status, headers, said) = knocker.knock("POST", "/sightline.v1.AdminService/Status", &ours).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "application/grpc-web+proto"));
    assert!(headers.contains_key("content-security-policy"));
    let length = u32::from_be_bytes(said[1..5].try_into().unwrap()) as usize;
    let status = v1::StatusResponse::decode(&said[5..5 + length]).unwrap();
    assert_eq!(status.caller.unwrap().role(), v1::Role::Authoriser);
    assert!(String::from_utf8_lossy(&said[5 + length..]).contains("grpc-status:0"), "its trailers");
    // The guard is behind it: what the role may not is refused, in gRPC's words.
    let (_, headers, said) = knocker.knock("POST", "/sightline.v1.AdminService/ListAudit", &ours).await;
    let code = headers
        .get("grpc-status")
        .map_or_else(|| String::from_utf8_lossy(&said).into_owned(), |v| format!("grpc-status:{}", v.to_str().unwrap()));
    assert!(code.contains("grpc-status:7"), "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_taken_from_another_page_and_that_is_on_the_record() {
    let deployed = Deployed::configured(SERVE, async |_| {}).await;
    let knocker = Knocker::at(&deployed).await;
    let before = deployed.entries().await.len();
    let same_host = knocker.origin.replace("https://", "http://");
    for call in every_call() {
        for origin in [None, Some("null"), Some("https://evil.example"), Some(same_host.as_str()), Some("https://localhost")] {
            let headers: Vec<_> = [WEB].into_iter().chain(origin.map(|origin| ("origin", origin))).collect();
            assert_eq!(knocker.knock("POST", &call, &headers).await.0, StatusCode::FORBIDDEN, "{call} {origin:?}");
        }
        let same_site = [WEB, ("origin", knocker.origin.as_str()), ("sec-fetch-site", "same-site")];
        assert_eq!(knocker.knock("POST", &call, &same_site).await.0, StatusCode::FORBIDDEN, "{call}");
        // What a page of any origin may send without asking: the browser shows the certificate all the same.
        let disguised = [("content-type", "text/plain"), ("origin", "https://evil.example")];
        assert_eq!(knocker.knock("POST", &call, &disguised).await.0, StatusCode::FORBIDDEN, "{call}");
    }
    let asking = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let (status, headers, _) = knocker.knock("OPTIONS", "/sightline.v1.CaseService/CloseCase", &asking).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")));

    let noted: Vec<_> = deployed.entries().await.split_off(before);
    let refused: Vec<_> = noted.iter().filter(|entry| entry.outcome == "foreign_page").collect();
    assert!(refused.iter().any(|entry| entry.caller.as_ref().is_some_and(|c| c.role() == v1::Role::Authoriser)), "{noted:?}");
    // Nothing else came of it: no call of theirs began.
    let theirs = noted.iter().filter(|entry| entry.caller.as_ref().is_some_and(|c| c.role() == v1::Role::Authoriser));
    let actions: BTreeSet<_> = theirs.map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["connect"]));
}

/// What a page of any origin can have a browser send, without asking the server first and over the certificate that it holds.
const UNASKED: [&[(&str, &str)]; 5] = [
    &[("content-type", "text/plain;charset=UTF-8"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
    &[("content-type", "text/plain"), ("origin", "null")],
    &[("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")],
    // Of a sandboxed frame, and of a browser that says nothing of where it comes from.
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
    &[("content-type", "text/plain")],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_disguise_changes_nothing_with_and_without_a_page() {
    for more in [SERVE, ""] {
        let deployed = Deployed::configured(more, async |_| {}).await;
        deployed.add_cameras().await;
        deployed.open_case("k", "gate", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z").await;
        let knocker = Knocker { channel: deployed.channel("investigator").await, ..Knocker::at(&deployed).await };
        let close = framed(&v1::CloseCaseRequest { case_id: "k".into(), reason: "by another page".into() });
        for headers in UNASKED {
            let (status, answer, _) = knocker.send("POST", "/sightline.v1.CaseService/CloseCase", headers, close.clone()).await;
            assert!(status.is_client_error(), "{headers:?}: {status} {answer:?}");
        }
        let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
        let get = v1::GetCaseRequest { case_id: "k".into() };
        assert_eq!(cases.get_case(get).await.unwrap().into_inner().case.unwrap().state(), v1::CaseState::Requested);
        let entries = deployed.entries().await;
        assert!(entries.iter().any(|entry| entry.outcome == "foreign_page"), "{entries:?}");
        assert!(!entries.iter().any(|entry| entry.action == "case.close"));
        // The same from a program is a call.
        let program: &[_] = &[("content-type", "application/grpc"), ("te", "trailers")];
        assert_eq!(knocker.send("POST", "/sightline.v1.CaseService/CloseCase", program, close).await.0, StatusCode::OK);
        assert_eq!(deployed.entries().await.iter().filter(|entry| entry.action == "case.close").count(), 2, "begin and end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_page_takes_nothing_from_any_browser() {
    let deployed = Deployed::start().await;
    let knocker = Knocker::at(&deployed).await;
    let ours = [WEB, ("origin", knocker.origin.as_str()), ("sec-fetch-site", "same-origin")];
    let disguised = [("content-type", "application/grpc"), ("origin", "https://evil.example")];
    for headers in [&ours[..], &disguised] {
        let (status, _, said) = knocker.knock("POST", "/sightline.v1.AdminService/Status", headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(String::from_utf8(said).unwrap().contains("console.serve is off"));
    }
    assert_eq!(knocker.knock("GET", "/", &[("sec-fetch-mode", "navigate")]).await.0, StatusCode::FORBIDDEN);
    let program = [("content-type", "application/grpc"), ("te", "trailers")];
    assert_eq!(knocker.knock("POST", "/sightline.v1.AdminService/Status", &program).await.0, StatusCode::OK);
}
