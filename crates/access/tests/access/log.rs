//! The log against the definitions of RFC 6962, written down as they stand there and as slow as they are.

use access::{SigningKey, log::*};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn sha(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|p| hash.update(p));
    hash.finalize().into()
}

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// RFC 6962, 2.1.
fn mth(d: &[Vec<u8>]) -> [u8; 32] {
    match d {
        [] => sha(&[]),
        [leaf] => sha(&[&[0], leaf]),
        _ => {
            let (left, right) = d.split_at(split(d.len()));
            sha(&[&[1], &mth(left), &mth(right)])
        }
    }
}

/// RFC 6962, 2.1.1.
fn path(m: usize, d: &[Vec<u8>]) -> Vec<[u8; 32]> {
    if d.len() <= 1 {
        return Vec::new();
    }
    let k = split(d.len());
    let (mut p, last) = if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
    p.push(last);
    p
}

/// RFC 6962, 2.1.2.
fn proof(m: usize, d: &[Vec<u8>]) -> Vec<[u8; 32]> {
    fn sub(m: usize, d: &[Vec<u8>], whole: bool) -> Vec<[u8; 32]> {
        if m == d.len() {
            return if whole { Vec::new() } else { vec![mth(d)] };
        }
        let k = split(d.len());
        let (mut p, last) =
            if m <= k { (sub(m, &d[..k], whole), mth(&d[k..])) } else { (sub(m - k, &d[k..], false), mth(&d[..k])) };
        p.push(last);
        p
    }
    sub(m, d, true)
}

fn bytes(hashes: &[Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|h| h.0).collect()
}

pub(super) fn entries(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| format!("entry {i} {}", "x".repeat(i % 7)).into_bytes()).collect()
}

