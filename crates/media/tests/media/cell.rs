//! Decoders that misbehave, and what they can't reach. Faults are those of `media::decoders_fail`, which no release has.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use media::{Death, FrameReader, MediaError, Sampling, decoders_fail};

use types::Frame;

use crate::{
    left::{Left, alone, resident_kib},
    server::{Guard, Server, of_file},
    support::{camera_at, footage, make, read, start},
};

const SECOND: Duration = Duration::from_secs(1);
/// After so long without a frame or a fault something is wrong, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(300);

/// From the environment: `SIGHTLINE_FAULT_ROUNDS=100` goes through the faults so often, `SIGHTLINE_FAULT_OTHERS=8` has so many
/// cameras beside the one that fails.
fn many(variable: &str, usually: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(usually)
}

/// The next frame or what ended the reader, once there is either.
fn wait(reader: &mut FrameReader) -> Result<Option<Frame>, MediaError> {
    let began = Instant::now();
    loop {
        match reader.next(10 * SECOND) {
            Err(MediaError::Stalled { .. }) if began.elapsed() < PATIENCE => {}
            other => return other,
        }
    }
}

/// Five seconds of pictures under a name of their own, for faults go by names.
fn clip(dir: &Path, name: &str) -> PathBuf {
    make(
        dir,
        name,
        "videotestsrc num-buffers=50 ! video/x-raw,width=320,height=240,framerate=10/1 ! x264enc speed-preset=ultrafast \
         key-int-max=10 ! mp4mux ! {}",
    )
}

/// How a decoder of this file died, and after how many frames.
fn death(path: &Path) -> (Death, usize) {
    let outcome = read(path, Sampling::all());
    match outcome.end {
        Err(MediaError::Died { how, .. }) => (how, outcome.frames.len()),
        other => panic!("{}: {other:?} after {} frames", path.display(), outcome.frames.len()),
    }
}

#[test]
fn a_decoder_that_crashes_ends_or_lies_costs_its_own_reader_and_says_how() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "faulty-one.mp4");
    let good = clip(dir.path(), "good.mp4");
    let faults = [
        ("segv", Death::Signal(libc::SIGSEGV)),
        ("abort", Death::Signal(libc::SIGABRT)),
        ("memory", Death::Signal(libc::SIGABRT)),
        ("exit", Death::Exit(0)),
        ("lie:garbage", Death::Lied),
        ("lie:room", Death::Lied),
        ("lie:rooms", Death::Lied),
        ("lie:other", Death::Lied),
        ("lie:stride", Death::Lied),
        ("lie:offset", Death::Lied),
        ("lie:size", Death::Lied),
        ("lie:bytes", Death::Lied),
        ("lie:time", Death::Lied),
        ("lie:flood", Death::Lied),
    ];
    for round in 0..many("SIGHTLINE_FAULT_ROUNDS", 1) {
        let mut beside = FrameReader::open_file(&good, Sampling::all(), start()).unwrap();
        for (fault, wanted) in faults {
            decoders_fail("faulty-one.mp4", fault);
            let began = Instant::now();
            let (how, frames) = death(&path);
            eprintln!("round {round}, {fault}: over after {:?}", began.elapsed());
            assert_eq!((how, frames), (wanted, 3), "{fault}");
            assert!(wait(&mut beside).unwrap().is_some(), "{fault}");
        }
        decoders_fail("faulty-one.mp4", "");
        let outcome = read(&path, Sampling::all());
        assert_eq!((outcome.frames.len(), outcome.end), (50, Ok(())));
    }
    let died: u64 = media::decoders().died.iter().map(|(_, count)| count).sum();
    assert!(died >= 14, "{:?}", media::decoders());
}

#[test]
fn a_decoder_that_hangs_or_spins_is_ended_when_it_gets_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "faulty-two.mp4");
    for fault in ["hang", "spin"] {
        decoders_fail("faulty-two.mp4", fault);
        let began = Instant::now();
        assert_eq!(death(&path), (Death::Hung, 3), "{fault}");
        assert!(began.elapsed() > 25 * SECOND, "{fault}: {:?}", began.elapsed());
    }
    decoders_fail("faulty-two.mp4", "");
}

