//! The one way to a camera. GStreamer speaks to a door on this machine and never learns a password or an address; the door
//! alone connects, to the camera's own authority and to nothing else, and shows the password there.
//!
//! ```text
//! rtspsrc ─ 127.0.0.1, a key of this door's own ─▶ Door ─ the address that was checked, TLS if rtsps ─▶ camera
//! ```
//!
//! So nothing that a camera says can make anything else be connected to: every address in its answers is written anew to be the
//! door's, and a redirect to another authority is a fault. Over UDP the door takes the packets and hands them on inside
//! GStreamer's connection. That connection, too, is made by this process, whatever address GStreamer gives.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use contact::{Asked, Login, NoTls, secure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};
use types::{StreamScheme, StreamUrl};

pub(crate) use self::fault::DoorFault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::fuzzing::camera_says;
use self::{
    alive::KeepAlive,
    asking::Asking,
    datagrams::Datagrams,
    message::{Message, NotRtsp, Unit, first},
};
use crate::{MediaError, RtspSource, Transport, element::broken, names::addresses};

mod alive;
mod asking;
mod connections;
mod datagrams;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod message;
pub(crate) mod replay;

/// Lives as long as its reader.
pub(crate) struct Door {
    here: SocketAddr,
    location: String,
    key: String,
    fault: Arc<OnceLock<DoorFault>>,
    heard: Arc<AtomicU64>,
    task: JoinHandle<()>,
    /// Ends when all that the door opened is closed.
    closed: mpsc::Receiver<Infallible>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({:?})", self.fault())
    }
}

/// Redirects that a reader follows.
const MOST_REDIRECTS: usize = 5;
/// A camera asks again with a fresh number, not for ever.
const MOST_TRIES: usize = 2;
/// Connections that GStreamer has at once; it has one, and for a moment the next.
const MOST_CONNECTIONS: usize = 4;
/// What an answer waits for at most.
const MOST_WAITING: usize = 64;
const BLOCK: usize = 64 << 10;
const CLOSING: Duration = Duration::from_secs(2);

/// Shared by all doors: they only carry bytes.
fn runtime() -> Result<&'static Runtime, MediaError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("camera-door").enable_io().enable_time();
        builder.build().map_err(|error| error.to_string())
    });
    made.as_ref().map_err(broken)
}

impl Door {
    /// Is there at once; the camera is connected to when GStreamer comes.
    pub(crate) fn open(camera: &RtspSource) -> Result<Self, MediaError> {
        let runtime = runtime()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let here = listener.local_addr().map_err(broken)?;
        let key = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let (fault, heard) = (Arc::<OnceLock<DoorFault>>::default(), Arc::<AtomicU64>::default());
        let (open, closed) = mpsc::channel();
        let behind = Arc::new(Behind {
            camera: camera.clone(),
            here,
            key: key.clone(),
            fault: fault.clone(),
            heard: heard.clone(),
            redirects: AtomicUsize::new(0),
            _open: open,
        });
        let task = runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            behind.accept(listener).await;
        });
        let location = format!("rtsp://{here}{}", camera.url().path_and_query());
        Ok(Self { here, location, key, fault, heard, task, closed })
    }

    /// Makes the connections of a decoder, which come here and nowhere else, until it ends.
    pub(crate) fn connect_for(&self, calls: OwnedFd) -> Result<(), MediaError> {
        runtime()?.spawn(connections::serve(calls, self.here));
        Ok(())
    }

    /// Where GStreamer finds the camera.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// What GStreamer calls itself here, so that nobody else on this machine comes in.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn fault(&self) -> Option<&DoorFault> {
        self.fault.get()
    }

    /// Answers and packets of the camera so far that came through here.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        // Nothing is ever sent: this ends once every connection is closed.
        let _ = self.closed.recv_timeout(CLOSING);
    }
}

/// What stands behind a door.
struct Behind {
    camera: RtspSource,
    here: SocketAddr,
    key: String,
    fault: Arc<OnceLock<DoorFault>>,
    heard: Arc<AtomicU64>,
    redirects: AtomicUsize,
    _open: mpsc::Sender<Infallible>,
}

