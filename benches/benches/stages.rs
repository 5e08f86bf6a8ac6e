//! Every stage against its own limit, in turn in one run: decode against `gst-launch-1.0`, the models against bare ONNX
//! sessions, the index against a plain scan in memory, the whole path against the sum of decoding and models.
//!
//! `cargo bench --workspace --bench stages -- "$PWD/VIDEO"` prints a table; quote its ratios, not its milliseconds.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use index::{IndexEntry, IndexQuery, IndexSpec, QueryVector, VectorIndex};
use media::{FrameReader, Sampling};
use ort::{session::Session, value::TensorRef};
use pipeline::{AttentionOptions, FootageTask, SceneOptions, run_footage};
use redact::{Subject, redact, view_region};
use tokio_util::sync::CancellationToken;
use types::{
    AgencyId, CameraId, CaptureTime, Class, ClockUncertainty, Description, Embedding, FootageDigest, Frame, ModelDigest, Rect,
    SightingId, TimeSource, TimeStamp, TimeWindow,
};
use uuid::Uuid;
use vision::{ModelStore, Role, Runtime, Vision, VisionOptions, time_in_models};

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    media::become_decoder_if_asked();
    let video = std::env::args().skip(1).find(|a| !a.starts_with('-')).map(PathBuf::from);
    let video = video.context("name a video: cargo bench --workspace --bench stages -- /absolute/path/to/VIDEO")?;
    ensure!(video.is_file(), "no file at {} (cargo runs benchmarks in their own folder: give an absolute path)", video.display());
    let store = ModelStore::from_env()?;
    let mut vision = Vision::load(&store, &VisionOptions::default())?;
    println!("| stage | ours | limit | ratio, limit to ours (min..max) | what the limit is |");
    println!("|---|---|---|---|---|");

    compare("decode, CPU a frame", "`gst-launch-1.0` decode to fakesink", || decode_ours(&video), || decode_limit(&video))?;

    let frames = sample(&video, 40)?;
    let size = frames[0].size();
    vision.detector.detect(&frames[0])?;
    let mut bare = BareModel::open(&store, Role::Detector, input_of(size))?;
    compare(
        "detect a frame",
        "the bare ONNX session",
        || each(&frames, |f| vision.detector.detect(f).map(keep).map_err(Into::into)),
        || each(&frames, |_| bare.run()),
    )?;

    around_the_model(&frames, &mut vision)?;

    let subjects = subjects(&frames, &mut vision)?;
    ensure!(!subjects.is_empty(), "nobody is seen in {}: take another video", video.display());
    let mut faces = BareModel::open(&store, Role::FaceFinder, (128, 128))?;
    let mut embedder = BareModel::open(&store, Role::Embedder, (256, 128))?;
    compare(
        "redact + embed a crop",
        "the bare sessions: faces in the head part and in the whole, then the embedder",
        || {
            each(&subjects, |(frame, region, subject)| {
                let raw = frame.crop(region).context("a crop")?;
                let crop = redact(raw, subject, &mut vision.faces)?;
                vision.embedder.embed(&crop).map(keep).map_err(Into::into)
            })
        },
        || {
            each(&subjects, |(_, _, subject)| {
                for _ in 0..=subject.people.len().max(1) {
                    faces.run()?;
                }
                embedder.run()
            })
        },
    )?;

    let points = Points::new(5_000, vision.embedder.digest(), vision.embedder.len());
    let (ours, _folder) = points.fill_ours()?;
    compare(
        "search 5,000, top 50",
        "a plain scan of the same vectors in memory",
        || points.search_ours(&ours),
        || Ok(points.search_bare()),
    )?;
    // Before the folder it lives in.
    drop(ours);

    let mut whole = Vec::new();
    for _ in 0..3 {
        whole.push(end_to_end(&video, &mut vision)?);
    }
    whole.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (ours, ratio) = whole[whole.len() / 2];
    println!(
        "| end to end, CPU a frame | {:.2} ms | {:.2} ms | {ratio:.2} ({:.2}..{:.2}) | decode by `gst-launch-1.0`, and the time in the models |",
        ours,
        ours * ratio,
        whole[0].1,
        whole[whole.len() - 1].1
    );
    Ok(())
}

/// Runs both in turn; each closure returns its time per item.
fn compare(
    stage: &str,
    what: &str,
    mut ours: impl FnMut() -> Result<Duration>,
    mut limit: impl FnMut() -> Result<Duration>,
) -> Result<()> {
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (x, y) = (ours()?, limit()?);
        ratios.push(y.as_secs_f64() / x.as_secs_f64());
        a.push(x);
        b.push(y);
    }
    a.sort();
    b.sort();
    ratios.sort_by(f64::total_cmp);
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        "| {stage} | {:.3} ms | {:.3} ms | {:.2} ({:.2}..{:.2}) | {what} |",
        ms(a[ROUNDS / 2]),
        ms(b[ROUNDS / 2]),
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
    Ok(())
}

