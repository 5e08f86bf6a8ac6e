use clap::Subcommand;
use proto::v1;
use types::AgencyId;

use crate::{
    context::{Caller, Context},
    failure::Outcome,
    view::AgencyView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Agency {
    /// Add an agency
    Add {
        /// A short name: 1 to 63 of a-z, 0-9, '-' and '_'
        id: AgencyId,
        /// What people call it [default: the id]
        #[arg(long)]
        title: Option<String>,
    },
    /// List the agencies
    List,
}

impl Agency {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let mut service = ctx.connect(Caller::Operator).await?.cameras();
        match self {
            Self::Add { id, title } => {
                let title = title.unwrap_or_else(|| id.to_string());
                let request = v1::AddAgencyRequest { id: id.to_string(), title };
                let agency: AgencyView = service.add_agency(request).await?.into_inner().agency.unwrap_or_default().into();
                ctx.printer
                    .answer(&agency, || format!("added agency {id}\nnext: sightline camera add ID --agency {id} --title PLACE"));
            }
            Self::List => {
                let agencies = service.list_agencies(v1::ListAgenciesRequest {}).await?.into_inner().agencies;
                let agencies: Vec<AgencyView> = agencies.into_iter().map(Into::into).collect();
                ctx.printer.answer(&serde_json::json!({ "agencies": agencies }), || AgencyView::table(&agencies));
            }
        }
        Ok(())
    }
}
