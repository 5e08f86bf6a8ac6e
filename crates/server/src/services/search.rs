use std::{collections::BTreeSet, pin::Pin, time::Instant};

use access::{Action, AuditDetail, Caller, CasePermit, Code as Why, Denial, Outcome, SearchRequest};
use futures::Stream;
use proto::v1::{self, search_service_server::SearchService};
use search::{Found, Matched, SearchError, SearchQuery};
use tonic::{Request, Response, Status};
use types::{CameraId, CaseId, DescriptionQuery, ReceiveTime, SightingId, TimeWindow};

use super::{Api, convert::camera_ids};
use crate::{
    identity::caller,
    status::{Fault, status},
};

const DEFAULT_LIMIT: u32 = 50;

#[tonic::async_trait]
impl SearchService for Api {
    type SearchStream = Pin<Box<dyn Stream<Item = Result<v1::SearchResponse, Status>> + Send>>;

    async fn search(&self, request: Request<v1::SearchRequest>) -> Result<Response<Self::SearchStream>, Status> {
        let caller = caller(&request)?;
        let answer = self.answer(&caller, request.into_inner()).await.map_err(|fault| status(Action::Search, fault))?;
        Ok(Response::new(Box::pin(futures::stream::iter(answer.into_iter().map(Ok)))))
    }

    async fn get_crop(&self, request: Request<v1::GetCropRequest>) -> Result<Response<v1::GetCropResponse>, Status> {
        let caller = caller(&request)?;
        let crop = self.crop(&caller, request.into_inner()).await.map_err(|fault| status(Action::GetCrop, fault))?;
        Ok(Response::new(crop))
    }
}

/// A request whose words all mean something.
struct Question {
    description: DescriptionQuery,
    like: Option<SightingId>,
    window: Option<TimeWindow>,
    cameras: BTreeSet<CameraId>,
    limit: u32,
    crops: bool,
}

type Looked = (Vec<v1::SearchResponse>, Vec<SightingId>, v1::SearchSummary);

impl Api {
    /// Decide and record, search, record how it ended, answer: in that order.
    async fn answer(&self, caller: &Caller, request: v1::SearchRequest) -> Result<Vec<v1::SearchResponse>, Fault> {
        let began = Instant::now();
        let id = self.case_named(Action::Search, caller, &request.case_id).await?;
        let question = Question::from_message(request)?;
        let asked = SearchRequest {
            cameras: question.cameras.clone(),
            window: question.window,
            limit: question.limit,
            ..SearchRequest::default()
        }
        .asking(&question.description);
        let case = self.0.catalogue().case(&id).await?.map(|stored| stored.case);
        let cameras = self.0.pooled().await?;
        let now = ReceiveTime::now();
        let permit = self.0.gate.permit(&id, case.as_ref(), &cameras, &asked, question.like, caller, now).await?;
        match self.look(&permit, question, began).await {
            Ok((mut answer, handed, mut summary)) => {
                let end = self.0.gate.complete_search(permit, Outcome::Done, &handed, ReceiveTime::now()).await?;
                summary.completed_audit_seq = end.seq;
                answer.push(v1::SearchResponse { part: Some(v1::search_response::Part::Summary(summary)) });
                Ok(answer)
            }
            Err(fault) => {
                self.0.gate.complete_search(permit, Outcome::Failed, &[], ReceiveTime::now()).await?;
                Err(self.on_record(Action::Search, caller, &id, fault).await)
            }
        }
    }

