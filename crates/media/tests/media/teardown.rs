//! Nothing may be left behind.

use std::time::Duration;

use media::{FrameReader, Sampling};

use crate::{
    left::{Left, alone},
    server::{Guard, Server, of_file},
    support::{camera_at, footage, start},
};

fn twice(rounds: usize, mut open: impl FnMut(usize)) {
    (0..20).for_each(&mut open);
    let before = Left::settled(None);
    (0..rounds).for_each(&mut open);
    let after = Left::settled(Some(before));
    eprintln!("{before:?} before, {after:?} after {rounds} readers");
    after.assert_no_more_than(before);
}

#[test]
fn two_hundred_file_readers_leave_no_thread_and_no_descriptor() {
    let Some(path) = footage("intel_ccby/people-detection.mp4") else { return };
    if !alone("teardown::two_hundred_file_readers_leave_no_thread_and_no_descriptor") {
        return;
    }
    let garbage = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(garbage.path(), vec![b'?'; 5000]).unwrap();
    twice(200, |i| {
        let path = if i % 5 == 4 { garbage.path() } else { &path };
        // Dropped untouched, part-way, while blocked on a full queue, and at the end.
        let Ok(mut reader) = FrameReader::open_file(path, Sampling::all(), start()) else { return };
        for _ in 0..[0, 1, 5, 40][i % 4] {
            if !matches!(reader.next(Duration::from_secs(10)), Ok(Some(_))) {
                break;
            }
        }
    });
}

#[test]
fn camera_readers_leave_no_thread_and_no_descriptor() {
    let Some(path) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    if !alone("teardown::camera_readers_leave_no_thread_and_no_descriptor") {
        return;
    }
    // The server is in this process too, so only cameras that refuse are counted: it drops clients late.
    let server = Server::start(&of_file(&path), Guard::Open, |_| {});
    let good = camera_at(&format!("rtsp://127.0.0.1:{}/live", server.port));
    let mut reader = FrameReader::open_rtsp(&good, Sampling::default()).unwrap();
    assert!(reader.next(Duration::from_secs(10)).unwrap().is_some());
    drop(reader);
    drop(server);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = [mute.local_addr().unwrap().port(), closed];
    twice(60, |i| {
        let camera = camera_at(&format!("rtsp://127.0.0.1:{}/live", ports[i % 2]));
        let mut reader = FrameReader::open_rtsp(&camera, Sampling::default()).unwrap();
        let _ = reader.next(Duration::from_millis(100));
        while mute.set_nonblocking(true).is_ok() && mute.accept().is_ok() {}
    });
}
