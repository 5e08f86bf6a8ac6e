//! A recorder to try things with: plays the pictures (H.264) of a file as ONVIF replay does, from any moment of them on, as fast as
//! they are taken. `recorder FILE START [PORT [HOW]]`; `START` is when the first picture was taken, in RFC 3339. `HOW` has words
//! that say what it does wrong, with commas between:
//!
//! - `cut=N`: ends the connection after so many packets;
//! - `cut-once=N`: does so the first time alone;
//! - `silent`: does not say where its footage ends, and ends nothing;
//! - `untimed`: does not say when its pictures were taken;
//! - `early=S`: plays what was recorded so many seconds before what it is asked for;
//! - `slow=MS`: waits so many milliseconds after each packet;
//! - `unknown`: knows no replay;
//! - `plain`: refuses to be asked for replay by that word, and plays all the same.
//!
//! `recorder gaps FILE OUT AT LATER [AT LATER]...` makes the file that is played here first: what was taken `AT` seconds or later, from
//! the next key picture on, comes `LATER` seconds later; 0: it is left out.
//!
//! Prints its port, then each request in a line; runs until it is killed. User `operator`, password `correct horse`.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

type Fault = Box<dyn Error + Send + Sync>;

struct Packet {
    /// In microseconds since 1970.
    at: i64,
    key: bool,
    bytes: Vec<u8>,
}

struct Recording {
    packets: Vec<Packet>,
    parameters: String,
    how: Vec<(String, i64)>,
    was_cut: AtomicBool,
}

/// 1970 in seconds since 1900.
const UNIX: u64 = 2_208_988_800;

#[expect(clippy::print_stdout, reason = "an example talks")]
fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let usage = "recorder FILE START [PORT [HOW]]";
    let file = arguments.next().ok_or(usage)?;
    if file == "gaps" {
        return gaps(&arguments.collect::<Vec<_>>());
    }
    let start: types::CaptureTime = arguments.next().ok_or(usage)?.parse()?;
    let port = arguments.next().unwrap_or_else(|| "0".to_owned());
    let how = arguments.next().unwrap_or_default();
    let word = |word: &str| {
        let (word, number) = word.split_once('=').unwrap_or((word, "0"));
        (word.to_owned(), number.parse().unwrap_or_default())
    };
    let recording = Arc::new(read(&file, start.as_micros(), how.split(',').map(word).collect())?);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, recording) = (stream?, recording.clone());
        std::thread::spawn(move || {
            println!("OPEN");
            let _ = speak(stream, &recording);
            println!("CLOSE");
        });
    }
    Ok(())
}

