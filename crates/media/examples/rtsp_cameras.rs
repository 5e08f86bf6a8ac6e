//! Cameras to try things with, and to spoil: `rtsp_cameras COUNT FILE... [--times N]` serves the files (MP4 with H.264), one
//! after another and all of it N times, as `rtsp://127.0.0.1:PORT/live`, in real time, from the start for every client, under
//! COUNT ports of their own. Prints the ports on one line, then does what it reads, a line a command, camera numbers from 0:
//!
//! `freeze N`, `thaw N`: packets cease. `garbage N`, `clean N`: packets hold noise. `cut N`: its connections break.
//! `lossy N EVERY`: each EVERYth packet is lost on the way, 0: none.
//! `codec N h264|h265`: sends the other from now on, in the sessions that are open too. Only with `--codecs`, where all cameras
//! show a test picture and no file.
//! `password N WORD`: user "operator" needs it from now on, and connections break. `clock N SECONDS`: its clock jumps ahead.
//!
//! Ends with its standard input.

use std::{
    error::Error,
    io::BufRead,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;
use parking_lot::Mutex;

/// What is wrong with a camera now.
#[derive(Default)]
struct Faults {
    frozen: AtomicBool,
    garbage: AtomicBool,
    /// One packet in so many is lost; 0: none.
    lossy: AtomicU32,
    sent: AtomicU32,
    ahead_seconds: AtomicU32,
    h265: AtomicBool,
    /// What sends one codec or the other, one a session.
    selectors: Mutex<Vec<gst::glib::WeakRef<gst::Element>>>,
}

impl Faults {
    fn loses_one(&self) -> bool {
        let every = self.lossy.load(Ordering::Relaxed);
        every > 0 && self.sent.fetch_add(1, Ordering::Relaxed) % every == every - 1
    }
}

#[derive(Clone)]
struct Camera {
    server: rtsp::RTSPServer,
    factory: rtsp::RTSPMediaFactory,
    faults: Arc<Faults>,
}

#[expect(clippy::print_stdout, reason = "an example talks")]
fn main() -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut times = 1;
    if let Some(at) = words.iter().position(|w| w == "--times") {
        times = words.get(at + 1).ok_or("--times takes a number")?.parse()?;
        words.drain(at..at + 2);
    }
    let codecs = words.iter().position(|w| w == "--codecs").map(|at| words.remove(at)).is_some();
    let (count, files) = words.split_first().ok_or("name a number of cameras and their files")?;
    let folder = std::env::temp_dir().join(format!("rtsp_cameras-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let launch = if codecs { BOTH_CODECS.to_owned() } else { of_file(&together(&folder, files, times)?) };
    let cameras = (0..count.parse()?).map(|_| camera(&launch)).collect::<Result<Vec<_>, _>>()?;
    let ports: Vec<String> = cameras.iter().map(|c| c.server.bound_port().to_string()).collect();
    println!("{}", ports.join(" "));

    let main = gst::glib::MainLoop::new(None, false);
    let until = main.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [command, number, rest @ ..] = &words[..]
                && let Some(camera) = number.parse::<usize>().ok().and_then(|n| cameras.get(n).cloned())
            {
                let (command, word) = (command.to_string(), rest.first().copied().unwrap_or_default().to_owned());
                // On the servers' own thread.
                gst::glib::MainContext::default().invoke(move || obey(&camera, &command, &word));
            }
        }
        until.quit();
    });
    main.run();
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// The files one after another, all of it so many times, in a container that keeps every picture's time and lets it change its
/// size. A bare stream would not do: its pictures have no times, and so the packets of it none that grow. Encoded anew as cameras
/// do it, each picture sent as it is taken.
fn together(folder: &Path, files: &[String], times: usize) -> Result<PathBuf, Box<dyn Error>> {
    for (n, file) in files.iter().enumerate() {
        let encode =
            "avdec_h264 ! videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast quantizer=22 pass=quant key-int-max=20";
        run(&format!(
            "filesrc location={file} ! qtdemux ! h264parse ! {encode} ! h264parse ! mp4mux ! filesink location={}",
            part(folder, n)
        ))?;
    }
    let stream = folder.join("all.ts");
    let mut launch = format!(
        "concat name=all ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au \
         ! mpegtsmux ! filesink location={}",
        stream.display()
    );
    for n in (0..files.len()).cycle().take(files.len() * times) {
        launch += &format!(" filesrc location={} ! qtdemux ! h264parse config-interval=-1 ! all.", part(folder, n));
    }
    run(&launch)?;
    Ok(stream)
}

fn part(folder: &Path, n: usize) -> String {
    folder.join(format!("{n}.mp4")).display().to_string()
}

fn run(launch: &str) -> Result<(), Box<dyn Error>> {
    let pipeline = gst::parse::launch(launch)?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("no bus")?;
    let end = bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null)?;
    if end.is_none_or(|m| m.type_() == gst::MessageType::Error) {
        return Err("not all of them are MP4 with H.264".into());
    }
    Ok(())
}

fn of_file(stream: &Path) -> String {
    let stream = stream.display();
    format!("( filesrc location={stream} ! tsdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )")
}

const BOTH_CODECS: &str = "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! tee name=split \
     input-selector name=pay0 sync-streams=false \
     split. ! queue ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 \
     ! rtph264pay pt=96 ssrc=1 config-interval=-1 ! pay0.sink_0 \
     split. ! queue ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 \
     ! rtph265pay pt=96 ssrc=1 config-interval=-1 ! pay0.sink_1 )";

