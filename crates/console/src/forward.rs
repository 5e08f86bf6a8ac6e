//! Every call of the API, forwarded undecoded.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::{
    Request, Response, Version,
    header::{HeaderMap, HeaderName},
};
use proto::status;
use tonic::{Code, body::Body, codegen::Service, transport::Channel};

use crate::Local;

/// What may cross, by name: no cookie, no origin, no key, nothing of the page's choosing.
const CROSS: [&str; 6] = ["content-type", "te", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "user-agent"];

/// The server, over the person's own connection.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) channel: Channel,
    pub(crate) local: Arc<dyn Local>,
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { mut channel, local } = self.clone();
        let (mut parts, body) = request.into_parts();
        parts.headers = crossing(&parts.headers);
        parts.version = Version::HTTP_2;
        Box::pin(async move {
            let answer = async {
                poll_fn(|cx| channel.poll_ready(cx)).await?;
                channel.call(Request::from_parts(parts, body)).await
            };
            match answer.await {
                Ok(answer) => Ok(answer),
                Err(error) => Ok(away(&*local, &error).await),
            }
        })
    }
}

fn crossing(headers: &HeaderMap) -> HeaderMap {
    let keep = |name: &&'static str| Some((HeaderName::from_static(name), headers.get(*name)?.clone()));
    CROSS.iter().filter_map(keep).collect()
}

/// The server was not reached: because of the certificate, or it is away.
async fn away(local: &dyn Local, error: &tonic::transport::Error) -> Response<Body> {
    let status = match local.turned_away().await {
        Some(why) => status(Code::Unauthenticated, &why.message, &why.reason, &why.hint),
        None => {
            tracing::debug!(%error, "the server was not reached");
            let hint = "is `sightline serve` running? this page goes on by itself once it answers";
            status(Code::Unavailable, "the server does not answer", "no_server", hint)
        }
    };
    status.into_http()
}
