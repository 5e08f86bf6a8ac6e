//! A search that goes on for as long as its caller listens. It is no alert: nothing of it is kept, and it ends with the stream, with
//! the case, with the certificate, with the server, and after an hour at the latest.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use access::{Action, Caller, CasePermit, Outcome, SearchRequest, Searching};
use proto::{BadMessage, v1};
use search::{Hit, Looking};
use tokio::sync::mpsc::{self, Permit};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use types::{CameraId, ModelDigest, SightingId};

use super::{
    Api,
    convert::moment,
    search::Question,
    stream_hits::{KeepLookingStream, Rules, message},
};
use crate::edge::status::{Fault, status};

type Sender = mpsc::Sender<Result<v1::KeepLookingResponse, Status>>;

/// No search goes on for longer.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often it is looked what was stored, and whether it is still allowed.
const LOOK: Duration = Duration::from_millis(500);
/// What counts as fitting where the caller does not say.
const LEAST: f32 = 0.5;
/// Whoever does not read any more needs no last word.
const LAST_WORD: Duration = Duration::from_millis(250);

/// A search that goes on, permitted and on the record as begun.
struct Begun {
    permit: CasePermit,
    asked: SearchRequest,
    looking: Looking,
    /// Whose vectors the examples are of; `None`: there are none.
    model: Option<ModelDigest>,
    crops: bool,
    limit: usize,
    lasts: Duration,
    rules: u64,
    began: Instant,
}

/// Why it ended.
enum End {
    /// Its time is over, or it has handed out as much as it may.
    Over,
    /// Nobody listens.
    Gone,
    /// The server stops.
    Stopped,
}

/// What it handed out, and what it held back.
#[derive(Default)]
struct Out {
    handed: Vec<SightingId>,
    withheld: u32,
    withheld_cameras: BTreeSet<CameraId>,
}

impl Api {
    pub(super) async fn keep_looking_as(
        &self,
        caller: &Caller,
        request: v1::KeepLookingRequest,
    ) -> Result<KeepLookingStream, Fault> {
        let began = Instant::now();
        let search = request.search.ok_or(BadMessage::Missing { field: "search" })?;
        let id = self.case_named(Action::KeepLooking, caller, &search.case_id).await?;
        let lasts = lasts(request.lasts)?;
        let least = match request.least_score {
            0.0 => LEAST,
            least if (0.0..=1.0).contains(&least) => least,
            _ => return Err(BadMessage::Number { field: "least_score" }.into()),
        };
        let why = "a search that goes on has no pages: it begins with what is stored from now on";
        let question = Question::without_pages(search, why, "take the page token out")?;
        let (asked, crops, limit) = (question.request(), question.crops, question.limit());
        let rules = self.0.rules.count();
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let example = question.example.clone();
        let permit = self
            .0
            .gate
            .permit(Searching::KeepLooking, &id, case.as_ref(), &cameras, &asked, example.as_ref(), caller, self.0.now())
            .await;
        let permit = permit?;
        match self.look_from_now(&permit, question, least).await {
            Ok((looking, model)) => {
                let begun = Begun { permit, asked, looking, model, crops, limit, lasts, rules, began };
                // One slot: what waits in it was looked at just before.
                let (send, receive) = mpsc::channel(1);
                self.0.detach(look_on(self.clone(), begun, send));
                Ok(Box::pin(ReceiverStream::new(receive)))
            }
            Err(fault) => {
                self.0.gate.complete_search(permit, Outcome::Failed, &[], self.0.now()).await?;
                Err(self.on_record(Action::KeepLooking, caller, &id, fault).await)
            }
        }
    }

    async fn look_from_now(
        &self,
        permit: &CasePermit,
        question: Question,
        least: f32,
    ) -> Result<(Looking, Option<ModelDigest>), Fault> {
        // Not held for longer: another model waits for those who search by this one.
        let searcher = self.0.searcher();
        let query = self.query(permit, question, &searcher).await?;
        let has_examples = !query.like.is_empty() || !query.like_pictures.is_empty();
        let looking = searcher.look_from_now(permit, query, least).await?;
        Ok((looking, has_examples.then(|| searcher.model())))
    }

