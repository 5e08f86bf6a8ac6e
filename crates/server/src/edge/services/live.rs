use std::collections::BTreeMap;

use access::{Action, AuditDetail, Caller, Permission};
use catalogue::SourceUrl;
use pipeline::{Device, KeptAddress};
use prost::Message as _;
use proto::v1::{self, live_service_server::LiveService};
use tonic::{Request, Response, Status};
use types::{AgencyId, CameraId};

use super::{Api, convert::moment, own::not_yours};
use crate::{
    edge::{
        identity::caller,
        paging::{MOST, Page},
        status::{Fault, status},
    },
    live::Statuses,
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
                let kept = KeptAddress {
                    basic_without_tls: request.basic_without_tls,
                    trust: trust(&request.trust)?,
                    device: device(&request.onvif, &request.onvif_profile)?,
                    ..KeptAddress::open(request.url.trim())
                };
                let (source, secret) = if kept.url.is_empty() { (None, false) } else { self.source(&kept).await? };
                let _alone = self.0.live.change_addresses().await;
                // Without the old address first: new credentials are never sent to it.
                self.0.catalogue().set_camera_source(&id, None).await?;
                self.0.live.secrets().keep(&id, secret.then_some(&kept))?;
                self.0.catalogue().set_camera_source(&id, source.as_ref()).await?;
                self.0.live.given(&id);
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
        let request = request.into_inner();
        let agency = match request.agency_id.as_str() {
            "" => None,
            id => Some(AgencyId::new(id).map_err(|e| status(Action::CameraStatus, Fault::Message(e.into())))?),
        };
        let detail = AuditDetail { agency: agency.clone(), ..AuditDetail::default() };
        let (cameras, next_page_token) = self
            .0
            .recorded(&caller, Action::CameraStatus, None, detail, async |permission| {
                let mut cameras = self.of_workers().await?;
                for own in self.everywhere().await? {
                    cameras.insert(CameraId::new(&own.camera_id).map_err(proto::BadMessage::from)?, own);
                }
                cameras.retain(|_, status| {
                    let Ok(of) = AgencyId::new(&status.agency_id) else { return false };
                    agency.as_ref().is_none_or(|a| *a == of) && (permission == Permission::Yes || caller.is_of(&of))
                });
                let page = Page::<CameraId>::of("status", &agency, request.page_size, MOST, &request.page_token)?;
                let next = cameras.into_iter().filter(|(id, _)| page.after.as_ref().is_none_or(|after| id > after));
                Ok(page.cut(next.take(page.rows() as usize).collect(), |(id, _)| id.clone(), |(_, status)| Some(status)))
            })
            .await?;
        Ok(Response::new(v1::CameraStatusResponse { cameras, next_page_token }))
    }
}

/// A certificate's digest, or none.
pub(super) fn trust(text: &str) -> Result<Option<media::Pin>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let hint = "`sightline camera status` and `sightline camera probe` say which one the camera has";
    text.parse().map(Some).map_err(|e: media::BadPin| Fault::invalid("trust", e.to_string(), hint))
}

/// The device that named an address, or none.
pub(super) fn device(host: &str, profile: &str) -> Result<Option<Device>, Fault> {
    if host.is_empty() {
        let hint = "name the device as well, or no profile";
        let stray = || Fault::invalid("onvif", "there is a profile and no device that has it".to_owned(), hint);
        return if profile.is_empty() { Ok(None) } else { Err(stray()) };
    }
    let hint = "give HOST, HOST:PORT or https://HOST";
    let host = host.parse().map_err(|e: onvif::BadHost| Fault::invalid("onvif", e.to_string(), hint))?;
    if !profile.is_empty() && !Device::can_be_profile(profile) {
        let hint = "`sightline camera probe` lists the profiles";
        return Err(Fault::invalid("onvif", "that is no profile of a device".to_owned(), hint));
    }
    Ok(Some(Device { host, profile: Some(profile.to_owned()).filter(|profile| !profile.is_empty()) }))
}

