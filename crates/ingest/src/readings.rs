use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use pipeline::{LiveStatus, Spool, SpoolState, Watchers};
use prost::Message as _;
use proto::v1;
use types::{AgencyId, CameraId, CaptureTime, Sighting};

/// How a worker does, for those who watch over it.
#[derive(Debug, Clone)]
pub struct Readings {
    /// Those that it watches now, each with its agency.
    pub cameras: BTreeMap<CameraId, (AgencyId, LiveStatus)>,
    /// How full its queue on disk is.
    pub spool: SpoolState,
    /// When the oldest sighting that waits was seen last.
    pub oldest: Option<CaptureTime>,
    /// Sightings that the server refused for good, since the start.
    pub refused: u64,
}

/// Reads a running worker, whenever somebody asks.
#[derive(Clone)]
pub struct Reader {
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) refused: Arc<AtomicU64>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?}, {:?})", self.watchers, self.spool)
    }
}

impl Reader {
    /// Reads a record from the spool's disk.
    pub fn read(&self) -> Readings {
        Readings {
            cameras: self.watchers.statuses(),
            spool: self.spool.state(),
            oldest: oldest(&self.spool),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// None also where it can't be read; whoever sends it says so.
fn oldest(spool: &Spool) -> Option<CaptureTime> {
    let (_, record) = spool.read(0, 1).ok()?.into_iter().next()?;
    let sighting = Sighting::try_from(v1::PushRequest::decode(&*record).ok()?.sighting?).ok()?;
    Some(sighting.last.time)
}
