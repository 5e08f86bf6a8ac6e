//! What was purged is in no file of the index any more.

use std::{collections::BTreeSet, fs, io, path::Path};

use index::{QueryVector, VectorIndex};
use types::SightingId;

use crate::support::*;

const N: u64 = 300;

/// Every byte under a folder, but for empty pages. A running server's files come and go meanwhile.
fn bytes_of(folder: &Path, into: &mut Vec<u8>) {
    let there = |error: &io::Error| error.kind() != io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return assert!(!there(&error), "{error}"),
    };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            bytes_of(&path, into);
        } else {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    assert!(!there(&error), "{error}");
                    continue;
                }
            };
            bytes.chunks(4096).filter(|page| page.iter().any(|b| *b != 0)).for_each(|page| into.extend(page));
        }
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

fn read(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes_of(folder, &mut bytes);
    bytes
}

/// Whether a file under the folder knows the sighting.
pub(crate) fn is_in(folder: &Path, id: SightingId) -> bool {
    let bytes = read(folder);
    traces(id).iter().any(|trace| holds(&bytes, trace))
}

/// Some of many, so that looking for them takes no minutes.
fn some(of: &[u64]) -> impl Iterator<Item = &u64> {
    of.iter().step_by(of.len() / 5)
}

fn vector(n: u64) -> Vec<u8> {
    appearance(n, LEN).values().iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Ids as bytes in either order of theirs, and as text.
fn traces(id: SightingId) -> Vec<Vec<u8>> {
    let bytes = id.0.as_bytes().to_vec();
    vec![bytes.iter().rev().copied().collect(), bytes, id.to_string().into_bytes(), id.0.simple().to_string().into_bytes()]
}

#[test]
fn a_purged_day_keeps_what_it_is_told_and_no_byte_of_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    let entries: Vec<_> = (0..N).map(|n| entry(n, n, 0)).collect();
    index.upsert(&entries, N).unwrap();
    index.flush().unwrap();
    let (gone, kept): (Vec<_>, Vec<_>) = (0..N).partition(|n| n % 3 == 0);
    let before = read(dir.path());
    assert!(some(&gone).all(|n| holds(&before, &vector(*n))), "it is there to be purged");
    assert!(some(&gone).all(|n| traces(id(*n)).iter().any(|t| holds(&before, t))), "and so are the ids");
    let day = entries[0].day;
    let keep: BTreeSet<SightingId> = kept.iter().map(|n| id(*n)).collect();
    assert_eq!(index.purge(day, &keep).unwrap(), gone.len() as u64);

    let look = |index: &VectorIndex| {
        let now = read(dir.path());
        for n in some(&gone) {
            assert!(!holds(&now, &vector(*n)), "the vector of {n}");
            assert!(traces(id(*n)).iter().all(|t| !holds(&now, t)), "the id of {n}");
        }
        assert!(some(&kept).all(|n| holds(&now, &vector(*n))), "what is kept is there");
        assert_eq!(index.ids(day).unwrap(), keep.iter().copied().collect::<Vec<_>>());
        let q = query(QueryVector::Appearance(appearance(7, LEN)));
        let left = entries.iter().filter(|e| keep.contains(&e.id));
        assert_best(&index.search(&q).unwrap(), &expected(left, &q), q.limit);
    };
    look(&index);
    // Nothing has to be flushed for that, and it goes on taking changes.
    drop(index);
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    look(&index);
    assert_eq!(index.durable_seq(), N);
    index.upsert(&[entry(N, N, 0)], N + 1).unwrap();
    index.flush().unwrap();
    assert_eq!(index.ids(day).unwrap().len(), kept.len() + 1);

    assert_eq!(index.purge(day, &BTreeSet::new()).unwrap(), kept.len() as u64 + 1);
    let now = read(dir.path());
    assert!(index.days().unwrap().is_empty() && some(&kept).all(|n| !holds(&now, &vector(*n))));
    assert_eq!(index.purge(day, &keep).unwrap(), 0, "a day that is not there");
}
