//! What a recorder has, by ONVIF Profile G: its recordings, the gaps in them, and where they are played.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, timeout};
use types::StreamUrl;

use crate::{
    Call, Clock, DeviceHost, Information, OnvifError, Surveying,
    call::{REPLAY, SEARCH},
    session::Session,
    survey::{begin, information, services, stream},
    xml::Node,
};

/// What a recorder says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// Its clock against ours, if it tells.
    pub clock: Option<Clock>,
    /// Maker, model and firmware, if it tells.
    pub information: Option<Information>,
    /// How many recordings it has, if it tells.
    pub number: Option<u64>,
    /// At most 1000.
    pub recordings: Vec<Recording>,
    /// There are more than are listed.
    pub more: bool,
}

/// What was recorded of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// By which the recorder names it.
    pub token: String,
    /// What the recorder calls its source: name, place and description, as far as it tells.
    pub title: String,
    /// Of the first picture, by the recorder's clock.
    pub from: Option<DateTime<Utc>>,
    /// Of the last picture, by the recorder's clock.
    pub to: Option<DateTime<Utc>>,
    /// Its track of pictures; without one there is nothing to look at.
    pub video: Option<String>,
}

/// Where there is footage, as the recorder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Stretches without footage, in their order.
    Gaps(Vec<(DateTime<Utc>, DateTime<Utc>)>),
    /// It keeps no account of that.
    Untold,
}

/// Of one answer's lists, all pages together.
const MOST: usize = 1000;
/// Of one page, as it is asked for.
const PAGE: usize = 100;
/// All questions for one purpose together.
const PATIENCE: Duration = Duration::from_secs(60);
/// One search, and how long to wait before it is asked about again that had nothing to say.
const SEARCHING: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(300);

/// Asks a recorder what it is and has.
///
/// # Errors
/// It can't be asked, or is no recorder.
pub async fn recorder(host: &DeviceHost, how: &Surveying<'_>) -> Result<Recorder, OnvifError> {
    within(host, async {
        let (mut session, clock) = begin(host, how).await?;
        let information = information(&mut session).await?;
        let search = service(&mut session, 0).await?;
        let number = match session.ask(&search, &Call::GetRecordingSummary).await {
            Ok(node) => node.value("NumberRecordings").and_then(|number| number.parse().ok()),
            // Some know the search alone.
            Err(OnvifError::Fault { .. } | OnvifError::NotRead { .. }) => None,
            Err(error) => return Err(error),
        };
        let (recordings, more) = recordings(&mut session, &search).await?;
        Ok(Recorder { clock, information, number, recordings, more })
    })
    .await
}

/// Asks where between these times a recording has no footage.
///
/// # Errors
/// It can't be asked, is no recorder, or has no such recording.
pub async fn coverage(
    host: &DeviceHost,
    how: &Surveying<'_>,
    recording: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Coverage, OnvifError> {
    within(host, async {
        let (mut session, _) = begin(host, how).await?;
        let search = service(&mut session, 0).await?;
        let known = one(&mut session, &search, recording).await?;
        let call = Call::FindEvents { recording: recording.to_owned(), from, to };
        let found = match find(&mut session, &search, &call, "Result", |search| Call::GetEventSearchResults { search }).await {
            Ok((found, _)) => found,
            // Some know no events.
            Err(OnvifError::Fault { .. }) => return Ok(Coverage::Untold),
            Err(error) => return Err(error),
        };
        let changes: Vec<_> = found.iter().filter_map(|node| change(node, &known)).collect();
        Ok(gaps(&known, changes, from, to))
    })
    .await
}

/// Asks where a recording is played: on the host that was given, whatever it answers.
///
/// # Errors
/// It can't be asked, is no recorder, or names no address.
pub async fn replay_address(host: &DeviceHost, how: &Surveying<'_>, recording: &str) -> Result<StreamUrl, OnvifError> {
    within(host, async {
        let (mut session, _) = begin(host, how).await?;
        let replay = service(&mut session, 1).await?;
        let call = Call::GetReplayUri { recording: recording.to_owned() };
        let node = match session.ask(&replay, &call).await {
            Err(OnvifError::Fault { device, reason, .. }) if reason.to_ascii_lowercase().contains("recording") => {
                let recording = recording.to_owned();
                tracing::debug!(%device, %reason, "a recorder refuses to say where a recording is played");
                return Err(OnvifError::NoRecording { device, recording });
            }
            asked => asked?,
        };
        let none = || OnvifError::NoReplay { device: host.authority(), recording: recording.to_owned() };
        node.value("Uri").and_then(|uri| stream(uri, host)).ok_or_else(none)
    })
    .await
}

async fn within<T>(host: &DeviceHost, asked: impl Future<Output = Result<T, OnvifError>>) -> Result<T, OnvifError> {
    let slow = || OnvifError::Slow { device: host.authority(), call: "all of it", seconds: PATIENCE.as_secs() };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(slow()))
}

