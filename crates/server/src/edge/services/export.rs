//! An export on its way out: permitted and charged like a search, made from what the permit covers, looked at again until
//! the last piece, and sealed only then.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use access::{
    Action, AuditEntry, Caller, Case, CasePermit, Code as Why, Denial, Example, Outcome, SearchRequest, Searching, decide,
    log::Seal,
};
use audit_log::export::{self, Exhibit, Exported, Files, ListedFile, Manifest, RecordLine, Selection};
use catalogue::{CatalogueError, SeenProof};
use futures::Stream;
use proto::v1::{self, export_request::Selection as Asked, export_service_server::ExportService};
use search::{Found, Hit};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};
use types::{CameraId, CaseId, DescriptionQuery, Sighting, SightingId};

use super::{Api, search::Question};
use crate::{
    edge::{
        identity::caller,
        status::{Fault, status},
    },
    record::{exhibit::exhibit, log::RecordFault},
};

/// Bytes of one message of the stream, far below what a client takes.
const CHUNK: usize = 256 << 10;
/// The rules are read again at least this often, also when nobody changed them through this server.
const AGAIN: Duration = Duration::from_millis(250);
/// Entries of the record read at once.
const PAGE: u32 = 1_000;
/// How often a sighting is looked at again that is not as the record says: it may have been replaced meanwhile.
const TRIES: u32 = 3;

type Sender = mpsc::Sender<Result<v1::ExportResponse, Status>>;

#[tonic::async_trait]
impl ExportService for Api {
    type ExportStream = Pin<Box<dyn Stream<Item = Result<v1::ExportResponse, Status>> + Send>>;

    async fn export(&self, request: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let caller = caller(&request)?;
        let ready = self.prepare(&caller, request.into_inner()).await.map_err(|fault| status(Action::Export, fault))?;
        let (send, receive) = mpsc::channel(1);
        self.0.detach(deliver(self.clone(), ready, send));
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }
}

/// What is to be exported.
enum Wanted {
    These(Vec<SightingId>),
    FoundBy(Box<Question>),
}

/// Everything an export is made of, read; nothing of it has left yet.
struct Ready {
    permit: CasePermit,
    asked: SearchRequest,
    case: Case,
    selection: Selection,
    sightings: Vec<(Sighting, Option<Hit>)>,
    crops: Vec<Vec<u8>>,
    /// That the record commits to each.
    proofs: Vec<SeenProof>,
    /// Counts the changes of rules when the permit was asked for.
    rules: u64,
}

/// What was selected, read.
struct Gathered {
    selection: Selection,
    sightings: Vec<(Sighting, Option<Hit>)>,
    crops: Vec<Vec<u8>>,
    proofs: Vec<SeenProof>,
}

