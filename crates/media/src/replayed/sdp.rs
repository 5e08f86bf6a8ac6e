//! What a recorder says of the pictures that it plays.

use std::fmt::Write as _;

/// Its first stream of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Video {
    /// As GStreamer writes what packets hold.
    pub(crate) caps: String,
    pub(crate) clock_rate: u32,
    /// Where it is set up; empty: nowhere but where it was described.
    pub(crate) control: String,
}

/// Parameters of one stream that are handed on.
const MOST: usize = 40;

pub(crate) fn video(body: &[u8]) -> Option<Video> {
    let text = String::from_utf8_lossy(body);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begin = lines.iter().position(|line| line.to_ascii_lowercase().starts_with("m=video"))?;
    let end = lines[begin + 1..].iter().position(|line| line.starts_with("m=")).map_or(lines.len(), |at| begin + 1 + at);
    let payload: u8 = lines[begin].split_ascii_whitespace().nth(3)?.parse().ok().filter(|number| *number < 128)?;
    let of = |key: &str| {
        let found = lines[begin..end].iter().find_map(|line| {
            let (name, value) = line.strip_prefix("a=")?.split_once(':')?;
            name.eq_ignore_ascii_case(key).then_some(value.trim())
        });
        found.map(str::to_owned)
    };
    let for_payload = |key: &str| {
        of(key).and_then(|value| {
            let (number, rest) = value.split_once(char::is_whitespace)?;
            (number.parse() == Ok(payload)).then(|| rest.trim().to_owned())
        })
    };
    // The numbers below 96 mean the same everywhere.
    let map = for_payload("rtpmap").or_else(|| (payload == 26).then(|| "JPEG/90000".to_owned()))?;
    let mut parts = map.split('/');
    let name = word(parts.next()?)?.to_ascii_uppercase();
    let clock_rate: u32 = parts.next().and_then(|rate| rate.trim().parse().ok()).filter(|rate| *rate > 0).unwrap_or(90_000);
    let mut caps = format!(
        "application/x-rtp, media=(string)video, payload=(int){payload}, clock-rate=(int){clock_rate}, encoding-name=(string){name}"
    );
    for parameter in for_payload("fmtp").unwrap_or_default().split(';').take(MOST) {
        let Some((key, value)) = parameter.trim().split_once('=') else { continue };
        let Some(key) = word(key.trim()) else { continue };
        if !["media", "payload", "clock-rate", "encoding-name"].contains(&key) {
            let _ = write!(caps, ", {}=(string)\"{}\"", key.to_ascii_lowercase(), quoted(value.trim()));
        }
    }
    Some(Video { caps, clock_rate, control: of("control").unwrap_or_default() })
}

fn word(text: &str) -> Option<&str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let letter = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    (letter && text.len() <= 40 && text.bytes().all(known)).then_some(text)
}

fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).take(4096).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stream_of_pictures_is_taken_with_its_parameters() {
        let body = "v=0\r\ns=x\r\na=control:*\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IA,aM4=;x\"y=1\r\na=control:track\"1\r\nm=application 0 RTP/AVP 107\r\na=control:meta\r\n";
        let told = video(body.as_bytes()).unwrap();
        assert_eq!((told.clock_rate, told.control.as_str()), (90_000, "track\"1"));
        assert_eq!(
            told.caps,
            "application/x-rtp, media=(string)video, payload=(int)96, clock-rate=(int)90000, encoding-name=(string)H264, \
             packetization-mode=(string)\"1\", sprop-parameter-sets=(string)\"Z0IA,aM4=\""
        );
        let jpeg = video(b"m=video 0 RTP/AVP 26\na=control:rtsp://10.0.0.1/x\n").unwrap();
        assert!(jpeg.caps.ends_with("encoding-name=(string)JPEG") && jpeg.control == "rtsp://10.0.0.1/x");
        for bad in ["", "m=audio 0 RTP/AVP 0", "m=video", "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H2\"64/1"] {
            assert_eq!(video(bad.as_bytes()), None, "{bad}");
        }
    }
}
