//! A copy of a deployment that lies in one folder, made while its server runs: the catalogue as it is at one moment, the crops of
//! its sightings, and the log up to exactly its last entry, checked entry by entry and signed. The index is derived and not copied.
//!
//! No private key is in it unless somebody asks, and then only what a server needs: its own key, the log's, and the secrets by
//! which it reaches cameras. The authority's key and people's keys are never in it: they do not belong on this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use access::log::{LogError, TreeHead, Trust, seal_backup, sign_head_as};
use audit_log::{FileTiles, LogFault, check_beginning, public_half, read_introductions, read_key, read_note, read_signer};
use catalogue::{Catalogue, CatalogueConfig, CatalogueError, FencingToken};
use deployment::{Home, make_private, private_folder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::{Day, ReceiveTime, SightingId};

use crate::{
    config::{Config, ConfigError, CropsConfig},
    record::log::{RecordFault, grow},
};

/// What a backup is, in its folder; written last, so that a folder without one is no backup.
pub(crate) const MANIFEST: &str = "backup.json";
/// Every other file with its SHA-256, as `sha256sum --check` reads it.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The log's signature under the manifest's SHA-256.
pub(crate) const SEAL: &str = "seal.txt";
/// There until a backup is whole.
const UNFINISHED: &str = "unfinished";
/// What this version writes and reads.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const DATABASE: &str = "catalogue.db";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The deployment's configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalogue can't be copied.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The log can't be copied, or does not fit the catalogue.
    #[error(transparent)]
    Log(#[from] RecordFault),
    /// The catalogue is in a database server, which has backups of its own.
    #[error("the catalogue of this deployment is in {database}, not in its folder")]
    Shared {
        /// Its address, without a password.
        database: String,
    },
    /// The crops are in a store that has backups of its own.
    #[error("the crops of this deployment are in a store of their own, not in its folder")]
    CropsElsewhere,
    /// The folder for the backup has something else in it.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The disk is too full.
    #[error("{} has {free} bytes free; the catalogue alone takes {needed}", folder.display())]
    NoRoom {
        /// The folder for the backup.
        folder: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that the catalogue takes.
        needed: u64,
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

impl From<LogFault> for BackupError {
    fn from(fault: LogFault) -> Self {
        Self::Log(fault.into())
    }
}

impl From<LogError> for BackupError {
    fn from(error: LogError) -> Self {
        Self::Log(error.into())
    }
}

impl BackupError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Catalogue(error) => error.hint().unwrap_or("nothing of the deployment was changed; try again").to_owned(),
            Self::Log(error) => error.hint().to_owned(),
            Self::Shared { .. } => {
                let missing = if on_path("pg_dump") { "" } else { " (pg_dump is not installed here: package postgresql-client)" };
                format!(
                    "in this order: copy each server's home folder, then `pg_dump --format=custom --file=sightline.dump` of that database{missing}, then the store of crops; docs/operations.md, \"Backup\""
                )
            }
            Self::CropsElsewhere => {
                "in this order: copy the home folder without data/index, its catalogue by `sqlite3 data/catalogue.db \".backup copy.db\"`, then the store of crops; docs/operations.md, \"Backup\"".to_owned()
            }
            Self::NotEmpty(_) => "name a folder that is not there yet, one a backup".to_owned(),
            Self::NoRoom { .. } => "make room, or name a folder on another disk".to_owned(),
            Self::Io { .. } => {
                "run it as the server's account, and into a folder where that may write; what was begun is begun anew by the same command".to_owned()
            }
        }
    }
}

/// Whether a program can be called by its name.
fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// What a backup says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Which way the backup is laid out.
    pub format: u32,
    /// The version of Sightline that made it.
    pub version: String,
    /// When it was begun, by the machine's clock.
    pub made: ReceiveTime,
    /// The log's name.
    pub log: String,
    /// Entries of the audit record.
    pub entries: u64,
    /// The log's root at that size, in hexadecimal.
    pub root: String,
    /// Sightings in it.
    pub sightings: u64,
    /// Crops in it.
    pub crops: u64,
    /// Sightings whose crop was not there when the backup was made.
    pub without_crop: u64,
    /// When the first of its sightings comes to its end: from then on the backup holds what should be gone.
    pub first_ends: Option<ReceiveTime>,
    /// Whether the server's private keys and secrets are in it.
    pub keys: bool,
    /// Files in it, without those that describe it.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// SHA-256 of `SHA256SUMS`.
    pub sums: String,
}

