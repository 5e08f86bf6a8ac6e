use std::fmt;

use serde::{Deserialize, Serialize};
use types::{CaseId, ReceiveTime};

use crate::{
    Action, Assertion, AuthoriserKey, Caller, Code, Denial, Grant, GrantError, GrantSignature, Passkey, Policy, PublicKey,
    Purpose, Role, verify_grant,
};

/// A case: what was asked for, who agreed, and whether it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What was asked for. Every authorisation signs exactly this.
    pub grant: Grant,
    /// In the order they were given; each by another person, none by the requester.
    #[serde(default)]
    pub authorisations: Vec<Authorisation>,
    /// How it ended. `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

/// Somebody's signature under the grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Authorisation {
    /// The authoriser.
    pub by: Caller,
    /// When it was given, by the server's clock.
    pub at: ReceiveTime,
    /// What shows that they signed.
    pub proof: Proof,
    /// When the certificate of whoever signed was revoked, if that was after they signed. Not part of the case as it is
    /// stored: the catalogue fills it in from the revocations whenever a case is read.
    pub revoked: Option<ReceiveTime>,
}

/// What shows that somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// With the key of their home folder, on their own machine.
    Key {
        /// The authoriser's public key.
        key: PublicKey,
        /// The signature of the key under the grant's bytes.
        signature: GrantSignature,
    },
    /// With a passkey, in their browser.
    Passkey {
        /// The authoriser's passkey.
        passkey: Passkey,
        /// What the authenticator signed, and what the browser said of it.
        assertion: Assertion,
    },
}

impl Proof {
    /// Whether it fits the grant; whose key it is is another question.
    ///
    /// # Errors
    /// [`GrantError::Signature`] or [`GrantError::Passkey`] where it does not.
    pub fn verify(&self, grant: &Grant) -> Result<(), GrantError> {
        match self {
            Self::Key { key, signature } => verify_grant(key, grant, signature),
            Self::Passkey { passkey, assertion } => passkey.verify(grant, assertion),
        }
    }

    /// Whether one key made both: two people are not one who signs twice.
    pub fn is_of_same_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key { key: a, .. }, Self::Key { key: b, .. }) => a == b,
            (Self::Passkey { passkey: a, .. }, Self::Passkey { passkey: b, .. }) => a.key == b.key,
            (Self::Key { key, .. }, Self::Passkey { passkey, .. }) | (Self::Passkey { passkey, .. }, Self::Key { key, .. }) => {
                passkey.key.ends_with(&key.0)
            }
        }
    }
}

/// An authorisation as it is stored: either the first pair or the second.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    by: Caller,
    at: ReceiveTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PublicKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<GrantSignature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passkey: Option<Passkey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assertion: Option<Assertion>,
}

impl TryFrom<Written> for Authorisation {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { by, at, key, signature, passkey, assertion } = written;
        let proof = match (key, signature, passkey, assertion) {
            (Some(key), Some(signature), None, None) => Proof::Key { key, signature },
            (None, None, Some(passkey), Some(assertion)) => Proof::Passkey { passkey, assertion },
            _ => return Err("an authorisation has a key and a signature, or a passkey and its assertion"),
        };
        Ok(Self { by, at, proof, revoked: None })
    }
}

impl From<Authorisation> for Written {
    fn from(given: Authorisation) -> Self {
        let (by, at) = (given.by, given.at);
        let none = Self { by, at, key: None, signature: None, passkey: None, assertion: None };
        match given.proof {
            Proof::Key { key, signature } => Self { key: Some(key), signature: Some(signature), ..none },
            Proof::Passkey { passkey, assertion } => Self { passkey: Some(passkey), assertion: Some(assertion), ..none },
        }
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// `None`: the server closed it by itself.
    pub by: Option<Caller>,
    /// When, by the server's clock.
    pub at: ReceiveTime,
    /// What was said about it, or what the server says of itself.
    pub reason: String,
    /// Whether it was closed, refused or ran out.
    #[serde(default, skip_serializing_if = "Ending::is_closed")]
    pub ending: Ending,
}

/// How a case came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was no longer needed.
    #[default]
    Closed,
    /// An authoriser refused it.
    Refused,
    /// An emergency that nobody authorised in time.
    Unauthorised,
}

