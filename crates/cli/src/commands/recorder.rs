//! Recorders: kept by the server, asked by it, and never changed.

use clap::{Args, Subcommand};
use media::Pin;
use onvif::DeviceHost;
use proto::v1;
use serde_json::{Value, json};
use types::{AgencyId, CameraId, CaptureTime, RecorderId};

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::{plain, table},
    times::{self, parse_time},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Recorder {
    /// Add a recorder: the server asks it what it is, and keeps its password to itself
    Add(Add),
    /// List the recorders, and which recording is of which camera
    List,
    /// Ask a recorder what it holds, and where the gaps are
    Recordings {
        recorder: RecorderId,
        /// Show the gaps from when on, by the recorder's clock
        #[arg(long, value_name = "TIME", requires = "to", value_parser = parse_time)]
        from: Option<CaptureTime>,
        /// Until when
        #[arg(long, value_name = "TIME", requires = "from", value_parser = parse_time)]
        to: Option<CaptureTime>,
    },
    /// Say which camera a recording is of
    Map {
        recorder: RecorderId,
        /// As `recorder recordings` lists it
        recording: String,
        #[arg(required_unless_present = "none")]
        camera: Option<CameraId>,
        /// Of no camera from now on
        #[arg(long, conflicts_with = "camera")]
        none: bool,
    },
    /// Forget a recorder and its password; what was pulled from it stays
    Remove { recorder: RecorderId },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// A short name: 1 to 63 of a-z, 0-9, '-' and '_'
    id: RecorderId,
    /// Whose it is
    #[arg(long)]
    agency: AgencyId,
    /// What people call it [default: the id]
    #[arg(long)]
    title: Option<String>,
    /// Where it is asked: 192.0.2.7, 192.0.2.7:8000 or `https://recorder.example`
    #[arg(long, value_name = "HOST")]
    onvif: DeviceHost,
    /// A user of the recorder's, best one of its own for this, with the right to search and play
    #[arg(long)]
    user: Option<String>,
    /// Read the user's password from the first line of standard input, where no process list shows it
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// The TLS certificate that it has, by its SHA-256
    #[arg(long, value_name = "SHA256")]
    trust: Option<Pin>,
    /// Recordings that are played at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    sessions: u32,
    /// Millions of bits a second that are asked of it, all recordings together; 0: as many as come
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    megabits: u32,
}

impl Recorder {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let add = match &self {
            // Its password is read before anybody is called.
            Self::Add(add) => Some(add.request()?),
            _ => None,
        };
        let printer = ctx.printer;
        let mut service = ctx.connect(Caller::Operator).await?.recorders();
        if let Some(request) = add {
            let answer = service.add_recorder(request).await?.into_inner();
            let recorder = answer.recorder.unwrap_or_default();
            let info = answer.info.unwrap_or_default();
            let told = json!({ "recorder": of(&recorder), "device": device(&info), "recordings": answer.recordings });
            printer.answer(&told, || {
                let id = &recorder.id;
                let count = crate::output::count(answer.recordings.into(), "recording");
                format!("{}added recorder {id} with {count}\nnext: sightline recorder recordings {id}", about(&info))
            });
            return Ok(());
        }
        match self {
            Self::Add(_) => {}
            Self::List => {
                let recorders = service.list_recorders(v1::ListRecordersRequest {}).await?.into_inner().recorders;
                let all: Vec<Value> = recorders.iter().map(of).collect();
                printer.answer(&json!({ "recorders": all }), || list(&recorders));
            }
            Self::Recordings { recorder, from, to } => {
                let request = v1::ListRecordingsRequest {
                    recorder_id: recorder.to_string(),
                    gaps_from: from.map(proto::timestamp),
                    gaps_to: to.map(proto::timestamp),
                };
                let answer = service.list_recordings(request).await?.into_inner();
                let info = answer.info.clone().unwrap_or_default();
                let all: Vec<Value> = answer.recordings.iter().map(recording).collect();
                let told =
                    json!({ "recorder": recorder.as_str(), "device": device(&info), "recordings": all, "more": answer.more });
                printer.answer(&told, || format!("{}{}", about(&info), recordings(&recorder, &answer, from.is_some())));
            }
            Self::Map { recorder, recording, camera, none: _ } => {
                let request = v1::MapRecordingRequest {
                    recorder_id: recorder.to_string(),
                    recording: recording.clone(),
                    camera_id: camera.as_ref().map(ToString::to_string).unwrap_or_default(),
                };
                let mapped = service.map_recording(request).await?.into_inner().recorder.unwrap_or_default();
                printer.answer(&of(&mapped), || match camera {
                    Some(camera) => format!(
                        "recording {recording} of {recorder} is of camera {camera}\nnext: sightline archive add --recorder {recorder} --camera {camera} --from TIME --to TIME"
                    ),
                    None => format!("recording {recording} of {recorder} is of no camera"),
                });
            }
            Self::Remove { recorder } => {
                service.remove_recorder(v1::RemoveRecorderRequest { recorder_id: recorder.to_string() }).await?;
                printer.answer(&json!({ "removed": recorder.as_str() }), || {
                    format!("removed recorder {recorder}; what was pulled from it stays")
                });
            }
        }
        Ok(())
    }
}

