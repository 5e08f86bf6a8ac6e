//! Many cameras at once: a list that is taken whole or not at all, and that list again.

use std::collections::{BTreeMap, BTreeSet};

use access::{Action, AuditDetail, Caller, Matter, Permission};
use catalogue::{Camera, SourceUrl};
use pipeline::{CameraSecrets, KeptAddress};
use proto::v1;
use tonic::Status;
use types::{AgencyId, CameraId};

use super::{
    Api,
    convert::{camera_message, policy_from, position_from, zone_from},
    live::{device, trust},
    own::not_yours,
};
use crate::{
    edge::{
        paging::{MOST, Page},
        status::{Fault, status},
    },
    record::log::sealed,
};

const LONGEST: usize = 5_000;

/// What a row asks for.
enum Wanted {
    Add(Camera, Option<Address>),
    Change(Camera, Option<Address>),
    Nothing,
}

struct Address {
    kept: KeptAddress,
    secret: bool,
}

#[derive(Default)]
struct Plan {
    added: Vec<Camera>,
    changed: Vec<Camera>,
    /// Cameras whose address is another from now on.
    addresses: BTreeMap<CameraId, Address>,
    unchanged: u32,
}

impl Api {
    pub(super) async fn import(
        &self,
        caller: &Caller,
        request: v1::ImportCamerasRequest,
    ) -> Result<v1::ImportCamerasResponse, Status> {
        let ids: BTreeSet<CameraId> = request.cameras.iter().filter_map(|row| CameraId::new(&row.id).ok()).collect();
        let titles: Vec<_> = request.cameras.iter().map(|row| format!("{}: {}", row.id, row.title)).collect();
        let detail = AuditDetail { cameras: ids, ..AuditDetail::default() }.seal(sealed(Matter::Title, titles.join("\n")));
        self.0
            .recorded(caller, Action::ImportCameras, None, detail, async |permission| {
                let plan = self.plan(caller, permission, &request.cameras).await?;
                let names = |cameras: &[Camera]| cameras.iter().map(|c| c.id.to_string()).collect();
                let told = v1::ImportCamerasResponse {
                    added_ids: names(&plan.added),
                    changed_ids: names(&plan.changed),
                    unchanged: plan.unchanged,
                };
                if !request.dry_run {
                    self.carry_out(&plan).await?;
                }
                Ok(told)
            })
            .await
    }

    /// Everything is looked at before anything is done.
    async fn plan(&self, caller: &Caller, permission: Permission, rows: &[v1::CameraRow]) -> Result<Plan, Fault> {
        if rows.is_empty() || rows.len() > LONGEST {
            let what = format!("a list has 1 to {LONGEST} cameras, this one {}", rows.len());
            return Err(Fault::invalid("rows", what, "import it in parts"));
        }
        let there = self.0.catalogue().cameras().await?;
        let there: BTreeMap<&CameraId, &Camera> = there.iter().map(|camera| (&camera.id, camera)).collect();
        let agencies: BTreeSet<AgencyId> = self.0.catalogue().agencies().await?.into_iter().map(|a| a.id).collect();
        let (mut plan, mut seen) = (Plan::default(), BTreeSet::new());
        for (n, row) in rows.iter().enumerate() {
            let wanted = self.row(caller, permission, row, &there, &agencies).await;
            let wanted = wanted.and_then(|wanted| if seen.insert(&row.id) { Ok(wanted) } else { Err(twice()) });
            match wanted.map_err(|fault| of_row(n, row, fault))? {
                Wanted::Add(camera, address) => {
                    plan.addresses.extend(address.map(|address| (camera.id.clone(), address)));
                    plan.added.push(camera);
                }
                Wanted::Change(camera, address) => {
                    plan.addresses.extend(address.map(|address| (camera.id.clone(), address)));
                    plan.changed.push(camera);
                }
                Wanted::Nothing => plan.unchanged += 1,
            }
        }
        Ok(plan)
    }

