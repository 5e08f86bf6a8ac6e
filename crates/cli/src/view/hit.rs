use std::{collections::BTreeMap, fmt::Write, time::Duration};

use proto::v1;
use serde::Serialize;

use super::{carried_word, class_word, colour_word, stature_word, time_source_word, vehicle_word};
use crate::{
    output::{count, plain},
    times,
};

/// A word of a description, with how sure the description is of it.
#[derive(Debug, Serialize)]
struct WordView {
    word: String,
    confidence: f32,
}

#[derive(Debug, Serialize)]
struct DescriptionView {
    upper: Option<WordView>,
    lower: Option<WordView>,
    carrying: Vec<WordView>,
    vehicle: Option<WordView>,
    vehicle_colour: Option<WordView>,
    stature: Option<WordView>,
}

/// A word of the query that the sighting bears.
#[derive(Debug, Serialize)]
struct MatchView {
    part: &'static str,
    word: String,
    confidence: f32,
}

/// A possible sighting.
#[derive(Debug, Serialize)]
pub(crate) struct HitView {
    pub(crate) rank: u32,
    pub(crate) sighting: String,
    pub(crate) camera: String,
    pub(crate) place: Option<String>,
    agency: String,
    class: String,
    /// When the stored crop was seen.
    pub(crate) time: Option<String>,
    /// When the track began and ended.
    first: Option<String>,
    last: Option<String>,
    /// The true time lies within so many seconds of those given.
    pub(crate) uncertainty_s: Option<f64>,
    time_source: String,
    pub(crate) score: f32,
    description_score: Option<f32>,
    appearance_score: Option<f32>,
    matched: Vec<MatchView>,
    description: DescriptionView,
    detections: u32,
    footage_sha256: Option<String>,
    #[serde(skip)]
    lasted: Option<Duration>,
}

impl HitView {
    /// `places`: what the cameras look at, by camera id.
    pub(crate) fn new(hit: v1::Hit, places: &BTreeMap<String, String>) -> Self {
        let s = hit.sighting.unwrap_or_default();
        let (first, last) = (s.first.unwrap_or_default(), s.last.unwrap_or_default());
        let micros = |t: &v1::CaptureTime| proto::capture_time("time", t.time).ok().map(types::CaptureTime::as_micros);
        Self {
            rank: hit.rank,
            sighting: s.id,
            place: places.get(&s.camera_id).filter(|p| !p.is_empty()).cloned(),
            camera: s.camera_id,
            agency: s.agency_id,
            class: class_word(s.class),
            time: times::json(s.best),
            first: times::json(first.time),
            last: times::json(last.time),
            uncertainty_s: times::seconds(first.uncertainty),
            time_source: time_source_word(first.source),
            score: hit.score,
            description_score: hit.description_score,
            appearance_score: hit.appearance_score,
            matched: hit.matched.iter().filter_map(matched).collect(),
            description: description(&s.description.unwrap_or_default()),
            detections: s.detections,
            footage_sha256: (!s.footage_sha256.is_empty()).then_some(s.footage_sha256),
            lasted: micros(&first).zip(micros(&last)).map(|(a, b)| Duration::from_micros(b.abs_diff(a))),
        }
    }

    /// "2026-03-01T08:30:12.58Z ±1 s"
    pub(crate) fn when(&self) -> String {
        let time = self.time.as_ref().map_or_else(|| "unknown time".into(), |t| times::short(t, 2));
        match self.uncertainty_s.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
            Some(known) => format!("{time} ±{}", times::human(known)),
            None => time,
        }
    }

    fn why(&self) -> String {
        let mut why: Vec<String> = self
            .matched
            .iter()
            .map(|m| format!("{} {} ({:.0} % sure)", m.part.replace('_', " "), m.word, 100.0 * m.confidence))
            .collect();
        if let Some(likeness) = self.appearance_score {
            why.push(format!("likeness {likeness:.2}"));
        }
        if why.is_empty() { "nothing that was asked for".into() } else { why.join(", ") }
    }

    fn text(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |p| format!(": {}", plain(p)));
        let lasted = self.lasted.map_or_else(String::new, |d| format!(", in view {}", times::human(d)));
        format!(
            "{:>3}. score {:.2}  {}{place} ({})\n     {}{lasted}\n     matched: {}\n     looks:   {}\n     id:      {}",
            self.rank,
            self.score,
            plain(&self.camera),
            plain(&self.agency),
            self.when(),
            self.why(),
            self.looks(),
            plain(&self.sighting),
        )
    }

    fn looks(&self) -> String {
        let d = &self.description;
        let part = |name: &str, w: &Option<WordView>| w.as_ref().map(|w| format!("{name} {}", w.word));
        let mut words = vec![self.class.clone()];
        words.extend(part("upper", &d.upper));
        words.extend(part("lower", &d.lower));
        words.extend(d.carrying.iter().map(|w| format!("carrying {}", w.word)));
        words.extend(part("colour", &d.vehicle_colour));
        words.extend(part("stature", &d.stature));
        words.join(", ")
    }
}

