//! The one place where an error becomes an answer.

use access::{Action, Denial, GateError};
use catalogue::CatalogueError;
use indexer::{
    SyncError,
    reindex::{ModelError, ReindexError},
};
use pipeline::SecretError;
use proto::BadMessage;
use search::SearchError;
use tonic::{Code, Status};

use types::Chain;

use crate::{
    base::problem::{Kind, Problem},
    janitor::{ClockLeapt, JanitorError},
    jobs::{JobError, footage_files::FileError},
    record::log::RecordFault,
    recorders::RecorderError,
    store::{INDEX_AWAY, StoreError},
};

/// Why a call was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Decided while the work was under way; not on the record yet.
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Message(#[from] BadMessage),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Feed(#[from] SyncError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Log(#[from] RecordFault),
    #[error(transparent)]
    Clock(#[from] ClockLeapt),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The caller is wrong about something that has no error type of its own.
    #[error("{message}")]
    Caller { code: Code, reason: &'static str, message: String, hint: &'static str },
}

impl From<Problem> for Fault {
    fn from(Problem { kind, reason, message, hint }: Problem) -> Self {
        let code = match kind {
            Kind::Invalid => Code::InvalidArgument,
            Kind::Exists => Code::AlreadyExists,
            Kind::State => Code::FailedPrecondition,
            Kind::TooMany => Code::ResourceExhausted,
            Kind::Away => Code::Unavailable,
            Kind::Internal => Code::Internal,
        };
        Self::Caller { code, reason, message, hint }
    }
}

impl From<ReindexError> for Fault {
    fn from(error: ReindexError) -> Self {
        match error {
            ReindexError::Model(error) => Self::Store(error.into()),
            refused => {
                let (code, reason) = match refused {
                    ReindexError::SameModel => (Code::InvalidArgument, "same_model"),
                    ReindexError::NoModel(_) => (Code::InvalidArgument, "no_model"),
                    ReindexError::NotLearned(_) => (Code::InvalidArgument, "not_learned"),
                    ReindexError::State { .. } | ReindexError::Model(_) => (Code::FailedPrecondition, "reindex"),
                };
                let hint = refused.hint().unwrap_or_default();
                Self::Caller { code, reason, message: refused.to_string(), hint }
            }
        }
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Self::Store(error.into())
    }
}

impl From<JobError> for Fault {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Problem(problem) => problem.into(),
            JobError::Catalogue(error) => error.into(),
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Hangs(problem) => problem.into(),
            FileError::Thread => SyncError::Thread.into(),
        }
    }
}

impl From<JanitorError> for Fault {
    fn from(error: JanitorError) -> Self {
        match error {
            JanitorError::Catalogue(error) => error.into(),
            JanitorError::Feed(error) => error.into(),
            JanitorError::OldCopy(error) => StoreError::from(error).into(),
            JanitorError::Audit(error) => GateError::Audit(error).into(),
            JanitorError::Clock(error) => error.into(),
        }
    }
}

impl Fault {
    pub(crate) fn invalid(reason: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self::Caller { code: Code::InvalidArgument, reason, message: message.into(), hint }
    }

    pub(crate) fn missing(reason: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self::Caller { code: Code::NotFound, reason, message: message.into(), hint }
    }
}

/// What the caller of `action` is told.
pub(crate) fn status(action: Action, fault: Fault) -> Status {
    match fault {
        Fault::Denied(denial) | Fault::Gate(GateError::Denied(denial)) => {
            proto::status(denied(action, denial.code), &denial.reason, denial.code.as_str(), &denial.hint)
        }
        Fault::Gate(error @ GateError::Audit(_)) => {
            internal(Code::Unavailable, "audit_unavailable", &error, "try again; if it stays so, look at the server's log")
        }
        Fault::Message(bad) => bad.into(),
        Fault::Caller { code, reason, message, hint } => proto::status(code, &message, reason, hint),
        Fault::Catalogue(error) | Fault::Feed(SyncError::Catalogue(error)) | Fault::Store(StoreError::Catalogue(error)) => {
            of_catalogue(&error)
        }
        Fault::Store(StoreError::Feed(SyncError::Catalogue(error))) => of_catalogue(&error),
        Fault::Feed(error) | Fault::Store(StoreError::Feed(error)) if error.is_away() => {
            internal(Code::Unavailable, "index_away", &error, INDEX_AWAY)
        }
        Fault::Feed(error) | Fault::Store(StoreError::Feed(error)) => {
            internal(Code::Internal, "index", &error, "run `sightline check`")
        }
        Fault::Store(StoreError::Audit(error)) => {
            internal(Code::Unavailable, "audit_unavailable", &error, "try again; if it stays so, look at the server's log")
        }
        Fault::Store(error) => {
            let hint = error.hint();
            internal(Code::Internal, "store", &error, &hint)
        }
        Fault::Secret(error) => internal(Code::Internal, "secret", &error, "check the server's disk"),
        Fault::Search(error) => of_search(&error),
        Fault::Clock(error) => {
            let hint = "look at the server's clock; where it is right, say so: `sightline retention run --clock-is-right`";
            proto::status(Code::FailedPrecondition, &error.to_string(), "clock_leapt", hint)
        }
        Fault::Recorder(RecorderError::Catalogue(error)) => of_catalogue(&error),
        Fault::Recorder(error @ RecorderError::Secret(_)) => {
            internal(Code::Internal, "secret", &error, "check the server's disk")
        }
        Fault::Recorder(error) => {
            let (code, reason) = match &error {
                RecorderError::Onvif(error) if error.reason() == "outside_networks" => (Code::InvalidArgument, error.reason()),
                RecorderError::Onvif(error) => (Code::Unavailable, error.reason()),
                RecorderError::Host(_) => (Code::InvalidArgument, "host"),
                _ => (Code::FailedPrecondition, "no_password"),
            };
            proto::status(code, &error.to_string(), reason, &error.hint())
        }
        Fault::Log(RecordFault::Catalogue(error)) => of_catalogue(&error),
        Fault::Log(error @ RecordFault::NoEntry { .. }) => {
            proto::status(Code::NotFound, &error.to_string(), "no_entry", error.hint())
        }
        Fault::Log(error) => internal(Code::DataLoss, "log", &error, "run `sightline check` on the server"),
    }
}

