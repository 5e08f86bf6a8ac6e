//! What a server and a worker tell alike.

use std::collections::BTreeMap;

use media::CameraState;
use metrics::{counter, gauge};
use pipeline::LiveStatus;
use types::{AgencyId, CameraId, ReceiveTime};

use super::names as n;

/// In the words of [`CameraState::as_str`].
const CAMERA_STATES: [&str; 6] = ["connecting", "live", "stalled", "offline", "paused", "revoked"];

pub(crate) fn info() {
    gauge!(n::INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

pub(crate) fn decoders() {
    let media::Decoders { started, running, died } = media::decoders();
    gauge!(n::DECODERS).set(running as f64);
    counter!(n::DECODERS_STARTED).absolute(started);
    for (reason, count) in died {
        counter!(n::DECODER_DEATHS, "reason" => reason).absolute(count);
    }
    gauge!(n::DECODERS_CONFINED).set(f64::from(u8::from(media::sandboxed())));
}

pub(crate) fn cameras(all: BTreeMap<CameraId, (AgencyId, LiveStatus)>) {
    let now = ReceiveTime::now().as_micros();
    for (id, (_, status)) in all {
        let camera = id.to_string();
        let count = |name: &'static str, value: u64| counter!(name, "camera" => camera.clone()).absolute(value);
        count(n::FRAMES_IN, status.frames.decoded);
        count(n::FRAMES_DETECTED, status.frames.looked_at);
        count(n::CAMERA_LOSSES, status.losses);
        for (reason, value) in [("rate", status.frames.dropped_by_rate), ("late", status.frames.dropped_late)] {
            counter!(n::FRAMES_DROPPED, "camera" => camera.clone(), "reason" => reason).absolute(value);
        }
        for (name, value) in [(n::SIGHTINGS, status.scene.sightings), (n::CROPS_REFUSED, status.scene.crops_refused)] {
            counter!(name, "camera" => camera.clone(), "origin" => "live").absolute(value);
        }
        for state in CAMERA_STATES {
            let is = f64::from(u8::from(status.state.as_str() == state));
            gauge!(n::CAMERA_STATE, "camera" => camera.clone(), "state" => state).set(is);
        }
        if let Some(last) = status.last_frame.filter(|_| status.state != CameraState::Paused) {
            let age = (now - last.as_micros()) as f64 / 1e6;
            gauge!(n::CAMERA_FRAME_AGE, "camera" => camera.clone()).set(age);
        }
        if let Some(clock) = status.clock {
            gauge!(n::CAMERA_CLOCK_OFFSET, "camera" => camera.clone()).set(clock.offset_micros as f64 / 1e6);
        }
    }
}
