use types::{AgencyId, CameraId, CaptureTime, Class, Day, Description, Embedding, ModelDigest, SightingId, TimeWindow};

use index::{IndexEntry, IndexQuery, IndexSpec, QueryVector, Scored, VectorIndex};

pub(crate) const LEN: usize = 8;
pub(crate) const MODEL: ModelDigest = ModelDigest([7; 32]);
pub(crate) const SPEC: IndexSpec = IndexSpec { model: MODEL, appearance_len: LEN };
/// 2026-03-01T00:00:00Z.
pub(crate) const START: i64 = 1_772_323_200_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;

pub(crate) fn time(micros: i64) -> CaptureTime {
    CaptureTime::from_micros(micros).unwrap()
}

pub(crate) fn camera(n: u64) -> CameraId {
    CameraId::new(&format!("camera-{n}")).unwrap()
}

pub(crate) fn id(n: u64) -> SightingId {
    SightingId::derive(&camera(0), b"test", n)
}

/// A unit vector that depends on `seed` alone.
pub(crate) fn appearance(seed: u64, len: usize) -> Embedding {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let raw: Vec<f32> = (0..len).map(|_| next()).collect();
    Embedding::normalised(MODEL, raw).unwrap()
}

pub(crate) fn description(seed: u64) -> Vec<f32> {
    let mut v = vec![0.0; Description::VECTOR_LEN];
    v[seed as usize % Description::VECTOR_LEN] = 1.0;
    v[(seed / 3) as usize % Description::VECTOR_LEN] = 0.5;
    v
}

/// Sighting `n` with content `seed`, first seen `at` microseconds after [`START`] for ten seconds.
pub(crate) fn entry(n: u64, seed: u64, at: i64) -> IndexEntry {
    let first = time(START + at);
    IndexEntry {
        id: id(n),
        day: first.day(),
        camera: camera(seed % 5),
        agency: AgencyId::new(&format!("agency-{}", seed % 2)).unwrap(),
        class: Class::ALL[seed as usize % 3],
        first,
        last: first.plus_micros(10_000_000),
        description: description(seed),
        appearance: appearance(seed, LEN),
    }
}

pub(crate) fn all_cameras() -> Vec<CameraId> {
    (0..5).map(camera).collect()
}

pub(crate) fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(time(START + from), time(START + to)).unwrap()
}

pub(crate) fn query(vector: QueryVector) -> IndexQuery {
    IndexQuery {
        window: window(-240 * HOUR, 240 * HOUR),
        cameras: all_cameras(),
        classes: Vec::new(),
        vector,
        limit: 10_000,
        exclude: Vec::new(),
    }
}

/// What a search must find, by the plainest code there is.
pub(crate) fn expected<'a>(entries: impl Iterator<Item = &'a IndexEntry>, query: &IndexQuery) -> Vec<Scored> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut found: Vec<_> = entries
        .filter(|e| e.first < query.window.to() && e.last >= query.window.from())
        .filter(|e| query.cameras.contains(&e.camera))
        .filter(|e| query.classes.is_empty() || query.classes.contains(&e.class))
        .filter(|e| !query.exclude.contains(&e.id))
        .map(|e| {
            let score = match &query.vector {
                QueryVector::Description(v) => dot(v, &e.description),
                QueryVector::Appearance(v) => dot(v.values(), e.appearance.values()),
            };
            Scored { id: e.id, score }
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    found
}

/// The best `limit` of `all`; where scores tie at the end, any of those tied.
#[track_caller]
pub(crate) fn assert_best(found: &[Scored], all: &[Scored], limit: usize) {
    assert_eq!(found.len(), all.len().min(limit));
    let mut seen = std::collections::HashSet::new();
    for (got, want) in found.iter().zip(all) {
        assert!((got.score - want.score).abs() < 1e-5, "{got:?} where {want:?} should be");
        let own = all.iter().find(|s| s.id == got.id).expect("found something outside the filter");
        assert!((got.score - own.score).abs() < 1e-5, "{got:?} should score {own:?}");
        assert!(seen.insert(got.id), "{got:?} twice");
    }
}

pub(crate) fn ids_on(index: &VectorIndex, day: Day) -> Vec<SightingId> {
    index.ids(day).unwrap()
}

/// Runs an ignored test of this binary in a process of its own.
pub(crate) fn child(test: &str, dir: &std::path::Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env("INDEX_TEST_DIR", dir);
    command
}

/// The folder a child was told to use.
pub(crate) fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os("INDEX_TEST_DIR").map(Into::into)
}