/// Leaves gaps in a file.
fn gaps(arguments: &[String]) -> Result<(), Fault> {
    gst::init()?;
    let [file, out, gaps @ ..] = arguments else { return Err("recorder gaps FILE OUT AT LATER...".into()) };
    let numbers = gaps.iter().map(|number| number.parse::<u64>()).collect::<Result<Vec<_>, _>>()?;
    let mut todo: Vec<(u64, u64)> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    todo.reverse();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location=\"{file}\" ! parsebin ! h264parse name=parse ! matroskamux ! filesink location=\"{out}\""
    ))?;
    let parse = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("parse")).ok_or("no parser")?;
    let state = Mutex::new((todo, gst::ClockTime::ZERO, false));
    let pad = parse.static_pad("src").ok_or("no pad")?;
    // What comes later than the file says that it ends is no less of it.
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Segment(segment) = event.view()
            && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
        {
            let mut endless = segment.clone();
            endless.set_stop(None::<gst::ClockTime>);
            *event = gst::event::Segment::new(&endless);
        }
        gst::PadProbeReturn::Ok
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let mut state = state.lock();
        let (todo, shift, over) = &mut *state;
        let at = buffer.pts().unwrap_or_default();
        if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
            && let Some((_, more)) = todo.pop_if(|(after, _)| at.seconds() >= *after)
        {
            *shift += gst::ClockTime::from_seconds(more);
            *over |= more == 0;
        }
        if *over {
            return gst::PadProbeReturn::Drop;
        }
        let buffer = buffer.make_mut();
        buffer.set_pts(at + *shift);
        if let Some(decoded) = buffer.dts() {
            buffer.set_dts(decoded + *shift);
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().ok_or("no bus")?.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null)?;
    match end {
        Some(end) if end.type_() == gst::MessageType::Eos => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// All of it, as packets with the times of a recorder.
fn read(file: &str, start: i64, how: Vec<(String, i64)>) -> Result<Recording, Fault> {
    gst::init()?;
    let offset = UNIX * 1_000_000_000 + u64::try_from(start)? * 1000;
    let pipeline = gst::parse::launch(&format!(
        "filesrc location=\"{file}\" ! parsebin ! h264parse ! rtph264pay pt=96 mtu=1200 config-interval=-1 \
         ! rtponviftimestamp ntp-offset={offset} ! appsink name=sink sync=false"
    ))?;
    let sink = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("sink")).ok_or("no sink")?;
    let sink = sink.downcast::<gst_app::AppSink>().map_err(|_| "no appsink")?;
    pipeline.set_state(gst::State::Playing)?;
    let (mut packets, mut parameters): (Vec<Packet>, _) = (Vec::new(), String::new());
    while let Ok(sample) = sink.pull_sample() {
        if let Some(structure) = sample.caps().and_then(|caps| caps.structure(0)) {
            parameters = ["sprop-parameter-sets", "profile-level-id", "packetization-mode"]
                .iter()
                .filter_map(|name| Some(format!("{name}={}", structure.get::<String>(*name).ok()?)))
                .collect::<Vec<_>>()
                .join(";");
        }
        let buffer = sample.buffer().ok_or("no buffer")?;
        let bytes = buffer.map_readable()?.as_slice().to_vec();
        let ntp = u64::from_be_bytes(bytes.get(16..24).ok_or("a short packet")?.try_into()?);
        let at = ((ntp >> 32) - UNIX) as i64 * 1_000_000 + (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64;
        packets.push(Packet { at, key: bytes[24] & 0x80 != 0, bytes });
    }
    pipeline.set_state(gst::State::Null)?;
    // The first picture that is shown was taken at the start, whatever its time in the file.
    let late = packets.iter().map(|packet| packet.at).min().unwrap_or(start) - start;
    for packet in &mut packets {
        packet.at -= late;
        let micros = u64::try_from(packet.at)?;
        let ntp = ((micros / 1_000_000 + UNIX) << 32) | (((micros % 1_000_000) << 32) / 1_000_000 + 1);
        packet.bytes[16..24].copy_from_slice(&ntp.to_be_bytes());
    }
    // Of a picture one packet is marked.
    let keys: std::collections::BTreeSet<i64> = packets.iter().filter(|packet| packet.key).map(|packet| packet.at).collect();
    packets.iter_mut().for_each(|packet| packet.key = keys.contains(&packet.at));
    if packets.is_empty() {
        return Err("no pictures".into());
    }
    Ok(Recording { packets, parameters, how, was_cut: AtomicBool::new(false) })
}

impl Recording {
    fn how(&self, word: &str) -> Option<i64> {
        self.how.iter().find(|(known, _)| known == word).map(|(_, number)| *number)
    }

    /// The key picture at or before a moment; within a gap the one after it. `None`: there is nothing.
    fn begin(&self, from: i64) -> Option<usize> {
        let after = self.packets.iter().position(|packet| packet.at >= from)?;
        let before = self.packets[..after].last().map_or(i64::MIN, |packet| packet.at);
        // Pictures are at most a second apart where there are some.
        let inside = from.saturating_sub(before) < 1_000_000 || self.packets[after].at == from;
        if !inside {
            return Some(after);
        }
        let key = (0..=after).rev().find(|n| self.packets[*n].key)?;
        // The first packet of that picture.
        (0..=key).rev().take_while(|n| self.packets[*n].at == self.packets[key].at).last()
    }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[expect(clippy::print_stdout, reason = "an example talks")]
fn speak(stream: TcpStream, recording: &Arc<Recording>) -> Result<(), Fault> {
    let (mut from, mut into) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if from.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let shown = ["Range", "Rate-Control", "Frames", "Require"];
        let shown = shown.iter().filter_map(|name| Some(format!(" {name}={}", header(&request, name)?))).collect::<String>();
        let method = request.split(' ').next().unwrap_or_default().to_owned();
        println!("{method}{shown}");
        let cseq = header(&request, "CSeq").unwrap_or_default().to_owned();
        let mut say = |status: &str, rest: &str| {
            write!(
                into,
                "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nSession: 1;timeout=60\r\n{rest}{}",
                if rest.contains("\r\n\r\n") { "" } else { "\r\n" }
            )
        };
        let known = header(&request, "Authorization")
            .is_some_and(|shown| shown.starts_with("Digest ") && shown.contains("username=\"operator\""));
        if !known {
            say("401 Unauthorized", "WWW-Authenticate: Digest realm=\"recorder\", nonce=\"n\"\r\n")?;
            continue;
        }
        let replay = header(&request, "Require") == Some("onvif-replay");
        match method.as_str() {
            "DESCRIBE" => {
                let body = format!(
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=recording\r\nt=0 0\r\na=control:*\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n\
                     m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 {}\r\na=control:pictures\r\n",
                    recording.parameters
                );
                say("200 OK", &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len()))?;
            }
            "SETUP" | "PLAY" if replay == recording.how("plain").is_some() || recording.how("unknown").is_some() => {
                say("551 Option not supported", "Unsupported: onvif-replay\r\n")?
            }
            "SETUP" => say("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")?,
            "PLAY" => {
                let range = header(&request, "Range").and_then(|range| range.strip_prefix("clock=")?.split_once('-'));
                let (begin, end) = range.ok_or("no range")?;
                let (begin, end) = (time(begin)?, time(end)?);
                let intra = header(&request, "Frames").is_some_and(|frames| frames.starts_with("intra"));
                let earlier = recording.how("early").unwrap_or_default() * 1_000_000;
                match recording.begin(begin - earlier).filter(|n| recording.packets[*n].at < end) {
                    None => say("457 Invalid Range", "")?,
                    Some(first) => {
                        say("200 OK", "")?;
                        let (mut out, recording) = (into.try_clone()?, recording.clone());
                        std::thread::spawn(move || {
                            if play(&mut out, &recording, first, end, intra).unwrap_or(true) {
                                let _ = out.shutdown(std::net::Shutdown::Both);
                            }
                        });
                    }
                }
            }
            _ => say("200 OK", "")?,
        }
        if method == "TEARDOWN" {
            return Ok(());
        }
    }
}

