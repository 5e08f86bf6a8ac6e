pub(crate) mod device;
mod given;
mod sheet;
mod spreadsheet;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use media::Pin;
use onvif::DeviceHost;
use pipeline::Device;
use proto::v1::{
    self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient,
    preview_camera_policy_request::Change,
};
use tonic::transport::Channel;
use types::{AgencyId, CameraId};

pub(crate) use self::given::parse_place;
use self::{
    device::{Discover, Login, Probe},
    given::parse_hours,
};
use super::purpose::Purpose;
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    pages::{self, Listed, Shown},
    times::parse_duration,
    view::{AccessView, AffectedView, CameraView, LiveView},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Camera {
    /// Add a camera to an agency
    Add {
        /// A short name, unique over all agencies: 1 to 63 of a-z, 0-9, '-' and '_'
        id: CameraId,
        /// Whose camera it is
        #[arg(long)]
        agency: AgencyId,
        /// Where it is, in words: "north gate" [default: the id]
        #[arg(long)]
        title: Option<String>,
        /// A purpose that may search it; repeat for more [default: every purpose]
        #[arg(long = "purpose", value_enum)]
        purposes: Vec<Purpose>,
        /// It covers a place of worship, health or assembly
        #[arg(long)]
        sensitive: bool,
        /// How long its sightings live: 36h, 30d [default: the server's]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        retention: Option<Duration>,
        /// Only sightings of these hours of the day (UTC) may be found: 06:00-22:00 [default: all]
        #[arg(long, value_name = "HH:MM-HH:MM", value_parser = parse_hours)]
        hours: Option<v1::Hours>,
        /// Where it hangs, in degrees: 51.5007,-0.1246. A case over an area covers cameras with a position alone
        #[arg(long = "at", value_name = "LAT,LON", value_parser = parse_place, allow_hyphen_values = true)]
        position: Option<v1::Place>,
        /// Where its live stream is, as for `sightline camera source`
        #[arg(long, value_name = "URL")]
        source: Option<String>,
        /// As for `sightline camera source`
        #[arg(long, requires = "source")]
        basic_without_tls: bool,
        /// Ask the camera itself where its stream is, by ONVIF, as `sightline camera probe` does: 192.0.2.7 or 192.0.2.7:8000
        #[arg(long, value_name = "HOST", conflicts_with = "source")]
        onvif: Option<DeviceHost>,
        #[command(flatten)]
        login: Login,
        /// As for `sightline camera source`
        #[arg(long, value_name = "SHA256")]
        trust: Option<Pin>,
        /// The time zone its recordings are named by, such as Europe/Berlin: what `archive add` goes by unless told
        #[arg(long, value_name = "ZONE")]
        zone: Option<chrono_tz::Tz>,
    },
    /// Find the cameras that answer to ONVIF; shows no password to anybody
    Discover(Discover),
    /// Ask a camera what it is, what its clock says and where its streams are; changes nothing
    Probe(Probe),
    /// Add many cameras from a table, all of them or none; the same table again changes nothing
    Import(sheet::Import),
    /// Write the cameras as a table that can be imported, without passwords
    Export(sheet::Export),
    /// Say which time zone a camera's recordings are named by; what `archive add` goes by unless told
    Zone {
        camera: CameraId,
        /// Such as Europe/Berlin, America/New_York or UTC
        zone: chrono_tz::Tz,
    },
    /// Say where a camera's live stream is; watching begins at once
    Source {
        camera: CameraId,
        /// rtsp://[user:password@]host[:port]/path, or - to read it from standard input, where no process list shows it
        #[arg(required_unless_present = "none")]
        url: Option<String>,
        /// Watch it no more
        #[arg(long, conflicts_with = "url")]
        none: bool,
        /// Let the password itself be sent without TLS, where everybody on the line can read it, to a camera that knows nothing but
        /// Basic
        #[arg(long, conflicts_with = "none")]
        basic_without_tls: bool,
        /// The TLS certificate that the camera has, by its SHA-256: it is trusted, whoever made it, and no other
        #[arg(long, value_name = "SHA256", conflicts_with = "none")]
        trust: Option<Pin>,
    },
    /// Show what the live cameras are doing
    Status {
        /// Only those of this agency
        #[arg(long)]
        agency: Option<AgencyId>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Change what others may do with one of your cameras; what is not named stays as it is
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Policy {
        camera: CameraId,
        /// A purpose that may search it; repeat for more
        #[arg(long = "purpose", visible_alias = "purposes", value_enum, value_delimiter = ',', group = "change")]
        purposes: Vec<Purpose>,
        /// Only sightings of these hours of the day (UTC) may be found: 06:00-22:00
        #[arg(long, value_name = "HH:MM-HH:MM", value_parser = parse_hours, group = "change")]
        hours: Option<v1::Hours>,
        /// Sightings of all hours may be found
        #[arg(long, conflicts_with = "hours", group = "change")]
        all_hours: bool,
        /// How long its sightings live: 36h, 30d
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, group = "change")]
        retention: Option<Duration>,
        /// It covers a place of worship, health or assembly: a search needs two authorisers
        #[arg(long, value_enum, group = "change")]
        sensitive: Option<Sensitive>,
        #[command(flatten)]
        only: Only,
    },
    /// From now on nobody searches it, searches under way included
    Pause {
        camera: CameraId,
        #[command(flatten)]
        only: Only,
    },
    /// It may be searched again
    Resume { camera: CameraId },
    /// From now on nobody searches it any more; there is no way back
    Revoke {
        camera: CameraId,
        #[command(flatten)]
        only: Only,
    },
    /// Who looked at one of your cameras, when and under which case
    Accesses {
        camera: CameraId,
        /// At most so many, the newest first; 0: all of them
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// List the cameras
    List {
        /// Only those of this agency
        #[arg(long)]
        agency: Option<AgencyId>,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Only {
    /// Change nothing: show what it would take out of open cases
    #[arg(long)]
    preview: bool,
}

impl Camera {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let usual = match self {
            Self::Policy { .. } | Self::Pause { .. } | Self::Resume { .. } | Self::Revoke { .. } | Self::Accesses { .. } => {
                Caller::CameraOwner
            }
            _ => Caller::Operator,
        };
        // What needs no server, or is looked at before one is called.
        let this = match self {
            Self::Discover(discover) => return discover.run(ctx).await,
            Self::Probe(probe) => return probe.run(ctx).await,
            Self::Import(import) => return import.run(ctx).await,
            Self::Export(export) => return export.run(ctx).await,
            other => other,
        };
        let client = ctx.connect(usual).await?;
        let mut service = client.cameras();
        match this {
            Self::Discover(_) | Self::Probe(_) | Self::Import(_) | Self::Export(_) => {}
            Self::Policy { camera, purposes, hours, all_hours, retention, sensitive, only } => {
                let purposes: Vec<i32> = purposes.into_iter().map(|p| v1::Purpose::from(p).into()).collect();
                let request = v1::SetCameraPolicyRequest {
                    camera_id: camera.to_string(),
                    purposes: (!purposes.is_empty()).then_some(v1::PurposeList { purposes }),
                    hours,
                    all_hours,
                    retention: retention.map(proto::duration),
                    sensitive: sensitive.map(|s| s != Sensitive::No),
                };
                if only.preview {
                    return preview(ctx, &mut service, &camera, Change::Set(request)).await;
                }
                changed(ctx, service.set_camera_policy(request).await?.into_inner().camera, "holds from now on");
            }
            Self::Pause { camera, only } => {
                let request = v1::PauseCameraRequest { camera_id: camera.to_string() };
                if only.preview {
                    return preview(ctx, &mut service, &camera, Change::Pause(request)).await;
                }
                changed(ctx, service.pause_camera(request).await?.into_inner().camera, "nobody searches it for now");
            }
            Self::Resume { camera } => {
                let request = v1::ResumeCameraRequest { camera_id: camera.to_string() };
                changed(ctx, service.resume_camera(request).await?.into_inner().camera, "it may be searched again");
            }
            Self::Revoke { camera, only } => {
                let request = v1::RevokeCameraRequest { camera_id: camera.to_string() };
                if only.preview {
                    return preview(ctx, &mut service, &camera, Change::Revoke(request)).await;
                }
                changed(ctx, service.revoke_camera(request).await?.into_inner().camera, "nobody searches it any more");
            }
            Self::Accesses { camera, limit } => {
                let accesses = pages::read(limit, async |limit, page_token| {
                    let request = v1::ListCameraAccessesRequest { camera_id: camera.to_string(), limit, page_token };
                    let page = service.list_camera_accesses(request).await?.into_inner();
                    Ok((page.accesses, page.next_page_token))
                });
                let accesses: Listed<AccessView> = accesses.await?.into();
                let json = serde_json::json!({ "accesses": accesses.rows, "more": accesses.more });
                ctx.printer.answer(&json, || AccessView::table(&accesses.rows));
                accesses.note(ctx);
            }
            Self::Add {
                id,
                agency,
                title,
                purposes,
                sensitive,
                retention,
                hours,
                position,
                source,
                basic_without_tls,
                onvif,
                login,
                trust,
                zone,
            } => {
                let (source, choice) = match &onvif {
                    Some(host) => device::stream(ctx, host, &login, trust).await.map(|(url, why)| (Some(url), why))?,
                    None if login.is_given() => {
                        return Err(Failure::usage("--user and --profile are for --onvif")
                            .hint("in an address write rtsp://user:password@host"));
                    }
                    None => (source, String::new()),
                };
                let policy = v1::CameraPolicy {
                    purposes: purposes.into_iter().map(|p| v1::Purpose::from(p).into()).collect(),
                    sensitive,
                    retention: retention.map(proto::duration),
                    hours,
                    ..v1::CameraPolicy::default()
                };
                let title = title.unwrap_or_else(|| id.to_string());
                let request = v1::AddCameraRequest {
                    id: id.to_string(),
                    agency_id: agency.to_string(),
                    title,
                    policy: Some(policy),
                    position,
                    zone: zone.map(|zone| zone.name().to_owned()).unwrap_or_default(),
                };
                let camera: CameraView = service.add_camera(request).await?.into_inner().camera.unwrap_or_default().into();
                let live = source.is_some();
                if let Some(url) = source {
                    // A device that is asked over TLS may have its stream without, and is asked again.
                    let trust = trust.filter(|_| onvif.as_ref().is_some_and(DeviceHost::is_tls) || is_tls(&url));
                    let device = onvif.as_ref().map(|host| login.device(host));
                    set_source(&mut client.live(), &id, &url, basic_without_tls, trust, device).await?;
                }
                ctx.printer.answer(&camera, || {
                    let next =
                        if live { "camera status".to_owned() } else { format!("archive add FILE --camera {id} --start TIME") };
                    let choice = if choice.is_empty() { String::new() } else { format!("\nwatching {choice}") };
                    format!("added camera {id} of {agency}{choice}\nnext: sightline {next}")
                });
            }
            Self::Zone { camera, zone } => {
                let id = camera.to_string();
                let cameras = list(&mut service, "", 0).await?.rows;
                let found = cameras.into_iter().find(|c| c.id == id);
                let found = found.ok_or_else(|| {
                    Failure::new("unknown_camera", format!("there is no camera {camera}"))
                        .hint("`sightline camera list` shows them")
                })?;
                let row =
                    v1::CameraRow { id, agency_id: found.agency_id, zone: zone.name().to_owned(), ..v1::CameraRow::default() };
                service.import_cameras(v1::ImportCamerasRequest { cameras: vec![row], dry_run: false }).await?;
                ctx.printer.answer(&serde_json::json!({ "camera": camera.to_string(), "zone": zone.name() }), || {
                    format!("recordings of camera {camera} are named by {}, unless `archive add` is told otherwise", zone.name())
                });
            }
            Self::Source { camera, url, none: _, basic_without_tls, trust } => {
                let given = url.as_deref().unwrap_or_default();
                set_source(&mut client.live(), &camera, given, basic_without_tls, trust, None).await?;
                let watched = url.is_some();
                ctx.printer.answer(&serde_json::json!({ "camera": camera.to_string(), "watched": watched }), || {
                    if watched {
                        format!("watching camera {camera}\nnext: sightline camera status")
                    } else {
                        format!("camera {camera} is watched no more")
                    }
                });
            }
            Self::Status { agency, shown } => {
                let agency_id = agency.map_or_else(String::new, |a| a.to_string());
                let mut live = client.live();
                let cameras = pages::read(shown.limit, async |page_size, page_token| {
                    let request = v1::CameraStatusRequest { agency_id: agency_id.clone(), page_size, page_token };
                    let page = live.camera_status(request).await?.into_inner();
                    Ok((page.cameras, page.next_page_token))
                });
                let cameras: Listed<LiveView> = cameras.await?.into();
                let json = serde_json::json!({ "cameras": cameras.rows, "more": cameras.more });
                ctx.printer.answer(&json, || LiveView::table(&cameras.rows));
                cameras.note(ctx);
            }
            Self::List { agency, shown } => {
                let agency_id = agency.map_or_else(String::new, |a| a.to_string());
                let cameras: Listed<CameraView> = list(&mut service, &agency_id, shown.limit).await?.into();
                let json = serde_json::json!({ "cameras": cameras.rows, "more": cameras.more });
                ctx.printer.answer(&json, || CameraView::table(&cameras.rows));
                cameras.note(ctx);
            }
        }
        Ok(())
    }
}

/// The cameras of an agency, or of all where it is empty.
pub(super) async fn list(service: &mut CameraServiceClient<Channel>, agency_id: &str, limit: u32) -> Outcome<Listed<v1::Camera>> {
    let cameras = pages::read(limit, async |page_size, page_token| {
        let request = v1::ListCamerasRequest { agency_id: agency_id.to_owned(), page_size, page_token };
        let page = service.list_cameras(request).await?.into_inner();
        Ok((page.cameras, page.next_page_token))
    });
    cameras.await
}

/// As given, or from standard input where it is "-".
pub(super) fn address(url: &str) -> Outcome<String> {
    if url != "-" {
        return Ok(url.to_owned());
    }
    let read = std::io::read_to_string(std::io::stdin()).map_err(|e| {
        Failure::new("stdin", format!("could not read the address from standard input: {e}")).hint("end it with Ctrl-D")
    })?;
    Ok(read.trim().to_owned())
}

/// A camera that is asked over TLS may have its stream without.
fn is_tls(url: &str) -> bool {
    url == "-" || url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("rtsps://"))
}

