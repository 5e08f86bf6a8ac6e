//! Whose time has come goes, and goes for good.

use std::{collections::BTreeMap, path::Path};

use access::{Proof, 
    Budgets, Caller, Case, CasePermit, Deletion, Gate, Grant, Hold, HoldAct, IdDigest, MemoryLog, Name, Policy, PublicKey, Purpose,
    Role, Scope, SearchRequest, SigningKey, sign_grant,
};
use catalogue::{Catalogue, DeletedSighting, due};
use types::*;

use crate::{CROPS, ENGINE, support::*};

const DAY: i64 = 24 * HOUR;

fn now(days: i64) -> ReceiveTime {
    ReceiveTime::now().plus_micros(days * DAY)
}

/// `count` sightings of the day after [`START`], alternately of `gate` and `hall`.
async fn fill_day(catalogue: &Catalogue, count: u64) -> Vec<SightingId> {
    let records: Vec<_> = (0..count)
        .map(|n| {
            let mut r = record(n, n, 0);
            if n % 2 == 1 {
                r.sighting.camera = camera("hall");
            }
            // Bytes that are nowhere else.
            let seed = 0.123_456 + n as f32 / 1000.0;
            let values = (0..256).map(|i| (seed * (i + 1) as f32).sin()).collect();
            r.embedding = types::Embedding::normalised(r.embedding.model(), values).unwrap();
            r
        })
        .collect();
    put(catalogue, &records).await.unwrap();
    records.into_iter().map(|r| r.sighting.id).collect()
}

fn deletion(cutoffs: &[(&str, ReceiveTime)]) -> Deletion {
    Deletion {
        day: time(START).day(),
        whole: false,
        stored_before: cutoffs.iter().map(|(c, t)| (camera(c), *t)).collect(),
        cameras: BTreeMap::new(),
        held: 0,
        ids: IdDigest::default(),
        probe: None,
    }
}

/// Deletes what there is to delete, and says what it was.
async fn run(catalogue: &Catalogue, what: &Deletion, holds: &[Hold], at: ReceiveTime) -> (Deletion, Vec<DeletedSighting>) {
    let fence = leave(catalogue).await;
    let mut run = catalogue.begin_deletion(what, at).await.unwrap();
    let mut all = Vec::new();
    loop {
        let gone = catalogue.delete_due(&mut run, holds, at, &fence).await.unwrap();
        if gone.is_empty() {
            break;
        }
        all.extend(gone);
    }
    catalogue.delete_crops(what.day).await.unwrap();
    catalogue.finish_deletion(&run, at, 1, &fence).await.unwrap();
    (run.deletion, all)
}

/// Whether any file under a folder holds these bytes.
fn holds_bytes(folder: &Path, needle: &[u8]) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            if let Some(found) = holds_bytes(&entry, needle) {
                return Some(found);
            }
        } else if std::fs::read(&entry).unwrap().windows(needle.len()).any(|w| w == needle) {
            return Some(entry);
        }
    }
    None
}

fn bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.values().iter().take(16).flat_map(|v| v.to_le_bytes()).collect()
}

