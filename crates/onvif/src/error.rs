//! What can be wrong with a device, in words for the person who has to do something about it.

/// `device` is its host and port. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnvifError {
    /// It is asked nothing.
    #[error("{device}: its address is in no network that cameras may be in")]
    Outside {
        /// Host and port.
        device: String,
    },
    /// The name has no address.
    #[error("{device}: no such host")]
    NoHost {
        /// Host and port.
        device: String,
    },
    /// No connection, or an answer that is not ONVIF.
    #[error("{device}: nothing answers there as ONVIF does ({what})")]
    NoAnswer {
        /// Host and port.
        device: String,
        /// What was wrong, in words for people.
        what: String,
    },
    /// The answer was not complete in time.
    #[error("{device}: the answer to {call} did not come within {seconds} s")]
    Slow {
        /// Host and port.
        device: String,
        /// The ONVIF operation.
        call: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The answer is longer than is read.
    #[error("{device}: the answer to {call} is larger than {limit} bytes")]
    Large {
        /// Host and port.
        device: String,
        /// The ONVIF operation.
        call: &'static str,
        /// Bytes.
        limit: usize,
    },
    /// The answer is not the XML that the call has for an answer.
    #[error("{device}: the answer to {call} can't be read: {what}")]
    NotRead {
        /// Host and port.
        device: String,
        /// The ONVIF operation.
        call: &'static str,
        /// What was wrong, in words for people.
        what: String,
    },
    /// An HTTP redirect.
    #[error("{device}: it sends us on to another address, which is not followed")]
    Redirect {
        /// Host and port.
        device: String,
    },
    /// It answers only with a login and none was given.
    #[error("{device}: it wants a user name and a password")]
    NoPassword {
        /// Host and port.
        device: String,
    },
    /// It knows the time, and refuses the login.
    #[error("{device}: it refuses the user name or password")]
    Refused {
        /// Host and port.
        device: String,
    },
    /// Of a device whose clock nobody knows: what is refused may be the time that was shown with the password.
    #[error("{device}: it refuses the user name, the password, or our clock: it did not say what its own clock is")]
    RefusedOrClock {
        /// Host and port.
        device: String,
    },
    /// The password is not sent.
    #[error("{device}: it wants the password in the clear (Basic without TLS), where everybody on the line can read it")]
    BasicInClear {
        /// Host and port.
        device: String,
    },
    /// None of the logins that it takes is known here.
    #[error("{device}: it takes a password only by {offered}, which is not known here")]
    UnknownLogin {
        /// Host and port.
        device: String,
        /// The logins that it takes.
        offered: String,
    },
    /// TLS without a pin; nothing but the handshake was sent.
    #[error("{device}: it has a TLS certificate that nobody vouches for whom this machine trusts: SHA-256 {pin}")]
    Untrusted {
        /// Host and port.
        device: String,
        /// SHA-256 of the certificate, in hexadecimal.
        pin: String,
    },
    /// TLS with a pin; nothing but the handshake was sent.
    #[error("{device}: it has another TLS certificate than the one that is trusted: SHA-256 {pin}")]
    OtherCertificate {
        /// Host and port.
        device: String,
        /// SHA-256 of the certificate, in hexadecimal.
        pin: String,
    },
    /// A SOAP fault.
    #[error("{device}: it refuses {call}: {reason}")]
    Fault {
        /// Host and port.
        device: String,
        /// The ONVIF operation.
        call: &'static str,
        /// As the device says it.
        reason: String,
    },
    /// It has neither Media1 nor Media2.
    #[error("{device}: it is a device without video streams")]
    NoMedia {
        /// Host and port.
        device: String,
    },
    /// The answer has no address, or none that is read here.
    #[error("{device}: it names no address for the stream of profile {profile}")]
    NoStream {
        /// Host and port.
        device: String,
        /// The token.
        profile: String,
    },
    /// It has no Profile G.
    #[error("{device}: it is no recorder that others can search and play (ONVIF Profile G)")]
    NoRecorder {
        /// Host and port.
        device: String,
    },
    /// No recording has this token.
    #[error("{device}: it has no recording {recording:?}")]
    NoRecording {
        /// Host and port.
        device: String,
        /// The token.
        recording: String,
    },
    /// The answer has no address, or none that is read here.
    #[error("{device}: it names no address to play the recording {recording:?} from")]
    NoReplay {
        /// Host and port.
        device: String,
        /// The token.
        recording: String,
    },
}

