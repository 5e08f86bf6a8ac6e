//! Somebody who can write to the store changes what was seen. The record commits to it.

use std::{collections::BTreeSet, fs};

use access::{AuditEntry, log::batch_root};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use sqlx::Executor as _;
use types::{Described, ModelDigest, SightingId, Stature};

use crate::{ENGINE, support::*};

async fn run(f: &Fixture, sql: &str) {
    raw(f.dir.path()).await.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
}

fn blob(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    if ENGINE == Engine::Sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
}

fn key(n: u64) -> String {
    blob(id(n).0.as_bytes())
}

fn crop_file(f: &Fixture, n: u64) -> std::path::PathBuf {
    let day = record(n, 0, 0).sighting.day();
    crop_folder(f.dir.path()).join(format!("{day}/{}.jpg", id(n)))
}

/// What `check` says of what was seen: of whom, and what.
async fn named(f: &Fixture) -> Vec<(String, String)> {
    let report = f.catalogue.check().await.unwrap();
    report.changed.into_iter().map(|found| (found.subject, found.message)).collect()
}

async fn named_of(f: &Fixture, n: u64) -> String {
    let named = named(f).await;
    let [(subject, message)] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!(*subject, id(n).to_string());
    message.clone()
}

async fn entries(f: &Fixture) -> Vec<AuditEntry> {
    f.catalogue.audit_since(0, None, 1_000).await.unwrap().into_iter().map(|r| r.entry).collect()
}

/// Four sightings of one batch, the last but one with a stature.
async fn filled() -> Fixture {
    let f = fixture().await;
    let mut records: Vec<_> = (0..4).map(|n| record(n, n * 50, 0)).collect();
    records[2].sighting.description.stature = Some(Described::new(Stature::ALL[0], 0.5));
    put(&f.catalogue, &records).await.unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());
    f
}

#[tokio::test]
async fn every_batch_that_is_stored_is_one_entry_with_the_root_over_its_leaves() {
    let f = filled().await;
    put(&f.catalogue, &[record(7, 7, 1)]).await.unwrap();
    let entries = entries(&f).await;
    let seen: Vec<_> = entries.iter().map(|e| e.detail.seen.clone().unwrap()).collect();
    assert_eq!(seen.iter().map(|s| (s.count, s.whole, s.found)).collect::<Vec<_>>(), [(4, true, false), (1, false, false)]);
    assert!(entries.iter().all(|e| e.action.as_str() == "sightings.commit" && e.caller.is_none()));
    let leaves: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT entry, leaves FROM commitment ORDER BY entry").fetch_all(&mut raw(f.dir.path()).await).await.unwrap();
    for ((entry, leaves), seen) in leaves.iter().zip(&seen) {
        let hashes: Vec<_> = leaves.as_chunks::<32>().0.iter().map(|leaf| access::log::Hash(*leaf)).collect();
        assert!(*entry > 0 && batch_root(&hashes).unwrap() == seen.root().unwrap());
    }
    let report = f.catalogue.check().await.unwrap();
    assert_eq!((report.committed, report.uncommitted), (5, 0));
    // No salt is used twice.
    let salts: Vec<Vec<u8>> = sqlx::query_scalar("SELECT salt FROM sighting").fetch_all(&mut raw(f.dir.path()).await).await.unwrap();
    let halves: BTreeSet<_> = salts.iter().flat_map(|salt| [&salt[..16], &salt[16..]]).collect();
    assert_eq!(halves.len(), 10);
}

#[tokio::test]
async fn exchanged_crops_a_moved_time_and_a_zeroed_vector_are_named() {
    let f = filled().await;
    let (a, b) = (fs::read(crop_file(&f, 0)).unwrap(), fs::read(crop_file(&f, 1)).unwrap());
    fs::write(crop_file(&f, 0), &b).unwrap();
    fs::write(crop_file(&f, 1), &a).unwrap();
    let named = named(&f).await;
    assert_eq!(named.iter().map(|(s, _)| s.clone()).collect::<BTreeSet<_>>(), [id(0).to_string(), id(1).to_string()].into());
    assert!(named.len() == 2 && named.iter().all(|(_, m)| m.contains("its crop is not the one that was stored")), "{named:?}");
    assert_eq!(all(&f.catalogue).crop(id(0)).await.unwrap(), None, "nobody is shown another's picture");
    fs::write(crop_file(&f, 0), &a).unwrap();
    fs::write(crop_file(&f, 1), &b).unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());

    run(&f, &format!("UPDATE sighting SET first_us = first_us - 60000000, last_us = last_us - 60000000, best_us = best_us - 60000000 WHERE id = {}", key(2))).await;
    assert!(named_of(&f, 2).await.contains("what its row says"));
    run(&f, &format!("UPDATE sighting SET first_us = first_us + 60000000, last_us = last_us + 60000000, best_us = best_us + 60000000 WHERE id = {}", key(2))).await;
    assert!(f.catalogue.check().await.unwrap().is_clean());

    let vector = record(3, 77, 0).embedding;
    let bytes: Vec<u8> = vector.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    run(&f, &format!("UPDATE sighting SET embedding = {} WHERE id = {}", blob(&bytes), key(3))).await;
    assert!(named_of(&f, 3).await.contains("its appearance vector is"));
}

