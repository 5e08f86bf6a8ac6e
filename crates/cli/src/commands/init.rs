use std::path::PathBuf;

use access::Name;
use clap::Args;
use deployment::{AUTHORITY, InitOptions};
use server::TEMPLATE;

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
};

/// The authority's key and everybody's own go into folders that are to be handed out; where the server runs only its own keys stay.
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
    /// Where the folders to be handed out go [default: the home folder's name and `-hand-out`, beside it]
    #[arg(long, value_name = "DIR")]
    hand_out: Option<PathBuf>,
    /// Keep all keys in the home folder, to try it alone on one machine; whoever has that folder is everybody at once
    #[arg(long, conflicts_with = "hand_out")]
    demo: bool,
}

impl Init {
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        let home = ctx.home.layout();
        let hand_out = match (self.demo, self.hand_out) {
            (true, _) => None,
            (false, Some(folder)) => {
                Some(std::path::absolute(folder).map_err(|e| Failure::because("init", "name the folder to be handed out", &e))?)
            }
            (false, None) => {
                let mut name = home.root().file_name().unwrap_or_default().to_owned();
                name.push("-hand-out");
                Some(home.root().with_file_name(name))
            }
        };
        let options = InitOptions {
            organisation: self.organisation.to_string(),
            oversight: self.oversight.to_string(),
            names: self.names,
            hand_out,
        };
        let identities = deployment::init(home, TEMPLATE, &options).map_err(|e| library("init", &e).hint(e.hint()))?;
        let mut names: Vec<&str> = identities.iter().map(|caller| caller.name.as_str()).collect();
        names.sort_unstable();
        let folder = |name: &str| options.hand_out.as_ref().map(|folder| folder.join(name));
        let answer = serde_json::json!({
            "home": home.root(),
            "config": home.config(),
            "hand_out": options.hand_out,
            "authority": folder(AUTHORITY).unwrap_or_else(|| home.root().to_owned()),
            "identities": identities.iter().map(|c| serde_json::json!({
                "name": c.name, "organisation": c.organisation, "role": c.role,
                "home": folder(c.name.as_str()).unwrap_or_else(|| home.root().to_owned()),
            })).collect::<Vec<_>>(),
        });
        ctx.printer.answer(&answer, || {
            let head = format!(
                "made a deployment at {}\n  configuration  {}\n",
                home.root().display(),
                home.config().display()
            );
            match &options.hand_out {
                Some(folder) => format!(
                    "{head}  to hand out    {}\n    {AUTHORITY}: what issues certificates; keep it off this machine, locked away\n    {}: each to its person, who \
                     calls with `sightline --home FOLDER --server HOST:PORT`\nno private key but the server's own is left here; delete the folders once they are handed \
                     out\nnext: sightline serve",
                    folder.display(),
                    names.join(", ")
                ),
                None => format!(
                    "{head}  identities     {}\nall keys are in this one folder, the authority's too: whoever has it is everybody at once\nnext: sightline serve",
                    names.join(", ")
                ),
            }
        });
        Ok(())
    }
}
