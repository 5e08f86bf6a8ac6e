//! The report for people: one page that needs nothing else. No script and nothing fetched; the page's own policy forbids it.

use std::fmt::{self, Write};

use access::Proof;
use base64::{Engine, prelude::BASE64_STANDARD};
use types::FootageDigest;

use super::{
    files::Files,
    manifest::{Exhibit, Manifest, Moment, Word},
};

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<style>
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #111; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #999; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
th { font-weight: 600; white-space: nowrap; } .warning { border: 3px solid #b00; padding: .6rem 1rem; font-weight: 600; }
article { display: flex; gap: 1rem; margin: 1rem 0; break-inside: avoid; border-top: 1px solid #ccc; padding-top: 1rem; }
article img { width: 128px; object-fit: contain; align-self: flex-start; background: #eee; }
code { overflow-wrap: anywhere; font-size: .85em; }
@media (max-width: 40rem) { article { flex-direction: column; } }
</style>
"#;

/// Text from elsewhere, harmless in a page.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if c.is_control() => f.write_char(' '),
            // Nothing may turn the reading direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Ok(()),
            c => f.write_char(c),
        })
    }
}

/// The page of an export. `crops`: the pictures that the manifest names.
pub fn report(manifest: &Manifest, crops: &Files) -> String {
    let mut page = String::from(HEAD);
    // Writing into a string does not fail.
    let _ = write(&mut page, manifest, crops);
    page
}

fn write(page: &mut String, m: &Manifest, crops: &Files) -> fmt::Result {
    let case = m.case.id().as_str();
    writeln!(page, "<title>Possible sightings, case {}</title>\n</head>\n<body>", Safe(case))?;
    writeln!(page, "<h1>Possible sightings, case {}</h1>", Safe(case))?;
    if m.exported.unauthorised {
        let until = m.exported.authorise_by.map_or_else(String::new, |t| format!(" by {t}"));
        writeln!(
            page,
            "<p class=\"warning\">NOT AUTHORISED. This was exported in an emergency, before anybody agreed to the search. If nobody \
             authorises case {}{until}, or somebody refuses it, every copy of this must be destroyed.</p>",
            Safe(case)
        )?;
    }
    writeln!(
        page,
        "<p>{} Each is a <em>possible sighting</em>: a figure or vehicle that fits what was asked for. Nobody is identified here.</p>",
        match m.sightings.len() {
            0 => "No possible sighting was found.".to_owned(),
            1 => "1 possible sighting.".to_owned(),
            n => format!("{n} possible sightings."),
        }
    )?;
    authority(page, m)?;
    asked(page, m)?;
    writeln!(page, "<h2>Possible sightings</h2>")?;
    for exhibit in &m.sightings {
        sighting(page, exhibit, crops.get(&exhibit.crop).map(Vec::as_slice))?;
    }
    explanations(page, m)?;
    record(page, m)?;
    writeln!(page, "</body>\n</html>")
}

