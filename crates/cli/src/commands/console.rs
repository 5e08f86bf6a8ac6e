use std::{future::Future, io::BufRead, pin::Pin, sync::Arc};

use audit_log::export::check;
use auditor::bundle;
use clap::Args;
use console::{Links, Local, Refusal};
use prost::Message;
use serde_json::{Value, json};
use types::CaseId;

use crate::{
    context::{Caller, Context, turned_away},
    failure::{Failure, Outcome, library},
    home::Home,
    output::Printer,
    signing,
};

/// Prints a link that opens the console in a browser on this machine, good for one page; Enter prints another one. It ends with
/// Ctrl-C, and the page with it.
///
/// Everything is done as one person: `--as authoriser`, `--as camera-owner`, `--as operator` and `--as auditor` open it for
/// the others.
#[derive(Debug, Args)]
pub(crate) struct Console {
    /// The port on localhost [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

impl Console {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let client = ctx.connect(Caller::Investigator).await?;
        let identity = ctx.caller(Caller::Investigator).to_owned();
        let keys = Keys { home: ctx.home.clone(), server: ctx.server()?, identity };
        let console = console::Console::bind(self.port, client.channel(), Arc::new(keys)).await.map_err(|e| {
            library("no_port", &e).hint("it listens on 127.0.0.1 and on [::1] or not at all; choose another port: `--port PORT`")
        })?;
        let links = console.links();
        show(ctx.printer, &links);
        ctx.printer.note("the link opens one page; press Enter for another one, Ctrl-C to end");
        let printer = ctx.printer;
        // A thread that nobody waits for: it may sit in a read for ever.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() {
                    break;
                }
                show(printer, &links);
            }
        });
        tokio::select! {
            () = console.serve() => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }
}

fn show(printer: Printer, links: &Links) {
    let link = links.make();
    printer.answer(&json!({ "link": link }), || link.clone());
}

/// The person's keys, and what their home folder believes.
#[derive(Debug)]
struct Keys {
    home: Home,
    server: String,
    identity: String,
}

impl Local for Keys {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn log_key(&self) -> Option<String> {
        deployment::log_key(self.home.layout()).ok().map(|key| key.to_string())
    }

    fn read_grant(&self, case: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal> {
        let grant = read(case, grant).map_err(refusal)?;
        Ok(signing::as_case(&grant).encode_to_vec())
    }

    fn sign_grant(&self, case: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal> {
        read(case, grant).and_then(|grant| signing::sign(&self.home, &self.identity, &grant)).map_err(refusal)
    }

    fn check_export(&self, zip: &[u8]) -> Result<Value, Refusal> {
        let trust = deployment::log_trust(self.home.layout()).map_err(|e| {
            refusal(library("log", &e).hint("this machine has no key of the log; check the file where it is: `sightline verify`"))
        })?;
        let not_whole = |failure: Failure| {
            refusal(
                failure.message("the export is not to be believed").hint("nothing was kept; export again, and tell an auditor"),
            )
        };
        let files =
            bundle::open(zip).ok_or_else(|| not_whole(Failure::new("not_verified", "it did not arrive as it was packed")))?;
        let export = check(&files, &trust).map_err(|e| not_whole(library("not_verified", &e)))?;
        Ok(json!({
            "log": trust.log.name(),
            "sightings": export.manifest.sightings.len(),
            "files": files.len(),
            "entry": export.entry,
            "entries": export.checked.head.size,
            "manifest_sha256": hex::encode(export.manifest_sha256),
        }))
    }

    fn turned_away(&self) -> Pin<Box<dyn Future<Output = Option<Refusal>> + Send + '_>> {
        Box::pin(async { turned_away(&self.home, &self.server, &self.identity).await.map(refusal) })
    }
}

fn read(case: &str, grant: &[u8]) -> Outcome<access::Grant> {
    let id = CaseId::new(case).map_err(|e| library("bad_grant", &e).hint("open the case again"))?;
    signing::grant_of(&id, &proto::v1::Case { grant: grant.to_vec(), ..proto::v1::Case::default() })
}

fn refusal(failure: Failure) -> Refusal {
    let failure = failure.into_inner();
    let message = std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
    Refusal { reason: failure.reason, message, hint: failure.hint.unwrap_or_default() }
}
