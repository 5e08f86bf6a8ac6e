//! A queue on disk between those who see and those who send: bounded, the oldest first, and nothing in it is lost by
//! `kill -9` or a power cut once [`Spool::append`] has returned.
//!
//! Records lie one after another in segments, files named by the number of their first record; a record is its length, a
//! checksum over its number and its bytes, and the bytes. A segment is deleted when all of it was acknowledged; the last one,
//! which is written to, is emptied. What a crash
//! cut off in the middle of a record never counted as taken and is cut away when the spool is opened again.

use std::{
    collections::VecDeque,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

const HEADER: u64 = 8;
const SUFFIX: &str = "spool";
/// The last segment is emptied when all that it has, and that is as much, was acknowledged. A full disk may hold no more.
const EMPTIED: u64 = 64 << 10;
/// No record is longer: a crop, a vector and a few words.
const MAX_RECORD: u64 = 4 << 20;

/// Why the spool did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Until some of it is acknowledged, or the disk has room again.
    #[error("the spool is full: {bytes} of {limit} bytes wait to be sent")]
    Full { bytes: u64, limit: u64 },
    #[error("{action} the spool at {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("record {0} of the spool is damaged")]
    Damaged(u64),
}

/// How full a spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolState {
    /// Records not acknowledged yet.
    pub waiting: u64,
    /// On disk, acknowledged ones that still share a segment with others included.
    pub bytes: u64,
    pub limit: u64,
    /// How often nothing was taken since it was opened, because it or its disk was full.
    pub refused: u64,
}

/// Owned by one process at a time; shared by its threads.
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    /// A full segment is closed; small enough that acknowledging frees room soon.
    segment: u64,
    inner: Mutex<Inner>,
    _lock: File,
}

struct Inner {
    /// The oldest first; the last one is written to, and there always is one.
    segments: VecDeque<Segment>,
    writer: File,
    /// The number of the first record that is not acknowledged.
    next_to_send: u64,
    refused: u64,
    /// The last append was refused: every byte is wanted.
    full: bool,
}

struct Segment {
    /// The number of its first record.
    first: u64,
    /// Where each record ends.
    ends: Vec<u64>,
}

impl Segment {
    fn new(first: u64) -> Self {
        Self { first, ends: Vec::new() }
    }

    fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The number after its last record.
    fn next(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    fn span(&self, number: u64) -> Option<(u64, u64)> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        Some((start, *self.ends.get(at)?))
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spool({}, {:?})", self.folder.display(), self.state())
    }
}

impl Spool {
    /// The least that makes sense as a limit.
    pub const MIN_LIMIT: u64 = 1 << 20;

