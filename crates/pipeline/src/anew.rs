//! A camera's address asked for anew: where its stream does not answer, the device that named the address is asked where the
//! stream is now, by ONVIF.
//!
//! Only the host that was given is asked, with the login that was given, and of the answer nothing but path and port is taken. The
//! new address is kept once a picture has come from it; until then the old one counts.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{Backoff, Networks, RtspSource};
use onvif::{Cure, OnvifError, Password, Surveying};
use tokio_util::sync::CancellationToken;
use types::{CameraId, ReceiveTime, StreamUrl};

use crate::secrets::KeptAddress;

/// Keeps another address of a camera in place of the one that it had; `false`: somebody gave a third one meanwhile, which counts.
pub type KeepAddress = dyn Fn(&CameraId, &KeptAddress, &KeptAddress) -> Result<bool, String> + Send + Sync;

/// How a camera's address is asked for anew.
#[derive(Clone)]
pub struct Anew {
    /// What is kept of the camera, with the device that named its address.
    pub address: KeptAddress,
    /// How another one is kept.
    pub keep: Arc<KeepAddress>,
}

impl fmt::Debug for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anew(..)")
    }
}

/// What came of asking a device where its stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedOutcome {
    /// It names the address that is known.
    Same,
    /// It names another one, which is tried.
    Trying,
    /// A picture came from the other one: it is kept.
    Taken,
    /// It names another one, which is not taken.
    NotTaken,
    /// It refuses the login, or shows another certificate: it is not asked again until somebody gives the address again.
    Refused,
    /// It did not tell. It is asked again.
    Failed,
}

impl AskedOutcome {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Trying => "trying",
            Self::Taken => "taken",
            Self::NotTaken => "not_taken",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// When a device was asked last where its stream is, and what came of it. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressAsked {
    /// When.
    pub at: ReceiveTime,
    /// What came of it.
    pub outcome: AskedOutcome,
    /// For people.
    pub text: String,
}

impl AddressAsked {
    fn now(outcome: AskedOutcome, text: String) -> Self {
        // What a device says of itself has no end of its own.
        let text = if text.len() > LONGEST { format!("{}…", &text[..text.floor_char_boundary(LONGEST)]) } else { text };
        Self { at: ReceiveTime::now(), outcome, text }
    }
}

/// Bytes of what is told of it.
const LONGEST: usize = 1_000;
/// A connection may fail once for any reason.
const FAILURES: u32 = 2;
/// A device is asked once in so long, and each time half as often.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Of one camera while it is watched.
pub(crate) struct Asking {
    camera: CameraId,
    anew: Anew,
    networks: Networks,
    /// What its device named, and no picture came of it yet.
    trial: Option<(KeptAddress, RtspSource)>,
    /// What its device named before and a picture came of.
    taken: Option<RtspSource>,
    failures: u32,
    pause: Backoff,
    again: Instant,
    refused: bool,
}

impl Asking {
    /// `source`: where the camera is watched at first.
    pub(crate) fn new(camera: &CameraId, anew: Anew, source: &RtspSource) -> Self {
        Self {
            camera: camera.clone(),
            anew,
            networks: source.networks.clone(),
            trial: None,
            taken: None,
            failures: 0,
            pause: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            again: Instant::now(),
            refused: false,
        }
    }

    /// Where the camera is watched now, if that is not where it was given.
    pub(crate) fn source(&self) -> Option<&RtspSource> {
        self.trial.as_ref().map(|(_, source)| source).or(self.taken.as_ref())
    }

    /// Whether what its device named is tried now.
    pub(crate) fn tries(&self) -> bool {
        self.trial.is_some()
    }

    /// A picture came: whatever it came from works.
    pub(crate) fn pictured(&mut self) -> Option<AddressAsked> {
        self.failures = 0;
        let (address, source) = self.trial.take()?;
        self.pause.reset();
        self.taken = Some(source);
        let shown = address.shown();
        let kept = (self.anew.keep)(&self.camera, &self.anew.address, &address);
        let told = match kept {
            Ok(true) => {
                tracing::info!(camera = %self.camera, "the camera's device named another address; a picture came from it and it is kept");
                format!("its device names the address {shown}, which is watched from now on")
            }
            Ok(false) => format!("its device names the address {shown}; somebody gave another one meanwhile, which counts"),
            Err(reason) => {
                tracing::error!(camera = %self.camera, reason, "the address that the camera's device named is not kept");
                format!(
                    "its device names the address {shown}, which is watched; it could not be kept, so that it is asked for again after a restart ({reason})"
                )
            }
        };
        self.anew.address = address;
        Some(AddressAsked::now(AskedOutcome::Taken, told))
    }

