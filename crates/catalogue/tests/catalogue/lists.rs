//! Lists, a page at a time.

use std::collections::BTreeSet;

use access::{Budgets, Caller, Case, Grant, Purpose, Role, Scope};
use catalogue::{CasePlace, Catalogue, HoldPlace, JobPlace, NewJob};
use types::{CaseId, ReceiveTime, TimeWindow};

use crate::support::*;

fn case(id: &str, by: &str, hours: i64, emergency: bool) -> Case {
    let opened = ReceiveTime::from_micros(START + hours * HOUR).unwrap();
    Case::requested(Grant {
        case: CaseId::new(id).unwrap(),
        purpose: Purpose::MissingPerson,
        legal_basis: "law".into(),
        reason: "reason".into(),
        requester: Caller::from_uri(&format!("sightline://{by}/investigator/ines")).unwrap(),
        scope: Scope {
            cameras: [camera("gate")].into(),
            agencies: BTreeSet::new(),
            window: TimeWindow::new(time(START), time(START + HOUR)).unwrap(),
            classes: BTreeSet::new(),
            area: None,
            parts: BTreeSet::new(),
        },
        budgets: Budgets { queries: 10, results: 100 },
        opened,
        expires: opened.plus_micros(1_000 * HOUR),
        emergency: emergency.then(|| "it is freezing".to_owned()),
    })
}

async fn listed(catalogue: &Catalogue, organisation: Option<&str>, page: u32) -> Vec<String> {
    let (mut all, mut after): (Vec<String>, Option<CasePlace>) = (Vec::new(), None);
    loop {
        let some = catalogue.cases_page(None, organisation, after.as_ref(), page).await.unwrap();
        assert!(some.len() <= page as usize);
        let Some((_, last)) = some.last() else { return all };
        after = Some(last.clone());
        all.extend(some.into_iter().map(|(case, _)| case.unwrap().case.id().to_string()));
    }
}