    /// To the end of the stream.
    async fn look_and_tell(&self, begun: &mut Begun, out: &mut Out, send: &Sender) -> Result<End, Fault> {
        let until = tokio::time::Instant::from_std(begun.began) + begun.lasts;
        let mut rules = Rules::of(&begun.permit, begun.rules, begun.began);
        let Some(slot) = self.place(send, until).await else { return Ok(self.why_no_place(send)) };
        slot.send(Ok(self.beginning(begun)));
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = send.closed() => return Ok(End::Gone),
                () = self.0.stop.cancelled() => return Ok(End::Stopped),
                () = tokio::time::sleep_until(until) => return Ok(End::Over),
                _ = tick.tick() => {}
            }
            self.decide_again(&begun.permit, &begun.asked, &mut rules).await?;
            if let Err(denial) = &rules.granted {
                return Err(denial.clone().into());
            }
            let searcher = self.0.searcher();
            if begun.model.is_some_and(|model| model != searcher.model()) {
                return Err(Fault::Caller {
                    code: Code::FailedPrecondition,
                    reason: "model_changed",
                    message: "another model took over, so that the examples can't be compared any more".to_owned(),
                    hint: "begin again with the same examples",
                });
            }
            for hit in searcher.look_again(&begun.permit, &mut begun.looking).await? {
                // First a place for it, then the look whether it may go: nothing waits long between the two.
                let Some(slot) = self.place(send, until).await else { return Ok(self.why_no_place(send)) };
                if self.hand_on(begun, out, &mut rules, &hit, slot).await? && out.handed.len() >= begun.limit {
                    return Ok(End::Over);
                }
            }
        }
    }

    /// Whether it went out.
    async fn hand_on(
        &self,
        begun: &Begun,
        out: &mut Out,
        rules: &mut Rules,
        hit: &Hit,
        slot: Permit<'_, Result<v1::KeepLookingResponse, Status>>,
    ) -> Result<bool, Fault> {
        if !self.allows(&begun.permit, &begun.asked, rules, hit).await? {
            out.withheld += 1;
            out.withheld_cameras.insert(hit.sighting.camera.clone());
            return Ok(false);
        }
        let crop = self.crop_of(&begun.permit, hit, begun.crops).await?;
        out.handed.push(hit.sighting.id);
        // At once, so that its crop can be looked at and it can be an example.
        self.0.handed_out.note(begun.permit.case(), &[hit.sighting.id]);
        let rank = out.handed.len() as u32;
        let hit = v1::Hit { group: rank, ..message(rank, hit, crop) };
        slot.send(Ok(v1::KeepLookingResponse { part: Some(v1::keep_looking_response::Part::Hit(hit)) }));
        Ok(true)
    }

    /// `None`: the stream ends before there is one.
    async fn place<'a>(
        &self,
        send: &'a Sender,
        until: tokio::time::Instant,
    ) -> Option<Permit<'a, Result<v1::KeepLookingResponse, Status>>> {
        tokio::select! {
            biased;
            () = self.0.stop.cancelled() => None,
            () = tokio::time::sleep_until(until) => None,
            slot = send.reserve() => slot.ok(),
        }
    }

    fn why_no_place(&self, send: &Sender) -> End {
        if send.is_closed() {
            End::Gone
        } else if self.0.stop.is_cancelled() {
            End::Stopped
        } else {
            End::Over
        }
    }

    fn beginning(&self, begun: &Begun) -> v1::KeepLookingResponse {
        let permit = &begun.permit;
        let left = begun.lasts.saturating_sub(begun.began.elapsed());
        let until = self.0.now().plus_micros(i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
        let began = v1::KeepLookingBegan {
            audit_seq: permit.receipt().seq,
            until: moment(until),
            camera_ids: permit.cameras().iter().map(ToString::to_string).collect(),
            window: Some(permit.window().into()),
            left_out_camera_ids: permit.granted().left_out.iter().map(|l| l.camera.to_string()).collect(),
        };
        v1::KeepLookingResponse { part: Some(v1::keep_looking_response::Part::Began(began)) }
    }
}

fn lasts(asked: Option<prost_types::Duration>) -> Result<Duration, Fault> {
    match proto::duration_from("lasts", asked)? {
        None => Ok(LONGEST),
        Some(lasts) if lasts > LONGEST => {
            Err(Fault::invalid("too_long", "a search goes on for an hour at most", "ask for less, and begin again after it"))
        }
        Some(lasts) => Ok(lasts),
    }
}

/// Looks, records how it ended, and says the last word.
async fn look_on(api: Api, mut begun: Begun, send: Sender) {
    let mut out = Out::default();
    let end = api.look_and_tell(&mut begun, &mut out, &send).await;
    let Begun { permit, began, .. } = begun;
    let (case, caller) = (permit.case().clone(), permit.caller().clone());
    let summary = v1::SearchSummary {
        hits: out.handed.len() as u32,
        camera_ids: permit.cameras().iter().map(ToString::to_string).collect(),
        window: Some(permit.window().into()),
        // Whatever was stored in the meantime was compared.
        exact: true,
        audit_seq: permit.receipt().seq,
        elapsed: Some(proto::duration(began.elapsed())),
        left_out_camera_ids: permit.granted().left_out.iter().map(|l| l.camera.to_string()).collect(),
        completed_audit_seq: 0,
        withheld: out.withheld,
        withheld_camera_ids: out.withheld_cameras.iter().map(ToString::to_string).collect(),
        without_colour: None,
        next_page_token: String::new(),
        more: None,
        perhaps_more: false,
    };
    let outcome = match &end {
        Ok(End::Over) => Outcome::Done,
        Ok(End::Gone | End::Stopped) => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    // A refusal is on the record as one, with its code.
    let end = match end {
        Err(fault) => Err(api.on_record(Action::KeepLooking, &caller, &case, fault).await),
        end => end,
    };
    let recorded = api.0.gate.complete_search(permit, outcome, &out.handed, api.0.now()).await;
    let last = match (end, recorded) {
        (Err(fault), _) => Err(status(Action::KeepLooking, fault)),
        (_, Err(error)) => Err(status(Action::KeepLooking, error.into())),
        (Ok(End::Over), Ok(receipt)) => {
            let summary = v1::SearchSummary { completed_audit_seq: receipt.seq, ..summary };
            Ok(v1::KeepLookingResponse { part: Some(v1::keep_looking_response::Part::Summary(summary)) })
        }
        (Ok(End::Stopped), Ok(_)) => {
            let hint = "begin again once it is back; what was stored in between, a search finds";
            Err(proto::status(Code::Unavailable, "the server stops", "stopping", hint))
        }
        (Ok(End::Gone), Ok(_)) => return,
    };
    let _ = tokio::time::timeout(LAST_WORD, send.send(last)).await;
}
