//! What every call passes before a service sees it: a certificate that names somebody and stands, and no more calls than
//! one caller may make. A stream ends when the certificate of its caller is revoked or over.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use access::{Action, AuditDetail, AuditEntry, AuditLog, Caller, Code as Why, Denial, GateError, Phase};
use http_body::{Frame, SizeHint};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{BoxFuture, Bytes, Service, http},
};
use tower_layer::Layer;
use tracing::Instrument as _;

use deployment::certificate::CertifiedCaller;
use types::Chain;

use crate::edge::{
    app::App,
    callers::{Refusal, Running},
    identity::Peer,
    marking,
    status::status,
};

#[derive(Clone)]
pub(crate) struct GuardLayer(pub(crate) Arc<App>);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;
    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, app: self.0.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Guard<S> {
    inner: S,
    app: Arc<App>,
}

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
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
        let inner = std::mem::replace(&mut self.inner, clone);
        // One of our own words; what else a path may hold is the caller's.
        let action = action_of(request.uri().path()).map_or("other", Action::as_str);
        Box::pin(pass(inner, self.app.clone(), request).instrument(tracing::info_span!("call", action)))
    }
}

async fn pass<S>(mut inner: S, app: Arc<App>, request: http::Request<Body>) -> Result<http::Response<Body>, S::Error>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
{
    let action = action_of(request.uri().path());
    let known = match request.extensions().get::<Peer>().map(Peer::known) {
        Some(Ok(known)) => known,
        other => {
            let refused = crate::edge::identity::refuse(other.and_then(Result::err));
            app.note_stranger(Why::NoIdentity).await;
            return Ok(refused.into_http());
        }
    };
    let running = match app.callers.admit(&known, &app.clock, Instant::now()) {
        Ok(running) => running,
        Err(refusal) => return Ok(refuse(&app, &known.caller, action, refusal).await.into_http()),
    };
    if let Err(error) = app.certificates.know(&known).await {
        return Ok(status(action.unwrap_or(Action::Connect), GateError::Audit(error).into()).into_http());
    }
    marking::call(async move {
        let response = inner.call(request).await?;
        let failed = response.headers().get("grpc-status").is_some_and(|status| status != "0");
        if let (true, Some(action), false) = (failed, action, marking::is_on_record()) {
            app.note_refusal(&known.caller, action, why_not_read(response.headers())).await;
        }
        let over = {
            let (app, known) = (app.clone(), known.clone());
            Box::pin(async move { app.callers.until_over(&known, &app.clock).await })
        };
        let action = action.unwrap_or(Action::Connect);
        Ok(response.map(|inner| Body::new(Watched { inner, over, app, known, action, ended: false, _running: running })))
    })
    .await
}

async fn refuse(app: &App, caller: &Caller, action: Option<Action>, refusal: Refusal) -> Status {
    let Refusal { denial, after, noted } = refusal;
    if noted {
        app.note_refusal(caller, action.unwrap_or(Action::Connect), denial.code).await;
    }
    to_status(&denial, after)
}

fn to_status(denial: &Denial, after: Option<std::time::Duration>) -> Status {
    let code = if matches!(denial.code, Why::IdentityRevoked | Why::IdentityExpired) {
        Code::Unauthenticated
    } else {
        Code::ResourceExhausted
    };
    let mut status = proto::status(code, &denial.reason, denial.code.as_str(), &denial.hint);
    if let Some(after) = after {
        // As gRPC's retry design names it: milliseconds.
        status.metadata_mut().insert("grpc-retry-pushback-ms", (after.as_millis().max(1) as u64).into());
    }
    status
}

/// An answer on its way to somebody whose certificate may be revoked, or come to its end, meanwhile.
struct Watched {
    inner: Body,
    over: BoxedFuture,
    app: Arc<App>,
    known: Arc<CertifiedCaller>,
    action: Action,
    ended: bool,
    _running: Running,
}

