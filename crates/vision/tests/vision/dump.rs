//! A workbench, not a test: frames of folders to redacted crops and a table, to look at and to measure with.

use std::{fmt::Write as _, fs, path::PathBuf};

use redact::{Subject, redact};
use types::{Class, Group, Rect};
use vision::{SceneLight, Tracker, TrackerOptions, carried_by, describe};

use crate::support::{cut, frame, picture, vision};

#[test]
#[ignore = "a workbench: SIGHTLINE_DUMP_IN holds folders of frames named by number, SIGHTLINE_DUMP_OUT takes the crops"]
fn dump() {
    let (Ok(from), Ok(to)) = (std::env::var("SIGHTLINE_DUMP_IN"), std::env::var("SIGHTLINE_DUMP_OUT")) else { return };
    let fps: f64 = std::env::var("SIGHTLINE_DUMP_FPS").ok().and_then(|v| v.parse().ok()).unwrap_or(25.0);
    let mut vision = vision();
    let mut table = String::from("camera\tframe\ttrack\tclass\tscore\tx\ty\tw\th\tfile\tdescription\tembedding\n");
    fs::create_dir_all(&to).unwrap();
    let mut folders: Vec<PathBuf> = fs::read_dir(&from).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let camera = folder.file_name().unwrap().to_string_lossy().into_owned();
        let rate = if camera.starts_with("p2s") { 60.0 } else { fps };
        let mut tracker = Tracker::new(TrackerOptions::default());
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let mut times = [0.0; 6];
        for file in &files {
            let number: u64 = file.file_stem().unwrap().to_string_lossy().parse().unwrap();
            let (rgb, size) = picture(file);
            let frame = frame(&rgb, size, number, (number as f64 * 1000.0 / rate) as u64);
            let all = vision.detector.detect(&frame).unwrap();
            let t = vision.detector.times();
            times[0] += t.prepare.as_secs_f64() * 1e3;
            times[1] += t.model.as_secs_f64() * 1e3;
            times[2] += t.decode.as_secs_f64() * 1e3;
            let people: Vec<Rect> = all.iter().filter(|d| d.class == Class::Person).map(|d| d.bbox).collect();
            let step = tracker.update(frame.at, size, &all);
            for (id, d) in step.seen {
                let Some((raw, bbox, people)) = cut(&frame, &d.bbox, &people) else { continue };
                let began = std::time::Instant::now();
                let crop = match redact(raw, &Subject { class: d.class, bbox, people }, &mut vision.faces) {
                    Ok(crop) => crop,
                    Err(error) => {
                        println!("{camera} {number} {error}");
                        continue;
                    }
                };
                times[3] += began.elapsed().as_secs_f64() * 1e3;
                let began = std::time::Instant::now();
                let e = vision.embedder.embed(&crop).unwrap();
                times[4] += began.elapsed().as_secs_f64() * 1e3;
                times[5] += 1.0;
                let things: Vec<_> = all.iter().filter(|t| t.class.group() == Group::Carried).copied().collect();
                let seen = vision.embedder.see(&crop).unwrap();
                let said = describe(&crop, &seen, d.class, &carried_by(&d, &things), SceneLight::of_frame(&frame).as_ref());
                let name = format!("{camera}_{number:05}_{}.png", id.0);
                let s = crop.size();
                image::save_buffer(format!("{to}/{name}"), crop.rgb(), s.width, s.height, image::ColorType::Rgb8).unwrap();
                let word = |d: Option<types::Described<types::Colour>>| {
                    d.map_or("-".into(), |d| format!("{}:{:.2}", d.word, d.confidence))
                };
                let values: Vec<String> = e.values().iter().map(|v| format!("{v:.5}")).collect();
                let sub = crop.subject();
                let erased: Vec<String> =
                    crop.erased().iter().map(|r| format!("{},{},{},{}", r.x, r.y, r.width, r.height)).collect();
                writeln!(
                    table,
                    "{camera}\t{number}\t{}\t{}\t{:.3}\t{:.1}\t{:.1}\t{:.1}\t{:.1}\t{name}\tupper={} lower={} vehicle={} carry={:?} sub={},{},{},{} erased={}\t{}",
                    id.0, d.class, d.score, d.bbox.x, d.bbox.y, d.bbox.width, d.bbox.height,
                    word(said.upper), word(said.lower), word(said.vehicle_colour),
                    said.carrying.iter().map(|c| c.word.as_str()).collect::<Vec<_>>(),
                    sub.x, sub.y, sub.width, sub.height, erased.join(";"), values.join(",")
                )
                .unwrap();
            }
        }
        let n = files.len() as f64;
        println!(
            "{camera}: {n} frames, ms: prepare {:.2} model {:.2} decode {:.3}; redact {:.2} embed {:.2} a crop, {} crops",
            times[0] / n,
            times[1] / n,
            times[2] / n,
            times[3] / times[5],
            times[4] / times[5],
            times[5]
        );
    }
    fs::write(format!("{to}/table.tsv"), table).unwrap();
}