fn matched(m: &v1::MatchedWord) -> Option<MatchView> {
    use v1::matched_word::Word;
    let (part, word) = match m.word? {
        Word::Upper(w) => ("upper", colour_word(w)),
        Word::Lower(w) => ("lower", colour_word(w)),
        Word::Carrying(w) => ("carrying", carried_word(w)),
        Word::VehicleColour(w) => ("vehicle_colour", colour_word(w)),
        Word::Stature(w) => ("stature", stature_word(w)),
    };
    Some(MatchView { part, word, confidence: m.confidence })
}

fn description(d: &v1::Description) -> DescriptionView {
    let colour = |c: Option<v1::DescribedColour>| c.map(|c| WordView { word: colour_word(c.word), confidence: c.confidence });
    DescriptionView {
        upper: colour(d.upper),
        lower: colour(d.lower),
        carrying: d.carrying.iter().map(|c| WordView { word: carried_word(c.word), confidence: c.confidence }).collect(),
        vehicle: d.vehicle.map(|v| WordView { word: vehicle_word(v.word), confidence: v.confidence }),
        vehicle_colour: colour(d.vehicle_colour),
        stature: d.stature.map(|s| WordView { word: stature_word(s.word), confidence: s.confidence }),
    }
}

/// The answer to a search.
#[derive(Debug, Serialize)]
pub(crate) struct SearchView {
    pub(crate) case: String,
    pub(crate) hits: Vec<HitView>,
    /// What was really looked at.
    searched: SearchedView,
    /// False: some sightings may have been missed.
    exact: bool,
    /// The search's place in the audit record.
    audit_seq: u64,
    seconds: SecondsView,
    pub(crate) contact_sheet: Option<String>,
}

#[derive(Debug, Serialize)]
struct SearchedView {
    cameras: Vec<String>,
    /// Of the case, but kept out of this search by their owners.
    left_out_cameras: Vec<String>,
    /// Found and not shown: their owners or the case stopped allowing it meanwhile.
    withheld: u32,
    withheld_cameras: Vec<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Serialize)]
struct SecondsView {
    /// By the server's clock, from the request to the last hit.
    server: Option<f64>,
    /// As this program saw it, connection excluded.
    total: f64,
}

impl SearchView {
    pub(crate) fn new(case: String, hits: Vec<HitView>, summary: v1::SearchSummary, total: Duration) -> Self {
        let window = summary.window.unwrap_or_default();
        Self {
            case,
            hits,
            searched: SearchedView {
                cameras: summary.camera_ids,
                left_out_cameras: summary.left_out_camera_ids,
                withheld: summary.withheld,
                withheld_cameras: summary.withheld_camera_ids,
                from: times::json(window.from),
                to: times::json(window.to),
            },
            exact: summary.exact,
            audit_seq: summary.audit_seq,
            seconds: SecondsView { server: times::seconds(summary.elapsed), total: total.as_secs_f64() },
            contact_sheet: None,
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = match self.hits.len() {
            0 => "no possible sighting".to_owned(),
            n => count(n as u64, "possible sighting"),
        };
        let unknown = || "?".to_owned();
        let _ = writeln!(
            text,
            " in {}, {} to {} (case {})",
            count(self.searched.cameras.len() as u64, "camera"),
            self.searched.from.clone().unwrap_or_else(unknown),
            self.searched.to.clone().unwrap_or_else(unknown),
            plain(&self.case),
        );
        if self.searched.withheld > 0 {
            let cameras = plain(&self.searched.withheld_cameras.join(", "));
            let _ =
                writeln!(text, "withheld, because it stopped being allowed meanwhile: {} of {cameras}", self.searched.withheld);
        }
        if !self.searched.left_out_cameras.is_empty() {
            let _ = writeln!(text, "left out by their owners: {}", plain(&self.searched.left_out_cameras.join(", ")));
        }
        for hit in &self.hits {
            let _ = writeln!(text, "\n{}", hit.text());
        }
        let server = self.seconds.server.map_or_else(String::new, |s| format!(" ({:.0} ms in the server)", 1000.0 * s));
        let how =
            if self.exact { "every sighting in scope was compared" } else { "not exact: some sightings may have been missed" };
        let _ = write!(text, "\n{:.0} ms{server}; {how}; audit entry {}", 1000.0 * self.seconds.total, self.audit_seq);
        if let Some(sheet) = &self.contact_sheet {
            let _ = write!(text, "\ncontact sheet: {sheet}");
        }
        text
    }
}
