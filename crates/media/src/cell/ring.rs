//! Pictures in memory that a decoder writes and this process reads.
//!
//! The size is sealed before the decoder has it, so no access on our side can miss. A decoder can still scribble over a slot that
//! is being read: that spoils a picture of its own and nothing else, since no byte of a picture is ever a length or an index.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use memmap2::{Mmap, MmapMut, MmapOptions};
use parking_lot::Mutex;
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate};
use types::PixelSource;

use super::sys;

/// Pictures at once: one that is written, the others with whoever looks at them.
pub(super) const SLOTS: usize = 4;
/// The largest picture with its padding: 8192 by 8192 pixels, and more.
pub(super) const LARGEST: u64 = 128 << 20;
/// Slots begin at multiples of it.
const PAGE: u64 = 4096;

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Our side.
pub(super) struct Ring {
    mapped: Mmap,
    slot: usize,
    free: Mutex<[bool; SLOTS]>,
}

impl Ring {
    /// With slots of so many bytes at least; the file is the decoder's.
    pub(super) fn new(bytes: u64) -> io::Result<(Self, File)> {
        if bytes == 0 || bytes > LARGEST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let slot = bytes.next_multiple_of(PAGE);
        let file = sys::memory("sightline-pictures")?;
        ftruncate(&file, slot * SLOTS as u64)?;
        fcntl_add_seals(&file, SEALS)?;
        #[expect(unsafe_code, reason = "shared memory can't be had without")]
        // SAFETY: its size is sealed. Its bytes may change under us; see above.
        let mapped = unsafe { MmapOptions::new().map(&file)? };
        let slot = usize::try_from(slot).map_err(io::Error::other)?;
        Ok((Self { mapped, slot, free: Mutex::new([true; SLOTS]) }, file))
    }

    /// One to be written, until it is [let go](Self::release).
    pub(super) fn take(&self) -> Option<usize> {
        let mut free = self.free.lock();
        let slot = free.iter().position(|free| *free)?;
        free[slot] = false;
        Some(slot)
    }

    pub(super) fn release(&self, slot: usize) {
        self.free.lock()[slot] = true;
    }

    pub(super) fn has_room(&self) -> bool {
        self.free.lock().contains(&true)
    }
}

/// A picture in a slot that is ours until this is dropped.
pub(super) struct Slot {
    pub(super) ring: Arc<Ring>,
    pub(super) number: usize,
    length: usize,
}

impl Slot {
    /// The first `length` bytes of it; `None` where it is shorter.
    pub(super) fn new(ring: Arc<Ring>, number: usize, length: u64) -> Option<Self> {
        let length = usize::try_from(length).ok().filter(|length| *length <= ring.slot)?;
        Some(Self { ring, number, length })
    }
}

impl PixelSource for Slot {
    fn bytes(&self) -> &[u8] {
        let start = self.number * self.ring.slot;
        &self.ring.mapped[start..start + self.length]
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.ring.release(self.number);
    }
}

/// The decoder's side.
pub(super) struct Easel {
    mapped: MmapMut,
    slot: usize,
}

impl Easel {
    pub(super) fn new(file: &File) -> io::Result<Self> {
        if !fcntl_get_seals(file)?.contains(SEALS) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        #[expect(unsafe_code, reason = "shared memory can't be had without")]
        // SAFETY: its size is sealed, and nobody else writes to it.
        let mapped = unsafe { MmapOptions::new().map_mut(file)? };
        let slot = mapped.len() / SLOTS;
        Ok(Self { mapped, slot })
    }

    /// Whether pictures of this size fit without wasting most of the room.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.slot && (bytes > self.slot / 2 || self.slot as u64 <= PAGE)
    }

    pub(super) fn write(&mut self, slot: usize, picture: &[u8]) {
        if slot < SLOTS && picture.len() <= self.slot {
            let start = slot * self.slot;
            self.mapped[start..start + picture.len()].copy_from_slice(picture);
        }
    }
}

/// Bytes that nobody can change any more, for many decoders.
pub(super) struct Frozen(File);

impl Frozen {
    pub(super) fn new(bytes: &[u8]) -> io::Result<Self> {
        use io::Write;
        let mut file = sys::memory("sightline-registry")?;
        file.write_all(bytes)?;
        fcntl_add_seals(&file, SEALS | SealFlags::WRITE)?;
        Ok(Self(file))
    }
}

impl AsFd for Frozen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_when_its_picture_is_dropped_and_its_bytes_stay_where_they_are() {
        let (ring, file) = Ring::new(5000).unwrap();
        let ring = Arc::new(ring);
        let mut easel = Easel::new(&file).unwrap();
        let slots: Vec<_> = (0..SLOTS)
            .map(|i| {
                let number = ring.take().unwrap();
                easel.write(number, &[i as u8; 5000]);
                Slot::new(ring.clone(), number, 5000).unwrap()
            })
            .collect();
        assert!(ring.take().is_none() && !ring.has_room());
        for (i, slot) in slots.iter().enumerate() {
            assert!(slot.bytes().len() == 5000 && slot.bytes().iter().all(|b| *b == i as u8));
        }
        drop(slots.into_iter().nth(2));
        assert!(ring.has_room());
        drop(easel);
        let slot = Slot::new(ring.clone(), 3, 5000).unwrap();
        drop(ring);
        assert_eq!(slot.bytes()[4999], 3);
    }

    #[test]
    fn the_memory_can_be_neither_cut_nor_made_longer_nor_unsealed() {
        let (_ring, file) = Ring::new(1).unwrap();
        assert!(ftruncate(&file, 0).is_err() && ftruncate(&file, 1 << 20).is_err());
        assert!(fcntl_add_seals(&file, SealFlags::WRITE).is_err());
        assert!(Ring::new(0).is_err() && Ring::new(LARGEST + 1).is_err());
        let frozen = Frozen::new(b"a").unwrap();
        assert!(rustix::io::write(&frozen, b"b").is_err());
    }

    #[test]
    fn a_length_beyond_the_slot_is_refused() {
        let (ring, _file) = Ring::new(4096).unwrap();
        let ring = Arc::new(ring);
        for length in [4097, u64::MAX] {
            assert!(Slot::new(ring.clone(), 0, length).is_none(), "{length}");
        }
    }
}