/// Why an export was not handed out whole.
enum Cut {
    /// Nobody reads it any more.
    Gone,
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Cut {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Wanted {
    fn from_message(case: &CaseId, selection: Option<Asked>) -> Result<Self, Fault> {
        let nothing = |what: &str| Fault::invalid("nothing_selected", what, "name sightings, or what to search for");
        match selection {
            None => Err(nothing("nothing is selected")),
            Some(Asked::Sightings(these)) => {
                let ids = these.sighting_ids.iter().map(|id| proto::sighting_id(id)).collect::<Result<Vec<_>, _>>()?;
                let once: BTreeSet<_> = ids.iter().collect();
                if ids.is_empty() || once.len() != ids.len() {
                    return Err(nothing(if ids.is_empty() { "no sighting is named" } else { "a sighting is named twice" }));
                }
                Ok(Self::These(ids))
            }
            Some(Asked::Search(search)) => {
                if !search.case_id.is_empty() && search.case_id != case.as_str() {
                    return Err(Fault::invalid("two_cases", "the search names another case", "export one case at a time"));
                }
                let hint = "name the sightings of the page, or leave the page token out";
                let question = Question::without_pages(search, "an export is not made page by page", hint)?;
                Ok(Self::FoundBy(Box::new(question)))
            }
        }
    }

    /// As far as access is concerned.
    fn request(&self) -> SearchRequest {
        match self {
            Self::These(ids) => SearchRequest { limit: u32::try_from(ids.len()).unwrap_or(u32::MAX), ..SearchRequest::default() },
            Self::FoundBy(question) => question.request(),
        }
    }
}

impl Api {
    async fn prepare(&self, caller: &Caller, request: v1::ExportRequest) -> Result<Ready, Fault> {
        let id = self.case_named(Action::Export, caller, &request.case_id).await?;
        let wanted = Wanted::from_message(&id, request.selection)?;
        let asked = wanted.request();
        let example = match &wanted {
            Wanted::These(_) => None,
            Wanted::FoundBy(question) => question.example.clone(),
        };
        // First the count: what changes while they are read is read again.
        let rules = self.0.rules.count();
        let (case, cameras) = self.0.case_and_cameras(&id).await?;
        let permit = self
            .0
            .gate
            .permit(Searching::Export, &id, case.as_ref(), &cameras, &asked, example.as_ref(), caller, self.0.now())
            .await;
        let permit = permit?;
        let gathered = match case {
            Some(case) => self.gather(&permit, wanted).await.map(|gathered| (case, gathered)),
            // No permit comes of no case.
            None => Err(Denial::no_case(&id).into()),
        };
        match gathered {
            Ok((case, Gathered { selection, sightings, crops, proofs })) => {
                Ok(Ready { permit, asked, case, selection, sightings, crops, proofs, rules })
            }
            Err(fault) => {
                self.0.gate.complete_export(permit, Outcome::Failed, &[], None, self.0.now()).await?;
                Err(self.on_record(Action::Export, caller, &id, fault).await)
            }
        }
    }

    /// Searches, or looks up what was named; each sighting must be one the permit covers.
    async fn gather(&self, permit: &CasePermit, wanted: Wanted) -> Result<Gathered, Fault> {
        let mut selection = Selection {
            by_hand: matches!(wanted, Wanted::These(_)),
            words: Vec::new(),
            like: None,
            like_these: Vec::new(),
            unlike: Vec::new(),
            like_picture: false,
            from: permit.window().from(),
            to: permit.window().to(),
            cameras: permit.cameras().iter().cloned().collect(),
            left_out_cameras: permit.granted().left_out.iter().map(|l| l.camera.clone()).collect(),
            exact: None,
            limit: permit.granted().limit,
        };
        let mut sightings = Vec::new();
        match wanted {
            Wanted::These(ids) => {
                for id in ids {
                    let found = self.0.catalogue().sighting_for(permit, id).await?.filter(|s| permit.covers(s));
                    sightings.push((found.ok_or_else(|| Denial::outside(permit.case()))?, None));
                }
            }
            Wanted::FoundBy(question) => {
                selection.words = words(&question.description);
                if question.without_colour {
                    selection.words.push("no colour known".to_owned());
                }
                match &question.example {
                    Some(Example::Sighting(one)) => selection.like = Some(*one),
                    Some(Example::Picture(_)) => selection.like_picture = true,
                    Some(Example::Several(several)) => {
                        selection.like_these = several.like.iter().copied().collect();
                        selection.unlike = several.unlike.iter().copied().collect();
                        selection.like_picture = several.pictures.is_some();
                    }
                    None => {}
                }
                let (Found { hits, exact, .. }, current) = self.look(permit, *question).await?;
                selection.exact = Some(exact && current);
                sightings = hits.into_iter().map(|hit| (hit.sighting.clone(), Some(hit))).collect();
            }
        }
        let ids: Vec<_> = sightings.iter().map(|(sighting, _)| sighting.id).collect();
        self.0.catalogue().commit_found_now(&ids).await?;
        let (mut crops, mut proofs) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for (sighting, _) in &mut sightings {
            let (crop, proof) = self.proved(permit, sighting).await?;
            crops.push(crop);
            proofs.push(proof);
        }
        Ok(Gathered { selection, sightings, crops, proofs })
    }

    /// The crop of a sighting, and that the record commits to both. One that was replaced since it was found is read again.
    async fn proved(&self, permit: &CasePermit, sighting: &mut Sighting) -> Result<(Vec<u8>, SeenProof), Fault> {
        let catalogue = self.0.catalogue();
        let mut tries = 0;
        loop {
            let what = match catalogue.crop_for(permit, sighting.id).await? {
                None => "its crop is gone, or not the one that was stored".to_owned(),
                Some(crop) => match catalogue.prove_seen(sighting, &crop).await {
                    Ok(proof) => return Ok((crop, proof)),
                    Err(CatalogueError::NotAsStored { what, .. }) => what.to_owned(),
                    Err(error) => return Err(error.into()),
                },
            };
            if tries == TRIES {
                tracing::error!(sighting = %sighting.id, what, "not exported: it is not as it was stored");
                self.0.store.differs.store(true, Ordering::Relaxed);
                self.0.tell_record_health().await;
                return Err(not_as_stored(sighting.id, &what));
            }
            tries += 1;
            tokio::time::sleep(AGAIN / 4).await;
            let again = catalogue.sighting_for(permit, sighting.id).await?.filter(|s| permit.covers(s));
            *sighting = again.ok_or_else(|| Denial::outside(permit.case()))?;
        }
    }

    /// The entries of a case that an export shows: who opened and authorised it, what was searched and exported. Refused
    /// calls are not among them: they may be somebody else's.
    async fn record_of(&self, case: &CaseId) -> Result<Vec<RecordLine>, Fault> {
        let shown = [Action::OpenCase, Action::AuthoriseCase, Action::Search, Action::KeepLooking, Action::Export];
        let (mut lines, mut after) = (Vec::new(), 0);
        loop {
            let page = self.0.catalogue().audit_since(after, Some(case), PAGE).await?;
            let Some(last) = page.last() else { return Ok(lines) };
            after = last.receipt.seq;
            let refused = |e: &access::AuditEntry| matches!(e.phase, access::Phase::Denied { .. });
            for record in page.into_iter().filter(|r| shown.contains(&r.entry.action) && !refused(&r.entry)) {
                let (entry, seq) = (record.entry, record.receipt.seq);
                lines.push(RecordLine {
                    entry: seq,
                    at: entry.at,
                    outcome: entry.phase.as_str().to_owned(),
                    action: entry.action.as_str().to_owned(),
                    caller: entry.caller,
                    receipt: export::receipt_path(seq),
                });
            }
        }
    }

    /// Everything but the three files that hold it together, and the manifest that lists it.
    async fn make(&self, ready: &Ready) -> Result<(Files, Vec<u8>), Fault> {
        let places: BTreeMap<CameraId, String> =
            self.0.catalogue().cameras().await?.into_iter().map(|c| (c.id, c.place.unwrap_or_default())).collect();
        let place = |camera| places.get(camera).cloned().unwrap_or_default();
        let exhibits: Vec<Exhibit> = (1..)
            .zip(ready.sightings.iter().zip(&ready.proofs))
            .map(|(n, ((s, hit), proof))| exhibit(n, s, place(&s.camera), hit.as_ref(), ready.permit.allows_stature(), proof))
            .collect();
        let mut files: Files = exhibits.iter().map(|e| e.crop.clone()).zip(ready.crops.iter().cloned()).collect();
        let record = self.record_of(ready.permit.case()).await?;
        let entries: BTreeSet<u64> = record.iter().map(|l| l.entry).chain(ready.proofs.iter().map(|p| p.entry)).collect();
        let entries: Vec<u64> = entries.into_iter().collect();
        let receipts = self.0.store.log.receipts(&entries).await?;
        // What the log itself says, not the rows: nothing is sealed that it does not commit to.
        for (exhibit, crop) in exhibits.iter().zip(&ready.crops) {
            let entry = exhibit.committed.as_ref().and_then(|c| entries.iter().position(|entry| *entry == c.entry));
            let entry = entry.and_then(|n| AuditEntry::from_bytes(receipts[n].extra.as_deref()?).ok());
            let seen = entry.as_ref().and_then(export::seen_of).ok_or("its entry of the record commits to no sightings");
            seen.and_then(|seen| exhibit.check_committed(crop, seen)).map_err(|what| not_as_stored(exhibit.sighting, what))?;
        }
        let exported = Exported {
            at: self.0.now(),
            by: ready.permit.caller().clone(),
            entry: ready.permit.receipt().seq,
            log: self.0.store.log.key().to_string(),
            unauthorised: ready.permit.granted().emergency,
            authorise_by: ready.case.emergency_until(self.0.gate.policy()).filter(|_| ready.permit.granted().emergency),
        };
        let mut manifest = Manifest::new(ready.case.clone(), exported, ready.selection.clone(), exhibits, record);
        let page = export::report(&manifest, &files);
        files.insert(export::REPORT.to_owned(), page.into_bytes());
        files.extend(entries.iter().zip(receipts).map(|(n, r)| (export::receipt_path(*n), r.to_string().into_bytes())));
        manifest.files = files.iter().map(|(path, bytes)| ListedFile::of(path, bytes)).collect();
        let bytes = manifest.to_bytes().map_err(|e| Fault::Caller {
            code: Code::Internal,
            reason: "export",
            message: format!("the manifest could not be written: {e}"),
            hint: "look at the server's log",
        })?;
        Ok((files, bytes))
    }
}

/// Sends the files, records how it ended, and only then seals what was sent.
async fn deliver(api: Api, ready: Ready, send: Sender) {
    let mut handed = Vec::new();
    let mut out = Outgoing {
        send: &send,
        deadline: tokio::time::Instant::now() + api.0.config.request_timeout,
        count: ready.rules,
        // Long ago: the first look is before the first piece.
        read: None,
        files: 0,
    };
    let sent = out.content(&api, &ready, &mut handed).await;
    let permit = ready.permit;
    let (case, caller, begin, unauthorised) =
        (permit.case().clone(), permit.caller().clone(), permit.receipt().seq, permit.granted().emergency);
    api.0.handed_out.note(&case, &handed);
    let left_out_camera_ids = permit.granted().left_out.iter().map(|l| l.camera.to_string()).collect();
    let now = api.0.now();
    let last = match sent {
        Ok(manifest) => match api.0.gate.complete_export(permit, Outcome::Done, &handed, Some(manifest), now).await {
            Ok(receipt) => match out.ends(&api, manifest, receipt.seq).await {
                Ok(()) => Ok(v1::ExportSummary {
                    sightings: handed.len() as u32,
                    files: out.files,
                    manifest_sha256: hex::encode(manifest),
                    audit_seq: begin,
                    completed_audit_seq: receipt.seq,
                    unauthorised,
                    left_out_camera_ids,
                }),
                Err(cut) => Err(cut.into_status()),
            },
            Err(error) => Err(status(Action::Export, error.into())),
        },
        Err(cut) => {
            let outcome = if matches!(cut, Cut::Gone) { Outcome::Cancelled } else { Outcome::Failed };
            let cut = match cut {
                Cut::Fault(fault) => Cut::Fault(api.on_record(Action::Export, &caller, &case, fault).await),
                Cut::Gone => Cut::Gone,
            };
            match api.0.gate.complete_export(permit, outcome, &handed, None, now).await {
                Ok(_) => Err(cut.into_status()),
                Err(error) => Err(status(Action::Export, error.into())),
            }
        }
    };
    let last = last.map(|summary| v1::ExportResponse { part: Some(v1::export_response::Part::Summary(summary)) });
    // Whoever does not read any more needs no summary.
    let _ = tokio::time::timeout(AGAIN, send.send(last)).await;
}

impl Cut {
    fn into_status(self) -> Status {
        match self {
            Self::Gone => Status::deadline_exceeded("the export was not read in time"),
            Self::Fault(fault) => status(Action::Export, fault),
        }
    }
}

/// The stream of one export.
struct Outgoing<'a> {
    send: &'a Sender,
    deadline: tokio::time::Instant,
    count: u64,
    read: Option<Instant>,
    files: u32,
}

impl Outgoing<'_> {
    /// Everything that may be held back. Gives the digest of the manifest.
    async fn content(&mut self, api: &Api, ready: &Ready, handed: &mut Vec<SightingId>) -> Result<[u8; 32], Cut> {
        let (files, manifest) = api.make(ready).await?;
        let of_crop: BTreeMap<&str, SightingId> = files
            .keys()
            .filter(|p| p.starts_with("crops/"))
            .map(String::as_str)
            .zip(ready.sightings.iter().map(|(s, _)| s.id))
            .collect();
        for (path, bytes) in &files {
            self.file(path, bytes, Some((api, ready))).await?;
            handed.extend(of_crop.get(path.as_str()));
        }
        self.file(export::MANIFEST, &manifest, Some((api, ready))).await?;
        Ok(export::digest(&manifest))
    }