#[tokio::test]
async fn cases_come_with_the_unreviewed_emergencies_first_then_what_waits_and_no_page_leaves_one_out() {
    let f = fixture().await;
    let closer = Caller::from_uri("sightline://police/investigator/ines").unwrap();
    let otto = Caller::from_uri("sightline://court/authoriser/otto").unwrap();
    assert_eq!(otto.role, Role::Authoriser);
    let policy = access::Policy::default();
    for hours in 0..6 {
        f.catalogue.add_case(&case(&format!("waits-{hours}"), "police", hours, false)).await.unwrap();
        f.catalogue
            .add_case(&case(&format!("urgent-{hours}"), if hours < 3 { "police" } else { "rescue" }, hours, true))
            .await
            .unwrap();
        // Two at the same time.
        f.catalogue.add_case(&case(&format!("also-{hours}"), "rescue", hours, false)).await.unwrap();
        let over = f.catalogue.add_case(&case(&format!("over-{hours}"), "police", hours, false)).await.unwrap();
        let mut closed = over.case.clone();
        closed.close(&closer, "found", over.case.grant.opened).unwrap();
        f.catalogue.change_case(&over, &closed).await.unwrap();
    }
    // One that its requester closed is still to be reviewed, one that was refused is not.
    for (id, refused) in [("urgent-1", false), ("urgent-2", true)] {
        let before = f.catalogue.case(&CaseId::new(id).unwrap()).await.unwrap().unwrap();
        let (mut after, at) = (before.case.clone(), before.case.grant.opened);
        if refused {
            after.refuse(&policy, &otto, "no ground", at).unwrap();
        } else {
            after.close(&closer, "found", at).unwrap();
        }
        f.catalogue.change_case(&before, &after).await.unwrap();
    }
    let names = |some: &[(&str, i64)]| some.iter().map(|(name, n)| format!("{name}-{n}")).collect::<Vec<_>>();
    let mut expected = names(&[("urgent", 5), ("urgent", 4), ("urgent", 3), ("urgent", 1), ("urgent", 0)]);
    expected.extend((0..6).rev().flat_map(|n| names(&[("also", n), ("waits", n)])));
    let mut rest = names(&[("over", 5), ("over", 4), ("over", 3), ("over", 2), ("urgent", 2), ("over", 1), ("over", 0)]);
    expected.append(&mut rest);
    for page in [1, 2, 5, 100] {
        assert_eq!(listed(&f.catalogue, None, page).await, expected, "pages of {page}");
    }
    let rescue: Vec<_> = listed(&f.catalogue, Some("rescue"), 2).await;
    let theirs = ["urgent-3", "urgent-4", "urgent-5"];
    let own = expected.iter().filter(|id| id.starts_with("also") || theirs.contains(&id.as_str()));
    assert_eq!(rescue.iter().collect::<Vec<_>>(), own.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_comes_while_pages_are_read_moves_nothing() {
    let f = fixture().await;
    for n in 0..5 {
        f.catalogue.add_case(&case(&format!("c-{n}"), "police", n, false)).await.unwrap();
    }
    let first = f.catalogue.cases_page(None, None, None, 2).await.unwrap();
    f.catalogue.add_case(&case("new", "police", 9, false)).await.unwrap();
    let next = f.catalogue.cases_page(None, None, Some(&first[1].1), 10).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&next).map(|(c, _)| c.as_ref().unwrap().case.id().to_string()).collect();
    assert_eq!(ids, ["c-4", "c-3", "c-2", "c-1", "c-0"]);
}

#[tokio::test]
async fn jobs_and_cameras_are_chosen_by_state_and_agency_and_counted_by_the_database() {
    let f = fixture().await;
    for n in 0..7_u8 {
        for at in ["gate", "dock"] {
            let new = NewJob {
                camera: camera(at),
                footage: footage(n),
                path: format!("/{n}"),
                start: time(START),
                settings: String::new(),
            };
            f.catalogue.add_job(&new).await.unwrap();
        }
    }
    let taken = f.catalogue.take_job("me", std::time::Duration::from_secs(60), &[]).await.unwrap().unwrap();
    let counts = f.catalogue.job_counts(None).await.unwrap();
    assert_eq!((counts.queued, counts.running, counts.done), (13, 1, 0));
    assert_eq!(f.catalogue.queued_count().await.unwrap(), 13);
    assert_eq!(f.catalogue.running_jobs().await.unwrap(), std::slice::from_ref(&taken.job));
    let progress = catalogue::JobProgress { sightings: 5, ..Default::default() };
    assert!(f.catalogue.progress_job(&taken.lease, progress).await.unwrap());
    let of = async |agency| {
        let counts = f.catalogue.job_counts(agency).await.unwrap();
        (counts.queued + counts.running + counts.cancelled, counts.sightings)
    };
    assert_eq!((of(None).await, of(Some("nobody")).await), ((14, 5), (0, 0)));
    let (south, north) = (of(Some("south")).await, of(Some("north")).await);
    assert_eq!((south.0, north.0, south.1 + north.1), (7, 7, 5), "{south:?} {north:?}");
    let (mut all, mut after): (Vec<_>, Option<JobPlace>) = (Vec::new(), None);
    loop {
        let some = f.catalogue.jobs_page(Some("queued"), Some("south"), after.as_ref(), 2).await.unwrap();
        let Some(last) = some.last() else { break };
        after = Some(JobPlace::of(last));
        all.extend(some);
    }
    let ids: BTreeSet<_> = all.iter().map(|j| j.id.clone()).collect();
    assert!(all.iter().all(|j| j.spec.camera == camera("dock")) && ids.len() == all.len());
    assert!(all.is_sorted_by(|a, b| (b.created, &a.id) <= (a.created, &b.id)));
    assert!([6, 7].contains(&all.len()), "{}", all.len());
    assert_eq!(f.catalogue.jobs_of(&camera("gate"), &footage(3)).await.unwrap().len(), 1);
    f.catalogue.finish_job(&taken.lease, &catalogue::JobState::Cancelled).await.unwrap();
    assert_eq!(of(None).await, (14, 0), "nothing is kept of what was stopped");

    assert_eq!(f.catalogue.camera_count().await.unwrap(), 3);
    let page = f.catalogue.cameras_page(Some(&agency("north")), None, 1).await.unwrap();
    assert_eq!(page[0].id, camera("gate"));
    let page = f.catalogue.cameras_page(Some(&agency("north")), Some(&page[0].id), 9).await.unwrap();
    assert_eq!(page.into_iter().map(|c| c.id).collect::<Vec<_>>(), [camera("hall")]);
    assert_eq!(f.catalogue.holds_page(None, None::<&HoldPlace>, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_case_whose_row_is_damaged_hides_no_other() {
    let f = fixture().await;
    for n in 0..3 {
        f.catalogue.add_case(&case(&format!("c-{n}"), "police", n, n == 1)).await.unwrap();
    }
    let mut raw = raw(f.dir.path()).await;
    for document in ["{", "[]", "", "{\"grant\": 7}"] {
        sqlx::query("UPDATE case_file SET document = $1 WHERE id = 'c-1'").bind(document).execute(&mut raw).await.unwrap();
        let listed = f.catalogue.cases_page(None, None, None, 10).await.unwrap();
        let ids: Vec<_> = listed.iter().filter_map(|(case, _)| Some(case.as_ref()?.case.id().to_string())).collect();
        assert_eq!((listed.len(), ids), (3, vec!["c-2".to_owned(), "c-0".to_owned()]), "{document:?}");
    }
    sqlx::Connection::close(raw).await.unwrap();
}
