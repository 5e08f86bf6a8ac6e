//! What durability costs: `cargo test --workspace --test catalogue measure -- --ignored --nocapture`.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use access::AuditLog;

use crate::support::*;

const BATCHES: u64 = 40;
const BATCH: u64 = 16;
const ENTRIES: u32 = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn sightings_and_entries_against_a_bare_fsync() {
    let f = fixture().await;
    let crop_bytes = crop(1).encode().len();
    let batches: Vec<Vec<_>> =
        (0..BATCHES).map(|b| (b * BATCH..(b + 1) * BATCH).map(|n| record(n, n, n as i64 % 20)).collect()).collect();
    let leave = leave(&f.catalogue).await;
    let start = Instant::now();
    for batch in &batches {
        f.catalogue.put_sightings(batch, &leave).await.unwrap();
    }
    let put = start.elapsed();
    let entries: usize = f.catalogue.audit_since(0, None, u32::MAX).await.unwrap().iter().map(|r| r.bytes.len()).sum();
    let file = std::fs::metadata(database_file(f.dir.path())).map_or(0, |m| m.len());
    let singly: Vec<_> = (0..100).map(|n| record(100_000 + n, n, 3)).collect();
    let start = Instant::now();
    for one in singly.chunks(1) {
        f.catalogue.put_sightings(one, &leave).await.unwrap();
    }
    let single = start.elapsed() / 100;

    let entry = entry();
    let start = Instant::now();
    for _ in 0..ENTRIES {
        f.catalogue.append(entry.clone()).await.unwrap();
    }
    let append = start.elapsed();

    let start = Instant::now();
    for n in 0..ENTRIES {
        let mut file = File::create(f.dir.path().join(format!("bare-{n}"))).unwrap();
        file.write_all(&vec![1; crop_bytes]).unwrap();
        file.sync_all().unwrap();
    }
    let bare = start.elapsed() / ENTRIES;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let (put, append) = (put / (BATCHES * BATCH) as u32, append / ENTRIES);
    eprintln!("a new file of a crop's size ({crop_bytes} bytes), synced: {:.2} ms", ms(bare));
    eprintln!("a sighting with its crop, batches of {BATCH}: {:.2} ms, ratio {:.2}", ms(put), ms(put) / ms(bare));
    eprintln!("a sighting with its crop, one by one: {:.2} ms", ms(single));
    let all = (BATCHES * BATCH) as usize;
    eprintln!("entries of the record: {} bytes a sighting; the database with a short vector: {}", entries / all, file as usize / all);
    eprintln!("an audit entry: {:.2} ms, ratio {:.2}", ms(append), ms(append) / ms(bare));
}
