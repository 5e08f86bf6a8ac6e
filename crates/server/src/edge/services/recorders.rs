//! Recorders: an agency's, asked by the server, and pulled by its jobs.

use std::time::Duration;

use access::{Action, AuditDetail, Caller, Matter, Permission};
use catalogue::{Job, JobState, NewJob, NewRecorder, Recorder};
use proto::v1::{self, recorder_service_server::RecorderService};
use tonic::{Request, Response, Status};
use types::{AgencyId, CameraId, CaptureTime, RecorderId, TimeWindow};

use super::{Api, convert::moment, live::trust, own::not_yours};
use crate::{
    edge::{identity::caller, status::Fault},
    jobs::JobSettings,
    record::log::sealed,
    recorders::{Recording, secrets::Shown},
};

/// What may be asked of a recorder in a second unless somebody says how much: a fraction of what one sends to its own screens.
const MEGABITS: u32 = 32;
const MOST_MEGABITS: u32 = 10_000;
const MOST_SESSIONS: u32 = 64;
/// A job's parts are in memory, and a person is told of the day that failed.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// However right its clock is now, nobody knows how right it was then.
const LEAST_UNCERTAINTY: Duration = Duration::from_secs(1);

#[tonic::async_trait]
impl RecorderService for Api {
    async fn add_recorder(&self, request: Request<v1::AddRecorderRequest>) -> Result<Response<v1::AddRecorderResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail { agency: AgencyId::new(&request.agency_id).ok(), ..AuditDetail::default() }
            .seal(sealed(Matter::Title, format!("{}: {}", request.id, request.title)));
        let (recorder, told) = self
            .0
            .recorded(&caller, Action::AddRecorder, None, detail, async |permission| {
                let (new, shown) = wanted(&request)?;
                if permission == Permission::Own && !caller.is_of(&new.agency) {
                    return Err(not_yours(&new.agency).into());
                }
                if self.0.catalogue().recorder(&new.id).await.is_ok() {
                    return Err(catalogue::CatalogueError::Exists { kind: "recorder", id: new.id.to_string() }.into());
                }
                let told = self.0.recorders.look(&new.host, &shown).await?;
                // The password first: a recorder that is known can be asked.
                self.0.recorders.secrets().keep(&new.id, Some(&shown)).map_err(crate::recorders::RecorderError::from)?;
                match self.0.catalogue().add_recorder(&new).await {
                    Ok(recorder) => Ok((recorder, told)),
                    Err(error) => {
                        // Of one that was added meanwhile it is that one's.
                        if self.0.catalogue().recorder(&new.id).await.is_err() {
                            self.0.recorders.secrets().keep(&new.id, None).map_err(crate::recorders::RecorderError::from)?;
                        }
                        Err(error.into())
                    }
                }
            })
            .await?;
        let recordings = u32::try_from(told.recordings.len()).unwrap_or(u32::MAX);
        let message = v1::AddRecorderResponse { recorder: Some(message(&recorder)), info: Some(info(&told)), recordings };
        Ok(Response::new(message))
    }

    async fn list_recorders(
        &self,
        request: Request<v1::ListRecordersRequest>,
    ) -> Result<Response<v1::ListRecordersResponse>, Status> {
        let caller = caller(&request)?;
        let recorders = self
            .0
            .recorded(&caller, Action::ListRecorders, None, AuditDetail::default(), async |permission| {
                let mut all = Vec::new();
                for recorder in self.0.catalogue().recorders().await? {
                    if permission == Permission::Yes || caller.is_of(&recorder.spec.agency) {
                        all.push(self.with_maps(&recorder).await?);
                    }
                }
                Ok(all)
            })
            .await?;
        Ok(Response::new(v1::ListRecordersResponse { recorders }))
    }

    async fn list_recordings(
        &self,
        request: Request<v1::ListRecordingsRequest>,
    ) -> Result<Response<v1::ListRecordingsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let answer = self
            .0
            .recorded(&caller, Action::ListRecordings, None, AuditDetail::default(), async |permission| {
                let recorder = self.own_recorder(&caller, permission, &request.recorder_id).await?;
                let window = match (request.gaps_from, request.gaps_to) {
                    (None, None) => None,
                    (from, to) => Some(window(from, to)?),
                };
                self.recordings(&recorder, window).await
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn map_recording(
        &self,
        request: Request<v1::MapRecordingRequest>,
    ) -> Result<Response<v1::MapRecordingResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail { cameras: CameraId::new(&request.camera_id).into_iter().collect(), ..AuditDetail::default() };
        let recorder = self
            .0
            .recorded(&caller, Action::MapRecording, None, detail, async |permission| {
                let recorder = self.own_recorder(&caller, permission, &request.recorder_id).await?;
                if request.recording.is_empty() || request.recording.chars().any(char::is_control) {
                    let hint = "`sightline recorder recordings` lists them";
                    return Err(Fault::invalid("recording", "no recording is named", hint));
                }
                let camera = match request.camera_id.as_str() {
                    "" => None,
                    id => Some(self.0.catalogue().camera(&CameraId::new(id).map_err(proto::BadMessage::from)?).await?),
                };
                if let Some(camera) = camera.as_ref().filter(|camera| camera.agency != recorder.spec.agency) {
                    let message = format!("the camera {} is of the agency {}, the recorder of another", camera.id, camera.agency);
                    return Err(Fault::invalid("agency", message, "name a camera of the recorder's agency"));
                }
                let id = &recorder.spec.id;
                self.0.catalogue().map_recording(id, &request.recording, camera.as_ref().map(|camera| &camera.id)).await?;
                self.with_maps(&recorder).await
            })
            .await?;
        Ok(Response::new(v1::MapRecordingResponse { recorder: Some(recorder) }))
    }

    async fn remove_recorder(
        &self,
        request: Request<v1::RemoveRecorderRequest>,
    ) -> Result<Response<v1::RemoveRecorderResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        self.0
            .recorded(&caller, Action::RemoveRecorder, None, AuditDetail::default(), async |permission| {
                let recorder = self.own_recorder(&caller, permission, &request.recorder_id).await?.spec;
                let any = Recording { recorder: recorder.id.clone(), token: String::new() };
                if self.0.catalogue().has_jobs_under(&any.path()).await? {
                    return Err(Fault::Caller {
                        code: tonic::Code::FailedPrecondition,
                        reason: "recorder_in_use",
                        message: format!("jobs pull from the recorder {}", recorder.id),
                        hint: "wait until they have ended, or cancel them: `sightline archive list`",
                    });
                }
                self.0.catalogue().remove_recorder(&recorder.id).await?;
                self.0.recorders.secrets().keep(&recorder.id, None).map_err(crate::recorders::RecorderError::from)?;
                Ok(())
            })
            .await?;
        Ok(Response::new(v1::RemoveRecorderResponse {}))
    }

    async fn add_recordings(
        &self,
        request: Request<v1::AddRecordingsRequest>,
    ) -> Result<Response<v1::AddRecordingsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail {
            cameras: CameraId::new(&request.camera_id).into_iter().collect(),
            window: window(request.from, request.to).ok(),
            ..AuditDetail::default()
        }
        .seal(sealed(Matter::Path, &request.recorder_id));
        let added = self
            .0
            .recorded(&caller, Action::AddRecordings, None, detail, async |permission| {
                self.add(&caller, permission, &request).await
            })
            .await?;
        let message = |(job, existed): (Job, bool)| v1::AddedRecording { job: Some(self.job_message(&job)), existed };
        Ok(Response::new(v1::AddRecordingsResponse { added: added.into_iter().map(message).collect() }))
    }
}

