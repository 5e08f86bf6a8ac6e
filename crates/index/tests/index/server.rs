//! The index on a server: what it asks for, and what it does when the server does not do its part. The server is a fake with
//! faults on demand, but for the last test.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use index::{ApiKey, IndexError, IndexLocation, IndexQuery, QueryVector, ServerSettings, VectorIndex, WriteGuard};
use tonic::Code;

use crate::{
    fake::{Fake, Fault},
    support::*,
    world::{World, settings},
};

fn open(settings: ServerSettings) -> VectorIndex {
    IndexLocation::server(settings).unwrap().open(SPEC).unwrap()
}

fn anything() -> IndexQuery {
    query(QueryVector::Appearance(appearance(1, LEN)))
}

/// An index with two sightings on two days.
fn filled(fake: &Fake) -> VectorIndex {
    let index = open(settings(&fake.url()));
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 2).unwrap();
    index.flush().unwrap();
    index
}

fn alias() -> String {
    format!("test-{}", MODEL.short())
}

#[test]
fn a_collection_is_asked_for_as_configured_and_has_its_indexes_before_its_first_sighting() {
    let fake = Fake::start();
    let index = open(ServerSettings { replication: 3, write_consistency: 2, ..settings(&fake.url()) });
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    let made = fake.made(&alias());
    assert_eq!((made.replication_factor, made.write_consistency_factor, made.shard_number), (Some(3), Some(2), Some(1)));
    assert_eq!(made.sharding_method, Some(qdrant_client::qdrant::ShardingMethod::Custom.into()));
    let text = format!("{made:?}");
    assert!(text.contains("on_disk: Some(true)") && text.contains("r#type: Int8"), "{text}");
    let log = fake.log();
    let first = log.iter().position(|l| l.starts_with(&format!("upsert {}", alias())) && l.ends_with("2026-03-01 1")).unwrap();
    let indexed: Vec<_> = log[..first].iter().filter_map(|l| l.strip_prefix("create_field_index ")).collect();
    assert_eq!(indexed, ["agency", "camera", "class", "first", "last"]);
    assert_eq!(fake.early_writes(), 0, "a new shard was waited for");
}

#[test]
fn a_day_takes_changes_as_long_as_enough_of_its_machines_are_there() {
    let fake = Fake::start();
    let three = || {
        open(ServerSettings {
            replication: 3,
            write_consistency: 2,
            timeout: Duration::from_millis(200),
            ..settings(&fake.url())
        })
    };
    three().upsert(&[entry(1, 1, 0)], 1).unwrap();
    fake.others_die(1);
    // One that opens it now, on the day that is there and on a new one.
    three().upsert(&[entry(2, 2, 0), entry(3, 3, 25 * HOUR)], 2).unwrap();
    fake.others_die(2);
    let error = three().upsert(&[entry(4, 4, 0)], 3).unwrap_err();
    assert!(matches!(&error, IndexError::Away { reason, .. } if reason == "2026-03-01 is not ready"), "{error}");
}

