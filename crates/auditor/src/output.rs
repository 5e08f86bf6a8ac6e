//! The one place that writes: data on stdout, talk on stderr, JSON when asked for.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Owns both streams. With `json` stdout carries exactly one line, the command's answer (of what goes on, a line each), and errors are JSON too.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    json: bool,
    colour: bool,
}

impl Printer {
    /// With or without JSON; colours where stderr is a terminal that wants them.
    pub fn new(json: bool) -> Self {
        let colour = !json && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { json, colour }
    }

    /// Whether programs read it.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Whether stderr is a terminal that wants colours.
    pub const fn colour(self) -> bool {
        self.colour
    }

    /// The command's answer: `value` as one line of JSON, or what `human` says.
    pub fn answer<T: Serialize>(self, value: &T, human: impl FnOnce() -> String) {
        if self.json {
            match serde_json::to_string(value) {
                Ok(line) => out(&escaped(&line)),
                Err(e) => err(&format!("error: could not write the answer as JSON: {e}")),
            }
        } else {
            let text = human();
            if !text.trim().is_empty() {
                out(text.trim_end());
            }
        }
    }

    /// A remark for people; silent with `--json`.
    pub fn note(self, text: &str) {
        if !self.json {
            err(text);
        }
    }

    /// What went wrong, on stderr.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            return err(&escaped(&failure.json().to_string()));
        }
        err(&format!("{} {}", self.paint("error:", "1;31"), failure.message));
        for cause in &failure.causes {
            err(&format!("  because: {cause}"));
        }
        if let Some(hint) = &failure.hint {
            err(&format!("{} {hint}", self.paint("hint:", "1;36")));
        }
    }

    /// Asks on a terminal; `None` where nobody can be asked.
    pub fn confirm(self, question: &str) -> Option<bool> {
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).is_ok();
        Some(read && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A closed pipe (`sightline case list | head -1`) is not an error.
pub fn out(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn err(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns as wide as their widest cell; what comes from a server can't steer the terminal.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| std::array::from_fn(|i| plain(&row[i]))).collect();
    let width: [usize; N] =
        std::array::from_fn(|i| rows.iter().map(|r| r[i].chars().count()).chain([head[i].chars().count()]).max().unwrap_or(0));
    let line = |cells: [&str; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(width) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|i| row[i].as_str()))));
    lines.join("\n")
}

/// Text from elsewhere without control characters; what would turn it round or not be seen is shown as `<U+202E>`.
pub fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            c if c.is_control() => shown.push(' '),
            c if is_unseen(c) => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => shown.push(c),
        }
        shown
    })
}

/// Characters that are not seen themselves or change how others are shown: directions, joiners, separators, tags, fillers.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A line of JSON that says the same and can't steer the terminal: DEL, C1 and what is not seen, in JSON's own escapes. They
/// stand in strings alone.
fn escaped(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut line, c| {
        if c.is_control() || is_unseen(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}")));
        } else {
            line.push(c);
        }
        line
    })
}

/// "1 sighting", "2 sightings".
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_hides_control_characters() {
        let text = table(["ID", "TITLE"], &[["gate".into(), "north\x1b[31m".into()], ["a".into(), "b".into()]]);
        insta::assert_snapshot!(text, @r"
        ID    TITLE
        gate  north [31m
        a     b
        ");
    }

    #[test]
    fn what_is_not_seen_is_shown_before_it_is_signed() {
        assert_eq!(plain("a\u{202e}b\u{200b}c\u{2066}d\u{feff}e\u{e0041}"), "a<U+202E>b<U+200B>c<U+2066>d<U+FEFF>e<U+E0041>");
        assert_eq!(plain("Zo\u{eb} \u{5d0} \u{4e2d}\n\u{9b}31m"), "Zo\u{eb} \u{5d0} \u{4e2d}  31m");
    }

    #[test]
    fn json_steers_no_terminal_and_says_the_same() {
        let value = serde_json::json!({ "a": "x\u{9b}31m\u{7f}\u{1b}\u{202e}\u{e0041}y \u{eb}" });
        let line = escaped(&value.to_string());
        assert_eq!(line, "{\"a\":\"x\\u009b31m\\u007f\\u001b\\u202e\\udb40\\udc41y \u{eb}\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([count(0, "hit"), count(1, "hit"), count(2, "hit")], ["0 hits", "1 hit", "2 hits"]);
    }
}