    /// A connection ended. `unanswered`: without a picture, in a way that another address may be the cure of.
    pub(crate) fn lost(&mut self, unanswered: bool) -> Option<AddressAsked> {
        self.failures = if unanswered { self.failures.saturating_add(1) } else { 0 };
        let (address, _) = self.trial.take()?;
        let text = format!(
            "its device names the address {}, from which no picture came either; the one that was given stays",
            address.shown()
        );
        Some(AddressAsked::now(AskedOutcome::NotTaken, text))
    }

    /// Whether its device is to be asked now.
    pub(crate) fn is_due(&self) -> bool {
        self.failures >= FAILURES && !self.refused && Instant::now() >= self.again
    }

    /// Asks the device; `None`: it was told to stop. Blocks for as long as a survey may take.
    pub(crate) fn ask(&mut self, cancel: &CancellationToken) -> Option<AddressAsked> {
        self.again = Instant::now() + self.pause.wait();
        let told = match self.survey(cancel)? {
            Ok(stream) => self.named(&stream),
            Err(error) => {
                if error.cure() == Cure::Trust {
                    self.refused = true;
                    let text = format!("{error}; it is not asked again until its address is given again; {}", error.hint());
                    AddressAsked::now(AskedOutcome::Refused, text)
                } else {
                    AddressAsked::now(AskedOutcome::Failed, format!("{error}; {}", error.hint()))
                }
            }
        };
        tracing::info!(camera = %self.camera, outcome = told.outcome.as_str(), "the camera's device was asked where its stream is");
        Some(told)
    }

    fn named(&mut self, stream: &StreamUrl) -> AddressAsked {
        let shown = stream.shown();
        match self.anew.address.moved_to(stream) {
            Moved::Nowhere => AddressAsked::now(AskedOutcome::Same, format!("its device still names the address {shown}")),
            Moved::OtherWay => {
                let text = format!(
                    "its device names the address {shown}, which is on another host or is asked for in another way; give it by hand if it is right"
                );
                AddressAsked::now(AskedOutcome::NotTaken, text)
            }
            Moved::To(address) => match address.source(&self.networks) {
                Ok(source) => {
                    self.trial = Some((address, source));
                    AddressAsked::now(AskedOutcome::Trying, format!("its device names the address {shown}, which is tried"))
                }
                Err(error) => {
                    AddressAsked::now(AskedOutcome::NotTaken, format!("its device names an address that can't be used: {error}"))
                }
            },
        }
    }

    /// `None`: it was told to stop.
    fn survey(&self, cancel: &CancellationToken) -> Option<Result<StreamUrl, OnvifError>> {
        let address = &self.anew.address;
        let device = address.device.as_ref()?;
        let none =
            || OnvifError::NoAnswer { device: device.host.authority(), what: "nothing could be asked from here".to_owned() };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Some(Err(none())) };
        let password = address.login().map(|(user, password)| Password { user, password });
        let allowed = |ip| self.networks.allow(ip);
        let how = Surveying {
            password: password.as_ref(),
            trust: address.trust,
            profile: device.profile.as_deref(),
            allowed: &allowed,
        };
        let told = runtime.block_on(async {
            tokio::select! { told = onvif::survey(&device.host, &how) => Some(told), () = cancel.cancelled() => None }
        });
        // A name that is still being looked up holds nobody up.
        runtime.shutdown_background();
        let told = told?;
        let profile = || device.profile.clone().unwrap_or_default();
        let stream = told.stream.ok_or_else(|| OnvifError::NoStream { device: device.host.authority(), profile: profile() });
        Some(told.fault.map_or(stream, Err))
    }
}

/// Where a camera's stream is by its device, as far as that may be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Where it is known to be.
    Nowhere,
    /// At another port or path of the same host.
    To(KeptAddress),
    /// On another host, or without TLS where there was TLS.
    OtherWay,
}

impl KeptAddress {
    /// With the login that was given at the path and port that its device names, where nothing else differs.
    pub(crate) fn moved_to(&self, stream: &StreamUrl) -> Moved {
        let Ok(known) = StreamUrl::parse(&self.url) else { return Moved::OtherWay };
        let is_tls = |url: &StreamUrl| url.scheme() == types::StreamScheme::Rtsps;
        if known.host() != stream.host() || is_tls(&known) != is_tls(stream) {
            return Moved::OtherWay;
        }
        if known.port() == stream.port() && known.path_and_query() == stream.path_and_query() {
            return Moved::Nowhere;
        }
        // As it was written: what is decoded may not be what was meant.
        let rest = self.url.trim().split_once("://").map_or("", |(_, rest)| rest);
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let login = authority.rfind('@').map_or("", |at| &authority[..=at]);
        // Pictures over UDP stay so: that is how it was given.
        let scheme = known.scheme().as_str();
        let url = format!("{scheme}://{login}{}{}", stream.authority(), stream.path_and_query());
        Moved::To(Self { url, ..self.clone() })
    }

