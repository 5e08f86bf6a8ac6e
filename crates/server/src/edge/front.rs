//! The console's second door: the server's own port serves the same page, to people whose certificate is in their browser.
//!
//! A browser shows its certificate to whatever page asks for the server, so what comes from a browser is taken only from the page
//! that this server serves. It says so itself, in headers that no page can change; a program that is no browser sends none of them,
//! and sends what it calls by a `Content-Type` that no page can send to another server unasked. Each of the two would do alone.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use access::Code as Why;
use tonic::{
    body::Body,
    codegen::{
        BoxFuture, Service,
        http::{self, HeaderMap, HeaderValue, Method, StatusCode, header},
    },
};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower_layer::Layer;

use super::{app::App, identity::Peer, tls::Handshakes};

#[derive(Clone)]
pub(crate) struct FrontLayer {
    app: Arc<App>,
    handshakes: Arc<Handshakes>,
}

impl FrontLayer {
    pub(crate) fn new(app: Arc<App>, handshakes: Arc<Handshakes>) -> Self {
        Self { app, handshakes }
    }
}

impl<S: Clone> Layer<S> for FrontLayer {
    type Service = Front<S>;

    fn layer(&self, inner: S) -> Front<S> {
        Front { web: GrpcWebLayer::new().layer(inner.clone()), inner, with: self.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Front<S> {
    inner: S,
    /// The same, for what a page sends.
    web: GrpcWebService<S>,
    with: FrontLayer,
}

impl<S> Service<http::Request<Body>> for Front<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The clone is not ready, the one that was asked is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let names = self.with.handshakes.names();
        match way(&request, self.with.app.config.console, &names) {
            Ok(Way::Program) => Box::pin(async move { inner.call(request).await }),
            Ok(Way::File) => {
                let answer = console::served(request.uri().path(), request.headers());
                Box::pin(async move { Ok(console::guarded(answer)) })
            }
            Ok(Way::Page) => {
                let mut web = self.web.clone();
                Box::pin(async move {
                    poll_fn(|cx| Service::<http::Request<Body>>::poll_ready(&mut web, cx)).await?;
                    Ok(console::guarded(web.call(request).await?))
                })
            }
            Err(refused) => {
                let app = self.with.app.clone();
                let known = request.extensions().get::<Peer>().and_then(|peer| peer.known().ok());
                Box::pin(async move {
                    match known {
                        Some(known) => app.note_turned_away(&known.caller, Why::ForeignPage).await,
                        None => app.note_stranger(Why::ForeignPage).await,
                    }
                    Ok(console::guarded(refused.answer()))
                })
            }
        }
    }
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a program that speaks gRPC.
    Program,
    /// For a file of the page.
    File,
    /// From the page.
    Page,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    NoPage,
    Name,
    Origin,
    Kind,
    Method,
}

impl Refused {
    fn answer(self) -> http::Response<Body> {
        let (code, text) = match self {
            Self::NoPage => (StatusCode::FORBIDDEN, "this server serves no page: console.serve is off"),
            Self::Name => (StatusCode::MISDIRECTED_REQUEST, "this is not a name of the server; its certificate has those"),
            Self::Origin => (StatusCode::FORBIDDEN, "this did not come from the console's page"),
            Self::Kind => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "a call has the Content-Type application/grpc"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "there is no such call"),
        };
        let mut answer = http::Response::new(Body::new(format!("{text}\n")));
        *answer.status_mut() = code;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer
    }
}

/// Whether a request is taken, and as what. Without a page only programs are served.
fn way<B>(request: &http::Request<B>, serve: bool, names: &[String]) -> Result<Way, Refused> {
    let headers = request.headers();
    let from_browser = headers.contains_key(header::ORIGIN) || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_web = kind.starts_with(b"application/grpc-web");
    if !from_browser && !is_web && *request.method() == Method::POST {
        return if kind.starts_with(b"application/grpc") { Ok(Way::Program) } else { Err(Refused::Kind) };
    }
    if !serve {
        return Err(Refused::NoPage);
    }
    let authority = request.uri().authority().ok_or(Refused::Name)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if !names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        return Err(Refused::Name);
    }
    match *request.method() {
        Method::GET => Ok(Way::File),
        Method::POST if !is_web || !is_ours(headers, authority.as_str()) => Err(Refused::Origin),
        Method::POST => Ok(Way::Page),
        _ => Err(Refused::Method),
    }
}

