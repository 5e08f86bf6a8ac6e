use std::time::Duration;

use clap::{
    Args, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use proto::v1::{self, case_service_client::CaseServiceClient};
use tonic::transport::Channel;
use types::{AgencyId, CameraId, CaptureTime, CaseId, Class, QueryPart, TimeWindow};

use super::{camera::parse_place, purpose::Purpose};

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    pages::{self, Listed, Shown},
    signing,
    times::{self, parse_duration, parse_time},
    view::{CallView, CaseView, EventView},
    words,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Case {
    /// Ask for a case; it permits nothing until somebody else authorises it, unless it is an emergency
    Open(Box<Open>),
    /// Put your name under a case: shows its scope, then signs it with your key, here
    Authorise {
        case: CaseId,
        /// Do not ask whether to sign; needed where there is no terminal to ask on
        #[arg(long)]
        yes: bool,
    },
    /// Say no to a case that nobody has authorised, also to an emergency that is over; what was found under it is purged
    Refuse {
        case: CaseId,
        /// Why, for the record
        #[arg(long, default_value = "not authorised")]
        reason: String,
    },
    /// List the cases you may see: emergencies that nobody has reviewed, then those that wait, then the others; the newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Tell what happens to cases, as it happens: one line each, until it is stopped
    Watch {
        /// Begin after this event [default: what happens from now on]
        #[arg(long, value_name = "N")]
        after: Option<u64>,
    },
    /// Show one case
    Show { case: CaseId },
    /// List what you searched and exported under a case, as the record has it; the newest first
    Calls {
        case: CaseId,
        /// Only exports
        #[arg(long)]
        exports: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// End a case for good
    Close {
        case: CaseId,
        /// Why, for the record
        #[arg(long, default_value = "no longer needed")]
        reason: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    Requested,
    Authorised,
    Closed,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// A short name for it [default: the server makes one up]
    #[arg(long)]
    id: Option<CaseId>,
    #[arg(long, value_enum)]
    purpose: Purpose,
    /// The law or order it rests on
    #[arg(long, value_name = "TEXT")]
    legal_basis: String,
    /// Why the search is necessary. About the case, not about a person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A camera it covers; repeat for more
    #[arg(long = "camera", value_name = "CAMERA", required_unless_present_any = ["agencies", "near"])]
    cameras: Vec<CameraId>,
    /// An agency whose every camera it covers; repeat for more
    #[arg(long = "agency", value_name = "AGENCY")]
    agencies: Vec<AgencyId>,
    /// The middle of an area whose every camera it covers: 51.5007,-0.1246
    #[arg(long, value_name = "LAT,LON", value_parser = parse_place, requires = "radius", allow_hyphen_values = true)]
    near: Option<v1::Place>,
    /// How far the area reaches, in metres
    #[arg(long, value_name = "METRES", requires = "near")]
    radius: Option<u32>,
    /// Start of the time it covers, RFC 3339 with zone
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: CaptureTime,
    /// End of the time it covers
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: CaptureTime,
    /// What it covers; repeat for more [default: every class]
    #[arg(long = "class", value_name = "CLASS", value_parser = words::class())]
    classes: Vec<Class>,
    /// A part of a description it may ask; repeat for more [default: all that the purpose allows]
    #[arg(long = "part", value_name = "PART", value_parser = part())]
    parts: Vec<QueryPart>,
    /// How many searches it permits [default: the server's limit for the purpose]
    #[arg(long, value_name = "N")]
    queries: Option<u32>,
    /// How many results it permits in all [default: the server's limit for the purpose]
    #[arg(long, value_name = "N")]
    results: Option<u32>,
    /// How long it permits anything: 36h, 7d [default: as long as the purpose allows]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,
    /// Why the search can't wait for an authoriser: it may begin at once, in missing-person cases alone, and everything
    /// found is purged if nobody authorises it in time (24 h)
    #[arg(long, value_name = "TEXT")]
    emergency: Option<String>,
}

fn part() -> impl TypedValueParser<Value = QueryPart> {
    PossibleValuesParser::new(["upper", "lower", "carrying", "vehicle-colour", "stature"])
        .try_map(|word| QueryPart::parse(&word.replace('-', "_")).ok_or("there is no such part"))
}

impl Case {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let usual = if matches!(self, Self::Authorise { .. } | Self::Refuse { .. } | Self::Watch { .. }) {
            Caller::Authoriser
        } else {
            Caller::Investigator
        };
        let mut service = ctx.connect(usual).await?.cases();
        let printer = ctx.printer;
        match self {
            Self::Open(open) => {
                let case: CaseView = service.open_case(open.request()?).await?.into_inner().case.unwrap_or_default().into();
                printer.answer(&case, || {
                    let now = match &case.emergency_until {
                        Some(until) => format!(
                            "it may be searched at once; everything found goes unless somebody else authorises it by {until}"
                        ),
                        None => "it permits nothing until somebody else authorises it".to_owned(),
                    };
                    format!("{}\n{now}:\n  sightline case authorise {}", case.text(), case.id)
                });
            }
            Self::Authorise { case, yes } => authorise(service, ctx, &case, yes).await?,
            Self::Refuse { case, reason } => {
                let request = v1::RefuseCaseRequest { case_id: case.to_string(), reason };
                let case: CaseView = service.refuse_case(request).await?.into_inner().case.unwrap_or_default().into();
                printer.answer(&case, || format!("refused case {}: it permits nothing, and what was found is purged", case.id));
            }
            Self::List { state, shown } => {
                let state = match state {
                    None => v1::CaseState::Unspecified,
                    Some(State::Requested) => v1::CaseState::Requested,
                    Some(State::Authorised) => v1::CaseState::Authorised,
                    Some(State::Closed) => v1::CaseState::Closed,
                };
                let cases = pages::read(shown.limit, async |page_size, page_token| {
                    let request = v1::ListCasesRequest { state: state.into(), page_size, page_token };
                    let page = service.list_cases(request).await?.into_inner();
                    Ok((page.cases, page.next_page_token))
                });
                let cases: Listed<CaseView> = cases.await?.into();
                printer.answer(&serde_json::json!({ "cases": cases.rows, "more": cases.more }), || CaseView::table(&cases.rows));
                cases.note(ctx);
            }
            Self::Watch { after } => {
                let request = v1::WatchCasesRequest { after: after.unwrap_or_default() };
                let mut events = service.watch_cases(request).await?.into_inner();
                while let Some(told) = events.message().await? {
                    let event: EventView = told.event.unwrap_or_default().into();
                    printer.answer(&event, || event.text());
                }
            }
            Self::Show { case } => {
                let case: CaseView = fetch(&mut service, &case).await?.into();
                printer.answer(&case, || case.text());
            }
            Self::Calls { case, exports, shown } => {
                let calls = pages::read(shown.limit, async |page_size, page_token| {
                    let request = v1::ListCaseCallsRequest { case_id: case.to_string(), exports, page_size, page_token };
                    let page = service.list_case_calls(request).await?.into_inner();
                    Ok((page.calls, page.next_page_token))
                });
                let calls: Listed<CallView> = calls.await?.into();
                printer.answer(&serde_json::json!({ "calls": calls.rows, "more": calls.more }), || CallView::table(&calls.rows));
                calls.note(ctx);
            }
            Self::Close { case, reason } => {
                let request = v1::CloseCaseRequest { case_id: case.to_string(), reason };
                let case: CaseView = service.close_case(request).await?.into_inner().case.unwrap_or_default().into();
                printer.answer(&case, || format!("closed case {}: it permits nothing any more", case.id));
            }
        }
        Ok(())
    }
}

impl Open {
    fn request(self) -> Outcome<v1::OpenCaseRequest> {
        let window =
            TimeWindow::new(self.from, self.to).map_err(|e| Failure::usage(e.to_string()).hint("--from must lie before --to"))?;
        let expires = self.expires_in.map(|d| CaptureTime::now().plus_micros(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)));
        Ok(v1::OpenCaseRequest {
            id: self.id.map_or_else(String::new, |id| id.to_string()),
            purpose: v1::Purpose::from(self.purpose).into(),
            legal_basis: self.legal_basis,
            reason: self.reason,
            scope: Some(v1::Scope {
                camera_ids: self.cameras.iter().map(ToString::to_string).collect(),
                agency_ids: self.agencies.iter().map(ToString::to_string).collect(),
                window: Some(window.into()),
                classes: self.classes.iter().map(|c| v1::Class::from(*c).into()).collect(),
                area: self.near.zip(self.radius).map(|(centre, radius_metres)| v1::Area { centre: Some(centre), radius_metres }),
                parts: self.parts.iter().map(|p| v1::DescriptionPart::from(*p).into()).collect(),
            }),
            budget: Some(v1::Budget { queries: self.queries.unwrap_or_default(), results: self.results.unwrap_or_default() }),
            expires: expires.map(proto::timestamp),
            emergency: self.emergency.unwrap_or_default(),
        })
    }
}

pub(crate) async fn fetch(service: &mut CaseServiceClient<Channel>, case: &CaseId) -> Outcome<v1::Case> {
    let response = service.get_case(v1::GetCaseRequest { case_id: case.to_string() }).await?;
    response.into_inner().case.ok_or_else(|| Failure::new("bad_message", "the server sent no case"))
}

/// Shows what is signed, asks on a terminal, signs it here.
async fn authorise(mut service: CaseServiceClient<Channel>, ctx: &Context, id: &CaseId, yes: bool) -> Outcome {
    let grant = signing::grant_of(id, &fetch(&mut service, id).await?)?;
    let shown = CaseView::from(signing::as_case(&grant)).scope_in_words();
    ctx.printer.note(&format!("what you authorise with your signature:\n{}", shown.trim_end()));
    // The server's word, and no part of what is signed; what refuses it refuses the signature as well.
    if let Ok(counted) = service.preview_case(v1::PreviewCaseRequest { case_id: id.to_string() }).await {
        let most = match counted.into_inner().fewer_than {
            0 => "10,000 sightings or more".to_owned(),
            10_000 => "fewer than 10,000 sightings".to_owned(),
            1_000 => "fewer than 1,000 sightings".to_owned(),
            few => format!("fewer than {few} sightings"),
        };
        ctx.printer.note(&format!("  {:<12} {most}, the server says, of cameras whose owners allow it now", "opens"));
    }
    let said = if yes { Some(true) } else { ctx.printer.confirm("sign it?") };
    match said {
        Some(true) => {}
        Some(false) => return Err(Failure::new("not_signed", "nothing was signed")),
        None => {
            let hint = "read what it says, then sign it on a terminal, or with --yes";
            return Err(Failure::new("not_signed", "nothing was signed: nobody could be asked here").hint(hint));
        }
    }
    let signature = signing::sign(&ctx.home, ctx.caller(Caller::Authoriser), &grant)?;
    let request = v1::AuthoriseCaseRequest { case_id: id.to_string(), signature, passkey: None };
    let case: CaseView = service.authorise_case(request).await?.into_inner().case.unwrap_or_default().into();
    ctx.printer.answer(&case, || {
        let until = case.expires.as_ref().map_or_else(|| "it expires".into(), |t| times::short(t, 0));
        format!("authorised case {}; it permits searches until {until}", case.id)
    });
    Ok(())
}
