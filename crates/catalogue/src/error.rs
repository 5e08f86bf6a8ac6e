use std::{io, path::PathBuf};

use types::{AgencyId, CameraId, CaseId, JobId, RecorderId, SightingId};

use crate::{LeaseFault, crop::CropFault};

/// Why the catalogue did not do what it was asked. Nothing is half-done.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("there is no agency {0}; add it with `sightline agency add {0}`")]
    UnknownAgency(AgencyId),
    #[error("there is no camera {0}; add it with `sightline camera add {0}`")]
    UnknownCamera(CameraId),
    #[error("there is no recorder {0}; add it with `sightline recorder add {0}`")]
    UnknownRecorder(RecorderId),
    #[error("there is no case {0}")]
    UnknownCase(CaseId),
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    #[error("there is already {kind} {id}")]
    Exists { kind: &'static str, id: String },
    /// More than one person may have.
    #[error(transparent)]
    Denied(access::Denial),
    #[error("{kind} {id} was changed by somebody else meanwhile; look again and retry")]
    Conflict { kind: &'static str, id: String },
    #[error("job {id} is {state}; it can't become {wanted}")]
    JobState { id: JobId, state: &'static str, wanted: &'static str },
    #[error("{what} is another server's by now; nothing of this was stored")]
    NotOurs { what: String },
    #[error("the target is not empty: {what}")]
    NotEmpty { what: &'static str },
    #[error("{what} is not the same in the target as in the source")]
    NotTheSame { what: String },
    #[error("the catalogue {database} is of an earlier version of Sightline; start and stop its server once with this one")]
    TooOld { database: String },
    #[error("{what} {text:?}")]
    Invalid { what: &'static str, text: String },
    #[error("sighting {id} {what}")]
    Sighting { id: SightingId, what: &'static str },
    #[error("sighting {id} is not its worker's to hand in: {fault}")]
    Lease { id: SightingId, fault: LeaseFault },
    #[error("sighting {id} is not as it was stored: {what}")]
    NotAsStored { id: SightingId, what: &'static str },
    #[error("the disk is full; nothing of this change was stored. Free some space where the catalogue lives and try again")]
    DiskFull(#[source] Cause),
    #[error("the catalogue {path} is damaged; restore it from a backup (the file is left as it is)")]
    Corrupt {
        path: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("{database} is not a catalogue of Sightline; name another, or move this one away")]
    NotACatalogue { database: String },
    #[error("the catalogue {database} was written by a newer version of Sightline; use that version")]
    TooNew { database: String },
    #[error("the database {database} can't be reached or refuses us; is it up, and are user and password right?")]
    Unreachable {
        database: String,
        #[source]
        source: Cause,
    },
    #[error("the catalogue was busy for too long; is another process using it?")]
    Busy(#[source] Cause),
    #[error("the stored {what} can't be read; `sightline check` says what is damaged")]
    Unreadable { what: String },
    #[error("the audit record is broken at entry {seq}: {what}. Keep the file as it is and look into it")]
    BrokenRecord { seq: u64, what: &'static str },
    #[error(
        "{missing} of {rows} sightings have no crop. That many are not deleted: is the crop folder {crops} the right one, and mounted?"
    )]
    RepairRefused { missing: u64, rows: u64, crops: String },
    #[error("{action}")]
    Crops {
        action: &'static str,
        #[source]
        source: Cause,
    },
    #[error("{action}: {store} {fault}")]
    CropStore {
        action: &'static str,
        /// Its name, without credentials.
        store: String,
        fault: CropFault,
        #[source]
        source: Cause,
    },
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the catalogue's database failed")]
    Database(#[source] Cause),
}

/// What a library below said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// PostgreSQL's, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
mod state {
    pub(super) const DISK_FULL: &str = "53100";
    /// Insufficient privileges or no such user, password or database.
    pub(super) const REFUSED: [&str; 4] = ["28000", "28P01", "3D000", "42501"];
    /// Too many connections, shutting down, starting up.
    pub(super) const AWAY: [&str; 4] = ["53300", "57P01", "57P02", "57P03"];
    /// Waited too long for a lock, or gave way to another transaction.
    pub(super) const CONTENDED: [&str; 3] = ["55P03", "40P01", "40001"];
}

/// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const NOT_A_DATABASE: u32 = 26;
}

impl CatalogueError {
    /// Whether it is a sighting that can't be stored: no trying again would help, and others can be.
    pub fn is_about_a_sighting(&self) -> bool {
        matches!(self, Self::Sighting { .. } | Self::Lease { .. } | Self::UnknownCamera(_) | Self::Invalid { .. })
    }

    /// Whether the store was away, busy or full, so that the same may succeed later without any change to what was asked.
    pub const fn may_pass(&self) -> bool {
        let away = matches!(self, Self::CropStore { fault: CropFault::Away, .. });
        away || matches!(self, Self::Unreachable { .. } | Self::Busy(_) | Self::DiskFull(_))
    }

    /// What to do about it, where the message does not say.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CropStore { fault, .. } => Some(fault.hint()),
            _ => None,
        }
    }

    pub(crate) fn invalid(what: &'static str, text: &str) -> Self {
        Self::Invalid { what, text: text.chars().take(200).collect() }
    }

    pub(crate) fn unreadable(what: impl Into<String>) -> Self {
        Self::Unreadable { what: what.into() }
    }

    /// Names what a store of crops said.
    pub(crate) fn crops(action: &'static str, source: object_store::Error) -> Self {
        if is_disk_full(&source) { Self::DiskFull(Box::new(source)) } else { Self::Crops { action, source: Box::new(source) } }
    }

    pub(crate) fn database(error: sqlx::Error, path: &std::path::Path) -> Self {
        match primary_code(&error) {
            Some(code::FULL) => Self::DiskFull(Box::new(error)),
            Some(code::CORRUPT) => Self::Corrupt { path: path.to_owned(), source: Box::new(error) },
            Some(code::NOT_A_DATABASE) => Self::NotACatalogue { database: path.display().to_string() },
            Some(code::BUSY | code::LOCKED) => Self::Busy(Box::new(error)),
            _ if is_disk_full(&error) => Self::DiskFull(Box::new(error)),
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Busy(Box::new(error)),
                other => Self::Database(Box::new(other)),
            },
        }
    }

    pub(crate) fn postgres(error: sqlx::Error, database: &str) -> Self {
        let state = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        let state = state.as_str();
        let connecting = matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut);
        if state == state::DISK_FULL {
            Self::DiskFull(Box::new(error))
        } else if state::CONTENDED.contains(&state) {
            Self::Busy(Box::new(error))
        } else if connecting || state::REFUSED.contains(&state) || state::AWAY.contains(&state) {
            Self::Unreachable { database: database.to_owned(), source: Box::new(error) }
        } else {
            Self::Database(Box::new(error))
        }
    }
}

impl From<sqlx::Error> for CatalogueError {
    /// For a catalogue that is open already; opening one names its file.
    fn from(error: sqlx::Error) -> Self {
        let sqlite = |e: &dyn sqlx::error::DatabaseError| e.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
        if error.as_database_error().is_some_and(|e| !sqlite(e)) {
            Self::postgres(error, "PostgreSQL")
        } else {
            Self::database(error, std::path::Path::new("catalogue.db"))
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    // Extended codes carry the primary one in their low byte.
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |e| e.source())
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}
