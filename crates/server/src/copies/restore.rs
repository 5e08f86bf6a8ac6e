//! A backup becomes a deployment again, in an empty home folder.
//!
//! Nothing of it can be searched before what should be gone is gone: everything happens beside the places where a server looks,
//! and takes them at the very end. Every file is held against its digest, and the log's entries against its checkpoint. A newer
//! copy of the log gives the entries that came after the backup: the record goes on from its newest entry, and what it says was
//! deleted is deleted again. Without one, what was deleted by hand after the backup can't be known, and the answer says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use access::{
    Action, AuditEntry, Deletion, IdDigest, Outcome, Phase,
    log::{Introductions, LogError, NoteKey, TreeHead, Trust, check_backup_seal},
};
use audit_log::{
    FileTiles, LogFault, check_beginning, checked, public_half, read_introductions, read_key, read_note, read_signer,
    verify_folder,
};
use catalogue::{Catalogue, CatalogueConfig, CatalogueError, due};
use deployment::{Home, HomeLock, LockError, make_private, mark, private_folder};
use sha2::{Digest, Sha256};
use types::{CameraId, Day, JobId, ReceiveTime};

use crate::{
    config::Config,
    copies::backup::{Backup, BackupError, DATABASE, FORMAT, MANIFEST, SEAL, SUMS, digest, embedded, is_inside, sync, whole},
    record::log::{RecordFault, grow, introduced_elsewhere},
};

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup can't be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The restored catalogue can't be opened.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The log does not fit the catalogue, or the seal is wrong.
    #[error(transparent)]
    Log(#[from] RecordFault),
    /// The home folder is in use, or open to others.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The home folder has something in it. Holds its path.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The folder is no backup.
    #[error("{} is no backup that is whole: {what}", folder.display())]
    NoBackup {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A file is not the one that was backed up.
    #[error("{} is not what was backed up: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The backup is laid out in a way that this version does not know.
    #[error("the backup is of format {found}; this version reads {FORMAT}")]
    Format {
        /// The way it is laid out.
        found: u32,
    },
    /// The database in the backup is damaged. Says what the database says.
    #[error("the catalogue in the backup is damaged: {0}")]
    Catalog(String),
    /// Without the log's key the record can't go on.
    #[error("the log's private key is neither in the backup nor among the keys given")]
    NoKey,
    /// The log has a newer key than the one given.
    #[error("the newer log says that its key was changed, and the key given is the one before")]
    OldKey,
    /// The clock is so far ahead that sightings would be deleted at once.
    #[error("this machine's clock says {now}, {days} days after the last that is known of the deployment")]
    Clock {
        /// What the clock says.
        now: ReceiveTime,
        /// Days since the last that is known.
        days: u64,
    },
}

impl From<LogFault> for RestoreError {
    fn from(fault: LogFault) -> Self {
        Self::Log(fault.into())
    }
}

impl From<LogError> for RestoreError {
    fn from(error: LogError) -> Self {
        Self::Log(error.into())
    }
}

impl RestoreError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Backup(error) => error.hint(),
            Self::Catalogue(error) => error.hint().unwrap_or("nothing was restored; try again").to_owned(),
            Self::Log(RecordFault::Log(LogFault::Older { .. })) => {
                "a newer log is known than the backup's: name a copy of it with `--log DIR`. If it is lost, move the high-water mark away and keep it: it proves that the entries were there".to_owned()
            }
            Self::Log(error) => error.hint().to_owned(),
            Self::Lock(_) => "stop the server first; a backup is restored into a home folder in which nothing is".to_owned(),
            Self::NotEmpty(_) => "restore into a folder that is not there yet: `--home DIR`".to_owned(),
            Self::NoBackup { .. } => "name the folder that `sightline backup --to` made, whole".to_owned(),
            Self::Damaged { .. } => "take another copy of the backup; nothing was restored".to_owned(),
            Self::Format { .. } => "use the version of Sightline that made it".to_owned(),
            Self::Catalog(_) => "take another backup; nothing was restored".to_owned(),
            Self::NoKey => {
                "name the folder with log.key (and server.key) with `--keys DIR`: they were in pki/ of the home folder, and are in a backup only where `--with-keys` was given".to_owned()
            }
            Self::OldKey => {
                "name the folder with the newest log.key, and log.pub beside it, with `--keys DIR`; the key of before signs nothing any more".to_owned()
            }
            Self::Clock { .. } => {
                "if that is right, say `--clock-is-right`: what has come to its end by it is deleted; if not, set the clock first".to_owned()
            }
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let failed = crate::copies::backup::io_error(action, path);
    move |source| failed(source).into()
}

