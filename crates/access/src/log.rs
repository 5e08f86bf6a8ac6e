//! The transparency log: an append-only Merkle tree over the record, which anybody can check and nobody can rewrite.
//!
//! Hashing is RFC 6962's; tiles and entry bundles lie where C2SP `tlog-tiles` says; heads are `tlog-checkpoint` notes signed
//! with Ed25519 and cosigned by witnesses (`tlog-cosignature`, v1); receipts are `tlog-proof` files. The arithmetic of trees
//! is the crate `tlog_tiles`; this module adds the sequencing, the notes and the rules of whom to believe.
//!
//! Pure: bytes come from and go to a [`TileStore`], time is an argument. Whatever a store hands out is checked against a
//! head before it is used, so a damaged or rewritten store gives an error, never a wrong answer.
//!
//! A failed check names what does not fit and never says why it might: a flipped disk bit and a forger look the same.

mod authentic;
mod batch;
mod event;
mod head;
mod introduction;
mod note;
mod receipt;
mod seal;
mod store;
mod tree;
mod trust;

pub use batch::{batch_root, check_in_batch, prove_in_batch};
pub use event::{sign_event, verify_event};
pub use head::{LogError, MAX_ENTRY, MAX_SIZE, TreeHead};
pub use introduction::Introductions;
pub use note::{KeyKind, Note, NoteError, NoteKey, NoteSignature, NoteSigner};
pub use receipt::Receipt;
pub use seal::{Seal, check_backup_seal, seal_backup};
pub use store::{MemoryTiles, StoreError, TileStore};
pub use tlog_tiles::Hash;
pub use tree::{append, entry, entry_hash, prove_consistency, prove_inclusion, verify_log};
pub use trust::{Checked, Cosigned, Trust, check_consistency, cosign, sign_head, sign_head_as};
