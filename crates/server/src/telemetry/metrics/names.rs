//! Every metric there is: the dashboard and the documentation name no other, and a scrape shows no other.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $name:literal $kind:ident $help:literal)*) => {
        $(pub(crate) const $constant: &str = $name;)*
        pub(crate) const METRICS: &[Metric] =
            &[$(Metric { name: $constant, kind: Kind::$kind, help: $help }),*];
    };
}

metrics! {
    FRAMES_IN "sightline_frames_in_total" Counter "Frames that left a live camera's decoder."
    FRAMES_DETECTED "sightline_frames_detected_total" Counter "Frames of a live camera that were looked at."
    FRAMES_DROPPED "sightline_frames_dropped_total" Counter "Frames of a live camera that were not: by rate (the sampling rate does not want them) or late (the machine was busy)."
    CAMERA_STATE "sightline_camera_state" Gauge "1 for the state a live camera is in, 0 for the others."
    CAMERA_FRAME_AGE "sightline_camera_last_frame_age_seconds" Gauge "Since a live camera's last frame was looked at."
    CAMERA_CLOCK_OFFSET "sightline_camera_clock_offset_seconds" Gauge "A live camera's clock minus ours."
    CAMERA_LOSSES "sightline_camera_losses_total" Counter "Connections lost to a live camera."
    DECODERS "sightline_decoders" Gauge "Decoders that run now, each a process of its own."
    DECODERS_STARTED "sightline_decoders_started_total" Counter "Decoders started."
    DECODER_DEATHS "sightline_decoder_deaths_total" Counter "Decoders that ended before their time, by reason: crash, refused_call (it did what no decoder may), killed, exit, hang (it got nowhere) or lie (it said what can't be)."
    DECODERS_CONFINED "sightline_decoders_confined" Gauge "1; 0 where media.sandbox is off."
    SIGHTINGS "sightline_sightings_total" Counter "Sightings made, by camera and origin (live or footage)."
    CROPS_REFUSED "sightline_crops_refused_total" Counter "Crops dropped because their faces could not be erased for sure."
    SIGHTINGS_STORED "sightline_sightings_stored" Gauge "Sightings in the catalogue."
    STORE_SECONDS "sightline_store_seconds" Histogram "How long a batch of sightings held up whoever saw them, by origin: the time they were blocked."
    SPOOL_BYTES "sightline_spool_bytes" Gauge "Bytes of a worker's spool on its disk."
    SPOOL_LIMIT "sightline_spool_limit_bytes" Gauge "How many there may be."
    SPOOL_OLDEST "sightline_spool_oldest_seconds" Gauge "Since the oldest sighting that waits on a worker's spool was seen; 0 while none does."
    SPOOL_REFUSED "sightline_spool_refused_total" Counter "How often a worker's spool took nothing because it or its disk was full: its cameras wait and try again."
    SIGHTINGS_REFUSED "sightline_sightings_refused_total" Counter "Sightings that the server refused a worker for good."
    JOBS "sightline_jobs" Gauge "Footage jobs by state; queued is the depth of the queue."
    FOOTAGE_SECONDS "sightline_footage_seconds_total" Counter "Seconds of footage done."
    FOOTAGE_LEFT "sightline_footage_left_seconds" Gauge "Seconds of footage that running jobs still have to do."
    FOOTAGE_SPEED "sightline_footage_speed" Gauge "Seconds of footage that running jobs do a second."
    QUEUE_DEPTH "sightline_queue_depth" Gauge "What waits, by queue."
    SEARCH_SECONDS "sightline_search_seconds" Histogram "From a search's arrival until its hits are known, by outcome."
    AUDIT_SECONDS "sightline_audit_append_seconds" Histogram "Until an entry is durably on the record."
    LOG_ENTRIES "sightline_log_entries" Gauge "Entries under the log's newest checkpoint."
    LOG_UNPUBLISHED "sightline_log_unpublished_entries" Gauge "Entries on the record that no checkpoint covers yet."
    WITNESSES "sightline_log_witnesses" Gauge "Witnesses: configured, wanted (the quorum), signed (the newest checkpoint)."
    WITNESS_MISSING "sightline_log_witness_missing_seconds" Gauge "Since when too few witnesses have signed; 0 while enough have."
    WITNESS_CONTRADICTED "sightline_log_contradicted" Gauge "1 if a witness has seen another log under this key."
    INDEX_LAG "sightline_index_lag_changes" Gauge "Changes in the catalogue that searches do not see yet."
    INDEX_OTHER_MODEL "sightline_index_other_model" Gauge "Sightings that are in no search by likeness because another model made their vectors."
    INDEX_SET_ASIDE "sightline_index_set_aside" Gauge "Sightings that the index could not take and that are in no search; `sightline check` names them."
    SIGHTINGS_LEFT_OUT "sightline_sightings_left_out_total" Counter "Sightings that can never be stored and were left out, by origin."
    RETENTION_OVERDUE "sightline_retention_overdue" Gauge "Days whose deletion is later than the deployment allows, and deletions after which something was found."
    RETENTION_DELETED "sightline_retention_deleted_total" Counter "Sightings deleted because their time had come."
    NOTIFY_WAITING "sightline_notify_waiting" Gauge "Events of cases that the configured address was not told of yet."
    NOTIFY_OLDEST "sightline_notify_oldest_seconds" Gauge "Since the oldest of them happened; 0 while none waits."
    NOTIFY_FAILURES "sightline_notify_failures_total" Counter "How often the configured address was not reached or did not take an event."
    NOTIFY_LOST "sightline_notify_lost_total" Counter "Events of cases that were never told, because too many waited or they can't be read."
    REINDEX_LEFT "sightline_reindex_left" Gauge "Sightings that a reindex still has to embed; 0 where none runs."
    CERTIFICATE_ENDS "sightline_certificate_ends_seconds" Gauge "Until the certificate ends that this process shows."
    INFO "sightline_info" Gauge "1; the label says which version runs."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Metric names in a text, without what Prometheus appends to a histogram's.
    fn named(text: &str) -> BTreeSet<String> {
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        let mut names = BTreeSet::new();
        for (at, _) in text.match_indices("sightline_") {
            let name: String = text[at..].chars().take_while(|c| word(*c)).collect();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(&name);
            let histogram = METRICS.iter().any(|m| m.name == base && m.kind == Kind::Histogram);
            names.insert(if histogram { base.to_owned() } else { name });
        }
        names
    }

    #[test]
    fn the_dashboard_and_the_documentation_name_every_metric_and_no_other() {
        let ours: BTreeSet<String> = METRICS.iter().map(|m| m.name.to_owned()).collect();
        assert_eq!(ours.len(), METRICS.len(), "a name is there twice");
        assert_eq!(named(include_str!("../../../../../deploy/grafana/sightline.json")), ours, "the dashboard");
        assert_eq!(named(include_str!("../../../../../docs/metrics.md")), ours, "docs/metrics.md");
        let alerts = named(include_str!("../../../../../deploy/alerts.yml"));
        assert!(!alerts.is_empty() && alerts.is_subset(&ours), "{alerts:?}");
    }

    #[test]
    fn names_follow_the_convention() {
        for metric in METRICS {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.kind != Kind::Histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
