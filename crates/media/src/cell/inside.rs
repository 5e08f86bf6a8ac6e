//! The decoder's process: gives up what it does not need, then decodes what it is asked for until nobody asks any more.

use std::{
    fs::{self, File},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    confine,
    message::{Ask, Came, Counts, Failure, Job, Kind, Picture, Say, receive, send},
    ring::{Easel, LARGEST},
    sys,
};
use crate::{
    Footage, MediaError, abilities,
    first_picture::first_picture,
    reader::{self, LocalReader, Way},
    told::told,
};

/// How often it says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How long the parent may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a look for the next picture takes at most. Long enough for a file's reader to notice that nothing lives any more.
const FILE_TICK: Duration = Duration::from_millis(500);
const CAMERA_TICK: Duration = Duration::from_millis(50);

/// The parent is gone, or nothing can be said to it.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// What the process ends with. Called before there is a second thread.
pub(super) fn main() -> i32 {
    // Not ours to have: whatever the parent or its libraries left open.
    if sys::close_from(3).is_err() {
        return 3;
    }
    let control = sys::standard_input();
    if !sys::is_ours(control.as_fd()) {
        return 2;
    }
    // The thread that started this lives as long as its process.
    let with_parent = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    if with_parent.is_err() {
        return 3;
    }
    match work(&control) {
        Ok(()) => 0,
        Err(Over) => 1,
    }
}

fn work(control: &OwnedFd) -> Result<(), Over> {
    let Came::Message(job, mut with) = receive::<Job>(control, PATIENCE, true)? else { return Err(Over) };
    if matches!(job.kind, Kind::Registry) {
        return registry(control.as_fd());
    }
    // Of tests alone: as on the oldest kernel, and what it does wrong.
    let oldest = job.fault.as_deref().is_some_and(|fault| fault.starts_with("abi2"));
    let fault = job.fault.as_deref().map(|fault| fault.strip_prefix("abi2:").unwrap_or(fault));
    // The first is the registry, whose number the parent knows.
    let footage = if job.kind.reads_footage() { with.pop() } else { None };
    // One that can't be nicer is as fast as the others.
    let _ = rustix::process::setpriority_process(None, job.nice);
    confine::limit()?;
    #[cfg(debug_assertions)]
    super::faults::before(fault);
    let listener = match job.confined.then(|| confine::confine(footage.as_ref(), job.kind.connects(), oldest)) {
        None => None,
        Some(Ok(listener)) => listener,
        Some(Err(what)) => {
            send(control.as_fd(), &Say::Unconfined { what }, &[], false)?;
            return Ok(());
        }
    };
    let listener: Vec<BorrowedFd<'_>> = listener.iter().map(AsFd::as_fd).collect();
    send(control.as_fd(), &Say::Confined, &listener, false)?;
    drop(listener);
    #[cfg(debug_assertions)]
    super::faults::after(fault, control.as_fd());
    let footage = footage.map(Footage::inherited).transpose().map_err(|_| Over)?;
    let said = match (job.kind, footage) {
        (Kind::File { how, from }, Some(footage)) => match LocalReader::open_footage(&footage, how.into(), from) {
            Ok(reader) => {
                send(control.as_fd(), &Say::Opened, &[], false)?;
                return pictures(control, reader, FILE_TICK, fault);
            }
            Err(error) => Err(error),
        },
        (Kind::Camera { how, location, key, latency, timeout }, _) => {
            match LocalReader::open_rtsp(&Way { location, key, latency, timeout }, how.into()) {
                Ok(reader) => return pictures(control, reader, CAMERA_TICK, fault),
                Err(error) => Err(error),
            }
        }
        (Kind::Replay { how, line }, _) => match LocalReader::open_replay(&line, how.into()) {
            Ok(reader) => return pictures(control, reader, CAMERA_TICK, fault),
            Err(error) => Err(error),
        },
        (Kind::Probe, Some(footage)) => first_picture(&footage).map(|(reader, size)| Say::Info(reader.info(size).into())),
        (Kind::Recorded, Some(footage)) => told(&footage).map(|micros| Say::Recorded { micros }),
        (Kind::Installed, _) => abilities::look().map(|(version, found)| Say::Installed { version, found }),
        _ => return Err(Over),
    };
    let said = said.unwrap_or_else(|error| Say::Failed(error.into(), Counts::default()));
    send(control.as_fd(), &said, &[], false)?;
    until_closed(control)
}