#[tokio::test]
async fn a_missing_row_and_a_foreign_row_are_named() {
    let f = filled().await;
    run(&f, "CREATE TABLE before AS SELECT * FROM sighting").await;
    run(&f, &format!("DELETE FROM sighting WHERE id = {}", key(1))).await;
    let named = self::named(&f).await;
    assert!(named.len() == 1 && named[0].0.starts_with("sightings of entry ") && named[0].1.contains("of its 4 sightings is missing"), "{named:?}");
    let back = format!("INSERT INTO sighting SELECT * FROM before WHERE id = {}", key(1));
    run(&f, &back).await;
    assert!(f.catalogue.check().await.unwrap().is_clean());

    // Without a commitment, and with another's.
    let foreign = id(500);
    for columns in ["NULL, NULL, NULL, NULL", "batch, leaf, salt, digests"] {
        let all = "day, camera, agency, class, first_us, first_error_us, first_source, last_us, last_error_us, last_source, best_us, box_x, box_y, box_width, box_height, frame_width, frame_height, score, detections, description, footage, model, embedding, stored";
        run(&f, &format!("INSERT INTO sighting (id, seq, {all}, batch, leaf, salt, digests) SELECT {}, 0, {all}, {columns} FROM before WHERE id = {}", blob(foreign.0.as_bytes()), key(1))).await;
        let named = self::named(&f).await;
        assert!(named.iter().any(|(subject, _)| *subject == foreign.to_string()), "{columns}: {named:?}");
        run(&f, &format!("DELETE FROM sighting WHERE id = {}", blob(foreign.0.as_bytes()))).await;
    }
    assert!(f.catalogue.check().await.unwrap().is_clean());

    // One that was deleted comes back as it was.
    discard(&f.catalogue, &[id(1)]).await.unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());
    fs::write(crop_file(&f, 1), crop(1).encode()).unwrap();
    run(&f, &back).await;
    assert!(self::named(&f).await.iter().any(|(s, m)| *s == id(1).to_string() && m.contains("deleted or replaced")));
}

#[tokio::test]
async fn a_sighting_put_back_as_it_was_before_it_was_replaced_is_named() {
    let f = filled().await;
    run(&f, "CREATE TABLE before AS SELECT * FROM sighting").await;
    let old_crop = fs::read(crop_file(&f, 1)).unwrap();
    put(&f.catalogue, &[record(1, 90, 0)]).await.unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());
    run(&f, &format!("DELETE FROM sighting WHERE id = {0}; INSERT INTO sighting SELECT * FROM before WHERE id = {0}", key(1))).await;
    fs::write(crop_file(&f, 1), old_crop).unwrap();
    let named = named(&f).await;
    assert!(named.iter().any(|(s, m)| *s == id(1).to_string() && m.contains("deleted or replaced")), "{named:?}");
}

#[tokio::test]
async fn the_salt_goes_with_the_sighting_and_a_batch_with_its_last() {
    let f = filled().await;
    let count = async |sql: &str| -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut raw(f.dir.path()).await).await.unwrap()
    };
    assert_eq!(discard_footage(&f.catalogue, &camera("gate"), footage(1)).await.unwrap().sightings, 1);
    assert_eq!(count("SELECT count(*) FROM sighting WHERE salt IS NOT NULL").await, 3);
    assert_eq!(count("SELECT count(*) FROM commitment").await, 1);
    assert!(f.catalogue.check().await.unwrap().is_clean());
    discard(&f.catalogue, &[id(0), id(2), id(3)]).await.unwrap();
    assert_eq!(count("SELECT count(*) FROM commitment").await, 0);
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn vectors_of_a_model_that_takes_over_are_committed_to_and_no_change_is_hidden_by_it() {
    let f = filled().await;
    let other = ModelDigest([9; 32]);
    let vector = types::Embedding::normalised(other, vec![0.6, 0.8]).unwrap();
    let seqs: Vec<(Vec<u8>, i64)> =
        sqlx::query_as("SELECT id, seq FROM sighting").fetch_all(&mut raw(f.dir.path()).await).await.unwrap();
    let vectors: Vec<_> = seqs
        .iter()
        .map(|(key, seq)| (SightingId(uuid::Uuid::from_slice(key).unwrap()), seq.unsigned_abs(), vector.clone()))
        .collect();
    f.catalogue.put_embeddings(&vectors).await.unwrap();
    // Somebody changes one before, row and digests.
    run(&f, &format!("UPDATE sighting SET detections = detections + 1, digests = (SELECT digests FROM sighting WHERE id = {}) WHERE id = {}", key(0), key(3))).await;
    while f.catalogue.adopt_embeddings(other, 3).await.unwrap() > 0 {}
    assert_eq!(all(&f.catalogue).embedding(id(0)).await.unwrap(), Some(vector));
    let report = f.catalogue.check().await.unwrap();
    assert_eq!(report.committed, 4);
    assert!(report.changed.iter().all(|found| found.subject == id(3).to_string()) && !report.changed.is_empty(), "{report:?}");
    run(&f, &format!("UPDATE sighting SET embedding = {} WHERE id = {}", blob(&[0; 8]), key(0))).await;
    assert!(named(&f).await.iter().any(|(s, m)| *s == id(0).to_string() && m.contains("its appearance vector is")));
}

