use clap::Args;
use server::Traces;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, registry, reload, util::SubscriberInitExt as _};

use crate::{
    context::Context,
    failure::{Outcome, library},
    output::Printer,
};

/// What our crates do; of the libraries only what went wrong (the index engine warns about nothing at every start).
const LOGGED: &str = "error,access=info,audit_log=info,catalogue=info,cli=info,deployment=info,flat_index=info,index=info,\
                      indexer=info,ingest=info,media=info,pipeline=info,search=info,server=info,sightline=info,tasks=info,vision=info";

/// Runs in the foreground until SIGINT or SIGTERM and logs to stderr; `server.log` in sightline.toml says what, else RUST_LOG.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        // What is wrong with the configuration the server says.
        let otlp = server::Config::load(&ctx.home.layout().config()).ok().and_then(|config| config.traces_otlp);
        let traces = otlp
            .map(|otlp| Traces::new(&otlp))
            .transpose()
            .map_err(|e| library("traces", &e).hint("check traces.otlp in sightline.toml, or leave it empty"))?;
        as_root(ctx.printer, "sightline.service");
        let set = server::Config::load(&ctx.home.layout().config()).ok().and_then(|config| config.log_filter);
        let log = log_to_stderr(ctx.printer, traces.as_ref(), set.as_deref());
        let printer = ctx.printer;
        let ready = |address: std::net::SocketAddr| {
            printer.answer(&serde_json::json!({ "listening": address.to_string() }), || format!("listening on {address}"));
        };
        let served = server::serve(ctx.home.layout(), ready, log).await;
        if let Some(traces) = traces {
            let _ = tokio::task::spawn_blocking(move || traces.shut()).await;
        }
        served.map_err(|e| library("serve", &e).hint(e.hint()))
    }
}

/// Warns whoever runs what goes on as root: it needs no right of root's.
pub(super) fn as_root(printer: Printer, unit: &str) {
    if rustix::process::geteuid().is_root() {
        printer.note(&format!(
            "warning: this runs as root, which it need not; deploy/systemd/{unit} runs it as a user of its own, with less to reach:\n  \
             useradd --system sightline && systemctl enable --now {unit}"
        ));
    }
}

/// What is logged: what is `set`, else what RUST_LOG says.
fn filter(set: Option<&str>) -> EnvFilter {
    let set = set.and_then(|set| EnvFilter::try_new(set).ok());
    set.unwrap_or_else(|| EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED)))
}

/// What a process that goes on says while it does. What is returned changes how much.
pub(super) fn log_to_stderr(printer: Printer, traces: Option<&Traces>, set: Option<&str>) -> impl Fn(Option<&str>) + use<> {
    let (filter, change) = reload::Layer::new(filter(set));
    let logs = fmt::layer().with_writer(std::io::stderr).with_ansi(printer.colour());
    let logs = if printer.is_json() { logs.json().boxed() } else { logs.with_target(false).boxed() };
    // A second subscriber in one process is a bug of ours, not a reason not to run.
    let _ = registry().with(traces.map(Traces::layer)).with(logs.with_filter(filter)).try_init();
    move |set| {
        if let Err(error) = change.reload(self::filter(set)) {
            tracing::error!(%error, "what is logged was not changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Whether a file below a folder says more than what went wrong.
    fn speaks(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
            let says = |text: String| text.contains("tracing::info") || text.contains("tracing::warn");
            if path.is_dir() {
                speaks(&path)
            } else {
                path.extension().is_some_and(|e| e == "rs") && says(fs::read_to_string(&path).unwrap())
            }
        })
    }

    #[test]
    fn every_crate_of_ours_that_says_something_is_logged() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut silent = Vec::new();
        for folder in fs::read_dir(&crates).unwrap().map(|entry| entry.unwrap().path()) {
            let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "_");
            let logged = LOGGED.split(',').any(|part| part.trim() == format!("{name}=info"));
            if speaks(&folder.join("src")) && !logged {
                silent.push(name);
            }
        }
        assert!(silent.is_empty(), "not in the filter of `sightline serve`: {silent:?}");
    }
}
