//! Reads in turn, and says what came.

use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use media::{FrameReader, MediaError, Network, Networks, RtspSource, Sampling, in_process::Reader};
use types::{CaptureTime, ClockUncertainty, TimeSource, TimeStamp};

const PATIENCE: Duration = Duration::from_secs(30);
/// Memory is looked at when so many pictures have come.
const WARM: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Here,
    Cell,
}

/// What is read and until when.
enum Task {
    File { path: String, sampling: Sampling, most: u64 },
    Live { url: String, lasts: Duration },
}

enum Source {
    Here(Box<Reader>),
    Cell(Box<FrameReader>),
}

#[derive(Clone, Copy, Default)]
struct Round {
    pictures: u64,
    wall: Duration,
    cpu: Duration,
    first: Duration,
}

/// In KiB.
#[derive(Clone, Copy, Default)]
struct Memory {
    resident: i64,
    proportional: i64,
    private: i64,
}

type Failed = Box<dyn Error>;

#[expect(clippy::print_stdout, reason = "an example talks")]
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failed> {
    let usage = "name a measurement: see the head of examples/cost.rs";
    let (what, input) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let mut next = || arguments.next();
    let (task, rounds) = match what.as_str() {
        "file" => {
            let fps = next().unwrap_or_default();
            let sampling = if fps == "all" { Sampling::all() } else { Sampling { fps: fps.parse()?, ..Sampling::default() } };
            (Task::File { path: input, sampling, most: u64::MAX }, 5)
        }
        "start" => (Task::File { path: input, sampling: Sampling::default(), most: 1 }, 20),
        "live" => (Task::Live { url: input, lasts: Duration::from_secs(next().ok_or(usage)?.parse()?) }, 3),
        _ => return Err(usage.into()),
    };
    let rounds: usize = next().map_or(Ok(rounds), |rounds| rounds.parse())?;
    // What is loaded once for all that follow is no cost of any of them.
    for by in [By::Here, By::Cell] {
        read(&task, by, Some(3), &mut |_| {})?;
    }
    let mut all: [Vec<Round>; 2] = Default::default();
    for i in 0..rounds {
        let turn = [By::Here, By::Cell];
        for by in if i % 2 == 0 { turn } else { [By::Cell, By::Here] } {
            let round = read(&task, by, None, &mut |_| {})?;
            println!("{:<10} {}", name(by), line(&round));
            all[by as usize].push(round);
        }
    }
    let [here, cell] = all.map(|rounds| median(&rounds));
    println!("medians of {rounds}\n{:<10} {}\n{:<10} {}", name(By::Here), line(&here), name(By::Cell), line(&cell));
    let ratio = |of: fn(&Round) -> Duration| of(&cell).as_secs_f64() / of(&here).as_secs_f64();
    let rate = |round: &Round| round.pictures as f64 / round.wall.as_secs_f64();
    println!(
        "throughput {:.3}, CPU {:.3}, first picture {:+.1} ms, CPU {:+.1} ms",
        rate(&cell) / rate(&here),
        ratio(|round| round.cpu),
        millis(cell.first) - millis(here.first),
        millis(cell.cpu) - millis(here.cpu)
    );
    for by in [By::Here, By::Cell] {
        let memory = memory_of(&task, by)?;
        let Memory { resident, proportional, private } = memory;
        println!("{:<10} memory: resident {resident} KiB, proportional {proportional}, private {private}", name(by));
    }
    Ok(())
}

fn name(by: By) -> &'static str {
    if by == By::Here { "in process" } else { "cell" }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn line(round: &Round) -> String {
    let Round { pictures, wall, cpu, first } = round;
    format!("{pictures} pictures, wall {:.1} ms, CPU {:.1} ms, first after {:.1} ms", millis(*wall), millis(*cpu), millis(*first))
}

