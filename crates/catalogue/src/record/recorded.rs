//! What the record says about rows beside it: which entries are a case's, which cases are closed, which certificates revoked.
//! It is read from the entries alone. Whoever can write to the database can change a row and its columns, but an entry of the
//! record only so that the log shows it. Where the two differ the stricter one counts, and `check` names the difference.

use std::collections::{BTreeMap, HashMap};

use access::{Action, AuditEntry, CameraPolicy, Charge, Closed, Ending, Outcome, Phase};
use types::{CameraId, CaseId};

use super::known::Known;
use crate::Spent;

/// A case's end, as the record has it.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// Of the entry.
    pub(super) seq: u64,
    pub(super) closed: Closed,
}

/// What the entries came to, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(super) upto: u64,
    unreadable: Option<u64>,
    pub(super) of_case: HashMap<CaseId, Vec<i64>>,
    pub(super) ended: BTreeMap<CaseId, Ended>,
    /// Revocations that began: the entry, and the serial number.
    begun: BTreeMap<u64, String>,
    /// The serial number, and the entry that says so.
    pub(super) revoked: BTreeMap<String, u64>,
    pub(super) known: Known,
    /// The first entry that says that every sighting is committed to.
    whole: Option<u64>,
    spent: HashMap<CaseId, Spent>,
    /// What owners said last, with the entry; `None`: an entry of an earlier version says that they did, and not what.
    policies: BTreeMap<CameraId, Option<(u64, CameraPolicy)>>,
}

impl Recorded {
    /// Takes entries that were just written, if it has read all before them. Otherwise `false`.
    pub(super) fn follow<'a>(&mut self, entries: impl Iterator<Item = (u64, &'a AuditEntry)>) -> bool {
        for (seq, entry) in entries {
            if seq > self.upto + 1 {
                return false;
            }
            self.take(seq, Some(entry));
        }
        true
    }

    /// How far it was read.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// What the entries of a case took from its budgets.
    pub(crate) fn spent(&self, case: &CaseId) -> Spent {
        self.spent.get(case).copied().unwrap_or_default()
    }

    /// What the owner of a camera said last, and in which entry, where it is known.
    pub(crate) fn policy(&self, camera: &CameraId) -> Option<(u64, CameraPolicy)> {
        match self.policies.get(camera) {
            Some(told) => told.clone(),
            // Nobody said anything.
            None => Some((0, CameraPolicy::default())),
        }
    }

    /// The first entry that says that every sighting is committed to.
    pub(crate) fn whole(&self) -> Option<u64> {
        self.whole
    }

    /// The first entry that can't be read.
    pub(crate) fn unreadable(&self) -> Option<u64> {
        self.unreadable
    }

    pub(super) fn take(&mut self, seq: u64, entry: Option<&AuditEntry>) {
        if seq <= self.upto {
            return;
        }
        self.upto = seq;
        let Some(entry) = entry else {
            self.unreadable.get_or_insert(seq);
            return;
        };
        if let Some(case) = &entry.case {
            self.of_case.entry(case.clone()).or_default().push(seq.cast_signed());
        }
        self.known.take(entry);
        if entry.detail.seen.as_ref().is_some_and(|seen| seen.whole) {
            self.whole.get_or_insert(seq);
        }
        if let (Some(case), Some(charge)) = (&entry.case, &entry.charge) {
            let spent = self.spent.entry(case.clone()).or_default();
            match charge {
                Charge::Take { queries, results, .. } => {
                    spent.queries = spent.queries.saturating_add(u64::from(*queries));
                    spent.results = spent.results.saturating_add(u64::from(*results));
                }
                Charge::GiveBack { results } => spent.results = spent.results.saturating_sub(u64::from(*results)),
            }
        }
        let of_policy = [Action::SetCameraPolicy, Action::PauseCamera, Action::ResumeCamera, Action::RevokeCamera];
        for camera in entry.detail.cameras.iter().filter(|_| of_policy.contains(&entry.action)) {
            match &entry.detail.policy {
                Some(policy) => drop(self.policies.insert(camera.clone(), Some((seq, policy.clone())))),
                None => drop(self.policies.entry(camera.clone()).or_insert(None)),
            }
        }
        match (entry.action, &entry.phase) {
            (Action::RevokeIdentity, Phase::Begin) => {
                if let Some(serial) = &entry.detail.serial {
                    self.begun.insert(seq, serial.clone());
                }
            }
            (Action::RevokeIdentity, Phase::Complete { begin, outcome }) => {
                let serial = self.begun.remove(begin);
                if let (Some(serial), Outcome::Done) = (serial, outcome) {
                    self.revoked.entry(serial).or_insert(seq);
                }
            }
            (Action::CloseCase | Action::RefuseCase, Phase::Complete { outcome: Outcome::Done, .. }) => {
                if let Some(case) = &entry.case {
                    let ending = match (entry.action, &entry.caller) {
                        (Action::RefuseCase, _) => Ending::Refused,
                        (_, None) => Ending::Unauthorised,
                        (_, Some(_)) => Ending::Closed,
                    };
                    let reason = format!("entry {seq} of the record ended it; the row that said why was changed");
                    let closed = Closed { by: entry.caller.clone(), at: entry.at, reason, ending };
                    self.ended.insert(case.clone(), Ended { seq, closed });
                }
            }
            _ => {}
        }
    }
}
