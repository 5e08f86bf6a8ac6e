use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use access::{Action, AuditDetail, Code as Why, Denial, Hold, HoldAct, HoldState, Matter, Permission, PooledCamera};
use catalogue::{DeletionRun, HoldPlace, StoredHold};
use proto::v1::{self, retention_service_server::RetentionService};
use tonic::{Request, Response, Status};
use types::{CaseId, Day, HoldId, ReceiveTime};

use super::{
    Api, cases,
    convert::{camera_ids, moment, party, receive_time},
};
use crate::{
    base::clock::as_micros,
    edge::{
        identity::caller,
        paging::{MOST, Page},
        status::{Fault, status},
    },
    record::log::sealed,
};

const DEFAULT_LISTED: u32 = 100;
/// Rows read at once, of which a caller may see some.
const BATCH: u32 = 500;

#[tonic::async_trait]
impl RetentionService for Api {
    async fn retention_status(
        &self,
        request: Request<v1::RetentionStatusRequest>,
    ) -> Result<Response<v1::RetentionStatusResponse>, Status> {
        let caller = caller(&request)?;
        let answer =
            self.0.recorded(&caller, Action::RetentionStatus, None, AuditDetail::default(), async |_| self.standing().await);
        Ok(Response::new(answer.await?))
    }

