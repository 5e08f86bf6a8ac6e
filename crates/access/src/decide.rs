use std::collections::{BTreeMap, BTreeSet};

use types::{CameraId, CaptureTime, Class, DescriptionQuery, QueryPart, ReceiveTime, Sighting, SightingId, TimeWindow};

use crate::{Action, Caller, Case, Code, Denial, Hours, Policy, PooledCamera, Purpose, Sealed, open::check_limits};

/// What a search asks for, as far as access is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchRequest {
    /// Empty: every camera of the case whose owner allows it. A named camera that is not allowed refuses the request.
    pub cameras: BTreeSet<CameraId>,
    /// `None`: the whole window of the case.
    pub window: Option<TimeWindow>,
    /// Empty: every class of the case.
    pub classes: BTreeSet<Class>,
    /// The parts of a description that are asked.
    pub parts: BTreeSet<QueryPart>,
    /// At most so many hits, at least 1.
    pub limit: u32,
    /// A sighting from which it is asked what can be reached; one that the case must cover.
    pub reach_from: Option<SightingId>,
}

/// "More like this one".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// That the case must cover.
    Sighting(SightingId),
    /// A picture somebody showed; the record commits to it.
    Picture(Sealed),
    /// More than one, or some that it is not to be like.
    Several(Examples),
}

/// "More like these, and not like those."
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examples {
    /// Each a sighting that the case must cover.
    pub like: BTreeSet<SightingId>,
    /// What hits should not look like; each a sighting that the case must cover.
    pub unlike: BTreeSet<SightingId>,
    /// All pictures that somebody showed; the record commits to them.
    pub pictures: Option<Sealed>,
}

impl SearchRequest {
    /// Sets classes and parts from a description.
    #[must_use]
    pub fn asking(mut self, query: &DescriptionQuery) -> Self {
        self.classes = query.class.into_iter().collect();
        self.parts = query.parts().into_iter().collect();
        self
    }
}

/// Which sightings: a conjunction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Never empty.
    pub cameras: BTreeSet<CameraId>,
    /// The cameras of those whose owners restrict the hours.
    pub hours: BTreeMap<CameraId, Hours>,
    /// Capture times, half-open.
    pub window: TimeWindow,
    /// Never empty: every class is spelled out.
    pub classes: BTreeSet<Class>,
}

impl Reach {
    fn of(cameras: &[&PooledCamera], window: TimeWindow, classes: BTreeSet<Class>) -> Self {
        Self {
            cameras: cameras.iter().map(|c| c.id.clone()).collect(),
            hours: cameras.iter().filter_map(|c| Some((c.id.clone(), c.policy.hours?))).collect(),
            window,
            classes,
        }
    }

    /// Whether a sighting lies inside: the camera, the class, some of its time in the window, and its crop from hours the
    /// owner allows.
    pub fn covers(&self, sighting: &Sighting) -> bool {
        let Sighting { camera, class, first, last, best, .. } = sighting;
        self.covers_moment(camera, *class, first.time, last.time, *best)
    }

    /// As [`Self::covers`], of which no more is known than this.
    pub fn covers_moment(
        &self,
        camera: &CameraId,
        class: Class,
        first: CaptureTime,
        last: CaptureTime,
        best: CaptureTime,
    ) -> bool {
        self.cameras.contains(camera)
            && self.classes.contains(&class)
            && first < self.window.to()
            && last >= self.window.from()
            && self.hours.get(camera).is_none_or(|h| h.contains(best))
    }
}

/// What `decide` allows: never more than the grant, the owners and the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The purpose of the case.
    pub purpose: Purpose,
    /// What may be found: the request, within
    pub asked: Reach,
    /// all that the case and the owners allow, where an example may come from.
    pub whole: Reach,
    /// Hits that may be handed out at most.
    pub limit: u32,
    /// Whether the answer may tell statures.
    pub stature: bool,
    /// From when on the case permits nothing.
    pub expires: ReceiveTime,
    /// Cameras of the case that were not named and that their owners do not allow now.
    pub left_out: Vec<LeftOut>,
    /// Whether nobody has authorised it yet.
    pub emergency: bool,
}