/// Why a connection ended.
#[derive(Debug)]
enum Ended {
    Fault(DoorFault),
    /// Either side closed it, or spoke what is no RTSP.
    Closed,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<NotRtsp> for Ended {
    fn from(_: NotRtsp) -> Self {
        Self::Closed
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Behind {
    /// Until there is a fault: then nobody is let in any more.
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut inside = JoinSet::new();
        loop {
            let came = tokio::select! {
                came = listener.accept(), if inside.len() < MOST_CONNECTIONS => came,
                Some(ended) = inside.join_next() => {
                    let Ok(Ended::Fault(fault)) = ended else { continue };
                    tracing::debug!(camera = %self.camera, ?fault, "the camera is let go");
                    return;
                }
            };
            let Ok((gstreamer, _)) = came else { return };
            let this = self.clone();
            inside.spawn(async move { this.serve(gstreamer).await });
        }
    }

    async fn serve(&self, mut gstreamer: TcpStream) -> Ended {
        let deadline = Instant::now() + self.camera.connect_timeout;
        let _ = gstreamer.set_nodelay(true);
        let mut talk = Talk::new(self);
        let mut asked = Vec::with_capacity(BLOCK);
        // Nobody else makes the camera be connected to.
        while !talk.known {
            match timeout_at(deadline, gstreamer.read_buf(&mut asked)).await {
                Ok(Ok(read)) if read > 0 && talk.asked(&mut asked).is_ok() => {}
                _ => return Ended::Closed,
            }
        }
        let ended = match connect(&self.camera, deadline).await {
            Ok((camera, at)) => {
                talk.at = at;
                talk.carry(&mut gstreamer, camera, asked, deadline).await
            }
            Err(ended) => ended,
        };
        let fault = match ended {
            Ended::Fault(fault) => fault,
            Ended::Closed if talk.answered => return Ended::Closed,
            Ended::Closed => {
                // As late as a camera that says nothing at all.
                sleep_until(deadline).await;
                DoorFault::NoAnswer
            }
        };
        // Before GStreamer's connection ends: whoever hears of that finds the reason.
        let _ = self.fault.set(fault.clone());
        Ended::Fault(fault)
    }

    /// Whether an address in a redirect is this camera's.
    fn is_own(&self, to: &StreamUrl, at: IpAddr) -> bool {
        let url = self.camera.url();
        let tls = |url: &StreamUrl| url.scheme() == StreamScheme::Rtsps;
        let same_host = to.host() == url.host() || to.host().parse().is_ok_and(|ip: IpAddr| ip.to_canonical() == at);
        same_host && to.port() == url.port() && tls(to) == tls(url)
    }
}

/// To an address that was checked, and to that alone.
async fn connect(camera: &RtspSource, deadline: Instant) -> Result<(Box<dyn Stream>, IpAddr), Ended> {
    let url = camera.url();
    let found = addresses(&url.host(), url.port(), deadline).await;
    let (known, may): (bool, Vec<_>) = (!found.is_empty(), found.into_iter().filter(|a| camera.networks.allow(a.ip())).collect());
    if may.is_empty() {
        return Err(if known { Ended::Fault(DoorFault::Outside) } else { Ended::Closed });
    }
    for (i, address) in may.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(may.len() - i).unwrap_or(u32::MAX);
        let until = now + deadline.saturating_duration_since(now) / left;
        let Ok(Ok(stream)) = timeout_at(until, TcpStream::connect(address)).await else { continue };
        let _ = stream.set_nodelay(true);
        let at = address.ip().to_canonical();
        if url.scheme() != StreamScheme::Rtsps {
            return Ok((Box::new(stream), at));
        }
        let secured = timeout_at(deadline, secure(&url.host(), stream, camera.trust)).await;
        let secured = secured.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        return match secured {
            Ok(stream) => Ok((Box::new(stream), at)),
            Err(NoTls::Untrusted(pin)) => Err(Ended::Fault(DoorFault::Untrusted(pin))),
            Err(NoTls::Another(pin)) => Err(Ended::Fault(DoorFault::OtherCertificate(pin))),
            Err(NoTls::Failed(error)) => {
                // For whoever runs this machine; the camera's owner is told no more than of any other silence.
                tracing::warn!(camera = %camera, %error, "no TLS with the camera");
                Err(Ended::Closed)
            }
        };
    }
    Err(Ended::Closed)
}

/// What is said over one connection.
struct Talk<'a> {
    behind: &'a Behind,
    /// The camera's address.
    at: IpAddr,
    /// GStreamer showed the key.
    known: bool,
    /// The camera said something that is RTSP.
    answered: bool,
    login: Option<Login>,
    /// Of a camera that sends its packets past the connection.
    datagrams: Option<Datagrams>,
    count: u64,
    waiting: VecDeque<Waiting>,
    alive: KeepAlive,
    /// A stream is set up.
    set_up: bool,
    to_gstreamer: Vec<u8>,
    to_camera: Vec<u8>,
}

