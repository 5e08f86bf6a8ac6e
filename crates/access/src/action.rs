use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Caller, Code, Denial, Role};

/// Everything a caller can ask for: one a call of the service, so that a test can hold the two lists against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// A search for sightings under a case: one answer, ranked.
    #[serde(rename = "search")]
    Search,
    /// Searches from now on, for as long as the caller listens.
    #[serde(rename = "keep_looking")]
    KeepLooking,
    /// The redacted crop of one sighting is shown.
    #[serde(rename = "crop")]
    GetCrop,
    /// Sightings leave the deployment, sealed.
    #[serde(rename = "export")]
    Export,
    /// An agency joins the pool of cameras.
    #[serde(rename = "agency.add")]
    AddAgency,
    /// The agencies are listed.
    #[serde(rename = "agency.list")]
    ListAgencies,
    /// One camera is added to an agency.
    #[serde(rename = "camera.add")]
    AddCamera,
    /// Cameras are listed, without the addresses of their streams.
    #[serde(rename = "camera.list")]
    ListCameras,
    /// The address of a camera's stream changes.
    #[serde(rename = "camera.source")]
    SetCameraSource,
    /// What each camera's stream does at the moment.
    #[serde(rename = "camera.status")]
    CameraStatus,
    /// Many at once, all or none.
    #[serde(rename = "camera.import")]
    ImportCameras,
    /// The list of cameras is written out, in the form that an import reads.
    #[serde(rename = "camera.export")]
    ExportCameras,
    /// A video recorder is added, whose recordings can be pulled.
    #[serde(rename = "recorder.add")]
    AddRecorder,
    /// Recorders are listed, without their passwords.
    #[serde(rename = "recorder.list")]
    ListRecorders,
    /// What a recorder has recorded is listed, by channel and time.
    #[serde(rename = "recorder.recordings")]
    ListRecordings,
    /// A recorder's channel is tied to a camera.
    #[serde(rename = "recorder.map")]
    MapRecording,
    /// A recorder is taken out. Footage pulled from it stays.
    #[serde(rename = "recorder.remove")]
    RemoveRecorder,
    /// Recordings are pulled from a recorder as footage.
    #[serde(rename = "footage.pull")]
    AddRecordings,
    /// A case is opened; it permits nothing before somebody authorises it, an emergency apart.
    #[serde(rename = "case.open")]
    OpenCase,
    /// An authoriser signs the grant of a case.
    #[serde(rename = "case.authorise")]
    AuthoriseCase,
    /// About how much a case would open, for whoever is asked to sign it.
    #[serde(rename = "case.preview")]
    PreviewCase,
    /// One case is read.
    #[serde(rename = "case.get")]
    GetCase,
    /// Cases are listed.
    #[serde(rename = "case.list")]
    ListCases,
    /// Events of cases are told for as long as the caller listens.
    #[serde(rename = "case.watch")]
    WatchCases,
    /// A case is ended by its requester or by an authoriser.
    #[serde(rename = "case.close")]
    CloseCase,
    /// What a requester thinks of sightings that were handed out under their case.
    #[serde(rename = "mark.set")]
    SetMarks,
    /// The marks of a case's sightings are listed.
    #[serde(rename = "mark.list")]
    ListMarks,
    /// What was searched and exported under a case is listed.
    #[serde(rename = "case.calls")]
    ListCaseCalls,
    /// Files of footage of one camera become a job.
    #[serde(rename = "footage.add")]
    AddFootage,
    /// One footage job is read.
    #[serde(rename = "job.get")]
    GetJob,
    /// Footage jobs are listed.
    #[serde(rename = "job.list")]
    ListJobs,
    /// A footage job's progress is told until the job ends.
    #[serde(rename = "job.watch")]
    WatchJob,
    /// A footage job is stopped; what it found so far goes.
    #[serde(rename = "job.cancel")]
    CancelJob,
    /// A job that failed begins again.
    #[serde(rename = "job.retry")]
    RetryJob,
    /// The sightings of one piece of footage are removed, and it may be added again.
    #[serde(rename = "footage.remove")]
    RemoveFootage,
    /// The state of the deployment: health, cameras, jobs, disk.
    #[serde(rename = "status")]
    Status,
    /// The catalogue, the crops and the index are held against each other; nothing is changed.
    #[serde(rename = "check")]
    Check,
    /// What a check found is mended.
    #[serde(rename = "check.repair")]
    Repair,
    /// The index is made again from the catalogue.
    #[serde(rename = "index.rebuild")]
    RebuildIndex,
    /// A second index is begun, for another appearance model.
    #[serde(rename = "reindex.start")]
    StartReindex,
    /// How far a reindex is.
    #[serde(rename = "reindex.get")]
    GetReindex,
    /// Searches take the index of the new model from here on.
    #[serde(rename = "reindex.switch")]
    SwitchReindex,
    /// Searches take the index of the old model again.
    #[serde(rename = "reindex.rollback")]
    RollBackReindex,
    /// The index that is not searched is deleted.
    #[serde(rename = "reindex.drop")]
    DropReindex,
    /// Entries of the audit record are listed.
    #[serde(rename = "audit.list")]
    ListAudit,
    /// The receipt of one entry: that it is in the record, for anybody to check without the server.
    #[serde(rename = "audit.receipt")]
    GetReceipt,
    /// A certificate counts no more.
    #[serde(rename = "identity.revoke")]
    RevokeIdentity,
    /// The identities that the record knows are listed.
    #[serde(rename = "identity.list")]
    ListIdentities,
    /// An authoriser refuses a case, which ends and is purged.
    #[serde(rename = "case.refuse")]
    RefuseCase,
    /// The server itself: a case that was refused or that nobody authorised in time leaves nothing behind.
    #[serde(rename = "case.purge")]
    PurgeCase,
    /// What others may do with a camera changes.
    #[serde(rename = "camera.policy")]
    SetCameraPolicy,
    /// What a change of policy would take out of open cases.
    #[serde(rename = "camera.preview")]
    PreviewCameraPolicy,
    /// A camera is kept out of searches until it is resumed.
    #[serde(rename = "camera.pause")]
    PauseCamera,
    /// A paused camera may be searched again.
    #[serde(rename = "camera.resume")]
    ResumeCamera,
    /// A camera is kept out of searches for good.
    #[serde(rename = "camera.revoke")]
    RevokeCamera,
    /// Who looked at which camera, for its owner.
    #[serde(rename = "camera.accesses")]
    ListAccesses,
    /// When sightings are due to be deleted, and how many.
    #[serde(rename = "retention.status")]
    RetentionStatus,
    /// Deletions that have been done are listed, with their proof.
    #[serde(rename = "retention.list")]
    ListDeletions,
    /// What is due is deleted now.
    #[serde(rename = "retention.run")]
    RunRetention,
    /// The server itself: the time of these sightings has come.
    #[serde(rename = "retention.delete")]
    DeleteSightings,
    /// A legal hold is asked for: it would keep sightings beyond their time.
    #[serde(rename = "hold.place")]
    PlaceHold,
    /// A second person confirms a hold, which begins by it.
    #[serde(rename = "hold.confirm")]
    ConfirmHold,
    /// A hold's release is asked for, or agreed to.
    #[serde(rename = "hold.release")]
    ReleaseHold,
    /// Legal holds are listed.
    #[serde(rename = "hold.list")]
    ListHolds,
    /// An ingest worker leases cameras to look at. The word on the record is `ingest.hold`.
    #[serde(rename = "ingest.hold")]
    LeaseCameras,
    /// An ingest worker hands sightings in.
    #[serde(rename = "ingest.push")]
    PushSightings,
    /// The server itself: it saw a certificate that the record did not know.
    #[serde(rename = "identity.issue")]
    IssueIdentity,
    /// The server itself: from here on signatures with this key count.
    #[serde(rename = "grant_key.trust")]
    TrustGrantKey,
    /// The server itself: new signatures with this key count no more.
    #[serde(rename = "grant_key.drop")]
    DropGrantKey,
    /// The server itself: from here on it takes certificates that this authority has signed.
    #[serde(rename = "authority.trust")]
    TrustAuthority,
    /// The server itself: it takes no more certificates that this authority has signed.
    #[serde(rename = "authority.drop")]
    DropAuthority,
    /// On the server's machine, by who holds the log's key: the old key introduces a new one.
    #[serde(rename = "log_key.introduce")]
    IntroduceLogKey,
    /// The server itself: what is seen from here on, and what is not there any more. One entry, in the transaction of the rows.
    #[serde(rename = "sightings.commit")]
    CommitSightings,
    /// Somebody comes in; on the record only where they were turned away.
    #[serde(rename = "connect")]
    Connect,
}