/// A camera the answer does not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// A camera of the case.
    pub camera: CameraId,
    /// Why its owner does not allow it now.
    pub code: Code,
}

/// Whether a search is allowed, and how far. Pure: the same arguments, the same answer. `cameras` are all that are pooled.
///
/// # Errors
/// The first reason against it, as a [`Denial`]: role, case, authorisation, window, cameras, classes, parts, purpose,
/// results.
pub fn decide(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    request: &SearchRequest,
    caller: &Caller,
    now: ReceiveTime,
) -> Result<Granted, Denial> {
    Action::Search.check_role(caller)?;
    let standing = standing(policy, case, cameras, caller, now)?;
    let grant = &case.grant;

    let window = request.window.unwrap_or(grant.scope.window);
    if !grant.scope.window.covers(&window) {
        let reason = format!("{} to {} is outside the time of case {}", window.from(), window.to(), case.id());
        let hint = format!("stay within {} to {}", grant.scope.window.from(), grant.scope.window.to());
        return Err(Denial::new(Code::Window, reason, hint));
    }
    if let Some(class) = request.classes.iter().find(|c| !grant.scope.covers_class(**c)) {
        let reason = format!("case {} does not cover the class {class}", case.id());
        return Err(Denial::new(Code::Class, reason, "search for a class the case covers"));
    }
    if request.parts.contains(&QueryPart::Stature) && !grant.purpose.allows_stature() {
        let reason = "stature may be asked in missing_person cases alone";
        return Err(Denial::new(Code::Part, reason, "search without stature"));
    }
    if let Some(part) = request.parts.iter().find(|p| !grant.scope.covers_part(**p)) {
        let reason = format!("case {} does not cover the part {}", case.id(), part.as_str());
        return Err(Denial::new(Code::Part, reason, "ask the parts the case covers: `sightline case show`"));
    }
    let stature = grant.purpose.allows_stature() && grant.scope.covers_part(QueryPart::Stature);
    let most = policy.limits(grant.purpose).results_per_search.min(grant.budgets.results);
    if request.limit == 0 || request.limit > most {
        let reason = format!("a search may ask for 1 to {most} results, not {}", request.limit);
        return Err(Denial::new(Code::Results, reason, "ask for fewer and narrow the search"));
    }
    let cameras = choose_cameras(case, cameras, request, standing)?;
    let scope: BTreeSet<_> = Class::ALL.iter().copied().filter(|c| grant.scope.covers_class(*c)).collect();
    let classes = if request.classes.is_empty() { scope.clone() } else { request.classes.clone() };
    Ok(Granted {
        purpose: grant.purpose,
        asked: Reach::of(&cameras.asked, window, classes),
        whole: Reach::of(&cameras.whole, grant.scope.window, scope),
        limit: request.limit,
        stature,
        expires: standing.expires,
        left_out: cameras.left_out,
        emergency: standing.authorisers == 0,
    })
}

/// As [`decide()`], for a search that goes on for as long as somebody listens: missing-person cases alone.
///
/// # Errors
/// As [`decide()`], and [`Code::Purpose`] for cases of another purpose.
pub fn decide_keep_looking(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    request: &SearchRequest,
    caller: &Caller,
    now: ReceiveTime,
) -> Result<Granted, Denial> {
    let granted = decide(policy, case, cameras, request, caller, now)?;
    if granted.purpose.allows_keep_looking() {
        return Ok(granted);
    }
    let reason = format!("only a missing_person case may keep looking; case {} is a {} case", case.id(), granted.purpose);
    Err(Denial::new(Code::Purpose, reason, "search for what is there already: `sightline search` without --keep-looking"))
}

/// Whether one sighting may be looked at under the case: what [`decide`] would let a search find.
///
/// # Errors
/// As [`decide()`]; [`Code::Outside`] where the case does not cover the sighting.
pub fn decide_view(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    sighting: &Sighting,
    caller: &Caller,
    now: ReceiveTime,
) -> Result<Granted, Denial> {
    Action::GetCrop.check_role(caller)?;
    let request = SearchRequest {
        cameras: BTreeSet::from([sighting.camera.clone()]),
        classes: BTreeSet::from([sighting.class]),
        limit: 1,
        ..SearchRequest::default()
    };
    match decide(policy, case, cameras, &request, caller, now) {
        Ok(granted) if granted.asked.covers(sighting) => Ok(granted),
        // Which camera a sighting outside the case belongs to is not told either.
        Ok(_) => Err(Denial::outside(case.id())),
        Err(denial) if matches!(denial.code, Code::Camera | Code::Class | Code::Window) => Err(Denial::outside(case.id())),
        Err(denial) => Err(denial),
    }
}

