//! The file of a day: a header, then records of one width, each with a checksum of its own.
//!
//! All numbers are little-endian.
//!
//! | bytes of the header | |
//! |---|---|
//! | 0..8 | `SLTDAY` and the format's number, 2 bytes |
//! | 8..16 | the day, days since 1970-01-01 |
//! | 16..24 | the generation |
//! | 24..28, 28..32 | values of a description's and of an appearance's vector |
//! | 32..36 | CRC-32 of the bytes before |
//! | 36..64 | 0 |
//!
//! | bytes of a record | |
//! |---|---|
//! | 0 | 1 a sighting, 2 a tombstone: the sighting of that id is gone |
//! | 1 | the class |
//! | 2 | length of the camera's id |
//! | 4..8 | CRC-32 of day, generation, the record's number, and the record but for these four bytes |
//! | 8..24 | the sighting's id |
//! | 24..32, 32..40 | first and last seen, microseconds since 1970 |
//! | 40..104 | the camera's id |
//! | 104.. | the description's vector, then the appearance's, `f32` |
//!
//! A record's checksum knows its place, so that one that was moved or copied is noticed as well as one that was changed.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use types::{CameraId, Class, Day, Description, SightingId};
use uuid::Uuid;

use crate::IndexEntry;

const MAGIC: &[u8; 8] = b"SLTDAY\x01\x00";
const HEADER: usize = 64;
const FIXED: usize = 104;
const CAMERA: usize = 64;
const VALUE: usize = size_of::<f32>();
/// Records read at once.
const READ_BYTES: usize = 1 << 20;
/// Vectors kept in memory until the file is mapped again.
const TAIL_RECORDS: usize = 1_024;

/// What of a bucket is known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Which file: one that is written anew has the next number.
    pub(crate) generation: u64,
    /// Records that were written and synced. What comes after them in the file is not trusted.
    pub(crate) records: u64,
}

/// How wide the records of a day are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    day: Day,
    appearance_len: usize,
}

/// A record as it is read.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: SightingId,
    pub(crate) kind: RecordKind<'a>,
}

#[derive(Debug)]
pub(crate) enum RecordKind<'a> {
    Entry { camera: CameraId, class: u8, first: i64, last: i64, description: &'a [u8] },
    Tombstone,
}

