use media::CameraState;
use pipeline::LiveStatus;
use proto::v1;
use types::{AgencyId, CameraId, CaptureTime, ReceiveTime};

/// What a camera is doing, as it is told others.
pub fn camera_status(id: &CameraId, agency: &AgencyId, now: LiveStatus) -> v1::CameraStatus {
    let state = match &now.state {
        CameraState::Connecting => v1::CameraState::Connecting,
        CameraState::Live => v1::CameraState::Live,
        CameraState::Stalled => v1::CameraState::Stalled,
        CameraState::Offline { .. } => v1::CameraState::Offline,
        CameraState::Paused => v1::CameraState::Paused,
        CameraState::Revoked => v1::CameraState::Revoked,
    };
    let (reason, retry_in) = match now.state {
        CameraState::Offline { reason, retry_in } => (reason, Some(proto::duration(retry_in))),
        _ => (String::new(), None),
    };
    let moment = |time: ReceiveTime| CaptureTime::from_micros(time.as_micros()).ok().map(proto::timestamp);
    let seconds = |micros: i64| micros as f64 / 1e6;
    v1::CameraStatus {
        camera_id: id.to_string(),
        agency_id: agency.to_string(),
        state: state.into(),
        since: moment(now.since),
        reason,
        retry_in,
        last_frame: now.last_frame.and_then(moment),
        fps: now.fps,
        fps_decoded: now.fps_decoded,
        frames: now.frames.looked_at,
        dropped_by_rate: now.frames.dropped_by_rate,
        dropped_late: now.frames.dropped_late,
        sightings: now.scene.sightings,
        losses: now.losses,
        clock: now.clock.map(|c| v1::CameraClock {
            offset_seconds: seconds(c.offset_micros),
            largest_jump_seconds: seconds(c.largest_jump_micros),
            believed: c.believed,
            uncertainty_seconds: c.uncertainty.as_secs_f64(),
            drift_seconds_per_day: now.clock_drift.map(|drift| drift.micros_per_hour * 24.0 / 1e6),
            drift_over: now.clock_drift.map(|drift| proto::duration(drift.over)),
        }),
        worker: String::new(),
        address_asked: now.address_asked.map(|asked| v1::AddressAsked {
            at: moment(asked.at),
            outcome: asked.outcome.as_str().to_owned(),
            reason: asked.text,
        }),
        without_key: now.frames.without_key,
    }
}
