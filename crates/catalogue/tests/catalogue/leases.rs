use std::{collections::BTreeSet, time::Duration};

use catalogue::{CameraLease, Catalogue, CatalogueError, FencingToken, Lease, LeaseFault, LeaseRequest, SightingRecord};
use types::{CaptureTime, SightingOrigin};

use crate::support::*;

const LONG: Duration = Duration::from_secs(600);
/// Over when it begins.
const OVER: Duration = Duration::ZERO;

fn request(holder: &str, lasts: Duration) -> LeaseRequest {
    LeaseRequest {
        holder: holder.to_owned(),
        agency: agency("north"),
        able: ["gate", "hall", "dock"].map(camera).into(),
        most: 10,
        released: BTreeSet::new(),
        status: [(camera("gate"), vec![1, 2, 3])].into(),
        lasts,
    }
}

async fn ask(catalogue: &Catalogue, request: &LeaseRequest) -> Vec<(String, u64)> {
    let told = |lease: Lease| (lease.camera.to_string(), lease.epoch);
    catalogue.lease_cameras(request).await.unwrap().into_iter().map(told).collect()
}

async fn hold(catalogue: &Catalogue, holder: &str, lasts: Duration) -> Vec<(String, u64)> {
    ask(catalogue, &request(holder, lasts)).await
}

fn held(cameras: &[(&str, u64)]) -> Vec<(String, u64)> {
    cameras.iter().map(|(camera, epoch)| ((*camera).to_owned(), *epoch)).collect()
}

/// By the clock that decides.
async fn now(catalogue: &Catalogue) -> CaptureTime {
    time(catalogue.last_leases().await.unwrap().now.as_micros())
}

async fn lease(catalogue: &Catalogue, at: &str, epoch: u64, holder: &str) -> CameraLease {
    catalogue.camera_lease(&camera(at), epoch, holder).await.unwrap().unwrap()
}

/// What `gate` saw live.
fn seen(n: u64, at: CaptureTime) -> SightingRecord {
    let mut record = record(n, n, 0);
    record.sighting.origin = SightingOrigin::Live;
    for stamp in [&mut record.sighting.first, &mut record.sighting.last] {
        stamp.time = at;
    }
    record.sighting.best = at;
    record
}

async fn put_by(catalogue: &Catalogue, record: SightingRecord, lease: &CameraLease) -> Result<(), Option<LeaseFault>> {
    let fence: FencingToken = [(record.sighting.id, lease.clone())].into_iter().collect();
    match catalogue.put_sightings(&[record], &fence).await {
        Ok(_) => Ok(()),
        Err(CatalogueError::Lease { fault, .. }) => Err(Some(fault)),
        Err(_) => Err(None),
    }
}

#[tokio::test]
async fn a_camera_is_held_by_one_at_a_time_and_each_change_of_hands_has_its_number() {
    let f = fixture().await;
    let c = &f.catalogue;
    assert_eq!(hold(c, "a", LONG).await, held(&[("gate", 1), ("hall", 1)]));
    // The other gets what the first has let go of, and no camera of another agency.
    assert_eq!(hold(c, "b", LONG).await, []);
    assert_eq!(hold(c, "a", LONG).await, held(&[("gate", 1)]));
    let without_hall = LeaseRequest { released: [camera("hall")].into(), ..request("a", LONG) };
    assert_eq!(ask(c, &without_hall).await, held(&[("gate", 1)]));
    assert_eq!(hold(c, "b", LONG).await, held(&[("hall", 2)]));
    let before = now(c).await;
    // Neither is heard of any more. One that was away and whose cameras nobody took goes on as before.
    hold(c, "b", OVER).await;
    hold(c, "a", OVER).await;
    assert_eq!(hold(c, "a", LONG).await, held(&[("gate", 1), ("hall", 3)]));
    // What its holder told is kept, also where it tells nothing later.
    let silent = LeaseRequest { status: [].into(), ..request("a", LONG) };
    ask(c, &silent).await;
    let all = c.last_leases().await.unwrap();
    let gate = &all.last[&camera("gate")];
    assert_eq!((gate.status.as_deref(), gate.holder.as_str()), (Some(&[1u8, 2, 3][..]), "a"));
    assert!(gate.expires > all.now && gate.expires <= all.now.plus_micros(600_000_000), "{gate:?}");
    assert_eq!(all.last[&camera("hall")].status, None);

    let of_b = lease(c, "hall", 2, "b").await;
    let after = now(c).await;
    assert_eq!((of_b.fault(before), of_b.fault(after)), (None, Some(LeaseFault::Stale)));
    assert_eq!(of_b.fault(before.plus_micros(-HOUR)), Some(LeaseFault::Early));
    assert_eq!(lease(c, "hall", 3, "a").await.fault(after.plus_micros(HOUR)), None);
    for (epoch, holder) in [(3, "b"), (2, "a"), (0, "a"), (4, "a"), (u64::MAX, "a")] {
        assert_eq!(c.camera_lease(&camera("hall"), epoch, holder).await.unwrap(), None, "{epoch} {holder}");
    }
}

