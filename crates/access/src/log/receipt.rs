use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use tlog_tiles::Hash;

use super::{Checked, LogError, Note, TileStore, TreeHead, Trust, prove_inclusion, tree::entry_hash};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^40 entries has proofs of 40 hashes.
const MAX_PROOF: usize = 64;

/// That an entry is in the log, for anybody to check with no server and no network: a C2SP `tlog-proof`.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Travels along and proves nothing by itself: the entry, for one.
    pub extra: Option<Vec<u8>>,
    /// The entry's place in the log, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling up, as RFC 6962, 2.1.1.
    pub proof: Vec<Hash>,
    /// The signed head that the proof leads to.
    pub checkpoint: Note,
}

impl Receipt {
    /// `checkpoint` is the signed (and witnessed) note of `head`.
    ///
    /// # Errors
    /// As [`prove_inclusion`].
    pub fn issue(store: &dyn TileStore, head: &TreeHead, checkpoint: &Note, index: u64) -> Result<Self, LogError> {
        let proof = prove_inclusion(store, head, index)?;
        Ok(Self { extra: None, index, proof, checkpoint: checkpoint.clone() })
    }

    /// Whether this very entry is in a log that `trust` believes.
    ///
    /// # Errors
    /// [`LogError`] where the checkpoint is not to be believed, the log has no such entry, or the proof does not lead
    /// from the entry to the head.
    pub fn verify(&self, trust: &Trust, entry: &[u8]) -> Result<Checked, LogError> {
        let checked = trust.check(&self.checkpoint)?;
        let TreeHead { size, hash } = checked.head;
        if self.index >= size {
            return Err(LogError::Index { index: self.index, size });
        }
        if self.proof.len() > MAX_PROOF {
            return Err(LogError::Proof);
        }
        tlog_tiles::check_record(&self.proof, size, hash, self.index, entry_hash(entry)).map_err(|_| LogError::Proof)?;
        Ok(checked)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = LogError;
    fn from_str(text: &str) -> Result<Self, LogError> {
        let bad = LogError::Receipt;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(bad("it has no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(bad("its first line is another"));
        }
        let extra = lines.next_if(|l| l.starts_with("extra "));
        let extra = extra.map(|l| BASE64_STANDARD.decode(&l["extra ".len()..])).transpose();
        let extra = extra.map_err(|_| bad("its extra data is not base64"))?;
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).ok_or(bad("it has no index"))?;
        let number: u64 = index.parse().map_err(|_| bad("its index is not a number"))?;
        if number.to_string() != index {
            return Err(bad("its index is not a number"));
        }
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(bad("its proof is too long"));
            }
            proof.push(Hash::parse_hash(line).map_err(|_| bad("its proof is not made of hashes"))?);
        }
        Ok(Self { extra, index: number, proof, checkpoint: checkpoint.parse()? })
    }
}
