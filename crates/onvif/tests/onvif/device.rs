//! A device with faults, on loopback. It fails whoever sends it a call that does more than read.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::Digest as _;

pub(crate) const USER: &str = "operator";
pub(crate) const PASSWORD: &str = "horse & <battery>";

/// What it wants to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wants {
    Nothing,
    Md5,
    Sha256,
    Token,
    Basic,
    /// Basic over HTTP, or a token.
    BasicOrToken,
    Unknown,
}

/// How it answers the call that a test is about.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Odd {
    Huge,
    Deep,
    Doctype,
    Html,
    Silent,
    Trickle,
    Cut,
    Redirect(String),
    Fault(&'static str),
    Status(u16),
}

#[derive(Clone, Debug)]
pub(crate) struct Quirks {
    pub(crate) wants: Wants,
    /// Its clock is ahead by so much.
    pub(crate) ahead: TimeDelta,
    /// It tells its clock to nobody without a password.
    pub(crate) secret_clock: bool,
    /// The host, or several addresses, that stand in its answers; `{port}` is its own.
    pub(crate) xaddr: String,
    pub(crate) stream: String,
    pub(crate) media2: bool,
    /// Knows GetCapabilities alone.
    pub(crate) old: bool,
    pub(crate) prefixes: bool,
    pub(crate) sources: usize,
    /// It is a recorder that has these.
    pub(crate) recordings: Vec<Held>,
    /// Where it says that they are played.
    pub(crate) replay: String,
    /// This call is answered so.
    pub(crate) odd: Option<(&'static str, Odd)>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            wants: Wants::Md5,
            ahead: TimeDelta::zero(),
            secret_clock: false,
            xaddr: "http://127.0.0.1:{port}".into(),
            stream: "rtsp://127.0.0.1:554/Streaming?a=1&amp;b=2".into(),
            media2: true,
            old: false,
            prefixes: true,
            sources: 1,
            recordings: Vec::new(),
            replay: "rtsp://127.0.0.1:554/replay".into(),
            odd: None,
        }
    }
}

/// A recording, and where there is nothing in it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) token: String,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) gaps: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

pub(crate) struct Device {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Device {
    pub(crate) fn start(quirks: Quirks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, wrong) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (log, faults) = (asked.clone(), wrong.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (quirks, log, faults) = (quirks.clone(), log.clone(), faults.clone());
                std::thread::spawn(move || answer(stream.unwrap(), port, &quirks, &log, &faults));
            }
        });
        Self { port, asked, wrong }
    }

    /// Every request so far, header and all.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How often something was shown that is no proof of the password.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn answer(mut stream: TcpStream, port: u16, quirks: &Quirks, log: &Mutex<Vec<String>>, wrong: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let Some((head, body)) = request(&mut stream) else { return };
    log.lock().unwrap().push(format!("{head}{body}"));
    let call = body.split("<s:Body><c:").nth(1).and_then(|rest| rest.split([' ', '>']).next()).unwrap_or_default().to_owned();
    if !(call.starts_with("Get") || call.starts_with("Find")) || !head.starts_with("POST ") {
        wrong.lock().unwrap().push(format!("it was asked {call:?}"));
        std::process::exit(99);
    }
    if let Some((_, odd)) = quirks.odd.as_ref().filter(|(of, _)| *of == call) {
        return oddly(stream, odd);
    }
    let open = call == "GetSystemDateAndTime" && !quirks.secret_clock;
    if !open && let Some((status, headers, body)) = refused(&head, &body, quirks, wrong) {
        return send(&mut stream, status, &headers, &body);
    }
    let (status, inside) = if quirks.recordings.is_empty() { None } else { recorder(&call, &body, quirks) }
        .map_or_else(|| inside(&call, port, quirks), |inside| (200, inside));
    let body = format!(
        "<?xml version=\"1.0\"?>\n<E:Envelope xmlns:E=\"http://www.w3.org/2003/05/soap-envelope\"><E:Body>{inside}</E:Body></E:Envelope>"
    );
    let body = if quirks.prefixes { body } else { body.replace("E:", "").replace("tds:", "").replace("tt:", "") };
    send(&mut stream, status, "", &body);
}

fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut read, mut block) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end + 4].to_vec()).unwrap();
            let length = header(&head, "content-length").map_or(0, |n| n.parse().unwrap());
            if read.len() >= end + 4 + length {
                return Some((head, String::from_utf8(read[end + 4..].to_vec()).unwrap()));
            }
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return None,
            Ok(n) => read.extend(&block[..n]),
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned())
}

fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    // Its own web server's clock is told too, as most do.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