#[tokio::test]
async fn a_camera_that_its_owner_paused_is_nobodys_until_it_is_resumed() {
    let f = fixture().await;
    let c = &f.catalogue;
    assert_eq!(hold(c, "a", LONG).await, held(&[("gate", 1), ("hall", 1)]));
    let before = now(c).await;
    c.change_camera_policy(&camera("gate"), |policy| policy.paused = true).await.unwrap();
    assert_eq!(hold(c, "a", LONG).await, held(&[("hall", 1)]));
    assert_eq!(c.last_leases().await.unwrap().last[&camera("gate")].holder, "");
    let own = lease(c, "gate", 1, "a").await;
    assert_eq!((own.fault(before), own.fault(now(c).await)), (None, Some(LeaseFault::Stale)));
    // Other changes of its policy while it is paused change nothing here.
    c.change_camera_policy(&camera("gate"), |policy| policy.sensitive = true).await.unwrap();
    c.change_camera_policy(&camera("gate"), |policy| policy.paused = false).await.unwrap();
    assert_eq!(hold(c, "a", LONG).await, held(&[("gate", 3), ("hall", 1)]));
}

#[tokio::test]
async fn of_many_that_ask_at_once_each_camera_has_one() {
    let f = fixture().await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..12 {
        let catalogue = f.catalogue.clone();
        asking.spawn(async move { catalogue.lease_cameras(&request(&format!("w{n}"), LONG)).await.unwrap() });
    }
    let all: Vec<_> = asking.join_all().await.into_iter().flatten().map(|lease| (lease.camera, lease.epoch)).collect();
    let once: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(once.len(), all.len(), "{all:?}");
    assert_eq!(once, [(camera("gate"), 1), (camera("hall"), 1)].into());
}

#[tokio::test]
async fn what_was_seen_after_a_camera_changed_hands_is_refused_where_it_would_be_stored_whenever_the_lease_was_looked_at() {
    let f = fixture().await;
    let (a, b) = (&f.catalogue, another(&f).await);
    hold(a, "a", OVER).await;
    // Looked at by the first server before the second gives the camera to another worker.
    let token = lease(a, "gate", 1, "a").await;
    let before = now(a).await;
    // That it has run out alone does no harm.
    assert_eq!(put_by(a, seen(1, before), &token).await, Ok(()));
    assert!(hold(&b, "b", LONG).await.contains(&("gate".to_owned(), 2)));
    let after = now(&b).await;
    assert_eq!(token.fault(after), None);
    assert_eq!(put_by(a, seen(2, after), &token).await, Err(Some(LeaseFault::Stale)));
    assert_eq!(put_by(a, seen(3, before), &token).await, Ok(()));
    assert_eq!(put_by(a, seen(4, before.plus_micros(-HOUR)), &token).await, Err(Some(LeaseFault::Early)));
    assert_eq!(put_by(a, seen(5, after), &lease(a, "gate", 2, "b").await).await, Ok(()));
    // Another camera's leave, and none at all.
    let hall = lease(a, "hall", 1, "a").await;
    assert_eq!(put_by(a, seen(6, before), &hall).await, Err(Some(LeaseFault::NotHeld)));
    let none: FencingToken = [].into_iter().collect();
    let refused = a.put_sightings(&[seen(7, before)], &none).await;
    assert!(matches!(refused, Err(CatalogueError::Lease { fault: LeaseFault::NotHeld, .. })), "{refused:?}");
    // A worker hands in sightings, and takes nothing away.
    let own: FencingToken = [(id(1), token)].into_iter().collect();
    let refused = a.discard_footage(&camera("gate"), footage(1), &own).await;
    assert!(matches!(refused, Err(CatalogueError::NotOurs { .. })), "{refused:?}");
    assert_eq!(a.sighting_count().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_was_seen_while_its_worker_held_the_camera_whoever_takes_it_meanwhile() {
    let f = fixture().await;
    let (first, second) = (f.catalogue.clone(), another(&f).await);
    hold(&first, "w0", OVER).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (worker, catalogue) in [first, second].into_iter().enumerate() {
        tasks.spawn(async move {
            let name = format!("w{worker}");
            let mut stored = Vec::new();
            for n in 0..40 {
                // Over at once, so that the other takes the cameras with its next word.
                let leases = catalogue.lease_cameras(&request(&name, OVER)).await.unwrap();
                let Some(gate) = leases.into_iter().find(|l| l.camera == camera("gate")) else { continue };
                let token = lease(&catalogue, "gate", gate.epoch, &name).await;
                let record = seen(n * 2 + worker as u64, now(&catalogue).await);
                let at = record.sighting.first.time;
                match put_by(&catalogue, record, &token).await {
                    Ok(()) => stored.push((gate.epoch, at)),
                    Err(fault) => assert_eq!(fault, Some(LeaseFault::Stale)),
                }
            }
            (name, stored)
        });
    }
    let mut count = 0;
    for (name, stored) in tasks.join_all().await {
        for (epoch, at) in stored {
            assert_eq!(lease(&f.catalogue, "gate", epoch, &name).await.fault(at), None, "{name} {epoch} {at}");
            count += 1;
        }
    }
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), count);
}
