use std::time::Duration;

use clap::Subcommand;
use proto::v1::{self, live_service_client::LiveServiceClient};
use tonic::transport::Channel;
use types::{AgencyId, CameraId};

use super::case::Purpose;
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    times::{BadArgument, parse_duration},
    view::{CameraView, LiveView},
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
        /// Where its live stream is, as for `sightline camera source`
        #[arg(long, value_name = "URL")]
        source: Option<String>,
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
    },
    /// Show what the live cameras are doing
    Status {
        /// Only those of this agency
        #[arg(long)]
        agency: Option<AgencyId>,
    },
    /// List the cameras
    List {
        /// Only those of this agency
        #[arg(long)]
        agency: Option<AgencyId>,
    },
}

impl Camera {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let client = ctx.connect(Caller::Operator).await?;
        let mut service = client.cameras();
        match self {
            Self::Add { id, agency, title, purposes, sensitive, retention, hours, source } => {
                let policy = v1::CameraPolicy {
                    purposes: purposes.into_iter().map(|p| v1::Purpose::from(p).into()).collect(),
                    sensitive,
                    retention: retention.map(proto::duration),
                    hours,
                    ..v1::CameraPolicy::default()
                };
                let title = title.unwrap_or_else(|| id.to_string());
                let request =
                    v1::AddCameraRequest { id: id.to_string(), agency_id: agency.to_string(), title, policy: Some(policy) };
                let camera: CameraView = service.add_camera(request).await?.into_inner().camera.unwrap_or_default().into();
                let live = source.is_some();
                if let Some(url) = source {
                    set_source(&mut client.live(), &id, &url).await?;
                }
                ctx.printer.answer(&camera, || {
                    let next =
                        if live { "camera status".to_owned() } else { format!("archive add FILE --camera {id} --start TIME") };
                    format!("added camera {id} of {agency}\nnext: sightline {next}")
                });
            }
            Self::Source { camera, url, none: _ } => {
                set_source(&mut client.live(), &camera, url.as_deref().unwrap_or_default()).await?;
                let watched = url.is_some();
                ctx.printer.answer(&serde_json::json!({ "camera": camera.to_string(), "watched": watched }), || {
                    if watched {
                        format!("watching camera {camera}\nnext: sightline camera status")
                    } else {
                        format!("camera {camera} is watched no more")
                    }
                });
            }
            Self::Status { agency } => {
                let agency_id = agency.map_or_else(String::new, |a| a.to_string());
                let cameras = client.live().camera_status(v1::CameraStatusRequest { agency_id }).await?.into_inner().cameras;
                let cameras: Vec<LiveView> = cameras.into_iter().map(Into::into).collect();
                ctx.printer.answer(&serde_json::json!({ "cameras": cameras }), || LiveView::table(&cameras));
            }
            Self::List { agency } => {
                let agency_id = agency.map_or_else(String::new, |a| a.to_string());
                let cameras = service.list_cameras(v1::ListCamerasRequest { agency_id }).await?.into_inner().cameras;
                let cameras: Vec<CameraView> = cameras.into_iter().map(Into::into).collect();
                ctx.printer.answer(&serde_json::json!({ "cameras": cameras }), || CameraView::table(&cameras));
            }
        }
        Ok(())
    }
}

async fn set_source(live: &mut LiveServiceClient<Channel>, camera: &CameraId, url: &str) -> Outcome {
    let url = if url == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(|e| {
            Failure::new("stdin", format!("could not read the address from standard input: {e}")).hint("end it with Ctrl-D")
        })?
    } else {
        url.to_owned()
    };
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id: camera.to_string(), url }).await?;
    Ok(())
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
    fn hours_are_in_the_day_and_never_empty() {
        assert_eq!(parse_hours("22:00-06:30"), Ok(v1::Hours { from_minute: 1320, to_minute: 390 }));
        assert_eq!(parse_hours("00:00-24:00"), Ok(v1::Hours { from_minute: 0, to_minute: 1440 }));
        for bad in ["", "6-22", "06:00", "06:00-06:00", "25:00-26:00", "06:61-07:00", "99999999999:00-1:00"] {
            assert!(parse_hours(bad).is_err(), "{bad:?}");
        }
    }
}
