//! The record as others can check it, with a key and nothing else.
//!
//! The record's log lies in a folder as C2SP tiles under a signed checkpoint. This crate reads and checks such a folder, its keys,
//! exports and what came with them, and is the witness that signs that a log only grew. The server adds entries; it does so
//! through its own catalogue, of which nothing is known here.
//!
//! It owns one invariant: what is signed extends what was signed, and receipts and exports verify with the key alone. So that an
//! auditor needs no more than that, it links no GStreamer, no ONNX Runtime, no database and no gRPC;
//! `scripts/check-architecture` holds it to that.
//!
//! What it refuses: to call anything checked that no key was given for, and to sign a checkpoint that does not grow out of the
//! one that was signed before.

#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod export;
mod fault;
mod files;
mod folder;
mod keys;
mod witness;

pub use self::{
    fault::LogFault,
    files::FileTiles,
    folder::{check_beginning, checked, read_note, verify_folder, verify_growth},
    keys::{introductions_beside, make_key, new_key, public_half, read_introductions, read_key, read_signer},
    witness::Witness,
};
