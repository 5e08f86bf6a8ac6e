//! How a search behaves among ten thousand, a hundred thousand, a million sightings: latency through the whole server, what
//! is found against a search of our own, and what all of it takes. Numbers are told, only what is found is asserted.
//!
//! `SIGHTLINE_SCALE` sightings (10000 unless told); with `SIGHTLINE_SCALE_HOME` they are kept there and made only once, and
//! with `SIGHTLINE_SCALE_FILL=1` nothing but that is done. Interrupted, filling goes on where it was.
//!
//! With `SIGHTLINE_TEST_QDRANT` the index is on that server, whose files lie in `SIGHTLINE_TEST_QDRANT_STORAGE`.

#[path = "scale/measure.rs"]
mod measure;
#[path = "scale/setup.rs"]
mod setup;
#[path = "scale/synthetic.rs"]
mod synthetic;
#[path = "scale/traffic.rs"]
mod traffic;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use index::{IndexQuery, QueryVector};
use proto::v1::{self, search_service_client::SearchServiceClient};
use serde_json::{Value, json};
use tonic::transport::Channel;
use types::*;

use crate::harness::Deployed;
use measure::{disk, latency, resident, round, table};
use setup::Filled;
use synthetic::{CAMERAS, DAYS, Draw, camera_id};

const SEARCHES: usize = 400;
const WARM_UP: usize = 20;
const TOP: usize = 50;
/// A case covers a tenth of the time and a tenth of the cameras.
const CASE_HOURS: i64 = DAYS * 24 / 10;
const CASE_CAMERAS: usize = CAMERAS / 10;

/// A sighting the case covers, as our own search knows it.
struct Covered {
    sighting: Sighting,
    words: Vec<f32>,
    looks: Embedding,
}

