use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use parking_lot::{Mutex, RwLock};
use types::{Day, ModelDigest, SightingId};

use crate::{
    IndexEntry, IndexError, IndexQuery, IndexSpec, Scored,
    bucket::{self, Best, Bucket, DayQuery, MIN_FREE_BYTES},
    state::State,
};

/// Held locked by the process that has the folder open.
const LOCK: &str = "lock";

/// Sightings handed to a bucket at once: searches of their day wait while the last of them is taken into memory.
const ENTRIES_PER_CALL: usize = 256;

/// Rows that one thread looks at before it takes the next; fewer than so many are not worth a second thread.
const ROWS_PER_TURN: usize = 16_384;

/// The vectors of one model in a folder, a bucket a day.
#[derive(Debug)]
pub struct FlatIndex {
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

impl FlatIndex {
    /// Opens or makes the index of `spec.model` under `dir`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] or [`IndexError::State`] where the folder can't be trusted: see [`Self::recreate`].
    pub fn open(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        let (folder, lock) = prepare(dir, &spec)?;
        let files = days(&folder)?;
        let stored = match State::load(&folder, &spec)? {
            Some(state) => state,
            // Without its state, nothing says what the buckets lack.
            None if !files.is_empty() => {
                return Err(IndexError::State { path: folder.join(State::FILE), reason: "the file is missing".to_owned() });
            }
            None => State::empty(),
        };
        let buckets = load_all(&folder, &spec, &stored)?;
        // What a crash left: a day or a generation that nothing names.
        for (_, _, path) in
            files.iter().filter(|(day, generation, _)| stored.days.get(day).map(|s| s.generation) != Some(*generation))
        {
            remove_file(path)?;
        }
        let writer = Writer { taken: stored.synced, stored, dirty: BTreeSet::new() };
        Ok(Self { spec, folder, buckets: RwLock::new(buckets), writer: Mutex::new(writer), _lock: lock })
    }

    /// Throws away whatever is there, damaged or not, and opens an empty index: the first step of a rebuild.
    ///
    /// # Errors
    /// [`IndexError::InUse`] and [`IndexError::Io`].
    pub fn recreate(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        let (folder, lock) = prepare(dir, &spec)?;
        // The state first: cut short, this leaves files without a state, which `open` refuses.
        remove_file(&folder.join(State::FILE))?;
        let io = |source| IndexError::Io { action: "empty", path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.is_dir() {
                // A day of Qdrant Edge, which was the engine before.
                fs::remove_dir_all(&path).map_err(io)?;
            } else if path != folder.join(LOCK) {
                remove_file(&path)?;
            }
        }
        durable::sync_folder(&folder).map_err(io)?;
        drop(lock);
        Self::open(dir, spec)
    }

    /// Adds or replaces; valid entries, one an id. `up_to` is the catalogue's number of the last change among them.
    ///
    /// # Errors
    /// [`IndexError::DiskFull`] and [`IndexError::Io`]. Nothing counts as taken then.
    pub fn upsert(&self, by_day: BTreeMap<Day, Vec<&IndexEntry>>, up_to: u64) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        if !by_day.is_empty() {
            self.check_space()?;
        }
        for (day, entries) in by_day {
            let bucket = self.bucket_or_new(&writer, day)?;
            writer.dirty.insert(day);
            for chunk in entries.chunks(ENTRIES_PER_CALL) {
                bucket.upsert(chunk)?;
            }
        }
        writer.taken = writer.taken.max(up_to);
        Ok(())
    }

