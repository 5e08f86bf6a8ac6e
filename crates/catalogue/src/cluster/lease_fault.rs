/// Why a sighting is not taken from a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseFault {
    /// The worker never had the camera under the epoch that it names.
    #[error("the camera is not this worker's under that epoch")]
    NotHeld,
    /// The lease was over when the sighting was made.
    #[error("the camera had changed hands, or was paused, when this was seen")]
    Stale,
    /// The lease had not begun when the sighting was made.
    #[error("the camera was not this worker's yet when this was seen")]
    Early,
}