    async fn list_deletions(
        &self,
        request: Request<v1::ListDeletionsRequest>,
    ) -> Result<Response<v1::ListDeletionsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let before = i64::try_from(request.before).ok().filter(|n| *n > 0);
        let (deletions, next_page_token) = self
            .0
            .recorded(&caller, Action::ListDeletions, None, AuditDetail::default(), async |permission| {
                let page = Page::of("deletions", request.before, request.limit, DEFAULT_LISTED, &request.page_token)?;
                let pooled = self.0.pooled().await?;
                let own = || pooled.iter().filter(|c| caller.is_of(&c.agency)).map(|c| c.id.clone()).collect::<BTreeSet<_>>();
                let own = (permission == Permission::Own).then(own);
                let (mut after, mut runs) = (page.after.or(before), Vec::new());
                // Until the page is full, however many are of others' cameras alone.
                while runs.len() < page.rows() as usize {
                    let mut some = self.0.catalogue().deletions(after, BATCH).await?;
                    let Some(last) = some.last() else { break };
                    after = Some(last.id);
                    if let Some(own) = &own {
                        some.retain_mut(|run| {
                            run.deletion.cameras.retain(|camera, _| own.contains(camera));
                            !run.deletion.cameras.is_empty()
                        });
                    }
                    runs.append(&mut some);
                }
                Ok(page.cut(runs, |run| run.id, |run| Some(deletion(&run))))
            })
            .await?;
        Ok(Response::new(v1::ListDeletionsResponse { deletions, next_page_token }))
    }

    async fn run_retention(
        &self,
        request: Request<v1::RunRetentionRequest>,
    ) -> Result<Response<v1::RunRetentionResponse>, Status> {
        let caller = caller(&request)?;
        let clock_is_right = request.into_inner().clock_is_right;
        let detail = AuditDetail { clock_is_right, ..AuditDetail::default() };
        let answer = self
            .0
            .recorded(&caller, Action::RunRetention, None, detail, async |_| {
                if clock_is_right {
                    self.0.catalogue().set_time(self.0.clock.is_right()).await?;
                }
                let runs = self.0.retention.sweep().await?;
                Ok(v1::RunRetentionResponse {
                    sightings: runs.iter().map(|r| r.deletion.sightings()).sum(),
                    deletions: runs.iter().map(deletion).collect(),
                    overdue: self.0.retention.counts().overdue,
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn place_hold(&self, request: Request<v1::PlaceHoldRequest>) -> Result<Response<v1::PlaceHoldResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let case_id = cases::id(Action::PlaceHold, &request.case_id)?;
        let id = match request.id.as_str() {
            "" => HoldId::new(&format!("hold-{:08x}", rand::random::<u32>())),
            id => HoldId::new(id),
        };
        let id = id.map_err(|e| status(Action::PlaceHold, Fault::Message(e.into())))?;
        let detail =
            AuditDetail { hold: Some(id.clone()), ..AuditDetail::default() }.seal(sealed(Matter::Reason, &request.reason));
        let hold = self
            .0
            .recorded_with(&caller, Action::PlaceHold, Some(&case_id), detail, async |_| {
                let (case, pooled) = self.0.case_and_cameras(&case_id).await?;
                let case = case.ok_or_else(|| Denial::no_case(&case_id))?;
                let window = request.window.map(|w| proto::window(Some(w))).transpose()?;
                let expires = receive_time("expires", request.expires)?;
                let expires = expires.ok_or(proto::BadMessage::Missing { field: "expires" })?;
                let longest = self.0.config.retention.longest_hold;
                let (cameras, now) = (camera_ids(&request.camera_ids)?, self.0.now());
                let hold = Hold::place(id, &case, &pooled, cameras, window, expires, longest, &caller, now)?;
                let ending = AuditDetail { cameras: hold.cameras.clone(), window: Some(hold.window), ..AuditDetail::default() };
                Ok((self.0.catalogue().add_hold(&hold).await?.hold, ending))
            })
            .await?;
        Ok(Response::new(v1::PlaceHoldResponse { hold: Some(hold_message(&hold, self.0.now())) }))
    }

    async fn confirm_hold(&self, request: Request<v1::ConfirmHoldRequest>) -> Result<Response<v1::ConfirmHoldResponse>, Status> {
        let caller = caller(&request)?;
        let id = hold_id(Action::ConfirmHold, &request.into_inner().hold_id)?;
        let detail = AuditDetail { hold: Some(id.clone()), ..AuditDetail::default() };
        let hold = self
            .0
            .recorded(&caller, Action::ConfirmHold, None, detail, async |_| {
                let (before, pooled) = self.stored_hold(&id).await?;
                let mut after = before.hold.clone();
                after.confirm(&pooled, &caller, self.0.now())?;
                Ok(self.0.catalogue().change_hold(&before, &after).await?.hold)
            })
            .await?;
        Ok(Response::new(v1::ConfirmHoldResponse { hold: Some(hold_message(&hold, self.0.now())) }))
    }

    async fn release_hold(&self, request: Request<v1::ReleaseHoldRequest>) -> Result<Response<v1::ReleaseHoldResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = hold_id(Action::ReleaseHold, &request.hold_id)?;
        let detail =
            AuditDetail { hold: Some(id.clone()), ..AuditDetail::default() }.seal(sealed(Matter::Reason, &request.reason));
        let hold = self
            .0
            .recorded(&caller, Action::ReleaseHold, None, detail, async |_| {
                let (before, pooled) = self.stored_hold(&id).await?;
                let mut after = before.hold.clone();
                after.release(&pooled, &caller, self.0.now())?;
                Ok(self.0.catalogue().change_hold(&before, &after).await?.hold)
            })
            .await?;
        Ok(Response::new(v1::ReleaseHoldResponse { hold: Some(hold_message(&hold, self.0.now())) }))
    }

    async fn list_holds(&self, request: Request<v1::ListHoldsRequest>) -> Result<Response<v1::ListHoldsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let case = match request.case_id.as_str() {
            "" => None,
            id => Some(CaseId::new(id).map_err(|e| status(Action::ListHolds, Fault::Message(e.into())))?),
        };
        let now = self.0.now();
        let (holds, next_page_token) = self
            .0
            .recorded(&caller, Action::ListHolds, case.as_ref(), AuditDetail::default(), async |_| {
                let pooled = self.0.pooled().await?;
                let page = Page::of("holds", &case, request.page_size, MOST, &request.page_token)?;
                let (mut after, mut holds) = (page.after.clone(), Vec::new());
                while holds.len() < page.rows() as usize {
                    let mut some = self.0.catalogue().holds_page(case.as_ref(), after.as_ref(), BATCH).await?;
                    let Some(last) = some.last() else { break };
                    after = Some(HoldPlace::of(last));
                    some.retain(|h| h.hold.is_for(&caller, &pooled));
                    holds.append(&mut some);
                }
                Ok(page.cut(holds, HoldPlace::of, |h| Some(hold_message(&h.hold, now))))
            })
            .await?;
        Ok(Response::new(v1::ListHoldsResponse { holds, next_page_token }))
    }
}

impl Api {
    async fn standing(&self) -> Result<v1::RetentionStatusResponse, Fault> {
        let catalogue = self.0.catalogue();
        let (now, ahead) = self.0.time.seen().await?;
        let clock = self.0.clock.raw();
        let schedules = self.0.retention.schedules().await?;
        let mut days: BTreeMap<Day, (u32, Option<ReceiveTime>)> = BTreeMap::new();
        for share in catalogue.shares().await? {
            let (cameras, due) = days.entry(share.day).or_default();
            *cameras += 1;
            let end = share.ends(&schedules);
            *due = due.iter().copied().chain(end).min();
        }
        let grace = as_micros(self.0.config.retention.grace);
        let bucket = |(day, (cameras, due)): (Day, (u32, Option<ReceiveTime>))| v1::Bucket {
            day: day.to_string(),
            cameras,
            due: due.and_then(moment),
            overdue: due.is_some_and(|due| due.plus_micros(grace) <= now),
        };
        let behind = u64::try_from(now.as_micros() - clock.as_micros()).ok();
        // Less is how well two clocks of one machine agree.
        let behind = behind.filter(|us| *us > 1_000_000);
        Ok(v1::RetentionStatusResponse {
            buckets: days.into_iter().map(bucket).collect(),
            overdue: self.0.retention.counts().overdue,
            held: catalogue.held_count().await?,
            last_clean: self.0.retention.last_clean().and_then(moment),
            clock_behind: behind.map(|us| proto::duration(std::time::Duration::from_micros(us))),
            clock_ahead: ahead.map(proto::duration),
            default_retention: Some(proto::duration(self.0.config.retention.default)),
        })
    }

    async fn stored_hold(&self, id: &HoldId) -> Result<(StoredHold, Arc<[PooledCamera]>), Fault> {
        let missing = || {
            let hint = "`sightline hold list` shows those there are";
            Denial::new(Why::NoHold, format!("there is no hold {id}"), hint)
        };
        let hold = self.0.catalogue().hold(id).await?.ok_or_else(missing)?;
        Ok((hold, self.0.pooled().await?))
    }
}

fn hold_id(action: Action, text: &str) -> Result<HoldId, Status> {
    HoldId::new(text).map_err(|e| status(action, Fault::Message(e.into())))
}

fn hold_message(hold: &Hold, now: ReceiveTime) -> v1::Hold {
    let act = |act: &HoldAct| v1::HoldAct { party: Some(party(&act.by)), time: moment(act.at) };
    let state = match hold.state() {
        HoldState::Asked => v1::HoldState::Asked,
        HoldState::Placed => v1::HoldState::Placed,
        HoldState::ReleaseAsked => v1::HoldState::ReleaseAsked,
        HoldState::Released => v1::HoldState::Released,
    };
    v1::Hold {
        id: hold.id.to_string(),
        case_id: hold.case.to_string(),
        camera_ids: hold.cameras.iter().map(ToString::to_string).collect(),
        window: Some(hold.window.into()),
        expires: moment(hold.expires),
        state: state.into(),
        holds: hold.holds(now),
        placed: Some(act(&hold.placed)),
        confirmed: hold.confirmed.as_ref().map(act),
        release_asked: hold.release_asked.as_ref().map(act),
        released: hold.released.as_ref().map(act),
    }
}

fn deletion(run: &DeletionRun) -> v1::Deletion {
    let d = &run.deletion;
    let share = |(camera, sightings): (&types::CameraId, &u64)| v1::DeletedShare {
        camera_id: camera.to_string(),
        sightings: *sightings,
        stored_before: d.stored_before.get(camera).copied().and_then(moment),
    };
    v1::Deletion {
        number: run.id.unsigned_abs(),
        day: d.day.to_string(),
        whole: d.whole,
        shares: d.cameras.iter().map(share).collect(),
        sightings: d.sightings(),
        held: d.held,
        ids_sha256: d.ids.to_string(),
        begun: moment(run.begun),
        finished: run.finished.and_then(|(at, _)| moment(at)),
        audit_seq: run.finished.map(|(_, seq)| seq).unwrap_or_default(),
        probe: d.probe.map(|p| v1::Probe { ids: p.ids, vectors: p.vectors, found: p.found }),
    }
}
