//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use crate::{
    AuditEntry, Caller, Grant, GrantSignature, PublicKey, SigningKey,
    log::{
        self, KeyKind, Note, NoteKey, NoteSigner, Receipt, Seal, TreeHead, Trust, check_backup_seal, check_consistency,
        check_in_batch, cosign, entry_hash,
    },
    seen::{Digests, Salts},
    verify_grant,
};

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] =
    &[("note", note), ("receipt", receipt), ("log_proof", log_proof), ("grant", grant), ("audit_entry", audit_entry)];

/// Keys that the seeds are signed with, so that signatures that fit are among what is read.
fn signer(name: &str, kind: KeyKind) -> Option<NoteSigner> {
    NoteSigner::new(name, kind, SigningKey::from_bytes(&[7; 32])).ok()
}

fn trust() -> Option<Trust> {
    let log = signer("city.example/log", KeyKind::Log)?.key().clone();
    let witness = NoteSigner::new("witness", KeyKind::Witness, SigningKey::from_bytes(&[8; 32])).ok()?.key().clone();
    Some(Trust { witnesses: vec![witness], ..Trust::of(log) })
}

/// Notes, their keys, checkpoints and seals: there is one way to write each, and what is signed says what was read.
fn note(bytes: &[u8]) {
    let (Ok(text), Some(trust)) = (std::str::from_utf8(bytes), trust()) else { return };
    if let Ok(key) = text.parse::<NoteKey>() {
        assert_eq!(key.to_string(), text, "a key can be written in two ways");
    }
    if let Ok(seal) = Seal::read(text, &trust.log) {
        let signed = signer("city.example/log", KeyKind::Log).and_then(|signer| seal.sign(&signer).ok());
        assert!(signed.is_some_and(|note| note.to_string() == text), "a seal can be written in two ways");
    }
    let _ = check_backup_seal(text, [7; 32], &trust.log);
    let Ok(note) = text.parse::<Note>() else { return };
    assert_eq!(note.to_string(), text, "a note can be written in two ways");
    if let Ok(checked) = trust.check(&note) {
        assert!(checked.head.size <= log::MAX_SIZE);
        if let Some(witness) = signer("witness", KeyKind::Witness) {
            let _ = cosign(&witness, &trust.log, &TreeHead::EMPTY, &note, &[], 1);
        }
    }
}

/// Receipts: there is one way to write each.
fn receipt(bytes: &[u8]) {
    let (Ok(text), Some(trust)) = (std::str::from_utf8(bytes), trust()) else { return };
    let Ok(receipt) = text.parse::<Receipt>() else { return };
    assert_eq!(receipt.to_string(), text, "a receipt can be written in two ways");
    let entry = receipt.extra.clone().unwrap_or_default();
    let _ = receipt.verify(&trust, &entry);
    let _ = AuditEntry::from_bytes(&entry);
}

/// Proofs of a log by themselves: behind a signature a fuzzer would never come to them. Numbers, then hashes.
fn log_proof(bytes: &[u8]) {
    let Some((numbers, hashes)) = bytes.split_at_checked(24) else { return };
    let number = |at: usize| numbers[at..at + 8].iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    let (index, size, before) = (number(0), number(8), number(16));
    let proof: Vec<log::Hash> =
        hashes.chunks_exact(32).filter_map(|hash| Some(log::Hash(hash.try_into().ok()?))).take(70).collect();
    let Some((root, proof)) = proof.split_first() else { return };
    let leaf = entry_hash(b"entry");
    let _ = check_in_batch(proof, size, *root, index, leaf);
    let (now, then) = (TreeHead { size, hash: *root }, TreeHead { size: before, hash: *proof.first().unwrap_or(root) });
    if check_consistency(&then, &now, proof).is_ok() {
        assert!(then.size <= now.size);
        // Of the same size there is one tree.
        assert!(then.size < now.size || then.hash == now.hash);
    }
}

/// What an authoriser is about to sign, and signatures: one grant, one encoding, and nothing signed by nobody counts.
fn grant(bytes: &[u8]) {
    if let Ok(grant) = Grant::from_bytes(bytes) {
        assert_eq!(grant.to_bytes(), bytes);
        let json = serde_json::to_vec(&grant);
        let again: Option<Grant> = json.ok().and_then(|json| serde_json::from_slice(&json).ok());
        assert!(again.is_some_and(|again| again == grant), "a grant is another after JSON");
        assert!(verify_grant(&PublicKey::from(&SigningKey::from_bytes(&[7; 32])), &grant, &GrantSignature([0; 64])).is_err());
    }
    if let Ok(grant) = serde_json::from_slice::<Grant>(bytes) {
        assert!(Grant::from_bytes(&grant.to_bytes()).is_ok_and(|again| again == grant), "a grant can't be signed and read");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (text.parse::<PublicKey>(), text.parse::<GrantSignature>());
        if let Ok(caller) = Caller::from_uri(text) {
            assert_eq!(caller.uri(), text, "a caller has two addresses");
        }
    }
}