/// What is asked, and the vector that our own search compares.
struct Question {
    request: v1::SearchRequest,
    class: Class,
    vector: QueryVector,
    like: Option<SightingId>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: SIGHTLINE_SCALE, SIGHTLINE_SCALE_HOME, SIGHTLINE_SCALE_FILL"]
async fn a_case_search_among_many_sightings_finds_what_is_there() {
    let Some(filled) = setup::fill().await else { return };
    if std::env::var_os("SIGHTLINE_SCALE_FILL").is_some() {
        return;
    }
    let mut report =
        json!({ "sightings": filled.synthetic.len(), "durable_write_ms": measure::durable_write(filled.home.root()) });

    let before = resident();
    let began = Instant::now();
    let mut deployed = Deployed::in_home(filled.home.clone()).await;
    report["start_s"] = round(began.elapsed().as_secs_f64()).into();
    report["resident_mib"]["started"] = grown(before);

    let window = TimeWindow::new(filled.end.plus_micros(-CASE_HOURS * 3_600_000_000), filled.end).unwrap();
    let covered = covered(&filled, &window);
    report["covered"] = covered.len().into();
    assert!(covered.len() > TOP, "the case covers {}", covered.len());
    let case = setup::open_case(&deployed, &window).await;
    let channel = deployed.channel("investigator").await;
    for (name, make) in [("words", by_words as fn(&Covered, &str) -> Option<Question>), ("likeness", by_likeness)] {
        let questions = questions(&covered, &case, make);
        let (first, _) = ask_all(&channel, &questions[..WARM_UP]).await;
        let (times, answers) = ask_all(&channel, &questions).await;
        report["case_search"][name] = latency(&times);
        // What nobody asked for yet: from the disk, if the system's caches were dropped before the start.
        report["case_search"][name]["first"] = latency(&first);
        let recall = recall(&covered, &questions, &answers);
        report["case_search"][name]["recall_at_10"] = recall.into();
        assert!(recall >= 0.98, "{name}: recall at 10 is {recall}");
    }
    report["resident_mib"]["searched"] = grown(before);

    // A case that reaches until now: its searches read the day that is written to.
    let until_now = TimeWindow::new(window.from(), CaptureTime::now().plus_micros(900_000_000)).unwrap();
    let case = setup::open_case(&deployed, &until_now).await;
    let both: Vec<_> = questions(&covered, &case, by_words)
        .into_iter()
        .zip(questions(&covered, &case, by_likeness))
        .flat_map(|(words, likeness)| [words, likeness])
        .collect();
    // Numbers that no earlier run has used.
    let mut next = CaptureTime::now().as_micros().unsigned_abs() / 1000;
    for (name, rate) in [("at_20_a_second", Some(20.0)), ("flat_out", None)] {
        let traffic = traffic::start(&deployed, &filled.synthetic, next, rate).await;
        let began = Instant::now();
        let mut times = Vec::new();
        while began.elapsed() < traffic::LASTS {
            times.extend(ask_all(&channel, &both[times.len() % both.len()..][..2]).await.0);
        }
        let taken = traffic.stop().await;
        report["ingest"][name] = latency(&times);
        report["ingest"][name]["sightings_a_second"] = round(taken as f64 / began.elapsed().as_secs_f64()).into();
        next += taken;
    }
    report["resident_mib"]["after_ingest"] = grown(before);
    drop(channel);
    deployed.stop().await;
    if let Some((own, mapped)) = measure::resident_of("qdrant") {
        let mib = |bytes: u64| round(bytes as f64 / f64::from(1 << 20));
        report["resident_mib"]["index_server"] = json!({ "own": mib(own), "mapped_files": mib(mapped) });
    }

    report["index_call"] = raw(&filled, &covered, &window);
    for name in ["words", "likeness"] {
        let of = |what: &Value| what[name]["p50_ms"].as_f64().unwrap();
        report["case_search"][name]["ratio_to_index_call"] = round(of(&report["case_search"]) / of(&report["index_call"])).into();
    }
    let counts = filled.counts().await;
    assert_eq!(counts.0, counts.1, "catalogue and index hold different counts");
    report["stored"] = counts.0.into();
    let data = filled.home.root().join("data");
    for (name, folders) in
        [("crops", vec![data.join("crops")]), ("index", filled.collections().unwrap_or_else(|| vec![data.join("index")]))]
    {
        let (bytes, files) = folders.iter().map(|f| disk(f)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        report["disk"][name] = json!({ "mb": round(bytes as f64 / 1e6), "files": files, "bytes_a_sighting": bytes / counts.0 });
    }
    let all = disk(&data).0;
    let catalogue = all - disk(&data.join("crops")).0 - disk(&data.join("index")).0;
    report["disk"]["catalogue"] = json!({ "mb": round(catalogue as f64 / 1e6), "bytes_a_sighting": catalogue / counts.0 });
    report["real_tracklets"] = filled.tracklets.clone();
    eprintln!("{}\n{report}", table(&report));
}

fn grown(before: (u64, u64)) -> Value {
    let now = resident();
    let mib = |now: u64, before: u64| round((now as f64 - before as f64) / f64::from(1 << 20));
    json!({ "own": mib(now.0, before.0), "mapped_files": mib(now.1, before.1) })
}

/// Every so-manyth camera, so that busy and quiet ones are among them.
fn case_cameras() -> Vec<CameraId> {
    (0..CASE_CAMERAS).map(|n| camera_id(n * CAMERAS / CASE_CAMERAS + 4)).collect()
}

fn covered(filled: &Filled, window: &TimeWindow) -> Vec<Covered> {
    let cameras = case_cameras();
    (0..filled.synthetic.len())
        .map(|n| filled.synthetic.sighting(n))
        .filter(|(s, _)| cameras.contains(&s.camera) && s.first.time < window.to() && s.last.time >= window.from())
        .map(|(sighting, looks)| Covered { words: sighting.description.to_vector(), sighting, looks })
        .collect()
}

fn questions(covered: &[Covered], case: &str, make: fn(&Covered, &str) -> Option<Question>) -> Vec<Question> {
    let mut draw = Draw::of(7, 7);
    let made: Vec<_> =
        (0..SEARCHES * 20).filter_map(|_| make(&covered[draw.below(covered.len())], case)).take(SEARCHES).collect();
    assert_eq!(made.len(), SEARCHES);
    made
}

/// What somebody wears above and below, or the colour of a vehicle.
fn by_words(seen: &Covered, case: &str) -> Option<Question> {
    let (class, d) = (seen.sighting.class, &seen.sighting.description);
    let words = match (d.upper, d.lower, d.vehicle_colour) {
        (Some(upper), Some(lower), _) => {
            DescriptionQuery { class: Some(class), upper: Some(upper.word), lower: Some(lower.word), ..Default::default() }
        }
        (None, None, Some(colour)) => {
            DescriptionQuery { class: Some(class), vehicle_colour: Some(colour.word), ..Default::default() }
        }
        _ => return None,
    };
    let vector = QueryVector::Description(words.to_vector());
    let request =
        v1::SearchRequest { case_id: case.into(), description: Some((&words).into()), limit: TOP as u32, ..Default::default() };
    Some(Question { request, class, vector, like: None })
}

fn by_likeness(seen: &Covered, case: &str) -> Option<Question> {
    let class = seen.sighting.class;
    let words = DescriptionQuery { class: Some(class), ..Default::default() };
    let request = v1::SearchRequest {
        case_id: case.into(),
        description: Some((&words).into()),
        like_sighting_id: seen.sighting.id.to_string(),
        limit: TOP as u32,
        ..Default::default()
    };
    Some(Question { request, class, vector: QueryVector::Appearance(seen.looks.clone()), like: Some(seen.sighting.id) })
}

/// One after the other: how long each took until its last message, and what came.
async fn ask_all(channel: &Channel, questions: &[Question]) -> (Vec<Duration>, Vec<Vec<SightingId>>) {
    let mut client = SearchServiceClient::new(channel.clone());
    let (mut times, mut answers) = (Vec::new(), Vec::new());
    for question in questions {
        // An example is one that was handed out under the case.
        if let Some(like) = question.like {
            let request = v1::GetCropRequest { case_id: question.request.case_id.clone(), sighting_id: like.to_string() };
            client.get_crop(request).await.unwrap();
        }
        let began = Instant::now();
        let mut parts = client.search(question.request.clone()).await.unwrap().into_inner();
        let (mut hits, mut summary) = (Vec::new(), None);
        while let Some(part) = parts.message().await.unwrap() {
            match part.part.unwrap() {
                v1::search_response::Part::Hit(hit) => hits.push(proto::sighting_id(&hit.sighting.unwrap().id).unwrap()),
                v1::search_response::Part::Summary(s) => summary = Some(s),
            }
        }
        times.push(began.elapsed());
        let summary = summary.unwrap();
        assert!(summary.completed_audit_seq > summary.audit_seq && summary.withheld == 0, "{summary:?}");
        answers.push(hits);
    }
    (times, answers)
}

/// The share of our own ten best that are among the first ten; one that scores like the tenth counts as it.
fn recall(covered: &[Covered], questions: &[Question], answers: &[Vec<SightingId>]) -> f64 {
    let by_id: HashMap<_, _> = covered.iter().map(|c| (c.sighting.id, c)).collect();
    let (mut wanted, mut found) = (0, 0);
    for (question, answer) in questions.iter().zip(answers) {
        let score = |c: &Covered| match &question.vector {
            QueryVector::Description(words) => words.iter().zip(&c.words).map(|(a, b)| a * b).sum::<f32>(),
            QueryVector::Appearance(looks) => looks.similarity(&c.looks).unwrap(),
        };
        let fits = |c: &&Covered| c.sighting.class == question.class && Some(c.sighting.id) != question.like;
        let mut best: Vec<_> = covered.iter().filter(fits).map(score).filter(|s| *s > 0.0).collect();
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        best.truncate(10);
        wanted += best.len();
        let Some(last) = best.last() else { continue };
        let first_ten = answer.iter().take(10).map(|id| by_id.get(id).unwrap_or_else(|| panic!("{id} is not in the case")));
        found += first_ten.filter(|c| score(c) >= last - 1e-5).count();
    }
    found as f64 / wanted as f64
}

/// The same questions to the index alone.
fn raw(filled: &Filled, covered: &[Covered], window: &TimeWindow) -> Value {
    let index = filled.index();
    let mut told = json!({});
    for (name, make) in [("words", by_words as fn(&Covered, &str) -> Option<Question>), ("likeness", by_likeness)] {
        let queries: Vec<_> = questions(covered, "none", make)
            .into_iter()
            .map(|q| IndexQuery {
                window: *window,
                cameras: case_cameras(),
                classes: vec![q.class],
                vector: q.vector,
                limit: TOP,
                exclude: q.like.into_iter().collect(),
            })
            .collect();
        let time = |query: &IndexQuery| {
            let began = Instant::now();
            index.search(query).unwrap();
            began.elapsed()
        };
        queries[..WARM_UP].iter().map(time).for_each(|_| ());
        told[name] = latency(&queries.iter().map(time).collect::<Vec<_>>());
    }
    told
}