const NOT_AUTHORIZED: &str =
    "<E><B><Fault><Code><Value>env:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code></Fault></B></E>";

/// What it says to whoever shows nothing, or something wrong.
fn refused(head: &str, body: &str, quirks: &Quirks, wrong: &Mutex<Vec<String>>) -> Option<(u16, String, String)> {
    let shown = header(head, "authorization");
    let token = body.contains("UsernameToken");
    assert!(!(shown.is_some() && token), "both at once");
    let digest = |algorithm: &str| {
        format!("WWW-Authenticate: Digest realm=\"d, \\\"x\\\"\", nonce=\"n\", qop=\"auth\", algorithm={algorithm}\r\n")
    };
    let basic = "WWW-Authenticate: Basic realm=\"x\"\r\n".to_owned();
    let (good, challenge) = match quirks.wants {
        Wants::Nothing => (true, String::new()),
        Wants::Md5 => (shown.as_deref().is_some_and(|s| is_digest(s, |t| hex::encode(md5::Md5::digest(t)))), digest("MD5")),
        Wants::Sha256 => {
            (shown.as_deref().is_some_and(|s| is_digest(s, |t| hex::encode(sha2::Sha256::digest(t)))), digest("SHA-256"))
        }
        Wants::Token => (token && is_token(body, quirks.ahead), String::new()),
        Wants::Basic => (shown.as_deref() == Some(&basic_of()), basic),
        Wants::BasicOrToken => (token && is_token(body, quirks.ahead), basic),
        Wants::Unknown => (false, "WWW-Authenticate: Bearer realm=\"x\"\r\n".into()),
    };
    if good {
        return None;
    }
    if shown.is_some() || token {
        wrong.lock().unwrap().push(shown.unwrap_or_else(|| "a token".into()));
    }
    Some(if challenge.is_empty() { (400, challenge, NOT_AUTHORIZED.into()) } else { (401, challenge, String::new()) })
}

fn basic_of() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

fn is_digest(shown: &str, hash: impl Fn(&str) -> String) -> bool {
    let value = |key: &str| {
        let from = shown.split(&format!("{key}=")).nth(1)?;
        Some(from.strip_prefix('"').map_or_else(|| from.split(',').next(), |quoted| quoted.split('"').next())?.to_owned())
    };
    let all = (|| Some((value("uri")?, value(" response")?, value("nc")?, value("cnonce")?)))();
    let Some((uri, response, nc, cnonce)) = all else { return false };
    let who = hash(&format!("{USER}:d, \\\"x\\\":{PASSWORD}"));
    response == hash(&format!("{who}:n:{nc}:{cnonce}:auth:{}", hash(&format!("POST:{uri}"))))
}

/// Fresh by its own clock, and made of the password.
fn is_token(body: &str, ahead: TimeDelta) -> bool {
    let text = |key: &str| {
        let element = body.split(&format!("<{key}")).skip(1).find(|rest| rest.starts_with([' ', '>'])).unwrap_or_default();
        element.split(['>', '<']).nth(1).unwrap_or_default().to_owned()
    };
    let (nonce, created) = (text("w:Nonce"), text("u:Created"));
    let Ok(at) = DateTime::parse_from_rfc3339(&created) else { return false };
    let late = (Utc::now() + ahead - at.to_utc()).abs();
    let nonce = STANDARD.decode(nonce).unwrap();
    assert!(nonce.len() <= 20 && created.len() <= 24 && created.ends_with('Z'), "too long for some: {created}");
    let digest = sha1::Sha1::new().chain_update(&nonce).chain_update(&created).chain_update(PASSWORD).finalize();
    text("w:Username") == USER && text("w:Password") == STANDARD.encode(digest) && late < TimeDelta::seconds(10)
}

