use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use types::{CameraId, CaptureTime, CaseId, HoldId, ReceiveTime, TimeWindow};

use crate::{Action, Caller, Case, Code, Denial, PooledCamera, Role, scope::window};

/// A legal hold: sightings of a case that are kept although their time has come, for as long as two people of two
/// organisations say, and no longer than `expires`. It permits nobody to see them: once their time has come only the case
/// itself still finds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Unique in the deployment.
    pub id: HoldId,
    /// The case whose sightings it keeps.
    pub case: CaseId,
    /// Never empty; all of them cameras of the case.
    pub cameras: BTreeSet<CameraId>,
    /// Within the window of the case.
    #[serde(with = "window")]
    pub window: TimeWindow,
    /// From then on it keeps nothing.
    pub expires: ReceiveTime,
    /// Who asked for it, and when.
    pub placed: HoldAct,
    /// By another person of another organisation. Until then nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<HoldAct>,
    /// Who asked to release it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_asked: Option<HoldAct>,
    /// By another person of another organisation than who asked. Until then it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<HoldAct>,
}

/// Somebody's part in a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldAct {
    /// Who.
    pub by: Caller,
    /// When, by the server's clock.
    pub at: ReceiveTime,
}

/// Where a hold stands. Its expiry comes with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Waits for a second person; holds nothing.
    Asked,
    /// A second person has confirmed it: it keeps sightings until it expires.
    Placed,
    /// Goes on until a second person agrees.
    ReleaseAsked,
    /// Keeps nothing any more.
    Released,
}

impl HoldState {
    /// Every state, in the order in which a hold goes through them.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Placed, Self::ReleaseAsked, Self::Released];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Placed => "placed",
            Self::ReleaseAsked => "release_asked",
            Self::Released => "released",
        }
    }
}

impl Hold {
    /// The first person's part: checked against the case, whose cameras and window it can't exceed. No camera: all that the
    /// case covers.
    ///
    /// # Errors
    /// A denial: the role may not; nobody has authorised the case; a camera or the window is outside of it; the
    /// cameras are another organisation's; or it would last longer than `longest`.
    #[expect(clippy::too_many_arguments, reason = "all of it decides, and a struct would only be taken apart here")]
    pub fn place(
        id: HoldId,
        case: &Case,
        pooled: &[PooledCamera],
        cameras: BTreeSet<CameraId>,
        within: Option<TimeWindow>,
        expires: ReceiveTime,
        longest: Duration,
        by: &Caller,
        now: ReceiveTime,
    ) -> Result<Self, Denial> {
        Action::PlaceHold.check_role(by)?;
        let grant = &case.grant;
        if case.authorisations.is_empty() || case.is_to_be_purged() {
            let reason = format!("nobody has authorised case {}", case.id());
            return Err(Denial::new(Code::NotAuthorised, reason, "a hold keeps what an authorised case covers"));
        }
        let covered = pooled.iter().filter(|c| grant.scope.covers_camera(c)).map(|c| c.id.clone());
        let covered: BTreeSet<CameraId> = covered.collect();
        if let Some(camera) = cameras.iter().find(|c| !covered.contains(c)) {
            let reason = format!("case {} does not cover the camera {camera}", case.id());
            return Err(Denial::new(Code::Camera, reason, "name cameras of the case"));
        }
        let cameras = if cameras.is_empty() { covered } else { cameras };
        if cameras.is_empty() {
            return Err(Denial::new(Code::Camera, format!("no camera of case {} is pooled here", case.id()), ""));
        }
        let window = within.unwrap_or(grant.scope.window);
        if !grant.scope.window.covers(&window) {
            let reason = format!("case {} does not cover {} to {}", case.id(), window.from(), window.to());
            return Err(Denial::new(Code::Window, reason, "name a time within the case's"));
        }
        let latest = now.plus_micros(i64::try_from(longest.as_micros()).unwrap_or(i64::MAX));
        if expires <= now || expires > latest {
            let reason = format!("a hold ends after now and by {latest}; {expires} does not");
            return Err(Denial::new(Code::Limits, reason, "choose an end within that; a hold can be placed again"));
        }
        let placed = HoldAct { by: by.clone(), at: now };
        let hold = Self {
            id,
            case: case.id().clone(),
            cameras,
            window,
            expires,
            placed,
            confirmed: None,
            release_asked: None,
            released: None,
        };
        hold.check_own(by, pooled)?;
        Ok(hold)
    }

