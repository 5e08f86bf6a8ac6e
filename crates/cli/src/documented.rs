//! Documents, hints and help against the program: every command, option and configuration key that they name is there, and
//! `docs/cli.md` names every command.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory, Parser, error::ErrorKind};

use crate::args::Cli;

/// Options of other programs that the documents name alone, without their program.
const OF_OTHERS: &[&str] = &["--profile", "--release", "--test", "--uri"];

/// What looks like a configuration key and is a file, beside the words of [`access::Action`].
const FILES: &[&str] = &["log.high-water", "log.key", "log.pub", "log.introductions", "server.pem", "server.key", "index.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `folder` with this ending, with its text, by name.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<(String, String)> {
    let mut all = files(&root().join("docs"), "md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "benches/README.md"] {
        all.push((name.to_owned(), fs::read_to_string(root().join(name)).unwrap()));
    }
    all
}

/// The fenced blocks of a text, each with its language, and the text without them.
fn blocks(text: &str) -> (Vec<(String, String)>, String) {
    let (mut blocks, mut rest, mut open): (Vec<(String, String)>, _, _) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => blocks.push((language.to_owned(), String::new())),
            (Some(_), true) => {}
            (None, true) => {
                let block = &mut blocks.last_mut().unwrap().1;
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
        open ^= line.starts_with("```");
    }
    (blocks, rest)
}

/// What stands between backticks, on one line.
fn inline_code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The commands of a block, each as its words: what a shell would make of it, without variables. What a `console` block prints is
/// left out.
fn commands(language: &str, block: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut lines = block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>();
    if language == "console" {
        lines.retain(|line| line.starts_with("$ "));
    }
    for line in lines {
        found.extend(split(line.strip_prefix("$ ").unwrap_or(&line)));
    }
    found
}

/// One line of a shell: words, quotes, comments and what stands between two commands.
fn split(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word, mut quote, mut quoted) = (Vec::new(), Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, quoted) = (Some(c), true),
            (None, '#') if word.is_empty() => break,
            (None, ';' | '|' | '&') | (None, ' ') => {
                if !word.is_empty() || quoted {
                    words.push(std::mem::take(&mut word));
                }
                quoted = false;
                if c != ' ' {
                    all.push(std::mem::take(&mut words));
                }
            }
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    all.push(words);
    // What a shell is given to run in a word of its own.
    let inner: Vec<_> = all.iter().flatten().filter(|w| w.starts_with("sightline ")).flat_map(|w| split(w)).collect();
    all.extend(inner);
    all.retain(|words| !words.is_empty());
    all
}

/// The words after `sightline`, where a command calls it; redirections are the shell's.
fn arguments(words: &[String]) -> Option<Vec<String>> {
    // An account and a service of that name are not the program.
    let words = if words.first().is_some_and(|w| w == "sudo") { words.get(3..)? } else { words };
    if words.first().is_some_and(|w| w == "systemctl") {
        return None;
    }
    let at = words.iter().position(|w| w == "sightline")?;
    // A container's other program.
    (!words[..at].iter().any(|w| w == "--entrypoint"))
        .then(|| words[at + 1..].iter().filter(|w| !w.starts_with(['>', '<']) && !w.starts_with("2>")).cloned().collect())
}

/// Why the program would not take it; a placeholder (`SIGHTING`) instead of a value is no fault.
fn refused(words: &[String]) -> Option<String> {
    let line = std::iter::once(OsString::from("sightline")).chain(words.iter().map(OsString::from));
    let error = Cli::try_parse_from(line).err()?;
    let placeholder =
        |w: &String| w.len() > 1 && w.chars().all(|c| c.is_ascii_uppercase() || c == '_') || w == "T" || w == "R" || w == "N";
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if words.iter().any(placeholder) => None,
        _ => Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

/// Why a usage such as `case open --id ID [...]` names something that is not there: a subcommand or an option.
fn unknown(usage: &str) -> Option<String> {
    let mut at = cli();
    let (mut on_path, mut is_value) = (true, false);
    // In a table a bar is written with a backslash.
    // What a program starts itself as, before it has any commands: nobody types it.
    if usage == "decode" {
        return None;
    }
    let usage = usage.replace("\\|", "|");
    for word in usage.split(|c: char| c.is_whitespace() || "[]|,()".contains(c)).filter(|w| !w.is_empty()) {
        if word == "#" {
            break;
        }
        if let Some(option) = word.strip_prefix("--").map(|o| o.split(['=', '.']).next().unwrap_or(o)) {
            let Some(argument) = at.get_arguments().find(|a| a.get_long() == Some(option)) else {
                return Some(format!("`{}` has no option --{option}", at.get_name()));
            };
            is_value = argument.get_action().takes_values() && !word.contains('=');
        } else if std::mem::take(&mut is_value) || !on_path || !at.has_subcommands() {
            // A value, or an argument.
        } else if let Some(next) = at.find_subcommand(word).cloned() {
            at = next;
        } else if word.chars().any(|c| c.is_ascii_lowercase()) {
            return Some(format!("`{}` has no subcommand {word:?}", at.get_name()));
        } else {
            // `COMMAND`, `...`
            on_path = false;
        }
    }
    None
}

fn options(command: &Command) -> BTreeSet<String> {
    command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned)).collect()
}

