//! The subcommands, one file each.

mod agency;
mod archive;
mod backup;
mod camera;
mod case;
mod check;
mod console;
mod doctor;
mod eval;
mod export;
mod hold;
mod identity;
mod index;
mod ingest;
mod init;
mod log;
mod man;
mod mark;
mod migrate;
mod models;
mod purpose;
mod query;
mod recorder;
mod reindex;
mod reload;
mod restore;
mod retention;
mod rotate;
mod search;
mod serve;
mod status;
mod upgrade;

use clap::Subcommand;

use crate::{context::Context, failure::Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a deployment: its folder, configuration, certificates and keys
    Init(init::Init),
    /// Run the server
    Serve(serve::Serve),
    /// Have the running server take its certificates and its configuration anew
    Reload(reload::Reload),
    /// Watch an agency's cameras where they hang
    Ingest(ingest::Ingest),
    /// Identities: who may call, and whose certificate is not taken any more
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Exchange keys without a new deployment: the server's, the authority's, the log's, an authoriser's
    #[command(subcommand)]
    Rotate(rotate::Rotate),
    /// Agencies that pool cameras
    #[command(subcommand)]
    Agency(agency::Agency),
    /// Cameras
    #[command(subcommand)]
    Camera(camera::Camera),
    /// Recorders: what they hold is looked at where it lies
    #[command(subcommand)]
    Recorder(recorder::Recorder),
    /// Archived footage: files become sightings
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Cases: the only thing under which anybody may search
    #[command(subcommand)]
    Case(case::Case),
    /// Search a case's cameras for possible sightings
    Search(search::Search),
    /// Verdicts and the tray: what you think of the sightings of your case
    #[command(subcommand)]
    Mark(mark::Mark),
    /// The console: the same in a browser on this machine, as one person
    Console(console::Console),
    /// Take possible sightings out of the deployment, sealed
    Export(export::Export),
    /// Sightings end: what is due, and what was deleted
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Legal holds: what two people keep longer
    #[command(subcommand)]
    Hold(hold::Hold),
    /// One screen: health, cameras, jobs, sightings, disk, and what is due
    Status(status::Status),
    /// Compare catalogue, crops and index
    Check(check::Check),
    /// The search index
    #[command(subcommand)]
    Index(index::Index),
    /// Another model takes over the appearance vectors, from stored crops
    #[command(subcommand)]
    Reindex(reindex::Reindex),
    /// The record as a log that anybody can check
    #[command(subcommand)]
    Log(log::Log),
    /// Check a receipt or an export, with no server and no network
    Verify(auditor::Verify),
    /// Move an embedded deployment to a database and a store that several servers share
    Migrate(migrate::Migrate),
    /// Copy a deployment that lies in one folder, while its server runs
    Backup(backup::Backup),
    /// Make a deployment of a backup again, in an empty home folder
    Restore(restore::Restore),
    /// Bring a deployment up to this version, or go back to the one before
    Upgrade(upgrade::Upgrade),
    /// Run a witness: vouch that a log only ever grows
    Witness(auditor::Witness),
    /// How well and how fast it sees, on your own labelled data
    #[command(subcommand)]
    Eval(::eval::Eval),
    /// How figures are compared
    #[command(subcommand)]
    Appearance(::eval::Appearance),
    /// The models and the runtime: what is pinned, what is here
    #[command(subcommand)]
    Models(models::Models),
    /// What of this machine and the home folder is not as it should be, and what to do
    Doctor(doctor::Doctor),
    /// Write the man pages
    Man(man::Man),
    /// Print what completes command lines in a shell
    Completions(man::Completions),
}

impl Command {
    /// It ends only when it is told to.
    pub(crate) fn runs_on(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Ingest(_) | Self::Console(_))
    }
}

/// `models`, `eval`, `appearance`, `init`, `migrate`, `backup`, `restore`, `upgrade`, `reload`, `rotate`, `verify`, `witness`,
/// `doctor`, `man`, `completions` and `log verify` need no server; everything else but `serve`
/// calls one.
pub(crate) async fn run(command: Command, ctx: &Context) -> Outcome {
    match command {
        Command::Init(c) => c.run(ctx),
        Command::Serve(c) => c.run(ctx).await,
        Command::Ingest(c) => c.run(ctx).await,
        Command::Identity(c) => c.run(ctx).await,
        Command::Rotate(c) => c.run(ctx).await,
        Command::Agency(c) => c.run(ctx).await,
        Command::Camera(c) => c.run(ctx).await,
        Command::Recorder(c) => c.run(ctx).await,
        Command::Archive(c) => c.run(ctx).await,
        Command::Case(c) => c.run(ctx).await,
        Command::Search(c) => c.run(ctx).await,
        Command::Mark(c) => c.run(ctx).await,
        Command::Console(c) => c.run(ctx).await,
        Command::Export(c) => c.run(ctx).await,
        Command::Retention(c) => c.run(ctx).await,
        Command::Hold(c) => c.run(ctx).await,
        Command::Status(c) => c.run(ctx).await,
        Command::Check(c) => c.run(ctx).await,
        Command::Index(c) => c.run(ctx).await,
        Command::Reindex(c) => c.run(ctx).await,
        Command::Log(c) => c.run(ctx).await,
        Command::Verify(c) => Ok(c.run(ctx.printer, &ctx.home)?),
        Command::Migrate(c) => c.run(ctx).await,
        Command::Reload(c) => c.run(ctx).await,
        Command::Backup(c) => c.run(ctx).await,
        Command::Upgrade(c) => c.run(ctx).await,
        Command::Restore(c) => c.run(ctx).await,
        Command::Witness(c) => Ok(c.run(ctx.printer).await?),
        Command::Eval(c) => eval::measure(&c, ctx),
        Command::Appearance(c) => eval::learn(&c, ctx),
        Command::Models(c) => c.run(ctx).await,
        Command::Doctor(c) => c.run(ctx).await,
        Command::Man(c) => c.run(ctx),
        Command::Completions(c) => c.run(ctx),
    }
}