impl Ending {
    fn is_closed(&self) -> bool {
        *self == Self::Closed
    }
}

/// Where a case stands. Expiry is no state: it comes with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// Waits to be authorised; permits nothing.
    Requested,
    /// At least one authoriser has signed it, and it is not over.
    Authorised,
    /// Over for good.
    Closed,
}

impl CaseState {
    /// Every state, in the order in which a case goes through them.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Authorised, Self::Closed];

    /// The word on the wire and in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Authorised => "authorised",
            Self::Closed => "closed",
        }
    }

    /// The state of a word. `None` where there is none.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

impl fmt::Display for CaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Case {
    /// A case as requested. Check it with [`crate::check_open`] before it is stored.
    pub fn requested(grant: Grant) -> Self {
        Self { grant, authorisations: Vec::new(), closed: None }
    }

    /// The id, which the grant names.
    pub fn id(&self) -> &CaseId {
        &self.grant.case
    }

    /// The state. That a case has expired is a matter of time and not told here.
    pub fn state(&self) -> CaseState {
        match (&self.closed, self.authorisations.is_empty()) {
            (Some(_), _) => CaseState::Closed,
            (None, true) => CaseState::Requested,
            (None, false) => CaseState::Authorised,
        }
    }

    /// Adds an authoriser's signature. A second person's counts for sensitive cameras; a third is refused as needless.
    ///
    /// # Errors
    /// A denial: the caller may not authorise, asked for the case, is of the requester's organisation, or has signed
    /// before; the signature or the key does not count; or the case is over.
    pub fn authorise(&mut self, policy: &Policy, by: &Caller, proof: Proof, now: ReceiveTime) -> Result<(), Denial> {
        Action::AuthoriseCase.check_role(by)?;
        self.check_signable(policy, by, now)?;
        let authorisation = Authorisation { by: by.clone(), at: now, proof, revoked: None };
        self.check_authorisation(policy, &authorisation)?;
        self.authorisations.push(authorisation);
        Ok(())
    }

    /// How many people signed, each with a key of their own; `also`: as if this person signed as well, with one.
    pub(crate) fn signers(&self, also: Option<&Caller>) -> usize {
        let signed = &self.authorisations;
        let is_new = |(i, a): &(usize, &Authorisation)| {
            signed[..*i].iter().all(|b| !a.by.same_person(&b.by) && !a.proof.is_of_same_key(&b.proof))
        };
        let one_more = also.is_some_and(|by| signed.iter().all(|a| !a.by.same_person(by)));
        signed.iter().enumerate().filter(is_new).count() + usize::from(one_more)
    }

    /// Whether the case takes another signature at this time, and of this person; with which key is another question.
    pub(crate) fn check_signable(&self, policy: &Policy, by: &Caller, now: ReceiveTime) -> Result<(), Denial> {
        // Whoever closes an emergency does not take the review away: it may be agreed to afterwards, while that is in time.
        if !(self.is_review_due() && self.closed.as_ref().is_some_and(|c| c.ending == Ending::Closed)) {
            self.check_open_at(now)?;
        }
        if self.is_unreviewed_emergency() && now >= self.review_until(policy) {
            return Err(self.denied_too_late());
        }
        if self.authorisations.len() >= 2 || self.authorisations.iter().any(|a| a.by.same_person(by)) {
            let reason = format!("case {} is authorised already", self.id());
            return Err(Denial::new(Code::AlreadyAuthorised, reason, ""));
        }
        self.check_independent(policy, by, "authorise")
    }

