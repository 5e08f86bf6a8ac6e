//! What can be wrong with footage or a camera, in words for the person who has to do something about it.

use std::{fmt, time::Duration};

/// `input` names the file, or the camera by host and port; never credentials, never a full stream address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Nothing lies at the path.
    #[error("{input}: there is no such file; check the path")]
    Missing {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// Something lies there, and it is no file or may not be read.
    #[error("{input}: can't be opened ({what}); check that it is a file and that it may be read")]
    Unreadable {
        /// The file, or the camera by host and port.
        input: String,
        /// What the system says.
        what: String,
    },
    /// The file has no bytes.
    #[error("{input}: the file is empty; copy it again from the recorder")]
    Empty {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// GStreamer finds no container that it knows.
    #[error("{input}: this is not footage ({what}); give a video file, whatever its name ends in")]
    NotMedia {
        /// The file, or the camera by host and port.
        input: String,
        /// What it says.
        what: String,
    },
    /// What was decoded may be neither the file that was there before nor the one that is there now.
    #[error("{input}: the file was written to or renamed while it was read; leave it alone and add it again")]
    Changed {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The file has no video track.
    #[error("{input}: there is sound but no picture; export it again with its video")]
    NoVideo {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The file was cut. Frames up to `at` were delivered; `of` is the duration it announces, if it does.
    #[error("{input}: the file is cut off: {what}; {} readable; copy it again from the recorder", readable(*at, *of))]
    Truncated {
        /// The file, or the camera by host and port.
        input: String,
        /// Readable, from the beginning.
        at: Duration,
        /// What the container says of its length.
        of: Option<Duration>,
        /// What is missing.
        what: String,
    },
    /// The file is whole but part of it makes no sense. Frames up to `at` were delivered.
    #[error("{input}: the footage is damaged after {} ({what}); copy it again from the recorder", seconds(*at))]
    Damaged {
        /// The file, or the camera by host and port.
        input: String,
        /// Readable, from the beginning.
        at: Duration,
        /// What the decoder says.
        what: String,
    },
    /// No plugin decodes the format.
    #[error("{input}: {what} can't be decoded here; install the GStreamer plugin for it or convert the footage to H.264")]
    Unsupported {
        /// The file, or the camera by host and port.
        input: String,
        /// The format.
        what: String,
    },
    /// The camera sends nothing.
    #[error("{input}: no picture for {}; check the camera and the line to it", seconds(*after))]
    Stalled {
        /// The file, or the camera by host and port.
        input: String,
        /// For how long.
        after: Duration,
    },
    /// The camera sends, and no picture can be made of it.
    #[error(
        "{input}: no picture for {}, though the camera sends; let it send a key picture at least every 10 s, or raise \
         live.picture_seconds",
        seconds(*after)
    )]
    NoPicture {
        /// The file, or the camera by host and port.
        input: String,
        /// For how long.
        after: Duration,
    },
    /// Of a camera that takes a user name and password.
    #[error("{input}: the camera refuses the user name or password; check the camera's credentials")]
    Unauthorised {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The camera asks for a login, and none was given.
    #[error(
        "{input}: the camera wants a user name and a password, and its address has none; write it as rtsp://user:password@host/path"
    )]
    NoPassword {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The camera asks for a login in a way that is not known here.
    #[error(
        "{input}: the camera takes a password only by {offered}, which is not known here; switch Digest (MD5 or SHA-256) on in the \
         camera"
    )]
    UnknownLogin {
        /// The file, or the camera by host and port.
        input: String,
        /// The ways that it offers.
        offered: String,
    },
    /// The camera's certificate is not trusted.
    #[error(
        "{input}: the camera has a TLS certificate that nobody vouches for whom this machine trusts; if the camera's own page shows \
         the same SHA-256, trust it with --trust {pin}"
    )]
    Untrusted {
        /// The file, or the camera by host and port.
        input: String,
        /// SHA-256 of the certificate, as `--trust` takes it.
        pin: String,
    },
    /// The camera shows another certificate than the one that was pinned.
    #[error(
        "{input}: the camera has another TLS certificate than the one that is trusted; if it was renewed and the camera's own page \
         shows the same SHA-256, trust it with --trust {pin}; if not, somebody is between"
    )]
    OtherCertificate {
        /// The file, or the camera by host and port.
        input: String,
        /// SHA-256 of that certificate, as `--trust` takes it.
        pin: String,
    },
    /// The camera's stream has no video.
    #[error("{input}: the camera's stream has no pictures, only sound or data; give the address of its video stream")]
    NoPictures {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The camera does not answer, or not with a stream.
    #[error("{input}: no stream ({what}); check that the camera is on and its address and path are right")]
    Unreachable {
        /// The file, or the camera by host and port.
        input: String,
        /// What went wrong.
        what: String,
    },
    /// Nothing was sent there.
    #[error(
        "{input}: the camera sends us on to {to}, which is another address; its password is not shown there; if its stream is \
         really there, give the camera that address"
    )]
    Elsewhere {
        /// The file, or the camera by host and port.
        input: String,
        /// Host and port.
        to: String,
    },
    /// The camera would take the password only where others can read it.
    #[error(
        "{input}: the camera asks for its password in the clear (Basic without TLS), where everybody on the line can read it; switch \
         Digest on in the camera or give its rtsps:// address; or let this camera have it, with --basic-without-tls"
    )]
    BasicInClear {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The address is none of a network that cameras may be in.
    #[error(
        "{input}: its address is in no network that cameras may be in; whoever runs this machine names its network under [live] \
         networks in sightline.toml, or the camera needs another address"
    )]
    OutsideNetworks {
        /// The file, or the camera by host and port.
        input: String,
    },
    /// The recorder does not play what it holds.
    #[error(
        "{input}: the recorder can't be played by ONVIF ({what}); update the recorder, or export its footage as files and add them \
         with `sightline archive add`"
    )]
    NotPlayed {
        /// The file, or the camera by host and port.
        input: String,
        /// What went wrong.
        what: String,
    },
    /// GStreamer did what it should not do.
    #[error("{input}: GStreamer failed ({what}); check that its plugins are installed and report this if they are")]
    Internal {
        /// The file, or the camera by host and port.
        input: String,
        /// What it says.
        what: String,
    },
    /// The process that decoded it is gone. It had come as far as `at`.
    #[error(
        "{input}: its decoder {how} after {}; it was a process of its own and reached nothing else; if it happens again, update \
         GStreamer, and report it", seconds(*at)
    )]
    Died {
        /// The file, or the camera by host and port.
        input: String,
        /// Media time, from the beginning.
        at: Duration,
        /// How the process ended.
        how: Death,
    },
    /// Nothing is decoded here rather than decoded with all rights.
    #[error(
        "decoders can't be confined on this machine ({what}); use Linux 5.19 or newer with Landlock switched on (lsm=landlock,... on \
         its command line) and let this program call landlock_*, seccomp (the shipped systemd unit does); or, where everybody who \
         sends pictures is trusted, set sandbox = \"off\" under [media] in sightline.toml"
    )]
    NoCell {
        /// What this machine does not have.
        what: String,
    },
}

/// How a decoder's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// By this signal.
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
