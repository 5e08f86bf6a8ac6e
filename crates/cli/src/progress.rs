//! How far a footage job is: a bar on a terminal, a line at every tenth otherwise, nothing with `--json`.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    output::{Printer, plain},
    times,
    view::JobView,
};

/// The bars of the jobs that are waited for.
#[derive(Debug)]
pub(crate) struct Progress {
    printer: Printer,
    bars: Option<MultiProgress>,
}

/// One job's bar or lines.
#[derive(Debug)]
pub(crate) struct JobProgress {
    printer: Printer,
    name: String,
    bar: Option<ProgressBar>,
    /// Tenths already said, and the state said last.
    tenths: u64,
    state: String,
}

impl Progress {
    pub(crate) fn new(printer: Printer) -> Self {
        let bars = (!printer.is_json() && io::stderr().is_terminal()).then(MultiProgress::new);
        Self { printer, bars }
    }

    pub(crate) fn job(&self, name: &str) -> JobProgress {
        let name = plain(name);
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            bar.set_style(spinner());
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(150));
            bar
        });
        JobProgress { printer: self.printer, name, bar, tenths: 0, state: String::new() }
    }
}

impl JobProgress {
    pub(crate) fn update(&mut self, job: &JobView) {
        let message = message(job);
        if let Some(bar) = &self.bar {
            if let Some(total) = job.total_s.filter(|t| *t > 0.0) {
                if bar.length().is_none() {
                    bar.set_style(style());
                }
                bar.set_length(millis(total));
            }
            bar.set_position(millis(job.done_s));
            bar.set_message(message);
            return;
        }
        let tenths = job.total_s.filter(|t| *t > 0.0).map_or(0, |t| (10.0 * job.done_s / t).clamp(0.0, 10.0) as u64);
        if tenths > self.tenths || job.state != self.state {
            self.printer.note(&format!("{}: {message}", self.name));
            self.tenths = tenths;
            self.state.clone_from(&job.state);
        }
    }

    pub(crate) fn finish(self, job: &JobView) {
        if let Some(bar) = self.bar {
            bar.finish_with_message(message(job));
        }
    }

    /// Leaves the terminal clean when the watching ends before the job does.
    pub(crate) fn abandon(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn message(job: &JobView) -> String {
    let mut text = job.state.clone();
    if job.state == "running" {
        if let Some(total) = job.total_s.filter(|t| *t > 0.0) {
            text = format!("{:.0} %", (100.0 * job.done_s / total).min(100.0));
        }
        if job.speed > 0.0 {
            text.push_str(&format!(", {:.1} x real time", job.speed));
        }
        if let Some(left) = job.time_left_s.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
            text.push_str(&format!(", {} left", times::human(left)));
        }
    }
    if job.sightings > 0 || job.state == "done" {
        text.push_str(&format!(", {}", crate::output::count(job.sightings, "sighting")));
    }
    text
}

fn millis(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix:.bold} [{bar:30.cyan/dim}] {msg}");
    style.map_or_else(|_| ProgressStyle::default_bar(), |s| s.progress_chars("=> "))
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:.bold} {spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}