#[tokio::test]
async fn what_was_stored_before_is_no_finding_until_it_is_committed_to_as_it_was_found() {
    let f = fixture().await;
    // As an earlier version has left it: rows without a commitment, and a record without one.
    put(&f.catalogue, &(0..300).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    let forget = match ENGINE {
        Engine::Sqlite => "DROP TRIGGER audit_is_never_shortened; DELETE FROM audit;",
        Engine::Postgres => "DROP TRIGGER audit_is_never_shortened ON audit; DELETE FROM audit;",
    };
    run(&f, &format!("{forget} DELETE FROM commitment; UPDATE sighting SET batch = NULL, leaf = NULL, salt = NULL, digests = NULL")).await;
    f.catalogue.close().await;
    let mut f = f;
    f.catalogue = open(f.dir.path()).await;
    let report = f.catalogue.check().await.unwrap();
    assert!(report.is_clean() && (report.committed, report.uncommitted) == (0, 300), "{report:?}");
    // Replaced, stored and deleted meanwhile; and one without its crop.
    put(&f.catalogue, &[record(5, 99, 0), record(400, 1, 0)]).await.unwrap();
    discard(&f.catalogue, &[id(6)]).await.unwrap();
    let lost = fs::read(crop_file(&f, 7)).unwrap();
    fs::remove_file(crop_file(&f, 7)).unwrap();
    f.catalogue.commit_found_now(&[id(8), id(5)]).await.unwrap();
    assert_eq!(f.catalogue.uncommitted_count().await.unwrap(), 297);
    let mut after = 0;
    while let Some(next) = f.catalogue.commit_found(after).await.unwrap() {
        // Cut off, another process begins anew.
        after = if after == 0 { 0 } else { next };
        if after == 0 && f.catalogue.uncommitted_count().await.unwrap() < 100 {
            after = next;
        }
    }
    fs::write(crop_file(&f, 7), lost).unwrap();
    let seen: Vec<_> = entries(&f).await.into_iter().map(|e| e.detail.seen.unwrap()).collect();
    assert!(seen.iter().filter(|s| s.found).count() >= 3 && seen.last().unwrap().whole, "{seen:?}");
    // From here on a row that nothing commits to is a finding, be it one that could not be committed to.
    assert_eq!(named(&f).await.iter().map(|(s, _)| s.clone()).collect::<Vec<_>>(), [id(7).to_string()]);
    assert!(!f.catalogue.has_uncommitted().await.unwrap());
    put(&f.catalogue, &[record(7, 7, 0)]).await.unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());
    run(&f, &format!("UPDATE sighting SET detections = detections + 1 WHERE id = {}", key(9))).await;
    assert!(named_of(&f, 9).await.contains("what its row says"));
}

