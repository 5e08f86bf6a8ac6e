//! What must hold of names of files, whatever they are; see `fuzz/`. The tests alone have it.

use std::{path::Path, time::Duration};

use clap::ValueEnum as _;

use super::{
    layouts::Recorder,
    pattern::{NamePattern, Told},
    zone::{Named, Zone, resolve},
};
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[("file_name", file_name)];

/// A pattern, a zone, and names of files, one a line: each time is read or refused, and files of one camera are told apart.
fn file_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let pattern = lines.next().unwrap_or_default().parse::<NamePattern>().ok();
    let zone = lines.next().and_then(|line| line.parse::<Zone>().ok());
    let mut named = Vec::new();
    for name in lines.take(20) {
        let file = Path::new(name);
        let mut told: Vec<Told> = Recorder::value_variants().iter().filter_map(|recorder| recorder.read(file).ok()).collect();
        told.extend(pattern.as_ref().and_then(|pattern| pattern.read(file).ok()));
        for Told { begin, end, camera } in told {
            named.push(Named { camera: camera.unwrap_or_default(), begin, end, zone });
        }
    }
    let lengths = [None, Some(Duration::from_secs(60)), Some(Duration::from_secs(31 * 86_400))];
    let resolved = resolve(&named, |n| lengths[n % lengths.len()]);
    assert_eq!(resolved.len(), named.len());
    for (begin, end) in resolved.into_iter().flatten() {
        assert!(types::CaptureTime::from_micros(begin.timestamp_micros()).is_ok());
        assert!(end.is_none_or(|end| types::CaptureTime::from_micros(end.timestamp_micros()).is_ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let seed = |name, text: &str| ("file_name", name, text.as_bytes().to_vec());
        let examples: Vec<_> = Recorder::all().into_iter().map(|layout| layout.example).collect();
        crate::corpora::hold(
            TARGETS,
            &[
                seed("every-layout", &format!("%Y%m%d_%H%M%S\nEurope/Berlin\n{}", examples.join("\n"))),
                seed(
                    "twice-in-autumn",
                    "%Y%m%d_%H%M%S\nEurope/Berlin\n/a/20261025_013000.mp4\n/a/20261025_023000.mp4\n/a/20261025_023000b.mp4\n/a/20261025_033000.mp4",
                ),
                seed("with-an-end", "{camera}_%Y%m%d%H%M%S_{end:%H%M%S}\n+02:00\n/a/ch1_20260301235950_000010.mp4"),
                seed("seconds", "%s\nZ\n/a/1772353800.mp4"),
                seed("deep", "%Y/%m/%d/**/%H%M%S*\nUTC\n/r/2026/03/01/x/y/235000-001000.mp4"),
                seed("far-years", "%Y-%m-%d %H\nEurope/Berlin\n/a/+262142-12-31 23\n/a/-262143-01-01 00\n/a/2026-10-25 02"),
            ],
        );
    }
}