impl Api {
    /// A recorder that the caller may use.
    async fn own_recorder(&self, caller: &Caller, permission: Permission, id: &str) -> Result<Recorder, Fault> {
        let id = RecorderId::new(id).map_err(proto::BadMessage::from)?;
        let recorder = self.0.catalogue().recorder(&id).await?;
        if permission == Permission::Own && !caller.is_of(&recorder.spec.agency) {
            return Err(not_yours(&recorder.spec.agency).into());
        }
        Ok(recorder)
    }

    async fn with_maps(&self, recorder: &Recorder) -> Result<v1::Recorder, Fault> {
        let maps = self.0.catalogue().mapped_recordings(&recorder.spec.id).await?;
        let map = |m: catalogue::RecorderMap| v1::RecordingMap { recording: m.recording, camera_id: m.camera.to_string() };
        Ok(v1::Recorder { maps: maps.into_iter().map(map).collect(), ..message(recorder) })
    }

    async fn recordings(&self, recorder: &Recorder, gaps: Option<TimeWindow>) -> Result<v1::ListRecordingsResponse, Fault> {
        let id = &recorder.spec.id;
        let told = self.0.recorders.holds(id).await?;
        let maps = self.0.catalogue().mapped_recordings(id).await?;
        let mut recordings = Vec::new();
        for held in &told.recordings {
            let gaps = match gaps {
                Some(window) => self.0.recorders.gaps(id, &held.token, window).await?,
                None => None,
            };
            let camera = maps.iter().find(|map| map.recording == held.token);
            let at = |time: chrono::DateTime<chrono::Utc>| CaptureTime::from_micros(time.timestamp_micros()).ok();
            recordings.push(v1::Recording {
                token: held.token.clone(),
                title: held.title.clone(),
                from: held.from.and_then(at).map(proto::timestamp),
                to: held.to.and_then(at).map(proto::timestamp),
                camera_id: camera.map(|map| map.camera.to_string()).unwrap_or_default(),
                video: held.video.is_some(),
                gaps_told: gaps.is_some(),
                gaps: gaps.into_iter().flatten().map(Into::into).collect(),
            });
        }
        Ok(v1::ListRecordingsResponse { info: Some(info(&told)), recordings, more: told.more })
    }

