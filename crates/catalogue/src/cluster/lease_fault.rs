/// Why a sighting is not taken from a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseFault {
    #[error("the camera is not this worker's under that epoch")]
    NotHeld,
    #[error("the camera had changed hands, or was paused, when this was seen")]
    Stale,
    #[error("the camera was not this worker's yet when this was seen")]
    Early,
}
