//! One day of vectors: a file of fixed-width records, and in memory what a search filters by.
//!
//! A search compares every sighting that its filter lets through, so that nothing that matches is missed. What it filters by, and
//! the words of a description, are columns in memory (about 100 bytes a sighting). Appearance vectors stay in the file, which is
//! mapped: the system keeps in memory what is searched.

mod file;
mod rows;
mod top;

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use types::{Day, SightingId};

pub(crate) use self::{file::Stored, top::Best};
use self::{
    file::{DayFile, Layout},
    rows::{Rows, Wanted},
};
use crate::{IndexEntry, IndexError, IndexQuery, QueryVector, error::EngineError};

/// Changes are refused while less than this is free where the index lives, so that what stands in the files can still be noted.
pub const MIN_FREE_BYTES: u64 = 16 << 20;
/// A day is written anew once so many of its records are dead, and they are more than half of it.
const DEAD_ENOUGH: usize = 4_096;

/// A bucket is searched by many and changed by one: the caller serialises changes and flushes.
#[derive(Debug)]
pub(crate) struct Bucket {
    day: Day,
    folder: PathBuf,
    layout: Layout,
    content: RwLock<Content>,
}

/// What a search reads: row `n` of `rows` is record `n` of `file`.
#[derive(Debug)]
pub(crate) struct Content {
    rows: Rows,
    file: DayFile,
}

impl Bucket {
    /// Makes an empty day. Nobody finds its file before the caller has stored [`Self::stored`].
    pub(crate) fn create(folder: &Path, day: Day, appearance_len: usize) -> Result<Self, IndexError> {
        let layout = Layout::new(day, appearance_len);
        let file = DayFile::create(folder, layout, 1).map_err(|source| failed("create", folder, day, 1, source))?;
        let content = Content { rows: Rows::default(), file };
        Ok(Self { day, folder: folder.to_owned(), layout, content: RwLock::new(content) })
    }

    /// Opens a day and checks every record of it. Records that were not synced are cut off: they come again.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where a record that was synced is missing or was changed.
    pub(crate) fn load(folder: &Path, day: Day, appearance_len: usize, stored: Stored) -> Result<Self, IndexError> {
        let layout = Layout::new(day, appearance_len);
        let mut rows = Rows::default();
        let file = DayFile::open(folder, layout, stored, |record| rows.apply(record)).map_err(|fault| IndexError::Damaged {
            day,
            path: DayFile::path(folder, day, stored.generation),
            source: EngineError(fault.to_string()),
        })?;
        Ok(Self { day, folder: folder.to_owned(), layout, content: RwLock::new(Content { rows, file }) })
    }

    /// Reads every record again.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where one is not what was written.
    pub(crate) fn verify(&self) -> Result<(), IndexError> {
        let content = self.content.read();
        content.file.verify().map_err(|fault| IndexError::Damaged {
            day: self.day,
            path: content.file.own_path(&self.folder),
            source: EngineError(fault.to_string()),
        })
    }

    pub(crate) fn stored(&self) -> Stored {
        let content = self.content.read();
        Stored { generation: content.file.generation(), records: content.file.records() }
    }

    /// Adds or replaces. Seen by searches when it returns, safe after [`Self::sync`].
    pub(crate) fn upsert(&self, entries: &[&IndexEntry]) -> Result<(), IndexError> {
        let mut bytes = Vec::with_capacity(entries.len() * self.layout.record_len());
        let (generation, first) = self.end();
        for (n, entry) in entries.iter().enumerate() {
            self.layout.write_entry(entry, generation, first + n as u64, &mut bytes);
        }
        self.append(&bytes, "store sightings in")
    }

    pub(crate) fn remove(&self, ids: &[SightingId]) -> Result<(), IndexError> {
        let known: Vec<_> = {
            let content = self.content.read();
            ids.iter().filter(|id| content.rows.has(**id)).copied().collect()
        };
        let mut bytes = Vec::with_capacity(known.len() * self.layout.record_len());
        let (generation, first) = self.end();
        for (n, id) in known.iter().enumerate() {
            self.layout.write_tombstone(*id, generation, first + n as u64, &mut bytes);
        }
        self.append(&bytes, "remove sightings from")
    }

    /// The generation, and the number of the next record.
    fn end(&self) -> (u64, u64) {
        let content = self.content.read();
        (content.file.generation(), content.file.records())
    }

    fn append(&self, bytes: &[u8], action: &'static str) -> Result<(), IndexError> {
        // Nobody else changes the file meanwhile; searches go on while it is written.
        let written = self.content.read().file.write(bytes);
        written.map_err(|source| self.failed(action, source))?;
        let mut content = self.content.write();
        let Content { rows, file } = &mut *content;
        bytes.chunks_exact(self.layout.record_len()).filter_map(|record| self.layout.read(record)).for_each(|r| rows.apply(&r));
        file.written(bytes);
        Ok(())
    }

