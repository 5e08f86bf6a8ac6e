//! What fuzzers do with this crate's readers of outside bytes; see `fuzz/`. No build but theirs and that of the tests has it.

use std::fs;

use crate::spool::{Spool, checksum};

#[path = "../../../fuzz/scratch.rs"]
mod scratch;

/// A name and what reads the bytes.
type Target = (&'static str, fn(&[u8]));

/// A target by its name.
pub const TARGETS: &[Target] = &[("spool", spool)];

/// Records with the checksums that they should have: each a length in one byte, then as many bytes.
fn sealed(first: u64, mut bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut number) = (Vec::new(), first);
    while let Some((length, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        out.extend((record.len() as u32).to_le_bytes());
        out.extend(checksum(number, record).to_le_bytes());
        out.extend(record);
        (bytes, number) = (rest, number.wrapping_add(1));
    }
    out
}

/// A spool's folder as a crash, a bad disk or somebody else left it: it is opened or refused, and what is taken from then on is
/// there. The first byte says how the rest is laid out.
fn spool(bytes: &[u8]) {
    let Ok(scratch) = scratch::Scratch::new() else { return };
    let Some((flags, bytes)) = bytes.split_first() else { return };
    let (number, bytes) = bytes.split_at(bytes.len().min(8));
    let number = number.iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    let first = if flags & 1 == 0 { 1 } else { number };
    let folder = scratch.path();
    let name = |first: u64| if flags & 2 == 0 { format!("{first:016x}.spool") } else { format!("+{first:x}.spool") };
    let (one, two) = bytes.split_at(if flags & 4 == 0 { bytes.len() } else { bytes.len() / 2 });
    let content = |first, part: &[u8]| if flags & 8 == 0 { sealed(first, part) } else { part.to_vec() };
    let mut written = fs::write(folder.join(name(first)), content(first, one));
    if flags & 4 != 0 {
        let second = first.wrapping_add(u64::from(flags >> 5));
        written = written.and_then(|()| fs::write(folder.join(name(second)), content(second, two)));
    }
    if flags & 16 != 0 {
        written = written.and_then(|()| fs::write(folder.join("acknowledged"), number.to_string()));
    }
    if written.is_err() {
        return;
    }
    let Ok(spool) = Spool::open(folder, Spool::MIN_LIMIT) else { return };
    let before = spool.state();
    let _ = spool.read(0, 100);
    let _ = spool.read(number, 1);
    if spool.append(&[b"taken".to_vec()]).is_ok() {
        assert_eq!(spool.state().waiting, before.waiting + 1);
        let mut from = spool.first();
        let last = loop {
            match spool.read(from, 1_000) {
                Ok(records) if records.is_empty() => break None,
                Ok(mut records) => {
                    let last = records.pop();
                    match &last {
                        Some((number, record))
                            if record == b"taken" && spool.read(number.saturating_add(1), 1).is_ok_and(|r| r.is_empty()) =>
                        {
                            break last;
                        }
                        Some((number, _)) => from = number.saturating_add(1),
                        None => break None,
                    }
                }
                Err(_) => return,
            }
        };
        assert!(last.is_some(), "what was taken is not there");
    }
    let _ = spool.acknowledge(number);
    let _ = spool.acknowledge(u64::MAX);
    assert_eq!(spool.state().waiting, 0);
    let _ = spool.append(&[b"more".to_vec()]);
    drop(spool);
    let again = Spool::open(folder, Spool::MIN_LIMIT);
    assert!(again.is_ok(), "what was open is opened again: {again:?}");
}

#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let layout = |flags: u8, number: u64, rest: &[u8]| [&[flags][..], &number.to_be_bytes(), rest].concat();
        let records = b"\x05first\x06second\x00\x05third";
        super::corpora::hold(
            TARGETS,
            &[
                ("spool", "three-records", layout(0, 2, records)),
                ("spool", "two-segments", layout(4 | 1 << 5, 1, b"\x05first\x06second")),
                ("spool", "a-gap-between-segments", layout(4 | 7 << 5, 1, b"\x05first\x06second")),
                ("spool", "acknowledged", layout(16, 2, records)),
                ("spool", "cut-off", layout(8, 1, &[sealed(1, records), b"\x09\0\0\0half".to_vec()].concat())),
                ("spool", "the-last-number", layout(1, u64::MAX, records)),
                ("spool", "an-odd-name", layout(2, 1, records)),
            ],
        );
    }
}
