//! How recorders name what they record: a pattern over the whole path each, by its name.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::{
    pattern::{NamePattern, Told},
    zone::Zone,
};

/// A recorder, or the export of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recorder {
    Dahua,
    DahuaExport,
    HikvisionExport,
    Reolink,
    Axis,
    Frigate,
    Unifi,
    Yi,
    Brickcom,
}

/// What is known of one.
#[derive(Debug, Serialize)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) pattern: &'static str,
    /// Names are in UTC, not in the recorder's local time.
    pub(super) utc: bool,
    pub(super) example: &'static str,
}

impl Recorder {
    pub(super) fn all() -> Vec<Layout> {
        Self::value_variants().iter().map(|recorder| recorder.layout()).collect()
    }

    pub(super) fn layout(self) -> Layout {
        let (name, pattern, utc, example) = match self {
            Self::Dahua => (
                "dahua",
                "%Y-%m-%d/**/%H.%M.%S-{end:%H.%M.%S}[",
                false,
                "/2026-05-01/0/dav/11/1/0/526862/11.30.00-12.00.00[R][0@0][0].dav",
            ),
            Self::DahuaExport => (
                "dahua-export",
                "/*_{camera}_*_%Y%m%d%H%M%S_{end:%Y%m%d%H%M%S}.",
                false,
                "/usb/NVR_ch1_main_20260330000000_20260330235960.dav",
            ),
            Self::HikvisionExport => (
                "hikvision-export",
                "/*_{camera}_*_%Y%m%d%H%M%S_{end:%Y%m%d%H%M%S}.",
                false,
                "/usb/NVR_ch1_main_20260330000000_20260330235960.mp4",
            ),
            Self::Reolink => {
                ("reolink", "/Rec*_%Y%m%d_%H%M%S_{end:%H%M%S}_", false, "/sd/RecM04_20260227_110232_110302_6D28C08.mp4")
            }
            Self::Axis => {
                ("axis", "/%Y%m%d_%H%M%S_*_{camera}/", false, "/sd/20250114_093000_1A2B_ACCC8E123456/20250114_09/block.mkv")
            }
            Self::Frigate => ("frigate", "/%Y-%m-%d/%H/{camera}/%M.%S.", true, "/media/recordings/2026-03-01/09/gate/30.05.mp4"),
            Self::Unifi => ("unifi", "/{camera} - %m-%d-%Y, %I.%M.%S%p.", false, "/clips/Front Door - 2-9-2020, 11.21.12pm.mp4"),
            Self::Yi => ("yi", "/%YY%mM%dD%HH/%MM%SS*.", false, "/record/2022Y04M12D18H/09M00S60.mp4"),
            Self::Brickcom => {
                ("brickcom", "/%Y%m%d-%H%M%S-{end:%H%M%S}_*-{camera}", false, "/nas/20140509-000500-001000_192.168.1.11-CH2.avi")
            }
        };
        Layout { name, pattern, utc, example }
    }

    pub(super) fn pattern(self) -> Option<NamePattern> {
        self.layout().pattern.parse().ok()
    }

    /// The zone of its names, if that is not for people to say.
    pub(super) fn zone(self) -> Option<Zone> {
        self.layout().utc.then_some(Zone::Named(chrono_tz::Tz::UTC))
    }

    pub(super) fn read(self, file: &Path) -> Result<Told, String> {
        let layout = self.layout();
        let pattern = self.pattern().ok_or_else(|| format!("the pattern of {} can't be read", layout.name))?;
        pattern.read(file).map_err(|_| format!("that is not how {} names its files, as in {}", layout.name, layout.example))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::zone::Said, *};

    #[test]
    fn every_layout_reads_its_own_example() {
        for recorder in Recorder::value_variants() {
            let told = recorder.read(Path::new(recorder.layout().example));
            assert!(told.is_ok(), "{recorder:?}: {told:?}");
            assert_eq!(recorder.to_possible_value().unwrap().get_name(), recorder.layout().name);
            assert!(recorder.read(Path::new("/a/b.mp4")).is_err());
        }
    }

    /// Path, then camera, begin and end.
    #[test]
    fn golden_names_are_read_as_their_recorders_mean_them() {
        let shown = |said: Said| match said {
            Said::At(at) => format!("{}Z", at.naive_utc()),
            Said::Local(at) => at.to_string(),
        };
        let mut lines = Vec::new();
        for (recorder, path) in [
            (Recorder::Dahua, "/n/2026-05-01/0/dav/11/1/0/526862/11.30.00-12.00.00[R][0@0][0].dav"),
            (Recorder::Dahua, "/n/2026-05-01/001/dav/23/23.36.45-00.05.00[M][0@0][0].dav"),
            (Recorder::DahuaExport, "/u/NVR_ch1_main_20260330000000_20260330235960.dav"),
            (Recorder::HikvisionExport, "/u/Yard_ch12_sub_20260330093000_20260330100000.mp4"),
            (Recorder::Reolink, "/s/Mp4Record/2026-02-27/RecM04_20260227_110232_110302_6D28C08_13CE1C7.mp4"),
            (Recorder::Reolink, "/s/RecS02_20260227_235932_000002_0_1.mp4"),
            (Recorder::Axis, "/s/20250114_093000_1A2B_ACCC8E123456/20250114_09/20250114_093010_7C.mkv"),
            (Recorder::Frigate, "/m/recordings/2026-03-01/09/back_yard/30.05.mp4"),
            (Recorder::Unifi, "/c/Front Door - 2-9-2020, 11.21.12pm.mp4"),
            (Recorder::Unifi, "/c/Front Door - 12-31-2020, 12.00.01am.mp4"),
            (Recorder::Yi, "/r/2022Y04M12D18H/09M00S60.mp4"),
            (Recorder::Brickcom, "/n/20140509-000500-001000_192.168.1.11-CH2.avi"),
        ] {
            let told = recorder.read(Path::new(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            let end = told.end.map_or_else(|| "-".to_owned(), shown);
            lines.push(format!("{} | {} | {end}", told.camera.as_deref().unwrap_or("-"), shown(told.begin)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r"
        - | 2026-05-01 11:30:00 | 2026-05-01 12:00:00
        - | 2026-05-01 23:36:45 | 2026-05-02 00:05:00
        ch1 | 2026-03-30 00:00:00 | 2026-03-31 00:00:00
        ch12 | 2026-03-30 09:30:00 | 2026-03-30 10:00:00
        - | 2026-02-27 11:02:32 | 2026-02-27 11:03:02
        - | 2026-02-27 23:59:32 | 2026-02-28 00:00:02
        ACCC8E123456 | 2025-01-14 09:30:00 | -
        back_yard | 2026-03-01 09:30:05 | -
        Front Door | 2020-02-09 23:21:12 | -
        Front Door | 2020-12-31 00:00:01 | -
        - | 2022-04-12 18:09:00 | -
        CH2 | 2014-05-09 00:05:00 | 2014-05-09 00:10:00
        ");
    }
}
