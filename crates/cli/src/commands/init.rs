use access::Name;
use clap::Args;
use server::{Deployment, InitOptions};

use crate::{
    context::Context,
    failure::{Outcome, library},
};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The organisation of the operator, the investigator and the camera owner
    #[arg(long, default_value = "local")]
    organisation: Name,
    /// The organisation of the authoriser and the auditor; another one
    #[arg(long, default_value = "oversight")]
    oversight: Name,
    /// A name or address of this machine that others reach it by; repeat for more
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<String>,
}

impl Init {
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        let options =
            InitOptions { organisation: self.organisation.to_string(), oversight: self.oversight.to_string(), names: self.names };
        let made = Deployment::init(ctx.home.layout(), &options).map_err(|e| library("init", &e).hint(e.hint()))?;
        let names: Vec<String> = ctx.home.layout().identities();
        let answer = serde_json::json!({
            "home": made.home.root(),
            "config": made.home.config(),
            "identities": made.identities.iter().map(|c| serde_json::json!({
                "name": c.name, "organisation": c.organisation, "role": c.role,
            })).collect::<Vec<_>>(),
        });
        ctx.printer.answer(&answer, || {
            format!(
                "made a deployment at {}\n  configuration  {}\n  identities     {}\nnext: sightline serve",
                made.home.root().display(),
                made.home.config().display(),
                names.join(", ")
            )
        });
        Ok(())
    }
}