/// A request without an answer yet.
struct Waiting {
    ours: u64,
    /// GStreamer's number; `None`: nobody but the door asked.
    theirs: Option<String>,
    request: Message,
    tries: usize,
}

impl<'a> Talk<'a> {
    fn new(behind: &'a Behind) -> Self {
        Self {
            behind,
            at: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            known: false,
            answered: false,
            login: None,
            datagrams: (behind.camera.transport == Transport::Udp).then(Datagrams::default),
            count: 0,
            waiting: VecDeque::new(),
            alive: KeepAlive::new(),
            set_up: false,
            to_gstreamer: Vec::new(),
            to_camera: Vec::new(),
        }
    }

    async fn carry(&mut self, gstreamer: &mut TcpStream, camera: Box<dyn Stream>, asked: Vec<u8>, deadline: Instant) -> Ended {
        match self.carried(gstreamer, camera, asked, deadline).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn carried(
        &mut self,
        gstreamer: &mut TcpStream,
        camera: Box<dyn Stream>,
        mut asked: Vec<u8>,
        deadline: Instant,
    ) -> Result<Infallible, Ended> {
        let (mut from_gstreamer, mut into_gstreamer) = gstreamer.split();
        let (mut from_camera, mut into_camera) = tokio::io::split(camera);
        let mut heard = Vec::with_capacity(BLOCK);
        let mut silence = pin!(sleep_until(deadline));
        let (mut packets, mut space) = (Vec::new(), Vec::new());
        loop {
            let (at, due) = (self.at, self.alive.due());
            let datagrams = self.datagrams.as_ref().filter(|datagrams| !datagrams.is_empty() && self.to_gstreamer.is_empty());
            tokio::select! {
                received = async {
                    match datagrams {
                        Some(datagrams) => datagrams.receive(at, &mut packets, &mut space).await,
                        None => std::future::pending().await,
                    }
                } => {
                    self.behind.heard.fetch_add(received?, Ordering::Relaxed);
                    self.to_gstreamer.append(&mut packets);
                }
                () = sleep_until(due.unwrap_or(deadline)), if due.is_some() && self.to_camera.is_empty() => {
                    let request = self.alive.request();
                    self.send(Waiting { ours: 0, theirs: None, request, tries: 0 });
                }
                read = from_camera.read_buf(&mut heard), if self.to_gstreamer.is_empty() => {
                    if read? == 0 {
                        return Err(Ended::Closed);
                    }
                    self.heard(&mut heard)?;
                }
                read = from_gstreamer.read_buf(&mut asked), if self.to_camera.is_empty() => {
                    if read? == 0 {
                        return Err(Ended::Closed);
                    }
                    self.asked(&mut asked)?;
                }
                written = into_gstreamer.write(&self.to_gstreamer), if !self.to_gstreamer.is_empty() => {
                    self.to_gstreamer.drain(..written?);
                }
                written = into_camera.write(&self.to_camera), if !self.to_camera.is_empty() => {
                    self.to_camera.drain(..written?);
                    into_camera.flush().await?;
                }
                () = &mut silence, if !self.answered => return Err(Ended::Closed),
            }
        }
    }

    /// From GStreamer.
    fn asked(&mut self, read: &mut Vec<u8>) -> Result<(), Ended> {
        let mut done = 0;
        while let Some(unit) = first(&read[done..])? {
            match unit {
                Unit::Blank(length) => done += length,
                Unit::Packet(length) => {
                    let packet = &read[done..done + length];
                    let sent = self.datagrams.as_ref().is_some_and(|datagrams| datagrams.send(packet, self.at));
                    if self.known && !sent {
                        self.to_camera.extend(packet);
                    }
                    done += length;
                }
                Unit::Message(length, message) => {
                    done += length;
                    if message.is_answer() {
                        if self.known {
                            message.write(&mut self.to_camera);
                        }
                    } else {
                        self.ask(message)?;
                    }
                }
            }
        }
        read.drain(..done);
        Ok(())
    }

    fn ask(&mut self, mut request: Message) -> Result<(), Ended> {
        if !request.all("User-Agent").any(|agent| agent == self.behind.key) {
            return Err(Ended::Closed);
        }
        self.known = true;
        if request.address() != "*" {
            let address = format!("rtsp://{}{}", self.behind.camera.url().authority(), after_authority(request.address()));
            request.set_address(&address);
        }
        request.set("User-Agent", "Sightline");
        request.remove("Authorization");
        if let Some(datagrams) = &mut self.datagrams
            && request.method() == "SETUP"
        {
            datagrams.ask(&mut request, self.at)?;
        }
        let theirs = request.header("CSeq").unwrap_or_default().to_owned();
        self.send(Waiting { ours: 0, theirs: Some(theirs), request, tries: 0 });
        Ok(())
    }

    /// Under a number of its own, and signed once it is known how.
    fn send(&mut self, mut waiting: Waiting) {
        self.count += 1;
        self.alive.asked();
        waiting.ours = self.count;
        waiting.request.set("CSeq", waiting.ours.to_string());
        if let (Some(login), Some(credentials)) = (&mut self.login, self.behind.camera.credentials()) {
            let request = &mut waiting.request;
            let shown = login.authorization(request.method(), request.address(), &credentials.user, &credentials.password);
            request.set("Authorization", shown);
        }
        waiting.request.write(&mut self.to_camera);
        self.waiting.push_back(waiting);
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
        }
    }

