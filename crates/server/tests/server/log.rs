//! The log of a real server: what it writes, what it gives, and what it notices.

use std::{collections::BTreeMap, fs, path::Path};

use access::{
    AuditEntry, Phase,
    log::{LogError, MemoryTiles, NoteError, Receipt, TileStore, Trust, verify_log},
};
use audit_log::{FileTiles, LogFault, read_note, verify_folder};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use proto::v1::{self, admin_service_client::AdminServiceClient, log_service_client::LogServiceClient};

use deployment::log_key;
use server::{RecordFault, ServeError, Server, StoreError};
use tonic::Code;

use crate::harness::{Deployed, config, told};

const TRIES: usize = 10_000;

fn trust(deployed: &Deployed) -> Trust {
    Trust::of(log_key(&deployed.home).unwrap())
}

fn files(folder: &Path, under: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(under).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            files(folder, &entry, into);
        } else {
            let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            into.insert(name, fs::read(&entry).unwrap());
        }
    }
}

/// Calls enough for more than one full tile.
async fn fill(deployed: &Deployed, calls: usize) {
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    for _ in 0..calls {
        admin.status(v1::StatusRequest {}).await.unwrap();
    }
}

async fn receipt(deployed: &Deployed, who: &str, audit_seq: u64) -> Result<v1::GetReceiptResponse, tonic::Status> {
    let mut log = LogServiceClient::new(deployed.channel(who).await);
    Ok(log.get_receipt(v1::GetReceiptRequest { audit_seq }).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_a_search_is_checked_with_the_logs_key_alone_and_given_to_nobody_else() {
    let deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    let (_, summary) = deployed.search("investigator", request).await.unwrap();
    for (seq, began) in [(summary.audit_seq, true), (summary.completed_audit_seq, false)] {
        let answer = receipt(&deployed, "investigator", seq).await.unwrap();
        assert_eq!(answer.log_key, log_key(&deployed.home).unwrap().to_string());
        let receipt: Receipt = answer.receipt.parse().unwrap();
        let entry = receipt.extra.clone().unwrap();
        let checked = receipt.verify(&trust(&deployed), &entry).unwrap();
        assert!(receipt.index == seq - 1 && checked.head.size >= seq && checked.witnessed.is_empty());
        let entry = AuditEntry::from_bytes(&entry).unwrap();
        assert_eq!((entry.phase == Phase::Begin, entry.case.unwrap().as_str()), (began, "k"));
        assert!(receipt.verify(&trust(&deployed), b"another").is_err());
    }
    // The auditor may have every one, others their own, and nobody one that is not there.
    assert!(receipt(&deployed, "auditor", summary.audit_seq).await.is_ok());
    let refused = receipt(&deployed, "operator", summary.audit_seq).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "not_yours".into()));
    for nothing in [0, u64::MAX / 2, u64::MAX] {
        let refused = receipt(&deployed, "auditor", nothing).await.unwrap_err();
        assert_eq!(told(&refused), (Code::NotFound, "no_entry".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_commits_and_all_of_them_are_in_the_log() {
    let mut deployed = Deployed::start().await;
    let channel = deployed.channel("operator").await;
    // Before the first answer a client does not know how many calls the server takes at once, and has some refused.
    AdminServiceClient::new(channel.clone()).status(v1::StatusRequest {}).await.unwrap();
    let calls: Vec<_> = (1..200)
        .map(|_| {
            let mut admin = AdminServiceClient::new(channel.clone());
            tokio::spawn(async move { admin.status(v1::StatusRequest {}).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    deployed.stop().await;
    let (mut begun, mut ended) = (0, 0);
    let tiles = FileTiles::new(deployed.home.log());
    let mut others = 0;
    let checked = verify_folder(&tiles, &trust(&deployed), |_, bytes| match AuditEntry::from_bytes(bytes).unwrap() {
        // Whom the server knows.
        AuditEntry { caller: None, .. } => others += 1,
        AuditEntry { phase: Phase::Begin, .. } => begun += 1,
        _ => ended += 1,
    });
    assert_eq!((checked.unwrap().head.size - others, begun, ended), (400, 200, 200));
}

/// Random, and the same on every run.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_files_a_server_wrote_is_noticed() {
    let mut deployed = Deployed::start().await;
    // Whom the server knows is on the record already.
    deployed.stop().await;
    let known = verify_folder(&FileTiles::new(deployed.home.log()), &trust(&deployed), |_, _| {}).unwrap().head.size;
    deployed.again().await;
    fill(&deployed, 150 - usize::try_from(known / 2).unwrap()).await;
    deployed.stop().await;
    let mut store = MemoryTiles::default();
    let folder = deployed.home.log();
    files(&folder, &folder, &mut store.0);
    let head = verify_folder(&FileTiles::new(&folder), &trust(&deployed), |_, _| {}).unwrap().head;
    assert_eq!(head.size, 300);
    // Partial tiles of smaller trees lie about; these are the tree of this checkpoint.
    let live = ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"];
    assert!(live.iter().all(|p| store.0.contains_key(*p)), "{:?}", store.0.keys());
    assert!(!store.0.keys().any(|p| p.starts_with("tile/0/000.p")), "partial tiles are dropped with the full one");

    let mut dice = Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &[4; 32]));
    let mut tried = 0;
    while tried < TRIES {
        let path = live[dice.below(live.len())];
        let mut tampered = store.clone();
        let data = tampered.0.get_mut(path).unwrap();
        let what = dice.below(5);
        match what {
            0 => {
                let bit = dice.below(data.len() * 8);
                data[bit / 8] ^= 1 << (bit % 8);
            }
            1 => drop(tampered.0.remove(path)),
            2 => data.truncate(dice.below(store.0[path].len())),
            // Entries or hashes in another order, dropped, or doubled.
            3 => {
                let mut parts = parts(path, data);
                let (a, b) = (dice.below(parts.len()), dice.below(parts.len()));
                match dice.below(3) {
                    0 => parts.swap(a, b),
                    1 => drop(parts.remove(a)),
                    _ => parts[a] = parts[b].clone(),
                }
                *data = parts.concat();
            }
            _ => {
                let other = live[dice.below(live.len())];
                let (a, b) = (store.0[path].clone(), store.0[other].clone());
                tampered.0.insert(path.to_owned(), b);
                tampered.0.insert(other.to_owned(), a);
            }
        }
        if tampered == store {
            continue;
        }
        tried += 1;
        assert!(verify_log(&tampered, &head, |_, _| {}).is_err(), "change {what} of {path}");
    }
}

/// A tile's hashes, or a bundle's entries with their lengths.
fn parts(path: &str, data: &[u8]) -> Vec<Vec<u8>> {
    if !path.contains("entries") {
        return data.chunks(32).map(<[u8]>::to_vec).collect();
    }
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some((len, _)) = rest.split_first_chunk::<2>() {
        let (part, after) = rest.split_at(2 + usize::from(u16::from_be_bytes(*len)));
        parts.push(part.to_vec());
        rest = after;
    }
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_checkpoint_file_or_database_is_noticed() {
    let mut deployed = Deployed::with_cameras().await;
    deployed.stop().await;
    let tiles = FileTiles::new(deployed.home.log());
    let checkpoint = fs::read_to_string(tiles.checkpoint()).unwrap();
    for line in 1..3 {
        let mut lines: Vec<String> = checkpoint.split('\n').map(str::to_owned).collect();
        lines[line] = if line == 1 { "3".to_owned() } else { lines[line].chars().rev().collect() };
        fs::write(tiles.checkpoint(), lines.join("\n")).unwrap();
        let error = verify_folder(&tiles, &trust(&deployed), |_, _| {}).unwrap_err();
        assert!(matches!(error, LogFault::Log(LogError::Note(NoteError::Signature(_)))), "{error:?}");
        let error = Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err();
        assert!(matches!(error, ServeError::Store(StoreError::Log(_))), "{error:?}");
    }
    fs::write(tiles.checkpoint(), checkpoint).unwrap();

    // Somebody edits an old entry where the database keeps it.
    let database = deployed.home.root().join("data/catalogue.db");
    let mut first = 0;
    let agency = |bytes: &[u8]| AuditEntry::from_bytes(bytes).unwrap().action == access::Action::AddAgency;
    let seen = |index: u64, bytes: &[u8]| {
        if first == 0 && agency(bytes) {
            first = index + 1;
        }
    };
    verify_folder(&tiles, &trust(&deployed), seen).unwrap();
    let mut bytes = fs::read(&database).unwrap();
    let needle = b"\"action\":\"agency.add\"";
    let at: Vec<usize> = (0..bytes.len() - needle.len()).filter(|i| bytes[*i..].starts_with(needle)).collect();
    assert!(!at.is_empty());
    for i in at {
        bytes[i + 11] ^= 1;
    }
    fs::write(&database, bytes).unwrap();
    deployed.again().await;
    let check = deployed.check().await;
    assert!(!check.clean && check.findings[0].kind() == v1::FindingKind::Audit, "{check:?}");
    assert!(check.findings[0].message.contains(&format!("entry {first} of the catalogue")), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_an_older_copy_of_its_log_refuses_to_start() {
    let mut deployed = Deployed::with_cameras().await;
    deployed.stop().await;
    let home = deployed.home.root().to_owned();
    let copy = |from: &str, to: &str| fs::copy(home.join(from), home.join(to)).map(drop).unwrap();
    copy("data/catalogue.db", "older.db");
    let older_log = home.join("older-log");
    copy_folder(&deployed.home.log(), &older_log);
    deployed.again().await;
    fill(&deployed, 3).await;
    deployed.stop().await;
    copy("data/catalogue.db", "newer.db");
    let newer_log = home.join("newer-log");
    copy_folder(&deployed.home.log(), &newer_log);

    // The database alone is older than the log; then both are, and only the high-water mark knows.
    copy("older.db", "data/catalogue.db");
    for log in [&newer_log, &older_log] {
        fs::remove_dir_all(deployed.home.log()).unwrap();
        copy_folder(log, &deployed.home.log());
        let error = Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err();
        let ServeError::Store(StoreError::Log(RecordFault::Log(fault @ LogFault::Older { have, seen, .. }))) = &error else {
            panic!("{error:?}")
        };
        assert!(have < seen && fault.to_string().contains("older copy"), "{fault}");
        assert!(error.hint().contains("restore the newest copy"), "{}", error.hint());
    }
    // Lost tiles are made again from the newest database, and are held against the mark.
    copy("newer.db", "data/catalogue.db");
    fs::remove_dir_all(deployed.home.log()).unwrap();
    deployed.again().await;
    assert!(deployed.check().await.clean);
    deployed.stop().await;
    let note = read_note(&FileTiles::new(&newer_log).checkpoint()).unwrap().unwrap();
    let now = read_note(&FileTiles::new(deployed.home.log()).checkpoint()).unwrap().unwrap();
    audit_log::verify_growth(&FileTiles::new(deployed.home.log()), &trust(&deployed), &note, &now).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_high_water_mark_lies_beside_the_home_folder_and_one_inside_is_taken_over() {
    let mut deployed = Deployed::with_cameras().await;
    let home = deployed.home.root().to_owned();
    let (beside, inside) = (home.with_extension("high-water"), home.join("log.high-water"));
    assert!(beside.exists() && !inside.exists());
    deployed.stop().await;

    // As an earlier version left it; with one beside it too both count.
    fs::rename(&beside, &inside).unwrap();
    let older = home.with_extension("older");
    copy_folder(&home, &older);
    deployed.again().await;
    assert!(beside.exists() && !inside.exists());
    assert!(deployed.check().await.clean);
    fill(&deployed, 3).await;
    deployed.stop().await;

    // The whole home folder is an older copy, its own mark too.
    fs::remove_dir_all(&home).unwrap();
    copy_folder(&older, &home);
    let error = Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err();
    let ServeError::Store(StoreError::Log(RecordFault::Log(LogFault::Older { by, .. }))) = &error else { panic!("{error:?}") };
    assert!(by.ends_with("home.high-water"), "{by}");
    assert!(inside.exists(), "nothing was changed");

    // Without any mark it starts, and says so until the next start.
    fs::remove_file(&inside).unwrap();
    fs::remove_file(&beside).unwrap();
    deployed.again().await;
    let check = deployed.check().await;
    assert_eq!(check.findings.iter().map(|f| f.subject.as_str()).collect::<Vec<_>>(), ["high-water mark"], "{check:?}");
    deployed.stop().await;
    deployed.again().await;
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_its_own_has_the_high_water_mark_and_every_mark_of_before_counts() {
    let mut deployed = Deployed::with_cameras().await;
    let home = deployed.home.root().to_owned();
    let (beside, inside) = (home.with_extension("high-water"), home.join("log.high-water"));
    let folder = home.with_file_name("home-mark");
    let own = folder.join("log.high-water");
    let older = home.with_extension("older");
    deployed.stop().await;
    copy_folder(&home, &older);
    deployed.again().await;
    fill(&deployed, 3).await;
    deployed.stop().await;

    // A package makes the folder: a mark beside it that knows more still counts.
    fs::create_dir(&folder).unwrap();
    let newest = home.with_extension("newest");
    fs::rename(&home, &newest).unwrap();
    copy_folder(&older, &home);
    let error = Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err();
    let ServeError::Store(StoreError::Log(RecordFault::Log(LogFault::Older { by, .. }))) = &error else { panic!("{error:?}") };
    assert!(by.ends_with("home.high-water"), "{by}");
    assert!(beside.exists() && !own.exists(), "nothing was changed");

    // The newest copy takes over both that were before, and goes on in the folder.
    fs::remove_dir_all(&home).unwrap();
    fs::rename(&newest, &home).unwrap();
    fs::copy(&beside, &inside).unwrap();
    deployed.again().await;
    assert!(own.exists() && !beside.exists() && !inside.exists());
    assert!(deployed.check().await.clean);
    fill(&deployed, 3).await;
    deployed.stop().await;

    fs::remove_dir_all(&home).unwrap();
    copy_folder(&older, &home);
    let error = Server::start(&deployed.home, config(&deployed.home)).await.unwrap_err();
    let ServeError::Store(StoreError::Log(RecordFault::Log(LogFault::Older { by, .. }))) = &error else { panic!("{error:?}") };
    assert_eq!(Path::new(by), own);
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_tile_that_is_there_is_read_and_one_that_is_not_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut tiles = FileTiles::new(dir.path().join("log"));
    assert!(tiles.read("tile/0/000").unwrap().is_none());
    tiles.write("tile/0/000.p/3", b"abc").unwrap();
    assert_eq!(tiles.read("tile/0/000.p/3").unwrap().unwrap(), b"abc");
    assert!(tiles.read("tile/0/000.p/3/x").unwrap().is_none());
    tiles.write("tile/0/000", b"whole").unwrap();
    assert!(tiles.read("tile/0/000.p/3").unwrap().is_none());
}