#[test]
fn one_that_may_not_change_it_reads_and_says_so() {
    let fake = Fake::start();
    let place = IndexLocation::server(settings(&fake.url())).unwrap();
    let ours = Arc::new(AtomicBool::new(false));
    let guard = {
        let ours = ours.clone();
        WriteGuard::while_it(move || ours.load(Ordering::Relaxed))
    };
    let reader = place.open_guarded(guard, SPEC).unwrap();
    // It makes nothing, not even what is missing.
    assert!(reader.search(&anything()).unwrap_err().is_away());
    assert_eq!(fake.names(), (Vec::new(), Vec::new()));

    let feeder = filled(&fake);
    assert_eq!(reader.search(&anything()).unwrap().len(), 2);
    assert_eq!(reader.applied_seq(), 2);
    let asked = fake.log().len();
    let refused = [
        reader.upsert(&[entry(3, 3, 0)], 3),
        reader.remove(&[(entry(1, 1, 0).day, id(1))], 3),
        reader.drop_day(entry(1, 1, 0).day),
        reader.clear(),
    ];
    assert!(refused.iter().all(|r| matches!(r, Err(IndexError::NotOurs { .. }))), "{refused:?}");
    assert_eq!(fake.log().len(), asked, "nothing of it reaches the server");
    let purged = reader.purge(entry(1, 1, 0).day, &[id(1)].into());
    assert!(matches!(purged, Err(IndexError::NotOurs { .. })), "{purged:?}");

    // A day more, and one that was written anew.
    let shape = feeder.topology_version();
    feeder.upsert(&[entry(3, 3, 50 * HOUR)], 3).unwrap();
    feeder.upsert(&[entry(4, 4, 0)], 4).unwrap();
    feeder.purge(entry(1, 1, 0).day, &[id(4)].into()).unwrap();
    feeder.flush().unwrap();
    assert_ne!(feeder.topology_version(), shape);
    reader.refresh_topology();
    let found: BTreeSet<_> = reader.search(&anything()).unwrap().into_iter().map(|s| s.id).collect();
    assert_eq!(found, [id(2), id(3), id(4)].into());

    // It takes over from what is noted; the one before takes back what it should not have put.
    ours.store(true, Ordering::Relaxed);
    reader.refresh_topology();
    reader.ready().unwrap();
    assert_eq!((reader.applied_seq(), reader.durable_seq()), (4, 4));
    reader.remove(&[(entry(3, 3, 50 * HOUR).day, id(3))], 5).unwrap();
    feeder.upsert(&[entry(3, 3, 50 * HOUR)], 5).unwrap();
    feeder.withdraw(&[(entry(3, 3, 50 * HOUR).day, id(3))]).unwrap();
    assert_eq!(reader.search(&anything()).unwrap().len(), 2);
}

/// Whoever fed the one before does not note of the new one what went into that.
#[test]
fn who_is_overtaken_by_a_rebuild_goes_on_with_what_the_new_collection_has() {
    let fake = Fake::start();
    let (before, rebuilds) = (filled(&fake), filled(&fake));
    before.upsert(&[entry(5, 5, 0)], 50).unwrap();
    rebuilds.clear().unwrap();
    rebuilds.upsert(&[entry(1, 1, 0)], 1).unwrap();
    rebuilds.flush().unwrap();
    before.upsert(&[entry(6, 6, 25 * HOUR)], 1).unwrap();
    before.flush().unwrap();
    // As another process finds it.
    let next = open(settings(&fake.url()));
    next.ready().unwrap();
    assert_eq!(next.durable_seq(), 1);
}

#[test]
fn what_can_match_nothing_is_answered_without_a_call() {
    let fake = Fake::start();
    let index = filled(&fake);
    let asked = fake.log().len();
    assert!(index.search(&IndexQuery { cameras: Vec::new(), ..anything() }).unwrap().is_empty());
    assert!(index.search(&IndexQuery { limit: 0, ..anything() }).unwrap().is_empty());
    assert!(index.search(&IndexQuery { window: window(-200 * HOUR, -100 * HOUR), ..anything() }).unwrap().is_empty());
    index.remove(&[(entry(9, 9, 100 * HOUR).day, id(9))], 3).unwrap();
    assert_eq!(fake.log().len(), asked, "{:?}", &fake.log()[asked..]);
    assert_eq!(index.search(&IndexQuery { window: window(0, HOUR), ..anything() }).unwrap().len(), 1);
    assert_eq!(fake.log()[asked..], ["query 2026-03-01"]);
}

#[test]
fn a_call_that_changes_nothing_when_made_twice_is_made_again() {
    let fake = Fake::start();
    let index = filled(&fake);
    // The client itself tries twice; the second try is ours.
    fake.fail("query", 2, Fault::Refused(Code::Unavailable));
    assert_eq!(index.search(&anything()).unwrap().len(), 2);
    fake.fail("upsert", 3, Fault::AnswerLost);
    index.upsert(&[entry(3, 3, 0)], 3).unwrap();
    assert_eq!((index.len().unwrap(), fake.faults_left()), (3, 0));
}

