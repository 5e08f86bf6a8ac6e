//! What leaves the deployment for a file or a court: redacted crops, a manifest, a report for people, the receipts of what
//! was asked, and a seal over all of it. This module says what the files are and checks them; the server makes them.
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
mod files;
mod manifest;
mod proof;
mod report;

pub use self::{
    check::{CheckedExport, ExportFault, Proofs, check},
    committed::{Committed, CommittedStature, seen_of},
    files::{Files, MANIFEST, RECEIPT, REPORT, SEAL, is_plain_path, receipt_path},
    manifest::{Exhibit, Exported, ListedFile, Manifest, Moment, RecordLine, Selection, Word, digest},
    report::report,
};
