use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use parking_lot::{Mutex, RwLock};
use types::{Day, ModelDigest, SightingId};

use crate::{
    IndexEntry, IndexError, IndexQuery, IndexSpec, Scored,
    bucket::{Bucket, remove_folder},
    error::EngineError,
    state::{State, sync_folder},
};

/// Changes are refused while less than this is free where the index lives: the engine's mapped files would otherwise kill
/// the process when the disk runs out.
pub const MIN_FREE_BYTES: u64 = 96 << 20;

/// Points handed to the engine at once: searches of their day wait for all of them, and its log has a record of all of them.
const POINTS_PER_CALL: usize = 64;

/// The vectors of one model in a folder, a bucket a day.
#[derive(Debug)]
pub(crate) struct Embedded {
    spec: IndexSpec,
    folder: PathBuf,
    buckets: RwLock<BTreeMap<Day, Arc<Bucket>>>,
    /// Serialises changes and flushes.
    writer: Mutex<Writer>,
    /// Held for as long as this lives.
    _lock: File,
}

#[derive(Debug)]
struct Writer {
    /// What is on disk.
    stored: State,
    /// Every change up to this number was taken; not all need be on disk.
    taken: u64,
    /// The buckets that changed since they were last flushed.
    dirty: BTreeSet<Day>,
}

impl Embedded {
    /// Opens or makes the index of `spec.model` under `dir`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] or [`IndexError::State`] where the folder can't be trusted: see [`Self::recreate`].
    pub(crate) fn open(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        let (folder, lock) = prepare(dir, &spec)?;
        sweep(&folder)?;
        let found = bucket_days(&folder)?;
        let stored = match State::load(&folder, &spec)? {
            Some(state) => state,
            // Without its state, nothing says what the buckets lack.
            None if !found.is_empty() => {
                return Err(IndexError::State { path: folder.join(State::FILE), reason: "the file is missing".to_owned() });
            }
            None => State::empty(),
        };
        if let Some(&day) = stored.days.difference(&found).next() {
            let source = EngineError("the folder is missing".to_owned());
            return Err(IndexError::Damaged { day, path: folder.join(day.to_string()), source });
        }
        let mut buckets = BTreeMap::new();
        for &day in &found {
            buckets.insert(day, Arc::new(Bucket::load(&folder, day, spec.appearance_len)?));
        }
        let writer = Writer { taken: stored.synced, stored, dirty: BTreeSet::new() };
        Ok(Self { spec, folder, buckets: RwLock::new(buckets), writer: Mutex::new(writer), _lock: lock })
    }

    /// Throws away whatever is there, damaged or not, and opens an empty index: the first step of a rebuild.
    pub(crate) fn recreate(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        let (folder, lock) = prepare(dir, &spec)?;
        // The state first: cut short, this leaves buckets without a state, which `open` refuses.
        remove_file(&folder.join(State::FILE))?;
        for day in bucket_days(&folder)? {
            delete_bucket(&folder, day)?;
        }
        drop(lock);
        Self::open(dir, spec)
    }