/// What may help against an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// It is away or busy: the same question may be answered later.
    Time,
    /// Something has to be another way, in the device or in what is asked. Asking again does no harm.
    Change,
    /// Somebody has to say anew with what login or certificate it is met. Asked again it may lock the account.
    Trust,
}

impl OnvifError {
    /// A word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Outside { .. } => "outside_networks",
            Self::NoHost { .. } => "no_host",
            Self::NoAnswer { .. } => "no_answer",
            Self::Slow { .. } => "slow",
            Self::Large { .. } | Self::NotRead { .. } => "bad_answer",
            Self::Redirect { .. } => "redirect",
            Self::NoPassword { .. } => "no_password",
            Self::Refused { .. } => "password_refused",
            Self::RefusedOrClock { .. } => "password_or_clock_refused",
            Self::BasicInClear { .. } => "basic_in_clear",
            Self::UnknownLogin { .. } => "unknown_login",
            Self::Untrusted { .. } => "certificate_untrusted",
            Self::OtherCertificate { .. } => "certificate_changed",
            Self::Fault { .. } => "device_fault",
            Self::NoMedia { .. } => "no_media",
            Self::NoStream { .. } => "no_stream",
            Self::NoRecorder { .. } => "no_recorder",
            Self::NoRecording { .. } => "no_recording",
            Self::NoReplay { .. } => "no_replay",
        }
    }

    /// What may help.
    pub const fn cure(&self) -> Cure {
        match self {
            Self::NoHost { .. } | Self::NoAnswer { .. } | Self::Slow { .. } | Self::NotRead { .. } | Self::Fault { .. } => {
                Cure::Time
            }
            Self::Outside { .. }
            | Self::Large { .. }
            | Self::Redirect { .. }
            | Self::NoMedia { .. }
            | Self::NoStream { .. }
            | Self::NoRecorder { .. }
            | Self::NoRecording { .. }
            | Self::NoReplay { .. } => Cure::Change,
            Self::NoPassword { .. }
            | Self::Refused { .. }
            | Self::RefusedOrClock { .. }
            | Self::BasicInClear { .. }
            | Self::UnknownLogin { .. }
            | Self::Untrusted { .. }
            | Self::OtherCertificate { .. } => Cure::Trust,
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Outside { .. } => {
                "whoever runs this machine names its network under [live] networks in sightline.toml, or the camera needs another address"
                    .into()
            }
            Self::NoHost { .. } => "check the name, or give its address".into(),
            Self::NoAnswer { .. } => {
                "switch ONVIF on in the camera, give its port (HOST:8000, HOST:8899), or give its stream with `sightline camera source`"
                    .into()
            }
            Self::Slow { .. } | Self::Large { .. } | Self::NotRead { .. } => {
                "update or restart the camera; its stream can be given by hand with `sightline camera source`".into()
            }
            Self::Redirect { .. } => "if the camera is really there, give that address; try https://HOST too".into(),
            Self::NoPassword { .. } => "give --user and --password-stdin; many cameras have users of ONVIF apart from others".into(),
            Self::Refused { .. } => {
                "check both; many cameras have users of ONVIF apart from others, and lock an account after about five tries".into()
            }
            Self::RefusedOrClock { .. } => "set the camera's clock, by NTP best; then check user name and password".into(),
            Self::BasicInClear { .. } => "switch Digest on in the camera, or give its address as https://HOST".into(),
            Self::UnknownLogin { .. } => "switch Digest (MD5 or SHA-256) on in the camera".into(),
            Self::Untrusted { pin, .. } => {
                format!("if the camera's own page shows the same SHA-256, trust it: --trust {pin}")
            }
            Self::OtherCertificate { pin, .. } => {
                format!("if it was renewed and the camera's own page shows the same SHA-256, trust it: --trust {pin}; if not, somebody is between")
            }
            Self::Fault { .. } => "give its stream by hand with `sightline camera source`, or update the camera".into(),
            Self::NoMedia { .. } => "is it a camera? Give its stream with `sightline camera source` if it has one".into(),
            Self::NoRecorder { .. } => {
                "switch ONVIF Profile G (search and replay) on in the recorder, or export its footage as files and add them with `sightline archive add`"
                    .into()
            }
            Self::NoRecording { .. } => "see what it has with `sightline recorder recordings`, and map that".into(),
            Self::NoReplay { .. } => {
                "give its ONVIF user the right to play recordings, or export the footage and add it with `sightline archive add`".into()
            }
            Self::NoStream { .. } => "take another profile with --profile, or give its stream with `sightline camera source`".into(),
        }
    }
}
