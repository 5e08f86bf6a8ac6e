use std::collections::HashMap;

use tlog_tiles::{
    Hash, HashReader, Tile, record_hash, stored_hash_index, stored_hashes_for_record_hash, sub_tree_index, tree_hash,
};

use super::{
    TileStore,
    authentic::{Authentic, HEIGHT, WIDTH, read_or_wider, read_tile, tile, tile_path},
    head::{LogError, MAX_ENTRY, MAX_SIZE, TreeHead},
};

/// The RFC 6962 leaf hash of an entry.
pub fn entry_hash(entry: &[u8]) -> Hash {
    record_hash(entry)
}

fn bundle_path(n: u64, width: u64) -> String {
    tile_path(&tile(0, n, width)).replacen("tile/0/", "tile/entries/", 1)
}

/// Hashes of the tree as it grows: new ones from memory, old ones from tiles that fit the old head.
struct Growing<'a> {
    new: HashMap<u64, Hash>,
    old: &'a Authentic<'a>,
}

impl HashReader for Growing<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let absent: Vec<u64> = indexes.iter().copied().filter(|i| !self.new.contains_key(i)).collect();
        let mut old = self.old.read_hashes(&absent)?.into_iter();
        indexes.iter().map(|i| self.new.get(i).copied().or_else(|| old.next()).ok_or(tlog_tiles::Error::BadMath)).collect()
    }
}

/// Adds entries and gives the new head. Writes entries first, then tiles; nothing of the old tree is written over, so a
/// crash in between leaves the old head valid, and doing it again writes the same.
///
/// # Errors
/// [`LogError::Inconsistent`] where the store does not fit `head`: a log that was changed is never built upon.
pub fn append(store: &mut dyn TileStore, head: &TreeHead, entries: &[&[u8]]) -> Result<TreeHead, LogError> {
    if let Some(entry) = entries.iter().find(|e| e.len() > MAX_ENTRY) {
        return Err(LogError::TooLong { len: entry.len() });
    }
    let size = head.size.saturating_add(entries.len() as u64);
    check_size(size)?;
    if entries.is_empty() {
        return Ok(*head);
    }
    let bundles = grow_bundles(store, head, entries)?;
    let (hash, tiles) = grow_tiles(store, head, entries)?;
    for (path, bytes) in bundles.iter().chain(&tiles) {
        store.write(path, bytes)?;
    }
    Ok(TreeHead { size, hash })
}

type Files = Vec<(String, Vec<u8>)>;

fn grow_tiles(store: &dyn TileStore, head: &TreeHead, entries: &[&[u8]]) -> Result<(Hash, Files), LogError> {
    let old = Authentic::open(store, head)?;
    let mut growing = Growing { new: HashMap::new(), old: &old };
    let explain = |e: tlog_tiles::Error| old.explain(&e);
    // The right edge is all that later hashes are made of: read it once.
    let edge = sub_tree_index(0, head.size, Vec::new());
    let hashes = growing.read_hashes(&edge).map_err(explain)?;
    growing.new.extend(edge.into_iter().zip(hashes));
    let mut size = head.size;
    for entry in entries {
        let made = stored_hashes_for_record_hash(size, record_hash(entry), &growing).map_err(explain)?;
        let first = stored_hash_index(0, size);
        growing.new.extend((first..).zip(made));
        size += 1;
    }
    let mut files = Vec::new();
    for tile in Tile::new_tiles(HEIGHT, head.size, size) {
        files.push((tile_path(&tile), tile.read_data(&growing).map_err(explain)?));
    }
    Ok((tree_hash(size, &growing).map_err(explain)?, files))
}

fn grow_bundles(store: &dyn TileStore, head: &TreeHead, entries: &[&[u8]]) -> Result<Files, LogError> {
    let (mut n, mut width) = (head.size / WIDTH, head.size % WIDTH);
    let mut bundle = Vec::new();
    if width > 0 {
        for entry in read_bundle(store, head, n)? {
            push_entry(&mut bundle, &entry);
        }
    }
    let mut files = Vec::new();
    for entry in entries {
        push_entry(&mut bundle, entry);
        width += 1;
        if width == WIDTH {
            files.push((bundle_path(n, WIDTH), std::mem::take(&mut bundle)));
            (n, width) = (n + 1, 0);
        }
    }
    if width > 0 {
        files.push((bundle_path(n, width), bundle));
    }
    Ok(files)
}

fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // `append` refuses longer ones.
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of bundle `n`, as many as the head says, each of them held against the tree.
fn read_bundle(store: &dyn TileStore, head: &TreeHead, n: u64) -> Result<Vec<Vec<u8>>, LogError> {
    let entries = raw_bundle(store, head.size, n)?;
    let tree = Authentic::open(store, head)?;
    let indexes: Vec<u64> = (0..entries.len() as u64).map(|i| stored_hash_index(0, n * WIDTH + i)).collect();
    let hashes = tree.read_hashes(&indexes).map_err(|e| tree.explain(&e))?;
    if entries.iter().zip(hashes).all(|(entry, hash)| record_hash(entry) == hash) {
        Ok(entries)
    } else {
        Err(LogError::Tile { path: bundle_path(n, entries.len() as u64) })
    }
}

