//! The index's folder as a bad disk or somebody else left it. fuzz/ runs the same target.

use std::{collections::BTreeSet, fs};

use index::{IndexQuery, IndexSpec, QueryVector, VectorIndex};
use types::{CameraId, CaptureTime, Day, Description, Embedding, ModelDigest, SightingId, TimeWindow};

#[path = "../../../../fuzz/scratch.rs"]
mod scratch;

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub(crate) const TARGETS: &[Target] = &[("index", opened)];

const LEN: usize = 8;
const SPEC: IndexSpec = IndexSpec { model: ModelDigest([7; 32]), appearance_len: LEN };
/// 2026-03-01.
const DAY: i64 = 20_513;
const FIXED: usize = 104;
const WIDTH: usize = FIXED + (Description::VECTOR_LEN + LEN) * 4;

/// What state.json says, with the checksum that it should have.
fn state(synced: u64, generation: u64, records: u64) -> String {
    let (model, day) = ("07".repeat(32), "2026-03-01");
    let mut sum = crc32fast::Hasher::new();
    for part in [model.as_bytes(), &synced.to_le_bytes(), day.as_bytes(), &generation.to_le_bytes(), &records.to_le_bytes()] {
        sum.update(part);
    }
    format!(
        r#"{{"format":2,"model":"{model}","appearance_len":{LEN},"synced":{synced},"days":[{{"day":"{day}","generation":{generation},"records":{records}}}],"crc32":{}}}"#,
        sum.finalize()
    )
}

/// A day's file, whose records have the checksums that they should have: the first bytes of each are given, its vectors are not.
fn bucket(generation: u64, parts: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..8].copy_from_slice(b"SLTDAY\x01\x00");
    file[8..16].copy_from_slice(&DAY.to_le_bytes());
    file[16..24].copy_from_slice(&generation.to_le_bytes());
    file[24..28].copy_from_slice(&(Description::VECTOR_LEN as u32).to_le_bytes());
    file[28..32].copy_from_slice(&(LEN as u32).to_le_bytes());
    let sum = crc32fast::hash(&file[..32]);
    file[32..36].copy_from_slice(&sum.to_le_bytes());
    for (number, part) in (0u64..).zip(parts.chunks(FIXED)) {
        let mut record = vec![0; WIDTH];
        record[..part.len()].copy_from_slice(part);
        let mut sum = crc32fast::Hasher::new();
        for piece in [&DAY.to_le_bytes()[..], &generation.to_le_bytes(), &number.to_le_bytes(), &record[..4], &record[8..]] {
            sum.update(piece);
        }
        record[4..8].copy_from_slice(&sum.finalize().to_le_bytes());
        file.extend(record);
    }
    file
}

/// It is opened or refused; what is open is searched, checked, changed, and opened again. The first byte says how the rest is laid out.
fn opened(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_at_checked(4) else { return };
    let (flags, generation, records) = (head[0], u64::from(head[1]), u64::from(head[2]));
    let generation = if flags & 4 == 0 { generation } else { u64::MAX - generation };
    let Ok(scratch) = scratch::Scratch::new() else { return };
    // It makes its own folder.
    drop(VectorIndex::open(scratch.path(), SPEC));
    let folder =
        fs::read_dir(scratch.path()).ok().into_iter().flatten().flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    let Some(folder) = folder else { return };
    let text = if flags & 1 == 0 { state(u64::from(head[3]), generation, records).into_bytes() } else { rest.to_vec() };
    let file = if flags & 2 == 0 { bucket(generation, rest) } else { rest.to_vec() };
    let written = fs::write(folder.join("state.json"), text)
        .and_then(|()| fs::write(folder.join(format!("2026-03-01.{generation}.bucket")), file));
    if written.is_err() {
        return;
    }
    let index = match VectorIndex::open(scratch.path(), SPEC) {
        Ok(index) => index,
        Err(error) => {
            drop(error.to_string());
            // What can't be trusted is made anew.
            assert!(VectorIndex::recreate(scratch.path(), SPEC).is_ok());
            return;
        }
    };
    assert!(index.verify().is_ok(), "what was opened is not what was written");
    let found = all_of(&index);
    let kept: BTreeSet<_> = found.iter().take(1).copied().collect();
    if let Some(day) = day() {
        assert!(index.purge(day, &kept).is_ok());
    }
    assert!(index.flush().is_ok());
    assert_eq!(all_of(&index), kept);
    drop(index);
    let again = VectorIndex::open(scratch.path(), SPEC);
    assert!(again.is_ok_and(|again| all_of(&again) == kept), "what was open is not opened again");
}

fn day() -> Option<Day> {
    "2026-03-01".parse().ok()
}

/// What is there; and a search of any time finds no more.
fn all_of(index: &VectorIndex) -> BTreeSet<SightingId> {
    let ids: BTreeSet<_> = day().and_then(|day| index.ids(day).ok()).into_iter().flatten().collect();
    let time = |micros| CaptureTime::from_micros(micros).ok();
    let window =
        time(DAY * 86_400_000_000).zip(time((DAY + 1) * 86_400_000_000)).and_then(|(from, to)| TimeWindow::new(from, to).ok());
    let appearance = Embedding::normalised(SPEC.model, vec![1.0; LEN]).ok();
    if let (Some(window), Some(appearance), Ok(camera)) = (window, appearance, CameraId::new("quay-2")) {
        let (vector, cameras) = (QueryVector::Appearance(appearance), vec![camera]);
        let query = IndexQuery { window, cameras, classes: Vec::new(), vector, limit: 100, exclude: Vec::new() };
        let found = index.search(&query).unwrap_or_default();
        assert!(found.iter().all(|one| ids.contains(&one.id) && one.score.is_finite()));
    }
    ids
}

#[cfg(test)]
#[path = "../../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_opened_or_refused() {
        let record = |kind: u8, id: u8| {
            let mut record = [0; FIXED];
            (record[0], record[1], record[2]) = (kind, 1, 6);
            record[8..24].fill(id);
            record[24..32].copy_from_slice(&(DAY * 86_400_000_000 + 5).to_le_bytes());
            record[32..40].copy_from_slice(&(DAY * 86_400_000_000 + 9).to_le_bytes());
            record[40..46].copy_from_slice(b"quay-2");
            record
        };
        let three = [record(1, 1), record(1, 2), record(2, 1)].concat();
        super::corpora::hold(
            TARGETS,
            &[
                ("index", "three-records", [&[0, 1, 3, 9][..], &three].concat()),
                ("index", "not-all-synced", [&[0, 2, 1, 9][..], &three].concat()),
                ("index", "the-last-generation", [&[4, 0, 3, 9][..], &three].concat()),
                ("index", "any-state", [&[1, 1, 3, 9][..], state(9, 1, 3).as_bytes()].concat()),
                ("index", "any-file", [&[2, 1, 3, 9][..], &bucket(1, &three)].concat()),
            ],
        );
    }
}