#[tokio::test]
async fn what_was_deleted_is_in_no_file_of_the_catalogue_any_more() {
    if ENGINE == Engine::Postgres {
        // Its files are its own; what they hold is for whoever runs it to show.
        return;
    }
    let f = fixture().await;
    // So many that pages split, and rows are moved between them.
    let ids = fill_day(&f.catalogue, 600).await;
    // And again, so that old versions of the rows lie about.
    fill_day(&f.catalogue, 600).await;
    let data = f.dir.path().join("data");
    let (gone_id, kept_id) = (ids[300], ids[301]);
    let gone_vector = bytes(&all(&f.catalogue).embedding(gone_id).await.unwrap().unwrap());
    let kept_vector = bytes(&all(&f.catalogue).embedding(kept_id).await.unwrap().unwrap());
    assert!(holds_bytes(&data, &gone_vector).is_some() && holds_bytes(&data, gone_id.0.as_bytes()).is_some());

    let (done, gone) = run(&f.catalogue, &deletion(&[("gate", now(1))]), &[], now(1)).await;
    assert_eq!((done.sightings(), done.cameras.len(), done.whole), (300, 1, false));
    let mut digest = IdDigest::default();
    gone.iter().for_each(|g| digest.add(g.id));
    assert_eq!(done.ids, digest);
    f.catalogue.erase(&[time(START).day()]).await.unwrap();

    // With the catalogue still open: its files, its log, its crops.
    for gone in &gone {
        assert_eq!(holds_bytes(&data, gone.id.0.as_bytes()), None);
        assert!(!crop_folder(f.dir.path()).join(format!("2026-03-01/{}.jpg", gone.id)).exists());
    }
    assert_eq!(holds_bytes(&data, &gone_vector), None);
    assert!(holds_bytes(&data, &kept_vector).is_some(), "what is kept is still there");
    assert!(f.catalogue.check().await.unwrap().is_clean());

    let (done, _) = run(&f.catalogue, &deletion(&[("hall", now(1))]), &[], now(1)).await;
    assert!(done.whole);
    // Of a bucket the folder is the test server's own.
    let day = crop_folder(f.dir.path()).join("2026-03-01");
    assert!(CROPS == Store::Bucket && std::fs::read_dir(&day).unwrap().next().is_none() || !day.exists());
    f.catalogue.erase(&[time(START).day()]).await.unwrap();
    assert_eq!(holds_bytes(&data, &kept_vector), None);
    assert_eq!(holds_bytes(&data, br#""backpack""#), None, "no description either");
    assert_eq!(f.catalogue.deletions(None, 10).await.unwrap().len(), 2);
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn only_what_was_stored_before_its_time_is_due_and_storing_again_makes_nothing_younger() {
    let f = fixture().await;
    let before = ReceiveTime::now();
    let ids = fill_day(&f.catalogue, 4).await;
    let shares = f.catalogue.shares().await.unwrap();
    assert_eq!(shares.iter().map(|s| s.camera.as_str()).collect::<Vec<_>>(), ["gate", "hall"]);
    assert!(shares.iter().all(|s| s.oldest >= before));
    let cutoffs = |at| [camera("gate"), camera("hall"), camera("dock")].map(|c| (c, at)).into();
    assert!(due(&shares, &cutoffs(before)).is_empty());
    assert_eq!(due(&shares, &cutoffs(now(1))).len(), 1);

    let between = ReceiveTime::now();
    fill_day(&f.catalogue, 4).await;
    assert_eq!(f.catalogue.shares().await.unwrap(), shares);
    let (done, _) = run(&f.catalogue, &deletion(&[("gate", between)]), &[], now(0)).await;
    assert_eq!(done.sightings(), 2);
    assert_eq!(all(&f.catalogue).sightings(&ids).await.unwrap().len(), 2);
    // What is stored now did not come to its end then.
    fill_day(&f.catalogue, 4).await;
    let (done, _) = run(&f.catalogue, &deletion(&[("gate", between)]), &[], now(0)).await;
    assert_eq!(done.sightings(), 0);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nothing_old_early() {
    let f = fixture().await;
    let ahead = f.catalogue.advance_clock(now(10)).await.unwrap();
    assert_eq!(f.catalogue.advance_clock(now(0)).await.unwrap(), ahead, "time does not go back");
    // The clock is ten days behind: what is stored now is as old as what was stored ten days later.
    fill_day(&f.catalogue, 2).await;
    assert!(f.catalogue.shares().await.unwrap().iter().all(|s| s.oldest == ahead));
    let (done, _) = run(&f.catalogue, &deletion(&[("gate", ahead), ("hall", ahead)]), &[], ahead).await;
    assert_eq!(done.sightings(), 0);
}

#[tokio::test]
async fn what_was_stored_in_a_time_that_has_not_come_counts_as_stored_when_somebody_sets_it_right() {
    let f = fixture().await;
    assert_eq!(f.catalogue.last_time().await.unwrap(), None);
    let ahead = f.catalogue.advance_clock(now(1000)).await.unwrap();
    assert_eq!(f.catalogue.last_time().await.unwrap(), Some(ahead));
    fill_day(&f.catalogue, 2).await;
    let right = now(0);
    f.catalogue.set_time(right).await.unwrap();
    assert_eq!(f.catalogue.last_time().await.unwrap(), Some(right));
    assert!(f.catalogue.shares().await.unwrap().iter().all(|s| s.oldest == right));
}

#[tokio::test]
async fn tombstones_are_forgotten_and_what_is_older_is_told_so() {
    let f = fixture().await;
    let ids = fill_day(&f.catalogue, 2).await;
    let seq = discard(&f.catalogue, &ids).await.unwrap().seq;
    assert!(!f.catalogue.has_tombstones(seq - 2).await.unwrap() && f.catalogue.has_tombstones(seq).await.unwrap());
    assert_eq!(f.catalogue.forget_tombstones(seq - 1).await.unwrap(), 1);
    assert_eq!(all(&f.catalogue).changes_since(0, 100).await.unwrap().len(), 1);
    assert_eq!(f.catalogue.forget_tombstones(seq).await.unwrap(), 1);
    assert_eq!(f.catalogue.tombstone_horizon().await.unwrap(), seq);
    f.catalogue.forget_tombstones(seq - 1).await.unwrap();
    assert_eq!(f.catalogue.tombstone_horizon().await.unwrap(), seq, "never back");
    assert!(f.catalogue.next_change().await.unwrap() > seq);
    f.catalogue.erase(&[time(START).day()]).await.unwrap();
    if ENGINE == Engine::Sqlite {
        for id in ids {
            assert_eq!(holds_bytes(&f.dir.path().join("data"), id.0.as_bytes()), None);
        }
    }
}

fn caller(name: &str, organisation: &str, role: Role) -> Caller {
    Caller { name: Name::new(name).unwrap(), organisation: Name::new(organisation).unwrap(), role }
}

async fn add_case(catalogue: &Catalogue, id: &str) -> Case {
    let window = TimeWindow::new(time(START), time(START + DAY)).unwrap();
    let grant = Grant {
        case: CaseId::new(id).unwrap(),
        purpose: Purpose::MissingPerson,
        legal_basis: "test".into(),
        reason: "test".into(),
        requester: caller("ida", "police", Role::Investigator),
        scope: Scope {
            cameras: [camera("gate")].into(),
            agencies: Default::default(),
            area: None,
            window,
            classes: Default::default(),
            parts: Default::default(),
        },
        budgets: Budgets { queries: 1, results: 1 },
        opened: now(0),
        expires: now(9),
        emergency: None,
    };
    let mut case = Case::requested(grant);
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = sign_grant(&key, &case.grant);
    case.authorise(&Policy::default(), &caller("otto", "court", Role::Authoriser), Proof::Key { key: PublicKey::from(&key), signature }, now(0)).unwrap();
    catalogue.add_case(&case).await.unwrap().case
}

/// For all that the case covers, made by a real gate.
async fn permit(catalogue: &Catalogue, case: &Case) -> CasePermit {
    let (gate, request) = (Gate::new(Policy::default(), MemoryLog::new()), SearchRequest { limit: 1, ..Default::default() });
    let cameras = catalogue.pooled_cameras().await.unwrap();
    gate.permit(access::Searching::Once, case.id(), Some(case), &cameras, &request, None, &case.grant.requester, now(0)).await.unwrap()
}

#[tokio::test]
async fn what_a_case_would_open_is_counted_as_a_power_of_ten_of_what_it_covers_alone() {
    let f = fixture().await;
    let c = &f.catalogue;
    let case = add_case(c, "k").await;
    let waiting = Case { authorisations: Vec::new(), ..case };
    let otto = caller("otto", "court", Role::Authoriser);
    let counted = async |case: &Case| {
        let cameras = c.pooled_cameras().await.unwrap();
        let preview = access::decide_preview(&Policy::default(), case, &cameras, &otto, now(0)).unwrap();
        c.magnitude(&preview).await.unwrap().fewer_than()
    };
    // None and nine look alike.
    assert_eq!(counted(&waiting).await, Some(10));
    // Half are of `gate`, half of `hall`, which the case does not cover.
    let records = |from: u64, count: u64| (from..from + count).map(|n| record(n, n, 0)).collect::<Vec<_>>();
    let mut first = records(0, 18);
    first.iter_mut().skip(9).for_each(|r| r.sighting.camera = camera("hall"));
    put(c, &first).await.unwrap();
    assert_eq!(counted(&waiting).await, Some(10));
    // Another of `gate`, outside the time; then one that began before it and reaches into it.
    put(c, &[record(50, 50, 48)]).await.unwrap();
    assert_eq!(counted(&waiting).await, Some(10));
    let mut early = record(51, 51, 0);
    early.sighting.first.time = time(START - 1_000_000);
    put(c, &[early]).await.unwrap();
    assert_eq!(counted(&waiting).await, Some(100));
    put(c, &records(100, 95)).await.unwrap();
    assert_eq!(counted(&waiting).await, Some(1_000));
    // Of one class alone, as the scope says.
    let mut narrow = waiting.clone();
    narrow.grant.scope.classes = [types::Class::ALL[0]].into();
    assert_eq!(counted(&narrow).await, Some(100));
}

#[tokio::test]
async fn nothing_that_its_case_does_not_cover_is_read_with_a_permit() {
    let f = fixture().await;
    let c = &f.catalogue;
    // One of `gate`, one of `hall`, and one of `gate` at another time.
    let mut ids = fill_day(c, 2).await;
    put(c, &[record(9, 9, 48)]).await.unwrap();
    ids.push(id(9));
    let permit = permit(c, &add_case(c, "k").await).await;
    let model = record(0, 0, 0).embedding.model();
    assert_eq!(c.sightings_for(&permit, &ids).await.unwrap().iter().map(|s| s.id).collect::<Vec<_>>(), [ids[0]]);
    let with_vectors = c.with_vectors_for(&permit, &ids, model, |_| true).await.unwrap();
    assert_eq!(with_vectors.iter().map(|(s, v)| (s.id, v.is_some())).collect::<Vec<_>>(), [(ids[0], true)]);
    for (id, there) in ids.into_iter().zip([true, false, false]) {
        assert_eq!(c.sighting_for(&permit, id).await.unwrap().is_some(), there);
        assert_eq!(c.crop_for(&permit, id).await.unwrap().is_some(), there);
        // They are there, and read for no case by whoever says why.
        assert!(all(c).crop(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_a_hold_keeps_stays_for_its_case_alone_and_goes_when_the_hold_does() {
    let f = fixture().await;
    let ids = fill_day(&f.catalogue, 6).await;
    let case = add_case(&f.catalogue, "k").await;
    let other = add_case(&f.catalogue, "other").await;
    let act = |name: &str, organisation: &str| HoldAct { by: caller(name, organisation, Role::Auditor), at: now(0) };
    let hold = Hold {
        id: HoldId::new("h").unwrap(),
        case: case.id().clone(),
        cameras: [camera("gate")].into(),
        window: TimeWindow::new(time(START), time(START + HOUR)).unwrap(),
        expires: now(60),
        placed: act("ada", "court"),
        confirmed: None,
        release_asked: None,
        released: None,
    };
    let stored = f.catalogue.add_hold(&hold).await.unwrap();
    assert!(f.catalogue.standing_holds().await.unwrap().is_empty(), "one person holds nothing");
    let confirmed = Hold { confirmed: Some(act("vera", "parliament")), ..hold };
    f.catalogue.change_hold(&stored, &confirmed).await.unwrap();
    f.catalogue.change_hold(&stored, &confirmed).await.unwrap_err();
    let holds = f.catalogue.standing_holds().await.unwrap();
    assert_eq!(holds, std::slice::from_ref(&confirmed));

    let (case, other) = (permit(&f.catalogue, &case).await, permit(&f.catalogue, &other).await);
    // Before its time anybody's case may find it.
    assert!(f.catalogue.sighting_for(&other, ids[0]).await.unwrap().is_some());
    let all = deletion(&[("gate", now(31)), ("hall", now(31))]);
    let (done, _) = run(&f.catalogue, &all, &holds, now(31)).await;
    assert_eq!((done.sightings(), done.held, done.whole), (3, 3, false));
    assert!(f.catalogue.sighting_for(&case, ids[0]).await.unwrap().is_some());
    assert!(f.catalogue.sighting_for(&other, ids[0]).await.unwrap().is_none());
    assert!(f.catalogue.crop_for(&case, ids[0]).await.unwrap().is_some());
    assert!(f.catalogue.crop_for(&other, ids[0]).await.unwrap().is_none());
    assert!(f.catalogue.sighting_to_decide(other.case(), ids[0]).await.unwrap().is_none());
    assert!(f.catalogue.sighting_for(&case, ids[1]).await.unwrap().is_none(), "of another camera");
    assert!(f.catalogue.shares().await.unwrap().is_empty(), "what is held is not due");
    assert_eq!(f.catalogue.held_count().await.unwrap(), 3);

    assert!(f.catalogue.review_holds(&holds, now(40)).await.unwrap().is_empty());
    for (holds, at) in [(&[][..], now(40)), (&holds[..], now(61))] {
        assert_eq!(f.catalogue.review_holds(holds, at).await.unwrap(), [time(START).day()].into());
    }
    let (done, gone) = run(&f.catalogue, &deletion(&[]), &holds, now(61)).await;
    assert_eq!((done.sightings(), gone.len(), done.held, done.whole), (3, 3, 0, true));
    assert_eq!(f.catalogue.held_count().await.unwrap(), 0);
}

const KILLED: &str = "CATALOGUE_RETENTION_DIR";

#[tokio::test]
#[ignore = "a child process of the test below"]
async fn delete_until_killed() {
    use std::io::Write as _;
    let Some(dir) = std::env::var_os(KILLED) else { return };
    let catalogue = open(dir.as_ref()).await;
    let at = now(1);
    let mut run = match catalogue.open_deletions().await.unwrap().pop() {
        Some(run) => run,
        None => catalogue.begin_deletion(&deletion(&[("gate", at), ("hall", at)]), at).await.unwrap(),
    };
    let say = |line: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").unwrap();
        out.flush().unwrap();
    };
    let fence = leave(&catalogue).await;
    say("deleting");
    while !catalogue.delete_due(&mut run, &[], at, &fence).await.unwrap().is_empty() {}
    catalogue.delete_crops(run.deletion.day).await.unwrap();
    catalogue.finish_deletion(&run, at, 1, &fence).await.unwrap();
}

/// However often it is killed, every sighting is either whole or gone, the account is of exactly those that are gone, and the
/// deletion comes to its end.
#[tokio::test]
async fn a_deletion_that_is_killed_comes_to_its_end_and_its_account_is_right() {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };
    let f = fixture().await;
    let ids = fill_day(&f.catalogue, 400).await;
    f.catalogue.close().await;
    for round in 0..40u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "retention::delete_until_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .env(KILLED, f.dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|l| l == "deleting"), "the child did not come to it");
        // A little later each time; the last is let be.
        if round < 6 {
            std::thread::sleep(std::time::Duration::from_millis(round * 25));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let catalogue = open(f.dir.path()).await;
        let left = all(&catalogue).sightings(&ids).await.unwrap().len() as u64;
        let (open_runs, done) = (catalogue.open_deletions().await.unwrap(), catalogue.deletions(None, 9).await.unwrap());
        assert_eq!(done.len(), 1, "one account");
        assert_eq!(done[0].deletion.sightings() + left, 400, "it is of what is gone");
        catalogue.sweep_orphans().await.unwrap();
        assert!(catalogue.check().await.unwrap().is_clean());
        catalogue.close().await;
        if open_runs.is_empty() {
            assert!(left == 0 && done[0].deletion.whole && done[0].finished.is_some());
            return;
        }
    }
    panic!("it did not come to its end");
}