    /// Ends the case. The requester may, and any authoriser.
    ///
    /// # Errors
    /// A denial where the caller is neither its requester nor an authoriser, or it is closed already.
    pub fn close(&mut self, by: &Caller, reason: &str, now: ReceiveTime) -> Result<(), Denial> {
        Action::CloseCase.check_role(by)?;
        if by.role != Role::Authoriser && !self.grant.requester.same_person(by) {
            return Err(Denial::no_case(self.id()));
        }
        if self.closed.is_some() {
            return Err(self.denied_closed());
        }
        self.end(Some(by.clone()), now, reason, Ending::Closed);
        Ok(())
    }

    /// Says no to a case that nobody has authorised. It is over, and what was found under it is purged: so it takes somebody
    /// of another organisation than the requester's, as authorising does. An emergency that ended without a review is
    /// reviewed by it.
    ///
    /// # Errors
    /// A denial where the caller may not refuse it, or it is authorised or over already.
    pub fn refuse(&mut self, policy: &Policy, by: &Caller, reason: &str, now: ReceiveTime) -> Result<(), Denial> {
        Action::RefuseCase.check_role(by)?;
        self.check_independent(policy, by, "refuse")?;
        if self.closed.is_some() && !self.is_review_due() {
            return Err(self.denied_closed());
        }
        if !self.authorisations.is_empty() {
            let reason = format!("case {} is authorised already", self.id());
            return Err(Denial::new(Code::AlreadyAuthorised, reason, "end it with `sightline case close`"));
        }
        self.end(Some(by.clone()), now, reason, Ending::Refused);
        Ok(())
    }

    /// Ends an emergency that nobody authorised in time; says whether it did. The server calls it by itself.
    pub fn lapse(&mut self, policy: &Policy, now: ReceiveTime) -> bool {
        let due = self.closed.is_none() && self.is_unreviewed_emergency() && now >= self.review_until(policy);
        if due {
            self.end(None, now, "nobody authorised the emergency in time", Ending::Unauthorised);
        }
        due
    }

    fn end(&mut self, by: Option<Caller>, at: ReceiveTime, reason: &str, ending: Ending) {
        self.closed = Some(Closed { by, at, reason: reason.chars().take(2_000).collect(), ending });
    }

    /// Until when the case may be searched before it is authorised; `None` if not at all.
    pub fn emergency_until(&self, policy: &Policy) -> Option<ReceiveTime> {
        let grant = &self.grant;
        let (Some(grace), Some(_), Purpose::MissingPerson) = (policy.emergency, &grant.emergency, grant.purpose) else {
            return None;
        };
        Some(grant.opened.plus_micros(i64::try_from(grace.as_micros()).unwrap_or(i64::MAX)).min(grant.expires))
    }

    /// Whether what was found under it must go: it ended without anybody having agreed to it.
    pub fn is_to_be_purged(&self) -> bool {
        self.closed.as_ref().is_some_and(|c| c.ending != Ending::Closed)
    }

    /// Whether it is purged now: also an emergency that somebody closed, once the time to agree to it is over.
    pub fn is_purge_due(&self, policy: &Policy, now: ReceiveTime) -> bool {
        self.is_to_be_purged() || (self.closed.is_some() && self.is_unreviewed_emergency() && now >= self.review_until(policy))
    }

    /// Whether an emergency is over and no authoriser has said yes or no to it. Neither closing it nor time ends that.
    pub fn is_review_due(&self) -> bool {
        self.is_unreviewed_emergency() && self.closed.as_ref().is_some_and(|c| c.ending != Ending::Refused)
    }

    fn is_unreviewed_emergency(&self) -> bool {
        self.grant.emergency.is_some() && self.grant.purpose == Purpose::MissingPerson && self.authorisations.is_empty()
    }

    /// Until when an emergency can be agreed to. A deployment that no longer allows emergencies still ends those there are.
    fn review_until(&self, policy: &Policy) -> ReceiveTime {
        self.emergency_until(policy).unwrap_or(self.grant.expires)
    }