/// What the bundle says, unchecked.
fn raw_bundle(store: &dyn TileStore, size: u64, n: u64) -> Result<Vec<Vec<u8>>, LogError> {
    let width = (size - n * WIDTH).min(WIDTH);
    let path = bundle_path(n, width);
    let data = read_or_wider(store, &path, |_| true)?;
    let mut entries = Vec::new();
    let mut rest = data.as_slice();
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let Some((entry, after)) = after.split_at_checked(u16::from_be_bytes(*len).into()) else {
            return Err(LogError::Tile { path });
        };
        entries.push(entry.to_vec());
        rest = after;
    }
    // A bundle that was replaced by the full one has more.
    if !rest.is_empty() || (entries.len() as u64) < width {
        return Err(LogError::Tile { path });
    }
    entries.truncate(usize::try_from(width).unwrap_or(usize::MAX));
    Ok(entries)
}

/// One entry, held against the head.
///
/// # Errors
/// [`LogError::Index`] where there is none; [`LogError::Missing`], [`LogError::Tile`] and [`LogError::Inconsistent`]
/// where the store does not fit the head.
pub fn entry(store: &dyn TileStore, head: &TreeHead, index: u64) -> Result<Vec<u8>, LogError> {
    check_index(head, index)?;
    let mut bundle = read_bundle(store, head, index / WIDTH)?;
    Ok(bundle.swap_remove(usize::try_from(index % WIDTH).unwrap_or(usize::MAX)))
}

/// The hashes from the leaf's sibling up, as RFC 6962, 2.1.1.
///
/// # Errors
/// [`LogError::Index`] where there is no such entry; [`LogError::Missing`], [`LogError::Tile`] and
/// [`LogError::Inconsistent`] where the store does not fit the head.
pub fn prove_inclusion(store: &dyn TileStore, head: &TreeHead, index: u64) -> Result<Vec<Hash>, LogError> {
    check_index(head, index)?;
    let tree = Authentic::open(store, head)?;
    tlog_tiles::prove_record(head.size, index, &tree).map_err(|e| tree.explain(&e))
}

/// That the tree of `before` entries is the beginning of `head`'s, as RFC 6962, 2.1.2. Empty for the empty tree.
///
/// # Errors
/// [`LogError::WentBack`] where the log is shorter than `before`; [`LogError::Missing`], [`LogError::Tile`] and
/// [`LogError::Inconsistent`] where the store does not fit the head.
pub fn prove_consistency(store: &dyn TileStore, head: &TreeHead, before: u64) -> Result<Vec<Hash>, LogError> {
    check_size(head.size)?;
    if before == 0 {
        return Ok(Vec::new());
    }
    if before > head.size {
        return Err(LogError::WentBack { before, now: head.size });
    }
    let tree = Authentic::open(store, head)?;
    tlog_tiles::prove_tree(head.size, before, &tree).map_err(|e| tree.explain(&e))
}

/// Checks a whole log: every entry against its leaf, every tile against the one below, and all of it against the head.
/// Calls `seen` with each entry, in order. Reads one bundle and one tile at a time.
///
/// # Errors
/// The first [`LogError`] that is found. `seen` has got the entries before it.
pub fn verify_log(store: &dyn TileStore, head: &TreeHead, mut seen: impl FnMut(u64, &[u8])) -> Result<(), LogError> {
    check_size(head.size)?;
    // The right edge against the head; then everything against what is below it.
    Authentic::open(store, head)?;
    let mut above = Vec::new();
    for n in 0..head.size.div_ceil(WIDTH) {
        let entries = raw_bundle(store, head.size, n)?;
        let leaves: Vec<Hash> = entries.iter().map(|e| record_hash(e)).collect();
        check_tile(store, 0, n, &leaves, &mut above)?;
        (n * WIDTH..).zip(&entries).for_each(|(index, entry)| seen(index, entry));
    }
    let mut level = 1;
    while !above.is_empty() {
        let hashes = std::mem::take(&mut above);
        for (n, chunk) in (0..).zip(hashes.chunks(1 << HEIGHT)) {
            check_tile(store, level, n, chunk, &mut above)?;
        }
        level += 1;
    }
    Ok(())
}

fn check_tile(store: &dyn TileStore, level: u8, n: u64, hashes: &[Hash], above: &mut Vec<Hash>) -> Result<(), LogError> {
    let tile = tile(level, n, hashes.len() as u64);
    let data: Vec<u8> = hashes.iter().flat_map(|h| h.0).collect();
    if read_tile(store, &tile)? != data {
        return Err(LogError::Tile { path: tile_path(&tile) });
    }
    if hashes.len() as u64 == WIDTH {
        above.push(Tile::subtree_hash(&data));
    }
    Ok(())
}

fn check_size(size: u64) -> Result<(), LogError> {
    if size <= MAX_SIZE { Ok(()) } else { Err(LogError::TooLarge(size)) }
}

fn check_index(head: &TreeHead, index: u64) -> Result<(), LogError> {
    check_size(head.size)?;
    if index < head.size { Ok(()) } else { Err(LogError::Index { index, size: head.size }) }
}
