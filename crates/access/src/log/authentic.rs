//! Reads tiles of a store and believes none that does not fit a head.
//!
//! `tlog_tiles` 0.2.0 has a reader for this (`TileHashReader`), which our tamper test showed to leave a full tile unchecked
//! where several subtrees of the right edge share a tile: it starts checking after as many tiles as there are subtrees. So
//! this is done here, and the crate is left the arithmetic.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use tlog_tiles::{HASH_SIZE, Hash, HashReader, Tile, node_hash, stored_hash_index};

use super::{LogError, TileStore, TreeHead};

/// Tiles are 256 hashes wide.
pub(super) const HEIGHT: u8 = 8;
pub(super) const WIDTH: u64 = 1 << HEIGHT;

/// `tile/<L>/<N>[.p/<W>]`: the crate's own path carries the height, which C2SP fixes.
pub(super) fn tile_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

/// Reads one tile of the width wanted, unchecked.
pub(super) fn read_tile(store: &dyn TileStore, tile: &Tile) -> Result<Vec<u8>, LogError> {
    let bytes = tile.width() as usize * HASH_SIZE;
    let mut data = read_or_wider(store, &tile_path(tile), |data| data.len() >= bytes)?;
    data.truncate(bytes);
    Ok(data)
}

/// A partial file may have been replaced by the full one.
pub(super) fn read_or_wider(store: &dyn TileStore, path: &str, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, LogError> {
    let missing = || LogError::Missing { path: path.to_owned() };
    let (data, found) = match (store.read(path)?, path.split_once(".p/")) {
        (Some(data), _) => (data, path),
        (None, Some((whole, _))) => (store.read(whole)?.ok_or_else(missing)?, whole),
        (None, None) => return Err(missing()),
    };
    if enough(&data) { Ok(data) } else { Err(LogError::Tile { path: found.to_owned() }) }
}

/// Tiles that fit the head, by level and number.
type Known = HashMap<(u8, u64), Rc<Vec<u8>>>;

/// The hashes of one tree, each of them proven to be in it.
///
/// The tiles at the right edge, all but full, are held against the head when this is opened; a full tile against its hash
/// in the tile above, and that one likewise.
pub(super) struct Authentic<'a> {
    store: &'a dyn TileStore,
    size: u64,
    known: RefCell<Known>,
    /// What went wrong: the errors of `tlog_tiles` have no room for it.
    failed: RefCell<Option<LogError>>,
}

impl<'a> Authentic<'a> {
    /// The caller has checked that the head is not larger than any log.
    pub(super) fn open(store: &'a dyn TileStore, head: &TreeHead) -> Result<Self, LogError> {
        let mut edge = Vec::new();
        let mut known = Known::new();
        // From the lowest level up, and in each from the smallest subtree to the largest: from right to left.
        for level in (0..HEIGHT).take_while(|l| head.size >> (HEIGHT * l) > 0) {
            let wide = head.size >> (HEIGHT * level);
            let (n, width) = (wide / WIDTH, wide % WIDTH);
            if width == 0 {
                continue;
            }
            let data = read_tile(store, &tile(level, n, width))?;
            let mut end = data.len();
            for bit in (0..HEIGHT).filter(|b| width & (1 << b) != 0) {
                let start = end - (HASH_SIZE << bit);
                edge.push(Tile::subtree_hash(&data[start..end]));
                end = start;
            }
            known.insert((level, n), Rc::new(data));
        }
        let root = edge.into_iter().reduce(|right, left| node_hash(left, right)).unwrap_or(TreeHead::EMPTY.hash);
        if root != head.hash {
            return Err(LogError::Inconsistent);
        }
        Ok(Self { store, size: head.size, known: RefCell::new(known), failed: RefCell::new(None) })
    }

    fn read(&self, level: u8, n: u64) -> Result<Rc<Vec<u8>>, LogError> {
        if let Some(data) = self.known.borrow().get(&(level, n)) {
            return Ok(Rc::clone(data));
        }
        // Only tiles of the right edge are not full, and those are all known.
        if level + 1 >= HEIGHT || (n + 1) * WIDTH > self.size >> (HEIGHT * level) {
            return Err(LogError::Inconsistent);
        }
        let full = tile(level, n, WIDTH);
        let data = read_tile(self.store, &full)?;
        let above = self.read(level + 1, n / WIDTH)?;
        let at = usize::try_from(n % WIDTH).unwrap_or(usize::MAX).saturating_mul(HASH_SIZE);
        if above.get(at..at.saturating_add(HASH_SIZE)) != Some(&Tile::subtree_hash(&data).0[..]) {
            return Err(LogError::Tile { path: tile_path(&full) });
        }
        let data = Rc::new(data);
        self.known.borrow_mut().insert((level, n), Rc::clone(&data));
        Ok(data)
    }

    fn hash(&self, index: u64) -> Result<Hash, LogError> {
        if index >= stored_hash_index(0, self.size) {
            return Err(LogError::Inconsistent);
        }
        let at = Tile::from_index(HEIGHT, index);
        let (level, n) = (at.level(), at.level_index());
        let data = self.read(level, n)?;
        tile(level, n, (data.len() / HASH_SIZE) as u64).hash_at_index(&data, index).map_err(|_| LogError::Inconsistent)
    }

    /// What an error of `tlog_tiles` really was.
    pub(super) fn explain(&self, error: &tlog_tiles::Error) -> LogError {
        self.failed.take().unwrap_or(match error {
            tlog_tiles::Error::InvalidProof => LogError::Proof,
            _ => LogError::Inconsistent,
        })
    }
}

impl HashReader for Authentic<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let hash = |i: &u64| {
            self.hash(*i).map_err(|error| {
                *self.failed.borrow_mut() = Some(error);
                tlog_tiles::Error::InconsistentTile
            })
        };
        indexes.iter().map(hash).collect()
    }
}

/// `width` from 1 to 256.
pub(super) fn tile(level: u8, n: u64, width: u64) -> Tile {
    Tile::new(HEIGHT, level, n, u32::try_from(width.clamp(1, WIDTH)).unwrap_or(1), false)
}