/// Search or replay; a recorder has both.
async fn service(session: &mut Session<'_>, which: usize) -> Result<DeviceHost, OnvifError> {
    let found = services(session, [(SEARCH, "Search"), (REPLAY, "Replay")]).await?;
    let device = session.host.authority();
    let [Some(search), Some(replay)] = found else { return Err(OnvifError::NoRecorder { device }) };
    Ok([search, replay].into_iter().nth(which).unwrap_or_else(|| session.host.clone()))
}

async fn recordings(session: &mut Session<'_>, search: &DeviceHost) -> Result<(Vec<Recording>, bool), OnvifError> {
    let results = |search| Call::GetRecordingSearchResults { search };
    let (found, more) = find(session, search, &Call::FindRecordings, "RecordingInformation", results).await?;
    let mut recordings: Vec<Recording> = found.iter().filter_map(recording).collect();
    recordings.sort_by(|a, b| a.token.cmp(&b.token));
    recordings.dedup_by(|a, b| a.token == b.token);
    Ok((recordings, more))
}

async fn one(session: &mut Session<'_>, search: &DeviceHost, token: &str) -> Result<Recording, OnvifError> {
    let none = || OnvifError::NoRecording { device: session.host.authority(), recording: token.to_owned() };
    let none = none();
    match session.ask(search, &Call::GetRecordingInformation { recording: token.to_owned() }).await {
        Ok(node) => {
            let found = node.find("RecordingInformation").and_then(recording).filter(|found| found.token == token);
            found.ok_or(none)
        }
        // Some know the search alone.
        Err(OnvifError::Fault { .. }) => {
            let (all, _) = recordings(session, search).await?;
            all.into_iter().find(|found| found.token == token).ok_or(none)
        }
        Err(error) => Err(error),
    }
}

/// A search from its beginning to its end, as far as there is patience and room for it.
async fn find(
    session: &mut Session<'_>,
    search: &DeviceHost,
    begin: &Call,
    name: &str,
    results: impl Fn(String) -> Call,
) -> Result<(Vec<Node>, bool), OnvifError> {
    let answer = session.ask(search, begin).await?;
    let device = session.host.authority();
    let what = "it names no search".to_owned();
    let not_read = OnvifError::NotRead { device: device.clone(), call: begin.name(), what };
    let token = answer.value("SearchToken").ok_or(not_read)?.to_owned();
    let (mut found, until, mut completed) = (Vec::new(), Instant::now() + SEARCHING, false);
    loop {
        let page = match session.ask(search, &results(token.clone())).await {
            // It said before that this was all.
            Err(OnvifError::Fault { .. }) if completed => return Ok((found, false)),
            asked => asked?,
        };
        let (before, over) =
            (found.len(), page.value("SearchState").is_some_and(|state| state.eq_ignore_ascii_case("Completed")));
        found.extend(page.all(name).into_iter().cloned());
        if found.len() >= MOST {
            found.truncate(MOST);
            return Ok((found, true));
        }
        // What it found in the end it may hand out page by page.
        completed = over;
        if over && found.len() - before < PAGE {
            return Ok((found, false));
        }
        if Instant::now() >= until {
            return Err(OnvifError::Slow { device, call: begin.name(), seconds: SEARCHING.as_secs() });
        }
        if found.len() == before {
            sleep(AGAIN).await;
        }
    }
}

fn recording(node: &Node) -> Option<Recording> {
    let token = node.value("RecordingToken").filter(|token| token.len() <= 200)?.to_owned();
    let named = ["Name", "Location", "Description"].iter().filter_map(|name| node.find("Source")?.value(name));
    let mut title: Vec<&str> = Vec::new();
    for text in named {
        if !title.contains(&text) {
            title.push(text);
        }
    }
    let tracks = node.all("Track");
    let video = tracks.iter().find(|track| track.value("TrackType").is_some_and(|kind| kind.eq_ignore_ascii_case("Video")));
    let time = |of: &Node, name: &str| of.value(name).and_then(time);
    let of_track = |name: &str| video.and_then(|track| time(track, name));
    Some(Recording {
        token,
        title: title.join(", ").chars().filter(|c| !c.is_control()).take(200).collect(),
        from: of_track("DataFrom").or_else(|| time(node, "EarliestRecording")),
        to: of_track("DataTo").or_else(|| time(node, "LatestRecording")),
        video: video.and_then(|track| track.value("TrackToken")).map(str::to_owned),
    })
}

