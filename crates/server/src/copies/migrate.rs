//! An embedded deployment moves to a database and a store that several servers share, its log included. The source is only
//! read; a move that was cut off goes on where it was; and what is there afterwards is compared, row by row and crop by crop.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use access::log::TreeHead;
use audit_log::FileTiles;
use catalogue::{Catalogue, CatalogueConfig, CatalogueError, MoveState, Moved};
use deployment::{Home, HomeLock, LockError, mark, private_folder};

use crate::{
    config::{Config, ConfigError},
    record::log::{Log, RecordFault, grow},
};

/// Why a deployment was not moved. The source is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A server runs on one of the two home folders.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A catalogue can't be read or written.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The log does not fit the catalogue.
    #[error(transparent)]
    Log(#[from] RecordFault),
    /// The configuration of the target names no database. Holds its path.
    #[error("{} names no database; there is nothing to move to", .0.display())]
    NoDatabase(PathBuf),
    /// The source is not in a folder.
    #[error("the source is not embedded: its configuration names a database or a store for crops of its own")]
    NotEmbedded,
    /// Source and target are the same folder. Holds both.
    #[error("{} and {} are one deployment", .0.display(), .1.display())]
    Same(PathBuf, PathBuf),
    /// The source must be mended first. Holds how many crops and faults.
    #[error("the source is damaged: {0} sightings without a readable crop, {1} faults of its database")]
    Damaged(usize, usize),
    /// A file of the target belongs to another deployment. Holds its path.
    #[error("{} is there already, and is not the source's", .0.display())]
    Other(PathBuf),
    /// The copied log is not the source's.
    #[error("the log in the target has another root than the source's")]
    Root,
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

impl MigrateError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Lock(LockError::InUse { .. }) => "stop its server first; nothing may change meanwhile".to_owned(),
            Self::Lock(error @ LockError::Open { .. }) => error.hint(),
            Self::Lock(_) | Self::Io { .. } => "check the folders and that you may read and write there".to_owned(),
            Self::Catalogue(CatalogueError::NotEmpty { .. }) => {
                "nothing was changed; give it an empty database, or go on with the move that was begun there".to_owned()
            }
            Self::Catalogue(CatalogueError::NotTheSame { .. }) | Self::Root => {
                "the source is as it was; empty the target and move again, and tell the authors if it stays so".to_owned()
            }
            Self::Catalogue(error) => error.hint().unwrap_or("the source is as it was; try again").to_owned(),
            Self::Log(error) => error.hint().to_owned(),
            Self::NoDatabase(_) => "set database.url and crops.url in it".to_owned(),
            Self::NotEmbedded => "only a deployment that lies in one folder is moved".to_owned(),
            Self::Same(..) => "put the new configuration into a folder of its own".to_owned(),
            Self::Damaged(..) => "look at it with `sightline check`, and `--repair` if what is lost is lost".to_owned(),
            Self::Other(_) => "move it away, or put the configuration into an empty folder".to_owned(),
        }
    }
}

/// What was moved, and found the same on both sides.
#[derive(Debug)]
pub struct Migrated {
    /// The home folder of the first server.
    pub home: PathBuf,
    /// The move was finished by an earlier process. Nothing was copied; the rest is read from the source.
    pub finished_before: bool,
    /// The tables, each with its rows.
    pub tables: Vec<Moved>,
    /// Crops that were copied.
    pub crops: u64,
    /// SHA-256 over the crops in their order.
    pub crops_digest: [u8; 32],
    /// Entries of the audit record.
    pub entries: u64,
    /// The log's root at that size.
    pub root: [u8; 32],
}

