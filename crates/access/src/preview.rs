//! What a case would open, for whoever is asked to sign it: an order of magnitude and nothing else. Nobody searches by it: it
//! says neither which sightings there are, nor whether there is a certain one.

use std::collections::BTreeSet;

use types::{CameraId, CaseId, Class, ReceiveTime, TimeWindow};

use crate::{Action, Caller, Case, Denial, Policy, PooledCamera, decide::open_cameras};

/// Leave to count what a case would open, for one who could sign it now. Only [`decide_preview`] makes one, and what is counted
/// with it is a [`Magnitude`].
#[derive(Debug)]
pub struct Preview {
    case: CaseId,
    cameras: BTreeSet<CameraId>,
    window: TimeWindow,
    classes: BTreeSet<Class>,
}

impl Preview {
    /// Whose scope is counted.
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// Those of the case whose owners allow its purpose now; perhaps none.
    pub fn cameras(&self) -> &BTreeSet<CameraId> {
        &self.cameras
    }

    /// The case's.
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// Never empty: every class is spelled out.
    pub fn classes(&self) -> &BTreeSet<Class> {
        &self.classes
    }
}

/// Whether somebody may be told how much a case would open: who could sign it now. Pure.
///
/// # Errors
/// The refusal that their signature would get, but for the key.
pub fn decide_preview(
    policy: &Policy,
    case: &Case,
    cameras: &[PooledCamera],
    caller: &Caller,
    now: ReceiveTime,
) -> Result<Preview, Denial> {
    Action::PreviewCase.check_role(caller)?;
    case.check_signable(policy, caller, now)?;
    let grant = &case.grant;
    let (open, _) = open_cameras(case, cameras, case.signers(Some(caller)));
    Ok(Preview {
        case: case.id().clone(),
        cameras: open.into_iter().map(|c| c.id.clone()).collect(),
        window: grant.scope.window,
        classes: Class::ALL.iter().copied().filter(|c| grant.scope.covers_class(*c)).collect(),
    })
}

/// About how many: a power of ten that they are fewer than, so that nobody learns of a single sighting by asking. The least is
/// ten, of none and of nine alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magnitude(Option<u32>);

impl Magnitude {
    /// So many are not counted further.
    pub const MOST: u32 = 10_000;

    /// Of a count, which may have ended at [`Self::MOST`].
    pub fn of(count: u32) -> Self {
        Self([10, 100, 1_000, Self::MOST].into_iter().find(|more| count < *more))
    }

    /// `None`: there are [`Self::MOST`] or more.
    pub fn fewer_than(self) -> Option<u32> {
        self.0
    }
}
