//! Another version of Sightline takes a deployment over: before the first change of its tables the catalogue is copied as it is, so
//! that the version before can have it back. The same happens where a server simply starts.
//!
//! The copy holds sightings, so it goes as soon as anything is deleted (what was deleted must not be left in it), and after 14
//! days. Going back is for as long as nothing was acknowledged since: no entry of the record and no sighting is given up for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use catalogue::{Catalogue, CatalogueConfig, CatalogueError, Look};
use deployment::{Home, HomeLock, LockError, private_folder};
use serde::{Deserialize, Serialize};
use types::ReceiveTime;

use crate::{
    base::clock::as_micros,
    copies::backup::{BackupError, DATABASE, digest, embedded, sync},
};

/// In the data folder.
const FOLDER: &str = "before-upgrade";
/// Written once the copy is whole.
const NOTE: &str = "upgrade.json";
/// The copy goes after this at the latest.
const KEPT: Duration = Duration::from_secs(14 * 86_400);

/// Why a catalogue is not brought up to date, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The copy can't be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A server runs on the home folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The catalogue can't be read or written.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The disk is too full.
    #[error(
        "there is no room for a copy of the catalogue before its tables are changed: {free} bytes are free, {needed} are needed"
    )]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that the copy takes.
        needed: u64,
    },
    /// The catalogue has faults that must be mended first. Says the first.
    #[error("the catalogue is damaged: {0}")]
    Damaged(String),
    /// There is nothing to go back to.
    #[error("there is no copy from before an upgrade")]
    NoCopy,
    /// The copy is not as it was made.
    #[error("the copy from before the upgrade is damaged")]
    BadCopy,
    /// Going back would lose what was acknowledged.
    #[error(
        "since the copy was made {entries} entries of the record and {changes} changes to sightings were acknowledged; going back would lose them"
    )]
    Acknowledged {
        /// Entries of the audit record since then.
        entries: u64,
        /// Changes to sightings since then.
        changes: u64,
    },
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
}

impl UpgradeError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Backup(BackupError::Shared { .. }) => "stop all servers, copy the database with `pg_dump --format=custom`, and start one of the new version: it brings the tables up to date".to_owned(),
            Self::Backup(error) => error.hint(),
            Self::Lock(LockError::InUse { .. }) => "stop the server first".to_owned(),
            Self::Lock(error @ LockError::Open { .. }) => error.hint(),
            Self::Lock(LockError::Io { .. }) | Self::Io { .. } => "check the disk, and run it as the server's account".to_owned(),
            Self::Catalogue(error) => error.hint().unwrap_or("nothing was changed; check the disk, then try again").to_owned(),
            Self::NoRoom { .. } => "nothing was changed; make room where data/ lies, then try again".to_owned(),
            Self::Damaged(_) => "go back with `sightline upgrade --rollback`, and look at it with the version before".to_owned(),
            Self::NoCopy => "one is made before tables are changed, and goes when something is deleted, after 14 days, and by a rollback".to_owned(),
            Self::BadCopy => "nothing was changed; restore a backup: `sightline restore`".to_owned(),
            Self::Acknowledged { .. } => "nothing was changed: stay on this version. The record only grows, and no server starts on one that is shorter".to_owned(),
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UpgradeError {
    let path = path.to_owned();
    move |source| UpgradeError::Io { action, path, source }
}

/// What the copy is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    made: ReceiveTime,
    /// The version that made it: the one that takes over.
    by: String,
    from: i64,
    to: i64,
    entries: u64,
    last_change: u64,
    sha256: String,
}

/// How a deployment stands to this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The newest change of the tables that was carried out; `None`: there is no catalogue yet.
    pub schema: Option<i64>,
    /// The newest that this version knows.
    pub newest: i64,
    /// Bytes that the copy takes.
    pub needs: u64,
    /// Bytes that are free for it.
    pub free: u64,
    /// The copy that a rollback would go back to, if one is kept.
    pub copy: Option<PathBuf>,
}

/// What an upgrade did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The migration that the tables were at.
    pub from: i64,
    /// The migration that the tables are at.
    pub to: i64,
    /// Entries of the audit record.
    pub entries: u64,
    /// Sightings in the catalogue.
    pub sightings: u64,
    /// Kept for a rollback.
    pub copy: Option<PathBuf>,
}

