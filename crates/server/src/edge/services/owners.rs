//! What a camera's owner decides, and what they can see of who looked.

use access::{Action, AuditDetail, Caller, CameraPolicy, Permission};
use catalogue::{Camera, CameraAccess};
use proto::v1;
use tonic::Status;
use types::CameraId;

use super::{
    Api,
    convert::{hours_from, moment, party, purposes_from},
    own::not_yours,
};
use crate::edge::{paging::Page, status::Fault};

const DEFAULT_LISTED: u32 = 100;

impl Api {
    /// Changes the policy of a camera of the caller's own organisation; holds from now on, for searches under way too.
    pub(super) async fn change_policy(
        &self,
        caller: &Caller,
        action: Action,
        camera: &str,
        change: impl FnOnce(&mut CameraPolicy) -> Result<(), Fault> + Send,
    ) -> Result<Camera, Status> {
        let detail = AuditDetail { cameras: CameraId::new(camera).into_iter().collect(), ..AuditDetail::default() };
        self.0
            .recorded(caller, action, None, detail, async |permission| {
                let camera = self.own_camera(caller, permission, camera).await?;
                let mut outcome = Ok(());
                // On what stands when it is written, not on what was read above.
                let change = |policy: &mut CameraPolicy| {
                    let mut changed = policy.clone();
                    outcome = change(&mut changed);
                    if outcome.is_ok() {
                        *policy = changed;
                    }
                };
                let camera = self.0.catalogue().change_camera_policy(&camera.id, change).await?;
                self.0.rules.changed();
                outcome?;
                Ok(camera)
            })
            .await
    }

    pub(super) async fn accesses(
        &self,
        caller: &Caller,
        request: v1::ListCameraAccessesRequest,
    ) -> Result<v1::ListCameraAccessesResponse, Status> {
        let camera = request.camera_id.as_str();
        let detail = AuditDetail { cameras: CameraId::new(camera).into_iter().collect(), ..AuditDetail::default() };
        let (accesses, next_page_token) = self
            .0
            .recorded(caller, Action::ListAccesses, None, detail, async |permission| {
                let camera = self.own_camera(caller, permission, camera).await?;
                let page = Page::of("accesses", &camera.id, request.limit, DEFAULT_LISTED, &request.page_token)?;
                let accesses = self.0.catalogue().camera_accesses(&camera.id, page.after, page.rows()).await?;
                let message = |a: CameraAccess| v1::CameraAccess {
                    audit_seq: a.seq,
                    time: moment(a.at),
                    caller: Some(party(&a.caller)),
                    action: a.action.as_str().to_owned(),
                    case_id: a.case.to_string(),
                };
                Ok(page.cut(accesses, |a| a.seq, |a| Some(message(a))))
            })
            .await?;
        Ok(v1::ListCameraAccessesResponse { accesses, next_page_token })
    }

    /// A camera that the caller may decide over or look into.
    async fn own_camera(&self, caller: &Caller, permission: Permission, id: &str) -> Result<Camera, Fault> {
        let id = CameraId::new(id).map_err(proto::BadMessage::from)?;
        let camera = self.0.catalogue().camera(&id).await?;
        if permission == Permission::Own && !caller.is_of(&camera.agency) {
            return Err(not_yours(&camera.agency).into());
        }
        Ok(camera)
    }
}

/// What is absent stays as it is.
pub(super) fn set(policy: &mut CameraPolicy, request: v1::SetCameraPolicyRequest) -> Result<(), Fault> {
    if let Some(purposes) = request.purposes {
        policy.purposes = purposes_from(&purposes.purposes)?;
        if policy.purposes.is_empty() {
            let hint = "pause the camera to keep everybody out: `sightline camera pause`";
            return Err(Fault::invalid("no_purpose", "the list of purposes is empty", hint));
        }
    }
    if let Some(hours) = hours_from(request.hours)? {
        policy.hours = Some(hours);
    }
    if request.all_hours {
        policy.hours = None;
    }
    if let Some(retention) = proto::duration_from("retention", request.retention)? {
        if retention.as_secs() == 0 {
            return Err(Fault::invalid("no_retention", "sightings can't live for no time", "give a duration such as 30d"));
        }
        policy.retention_seconds = Some(retention.as_secs());
    }
    if let Some(sensitive) = request.sensitive {
        policy.sensitive = sensitive;
    }
    Ok(())
}

pub(super) fn resume(policy: &mut CameraPolicy) -> Result<(), Fault> {
    if policy.revoked {
        return Err(Fault::Caller {
            code: tonic::Code::FailedPrecondition,
            reason: "camera_revoked",
            message: "the camera was revoked, and there is no way back".to_owned(),
            hint: "add it again under another id",
        });
    }
    policy.paused = false;
    Ok(())
}