/// With a zone, or in UTC where it names none, as devices mean it. Some write 0 where they mean "none".
fn time(text: &str) -> Option<DateTime<Utc>> {
    let whole = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z"))).ok()?;
    Some(whole.to_utc()).filter(|at| at.timestamp() > 0)
}

/// When footage begins or ends.
fn change(node: &Node, of: &Recording) -> Option<(DateTime<Utc>, bool)> {
    let track = node.value("TrackToken");
    if track.is_some() && of.video.is_some() && track != of.video.as_deref() {
        return None;
    }
    if node.value("RecordingToken").is_some_and(|token| token != of.token) {
        return None;
    }
    let items = node.all("SimpleItem");
    let there = items.iter().find(|item| item.attribute("Name") == Some("IsDataPresent"))?.attribute("Value")?;
    Some((time(node.value("Time")?)?, there.eq_ignore_ascii_case("true") || there == "1"))
}

fn gaps(of: &Recording, mut changes: Vec<(DateTime<Utc>, bool)>, from: DateTime<Utc>, to: DateTime<Utc>) -> Coverage {
    changes.sort_by_key(|(at, _)| *at);
    // Before the first and after the last picture there is nothing, whatever it says of events.
    let (first, last) = (of.from.unwrap_or(from).clamp(from, to), of.to.unwrap_or(to).clamp(from, to));
    if changes.is_empty() {
        return Coverage::Untold;
    }
    let mut found = vec![(from, first)];
    let mut since = changes.first().filter(|(_, there)| *there).map(|_| first);
    for (at, there) in changes {
        let at = at.clamp(first, last);
        match since {
            Some(gap) if there => {
                found.push((gap, at));
                since = None;
            }
            None if !there => since = Some(at),
            _ => {}
        }
    }
    found.extend(since.map(|gap| (gap, last)));
    found.push((last, to));
    let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    for (begin, end) in found.into_iter().filter(|(begin, end)| begin < end) {
        match merged.last_mut() {
            Some((_, before)) if *before >= begin => *before = end.max(*before),
            _ => merged.push((begin, end)),
        }
    }
    Coverage::Gaps(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn gaps_are_what_lies_between_an_end_and_the_next_beginning() {
        let of = |from: Option<i64>, to: Option<i64>| Recording {
            token: "r".into(),
            title: String::new(),
            from: from.map(at),
            to: to.map(at),
            video: Some("v".into()),
        };
        for (recording, changes, want) in [
            // With the state at the beginning, as it should be.
            (of(Some(0), Some(100)), vec![(0, true), (20, false), (30, true), (100, false)], vec![(20, 30)]),
            // Asked about more than there is.
            (of(Some(10), Some(90)), vec![(10, true), (40, false), (50, true)], vec![(0, 10), (40, 50), (90, 100)]),
            // Begins within a gap, and ends in one.
            (of(None, None), vec![(0, false), (20, true), (80, false)], vec![(0, 20), (80, 100)]),
            // Out of order, and twice.
            (of(Some(0), Some(100)), vec![(30, true), (20, false), (0, true), (20, false)], vec![(20, 30)]),
        ] {
            let changes = changes.into_iter().map(|(s, there)| (at(s), there)).collect();
            let want = want.into_iter().map(|(a, b)| (at(a), at(b))).collect();
            assert_eq!(gaps(&recording, changes, at(0), at(100)), Coverage::Gaps(want));
        }
        assert_eq!(gaps(&of(None, None), vec![], at(0), at(100)), Coverage::Untold);
    }

    #[test]
    fn times_are_read_with_a_zone_and_without_one_and_none_is_no_time() {
        assert_eq!(time("2027-01-15T08:00:00Z"), Some(at(0)));
        assert_eq!(time("2027-01-15T09:00:00.0+01:00"), Some(at(0)));
        assert_eq!(time("2027-01-15T08:00:00"), Some(at(0)));
        for bad in ["1970-01-01T00:00:00Z", "", "yesterday"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