struct Places {
    database: PathBuf,
    folder: PathBuf,
    copy: PathBuf,
    note: PathBuf,
}

impl Places {
    fn of(data: &Path) -> Self {
        let folder = data.join(FOLDER);
        Self { database: data.join(DATABASE), copy: folder.join(DATABASE), note: folder.join(NOTE), folder }
    }

    fn read_note(&self) -> Option<Note> {
        serde_json::from_slice(&fs::read(&self.note).ok()?).ok()
    }

    fn room(&self) -> Result<(u64, u64), UpgradeError> {
        let needs = fs::metadata(&self.database).map_or(0, |m| m.len());
        let data = self.database.parent().unwrap_or(Path::new("."));
        let free = durable::room(data).map_err(failed("ask for the room on", data))?.free;
        // A migration writes as well.
        Ok((needs + needs / 5, free))
    }
}

fn data_of(home: &Home) -> Result<PathBuf, UpgradeError> {
    Ok(home.root().join(embedded(&home.config())?.data))
}

/// Says what an upgrade would do, and whether it can. Changes nothing.
///
/// # Errors
/// [`CatalogueError::TooNew`] where the catalogue is of a newer version than this.
pub async fn plan_upgrade(home: &Home) -> Result<Plan, UpgradeError> {
    let places = Places::of(&data_of(home)?);
    let look = Catalogue::look_at(&places.database).await?;
    check_known(look, &places)?;
    let (needs, free) = if places.database.is_file() { places.room()? } else { (0, 0) };
    Ok(Plan {
        schema: look.map(|look| look.schema),
        newest: look.map_or(0, |look| look.newest),
        needs,
        free,
        copy: places.read_note().map(|_| places.copy),
    })
}

fn check_known(look: Option<Look>, places: &Places) -> Result<(), UpgradeError> {
    if look.is_some_and(|look| look.schema > look.newest) {
        return Err(CatalogueError::TooNew { database: places.database.display().to_string() }.into());
    }
    Ok(())
}

/// Copies the catalogue, brings its tables up to date, and checks it. Cut off, the same command goes on.
///
/// # Errors
/// [`UpgradeError`]. Where the tables were changed already, the copy is there to go back to.
pub async fn upgrade(home: &Home) -> Result<Upgraded, UpgradeError> {
    let data = data_of(home)?;
    let _lock = HomeLock::acquire(home.root())?;
    let places = Places::of(&data);
    let Some(before) = Catalogue::look_at(&places.database).await? else {
        return Ok(Upgraded { from: 0, to: 0, entries: 0, sightings: 0, copy: None });
    };
    check_known(Some(before), &places)?;
    copy_before(&data).await?;
    let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&data)).await?;
    let report = catalogue.check().await;
    let record = catalogue.check_state().await;
    catalogue.close().await;
    if let Some(said) = report?.database.first() {
        return Err(UpgradeError::Damaged(said.clone()));
    }
    if let Some(found) = record?.first() {
        tracing::warn!(subject = found.subject, "not what the record says: {}", found.message);
    }
    let after = Catalogue::look_at(&places.database).await?.unwrap_or(before);
    if (after.entries, after.sightings) != (before.entries, before.sightings) {
        return Err(UpgradeError::Damaged("it has other sightings or entries than before".to_owned()));
    }
    let from = places.read_note().map_or(before.schema, |note| note.from);
    let copy = places.read_note().map(|_| places.copy);
    Ok(Upgraded { from, to: after.schema, entries: after.entries, sightings: after.sightings, copy })
}

