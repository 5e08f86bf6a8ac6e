//! `sightline`: subcommands, progress, JSON.
//!
//! A client of the gRPC service like any other: it reads no database and holds no permit. What it may see, the server
//! decides from the certificate it shows. The one secret it uses itself is the authoriser's key, which signs here and
//! never travels.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "comments of arguments are their help, where brackets mean that a part may be left out"
)]

mod args;
mod client;
mod commands;
mod context;
#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;
#[cfg(test)]
mod documented;
mod environment;
mod failure;
mod fetch;
mod global;
mod home;
mod output;
mod pages;
mod progress;
mod sheet;
mod signing;
mod times;
#[cfg(test)]
mod told;
mod view;
mod words;

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::{
    args::Parsed,
    context::Context,
    failure::{Failure, Outcome},
    output::Printer,
};

fn main() -> ExitCode {
    media::become_decoder_if_asked();
    // Whatever is made from here on is its owner's alone: exports, keys, receipts, crops, the log, sockets.
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match args::parse(std::env::args_os()) {
        Parsed::Run(cli) => *cli,
        Parsed::Show(text) => {
            output::out(text.trim_end());
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong { failure, json } => return end(Printer::new(json), Err(failure)),
    };
    let printer = Printer::new(cli.global.json);
    // Before there is a second thread.
    if let Err(error) = environment::complete(cli.command.runs_on()) {
        printer.note(&format!("could not start anew with the environment that the libraries need: {error}"));
    }
    end(printer, run(cli, printer))
}

fn run(cli: args::Cli, printer: Printer) -> Outcome {
    let ctx = Context::new(&cli.global, printer, args::Cli::command)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
        Failure::because("threads", "start the program's threads", &e).hint("is the machine out of memory or threads?")
    })?;
    runtime.block_on(async {
        match commands::run(cli.command, &ctx).await {
            Err(failure) => Err(ctx.explained(failure).await),
            done => done,
        }
    })
}

fn end(printer: Printer, outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}
