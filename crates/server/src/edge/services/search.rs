use std::{collections::BTreeSet, pin::Pin, time::Instant};

use access::{
    Action, AuditDetail, Caller, CasePermit, Code as Why, Denial, Example, Examples, Matter, Outcome, SearchRequest, Searching,
};
use futures::Stream;
use metrics::histogram;
use proto::{
    BadMessage,
    v1::{self, example::What, search_service_server::SearchService},
};
use search::{Found, ReachQuery, SearchError, SearchQuery, Searcher, Travel};
use sha2::{Digest, Sha256};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use types::{CameraId, CaseId, DescriptionQuery, SightingId, TimeWindow};

use super::{
    Api,
    convert::camera_ids,
    pages::Pages,
    stream_hits::{self, KeepLookingStream, PendingHits},
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
/// Each is looked at by the models, one after the other.
const MOST_PICTURES: usize = 4;
/// Each is compared with every sighting in scope.
const MOST_LIKE: usize = 20;

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
        self.0.detach(stream_hits::stream_hits(self.clone(), answer, send));
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    type KeepLookingStream = KeepLookingStream;

    async fn keep_looking(&self, request: Request<v1::KeepLookingRequest>) -> Result<Response<KeepLookingStream>, Status> {
        let caller = caller(&request)?;
        let looks = self.keep_looking_as(&caller, request.into_inner()).await;
        Ok(Response::new(looks.map_err(|fault| status(Action::KeepLooking, fault))?))
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
    pub(super) like: BTreeSet<SightingId>,
    pub(super) unlike: BTreeSet<SightingId>,
    /// As they came; read only after the permit is there.
    pictures: Vec<Picture>,
    /// The examples as the record has them.
    pub(super) example: Option<Example>,
    pub(super) without_colour: bool,
    reach: Option<(SightingId, Travel, bool)>,
    window: Option<TimeWindow>,
    cameras: BTreeSet<CameraId>,
    limit: u32,
    pub(super) crops: bool,
    /// Which page of the answer.
    page: Pages,
}

struct Picture {
    bytes: Vec<u8>,
    /// Whether what is looked for is to be like it.
    like: bool,
}

impl Api {
    /// Decides, records, searches. What is found is handed out, and the end recorded, by [`stream_hits::stream_hits`].
    async fn answer(&self, caller: &Caller, request: v1::SearchRequest) -> Result<PendingHits, Fault> {
        let began = Instant::now();
        let id = self.case_named(Action::Search, caller, &request.case_id).await?;
        let question = self.question(request)?;
        let asked = question.request();
        let page = question.page.clone();
        // First the count: what changes while they are read is read again.
        let rules = self.0.rules.count();
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let permit = self
            .0
            .gate
            .permit(Searching::Once, &id, case.as_ref(), &cameras, &asked, question.example.as_ref(), caller, self.0.now())
            .await;
        let permit = permit?;
        let crops = question.crops;
        match self.look(&permit, question).await {
            Ok((Found { hits, exact, without_colour, more }, current)) => {
                let exact = exact && current;
                Ok(PendingHits { permit, asked, hits, crops, exact, without_colour, more, page, began, rules })
            }
            Err(fault) => {
                self.0.gate.complete_search(permit, Outcome::Failed, &[], self.0.now()).await?;
                Err(self.on_record(Action::Search, caller, &id, fault).await)
            }
        }
    }

    /// The pages of a question are of one answer: what orders it, the model included, is part of the question.
    pub(super) fn question(&self, request: v1::SearchRequest) -> Result<Question, Fault> {
        Question::from_message(request, &self.0.searcher().model().to_string())
    }

    pub(super) async fn look(&self, permit: &CasePermit, question: Question) -> Result<(Found, bool), Fault> {
        // Asked before the search: what comes during it may or may not be in the answer.
        let current = self.0.store.feed.is_current().await?;
        // Held to the end: the index that the picture's vector is made for is the one that is asked.
        let searcher = self.0.searcher();
        let query = self.query(permit, question, &searcher).await?;
        Ok((searcher.search(permit, &query).await?, current))
    }

    /// What the search itself asks, examples looked up and pictures made vectors by the searcher's model.
    pub(super) async fn query(&self, permit: &CasePermit, question: Question, searcher: &Searcher) -> Result<SearchQuery, Fault> {
        let from = question.reach.map(|(from, ..)| from);
        let named: Vec<_> = question.like.iter().chain(&question.unlike).copied().chain(from).collect();
        if self.0.not_handed_out(permit.case(), &named).await?.is_some() {
            return Err(Denial::not_handed_out(permit.case()).into());
        }
        let (mut like_pictures, mut unlike_pictures) = (Vec::new(), Vec::new());
        for Picture { bytes, like } in question.pictures {
            let made_by = self.0.store.reindex.made_by(searcher.model()).await?;
            let vector = self.0.pictures.embed(permit.caller(), bytes, question.description.class, made_by).await?;
            if like { like_pictures.push(vector) } else { unlike_pictures.push(vector) }
        }
        let reach = match question.reach {
            Some((from, by, only)) => {
                let cameras = self.0.pooled().await?;
                let places = cameras.iter().filter_map(|c| Some((c.id.clone(), c.place?))).collect();
                Some(ReachQuery { from, by, only, places })
            }
            None => None,
        };
        Ok(SearchQuery {
            description: question.description,
            like: question.like.into_iter().collect(),
            unlike: question.unlike.into_iter().collect(),
            like_pictures,
            unlike_pictures,
            without_colour: question.without_colour,
            reach,
            cameras: question.cameras.into_iter().collect(),
            window: question.window,
            limit: None,
            after: question.page.after(),
        })
    }

    async fn crop(&self, caller: &Caller, request: v1::GetCropRequest) -> Result<v1::GetCropResponse, Fault> {
        let id = self.case_named(Action::GetCrop, caller, &request.case_id).await?;
        let wanted = proto::sighting_id(&request.sighting_id)?;
        let sighting = self.0.catalogue().sighting_to_decide(&id, wanted).await?;
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let now = self.0.now();
        let gate = &self.0.gate;
        let permit = if self.0.not_handed_out(&id, &[wanted]).await?.is_none() {
            gate.permit_view_again(&id, case.as_ref(), &cameras, wanted, sighting.as_ref(), caller, now).await
        } else {
            gate.permit_view(&id, case.as_ref(), &cameras, wanted, sighting.as_ref(), caller, now).await
        };
        let permit = permit?;
        let audit_seq = permit.receipt().seq;
        let crop = self.0.catalogue().crop_for(&permit, wanted).await;
        let outcome = if matches!(crop, Ok(Some(_))) { Outcome::Done } else { Outcome::Failed };
        self.0.gate.complete_view(permit, outcome, wanted, self.0.now()).await?;
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
    pub(super) fn from_message(request: v1::SearchRequest, model: &str) -> Result<Self, Fault> {
        let page = Pages::of(&request, model)?;
        if !request.like_sighting_id.is_empty() && !request.like_picture.is_empty() {
            let hint = "name several examples in `like`, or only one of the two";
            return Err(Fault::invalid("two_examples", "there are two examples", hint));
        }
        let (mut like, mut unlike, mut pictures) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        if !request.like_sighting_id.is_empty() {
            like.insert(proto::sighting_id(&request.like_sighting_id)?);
        }
        if !request.like_picture.is_empty() {
            pictures.push(Picture { bytes: request.like_picture, like: true });
        }
        let examples = request.like.into_iter().map(|e| (e, true)).chain(request.unlike.into_iter().map(|e| (e, false)));
        for (example, is_like) in examples {
            match example.what {
                Some(What::SightingId(id)) => {
                    let id = proto::sighting_id(&id)?;
                    if is_like {
                        like.insert(id)
                    } else {
                        unlike.insert(id)
                    };
                }
                Some(What::Picture(bytes)) => pictures.push(Picture { bytes, like: is_like }),
                None => return Err(BadMessage::Missing { field: "example" }.into()),
            }
        }
        if let Some(both) = like.intersection(&unlike).next() {
            let message = format!("the sighting {both} is to be like and not to be like what is looked for");
            return Err(Fault::invalid("both_examples", message, "name it once"));
        }
        let likes = like.len() + pictures.iter().filter(|p| p.like).count();
        if pictures.len() > MOST_PICTURES || likes > MOST_LIKE {
            let message = format!("a search may have {MOST_LIKE} examples to be like, and {MOST_PICTURES} pictures in all");
            return Err(Fault::invalid("too_many_examples", message, "name those that show it best"));
        }
        let description: DescriptionQuery = request.description.unwrap_or_default().try_into()?;
        let asks_colour = description.upper.is_some() || description.lower.is_some() || description.vehicle_colour.is_some();
        if request.without_colour && asks_colour {
            let message = "what has no colour can't be searched by colour";
            return Err(Fault::invalid("colour_without_colour", message, "ask one or the other"));
        }
        Ok(Self {
            description,
            example: example(&like, &unlike, &pictures),
            like,
            unlike,
            pictures,
            without_colour: request.without_colour,
            reach: request.reach.as_ref().map(reach_from).transpose()?,
            window: request.window.map(TryInto::try_into).transpose()?,
            cameras: camera_ids(&request.camera_ids)?,
            limit: if request.limit == 0 { DEFAULT_LIMIT } else { request.limit },
            crops: request.include_crops,
            page,
        })
    }

    /// Of what has no pages, for this reason; the hint says what to do instead.
    pub(super) fn without_pages(request: v1::SearchRequest, why: &str, hint: &'static str) -> Result<Self, Fault> {
        if !request.page_token.is_empty() {
            return Err(Fault::invalid("page_token", why.to_owned(), hint));
        }
        // The model is what a token is of.
        Self::from_message(request, "")
    }

    /// As far as access is concerned.
    pub(super) fn request(&self) -> SearchRequest {
        let reach_from = self.reach.map(|(from, ..)| from);
        let (cameras, window, limit) = (self.cameras.clone(), self.window, self.limit);
        SearchRequest { cameras, window, limit, reach_from, ..SearchRequest::default() }.asking(&self.description)
    }

    /// How many hits it may have.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }
}

/// For the record: one example as it always was, several in a form of their own.
fn example(like: &BTreeSet<SightingId>, unlike: &BTreeSet<SightingId>, pictures: &[Picture]) -> Option<Example> {
    let digest = |picture: &Picture| hex::encode(Sha256::digest(&picture.bytes));
    match (like.first(), pictures) {
        _ if like.len() + unlike.len() + pictures.len() == 0 => None,
        (Some(one), []) if like.len() == 1 && unlike.is_empty() => Some(Example::Sighting(*one)),
        (None, [one]) if unlike.is_empty() && one.like => Some(Example::Picture(sealed(Matter::Picture, digest(one)))),
        _ => {
            let line = |picture: &Picture| format!("{} {}", if picture.like { "like" } else { "unlike" }, digest(picture));
            let lines: Vec<_> = pictures.iter().map(line).collect();
            let pictures = (!lines.is_empty()).then(|| sealed(Matter::Picture, lines.join("\n")));
            Some(Example::Several(Examples { like: like.clone(), unlike: unlike.clone(), pictures }))
        }
    }
}

fn reach_from(asked: &v1::ReachQuery) -> Result<(SightingId, Travel, bool), BadMessage> {
    let by = match v1::Travel::try_from(asked.by) {
        Ok(v1::Travel::Foot) => Travel::Foot,
        Ok(v1::Travel::Vehicle) => Travel::Vehicle,
        Ok(v1::Travel::Unspecified) => return Err(BadMessage::Missing { field: "reach.by" }),
        Err(_) => return Err(BadMessage::Word { field: "reach.by", kind: "way to travel", value: asked.by }),
    };
    Ok((proto::sighting_id(&asked.from_sighting_id)?, by, asked.only))
}