/// What a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Everything of the kind, whoever owns it.
    Yes,
    /// Only what is theirs: their own case, or their own organisation's cameras. Checked where the thing is known.
    Own,
    /// Nothing.
    No,
}

impl Action {
    /// Every action, in the order of their declaration.
    pub const ALL: [Self; 74] = [
        Self::Search,
        Self::KeepLooking,
        Self::GetCrop,
        Self::Export,
        Self::AddAgency,
        Self::ListAgencies,
        Self::AddCamera,
        Self::ListCameras,
        Self::SetCameraSource,
        Self::CameraStatus,
        Self::ImportCameras,
        Self::ExportCameras,
        Self::AddRecorder,
        Self::ListRecorders,
        Self::ListRecordings,
        Self::MapRecording,
        Self::RemoveRecorder,
        Self::AddRecordings,
        Self::OpenCase,
        Self::AuthoriseCase,
        Self::PreviewCase,
        Self::GetCase,
        Self::ListCases,
        Self::WatchCases,
        Self::CloseCase,
        Self::SetMarks,
        Self::ListMarks,
        Self::ListCaseCalls,
        Self::AddFootage,
        Self::GetJob,
        Self::ListJobs,
        Self::WatchJob,
        Self::CancelJob,
        Self::RetryJob,
        Self::RemoveFootage,
        Self::Status,
        Self::Check,
        Self::Repair,
        Self::RebuildIndex,
        Self::StartReindex,
        Self::GetReindex,
        Self::SwitchReindex,
        Self::RollBackReindex,
        Self::DropReindex,
        Self::ListAudit,
        Self::GetReceipt,
        Self::RevokeIdentity,
        Self::ListIdentities,
        Self::RefuseCase,
        Self::PurgeCase,
        Self::SetCameraPolicy,
        Self::PreviewCameraPolicy,
        Self::PauseCamera,
        Self::ResumeCamera,
        Self::RevokeCamera,
        Self::ListAccesses,
        Self::RetentionStatus,
        Self::ListDeletions,
        Self::RunRetention,
        Self::DeleteSightings,
        Self::PlaceHold,
        Self::ConfirmHold,
        Self::ReleaseHold,
        Self::ListHolds,
        Self::LeaseCameras,
        Self::PushSightings,
        Self::IssueIdentity,
        Self::TrustGrantKey,
        Self::DropGrantKey,
        Self::TrustAuthority,
        Self::DropAuthority,
        Self::IntroduceLogKey,
        Self::CommitSightings,
        Self::Connect,
    ];

