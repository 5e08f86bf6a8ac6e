use std::{collections::BTreeSet, fmt};

use types::{CameraId, CaseId, Class, ReceiveTime, Sighting, TimeWindow};

use crate::{Action, AuditReceipt, Caller, Granted, Purpose};

/// Leave to read sightings, once, within what was granted. Only a [`crate::Gate`] makes one, after the entry that says so
/// is durable. It can be neither copied nor stored:
///
/// ```compile_fail
/// fn copied(permit: &access::CasePermit) -> access::CasePermit { permit.clone() }
/// ```
/// ```compile_fail
/// fn stored(permit: &access::CasePermit) -> String { serde_json::to_string(permit).unwrap() }
/// ```
/// ```compile_fail
/// fn forged(granted: access::Granted) -> access::CasePermit { access::CasePermit { granted } }
/// ```
pub struct CasePermit {
    action: Action,
    case: CaseId,
    caller: Caller,
    granted: Granted,
    receipt: AuditReceipt,
    /// Results taken from the budget when it was minted.
    reserved: u32,
}

impl CasePermit {
    pub(crate) fn mint(
        action: Action,
        case: CaseId,
        caller: Caller,
        granted: Granted,
        receipt: AuditReceipt,
        reserved: u32,
    ) -> Self {
        Self { action, case, caller, granted, receipt, reserved }
    }

    /// The case that was searched.
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// Who may do what the permit allows.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The case's purpose.
    pub fn purpose(&self) -> Purpose {
        self.granted.purpose
    }

    /// Never empty.
    pub fn cameras(&self) -> &BTreeSet<CameraId> {
        &self.granted.asked.cameras
    }

    /// The capture times that may be searched.
    pub fn window(&self) -> TimeWindow {
        self.granted.asked.window
    }

    /// Never empty: every class is spelled out.
    pub fn classes(&self) -> &BTreeSet<Class> {
        &self.granted.asked.classes
    }

    /// The most sightings that may be handed out.
    pub fn limit(&self) -> usize {
        self.granted.limit as usize
    }

    /// Whether stature may be asked and shown.
    pub fn allows_stature(&self) -> bool {
        self.granted.stature
    }

    /// From when on the permit allows nothing.
    pub fn expires(&self) -> ReceiveTime {
        self.granted.expires
    }

    /// Whether some cameras may be searched for some hours only, so that [`Self::covers`] can refuse what a filter by
    /// camera, class and time lets through.
    pub fn restricts_hours(&self) -> bool {
        !self.granted.asked.hours.is_empty()
    }

    /// Whether a sighting may be handed out.
    pub fn covers(&self, sighting: &Sighting) -> bool {
        self.granted.asked.covers(sighting)
    }

    /// Whether a sighting may be the example of the search: anything the case covers.
    pub fn covers_example(&self, sighting: &Sighting) -> bool {
        self.granted.whole.covers(sighting)
    }

    /// Everything that was allowed.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The entry on whose strength this was minted.
    pub fn receipt(&self) -> &AuditReceipt {
        &self.receipt
    }

    pub(crate) fn into_parts(self) -> (Action, CaseId, Caller, AuditReceipt, u32) {
        (self.action, self.case, self.caller, self.receipt, self.reserved)
    }
}

impl fmt::Debug for CasePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CasePermit({:?}, {}, entry {})", self.case, self.caller, self.receipt.seq)
    }
}
