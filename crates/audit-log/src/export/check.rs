use std::collections::{BTreeMap, BTreeSet};

use access::{
    Action, AuditDetail, AuditEntry, Outcome, Phase,
    log::{Checked, LogError, NoteKey, Receipt, Seal, Trust},
};
use types::SightingId;

use super::{
    committed::seen_of,
    files::{Files, MANIFEST, RECEIPT, SEAL, receipt_path},
    manifest::{Manifest, digest},
};

/// What does not fit.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// A file that the manifest lists is not there.
    #[error("{path} is missing")]
    Missing {
        /// Its path in the export.
        path: String,
    },
    /// There is a file that the manifest does not list.
    #[error("{path} was not exported")]
    Surplus {
        /// Its path in the export.
        path: String,
    },
    /// A file is not as it was exported.
    #[error("{path} is not as it was exported")]
    Changed {
        /// Its path in the export.
        path: String,
    },
    /// The seal is not the log's, or does not read as one.
    #[error("the seal does not hold")]
    Seal(#[source] LogError),
    /// The manifest is not the JSON that it should be.
    #[error("the manifest can't be read")]
    Manifest(#[source] serde_json::Error),
    /// The manifest is of a later version.
    #[error("the manifest is of a version this program does not know")]
    Version,
    /// A receipt is not to be believed.
    #[error("{path} is not to be believed")]
    Receipt {
        /// Its path in the export.
        path: String,
        /// What does not fit.
        #[source]
        source: LogError,
    },
    /// The manifest and the record differ. Says in what.
    #[error("the record says something else about this export: {0}")]
    Record(&'static str),
    /// A sighting is not the one that the record commits to.
    #[error("possible sighting {number} ({sighting}) is not to be believed: {what}")]
    Sighting {
        /// Its number in the export, from 1.
        number: u32,
        /// The sighting.
        sighting: SightingId,
        /// What does not fit.
        what: &'static str,
    },
    /// A signature under the grant does not fit.
    #[error("the signature of {by} does not fit the case")]
    Authorisation {
        /// Who is said to have signed.
        by: String,
    },
}

/// An export of which every byte is as it left the server.
#[derive(Debug)]
pub struct CheckedExport {
    /// What the export says it is.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's file.
    pub manifest_sha256: [u8; 32],
    /// The entry that ended it.
    pub entry: u64,
    /// The head of the log that the export's own receipt leads to.
    pub checked: Checked,
    /// `None`: it was exported by a version whose record committed to no sightings.
    pub proofs: Option<Proofs>,
}

/// How the record commits to the sightings of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proofs {
    /// Since they were stored.
    pub stored: u32,
    /// Since the upgrade to a version that commits to them, as they were found then.
    pub found: u32,
}

/// Checks an export with neither server nor network: the seal, every file, every receipt, and the signatures under the case.
///
/// # Errors
/// The first [`ExportFault`] that is found.
pub fn check(files: &Files, trust: &Trust) -> Result<CheckedExport, ExportFault> {
    let get = |path: &str| files.get(path).ok_or_else(|| ExportFault::Missing { path: path.to_owned() });
    let not_text = |_| ExportFault::Seal(LogError::Seal("it is not text"));
    let sealed_by = signer(files, trust).unwrap_or_else(|| trust.log.clone());
    let seal = Seal::read(std::str::from_utf8(get(SEAL)?).map_err(not_text)?, &sealed_by).map_err(ExportFault::Seal)?;
    for (path, sealed) in [(MANIFEST, seal.manifest), (RECEIPT, seal.receipt)] {
        if digest(get(path)?) != sealed {
            return Err(ExportFault::Changed { path: path.to_owned() });
        }
    }
    let manifest: Manifest = serde_json::from_slice(get(MANIFEST)?).map_err(ExportFault::Manifest)?;
    if !manifest.is_known() {
        return Err(ExportFault::Version);
    }
    check_files(files, &manifest)?;

    let (entry, ended, checked) = receipt(files, RECEIPT, trust)?;
    check_record(&manifest, &ended, seal.manifest)?;
    for line in &manifest.record {
        let path = receipt_path(line.entry);
        let (at, found, _) = receipt(files, &path, trust)?;
        let same = at == line.entry
            && path == line.receipt
            && found.case.as_ref() == Some(manifest.case.id())
            && (found.at, found.action.as_str(), found.phase.as_str()) == (line.at, line.action.as_str(), line.outcome.as_str())
            && found.caller == line.caller;
        if !same {
            return Err(ExportFault::Record("a receipt is of another entry"));
        }
    }
    let begin = manifest.record.iter().find(|l| l.entry == manifest.exported.entry && l.action == Action::Export.as_str());
    let begun = matches!(ended.phase, Phase::Complete { begin, .. } if begin == manifest.exported.entry);
    if begin.is_none() || !begun {
        return Err(ExportFault::Record("the entry that permitted it is another"));
    }
    for a in &manifest.case.authorisations {
        a.proof.verify(&manifest.case.grant).map_err(|_| ExportFault::Authorisation { by: a.by.to_string() })?;
    }
    let proofs = if manifest.has_proofs() { Some(check_committed(files, &manifest, trust)?) } else { None };
    Ok(CheckedExport { manifest, manifest_sha256: seal.manifest, entry, checked, proofs })
}

/// Which of the log's keys made the export: the one under the checkpoint of its own receipt.
fn signer(files: &Files, trust: &Trust) -> Option<NoteKey> {
    let receipt: Receipt = std::str::from_utf8(files.get(RECEIPT)?).ok()?.parse().ok()?;
    Some(trust.check(&receipt.checkpoint).ok()?.signed_by)
}

/// Each sighting, with its crop, is what an entry of the record commits to.
pub(super) fn check_committed(files: &Files, manifest: &Manifest, trust: &Trust) -> Result<Proofs, ExportFault> {
    let (mut proofs, mut entries) = (Proofs::default(), BTreeMap::new());
    for exhibit in &manifest.sightings {
        let fault = |what| ExportFault::Sighting { number: exhibit.number, sighting: exhibit.sighting, what };
        let committed = exhibit.committed.as_ref().ok_or_else(|| fault("it carries no proof"))?;
        let path = receipt_path(committed.entry);
        if path != committed.receipt {
            return Err(fault("its receipt is another's"));
        }
        if !entries.contains_key(&committed.entry) {
            let (at, entry, _) = receipt(files, &path, trust)?;
            if at != committed.entry {
                return Err(ExportFault::Record("a receipt is of another entry"));
            }
            entries.insert(at, entry);
        }
        let seen = entries.get(&committed.entry).and_then(seen_of);
        let seen = seen.ok_or_else(|| fault("its entry of the record commits to no sightings"))?;
        let crop = files.get(&exhibit.crop).ok_or_else(|| ExportFault::Missing { path: exhibit.crop.clone() })?;
        exhibit.check_committed(crop, seen).map_err(fault)?;
        if seen.found {
            proofs.found += 1;
        } else {
            proofs.stored += 1;
        }
    }
    Ok(proofs)
}

/// The files are those listed, no more and no fewer, and as listed.
fn check_files(files: &Files, manifest: &Manifest) -> Result<(), ExportFault> {
    let mut expected: BTreeSet<&str> = BTreeSet::from([SEAL, MANIFEST, RECEIPT]);
    for listed in &manifest.files {
        let bytes = files.get(&listed.path).ok_or_else(|| ExportFault::Missing { path: listed.path.clone() })?;
        if bytes.len() as u64 != listed.bytes || hex::encode(digest(bytes)) != listed.sha256 {
            return Err(ExportFault::Changed { path: listed.path.clone() });
        }
        expected.insert(&listed.path);
    }
    if let Some(path) = files.keys().find(|path| !expected.contains(path.as_str())) {
        return Err(ExportFault::Surplus { path: path.clone() });
    }
    let crop = manifest.sightings.iter().map(|s| &s.crop).find(|path| !expected.contains(path.as_str()));
    crop.map_or(Ok(()), |path| Err(ExportFault::Missing { path: path.clone() }))
}

fn receipt(files: &Files, path: &str, trust: &Trust) -> Result<(u64, AuditEntry, Checked), ExportFault> {
    let bad = |source| ExportFault::Receipt { path: path.to_owned(), source };
    let bytes = files.get(path).ok_or_else(|| ExportFault::Missing { path: path.to_owned() })?;
    let text = std::str::from_utf8(bytes).map_err(|_| bad(LogError::Receipt("it is not text")))?;
    let receipt: Receipt = text.parse().map_err(bad)?;
    let entry = receipt.extra.as_deref().unwrap_or_default();
    let checked = receipt.verify(trust, entry).map_err(bad)?;
    let entry = AuditEntry::from_bytes(entry).map_err(|_| bad(LogError::Receipt("its entry can't be read")))?;
    Ok((receipt.index + 1, entry, checked))
}

/// The entry that ended the export tells of this manifest.
fn check_record(manifest: &Manifest, ended: &AuditEntry, sealed: [u8; 32]) -> Result<(), ExportFault> {
    let ids: Vec<SightingId> = manifest.sightings.iter().map(|s| s.sighting).collect();
    let expected = AuditDetail { export_sha256: Some(hex::encode(sealed)), ..AuditDetail::of_results(&ids) };
    let done = ended.action == Action::Export && matches!(ended.phase, Phase::Complete { outcome: Outcome::Done, .. });
    match () {
        () if !done => Err(ExportFault::Record("it is not the end of an export")),
        () if ended.case.as_ref() != Some(manifest.case.id()) => Err(ExportFault::Record("it is of another case")),
        () if ended.caller.as_ref() != Some(&manifest.exported.by) => Err(ExportFault::Record("it is of another caller")),
        () if ended.detail != expected => Err(ExportFault::Record("it is of other sightings or another manifest")),
        () if manifest.exported.unauthorised != manifest.case.authorisations.is_empty() => {
            Err(ExportFault::Record("it hides whether somebody authorised the case"))
        }
        () => Ok(()),
    }
}
