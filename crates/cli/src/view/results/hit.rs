use std::{collections::BTreeMap, fmt::Write, time::Duration};

use proto::v1;
use serde::Serialize;

use crate::view::{carried_word, class_word, colour_word, stature_word, time_source_word, vehicle_word};
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

/// Whether a hit can be reached from the sighting that was named.
#[derive(Debug, Serialize)]
struct ReachView {
    reachable: bool,
    metres: u32,
    /// The most that there was, with the errors of both clocks.
    time_s: Option<f64>,
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
    /// Hits with the same number may be one pass of one figure.
    pub(crate) group: u32,
    /// Where it was asked, and the cameras' positions are known.
    reach: Option<ReachView>,
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
            group: hit.group,
            reach: hit.reach.map(|r| ReachView { reachable: r.reachable, metres: r.metres, time_s: times::seconds(r.time) }),
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

    /// `more`: hits that may be the same pass and are not shown.
    pub(crate) fn text(&self, more: usize) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |p| format!(": {}", plain(p)));
        let lasted = self.lasted.map_or_else(String::new, |d| format!(", in view {}", times::human(d)));
        let reach = self.reach.as_ref().map_or_else(String::new, |r| format!("\n     reach:   {}", r.text()));
        let more = match more {
            0 => String::new(),
            n => {
                format!("\n     and {n} more that may be the same pass: --every-hit shows {}", if n == 1 { "it" } else { "them" })
            }
        };
        format!(
            "{:>3}. score {:.2}  {}{place} ({})\n     {}{lasted}\n     matched: {}\n     looks:   {}{reach}\n     id:      {}{more}",
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

impl ReachView {
    fn text(&self) -> String {
        let time = self.time_s.and_then(|s| Duration::try_from_secs_f64(s).ok()).map_or_else(|| "?".to_owned(), times::human);
        let word = if self.reachable { "can be reached" } else { "hardly to be reached" };
        format!("{word}: {} m in {time} at most", self.metres)
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
    /// How many in scope had no colour to compare; 1000: at least so many.
    without_colour: Option<u32>,
    /// How many others fit and are ranked after these, as far as they were counted.
    more: Option<u32>,
    /// Whether there may be more than that.
    perhaps_more: bool,
    /// For `--page`.
    next_page: Option<String>,
    /// The search's place in the audit record.
    audit_seq: u64,
    seconds: SecondsView,
    pub(crate) contact_sheet: Option<String>,
    /// Whether people are shown every hit, and not one of each group.
    #[serde(skip)]
    pub(crate) every_hit: bool,
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
            without_colour: summary.without_colour,
            more: summary.more,
            perhaps_more: summary.perhaps_more,
            next_page: Some(summary.next_page_token).filter(|token| !token.is_empty()),
            audit_seq: summary.audit_seq,
            seconds: SecondsView { server: times::seconds(summary.elapsed), total: total.as_secs_f64() },
            contact_sheet: None,
            every_hit: false,
        }
    }

    /// The hits to show, each with how many more may be the same pass.
    pub(crate) fn shown(&self) -> Vec<(&HitView, usize)> {
        if self.every_hit {
            return self.hits.iter().map(|hit| (hit, 0)).collect();
        }
        let mut shown: Vec<(&HitView, usize)> = Vec::new();
        for hit in &self.hits {
            // An earlier server numbers none.
            match shown.iter_mut().find(|(first, _)| hit.group > 0 && first.group == hit.group) {
                Some((_, more)) => *more += 1,
                None => shown.push((hit, 0)),
            }
        }
        shown
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
        if let Some(n) = self.without_colour.filter(|n| *n > 0) {
            let least = if n >= 1000 { "at least " } else { "" };
            let what = count(u64::from(n), "sighting");
            let _ = writeln!(text, "{least}{what} in scope had no colour to compare: --without-colour shows them");
        }
        for (hit, more) in self.shown() {
            let _ = writeln!(text, "\n{}", hit.text(more));
        }
        if let Some(next) = &self.next_page {
            let least = if self.perhaps_more { "at least " } else { "" };
            let more = self.more.unwrap_or_default();
            let _ = writeln!(text, "\nmore that fit: {least}{more}; the next page: the same search with --page {next}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_how_many_more_there_are_and_how_to_see_them() {
        let text = |more, perhaps_more, next: &str| {
            let summary =
                v1::SearchSummary { more: Some(more), perhaps_more, next_page_token: next.into(), ..Default::default() };
            SearchView::new("k".into(), Vec::new(), summary, Duration::ZERO).text()
        };
        assert!(text(78, true, "abc").contains("more that fit: at least 78; the next page: the same search with --page abc"));
        assert!(text(1, false, "abc").contains("\nmore that fit: 1; the next page"));
        assert!(!text(0, false, "").contains("next page"));
    }

    #[test]
    fn people_are_shown_one_hit_of_each_pass_and_how_many_more_there_are() {
        let hit = |rank: u32, group: u32| HitView::new(v1::Hit { rank, group, ..Default::default() }, &BTreeMap::new());
        let hits = [(1, 1), (2, 2), (3, 1), (4, 1), (5, 0), (6, 0)].map(|(rank, group)| hit(rank, group));
        let mut view = SearchView::new("k".into(), hits.into(), v1::SearchSummary::default(), Duration::ZERO);
        let shown = |view: &SearchView| view.shown().iter().map(|(hit, more)| (hit.rank, *more)).collect::<Vec<_>>();
        assert_eq!(shown(&view), [(1, 2), (2, 0), (5, 0), (6, 0)], "what an earlier server does not number stands alone");
        assert!(view.text().contains("and 2 more that may be the same pass: --every-hit shows them"));
        view.every_hit = true;
        assert_eq!(shown(&view).len(), 6);
    }
}
