use std::collections::BTreeSet;

use access::*;
use catalogue::CatalogueError;
use sqlx::Row;
use types::{CaseId, ReceiveTime, TimeWindow};

use crate::support::*;

fn caller(name: &str, organisation: &str, role: Role) -> Caller {
    Caller { name: Name::new(name).unwrap(), organisation: Name::new(organisation).unwrap(), role }
}

pub(crate) fn case(id: &str) -> Case {
    let opened = ReceiveTime::from_micros(START).unwrap();
    Case::requested(Grant {
        case: CaseId::new(id).unwrap(),
        purpose: Purpose::MissingPerson,
        legal_basis: "order 12".to_owned(),
        reason: "a child is missing".to_owned(),
        requester: caller("ines", "police", Role::Investigator),
        scope: Scope {
            cameras: [camera("gate")].into(),
            agencies: BTreeSet::new(),
            area: None,
            window: TimeWindow::new(time(START), time(START + HOUR)).unwrap(),
            classes: BTreeSet::new(),
            parts: BTreeSet::new(),
        },
        budgets: Budgets { queries: 10, results: 100 },
        opened,
        expires: opened.plus_micros(48 * HOUR),
        emergency: None,
    })
}

fn entry(case: Option<&str>, charge: Option<Charge>) -> AuditEntry {
    AuditEntry {
        at: ReceiveTime::now(),
        caller: Some(caller("ines", "police", Role::Investigator)),
        action: Action::Search,
        phase: Phase::Begin,
        case: case.map(|c| CaseId::new(c).unwrap()),
        detail: AuditDetail { cameras: [camera("gate")].into(), limit: Some(5), ..AuditDetail::default() },
        charge,
    }
}

const TAKE: Charge = Charge::Take { queries: 1, results: 5, within: Budgets { queries: 10, results: 100 } };

