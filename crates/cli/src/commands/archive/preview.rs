//! What would be added: every file with its camera and its times, where they overlap and where there is nothing between them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;
use types::CaptureTime;

use super::start::Dated;
use crate::{
    failure::Outcome,
    output::{count, table},
    times::human,
};

#[derive(Debug, Serialize)]
pub(super) struct Preview {
    files: Vec<Shown>,
    overlaps: Vec<Between>,
    gaps: Vec<Between>,
    /// Files of which camera or time are not known.
    faults: usize,
}

#[derive(Debug, Serialize)]
struct Shown {
    path: String,
    camera: Option<String>,
    start: Option<String>,
    end: Option<String>,
    error: Option<String>,
}

/// From the end of one file to the beginning of the next, or the other way round.
#[derive(Debug, Serialize)]
struct Between {
    camera: String,
    from: String,
    to: String,
    seconds: f64,
}

/// Names have whole seconds.
const SMALL_US: i64 = 2_500_000;

impl Preview {
    /// `length`: how long a file lasts, where its name does not say.
    pub(super) fn of<'a>(
        files: impl IntoIterator<Item = (&'a Path, Outcome<Dated>)>,
        length: impl Fn(&Path) -> Option<Duration>,
    ) -> Self {
        let mut cameras: BTreeMap<String, Vec<(CaptureTime, Option<CaptureTime>)>> = BTreeMap::new();
        let (mut shown, mut faults) = (Vec::new(), 0);
        for (file, dated) in files {
            let path = file.display().to_string();
            shown.push(match dated {
                Ok(Dated { camera, start, end }) => {
                    let lasts = || length(file).and_then(|d| i64::try_from(d.as_micros()).ok());
                    let end = end.or_else(|| lasts().map(|us| start.plus_micros(us)));
                    cameras.entry(camera.to_string()).or_default().push((start, end));
                    let end = end.map(|end| end.to_string());
                    Shown { path, camera: Some(camera.to_string()), start: Some(start.to_string()), end, error: None }
                }
                Err(failure) => {
                    faults += 1;
                    Shown { path, camera: None, start: None, end: None, error: Some(failure.into_inner().message) }
                }
            });
        }
        let (mut overlaps, mut gaps) = (Vec::new(), Vec::new());
        for (camera, mut spans) in cameras {
            spans.sort_unstable_by_key(|(start, _)| *start);
            let mut reached: Option<CaptureTime> = None;
            for (start, end) in spans {
                if let Some(before) = reached {
                    let apart = start.as_micros() - before.as_micros();
                    let between = |from: CaptureTime, to: CaptureTime| Between {
                        camera: camera.clone(),
                        from: from.to_string(),
                        to: to.to_string(),
                        seconds: (to.as_micros() - from.as_micros()) as f64 / 1e6,
                    };
                    if apart > SMALL_US {
                        gaps.push(between(before, start));
                    } else if apart < -SMALL_US {
                        overlaps.push(between(start, end.map_or(before, |end| end.min(before))));
                    }
                }
                // After one whose end nobody knows there is nothing to say.
                reached = end.map(|end| reached.map_or(end, |before| before.max(end)));
            }
        }
        Self { files: shown, overlaps, gaps, faults }
    }

    pub(super) fn text(&self) -> String {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = |f: &Shown| {
            let start = f.start.clone().or_else(|| f.error.clone()).unwrap_or_default();
            [f.path.clone(), cell(&f.camera), start, cell(&f.end)]
        };
        let mut lines = vec![table(["FILE", "CAMERA", "START", "END"], &self.files.iter().map(row).collect::<Vec<_>>())];
        for (word, all) in [("overlap", &self.overlaps), ("gap", &self.gaps)] {
            lines.extend(all.iter().map(|b| {
                let lasts = human(Duration::try_from_secs_f64(b.seconds).unwrap_or_default());
                format!("{word} of {}: {} to {} ({lasts})", b.camera, b.from, b.to)
            }));
        }
        lines.push(format!(
            "{}, {}, {}, {} without a time; nothing was added",
            count(self.files.len() as u64, "file"),
            count(self.overlaps.len() as u64, "overlap"),
            count(self.gaps.len() as u64, "gap"),
            self.faults
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn overlaps_and_gaps_of_each_camera_are_told() {
        let at = |text: &str| text.parse::<CaptureTime>().unwrap();
        let dated = |camera: &str, start: &str| Ok(Dated { camera: camera.parse().unwrap(), start: at(start), end: None });
        let files = [
            ("a", dated("gate", "2026-03-01T10:20:00Z")),
            ("b", dated("gate", "2026-03-01T10:00:00Z")),
            ("c", dated("gate", "2026-03-01T10:10:01Z")),
            ("d", dated("gate", "2026-03-01T10:25:00Z")),
            ("e", dated("gate", "2026-03-01T11:00:00Z")),
            ("f", dated("yard", "2026-03-01T10:05:00Z")),
            ("g", Err(Failure::new("no_start", "it says nothing"))),
        ];
        let files = files.into_iter().map(|(name, dated)| (Path::new(name), dated));
        let preview = Preview::of(files, |_| Some(Duration::from_secs(600)));
        assert_eq!(preview.overlaps.len(), 1);
        assert_eq!((preview.overlaps[0].from.as_str(), preview.overlaps[0].seconds), ("2026-03-01T10:25:00Z", 300.0));
        assert_eq!(preview.gaps.len(), 1);
        assert_eq!((preview.gaps[0].from.as_str(), preview.gaps[0].seconds), ("2026-03-01T10:35:00Z", 1500.0));
        assert_eq!((preview.files.len(), preview.faults), (7, 1));
        assert!(preview.text().contains("7 files, 1 overlap, 1 gap, 1 without a time; nothing was added"), "{}", preview.text());
    }
}
