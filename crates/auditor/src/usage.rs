//! How a wrong command line is answered.

use crate::failure::Failure;

/// clap's errors as ours: one message, one hint. `command`: what was called, without its options.
pub fn wrong(error: &clap::Error, command: &str) -> Failure {
    // clap writes the message, then tips, the usage and where help is, as paragraphs.
    let text = error.to_string();
    let message: Vec<&str> = text.split("\n\n").next().unwrap_or(&text).lines().map(str::trim).collect();
    let message = message.join(" ");
    let tip = text.lines().find_map(|l| l.trim().strip_prefix("tip: ")).map(str::to_owned);
    Failure::usage(message.strip_prefix("error: ").unwrap_or(&message))
        .hint(tip.unwrap_or_else(|| format!("see `{command} --help`")))
}