#[tokio::test]
async fn a_case_comes_back_as_it_was_and_its_id_is_taken() {
    let f = fixture().await;
    let stored = f.catalogue.add_case(&case("a")).await.unwrap();
    assert_eq!(f.catalogue.case(case("a").id()).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(stored.case, case("a"));
    assert!(matches!(f.catalogue.add_case(&case("a")).await, Err(CatalogueError::Exists { kind: "case", .. })));
    assert_eq!(f.catalogue.case(&CaseId::new("b").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_who_change_a_case_at_once_one_is_told() {
    let f = fixture().await;
    let read = f.catalogue.add_case(&case("a")).await.unwrap();
    let now = ReceiveTime::from_micros(START + HOUR).unwrap();
    let mut closed = read.case.clone();
    closed.close(&caller("ines", "police", Role::Investigator), "found", now).unwrap();
    let after = f.catalogue.change_case(&read, &closed).await.unwrap();
    assert_eq!((after.version, after.case.state()), (2, CaseState::Closed));
    assert!(matches!(f.catalogue.change_case(&read, &closed).await, Err(CatalogueError::Conflict { .. })));
    // Neither reopened nor given another grant than the one that was signed.
    assert!(matches!(f.catalogue.change_case(&after, &read.case).await, Err(CatalogueError::Conflict { .. })));
    let mut wider = closed.clone();
    wider.grant.budgets.queries = 99;
    assert!(matches!(f.catalogue.change_case(&after, &wider).await, Err(CatalogueError::Conflict { .. })));
    let listed = f.catalogue.cases_page(Some(CaseState::Closed), None, None, 10).await.unwrap();
    assert_eq!(listed.into_iter().map(|(case, _)| case).collect::<Vec<_>>(), [Some(after)]);
    assert!(f.catalogue.cases_page(Some(CaseState::Requested), None, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_emergency_is_purged_in_its_time_and_may_still_be_refused() {
    let f = fixture().await;
    let mut emergency = case("a");
    emergency.grant.emergency = Some("it is freezing".to_owned());
    let read = f.catalogue.add_case(&emergency).await.unwrap();
    let policy = Policy { emergency: Some(std::time::Duration::from_secs(24 * 3600)), ..Policy::default() };
    let at = |hours: i64| ReceiveTime::from_micros(START + hours * HOUR).unwrap();
    let mut closed = read.case.clone();
    closed.close(&caller("ines", "police", Role::Investigator), "found", at(1)).unwrap();
    let closed = f.catalogue.change_case(&read, &closed).await.unwrap();
    assert!(f.catalogue.cases_to_purge(&policy, at(23)).await.unwrap().is_empty());
    assert_eq!(f.catalogue.cases_to_purge(&policy, at(24)).await.unwrap(), std::slice::from_ref(&closed));
    let mut refused = closed.case.clone();
    refused.refuse(&policy, &caller("otto", "court", Role::Authoriser), "no ground", at(2)).unwrap();
    let refused = f.catalogue.change_case(&closed, &refused).await.unwrap();
    assert_eq!(f.catalogue.cases_to_purge(&policy, at(3)).await.unwrap(), std::slice::from_ref(&refused));
    // And that is the end of it.
    assert!(matches!(f.catalogue.change_case(&refused, &closed.case).await, Err(CatalogueError::Conflict { .. })));
}

#[tokio::test]
async fn a_quota_holds_for_cases_that_are_opened_at_once() {
    let f = fixture().await;
    let servers = [f.catalogue.clone(), another(&f).await];
    let policy = Policy { waiting_cases: 5, ..Policy::default() };
    let added: Vec<_> = (0..40)
        .map(|n| {
            let (catalogue, policy) = (servers[n % 2].clone(), policy.clone());
            tokio::spawn(async move { catalogue.add_case_within(&policy, &case(&format!("c{n}"))).await })
        })
        .collect();
    let mut there = 0;
    for added in added {
        match added.await.unwrap() {
            Ok(_) => there += 1,
            Err(CatalogueError::Denied(denial)) => assert_eq!(denial.code, Code::WaitingQuota),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(there, 5);
    assert_eq!(f.catalogue.cases_page(None, None, None, 100).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_case_says_whose_certificate_was_revoked_since_they_signed() {
    let f = fixture().await;
    let at = |hours: i64| ReceiveTime::from_micros(START + hours * HOUR).unwrap();
    let mut signed = case("a");
    let key = SigningKey::from_bytes(&[7; 32]);
    let otto = caller("otto", "court", Role::Authoriser);
    let signature = sign_grant(&key, &signed.grant);
    signed.authorise(&Policy::default(), &otto, Proof::Key { key: PublicKey::from(&key), signature }, at(2)).unwrap();
    f.catalogue.add_case(&signed).await.unwrap();
    let revoked = async || {
        let case = f.catalogue.case(signed.id()).await.unwrap().unwrap();
        assert_eq!(f.catalogue.case_and_cameras(signed.id()).await.unwrap().0.as_ref(), Some(&case));
        case.case.authorisations[0].revoked
    };
    let revoke = async |serial: &str, whom: &Caller, hours| {
        let identity = catalogue::RevokedIdentity { serial: serial.into(), caller: whom.clone(), at: at(hours), by: None };
        f.catalogue.revoke_identity(&identity).await.unwrap();
    };
    // Somebody else's, and one that was renewed before.
    revoke("01", &caller("vera", "court", Role::Authoriser), 3).await;
    revoke("02", &otto, 1).await;
    assert_eq!(revoked().await, None);
    revoke("03", &otto, 3).await;
    assert_eq!(revoked().await, Some(at(3)));
}

#[tokio::test]
async fn the_record_comes_back_as_it_was() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    let mut receipts = Vec::new();
    for n in 0..5u64 {
        let mut e = entry((n % 2 == 0).then_some("a"), None);
        if n > 0 {
            e.phase = Phase::Complete { begin: n, outcome: Outcome::Done };
        }
        receipts.push(f.catalogue.append(e).await.unwrap());
    }
    assert_eq!(receipts.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    f.catalogue.close().await;
    let catalogue = open(f.dir.path()).await;
    assert_eq!(catalogue.audit_len().await.unwrap(), 5);
    let bytes = catalogue.audit_bytes_since(0, 10).await.unwrap();
    let read: Vec<_> = (1..).zip(&bytes).map(|(seq, bytes)| access::AuditReceipt::of(seq, bytes)).collect();
    assert_eq!(read, receipts);
    let of_case = catalogue.audit_since(1, Some(case("a").id()), 10).await.unwrap();
    assert_eq!(of_case.iter().map(|r| r.receipt.seq).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(of_case[0].receipt, receipts[2]);
}

#[tokio::test]
async fn a_budget_is_never_overdrawn_by_searches_at_once() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    let servers = [f.catalogue.clone(), another(&f).await];
    let searches: Vec<_> = (0..40)
        .map(|n| {
            let catalogue = servers[n % 2].clone();
            tokio::spawn(async move { catalogue.append(entry(Some("a"), Some(TAKE))).await })
        })
        .collect();
    let mut taken = 0;
    for search in searches {
        match search.await.unwrap() {
            Ok(_) => taken += 1,
            Err(e) => assert!(matches!(e, AuditError::Exhausted { used_queries: 10, .. }), "{e:?}"),
        }
    }
    assert_eq!(taken, 10);
    // What was refused left no entry.
    assert_eq!(f.catalogue.audit_len().await.unwrap(), 10);
    let spent = f.catalogue.case(case("a").id()).await.unwrap().unwrap().spent;
    assert_eq!((spent.queries, spent.results), (10, 50));
    f.catalogue.append(entry(Some("a"), Some(Charge::GiveBack { results: 20 }))).await.unwrap();
    assert_eq!(f.catalogue.case(case("a").id()).await.unwrap().unwrap().spent.results, 30);
    // A charge on a case that is not there is not taken, and not recorded.
    assert!(matches!(f.catalogue.append(entry(Some("b"), Some(TAKE))).await, Err(AuditError::Unavailable(_))));
    assert_eq!(f.catalogue.audit_len().await.unwrap(), 11);
}

#[tokio::test]
async fn charges_of_one_commit_add_up_case_by_case() {
    let f = fixture().await;
    for id in ["a", "b", "c"] {
        f.catalogue.add_case(&case(id)).await.unwrap();
    }
    let appends: Vec<_> = (0..60)
        .map(|n| {
            let (catalogue, id) = (f.catalogue.clone(), ["a", "b", "nobodys"][n % 3]);
            tokio::spawn(async move { catalogue.append(entry(Some(id), Some(TAKE))).await })
        })
        .collect();
    let (mut seqs, mut exhausted, mut unknown) = (Vec::new(), 0, 0);
    for append in appends {
        match append.await.unwrap() {
            Ok(receipt) => seqs.push(receipt.seq),
            Err(AuditError::Exhausted { .. }) => exhausted += 1,
            Err(_) => unknown += 1,
        }
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>(), "ten of each case, and no gap for those refused beside them");
    assert_eq!((exhausted, unknown), (20, 20));
    assert!(f.catalogue.audit_commits() < 30, "{} commits for 60 entries", f.catalogue.audit_commits());
    for (id, queries, results) in [("a", 10, 50), ("b", 10, 50), ("c", 0, 0)] {
        let spent = f.catalogue.case(case(id).id()).await.unwrap().unwrap().spent;
        assert_eq!((spent.queries, spent.results), (queries, results), "{id}");
    }
    assert_eq!(f.catalogue.audit_bytes_since(0, 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_case_comes_with_the_cameras_as_they_are_whoever_changed_them() {
    let f = fixture().await;
    let (here, there) = (&f.catalogue, another(&f).await);
    here.add_case(&case("a")).await.unwrap();
    let (a, nobodys) = (CaseId::new("a").unwrap(), CaseId::new("nobodys").unwrap());
    let (stored, cameras) = here.case_and_cameras(&a).await.unwrap();
    assert_eq!(stored, here.case(&a).await.unwrap());
    assert_eq!(cameras.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["dock", "gate", "hall"]);
    assert_eq!(here.case_and_cameras(&nobodys).await.unwrap(), (None, cameras.clone()));
    // Nobody changed one: not read again.
    assert!(std::sync::Arc::ptr_eq(&cameras, &here.pooled_cameras().await.unwrap()));

    for paused in [true, false] {
        there.change_camera_policy(&camera("gate"), |policy| policy.paused = paused).await.unwrap();
        let (_, cameras) = here.case_and_cameras(&a).await.unwrap();
        assert_eq!(cameras[1].policy.paused, paused);
        assert_eq!(cameras, there.pooled_cameras().await.unwrap());
    }
    there.add_camera(&catalogue::Camera::new(camera("yard"), agency("south"))).await.unwrap();
    assert_eq!(here.pooled_cameras().await.unwrap().len(), 4);
    // By hand, as well as by us.
    for (sql, left) in [("UPDATE camera SET agency = 'north' WHERE id = 'yard'", 4), ("DELETE FROM camera WHERE id = 'yard'", 3)] {
        assert_eq!(tamper(f.dir.path(), sql).await.unwrap(), 1);
        let cameras = here.pooled_cameras().await.unwrap();
        assert_eq!((cameras.len(), cameras.get(3).is_none_or(|c| c.agency == agency("north"))), (left, true));
    }
}

#[tokio::test]
async fn who_looked_at_a_camera_is_told_from_the_record() {
    let f = fixture().await;
    let (here, there) = (&f.catalogue, another(&f).await);
    let mut looked = entry(Some("a"), None);
    looked.detail.cameras = [camera("gate"), camera("hall")].into();
    let mut refused = looked.clone();
    refused.phase = Phase::Denied { code: Code::Camera };
    let mut other = looked.clone();
    other.action = Action::PauseCamera;
    let mut expected = Vec::new();
    // More than are copied at once.
    for _ in 0..150 {
        expected.push(here.append(looked.clone()).await.unwrap().seq);
        here.append(refused.clone()).await.unwrap();
        here.append(other.clone()).await.unwrap();
    }
    expected.reverse();
    // Two who copy at once copy once.
    let (gate, hall) = (camera("gate"), camera("hall"));
    let (a, b) = tokio::join!(here.camera_accesses(&gate, None, 1000), there.camera_accesses(&hall, None, 1000));
    for seen in [a.unwrap(), b.unwrap()] {
        assert_eq!(seen.iter().map(|a| a.seq).collect::<Vec<_>>(), expected);
        assert!(seen.iter().all(|a| Some(&a.caller) == looked.caller.as_ref() && a.case.as_str() == "a" && a.at == looked.at));
    }
    assert!(here.camera_accesses(&camera("dock"), None, 10).await.unwrap().is_empty());
    let last = there.append(looked).await.unwrap().seq;
    assert_eq!(here.camera_accesses(&gate, None, 1).await.unwrap()[0].seq, last);
}

#[tokio::test]
async fn the_catalogue_books_charges_as_the_reference_does() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    let reference = MemoryLog::new();
    let give = |results| Some(Charge::GiveBack { results });
    for charge in [Some(TAKE), None, give(3), Some(TAKE), give(100), Some(TAKE)] {
        let e = entry(Some("a"), charge);
        let (ours, theirs) = (f.catalogue.append(e.clone()).await.unwrap(), reference.append(e).await.unwrap());
        assert_eq!(ours, theirs);
    }
}

/// Runs SQL on the database itself, as somebody with access to it could.
async fn tamper(dir: &std::path::Path, sql: &'static str) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(sql).execute(&mut raw(dir).await).await.map(|done| done.rows_affected())
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_an_entry_and_a_gap_is_noticed() {
    for (sql, gap) in [
        ("UPDATE audit SET entry = salt FROM (SELECT salt FROM sealed) AS s WHERE audit.seq = 3", false),
        ("DELETE FROM audit WHERE seq = 2", true),
        ("DELETE FROM audit WHERE seq = 1", true),
    ] {
        let f = fixture().await;
        for n in 0..4 {
            let mut e = entry(None, None);
            if n == 3 {
                let sealed = Sealed { matter: Matter::Reason, salt: [5; 32], words: "lost at the quay".to_owned() };
                e.detail = e.detail.seal(sealed);
            }
            f.catalogue.append(e).await.unwrap();
        }
        f.catalogue.close().await;
        let refused = tamper(f.dir.path(), sql).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
        let without = match crate::ENGINE {
            Engine::Sqlite => "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_shortened;",
            Engine::Postgres => "DROP FUNCTION audit_is_append_only CASCADE",
        };
        tamper(f.dir.path(), without).await.unwrap();
        assert_eq!(tamper(f.dir.path(), sql).await.unwrap(), 1);
        let read = open(f.dir.path()).await.audit_bytes_since(0, 10).await;
        assert_eq!(matches!(read, Err(CatalogueError::BrokenRecord { .. })), gap, "{sql}: {read:?}");
    }
}

#[tokio::test]
async fn entries_at_once_share_their_commits_and_none_is_lost_or_doubled() {
    let f = fixture().await;
    let appends: Vec<_> = (0..500)
        .map(|_| {
            let catalogue = f.catalogue.clone();
            tokio::spawn(async move { catalogue.append(entry(None, None)).await.unwrap().seq })
        })
        .collect();
    let mut seqs = Vec::new();
    for append in appends {
        seqs.push(append.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
    // One writer that is held up makes the rest wait together: their entries are one transaction, or a few.
    let commits = f.catalogue.audit_commits();
    assert!(commits < 250, "{commits} commits for 500 entries");
}

#[tokio::test]
async fn what_was_written_can_be_forgotten_and_the_entry_stays() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    let sealed = Sealed { matter: Matter::Reason, salt: [5; 32], words: "lost at the quay".to_owned() };
    let mut e = entry(Some("a"), None);
    e.detail = e.detail.seal(sealed.clone());
    let receipt = f.catalogue.append(e).await.unwrap();
    let mut other = entry(None, None);
    other.detail = other.detail.seal(sealed.clone());
    let elsewhere = f.catalogue.append(other).await.unwrap();
    assert_eq!(f.catalogue.sealed(receipt.seq).await.unwrap(), std::slice::from_ref(&sealed));
    let before = f.catalogue.audit_bytes_since(0, 10).await.unwrap();
    assert_eq!(f.catalogue.erase_salts(case("a").id()).await.unwrap(), 1);
    assert!(f.catalogue.sealed(receipt.seq).await.unwrap().is_empty());
    assert_eq!(f.catalogue.sealed(elsewhere.seq).await.unwrap(), [sealed]);
    assert_eq!(f.catalogue.audit_bytes_since(0, 10).await.unwrap(), before);
}

async fn without_triggers(dir: &std::path::Path) {
    let without = match crate::ENGINE {
        Engine::Sqlite => "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_shortened;",
        Engine::Postgres => "DROP FUNCTION audit_is_append_only CASCADE",
    };
    tamper(dir, without).await.unwrap();
}

#[tokio::test]
async fn columns_beside_an_entry_decide_nothing_and_an_edited_one_is_named() {
    let f = fixture().await;
    for id in ["a", "b"] {
        f.catalogue.add_case(&case(id)).await.unwrap();
    }
    let sealed = Sealed { matter: Matter::Reason, salt: [5; 32], words: "lost at the quay".to_owned() };
    for id in ["a", "b", "a"] {
        let mut e = entry(Some(id), None);
        e.detail = e.detail.seal(sealed.clone());
        f.catalogue.append(e).await.unwrap();
    }
    assert_eq!(f.catalogue.check_record().await.unwrap(), []);
    without_triggers(f.dir.path()).await;
    tamper(f.dir.path(), "UPDATE audit SET case_id = 'b' WHERE seq = 1").await.unwrap();
    tamper(f.dir.path(), "UPDATE audit SET case_id = 'a' WHERE seq = 2").await.unwrap();
    tamper(f.dir.path(), "UPDATE audit SET phase = 'done' WHERE seq = 3").await.unwrap();
    tamper(f.dir.path(), "UPDATE sealed SET case_id = NULL WHERE seq = 1").await.unwrap();
    tamper(f.dir.path(), "UPDATE sealed SET case_id = 'a' WHERE seq = 2").await.unwrap();
    tamper(f.dir.path(), "UPDATE sealed SET words = 'lost elsewhere' WHERE seq = 3").await.unwrap();
    // The one that wrote them, and one that reads them anew.
    for catalogue in [f.catalogue.clone(), another(&f).await] {
        let of_a = catalogue.audit_since(0, Some(case("a").id()), 10).await.unwrap();
        assert_eq!(of_a.iter().map(|r| r.receipt.seq).collect::<Vec<_>>(), [1, 3]);
        let found = catalogue.check_record().await.unwrap();
        let named: Vec<_> = found.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(named, ["entry 1", "entry 2", "entry 3", "entry 1", "entry 2", "entry 3"], "{found:?}");
    }
    assert_eq!(f.catalogue.erase_salts(case("a").id()).await.unwrap(), 2);
    assert_eq!(f.catalogue.sealed(2).await.unwrap(), [sealed], "another case's stay");
    assert!(f.catalogue.sealed(1).await.unwrap().is_empty(), "the case's go, whatever their column says");
}

#[tokio::test]
async fn a_case_that_the_record_closed_is_closed_whatever_its_row_says() {
    let f = fixture().await;
    let before = f.catalogue.add_case(&case("a")).await.unwrap();
    let mut ended = before.case.clone();
    ended.close(&caller("ines", "police", Role::Investigator), "found", ReceiveTime::now()).unwrap();
    let close = |phase| AuditEntry { action: Action::CloseCase, phase, detail: AuditDetail::default(), ..entry(Some("a"), None) };
    let begin = f.catalogue.append(close(Phase::Begin)).await.unwrap().seq;
    f.catalogue.change_case(&before, &ended).await.unwrap();
    f.catalogue.append(close(Phase::Complete { begin, outcome: Outcome::Done })).await.unwrap();
    assert_eq!(f.catalogue.check_record().await.unwrap(), []);
    let open: &'static str = Box::leak(
        format!("UPDATE case_file SET state = 'requested', document = '{}'", serde_json::to_string(&before.case).unwrap())
            .into_boxed_str(),
    );
    assert_eq!(tamper(f.dir.path(), open).await.unwrap(), 1);
    let new = another(&f).await;
    new.follow_record().await.unwrap();
    for catalogue in [f.catalogue.clone(), new] {
        assert_eq!(catalogue.case(case("a").id()).await.unwrap().unwrap().case.state(), CaseState::Closed);
        let (decides, _) = catalogue.case_and_cameras(case("a").id()).await.unwrap();
        assert_eq!(decides.unwrap().case.state(), CaseState::Closed);
        let found = catalogue.check_record().await.unwrap();
        assert_eq!(found.iter().map(|f| f.subject.as_str()).collect::<Vec<_>>(), ["case a"], "{found:?}");
    }
    f.catalogue.repair_record().await.unwrap();
    assert_eq!(f.catalogue.check_record().await.unwrap(), []);
}

#[tokio::test]
async fn a_revocation_whose_row_was_deleted_is_read_from_the_record_and_named() {
    let f = fixture().await;
    let at = ReceiveTime::now();
    let detail = AuditDetail { serial: Some("7f".to_owned()), ..AuditDetail::default() };
    let entry = |phase, detail| AuditEntry { action: Action::RevokeIdentity, phase, detail, ..entry(None, None) };
    let begin = f.catalogue.append(entry(Phase::Begin, detail)).await.unwrap().seq;
    let whom = caller("ines", "police", Role::Investigator);
    let revoked = catalogue::RevokedIdentity { serial: "7f".to_owned(), caller: whom, at, by: None };
    f.catalogue.revoke_identity(&revoked).await.unwrap();
    let end = Phase::Complete { begin, outcome: Outcome::Done };
    f.catalogue.append(entry(end, AuditDetail::default())).await.unwrap();
    assert_eq!(f.catalogue.check_record().await.unwrap(), []);
    assert_eq!(tamper(f.dir.path(), "DELETE FROM revoked_identity").await.unwrap(), 1);
    for catalogue in [f.catalogue.clone(), another(&f).await] {
        assert_eq!(catalogue.revoked_on_record().await.unwrap(), ["7f"]);
        let found = catalogue.check_record().await.unwrap();
        assert_eq!(found.iter().map(|f| f.subject.as_str()).collect::<Vec<_>>(), ["certificate 7f"], "{found:?}");
    }
    f.catalogue.revoke_identity(&revoked).await.unwrap();
    assert_eq!(f.catalogue.check_record().await.unwrap(), []);
}

#[tokio::test]
async fn a_list_of_who_looked_that_was_changed_is_named_and_made_again() {
    for sql in [
        "DELETE FROM camera_access WHERE seq = 2",
        "UPDATE camera_access SET caller = 'sightline://police/investigator/otto' WHERE seq = 1",
        "UPDATE camera_access SET case_id = 'b' WHERE seq = 3",
        "INSERT INTO camera_access SELECT camera, 9000, at, action, caller, case_id FROM camera_access WHERE seq = 1",
        "DELETE FROM camera_access",
    ] {
        let f = fixture().await;
        f.catalogue.add_case(&case("a")).await.unwrap();
        for _ in 0..3 {
            f.catalogue.append(entry(Some("a"), None)).await.unwrap();
        }
        assert_eq!(f.catalogue.check_record().await.unwrap(), []);
        let before = f.catalogue.camera_accesses(&camera("gate"), None, 10).await.unwrap();
        assert_eq!(before.len(), 3);
        tamper(f.dir.path(), sql).await.unwrap();
        let found = f.catalogue.check_record().await.unwrap();
        assert_eq!(found.iter().map(|f| f.subject.as_str()).collect::<Vec<_>>(), ["camera gate"], "{sql}: {found:?}");
        f.catalogue.repair_record().await.unwrap();
        assert_eq!(f.catalogue.check_record().await.unwrap(), [], "{sql}");
        assert_eq!(f.catalogue.camera_accesses(&camera("gate"), None, 10).await.unwrap(), before, "{sql}");
    }
}

#[tokio::test]
async fn an_entry_is_on_disk_when_its_receipt_is_given() {
    let f = fixture().await;
    f.catalogue.append(entry(None, None)).await.unwrap();
    // Somebody else reads the entry, without this one closing anything.
    let mut connection = raw(f.dir.path()).await;
    let row = sqlx::query("SELECT count(*) AS n FROM audit").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<i64, _>("n"), 1);
    let (setting, wanted) = match crate::ENGINE {
        Engine::Sqlite => ("PRAGMA journal_mode", "wal"),
        Engine::Postgres => ("SHOW synchronous_commit", "on"),
    };
    let sync = sqlx::query(setting).fetch_one(&mut connection).await.unwrap();
    assert_eq!(sync.get::<String, _>(0), wanted);
}

async fn events(catalogue: &catalogue::Catalogue, after: u64) -> Vec<(u64, String, CaseEventKind)> {
    let stored = catalogue.case_events_since(after, 100).await.unwrap();
    let of = |s: catalogue::StoredEvent| s.event.map(|e| (s.seq, e.case.to_string(), e.kind));
    stored.into_iter().filter_map(of).collect()
}

#[tokio::test]
async fn what_happened_to_a_case_is_there_with_the_change_and_not_without_it() {
    let f = fixture().await;
    let catalogue = &f.catalogue;
    catalogue.begin_notifying().await.unwrap();
    let emergency = Case { grant: Grant { emergency: Some("freezing".to_owned()), ..case("a").grant }, ..case("a") };
    let policy = Policy { emergency: Some(std::time::Duration::from_secs(86_400)), ..Policy::default() };
    let before = catalogue.add_case_within(&policy, &emergency).await.unwrap();
    assert!(catalogue.add_case_within(&policy, &emergency).await.is_err());
    let mut closed = before.case.clone();
    closed.close(&caller("ines", "police", Role::Investigator), "found", before.case.grant.opened.plus_micros(HOUR)).unwrap();
    catalogue.change_case(&before, &closed).await.unwrap();
    assert!(matches!(catalogue.change_case(&before, &closed).await, Err(CatalogueError::Conflict { .. })));
    let expected = [CaseEventKind::Emergency, CaseEventKind::Closed, CaseEventKind::ReviewDue];
    let of = |n: u64| (n + 1, "a".to_owned(), expected[n as usize]);
    assert_eq!(events(catalogue, 0).await, (0..3).map(of).collect::<Vec<_>>());
    let first = catalogue.case_events_since(0, 1).await.unwrap().remove(0).event.unwrap();
    assert_eq!(first.deadline, Some(before.case.grant.opened.plus_micros(24 * HOUR)));
    // How far they were told never goes back.
    assert_eq!(catalogue.notified().await.unwrap(), Some(0));
    for seq in [2, 1] {
        catalogue.set_notified(seq).await.unwrap();
    }
    catalogue.begin_notifying().await.unwrap();
    assert_eq!(catalogue.notified().await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_case_is_told_of_once_when_it_waits_and_once_when_it_ends_soon() {
    let f = fixture().await;
    let opened = ReceiveTime::from_micros(START).unwrap();
    f.catalogue.add_case(&case("waits")).await.unwrap();
    let policy = Policy::default();
    let remind = async |hours| f.catalogue.remind_of_cases(&policy, opened.plus_micros(hours * HOUR)).await.unwrap();
    assert_eq!((remind(3).await, remind(5).await, remind(6).await), (0, 1, 0));
    let before = f.catalogue.case(case("waits").id()).await.unwrap().unwrap();
    let mut after = before.case.clone();
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = sign_grant(&key, &before.case.grant);
    let by = caller("otto", "oversight", Role::Authoriser);
    after.authorise(&policy, &by, Proof::Key { key: PublicKey::from(&key), signature }, opened.plus_micros(7 * HOUR)).unwrap();
    f.catalogue.change_case(&before, &after).await.unwrap();
    assert_eq!((remind(23).await, remind(25).await, remind(26).await, remind(60).await), (0, 1, 0, 0));
    let kinds: Vec<_> = events(&f.catalogue, 0).await.into_iter().map(|e| e.2).collect();
    use CaseEventKind::{Authorised, Expiring, Opened, Waiting};
    assert_eq!(kinds, [Opened, Waiting, Authorised, Expiring]);
}

#[tokio::test]
async fn of_events_so_many_are_kept_and_one_that_cannot_be_read_stops_none() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    f.catalogue.add_case(&case("b")).await.unwrap();
    let mut raw = raw(f.dir.path()).await;
    sqlx::query("UPDATE case_event SET kind = 'party' WHERE seq = 1").execute(&mut raw).await.unwrap();
    assert_eq!(events(&f.catalogue, 0).await, [(2, "b".to_owned(), CaseEventKind::Opened)]);
    assert_eq!(f.catalogue.case_events_since(0, 100).await.unwrap().len(), 2);
    // As if so many had come meanwhile.
    sqlx::query("UPDATE sequence SET value = 10000 WHERE name = 'case_events'").execute(&mut raw).await.unwrap();
    f.catalogue.add_case(&case("c")).await.unwrap();
    let numbers: Vec<_> = events(&f.catalogue, 0).await.into_iter().map(|e| e.0).collect();
    assert_eq!(numbers, [2, 10_001]);
    assert_eq!(f.catalogue.last_case_event().await.unwrap(), 10_001);
}