#[test]
fn what_is_no_passing_fault_is_not_tried_again() {
    let fake = Fake::start();
    let index = filled(&fake);
    let before = fake.calls("query");
    fake.fail("query", 9, Fault::Refused(Code::Unimplemented));
    let error = index.search(&anything()).unwrap_err();
    assert!(matches!(error, IndexError::Server { .. }), "{error:?}");
    assert_eq!(fake.calls("query"), before + 1);
}

#[test]
fn a_shard_whose_making_was_not_heard_of_is_made_once() {
    let fake = Fake::start();
    let index = filled(&fake);
    let before = fake.calls("create_shard_key");
    fake.fail("create_shard_key", 1, Fault::AnswerLost);
    index.upsert(&[entry(3, 3, 50 * HOUR)], 3).unwrap();
    assert_eq!(fake.calls("create_shard_key"), before + 1);
    assert_eq!(index.len().unwrap(), 3);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_configured() {
    let fake = Fake::start();
    filled(&fake);
    let index = open(ServerSettings { timeout: Duration::from_millis(400), ..settings(&fake.url()) });
    index.ready().unwrap();
    fake.fail("query", 1, Fault::Silence);
    let error = index.search(&anything()).unwrap_err();
    assert!(matches!(&error, IndexError::Away { reason, .. } if reason == "no answer within 400 ms"), "{error}");
    assert_eq!(index.search(&anything()).unwrap().len(), 2);
}

#[test]
fn a_server_that_fails_again_and_again_is_left_alone_and_tried_later() {
    let fake = Fake::start();
    let index = filled(&fake);
    fake.fail("query", 1000, Fault::Refused(Code::Unavailable));
    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(index.search(&anything()).unwrap_err());
    }
    assert!(errors.iter().all(IndexError::is_away), "{errors:?}");
    // 5 failures opened it: from then on no call came.
    assert!(matches!(errors[2], IndexError::Resting { .. }), "{errors:?}");
    let asked = fake.log().len();
    assert!(matches!(index.len(), Err(IndexError::Resting { .. })), "whatever is asked");
    assert_eq!(fake.log().len(), asked);
    fake.heal();
    let until = Instant::now() + Duration::from_secs(600);
    while index.search(&anything()).is_err() {
        assert!(Instant::now() < until, "it is never asked again");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(index.len().unwrap(), 2);
}

#[test]
fn a_wrong_key_is_told_and_never_shown() {
    let fake = Fake::with_key("right-key");
    let with = |key: &str| ServerSettings { api_key: ApiKey::new(key), ..settings(&fake.url()) };
    let index = open(with("wrong-key"));
    let error = index.ready().unwrap_err();
    assert!(matches!(error, IndexError::Refused { .. }) && error.is_away(), "{error:?}");
    assert!(error.to_string().contains("index.api_key_file"), "{error}");
    for shown in [format!("{error:?}"), format!("{error}"), format!("{index:?}"), format!("{:?}", with("wrong-key"))] {
        assert!(!shown.contains("wrong-key"), "{shown}");
    }
    open(with("right-key")).ready().unwrap();
    for unusable in ["", "with space", "with\nline", "ü"] {
        assert_eq!(ApiKey::new(unusable), None, "{unusable:?}");
    }
}

#[test]
fn a_server_on_its_own_is_told_how_to_start() {
    let fake = Fake::alone();
    let error = open(settings(&fake.url())).upsert(&[entry(1, 1, 0)], 1).unwrap_err();
    assert!(matches!(error, IndexError::Unsuitable { .. }), "{error:?}");
    assert!(error.to_string().contains("QDRANT__CLUSTER__ENABLED=true"), "{error}");
}

#[test]
fn an_index_opens_while_its_server_is_away_and_goes_on_when_it_comes() {
    let mut fake = Fake::start();
    fake.stop();
    let index = open(settings(&fake.url()));
    assert!(index.ready().unwrap_err().is_away());
    assert!(index.upsert(&[entry(1, 1, 0)], 1).unwrap_err().is_away());
    assert_eq!((index.applied_seq(), index.durable_seq()), (0, 0));
    fake.start_again();
    until_it_works(|| index.upsert(&[entry(1, 1, 0)], 1));
    index.flush().unwrap();
    assert_eq!((index.applied_seq(), index.durable_seq(), index.len().unwrap()), (1, 1, 1));
    // And in the middle.
    fake.stop();
    assert!(index.search(&anything()).unwrap_err().is_away());
    assert!(index.upsert(&[entry(2, 2, 0)], 2).unwrap_err().is_away());
    assert_eq!(index.applied_seq(), 1);
    fake.start_again();
    until_it_works(|| index.upsert(&[entry(2, 2, 0)], 2));
    assert_eq!(index.search(&anything()).unwrap().len(), 2);
}

/// Until the circuit lets it through.
fn until_it_works(mut work: impl FnMut() -> Result<(), IndexError>) {
    let until = Instant::now() + Duration::from_secs(600);
    while let Err(error) = work() {
        assert!(error.is_away() && Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn made_again_it_is_another_collection_under_the_same_name() {
    let fake = Fake::start();
    let index = filled(&fake);
    let named = |made: u32| vec![(alias(), format!("{}-{made}", alias()))];
    assert_eq!(fake.names().1, named(0));
    index.clear().unwrap();
    assert_eq!(fake.names(), (vec![format!("{}-1", alias()), "test-notes".to_owned()], named(1)));
    // A second server that does not know of it yet.
    let other = open(settings(&fake.url()));
    other.ready().unwrap();
    index.clear().unwrap();
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    assert_eq!(fake.names().1, named(2));
    other.upsert(&[entry(2, 2, 0)], 2).unwrap();
    assert_eq!((other.len().unwrap(), index.len().unwrap()), (2, 2));
}

#[test]
fn a_rebuild_that_is_cut_off_claims_nothing() {
    let fake = Fake::start();
    let index = filled(&fake);
    fake.fail("update_aliases", 1, Fault::Refused(Code::Unavailable));
    index.clear().unwrap_err();
    drop(index);
    let index = open(settings(&fake.url()));
    let error = index.ready().unwrap_err();
    assert!(error.is_rebuildable(), "{error}");
    index.clear().unwrap();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (0, 0));
    assert_eq!(fake.names().0.len(), 2, "{:?}", fake.names());
}

#[test]
fn a_collection_that_is_lost_is_noticed() {
    let fake = Fake::start();
    drop(filled(&fake));
    fake.lose(&format!("{}-0", alias()));
    let index = open(settings(&fake.url()));
    let error = index.ready().unwrap_err();
    assert!(error.is_rebuildable(), "{error}");
}

#[test]
fn a_purge_that_is_cut_off_leaves_the_day_as_it_was_and_is_done_by_the_next() {
    let fake = Fake::start();
    let index = filled(&fake);
    index.upsert(&[entry(3, 3, 0)], 3).unwrap();
    let (day, keep) = (entry(1, 1, 0).day, std::collections::BTreeSet::from([id(3)]));
    fake.fail("delete_shard_key", 1, Fault::Refused(Code::Unavailable));
    index.purge(day, &keep).unwrap_err();
    assert_eq!(fake.shards(&alias()), ["2026-03-01", "2026-03-01.1", "2026-03-02"]);
    assert_eq!(index.ids(day).unwrap().len(), 2);
    for index in [&index, &open(settings(&fake.url()))] {
        assert_eq!(index.len().unwrap(), 3, "each once");
        assert_eq!(index.search(&anything()).unwrap().len(), 3);
    }
    assert_eq!(index.purge(day, &keep).unwrap(), 1);
    assert_eq!(fake.shards(&alias()), ["2026-03-01.1", "2026-03-02"]);
    // Nor does a day that is dropped come back by what such a purge left.
    fake.fail("delete_shard_key", 1, Fault::Refused(Code::Unavailable));
    index.purge(day, &keep).unwrap_err();
    index.drop_day(day).unwrap();
    assert_eq!(fake.shards(&alias()), ["2026-03-02"]);
}

#[test]
fn another_server_hears_of_days_that_went_and_were_written_anew() {
    let fake = Fake::start();
    let (index, other) = (filled(&fake), open(settings(&fake.url())));
    other.ready().unwrap();
    let (day, next) = (entry(1, 1, 0).day, entry(2, 2, 25 * HOUR).day);
    index.purge(day, &[id(1)].into()).unwrap();
    assert_eq!(other.search(&anything()).unwrap().len(), 2);
    index.drop_day(next).unwrap();
    assert_eq!(other.search(&anything()).unwrap().len(), 1);
    other.upsert(&[entry(4, 4, 25 * HOUR)], 4).unwrap();
    assert_eq!(other.len().unwrap(), 2);
}

#[test]
fn who_has_fed_less_does_not_take_back_what_is_noted() {
    let fake = Fake::start();
    let (index, other) = (filled(&fake), open(settings(&fake.url())));
    other.ready().unwrap();
    index.upsert(&[], 9).unwrap();
    index.flush().unwrap();
    other.upsert(&[], 5).unwrap();
    other.flush().unwrap();
    let third = open(settings(&fake.url()));
    third.ready().unwrap();
    assert_eq!(third.durable_seq(), 9);
}

#[test]
fn only_an_exact_search_says_that_it_is_exact() {
    let fake = Fake::start();
    assert!(open(settings(&fake.url())).is_exact());
    let index = open(ServerSettings { exact: false, ..settings(&fake.url()) });
    assert!(!index.is_exact());
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    assert!(format!("{:?}", fake.made(&alias())).contains("always_ram: Some(true)"));
}

/// On a real server whose files can be read: `SIGHTLINE_TEST_QDRANT_STORAGE` names its storage folder.
#[test]
fn what_was_purged_is_in_no_file_of_a_real_server() {
    let Some(world) = World::server() else { return };
    let Some(storage) = std::env::var_os("SIGHTLINE_TEST_QDRANT_STORAGE") else {
        eprintln!("SKIPPED: set SIGHTLINE_TEST_QDRANT_STORAGE to the server's storage folder");
        return;
    };
    let storage = Path::new(&storage);
    // Ids that no other test uses.
    let ours = |n: u64| {
        let mut e = entry(n, n, 0);
        e.id = types::SightingId::derive(&camera(0), &rand_seed(), n);
        e
    };
    let entries: Vec<_> = (0..300).map(ours).collect();
    let index = world.open();
    index.upsert(&entries, 1).unwrap();
    let (gone, kept): (Vec<_>, Vec<_>) = entries.iter().map(|e| e.id).enumerate().partition(|(n, _)| n % 3 == 0);
    let some = |of: &[(usize, types::SightingId)]| of.iter().step_by(of.len() / 5).map(|(_, id)| *id).collect::<Vec<_>>();
    assert!(some(&gone).iter().all(|id| crate::purge::is_in(storage, *id)), "it is there to be purged");
    index.purge(entries[0].day, &kept.iter().map(|(_, id)| *id).collect()).unwrap();
    assert!(some(&kept).iter().all(|id| crate::purge::is_in(storage, *id)), "what is kept is there");
    let left: Vec<_> = some(&gone).into_iter().filter(|id| crate::purge::is_in(storage, *id)).collect();
    assert!(left.is_empty(), "{left:?}");
    index.drop_day(entries[0].day).unwrap();
    let left: Vec<_> = some(&kept).into_iter().filter(|id| crate::purge::is_in(storage, *id)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn rand_seed() -> [u8; 8] {
    static SEED: std::sync::OnceLock<[u8; 8]> = std::sync::OnceLock::new();
    *SEED.get_or_init(rand::random)
}
