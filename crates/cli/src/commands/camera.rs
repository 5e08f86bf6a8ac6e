use std::time::Duration;

use clap::Subcommand;
use proto::v1;
use types::{AgencyId, CameraId};

use super::case::Purpose;
use crate::{
    context::{Caller, Context},
    failure::Outcome,
    times::parse_duration,
    view::CameraView,
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
        let mut service = ctx.connect(Caller::Operator).await?.cameras();
        match self {
            Self::Add { id, agency, title, purposes, sensitive, retention } => {
                let policy = v1::CameraPolicy {
                    purposes: purposes.into_iter().map(|p| v1::Purpose::from(p).into()).collect(),
                    paused: false,
                    sensitive,
                    retention: retention.map(proto::duration),
                };
                let title = title.unwrap_or_else(|| id.to_string());
                let request =
                    v1::AddCameraRequest { id: id.to_string(), agency_id: agency.to_string(), title, policy: Some(policy) };
                let camera: CameraView = service.add_camera(request).await?.into_inner().camera.unwrap_or_default().into();
                ctx.printer.answer(&camera, || {
                    format!("added camera {id} of {agency}\nnext: sightline archive add FILE --camera {id} --start TIME")
                });
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