impl Add {
    fn request(&self) -> Outcome<v1::AddRecorderRequest> {
        let mut password = String::new();
        if self.user.is_some() {
            if !self.password_stdin {
                return Err(
                    Failure::usage("a user without a password").hint("give --password-stdin and its password on standard input")
                );
            }
            std::io::stdin().read_line(&mut password).map_err(|e| {
                Failure::because("stdin", "read the password from standard input", &e).hint("give it there on one line")
            })?;
        }
        Ok(v1::AddRecorderRequest {
            id: self.id.to_string(),
            agency_id: self.agency.to_string(),
            title: self.title.clone().unwrap_or_else(|| self.id.to_string()),
            host: self.onvif.to_string(),
            user: self.user.clone().unwrap_or_default(),
            password: password.trim_end_matches(['\r', '\n']).to_owned(),
            trust: self.trust.map(|pin| pin.to_string()).unwrap_or_default(),
            sessions: self.sessions,
            megabits: Some(self.megabits),
        })
    }
}

fn of(recorder: &v1::Recorder) -> Value {
    let maps: Vec<_> = recorder.maps.iter().map(|m| json!({ "recording": m.recording, "camera": m.camera_id })).collect();
    json!({
        "id": recorder.id, "agency": recorder.agency_id, "title": recorder.title, "host": recorder.host, "sessions": recorder.sessions,
        "megabits": recorder.megabits, "created": times::json(recorder.created), "maps": maps,
    })
}

fn device(info: &v1::RecorderInfo) -> Value {
    json!({
        "manufacturer": info.manufacturer, "model": info.model, "firmware": info.firmware,
        "clock": info.clock_ahead_seconds.map(|ahead| json!({ "ahead_s": ahead, "uncertainty_s": info.clock_uncertainty_seconds })),
    })
}

fn recording(recording: &v1::Recording) -> Value {
    let gaps: Vec<_> =
        recording.gaps.iter().map(|gap| json!({ "from": times::json(gap.from), "to": times::json(gap.to) })).collect();
    json!({
        "recording": recording.token, "title": recording.title, "from": times::json(recording.from), "to": times::json(recording.to),
        "camera": Some(&recording.camera_id).filter(|id| !id.is_empty()), "video": recording.video,
        "gaps": recording.gaps_told.then_some(gaps),
    })
}

/// What it is, and what of its clock is worth a word.
fn about(info: &v1::RecorderInfo) -> String {
    let mut text = String::new();
    if !info.manufacturer.is_empty() || !info.model.is_empty() {
        text = format!("{} {}, firmware {}\n", plain(&info.manufacturer), plain(&info.model), plain(&info.firmware));
    }
    match info.clock_ahead_seconds {
        None => text.push_str("clock: not known; it tells it nobody\n"),
        Some(ahead) => {
            let word = if ahead < 0.0 { "behind" } else { "ahead" };
            let by = info.clock_uncertainty_seconds;
            text.push_str(&format!("clock: {:.1} s {word} (within {by:.1} s)\n", ahead.abs()));
            if ahead.abs() > by + 1.0 {
                text.push_str("  wrong: set NTP in the recorder; what it holds has the times of its own clock\n");
            }
        }
    }
    text
}

fn list(recorders: &[v1::Recorder]) -> String {
    if recorders.is_empty() {
        return "no recorder yet; add one: sightline recorder add ID --agency AGENCY --onvif HOST --user USER --password-stdin"
            .into();
    }
    let row = |r: &v1::Recorder| {
        let maps = r.maps.iter().map(|m| format!("{}={}", plain(&m.recording), m.camera_id)).collect::<Vec<_>>().join(", ");
        let rate = if r.megabits == 0 { "no limit".to_owned() } else { format!("{} Mbit/s", r.megabits) };
        [r.id.clone(), r.agency_id.clone(), plain(&r.title), r.host.clone(), r.sessions.to_string(), rate, maps]
    };
    table(
        ["RECORDER", "AGENCY", "TITLE", "HOST", "SESSIONS", "AT MOST", "CAMERAS"],
        &recorders.iter().map(row).collect::<Vec<_>>(),
    )
}

fn recordings(recorder: &RecorderId, answer: &v1::ListRecordingsResponse, with_gaps: bool) -> String {
    if answer.recordings.is_empty() {
        return "it holds no recording that this user may see".into();
    }
    let row = |r: &v1::Recording| {
        let time = |at| times::json(at).unwrap_or_else(|| "?".to_owned());
        let title = if r.video { plain(&r.title) } else { format!("{} (no pictures)", plain(&r.title)) };
        [plain(&r.token), title, time(r.from), time(r.to), r.camera_id.clone()]
    };
    let mut text = table(["RECORDING", "OF", "FROM", "TO", "CAMERA"], &answer.recordings.iter().map(row).collect::<Vec<_>>());
    for r in answer.recordings.iter().filter(|_| with_gaps) {
        let gaps = match (r.gaps_told, r.gaps.is_empty()) {
            (false, _) => "it does not tell its gaps; a job that pulls it says where they are".to_owned(),
            (true, true) => "no gaps".to_owned(),
            (true, false) => {
                let gap = |g: &v1::TimeWindow| {
                    format!("\n  {} to {}", times::json(g.from).unwrap_or_default(), times::json(g.to).unwrap_or_default())
                };
                format!("nothing recorded{}", r.gaps.iter().map(gap).collect::<String>())
            }
        };
        text.push_str(&format!("\n{}: {gaps}", plain(&r.token)));
    }
    if answer.more {
        text.push_str("\nthere are more than these");
    }
    if answer.recordings.iter().any(|r| r.camera_id.is_empty()) {
        text.push_str(&format!("\nnext: sightline recorder map {recorder} RECORDING CAMERA"));
    }
    text
}