/// Moves the deployment in `from` to where the configuration `to` says; the folder of that file becomes the home of its first
/// server. Calls `progress` with what is copied, and how many of it.
///
/// # Errors
/// [`MigrateError`]. A move that was cut off goes on with the same call.
pub async fn migrate(from: &Home, to: &Path, mut progress: impl FnMut(&str, u64) + Send) -> Result<Migrated, MigrateError> {
    let config = Config::load(to)?;
    if config.database.is_none() {
        return Err(MigrateError::NoDatabase(to.to_owned()));
    }
    let source_config = Config::load(&from.config())?;
    if source_config.database.is_some() || source_config.crops.is_some() {
        return Err(MigrateError::NotEmbedded);
    }
    let home = Home::new(to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    let real =
        |path: &Path| path.canonicalize().map_err(|source| MigrateError::Io { action: "find", path: path.to_owned(), source });
    if real(from.root())? == real(home.root())? {
        return Err(MigrateError::Same(from.root().to_owned(), home.root().to_owned()));
    }
    let _source = HomeLock::acquire(from.root())?;
    let _target = HomeLock::acquire(home.root())?;

    let source_data = from.root().join(&source_config.data);
    let source = Catalogue::open_unchanged(&CatalogueConfig::in_folder(&source_data)).await?;
    let report = source.check().await?;
    let lost = report.without_crop.len() + report.unreadable_crop.len();
    if lost + report.database.len() > 0 {
        return Err(MigrateError::Damaged(lost, report.database.len()));
    }
    let scratch = tempfile_in(home.root())?;
    let head = grow(&source, &FileTiles::new(&scratch), TreeHead::EMPTY).await;
    let removed = fs::remove_dir_all(&scratch);
    let head = head?;
    removed.map_err(|e| MigrateError::Io { action: "clear", path: scratch, source: e })?;

    let target = Catalogue::open(&config.catalogue(home.root())?).await?;
    // As long as both say the same it is the same move.
    let identity = format!("{}/{}/{}", hex::encode(head.hash.0), head.size, source.last_change().await?);
    // A process that is killed after its last commit never said that it was done; the next one does.
    if target.begin_migration(&identity).await? == MoveState::Finished {
        let tables = source.moved_rows(&target).await?;
        let (crops, crops_digest) = source.moved_crops().await?;
        target.close().await;
        source.close().await;
        let (home, root) = (home.root().to_owned(), head.hash.0);
        return Ok(Migrated { home, finished_before: true, tables, crops, crops_digest, entries: head.size, root });
    }
    for part in ["pki", "secrets"] {
        copy_folder(&from.root().join(part), &home.root().join(part), Before::Same)?;
    }
    copy_folder(&source_data.join("appearance"), &home.root().join(&config.data).join("appearance"), Before::Same)?;
    // These may have grown here already, and are checked when the log is opened.
    copy_folder(&from.log(), &home.log(), Before::Kept)?;
    let (source_mark, mark) = (mark::place(from, &source_config.log.high_water), mark::place(&home, &config.log.high_water));
    for source_mark in std::iter::once(source_mark.clone()).chain(mark::earlier(from, &source_mark)) {
        copy_file(&source_mark, &mark, Before::Kept)?;
    }

    let tables = source.move_rows(&target, &mut progress).await?;
    let (crops, crops_digest) = source.move_crops(&target, &mut progress).await?;
    // Of the source's own checkpoint this finds out whether the log in the target goes on from it.
    let log = std::sync::Arc::new(Log::open(&home, &config.log, target.clone()).await?);
    let entries = log.verify().await?;
    if log.head() != head {
        return Err(MigrateError::Root);
    }
    target.finish_migration(&identity).await?;
    target.close().await;
    source.close().await;
    let (home, root) = (home.root().to_owned(), head.hash.0);
    Ok(Migrated { home, finished_before: false, tables, crops, crops_digest, entries, root })
}

fn tempfile_in(folder: &Path) -> Result<PathBuf, MigrateError> {
    let path = folder.join(".migrate");
    let failed = |source| MigrateError::Io { action: "make", path: path.clone(), source };
    if path.exists() {
        fs::remove_dir_all(&path).map_err(failed)?;
    }
    fs::create_dir_all(&path).map_err(failed)?;
    Ok(path)
}

/// What a file must be that is there already.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Same,
    Kept,
}

fn copy_folder(from: &Path, to: &Path, before: Before) -> Result<(), MigrateError> {
    if !from.is_dir() {
        return Ok(());
    }
    private_folder(to).map_err(|source| MigrateError::Io { action: "make", path: to.to_owned(), source })?;
    let failed = |source| MigrateError::Io { action: "read", path: from.to_owned(), source };
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_folder(&entry.path(), &target, before)?;
        } else {
            copy_file(&entry.path(), &target, before)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, before: Before) -> Result<(), MigrateError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| MigrateError::Io { action, path, source }
    };
    if !from.is_file() {
        return Ok(());
    }
    let bytes = fs::read(from).map_err(failed("read", from))?;
    if to.exists() {
        let same = before == Before::Kept || fs::read(to).map_err(failed("read", to))? == bytes;
        return if same { Ok(()) } else { Err(MigrateError::Other(to.to_owned())) };
    }
    durable::write(to, &bytes).map_err(failed("write", to))?;
    let permissions = fs::metadata(from).map_err(failed("read", from))?.permissions();
    fs::set_permissions(to, permissions).map_err(failed("write", to))
}
