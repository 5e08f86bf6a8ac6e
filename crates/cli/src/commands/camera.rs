use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use proto::v1::{self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient};
use tonic::transport::Channel;
use types::{AgencyId, CameraId};

use super::purpose::Purpose;
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    pages::{self, Listed, Shown},
    times::{BadArgument, parse_duration},
    view::{AccessView, CameraView, LiveView},
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
    },
    /// From now on nobody searches it, searches under way included
    Pause { camera: CameraId },
    /// It may be searched again
    Resume { camera: CameraId },
    /// From now on nobody searches it any more; there is no way back
    Revoke { camera: CameraId },
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

impl Camera {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let usual = match self {
            Self::Policy { .. } | Self::Pause { .. } | Self::Resume { .. } | Self::Revoke { .. } | Self::Accesses { .. } => {
                Caller::CameraOwner
            }
            _ => Caller::Operator,
        };
        let client = ctx.connect(usual).await?;
        let mut service = client.cameras();
        match self {
            Self::Policy { camera, purposes, hours, all_hours, retention, sensitive } => {
                let purposes: Vec<i32> = purposes.into_iter().map(|p| v1::Purpose::from(p).into()).collect();
                let request = v1::SetCameraPolicyRequest {
                    camera_id: camera.to_string(),
                    purposes: (!purposes.is_empty()).then_some(v1::PurposeList { purposes }),
                    hours,
                    all_hours,
                    retention: retention.map(proto::duration),
                    sensitive: sensitive.map(|s| s != Sensitive::No),
                };
                changed(ctx, service.set_camera_policy(request).await?.into_inner().camera, "holds from now on");
            }
            Self::Pause { camera } => {
                let request = v1::PauseCameraRequest { camera_id: camera.to_string() };
                changed(ctx, service.pause_camera(request).await?.into_inner().camera, "nobody searches it for now");
            }
            Self::Resume { camera } => {
                let request = v1::ResumeCameraRequest { camera_id: camera.to_string() };
                changed(ctx, service.resume_camera(request).await?.into_inner().camera, "it may be searched again");
            }
            Self::Revoke { camera } => {
                let request = v1::RevokeCameraRequest { camera_id: camera.to_string() };
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
            Self::Add { id, agency, title, purposes, sensitive, retention, hours, position, source, basic_without_tls } => {
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
                };
                let camera: CameraView = service.add_camera(request).await?.into_inner().camera.unwrap_or_default().into();
                let live = source.is_some();
                if let Some(url) = source {
                    set_source(&mut client.live(), &id, &url, basic_without_tls).await?;
                }
                ctx.printer.answer(&camera, || {
                    let next =
                        if live { "camera status".to_owned() } else { format!("archive add FILE --camera {id} --start TIME") };
                    format!("added camera {id} of {agency}\nnext: sightline {next}")
                });
            }
            Self::Source { camera, url, none: _, basic_without_tls } => {
                set_source(&mut client.live(), &camera, url.as_deref().unwrap_or_default(), basic_without_tls).await?;
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

async fn set_source(live: &mut LiveServiceClient<Channel>, camera: &CameraId, url: &str, basic_without_tls: bool) -> Outcome {
    let url = address(url)?;
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id: camera.to_string(), url, basic_without_tls }).await?;
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

fn changed(ctx: &Context, camera: Option<v1::Camera>, what: &str) {
    let camera: CameraView = camera.unwrap_or_default().into();
    ctx.printer.answer(&camera, || format!("{}\ncamera {}: {what}", CameraView::table(std::slice::from_ref(&camera)), camera.id));
}

pub(crate) fn parse_place(text: &str) -> Result<v1::Place, BadArgument> {
    let place = text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    let there = |(latitude, longitude): &(f64, f64)| access::Place::new(*latitude, *longitude).is_some();
    place.filter(there).map(|(latitude, longitude)| v1::Place { latitude, longitude }).ok_or_else(|| BadArgument {
        message: "that is no point on the ground".into(),
        hint: "write latitude and longitude in degrees, like 51.5007,-0.1246".into(),
    })
}

/// Over midnight where the first is the later one.
fn parse_hours(text: &str) -> Result<v1::Hours, BadArgument> {
    let minutes = |text: &str| {
        let (h, m) = text.trim().split_once(':')?;
        let (h, m) = (h.parse::<u32>().ok()?, m.parse::<u32>().ok()?);
        (h * 60 + m <= 1440 && h <= 24 && m < 60).then_some(h * 60 + m)
    };
    let ends = text.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
    ends.filter(|(from, to)| from != to).map(|(from_minute, to_minute)| v1::Hours { from_minute, to_minute }).ok_or_else(|| {
        BadArgument {
            message: "those are not hours of the day".into(),
            hint: "write them like 06:00-22:00, or over midnight 22:00-06:00, in UTC".into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_two_numbers_on_the_globe() {
        assert_eq!(parse_place("51.5, -0.125"), Ok(v1::Place { latitude: 51.5, longitude: -0.125 }));
        for bad in ["", "51.5", "91,0", "0,181", "a,b", "nan,0"] {
            assert!(parse_place(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hours_are_in_the_day_and_never_empty() {
        assert_eq!(parse_hours("22:00-06:30"), Ok(v1::Hours { from_minute: 1320, to_minute: 390 }));
        assert_eq!(parse_hours("00:00-24:00"), Ok(v1::Hours { from_minute: 0, to_minute: 1440 }));
        for bad in ["", "6-22", "06:00", "06:00-06:00", "25:00-26:00", "06:61-07:00", "99999999999:00-1:00"] {
            assert!(parse_hours(bad).is_err(), "{bad:?}");
        }
    }
}