    /// What holds it together: it says nothing that was not said.
    async fn ends(&mut self, api: &Api, manifest: [u8; 32], entry: u64) -> Result<(), Cut> {
        let log = &api.0.store.log;
        let receipt = log.receipt(entry).await?.to_string().into_bytes();
        let seal = Seal { manifest, receipt: export::digest(&receipt) };
        let seal = log.seal(&seal).map_err(RecordFault::from)?.to_string();
        self.file(export::RECEIPT, &receipt, None).await?;
        self.file(export::SEAL, seal.as_bytes(), None).await
    }

    /// Sends one file, piece by piece, as long as `guarded` is still allowed.
    async fn file(&mut self, path: &str, bytes: &[u8], guarded: Option<(&Api, &Ready)>) -> Result<(), Cut> {
        // None of our files is empty.
        let mut pieces = bytes.chunks(CHUNK).peekable();
        while let Some(piece) = pieces.next() {
            // First a place for it, then the look whether it may go: nothing waits long between the two.
            let Ok(Ok(slot)) = tokio::time::timeout_at(self.deadline, self.send.reserve()).await else { return Err(Cut::Gone) };
            if let Some((api, ready)) = guarded {
                self.still_allowed(api, ready).await?;
            }
            let chunk = v1::ExportChunk { path: path.to_owned(), data: piece.to_vec(), last: pieces.peek().is_none() };
            slot.send(Ok(v1::ExportResponse { part: Some(v1::export_response::Part::Chunk(chunk)) }));
        }
        self.files += 1;
        Ok(())
    }