pub(super) fn grow(store: &mut MemoryTiles, head: &TreeHead, entries: &[Vec<u8>]) -> TreeHead {
    append(store, head, &entries.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

pub(super) fn log_signer() -> NoteSigner {
    NoteSigner::new("sightline.example/log", KeyKind::Log, SigningKey::from_bytes(&[1; 32])).unwrap()
}

pub(super) fn witness(n: u8) -> NoteSigner {
    NoteSigner::new(&format!("witness{n}.example"), KeyKind::Witness, SigningKey::from_bytes(&[n; 32])).unwrap()
}

pub(super) fn trust(quorum: usize) -> Trust {
    Trust { witnesses: vec![witness(2).key().clone(), witness(3).key().clone()], quorum, ..Trust::of(log_signer().key().clone()) }
}

/// A checkpoint that both witnesses saw grow out of nothing.
pub(super) fn witnessed(head: &TreeHead) -> Note {
    let mut note = sign_head(&log_signer(), head).unwrap();
    for n in [2, 3] {
        let cosigned = cosign(&witness(n), log_signer().key(), &TreeHead::EMPTY, &note, &[], 1_700_000_000).unwrap();
        note.add(cosigned.signature);
    }
    note
}

#[test]
fn the_roots_are_those_of_the_certificate_transparency_test_vectors() {
    let leaves: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let hex = |h: Hash| h.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut store = MemoryTiles::default();
    let one = append(&mut store, &TreeHead::EMPTY, &leaves[..1]).unwrap();
    assert_eq!(hex(one.hash), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    let all = append(&mut store, &one, &leaves[1..]).unwrap();
    assert_eq!(hex(all.hash), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

#[test]
fn tiles_and_bundles_lie_where_c2sp_says() {
    let mut store = MemoryTiles::default();
    let all = entries(70_000);
    let mut head = TreeHead::EMPTY;
    for chunk in all.chunks(10_000) {
        head = grow(&mut store, &head, chunk);
    }
    // The example of the specification: 273 full tiles and one of width 112, one full and one of 17, one of 1.
    for present in [
        "tile/0/000",
        "tile/0/272",
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/entries/000",
        "tile/entries/272",
        "tile/entries/273.p/112",
    ] {
        assert!(store.0.contains_key(present), "{present}");
    }
    assert!(!store.0.contains_key("tile/0/273") && !store.0.contains_key("tile/2/000"));
    assert_eq!(store.0["tile/0/000"].len(), 8_192);
    let mut seen = 0;
    verify_log(&store, &head, |index, entry| {
        assert_eq!(entry, all[index as usize]);
        seen += 1;
    })
    .unwrap();
    assert_eq!(seen, 70_000);
    assert_eq!(entry(&store, &head, 69_999).unwrap(), all[69_999]);
}

#[test]
fn a_verifier_key_of_the_go_checksum_database_is_read_and_written_as_it_is() {
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let key: NoteKey = text.parse().unwrap();
    assert_eq!((key.to_string().as_str(), key.kind()), (text, KeyKind::Log));
    assert!("sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse::<NoteKey>().is_err());
}

#[test]
fn a_receipt_is_checked_without_the_store_and_survives_its_text() {
    let all = entries(300);
    let mut store = MemoryTiles::default();
    let head = grow(&mut store, &TreeHead::EMPTY, &all);
    let note = witnessed(&head);
    for index in [0, 255, 256, 299] {
        let mut receipt = Receipt::issue(&store, &head, &note, index).unwrap();
        receipt.extra = (index == 0).then(|| b"anything".to_vec());
        let read: Receipt = receipt.to_string().parse().unwrap();
        assert_eq!(read, receipt);
        let checked = read.verify(&trust(2), &all[index as usize]).unwrap();
        assert_eq!(
            checked.witnessed,
            [("witness2.example".to_owned(), 1_700_000_000), ("witness3.example".to_owned(), 1_700_000_000)]
        );
        assert!(matches!(read.verify(&trust(2), b"another entry"), Err(LogError::Proof)));
    }
    assert!(Receipt::issue(&store, &head, &note, 300).is_err());
}

#[test]
fn a_quorum_is_of_different_witnesses_that_are_not_the_log() {
    let head = TreeHead::EMPTY;
    let note = witnessed(&head);
    let mut one = sign_head(&log_signer(), &head).unwrap();
    assert!(matches!(trust(1).check(&one), Err(LogError::Quorum { got: 0, want: 1 })));
    one.add(note.signatures()[1].clone());
    assert!(trust(1).check(&one).is_ok());
    assert!(matches!(trust(2).check(&one), Err(LogError::Quorum { got: 1, want: 2 })));
    // One witness under two names, and the log as its own witness, count for nothing more.
    let alias = |name, n| NoteSigner::new(name, KeyKind::Witness, SigningKey::from_bytes(&[n; 32])).unwrap();
    let (again, own) = (alias("alias.example", 2), alias("sightline.example/log", 1));
    let mut padded = one.clone();
    for signer in [&again, &own] {
        padded.add(cosign(signer, log_signer().key(), &head, &one, &[], 5).unwrap().signature);
    }
    let mut loose = trust(2);
    loose.witnesses.extend([again.key().clone(), own.key().clone()]);
    assert!(matches!(loose.check(&padded), Err(LogError::Quorum { got: 1, want: 2 })));
}

#[test]
fn a_witness_signs_only_what_grew_out_of_what_it_signed() {
    let all = entries(600);
    let mut store = MemoryTiles::default();
    let old = grow(&mut store, &TreeHead::EMPTY, &all[..300]);
    let new = grow(&mut store, &old, &all[300..]);
    let proof = prove_consistency(&store, &new, old.size).unwrap();
    let ask = |last: &TreeHead, head: &TreeHead, proof: &[Hash]| {
        cosign(&witness(2), log_signer().key(), last, &sign_head(&log_signer(), head).unwrap(), proof, 9)
    };
    assert_eq!(ask(&old, &new, &proof).unwrap().head, new);
    assert_eq!(ask(&new, &new, &[]).unwrap().head, new, "again the same");
    assert!(matches!(ask(&new, &old, &[]), Err(LogError::WentBack { before: 600, now: 300 })), "an older copy");
    assert!(matches!(ask(&old, &new, &[]), Err(LogError::Proof)));
    // The same length, another history.
    let mut forged = all.clone();
    forged[10][0] ^= 1;
    let mut other = MemoryTiles::default();
    let fork = grow(&mut other, &TreeHead::EMPTY, &forged);
    let fork_proof = prove_consistency(&other, &fork, 300).unwrap();
    for proof in [&proof, &fork_proof] {
        assert!(matches!(ask(&old, &fork, proof), Err(LogError::Proof)));
    }
    // Signed by somebody else.
    let stranger = NoteSigner::new("sightline.example/log", KeyKind::Log, SigningKey::from_bytes(&[8; 32])).unwrap();
    let note = sign_head(&stranger, &new).unwrap();
    assert!(matches!(cosign(&witness(2), log_signer().key(), &old, &note, &proof, 9), Err(LogError::NotTheLog(_))));
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let mut store = MemoryTiles::default();
    let head = grow(&mut store, &TreeHead::EMPTY, &entries(10));
    let before = store.clone();
    assert!(matches!(append(&mut store, &head, &[&vec![0; MAX_ENTRY + 1]]), Err(LogError::TooLong { .. })));
    let wrong = TreeHead { hash: TreeHead::EMPTY.hash, ..head };
    assert!(append(&mut store, &wrong, &[b"x"]).is_err(), "a store that does not fit its head is never built upon");
    let huge = TreeHead { size: u64::MAX, ..head };
    assert!(matches!(append(&mut store, &huge, &[b"x"]), Err(LogError::TooLarge(_))));
    assert!(matches!(verify_log(&store, &huge, |_, _| {}), Err(LogError::TooLarge(_))));
    assert!(matches!(entry(&store, &head, 10), Err(LogError::Index { .. })));
    assert_eq!(store, before);
    let largest = vec![7; MAX_ENTRY];
    let grown = append(&mut store, &head, &[&largest]).unwrap();
    assert_eq!(entry(&store, &grown, 10).unwrap(), largest);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn however_it_was_appended_the_log_is_the_one_rfc_6962_defines(
        batches in proptest::collection::vec(1usize..120, 1..8), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
    ) {
        let all = entries(batches.iter().sum());
        let (mut store, mut head) = (MemoryTiles::default(), TreeHead::EMPTY);
        let mut heads = Vec::new();
        for batch in batches {
            let from = head.size as usize;
            head = grow(&mut store, &head, &all[from..from + batch]);
            heads.push(head);
        }
        prop_assert_eq!(head.hash.0, mth(&all));
        let whole = verify_log(&store, &head, |_, _| {});
        prop_assert!(whole.is_ok(), "{:?}", whole);

        let index = a.index(all.len());
        let inclusion = prove_inclusion(&store, &head, index as u64).unwrap();
        prop_assert_eq!(bytes(&inclusion), path(index, &all));
        prop_assert_eq!(entry(&store, &head, index as u64).unwrap(), all[index].clone());

        let before = b.get(&heads);
        let consistency = prove_consistency(&store, &head, before.size).unwrap();
        prop_assert_eq!(bytes(&consistency), proof(before.size as usize, &all));
        prop_assert!(check_consistency(before, &head, &consistency).is_ok());
        // Every head there ever was can still be checked from the same store.
        let earlier = verify_log(&store, before, |_, _| {});
        prop_assert!(earlier.is_ok(), "{:?}", earlier);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "(c2sp.org/tlog-proof@v1\n)?(index [0-9]{1,20}\n)?\\PC{0,80}\n*\\PC{0,40}(\n\n— a [A-Za-z0-9+/=]{0,40}\n)?") {
        let _ = text.parse::<Note>();
        let _ = text.parse::<NoteKey>();
        if let Ok(receipt) = text.parse::<Receipt>() {
            prop_assert!(receipt.verify(&trust(0), b"x").is_err());
        }
    }
}

/// `cargo test -p access --test access a_million -- --ignored --nocapture` prints the times.
#[test]
#[ignore = "takes half a minute without optimisation"]
fn a_million_entries_are_checked_within_a_minute() {
    let (mut store, mut head) = (MemoryTiles::default(), TreeHead::EMPTY);
    let started = std::time::Instant::now();
    for batch in 0..100 {
        let entries: Vec<Vec<u8>> = (0..10_000).map(|i| format!("{batch} {i} {}", "x".repeat(300)).into_bytes()).collect();
        head = grow(&mut store, &head, &entries);
    }
    let appended = started.elapsed();
    let started = std::time::Instant::now();
    verify_log(&store, &head, |_, _| {}).unwrap();
    let checked = started.elapsed();
    eprintln!("1,000,000 entries of 310 bytes: appended in {appended:?}, checked in {checked:?}");
    assert!(checked.as_secs() < 60, "{checked:?}");
}