fn row(page: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", Safe(value))
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

fn authority(page: &mut String, m: &Manifest) -> fmt::Result {
    let grant = &m.case.grant;
    let scope = &grant.scope;
    writeln!(page, "<h2>On whose authority</h2>\n<table>")?;
    row(page, "Purpose", &grant.purpose.as_str().replace('_', " "))?;
    row(page, "Legal basis", &grant.legal_basis)?;
    row(page, "Reason", &grant.reason)?;
    row(page, "Asked by", &grant.requester.to_string())?;
    if m.case.authorisations.is_empty() {
        row(page, "Authorised by", "nobody yet")?;
    }
    for a in &m.case.authorisations {
        let with = match &a.proof {
            Proof::Key { key, .. } => format!("the key {}", hex::encode(key.0)),
            Proof::Passkey { passkey, .. } => format!("a passkey of {}, {}", passkey.server, hex::encode(&passkey.key)),
        };
        row(page, "Authorised by", &format!("{}, {}, with {with}", a.by, a.at))?;
    }
    if let Some(emergency) = &grant.emergency {
        row(page, "Emergency", emergency)?;
    }
    let mut places: Vec<String> = scope.cameras.iter().map(ToString::to_string).collect();
    places.extend(scope.agencies.iter().map(|a| format!("all of {a}")));
    if let Some(area) = &scope.area {
        let (latitude, longitude) = area.centre.degrees();
        places.push(format!("what hangs within {} m of {latitude}, {longitude}", area.radius_m));
    }
    row(page, "Cameras of the case", &places.join(", "))?;
    row(page, "Time of the case", &format!("{} to {}", scope.window.from(), scope.window.to()))?;
    row(page, "Valid", &format!("{} to {}", grant.opened, grant.expires))?;
    row(page, "Exported", &format!("{} by {}", m.exported.at, m.exported.by))?;
    writeln!(page, "</table>")
}

fn asked(page: &mut String, m: &Manifest) -> fmt::Result {
    let s = &m.selection;
    writeln!(page, "<h2>What was asked</h2>\n<table>")?;
    if s.by_hand {
        row(page, "Selection", "named one by one by whoever exported")?;
    } else {
        row(page, "Looked for", &if s.words.is_empty() { "anything like the example".to_owned() } else { list(&s.words) })?;
    }
    if let Some(example) = &s.like {
        row(page, "Like", &format!("the sighting {example}"))?;
    }
    for (what, examples) in [("Like", &s.like_these), ("Not like", &s.unlike)] {
        if !examples.is_empty() {
            row(page, what, &format!("the sightings {}", list(examples)))?;
        }
    }
    if s.like_picture {
        row(page, "Like", "a picture that was shown, its faces erased first; it was not kept")?;
    }
    row(page, "Time", &format!("{} to {}", s.from, s.to))?;
    row(page, "Cameras", &list(&s.cameras))?;
    if !s.left_out_cameras.is_empty() {
        row(page, "Kept out by their owners", &list(&s.left_out_cameras))?;
    }
    match s.exact {
        Some(true) => row(page, "Completeness", &format!("every sighting in scope was compared; at most {} are shown", s.limit))?,
        Some(false) => row(page, "Completeness", &format!("some sightings may have been missed; at most {} are shown", s.limit))?,
        None => {}
    }
    writeln!(page, "</table>")
}

fn when(moment: &Moment) -> String {
    format!("{} \u{b1}{} s", moment.time, moment.uncertainty_s)
}

fn clock(source: &str) -> &str {
    match source {
        "given" => "the start time that somebody gave for the footage, plus the position in it",
        "sender_report" => "the camera's own clock",
        "recorder" => "the recorder's own clock, as it said of each picture that it played",
        "received" => "the server's clock when the picture arrived",
        other => other,
    }
}

fn said(words: &[Word]) -> String {
    list(words.iter().map(|w| format!("{} {} ({:.0} % sure)", w.part.replace('_', " "), w.word, 100.0 * w.confidence)))
}

fn sighting(page: &mut String, e: &Exhibit, crop: Option<&[u8]>) -> fmt::Result {
    writeln!(page, "<article>")?;
    if let Some(crop) = crop {
        let data = BASE64_STANDARD.encode(crop);
        writeln!(
            page,
            "<img alt=\"Picture of possible sighting {}, face erased\" src=\"data:image/jpeg;base64,{data}\">",
            e.number
        )?;
    }
    writeln!(page, "<table>\n<tr><th>Number</th><td>{} <code>{}</code></td></tr>", e.number, e.sighting)?;
    let place = if e.place.is_empty() { e.camera.to_string() } else { format!("{}: {}", e.camera, e.place) };
    row(page, "Camera", &format!("{place} ({})", e.agency))?;
    row(page, "Picture taken", &when(&Moment { time: e.time, ..e.first.clone() }))?;
    row(page, "In view", &format!("{} to {}", when(&e.first), when(&e.last)))?;
    row(page, "Clock", clock(&e.first.source))?;
    row(page, "Described as", &[e.class.clone(), said(&e.description)].join(if e.description.is_empty() { "" } else { "; " }))?;
    if let Some(score) = e.score {
        let mut why = said(&e.matched);
        if let Some(likeness) = e.appearance_score {
            let _ = write!(why, "{}likeness {likeness:.2}", if why.is_empty() { "" } else { ", " });
        }
        row(page, "Score", &format!("{score:.2}, because: {}", if why.is_empty() { "it is of that class" } else { &why }))?;
    }
    if let Some(footage) = &e.footage_sha256 {
        let of_recording = footage.parse::<FootageDigest>().is_ok_and(|digest| digest.is_of_recording());
        let what = if of_recording { "Recording on a recorder, no file; what names it" } else { "Footage, SHA-256" };
        row(page, what, footage)?;
    }
    writeln!(page, "</table>\n</article>")
}

fn explanations(page: &mut String, m: &Manifest) -> fmt::Result {
    page.push_str(
        "<h2>How faces were erased</h2>\n\
         <p>No face was compared, described or kept. Before a picture was stored, a face finder looked at it only to erase: every \
         face it found was filled with one colour, and so was the region where the head of an upright figure must be, whether a \
         face was found there or not. A picture for which that was not possible was dropped. What is left was made small, at most \
         128 x 256 pixels. The pictures here are the stored ones; there are no others, and the video never left its owner.</p>\n\
         <h2>How well times are known</h2>\n\
         <p>A time is that of the light on the sensor, in UTC, as far as the clock named beside it is right. \u{b1} is half the width of \
         the interval that the true time lies in; two sightings whose intervals overlap can't be put in order.</p>\n\
         <h2>What is not claimed</h2>\n<ul>\n",
    );
    for claim in &m.not_claimed {
        writeln!(page, "<li>{}</li>", Safe(claim))?;
    }
    writeln!(page, "</ul>")
}

fn record(page: &mut String, m: &Manifest) -> fmt::Result {
    writeln!(
        page,
        "<h2>How to check this</h2>\n\
         <p><code>sightline verify FOLDER --log-key KEY</code> says whether this file, its pictures and all that came with it are as \
         they were exported, with no server and no network. Have the log's key from somebody you believe; this export says it is \
         <code>{}</code>. The searches of the case are on a public record; the receipts are in the folder <code>receipts</code>.</p>",
        Safe(&m.exported.log)
    )?;
    writeln!(page, "<table>\n<tr><th>Entry</th><th>Time</th><th>Who</th><th>What</th><th>How it ended</th></tr>")?;
    for line in &m.record {
        let who = line.caller.as_ref().map_or_else(|| "the server".to_owned(), ToString::to_string);
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            line.entry,
            line.at,
            Safe(&who),
            Safe(&line.action),
            Safe(&line.outcome)
        )?;
    }
    writeln!(page, "</table>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_somebody_wrote_becomes_markup() {
        let bad = "<script>alert('x')</script> \" & \u{202e}\u{7}";
        assert_eq!(Safe(bad).to_string(), "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &quot; &amp;  ");
    }
}