/// Whether the page that calls was served under this very name.
fn is_ours(headers: &HeaderMap, authority: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, more) = (origins.next(), origins.next());
    let ours = origin.is_some_and(|origin| origin.as_bytes() == format!("https://{authority}").as_bytes());
    ours && more.is_none() && headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: (&str, &str) = ("content-type", "application/grpc-web+proto");

    fn asked(method: Method, uri: &str, headers: &[(&str, &str)], serve: bool) -> Result<Way, Refused> {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        way(&request.body(()).unwrap(), serve, &["sight.example".to_owned(), "::1".to_owned()])
    }

    #[test]
    fn a_program_is_served_with_and_without_a_page() {
        for serve in [true, false] {
            let call = asked(
                Method::POST,
                "https://10.0.0.7:7443/sightline.v1.CaseService/GetCase",
                &[("content-type", "application/grpc")],
                serve,
            );
            assert_eq!(call, Ok(Way::Program));
        }
    }

    #[test]
    fn what_a_page_can_send_unasked_is_no_call_of_a_program_whatever_the_browser_leaves_out() {
        let uri = "https://sight.example:7443/sightline.v1.CaseService/CloseCase";
        for serve in [true, false] {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
                assert_eq!(asked(Method::POST, uri, &[("content-type", kind)], serve), Err(Refused::Kind), "{kind}");
            }
            assert_eq!(asked(Method::POST, uri, &[], serve), Err(Refused::Kind));
        }
        // What has no body is no call.
        assert_eq!(asked(Method::GET, uri, &[("content-type", "application/grpc")], false), Err(Refused::NoPage));
        assert_eq!(asked(Method::POST, uri, &[WEB], false), Err(Refused::NoPage));
    }

    #[test]
    fn only_the_page_that_this_server_served_calls_from_a_browser() {
        let uri = "https://sight.example:7443/sightline.v1.CaseService/GetCase";
        let ours = ("origin", "https://sight.example:7443");
        assert_eq!(asked(Method::POST, uri, &[WEB, ours], true), Ok(Way::Page));
        assert_eq!(asked(Method::POST, uri, &[WEB, ours, ("sec-fetch-site", "same-origin")], true), Ok(Way::Page));
        assert_eq!(asked(Method::POST, "https://[::1]:7443/x", &[WEB, ("origin", "https://[::1]:7443")], true), Ok(Way::Page));
        assert_eq!(asked(Method::POST, uri, &[WEB, ours], false), Err(Refused::NoPage));
        for origin in [
            "null",
            "https://sight.example",
            "http://sight.example:7443",
            "https://sight.example:7444",
            "https://evil.example",
            "",
        ] {
            assert_eq!(asked(Method::POST, uri, &[WEB, ("origin", origin)], true), Err(Refused::Origin), "{origin}");
            assert_eq!(asked(Method::POST, uri, &[WEB, ours, ("origin", origin)], true), Err(Refused::Origin), "{origin}");
        }
        for site in ["same-site", "cross-site", "none"] {
            assert_eq!(asked(Method::POST, uri, &[WEB, ours, ("sec-fetch-site", site)], true), Err(Refused::Origin), "{site}");
        }
        // What a page sends without asking first: a program's call in disguise, from any origin at all.
        for kind in ["text/plain", "application/grpc", "application/x-www-form-urlencoded"] {
            for origin in [ours, ("origin", "https://evil.example")] {
                assert_eq!(asked(Method::POST, uri, &[("content-type", kind), origin], true), Err(Refused::Origin), "{kind}");
                assert_eq!(asked(Method::POST, uri, &[("content-type", kind), origin], false), Err(Refused::NoPage), "{kind}");
            }
        }
        assert_eq!(asked(Method::POST, uri, &[WEB], true), Err(Refused::Origin));
        assert_eq!(asked(Method::OPTIONS, uri, &[("origin", "https://evil.example")], true), Err(Refused::Method));
        assert_eq!(asked(Method::GET, uri, &[("sec-fetch-site", "cross-site")], false), Err(Refused::NoPage));
    }

    #[test]
    fn no_name_is_answered_but_those_of_the_certificate() {
        for uri in ["https://evil.example:7443/", "https://127.0.0.1:7443/", "https://sight.example.evil:7443/", "/"] {
            assert_eq!(asked(Method::GET, uri, &[], true), Err(Refused::Name), "{uri}");
        }
        assert_eq!(asked(Method::GET, "https://SIGHT.example:7443/case/a", &[], true), Ok(Way::File));
    }
}
