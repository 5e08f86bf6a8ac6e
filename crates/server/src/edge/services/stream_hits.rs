//! The answer of a search on its way out. Whether the case and the cameras' owners still allow it is looked at before every
//! hit: a camera that is paused while results run is in no result any more.

use std::{
    collections::BTreeSet,
    pin::Pin,
    time::{Duration, Instant},
};

use access::{Action, CasePermit, Denial, Granted, Outcome, SearchRequest, decide};
use catalogue::KnownCrops;
use futures::Stream;
use proto::v1;
use search::{Hit, Matched, More};
use tokio::sync::mpsc;
use tonic::Status;
use types::CameraId;

use super::{Api, pages::Pages};
use crate::edge::status::{Fault, status};

/// The rules are read again at least this often, also when nobody changed them through this server: a case expires.
const AGAIN: Duration = Duration::from_millis(250);
/// For so many hits at once it is read which crop is whose.
const AHEAD: usize = 16;

/// What `KeepLooking` answers with.
pub(super) type KeepLookingStream = Pin<Box<dyn Stream<Item = Result<v1::KeepLookingResponse, Status>> + Send>>;

/// What a search found, not handed out yet.
pub(super) struct PendingHits {
    pub(super) permit: CasePermit,
    pub(super) asked: SearchRequest,
    pub(super) hits: Vec<Hit>,
    pub(super) crops: bool,
    pub(super) exact: bool,
    pub(super) without_colour: Option<u32>,
    pub(super) more: More,
    pub(super) page: Pages,
    pub(super) began: Instant,
    /// Counts the changes of rules when the permit was asked for.
    pub(super) rules: u64,
}

/// What is allowed now, or why nothing is.
pub(super) struct Rules {
    pub(super) granted: Result<Granted, Denial>,
    count: u64,
    read: Instant,
}

impl Rules {
    /// As the permit has it. `count`: of the changes of rules when it was asked for; `read`: when.
    pub(super) fn of(permit: &CasePermit, count: u64, read: Instant) -> Self {
        Self { granted: Ok(permit.granted().clone()), count, read }
    }
}

type Sender = mpsc::Sender<Result<v1::SearchResponse, Status>>;

/// Sends hits, records how it ended, and sends the summary.
pub(super) async fn stream_hits(api: Api, answer: PendingHits, send: Sender) {
    let PendingHits { permit, asked, hits, crops, exact, without_colour, more, page, began, rules } = answer;
    let mut rules = Rules::of(&permit, rules, began);
    let (mut handed, mut withheld, mut withheld_cameras) = (Vec::new(), 0, BTreeSet::<CameraId>::new());
    let mut end = Ok(Outcome::Done);
    let deadline = tokio::time::Instant::now() + api.0.config.request_timeout;
    let mut known = KnownCrops::default();
    for (n, hit) in hits.iter().enumerate() {
        // First a place for it, then the look whether it may go: nothing waits long between the two.
        let Ok(Ok(slot)) = tokio::time::timeout_at(deadline, send.reserve()).await else {
            end = Ok(Outcome::Cancelled);
            break;
        };
        match api.allows(&permit, &asked, &mut rules, hit).await {
            Ok(true) => {}
            Ok(false) => {
                withheld += 1;
                withheld_cameras.insert(hit.sighting.camera.clone());
                continue;
            }
            Err(fault) => {
                end = Err(fault);
                break;
            }
        }
        let crop = match api.next_crop(&permit, &hits, n, crops, &mut known).await {
            Ok(crop) => crop,
            Err(fault) => {
                end = Err(fault);
                break;
            }
        };
        handed.push(hit.sighting.id);
        let hit = message(page.before().saturating_add(handed.len() as u32), hit, crop);
        slot.send(Ok(v1::SearchResponse { part: Some(v1::search_response::Part::Hit(hit)) }));
    }
    let mut summary = v1::SearchSummary {
        hits: handed.len() as u32,
        camera_ids: permit.cameras().iter().map(ToString::to_string).collect(),
        window: Some(permit.window().into()),
        exact,
        audit_seq: permit.receipt().seq,
        elapsed: Some(proto::duration(began.elapsed())),
        left_out_camera_ids: permit.granted().left_out.iter().map(|l| l.camera.to_string()).collect(),
        completed_audit_seq: 0,
        withheld,
        withheld_camera_ids: withheld_cameras.iter().map(ToString::to_string).collect(),
        without_colour,
        next_page_token: page.next(&hits, more),
        more: Some(more.seen),
        perhaps_more: more.perhaps_others,
    };
    let outcome = *end.as_ref().unwrap_or(&Outcome::Failed);
    api.0.handed_out.note(permit.case(), &handed);
    let recorded = api.0.gate.complete_search(permit, outcome, &handed, api.0.now()).await;
    let last = match (end, recorded) {
        (Err(fault), _) => Err(status(Action::Search, fault)),
        (Ok(_), Err(error)) => Err(status(Action::Search, error.into())),
        (Ok(Outcome::Done), Ok(receipt)) => {
            summary.completed_audit_seq = receipt.seq;
            Ok(v1::SearchResponse { part: Some(v1::search_response::Part::Summary(summary)) })
        }
        (Ok(_), Ok(_)) => Err(Status::deadline_exceeded("the answer was not read in time")),
    };
    // Whoever does not read any more needs no summary.
    let _ = tokio::time::timeout(AGAIN, send.send(last)).await;
}

