use std::fmt::Write;

use proto::v1;
use serde::Serialize;

use crate::view::{case_state_word, class_word, ending_word, part_word, purpose_word, role_word};
use crate::{
    output::{count, plain, table},
    times,
};

#[derive(Debug, Serialize)]
pub(crate) struct PartyView {
    pub(crate) name: String,
    pub(crate) organisation: String,
    pub(crate) role: String,
}

impl From<v1::Party> for PartyView {
    fn from(p: v1::Party) -> Self {
        Self { role: role_word(p.role), name: p.name, organisation: p.organisation }
    }
}

impl PartyView {
    pub(crate) fn text(&self) -> String {
        plain(&format!("{} ({}, {})", self.name, self.role.replace('_', " "), self.organisation))
    }
}

#[derive(Debug, Serialize)]
struct ScopeView {
    cameras: Vec<String>,
    agencies: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    /// Empty: every class.
    classes: Vec<String>,
    area: Option<AreaView>,
    /// Empty: every part that the purpose allows.
    parts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AreaView {
    latitude: f64,
    longitude: f64,
    radius_m: u32,
}

#[derive(Debug, Serialize)]
struct BudgetView {
    queries: u32,
    results: u32,
}

impl From<v1::Budget> for BudgetView {
    fn from(b: v1::Budget) -> Self {
        Self { queries: b.queries, results: b.results }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CaseView {
    pub(crate) id: String,
    pub(crate) state: String,
    purpose: String,
    legal_basis: String,
    reason: String,
    requester: Option<PartyView>,
    scope: ScopeView,
    budget: BudgetView,
    /// What was taken of it, and what is left.
    used: Option<BudgetView>,
    left: Option<BudgetView>,
    created: Option<String>,
    pub(crate) expires: Option<String>,
    /// In the order they were given; a sensitive camera needs two.
    authorisations: Vec<AuthorisationView>,
    /// Why it could not wait for an authoriser.
    emergency: Option<String>,
    /// Whether it was an emergency that is over and that no authoriser has said yes or no to.
    review_due: bool,
    closed: Option<String>,
    closed_reason: Option<String>,
    /// `closed`, `refused` or `unauthorised`.
    ending: Option<String>,
    /// Until when it may be searched though nobody has authorised it.
    pub(crate) emergency_until: Option<String>,
    /// SHA-256 of the bytes the authoriser signs, so that two people can compare what they look at.
    grant_sha256: String,
}

#[derive(Debug, Serialize)]
struct AuthorisationView {
    by: PartyView,
    time: Option<String>,
    /// Ed25519, or a passkey's as SPKI; in hexadecimal.
    public_key: String,
    signature: String,
    /// Where it is a passkey's signature: the server at whose page it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    passkey_of: Option<String>,
}

impl From<v1::Authorisation> for AuthorisationView {
    fn from(a: v1::Authorisation) -> Self {
        Self {
            by: a.party.unwrap_or_default().into(),
            time: times::json(a.time),
            public_key: hex::encode(a.passkey.as_ref().map_or(&a.public_key, |p| &p.public_key)),
            signature: hex::encode(a.passkey.as_ref().and_then(|p| p.assertion.as_ref()).map_or(&a.signature, |s| &s.signature)),
            passkey_of: a.passkey.map(|p| p.server),
        }
    }
}

impl From<v1::Case> for CaseView {
    fn from(c: v1::Case) -> Self {
        let scope = c.scope.unwrap_or_default();
        let window = scope.window.unwrap_or_default();
        let budget = c.budget.unwrap_or_default();
        let unreviewed = !c.emergency.is_empty()
            && c.authorisations.is_empty()
            && matches!(v1::CaseEnding::try_from(c.ending), Ok(v1::CaseEnding::Closed | v1::CaseEnding::Unauthorised));
        Self {
            id: c.id,
            state: case_state_word(c.state),
            purpose: purpose_word(c.purpose),
            legal_basis: c.legal_basis,
            reason: c.reason,
            requester: c.requester.map(Into::into),
            scope: ScopeView {
                cameras: scope.camera_ids,
                agencies: scope.agency_ids,
                from: times::json(window.from),
                to: times::json(window.to),
                classes: scope.classes.iter().map(|c| class_word(*c)).collect(),
                area: scope.area.map(|a| {
                    let centre = a.centre.unwrap_or_default();
                    AreaView { latitude: centre.latitude, longitude: centre.longitude, radius_m: a.radius_metres }
                }),
                parts: scope.parts.iter().map(|p| part_word(*p)).collect(),
            },
            budget: budget.into(),
            used: c.used.map(Into::into),
            left: c.left.map(Into::into),
            created: times::json(c.created),
            expires: times::json(c.expires),
            authorisations: c.authorisations.into_iter().map(Into::into).collect(),
            review_due: unreviewed,
            emergency: (!c.emergency.is_empty()).then_some(c.emergency),
            closed: times::json(c.closed),
            closed_reason: (!c.closed_reason.is_empty()).then_some(c.closed_reason),
            ending: ending_word(c.ending),
            emergency_until: times::json(c.emergency_until),
            grant_sha256: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&c.grant)),
        }
    }
}

impl CaseView {
    pub(crate) fn table(cases: &[Self]) -> String {
        if cases.is_empty() {
            return "no cases that you may see; open one: sightline case open --help".into();
        }
        let row = |c: &Self| {
            let expires = c.expires.as_ref().map_or_else(String::new, |t| times::short(t, 0));
            let state = if c.review_due { format!("{}, review due", c.state) } else { c.state.clone() };
            [c.id.clone(), state, c.purpose.clone(), c.places(), c.window(), expires]
        };
        table(["CASE", "STATE", "PURPOSE", "CAMERAS", "WINDOW", "EXPIRES"], &cases.iter().map(row).collect::<Vec<_>>())
    }

