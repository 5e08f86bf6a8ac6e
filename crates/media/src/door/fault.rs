//! Why a door closed, and what that means to people.

use contact::Pin;

use super::asking::Asking;
use crate::{MediaError, verdict::no_answer};

/// Why a door closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DoorFault {
    /// One answer, at one time, for all that is no camera: nobody learns which ports of which machines are open.
    NoAnswer,
    /// No address of its host lies where cameras may be.
    Outside,
    /// A redirect to this authority, which is another.
    Elsewhere(String),
    Circles,
    BasicInClear,
    /// Of what it was asked: the user name and password that it was shown.
    Refused,
    /// It wants a password, and there is none.
    NoPassword,
    /// It takes a password in these ways alone.
    UnknownLogin(Vec<String>),
    /// Its certificate is one that nobody vouches for, or another than the one that is trusted.
    Untrusted(Pin),
    OtherCertificate(Pin),
    /// What it was asked to do, and the status of its refusal.
    Answered(Asking, u16),
    /// Its stream has sound, or other things, but no pictures.
    NoPictures,
    /// A recorder that said nothing more, or ended the connection, before all that was asked for had come.
    Stopped,
    /// A recorder that knows no replay.
    NoReplay,
    /// A recorder that does not say when its pictures were taken.
    NoTimes,
    /// A recorder that plays what it was not asked for.
    AnotherTime,
}

impl DoorFault {
    pub(crate) fn about(&self, input: String) -> MediaError {
        match self {
            Self::NoAnswer => no_answer(input),
            Self::Outside => MediaError::OutsideNetworks { input },
            Self::Elsewhere(to) => MediaError::Elsewhere { input, to: to.clone() },
            Self::Circles => MediaError::Unreachable { input, what: "it sends us round in circles".into() },
            Self::BasicInClear => MediaError::BasicInClear { input },
            Self::Refused => MediaError::Unauthorised { input },
            Self::NoPassword => MediaError::NoPassword { input },
            Self::UnknownLogin(offered) => {
                let offered = if offered.is_empty() { "a way that it does not name".into() } else { offered.join(", ") };
                MediaError::UnknownLogin { input, offered }
            }
            Self::Untrusted(pin) => MediaError::Untrusted { input, pin: pin.to_string() },
            Self::OtherCertificate(pin) => MediaError::OtherCertificate { input, pin: pin.to_string() },
            Self::NoPictures => MediaError::NoPictures { input },
            Self::Stopped => MediaError::Unreachable { input, what: "the recorder stopped in the middle".into() },
            Self::NoReplay => MediaError::NotPlayed { input, what: "it does not know ONVIF replay (551)".into() },
            Self::NoTimes => {
                let what = "its packets do not say when their pictures were taken (RTP extension 0xABAC)".into();
                MediaError::NotPlayed { input, what }
            }
            Self::AnotherTime => MediaError::NotPlayed { input, what: "it plays another time than it was asked for".into() },
            Self::Answered(asking, status) => MediaError::Unreachable { input, what: refusal(*asking, *status) },
        }
    }
}

/// What a camera's refusal means, and the way out.
fn refusal(asking: Asking, status: u16) -> String {
    let what = match asking {
        Asking::Describe => "to describe its stream",
        Asking::Setup => "to set its stream up",
        Asking::Play => "to play its stream",
    };
    match status {
        403 => format!("the camera forbids this user {what} (403): give the user the right to watch, in the camera"),
        404 => "nothing at this path (404): ask the camera for its addresses with `sightline camera probe`".into(),
        451 | 457 => format!("the camera does not understand a parameter when it is asked {what} ({status}): check the address"),
        453 => "the camera has no bandwidth left (453): close other viewers, or use its smaller stream".into(),
        454 => "the camera lost the session (454)".into(),
        461 => "the camera does not send its pictures this way (461): write rtspu:// for RTP over UDP, or rtsp:// for TCP".into(),
        503 => "the camera is busy (503): close other viewers".into(),
        500.. => format!("the camera has a fault of its own when it is asked {what} ({status}): restart it if that goes on"),
        _ => format!("the camera refuses {what} ({status}): check the address"),
    }
}
