use std::path::{Path, PathBuf};

use access::Name;
use chrono::DateTime;
use clap::{Args, Subcommand};
use deployment::{HomeLock, LockError, NewGrantKey, RotateError};
use serde_json::json;
use server::{Config, Reloaded};
use types::{CaptureTime, ReceiveTime};

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
    times::parse_time,
};

/// Each takes effect without a new deployment, whole or not at all, and is an entry of the record. Run it as the server's account, on
/// its machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Rotate {
    /// Issue the server another certificate and key; a running server takes them at once
    Server {
        /// A name or address that it is to have besides those it has; repeat for more
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
        /// How long it is taken
        #[arg(long, default_value_t = 397, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=397))]
        days: u32,
        #[command(flatten)]
        authority: AuthorityFolder,
    },
    /// Make another authority, which issues from now on; the one before is trusted until it is dropped
    Authority {
        /// Trust the newest authority alone, once everybody has a certificate of it
        #[arg(long)]
        drop_old: bool,
        /// Drop it although certificates of it are still good: they are taken no more, on open connections neither
        #[arg(long, requires = "drop_old")]
        cut_off: bool,
        #[command(flatten)]
        authority: AuthorityFolder,
    },
    /// Have the log's key introduce another, which signs from then on; stop the server first
    LogKey,
    /// Make an authoriser's next key; what the one before signed goes on counting
    GrantKey {
        /// Whose key it is
        name: Name,
        /// Their organisation
        #[arg(long, value_name = "AGENCY")]
        agency: Name,
        /// Make a home folder for them here, to be handed over, and keep no private key [default: beside the identities here]
        #[arg(long, value_name = "DIR", conflicts_with = "public")]
        out: Option<PathBuf>,
        /// The public half (PEM) of a key that they made themselves
        #[arg(long, value_name = "FILE")]
        public: Option<PathBuf>,
        /// When it takes over, RFC 3339 with zone [default: now]
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        at: Option<CaptureTime>,
    },
}

/// Where the authority's key is.
#[derive(Debug, Args)]
pub(crate) struct AuthorityFolder {
    /// The authority's folder that `sightline init` handed out [default: the home folder, where earlier versions kept its key]
    #[arg(long = "authority", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl AuthorityFolder {
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

fn fault(error: &RotateError) -> Failure {
    library("rotate", error).hint(error.hint())
}

impl Rotate {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        match self {
            Self::Server { names, days, authority } => server(ctx, &names, days, authority.folder()).await,
            Self::Authority { drop_old: true, cut_off, authority } => drop_old(ctx, cut_off, authority.folder()).await,
            Self::Authority { authority, .. } => new_authority(ctx, authority.folder()).await,
            Self::LogKey => log_key(ctx).await,
            Self::GrantKey { name, agency, out, public, at } => grant_key(ctx, &name, &agency, out, public.as_deref(), at),
        }
    }
}

/// A running server takes its files anew; `None` where none runs on the home folder.
async fn reload(ctx: &Context) -> Outcome<Option<Reloaded>> {
    let home = ctx.home.layout();
    match HomeLock::acquire(home.root()) {
        Ok(_) => return Ok(None),
        Err(LockError::InUse { .. }) => {}
        Err(e) => return Err(library("home", &e).hint(e.hint())),
    }
    let failed = |e: server::ReloadError| {
        let hint = format!("the files are exchanged, and the server still has the ones before: {}", e.hint());
        library("reload", &e).hint(hint)
    };
    server::reload(home).await.map(Some).map_err(failed)
}

fn taken(reloaded: Option<&Reloaded>) -> &'static str {
    match reloaded {
        Some(_) => "the server has taken it",
        None => "no server runs here: the next one takes it as it starts",
    }
}

