use std::{collections::BTreeSet, time::Duration};

use catalogue::{Catalogue, Lease, LeaseFault, LeaseRequest};
use types::ReceiveTime;

use crate::support::*;

fn at(seconds: i64) -> ReceiveTime {
    ReceiveTime::from_micros(START + seconds * 1_000_000).unwrap()
}

fn request(holder: &str, seconds: i64) -> LeaseRequest {
    LeaseRequest {
        holder: holder.to_owned(),
        agency: agency("north"),
        able: ["gate", "hall", "dock"].map(camera).into(),
        most: 10,
        released: BTreeSet::new(),
        status: [(camera("gate"), vec![1, 2, 3])].into(),
        now: at(seconds),
        lasts: Duration::from_secs(10),
    }
}

async fn hold(catalogue: &Catalogue, request: &LeaseRequest) -> Vec<(String, u64)> {
    let told = |lease: Lease| (lease.camera.to_string(), lease.epoch);
    catalogue.hold_cameras(request).await.unwrap().into_iter().map(told).collect()
}

fn held(cameras: &[(&str, u64)]) -> Vec<(String, u64)> {
    cameras.iter().map(|(camera, epoch)| ((*camera).to_owned(), *epoch)).collect()
}

#[tokio::test]
async fn a_camera_is_held_by_one_at_a_time_and_each_change_of_hands_has_its_number() {
    let f = fixture().await;
    let c = &f.catalogue;
    assert_eq!(hold(c, &request("a", 0)).await, held(&[("gate", 1), ("hall", 1)]));
    // The other gets what the first has let go of, and no camera of another agency.
    assert_eq!(hold(c, &request("b", 1)).await, []);
    assert_eq!(hold(c, &request("a", 2)).await, held(&[("gate", 1)]));
    assert_eq!(hold(c, &LeaseRequest { released: [camera("hall")].into(), ..request("a", 3) }).await, held(&[("gate", 1)]));
    assert_eq!(hold(c, &request("b", 4)).await, held(&[("hall", 2)]));
    // One that was away and whose cameras nobody took goes on as before.
    assert_eq!(hold(c, &request("a", 60)).await, held(&[("gate", 1), ("hall", 3)]));
    // What its holder told is kept, also where it tells nothing later.
    let silent = LeaseRequest { status: [].into(), ..request("a", 61) };
    hold(c, &silent).await;
    let all = c.last_leases().await.unwrap();
    let gate = &all[&camera("gate")];
    assert_eq!((gate.status.as_deref(), gate.holder.as_str(), gate.expires), (Some(&[1u8, 2, 3][..]), "a", at(71)));
    assert_eq!(all[&camera("hall")].status, None);

    let fault = async |epoch: u64, holder: &str, seconds: i64| {
        c.lease_fault(&camera("hall"), epoch, holder, time(START + seconds * 1_000_000)).await.unwrap()
    };
    assert_eq!(fault(2, "b", 59).await, None);
    assert_eq!(fault(2, "b", 60).await, Some(LeaseFault::Stale));
    assert_eq!(fault(3, "a", 9_999).await, None);
    for (epoch, holder) in [(3, "b"), (2, "a"), (0, "a"), (4, "a"), (u64::MAX, "a")] {
        assert_eq!(fault(epoch, holder, 5).await, Some(LeaseFault::NotHeld), "{epoch} {holder}");
    }
}

#[tokio::test]
async fn a_camera_that_its_owner_paused_is_nobodys_until_it_is_resumed() {
    let f = fixture().await;
    let c = &f.catalogue;
    let now = ReceiveTime::now();
    let ask = |by: i64| LeaseRequest { now: now.plus_micros(by), ..request("a", 0) };
    assert_eq!(hold(c, &ask(0)).await, held(&[("gate", 1), ("hall", 1)]));
    c.change_camera_policy(&camera("gate"), |policy| policy.paused = true).await.unwrap();
    assert_eq!(hold(c, &ask(1)).await, held(&[("hall", 1)]));
    assert_eq!(c.last_leases().await.unwrap()[&camera("gate")].holder, "");
    let after = time(ReceiveTime::now().as_micros() + 1);
    assert_eq!(c.lease_fault(&camera("gate"), 1, "a", after).await.unwrap(), Some(LeaseFault::Stale));
    assert_eq!(c.lease_fault(&camera("gate"), 1, "a", time(now.as_micros())).await.unwrap(), None);
    // Other changes of its policy while it is paused change nothing here.
    c.change_camera_policy(&camera("gate"), |policy| policy.sensitive = true).await.unwrap();
    c.change_camera_policy(&camera("gate"), |policy| policy.paused = false).await.unwrap();
    assert_eq!(hold(c, &ask(2)).await, held(&[("gate", 3), ("hall", 1)]));
}

#[tokio::test]
async fn of_many_that_ask_at_once_each_camera_has_one() {
    let f = fixture().await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..12 {
        let catalogue = f.catalogue.clone();
        asking.spawn(async move { catalogue.hold_cameras(&request(&format!("w{n}"), 0)).await.unwrap() });
    }
    let all: Vec<_> = asking.join_all().await.into_iter().flatten().map(|lease| (lease.camera, lease.epoch)).collect();
    let once: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(once.len(), all.len(), "{all:?}");
    assert_eq!(once, [(camera("gate"), 1), (camera("hall"), 1)].into());
}
