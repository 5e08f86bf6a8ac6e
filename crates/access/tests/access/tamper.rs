//! Whoever changes the log is found out: every random change of what the head covers, without exception.

use access::log::*;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::log::{entries, grow, log_signer, trust, witness, witnessed};

const TRIES: usize = 12_000;

/// Random, and the same on every run.
struct Dice(TestRng);

impl Dice {
    fn new(seed: u8) -> Self {
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
    }

    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
}

/// Grown in steps, so that partial tiles of older heads lie about as they would.
fn log() -> (MemoryTiles, TreeHead) {
    let (mut store, mut head) = (MemoryTiles::default(), TreeHead::EMPTY);
    let all = entries(530);
    for batch in all.chunks(190) {
        head = grow(&mut store, &head, batch);
    }
    (store, head)
}

/// The files that make up the tree of `head`; partial ones of older heads don't count.
fn live(store: &MemoryTiles) -> Vec<String> {
    let paths = ["tile/0/000", "tile/0/001", "tile/0/002.p/18", "tile/1/000.p/2"];
    let bundles = ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/18"];
    let live: Vec<String> = paths.iter().chain(&bundles).map(|p| (*p).to_owned()).collect();
    assert!(live.iter().all(|p| store.0.contains_key(p)));
    live
}

fn unbundle(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*len).into());
        entries.push(entry.to_vec());
        data = rest;
    }
    entries
}

fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|e| [&(e.len() as u16).to_be_bytes(), e.as_slice()].concat()).collect()
}

fn change(store: &mut MemoryTiles, live: &[String], dice: &mut Dice) -> String {
    let path = live[dice.below(live.len())].clone();
    let other = live[dice.below(live.len())].clone();
    let is_bundle = path.contains("entries");
    let data = store.0.get_mut(&path).unwrap();
    let what = match dice.below(7) {
        0 | 1 => {
            let bit = dice.below(data.len() * 8);
            data[bit / 8] ^= 1 << (bit % 8);
            "flip"
        }
        2 => {
            store.0.remove(&path);
            "drop"
        }
        3 => {
            let len = dice.below(data.len());
            data.truncate(len);
            "truncate"
        }
        4 => {
            let (a, b) = (store.0[&path].clone(), store.0[&other].clone());
            store.0.insert(path.clone(), b);
            store.0.insert(other, a);
            "swap files"
        }
        5 if is_bundle => {
            let mut entries = unbundle(data);
            let (a, b) = (dice.below(entries.len()), dice.below(entries.len()));
            match dice.below(3) {
                0 => entries.swap(a, b),
                1 => drop(entries.remove(a)),
                _ => entries[a] = entries[b].clone(),
            }
            *data = bundle(&entries);
            "change entries"
        }
        _ if !is_bundle => {
            let hashes = data.len() / 32;
            let (a, b) = (dice.below(hashes) * 32, dice.below(hashes) * 32);
            let (x, y) = (data[a..a + 32].to_vec(), data[b..b + 32].to_vec());
            data[a..a + 32].copy_from_slice(&y);
            data[b..b + 32].copy_from_slice(&x);
            "swap hashes"
        }
        _ => {
            // Consistent lengths, another text.
            let mut entries = unbundle(data);
            let a = dice.below(entries.len());
            let at = dice.below(entries[a].len());
            entries[a][at] = entries[a][at].wrapping_add(1 + dice.below(255) as u8);
            *data = bundle(&entries);
            "rewrite an entry"
        }
    };
    format!("{what} {path}")
}