/// Makes a backup of the deployment in `home` in the folder `to`, which must be empty or hold one that was cut off. With `keys`,
/// with what the server needs to go on alone. Calls `progress` with what is copied, and how many of it.
///
/// # Errors
/// [`BackupError`]. A backup that was cut off goes on with the same call.
pub async fn backup(
    home: &Home,
    to: &Path,
    keys: bool,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Backup, BackupError> {
    let config = embedded(&home.config())?;
    let data = home.root().join(&config.data);
    begin(to)?;
    let made = ReceiveTime::now();
    let live = data.join(DATABASE);
    room_for(&live, to)?;
    // Before the catalogue, so that it can't know of more.
    let published = read_note(&FileTiles::new(home.log()).checkpoint())?;
    progress("the catalogue", 0);
    Catalogue::copy_database(&live, &to.join(DATABASE)).await?;
    make_private(&to.join(DATABASE)).map_err(io_error("make private", &to.join(DATABASE)))?;
    let mut copy = Files { to: to.to_owned(), lines: String::new(), files: 0, bytes: 0 };

    let places = CatalogueConfig { crops: to.join("crops").into(), database: to.join(DATABASE).into() };
    let catalogue = Catalogue::open_unchanged(&places).await?;
    let gone = copy_crops(&catalogue, &data, &mut copy, progress).await?;
    // What has no row in the deployment by now was deleted meanwhile: it is not in the backup either.
    let (catalogue, without_crop) = if gone.is_empty() {
        (catalogue, 0)
    } else {
        catalogue.close().await;
        let left = without(&live, &data, &places, to, gone).await?;
        (Catalogue::open_unchanged(&places).await?, left)
    };
    let head = copy_log(home, &catalogue, to, published).await?;
    let first_ends = first_ends(&catalogue, &config).await?;
    let days = catalogue.ids_by_day().await?;
    let sightings = days.values().map(|ids| ids.len() as u64).sum();
    catalogue.close().await;
    let crops = copy.files;
    copy.add(DATABASE)?;
    copy.add_all(Path::new("log"))?;

    for (from, name) in public_parts(home, &data)? {
        copy.take(&from, &name)?;
    }
    if keys {
        for (from, name) in private_parts(home, &config)? {
            copy.take(&from, &name)?;
        }
    }
    copy.write(SUMS, copy.lines.as_bytes())?;
    let backup = Backup {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made,
        log: read_key(&public_half(&home.log_key()))?.name().to_owned(),
        entries: head.size,
        root: hex::encode(head.hash.0),
        sightings,
        crops,
        without_crop,
        first_ends,
        keys,
        files: copy.files,
        bytes: copy.bytes,
        sums: hex::encode(Sha256::digest(copy.lines.as_bytes())),
    };
    let text = serde_json::to_string_pretty(&backup).map_err(|e| io_error("write", &to.join(MANIFEST))(e.into()))? + "\n";
    let seal = seal_backup(Sha256::digest(text.as_bytes()).into(), &read_signer(&home.log_key())?)?;
    copy.write(SEAL, seal.to_string().as_bytes())?;
    // Everything before the one file that says that it is whole.
    sync(to)?;
    durable::write(&to.join(MANIFEST), text.as_bytes()).map_err(io_error("write", &to.join(MANIFEST)))?;
    make_private(&to.join(MANIFEST)).map_err(io_error("make private", &to.join(MANIFEST)))?;
    let marker = to.join(UNFINISHED);
    fs::remove_file(&marker).map_err(io_error("remove", &marker))?;
    Ok(backup)
}

/// The configuration of a deployment that lies in one folder.
///
/// # Errors
/// [`BackupError::Shared`], [`BackupError::CropsElsewhere`].
pub(crate) fn embedded(file: &Path) -> Result<Config, BackupError> {
    let config = Config::load(file)?;
    if let Some(database) = &config.database {
        return Err(BackupError::Shared { database: database.url.to_string() });
    }
    match &config.crops {
        Some(CropsConfig::Folder(_) | CropsConfig::Bucket { .. }) => Err(BackupError::CropsElsewhere),
        None => Ok(config),
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { action, path, source }
}

/// Makes the folder, or clears one that a backup was cut off in.
fn begin(to: &Path) -> Result<(), BackupError> {
    private_folder(to).map_err(io_error("make", to))?;
    let marker = to.join(UNFINISHED);
    let mut entries = fs::read_dir(to).map_err(io_error("read", to))?.peekable();
    if entries.peek().is_some() {
        if !marker.is_file() {
            return Err(BackupError::NotEmpty(to.to_owned()));
        }
        for entry in entries {
            let path = entry.map_err(io_error("read", to))?.path();
            if path != marker {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(io_error("remove", &path))?;
            }
        }
    }
    durable::write(&marker, b"").map_err(io_error("write", &marker))
}

fn room_for(database: &Path, to: &Path) -> Result<(), BackupError> {
    let needed = fs::metadata(database).map_err(io_error("read", database))?.len();
    let free = durable::room(to).map_err(io_error("ask for the room on", to))?.free;
    if free < needed { Err(BackupError::NoRoom { folder: to.to_owned(), free, needed }) } else { Ok(()) }
}

/// Copies the crops of a copied catalogue's sightings, and returns the sightings that have none.
async fn copy_crops(
    catalogue: &Catalogue,
    data: &Path,
    copy: &mut Files,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<BTreeMap<Day, Vec<SightingId>>, BackupError> {
    let mut gone = BTreeMap::new();
    for (day, ids) in catalogue.ids_by_day().await? {
        progress("crops", copy.files);
        let from = data.join("crops");
        let mut files = std::mem::take(copy);
        let copied = tokio::task::spawn_blocking(move || {
            let mut missing = Vec::new();
            for id in ids {
                let name = format!("{day}/{id}.jpg");
                match files.take(&from.join(&name), &format!("crops/{name}")) {
                    Ok(()) => {}
                    Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => missing.push(id),
                    Err(error) => return Err(error),
                }
            }
            Ok((files, missing))
        });
        let (files, missing) = copied.await.map_err(|_| RecordFault::Thread)??;
        *copy = files;
        if !missing.is_empty() {
            gone.insert(day, missing);
        }
    }
    Ok(gone)
}

/// Takes the sightings out of a copied catalogue whose rows the deployment has no more. Returns how many have a row there, and no
/// crop.
async fn without(
    live: &Path,
    data: &Path,
    copy: &CatalogueConfig,
    to: &Path,
    gone: BTreeMap<Day, Vec<SightingId>>,
) -> Result<u64, BackupError> {
    let places = CatalogueConfig { crops: data.join("crops").into(), database: live.to_owned().into() };
    let now = Catalogue::open_unchanged(&places).await?;
    let (mut deleted, mut left) = (Vec::new(), 0);
    for (day, ids) in gone {
        let there: BTreeSet<_> = now.ids(day).await?.into_iter().collect();
        let all = ids.len();
        let before = deleted.len();
        deleted.extend(ids.into_iter().filter(|id| !there.contains(id)));
        left += (all - (deleted.len() - before)) as u64;
    }
    now.close().await;
    if deleted.is_empty() {
        return Ok(left);
    }
    let catalogue = Catalogue::open(copy).await?;
    catalogue.discard_sightings(&deleted, &whole(&catalogue).await?).await?;
    catalogue.close().await;
    // Once more, so that their bytes are gone too.
    let (database, again) = (to.join(DATABASE), to.join("catalogue.db.new"));
    Catalogue::copy_database(&database, &again).await?;
    for side in ["catalogue.db-wal", "catalogue.db-shm"].map(|name| to.join(name)) {
        if side.exists() {
            fs::remove_file(&side).map_err(io_error("remove", &side))?;
        }
    }
    make_private(&again).map_err(io_error("make private", &again))?;
    durable::rename(&again, &database).map_err(io_error("write", &database))?;
    Ok(left)
}

/// Makes the log of exactly the copied catalogue's entries, holds it against what was published, and signs it.
async fn copy_log(
    home: &Home,
    catalogue: &Catalogue,
    to: &Path,
    published: Option<access::log::Note>,
) -> Result<TreeHead, BackupError> {
    let tiles = FileTiles::new(to.join("log"));
    let head = grow(catalogue, &tiles, TreeHead::EMPTY).await?;
    let signer = read_signer(&home.log_key())?;
    let keys = read_introductions(&home.log_introductions(), signer.key().name())?;
    let trust = Trust::knowing(signer.key().clone(), keys.clone());
    let by = || FileTiles::new(home.log()).checkpoint().display().to_string();
    let mut note = None;
    if let Some(published) = published {
        let seen = trust.check(&published)?.head;
        if seen.size > head.size {
            return Err(LogFault::Older { have: head.size, seen: seen.size, by: by() }.into());
        }
        check_beginning(&tiles, &seen, &head, by)?;
        // With its witnesses' signatures.
        note = Some(published).filter(|_| seen == head);
    }
    let note = note.map_or_else(|| sign_head_as(&signer, &keys, &head), Ok)?;
    let path = tiles.checkpoint();
    durable::write(&path, note.to_string().as_bytes()).map_err(io_error("write", &path))?;
    Ok(head)
}

async fn first_ends(catalogue: &Catalogue, config: &Config) -> Result<Option<ReceiveTime>, BackupError> {
    let cameras = catalogue.cameras().await?;
    let schedules = cameras.into_iter().map(|c| (c.id, config.retention.of(&c.policy))).collect();
    Ok(catalogue.shares().await?.iter().filter_map(|share| share.ends(&schedules)).min())
}

/// What is no secret, with its name in the backup.
fn public_parts(home: &Home, data: &Path) -> Result<Vec<(PathBuf, String)>, BackupError> {
    let mut parts = vec![(home.config(), "sightline.toml".to_owned())];
    let pki = home.pki();
    for name in ["ca.pem", "server.pem", "log.pub", "log.introductions", "issued.jsonl"] {
        parts.push((pki.join(name), format!("pki/{name}")));
    }
    parts.retain(|(from, _)| from.is_file());
    parts.extend(files_in(&home.grant_keys(), "pki/grant-keys")?);
    parts.extend(files_in(&data.join("appearance"), "appearance")?);
    Ok(parts)
}

/// What a server needs to go on; never the authority's key, nor anybody's own.
fn private_parts(home: &Home, config: &Config) -> Result<Vec<(PathBuf, String)>, BackupError> {
    let mut parts = vec![(home.server_key(), "pki/server.key".to_owned()), (home.log_key(), "pki/log.key".to_owned())];
    parts.extend(files_in(&home.camera_secrets(), "secrets/cameras")?);
    parts.extend(files_in(&home.recorder_secrets(), "secrets/recorders")?);
    // A key of the home folder's own; one that lies elsewhere is somebody else's to keep.
    if let Some(file) = config.index_server.as_ref().and_then(|server| server.api_key_file.as_deref()).filter(|f| is_inside(f)) {
        parts.push((home.root().join(file), format!("files/{}", file.display())));
    }
    parts.retain(|(from, _)| from.is_file());
    Ok(parts)
}

/// The files of a folder, in order; none where there is no folder.
fn files_in(folder: &Path, name: &str) -> Result<Vec<(PathBuf, String)>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io_error("read", folder)(source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("read", folder))?.path();
        if let Some(file) = path.file_name().and_then(|n| n.to_str()).filter(|_| path.is_file()) {
            files.push((path.clone(), format!("{name}/{file}")));
        }
    }
    files.sort();
    Ok(files)
}

/// The files under a folder, by their paths in it; none where there is no folder.
pub(crate) fn files_under(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let entry = entry.map_err(io_error("read", folder))?;
        let name = PathBuf::from(entry.file_name());
        if entry.path().is_dir() {
            found.extend(files_under(&entry.path())?.into_iter().map(|below| name.join(below)));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

/// A relative path that leaves no folder it is put into.
pub(crate) fn is_inside(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// What was copied, and the digests of it.
#[derive(Debug, Default)]
struct Files {
    to: PathBuf,
    lines: String,
    files: u64,
    bytes: u64,
}

impl Files {
    /// Copies a file.
    fn take(&mut self, from: &Path, name: &str) -> Result<(), BackupError> {
        let bytes = fs::read(from).map_err(io_error("read", from))?;
        self.write(name, &bytes)?;
        self.note(name, &Sha256::digest(&bytes), bytes.len() as u64);
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.to.join(name);
        let folder = path.parent().unwrap_or(&self.to);
        private_folder(folder).map_err(io_error("make", folder))?;
        write_new(&path, bytes).map_err(io_error("write", &path))
    }

    /// Takes a file that is there already.
    fn add(&mut self, name: &str) -> Result<(), BackupError> {
        let path = self.to.join(name);
        let (digest, bytes) = digest(&path).map_err(io_error("read", &path))?;
        self.note(name, &digest, bytes);
        Ok(())
    }

    fn add_all(&mut self, folder: &Path) -> Result<(), BackupError> {
        let path = self.to.join(folder);
        let mut entries =
            fs::read_dir(&path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>()).map_err(io_error("read", &path))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = folder.join(entry.file_name());
            if entry.path().is_dir() { self.add_all(&name)? } else { self.add(&name.to_string_lossy())? }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, digest: &[u8], bytes: u64) {
        self.lines.push_str(&format!("{}  {name}\n", hex::encode(digest)));
        self.files += 1;
        self.bytes += bytes;
    }
}

/// SHA-256 of a file, and its length.
pub(crate) fn digest(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let (mut hash, mut file) = (Sha256::new(), fs::File::open(path)?);
    let mut counted = Counted(&mut hash, 0);
    io::copy(&mut file, &mut counted)?;
    let bytes = counted.1;
    Ok((hash.finalize().to_vec(), bytes))
}

struct Counted<'a>(&'a mut Sha256, u64);

impl io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Readable by this account alone.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Everything that was written to the disk that `folder` lies on is on it when this returns.
pub(crate) fn sync(folder: &Path) -> Result<(), BackupError> {
    let file = fs::File::open(folder).map_err(io_error("open", folder))?;
    rustix::fs::syncfs(&file).map_err(|e| io_error("write out", folder)(e.into()))
}

/// Leave to delete in a catalogue that no server has opened yet: a copy, or one that is being restored.
pub(crate) async fn whole(catalogue: &Catalogue) -> Result<FencingToken, CatalogueError> {
    match catalogue.force_acquire_lease("copy", "copy", Duration::from_secs(86_400)).await? {
        Some(turn) => Ok(turn.into()),
        None => Err(CatalogueError::NotOurs { what: "the copy".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_a_backup_leaves_no_folder_it_is_put_into() {
        assert!(is_inside(Path::new("pki/log.pub")) && is_inside(Path::new("crops/2026-03-01/a.jpg")));
        for bad in ["", "/etc/passwd", "../x", "crops/../../x", "./x"] {
            assert!(!is_inside(Path::new(bad)), "{bad}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_no_place_for_a_backup_unless_one_was_cut_off_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("b");
        begin(&to).unwrap();
        fs::write(to.join("half"), "x").unwrap();
        begin(&to).unwrap();
        assert!(!to.join("half").exists());
        fs::remove_file(to.join(UNFINISHED)).unwrap();
        fs::write(to.join("mine"), "x").unwrap();
        assert!(matches!(begin(&to), Err(BackupError::NotEmpty(_))));
        assert!(to.join("mine").exists());
    }

    #[tokio::test]
    async fn a_sighting_that_is_deleted_while_the_backup_is_made_is_not_in_it_and_one_that_lost_its_crop_is() {
        let dir = tempfile::tempdir().unwrap();
        let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/fixtures/upgrade-9a762c7.tar.xz");
        let unpacked = std::process::Command::new("tar").args(["-xJf", archive, "-C"]).arg(dir.path()).status().unwrap();
        assert!(unpacked.success());
        let (data, to) = (dir.path().join("upgrade/home/data"), dir.path().join("b"));
        let live = data.join(DATABASE);
        let places = CatalogueConfig { crops: to.join("crops").into(), database: to.join(DATABASE).into() };
        let deployment = Catalogue::open(&CatalogueConfig::in_folder(&data)).await.unwrap();
        begin(&to).unwrap();
        Catalogue::copy_database(&live, &to.join(DATABASE)).await.unwrap();
        let (day, ids) = deployment.ids_by_day().await.unwrap().pop_first().unwrap();
        deployment.discard_sightings(&ids[..1], &whole(&deployment).await.unwrap()).await.unwrap();
        let left = without(&live, &data, &places, &to, [(day, ids[..2].to_vec())].into()).await.unwrap();
        assert_eq!(left, 1);
        let copy = Catalogue::open_unchanged(&places).await.unwrap();
        let kept = copy.ids(day).await.unwrap();
        assert!(!kept.contains(&ids[0]) && kept.contains(&ids[1]) && kept.len() == ids.len() - 1);
        copy.close().await;
        deployment.close().await;
        let bytes = fs::read(to.join(DATABASE)).unwrap();
        let (gone, there) = (ids[0].0.as_bytes(), ids[1].0.as_bytes());
        assert!(bytes.windows(16).any(|w| w == there));
        // Its tombstone names it until the index has taken that; nothing else does.
        assert!(bytes.windows(16).filter(|w| *w == gone).count() <= 2);
    }
}