    /// Forgets sightings, by day; those not there are no error.
    ///
    /// # Errors
    /// [`IndexError::DiskFull`] and [`IndexError::Io`]. Nothing counts as taken then.
    pub fn remove(&self, by_day: BTreeMap<Day, Vec<SightingId>>, up_to: u64) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        for (day, ids) in by_day {
            let Some(bucket) = self.bucket(day) else { continue };
            writer.dirty.insert(day);
            for chunk in ids.chunks(ENTRIES_PER_CALL) {
                bucket.remove(chunk)?;
            }
        }
        writer.taken = writer.taken.max(up_to);
        Ok(())
    }

    /// The best `query.limit` sightings under the filter, and perhaps more, in any order. The query is a valid one.
    pub fn search(&self, query: &IndexQuery) -> Vec<Scored> {
        let buckets: Vec<_> = self.buckets.read().range(query.days()).map(|(day, bucket)| (*day, Arc::clone(bucket))).collect();
        search_all(&buckets, query)
    }

    /// Reads every file again and checks it.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where a file is not what was written.
    pub fn verify(&self) -> Result<(), IndexError> {
        let buckets: Vec<_> = self.buckets.read().values().cloned().collect();
        buckets.iter().try_for_each(|bucket| bucket.verify())
    }

    /// Makes every change taken so far last.
    ///
    /// # Errors
    /// [`IndexError::DiskFull`] and [`IndexError::Io`]; [`Self::durable_seq`] stays as it was then.
    pub fn flush(&self) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        self.check_space()?;
        let mut state = State { synced: writer.taken, days: writer.stored.days.clone() };
        let mut replaced = Vec::new();
        for day in &writer.dirty {
            let Some(bucket) = self.bucket(*day) else { continue };
            if bucket.wants_rewrite() {
                replaced.push(bucket.rewrite()?);
            }
            bucket.sync()?;
            state.days.insert(*day, bucket.stored());
        }
        if state != writer.stored {
            // New files have a name of their own only once their folder is on disk.
            durable::sync_folder(&self.folder).map_err(|source| self.io("write to disk", source))?;
            state.store(&self.folder, &self.spec)?;
            writer.stored = state;
        }
        writer.dirty.clear();
        replaced.iter().try_for_each(|path| remove_file(path))
    }

    /// Every change of the catalogue up to this number is on disk.
    pub fn durable_seq(&self) -> u64 {
        self.writer.lock().stored.synced
    }

    /// Every change of the catalogue up to this number is seen by searches.
    pub fn applied_seq(&self) -> u64 {
        self.writer.lock().taken
    }

    /// The days that have a bucket, in order.
    pub fn days(&self) -> Vec<Day> {
        self.buckets.read().keys().copied().collect()
    }

    /// The sightings of a day, in any order; none where it has no bucket.
    pub fn ids(&self, day: Day) -> Vec<SightingId> {
        self.bucket(day).map(|bucket| bucket.ids()).unwrap_or_default()
    }

    /// How many sightings there are.
    pub fn count(&self) -> usize {
        let buckets: Vec<_> = self.buckets.read().values().cloned().collect();
        buckets.iter().map(|bucket| bucket.len()).sum()
    }

    /// Forgets a day with its file; no error where there is none.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn drop_day(&self, day: Day) -> Result<(), IndexError> {
        let mut writer = self.writer.lock();
        self.drop_bucket(&mut writer, day)
    }

    /// Writes a day anew with nothing but `keep` in it, and deletes the old file. Returns how many sightings were removed.
    ///
    /// # Errors
    /// [`IndexError::DiskFull`] and [`IndexError::Io`]; the day is as it was then.
    pub fn purge(&self, day: Day, keep: &BTreeSet<SightingId>) -> Result<u64, IndexError> {
        let mut writer = self.writer.lock();
        let Some(bucket) = self.bucket(day) else { return Ok(0) };
        let (kept, surplus): (Vec<_>, Vec<_>) = bucket.ids().into_iter().partition(|id| keep.contains(id));
        if kept.is_empty() {
            self.drop_bucket(&mut writer, day)?;
            return Ok(surplus.len() as u64);
        }
        self.check_space()?;
        for chunk in surplus.chunks(ENTRIES_PER_CALL) {
            bucket.remove(chunk)?;
        }
        let old = bucket.rewrite()?;
        writer.dirty.remove(&day);
        writer.stored.days.insert(day, bucket.stored());
        writer.stored.store(&self.folder, &self.spec)?;
        remove_file(&old)?;
        durable::sync_folder(&self.folder).map_err(|source| self.io("delete from", source))?;
        Ok(surplus.len() as u64)
    }

    /// Forgets everything and starts again at 0.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn clear(&self) -> Result<(), IndexError> {
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
        writer.dirty.remove(&day);
        if writer.stored.days.remove(&day).is_some() {
            writer.stored.store(&self.folder, &self.spec)?;
        }
        // Searches under way go on in the file without a name.
        remove_file(&bucket.path())?;
        durable::sync_folder(&self.folder).map_err(|source| self.io("delete from", source))
    }

    fn io(&self, action: &'static str, source: io::Error) -> IndexError {
        IndexError::Io { action, path: self.folder.clone(), source }
    }

    fn bucket(&self, day: Day) -> Option<Arc<Bucket>> {
        self.buckets.read().get(&day).cloned()
    }

    fn bucket_or_new(&self, writer: &Writer, day: Day) -> Result<Arc<Bucket>, IndexError> {
        if let Some(bucket) = self.bucket(day) {
            return Ok(bucket);
        }
        if writer.stored == State::empty() {
            // A first file without a state would look like a lost state.
            writer.stored.store(&self.folder, &self.spec)?;
        }
        let bucket = Arc::new(Bucket::create(&self.folder, day, self.spec.appearance_len)?);
        self.buckets.write().insert(day, Arc::clone(&bucket));
        Ok(bucket)
    }

    fn check_space(&self) -> Result<(), IndexError> {
        let io = |source| IndexError::Io { action: "ask for the free space of", path: self.folder.clone(), source };
        let free = durable::room(&self.folder).map_err(io)?.free;
        if free < MIN_FREE_BYTES {
            return Err(IndexError::DiskFull { path: self.folder.clone(), free, needed: MIN_FREE_BYTES });
        }
        Ok(())
    }
}