/// On whose word a case is searched, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    /// 0 in an emergency.
    pub(crate) authorisers: usize,
    expires: ReceiveTime,
}

/// Everything that does not depend on what is asked.
pub(crate) fn standing(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    caller: &Caller,
    now: ReceiveTime,
) -> Result<Standing, Denial> {
    let grant = &case.grant;
    if !grant.requester.same_person(caller) || grant.requester.role != caller.role {
        return Err(Denial::no_case(case.id()));
    }
    case.check_open_at(now)?;
    check_limits(policy, grant, cameras)?;
    if case.authorisations.is_empty() {
        return emergency(policy, case, now);
    }
    for authorisation in &case.authorisations {
        case.check_authorisation(policy, authorisation)?;
    }
    Ok(Standing { authorisers: case.signers(None), expires: grant.expires })
}

/// The first hours of a missing-person case, where a deployment allows a search before anybody could be asked.
fn emergency(policy: &Policy, case: &Case, now: ReceiveTime) -> Result<Standing, Denial> {
    let Some(until) = case.emergency_until(policy) else {
        let reason = format!("case {} waits to be authorised", case.id());
        return Err(Denial::new(Code::NotAuthorised, reason, "have an authoriser sign it: `sightline case authorise`"));
    };
    if now >= until {
        return Err(case.denied_too_late());
    }
    Ok(Standing { authorisers: 0, expires: until })
}

struct Chosen<'a> {
    asked: Vec<&'a PooledCamera>,
    whole: Vec<&'a PooledCamera>,
    left_out: Vec<LeftOut>,
}

/// The cameras of a case that their owners open to it now, on the word of so many; and those that they do not, each with the reason.
pub(crate) fn open_cameras<'a>(
    case: &Case,
    cameras: &'a [PooledCamera],
    authorisers: usize,
) -> (Vec<&'a PooledCamera>, Vec<(&'a PooledCamera, Denial)>) {
    let grant = &case.grant;
    let (mut open, mut shut) = (Vec::new(), Vec::new());
    for camera in cameras.iter().filter(|c| grant.scope.covers_camera(c)) {
        match camera.policy.check(&camera.id, grant.purpose, authorisers) {
            Ok(()) => open.push(camera),
            Err(denial) => shut.push((camera, denial)),
        }
    }
    (open, shut)
}

fn choose_cameras<'a>(
    case: &Case,
    cameras: &'a [PooledCamera],
    request: &SearchRequest,
    standing: Standing,
) -> Result<Chosen<'a>, Denial> {
    let (whole, shut) = open_cameras(case, cameras, standing.authorisers);
    if request.cameras.is_empty() {
        let left_out = shut.iter().map(|(camera, denial)| LeftOut { camera: camera.id.clone(), code: denial.code }).collect();
        if whole.is_empty() {
            let none = || Denial::new(Code::Camera, format!("no camera of case {} is pooled here", case.id()), "");
            return Err(shut.into_iter().next_back().map_or_else(none, |(_, denial)| denial));
        }
        return Ok(Chosen { asked: whole.clone(), whole, left_out });
    }
    let mut asked = Vec::new();
    for id in &request.cameras {
        if let Some(camera) = whole.iter().find(|camera| camera.id == *id) {
            asked.push(*camera);
            continue;
        }
        // A camera that does not exist and one outside the scope are answered alike.
        let outside = || {
            let reason = format!("case {} does not cover the camera {id}", case.id());
            Denial::new(Code::Camera, reason, "search the cameras the case covers: `sightline case list`")
        };
        let denial = shut.iter().find(|(camera, _)| camera.id == *id).map(|(_, denial)| denial.clone());
        return Err(denial.unwrap_or_else(outside));
    }
    Ok(Chosen { asked, whole, left_out: Vec::new() })
}
