//! Which sightings somebody has been given under a case already. Looking at the crop of one of them again costs nothing; any other
//! is one more of the results that a case may have. And one of them can be an example, or have a verdict.
//!
//! The catalogue keeps them with the entry that ended the call; what is remembered here spares asking it.

use std::collections::{BTreeMap, HashSet, VecDeque};

use parking_lot::Mutex;
use types::{CaseId, SightingId};

/// Cases and sightings of each that are remembered. For what is not the catalogue is asked.
const CASES: usize = 256;
const SIGHTINGS: usize = 20_000;

#[derive(Debug, Default)]
pub(crate) struct HandedOut(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    of: BTreeMap<CaseId, HashSet<SightingId>>,
    /// In the order they came.
    cases: VecDeque<CaseId>,
}

impl HandedOut {
    /// These went to the caller, as results of the case.
    pub(crate) fn note(&self, case: &CaseId, sightings: &[SightingId]) {
        let mut remembered = self.0.lock();
        let Remembered { of, cases } = &mut *remembered;
        if !of.contains_key(case) {
            if cases.len() >= CASES
                && let Some(oldest) = cases.pop_front()
            {
                of.remove(&oldest);
            }
            cases.push_back(case.clone());
        }
        let known = of.entry(case.clone()).or_default();
        for sighting in sightings {
            if known.len() >= SIGHTINGS {
                break;
            }
            known.insert(*sighting);
        }
    }

    /// Whether the caller was given this under the case, as far as is remembered.
    pub(crate) fn has(&self, case: &CaseId, sighting: SightingId) -> bool {
        let remembered = self.0.lock();
        remembered.of.get(case).is_some_and(|known| known.contains(&sighting))
    }
}

#[cfg(test)]
mod tests {
    use types::CameraId;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_of_one_case() {
        let handed = HandedOut::default();
        let id = |n: u64| SightingId::derive(&CameraId::new("gate").unwrap(), b"test", n);
        let case = |n: usize| CaseId::new(&format!("c-{n}")).unwrap();
        handed.note(&case(0), &[id(1), id(2)]);
        assert!(handed.has(&case(0), id(1)) && !handed.has(&case(0), id(3)) && !handed.has(&case(1), id(1)));
        for n in 1..=CASES {
            handed.note(&case(n), &[id(1)]);
        }
        assert!(!handed.has(&case(0), id(1)) && handed.has(&case(CASES), id(1)));
        handed.note(&case(5), &(0..SIGHTINGS as u64 + 10).map(id).collect::<Vec<_>>());
        assert_eq!(handed.0.lock().of[&case(5)].len(), SIGHTINGS);
    }
}