/// Why a file is not what was written.
#[derive(Debug)]
pub(crate) enum FileFault {
    Io(io::Error),
    Header,
    Short { records: u64, found: u64 },
    Record(u64),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the file can't be read: {error}"),
            Self::Header => f.write_str("the file's header is not that of this day"),
            Self::Short { records, found } => write!(f, "the file should have {records} records and has {found}"),
            Self::Record(number) => write!(f, "record {number} was changed"),
        }
    }
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Layout {
    pub(crate) fn new(day: Day, appearance_len: usize) -> Self {
        Self { day, appearance_len }
    }

    pub(crate) fn record_len(self) -> usize {
        FIXED + (Description::VECTOR_LEN + self.appearance_len) * VALUE
    }

    fn appearance_at(self) -> usize {
        FIXED + Description::VECTOR_LEN * VALUE
    }

    fn header(self, generation: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..16].copy_from_slice(&i64::from(self.day.0).to_le_bytes());
        header[16..24].copy_from_slice(&generation.to_le_bytes());
        header[24..28].copy_from_slice(&(Description::VECTOR_LEN as u32).to_le_bytes());
        header[28..32].copy_from_slice(&(self.appearance_len as u32).to_le_bytes());
        let sum = crc32fast::hash(&header[..32]);
        header[32..36].copy_from_slice(&sum.to_le_bytes());
        header
    }

    /// Appends the record of a sighting. The entry was validated: its vectors have the index's lengths.
    pub(crate) fn write_entry(self, entry: &IndexEntry, generation: u64, number: u64, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.resize(start + FIXED, 0);
        let camera = entry.camera.as_str().as_bytes();
        let fixed = &mut bytes[start..];
        fixed[0] = 1;
        fixed[1] = class_number(entry.class);
        fixed[2] = camera.len() as u8;
        fixed[8..24].copy_from_slice(entry.id.0.as_bytes());
        fixed[24..32].copy_from_slice(&entry.first.as_micros().to_le_bytes());
        fixed[32..40].copy_from_slice(&entry.last.as_micros().to_le_bytes());
        fixed[40..40 + camera.len()].copy_from_slice(camera);
        for value in entry.description.iter().chain(entry.appearance.values()) {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.seal(&mut bytes[start..], generation, number);
    }

    pub(crate) fn write_tombstone(self, id: SightingId, generation: u64, number: u64, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.resize(start + self.record_len(), 0);
        bytes[start] = 2;
        bytes[start + 8..start + 24].copy_from_slice(id.0.as_bytes());
        self.seal(&mut bytes[start..], generation, number);
    }

    /// Writes the checksum that fits a record's place.
    pub(crate) fn seal(self, record: &mut [u8], generation: u64, number: u64) {
        let sum = self.sum(record, generation, number);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
    }

    fn sum(self, record: &[u8], generation: u64, number: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&i64::from(self.day.0).to_le_bytes());
        hasher.update(&generation.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        hasher.update(&record[..4]);
        hasher.update(&record[8..]);
        hasher.finalize()
    }

    fn is_whole(self, record: &[u8], generation: u64, number: u64) -> bool {
        record[4..8] == self.sum(record, generation, number).to_le_bytes()
    }

    /// Reads a record; `None` where nothing of ours can have written it.
    pub(crate) fn read(self, record: &[u8]) -> Option<Record<'_>> {
        let id = SightingId(Uuid::from_slice(&record[8..24]).ok()?);
        let number = |at: usize| record[at..at + 8].try_into().ok().map(i64::from_le_bytes);
        let kind = match record[0] {
            1 => RecordKind::Entry {
                camera: CameraId::new(std::str::from_utf8(record[40..40 + CAMERA].get(..usize::from(record[2]))?).ok()?).ok()?,
                class: (usize::from(record[1]) < Class::ALL.len()).then_some(record[1])?,
                first: number(24)?,
                last: number(32)?,
                description: &record[FIXED..self.appearance_at()],
            },
            2 => RecordKind::Tombstone,
            _ => return None,
        };
        Some(Record { id, kind })
    }
}

/// The file of one generation of a day, open.
#[derive(Debug)]
pub(crate) struct DayFile {
    layout: Layout,
    generation: u64,
    file: File,
    /// Records that are in the file and are seen.
    records: u64,
    /// The file up to some record.
    mapped: Option<Mmap>,
    mapped_records: usize,
    /// The appearance vectors of the records after those.
    tail: Vec<f32>,
}

impl DayFile {
    pub(crate) fn path(folder: &Path, day: Day, generation: u64) -> PathBuf {
        folder.join(format!("{day}.{generation}.bucket"))
    }

    /// The day and generation that a file's name says.
    pub(crate) fn parse(path: &Path) -> Option<(Day, u64)> {
        let name = path.file_name()?.to_str()?.strip_suffix(".bucket")?;
        let (day, generation) = name.split_once('.')?;
        Some((day.parse().ok()?, generation.parse().ok()?))
    }

    pub(crate) fn own_path(&self, folder: &Path) -> PathBuf {
        Self::path(folder, self.layout.day, self.generation)
    }

