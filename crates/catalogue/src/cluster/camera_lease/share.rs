//! Sharing an agency's cameras out among its workers.

use std::collections::{BTreeMap, BTreeSet};

use types::CameraId;

/// A worker that is there.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) holder: String,
    /// What it can watch.
    pub(super) able: BTreeSet<CameraId>,
    /// How many at once.
    pub(super) most: usize,
}

/// A camera that may be watched.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) camera: CameraId,
    /// Who watches it now.
    pub(super) holder: Option<String>,
}

/// The cameras that `me` should have. Every worker that is asked the same gets its own part of the same answer, so nobody has
/// to lead: a camera stays where it is unless that is more than an even share of what its worker can watch; what is left goes
/// to whoever has least. Cameras that few can watch are given out first.
pub(super) fn share(candidates: &[Candidate], workers: &[Worker], me: &str) -> BTreeSet<CameraId> {
    let able = |camera: &CameraId| workers.iter().filter(|w| w.able.contains(camera)).count();
    let mut order: Vec<&Candidate> = candidates.iter().filter(|c| able(&c.camera) > 0).collect();
    order.sort_by_key(|c| (able(&c.camera), &c.camera));
    let working = workers.iter().filter(|w| w.most > 0 && !w.able.is_empty()).count().max(1);
    let even = order.len().div_ceil(working);
    let mut load: BTreeMap<&str, usize> = BTreeMap::new();
    let mut mine = BTreeSet::new();
    let mut left = Vec::new();
    let mut give = |worker: &Worker, camera: &CameraId| {
        if worker.holder == me {
            mine.insert(camera.clone());
        }
    };
    for candidate in order {
        let of = |w: &&Worker| w.able.contains(&candidate.camera) && candidate.holder.as_ref() == Some(&w.holder);
        let has = |w: &Worker| load.get(w.holder.as_str()).copied().unwrap_or(0);
        match workers.iter().find(of).filter(|w| has(w) < even.min(w.most)) {
            Some(worker) => {
                *load.entry(worker.holder.as_str()).or_default() += 1;
                give(worker, &candidate.camera);
            }
            None => left.push(&candidate.camera),
        }
    }
    for camera in left {
        let has = |w: &Worker| load.get(w.holder.as_str()).copied().unwrap_or(0);
        let free = workers.iter().filter(|w| w.able.contains(camera) && has(w) < w.most);
        if let Some(worker) = free.min_by_key(|w| (has(w), &w.holder)) {
            *load.entry(worker.holder.as_str()).or_default() += 1;
            give(worker, camera);
        }
    }
    mine
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera(n: usize) -> CameraId {
        CameraId::new(&format!("c{n}")).unwrap()
    }

    fn worker(name: &str, able: impl IntoIterator<Item = usize>, most: usize) -> Worker {
        Worker { holder: name.to_owned(), able: able.into_iter().map(camera).collect(), most }
    }

    fn held(holders: &[Option<&str>]) -> Vec<Candidate> {
        holders.iter().enumerate().map(|(n, h)| Candidate { camera: camera(n), holder: h.map(str::to_owned) }).collect()
    }

    fn counts(candidates: &[Candidate], workers: &[Worker]) -> Vec<usize> {
        workers.iter().map(|w| share(candidates, workers, &w.holder).len()).collect()
    }

    #[test]
    fn a_worker_that_comes_gets_half_and_what_stays_does_not_move() {
        let alone = [worker("a", 0..8, 100)];
        let free = held(&[None; 8]);
        assert_eq!(counts(&free, &alone), [8]);
        let both = [worker("a", 0..8, 100), worker("b", 0..8, 100)];
        let of_a = held(&[Some("a"); 8]);
        assert_eq!(counts(&of_a, &both), [4, 4]);
        // Settled: nothing moves.
        let kept = share(&of_a, &both, "a");
        let holders: Vec<_> = (0..8).map(|n| Some(if kept.contains(&camera(n)) { "a" } else { "b" })).collect();
        assert_eq!(share(&held(&holders), &both, "a"), kept);
    }

    #[test]
    fn a_camera_that_only_one_can_watch_is_watched_by_that_one() {
        let workers = [worker("a", 0..3, 100), worker("b", [0], 100)];
        let all = held(&[Some("a"), Some("a"), Some("a")]);
        let a = share(&all, &workers, "a");
        assert!(a.contains(&camera(1)) && a.contains(&camera(2)), "{a:?}");
        assert_eq!(share(&all, &workers, "b"), [camera(0)].into());
        // Nobody is given what they can't take.
        assert_eq!(counts(&all, &[worker("a", 0..3, 0), worker("b", 0..3, 2)]), [0, 2]);
    }

    proptest! {
        #[test]
        fn every_camera_that_somebody_can_watch_and_has_room_for_has_exactly_one_worker(
            holders in prop::collection::vec(prop::option::of(0usize..4), 0..14),
            able in prop::collection::vec(prop::collection::btree_set(0usize..14, 0..14), 1..4),
            most in prop::collection::vec(0usize..20, 4),
        ) {
            let names = ["a", "b", "c", "d"];
            let workers: Vec<_> = able.iter().enumerate().map(|(n, able)| worker(names[n], able.iter().copied(), most[n])).collect();
            let all = held(&holders.iter().map(|h| h.map(|n| names[n])).collect::<Vec<_>>());
            let shares: Vec<_> = workers.iter().map(|w| share(&all, &workers, &w.holder)).collect();
            for candidate in &all {
                let n = shares.iter().filter(|s| s.contains(&candidate.camera)).count();
                prop_assert!(n <= 1);
                let room = workers.iter().zip(&shares).any(|(w, s)| w.able.contains(&candidate.camera) && s.len() < w.most);
                prop_assert!(n == 1 || !room, "{:?} is nobody's", candidate.camera);
            }
            for (worker, share) in workers.iter().zip(&shares) {
                prop_assert!(share.len() <= worker.most && share.is_subset(&worker.able));
            }
        }
    }
}