/// Before this version changes the tables of the catalogue in `data`, copies it. Nothing is changed where there is nothing to change,
/// nor where the copy of an upgrade that was cut off is whole.
pub(crate) async fn copy_before(data: &Path) -> Result<(), UpgradeError> {
    let places = Places::of(data);
    let Some(look) = Catalogue::look_at(&places.database).await? else { return Ok(()) };
    if look.schema >= look.newest {
        return Ok(());
    }
    let is_of_this = |note: &Note| note.to == look.newest && (note.entries, note.last_change) == (look.entries, look.last_change);
    if places.read_note().is_some_and(|note| is_of_this(&note)) {
        return Ok(());
    }
    forget(data)?;
    let (needed, free) = places.room()?;
    if free < needed {
        return Err(UpgradeError::NoRoom { free, needed });
    }
    private_folder(&places.folder).map_err(failed("make", &places.folder))?;
    Catalogue::copy_database(&places.database, &places.copy).await?;
    sync(&places.folder)?;
    let (sha256, _) = digest(&places.copy).map_err(failed("read", &places.copy))?;
    let note = Note {
        made: ReceiveTime::now(),
        by: env!("CARGO_PKG_VERSION").to_owned(),
        from: look.schema,
        to: look.newest,
        entries: look.entries,
        last_change: look.last_change,
        sha256: hex::encode(sha256),
    };
    let text = serde_json::to_vec_pretty(&note).map_err(|e| failed("write", &places.note)(e.into()))?;
    durable::write(&places.note, &text).map_err(failed("write", &places.note))?;
    tracing::info!(from = look.schema, to = look.newest, copy = %places.copy.display(), "the catalogue was copied before its tables are changed");
    Ok(())
}

/// Puts the copy from before an upgrade back in its place, for the version before.
///
/// # Errors
/// [`UpgradeError::Acknowledged`] where something would be lost.
pub async fn roll_back(home: &Home) -> Result<Upgraded, UpgradeError> {
    let data = data_of(home)?;
    let _lock = HomeLock::acquire(home.root())?;
    let places = Places::of(&data);
    let note = places.read_note().ok_or(UpgradeError::NoCopy)?;
    let (found, _) = digest(&places.copy).map_err(failed("read", &places.copy))?;
    if hex::encode(found) != note.sha256 {
        return Err(UpgradeError::BadCopy);
    }
    let now = Catalogue::look_at(&places.database).await?.ok_or(UpgradeError::BadCopy)?;
    check_known(Some(now), &places)?;
    let (entries, changes) = (now.entries.saturating_sub(note.entries), now.last_change.saturating_sub(note.last_change));
    if entries + changes > 0 {
        return Err(UpgradeError::Acknowledged { entries, changes });
    }
    let old = Catalogue::look_at(&places.copy).await?.ok_or(UpgradeError::BadCopy)?;
    // The write-ahead log of the one must not be taken for the other's: closed by its last reader, it is gone.
    Catalogue::open(&CatalogueConfig::in_folder(&data)).await?.close().await;
    for side in ["catalogue.db-wal", "catalogue.db-shm"].map(|name| data.join(name)) {
        if fs::metadata(&side).is_ok_and(|m| m.len() > 0 && side.extension().is_some_and(|e| e == "db-wal")) {
            return Err(UpgradeError::Damaged("its write-ahead log could not be emptied".to_owned()));
        }
        if side.exists() {
            fs::remove_file(&side).map_err(failed("remove", &side))?;
        }
    }
    durable::rename(&places.copy, &places.database).map_err(failed("put in place", &places.database))?;
    sync(&data)?;
    forget(&data)?;
    // Derived, and perhaps in a form that the version before does not know.
    let index = data.join("index");
    if index.is_dir() {
        fs::remove_dir_all(&index).map_err(failed("remove", &index))?;
    }
    Ok(Upgraded { from: now.schema, to: old.schema, entries: old.entries, sightings: old.sightings, copy: None })
}

/// Deletes the copy: it holds what was deleted just now, or its time is over.
pub(crate) fn forget(data: &Path) -> Result<(), UpgradeError> {
    let folder = data.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &folder)(e)),
        _ => Ok(()),
    }
}

/// As [`forget`], where the copy is older than it may be.
pub(crate) fn forget_old(data: &Path, now: ReceiveTime) -> Result<(), UpgradeError> {
    let Some(note) = Places::of(data).read_note() else { return Ok(()) };
    if now.as_micros().saturating_sub(note.made.as_micros()) < as_micros(KEPT) {
        return Ok(());
    }
    forget(data)
}

/// Whether there is a copy.
pub(crate) fn is_kept(data: &Path) -> bool {
    data.join(FOLDER).exists()
}