/// What preparing a frame and reading boxes take, against the model's own time between the two.
fn around_the_model(frames: &[Frame], vision: &mut Vision) -> Result<()> {
    let (mut around, mut model) = (Vec::new(), Vec::new());
    for frame in frames.iter().cycle().take(ROUNDS * frames.len()) {
        vision.detector.detect(frame)?;
        let times = vision.detector.times();
        around.push(times.prepare + times.decode);
        model.push(times.model);
    }
    around.sort();
    model.sort();
    let ms = |all: &[Duration]| all[all.len() / 2].as_secs_f64() * 1e3;
    let (around, model) = (ms(&around), ms(&model));
    println!(
        "| prepare and read boxes, a frame | {around:.3} ms | {model:.3} ms | {:.3} of it | the model's own time |",
        around / model
    );
    Ok(())
}

/// So that the work behind a result is not optimised away.
fn keep<T>(result: T) {
    black_box(result);
}

fn each<T>(items: &[T], mut work: impl FnMut(&T) -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    items.iter().try_for_each(&mut work)?;
    Ok(began.elapsed() / items.len().max(1) as u32)
}

/// User and system time of this process, or of the children it has waited for.
fn cpu(children: bool) -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let at = if children { 13 } else { 11 };
    let ticks: u64 = fields[at].parse::<u64>()? + fields[at + 1].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn now() -> TimeStamp {
    TimeStamp { time: CaptureTime::now(), uncertainty: ClockUncertainty::default(), source: TimeSource::Given }
}

fn decode_ours(video: &Path) -> Result<Duration> {
    let before = cpu(false)?;
    let mut reader = FrameReader::open_file(video, Sampling::all(), now())?;
    let mut frames = 0;
    while let Some(frame) = reader.next(Duration::from_secs(60))? {
        black_box(&frame);
        frames += 1;
    }
    drop(reader);
    Ok((cpu(false)? - before) / frames)
}

fn decode_limit(video: &Path) -> Result<Duration> {
    let frames = media::probe(video)?;
    let count = frames.duration.context("a duration")?.as_secs_f64() * frames.frame_rate.context("a frame rate")?;
    let before = cpu(true)?;
    let status = Command::new("gst-launch-1.0")
        .args(["-q", "filesrc"])
        .arg(format!("location={}", video.display()))
        .args(["!", "decodebin", "!", "video/x-raw", "!", "fakesink", "sync=false"])
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "gst-launch-1.0 failed");
    Ok((cpu(true)? - before).div_f64(count.round()))
}

fn sample(video: &Path, most: usize) -> Result<Vec<Frame>> {
    let mut reader = FrameReader::open_file(video, Sampling { fps: 2.0, ..Sampling::default() }, now())?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next(Duration::from_secs(60))? {
        // Frames borrow the decoder's buffers, of which there are few: keep copies.
        let rows = |plane: usize, rows: usize| (0..rows).flat_map(|y| frame.row(plane, y).to_vec()).collect::<Vec<u8>>();
        let (height, chroma) = (frame.size().height as usize, (frame.size().height as usize).div_ceil(2));
        let planes: &[usize] = match frame.format() {
            types::PixelFormat::I420 => &[1, 2],
            types::PixelFormat::Nv12 => &[1],
            types::PixelFormat::Gray8 => &[],
        };
        let bytes = [rows(0, height)].into_iter().chain(planes.iter().map(|p| rows(*p, chroma))).flatten().collect();
        frames.push(Frame::packed(bytes, frame.size(), frame.format(), frame.matrix(), frame.at, frame.taken, frame.number)?);
        if frames.len() == most {
            break;
        }
    }
    ensure!(!frames.is_empty(), "no frames");
    Ok(frames)
}

/// NanoDet's default input for a frame of this shape, as the detector chooses it for common shapes.
fn input_of(size: types::Size) -> (usize, usize) {
    let aspect = f64::from(size.width) / f64::from(size.height);
    let pixels = 288.0 * 512.0;
    let side = |v: f64| ((v / 32.0).round() as usize).max(1) * 32;
    (side((pixels / aspect).sqrt()), side((pixels * aspect).sqrt()))
}

/// Errors of the bare libraries, some of which are not `Sync`.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

struct BareModel {
    session: Session,
    tensor: Vec<f32>,
    size: (usize, usize),
}

impl BareModel {
    fn open(store: &ModelStore, role: Role, size: (usize, usize)) -> Result<Self> {
        let entry = store.manifest().default(role)?;
        let session = Session::builder(Runtime::load(store)?.environment())
            .map_err(failed)?
            .with_intra_threads(1)
            .map_err(failed)?
            .with_intra_op_spinning(false)
            .map_err(failed)?
            .commit_from_file(store.path(&entry.name))
            .map_err(failed)?;
        Ok(Self { session, tensor: vec![0.1; 3 * size.0 * size.1], size })
    }