    async fn add(
        &self,
        caller: &Caller,
        permission: Permission,
        request: &v1::AddRecordingsRequest,
    ) -> Result<Vec<(Job, bool)>, Fault> {
        let recorder = self.own_recorder(caller, permission, &request.recorder_id).await?.spec;
        let window = window(request.from, request.to)?;
        if window.to().as_micros() > self.0.now().as_micros() {
            return Err(Fault::invalid("to", "what was not recorded yet can't be pulled", "give --to a time that has passed"));
        }
        if window.duration() > LONGEST {
            let message = format!("a job pulls {} days at most", LONGEST.as_secs() / 86_400);
            return Err(Fault::invalid("window", message, "add it in pieces, one after the other"));
        }
        let camera = match request.camera_id.as_str() {
            "" => None,
            id => Some(CameraId::new(id).map_err(proto::BadMessage::from)?),
        };
        let mut maps = self.0.catalogue().mapped_recordings(&recorder.id).await?;
        maps.retain(|map| camera.as_ref().is_none_or(|camera| *camera == map.camera));
        if maps.is_empty() {
            let message = match camera {
                Some(camera) => format!("no recording of {} is mapped to the camera {camera}", recorder.id),
                None => format!("no recording of {} is mapped to a camera", recorder.id),
            };
            return Err(Fault::invalid("no_map", message, "say which is whose: `sightline recorder map`"));
        }
        let told = request.uncertainty.is_some();
        let mut settings = self.settings_of(request.settings, request.uncertainty)?;
        settings.length_us = Some(u64::try_from(window.duration().as_micros()).unwrap_or(u64::MAX));
        settings.keep_readable = false;
        settings.segment_s = self.0.config.segment_seconds;
        let (mut added, mut asked) = (Vec::new(), None);
        for map in maps {
            let recording = Recording { recorder: recorder.id.clone(), token: map.recording };
            let footage = recording.digest(window);
            // How far its clock is off now is another answer each time, and no reason to look at it again.
            let there = self.0.catalogue().jobs_of(&map.camera, &footage).await?;
            let same = there.into_iter().find(|job| {
                let of = JobSettings::from_text(&job.spec.settings);
                let kept = !matches!(job.state, JobState::Failed(_) | JobState::Cancelled);
                kept && of.is_some_and(|of| if told { of == settings } else { of.sees_the_same(settings) })
            });
            if let Some(job) = same {
                added.push((job, true));
                continue;
            }
            if asked.is_none() {
                asked = Some(self.0.recorders.holds(&recorder.id).await?);
            }
            let Some(holds) = &asked else { continue };
            let Some(held) = holds.recordings.iter().find(|held| held.token == recording.token) else {
                let message = format!("the recorder {} has no recording {:?} any more", recorder.id, recording.token);
                return Err(Fault::missing("no_recording", message, "see what it has: `sightline recorder recordings`"));
            };
            let micros = |at: chrono::DateTime<chrono::Utc>| at.timestamp_micros();
            let before = held.to.is_some_and(|last| micros(last) <= window.from().as_micros());
            let after = held.from.is_some_and(|first| micros(first) >= window.to().as_micros());
            if before || after {
                let shown = |at: Option<chrono::DateTime<chrono::Utc>>| {
                    at.and_then(|at| CaptureTime::from_micros(micros(at)).ok())
                        .map_or_else(|| "?".to_owned(), |at| at.to_string())
                };
                let message =
                    format!("the recording {:?} holds {} to {}, nothing then", held.token, shown(held.from), shown(held.to));
                return Err(Fault::invalid("nothing_recorded", message, "give times that it holds, by the recorder's clock"));
            }
            let mut settings = settings;
            if !told {
                settings.start_uncertainty_us = uncertainty(holds);
            }
            let new = NewJob {
                camera: map.camera,
                footage,
                path: recording.path(),
                start: window.from(),
                settings: settings.to_text(),
            };
            added.push(self.0.jobs.add(&new).await?);
        }
        Ok(added)
    }
}