    /// Decided anew, from what the case and the owners say now. An export is whole or none, so one camera that is out stops
    /// all of it.
    async fn still_allowed(&mut self, api: &Api, ready: &Ready) -> Result<(), Fault> {
        let count = api.0.rules.count();
        if count == self.count && self.read.is_some_and(|read| read.elapsed() < AGAIN) {
            return Ok(());
        }
        let permit = &ready.permit;
        let (case, cameras) = api.0.case_and_cameras(permit.case()).await?;
        let case = case.ok_or_else(|| Denial::no_case(permit.case()))?;
        let asked = SearchRequest { cameras: BTreeSet::new(), ..ready.asked.clone() };
        let granted = decide(api.0.gate.policy(), &case, &cameras, &asked, permit.caller(), api.0.now())?;
        if let Some((out, _)) = ready.sightings.iter().find(|(s, _)| !granted.asked.covers(s)) {
            let code = granted.left_out.iter().find(|l| l.camera == out.camera).map_or(Why::Outside, |l| l.code);
            let reason = format!("the camera {} stopped being open to the case while the export was under way", out.camera);
            return Err(Denial::new(code, reason, "export again: what is not allowed any more is left out").into());
        }
        (self.count, self.read) = (count, Some(Instant::now()));
        Ok(())
    }
}

/// Nothing false is sealed.
fn not_as_stored(sighting: SightingId, what: &str) -> Fault {
    Fault::Caller {
        code: Code::FailedPrecondition,
        reason: "not_as_stored",
        message: format!("sighting {sighting} is not as it was stored: {what}"),
        hint: "run `sightline check`; export without it, if the rest is wanted",
    }
}

/// What was asked, in the words of the vocabulary.
fn words(query: &DescriptionQuery) -> Vec<String> {
    let mut words: Vec<String> = query.class.iter().map(|c| format!("class {c}")).collect();
    words.extend(query.upper.iter().map(|c| format!("upper {c}")));
    words.extend(query.lower.iter().map(|c| format!("lower {c}")));
    words.extend(query.carrying.iter().map(|c| format!("carrying {c}")));
    words.extend(query.vehicle_colour.iter().map(|c| format!("vehicle colour {c}")));
    words.extend(query.stature.iter().map(|c| format!("stature {c}")));
    words
}
