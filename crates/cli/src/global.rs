//! The options that every subcommand has.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The deployment's folder [default: sightline under the user's data folder]
    #[arg(long, global = true, env = "SIGHTLINE_HOME", value_name = "DIR", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Where the server listens [default: the home folder's]
    #[arg(long, global = true, value_name = "ADDR")]
    pub(crate) server: Option<String>,
    /// Which of the home folder's identities calls [default: the usual one for the command]
    #[arg(long = "as", global = true, value_name = "IDENTITY")]
    pub(crate) identity: Option<String>,
    /// Answer with one line of JSON on stdout; errors as one line of JSON on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
}