    /// From the camera.
    fn heard(&mut self, read: &mut Vec<u8>) -> Result<(), Ended> {
        let mut done = 0;
        while let Some(unit) = first(&read[done..])? {
            match unit {
                Unit::Blank(length) => done += length,
                Unit::Packet(length) => {
                    self.behind.heard.fetch_add(1, Ordering::Relaxed);
                    self.to_gstreamer.extend(&read[done..done + length]);
                    done += length;
                }
                Unit::Message(length, message) => {
                    self.behind.heard.fetch_add(1, Ordering::Relaxed);
                    done += length;
                    if message.is_answer() {
                        self.answered = true;
                        self.answer(message)?;
                    } else if self.answered {
                        message.write(&mut self.to_gstreamer);
                    }
                }
            }
        }
        read.drain(..done);
        Ok(())
    }

    fn answer(&mut self, mut answer: Message) -> Result<(), Ended> {
        let number = answer.header("CSeq").and_then(|number| number.parse::<u64>().ok());
        // Some cameras count in their own way; then it is the oldest request's.
        let which = self.waiting.iter().position(|w| Some(w.ours) == number).unwrap_or(0);
        if answer.status().is_some_and(|status| status < 200) {
            // More is to come.
            match self.waiting.get(which).map(|waiting| waiting.theirs.clone()) {
                Some(Some(theirs)) => answer.set("CSeq", theirs),
                Some(None) => return Ok(()),
                None => {}
            }
        } else if let Some(waiting) = self.waiting.remove(which) {
            if answer.status() == Some(401) {
                return self.asked_for_login(&answer, waiting);
            }
            self.refusal(&waiting.request, &answer)?;
            let Some(theirs) = waiting.theirs else {
                if answer.status().is_some_and(|status| status >= 400) {
                    self.alive.refused();
                }
                return Ok(());
            };
            if let Some(datagrams) = &mut self.datagrams
                && waiting.request.method() == "SETUP"
                && answer.status() == Some(200)
            {
                datagrams.answer(&mut answer, self.at);
            }
            answer.set("CSeq", theirs);
        }
        if answer.status().is_some_and(|status| (300..400).contains(&status)) {
            self.redirected(&mut answer)?;
        }
        self.hide_addresses(&mut answer);
        answer.write(&mut self.to_gstreamer);
        Ok(())
    }