    /// The word that the record keeps. It never changes: entries are hashed with it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::KeepLooking => "keep_looking",
            Self::GetCrop => "crop",
            Self::Export => "export",
            Self::AddAgency => "agency.add",
            Self::ListAgencies => "agency.list",
            Self::AddCamera => "camera.add",
            Self::ListCameras => "camera.list",
            Self::SetCameraSource => "camera.source",
            Self::CameraStatus => "camera.status",
            Self::ImportCameras => "camera.import",
            Self::ExportCameras => "camera.export",
            Self::AddRecorder => "recorder.add",
            Self::ListRecorders => "recorder.list",
            Self::ListRecordings => "recorder.recordings",
            Self::MapRecording => "recorder.map",
            Self::RemoveRecorder => "recorder.remove",
            Self::AddRecordings => "footage.pull",
            Self::OpenCase => "case.open",
            Self::AuthoriseCase => "case.authorise",
            Self::PreviewCase => "case.preview",
            Self::GetCase => "case.get",
            Self::ListCases => "case.list",
            Self::WatchCases => "case.watch",
            Self::CloseCase => "case.close",
            Self::SetMarks => "mark.set",
            Self::ListMarks => "mark.list",
            Self::ListCaseCalls => "case.calls",
            Self::AddFootage => "footage.add",
            Self::GetJob => "job.get",
            Self::ListJobs => "job.list",
            Self::WatchJob => "job.watch",
            Self::CancelJob => "job.cancel",
            Self::RetryJob => "job.retry",
            Self::RemoveFootage => "footage.remove",
            Self::Status => "status",
            Self::Check => "check",
            Self::Repair => "check.repair",
            Self::RebuildIndex => "index.rebuild",
            Self::StartReindex => "reindex.start",
            Self::GetReindex => "reindex.get",
            Self::SwitchReindex => "reindex.switch",
            Self::RollBackReindex => "reindex.rollback",
            Self::DropReindex => "reindex.drop",
            Self::ListAudit => "audit.list",
            Self::GetReceipt => "audit.receipt",
            Self::RevokeIdentity => "identity.revoke",
            Self::ListIdentities => "identity.list",
            Self::RefuseCase => "case.refuse",
            Self::PurgeCase => "case.purge",
            Self::SetCameraPolicy => "camera.policy",
            Self::PreviewCameraPolicy => "camera.preview",
            Self::PauseCamera => "camera.pause",
            Self::ResumeCamera => "camera.resume",
            Self::RevokeCamera => "camera.revoke",
            Self::ListAccesses => "camera.accesses",
            Self::RetentionStatus => "retention.status",
            Self::ListDeletions => "retention.list",
            Self::RunRetention => "retention.run",
            Self::DeleteSightings => "retention.delete",
            Self::PlaceHold => "hold.place",
            Self::ConfirmHold => "hold.confirm",
            Self::ReleaseHold => "hold.release",
            Self::ListHolds => "hold.list",
            Self::LeaseCameras => "ingest.hold",
            Self::PushSightings => "ingest.push",
            Self::IssueIdentity => "identity.issue",
            Self::TrustGrantKey => "grant_key.trust",
            Self::DropGrantKey => "grant_key.drop",
            Self::TrustAuthority => "authority.trust",
            Self::DropAuthority => "authority.drop",
            Self::IntroduceLogKey => "log_key.introduce",
            Self::CommitSightings => "sightings.commit",
            Self::Connect => "connect",
        }
    }

    /// The action of a word of the record. `None` where there is none.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == word)
    }

    /// The whole of what roles may do, in one place. A row a line; the snapshot in `tests/snapshots` is for people.
    pub const fn permission(self, role: Role) -> Permission {
        use Permission::{No, Own, Yes};
        //                               investigator, authoriser, camera owner, operator, auditor, ingest
        let row = match self {
            Self::Search | Self::KeepLooking | Self::GetCrop | Self::Export => [Own, No, No, No, No, No],
            Self::SetMarks | Self::ListMarks | Self::ListCaseCalls => [Own, No, No, No, No, No],
            Self::AddAgency => [No, No, No, Yes, No, No],
            Self::ListAgencies | Self::ListCameras | Self::Status => [Yes, Yes, Yes, Yes, Yes, No],
            Self::AddCamera | Self::SetCameraSource | Self::CameraStatus => [No, No, Own, Yes, No, No],
            Self::ImportCameras | Self::ExportCameras => [No, No, Own, Yes, No, No],
            Self::AddRecorder | Self::ListRecorders | Self::ListRecordings | Self::MapRecording => [No, No, Own, Yes, No, No],
            Self::RemoveRecorder | Self::AddRecordings => [No, No, Own, Yes, No, No],
            Self::OpenCase => [Yes, No, No, No, No, No],
            Self::AuthoriseCase | Self::PreviewCase => [No, Own, No, No, No, No],
            Self::GetCase | Self::ListCases => [Own, Yes, No, No, Yes, No],
            Self::WatchCases => [No, Yes, Own, No, No, No],
            Self::CloseCase => [Own, Yes, No, No, No, No],
            Self::AddFootage | Self::GetJob | Self::ListJobs | Self::WatchJob | Self::CancelJob => [No, No, Own, Yes, No, No],
            Self::RetryJob | Self::RemoveFootage => [No, No, Own, Yes, No, No],
            Self::Check => [No, No, No, Yes, Yes, No],
            Self::Repair | Self::RebuildIndex => [No, No, No, Yes, No, No],
            Self::StartReindex | Self::SwitchReindex | Self::RollBackReindex | Self::DropReindex => [No, No, No, Yes, No, No],
            Self::GetReindex => [No, No, No, Yes, Yes, No],
            Self::ListAudit => [No, No, No, No, Yes, No],
            Self::GetReceipt => [Own, Own, Own, Own, Yes, No],
            Self::RevokeIdentity => [No, No, No, Yes, No, No],
            Self::ListIdentities => [No, No, No, Yes, Yes, No],
            Self::RefuseCase => [No, Yes, No, No, No, No],
            Self::SetCameraPolicy | Self::PauseCamera | Self::ResumeCamera | Self::RevokeCamera => [No, No, Own, No, No, No],
            Self::PreviewCameraPolicy => [No, No, Own, No, No, No],
            Self::ListAccesses => [No, No, Own, No, Yes, No],
            Self::RetentionStatus => [No, No, No, Yes, Yes, No],
            Self::ListDeletions => [No, No, Own, Yes, Yes, No],
            Self::RunRetention => [No, No, No, Yes, No, No],
            // Whoever searches keeps nothing longer: holds are for those who oversee and those whose cameras they are.
            Self::PlaceHold | Self::ConfirmHold | Self::ReleaseHold | Self::ListHolds => [No, Yes, Own, No, Yes, No],
            Self::LeaseCameras | Self::PushSightings => [No, No, No, No, No, Own],
            // Nobody asks for these: the server does them by itself.
            Self::IssueIdentity | Self::TrustGrantKey | Self::DropGrantKey => [No, No, No, No, No, No],
            Self::TrustAuthority | Self::DropAuthority | Self::IntroduceLogKey => [No, No, No, No, No, No],
            Self::PurgeCase | Self::DeleteSightings | Self::CommitSightings | Self::Connect => [No, No, No, No, No, No],
        };
        row[role as usize]
    }

    /// Whether it hands out sightings or pictures of them: what stops while witnesses are missing.
    pub const fn reads_sightings(self) -> bool {
        matches!(self, Self::Search | Self::KeepLooking | Self::GetCrop | Self::Export)
    }

    /// Whether the caller's role may do this at all. [`Permission::Own`] passes: the caller of this checks whose it is.
    ///
    /// # Errors
    /// A denial with [`Code::Role`], which names the roles that may.
    pub fn check_role(self, caller: &Caller) -> Result<Permission, Denial> {
        match self.permission(caller.role) {
            Permission::No => {
                let able: Vec<_> =
                    Role::ALL.into_iter().filter(|r| self.permission(*r) != Permission::No).map(Role::as_str).collect();
                Err(Denial::new(
                    Code::Role,
                    format!("the role {} may not do this ({self})", caller.role),
                    if able.is_empty() { String::new() } else { format!("ask somebody with the role {}", able.join(" or ")) },
                ))
            }
            permission => Ok(permission),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