/// As callers and other servers are told it.
pub(crate) fn encoded(statuses: Statuses) -> Vec<u8> {
    v1::CameraStatusResponse { cameras: messages(statuses), ..Default::default() }.encode_to_vec()
}

fn messages(statuses: Statuses) -> Vec<v1::CameraStatus> {
    statuses.into_iter().map(|(id, (agency, now))| ingest::camera_status(&id, &agency, now)).collect()
}

impl Api {
    /// What every camera with a source is doing, on whichever server watches it.
    async fn everywhere(&self) -> Result<Vec<v1::CameraStatus>, Fault> {
        Ok(match self.0.live.told().await? {
            Some(told) => v1::CameraStatusResponse::decode(&*told).map(|told| told.cameras).unwrap_or_default(),
            None => messages(self.0.live.statuses()),
        })
    }

    /// What everybody may read of an address, and whether that is not all of it.
    pub(super) async fn source(&self, kept: &KeptAddress) -> Result<(Option<SourceUrl>, bool), Fault> {
        let hint = "give the address of the camera's RTSP stream";
        let camera = kept.source(&self.0.live.networks()).map_err(|e| Fault::invalid("source", e.to_string(), hint))?;
        if camera.is_outside().await {
            let what = "the camera's address is in no network that cameras may be in";
            let hint = "whoever runs the server names its network under [live] networks in sightline.toml";
            return Err(Fault::invalid("source", what.to_owned(), hint));
        }
        if kept.basic_without_tls && !camera.has_credentials() {
            let what = "basic_without_tls is about a password, and the address has none";
            return Err(Fault::invalid("source", what.to_owned(), "write it as rtsp://user:password@host/path"));
        }
        let host = types::StreamUrl::parse(&kept.url).map(|url| url.host()).ok();
        if kept.device.as_ref().is_some_and(|device| Some(device.host.host()) != host) {
            let what = "the address is on another host than the device that named it";
            return Err(Fault::invalid("onvif", what.to_owned(), "a camera's address is asked for at its own host alone"));
        }
        if kept.trust.is_some() && !kept.is_tls() && !kept.device.as_ref().is_some_and(|device| device.host.is_tls()) {
            let what = "trust is about a TLS certificate, and the address is not one of TLS";
            return Err(Fault::invalid("trust", what.to_owned(), "write it as rtsps://host/path"));
        }
        let (source, had_secrets) = SourceUrl::parse(&kept.url)?;
        Ok((Some(source), had_secrets || kept.trust.is_some() || kept.device.is_some()))
    }

    /// What the agencies' workers told last. Where one is not heard of any more, that is the state of its cameras.
    async fn of_workers(&self) -> Result<BTreeMap<CameraId, v1::CameraStatus>, Fault> {
        let leases = self.0.catalogue().last_leases().await?;
        let mut cameras = BTreeMap::new();
        for (id, lease) in leases.last {
            let Some(worker) = lease.holder.split('#').next().and_then(|uri| Caller::from_uri(uri).ok()) else { continue };
            let told = lease.status.and_then(|told| v1::CameraStatus::decode(&*told).ok());
            let mut status = told.unwrap_or_else(|| v1::CameraStatus {
                camera_id: id.to_string(),
                agency_id: worker.organisation.to_string(),
                state: v1::CameraState::Connecting.into(),
                worker: worker.name.to_string(),
                ..v1::CameraStatus::default()
            });
            if lease.expires <= leases.now {
                status.state = v1::CameraState::Offline.into();
                status.reason = format!("its worker {} is not heard of", status.worker);
                (status.since, status.retry_in, status.fps, status.fps_decoded) = (moment(lease.expires), None, 0.0, 0.0);
            }
            cameras.insert(id, status);
        }
        Ok(cameras)
    }
}
