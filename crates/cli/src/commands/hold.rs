use std::time::Duration;

use clap::{Args, Subcommand};
use proto::v1;
use types::{CameraId, CaptureTime, CaseId, HoldId, TimeWindow};

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    pages::{self, Listed, Shown},
    times::{parse_duration, parse_time},
    view::HoldView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Ask that sightings of a case are kept although their time comes; somebody else must confirm it
    Place(Place),
    /// Confirm a hold that somebody of another organisation asked for: from now on it holds
    Confirm { hold: HoldId },
    /// Ask to release a hold, or agree with somebody of another organisation who asked
    Release {
        hold: HoldId,
        /// Why; the record commits to it
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Show holds
    List {
        /// Only those of this case
        #[arg(long)]
        case: Option<CaseId>,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The case, which somebody authorised
    #[arg(long)]
    case: CaseId,
    /// How long it holds, such as 30d; it can be placed again
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    lasts: Duration,
    /// Why; the record commits to it
    #[arg(long)]
    reason: String,
    /// A short name for it [default: the server chooses]
    #[arg(long)]
    id: Option<HoldId>,
    /// A camera of the case; repeat for more [default: all of them]
    #[arg(long = "camera", value_name = "CAMERA")]
    cameras: Vec<CameraId>,
    /// What was seen from this time on [default: from the case's]
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "to")]
    from: Option<CaptureTime>,
    /// and before this one [default: to the case's]
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from")]
    to: Option<CaptureTime>,
}

impl Hold {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let hold = match self {
            Self::Place(place) => place.run(ctx).await?,
            Self::Confirm { hold } => {
                let mut service = ctx.connect(Caller::CameraOwner).await?.retention();
                service.confirm_hold(v1::ConfirmHoldRequest { hold_id: hold.to_string() }).await?.into_inner().hold
            }
            Self::Release { hold, reason } => {
                let mut service = ctx.connect(Caller::Authoriser).await?.retention();
                let request = v1::ReleaseHoldRequest { hold_id: hold.to_string(), reason };
                service.release_hold(request).await?.into_inner().hold
            }
            Self::List { case, shown } => {
                let mut service = ctx.connect(Caller::Auditor).await?.retention();
                let case_id = case.map(|c| c.to_string()).unwrap_or_default();
                let holds = pages::read(shown.limit, async |page_size, page_token| {
                    let request = v1::ListHoldsRequest { case_id: case_id.clone(), page_size, page_token };
                    let page = service.list_holds(request).await?.into_inner();
                    Ok((page.holds, page.next_page_token))
                });
                let holds: Listed<HoldView> = holds.await?.into();
                let json = serde_json::json!({ "holds": holds.rows, "more": holds.more });
                ctx.printer.answer(&json, || HoldView::table(&holds.rows));
                holds.note(ctx);
                return Ok(());
            }
        };
        let view: HoldView = hold.unwrap_or_default().into();
        ctx.printer.answer(&view, || view.text());
        Ok(())
    }
}

impl Place {
    async fn run(self, ctx: &Context) -> Outcome<Option<v1::Hold>> {
        let window = match self.from.zip(self.to) {
            Some((from, to)) => {
                Some(TimeWindow::new(from, to).map_err(|e| Failure::usage(e.to_string()).hint("--from must lie before --to"))?)
            }
            None => None,
        };
        let expires = CaptureTime::now().plus_micros(i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX));
        let request = v1::PlaceHoldRequest {
            id: self.id.map(|id| id.to_string()).unwrap_or_default(),
            case_id: self.case.to_string(),
            camera_ids: self.cameras.iter().map(ToString::to_string).collect(),
            window: window.map(Into::into),
            expires: Some(proto::timestamp(expires)),
            reason: self.reason,
        };
        let mut service = ctx.connect(Caller::Authoriser).await?.retention();
        Ok(service.place_hold(request).await?.into_inner().hold)
    }
}