impl Api {
    /// Whether a hit may still go out: decided anew, from what the case and the owners say now.
    pub(super) async fn allows(
        &self,
        permit: &CasePermit,
        asked: &SearchRequest,
        rules: &mut Rules,
        hit: &Hit,
    ) -> Result<bool, Fault> {
        self.decide_again(permit, asked, rules).await?;
        Ok(permit.covers(&hit.sighting) && rules.granted.as_ref().is_ok_and(|g| g.asked.covers(&hit.sighting)))
    }

    /// Reads the rules anew, unless that was just done and nothing has changed.
    pub(super) async fn decide_again(&self, permit: &CasePermit, asked: &SearchRequest, rules: &mut Rules) -> Result<(), Fault> {
        let count = self.0.rules.count();
        if count != rules.count || rules.read.elapsed() >= AGAIN {
            let (case, cameras) = self.0.case_and_cameras(permit.case()).await?;
            // A camera that was named and is not allowed any more keeps its own hits back, and not those of the others.
            let asked = SearchRequest { cameras: BTreeSet::new(), ..asked.clone() };
            let policy = self.0.gate.policy();
            let now = self.0.now();
            let granted = case.ok_or_else(|| Denial::no_case(permit.case()));
            let granted = granted.and_then(|c| decide(policy, &c, &cameras, &asked, permit.caller(), now));
            *rules = Rules { granted, count, read: Instant::now() };
        }
        Ok(())
    }

    /// The crop of the hit in this place. Which crop is whose is read for [`AHEAD`] of them at once.
    async fn next_crop(
        &self,
        permit: &CasePermit,
        hits: &[Hit],
        n: usize,
        wanted: bool,
        known: &mut KnownCrops,
    ) -> Result<Vec<u8>, Fault> {
        if !wanted {
            return Ok(Vec::new());
        }
        let id = hits[n].sighting.id;
        if !known.has(id) {
            let next: Vec<_> = hits[n..].iter().take(AHEAD).map(|hit| hit.sighting.id).collect();
            *known = self.0.catalogue().crops_for(permit, &next).await?;
        }
        match self.0.catalogue().known_crop(known, id).await? {
            Some(crop) => Ok(crop),
            // It may have been replaced since it was looked up.
            None => Ok(self.0.catalogue().crop_for(permit, id).await?.unwrap_or_default()),
        }
    }

    pub(super) async fn crop_of(&self, permit: &CasePermit, hit: &Hit, wanted: bool) -> Result<Vec<u8>, Fault> {
        if !wanted {
            return Ok(Vec::new());
        }
        Ok(self.0.catalogue().crop_for(permit, hit.sighting.id).await?.unwrap_or_default())
    }
}

pub(super) fn message(rank: u32, hit: &Hit, crop: Vec<u8>) -> v1::Hit {
    v1::Hit {
        rank,
        sighting: Some((&hit.sighting).into()),
        score: hit.score,
        description_score: hit.description_score,
        appearance_score: hit.appearance_score,
        matched: hit.why.iter().map(matched).collect(),
        crop,
        group: hit.group,
        reach: hit.reach.map(|reach| v1::Reach {
            reachable: reach.reachable,
            metres: reach.metres.round() as u32,
            time: Some(proto::duration(reach.time)),
        }),
    }
}

fn matched(why: &Matched) -> v1::MatchedWord {
    use v1::matched_word::Word;
    let word = match why {
        Matched::Upper(d) => Word::Upper(v1::Colour::from(d.word).into()),
        Matched::Lower(d) => Word::Lower(v1::Colour::from(d.word).into()),
        Matched::Carrying(d) => Word::Carrying(v1::Carried::from(d.word).into()),
        Matched::VehicleColour(d) => Word::VehicleColour(v1::Colour::from(d.word).into()),
        Matched::Stature(d) => Word::Stature(v1::Stature::from(d.word).into()),
    };
    v1::MatchedWord { word: Some(word), confidence: why.confidence() }
}