    /// The hits as messages, their ids, and what there is to say about all of them.
    async fn look(&self, permit: &CasePermit, question: Question, began: Instant) -> Result<Looked, Fault> {
        // Asked before the search: what comes during it may or may not be in the answer.
        let current = self.0.store.feed.is_current().await?;
        let query = SearchQuery {
            description: question.description,
            like: question.like,
            cameras: question.cameras.into_iter().collect(),
            window: question.window,
            limit: None,
        };
        let Found { hits, exact } = self.0.searcher.search(permit, &query).await?;
        let mut answer = Vec::with_capacity(hits.len() + 1);
        let handed = hits.iter().map(|hit| hit.sighting.id).collect();
        for (place, hit) in hits.iter().enumerate() {
            let crop = if question.crops { self.0.catalogue().crop(hit.sighting.id).await? } else { None };
            let hit = v1::Hit {
                rank: place as u32 + 1,
                sighting: Some((&hit.sighting).into()),
                score: hit.score,
                description_score: hit.description_score,
                appearance_score: hit.appearance_score,
                matched: hit.why.iter().map(matched).collect(),
                crop: crop.unwrap_or_default(),
            };
            answer.push(v1::SearchResponse { part: Some(v1::search_response::Part::Hit(hit)) });
        }
        let granted = permit.granted();
        let summary = v1::SearchSummary {
            hits: answer.len() as u32,
            camera_ids: permit.cameras().iter().map(ToString::to_string).collect(),
            window: Some(permit.window().into()),
            exact: exact && current,
            audit_seq: permit.receipt().seq,
            elapsed: Some(proto::duration(began.elapsed())),
            left_out_camera_ids: granted.left_out.iter().map(|l| l.camera.to_string()).collect(),
            completed_audit_seq: 0,
        };
        Ok((answer, handed, summary))
    }

    async fn crop(&self, caller: &Caller, request: v1::GetCropRequest) -> Result<v1::GetCropResponse, Fault> {
        let id = self.case_named(Action::GetCrop, caller, &request.case_id).await?;
        let wanted = proto::sighting_id(&request.sighting_id)?;
        let case = self.0.catalogue().case(&id).await?.map(|stored| stored.case);
        let sighting = self.0.catalogue().sighting(wanted).await?;
        let (cameras, now) = (self.0.pooled().await?, ReceiveTime::now());
        let permit = self.0.gate.permit_view(&id, case.as_ref(), &cameras, wanted, sighting.as_ref(), caller, now).await?;
        let audit_seq = permit.receipt().seq;
        let crop = self.0.catalogue().crop(wanted).await;
        let outcome = if matches!(crop, Ok(Some(_))) { Outcome::Done } else { Outcome::Failed };
        self.0.gate.complete_view(permit, outcome, ReceiveTime::now()).await?;
        let crop = crop?.ok_or_else(|| Fault::missing("no_crop", "the sighting's crop is gone", "run `sightline check`"))?;
        Ok(v1::GetCropResponse { crop, audit_seq })
    }

    /// The case a request names. Reading without naming one is refused, on the record, like reading under one that is not
    /// there.
    async fn case_named(&self, action: Action, caller: &Caller, text: &str) -> Result<CaseId, Fault> {
        match CaseId::new(text) {
            Ok(id) => Ok(id),
            Err(error) => {
                let reason = if text.is_empty() { "nothing is read without a case".to_owned() } else { error.to_string() };
                let hint = "open one with `sightline case open`, have it authorised, and name it with --case";
                let denial = match action.check_role(caller) {
                    Ok(_) => Denial::new(Why::NoCase, reason, hint),
                    Err(denial) => denial,
                };
                Err(self.0.gate.deny(action, None, AuditDetail::default(), caller, denial, ReceiveTime::now()).await.into())
            }
        }
    }

    /// What the search itself refused is on the record as a refusal too.
    async fn on_record(&self, action: Action, caller: &Caller, case: &CaseId, fault: Fault) -> Fault {
        match fault {
            Fault::Search(SearchError::Denied(denial)) => {
                self.0.gate.deny(action, Some(case), AuditDetail::default(), caller, denial, ReceiveTime::now()).await.into()
            }
            other => other,
        }
    }
}

impl Question {
    fn from_message(request: v1::SearchRequest) -> Result<Self, Fault> {
        Ok(Self {
            description: request.description.unwrap_or_default().try_into()?,
            like: match request.like_sighting_id.as_str() {
                "" => None,
                id => Some(proto::sighting_id(id)?),
            },
            window: request.window.map(TryInto::try_into).transpose()?,
            cameras: camera_ids(&request.camera_ids)?,
            limit: if request.limit == 0 { DEFAULT_LIMIT } else { request.limit },
            crops: request.include_crops,
        })
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
