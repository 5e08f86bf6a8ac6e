//! The page itself, inside the program.

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use tonic::body::Body;

/// No script but ours, no address but ours, no string that becomes a script. `svelte-trusted-html` is the policy by which
/// Svelte makes its own templates.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      font-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; \
                      require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// What stands in for the page where nobody built it.
const MISSING: &str = include_str!("missing.html");

#[derive(Debug, RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Built;

/// What every answer says to the browser.
pub fn guarded(mut answer: Response<Body>) -> Response<Body> {
    let headers = [
        ("content-security-policy", POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in headers {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The file at `path`, or the page itself: its views have addresses of their own.
pub fn page(path: &str, asked: &HeaderMap) -> Response<Body> {
    let name = path.trim_start_matches('/');
    let is_view = !name.rsplit('/').next().unwrap_or_default().contains('.');
    let name = if is_view { "index.html" } else { name };
    // The packed files are no addresses.
    if name.ends_with(".br") {
        return not_found();
    }
    let accepts = asked.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let packed = accepts.split(',').any(|one| one.trim().split(';').next() == Some("br"));
    let packed = packed.then(|| Built::get(&format!("{name}.br"))).flatten();
    let (file, encoding) = match packed {
        Some(file) => (file, Some("br")),
        None => match Built::get(name) {
            Some(file) => (file, None),
            None if name == "index.html" => return missing(),
            None => return not_found(),
        },
    };
    send(name, file, encoding, asked)
}

fn send(name: &str, file: EmbeddedFile, encoding: Option<&'static str>, asked: &HeaderMap) -> Response<Body> {
    let etag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let mut answer = if known {
        Response::new(Body::empty())
    } else {
        let bytes = bytes::Bytes::from(file.data.into_owned());
        Response::new(Body::new(http_body_util::Full::new(bytes)))
    };
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    answer
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn missing() -> Response<Body> {
    let mut answer = Response::new(Body::new(MISSING.to_owned()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

fn not_found() -> Response<Body> {
    let mut answer = Response::new(Body::new("there is no such file\n".to_owned()));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}
