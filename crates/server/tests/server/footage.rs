//! A file becomes sightings, once, or nothing at all.

use std::{fs, path::PathBuf};

use proto::v1::{self, footage_service_client::FootageServiceClient, search_service_client::SearchServiceClient};
use redact::RedactedCrop;
use tonic::Code;

use crate::harness::{Deployed, clip, told};

const START: &str = "2026-03-01T09:00:00Z";
const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

fn people(case: &str) -> v1::SearchRequest {
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    v1::SearchRequest { case_id: case.into(), description: Some(description), include_crops: true, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_file_gives_searchable_sightings_and_adding_it_again_adds_nothing() {
    let Some(clip) = clip() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let added = deployed.add(&clip, "gate", START).await.unwrap();
    assert!(!added.existed);
    let job = deployed.wait(&added.job.unwrap().id).await;
    assert_eq!(job.state(), v1::JobState::Done, "{} {}", job.error, job.hint);
    let progress = job.progress.unwrap();
    assert!(progress.sightings > 0 && progress.speed > 0.0 && progress.done == progress.total, "{progress:?}");

    deployed.authorised_case("k", "gate", FROM, TO).await;
    let (hits, summary) = deployed.search("investigator", people("k")).await.unwrap();
    assert!(!hits.is_empty() && summary.exact && summary.hits as usize == hits.len());
    for hit in &hits {
        RedactedCrop::decode(&hit.crop).unwrap();
    }
    let first = hits[0].sighting.clone().unwrap();
    let crop = v1::GetCropRequest { case_id: "k".into(), sighting_id: first.id.clone() };
    let crop = SearchServiceClient::new(deployed.channel("investigator").await).get_crop(crop).await.unwrap().into_inner();
    assert_eq!(crop.crop, hits[0].crop);

    // By example: the example itself is not among its hits.
    let like = v1::SearchRequest { like_sighting_id: first.id.clone(), ..people("k") };
    let (alike, _) = deployed.search("investigator", like).await.unwrap();
    assert!(alike.iter().all(|h| h.sighting.as_ref().unwrap().id != first.id && h.appearance_score.is_some()));

    // A case for another camera does not reach it, not even by its id.
    deployed.authorised_case("other", "yard", FROM, TO).await;
    assert!(deployed.search("investigator", people("other")).await.unwrap().0.is_empty());
    let crop = v1::GetCropRequest { case_id: "other".into(), sighting_id: first.id.clone() };
    let refused = SearchServiceClient::new(deployed.channel("investigator").await).get_crop(crop).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "outside".into()));
    assert!(!refused.message().contains("gate"), "the camera of a sighting outside the case is not told: {}", refused.message());

    let again = deployed.add(&clip, "gate", START).await.unwrap();
    assert!(again.existed && again.job.unwrap().id == job.id);
    let shifted = deployed.add(&clip, "gate", "2026-03-01T09:30:00Z").await.unwrap_err();
    assert_eq!(told(&shifted), (Code::AlreadyExists, "footage_exists".into()));

    deployed.stop().await;
    deployed.again().await;
    let (later, _) = deployed.search("investigator", people("k")).await.unwrap();
    let ids = |hits: &[v1::Hit]| hits.iter().map(|h| h.sighting.clone().unwrap().id).collect::<Vec<_>>();
    assert_eq!(ids(&later), ids(&hits));
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == check.vectors && check.sightings == check.crops, "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_decoder_dies_is_looked_at_again_and_one_that_always_dies_fails_with_its_place_and_no_other() {
    let Some(clip) = clip() else { return };
    let deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str, number: u8| {
        let path = dir.path().join(name);
        // Bytes after its end make it another file.
        fs::write(&path, [fs::read(&clip).unwrap(), vec![number; 4]].concat()).unwrap();
        path
    };
    let job = async |path: PathBuf, camera: &str| {
        let job = deployed.add(&path, camera, START).await.unwrap().job.unwrap();
        deployed.wait(&job.id).await
    };
    let whole = job(copy("whole.mp4", 1), "gate").await;
    assert_eq!(whole.state(), v1::JobState::Done, "{} {}", whole.error, whole.hint);
    let before = deployed.check().await.sightings;

    media::decoders_fail("dies-once", "once:segv");
    let once = job(copy("dies-once.mp4", 2), "yard").await;
    assert_eq!(once.state(), v1::JobState::Done, "{} {}", once.error, once.hint);
    assert_eq!(once.progress.unwrap().sightings, whole.progress.unwrap().sightings);
    let after = deployed.check().await;
    assert!(after.clean && after.sightings == 2 * before, "{after:?}");

    media::decoders_fail("always-dies", "segv");
    let always = job(copy("always-dies.mp4", 3), "gate").await;
    assert_eq!(always.state(), v1::JobState::Failed);
    assert!(always.error.contains("crashed (SIGSEGV) after "), "{}", always.error);
    assert!(always.hint.contains("report it"), "{}", always.hint);
    let after = deployed.check().await;
    assert!(after.clean && after.sightings == 2 * before, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stopped_in_the_middle_of_a_job_completes_it_after_the_next_start() {
    let Some(clip) = clip() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let job = deployed.add(&clip, "gate", START).await.unwrap().job.unwrap();
    let mut footage = FootageServiceClient::new(deployed.channel("operator").await);
    let mut watch = footage.watch_job(v1::WatchJobRequest { job_id: job.id.clone() }).await.unwrap().into_inner();
    while let Ok(Some(update)) = watch.message().await {
        if update.job.unwrap().state() != v1::JobState::Queued {
            break;
        }
    }
    deployed.stop().await;
    drop(watch);
    deployed.again().await;
    let job = deployed.wait(&job.id).await;
    assert_eq!(job.state(), v1::JobState::Done, "{}", job.error);
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == job.progress.unwrap().sightings, "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_footage_is_refused_or_fails_with_what_to_do_and_leaves_nothing() {
    let deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let garbage: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let add = async |path: PathBuf, camera: &str, start: &str| {
        let status = deployed.add(&path, camera, start).await.unwrap_err();
        assert!(proto::hint(&status).is_some_and(|h| !h.is_empty()), "no hint: {status:?}");
        told(&status)
    };
    assert_eq!(add(dir.path().join("none.mp4"), "gate", START).await, (Code::NotFound, "file_missing".into()));
    assert_eq!(add("relative.mp4".into(), "gate", START).await, (Code::InvalidArgument, "path".into()));
    assert_eq!(add(dir.path().into(), "gate", START).await, (Code::NotFound, "file_missing".into()));
    assert_eq!(add(file("empty.mp4", b""), "gate", START).await, (Code::InvalidArgument, "file_empty".into()));
    let bad = file("garbage.mp4", &garbage);
    assert_eq!(add(bad.clone(), "gate", START).await, (Code::InvalidArgument, "not_footage".into()));
    assert_eq!(add(bad.clone(), "nowhere", START).await, (Code::NotFound, "unknown_camera".into()));
    assert_eq!(add(bad, "gate", "2126-03-01T09:00:00Z").await, (Code::InvalidArgument, "start_in_future".into()));

    if let Some(clip) = clip() {
        let whole = fs::read(clip).unwrap();
        let cut = file("cut.mp4", &whole[..whole.len() * 6 / 10]);
        // An MP4 whose index is at its end can't be read at all; one whose index comes first is read until it breaks off.
        match deployed.add(&cut, "gate", START).await {
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{status:?}"),
            Ok(added) => {
                let job = deployed.wait(&added.job.unwrap().id).await;
                assert_eq!(job.state(), v1::JobState::Failed);
                assert!(!job.error.is_empty() && !job.hint.is_empty(), "{job:?}");
            }
        }
    }
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == 0 && check.crops == 0, "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readable_part_of_a_damaged_file_is_kept_only_on_request_and_the_job_says_what_is_wrong() {
    let Some(clip) = clip() else { return };
    let square = clip.parent().unwrap().join("../../opencv_vtest/vtest.avi");
    let Ok(whole) = fs::read(&square) else {
        eprintln!("SKIPPED: no footage at {}", square.display());
        return;
    };
    let deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.avi");
    fs::write(&cut, &whole[..whole.len() / 20]).unwrap();
    let added = deployed.add(&cut, "gate", START).await.unwrap();
    let job = deployed.wait(&added.job.unwrap().id).await;
    assert_eq!(job.state(), v1::JobState::Failed);
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == 0, "{check:?}");

    let added = deployed.add_with(&cut, "gate", START, true).await.unwrap();
    let job = deployed.wait(&added.job.unwrap().id).await;
    assert_eq!(job.state(), v1::JobState::Done, "{} {}", job.error, job.hint);
    assert!(job.error.contains("cut.avi"), "{job:?}");
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == job.progress.unwrap().sightings && check.sightings > 0, "{check:?}");
}