/// Opens the days side by side: each is read whole.
fn load_all(folder: &Path, spec: &IndexSpec, stored: &State) -> Result<BTreeMap<Day, Arc<Bucket>>, IndexError> {
    let days: Vec<_> = stored.days.iter().collect();
    let next = AtomicUsize::new(0);
    let load = || {
        let mut loaded = Vec::new();
        while let Some((day, stored)) = days.get(next.fetch_add(1, Ordering::Relaxed)) {
            loaded.push((**day, Arc::new(Bucket::load(folder, **day, spec.appearance_len, **stored)?)));
        }
        Ok::<_, IndexError>(loaded)
    };
    Ok(on_threads(days.len(), load).into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// One thread a core at most; each takes some rows of a day, then the next that nobody took.
fn search_all(buckets: &[(Day, Arc<Bucket>)], query: &IndexQuery) -> Vec<Scored> {
    let guards: Vec<_> = buckets.iter().map(|(day, bucket)| (*day, bucket.read())).collect();
    let days: Vec<_> = guards.iter().map(|(day, content)| DayQuery::new(*day, content, query)).collect();
    let turns: Vec<_> = days
        .iter()
        .flat_map(|day| {
            let rows = day.rows();
            (0..rows).step_by(ROWS_PER_TURN).map(move |from| (day, from..rows.min(from + ROWS_PER_TURN)))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let limit = query.limit.min(IndexQuery::MAX_LIMIT);
    let search = || {
        let mut best = Best::new(limit);
        while let Some((day, rows)) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
            day.search(rows.clone(), &mut best);
        }
        best.into_kept()
    };
    let rows: usize = days.iter().map(DayQuery::rows).sum();
    on_threads(rows.div_ceil(ROWS_PER_TURN), search).concat()
}

/// Does the same work on as many threads as there are cores and things to do.
fn on_threads<T: Send>(things: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(things);
    if threads <= 1 {
        return vec![work()];
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mut done = vec![work()];
        done.extend(threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        done
    })
}

fn prepare(dir: &Path, spec: &IndexSpec) -> Result<(PathBuf, File), IndexError> {
    let folder = dir.join(spec.model.short());
    let io = |source| IndexError::Io { action: "open", path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(io)?;
    let lock = File::create(folder.join(LOCK)).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok((folder, lock)),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse { path: folder }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn days(folder: &Path) -> Result<Vec<(Day, u64, PathBuf)>, IndexError> {
    bucket::files(folder).map_err(|source| IndexError::Io { action: "list", path: folder.to_owned(), source })
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
///
/// # Errors
/// [`IndexError::Io`]; some may be deleted by then.
pub fn keep_only(dir: &Path, models: &[ModelDigest]) -> Result<(), IndexError> {
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
