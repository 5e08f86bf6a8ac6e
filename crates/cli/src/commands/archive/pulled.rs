//! Footage that is pulled from a recorder.

use std::time::Duration;

use clap::Args;
use proto::v1;
use types::{CameraId, CaptureTime, RecorderId};

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    times::parse_time,
};

/// What of a recorder is looked at.
#[derive(Debug, Args)]
pub(super) struct Pulled {
    /// Pull what this recorder holds, in place of files; see `sightline recorder`. It is kept nowhere
    #[arg(long, value_name = "RECORDER", requires_all = ["from", "to"], conflicts_with_all = ["files", "starts", "start_pattern", "from_recorder", "camera_pattern", "zone", "preview", "keep_readable"])]
    recorder: Option<RecorderId>,
    /// From when on, by the recorder's clock
    #[arg(long, value_name = "TIME", requires = "recorder", value_parser = parse_time)]
    from: Option<CaptureTime>,
    /// Until when
    #[arg(long, value_name = "TIME", requires = "recorder", value_parser = parse_time)]
    to: Option<CaptureTime>,
}

pub(super) struct Wanted {
    recorder: RecorderId,
    from: CaptureTime,
    to: CaptureTime,
}

impl Pulled {
    pub(super) fn wanted(&self) -> Option<Wanted> {
        Some(Wanted { recorder: self.recorder.clone()?, from: self.from?, to: self.to? })
    }
}

impl Wanted {
    pub(super) async fn add(
        &self,
        ctx: &Context,
        camera: Option<&CameraId>,
        uncertainty: Option<Duration>,
        settings: v1::FootageSettings,
    ) -> Outcome<Vec<v1::AddedRecording>> {
        if self.from >= self.to {
            return Err(Failure::usage("--to is not after --from").hint("give both by the recorder's clock"));
        }
        let mut service = ctx.connect(Caller::Operator).await?.recorders();
        let request = v1::AddRecordingsRequest {
            recorder_id: self.recorder.to_string(),
            camera_id: camera.map(ToString::to_string).unwrap_or_default(),
            from: Some(proto::timestamp(self.from)),
            to: Some(proto::timestamp(self.to)),
            uncertainty: uncertainty.map(proto::duration),
            settings: Some(settings),
        };
        Ok(service.add_recordings(request).await?.into_inner().added)
    }
}
