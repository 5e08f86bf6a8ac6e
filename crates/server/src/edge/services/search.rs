use std::{collections::BTreeSet, pin::Pin, time::Instant};

use access::{Action, AuditDetail, Caller, CasePermit, Code as Why, Denial, Example, Matter, Outcome, SearchRequest};
use futures::Stream;
use metrics::histogram;
use proto::v1::{self, search_service_server::SearchService};
use search::{Found, SearchError, SearchQuery};
use sha2::{Digest, Sha256};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use types::{CameraId, CaseId, DescriptionQuery, SightingId, TimeWindow};

use super::{
    Api,
    convert::camera_ids,
    hand_out::{self, Answer},
};
use crate::{
    edge::{
        identity::caller,
        status::{Fault, status},
    },
    record::log::sealed,
    telemetry::metrics::names,
};

const DEFAULT_LIMIT: u32 = 50;

#[tonic::async_trait]
impl SearchService for Api {
    type SearchStream = Pin<Box<dyn Stream<Item = Result<v1::SearchResponse, Status>> + Send>>;

    async fn search(&self, request: Request<v1::SearchRequest>) -> Result<Response<Self::SearchStream>, Status> {
        let caller = caller(&request)?;
        let began = Instant::now();
        let answer = self.answer(&caller, request.into_inner()).await;
        let outcome = match &answer {
            Ok(_) => "done",
            Err(Fault::Denied(_) | Fault::Gate(_)) => "refused",
            Err(_) => "failed",
        };
        histogram!(names::SEARCH_SECONDS, "outcome" => outcome).record(began.elapsed());
        let answer = answer.map_err(|fault| status(Action::Search, fault))?;
        // One slot: what waits in it was looked at just before.
        let (send, receive) = tokio::sync::mpsc::channel(1);
        self.0.detach(hand_out::hand_out(self.clone(), answer, send));
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn get_crop(&self, request: Request<v1::GetCropRequest>) -> Result<Response<v1::GetCropResponse>, Status> {
        let caller = caller(&request)?;
        let crop = self.crop(&caller, request.into_inner()).await.map_err(|fault| status(Action::GetCrop, fault))?;
        Ok(Response::new(crop))
    }
}

/// A request whose words all mean something.
pub(super) struct Question {
    pub(super) description: DescriptionQuery,
    pub(super) like: Option<SightingId>,
    /// As it came; read only after the permit is there.
    picture: Option<Vec<u8>>,
    /// The example as the record has it.
    pub(super) example: Option<Example>,
    window: Option<TimeWindow>,
    cameras: BTreeSet<CameraId>,
    limit: u32,
    crops: bool,
}

impl Api {
    /// Decides, records, searches. What is found is handed out, and the end recorded, by [`hand_out::hand_out`].
    async fn answer(&self, caller: &Caller, request: v1::SearchRequest) -> Result<Answer, Fault> {
        let began = Instant::now();
        let id = self.case_named(Action::Search, caller, &request.case_id).await?;
        let question = Question::from_message(request)?;
        let asked = question.request();
        // First the count: what changes while they are read is read again.
        let rules = self.0.rules.count();
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let permit =
            self.0.gate.permit(&id, case.as_ref(), &cameras, &asked, question.example.as_ref(), caller, self.0.now()).await;
        let permit = permit?;
        let crops = question.crops;
        match self.look(&permit, question).await {
            Ok((Found { hits, exact }, current)) => {
                Ok(Answer { permit, asked, hits, crops, exact: exact && current, began, rules })
            }
            Err(fault) => {
                self.0.gate.complete_search(permit, Outcome::Failed, &[], self.0.now()).await?;
                Err(self.on_record(Action::Search, caller, &id, fault).await)
            }
        }
    }

    pub(super) async fn look(&self, permit: &CasePermit, question: Question) -> Result<(Found, bool), Fault> {
        // Asked before the search: what comes during it may or may not be in the answer.
        let current = self.0.store.feed.is_current().await?;
        // Held to the end: the index that the picture's vector is made for is the one that is asked.
        let searcher = self.0.searcher();
        let picture = match question.picture {
            Some(picture) => {
                let made_by = self.0.store.reindex.made_by(searcher.model()).await?;
                Some(self.0.pictures.embed(permit.caller(), picture, question.description.class, made_by).await?)
            }
            None => None,
        };
        let query = SearchQuery {
            description: question.description,
            like: question.like,
            picture,
            cameras: question.cameras.into_iter().collect(),
            window: question.window,
            limit: None,
        };
        Ok((searcher.search(permit, &query).await?, current))
    }

