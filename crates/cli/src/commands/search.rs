use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use proto::v1;
use types::CaseId;

use super::{camera, log, query::Query};
use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    sheet::{self, Cell},
    times::parse_duration,
    view::{HitView, LookingView, SearchView},
};

/// By description, by examples (`--like`, `--unlike`), or both. Every search is on the record before it is answered.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The case to search under
    #[arg(long)]
    case: CaseId,
    #[command(flatten)]
    query: Query,
    /// Write the redacted crops as a grid into this PNG file
    #[arg(long, value_name = "FILE")]
    contact_sheet: Option<PathBuf>,
    /// Write the receipt of this search into this file; `sightline verify` checks it
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Go on where the page before ended, as its answer said; everything else as before, but for --limit. A page counts as a search
    #[arg(long, value_name = "TOKEN", conflicts_with = "keep_looking")]
    page: Option<String>,
    /// Show every hit, also those that may be one pass of one figure on one camera
    #[arg(long)]
    every_hit: bool,
    /// Go on: show what newly fits as it is stored, until this is stopped. Missing-person cases alone
    #[arg(long, conflicts_with_all = ["contact_sheet", "receipt", "every_hit"])]
    keep_looking: bool,
    /// With `--keep-looking`: for so long, an hour at most [default: an hour]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "keep_looking")]
    lasts: Option<Duration>,
    /// With `--keep-looking`: what scores at least so much, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "SCORE", requires = "keep_looking")]
    least_score: Option<f32>,
}

impl Search {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        if self.query.is_nothing() {
            return Err(Failure::usage("nothing to look for")
                .hint("describe it (--class person --upper white) or name an example (--like SIGHTING)"));
        }
        if let Some(file) = &self.contact_sheet {
            sheet::check_path(file)?;
        }
        let client = ctx.connect(Caller::Investigator).await?;
        let places = places(&client).await?;
        let mut request = self.query.request(&client, &self.case).await?;
        request.page_token = self.page.clone().unwrap_or_default();
        if self.keep_looking {
            return keep_looking(ctx, &client, self.request_to_keep_looking(request), &places).await;
        }
        let started = Instant::now();
        let (hits, summary) = ask(&client, request).await?;
        let total = started.elapsed();
        if let Some(file) = &self.receipt {
            log::save_receipt(&client, summary.audit_seq, file).await?;
        }
        let hits: Vec<HitView> = hits.into_iter().map(|hit| HitView::new(hit, &places)).collect();
        let mut view = SearchView::new(self.case.to_string(), hits, summary, total);
        view.every_hit = self.every_hit;
        if let Some(file) = &self.contact_sheet {
            let cells = crops(&client, &self.case, &view.shown()).await?;
            sheet::write(file, self.case.as_str(), &cells)?;
            view.contact_sheet = Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string());
        }
        ctx.printer.answer(&view, || view.text());
        Ok(())
    }

    fn request_to_keep_looking(&self, search: v1::SearchRequest) -> v1::KeepLookingRequest {
        v1::KeepLookingRequest {
            search: Some(search),
            lasts: self.lasts.map(proto::duration),
            least_score: self.least_score.unwrap_or_default(),
        }
    }
}

/// Tells what newly fits, as it comes.
async fn keep_looking(
    ctx: &Context,
    client: &Client,
    request: v1::KeepLookingRequest,
    places: &BTreeMap<String, String>,
) -> Outcome {
    use v1::keep_looking_response::Part;
    let mut stream = client.search().keep_looking(request).await?.into_inner();
    while let Some(response) = stream.message().await? {
        match response.part {
            Some(Part::Began(began)) => {
                let view = LookingView::began(began);
                ctx.printer.answer(&view, || view.text());
            }
            Some(Part::Hit(hit)) => {
                let view = LookingView::hit(HitView::new(hit, places));
                ctx.printer.answer(&view, || view.text());
            }
            Some(Part::Summary(summary)) => {
                let view = LookingView::ended(&summary);
                ctx.printer.answer(&view, || view.text());
                return Ok(());
            }
            None => {}
        }
    }
    Err(Failure::new("cut_off", "the server broke off").hint("begin again; what was stored in between, a search finds"))
}

/// What the cameras look at, by id.
async fn places(client: &Client) -> Outcome<BTreeMap<String, String>> {
    let cameras = camera::list(&mut client.cameras(), "", 0).await?;
    Ok(cameras.rows.into_iter().map(|c| (c.id, c.title)).collect())
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
async fn crops(client: &Client, case: &CaseId, hits: &[(&HitView, usize)]) -> Outcome<Vec<Cell>> {
    let mut cells = Vec::with_capacity(hits.len());
    let mut service = client.search();
    for (hit, _) in hits {
        let request = v1::GetCropRequest { case_id: case.to_string(), sighting_id: hit.sighting.clone() };
        let crop = loop {
            match service.get_crop(request.clone()).await {
                Ok(answer) => break answer.into_inner().crop,
                // More at once than one caller may ask: the server says when to go on.
                Err(status) => tokio::time::sleep(pushback(&status).ok_or(status)?).await,
            }
        };
        cells.push(Cell { jpeg: crop, rank: hit.rank, camera: hit.camera.clone(), time: hit.when(), score: hit.score });
    }
    Ok(cells)
}

/// How long to wait before asking again; `None`: asking again helps nothing.
fn pushback(status: &tonic::Status) -> Option<Duration> {
    let wait = status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?.parse().ok()?;
    (status.code() == tonic::Code::ResourceExhausted).then(|| Duration::from_millis(wait))
}