fn inside(call: &str, port: u16, quirks: &Quirks) -> (u16, String) {
    let at = |path: &str| {
        let each = quirks.xaddr.split(' ').map(|host| format!("{}{path}", host.replace("{port}", &port.to_string())));
        each.collect::<Vec<_>>().join(" ")
    };
    let now = Utc::now() + quirks.ahead;
    let number = |format: &str| now.format(format).to_string();
    let no_such = "<E:Fault><E:Code><E:Value>E:Receiver</E:Value><E:Subcode><E:Value>ter:ActionNotSupported</E:Value></E:Subcode></E:Code><E:Reason><E:Text>no such call</E:Text></E:Reason></E:Fault>".to_owned();
    let service = |namespace: &str, path: &str| {
        format!("<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{}</tds:XAddr></tds:Service>", at(path))
    };
    let profile = |n: usize, token: &str, codec: &str, size: (u32, u32)| {
        let (source, encoder) = if quirks.media2 {
            ("VideoSource", "VideoEncoder")
        } else {
            ("VideoSourceConfiguration", "VideoEncoderConfiguration")
        };
        format!(
            "<tt:Profiles token=\"{token}{n}\"><tt:Name>{token} &amp; {n}</tt:Name><tt:{source} token=\"s\"><tt:SourceToken>source{n}</tt:SourceToken></tt:{source}>\
             <tt:{encoder} token=\"e\"><tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{}</tt:Width><tt:Height>{}</tt:Height></tt:Resolution>\
             <tt:RateControl><tt:FrameRateLimit>15</tt:FrameRateLimit></tt:RateControl></tt:{encoder}></tt:Profiles>",
            size.0, size.1
        )
    };
    let inside = match call {
        "GetSystemDateAndTime" => format!(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:UTCDateTime>\
             <tt:Time><tt:Hour>{}</tt:Hour><tt:Minute>{}</tt:Minute><tt:Second>{}</tt:Second></tt:Time>\
             <tt:Date><tt:Year>{}</tt:Year><tt:Month>{}</tt:Month><tt:Day>{}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
            number("%-H"), number("%-M"), number("%-S"), number("%Y"), number("%-m"), number("%-d")
        ),
        "GetServices" if quirks.old => return (500, no_such),
        "GetServices" => {
            let two = if quirks.media2 { service("http://www.onvif.org/ver20/media/wsdl", "/onvif/media2") } else { String::new() };
            let one = service("http://www.onvif.org/ver10/media/wsdl", "/onvif/media");
            let recorder = if quirks.recordings.is_empty() {
                String::new()
            } else {
                service("http://www.onvif.org/ver10/search/wsdl", "/onvif/search")
                    + &service("http://www.onvif.org/ver10/replay/wsdl", "/onvif/replay")
            };
            format!("<tds:GetServicesResponse>{one}{two}{recorder}</tds:GetServicesResponse>")
        }
        "GetCapabilities" => format!(
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>{}</tt:XAddr></tt:Media>{}</tds:Capabilities></tds:GetCapabilitiesResponse>",
            at("/onvif/media"),
            if quirks.recordings.is_empty() {
                String::new()
            } else {
                format!(
                    "<tt:Extension><tt:Search><tt:XAddr>{}</tt:XAddr></tt:Search><tt:Replay><tt:XAddr>{}</tt:XAddr></tt:Replay></tt:Extension>",
                    at("/onvif/search"),
                    at("/onvif/replay")
                )
            }
        ),
        "GetDeviceInformation" => "<tds:GetDeviceInformationResponse><tds:Manufacturer>Quirk</tds:Manufacturer><tds:Model>Q1</tds:Model>\
             <tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>SerialNumber</tds:SerialNumber></tds:GetDeviceInformationResponse>".into(),
        "GetProfiles" => {
            let codec = if quirks.media2 { "H265" } else { "H264" };
            let all: String = (0..quirks.sources)
                .map(|n| profile(n, "main", codec, (3840, 2160)) + &profile(n, "sub", codec, (704, 576)) + &profile(n, "tiny", "MPEG4", (320, 240)))
                .collect();
            format!("<tds:GetProfilesResponse>{all}</tds:GetProfilesResponse>")
        }
        "GetStreamUri" => format!("<tds:GetStreamUriResponse><tt:Uri>{}</tt:Uri></tds:GetStreamUriResponse>", quirks.stream),
        _ => return (500, no_such),
    };
    (200, inside)
}