/// Pictures of JPEG one after another, as some cameras store them.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_clock_is_refused_unless_its_rate_is_stated_and_then_goes_by_it() {
    let deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bare.mjpeg");
    let mut bytes = std::io::Cursor::new(Vec::new());
    for n in 0..20u8 {
        let picture = image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, y as u8, n * 10]));
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    }
    fs::write(&path, bytes.into_inner()).unwrap();
    let settings = |stated_fps: f64| v1::FootageSettings { sample_fps: 2.0, stated_fps, ..Default::default() };
    let refused = deployed.add_set(&path, "gate", START, settings(0.0)).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "no_clock".into()));
    assert!(proto::hint(&refused).is_some_and(|hint| hint.contains("--fps")), "{refused:?}");
    for nonsense in [0.001, 1000.0, -1.0, f64::NAN] {
        let refused = deployed.add_set(&path, "gate", START, settings(nonsense)).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "stated_fps".into()), "{nonsense}");
    }
    let added = deployed.add_set(&path, "gate", START, settings(4.0)).await.unwrap();
    let job = deployed.wait(&added.job.unwrap().id).await;
    assert_eq!((job.state(), job.error.as_str()), (v1::JobState::Done, ""), "{}", job.hint);
    let (settings, progress) = (job.settings.unwrap(), job.progress.unwrap());
    assert_eq!((settings.stated_fps, progress.frames), (4.0, 10));
}

