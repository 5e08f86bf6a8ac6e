//! What a decoder does wrong, for tests. Not compiled into a release.

#![expect(unsafe_code, clippy::print_stderr, reason = "a decoder that misbehaves")]

use std::{
    fs,
    io::{self, Write},
    net::TcpStream,
    os::fd::BorrowedFd,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    message::{Counts, Failure, Picture, Say, send},
    sys,
};

/// For a process that is started by a test: `PART OF AN INPUT'S NAME=FAULT`.
const VARIABLE: &str = "SIGHTLINE_DECODER_FAULT";
/// A fault without a time of its own comes with the picture after so many.
const GOOD_PICTURES: u32 = 3;

static FAULTS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// From now on decoders of inputs whose name contains this do that; an empty fault ends it.
pub fn decoders_fail(input: &str, fault: &str) {
    let mut faults = FAULTS.lock();
    faults.retain(|(known, _)| known != input);
    if !fault.is_empty() {
        faults.push((input.to_owned(), fault.to_owned()));
    }
}

/// In the parent, for a decoder that makes `pictures` or only looks. One that is to happen `once:` happens to the next of the first.
pub(super) fn of(input: &str, pictures: bool) -> Option<String> {
    let mut faults = FAULTS.lock();
    if let Some(at) = faults.iter().position(|(part, fault)| input.contains(part) && fault.starts_with("once:")) {
        return pictures.then(|| faults.remove(at).1.split_off("once:".len()));
    }
    let told = faults.iter().find(|(part, _)| input.contains(part)).map(|(_, fault)| fault.clone());
    told.or_else(|| {
        let all = std::env::var(VARIABLE).ok()?;
        all.split(',').find_map(|one| one.split_once('=').filter(|(part, _)| input.contains(part)).map(|(_, f)| f.to_owned()))
    })
}

/// In a decoder, when it is limited and not yet confined.
pub(super) fn before(fault: Option<&str>) {
    if let Some(name) = fault.and_then(|fault| fault.strip_prefix("before:")) {
        act(name);
    }
}

/// When it is confined.
pub(super) fn after(fault: Option<&str>, control: BorrowedFd<'_>) {
    let Some(fault) = fault else { return };
    if let Some(name) = fault.strip_prefix("start:") {
        act(name);
    }
    if let Some(what) = fault.strip_prefix("try:") {
        let said = match attempt(what) {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("refused {}", error.raw_os_error().unwrap_or(-1)),
        };
        let _ = send(control, &Say::Failed(Failure::Internal(said), Counts::default()), &[], false);
    }
}

/// When it has a picture.
pub(super) fn at_picture(fault: Option<&str>, said: &mut Picture, control: BorrowedFd<'_>) {
    static PICTURES: AtomicU32 = AtomicU32::new(0);
    let Some(fault) = fault else { return };
    if PICTURES.fetch_add(1, Ordering::Relaxed) < GOOD_PICTURES {
        return;
    }
    match fault.strip_prefix("lie:") {
        Some("flood") => {
            for _ in 0..1_000_000 {
                if send(control, &Say::Beat(Counts::default()), &[], false).is_err() {
                    break;
                }
            }
        }
        Some("garbage") => drop(sys::send(control, b"\0\xff{[", &[], false)),
        Some("room") => drop(send(control, &Say::Room { bytes: u64::MAX }, &[], false)),
        Some("rooms") => {
            for bytes in [4096, 1 << 20, 4096, 1 << 20] {
                let _ = send(control, &Say::Room { bytes }, &[], false);
            }
        }
        Some("other") => drop(send(control, &Say::Recorded { micros: None }, &[], false)),
        Some(how) => said.lie(how),
        None => act(fault),
    }
}

fn act(name: &str) {
    match name {
        "segv" => {
            // SAFETY: none; that is what it is for.
            unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) }
        }
        "abort" => std::process::abort(),
        "exit" => sys::leave(0),
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        "spin" => loop {
            std::hint::spin_loop();
        },
        "memory" => {
            let mut all = Vec::new();
            for _ in 0..64 {
                all.push(vec![1u8; 64 << 20]);
            }
            eprintln!("{} blocks", all.len());
        }
        _ => {}
    }
}

/// Something that is none of a decoder's business.
fn attempt(what: &str) -> io::Result<()> {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    match verb {
        "read" => fs::read(rest).map(drop),
        "write" => fs::OpenOptions::new().write(true).create(true).truncate(false).open(rest)?.write_all(b"x"),
        "list" => fs::read_dir(rest).map(drop),
        "remove" => fs::remove_file(rest),
        "folder" => fs::create_dir(rest),
        "thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        "connect" => {
            // Whoever answers is told what no door lets in.
            TcpStream::connect(rest)?.write_all(b"GET / HTTP/1.0\r\n\r\n")
        }
        // A number and its arguments.
        "call" => {
            let numbers: Vec<libc::c_long> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
            let argument = |i: usize| numbers.get(i + 1).copied().unwrap_or(0);
            let number = numbers.first().copied().unwrap_or(-1);
            // SAFETY: of calls that are refused before their arguments are looked at.
            let result =
                unsafe { libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)) };
            if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
