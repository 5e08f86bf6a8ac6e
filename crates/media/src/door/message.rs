//! RTSP as it comes over a connection: messages, and packets between them.

/// A request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) start: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What stands at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Of so many bytes, header included.
    Packet(usize),
    /// Of so many bytes, and what it says.
    Message(usize, Message),
    /// A line's end between messages.
    Blank(usize),
}

/// It is not RTSP, or larger than any camera's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotRtsp;

const LONGEST_HEAD: usize = 64 << 10;
const LONGEST_BODY: usize = 1 << 20;

/// The first unit, once all of it is there.
pub(super) fn first(read: &[u8]) -> Result<Option<Unit>, NotRtsp> {
    match read {
        [] => Ok(None),
        [b'$', _, high, low, ..] => {
            let whole = 4 + usize::from(u16::from_be_bytes([*high, *low]));
            Ok((read.len() >= whole).then_some(Unit::Packet(whole)))
        }
        [b'$', ..] => Ok(None),
        [b'\r' | b'\n', ..] => Ok(Some(Unit::Blank(1))),
        [first, ..] if !first.is_ascii_uppercase() => Err(NotRtsp),
        _ => message(read),
    }
}

fn message(read: &[u8]) -> Result<Option<Unit>, NotRtsp> {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let Some(length) = read[at..].iter().position(|b| *b == b'\n') else {
            // What has no line's end by then will never have one.
            return if read.len() > LONGEST_HEAD || !plausible(read) { Err(NotRtsp) } else { Ok(None) };
        };
        let line = &read[at..at + length];
        at += length + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        // To GStreamer a return alone ends a line as well: what comes after it would be a header that nobody here has seen.
        lines.push(String::from_utf8_lossy(line).replace('\r', " "));
        if at > LONGEST_HEAD {
            return Err(NotRtsp);
        }
    }
    let mut lines = lines.into_iter();
    let start = lines.next().ok_or(NotRtsp)?;
    if !(start.starts_with("RTSP/") || start.contains(" RTSP/")) {
        return Err(NotRtsp);
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if let Some(more) = line.strip_prefix([' ', '\t']) {
            // A header that goes on in the next line.
            if let Some((_, value)) = headers.last_mut() {
                *value = format!("{value} {}", more.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        // Cameras write odd lines; GStreamer does not mind either.
    }
    let mut message = Message { start, headers, body: Vec::new() };
    let length = match message.header("Content-Length") {
        None => 0,
        Some(length) => length.parse().ok().filter(|length| *length <= LONGEST_BODY).ok_or(NotRtsp)?,
    };
    let Some(body) = read.get(at..at + length) else { return Ok(None) };
    message.body = body.to_vec();
    Ok(Some(Unit::Message(at + length, message)))
}

/// Whether the beginning of a line may become one of RTSP: what talks another protocol is known by its first bytes.
fn plausible(read: &[u8]) -> bool {
    read.iter().take(4).all(|b| b.is_ascii_uppercase() || b"_/ ".contains(b))
}

impl Message {
    pub(super) fn is_answer(&self) -> bool {
        self.start.starts_with("RTSP/")
    }

    /// Of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        self.start.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// Of a request.
    pub(super) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// Of a request.
    pub(super) fn address(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn set_address(&mut self, address: &str) {
        let version = self.start.rsplit(' ').next().unwrap_or("RTSP/1.0");
        self.start = format!("{} {address} {version}", self.method());
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// One of this name and no other.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.start.as_bytes());
        out.extend(b"\r\n");
        for (name, value) in &self.headers {
            out.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend(b"\r\n");
        out.extend(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_and_packets_are_told_apart_however_they_are_cut() {
        let stream = b"\r\nRTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-length: 4\r\nX: a\r\n b\r\n\r\nbody$\x01\x00\x02ab\
                       SET_PARAMETER * RTSP/1.0\nCSeq: 1\n\n";
        let mut units = vec![];
        let (mut read, mut rest) = (vec![], stream.iter());
        loop {
            match first(&read).unwrap() {
                Some(unit) => {
                    let (Unit::Packet(n) | Unit::Message(n, _) | Unit::Blank(n)) = unit;
                    read.drain(..n);
                    units.push(unit);
                }
                None => match rest.next() {
                    Some(byte) => read.push(*byte),
                    None => break,
                },
            }
        }
        let messages: Vec<_> = units.iter().filter_map(|u| if let Unit::Message(_, m) = u { Some(m) } else { None }).collect();
        assert_eq!((messages[0].status(), messages[0].header("x"), &*messages[0].body), (Some(200), Some("a b"), &b"body"[..]));
        assert_eq!((messages[1].method(), messages[1].address()), ("SET_PARAMETER", "*"));
        assert!(units.contains(&Unit::Packet(6)));
    }

    #[test]
    fn a_return_inside_a_line_begins_no_header_that_the_door_has_not_seen() {
        let Ok(Some(Unit::Message(_, message))) = first(b"RTSP/1.0 200 OK\r\nX: a\rLocation: rtsp://10.0.0.1/\r\n\r\n") else {
            panic!()
        };
        let mut out = Vec::new();
        message.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "RTSP/1.0 200 OK\r\nX: a Location: rtsp://10.0.0.1/\r\n\r\n");
    }

    #[test]
    fn what_is_no_rtsp_is_known_by_its_first_bytes() {
        for other in [
            &b"SSH-2.0-x\r\n"[..],
            b"HTTP/1.1 400 Bad\r\n\r\n",
            b"220 mail\r\n",
            b"\x16\x03",
            b"SSH-2.0",
            b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        ] {
            assert_eq!(first(other), Err(NotRtsp), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_beyond_them(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'$'), Just(b'\n'), Just(b'R')], 0..200)) {
            if let Ok(Some(Unit::Packet(n) | Unit::Message(n, _) | Unit::Blank(n))) = first(&bytes) {
                prop_assert!(n > 0 && n <= bytes.len());
            }
        }
    }
}
