use proto::v1;
use serde::Serialize;

use crate::view::job_state_word;
use crate::{
    output::{count, plain, table},
    times,
};

#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) camera: String,
    pub(crate) path: String,
    footage_sha256: String,
    pub(crate) start: Option<String>,
    start_uncertainty_s: Option<f64>,
    sample_fps: f64,
    keyframes_only: bool,
    keep_readable: bool,
    /// Pictures a second of a file without a clock, as stated.
    stated_fps: Option<f64>,
    /// Seconds of footage.
    pub(crate) done_s: f64,
    pub(crate) total_s: Option<f64>,
    elapsed_s: f64,
    /// Seconds of footage a second.
    pub(crate) speed: f64,
    pub(crate) time_left_s: Option<f64>,
    frames: u64,
    detections: u64,
    pub(crate) sightings: u64,
    crops_refused: u64,
    pub(crate) error: Option<String>,
    pub(crate) hint: Option<String>,
    created: Option<String>,
    finished: Option<String>,
    /// Where `path` is a recording, not a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorder: Option<String>,
    /// Where the recorder had nothing, as far as it was pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<GapView>,
}

/// How many jobs there are in all, by state, and what came of them: as the server counts them.
#[derive(Debug, Serialize)]
pub(crate) struct TotalsView {
    jobs: u64,
    done: u64,
    failed: u64,
    cancelled: u64,
    running: u64,
    queued: u64,
    sightings: u64,
}

impl From<v1::JobTotals> for TotalsView {
    fn from(of: v1::JobTotals) -> Self {
        let v1::JobTotals { queued, running, done, failed, cancelled, sightings } = of;
        let jobs = queued + running + done + failed + cancelled;
        Self { jobs, done, failed, cancelled, running, queued, sightings }
    }
}

impl TotalsView {
    fn text(&self) -> String {
        let Self { jobs, done, failed, cancelled, running, queued, sightings } = *self;
        let states = [(done, "done"), (failed, "failed"), (cancelled, "cancelled"), (running, "running"), (queued, "queued")];
        let states: Vec<_> = states.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
        if states.is_empty() {
            return "no footage yet".to_owned();
        }
        format!("{}: {}; {}", count(jobs, "file"), states.join(", "), count(sightings, "sighting"))
    }
}

#[derive(Debug, Serialize)]
struct GapView {
    from: String,
    to: String,
}

impl From<v1::Job> for JobView {
    fn from(j: v1::Job) -> Self {
        let settings = j.settings.unwrap_or_default();
        let p = j.progress.unwrap_or_default();
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: j.id,
            state: job_state_word(j.state),
            camera: j.camera_id,
            path: j.path,
            footage_sha256: j.footage_sha256,
            start: times::json(j.start),
            start_uncertainty_s: times::seconds(j.start_uncertainty),
            sample_fps: settings.sample_fps,
            keyframes_only: settings.keyframes_only,
            keep_readable: settings.keep_readable,
            stated_fps: Some(settings.stated_fps).filter(|fps| *fps > 0.0),
            done_s: times::seconds(p.done).unwrap_or_default(),
            total_s: times::seconds(p.total),
            elapsed_s: times::seconds(p.elapsed).unwrap_or_default(),
            speed: p.speed,
            time_left_s: times::seconds(p.time_left),
            frames: p.frames,
            detections: p.detections,
            sightings: p.sightings,
            crops_refused: p.crops_refused,
            error: filled(j.error),
            hint: filled(j.hint),
            created: times::json(j.created),
            finished: times::json(j.finished),
            recorder: filled(j.recorder_id),
            gaps: j
                .gaps
                .into_iter()
                .filter_map(|gap| Some(GapView { from: times::json(gap.from)?, to: times::json(gap.to)? }))
                .collect(),
        }
    }
}

/// Of one job, to people.
const SHOWN_GAPS: usize = 20;

impl JobView {
    pub(crate) fn table(jobs: &[Self]) -> String {
        if jobs.is_empty() {
            return "no footage yet; add some: sightline archive add FILE --camera CAMERA --start TIME".into();
        }
        let row = |j: &Self| {
            let file =
                std::path::Path::new(&j.path).file_name().map_or_else(|| j.path.clone(), |f| f.to_string_lossy().into_owned());
            let start = j.start.clone().unwrap_or_default();
            [j.id.clone(), j.state.clone(), j.camera.clone(), start, j.share(), j.sightings.to_string(), file]
        };
        table(["JOB", "STATE", "CAMERA", "START", "DONE", "SIGHTINGS", "FILE"], &jobs.iter().map(row).collect::<Vec<_>>())
    }

    /// Every file with what came of it; what went wrong, and what to do, under those where something did.
    pub(crate) fn report(jobs: &[Self], totals: &TotalsView) -> String {
        let mut text = String::new();
        for job in jobs {
            text.push_str(&format!("{}: {}, {}, {}", plain(&job.path), job.state, job.share(), count(job.sightings, "sighting")));
            for (what, line) in [("problem", &job.error), ("what to do", &job.hint)] {
                if let Some(line) = line {
                    text.push_str(&format!("\n  {what}: {}", plain(line)));
                }
            }
            text.push('\n');
        }
        text.push_str(&totals.text());
        text
    }

    /// "100 %", or the seconds done of footage that does not say how long it is.
    fn share(&self) -> String {
        match self.total_s {
            Some(total) if total > 0.0 => format!("{:.0} %", (100.0 * self.done_s / total).min(100.0)),
            _ => format!("{:.1} s", self.done_s),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "job {}: {}\n  {} as camera {} from {}\n  {:.1} s of footage done ({}): {} looked at, {}, {}",
            plain(&self.id),
            self.state,
            self.place(),
            plain(&self.camera),
            self.start.as_deref().unwrap_or("an unknown time"),
            self.done_s,
            self.share(),
            count(self.frames, "frame"),
            count(self.detections, "detection"),
            count(self.sightings, "sighting"),
        );
        if self.elapsed_s > 0.0 {
            text.push_str(&format!("\n  took {:.1} s, {:.1} x real time", self.elapsed_s, self.speed));
        }
        if !self.gaps.is_empty() {
            let shown =
                self.gaps.iter().take(SHOWN_GAPS).map(|gap| format!("\n  nothing recorded from {} to {}", gap.from, gap.to));
            text.push_str(&shown.collect::<String>());
            if self.gaps.len() > SHOWN_GAPS {
                text.push_str(&format!("\n  and in {} more gaps: --json lists them", self.gaps.len() - SHOWN_GAPS));
            }
        }
        if self.crops_refused > 0 {
            text.push_str(&format!("\n  {} dropped: no face could be erased for sure", count(self.crops_refused, "crop")));
        }
        if let Some(error) = &self.error {
            text.push_str(&format!("\n  problem: {}", plain(error)));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  what to do: {}", plain(hint)));
        }
        text
    }

    /// The file, or the recording and its recorder.
    fn place(&self) -> String {
        match &self.recorder {
            Some(recorder) => format!("recording {} of {}", plain(&self.path), plain(recorder)),
            None => plain(&self.path),
        }
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.state == "failed"
    }
}