type BoxedFuture = Pin<Box<dyn Future<Output = Denial> + Send>>;

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(denial) = self.over.as_mut().poll(cx) else {
            return Pin::new(&mut self.inner).poll_frame(cx);
        };
        self.ended = true;
        // Whoever makes the answer sees that nobody reads it any more.
        self.inner = Body::empty();
        let (app, known, action, code) = (self.app.clone(), self.known.clone(), self.action, denial.code);
        self.app.detach(async move { app.note_refusal(&known.caller, action, code).await });
        let mut trailers = http::HeaderMap::new();
        to_status(&denial, None).add_header(&mut trailers)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // A revocation may cut it.
        SizeHint::default()
    }
}

impl App {
    /// A refusal before any service decided. Nothing is answered but the refusal, so a record that does not take the entry
    /// is logged and changes nothing.
    async fn note_refusal(&self, caller: &Caller, action: Action, code: Why) {
        self.note(Some(caller), action, code).await;
    }

    /// A certificate that was not taken at the door, of somebody who has shown that it is theirs.
    pub(crate) async fn note_turned_away(&self, caller: &Caller, code: Why) {
        if self.callers.is_worth_noting(caller, Instant::now()) {
            self.note_refusal(caller, Action::Connect, code).await;
        }
    }

    /// Somebody without a name.
    pub(crate) async fn note_stranger(&self, code: Why) {
        if self.unauthenticated.note(Instant::now()) {
            self.note(None, Action::Connect, code).await;
        }
    }

    async fn note(&self, caller: Option<&Caller>, action: Action, code: Why) {
        let entry = AuditEntry {
            at: self.clock.now(),
            caller: caller.cloned(),
            action,
            phase: Phase::Denied { code },
            case: None,
            detail: AuditDetail::default(),
            charge: None,
        };
        if let Err(error) = self.gate.log().append(entry).await {
            tracing::error!(error = %Chain(&error), "a refusal is not on the record");
        }
    }
}

/// Why no service came to see a request: the decoder refused it.
fn why_not_read(answer: &http::HeaderMap) -> Why {
    let says = |header: &str, word: &str| answer.get(header).is_some_and(|value| value.as_bytes() == word.as_bytes());
    // By a bound of a field; or by the length of the whole message, as tonic says it.
    let by_length = says("grpc-status", "11");
    if says(proto::REASON, proto::bounds::TOO_LARGE) || by_length { Why::TooLarge } else { Why::Malformed }
}