/// What a restore goes by.
#[derive(Debug)]
pub struct RestoreOptions {
    /// The folder of the backup.
    pub from: PathBuf,
    /// A folder with `log.key` and `server.key`.
    pub keys: Option<PathBuf>,
    /// A newer copy of the log: the folder that holds `checkpoint` and `tile`.
    pub log: Option<PathBuf>,
    /// Somebody says that this machine's clock is right, although it is far ahead of the backup.
    pub clock_is_right: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub backup: Backup,
    /// Of the log.
    pub entries: u64,
    /// The log's root at that size.
    pub root: [u8; 32],
    /// Entries that the backup did not have.
    pub entries_after: u64,
    /// Sightings that are there now.
    pub sightings: u64,
    /// Of those in the backup, sightings whose crop was missing or damaged when it was made.
    pub without_crop: u64,
    /// Deleted again, as the newer log says that they were.
    pub deleted_by_record: u64,
    /// Deleted because their time had come.
    pub deleted_by_clock: u64,
    /// What happened after the backup, by the newer log, and has to be done again: the word of the action, how often, and of which
    /// cameras.
    pub again: BTreeMap<&'static str, Again>,
    /// Nothing is known of what happened after this, unless nothing did.
    pub known_until: ReceiveTime,
    /// The high-water mark shows that nothing happened after what is known.
    pub is_newest: bool,
    /// Whether the server's private key is there, or must be issued.
    pub has_server_key: bool,
}

/// What happened after the backup and has to be done again by hand.
#[derive(Debug, Default)]
pub struct Again {
    /// How often it happened.
    pub times: u64,
    /// The cameras it was about.
    pub cameras: BTreeSet<CameraId>,
}

/// Restores a backup into the empty folder `home`.
///
/// # Errors
/// [`RestoreError`]. The home folder is empty then, or the same call goes on.
pub async fn restore(
    home: &Home,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Restored, RestoreError> {
    let (backup, manifest) = read_manifest(&options.from)?;
    private_folder(home.root()).map_err(failed("make", home.root()))?;
    let _lock = HomeLock::acquire(home.root())?;
    let scratch = Home::new(home.root().join(".restore"));
    check_empty(home.root(), scratch.root())?;
    progress("reading the backup", 0);
    let (from, into, sums) = (options.from.clone(), scratch.root().to_owned(), backup.sums.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&from, &into, &sums));
    copied.await.map_err(|_| RecordFault::Thread)??;
    if let Some(keys) = &options.keys {
        take_keys(keys, &scratch)?;
    }
    if !scratch.log_key().is_file() {
        return Err(RestoreError::NoKey);
    }
    let key = read_signer(&scratch.log_key())?.key().clone();
    let trust = know_keys(key, &scratch, options)?;
    let seal = options.from.join(SEAL);
    let note = fs::read_to_string(&seal).map_err(failed("read", &seal))?;
    // Whoever has the newest key can know those before it, and what they sealed.
    let mut keys = trust.known.keys().chain([&trust.log]);
    if !keys.any(|key| check_backup_seal(&note, manifest, key).is_ok()) {
        return Err(RestoreError::Damaged {
            file: seal,
            what: "it is not the log's seal of this backup, or the keys are another deployment's",
        });
    }
    let config = embedded(&scratch.config())?;
    let data = home.root().join(&config.data);
    check_data(home, &data)?;
    let places = CatalogueConfig { crops: scratch.root().join("crops").into(), database: scratch.root().join(DATABASE).into() };
    let catalogue = Catalogue::open(&places).await?;
    let restored = put_right(home, &scratch, options, backup, &config, &trust, &catalogue, progress).await;
    catalogue.close().await;
    let restored = restored?;
    settle(home, &scratch, &data)?;
    Ok(restored)
}

