//! The way to a recorder that plays what it holds (ONVIF Profile G). Here, and not in the decoder, RTSP is spoken: the decoder
//! gets packets, each with its time, and can ask for nothing.
//!
//! ```text
//! decoder ─ 127.0.0.1, a key ─▶ ReplayDoor ─ DESCRIBE, SETUP, PLAY from..to as fast as it comes ─▶ recorder
//!         ◀─ caps, (time, packet)..., end ─           ◀─ RTP with the recorder's own times (0xABAC) ─
//! ```

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    time::Duration,
};

use contact::{Asked, Login};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout_at},
};
use types::StreamScheme;

use super::{
    BLOCK, CLOSING, DoorFault, Ended, MOST_TRIES, Stream, after_authority,
    alive::KeepAlive,
    asking::Asking,
    connect, connections, has_pictures,
    message::{Message, Unit, first},
    runtime,
};
use crate::{
    MediaError,
    element::broken,
    replay::{Asked as Wanted, Feed},
    replayed::{packet, sdp},
};

/// Lives as long as its reader.
pub(crate) struct ReplayDoor {
    here: SocketAddr,
    key: String,
    fault: Arc<OnceLock<DoorFault>>,
    latest: Arc<AtomicI64>,
    task: JoinHandle<()>,
    closed: mpsc::Receiver<Infallible>,
}

impl std::fmt::Debug for ReplayDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReplayDoor({:?})", self.fault())
    }
}

/// A recorder that says nothing for so long has stopped.
const SILENCE: Duration = Duration::from_secs(15);
/// After this it has nothing more to say, where it said that its footage ends here.
const AFTER_THE_LAST: Duration = Duration::from_secs(2);
/// How long it may take to say that it plays. Old disks have to begin to turn.
const ANSWERING: Duration = Duration::from_secs(30);
/// How much may come at once where a rate is kept.
const BURST: Duration = Duration::from_millis(500);
/// Packets of another time than was asked for, until it is no replay; and those without any time.
const MOST_ASTRAY: u32 = 20_000;
const MOST_UNTIMED: u32 = 1_000;
/// How much later than the last picture that is wanted one may be before reading ends: pictures come in the order in which they
/// are decoded.
const LATER: i64 = 2_000_000_000;
const GOODBYE: Duration = Duration::from_millis(300);
const REQUIRE: &str = "Require";

impl ReplayDoor {
    /// Is there at once; the recorder is connected to when the decoder comes.
    pub(crate) fn open(wanted: &Wanted) -> Result<Self, MediaError> {
        let runtime = runtime()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let here = listener.local_addr().map_err(broken)?;
        let key = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let fault = Arc::<OnceLock<DoorFault>>::default();
        let (open, closed) = mpsc::sync_channel::<Infallible>(0);
        let latest = Arc::new(AtomicI64::new(NOTHING));
        let (wanted, known, told, last) = (wanted.clone(), key.clone(), fault.clone(), latest.clone());
        let task = runtime.spawn(async move {
            let _open = open;
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            let Some(decoder) = known_one(listener, &known).await else { return };
            Player::new(&wanted, decoder, &last).play(&told).await;
        });
        Ok(Self { here, key, fault, latest, task, closed })
    }

    pub(crate) fn connect_for(&self, calls: OwnedFd) -> Result<(), MediaError> {
        runtime()?.spawn(connections::serve(calls, self.here));
        Ok(())
    }

    /// Where the decoder finds it, and what it calls itself there.
    pub(crate) fn way(&self) -> (SocketAddr, String) {
        (self.here, self.key.clone())
    }

    /// The latest picture that came, on the decoder's timeline.
    pub(crate) fn latest(&self) -> Option<i64> {
        Some(self.latest.load(Ordering::Acquire)).filter(|latest| *latest != NOTHING)
    }

    pub(crate) fn fault(&self) -> Option<&DoorFault> {
        self.fault.get()
    }
}

impl Drop for ReplayDoor {
    fn drop(&mut self) {
        // The decoder is gone: the recorder is told that its session is over.
        if let Err(mpsc::RecvTimeoutError::Timeout) = self.closed.recv_timeout(2 * GOODBYE) {
            self.task.abort();
            let _ = self.closed.recv_timeout(CLOSING);
        }
    }
}