/// What its clock is off now, as far as that is known; more of it is known of no time before.
fn uncertainty(recorder: &onvif::Recorder) -> u64 {
    let off = recorder.clock.map(|clock| (clock.ahead.abs() + clock.uncertainty).num_microseconds().unwrap_or(i64::MAX));
    let least = u64::try_from(LEAST_UNCERTAINTY.as_micros()).unwrap_or(u64::MAX);
    off.map_or(least, |off| off.unsigned_abs().max(least))
}

fn window(from: Option<prost_types::Timestamp>, to: Option<prost_types::Timestamp>) -> Result<TimeWindow, Fault> {
    Ok(proto::window(Some(v1::TimeWindow { from, to }))?)
}

fn wanted(request: &v1::AddRecorderRequest) -> Result<(NewRecorder, Shown), Fault> {
    let id = RecorderId::new(&request.id).map_err(proto::BadMessage::from)?;
    let agency = AgencyId::new(&request.agency_id).map_err(proto::BadMessage::from)?;
    let title = if request.title.trim().is_empty() { id.to_string() } else { request.title.clone() };
    let sessions = if request.sessions == 0 { 1 } else { request.sessions };
    let megabits = request.megabits.unwrap_or(MEGABITS);
    if sessions > MOST_SESSIONS || megabits > MOST_MEGABITS {
        let message =
            format!("a recorder plays 1 to {MOST_SESSIONS} recordings at once, with at most {MOST_MEGABITS} megabits a second");
        return Err(Fault::invalid("limits", message, "ask for less; 0 megabits means as many as come"));
    }
    let shown = Shown { user: request.user.clone(), secret: request.password.clone(), trust: trust(&request.trust)? };
    if !shown.can_be_kept() {
        return Err(Fault::invalid(
            "password",
            "the user or the password has a line's end or another control character",
            "check both",
        ));
    }
    let host: onvif::DeviceHost = request.host.parse().map_err(crate::recorders::RecorderError::from)?;
    let bits_per_second = (megabits > 0).then_some(u64::from(megabits) * 1_000_000);
    Ok((NewRecorder { id, agency, title, host: host.to_string(), sessions, bits_per_second }, shown))
}

fn message(recorder: &Recorder) -> v1::Recorder {
    let NewRecorder { id, agency, title, host, sessions, bits_per_second } = &recorder.spec;
    v1::Recorder {
        id: id.to_string(),
        agency_id: agency.to_string(),
        title: title.clone(),
        host: host.clone(),
        sessions: *sessions,
        megabits: bits_per_second.map_or(0, |bits| u32::try_from(bits / 1_000_000).unwrap_or(u32::MAX)),
        created: moment(recorder.created),
        maps: Vec::new(),
    }
}

fn info(told: &onvif::Recorder) -> v1::RecorderInfo {
    let of = told.information.clone().unwrap_or_default();
    let seconds = |delta: chrono::TimeDelta| delta.num_milliseconds() as f64 / 1000.0;
    v1::RecorderInfo {
        manufacturer: of.manufacturer,
        model: of.model,
        firmware: of.firmware,
        clock_ahead_seconds: told.clock.map(|clock| seconds(clock.ahead)),
        clock_uncertainty_seconds: told.clock.map(|clock| seconds(clock.uncertainty)).unwrap_or_default(),
    }
}