/// Everything that happens to the catalogue and to the log before anybody can search.
#[allow(clippy::too_many_arguments, reason = "called once")]
async fn put_right(
    home: &Home,
    scratch: &Home,
    options: &RestoreOptions,
    backup: Backup,
    config: &Config,
    trust: &Trust,
    catalogue: &Catalogue,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Restored, RestoreError> {
    progress("checking the catalogue and the crops", 0);
    let report = catalogue.check().await?;
    if let Some(said) = report.database.first() {
        return Err(RestoreError::Catalog(said.clone()));
    }
    // As they were backed up: every file is what it was. A deployment with a crop that is lost is better than none.
    let without_crop = (report.without_crop.len() + report.unreadable_crop.len()) as u64;
    progress("checking the log", 0);
    let tiles = FileTiles::new(scratch.log());
    let before = verify(&tiles, trust).await?;
    if catalogue.audit_len().await? != before.size || hex::encode(before.hash.0) != backup.root {
        return Err(LogFault::Forked { by: options.from.join(MANIFEST).display().to_string() }.into());
    }
    check_rows(catalogue, before).await?;
    let after = match &options.log {
        Some(folder) => go_on(catalogue, &tiles, folder, before, trust).await?,
        None => Vec::new(),
    };
    if introduced_elsewhere(scratch, catalogue).await? {
        return Err(RestoreError::OldKey);
    }
    let head = grow(catalogue, &tiles, before).await?;
    let marked = check_mark(home, config, trust, &tiles, head)?;
    let last_entry = after.last().map(|entry| entry.at);
    let last = catalogue.last_time().await?.into_iter().chain(last_entry).chain([backup.made]).max().unwrap_or(backup.made);
    let now = believed(ReceiveTime::now(), last, config, options)?;
    let now = catalogue.advance_clock(now).await?;

    progress("deleting what should be gone", 0);
    let mut again = BTreeMap::new();
    let recorded = Recorded::of(&after, before.size, &mut again);
    let mut deleted_by_record = recorded.take_away(catalogue).await?;
    let days = catalogue.days().await?;
    let recorded_days = recorded.days.into_iter().filter(|(day, _)| days.contains(day)).collect();
    deleted_by_record += delete(catalogue, recorded_days, now).await?;
    let cameras = catalogue.cameras().await?;
    let cutoffs = config.retention.cutoffs(cameras.iter().map(|c| (&c.id, &c.policy)), now);
    let holds = catalogue.standing_holds().await?;
    let mut by_clock = due(&catalogue.shares().await?, &cutoffs);
    for day in catalogue.review_holds(&holds, now).await? {
        by_clock.entry(day).or_default();
    }
    let deleted_by_clock = delete(catalogue, by_clock, now).await?;
    catalogue.erase(&[]).await?;
    // Cases that the record closed after the backup are closed, and the lists of who looked are the record's.
    catalogue.repair_record().await?;
    let sightings = catalogue.ids_by_day().await?.values().map(|ids| ids.len() as u64).sum();
    Ok(Restored {
        entries: head.size,
        root: head.hash.0,
        entries_after: head.size - before.size,
        sightings,
        without_crop,
        deleted_by_record,
        deleted_by_clock,
        again,
        known_until: last_entry.unwrap_or(backup.made).max(backup.made),
        is_newest: marked == Some(head),
        has_server_key: scratch.server_key().is_file(),
        backup,
    })
}

/// With its SHA-256.
fn read_manifest(from: &Path) -> Result<(Backup, [u8; 32]), RestoreError> {
    let no_backup = |what: String| RestoreError::NoBackup { folder: from.to_owned(), what };
    let file = from.join(MANIFEST);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_backup(format!("there is no {MANIFEST}"))),
        Err(source) => return Err(failed("read", &file)(source)),
    };
    // The format first: what comes after may have other fields.
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| no_backup(format!("{MANIFEST}: {e}")))?;
    match value["format"].as_u64() {
        Some(found) if found != u64::from(FORMAT) => {
            return Err(RestoreError::Format { found: u32::try_from(found).unwrap_or(u32::MAX) });
        }
        _ => {}
    }
    let backup = serde_json::from_value(value).map_err(|e| no_backup(format!("{MANIFEST}: {e}")))?;
    Ok((backup, Sha256::digest(text.as_bytes()).into()))
}

