use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use types::ReceiveTime;

/// What time it is for decisions about cases. Tests set it forward and back; a deployment has the system's.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_us: Arc<AtomicI64>,
}

impl Clock {
    pub fn now(&self) -> ReceiveTime {
        ReceiveTime::now().plus_micros(self.offset_us.load(Ordering::Relaxed))
    }

    /// From now on this far ahead of the system's clock. All clones go along.
    pub fn set_ahead(&self, by: Duration) {
        self.offset_us.store(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