/// `20260301T080450.040000Z` in microseconds.
fn time(text: &str) -> Result<i64, Fault> {
    let (day, rest) = text.split_once('T').ok_or("no time")?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).ok_or("no time").map(str::to_owned);
    let whole = format!(
        "{}-{}-{}T{}:{}:{}",
        part(day, 0, 4)?,
        part(day, 4, 6)?,
        part(day, 6, 8)?,
        part(rest, 0, 2)?,
        part(rest, 2, 4)?,
        part(rest, 4, rest.len())?
    );
    Ok(whole.parse::<types::CaptureTime>()?.as_micros())
}

/// Whether the connection ends with it.
fn play(out: &mut TcpStream, recording: &Recording, first: usize, end: i64, intra: bool) -> Result<bool, Fault> {
    let wanted: Vec<&Packet> = recording.packets[first..]
        .iter()
        .take_while(|packet| packet.at < end + 1_000_000)
        .filter(|packet| packet.key || !intra)
        .collect();
    let cut = recording.how("cut").or_else(|| recording.how("cut-once").filter(|_| !recording.was_cut.load(Ordering::SeqCst)));
    for (n, packet) in wanted.iter().enumerate() {
        if cut.is_some_and(|cut| n as i64 >= cut) {
            recording.was_cut.store(true, Ordering::SeqCst);
            return Ok(true);
        }
        let mut bytes = packet.bytes.clone();
        if recording.how("untimed").is_some() {
            bytes[12] = 0;
        }
        if n + 1 == wanted.len() && recording.how("silent").is_none() {
            bytes[24] |= 0x10;
        }
        let mut framed = vec![b'$', 0];
        framed.extend(u16::try_from(bytes.len())?.to_be_bytes());
        framed.extend(bytes);
        out.write_all(&framed)?;
        if let Some(pause) = recording.how("slow") {
            std::thread::sleep(std::time::Duration::from_millis(pause.unsigned_abs()));
        }
    }
    Ok(false)
}