#[test]
fn a_decoder_that_dies_at_once_is_tried_once_more_and_told_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "faulty-three.mp4");
    for (fault, wanted) in [("start:segv", Death::Signal(libc::SIGSEGV)), ("before:exit", Death::Exit(0))] {
        decoders_fail("faulty-three.mp4", fault);
        let before = media::decoders().started;
        let error = media::probe(&path).unwrap_err();
        assert!(matches!(error, MediaError::Died { how, .. } if how == wanted), "{fault}: {error:?}");
        assert!(!error.is_permanent());
        assert!(media::decoders().started >= before + 2);
        let error = FrameReader::open_file(&path, Sampling::all(), start()).map(drop).unwrap_err();
        assert!(matches!(error, MediaError::Died { how, .. } if how == wanted), "{fault}: {error:?}");
    }
    decoders_fail("faulty-three.mp4", "");
    assert_eq!(media::probe(&path).unwrap().size.width, 320);
}

#[test]
fn a_cameras_decoder_that_dies_is_a_fault_of_that_camera_and_the_next_one_lives() {
    let Some(path) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    let server = Server::start(&of_file(&path), Guard::Open, |_| {});
    let camera = camera_at(&format!("rtsp://127.0.0.1:{}/live", server.port));
    let others = many("SIGHTLINE_FAULT_OTHERS", 1);
    let mut others: Vec<_> = (0..others).map(|_| FrameReader::open_rtsp(&camera, Sampling::default()).unwrap()).collect();
    assert!(others.iter_mut().all(|other| wait(other).unwrap().is_some()));
    let name = format!("127.0.0.1:{}", server.port);
    let faults =
        [("segv", Death::Signal(libc::SIGSEGV)), ("lie:stride", Death::Lied), ("hang", Death::Hung), ("spin", Death::Hung)];
    for (fault, wanted) in faults.into_iter().cycle().take(faults.len() * many("SIGHTLINE_FAULT_ROUNDS", 1)) {
        decoders_fail(&name, fault);
        let mut reader = FrameReader::open_rtsp(&camera, Sampling::default()).unwrap();
        decoders_fail(&name, "");
        let (mut frames, mut last) = (0, Instant::now());
        loop {
            match wait(&mut reader) {
                Ok(Some(_)) => (frames, last) = (frames + 1, Instant::now()),
                Err(MediaError::Died { how, .. }) if how == wanted => break,
                other => panic!("{fault}: {other:?}"),
            }
        }
        assert_eq!(frames, 3, "{fault}");
        let over = last.elapsed();
        let mut again = FrameReader::open_rtsp(&camera, Sampling::default()).unwrap();
        assert!(wait(&mut again).unwrap().is_some(), "{fault}");
        // The issue asks for 15 s; what a busy machine takes decides nothing.
        eprintln!("{fault}: known after {over:?}, the next picture after {:?}", last.elapsed());
        for other in &mut others {
            assert!(wait(other).unwrap().is_some(), "{fault}");
        }
    }
}

/// What became of it, in a decoder that is confined: an error number, or the signal that ended it.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Done,
    Refused(i32),
    Ended(i32),
}

/// On this kernel; with `abi2:` before it, by the rights that the oldest kernel has.
const KERNELS: [&str; 2] = ["", "abi2:"];

