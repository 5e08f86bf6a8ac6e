//! The index alone, in a process of its own: filling, opening, searching by words and by likeness, memory, bytes on disk, recall.
//!
//! `cargo run --release -p index --example scale -- COUNT FOLDER` fills an empty folder; run again, it opens what is there and
//! searches. The sightings are the same each time, over 14 days and 200 cameras. To compare two versions run both in turn on one
//! machine, each with a folder of its own, and quote ratios (benches/README.md).
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement's output is its result")]

use std::{
    collections::HashSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use index::{IndexEntry, IndexQuery, IndexSpec, QueryVector, VectorIndex};
use types::{AgencyId, CameraId, CaptureTime, Class, Description, Embedding, ModelDigest, SightingId, TimeWindow};
use uuid::Uuid;

const DAYS: i64 = 14;
const CAMERAS: usize = 200;
const LEN: usize = 256;
const BATCH: usize = 256;
const SEARCHES: usize = 40;
const TOP: usize = 50;
const DAY_US: i64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("name how many sightings, and a folder".into());
    };
    let (count, folder) = (count.parse()?, PathBuf::from(folder));
    let began = Instant::now();
    let index = VectorIndex::open(&folder, IndexSpec { model: MODEL, appearance_len: LEN })?;
    println!("open {:.4} s", began.elapsed().as_secs_f64());
    println!("memory after opening {} kB", memory("VmRSS:")?);
    if index.is_empty()? { fill(&index, count) } else { search(&index, count, &folder) }
}

fn fill(index: &VectorIndex, count: usize) -> Result<(), Box<dyn Error>> {
    let mut took = Duration::ZERO;
    for first in (0..count).step_by(BATCH) {
        let batch: Vec<_> = (first..count.min(first + BATCH)).map(|n| entry(n, count)).collect();
        let began = Instant::now();
        index.upsert(&batch, index.applied_seq() + 1)?;
        took += began.elapsed();
    }
    let began = Instant::now();
    index.flush()?;
    println!("fill and flush {:.3} s", (took + began.elapsed()).as_secs_f64());
    Ok(())
}

fn search(index: &VectorIndex, count: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    println!("disk {:.0} bytes a sighting", bytes(folder)? as f64 / count as f64);
    let tenth: Vec<_> = (0..CAMERAS / 10).map(camera).collect();
    let all: Vec<_> = (0..CAMERAS).map(camera).collect();
    for (name, cameras, like) in [
        ("by words, a tenth of the cameras", &tenth, false),
        ("by words, all cameras", &all, false),
        ("by likeness, a tenth of the cameras", &tenth, true),
        ("by likeness, all cameras", &all, true),
    ] {
        let mut times = Vec::new();
        for n in 0..SEARCHES {
            let query = query(n, cameras.clone(), like);
            let began = Instant::now();
            let found = index.search(&query)?;
            times.push(began.elapsed());
            assert_eq!(found.len(), TOP);
        }
        times.sort();
        let ms = |share: usize| times[(SEARCHES * share / 100).min(SEARCHES - 1)].as_secs_f64() * 1e3;
        println!("{name}: p50 {:.3} ms, p95 {:.3} ms", ms(50), ms(95));
    }
    println!("memory after the searches {} kB, of which not mapped {} kB", memory("VmRSS:")?, memory("RssAnon:")?);
    let (mut hit, mut of) = (0, 0);
    for n in 0..4 {
        let query = query(n, tenth.clone(), true);
        let found: HashSet<_> = index.search(&query)?.into_iter().map(|s| s.id).collect();
        let wanted = oracle(&query, count);
        of += wanted.len();
        hit += wanted.iter().filter(|id| found.contains(id)).count();
    }
    println!("recall at {TOP} against a plain scan {:.3}", hit as f64 / of as f64);
    let day = start().day();
    let began = Instant::now();
    index.drop_day(day)?;
    println!("drop a day {:.4} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn oracle(query: &IndexQuery, count: usize) -> Vec<SightingId> {
    let QueryVector::Appearance(wanted) = &query.vector else { return Vec::new() };
    let mut all: Vec<(f32, SightingId)> = (0..count)
        .filter(|n| n % CAMERAS < CAMERAS / 10)
        .map(|n| entry(n, count))
        .filter_map(|e| Some((e.appearance.similarity(wanted)?, e.id)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().take(TOP).map(|(_, id)| id).collect()
}

fn random(seed: usize) -> impl FnMut() -> f32 {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

const MODEL: ModelDigest = ModelDigest([7; 32]);

fn camera(n: usize) -> CameraId {
    CameraId::new(&format!("camera-{n}")).expect("an id")
}

fn look(seed: usize) -> Embedding {
    let mut next = random(seed);
    Embedding::normalised(MODEL, (0..LEN).map(|_| next()).collect()).expect("a vector")
}

/// Three words, as a figure has.
fn words(seed: usize) -> Vec<f32> {
    let mut next = random(seed ^ 0x5555);
    let mut vector = vec![0.0; Description::VECTOR_LEN];
    for part in 0..3 {
        let slot = (next() + 0.5) * 11.0;
        vector[(part * 11 + slot as usize).min(Description::VECTOR_LEN - 1)] = 0.5 + next().abs();
    }
    vector
}

fn start() -> CaptureTime {
    "2026-03-01T00:00:00Z".parse().expect("a time")
}

fn entry(n: usize, count: usize) -> IndexEntry {
    let first = start().plus_micros(n as i64 * (DAYS * DAY_US - 60_000_000) / count as i64);
    IndexEntry {
        id: SightingId(Uuid::from_u128((n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_9e37_79b9_7f4a_7c15))),
        day: first.day(),
        camera: camera(n % CAMERAS),
        agency: AgencyId::new("a").expect("an id"),
        class: Class::Person,
        first,
        last: first.plus_micros(8_000_000),
        description: words(n),
        appearance: look(n),
    }
}

fn query(n: usize, cameras: Vec<CameraId>, like: bool) -> IndexQuery {
    let vector = if like {
        QueryVector::Appearance(look(n.wrapping_mul(7_919) + 3))
    } else {
        let mut vector = vec![0.0; Description::VECTOR_LEN];
        (vector[n % 11], vector[11 + n % 7]) = (0.5, 0.5);
        QueryVector::Description(vector)
    };
    let window = TimeWindow::new(start(), start().plus_micros(DAYS * DAY_US)).expect("a window");
    IndexQuery { window, cameras, classes: vec![Class::Person], vector, limit: TOP, exclude: Vec::new() }
}

fn memory(key: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with(key)).ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

fn bytes(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        // Blocks, not lengths: files may have holes.
        sum += if path.is_dir() { bytes(&path)? } else { fs::metadata(&path)?.blocks() * 512 };
    }
    Ok(sum)
}
