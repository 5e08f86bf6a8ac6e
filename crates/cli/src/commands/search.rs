use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use proto::v1;
use types::{CameraId, CaptureTime, Carried, CaseId, Class, Colour, DescriptionQuery, SightingId, Stature, TimeWindow};

use super::{case, log};
use crate::{
    args,
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    sheet::{self, Cell},
    times::parse_time,
    view::{HitView, SearchView},
};

/// By description, by example (`--like`), or both. Every search is on the record before it is answered.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The case to search under
    #[arg(long)]
    case: CaseId,
    /// What to look for [default: every class of the case]
    #[arg(long, value_parser = args::class())]
    class: Option<Class>,
    /// Colour of what is worn above the waist
    #[arg(long, value_name = "COLOUR", value_parser = args::colour())]
    upper: Option<Colour>,
    /// Colour of what is worn below the waist
    #[arg(long, value_name = "COLOUR", value_parser = args::colour())]
    lower: Option<Colour>,
    /// A thing that is carried; repeat for more
    #[arg(long, value_name = "THING", value_parser = args::carried())]
    carrying: Vec<Carried>,
    /// Colour of a vehicle
    #[arg(long, value_name = "COLOUR", value_parser = args::colour())]
    vehicle_colour: Option<Colour>,
    /// Height relative to the others in the scene; in missing-person cases alone
    #[arg(long, value_parser = args::stature())]
    stature: Option<Stature>,
    /// More like this sighting, which the same case must cover
    #[arg(long, value_name = "SIGHTING")]
    like: Option<SightingId>,
    /// Not before, RFC 3339 with zone [default: as early as the case covers]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<CaptureTime>,
    /// Before this time [default: as late as the case covers]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<CaptureTime>,
    /// Only this camera; repeat for more [default: every camera of the case]
    #[arg(long = "camera", value_name = "CAMERA")]
    cameras: Vec<CameraId>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Write the redacted crops as a grid into this PNG file
    #[arg(long, value_name = "FILE")]
    contact_sheet: Option<PathBuf>,
    /// Write the receipt of this search into this file; `sightline verify` checks it
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl Search {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        if self.like.is_none() && self.description() == DescriptionQuery::default() {
            return Err(Failure::usage("nothing to look for")
                .hint("describe it (--class person --upper white) or name an example (--like SIGHTING)"));
        }
        if let Some(file) = &self.contact_sheet {
            sheet::check_path(file)?;
        }
        let client = ctx.connect(Caller::Investigator).await?;
        let places = places(&client).await?;
        let request = self.request(&client).await?;
        let started = Instant::now();
        let (hits, summary) = ask(&client, request).await?;
        let total = started.elapsed();
        if let Some(file) = &self.receipt {
            log::save_receipt(&client, summary.audit_seq, file).await?;
        }
        let hits: Vec<HitView> = hits.into_iter().map(|hit| HitView::new(hit, &places)).collect();
        let mut view = SearchView::new(self.case.to_string(), hits, summary, total);
        if let Some(file) = &self.contact_sheet {
            let cells = crops(&client, &self.case, &view.hits).await?;
            sheet::write(file, self.case.as_str(), &cells)?;
            view.contact_sheet = Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string());
        }
        ctx.printer.answer(&view, || view.text());
        Ok(())
    }

    fn description(&self) -> DescriptionQuery {
        DescriptionQuery {
            class: self.class,
            upper: self.upper,
            lower: self.lower,
            carrying: self.carrying.clone(),
            vehicle_colour: self.vehicle_colour,
            stature: self.stature,
        }
    }

    async fn request(&self, client: &Client) -> Outcome<v1::SearchRequest> {
        let description = self.description();
        let asked = description != DescriptionQuery::default();
        Ok(v1::SearchRequest {
            case_id: self.case.to_string(),
            description: asked.then(|| (&description).into()),
            like_sighting_id: self.like.map_or_else(String::new, |id| id.to_string()),
            window: self.window(client).await?,
            camera_ids: self.cameras.iter().map(ToString::to_string).collect(),
            limit: self.limit,
            include_crops: false,
        })
    }

    /// The side that is not given is the case's own.
    async fn window(&self, client: &Client) -> Outcome<Option<v1::TimeWindow>> {
        let (from, to) = match (self.from, self.to) {
            (None, None) => return Ok(None),
            (Some(from), Some(to)) => (from, to),
            (from, to) => {
                let case = case::fetch(&mut client.cases(), &self.case).await?;
                let window = case.scope.and_then(|s| s.window).unwrap_or_default();
                let end = |time| proto::capture_time("window", time).map_err(|e| Failure::new("bad_message", e.to_string()));
                (from.map_or_else(|| end(window.from), Ok)?, to.map_or_else(|| end(window.to), Ok)?)
            }
        };
        let window = TimeWindow::new(from, to).map_err(|e| Failure::usage(e.to_string()).hint("--from must lie before --to"))?;
        Ok(Some(window.into()))
    }
}

/// What the cameras look at, by id.
async fn places(client: &Client) -> Outcome<BTreeMap<String, String>> {
    let cameras = client.cameras().list_cameras(v1::ListCamerasRequest::default()).await?.into_inner().cameras;
    Ok(cameras.into_iter().map(|c| (c.id, c.title)).collect())
}

async fn ask(client: &Client, request: v1::SearchRequest) -> Outcome<(Vec<v1::Hit>, v1::SearchSummary)> {
    let mut stream = client.search().search(request).await?.into_inner();
    let mut hits = Vec::new();
    while let Some(response) = stream.message().await? {
        match response.part {
            Some(v1::search_response::Part::Hit(hit)) => hits.push(hit),
            Some(v1::search_response::Part::Summary(summary)) => return Ok((hits, summary)),
            None => {}
        }
    }
    Err(Failure::new("cut_off", "the server broke off before the end of its answer")
        .hint("search again; the server's log says more"))
}

/// Each crop is a viewing of its own: permitted and recorded by the server one by one.
async fn crops(client: &Client, case: &CaseId, hits: &[HitView]) -> Outcome<Vec<Cell>> {
    let mut cells = Vec::with_capacity(hits.len());
    let mut service = client.search();
    for hit in hits {
        let request = v1::GetCropRequest { case_id: case.to_string(), sighting_id: hit.sighting.clone() };
        let crop = loop {
            match service.get_crop(request.clone()).await {
                Ok(answer) => break answer.into_inner().crop,
                // More at once than one caller may ask: the server says when to go on.
                Err(status) => tokio::time::sleep(pushback(&status).ok_or(status)?).await,
            }
        };
        cells.push(Cell { jpeg: crop, camera: hit.camera.clone(), time: hit.when(), score: hit.score });
    }
    Ok(cells)
}

/// How long to wait before asking again; `None`: asking again helps nothing.
fn pushback(status: &tonic::Status) -> Option<Duration> {
    let wait = status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?.parse().ok()?;
    (status.code() == tonic::Code::ResourceExhausted).then(|| Duration::from_millis(wait))
}