    /// What the camera does not do of what leads to a stream.
    fn refusal(&mut self, request: &Message, answer: &Message) -> Result<(), Ended> {
        let (Some(asking), Some(status)) = (Asking::of(request.method()), answer.status()) else {
            if answer.status() == Some(200) {
                self.alive.done(request, answer);
            }
            return Ok(());
        };
        if status >= 400 {
            // Of several streams one is enough.
            let other = asking == Asking::Setup && self.set_up;
            return if other { Ok(()) } else { Err(Ended::Fault(DoorFault::Answered(asking, status))) };
        }
        if status == 200 {
            self.set_up |= asking == Asking::Setup;
            self.alive.done(request, answer);
            if asking == Asking::Describe && !has_pictures(&answer.body) {
                return Err(Ended::Fault(DoorFault::NoPictures));
            }
        }
        Ok(())
    }

    /// Asks again with what the camera wants to be shown.
    fn asked_for_login(&mut self, answer: &Message, mut waiting: Waiting) -> Result<(), Ended> {
        let camera = &self.behind.camera;
        if camera.credentials().is_none() {
            return Err(Ended::Fault(DoorFault::NoPassword));
        }
        let basic = camera.url().scheme() == StreamScheme::Rtsps || camera.basic_without_tls;
        match Login::asked(answer.all("WWW-Authenticate"), basic) {
            Asked::BasicInClear => Err(Ended::Fault(DoorFault::BasicInClear)),
            Asked::Unknown(offered) => Err(Ended::Fault(DoorFault::UnknownLogin(offered))),
            Asked::Login { login, stale } => {
                // What was shown is wrong.
                if waiting.tries > 0 && !(stale && waiting.tries < MOST_TRIES) {
                    return Err(Ended::Fault(DoorFault::Refused));
                }
                waiting.tries += 1;
                self.login = Some(login);
                self.send(waiting);
                Ok(())
            }
        }
    }

    fn redirected(&mut self, answer: &mut Message) -> Result<(), Ended> {
        let Some(location) = answer.header("Location").map(str::to_owned) else { return Ok(()) };
        // A path alone is the camera's own.
        if location.contains("://") {
            match StreamUrl::parse(&location) {
                Ok(to) if self.behind.is_own(&to, self.at) => {}
                Ok(to) => return Err(Ended::Fault(DoorFault::Elsewhere(to.authority()))),
                Err(_) => return Err(Ended::Fault(DoorFault::Elsewhere("an address that can't be read".into()))),
            }
        } else {
            let path = format!("rtsp://{}/{}", self.behind.here, location.trim_start_matches('/'));
            answer.set("Location", path);
        }
        if self.behind.redirects.fetch_add(1, Ordering::Relaxed) >= MOST_REDIRECTS {
            return Err(Ended::Fault(DoorFault::Circles));
        }
        Ok(())
    }

    /// Wherever GStreamer may read an address to connect or to send to, it finds this door's, or the camera's own.
    fn hide_addresses(&self, answer: &mut Message) {
        for name in ["Location", "Content-Base", "Content-Location"] {
            if let Some(address) = answer.header(name).map(|address| self.inside(address)) {
                answer.set(name, address);
            }
        }
        if let Some(info) = answer.header("RTP-Info").map(str::to_owned) {
            let parts = info.split_inclusive([';', ',']).map(|part| self.inside_of(part, "url="));
            answer.set("RTP-Info", parts.collect::<String>());
        }
        if let Some(transport) = answer.header("Transport").map(str::to_owned) {
            let own =
                |part: &&str| !["source=", "destination="].iter().any(|key| part.trim().to_ascii_lowercase().starts_with(key));
            let mut parts: Vec<_> = transport.split(';').filter(own).map(str::to_owned).collect();
            parts.push(format!("source={}", self.at));
            answer.set("Transport", parts.join(";"));
        }
        if !answer.body.is_empty() {
            answer.body = self.described(&answer.body);
            answer.set("Content-Length", answer.body.len().to_string());
        }
    }

    /// A description without an address to connect to.
    fn described(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        // GStreamer takes either end of a line, and skips blanks before it.
        for line in body.split_inclusive(|b| matches!(b, b'\r' | b'\n')) {
            let text = String::from_utf8_lossy(line);
            let lower = text.trim_start().to_ascii_lowercase();
            // A clock of GStreamer's own, asked at whatever address stands there.
            if lower.starts_with("a=x-gst-clock") {
                continue;
            }
            if lower.starts_with("a=control:") && lower.contains("://") {
                out.extend(self.inside_of(&text, "a=control:").as_bytes());
            } else {
                out.extend(line);
            }
        }
        out
    }