/// What a recorder answers besides. A search hands out one result a time, and nothing the first time.
fn recorder(call: &str, body: &str, quirks: &Quirks) -> Option<String> {
    let of = |name: &str| {
        body.split(&format!("{name}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default().to_owned()
    };
    let told = |inside: String| Some(format!("<tse:{call}Response>{inside}</tse:{call}Response>"));
    let iso = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let information = |held: &Held| {
        format!(
            "<tt:RecordingInformation><tt:RecordingToken>{0}</tt:RecordingToken><tt:Source><tt:SourceId>s</tt:SourceId><tt:Name>Quay {0}</tt:Name>\
             <tt:Location>East &amp; West</tt:Location></tt:Source><tt:EarliestRecording>{1}</tt:EarliestRecording><tt:LatestRecording>{2}</tt:LatestRecording>\
             <tt:Track><tt:TrackToken>AUDIO001</tt:TrackToken><tt:TrackType>Audio</tt:TrackType><tt:DataFrom>1970-01-01T00:00:00Z</tt:DataFrom></tt:Track>\
             <tt:Track><tt:TrackToken>VIDEO001</tt:TrackToken><tt:TrackType>Video</tt:TrackType><tt:DataFrom>{1}</tt:DataFrom><tt:DataTo>{2}</tt:DataTo></tt:Track>\
             <tt:RecordingStatus>Recording</tt:RecordingStatus></tt:RecordingInformation>",
            held.token,
            iso(held.from),
            iso(held.to)
        )
    };
    let results = |all: &[String]| {
        let asked = SEARCHES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let state = if asked.is_multiple_of(2) { "Searching" } else { "Completed" };
        let all = if asked.is_multiple_of(2) { String::new() } else { all.concat() };
        format!("<tse:ResultList><tt:SearchState>{state}</tt:SearchState>{all}</tse:ResultList>")
    };
    let held = |token: &str| quirks.recordings.iter().find(|held| held.token == token);
    match call {
        "GetRecordingSummary" => {
            told(format!("<tse:Summary><tt:NumberRecordings>{}</tt:NumberRecordings></tse:Summary>", quirks.recordings.len()))
        }
        "FindRecordings" if !body.contains("Scope") => None,
        "FindRecordings" => told("<tse:SearchToken>all</tse:SearchToken>".into()),
        "GetRecordingSearchResults" => told(results(&quirks.recordings.iter().map(information).collect::<Vec<_>>())),
        "GetRecordingInformation" => told(held(&of("RecordingToken")).map(information)?),
        "FindEvents" => {
            let recording = body.split("IncludedRecordings").nth(1)?.split('>').nth(1)?.split('<').next()?;
            let within = format!("{recording} {} {}", of("StartPoint"), of("EndPoint"));
            told(format!("<tse:SearchToken>{within}</tse:SearchToken>"))
        }
        "GetEventSearchResults" => {
            let token = of("SearchToken");
            let (recording, from) =
                (token.split(' ').next()?.to_owned(), token.split(' ').nth(1)?.parse::<DateTime<Utc>>().ok()?);
            let held = held(&recording)?;
            let mut changes = vec![(held.from.max(from), true)];
            for (begin, end) in &held.gaps {
                changes.extend([(*begin, false), (*end, true)]);
            }
            changes.push((held.to, false));
            let event = |(at, there): (DateTime<Utc>, bool)| {
                format!(
                    "<tt:Result><tt:RecordingToken>{recording}</tt:RecordingToken><tt:TrackToken>VIDEO001</tt:TrackToken><tt:Time>{}</tt:Time><tt:Event>\
                     <w:Topic>tns1:RecordingHistory/Track/State</w:Topic><w:Message><tt:Message><tt:Source><tt:SimpleItem Name=\"RecordingToken\" Value=\"{recording}\"/></tt:Source>\
                     <tt:Data><tt:SimpleItem Name=\"IsDataPresent\" Value=\"{there}\"/></tt:Data></tt:Message></w:Message></tt:Event>\
                     <tt:StartStateEvent>false</tt:StartStateEvent></tt:Result>",
                    iso(at)
                )
            };
            told(results(&changes.into_iter().filter(|(at, _)| *at >= from).map(event).collect::<Vec<_>>()))
        }
        "GetReplayUri" => {
            let token = of("RecordingToken");
            held(&token)?;
            told(format!("<tse:Uri>{}/{token}</tse:Uri>", quirks.replay))
        }
        _ => None,
    }
}

/// How often results were asked for: every second time there are some.
static SEARCHES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn oddly(mut stream: TcpStream, odd: &Odd) {
    match odd {
        Odd::Huge => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n<a>");
            let block = [b'x'; 65536];
            while stream.write_all(&block).is_ok() {}
        }
        Odd::Deep => send(&mut stream, 200, "", &"<a>".repeat(100_000)),
        Odd::Doctype => {
            let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><x>&b;</x>";
            send(&mut stream, 200, "", bomb);
        }
        Odd::Html => send(&mut stream, 200, "", "<html><body>Welcome to your camera<br></body></html>"),
        Odd::Silent => drop(stream.read(&mut [0; 1])),
        Odd::Trickle => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Odd::Cut => drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<a><b>")),
        Odd::Redirect(to) => send(&mut stream, 302, &format!("Location: {to}\r\n"), ""),
        Odd::Fault(text) => {
            send(&mut stream, 200, "", &format!("<E><B><Fault><Reason><Text>{text}</Text></Reason></Fault></B></E>"))
        }
        Odd::Status(status) => send(&mut stream, *status, "", ""),
    }
}
