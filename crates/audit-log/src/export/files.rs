//! Where things lie in an export.

use std::collections::BTreeMap;

/// The log's signature under manifest and receipt.
pub const SEAL: &str = "seal.txt";
/// What the export is of, for programs.
pub const MANIFEST: &str = "manifest.json";
/// The receipt of the entry that ended the export.
pub const RECEIPT: &str = "receipt.tlog-proof";
/// What the export is of, for people.
pub const REPORT: &str = "report.html";

/// The files of an export, by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the receipt of an entry lies.
pub fn receipt_path(entry: u64) -> String {
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