/// Refusals of the case gate are `PERMISSION_DENIED` without exception; what has nothing to do with reading sightings says
/// more closely what is wrong.
fn denied(action: Action, code: access::Code) -> Code {
    use access::Code as Why;
    match (action, code) {
        (_, Why::Unwitnessed) => Code::Unavailable,
        (_, Why::NoHold) | (Action::PlaceHold, Why::NoCase) => Code::NotFound,
        (_, Why::HoldState) => Code::FailedPrecondition,
        (Action::OpenCase | Action::PlaceHold, Why::Limits) => Code::InvalidArgument,
        (Action::OpenCase, Why::Camera) | (_, Why::UnknownSerial) => Code::NotFound,
        (_, Why::EmergencyQuota | Why::WaitingQuota) => Code::ResourceExhausted,
        (_, Why::UnclearName | Why::TooLarge) => Code::InvalidArgument,
        (
            Action::AuthoriseCase | Action::PreviewCase | Action::CloseCase | Action::RefuseCase | Action::SetMarks,
            Why::Closed | Why::Expired | Why::NotYetValid | Why::AlreadyAuthorised,
        ) => Code::FailedPrecondition,
        (Action::GetCase | Action::AuthoriseCase | Action::PreviewCase | Action::CloseCase | Action::RefuseCase, Why::NoCase) => {
            Code::NotFound
        }
        (Action::SetMarks | Action::ListMarks | Action::ListCaseCalls, Why::NoCase) => Code::NotFound,
        _ => Code::PermissionDenied,
    }
}

fn of_catalogue(error: &CatalogueError) -> Status {
    use CatalogueError as E;
    let to_status = |code, reason, hint| proto::status(code, &error.to_string(), reason, hint);
    match error {
        E::UnknownAgency(_) => to_status(Code::NotFound, "unknown_agency", "`sightline agency list` shows those there are"),
        E::UnknownCamera(_) => to_status(Code::NotFound, "unknown_camera", "`sightline camera list` shows those there are"),
        E::UnknownRecorder(_) => to_status(Code::NotFound, "unknown_recorder", "`sightline recorder list` shows those there are"),
        E::UnknownJob(_) => to_status(Code::NotFound, "unknown_job", "`sightline archive list` shows those there are"),
        E::UnknownCase(_) => to_status(Code::NotFound, "no_case", "`sightline case list` shows those you may see"),
        E::Exists { .. } => to_status(Code::AlreadyExists, "exists", "choose another id"),
        E::Conflict { .. } => to_status(Code::Aborted, "conflict", "look again and retry"),
        E::JobState { .. } => to_status(Code::FailedPrecondition, "job_state", ""),
        E::Invalid { .. } => to_status(Code::InvalidArgument, "invalid", ""),
        E::RepairRefused { .. } => {
            to_status(Code::FailedPrecondition, "repair_refused", "mount the crop folder, then check again")
        }
        E::NotOurs { .. } => internal(Code::Aborted, "not_ours", error, "try again"),
        E::Busy(_) => internal(Code::Unavailable, "busy", error, "try again"),
        E::Unreachable { .. } => internal(Code::Unavailable, "database_away", error, "try again"),
        E::CropStore { fault, .. } => internal(Code::Unavailable, "crop_store", error, fault.hint()),
        E::DiskFull(_) => internal(Code::ResourceExhausted, "disk_full", error, "free some space on the server and try again"),
        E::Corrupt { .. } | E::Unreadable { .. } | E::BrokenRecord { .. } => {
            internal(Code::DataLoss, "damaged", error, "run `sightline check` on the server")
        }
        _ => internal(Code::Internal, "catalogue", error, "look at the server's log"),
    }
}

fn of_search(error: &SearchError) -> Status {
    match error {
        SearchError::Catalogue(error) => of_catalogue(error),
        SearchError::Denied(denial) => proto::status(Code::PermissionDenied, &denial.reason, denial.code.as_str(), &denial.hint),
        SearchError::Nothing => proto::status(
            Code::InvalidArgument,
            &error.to_string(),
            "nothing_asked",
            "name --class, a colour, a carried thing, or --like",
        ),
        SearchError::TooMany { .. } => proto::status(Code::InvalidArgument, &error.to_string(), "too_many", "narrow the search"),
        SearchError::Stopped => proto::status(Code::Unavailable, &error.to_string(), "stopping", "try again"),
        SearchError::Index(source) if source.is_away() => internal(Code::Unavailable, "index_away", source, INDEX_AWAY),
        SearchError::Index(_) => internal(Code::Internal, "index", error, "run `sightline check`"),
    }
}

/// Something of ours failed: logged with its causes, told without them.
fn internal(code: Code, reason: &str, error: &(dyn std::error::Error + 'static), hint: &str) -> Status {
    tracing::error!(error = %Chain(error), "request failed");
    proto::status(code, &error.to_string(), reason, hint)
}
