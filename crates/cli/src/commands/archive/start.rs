//! When the first frame of each file was taken.

use std::{collections::BTreeMap, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use types::{CameraId, CaptureTime};

use super::{
    files::camera_id,
    pattern::Told,
    zone::{self, Named, Said, Zone},
};
use crate::{
    failure::{Failure, Outcome, library},
    times::{BadArgument, parse_time},
};

/// `--start`: a time, or what the file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    At(CaptureTime),
    Metadata,
}

pub(crate) fn parse_start(text: &str) -> Result<Start, BadArgument> {
    if text.trim() == "metadata" { Ok(Start::Metadata) } else { parse_time(text).map(Start::At) }
}

/// The time a recorder wrote into the container. By the standards it is UTC; a recorder that writes what its clock shows goes by
/// a zone.
pub(super) fn of_metadata(file: &Path, zone: Option<Zone>) -> Outcome<CaptureTime> {
    let hint = "give --start, or --start-pattern if the name tells";
    let time = media::recorded(file).map_err(|e| library("unreadable", &e).hint(hint))?;
    let none = || Failure::new("no_start", format!("{} does not say when it was recorded", file.display())).hint(hint);
    let time = time.ok_or_else(none)?;
    let Some(zone) = zone else { return Ok(time) };
    let shown = DateTime::<Utc>::from_timestamp_micros(time.as_micros()).ok_or_else(none)?.naive_utc();
    let at = zone.only(shown).map_err(|fault| zone::refused(file, &fault))?;
    zone::capture(file, at)
}

/// A file of which the camera and the time are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) camera: CameraId,
    pub(super) start: CaptureTime,
    /// Where its name says so.
    pub(super) end: Option<CaptureTime>,
}

/// Of many files at once, since neighbours tell what a clock that is put back does not. `told`: what the name of each says;
/// `given`: its camera, if the name does not say; `zones`: those of cameras.
pub(super) fn of_names(
    files: &[std::path::PathBuf],
    told: impl Fn(&Path) -> Result<Told, String>,
    given: impl Fn(&Path) -> Option<Outcome<CameraId>>,
    zone: Option<Zone>,
    zones: &BTreeMap<CameraId, Zone>,
) -> Vec<Outcome<Dated>> {
    let read = |file: &std::path::PathBuf| -> Outcome<(CameraId, Told)> {
        let told = told(file).map_err(|fault| {
            Failure::new("no_start", format!("{}: {fault}", file.display()))
                .hint("`sightline archive layouts` has those of recorders")
        })?;
        let camera = match (given(file), &told.camera) {
            (Some(camera), _) => camera?,
            (None, Some(name)) => camera_id(file, name)?,
            (None, None) => {
                return Err(
                    Failure::usage("no camera is named").hint("give --camera, --camera-pattern, or {camera} in --start-pattern")
                );
            }
        };
        Ok((camera, told))
    };
    let read: Vec<_> = files.iter().map(read).collect();
    let good: Vec<usize> = (0..files.len()).filter(|n| read[*n].is_ok()).collect();
    let named = |n: &usize| {
        let Ok((camera, told)) = &read[*n] else { unreachable!("only those that were read") };
        let zone = zone.or_else(|| zones.get(camera).copied());
        Named { camera: camera.to_string(), begin: told.begin, end: told.end, zone }
    };
    let named: Vec<Named> = good.iter().map(named).collect();
    let length = |n: usize| media::probe(files.get(*good.get(n)?)?).ok()?.duration;
    let mut spans: BTreeMap<usize, _> = good.iter().copied().zip(zone::resolve(&named, length)).collect();
    let dated = |(n, read): (usize, Outcome<(CameraId, Told)>)| {
        let (camera, told) = read?;
        let file = &files[n];
        let span = spans.remove(&n).unwrap_or_else(|| Err("it was not read".into()));
        let (begin, end) = span.map_err(|fault| zone::refused(file, &fault))?;
        // An end that was measured is no word of the recorder's.
        let end = end.filter(|_| told.end.is_some_and(|end| matches!(end, Said::At(_) | Said::Local(_))));
        let end = end.map(|end| zone::capture(file, end)).transpose()?;
        Ok(Dated { camera, start: zone::capture(file, begin)?, end })
    };
    read.into_iter().enumerate().map(dated).collect()
}

/// How far off a time in a container may be, where nobody said: some recorders write when they began, some when they ended.
pub(super) const METADATA_UNCERTAINTY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::{super::pattern::NamePattern, *};

    fn named(names: &[&str], pattern: &str, zone: Option<&str>, zones: &[(&str, &str)]) -> Vec<Outcome<String>> {
        let pattern: NamePattern = pattern.parse().unwrap();
        let files: Vec<_> = names.iter().map(std::path::PathBuf::from).collect();
        let zones = zones.iter().map(|(camera, zone)| (camera.parse().unwrap(), zone.parse().unwrap())).collect();
        let usual = |_: &Path| (!pattern.names_camera()).then(|| Ok("gate".parse().unwrap()));
        let dated = of_names(&files, |file| pattern.read(file), usual, zone.map(|z| z.parse().unwrap()), &zones);
        dated.into_iter().map(|d| d.map(|d| format!("{} {}", d.camera, d.start))).collect()
    }

    #[test]
    fn a_zone_is_the_one_that_is_given_or_the_cameras_own_and_without_one_a_local_time_is_refused() {
        let name = "/a/Gate-1_20260701_093000.mp4";
        let of = |zone, zones: &[(&str, &str)]| named(&[name], "{camera}_%Y%m%d_%H%M%S", zone, zones).remove(0);
        assert_eq!(of(Some("+01:00"), &[]).unwrap(), "gate-1 2026-07-01T08:30:00Z");
        assert_eq!(of(None, &[("gate-1", "Europe/Berlin")]).unwrap(), "gate-1 2026-07-01T07:30:00Z");
        assert_eq!(of(Some("UTC"), &[("gate-1", "Europe/Berlin")]).unwrap(), "gate-1 2026-07-01T09:30:00Z");
        let none = of(None, &[("yard", "Europe/Berlin")]).unwrap_err();
        assert!(none.message.contains("has no zone: give --zone"), "{}", none.message);
    }

    #[test]
    fn one_file_that_says_nothing_leaves_the_others_as_they_are() {
        let got =
            named(&["/a/20260701_093000.mp4", "/a/x.mp4", "/a/20260329_023000.mp4"], "%Y%m%d_%H%M%S", Some("Europe/Berlin"), &[]);
        assert_eq!(got[0].as_ref().unwrap(), "gate 2026-07-01T07:30:00Z");
        assert!(got[1].as_ref().unwrap_err().message.contains("does not fit"));
        assert!(got[2].as_ref().unwrap_err().message.contains("does not exist in Europe/Berlin"));
    }
}
