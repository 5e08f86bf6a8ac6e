use std::{sync::OnceLock, time::Duration};

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

use super::names::{Kind, METRICS};

/// The facade has one recorder a process; every server of a process (tests start several) counts into it.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of every duration, from a search in a warm index to a commit on a slow disk.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// A gauge that was not set for so long belongs to something that is gone, such as a removed camera.
const FORGET: Duration = Duration::from_secs(120);

/// Starts to count, once a process.
pub(super) fn install() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS)?.idle_timeout(MetricKindMask::GAUGE, Some(FORGET));
    let handle = match builder.install_recorder() {
        Ok(handle) => handle,
        // Another server of this process was faster.
        Err(error) => return RECORDER.get().cloned().ok_or(error),
    };
    for metric in METRICS {
        let unit = if metric.name.contains("seconds") { Unit::Seconds } else { Unit::Count };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
    Ok(RECORDER.get_or_init(|| handle).clone())
}