async fn set_source(
    live: &mut LiveServiceClient<Channel>,
    camera: &CameraId,
    url: &str,
    basic_without_tls: bool,
    trust: Option<Pin>,
    device: Option<Device>,
) -> Outcome {
    let (url, trust) = (address(url)?, trust.map(|pin| pin.to_string()).unwrap_or_default());
    let (onvif, onvif_profile) = device::told(device);
    let camera_id = camera.to_string();
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id, url, basic_without_tls, trust, onvif, onvif_profile }).await?;
    Ok(())
}

/// What kind of sensitive place a camera covers. Which of the three is for the owner's own papers: the rule is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sensitive {
    Worship,
    Health,
    Assembly,
    /// None of them
    No,
}

async fn preview(ctx: &Context, service: &mut CameraServiceClient<Channel>, camera: &CameraId, change: Change) -> Outcome {
    let request = v1::PreviewCameraPolicyRequest { change: Some(change) };
    let affected = AffectedView::of(camera.to_string(), service.preview_camera_policy(request).await?.into_inner());
    ctx.printer.answer(&affected, || affected.text());
    Ok(())
}

fn changed(ctx: &Context, camera: Option<v1::Camera>, what: &str) {
    let camera: CameraView = camera.unwrap_or_default().into();
    ctx.printer.answer(&camera, || format!("{}\ncamera {}: {what}", CameraView::table(std::slice::from_ref(&camera)), camera.id));
}
