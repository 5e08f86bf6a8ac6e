//! In a decoder: takes packets from the door and hands them to GStreamer, each with its time.

use std::{
    io::{BufReader, Write as _},
    net::TcpStream,
    str::FromStr as _,
    sync::Arc,
};

use gstreamer as gst;
use gstreamer_app as gst_app;

use super::Line;
use crate::{MediaError, element::broken, replay::Fed, shared::Shared};

/// What may wait for the decoder. Beyond that the recorder waits.
const WAITING: u64 = 1 << 20;

/// The packets of one picture, as far as they came.
#[derive(Debug, Default)]
struct Picture {
    at: u64,
    packets: Vec<Vec<u8>>,
}

impl Picture {
    /// What is whole with this packet.
    fn take(&mut self, at: u64, packet: Vec<u8>) -> Vec<Self> {
        let mut whole = Vec::new();
        // Some recorders don't mark the last packet of a picture.
        if at != self.at && !self.packets.is_empty() {
            whole.push(std::mem::take(self));
        }
        let last = packet.get(1).is_some_and(|byte| byte & 0x80 != 0);
        self.at = at;
        self.packets.push(packet);
        if last {
            whole.push(std::mem::take(self));
        }
        whole
    }
}

/// False where nobody takes it any more.
fn push(source: &gst_app::AppSrc, picture: Picture) -> bool {
    picture.packets.into_iter().all(|packet| {
        let mut buffer = gst::Buffer::from_slice(packet);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(picture.at));
        }
        source.push_buffer(buffer).is_ok()
    })
}

/// Goes on in a thread of its own until there is no more, or nobody takes it.
pub(crate) fn feed(line: &Line, source: gst_app::AppSrc, shared: &Arc<Shared>) -> Result<(), MediaError> {
    source.set_format(gst::Format::Time);
    source.set_block(true);
    source.set_max_bytes(WAITING);
    let (door, key, shared) = (line.door, line.key.clone(), shared.clone());
    let run = move || {
        let mut any = false;
        // Of a picture that has not come whole: half of one is none.
        let mut picture = Picture::default();
        let fed = TcpStream::connect(door).and_then(|mut stream| {
            // The parent made it as GLib has its sockets.
            stream.set_nonblocking(false)?;
            stream.write_all(key.as_bytes())?;
            let mut from = BufReader::with_capacity(64 << 10, stream);
            loop {
                match Fed::read(&mut from)? {
                    Fed::Caps(caps) => {
                        let caps = gst::Caps::from_str(&caps).map_err(|_| std::io::ErrorKind::InvalidData)?;
                        source.set_caps(Some(&caps));
                    }
                    Fed::Packet(at, packet) => {
                        any = true;
                        if !picture.take(at, packet).into_iter().all(|whole| push(&source, whole)) {
                            return Ok(());
                        }
                    }
                    Fed::End => {
                        let _ = push(&source, std::mem::take(&mut picture));
                        return Ok(());
                    }
                }
            }
        });
        if fed.is_err()
            && let Some(span) = &shared.span
        {
            span.cut();
        }
        match &shared.span {
            // A pipeline that was given nothing would call that an error.
            Some(span) if !any => span.nothing(),
            // What came before is decoded to its end either way.
            _ => drop(source.end_of_stream()),
        }
    };
    std::thread::Builder::new().name("feeder".to_owned()).spawn(run).map(drop).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_picture_is_none() {
        let packet = |last: bool, n: u8| vec![0x80, if last { 0xe0 } else { 0x60 }, n];
        let mut picture = Picture::default();
        let mut whole = Vec::new();
        // The third picture's last packet is not marked, the fourth does not come whole.
        for (at, last, n) in [(1, true, 1), (2, false, 2), (2, true, 3), (3, false, 4), (4, false, 5)] {
            whole.extend(picture.take(at, packet(last, n)));
        }
        let told: Vec<_> = whole.iter().map(|p| (p.at, p.packets.iter().map(|packet| packet[2]).collect::<Vec<_>>())).collect();
        assert_eq!(told, [(1, vec![1]), (2, vec![2, 3]), (3, vec![4])]);
    }
}