#[tokio::test]
async fn a_crop_that_a_killed_process_was_replacing_is_the_old_one_before_the_commit_and_the_new_one_after() {
    let f = filled().await;
    let (old, new) = (fs::read(crop_file(&f, 1)).unwrap(), crop(200).encode());
    let beside = crop_file(&f, 1).with_extension("new.jpg");
    // Killed before the commit.
    fs::write(&beside, &new).unwrap();
    assert_eq!(f.catalogue.check().await.unwrap().orphan_crops.len(), 1);
    f.catalogue.sweep_orphans().await.unwrap();
    assert!(!beside.exists() && all(&f.catalogue).crop(id(1)).await.unwrap() == Some(old.clone()));
    // Killed after it.
    put(&f.catalogue, &[record(1, 200, 0)]).await.unwrap();
    assert!(!beside.exists());
    let new = fs::read(crop_file(&f, 1)).unwrap();
    assert_ne!(old, new);
    fs::write(&beside, &new).unwrap();
    fs::write(crop_file(&f, 1), &old).unwrap();
    assert_eq!(all(&f.catalogue).crop(id(1)).await.unwrap(), Some(new.clone()));
    assert!(f.catalogue.check().await.unwrap().is_clean());
    f.catalogue.sweep_orphans().await.unwrap();
    assert!(!beside.exists() && fs::read(crop_file(&f, 1)).unwrap() == new);
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

/// Columns of a sighting that anybody could be interested in changing, as text and as bytes.
const COLUMNS: [&str; 26] = [
    "day", "camera", "agency", "class", "first_us", "first_error_us", "first_source", "last_us", "last_error_us", "last_source",
    "best_us", "box_x", "box_y", "box_width", "box_height", "frame_width", "frame_height", "score", "detections", "description",
    "footage", "model", "embedding", "salt", "digests", "leaf",
];

#[tokio::test]
async fn any_single_changed_byte_of_row_crop_or_vector_is_found() {
    if ENGINE == Engine::Postgres {
        // What is changed byte by byte is SQLite's; the comparison is the same.
        return;
    }
    let f = filled().await;
    let mut dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut below = |n: usize| (dice.next_u64() % n as u64) as usize;
    let mut db = raw(f.dir.path()).await;
    db.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    db.execute("PRAGMA ignore_check_constraints = ON").await.unwrap();
    db.execute("CREATE TABLE before AS SELECT * FROM sighting").await.unwrap();
    let mut tried = 0;
    while tried < 260 {
        let n = below(4) as u64;
        let column = COLUMNS[tried % COLUMNS.len()];
        let sql = format!("SELECT typeof({column}), CAST({column} AS TEXT), CAST({column} AS BLOB) FROM sighting WHERE id = {}", key(n));
        let (kind, text, bytes): (String, Option<String>, Option<Vec<u8>>) = if matches!(column, "model" | "embedding" | "salt" | "digests" | "footage") {
            let sql = format!("SELECT typeof({column}), CAST(NULL AS TEXT), {column} FROM sighting WHERE id = {}", key(n));
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&mut db).await.unwrap()
        } else {
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&mut db).await.unwrap()
        };
        let value = match kind.as_str() {
            "integer" => (text.unwrap().parse::<i64>().unwrap() ^ (1 << below(40))).to_string(),
            "real" => {
                let real: f64 = text.unwrap().parse().unwrap();
                let changed = f64::from_bits(real.to_bits() ^ (1 << below(62)));
                if !changed.is_finite() || changed == real {
                    continue;
                }
                format!("{changed:?}")
            }
            "text" => {
                let mut bytes = text.unwrap().into_bytes();
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(7);
                let Ok(text) = String::from_utf8(bytes) else { continue };
                if text.contains('\0') {
                    continue;
                }
                format!("'{}'", text.replace('\'', "''"))
            }
            "blob" => {
                let mut bytes = bytes.unwrap();
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(8);
                blob(&bytes)
            }
            // A live sighting gets a digest of footage.
            _ => blob(&[1; 32]),
        };
        let sql = format!("UPDATE sighting SET {column} = {value} WHERE id = {}", key(n));
        db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))).await.unwrap();
        let same = format!("SELECT count(*) FROM sighting s JOIN before b ON s.id = b.id WHERE s.{column} IS NOT b.{column}");
        let changed: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(same)).fetch_one(&mut db).await.unwrap();
        if changed == 0 {
            // The last bit of a number was lost in its text.
            continue;
        }
        let report = f.catalogue.check_seen_alone().await.unwrap();
        assert!(report.iter().any(|found| found.subject == id(n).to_string()), "{sql}: {report:?}");
        let sql = format!("DELETE FROM sighting WHERE id = {0}; INSERT INTO sighting SELECT * FROM before WHERE id = {0}", key(n));
        db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        tried += 1;
    }
    // Each byte of what is kept of the batch, some of a crop.
    let (entry, leaves): (i64, Vec<u8>) = sqlx::query_as("SELECT entry, leaves FROM commitment").fetch_one(&mut db).await.unwrap();
    for at in 0..leaves.len() {
        let mut changed = leaves.clone();
        changed[at] ^= 1 << (at % 8);
        let sql = format!("UPDATE commitment SET leaves = {} WHERE entry = {entry}", blob(&changed));
        db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        assert!(!f.catalogue.check_seen_alone().await.unwrap().is_empty(), "byte {at}");
    }
    let sql = format!("UPDATE commitment SET leaves = {} WHERE entry = {entry}", blob(&leaves));
    db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
    let jpeg = fs::read(crop_file(&f, 2)).unwrap();
    for _ in 0..60 {
        let mut changed = jpeg.clone();
        changed[below(jpeg.len())] ^= 1 << below(8);
        fs::write(crop_file(&f, 2), &changed).unwrap();
        assert!(!f.catalogue.check().await.unwrap().is_clean());
    }
    fs::write(crop_file(&f, 2), &jpeg).unwrap();
    let report = f.catalogue.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}
