use access::{Action, AuditDetail, CameraPolicy, Code as Why, Denial, Matter, Permission, check_organisation};
use catalogue::Camera;
use proto::v1::{self, camera_service_server::CameraService};
use tonic::{Request, Response, Status};
use types::{AgencyId, CameraId};

use super::{
    Api,
    convert::{agency_message, camera_message, policy_from, position_from, zone_from},
    own::not_yours,
    owners,
};
use crate::{
    edge::{
        identity::caller,
        paging::{MOST, Page},
        status::{Fault, status},
    },
    record::log::sealed,
};

#[tonic::async_trait]
impl CameraService for Api {
    async fn add_agency(&self, request: Request<v1::AddAgencyRequest>) -> Result<Response<v1::AddAgencyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail { agency: AgencyId::new(&request.id).ok(), ..AuditDetail::default() }
            .seal(sealed(Matter::Title, &request.title));
        let agency = self
            .0
            .recorded(&caller, Action::AddAgency, None, detail, async |_| {
                let id = AgencyId::new(&request.id).map_err(proto::BadMessage::from)?;
                let there = self.0.catalogue().agencies().await?;
                check_organisation(id.as_str(), there.iter().map(|a| a.id.as_str())).map_err(|e| {
                    Denial::new(Why::UnclearName, e.to_string(), "choose a name that nobody can take for another")
                })?;
                let title = if request.title.trim().is_empty() { id.as_str() } else { &request.title };
                Ok(self.0.catalogue().add_agency(&id, title).await?)
            })
            .await?;
        Ok(Response::new(v1::AddAgencyResponse { agency: Some(agency_message(agency)) }))
    }

    async fn list_agencies(
        &self,
        request: Request<v1::ListAgenciesRequest>,
    ) -> Result<Response<v1::ListAgenciesResponse>, Status> {
        let caller = caller(&request)?;
        let agencies = self
            .0
            .recorded(&caller, Action::ListAgencies, None, AuditDetail::default(), async |_| {
                Ok(self.0.catalogue().agencies().await?)
            })
            .await?;
        Ok(Response::new(v1::ListAgenciesResponse { agencies: agencies.into_iter().map(agency_message).collect() }))
    }

    async fn add_camera(&self, request: Request<v1::AddCameraRequest>) -> Result<Response<v1::AddCameraResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail {
            agency: AgencyId::new(&request.agency_id).ok(),
            cameras: CameraId::new(&request.id).into_iter().collect(),
            ..AuditDetail::default()
        }
        .seal(sealed(Matter::Title, &request.title));
        let camera = self
            .0
            .recorded(&caller, Action::AddCamera, None, detail, async |permission| {
                let id = CameraId::new(&request.id).map_err(proto::BadMessage::from)?;
                let agency = AgencyId::new(&request.agency_id).map_err(proto::BadMessage::from)?;
                if permission == Permission::Own && !caller.is_of(&agency) {
                    return Err(not_yours(&agency).into());
                }
                let mut camera = Camera::new(id, agency);
                camera.place = Some(request.title.trim().to_owned()).filter(|t| !t.is_empty());
                camera.policy = policy_from(request.policy)?;
                camera.position = position_from(request.position);
                camera.zone = zone_from(&request.zone)?;
                self.0.catalogue().add_camera(&camera).await?;
                Ok(camera)
            })
            .await?;
        Ok(Response::new(v1::AddCameraResponse { camera: Some(camera_message(camera)) }))
    }

    async fn list_cameras(&self, request: Request<v1::ListCamerasRequest>) -> Result<Response<v1::ListCamerasResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let agency = match request.agency_id.as_str() {
            "" => None,
            id => Some(AgencyId::new(id).map_err(|e| status(Action::ListCameras, Fault::Message(e.into())))?),
        };
        let detail = AuditDetail { agency: agency.clone(), ..AuditDetail::default() };
        let (cameras, next_page_token) = self
            .0
            .recorded(&caller, Action::ListCameras, None, detail, async |_| {
                let page = Page::of("cameras", &agency, request.page_size, MOST, &request.page_token)?;
                let cameras = self.0.catalogue().cameras_page(agency.as_ref(), page.after.as_ref(), page.rows()).await?;
                Ok(page.cut(cameras, |c| c.id.clone(), |c| Some(camera_message(c))))
            })
            .await?;
        Ok(Response::new(v1::ListCamerasResponse { cameras, next_page_token }))
    }

    async fn import_cameras(
        &self,
        request: Request<v1::ImportCamerasRequest>,
    ) -> Result<Response<v1::ImportCamerasResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.import(&caller, request.into_inner()).await?))
    }

    async fn export_cameras(
        &self,
        request: Request<v1::ExportCamerasRequest>,
    ) -> Result<Response<v1::ExportCamerasResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.export_rows(&caller, request.into_inner()).await?))
    }

    async fn set_camera_policy(
        &self,
        request: Request<v1::SetCameraPolicyRequest>,
    ) -> Result<Response<v1::SetCameraPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = request.camera_id.clone();
        let change = |policy: &mut CameraPolicy| owners::set(policy, request);
        let camera = self.change_policy(&caller, Action::SetCameraPolicy, &id, change).await?;
        Ok(Response::new(v1::SetCameraPolicyResponse { camera: Some(camera_message(camera)) }))
    }

    async fn preview_camera_policy(
        &self,
        request: Request<v1::PreviewCameraPolicyRequest>,
    ) -> Result<Response<v1::PreviewCameraPolicyResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.preview_policy(&caller, request.into_inner()).await?))
    }

    async fn pause_camera(&self, request: Request<v1::PauseCameraRequest>) -> Result<Response<v1::PauseCameraResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().camera_id;
        let camera = self.change_policy(&caller, Action::PauseCamera, &id, owners::pause).await?;
        Ok(Response::new(v1::PauseCameraResponse { camera: Some(camera_message(camera)) }))
    }

    async fn resume_camera(
        &self,
        request: Request<v1::ResumeCameraRequest>,
    ) -> Result<Response<v1::ResumeCameraResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().camera_id;
        let camera = self.change_policy(&caller, Action::ResumeCamera, &id, owners::resume).await?;
        Ok(Response::new(v1::ResumeCameraResponse { camera: Some(camera_message(camera)) }))
    }

    async fn revoke_camera(
        &self,
        request: Request<v1::RevokeCameraRequest>,
    ) -> Result<Response<v1::RevokeCameraResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().camera_id;
        let camera = self.change_policy(&caller, Action::RevokeCamera, &id, owners::revoke).await?;
        Ok(Response::new(v1::RevokeCameraResponse { camera: Some(camera_message(camera)) }))
    }

    async fn list_camera_accesses(
        &self,
        request: Request<v1::ListCameraAccessesRequest>,
    ) -> Result<Response<v1::ListCameraAccessesResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.accesses(&caller, request.into_inner()).await?))
    }
}
