//! What a camera's owner decides, and what they can see of who looked.

use std::collections::BTreeSet;

use access::{Action, AuditDetail, Caller, CameraPolicy, Case, CaseState, Loss, Permission, PooledCamera, losses};
use catalogue::{Camera, CameraAccess};
use proto::v1;
use tonic::Status;
use types::CameraId;

use super::{
    Api,
    convert::{hours_from, moment, party, purpose_message, purposes_from},
    own::not_yours,
};
use crate::edge::{paging::Page, status::Fault};

const DEFAULT_LISTED: u32 = 100;
/// Cases that a preview names.
const MOST_AFFECTED: usize = 1000;
const READ_AT_ONCE: u32 = 500;

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

    /// What a change would take out of open cases; nothing is changed.
    pub(super) async fn preview_policy(
        &self,
        caller: &Caller,
        request: v1::PreviewCameraPolicyRequest,
    ) -> Result<v1::PreviewCameraPolicyResponse, Status> {
        let (id, change) = planned(request);
        let detail = AuditDetail { cameras: CameraId::new(&id).into_iter().collect(), ..AuditDetail::default() };
        self.0
            .recorded(caller, Action::PreviewCameraPolicy, None, detail, async |permission| {
                let camera = self.own_camera(caller, permission, &id).await?;
                let mut after = camera.policy.clone();
                change(&mut after)?;
                let pooled = self.0.pooled().await?;
                let Some(camera) = pooled.iter().find(|pooled| pooled.id == camera.id) else {
                    return Ok(v1::PreviewCameraPolicyResponse::default());
                };
                let mut affected = Vec::new();
                for state in [CaseState::Requested, CaseState::Authorised] {
                    self.affected_by(state, &pooled, camera, &after, &mut affected).await?;
                }
                affected.sort_by(|(a, _), (b, _)| (a.grant.expires, a.id()).cmp(&(b.grant.expires, b.id())));
                let more = affected.len().saturating_sub(MOST_AFFECTED);
                affected.truncate(MOST_AFFECTED);
                let cases = affected.into_iter().map(|(case, losses)| v1::AffectedCase {
                    case_id: case.id().to_string(),
                    purpose: purpose_message(case.grant.purpose).into(),
                    expires: moment(case.grant.expires),
                    losses: losses.into_iter().map(|loss| loss_message(loss).into()).collect(),
                });
                Ok(v1::PreviewCameraPolicyResponse { cases: cases.collect(), more: u32::try_from(more).unwrap_or(u32::MAX) })
            })
            .await
    }

    async fn affected_by(
        &self,
        state: CaseState,
        pooled: &[PooledCamera],
        camera: &PooledCamera,
        after: &CameraPolicy,
        affected: &mut Vec<(Case, BTreeSet<Loss>)>,
    ) -> Result<(), Fault> {
        let (policy, usual, now) = (self.0.gate.policy(), self.0.config.retention.default, self.0.now());
        let mut last = None;
        loop {
            let page = self.0.catalogue().cases_page(Some(state), None, last.as_ref(), READ_AT_ONCE).await?;
            let full = page.len() == READ_AT_ONCE as usize;
            for (stored, place) in page {
                // What can't be read can't be searched either; `check` names it.
                if let Some(case) = stored.map(|stored| stored.case) {
                    let losses = losses(policy, &case, pooled, camera, after, usual, now);
                    if !losses.is_empty() {
                        affected.push((case, losses));
                    }
                }
                last = Some(place);
            }
            if !full {
                return Ok(());
            }
        }
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

type Change = Box<dyn FnOnce(&mut CameraPolicy) -> Result<(), Fault> + Send>;

/// The camera, and what is planned for it.
fn planned(request: v1::PreviewCameraPolicyRequest) -> (String, Change) {
    use v1::preview_camera_policy_request::Change as Asked;
    match request.change {
        Some(Asked::Set(request)) => (request.camera_id.clone(), Box::new(|policy| set(policy, request))),
        Some(Asked::Revoke(request)) => (request.camera_id, Box::new(revoke)),
        Some(Asked::Pause(request)) => (request.camera_id, Box::new(pause)),
        None => (String::new(), Box::new(|_| Ok(()))),
    }
}

fn loss_message(loss: Loss) -> v1::CaseLoss {
    match loss {
        Loss::Camera => v1::CaseLoss::Camera,
        Loss::Hours => v1::CaseLoss::Hours,
        Loss::Oldest => v1::CaseLoss::Oldest,
    }
}

pub(super) fn pause(policy: &mut CameraPolicy) -> Result<(), Fault> {
    policy.paused = true;
    Ok(())
}

pub(super) fn revoke(policy: &mut CameraPolicy) -> Result<(), Fault> {
    policy.revoked = true;
    Ok(())
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