fn tried(path: &Path, kernel: &str, what: &str) -> Became {
    let name = path.file_name().unwrap().to_str().unwrap();
    decoders_fail(name, &format!("{kernel}try:{what}"));
    let error = FrameReader::open_file(path, Sampling::all(), start()).map(drop).unwrap_err();
    decoders_fail(name, "");
    match error {
        MediaError::Internal { what, .. } if what == "done" => Became::Done,
        MediaError::Internal { what, .. } => Became::Refused(what.strip_prefix("refused ").unwrap().parse().unwrap()),
        MediaError::Died { how: Death::Signal(signal), .. } => Became::Ended(signal),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn from_inside_no_file_can_be_read_but_libraries_and_nothing_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "escape-files.mp4");
    let other = dir.path().join("secret");
    std::fs::write(&other, "secret").unwrap();
    let (inside, outside) = (other.display(), std::process::id());
    let attempts = [
        "read /etc/passwd".to_owned(),
        format!("read {inside}"),
        format!("read {}", path.display()),
        format!("list {}", dir.path().display()),
        "list /".to_owned(),
        format!("read /proc/{outside}/environ"),
        format!("read /proc/{outside}/cmdline"),
        format!("read /proc/{outside}/mem"),
        format!("write {inside}"),
        format!("write {}/new", dir.path().display()),
        "write /tmp/sightline-escape".to_owned(),
        "write /dev/shm/sightline-escape".to_owned(),
        format!("remove {inside}"),
        format!("folder {}/folder", dir.path().display()),
    ];
    for (kernel, what) in KERNELS.iter().flat_map(|kernel| attempts.iter().map(move |what| (kernel, what))) {
        let became = tried(&path, kernel, what);
        // The footage itself may be read, by whatever name.
        if *what == format!("read {}", path.display()) {
            assert_eq!(became, Became::Done);
        } else {
            assert_eq!(became, Became::Refused(libc::EACCES), "{kernel}{what}");
        }
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "secret");
    for what in ["list /usr/lib", "thread"] {
        assert_eq!(KERNELS.map(|kernel| tried(&path, kernel, what)), [Became::Done, Became::Done], "{what}");
    }
}

#[test]
fn from_inside_no_process_can_be_made_looked_into_or_ended_and_no_socket_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "escape-calls.mp4");
    let (parent, ended) = (std::process::id(), Became::Ended(libc::SIGSYS));
    for (what, wanted) in [
        (format!("call {}", libc::SYS_execve), &ended),
        (format!("call {} 17 0 0 0 0", libc::SYS_clone), &ended),
        (format!("call {} 16 {parent} 0 0", libc::SYS_ptrace), &ended),
        (format!("call {} {parent} 0", libc::SYS_kill), &ended),
        (format!("call {} {parent} {parent} 0", libc::SYS_tgkill), &ended),
        (format!("call {} {parent} 0 0 0 0 0", libc::SYS_process_vm_readv), &ended),
        (format!("call {} {parent} 0", libc::SYS_pidfd_open), &ended),
        (format!("call {} 0 0 0", libc::SYS_bpf), &ended),
        (format!("call {} 8 0", libc::SYS_io_uring_setup), &ended),
        (format!("call {} 0 0 0 0 0", libc::SYS_mount), &ended),
        (format!("call {} 0", libc::SYS_unshare), &ended),
        (format!("call {} 0 0 0 0", libc::SYS_add_key), &ended),
        (format!("call {} 2 1 0", libc::SYS_socket), &Became::Refused(libc::EPERM)),
        (format!("call {} 10 2 0", libc::SYS_socket), &Became::Refused(libc::EPERM)),
        (format!("call {} 1 1 0", libc::SYS_socket), &Became::Refused(libc::EPERM)),
        (format!("call {} 16 3 0", libc::SYS_socket), &Became::Refused(libc::EPERM)),
        (format!("call {} 1 2 0 0", libc::SYS_socketpair), &Became::Refused(libc::EPERM)),
        (format!("call {} 0 8 {parent}", libc::SYS_fcntl), &Became::Refused(libc::EPERM)),
        (format!("call {} 4 0", libc::SYS_fchmod), &Became::Refused(libc::EPERM)),
        (format!("call {} {parent} 0 0 0", libc::SYS_prlimit64), &Became::Refused(libc::EPERM)),
        (format!("call {} 0 {parent} 19", libc::SYS_setpriority), &Became::Refused(libc::EPERM)),
        (format!("call {} 0", libc::SYS_clone3), &Became::Refused(libc::ENOSYS)),
    ] {
        for kernel in KERNELS {
            assert_eq!(&tried(&path, kernel, &what), wanted, "{kernel}{what}");
        }
    }
}