    fn run(&mut self) -> Result<()> {
        let input = TensorRef::from_array_view(([1, 3, self.size.0, self.size.1], &self.tensor[..])).map_err(failed)?;
        black_box(self.session.run(ort::inputs![input]).map_err(failed)?);
        Ok(())
    }
}

fn subjects(frames: &[Frame], vision: &mut Vision) -> Result<Vec<(Frame, Rect, Subject)>> {
    let mut all = Vec::new();
    for frame in frames {
        for d in vision.detector.detect(frame)?.into_iter().filter(|d| d.class == Class::Person && d.score > 0.4) {
            let region = view_region(&d.bbox);
            let Some(raw) = frame.crop(&region) else { continue };
            let (x, y) = raw.origin();
            let bbox = Rect::new(d.bbox.x - x as f32, d.bbox.y - y as f32, d.bbox.width, d.bbox.height);
            all.push((frame.clone(), region, Subject { class: d.class, bbox, people: vec![bbox] }));
        }
    }
    all.truncate(60);
    Ok(all)
}

/// CPU a frame in milliseconds, and the share of it that decoding and the models take at least: the models as they were asked
/// in that very run, however often and at whatever size.
fn end_to_end(video: &Path, vision: &mut Vision) -> Result<(f64, f64)> {
    let task = FootageTask {
        footage: media::Footage::open(video)?.into(),
        camera: CameraId::new("bench")?,
        agency: AgencyId::new("bench")?,
        digest: FootageDigest([0; 32]),
        start: now(),
        sampling: Sampling::default(),
        keep_readable: false,
        scene: SceneOptions {
            attention: AttentionOptions { gate: false, ..AttentionOptions::default() },
            ..SceneOptions::default()
        },
    };
    let info = media::probe(video)?;
    let native = info.duration.context("a duration")?.as_secs_f64() * info.frame_rate.context("a frame rate")?;
    let decode = decode_limit(video)?.as_secs_f64() * native;
    let (before, models) = (cpu(false)?, time_in_models());
    let mut sink = Vec::new();
    let done = run_footage(&task, vision, &mut sink, &mut |_| (), &CancellationToken::new())?;
    let (ours, models) = ((cpu(false)? - before).as_secs_f64(), (time_in_models() - models).as_secs_f64());
    let (stats, limit) = (done.progress.stats, decode + models);
    Ok((ours * 1e3 / stats.frames as f64, limit / ours))
}

/// Random unit vectors and description vectors over one day and 20 cameras.
struct Points {
    entries: Vec<IndexEntry>,
    day: TimeWindow,
    cameras: Vec<CameraId>,
}

impl Points {
    fn new(count: usize, model: ModelDigest, len: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let from: CaptureTime = "2026-03-01T00:00:00Z".parse().expect("a time");
        let cameras: Vec<CameraId> = (0..20).map(|i| CameraId::new(&format!("c{i}")).expect("an id")).collect();
        let entries = (0..count)
            .map(|i| {
                let values: Vec<f32> = (0..len).map(|_| random()).collect();
                let first = from.plus_micros(i as i64 * 86_400_000_000 / count as i64);
                IndexEntry {
                    id: SightingId(Uuid::from_u128(i as u128 + 1)),
                    day: first.day(),
                    camera: cameras[i % 20].clone(),
                    agency: AgencyId::new("a").expect("an id"),
                    class: Class::Person,
                    first,
                    last: first,
                    description: (0..Description::VECTOR_LEN).map(|_| random().abs()).collect(),
                    appearance: Embedding::normalised(model, values).expect("a vector"),
                }
            })
            .collect();
        Self { entries, day: TimeWindow::new(from, from.plus_micros(86_400_000_000)).expect("a day"), cameras }
    }

    fn spec(&self) -> IndexSpec {
        let appearance = &self.entries[0].appearance;
        IndexSpec { model: appearance.model(), appearance_len: appearance.values().len() }
    }

    /// The store first: it is closed before its folder goes.
    fn fill_ours(&self) -> Result<(VectorIndex, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        let index = VectorIndex::open(folder.path(), self.spec())?;
        for (i, batch) in self.entries.chunks(100).enumerate() {
            index.upsert(batch, i as u64 + 1)?;
        }
        index.flush()?;
        Ok((index, folder))
    }

    fn search_ours(&self, index: &VectorIndex) -> Result<Duration> {
        each(&self.entries[..50], |e| {
            let query = IndexQuery {
                window: self.day,
                cameras: self.cameras.clone(),
                classes: vec![Class::Person],
                vector: QueryVector::Appearance(e.appearance.clone()),
                limit: 50,
                exclude: Vec::new(),
            };
            index.search(&query).map(keep).map_err(Into::into)
        })
    }

    fn search_bare(&self) -> Duration {
        let began = Instant::now();
        for wanted in &self.entries[..50] {
            let mut scores: Vec<f32> = self.entries.iter().filter_map(|e| e.appearance.similarity(&wanted.appearance)).collect();
            scores.select_nth_unstable_by(49, |a, b| b.total_cmp(a));
            black_box(scores);
        }
        began.elapsed() / 50
    }
}