/// Nothing but what a restore that was cut off left, which is cleared.
fn check_empty(home: &Path, scratch: &Path) -> Result<(), RestoreError> {
    for entry in fs::read_dir(home).map_err(failed("read", home))? {
        let path = entry.map_err(failed("read", home))?.path();
        if path == scratch {
            fs::remove_dir_all(&path).map_err(failed("clear", &path))?;
        } else if path.file_name().is_none_or(|name| name != "lock") {
            return Err(RestoreError::NotEmpty(home.to_owned()));
        }
    }
    Ok(())
}

/// A data folder elsewhere must be empty too, and on the disk of the home folder, so that it can be put in its place at once.
fn check_data(home: &Home, data: &Path) -> Result<(), RestoreError> {
    if data.starts_with(home.root()) {
        return Ok(());
    }
    private_folder(data).map_err(failed("make", data))?;
    match fs::read_dir(data).map_err(failed("read", data))?.next() {
        Some(_) => Err(RestoreError::NotEmpty(data.to_owned())),
        None => Ok(()),
    }
}

/// Copies every file that the backup lists, and holds each against its digest as it lies here.
fn copy(from: &Path, into: &Path, sums: &str) -> Result<(), RestoreError> {
    let list = from.join(SUMS);
    let text = fs::read(&list).map_err(failed("read", &list))?;
    if hex::encode(Sha256::digest(&text)) != sums {
        return Err(RestoreError::Damaged { file: list, what: "it has another digest" });
    }
    let text = String::from_utf8(text).map_err(|_| RestoreError::Damaged { file: list.clone(), what: "it is not text" })?;
    for line in text.lines() {
        let parts = line.split_once("  ").map(|(sum, name)| (sum, Path::new(name))).filter(|(_, name)| is_inside(name));
        let (sum, name) =
            parts.ok_or_else(|| RestoreError::Damaged { file: list.clone(), what: "a line of it is none of ours" })?;
        let (source, target) = (from.join(name), into.join(name));
        let folder = target.parent().unwrap_or(into);
        private_folder(folder).map_err(failed("make", folder))?;
        // A link would be another file by the next look.
        let meta = match fs::symlink_metadata(&source) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(RestoreError::Damaged { file: source, what: "it is not there" });
            }
            Err(error) => return Err(failed("read", &source)(error)),
        };
        if !meta.is_file() {
            return Err(RestoreError::Damaged { file: source, what: "it is no file" });
        }
        fs::copy(&source, &target).map_err(failed("copy", &source))?;
        make_private(&target).map_err(failed("make private", &target))?;
        if hex::encode(digest(&target).map_err(failed("read", &target))?.0) != sum {
            return Err(RestoreError::Damaged { file: source, what: "it has another digest" });
        }
    }
    Ok(())
}