    /// Makes an empty file in place of what may lie there: nothing that counts has this generation.
    pub(crate) fn create(folder: &Path, layout: Layout, generation: u64) -> io::Result<Self> {
        let path = Self::path(folder, layout.day, generation);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&layout.header(generation), 0)?;
        Ok(Self { layout, generation, file, records: 0, mapped: None, mapped_records: 0, tail: Vec::new() })
    }

    /// Opens a file, cuts off what was not synced and shows each record, in order.
    pub(crate) fn open(
        folder: &Path,
        layout: Layout,
        stored: Stored,
        mut each: impl FnMut(&Record<'_>),
    ) -> Result<Self, FileFault> {
        let path = Self::path(folder, layout.day, stored.generation);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut opened = Self {
            layout,
            generation: stored.generation,
            file,
            records: stored.records,
            mapped: None,
            mapped_records: 0,
            tail: Vec::new(),
        };
        opened.read_all(&mut each)?;
        opened.file.set_len(opened.offset(stored.records))?;
        opened.map()?;
        Ok(opened)
    }

    /// Reads everything that counts and checks it.
    pub(crate) fn verify(&self) -> Result<(), FileFault> {
        self.read_all(&mut |_| ())
    }

    fn read_all(&self, each: &mut dyn FnMut(&Record<'_>)) -> Result<(), FileFault> {
        let width = self.layout.record_len() as u64;
        let found = self.file.metadata()?.len().saturating_sub(HEADER as u64) / width;
        let mut header = [0; HEADER];
        if self.file.metadata()?.len() < HEADER as u64 {
            return Err(FileFault::Short { records: self.records, found: 0 });
        }
        self.file.read_exact_at(&mut header, 0)?;
        if header != self.layout.header(self.generation) {
            return Err(FileFault::Header);
        }
        if found < self.records {
            return Err(FileFault::Short { records: self.records, found });
        }
        let at_once = (READ_BYTES as u64 / width).max(1);
        let mut buffer = vec![0; at_once as usize * width as usize];
        let mut number = 0;
        while number < self.records {
            let count = at_once.min(self.records - number);
            let bytes = &mut buffer[..count as usize * width as usize];
            self.file.read_exact_at(bytes, self.offset(number))?;
            for record in bytes.chunks_exact(width as usize) {
                let whole = self.layout.is_whole(record, self.generation, number);
                let read = whole.then(|| self.layout.read(record)).flatten();
                each(&read.ok_or(FileFault::Record(number))?);
                number += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    fn offset(&self, record: u64) -> u64 {
        HEADER as u64 + record * self.layout.record_len() as u64
    }

    /// Puts records after the last. They count once [`Self::written`] was told of them; where this failed, the next records take
    /// their place.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset(self.records))
    }

    /// Makes the records just written count.
    pub(crate) fn written(&mut self, bytes: &[u8]) {
        let (width, at) = (self.layout.record_len(), self.layout.appearance_at());
        for record in bytes.chunks_exact(width) {
            self.tail.extend(values(&record[at..]));
            self.records += 1;
        }
        if self.records as usize - self.mapped_records >= TAIL_RECORDS
            && let Err(error) = self.map()
        {
            tracing::warn!(%error, "could not map more of an index file; its newest vectors stay in memory");
        }
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.written(bytes);
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(crate) fn record(&self, number: usize) -> io::Result<Vec<u8>> {
        let mut record = vec![0; self.layout.record_len()];
        self.file.read_exact_at(&mut record, self.offset(number as u64))?;
        Ok(record)
    }

    pub(crate) fn appearance(&self, row: usize) -> &[f32] {
        if row >= self.mapped_records {
            let at = (row - self.mapped_records) * self.layout.appearance_len;
            return &self.tail[at..at + self.layout.appearance_len];
        }
        let at = self.offset(row as u64) as usize + self.layout.appearance_at();
        let bytes = self.mapped.as_ref().map_or(&[][..], |map| &map[at..at + self.layout.appearance_len * VALUE]);
        bytemuck::cast_slice(bytes)
    }

    /// Maps everything that counts.
    fn map(&mut self) -> io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let len = self.offset(self.records) as usize;
        #[expect(unsafe_code, reason = "a mapped file can't be had without")]
        // SAFETY: the file lies in a folder that this process alone has locked, is only appended to behind what is mapped, and is
        // never made shorter while it is open. Whoever else may write there can end the process (SIGBUS), as they could by
        // deleting the catalogue.
        let mapped = unsafe { memmap2::MmapOptions::new().len(len).map(&self.file)? };
        self.mapped = Some(mapped);
        self.mapped_records = self.records as usize;
        self.tail = Vec::new();
        Ok(())
    }
}

/// The numbers of a vector.
pub(crate) fn values(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(VALUE).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]))
}

fn class_number(class: Class) -> u8 {
    Class::ALL.iter().position(|c| *c == class).map_or(u8::MAX, |n| n as u8)
}

#[cfg(not(target_endian = "little"))]
compile_error!("the index's files are little-endian, and are mapped as they are");