/// Every command that can be run, as it is typed after `sightline`.
fn leaves(command: &Command, path: &str) -> Vec<String> {
    let mut all = Vec::new();
    for sub in command.get_subcommands() {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        if sub.has_subcommands() { all.extend(leaves(sub, &path)) } else { all.push(path) }
    }
    all
}

fn all_options(command: &Command) -> BTreeSet<String> {
    command.get_subcommands().flat_map(all_options).chain(options(command)).collect()
}

/// `section.key` of the file that `init` writes.
fn keys() -> BTreeSet<String> {
    let template: toml::Table = server::TEMPLATE.parse().unwrap();
    template.iter().flat_map(|(s, keys)| keys.as_table().unwrap().keys().map(move |k| format!("{s}.{k}"))).collect()
}

fn cli() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

#[test]
fn every_command_in_a_block_of_the_documents_is_one_that_the_program_takes() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, text) in documents() {
        for (language, block) in blocks(&text).0.iter().filter(|(language, _)| language == "sh" || language == "console") {
            for words in commands(language, block).iter().filter_map(|words| arguments(words)) {
                seen += 1;
                if let Some(why) = refused(&words) {
                    wrong.push(format!("{name}: sightline {}: {why}", words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 60, "only {seen} commands were found: does the test still read the blocks?");
}

#[test]
fn every_command_and_option_that_is_named_in_a_text_is_there() {
    let known = all_options(&cli());
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, text) in documents() {
        for code in inline_code(&blocks(&text).1) {
            let why = match (code.strip_prefix("sightline "), code.strip_prefix("--")) {
                (Some(usage), _) => unknown(usage),
                (None, Some(option)) => {
                    let option = option.split([' ', '=']).next().unwrap_or(option);
                    let there = known.contains(option) || ["help", "version"].contains(&option);
                    (!there && !OF_OTHERS.contains(&&*format!("--{option}"))).then(|| "no command has this option".to_owned())
                }
                (None, None) => continue,
            };
            seen += 1;
            wrong.extend(why.map(|why| format!("{name}: `{code}`: {why}")));
        }
    }
    // Hints name commands too.
    for (name, text) in
        files(&root().join("crates"), "rs").iter().filter(|(name, _)| !name.contains("/gen/") && !name.ends_with("documented.rs"))
    {
        for line in text.lines() {
            for usage in line.split("`sightline ").skip(1).filter_map(|rest| rest.split_once('`')).map(|(usage, _)| usage) {
                seen += 1;
                wrong.extend(unknown(usage).map(|why| format!("{name}: `sightline {usage}`: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 150, "only {seen} were found: does the test still read the texts?");
}

#[test]
fn every_configuration_key_that_is_named_is_there() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '-');
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, text) in documents() {
        let (blocks, rest) = blocks(&text);
        for code in inline_code(&rest) {
            let named = code.split(' ').next().unwrap_or_default();
            let Some((section, key)) = named.split_once('.').filter(|(s, k)| sections.contains(s) && word(k)) else { continue };
            let other =
                FILES.contains(&named) || access::Action::parse(named).is_some() || ["proto", "toml", "md", "rs"].contains(&key);
            seen += 1;
            if !keys.contains(&format!("{section}.{key}")) && !other {
                wrong.push(format!("{name}: `{code}`"));
            }
        }
        for (_, block) in blocks.iter().filter(|(language, _)| language == "toml") {
            if let Err(error) = server::Config::parse(block, Path::new(&name)) {
                wrong.push(format!("{error}: {:?}", std::error::Error::source(&error)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 30, "only {seen} keys were found: does the test still read the texts?");
}

#[test]
fn the_document_of_the_command_line_names_every_command() {
    let text = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let named = inline_code(&text);
    let is_named = |command: &String| named.iter().any(|code| code == command || code.starts_with(&format!("{command} ")));
    let commands = leaves(&cli(), "");
    // The measurements have a row of their own, and their help.
    let missing: Vec<_> = commands.iter().filter(|c| !c.starts_with("eval ") && !is_named(c)).collect();
    assert!(missing.is_empty() && commands.len() > 50, "not in docs/cli.md: {missing:?}");
}

#[test]
fn what_is_not_there_is_noticed() {
    assert!(unknown("nonsense").is_some() && unknown("case nonsense").is_some() && unknown("case open --nonsense").is_some());
    assert!(unknown("case open --id ID [--camera C]...").is_none() && unknown("COMMAND --help").is_none());
    let words = |line: &str| commands("sh", line).iter().filter_map(|words| arguments(words)).collect::<Vec<_>>();
    assert_eq!(words("x=1 # sightline nonsense").len(), 0);
    let lines = words("sightline case close k --reason \"a; b\"; dc exec s sh -c 'sightline check | cat' > f");
    assert_eq!(lines, [vec!["case", "close", "k", "--reason", "a; b"], vec!["check"]]);
    assert_eq!(refused(&lines[0]), None);
    assert!(refused(&["case".to_owned(), "close".to_owned()]).is_some());
    assert!(
        refused(&["search".to_owned(), "--case".to_owned(), "k".to_owned(), "--limit".to_owned(), "many".to_owned()]).is_some()
    );
}