/// What a call asks for; `None` for what reads and changes nothing of ours: health and reflection.
fn action_of(path: &str) -> Option<Action> {
    let (service, method) = path.strip_prefix("/sightline.v1.")?.split_once('/')?;
    Some(match (service, method) {
        ("SearchService", "Search") => Action::Search,
        ("SearchService", "KeepLooking") => Action::KeepLooking,
        ("SearchService", "GetCrop") => Action::GetCrop,
        ("ExportService", "Export") => Action::Export,
        ("CameraService", "AddAgency") => Action::AddAgency,
        ("CameraService", "ListAgencies") => Action::ListAgencies,
        ("CameraService", "AddCamera") => Action::AddCamera,
        ("CameraService", "ImportCameras") => Action::ImportCameras,
        ("CameraService", "ExportCameras") => Action::ExportCameras,
        ("CameraService", "ListCameras") => Action::ListCameras,
        ("CameraService", "SetCameraPolicy") => Action::SetCameraPolicy,
        ("CameraService", "PreviewCameraPolicy") => Action::PreviewCameraPolicy,
        ("CameraService", "PauseCamera") => Action::PauseCamera,
        ("CameraService", "ResumeCamera") => Action::ResumeCamera,
        ("CameraService", "RevokeCamera") => Action::RevokeCamera,
        ("CameraService", "ListCameraAccesses") => Action::ListAccesses,
        ("RecorderService", "AddRecorder") => Action::AddRecorder,
        ("RecorderService", "ListRecorders") => Action::ListRecorders,
        ("RecorderService", "ListRecordings") => Action::ListRecordings,
        ("RecorderService", "MapRecording") => Action::MapRecording,
        ("RecorderService", "RemoveRecorder") => Action::RemoveRecorder,
        ("RecorderService", "AddRecordings") => Action::AddRecordings,
        ("CaseService", "OpenCase") => Action::OpenCase,
        ("CaseService", "AuthoriseCase") => Action::AuthoriseCase,
        ("CaseService", "GetCase") => Action::GetCase,
        ("CaseService", "ListCases") => Action::ListCases,
        ("CaseService", "WatchCases") => Action::WatchCases,
        ("CaseService", "CloseCase") => Action::CloseCase,
        ("CaseService", "PreviewCase") => Action::PreviewCase,
        ("CaseService", "RefuseCase") => Action::RefuseCase,
        ("CaseService", "SetMarks") => Action::SetMarks,
        ("CaseService", "ListMarks") => Action::ListMarks,
        ("CaseService", "ListCaseCalls") => Action::ListCaseCalls,
        ("FootageService", "AddFootage") => Action::AddFootage,
        ("FootageService", "GetJob") => Action::GetJob,
        ("FootageService", "ListJobs") => Action::ListJobs,
        ("FootageService", "WatchJob") => Action::WatchJob,
        ("FootageService", "CancelJob") => Action::CancelJob,
        ("FootageService", "RetryJob") => Action::RetryJob,
        ("FootageService", "RemoveFootage") => Action::RemoveFootage,
        ("AdminService", "Status") => Action::Status,
        ("AdminService", "Check") => Action::Check,
        ("AdminService", "RebuildIndex") => Action::RebuildIndex,
        ("AdminService", "StartReindex") => Action::StartReindex,
        ("AdminService", "GetReindex") => Action::GetReindex,
        ("AdminService", "SwitchReindex") => Action::SwitchReindex,
        ("AdminService", "RollBackReindex") => Action::RollBackReindex,
        ("AdminService", "DropReindex") => Action::DropReindex,
        ("LiveService", "SetCameraSource") => Action::SetCameraSource,
        ("LiveService", "CameraStatus") => Action::CameraStatus,
        ("IngestService", "LeaseCameras") => Action::LeaseCameras,
        ("IngestService", "Push") => Action::PushSightings,
        ("LogService", "GetReceipt") => Action::GetReceipt,
        ("AdminService", "ListAudit") => Action::ListAudit,
        ("RetentionService", "RetentionStatus") => Action::RetentionStatus,
        ("RetentionService", "ListDeletions") => Action::ListDeletions,
        ("RetentionService", "RunRetention") => Action::RunRetention,
        ("RetentionService", "PlaceHold") => Action::PlaceHold,
        ("RetentionService", "ConfirmHold") => Action::ConfirmHold,
        ("RetentionService", "ReleaseHold") => Action::ReleaseHold,
        ("RetentionService", "ListHolds") => Action::ListHolds,
        ("AdminService", "RevokeCertificate") => Action::RevokeIdentity,
        ("AdminService", "ListRevocations") => Action::ListIdentities,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;

    use super::*;

    #[test]
    fn every_call_of_the_service_has_its_action_and_no_two_share_one() {
        let descriptors = prost_types::FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        let (mut calls, mut actions) = (0, BTreeSet::new());
        for file in descriptors.file.iter().filter(|f| f.package() == "sightline.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/sightline.v1.{}/{}", service.name(), method.name());
                    calls += 1;
                    actions.insert(action_of(&path).unwrap_or_else(|| panic!("{path} has no action")));
                }
            }
        }
        assert!(calls > 20 && actions.len() == calls, "{calls} calls, {} actions", actions.len());
        assert_eq!(action_of("/grpc.health.v1.Health/Check"), None);
    }
}