fn would_block(tried: &io::Result<usize>) -> bool {
    tried.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Whoever knows the key; nobody else makes the recorder be connected to.
async fn known_one(listener: TcpListener, key: &str) -> Option<TcpStream> {
    loop {
        let (mut stream, _) = listener.accept().await.ok()?;
        let mut shown = vec![0; key.len()];
        let read = timeout_at(Instant::now() + CLOSING, stream.read_exact(&mut shown)).await;
        if matches!(read, Ok(Ok(_))) && shown == key.as_bytes() {
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
    }
}

/// Of a recorder that has played nothing.
const NOTHING: i64 = i64::MIN;

/// One conversation with a recorder.
struct Player<'a> {
    wanted: &'a Wanted,
    decoder: TcpStream,
    latest: &'a AtomicI64,
    /// What is on its way to the decoder.
    out: Vec<u8>,
    login: Option<Login>,
    count: u64,
    /// It refused the word for replay, and may know the thing all the same: its packets tell.
    wordless: bool,
    alive: KeepAlive,
    session: Option<String>,
    /// What is played.
    base: String,
    clock: packet::Clock,
    astray: u32,
    /// The last packet that came said that its footage ends there, or it is the last that was asked for.
    at_end: bool,
    /// Nothing more is wanted.
    over: bool,
}

impl<'a> Player<'a> {
    fn new(wanted: &'a Wanted, decoder: TcpStream, latest: &'a AtomicI64) -> Self {
        Self {
            wanted,
            decoder,
            latest,
            out: Vec::new(),
            login: None,
            count: 0,
            wordless: false,
            alive: KeepAlive::new(),
            session: None,
            base: String::new(),
            clock: packet::Clock::default(),
            astray: 0,
            at_end: false,
            over: false,
        }
    }

    async fn play(mut self, told: &OnceLock<DoorFault>) {
        let fault = match self.played().await {
            Ok(()) => {
                Feed::End.write(&mut self.out);
                let _ = self.decoder.write_all(&self.out).await;
                let _ = self.decoder.shutdown().await;
                return;
            }
            Err(Ended::Fault(fault)) => fault,
            Err(Ended::Closed) => DoorFault::NoAnswer,
        };
        // What came before it is whole: the decoder has it before it hears of the end.
        let _ = self.decoder.write_all(&self.out).await;
        // Before the decoder's connection ends: whoever hears of that finds the reason.
        let _ = told.set(fault);
    }

    /// All that was asked for came, or there is no more.
    async fn played(&mut self) -> Result<(), Ended> {
        let camera = &self.wanted.recorder;
        let deadline = Instant::now() + camera.connect_timeout;
        let (mut recorder, _) = connect(camera, deadline).await?;
        let mut read = Vec::with_capacity(BLOCK);
        let until = Instant::now() + ANSWERING;
        let talked = timeout_at(until, self.begin(&mut recorder, &mut read)).await;
        let begun = talked.unwrap_or(Err(Ended::Fault(DoorFault::Stopped)))?;
        if !begun {
            return Ok(());
        }
        let done = self.carry(&mut recorder, &mut read).await;
        // A recorder has few sessions to give.
        let mut goodbye = Vec::new();
        self.request("TEARDOWN", &self.base.clone(), &[]).write(&mut goodbye);
        let _ = timeout_at(Instant::now() + GOODBYE, recorder.write_all(&goodbye)).await;
        done
    }

    /// Until it plays; false where it has nothing there.
    async fn begin(&mut self, recorder: &mut Box<dyn Stream>, read: &mut Vec<u8>) -> Result<bool, Ended> {
        let url = self.wanted.recorder.url();
        let address = format!("rtsp://{}{}", url.authority(), url.path_and_query());
        let accept = ("Accept", "application/sdp".to_owned());
        let described = self.ask(recorder, read, Asking::Describe, "DESCRIBE", &address, &[accept]).await?;
        if !has_pictures(&described.body) {
            return Err(Ended::Fault(DoorFault::NoPictures));
        }
        let media = sdp::video(&described.body).ok_or(Ended::Fault(DoorFault::NoPictures))?;
        let own = |told: &str| format!("rtsp://{}{}", url.authority(), after_authority(told));
        // Wherever it says that it is: it is asked where it was given.
        let base = described.header("Content-Base").filter(|base| base.contains("://")).map_or(address, own);
        let control = match media.control.as_str() {
            "" | "*" => base.clone(),
            whole if whole.contains("://") => own(whole),
            part => format!("{}/{}", base.trim_end_matches('/'), part.trim_start_matches('/')),
        };
        self.base = base;
        let replay = (REQUIRE, "onvif-replay".to_owned());
        let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned());
        let setup = self.ask(recorder, read, Asking::Setup, "SETUP", &control, &[replay.clone(), transport]).await?;
        self.session = setup.header("Session").map(|s| s.split(';').next().unwrap_or_default().trim().to_owned());
        self.clock = packet::Clock::new(media.clock_rate);
        Feed::Caps(&media.caps).write(&mut self.out);
        let mut headers =
            vec![replay, ("Range", self.wanted.range()), ("Rate-Control", "no".to_owned()), ("Immediate", "yes".to_owned())];
        if self.wanted.keyframes_only {
            headers.push(("Frames", "intra".to_owned()));
        }
        let base = self.base.clone();
        match self.ask(recorder, read, Asking::Play, "PLAY", &base, &headers).await {
            Ok(_) => Ok(true),
            // Of a range in which it has nothing.
            Err(Ended::Fault(DoorFault::Answered(Asking::Play, 457))) => Ok(false),
            Err(ended) => Err(ended),
        }
    }

    fn request(&mut self, method: &str, address: &str, headers: &[(&str, String)]) -> Message {
        self.count += 1;
        self.alive.asked();
        let mut request = Message { start: format!("{method} {address} RTSP/1.0"), headers: Vec::new(), body: Vec::new() };
        request.set("CSeq", self.count.to_string());
        request.set("User-Agent", "Sightline");
        if let Some(session) = &self.session {
            request.set("Session", session.clone());
        }
        for (name, value) in headers.iter().filter(|(name, _)| *name != REQUIRE || !self.wordless) {
            request.set(name, value.clone());
        }
        if let (Some(login), Some(known)) = (&mut self.login, self.wanted.recorder.credentials()) {
            request.set("Authorization", login.authorization(method, address, &known.user, &known.password));
        }
        request
    }

    /// One question and its answer. Packets that come before it are not lost.
    async fn ask(
        &mut self,
        recorder: &mut Box<dyn Stream>,
        read: &mut Vec<u8>,
        asking: Asking,
        method: &'static str,
        address: &str,
        headers: &[(&str, String)],
    ) -> Result<Message, Ended> {
        let mut tries = 0;
        loop {
            let request = self.request(method, address, headers);
            let mut text = Vec::new();
            request.write(&mut text);
            recorder.write_all(&text).await?;
            recorder.flush().await?;
            let answer = self.answer(recorder, read).await?;
            match answer.status() {
                Some(200) => {
                    self.alive.done(&request, &answer);
                    return Ok(answer);
                }
                Some(401) => self.login(&answer, &mut tries)?,
                Some(status) if (300..400).contains(&status) => {
                    let to = answer.header("Location").and_then(|to| types::StreamUrl::parse(to).ok());
                    let to = to.map_or_else(|| "an address that can't be read".to_owned(), |to| to.authority());
                    return Err(Ended::Fault(DoorFault::Elsewhere(to)));
                }
                Some(551) if !self.wordless && headers.iter().any(|(name, _)| *name == REQUIRE) => self.wordless = true,
                Some(551) => return Err(Ended::Fault(DoorFault::NoReplay)),
                Some(status) => return Err(Ended::Fault(DoorFault::Answered(asking, status))),
                None => return Err(Ended::Closed),
            }
        }
    }

    async fn answer(&mut self, recorder: &mut Box<dyn Stream>, read: &mut Vec<u8>) -> Result<Message, Ended> {
        loop {
            while let Some(unit) = first(read)? {
                match unit {
                    Unit::Blank(length) => drop(read.drain(..length)),
                    Unit::Packet(length) => {
                        let packet: Vec<u8> = read.drain(..length).collect();
                        self.packet(&packet)?;
                    }
                    Unit::Message(length, message) => {
                        read.drain(..length);
                        if message.is_answer() && message.status().is_none_or(|status| status >= 200) {
                            return Ok(message);
                        }
                    }
                }
            }
            if recorder.read_buf(read).await? == 0 {
                return Err(Ended::Closed);
            }
        }
    }

    fn login(&mut self, answer: &Message, tries: &mut usize) -> Result<(), Ended> {
        let recorder = &self.wanted.recorder;
        if recorder.credentials().is_none() {
            return Err(Ended::Fault(DoorFault::NoPassword));
        }
        let basic = recorder.url().scheme() == StreamScheme::Rtsps || recorder.basic_without_tls;
        match Login::asked(answer.all("WWW-Authenticate"), basic) {
            Asked::BasicInClear => Err(Ended::Fault(DoorFault::BasicInClear)),
            Asked::Unknown(offered) => Err(Ended::Fault(DoorFault::UnknownLogin(offered))),
            Asked::Login { login, stale } => {
                if *tries > 0 && !(stale && *tries < MOST_TRIES) {
                    return Err(Ended::Fault(DoorFault::Refused));
                }
                *tries += 1;
                self.login = Some(login);
                Ok(())
            }
        }
    }

    /// Packets to the decoder, as fast as it takes them and no faster than may be asked of the recorder.
    async fn carry(&mut self, recorder: &mut Box<dyn Stream>, read: &mut Vec<u8>) -> Result<(), Ended> {
        let (mut from, mut into) = tokio::io::split(recorder);
        let (mut to_recorder, mut heard) = (Vec::new(), Instant::now());
        let mut may = Instant::now();
        loop {
            self.take(read)?;
            if self.over {
                return Ok(());
            }
            let due = self.alive.due();
            let now = Instant::now();
            let (waits, limited) = (!self.out.is_empty(), may > now);
            // Who is not listened to says nothing.
            if waits || limited {
                heard = now;
            }
            // It said so, or it stopped at the same picture before: there is no more.
            let at_end = self.at_end || self.wanted.stopped.is_some_and(|at| at == self.latest.load(Ordering::Relaxed));
            let patience = if at_end { AFTER_THE_LAST } else { SILENCE };
            tokio::select! {
                count = from.read_buf(read), if !waits && !limited => {
                    if count? == 0 {
                        // Some end the connection after the last picture.
                        return if at_end { Ok(()) } else { Err(Ended::Fault(self.why_it_stopped())) };
                    }
                    heard = Instant::now();
                    if let Some(bits) = self.wanted.bits_per_second {
                        let took = Duration::from_secs_f64(read.len() as f64 * 8.0 / bits.max(1) as f64);
                        let earliest = heard.checked_sub(BURST).unwrap_or(heard);
                        may = may.max(earliest) + took;
                    }
                }
                () = sleep_until(may), if !waits && limited => {}
                () = sleep_until(heard + patience), if !waits && !limited => {
                    return if at_end { Ok(()) } else { Err(Ended::Fault(self.why_it_stopped())) };
                }
                ready = self.decoder.ready(if waits { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE }) => {
                    let ready = ready?;
                    // It never says anything: then it is gone, and nobody wants more.
                    if ready.is_readable() && !would_block(&self.decoder.try_read(&mut [0; 1])) {
                        return Ok(());
                    }
                    if waits && ready.is_writable() {
                        match self.decoder.try_write(&self.out) {
                            Ok(written) => drop(self.out.drain(..written)),
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            Err(_) => return Ok(()),
                        }
                    }
                }
                () = sleep_until(due.unwrap_or(now)), if due.is_some() && to_recorder.is_empty() => {
                    let request = self.alive.request();
                    let (method, address) = (request.method().to_owned(), request.address().to_owned());
                    self.request(&method, &address, &[]).write(&mut to_recorder);
                }
                written = into.write(&to_recorder), if !to_recorder.is_empty() => {
                    let written = written?;
                    to_recorder.drain(..written);
                    into.flush().await?;
                }
            }
        }
    }

    /// A recorder that played nothing that can be used is no use asking again.
    fn why_it_stopped(&self) -> DoorFault {
        match (self.astray > 0 && self.latest.load(Ordering::Relaxed) == NOTHING, self.clock.is_known()) {
            (true, false) => DoorFault::NoTimes,
            (true, true) => DoorFault::AnotherTime,
            (false, _) => DoorFault::Stopped,
        }
    }

    /// What was read so far.
    fn take(&mut self, read: &mut Vec<u8>) -> Result<(), Ended> {
        let mut done = 0;
        while let Some(unit) = first(&read[done..])? {
            match unit {
                Unit::Blank(length) => done += length,
                Unit::Packet(length) => {
                    let packet = read[done..done + length].to_vec();
                    done += length;
                    self.packet(&packet)?;
                    if self.over {
                        break;
                    }
                }
                Unit::Message(length, message) => {
                    done += length;
                    if message.is_answer() && message.status().is_some_and(|status| status >= 400) {
                        self.alive.refused();
                    }
                }
            }
        }
        read.drain(..done);
        Ok(())
    }

    /// `$`, channel and length stand before it.
    fn packet(&mut self, framed: &[u8]) -> Result<(), Ended> {
        let (Some(channel), Some(bytes)) = (framed.get(1), framed.get(4..)) else { return Ok(()) };
        if channel % 2 == 1 {
            self.over |= packet::is_goodbye(bytes);
            return Ok(());
        }
        let Some(packet) = packet::Packet::read(bytes) else { return Ok(()) };
        let at = self.clock.time(&packet).and_then(|at| self.wanted.on_timeline(at));
        let Some(at) = at else {
            self.astray += 1;
            let most = if self.clock.is_known() { MOST_ASTRAY } else { MOST_UNTIMED };
            return if self.astray > most { Err(Ended::Fault(self.why_it_stopped())) } else { Ok(()) };
        };
        let left = self.wanted.end() - at;
        if left < -LATER {
            self.over = true;
            return Ok(());
        }
        self.latest.fetch_max(at, Ordering::AcqRel);
        self.over = packet.marked && packet.last;
        self.at_end = packet.ends || left <= 0;
        Feed::Packet(at.unsigned_abs(), bytes).write(&mut self.out);
        Ok(())
    }
}
