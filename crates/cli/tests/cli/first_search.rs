//! `docs/first-search.md`, done as it is written, against a deployment of its own.

use std::{fs, path::Path};

use crate::deployment::{Deployment, binary, spoken};

/// A command of a `console` block, and the lines that it is shown to print.
struct Shown {
    command: String,
    output: String,
}

fn shown(text: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for line in block.replace("\\\n", " ").lines() {
            match (line.strip_prefix("$ "), all.last_mut()) {
                (Some(command), _) => all.push(Shown { command: command.to_owned(), output: String::new() }),
                (None, Some(last)) => last.output.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
    }
    all
}

/// A command's words after `sightline`; quotes keep a word together.
fn words(command: &str, replaced: &[(&str, &str)]) -> Vec<String> {
    let quoted = command.split('"').enumerate();
    let words = quoted.flat_map(|(i, part)| {
        let inside = i % 2 == 1;
        if inside { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
    });
    words.skip(1).map(|word| replaced.iter().fold(word, |word, (from, to)| word.replace(from, to))).collect()
}

/// What stays the same from run to run, in any order, since a terminal shows two streams: no numbers, no ids, no width of columns.
fn stable(text: &str, folders: &[&Path]) -> Vec<String> {
    let text = folders.iter().fold(text.to_owned(), |text, folder| text.replace(&folder.display().to_string(), "/tmp"));
    let mut lines: Vec<_> = text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    lines
}

fn word(word: &str) -> String {
    if word.len() >= 16 && word.chars().filter(char::is_ascii_digit).count() > 3 {
        return "ID".to_owned();
    }
    word.chars().fold(String::new(), |mut shown, c| {
        match c {
            '0'..='9' | '.' if shown.ends_with('N') => {}
            '0'..='9' => shown.push('N'),
            c => shown.push(c),
        }
        shown
    })
}

#[test]
fn the_first_search_goes_as_its_document_shows() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/first-search.md")).unwrap();
    let clips = concat!(env!("CARGO_MANIFEST_DIR"), "/../../footage/town");
    let mut deployment = Deployment::new();
    let home = deployment.home().display().to_string();
    let folder = deployment.path("work");
    fs::create_dir(&folder).unwrap();
    let replaced = [("footage/town", clips), ("/tmp/try", home.as_str())];

    let (mut compared, mut run) = (0, 0);
    for Shown { command, output } in shown(&document) {
        let words = words(&command, &replaced);
        if command.starts_with("export ") {
            continue;
        }
        assert!(command.starts_with("sightline "), "{command}");
        let mut process = match words[0].as_str() {
            "serve" => {
                deployment.serve();
                continue;
            }
            // The deployment is made already, with a free port; this is another.
            "init" => {
                let mut other = binary();
                other.args(["init", "--demo"]).env("SIGHTLINE_HOME", folder.join("try"));
                other
            }
            _ => deployment.command(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        if command.contains("case authorise") {
            // Nobody sits at a terminal to be asked.
            process.arg("--yes");
        }
        let (code, out, err) = spoken(&process.current_dir(&folder).output().unwrap());
        run += 1;
        assert_eq!(code == 0, !output.starts_with("error:"), "{command}\n{out}\n{err}\nserver: {}", deployment.log());
        if !output.is_empty() {
            let printed = stable(&format!("{out}\n{err}"), &[&folder, &deployment.home()]);
            assert_eq!(printed, stable(&output, &[]), "{command}\n{out}\n{err}");
            compared += 1;
        }
    }
    assert!(run >= 15 && compared >= 8, "{run} commands, {compared} compared: does the test still read the document?");
}