    /// Everything stored so far is on disk when it returns. Searches go on meanwhile.
    pub(crate) fn sync(&self) -> Result<(), IndexError> {
        let written = self.content.read().file.sync();
        written.map_err(|source| self.failed("write to disk", source))
    }

    /// Whether most of the file is dead weight.
    pub(crate) fn wants_rewrite(&self) -> bool {
        let content = self.content.read();
        let dead = content.rows.len() - content.rows.live();
        dead >= DEAD_ENOUGH && dead > content.rows.live()
    }

    /// Writes the day anew with nothing but what is in it, on disk when it returns. The new file counts once the caller has stored
    /// [`Self::stored`]; then the old one, whose path is returned, has to be deleted. Searches see the old file or the new one.
    pub(crate) fn rewrite(&self) -> Result<PathBuf, IndexError> {
        let (old_path, fresh) = {
            let content = self.content.read();
            let generation = content.file.generation() + 1;
            let write = || -> io::Result<Content> {
                let mut file = DayFile::create(&self.folder, self.layout, generation)?;
                let mut rows = Rows::default();
                content.rows.live_rows().try_for_each(|row| {
                    let mut record = content.file.record(row)?;
                    self.layout.seal(&mut record, generation, file.records());
                    self.layout.read(&record).into_iter().for_each(|r| rows.apply(&r));
                    file.append(&record)
                })?;
                file.sync()?;
                Ok(Content { rows, file })
            };
            let fresh = write().map_err(|source| {
                // Half a file helps nobody, and takes room that is needed.
                let path = DayFile::path(&self.folder, self.day, generation);
                drop(fs::remove_file(path));
                failed("write anew", &self.folder, self.day, generation, source)
            })?;
            (content.file.own_path(&self.folder), fresh)
        };
        durable::sync_folder(&self.folder).map_err(|source| self.failed("write anew", source))?;
        // Waits for the searches under way.
        *self.content.write() = fresh;
        Ok(old_path)
    }

    /// The file that is searched.
    pub(crate) fn path(&self) -> PathBuf {
        self.content.read().file.own_path(&self.folder)
    }

    pub(crate) fn ids(&self) -> Vec<SightingId> {
        let content = self.content.read();
        content.rows.live_rows().map(|row| content.rows.id(row)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.content.read().rows.live()
    }

    /// What a search reads; changes wait for as long as it is held.
    pub(crate) fn read(self: &Arc<Self>) -> parking_lot::RwLockReadGuard<'_, Content> {
        self.content.read()
    }

    fn failed(&self, action: &'static str, source: io::Error) -> IndexError {
        failed(action, &self.folder, self.day, self.content.read().file.generation(), source)
    }
}

/// A search of one day, its words turned into numbers.
pub(crate) struct DayQuery<'a> {
    content: &'a Content,
    wanted: Wanted,
    vector: &'a QueryVector,
}

impl<'a> DayQuery<'a> {
    pub(crate) fn new(day: Day, content: &'a Content, query: &'a IndexQuery) -> Self {
        Self { content, wanted: content.rows.wanted(day, query), vector: &query.vector }
    }

    /// Rows to look at, dead ones too.
    pub(crate) fn rows(&self) -> usize {
        if self.wanted.is_nothing() { 0 } else { self.content.rows.len() }
    }

    /// Compares what the filter lets through among these rows.
    pub(crate) fn search(&self, range: Range<usize>, best: &mut Best) {
        let Content { rows, file } = self.content;
        match self.vector {
            QueryVector::Description(query) => {
                rows.matching(&self.wanted, range, |row| best.offer(rows.id(row), rows.description_score(row, query)));
            }
            QueryVector::Appearance(query) => {
                rows.matching(&self.wanted, range, |row| {
                    best.offer(rows.id(row), top::dot(query.values(), file.appearance(row)));
                });
            }
        }
    }
}

fn failed(action: &'static str, folder: &Path, day: Day, generation: u64, source: io::Error) -> IndexError {
    let path = DayFile::path(folder, day, generation);
    if source.kind() == io::ErrorKind::StorageFull {
        return IndexError::DiskFull { path, free: 0, needed: MIN_FREE_BYTES };
    }
    IndexError::Io { action, path, source }
}

/// The days that have files in a folder, with the files' generations.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<(Day, u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some((day, generation)) = DayFile::parse(&path) {
            found.push((day, generation, path));
        }
    }
    Ok(found)
}
