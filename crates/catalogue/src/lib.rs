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
//! one too. What takes longer than a transaction is done by leave that runs out: a job's lease, a [`Turn`]; what is written by
//! leave that somebody else has by now is refused in the transaction that would write it ([`Fence`]).
//!
//! Sightings, crops and vectors are read with an [`access::CasePermit`], within what its case covers. What is read for no case goes
//! through one door that says why, [`Catalogue::maintenance`].

mod access_list;
mod agency;
mod appearance;
mod audit;
mod camera;
mod case;
mod case_event;
mod change;
mod check;
mod check_seen;
mod crop;
mod engine;
mod erase;
mod error;
mod fleet;
mod hold;
mod job;
mod known;
mod latest;
mod lease;
mod list;
mod maintenance;
mod mark;
mod migrate;
mod open;
mod permitted;
mod prove_seen;
mod published;
mod recorded;
mod recorded_state;
mod recorder;
mod resume;
mod retention;
mod revoked;
mod row;
mod seen;
mod segment;
mod set_aside;
mod sighting;
mod turn;

pub use access_list::CameraAccess;
pub use agency::Agency;
pub use appearance::{AppearanceModel, ModelPlace};
pub use audit::AuditRecord;
pub use camera::{Camera, Position, SourceUrl};
pub use case::{Spent, StoredCase};
pub use case_event::StoredEvent;
pub use change::{Change, IndexRow, UnusableRow};
pub use check::{CheckReport, IdDifference, Repaired, compare_ids};
pub use crop::{CropFault, Crops, PlaceFault, S3Credentials, S3Place};
pub use engine::{Database, PostgresUrl};
pub use error::{CatalogueError, Cause};
pub use fleet::{LivingServer, ServerPosition};
pub use hold::StoredHold;
pub use job::{AddedJob, Job, JobProgress, JobState, NewJob, TakenJob};
pub use lease::{CameraLease, Lease, LeaseFault, LeaseRequest, Leases};
pub use list::{CasePlace, HoldPlace, JobCounts, JobPlace};
pub use maintenance::{Maintenance, Reason};
pub use mark::{KeptMark, MarkPlace};
pub use migrate::{MoveState, Moved};
pub use open::{Catalogue, CatalogueConfig};
pub use prove_seen::SeenProof;
pub use published::Publishing;
pub use recorded::RecordDifference;
pub use recorder::{NewRecorder, Recorder, RecorderMap};
pub use resume::Look;
pub use retention::{DeletionRun, Gone, Share, due};
pub use revoked::RevokedIdentity;
pub use segment::{Plan, SegmentDone};
pub use set_aside::SetAside;
pub use sighting::{Discarded, SightingRecord};
pub use turn::{Fence, JobLease, Turn};
