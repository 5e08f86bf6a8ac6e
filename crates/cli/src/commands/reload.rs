use clap::Args;

use crate::{
    context::Context,
    failure::{Outcome, library},
};

/// Certificates, limits of callers and connections, what is logged and how live cameras are looked at are taken anew; all of it is
/// checked before anything changes. Keys that need a restart are named. Run it as the server's account, on its machine.
#[derive(Debug, Args)]
pub(crate) struct Reload {}

impl Reload {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        let done = server::reload(ctx.home.layout()).await.map_err(|e| library("reload", &e).hint(e.hint()))?;
        ctx.printer.answer(&done, || {
            let list = |keys: &[String]| if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            let mut text = format!("changed: {}", list(&done.changed));
            if !done.needs_restart.is_empty() {
                text.push_str(&format!("\nneeds a restart: {}", list(&done.needs_restart)));
            }
            text
        });
        Ok(())
    }
}