    async fn crop(&self, caller: &Caller, request: v1::GetCropRequest) -> Result<v1::GetCropResponse, Fault> {
        let id = self.case_named(Action::GetCrop, caller, &request.case_id).await?;
        let wanted = proto::sighting_id(&request.sighting_id)?;
        let sighting = self.0.catalogue().sighting_to_decide(&id, wanted).await?;
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let now = self.0.now();
        let gate = &self.0.gate;
        let permit = if self.0.handed_out.has(&id, wanted) {
            gate.permit_view_again(&id, case.as_ref(), &cameras, wanted, sighting.as_ref(), caller, now).await
        } else {
            gate.permit_view(&id, case.as_ref(), &cameras, wanted, sighting.as_ref(), caller, now).await
        };
        let permit = permit?;
        let audit_seq = permit.receipt().seq;
        let crop = self.0.catalogue().crop_for(&permit, wanted).await;
        let outcome = if matches!(crop, Ok(Some(_))) { Outcome::Done } else { Outcome::Failed };
        self.0.gate.complete_view(permit, outcome, self.0.now()).await?;
        if outcome == Outcome::Done {
            self.0.handed_out.note(&id, &[wanted]);
        }
        let crop = crop?.ok_or_else(|| Fault::missing("no_crop", "the sighting's crop is gone", "run `sightline check`"))?;
        Ok(v1::GetCropResponse { crop, audit_seq })
    }

    /// The case a request names. Reading without naming one is refused, on the record, like reading under one that is not
    /// there.
    pub(super) async fn case_named(&self, action: Action, caller: &Caller, text: &str) -> Result<CaseId, Fault> {
        match CaseId::new(text) {
            Ok(id) => Ok(id),
            Err(error) => {
                let reason = if text.is_empty() { "nothing is read without a case".to_owned() } else { error.to_string() };
                let hint = "open one with `sightline case open`, have it authorised, and name it with --case";
                let denial = match action.check_role(caller) {
                    Ok(_) => Denial::new(Why::NoCase, reason, hint),
                    Err(denial) => denial,
                };
                Err(self.0.gate.deny(action, None, AuditDetail::default(), caller, denial, self.0.now()).await.into())
            }
        }
    }

    /// What the search itself refused is on the record as a refusal too.
    pub(super) async fn on_record(&self, action: Action, caller: &Caller, case: &CaseId, fault: Fault) -> Fault {
        match fault {
            Fault::Search(SearchError::Denied(denial)) | Fault::Denied(denial) => {
                self.0.gate.deny(action, Some(case), AuditDetail::default(), caller, denial, self.0.now()).await.into()
            }
            other => other,
        }
    }
}

impl Question {
    pub(super) fn from_message(request: v1::SearchRequest) -> Result<Self, Fault> {
        let like = match request.like_sighting_id.as_str() {
            "" => None,
            id => Some(proto::sighting_id(id)?),
        };
        let picture = Some(request.like_picture).filter(|p| !p.is_empty());
        if like.is_some() && picture.is_some() {
            return Err(Fault::invalid("two_examples", "there are two examples", "name a sighting or show a picture, not both"));
        }
        let commitment = |picture: &Vec<u8>| sealed(Matter::Picture, hex::encode(Sha256::digest(picture)));
        Ok(Self {
            description: request.description.unwrap_or_default().try_into()?,
            example: like.map(Example::Sighting).or_else(|| picture.as_ref().map(commitment).map(Example::Picture)),
            like,
            picture,
            window: request.window.map(TryInto::try_into).transpose()?,
            cameras: camera_ids(&request.camera_ids)?,
            limit: if request.limit == 0 { DEFAULT_LIMIT } else { request.limit },
            crops: request.include_crops,
        })
    }

    /// As far as access is concerned.
    pub(super) fn request(&self) -> SearchRequest {
        SearchRequest { cameras: self.cameras.clone(), window: self.window, limit: self.limit, ..SearchRequest::default() }
            .asking(&self.description)
    }
}