    async fn row(
        &self,
        caller: &Caller,
        permission: Permission,
        row: &v1::CameraRow,
        there: &BTreeMap<&CameraId, &Camera>,
        agencies: &BTreeSet<AgencyId>,
    ) -> Result<Wanted, Fault> {
        let id = CameraId::new(&row.id).map_err(proto::BadMessage::from)?;
        let agency = AgencyId::new(&row.agency_id).map_err(proto::BadMessage::from)?;
        if permission == Permission::Own && !caller.is_of(&agency) {
            return Err(not_yours(&agency).into());
        }
        if !agencies.contains(&agency) {
            let hint = "add it first: `sightline agency add`";
            return Err(Fault::invalid("agency", format!("there is no agency {agency}"), hint));
        }
        let (zone, title) = (zone_from(&row.zone)?, row.title.trim());
        let policy = row.policy.clone().map(|policy| policy_from(Some(policy))).transpose()?;
        let position = position_from(row.position);
        if position.is_some_and(|p| access::Place::new(p.latitude, p.longitude).is_none()) {
            return Err(Fault::invalid("position", "that is no point on the ground", "write latitude and longitude in degrees"));
        }
        if title.chars().count() > 200 || title.chars().any(char::is_control) {
            return Err(Fault::invalid("title", "the title is not 1 to 200 characters on one line", "shorten it"));
        }
        let kept = KeptAddress {
            basic_without_tls: row.basic_without_tls,
            trust: trust(&row.trust)?,
            device: device(&row.onvif, &row.onvif_profile)?,
            ..KeptAddress::open(row.url.trim())
        };
        let Some(old) = there.get(&id) else {
            let mut camera = Camera::new(id, agency);
            camera.place = Some(if title.is_empty() { camera.id.as_str() } else { title }.to_owned());
            camera.policy = policy.unwrap_or_default();
            (camera.position, camera.zone) = (position, zone);
            let address = self.address(&mut camera, kept).await?;
            return Ok(Wanted::Add(camera, address));
        };
        let differs = [
            ("agency", old.agency != agency),
            ("title", !title.is_empty() && old.place.as_deref() != Some(title)),
            ("position", position.is_some() && position != old.position),
            (
                "policy",
                policy.is_some_and(|policy| {
                    access::CameraPolicy { paused: old.policy.paused, revoked: old.policy.revoked, ..policy } != old.policy
                }),
            ),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            let hint = "leave that column empty for it; its owner changes what others may do with `sightline camera policy`";
            return Err(Fault::invalid("exists", format!("the camera is there already, with another {what}"), hint));
        }
        let mut camera = (*old).clone();
        camera.zone = zone.or(camera.zone);
        let address = if self.is_known(old, &kept)? { None } else { self.address(&mut camera, kept).await? };
        if address.is_none() && camera.zone == old.zone {
            return Ok(Wanted::Nothing);
        }
        Ok(Wanted::Change(camera, address))
    }

    /// Whether the camera has this address already. One that was exported has nothing secret in it any more.
    fn is_known(&self, camera: &Camera, given: &KeptAddress) -> Result<bool, Fault> {
        if given.url.is_empty() {
            return Ok(true);
        }
        let Some(source) = &camera.source else { return Ok(false) };
        let kept = self.0.live.secrets().address(&camera.id)?;
        Ok(match kept {
            Some(kept) => kept == *given || given.url == source.as_str(),
            None => given.url == source.as_str() && *given == KeptAddress::open(&given.url),
        })
    }

    async fn address(&self, camera: &mut Camera, kept: KeptAddress) -> Result<Option<Address>, Fault> {
        if kept.url.is_empty() {
            return Ok(None);
        }
        let (source, secret) = self.source(&kept).await?;
        camera.source = source;
        Ok(Some(Address { kept, secret }))
    }

