use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// Why, as a word that programs may rely on and that the record keeps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl Code {
            /// Every code, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word. It never changes: programs and the record rely on it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

codes! {
    /// The caller's role may never do this.
    Role = "role",
    /// No such case, or not one this caller may use: the two are not told apart, so that case ids can't be probed.
    NoCase = "no_case",
    /// Nobody has authorised the case.
    NotAuthorised = "not_authorised",
    /// A signature does not fit the grant, or the key is not a known authoriser's.
    BadSignature = "bad_signature",
    /// The grant signed is not the grant that stands.
    GrantChanged = "grant_changed",
    /// The case was ended.
    Closed = "closed",
    /// The case has not begun.
    NotYetValid = "not_yet_valid",
    /// The time of the case is over.
    Expired = "expired",
    /// Capture times outside of those the case covers.
    Window = "window",
    /// No such sighting, or one that the case does not cover: not told apart.
    Outside = "outside",
    /// A camera that the case does not cover.
    Camera = "camera",
    /// A class that the case does not cover.
    Class = "class",
    /// A part of the description that the purpose does not allow.
    Part = "part",
    /// The purpose of the case does not allow it.
    Purpose = "purpose",
    /// More results than one search may ask for.
    Results = "results",
    /// The case's queries or results are used up.
    Budget = "budget",
    /// The owner has paused the camera.
    CameraPaused = "camera_paused",
    /// The owner keeps the camera out of searches for good.
    CameraRevoked = "camera_revoked",
    /// The owner does not share the camera for this purpose.
    CameraPurpose = "camera_purpose",
    /// The owner shares the camera at other hours.
    CameraHours = "camera_hours",
    /// The camera takes two authorisers, and the case has one.
    SecondAuthoriser = "second_authoriser",
    /// Requester and authoriser are one person.
    SamePerson = "same_person",
    /// Requester and authoriser are of one organisation, which the deployment does not allow.
    SameOrganisation = "same_organisation",
    /// The certificate of somebody who authorised the case was revoked.
    AuthoriserRevoked = "authoriser_revoked",
    /// The caller has authorised it already.
    AlreadyAuthorised = "already_authorised",
    /// What a case asks for is empty or beyond the limits of its purpose.
    Limits = "limits",
    /// The camera, agency or job belongs to another organisation.
    NotYours = "not_yours",
    /// No such legal hold, or not one this caller may see.
    NoHold = "no_hold",
    /// The hold is confirmed, released or over already.
    HoldState = "hold_state",
    /// Too few witnesses look on.
    Unwitnessed = "unwitnessed",
    /// As many emergencies in a day as one person may open.
    EmergencyQuota = "emergency_quota",
    /// As many cases wait as one person may have waiting.
    WaitingQuota = "waiting_quota",
    /// The caller's certificate was revoked.
    IdentityRevoked = "identity_revoked",
    /// The caller's certificate has come to its end.
    IdentityExpired = "identity_expired",
    /// No certificate with that serial number was issued to whom the caller names.
    UnknownSerial = "unknown_serial",
    /// A name that people could take for another organisation's.
    UnclearName = "unclear_name",
    /// The caller showed a certificate that names nobody.
    NoIdentity = "no_identity",
    /// A connection without a certificate of the deployment's own authority.
    Untrusted = "untrusted",
    /// A page that is not the console's called, or somebody by another name than the server's.
    ForeignPage = "foreign_page",
    /// More calls in a while than one caller may make.
    Rate = "rate",
    /// More calls at once than one caller may make.
    Streams = "streams",
    /// The request can't be read, or says something that means nothing.
    Malformed = "malformed",
    /// The request, or a field of it, holds more than it may.
    TooLarge = "too_large",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what programs rely on, what people read, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    /// What programs rely on.
    pub code: Code,
    /// What people read: one sentence without a full stop.
    pub reason: String,
    /// Empty where nothing can be done.
    pub hint: String,
}

impl Denial {
    /// `hint` says what to do, and is empty where nothing can be done.
    pub fn new(code: Code, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), hint: hint.into() }
    }

    /// The one answer for a case that does not exist and for somebody else's.
    pub fn no_case(id: &types::CaseId) -> Self {
        Self::new(
            Code::NoCase,
            format!("there is no case {id} under which you may do this"),
            "list your cases with `sightline case list`, or open one with `sightline case open`",
        )
    }

    /// The one answer for a sighting that does not exist and for one that nobody has been given under the case.
    pub fn not_handed_out(id: &types::CaseId) -> Self {
        Self::new(
            Code::Outside,
            format!("that sighting is not one that was handed out under case {id}"),
            "name one that a search, a crop or an export under the case has handed out; searching again hands it out again",
        )
    }

    /// The one answer for a sighting that does not exist and for one the case does not cover.
    pub fn outside(id: &types::CaseId) -> Self {
        Self::new(
            Code::Outside,
            format!("that sighting is not one that case {id} covers"),
            "look only at what a search under the case has found",
        )
    }
}
