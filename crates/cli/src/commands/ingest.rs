use clap::{Args, Subcommand};
use ingest::{Link, Worker, WorkerOptions};
use media::{Networks, Pin};
use onvif::DeviceHost;
use pipeline::{CameraSecrets, Device, KeptAddress};
use server::{Config, WorkerMetrics};
use tokio::signal::unix::{SignalKind, signal};
use types::CameraId;

use super::{
    camera::{
        address,
        device::{Discover, Login, Probe, stream},
    },
    serve::{as_root, log_to_stderr},
};
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome, library},
};

/// Watches an agency's cameras where they hang, until SIGINT or SIGTERM, and hands in what it saw. Video, addresses and
/// passwords stay on this machine; while the server is away sightings wait on this disk.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Ingest {
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Say where a camera's live stream is; kept on this machine alone, password included
    Source {
        camera: CameraId,
        /// rtsp://[user:password@]host[:port]/path, or - to read it from standard input, where no process list shows it
        #[arg(required_unless_present_any = ["none", "onvif"])]
        url: Option<String>,
        /// Forget it
        #[arg(long, conflicts_with = "url")]
        none: bool,
        /// Let the password itself be sent without TLS, where everybody on the line can read it, to a camera that knows nothing but
        /// Basic
        #[arg(long, conflicts_with = "none")]
        basic_without_tls: bool,
        /// The TLS certificate that the camera has, by its SHA-256: it is trusted, whoever made it, and no other
        #[arg(long, value_name = "SHA256", conflicts_with = "none")]
        trust: Option<Pin>,
        /// Ask the camera itself where its stream is, by ONVIF: 192.0.2.7 or 192.0.2.7:8000
        #[arg(long, value_name = "HOST", conflicts_with_all = ["url", "none"])]
        onvif: Option<DeviceHost>,
        #[command(flatten)]
        login: Login,
    },
    /// Find the cameras that answer to ONVIF; shows no password to anybody
    Discover(Discover),
    /// Ask a camera what it is, what its clock says and where its streams are; changes nothing
    Probe(Probe),
    /// List the cameras whose address is kept here
    Sources,
}

impl Ingest {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        let secrets = CameraSecrets::new(&ctx.home.path().join("secrets/cameras"));
        match self.command {
            None => watch(ctx, secrets).await,
            Some(Sub::Source { camera, url, none: _, basic_without_tls, trust, onvif, login }) => {
                let url = match &onvif {
                    Some(host) => Some(stream(ctx, host, &login, trust).await?.0),
                    None => url,
                };
                let device = onvif.as_ref().map(|host| login.device(host));
                source(ctx, &secrets, &camera, url.as_deref(), basic_without_tls, trust, device)
            }
            Some(Sub::Discover(discover)) => discover.run(ctx).await,
            Some(Sub::Probe(probe)) => probe.run(ctx).await,
            Some(Sub::Sources) => {
                let cameras: Vec<String> = secrets.cameras().iter().map(ToString::to_string).collect();
                ctx.printer.answer(&serde_json::json!({ "cameras": cameras }), || match &cameras[..] {
                    [] => "no camera's address is kept here; next: sightline ingest source CAMERA URL".to_owned(),
                    some => some.join("\n"),
                });
                Ok(())
            }
        }
    }
}

fn source(
    ctx: &Context,
    secrets: &CameraSecrets,
    camera: &CameraId,
    url: Option<&str>,
    basic_without_tls: bool,
    trust: Option<Pin>,
    device: Option<Device>,
) -> Outcome {
    let kept =
        url.map(|url| Ok::<_, Failure>(KeptAddress { url: address(url)?, basic_without_tls, trust, device })).transpose()?;
    let for_tls = |kept: &KeptAddress| kept.is_tls() || kept.device.as_ref().is_some_and(|device| device.host.is_tls());
    let kept = kept.map(|kept| KeptAddress { trust: kept.trust.filter(|_| for_tls(&kept)), ..kept });
    if let Some(kept) = &kept {
        // Where cameras may be is looked at by the worker, whose configuration says it.
        kept.source(&Networks::default())
            .map_err(|e| library("source", &e).hint("give the address of the camera's RTSP stream"))?;
    }
    secrets.keep(camera, kept.as_ref()).map_err(|e| library("secret", &e).hint("check that you may write to the home folder"))?;
    let kept = kept.is_some();
    ctx.printer.answer(&serde_json::json!({ "camera": camera.to_string(), "kept": kept }), || {
        if kept {
            format!("the address of {camera} is kept on this machine; a running worker takes it up within seconds")
        } else {
            format!("the address of {camera} is forgotten")
        }
    });
    Ok(())
}

async fn watch(ctx: &Context, secrets: CameraSecrets) -> Outcome {
    as_root(ctx.printer, "sightline-ingest.service");
    // Its spool holds sightings.
    deployment::check_mode(ctx.home.path()).map_err(|e| library("home", &e).hint(e.hint()))?;
    let _ = log_to_stderr(ctx.printer, None, None);
    let file = ctx.home.layout().config();
    // A worker's home folder needs none.
    let config = if file.exists() { Config::load(&file) } else { Config::parse("", &file) };
    let config = config.map_err(|e| library("configuration", &e).hint(e.hint()))?;
    if !config.sandbox {
        media::sandbox_off();
    }
    let (identity, server) = (ctx.caller(Caller::Ingest), ctx.server()?);
    // Also says which identities there are.
    ctx.home.identity(identity)?;
    let (certificate, key) = ctx.home.layout().identity(identity);
    let options = WorkerOptions {
        link: Link { server: server.clone(), authority: ctx.home.layout().authority(), certificate: certificate.clone(), key },
        spool: ctx.home.path().join("spool"),
        spool_limit: config.spool_bytes,
        secrets,
        networks: config.live_networks.clone(),
        models: server::models(&config).map_err(|e| library("models", &e))?,
        vision: server::vision_options(&config),
        looks: config.live_workers,
        sample_fps: config.live_sample_fps,
        patience: config.live_patience,
        max_cameras: config.max_cameras,
        shutdown: config.shutdown,
    };
    let failed = |e: std::io::Error| Failure::because("signals", "listen to signals", &e).hint("try again");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let worker = Worker::start(options).await.map_err(|e| library("ingest", &e).hint(e.hint()))?;
    let metrics = match config.metrics_listen {
        Some(address) => match WorkerMetrics::start(address, &certificate, worker.reader()).await {
            Ok(started) => Some(started),
            Err(error) => {
                worker.stop().await;
                return Err(library("metrics", &error).hint("set metrics.listen in sightline.toml to another address"));
            }
        },
        None => None,
    };
    let answer = serde_json::json!({
        "server": server,
        "waiting": worker.spool().waiting,
        "metrics": metrics.as_ref().map(|m| m.address().to_string()),
    });
    ctx.printer.answer(&answer, || format!("watching for {server}; {} sightings wait to be sent", worker.spool().waiting));
    server::service::ready();
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {}, () = server::service::live() => {} }
    server::service::stopping();
    tracing::info!("stopping");
    worker.stop().await;
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    Ok(())
}