fn median(rounds: &[Round]) -> Round {
    let of = |part: fn(&Round) -> Duration| {
        let mut all: Vec<_> = rounds.iter().map(part).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let pictures = rounds.first().map_or(0, |round| round.pictures);
    Round { pictures, wall: of(|r| r.wall), cpu: of(|r| r.cpu), first: of(|r| r.first) }
}

/// From before the opening until everything of it is gone.
fn read(task: &Task, by: By, most: Option<u64>, at: &mut dyn FnMut(u64)) -> Result<Round, MediaError> {
    let (cpu, began) = (cpu(), Instant::now());
    let mut round = Round::default();
    let mut source = open(task, by)?;
    let (limit, until) = match task {
        Task::File { most, .. } => (*most, None),
        Task::Live { lasts, .. } => (u64::MAX, Some(*lasts)),
    };
    let limit = most.unwrap_or(limit).min(limit);
    while round.pictures < limit && until.is_none_or(|until| began.elapsed() < until) {
        let came = match &mut source {
            Source::Here(reader) => reader.next(PATIENCE)?,
            Source::Cell(reader) => reader.next(PATIENCE)?.is_some(),
        };
        if !came {
            break;
        }
        if round.pictures == 0 {
            round.first = began.elapsed();
        }
        round.pictures += 1;
        at(round.pictures);
    }
    drop(source);
    (round.wall, round.cpu) = (began.elapsed(), self::cpu() - cpu);
    Ok(round)
}

fn open(task: &Task, by: By) -> Result<Source, MediaError> {
    let start = TimeStamp { time: CaptureTime::now(), uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
    Ok(match (task, by) {
        (Task::File { path, sampling, .. }, By::Here) => {
            Source::Here(Box::new(Reader::open_file(Path::new(path), sampling.clone())?))
        }
        (Task::File { path, sampling, .. }, By::Cell) => {
            Source::Cell(Box::new(FrameReader::open_file(Path::new(path), sampling.clone(), start)?))
        }
        (Task::Live { url, .. }, By::Here) => Source::Here(Box::new(Reader::open_rtsp(url, &camera(url)?, Sampling::default())?)),
        (Task::Live { url, .. }, By::Cell) => Source::Cell(Box::new(FrameReader::open_rtsp(&camera(url)?, Sampling::default())?)),
    })
}

/// On this machine, as `rtsp_server` is.
fn camera(url: &str) -> Result<RtspSource, MediaError> {
    let broken = |what: String| MediaError::Internal { input: "camera".to_owned(), what };
    let camera = RtspSource::new(url).map_err(|error| broken(error.to_string()))?;
    let here = "127.0.0.0/8".parse::<Network>().map_err(|error| broken(error.to_string()))?;
    Ok(camera.within(Networks::new([here])))
}

/// Of this process and of those that it started and that are gone.
fn cpu() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(used).sum()
}

#[expect(unsafe_code, reason = "a system call")]
fn used(by: libc::c_int) -> Duration {
    let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is all numbers, which the call fills.
    let used = unsafe {
        libc::getrusage(by, used.as_mut_ptr());
        used.assume_init()
    };
    let of = |time: libc::timeval| Duration::from_micros((time.tv_sec * 1_000_000 + time.tv_usec).unsigned_abs());
    of(used.ru_utime) + of(used.ru_stime)
}

/// Of one more reader: how much more this process has, and what its decoder has.
fn memory_of(task: &Task, by: By) -> Result<Memory, MediaError> {
    let before = memory("self");
    let mut more = Memory::default();
    let mut look = |pictures: u64| {
        if pictures == WARM {
            more = memory("self").plus(before, -1);
            for child in children() {
                more = more.plus(memory(&child), 1);
            }
        }
    };
    read(task, by, Some(WARM), &mut look)?;
    Ok(more)
}

impl Memory {
    fn plus(self, other: Self, sign: i64) -> Self {
        Self {
            resident: self.resident + sign * other.resident,
            proportional: self.proportional + sign * other.proportional,
            private: self.private + sign * other.private,
        }
    }
}

fn memory(process: &str) -> Memory {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let of = |name: &str| -> i64 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<i64>().ok());
        lines.sum()
    };
    Memory { resident: of("Rss:"), proportional: of("Pss:"), private: of("Private_Clean:") + of("Private_Dirty:") }
}

fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path().join("children"));
    let text: String = tasks.filter_map(|file| fs::read_to_string(file).ok()).collect();
    text.split_whitespace().map(str::to_owned).collect()
}
