//! What may be said of a camera, a recorder or footage against `docs/cameras.md`: each message has a
//! row there that says what to do.

use std::{fs, path::Path};

/// Where the messages are written, and what stands before each in the source.
const MESSAGES: &[(&str, &[&str])] = &[
    ("onvif/src/error.rs", &["#[error("]),
    ("onvif/src/choice.rs", &["#[error("]),
    ("media/src/error.rs", &["#[error("]),
    (
        "media/src/door/fault.rs",
        &["what: ", "what = ", "1 => ", "3 => ", "4 => ", "457 => format!(", ".. => format!(", "_ => format!("],
    ),
    ("media/src/verdict.rs", &["what: ", "NotFound) {", "else {"]),
    ("pipeline/src/live.rs", &["#[error(", "format!("]),
    ("pipeline/src/anew.rs", &["format!("]),
    ("types/src/stream_url.rs", &["#[error("]),
    ("server/src/recorders.rs", &["#[error("]),
    ("server/src/jobs/shortfall.rs", &["format!("]),
    ("server/src/edge/services/imports.rs", &["format!("]),
    ("server/src/edge/services/live.rs", &["what = ", "if trusted {", "else {", "\"onvif\", "]),
    ("server/src/edge/services/recorders.rs", &["format!(", "message = ", "\"recording\", ", "\"to\", "]),
    ("server/src/edge/services/footage.rs", &["format!(", "message = "]),
    ("cli/src/commands/camera/sheet.rs", &["Err(", "Err(format!(", "|| format!("]),
];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

/// The literals that stand right after one of these words, without the tests.
fn literals(source: &str, before: &[&str]) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for word in before {
        for rest in source.split(word).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')) {
            let (mut text, mut chars) = (String::new(), rest.chars());
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                match c {
                    // A line that goes on.
                    '\\' => match chars.next() {
                        Some('\n') => chars = chars.as_str().trim_start().chars(),
                        escaped => text.extend(escaped),
                    },
                    c => text.push(c),
                }
            }
            found.push(text);
        }
    }
    found
}

/// Whether it has words of its own, and does not only put others together.
fn has_words(message: &str) -> bool {
    let is_word = |word: &&str| word.chars().all(|c| c.is_alphabetic() || ",;:'".contains(c));
    message.split_whitespace().filter(is_word).count() > 2
}

/// What the rows of a document's tables say in their first cell: several things with semicolons
/// between, each as its parts that stay.
fn rows(document: &str) -> Vec<Vec<String>> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let several = cells.flat_map(|cell| cell.split("; "));
    several
        .map(|one| one.split("...").map(|part| part.trim_matches([' ', ',']).to_owned()).filter(|p| !p.is_empty()).collect())
        .collect()
}

fn is_said(message: &str, row: &[String]) -> bool {
    let mut rest = message;
    let all = row.iter().all(|part| rest.split_once(part.as_str()).map(|(_, after)| rest = after).is_some());
    all && row.iter().map(String::len).sum::<usize>() > 7
}

#[test]
fn every_message_about_a_camera_a_recorder_or_footage_has_a_row_in_the_document() {
    let rows = rows(&read("docs/cameras.md"));
    let (mut seen, mut missing) = (0, Vec::new());
    for (file, before) in MESSAGES {
        let all = literals(&read(&format!("crates/{file}")), before);
        assert!(!all.is_empty(), "{file} has no messages: are they elsewhere now?");
        for message in all.iter().filter(|message| has_words(message)) {
            seen += 1;
            if !rows.iter().any(|row| is_said(message, row)) {
                missing.push(format!("{file}: {message}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/cameras.md:\n{}", missing.join("\n"));
    assert!(seen > 70, "only {seen} messages were found: does the test still read the sources?");
}

#[test]
fn a_message_without_a_row_is_noticed() {
    let source = "#[error(\"{device}: it sleeps for \\\n        {hours} hours; wake it\")]\n#[error(\"{0}; {1}\")]\n#[cfg(test)]\n#[error(\"a b c\")]";
    let all = literals(source, &["#[error("]);
    assert_eq!(all, ["{device}: it sleeps for {hours} hours; wake it", "{0}; {1}"]);
    assert_eq!((has_words(&all[0]), has_words(&all[1])), (true, false));
    let rows = rows("| it says | do |\n|---|---|\n| it wakes at night; it sleeps for ... hours | wake it |\n");
    assert!(rows.iter().any(|row| is_said(&all[0], row)));
    assert!(!rows.iter().any(|row| is_said("{device}: it sleeps", row)));
}