#[test]
fn from_inside_a_cameras_decoder_comes_to_its_own_door_wherever_it_connects_to() {
    let camera = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.2:0").unwrap()];
    let port = camera.local_addr().unwrap().port();
    let name = format!("127.0.0.1:{port}");
    let source = camera_at(&format!("rtsp://{name}/live"));
    let to = elsewhere.iter().map(|l| l.local_addr().unwrap().to_string());
    for to in to.chain(["169.254.169.254:80".to_owned(), name.clone()]) {
        decoders_fail(&name, &format!("try:connect {to}"));
        let mut reader = FrameReader::open_rtsp(&source, Sampling::default()).unwrap();
        // It was connected, and that to its door, which knows no such greeting: nobody else heard of it.
        let error = wait(&mut reader).unwrap_err();
        assert!(matches!(&error, MediaError::Internal { what, .. } if what == "done"), "{to}: {error:?}");
    }
    decoders_fail(&name, "");
    for listener in elsewhere.iter().chain([&camera]) {
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }
}

#[test]
fn the_rights_of_an_old_kernel_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "old-kernel.mp4");
    decoders_fail("old-kernel.mp4", "abi2");
    let outcome = read(&path, Sampling::all());
    decoders_fail("old-kernel.mp4", "");
    assert_eq!((outcome.frames.len(), outcome.end), (50, Ok(())));
}

#[test]
fn frames_outlive_their_reader_and_any_number_of_them_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "kept.mp4");
    let mut reader = FrameReader::open_file(&path, Sampling::all(), start()).unwrap();
    let mut frames = vec![];
    while let Some(frame) = wait(&mut reader).unwrap() {
        frames.push(frame);
    }
    drop(reader);
    assert_eq!(frames.len(), 50);
    let first = read(&path, Sampling::all());
    for (kept, light) in frames.iter().zip(&first.frames) {
        assert_eq!((kept.at, kept.number, kept.size()), (light.at, light.number, light.size()));
        assert_eq!(crate::support::mean_luma(kept), light.row(0, 0)[0]);
    }
}

#[test]
fn a_hundred_decoders_that_die_leave_no_process_no_thread_no_descriptor_and_no_memory() {
    if !alone("cell::a_hundred_decoders_that_die_leave_no_process_no_thread_no_descriptor_and_no_memory") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "faulty-many.mp4");
    let faults = ["segv", "exit", "lie:garbage", "start:abort", "lie:room", ""];
    let round = |i: usize| {
        decoders_fail("faulty-many.mp4", faults[i % faults.len()]);
        read(&path, Sampling::all());
    };
    // What is kept for the next use is kept from the first rounds on.
    (0..30).for_each(round);
    let (before, memory) = (Left::settled(None), resident_kib());
    let rounds = many("SIGHTLINE_FAULT_ROUNDS", 100);
    (0..rounds).for_each(round);
    Left::settled(Some(before)).assert_no_more_than(before);
    // A ring alone has 460 KiB.
    let grown = resident_kib().saturating_sub(memory);
    eprintln!("{rounds} rounds: {grown} KiB more than {memory} KiB");
    assert!(grown < 16 << 10, "{grown} KiB more than {memory} KiB after {rounds} rounds");
    assert_eq!(children(), BTreeSet::new());
    assert_eq!(media::decoders().running, 0);
}

/// Processes of this one, dead or alive.
fn children() -> BTreeSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("children"));
    let text = tasks.filter_map(|file| std::fs::read_to_string(file).ok()).collect::<String>();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_process_that_reads_loads_no_plugin_and_no_decoder() {
    let Some(path) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    // The footage is there: nothing of this process made it.
    if !alone("cell::the_process_that_reads_loads_no_plugin_and_no_decoder") {
        return;
    }
    media::init().unwrap();
    media::probe(&path).unwrap();
    media::recorded(&path).unwrap();
    let mut reader = FrameReader::open_file(&path, Sampling::default(), start()).unwrap();
    assert!(wait(&mut reader).unwrap().is_some());
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let loaded: Vec<_> = maps.lines().filter(|line| line.contains("gstreamer-1.0/") || line.contains("libav")).collect();
    assert!(loaded.is_empty(), "{loaded:?}");
}

