//! The jobs that are worked on here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline::Segment;

use super::running::Running;

/// Jobs that have parts to do or under way, in the order in which they were begun; at most as many as workers. Its lock never
/// leaves it: nobody holds it while the database or a file is waited for, and the renewal of the leases waits for nobody.
#[derive(Default)]
pub(super) struct Active(Mutex<Vec<Arc<Running>>>);

impl Active {
    /// A part of the job that is under way for longest.
    pub(super) fn part(&self) -> Option<(Arc<Running>, Segment)> {
        self.lock().iter().find_map(|running| Some((running.clone(), running.take()?)))
    }

    pub(super) fn add(&self, running: Arc<Running>) {
        self.lock().push(running);
    }

    pub(super) fn remove(&self, running: &Arc<Running>) {
        self.lock().retain(|r| !Arc::ptr_eq(r, running));
    }

    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Running>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
