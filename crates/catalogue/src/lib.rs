//! The truth: agencies, cameras, cases, the audit trail, footage jobs and sightings in SQL, redacted crops through
//! `object_store`.
//!
//! When a call that changes something returns `Ok`, the change survives a crash (`synchronous=FULL`, crops synced to disk
//! before the row that names them commits). A crop without a row is rubbish and swept; a row without a crop can't come
//! about by a crash, and [`Catalogue::check`] finds it.
//!
//! Every change to sightings has a number that only grows, deletions included, so that the index can be derived:
//! [`Maintenance::changes_since`]. Embeddings are kept here too, so that deriving it needs no model.
//!
//! What it refuses: to store credentials (see [`SourceUrl`]), any picture that is not a [`redact::RedactedCrop`], a
//! sighting of an unknown camera or under another agency than its camera's, a case whose version moved on, an audit trail
//! with a gap. Whether that trail was changed is for the Merkle log over it to say.
//!
//! The only crate that sees SQL. Queries are plain SQL with `$n`, the same for SQLite and PostgreSQL, checked by tests on
//! both rather than by a database at build time; what differs is in `engine`. With PostgreSQL any number of processes share
//! one catalogue: what only one may change at a time has a lock (`engine::Lock`), and crops and rows change together under
//! one too. What takes longer than a transaction is leased: a job ([`JobLease`]), a task
//! ([`ClusterLease`]) or a camera ([`Lease`]). A write under a lease carries a [`FencingToken`]; its transaction refuses one that is
//! superseded.
//!
//! Sightings, crops and vectors are read with an [`access::CasePermit`], within what its case covers. What is read for no case goes
//! through one door that says why, [`Catalogue::maintenance`].

#![warn(missing_docs, clippy::missing_errors_doc)]

mod cameras;
mod cases;
mod cluster;
mod crop;
mod engine;
mod error;
mod jobs;
mod list;
mod open;
mod record;
mod row;
mod seen;
mod sightings;
mod upkeep;

pub use cameras::{
    access_list::CameraAccess,
    agency::Agency,
    camera::{Camera, Position, SourceUrl},
    recorder::{NewRecorder, Recorder, RecorderMap},
};
pub use cases::{
    event::StoredEvent,
    hold::StoredHold,
    mark::{KeptMark, MarkPlace},
    spent::Spent,
    stored::StoredCase,
};
pub use cluster::{
    camera_lease::{CameraLease, Lease, LeaseRequest, Leases},
    fencing_token::FencingToken,
    lease::{ClusterLease, JobLease},
    lease_fault::LeaseFault,
    lease_guard::LeaseGuard,
    membership::{Cluster, ServerState, lease_names},
    servers::{LiveServer, ServerPosition},
};
pub use crop::{CropFault, Crops, PlaceFault, S3Credentials, S3Place};
pub use engine::{Database, Look, PostgresUrl};
pub use error::{CatalogueError, Cause};
pub use jobs::{
    job::{AddedJob, Job, JobProgress, JobState, NewJob, TakenJob},
    segment::{Plan, SegmentDone},
};
pub use list::{CasePlace, HoldPlace, JobCounts, JobPlace};
pub use open::{Catalogue, CatalogueConfig};
pub use record::{
    audit::AuditRecord, difference::RecordDifference, known::RecordedGrantKey, published::Publishing, revoked::RevokedIdentity,
};
pub use seen::prove::SeenProof;
pub use sightings::{
    appearance::{AppearanceModel, ModelPlace},
    change::{Change, IndexRow, UnusableRow},
    maintenance::{Maintenance, Reason},
    permitted::{KnownCrops, Outline},
    set_aside::SetAside,
    sighting::{Discarded, SightingRecord},
};
pub use upkeep::{
    check::{CheckReport, IdDifference, Repaired, compare_ids},
    migrate::{MoveState, Moved},
    retention::{DeletedSighting, DeletionRun, Share, due},
};
