use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::{
    context::Context,
    failure::{Outcome, library},
};

/// What our crates do; of the libraries only what went wrong (the index engine warns about nothing at every start).
const LOGGED: &str = "error,access=info,catalogue=info,cli=info,index=info,media=info,pipeline=info,search=info,server=info,\
                      sightline=info,vision=info";

/// Runs in the foreground until SIGINT or SIGTERM and logs to stderr; RUST_LOG says what.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ctx.printer.colour());
        // A second subscriber in one process is a bug of ours, not a reason not to serve.
        let _ = if ctx.printer.is_json() { logs.json().try_init() } else { logs.with_target(false).try_init() };
        let printer = ctx.printer;
        let ready = |address: std::net::SocketAddr| {
            printer.answer(&serde_json::json!({ "listening": address.to_string() }), || format!("listening on {address}"));
        };
        server::serve(ctx.home.layout(), ready).await.map_err(|e| library("serve", &e).hint(e.hint()))
    }
}
