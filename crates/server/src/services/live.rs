use access::{Action, AuditDetail, Permission};
use catalogue::SourceUrl;
use media::{CameraState, RtspSource};
use pipeline::LiveStatus;
use proto::v1::{self, live_service_server::LiveService};
use tonic::{Request, Response, Status};
use types::{AgencyId, CameraId};

use super::{Api, cameras::not_yours, convert::moment};
use crate::{
    identity::caller,
    status::{Fault, status},
};

#[tonic::async_trait]
impl LiveService for Api {
    async fn set_camera_source(
        &self,
        request: Request<v1::SetCameraSourceRequest>,
    ) -> Result<Response<v1::SetCameraSourceResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail { cameras: CameraId::new(&request.camera_id).into_iter().collect(), ..AuditDetail::default() };
        self.0
            .recorded(&caller, Action::SetCameraSource, None, detail, async |permission| {
                let id = CameraId::new(&request.camera_id).map_err(proto::BadMessage::from)?;
                let camera = self.0.catalogue().camera(&id).await?;
                if permission == Permission::Own && !caller.is_of(&camera.agency) {
                    return Err(not_yours(&camera.agency).into());
                }
                let (source, secret) = match request.url.trim() {
                    "" => (None, None),
                    url => {
                        let hint = "give the address of the camera's RTSP stream";
                        RtspSource::new(url).map_err(|e| Fault::invalid("source", e.to_string(), hint))?;
                        let (source, had_secrets) = SourceUrl::parse(url)?;
                        (Some(source), had_secrets.then_some(url))
                    }
                };
                // Without the old address first: new credentials are never sent to it.
                self.0.catalogue().set_camera_source(&id, None).await?;
                self.0.live.secrets().keep(&id, secret)?;
                self.0.catalogue().set_camera_source(&id, source.as_ref()).await?;
                self.0.live.changed();
                Ok(())
            })
            .await?;
        Ok(Response::new(v1::SetCameraSourceResponse {}))
    }

    async fn camera_status(
        &self,
        request: Request<v1::CameraStatusRequest>,
    ) -> Result<Response<v1::CameraStatusResponse>, Status> {
        let caller = caller(&request)?;
        let agency = match request.into_inner().agency_id.as_str() {
            "" => None,
            id => Some(AgencyId::new(id).map_err(|e| status(Action::CameraStatus, Fault::Message(e.into())))?),
        };
        let detail = AuditDetail { agency: agency.clone(), ..AuditDetail::default() };
        let cameras = self
            .0
            .recorded(&caller, Action::CameraStatus, None, detail, async |permission| {
                let mut cameras = self.0.live.statuses();
                cameras.retain(|_, (of, _)| {
                    agency.as_ref().is_none_or(|a| a == of) && (permission == Permission::Yes || caller.is_of(of))
                });
                Ok(cameras)
            })
            .await?;
        let cameras = cameras.into_iter().map(|(id, (agency, now))| message(&id, &agency, now)).collect();
        Ok(Response::new(v1::CameraStatusResponse { cameras }))
    }
}

fn message(id: &CameraId, agency: &AgencyId, now: LiveStatus) -> v1::CameraStatus {
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
        }),
    }
}
