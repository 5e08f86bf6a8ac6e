//! What leaves the deployment for a file or a court: redacted crops, a manifest, a report for people, the receipts of what
//! was asked, and a seal over all of it. This module says what the files are and checks them; `services::export` makes them.
//!
//! ```text
//! seal.txt             the log's signature under the digests of the next two
//! manifest.json        what is in here, with the SHA-256 of every file below
//! receipt.tlog-proof   that the export is on the record, its entry naming the manifest's digest
//! report.html          for people
//! crops/               one a possible sighting, faces erased
//! receipts/            of the case's searches and exports, and of the entries that commit to the sightings, by the number of the entry
//! ```
//!
//! The seal is signed by the log's own key: whoever can check a receipt can check an export, and there is no second key
//! that could be stolen to make one that is on no record.
//!
//! Each possible sighting comes with what opens the record's commitment to it, so that whoever checks an export also checks
//! that it is what was stored, and not what somebody made of it later.
//!
//! What it refuses: to call an export whole of which one byte of one file is another, or that has a file more or less.

mod check;
mod committed;
mod manifest;
mod report;

use std::collections::BTreeMap;

pub use self::{
    check::{CheckedExport, ExportFault, Proofs, check},
    committed::{Committed, CommittedStature},
    manifest::{Exhibit, Exported, ListedFile, Manifest, Moment, RecordLine, Selection, Word},
};
pub(crate) use self::{committed::seen_of, manifest::digest, report::report};

pub const SEAL: &str = "seal.txt";
pub const MANIFEST: &str = "manifest.json";
pub const RECEIPT: &str = "receipt.tlog-proof";
pub const REPORT: &str = "report.html";

/// The files of an export, by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the receipt of an entry lies.
pub(crate) fn receipt_path(entry: u64) -> String {
    format!("receipts/{entry:08}.tlog-proof")
}

/// Whether a path stays inside the folder it is written to, on any system: parts of `a-z0-9-_.` that begin with no dot.
pub fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    path.len() <= 200 && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        for good in [SEAL, MANIFEST, RECEIPT, REPORT, "crops/0001-0f8fad5b.jpg", &receipt_path(17)] {
            assert!(is_plain_path(good), "{good}");
        }
        for bad in ["", "/etc/x", "..", "a/../b", ".ssh", "a//b", "a/", "A", "a\\b", "c:x", "a b", "\u{e9}"] {
            assert!(!is_plain_path(bad), "{bad}");
        }
    }
}