/// Entries of the record, and what opens a commitment: what is read is written as it is read again.
fn audit_entry(bytes: &[u8]) {
    if let Ok(entry) = AuditEntry::from_bytes(bytes) {
        let written = entry.to_bytes().unwrap_or_default();
        let again = AuditEntry::from_bytes(&written).and_then(|again| again.to_bytes());
        assert!(again.is_ok_and(|again| again == written), "an entry is another when it is read again");
    }
    if let Some(digests) = Digests::from_bytes(bytes) {
        assert_eq!(digests.to_bytes(), bytes);
    }
    if let Some(salts) = Salts::from_bytes(bytes) {
        assert_eq!(salts.to_bytes(), bytes);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use types::{AgencyId, CameraId, CaptureTime, CaseId, Class, QueryPart, ReceiveTime, TimeWindow};

    use super::*;
    use crate::{
        Action, Area, AuditDetail, Budgets, Phase, Place, Purpose, Scope,
        log::{MemoryTiles, append, seal_backup, sign_head},
    };

    const DAY: i64 = 86_400_000_000;
    const START: i64 = 1_772_323_200_000_000;

    fn grant_of(more: bool) -> Grant {
        let (capture, receive) =
            (|at: i64| CaptureTime::from_micros(START + at).unwrap(), |at: i64| ReceiveTime::from_micros(START + at).unwrap());
        Grant {
            case: CaseId::new("missing-7").unwrap(),
            purpose: Purpose::MissingPerson,
            legal_basis: "Act 12, section 3".into(),
            reason: "a child of six was last seen at the quay".into(),
            requester: Caller::from_uri("sightline://transit/investigator/kim").unwrap(),
            scope: Scope {
                cameras: BTreeSet::from([CameraId::new("quay-2").unwrap()]),
                agencies: BTreeSet::from([AgencyId::new("transit").unwrap()]),
                area: more.then(|| Area { centre: Place::from_e6(51_500_000, -100_000).unwrap(), radius_m: 500 }),
                window: TimeWindow::new(capture(0), capture(DAY)).unwrap(),
                classes: BTreeSet::from([Class::Person]),
                parts: if more { QueryPart::parse("appearance").into_iter().collect() } else { BTreeSet::new() },
            },
            budgets: Budgets { queries: 10, results: 200 },
            opened: receive(DAY),
            expires: receive(3 * DAY),
            emergency: more.then(|| "found alone, it is freezing".into()),
        }
    }

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let (log, other) = (signer("city.example/log", KeyKind::Log).unwrap(), SigningKey::from_bytes(&[8; 32]));
        let witness = NoteSigner::new("witness", KeyKind::Witness, other).unwrap();
        let (plain, emergency) = (grant_of(false), grant_of(true));
        let entry = AuditEntry {
            at: plain.opened,
            caller: Some(plain.requester.clone()),
            action: Action::ALL[0],
            phase: Phase::Begin,
            case: Some(plain.case.clone()),
            detail: AuditDetail::default(),
            charge: None,
        };
        let entry = entry.to_bytes().unwrap();
        let entries: Vec<Vec<u8>> =
            (0..5).map(|n| if n == 3 { entry.clone() } else { format!("entry {n}").into_bytes() }).collect();
        let mut tiles = MemoryTiles::default();
        let head = append(&mut tiles, &TreeHead::EMPTY, &entries.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let mut checkpoint = sign_head(&log, &head).unwrap();
        let cosigned = cosign(&witness, log.key(), &TreeHead::EMPTY, &checkpoint, &[], 1_772_323_200).unwrap();
        let bare = checkpoint.clone();
        checkpoint.add(cosigned.signature);
        let mut receipt = Receipt::issue(&tiles, &head, &checkpoint, 3).unwrap();
        assert!(receipt.verify(&Trust { quorum: 1, ..trust().unwrap() }, &entry).is_ok());
        let without = receipt.to_string();
        receipt.extra = Some(entry.clone());
        let seal = Seal { manifest: [1; 32], receipt: [2; 32] }.sign(&log).unwrap();
        let numbers = |index: u64, size: u64, before: u64| [index, size, before].map(u64::to_be_bytes).concat();
        let hashes: Vec<u8> = receipt.proof.iter().flat_map(|hash| hash.0).collect();
        let proof = [numbers(3, head.size, 2), head.hash.0.to_vec(), hashes].concat();
        let text = |text: String| text.into_bytes();
        super::corpora::hold(
            TARGETS,
            &[
                ("note", "checkpoint", text(bare.to_string())),
                ("note", "witnessed", text(checkpoint.to_string())),
                ("note", "seal", text(seal.to_string())),
                ("note", "backup", text(seal_backup([7; 32], &log).unwrap().to_string())),
                ("note", "key", text(log.key().to_string())),
                ("note", "key-of-a-witness", text(witness.key().to_string())),
                ("receipt", "plain", text(without)),
                ("receipt", "with-its-entry", text(receipt.to_string())),
                ("log_proof", "of-an-entry", proof),
                ("log_proof", "of-an-empty-log", [numbers(0, 1, 0), vec![0; 64]].concat()),
                ("log_proof", "of-the-largest-log", [numbers((1 << 40) - 1, 1 << 40, 1 << 39), vec![7; 41 * 32]].concat()),
                ("grant", "plain", plain.to_bytes()),
                ("grant", "with-an-area", emergency.to_bytes()),
                ("grant", "as-json", serde_json::to_vec(&emergency).unwrap()),
                ("grant", "caller", text(plain.requester.uri())),
                ("audit_entry", "begin", entry),
                ("audit_entry", "digests", vec![3; 96]),
                ("audit_entry", "salts", vec![3; 32]),
            ],
        );
    }
}
