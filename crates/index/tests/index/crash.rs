use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::*;
use index::{IndexEntry, QueryVector, VectorIndex};

const IDS: u64 = 40;

/// Change `seq` of an endless history: ids come back with other content, over three days.
fn change(seq: u64) -> IndexEntry {
    let n = seq % IDS;
    entry(n, seq, (n as i64 % 3) * 24 * HOUR)
}

#[test]
#[ignore = "a child process of the tests below"]
fn write_until_killed() {
    let Some(dir) = child_dir() else { return };
    let index = VectorIndex::open(&dir, SPEC).unwrap();
    let mut out = std::io::stdout();
    for seq in index.durable_seq() + 1.. {
        index.upsert(&[change(seq)], seq).unwrap();
        if seq % 7 == 0 {
            index.flush().unwrap();
            writeln!(out, "flushed {seq}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
#[ignore = "a child process of the tests below"]
fn write_and_abort() {
    let Some(dir) = child_dir() else { return };
    let index = VectorIndex::open(&dir, SPEC).unwrap();
    for seq in 1..=30 {
        index.upsert(&[change(seq)], seq).unwrap();
        if seq == 20 {
            index.flush().unwrap();
        }
    }
    std::process::abort();
}

/// After catching up from what `synced` says to `last`, the index is as if nothing had happened.
#[track_caller]
fn assert_caught_up(index: &VectorIndex, last: u64) {
    for seq in index.durable_seq() + 1..=last {
        index.upsert(&[change(seq)], seq).unwrap();
    }
    let now: Vec<_> = (last.saturating_sub(IDS - 1).max(1)..=last).map(change).collect();
    let q = query(QueryVector::Appearance(appearance(last, LEN)));
    assert_best(&index.search(&q).unwrap(), &expected(now.iter(), &q), q.limit);
    assert_eq!(index.len().unwrap(), now.len());
}

#[test]
fn what_was_not_flushed_before_an_abort_is_not_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let status = child("crash::write_and_abort", dir.path()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(!status.success());
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    assert_eq!((index.durable_seq(), index.applied_seq()), (20, 20));
    let there: usize = index.days().unwrap().into_iter().map(|day| ids_on(&index, day).len()).sum();
    assert!(there >= 20, "{there} of at least 20");
    assert_caught_up(&index, 30);
}

#[test]
fn a_killed_index_is_caught_up_to_what_it_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut furthest = 0;
    for round in 0..6u64 {
        let mut process = spawn(child("crash::write_until_killed", dir.path()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut flushed =
            || lines.by_ref().map_while(Result::ok).find_map(|l| l.split_once("flushed ")?.1.trim().parse::<u64>().ok());
        for _ in 0..3 + round {
            furthest = flushed().unwrap();
        }
        std::thread::sleep(Duration::from_millis(3 * round));
        process.kill().unwrap();
        process.wait().unwrap();
        while let Some(seq) = flushed() {
            furthest = seq;
        }
        let index = VectorIndex::open(dir.path(), SPEC).unwrap();
        assert!(index.durable_seq() >= furthest, "{} was flushed, {} is claimed", furthest, index.durable_seq());
        // Far enough that what was unflushed is repeated as well.
        let last = index.durable_seq() + 60;
        assert_caught_up(&index, last);
        index.flush().unwrap();
    }
}

fn spawn(mut command: Command) -> std::process::Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