    fn login(&self) -> Option<(String, String)> {
        let url = StreamUrl::parse(&self.url).ok()?;
        url.login().map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// What others may read of it.
    fn shown(&self) -> String {
        StreamUrl::parse(&self.url).map(|url| url.shown()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::secrets::Device;

    fn moved(from: &str, to: &str) -> Moved {
        KeptAddress::open(from).moved_to(&StreamUrl::parse(to).unwrap())
    }

    #[test]
    fn of_an_address_that_a_device_names_path_and_port_are_taken_and_the_login_stays_as_it_was_written() {
        let Moved::To(now) = moved("rtsp://op:p%40%2Fss@192.0.2.7:554/old?a=1", "rtsp://192.0.2.7:8554/new?b=2") else {
            panic!("it moved")
        };
        assert_eq!(now.url, "rtsp://op:p%40%2Fss@192.0.2.7:8554/new?b=2");
        assert_eq!(now.login(), Some(("op".to_owned(), "p@/ss".to_owned())));
        assert_eq!(now.shown(), "rtsp://192.0.2.7:8554/new?b=…");
        let Moved::To(open) = moved("rtspu://Cam.example/old", "rtsp://cam.example/new") else { panic!("it moved") };
        assert_eq!(open.url, "rtspu://cam.example/new");
        assert_eq!(moved("rtsp://op:x@192.0.2.7/a", "rtsp://192.0.2.7:554/a"), Moved::Nowhere);
    }

    #[test]
    fn what_is_told_has_an_end() {
        let told = AddressAsked::now(AskedOutcome::Failed, "ä".repeat(9_000));
        assert!(told.text.len() < 1_010 && told.text.ends_with("ä…"), "{}", told.text.len());
    }

    #[test]
    fn another_host_is_not_taken_and_neither_is_a_line_that_others_can_read_nor_another_certificate_to_believe() {
        for (from, to) in [
            ("rtsp://op:x@192.0.2.7/a", "rtsp://192.0.2.8/a"),
            ("rtsp://op:x@cam.example/a", "rtsp://192.0.2.7/a"),
            ("rtsps://op:x@192.0.2.7/a", "rtsp://192.0.2.7/b"),
            ("rtsp://op:x@192.0.2.7/a", "rtsps://192.0.2.7/b"),
            ("nonsense", "rtsp://192.0.2.7/b"),
        ] {
            assert_eq!(moved(from, to), Moved::OtherWay, "{from} {to}");
        }
    }

    /// Answers every question over HTTP with this status, and nothing else.
    fn device(status: u16) -> Device {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut read) = (stream.unwrap(), [0; 8192]);
                let _ = stream.read(&mut read);
                let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Device { host, profile: None }
    }

    #[test]
    fn a_device_is_asked_after_two_failures_again_after_a_pause_and_never_again_once_it_refuses_us() {
        for (status, outcome) in [(404, AskedOutcome::Failed), (401, AskedOutcome::Refused)] {
            let device = device(status);
            let url = format!("rtsp://{}/live", device.host.authority());
            let address = KeptAddress { device: Some(device), ..KeptAddress::open(&url) };
            let networks = Networks::new(["127.0.0.0/8".parse().unwrap()]);
            let source = address.source(&networks).unwrap();
            let anew = Anew { address, keep: Arc::new(|_, _, _| Ok(true)) };
            let mut asking = Asking::new(&CameraId::new("gate").unwrap(), anew, &source);
            assert!(asking.lost(true).is_none() && !asking.is_due());
            assert!(asking.lost(false).is_none() && asking.lost(true).is_none() && !asking.is_due(), "they are counted in a row");
            assert!(asking.lost(true).is_none() && asking.is_due());
            let told = asking.ask(&CancellationToken::new()).unwrap();
            assert_eq!(told.outcome, outcome, "{told:?}");
            assert!(!asking.is_due(), "not at once");
            asking.again = Instant::now();
            assert_eq!(asking.is_due(), outcome == AskedOutcome::Failed);
            let stopped = CancellationToken::new();
            stopped.cancel();
            assert_eq!(asking.ask(&stopped), None);
        }
    }
}
