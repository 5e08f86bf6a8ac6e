//! A Merkle tree over hashes that are all in memory: what one entry of the log commits to at once. The same arithmetic as the
//! log's own.

use tlog_tiles::{Hash, HashReader, check_record, prove_record, stored_hashes_for_record_hash, tree_hash};

use super::LogError;

/// Hashes of one tree, in the order in which `tlog_tiles` stores them.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| usize::try_from(*index).ok().and_then(|index| self.0.get(index)).copied();
        indexes.iter().map(at).collect::<Option<_>>().ok_or(tlog_tiles::Error::BadMath)
    }
}

impl Stored {
    fn of(leaves: &[Hash]) -> Result<Self, LogError> {
        let mut stored = Self(Vec::with_capacity(leaves.len() * 2));
        for (n, leaf) in (0..).zip(leaves) {
            let made = stored_hashes_for_record_hash(n, *leaf, &stored).map_err(|_| LogError::Inconsistent)?;
            stored.0.extend(made);
        }
        Ok(stored)
    }
}

/// The RFC 6962 root over leaf hashes.
///
/// # Errors
/// None for leaves in memory: the arithmetic of trees says it could fail.
pub fn batch_root(leaves: &[Hash]) -> Result<Hash, LogError> {
    tree_hash(leaves.len() as u64, &Stored::of(leaves)?).map_err(|_| LogError::Inconsistent)
}

/// The hashes from a leaf's sibling up.
///
/// # Errors
/// [`LogError::Index`] where there is no such leaf.
pub fn prove_in_batch(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, LogError> {
    let size = leaves.len() as u64;
    if index >= size {
        return Err(LogError::Index { index, size });
    }
    prove_record(size, index, &Stored::of(leaves)?).map_err(|_| LogError::Inconsistent)
}

/// Whether `leaf` is at `index` of the `size` leaves with this root.
///
/// # Errors
/// [`LogError::Index`] or [`LogError::Proof`] where it is not.
pub fn check_in_batch(proof: &[Hash], size: u64, root: Hash, index: u64, leaf: Hash) -> Result<(), LogError> {
    if index >= size || size > super::MAX_SIZE {
        return Err(LogError::Index { index, size });
    }
    // A tree of that size has no longer proof.
    if proof.len() > 64 {
        return Err(LogError::Proof);
    }
    check_record(&proof.to_vec(), size, root, index, leaf).map_err(|_| LogError::Proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::entry_hash;

    #[test]
    fn every_leaf_of_a_batch_is_proved_at_its_place_and_at_no_other() {
        for size in 1..20u64 {
            let leaves: Vec<Hash> = (0..size).map(|n| entry_hash(&n.to_be_bytes())).collect();
            let root = batch_root(&leaves).unwrap();
            for index in 0..size {
                let proof = prove_in_batch(&leaves, index).unwrap();
                for (at, leaf) in (0..).zip(&leaves) {
                    assert_eq!(check_in_batch(&proof, size, root, index, *leaf).is_ok(), at == index, "{index} {at} of {size}");
                }
                assert!(check_in_batch(&proof, size, entry_hash(b"other"), index, leaves[0]).is_err());
            }
            assert!(prove_in_batch(&leaves, size).is_err());
        }
        // RFC 6962: a node is hashed with 0x01 before it.
        let [a, b] = [entry_hash(b"a"), entry_hash(b"b")];
        assert_eq!(batch_root(&[a, b]).unwrap(), tlog_tiles::node_hash(a, b));
        assert_eq!(batch_root(&[a]).unwrap(), a);
    }
}