/// What a camera owner is told about a path: without the path, which they gave themselves.
async fn owner_is_told(deployed: &Deployed, path: &std::path::Path) -> Result<v1::Job, (Code, String, String)> {
    let request = v1::AddFootageRequest {
        path: path.to_str().unwrap().to_owned(),
        camera_id: "gate".into(),
        start: Some(crate::harness::time(START)),
        ..Default::default()
    };
    let added = FootageServiceClient::new(deployed.channel("camera-owner").await).add_footage(request).await;
    added.map(|a| a.into_inner().job.unwrap()).map_err(|status| {
        let (code, reason) = told(&status);
        (code, reason, status.message().replace(path.to_str().unwrap(), "PATH"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_adds_what_lies_beneath_the_agencys_root_and_is_told_nothing_of_other_files() {
    let Some(clip) = clip() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (root, other) = (dir.path().join("local"), dir.path().join("other"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&other).unwrap();
    fs::copy(&clip, root.join("mine.mp4")).unwrap();
    fs::copy(&clip, other.join("theirs.mp4")).unwrap();
    fs::write(other.join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(other.join("theirs.mp4"), root.join("link.mp4")).unwrap();
    let fifo = root.join("fifo.mp4");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());

    let unconfigured = Deployed::with_cameras().await;
    let nothing = owner_is_told(&unconfigured, &root.join("none.mp4")).await.unwrap_err();
    assert_eq!((nothing.0, nothing.1.as_str()), (Code::NotFound, "file_missing"));
    assert_eq!(owner_is_told(&unconfigured, &root.join("mine.mp4")).await.unwrap_err(), nothing);

    let more = format!("[footage]\nroots = {{ local = {root:?} }}\n");
    let deployed = Deployed::configured(&more, async |_| {}).await;
    deployed.add_cameras().await;
    for path in [
        root.join("none.mp4"),
        root.join("link.mp4"),
        root.join("../other/theirs.mp4"),
        other.join("theirs.mp4"),
        other.join("secret.txt"),
        other.join("none.mp4"),
        other.clone(),
        root.clone(),
        fifo,
        "/dev/null".into(),
        "/proc/self/root/etc/passwd".into(),
    ] {
        assert_eq!(owner_is_told(&deployed, &path).await.unwrap_err(), nothing, "{}", path.display());
        let operator = deployed.add(&path, "gate", START).await.unwrap_err();
        assert_eq!(told(&operator), (Code::NotFound, "file_missing".into()), "{}", path.display());
    }
    let job = owner_is_told(&deployed, &root.join("mine.mp4")).await.unwrap();
    let job = deployed.wait(&job.id).await;
    assert_eq!(job.state(), v1::JobState::Done, "{} {}", job.error, job.hint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_the_name_of_what_was_added_is_not_indexed_under_its_digest() {
    let Some(clip) = clip() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp4");
    fs::copy(&clip, &path).unwrap();
    let job = deployed.add(&path, "gate", START).await.unwrap().job.unwrap();
    deployed.stop().await;
    fs::copy(clip.with_file_name("cam02.mp4"), dir.path().join("b.mp4")).unwrap();
    fs::rename(dir.path().join("b.mp4"), &path).unwrap();
    deployed.again().await;
    let job = deployed.wait(&job.id).await;
    assert_eq!(job.state(), v1::JobState::Failed);
    assert!(job.error.contains("was written to or renamed") && !job.hint.is_empty(), "{job:?}");
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == 0 && check.crops == 0, "{check:?}");
}
