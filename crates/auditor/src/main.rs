//! `sightline-verify`: what an auditor runs on a machine of their own, which has neither a server nor what one needs.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use access::log::Trust;
use auditor::{
    Deployment, Verify, VerifyLog, Witness,
    failure::{Failure, Outcome},
    output::{Printer, out},
    usage,
};
use clap::{Arg, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};

const ABOUT: &str = "Check a receipt or an export of Sightline, with no server and no network. The log's key must come from \
                     somebody you believe.";

#[derive(Debug, Parser)]
#[command(
    name = "sightline-verify",
    version = auditor::VERSION,
    max_term_width = 100,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Program {
    /// Answer with one line of JSON on stdout; errors as one line of JSON on stderr
    #[arg(long, global = true)]
    json: bool,
}

/// What is asked for: a check of what is named, unless it is one of the others.
#[derive(Debug)]
enum Asked {
    Verify(Verify),
    More(More),
}

#[derive(Debug, Subcommand)]
enum More {
    /// Check a whole log, or that one checkpoint grew out of another
    Log(VerifyLog),
    /// Run a witness: vouch that a log only ever grows
    Witness(Witness),
}

/// What is asked for, and how it is answered.
fn parse(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<(Printer, Asked), clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    let asked = match matches.subcommand_name() {
        Some(_) => Asked::More(More::from_arg_matches(&matches)?),
        None => Asked::Verify(Verify::from_arg_matches(&matches)?),
    };
    Ok((Printer::new(Program::from_arg_matches(&matches)?.json), asked))
}

/// There is none on this machine: whoever calls says what is to be believed, and what is to be checked.
struct Nowhere;

impl Deployment for Nowhere {
    fn trust(&self) -> Outcome<Trust> {
        Err(Failure::usage("no log's key is named").hint("name the log's key: `--log-key KEY`"))
    }

    fn log(&self) -> Outcome<PathBuf> {
        Err(Failure::usage("no log is named").hint("name the folder that holds `checkpoint` and `tile`: `--dir DIR`"))
    }
}

/// The command line. There is no home folder here that anything could be taken from.
fn command() -> Command {
    let key = |arg: Arg| arg.help("The log's key, name+id+key, or a file that holds it").required(true);
    let dir = |arg: Arg| arg.help("The folder that holds `checkpoint` and `tile`").required(true);
    // What is checked brings a help of its own along.
    let program = More::augment_subcommands(Verify::augment_args(Program::command())).about(ABOUT).long_about(None);
    program.mut_arg("log_key", key).mut_subcommand("log", |log| log.mut_arg("log_key", key).mut_arg("dir", dir))
}

fn main() -> ExitCode {
    // A witness's key and what it keeps are their owner's alone.
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let words: Vec<OsString> = std::env::args_os().collect();
    let (printer, done) = match parse(&words) {
        Ok((printer, asked)) => (printer, run(asked, printer)),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            out(e.to_string().trim_end());
            return ExitCode::SUCCESS;
        }
        Err(e) => (Printer::new(words.iter().any(|word| word == "--json")), Err(usage::wrong(&e, "sightline-verify"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(asked: Asked, printer: Printer) -> Outcome {
    match asked {
        Asked::Verify(what) => what.run(printer, &Nowhere),
        Asked::More(More::Log(log)) => log.run(printer, &Nowhere),
        Asked::More(More::Witness(it)) => witness(it, printer),
    }
}

fn witness(witness: Witness, printer: Printer) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
        Failure::because("threads", "start the program's threads", &e).hint("is the machine out of memory or threads?")
    })?;
    runtime.block_on(witness.run(printer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_takes_nothing_from_a_home_folder() {
        command().debug_assert();
        for words in
            ["x.zip --log-key k", "x.zip --json --log-key k", "log --dir d --log-key k --json", "witness --key w --log-key k"]
        {
            parse(format!("sightline-verify {words}").split_whitespace()).unwrap();
        }
        for words in ["", "x.zip", "log --dir d", "log --log-key k", "x.zip --log-key k --home h"] {
            parse(format!("sightline-verify {words}").split_whitespace()).unwrap_err();
        }
        let help = command().render_long_help().to_string();
        assert!(!help.contains("home folder"), "{help}");
    }
}