    fn places(&self) -> String {
        let all_of = self.scope.agencies.iter().map(|a| format!("all of {a}"));
        let within =
            self.scope.area.iter().map(|a| format!("all within {} m of {:.6}, {:.6}", a.radius_m, a.latitude, a.longitude));
        self.scope.cameras.iter().cloned().chain(all_of).chain(within).collect::<Vec<_>>().join(", ")
    }

    fn window(&self) -> String {
        let word = |t: &Option<String>| t.clone().unwrap_or_else(|| "?".into());
        format!("{} to {}", word(&self.scope.from), word(&self.scope.to))
    }

    /// What an authoriser puts their name under, in plain words.
    pub(crate) fn scope_in_words(&self) -> String {
        let unless =
            |n: u32, what: &str| if n == 0 { format!("the server's limit of {what}") } else { format!("at most {n} {what}") };
        let classes =
            if self.scope.classes.is_empty() { "figures, vehicles and things".into() } else { self.scope.classes.join(", ") };
        let requester = self.requester.as_ref().map_or_else(|| "unknown".into(), PartyView::text);
        let mut rows = vec![
            ("case", self.id.clone()),
            ("asked by", requester),
            ("purpose", self.purpose.replace('_', " ")),
            ("legal basis", self.legal_basis.clone()),
            ("because", self.reason.clone()),
            ("may look at", self.places()),
            ("for", classes),
            ("seen", self.window()),
            ("may ask", format!("{} and {}", unless(self.budget.queries, "searches"), unless(self.budget.results, "results"))),
            ("until", self.expires.as_ref().map_or_else(|| "the server's limit".into(), |t| times::short(t, 0))),
        ];
        if !self.scope.parts.is_empty() {
            rows.insert(7, ("by", self.scope.parts.join(", ")));
        }
        if let Some(why) = &self.emergency {
            rows.push(("emergency", format!("could not wait for an authoriser: {why}")));
        }
        rows.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "  {name:<12} {}", plain(value));
            text
        })
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("case {}: {}\n{}", plain(&self.id), self.state, self.scope_in_words());
        if let Some(left) = &self.left {
            let searches = if left.queries == 1 { "1 search".to_owned() } else { format!("{} searches", left.queries) };
            let _ = writeln!(text, "  {:<12} {searches} and {}", "still has", count(left.results.into(), "result"));
        }
        for a in &self.authorisations {
            let at = a.time.as_ref().map_or_else(|| "an unknown time".into(), |t| times::short(t, 0));
            let _ = writeln!(text, "  {:<12} {} at {at}", "authorised by", a.by.text());
        }
        if let Some(at) = &self.closed {
            let why = self.closed_reason.as_ref().map_or_else(String::new, |why| format!(": {}", plain(why)));
            let _ = writeln!(text, "  {:<12} {}{why}", "closed", times::short(at, 0));
        }
        if self.review_due {
            let how = "an emergency that is over and that no authoriser has said yes or no to";
            let _ = writeln!(text, "  {:<12} {how}: `sightline case refuse` or, in time, `authorise`", "review due");
        }
        text
    }
}