fn camera(launch: &str) -> Result<Camera, Box<dyn Error>> {
    let server = rtsp::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service("0");
    let factory = rtsp::RTSPMediaFactory::new();
    factory.set_launch(launch);
    let faults = Arc::new(Faults::default());
    let of_media = faults.clone();
    factory.connect_media_configure(move |_, media| spoil(media, &of_media));
    server.mount_points().ok_or("no mount points")?.add_factory("/live", factory.clone());
    let _source = server.attach(None)?;
    Ok(Camera { server, factory, faults })
}

fn spoil(media: &rtsp::RTSPMedia, faults: &Arc<Faults>) {
    let Some(bin) = media.element().downcast::<gst::Bin>().ok() else { return };
    if let Some(selector) = bin.by_name("pay0").filter(|pay| pay.find_property("active-pad").is_some()) {
        select(&selector, faults.h265.load(Ordering::Relaxed));
        faults.selectors.lock().push(selector.downgrade());
    }
    if let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) {
        let of_buffer = faults.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
            if of_buffer.frozen.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Drop;
            }
            if of_buffer.lossy.load(Ordering::Relaxed) > 0 {
                if let Some(gst::PadProbeData::BufferList(list)) = &mut info.data {
                    let kept: gst::BufferList = list.iter_owned().filter(|_| !of_buffer.loses_one()).collect();
                    *list = kept;
                } else if of_buffer.loses_one() {
                    return gst::PadProbeReturn::Drop;
                }
            }
            if of_buffer.garbage.load(Ordering::Relaxed) {
                if let Some(buffer) = info.buffer_mut() {
                    noise(buffer.make_mut());
                } else if let Some(gst::PadProbeData::BufferList(list)) = &mut info.data {
                    let noisy: gst::BufferList = list
                        .iter()
                        .map(|buffer| {
                            let mut copy = buffer.copy_deep().unwrap_or_else(|_| gst::Buffer::new());
                            noise(copy.make_mut());
                            copy
                        })
                        .collect();
                    *list = noisy;
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    let Some(pipeline) = bin.parent().and_then(|p| p.downcast::<gst::Bin>().ok()) else { return };
    let faults = faults.clone();
    pipeline.connect_element_added(move |_, element| {
        if element.find_property("rtcp-sync-send-time").is_none() {
            return;
        }
        let faults = faults.clone();
        element.connect_pad_added(move |_, pad| {
            if !pad.name().starts_with("send_rtcp_src") {
                return;
            }
            let faults = faults.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer_mut() {
                    set_ahead(buffer.make_mut(), faults.ahead_seconds.load(Ordering::Relaxed));
                }
                gst::PadProbeReturn::Ok
            });
        });
    });
}

fn select(selector: &gst::Element, h265: bool) {
    let pad = selector.static_pad(if h265 { "sink_1" } else { "sink_0" });
    selector.set_property("active-pad", pad);
}

/// Everything behind the RTP header.
fn noise(buffer: &mut gst::BufferRef) {
    if let Ok(mut map) = buffer.map_writable() {
        let mut state = 1u32;
        for byte in map.as_mut_slice().iter_mut().skip(12) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
    }
}

/// The seconds of a sender report's NTP time, RFC 3550, section 6.4.1.
fn set_ahead(buffer: &mut gst::BufferRef, seconds: u32) {
    const SENDER_REPORT: u8 = 200;
    if let Ok(mut map) = buffer.map_writable()
        && let [_, SENDER_REPORT, _, _, _, _, _, _, s0, s1, s2, s3, ..] = map.as_mut_slice()
    {
        let ahead = u32::from_be_bytes([*s0, *s1, *s2, *s3]).wrapping_add(seconds);
        [*s0, *s1, *s2, *s3] = ahead.to_be_bytes();
    }
}

fn obey(camera: &Camera, command: &str, word: &str) {
    match command {
        "freeze" | "thaw" => camera.faults.frozen.store(command == "freeze", Ordering::Relaxed),
        "garbage" | "clean" => camera.faults.garbage.store(command == "garbage", Ordering::Relaxed),
        "lossy" => camera.faults.lossy.store(word.parse().unwrap_or_default(), Ordering::Relaxed),
        "clock" => camera.faults.ahead_seconds.store(word.parse().unwrap_or_default(), Ordering::Relaxed),
        "codec" => {
            let h265 = word == "h265";
            camera.faults.h265.store(h265, Ordering::Relaxed);
            let mut selectors = camera.faults.selectors.lock();
            selectors.retain(|selector| selector.upgrade().inspect(|selector| select(selector, h265)).is_some());
        }
        "password" => {
            let auth = rtsp::RTSPAuth::new();
            let token = rtsp::RTSPToken::builder().field("media.factory.role", "operator").build();
            auth.set_supported_methods(rtsp::gst_rtsp::RTSPAuthMethod::Digest);
            auth.add_digest("operator", word, &token);
            let access = gst::Structure::builder("operator");
            let access = access.field("media.factory.access", true).field("media.factory.construct", true);
            camera.factory.add_role_from_structure(&access.build());
            camera.server.set_auth(Some(&auth));
            cut(camera);
        }
        "cut" => cut(camera),
        _ => {}
    }
}

fn cut(camera: &Camera) {
    camera.server.client_filter(Some(&mut |_, client| {
        client.close();
        rtsp::RTSPFilterResult::Remove
    }));
}