    /// What follows the key, as an address of this door.
    fn inside_of(&self, text: &str, key: &str) -> String {
        let at = text.to_ascii_lowercase().find(key).map(|at| at + key.len());
        at.and_then(|at| text.split_at_checked(at))
            .map_or_else(|| text.to_owned(), |(before, address)| format!("{before}{}", self.inside(address)))
    }

    /// The same path at this door, where it is a whole address.
    fn inside(&self, address: &str) -> String {
        let address = address.trim_start();
        if address.contains("://") {
            format!("rtsp://{}{}", self.behind.here, after_authority(address))
        } else {
            address.to_owned()
        }
    }
}

/// Whether a description has a stream of pictures.
fn has_pictures(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).lines().any(|line| line.trim_start().to_ascii_lowercase().starts_with("m=video"))
}

fn after_authority(address: &str) -> &str {
    let authority = address.find("://").map_or(0, |at| at + 3);
    let rest = address.get(authority..).unwrap_or_default();
    rest.find(['/', '?', ';', ',', '\r', '\n']).and_then(|at| rest.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::Networks;

    fn camera(url: &str) -> RtspSource {
        RtspSource::new(url).unwrap().within(Networks::new(["127.0.0.0/8".parse().unwrap()]))
    }

    #[test]
    fn who_does_not_know_the_key_of_a_door_comes_to_no_camera() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::open(&camera(&format!("rtsp://u:p@{}/live", listener.local_addr().unwrap()))).unwrap();
        let here = door.location().strip_prefix("rtsp://").unwrap().split('/').next().unwrap().to_owned();
        for request in ["OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: x\r\n\r\n", "RTSP/1.0 200 OK\r\n\r\nGET / HTTP/1.0\r\n\r\n"]
        {
            let mut stranger = std::net::TcpStream::connect(&here).unwrap();
            stranger.write_all(request.as_bytes()).unwrap();
            let mut heard = Vec::new();
            let _ = stranger.read_to_end(&mut heard);
            assert!(heard.is_empty());
        }
        assert_eq!(door.fault(), None);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn in_no_answer_an_address_is_left_that_is_not_the_doors_or_the_cameras() {
        let (open, _closed) = mpsc::channel();
        let behind = Behind {
            camera: camera("rtsp://cam.example/live"),
            here: "127.0.0.1:4000".parse().unwrap(),
            key: "key".into(),
            fault: Arc::default(),
            heard: Arc::default(),
            redirects: Default::default(),
            _open: open,
        };
        let mut talk = Talk::new(&behind);
        talk.at = "192.0.2.7".parse().unwrap();
        let headers = [
            ("Content-Base", "rtsp://10.0.0.1:99/live/"),
            ("content-location", "RTSPS://10.0.0.1"),
            ("RTP-Info", "url=rtsp://10.0.0.1/a;seq=1,url=rtsp://10.0.0.1/b;seq=2"),
            ("Transport", "RTP/AVP;unicast;client_port=1-2;source=10.0.0.1;Destination=10.0.0.1;server_port=3-4"),
        ];
        let body = "v=0\ra=control:rtsp://10.0.0.1/cr\r a=control:rtsp://10.0.0.1/blank\r\na=x-gst-clock:GstNetTimeProvider x 10.0.0.1:9 0\r\nA=control:rtsp://10.0.0.1/\r\na=control:t\r\na=control:rtsp://u:p@10.0.0.1:9/x?y\r\n";
        let mut answer = Message {
            start: "RTSP/1.0 200 OK".into(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        };
        talk.hide_addresses(&mut answer);
        let mut text = Vec::new();
        answer.write(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("10.0.0.1"), "{text}");
        for want in [
            "Content-Base: rtsp://127.0.0.1:4000/live/\r\n",
            "RTP-Info: url=rtsp://127.0.0.1:4000/a;seq=1,url=rtsp://127.0.0.1:4000/b;seq=2\r\n",
            "client_port=1-2;server_port=3-4;source=192.0.2.7\r\n",
            "v=0\ra=control:rtsp://127.0.0.1:4000/cr\r a=control:rtsp://127.0.0.1:4000/blank\r\n",
            "a=control:t\r\na=control:rtsp://127.0.0.1:4000/x?y\r\n",
            &format!("Content-Length: {}\r\n", answer.body.len()),
        ] {
            assert!(text.contains(want), "{want}: {text}");
        }
    }
}