/// What a server needs; nothing else of the folder is looked at.
fn take_keys(keys: &Path, scratch: &Home) -> Result<(), RestoreError> {
    for target in [scratch.log_key(), scratch.server_key()] {
        let source = keys.join(target.file_name().unwrap_or_default());
        if !source.is_file() {
            continue;
        }
        fs::copy(&source, &target).map_err(failed("copy", &source))?;
        make_private(&target).map_err(failed("make private", &target))?;
    }
    // The log may have changed its key after the backup: what lies beside the key says which one it is.
    let (source, target) = (public_half(&keys.join("log.key")), public_half(&scratch.log_key()));
    if keys.join("log.key").is_file() && source.is_file() {
        fs::copy(&source, &target).map_err(failed("copy", &source))?;
    }
    Ok(())
}

/// The log's key, and what the newer log says of its other keys. What the backup says of them counts as far as that agrees.
fn know_keys(key: NoteKey, scratch: &Home, options: &RestoreOptions) -> Result<Trust, RestoreError> {
    let mut trust = Trust::knowing(key, Introductions::NONE);
    let of_backup = read_introductions(&scratch.log_introductions(), trust.log.name())?;
    if of_backup.keys().any(|known| *known == trust.log) {
        trust.known = of_backup;
    }
    if let Some(note) = options.log.as_ref().map(|folder| read_note(&FileTiles::new(folder).checkpoint())).transpose()?.flatten()
    {
        trust.known = trust.check(&note)?.keys;
    }
    Ok(trust)
}

async fn verify(tiles: &FileTiles, trust: &Trust) -> Result<TreeHead, RecordFault> {
    let (tiles, trust) = (tiles.clone(), trust.clone());
    let checked = tokio::task::spawn_blocking(move || verify_folder(&tiles, &trust, |_, _| {}));
    Ok(checked.await.map_err(|_| RecordFault::Thread)??.head)
}

/// The catalogue's rows are the log's entries: a tree made of them is the same.
async fn check_rows(catalogue: &Catalogue, head: TreeHead) -> Result<(), RestoreError> {
    let mut tiles = access::log::MemoryTiles::default();
    let mut grown = TreeHead::EMPTY;
    loop {
        let rows = catalogue.audit_bytes_since(grown.size, 4096).await?;
        if rows.is_empty() {
            break;
        }
        grown = access::log::append(&mut tiles, &grown, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }
    if grown == head { Ok(()) } else { Err(RecordFault::Row { seq: head.size }.into()) }
}

/// Takes the entries that a newer log has more into the record. Returns them.
async fn go_on(
    catalogue: &Catalogue,
    tiles: &FileTiles,
    folder: &Path,
    before: TreeHead,
    trust: &Trust,
) -> Result<Vec<AuditEntry>, RestoreError> {
    let newer = FileTiles::new(folder);
    let (read, trust) = (newer.clone(), trust.clone());
    let taken = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let checked = verify_folder(&read, &trust, |index, entry| {
            if index >= before.size {
                bytes.push(entry.to_vec());
            }
        })?;
        Ok::<_, LogFault>((checked.head, bytes))
    });
    let (head, bytes) = taken.await.map_err(|_| RecordFault::Thread)??;
    if head.size < before.size {
        return Ok(Vec::new());
    }
    check_beginning(&newer, &before, &head, || folder.display().to_string())?;
    let mut entries = Vec::with_capacity(bytes.len());
    for (seq, bytes) in (before.size + 1..).zip(&bytes) {
        let entry = AuditEntry::from_bytes(bytes);
        entries.push(entry.map_err(|_| CatalogueError::BrokenRecord { seq, what: "it can't be read" })?);
    }
    catalogue.resume_record(&bytes).await?;
    if grow(catalogue, tiles, before).await? != head {
        return Err(LogFault::Forked { by: folder.display().to_string() }.into());
    }
    // With its witnesses' signatures.
    let note = read_note(&newer.checkpoint())?.ok_or_else(|| LogFault::NoCheckpoint { path: newer.checkpoint() })?;
    let path = tiles.checkpoint();
    durable::write(&path, note.to_string().as_bytes()).map_err(failed("write", &path))?;
    Ok(entries)
}