    /// One entry an id.
    pub(crate) fn upsert(&self, by_day: BTreeMap<Day, Vec<&IndexEntry>>, up_to: u64) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        if !by_day.is_empty() {
            self.check_space()?;
        }
        for (day, entries) in by_day {
            let bucket = self.bucket_or_new(&mut writer, day)?;
            writer.dirty.insert(day);
            for chunk in entries.chunks(POINTS_PER_CALL) {
                bucket.upsert(chunk)?;
            }
        }
        writer.taken = writer.taken.max(up_to);
        Ok(())
    }

    pub(crate) fn remove(&self, by_day: BTreeMap<Day, Vec<SightingId>>, up_to: u64) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        for (day, ids) in by_day {
            let Some(bucket) = self.bucket(day) else { continue };
            writer.dirty.insert(day);
            for chunk in ids.chunks(POINTS_PER_CALL) {
                bucket.remove(chunk)?;
            }
        }
        writer.taken = writer.taken.max(up_to);
        Ok(())
    }

    /// In any order.
    pub(crate) fn search(&self, query: &IndexQuery) -> Result<Vec<Scored>, IndexError> {
        let buckets: Vec<_> = self.buckets.read().range(query.days()).map(|(_, bucket)| Arc::clone(bucket)).collect();
        search_all(&buckets, query)
    }

    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        self.check_space()?;
        for day in writer.dirty.clone() {
            if let Some(bucket) = self.bucket(day) {
                bucket.flush()?;
            }
            writer.dirty.remove(&day);
        }
        if writer.stored.synced != writer.taken {
            let state = State { synced: writer.taken, days: writer.stored.days.clone() };
            state.store(&self.folder, &self.spec)?;
            writer.stored = state;
        }
        Ok(())
    }

    pub(crate) fn synced(&self) -> u64 {
        self.writer.lock().stored.synced
    }

    pub(crate) fn taken(&self) -> u64 {
        self.writer.lock().taken
    }

    pub(crate) fn days(&self) -> Vec<Day> {
        self.buckets.read().keys().copied().collect()
    }

    pub(crate) fn ids(&self, day: Day) -> Result<Vec<SightingId>, IndexError> {
        self.bucket(day).map_or_else(|| Ok(Vec::new()), |bucket| bucket.ids())
    }

    pub(crate) fn len(&self) -> Result<usize, IndexError> {
        let buckets: Vec<_> = self.buckets.read().values().cloned().collect();
        buckets.iter().map(|bucket| bucket.len()).sum()
    }

    pub(crate) fn drop_day(&self, day: Day) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        self.drop_bucket(&mut writer, day)
    }

    pub(crate) fn purge(&self, day: Day, keep: &BTreeSet<SightingId>) -> Result<u64, IndexError> {
        let mut writer = self.writer.lock();
        let Some(bucket) = self.bucket(day) else { return Ok(0) };
        let (kept, surplus): (Vec<_>, Vec<_>) = bucket.ids()?.into_iter().partition(|id| keep.contains(id));
        if kept.is_empty() {
            self.drop_bucket(&mut writer, day)?;
            return Ok(surplus.len() as u64);
        }
        self.check_space()?;
        for chunk in surplus.chunks(POINTS_PER_CALL) {
            bucket.remove(chunk)?;
        }
        bucket.rewrite(&self.folder, self.spec.appearance_len)?;
        writer.dirty.remove(&day);
        Ok(surplus.len() as u64)
    }

    pub(crate) fn clear(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        // Cut short after this, the index is behind, never ahead.
        writer.stored.synced = 0;
        writer.stored.store(&self.folder, &self.spec)?;
        for day in self.days() {
            self.drop_bucket(&mut writer, day)?;
        }
        writer.taken = 0;
        Ok(())
    }

    fn drop_bucket(&self, writer: &mut Writer, day: Day) -> Result<(), IndexError> {
        let Some(bucket) = self.buckets.write().remove(&day) else { return Ok(()) };
        bucket.close();
        writer.dirty.remove(&day);
        if writer.stored.days.remove(&day) {
            writer.stored.store(&self.folder, &self.spec)?;
        }
        delete_bucket(&self.folder, day)
    }

    fn bucket(&self, day: Day) -> Option<Arc<Bucket>> {
        self.buckets.read().get(&day).cloned()
    }

    fn bucket_or_new(&self, writer: &mut Writer, day: Day) -> Result<Arc<Bucket>, IndexError> {
        if let Some(bucket) = self.bucket(day) {
            return Ok(bucket);
        }
        // A first bucket without a state would look like a lost state.
        writer.stored.store(&self.folder, &self.spec)?;
        let bucket = Arc::new(Bucket::create(&self.folder, day, self.spec.appearance_len)?);
        writer.stored.days.insert(day);
        writer.stored.store(&self.folder, &self.spec)?;
        self.buckets.write().insert(day, Arc::clone(&bucket));
        Ok(bucket)
    }

    fn check_space(&self) -> Result<(), IndexError> {
        let io = |source| IndexError::Io { action: "ask for the free space of", path: self.folder.clone(), source };
        let disk = rustix::fs::statvfs(&self.folder).map_err(|e| io(e.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < MIN_FREE_BYTES {
            return Err(IndexError::DiskFull { path: self.folder.clone(), free, needed: MIN_FREE_BYTES });
        }
        Ok(())
    }
}

/// One thread a core at most, each taking its share of the buckets.
fn search_all(buckets: &[Arc<Bucket>], query: &IndexQuery) -> Result<Vec<Scored>, IndexError> {
    let search = |part: &[Arc<Bucket>]| -> Result<Vec<Scored>, IndexError> {
        part.iter().map(|bucket| bucket.search(query)).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(buckets.len());
    if threads <= 1 {
        return search(buckets);
    }
    thread::scope(|scope| {
        let parts: Vec<_> =
            buckets.chunks(buckets.len().div_ceil(threads)).map(|part| scope.spawn(move || search(part))).collect();
        let mut all = Vec::new();
        for part in parts {
            // A bucket turns the engine's panics into errors; any other is ours and goes on.
            all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}

fn prepare(dir: &Path, spec: &IndexSpec) -> Result<(PathBuf, File), IndexError> {
    let folder = dir.join(spec.model.short());
    let io = |source| IndexError::Io { action: "open", path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(io)?;
    let lock = File::create(folder.join("lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok((folder, lock)),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse { path: folder }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Deletes what a crash left half-made or half-deleted.
fn sweep(folder: &Path) -> Result<(), IndexError> {
    for name in names(folder)? {
        if name.starts_with(".new-") || name.starts_with(".old-") {
            let path = folder.join(&name);
            remove_folder(&path).map_err(|source| IndexError::Io { action: "delete", path, source })?;
        }
    }
    Ok(())
}

fn bucket_days(folder: &Path) -> Result<BTreeSet<Day>, IndexError> {
    Ok(names(folder)?.iter().filter_map(|name| name.parse().ok()).collect())
}

fn names(folder: &Path) -> Result<Vec<String>, IndexError> {
    let io = |source| IndexError::Io { action: "list", path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    Ok(names)
}

/// Renamed first, so that a crash never leaves half a bucket under its name.
fn delete_bucket(folder: &Path, day: Day) -> Result<(), IndexError> {
    let path = folder.join(day.to_string());
    let old = folder.join(format!(".old-{day}"));
    let delete = || -> io::Result<()> {
        remove_folder(&old)?;
        fs::rename(&path, &old)?;
        sync_folder(folder)?;
        remove_folder(&old)
    };
    delete().map_err(|source| IndexError::Io { action: "delete", path: path.clone(), source })
}

fn remove_file(path: &Path) -> Result<(), IndexError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(IndexError::Io { action: "delete", path: path.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}

/// Deletes the indexes of all models but these.
pub(crate) fn keep_only(dir: &Path, models: &[ModelDigest]) -> Result<(), IndexError> {
    let kept: Vec<_> = models.iter().map(ModelDigest::short).collect();
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| IndexError::Io { action, path, source }
    };
    for entry in fs::read_dir(dir).map_err(io("list", dir))? {
        let entry = entry.map_err(io("list", dir))?;
        let other = entry.file_name().to_str().is_some_and(|name| !kept.iter().any(|k| k == name));
        if other && entry.file_type().map_err(io("look at", &entry.path()))?.is_dir() {
            fs::remove_dir_all(entry.path()).map_err(io("delete", &entry.path()))?;
        }
    }
    Ok(())
}
