//! What is measured, and how it is told.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// p50, p95 and p99 in milliseconds.
pub(crate) fn latency(times: &[Duration]) -> Value {
    let mut sorted: Vec<_> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).map(|ms| round(*ms));
    json!({ "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "searches": times.len() })
}

pub(crate) fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Bytes that a folder's files take on the disk, and how many files they are. A file with holes takes less than its length.
pub(crate) fn disk(folder: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let (mut bytes, mut files) = (0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let (more, those) = if meta.is_dir() { disk(&entry.path()) } else { (meta.blocks() * 512, 1) };
        bytes += more;
        files += those;
    }
    (bytes, files)
}

/// Resident bytes of this process: its own, and those of mapped files, which the system may take back.
pub(crate) fn resident() -> (u64, u64) {
    resident_in("self").unwrap()
}

/// The same of the process on this machine whose program's name begins so.
pub(crate) fn resident_of(program: &str) -> Option<(u64, u64)> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok());
    let named = |id: &String| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with(program));
    ids.filter(named).find_map(|id| resident_in(&id))
}

fn resident_in(process: &str) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let of = |key: &str| {
        let line = status.lines().find(|l| l.starts_with(key))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((of("RssAnon:")?, of("RssFile:")? + of("RssShmem:")?))
}

/// A table of names and numbers, nested ones by their path.
pub(crate) fn table(report: &Value) -> String {
    let mut lines = Vec::new();
    collect("", report, &mut lines);
    lines.iter().map(|(name, value)| format!("{name:<44} {value:>16}\n")).collect()
}

fn collect(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path} {key}") };
                collect(&path, value, lines);
            }
        }
        other => lines.push((path.to_owned(), other.to_string())),
    }
}

/// The median of writing and syncing a few bytes, in milliseconds: what this disk asks for a commit.
pub(crate) fn durable_write(folder: &Path) -> f64 {
    let path = folder.join("probe");
    let mut file = fs::File::create(&path).unwrap();
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0; 512]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    fs::remove_file(path).unwrap();
    round(times[25].as_secs_f64() * 1e3)
}