/// What the high-water marks of the folder's place know; more than is here stops it.
fn check_mark(
    home: &Home,
    config: &Config,
    trust: &Trust,
    tiles: &FileTiles,
    head: TreeHead,
) -> Result<Option<TreeHead>, RestoreError> {
    let place = mark::place(home, &config.log.high_water);
    let mut newest: Option<TreeHead> = None;
    for path in std::iter::once(place.clone()).chain(mark::earlier(home, &place)) {
        let by = || path.display().to_string();
        let Some(seen) = checked(trust, &path)? else { continue };
        if seen.size > head.size {
            return Err(LogFault::Older { have: head.size, seen: seen.size, by: by() }.into());
        }
        check_beginning(tiles, &seen, &head, by)?;
        newest = newest.filter(|other| other.size >= seen.size).or(Some(seen));
    }
    Ok(newest)
}

/// As retention does, a clock that leapt is not believed until somebody says that it is right.
fn believed(now: ReceiveTime, last: ReceiveTime, config: &Config, options: &RestoreOptions) -> Result<ReceiveTime, RestoreError> {
    let ahead = now.as_micros().saturating_sub(last.as_micros());
    if !options.clock_is_right && ahead > crate::base::clock::as_micros(config.clock_leap) {
        let days = ahead.unsigned_abs() / 86_400_000_000;
        return Err(RestoreError::Clock { now, days });
    }
    Ok(now)
}

/// What a newer log says was taken away after the backup.
#[derive(Debug, Default)]
struct Recorded {
    days: BTreeMap<Day, BTreeMap<CameraId, ReceiveTime>>,
    jobs: BTreeSet<JobId>,
    purged: BTreeSet<types::CaseId>,
}