async fn server(ctx: &Context, names: &[String], days: u32, authority: Option<&Path>) -> Outcome {
    let new = deployment::rotate_server(ctx.home.layout(), authority, names, days).map_err(|e| fault(&e))?;
    let reloaded = reload(ctx).await?;
    let ends = new.ends.and_then(|s| DateTime::from_timestamp(s, 0)).map(|t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    let answer = json!({ "rotated": "server", "hosts": new.hosts, "expires": ends, "reloaded": reloaded.is_some() });
    ctx.printer.answer(&answer, || {
        format!(
            "issued the server another certificate for {}, good until {}\n{}",
            new.hosts.join(", "),
            ends.unwrap_or_default(),
            taken(reloaded.as_ref())
        )
    });
    Ok(())
}

async fn new_authority(ctx: &Context, authority: Option<&Path>) -> Outcome {
    let home = ctx.home.layout();
    deployment::rotate_authority(home, authority).map_err(|e| fault(&e))?;
    let reloaded = reload(ctx).await?;
    let answer = json!({ "rotated": "authority", "trusted": 2, "authority": home.authority(), "reloaded": reloaded.is_some() });
    ctx.printer.answer(&answer, || {
        format!(
            "another authority issues from now on; both are trusted\n{}\nnext: put {} into the home folder of everybody who calls and of every worker; then `sightline rotate server`, and issue every \
             identity anew; at last `sightline rotate authority --drop-old`",
            taken(reloaded.as_ref()),
            home.authority().display()
        )
    });
    Ok(())
}

async fn drop_old(ctx: &Context, cut_off: bool, authority: Option<&Path>) -> Outcome {
    let home = ctx.home.layout();
    deployment::drop_old_authority(home, authority, cut_off).map_err(|e| fault(&e))?;
    let reloaded = reload(ctx).await?;
    let answer = json!({ "rotated": "authority", "trusted": 1, "authority": home.authority(), "reloaded": reloaded.is_some() });
    ctx.printer.answer(&answer, || {
        format!("the authority of before is trusted no more, nor what it issued\n{}", taken(reloaded.as_ref()))
    });
    Ok(())
}

async fn log_key(ctx: &Context) -> Outcome {
    let home = ctx.home.layout();
    let config = Config::load(&home.config()).map_err(|e| library("configuration", &e).hint(e.hint()))?;
    let new = server::rotate_log_key(home, &config).await.map_err(|e| library("rotate", &e).hint(e.hint()))?;
    let (old, key) = (new.old.to_string(), new.new.to_string());
    let answer = json!({ "rotated": "log-key", "old": old, "key": key, "entries": new.entries, "entry": new.entry });
    ctx.printer.answer(&answer, || {
        format!(
            "the log has another key, introduced by the one before in entry {}\n  before  {old}, for the first {} entries\n  now     {key}\nthe private key of before is gone from here; destroy other copies of \
             it\nnext: give pki/log.pub and pki/log.introductions to whoever checks; who has the key of before can still check everything",
            new.entry, new.entries
        )
    });
    Ok(())
}

fn grant_key(
    ctx: &Context,
    name: &Name,
    agency: &Name,
    out: Option<PathBuf>,
    public: Option<&Path>,
    at: Option<CaptureTime>,
) -> Outcome {
    // Both are of the same years.
    let at = at.and_then(|at| ReceiveTime::from_micros(at.as_micros()).ok());
    if at.is_some_and(|at| at > ReceiveTime::now()) && out.is_none() && public.is_none() {
        let message = "a key that takes over later would take the place of the one that signs until then";
        return Err(Failure::usage(message).hint("name a folder for it, to be handed over: `--out DIR`"));
    }
    let out = out.map(std::path::absolute).transpose().map_err(|e| Failure::because("rotate", "name the folder", &e))?;
    let wanted = NewGrantKey { out: out.as_deref(), public, at };
    let new = deployment::rotate_grant_key(ctx.home.layout(), agency, name, &wanted).map_err(|e| fault(&e))?;
    let answer = json!({
        "rotated": "grant-key", "owner": format!("{agency}.{name}"), "private": new.private, "public": new.public,
        "from": new.at.to_string(), "needs_restart": true,
    });
    ctx.printer.answer(&answer, || {
        let private = new.private.as_ref().map_or_else(|| "with its owner".to_owned(), |file| file.display().to_string());
        format!(
            "{name} of {agency} signs with another key from {} on; what the one before signed goes on counting\n  private  {private}\n  public   {}\nnext: restart `sightline serve`: it reads the authorisers' keys \
             at its start",
            new.at,
            new.public.display()
        )
    });
    Ok(())
}