/// The same each time, and different for each file.
struct Numbers(u64);

impl Numbers {
    /// For file `i`, whoever looks at it and when.
    fn of(i: usize) -> Self {
        // Neighbours begin far apart.
        Self(0x5167_6874_6C69_6E65 ^ (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, most: usize) -> usize {
        // xorshift64*.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most.max(1)
    }

    /// Bytes that are others, moved, gone or there twice.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(12) {
            let (at, length) = (self.below(bytes.len()), 1 + self.below(64));
            let end = (at + length).min(bytes.len());
            match self.below(5) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at..end].fill([0, 0xFF, 0x7F, 0x80][self.below(4)]),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let copy = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, copy);
                }
                _ => bytes.truncate(bytes.len() - self.below(bytes.len() / 4)),
            }
        }
    }
}

/// `SIGHTLINE_MUTATIONS=10000` for many. Whatever becomes of a decoder, this process says it in words and goes on.
#[test]
fn mutated_files_of_eleven_containers_end_no_process_but_their_decoders() {
    let (dir, began) = (tempfile::tempdir().unwrap(), Instant::now());
    let source = "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=160,height=120,framerate=10/1";
    let h264 = "x264enc speed-preset=ultrafast key-int-max=5 ! h264parse";
    let originals: Vec<Vec<u8>> = [
        ("a.mp4", format!("{h264} ! mp4mux")),
        ("b.mp4", format!("{h264} ! mp4mux fragment-duration=500")),
        ("c.mkv", format!("{h264} ! matroskamux")),
        ("d.webm", "vp8enc deadline=1 cpu-used=16 ! webmmux".to_owned()),
        ("e.ts", format!("{h264} ! mpegtsmux")),
        ("f.mpg", "mpeg2enc ! mpegpsmux".to_owned()),
        ("g.avi", "jpegenc ! avimux".to_owned()),
        ("h.flv", format!("{h264} ! flvmux")),
        ("i.h264", format!("{h264} ! video/x-h264,stream-format=byte-stream")),
        ("j.h265", "x265enc speed-preset=ultrafast ! h265parse ! video/x-h265,stream-format=byte-stream".to_owned()),
        ("k.ogv", "theoraenc ! oggmux".to_owned()),
    ]
    .into_iter()
    .map(|(name, encode)| {
        let rate = if name == "f.mpg" { source.replace("10/1", "25/1") } else { source.to_owned() };
        std::fs::read(make(dir.path(), name, &format!("{rate} ! {encode} ! {{}}"))).unwrap()
    })
    .collect();
    let count = many("SIGHTLINE_MUTATIONS", 44);
    let (next, [whole, failed, died]) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 3]);
    let work = |worker: usize| {
        let path = dir.path().join(format!("mutated-{worker}"));
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return;
            }
            let mut bytes = originals[i % originals.len()].clone();
            Numbers::of(i).mutate(&mut bytes);
            std::fs::write(&path, &bytes).unwrap();
            let outcome = match read(&path, Sampling::default()).end {
                Ok(()) => &whole,
                Err(MediaError::Died { how, .. }) => {
                    eprintln!("file {i}: {how}");
                    &died
                }
                Err(error) => {
                    assert!(error.to_string().len() > 20);
                    &failed
                }
            };
            outcome.fetch_add(1, Ordering::Relaxed);
            if i % 500 == 499 {
                eprintln!("file {i}, {:?}", began.elapsed());
            }
        }
    };
    // Most of a file's time is the start of its decoder.
    std::thread::scope(|scope| {
        let work = &work;
        for worker in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(move || work(worker));
        }
    });
    let [whole, failed, died] = [whole, failed, died].map(AtomicUsize::into_inner);
    eprintln!("{count} mutated files: {whole} read, {failed} refused, {died} decoders died, {:?}", began.elapsed());
    assert!(whole > 0 && failed > 0);
    assert_eq!(whole + failed + died, count);
    assert_eq!(media::decoders().running, 0);
}