    pub(crate) fn denied_too_late(&self) -> Denial {
        let reason = format!("nobody authorised case {} in time", self.id());
        Denial::new(Code::NotAuthorised, reason, "open a new case with `sightline case open`")
    }

    /// Whether one authorisation holds, as it stands now: role, person, organisation, key and signature. Checked again on
    /// every request, so that neither an edited database nor a stricter policy leaves an old answer standing.
    pub(crate) fn check_authorisation(&self, policy: &Policy, a: &Authorisation) -> Result<(), Denial> {
        if a.by.role != Role::Authoriser {
            return Err(Denial::new(Code::Role, format!("{} is not an authoriser", a.by), "have an authoriser sign the case"));
        }
        self.check_independent(policy, &a.by, "authorise")?;
        if let Some(at) = a.revoked {
            let reason = format!("the certificate of {}, who authorised case {}, was revoked at {at}", a.by, self.id());
            let hint = "open a new case with `sightline case open` and have somebody else authorise it";
            return Err(Denial::new(Code::AuthoriserRevoked, reason, hint));
        }
        let bad = |reason: &str| {
            let hint = "sign the case as it stands: `sightline case authorise`";
            Err(Denial::new(Code::BadSignature, format!("{reason} (case {})", self.id()), hint))
        };
        let (signed, opened) = (a.at, self.grant.opened);
        let counts = match &a.proof {
            Proof::Key { key, .. } => AuthoriserKey::check(policy.authoriser_keys.as_deref(), key, signed, opened),
            Proof::Passkey { .. } if !policy.passkeys => Err("this deployment takes no signature of a passkey"),
            Proof::Passkey { passkey, .. } => {
                AuthoriserKey::check(policy.authoriser_passkeys.as_deref(), passkey, signed, opened)
            }
        };
        if let Err(reason) = counts {
            return bad(reason);
        }
        match a.proof.verify(&self.grant) {
            Ok(()) => Ok(()),
            Err(GrantError::Passkey(what)) => bad(&format!("the passkey's signature is not taken: {what}")),
            Err(_) => bad("the authoriser's signature does not fit the grant"),
        }
    }

    /// Whether somebody is neither the requester nor, unless the deployment allows it, of the requester's organisation.
    fn check_independent(&self, policy: &Policy, by: &Caller, what: &str) -> Result<(), Denial> {
        let requester = &self.grant.requester;
        let one_organisation = by.organisation.looks_like(&requester.organisation);
        if one_organisation && by.name.looks_like(&requester.name) {
            let reason = format!("who asks for a case can't {what} it");
            return Err(Denial::new(Code::SamePerson, reason, format!("ask another person to {what} it")));
        }
        if one_organisation && !policy.same_organisation {
            let (theirs, asks) = (&by.organisation, &requester.organisation);
            let reason = if theirs == asks {
                format!("requester and authoriser are both of {asks}")
            } else {
                format!("the authoriser's organisation {theirs} can be taken for the requester's, {asks}")
            };
            return Err(Denial::new(Code::SameOrganisation, reason, "ask an authoriser of another organisation"));
        }
        Ok(())
    }

    /// Neither closed, nor before its time, nor expired.
    pub(crate) fn check_open_at(&self, now: ReceiveTime) -> Result<(), Denial> {
        let grant = &self.grant;
        if self.closed.is_some() {
            return Err(self.denied_closed());
        }
        if now < grant.opened {
            let reason = format!("case {} is not valid before {}", self.id(), grant.opened);
            return Err(Denial::new(Code::NotYetValid, reason, "check this machine's clock"));
        }
        if now >= grant.expires {
            let reason = format!("case {} expired at {}", self.id(), grant.expires);
            return Err(Denial::new(Code::Expired, reason, "open a new case with `sightline case open`"));
        }
        Ok(())
    }

    fn denied_closed(&self) -> Denial {
        let reason = format!("case {} is closed", self.id());
        Denial::new(Code::Closed, reason, "open a new case with `sightline case open`")
    }
}
