//! "More like the one in this picture": read after the permit, erased, and not kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use access::{AuditEntry, Matter};
use deployment::Home;
use proto::v1;
use tonic::Code;

use crate::{
    harness::{Deployed, told},
    reindex::{admin, another, until_ready},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

/// A picture with one figure, large in it; `None`, said loudly, without footage.
fn picture() -> Option<Vec<u8>> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let root = std::env::var_os("SIGHTLINE_FOOTAGE").map_or(shared, PathBuf::from).join("coco_cc");
    let mut labels: Vec<PathBuf> = walk(&root.join("labels"));
    labels.sort();
    let alone = labels.iter().find(|file| {
        let text = fs::read_to_string(file).unwrap();
        let rows: Vec<Vec<f32>> = text.lines().map(|l| l.split_whitespace().map(|n| n.parse().unwrap()).collect()).collect();
        let people: Vec<_> = rows.iter().filter(|r| r[0] == 0.0).collect();
        people.len() == 1 && people[0][4] > 0.6 && people[0][3] < people[0][4]
    });
    let name = alone.and_then(|f| f.file_stem());
    let found = name.and_then(|name| walk(&root.join("images")).into_iter().find(|f| f.file_stem() == Some(name)));
    if found.is_none() {
        eprintln!("SKIPPED: no pictures; set SIGHTLINE_FOOTAGE");
    }
    found.map(|f| fs::read(f).unwrap())
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|e| e.unwrap().path()).flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}

fn ask(like_picture: &[u8]) -> v1::SearchRequest {
    v1::SearchRequest { case_id: "k".into(), like_picture: like_picture.to_vec(), ..Default::default() }
}

async fn deployed() -> Deployed {
    let deployed = Deployed::configured("", async |home: &Home| drop(seen::cars(home, 2).await)).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_of_somebody_is_refused_and_says_why() {
    let deployed = deployed().await;
    let refused = async |request| told(&deployed.search("investigator", request).await.unwrap_err());
    assert_eq!(refused(ask(b"not a picture")).await, (Code::InvalidArgument, "bad_picture".into()));
    // Grey, 1 x 1: a PNG in which nobody is.
    let grey = [
        0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a,
        0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82, 0, 0x81, 0x77, 0xcd, 0x72,
        0xb6, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ];
    assert_eq!(refused(ask(&grey)).await, (Code::InvalidArgument, "nobody_in_picture".into()));
    let both = v1::SearchRequest { like_sighting_id: "0f8fad5b-d9cb-469f-a165-70867728950e".into(), ..ask(&grey) };
    assert_eq!(refused(both).await, (Code::InvalidArgument, "two_examples".into()));
    // Without a case it is not even looked at.
    let without = v1::SearchRequest { case_id: "other".into(), ..ask(b"not a picture") };
    assert_eq!(refused(without).await, (Code::PermissionDenied, "no_case".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_searched_with_committed_to_and_kept_nowhere() {
    let Some(picture) = picture() else { return };
    let mut deployed = deployed().await;
    let (hits, summary) = deployed.search("investigator", ask(&picture)).await.unwrap();
    assert!(hits.iter().all(|h| h.appearance_score.is_some() && h.description_score.is_none()));
    let description = Some(v1::DescriptionQuery { class: v1::Class::Bus.into(), ..Default::default() });
    let bus = v1::SearchRequest { description, ..ask(&picture) };
    let refused = told(&deployed.search("investigator", bus).await.unwrap_err());
    assert_eq!(refused, (Code::InvalidArgument, "nobody_in_picture".into()), "there is no bus in it");

    let entries = deployed.entries().await;
    let entry = AuditEntry::from_bytes(&entries.iter().find(|e| e.seq == summary.audit_seq).unwrap().entry).unwrap();
    assert!(entry.detail.commitments.contains_key(&Matter::Picture) && entry.detail.sighting.is_none(), "{entry:?}");
    deployed.stop().await;
    let middle = &picture[picture.len() / 2..][..48];
    for file in walk(deployed.home.root()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(middle.len()).any(|w| w == middle), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_looked_for_by_the_model_that_is_searched_also_after_a_switch_and_back() {
    let Some(picture) = picture() else { return };
    let (mut deployed, dir) = (deployed().await, tempfile::tempdir().unwrap());
    let start = v1::StartReindexRequest { embedder: String::new(), appearance_path: another(dir.path()) };
    // Scores of the cars, all of which look the same.
    let likeness = async |deployed: &Deployed| {
        let (hits, _) = deployed.search("investigator", ask(&picture)).await.unwrap();
        assert_eq!(hits.len(), 2);
        hits[0].appearance_score.unwrap()
    };
    let old = likeness(&deployed).await;
    admin(&deployed).await.start_reindex(start).await.unwrap();
    until_ready(&deployed).await;
    assert!((likeness(&deployed).await - old).abs() < 1e-6);
    admin(&deployed).await.switch_reindex(v1::SwitchReindexRequest {}).await.unwrap();
    let new = likeness(&deployed).await;
    assert!((new - old).abs() > 1e-3, "{new} {old}");
    deployed.stop().await;
    deployed.again().await;
    assert!((likeness(&deployed).await - new).abs() < 1e-6, "another answer after a restart");
    admin(&deployed).await.roll_back_reindex(v1::RollBackReindexRequest {}).await.unwrap();
    assert!((likeness(&deployed).await - old).abs() < 1e-6);
}