/// One picture whenever one is asked for.
fn pictures(control: &OwnedFd, mut reader: LocalReader, tick: Duration, fault: Option<&str>) -> Result<(), Over> {
    let mut easel = None;
    let mut wanted: Option<usize> = None;
    let mut read = Read::default();
    let mut beat = Instant::now();
    loop {
        let wait = if wanted.is_some() { Duration::ZERO } else { BEAT };
        match receive::<Ask>(control, wait, true)? {
            // The reader's end says goodbye to the camera.
            Came::Closed => return Ok(()),
            Came::Message(Ask::Picture { slot } | Ask::Ring { slot }, _) => wanted = Some(slot),
            Came::Nothing => {}
        }
        if let Some(slot) = wanted {
            match reader.next(tick) {
                Ok(Some(picture)) => {
                    wanted = None;
                    let counts = Counts::of(reader.stats(), reader.reached(), read.last);
                    hand_over(control, &mut easel, slot, &picture, counts, fault)?;
                    continue;
                }
                Err(MediaError::Stalled { .. }) => {}
                ended => {
                    let counts = Counts::of(reader.stats(), reader.reached(), read.last);
                    let said = match ended {
                        Err(error) => Say::Failed(error.into(), counts),
                        Ok(_) => Say::End(counts),
                    };
                    send(control.as_fd(), &said, &[], false)?;
                    return until_closed(control);
                }
            }
        }
        if beat.elapsed() >= BEAT {
            beat = Instant::now();
            let counts = Counts::of(reader.stats(), reader.reached(), read.now());
            // Where nobody listens it need not be said.
            let _ = send(control.as_fd(), &Say::Beat(counts), &[], true);
        }
    }
}

fn hand_over(
    control: &OwnedFd,
    easel: &mut Option<Easel>,
    mut slot: usize,
    picture: &reader::Picture,
    counts: Counts,
    fault: Option<&str>,
) -> Result<(), Over> {
    let pixels = picture.pixels.source.bytes();
    if pixels.len() as u64 > LARGEST {
        let what = format!("a picture of {}x{} pixels", picture.pixels.size.width, picture.pixels.size.height);
        send(control.as_fd(), &Say::Failed(Failure::Unsupported(what), counts), &[], false)?;
        return until_closed(control);
    }
    if !easel.as_ref().is_some_and(|easel| easel.fits(pixels.len())) {
        send(control.as_fd(), &Say::Room { bytes: pixels.len() as u64 }, &[], false)?;
        let Came::Message(Ask::Ring { slot: given }, mut with) = receive(control, PATIENCE, true)? else { return Err(Over) };
        *easel = Some(Easel::new(&File::from(with.pop().ok_or(Over)?))?);
        slot = given;
    }
    if let Some(easel) = easel {
        easel.write(slot, pixels);
    }
    #[cfg_attr(not(debug_assertions), expect(unused_mut, reason = "for lies"))]
    let mut said = Picture::of(picture, counts);
    #[cfg(debug_assertions)]
    super::faults::at_picture(fault, &mut said, control.as_fd());
    #[cfg(not(debug_assertions))]
    let _ = fault;
    Ok(send(control.as_fd(), &Say::Picture(said), &[], false)?)
}

fn until_closed(control: &OwnedFd) -> Result<(), Over> {
    while !matches!(receive::<Ask>(control, BEAT, true)?, Came::Closed) {}
    Ok(())
}

/// How much this process has read, but for what it read to learn that.
#[derive(Default)]
struct Read {
    own: u64,
    last: u64,
}

impl Read {
    fn now(&mut self) -> u64 {
        let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let all: Option<u64> = text.lines().find_map(|line| line.strip_prefix("rchar: ")?.trim().parse().ok());
        self.last = all.unwrap_or_default().saturating_sub(self.own);
        self.own += text.len() as u64;
        self.last
    }
}

/// Has GStreamer look at its plugins, as it does for every program, and hands out what it noted down.
fn registry(control: BorrowedFd<'_>) -> Result<(), Over> {
    let opened = reader::load().and_then(|()| {
        File::open(registry_path())
            .map_err(|e| MediaError::Internal { input: String::new(), what: format!("its list of plugins can't be read: {e}") })
    });
    match opened {
        Ok(file) => send(control, &Say::Registry, &[file.as_fd()], false)?,
        Err(error) => send(control, &Say::Failed(error.into(), Counts::default()), &[], false)?,
    }
    Ok(())
}

/// Where GStreamer keeps it.
fn registry_path() -> PathBuf {
    if let Some(path) = std::env::var_os("GST_REGISTRY").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).unwrap_or_default();
    cache.join(format!("gstreamer-1.0/registry.{}.bin", std::env::consts::ARCH))
}