    async fn carry_out(&self, plan: &Plan) -> Result<(), Fault> {
        let (catalogue, secrets) = (self.0.catalogue(), self.0.live.secrets());
        let _alone = self.0.live.change_addresses().await;
        let moved = || plan.changed.iter().filter(|camera| plan.addresses.contains_key(&camera.id));
        let mut before = BTreeMap::new();
        for camera in moved() {
            let source = catalogue.camera(&camera.id).await?.source;
            before.insert(&camera.id, (source, secrets.address(&camera.id)?));
            // Without the old address first: new credentials are never sent to it.
            catalogue.set_camera_source(&camera.id, None).await?;
        }
        let wanted =
            plan.addresses.iter().map(|(id, address)| (id.clone(), address.secret.then(|| address.kept.clone()))).collect();
        let done = match keep(secrets.clone(), wanted).await {
            Ok(()) => catalogue.import_cameras(&plan.added, &plan.changed).await.map_err(Fault::from),
            Err(error) => Err(error),
        };
        if let Err(fault) = done {
            // As it was, as far as the disk lets us.
            let (mut kept, mut sources) = (Vec::new(), Vec::new());
            for id in plan.addresses.keys() {
                let (source, address): (Option<SourceUrl>, _) = before.remove(id).unwrap_or_default();
                kept.push((id.clone(), address));
                sources.extend(source.map(|source| (id, source)));
            }
            keep(secrets.clone(), kept).await?;
            for (id, source) in sources {
                catalogue.set_camera_source(id, Some(&source)).await?;
            }
            return Err(fault);
        }
        for id in plan.addresses.keys() {
            self.0.live.given(id);
        }
        Ok(())
    }

    pub(super) async fn export_rows(
        &self,
        caller: &Caller,
        request: v1::ExportCamerasRequest,
    ) -> Result<v1::ExportCamerasResponse, Status> {
        let agency = match request.agency_id.as_str() {
            "" => None,
            id => Some(AgencyId::new(id).map_err(|e| status(Action::ExportCameras, Fault::Message(e.into())))?),
        };
        let detail = AuditDetail { agency: agency.clone(), ..AuditDetail::default() };
        let (cameras, next_page_token) = self
            .0
            .recorded(caller, Action::ExportCameras, None, detail, async |permission| {
                let page = Page::of("camera-rows", &agency, request.page_size, MOST, &request.page_token)?;
                let cameras = self.0.catalogue().cameras_page(agency.as_ref(), page.after.as_ref(), page.rows()).await?;
                let may = |camera: &Camera| permission == Permission::Yes || caller.is_of(&camera.agency);
                Ok(page.cut(cameras, |c| c.id.clone(), |c| may(&c).then(|| row_of(c))))
            })
            .await?;
        Ok(v1::ExportCamerasResponse { cameras, next_page_token })
    }
}

/// Disks take several at once faster than one after the other.
const WRITERS: usize = 8;

async fn keep(secrets: CameraSecrets, wanted: Vec<(CameraId, Option<KeptAddress>)>) -> Result<(), Fault> {
    let work = move || {
        let part = wanted.len().div_ceil(WRITERS).max(1);
        std::thread::scope(|scope| {
            let secrets = &secrets;
            let one = |part: &'_ [(CameraId, Option<KeptAddress>)]| {
                part.iter().try_for_each(|(id, address)| secrets.keep(id, address.as_ref()))
            };
            let writers: Vec<_> = wanted.chunks(part).map(|part| scope.spawn(move || one(part))).collect();
            let ended = writers.into_iter().map(|writer| writer.join());
            ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
        })
    };
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    done.into_iter().collect::<Result<(), _>>().map_err(Fault::from)
}

fn row_of(camera: Camera) -> v1::CameraRow {
    let url = camera.source.as_ref().map(|source| source.as_str().to_owned()).unwrap_or_default();
    let message = camera_message(camera);
    v1::CameraRow {
        id: message.id,
        agency_id: message.agency_id,
        title: message.title,
        policy: message.policy,
        position: message.position,
        zone: message.zone,
        url,
        ..v1::CameraRow::default()
    }
}

fn twice() -> Fault {
    Fault::invalid("twice", "it is in the list twice", "take one of them out")
}

/// The same, with the row it is about.
fn of_row(n: usize, row: &v1::CameraRow, fault: Fault) -> Fault {
    let name: String = row.id.chars().filter(|c| !c.is_control()).take(64).collect();
    match fault {
        Fault::Caller { code, reason, message, hint } => {
            Fault::Caller { code, reason, message: format!("row {} ({name}): {message}", n + 1), hint }
        }
        Fault::Message(error) => Fault::invalid("row", format!("row {} ({name}): {error}", n + 1), "correct the row"),
        other => other,
    }
}