    /// The second person's part, from which on it holds.
    ///
    /// # Errors
    /// A denial: the role may not, the cameras are another organisation's, the caller asked for it or is of the same
    /// organisation, or it does not wait to be confirmed.
    pub fn confirm(&mut self, pooled: &[PooledCamera], by: &Caller, now: ReceiveTime) -> Result<(), Denial> {
        Action::ConfirmHold.check_role(by)?;
        self.check_own(by, pooled)?;
        if self.state() != HoldState::Asked || now >= self.expires {
            return Err(self.denied_state(now));
        }
        check_second(&self.placed, by, "placed")?;
        self.confirmed = Some(HoldAct { by: by.clone(), at: now });
        Ok(())
    }

    /// The first call asks, the second, by another person of another organisation, releases. One that nobody has confirmed
    /// is taken back by anybody who may release it.
    ///
    /// # Errors
    /// A denial: the role may not, the cameras are another organisation's, the caller asked to release it or is of
    /// the same organisation, or it is released already.
    pub fn release(&mut self, pooled: &[PooledCamera], by: &Caller, now: ReceiveTime) -> Result<(), Denial> {
        Action::ReleaseHold.check_role(by)?;
        self.check_own(by, pooled)?;
        let act = HoldAct { by: by.clone(), at: now };
        match (self.state(), &self.release_asked) {
            (HoldState::Released, _) => return Err(self.denied_state(now)),
            (HoldState::Asked, _) => self.released = Some(act),
            (_, Some(asked)) => {
                check_second(asked, by, "asked to release")?;
                self.released = Some(act);
            }
            (_, None) => self.release_asked = Some(act),
        }
        Ok(())
    }

    /// The state. That a hold has expired is a matter of time and not told here.
    pub fn state(&self) -> HoldState {
        match (&self.confirmed, &self.release_asked, &self.released) {
            (_, _, Some(_)) => HoldState::Released,
            (None, _, None) => HoldState::Asked,
            (Some(_), None, None) => HoldState::Placed,
            (Some(_), Some(_), None) => HoldState::ReleaseAsked,
        }
    }

    /// Whether it keeps anything now.
    pub fn holds(&self, now: ReceiveTime) -> bool {
        matches!(self.state(), HoldState::Placed | HoldState::ReleaseAsked) && now < self.expires
    }

    /// Whether it is about a sighting of this camera, seen from `first` to `last`.
    pub fn covers(&self, camera: &CameraId, first: CaptureTime, last: CaptureTime) -> bool {
        self.cameras.contains(camera) && first < self.window.to() && last >= self.window.from()
    }

    /// Owners decide over holds on their own cameras alone.
    pub fn is_for(&self, by: &Caller, pooled: &[PooledCamera]) -> bool {
        let own = |id: &CameraId| pooled.iter().any(|c| c.id == *id && by.is_of(&c.agency));
        by.role != Role::CameraOwner || self.cameras.iter().all(own)
    }

    fn check_own(&self, by: &Caller, pooled: &[PooledCamera]) -> Result<(), Denial> {
        if self.is_for(by, pooled) {
            return Ok(());
        }
        let reason = format!("the hold {} is on cameras of another organisation", self.id);
        Err(Denial::new(Code::NotYours, reason, "ask an authoriser, an auditor, or the cameras' owner"))
    }

    fn denied_state(&self, now: ReceiveTime) -> Denial {
        let word = if now >= self.expires { "over" } else { self.state().as_str() };
        Denial::new(Code::HoldState, format!("the hold {} is {}", self.id, word.replace('_', " ")), "place another one")
    }
}

/// A second person is another person, of another organisation.
fn check_second(first: &HoldAct, by: &Caller, did: &str) -> Result<(), Denial> {
    if first.by.same_person(by) {
        let reason = format!("who {did} a hold can't be the second person as well");
        return Err(Denial::new(Code::SamePerson, reason, "ask somebody of another organisation"));
    }
    if first.by.organisation.looks_like(&by.organisation) {
        let reason = format!("both are of {}", by.organisation);
        return Err(Denial::new(Code::SameOrganisation, reason, "ask somebody of another organisation"));
    }
    Ok(())
}