    /// Opens a folder, made where it is missing, with what an earlier process left in it. Holds at most `limit` bytes.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, SpoolError> {
        let folder = folder.to_owned();
        let io = |action| fault(action, &folder);
        fs::create_dir_all(&folder).map_err(io("make"))?;
        let lock_file = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(lock_file).map_err(io("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse(folder)),
            Err(TryLockError::Error(e)) => return Err(io("lock")(e)),
        }
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io("list"))? {
            let name = entry.map_err(io("list"))?.file_name();
            firsts.extend(name.to_str().and_then(first_of));
        }
        firsts.sort_unstable();
        let mut segments = VecDeque::new();
        for first in &firsts {
            segments.push_back(scan(&folder, *first, firsts.last() == Some(first))?);
        }
        // No number is there twice: the later file has it.
        for i in 1..segments.len() {
            let begins = segments[i].first - segments[i - 1].first;
            segments[i - 1].ends.truncate(usize::try_from(begins).unwrap_or(usize::MAX));
        }
        let limit = limit.max(Self::MIN_LIMIT);
        let writer = match segments.back() {
            Some(last) => OpenOptions::new().write(true).open(path(&folder, last.first)).map_err(io("open"))?,
            None => {
                segments.push_back(Segment::new(1));
                create(&folder, 1)?
            }
        };
        let (oldest, next) = (segments[0].first, segments.back().map_or(1, Segment::next));
        // Without the note more is sent than needed, and nothing is stored twice for it.
        let noted = fs::read_to_string(folder.join("acknowledged")).ok().and_then(|text| text.trim().parse().ok());
        let next_to_send = noted.unwrap_or(oldest).clamp(oldest, next);
        let inner = Mutex::new(Inner { segments, writer, next_to_send, refused: 0, full: false });
        Ok(Self { folder, limit, segment: (limit / 8).clamp(64 << 10, 8 << 20), inner, _lock: lock })
    }

    /// Takes records for good, in their order: all of them or none. They are on disk when it returns.
    pub fn append(&self, records: &[Vec<u8>]) -> Result<(), SpoolError> {
        let mut inner = self.lock();
        let taken = self.append_to(&mut inner, records);
        inner.full = matches!(taken, Err(SpoolError::Full { .. }));
        inner.refused += u64::from(inner.full);
        taken
    }

    fn append_to(&self, inner: &mut Inner, records: &[Vec<u8>]) -> Result<(), SpoolError> {
        let size = records.iter().map(|r| HEADER + r.len() as u64).sum::<u64>();
        if inner.bytes() + size > self.limit {
            self.empty_last(inner)?;
        }
        if inner.bytes() + size > self.limit {
            return Err(SpoolError::Full { bytes: inner.bytes(), limit: self.limit });
        }
        if inner.last().bytes() >= self.segment {
            self.rotate(inner)?;
        }
        let (start, mut number) = (inner.last().bytes(), inner.last().next());
        if number.checked_add(records.len() as u64).is_none() {
            return Err(SpoolError::Full { bytes: inner.bytes(), limit: self.limit });
        }
        let (mut bytes, mut ends) = (Vec::with_capacity(size as usize), Vec::with_capacity(records.len()));
        for record in records {
            bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&checksum(number, record).to_le_bytes());
            bytes.extend_from_slice(record);
            ends.push(start + bytes.len() as u64);
            number += 1;
        }
        let written = inner.writer.write_all_at(&bytes, start).and_then(|()| inner.writer.sync_data());
        if let Err(error) = written {
            // The next write begins at the same place; cut off so that a full disk gets its room back.
            let _ = inner.writer.set_len(start);
            return Err(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    SpoolError::Full { bytes: inner.bytes(), limit: self.limit }
                }
                _ => fault("write to", &self.folder)(error),
            });
        }
        if let Some(last) = inner.segments.back_mut() {
            last.ends.extend(ends);
        }
        Ok(())
    }

    /// Up to `most` records from `from` on, with their numbers, the oldest first; acknowledged ones are left out.
    pub fn read(&self, from: u64, most: usize) -> Result<Vec<(u64, Vec<u8>)>, SpoolError> {
        let inner = self.lock();
        let mut number = from.max(inner.next_to_send);
        let mut records = Vec::new();
        for segment in &inner.segments {
            number = number.max(segment.first);
            if segment.next() <= number || records.len() >= most {
                continue;
            }
            let file = File::open(path(&self.folder, segment.first)).map_err(fault("read", &self.folder))?;
            while let Some((start, end)) = segment.span(number).filter(|_| records.len() < most) {
                let mut bytes = vec![0; (end - start) as usize];
                file.read_exact_at(&mut bytes, start).map_err(fault("read", &self.folder))?;
                let record = bytes.split_off(HEADER as usize);
                if bytes[4..] != checksum(number, &record).to_le_bytes() {
                    return Err(SpoolError::Damaged(number));
                }
                records.push((number, record));
                number += 1;
            }
        }
        Ok(records)
    }

    /// The number of the first record that is not acknowledged, or of the next one.
    pub fn first(&self) -> u64 {
        self.lock().next_to_send
    }

    /// Everything up to this number is stored elsewhere and needed no more.
    pub fn acknowledge(&self, through: u64) -> Result<(), SpoolError> {
        let mut inner = self.lock();
        let next = through.saturating_add(1).min(inner.last().next());
        if next <= inner.next_to_send {
            return Ok(());
        }
        inner.next_to_send = next;
        // Not synced: a note that is lost means that something is sent again.
        let noted = durable::write_lazily(&self.folder.join("acknowledged"), next.to_string().as_bytes());
        if let Err(error) = noted {
            tracing::warn!(%error, "what was sent is not noted in the spool");
        }
        while inner.segments.len() > 1 && inner.segments[0].next() <= next {
            let Some(done) = inner.segments.pop_front() else { break };
            fs::remove_file(path(&self.folder, done.first)).map_err(fault("clear", &self.folder))?;
        }
        if inner.full || inner.last().bytes() >= EMPTIED {
            self.empty_last(&mut inner)?;
        }
        Ok(())
    }

    pub fn state(&self) -> SpoolState {
        let inner = self.lock();
        let waiting = inner.segments.iter().map(|s| s.next().saturating_sub(s.first.max(inner.next_to_send))).sum();
        SpoolState { waiting, bytes: inner.bytes(), limit: self.limit, refused: inner.refused }
    }

    /// Gives the room of the last segment back if all of it was acknowledged, with no more room than there is: its file goes on
    /// under the number of the next record. What is still in it then was never written under that number, and a crash before it
    /// is cut off leaves no record that counts.
    fn empty_last(&self, inner: &mut Inner) -> Result<(), SpoolError> {
        let (first, next) = (inner.last().first, inner.last().next());
        if inner.last().ends.is_empty() || inner.next_to_send < next {
            return Ok(());
        }
        durable::rename(&path(&self.folder, first), &path(&self.folder, next)).map_err(fault("clear", &self.folder))?;
        if let Some(last) = inner.segments.back_mut() {
            *last = Segment::new(next);
        }
        inner.writer.set_len(0).map_err(fault("clear", &self.folder))
    }

    /// Closes the segment that is written to and begins another.
    fn rotate(&self, inner: &mut Inner) -> Result<(), SpoolError> {
        let next = inner.last().next();
        if inner.last().ends.is_empty() {
            return Ok(());
        }
        inner.writer = create(&self.folder, next)?;
        inner.segments.push_back(Segment::new(next));
        while inner.segments.len() > 1 && inner.segments[0].next() <= inner.next_to_send {
            let Some(done) = inner.segments.pop_front() else { break };
            fs::remove_file(path(&self.folder, done.first)).map_err(fault("clear", &self.folder))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panic may leave behind is at worst a record that nobody counts on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn last(&self) -> &Segment {
        // There always is one.
        &self.segments[self.segments.len() - 1]
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum()
    }
}

fn fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| SpoolError::Io { action, path, source }
}

fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:016x}.{SUFFIX}"))
}

pub(crate) fn checksum(number: u64, record: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&number.to_le_bytes());
    hash.update(record);
    hash.finalize()
}

/// The number that a segment's name says, if it is one that [`path`] writes; numbers begin with 1.
fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?.strip_suffix('.')?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (number > 0 && name == format!("{number:016x}.{SUFFIX}")).then_some(number)
}

/// A new segment whose name is on disk too.
fn create(folder: &Path, first: u64) -> Result<File, SpoolError> {
    let make = || {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path(folder, first))?;
        durable::sync_folder(folder)?;
        Ok(file)
    };
    make().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SpoolError::Full { bytes: 0, limit: 0 },
        _ => fault("write to", folder)(error),
    })
}

/// Reads a segment up to its end or to the first record that is not whole; cuts the rest off the one that was written to last.
fn scan(folder: &Path, first: u64, is_last: bool) -> Result<Segment, SpoolError> {
    let io = |action| fault(action, folder);
    let file = OpenOptions::new().read(true).write(is_last).open(path(folder, first)).map_err(io("open"))?;
    let length = file.metadata().map_err(io("open"))?.len();
    let mut segment = Segment::new(first);
    loop {
        let start = segment.bytes();
        let mut header = [0; HEADER as usize];
        if length - start < HEADER {
            break;
        }
        file.read_exact_at(&mut header, start).map_err(io("read"))?;
        let [l0, l1, l2, l3, sum @ ..] = header;
        let size = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        if size > MAX_RECORD || size > length - start - HEADER {
            break;
        }
        let mut record = vec![0; size as usize];
        file.read_exact_at(&mut record, start + HEADER).map_err(io("read"))?;
        // No number comes after the last: a record that would need one was never written.
        if sum != checksum(segment.next(), &record).to_le_bytes() || segment.next() == u64::MAX {
            break;
        }
        segment.ends.push(start + HEADER + size);
    }
    let rest = length - segment.bytes();
    if rest > 0 && is_last {
        tracing::info!(bytes = rest, "the end of the spool was cut off by a crash: it never counted as taken");
        file.set_len(segment.bytes()).and_then(|()| file.sync_all()).map_err(io("repair"))?;
    } else if rest > 0 {
        tracing::error!(bytes = rest, segment = first, "part of the spool is damaged and lost: check the disk");
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(n: u64, len: usize) -> Vec<u8> {
        (0..len).map(|i| (n as usize * 31 + i) as u8).collect()
    }

    fn numbers(spool: &Spool) -> Vec<u64> {
        spool.read(0, usize::MAX).unwrap().into_iter().map(|(n, _)| n).collect()
    }

    #[test]
    fn what_was_taken_is_there_after_a_restart_in_its_order_without_what_was_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        for n in 1..=9 {
            spool.append(&[record(n, 100)]).unwrap();
        }
        spool.acknowledge(4).unwrap();
        drop(spool);
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        let left = spool.read(0, 100).unwrap();
        assert_eq!(left, (5..=9).map(|n| (n, record(n, 100))).collect::<Vec<_>>());
        assert_eq!(spool.read(8, 1).unwrap(), [(8, record(8, 100))]);
        assert_eq!(spool.state().waiting, 5);
        // Numbers go on where they were, also when nothing is left.
        spool.acknowledge(9).unwrap();
        drop(spool);
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        spool.append(&[record(10, 5)]).unwrap();
        assert_eq!(numbers(&spool), [10]);
    }

    #[test]
    fn files_of_other_names_are_no_segments_and_no_number_overflows() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "0000000000000000.spool",
            "1.spool",
            "+000000000000001.spool",
            "00000000000000FF.spool",
            "00000000000000001.spool",
            ".spool",
        ] {
            std::fs::write(dir.path().join(name), b"not ours").unwrap();
        }
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        spool.append(&[record(1, 10)]).unwrap();
        assert_eq!(numbers(&spool), [1]);
        spool.acknowledge(u64::MAX).unwrap();
        assert_eq!((spool.state().waiting, spool.first()), (0, 2));
        drop(spool);
        // A segment after which no number is left takes nothing, and says so.
        let last = tempfile::tempdir().unwrap();
        std::fs::write(path(last.path(), u64::MAX), b"").unwrap();
        let spool = Spool::open(last.path(), Spool::MIN_LIMIT).unwrap();
        assert!(matches!(spool.append(&[record(1, 10)]), Err(SpoolError::Full { .. })));
    }

    #[test]
    fn two_processes_never_share_a_spool() {
        let dir = tempfile::tempdir().unwrap();
        let held = Spool::open(dir.path(), 0).unwrap();
        assert!(matches!(Spool::open(dir.path(), 0), Err(SpoolError::InUse(_))));
        drop(held);
        Spool::open(dir.path(), 0).unwrap();
    }

    #[test]
    fn a_full_spool_refuses_and_keeps_what_it_has_until_some_of_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        let mut taken = 0;
        while spool.append(&[record(taken + 1, 10_000)]).is_ok() {
            taken += 1;
        }
        assert!(taken > 90 && spool.state().bytes <= Spool::MIN_LIMIT, "{taken}");
        assert!(matches!(spool.append(&[record(0, 10_000)]), Err(SpoolError::Full { .. })));
        assert_eq!(spool.state().refused, 2);
        assert_eq!(numbers(&spool), (1..=taken).collect::<Vec<_>>());
        spool.acknowledge(taken / 2).unwrap();
        spool.append(&[record(taken + 1, 10_000)]).unwrap();
        assert_eq!(numbers(&spool), (taken / 2 + 1..=taken + 1).collect::<Vec<_>>());
        // All of it acknowledged makes room for all of it.
        spool.acknowledge(taken + 1).unwrap();
        for n in 0..90 {
            spool.append(&[record(n, 10_000)]).unwrap();
        }
        let on_disk: u64 = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(on_disk < Spool::MIN_LIMIT + 1000, "{on_disk}");
    }

    #[test]
    fn what_was_acknowledged_leaves_no_byte_on_a_disk_that_is_full_and_numbers_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 64 * Spool::MIN_LIMIT).unwrap();
        let on_disk = || -> u64 {
            let files = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap());
            files.filter(|f| f.file_name().to_str().unwrap().ends_with(SUFFIX)).map(|f| f.metadata().unwrap().len()).sum()
        };
        spool.append(&[record(1, 10_000), record(2, 10_000)]).unwrap();
        // A little is not worth the trouble...
        spool.acknowledge(2).unwrap();
        assert!(on_disk() > 20_000);
        // ...unless somebody waits for it.
        let good = std::mem::replace(&mut spool.lock().writer, OpenOptions::new().write(true).open("/dev/full").unwrap());
        spool.append(&[record(3, 50)]).unwrap_err();
        spool.lock().writer = good;
        spool.append(&[record(3, 50)]).unwrap();
        let good = std::mem::replace(&mut spool.lock().writer, OpenOptions::new().write(true).open("/dev/full").unwrap());
        spool.append(&[record(4, 50)]).unwrap_err();
        spool.lock().writer = good;
        spool.acknowledge(3).unwrap();
        assert_eq!(on_disk(), 0);
        for n in 4..=10 {
            spool.append(&[record(n, 20_000)]).unwrap();
        }
        assert_eq!(numbers(&spool), (4..=10).collect::<Vec<_>>());
        spool.acknowledge(9).unwrap();
        assert!(on_disk() > 100_000);
        spool.acknowledge(10).unwrap();
        assert_eq!(on_disk(), 0);
        drop(spool);
        let spool = Spool::open(dir.path(), Spool::MIN_LIMIT).unwrap();
        spool.append(&[record(11, 9)]).unwrap();
        assert_eq!(spool.read(0, 9).unwrap(), [(11, record(11, 9))]);
    }

    #[test]
    fn a_crash_between_the_new_name_and_the_cut_of_an_emptied_segment_brings_nothing_back() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 0).unwrap();
        spool.append(&[record(1, 50), record(2, 50)]).unwrap();
        drop(spool);
        fs::write(dir.path().join("acknowledged"), "3").unwrap();
        fs::rename(path(dir.path(), 1), path(dir.path(), 3)).unwrap();
        let spool = Spool::open(dir.path(), 0).unwrap();
        assert_eq!(spool.state().waiting, 0);
        spool.append(&[record(3, 7)]).unwrap();
        assert_eq!(spool.read(0, 9).unwrap(), [(3, record(3, 7))]);
    }

    #[test]
    fn a_damaged_record_is_told_and_never_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 0).unwrap();
        spool.append(&[record(1, 50), record(2, 50)]).unwrap();
        let file = OpenOptions::new().write(true).open(path(dir.path(), 1)).unwrap();
        file.write_all_at(&[0xff], 8 + 50 + 8 + 3).unwrap();
        assert_eq!(spool.read(0, 1).unwrap().len(), 1);
        assert!(matches!(spool.read(2, 1), Err(SpoolError::Damaged(2))));
    }

    #[test]
    fn a_full_disk_is_a_full_spool_and_nothing_that_was_taken_is_lost() {
        // /dev/full takes nothing: what a spool on a full disk meets.
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 0).unwrap();
        spool.append(&[record(1, 50)]).unwrap();
        let good = std::mem::replace(&mut spool.lock().writer, OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert!(matches!(spool.append(&[record(2, 50)]), Err(SpoolError::Full { .. })));
        spool.lock().writer = good;
        spool.append(&[record(2, 60)]).unwrap();
        assert_eq!(spool.read(0, 9).unwrap(), [(1, record(1, 50)), (2, record(2, 60))]);
    }

    proptest! {
        /// Whatever was being written when the machine died, what had returned before is whole.
        #[test]
        fn a_tail_that_was_cut_anywhere_loses_nothing_that_was_taken(
            lengths in prop::collection::vec(0usize..400, 1..30), kept in 0usize..30, torn in 0u64..500, garbage in any::<bool>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let spool = Spool::open(dir.path(), 0).unwrap();
            for (n, len) in lengths.iter().enumerate() {
                spool.append(&[record(n as u64 + 1, *len)]).unwrap();
            }
            drop(spool);
            let kept = kept.min(lengths.len());
            let whole: u64 = lengths[..kept].iter().map(|l| HEADER + *l as u64).sum();
            let after: u64 = lengths[kept..].iter().map(|l| HEADER + *l as u64).sum();
            let file = OpenOptions::new().write(true).open(path(dir.path(), 1)).unwrap();
            // Less than the next record is left of what came after.
            let next = lengths.get(kept).map_or(0, |l| HEADER + *l as u64);
            let torn = torn.min(next.saturating_sub(1)).min(after);
            file.set_len(whole + torn).unwrap();
            if garbage && torn > 0 {
                file.write_all_at(&vec![0xa5; torn as usize], whole).unwrap();
            }
            let spool = Spool::open(dir.path(), 0).unwrap();
            let all = spool.read(0, usize::MAX).unwrap();
            let want: Vec<_> = lengths[..kept].iter().enumerate().map(|(n, l)| (n as u64 + 1, record(n as u64 + 1, *l))).collect();
            prop_assert_eq!(all, want);
            spool.append(&[record(99, 7)]).unwrap();
            prop_assert_eq!(numbers(&spool), (1..=kept as u64 + 1).collect::<Vec<_>>());
        }
    }
}
