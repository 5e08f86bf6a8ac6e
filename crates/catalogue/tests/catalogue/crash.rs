//! `kill -9` at any moment: what was acknowledged is there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Duration,
};

use access::AuditLog;

use crate::support::*;

const DIR: &str = "CATALOGUE_TEST_DIR";

#[tokio::test]
#[ignore = "a child process of the test below"]
async fn write_until_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let catalogue = open(dir.as_ref()).await;
    let from: u64 = std::env::var("CATALOGUE_TEST_FROM").unwrap().parse().unwrap();
    for n in from.. {
        // Three at a time, one of them replaced by the next round; now and then a file is discarded.
        let batch: Vec<_> = (n * 2..n * 2 + 3).map(|n| record(n, n, n as i64 % 50)).collect();
        put(&catalogue, &batch).await.unwrap();
        say(&format!("put {n}"));
        let receipt = catalogue.append(entry()).await.unwrap();
        say(&format!("entry {}", receipt.seq));
        if n % 10 == 9 {
            discard_footage(&catalogue, &camera("gate"), footage(1)).await.unwrap();
            say(&format!("discard {n}"));
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_kill_9() {
    let f = fixture().await;
    f.catalogue.close().await;
    let (mut from, mut entries) = (0, 0);
    // What must be there, and what may be: the one call under way when the process died.
    let mut there: BTreeMap<u64, bool> = BTreeMap::new();
    for round in 0..5u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::write_until_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, f.dir.path())
            .env("CATALOGUE_TEST_FROM", from.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while said.len() < 20 + 13 * round as usize {
            said.push(lines.next().unwrap().unwrap());
        }
        std::thread::sleep(Duration::from_millis(round * 3));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(lines.map_while(Result::ok));

        let mut last = None;
        for line in &said {
            // The test harness puts its own words before the first.
            let Some((word, n)) = ["put ", "entry ", "discard "].iter().find_map(|w| line.split_once(w).map(|(_, n)| (*w, n)))
            else {
                continue;
            };
            let Ok(n) = n.trim().parse::<u64>() else { continue };
            match word {
                "put " => {
                    last = Some(n);
                    there.extend((n * 2..n * 2 + 3).map(|n| (n, true)));
                }
                "entry " => entries = n,
                _ => there.iter_mut().filter(|(n, _)| *n % 3 == 1).for_each(|(_, there)| *there = false),
            }
        }
        let last = last.unwrap();
        // Killed in the call after the last one it told of.
        let maybe = |n: u64| n > last * 2 || (n % 3 == 1 && last % 10 == 9);

        let catalogue = open(f.dir.path()).await;
        catalogue.sweep_orphans().await.unwrap();
        for (&n, &wanted) in &there {
            let found = all(&catalogue).sighting(id(n)).await.unwrap();
            assert!(found.is_some() == wanted || maybe(n), "sighting {n} after {last}: {found:?}");
            if let Some(found) = found {
                assert_eq!(found, record(n, n, n as i64 % 50).sighting);
            }
        }
        let report = catalogue.check().await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        let audit = catalogue.audit_bytes_since(0, u32::MAX).await.unwrap().len() as u64;
        // After the last one that was told of: one of a discard, one of a put, and one that was appended.
        assert!((entries..=entries + 3).contains(&audit), "{audit} entries, {entries} acknowledged");
        entries = audit;
        // The next round starts from what is known.
        there.clear();
        for id in catalogue.ids_by_day().await.unwrap().into_values().flatten() {
            let n = (0..last * 2 + 6).find(|n| self::id(*n) == id).expect("a sighting nobody stored");
            there.insert(n, true);
        }
        from = last + 2;
        catalogue.close().await;
    }
}