#[test]
fn every_change_of_an_entry_or_a_tile_is_noticed() {
    let (store, head) = log();
    let live = live(&store);
    assert!(verify_log(&store, &head, |_, _| {}).is_ok());
    let (mut dice, mut changed) = (Dice::new(1), 0);
    while changed < TRIES {
        let mut tampered = store.clone();
        let what = change(&mut tampered, &live, &mut dice);
        if tampered == store {
            continue;
        }
        changed += 1;
        assert!(verify_log(&tampered, &head, |_, _| {}).is_err(), "{what}");
        // Nor is anything wrong ever handed out: an answer is right or an error.
        let index = dice.below(530) as u64;
        if let Ok(read) = entry(&tampered, &head, index) {
            assert_eq!(read, entry(&store, &head, index).unwrap(), "{what}");
        }
        if let Ok(proof) = prove_inclusion(&tampered, &head, index) {
            assert_eq!(proof, prove_inclusion(&store, &head, index).unwrap(), "{what}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_noticed() {
    let (store, head) = log();
    let receipt = Receipt::issue(&store, &head, &witnessed(&head), 77).unwrap();
    let text = receipt.to_string().into_bytes();
    let entry = &entries(530)[77];
    let verify = |bytes: &[u8]| -> bool {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|t| t.parse::<Receipt>().ok())
            .is_some_and(|r| r.verify(&trust(2), entry).is_ok())
    };
    assert!(verify(&text));
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&flipped), "bit {bit}: {}", String::from_utf8_lossy(&flipped));
    }
    for cut in 0..text.len() {
        assert!(!verify(&text[..cut]), "cut at {cut}");
    }
}

#[test]
fn no_other_log_of_any_length_passes_for_a_continuation() {
    let strategy = (1usize..200, 0usize..100, any::<prop::sample::Index>(), any::<u8>());
    let mut runner = TestRunner::new_with_rng(Config { cases: 300, ..Config::default() }, Dice::new(2).0);
    let result = runner.run(&strategy, |(old, more, at, by)| {
        let all = entries(old + more);
        let before = grow(&mut MemoryTiles::default(), &TreeHead::EMPTY, &all[..old]);
        let mut forged = all;
        let changed = at.index(old);
        forged[changed].push(by);
        let mut store = MemoryTiles::default();
        let now = grow(&mut store, &TreeHead::EMPTY, &forged);
        let proof = prove_consistency(&store, &now, before.size).unwrap();
        prop_assert!(check_consistency(&before, &now, &proof).is_err());
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

/// Tiles, head and signature all fit each other, and still it is another log than the one that was witnessed.
#[test]
fn whoever_rewrites_the_log_with_its_own_key_is_found_out_by_a_witness() {
    let (key, seen_by) = (log_signer(), witness(2));
    let mut dice = Dice::new(3);
    let mut tried = 0;
    while tried < TRIES {
        let all = entries(1 + dice.below(40));
        // The witness has seen all of it or a beginning.
        let seen = grow(&mut MemoryTiles::default(), &TreeHead::EMPTY, &all[..1 + dice.below(all.len())]);
        let mut forged = all.clone();
        let (a, b) = (dice.below(seen.size as usize), dice.below(forged.len()));
        let what = dice.below(5);
        match what {
            0 => {
                let bit = dice.below(forged[a].len() * 8);
                forged[a][bit / 8] ^= 1 << (bit % 8);
            }
            1 => drop(forged.remove(a)),
            2 => forged.swap(a, b),
            3 => forged.truncate(a),
            _ => forged.insert(a, b"slipped in".to_vec()),
        }
        if forged == all {
            continue;
        }
        tried += 1;
        let mut store = MemoryTiles::default();
        let head = grow(&mut store, &TreeHead::EMPTY, &forged);
        assert!(verify_log(&store, &head, |_, _| {}).is_ok(), "nothing in it is wrong by itself");
        let note = sign_head(&key, &head).unwrap();
        // The best proof there is, and none.
        for proof in [prove_consistency(&store, &head, seen.size).unwrap_or_default(), Vec::new()] {
            assert!(cosign(&seen_by, key.key(), &seen, &note, &proof, 1).is_err(), "change {what} of {a} in {}", all.len());
        }
    }
}
