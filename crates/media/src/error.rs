//! What can be wrong with footage or a camera, in words for the person who has to do something about it.

use std::{fmt, time::Duration};

/// `input` names the file, or the camera by host and port; never credentials, never a full stream address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    #[error("{input}: there is no such file; check the path")]
    Missing { input: String },
    #[error("{input}: can't be opened ({what}); check that it is a file and that it may be read")]
    Unreadable { input: String, what: String },
    #[error("{input}: the file is empty; copy it again from the recorder")]
    Empty { input: String },
    #[error("{input}: this is not footage ({what}); give a video file, whatever its name ends in")]
    NotMedia { input: String, what: String },
    /// What was decoded may be neither the file that was there before nor the one that is there now.
    #[error("{input}: the file was written to or renamed while it was read; leave it alone and add it again")]
    Changed { input: String },
    #[error("{input}: there is sound but no picture; export it again with its video")]
    NoVideo { input: String },
    /// The file was cut. Frames up to `at` were delivered; `of` is the duration it announces, if it does.
    #[error("{input}: the file is cut off: {what}; {} readable; copy it again from the recorder", readable(*at, *of))]
    Truncated { input: String, at: Duration, of: Option<Duration>, what: String },
    /// The file is whole but part of it makes no sense. Frames up to `at` were delivered.
    #[error("{input}: the footage is damaged after {} ({what}); copy it again from the recorder", seconds(*at))]
    Damaged { input: String, at: Duration, what: String },
    #[error("{input}: {what} can't be decoded here; install the GStreamer plugin for it or convert the footage to H.264")]
    Unsupported { input: String, what: String },
    #[error("{input}: no picture for {}; check the camera and the line to it", seconds(*after))]
    Stalled { input: String, after: Duration },
    #[error(
        "{input}: no picture for {}, though the camera sends; let it send a key picture at least every 10 s, or raise \
         live.picture_seconds",
        seconds(*after)
    )]
    NoPicture { input: String, after: Duration },
    /// Of a camera that takes a user name and password.
    #[error("{input}: the camera refuses the user name or password; check the camera's credentials")]
    Unauthorised { input: String },
    #[error(
        "{input}: the camera wants a user name and a password, and its address has none; write it as rtsp://user:password@host/path"
    )]
    NoPassword { input: String },
    #[error(
        "{input}: the camera takes a password only by {offered}, which is not known here; switch Digest (MD5 or SHA-256) on in the \
         camera"
    )]
    UnknownLogin { input: String, offered: String },
    #[error(
        "{input}: the camera has a TLS certificate that nobody vouches for whom this machine trusts; if the camera's own page shows \
         the same SHA-256, trust it with --trust {pin}"
    )]
    Untrusted { input: String, pin: String },
    #[error(
        "{input}: the camera has another TLS certificate than the one that is trusted; if it was renewed and the camera's own page \
         shows the same SHA-256, trust it with --trust {pin}; if not, somebody is between"
    )]
    OtherCertificate { input: String, pin: String },
    #[error("{input}: the camera's stream has no pictures, only sound or data; give the address of its video stream")]
    NoPictures { input: String },
    #[error("{input}: no stream ({what}); check that the camera is on and its address and path are right")]
    Unreachable { input: String, what: String },
    /// Nothing was sent there.
    #[error(
        "{input}: the camera sends us on to {to}, which is another address; its password is not shown there; if its stream is \
         really there, give the camera that address"
    )]
    Elsewhere { input: String, to: String },
    #[error(
        "{input}: the camera asks for its password in the clear (Basic without TLS), where everybody on the line can read it; switch \
         Digest on in the camera or give its rtsps:// address; or let this camera have it, with --basic-without-tls"
    )]
    BasicInClear { input: String },
    #[error(
        "{input}: its address is in no network that cameras may be in; whoever runs this machine names its network under [live] \
         networks in sightline.toml, or the camera needs another address"
    )]
    OutsideNetworks { input: String },
    #[error(
        "{input}: the recorder can't be played by ONVIF ({what}); update the recorder, or export its footage as files and add them \
         with `sightline archive add`"
    )]
    NotPlayed { input: String, what: String },
    #[error("{input}: GStreamer failed ({what}); check that its plugins are installed and report this if they are")]
    Internal { input: String, what: String },
    /// The process that decoded it is gone. It had come as far as `at`.
    #[error(
        "{input}: its decoder {how} after {}; it was a process of its own and reached nothing else; if it happens again, update \
         GStreamer, and report it", seconds(*at)
    )]
    Died { input: String, at: Duration, how: Death },
    /// Nothing is decoded here rather than decoded with all rights.
    #[error(
        "decoders can't be confined on this machine ({what}); use Linux 5.19 or newer with Landlock switched on (lsm=landlock,... on \
         its command line) and let this program call landlock_*, seccomp (the shipped systemd unit does); or, where everybody who \
         sends pictures is trusted, set sandbox = \"off\" under [media] in sightline.toml"
    )]
    NoCell { what: String },
}

/// How a decoder's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Signal(i32),
    /// By itself, with this code, though there was more to do.
    Exit(i32),
    /// Nothing came of it for too long.
    Hung,
    /// What it said can't be.
    Lied,
}

impl Death {
    /// All that [`Self::reason`] gives.
    pub const REASONS: [&'static str; 6] = ["crash", "refused_call", "killed", "exit", "hang", "lie"];

    /// In a word, for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Signal(libc::SIGSYS) => "refused_call",
            Self::Signal(libc::SIGKILL) => "killed",
            Self::Signal(_) => "crash",
            Self::Exit(_) => "exit",
            Self::Hung => "hang",
            Self::Lied => "lie",
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Signal(libc::SIGSYS) => f.write_str("did what no decoder may do and was ended (SIGSYS)"),
            Self::Signal(libc::SIGKILL) => f.write_str("was killed (SIGKILL), perhaps for want of memory"),
            Self::Signal(libc::SIGSEGV) => f.write_str("crashed (SIGSEGV)"),
            Self::Signal(libc::SIGBUS) => f.write_str("crashed (SIGBUS)"),
            Self::Signal(libc::SIGABRT) => f.write_str("crashed (SIGABRT)"),
            Self::Signal(libc::SIGFPE) => f.write_str("crashed (SIGFPE)"),
            Self::Signal(libc::SIGILL) => f.write_str("crashed (SIGILL)"),
            Self::Signal(number) => write!(f, "crashed (signal {number})"),
            Self::Exit(code) => write!(f, "ended by itself (exit code {code})"),
            Self::Hung => f.write_str("got nowhere and was ended"),
            Self::Lied => f.write_str("said what can't be and was ended"),
        }
    }
}

impl MediaError {
    /// The same file or camera will fail in the same way: trying again without a change is no use.
    pub fn is_permanent(&self) -> bool {
        !matches!(
            self,
            Self::Stalled { .. } | Self::NoPicture { .. } | Self::Unreachable { .. } | Self::Internal { .. } | Self::Died { .. }
        )
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn readable(at: Duration, of: Option<Duration>) -> String {
    match of {
        _ if at.is_zero() => "nothing is".into(),
        Some(of) => format!("{} of {} are", seconds(at), seconds(of)),
        None => format!("{} are", seconds(at)),
    }
}