impl Recorded {
    /// `before`: how many entries there are before these.
    fn of(entries: &[AuditEntry], before: u64, again: &mut BTreeMap<&'static str, Again>) -> Self {
        let mut found = Self::default();
        let mut begun: BTreeMap<u64, &AuditEntry> = BTreeMap::new();
        for (seq, entry) in (before + 1..).zip(entries) {
            // Also one that was cut off had begun to delete.
            if let (Action::DeleteSightings, Some(deletion)) = (entry.action, &entry.detail.deletion) {
                let day = found.days.entry(deletion.day).or_default();
                for (camera, cutoff) in &deletion.stored_before {
                    let latest = day.entry(camera.clone()).or_insert(*cutoff);
                    *latest = (*latest).max(*cutoff);
                }
            }
            match &entry.phase {
                Phase::Begin => {
                    begun.insert(seq, entry);
                }
                Phase::Complete { begin, outcome: Outcome::Done } => {
                    let began = begun.remove(begin).unwrap_or(entry);
                    found.jobs.extend(began.detail.job.clone().filter(|_| takes_away(entry.action)));
                    found.purged.extend(entry.case.clone().filter(|_| entry.action == Action::PurgeCase));
                    if is_to_do_again(entry.action) {
                        let again = again.entry(entry.action.as_str()).or_default();
                        again.times += 1;
                        again.cameras.extend(began.detail.cameras.iter().cloned());
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Footage that was removed, and words of cases that nobody agreed to. Returns how many sightings were deleted.
    async fn take_away(&self, catalogue: &Catalogue) -> Result<u64, RestoreError> {
        let fence = whole(catalogue).await?;
        let mut deleted = 0;
        for id in &self.jobs {
            // One that was added after the backup is not there.
            let job = match catalogue.job(id).await {
                Ok(job) => job,
                Err(CatalogueError::UnknownJob(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            deleted += catalogue.discard_footage(&job.spec.camera, job.spec.footage, &fence).await?.sightings;
            let job = if job.state.is_final() { job } else { catalogue.cancel_job(id).await? };
            if job.state.is_final() {
                catalogue.remove_job(id).await?;
            }
        }
        for case in &self.purged {
            catalogue.erase_salts(case).await?;
        }
        Ok(deleted)
    }
}

/// Of a job: what it stored is gone afterwards.
fn takes_away(action: Action) -> bool {
    matches!(action, Action::RemoveFootage | Action::CancelJob)
}

/// Changes that are not derived from the record, and are not in a backup from before them.
fn is_to_do_again(action: Action) -> bool {
    use Action::*;
    matches!(
        action,
        AddAgency
            | AddCamera
            | ImportCameras
            | SetCameraSource
            | SetCameraPolicy
            | PauseCamera
            | ResumeCamera
            | RevokeCamera
            | OpenCase
            | AuthoriseCase
            | AddFootage
            | AddRecorder
            | MapRecording
            | RemoveRecorder
            | AddRecordings
            | PlaceHold
            | ConfirmHold
            | ReleaseHold
            | SwitchReindex
            | DropReindex
            | PushSightings
    )
}

/// Deletes what is due of these days, rows and crops. The accounts stay open: the first sweep of the server that starts here looks
/// for what was deleted and puts it on the record.
async fn delete(
    catalogue: &Catalogue,
    days: BTreeMap<Day, BTreeMap<CameraId, ReceiveTime>>,
    now: ReceiveTime,
) -> Result<u64, RestoreError> {
    let holds = catalogue.standing_holds().await?;
    let fence = whole(catalogue).await?;
    let mut deleted = 0;
    for (day, stored_before) in days {
        let (cameras, ids) = (BTreeMap::new(), IdDigest::default());
        let deletion = Deletion { day, whole: false, stored_before, cameras, held: 0, ids, probe: None };
        let mut run = catalogue.begin_deletion(&deletion, now).await?;
        loop {
            let gone = catalogue.delete_due(&mut run, &holds, now, &fence).await?;
            if gone.is_empty() {
                break;
            }
            deleted += gone.len() as u64;
        }
        catalogue.delete_crops(day).await?;
    }
    Ok(deleted)
}

/// Puts everything in its place. The configuration is last: without it no server starts.
fn settle(home: &Home, scratch: &Home, data: &Path) -> Result<(), RestoreError> {
    sync(scratch.root())?;
    private_folder(data).map_err(failed("make", data))?;
    let place = |from: PathBuf, to: PathBuf| {
        if !from.exists() {
            return Ok(());
        }
        fs::rename(&from, &to).map_err(failed("put in place", &to))
    };
    let side = scratch.root().join("catalogue.db-wal");
    if fs::metadata(&side).is_ok_and(|m| m.len() > 0) {
        return Err(RestoreError::Catalog("its database was not closed".to_owned()));
    }
    for name in [DATABASE, "crops", "appearance"] {
        place(scratch.root().join(name), data.join(name))?;
    }
    for entry in crate::copies::backup::files_under(&scratch.root().join("files"))? {
        let target = home.root().join(&entry);
        let folder = target.parent().unwrap_or(home.root());
        private_folder(folder).map_err(failed("make", folder))?;
        place(scratch.root().join("files").join(&entry), target)?;
    }
    place(scratch.log(), home.log())?;
    place(scratch.root().join("secrets"), home.root().join("secrets"))?;
    for name in ["identities", "grant-keys"] {
        let folder = scratch.pki().join(name);
        private_folder(&folder).map_err(failed("make", &folder))?;
    }
    place(scratch.pki(), home.pki())?;
    place(scratch.config(), home.config())?;
    fs::remove_dir_all(scratch.root()).map_err(failed("clear", scratch.root()))?;
    sync(home.root())?;
    // Both halves of the key are where they belong.
    read_key(&public_half(&home.log_key()))?;
    Ok(())
}
