use proto::v1;
use serde::Serialize;

use crate::view::camera_state_word;
use crate::{
    output::{count, plain, table},
    times,
};

/// What a live camera is doing.
#[derive(Debug, Serialize)]
pub(crate) struct LiveView {
    camera: String,
    agency: String,
    state: String,
    since: Option<String>,
    /// Why it is offline, and when it is tried again.
    reason: Option<String>,
    retry_in_s: Option<f64>,
    last_frame: Option<String>,
    fps: f64,
    fps_decoded: f64,
    frames: u64,
    dropped_by_rate: u64,
    dropped_late: u64,
    sightings: u64,
    losses: u64,
    clock: Option<ClockView>,
    /// The agency's worker that watches it; `None`: the server itself.
    worker: Option<String>,
    /// When its device was asked last where the stream is.
    address_asked: Option<AskedView>,
    /// Pictures that were not looked at for want of their key picture.
    without_key: u64,
    /// How old the last frame is.
    last_frame_age_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ClockView {
    offset_s: f64,
    largest_jump_s: f64,
    believed: bool,
    uncertainty_s: f64,
    /// What it gains on the server's or worker's clock in a day; negative: it loses.
    drift_s_per_day: Option<f64>,
    drift_over_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct AskedView {
    at: Option<String>,
    outcome: String,
    reason: String,
}

impl From<v1::CameraStatus> for LiveView {
    fn from(c: v1::CameraStatus) -> Self {
        Self {
            state: camera_state_word(c.state),
            camera: c.camera_id,
            agency: c.agency_id,
            since: times::json(c.since),
            reason: Some(c.reason).filter(|r| !r.is_empty()),
            retry_in_s: times::seconds(c.retry_in),
            last_frame: times::json(c.last_frame),
            last_frame_age_s: c.last_frame.map(|t| (age(t) * 1000.0).round() / 1000.0),
            worker: Some(c.worker).filter(|w| !w.is_empty()),
            fps: c.fps,
            fps_decoded: c.fps_decoded,
            frames: c.frames,
            dropped_by_rate: c.dropped_by_rate,
            dropped_late: c.dropped_late,
            sightings: c.sightings,
            losses: c.losses,
            address_asked: c.address_asked.map(|a| AskedView { at: times::json(a.at), outcome: a.outcome, reason: a.reason }),
            without_key: c.without_key,
            clock: c.clock.map(|c| ClockView {
                offset_s: c.offset_seconds,
                largest_jump_s: c.largest_jump_seconds,
                believed: c.believed,
                uncertainty_s: c.uncertainty_seconds,
                drift_s_per_day: c.drift_seconds_per_day,
                drift_over_s: times::seconds(c.drift_over),
            }),
        }
    }
}

impl LiveView {
    pub(crate) fn table(cameras: &[Self]) -> String {
        if cameras.is_empty() {
            return "no live cameras; give one its stream: sightline camera source CAMERA rtsp://HOST/PATH".into();
        }
        let row = |c: &Self| {
            let clock = match &c.clock {
                Some(clock) => {
                    let off = if clock.believed {
                        format!("{:+.2} s, ±{:.2} s", clock.offset_s, clock.uncertainty_s)
                    } else {
                        format!("{:+.0} s, not believed", clock.offset_s)
                    };
                    let drift = clock.drift_s_per_day.map(|drift| format!(", {drift:+.1} s a day"));
                    off + &drift.unwrap_or_default()
                }
                None => "-".into(),
            };
            [
                c.camera.clone(),
                c.state.clone(),
                format!("{:.1} of {:.1}", c.fps, c.fps_decoded),
                c.last_frame_age_s.map_or_else(|| "-".into(), |s| format!("{s:.1} s ago")),
                format!("{}", c.dropped_late),
                format!("{}", c.sightings),
                clock,
                c.worker.clone().unwrap_or_else(|| "-".into()),
                c.notes(),
            ]
        };
        let rows: Vec<_> = cameras.iter().map(row).collect();
        table(["CAMERA", "STATE", "FPS", "LAST FRAME", "DROPPED", "SIGHTINGS", "CLOCK", "WORKER", "REASON"], &rows)
    }

    /// Why it is offline, where its address was looked for, and what of its pictures was no use.
    fn notes(&self) -> String {
        let asked = self.address_asked.as_ref().map(|asked| plain(&asked.reason));
        let unseen = (self.without_key > 0).then(|| format!("{} without their key picture", count(self.without_key, "picture")));
        self.reason.clone().into_iter().chain(asked).chain(unseen).collect::<Vec<_>>().join("; ")
    }
}

/// In seconds, by this machine's clock.
fn age(time: prost_types::Timestamp) -> f64 {
    let now = chrono::Utc::now();
    (now.timestamp() - time.seconds) as f64 + (f64::from(now.timestamp_subsec_nanos()) - f64::from(time.nanos)) / 1e9
}
