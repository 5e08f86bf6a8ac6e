//! The command line, and how a wrong one is answered.

use std::ffi::OsString;

use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{commands::Command, failure::Failure, global::Global, times::BadArgument};

/// Find out which of the pooled cameras saw a figure or a vehicle like this, where and when.
///
/// No face recognition, no identities, no search without a case that somebody else authorised. A result is a possible
/// sighting, never "this person".
#[derive(Debug, Parser)]
#[command(name = "sightline", version = auditor::VERSION, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do about a command line.
#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Box<Cli>),
    /// `--help` or `--version`: this text, on stdout.
    Show(String),
    Wrong {
        failure: Failure,
        json: bool,
    },
}

pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Parsed {
    let words: Vec<OsString> = words.into_iter().collect();
    match Cli::try_parse_from(&words) {
        Ok(cli) => Parsed::Run(Box::new(cli)),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Parsed::Show(e.to_string()),
        // Nothing but the program's name: somebody who wants to know what it does.
        Err(_) if words.len() < 2 => Parsed::Show(Cli::command().render_help().to_string()),
        Err(e) => Parsed::Wrong { failure: explain(&e, &words), json: words.iter().any(|w| w == "--json") },
    }
}

/// clap's errors as ours: one message, one hint.
fn explain(error: &clap::Error, words: &[OsString]) -> Failure {
    let command = command_of(words);
    let of = |kind| {
        error.get(kind).map(|value| match value {
            ContextValue::String(text) => text.clone(),
            ContextValue::Strings(texts) => texts.join(", "),
            other => other.to_string(),
        })
    };
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return Failure::usage(format!("`{command}` needs a subcommand")).hint(format!("see what there is: `{command} --help`"));
    }
    if let Some(bad) = std::error::Error::source(error).and_then(|e| e.downcast_ref::<BadArgument>()) {
        let (value, arg) = (of(ContextKind::InvalidValue).unwrap_or_default(), of(ContextKind::InvalidArg).unwrap_or_default());
        return Failure::usage(format!("{value:?} for {}: {}", option(&arg), bad.message)).hint(&bad.hint);
    }
    auditor::usage::wrong(error, &command).into()
}

/// `sightline case open` of `sightline --json case open --id x`.
fn command_of(words: &[OsString]) -> String {
    let (mut path, mut at) = ("sightline".to_owned(), Cli::command());
    for word in words.iter().skip(1).filter_map(|w| w.to_str()) {
        if let Some(next) = at.find_subcommand(word).cloned() {
            path = format!("{path} {word}");
            at = next;
        }
    }
    path
}

/// `--from <TIME>` to `--from`.
fn option(arg: &str) -> &str {
    arg.split_whitespace().next().unwrap_or("an argument")
}

/// Checks that the whole command tree is well formed; a test calls it.
#[cfg_attr(not(test), expect(dead_code, reason = "clap's own self-check, for a test"))]
fn self_check() {
    Cli::command().debug_assert();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        match parse(line.split_whitespace().map(OsString::from)) {
            Parsed::Wrong { failure, .. } => {
                assert_eq!(failure.exit as u8, 2);
                format!("error: {}\nhint: {}", failure.message, failure.hint.as_deref().unwrap_or_default())
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_command_tree_is_well_formed() {
        self_check();
    }

    #[test]
    fn a_wrong_command_line_is_answered_with_one_message_and_one_hint() {
        let lines = [
            "sightline --json",
            "sightline case",
            "sightline serach",
            "sightline search --upper white",
            "sightline search --case k --upper mauve",
            "sightline search --case k --from 2026-03-01T08:30:00",
            "sightline search --case k --limit 0",
            "sightline search --case K!",
            "sightline archive add a.mp4 --camera c --start 2026-03-01",
            "sightline case open --purpose curiosity",
        ];
        let answers: Vec<String> = lines.iter().map(|l| format!("$ {l}\n{}", wrong(l))).collect();
        insta::assert_snapshot!(answers.join("\n\n"), @r#"
        $ sightline --json
        error: `sightline` needs a subcommand
        hint: see what there is: `sightline --help`

        $ sightline case
        error: `sightline case` needs a subcommand
        hint: see what there is: `sightline case --help`

        $ sightline serach
        error: unrecognized subcommand 'serach'
        hint: some similar subcommands exist: 'serve', 'search'

        $ sightline search --upper white
        error: the following required arguments were not provided: --case <CASE>
        hint: see `sightline search --help`

        $ sightline search --case k --upper mauve
        error: invalid value 'mauve' for '--upper <COLOUR>' [possible values: black, white, grey, red, orange, yellow, green, blue, purple, pink, brown]
        hint: see `sightline search --help`

        $ sightline search --case k --from 2026-03-01T08:30:00
        error: "2026-03-01T08:30:00" for --from: the time has no zone
        hint: write 2026-03-01T08:30:00Z for UTC, or the camera's offset: 2026-03-01T08:30:00+02:00

        $ sightline search --case k --limit 0
        error: invalid value '0' for '--limit <LIMIT>': 0 is not in 1..=1000
        hint: see `sightline search --help`

        $ sightline search --case K!
        error: invalid value 'K!' for '--case <CASE>': case id "K!" is not 1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit
        hint: see `sightline search --help`

        $ sightline archive add a.mp4 --camera c --start 2026-03-01
        error: "2026-03-01" for --start: that is a day, not a time
        hint: write 2026-03-01T00:00:00Z for its start in UTC

        $ sightline case open --purpose curiosity
        error: invalid value 'curiosity' for '--purpose <PURPOSE>' [possible values: missing-person, serious-incident, disaster]
        hint: see `sightline case open --help`
        "#);
    }

    #[test]
    fn the_name_alone_shows_the_help() {
        let Parsed::Show(text) = parse(["sightline".into()]) else { panic!("no help") };
        assert!(text.contains("Usage: sightline") && text.contains("  init "), "{text}");
    }

    #[test]
    fn json_is_seen_even_on_a_command_line_that_makes_no_sense() {
        assert!(matches!(parse(["sightline", "--json", "nonsense"].map(OsString::from)), Parsed::Wrong { json: true, .. }));
    }
}
