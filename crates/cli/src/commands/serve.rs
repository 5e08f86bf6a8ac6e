use clap::Args;
use server::Traces;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

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
        // What is wrong with the configuration the server says.
        let otlp = server::Config::load(&ctx.home.layout().config()).ok().and_then(|config| config.traces_otlp);
        let traces = otlp
            .map(|otlp| Traces::new(&otlp))
            .transpose()
            .map_err(|e| library("traces", &e).hint("check traces.otlp in sightline.toml, or leave it empty"))?;
        let logs = fmt::layer().with_writer(std::io::stderr).with_ansi(ctx.printer.colour());
        let logs = if ctx.printer.is_json() { logs.json().boxed() } else { logs.with_target(false).boxed() };
        // A second subscriber in one process is a bug of ours, not a reason not to serve.
        let _ = registry().with(traces.as_ref().map(Traces::layer)).with(logs.with_filter(filter)).try_init();
        let printer = ctx.printer;
        let ready = |address: std::net::SocketAddr| {
            printer.answer(&serde_json::json!({ "listening": address.to_string() }), || format!("listening on {address}"));
        };
        let served = server::serve(ctx.home.layout(), ready).await;
        if let Some(traces) = traces {
            let _ = tokio::task::spawn_blocking(move || traces.shut()).await;
        }
        served.map_err(|e| library("serve", &e).hint(e.hint()))
    }
}
